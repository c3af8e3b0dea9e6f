//! Any distribution at the price of two table look-ups: from a random word to whole nanoseconds or bytes.
//!
//! A 32-bit word names a side (its top bit) and a tail probability `v = (1 + low 31 bits) / 2^32` in (0, 1/2].
//! The grid over `v` is log-linear: 32 octaves of 32 cells on each side, so that the far tail is resolved as
//! finely as the middle. Within a cell the quantile function is a straight line
//!
//! ```text
//! x(v) = offset + slope v + base,  cell mean of x = cell mean of the quantile function
//! ```
//!
//! whose slope is that of least squares, made flatter where it would leave the cell's own range. So a table is
//! monotone in the probability up to the last bit of `f32`, never leaves the support, and has the mean of its
//! distribution. Values that are all equal, or recorded, need no table.
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | v | tail probability | 1 | 2^-32 to 1/2 |
//! | x | value | ns or byte | 0 to 2^51 (26 days, 2 PB); above, it is cut there |
//! | offset | smallest value, so that `f32` holds differences only | ns or byte | whole |
//!
//! Error against the distribution: mean below 1e-6, coefficient of variation below 1e-3 for lognormal and gamma
//! of cv up to 3 (tests below). Left out: what is rarer than 2^-32, which for cv above 3 is a visible part of
//! the variance; detail finer than 1/128 in probability in the middle (recorded values are exact instead).
//!
//! Sources: tables by inversion, L. Devroye, Non-Uniform Random Variate Generation, 1986, section II.2; bursts:
//! A. Kuczura, The interrupted Poisson process as an overflow process, Bell System Technical Journal 52, 1973.

use std::ops::Range;
use std::sync::Arc;

use libm::{exp, expm1, log, log1p, sqrt};
use offing_core::{Distribution, Span};

use crate::distribution::{corners, quantile};
use crate::special::normal_quantile;

/// Bits of `f32` mantissa that number the cells of an octave.
const CELL_BITS: u32 = 5;
/// Cells on one side.
const CELLS: usize = 32 << CELL_BITS;
/// Number, among all cells of `f32`, of the one that starts at 2^-32.
const FIRST: u32 = (127 - 32) << CELL_BITS;
/// Words on one side.
const WORDS: u32 = 1 << 31;
/// Probability of one word.
const WORD: f64 = 1.0 / 4_294_967_296.0;
/// Added to an `f64` below 2^51 in size, it leaves the nearest whole number in the low bits (ties to even). A
/// cast would saturate, which costs more than the rest of the sample.
const WHOLE: f64 = 6_755_399_441_055_744.0;
/// Values above are cut here: a little less than 2^51, so that the rounding of `f32` stays below it.
const LARGEST: f64 = 2_251_798_000_000_000.0;

/// A distribution, ready to be sampled.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Always this value.
    Constant(u64),
    /// Lines over a grid of tail probabilities.
    Table(Arc<QuantileTable>),
    /// Equally likely values, ascending.
    Values(Box<[u64]>),
}

impl Sampler {
    /// A sampler of `distribution` in whole units of `1 / unit`: 1e9 makes nanoseconds of seconds, 1 leaves
    /// bytes as they are.
    pub fn new(distribution: &Distribution, unit: f64) -> Self {
        match distribution {
            Distribution::Constant(value) => Sampler::Constant(round(value * unit)),
            Distribution::Empirical { values, .. } => {
                let values: Box<[u64]> = values.iter().map(|value| round(value * unit)).collect();
                let first = values[0];
                if values.iter().all(|&value| value == first) {
                    Sampler::Constant(first)
                } else {
                    Sampler::Values(values)
                }
            }
            _ => Self::table(|p, q| unit * quantile(distribution, p, q), &corners(distribution)),
        }
    }

    /// Nanoseconds between the arrivals of a Poisson process; also the time to the first one.
    pub fn poisson_gap(rate_hz: f64) -> Self {
        Self::new(&Distribution::Exponential { mean: 1.0 / rate_hz }, 1e9)
    }

    /// Nanoseconds between the arrivals of a process that is Poisson during exponential bursts and silent
    /// between them; `rate_hz` is the mean over both.
    ///
    /// The gaps are independent and hyperexponential (Kuczura 1973): with `a = rate (on + off)/on`,
    /// `b = 1/on`, `c = 1/off`, `P(gap > t) = w e^(-f t) + (1 - w) e^(-s t)`, where `f` and `s` are the larger
    /// and the smaller root of `r^2 - (a + b + c) r + a c` and `w = (a - s)/(f - s)`.
    pub fn burst_gap(rate_hz: f64, on: Span, off: Span) -> Self {
        match Gap::of_bursts(rate_hz, on, off) {
            Some(gap) => Self::table(|p, q| 1e9 * gap.quantile(p, q), &[]),
            None => Self::poisson_gap(rate_hz),
        }
    }

    /// Nanoseconds from an instant picked at random to the next arrival of the same process: what remains of a
    /// gap, with tail `integral of P(gap > u) from t on / mean gap`. A run that starts with it is stationary.
    pub fn burst_first_gap(rate_hz: f64, on: Span, off: Span) -> Self {
        match Gap::of_bursts(rate_hz, on, off) {
            Some(gap) => {
                let rest = gap.residual();
                Self::table(|p, q| 1e9 * rest.quantile(p, q), &[])
            }
            None => Self::poisson_gap(rate_hz),
        }
    }

    /// The value for a random word. Equal words give equal values on every platform.
    #[inline(always)]
    pub fn sample(&self, word: u32) -> u64 {
        match self {
            Sampler::Constant(value) => *value,
            Sampler::Table(table) => table.sample(word),
            Sampler::Values(values) => values[pick(word, values.len())],
        }
    }

    /// [`Sampler::sample`] of each word; both slices have the same length.
    #[inline(always)]
    pub fn fill(&self, words: &[u32], out: &mut [u64]) {
        assert_eq!(words.len(), out.len(), "one word per value");
        match self {
            Sampler::Constant(value) => out.fill(*value),
            Sampler::Table(table) => table.fill(words, out),
            Sampler::Values(values) => {
                for (value, &word) in out.iter_mut().zip(words) {
                    *value = values[pick(word, values.len())];
                }
            }
        }
    }

    /// The smallest value over all words.
    pub fn minimum(&self) -> u64 {
        match self {
            Sampler::Constant(value) => *value,
            Sampler::Table(table) => table.minimum,
            Sampler::Values(values) => values[0],
        }
    }

    /// The largest value over all words.
    pub fn maximum(&self) -> u64 {
        match self {
            Sampler::Constant(value) => *value,
            Sampler::Table(table) => table.maximum,
            Sampler::Values(values) => values[values.len() - 1],
        }
    }

    /// The value, if it is always the same; then no random word needs to be spent.
    pub fn is_constant(&self) -> Option<u64> {
        match self {
            Sampler::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether every value is zero.
    pub fn is_zero(&self) -> bool {
        self.is_constant() == Some(0)
    }

    /// A hash of every bit that can reach a sample, to notice a platform that computes another table.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Sampler::Constant(value) => fnv(std::iter::once(*value)),
            Sampler::Table(table) => {
                fnv(std::iter::once(table.offset).chain(table.lines.iter().map(|line| line.0)))
            }
            Sampler::Values(values) => fnv(values.iter().copied()),
        }
    }

    /// A table of `quantile(p, 1 - p)`; a constant where every word gives the same.
    fn table(quantile: impl Fn(f64, f64) -> f64, corners: &[f64]) -> Self {
        let table = QuantileTable::new(quantile, corners);
        if table.minimum == table.maximum {
            Sampler::Constant(table.minimum)
        } else {
            Sampler::Table(Arc::new(table))
        }
    }
}

/// The lines of both tails. See the head of the module.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileTable {
    lines: [Line; 2 * CELLS],
    offset: u64,
    minimum: u64,
    maximum: u64,
}

impl QuantileTable {
    /// Tabulates `quantile(p, 1 - p)`, which has corners at the probabilities `corners`.
    fn new(quantile: impl Fn(f64, f64) -> f64, corners: &[f64]) -> Self {
        let smallest = quantile(0.5 * WORD, 1.0 - 0.5 * WORD).clamp(0.0, LARGEST).floor();
        let mut table = QuantileTable {
            lines: [Line::default(); 2 * CELLS],
            offset: smallest as u64,
            minimum: u64::MAX,
            maximum: 0,
        };
        for side in 0..2 {
            let value = |v: f64| {
                let value = if side == 0 { quantile(v, 1.0 - v) } else { quantile(1.0 - v, v) };
                value.min(LARGEST) - smallest
            };
            let mut bends: Vec<f64> =
                corners.iter().map(|&p| if side == 0 { p } else { 1.0 - p }).filter(|&v| v < 0.5).collect();
            bends.sort_by(f64::total_cmp);
            for (cell, words) in cells() {
                table.lines[side * CELLS + cell] = Line::fit(&value, &bends, words.clone());
                // A line is monotone, so its extremes are at its first and last word.
                for word in [words.start, words.end - 1] {
                    let value = table.sample(word | (side as u32) << 31);
                    table.minimum = table.minimum.min(value);
                    table.maximum = table.maximum.max(value);
                }
            }
        }
        table
    }

    /// The value for a random word.
    #[inline(always)]
    fn sample(&self, word: u32) -> u64 {
        let v = tail(word);
        let i = cell(v) + CELLS * (word >> 31) as usize;
        self.offset.wrapping_add(whole(self.lines[i].at(v)) as u64)
    }

    /// [`Self::sample`] of each word, in three passes: only the look-ups in the middle do not vectorize.
    #[inline(always)]
    fn fill(&self, words: &[u32], out: &mut [u64]) {
        const BLOCK: usize = 64;
        let (mut tails, mut places, mut values) = ([0.0f32; BLOCK], [0u32; BLOCK], [0.0f32; BLOCK]);
        for (words, out) in words.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            for ((v, place), &word) in tails.iter_mut().zip(&mut places).zip(words) {
                *v = tail(word);
                *place = (cell(*v) + CELLS * (word >> 31) as usize) as u32;
            }
            for ((value, &v), &place) in values.iter_mut().zip(&tails).zip(&places).take(words.len()) {
                let i = place as usize % (2 * CELLS);
                *value = self.lines[i].at(v);
            }
            for (x, &value) in out.iter_mut().zip(&values) {
                *x = self.offset.wrapping_add(whole(value) as u64);
            }
        }
    }
}

/// Normal deviates around zero in whole nanoseconds. A word and the same word with its top bit turned give
/// opposite values, so that the mean is exactly zero.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalTable {
    lines: Box<[Line; CELLS]>,
    bound: u64,
}

impl NormalTable {
    /// Deviates of standard deviation `sd_ns` [ns], at least zero.
    pub fn new(sd_ns: f64) -> Self {
        assert!(sd_ns >= 0.0, "a standard deviation is not negative");
        let mut table = NormalTable { lines: Box::new([Line::default(); CELLS]), bound: 0 };
        if sd_ns > 0.0 {
            let value = |v: f64| (-sd_ns * normal_quantile(v, 1.0 - v)).min(LARGEST);
            for (cell, words) in cells() {
                table.lines[cell] = Line::fit(&value, &[], words.clone());
                for word in [words.start, words.end - 1] {
                    table.bound = table.bound.max(table.deviate(word).unsigned_abs());
                }
            }
        }
        table
    }

    /// The deviate for a random word [ns].
    #[inline(always)]
    pub fn deviate(&self, word: u32) -> i64 {
        let v = tail(word);
        let i = cell(v);
        let size = whole(self.lines[i].at(v));
        // The lower tail where the top bit is clear, as in every table; without a branch: -x = !x + 1.
        let sign = i64::from(!(word as i32 >> 31));
        (size ^ sign) - sign
    }

    /// The largest size of a deviate over all words [ns]: about 6.4 standard deviations.
    pub fn bound(&self) -> u64 {
        self.bound
    }

    /// A hash of every bit that can reach a deviate.
    pub fn fingerprint(&self) -> u64 {
        fnv(self.lines.iter().map(|line| line.0))
    }
}

/// The tail probability of a word.
#[inline(always)]
fn tail(word: u32) -> f32 {
    ((word & (WORDS - 1)) as i32 as f32 + 1.0) * (1.0 / 4_294_967_296.0)
}

/// The cell of a tail probability. It is in range from 2^-32 to 1/2; the mask only tells the compiler so.
#[inline(always)]
fn cell(v: f32) -> usize {
    ((v.to_bits() >> (23 - CELL_BITS)) - FIRST) as usize & (CELLS - 1)
}

/// The nearest whole number of a value below 2^51 in size.
#[inline(always)]
fn whole(x: f32) -> i64 {
    (f64::from(x) + WHOLE).to_bits() as i64 - WHOLE.to_bits() as i64
}

/// The index that a word picks among `count` equally likely ones.
#[inline(always)]
fn pick(word: u32, count: usize) -> usize {
    ((u64::from(word) * count as u64) >> 32) as usize
}

/// The nearest whole number, between zero and the largest value.
fn round(value: f64) -> u64 {
    libm::rint(value.clamp(0.0, LARGEST)) as u64
}

/// Each cell that has words, with the words of side 0 that fall into it.
fn cells() -> impl Iterator<Item = (usize, Range<u32>)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == WORDS {
            return None;
        }
        let number = cell(tail(start));
        // The cell of a word grows with the word: look for the first one beyond.
        let (mut inside, mut beyond) = (start, WORDS);
        while beyond - inside > 1 {
            let middle = inside + (beyond - inside) / 2;
            if cell(tail(middle)) == number { inside = middle } else { beyond = middle }
        }
        let words = start..beyond;
        start = beyond;
        Some((number, words))
    })
}

/// The line of one cell: the bits of the slope below those of the base, so that one load fetches both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Line(u64);

impl Line {
    /// The value at a tail probability.
    #[inline(always)]
    fn at(self, v: f32) -> f32 {
        self.slope() * v + self.base()
    }

    #[inline(always)]
    fn slope(self) -> f32 {
        f32::from_bits(self.0 as u32)
    }

    #[inline(always)]
    fn base(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }

    /// The line over the tail probabilities of `words` with the mean of `value` there. Word `w` stands for the
    /// probabilities from `w` to `w + 1` times 2^-32, so all cells together have the mean of the distribution.
    fn fit(value: &impl Fn(f64) -> f64, bends: &[f64], words: Range<u32>) -> Self {
        let (from, to) = (f64::from(words.start) * WORD, f64::from(words.end) * WORD);
        let middle = 0.5 * (from + to);
        let (mut sum, mut moment) = (0.0, 0.0);
        integrate(from, to, bends, &mut |v, weight| {
            let share = weight * value(v);
            sum += share;
            moment += share * (v - middle);
        });
        let width = to - from;
        let mean = sum / width;
        // The samples sit at the upper ends of their words' probabilities: half a word further.
        let centre = middle + 0.5 * WORD;
        let reach = 0.5 * (width - WORD);
        let mut slope = 0.0;
        if reach > 0.0 {
            let room = (mean - value(from.max(0.5 * WORD))).abs().min((value(to) - mean).abs());
            let steepest = room / reach;
            slope = (12.0 * moment / (width * width * width)).clamp(-steepest, steepest);
        }
        let mut slope = slope as f32;
        let mut base = (mean - f64::from(slope) * centre) as f32;
        let lowest = |slope: f32, base: f32| {
            let at = |word: u32| slope * tail(word) + base;
            at(words.start).min(at(words.end - 1))
        };
        if lowest(slope, base) < 0.0 {
            // Only the last bit of `f32` can lead here, at the foot of the distribution.
            (slope, base) = (0.0, mean.max(0.0) as f32);
        }
        Line(u64::from(base.to_bits()) << 32 | u64::from(slope.to_bits()))
    }
}

/// Calls `add(place, weight)` for the nodes of an integral over tail probabilities: Gauss-Legendre with four
/// nodes between corners, octave by octave where the range starts at zero and the function may be infinite.
fn integrate(from: f64, to: f64, bends: &[f64], add: &mut impl FnMut(f64, f64)) {
    if from == 0.0 {
        // Below 2^-80 lies less than 2^-48 of the range.
        const SMALLEST: f64 = 1.0 / 1_208_925_819_614_629_174_706_176.0;
        let mut high = to;
        while high > SMALLEST {
            integrate(0.5 * high, high, bends, add);
            high *= 0.5;
        }
        add(high, high);
        return;
    }
    let mut low = from;
    let first = bends.partition_point(|&bend| bend <= from);
    let inside = bends[first..].iter().copied().take_while(|&bend| bend < to);
    for high in inside.chain(std::iter::once(to)) {
        const NODES: [(f64, f64); 4] = [
            (-0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
            (-0.339_981_043_584_856_26, 0.652_145_154_862_546_1),
            (0.339_981_043_584_856_26, 0.652_145_154_862_546_1),
            (0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
        ];
        let (centre, half) = (0.5 * (low + high), 0.5 * (high - low));
        for (node, weight) in NODES {
            add(centre + half * node, half * weight);
        }
        low = high;
    }
}

/// A span that is exponential of rate `fast` with probability `weight`, else of rate `slow` [1/s].
#[derive(Clone, Copy, Debug)]
struct Gap {
    weight: f64,
    fast: f64,
    slow: f64,
}

impl Gap {
    /// The gap of an interrupted Poisson process; nothing if there are no interruptions.
    fn of_bursts(rate_hz: f64, on: Span, off: Span) -> Option<Self> {
        assert!(on > Span::ZERO, "a burst has a length");
        if off == Span::ZERO {
            return None;
        }
        let (on, off) = (on.as_secs_f64(), off.as_secs_f64());
        let (a, b, c) = (rate_hz * (on + off) / on, 1.0 / on, 1.0 / off);
        let sum = a + b + c;
        let fast = 0.5 * (sum + sqrt(sum * sum - 4.0 * a * c));
        let slow = a * c / fast;
        Some(Gap { weight: (a - slow) / (fast - slow), fast, slow })
    }

    /// What remains of such a gap at a random instant.
    fn residual(self) -> Self {
        let (fast, slow) = (self.weight / self.fast, (1.0 - self.weight) / self.slow);
        Gap { weight: fast / (fast + slow), ..self }
    }

    /// The span [s] that is exceeded with probability `q = 1 - p`: Newton's method from below, on `P(gap <= t)`
    /// (concave) in the lower half and on `ln P(gap > t)` (convex) in the upper, where it cannot overshoot.
    fn quantile(self, p: f64, q: f64) -> f64 {
        let (w, u) = (self.weight, 1.0 - self.weight);
        if q <= 0.0 {
            return f64::INFINITY;
        }
        let mut t = if p < q {
            p / (w * self.fast + u * self.slow)
        } else {
            // Each part alone is a bound from below.
            (log(w / q) / self.fast).max(log(u / q) / self.slow).max(0.0)
        };
        for _ in 0..200 {
            let (fast, slow) = (w * exp(-self.fast * t), u * exp(-self.slow * t));
            let density = fast * self.fast + slow * self.slow;
            let step = if p < q {
                let below = -(w * expm1(-self.fast * t) + u * expm1(-self.slow * t));
                (p - below) / density
            } else {
                let above = fast + slow;
                log1p((above - q) / q) * above / density
            };
            t += step;
            if step.abs() <= 1e-14 * t {
                break;
            }
        }
        t
    }
}

/// FNV-1a over the bytes of the words, least significant first.
fn fnv(words: impl Iterator<Item = u64>) -> u64 {
    words
        .flat_map(u64::to_le_bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::distribution::{cv, mean};

    const NS: f64 = 1e9;

    /// Mean and coefficient of variation over all words: each cell by at most 1024 of its words.
    fn moments(sampler: &Sampler) -> (f64, f64) {
        let least = sampler.minimum();
        let (mut sum, mut square) = (0.0, 0.0);
        for top in [0, WORDS] {
            for (_, words) in cells() {
                let count = f64::from(words.end - words.start);
                let tries = (words.end - words.start).min(1024);
                for i in 0..tries {
                    let place = (f64::from(i) + 0.5) / f64::from(tries) * count;
                    let value = (sampler.sample((words.start + place as u32) | top) - least) as f64;
                    let weight = count / f64::from(tries) * WORD;
                    sum += weight * value;
                    square += weight * value * value;
                }
            }
        }
        let mean = sum + least as f64;
        (mean, (square - sum * sum).sqrt() / mean)
    }

    /// The word of side 1 whose tail probability is `tail`.
    fn upper(tail: f64) -> u32 {
        ((tail / WORD) as u32 - 1) | WORDS
    }

    fn check(distribution: Distribution) {
        let sampler = Sampler::new(&distribution, NS);
        let (got_mean, got_cv) = moments(&sampler);
        let (mean, cv) = (NS * mean(&distribution), cv(&distribution));
        assert!((got_mean / mean - 1.0).abs() < 1e-6, "{distribution:?}: mean {got_mean}, not {mean}");
        assert!((got_cv / cv - 1.0).abs() < 1e-3, "{distribution:?}: cv {got_cv}, not {cv}");
    }

    #[test]
    fn half_of_the_words_of_an_exponential_are_below_its_median() {
        let sampler = Sampler::new(&Distribution::Exponential { mean: 0.008 }, NS);
        // 8 ms ln 2 = 5.545177 ms; 8 ms ln 100 = 36.841361 ms; 8 ms ln 1e6 = 110.524084 ms.
        let close = |word: u32, expected: f64| {
            let got = sampler.sample(word) as f64;
            assert!((got / expected - 1.0).abs() < 2e-4, "{got} is not {expected}");
        };
        close(0x7fff_ffff, 5_545_177.0);
        close(0xffff_ffff, 5_545_177.0);
        close(upper(0.01), 36_841_361.0);
        close(upper(1e-6), 110_524_084.0);
    }

    #[test]
    fn recorded_values_are_exact_and_equally_likely() {
        let values = Arc::new([1.0, 2.0, 3.0, 10.0]);
        let sampler = Sampler::new(&Distribution::Empirical { source: "x".into(), values }, 1.0);
        let quarter = 1 << 30;
        assert_eq!(
            [0, quarter - 1, quarter, 2 * quarter, 3 * quarter, u32::MAX].map(|word| sampler.sample(word)),
            [1, 1, 2, 3, 10, 10]
        );
        assert_eq!((sampler.minimum(), sampler.maximum()), (1, 10));
    }

    #[test]
    fn what_does_not_vary_is_a_constant() {
        let of = |distribution| Sampler::new(&distribution, NS);
        assert_eq!(of(Distribution::Constant(0.0013)), Sampler::Constant(1_300_000));
        assert_eq!(of(Distribution::Uniform { from: 2.0, to: 2.0 }), Sampler::Constant(2_000_000_000));
        assert_eq!(of(Distribution::Normal { mean: 0.5, sd: 0.0 }), Sampler::Constant(500_000_000));
        assert_eq!(of(Distribution::Quantiles(Arc::new([1.0, 1.0]))).is_constant(), Some(1_000_000_000));
        assert!(of(Distribution::Normal { mean: -100.0, sd: 1.0 }).is_zero());
        let same = Distribution::Empirical { source: "x".into(), values: Arc::new([0.0; 3]) };
        assert!(of(same).is_zero());
    }

    #[test]
    fn every_table_has_the_mean_and_the_variation_of_its_distribution() {
        check(Distribution::Exponential { mean: 0.008 });
        for cv in [0.01, 0.06, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0] {
            check(Distribution::Lognormal { mean: 0.125, cv });
            check(Distribution::Gamma { mean: 0.125, cv });
        }
        check(Distribution::Normal { mean: 0.125, sd: 0.01 });
        check(Distribution::Normal { mean: 0.01, sd: 0.02 });
        check(Distribution::Normal { mean: -0.01, sd: 0.01 });
        check(Distribution::Uniform { from: 0.0, to: 0.3 });
        check(Distribution::Uniform { from: 0.1, to: 0.100_001 });
        check(Distribution::Quantiles(Arc::new([0.0, 0.001, 0.002, 0.01, 0.5])));
        check(Distribution::Quantiles((0..=1000).map(|i| (f64::from(i) / 100.0).exp()).collect()));
    }

    #[test]
    fn no_sample_leaves_the_support() {
        let uniform = Sampler::new(&Distribution::Uniform { from: 3e-6, to: 5e-6 }, NS);
        assert_eq!((uniform.minimum(), uniform.maximum()), (3000, 5000));
        let lines = Sampler::new(&Distribution::Quantiles(Arc::new([7.0, 8.0, 100.0])), 1.0);
        assert_eq!((lines.minimum(), lines.maximum()), (7, 100));
        let cut = Sampler::new(&Distribution::Normal { mean: 1.0, sd: 1.0 }, NS);
        assert_eq!(cut.minimum(), 0);
        let huge = Sampler::new(&Distribution::Exponential { mean: 1e9 }, NS);
        assert!(huge.maximum() < 1 << 51);
    }

    #[test]
    fn tables_grow_with_the_probability_and_stay_within_their_bounds() {
        for distribution in [
            Distribution::Exponential { mean: 0.008 },
            Distribution::Lognormal { mean: 0.125, cv: 0.5 },
            Distribution::Gamma { mean: 0.125, cv: 2.0 },
            Distribution::Quantiles(Arc::new([0.0, 0.0, 0.1, 0.1, 0.2])),
        ] {
            let sampler = Sampler::new(&distribution, NS);
            let mut last = 0;
            // Ascending probabilities: side 0 forwards, side 1 backwards; 2^-20 apart and finer in the tails.
            let words: Vec<u32> = cells()
                .flat_map(|(_, words)| {
                    let step = ((words.end - words.start) / 16).max(1);
                    words.step_by(step as usize)
                })
                .collect();
            for word in words.iter().copied().chain(words.iter().rev().map(|word| word | WORDS)) {
                let value = sampler.sample(word);
                let slack = 1 + (last >> 21); // the last bits of `f32`
                assert!(value + slack >= last, "{distribution:?}: {value} after {last}");
                assert!(sampler.minimum() <= value && value <= sampler.maximum());
                last = value.max(last);
            }
        }
    }

    #[test]
    fn normal_deviates_have_their_standard_deviation_and_are_symmetric() {
        let table = NormalTable::new(5e6);
        let (mut square, mut fourth) = (0.0, 0.0);
        for (_, words) in cells() {
            let tries = (words.end - words.start).min(1024);
            for i in 0..tries {
                let count = f64::from(words.end - words.start);
                let word = words.start + ((f64::from(i) + 0.5) / f64::from(tries) * count) as u32;
                assert_eq!(table.deviate(word), -table.deviate(word | WORDS));
                assert!(table.deviate(word).unsigned_abs() <= table.bound());
                let z = table.deviate(word) as f64 / 5e6;
                square += 2.0 * count / f64::from(tries) * WORD * z * z;
                fourth += 2.0 * count / f64::from(tries) * WORD * z * z * z * z;
            }
        }
        assert!((square - 1.0).abs() < 1e-5, "variance {square}");
        assert!((fourth - 3.0).abs() < 1e-4, "fourth moment {fourth}");
        let bound = table.bound() as f64 / 5e6;
        assert!((6.2..6.5).contains(&bound), "{bound}");
        assert_eq!(NormalTable::new(0.0).bound(), 0);
        assert_eq!(NormalTable::new(0.0).deviate(12345), 0);
    }

    #[test]
    fn bursts_have_the_mean_rate_and_the_variation_of_an_interrupted_poisson_process() {
        // 4/s on average, on 1 s, off 3 s: 16/s while on. By Kuczura: mean gap 1/4 s and
        // cv^2 = 1 + 2 a b / (b + c)^2 with a = 16, b = 1, c = 1/3, that is 19.
        let (on, off) = (Span::from_millis(1000), Span::from_millis(3000));
        let (mean, cv) = moments(&Sampler::burst_gap(4.0, on, off));
        assert!((mean / 0.25e9 - 1.0).abs() < 1e-6, "{mean}");
        assert!((cv * cv / 19.0 - 1.0).abs() < 1e-3, "{cv}");
        // What remains of a gap at a random instant: mean (1 + cv^2)/2 times the mean gap.
        let (rest, _) = moments(&Sampler::burst_first_gap(4.0, on, off));
        assert!((rest / 2.5e9 - 1.0).abs() < 1e-6, "{rest}");
        // Without silences it is a Poisson process.
        assert_eq!(Sampler::burst_gap(4.0, on, Span::ZERO), Sampler::poisson_gap(4.0));
    }

    #[test]
    fn burst_quantiles_invert_the_tail() {
        for (rate, on, off) in [(4.0, 1_000, 3_000), (1000.0, 1, 100_000), (0.01, 10, 10), (5.0, 100_000, 1)]
        {
            let gap = Gap::of_bursts(rate, Span::from_millis(on), Span::from_millis(off)).unwrap();
            for gap in [gap, gap.residual()] {
                for k in 1..60 {
                    let small = libm::exp2(-f64::from(k) / 2.0) / 1.5;
                    for (p, q) in [(small, 1.0 - small), (1.0 - small, small)] {
                        let t = gap.quantile(p, q);
                        let above = gap.weight * exp(-gap.fast * t) + (1.0 - gap.weight) * exp(-gap.slow * t);
                        let error = if p < q { (1.0 - above) - p } else { above - q };
                        assert!(error.abs() < 1e-12 + 1e-9 * small, "{gap:?}, q {q}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn tables_are_the_same_on_every_platform() {
        // Known answers: a difference here means that results would differ from those on other machines.
        let of = |distribution: Distribution| Sampler::new(&distribution, NS).fingerprint();
        let second = Span::from_millis(1000);
        assert_eq!(
            [
                of(Distribution::Exponential { mean: 0.008 }),
                of(Distribution::Lognormal { mean: 0.125, cv: 0.06 }),
                of(Distribution::Gamma { mean: 0.125, cv: 0.5 }),
                of(Distribution::Gamma { mean: 0.125, cv: 2.0 }),
                of(Distribution::Normal { mean: 0.01, sd: 0.02 }),
                of(Distribution::Uniform { from: 0.0, to: 0.3 }),
                of(Distribution::Quantiles(Arc::new([0.0, 0.001, 0.5]))),
                Sampler::burst_gap(4.0, second, second).fingerprint(),
                Sampler::burst_first_gap(4.0, second, second).fingerprint(),
                NormalTable::new(5e6).fingerprint(),
            ],
            [
                0x960166e46107c4f2,
                0xbaa4ee601904ef3f,
                0x3532779a99f038e7,
                0x1781ee59357ce113,
                0xa32e00712e89ad79,
                0x0ab68bc12ea96570,
                0xe41bbbe618fb718b,
                0xa87db8b5209c1b3b,
                0xa1d07cbfd6ce0d0a,
                0x238def6a51b0de8f,
            ]
        );
    }

    proptest! {
        #[test]
        fn filling_gives_the_same_values_as_sampling(words in prop::collection::vec(any::<u32>(), 0..200)) {
            let values: Arc<[f64]> = (0..100).map(f64::from).collect();
            for distribution in [
                Distribution::Constant(1.0),
                Distribution::Exponential { mean: 0.1 },
                Distribution::Empirical { source: "x".into(), values },
            ] {
                let sampler = Sampler::new(&distribution, NS);
                let mut out = vec![0; words.len()];
                sampler.fill(&words, &mut out);
                for (&word, &value) in words.iter().zip(&out) {
                    prop_assert_eq!(value, sampler.sample(word));
                    prop_assert!(sampler.minimum() <= value && value <= sampler.maximum());
                }
            }
        }
    }
}
