//! Knows how long things take and how much they use, as closed forms over parameter files.

pub mod distribution;
mod link;
mod quota;
pub mod sampling;
mod set;
mod sharing;
mod special;

pub use link::{Delay, Transmission};
pub use quota::{Budget, Quota};
pub use sampling::{NormalTable, Sampler};
pub use set::ModelSet;
pub use sharing::Shared;
