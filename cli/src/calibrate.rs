//! `offing calibrate` and `offing validate`: fits the models to measured runs, and says how wrong they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use offing_core::Parts;
use offing_explore::{Folder, Found};
use offing_models::ModelSet;
use offing_validation::{
    AROUND_S, Accuracy, Candidate, Compared, Effort, Finding, Measured, Next, Numbers, Settings, accuracy,
    by_deployment, compare, is_seen, learn, leave_one_out, next,
};
use serde_json::json;

use crate::args::{Calibrate, Validate};
use crate::breakdown::{self, Bar};
use crate::failure::Failure;
use crate::kept::{self, Kept};
use crate::output::{Output, Screen, note, print, print_json};
use crate::page::{Page, Step, Style, count, percent, significant};
use crate::progress::Progress;
use crate::{manifest, measured, models};

/// Deployments of a space that --next looks at, at most.
const MOST_CANDIDATES: u64 = 64;

pub fn run(args: &Calibrate) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    if let Some(target) = &args.next {
        return propose(args, target);
    }
    let out = args.out.as_deref().expect("it is required without --next");
    let mut runs = measured::read(&args.runs)?;
    if let Some(name) = &args.held_out {
        measured::of_set(&mut runs, &args.runs, name, false)?;
    }
    let file = Output::create(out, &args.runs[0])?;
    let progress = deployments(&runs.measured);
    let tell = || progress.add(1);
    let effort = Effort { seeds: 4, draws: 80 };
    let fit =
        learn(models::current(), &runs.measured, &settings(&args.name), effort, &tell).map_err(refused)?;
    drop(progress);
    file.finish(|file| file.write_all(fit.text.as_bytes()))?;
    if args.json {
        return print_json(&json!({
            "models": fit.models.label(),
            "out": out.display().to_string(),
            "runs": runs.measured.iter().map(|run| &run.name).collect::<Vec<_>>(),
            "left_out": runs.left_out,
            "discrepancy": fit.models.fitted().map(|fitted| &fitted.discrepancy),
            "parameters": fit.findings,
        }));
    }
    print(&fitted(args, &fit.models, &fit.findings, runs.measured.len(), out))
}

/// A bar of the deployments of some runs.
fn deployments(runs: &[Measured]) -> Progress {
    Progress::new(by_deployment(runs).len() as u64, "deployments")
}

pub fn settings(name: &str) -> Settings {
    Settings { name: name.into(), date: manifest::today() }
}

pub fn refused(message: String) -> Failure {
    Failure::Refused { message, hint: None }
}

/// What was found, for people.
fn fitted(args: &Calibrate, models: &ModelSet, findings: &[Finding], runs: usize, out: &Path) -> String {
    let mut page = Page::new(Screen::of_stdout());
    page.marked(
        Style::Bold,
        &format!("{}:", models.label()),
        &format!("fitted on {}", count(runs as u64, "run")),
    );
    page.blank();
    let cell = |text: &str| text.to_string();
    let mut rows =
        vec![["parameter", "value", "error", "unit", "run to run", "before", "runs"].map(cell).to_vec()];
    for f in findings {
        let error = if f.error == 0.0 { "exact".into() } else { significant(f.error) };
        let spread = if f.spread == 0.0 { String::new() } else { significant(f.spread) };
        let before = if f.learned == 0.0 { "as before".into() } else { significant(f.prior) };
        rows.push(vec![
            f.parameter.clone(),
            significant(f.value),
            error,
            f.unit.clone(),
            spread,
            before,
            f.runs.to_string(),
        ]);
    }
    page.columns(&rows);
    page.blank();
    for finding in findings {
        if let Some(note) = &finding.note {
            page.paragraph(&format!("{}: {note}", finding.parameter));
        }
    }
    if let Some(fitted) = models.fitted().filter(|fitted| !fitted.discrepancy.is_empty()) {
        let told: Vec<String> =
            fitted.discrepancy.iter().map(|(metric, sd)| format!("{metric} {}", percent(*sd))).collect();
        page.fact("unexplained", &format!("by leaving each deployment out: {}", told.join(", ")));
    }
    let out = out.display().to_string();
    page.fact("results", &out);
    let mut words = words("validate", &args.runs);
    words.extend(["--models".into(), out]);
    let why = match &args.held_out {
        Some(name) => {
            words.extend(["--held-out".into(), name.clone()]);
            format!("see how wrong it is on the set {name}, which it has not seen")
        }
        None => {
            words.push("--leave-one-out".into());
            "see how wrong a fit on the others is on each deployment".to_owned()
        }
    };
    page.next(&[Step::new(why, &words.iter().map(String::as_str).collect::<Vec<_>>())]);
    page.into_text()
}

/// The beginning of a command on runs.
fn words(command: &str, runs: &[PathBuf]) -> Vec<String> {
    let runs = runs.iter().map(|run| run.display().to_string());
    ["offing".to_owned(), command.to_owned()].into_iter().chain(runs).collect()
}

pub fn validate(args: &Validate) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    let models = models::current();
    let mut runs = measured::read(&args.runs)?;
    if let Some(name) = &args.held_out {
        measured::of_set(&mut runs, &args.runs, name, true)?;
    }
    let kept = args.out.as_deref().map(Kept::open).transpose()?;
    let effort = Effort::default();
    let mut left_out = runs.left_out.clone();
    let (judged_on, compared) = if args.leave_one_out {
        let discrepancy = models.fitted().map_or_else(BTreeMap::new, |fitted| fitted.discrepancy.clone());
        let prior = ModelSet::default();
        let prior = if models.fitted().is_some() { &prior } else { models };
        let progress = deployments(&runs.measured);
        let (settings, tell) = (settings("leave-one-out"), || progress.add(1));
        let compared = leave_one_out(prior, &runs.measured, &settings, &discrepancy, effort, &tell);
        ("each deployment by a fit on all others".to_string(), compared.map_err(refused)?)
    } else {
        let (seen, fresh): (Vec<Measured>, Vec<Measured>) =
            std::mem::take(&mut runs.measured).into_iter().partition(|run| is_seen(models, run));
        if !seen.is_empty() {
            note(&format!(
                "note: {} of deployments that the models were fitted on are left out",
                count(seen.len() as u64, "run")
            ));
        }
        left_out
            .extend(seen.iter().map(|run| format!("{}: the models were fitted on its deployment", run.name)));
        if fresh.is_empty() {
            return Err(Failure::Refused {
                message: "the models were fitted on every one of these deployments".into(),
                hint: Some("judge other runs, or these with `--leave-one-out`".into()),
            });
        }
        let progress = deployments(&fresh);
        let groups = by_deployment(&fresh);
        let compared = groups.iter().filter_map(|group| {
            let compared = compare(models, group, effort);
            progress.add(1);
            compared
        });
        let compared = compared.collect();
        let what = match &args.held_out {
            Some(name) => format!("the held-out set {name}"),
            None => "deployments that the models were not fitted on".into(),
        };
        (what, compared)
    };
    let among = |run: &str| runs.scenarios.get(run).cloned().unwrap_or_default();
    let found = accuracy(&models.label(), &judged_on, compared, &among, left_out);
    let exceeded = found.exceeded(&args.limits).map_err(refused)?;
    let mut told = serde_json::to_value(&found).expect("it is plain data");
    told["limits_exceeded"] = json!(exceeded);
    if let Some(kept) = kept {
        let models = kept::text_of_models(args.models.file.as_deref())?;
        let models = models.map(|text| (kept::MODELS, text.into_bytes()));
        let outputs = [("validation.json", kept::pretty(&told).into_bytes())].into_iter().chain(models);
        kept.finish_other("validation", &outputs.collect::<Vec<_>>())?;
    }
    if args.json {
        print_json(&told)?;
    } else {
        print(&judged(args, &found))?;
    }
    exceeded.iter().for_each(|said| note(&format!("limit exceeded: {said}")));
    if exceeded.is_empty() { Ok(()) } else { Err(Failure::Told(ExitCode::from(1))) }
}

/// How wrong it is, for people.
fn judged(args: &Validate, found: &Accuracy) -> String {
    let mut page = Page::new(Screen::of_stdout());
    page.marked(Style::Bold, &format!("{}:", found.models), &format!("judged on {}", found.judged_on));
    page.blank();
    let cell = |text: &str| text.to_string();
    let mut rows = vec![
        ["metric", "bias", "error", "95 % of that", "distance", "covered", "deployments"].map(cell).to_vec(),
    ];
    for m in &found.metrics {
        let interval = m.mape_ci95.map(|[low, high]| format!("{} to {}", percent(low), percent(high)));
        rows.push(vec![
            m.metric.clone(),
            percent(m.bias),
            percent(m.mape),
            interval.unwrap_or_default(),
            significant(m.distance),
            m.coverage.map_or_else(String::new, percent),
            m.deployments.to_string(),
        ]);
    }
    page.columns(&rows);
    page.blank();
    let mut rows = vec![
        ["deployment", "load", "regime", "mean ms", "predicted", "p95 ms", "predicted", "KS", "W1 ms"]
            .map(cell)
            .to_vec(),
    ];
    for c in &found.compared {
        let of = |numbers: &Numbers, name: &str| {
            numbers.get(name).map_or_else(String::new, |value| significant(*value))
        };
        let known = |value: Option<f64>| value.map_or_else(String::new, significant);
        let regime = match (c.predicted_stable, c.measured_stable) {
            (true, false) => "measured: overload".into(),
            (false, true) => "only predicted: overload".into(),
            _ => c.regime.to_string(),
        };
        rows.push(vec![
            c.deployment.clone(),
            significant(c.load),
            regime,
            of(&c.measured, "latency_mean_ms"),
            of(&c.predicted, "latency_mean_ms"),
            of(&c.measured, "latency_p95_ms"),
            of(&c.predicted, "latency_p95_ms"),
            known(c.latency_kolmogorov),
            known(c.latency_wasserstein_ms),
        ]);
    }
    page.columns(&rows);
    page.blank();
    if let Some(share) = found.parts_within {
        page.fact("parts", &format!("{} of their means are within 10 % or 1 ms", percent(share)));
    }
    if let Some(points) = found.utilization_points {
        page.fact("utilization", &format!("{} points off on average", significant(points)));
    }
    let [right, all] = found.overload_right;
    page.fact("overload", &format!("recognised, or its absence, in {right} of {all}"));
    for choice in &found.choices {
        let tau = |tau: Option<f64>| tau.map_or("unknown".into(), significant);
        let verdict = match (choice.regret_ms == 0.0, choice.not_distinguishable) {
            (true, _) => "it is the best".to_string(),
            (_, true) => {
                format!("{} ms behind the best, which its interval reaches", significant(choice.regret_ms))
            }
            _ => format!("{} ms ({}) behind the best", significant(choice.regret_ms), percent(choice.regret)),
        };
        page.fact(
            "choice",
            &format!(
                "{}: order by p95 {} (tau-b), pick {}: {verdict}",
                choice.among,
                tau(choice.kendall_p95),
                choice.pick
            ),
        );
    }
    page.blank();
    breakdown::draw(&mut page, &bars(found));
    let step = match &args.out {
        Some(out) => {
            let out = out.display().to_string();
            page.fact("results", &out);
            Step::new("see it on one page, with plots", &["offing", "report", &out])
        }
        None => {
            let mut words = words("validate", &args.runs);
            if let Some(models) = &args.models.file {
                words.extend(["--models".into(), models.display().to_string()]);
            }
            if let Some(name) = &args.held_out {
                words.extend(["--held-out".into(), name.clone()]);
            }
            if args.leave_one_out {
                words.push("--leave-one-out".into());
            }
            words.extend(["--out".into(), "results/validation".into()]);
            Step::new("keep it, for a page with plots", &words.iter().map(String::as_str).collect::<Vec<_>>())
        }
    };
    page.next(&[step]);
    page.into_text()
}

/// The five parts of each deployment, measured above predicted.
fn bars(found: &Accuracy) -> Vec<Bar> {
    let bar = |c: &Compared, source: &str, numbers: &Numbers| {
        let part = |name: &str| numbers.get(&format!("{name}_mean_ms")).copied();
        let known = Parts::NAMES.map(part);
        let name = format!("{} {source}", &c.deployment[..c.deployment.len().min(8)]);
        known
            .iter()
            .all(Option::is_some)
            .then(|| Bar { name, parts_ms: known.map(Option::unwrap_or_default) })
    };
    let both = |c: &Compared| [bar(c, "measured", &c.measured), bar(c, "predicted", &c.predicted)];
    found.compared.iter().flat_map(both).flatten().collect()
}

/// `--next`.
fn propose(args: &Calibrate, target: &Path) -> Result<(), Failure> {
    let (candidates, metric) = candidates(target)?;
    let metric = args.metric.clone().or(metric).unwrap_or_else(|| "latency_p95_ms".into());
    let found = next(models::current(), &candidates, &metric, AROUND_S).map_err(refused)?;
    if args.json {
        return print_json(&found);
    }
    print(&proposed(&found))
}

/// What may be measured, and what the goal minimises first.
fn candidates(target: &Path) -> Result<(Vec<Candidate>, Option<String>), Failure> {
    if target.is_dir() {
        let (folder, _) = Folder::existing(target)?;
        let text = folder.read_text("shortlist.json")?;
        let found: Found = serde_json::from_str(&text).map_err(|cause| Failure::Unreadable {
            file: target.join("shortlist.json").display().to_string(),
            cause: cause.into(),
        })?;
        let listed = found.shortlist.into_iter().map(|kept| Candidate {
            name: format!("number {}", kept.number),
            deployment: kept.deployment,
            is_listed: true,
        });
        let metric = found.minimise.into_iter().find(|metric| is_of_a_run(metric));
        return Ok((listed.collect(), metric));
    }
    let scenario = measured::scenario(target)?;
    let space = &scenario.space;
    if space.len() > u128::from(MOST_CANDIDATES) {
        return Err(Failure::Refused {
            message: format!(
                "the space has {} numbers, and at most {MOST_CANDIDATES} are weighed",
                space.len()
            ),
            hint: Some("name the folder of `offing explore`: its shortlist is weighed".into()),
        });
    }
    let listed = (0..space.len()).filter_map(|number| {
        let deployment = space.get(number).ok().filter(|d| offing_sim::refusal(d).is_none())?;
        Some(Candidate { name: format!("number {number}"), deployment, is_listed: true })
    });
    let metric = scenario.goal.minimise.iter().find(|metric| is_of_a_run(metric)).cloned();
    Ok((listed.collect(), metric))
}

/// Whether measuring tells it: a price is known without.
pub fn is_of_a_run(metric: &str) -> bool {
    metric.ends_with("_ms")
        && !["_p90_ms", "_p999_ms", "_sd_ms", "_min_ms", "_max_ms"].iter().any(|end| metric.ends_with(end))
}

fn proposed(found: &Next) -> String {
    let mut page = Page::new(Screen::of_stdout());
    let first = &found.gains[0];
    page.marked(Style::Bold, "measure next:", &format!("{} ({})", first.name, first.deployment));
    page.paragraph(&found.reason);
    page.blank();
    let cell = |text: &str| text.to_string();
    let mut rows = vec![
        ["deployment", found.metric.as_str(), "doubt", "best with", "gain", "minutes", "gain a minute"]
            .map(cell)
            .to_vec(),
    ];
    for gain in &found.gains {
        rows.push(vec![
            gain.name.clone(),
            significant(gain.predicted),
            significant(gain.doubt),
            percent(gain.best_probability),
            significant(gain.gain),
            significant(gain.minutes),
            significant(gain.gain_per_minute),
        ]);
    }
    page.columns(&rows);
    page.blank();
    page.fact(
        "pick",
        &format!(
            "{}, expected to lose {} by not being the best",
            found.pick,
            significant(found.expected_loss)
        ),
    );
    page.into_text()
}
