//! What happened when a deployment ran, simulated or measured: the one record that both producers return.

use serde::{Deserialize, Serialize};

use crate::intervals::{Batch, error_of_ratio};
use crate::{Histogram, Span};

/// The five parts of a request [ns]. They add up to its latency exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parts {
    /// Work at the endpoint before the first transfer, waiting for the endpoint's processor included.
    pub prepare: u64,
    /// All transfers towards the target, waiting for the link included.
    pub uplink: u64,
    /// All waiting for a processor at the target.
    pub queue: u64,
    /// All service at the target.
    pub process: u64,
    /// The way back.
    pub downlink: u64,
}

impl Parts {
    /// In the order in which they happen.
    pub const NAMES: [&'static str; 5] = ["prepare", "uplink", "queue", "process", "downlink"];

    /// From emission to the result's return [ns].
    pub fn latency(&self) -> u64 {
        self.to_array().iter().sum()
    }

    /// In the order of [`Self::NAMES`].
    pub fn to_array(&self) -> [u64; 5] {
        [self.prepare, self.uplink, self.queue, self.process, self.downlink]
    }
}

/// One request, as a row of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request {
    /// When it was emitted [ns].
    pub emitted: u64,
    /// Number of the endpoint, from 0.
    pub endpoint: u32,
    /// Number of the request at that endpoint, from 0.
    pub index: u64,
    /// Number of the target node, from 0.
    pub node: u32,
    /// Its parts; nothing if it was dropped.
    pub parts: Option<Parts>,
}

/// What an endpoint asks for, before anything has served it: so that a run can be repeated, or carried out
/// elsewhere, with the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// When it is emitted [ns].
    pub emitted: u64,
    /// The target node that it goes to; nothing if that is decided when it arrives.
    pub node: Option<u32>,
    /// Work at the endpoint before it is sent [CPU ns at the endpoint].
    pub prepare: u64,
    /// Size of what is sent [byte].
    pub frame_bytes: u64,
    /// Work at the target [CPU ns there].
    pub process: u64,
    /// Size of the answer [byte].
    pub result_bytes: u64,
}

/// What made a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The station engine: exact, no event list.
    Stations,
    /// The event engine: general.
    Events,
    /// Real infrastructure.
    Measured,
}

/// What became of the requests emitted in the observed span.
/// `offered = completed + dropped + unfinished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Emitted.
    pub offered: u64,
    /// Came back, however late.
    pub completed: u64,
    /// Refused by a full queue.
    pub dropped: u64,
    /// Still under way when the record was closed.
    pub unfinished: u64,
    /// Completed later than the deadline.
    pub late: u64,
    /// Of all requests ever emitted, those that came back within the observed span.
    pub returned: u64,
    /// Of all requests ever emitted, those dropped within the observed span.
    pub refused: u64,
}

/// The use of one tier's processors in the observed span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TierUse {
    /// The tier.
    pub name: String,
    /// CPU time used by all its nodes [ns].
    pub busy_ns: u128,
    /// CPU time that cores and quota would have allowed [ns].
    pub allowed_ns: f64,
    /// Energy of all its nodes over the observed span [J]; nothing where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_j: Option<f64>,
}

impl TierUse {
    /// Between 0 and 1.
    pub fn utilization(&self) -> f64 {
        if self.allowed_ns > 0.0 { self.busy_ns as f64 / self.allowed_ns } else { 0.0 }
    }
}

/// Batches of equal length in time that the intervals are made from.
const BATCHES: usize = 32;

/// The five parts and the latency of all requests emitted in the observed span, in constant memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    from: u64,
    until: u64,
    /// 2^64 / length of a batch.
    per_batch: u64,
    parts: [Histogram; 5],
    latency: Vec<Histogram>,
    squares: u128,
}

/// Completed requests, one column per quantity, for [`Recording::record_all`].
#[derive(Clone, Debug)]
pub struct Completed {
    n: usize,
    emitted: Box<[u64; Completed::CAPACITY]>,
    /// The five parts and, last, their sum.
    spans: [Box<[u64; Completed::CAPACITY]>; 6],
    /// Scratch space of [`Histogram::record_all`].
    indices: Vec<u32>,
}

impl Default for Completed {
    fn default() -> Self {
        let column = || Box::new([0; Completed::CAPACITY]);
        Completed { n: 0, emitted: column(), spans: std::array::from_fn(|_| column()), indices: Vec::new() }
    }
}

impl Completed {
    /// How many requests fit; a power of two.
    pub const CAPACITY: usize = 1024;

    /// Adds a request; there must be room. Returns whether there is none left now.
    #[inline(always)]
    pub fn push(&mut self, emitted: u64, parts: &Parts) -> bool {
        // The remainder tells the compiler that the index is in range.
        let i = self.n % Self::CAPACITY;
        self.emitted[i] = emitted;
        let [prepare, uplink, queue, process, downlink] = parts.to_array();
        let spans = [prepare, uplink, queue, process, downlink, parts.latency()];
        for (column, span) in self.spans.iter_mut().zip(spans) {
            column[i] = span;
        }
        self.n += 1;
        self.n == Self::CAPACITY
    }
}

impl Recording {
    /// Observes requests emitted in `from..until` [ns].
    pub fn new(from: u64, until: u64) -> Self {
        assert!(from < until, "there is something to observe");
        let batch = (until - from).div_ceil(BATCHES as u64).max(1);
        Recording {
            from,
            until,
            per_batch: u64::MAX / batch,
            parts: std::array::from_fn(|_| Histogram::new()),
            latency: (0..BATCHES).map(|_| Histogram::new()).collect(),
            squares: 0,
        }
    }

    /// Whether a request emitted then is part of the record.
    #[inline(always)]
    pub fn observes(&self, emitted: u64) -> bool {
        self.from <= emitted && emitted < self.until
    }

    /// The observed span.
    pub fn window(&self) -> Span {
        Span::from_nanos(self.until - self.from)
    }

    /// The observed span's two ends [ns].
    pub fn bounds(&self) -> (u64, u64) {
        (self.from, self.until)
    }

    #[inline(always)]
    fn batch(&self, emitted: u64) -> usize {
        let scaled = u128::from(emitted - self.from) * u128::from(self.per_batch);
        ((scaled >> 64) as usize).min(BATCHES - 1)
    }

    /// Records a completed request; ignores it if it is not observed.
    pub fn record(&mut self, emitted: u64, parts: &Parts) {
        if !self.observes(emitted) {
            return;
        }
        for (histogram, value) in self.parts.iter_mut().zip(parts.to_array()) {
            histogram.record(value);
        }
        let latency = parts.latency();
        let batch = self.batch(emitted);
        self.latency[batch].record(latency);
        self.squares += u128::from(latency) * u128::from(latency);
    }

    /// Records completed requests and takes them out. All are observed, and their latencies are less than
    /// 2^48 ns; the same as [`Self::record`] on each.
    #[inline(always)]
    pub fn record_all(&mut self, completed: &mut Completed) {
        let Completed { n, emitted, spans, indices } = completed;
        let n = std::mem::take(n).min(Completed::CAPACITY);
        for (part, values) in spans[..5].iter().enumerate() {
            self.record_part(part, &values[..n], indices);
        }
        self.record_latency(&emitted[..n], &spans[5][..n], indices);
    }

    /// Records one part, in the order of [`Parts::NAMES`], of observed requests; each is less than 2^48 ns.
    /// For engines that know the parts at different times: in the end every part of every request must be
    /// recorded, and its latency by [`Self::record_latency`].
    #[inline(always)]
    pub fn record_part(&mut self, part: usize, values: &[u64], indices: &mut Vec<u32>) {
        self.parts[part].record_all(values, indices);
    }

    /// Records latencies [ns] below 2^48 of observed requests that were emitted then.
    #[inline(always)]
    pub fn record_latency(&mut self, emitted: &[u64], latency: &[u64], indices: &mut Vec<u32>) {
        let n = emitted.len();
        // Requests come nearly in order of emission, so runs of one batch are long.
        let mut start = 0;
        while start < n {
            let batch = self.batch(emitted[start]);
            let length = emitted[start..].iter().take_while(|&&at| self.batch(at) == batch).count();
            self.latency[batch].record_all(&latency[start..start + length], indices);
            start += length;
        }
        self.squares += latency.iter().map(|&x| u128::from(x) * u128::from(x)).sum::<u128>();
    }

    /// Adds what another recording of the same span holds.
    pub fn merge(&mut self, other: &Recording) {
        assert_eq!(self.bounds(), other.bounds(), "both observe the same span");
        self.parts.iter_mut().zip(&other.parts).for_each(|(a, b)| a.merge(b));
        self.latency.iter_mut().zip(&other.latency).for_each(|(a, b)| a.merge(b));
        self.squares += other.squares;
    }

    /// One of the five parts, in the order of [`Parts::NAMES`].
    pub fn part(&self, number: usize) -> &Histogram {
        &self.parts[number]
    }

    /// The latencies of all recorded requests.
    pub fn latency(&self) -> Histogram {
        let mut all = Histogram::new();
        self.latency.iter().for_each(|batch| all.merge(batch));
        all
    }

    /// Standard deviation of the latency [ns], exact.
    pub fn latency_sd(&self) -> f64 {
        let n: u64 = self.latency.iter().map(Histogram::count).sum();
        let sum: u128 = self.latency.iter().map(Histogram::sum).sum();
        if n == 0 {
            return f64::NAN;
        }
        // n * squares - sum^2 overflows u128 only beyond 1e10 requests of minutes; floats take over there.
        let spread = match (self.squares.checked_mul(u128::from(n)), sum.checked_mul(sum)) {
            (Some(a), Some(b)) => (a - b) as f64,
            _ => (self.squares as f64 * n as f64 - sum as f64 * sum as f64).max(0.0),
        };
        spread.sqrt() / n as f64
    }

    /// 95 % interval of the mean latency [ns]; nothing if there are too few requests.
    pub fn mean_interval(&self) -> Option<[f64; 2]> {
        let batches: Vec<Batch> =
            self.latency.iter().map(|b| Batch { total: b.sum() as f64, n: b.count() as f64 }).collect();
        let [below, above] = error_of_ratio(&batches)?;
        let mean = self.latency().mean();
        Some([(mean - above).max(0.0), mean + below])
    }

    /// 95 % interval of a quantile of the latency [ns]; nothing if there are too few requests.
    pub fn quantile_interval(&self, p: f64) -> Option<[f64; 2]> {
        let all = self.latency();
        let value = all.quantile(p);
        let batches: Vec<Batch> =
            self.latency.iter().map(|b| Batch { total: b.count_to(value), n: b.count() as f64 }).collect();
        // The share at or below the true quantile is `p` in truth; in this run it may be less or more.
        let [below, above] = error_of_ratio(&batches)?;
        Some([all.quantile((p - below).max(0.0)).min(value), all.quantile((p + above).min(1.0)).max(value)])
    }
}

/// A run of one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`crate::Deployment::id`].
    pub deployment: String,
    /// Seed of all chance in it.
    pub seed: u64,
    /// Name and hash of the model parameters; empty for a measured run.
    pub models: String,
    /// What made it.
    pub engine: Engine,
    /// The requests' times.
    pub recording: Recording,
    /// The requests' fates.
    pub counts: Counts,
    /// Use of the tiers that take part.
    pub tiers: Vec<TierUse>,
    /// Demand divided by what the workers can use, of the busiest target node; may exceed 1.
    pub load: f64,
    /// Whether all queues without a limit stay finite.
    pub stable: bool,
    /// The resource with the highest load.
    pub bottleneck: String,
    /// Energy of all participating nodes over the observed span [J]; nothing where it is not known.
    pub energy_j: Option<f64>,
    /// Price of all participating nodes [USD/h].
    pub cost_usd_per_hour: f64,
    /// What a reader must know before trusting the numbers.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(seed: u64) -> Parts {
        Parts { prepare: seed % 7, uplink: seed % 11, queue: seed * seed % 1_000, process: 500, downlink: 3 }
    }

    #[test]
    fn recording_many_is_the_same_as_recording_each() {
        let (mut one_by_one, mut at_once) = (Recording::new(100, 900), Recording::new(100, 900));
        let mut columns = Completed::default();
        for emitted in 0..1_000u64 {
            one_by_one.record(emitted, &parts(emitted));
            if at_once.observes(emitted) {
                columns.push(emitted, &parts(emitted));
            }
        }
        at_once.record_all(&mut columns);
        assert_eq!(one_by_one, at_once);
        assert_eq!(one_by_one.latency().count(), 800);
    }

    #[test]
    fn the_standard_deviation_of_two_values_is_half_their_distance() {
        let mut recording = Recording::new(0, 10);
        recording.record(1, &Parts { process: 4, ..Parts::default() });
        recording.record(2, &Parts { process: 10, ..Parts::default() });
        assert_eq!(recording.latency_sd(), 3.0);
    }

    #[test]
    fn batches_divide_the_observed_span_evenly() {
        let recording = Recording::new(1_000, 33_000);
        assert_eq!(recording.batch(1_000), 0);
        assert_eq!(recording.batch(32_999), 31);
        assert_eq!((recording.batch(17_500), recording.batch(16_500)), (16, 15));
    }
}
