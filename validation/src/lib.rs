//! Judges predictions by measurements and fits the models to them.
mod accuracy;
mod fit;
mod learn;
mod link;
mod measured;
mod mixed;
mod next;
mod predict;
mod quota;
mod robust;
mod service;

pub use accuracy::{
    Accuracy, Choice, Compared, Effort, Limit, MetricError, accuracy, by_deployment, compare, is_seen,
};
pub use fit::{Finding, Fit, Settings, fit};
pub use learn::{learn, leave_one_out};
pub use measured::{Conditions, Measured, Row, Seen, Table, read_continuum, read_requests, sha256};
pub use next::{AROUND_S, Candidate, Gain, Next, next};
pub use predict::{Draw, Numbers, Predicted, draws, interval, measured_numbers, predict, predictive, under};
