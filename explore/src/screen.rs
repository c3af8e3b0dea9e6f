//! Rejects without simulation what provably misses a requirement. Never anything else.
//!
//! | fact | how it is known | rejects when |
//! |---|---|---|
//! | memory | workers x memory per worker | it exceeds that of a node, whatever the goal says |
//! | `load`, `stable`, `cost_usd_per_hour` | the same closed forms as in the result: exact | a requirement is false with these values, whatever the other metrics are |
//! | smallest latency and parts | sum of the smallest work, transmission and delay: a lower bound | a requirement sets a limit on one of their means, quantiles or extremes, and the bound is above it |
//! | `deadline_miss_share` | 1 if the smallest latency is above the deadline, for periodic requests of which one is observed | the limit is below 1 |
//!
//! A load of 1 or more is no reason by itself: within a short run even an overloaded deployment can meet a limit
//! on its latency. It rejects where `load` or `stable` is required. Waiting is never counted in, because a bound on
//! it from below would need the arrivals themselves.
//!
//! The smallest latency is that of a request that waits nowhere: a quota, a shared core, a shared link, a
//! retransmission and a recorded rate can only make it longer. Rounding to whole nanoseconds and a request that
//! shares a rate are covered by [`SLACK_NS`].

use std::sync::Arc;

use offing_core::{Arrivals, Deployment, Distribution};
use offing_models::{ModelSet, Sampler, Transmission, cost, loads, memory};
use offing_scenarios::{Goal, Scalar};
use offing_sim::is_stable;

/// Taken off each lower bound [ns]: the steps of a request are rounded one by one.
pub const SLACK_NS: u64 = 1_000;

/// Standard deviations by which jitter can shorten a delay: the tables of `models::sampling` end at 6.4.
const JITTER_SDS: f64 = 7.0;

/// What is known before a simulation, held against a goal.
#[derive(Clone, Debug)]
pub struct Screen {
    goal: Goal,
    models: ModelSet,
    texts: Vec<String>,
    /// Requirements that read one of the exact metrics, and the text of each.
    exact: Vec<(usize, usize)>,
    floors: Vec<FloorLimit>,
}

/// A limit from above on something that has a lower bound.
#[derive(Clone, Copy, Debug)]
struct FloorLimit {
    text: usize,
    what: Floor,
    limit: f64,
    inclusive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Floor {
    Latency,
    /// In the order of [`offing_core::Parts::NAMES`].
    Part(usize),
    DeadlineMissShare,
}

/// Why a deployment is rejected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rejection {
    /// Which of [`Screen::texts`] says so.
    pub text: usize,
    /// The number for the `{}` in it; NaN where it has none.
    pub value: f64,
    /// How far it is from what is required, at least, as [`crate::Judge::distance`] counts; infinite where
    /// that has no number.
    pub distance: f64,
}

/// Smallest values of the samplers that were met: making one takes longer than a whole screening.
#[derive(Clone, Debug, Default)]
pub struct Minima {
    known: Vec<(Distribution, u64, u64)>,
}

const MEMORY: usize = 0;
const EXACT: [&str; 3] = ["load", "stable", "cost_usd_per_hour"];

impl Screen {
    /// For a goal and the models that a simulation would use.
    pub fn new(goal: &Goal, models: &ModelSet) -> Screen {
        let mut texts = vec!["memory does not fit: {} bytes are missing on each target node".to_string()];
        let (mut exact, mut floors) = (Vec::new(), Vec::new());
        for (number, condition) in goal.require.iter().enumerate() {
            let limit = condition.limit();
            if condition.names().iter().any(|name| EXACT.contains(&name.as_str())) {
                let told = match &limit {
                    Some(limit) => format!("{} is {{}}", limit.metric),
                    None => format!("false by {}", EXACT.join(", ")),
                };
                texts.push(format!("`{}`: {told}", condition.text()));
                exact.push((number, texts.len() - 1));
            }
            let Some(limit) = limit.filter(|limit| limit.at_most) else { continue };
            let Some(what) = floor(&limit.metric) else { continue };
            texts.push(match what {
                Floor::DeadlineMissShare => {
                    format!("`{}`: even without waiting a request takes {{}} ms", condition.text())
                }
                _ => format!("`{}`: even without waiting it is {{}} ms", condition.text()),
            });
            let text = texts.len() - 1;
            floors.push(FloorLimit { text, what, limit: limit.limit, inclusive: limit.inclusive });
        }
        Screen { goal: goal.clone(), models: models.clone(), texts, exact, floors }
    }

    /// Every reason there can be; `{}` stands for the number.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The first reason against a deployment; nothing if it has to be simulated.
    pub fn reject(&self, deployment: &Deployment, minima: &mut Minima) -> Option<Rejection> {
        if lacks_memory(deployment) {
            let missing = memory::missing_bytes(deployment);
            return Some(Rejection { text: MEMORY, value: missing as f64, distance: f64::INFINITY });
        }
        let effective = self.models.effective(deployment);
        self.by_exact(&effective).or_else(|| self.by_floors(&effective, minima))
    }

    fn by_exact(&self, deployment: &Deployment) -> Option<Rejection> {
        if self.exact.is_empty() {
            return None;
        }
        let loads = loads(deployment, &self.models.transport());
        let (load, cost) = (loads.target, cost::usd_per_hour(deployment));
        let stable = is_stable(deployment, &loads);
        let value = |name: &str| match name {
            "load" => Some(Scalar::Number(load)),
            "stable" => Some(Scalar::Bool(stable)),
            "cost_usd_per_hour" => Some(Scalar::Number(cost)),
            _ => None,
        };
        self.exact.iter().find_map(|&(number, text)| {
            let condition = &self.goal.require[number];
            // Without a metric that decides, the answer is open.
            if condition.holds(&|at| value(&condition.names()[at])) != Ok(false) {
                return None;
            }
            let (value, distance) = match condition.limit() {
                Some(limit) => {
                    let value = if limit.metric == "load" { load } else { cost };
                    (value, distance(value, limit.limit))
                }
                None => (f64::NAN, f64::INFINITY),
            };
            Some(Rejection { text, value, distance })
        })
    }

    fn by_floors(&self, deployment: &Deployment, minima: &mut Minima) -> Option<Rejection> {
        if self.floors.is_empty() {
            return None;
        }
        let floors = minima.floors_ns(deployment, &self.models);
        let ms = |ns: u64| ns.saturating_sub(SLACK_NS) as f64 / 1e6;
        let latency_ms = ms(floors.iter().sum());
        self.floors.iter().find_map(|limit| {
            let (told, least) = match limit.what {
                Floor::Latency => (latency_ms, latency_ms),
                Floor::Part(part) => (ms(floors[part]), ms(floors[part])),
                Floor::DeadlineMissShare => {
                    let deadline_ms = deployment.app.deadline?.as_nanos() as f64 / 1e6;
                    let misses = latency_ms > deadline_ms && is_observed(deployment);
                    (latency_ms, if misses { 1.0 } else { 0.0 })
                }
            };
            let holds = if limit.inclusive { least <= limit.limit } else { least < limit.limit };
            let rejection =
                Rejection { text: limit.text, value: told, distance: distance(least, limit.limit) };
            (!holds).then_some(rejection)
        })
    }
}

/// Whether the workers do not fit into a node, as `offing_scenarios::infeasible` says with its numbers.
pub(crate) fn lacks_memory(deployment: &Deployment) -> bool {
    memory::missing_bytes(deployment) > 0
}

/// The distance of [`crate::Judge::distance`] of one limit that is not kept.
fn distance(value: f64, limit: f64) -> f64 {
    let scale = if limit == 0.0 { 1.0 } else { limit.abs() };
    ((value - limit).abs() / scale).max(f64::MIN_POSITIVE)
}

/// What bounds a metric from below.
fn floor(metric: &str) -> Option<Floor> {
    if metric == "deadline_miss_share" {
        return Some(Floor::DeadlineMissShare);
    }
    let (what, which) = metric.strip_suffix("_ms")?.split_once('_')?;
    // A standard deviation is small also where everything is late.
    if which == "sd" {
        return None;
    }
    match what {
        "latency" => Some(Floor::Latency),
        _ => offing_core::Parts::NAMES.iter().position(|part| *part == what).map(Floor::Part),
    }
}

/// Whether certainly some request is emitted in the observed span.
fn is_observed(deployment: &Deployment) -> bool {
    let observed_s = (deployment.duration - deployment.warm_up).as_secs_f64();
    deployment.app.outstanding.is_none()
        && matches!(deployment.app.arrivals, Arrivals::Periodic)
        && observed_s * deployment.app.rate_hz > 1.5
}

impl Minima {
    /// The smallest time of each part [ns], waiting left out.
    pub fn floors_ns(&mut self, deployment: &Deployment, models: &ModelSet) -> [u64; 5] {
        let d = deployment;
        let (app, placement) = (&d.app, &d.placement);
        let cut = if d.is_offloaded() { placement.cut as usize } else { 0 };
        let mut work = |stages: &[offing_core::Stage], speed: f64| -> u64 {
            stages.iter().map(|stage| self.work_ns(&stage.work, speed)).sum()
        };
        let process = work(&app.stages[cut..], d.targets().speed);
        if !d.is_offloaded() {
            return [0, 0, 0, process, 0];
        }
        let speed = d.endpoints().speed;
        let prepare = work(&app.stages[..cut], speed) + self.work_ns(&app.prepare, speed);
        let message = if cut == 0 { &app.frame } else { &app.stages[cut - 1].output };
        let result = &app.stages[app.stages.len() - 1].output;
        let uplink = self.way_ns(d, models, [placement.endpoint, placement.target], message);
        let downlink = self.way_ns(d, models, [placement.target, placement.endpoint], result);
        [prepare, uplink, 0, process, downlink]
    }

    fn way_ns(
        &mut self,
        d: &Deployment,
        models: &ModelSet,
        [from, to]: [usize; 2],
        message: &Distribution,
    ) -> u64 {
        let Some((link, forwards)) = d.link(from, to) else { return 0 };
        let direction = if forwards { &link.up } else { &link.down };
        let jitter_ns = direction.jitter.as_nanos() as f64 * JITTER_SDS;
        let delay = direction.latency.as_nanos().saturating_sub(jitter_ns.ceil() as u64);
        let bytes = self.of(message, 1.0);
        // On a recorded link a message may come just in time for its last opportunity.
        delay + Transmission::new(direction, &models.transport()).span(bytes).unwrap_or(0)
    }

    /// The smallest work at a speed [ns]. Work is drawn at speed 1 and divided, so that one table serves all speeds.
    fn work_ns(&mut self, work: &Distribution, speed: f64) -> u64 {
        match work {
            Distribution::Constant(_) => self.of(work, 1e9 / speed),
            _ => (self.of(work, 1e9) as f64 / speed) as u64,
        }
    }

    /// The smallest sample of a distribution, in units of `1 / unit`.
    fn of(&mut self, distribution: &Distribution, unit: f64) -> u64 {
        if let Distribution::Constant(_) = distribution {
            return Sampler::new(distribution, unit).minimum();
        }
        let is_it = |(known, known_unit, _): &(Distribution, u64, u64)| {
            *known_unit == unit.to_bits() && is_same(known, distribution)
        };
        if let Some((_, _, minimum)) = self.known.iter().find(|known| is_it(known)) {
            return *minimum;
        }
        let minimum = Sampler::new(distribution, unit).minimum();
        // A space with more distributions than this has an axis of them: only the latest are met again.
        if self.known.len() >= 256 {
            self.known.clear();
        }
        self.known.push((distribution.clone(), unit.to_bits(), minimum));
        minimum
    }
}

/// Equality that does not read a long list that is the same one.
fn is_same(a: &Distribution, b: &Distribution) -> bool {
    match (a, b) {
        (Distribution::Empirical { values: a, .. }, Distribution::Empirical { values: b, .. })
        | (Distribution::Quantiles(a), Distribution::Quantiles(b)) => Arc::ptr_eq(a, b) || a == b,
        _ => a == b,
    }
}
