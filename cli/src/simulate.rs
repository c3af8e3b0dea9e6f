//! `offing simulate`: predicts one deployment.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use offing_core::{Arrivals, Deployment, Engine, Request, Run, Span, Summary};
use offing_explore::{DISTRIBUTIONS, distributions_csv};
use offing_scenarios::{Loaded, Scenario, infeasible};
use offing_sim::start::Started;
use offing_sim::{Options, refusal, simulate_with, stations_apply};

use offing_validation::{draws, interval, predictive};
use serde_json::{Value, json};

use crate::args::{self, Simulate};
use crate::failure::Failure;
use crate::input::Source;
use crate::kept::{self, Asked, Kept};
use crate::output::{Output, Screen, issues, note, print, print_json};
use crate::page::{Step, significant};
use crate::progress::Progress;
use crate::{models, row, start, table, trace};

pub fn run(args: &Simulate) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    let source = Source::read(&args.input)?;
    let Loaded { scenario, warnings } = source.load(&[])?;
    issues(&warnings);
    let deployment = &scenario.base;
    can_run(deployment)?;
    if args.trace.is_some() {
        can_be_traced(deployment)?;
    }
    let kept = args.out.as_deref().map(Kept::open).transpose()?;
    let rows = args.trace.as_deref().map(|path| Output::create(path, &args.input.file)).transpose()?;
    let seed = args.seed.unwrap_or(scenario.seed);
    let mut requests = Vec::new();
    let run = predict(deployment, seed, args.engine, rows.is_some().then_some(&mut requests))?;
    if let Some(rows) = rows {
        rows.finish(|out| trace::write(requests, out))?;
    }
    let told = Told::new(&scenario, &run, seed);
    if let Some(kept) = kept {
        let models = kept::text_of_models(args.models.file.as_deref())?;
        let asked = Asked {
            kind: KIND,
            scenario: &scenario,
            inputs: &source.inputs(&scenario)?,
            models: models.as_deref(),
            seed,
            how: json!({ "engine": args.engine.name() }),
        };
        kept.finish(&asked, &told.files())?;
    }
    let summary = &told.summary;
    if args.json {
        return print_json(&told.json());
    }
    if args.csv {
        summary.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        return print(&row::csv(summary));
    }
    let mut page = table::page(summary, deployment, Screen::of_stdout());
    for (metric, [low, high]) in told.to_come().into_iter().flatten() {
        let (low, high) = (significant(*low), significant(*high));
        page.paragraph(&format!("a run to come {metric:<5} 95 % between {low} and {high} ms"));
    }
    if let Some(started) = told.started() {
        page.fact("ready after", &start::ready(started));
    }
    let path =
        |path: &Option<PathBuf>| path.as_ref().map_or_else(String::new, |path| path.display().to_string());
    page.fact("requests in", &path(&args.trace));
    page.fact("results", &path(&args.out));
    page.next(&next(args, &scenario, summary));
    print(&page.into_text())
}

/// Of its manifest.
pub const KIND: &str = "simulate";

/// What is told of a run. What takes long is computed where it is told first.
struct Told<'r> {
    run: &'r Run,
    deployment: &'r Deployment,
    seed: u64,
    summary: Summary,
    to_come: OnceCell<Option<BTreeMap<&'static str, [f64; 2]>>>,
    started: OnceCell<Option<Started>>,
}

impl<'r> Told<'r> {
    fn new(scenario: &'r Scenario, run: &'r Run, seed: u64) -> Told<'r> {
        let deployment = &scenario.base;
        let summary = Summary::new(&scenario.name, run, deployment.app.deadline.is_some());
        Told { run, deployment, seed, summary, to_come: OnceCell::new(), started: OnceCell::new() }
    }

    fn to_come(&self) -> Option<&BTreeMap<&'static str, [f64; 2]>> {
        self.to_come.get_or_init(|| to_come(self.deployment)).as_ref()
    }

    /// Of the pods, on Kubernetes.
    fn started(&self) -> Option<&Started> {
        let of =
            || self.deployment.is_on_kubernetes().then(|| start::of(self.deployment, self.seed)).flatten();
        self.started.get_or_init(of).as_ref()
    }

    fn json(&self) -> Value {
        let mut told = serde_json::to_value(&self.summary).expect("it is plain data");
        if let Some(intervals) = self.to_come() {
            told["latency_pi95_ms"] = json!(intervals);
        }
        if let Some(started) = self.started() {
            told["time_to_ready_s"] = json!(started.time_to_ready_s);
            start::merge(&mut told["start"], started);
        }
        told
    }

    /// What a result folder has of it.
    fn files(&self) -> [(&'static str, Vec<u8>); 3] {
        let points = self.run.recording.latency().distribution();
        let distribution = distributions_csv([(self.summary.deployment.as_str(), &points)]);
        [
            ("summary.json", kept::pretty(&self.json()).into_bytes()),
            ("summary.csv", row::csv(&self.summary).into_bytes()),
            (DISTRIBUTIONS, distribution.into_bytes()),
        ]
    }
}

/// Computes what a folder was made of once more, into another one.
pub fn again(asked: &Asked<'_>, kept: Kept) -> Result<(), Failure> {
    let name = asked.how["engine"].as_str().unwrap_or_default();
    let engine = args::Engine::ALL.into_iter().find(|engine| engine.name() == name);
    let engine = engine.ok_or_else(|| Failure::Refused {
        message: format!("there is no engine `{name}`"),
        hint: Some("the manifest is of another version".into()),
    })?;
    can_run(&asked.scenario.base)?;
    let run = predict(&asked.scenario.base, asked.seed, engine, None)?;
    kept.finish(asked, &Told::new(asked.scenario, &run, asked.seed).files())
}

/// What to do after this.
fn next(args: &Simulate, scenario: &Scenario, summary: &Summary) -> Vec<Step> {
    let file = args.input.file.display().to_string();
    let deployment = &scenario.base;
    // Standard input is read, and a recorded arrival has no rate to change.
    if file == "-" || matches!(deployment.app.arrivals, Arrivals::Trace { .. }) {
        return Vec::new();
    }
    let mut given: Vec<String> = args
        .input
        .assignments
        .iter()
        .flat_map(|(key, value)| ["--set".into(), format!("{key}={value}")])
        .collect();
    if let Some(models) = &args.models.file {
        given.extend(["--models".into(), models.display().to_string()]);
    }
    let step = |why: &str, command: &str, more: &[&str]| {
        let given = given.iter().map(String::as_str);
        let words = ["offing", command, &file].into_iter().chain(given).chain(more.iter().copied());
        vec![Step::new(why, &words.collect::<Vec<_>>())]
    };
    let (endpoints, targets) = (&deployment.endpoints().name, &deployment.targets().name);
    let nodes_of = |tier: &str| format!("tier.{tier}.nodes");
    let workers_are_short = summary.bottleneck == format!("{targets} workers");
    if !summary.stable {
        return match deployment.is_offloaded() && workers_are_short {
            true => step(
                &format!("find how many {targets} nodes carry this"),
                "invert",
                &["--for", &nodes_of(targets), "--such-that", "load < 0.9"],
            ),
            false => step(
                "find the rate that this carries",
                "invert",
                &["--for", "app.rate", "--such-that", "stable"],
            ),
        };
    }
    if scenario.space.len() > 1 {
        return step("predict every deployment of its space", "explore", &[]);
    }
    let limit =
        deployment.app.deadline.map(|deadline| format!("latency_p95_ms <= {}", deadline.as_secs_f64() * 1e3));
    let limit = limit.as_deref().unwrap_or("load < 0.9");
    match deployment.is_offloaded() {
        true => step(
            &format!("find how many {endpoints} nodes it carries"),
            "invert",
            &["--for", &nodes_of(endpoints), "--such-that", limit],
        ),
        false => {
            step("find the rate that it carries", "invert", &["--for", "app.rate", "--such-that", limit])
        }
    }
}

/// 95 % intervals of the latencies of one run to come, with the doubt about fitted parameters; nothing where none are.
fn to_come(deployment: &Deployment) -> Option<BTreeMap<&'static str, [f64; 2]>> {
    let models = models::current();
    models.fitted()?;
    let numbers = predictive(&draws(models, 200, 77, true), None, deployment, None);
    let of = |metric| Some((metric, interval(&numbers, &format!("latency_{metric}_ms"))?));
    Some(["mean", "p50", "p95", "p99"].into_iter().filter_map(of).collect())
}

/// Whether there is anything to predict.
fn can_run(deployment: &Deployment) -> Result<(), Failure> {
    let mut reasons = infeasible(deployment);
    if deployment.is_on_kubernetes() {
        reasons.extend(start::left_out(deployment));
    }
    if !reasons.is_empty() {
        return Err(Failure::Infeasible(reasons));
    }
    refusal(deployment).map_or(Ok(()), |message| Err(Failure::Refused { message, hint: None }))
}

/// Requests that are sorted in memory, at 72 bytes each.
const MOST_ROWS: f64 = 25e6;

/// Whether the rows of a trace can be held.
fn can_be_traced(deployment: &Deployment) -> Result<(), Failure> {
    let seconds = (deployment.duration - deployment.warm_up).as_secs_f64();
    let rows = deployment.app.rate_hz * f64::from(deployment.endpoints().nodes) * seconds;
    if rows <= MOST_ROWS {
        return Ok(());
    }
    Err(Failure::Refused {
        message: format!("the trace would have about {rows:.0} rows, and at most {MOST_ROWS} are sorted"),
        hint: Some(
            "shorten the run with `--set duration=...`, or observe less with `--set warm_up=...`".into(),
        ),
    })
}

/// Runs it, and gathers the requests that are reported if asked to.
fn predict(
    deployment: &Deployment,
    seed: u64,
    engine: args::Engine,
    requests: Option<&mut Vec<Request>>,
) -> Result<Run, Failure> {
    let only_stations = engine == args::Engine::Stations;
    if only_stations && !stations_apply(deployment) {
        return Err(not_by_stations());
    }
    let from = deployment.warm_up.as_nanos();
    let mut gather = requests.map(|requests| {
        move |request: Request| {
            if request.emitted >= from {
                requests.push(request);
            }
        }
    });
    // The station engine may give up on the way, and would panic if it were demanded.
    let engine = (engine == args::Engine::Events).then_some(Engine::Events);
    let _progress = gather.is_none().then(|| progress(deployment, seed, engine)).flatten();
    let options =
        Options { engine, observer: gather.as_mut().map(|gather| gather as &mut dyn FnMut(Request)) };
    let run = simulate_with(deployment, models::current(), seed, options);
    if only_stations && run.engine != Engine::Stations { Err(not_by_stations()) } else { Ok(run) }
}

/// Requests below which no run takes a second, and as many as tell how fast longer ones go.
const SHORT: f64 = 1e6;

/// A bar for a long run. The engines say nothing on the way, so the rate is that of a small part of the run.
fn progress(deployment: &Deployment, seed: u64, engine: Option<Engine>) -> Option<Progress> {
    let rate_hz = deployment.app.rate_hz * f64::from(deployment.endpoints().nodes);
    let requests = rate_hz * deployment.duration.as_secs_f64();
    if requests < 2.0 * SHORT || !Progress::is_seen() {
        return None;
    }
    let mut part = deployment.clone();
    part.duration = Span::from_secs_f64(SHORT / rate_hz)?;
    part.warm_up = Span::from_nanos(0);
    let began = Instant::now();
    simulate_with(&part, models::current(), seed, Options { engine, observer: None });
    Some(Progress::at_rate(requests as u64, "requests", SHORT / began.elapsed().as_secs_f64().max(1e-9)))
}

fn not_by_stations() -> Failure {
    Failure::Refused {
        message: "the station engine cannot run this deployment".into(),
        hint: Some("leave `--engine` out, or write `--engine events`".into()),
    }
}
