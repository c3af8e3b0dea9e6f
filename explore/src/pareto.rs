//! The front: rows of metrics, all to be small, that no other row beats.
//!
//! A row beats another if it is at most as large in every metric and smaller in one. Equal rows do not beat
//! each other, so all of them are kept. A row with a NaN is never on the front and beats nothing.
//!
//! One metric is a minimum; two and three are swept in lexicographic order, where only earlier rows can beat
//! later ones (H. T. Kung, F. Luccio, F. P. Preparata, On finding the maxima of a set of vectors, JACM 22(4),
//! 1975). More are divided and conquered as in the same paper: the front of the first half stays, and that of
//! the second is held against it in one metric less. Ties are no special case, since equal rows are merged
//! first: between different rows, "at most as large in every metric" is "beats".

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// The rows on the front, in increasing order. `points` has `width` numbers per row.
///
/// # Panics
/// If `points` does not consist of whole rows.
pub fn front(points: &[f64], width: usize) -> Vec<usize> {
    let rows = count(points, width);
    assert!(u32::try_from(rows).is_ok(), "rows are numbered by 32 bits");
    match width {
        0 => Vec::new(),
        1 => minima(points),
        2 => sweep::<2>(points),
        3 => sweep::<3>(points),
        _ => conquer(points, width),
    }
}

/// The same by its definition, comparing each row with each: the oracle of the tests.
///
/// # Panics
/// If `points` does not consist of whole rows.
pub fn front_by_definition(points: &[f64], width: usize) -> Vec<usize> {
    let rows: Vec<&[f64]> = (0..count(points, width)).map(|at| &points[at * width..][..width]).collect();
    let beats = |a: &[f64], b: &[f64]| {
        let pairs = || a.iter().zip(b);
        pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
    };
    let is_known = |row: &[f64]| row.iter().all(|value| !value.is_nan());
    let stays = |row: &[f64]| is_known(row) && !rows.iter().any(|other| is_known(other) && beats(other, row));
    (0..rows.len()).filter(|&at| stays(rows[at])).collect()
}

/// The rows that may be on the front when metrics are known by intervals, in increasing order: a row is left
/// out only if the upper ends of another are at most its lower ends in every metric, and less in one. An end
/// that is NaN is not known: it counts as minus or plus infinity.
///
/// # Panics
/// If `low` and `high` do not consist of equally many whole rows.
pub fn undominated(low: &[f64], high: &[f64], width: usize) -> Vec<usize> {
    assert_eq!(low.len(), high.len(), "each row has two ends");
    let rows = count(low, width);
    // What is beaten by anybody's upper ends is beaten by the front of the upper ends.
    let high: Vec<f64> = high.iter().map(|&end| if end.is_nan() { f64::INFINITY } else { end }).collect();
    let low: Vec<f64> = low.iter().map(|&end| if end.is_nan() { f64::NEG_INFINITY } else { end }).collect();
    if width == 0 {
        return (0..rows).collect();
    }
    let beaters = distinct(&high, width, &front(&high, width));
    let key = |row: u32| row_of(&high, width, row);
    let equals_one = |row: &[f64]| beaters.binary_search_by(|&other| lexicographic(key(other), row)).is_ok();
    let mut beaten = vec![false; rows];
    let mut all: Vec<u32> = (0..rows as u32).collect();
    let mut beaters_of_all = beaters.clone();
    let search = Search { points: &low, beaters: &high, width };
    search.mark(&mut beaters_of_all, &mut all, 0, &mut beaten);
    // Equal to a row of a front means: beaten by none of it.
    (0..rows).filter(|&row| !beaten[row] || equals_one(row_of(&low, width, row as u32))).collect()
}

fn count(points: &[f64], width: usize) -> usize {
    if width == 0 {
        assert!(points.is_empty(), "rows without metrics have no numbers");
        return 0;
    }
    assert_eq!(points.len() % width, 0, "there are whole rows only");
    points.len() / width
}

fn row_of(points: &[f64], width: usize, row: u32) -> &[f64] {
    &points[row as usize * width..][..width]
}

/// Numbers that are not NaN; -0 equals 0.
fn lexicographic(a: &[f64], b: &[f64]) -> std::cmp::Ordering {
    let orders = a.iter().zip(b).map(|(a, b)| a.partial_cmp(b).expect("rows with NaN were left out"));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}

fn minima(points: &[f64]) -> Vec<usize> {
    let least = points.iter().copied().fold(f64::INFINITY, f64::min);
    (0..points.len()).filter(|&at| points[at] == least).collect()
}

/// A number whose order is that of its bits; -0 is made 0. Not for NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ordered(u64);

impl Ordered {
    #[inline]
    fn new(value: f64) -> Self {
        let bits = (value + 0.0).to_bits();
        Ordered(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
    }
}

/// The rows in lexicographic order; a row stays if none of those before it reaches as low in the other metrics.
fn sweep<const WIDTH: usize>(points: &[f64]) -> Vec<usize> {
    let mut rows: Vec<([Ordered; WIDTH], u32)> = points
        .chunks_exact(WIDTH)
        .enumerate()
        .filter(|(_, row)| row.iter().all(|value| !value.is_nan()))
        .map(|(at, row)| (std::array::from_fn(|i| Ordered::new(row[i])), at as u32))
        .collect();
    rows.sort_unstable();
    let mut seen = Staircase::default();
    let mut kept = Vec::new();
    let mut last: Option<([Ordered; WIDTH], bool)> = None;
    for (row, at) in rows {
        let stays = match last {
            Some((equal, stays)) if equal == row => stays,
            _ => seen.add(row[1], row[WIDTH - 1]),
        };
        last = Some((row, stays));
        if stays {
            kept.push(at as usize);
        }
    }
    kept.sort_unstable();
    kept
}

/// Pairs of which none is at most as large as another in both numbers: the larger the first, the smaller the
/// second.
#[derive(Default)]
struct Staircase(BTreeMap<Ordered, Ordered>);

impl Staircase {
    /// Whether a pair at most as large in both is there.
    fn covers(&self, first: Ordered, second: Ordered) -> bool {
        self.0.range(..=first).next_back().is_some_and(|(_, &lowest)| lowest <= second)
    }

    /// Adds a pair, unless it is covered; says whether it was added.
    fn add(&mut self, first: Ordered, second: Ordered) -> bool {
        if self.covers(first, second) {
            return false;
        }
        while let Some((&other, _)) =
            self.0.range((Included(first), Unbounded)).next().filter(|(_, lowest)| **lowest >= second)
        {
            self.0.remove(&other);
        }
        let next = self.0.range((Excluded(first), Unbounded)).next();
        debug_assert!(next.is_none_or(|(_, &lowest)| lowest < second), "stairs lead down");
        self.0.insert(first, second);
        true
    }
}

/// One of each group of equal rows among those, in lexicographic order.
fn distinct(points: &[f64], width: usize, rows: &[usize]) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    let key = |row: u32| row_of(points, width, row);
    rows.sort_unstable_by(|&a, &b| lexicographic(key(a), key(b)).then(a.cmp(&b)));
    rows.dedup_by(|a, b| key(*a) == key(*b));
    rows
}

/// Rows at most that many are compared one by one.
const FEW: usize = 32;

fn conquer(points: &[f64], width: usize) -> Vec<usize> {
    let rows = points.len() / width;
    let key = |row: u32| row_of(points, width, row);
    let mut order: Vec<u32> =
        (0..rows as u32).filter(|&row| key(row).iter().all(|value| !value.is_nan())).collect();
    keep_promising(points, width, &mut order);
    order.sort_unstable_by(|&a, &b| lexicographic(key(a), key(b)).then(a.cmp(&b)));
    let mut single = order.clone();
    single.dedup_by(|a, b| key(*a) == key(*b));
    let search = Search { points, beaters: points, width };
    let mut beaten = vec![false; rows];
    let kept = search.front(single, &mut beaten);
    // Those equal to a row that is kept are kept with it: both lists are in lexicographic order.
    let mut all = Vec::new();
    let mut rest = order.into_iter().peekable();
    for row in kept {
        while let Some(other) = rest.next_if(|&other| lexicographic(key(other), key(row)).is_le()) {
            if key(other) == key(row) {
                all.push(other as usize);
            }
        }
    }
    all.sort_unstable();
    all
}

/// Leaves out what one strong row beats, the one with the smallest sum of shares of each metric's range: of
/// rows that are spread out, that is nearly all.
fn keep_promising(points: &[f64], width: usize, rows: &mut Vec<u32>) {
    let key = |row: u32| row_of(points, width, row);
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
    for &row in rows.iter() {
        for (end, &value) in ends.iter_mut().zip(key(row)) {
            if value.is_finite() {
                *end = (end.0.min(value), end.1.max(value));
            }
        }
    }
    let share = |(&value, &(low, high)): (&f64, &(f64, f64))| {
        if high > low { (value - low) / (high - low) } else { 0.0 }
    };
    let sum = |row: u32| key(row).iter().zip(&ends).map(share).sum::<f64>();
    let sums = rows.iter().map(|&row| (row, sum(row)));
    let Some((strong, _)) = sums.min_by(|(_, a), (_, b)| a.total_cmp(b)) else { return };
    let strong = key(strong);
    rows.retain(|&row| {
        let row = key(row);
        strong.iter().zip(row).any(|(strong, value)| strong > value) || strong == row
    });
}

/// Which rows of `points` some row of `beaters` reaches below or equals in all metrics from one on.
struct Search<'p> {
    points: &'p [f64],
    beaters: &'p [f64],
    width: usize,
}

impl Search<'_> {
    #[inline]
    fn point(&self, row: u32, metric: usize) -> f64 {
        self.points[row as usize * self.width + metric]
    }

    #[inline]
    fn beater(&self, row: u32, metric: usize) -> f64 {
        self.beaters[row as usize * self.width + metric]
    }

    /// The front of different rows in lexicographic order, in the same order.
    fn front(&self, rows: Vec<u32>, beaten: &mut [bool]) -> Vec<u32> {
        if rows.len() <= 1 {
            return rows;
        }
        let (first, second) = rows.split_at(rows.len() / 2);
        let first = self.front(first.to_vec(), beaten);
        let second = self.front(second.to_vec(), beaten);
        // None of the second half can beat one of the first, and in the first metric none of it is lower.
        self.mark(&mut first.clone(), &mut second.clone(), 1, beaten);
        first.into_iter().chain(second.into_iter().filter(|&row| !beaten[row as usize])).collect()
    }

    /// Marks the rows that a beater reaches below or equals in all metrics from `metric` on. The order of both
    /// lists is lost.
    fn mark(&self, beaters: &mut [u32], rows: &mut [u32], metric: usize, beaten: &mut [bool]) {
        if beaters.is_empty() || rows.is_empty() {
            return;
        }
        match self.width - metric {
            _ if beaters.len() * rows.len() <= FEW * FEW => self.mark_each(beaters, rows, metric, beaten),
            0 => rows.iter().for_each(|&row| beaten[row as usize] = true),
            1 => {
                let lowest =
                    beaters.iter().map(|&row| self.beater(row, metric)).fold(f64::INFINITY, f64::min);
                for &row in rows.iter() {
                    beaten[row as usize] |= lowest <= self.point(row, metric);
                }
            }
            2 => self.mark_by_sweep(beaters, rows, metric, beaten),
            _ => self.mark_by_parts(beaters, rows, metric, beaten),
        }
    }

    fn mark_each(&self, beaters: &[u32], rows: &[u32], metric: usize, beaten: &mut [bool]) {
        for &row in rows.iter() {
            let reached = |&by: &u32| (metric..self.width).all(|m| self.beater(by, m) <= self.point(row, m));
            beaten[row as usize] = beaten[row as usize] || beaters.iter().any(reached);
        }
    }

    fn mark_by_sweep(&self, beaters: &mut [u32], rows: &mut [u32], metric: usize, beaten: &mut [bool]) {
        beaters.sort_unstable_by(|&a, &b| self.beater(a, metric).total_cmp(&self.beater(b, metric)));
        rows.sort_unstable_by(|&a, &b| self.point(a, metric).total_cmp(&self.point(b, metric)));
        let mut beaters = beaters.iter().copied().peekable();
        let mut lowest: Option<f64> = None;
        for &row in rows.iter() {
            // -0 sorts before 0 and equals it, so the next beater is asked by value.
            while let Some(by) = beaters.next_if(|&by| self.beater(by, metric) <= self.point(row, metric)) {
                let other = self.beater(by, metric + 1);
                lowest = Some(lowest.map_or(other, |lowest| lowest.min(other)));
            }
            beaten[row as usize] |= lowest.is_some_and(|lowest| lowest <= self.point(row, metric + 1));
        }
    }

    fn mark_by_parts(&self, beaters: &mut [u32], rows: &mut [u32], metric: usize, beaten: &mut [bool]) {
        let middle = self.median(beaters, rows, metric);
        let beater = |&row: &u32| self.beater(row, metric);
        let point = |&row: &u32| self.point(row, metric);
        // Beaters: below, at, above the middle. Rows: the same.
        let below = partition(beaters, |row| beater(row) < middle);
        let at = partition(&mut beaters[below..], |row| beater(row) <= middle);
        let rows_below = partition(rows, |row| point(row) < middle);
        let rows_at = partition(&mut rows[rows_below..], |row| point(row) <= middle);
        assert!(at + rows_at > 0, "the middle is one of the values, so the parts are smaller");
        let (low_rows, high_rows) = rows.split_at_mut(rows_below);
        self.mark(&mut beaters[..below], low_rows, metric, beaten);
        self.mark(&mut beaters[below + at..], &mut high_rows[rows_at..], metric, beaten);
        self.mark(&mut beaters[..below + at], high_rows, metric + 1, beaten);
    }

    /// A value of the metric in the middle of all.
    fn median(&self, beaters: &[u32], rows: &[u32], metric: usize) -> f64 {
        let beaters = beaters.iter().map(|&row| self.beater(row, metric));
        let mut values: Vec<f64> = beaters.chain(rows.iter().map(|&row| self.point(row, metric))).collect();
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f64::total_cmp).1
    }
}

/// Those that fulfil it to the front; how many there are.
fn partition(rows: &mut [u32], fulfils: impl Fn(&u32) -> bool) -> usize {
    let mut kept = 0;
    for at in 0..rows.len() {
        if fulfils(&rows[at]) {
            rows.swap(kept, at);
            kept += 1;
        }
    }
    kept
}
