//! What is told about a run: every number a table, a file or a report shows is derived here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Engine, Histogram, Parts, Run};

/// The latency of completed requests [ms].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it: mean, standard deviation, extremes and percentiles")]
pub struct Quantiles {
    pub mean: f64,
    pub sd: f64,
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Continuum's rule: mean of the slice `[int(0.05 n) : int(0.9 n)]` of the sorted values; absent if the
    /// slice is empty.
    pub trimmed_mean: Option<f64>,
}

/// One part of the latency [ms].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it: mean and percentiles")]
pub struct Part {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

/// 95 % intervals of the latency [ms] as [low, high]; method in [`crate::Recording::quantile_interval`].
/// Absent where there are too few requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it: mean and percentiles")]
pub struct Intervals {
    pub mean: Option<[f64; 2]>,
    pub p50: Option<[f64; 2]>,
    pub p95: Option<[f64; 2]>,
    pub p99: Option<[f64; 2]>,
}

/// Fates of the requests emitted in the observed span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "see `Counts`, which these are taken from")]
pub struct Requests {
    pub offered: u64,
    pub completed: u64,
    pub dropped: u64,
    pub unfinished: u64,
}

/// Everything that is told about one run. Field names are those of the JSON output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the scenario.
    pub scenario: String,
    /// Id of the deployment.
    pub deployment: String,
    /// Seed of the run.
    pub seed: u64,
    /// Name and hash of the model parameters.
    pub models: String,
    /// Which engine made the run.
    pub engine: Engine,
    /// Observed span [s].
    pub observed_s: f64,
    /// Fates of the requests.
    pub requests: Requests,
    /// Latency [ms]; absent if no request completed.
    pub latency_ms: Option<Quantiles>,
    /// Its 95 % intervals [ms].
    pub latency_ci95_ms: Intervals,
    /// The five parts [ms]; empty if no request completed.
    pub parts_ms: BTreeMap<String, Part>,
    /// Use of the processors of each participating tier, 0..1 of what the quota allows.
    pub utilization: BTreeMap<String, f64>,
    /// Demand divided by what the workers can use; may exceed 1.
    pub load: f64,
    /// Whether all queues without a limit stay finite.
    pub stable: bool,
    /// Requests by which the system fills up per second; present in overload only.
    pub growth_rps: Option<f64>,
    /// The resource with the highest load.
    pub bottleneck: String,
    /// Requests that came back per second.
    pub throughput_rps: f64,
    /// Share of the offered requests that were dropped, 0..1.
    pub dropped_share: f64,
    /// Share of the offered requests that missed the deadline or never came back, 0..1; absent without one.
    pub deadline_miss_share: Option<f64>,
    /// Energy of all participating nodes per completed request [J]; absent where it is not known.
    pub energy_j_per_request: Option<f64>,
    /// The same of the nodes of each participating tier [J]; without those whose energy is not known.
    #[serde(default)]
    pub energy_j_per_request_by_tier: BTreeMap<String, f64>,
    /// Price of all participating nodes [USD/h].
    pub cost_usd_per_hour: f64,
    /// What a reader must know before trusting the numbers.
    pub warnings: Vec<String>,
}

const NS_PER_MS: f64 = 1e6;

impl Summary {
    /// Derives the summary of a run of the named scenario; `has_deadline` says whether lateness was defined.
    pub fn new(scenario: &str, run: &Run, has_deadline: bool) -> Self {
        let latency = run.recording.latency();
        let counts = run.counts;
        let observed_s = run.recording.window().as_secs_f64();
        let in_ms = |interval: Option<[f64; 2]>| interval.map(|bounds| bounds.map(|x| x / NS_PER_MS));
        let quantile = |p| in_ms(run.recording.quantile_interval(p));
        let has_any = latency.count() > 0;
        let share = |part: u64| if counts.offered == 0 { 0.0 } else { part as f64 / counts.offered as f64 };
        Summary {
            scenario: scenario.to_string(),
            deployment: run.deployment.clone(),
            seed: run.seed,
            models: run.models.clone(),
            engine: run.engine,
            observed_s,
            requests: Requests {
                offered: counts.offered,
                completed: counts.completed,
                dropped: counts.dropped,
                unfinished: counts.unfinished,
            },
            latency_ms: has_any.then(|| quantiles(&latency, run.recording.latency_sd())),
            latency_ci95_ms: Intervals {
                mean: in_ms(run.recording.mean_interval()),
                p50: quantile(0.5),
                p95: quantile(0.95),
                p99: quantile(0.99),
            },
            parts_ms: Parts::NAMES
                .iter()
                .enumerate()
                .filter(|_| has_any)
                .map(|(i, name)| (name.to_string(), part(run.recording.part(i))))
                .collect(),
            utilization: run.tiers.iter().map(|tier| (tier.name.clone(), tier.utilization())).collect(),
            load: run.load,
            stable: run.stable,
            growth_rps: (!run.stable).then(|| {
                (counts.offered as f64 - counts.returned as f64 - counts.refused as f64) / observed_s
            }),
            bottleneck: run.bottleneck.clone(),
            throughput_rps: counts.returned as f64 / observed_s,
            dropped_share: share(counts.dropped),
            deadline_miss_share: has_deadline
                .then(|| share(counts.late + counts.dropped + counts.unfinished)),
            energy_j_per_request: run
                .energy_j
                .filter(|_| counts.completed > 0)
                .map(|energy| energy / counts.completed as f64),
            energy_j_per_request_by_tier: run
                .tiers
                .iter()
                .filter(|_| counts.completed > 0)
                .filter_map(|tier| Some((tier.name.clone(), tier.energy_j? / counts.completed as f64)))
                .collect(),
            cost_usd_per_hour: run.cost_usd_per_hour,
            warnings: run.warnings.clone(),
        }
    }
}

fn quantiles(latency: &Histogram, sd: f64) -> Quantiles {
    let n = latency.count();
    let at = |p| latency.quantile(p) / NS_PER_MS;
    let (from, to) = ((0.05 * n as f64) as u64, (0.9 * n as f64) as u64);
    Quantiles {
        mean: latency.mean() / NS_PER_MS,
        sd: sd / NS_PER_MS,
        min: latency.min() as f64 / NS_PER_MS,
        p50: at(0.5),
        p90: at(0.9),
        p95: at(0.95),
        p99: at(0.99),
        p999: at(0.999),
        max: latency.max() as f64 / NS_PER_MS,
        trimmed_mean: (from < to).then(|| latency.mean_of_ranks(from, to) / NS_PER_MS),
    }
}

fn part(histogram: &Histogram) -> Part {
    let at = |p| histogram.quantile(p) / NS_PER_MS;
    Part { mean: histogram.mean() / NS_PER_MS, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
