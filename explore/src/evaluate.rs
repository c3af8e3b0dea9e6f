//! Predicts deployments as rows of metrics: the one place where a sweep meets the simulator.

use std::ops::Range;

use offing_core::{Deployment, Engine, Parts, Summary};
use offing_models::ModelSet;
use offing_scenarios::Scenario;

/// The metrics of a row, in order, and what they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    names: Vec<String>,
    tiers: Vec<String>,
}

impl Metrics {
    /// Those that a goal of the scenario may name.
    pub fn new(scenario: &Scenario) -> Metrics {
        let mut tiers: Vec<String> = scenario.base.tiers.iter().map(|tier| tier.name.clone()).collect();
        // A peer endpoint that is not declared is a tier only where it is the target.
        for axis in scenario.space.axes() {
            let Some(column) = axis.keys().position(|key| key == "deploy.target") else { continue };
            for target in (0..axis.len()).map(|digit| axis.labels(digit).swap_remove(column)) {
                if !tiers.contains(&target) {
                    tiers.push(target);
                }
            }
        }
        Metrics { names: offing_scenarios::metrics(tiers.iter().map(String::as_str)), tiers }
    }

    /// Names in the order of a row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// Where a metric stands in a row.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The numbers of a summary as a row: NaN where one is not known, 1 or 0 for `stable`.
    pub fn row(&self, summary: &Summary, row: &mut Vec<f64>) {
        let s = summary;
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let start = row.len();
        match &s.latency_ms {
            Some(q) => row.extend([
                q.mean,
                q.sd,
                q.min,
                q.p50,
                q.p90,
                q.p95,
                q.p99,
                q.p999,
                q.max,
                known(q.trimmed_mean),
            ]),
            None => row.extend([f64::NAN; 10]),
        }
        for name in Parts::NAMES {
            match s.parts_ms.get(name) {
                Some(part) => row.extend([part.mean, part.p50, part.p95, part.p99]),
                None => row.extend([f64::NAN; 4]),
            }
        }
        // A tier that takes no part has no utilization.
        row.extend(self.tiers.iter().map(|tier| known(s.utilization.get(tier).copied())));
        row.extend([
            s.load,
            f64::from(u8::from(s.stable)),
            s.throughput_rps,
            known(s.energy_j_per_request),
            s.cost_usd_per_hour,
            s.dropped_share,
            known(s.deadline_miss_share),
        ]);
        debug_assert_eq!(row.len() - start, self.width(), "a row has every metric");
    }
}

/// Rows of metrics, flat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// [`Metrics::width`] values per row.
    pub values: Vec<f64>,
    /// Requests that each row was predicted from: those emitted in the observed span.
    pub requests: Vec<u64>,
    /// What made each row.
    pub engines: Vec<Engine>,
}

impl Rows {
    /// Where the values of a row are.
    pub fn of(&self, row: usize) -> Range<usize> {
        let width = self.values.len() / self.requests.len();
        row * width..(row + 1) * width
    }
}

/// A row for each deployment, in their order. A row does not depend on its neighbours.
///
/// # Panics
/// If [`offing_sim::refusal`] has a reason against one of them.
pub fn evaluate(deployments: &[Deployment], metrics: &Metrics, models: &ModelSet, seed: u64) -> Rows {
    let mut rows = Rows::default();
    rows.values.reserve(deployments.len() * metrics.width());
    for deployment in deployments {
        let run = offing_sim::simulate(deployment, models, seed);
        let summary = Summary::new("", &run, deployment.app.deadline.is_some());
        metrics.row(&summary, &mut rows.values);
        rows.requests.push(summary.requests.offered);
        rows.engines.push(summary.engine);
    }
    rows
}
