//! `offing simulate`: predicts one deployment.

use std::collections::BTreeMap;

use offing_core::{Deployment, Engine, Request, Run, Summary};
use offing_scenarios::{Loaded, infeasible};
use offing_sim::{Options, refusal, simulate_with, stations_apply};

use offing_validation::{draws, interval, predictive};
use serde_json::json;

use crate::args::{self, Simulate};
use crate::failure::Failure;
use crate::output::{Output, Screen, issues, note, print, print_json};
use crate::page::significant;
use crate::{input, models, row, table, trace};

pub fn run(args: &Simulate) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    let Loaded { scenario, warnings } = input::scenario(&args.input)?;
    issues(&warnings);
    let deployment = &scenario.base;
    can_run(deployment)?;
    if args.trace.is_some() {
        can_be_traced(deployment)?;
    }
    let rows = args.trace.as_deref().map(|path| Output::create(path, &args.input.file)).transpose()?;
    let seed = args.seed.unwrap_or(scenario.seed);
    let mut requests = Vec::new();
    let run = predict(deployment, seed, args.engine, rows.is_some().then_some(&mut requests))?;
    if let Some(rows) = rows {
        rows.finish(|out| trace::write(requests, out))?;
    }
    let summary = Summary::new(&scenario.name, &run, deployment.app.deadline.is_some());
    let to_come = to_come(deployment);
    if args.json {
        let mut told = serde_json::to_value(&summary).expect("it is plain data");
        if let Some(intervals) = to_come {
            told["latency_pi95_ms"] = json!(intervals);
        }
        return print_json(&told);
    }
    if args.csv {
        summary.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        return print(&row::csv(&summary));
    }
    let mut page = table::text(&summary, deployment, Screen::of_stdout());
    for (metric, [low, high]) in to_come.into_iter().flatten() {
        let (low, high) = (significant(low), significant(high));
        page += &format!("a run to come {metric:<5} 95 % between {low} and {high} ms\n");
    }
    print(&page)
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
    let reasons = infeasible(deployment);
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
    let options = Options {
        // The station engine may give up on the way, and would panic if it were demanded.
        engine: (engine == args::Engine::Events).then_some(Engine::Events),
        observer: gather.as_mut().map(|gather| gather as &mut dyn FnMut(Request)),
    };
    let run = simulate_with(deployment, models::current(), seed, options);
    if only_stations && run.engine != Engine::Stations { Err(not_by_stations()) } else { Ok(run) }
}

fn not_by_stations() -> Failure {
    Failure::Refused {
        message: "the station engine cannot run this deployment".into(),
        hint: Some("leave `--engine` out, or write `--engine events`".into()),
    }
}
