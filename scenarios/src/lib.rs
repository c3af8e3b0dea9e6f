//! Reads what the user asks: scenario files, Continuum's `.cfg` files, the design space and the goal.

pub mod continuum;
mod issue;

pub use issue::{Issue, Severity};
