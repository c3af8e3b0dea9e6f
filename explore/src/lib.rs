//! Chooses the deployments that are worth trying.
//!
//! A [`Plan`] says which deployments of a scenario's space are looked at ([`Points`]) and how the work is divided
//! into units. [`sweep`] computes units: each deployment is made, held against what is provable ([`Screen`]),
//! predicted ([`evaluate`]) and judged ([`Judge`]). [`finish`] reads all units in order and writes what was found.
//!
//! [`Judge`] holds rows of metrics against the requirements of a goal, [`front`] keeps those that no other row
//! beats, [`cover`] picks a few that stand for the front, [`smallest_fix`] finds what is missing to a
//! deployment that is nearly good enough, and [`Sensitivity`] says which axis moves which metric. [`invert`]
//! asks the other way round: for the largest or smallest value of a key with which the requirements hold, and
//! for the value at which two targets are equal.
//!
//! Guarantees:
//! - Equal input gives equal bytes on any number of threads and in any division into shards; ties are ordered by
//!   row.
//! - A deployment that is rejected without simulation would not have met the goal in a simulation either.
//! - A run that was killed goes on where it was: at most the units under way are lost.
//! - Memory grows with the front, by a few numbers for each of its deployments, and with the size of the space by a bit
//!   for each number, not with what is feasible.

mod error;
mod sample;
mod screen;

mod evaluate;
mod intervals;
mod plan;
mod race;
mod unit;

mod folder;
mod sweep;

mod cells;
mod finish;
mod found;
#[cfg(feature = "parquet")]
mod parquet;
mod refine;

pub mod invert;
mod judge;
mod pareto;
mod sensitivity;
mod shortlist;

pub use error::ExploreError;
pub use evaluate::{How, Metrics, Rows, evaluate};
pub use finish::{DISTRIBUTIONS, Finished, complete, distributions_csv, finish, missing};
pub use folder::Folder;
pub use found::{Axes, Dropped, Effect, Found, Kept, Missed, Near, Number, Numbers, Reason, Ties};
pub use judge::{Judge, Miss};
pub use pareto::{front, front_by_definition, undominated};
pub use plan::{Identity, Input, Looked, Plan};
pub use race::{Decided, Race, Raced};
pub use sample::{MOST_NUMBERS, Points};
pub use screen::{Minima, Rejection, SLACK_NS, Screen};
pub use sensitivity::{AxisEffect, Level, MetricEffect, Sensitivity};
pub use shortlist::{Fix, Pick, Why, cover, smallest_fix};
pub use sweep::{Counts, Shard, Swept, count, on_threads, sweep};
pub use unit::Verdict;
