//! Predictions of a run that was or will be measured, with their doubt.
//!
//! **Prediction**: of a run that replays a seed, the simulation with that seed, which meets the same instants, sizes and
//! work. Else the average over several seeds, so that the chance of one run does not count.
//!
//! **Interval** of one run to come: the middle 95 % of simulations, each with parameters drawn from their errors (those of
//! links together, by their covariance), effects drawn from the spread between runs, its own seed, and, for latencies, a
//! factor drawn from the discrepancy that leaving deployments out has shown. So it has the doubt about parameters, the
//! chance of one run, and what the model cannot say. It is the parametric bootstrap's predictive distribution (I. R. Harris,
//! Predictive fit for natural exponential families, Biometrika 76, 1989) with a discrepancy term (M. C. Kennedy,
//! A. O'Hagan, Bayesian calibration of computer models, JRSS B 63, 2001).

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};
use offing_core::{Deployment, Parts, Recording, Run};
use offing_models::{ModelSet, Uncertainty};
use offing_sim::simulate;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::measured::{Conditions, Measured};
use crate::robust::{generator, heavier, mean, quantile, sorted};

/// Numbers of a run by their names: `latency_p95_ms`, `queue_mean_ms`, `utilization_cloud`.
pub type Numbers = BTreeMap<String, f64>;

/// The latencies that intervals and limits are told of.
pub const LATENCIES: [&str; 4] = ["latency_mean_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms"];

/// The numbers of what was recorded.
pub fn numbers(recording: &Recording) -> Numbers {
    let mut found = Numbers::new();
    let mut put = |name: &str, histogram: &offing_core::Histogram| {
        found.insert(format!("{name}_mean_ms"), histogram.mean() / 1e6);
        for (which, p) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            found.insert(format!("{name}_{which}_ms"), histogram.quantile(p) / 1e6);
        }
    };
    put("latency", &recording.latency());
    for (number, part) in Parts::NAMES.iter().enumerate() {
        put(part, recording.part(number));
    }
    found
}

/// The numbers of a measured run; nothing where no request came back.
pub fn measured_numbers(run: &Measured) -> Option<Numbers> {
    let mut found = numbers(&run.recording()?);
    found.extend(run.utilization.iter().map(|(tier, share)| (format!("utilization_{tier}"), *share)));
    Some(found)
}

/// The set for a run under these conditions: a run that was dilated by k has periods of the kernel that are k times
/// shorter in its own time, and neighbours that use the host k times less.
pub fn under(models: &ModelSet, conditions: &Conditions) -> ModelSet {
    if conditions.dilate == 1.0 {
        return models.clone();
    }
    let mut values = BTreeMap::new();
    for (name, factor) in [
        ("compute.processor.quota_period", 1.0 / conditions.dilate),
        ("overheads.processor.host_cores", conditions.dilate),
    ] {
        values.insert(name.to_string(), vec![models.parameters()[name].values[0] * factor]);
    }
    models.with_values(&values)
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Averages over the seeds.
    pub numbers: Numbers,
    /// Whether queues stay finite.
    pub stable: bool,
    /// Load of the targets.
    pub load: f64,
    /// Latencies of all seeds, ascending [ms].
    pub latencies_ms: Vec<f64>,
    /// Where the models say nothing.
    pub outside: Vec<String>,
}

fn numbers_of_run(run: &Run) -> Numbers {
    let mut found = numbers(&run.recording);
    found.extend(run.tiers.iter().map(|tier| (format!("utilization_{}", tier.name), tier.utilization())));
    found
}

/// Seeds that stand for chance where a run has its own.
pub fn any_seeds(count: u64) -> Vec<u64> {
    (0..count).map(|seed| 1000 + seed).collect()
}

/// Predicts with the average over these seeds, at least one.
pub fn predict(models: &ModelSet, deployment: &Deployment, seeds: &[u64]) -> Predicted {
    let runs: Vec<Run> = seeds.iter().map(|&seed| simulate(deployment, models, seed)).collect();
    let each: Vec<Numbers> = runs.iter().map(numbers_of_run).collect();
    let average = |name: &String| mean(&each.iter().map(|numbers| numbers[name]).collect::<Vec<_>>());
    // A thousand quantiles tell a distribution as well as all requests.
    let mut merged = runs[0].recording.latency();
    runs[1..].iter().for_each(|run| merged.merge(&run.recording.latency()));
    let latencies_ms = match merged.count() {
        0 => Vec::new(),
        _ => (0..1000).map(|i| merged.quantile((f64::from(i) + 0.5) / 1000.0) / 1e6).collect(),
    };
    Predicted {
        numbers: each[0].keys().map(|name| (name.clone(), average(name))).collect(),
        stable: runs[0].stable,
        load: runs[0].load,
        latencies_ms,
        outside: models.outside(deployment),
    }
}

/// A draw of all parameters that were fitted, and the factors of its latencies.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Parameters, with the effects of one run.
    pub models: ModelSet,
    /// By metric.
    pub factors: BTreeMap<String, f64>,
}

/// Draws sets from the errors and spreads of a fitted one. `with_runs` adds the effects of single runs and the discrepancy.
pub fn draws(models: &ModelSet, count: usize, seed: u64, with_runs: bool) -> Vec<Draw> {
    let mut chance = generator(seed);
    let Some(fitted) = models.fitted() else {
        return vec![Draw { models: models.clone(), factors: BTreeMap::new() }; count];
    };
    let joint = &fitted.covariance;
    let size = joint.names.len();
    let factor = positive(&DMatrix::from_fn(size, size, |i, j| joint.rows[i][j]));
    (0..count)
        .map(|_| {
            let moved = &factor * DVector::from_fn(size, |_, _| normal(&mut chance));
            // Those that go together are wild together, each as its own degrees of freedom have it.
            let common = normal(&mut chance);
            let mut values = BTreeMap::new();
            for (name, parameter) in models.parameters() {
                let is_table = name.starts_with("service.");
                if !is_table && !name.starts_with("overheads.") {
                    continue;
                }
                let error = match parameter.error {
                    Uncertainty::Standard(error) => error,
                    Uncertainty::Said(_) => 0.0,
                };
                let mut by = match joint.names.iter().position(|other| other == name) {
                    Some(at) => moved[at] * heavier(parameter.freedom, common),
                    None => error * heavier(parameter.freedom, normal(&mut chance)) * normal(&mut chance),
                };
                let wild = heavier(parameter.spread_freedom, normal(&mut chance));
                let effect = parameter.spread * wild * normal(&mut chance);
                if with_runs {
                    by += effect;
                }
                let values_of = &parameter.values;
                let new = if is_table {
                    let table = offing_core::Distribution::Quantiles(values_of.clone().into());
                    let mean = offing_models::distribution::mean(&table);
                    let stretch = (1.0 + by / mean).max(0.05);
                    values_of.iter().map(|value| value * stretch).collect()
                } else {
                    vec![in_range(name, values_of[0] + by)]
                };
                values.insert(name.clone(), new);
            }
            let factors = fitted.discrepancy.iter().map(|(name, sd)| {
                // A factor that is as likely to halve as to double.
                let factor = if with_runs { (sd * normal(&mut chance)).exp() } else { 1.0 };
                (name.clone(), factor)
            });
            let factors = factors.collect();
            Draw { models: models.with_values(&values), factors }
        })
        .collect()
}

fn normal(chance: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(chance)
}

/// Where a parameter means something.
fn in_range(name: &str, value: f64) -> f64 {
    match name {
        "overheads.processor.quota_share" => value.clamp(0.1, 10.0),
        "overheads.processor.contention" => value.clamp(-0.9, 100.0),
        "overheads.link.framing" => value.clamp(-0.5, 10.0),
        "overheads.link.per_byte" | "overheads.link.noise" | "overheads.processor.host_cores" => {
            value.max(0.0)
        }
        "overheads.processor.pool" => value.round().clamp(0.0, 1.0),
        _ => value,
    }
}

/// A factor L of a covariance LL', also where rounding has made it not quite positive.
fn positive(covariance: &DMatrix<f64>) -> DMatrix<f64> {
    let size = covariance.nrows();
    let symmetric = 0.5 * (covariance + covariance.transpose());
    let largest = symmetric.diagonal().iter().copied().fold(0.0, f64::max);
    let mut ridge = 0.0;
    loop {
        let tried = &symmetric + DMatrix::<f64>::identity(size, size) * ridge;
        if let Some(factor) = tried.cholesky() {
            return factor.l();
        }
        ridge = if ridge == 0.0 { 1e-15 * largest.max(1e-300) } else { 10.0 * ridge };
    }
}

/// The numbers of a run to come, once per draw; each with its own seed, or with the seeds that it replays in turn.
pub fn predictive(
    drawn: &[Draw],
    conditions: Option<&Conditions>,
    deployment: &Deployment,
    replayed: Option<&[u64]>,
) -> Vec<Numbers> {
    let one = |(number, draw): (usize, &Draw)| {
        let models =
            conditions.map_or_else(|| draw.models.clone(), |conditions| under(&draw.models, conditions));
        let seed = replayed.map_or(2_000_000 + number as u64, |seeds| seeds[number % seeds.len()]);
        let mut numbers = numbers_of_run(&simulate(deployment, &models, seed));
        for (name, factor) in &draw.factors {
            if let Some(value) = numbers.get_mut(name) {
                *value *= factor;
            }
        }
        numbers
    };
    drawn.iter().enumerate().map(one).collect()
}

/// The middle 95 % of a number; nothing where it is not known.
pub fn interval(drawn: &[Numbers], name: &str) -> Option<[f64; 2]> {
    let values =
        sorted(drawn.iter().filter_map(|numbers| numbers.get(name).copied()).filter(|x| x.is_finite()));
    (values.len() >= 20).then(|| [quantile(&values, 0.025), quantile(&values, 0.975)])
}
