//! What the emulator cannot know: the requests that a simulation of the same deployment and seed would meet, and a
//! scenario file for each run.

use std::fmt::Write;
use std::path::{Component, Path};

use offing_core::{Arrivals, Deployment, Distribution, Request};
use offing_emu::{Made, Values, Work, Workload, demand};
use offing_models::distribution::quantile;
use offing_scenarios::{Scenario, canonical};
use offing_sim::{Options, simulate_with};

use crate::models;

/// Cells of a table of quantiles.
const CELLS: usize = 1_000;
/// Points within the first and the last cell.
const POINTS: usize = 64;
/// The file with the deployment of a run.
const DEPLOYMENT: &str = "deployment.toml";

/// The workload and the files of a run.
pub fn made(name: &str, deployment: &Deployment, seed: u64) -> Made {
    Made { workload: workload(deployment, seed), files: files(name, deployment, seed) }
}

/// The instants are those of a simulation with this seed, so that both meet the same arrivals. Sizes and work have
/// the same distributions.
fn workload(deployment: &Deployment, seed: u64) -> Workload {
    let demand = demand(deployment).expect("the plan has refused what cannot be measured");
    Workload {
        seed,
        emissions: emissions(deployment, seed),
        frame_bytes: values(demand.frame, 1.0, 0.0),
        reply_bytes: values(demand.reply, 1.0, 0.0),
        prepare_cpu_ns: work(&demand.prepare),
        process_cpu_ns: work(&demand.process),
    }
}

fn emissions(deployment: &Deployment, seed: u64) -> Vec<Vec<u64>> {
    let mut emissions = vec![Vec::new(); deployment.endpoints().nodes as usize];
    let mut note = |request: Request| emissions[request.endpoint as usize].push(request.emitted);
    let options = Options { engine: None, observer: Some(&mut note) };
    simulate_with(deployment, models::shipped(), seed, options);
    emissions.iter_mut().for_each(|instants| instants.sort_unstable());
    emissions
}

/// In nanoseconds.
fn work(work: &Work<'_>) -> Values {
    match work.random {
        None => Values::Constant((work.constant_s / work.speed * 1e9).round() as u64),
        Some(distribution) => values(distribution, 1e9 / work.speed, work.constant_s),
    }
}

/// `(value + more) * unit` as whole numbers. Quantiles stand at thousandths; the ends, where quantiles may be
/// infinite, are put so that the mean of their cell is right.
fn values(distribution: &Distribution, unit: f64, more: f64) -> Values {
    if let Distribution::Constant(value) = distribution {
        return Values::Constant(((value + more) * unit).round() as u64);
    }
    let at = |p: f64, q: f64| quantile(distribution, p, q).max(0.0);
    let inner = (1..CELLS).map(|i| i as f64 / CELLS as f64);
    let inner: Vec<f64> = inner.map(|p| at(p, 1.0 - p)).collect();
    // Middles of equal parts of a cell at an end: probabilities counted from that end.
    let middles = || (0..POINTS).map(|i| (i as f64 + 0.5) / (POINTS * CELLS) as f64);
    let low = middles().map(|p| at(p, 1.0 - p)).sum::<f64>() / POINTS as f64;
    let high = middles().map(|q| at(1.0 - q, q)).sum::<f64>() / POINTS as f64;
    let (first, last) = (inner[0], inner[CELLS - 2]);
    let ends = [(2.0 * low - first).clamp(0.0, first), (2.0 * high - last).max(last)];
    let all = [ends[0]].into_iter().chain(inner).chain([ends[1]]);
    Values::Quantiles(all.map(|value| ((value + more) * unit).round() as u64).collect())
}

/// The scenario with this one deployment, and the files that it names.
fn files(name: &str, deployment: &Deployment, seed: u64) -> Vec<(String, String)> {
    let mut deployment = deployment.clone();
    let mut files = Vec::new();
    let app = &mut deployment.app;
    let stages = app.stages.iter_mut().flat_map(|stage| [&mut stage.work, &mut stage.output]);
    for distribution in [&mut app.frame, &mut app.prepare].into_iter().chain(stages) {
        if let Distribution::Empirical { source, values } = distribution {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &Values) -> f64 {
        let Values::Quantiles(values) = values else { panic!("a table") };
        let cells = values.windows(2).map(|pair| (pair[0] + pair[1]) as f64 / 2.0);
        cells.sum::<f64>() / (values.len() - 1) as f64
    }

    #[test]
    fn a_table_of_quantiles_has_the_mean_of_its_distribution() {
        for distribution in [
            Distribution::Exponential { mean: 0.02 },
            Distribution::Lognormal { mean: 0.02, cv: 0.5 },
            Distribution::Gamma { mean: 0.02, cv: 1.5 },
            Distribution::Uniform { from: 0.01, to: 0.03 },
            Distribution::Normal { mean: 0.02, sd: 0.002 },
        ] {
            let table = values(&distribution, 1e9, 0.001);
            assert!((mean(&table) / 21e6 - 1.0).abs() < 2e-3, "{distribution:?}: {}", mean(&table));
            let Values::Quantiles(table) = table else { panic!("a table") };
            assert!(table.is_sorted() && table.len() == CELLS + 1);
        }
    }

    #[test]
    fn a_constant_stays_one_and_is_divided_by_the_speed() {
        let slow = Work { constant_s: 0.02, random: None, speed: 0.5 };
        assert_eq!(work(&slow), Values::Constant(40_000_000));
        assert_eq!(values(&Distribution::Constant(68e3), 1.0, 0.0), Values::Constant(68_000));
    }
}
