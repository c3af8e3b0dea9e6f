//! How a role of the application is told what to do, and what it reports: plain data, no behaviour.
//!
//! A role is started as `offing-agent app ROLE CONFIG`. `CONFIG` is one JSON document, a `...Config` of this
//! module, or `-`: then it is read from the standard input (an argument may not be longer than 128 KiB). At its
//! end the role prints one JSON document, a `...Report` of this module, on the standard output. It exits with 0,
//! with 2 if the configuration is wrong, or with 3 if the world failed; then it says why on the standard error
//! and prints no report. Unknown keys are errors.
//!
//! | role | config | report | where |
//! |---|---|---|---|
//! | `broker` | [`BrokerConfig`] | [`BrokerReport`] | on each target node, with MQTT only |
//! | `worker` | [`WorkerConfig`] | [`WorkerReport`] | on each target node |
//! | `endpoint` | [`EndpointConfig`] | [`EndpointReport`] | on each endpoint |
//! | `local` | [`LocalConfig`] | [`LocalReport`] | on each endpoint that processes its own frames |
//!
//! A peer endpoint that processes for others ("mist") runs `broker` and `worker` like any target node; a node
//! that emits too runs `endpoint` beside them.
//!
//! # Life of a run
//! Everything is started in any order. Endpoints and workers connect, retrying up to `connect_limit_ns`.
//! Endpoints emit from `start_at_ns` on for `emit_for_ns`, then wait for replies for at most `drain_ns`, sign
//! off at their targets and end. A worker ends when all its `endpoints` have signed off, and the broker when the
//! worker has; if that does not happen, both end by themselves [`GRACE_NS`] after the drain. SIGTERM
//! ends any role early, with its report. Nothing waits longer than that.
//!
//! # Stamps and parts
//! A request is stamped on the monotonic clock of the machine where the step happens; see [`Stamps`]. The five
//! parts lie between these, in this order, and add up to the latency exactly:
//!
//! | part | from | to |
//! |---|---|---|
//! | prepare | `intended`: when it was due | `prepare_end` |
//! | uplink | `prepare_end` | `received`: the whole frame has reached the queue of the target node, through the broker |
//! | queue | `received` | `process_start`: a worker process has the frame in its memory |
//! | process | `process_start` | `process_end` |
//! | downlink | `process_end` | `returned`: the reply has reached the endpoint, through the broker |
//!
//! `prepare` includes waiting for earlier frames of the same endpoint, which are prepared one after the other. In
//! the role `local` there are only queue (`intended` to `process_start`) and process (to `process_end`).
//! `sent` and `replied` bound no part: they tell how much of a transfer was waiting for one's own socket.
//!
//! # Clocks
//! Where both ends have the same kernel (the same boot id), they have the same clock and the offset is 0. Elsewhere
//! the offset is estimated from round trips before and after the run ([`Clock`]), and the target's stamps are moved by
//! the straight line between the two. A moved stamp that
//! would make a part negative is put at the nearest instant that does not; [`EndpointReport::adjusted`] counts such
//! requests.

use offing_core::Parts;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// How long after the drain a role that waits for others ends by itself [ns].
pub const GRACE_NS: u64 = 2_000_000_000;

/// When a role works. All roles of a run have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// When the run starts, on this machine's monotonic clock (`CLOCK_MONOTONIC`) [ns]. A role that is not ready
    /// by then fails. Later is better: an endpoint makes its pictures and a worker loads its network before.
    pub start_at_ns: u64,
    /// How long endpoints emit, from the start [ns]: warm-up and observed span.
    pub emit_for_ns: u64,
    /// How long at most replies are waited for after that [ns]. What is not back by then is lost.
    pub drain_ns: u64,
}

/// Whole numbers, one per request.
///
/// What is drawn at random has an address, (seed, purpose, endpoint, index of the request): the same request gets
/// the same number on whichever worker it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Always this.
    Constant(u64),
    /// Straight lines between quantiles at equally spaced probabilities from 0 to 1: at least two, ascending.
    Quantiles(Vec<u64>),
    /// Request `k` of each endpoint gets entry `k`, again from the start when the list is used up; not empty.
    List(Vec<u64>),
    /// Request `k` of endpoint `i` gets entry `k` of list `i`, again from the start when that is used up. An
    /// endpoint whose list is empty, or that has none, gets 0.
    Each(Vec<Vec<u64>>),
}

/// When an endpoint emits. Instants are counted from the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// At `phase_ns`, then every `period_ns`.
    Periodic {
        /// Above zero [ns].
        period_ns: u64,
        /// The first emission [ns].
        phase_ns: u64,
    },
    /// Exponential gaps, drawn with the seed, before each emission.
    Poisson {
        /// Mean gap, above zero [ns].
        mean_ns: u64,
    },
    /// At these instants, ascending [ns]. What lies beyond `emit_for_ns` is not emitted.
    List {
        /// [ns].
        at_ns: Vec<u64>,
    },
}

/// The work of an endpoint on a frame before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Prepare {
    /// Keeps a thread busy until it has had this processor time, the making of the frame included. The frame is
    /// copied from a picture that was encoded before the run, which takes some ten microseconds.
    Burn {
        /// Processor time per frame [ns].
        cpu_ns: Values,
    },
    /// Real work: the picture is encoded as JPEG anew for each frame.
    Encode,
}

/// The work of a worker process on a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Process {
    /// Keeps a thread busy until it has had this processor time. The frame is not looked into.
    Burn {
        /// Processor time per frame [ns].
        cpu_ns: Values,
    },
    /// Real work: the frame is decoded, resized and classified by a convolutional network. Needs a binary that was
    /// built with it.
    Network,
}

/// What carries frames and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Transport {
    /// MQTT 3.1.1 through a broker.
    Mqtt {
        /// 0: at most once. 1: at least once; a frame that arrives twice is processed twice, its first reply
        /// counts.
        qos: u8,
    },
    /// HTTP/1.1: a frame is the body of a POST, its reply the body of the response. An endpoint opens as many
    /// connections as it has requests under way.
    Http,
}

/// Which target a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The first of the list.
    #[default]
    Static,
    /// Request `k` of endpoint `i` goes to entry `(i + k) mod T` of `T`.
    RoundRobin,
    /// Drawn with the seed.
    Random,
}

/// A target node, as an endpoint sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its number, for the report.
    pub node: u32,
    /// Of the broker, or with HTTP of the worker.
    pub address: SocketAddr,
    /// Where its worker answers questions about its clock (UDP).
    pub clock: SocketAddr,
}

/// For the role `endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Its number.
    pub endpoint: u32,
    /// Of all that is drawn.
    pub seed: u64,
    /// When.
    pub schedule: Schedule,
    /// When it emits.
    pub arrivals: Arrivals,
    /// Size of each frame [byte], exactly; at least [`SMALLEST_FRAME_BYTES`], at most [`LARGEST_FRAME_BYTES`].
    /// Outside these it is cut to them, and [`Request::frame_bytes`] says what was sent.
    pub frame_bytes: Values,
    /// What it does with a frame before it sends it.
    pub prepare: Prepare,
    /// Where frames can go; at least one.
    pub targets: Vec<Target>,
    /// Where each goes.
    #[serde(default)]
    pub balance: Balance,
    /// How.
    pub transport: Transport,
    /// How long it may take until all targets are reached [ns].
    pub connect_limit_ns: u64,
}

/// A frame is a whole JPEG picture, so that it cannot be smaller [byte].
pub const SMALLEST_FRAME_BYTES: u64 = 1_024;

/// What brokers and queues are set up for [byte].
pub const LARGEST_FRAME_BYTES: u64 = 16 << 20;

/// What happens to a frame that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// It is dropped.
    #[default]
    Newest,
    /// The one that has waited longest is dropped.
    Oldest,
}

/// The queue of a target node and who serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Worker processes, at least 1. Each works on one frame at a time, in the order in which frames arrived.
    pub workers: u32,
    /// How many frames may wait, those in work not counted; nothing means any number.
    #[serde(default)]
    pub queue: Option<u32>,
    /// Who goes when it is full.
    #[serde(default)]
    pub drop: Drop,
    /// The work.
    pub process: Process,
}

/// For the role `worker`: the queue of one target node and its worker processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// The number of this target node.
    pub node: u32,
    /// Of all that is drawn; the same as the endpoints'.
    pub seed: u64,
    /// When. The start is when everything must be ready.
    pub schedule: Schedule,
    /// The queue and its workers.
    pub pool: Pool,
    /// Size of a reply [byte]. It carries stamps, so that it has at least [`SMALLEST_REPLY_BYTES`].
    pub reply_bytes: Values,
    /// The broker to connect to, usually on this node; or with HTTP the address to listen on.
    pub address: SocketAddr,
    /// The address to answer questions about the clock on (UDP).
    pub clock: SocketAddr,
    /// How.
    pub transport: Transport,
    /// How many endpoints sign off here before it ends; 0: it ends by the schedule only.
    pub endpoints: u32,
    /// How long it may take until the broker is reached and all workers are ready [ns].
    pub connect_limit_ns: u64,
}

/// A reply carries the stamps of its request [byte].
pub const SMALLEST_REPLY_BYTES: u64 = 64;

/// For the role `broker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Where to listen (TCP).
    pub listen: SocketAddr,
    /// When to end if the worker does not sign off.
    pub schedule: Schedule,
    /// The largest frame [byte]. The broker keeps up to eight of these, or 8 MiB if that is more, in memory for each
    /// stream of messages.
    pub largest_frame_bytes: u64,
}

/// For the role `local`: an endpoint that processes its own frames. There is no transfer and no `prepare`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// Its number.
    pub endpoint: u32,
    /// Of all that is drawn.
    pub seed: u64,
    /// When.
    pub schedule: Schedule,
    /// When it emits.
    pub arrivals: Arrivals,
    /// As in [`EndpointConfig::frame_bytes`].
    pub frame_bytes: Values,
    /// The queue and its workers.
    pub pool: Pool,
    /// How long it may take until all workers are ready [ns].
    pub connect_limit_ns: u64,
}

/// Instants of a request [ns], each on the monotonic clock of the machine where it happened. A step that was not
/// reached, or whose reply did not come back, has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// When the frame was due. Endpoint.
    pub intended_ns: u64,
    /// When work on it began: later than intended if earlier frames were not yet prepared. Endpoint.
    pub prepare_start_ns: Option<u64>,
    /// When it was handed to the transport. Endpoint.
    pub prepare_end_ns: Option<u64>,
    /// When the transport had handed it to the socket; not known with HTTP. Endpoint.
    pub sent_ns: Option<u64>,
    /// When it had arrived at the queue, whole. Target.
    pub received_ns: Option<u64>,
    /// When a worker process had it. Target.
    pub process_start_ns: Option<u64>,
    /// When the work was done. Target.
    pub process_end_ns: Option<u64>,
    /// When the reply was handed to the transport. Target.
    pub replied_ns: Option<u64>,
    /// When the reply was back. Endpoint.
    pub returned_ns: Option<u64>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Processed, and its reply came back.
    Done,
    /// Refused by a full queue, and the endpoint was told.
    Dropped,
    /// Its worker failed while it worked on it, and the endpoint was told.
    Failed,
    /// Due, but nothing was heard of it by the end of the drain.
    Lost,
}

/// One request, as its endpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its number at its endpoint, from 0.
    pub index: u64,
    /// Number of the target node it was sent to; its own endpoint's number in the role `local`.
    pub node: u32,
    /// Number of the worker process on that node, from 0.
    pub worker: Option<u32>,
    /// When it was due, from the start of the run [ns]; may be in the warm-up.
    pub emitted_ns: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Its five parts [ns], on the endpoint's clock; only if it is done.
    pub parts: Option<Parts>,
    /// Every step.
    pub stamps: Stamps,
    /// Size of the frame [byte].
    pub frame_bytes: u64,
    /// Processor time of the thread that prepared it, from `prepare_start` to `prepare_end` [ns].
    pub prepare_cpu_ns: Option<u64>,
    /// Processor time of the worker process, from `process_start` to `process_end` [ns].
    pub process_cpu_ns: Option<u64>,
    /// The class that the network found: 0 to 999, of ImageNet.
    pub class: Option<u16>,
}

/// How many requests, by what became of them; they add up to `emitted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Were due.
    pub emitted: u64,
    /// [`Outcome::Done`].
    pub done: u64,
    /// [`Outcome::Dropped`].
    pub dropped: u64,
    /// [`Outcome::Failed`].
    pub failed: u64,
    /// [`Outcome::Lost`].
    pub lost: u64,
}

/// What is known of a target's clock, from round trips before and after the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The target.
    pub node: u32,
    /// Both ends have the same kernel, and so the same clock: the offset that is used is 0.
    pub shared: bool,
    /// The target's clock minus the endpoint's, half way through the fastest round trip before the run [ns].
    pub before_ns: i64,
    /// The true offset is within this of `before_ns`, however unequal the two ways: half that round trip [ns].
    pub before_bound_ns: u64,
    /// The same after the run; nothing if the target did not answer any more.
    pub after_ns: Option<i64>,
    /// Half the fastest round trip after the run [ns].
    pub after_bound_ns: Option<u64>,
}

/// How late instants were kept that only a timer decides [ns].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// How many: frames whose endpoint was idle when they were due.
    pub count: u64,
    /// Half were no later.
    pub p50_ns: u64,
    /// 99 % were no later.
    pub p99_ns: u64,
    /// The latest.
    pub max_ns: u64,
}

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Version of the program.
    pub version: String,
    /// Processor time of this process since it began, its worker processes not included [ns].
    pub cpu_ns: u64,
    /// SIGTERM ended it early.
    pub terminated: bool,
    /// What went wrong without ending it, in order: a lost connection, a worker that died.
    pub troubles: Vec<String>,
}

/// From the role `endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Its number.
    pub endpoint: u32,
    /// Itself.
    pub about: About,
    /// All its requests.
    pub counts: Counts,
    /// One per target.
    pub clocks: Vec<Clock>,
    /// Requests with a stamp that was moved so that no part is negative.
    pub adjusted: u64,
    /// How well emissions were kept.
    pub lateness: Lateness,
    /// In order of index.
    pub requests: Vec<Request>,
}

/// What a worker process did with frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Kept a processor busy.
    Burn,
    /// Classified pictures.
    Network {
        /// Name of the network.
        name: String,
        /// SHA-256 of its file, in hexadecimal.
        sha256: String,
    },
}

/// One worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerProcess {
    /// Frames it has processed.
    pub processed: u64,
    /// Processor time of all its work on frames [ns].
    pub busy_cpu_ns: u64,
    /// From its start until it was ready [ns].
    pub ready_after_ns: u64,
    /// It ended before it was told to.
    pub died: bool,
}

/// From the role `worker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Number of the target node.
    pub node: u32,
    /// Itself.
    pub about: About,
    /// What was really done.
    pub work: Work,
    /// Frames that arrived. `received = processed + dropped + failed + unfinished`.
    pub received: u64,
    /// Frames that were processed.
    pub processed: u64,
    /// Frames that the full queue refused.
    pub dropped: u64,
    /// Frames whose worker died while it worked on them, or that no worker was left for.
    pub failed: u64,
    /// Frames that were waiting or in work at the end.
    pub unfinished: u64,
    /// Messages that were no frames; not in `received`.
    pub malformed: u64,
    /// The most frames that ever waited.
    pub longest_queue: u64,
    /// By number.
    pub workers: Vec<WorkerProcess>,
}

/// From the role `broker`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerReport {
    /// Itself.
    pub about: About,
    /// The worker signed off; otherwise the schedule or SIGTERM ended it.
    pub signed_off: bool,
}

/// From the role `local`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalReport {
    /// Its requests. There are no clocks, and nothing is adjusted.
    pub endpoint: EndpointReport,
    /// Its queue and workers; the node is the endpoint's number.
    pub worker: WorkerReport,
}

/// For `offing-agent pod`: all roles of one pod, and the span in which its use of the machine counts.
///
/// The pod waits until it is told when the run starts; then it starts the roles as processes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodConfig {
    /// In the order in which they are started.
    pub roles: Vec<PodRole>,
    /// When the observed span begins, from the start of the run [ns].
    pub from_ns: u64,
    /// When it ends, from the start of the run [ns].
    pub until_ns: u64,
}

/// One role of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodRole {
    /// `broker`, `worker`, `endpoint` or `local`.
    pub role: String,
    /// Its configuration, JSON. The `start_at_ns` of its schedule is replaced once the start is known.
    pub config: String,
}

/// What a pod says when it is asked how it is, or told when to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodState {
    /// Its clock: since 1970, UTC [ns].
    pub now_unix_ns: u64,
    /// When its first process began, by that clock [ns].
    pub begun_unix_ns: u64,
    /// Names the kernel that it runs on; nothing where it cannot be read.
    pub boot_id: Option<String>,
    /// Why it cannot start then.
    pub refused: Option<String>,
}

/// From `offing-agent pod`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodReport {
    /// The report of each role, JSON, in the order of the roles; of a role that failed there is none.
    pub reports: Vec<Option<String>>,
    /// The first role that failed, and what it said.
    pub failed: Option<(String, String)>,
    /// What the kernel had counted when the observed span began and when it ended.
    pub counters: Option<[PodCounters; 2]>,
    /// What the processor of its node calls itself.
    pub processor: Option<String>,
    /// Processors of its node.
    pub cores: f64,
}

/// What the kernel has counted for a pod since it began. What is not counted is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PodCounters {
    /// When they were read, on the monotonic clock [ns].
    pub at_ns: u64,
    /// Processor time [ns].
    pub cpu_ns: Option<u64>,
    /// How long it was ready to run and not allowed to [ns].
    pub throttled_ns: Option<u64>,
    /// Periods of the quota in which it was stopped.
    pub throttled: Option<u64>,
    /// Periods of the quota in which it ran.
    pub periods: Option<u64>,
    /// The most memory it ever had [byte].
    pub memory_peak: Option<u64>,
    /// Processes that were killed for want of memory.
    pub memory_kills: Option<u64>,
    /// Bytes and packets received, bytes and packets sent by its network device.
    pub network: Option<[u64; 4]>,
    /// Processor time of the node [ticks]: used, and all.
    pub node_ticks: Option<[u64; 2]>,
    /// Processes of the node that were ready to run, on average over the last minute.
    pub load_average: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_written_as_a_person_would() {
        let text = r#"{
            "endpoint": 3, "seed": 1,
            "schedule": { "start_at_ns": 5000000000, "emit_for_ns": 40000000000, "drain_ns": 5000000000 },
            "arrivals": { "periodic": { "period_ns": 200000000, "phase_ns": 17000000 } },
            "frame_bytes": { "constant": 68000 },
            "prepare": { "burn": { "cpu_ns": { "quantiles": [1000000, 1500000, 2000000] } } },
            "targets": [{ "node": 0, "address": "10.0.0.2:1883", "clock": "10.0.0.2:1884" }],
            "transport": { "mqtt": { "qos": 0 } },
            "connect_limit_ns": 4000000000
        }"#;
        let config: EndpointConfig = serde_json::from_str(text).expect("it is a config");
        assert_eq!(config.balance, Balance::Static);
        let again = serde_json::to_string(&config).expect("it can be written");
        assert_eq!(serde_json::from_str::<EndpointConfig>(&again).expect("it can be read"), config);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let cause = serde_json::from_str::<Pool>(r#"{ "workers": 1, "process": "network", "size": 3 }"#)
            .expect_err("there is no such key");
        assert!(cause.to_string().contains("unknown field `size`"), "{cause}");
    }
}
