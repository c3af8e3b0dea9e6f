//! Continuum's links: the numbers of its presets, what a file makes of them, and which legs are shaped.
//!
//! Numbers: Continuum's own table at commit 8c6e600 (`infrastructure/network.py`), in docs/continuum.md. They
//! are not measurements of ours.

use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeTuple;

use super::resolved::Resolved;

/// The numbers of one link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// One way [ms].
    pub latency_ms: f64,
    /// Standard deviation of the latency [ms].
    pub jitter_ms: f64,
    /// Payload rate of a node towards a tier [Mbit/s].
    pub rate_mbit_s: f64,
}

impl Serialize for Shape {
    /// `[latency ms, jitter ms, Mbit/s]`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(3)?;
        for number in [self.latency_ms, self.jitter_ms, self.rate_mbit_s] {
            tuple.serialize_element(&number)?;
        }
        tuple.end()
    }
}

/// The links of Continuum, each with the tiers it joins.
pub const PAIRS: [(&str, [&str; 2]); 5] = [
    ("cloud", ["cloud", "cloud"]),
    ("edge", ["edge", "edge"]),
    ("cloud_edge", ["cloud", "edge"]),
    ("cloud_endpoint", ["cloud", "endpoint"]),
    ("edge_endpoint", ["edge", "endpoint"]),
];

/// The shape that a preset gives to a link.
pub fn preset(link: &str, preset: &str) -> Shape {
    let wireless = if preset == "5g" { 29.66 } else { 7.21 };
    let (latency_ms, jitter_ms, rate_mbit_s) = match link {
        "cloud" => (0.0, 0.0, 1000.0),
        "cloud_endpoint" => (45.0, 5.0, wireless),
        "edge_endpoint" => (7.5, 2.5, wireless),
        _ => (7.5, 2.5, 1000.0),
    };
    Shape { latency_ms, jitter_ms, rate_mbit_s }
}

/// The shape of a link in force: the preset, each number replaced where the file sets it. Nothing without
/// `network_emulation`, or where the tiers have too few nodes.
pub fn in_force(resolved: &Resolved, link: &str) -> Option<Shape> {
    let (_, [a, b]) = *PAIRS.iter().find(|(name, _)| *name == link)?;
    let nodes = |tier| resolved.whole("infrastructure", &format!("{tier}_nodes"));
    let least = if a == b { 2 } else { 1 };
    let enough = [a, b].iter().all(|tier| nodes(tier).is_some_and(|n| *n >= least.into()));
    if !enough || !resolved.flag("infrastructure", "network_emulation") {
        return None;
    }
    let name = resolved.text("infrastructure", "wireless_network_preset").unwrap_or("4g");
    let table = preset(link, name);
    let set = |option: &str, default: f64| {
        let value = resolved.real("infrastructure", &format!("{link}_{option}"));
        value.filter(|value| *value >= 0.0).unwrap_or(default)
    };
    Some(Shape {
        latency_ms: set("latency_avg", table.latency_ms),
        jitter_ms: set("latency_var", table.jitter_ms),
        rate_mbit_s: set("throughput", table.rate_mbit_s),
    })
}
