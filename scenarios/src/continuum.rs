//! Continuum's `.cfg` files, from <https://github.com/atlarge-research/continuum> at commit 8c6e600.

pub mod ini;
pub mod python;
mod resolved;
mod strict;
mod walk;

pub use resolved::{Mode, Resolved, Section, Value};
pub use strict::{LONGEST_FILE, Rejection, strict};
