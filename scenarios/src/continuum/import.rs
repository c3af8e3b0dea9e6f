//! Writes a Continuum file as a scenario.

use std::fmt::Write;

use offing_core::{Manager, Provider, Scope};

use super::derived::{AppNumbers, Semantics};
use super::links::Shape;
use super::place::{Nodes, Placed, PlacedLink, place};
use super::resolved::{Mode, Resolved};
use crate::Issue;

/// The text of a scenario that says what the file says, or why there is none: a file without an application
/// that sends requests can be checked but not predicted.
pub fn to_scenario(
    resolved: &Resolved,
    semantics: Semantics,
    app: &AppNumbers,
    name: &str,
) -> Result<String, Vec<Issue>> {
    let placed = place(resolved, semantics)?;
    let mut text = String::new();
    write_scenario(&mut text, resolved, semantics, app, name, &placed).expect("a text takes all");
    Ok(text)
}

fn write_scenario(
    out: &mut String,
    resolved: &Resolved,
    semantics: Semantics,
    app: &AppNumbers,
    name: &str,
    placed: &Placed,
) -> std::fmt::Result {
    let said = match semantics {
        Semantics::Continuum => "what Continuum's code does (`--semantics continuum`)",
        Semantics::Intended => "what Continuum's documentation promises (`--semantics intended`)",
    };
    writeln!(out, "# Read from a Continuum configuration: {said}.")?;
    writeln!(out, "# The comments name its options; docs/continuum.md has the rules.")?;
    writeln!(out, "name = {}", toml::Value::String(name.to_owned()))?;
    writeln!(out, "seed = 1")?;
    writeln!(out, "duration = \"{} s\"  # duration", placed.duration_s)?;
    writeln!(out, "warm_up = \"0 s\"  # Continuum has none; it trims its averages instead")?;

    writeln!(out, "\n[app]")?;
    writeln!(out, "rate = \"{} /s\"  # frequency", placed.rate_hz)?;
    writeln!(out, "arrivals = \"periodic\"")?;
    writeln!(out, "frame = {}", app.frame)?;
    writeln!(out, "result = {}", app.result)?;
    writeln!(out, "prepare = {}", app.prepare)?;
    writeln!(out, "process = {}", app.process)?;
    writeln!(out, "memory = {}", app.memory)?;
    if let Some(outstanding) = placed.outstanding {
        writeln!(
            out,
            "outstanding = {outstanding}  # OpenFaaS endpoints wait for the answer before they go on"
        )?;
    }

    let limit = resolved.real("benchmark", "application_endpoint_cpu").unwrap_or(0.0);
    write_tier(out, resolved, "endpoint", &placed.endpoint, "endpoint_nodes", limit)?;
    if let Some((tier, nodes)) = &placed.target {
        let limit = resolved.real("benchmark", "application_worker_cpu").unwrap_or(0.0);
        let source = match resolved.mode {
            Mode::Cloud if resolved.provider() != "baremetal" => {
                "cloud_nodes - 1: the first is the controller"
            }
            Mode::Cloud => "cloud_nodes",
            _ => "edge_nodes",
        };
        write_tier(out, resolved, tier, nodes, source, limit)?;
        if let Some(link) = &placed.link {
            write_link(out, resolved, tier, link)?;
        }
    }

    writeln!(out, "\n[deploy]")?;
    let target = placed.target.as_ref().map_or("endpoint", |(tier, _)| tier);
    writeln!(out, "target = \"{target}\"")?;
    writeln!(out, "workers = {}  # {}", placed.workers, workers_source(resolved, semantics))?;
    writeln!(out, "balance = \"static\"")?;
    writeln!(out, "queue = \"unlimited\"")?;
    writeln!(out, "provider = \"{}\"  # provider", provider_name(placed.provider))?;
    writeln!(out, "manager = \"{}\"  # resource_manager, execution_model", manager_name(placed.manager))
}

fn write_tier(
    out: &mut String,
    resolved: &Resolved,
    tier: &str,
    nodes: &Nodes,
    source: &str,
    limit: f64,
) -> std::fmt::Result {
    let cores = resolved.whole("infrastructure", &format!("{tier}_cores")).and_then(|cores| cores.to_u32());
    let quota = resolved.real("infrastructure", &format!("{tier}_quota"));
    let whole = cores == Some(nodes.cores) && quota == Some(nodes.quota);
    writeln!(out, "\n[tier.{tier}]")?;
    writeln!(out, "nodes = {}  # {source}", nodes.nodes)?;
    if whole {
        writeln!(out, "cores = {}  # {tier}_cores", nodes.cores)?;
        writeln!(out, "quota = {:?}  # {tier}_quota", nodes.quota)?;
    } else {
        let (cores, quota) = (cores.unwrap_or(0), quota.unwrap_or(0.0));
        let option = if tier == "endpoint" { "application_endpoint_cpu" } else { "application_worker_cpu" };
        let usable = f64::from(nodes.cores) * nodes.quota;
        writeln!(
            out,
            "# {tier}_cores = {cores}, {tier}_quota = {quota:?}; of these {option} = {limit:?} leaves"
        )?;
        writeln!(out, "# {usable:?} to the container.")?;
        writeln!(out, "cores = {}", nodes.cores)?;
        writeln!(out, "quota = {:?}", nodes.quota)?;
    }
    match nodes.memory_gib {
        Some(memory) => writeln!(out, "memory = \"{memory} GiB\"  # {tier}_memory"),
        None => writeln!(out, "# {tier}_memory is not known"),
    }
}

fn write_link(out: &mut String, resolved: &Resolved, tier: &str, link: &PlacedLink) -> std::fmt::Result {
    let preset = resolved.text("infrastructure", "wireless_network_preset").unwrap_or("4g");
    let option = |name: &str| {
        let name = format!("{tier}_endpoint_{name}");
        match resolved.real("infrastructure", &name) {
            Some(value) if value >= 0.0 => name,
            _ => format!("Continuum's {preset}"),
        }
    };
    writeln!(out, "\n[[link]]")?;
    writeln!(out, "between = [\"endpoint\", \"{tier}\"]")?;
    match (link.up, link.down) {
        (Some(both), Some(_)) => {
            writeln!(out, "latency = \"{} ms\"  # {}", both.latency_ms, option("latency_avg"))?;
            writeln!(out, "jitter = \"{} ms\"  # {}", both.jitter_ms, option("latency_var"))?;
            writeln!(out, "rate = \"{} Mbit/s\"  # {}", both.rate_mbit_s, option("throughput"))?;
        }
        (up, down) => {
            writeln!(
                out,
                "# On {} the way back uses an external address, which is not shaped.",
                resolved.provider()
            )?;
            for (name, way) in [("up", up), ("down", down)] {
                match way {
                    Some(Shape { latency_ms, jitter_ms, rate_mbit_s }) => writeln!(
                        out,
                        "{name} = {{ latency = \"{latency_ms} ms\", jitter = \"{jitter_ms} ms\", rate = \"{rate_mbit_s} \
                         Mbit/s\" }}"
                    )?,
                    None => writeln!(out, "{name} = {{ latency = \"0 ms\" }}")?,
                }
            }
        }
    }
    writeln!(out, "sharing = \"fifo\"")?;
    match link.scope {
        Scope::Pair => writeln!(out, "scope = \"pair\"  # as the documentation has it"),
        _ => writeln!(out, "scope = \"node\"  # one rate class for all nodes of the other tier"),
    }
}

/// Where the number of workers is from.
fn workers_source(resolved: &Resolved, semantics: Semantics) -> &'static str {
    match semantics {
        _ if resolved.mode == Mode::Endpoint => "one process beside the one that makes the frames",
        _ if resolved.is_serverless() => "one process per request, and one request per endpoint",
        _ if resolved.provider() == "baremetal" => "cloud_cores",
        Semantics::Continuum if resolved.manager() == Some("mist") => "edge_cores",
        Semantics::Continuum => "application_worker_cpu, rounded down",
        Semantics::Intended => "application_worker_cpu, rounded up, times applications_per_worker",
    }
}

/// As a scenario spells it.
fn provider_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Docker => "docker",
        Provider::Qemu => "qemu",
        Provider::Gcp => "gcp",
        Provider::Aws => "aws",
        Provider::Baremetal => "baremetal",
    }
}

/// As a scenario spells it.
fn manager_name(manager: Manager) -> &'static str {
    match manager {
        Manager::None => "none",
        Manager::Kubernetes => "kubernetes",
        Manager::Kubeedge => "kubeedge",
        Manager::Openfaas => "openfaas",
        Manager::Kubecontrol => "kubecontrol",
        Manager::KubeKata => "kube-kata",
        Manager::Mist => "mist",
    }
}
