//! What Kubernetes needs to start pods: rates that are limits, work, and waits that are built in; and where pods fit.
//!
//! The network of queues that these numbers describe is simulated by `offing_sim::start`. This module holds the numbers,
//! the bucket that limits requests, and the packing.
//!
//! ```text
//! bucket     request k of a burst is let through at max(its instant, (k + 1 - burst)/rate after the first)
//! fits       min(most pods, floor(cores quota / cpu request), floor((memory - reserved) / memory request))
//! ```
//!
//! Packing follows the scheduler's default scores with equal pods and nodes ([`pack`]). Scores are whole numbers of 100,
//! so small pods leave nodes equally good for some time; then one of these is drawn, and nodes get unequal numbers.
//!
//! Left out: pods of the system and daemon sets, taints, affinity, priorities and preemption, ephemeral storage.
//! Source: Kubernetes 1.20.2, `NodeResourcesLeastAllocated`, `NodeResourcesBalancedAllocation`; client-go, `flowcontrol`.

use offing_core::{Deployment, Pods, Start};

use crate::ModelSet;

/// Version of Kubernetes: what differs between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The number after `1.`.
    pub minor: u32,
}

impl Version {
    /// What the model was measured with.
    pub const MEASURED: Version = Version { minor: 20 };

    /// `1.27`, `v1.27.0`; nothing if it is no version from 1.16 on.
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.trim().trim_start_matches('v').split('.');
        let (major, minor) = (parts.next()?, parts.next()?);
        let patch = parts.next().is_none_or(|patch| patch.parse::<u32>().is_ok());
        let minor = minor.parse().ok().filter(|minor| (16..1000).contains(minor))?;
        (major == "1" && patch && parts.next().is_none()).then_some(Version { minor })
    }
}

/// A client that may send `burst` requests at once, and then `rate_hz`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests per second; infinite where nothing limits them.
    pub rate_hz: f64,
    /// Requests at once, at least one.
    pub burst: f64,
}

impl Limit {
    /// No limit.
    pub const NONE: Limit = Limit { rate_hz: f64::INFINITY, burst: 1.0 };
}

/// The bucket of a [`Limit`]: full at first, a request takes one token, tokens come at the rate.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    limit: Limit,
    /// Tokens at `at`; below zero where requests wait.
    tokens: f64,
    at_ns: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn new(limit: Limit) -> Self {
        Bucket { limit, tokens: limit.burst, at_ns: 0 }
    }

    /// Takes a token for a request at `now` and says when it may be sent [ns]. Requests are let through in the order in
    /// which they ask. Calls are in order of time.
    pub fn take(&mut self, now: u64) -> u64 {
        if self.limit.rate_hz.is_infinite() {
            return now;
        }
        let passed_s = (now - self.at_ns) as f64 / 1e9;
        self.tokens = (self.tokens + passed_s * self.limit.rate_hz).min(self.limit.burst) - 1.0;
        self.at_ns = now;
        let wait_s = (-self.tokens).max(0.0) / self.limit.rate_hz;
        now + (wait_s * 1e9).ceil() as u64
    }
}

/// Numbers of `kubernetes` in SI units. Work is CPU time at speed 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is a parameter of data/kubernetes.toml, described there")]
pub struct StartModel {
    pub controller: Limit,
    pub controller_workers: u32,
    pub controller_sync_s: f64,
    /// Events of one Job that are sent, one after the other.
    pub controller_events: u32,
    pub scheduler: Limit,
    pub scheduler_cycle_s: f64,
    pub api_write_s: f64,
    pub api_read_s: f64,
    pub kubelet: Limit,
    /// Requests of a kubelet per pod before its sandbox.
    pub kubelet_tokens: u32,
    /// Requests of a kubelet for its first pod, beside those that tell its status.
    pub kubelet_first_tokens: u32,
    pub admit_s: f64,
    /// Work for a pod that nobody waits for.
    pub aside_s: f64,
    pub volume_poll_s: f64,
    /// Probability that a kubelet's first question for a token is refused, and what follows.
    pub refused: f64,
    pub ask_again_s: f64,
    pub mount_wait_s: f64,
    pub mount_again_s: f64,
    pub mount_look_s: f64,
    pub sandbox_s: f64,
    pub create_s: f64,
    pub start_s: f64,
    /// 0: a change is told at once.
    pub relist_period_s: f64,
    pub relist_s: f64,
    pub inspect_s: f64,
    /// Infinite: nothing is put together.
    pub batch_period_s: f64,
    pub pull_bit_s: f64,
    pub pull_again_s: f64,
    /// Cores that the control plane and all nodes share; 0 where each has its own.
    pub host_cores: u32,
}

impl ModelSet {
    /// What a version of Kubernetes needs to start pods.
    pub fn start(&self, version: Version) -> StartModel {
        let si = |name: &str| self.parameters()[&format!("kubernetes.{name}")].si();
        let kubelet = match version.minor {
            27.. => Limit { rate_hz: si("v1_27.kubelet_rate"), burst: si("v1_27.kubelet_burst") },
            _ => Limit { rate_hz: si("kubelet.rate"), burst: si("kubelet.burst") },
        };
        let tokens = if version.minor >= 21 { "v1_21.kubelet_tokens" } else { "kubelet.tokens" };
        StartModel {
            controller: Limit { rate_hz: si("controller.rate"), burst: si("controller.burst") },
            controller_workers: si("controller.workers") as u32,
            controller_sync_s: si("controller.sync"),
            controller_events: si("controller.events") as u32,
            scheduler: Limit { rate_hz: si("scheduler.rate"), burst: si("scheduler.burst") },
            scheduler_cycle_s: si("scheduler.cycle"),
            api_write_s: si("api.write"),
            api_read_s: si("api.read"),
            kubelet,
            kubelet_tokens: si(tokens) as u32,
            kubelet_first_tokens: si("kubelet.first_tokens") as u32,
            admit_s: si("kubelet.admit"),
            aside_s: si("kubelet.aside"),
            volume_poll_s: si("kubelet.volume_poll"),
            refused: si("kubelet.refused"),
            ask_again_s: si("kubelet.ask_again"),
            mount_wait_s: si("kubelet.mount_wait"),
            mount_again_s: si("kubelet.mount_again"),
            mount_look_s: si("kubelet.mount_look"),
            sandbox_s: si("kubelet.sandbox"),
            create_s: si("kubelet.create"),
            start_s: si("kubelet.start"),
            relist_period_s: si("kubelet.relist_period"),
            relist_s: si("kubelet.relist"),
            inspect_s: si("kubelet.inspect"),
            batch_period_s: si("kubelet.batch_period"),
            pull_bit_s: si("pull.rate"),
            pull_again_s: si("pull.again"),
            host_cores: self.overheads().host_cores as u32,
        }
    }

    /// What a message needs more, one way, by the address of a Service to a pod; zero without Kubernetes [s].
    pub fn path_s(&self, d: &Deployment) -> f64 {
        let si = |name: &str| self.parameters()[&format!("kubernetes.path.{name}")].si();
        if d.is_on_kubernetes() && d.is_offloaded() { si("pod") + si("service") } else { 0.0 }
    }

    /// Which of so many pods of a deployment find a node. With containers in one pod, that pod is packed.
    pub fn packing(&self, d: &Deployment, wanted: u32) -> Packing {
        pack(self.room(d), d.targets().nodes, &d.pods(), wanted, |_, _| 0)
    }

    /// What a target node has for pods.
    pub fn room(&self, d: &Deployment) -> Room {
        let node = d.targets();
        let si = |name: &str| self.parameters()[&format!("kubernetes.kubelet.{name}")].si();
        Room {
            pods: si("most_pods") as u32,
            cores: f64::from(node.cores) * node.quota,
            memory_bytes: node.memory_bytes.map(|bytes| bytes.saturating_sub(si("reserved_memory") as u64)),
        }
    }
}

/// What one node has for pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    /// At most so many.
    pub pods: u32,
    /// Processor time that can be requested [cores].
    pub cores: f64,
    /// Memory that can be requested [byte]; nothing means that it never runs out.
    pub memory_bytes: Option<u64>,
}

/// Where pods go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Node of each pod, in the order in which they are scheduled; nothing where none has room.
    pub node: Vec<Option<u32>>,
    /// Pods that one node has room for.
    pub fits: u32,
    /// What there is too little of, in the scheduler's words; nothing if all fit.
    pub lacks: Option<&'static str>,
}

impl Packing {
    /// Pods that no node has room for.
    pub fn left_out(&self) -> usize {
        self.node.iter().filter(|node| node.is_none()).count()
    }
}

/// Packs equal pods on equal nodes; with [`Start::Containers`] one pod that asks for what all containers ask. `tie`
/// picks one of so many nodes that are equally good for a pod.
pub fn pack(
    room: Room,
    nodes: u32,
    pods: &Pods,
    wanted: u32,
    mut tie: impl FnMut(u32, usize) -> usize,
) -> Packing {
    let (pods_wanted, containers) = match pods.start {
        Start::Containers => (wanted.min(1), f64::from(wanted)),
        _ => (wanted, 1.0),
    };
    let whole = |have: f64, each: f64| {
        // A request of a tenth fits ten times, although 10 x 0.1 is not 1 in binary.
        if each > 0.0 { (have / each * (1.0 + 1e-9)).floor().min(4e9) as u32 } else { u32::MAX }
    };
    let memory = room.memory_bytes.map_or(f64::INFINITY, |bytes| bytes as f64);
    let (fits, lacks) = [
        (room.pods, "Too many pods"),
        (whole(room.cores, containers * pods.cpu_request), "Insufficient cpu"),
        (whole(memory, containers * pods.memory_request_bytes as f64), "Insufficient memory"),
    ]
    .into_iter()
    .min_by_key(|(fits, _)| *fits)
    .expect("there are three");
    // All nodes are equal, so a node's score follows from its pods, and falls with them: the best are those that have
    // the score of the emptiest.
    let mut on_node = vec![0u32; nodes as usize];
    let mut best: Vec<u32> = Vec::new();
    let mut node = Vec::with_capacity(pods_wanted as usize);
    for pod in 0..pods_wanted {
        let of = |on_node: u32| score(room, pods, containers * f64::from(on_node + 1));
        if best.is_empty() {
            let emptiest = on_node.iter().copied().min().filter(|least| *least < fits);
            let Some(emptiest) = emptiest else {
                node.push(None);
                continue;
            };
            let equal = |(_, count): &(usize, &u32)| **count < fits && of(**count) == of(emptiest);
            best.extend(on_node.iter().enumerate().filter(equal).map(|(at, _)| at as u32));
        }
        let at = tie(pod, best.len());
        let chosen = best[at];
        let before = of(on_node[chosen as usize]);
        on_node[chosen as usize] += 1;
        let count = on_node[chosen as usize];
        if count >= fits || of(count) != before {
            best.remove(at);
        }
        node.push(Some(chosen));
    }
    let lacks = node.contains(&None).then_some(lacks);
    Packing { node, fits, lacks }
}

/// What the scheduler counts for a container that requests nothing: 0.1 cores and 200 MiB.
const UNSAID: (f64, f64) = (100.0, 209_715_200.0);

/// The scheduler's score of a node that then has so many equal containers: `NodeResourcesLeastAllocated` and
/// `NodeResourcesBalancedAllocation`, in whole numbers.
///
/// ```text
/// floor((floor(100 (1 - cpu)) + floor(100 (1 - memory))) / 2)  +  floor(100 (1 - |cpu - memory|))
/// ```
fn score(room: Room, pods: &Pods, containers: f64) -> i64 {
    let or = |said: f64, unsaid: f64| if said > 0.0 { said } else { unsaid };
    let cpu = containers * or((pods.cpu_request * 1000.0).round(), UNSAID.0) / (room.cores * 1000.0);
    let asked = containers * or(pods.memory_request_bytes as f64, UNSAID.1);
    let memory = room.memory_bytes.map_or(0.0, |bytes| asked / bytes as f64);
    let whole = |share: f64| (share.clamp(0.0, 1.0) * 100.0 + 1e-9).floor() as i64;
    let balanced = if cpu >= 1.0 || memory >= 1.0 { 0 } else { whole(1.0 - (cpu - memory).abs()) };
    (whole(1.0 - cpu) + whole(1.0 - memory)) / 2 + balanced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_requests_at_five_per_second_after_a_burst_of_ten_take_six_seconds() {
        let mut bucket = Bucket::new(Limit { rate_hz: 5.0, burst: 10.0 });
        let let_through: Vec<u64> = (0..40).map(|_| bucket.take(0)).collect();
        assert_eq!(let_through[..10], [0; 10]);
        assert_eq!((let_through[10], let_through[39]), (200_000_000, 6_000_000_000));
        // Two seconds after the last one it is full again, not fuller.
        assert_eq!(bucket.take(60_000_000_000), 60_000_000_000);
        assert!((0..9).all(|_| bucket.take(60_000_000_000) == 60_000_000_000));
        assert_eq!(bucket.take(60_000_000_000), 60_200_000_000);
    }

    #[test]
    fn pods_spread_over_nodes_until_the_requests_are_used_up() {
        // Two nodes of 1.5 cores: three pods of half a core each; the seventh finds no room.
        let room = Room { pods: 110, cores: 1.5, memory_bytes: Some(8 << 30) };
        let pods = Pods { per_node: 4, cpu_request: 0.5, ..Pods::default() };
        let packing = pack(room, 2, &pods, 8, |_, _| 0);
        assert_eq!(packing.node[..6], [Some(0), Some(1), Some(0), Some(1), Some(0), Some(1)]);
        assert_eq!((packing.left_out(), packing.fits, packing.lacks), (2, 3, Some("Insufficient cpu")));
        assert_eq!(pack(room, 2, &pods, 6, |_, _| 0).lacks, None);
    }

    #[test]
    fn requests_in_tenths_fit_as_people_count_and_memory_and_the_number_limit_too() {
        let room = Room { pods: 110, cores: 1.0, memory_bytes: Some(1 << 30) };
        let tenth = Pods { cpu_request: 0.1, ..Pods::default() };
        assert_eq!(pack(room, 1, &tenth, 11, |_, _| 0).fits, 10);
        let large = Pods { memory_request_bytes: 300 << 20, ..Pods::default() };
        let packing = pack(room, 1, &large, 4, |_, _| 0);
        assert_eq!((packing.fits, packing.lacks), (3, Some("Insufficient memory")));
        let packing = pack(room, 1, &Pods::default(), 111, |_, _| 0);
        assert_eq!((packing.left_out(), packing.lacks), (1, Some("Too many pods")));
    }

    #[test]
    fn a_pod_of_many_containers_needs_room_for_all_of_them_on_one_node() {
        let room = Room { pods: 110, cores: 1.0, memory_bytes: None };
        let pods = Pods { start: Start::Containers, cpu_request: 0.1, ..Pods::default() };
        assert_eq!(pack(room, 2, &pods, 10, |_, _| 0).node, [Some(0)]);
        assert_eq!(pack(room, 2, &pods, 11, |_, _| 0).lacks, Some("Insufficient cpu"));
    }

    #[test]
    fn nodes_that_are_equally_good_are_drawn() {
        // 10 of 2000 millicores: the score stays for two to four pods, so nodes differ by no more.
        let room = Room { pods: 110, cores: 2.0, memory_bytes: Some(24 << 30) };
        let pods = Pods { cpu_request: 0.01, memory_request_bytes: 8 << 20, ..Pods::default() };
        let mut ties = 0;
        let first = pack(room, 2, &pods, 40, |_, best| {
            ties += usize::from(best > 1);
            0
        });
        assert!(ties > 10 && first.lacks.is_none());
        let mut on_node = [0i64; 2];
        for node in first.node.iter().flatten() {
            on_node[*node as usize] += 1;
            assert!((on_node[0] - on_node[1]).abs() <= 4, "{on_node:?}");
        }
        assert_eq!(first.node[..4], [Some(0), Some(0), Some(1), Some(1)]);
        let last = pack(room, 2, &pods, 40, |_, best| best - 1);
        assert_eq!(last.node[0], Some(1));
    }

    #[test]
    fn versions_are_read_as_people_and_continuum_write_them() {
        for text in ["1.27", "v1.27.0", "v1.27"] {
            assert_eq!(Version::parse(text), Some(Version { minor: 27 }), "{text}");
        }
        for text in ["", "27", "2.1", "1.x", "1.27.x", "1.27.0.1", "1.5"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn later_versions_ask_for_a_token_per_pod_and_may_ask_ten_times_as_often() {
        let set = ModelSet::default();
        let [old, middle, new] = [20, 21, 27].map(|minor| set.start(Version { minor }));
        assert_eq!((old.kubelet, old.kubelet_tokens), (Limit { rate_hz: 5.0, burst: 10.0 }, 0));
        assert_eq!((middle.kubelet, middle.kubelet_tokens), (old.kubelet, 1));
        assert_eq!((new.kubelet, new.kubelet_tokens), (Limit { rate_hz: 50.0, burst: 100.0 }, 1));
        assert_eq!((old.controller.rate_hz, old.scheduler.burst), (20.0, 100.0));
    }

    #[test]
    fn a_limit_of_pods_is_a_quota_of_their_workers_and_a_service_lengthens_the_path() {
        let source =
            "[source.fit]\ntitle = \"a test that fits nothing\"\ndate = \"2026-11-24\"\n[kubernetes.path]\n";
        let number = |name: &str, value: f64| {
            format!("{name} = {{ value = {value:?}, unit = \"ms\", error = 0.1, source = \"fit\" }}\n")
        };
        let set =
            ModelSet::read(&format!("{source}{}{}", number("pod", 0.25), number("service", 0.75))).unwrap();
        let mut d = crate::example::offloading();
        assert_eq!(set.effective(&d).links, d.links);
        d.placement.manager = offing_core::Manager::Kubernetes;
        let e = set.effective(&d);
        let ms = |link: &offing_core::Link| [link.up.latency, link.down.latency].map(|l| l.as_millis_f64());
        assert_eq!(ms(&e.links[0]), ms(&d.links[0]).map(|latency| latency + 1.0));
        // Three workers on four cores; two pods of 0.6 cores each: 0.4 cores for each worker.
        (d.tiers[1].cores, d.tiers[1].quota, d.placement.workers) = (4, 1.0, 3);
        d.placement.pods = Some(Pods { per_node: 2, cpu_limit: Some(0.6), ..Pods::default() });
        assert!((set.effective(&d).tiers[1].quota - 0.4).abs() < 1e-12);
        // A node that has less than that is what limits.
        d.tiers[1].quota = 0.25;
        assert_eq!(set.effective(&d).tiers[1].quota, 0.25);
    }
}
