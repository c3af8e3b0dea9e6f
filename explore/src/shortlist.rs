//! A few rows that stand for a whole front, and the smallest change that makes a deployment good enough.
//!
//! [`cover`] takes what a person would ask for first: the lowest of each metric, then the best compromise (the
//! row nearest to the ideal point, which has the lowest of everything: M. Zeleny, Compromise programming,
//! 1973), and then, again and again, the row that is farthest from all that were taken. The last rule alone
//! leaves a largest gap at most twice the smallest possible (T. F. Gonzalez, Clustering to minimize the maximum
//! intercluster distance, Theoretical Computer Science 38, 1985); beginning with given rows keeps that it never
//! takes two that are close while there is a wide gap elsewhere. Distances are those of the metric in which two
//! rows differ most, as shares of the metric's range on the front; a metric that spans more than two decades
//! counts by its logarithm. It ends early when every row of the front is within [`NEAR`] of one that was taken:
//! a list of near-copies tells nothing.

use std::fmt;

use offing_core::units;
use offing_scenarios::Space;

/// Rows that differ by less than this share of the range in every metric are one choice, not two.
pub const NEAR: f64 = 0.01;

/// A row that was taken, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// Its number among all rows.
    pub row: usize,
    /// What speaks for it.
    pub why: Why,
    /// The other rows of the front with the same metrics, in increasing order.
    pub ties: Vec<usize>,
}

/// What speaks for a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// It has the lowest value of this metric.
    Lowest(usize),
    /// It is the best compromise: the nearest to the lowest value of everything at once.
    Knee,
    /// It closes the widest gap that was left.
    Covers {
        /// The nearest row that had been taken before.
        nearest: usize,
        /// The metric in which they differ most.
        metric: usize,
        /// By how much, as a share of the metric's range on the front, 0..1.
        gap: f64,
    },
}

impl Why {
    /// The reason with the metrics' names: `lowest cost_usd_per_hour`.
    pub fn with<'w>(&'w self, names: &'w [String]) -> impl fmt::Display + 'w {
        Named { why: self, names }
    }
}

impl fmt::Display for Why {
    /// With numbers, from 1, instead of names: see [`Why::with`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(&[]).fmt(f)
    }
}

struct Named<'w> {
    why: &'w Why,
    names: &'w [String],
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |metric: usize| {
            self.names.get(metric).cloned().unwrap_or_else(|| format!("metric {}", metric + 1))
        };
        match *self.why {
            Why::Lowest(metric) => write!(f, "lowest {}", name(metric)),
            Why::Knee => f.write_str("best compromise: nearest to the lowest of everything at once"),
            Why::Covers { metric, gap, .. } => write!(
                f,
                "closes the widest gap: {:.0} % of the range of {} from its nearest neighbour in the list",
                gap * 100.0,
                name(metric)
            ),
        }
    }
}

/// At most `size` rows of a front that stand for all of it, the most telling first. `points` has `width`
/// numbers per row, all to be small; `front` are the numbers of the rows on the front. Where rows tie, the one
/// with the lowest number is taken.
///
/// # Panics
/// If a row of the front has a NaN or is not there.
pub fn cover(points: &[f64], width: usize, front: &[usize], size: usize) -> Vec<Pick> {
    let groups = groups(points, width, front);
    if groups.is_empty() || width == 0 {
        return Vec::new();
    }
    let places = normalised(points, width, &groups);
    let place = |group: usize| &places[group * width..][..width];
    let sum = |group: usize| place(group).iter().sum::<f64>();
    let square = |group: usize| place(group).iter().map(|x| x * x).sum::<f64>();
    let mut picks = Picks { size, taken: Vec::new(), gaps: vec![(f64::INFINITY, 0, 0); groups.len()] };
    let first = |key: &dyn Fn(usize) -> (f64, f64)| {
        let best = (0..groups.len()).min_by(|&a, &b| {
            let ((a, a_next), (b, b_next)) = (key(a), key(b));
            a.total_cmp(&b).then(a_next.total_cmp(&b_next))
        });
        best.expect("the front is not empty")
    };
    for metric in 0..width {
        // A metric that is the same everywhere speaks for nobody.
        if metric == 0 || (0..groups.len()).any(|group| place(group)[metric] > 0.0) {
            picks.take(
                first(&|group| (place(group)[metric], sum(group))),
                Why::Lowest(metric),
                &places,
                width,
            );
        }
    }
    let knee = first(&|group| (square(group), sum(group)));
    if picks.gaps[knee].0 >= NEAR {
        picks.take(knee, Why::Knee, &places, width);
    }
    while let Some((group, (gap, nearest, metric))) = picks.widest()
        && gap >= NEAR
        && picks.taken.len() < size
    {
        let nearest = groups[picks.taken[nearest].0][0];
        picks.take(group, Why::Covers { nearest, metric, gap: gap.min(1.0) }, &places, width);
    }
    let pick =
        |(group, why): (usize, Why)| Pick { row: groups[group][0], why, ties: groups[group][1..].to_vec() };
    picks.taken.into_iter().map(pick).collect()
}

/// What was taken so far.
struct Picks {
    size: usize,
    taken: Vec<(usize, Why)>,
    /// For each group: the distance to the nearest that was taken, which that is, and in which metric.
    gaps: Vec<(f64, usize, usize)>,
}

impl Picks {
    fn take(&mut self, group: usize, why: Why, places: &[f64], width: usize) {
        if self.taken.len() == self.size || self.gaps[group].0 == 0.0 {
            return;
        }
        let number = self.taken.len();
        self.taken.push((group, why));
        let here = &places[group * width..][..width];
        for (gap, there) in self.gaps.iter_mut().zip(places.chunks_exact(width)) {
            let apart = here.iter().zip(there).map(|(a, b)| (a - b).abs()).enumerate();
            let (metric, apart) =
                apart.fold((0, -1.0), |most, (metric, by)| if by > most.1 { (metric, by) } else { most });
            if apart < gap.0 {
                *gap = (apart, number, metric);
            }
        }
    }

    /// The group that is farthest from all that were taken; the first of equals.
    fn widest(&self) -> Option<(usize, (f64, usize, usize))> {
        let gaps = self.gaps.iter().copied().enumerate();
        gaps.reduce(|widest, other| if other.1.0 > widest.1.0 { other } else { widest })
    }
}

/// Rows with the same metrics together, each group and the groups by lowest row.
fn groups(points: &[f64], width: usize, front: &[usize]) -> Vec<Vec<usize>> {
    let key = |row: usize| &points[row * width..][..width];
    let mut rows = front.to_vec();
    let order = |&a: &usize, &b: &usize| {
        let by_value = key(a).partial_cmp(key(b)).expect("rows of a front have no NaN");
        by_value.then(a.cmp(&b))
    };
    rows.sort_unstable_by(order);
    rows.dedup();
    let mut groups: Vec<Vec<usize>> =
        rows.chunk_by(|&a, &b| key(a) == key(b)).map(<[usize]>::to_vec).collect();
    groups.sort_unstable_by_key(|group| group[0]);
    groups
}

/// The ratio of largest to smallest from which a metric counts by its logarithm.
const DECADES: f64 = 100.0;

/// Each group's metrics as shares of their range on the front; an infinite value stands half a range beyond.
fn normalised(points: &[f64], width: usize, groups: &[Vec<usize>]) -> Vec<f64> {
    let mut places = vec![0.0; groups.len() * width];
    for metric in 0..width {
        let value = |group: &Vec<usize>| points[group[0] * width + metric];
        let finite = || groups.iter().map(value).filter(|value| value.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let by_log = low > 0.0 && high / low >= DECADES;
        let scale = |value: f64| if by_log { value.ln() } else { value };
        let range = scale(high) - scale(low);
        for (group, place) in groups.iter().zip(places.chunks_exact_mut(width)) {
            place[metric] = match value(group) {
                value if value == f64::INFINITY => 1.5,
                value if value == f64::NEG_INFINITY => -0.5,
                value if range > 0.0 => (scale(value) - scale(low)) / range,
                _ => 0.0,
            };
        }
    }
    places
}

/// A change of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Its number among the axes of the space.
    pub axis: usize,
    /// The number of the value that it has.
    pub from: u64,
    /// The number of the value that it should have.
    pub to: u64,
}

impl Fix {
    /// `tier.cloud.cores: 4 -> 6`.
    pub fn describe(&self, space: &Space) -> String {
        let axis = &space.axes()[self.axis];
        let changes = axis.keys().zip(axis.labels(self.from)).zip(axis.labels(self.to));
        let changed = changes.filter(|((_, from), to)| from != to);
        let texts: Vec<String> = changed.map(|((key, from), to)| format!("{key}: {from} -> {to}")).collect();
        texts.join(", ")
    }
}

/// Values of one axis that are tried in each direction.
const MOST_STEPS: u64 = 1_000;

/// The smallest change of one axis with which a deployment becomes feasible; nothing if there is none within
/// 1000 steps of an axis. `digits` are the numbers of its values, one per axis.
///
/// Fewer steps are smaller. A step leads to the next value of an axis of numbers, and to any other value of an
/// axis of words. Of equally many steps the smaller ratio of the numbers is smaller, then the earlier axis,
/// then the later value. `is_feasible` is asked in the order of steps and must say no to what is no deployment
/// of the space.
///
/// # Panics
/// If there is not one digit per axis.
pub fn smallest_fix(space: &Space, digits: &[u64], is_feasible: &dyn Fn(&[u64]) -> bool) -> Option<Fix> {
    let axes = space.axes();
    assert_eq!(digits.len(), axes.len(), "one digit per axis");
    let has_order: Vec<bool> =
        (0..axes.len()).map(|axis| size(space, axis, digits[axis]).is_some()).collect();
    let longest = axes.iter().map(|axis| axis.len() - 1).max().unwrap_or(0).min(MOST_STEPS);
    let mut changed = digits.to_vec();
    for step in 1..=longest {
        let mut candidates: Vec<(f64, Fix)> = Vec::new();
        for (axis, &from) in digits.iter().enumerate() {
            let len = axes[axis].len();
            let to: Vec<u64> = match (has_order[axis], step) {
                (true, _) => {
                    let up = from.checked_add(step).filter(|&to| to < len);
                    up.into_iter().chain(from.checked_sub(step)).collect()
                }
                (false, 1) => (0..len.min(MOST_STEPS)).filter(|&to| to != from).collect(),
                (false, _) => Vec::new(),
            };
            candidates
                .extend(to.into_iter().map(|to| (ratio(space, axis, from, to), Fix { axis, from, to })));
        }
        candidates.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for (_, fix) in candidates {
            changed[fix.axis] = fix.to;
            let fixed = is_feasible(&changed);
            changed[fix.axis] = fix.from;
            if fixed {
                return Some(fix);
            }
        }
    }
    None
}

/// How much larger the larger of two values is, as a logarithm; infinite where they have no ratio.
fn ratio(space: &Space, axis: usize, from: u64, to: u64) -> f64 {
    match (size(space, axis, from), size(space, axis, to)) {
        (Some(a), Some(b)) if a > 0.0 && b > 0.0 => (a / b).ln().abs(),
        _ => f64::INFINITY,
    }
}

/// The first key's value in base units, if it is a number.
fn size(space: &Space, axis: usize, digit: u64) -> Option<f64> {
    let label = space.axes()[axis].labels(digit).into_iter().next()?;
    let read = [
        units::share,
        units::seconds,
        units::per_second,
        units::bit_per_s,
        units::bytes,
        units::usd_per_hour,
    ];
    read.iter().find_map(|read| read(&label).ok())
}
