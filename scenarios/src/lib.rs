//! Reads what the user asks: scenario files, Continuum's `.cfg` files, the design space and the goal.

mod build;
mod check;
mod condition;
mod datafile;
mod issue;
mod keys;
mod load;
mod raw;
mod value;
mod written;

pub use build::infeasible;
pub use condition::{Condition, Limit, Scalar};
pub use issue::{Issue, Severity};
pub use load::{Loaded, Scenario, load};
