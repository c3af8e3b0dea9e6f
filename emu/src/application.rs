//! From a deployment to what runs on its nodes: roles of the application and their configurations.
//!
//! | of the deployment | in the application |
//! |---|---|
//! | frame, or the output of the last stage before the cut | size of the pictures that endpoints send |
//! | prepare, and the stages before the cut | processor time of the endpoint per frame (burn), or one JPEG encoding (network) |
//! | the stages from the cut on | processor time of a worker per frame (burn), or one classification (network) |
//! | rate and arrivals, sizes, work | the requests of a [`Workload`], drawn beforehand |
//! | workers, queue, drop | the pool of each target node |
//! | balance | the list of targets of each endpoint |
//! | a target tier that is not the endpoint's | a broker (MQTT) and a pool on each of its nodes |
//! | no offloading | a pool on each endpoint |
//!
//! A burn takes the work divided by the tier's speed, as a processor of that speed would.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use offing_app::protocol::{
    self, Arrivals, BrokerConfig, EndpointConfig, LocalConfig, Pool, Prepare, Process, Schedule, Target,
    Values, WorkerConfig,
};
use offing_core::{Balance, Demand, Deployment, Drop, Span};
use serde::{Deserialize, Serialize};

use crate::plan::{RunPlan, times};

/// What the workers do with a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Application {
    /// They use the processor time that the deployment says.
    #[default]
    Burn,
    /// They classify it by a convolutional network, whatever the deployment says.
    Network,
}

impl Application {
    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Application::Burn => "burn",
            Application::Network => "network",
        }
    }
}

/// What carries frames and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// MQTT through a broker on the target node.
    #[default]
    Mqtt,
    /// HTTP directly to the target node.
    Http,
}

impl Transport {
    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Mqtt => "mqtt",
            Transport::Http => "http",
        }
    }
}

/// What every endpoint asks for, request by request: drawn by whoever asks, so that the same requests can be predicted
/// and measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Of what the application draws itself: pictures, and the targets of a random balance.
    pub seed: u64,
    /// The requests of each endpoint, in order.
    pub endpoints: Vec<Vec<Demand>>,
}

impl Workload {
    /// A number of each request of one endpoint.
    fn of(&self, endpoint: usize, number: fn(&Demand) -> u64) -> Values {
        let values = self.endpoints.get(endpoint).into_iter().flatten();
        short(values.map(number).collect(), Values::List)
    }

    /// A number of each request of all endpoints.
    fn of_all(&self, number: fn(&Demand) -> u64) -> Values {
        let all: Vec<Vec<u64>> =
            self.endpoints.iter().map(|demands| demands.iter().map(number).collect()).collect();
        short(all.concat(), |_| Values::Each(all))
    }

    fn largest_frame(&self) -> u64 {
        let largest = self.endpoints.iter().flatten().map(|demand| demand.frame_bytes).max().unwrap_or(0);
        largest.clamp(protocol::SMALLEST_FRAME_BYTES, protocol::LARGEST_FRAME_BYTES)
    }
}

/// One number where all are equal.
fn short(values: Vec<u64>, otherwise: impl FnOnce(Vec<u64>) -> Values) -> Values {
    match values.first() {
        None => Values::Constant(0),
        Some(&first) if values.iter().all(|&value| value == first) => Values::Constant(first),
        Some(_) => otherwise(values),
    }
}

/// Why the application cannot do what a deployment asks, and what to write instead.
pub(crate) fn unsupported(deployment: &Deployment) -> Vec<String> {
    let mut reasons = Vec::new();
    if deployment.app.outstanding.is_some() {
        reasons.push(
            "a closed loop (`app.outstanding`) is not measured: endpoints emit at their rate; leave it out"
                .into(),
        );
    }
    if deployment.placement.balance == Balance::LeastWaiting && deployment.targets().nodes > 1 {
        reasons.push(
            "`deploy.balance = \"least-waiting\"` is not measured, because endpoints cannot see the queues; write \
             `static`, `round-robin` or `random`"
                .into(),
        );
    }
    if deployment.placement.balance == Balance::Connection && deployment.targets().nodes > 1 {
        reasons.push(
            "`deploy.balance = \"connection\"` is what a Service of Kubernetes does, and is not measured without \
             one; write `static`, `round-robin` or `random`"
                .into(),
        );
    }
    reasons
}

/// One role on one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Role {
    /// Number of the node in the plan.
    pub node: usize,
    /// What it is.
    pub kind: RoleKind,
    /// Its configuration, JSON.
    pub config: String,
}

/// The roles, in the order in which they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RoleKind {
    Broker,
    Worker,
    Endpoint,
    Local,
}

impl RoleKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            RoleKind::Broker => "broker",
            RoleKind::Worker => "worker",
            RoleKind::Endpoint => "endpoint",
            RoleKind::Local => "local",
        }
    }
}

pub(crate) const BROKER_PORT: u16 = 1_883;
pub(crate) const HTTP_PORT: u16 = 8_080;
pub(crate) const CLOCK_PORT: u16 = 1_884;
/// How long replies are waited for after the last emission, in the deployment's time.
const DRAIN: Span = Span::from_millis(10_000);

/// How long before the start the roles are told [s]. Preparing takes processor time, and quotas are in force.
pub(crate) fn lead_s(deployment: &Deployment, plan: &RunPlan, workload: &Workload) -> f64 {
    let workers = f64::from(deployment.placement.workers);
    // Starting a process and making pictures; loading and optimising a network, per worker process.
    let worker_s = match plan.application {
        Application::Burn => 0.05,
        Application::Network => 2.5,
    };
    // Four pictures of at most two million pixels, three for each byte of a frame. An endpoint that came
    // late had taken at most 0.07 us for a pixel, so 0.1 us are given.
    let pixels = (3.0 * workload.largest_frame() as f64).min(2e6);
    let prepare_s = 0.3 + 4.0 * 0.1e-6 * pixels;
    let longest = plan.nodes.iter().map(|node| (prepare_s + workers * worker_s) / node.cpus.min(1.0));
    // A busy host, or the one below a virtual machine, takes a second of it.
    2.5 + 0.1 * plan.nodes.len() as f64 + longest.fold(0.0, f64::max)
}

/// When the roles of a run work, if they start then.
pub(crate) fn schedule(deployment: &Deployment, plan: &RunPlan, start_at_ns: u64) -> Schedule {
    Schedule {
        start_at_ns,
        emit_for_ns: times(deployment.duration, plan.dilate).as_nanos(),
        drain_ns: times(DRAIN, plan.dilate).as_nanos(),
    }
}

/// Everything that has to be started, brokers first. `address` is where a node of the plan is found.
pub(crate) fn roles(
    deployment: &Deployment,
    plan: &RunPlan,
    workload: &Workload,
    schedule: Schedule,
    lead_s: f64,
    address: &dyn Fn(usize) -> Ipv4Addr,
) -> Vec<Role> {
    let connect_limit_ns = (lead_s * 1e9) as u64;
    let placement = &deployment.placement;
    let endpoints = deployment.endpoints().nodes as usize;
    let arrivals = |endpoint: usize| Arrivals::List {
        at_ns: workload.endpoints[endpoint]
            .iter()
            .map(|demand| times(Span::from_nanos(demand.emitted), plan.dilate).as_nanos())
            .collect(),
    };
    let seed = workload.seed;
    let pool = |cpu_ns: Values| Pool {
        workers: placement.workers,
        queue: placement.queue,
        drop: match placement.drop {
            Drop::Newest => protocol::Drop::Newest,
            Drop::Oldest => protocol::Drop::Oldest,
        },
        process: match plan.application {
            Application::Burn => Process::Burn { cpu_ns },
            Application::Network => Process::Network,
        },
    };
    let json = |config: serde_json::Result<String>| config.expect("a configuration is plain data");
    if !deployment.is_offloaded() {
        let local = |endpoint: usize| LocalConfig {
            endpoint: endpoint as u32,
            seed,
            schedule,
            arrivals: arrivals(endpoint),
            frame_bytes: workload.of(endpoint, |demand| demand.frame_bytes),
            pool: pool(workload.of(endpoint, |demand| demand.process)),
            connect_limit_ns,
        };
        return (0..endpoints)
            .map(|i| Role { node: i, kind: RoleKind::Local, config: json(serde_json::to_string(&local(i))) })
            .collect();
    }
    let targets = deployment.targets().nodes as usize;
    let (transport, port) = match plan.transport {
        Transport::Mqtt => (protocol::Transport::Mqtt { qos: 0 }, BROKER_PORT),
        Transport::Http => (protocol::Transport::Http, HTTP_PORT),
    };
    let at = |address: Ipv4Addr, port| SocketAddr::new(IpAddr::V4(address), port);
    // The simulator's rule: endpoint i of E belongs to node floor(i T / E) of T.
    let target_of = |endpoint: usize| endpoint * targets / endpoints;
    let mut roles = Vec::new();
    for target in 0..targets {
        let node = endpoints + target;
        if plan.transport == Transport::Mqtt {
            let broker = BrokerConfig {
                listen: at(Ipv4Addr::UNSPECIFIED, port),
                schedule,
                largest_frame_bytes: workload.largest_frame(),
            };
            roles.push(Role { node, kind: RoleKind::Broker, config: json(serde_json::to_string(&broker)) });
        }
        let served = match placement.balance {
            Balance::Static => (0..endpoints).filter(|&endpoint| target_of(endpoint) == target).count(),
            _ => endpoints,
        };
        let own = match plan.transport {
            Transport::Mqtt => Ipv4Addr::LOCALHOST,
            Transport::Http => Ipv4Addr::UNSPECIFIED,
        };
        let worker = WorkerConfig {
            node: target as u32,
            seed,
            schedule,
            pool: pool(workload.of_all(|demand| demand.process)),
            reply_bytes: workload.of_all(|demand| demand.result_bytes),
            address: at(own, port),
            clock: at(Ipv4Addr::UNSPECIFIED, CLOCK_PORT),
            transport,
            endpoints: served as u32,
            connect_limit_ns,
        };
        roles.push(Role { node, kind: RoleKind::Worker, config: json(serde_json::to_string(&worker)) });
    }
    for endpoint in 0..endpoints {
        let target = |target: usize| Target {
            node: target as u32,
            address: at(address(endpoints + target), port),
            clock: at(address(endpoints + target), CLOCK_PORT),
        };
        let (targets, balance) = match placement.balance {
            Balance::Static | Balance::LeastWaiting | Balance::Connection => {
                (vec![target(target_of(endpoint))], protocol::Balance::Static)
            }
            Balance::RoundRobin => ((0..targets).map(target).collect(), protocol::Balance::RoundRobin),
            Balance::Random => ((0..targets).map(target).collect(), protocol::Balance::Random),
        };
        let config = EndpointConfig {
            endpoint: endpoint as u32,
            seed,
            schedule,
            arrivals: arrivals(endpoint),
            frame_bytes: workload.of(endpoint, |demand| demand.frame_bytes),
            prepare: match plan.application {
                Application::Burn => Prepare::Burn { cpu_ns: workload.of(endpoint, |demand| demand.prepare) },
                Application::Network => Prepare::Encode,
            },
            targets,
            balance,
            transport,
            connect_limit_ns,
        };
        roles.push(Role {
            node: endpoint,
            kind: RoleKind::Endpoint,
            config: json(serde_json::to_string(&config)),
        });
    }
    roles.sort_by_key(|role| role.kind);
    roles
}

/// What a reader must know about the difference between what is asked and what the application does.
pub(crate) fn warnings(deployment: &Deployment, application: Application) -> Vec<String> {
    let mut warnings = Vec::new();
    if application == Application::Network {
        warnings.push(
            "the work that the deployment says is ignored: frames are encoded and classified for real, and take what \
             they take"
                .into(),
        );
    }
    let cut = if deployment.is_offloaded() { deployment.placement.cut as usize } else { 0 };
    let stages = &deployment.app.stages;
    let frame = if cut == 0 { &deployment.app.frame } else { &stages[cut - 1].output };
    let (smallest, largest) = (protocol::SMALLEST_FRAME_BYTES as f64, protocol::LARGEST_FRAME_BYTES as f64);
    let mean = crate::plan::mean(frame);
    if !(smallest..=largest).contains(&mean) {
        warnings.push(format!(
            "frames of {mean:.0} bytes are not sent: a picture has at least {smallest} and at most {largest} bytes"
        ));
    }
    let reply = crate::plan::mean(&stages[stages.len() - 1].output);
    if deployment.is_offloaded() && reply < protocol::SMALLEST_REPLY_BYTES as f64 {
        warnings.push(format!(
            "results of {reply:.0} bytes are sent with their stamps, as {} bytes",
            protocol::SMALLEST_REPLY_BYTES
        ));
    }
    warnings
}
