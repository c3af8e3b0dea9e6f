//! Holds rows of metrics against the requirements of a goal.
//!
//! A row has one number per metric, in the order of the names that the judge was made with. NaN stands for a
//! metric that is not known; `stable` is 1 or 0. A requirement of the form `metric <= number` is compared
//! directly, because a sweep asks a million times; only the others are evaluated as expressions.

use std::fmt;

use offing_scenarios::{Condition, Goal, Scalar};

/// The requirements of a goal, ready for rows.
#[derive(Clone, Debug)]
pub struct Judge {
    limits: Vec<Bound>,
    others: Vec<Other>,
}

/// `metric <= number` and its like.
#[derive(Clone, Debug)]
struct Bound {
    text: String,
    metric: String,
    /// Where the metric stands in a row; nothing if rows do not have it.
    at: Option<usize>,
    at_most: bool,
    inclusive: bool,
    bound: f64,
    /// Its place among all requirements, as they were written.
    order: usize,
}

/// A requirement that only its expression can tell.
#[derive(Clone, Debug)]
struct Other {
    condition: Condition,
    /// For each name of the condition: where it stands in a row, and whether it is a yes or no.
    names: Vec<(Option<usize>, bool)>,
    order: usize,
}

/// A requirement that is not met.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// The requirement as it was written.
    pub requirement: String,
    /// The metric that it is about; nothing if it is about several.
    pub metric: Option<String>,
    /// The value of that metric, in its unit; nothing if it is not known or not a number.
    pub value: Option<f64>,
    /// The number that it is compared with, in the same unit.
    pub bound: Option<f64>,
    /// How much too far the value is, in the same unit; zero where the bound itself is not good enough.
    pub by: Option<f64>,
    /// Metrics without which the requirement cannot be told.
    pub unknown: Vec<String>,
}

impl Judge {
    /// The requirements of a goal over rows with these metrics. A metric that rows do not have is never known.
    pub fn new(goal: &Goal, names: &[String]) -> Judge {
        let place = |metric: &str| names.iter().position(|name| name == metric);
        let mut judge = Judge { limits: Vec::new(), others: Vec::new() };
        for (order, condition) in goal.require.iter().enumerate() {
            match condition.limit() {
                Some(limit) => judge.limits.push(Bound {
                    text: condition.text().into(),
                    at: place(&limit.metric),
                    metric: limit.metric,
                    at_most: limit.at_most,
                    inclusive: limit.inclusive,
                    bound: limit.limit,
                    order,
                }),
                None => {
                    let names = condition.names().iter().map(|name| (place(name), name == "stable"));
                    judge.others.push(Other { names: names.collect(), condition: condition.clone(), order });
                }
            }
        }
        judge
    }

    /// Whether every requirement is met. A metric that is not known meets none, unless the rest of its
    /// expression decides without it.
    #[inline]
    pub fn meets(&self, row: &[f64]) -> bool {
        self.limits.iter().all(|limit| limit.holds(limit.value(row))) && self.others_meet(row)
    }

    /// Every requirement that is not met, in the order in which they were written.
    pub fn misses(&self, row: &[f64]) -> Vec<Miss> {
        let limits = self.limits.iter().filter_map(|limit| Some((limit.order, limit.miss(row)?)));
        let others = self.others.iter().filter_map(|other| Some((other.order, other.miss(row)?)));
        let mut misses: Vec<(usize, Miss)> = limits.chain(others).collect();
        misses.sort_by_key(|(order, _)| *order);
        misses.into_iter().map(|(_, miss)| miss).collect()
    }

    /// How far a row is from meeting everything: 0 if it does, else the largest miss as a share of its bound
    /// (of one, where the bound is zero). Infinite where a requirement that is not met has no number.
    pub fn distance(&self, row: &[f64]) -> f64 {
        let far = |limit: &Bound| match limit.value(row) {
            value if limit.holds(value) => 0.0,
            value if value.is_nan() => f64::INFINITY,
            value => {
                let scale = if limit.bound == 0.0 { 1.0 } else { limit.bound.abs() };
                // The bound itself may not be good enough; then nothing is missing but it is not met.
                ((value - limit.bound).abs() / scale).max(f64::MIN_POSITIVE)
            }
        };
        let limits = self.limits.iter().map(far).fold(0.0, f64::max);
        if self.others_meet(row) { limits } else { f64::INFINITY }
    }

    /// Whether every row between two rows meets the requirements (`Some(true)`) or none does (`Some(false)`);
    /// nothing if some may and some may not. `low` and `high` are the ends of each metric's interval, NaN
    /// where an end is not known. Sound, but not sharp for requirements that are not limits.
    pub fn verdict(&self, low: &[f64], high: &[f64]) -> Option<bool> {
        let of = |limit: &Bound| {
            // With the good end first: if it does not do, none does.
            let (best, worst) = if limit.at_most { (low, high) } else { (high, low) };
            let best = limit.value(best);
            match limit.holds(limit.value(worst)) {
                true => Some(true),
                false if best.is_nan() || limit.holds(best) => None,
                false => Some(false),
            }
        };
        let of_other = |other: &Other| {
            let settled = |at: &Option<usize>| at.is_none_or(|at| low[at] == high[at]);
            other.names.iter().all(|(at, _)| settled(at)).then(|| other.holds(low) == Ok(true))
        };
        let mut verdict = Some(true);
        for part in self.limits.iter().map(of).chain(self.others.iter().map(of_other)) {
            match part {
                Some(false) => return Some(false),
                Some(true) => {}
                None => verdict = None,
            }
        }
        verdict
    }

    /// The same with the rows themselves at hand that the interval stands for: a requirement that is no limit
    /// is met if all rows meet it, and not met if none does.
    pub fn verdict_of(&self, low: &[f64], high: &[f64], rows: &[Vec<f64>]) -> Option<bool> {
        let limits = Judge { limits: self.limits.clone(), others: Vec::new() }.verdict(low, high);
        let yes = rows.iter().filter(|row| self.others_meet(row)).count();
        match limits {
            Some(false) => Some(false),
            _ if yes == 0 && !rows.is_empty() => Some(false),
            Some(true) if yes == rows.len() => Some(true),
            _ => None,
        }
    }

    /// The positions in a row that the requirements read, in increasing order.
    pub fn uses(&self) -> Vec<usize> {
        let limits = self.limits.iter().filter_map(|limit| limit.at);
        let others = self.others.iter().flat_map(|other| other.names.iter().filter_map(|(at, _)| *at));
        let mut uses: Vec<usize> = limits.chain(others).collect();
        uses.sort_unstable();
        uses.dedup();
        uses
    }

    #[inline]
    fn others_meet(&self, row: &[f64]) -> bool {
        self.others.iter().all(|other| other.holds(row) == Ok(true))
    }
}

impl Bound {
    #[inline]
    fn value(&self, row: &[f64]) -> f64 {
        self.at.map_or(f64::NAN, |at| row[at])
    }

    #[inline]
    fn holds(&self, value: f64) -> bool {
        match (self.at_most, self.inclusive) {
            (true, true) => value <= self.bound,
            (true, false) => value < self.bound,
            (false, true) => value >= self.bound,
            (false, false) => value > self.bound,
        }
    }

    fn miss(&self, row: &[f64]) -> Option<Miss> {
        let value = self.value(row);
        if self.holds(value) {
            return None;
        }
        let known = !value.is_nan();
        Some(Miss {
            requirement: self.text.clone(),
            metric: Some(self.metric.clone()),
            value: known.then_some(value),
            bound: Some(self.bound),
            by: known.then(|| (value - self.bound).abs()),
            unknown: if known { Vec::new() } else { vec![self.metric.clone()] },
        })
    }
}

impl Other {
    /// Whether it holds, or the name without which that is open.
    fn holds(&self, row: &[f64]) -> Result<bool, String> {
        self.condition.holds(&|name| {
            let (at, is_bool) = self.names[name];
            let value = row[at?];
            match (value.is_nan(), is_bool) {
                (true, _) => None,
                (false, true) => Some(Scalar::Bool(value == 1.0)),
                (false, false) => Some(Scalar::Number(value)),
            }
        })
    }

    fn miss(&self, row: &[f64]) -> Option<Miss> {
        let holds = self.holds(row);
        if holds == Ok(true) {
            return None;
        }
        let only = match (self.condition.names(), self.names.as_slice()) {
            ([name], [place]) => Some((name.clone(), *place)),
            _ => None,
        };
        let value = only.as_ref().and_then(|(_, (at, is_bool))| (!is_bool).then_some(row[(*at)?]));
        Some(Miss {
            requirement: self.condition.text().into(),
            metric: only.map(|(name, _)| name),
            value: value.filter(|value| !value.is_nan()),
            bound: None,
            by: None,
            unknown: holds.err().into_iter().collect(),
        })
    }
}

impl fmt::Display for Miss {
    /// `latency_p95_ms <= 150: is 163.2, 13.2 too much`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.requirement)?;
        match (self.value, self.bound, self.by) {
            _ if !self.unknown.is_empty() => write!(f, "{} is not known", self.unknown.join(", ")),
            (Some(value), Some(bound), Some(by)) => {
                let way = if value > bound { "too much" } else { "too little" };
                match by {
                    0.0 => write!(f, "is {} exactly", short(value)),
                    by if by.is_infinite() => f.write_str("is without limit"),
                    by => write!(f, "is {}, {} {way}", short_beside(value, bound), short(by)),
                }
            }
            (Some(value), ..) => write!(f, "does not hold with {}", short(value)),
            _ => f.write_str("does not hold"),
        }
    }
}

/// Four digits that matter, or all of those before the decimal point.
pub(crate) fn short(value: f64) -> String {
    digits(value, 4)
}

/// As short as can be while it does not look like its neighbour.
fn short_beside(value: f64, neighbour: f64) -> String {
    let texts = (4..=17).map(|count| (digits(value, count), digits(neighbour, count)));
    let differs = texts.into_iter().find(|(value, neighbour)| value != neighbour);
    differs.map_or_else(|| value.to_string(), |(value, _)| value)
}

fn digits(value: f64, count: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let decimals = (count - before).clamp(0, 20) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}
