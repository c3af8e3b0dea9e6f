//! Knows how long things take and how much they use, as closed forms over parameter files.

pub mod distribution;
pub mod quota;
pub mod sampling;
pub mod sharing;
mod special;

pub use quota::{Budget, Quota};
pub use sampling::{NormalTable, Sampler};
pub use sharing::Shared;
