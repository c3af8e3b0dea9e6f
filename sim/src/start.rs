//! Predicts how long pods need to start: a network of queues, from the user's request to the last pod that is ready.
//!
//! ```text
//! user -> API server -> Job controller -> scheduler -> kubelet -> containerd -> kubelet -> API server
//!         work          bucket, batches   serial,      volumes,   pulls one     list of    bucket, serial,
//!                       1, 2, 4, ..       bucket       work       by one, work  what runs  get and patch
//! ```
//!
//! 1. **Asked**: each request of the user is work of the API server. `Jobs` are asked for one after the other.
//! 2. **Created**: so many Jobs are synchronised at once as the controller has workers: work, then pods in batches of 1,
//!    2, 4, ..; a batch begins when the one before has ended. Each creation takes a token of the controller's bucket,
//!    then is work. An event about each of the first pods of a Job takes a token too, one event after the other. At
//!    the end the controller writes the state of the Job, which takes another token.
//! 3. **Scheduled**: the scheduler chooses a node for one pod at a time; binding takes a token and is work, and many
//!    bind at once.
//! 4. **Sandbox**: the kubelet takes in a pod (work), looks every `volume_poll` whether its volumes are there, then
//!    makes its sandbox (work), all pods at once. One volume is the token of the service account, which the kubelet asks
//!    for with its first pod. With probability `refused` the API server does not know yet that this node has a pod that
//!    may see it, and refuses; the kubelet asks again after one to two times `ask_again`. Each pod tries to mount it
//!    meanwhile: a trial waits at most `mount_wait`, and the next begins `mount_again` later, twice that, ..., when the
//!    kubelet looks for what is to be mounted, each `mount_look`.
//! 5. **Container, started**: images that are not on the node are pulled one at a time; then each container of the pod
//!    is created and started in turn (work).
//! 6. **Ready**: the kubelet lists what runs, pauses for `relist_period` and lists again. What had started before a list
//!    began is noticed at its end. Each change of a pod's status (taken in, running) waits in one queue per node for a
//!    get and a patch, each of which takes a token of the kubelet's bucket. Every `batch_period` the queue is replaced
//!    by the newest status of each pod that was not told yet.
//!
//! Work shares the cores of its machine (processor sharing): those of the control plane, of each node, or of one host
//! that carries them all. Waits take no cores.
//!
//! Chance: where in its period each kubelet's list and its batch are when the user asks, whether its first question is
//! refused and when it asks again ([`Purpose::Kubelet`]), and which of the nodes that are equally good a pod gets
//! ([`Purpose::Schedule`]); nothing else. **Ties**: ends of work come before waits; ends of work on several machines by their number, control plane
//! first; waits that end together in the order in which they began.
//!
//! Left out: chance in work, all other failures and retries, start-up and readiness probes, init containers, admission webhooks,
//! events of the scheduler and the kubelets (clients of their own send them), what the pods themselves use while others
//! start, the samples of nodes that the scheduler looks at where there are more than 100.
//! Source: Kubernetes 1.20.2, `job_controller.go`, `scheduler.go`, `pod_workers.go`, `volume_manager.go`, `generic.go` of
//! the kubelet's pleg, `status_manager.go`, `watch_based_manager.go`, `reflector.go`, `exponential_backoff.go`,
//! `node_authorizer.go`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use offing_core::{Deployment, Pods, Start};
use offing_models::kubernetes::{self, Bucket, Limit, Packing, Room, StartModel};
use offing_models::{ModelSet, Shared};

use crate::streams::{Purpose, Streams};

/// What is to be started, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// How the pods are asked for.
    pub start: Start,
    /// Node of each pod in the order in which they are scheduled; nothing where none has room.
    pub node: Vec<Option<u32>>,
    /// What the scheduler goes by; then `node` is one of the ways in which it may place the pods, and each start draws
    /// its own.
    pub scores: Option<Scores>,
    /// Containers of each pod.
    pub containers: u32,
    /// How many nodes there are.
    pub nodes: u32,
    /// Cores of each node, and of the control plane's.
    pub cores: u32,
    /// Speed of all of them.
    pub speed: f64,
    /// Image that each node pulls first [byte]; 0 where it is there.
    pub image_bytes: u64,
}

impl Asked {
    /// What a deployment asks for, and where its pods fit: `pods` in all, or as many per node as it says. The control
    /// plane has a machine like those of the target tier.
    pub fn of(d: &Deployment, models: &ModelSet, pods: Option<u32>) -> (Asked, Packing) {
        let (Pods { per_node, start, image_bytes, .. }, target) = (d.pods(), d.targets());
        let wanted = pods.unwrap_or(per_node * target.nodes);
        let packing = models.packing(d, wanted);
        let containers = if start == Start::Containers { wanted } else { 1 };
        let scores = Scores { room: models.room(d), pods: d.pods(), wanted };
        let asked = Asked {
            start,
            node: packing.node.clone(),
            scores: Some(scores),
            containers,
            nodes: target.nodes,
            cores: target.cores,
            speed: target.speed * target.quota,
            image_bytes,
        };
        (asked, packing)
    }

    /// With the nodes that this start draws.
    fn drawn(&self, seed: u64) -> Vec<Option<u32>> {
        let Some(Scores { room, pods, wanted }) = &self.scores else { return self.node.clone() };
        let streams = Streams::new(seed);
        let tie = |pod: u32, best: usize| {
            let word = streams.block(Purpose::Schedule as u32, 0, u64::from(pod))[0];
            ((u64::from(word) * best as u64) >> 32) as usize
        };
        kubernetes::pack(*room, self.nodes, pods, *wanted, tie).node
    }
}

/// What the scheduler goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Of each node.
    pub room: Room,
    /// Their requests.
    pub pods: Pods,
    /// How many pods, or containers of one pod.
    pub wanted: u32,
}

/// When a pod has passed each phase, since the user asked [ns]; nothing where it never did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The API server has it.
    pub created: Option<u64>,
    /// It is bound to a node.
    pub scheduled: Option<u64>,
    /// Its sandbox runs.
    pub sandbox: Option<u64>,
    /// Its last container is created.
    pub container: Option<u64>,
    /// Its last container is started.
    pub started: Option<u64>,
    /// The API server knows that it is ready.
    pub ready: Option<u64>,
}

impl Stamps {
    /// In the order of the phases.
    pub fn phases(&self) -> [(&'static str, Option<u64>); 6] {
        [
            ("created", self.created),
            ("scheduled", self.scheduled),
            ("sandbox", self.sandbox),
            ("container", self.container),
            ("started", self.started),
            ("ready", self.ready),
        ]
    }
}

/// Names of the phases, in their order.
pub const PHASES: [&str; 6] = ["created", "scheduled", "sandbox", "container", "started", "ready"];

/// Predicts one start; the pods in the order in which they were created.
pub fn start(asked: &Asked, model: &StartModel, seed: u64) -> Vec<Stamps> {
    let mut run = Run::new(asked, model, seed);
    run.ask();
    run.go();
    run.pods.into_iter().map(|pod| pod.stamps).collect()
}

/// Many starts of a deployment, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Pods that find a node.
    pub pods: usize,
    /// Of each phase: when the mean pod and when the last pod has passed it, on average over the starts [s].
    pub phases: [Passed; PHASES.len()],
    /// When the last pod is ready, on average over the starts [s].
    pub time_to_ready_s: f64,
    /// Between which values 95 % of the starts lie [s].
    pub time_to_ready_pi95_s: [f64; 2],
    /// What the last pod waits for in any case, the longest first.
    pub limits: Vec<Least>,
}

/// When pods have passed a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Passed {
    /// One of [`PHASES`].
    pub phase: &'static str,
    /// The mean pod [s].
    pub mean_s: f64,
    /// The last pod [s].
    pub last_s: f64,
}

/// What one stage needs for all pods if nothing else took any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Least {
    /// The stage.
    pub stage: &'static str,
    /// [s]
    pub seconds: f64,
}

/// Starts that are averaged: 64, and fewer where there are thousands of pods.
fn starts(pods: usize) -> u64 {
    (200_000 / pods as u64).clamp(4, 64)
}

/// Predicts the start of a deployment's pods. Nothing if no pod fits.
pub fn summed(asked: &Asked, model: &StartModel, seed: u64) -> Option<Started> {
    let mut phases = PHASES.map(|phase| Passed { phase, ..Passed::default() });
    let pods = asked.node.iter().flatten().count();
    if pods == 0 {
        return None;
    }
    let starts = starts(pods);
    let mut ready = Vec::with_capacity(starts as usize);
    for index in 0..starts {
        let stamps = start(asked, model, seed.wrapping_add(index));
        let mut last = 0.0;
        for (at, passed) in phases.iter_mut().enumerate() {
            let placed = stamps.iter().filter(|stamps| stamps.ready.is_some());
            let seconds =
                placed.map(|stamps| seconds(stamps.phases()[at].1.expect("a ready pod has passed all")));
            let (total, latest) = seconds.fold((0.0, 0.0f64), |(total, last), at| (total + at, last.max(at)));
            passed.mean_s += total / (pods as f64 * starts as f64);
            passed.last_s += latest / starts as f64;
            last = latest;
        }
        ready.push(last);
    }
    ready.sort_by(f64::total_cmp);
    let of = |share: f64| ready[((ready.len() - 1) as f64 * share).round() as usize];
    Some(Started {
        pods,
        phases,
        time_to_ready_s: phases[PHASES.len() - 1].last_s,
        time_to_ready_pi95_s: [of(0.025), of(0.975)],
        limits: limits(asked, model),
    })
}

/// What each stage needs for all pods at least: the rule of thumb of Continuum's analysis, per stage.
///
/// ```text
/// bucket     (requests - burst) / rate
/// serial     pods x work
/// shared     work of all pods / cores
/// ```
pub fn limits(asked: &Asked, m: &StartModel) -> Vec<Least> {
    let placed = asked.node.iter().flatten();
    let busiest =
        (0..asked.nodes).map(|node| placed.clone().filter(|at| **at == node).count()).max().unwrap_or(0);
    let (pods, busiest) = (asked.node.len() as f64, busiest as f64);
    let jobs = if matches!(asked.start, Start::Jobs | Start::Calls) { pods } else { 1.0 };
    let bucket = |limit: Limit, requests: f64| ((requests - limit.burst) / limit.rate_hz).max(0.0);
    let work = |node_s: f64, control_s: f64| {
        if m.host_cores > 0 {
            let all = placed.clone().count() as f64 * node_s + control_s;
            (all / f64::from(m.host_cores), 0.0)
        } else {
            (busiest * node_s / f64::from(asked.cores), control_s / f64::from(asked.cores))
        }
    };
    let containers = f64::from(asked.containers);
    let node_s = m.admit_s + m.aside_s + m.sandbox_s + containers * (m.create_s + m.start_s);
    let each_s = 4.0 * m.api_write_s + 2.0 * m.api_read_s + m.scheduler_cycle_s;
    let (nodes, control) = work(node_s, pods * each_s + jobs * (m.api_write_s + m.controller_sync_s));
    let pull = if asked.image_bytes > 0 {
        8.0 * asked.image_bytes as f64 / m.pull_bit_s + (busiest - 1.0).max(0.0) * m.pull_again_s
    } else {
        0.0
    };
    let mut limits = vec![
        Least { stage: "the controller's requests", seconds: bucket(m.controller, pods + jobs - 1.0) },
        Least { stage: "the scheduler", seconds: pods * m.scheduler_cycle_s / asked.speed },
        Least { stage: "the scheduler's requests", seconds: bucket(m.scheduler, pods) },
        Least { stage: "the control plane's cores", seconds: control / asked.speed },
        Least { stage: "pulling images", seconds: pull },
        Least {
            stage: if m.host_cores > 0 { "the host's cores" } else { "the nodes' cores" },
            seconds: nodes / asked.speed,
        },
        Least {
            // From the volumes on a pod needs one status told in any case, by two requests.
            stage: "the kubelets' requests",
            seconds: bucket(
                m.kubelet,
                busiest * (2.0 + f64::from(m.kubelet_tokens)) + f64::from(m.kubelet_first_tokens),
            ),
        },
        Least { stage: "the kubelets' list of what runs", seconds: m.relist_period_s / 2.0 },
        Least { stage: "the kubelets' look at volumes", seconds: m.volume_poll_s },
    ];
    limits.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    limits
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// What happens when work or a wait ends.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The API server has the user's request number so and so.
    Arrived {
        request: u32,
    },
    /// The controller has read a Job.
    Read {
        job: u32,
    },
    /// The controller may send a creation.
    MayCreate {
        job: u32,
        pod: u32,
    },
    Created {
        job: u32,
        pod: u32,
    },
    /// The controller may write the state of a Job.
    MayWrite,
    Written,
    /// The controller may send an event.
    MaySayEvent,
    SaidEvent,
    /// The scheduler has chosen a node.
    Chosen {
        pod: u32,
    },
    MayBind {
        pod: u32,
    },
    Bound {
        pod: u32,
    },
    TakenIn {
        pod: u32,
    },
    /// Work that nobody waits for has ended.
    Aside,
    /// A kubelet asks again for the token that it was refused.
    AsksAgain {
        node: u32,
    },
    HasToken {
        node: u32,
    },
    /// It is time to look for the volumes.
    Mounted {
        pod: u32,
    },
    MadeSandbox {
        pod: u32,
    },
    Pulled {
        pod: u32,
    },
    MadeContainer {
        pod: u32,
        container: u32,
    },
    StartedContainer {
        pod: u32,
        container: u32,
    },
    /// A kubelet begins to list.
    Lists {
        node: u32,
    },
    Listed {
        node: u32,
    },
    /// A kubelet may send what it has to say about a pod.
    MayGet {
        node: u32,
    },
    Got {
        node: u32,
    },
    MayPatch {
        node: u32,
    },
    Patched {
        node: u32,
    },
    /// It is time to put together what was not told yet.
    Batch {
        node: u32,
    },
}

/// What a kubelet has told about a pod.
const NOTHING: u8 = 0;
const TAKEN_IN: u8 = 1;
const RUNNING: u8 = 2;

struct Pod {
    stamps: Stamps,
    node: Option<u32>,
    /// Newest status that the kubelet knows, and that it has told.
    known: u8,
    told: u8,
}

struct Job {
    /// First pod, pods, and how many of them are created.
    first: u32,
    pods: u32,
    done: u32,
    /// Of the batch that is under way: its size, and how many are left.
    batch: u32,
    left: u32,
    /// Events that were said about it.
    events: u32,
}

struct Node {
    bucket: Bucket,
    /// Whether a pod was taken in.
    has_pods: bool,
    /// Until it asks again for the token if it is refused at first [ns].
    refused: Option<u64>,
    /// Pods that wait for the token, and since when.
    without_token: Vec<(u32, u64)>,
    /// Pods whose containers run and that no list has shown.
    unseen: Vec<u32>,
    /// Those that the present list shows.
    shown: Vec<u32>,
    /// Whether a list is due or under way.
    lists: bool,
    /// When the next list may begin.
    next_list: u64,
    /// What is to be told: pod and status.
    queue: VecDeque<(u32, u8)>,
    telling: Option<(u32, u8)>,
    /// Whether it is time to put the queue together.
    due: bool,
    /// What the last time has left to tell.
    batch: VecDeque<(u32, u8)>,
    /// Pods that wait for an image.
    pulls: VecDeque<u32>,
    has_image: bool,
}

struct Run<'a> {
    asked: &'a Asked,
    /// Node of each pod, in the order in which they are scheduled.
    places: Vec<Option<u32>>,
    model: &'a StartModel,
    machines: Vec<Shared>,
    /// What each work that was ever begun leads to.
    steps: Vec<Step>,
    waits: BinaryHeap<Reverse<(u64, u32)>>,
    waiting: Vec<Step>,
    pods: Vec<Pod>,
    jobs: Vec<Job>,
    /// Jobs that wait for one of the controller's workers, and workers that are free.
    jobs_waiting: VecDeque<u32>,
    workers: u32,
    controller: Bucket,
    /// Events of the controller that are not said yet.
    events: u32,
    scheduler: Bucket,
    /// Pods that wait for the scheduler, which works on one.
    unscheduled: VecDeque<u32>,
    scheduling: bool,
    /// How many pods were scheduled: the next one goes to the node of this number in the packing.
    next_place: usize,
    nodes: Vec<Node>,
    now: u64,
}

impl<'a> Run<'a> {
    fn new(asked: &'a Asked, model: &'a StartModel, seed: u64) -> Self {
        let streams = Streams::new(seed);
        let wanted = asked.node.len() as u32;
        let machines = if model.host_cores > 0 {
            vec![Shared::new(model.host_cores)]
        } else {
            (0..=asked.nodes).map(|_| Shared::new(asked.cores)).collect()
        };
        let mut run = Run {
            asked,
            places: asked.drawn(seed),
            model,
            machines,
            steps: Vec::new(),
            waits: BinaryHeap::new(),
            waiting: Vec::new(),
            pods: Vec::new(),
            jobs: Vec::new(),
            jobs_waiting: VecDeque::new(),
            workers: model.controller_workers,
            controller: Bucket::new(model.controller),
            events: 0,
            scheduler: Bucket::new(model.scheduler),
            unscheduled: VecDeque::new(),
            scheduling: false,
            next_place: 0,
            nodes: Vec::new(),
            now: 0,
        };
        run.pods.resize_with(wanted as usize, || Pod {
            stamps: Stamps::default(),
            node: None,
            known: NOTHING,
            told: NOTHING,
        });
        for node in 0..asked.nodes {
            let [list, batch, refused, again] = streams.block(Purpose::Kubelet as u32, node, 0);
            let share = |word: u32| f64::from(word) / 2f64.powi(32);
            let phase = |word: u32, period_s: f64| nanoseconds(share(word) * period_s);
            let again_ns = nanoseconds((1.0 + share(again)) * model.ask_again_s);
            run.nodes.push(Node {
                bucket: Bucket::new(model.kubelet),
                has_pods: false,
                refused: (share(refused) < model.refused).then_some(again_ns),
                without_token: Vec::new(),
                unseen: Vec::new(),
                shown: Vec::new(),
                lists: false,
                next_list: phase(list, model.relist_period_s),
                queue: VecDeque::new(),
                telling: None,
                due: false,
                batch: VecDeque::new(),
                pulls: VecDeque::new(),
                has_image: asked.image_bytes == 0,
            });
            if model.batch_period_s.is_finite() {
                run.wait_until(phase(batch, model.batch_period_s), Step::Batch { node });
            }
        }
        run
    }

    /// The user's requests.
    fn ask(&mut self) {
        let requests = match self.asked.start {
            Start::Job | Start::Containers => 1,
            Start::Jobs | Start::Calls => self.pods.len() as u32,
        };
        let pods = self.pods.len() as u32 / requests.max(1);
        self.jobs.extend((0..requests).map(|job| Job {
            first: job * pods,
            pods,
            done: 0,
            batch: 0,
            left: 0,
            events: 0,
        }));
        let at_once = if self.asked.start == Start::Calls { requests } else { requests.min(1) };
        for request in 0..at_once {
            self.work(CONTROL, self.model.api_write_s, Step::Arrived { request });
        }
    }

    /// Until every pod that has a node is ready.
    fn go(&mut self) {
        let mut open = self.places.iter().filter(|node| node.is_some()).count();
        while open > 0 {
            let work = self.machines.iter().enumerate();
            let work = work.filter_map(|(machine, shared)| Some((shared.next()?.0, machine))).min();
            let wait = self.waits.peek().map(|Reverse(next)| *next);
            let step = match (work, wait) {
                (Some((at, machine)), wait) if wait.is_none_or(|(other, _)| at <= other) => {
                    self.now = at.max(self.now);
                    self.steps[self.machines[machine].complete(self.now) as usize]
                }
                (_, Some((at, number))) => {
                    self.waits.pop();
                    self.now = at;
                    self.waiting[number as usize]
                }
                (_, None) => unreachable!("a pod that has a node becomes ready"),
            };
            open -= usize::from(self.take(step));
        }
    }

    /// What follows from the end of some work or wait. Says whether a pod became ready.
    fn take(&mut self, step: Step) -> bool {
        let m = self.model;
        match step {
            Step::Arrived { request } => {
                if self.asked.start == Start::Jobs && request + 1 < self.jobs.len() as u32 {
                    self.work(CONTROL, m.api_write_s, Step::Arrived { request: request + 1 });
                }
                self.jobs_waiting.push_back(request);
                self.synchronise();
            }
            Step::Read { job } => self.next_batch(job),
            Step::MayCreate { job, pod } => self.work(CONTROL, m.api_write_s, Step::Created { job, pod }),
            Step::Created { job, pod } => {
                self.pods[pod as usize].stamps.created = Some(self.now);
                self.unscheduled.push_back(pod);
                self.schedule();
                let said = &mut self.jobs[job as usize].events;
                if *said < m.controller_events {
                    *said += 1;
                    self.events += 1;
                    if self.events == 1 {
                        self.say_event();
                    }
                }
                let batch = &mut self.jobs[job as usize];
                batch.left -= 1;
                if batch.left == 0 {
                    batch.done += batch.batch;
                    self.next_batch(job);
                }
            }
            Step::MayWrite => self.work(CONTROL, m.api_write_s, Step::Written),
            Step::Written => {
                self.workers += 1;
                self.synchronise();
            }
            Step::MaySayEvent => self.work(CONTROL, m.api_write_s, Step::SaidEvent),
            Step::SaidEvent => {
                self.events -= 1;
                if self.events > 0 {
                    self.say_event();
                }
            }
            Step::Chosen { pod } => {
                let place = self.places[self.next_place];
                self.next_place += 1;
                self.pods[pod as usize].node = place;
                if place.is_some() {
                    let at = self.scheduler.take(self.now);
                    self.wait_until(at, Step::MayBind { pod });
                }
                self.scheduling = false;
                self.schedule();
            }
            Step::MayBind { pod } => self.work(CONTROL, m.api_write_s, Step::Bound { pod }),
            Step::Bound { pod } => {
                self.pods[pod as usize].stamps.scheduled = Some(self.now);
                let node = self.node_of(pod);
                self.work(machine(node), m.admit_s, Step::TakenIn { pod });
                if m.aside_s > 0.0 {
                    self.work(machine(node), m.aside_s, Step::Aside);
                }
            }
            Step::Aside => {}
            Step::TakenIn { pod } => {
                let node = self.node_of(pod);
                if !std::mem::replace(&mut self.nodes[node as usize].has_pods, true) {
                    for _ in 0..m.kubelet_first_tokens {
                        self.nodes[node as usize].bucket.take(self.now);
                    }
                    if let Some(again_ns) = self.nodes[node as usize].refused {
                        self.wait_until(self.now + again_ns, Step::AsksAgain { node });
                    }
                }
                self.tell(node, pod, TAKEN_IN);
                if self.nodes[node as usize].refused.is_some() {
                    self.nodes[node as usize].without_token.push((pod, self.now));
                    return false;
                }
                self.mount(pod, self.now);
            }
            Step::AsksAgain { node } => {
                let at = self.nodes[node as usize].bucket.take(self.now);
                self.wait_until(at, Step::HasToken { node });
            }
            Step::HasToken { node } => {
                self.nodes[node as usize].refused = None;
                for (pod, since) in std::mem::take(&mut self.nodes[node as usize].without_token) {
                    self.mount(pod, since);
                }
            }
            Step::Mounted { pod } => {
                let node = self.node_of(pod);
                self.work(machine(node), m.sandbox_s, Step::MadeSandbox { pod });
            }
            Step::MadeSandbox { pod } => {
                self.pods[pod as usize].stamps.sandbox = Some(self.now);
                let node = self.node_of(pod);
                if self.nodes[node as usize].has_image {
                    return self.take(Step::Pulled { pod });
                }
                self.nodes[node as usize].pulls.push_back(pod);
                if self.nodes[node as usize].pulls.len() == 1 {
                    let pull_s = 8.0 * self.asked.image_bytes as f64 / m.pull_bit_s;
                    self.wait_until(self.now + nanoseconds(pull_s), Step::Pulled { pod });
                }
            }
            Step::Pulled { pod } => {
                let number = self.node_of(pod);
                let node = &mut self.nodes[number as usize];
                if node.pulls.front() == Some(&pod) {
                    node.pulls.pop_front();
                    node.has_image = true;
                    if let Some(&next) = node.pulls.front() {
                        self.wait_until(self.now + nanoseconds(m.pull_again_s), Step::Pulled { pod: next });
                    }
                }
                self.work(machine(number), m.create_s, Step::MadeContainer { pod, container: 0 });
            }
            Step::MadeContainer { pod, container } => {
                self.pods[pod as usize].stamps.container = Some(self.now);
                let machine = machine(self.node_of(pod));
                self.work(machine, m.start_s, Step::StartedContainer { pod, container });
            }
            Step::StartedContainer { pod, container } if container + 1 < self.asked.containers => {
                let next = Step::MadeContainer { pod, container: container + 1 };
                self.work(machine(self.node_of(pod)), m.create_s, next);
            }
            Step::StartedContainer { pod, .. } => {
                self.pods[pod as usize].stamps.started = Some(self.now);
                let node = self.node_of(pod);
                if m.relist_period_s == 0.0 {
                    self.tell(node, pod, RUNNING);
                } else {
                    self.nodes[node as usize].unseen.push(pod);
                    self.list_again(node);
                }
            }
            Step::Lists { node } => {
                let at = &mut self.nodes[node as usize];
                at.shown = std::mem::take(&mut at.unseen);
                let work_s = m.relist_s + at.shown.len() as f64 * m.inspect_s;
                self.work(machine(node), work_s, Step::Listed { node });
            }
            Step::Listed { node } => {
                let at = &mut self.nodes[node as usize];
                at.lists = false;
                at.next_list = self.now + nanoseconds(m.relist_period_s);
                for pod in std::mem::take(&mut at.shown) {
                    self.tell(node, pod, RUNNING);
                }
                self.list_again(node);
            }
            Step::MayGet { node } => self.work(CONTROL, m.api_read_s, Step::Got { node }),
            Step::Got { node } => {
                let at = self.nodes[node as usize].bucket.take(self.now);
                self.wait_until(at, Step::MayPatch { node });
            }
            Step::MayPatch { node } => self.work(CONTROL, m.api_write_s, Step::Patched { node }),
            Step::Patched { node } => {
                let (pod, status) = self.nodes[node as usize].telling.take().expect("it was telling");
                self.pods[pod as usize].told = status;
                let is_ready = status == RUNNING;
                if is_ready {
                    self.pods[pod as usize].stamps.ready = Some(self.now);
                }
                self.tell_next(node);
                return is_ready;
            }
            Step::Batch { node } => {
                self.nodes[node as usize].due = true;
                self.wait_until(self.now + nanoseconds(m.batch_period_s), Step::Batch { node });
                self.tell_next(node);
            }
        }
        false
    }

    /// Gives waiting Jobs to free workers of the controller.
    fn synchronise(&mut self) {
        while self.workers > 0
            && let Some(job) = self.jobs_waiting.pop_front()
        {
            self.workers -= 1;
            self.work(CONTROL, self.model.controller_sync_s, Step::Read { job });
        }
    }

    /// Creates the next pods of a Job, twice as many as before.
    fn next_batch(&mut self, number: u32) {
        let job = &mut self.jobs[number as usize];
        let left = job.pods - job.done;
        if left == 0 {
            let at = self.controller.take(self.now);
            return self.wait_until(at, Step::MayWrite);
        }
        let batch = (2 * job.batch).clamp(1, left);
        (job.batch, job.left) = (batch, batch);
        let first = job.first + job.done;
        for pod in first..first + batch {
            let at = self.controller.take(self.now);
            self.wait_until(at, Step::MayCreate { job: number, pod });
        }
    }

    /// Sends the next event: they share the bucket of the creations, but go one by one.
    fn say_event(&mut self) {
        let at = self.controller.take(self.now);
        self.wait_until(at, Step::MaySayEvent);
    }

    fn schedule(&mut self) {
        if !self.scheduling
            && let Some(pod) = self.unscheduled.pop_front()
        {
            self.scheduling = true;
            self.work(CONTROL, self.model.scheduler_cycle_s, Step::Chosen { pod });
        }
    }

    /// Mounts the volumes of a pod that was taken in at some time, now that its node has the token.
    fn mount(&mut self, pod: u32, since: u64) {
        let node = self.node_of(pod);
        let mut at = since + mounted_after(self.model, self.now - since);
        for _ in 0..self.model.kubelet_tokens {
            // The volumes are there when the kubelet has got what is in them.
            at = at.max(self.nodes[node as usize].bucket.take(self.now));
        }
        self.wait_until(at, Step::Mounted { pod });
    }

    /// Puts a pod's new status into the queue of its kubelet.
    fn tell(&mut self, node: u32, pod: u32, status: u8) {
        self.pods[pod as usize].known = status;
        self.nodes[node as usize].queue.push_back((pod, status));
        self.tell_next(node);
    }

    /// Begins to tell the next status, if the kubelet is not at it already.
    fn tell_next(&mut self, number: u32) {
        let node = &mut self.nodes[number as usize];
        if node.telling.is_some() {
            return;
        }
        if node.due && node.batch.is_empty() {
            node.due = false;
            node.queue.clear();
            let pods = self.pods.iter().enumerate();
            let untold = pods.filter(|(_, pod)| pod.node == Some(number) && pod.told < pod.known);
            node.batch.extend(untold.map(|(at, pod)| (at as u32, pod.known)));
        }
        while let Some((pod, status)) = node.batch.pop_front().or_else(|| node.queue.pop_front()) {
            if self.pods[pod as usize].told < status {
                node.telling = Some((pod, status));
                let at = node.bucket.take(self.now);
                return self.wait_until(at, Step::MayGet { node: number });
            }
        }
    }

    /// Lists on, as long as there is something to see.
    fn list_again(&mut self, number: u32) {
        let period = nanoseconds(self.model.relist_period_s);
        let node = &mut self.nodes[number as usize];
        if node.lists || node.unseen.is_empty() {
            return;
        }
        node.lists = true;
        // Lists that show nothing are as short as their pause is long: they only move the phase.
        while node.next_list < self.now {
            node.next_list += period;
        }
        let at = node.next_list;
        self.wait_until(at, Step::Lists { node: number });
    }

    fn node_of(&self, pod: u32) -> u32 {
        self.pods[pod as usize].node.expect("only pods that have a node get here")
    }

    /// Begins work on a machine.
    fn work(&mut self, machine: usize, work_s: f64, then: Step) {
        let machine = machine.min(self.machines.len() - 1);
        let number = self.steps.len() as u32;
        self.steps.push(then);
        self.machines[machine].arrive(self.now, nanoseconds(work_s / self.asked.speed), number);
    }

    fn wait_until(&mut self, at: u64, then: Step) {
        let number = self.waiting.len() as u32;
        self.waiting.push(then);
        self.waits.push(Reverse((at.max(self.now), number)));
    }
}

/// When a pod is found to have its volumes, after it was taken in, if the token is there so long after that [ns].
///
/// ```text
/// trial k waits from a(k) to a(k) + mount_wait
/// a(0) = mount_look, a(k + 1) = a(k) + mount_wait + 2^k mount_again + mount_look
/// ```
fn mounted_after(m: &StartModel, token: u64) -> u64 {
    let (wait, look) = (nanoseconds(m.mount_wait_s), nanoseconds(m.mount_look_s));
    let (mut begins, mut pause_s) = (look, m.mount_again_s);
    while begins + wait < token {
        begins += wait + nanoseconds(pause_s) + look;
        pause_s *= 2.0;
    }
    let mounted = token.max(begins);
    match nanoseconds(m.volume_poll_s) {
        0 => mounted,
        poll => mounted.div_ceil(poll).max(1) * poll,
    }
}

/// The machine of the control plane; those of the nodes follow.
const CONTROL: usize = 0;

fn machine(node: u32) -> usize {
    node as usize + 1
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}
