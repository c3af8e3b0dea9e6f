//! Judges predictions by measurements and fits the models to them.
//!
//! Texts become [`Measured`] runs; [`fit`] makes a set of parameters of them, with errors; [`compare`] and [`accuracy`] say
//! how wrong a set is on runs that it has not seen, [`leave_one_out`] does so for each deployment in turn, and [`next()`]
//! weighs what to measure. Nothing here touches the disk. What the estimates rest on is in docs/calibration.md.
//!
//! ```
//! use offing_models::ModelSet;
//! use offing_validation::{Settings, fit};
//!
//! let settings = Settings { name: "lab".into(), date: "2026-11-24".into() };
//! let problem = fit(&ModelSet::default(), &[], &settings, &Default::default()).unwrap_err();
//! assert_eq!(problem, "there is no run to learn from");
//! ```

mod measured;

mod mixed;
mod robust;

mod link;
mod quota;
mod service;

mod fit;
mod learn;

mod accuracy;
mod next;
mod predict;

pub mod start;

pub use accuracy::{
    Accuracy, Choice, Compared, Effort, Limit, MetricError, accuracy, by_deployment, compare, is_seen,
};
pub use fit::{Finding, Fit, Settings, fit};
pub use learn::{learn, leave_one_out};
pub use measured::{Conditions, Measured, Row, Seen, Table, read_continuum, read_requests, sha256};
pub use next::{AROUND_S, Candidate, Gain, Next, next};
pub use predict::{Draw, Numbers, Predicted, draws, interval, measured_numbers, predict, predictive, under};
pub use robust::student;
