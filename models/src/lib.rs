//! Knows how long things take and how much they use, as closed forms over parameter files.

pub mod cost;
pub mod distribution;
pub mod energy;
#[cfg(test)]
mod example;
pub mod link;
pub mod load;
pub mod memory;
pub mod queueing;
pub mod quota;
pub mod sampling;
pub mod sharing;
mod set;
mod special;

pub use link::{Delay, Transmission, Transport};
pub use load::{Loads, Resource, loads};
pub use queueing::Station;
pub use quota::{Budget, Quota};
pub use sampling::{NormalTable, Sampler};
pub use set::ModelSet;
pub use sharing::Shared;
