//! Fits how long pods need to start, and says how wrong it is on other numbers of pods: the tables of
//! docs/kubernetes-start.md.
//!
//! `cargo run --release -p offing-validation --example kubernetes_start [validation/data/kubernetes-start/pods.csv]`

#![allow(clippy::print_stdout, reason = "it prints tables")]

use std::fs;

use offing_core::Start;
use offing_models::{ModelSet, StartModel, Version};
use offing_sim::start::PHASES;
use offing_validation::start::{MeasuredStart, fit_starts, measured_starts, predicted_start};

/// Cores of the lab's host, which carries the control plane and all nodes. The machine that runs this does not matter.
const CORES: u32 = 2;
/// Where the fit begins.
const PRIORS: &str = include_str!("../data/kubernetes-start/priors.toml");
/// Numbers of pods that are fitted; all others are held out.
const FITTED: [u32; 4] = [5, 20, 45, 80];

fn main() {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/kubernetes-start/pods.csv").to_string()
    });
    let text = fs::read_to_string(&path).expect("the file can be read");
    let starts = measured_starts(&text).expect("the file is one of kubernetes-start.py");
    let on_lab = |set: &ModelSet| StartModel { host_cores: CORES, ..set.start(Version::MEASURED) };
    let shipped = on_lab(&ModelSet::default());
    let prior = on_lab(&ModelSet::read(PRIORS).expect("the priors can be read"));
    let is_fitted = |start: &&MeasuredStart| start.start == Start::Job && FITTED.contains(&start.count);
    let fitted: Vec<MeasuredStart> = starts.iter().filter(is_fitted).cloned().collect();
    let (model, works) = fit_starts(&prior, &fitted, CORES);
    for work in works {
        println!(
            "{:<18} value = {:.1}, unit = \"ms\", error = {:.1}",
            work.parameter, work.value_ms, work.error_ms
        );
    }
    println!(
        "\n| way | pods | phase | measured mean s | predicted | measured last s | predicted | error of last |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for start in &starts {
        let told = predicted_start(start, &model, CORES);
        for (at, phase) in PHASES.iter().enumerate() {
            let ([mean, last], passed) = (start.phases[at], told.phases[at]);
            println!(
                "| {:?} | {}{} | {phase} | {mean:.2} | {:.2} | {last:.2} | {:.2} | {:+.1} % |",
                start.start,
                start.count,
                if is_fitted(&start) { " (fitted)" } else { "" },
                passed.mean_s,
                passed.last_s,
                (passed.last_s / last - 1.0) * 100.0
            );
        }
    }
    println!(
        "\n| way | pods | repetitions | ready s: mean, lowest, highest | predicted (95 %) | error | shipped models |"
    );
    println!("|---|---|---|---|---|---|---|");
    for start in &starts {
        let of = |model| predicted_start(start, model, CORES);
        let (told, as_shipped) = (of(&model), of(&shipped));
        let mean = start.phases[PHASES.len() - 1][1];
        let (low, high) = start.ready_s.iter().fold((f64::MAX, 0.0f64), |(l, h), &s| (l.min(s), h.max(s)));
        println!(
            "| {:?} | {}{} | {} | {mean:.2}, {low:.2}, {high:.2} | {:.2} ({:.2} to {:.2}) | {:+.1} % | {:+.1} % |",
            start.start,
            start.count,
            if is_fitted(&start) { " (fitted)" } else { "" },
            start.repetitions,
            told.time_to_ready_s,
            told.time_to_ready_pi95_s[0],
            told.time_to_ready_pi95_s[1],
            (told.time_to_ready_s / mean - 1.0) * 100.0,
            (as_shipped.time_to_ready_s / mean - 1.0) * 100.0,
        );
    }
}
