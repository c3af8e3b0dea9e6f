//! Knows how long things take and how much they use, as closed forms over parameter files.
//!
//! Every model is a pure function or a small state machine on whole nanoseconds: no clock, no input or output, and
//! no chance of its own (random words are arguments). Floating point that can reach a result is the same to the
//! bit on every platform: `ln`, `exp` and their like come from `libm`, and nothing is fused.
//!
//! ```
//! use offing_core::{Direction, Distribution, Rate, Span};
//! use offing_models::{Delay, ModelSet, Sampler, Transmission};
//!
//! let models = ModelSet::default();
//! let link = &models.presets()["4g"].up;
//! let (transmission, delay) =
//!     (Transmission::new(link, &models.transport()), Delay::new(link, &models.transport()));
//! let work = Sampler::new(&Distribution::Exponential { mean: 0.100 }, 1e9);
//!
//! // A frame of 68 kB at 7.21 Mbit/s, then 45 ms of latency (half of the random words are below), then work.
//! let sent = transmission.finish(0, 68_000);
//! let arrived = sent + delay.sample(u32::MAX, 0, 68_000);
//! let done = arrived + work.sample(u32::MAX);
//! assert_eq!(sent, 75_450_763);
//! assert_eq!(arrived, sent + 45_000_000);
//! assert_eq!((done - arrived) / 1_000_000, 69); // the median: 100 ms x ln 2
//! ```

pub mod calibration;
pub mod set;

pub mod distribution;
pub mod sampling;
mod special;

pub mod link;
pub mod packets;
pub mod quota;
pub mod sharing;

pub mod cost;
pub mod energy;
pub mod kubernetes;
pub mod load;
pub mod memory;
pub mod queueing;

#[cfg(test)]
mod example;

/// Sets that are fitted to measurements, by name: `docker` on containers (docs/calibration.md).
pub const FITTED: [(&str, &str); 1] = [("docker", include_str!("../fitted/docker.toml"))];

pub use calibration::{Covariance, Fitted, FittedRun, Overheads};
pub use kubernetes::{Bucket, Limit, Packing, StartModel, Version};
pub use link::{Delay, Opportunities, Transmission, Transport};
pub use load::{Loads, Resource, loads};
pub use queueing::Station;
pub use quota::{Budget, Quota};
pub use sampling::{NormalTable, QuantileTable, Sampler};
pub use set::{Application, Machine, ModelSet, Parameter, Said, Uncertainty};
pub use sharing::Shared;
