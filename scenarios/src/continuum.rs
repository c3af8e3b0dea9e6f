//! Continuum's `.cfg` files, from <https://github.com/atlarge-research/continuum> at commit 8c6e600.
//!
//! [`strict()`] gives Continuum's own verdict and values, [`lenient()`] reads what a file means. What either
//! yields is [`derive`]d into facts, written as a scenario by [`to_scenario`], and [`from_deployment`] writes a
//! deployment as such a file. Text in, data out: nothing here touches a disk, a clock or the environment. The
//! rules and their sources are in docs/continuum.md.
//!
//! ```
//! use offing_scenarios::continuum::{Mode, strict};
//!
//! let text = "[infrastructure]\nprovider = qemu\nendpoint_nodes = 1\nendpoint_cores = 1\nendpoint_memory = 1\n\
//!             endpoint_quota = 0.5\n[benchmark]\nresource_manager = none\napplication = image_classification\n";
//! let rejection = strict(text, "local.cfg").unwrap_err();
//! assert_eq!(rejection.message, "Config: Missing option benchmark->frequency");
//!
//! let resolved = strict(&format!("{text}frequency = 5\n"), "local.cfg").unwrap();
//! assert_eq!(resolved.mode, Mode::Endpoint);
//! ```

pub mod ini;
pub mod python;

mod resolved;
mod walk;

mod strict;

mod lenient;
mod mend;
mod warnings;

mod derived;
pub mod links;

mod export;
mod import;
mod place;
mod pods;

pub use derived::{AppNumbers, Cpus, Derived, Inequality, LoadInputs, Semantics, ShapedLegs, derive};
pub use export::from_deployment;
pub use import::to_scenario;
pub use lenient::lenient;
pub use place::{Nodes, Placed, PlacedLink, place};
pub use pods::to_pods;
pub use resolved::{Mode, Resolved, Section, Value};
pub use strict::{LONGEST_FILE, Rejection, strict};
