//! Between which ends the metrics of a short run's row lie.
//!
//! A row that rests on a part of the run is compared with rows of whole runs, so it needs intervals: [`SIGMAS`]
//! standard errors to each side. Successive requests are alike, so the mean latency has the error of batch
//! means, and how much larger that is than for independent requests, the correlation
//! `n error^2 / sd^2` (at least 2), holds for the quantiles and the late share as well. The other metrics:
//! - Means of parts: the error of the mean latency. Parts that vary together make it larger than each of theirs.
//! - A quantile `q`: the ranks `q` plus and minus [`SIGMAS`] `sqrt(correlation q (1 - q) / n)` (H. A. David, Order
//!   Statistics, 1981, 2.5), and the latencies there. Between the quantiles that a row has, an upper end lies on the
//!   chord over the rank, which a tail stays below, a lower one on the chord over `-ln(1 - rank)`, which an
//!   exponential tail follows.
//! - Throughput: the error of the number of requests, by batches.
//! - Energy per request is idle power by requests and busy power by work: the larger of their relative errors.
//! - Load, stability and cost are exact.
//!
//! The longest and the shortest latency, the 99.9 % quantile, utilization, and what bounded queues lose have no
//! interval here.

use offing_sim::Above;

use crate::Metrics;

/// Standard errors between an estimate and the ends of its interval, and between a share and its limit.
pub(crate) const SIGMAS: f64 = 4.0;

/// How far a metric may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Exact,
    /// By the error of the mean latency.
    Mean,
    /// Of the latency, 0..1.
    Quantile(f64),
    /// Of all requests, 0..1.
    Share,
    /// By the error of the number of requests.
    Count,
    Energy,
    Unknown,
}

/// What says how sure a short run's row is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Doubt {
    pub mean_error_ms: f64,
    pub sd_ms: f64,
    pub count_error: f64,
}

impl From<Above> for Doubt {
    fn from(above: Above) -> Doubt {
        let Above { mean_error_ms, sd_ms, count_error, .. } = above;
        Doubt { mean_error_ms, sd_ms, count_error }
    }
}

/// Intervals for the rows of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Intervals {
    kinds: Vec<Kind>,
    /// Where the shortest latency, some quantiles and the longest stand, with their ranks.
    knots: Vec<(usize, f64)>,
    process: Option<usize>,
}

impl Intervals {
    pub(crate) fn new(metrics: &Metrics) -> Intervals {
        let kind = |name: &String| match name.as_str() {
            "load" | "stable" | "cost_usd_per_hour" | "dropped_share" => Kind::Exact,
            "latency_p50_ms" => Kind::Quantile(0.5),
            "latency_p90_ms" => Kind::Quantile(0.9),
            "latency_p95_ms" => Kind::Quantile(0.95),
            "latency_p99_ms" => Kind::Quantile(0.99),
            "throughput_rps" => Kind::Count,
            "energy_j_per_request" => Kind::Energy,
            "deadline_miss_share" => Kind::Share,
            name if name.ends_with("_mean_ms") => Kind::Mean,
            _ => Kind::Unknown,
        };
        let ranks = [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];
        let knot = |(name, rank)| Some((metrics.position(&format!("latency_{name}_ms"))?, rank));
        let mut knots: Vec<(usize, f64)> = ranks.into_iter().filter_map(knot).collect();
        knots.extend(metrics.position("latency_max_ms").map(|at| (at, 1.0)));
        Intervals {
            kinds: metrics.names().iter().map(kind).collect(),
            knots,
            process: metrics.position("process_mean_ms"),
        }
    }

    /// Whether short runs have intervals for a metric.
    pub(crate) fn has(&self, metric: usize) -> bool {
        self.kinds[metric] != Kind::Unknown
    }

    /// Lower and upper end of a metric of a row that rests on so many requests; NaN where there is none.
    pub(crate) fn ends(&self, metric: usize, row: &[f64], requests: u64, doubt: Doubt) -> (f64, f64) {
        let (value, n) = (row[metric], requests as f64);
        let by = |error: f64| (value - SIGMAS * error, value + SIGMAS * error);
        let correlation = (n * (doubt.mean_error_ms / doubt.sd_ms).powi(2)).max(2.0);
        let rank_error = |rank: f64| (correlation * rank * (1.0 - rank) / n).sqrt();
        match self.kinds[metric] {
            Kind::Exact => (value, value),
            Kind::Mean => by(doubt.mean_error_ms),
            Kind::Count => by(value * doubt.count_error),
            Kind::Energy => {
                let work = doubt.sd_ms / n.sqrt() / self.process.map_or(0.0, |at| row[at]);
                by(value * doubt.count_error.max(work))
            }
            // Three of n is what a share of which nothing was seen may still be.
            Kind::Share => by(rank_error(value.clamp(3.0 / n, 1.0 - 3.0 / n))),
            Kind::Quantile(rank) => {
                let far = SIGMAS * rank_error(rank);
                (self.latency(row, rank - far, |r| -(1.0 - r).ln()), self.latency(row, rank + far, |r| r))
            }
            Kind::Unknown => (f64::NAN, f64::NAN),
        }
    }

    /// The ends of all metrics of a row.
    pub(crate) fn of_row(&self, row: &[f64], requests: u64, doubt: Doubt) -> (Vec<f64>, Vec<f64>) {
        (0..row.len()).map(|metric| self.ends(metric, row, requests, doubt)).unzip()
    }

    /// The latency at a rank, on the chord between the two nearest that are known; infinite from the 99.9 % quantile
    /// on, where too few are longer.
    fn latency(&self, row: &[f64], rank: f64, scale: impl Fn(f64) -> f64) -> f64 {
        let Some(above) = self.knots.iter().position(|&(_, known)| known > rank.max(0.0)) else {
            return f64::INFINITY;
        };
        let ((low, from), (high, to)) = (self.knots[above - 1], self.knots[above]);
        if to == 1.0 {
            return f64::INFINITY;
        }
        let part = (scale(rank.max(0.0)) - scale(from)) / (scale(to) - scale(from));
        row[low] + part * (row[high] - row[low])
    }
}
