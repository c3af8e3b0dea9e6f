//! Inverse questions: which value of one key just meets the requirements, and where two targets are equal.
//!
//! Both are answered by trying values. A value is tried with a few seeds, the same for every value, so that
//! neighbours differ by the value and not by luck (common random numbers: P. Glasserman, D. D. Yao, Some
//! guidelines and guarantees for common random numbers, Management Science 38(6), 1992). What counts is the
//! mean of each metric over the seeds; its 95 % interval is that of Student's t.
//!
//! Nobody promises that more is worse or better. So a coarse grid over the whole range is tried first, and only
//! between two of its values is the change found by halving. If the grid or the halving meet more than one
//! change, the answer says so. What lies between two values of the grid that agree is not seen.
//!
//! The interval of an answer holds the values for which the requirements are neither surely met nor surely
//! missed, when every metric may be anywhere in its own interval; for two targets, those for which the interval
//! of their paired difference has zero in it (E. C. Fieller, Some problems in interval estimation, 1954).

use std::cell::RefCell;
use std::collections::BTreeMap;

use offing_core::{Deployment, Summary};
use offing_models::ModelSet;
use offing_scenarios::infeasible;
use offing_sim::{refusal, simulate};
use rayon::prelude::*;

use crate::judge::Judge;

/// Makes the deployment with a value of the key, in base units; or says why there is none.
pub type At<'a> = dyn Fn(f64) -> Result<Deployment, String> + 'a;

/// The values that may be the answer, in increasing order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    from: f64,
    to: f64,
    spacing: Spacing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spacing {
    /// `from`, `from + step`, ...
    Step(f64),
    /// Equal differences, so fine that they are none.
    Linear,
    /// Equal ratios, as fine.
    Log,
}

/// Places of a continuous range.
const FINE: u64 = 1 << 24;
/// Values of the coarse grid. A range of no more is tried completely.
const GRID: u64 = 9;
/// A continuous answer is found to this share of itself.
pub const TOLERANCE: f64 = 1e-3;

impl Range {
    /// The values `from`, `from + step`, ... up to `to`.
    ///
    /// # Errors
    /// What is wrong with the numbers.
    pub fn steps(from: f64, to: f64, step: f64) -> Result<Range, String> {
        if !(step.is_finite() && step > 0.0) {
            return Err(format!("the step {step} is not greater than zero"));
        }
        if (to - from) / step > 1e15 {
            return Err(format!("from {from} to {to} there are too many steps of {step}"));
        }
        Range { from, to, spacing: Spacing::Step(step) }.checked()
    }

    /// All values between two ends: by ratio if they are greater than zero and a decade apart, else by
    /// difference.
    ///
    /// # Errors
    /// What is wrong with the numbers.
    pub fn continuous(from: f64, to: f64) -> Result<Range, String> {
        let spacing = if from > 0.0 && to / from >= 10.0 { Spacing::Log } else { Spacing::Linear };
        Range { from, to, spacing }.checked()
    }

    fn checked(self) -> Result<Range, String> {
        let Range { from, to, .. } = self;
        if !(from.is_finite() && to.is_finite()) {
            return Err("a range has two finite ends".into());
        }
        if from >= to {
            return Err(format!("the range from {from} to {to} has no two values"));
        }
        Ok(self)
    }

    /// The lowest and the highest value.
    pub fn ends(&self) -> [f64; 2] {
        [self.value(0), self.value(self.last())]
    }

    /// About how many values an answer needs: the coarse grid, and halving for the value and the ends of its interval.
    pub fn about(&self) -> u64 {
        let grid = self.grid().len() as f64;
        let steps = if self.has_steps() { self.last() as f64 } else { 1.0 / TOLERANCE };
        (grid + 3.0 * (steps / grid).max(1.0).log2().ceil()) as u64
    }

    /// Whether there is nothing between neighbouring values.
    pub fn has_steps(&self) -> bool {
        matches!(self.spacing, Spacing::Step(_))
    }

    fn last(&self) -> u64 {
        match self.spacing {
            // Steps such as 0.1 miss their end by a rounding.
            Spacing::Step(step) => ((self.to - self.from) / step * (1.0 + 1e-12) + 1e-9).floor() as u64,
            Spacing::Linear | Spacing::Log => FINE,
        }
    }

    fn value(&self, place: u64) -> f64 {
        let share = place as f64 / FINE as f64;
        match self.spacing {
            Spacing::Step(step) => rounded(self.from + place as f64 * step),
            _ if place == 0 => self.from,
            _ if place == FINE => self.to,
            Spacing::Linear => rounded(self.from + (self.to - self.from) * share),
            Spacing::Log => rounded(self.from * libm::pow(self.to / self.from, share)),
        }
    }

    /// Whether there is nothing to be found between two places.
    fn is_close(&self, a: u64, b: u64) -> bool {
        let (low, high) = (self.value(a.min(b)), self.value(a.max(b)));
        a.abs_diff(b) <= 1 || !self.has_steps() && high - low <= TOLERANCE * low.abs().max(high.abs())
    }

    fn middle(&self, a: u64, b: u64) -> u64 {
        let (low, high) = (a.min(b), a.max(b));
        low + (high - low) / 2
    }

    /// Places of the coarse grid, ends included: all if they are few; by ratio where the values span a decade.
    fn grid(&self) -> Vec<u64> {
        let last = self.last();
        if last < GRID {
            return (0..=last).collect();
        }
        let by_ratio = self.has_steps() && self.from > 0.0 && self.to / self.from >= 10.0;
        let place = |i: u64| {
            let share = i as f64 / (GRID - 1) as f64;
            let place = match by_ratio {
                true => self.from * (libm::pow(self.to / self.from, share) - 1.0) / (self.to - self.from),
                false => share,
            };
            ((place * last as f64).round() as u64).min(last)
        };
        let mut places: Vec<u64> = (0..GRID).map(place).collect();
        places.dedup();
        places
    }
}

/// Eight digits: what people read, and far finer than the tolerance.
fn rounded(value: f64) -> f64 {
    format!("{value:.7e}").parse().unwrap_or(value)
}

/// Tries values: every one with the same seeds, none twice.
pub struct Trials<'t> {
    at: &'t At<'t>,
    models: &'t ModelSet,
    metrics: &'t [String],
    seed: u64,
    replicas: u32,
    range: Range,
    tried: RefCell<BTreeMap<u64, Trial>>,
}

/// What came of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The value, in base units.
    pub value: f64,
    /// Mean of each metric over the seeds, in its unit; NaN where a run does not know it. `stable` is 1 if
    /// every run was, else 0.
    pub mean: Vec<f64>,
    /// Lower ends of the 95 % intervals of the means.
    pub low: Vec<f64>,
    /// Upper ends of the 95 % intervals of the means.
    pub high: Vec<f64>,
    /// The metrics of each run.
    pub runs: Vec<Vec<f64>>,
    /// Whether every run was stable. Of an overload, latencies grow with the run.
    pub is_stable: bool,
    /// Why there was nothing to run; then no metric is known.
    pub refused: Option<String>,
}

impl<'t> Trials<'t> {
    /// Runs what `at` makes with the seeds `seed`, `seed + 1`, ..., and reads these metrics (NaN if there is no
    /// metric of that name).
    ///
    /// # Panics
    /// If there are fewer than two replicas: one has no interval.
    pub fn new(
        at: &'t At<'t>,
        models: &'t ModelSet,
        metrics: &'t [String],
        (seed, replicas): (u64, u32),
        range: Range,
    ) -> Self {
        assert!(replicas >= 2, "one run says nothing about its error");
        Trials { at, models, metrics, seed, replicas, range, tried: RefCell::default() }
    }

    /// Runs so far.
    pub fn simulations(&self) -> u64 {
        let tried = self.tried.borrow();
        tried.values().map(|trial| trial.runs.len() as u64).sum()
    }

    /// Every value tried, in increasing order.
    pub fn all(&self) -> Vec<Trial> {
        self.tried.borrow().values().cloned().collect()
    }

    /// Tries a place of the range.
    fn at(&self, place: u64) -> Trial {
        if let Some(trial) = self.tried.borrow().get(&place) {
            return trial.clone();
        }
        let value = self.range.value(place);
        let trial = match (self.at)(value).and_then(runnable) {
            Ok(deployment) => {
                let has_deadline = deployment.app.deadline.is_some();
                let (models, metrics, seed) = (self.models, self.metrics, self.seed);
                let run = |replica: u32| {
                    let run = simulate(&deployment, models, seed.wrapping_add(u64::from(replica)));
                    let summary = Summary::new("", &run, has_deadline);
                    let row = metrics.iter().map(|name| metric(&summary, name)).collect();
                    (row, summary.stable)
                };
                let runs: Vec<(Vec<f64>, bool)> = (0..self.replicas).into_par_iter().map(run).collect();
                let is_stable = runs.iter().all(|(_, stable)| *stable);
                Trial::of(value, self.metrics, runs.into_iter().map(|(row, _)| row).collect(), is_stable)
            }
            Err(reason) => {
                let nothing = vec![f64::NAN; self.metrics.len()];
                let [mean, low, high] = [nothing.clone(), nothing.clone(), nothing];
                let refused = Some(reason);
                Trial { value, mean, low, high, runs: Vec::new(), is_stable: false, refused }
            }
        };
        self.tried.borrow_mut().insert(place, trial.clone());
        trial
    }

    /// Places tried between two, both included, from the first to the second.
    fn places(&self, from: u64, to: u64) -> Vec<u64> {
        let tried = self.tried.borrow();
        let mut places: Vec<u64> =
            tried.range(from.min(to)..=from.max(to)).map(|(place, _)| *place).collect();
        if from > to {
            places.reverse();
        }
        places
    }

    /// Halves until there is nothing between a place where something holds and one where it does not.
    fn halve(&self, holds: &dyn Fn(u64) -> bool, mut yes: u64, mut no: u64) -> (u64, u64) {
        while !self.range.is_close(yes, no) {
            let middle = self.range.middle(yes, no);
            if holds(middle) { yes = middle } else { no = middle }
        }
        (yes, no)
    }

    /// Goes from a place towards an end of the range until something holds, and then back as far as it still
    /// does: the place, and the one before it where it did not hold. Nothing if it never does.
    fn until(&self, holds: &dyn Fn(u64) -> bool, from: u64, end: u64) -> Option<(u64, Option<u64>)> {
        let mut before = None;
        for place in self.places(from, end) {
            if holds(place) {
                return Some(match before {
                    None => (place, None),
                    Some(before) => {
                        let (yes, no) = self.halve(holds, place, before);
                        (yes, Some(no))
                    }
                });
            }
            before = Some(place);
        }
        None
    }
}

fn runnable(deployment: Deployment) -> Result<Deployment, String> {
    match (infeasible(&deployment), refusal(&deployment)) {
        (reasons, _) if !reasons.is_empty() => Err(reasons.join("; ")),
        (_, Some(reason)) => Err(reason),
        _ => Ok(deployment),
    }
}

impl Trial {
    fn of(value: f64, metrics: &[String], runs: Vec<Vec<f64>>, is_stable: bool) -> Trial {
        let (mut mean, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for (at, name) in metrics.iter().enumerate() {
            let values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            if name == "stable" {
                let lowest = values.iter().copied().fold(1.0, f64::min);
                [&mut mean, &mut low, &mut high].into_iter().for_each(|ends| ends.push(lowest));
                continue;
            }
            let Estimate { mean: middle, half } = Estimate::of(&values);
            mean.push(middle);
            low.push(middle - half);
            high.push(middle + half);
        }
        Trial { value, mean, low, high, runs, is_stable, refused: None }
    }
}

/// A mean and half the width of its 95 % interval.
#[derive(Clone, Copy)]
struct Estimate {
    mean: f64,
    half: f64,
}

impl Estimate {
    fn of(values: &[f64]) -> Estimate {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        // A sum of equal values divided by their number need not be that value.
        if values.iter().all(|&value| value == values[0]) {
            return Estimate { mean: values[0], half: 0.0 };
        }
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let half = student_t(values.len() - 1) * (squares / (n - 1.0) / n).sqrt();
        Estimate { mean, half }
    }
}

/// The 97.5 % quantile of Student's t; beyond 30 degrees of freedom by the first term of its expansion in
/// 1 / degrees (Cornish and Fisher), within 0.001.
fn student_t(degrees: usize) -> f64 {
    const T: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    T.get(degrees.max(1) - 1).copied().unwrap_or(1.960 + 2.372 / degrees as f64)
}

/// What is wanted of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The largest with which the requirements hold.
    Largest,
    /// The smallest.
    Smallest,
}

/// How the requirements divide the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// No value that was tried meets them.
    Nothing,
    /// Every value that was tried meets them.
    Everything,
    /// The end of the range that was asked for meets them, though not every value does.
    End,
    /// They are met on one side and not on the other.
    Boundary,
}

/// The largest or smallest value with which the requirements hold.
#[derive(Clone, Debug)]
pub struct Extreme {
    /// What was asked for, or what the ends of the range suggested.
    pub direction: Direction,
    /// How the requirements divide the range.
    pub division: Division,
    /// The value: the requirements hold with it.
    pub found: Option<Trial>,
    /// Its neighbour, with which they do not: the next value, or one within the tolerance.
    pub next: Option<Trial>,
    /// 95 % interval of the value; an end is nothing where it lies beyond the range. Nothing unless there is a
    /// boundary.
    pub interval: Option<[Option<f64>; 2]>,
    /// Whether the requirements changed only once, as far as was tried.
    pub is_monotone: bool,
    /// Every value of the coarse grid and whether it meets the requirements, in increasing order.
    pub grid: Vec<(Trial, bool)>,
    /// Runs that it took.
    pub simulations: u64,
}

/// Finds the largest or smallest value of the range with which every requirement is met. Without a direction it
/// is the largest, unless only the upper end of the range meets them.
pub fn extreme(trials: &Trials<'_>, judge: &Judge, direction: Option<Direction>) -> Extreme {
    let range = trials.range;
    let meets = |place: u64| judge.meets(&trials.at(place).mean);
    let grid: Vec<(u64, bool)> = range.grid().into_iter().map(|place| (place, meets(place))).collect();
    let (bottom, top) = (grid[0].1, grid[grid.len() - 1].1);
    let direction = direction.unwrap_or(match (bottom, top) {
        (false, true) => Direction::Smallest,
        _ => Direction::Largest,
    });
    let mut towards: Vec<(u64, bool)> = grid.clone();
    if direction == Direction::Largest {
        towards.reverse();
    }
    // From the wanted end inwards: the first value that does it, and the one before.
    let first = towards.iter().position(|(_, meets)| *meets);
    let (division, found, next) = match first {
        None => (Division::Nothing, None, None),
        Some(0) if grid.iter().all(|(_, meets)| *meets) => (Division::Everything, Some(towards[0].0), None),
        Some(0) => (Division::End, Some(towards[0].0), None),
        Some(first) => {
            let (yes, no) = trials.halve(&meets, towards[first].0, towards[first - 1].0);
            (Division::Boundary, Some(yes), Some(no))
        }
    };
    let interval = found.zip(next).map(|(found, next)| {
        let verdict = |place: u64| {
            let Trial { low, high, runs, .. } = trials.at(place);
            // What is refused is missed, with no doubt about it.
            if runs.is_empty() { Some(false) } else { judge.verdict_of(&low, &high, &runs) }
        };
        let (inner, outer) = match direction {
            Direction::Largest => (0, range.last()),
            Direction::Smallest => (range.last(), 0),
        };
        let sure = trials.until(&|place| verdict(place) == Some(true) && meets(place), found, inner);
        let over = trials.until(&|place| verdict(place) == Some(false) && !meets(place), next, outer);
        let sure = sure.map(|(place, _)| range.value(place));
        // Of whole steps the answer is the last one in doubt; of all numbers it may be anything up to the miss.
        let doubt = over.map(|(over, before)| {
            range.value(match before {
                _ if !range.has_steps() => over,
                Some(before) => before,
                None => found,
            })
        });
        match direction {
            Direction::Largest => [sure, doubt],
            Direction::Smallest => [doubt, sure],
        }
    });
    let verdicts: Vec<bool> = trials.places(0, range.last()).into_iter().map(meets).collect();
    Extreme {
        direction,
        division,
        found: found.map(|place| trials.at(place)),
        next: next.map(|place| trials.at(place)),
        interval,
        is_monotone: verdicts.windows(2).filter(|pair| pair[0] != pair[1]).count() <= 1,
        grid: grid.into_iter().map(|(place, meets)| (trials.at(place), meets)).collect(),
        simulations: trials.simulations(),
    }
}

/// The value with which two targets are equal in a metric.
#[derive(Clone, Debug)]
pub struct BreakEven {
    /// The value; nothing if one of the two is better everywhere, as far as was tried.
    pub value: Option<f64>,
    /// Its 95 % interval; an end is nothing where it lies beyond the range.
    pub interval: Option<[Option<f64>; 2]>,
    /// Whether the first target is better (lower) below the value, or everywhere if there is none; nothing if
    /// they are equal there.
    pub first_is_better_below: Option<bool>,
    /// The values right below and above, or the ends of the range: value, and both targets' trials.
    pub beside: [(Trial, Trial); 2],
    /// Values between which the better of the two changes, as far as the grid shows; more than one pair says
    /// that the answer is the lowest of several.
    pub changes: Vec<[f64; 2]>,
    /// Every value of the coarse grid, in increasing order.
    pub grid: Vec<(Trial, Trial)>,
    /// Runs that it took.
    pub simulations: u64,
}

/// Finds the lowest value of the range with which two targets are equal in a metric, which is number `metric`
/// of both. Of a target that cannot be run with some value the other is better.
///
/// # Panics
/// If the two are not tried with the same range, seeds and metrics.
pub fn break_even(first: &Trials<'_>, second: &Trials<'_>, metric: usize) -> BreakEven {
    let alike = (first.range, first.seed, first.replicas, first.metrics);
    assert_eq!(alike, (second.range, second.seed, second.replicas, second.metrics), "both meet the same");
    let range = first.range;
    let difference = |place: u64| {
        let (a, b) = (first.at(place), second.at(place));
        match (a.mean[metric].is_nan(), b.mean[metric].is_nan()) {
            (false, false) => {
                let pairs = a.runs.iter().zip(&b.runs).map(|(a, b)| a[metric] - b[metric]);
                Estimate::of(&pairs.collect::<Vec<f64>>())
            }
            (true, false) => Estimate { mean: f64::INFINITY, half: 0.0 },
            (false, true) => Estimate { mean: f64::NEG_INFINITY, half: 0.0 },
            (true, true) => Estimate { mean: f64::NAN, half: 0.0 },
        }
    };
    let places = range.grid();
    let signs: Vec<(u64, f64)> = places
        .iter()
        .map(|&place| (place, difference(place).mean))
        .filter(|(_, mean)| !mean.is_nan())
        .map(|(place, mean)| (place, if mean == 0.0 { 0.0 } else { mean.signum() }))
        .collect();
    let is_change = |pair: &&[(u64, f64)]| pair[0].1 != pair[1].1;
    let changes: Vec<[u64; 2]> =
        signs.windows(2).filter(is_change).map(|pair| [pair[0].0, pair[1].0]).collect();
    let both = |place: u64| (first.at(place), second.at(place));
    let crossing = changes.first().map(|&[low, high]| {
        let sign = difference(low).mean.signum();
        let is_below = |place: u64| difference(place).mean * sign > 0.0;
        // Equal at the very value that was tried.
        if difference(low).mean == 0.0 {
            (low, low, sign)
        } else {
            let (low, high) = first.halve(&is_below, low, high);
            (low, high, sign)
        }
    });
    let interpolated = |a: u64, b: u64, of: &dyn Fn(u64) -> f64| zero(range, [a, b], [of(a), of(b)]);
    let value = crossing.map(|(low, high, _)| interpolated(low, high, &|place| difference(place).mean));
    let interval = crossing.map(|(low, high, sign)| {
        let clear_below = |place: u64| sign * difference(place).mean - difference(place).half;
        let clear_above = |place: u64| -sign * difference(place).mean - difference(place).half;
        let end = |clear: &dyn Fn(u64) -> f64, here: u64, there: u64, end: u64| {
            let (sure, before) = first.until(&|place| clear(place) > 0.0, here, end)?;
            Some(interpolated(sure, before.unwrap_or(there), clear))
        };
        [end(&clear_below, low, high, 0), end(&clear_above, high, low, range.last())]
    });
    let (below, above) = crossing.map_or((0, range.last()), |(low, high, _)| (low, high));
    let mean = difference(below).mean;
    BreakEven {
        value,
        interval,
        first_is_better_below: (mean != 0.0 && !mean.is_nan()).then_some(mean < 0.0),
        beside: [both(below), both(above)],
        changes: changes.into_iter().map(|[low, high]| [range.value(low), range.value(high)]).collect(),
        grid: places.into_iter().map(both).collect(),
        simulations: first.simulations() + second.simulations(),
    }
}

/// Where a straight line between two places is zero; their middle if it has no numbers.
fn zero(range: Range, [a, b]: [u64; 2], [at_a, at_b]: [f64; 2]) -> f64 {
    let (low, high) = (range.value(a), range.value(b));
    let share = at_a / (at_a - at_b);
    if a == b || at_a == 0.0 {
        low
    } else if share.is_finite() {
        low + (high - low) * share.clamp(0.0, 1.0)
    } else {
        low + (high - low) / 2.0
    }
}

/// A metric of a summary by its name in goals and columns, in its unit; NaN where it is not known. `stable` is
/// 1 or 0.
pub fn metric(summary: &Summary, name: &str) -> f64 {
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    match name {
        "load" => summary.load,
        "stable" => f64::from(u8::from(summary.stable)),
        "throughput_rps" => summary.throughput_rps,
        "energy_j_per_request" => known(summary.energy_j_per_request),
        "cost_usd_per_hour" => summary.cost_usd_per_hour,
        "dropped_share" => summary.dropped_share,
        "deadline_miss_share" => known(summary.deadline_miss_share),
        _ => known(tier(summary, name).or_else(|| time(summary, name))),
    }
}

fn tier(summary: &Summary, name: &str) -> Option<f64> {
    let tier = name.strip_prefix("utilization_")?;
    let is_it = |other: &str| other.replace('-', "_") == tier;
    summary.utilization.iter().find(|(name, _)| is_it(name)).map(|(_, share)| *share)
}

fn time(summary: &Summary, name: &str) -> Option<f64> {
    let (what, which) = name.strip_suffix("_ms")?.split_once('_')?;
    if what == "latency" {
        let latency = summary.latency_ms.as_ref()?;
        return Some(match which {
            "mean" => latency.mean,
            "sd" => latency.sd,
            "min" => latency.min,
            "p50" => latency.p50,
            "p90" => latency.p90,
            "p95" => latency.p95,
            "p99" => latency.p99,
            "p999" => latency.p999,
            "max" => latency.max,
            "trimmed_mean" => latency.trimmed_mean?,
            _ => return None,
        });
    }
    let part = summary.parts_ms.get(what)?;
    Some(match which {
        "mean" => part.mean,
        "p50" => part.p50,
        "p95" => part.p95,
        "p99" => part.p99,
        _ => return None,
    })
}
