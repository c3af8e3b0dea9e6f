//! Runs those deployments for the whole duration that a race accepted early and that may be on the front.
//!
//! A race stops what clearly meets the requirements after a part of the run, so its metrics are known by intervals
//! only. One may be on the front unless the upper ends of another feasible deployment are at most its lower ends in
//! everything that is to be small ([`undominated`]). Those are run in full; their ends then meet. What was beaten
//! only by something that turned out worse than its interval comes in the next round, until no candidate is
//! left. Whatever is then on the front has run in full, since a row is never beaten by less than what beats its lower
//! ends.
//!
//! All units take part, so it happens when they are joined. Its results are units as well
//! (`units/refined-ROUND-NUMBER.bin`), a function of the other units, and a run that was killed goes on with them.

use std::ops::Range;

use offing_core::Deployment;
use rayon::prelude::*;

use crate::evaluate::How;
use crate::plan::Looked;
use crate::sweep::{Results, Worker, Workers};
use crate::unit::Unit;
use crate::{ExploreError, Folder, Minima, Plan, undominated};

/// Deployments of a unit of a round.
const UNIT: usize = 512;

/// The rows of whole runs that take the place of early ones.
#[derive(Default)]
pub(crate) struct Refined {
    /// Position, unit and row, by position.
    rows: Vec<(u64, usize, usize)>,
    units: Vec<Unit>,
}

/// Where the results of a part of a round are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub round: u32,
    pub number: u32,
}

impl Refined {
    /// Refines until the front is made of whole runs. Finds that there is nothing to do by the heads of the units.
    ///
    /// # Errors
    /// If a unit is missing, or the disk fails.
    pub(crate) fn new(plan: &Plan<'_>, folder: &Folder) -> Result<Refined, ExploreError> {
        let mut refined = Refined::default();
        let may_have_met = (0..plan.units()).into_par_iter().map(|unit| folder.may_have_met(unit));
        if plan.race.is_none() || !may_have_met.collect::<Result<Vec<bool>, _>>()?.contains(&true) {
            return Ok(refined);
        }
        for round in 0.. {
            let candidates = refined.candidates(plan, folder)?;
            if candidates.is_empty() {
                break;
            }
            refined.add(plan, folder, round, &candidates)?;
        }
        Ok(refined)
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A unit of the sweep with its refined rows.
    ///
    /// # Errors
    /// If it is missing, or the disk fails.
    pub(crate) fn unit(&self, plan: &Plan<'_>, folder: &Folder, number: u64) -> Result<Unit, ExploreError> {
        let mut unit = folder.read_unit(plan, number)?.ok_or_else(|| folder.incomplete(plan, number))?;
        let Range { start, end } = plan.positions(number);
        let at = |position: u64| self.rows.partition_point(|&(other, ..)| other < position);
        let mine = &self.rows[at(start)..at(end)];
        if mine.is_empty() {
            return Ok(unit);
        }
        let places: Vec<Option<usize>> = unit.rows().map(|(_, predicted)| predicted).collect();
        for &(position, from, from_row) in mine {
            let offset = (position - start) as u32;
            let row = unit.offsets.binary_search(&offset).expect("it was taken from there");
            let at = places[row].expect("what was met was predicted");
            // Every row of a refined unit is predicted.
            unit.replace((row, at), &self.units[from], (from_row, from_row));
        }
        Ok(unit)
    }

    /// The positions that may be on the front and have not run in full, in increasing order.
    fn candidates(&self, plan: &Plan<'_>, folder: &Folder) -> Result<Vec<u64>, ExploreError> {
        let width = plan.minimise.len();
        let of_unit = |number: u64| -> Result<Corners, ExploreError> {
            let unit = self.unit(plan, folder, number)?;
            let mut corners = Corners::of_unit(plan, &unit, plan.positions(number).start);
            // What is beaten here is beaten everywhere.
            corners.keep_undominated(width);
            Ok(corners)
        };
        let join = |mut all: Corners, some: Corners| {
            all.append(some);
            // Large spaces have many units; what is left of them is not much more than what is left of all.
            if all.positions.len() > 2 * all.pruned + MOST_UNPRUNED {
                all.keep_undominated(width);
                all.pruned = all.positions.len();
            }
            all
        };
        let units = (0..plan.units()).into_par_iter().map(of_unit);
        let mut all = units.try_reduce(Corners::default, |a, b| Ok(join(a, b)))?;
        all.keep_undominated(width);
        let early = all.positions.iter().zip(&all.is_early).filter(|(_, is_early)| **is_early);
        Ok(early.map(|(&position, _)| position).collect())
    }

    /// Computes the units of a round, or finds them.
    fn add(
        &mut self,
        plan: &Plan<'_>,
        folder: &Folder,
        round: u32,
        candidates: &[u64],
    ) -> Result<(), ExploreError> {
        let workers = Workers::new(plan);
        let of_part = |(number, positions): (usize, &[u64])| -> Result<Unit, ExploreError> {
            let place = Place { round, number: number as u32 };
            let is_whole = |unit: &Unit| {
                let offsets = unit.offsets.iter().map(|&offset| u64::from(offset));
                unit.requests.len() == unit.offsets.len() && offsets.eq(positions.iter().copied())
            };
            if let Some(unit) = folder.read_refined(plan, place)?.filter(is_whole) {
                return Ok(unit);
            }
            let unit = workers.with(|worker| compute(plan, positions, worker));
            folder.write_refined(plan, place, &unit)?;
            Ok(unit)
        };
        let parts = candidates.par_chunks(UNIT).with_max_len(1).enumerate().map(of_part);
        for unit in parts.collect::<Result<Vec<Unit>, ExploreError>>()? {
            let number = self.units.len();
            let rows = unit.offsets.iter().enumerate();
            self.rows.extend(rows.map(|(row, &offset)| (u64::from(offset), number, row)));
            self.units.push(unit);
        }
        self.rows.sort_unstable();
        Ok(())
    }
}

/// Whole runs of deployments; the offset of a row is its position in the space, which is below 2^32.
fn compute(plan: &Plan<'_>, positions: &[u64], worker: &mut Worker<'_>) -> Unit {
    let race = plan.race.as_ref().expect("nothing is met without a race");
    let mut rows = Results::new(plan, How::Whole(race), &mut worker.sweep);
    for &position in positions {
        rows.predict(position as u32, deployment(plan, position));
    }
    rows.finish()
}

fn deployment(plan: &Plan<'_>, position: u64) -> Deployment {
    let mut digits = Vec::new();
    plan.points.digits(position, &mut digits);
    match plan.look(&digits, &mut Minima::default()) {
        Looked::Deployment(deployment) => *deployment,
        _ => unreachable!("what was met was looked at before"),
    }
}

/// Feasible rows by the ends of what is to be small, one after the other.
#[derive(Default)]
struct Corners {
    positions: Vec<u64>,
    is_early: Vec<bool>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// How many there were when they were last compared with each other.
    pruned: usize,
}

/// Rows that are kept before it is worth comparing them.
const MOST_UNPRUNED: usize = 1 << 16;

impl Corners {
    fn of_unit(plan: &Plan<'_>, unit: &Unit, first: u64) -> Corners {
        let mut corners = Corners::default();
        let mut doubts = unit.doubts.iter();
        let mut values = vec![0.0; plan.metrics.width()];
        for (row, predicted) in unit.rows() {
            let Some(at) = predicted else { continue };
            let doubt = if unit.decided[at] == crate::Decided::Met { doubts.next() } else { None };
            let is_known = |&metric: &usize| !unit.metrics[metric][at].is_nan();
            if unit.verdicts[row] != crate::Verdict::Feasible || !plan.minimise.iter().all(is_known) {
                continue;
            }
            corners.positions.push(first + u64::from(unit.offsets[row]));
            corners.is_early.push(doubt.is_some());
            for (value, column) in values.iter_mut().zip(&unit.metrics) {
                *value = column[at];
            }
            for &metric in &plan.minimise {
                let (low, high) = match (doubt, &plan.race) {
                    (Some(&doubt), Some(race)) => {
                        race.intervals().ends(metric, &values, unit.requests[at], doubt)
                    }
                    _ => (values[metric], values[metric]),
                };
                corners.low.push(low);
                corners.high.push(high);
            }
        }
        corners
    }

    fn append(&mut self, mut other: Corners) {
        self.positions.append(&mut other.positions);
        self.is_early.append(&mut other.is_early);
        self.pruned += other.pruned;
        self.low.append(&mut other.low);
        self.high.append(&mut other.high);
    }

    fn keep_undominated(&mut self, width: usize) {
        let kept = undominated(&self.low, &self.high, width);
        let values = |of: &[f64]| kept.iter().flat_map(|&row| of[row * width..][..width].to_vec()).collect();
        *self = Corners {
            positions: kept.iter().map(|&row| self.positions[row]).collect(),
            is_early: kept.iter().map(|&row| self.is_early[row]).collect(),
            low: values(&self.low),
            high: values(&self.high),
            pruned: self.pruned,
        };
    }
}
