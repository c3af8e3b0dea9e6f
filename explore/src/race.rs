//! Simulates a part of the run where that tells whether a requirement on a quantile of the latency is met.
//!
//! `latency_p95_ms <= 150` is missed by a deployment of which more than 5 % of the requests take longer than 150 ms.
//! Whether they do is often clear after a sixteenth of the run: then the rest of it is not simulated, and the row
//! holds the metrics of the part that was. What clearly meets it stops early as well, if everything else that is
//! required is clear too and everything that is to be small has an interval ([`Intervals`]). Those that the intervals
//! leave on the front run for the whole duration in the end ([`crate::refine`]).
//!
//! Two things make an early decision wrong, and each has its guard:
//! - Successive requests are alike, so the share has the standard error of batch means, never less than that of
//!   half as many independent requests, and [`SIGMAS`] of them lie between it and the limit.
//! - Near saturation a queue forgets slowly, and all deployments meet the same, perhaps unlucky, requests. So
//!   there is no decision before 600/(1 - load)^2 requests per node, the relaxation time with a margin. In
//!   overload there is nothing to wait for unless the queue is bounded: it only gets worse. What meets the
//!   requirement then does so because the run is short, and stays open.
//!
//! Where the whole run leaves the share within the same distance of the limit, or is too short for a load above 0.8,
//! the row says that it is not distinguishable.

use std::borrow::Cow;

use offing_core::{Deployment, Span};
use offing_models::loads;
use offing_scenarios::{Goal, Scenario};
use offing_sim::{Above, CALM, Estimate, Sweep, relaxation_requests};

use crate::intervals::{Intervals, SIGMAS};
use crate::{Judge, Metrics};

/// The rounds, as parts of the observed span.
const PARTS: [u64; 4] = [16, 8, 4, 2];
/// Requests of a round, at least: the quantiles of fewer are worth little.
const FEWEST: f64 = 8192.0;

/// A requirement that can be decided early.
#[derive(Clone, Debug)]
pub struct Race {
    /// What may be exceeded [ns],
    limit_ns: f64,
    /// by at most this share of the requests.
    allowed: f64,
    /// The requirement as it was written.
    text: String,
    metrics: Metrics,
    intervals: Intervals,
    /// The other requirements.
    others: Judge,
    /// Whether everything that is to be small has an interval.
    accepts: bool,
}

/// What the race says of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It missed the requirement in a part of the run.
    Missed,
    /// It meets everything in a part of the run.
    Met,
    /// The whole run tells.
    Whole,
    /// The whole run does not tell.
    Open,
    /// It is not known how sure the answer is.
    Unknown,
}

impl Decided {
    /// All of them, in the order of their numbers in unit files.
    pub const ALL: [Decided; 5] =
        [Decided::Missed, Decided::Met, Decided::Whole, Decided::Open, Decided::Unknown];

    /// As it is written in results; nothing where there was no race.
    pub fn name(self) -> &'static str {
        ["early", "early", "whole", "open", ""][self as usize]
    }

    /// Whether the row rests on a part of the run.
    pub fn is_early(self) -> bool {
        matches!(self, Decided::Missed | Decided::Met)
    }
}

/// What a race found out about a deployment.
#[derive(Clone, Copy, Debug)]
pub struct Raced {
    /// The numbers of the last round.
    pub estimate: Estimate,
    /// What they tell.
    pub decided: Decided,
    /// How sure they are; nothing where lanes do not say.
    pub above: Option<Above>,
    /// Requests that were simulated in all rounds.
    pub simulated: u64,
}

impl Race {
    /// The race for the first requirement of a scenario's goal that has the right form, over rows with these metrics.
    /// `minimise` are the places of those that are to be small.
    pub fn new(scenario: &Scenario, metrics: &Metrics, minimise: &[usize]) -> Option<Race> {
        let require = &scenario.goal.require;
        let (raced, limit_ns, allowed) = require.iter().enumerate().find_map(|(number, condition)| {
            let limit = condition.limit().filter(|limit| limit.at_most)?;
            let allowed = match limit.metric.as_str() {
                "latency_p50_ms" => 0.5,
                "latency_p90_ms" => 0.1,
                "latency_p95_ms" => 0.05,
                "latency_p99_ms" => 0.01,
                "latency_p999_ms" => 0.001,
                _ => return None,
            };
            Some((number, limit.limit * 1e6, allowed))
        })?;
        let mut others = require.clone();
        let text = others.remove(raced).text().into();
        let goal = Goal { require: others, minimise: Vec::new() };
        let intervals = Intervals::new(metrics);
        Some(Race {
            limit_ns,
            allowed,
            text,
            metrics: metrics.clone(),
            others: Judge::new(&goal, metrics.names()),
            accepts: minimise.iter().all(|&metric| intervals.has(metric)),
            intervals,
        })
    }

    /// The requirement that it is about.
    pub fn requirement(&self) -> &str {
        &self.text
    }

    /// Estimates deployments, in their order. Those that lanes cannot have run for the whole duration, alone.
    pub fn run(&self, deployments: &[Deployment], sweep: &mut Sweep<'_>) -> Vec<Raced> {
        let mut found: Vec<Option<Raced>> = vec![None; deployments.len()];
        let mut simulated = vec![0; deployments.len()];
        let mut alive: Vec<usize> = (0..deployments.len()).collect();
        // A part of the run meets the requirement but cannot be the last, so the next part is no better.
        let mut looks_good = vec![false; deployments.len()];
        for part in PARTS {
            let (tried, mut next): (Vec<usize>, Vec<usize>) = alive
                .into_iter()
                .partition(|&i| !looks_good[i] && is_worth_a_round(&deployments[i], sweep, part));
            let shortened: Vec<Deployment> =
                tried.iter().map(|&i| shortened(&deployments[i], part)).collect();
            let estimates = sweep.estimate_in_lanes(&shortened, self.limit_ns);
            for ((&i, d), estimate) in tried.iter().zip(&shortened).zip(estimates) {
                let Some((estimate, above)) = estimate else {
                    next.push(i);
                    continue;
                };
                simulated[i] += estimate.requests.offered;
                let raced =
                    |decided| Raced { estimate, decided, above: Some(above), simulated: simulated[i] };
                match self.tell(d, sweep, (&estimate, above), 0.0) {
                    Some(false) => found[i] = Some(raced(Decided::Missed)),
                    Some(true) if !self.accepts || d.placement.queue.is_some() => looks_good[i] = true,
                    Some(true) if self.is_certain(d, &raced(Decided::Met)) => {
                        found[i] = Some(raced(Decided::Met));
                    }
                    _ => {}
                }
                if found[i].is_none() {
                    next.push(i);
                }
            }
            next.sort_unstable();
            alive = next;
        }
        let left: Cow<'_, [Deployment]> = match alive.len() == deployments.len() {
            true => deployments.into(),
            false => alive.iter().map(|&i| deployments[i].clone()).collect(),
        };
        for (&i, raced) in alive.iter().zip(self.whole(&left, sweep)) {
            found[i] = Some(Raced { simulated: simulated[i] + raced.simulated, ..raced });
        }
        found.into_iter().map(|one| one.expect("each was simulated in the end")).collect()
    }

    /// Estimates deployments by whole runs, in their order.
    pub fn whole(&self, deployments: &[Deployment], sweep: &mut Sweep<'_>) -> Vec<Raced> {
        let estimates = sweep.count_in_lanes(deployments, self.limit_ns);
        let of = |(d, estimate): (&Deployment, Option<(Estimate, Above)>)| {
            let (estimate, above, decided) = match estimate {
                Some((estimate, above)) => {
                    let is_open = self.tell(d, sweep, (&estimate, above), CALM).is_none();
                    (estimate, Some(above), if is_open { Decided::Open } else { Decided::Whole })
                }
                None => (Estimate::of_run(d, &sweep.simulate(d)), None, Decided::Unknown),
            };
            Raced { estimate, decided, above, simulated: estimate.requests.offered }
        };
        deployments.iter().zip(estimates).map(of).collect()
    }

    /// Lower and upper ends of all metrics of a row, NaN where there are none. A row that rests on the whole run is one
    /// point.
    pub fn ends(&self, d: &Deployment, raced: &Raced) -> (Vec<f64>, Vec<f64>) {
        let mut row = Vec::with_capacity(self.metrics.width());
        self.metrics.estimated(d, &raced.estimate, &mut row);
        match raced.above.filter(|_| raced.decided.is_early()) {
            Some(above) => self.intervals.of_row(&row, raced.estimate.requests.offered, above.into()),
            None => (row.clone(), row),
        }
    }

    pub(crate) fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    /// Whether all other requirements are met within the intervals.
    fn is_certain(&self, d: &Deployment, raced: &Raced) -> bool {
        let (low, high) = self.ends(d, raced);
        self.others.verdict(&low, &high) == Some(true)
    }

    /// Whether a deployment meets the requirement; nothing if that is not certain. Below a load of `calm` a queue
    /// need not have had the time to forget how it began.
    fn tell(&self, d: &Deployment, sweep: &Sweep<'_>, seen: (&Estimate, Above), calm: f64) -> Option<bool> {
        let (estimate, above) = seen;
        let load = busiest(d, sweep);
        if load >= calm && !has_settled(d, load, estimate.requests.completed as f64) {
            return None;
        }
        let distance = self.allowed - above.share;
        let is_met = (distance.abs() > SIGMAS * above.error).then_some(distance > 0.0)?;
        // A longer run would miss it.
        (!is_met || !grows(d, load)).then_some(is_met)
    }
}

/// The load of the busiest resource.
fn busiest(d: &Deployment, sweep: &Sweep<'_>) -> f64 {
    let models = sweep.models();
    loads(&models.effective(d), &models.transport()).bottleneck().1
}

/// Whether the queue grows as long as the run goes on.
fn grows(d: &Deployment, load: f64) -> bool {
    load >= 1.0 && d.placement.queue.is_none()
}

/// Whether so many requests are enough to forget how the queue began, if it ever does.
fn has_settled(d: &Deployment, load: f64, requests: f64) -> bool {
    let nodes = if d.is_offloaded() { d.targets().nodes } else { d.endpoints().nodes };
    grows(d, load) || requests / f64::from(nodes) >= relaxation_requests(load)
}

/// Whether a part of the run can decide.
fn is_worth_a_round(d: &Deployment, sweep: &Sweep<'_>, part: u64) -> bool {
    let observed_s = (d.duration - d.warm_up).as_secs_f64();
    let requests = d.app.rate_hz * f64::from(d.endpoints().nodes) * observed_s / part as f64;
    if requests < FEWEST {
        return false;
    }
    let load = busiest(d, sweep);
    // A bounded queue is full for a while and then not; only the whole run tells how often.
    let is_full_at_times = load >= 1.0 && d.placement.queue.is_some();
    !is_full_at_times && has_settled(d, load, requests)
}

/// The same with a part of the observed span. A longer run begins like a shorter one.
fn shortened(d: &Deployment, part: u64) -> Deployment {
    let observed_ns = (d.duration - d.warm_up).as_nanos() / part;
    let duration = Span::from_nanos(d.warm_up.as_nanos() + observed_ns.max(1));
    Deployment { duration, ..d.clone() }
}
