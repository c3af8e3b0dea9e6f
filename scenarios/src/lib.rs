//! Reads what the user asks: scenario files, Continuum's `.cfg` files, the design space and the goal.
//!
//! A scenario file goes through `raw` (as written, with positions), `check` (every key against the table in
//! `keys`, every issue collected) and `build` (defaults, and what keys say together); what comes out cannot be
//! wrong. The deployments of a design space are made one by one, by number, from what was checked. Nothing here
//! touches the disk, and no performance is known here. The format is described in docs/scenario-format.md.
//!
//! ```
//! use offing_core::Presets;
//!
//! let text = r#"
//!     [app]
//!     rate = "5 /s"
//!     frame = "68 kB"
//!     process = "125 ms"
//!     [tier.endpoint]
//!     nodes = 4
//!     [tier.cloud]
//!     [[link]]
//!     between = ["endpoint", "cloud"]
//!     latency = "45 ms"
//!     [deploy]
//!     target = "cloud"
//!     [space]
//!     "tier.cloud.cores" = [1, 2, 4, 8]
//! "#;
//! let no_files = |name: &str| Err(format!("{name} is not there"));
//! let loaded = offing_scenarios::load(text, "cameras.toml", &no_files, &Presets::new(), &[]).unwrap();
//! let space = &loaded.scenario.space;
//! assert_eq!(space.len(), 4);
//! assert_eq!(space.get(3).unwrap().targets().cores, 8);
//!
//! let wrong = text.replace("45 ms", "45");
//! let issues = offing_scenarios::load(&wrong, "cameras.toml", &no_files, &Presets::new(), &[]).unwrap_err();
//! assert!(issues[0].to_string().starts_with("cameras.toml:11:15: error: link.0.latency: `45` has no unit"));
//! ```

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
pub use space::{Axis, Excluded, Sample, Space, Walk};
