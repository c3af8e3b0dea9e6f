//! The application: what each endpoint emits and how much work a request is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Span;

/// The application. One request is one frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Requests per second and endpoint [1/s], greater than zero (the mean, for trace arrivals).
    pub rate_hz: f64,
    /// When they are emitted.
    pub arrivals: Arrivals,
    /// Size of a frame as the endpoint makes it [byte].
    pub frame: Distribution,
    /// CPU time at the endpoint before an offloaded frame is sent, at speed 1 [s].
    pub prepare: Distribution,
    /// The work in order, at least one stage. `process` and `result` of a scenario are a single stage.
    pub stages: Vec<Stage>,
    /// Memory of one worker process [byte].
    pub memory_bytes: u64,
    /// Requests that take longer are counted as late.
    pub deadline: Option<Span>,
    /// Requests of one endpoint that may be under way at once; a further one is emitted when one has
    /// come back. Nothing means open loop.
    pub outstanding: Option<u32>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// For people.
    pub name: String,
    /// CPU time at speed 1 [s].
    pub work: Distribution,
    /// Size of what it hands on [byte].
    pub output: Distribution,
}

/// When an endpoint emits its requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Every `1/rate`, from a random phase that differs from endpoint to endpoint.
    Periodic,
    /// Periodic, each instant moved by a normal deviate of standard deviation `sd`; order is kept.
    Jittered {
        /// Standard deviation of the displacement.
        sd: Span,
    },
    /// A Poisson process.
    Poisson,
    /// Poisson while on, silent while off, both spans exponential; the mean rate over both is the app's rate.
    Bursts {
        /// Mean length of a burst.
        on: Span,
        /// Mean length of a silence.
        off: Span,
    },
    /// Recorded instants, played once.
    Trace {
        /// Name of the file, for messages and reports.
        source: String,
        /// In ascending order of time.
        arrivals: Arc<[TraceArrival]>,
    },
}

/// One recorded emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceArrival {
    /// When, from the start of the run.
    pub at: Span,
    /// Which endpoint, counted from 0; nothing means that every endpoint emits then.
    pub endpoint: Option<u32>,
}

/// A distribution of seconds or bytes; which of the two is said by the field that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Always this value, at least zero.
    Constant(f64),
    /// Exponential.
    Exponential {
        /// Mean, greater than zero.
        mean: f64,
    },
    /// Lognormal.
    Lognormal {
        /// Mean, greater than zero.
        mean: f64,
        /// Coefficient of variation, greater than zero.
        cv: f64,
    },
    /// Gamma.
    Gamma {
        /// Mean, greater than zero.
        mean: f64,
        /// Coefficient of variation, greater than zero.
        cv: f64,
    },
    /// Normal; negative draws become zero.
    Normal {
        /// Mean before the cut.
        mean: f64,
        /// Standard deviation before the cut.
        sd: f64,
    },
    /// Uniform between two values.
    Uniform {
        /// Smallest value.
        from: f64,
        /// Largest value.
        to: f64,
    },
    /// One of the recorded values, all equally likely.
    Empirical {
        /// Name of the file, for messages and reports.
        source: String,
        /// The values in ascending order, at least one.
        values: Arc<[f64]>,
    },
    /// Straight lines between quantiles at equally spaced probabilities from 0 to 1, at least two, ascending.
    Quantiles(Arc<[f64]>),
}
