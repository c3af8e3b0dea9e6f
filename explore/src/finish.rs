//! Reads the units in order and writes what was found.
//!
//! One pass writes `summary.csv` and keeps, of each row that may be on the front, its position and what is to be
//! small. A few units at a time are read and written out as text in parallel, and then taken up in order, so that the
//! result is the same on any number of threads. A second pass reads only the units that hold rows of the front. Before both, what
//! a race accepted early and may be on the front is run in full ([`Refined`]).

use std::collections::BTreeMap;

use offing_core::{Deployment, Summary};
use rayon::prelude::*;
use serde_json::json;

use crate::cells::{Cells, end, push_number, push_text};
use crate::folder::{MANIFEST, json};
use crate::found::{Axes, Dropped, Effect, Found, Kept, Missed, Near, Number, Numbers, Reason, Ties};
use crate::plan::{Looked, MINIMISED, hex};
use crate::race::Decided;
use crate::refine::Refined;
use crate::unit::{Unit, Verdict};
use crate::{AxisEffect, ExploreError, Folder, Minima, Plan, Sensitivity, cover, front, smallest_fix};

/// What was found, and the files that say it.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The same as in `shortlist.json`.
    pub found: Found,
    /// Name and SHA-256 of each file.
    pub outputs: BTreeMap<String, String>,
}

/// The distribution functions of what is predicted for the shortlist.
pub const DISTRIBUTIONS: &str = "distributions.csv";

/// Distribution functions as a file has them: of each deployment, by its id, latencies [ms] and the share of its
/// completed requests that took at most so long.
pub fn distributions_csv<'d>(of: impl IntoIterator<Item = (&'d str, &'d Vec<(f64, f64)>)>) -> String {
    let mut csv = String::from("deployment,latency_ms,share\n");
    for (deployment, points) in of {
        for (latency_ns, share) in points {
            // Six digits of a share, the last of them one in a million.
            csv += &format!("{deployment},{},{}\n", latency_ns / 1e6, (share * 1e6).round() / 1e6);
        }
    }
    csv
}

/// Units that are in memory at once, at most: they have about a kilobyte per row.
const MOST_AT_ONCE: usize = 8;
/// Rows that may turn out to be the nearest to feasible.
const CANDIDATES: usize = 32;
/// Of which so many are told.
const MOST_NEAR: usize = 10;
/// Ties that are named.
const MOST_TIES: usize = 20;
/// Deployments of a sample's surroundings that are tried for one smallest fix.
const MOST_TRIED: u32 = 500;

/// The units that are not in the folder, torn ones among them.
///
/// # Errors
/// If the disk fails.
pub fn missing(plan: &Plan<'_>, folder: &Folder) -> Result<Vec<u64>, ExploreError> {
    let there = (0..plan.units()).into_par_iter().map(|unit| Ok(folder.read_unit(plan, unit)?.is_none()));
    let there = there.collect::<Result<Vec<bool>, ExploreError>>()?;
    Ok((0..plan.units()).zip(there).filter(|(_, is_missing)| *is_missing).map(|(unit, _)| unit).collect())
}

/// Reads all units and writes the results but for the manifest, with at most `size` deployments on the shortlist;
/// `progress` hears how many more positions were taken up.
///
/// # Errors
/// If a unit is missing, or the disk fails.
pub fn finish(
    plan: &Plan<'_>,
    folder: &Folder,
    size: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Finished, ExploreError> {
    let of_goal = of_goal(plan);
    let cells = Cells::new(plan);
    let refined = Refined::new(plan, folder)?;
    let mut gathered = Gathered::new(plan, of_goal.len());
    gathered.numbers.refined = refined.len() as u64;
    let mut summary = folder.create("summary.csv")?;
    summary.put(&cells.header())?;
    #[cfg(feature = "parquet")]
    let mut table = crate::parquet::Table::create(plan, folder)?;

    let at_once = rayon::current_num_threads().clamp(1, MOST_AT_ONCE) as u64;
    let read = |from: u64| -> Result<Vec<Part>, ExploreError> {
        let units = (from..plan.units().min(from + at_once)).into_par_iter();
        units.map(|unit| Part::read(plan, folder, &refined, &cells, unit)).collect()
    };
    let mut parts = read(0)?;
    let mut next = at_once;
    while !parts.is_empty() {
        let take_up = || -> Result<(), ExploreError> {
            for part in parts.drain(..) {
                summary.put(&part.csv)?;
                #[cfg(feature = "parquet")]
                table.write(&part.unit, &part.digits)?;
                let count = part.unit.offsets.len() as u64;
                gathered.add(plan, &of_goal, part);
                progress(count);
            }
            Ok(())
        };
        // While one batch is written, the next is read.
        let (following, written) = rayon::join(|| read(next), take_up);
        written?;
        parts = following?;
        next += at_once;
    }
    let mut outputs = BTreeMap::from([summary.finish()?]);
    #[cfg(feature = "parquet")]
    outputs.extend([table.finish()?]);

    let Gathered { numbers, ranked, best, feasible, reasons, near, sensitivity } = gathered;
    let Best { positions, points, .. } = best;
    let on_front = front(&points, plan.minimise.len());
    outputs.extend([write_front(plan, (folder, &refined), &cells, &on_front, &positions)?]);
    let mut write = |name: &str, bytes: &[u8]| -> Result<(), ExploreError> {
        folder.write(name, bytes)?;
        outputs.insert(name.into(), folder.hash(name)?);
        Ok(())
    };
    if let Some(sensitivity) = sensitivity {
        let effects = sensitivity.finish();
        write("sensitivity.json", &json(&told_effects(plan, &of_goal, &effects)))?;
        write("sensitivity.csv", &effects_csv(plan, &of_goal, &effects))?;
    }

    let picks = cover(&points, plan.minimise.len(), &on_front, size);
    let kept = picks.par_iter().map(|pick| {
        let names: Vec<String> = plan.minimise.iter().map(|&at| plan.metrics.names()[at].clone()).collect();
        let (digits, deployment) = deployment(plan, positions[pick.row]);
        let number = |row: &usize| Number(number(plan, positions[*row]));
        let run = offing_sim::simulate(&deployment, plan.models, plan.scenario.seed);
        let kept = Kept {
            number: Number(plan.points.number(&digits)),
            id: deployment.id(),
            axes: axes(plan, &digits),
            why: pick.why.with(&names).to_string(),
            ties: Ties {
                count: pick.ties.len() as u64,
                numbers: pick.ties.iter().take(MOST_TIES).map(number).collect(),
            },
            predicted: Summary::new(&plan.scenario.name, &run, deployment.app.deadline.is_some()),
            deployment,
        };
        (kept, run.recording.latency().distribution())
    });
    let (shortlist, distributions): (Vec<Kept>, Vec<_>) = kept.collect::<Vec<_>>().into_iter().unzip();
    let found = Found {
        scenario: plan.scenario.name.clone(),
        seed: plan.scenario.seed,
        models: plan.identity.models.clone(),
        version: plan.identity.version.clone(),
        require: plan.scenario.goal.require.iter().map(|condition| condition.text().into()).collect(),
        minimise: plan.minimise.iter().map(|&at| plan.metrics.names()[at].clone()).collect(),
        notes: notes(plan, &numbers, ranked),
        front: on_front.len() as u64,
        shortlist,
        dropped: Dropped {
            by_reason: told_reasons(reasons),
            nearly_feasible: nearly_feasible(plan, &near, &feasible),
        },
        numbers,
    };
    write("shortlist.json", &json(&found))?;
    let of_shortlist = found.shortlist.iter().map(|kept| kept.id.as_str()).zip(&distributions);
    write(DISTRIBUTIONS, distributions_csv(of_shortlist).as_bytes())?;
    Ok(Finished { found, outputs })
}

/// Writes `manifest.json`, which says that the run is complete, and removes the units unless they are to be kept.
/// `made` says how and when it was made; nothing else in the folder does.
///
/// # Errors
/// If the disk fails.
pub fn complete(
    plan: &Plan<'_>,
    folder: &Folder,
    outputs: &BTreeMap<String, String>,
    made: &serde_json::Map<String, serde_json::Value>,
    keep_units: bool,
) -> Result<(), ExploreError> {
    let mut outputs = outputs.clone();
    outputs.insert("scenario.toml".into(), folder.hash("scenario.toml")?);
    let manifest = json!({
        "identity": plan.identity,
        "fingerprint": hex(&plan.fingerprint),
        "made": made,
        "positions": plan.points.len(),
        "units": plan.units(),
        "outputs": outputs,
    });
    if keep_units {
        folder.keep_units()?;
    }
    folder.write(MANIFEST, &json(&manifest))?;
    folder.tidy()
}

/// The metrics of the goal, whose sensitivity is told, by their places in a row.
fn of_goal(plan: &Plan<'_>) -> Vec<usize> {
    let mut of_goal = plan.judge.uses();
    of_goal.extend(&plan.minimise);
    of_goal.sort_unstable();
    of_goal.dedup();
    of_goal
}

/// What a unit adds.
struct Part {
    first: u64,
    unit: Unit,
    csv: Vec<u8>,
    /// Digits of each row, flat.
    digits: Vec<u64>,
    /// How many feasible rows have all metrics that are to be small, and those that no other row here beats.
    ranked: u64,
    best: Best,
}

impl Part {
    fn read(
        plan: &Plan<'_>,
        folder: &Folder,
        refined: &Refined,
        cells: &Cells<'_>,
        number: u64,
    ) -> Result<Part, ExploreError> {
        let unit = refined.unit(plan, folder, number)?;
        let first = plan.positions(number).start;
        let mut csv = Vec::with_capacity(unit.offsets.len() * 256);
        let (mut digits, mut here) = (Vec::new(), Vec::new());
        for (row, predicted) in unit.rows() {
            plan.points.digits(first + u64::from(unit.offsets[row]), &mut here);
            cells.push(&mut csv, &here, &unit, row, predicted);
            digits.extend_from_slice(&here);
        }
        let mut best = Best::default();
        for (row, predicted) in unit.rows() {
            let Some(at) = predicted.filter(|_| unit.verdicts[row] == Verdict::Feasible) else { continue };
            let values = plan.minimise.iter().map(|&metric| unit.metrics[metric][at]);
            if values.clone().all(|value| !value.is_nan()) {
                best.positions.push(first + u64::from(unit.offsets[row]));
                best.points.extend(values);
            }
        }
        let ranked = best.positions.len() as u64;
        best.prune(plan.minimise.len());
        Ok(Part { first, unit, csv, digits, ranked, best })
    }
}

/// Rows that may be on the front: their positions, in increasing order, and what is to be small.
#[derive(Default)]
struct Best {
    positions: Vec<u64>,
    points: Vec<f64>,
    /// How many there were when it was pruned last.
    pruned: usize,
}

/// Rows that are kept before it is worth looking at them again.
const MOST_UNPRUNED: usize = 1 << 16;

impl Best {
    /// Keeps what no other row beats: what is beaten by some is beaten by all.
    fn prune(&mut self, width: usize) {
        self.pruned = 0;
        for (to, from) in front(&self.points, width).into_iter().enumerate() {
            self.positions[to] = self.positions[from];
            self.points.copy_within(from * width..(from + 1) * width, to * width);
            self.pruned = to + 1;
        }
        self.positions.truncate(self.pruned);
        self.points.truncate(self.pruned * width);
    }

    /// Adds rows of later positions. There are never many more than are on the front.
    fn append(&mut self, other: &Best, width: usize) {
        self.positions.extend_from_slice(&other.positions);
        self.points.extend_from_slice(&other.points);
        if self.positions.len() > 2 * self.pruned + MOST_UNPRUNED {
            self.prune(width);
        }
    }
}

/// Rows that are equally far from feasible: mostly those that differ in what does not matter to them.
#[derive(Clone, Copy)]
struct Candidate {
    /// How far, at least.
    distance: f64,
    /// The first of them.
    position: u64,
    count: u64,
}

/// What the choice is made from.
struct Gathered {
    numbers: Numbers,
    /// How many feasible rows have all metrics that are to be small.
    ranked: u64,
    /// Those of them that may be on the front.
    best: Best,
    /// One bit per position.
    feasible: Vec<u64>,
    reasons: BTreeMap<(Verdict, String), (u64, f64, f64)>,
    /// Rows that may be the nearest to feasible, one per distance.
    near: Vec<Candidate>,
    sensitivity: Option<Sensitivity>,
}

impl Gathered {
    fn new(plan: &Plan<'_>, of_goal: usize) -> Self {
        let lengths: Vec<u64> = plan.scenario.space.axes().iter().map(|axis| axis.len()).collect();
        Gathered {
            numbers: Numbers {
                space: plan.scenario.space.len().to_string(),
                looked_at: plan.points.len(),
                repeated: plan.points.repeats(),
                ..Numbers::default()
            },
            ranked: 0,
            best: Best::default(),
            feasible: vec![0; plan.points.len().div_ceil(64) as usize],
            reasons: BTreeMap::new(),
            near: Vec::new(),
            sensitivity: (!lengths.is_empty()).then(|| Sensitivity::new(&lengths, of_goal)),
        }
    }

    fn add(&mut self, plan: &Plan<'_>, of_goal: &[usize], part: Part) {
        let Part { first, unit, digits, ranked, best, .. } = &part;
        self.ranked += ranked;
        self.best.append(best, plan.minimise.len());
        let axes = plan.scenario.space.axes().len();
        let mut values = vec![0.0; of_goal.len()];
        // Per text of the unit: how often, and between which numbers.
        let mut reasons: Vec<Option<(Verdict, u64, f64, f64)>> = vec![None; unit.texts.len()];
        for (row, predicted) in unit.rows() {
            let position = first + u64::from(unit.offsets[row]);
            let verdict = unit.verdicts[row];
            let numbers = &mut self.numbers;
            *match verdict {
                Verdict::Feasible => &mut numbers.feasible,
                Verdict::Infeasible => &mut numbers.infeasible,
                Verdict::Screened => &mut numbers.screened,
                Verdict::Excluded => &mut numbers.excluded,
            } += 1;
            if verdict == Verdict::Feasible {
                self.feasible[(position / 64) as usize] |= 1 << (position % 64);
            } else {
                let (value, distance) = (unit.values[row], unit.distances[row]);
                let reason =
                    reasons[unit.reasons[row] as usize].get_or_insert((verdict, 0, f64::NAN, f64::NAN));
                *reason = (verdict, reason.1 + 1, reason.2.min(value), reason.3.max(value));
                if distance.is_finite() {
                    self.may_be_near(distance, position);
                }
            }
            let Some(at) = predicted else { continue };
            let numbers = &mut self.numbers;
            numbers.not_distinguishable += u64::from(unit.decided[at] == Decided::Open);
            numbers.decided_early += u64::from(unit.decided[at].is_early());
            numbers.requests += unit.requests[at];
            if let Some(sensitivity) = &mut self.sensitivity {
                for (value, &metric) in values.iter_mut().zip(of_goal) {
                    *value = unit.metrics[metric][at];
                }
                sensitivity.add(&digits[row * axes..(row + 1) * axes], &values);
            }
        }
        for (text, reason) in unit.texts.iter().zip(reasons) {
            let Some((verdict, count, from, to)) = reason else { continue };
            let all = self.reasons.entry((verdict, text.clone())).or_insert((0, f64::NAN, f64::NAN));
            *all = (all.0 + count, all.1.min(from), all.2.max(to));
        }
    }

    /// Keeps the nearest.
    fn may_be_near(&mut self, distance: f64, position: u64) {
        let at = self.near.partition_point(|other| other.distance < distance);
        match self.near.get_mut(at) {
            Some(equal) if equal.distance == distance => equal.count += 1,
            _ if at == CANDIDATES => {}
            _ => {
                self.near.insert(at, Candidate { distance, position, count: 1 });
                self.near.truncate(CANDIDATES);
            }
        }
    }
}

fn number(plan: &Plan<'_>, position: u64) -> u128 {
    let mut digits = Vec::new();
    plan.points.digits(position, &mut digits);
    plan.points.number(&digits)
}

/// A deployment that was predicted or screened.
fn deployment(plan: &Plan<'_>, position: u64) -> (Vec<u64>, Deployment) {
    let mut digits = Vec::new();
    plan.points.digits(position, &mut digits);
    let deployment = plan.scenario.space.at(&digits).expect("only what is not excluded is asked for");
    (digits, deployment)
}

fn predict(plan: &Plan<'_>, deployment: &Deployment) -> Summary {
    let run = offing_sim::simulate(deployment, plan.models, plan.scenario.seed);
    Summary::new(&plan.scenario.name, &run, deployment.app.deadline.is_some())
}

fn axes(plan: &Plan<'_>, digits: &[u64]) -> Axes {
    let axes = plan.scenario.space.axes().iter().zip(digits);
    axes.flat_map(|(axis, &digit)| axis.keys().map(String::from).zip(axis.labels(digit))).collect()
}

/// The rows of the front, in order of their positions.
fn write_front(
    plan: &Plan<'_>,
    (folder, refined): (&Folder, &Refined),
    cells: &Cells<'_>,
    on_front: &[usize],
    ranked: &[u64],
) -> Result<(String, String), ExploreError> {
    let mut out = folder.create("front.csv")?;
    out.put(&cells.header())?;
    let mut positions: Vec<u64> = on_front.iter().map(|&row| ranked[row]).collect();
    positions.sort_unstable();
    let length = plan.positions(0).end;
    let lines = |positions: &[u64]| -> Result<Vec<u8>, ExploreError> {
        let number = positions[0] / length;
        let unit = refined.unit(plan, folder, number)?;
        let first = plan.positions(number).start;
        let (mut csv, mut digits) = (Vec::new(), Vec::new());
        for (row, predicted) in unit.rows() {
            let position = first + u64::from(unit.offsets[row]);
            if positions.binary_search(&position).is_ok() {
                plan.points.digits(position, &mut digits);
                cells.push(&mut csv, &digits, &unit, row, predicted);
            }
        }
        Ok(csv)
    };
    let of_units: Vec<&[u64]> = positions.chunk_by(|a, b| a / length == b / length).collect();
    for some in of_units.chunks(MOST_AT_ONCE) {
        for csv in some.par_iter().map(|positions| lines(positions)).collect::<Result<Vec<_>, _>>()? {
            out.put(&csv)?;
        }
    }
    out.finish()
}

fn told_reasons(reasons: BTreeMap<(Verdict, String), (u64, f64, f64)>) -> Vec<Reason> {
    let known = |value: f64| (!value.is_nan()).then_some(value);
    let told = reasons.into_iter().map(|((verdict, reason), (count, from, to))| Reason {
        verdict: verdict.name().into(),
        reason,
        count,
        from: known(from),
        to: known(to),
    });
    let mut told: Vec<Reason> = told.collect();
    // Equal counts stay in the order of verdicts and texts.
    told.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    told
}

/// The nearest of the candidates, simulated; the distance of a screened one was only a lower bound.
fn nearly_feasible(plan: &Plan<'_>, candidates: &[Candidate], feasible: &[u64]) -> Vec<Near> {
    let simulated = candidates.par_iter().map(|&Candidate { position, count, .. }| {
        let (digits, deployment) = deployment(plan, position);
        let predicted = predict(plan, &deployment);
        let mut row = Vec::new();
        plan.metrics.row(&predicted, &mut row);
        (plan.judge.distance(&row), position, count, digits, deployment, predicted, row)
    });
    let mut simulated: Vec<_> = simulated.collect();
    simulated.retain(|(distance, ..)| distance.is_finite());
    simulated.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    simulated.truncate(MOST_NEAR);
    let told =
        simulated.into_par_iter().map(|(distance, _, count, digits, deployment, predicted, row)| Near {
            as_far: count - 1,
            number: Number(plan.points.number(&digits)),
            id: deployment.id(),
            axes: axes(plan, &digits),
            distance,
            misses: plan
                .judge
                .misses(&row)
                .into_iter()
                .map(|miss| Missed {
                    text: miss.to_string(),
                    requirement: miss.requirement,
                    metric: miss.metric,
                    value: miss.value,
                    bound: miss.bound,
                    by: miss.by,
                })
                .collect(),
            bottleneck: predicted.bottleneck.clone(),
            smallest_fix: fix(plan, &digits, feasible),
            predicted,
        });
    told.collect()
}

/// The smallest change that makes it feasible. In a whole space the sweep has the answer; around a point of a sample
/// it is asked for again, of a limited number of neighbours.
fn fix(plan: &Plan<'_>, digits: &[u64], feasible: &[u64]) -> Option<String> {
    let tried = std::cell::Cell::new(0);
    let minima = std::cell::RefCell::new(Minima::default());
    let is_feasible = |digits: &[u64]| {
        if plan.points.is_all() {
            let position = plan.points.number(digits) as u64;
            return feasible[(position / 64) as usize] >> (position % 64) & 1 == 1;
        }
        if tried.get() == MOST_TRIED {
            return false;
        }
        match plan.look(digits, &mut minima.borrow_mut()) {
            Looked::Deployment(deployment) => {
                tried.set(tried.get() + 1);
                let mut row = Vec::new();
                plan.metrics.row(&predict(plan, &deployment), &mut row);
                plan.judge.meets(&row)
            }
            _ => false,
        }
    };
    let fix = smallest_fix(&plan.scenario.space, digits, &is_feasible)?;
    Some(fix.describe(&plan.scenario.space))
}

fn notes(plan: &Plan<'_>, numbers: &Numbers, ranked: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let goal = &plan.scenario.goal;
    if goal.minimise.is_empty() {
        notes.push(format!(
            "the goal does not say what is to be small, so {} were taken: write `minimise` in `[goal]`",
            MINIMISED.map(|name| format!("`{name}`")).join(" and ")
        ));
    }
    if goal.require.is_empty() {
        notes.push("nothing is required, so every deployment that can be simulated is feasible".into());
    }
    if numbers.repeated > 0 {
        notes.push(format!("{} points of the sample repeat an earlier one and count once", numbers.repeated));
    }
    if plan.scenario.space.sample().is_some() && plan.points.is_all() {
        notes.push("the sample has at least as many points as the space has numbers: all were taken".into());
    }
    if ranked < numbers.feasible {
        notes.push(format!(
            "{} feasible deployments have no value for something that is to be small, and are not ranked",
            numbers.feasible - ranked
        ));
    }
    notes
}

fn told_effects(plan: &Plan<'_>, of_goal: &[usize], effects: &[AxisEffect]) -> serde_json::Value {
    let known = |value: f64| (!value.is_nan()).then_some(value);
    let told = effects.iter().flat_map(|effect| {
        let axis = &plan.scenario.space.axes()[effect.axis];
        effect.metrics.iter().zip(of_goal).map(move |(metric, &at)| Effect {
            axis: axis.keys().map(String::from).collect(),
            metric: plan.metrics.names()[at].clone(),
            first_order: known(metric.first_order),
            is_exact: metric.is_exact,
            lowest_mean: known(metric.lowest),
            highest_mean: known(metric.highest),
            bin: effect.bin,
        })
    });
    json!(told.collect::<Vec<Effect>>())
}

/// The mean of each metric of the goal at each value of each axis.
fn effects_csv(plan: &Plan<'_>, of_goal: &[usize], effects: &[AxisEffect]) -> Vec<u8> {
    let mut csv = b"axis,value,metric,mean,rows\n".to_vec();
    for effect in effects {
        let axis = &plan.scenario.space.axes()[effect.axis];
        let keys = axis.keys().collect::<Vec<_>>().join(" ");
        for (metric, &at) in effect.metrics.iter().zip(of_goal) {
            for level in &metric.main {
                push_text(&mut csv, &keys);
                push_text(&mut csv, &axis.labels(level.digit).join(" "));
                push_text(&mut csv, &plan.metrics.names()[at]);
                push_number(&mut csv, level.mean);
                push_number(&mut csv, level.count as f64);
                end(&mut csv);
            }
        }
    }
    csv
}
