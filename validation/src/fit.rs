//! Fits the parameters of the models to measured runs and writes them as a `models.toml`.
//!
//! In this order, since each step uses what the one before has found: whose quota it is and how much of it the kernel
//! gives ([`crate::quota`]), what a worker spends between requests, the work and how neighbours slow it down
//! ([`crate::service`]), what a message costs ([`crate::link`]). Every estimate starts from the set that is given, with its
//! errors; a parameter about which the runs say little stays there, and the fit says so.

use std::collections::BTreeMap;
use std::fmt::Write;

use offing_models::calibration::quantities;
use offing_models::{Covariance, Fitted, ModelSet, Uncertainty};

use crate::link::{self, Excess};
use crate::measured::{Conditions, Measured};
use crate::mixed::{Estimate, Observation, Prior, estimate};
use crate::quota;
use crate::robust::{BATCHES, location};
use crate::service::{self, Service, Work};

/// How a fit is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of the set, for people: the start of its label.
    pub name: String,
    /// Today: year, month, day.
    pub date: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The set.
    pub models: ModelSet,
    /// The text of its `models.toml`.
    pub text: String,
    /// Each parameter.
    pub findings: Vec<Finding>,
}

/// What was found of a parameter.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    /// Its name.
    pub parameter: String,
    /// Its value; the mean, of a table.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom of that: an interval takes the quantiles of Student's t. Nothing where it is a judgement or exact.
    pub freedom: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// Standard deviation from run to run.
    pub spread: f64,
    /// Degrees of freedom of that.
    pub spread_freedom: Option<f64>,
    /// What was thought beforehand.
    pub prior: f64,
    /// How sure that was.
    pub prior_error: f64,
    /// Share of the prior's variance that the runs have taken away, 0..1.
    pub learned: f64,
    /// Runs that say something.
    pub runs: usize,
    /// Why it could not be determined, or what else is to be known.
    pub note: Option<String>,
    #[serde(skip)]
    table: Option<(Vec<f64>, String)>,
}

/// The application whose work is exactly what the scenario states.
const SYNTHETIC: &str = "burn";

/// Below this the runs say so little that the value is the prior's.
const DETERMINED: f64 = 0.1;

/// Fits a set to runs. `discrepancy` is written as it is given.
///
/// # Errors
/// Why these runs cannot be taken together.
pub fn fit(
    prior: &ModelSet,
    runs: &[Measured],
    settings: &Settings,
    discrepancy: &BTreeMap<String, f64>,
) -> Result<Fit, String> {
    are_alike(runs)?;
    let findings = findings(prior, runs);
    let text = text(runs, settings, discrepancy, &findings.0, &findings.1);
    let models = ModelSet::read(&text).map_err(|problem| format!("the fit is out of range: {problem}"))?;
    Ok(Fit { models, text, findings: findings.0 })
}

/// Whether runs are of the same kind.
fn are_alike(runs: &[Measured]) -> Result<(), String> {
    let Some(first) = runs.first() else { return Err("there is no run to learn from".into()) };
    let carrier = carrier(runs);
    for run in runs {
        let of = |other: &Measured, what: fn(&Conditions) -> &String| {
            (other.name.clone(), what(&other.conditions).clone(), what(&run.conditions).clone())
        };
        // What stays at its endpoint has no transport.
        let other = if run.deployment.is_offloaded() { carrier } else { run };
        for (what, (name, a, b)) in [
            ("host", of(first, |conditions| &conditions.host_class)),
            ("provider", of(first, |conditions| &conditions.provider)),
            ("application", of(first, |conditions| &conditions.application)),
            ("transport", of(other, |conditions| &conditions.transport)),
        ] {
            if a != b {
                return Err(format!(
                    "`{}` and `{}` cannot be fitted together: their {what} is `{a}` and `{b}`",
                    name, run.name
                ));
            }
        }
    }
    Ok(())
}

/// The first run that has a transport, else the first.
fn carrier(runs: &[Measured]) -> &Measured {
    runs.iter().find(|run| run.deployment.is_offloaded()).unwrap_or(&runs[0])
}

fn prior_of(models: &ModelSet, name: &str) -> Prior {
    let parameter = &models.parameters()[name];
    let error = match parameter.error {
        Uncertainty::Standard(error) => error,
        Uncertainty::Said(_) => 0.0,
    };
    Prior { value: parameter.values[0], error: error.max(1e-9), freedom: parameter.freedom }
}

/// Everything, and the parameters whose errors go together.
fn findings(models: &ModelSet, runs: &[Measured]) -> (Vec<Finding>, Covariance) {
    let prior = |name: &str| prior_of(models, name);
    let mut found = Vec::new();

    let (is_pool, note) = whose_quota(models, runs);
    let pool = f64::from(u8::from(is_pool));
    found.push(Finding { note, ..Finding::known("overheads.processor.pool", pool, "1") });
    let cores = runs.iter().map(|run| run.conditions.host_cores).fold(0.0, f64::max);
    found.push(Finding::known("overheads.processor.host_cores", cores, "1"));

    // What requests cost a worker beyond their own CPU time, and what a busy host adds.
    let before = [prior("overheads.worker.overhead"), prior("overheads.processor.contention")];
    let (occupied, seen) = occupation(runs, is_pool, before[1].value);
    // What is not known of the use of a host counts as contention has it.
    let first = estimate(&occupied, &before);
    let (occupied, seen) = match seen {
        0 => (occupied, seen),
        _ => occupation(runs, is_pool, first.values[1]),
    };
    let worker = estimate(&occupied, &before);
    found.push(Finding::new(
        "overheads.worker.overhead",
        "ms",
        &worker,
        0,
        before[0],
        occupied.iter().filter(|o| o.row[0] != 0.0).count(),
        "no run has a worker that no quota stops",
    ));
    let worker_ms = if worker.learned[0] < DETERMINED { before[0].value } else { worker.values[0] };
    found.push(quota_share(models, runs, is_pool, worker_ms, prior("overheads.processor.quota_share")));
    let contention = worker.prior(1);

    // Synthetic work takes the CPU time that the scenario states.
    let is_stated = runs[0].conditions.application == SYNTHETIC;
    let samples = |work| -> Vec<service::Sample> {
        if is_stated {
            return Vec::new();
        }
        let of = |(number, run): (usize, &Measured)| service::sample(number, run, work, is_pool, models);
        runs.iter().enumerate().filter_map(of).collect()
    };
    let known = |mean_ms: f64| known_error(models, mean_ms);
    let process = service::fit(&samples(Work::Process), contention, None, &known);
    let (slowdown, at, heard) = match &process {
        Some(process) => (&process.estimate, process.tiers.len(), process.runs),
        None => (&worker, 1, 0),
    };
    found.push(Finding::new(
        "overheads.processor.contention",
        "1",
        // What the second step took from the first is not learned anew.
        &Estimate {
            learned: (0..=at).map(|i| learned(slowdown.error(i), before[1].error)).collect(),
            ..slowdown.clone()
        },
        at,
        before[1],
        heard.max(seen),
        if cores == 0.0 {
            "the runs do not say how many cores the nodes share"
        } else {
            "all runs use the host alike"
        },
    ));
    let slowdown = slowdown.prior(at);
    if let Some(process) = &process {
        let stage = runs[0].deployment.app.stages.last().map_or("process", |stage| &stage.name);
        tables(stage, process, &mut found);
    }
    let before = prior("overheads.endpoint.prepare_per_byte");
    if let Some(prepare) = service::fit(&samples(Work::Prepare), slowdown, Some(before), &known) {
        tables("prepare", &prepare, &mut found);
        let grows = Finding::new(
            "overheads.endpoint.prepare_per_byte",
            "ns/B",
            &prepare.estimate,
            prepare.tiers.len() + 1,
            before,
            prepare.runs,
            "frames differ too little in size",
        );
        // The spread is that of the whole preparation, which its table has.
        found.push(Finding { spread: 0.0, spread_freedom: None, ..grows });
        found.push(Finding::known("overheads.endpoint.prepare_bytes", prepare.frame_bytes, "B"));
    }

    let gaps: Vec<f64> = runs.iter().filter_map(|run| Some(link::gap(run, is_pool)?.0)).collect();
    let typical_gap_ms = location(&gaps).map_or(0.0, |centre| centre.value);
    let mut excess = Excess::default();
    for (number, run) in runs.iter().enumerate() {
        let gap_ms = link::gap(run, is_pool).map_or(typical_gap_ms, |(gap, _)| gap);
        link::observe(run, number, is_pool, gap_ms, &models.transport(), &mut excess);
    }
    let priors = link::priors(&prior);
    let links = estimate(&excess.observations, &priors);
    for (at, name) in link::NAMES.iter().enumerate() {
        let parameter = format!("overheads.link.{name}");
        let unit = models.parameters()[&parameter].unit.clone();
        let heard = excess.observations.iter().filter(|o| o.row[at] != 0.0).map(|o| o.run / 2);
        let heard: std::collections::BTreeSet<usize> = heard.collect();
        let why = match *name {
            "per_byte" | "framing" => {
                "messages that found their link idle differ too little in size and rate"
            }
            "round_trips" => "the links of the runs differ too little in latency",
            "jitter_shift" => "the links of the runs have too little jitter",
            _ if heard.is_empty() => "no message found its link idle",
            _ => "it cannot be told from what messages cost otherwise",
        };
        let mut finding = Finding::new(&parameter, &unit, &links, at, priors[at], heard.len(), why);
        if at > 1 {
            (finding.spread, finding.spread_freedom) = (0.0, None);
        }
        found.push(finding);
    }
    let before = prior("overheads.link.noise");
    found.push(match location(&excess.noise_ms) {
        Some(noise) => {
            let freedom = Some(noise.count as f64 - 1.0).filter(|freedom| *freedom > 0.0);
            Finding {
                freedom,
                spread: noise.scale,
                spread_freedom: freedom,
                ..Finding::measured(
                    "overheads.link.noise",
                    noise.value.max(0.0),
                    noise.error.max(1e-3),
                    "ms",
                    before,
                    noise.count,
                )
            }
        }
        None => Finding::undetermined("overheads.link.noise", "ms", before, "no message found its link idle"),
    });
    let names = link::NAMES.map(|name| format!("overheads.link.{name}")).to_vec();
    let size = names.len();
    let rows = (0..size).map(|i| (0..size).map(|j| links.covariance[(i, j)]).collect()).collect();
    (found, Covariance { names, rows })
}

/// How long requests occupy a worker beyond their CPU time: pauses between requests, and the wait for a core. Rows are
/// 1 where the request came to the node, and the use of the host times the CPU time [ms], whose error counts with the
/// contention that is supposed; also the number of runs with CPU times.
fn occupation(runs: &[Measured], is_pool: bool, contention: f64) -> (Vec<Observation>, usize) {
    let mut found = Vec::new();
    let mut seen = 0;
    for (run, measured) in runs.iter().enumerate() {
        let gap = link::gap(measured, is_pool);
        let came = if measured.deployment.is_offloaded() { 1.0 } else { 0.0 };
        let (between, its_error) = gap.filter(|_| came > 0.0).unwrap_or((0.0, 0.0));
        let observation = match service::longer(measured, is_pool) {
            Some(longer) => {
                seen += 1;
                Observation {
                    run,
                    value: between + longer.mean_ms,
                    error: longer.error_ms.hypot(its_error).hypot(contention * longer.use_error_ms),
                    freedom: BATCHES,
                    row: vec![came, longer.use_ms],
                }
            }
            // Without CPU times the wait for a core is part of the work.
            None if gap.is_some() && came > 0.0 && !has_cpu_times(measured) => {
                Observation { run, value: between, error: its_error, freedom: BATCHES, row: vec![1.0, 0.0] }
            }
            None => continue,
        };
        found.push(observation);
    }
    (found, seen)
}

fn has_cpu_times(run: &Measured) -> bool {
    run.rows().iter().filter(|row| row.parts.is_some()).all(|row| row.process_cpu.is_some())
}

/// Degrees of freedom that make a difference: with a thousand, Student's t is the normal distribution.
fn finite(freedom: f64) -> Option<f64> {
    (freedom > 0.0 && freedom < 1000.0).then_some(freedom)
}

/// Share of a prior's variance that is gone.
fn learned(error: f64, before: f64) -> f64 {
    (1.0 - (error / before.max(1e-12)).powi(2)).clamp(0.0, 1.0)
}

/// The error of a mean work that is that of a known application.
fn known_error(models: &ModelSet, mean_ms: f64) -> Option<f64> {
    models.parameters().iter().find_map(|(name, parameter)| {
        let is_it =
            name.starts_with("applications.") && name.ends_with(".process") && parameter.values[0] == mean_ms;
        match parameter.error {
            Uncertainty::Standard(error) if is_it => Some(error),
            _ => None,
        }
    })
}

/// Whether the quotas of a node's cores are one pool.
fn whose_quota(models: &ModelSet, runs: &[Measured]) -> (bool, Option<String>) {
    let (mut pooled, mut own, mut told) = (0.0, 0.0, 0);
    for run in runs {
        let d = &run.deployment;
        let target = d.targets();
        if d.placement.workers.max(target.cores) < 2 || d.app.stages.len() != 1 {
            continue;
        }
        let distance = |is_pool| quota::distance(run, models, is_pool);
        if let (Some(a), Some(b)) = (distance(true), distance(false)) {
            (pooled, own, told) = (pooled + a, own + b, told + 1);
        }
    }
    let before = models.overheads().is_pool;
    if told == 0 {
        return (
            before,
            Some(
                "no run has several workers or cores under a quota, and CPU times: it stays as it was".into(),
            ),
        );
    }
    (pooled < 0.95 * own, Some(format!("the better of two by mean distance of wall times, over {told} runs")))
}

fn quota_share(
    models: &ModelSet,
    runs: &[Measured],
    is_pool: bool,
    overhead_ms: f64,
    prior: Prior,
) -> Finding {
    let observations: Vec<Observation> = runs
        .iter()
        .enumerate()
        .filter_map(|(run, measured)| {
            let quota::Granted { share, error, freedom } =
                quota::granted(measured, models, is_pool, overhead_ms)?;
            Some(Observation { run, value: share, error, freedom, row: vec![1.0] })
        })
        .collect();
    let name = "overheads.processor.quota_share";
    let why = "no run has workers that a quota stops, and their CPU times";
    Finding::new(name, "1", &estimate(&observations, &[prior]), 0, prior, observations.len(), why)
}

/// The tables of a stage: one for each tier, and one for any.
fn tables(stage: &str, service: &Service, found: &mut Vec<Finding>) {
    let round = |value: f64| format!("{value:.5e}").parse().expect("it was a number");
    let table = |mean: f64| -> Vec<f64> {
        match service.shape.is_empty() {
            true => vec![round(mean); 2],
            false => service.shape.iter().map(|x| round(x * mean)).collect(),
        }
    };
    let note = if service.shape.is_empty() {
        Some("only means are known: it is a constant".to_string())
    } else {
        None
    };
    let mut put = |tier: &str, estimate: &Estimate, at: usize, more: f64| {
        let mean = estimate.values[at];
        found.push(Finding {
            parameter: format!("service.{stage}.{tier}"),
            value: mean,
            error: estimate.error(at).hypot(more),
            freedom: finite(estimate.freedom[at]),
            unit: "ms".into(),
            spread: estimate.spread * mean,
            spread_freedom: finite(estimate.spread_freedom),
            prior: mean,
            prior_error: 0.0,
            learned: estimate.learned[at],
            runs: service.runs,
            note: note.clone(),
            table: Some((table(mean), service.stated.clone())),
        });
    };
    for (at, tier) in service.tiers.iter().enumerate() {
        put(tier, &service.estimate, at, 0.0);
    }
    // At nodes of another tier it may be as much off as the tiers that are known differ, or a hundredth.
    let means = &service.estimate.values[..service.tiers.len()];
    let centre = service.pooled.values[0];
    let square = means.iter().map(|mean| (mean - centre).powi(2)).sum::<f64>() / means.len() as f64;
    put("any", &service.pooled, 0, square.sqrt().max(0.01 * centre));
}

impl Finding {
    fn known(parameter: &str, value: f64, unit: &str) -> Finding {
        let prior = Prior::judged(value, 0.0);
        Finding { learned: 1.0, ..Finding::measured(parameter, value, 0.0, unit, prior, 0) }
    }

    fn measured(parameter: &str, value: f64, error: f64, unit: &str, prior: Prior, runs: usize) -> Finding {
        Finding {
            parameter: parameter.into(),
            value,
            error,
            freedom: None,
            unit: unit.into(),
            spread: 0.0,
            spread_freedom: None,
            prior: prior.value,
            prior_error: prior.error,
            learned: learned(error, prior.error),
            runs,
            note: None,
            table: None,
        }
    }

    fn undetermined(parameter: &str, unit: &str, prior: Prior, why: &str) -> Finding {
        Finding {
            learned: 0.0,
            freedom: finite(prior.freedom),
            note: Some(format!("not determined, it stays as it was: {why}")),
            ..Finding::measured(parameter, prior.value, prior.error, unit, prior, 0)
        }
    }

    fn new(
        name: &str,
        unit: &str,
        estimate: &Estimate,
        at: usize,
        prior: Prior,
        runs: usize,
        why: &str,
    ) -> Finding {
        if estimate.learned[at] < DETERMINED {
            return Finding {
                runs,
                learned: estimate.learned[at],
                ..Finding::undetermined(name, unit, prior, why)
            };
        }
        let weak = estimate.learned[at] < 0.75;
        Finding {
            freedom: finite(estimate.freedom[at]),
            spread: estimate.spread,
            spread_freedom: finite(estimate.spread_freedom),
            learned: estimate.learned[at],
            note: weak.then(|| format!("weakly determined: {why}")),
            ..Finding::measured(name, estimate.values[at], estimate.error(at), unit, prior, runs)
        }
    }
}

/// The file.
fn text(
    runs: &[Measured],
    settings: &Settings,
    discrepancy: &BTreeMap<String, f64>,
    findings: &[Finding],
    covariance: &Covariance,
) -> String {
    let conditions = &carrier(runs).conditions;
    let mut range: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (name, value) in runs.iter().flat_map(|run| quantities(&run.deployment)) {
        let ends = range.entry(name).or_insert([value, value]);
        *ends = [ends[0].min(value), ends[1].max(value)];
    }
    let fitted = Fitted {
        date: settings.date.clone(),
        host_class: conditions.host_class.clone(),
        provider: conditions.provider.clone(),
        application: conditions.application.clone(),
        transport: conditions.transport.clone(),
        runs: runs.iter().map(Measured::named).collect(),
        range,
        covariance: covariance.clone(),
        discrepancy: discrepancy.clone(),
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments| writeln!(out, "{text}").expect("a string can be written to");
    line(format_args!(
        "# Parameters fitted by `offing calibrate`; `offing simulate --models` and others predict with them."
    ));
    line(format_args!("name = {}", quoted(&settings.name)));
    line(format_args!("\n[source.fit]"));
    let title = format!(
        "offing calibrate on {} measured runs: {}, {}, {} over {}",
        runs.len(),
        conditions.host_class,
        conditions.provider,
        conditions.application,
        conditions.transport
    );
    line(format_args!("title = {}\ndate = {}", quoted(&title), quoted(&settings.date)));
    for finding in findings {
        // Stage and tier may have any name.
        let path: Vec<String> = finding.parameter.splitn(3, '.').map(quoted).collect();
        line(format_args!("\n[{}]", path.join(".")));
        match &finding.table {
            Some((values, of)) => {
                line(format_args!("values = {values:?}"));
                line(format_args!("of = {}", quoted(of)));
            }
            None => line(format_args!("value = {:?}", finding.value)),
        }
        let error = if finding.error == 0.0 { "\"exact\"".into() } else { format!("{:?}", finding.error) };
        line(format_args!("unit = {}\nerror = {error}\nsource = \"fit\"", quoted(&finding.unit)));
        if let Some(freedom) = finding.freedom {
            line(format_args!("freedom = {freedom:?}"));
        }
        if finding.spread > 0.0 {
            line(format_args!("spread = {:?}", finding.spread));
            if let Some(freedom) = finding.spread_freedom {
                line(format_args!("spread_freedom = {freedom:?}"));
            }
        }
        if let Some(note) = &finding.note {
            line(format_args!("note = {}", quoted(note)));
        }
    }
    let mut whole = toml::Table::new();
    whole.insert("fitted".into(), toml::Value::try_from(&fitted).expect("it is plain data"));
    line(format_args!("\n{whole}"));
    out
}
