//! `offing simulate`: predicts one deployment.

use offing_core::{Deployment, Engine, Request, Run, Summary};
use offing_scenarios::{Loaded, infeasible};
use offing_sim::{Options, refusal, simulate_with, stations_apply};

use crate::args::{self, Simulate};
use crate::failure::Failure;
use crate::output::{Output, Screen, issues, note, print, print_json};
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
    if args.json {
        return print_json(&summary);
    }
    if args.csv {
        summary.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        return print(&row::csv(&summary));
    }
    print(&table::text(&summary, deployment, Screen::of_stdout()))
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
