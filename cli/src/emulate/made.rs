//! What the emulator cannot know: the requests that a simulation of the same deployment and seed would meet, and a
//! scenario file for each run.

use std::fmt::Write;
use std::path::{Component, Path};

use offing_core::{Arrivals, Deployment, Distribution};
use offing_emu::{Made, Workload};
use offing_scenarios::{Scenario, canonical};
use offing_sim::demand;

use crate::models;

/// The file with the deployment of a run.
const DEPLOYMENT: &str = "deployment.toml";

/// The workload and the files of a run.
pub fn made(name: &str, deployment: &Deployment, seed: u64) -> Made {
    Made { workload: workload(deployment, seed), files: files(name, deployment, seed) }
}

fn workload(deployment: &Deployment, seed: u64) -> Workload {
    let endpoints = demand(deployment, models::current(), seed);
    Workload { seed, endpoints: endpoints.expect("the plan has refused closed loops") }
}

/// The scenario with this one deployment, and the files that it names.
fn files(name: &str, deployment: &Deployment, seed: u64) -> Vec<(String, String)> {
    let mut deployment = deployment.clone();
    let mut files = Vec::new();
    let app = &mut deployment.app;
    let stages = app.stages.iter_mut().flat_map(|stage| [&mut stage.work, &mut stage.output]);
    for distribution in [&mut app.frame, &mut app.prepare].into_iter().chain(stages) {
        // Values that no file holds are written into the scenario.
        if let Distribution::Empirical { source, values } = distribution
            && !source.is_empty()
        {
            let lines = values.iter().map(|value| format!("{value}\n")).collect();
            keep(&mut files, source, lines);
        }
    }
    if let Arrivals::Trace { source, arrivals } = &mut app.arrivals {
        let mut text = String::from("time_ns,endpoint\n");
        if arrivals.iter().all(|arrival| arrival.endpoint.is_none()) {
            text = "time_ns\n".into();
        }
        for arrival in arrivals.iter() {
            let endpoint = arrival.endpoint.map_or(String::new(), |endpoint| format!(",{endpoint}"));
            writeln!(text, "{}{endpoint}", arrival.at.as_nanos()).expect("writing to a text cannot fail");
        }
        keep(&mut files, source, text);
    }
    files.push((DEPLOYMENT.into(), canonical(&Scenario::single(name, seed, deployment))));
    files
}

/// Under the name that the scenario has for it, where that is below the scenario's folder.
fn keep(files: &mut Vec<(String, String)>, source: &mut String, text: String) {
    let is_below = Path::new(source.as_str()).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_below {
        let last =
            Path::new(source.as_str()).file_name().map_or("data".into(), |name| name.to_string_lossy());
        *source = format!("{}-{last}", files.len());
    }
    if files.iter().all(|(name, _)| name != source) {
        files.push((source.clone(), text));
    }
}
