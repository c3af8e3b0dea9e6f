//! Which axis of a design space moves which metric, and how much.
//!
//! For each axis and metric: the *main effect*, the mean of the metric at each value of the axis, and the
//! *first-order Sobol index* S = Var(E[Y | X]) / Var(Y), the share of the metric's variance that is explained
//! by the axis alone (I. M. Sobol', Sensitivity estimates for nonlinear mathematical models, 1993). What the
//! indices of all axes leave of 1 is due to interactions.
//!
//! With every row of a full product the index is exact. Of a part of the rows it is estimated: with k values
//! of the axis, n rows, the sum of squares between the values SSB, within them SSW, and in all SST = SSB + SSW,
//! S = (SSB - (k - 1) SSW / (n - k)) / SST, cut at 0. The second term is what chance alone puts between the
//! values: without it every axis would seem to matter in a small sample (T. L. Kelley, An unbiased correlation
//! ratio measure, PNAS 21, 1935). Where more than ten values have fewer than two rows each on average,
//! neighbouring values are taken together first, about [`ENOUGH`] rows at a time; that can only lower the index.

/// Axes with more values are counted in bins of neighbouring values.
pub const MOST_LEVELS: u64 = 1_000;

/// Rows of a group of values that are taken together for an estimate, on average.
pub const ENOUGH: u64 = 8;

/// Gathers rows.
#[derive(Clone, Debug)]
pub struct Sensitivity {
    lengths: Vec<u64>,
    metrics: usize,
    axes: Vec<Levels>,
    totals: Vec<Total>,
    rows: u64,
    /// The number in the product of the latest row, and whether they only ever grew.
    last: Option<u128>,
    is_ordered: bool,
}

/// What the rows with each value of one axis add up to.
#[derive(Clone, Debug)]
struct Levels {
    /// Neighbouring values that are counted as one.
    bin: u64,
    /// For each bin and, within it, each metric.
    sums: Vec<Sum>,
}

/// A sum without the rounding of its steps (A. Neumaier, 1974; by the exact sum of two of D. Knuth).
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    sum: f64,
    lost: f64,
}

/// Mean and sum of squares (B. P. Welford, 1962).
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    count: u64,
    mean: f64,
    squares: f64,
}

/// How one axis moves each metric.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisEffect {
    /// Its number among the axes.
    pub axis: usize,
    /// How many neighbouring values are counted as one; 1 unless the axis has more than 1000 values.
    pub bin: u64,
    /// In the order of the metrics.
    pub metrics: Vec<MetricEffect>,
}

/// How one axis moves one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricEffect {
    /// First-order Sobol index, 0..1; NaN where the metric does not vary, or rows are too few to tell.
    pub first_order: f64,
    /// Whether the index is exact: all rows of a full product were there.
    pub is_exact: bool,
    /// The mean at each value that has rows.
    pub main: Vec<Level>,
    /// The lowest of those means, in the unit of the metric; NaN without any.
    pub lowest: f64,
    /// The highest of those means.
    pub highest: f64,
}

/// The mean of a metric at one value of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The number of the value, or of the first in its bin.
    pub digit: u64,
    /// Mean of the metric, in its unit.
    pub mean: f64,
    /// Rows behind it.
    pub count: u64,
}

impl Sensitivity {
    /// For a space with axes of these lengths and that many metrics per row.
    ///
    /// # Panics
    /// If an axis has no values.
    pub fn new(axis_lengths: &[u64], metrics: usize) -> Sensitivity {
        assert!(axis_lengths.iter().all(|&length| length > 0), "an axis has a value");
        let levels = |&length: &u64| {
            let bin = length.div_ceil(MOST_LEVELS);
            let bins = length.div_ceil(bin) as usize;
            Levels { bin, sums: vec![Sum::default(); bins * metrics] }
        };
        Sensitivity {
            lengths: axis_lengths.to_vec(),
            metrics,
            axes: axis_lengths.iter().map(levels).collect(),
            totals: vec![Total::default(); metrics],
            rows: 0,
            last: None,
            is_ordered: true,
        }
    }

    /// Adds a row: the number of each axis's value, and the metrics. A metric that is NaN or infinite is left
    /// out. Rows come in the order of their numbers in the space, so that sums are the same each time.
    ///
    /// # Panics
    /// If there is not one digit per axis and one value per metric, or a digit is too large.
    pub fn add(&mut self, digits: &[u64], values: &[f64]) {
        assert_eq!(digits.len(), self.axes.len(), "one digit per axis");
        assert_eq!(values.len(), self.metrics, "one value per metric");
        let mut places = digits.iter().zip(&self.lengths);
        assert!(places.clone().all(|(digit, length)| digit < length), "each digit is a value of its axis");
        let number = places.try_fold(0_u128, |number, (&digit, &length)| {
            number.checked_mul(u128::from(length))?.checked_add(u128::from(digit))
        });
        self.is_ordered &= number.is_some() && self.last < number;
        self.last = number;
        self.rows += 1;
        for (total, &value) in self.totals.iter_mut().zip(values) {
            if value.is_finite() {
                total.add(value);
            }
        }
        for (axis, &digit) in self.axes.iter_mut().zip(digits) {
            let first = (digit / axis.bin) as usize * self.metrics;
            for (sum, &value) in axis.sums[first..][..self.metrics].iter_mut().zip(values) {
                if value.is_finite() {
                    sum.add(value);
                }
            }
        }
    }

    /// What the rows tell, one effect per axis.
    pub fn finish(self) -> Vec<AxisEffect> {
        let product =
            self.lengths.iter().try_fold(1_u128, |product, &length| product.checked_mul(u128::from(length)));
        let is_full = self.is_ordered && product == Some(u128::from(self.rows));
        let effect = |axis: usize| AxisEffect {
            axis,
            bin: self.axes[axis].bin,
            metrics: (0..self.metrics).map(|metric| self.effect(axis, metric, is_full)).collect(),
        };
        (0..self.axes.len()).map(effect).collect()
    }

    fn effect(&self, axis: usize, metric: usize, is_full: bool) -> MetricEffect {
        let Levels { bin, sums } = &self.axes[axis];
        let sums: Vec<Sum> = sums.iter().skip(metric).step_by(self.metrics).copied().collect();
        let total = &self.totals[metric];
        let is_exact = is_full && total.count == self.rows;
        let level = |(at, sum): (usize, &Sum)| {
            (sum.count > 0).then(|| Level { digit: at as u64 * bin, mean: sum.mean(), count: sum.count })
        };
        let main: Vec<Level> = sums.iter().enumerate().filter_map(level).collect();
        let means = || main.iter().map(|level| level.mean);
        MetricEffect {
            first_order: if is_exact { exact(&sums, total) } else { estimate(&sums, total) },
            is_exact,
            lowest: means().fold(f64::NAN, f64::min),
            highest: means().fold(f64::NAN, f64::max),
            main,
        }
    }
}

/// The sum of squares between groups.
fn between(groups: &[Sum], total: &Total) -> f64 {
    let mut sum = Sum::default();
    for group in groups.iter().filter(|group| group.count > 0) {
        let off = group.mean() - total.mean;
        sum.add(group.count as f64 * (off * off));
    }
    sum.total()
}

fn exact(groups: &[Sum], total: &Total) -> f64 {
    if !total.varies() {
        return f64::NAN;
    }
    (between(groups, total) / total.squares).clamp(0.0, 1.0)
}

fn estimate(groups: &[Sum], total: &Total) -> f64 {
    let seen = groups.iter().filter(|group| group.count > 0).count() as u64;
    let is_thin = seen > 10 && total.count < 2 * seen;
    let wanted = (total.count / ENOUGH).max(2) as usize;
    let together = if is_thin { groups.len().div_ceil(wanted) } else { 1 };
    let merged: Vec<Sum> = groups.chunks(together).map(Sum::of_all).collect();
    let groups = merged.iter().filter(|group| group.count > 0).count() as u64;
    if total.count <= groups || !total.varies() {
        return f64::NAN;
    }
    let between = between(&merged, total);
    let within = (total.squares - between).max(0.0);
    let by_chance = (groups.max(1) - 1) as f64 * within / (total.count - groups) as f64;
    ((between - by_chance) / total.squares).clamp(0.0, 1.0)
}

impl Sum {
    #[inline]
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let added = sum - self.sum;
        self.lost += (self.sum - (sum - added)) + (value - added);
        self.sum = sum;
        self.count += 1;
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }

    fn mean(&self) -> f64 {
        self.total() / self.count as f64
    }

    fn of_all(sums: &[Sum]) -> Sum {
        let mut all = Sum::default();
        for sum in sums {
            all.add(sum.sum);
            all.add(sum.lost);
        }
        all.count = sums.iter().map(|sum| sum.count).sum();
        all
    }
}

impl Total {
    #[inline]
    fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Whether there is variance beyond what rounding makes.
    fn varies(&self) -> bool {
        self.squares > self.count as f64 * (self.mean * 1e-14).powi(2)
    }
}
