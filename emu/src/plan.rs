//! What would be done to measure some deployments on one host, as data: nothing is touched yet.
//!
//! A plan names every node, every medium and every path, and says what the host must have. It is refused,
//! with all reasons, if the host cannot hold it or if something of the deployment cannot be emulated. A host
//! that is too small for the speed may run everything `dilate` times slower: rates and quotas are divided by
//! it, delays and spans multiplied; results are scaled back by whoever reads them. Memory does not shrink.

use std::fmt;

use offing_core::{
    Deployment, Direction, Link, Manager, Pods, Provider, Rate, Scope, Sharing, Span, Start, Tier,
};
use serde::{Deserialize, Serialize};

use crate::application::{self, Application, Transport};
use crate::error::EmuError;
use crate::links::shaper::{Medium, Path};

/// What the user chose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How many times slower to run.
    pub dilate: Dilate,
    /// Whether each node gets processors of its own.
    pub pin: bool,
    /// Packets that may wait for a medium.
    pub queue_packets: usize,
    /// How many times wider than usual the tolerances of proofs are, and the limit of the forwarder's lateness; at least 1.
    #[serde(default = "usual_tolerance", skip_serializing_if = "is_usual_tolerance")]
    pub proof_tolerance: f64,
    /// What makes the links.
    pub links: LinkKind,
    /// Decides which packets are lost and how much each is delayed.
    pub seed: u64,
    /// What the workers do with a frame.
    pub application: Application,
    /// What carries frames and replies.
    pub transport: Transport,
    /// What runs the application on the nodes; nothing means what each deployment says.
    #[serde(default)]
    pub manager: Option<Manager>,
    /// Whose nodes a manager uses.
    #[serde(default)]
    pub nodes: Nodes,
}

/// What [`Settings::proof_tolerance`] is unless somebody says otherwise.
pub fn usual_tolerance() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_usual_tolerance(tolerance: &f64) -> bool {
    *tolerance == usual_tolerance()
}

/// Whose nodes a manager uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nodes {
    /// Those of a cluster that somebody has.
    #[default]
    Existing,
    /// Containers on this host that we make, with links as in the plan.
    Own,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dilate: Dilate::By(1.0),
            pin: false,
            queue_packets: 1_000,
            proof_tolerance: usual_tolerance(),
            links: LinkKind::Forwarder,
            seed: 1,
            application: Application::Burn,
            transport: Transport::Mqtt,
            manager: None,
            nodes: Nodes::Existing,
        }
    }
}

/// How many times slower than real time a run is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dilate {
    /// The smallest whole number at which the host can hold it.
    Auto,
    /// This number, at least 1.
    By(f64),
}

/// What makes the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The kernel: HTB and netem.
    Netem,
    /// Our own process on TAP devices.
    Forwarder,
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkKind::Netem => "netem",
            LinkKind::Forwarder => "forwarder",
        })
    }
}

/// What the host has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Processors.
    pub cores: f64,
    /// Memory that can be given away [byte].
    pub memory_bytes: u64,
}

/// Everything that would be done, one entry per deployment, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the user chose.
    pub settings: Settings,
    /// The host that it was made for.
    pub host: Host,
    /// In the order in which they would be measured.
    pub runs: Vec<RunPlan>,
}

/// What one deployment takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The deployment's id.
    pub deployment: String,
    /// What runs the application on the nodes.
    #[serde(default)]
    pub manager: Manager,
    /// How many times slower than real time.
    pub dilate: f64,
    /// [`Settings::proof_tolerance`].
    #[serde(default = "usual_tolerance", skip_serializing_if = "is_usual_tolerance")]
    pub proof_tolerance: f64,
    /// How long it will take once everything is up and proved, dilation included.
    pub duration: Span,
    /// What is put into the nodes.
    pub image: String,
    /// What the workers do with a frame.
    pub application: Application,
    /// What carries frames and replies.
    pub transport: Transport,
    /// The nodes, endpoints first.
    pub nodes: Vec<Node>,
    /// The transmitters that paths share.
    pub media: Vec<Medium>,
    /// What is connected, per ordered pair of nodes. Rates, delays and losses are what will be configured.
    pub paths: Vec<Path>,
    /// What the host must have.
    pub needs: Needs,
    /// What a reader must know before trusting the results.
    pub warnings: Vec<String>,
}

/// A node of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Tier and number, for example `cloud-0`.
    pub name: String,
    /// The tier's name.
    pub tier: String,
    /// Cores that the deployment gives it.
    pub cores: u32,
    /// Processor time per second that it may use, all cores together: cores × quota, dilated [s/s].
    pub cpus: f64,
    /// Memory that it may use [byte]; nothing means no limit.
    pub memory_bytes: Option<u64>,
    /// Processors of the host that are its own.
    pub pinned: Option<Vec<u32>>,
    /// What runs on it.
    pub roles: Vec<String>,
}

/// What a host must have to hold a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Needs {
    /// Processor time per second of all nodes and of the links [s/s].
    pub cores: f64,
    /// The part of it that moves packets [s/s]: an estimate, see [`CPU_S_PER_PACKET`].
    pub link_cores: f64,
    /// Memory of all nodes that have a limit [byte].
    pub memory_bytes: u64,
}

/// What a node's container is made from.
pub const IMAGE: &str = "one static binary, imported per run";

/// Processor time that a packet costs the forwarder and the kernel around it [s]: 27 us measured unbatched.
pub const CPU_S_PER_PACKET: f64 = 27e-6;

/// The fastest medium that the forwarder carries frame by frame on one processor [bit/s].
pub const FASTEST_BIT_S: f64 = 250e6;

/// Payload of a full packet [byte].
const SEGMENT_BYTES: f64 = 1_448.0;

/// The most nodes of one run: what one forwarding loop and one engine hold comfortably.
const MOST_NODES: usize = 250;

/// Says what measuring these deployments would take, one after the other.
///
/// ```
/// # use offing_core::*;
/// # let constant = Distribution::Constant;
/// # let tier = |name: &str| Tier { name: name.into(), nodes: 1, cores: 1, quota: 0.5, speed: 1.0,
/// #     memory_bytes: Some(1 << 28), power: None, price_usd_per_hour: 0.0 };
/// # let deployment = Deployment {
/// #     app: App { rate_hz: 5.0, arrivals: Arrivals::Periodic, frame: constant(68e3), prepare: constant(0.0),
/// #         stages: vec![Stage { name: "process".into(), work: constant(0.1), output: constant(20.0) }],
/// #         memory_bytes: 0, deadline: None, outstanding: None },
/// #     tiers: vec![tier("endpoint"), tier("cloud")], links: vec![],
/// #     placement: Placement { endpoint: 0, target: 1, cut: 0, workers: 1, balance: Balance::Static,
/// #         queue: None, drop: Drop::Newest, provider: Provider::Docker, manager: Manager::None, pods: None },
/// #     duration: Span::from_millis(60_000), warm_up: Span::ZERO };
/// use offing_emu::{Host, Settings, plan};
/// let host = Host { cores: 2.0, memory_bytes: 1 << 32 };
/// let plan = plan(&[deployment], &Settings::default(), host)?;
/// assert_eq!(plan.runs[0].nodes[1].name, "cloud-0");
/// assert!(plan.runs[0].needs.cores >= 1.0);
/// # Ok::<(), offing_emu::EmuError>(())
/// ```
///
/// # Errors
/// [`EmuError::Refused`] with every reason if something cannot be emulated or does not fit.
pub fn plan(deployments: &[Deployment], settings: &Settings, host: Host) -> Result<Plan, EmuError> {
    let mut refused: Vec<(String, Vec<String>)> = Vec::new();
    let mut runs = Vec::new();
    for deployment in deployments {
        match plan_one(deployment, settings, host) {
            Ok(run) => runs.push(run),
            Err(reasons) => {
                for reason in reasons {
                    match refused.iter_mut().find(|(said, _)| *said == reason) {
                        Some((_, ids)) => ids.push(deployment.id()),
                        None => refused.push((reason, vec![deployment.id()])),
                    }
                }
            }
        }
    }
    // What holds for many deployments is said once.
    let told = |(reason, ids): &(String, Vec<String>)| match &ids[..] {
        [id] => format!("deployment {id}: {reason}"),
        [id, others @ ..] => format!("deployment {id} and {} more: {reason}", others.len()),
        [] => unreachable!("a reason is of a deployment"),
    };
    match refused.is_empty() {
        true => Ok(Plan { settings: settings.clone(), host, runs }),
        false => Err(EmuError::Refused(refused.iter().map(told).collect())),
    }
}

fn plan_one(deployment: &Deployment, settings: &Settings, host: Host) -> Result<RunPlan, Vec<String>> {
    let manager = settings.manager.unwrap_or(deployment.placement.manager);
    let is_elsewhere = manager == Manager::Kubernetes && settings.nodes == Nodes::Existing;
    let mut reasons = unsupported(deployment, settings, manager);
    let used = deployment.used_tiers();
    let nodes_in_all: usize = used.iter().map(|&tier| deployment.tiers[tier].nodes as usize).sum();
    if nodes_in_all > MOST_NODES {
        reasons.push(format!("{nodes_in_all} nodes, and at most {MOST_NODES} can be held"));
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let real = needs(deployment);
    let fastest_bit_s = fastest(deployment);
    // What a cluster of somebody else's can hold is for its scheduler to say.
    let least = if is_elsewhere {
        0.0
    } else {
        f64::max(
            real.cores / host.cores,
            match settings.links {
                LinkKind::Forwarder => fastest_bit_s / FASTEST_BIT_S,
                LinkKind::Netem => 0.0,
            },
        )
    };
    let dilate = match settings.dilate {
        Dilate::Auto => least.ceil().max(1.0),
        Dilate::By(k) => k,
    };
    if !(dilate.is_finite() && dilate >= 1.0) {
        reasons.push(format!("it cannot run {dilate} times slower: write a number of at least 1"));
    } else if least > dilate {
        let slower = format!("`--dilate {}` runs it slower and scales the results back", least.ceil());
        if real.cores > host.cores * dilate {
            reasons.push(format!(
                "it needs {:.2} cores ({:.2} of them for the links) and this host has {}; {slower}",
                real.cores / dilate,
                real.link_cores / dilate,
                host.cores
            ));
        }
        if settings.links == LinkKind::Forwarder && fastest_bit_s > FASTEST_BIT_S * dilate {
            reasons.push(format!(
                "a link of {:.0} Mbit/s is too fast for the forwarder, which carries {:.0} Mbit/s; {slower}",
                fastest_bit_s / dilate / 1e6,
                FASTEST_BIT_S / 1e6
            ));
        }
    }
    if real.memory_bytes > host.memory_bytes && !is_elsewhere {
        reasons.push(format!(
            "its nodes may use {} MiB and this host can give {} MiB; lower `tier.*.memory` or `tier.*.nodes`",
            real.memory_bytes >> 20,
            host.memory_bytes >> 20
        ));
    }
    let mut nodes = nodes(deployment, settings.transport, dilate);
    if settings.pin && !pin(&mut nodes, host.cores as u32) {
        let wanted: u32 = nodes.iter().map(|node| node.cores).sum();
        reasons
            .push(format!("{wanted} cores cannot be pinned on {} processors; leave out `--pin`", host.cores));
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let (media, paths) = connect(deployment, &nodes, settings.queue_packets, dilate);
    let mut warnings = warnings(deployment, settings.application);
    if settings.proof_tolerance > usual_tolerance() && is_elsewhere {
        warnings.push(
            "`--proof-tolerance` changes nothing: nothing is proved on nodes of somebody else's".into(),
        );
    } else if settings.proof_tolerance > usual_tolerance() {
        warnings.push(format!(
            "delays, rates and quotas may be wrong by {} times as much as usual: `--proof-tolerance` says so",
            settings.proof_tolerance
        ));
    }
    if settings.nodes == Nodes::Own && manager != Manager::Kubernetes {
        warnings.push(
            "no cluster is made for a deployment without Kubernetes: `--manager kubernetes` puts it on one"
                .into(),
        );
    }
    let asks = |pods: &Pods| pods.cpu_request > 0.0 || pods.memory_request_bytes > 0 || pods.image_bytes > 0;
    if manager == Manager::Kubernetes && deployment.placement.pods.as_ref().is_some_and(asks) {
        warnings.push(
            "each pod asks for what its node has: `deploy.pod_cpu`, `pod_memory` and `image` are not followed".into(),
        );
    }
    if is_elsewhere && used_link(deployment).is_some() {
        warnings.push(
            "the links are those of the cluster, as they are: rate, latency and loss that the deployment says are not \
             imposed"
                .into(),
        );
    }
    Ok(RunPlan {
        deployment: deployment.id(),
        manager,
        dilate,
        proof_tolerance: settings.proof_tolerance,
        duration: times(deployment.duration, dilate),
        image: IMAGE.into(),
        application: settings.application,
        transport: settings.transport,
        nodes,
        media,
        paths,
        needs: Needs { cores: real.cores / dilate, link_cores: real.link_cores / dilate, ..real },
        warnings,
    })
}

/// Why a deployment cannot be emulated at all.
fn unsupported(deployment: &Deployment, settings: &Settings, manager: Manager) -> Vec<String> {
    let mut reasons = Vec::new();
    let placement = &deployment.placement;
    let kind = settings.links;
    let is_elsewhere = manager == Manager::Kubernetes && settings.nodes == Nodes::Existing;
    // Who has made the nodes of a cluster does not matter to it.
    if placement.provider != Provider::Docker && !is_elsewhere {
        reasons.push(
            "only `deploy.provider = \"docker\"` can be measured; to measure it here all the same, add \
             `--set deploy.provider=docker`"
                .into(),
        );
    }
    if !matches!(manager, Manager::None | Manager::Kubernetes) {
        reasons.push(
            "only `deploy.manager = \"none\"` and `\"kubernetes\"` can be measured; to measure it here all the \
             same, add `--set deploy.manager=none`"
                .into(),
        );
    }
    if manager == Manager::Kubernetes && !is_elsewhere && kind == LinkKind::Netem {
        reasons.push("the links of a cluster of ours are made by `--links forwarder`".into());
    }
    if manager == Manager::Kubernetes && settings.pin {
        reasons.push("pods are not pinned to processors; leave out `--pin`".into());
    }
    if let (Manager::Kubernetes, Some(pods)) = (manager, &placement.pods)
        && (pods.per_node > 1 || pods.start != Start::Job || pods.cpu_limit.is_some())
    {
        reasons.push(
            "a target node is measured as one pod that may use all its cores; leave out `deploy.pods`, `start` and \
             `pod_cpu_limit`"
                .into(),
        );
    }
    reasons.extend(application::unsupported(deployment));
    if is_elsewhere {
        return reasons;
    }
    let Some((link, up)) = used_link(deployment) else { return reasons };
    if link.sharing == Sharing::Fair {
        reasons.push("fair sharing of a link is not emulated; set `sharing = \"fifo\"`".into());
    }
    if kind == LinkKind::Netem && link.scope == Scope::Tier {
        reasons.push("a medium that several nodes share needs `--links forwarder`".into());
    }
    for direction in directions(link, up) {
        if let Rate::Trace { source, .. } = &direction.rate {
            reasons.push(format!("the recorded rate `{source}` is not emulated; set a constant `rate`"));
        }
    }
    reasons
}

fn warnings(deployment: &Deployment, application: Application) -> Vec<String> {
    let mut warnings = application::warnings(deployment, application);
    let used: Vec<&Tier> = deployment.used_tiers().iter().map(|&tier| &deployment.tiers[tier]).collect();
    for tier in &used {
        // A burn takes as long as a processor of that speed would; a network takes what this one takes.
        if tier.speed != 1.0 && application == Application::Network {
            warnings.push(format!(
                "tier {}: its speed {} is not emulated; its nodes have the speed of this host's processors",
                tier.name, tier.speed
            ));
        }
    }
    if let Some((link, up)) = used_link(deployment)
        && directions(link, up).iter().any(|direction| direction.window_bytes.is_some())
    {
        warnings.push("the window of a link is not emulated; TCP chooses its own".into());
    }
    warnings
}

/// The link between endpoints and targets, and whether the endpoints are its first end.
fn used_link(deployment: &Deployment) -> Option<(&Link, bool)> {
    let placement = &deployment.placement;
    deployment.is_offloaded().then(|| deployment.link(placement.endpoint, placement.target)).flatten()
}

/// From the endpoints, then towards them.
fn directions(link: &Link, up: bool) -> [&Direction; 2] {
    if up { [&link.up, &link.down] } else { [&link.down, &link.up] }
}

/// The fastest medium of a deployment [bit/s]; 0 if all are unlimited.
fn fastest(deployment: &Deployment) -> f64 {
    let Some((link, up)) = used_link(deployment) else { return 0.0 };
    let rates = directions(link, up).map(|direction| rate_bit_s(direction).unwrap_or(0.0));
    rates[0].max(rates[1])
}

fn rate_bit_s(direction: &Direction) -> Option<f64> {
    match direction.rate {
        Rate::BitPerS(rate) => Some(rate),
        Rate::Unlimited | Rate::Trace { .. } => None,
    }
}

/// What the host must have, in real time.
fn needs(deployment: &Deployment) -> Needs {
    let tiers: Vec<&Tier> = deployment.used_tiers().iter().map(|&tier| &deployment.tiers[tier]).collect();
    let node_cores: f64 =
        tiers.iter().map(|tier| f64::from(tier.nodes) * f64::from(tier.cores) * tier.quota).sum();
    let memory_bytes = tiers.iter().map(|tier| u64::from(tier.nodes) * tier.memory_bytes.unwrap_or(0)).sum();
    let link_cores = if deployment.is_offloaded() {
        let app = &deployment.app;
        let packets = |bytes: f64| (bytes / SEGMENT_BYTES).ceil().max(1.0);
        // Acknowledgements: one for two segments, and one of its own for the shortest message.
        let there = packets(mean(&app.frame)) * 1.5 + 1.0;
        let back = packets(app.stages.last().map_or(0.0, |stage| mean(&stage.output))) * 1.5 + 1.0;
        let requests_hz = app.rate_hz * f64::from(deployment.endpoints().nodes);
        (requests_hz * (there + back) * CPU_S_PER_PACKET).min(1.0)
    } else {
        0.0
    };
    Needs { cores: node_cores + link_cores, link_cores, memory_bytes }
}

/// The mean of a size, near enough to count packets.
pub(crate) fn mean(size: &offing_core::Distribution) -> f64 {
    use offing_core::Distribution::*;
    let middle = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    match size {
        Constant(value) => *value,
        Exponential { mean } | Lognormal { mean, .. } | Gamma { mean, .. } | Normal { mean, .. } => *mean,
        Uniform { from, to } => (from + to) / 2.0,
        Empirical { values, .. } => middle(values),
        Quantiles(values) => middle(values),
    }
}

/// Endpoints, then targets.
fn nodes(deployment: &Deployment, transport: Transport, dilate: f64) -> Vec<Node> {
    let workers = deployment.placement.workers;
    let pool = format!("{workers} worker{}", if workers == 1 { "" } else { "s" });
    let roles = |tier: &str| -> Vec<String> {
        let is_endpoint = tier == deployment.endpoints().name;
        match (is_endpoint, deployment.is_offloaded(), transport) {
            (true, true, _) => vec!["endpoint".into()],
            (true, false, _) => vec!["endpoint".into(), pool.clone()],
            (false, _, Transport::Mqtt) => vec!["broker".into(), pool.clone()],
            (false, _, Transport::Http) => vec![pool.clone()],
        }
    };
    let of_tier = |tier: &Tier| {
        let tier = tier.clone();
        (0..tier.nodes).map(move |i| Node {
            name: format!("{}-{i}", tier.name),
            tier: tier.name.clone(),
            cores: tier.cores,
            cpus: f64::from(tier.cores) * tier.quota / dilate,
            memory_bytes: tier.memory_bytes,
            pinned: None,
            roles: roles(&tier.name),
        })
    };
    deployment.used_tiers().into_iter().flat_map(|tier| of_tier(&deployment.tiers[tier])).collect()
}

/// Gives each node processors of its own, in order; false if there are not enough.
fn pin(nodes: &mut [Node], processors: u32) -> bool {
    let mut next = 0;
    for node in nodes.iter_mut() {
        node.pinned = Some((next..next + node.cores).collect());
        next += node.cores;
    }
    next <= processors
}

pub(crate) fn times(span: Span, factor: f64) -> Span {
    Span::from_nanos((span.as_nanos() as f64 * factor).round() as u64)
}

/// The media and the paths between endpoints and targets, in both directions.
fn connect(deployment: &Deployment, nodes: &[Node], queue: usize, dilate: f64) -> (Vec<Medium>, Vec<Path>) {
    let (mut media, mut paths) = (Vec::new(), Vec::new());
    if !deployment.is_offloaded() {
        return (media, paths);
    }
    let endpoints = 0..deployment.endpoints().nodes as usize;
    let targets = endpoints.end..nodes.len();
    let not_shaped = Direction::default();
    let (scope, [there, back]) = match used_link(deployment) {
        Some((link, up)) => (link.scope, directions(link, up)),
        None => (Scope::Pair, [&not_shaped, &not_shaped]),
    };
    for (direction, senders, receivers) in [(there, &endpoints, &targets), (back, &targets, &endpoints)] {
        let medium =
            Medium { rate_bit_s: rate_bit_s(direction).map(|rate| rate / dilate), queue_packets: queue };
        for (i, from) in senders.clone().enumerate() {
            for (j, to) in receivers.clone().enumerate() {
                let new = match scope {
                    Scope::Pair => true,
                    Scope::Node => j == 0,
                    Scope::Tier => i == 0 && j == 0,
                };
                if new {
                    media.push(medium.clone());
                }
                paths.push(Path {
                    from,
                    to,
                    medium: media.len() - 1,
                    latency: times(direction.latency, dilate),
                    jitter: times(direction.jitter, dilate),
                    loss: direction.loss,
                });
            }
        }
    }
    (media, paths)
}

impl RunPlan {
    /// The smallest delay that is configured; nothing if no path delays.
    pub fn smallest_delay(&self) -> Option<Span> {
        self.paths.iter().map(|path| path.latency).filter(|&latency| latency > Span::ZERO).min()
    }

    /// The 99th percentile of lateness above which a run is worth nothing [ns]: 5 % of the smallest configured
    /// delay, and never less than 0.2 ms; times [`RunPlan::proof_tolerance`].
    pub fn lateness_limit_ns(&self) -> f64 {
        let least = self.smallest_delay().map_or(0.0, |delay| 0.05 * delay.as_nanos() as f64);
        least.max(200_000.0) * self.proof_tolerance
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use offing_core::{App, Arrivals, Balance, Distribution, Drop, Placement, Stage};

    const HOST: Host = Host { cores: 4.0, memory_bytes: 8 << 30 };

    fn tier(name: &str, nodes: u32, cores: u32, quota: f64) -> Tier {
        Tier { memory_bytes: Some(1 << 30), ..Tier::new(name, nodes, cores, quota) }
    }

    pub(crate) fn deployment(scope: Scope, rate_bit_s: f64) -> Deployment {
        let direction = |latency_ms| Direction {
            latency: Span::from_millis(latency_ms),
            rate: Rate::BitPerS(rate_bit_s),
            ..Direction::default()
        };
        let constant = Distribution::Constant;
        Deployment {
            app: App {
                rate_hz: 5.0,
                arrivals: Arrivals::Periodic,
                frame: constant(14_480.0),
                prepare: constant(0.0),
                stages: vec![Stage { name: "process".into(), work: constant(0.1), output: constant(20.0) }],
                memory_bytes: 0,
                deadline: None,
                outstanding: None,
            },
            tiers: vec![tier("endpoint", 2, 1, 0.5), tier("cloud", 1, 2, 1.0)],
            links: vec![Link {
                between: [1, 0],
                up: direction(7),
                down: direction(3),
                sharing: Sharing::Fifo,
                scope,
            }],
            placement: Placement {
                endpoint: 0,
                target: 1,
                cut: 0,
                workers: 1,
                balance: Balance::Static,
                queue: None,
                drop: Drop::Newest,
                provider: Provider::Docker,
                manager: Manager::None,
                pods: None,
            },
            duration: Span::from_millis(60_000),
            warm_up: Span::ZERO,
        }
    }

    fn one(deployment: &Deployment, settings: &Settings) -> Result<RunPlan, String> {
        let planned = plan(std::slice::from_ref(deployment), settings, HOST);
        planned.map(|plan| plan.runs[0].clone()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn every_ordered_pair_has_a_path_with_the_delay_of_its_direction() {
        let run = one(&deployment(Scope::Node, 8e6), &Settings::default()).unwrap();
        let names: Vec<_> = run.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["endpoint-0", "endpoint-1", "cloud-0"]);
        let paths: Vec<_> =
            run.paths.iter().map(|p| (p.from, p.to, p.medium, p.latency.to_string())).collect();
        let path = |from, to, medium, delay: &str| (from, to, medium, delay.to_string());
        // The link is written from the cloud, so `down` leads to it. The cloud's replies share a medium.
        assert_eq!(
            paths,
            [path(0, 2, 0, "3 ms"), path(1, 2, 1, "3 ms"), path(2, 0, 2, "7 ms"), path(2, 1, 2, "7 ms")]
        );
        assert_eq!(run.smallest_delay(), Some(Span::from_millis(3)));
        assert_eq!(run.lateness_limit_ns(), 200_000.0);
    }

    #[test]
    fn the_scope_says_who_shares_a_medium() {
        let media = |scope| one(&deployment(scope, 8e6), &Settings::default()).unwrap().media.len();
        assert_eq!((media(Scope::Pair), media(Scope::Node), media(Scope::Tier)), (4, 3, 2));
    }

    #[test]
    fn what_the_host_must_have_is_the_sum_of_quotas_and_the_cost_of_packets() {
        let run = one(&deployment(Scope::Node, 8e6), &Settings::default()).unwrap();
        // 2 x 0.5 + 2; 10 requests/s of 10 + 1 segments, half as many acknowledgements, two more: 18.5 packets.
        let link_cores = 10.0 * 18.5 * CPU_S_PER_PACKET;
        assert!((run.needs.cores - 3.0 - link_cores).abs() < 1e-12, "{:?}", run.needs);
        assert_eq!(run.needs.memory_bytes, 3 << 30);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_every_reason_and_dilation_makes_it_fit() {
        let mut large = deployment(Scope::Node, 1e9);
        large.tiers[1].cores = 16;
        let refused = one(&large, &Settings::default()).unwrap_err();
        assert!(refused.contains("17.00 cores") && refused.contains("`--dilate 5`"), "{refused}");
        assert!(refused.contains("1000 Mbit/s"), "{refused}");
        let run = one(&large, &Settings { dilate: Dilate::Auto, ..Settings::default() }).unwrap();
        assert_eq!(run.dilate, 5.0);
        assert_eq!(run.media[0].rate_bit_s, Some(2e8));
        assert_eq!(run.paths[0].latency, Span::from_millis(15));
        assert_eq!((run.nodes[0].cpus, run.nodes[2].cpus), (0.1, 3.2));
        assert_eq!(run.duration, Span::from_millis(300_000));
        large.tiers[1].memory_bytes = Some(64 << 30);
        let refused = one(&large, &Settings { dilate: Dilate::Auto, ..Settings::default() }).unwrap_err();
        assert!(refused.contains("MiB"), "{refused}");
    }

    #[test]
    fn what_cannot_be_emulated_is_refused_by_name() {
        let mut odd = deployment(Scope::Tier, 8e6);
        odd.placement.provider = Provider::Gcp;
        odd.links[0].sharing = Sharing::Fair;
        let refused = one(&odd, &Settings { links: LinkKind::Netem, ..Settings::default() }).unwrap_err();
        for word in ["deploy.provider", "fair sharing", "--links forwarder"] {
            assert!(refused.contains(word), "{refused}");
        }
        odd = deployment(Scope::Node, 8e6);
        odd.placement.manager = Manager::Kubernetes;
        let cluster = Settings { nodes: Nodes::Existing, ..Settings::default() };
        let own = Settings { nodes: Nodes::Own, ..Settings::default() };
        let is_in_vain = |manager: Option<Manager>| {
            let settings = Settings { manager, ..own.clone() };
            one(&odd, &settings).unwrap().warnings.iter().any(|text| text.contains("no cluster is made"))
        };
        assert!(is_in_vain(Some(Manager::None)) && !is_in_vain(Some(Manager::Kubernetes)));
        odd.placement.pods = Some(Pods { cpu_request: 0.5, ..Pods::default() });
        assert!(one(&odd, &cluster).unwrap().warnings.iter().any(|text| text.contains("`deploy.pod_cpu`")));
        odd.placement.pods = Some(Pods { per_node: 3, ..Pods::default() });
        let refused = one(&odd, &cluster).unwrap_err();
        assert!(refused.contains("measured as one pod"), "{refused}");
        odd = deployment(Scope::Node, 8e6);
        odd.tiers[0].speed = 0.5;
        let speed =
            |settings| one(&odd, &settings).unwrap().warnings.iter().any(|text| text.contains("speed 0.5"));
        assert!(!speed(Settings::default()));
        assert!(speed(Settings { application: Application::Network, ..Settings::default() }));
    }

    #[test]
    fn pinned_nodes_have_processors_of_their_own() {
        let pinned = Settings { pin: true, ..Settings::default() };
        let run = one(&deployment(Scope::Node, 8e6), &pinned).unwrap();
        assert_eq!(run.nodes[2].pinned, Some(vec![2, 3]));
        let mut wide = deployment(Scope::Node, 8e6);
        wide.tiers[0].nodes = 3;
        assert!(one(&wide, &pinned).unwrap_err().contains("pinned"));
    }

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let plan = plan(&[deployment(Scope::Node, 8e6)], &Settings::default(), HOST).unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
