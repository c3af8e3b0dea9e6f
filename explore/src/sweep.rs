//! Computes units: looks at each deployment, screens, predicts, judges, writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use offing_core::Deployment;
use rayon::prelude::*;
use serde::Serialize;

use crate::evaluate::How;
use crate::plan::Looked;
use crate::race::Decided;
use crate::unit::{Unit, Verdict};
use crate::{ExploreError, Folder, Minima, Plan, evaluate};

/// A part of the units: those whose number leaves `number - 1` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// All units.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Shard `number` of `of`, counted from 1; nothing if there is no such shard.
    pub fn new(number: u64, of: u64) -> Option<Shard> {
        (1..=of).contains(&number).then_some(Shard { number, of })
    }

    /// Whether it is all units.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    fn units(self, all: u64) -> impl Iterator<Item = u64> {
        (self.number - 1..all).step_by(usize::try_from(self.of).unwrap_or(usize::MAX))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Units that were computed.
    pub computed: u64,
    /// Units that were there already.
    pub found: u64,
}

/// Runs work on that many threads; all processors without a number.
///
/// # Panics
/// If the system has no threads left.
pub fn on_threads<T: Send>(threads: Option<usize>, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.expect("the system gives threads").install(work)
}

/// Deployments that are predicted at once.
const BATCH: usize = 16_384;

/// Computes the units of a shard that are not in the folder yet, on the threads of the current pool. `done` hears
/// how many positions are done now, from any thread; those of units that were there come first.
///
/// # Errors
/// If the disk fails.
pub fn sweep(
    plan: &Plan<'_>,
    folder: &Folder,
    shard: Shard,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Swept, ExploreError> {
    if folder.is_complete() {
        return Ok(Swept::default());
    }
    if !shard.is_whole() {
        folder.note_shards(shard.of)?;
    }
    let length = |unit: u64| plan.positions(unit).end - plan.positions(unit).start;
    let units: Vec<u64> = shard.units(plan.units()).collect();
    let found: Result<Vec<bool>, ExploreError> =
        units.par_iter().map(|&unit| Ok(folder.read_unit(plan, unit)?.is_some())).collect();
    let (there, missing): (Vec<_>, Vec<_>) = units.iter().zip(found?).partition(|(_, found)| *found);
    done(there.iter().map(|(unit, _)| length(**unit)).sum());
    let workers = Workers::new(plan);
    missing.par_iter().with_max_len(1).try_for_each(|(unit, _)| {
        let results = workers.with(|worker| compute(plan, **unit, worker));
        folder.write_unit(plan, **unit, &results)?;
        done(length(**unit));
        Ok(())
    })?;
    Ok(Swept { computed: missing.len() as u64, found: there.len() as u64 })
}

/// What a thread keeps from unit to unit.
pub(crate) struct Worker<'p> {
    minima: Minima,
    pub sweep: offing_sim::Sweep<'p>,
}

/// Hands what a thread has made for one unit to the next.
pub(crate) struct Workers<'a, 'p> {
    plan: &'a Plan<'p>,
    idle: Mutex<Vec<Worker<'p>>>,
}

impl<'a, 'p> Workers<'a, 'p> {
    pub(crate) fn new(plan: &'a Plan<'p>) -> Self {
        Workers { plan, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Worker<'p>) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut worker = taken.unwrap_or_else(|| Worker::new(self.plan));
        let done = work(&mut worker);
        idle().push(worker);
        done
    }
}

impl<'p> Worker<'p> {
    fn new(plan: &Plan<'p>) -> Self {
        let sweep = offing_sim::Sweep::new(plan.models, plan.scenario.seed);
        Worker { minima: Minima::default(), sweep }
    }
}

/// The results of a unit.
fn compute(plan: &Plan<'_>, unit: u64, worker: &mut Worker<'_>) -> Unit {
    let positions = plan.positions(unit);
    let Worker { minima, sweep } = worker;
    let how = plan.race.as_ref().map_or(How::Exact, How::Raced);
    let mut rows = Results::new(plan, how, sweep);
    let (mut digits, mut walk) = (Vec::new(), plan.scenario.space.walk());
    for position in positions.clone() {
        if plan.points.is_repeated(position) {
            continue;
        }
        plan.points.digits(position, &mut digits);
        let offset = (position - positions.start) as u32;
        match plan.look_on(&mut walk, &digits, minima) {
            Looked::Deployment(deployment) => rows.predict(offset, *deployment),
            Looked::Excluded(text) => rows.add(offset, Verdict::Excluded, &text, f64::NAN, f64::NAN),
            Looked::Screened(rejection) => {
                let text = &plan.screen.texts()[rejection.text];
                rows.add(offset, Verdict::Screened, text, rejection.value, rejection.distance);
            }
        }
    }
    rows.finish()
}

/// A unit under way.
pub(crate) struct Results<'p, 's, 'm> {
    plan: &'p Plan<'p>,
    how: How<'p>,
    sweep: &'s mut offing_sim::Sweep<'m>,
    unit: Unit,
    text_numbers: BTreeMap<String, u32>,
    /// Which text says that these requirements are missed.
    missed: BTreeMap<u64, u32>,
    /// Rows whose deployments wait to be predicted.
    waiting_rows: Vec<usize>,
    waiting: Vec<Deployment>,
}

impl<'p, 's, 'm> Results<'p, 's, 'm> {
    pub(crate) fn new(plan: &'p Plan<'p>, how: How<'p>, sweep: &'s mut offing_sim::Sweep<'m>) -> Self {
        let metrics = vec![Vec::new(); plan.metrics.width()];
        let unit = Unit { texts: vec![String::new()], metrics, ..Unit::default() };
        let text_numbers = BTreeMap::from([(String::new(), 0)]);
        Results {
            plan,
            how,
            sweep,
            unit,
            text_numbers,
            missed: BTreeMap::new(),
            waiting_rows: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.text_numbers.get(text) {
            return *number;
        }
        let number = self.unit.texts.len() as u32;
        self.unit.texts.push(text.into());
        self.text_numbers.insert(text.into(), number);
        number
    }

    fn add(&mut self, offset: u32, verdict: Verdict, text: &str, value: f64, distance: f64) {
        let reason = self.text(text);
        let unit = &mut self.unit;
        unit.offsets.push(offset);
        unit.verdicts.push(verdict);
        unit.reasons.push(reason);
        unit.values.push(value);
        unit.distances.push(distance);
    }

    pub(crate) fn predict(&mut self, offset: u32, deployment: Deployment) {
        self.waiting_rows.push(self.unit.offsets.len());
        self.waiting.push(deployment);
        self.add(offset, Verdict::Feasible, "", f64::NAN, 0.0);
        if self.waiting.len() == BATCH {
            self.flush();
        }
    }

    /// Predicts and judges what waits.
    fn flush(&mut self) {
        let plan = self.plan;
        let rows = evaluate(&self.waiting, &plan.metrics, self.how, self.sweep);
        self.waiting.clear();
        for (number, row) in std::mem::take(&mut self.waiting_rows).into_iter().enumerate() {
            let values = &rows.values[rows.of(number)];
            if !plan.judge.meets(values) {
                let missed = plan.judges.iter().enumerate().filter(|(_, judge)| !judge.meets(values));
                let mask = missed.fold(0_u64, |mask, (number, _)| mask | 1 << number);
                self.unit.verdicts[row] = Verdict::Infeasible;
                self.unit.reasons[row] = self.missed(mask);
                self.unit.distances[row] = plan.judge.distance(values);
            }
            if let (Decided::Open, Some(race)) = (rows.decided[number], &plan.race) {
                let told = &self.unit.texts[self.unit.reasons[row] as usize];
                let between = if told.is_empty() { "" } else { "; " };
                let text = format!("{told}{between}not distinguishable from `{}`", race.requirement());
                self.unit.reasons[row] = self.text(&text);
            }
            for (column, value) in self.unit.metrics.iter_mut().zip(values) {
                column.push(*value);
            }
        }
        self.unit.requests.extend(rows.requests);
        self.unit.engines.extend(rows.engines);
        self.unit.decided.extend(rows.decided);
        self.unit.doubts.extend(rows.doubts);
    }

    /// The reason that names these requirements, one bit each: a goal has at most 64.
    fn missed(&mut self, mask: u64) -> u32 {
        if let Some(&number) = self.missed.get(&mask) {
            return number;
        }
        let require = self.plan.scenario.goal.require.iter().enumerate();
        let texts: Vec<String> = require
            .filter(|(number, _)| mask >> number & 1 == 1)
            .map(|(_, condition)| format!("`{}`", condition.text()))
            .collect();
        let number = self.text(&format!("missed: {}", texts.join(", ")));
        self.missed.insert(mask, number);
        number
    }

    pub(crate) fn finish(mut self) -> Unit {
        if !self.waiting.is_empty() {
            self.flush();
        }
        self.unit
    }
}

/// How many deployments a space has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Numbers of the space.
    pub numbers: u128,
    /// Numbers that are looked at: all of them, or the points of a sample.
    pub looked_at: u64,
    /// Points that repeat an earlier one.
    pub repeated: u64,
    /// Whether what is excluded was counted.
    pub is_exact: bool,
    /// Excluded, by reason; the values of a contradiction are not told apart.
    pub excluded: BTreeMap<String, u64>,
    /// Deployments that are left; an upper bound where nothing was counted.
    pub deployments: u64,
}

/// Numbers up to which each is tried.
const MOST_COUNTED: u64 = 10_000_000;

/// Counts what `where` and contradictions exclude, on the threads of the current pool.
pub fn count(plan: &Plan<'_>) -> Counts {
    let points = &plan.points;
    let is_exact = points.len() <= MOST_COUNTED;
    let mut counts = Counts {
        numbers: plan.scenario.space.len(),
        looked_at: points.len(),
        repeated: points.repeats(),
        is_exact,
        ..Counts::default()
    };
    if is_exact {
        let of_unit = |unit: u64| {
            let (mut digits, mut excluded) = (Vec::new(), BTreeMap::new());
            let mut walk = plan.scenario.space.walk();
            for position in plan.positions(unit).filter(|&position| !points.is_repeated(position)) {
                points.digits(position, &mut digits);
                let text = match walk.at(&digits) {
                    Ok(_) => continue,
                    Err(no @ offing_scenarios::Excluded::Where(_)) => no.to_string(),
                    Err(_) => "values that contradict each other".into(),
                };
                *excluded.entry(text).or_insert(0) += 1;
            }
            excluded
        };
        let add = |mut all: BTreeMap<String, u64>, some: BTreeMap<String, u64>| {
            some.into_iter().for_each(|(text, count)| *all.entry(text).or_insert(0) += count);
            all
        };
        counts.excluded = (0..plan.units()).into_par_iter().map(of_unit).reduce(BTreeMap::new, add);
    }
    counts.deployments = points.len() - points.repeats() - counts.excluded.values().sum::<u64>();
    counts
}
