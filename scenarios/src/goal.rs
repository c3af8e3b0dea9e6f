//! What is wanted: requirements on the metrics of a run, and what is to be small.

use crate::condition::{Condition, Type};
use crate::raw::{Node, Place, Raw, Table};
use crate::value::{Reader, did_you_mean, nearest};

/// `[goal]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goal {
    /// What a deployment must fulfil, each a condition over [`metrics`].
    pub require: Vec<Condition>,
    /// The metrics that should be small, in order of importance.
    pub minimise: Vec<String>,
}

/// Conditions and metrics that one file may have.
const MOST: usize = 64;

/// The metrics that a goal may name: those of a summary, with `utilization_NAME` for each tier.
pub fn metrics<'a>(tiers: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let latency = ["mean", "sd", "min", "p50", "p90", "p95", "p99", "p999", "max", "trimmed_mean"];
    let mut metrics: Vec<String> = latency.map(|which| format!("latency_{which}_ms")).into();
    for part in ["prepare", "uplink", "queue", "process", "downlink"] {
        metrics.extend(["mean", "p50", "p95", "p99"].map(|which| format!("{part}_{which}_ms")));
    }
    metrics.extend(tiers.into_iter().map(|tier| format!("utilization_{}", tier.replace('-', "_"))));
    let rest = [
        "load",
        "stable",
        "throughput_rps",
        "energy_j_per_request",
        "cost_usd_per_hour",
        "dropped_share",
        "deadline_miss_share",
    ];
    metrics.extend(rest.map(String::from));
    metrics
}

pub(crate) fn read(reader: &mut Reader<'_>, table: &Table, metrics: &[String]) -> Goal {
    let known: Vec<&str> = metrics.iter().map(String::as_str).collect();
    let mut goal = Goal::default();
    for entry in &table.entries {
        let path = format!("goal.{}", entry.key);
        match entry.key.as_str() {
            "require" => {
                let mut resolve = |name: &str| {
                    if !known.contains(&name) {
                        return Err(("no such metric".to_string(), metric_hint(name, &known)));
                    }
                    Ok(if name == "stable" { Type::Bool } else { Type::Number })
                };
                goal.require = conditions(reader, &path, &entry.node, &mut resolve);
            }
            "minimise" => {
                for (place, name) in texts(reader, &path, &entry.node) {
                    if name == "stable" {
                        reader.error(place, &path, "`stable` is not a number", "write `stable` in `require`");
                    } else if known.contains(&name.as_str()) {
                        goal.minimise.push(name);
                    } else {
                        reader.error(
                            place,
                            &path,
                            format!("`{name}`: no such metric"),
                            metric_hint(&name, &known),
                        );
                    }
                }
            }
            other => {
                let hint = did_you_mean(other, &["require", "minimise"]);
                reader.error(entry.place, &path, "unknown key", hint);
            }
        }
    }
    goal
}

fn metric_hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "for example `latency_p95_ms`, `queue_mean_ms`, `load`, `cost_usd_per_hour`; docs/scenario-format.md lists all".into(),
    }
}

/// One condition or a list of them.
pub(crate) fn conditions(
    reader: &mut Reader<'_>,
    path: &str,
    node: &Node,
    resolve: &mut crate::condition::Resolve<'_>,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (place, text) in texts(reader, path, node) {
        match Condition::parse(&text, resolve) {
            Ok(condition) => conditions.push(condition),
            Err(faults) => {
                for fault in faults {
                    let place = reader.sources.inside(place, &text, fault.offset);
                    reader.error(place, path, fault.message, fault.hint);
                }
            }
        }
    }
    conditions
}

/// One text or a list of them, with their places.
fn texts(reader: &mut Reader<'_>, path: &str, node: &Node) -> Vec<(Place, String)> {
    let items = match &node.raw {
        Raw::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.len() > MOST {
        reader.error(
            node.place,
            path,
            format!("there are {} of them", items.len()),
            format!("write at most {MOST}"),
        );
        return Vec::new();
    }
    let mut texts = Vec::new();
    for item in items {
        match &item.raw {
            Raw::Text(text) => texts.push((item.place, text.clone())),
            other => {
                let message = format!("a text or a list of texts is expected, not {}", other.what());
                reader.error(item.place, path, message, "put it between double quotes");
            }
        }
    }
    texts
}
