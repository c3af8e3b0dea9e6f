//! Predicts deployments as rows of metrics: the one place where a sweep meets the simulator.

use std::ops::Range;

use offing_core::{Deployment, Engine, Parts, Quantiles, Summary};
use offing_scenarios::Scenario;
use offing_sim::{Estimate, Sweep};

use crate::intervals::Doubt;
use crate::race::{Decided, Race, Raced};

/// The metrics of a row, in order, and what they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    names: Vec<String>,
    tiers: Vec<String>,
    /// Whether the metrics of [`DETAILS`] are among them.
    has_details: bool,
}

/// Ends of the names of metrics that a sweep leaves out unless the goal names one: nothing else needs the
/// distribution of every part, and the lanes of [`Sweep`] are faster without.
const DETAILS: [&str; 3] = ["_p50_ms", "_p95_ms", "_p99_ms"];

fn is_detail(name: &str) -> bool {
    name == "latency_sd_ms" || !name.starts_with("latency_") && DETAILS.iter().any(|end| name.ends_with(end))
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
        let goal = &scenario.goal;
        let asked = goal.require.iter().flat_map(|condition| condition.names()).chain(&goal.minimise);
        let has_details = asked.into_iter().any(|name| is_detail(name));
        let mut names = offing_scenarios::metrics(tiers.iter().map(String::as_str));
        names.retain(|name| has_details || !is_detail(name));
        Metrics { names, tiers, has_details }
    }

    /// All of a summary, for scenarios with these tiers.
    pub fn all(tiers: Vec<String>) -> Metrics {
        let names = offing_scenarios::metrics(tiers.iter().map(String::as_str));
        Metrics { names, tiers, has_details: true }
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
        self.latency(s.latency_ms.as_ref(), row);
        for name in Parts::NAMES {
            match s.parts_ms.get(name) {
                Some(part) if self.has_details => row.extend([part.mean, part.p50, part.p95, part.p99]),
                Some(part) => row.push(part.mean),
                None => row.extend([f64::NAN; 4].iter().take(if self.has_details { 4 } else { 1 })),
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

    fn latency(&self, quantiles: Option<&Quantiles>, row: &mut Vec<f64>) {
        let Some(q) = quantiles else {
            return row.extend([f64::NAN; 10].iter().take(if self.has_details { 10 } else { 9 }));
        };
        row.push(q.mean);
        if self.has_details {
            row.push(q.sd);
        }
        row.extend([q.min, q.p50, q.p90, q.p95, q.p99, q.p999, q.max, q.trimmed_mean.unwrap_or(f64::NAN)]);
    }

    /// The same row from an estimate, where no details are asked for.
    pub(crate) fn estimated(&self, deployment: &Deployment, e: &Estimate, row: &mut Vec<f64>) {
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let start = row.len();
        self.latency(e.latency_ms.as_ref(), row);
        row.extend(e.parts_mean_ms);
        let (source, target) = (&deployment.endpoints().name, &deployment.targets().name);
        row.extend(self.tiers.iter().map(|tier| {
            if tier == source {
                e.utilization[0]
            } else if tier == target {
                e.utilization[1]
            } else {
                f64::NAN
            }
        }));
        row.extend([
            e.load,
            f64::from(u8::from(e.stable)),
            e.throughput_rps,
            known(e.energy_j_per_request),
            e.cost_usd_per_hour,
            e.dropped_share,
            known(e.deadline_miss_share),
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
    /// What a race says of each row.
    pub decided: Vec<Decided>,
    /// One for each row that is [`Decided::Met`].
    pub(crate) doubts: Vec<Doubt>,
}

/// How far deployments are simulated.
#[derive(Clone, Copy, Debug)]
pub enum How<'r> {
    /// For the whole duration, and no more is asked.
    Exact,
    /// As far as a race needs.
    Raced(&'r Race),
    /// For the whole duration; the race says what it tells.
    Whole(&'r Race),
}

impl Rows {
    fn push(&mut self, metrics: &Metrics, deployment: &Deployment, estimate: &Estimate, decided: Decided) {
        metrics.estimated(deployment, estimate, &mut self.values);
        self.requests.push(estimate.requests.offered);
        self.engines.push(estimate.engine);
        self.decided.push(decided);
    }

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
pub fn evaluate(deployments: &[Deployment], metrics: &Metrics, how: How<'_>, sweep: &mut Sweep<'_>) -> Rows {
    let mut rows = Rows::default();
    rows.values.reserve(deployments.len() * metrics.width());
    if metrics.has_details {
        for deployment in deployments {
            let run = sweep.simulate(deployment);
            let summary = Summary::new("", &run, deployment.app.deadline.is_some());
            metrics.row(&summary, &mut rows.values);
            rows.requests.push(summary.requests.offered);
            rows.engines.push(summary.engine);
            rows.decided.push(Decided::Unknown);
        }
        return rows;
    }
    let raced = match how {
        How::Raced(race) => race.run(deployments, sweep),
        How::Whole(race) => race.whole(deployments, sweep),
        How::Exact => {
            for (deployment, estimate) in deployments.iter().zip(sweep.estimate(deployments)) {
                rows.push(metrics, deployment, &estimate, Decided::Unknown);
            }
            return rows;
        }
    };
    for (deployment, Raced { estimate, decided, above, .. }) in deployments.iter().zip(raced) {
        rows.push(metrics, deployment, &estimate, decided);
        if let (Decided::Met, Some(above)) = (decided, above) {
            rows.doubts.push(above.into());
        }
    }
    rows
}
