//! `offing emulate run` and `offing emulate tables`: measures, keeps, tells.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use offing_core::{Deployment, Manager, Parts};
use offing_emu::continuum;
use offing_emu::provider::rehearsal::{Rehearsal, read_run};
use offing_emu::record::{Record, run_name};
use offing_emu::{
    Campaign, EmuError, Finished, HostFacts, Measured, News, Nodes, Order, Plan, Provider, RunFile, Subject,
    Tools,
};
use offing_explore::Metrics;
use serde_json::{Value, json};

use super::asked::{Asked, asked};
use super::{clear_up_on_interrupt, cluster, made, planned, tools};
use crate::args::{self, EmulateRun, EmulateTables};
use crate::breakdown::{self, Bar};
use crate::failure::Failure;
use crate::output::{Screen, note, print, print_json};
use crate::page::{Page, Step, Style, count, percent, significant};
use crate::progress::Progress;
use crate::{kept, manifest, row};

/// What was asked, and what each deployment takes.
pub const PLAN: &str = "plan.json";
pub const SCENARIO: &str = "scenario.toml";
/// A row per run.
const SUMMARY: &str = "summary.csv";
/// Its being there says that all runs are done.
pub const MANIFEST: &str = "manifest.json";

pub fn run(args: &EmulateRun) -> Result<(), Failure> {
    let started = manifest::now_unix_s();
    let (campaign, record) = match &args.resume {
        Some(path) => resumed(path)?,
        None => begun(args, started)?,
    };
    let recorded = args.recorded.as_deref();
    let provider = provider(args.provider, recorded, &args.means, &args.how, &campaign.plan)?;
    let go_on = format!("offing emulate run --resume {}", record.path().display());
    let runs = carry_out(&campaign, &record, provider, args.trying.attempts, &go_on, started)?;
    if args.json {
        print_json(&as_json(&campaign, &record, &runs))?;
    } else {
        print(&page(&campaign, &record, &runs))?;
        if args.continuum_tables {
            let tables = runs.iter().map(|run| {
                let subject = &campaign.subjects[run.subject];
                let name = run_name(&subject.id, run.repetition);
                told_tables(&name, &subject.deployment, &run.observed.requests, false)
            });
            print(&tables.collect::<String>())?;
        }
    }
    verdict(&runs)
}

/// What makes the runs. A rehearsal needs the folder of what was recorded.
pub fn provider(
    which: args::Provider,
    recorded: Option<&Path>,
    means: &args::Means,
    how: &args::How,
    plan: &Plan,
) -> Result<Provider, Failure> {
    clear_up_on_interrupt();
    if which == args::Provider::Rehearsal {
        let recorded = recorded.expect("the command line demands it");
        return Ok(Provider::Rehearsal(Rehearsal::open(recorded)?));
    }
    let agent = means.agent.as_deref();
    let is_own = plan.settings.nodes == Nodes::Own;
    let managed = match is_own {
        true => cluster::own(means, how, plan)?,
        false => cluster::managed(&means.cluster, agent, plan)?,
    };
    // Deployments on a cluster need nothing on this host.
    let is_elsewhere = !is_own && plan.runs.iter().all(|run| run.manager == Manager::Kubernetes);
    let tools = match is_elsewhere {
        true => Tools::elsewhere(super::folder(&means.state)),
        false => tools(agent, &means.state, &plan.settings)?,
    };
    Ok(Provider::Docker(tools, managed))
}

/// Measures what the record does not have yet, and completes it. `go_on` is the command that goes on after an end that
/// came too early.
pub fn carry_out(
    campaign: &Campaign,
    record: &Record,
    provider: Provider,
    attempts: u32,
    go_on: &str,
    started: u64,
) -> Result<Vec<Finished>, Failure> {
    let columns = Columns::of(campaign);
    let order = campaign.runs();
    // Rows of the runs that are kept, in their order.
    let mut rows: Vec<Option<String>> = vec![None; order.len()];
    for (at, finished) in campaign.kept(record)?.into_iter().enumerate() {
        rows[at] = finished.map(|finished| columns.row(campaign, &finished));
    }
    let screen = Screen::of_stderr();
    note(announcement(campaign, rows.iter().flatten().count(), screen).trim_end());
    let width = screen.width;
    let progress = Progress::told(order.len() as u64);
    let (began, mut done) = (Instant::now(), 0);
    let mut tell = |news: News<'_>| match news {
        News::Step { number, of, subject, repetition, step, left } => {
            let name = told_name(subject, repetition);
            let each = match done {
                0 => String::new(),
                done => format!(", {} each", roughly(began.elapsed() / done)),
            };
            let ahead = left.map_or(String::new(), |left| format!(", about {} left", roughly(left)));
            progress.tell(number as u64 - 1, format!("{} of {of} runs{each}{ahead}", number - 1));
            let mut line = format!("[{number} of {of}] {name}: {step}");
            let left = left.map_or(String::new(), |left| format!(", about {} left", roughly(left)));
            // A narrow screen has no room for everything.
            if line.len() + left.len() <= width {
                line += &left;
            }
            progress.above(|| note(&line));
            Ok(())
        }
        News::Again { run, attempt } => {
            let reason = run.observed.facts.reason.as_deref().unwrap_or("it says no reason");
            progress.above(|| note(&format!("not valid: {reason}\nattempt {attempt} of {attempts}")));
            Ok(())
        }
        News::Done(finished) => {
            done += 1;
            if let Some(reason) = &finished.observed.facts.reason {
                progress.above(|| note(&format!("not valid: {reason}")));
                if let Some(proof) = finished.observed.proof.as_ref().filter(|proof| !proof.holds) {
                    progress.above(|| note(proof.to_string().trim_end()));
                }
            }
            let at = order.iter().position(|&run| run == (finished.subject, finished.repetition));
            rows[at.expect("it was planned")] = Some(columns.row(campaign, finished));
            let text: String = rows.iter().flatten().map(String::as_str).collect();
            record.write(SUMMARY, (columns.header() + &text).as_bytes())
        }
    };
    let make = |deployment: &Deployment, seed| made::made(&campaign.scenario, deployment, seed);
    let runs = campaign.carry_out(&provider, record, attempts, &make, &mut tell);
    drop(progress);
    let runs = runs.inspect_err(|error| {
        let kept = rows.iter().flatten().count();
        if !matches!(error, EmuError::Refused(_)) {
            note(&format!("{kept} of {} runs are kept; go on with: {go_on}", order.len()));
        }
    })?;
    if let Provider::Docker(_, Some(managed)) = provider
        && let Some(own) = managed.own
    {
        own.into_inner().down()?;
    }
    write_manifest(campaign, record, &runs, started)?;
    Ok(runs)
}

/// How it ends: everything is kept and told already.
fn verdict(runs: &[Finished]) -> Result<(), Failure> {
    let count = |is: fn(&Finished) -> bool| runs.iter().filter(|run| is(run)).count();
    let of = runs.len();
    match (count(|run| run.failed), count(|run| !run.observed.facts.valid)) {
        (0, 0) => Ok(()),
        (0, invalid) => Err(Failure::Unmet(format!("{invalid} of {of} runs are not valid"))),
        (failed, _) => Err(Failure::Infrastructure(format!("{failed} of {of} runs failed"))),
    }
}

/// A new measurement and its folder.
fn begun(args: &EmulateRun, started: u64) -> Result<(Campaign, Record), Failure> {
    let file = args.file.as_ref().expect("the command line demands it unless a measurement is resumed");
    let Asked { name, seed, scenario, subjects } = asked(file, &args.asking)?;
    let seed = args.seed.unwrap_or(seed);
    let plan = planned(&subjects, &args.how, seed)?;
    let order = match args.order {
        args::Order::Random => Order::Random,
        args::Order::Given => Order::Given,
    };
    let campaign = Campaign { scenario: name, seed, repeat: args.repeat, order, subjects, plan };
    let text = kept::pretty(&campaign);
    let path = args.out.clone().unwrap_or_else(|| {
        let hash = offing_emu::record::hash(text.as_bytes());
        let name = format!("{}-{}", manifest::stamp(started), &hash[..8]);
        ["results", &campaign.scenario, &name].iter().collect()
    });
    kept::fresh(&path, "name another folder, or go on with `--resume`")?;
    let record = Record::open(&path)?;
    record.write(SCENARIO, scenario.as_bytes())?;
    record.write(PLAN, text.as_bytes())?;
    Ok((campaign, record))
}

/// The measurement in a folder.
pub fn resumed(path: &Path) -> Result<(Campaign, Record), Failure> {
    let plan = path.join(PLAN);
    let text = fs::read_to_string(&plan)
        .map_err(|cause| Failure::Unreadable { file: plan.display().to_string(), cause })?;
    let campaign = serde_json::from_str(&text)
        .map_err(|bad| Failure::Unreadable { file: plan.display().to_string(), cause: bad.into() })?;
    Ok((campaign, Record::open(path)?))
}

/// What `summary.csv` has.
struct Columns {
    axes: Vec<String>,
    metrics: Metrics,
}

impl Columns {
    fn of(campaign: &Campaign) -> Columns {
        let mut axes: Vec<String> =
            campaign.subjects.iter().flat_map(|subject| subject.axes.keys().cloned()).collect();
        axes.sort();
        axes.dedup();
        let mut tiers: Vec<String> = Vec::new();
        for tier in campaign.subjects.iter().flat_map(|subject| &subject.deployment.tiers) {
            if !tiers.contains(&tier.name) {
                tiers.push(tier.name.clone());
            }
        }
        Columns { axes, metrics: Metrics::all(tiers) }
    }

    fn header(&self) -> String {
        let axes = self.axes.iter().map(String::as_str);
        let names = ["run", "deployment", "repetition", "valid", "reason"].into_iter().chain(axes);
        let names =
            names.chain(["requests", "engine"]).chain(self.metrics.names().iter().map(String::as_str));
        names.map(row::quoted).collect::<Vec<_>>().join(",") + "\n"
    }

    fn row(&self, campaign: &Campaign, finished: &Finished) -> String {
        let subject = &campaign.subjects[finished.subject];
        let facts = &finished.observed.facts;
        let mut cells = vec![
            run_name(&subject.id, finished.repetition),
            subject.id.clone(),
            finished.repetition.to_string(),
            facts.valid.to_string(),
            facts.reason.clone().unwrap_or_default(),
        ];
        cells.extend(self.axes.iter().map(|key| subject.axes.get(key).cloned().unwrap_or_default()));
        cells.extend([finished.summary.requests.offered.to_string(), "measured".into()]);
        let mut values = Vec::new();
        self.metrics.row(&finished.summary, &mut values);
        // Where nothing was measured there are no numbers.
        let is_known = |value: &f64| !value.is_nan() && finished.summary.requests.offered > 0;
        cells.extend(values.iter().map(|value| match is_known(value) {
            true => value.to_string(),
            false => String::new(),
        }));
        cells.iter().map(|cell| row::quoted(cell)).collect::<Vec<_>>().join(",") + "\n"
    }
}

/// How it was made.
fn write_manifest(
    campaign: &Campaign,
    record: &Record,
    runs: &[Finished],
    started: u64,
) -> Result<(), Failure> {
    let mut all = manifest::made(started);
    all.remove("processors");
    all.insert("kind".into(), "measured".into());
    all.insert("scenario".into(), campaign.scenario.as_str().into());
    all.insert("seed".into(), campaign.seed.into());
    let measured = runs.iter().rev().find(|run| run.observed.facts.host.engine.is_some());
    let host = measured.map_or_else(|| HostFacts::of_this_host(None), |run| run.observed.facts.host.clone());
    all.insert("host".into(), json!(host));
    all.insert("files".into(), json!(record.hashes(MANIFEST)?));
    let text = kept::pretty(&all);
    Ok(record.write(MANIFEST, text.as_bytes())?)
}

fn as_json(campaign: &Campaign, record: &Record, runs: &[Finished]) -> Value {
    let runs = runs.iter().map(|run| {
        let subject = &campaign.subjects[run.subject];
        let mut value = json!(RunFile { summary: &run.summary, facts: &run.observed.facts });
        value["run"] = run_name(&subject.id, run.repetition).into();
        value["axes"] = json!(subject.axes);
        value
    });
    json!({
        "scenario": campaign.scenario,
        "folder": record.path().display().to_string(),
        "runs": runs.collect::<Vec<_>>(),
    })
}

/// A run as the screen calls it: the beginning of its deployment's id, and its repetition.
fn told_name(subject: &Subject, repetition: u32) -> String {
    run_name(&subject.id[..8], repetition)
}

/// What is about to be measured, once, so that progress can be told by ids.
fn announcement(campaign: &Campaign, kept: usize, screen: Screen) -> String {
    let mut page = Page::new(screen);
    let deployments = count(campaign.subjects.len() as u64, "deployment");
    let times = match campaign.repeat {
        1 => String::new(),
        n => format!(", {n} times each"),
    };
    let kept = match kept {
        0 => String::new(),
        n => format!("; {} kept already", count(n as u64, "run")),
    };
    page.marked(Style::Bold, &format!("{}:", campaign.scenario), &format!("{deployments}{times}{kept}"));
    for subject in &campaign.subjects {
        page.fact(&subject.id[..8], &label(subject));
    }
    page.into_text()
}

/// What people call a deployment.
pub fn label(subject: &Subject) -> String {
    if subject.axes.is_empty() {
        return format!("deployment {}", subject.id);
    }
    subject.axes.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// All runs, for people.
fn page(campaign: &Campaign, record: &Record, runs: &[Finished]) -> String {
    let mut page = Page::new(Screen::of_stdout());
    page.marked(Style::Bold, &format!("{}:", campaign.scenario), &format!("{} measured runs", runs.len()));
    page.blank();
    for subject in &campaign.subjects {
        page.fact(&subject.id[..8], &label(subject));
    }
    page.blank();
    let mut rows = vec![["run", "valid", "requests", "lost", "mean ms", "p95 ms"].map(String::from).to_vec()];
    rows[0].extend(Parts::NAMES.iter().map(|name| format!("{name} ms")));
    rows[0].push("use".into());
    for run in runs {
        let (summary, facts) = (&run.summary, &run.observed.facts);
        let name = told_name(&campaign.subjects[run.subject], run.repetition);
        let requests = &summary.requests;
        let mut row = vec![
            name,
            if facts.valid { "yes".into() } else { "NO".into() },
            requests.offered.to_string(),
            (requests.offered - requests.completed).to_string(),
        ];
        let latency = summary.latency_ms.as_ref();
        let digits = |value: f64| format!("{value:.2}");
        row.push(latency.map_or("-".into(), |latency| digits(latency.mean)));
        row.push(latency.map_or("-".into(), |latency| digits(latency.p95)));
        row.extend(
            Parts::NAMES
                .iter()
                .map(|name| summary.parts_ms.get(*name).map_or("-".into(), |part| digits(part.mean))),
        );
        let used = summary.utilization.iter().filter(|_| requests.offered > 0);
        row.push(
            used.map(|(tier, share)| format!("{tier} {}", percent(*share))).collect::<Vec<_>>().join(", "),
        );
        rows.push(row);
    }
    page.columns(&rows);
    page.blank();
    for run in runs {
        let name = told_name(&campaign.subjects[run.subject], run.repetition);
        if let Some(reason) = &run.observed.facts.reason {
            page.marked(Style::Alarm, &format!("{name}: not valid:"), reason);
        }
        for text in &run.summary.warnings {
            page.marked(Style::Warning, &format!("{name}:"), text);
        }
    }
    breakdown::draw(&mut page, &bars(campaign, runs));
    page.fact("results", &record.path().display().to_string());
    page.next(&next(campaign, record, runs));
    page.into_text()
}

/// Where the time of each run goes.
fn bars(campaign: &Campaign, runs: &[Finished]) -> Vec<Bar> {
    let bar = |run: &Finished| {
        let name = run_name(&campaign.subjects[run.subject].id[..8], run.repetition);
        Bar::new(name, &run.summary)
    };
    runs.iter().filter_map(bar).collect()
}

/// What to do with the results.
fn next(campaign: &Campaign, record: &Record, runs: &[Finished]) -> Vec<Step> {
    let folder = record.path().display().to_string();
    let report = |why: &str| Step::new(why, &["offing", "report", &folder]);
    if runs.iter().any(|run| run.observed.requests.is_empty()) {
        let why = "measure what is missing when nobody else uses this host, each run up to three times";
        return vec![Step::new(why, &["offing", "emulate", "run", "--resume", &folder, "--attempts", "3"])];
    }
    if runs.iter().any(|run| !run.observed.facts.valid) {
        return vec![report("see what is not valid, and measure that again when nobody else uses this host")];
    }
    let mut compare = String::from("see how far off the predictions are");
    if campaign.repeat == 1 {
        let fewest = runs.iter().map(|run| run.summary.requests.completed).min().unwrap_or(0);
        compare += &format!("; how far runs differ only `--repeat 3` tells ({fewest} requests at least)");
    }
    vec![Step::new(&compare, &["offing", "validate", &folder]), report("look at all of it")]
}

/// A length of time as one says it.
fn roughly(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", significant((seconds as f64 / 60.0).round())),
    }
}

pub fn tables(args: &EmulateTables) -> Result<(), Failure> {
    let (campaign, record) = resumed(&args.folder)?;
    let mut text = String::new();
    for (subject, repetition) in campaign.runs() {
        let subject = &campaign.subjects[subject];
        let name = run_name(&subject.id, repetition);
        if let Some(folder) = record.run(&name) {
            text += &told_tables(&name, &subject.deployment, &read_run(&folder)?.requests, args.csv);
        }
    }
    print(&text)
}

fn told_tables(name: &str, deployment: &Deployment, requests: &[Measured], csv: bool) -> String {
    let tables = continuum::tables(deployment, requests);
    let tables = tables.iter().map(|table| if csv { table.csv() } else { table.to_string() });
    format!("{name}\n{}\n", tables.collect::<Vec<_>>().join("\n"))
}
