//! What connects the nodes: delays, rates and losses per ordered pair.

pub mod forwarder;
pub mod shaper;
