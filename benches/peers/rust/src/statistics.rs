//! The five parts of all requests and the total, as six histograms.

use crate::Request;

/// What a run prints.
pub struct Statistics {
    /// Prepare, uplink, queue, process, downlink, total.
    histograms: [Histogram; 6],
}

impl Statistics {
    /// Nothing received yet.
    #[expect(clippy::new_without_default, reason = "six allocations are no default")]
    pub fn new() -> Self {
        Statistics { histograms: std::array::from_fn(|_| Histogram::new()) }
    }

    /// Files a request whose answer is back `now`.
    pub fn receive(&mut self, r: &Request, now: f64) {
        let instants = [r.emitted, r.prepared, r.arrived, r.started, r.processed, now];
        for (part, edge) in self.histograms.iter_mut().zip(instants.windows(2)) {
            part.add(edge[1] - edge[0]);
        }
        self.histograms[5].add(now - r.emitted);
    }

    /// Prints the line that `measure.py` reads.
    pub fn print(&self) {
        let (queue, total) = (&self.histograms[2], &self.histograms[5]);
        println!(
            "requests={} wait_ms={:.4} p99_ms={:.3} total_ms={:.3}",
            total.n,
            queue.mean() * 1e3,
            queue.quantile(0.99) * 1e3,
            total.mean() * 1e3
        );
    }
}

/// Log-linear counts, 64 buckets per octave: the exponent and the first six bits of the fraction.
struct Histogram {
    counts: Vec<u32>,
    n: u64,
    sum: f64,
}

/// Number of the bucket that starts at 2^-30 s; all that is shorter is filed there.
const FIRST: u64 = (1023 - 30) << 6;

const OCTAVES: usize = 40;

impl Histogram {
    fn new() -> Self {
        Histogram { counts: vec![0; OCTAVES << 6], n: 0, sum: 0.0 }
    }

    fn add(&mut self, x: f64) {
        let bucket = (x.max(0.0).to_bits() >> 46).saturating_sub(FIRST) as usize;
        let last = self.counts.len() - 1;
        self.counts[bucket.min(last)] += 1;
        self.n += 1;
        self.sum += x;
    }

    fn mean(&self) -> f64 {
        self.sum / self.n as f64
    }

    /// Interpolated within its bucket.
    fn quantile(&self, p: f64) -> f64 {
        let target = (p * self.n as f64).ceil() as u64;
        let edge = |bucket: usize| f64::from_bits((bucket as u64 + FIRST) << 46);
        let mut below = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            let count = u64::from(count);
            if count > 0 && below + count >= target {
                let share = (target - below) as f64 / count as f64;
                return edge(bucket) + (edge(bucket + 1) - edge(bucket)) * share;
            }
            below += count;
        }
        f64::NAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_bucket_of_the_sorted_value() {
        let mut histogram = Histogram::new();
        for i in 1..=1000 {
            histogram.add(f64::from(i) * 1e-3);
        }
        assert!((histogram.quantile(0.99) / 0.990 - 1.0).abs() < 1.0 / 64.0);
        assert!((histogram.mean() - 0.5005).abs() < 1e-12);
    }

    #[test]
    fn no_wait_is_filed_in_the_first_bucket() {
        let mut histogram = Histogram::new();
        histogram.add(0.0);
        assert_eq!(histogram.counts[0], 1);
    }
}
