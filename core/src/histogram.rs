//! Log-linear histogram of whole nanoseconds.
//!
//! Every octave has 256 buckets, so a bucket is at most 0.4 % wide; below 256 ns each value has its own.
//! Counts and sums are integers: merging is exact in any order, which sums of floats and t-digests are not.

use serde::{Deserialize, Serialize};

const SUB_BITS: u32 = 8;
/// Bits of 1.0, the value that stands for 0 ns.
const FIRST: u64 = 1023 << SUB_BITS;
/// Values from 2^52 ns (52 days) on share the last bucket; their sum and extremes stay exact.
const OCTAVES: u32 = 52;
const BUCKETS: usize = (OCTAVES << SUB_BITS) as usize;
const LARGEST: u64 = (1 << OCTAVES) - 2;

/// The bucket of a value. `value + 1` is exact as a float, and its exponent and leading digits are the
/// bucket's number; adding 2^52 to the bits and subtracting it as a float converts without a branch.
#[inline(always)]
fn bucket(value: u64) -> usize {
    bucket_of_small(value.min(LARGEST))
}

/// The same for values up to [`LARGEST`].
#[inline(always)]
fn bucket_of_small(value: u64) -> usize {
    const MAGIC: u64 = 0x4330_0000_0000_0000; // the bits of 2^52
    let shifted = f64::from_bits((value + 1) | MAGIC) - 4_503_599_627_370_496.0;
    ((shifted.to_bits() >> (52 - SUB_BITS)) - FIRST) as usize
}

/// The smallest value of a bucket [ns].
fn lower_edge(bucket: usize) -> f64 {
    f64::from_bits((bucket as u64 + FIRST) << (52 - SUB_BITS)) - 1.0
}

/// How often each span occurred, within 0.4 %, with exact count, sum, minimum and maximum.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
    n: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Histogram { counts: vec![0; BUCKETS], n: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Records one span [ns].
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.n += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Records many spans [ns], each less than 2^48 (78 hours); the same as [`Self::record`] on each.
    ///
    /// `indices` is scratch space: first all bucket numbers, which vectorizes, then all increments, which
    /// cannot.
    #[inline(always)]
    pub fn record_all(&mut self, values: &[u64], indices: &mut Vec<u32>) {
        // Sixteen bits of head-room: 2^16 values below 2^48 cannot overflow a sum.
        for block in values.chunks(1 << 16) {
            indices.resize(block.len(), 0);
            // Signed, because that is the comparison that vector units have.
            let (mut sum, mut min, mut max) = (0u64, self.min.min(i64::MAX as u64) as i64, self.max as i64);
            for (index, &value) in indices.iter_mut().zip(block) {
                *index = bucket_of_small(value) as u32;
                sum = sum.wrapping_add(value);
                min = if (value as i64) < min { value as i64 } else { min };
                max = if (value as i64) > max { value as i64 } else { max };
            }
            let counts: &mut [u64; BUCKETS] =
                self.counts.as_mut_slice().try_into().expect("the length is BUCKETS");
            for &i in indices.iter() {
                counts[(i as usize).min(BUCKETS - 1)] += 1;
            }
            self.n += block.len() as u64;
            self.sum += u128::from(sum);
            (self.min, self.max) = (min as u64, max as u64);
        }
    }

    /// Adds what another histogram holds.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.n += other.n;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many spans were recorded.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// Their sum [ns].
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The shortest [ns]; 0 if there is none.
    pub fn min(&self) -> u64 {
        if self.n == 0 { 0 } else { self.min }
    }

    /// The longest [ns].
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean [ns], exact; not a number if nothing was recorded.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.n as f64
    }

    /// The value [ns] below which a share `p` of the spans lies, interpolated within its bucket and never
    /// outside the extremes. Not a number if nothing was recorded.
    pub fn quantile(&self, p: f64) -> f64 {
        self.spread().quantiles([p])[0]
    }

    /// How many spans lie at or below `value` [ns], with the bucket that holds it divided in proportion:
    /// the inverse of [`Self::quantile`].
    pub fn count_to(&self, value: f64) -> f64 {
        let mut below = 0;
        for (b, &here) in self.counts.iter().enumerate().filter(|(_, here)| **here > 0) {
            let (low, high) = (lower_edge(b), lower_edge(b + 1));
            if value < high {
                return below as f64 + here as f64 * ((value - low) / (high - low)).clamp(0.0, 1.0);
            }
            below += here;
        }
        below as f64
    }

    /// Mean [ns] of the values of rank `from..to` in ascending order, each taken as the middle of its bucket.
    pub fn mean_of_ranks(&self, from: u64, to: u64) -> f64 {
        self.spread().mean_of_ranks(from, to)
    }

    /// The distribution function as points: a span [ns] and the share of all that is at most so long, in rising order.
    /// Every half percent up to 0.9, then ever finer towards 1, as far as a span stands for it. Empty if nothing was
    /// recorded.
    pub fn distribution(&self) -> Vec<(f64, f64)> {
        let body = (0..=180).map(|step| f64::from(step) * 0.005);
        // 0.9 to 0.99999 in equal steps of the logarithm of what is missing to 1: twentieths of a decade.
        const STEP: f64 = 0.891_250_938_133_745_6;
        let tail = std::iter::successors(Some(0.1 * STEP), |missing| Some(missing * STEP)).take(80);
        let told = body.chain(tail.map(|missing| 1.0 - missing));
        // A share that no span stands for says nothing; rounding must not take the last one away.
        let told = told.filter(|share| (1.0 - share) * self.n as f64 >= 1.0 - 1e-9);
        told.map(|share| (self.quantile(share), share)).collect()
    }

    fn spread(&self) -> Spread<'_, u64> {
        Spread { first: 0, counts: &self.counts, n: self.n, min: self.min as f64, max: self.max as f64 }
    }
}

/// How spans are spread over some of the buckets: what quantiles are read from, for those who count themselves.
#[derive(Clone, Copy, Debug)]
pub struct Spread<'c, T> {
    /// Number of the first bucket of `counts`; nothing lies outside them.
    pub first: usize,
    /// How many spans each bucket holds.
    pub counts: &'c [T],
    /// Their sum.
    pub n: u64,
    /// The shortest span [ns].
    pub min: f64,
    /// The longest span [ns].
    pub max: f64,
}

impl<T: Copy + Into<u64>> Spread<'_, T> {
    /// Number of the bucket of a span of whole ns below 2^52: the same bucket as [`Histogram::record`]'s.
    #[inline(always)]
    pub fn bucket(span: f64) -> u64 {
        ((span + 1.0).to_bits() >> (52 - SUB_BITS)).wrapping_sub(FIRST)
    }

    /// The smallest value of a bucket [ns].
    pub fn lower_edge(bucket: usize) -> f64 {
        lower_edge(bucket)
    }

    /// [`Histogram::quantile`] of several ascending probabilities at once.
    pub fn quantiles<const N: usize>(&self, p: [f64; N]) -> [f64; N] {
        if self.n == 0 {
            return [f64::NAN; N];
        }
        // At least one: even the smallest share reaches the first value.
        let target = p.map(|p| (p * self.n as f64).clamp(1.0, self.n as f64));
        let mut found = [self.max; N];
        let (mut next, mut below) = (0, 0u64);
        for (i, &here) in self.counts.iter().enumerate() {
            let here: u64 = here.into();
            while next < N && here > 0 && (below + here) as f64 >= target[next] {
                let share = (target[next] - below as f64) / here as f64;
                let (low, high) = (lower_edge(self.first + i), lower_edge(self.first + i + 1));
                found[next] = (low + (high - low) * share).clamp(self.min, self.max);
                next += 1;
            }
            if next == N {
                break;
            }
            below += here;
        }
        found
    }

    /// [`Histogram::mean_of_ranks`].
    pub fn mean_of_ranks(&self, from: u64, to: u64) -> f64 {
        let (mut below, mut sum) = (0u64, 0.0);
        for (i, &here) in self.counts.iter().enumerate() {
            let here: u64 = here.into();
            if here == 0 {
                continue;
            }
            let taken = (below + here).min(to).saturating_sub(below.max(from));
            let middle = (lower_edge(self.first + i) + lower_edge(self.first + i + 1)) / 2.0;
            sum += taken as f64 * middle.clamp(self.min, self.max);
            below += here;
        }
        sum / (to - from) as f64
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.n == other.n && self.sum == other.sum && self.counts == other.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_have_buckets_of_their_own_and_large_ones_one_of_four_permille() {
        for value in 0..500 {
            assert_ne!(bucket(value), bucket(value + 1), "{value}");
            if value > 300 {
                break;
            }
        }
        for value in [0, 1, 255, 256, 1_000_000, 123_456_789_012, LARGEST] {
            let b = bucket(value);
            assert!(lower_edge(b) <= value as f64 && (value as f64) < lower_edge(b + 1), "{value}");
            assert!((lower_edge(b + 1) - lower_edge(b)) <= (value as f64 + 1.0) / 256.0 + 1e-9, "{value}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_hundred_equal_spans_have_that_span_at_every_quantile() {
        let mut histogram = Histogram::new();
        (0..100).for_each(|_| histogram.record(146_300_000));
        for p in [0.0, 0.01, 0.5, 0.999, 1.0] {
            assert_eq!(histogram.quantile(p), 146_300_000.0);
        }
        assert_eq!(histogram.mean(), 146_300_000.0);
    }

    #[test]
    fn quantiles_agree_with_sorting_within_a_bucket() {
        let mut values: Vec<u64> = (0..10_000u64).map(|i| i * i % 99_991 * 1_000).collect();
        let (mut one_by_one, mut at_once) = (Histogram::new(), Histogram::new());
        values.iter().for_each(|&value| one_by_one.record(value));
        at_once.record_all(&values, &mut Vec::new());
        assert_eq!(one_by_one, at_once);
        values.sort_unstable();
        for p in [0.05, 0.5, 0.9, 0.99, 0.999] {
            let exact = values[(p * 10_000.0) as usize - 1] as f64;
            assert!((one_by_one.quantile(p) / exact - 1.0).abs() < 0.004, "p = {p}");
            let count = one_by_one.count_to(one_by_one.quantile(p));
            assert!((count / 10_000.0 - p).abs() < 1e-9, "p = {p}: {count}");
        }
        let slice = &values[500..9_000];
        let exact = slice.iter().sum::<u64>() as f64 / slice.len() as f64;
        assert!((one_by_one.mean_of_ranks(500, 9_000) / exact - 1.0).abs() < 1e-3);
    }

    #[test]
    fn the_distribution_rises_to_what_the_last_span_stands_for() {
        let mut histogram = Histogram::new();
        assert!(histogram.distribution().is_empty());
        (1..=1_000u64).for_each(|value| histogram.record(value * 1_000));
        let points = histogram.distribution();
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 < pair[1].1));
        let (longest, most) = points[points.len() - 1];
        // One of a thousand is longer than that.
        assert!(
            (most - 0.999).abs() < 1e-9 && (longest / 999_000.0 - 1.0).abs() < 0.004,
            "{longest} at {most}"
        );
        let (half, _) = points.iter().find(|(_, share)| *share == 0.5).expect("it is one of them");
        assert!((half / 500_000.0 - 1.0).abs() < 0.004, "{half}");
    }

    #[test]
    fn merging_is_the_same_in_any_order() {
        let part = |from: u64| {
            let mut histogram = Histogram::new();
            (from..from + 100).for_each(|value| histogram.record(value * 7_919));
            histogram
        };
        let (mut a, mut b) = (part(0), part(1_000));
        a.merge(&part(1_000));
        b.merge(&part(0));
        assert_eq!(a, b);
        assert_eq!((a.count(), a.min(), a.max()), (200, 0, 1_099 * 7_919));
    }
}
