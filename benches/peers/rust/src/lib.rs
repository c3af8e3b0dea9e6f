//! What the Rust peers share: the case on the command line, its durations, and the statistics.
//!
//! The workload W1 is described in `../README.md`. Time is `f64` seconds, as in most simulators.

mod case;
mod request;
mod statistics;

pub use case::{Case, Chance, Duration, LATENCY_S, chance};
pub use request::Request;
pub use statistics::Statistics;
