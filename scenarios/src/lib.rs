//! Reads what the user asks: scenario files, Continuum's `.cfg` files, the design space and the goal.

mod build;
mod canonical;
mod check;
mod condition;
pub mod continuum;
mod datafile;
mod goal;
mod issue;
mod keys;
mod load;
mod raw;
mod schema;
mod space;
mod value;
mod write;
mod written;

pub use build::infeasible;
pub use canonical::canonical;
pub use condition::{Condition, Limit, Scalar};
pub use goal::{Goal, metrics};
pub use issue::{Issue, Severity};
pub use load::{Loaded, Scenario, load};
pub use schema::{key_reference, schema};
pub use space::{Axis, Excluded, Sample, Space};
