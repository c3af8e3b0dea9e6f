//! The vocabulary of Offing: what a deployment is and what is recorded when it runs.
//!
//! Every other crate speaks in these types. Nothing here knows a path, a clock, a source of chance or a
//! performance formula, and a run does not know whether it was simulated or measured.
//!

mod app;
mod deployment;
mod span;
mod topology;
pub mod units;

pub use app::{App, Arrivals, Distribution, Stage, TraceArrival};
pub use deployment::{Balance, Deployment, Drop, Manager, Placement, Provider};
pub use span::Span;
pub use topology::{Direction, Link, Power, PowerCurve, Preset, Presets, Rate, Scope, Sharing, Tier};
