//! Reads which pods a Continuum file starts: those of its control-plane study (kubecontrol, kube_kata), whose containers
//! only sleep, and those of kubernetes.

use offing_core::{
    App, Arrivals, Balance, Deployment, Distribution, Drop, Placement, Pods, Provider, Span, Stage, Start,
    Tier,
};

use super::derived::{instances, worker_nodes};
use super::place::{manager, provider};
use super::resolved::{Mode, Resolved};
use crate::Issue;

/// The pods of a file as a deployment whose application sends nothing, and the version of Kubernetes; or why there are
/// none.
pub fn to_pods(resolved: &Resolved) -> Result<(Deployment, Option<String>), Vec<Issue>> {
    let refused = |option: &str, message: String, hint: &str| {
        Err(vec![resolved.error("benchmark", option, message, hint)])
    };
    let named = resolved.manager().unwrap_or("none");
    if !matches!(named, "kubernetes" | "kubecontrol" | "kube_kata") || resolved.is_serverless() {
        let message = format!("no pods are started with `{named}`");
        return refused("resource_manager", message, "set `resource_manager = kubecontrol`");
    }
    let nodes = worker_nodes(resolved).unwrap_or(0);
    let nodes = u32::try_from(nodes).ok().filter(|nodes| *nodes > 0 && resolved.mode == Mode::Cloud);
    let Some(nodes) = nodes else {
        return refused("resource_manager", "there is no worker".into(), "raise `cloud_nodes`");
    };
    let infrastructure = |option: &str| resolved.whole("infrastructure", option).and_then(|n| n.to_u32());
    let per_node = instances(resolved).unwrap_or(1);
    let Some(per_node) = u32::try_from(per_node).ok().filter(|pods| *pods <= MOST_PODS) else {
        let hint = "write at most 1000";
        return refused("applications_per_worker", format!("{per_node} pods per worker are too many"), hint);
    };
    let real = |option: &str| resolved.real("benchmark", option).unwrap_or(0.0);
    let quota = resolved.real("infrastructure", "cloud_quota").filter(|quota| *quota > 0.0).unwrap_or(1.0);
    let is_rented = matches!(resolved.provider(), "gcp" | "aws");
    let workers = Tier {
        // Rented machines are what their type says; the file's memory only feeds defaults.
        memory_bytes: infrastructure("cloud_memory")
            .filter(|gib| *gib > 0 && !is_rented)
            .map(|gib| u64::from(gib) << 30),
        ..Tier::new("cloud", nodes, infrastructure("cloud_cores").unwrap_or(1).max(1), quota)
    };
    let nothing = Distribution::Constant(0.0);
    let app = App {
        rate_hz: 1.0,
        arrivals: Arrivals::Periodic,
        frame: nothing.clone(),
        prepare: nothing.clone(),
        stages: vec![Stage { name: "sleep".into(), work: nothing.clone(), output: nothing }],
        memory_bytes: 0,
        deadline: None,
        outstanding: None,
    };
    let placement = Placement {
        endpoint: 0,
        target: 1,
        cut: 0,
        workers: 1,
        balance: Balance::Static,
        queue: None,
        drop: Drop::Newest,
        provider: provider(resolved).unwrap_or(Provider::Qemu),
        manager: manager(resolved),
        pods: Some(Pods {
            per_node,
            start: match resolved.text("benchmark", "kube_deployment") {
                Some("container") => Start::Containers,
                Some("file") => Start::Jobs,
                Some("call") => Start::Calls,
                _ => Start::Job,
            },
            cpu_request: real("application_worker_cpu"),
            // Continuum's GB are 1000 Mi.
            memory_request_bytes: ((real("application_worker_memory") * 1000.0).floor() * 1_048_576.0) as u64,
            ..Pods::default()
        }),
    };
    let deployment = Deployment {
        app,
        tiers: vec![Tier::new("endpoint", 1, 1, 1.0), workers],
        links: Vec::new(),
        placement,
        duration: Span::from_millis(1000),
        warm_up: Span::ZERO,
    };
    let version = resolved.text("benchmark", "kube_version").map(str::to_owned);
    Ok((deployment, version))
}

/// Pods of one worker.
const MOST_PODS: u32 = 1000;
