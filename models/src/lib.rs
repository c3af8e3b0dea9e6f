//! Knows how long things take and how much they use, as closed forms over parameter files.

pub mod distribution;
pub mod sampling;
mod special;

pub use sampling::{NormalTable, Sampler};
