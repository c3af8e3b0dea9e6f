//! A deployment compiled for simulation: whole nanoseconds, samplers and stations in place of descriptions.
//!
//! Both engines read this, and draw a request's variates through it, so they meet the same requests. How a
//! request moves on is written in each engine.

use std::ops::Range;

use offing_core::{Arrivals, Balance, Demand, Deployment, Direction, Distribution, Rate, Scope, Sharing};
use offing_models::{Delay, ModelSet, NormalTable, Quota, Sampler, Transmission};

use crate::node::NodeSpec;
use crate::streams::{Purpose, Streams};
use crate::tables::Tables;

/// Stations that a run may have; a deployment that needs more is refused.
const STATIONS: u64 = 50_000_000;

/// The slowest rate [1/s] whose period fits the representation.
const SLOWEST_HZ: f64 = 1e-5;

/// Why a deployment cannot be simulated; nothing if it can.
pub fn refusal(deployment: &Deployment) -> Option<String> {
    if deployment.app.rate_hz < SLOWEST_HZ {
        let rate = deployment.app.rate_hz;
        return Some(format!(
            "a rate of {rate} /s is below the limit of {SLOWEST_HZ} /s (one request in 28 h)"
        ));
    }
    let endpoints = u64::from(deployment.endpoints().nodes);
    let nodes = u64::from(deployment.targets().nodes);
    if !deployment.is_offloaded() {
        return None;
    }
    let (link, _) = deployment.link(deployment.placement.endpoint, deployment.placement.target)?;
    let is_recorded = |direction: &Direction| matches!(direction.rate, Rate::Trace { .. });
    if link.sharing == Sharing::Fair && (is_recorded(&link.up) || is_recorded(&link.down)) {
        return Some("a recorded rate cannot be shared fairly: use sharing \"fifo\"".to_string());
    }
    let fans_out = deployment.placement.balance != Balance::Static && nodes > 1;
    if link.scope == Scope::Pair && fans_out && endpoints * nodes > STATIONS {
        return Some(format!(
            "{endpoints} endpoints x {nodes} nodes make {} links of their own; the limit is {STATIONS}: \
             use scope \"node\" or balance \"static\"",
            endpoints * nodes
        ));
    }
    None
}

/// The node of a request whose node is decided on arrival.
pub(crate) const NO_NODE: u32 = u32::MAX;

/// Where a variate's word is: a word of a block of a purpose, at the request's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub purpose: u32,
    pub word: usize,
}

/// A variate of each request.
#[derive(Clone, Debug)]
pub(crate) struct Variate {
    pub slot: Slot,
    pub sampler: Sampler,
    /// What is sampled is multiplied by this and rounded to the nearest whole number, ties to even: work is
    /// drawn as CPU time at speed 1, so that all speeds meet the same work, and one table serves them all.
    pub factor: f64,
}

impl Variate {
    /// A variate that is what its sampler says.
    fn plain(slot: Slot, sampler: Sampler) -> Self {
        Variate { slot, sampler, factor: 1.0 }
    }

    /// CPU time of work given in seconds at speed 1 [ns].
    fn work(slot: Slot, work: &Distribution, speed: f64, tables: &mut Tables) -> Self {
        match work {
            Distribution::Constant(_) => Self::plain(slot, Sampler::new(work, 1e9 / speed)),
            _ => Variate { slot, sampler: tables.sampler(work, 1e9), factor: 1.0 / speed },
        }
    }

    /// The value for a random word.
    #[inline(always)]
    pub(crate) fn sample(&self, word: u32) -> u64 {
        let value = self.sampler.sample(word);
        if self.factor == 1.0 { value } else { scaled(value, self.factor) }
    }

    /// [`Self::sample`] of each word.
    #[inline(always)]
    pub(crate) fn fill(&self, words: &[u32], out: &mut [u64]) {
        self.sampler.fill(words, out);
        if self.factor != 1.0 {
            out.iter_mut().for_each(|value| *value = scaled(*value, self.factor));
        }
    }

    /// The value, if it is always the same.
    pub(crate) fn is_constant(&self) -> Option<u64> {
        self.sampler
            .is_constant()
            .map(|value| if self.factor == 1.0 { value } else { scaled(value, self.factor) })
    }

    /// The largest value over all words.
    pub(crate) fn maximum(&self) -> u64 {
        let value = self.sampler.maximum();
        if self.factor == 1.0 { value } else { scaled(value, self.factor) }
    }
}

/// `value * factor` to the nearest whole number, ties to even. Both are below 2^51: exact conversions by way of
/// the bits of 2^52, which vector units can do.
#[inline(always)]
fn scaled(value: u64, factor: f64) -> u64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    let value = f64::from_bits(value | TWO_52.to_bits()) - TWO_52;
    let product = (value * factor).min(TWO_52 / 2.0);
    (product + TWO_52).to_bits() - TWO_52.to_bits()
}

/// A sum of variates: the work of the stages that run at one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum(pub Vec<Variate>);

impl Sum {
    /// Never more than zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|variate| variate.is_constant() == Some(0))
    }
}

/// What a request brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draw {
    /// Work at the endpoint [CPU ns].
    pub prepare: u64,
    /// Size on the way up [byte].
    pub up: u64,
    /// Work at the target [CPU ns].
    pub work: u64,
    /// Size on the way back [byte].
    pub reply: u64,
}

/// One direction of the link between endpoints and targets.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub transmission: Transmission,
    pub delay: Delay,
    pub sharing: Sharing,
    pub scope: Scope,
}

/// The wires of one direction: which opportunities of a recorded rate are taken, per station.
#[derive(Clone, Debug)]
pub(crate) struct Wires {
    taken: Vec<u64>,
}

impl Wires {
    pub(crate) fn new(hop: Option<&Hop>, stations: usize) -> Self {
        let is_recorded = hop.is_some_and(|hop| matches!(hop.transmission, Transmission::Trace(_)));
        Wires { taken: vec![0; if is_recorded { stations } else { 0 }] }
    }

    /// The end of a transmission that begins at `start`; a station's transmissions come in order.
    #[inline(always)]
    pub(crate) fn finish(&mut self, hop: &Hop, station: usize, start: u64, bytes: u64) -> u64 {
        match self.taken.get_mut(station) {
            Some(taken) => hop.transmission.finish_next(taken, start, bytes),
            None => hop.transmission.finish(start, bytes),
        }
    }
}

/// When endpoints emit.
#[derive(Clone, Debug)]
pub(crate) enum Emission {
    /// At `phase + k * period / 2^16`, moved by a deviate if there is jitter.
    Periodic { period: u64, jitter: Option<NormalTable> },
    /// Independent gaps; the first one is the rest of a gap that began before the run.
    Renewal { first: Sampler, gap: Sampler },
    /// Recorded instants; endpoint `e` has `times[from[e]..from[e + 1]]`, or all if `from` is empty.
    Trace { times: Vec<u64>, from: Vec<usize> },
}

/// The stages that the target works on; those before stay at the endpoint.
pub(crate) fn target_stages(d: &Deployment) -> Range<usize> {
    if d.is_offloaded() { d.placement.cut as usize..d.app.stages.len() } else { 0..d.app.stages.len() }
}

fn work_slot(stage: usize) -> Slot {
    match stage {
        0 => Slot { purpose: Purpose::Request as u32, word: 2 },
        s => Slot { purpose: Purpose::Stage as u32 + s as u32, word: 0 },
    }
}

/// The work of one stage at a speed.
pub(crate) fn work(d: &Deployment, stage: usize, speed: f64, tables: &mut Tables) -> Variate {
    Variate::work(work_slot(stage), &d.app.stages[stage].work, speed, tables)
}

pub(crate) struct Network {
    pub streams: Streams,
    pub endpoints: u32,
    /// Target nodes; equal to `endpoints` if nothing is offloaded.
    pub nodes: u32,
    pub offloaded: bool,
    pub emission: Emission,
    pub prepare: Sum,
    /// The endpoint's processor, where it has a quota.
    pub endpoint_quota: Option<Quota>,
    pub up_bytes: Variate,
    pub work: Sum,
    pub reply_bytes: Variate,
    pub up: Option<Hop>,
    pub down: Option<Hop>,
    pub node: NodeSpec,
    pub balance: Balance,
    pub outstanding: Option<u32>,
    /// Emission ends here [ns].
    pub until: u64,
    /// Earlier emissions are not observed [ns].
    pub from: u64,
    pub deadline: u64,
}

impl Network {
    pub(crate) fn new(deployment: &Deployment, models: &ModelSet, seed: u64) -> Self {
        Self::with(deployment, models, seed, &mut Tables::default())
    }

    /// The same with tables that others have made.
    pub(crate) fn with(deployment: &Deployment, models: &ModelSet, seed: u64, tables: &mut Tables) -> Self {
        let d = deployment;
        let (app, placement) = (&d.app, &d.placement);
        let (source, target) = (d.endpoints(), d.targets());
        let offloaded = d.is_offloaded();
        let streams = Streams::new(seed);

        let output = |stage: usize, tables: &mut Tables| {
            let slot = Slot { word: work_slot(stage).word + 1, ..work_slot(stage) };
            Variate::plain(slot, tables.sampler(&app.stages[stage].output, 1.0))
        };
        let cut = target_stages(d).start;
        let mut prepare = Sum::default();
        if offloaded {
            let slot = Slot { purpose: Purpose::Request as u32, word: 0 };
            prepare.0.push(Variate::work(slot, &app.prepare, source.speed, tables));
            prepare.0.extend((0..cut).map(|stage| work(d, stage, source.speed, tables)));
        }
        let frame = |tables: &mut Tables| {
            let slot = Slot { purpose: Purpose::Request as u32, word: 1 };
            Variate::plain(slot, tables.sampler(&app.frame, 1.0))
        };
        let mut hop = |from: usize, to: usize| {
            let (link, forwards) = d.link(from, to)?;
            let direction = if forwards { &link.up } else { &link.down };
            Some(Hop {
                transmission: Transmission::new(direction, &models.transport()),
                delay: tables.delay(direction, &models.transport()),
                sharing: link.sharing,
                scope: link.scope,
            })
        };
        let (up, down) = if offloaded {
            (hop(placement.endpoint, placement.target), hop(placement.target, placement.endpoint))
        } else {
            (None, None)
        };
        Network {
            streams,
            endpoints: source.nodes,
            nodes: if offloaded { target.nodes } else { source.nodes },
            offloaded,
            emission: emission(app.rate_hz, &app.arrivals, source.nodes, tables),
            prepare,
            endpoint_quota: models.quota(source.quota),
            up_bytes: if cut == 0 { frame(tables) } else { output(cut - 1, tables) },
            work: Sum(target_stages(d).map(|stage| work(d, stage, target.speed, tables)).collect()),
            reply_bytes: output(app.stages.len() - 1, tables),
            up,
            down,
            node: NodeSpec {
                workers: placement.workers,
                cores: target.cores,
                quota: models.quota(target.quota),
                is_pool: models.overheads().is_pool,
                limit: placement.queue,
                drop: placement.drop,
            },
            balance: placement.balance,
            outstanding: app.outstanding,
            until: d.duration.as_nanos(),
            from: d.warm_up.as_nanos(),
            deadline: app.deadline.map_or(u64::MAX, |deadline| deadline.as_nanos()),
        }
    }

    /// The variates of request `index` of an endpoint.
    #[inline(always)]
    pub(crate) fn draw(&self, endpoint: u32, index: u64) -> Draw {
        let words = self.streams.block(Purpose::Request as u32, endpoint, index);
        let value = |variate: &Variate| self.value(variate, words, endpoint, index);
        let sum = |sum: &Sum| match &sum.0[..] {
            [one] => value(one),
            all => self.sum(all, words, endpoint, index),
        };
        Draw {
            prepare: sum(&self.prepare),
            up: value(&self.up_bytes),
            work: sum(&self.work),
            reply: value(&self.reply_bytes),
        }
    }

    /// A variate of a request, given the words of its block of [`Purpose::Request`].
    #[inline(always)]
    fn value(&self, variate: &Variate, words: [u32; 4], endpoint: u32, index: u64) -> u64 {
        let Slot { purpose, word } = variate.slot;
        let block =
            if purpose == Purpose::Request as u32 { words } else { self.block(purpose, endpoint, index) };
        variate.sample(block[word])
    }

    #[inline(never)]
    fn block(&self, purpose: u32, endpoint: u32, index: u64) -> [u32; 4] {
        self.streams.block(purpose, endpoint, index)
    }

    #[inline(never)]
    fn sum(&self, all: &[Variate], words: [u32; 4], endpoint: u32, index: u64) -> u64 {
        all.iter().map(|variate| self.value(variate, words, endpoint, index)).sum()
    }

    /// When endpoint `endpoint` emits its request `index`, given the instant of the one before (0 for the
    /// first). Nothing if it emits no more.
    #[inline(always)]
    pub(crate) fn emitted(&self, endpoint: u32, index: u64, previous: u64) -> Option<u64> {
        let phase = || self.phase(endpoint);
        self.emitted_by(endpoint, index, previous, phase, || self.streams.emission(endpoint, index))
    }

    /// The same for those who keep an endpoint's phase and the word of its emission.
    #[inline(always)]
    pub(crate) fn emitted_by(
        &self,
        endpoint: u32,
        index: u64,
        previous: u64,
        phase: impl FnOnce() -> u32,
        word: impl FnOnce() -> u32,
    ) -> Option<u64> {
        match &self.emission {
            Emission::Periodic { period, jitter } => {
                let nominal = nominal(phase(), index, *period);
                let Some(table) = jitter else { return Some(nominal) };
                Some(nominal.saturating_add_signed(table.deviate(word())).max(previous))
            }
            Emission::Renewal { first, .. } if index == 0 => Some(first.sample(phase())),
            Emission::Renewal { gap, .. } => Some(previous + gap.sample(word())),
            Emission::Trace { times, from } => {
                let e = endpoint as usize;
                let mine = if from.is_empty() { &times[..] } else { &times[from[e]..from[e + 1]] };
                mine.get(index as usize).copied()
            }
        }
    }

    /// All requests of an endpoint.
    pub(crate) fn demand(&self, endpoint: u32) -> Vec<Demand> {
        let mut previous = 0;
        let emitted = (0..).map_while(|index| {
            previous = self.emitted(endpoint, index, previous)?;
            (previous < self.until).then_some((index, previous))
        });
        let demand = |(index, emitted)| {
            let Draw { prepare, up, work, reply } = self.draw(endpoint, index);
            let node = self.route(endpoint, index);
            Demand { emitted, node, prepare, frame_bytes: up, process: work, result_bytes: reply }
        };
        emitted.map(demand).collect()
    }

    /// The word that places an endpoint within its first period.
    #[inline(always)]
    pub(crate) fn phase(&self, endpoint: u32) -> u32 {
        self.streams.block(Purpose::Phase as u32, endpoint, 0)[0]
    }

    /// The node of a request; nothing if that is decided on arrival.
    #[inline(always)]
    pub(crate) fn route(&self, endpoint: u32, index: u64) -> Option<u32> {
        let nodes = u64::from(self.nodes);
        match self.balance {
            _ if !self.offloaded => Some(endpoint),
            _ if self.nodes == 1 => Some(0),
            Balance::Static => Some((u64::from(endpoint) * nodes / u64::from(self.endpoints)) as u32),
            Balance::RoundRobin => Some(((u64::from(endpoint) + index) % nodes) as u32),
            Balance::Random => {
                let word = self.streams.block(Purpose::Route as u32, endpoint, index)[0];
                Some(((u64::from(word) * nodes) >> 32) as u32)
            }
            Balance::Connection => {
                let word = self.streams.block(Purpose::Route as u32, endpoint, 0)[0];
                Some(((u64::from(word) * nodes) >> 32) as u32)
            }
            Balance::LeastWaiting => None,
        }
    }

    /// Whether all requests of an endpoint go to one node that is known in advance.
    pub(crate) fn is_static(&self) -> bool {
        !self.offloaded || self.nodes == 1 || self.balance == Balance::Static
    }

    /// The delay of one message of a hop.
    #[inline(always)]
    pub(crate) fn delay(&self, hop: &Hop, way: Way, endpoint: u32, index: u64, bytes: u64) -> u64 {
        if let Some(delay) = hop.delay.is_constant() {
            return delay;
        }
        let words = self.streams.block(Purpose::Network as u32, endpoint, index);
        let first = way as usize;
        hop.delay.sample(words[first], words[first + 1], bytes)
    }

    /// Whether an endpoint's messages go to several nodes that are known when they are sent.
    fn pairs_up(&self) -> bool {
        !self.is_static() && self.balance != Balance::LeastWaiting
    }

    /// Number of the station that carries a message up, and of the one that carries its reply.
    #[inline(always)]
    pub(crate) fn up_station(&self, scope: Scope, endpoint: u32, node: Option<u32>) -> usize {
        match (scope, node) {
            (Scope::Tier, _) => 0,
            (Scope::Pair, Some(node)) if self.pairs_up() => {
                endpoint as usize * self.nodes as usize + node as usize
            }
            _ => endpoint as usize,
        }
    }

    /// How many stations [`Self::up_station`] can name.
    pub(crate) fn up_stations(&self, scope: Scope) -> usize {
        match scope {
            Scope::Tier => 1,
            Scope::Pair if self.pairs_up() => self.endpoints as usize * self.nodes as usize,
            _ => self.endpoints as usize,
        }
    }

    /// Number of the connection that keeps a message in order: one per endpoint, or one per pair where pairs
    /// have transmitters of their own.
    #[inline(always)]
    pub(crate) fn connection(&self, scope: Scope, endpoint: u32, node: u32) -> usize {
        match scope {
            Scope::Tier => endpoint as usize,
            _ => self.up_station(scope, endpoint, (node != NO_NODE).then_some(node)),
        }
    }

    /// How many connections [`Self::connection`] can name.
    pub(crate) fn connections(&self, scope: Scope) -> usize {
        self.up_stations(scope).max(self.endpoints as usize)
    }

    #[inline(always)]
    pub(crate) fn down_station(&self, scope: Scope, endpoint: u32, node: u32) -> usize {
        match scope {
            Scope::Tier => 0,
            Scope::Node => node as usize,
            Scope::Pair if self.is_static() => endpoint as usize,
            Scope::Pair => node as usize * self.endpoints as usize + endpoint as usize,
        }
    }

    /// How many stations [`Self::down_station`] can name.
    pub(crate) fn down_stations(&self, scope: Scope) -> usize {
        match scope {
            Scope::Tier => 1,
            Scope::Node => self.nodes as usize,
            Scope::Pair if self.is_static() => self.endpoints as usize,
            Scope::Pair => self.nodes as usize * self.endpoints as usize,
        }
    }

    /// Where the quota period of a node starts: endpoints and targets are different machines, so no two
    /// periods are aligned.
    pub(crate) fn quota_phase(&self, entity: u32, is_target: bool) -> u64 {
        let period = self.node.quota.or(self.endpoint_quota).map_or(0, |quota| quota.period_ns());
        let word = self.streams.block(Purpose::Quota as u32, entity, 0)[usize::from(is_target)];
        (u64::from(word) * period) >> 32
    }
}

/// Which way a message goes; the value is the first of its two words in [`Purpose::Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up = 0,
    Down = 2,
}

/// Fractional bits of a period, so that rates that do not divide a second do not drift.
pub(crate) const PERIOD_BITS: u32 = 16;

/// `count` periods of `period / 2^16` [ns].
#[inline(always)]
pub(crate) fn periods(count: u64, period: u64) -> u64 {
    ((u128::from(count) * u128::from(period)) >> PERIOD_BITS) as u64
}

/// The instant of a periodic emission before jitter.
#[inline(always)]
fn nominal(phase: u32, index: u64, period: u64) -> u64 {
    let phase = (u128::from(period) * u128::from(phase)) >> (32 + PERIOD_BITS);
    phase as u64 + periods(index, period)
}

fn emission(rate_hz: f64, arrivals: &Arrivals, endpoints: u32, tables: &mut Tables) -> Emission {
    if let Some((first, gap)) = tables.gaps(rate_hz, arrivals) {
        return Emission::Renewal { first, gap };
    }
    let period = (1e9 / rate_hz * f64::from(1 << PERIOD_BITS)).round() as u64;
    match arrivals {
        Arrivals::Periodic => Emission::Periodic { period, jitter: None },
        Arrivals::Jittered { sd } => {
            Emission::Periodic { period, jitter: Some(NormalTable::new(sd.as_nanos() as f64)) }
        }
        Arrivals::Poisson | Arrivals::Bursts { .. } => unreachable!("these have gaps"),
        Arrivals::Trace { arrivals, .. } if arrivals.iter().all(|a| a.endpoint.is_none()) => {
            Emission::Trace { times: arrivals.iter().map(|a| a.at.as_nanos()).collect(), from: Vec::new() }
        }
        Arrivals::Trace { arrivals, .. } => {
            let mut mine = vec![Vec::new(); endpoints as usize];
            for arrival in arrivals.iter() {
                match arrival.endpoint {
                    // A deployment may have fewer endpoints than the recording.
                    Some(e) => mine
                        .get_mut(e as usize)
                        .into_iter()
                        .for_each(|times| times.push(arrival.at.as_nanos())),
                    None => mine.iter_mut().for_each(|times| times.push(arrival.at.as_nanos())),
                }
            }
            let mut from = vec![0];
            from.extend(mine.iter().scan(0, |end, times| {
                *end += times.len();
                Some(*end)
            }));
            Emission::Trace { times: mine.concat(), from }
        }
    }
}
