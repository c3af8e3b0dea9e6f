//! The part of a file that a prediction needs: nodes, workers and the link between endpoint and target.
//!
//! `import` writes it as a scenario, `export` finds a file that yields it again. The differences between the
//! two semantics are decided here and in `derived`; docs/continuum.md lists them side by side.

use offing_core::{Manager, Provider, Scope};

use super::derived::{Semantics, instances, processes, shaped_legs, worker_nodes};
use super::links::{Shape, in_force};
use super::resolved::{Mode, Resolved};
use crate::Issue;

/// Equal nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nodes {
    /// How many.
    pub nodes: u32,
    /// Cores that the application may use on each.
    pub cores: u32,
    /// Share of each core.
    pub quota: f64,
    /// Memory [GiB]; nothing if it is not known.
    pub memory_gib: Option<u64>,
}

/// The link between endpoints and targets. `None` is a way that is not shaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedLink {
    /// Towards the target.
    pub up: Option<Shape>,
    /// The way back.
    pub down: Option<Shape>,
    /// Whose rate it is.
    pub scope: Scope,
}

/// What a prediction needs of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// What makes the nodes.
    pub provider: Provider,
    /// What runs the application on them.
    pub manager: Manager,
    /// Frames per second of each endpoint.
    pub rate_hz: u64,
    /// Length of the benchmark [s].
    pub duration_s: u64,
    /// The nodes that make the frames.
    pub endpoint: Nodes,
    /// The tier that processes and its nodes; nothing if the endpoints do.
    pub target: Option<(&'static str, Nodes)>,
    /// Worker processes on each node that processes.
    pub workers: u32,
    /// Nothing if neither way is shaped.
    pub link: Option<PlacedLink>,
    /// Requests of one endpoint under way at once; nothing means any number.
    pub outstanding: Option<u32>,
}

/// Cores and quota that are left of `cores` at `quota` when a container may use `limit` cores in all.
///
/// The fewest cores that reach the limit, each with an equal share of it: exact where the quota is 1 and the
/// limit whole; otherwise a process that runs alone is held to its share, which the kernel would not do.
pub(super) fn limited(cores: u32, quota: f64, limit: f64) -> (u32, f64) {
    if limit >= f64::from(cores) * quota {
        return (cores, quota);
    }
    // Whole quotients must not be lifted by a rounding error.
    let needed = (limit / quota - 1e-9).ceil().max(1.0) as u32;
    let needed = needed.min(cores);
    (needed, limit / f64::from(needed))
}

/// Finds what a prediction needs, or says why there is nothing to predict.
pub fn place(resolved: &Resolved, semantics: Semantics) -> Result<Placed, Vec<Issue>> {
    let mut placing = Placing { resolved, semantics, issues: Vec::new() };
    match placing.place() {
        Some(placed) if placing.issues.is_empty() => Ok(placed),
        _ => Err(placing.issues),
    }
}

struct Placing<'a> {
    resolved: &'a Resolved,
    semantics: Semantics,
    issues: Vec<Issue>,
}

impl Placing<'_> {
    fn issue(&mut self, section: &str, option: &str, message: impl Into<String>, hint: &str) {
        self.issues.push(self.resolved.error(section, option, message, hint));
    }

    fn place(&mut self) -> Option<Placed> {
        self.has_requests()?;
        let resolved = self.resolved;
        let endpoint = self.endpoint();
        let target = match resolved.mode {
            Mode::Endpoint => None,
            mode => self.target(mode),
        };
        let workers = match resolved.mode {
            Mode::Endpoint => Some(1),
            _ => self.workers(),
        };
        let rate_hz = self.number("benchmark", "frequency");
        let duration_s = self.number("benchmark", "duration");
        let link = self.link();
        if !self.issues.is_empty() {
            return None;
        }
        Some(Placed {
            provider: provider(resolved)?,
            manager: manager(resolved),
            rate_hz: rate_hz?,
            duration_s: duration_s?,
            endpoint: endpoint?,
            target: if resolved.mode == Mode::Endpoint { None } else { Some(target?) },
            workers: workers?,
            link,
            outstanding: resolved.is_serverless().then_some(1),
        })
    }

    /// Only image_classification sends requests; everything else can be checked but not predicted.
    fn has_requests(&mut self) -> Option<()> {
        let resolved = self.resolved;
        let hint = "a prediction needs `application = image_classification`";
        if resolved.flag("infrastructure", "infra_only") {
            let message = "with `infra_only` no application runs, so there are no requests to predict";
            self.issue("infrastructure", "infra_only", message, hint);
            return None;
        }
        match resolved.application() {
            Some("image_classification") => {}
            None => {
                let message = "without an application there are no requests to predict";
                self.issue("benchmark", "resource_manager_only", message, hint);
                return None;
            }
            Some(application) => {
                let what = match application {
                    "empty" | "empty_kata" => "only sleeps to study the control plane",
                    "stress" => "only burns processor time",
                    "mem_usage" => "only holds memory",
                    _ => "has no code",
                };
                let message = format!("`{application}` {what}; it sends no requests that could be predicted");
                self.issue("benchmark", "application", message, hint);
                return None;
            }
        }
        if resolved.mode == Mode::Endpoint {
            return Some(());
        }
        if worker_nodes(resolved) == Some(0) {
            let message = "the only cloud node is the controller, so nobody processes";
            self.issue("infrastructure", "cloud_nodes", message, "set `cloud_nodes = 2` or more");
            return None;
        }
        if resolved.manager() == Some("none") && resolved.provider() != "baremetal" {
            let message = format!("without a resource manager nothing runs on the {} nodes", resolved.mode);
            let hint = "use kubernetes on cloud nodes, kubeedge or mist on edge nodes";
            self.issue("benchmark", "resource_manager", message, hint);
            return None;
        }
        Some(())
    }

    fn number(&mut self, section: &str, option: &str) -> Option<u64> {
        let number = self.resolved.whole(section, option).and_then(|whole| whole.to_u64());
        if number.is_none() {
            self.issue(section, option, "too large", "write a number that a real deployment could have");
        }
        number
    }

    fn small(&mut self, section: &str, option: &str) -> Option<u32> {
        let number = self.number(section, option)?;
        if u32::try_from(number).is_err() {
            self.issue(section, option, "too large", "write a number that a real deployment could have");
        }
        u32::try_from(number).ok()
    }

    fn size(&mut self, tier: &str) -> Option<(u32, f64, Option<u64>)> {
        let cores = self.small("infrastructure", &format!("{tier}_cores"));
        let quota = self.resolved.real("infrastructure", &format!("{tier}_quota"));
        let memory = self.resolved.whole("infrastructure", &format!("{tier}_memory"));
        Some((cores?, quota?, memory.and_then(|gib| gib.to_u64())))
    }

    /// The endpoint's container limits the application below what the node has.
    fn endpoint(&mut self) -> Option<Nodes> {
        let nodes = self.small("infrastructure", "endpoint_nodes");
        let (cores, quota, memory_gib) = self.size("endpoint")?;
        let cpu = self.resolved.real("benchmark", "application_endpoint_cpu").unwrap_or(f64::INFINITY);
        let limit = match self.semantics {
            _ if self.resolved.provider() == "baremetal" => f64::INFINITY,
            Semantics::Continuum => floor_or_unlimited(cpu),
            Semantics::Intended => cpu,
        };
        let (cores, quota) = limited(cores, quota, limit);
        Some(Nodes { nodes: nodes?, cores, quota, memory_gib })
    }

    fn target(&mut self, mode: Mode) -> Option<(&'static str, Nodes)> {
        let tier = mode.tier();
        let nodes = worker_nodes(self.resolved).and_then(|nodes| u32::try_from(nodes).ok());
        if nodes.is_none() {
            self.issue("infrastructure", &format!("{tier}_nodes"), "too large", "");
        }
        let (cores, quota, memory_gib) = self.size(tier)?;
        let cpu = self.resolved.real("benchmark", "application_worker_cpu").unwrap_or(f64::INFINITY);
        let limit = match self.semantics {
            _ if self.resolved.provider() == "baremetal" || self.resolved.is_serverless() => f64::INFINITY,
            Semantics::Continuum if self.resolved.manager() == Some("mist") => floor_or_unlimited(cpu),
            // Kubernetes gets a request but no limit.
            Semantics::Continuum => f64::INFINITY,
            Semantics::Intended => cpu * instances(self.resolved)? as f64,
        };
        let (cores, quota) = limited(cores, quota, limit);
        Some((tier, Nodes { nodes: nodes?, cores, quota, memory_gib }))
    }

    fn workers(&mut self) -> Option<u32> {
        let resolved = self.resolved;
        let count = if resolved.is_serverless() {
            // Each request gets a process of its own, and each endpoint has one request under way.
            let endpoints = resolved.nodes("endpoint")?;
            Some((endpoints / worker_nodes(resolved)?.max(1)).max(1))
        } else {
            let instances = instances(resolved);
            if self.semantics == Semantics::Continuum && instances != Some(1) {
                let message =
                    "the instances on a worker each process every frame, which a scenario cannot say";
                let hint = "set it to 1 and raise `application_worker_cpu`, or use `--semantics intended`";
                self.issue("benchmark", "applications_per_worker", message, hint);
                return None;
            }
            processes(resolved, self.semantics).and_then(|n| n.checked_mul(instances?))
        };
        let workers = count.and_then(|n| u32::try_from(n).ok());
        if workers.is_none() {
            let hint = "write a number that a real deployment could have";
            self.issue("benchmark", "application_worker_cpu", "too many worker processes", hint);
        }
        workers
    }

    fn link(&mut self) -> Option<PlacedLink> {
        let resolved = self.resolved;
        if resolved.mode == Mode::Endpoint {
            return None;
        }
        let name = format!("{}_endpoint", resolved.mode.tier());
        let mut shape = in_force(resolved, &name)?;
        for (option, value) in [
            ("latency_avg", shape.latency_ms),
            ("latency_var", shape.jitter_ms),
            ("throughput", shape.rate_mbit_s),
        ] {
            if !value.is_finite() {
                self.issue("infrastructure", &format!("{name}_{option}"), "infinite", "write a number");
            }
        }
        let legs = shaped_legs(resolved, self.semantics);
        let scope = match self.semantics {
            Semantics::Continuum => Scope::Node,
            Semantics::Intended => Scope::Pair,
        };
        // netem is left out at 0 ms, and with it the jitter.
        if self.semantics == Semantics::Continuum && shape.latency_ms == 0.0 {
            shape.jitter_ms = 0.0;
        }
        let [up, down] = [legs.request, legs.reply].map(|shaped| shaped.then_some(shape));
        (legs.request || legs.reply).then_some(PlacedLink { up, down, scope })
    }
}

/// The provider, if a scenario knows it.
pub(super) fn provider(resolved: &Resolved) -> Option<Provider> {
    match resolved.provider() {
        "qemu" => Some(Provider::Qemu),
        "gcp" => Some(Provider::Gcp),
        "aws" => Some(Provider::Aws),
        "baremetal" => Some(Provider::Baremetal),
        _ => None,
    }
}

/// What runs the application.
pub(super) fn manager(resolved: &Resolved) -> Manager {
    match resolved.manager() {
        _ if resolved.is_serverless() => Manager::Openfaas,
        _ if resolved.mode == Mode::Endpoint => Manager::None,
        Some("kubernetes") => Manager::Kubernetes,
        Some("kubeedge") => Manager::Kubeedge,
        Some("kubecontrol") => Manager::Kubecontrol,
        Some("kube_kata") => Manager::KubeKata,
        Some("mist") => Manager::Mist,
        _ => Manager::None,
    }
}

/// `--cpus = floor(cpu)`, where 0 means no limit.
fn floor_or_unlimited(cpu: f64) -> f64 {
    if cpu < 1.0 { f64::INFINITY } else { cpu.floor() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_the_fewest_cores_that_reach_it() {
        assert_eq!(limited(4, 1.0, f64::INFINITY), (4, 1.0));
        assert_eq!(limited(2, 1.0, 1.0), (1, 1.0));
        assert_eq!(limited(4, 1.0, 3.5), (4, 0.875));
        assert_eq!(limited(2, 0.75, 1.0), (2, 0.5));
        assert_eq!(limited(9, 1.0, 0.5), (1, 0.5));
        assert_eq!(limited(2, 0.75, 1.5), (2, 0.75));
    }
}
