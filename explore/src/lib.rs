//! Chooses the deployments that are worth trying.
//!
//! [`Judge`] holds rows of metrics against the requirements of a goal, [`front`] keeps those that no other row
//! beats, [`cover`] picks a few that stand for the front, [`smallest_fix`] finds what is missing to a
//! deployment that is nearly good enough, and [`Sensitivity`] says which axis moves which metric. [`invert`]
//! asks the other way round: for the largest or smallest value of a key with which the requirements hold, and
//! for the value at which two targets are equal.
//!
//! Guarantees: equal input gives equal output on any number of threads, and ties are ordered by row.

pub mod invert;
mod judge;
mod pareto;
mod sensitivity;
mod shortlist;

pub use judge::{Judge, Miss};
pub use pareto::{front, front_by_definition, undominated};
pub use sensitivity::{AxisEffect, Level, MetricEffect, Sensitivity};
pub use shortlist::{Fix, Pick, Why, cover, smallest_fix};
