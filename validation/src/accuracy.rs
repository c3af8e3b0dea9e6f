//! How wrong predictions are on measured runs: per metric, per deployment, and for the choice that rests on them.
//!
//! Repetitions of a deployment are averaged. Deployments in overload count for whether it is recognised, and for nothing
//! else, since their latencies depend on the run's length. Intervals of averages are bootstrapped over deployments.

use std::collections::{BTreeMap, BTreeSet};

use offing_core::Parts;
use offing_models::ModelSet;
use serde::Serialize;

use crate::measured::{Measured, Seen};
use crate::predict::{
    LATENCIES, Numbers, any_seeds, draws, interval, measured_numbers, predict, predictive, under,
};
use crate::robust::{bootstrap, kendall, kolmogorov, mean, sorted, wasserstein};

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Seeds that a prediction is the average of.
    pub seeds: u64,
    /// Draws of an interval.
    pub draws: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { seeds: 10, draws: 200 }
    }
}

/// A deployment, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Its id.
    pub deployment: String,
    /// Names of its runs.
    pub runs: Vec<String>,
    /// Which of light (load below 0.5), busy (below 0.8), near saturation, overload it is, by the prediction.
    pub regime: &'static str,
    /// Predicted load of the targets.
    pub load: f64,
    /// Whether the prediction is that queues stay finite.
    pub predicted_stable: bool,
    /// Whether requests did not pile up.
    pub measured_stable: bool,
    /// Averages over its runs.
    pub measured: Numbers,
    /// What was predicted.
    pub predicted: Numbers,
    /// 95 % interval of one run.
    pub interval95: BTreeMap<String, [f64; 2]>,
    /// Of its runs and latencies, how many are inside, and how many there are.
    pub covered: BTreeMap<String, [usize; 2]>,
    /// Largest distance of the distribution functions of the latency, 0..1, averaged over its runs.
    pub latency_kolmogorov: Option<f64>,
    /// Mean distance of equal quantiles of the latency [ms].
    pub latency_wasserstein_ms: Option<f64>,
    /// Share of the requests that were lost.
    pub lost_share: f64,
    /// Where the models say nothing about it.
    pub outside: Vec<String>,
}

/// The error of one metric over deployments that are not in overload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricError {
    /// Its name.
    pub metric: String,
    /// Mean of predicted less measured, as a share of measured.
    pub bias: f64,
    /// Mean of its absolute value.
    pub mape: f64,
    /// 95 % interval of that; absent with fewer than three deployments.
    pub mape_ci95: Option<[f64; 2]>,
    /// Mean absolute distance in the metric's unit.
    pub distance: f64,
    /// Share of runs inside of their 95 % interval, for latencies.
    pub coverage: Option<f64>,
    /// Deployments.
    pub deployments: usize,
}

/// The choice that rests on the predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Which runs: those of one folder or scenario.
    pub among: String,
    /// Whether deployments are ordered alike by p95, tau-b.
    pub kendall_p95: Option<f64>,
    /// The same by the mean.
    pub kendall_mean: Option<f64>,
    /// The deployment with the lowest predicted p95.
    pub pick: String,
    /// By how much its measured p95 is above the lowest measured one [ms].
    pub regret_ms: f64,
    /// As a share of the lowest.
    pub regret: f64,
    /// Whether the interval of the pick reaches down to the best that was measured: the two cannot be told apart.
    pub not_distinguishable: bool,
}

/// How wrong predictions are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Label of the models.
    pub models: String,
    /// How deployments were kept from the fit.
    pub judged_on: String,
    /// Each deployment.
    pub compared: Vec<Compared>,
    /// Each metric.
    pub metrics: Vec<MetricError>,
    /// Of parts of deployments, the share whose mean is within 10 % or 1 ms.
    pub parts_within: Option<f64>,
    /// Mean absolute error of utilizations, in points.
    pub utilization_points: Option<f64>,
    /// Deployments whose overload, or the absence of it, was recognised.
    pub overload_right: [usize; 2],
    /// The choices.
    pub choices: Vec<Choice>,
    /// Runs that were left out, and why.
    pub left_out: Vec<String>,
}

/// Runs that a set was fitted on, and runs of deployments that it has seen.
pub fn is_seen(models: &ModelSet, run: &Measured) -> bool {
    let id = run.deployment.id();
    models.fitted().is_some_and(|fitted| {
        fitted.runs.iter().any(|seen| seen.sha256 == run.sha256 || seen.deployment == id)
    })
}

/// Compares the runs of one deployment.
pub fn compare(models: &ModelSet, runs: &[&Measured], effort: Effort) -> Option<Compared> {
    let first = runs[0];
    let d = &first.deployment;
    if offing_sim::refusal(d).is_some() {
        return None;
    }
    let numbers: Vec<Numbers> =
        runs.iter().filter_map(|run| measured_numbers(run).or_else(|| of_table(run))).collect();
    let names: BTreeSet<&String> = numbers.iter().flat_map(Numbers::keys).collect();
    if names.is_empty() {
        return None;
    }
    let average = |name: &str| {
        mean(&numbers.iter().filter_map(|numbers| numbers.get(name).copied()).collect::<Vec<_>>())
    };
    let measured: Numbers = names.iter().map(|name| (name.to_string(), average(name))).collect();
    let here = under(models, &first.conditions);
    let replayed: Option<Vec<u64>> = runs.iter().map(|run| run.seed).collect();
    let seeds = replayed.clone().unwrap_or_else(|| any_seeds(effort.seeds));
    let predicted = predict(&here, d, &seeds);
    let drawn =
        predictive(&draws(models, effort.draws, 77, true), Some(&first.conditions), d, replayed.as_deref());
    let measured_stable = !runs.iter().any(|run| run.piled_up());
    let mut interval95 = BTreeMap::new();
    let mut covered = BTreeMap::new();
    for name in LATENCIES {
        let Some([low, high]) = interval(&drawn, name) else { continue };
        let values: Vec<f64> = numbers.iter().filter_map(|numbers| numbers.get(name).copied()).collect();
        let inside = values.iter().filter(|value| (low..=high).contains(value)).count();
        covered.insert(name.to_string(), [inside, values.len()]);
        interval95.insert(name.to_string(), [low, high]);
    }
    let latencies: Vec<Vec<f64>> = runs
        .iter()
        .map(|run| sorted(run.rows().iter().filter_map(|row| Some(row.parts?.latency() as f64 / 1e6))))
        .filter(|sample| !sample.is_empty())
        .collect();
    let distance = |of: &dyn Fn(&[f64], &[f64]) -> f64| {
        let is_there = !latencies.is_empty() && !predicted.latencies_ms.is_empty();
        is_there.then(|| {
            mean(&latencies.iter().map(|sample| of(sample, &predicted.latencies_ms)).collect::<Vec<_>>())
        })
    };
    Some(Compared {
        deployment: d.id(),
        runs: runs.iter().map(|run| run.name.clone()).collect(),
        regime: match predicted.load {
            _ if !predicted.stable => "overload",
            load if load < 0.5 => "light",
            load if load < 0.8 => "busy",
            _ => "near saturation",
        },
        load: predicted.load,
        predicted_stable: predicted.stable,
        measured_stable,
        latency_kolmogorov: distance(&kolmogorov),
        latency_wasserstein_ms: distance(&wasserstein),
        lost_share: mean(&runs.iter().map(|run| run.lost_share()).collect::<Vec<_>>()),
        measured,
        predicted: predicted.numbers,
        interval95,
        covered,
        outside: predicted.outside,
    })
}

/// What Continuum's tables say, under the names of what is nearest to it.
fn of_table(run: &Measured) -> Option<Numbers> {
    let Seen::Table(table) = &run.seen else { return None };
    let known = [
        ("latency_mean_ms", table.latency_ms),
        ("process_mean_ms", table.process_ms),
        ("prepare_mean_ms", table.prepare_ms),
    ];
    Some(known.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect())
}

/// The runs of each deployment together, in the order of their first.
pub fn by_deployment(runs: &[Measured]) -> Vec<Vec<&Measured>> {
    let mut groups: Vec<(String, Vec<&Measured>)> = Vec::new();
    for run in runs {
        let id = run.deployment.id();
        match groups.iter_mut().find(|(other, _)| *other == id) {
            Some((_, group)) => group.push(run),
            None => groups.push((id, vec![run])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Puts comparisons together. `among` says for each run which choice it belongs to.
pub fn accuracy(
    models: &str,
    judged_on: &str,
    compared: Vec<Compared>,
    among: &dyn Fn(&str) -> String,
    left_out: Vec<String>,
) -> Accuracy {
    let steady: Vec<&Compared> =
        compared.iter().filter(|c| c.measured_stable && c.predicted_stable).collect();
    let names: BTreeSet<String> = steady.iter().flat_map(|c| c.measured.keys().cloned()).collect();
    let metrics = names.iter().filter_map(|name| metric_error(name, &steady)).collect();
    let parts: Vec<bool> = steady
        .iter()
        .flat_map(|c| Parts::NAMES.map(|part| pair(c, &format!("{part}_mean_ms"))))
        .flatten()
        .map(|(predicted, measured)| (predicted - measured).abs() <= (0.1 * measured).max(1.0))
        .collect();
    let points: Vec<f64> = steady
        .iter()
        .flat_map(|c| {
            c.measured.keys().filter(|name| name.starts_with("utilization_")).filter_map(|name| pair(c, name))
        })
        .map(|(predicted, measured)| 100.0 * (predicted - measured).abs())
        .collect();
    let right = compared.iter().filter(|c| c.measured_stable == c.predicted_stable).count();
    let mut groups: BTreeMap<String, Vec<&Compared>> = BTreeMap::new();
    for c in &steady {
        groups.entry(among(&c.runs[0])).or_default().push(c);
    }
    Accuracy {
        models: models.into(),
        judged_on: judged_on.into(),
        metrics,
        parts_within: (!parts.is_empty())
            .then(|| parts.iter().filter(|is_within| **is_within).count() as f64 / parts.len() as f64),
        utilization_points: (!points.is_empty()).then(|| mean(&points)),
        overload_right: [right, compared.len()],
        choices: groups.into_iter().filter_map(|(among, group)| choice(among, &group)).collect(),
        compared: compared.clone(),
        left_out,
    }
}

/// Predicted and measured, if both are known.
fn pair(c: &Compared, name: &str) -> Option<(f64, f64)> {
    Some((*c.predicted.get(name)?, *c.measured.get(name)?)).filter(|(a, b)| a.is_finite() && b.is_finite())
}

fn metric_error(name: &str, steady: &[&Compared]) -> Option<MetricError> {
    let pairs: Vec<(f64, f64)> =
        steady.iter().filter_map(|c| pair(c, name)).filter(|(_, m)| *m > 0.0).collect();
    if pairs.is_empty() {
        return None;
    }
    let errors: Vec<f64> = pairs.iter().map(|(predicted, measured)| predicted / measured - 1.0).collect();
    let size = |at: &[usize]| mean(&at.iter().map(|&i| errors[i].abs()).collect::<Vec<_>>());
    let covered: Vec<[usize; 2]> = steady.iter().filter_map(|c| c.covered.get(name).copied()).collect();
    let [inside, all] = covered.iter().fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    Some(MetricError {
        metric: name.into(),
        bias: mean(&errors),
        mape: size(&(0..errors.len()).collect::<Vec<_>>()),
        mape_ci95: bootstrap(errors.len(), 5, size),
        distance: mean(&pairs.iter().map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()),
        coverage: (all > 0).then(|| inside as f64 / all as f64),
        deployments: pairs.len(),
    })
}

fn choice(among: String, group: &[&Compared]) -> Option<Choice> {
    let of = |name: &str| -> Vec<(f64, f64)> { group.iter().filter_map(|c| pair(c, name)).collect() };
    let tau = |name: &str| {
        let (predicted, measured): (Vec<f64>, Vec<f64>) = of(name).into_iter().unzip();
        Some(kendall(&predicted, &measured)).filter(|tau| tau.is_finite())
    };
    let p95 = "latency_p95_ms";
    let known: Vec<&&Compared> = group.iter().filter(|c| pair(c, p95).is_some()).collect();
    if known.len() < 2 {
        return None;
    }
    let least = |which: &dyn Fn(&Compared) -> f64| {
        known.iter().min_by(|a, b| which(a).total_cmp(&which(b))).expect("there are two")
    };
    let pick = least(&|c| c.predicted[p95]);
    let best = least(&|c| c.measured[p95]).measured[p95];
    let regret_ms = pick.measured[p95] - best;
    Some(Choice {
        among,
        kendall_p95: tau(p95),
        kendall_mean: tau("latency_mean_ms"),
        pick: pick.deployment.clone(),
        regret_ms,
        regret: regret_ms / best,
        not_distinguishable: regret_ms == 0.0
            || pick.interval95.get(p95).is_some_and(|[low, _]| *low <= best),
    })
}

/// A limit on an error: `latency_p95=15%`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The metric, as written.
    pub metric: String,
    /// The largest mean absolute error as a share of the measured value.
    pub most: f64,
}

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let hint = "write METRIC=PERCENT, for example `latency_p95=15%`";
        let (metric, most) = text.split_once('=').ok_or(hint)?;
        let most: f64 =
            most.trim().strip_suffix('%').ok_or(hint)?.trim().parse().map_err(|_| hint.to_string())?;
        let metric = metric.trim();
        let metric = if metric.ends_with("_ms") || metric.starts_with("utilization_") {
            metric.into()
        } else {
            format!("{metric}_ms")
        };
        if !(most.is_finite() && most >= 0.0) || metric == "_ms" {
            return Err(hint.into());
        }
        Ok(Limit { metric, most: most / 100.0 })
    }
}

impl Accuracy {
    /// The limits that are exceeded, in sentences.
    ///
    /// # Errors
    /// If a limit is on a metric that was not judged.
    pub fn exceeded(&self, limits: &[Limit]) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        for limit in limits {
            let known = self.metrics.iter().find(|error| error.metric == limit.metric);
            let Some(error) = known else {
                let names: Vec<&str> = self.metrics.iter().map(|error| error.metric.as_str()).collect();
                return Err(format!("`{}` was not judged; there are {}", limit.metric, names.join(", ")));
            };
            if error.mape > limit.most {
                said.push(format!(
                    "{}: the mean absolute error is {:.1} %, and the limit {} %",
                    limit.metric,
                    100.0 * error.mape,
                    100.0 * limit.most
                ));
            }
        }
        Ok(said)
    }
}
