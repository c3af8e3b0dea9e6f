//! `offing check`: what a file says, and what is wrong with it.

use std::process::ExitCode;

use offing_scenarios::{Issue, Loaded, Severity, infeasible};
use offing_sim::refusal;
use serde::Serialize;

use crate::args::Check;
use crate::failure::Failure;
use crate::input;
use crate::output::{Screen, issues, print, print_json};
use crate::{continuum_facts, scenario_facts};

/// What `--json` prints.
#[derive(Serialize)]
struct Verdict<R, D> {
    ok: bool,
    errors: Vec<Issue>,
    warnings: Vec<Issue>,
    /// Every key with its value, defaults included; nothing if the file cannot be used.
    resolved: Option<R>,
    /// What follows from it.
    derived: Option<D>,
}

pub fn run(args: &Check) -> Result<(), Failure> {
    let checked = if input::is_continuum(&args.input.file) { continuum(args) } else { scenario(args) };
    checked.or_else(|failure| if args.json { reject(args, failure) } else { Err(failure) })
}

fn scenario(args: &Check) -> Result<(), Failure> {
    let Loaded { scenario, warnings } = input::scenario(&args.input)?;
    let deployment = &scenario.base;
    if let Some(reason) = refusal(deployment) {
        return Err(Failure::Refused { message: reason, hint: None });
    }
    issues(&warnings);
    let facts = scenario_facts::derive(deployment);
    if args.json {
        let resolved = Some(scenario_facts::resolve(&scenario));
        print_json(&Verdict { ok: true, errors: Vec::new(), warnings, resolved, derived: Some(&facts) })?;
    } else {
        print(&scenario_facts::text(&scenario, &facts, Screen::of_stdout()))?;
    }
    match infeasible(deployment) {
        reasons if reasons.is_empty() => Ok(()),
        reasons => Err(Failure::Infeasible(reasons)),
    }
}

fn continuum(args: &Check) -> Result<(), Failure> {
    let input = &args.input;
    if let Some((key, _)) = input.assignments.first() {
        return Err(Failure::Refused {
            message: format!("`{key}` is a key of a scenario, and a .cfg is checked as Continuum's own file"),
            hint: Some("`offing import` it, and check the scenario".into()),
        });
    }
    let (resolved, warnings) = input::continuum(&input.file, &input.reading)?;
    issues(&warnings);
    let facts = continuum_facts::derive(&resolved, &input.file, &input.reading);
    if args.json {
        let resolved = Some(&resolved);
        return print_json(&Verdict {
            ok: true,
            errors: Vec::new(),
            warnings,
            resolved,
            derived: Some(&facts),
        });
    }
    print(&continuum_facts::text(&resolved, &facts, Screen::of_stdout()))
}

/// Prints a failure as a verdict, if it is one about the file.
fn reject(args: &Check, failure: Failure) -> Result<(), Failure> {
    let about_the_file = |message: String, hint: Option<String>| Issue {
        severity: Severity::Error,
        file: input::name(&args.input.file),
        line: 1,
        column: 1,
        key: String::new(),
        message,
        hint,
    };
    let found = match failure {
        Failure::Bad(found) => found,
        Failure::Refused { message, hint } => vec![about_the_file(message, hint)],
        Failure::Unreadable { cause, .. } => vec![about_the_file(format!("cannot be read: {cause}"), None)],
        other => return Err(other),
    };
    issues(&found);
    let (errors, warnings) = found.into_iter().partition(|issue| issue.severity == Severity::Error);
    print_json(&Verdict::<(), ()> { ok: false, errors, warnings, resolved: None, derived: None })?;
    Err(Failure::Told(ExitCode::from(2)))
}
