//! The vocabulary of Offing: what a deployment is and what is recorded when it runs.
//!
//! Every other crate speaks in these types. Nothing here knows a path, a clock, a source of chance or a
//! performance formula, and a [`Run`] does not know whether it was simulated or measured.
//!
//! ```
//! use offing_core::{Recording, Parts};
//! let mut recording = Recording::new(0, 10_000_000_000); // observe ten seconds
//! let parts = Parts { prepare: 1_000_000, uplink: 2_000_000, queue: 0, process: 5_000_000, downlink: 2_000_000 };
//! recording.record(3, &parts);
//! assert_eq!(recording.latency().max(), parts.latency());
//! ```

mod app;
mod deployment;
mod histogram;
mod intervals;
mod requests;
mod run;
mod span;
mod summary;
mod topology;
pub mod units;

pub use app::{App, Arrivals, Distribution, Stage, TraceArrival};
pub use deployment::{Balance, Deployment, Drop, Manager, Placement, Pods, Provider, Start};
pub use histogram::{Histogram, Spread};
pub use requests::gather;
pub use run::{Completed, Counts, Demand, Engine, Parts, Recording, Request, Run, TierUse};
pub use span::Span;
pub use summary::{Intervals, Part, Quantiles, Requests, Summary};
pub use topology::{Direction, Link, Power, PowerCurve, Preset, Presets, Rate, Scope, Sharing, Tier};
