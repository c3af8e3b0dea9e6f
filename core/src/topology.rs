//! Tiers of nodes and the links between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Span;

/// Nodes of one kind: `[tier.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// `endpoint`, `edge`, `cloud`, `mist` or a name of the user's.
    pub name: String,
    /// How many nodes.
    pub nodes: u32,
    /// Cores per node, at least one.
    pub cores: u32,
    /// Share of each core that the kernel grants per period, in (0, 1].
    pub quota: f64,
    /// Speed relative to the machine that the work was measured on, greater than zero.
    pub speed: f64,
    /// Memory per node [byte]; nothing means that it never runs out.
    pub memory_bytes: Option<u64>,
    /// Power drawn by one node; nothing where it is not known, and then no energy is reported.
    pub power: Option<Power>,
    /// Price of one node [USD/h].
    pub price_usd_per_hour: f64,
}

impl Tier {
    /// A tier of speed 1 whose memory never runs out, whose power is not known, and which costs nothing.
    pub fn new(name: &str, nodes: u32, cores: u32, quota: f64) -> Tier {
        Tier {
            name: name.into(),
            nodes,
            cores,
            quota,
            speed: 1.0,
            memory_bytes: None,
            power: None,
            price_usd_per_hour: 0.0,
        }
    }
}

/// What a node draws at a utilization between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Between `idle_w` and `busy_w` along a curve.
    Curve {
        /// Power at utilization 0 [W].
        idle_w: f64,
        /// Power at utilization 1 [W].
        busy_w: f64,
        /// The shape in between.
        curve: PowerCurve,
    },
    /// Measured values [W] at equally spaced utilizations from 0 to 1, at least two.
    Table(Vec<f64>),
}

/// How power rises with utilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerCurve {
    /// In proportion.
    Linear,
    /// With its square.
    Square,
    /// With its cube.
    Cubic,
}

/// The network between two tiers: `[[link]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Indices of the two tiers in [`crate::Deployment::tiers`]; `up` leads from the first to the second.
    pub between: [usize; 2],
    /// From the first tier to the second.
    pub up: Direction,
    /// From the second tier to the first.
    pub down: Direction,
    /// How messages that are under way together share the rate.
    pub sharing: Sharing,
    /// Whose rate it is.
    pub scope: Scope,
}

/// One direction of a link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// One-way propagation delay.
    pub latency: Span,
    /// Standard deviation of the delay, normal and cut so that no delay is negative.
    pub jitter: Span,
    /// Payload rate.
    pub rate: Rate,
    /// Probability that a packet is lost, in [0, 1).
    pub loss: f64,
    /// Bytes that may be under way unacknowledged; limits the throughput to window / (2 latency).
    pub window_bytes: Option<f64>,
}

/// What a link can carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Transfers take no time beyond the latency.
    #[default]
    Unlimited,
    /// Constant [bit/s], greater than zero.
    BitPerS(f64),
    /// Delivery opportunities of one packet each, repeated for ever, as Mahimahi records them.
    Trace {
        /// Name of the file, for messages and reports.
        source: String,
        /// Instants within one round, ascending; at least one, and the last is the length of a round.
        opportunities: Arc<[Span]>,
    },
}

/// How messages that meet on a link share its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// One after the other, first come first served.
    #[default]
    Fifo,
    /// All at once, each with an equal share.
    Fair,
}

/// Whose rate it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Each node's egress towards the other tier.
    #[default]
    Node,
    /// Each ordered pair of nodes has its own.
    Pair,
    /// One medium for all nodes, per direction.
    Tier,
}

/// What `preset = "4g"` stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// From the first tier of `between` to the second.
    pub up: Direction,
    /// The other way.
    pub down: Direction,
}

/// The link presets that are known, by name.
pub type Presets = BTreeMap<String, Preset>;
