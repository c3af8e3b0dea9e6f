//! What is told about a Continuum configuration.

use std::path::Path;

use offing_scenarios::continuum::{self, Cpus, Derived, Inequality, Mode, Resolved, Value};
use serde::Serialize;

use crate::args::Reading;
use crate::output::Screen;
use crate::page::{Page, count, percent, significant};
use crate::{input, models};

/// What follows from the file.
#[derive(Serialize)]
pub struct Facts {
    #[serde(flatten)]
    derived: Derived,
    /// Why there is nothing to predict; empty if there is.
    not_predictable: Vec<String>,
}

pub fn derive(resolved: &Resolved, file: &Path, reading: &Reading) -> Facts {
    let derived = continuum::derive(resolved, reading.semantics(), &models::application());
    let not_predictable = match input::as_scenario(resolved, file, reading) {
        Err(crate::failure::Failure::Bad(found)) => found.into_iter().map(|issue| issue.message).collect(),
        _ => Vec::new(),
    };
    Facts { derived, not_predictable }
}

pub fn text(resolved: &Resolved, facts: &Facts, screen: Screen) -> String {
    let mut page = Page::new(screen);
    options(&mut page, resolved);
    let Facts { derived, not_predictable } = facts;
    page.heading("derived", &format!(" (semantics: {})", word(derived.semantics)));
    placement(&mut page, derived);
    links(&mut page, derived);
    load(&mut page, derived);
    for reason in not_predictable {
        page.fact("prediction", &format!("not possible: {reason}"));
    }
    if !derived.origin_defects.is_empty() {
        page.fact("defects met", &derived.origin_defects.join(", "));
    }
    page.into_text()
}

/// The options that the file sets, as Continuum spells them.
fn options(page: &mut Page, resolved: &Resolved) {
    let sections = [
        ("infrastructure", Some(&resolved.infrastructure)),
        ("benchmark", resolved.benchmark.as_ref()),
        ("execution_model", resolved.execution_model.as_ref()),
    ];
    for (name, section) in sections {
        let Some(section) = section else { continue };
        let mut defaults = 0;
        page.heading(&format!("[{name}]"), "");
        for (option, value) in section.options() {
            match written(value) {
                Some(value) if section.place(option).is_some() => page.line(&format!("{option} = {value}")),
                Some(_) => defaults += 1,
                None => {}
            }
        }
        if defaults > 0 {
            page.line(&format!("({} at the default; `--json` shows all)", count(defaults, "more option")));
        }
        page.blank();
    }
}

fn written(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Flag(true) => "True".into(),
        Value::Flag(false) => "False".into(),
        Value::Whole(whole) => whole.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.clone(),
        Value::List(items) if items.is_empty() => return None,
        Value::List(items) => items.join(","),
    })
}

fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn placement(page: &mut Page, derived: &Derived) {
    page.fact("mode", &format!("{}: the application runs there", derived.mode));
    let nodes = [
        Some(count(derived.controller_nodes, "controller node")),
        derived.worker_nodes.map(|n| count(n, "worker node")),
        derived.endpoint_nodes.map(|n| count(n, "endpoint node")),
    ];
    page.fact("nodes", &list(nodes));
    if derived.mode != Mode::Endpoint
        && let Some(endpoints) = derived.endpoints_per_worker
    {
        page.fact("endpoints", &format!("{endpoints} per worker node"));
    }
    let cpus = |cpus: &Option<Cpus>, whose: &str| {
        cpus.as_ref().map(|cpus| match cpus {
            Cpus::Whole(0) => format!("{whose} container without a limit"),
            Cpus::Whole(cores) => format!("{whose} container with {}", count(*cores, "CPU")),
            Cpus::Real(cores) => format!("{whose} container with {cores} CPUs"),
        })
    };
    let processes = [
        derived.instances_per_worker.map(|n| format!("{} per worker node", count(n, "instance"))),
        derived
            .processes_per_instance
            .map(|n| format!("{n} worker {} each", if n == 1 { "process" } else { "processes" })),
        derived.threads_per_process.map(|n| format!("{} per inference", count(n, "thread"))),
        cpus(&derived.worker_container_cpus, "worker"),
        cpus(&derived.endpoint_container_cpus, "endpoint"),
    ];
    page.fact("workers", &list(processes));
    let messages = [
        derived.frequency_hz.map(|hz| format!("{hz} /s per endpoint")),
        derived.duration_s.map(|s| format!("{s} s")),
        derived.messages_per_endpoint.map(|n| format!("{n} messages per endpoint")),
    ];
    page.fact("messages", &list(messages));
}

fn list<const N: usize>(items: [Option<String>; N]) -> String {
    items.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn links(page: &mut Page, derived: &Derived) {
    let mut any = false;
    for (pair, shape) in &derived.links {
        if let Some(shape) = shape {
            any = true;
            page.fact(
                "link",
                &format!(
                    "{pair}: {} ms, jitter {} ms, {} Mbit/s",
                    shape.latency_ms, shape.jitter_ms, shape.rate_mbit_s
                ),
            );
        }
    }
    if !any {
        page.fact("links", "none is shaped");
    }
    if let Some(legs) = derived.shaped_legs {
        let shaped = |yes: bool| if yes { "shaped" } else { "not shaped" };
        page.fact("legs", &format!("request {}, reply {}", shaped(legs.request), shaped(legs.reply)));
    }
}

fn load(page: &mut Page, derived: &Derived) {
    if let Some(load) = derived.system_load {
        let plotted = derived.system_load_plotted_percent;
        let plotted =
            plotted.map(|percent| format!("; {percent} % as the paper plots it, without the quota"));
        page.fact("load", &format!("{}{}", percent(load), plotted.unwrap_or_default()));
    }
    if let Some(local) = &derived.local {
        inequality(page, "local", local);
    }
    for (number, each) in derived.inequalities.iter().enumerate() {
        inequality(page, &format!("({})", number + 1), each);
    }
}

fn inequality(page: &mut Page, label: &str, inequality: &Inequality) {
    let Inequality { text, meaning, left, right, unit, holds } = inequality;
    let (verdict, sign) = if *holds { ("holds", "<") } else { ("FAILS", ">=") };
    let right = right.map_or("no limit".into(), |right| format!("{sign} {} {unit}", significant(right)));
    page.fact(label, &format!("{verdict}: {} {right}; {text}: {meaning}", significant(*left)));
}
