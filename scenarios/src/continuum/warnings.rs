//! What Continuum accepts but does not do, or dies of later.
//!
//! Source: docs/continuum.md, "Defects".

use super::lenient::Issues;
use super::links::{PAIRS, in_force};
use super::resolved::{Mode, Resolved};

const INFRA: &str = "infrastructure";
const BENCH: &str = "benchmark";

/// Adds a warning for each.
pub(super) fn warnings(resolved: &Resolved, issues: &mut Issues) {
    let mut warn = |section: &str, option: &str, message: String, hint: &str| {
        issues.warn(resolved.place(section, option), &format!("{section}.{option}"), message, hint);
    };
    let nodes = |tier| resolved.nodes(tier).unwrap_or(0);
    let cloud_provider = matches!(resolved.provider(), "gcp" | "aws");
    let classifies = resolved.application() == Some("image_classification");
    let baremetal = resolved.provider() == "baremetal";

    match resolved.manager() {
        Some("kubeedge") => {
            let message =
                "Continuum dies at the start: kubeedge needs `kube_version`, which it does not define";
            warn(BENCH, "resource_manager", message.into(), "use kubernetes with Continuum at this commit");
        }
        Some("mist") => {
            let message = "Continuum ends without results: it cannot parse the logs of mist";
            warn(BENCH, "resource_manager", message.into(), "read them from its log folder");
        }
        Some(manager @ ("kubecontrol" | "kube_kata")) => {
            let message = format!(
                "Continuum copies the binaries of {manager} from a folder that only its authors have"
            );
            warn(BENCH, "resource_manager", message, "");
        }
        Some("none") if resolved.mode != Mode::Endpoint && !baremetal => {
            let message = format!(
                "Continuum dies later: without a resource manager nothing runs on {} nodes",
                resolved.mode
            );
            let hint = "use kubernetes on cloud nodes, kubeedge or mist on edge nodes";
            warn(BENCH, "resource_manager", message, hint);
        }
        Some("kubernetes") if nodes("cloud") == 1 && resolved.application().is_some() => {
            let message =
                "Continuum dies later: the only cloud node is the controller, so there is no worker";
            warn(INFRA, "cloud_nodes", message.into(), "set `cloud_nodes = 2` or more");
        }
        _ => {}
    }
    match resolved.application() {
        Some(application @ ("stress" | "mem_usage")) => {
            let message =
                format!("Continuum crashes at the end: it cannot format the results of {application}");
            warn(BENCH, "application", message, "read the numbers from its log");
        }
        Some("image_classification") if resolved.flag(BENCH, "cache_worker") => {
            let message =
                "Continuum dies later: image_classification cannot be cached, and its check misses that";
            warn(BENCH, "cache_worker", message.into(), "remove the line");
        }
        _ => {}
    }
    if classifies {
        if let Some(cpu) = resolved.real(BENCH, "application_endpoint_cpu").filter(|_| !baremetal) {
            let floor = cpu.floor();
            if floor == 0.0 {
                let message = format!("Continuum floors {cpu} to 0, which means no limit");
                warn(BENCH, "application_endpoint_cpu", message, "lower `endpoint_quota` instead");
            } else if floor < cpu && cpu.is_finite() {
                let message = format!("Continuum floors {cpu} to {floor}");
                warn(BENCH, "application_endpoint_cpu", message, "");
            }
        }
        if let Some(cpu) = resolved.real(BENCH, "application_worker_cpu") {
            let set =
                resolved.benchmark.as_ref().is_some_and(|b| b.place("application_worker_cpu").is_some());
            if set && resolved.mode != Mode::Endpoint && cpu.is_finite() && cpu.fract() != 0.0 {
                let processes = cpu.floor().max(1.0);
                let message = match resolved.manager() {
                    Some("mist") => {
                        format!("Continuum floors {cpu} to {}, where 0 means no limit", cpu.floor())
                    }
                    _ => format!("Continuum runs {processes} worker process(es) for {cpu} cores"),
                };
                warn(BENCH, "application_worker_cpu", message, "");
            }
        }
        if resolved.whole(BENCH, "applications_per_worker").is_some_and(|n| *n > 1.into()) {
            let message = "the instances on one worker each process every frame; they do not share the work";
            warn(BENCH, "applications_per_worker", message.into(), "raise `application_worker_cpu` instead");
        }
        if cloud_provider && resolved.mode != Mode::Endpoint && resolved.flag(INFRA, "network_emulation") {
            let message = if resolved.is_serverless() {
                "on this provider neither the request nor the reply is shaped: they use external addresses"
            } else {
                "on this provider the reply is not shaped: it goes to an external address"
            };
            warn(INFRA, "network_emulation", message.into(), "`--semantics intended` shapes both ways");
        }
    }
    for (link, _) in PAIRS {
        let Some(shape) = in_force(resolved, link) else { continue };
        if shape.latency_ms == 0.0 && shape.jitter_ms > 0.0 {
            let message = "jitter has no effect without latency".to_owned();
            warn(INFRA, &format!("{link}_latency_var"), message, "set the latency above 0");
        }
        for (option, value) in [
            ("latency_avg", shape.latency_ms),
            ("latency_var", shape.jitter_ms),
            ("throughput", shape.rate_mbit_s),
        ] {
            if value.is_infinite() {
                let message = "Continuum dies later: tc does not know infinity".to_owned();
                warn(INFRA, &format!("{link}_{option}"), message, "write a number");
            }
        }
    }
    for tier in ["cloud", "edge", "endpoint"] {
        for direction in ["read", "write"] {
            let option = format!("{tier}_{direction}_speed");
            if resolved.whole(INFRA, &option).is_some_and(|n| !n.is_zero()) && resolved.provider() == "qemu" {
                let message = "Continuum documents MB/s but limits the disk to so many bytes/s".to_owned();
                warn(INFRA, &option, message, "");
            }
        }
    }
}
