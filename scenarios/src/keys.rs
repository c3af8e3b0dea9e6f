//! Every key of a scenario file, declared once: what it holds, its default, what it means, an example.
//!
//! Reading, the JSON Schema, the table in docs/scenario-format.md, the canonical file and the axes of a design
//! space all follow from these tables. What one key alone cannot say (keys that exclude each other, defaults
//! that depend on other keys) is in [`crate::build`].

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The name of the scenario: letters, digits, `-`, `_` and `.`.
    Name,
    /// Any text that is not empty.
    Text,
    /// A whole number.
    Count { min: u64, max: u64 },
    /// A span of time.
    Time { zero: bool, max: Limit },
    /// A frequency, greater than zero.
    Frequency,
    /// A distribution of times or sizes.
    Distribution(Unit),
    /// Bytes; `zero` where none at all is a meaning.
    Size { zero: bool },
    /// A rate, `"unlimited"` or a trace.
    Rate,
    /// Cores, possibly a fraction.
    Cores,
    /// A plain number greater than zero.
    Factor { max: f64 },
    /// A share of one; says which ends are allowed.
    Share { zero: bool, one: bool },
    /// A power curve or table.
    Power,
    /// USD per hour.
    Price,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// The name of a tier.
    Tier,
    /// The names of two tiers.
    Ends,
    /// When requests are emitted.
    Arrivals,
    /// A number of waiting requests or `"unlimited"`.
    Queue,
    /// The name of a link preset.
    Preset,
}

/// What a distribution is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Time,
    Size,
}

/// The longest time that makes sense for a key, in seconds and in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    pub seconds: f64,
    pub text: &'static str,
}

const DAY: Limit = Limit { seconds: 86_400.0, text: "1 d" };
const YEAR: Limit = Limit { seconds: 31_622_400.0, text: "366 d" };

/// The longest mean of a distribution of times.
pub(crate) const LONGEST_WORK: Limit = DAY;
/// Nodes of one tier.
pub(crate) const MOST_NODES: u64 = 10_000_000;
/// Requests that a run is expected to have.
pub(crate) const MOST_REQUESTS: f64 = 1e10;
/// Cores and workers of one node.
pub(crate) const MOST_CORES: u64 = 4096;
/// Tiers, links and stages that a file may declare.
pub(crate) const MOST_PARTS: usize = 64;

/// What holds when the key is not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Absent {
    /// The key must be given.
    Needed,
    /// This value, as TOML.
    Value(&'static str),
    /// Something that a value cannot say.
    Words(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Absent,
    /// What it means: a sentence or two.
    pub doc: &'static str,
    /// As TOML.
    pub example: &'static str,
}

use Absent::{Needed, Value, Words};

const fn key(
    name: &'static str,
    kind: Kind,
    default: Absent,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, default, doc, example }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

pub(crate) const BALANCES: &[&str] = &["static", "round-robin", "random", "least-waiting", "connection"];
pub(crate) const STARTS: &[&str] = &["job", "jobs", "calls", "containers"];
pub(crate) const DROPS: &[&str] = &["newest", "oldest"];
pub(crate) const PROVIDERS: &[&str] = &["docker", "qemu", "gcp", "aws", "baremetal"];
pub(crate) const MANAGERS: &[&str] =
    &["none", "kubernetes", "kubeedge", "openfaas", "kubecontrol", "kube-kata", "mist"];

/// Keys outside any table.
pub(crate) const ROOT: &[Key] = &[
    key(
        "name",
        Kind::Name,
        Words("the file's name"),
        "\"video\"",
        "What the scenario is called in results and reports.",
    ),
    key(
        "seed",
        count(0, i64::MAX as u64),
        Value("1"),
        "1",
        "Where chance begins. The same file and seed give the same bytes.",
    ),
    key(
        "duration",
        Kind::Time { zero: false, max: YEAR },
        Value("\"300 s\""),
        "\"300 s\"",
        "Simulated time of one run: requests are emitted from 0 to here.",
    ),
    key(
        "requests",
        count(1, MOST_REQUESTS as u64),
        Words("follows from `duration`"),
        "20000",
        "Instead of `duration`: how many requests all endpoints together emit on average. `duration` becomes requests / (rate x endpoints).",
    ),
    key(
        "warm_up",
        Kind::Time { zero: true, max: YEAR },
        Value("\"0 s\""),
        "\"10 s\"",
        "Requests emitted before this instant are run but not reported. Less than `duration`.",
    ),
];

/// Keys of `[app]`.
pub(crate) const APP: &[Key] = &[
    key(
        "rate",
        Kind::Frequency,
        Needed,
        "\"5 /s\"",
        "Requests per second and endpoint. May be left out with trace arrivals: then it is the mean of the trace.",
    ),
    key(
        "arrivals",
        Kind::Arrivals,
        Value("\"periodic\""),
        "\"poisson\"",
        "When an endpoint emits its requests; see Arrivals.",
    ),
    key(
        "frame",
        Kind::Distribution(Unit::Size),
        Needed,
        "\"68 kB\"",
        "Size of one request as the endpoint makes it.",
    ),
    key(
        "result",
        Kind::Distribution(Unit::Size),
        Value("\"0 B\""),
        "\"20 B\"",
        "Size of the answer that goes back to the endpoint. Not with stages, where the last stage's output goes back.",
    ),
    key(
        "prepare",
        Kind::Distribution(Unit::Time),
        Value("\"0 s\""),
        "\"1.3 ms\"",
        "CPU time at the endpoint before an offloaded request is sent, at speed 1. Not with stages.",
    ),
    key(
        "process",
        Kind::Distribution(Unit::Time),
        Words("needed without stages"),
        "{ lognormal = { mean = \"125 ms\", cv = 0.06 } }",
        "CPU time at the target per request, at speed 1.",
    ),
    key(
        "memory",
        Kind::Size { zero: true },
        Value("\"0 B\""),
        "\"500 MiB\"",
        "Memory of one worker process.",
    ),
    key(
        "deadline",
        Kind::Time { zero: false, max: DAY },
        Words("none"),
        "\"500 ms\"",
        "Requests that take longer are counted as late.",
    ),
    key(
        "outstanding",
        count(1, 1_000_000),
        Words("unlimited: open loop"),
        "1",
        "How many requests of one endpoint may be under way at once; a further one is emitted when one has come back (closed loop).",
    ),
];

/// Keys of each `[[app.stage]]`.
pub(crate) const STAGE: &[Key] = &[
    key("name", Kind::Text, Words("its number"), "\"detect\"", "What the stage is called."),
    key(
        "work",
        Kind::Distribution(Unit::Time),
        Needed,
        "\"20 ms\"",
        "CPU time of the stage per request, at speed 1.",
    ),
    key(
        "output",
        Kind::Distribution(Unit::Size),
        Value("\"0 B\""),
        "\"8 kB\"",
        "Size of what the stage hands on: to the next stage, over the link where the pipeline is cut, or back to the endpoint after the last.",
    ),
];

/// Keys of each `[tier.NAME]`.
pub(crate) const TIER: &[Key] = &[
    key(
        "nodes",
        count(0, MOST_NODES),
        Value("1"),
        "4",
        "How many nodes. Endpoints and targets need at least one.",
    ),
    key(
        "cores",
        Kind::Cores,
        Value("1"),
        "4",
        "Cores per node. A fraction is rounded up to whole cores and the quota lowered in proportion.",
    ),
    key(
        "quota",
        Kind::Share { zero: false, one: true },
        Value("1.0"),
        "0.5",
        "Share of each core that may be used, enforced per period of 100 ms as the Linux kernel does.",
    ),
    key(
        "speed",
        Kind::Factor { max: 1e6 },
        Value("1.0"),
        "1.5",
        "Speed of a core relative to the machine that the work was measured on.",
    ),
    key("memory", Kind::Size { zero: false }, Words("unlimited"), "\"4 GiB\"", "Memory per node."),
    key(
        "power",
        Kind::Power,
        Words("unknown: no energy is reported"),
        "{ idle = \"2.1 W\", busy = \"4.8 W\" }",
        "What a node draws; see Power.",
    ),
    key("price", Kind::Price, Value("\"0 USD/h\""), "\"0.02 USD/h\"", "Price of one node."),
    key(
        "workers",
        count(1, MOST_CORES),
        Words("max(1, floor(cores - 0.5))"),
        "3",
        "Worker processes per node when this tier is the target. `deploy.workers` goes before it.",
    ),
    key(
        "balance",
        Kind::Choice(BALANCES),
        Value("\"static\""),
        "\"least-waiting\"",
        "How requests are spread over the nodes when this tier is the target. `deploy.balance` goes before it.",
    ),
    key(
        "queue",
        Kind::Queue,
        Value("\"unlimited\""),
        "100",
        "How many requests may wait at a node when this tier is the target. `deploy.queue` goes before it.",
    ),
    key(
        "drop",
        Kind::Choice(DROPS),
        Value("\"newest\""),
        "\"oldest\"",
        "Who goes when that queue is full. `deploy.drop` goes before it.",
    ),
];

/// Keys of each `[[link]]`. Those that [`DIRECTION`] has too hold for both directions.
pub(crate) const LINK: &[Key] = &[
    key(
        "between",
        Kind::Ends,
        Needed,
        "[\"endpoint\", \"cloud\"]",
        "The two tiers. `up` leads from the first to the second.",
    ),
    key(
        "preset",
        Kind::Preset,
        Words("none"),
        "\"4g\"",
        "Both directions of a known network. Keys beside it replace what it says.",
    ),
    key("latency", Kind::Time { zero: true, max: DAY }, Value("\"0 s\""), "\"45 ms\"", "One-way delay."),
    key(
        "jitter",
        Kind::Time { zero: true, max: DAY },
        Value("\"0 s\""),
        "\"5 ms\"",
        "Standard deviation of the delay.",
    ),
    key(
        "rate",
        Kind::Rate,
        Value("\"unlimited\""),
        "\"7.21 Mbit/s\"",
        "What the link carries. `{ trace = \"file\" }` is a file of delivery opportunities as Mahimahi records them.",
    ),
    key(
        "loss",
        Kind::Share { zero: true, one: false },
        Value("\"0 %\""),
        "\"1 %\"",
        "Probability that a packet is lost.",
    ),
    key(
        "window",
        Kind::Size { zero: false },
        Words("unlimited"),
        "\"64 KiB\"",
        "Bytes that may be under way unacknowledged; limits the throughput to window / (2 x latency).",
    ),
    key(
        "sharing",
        Kind::Choice(&["fifo", "fair"]),
        Value("\"fifo\""),
        "\"fair\"",
        "How messages that meet share the rate: one after the other, or all at once with equal shares.",
    ),
    key(
        "scope",
        Kind::Choice(&["node", "pair", "tier"]),
        Value("\"node\""),
        "\"tier\"",
        "Whose rate it is: each node's egress towards the other tier, each pair's of nodes, or one medium for all as in a radio cell.",
    ),
];

/// Keys of `up` and `down` of a link, for that direction alone.
pub(crate) const DIRECTION: &[Key] = &[
    key(
        "latency",
        Kind::Time { zero: true, max: DAY },
        Words("the link's"),
        "\"45 ms\"",
        "One-way delay in this direction.",
    ),
    key(
        "jitter",
        Kind::Time { zero: true, max: DAY },
        Words("the link's"),
        "\"5 ms\"",
        "Standard deviation of the delay in this direction.",
    ),
    key(
        "rate",
        Kind::Rate,
        Words("the link's"),
        "\"7.21 Mbit/s\"",
        "What the link carries in this direction.",
    ),
    key(
        "loss",
        Kind::Share { zero: true, one: false },
        Words("the link's"),
        "\"1 %\"",
        "Probability that a packet is lost in this direction.",
    ),
    key(
        "window",
        Kind::Size { zero: false },
        Words("the link's"),
        "\"64 KiB\"",
        "Bytes that may be under way unacknowledged in this direction.",
    ),
];

/// Keys of `[deploy]`.
pub(crate) const DEPLOY: &[Key] = &[
    key(
        "target",
        Kind::Tier,
        Needed,
        "\"cloud\"",
        "The tier that processes. `endpoint` is no offloading; `mist` is a peer endpoint.",
    ),
    key(
        "cut",
        count(0, MOST_PARTS as u64),
        Value("0"),
        "1",
        "How many stages of the pipeline stay on the endpoint when it offloads. Less than the number of stages.",
    ),
    key(
        "workers",
        count(1, MOST_CORES),
        Words("the target's, or max(1, floor(cores - 0.5))"),
        "3",
        "Worker processes per target node.",
    ),
    key(
        "balance",
        Kind::Choice(BALANCES),
        Words("the target's"),
        "\"least-waiting\"",
        "How requests are spread over the target nodes.",
    ),
    key("queue", Kind::Queue, Words("the target's"), "100", "How many requests may wait at a target node."),
    key(
        "drop",
        Kind::Choice(DROPS),
        Words("the target's"),
        "\"oldest\"",
        "Who goes when the queue is full: the request that arrives or the one that has waited longest.",
    ),
    key(
        "provider",
        Kind::Choice(PROVIDERS),
        Value("\"docker\""),
        "\"qemu\"",
        "What makes the nodes when the deployment is measured.",
    ),
    key(
        "manager",
        Kind::Choice(MANAGERS),
        Value("\"none\""),
        "\"kubernetes\"",
        "What runs the application on them.",
    ),
    key("pods", count(1, 1000), Words("one"), "30", "Pods per target node, where Kubernetes runs them."),
    key(
        "start",
        Kind::Choice(STARTS),
        Words("`\"job\"`"),
        "\"jobs\"",
        "How N pods are asked for: one Job that runs N pods; N Jobs one after the other; N Jobs by N clients at once; one pod with N containers.",
    ),
    key(
        "pod_cpu",
        Kind::Cores,
        Words("nothing is set aside"),
        "0.05",
        "Processor time that the scheduler sets aside for each pod: its request.",
    ),
    key(
        "pod_memory",
        Kind::Size { zero: true },
        Words("none"),
        "\"500 MiB\"",
        "Memory that the scheduler sets aside for each pod: its request.",
    ),
    key(
        "pod_cpu_limit",
        Kind::Cores,
        Words("no limit"),
        "0.5",
        "Processor time that each pod may use at most, per period of 100 ms.",
    ),
    key(
        "image",
        Kind::Size { zero: true },
        Words("none"),
        "\"120 MB\"",
        "Size of the image that each node pulls before its first pod starts; none if it is there already.",
    ),
];

/// The number of a key in its table. Asked in a `const`, a key that is not there does not compile.
pub(crate) const fn index(keys: &[Key], name: &str) -> usize {
    let mut at = 0;
    while at < keys.len() {
        if same(keys[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("no such key")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Where a key belongs that stands in the wrong table, for a hint.
pub(crate) fn home(name: &str) -> Option<&'static str> {
    [
        (APP, "[app]"),
        (TIER, "[tier.NAME]"),
        (DEPLOY, "[deploy]"),
        (LINK, "[[link]]"),
        (STAGE, "[[app.stage]]"),
        (ROOT, "the top of the file"),
    ]
    .into_iter()
    .find(|(keys, _)| keys.iter().any(|key| key.name == name))
    .map(|(_, home)| home)
}
