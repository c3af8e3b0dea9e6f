//! Many deployments at once, one per lane of a vector, all meeting the same requests.
//!
//! A sweep asks about thousands of deployments that differ little. What they agree on is done once:
//! - the way of the requests to their nodes ([`Upstream`]), for all that agree on endpoints, application and
//!   uplink;
//! - the work of each request, for all that agree on speed as well;
//! - a lane, for all that differ in nothing that a queue feels (price, power, memory).
//!
//! What differs lies side by side in vectors: in 32 bits where all times of a deployment are short ([`ticks`]), else in
//! 64 ([`kernel`]); workers that share cores have lanes of their own ([`sharing`]). All are exact, so it does not matter which
//! served a deployment. Every request is recorded, in the buckets of [`offing_core::Histogram`], so that a lane's numbers
//! are those of the station engine to the last bit. What lanes cannot do (a quota at the target, queues that lose their
//! oldest request or hold very many) is simulated one by one. Queues that refuse what finds them full have lanes of their own: there each
//! lane has other requests, so counts, parts and shares are those of the requests that it accepted.
//!
//! A result does not depend on the lane, on the neighbours or on the width of the vectors.

mod kernel;
mod sharing;
mod ticks;

use std::borrow::Cow;
use std::collections::HashMap;

use offing_core::{
    Counts, Deployment, Direction, Distribution, Drop, Quantiles, Scope, Sharing, Span, Spread,
};
use offing_models::{ModelSet, Sampler, Transmission};
use pulp::Simd;

use crate::estimate::{Estimate, Totals};
use crate::key::Key;
use crate::network::{self, Network, Way, target_stages};
use crate::recorder::BULK;
use crate::stations::{self, Upstream};
use crate::tables::Tables;
use kernel::{CHUNK, Lane, Node, Observed, Requests, Sums, WIDEST};
use ticks::{Blocks, Column, Meeting, Side, Ticks};

/// Workers that a lane can have, with a core each.
const MOST_WORKERS: u32 = 16;
/// Workers that a lane can have, where they share cores.
const MOST_SHARING: u32 = 64;
/// Requests that may wait in a bounded queue of a lane.
const MOST_PLACES: u32 = 1024;
/// Requests of a run that are kept at once; more are simulated one by one.
const MOST_REQUESTS: f64 = 4e6;
/// Buckets of a histogram, rounded up to a power of two.
const BUCKETS: usize = 1 << 14;

/// Estimates many deployments; keeps what later ones may share.
pub struct Sweep<'m> {
    models: &'m ModelSet,
    seed: u64,
    arch: pulp::Arch,
    tables: Tables,
    scratch: Scratch,
}

/// What is told beside a deployment's numbers.
#[derive(Clone, Copy)]
struct Counting {
    /// Latencies above are counted, unless it is infinite [ns].
    limit: f64,
    /// Whether all of [`Above`] is to be known.
    with_errors: bool,
}

/// What all deployments on one upstream have in common.
struct Group {
    upstream: Upstream,
    observed: Observed,
    /// See [`Above::count_error`].
    count_error: f64,
    /// Where its requests suit lanes of 32 bits.
    blocks: Option<Blocks>,
    /// Work of each request at speed 1, or delay of its reply [ns].
    columns: Vec<Column>,
    by_stage: HashMap<Key, usize>,
    by_direction: HashMap<(Key, u64), usize>,
}

/// What decides how a deployment's targets serve.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Job {
    /// Where the work at speed 1 is; the last column if it is constant.
    column: usize,
    /// Where the delays of the replies are, if they vary.
    delays: Option<usize>,
    lane: Lane,
    has_downlink: bool,
    /// [ns]; infinite without one.
    deadline: f64,
}

/// Whether the queue is bounded, whether there is a downlink, columns, size or nothing where cores are shared, deadline.
type Kind = (bool, bool, Option<usize>, usize, Option<usize>, u64);

impl Job {
    /// What lanes of a vector have in common.
    fn kind(&self) -> Kind {
        let Lane { workers, places, shared, .. } = self.lane;
        let size = shared.is_none().then(|| size(workers));
        (places.is_some(), self.has_downlink, self.delays, self.column, size, self.deadline.to_bits())
    }

    /// Puts jobs of one kind together, of these those with like loads where cores are shared, and equal ones next to each
    /// other.
    fn order(&self) -> (Kind, u64, u32, Option<u32>, Option<u32>, [u64; 4]) {
        let Lane { workers, shared, places, factor, constant, reply, delay } = self.lane;
        // One of the two says it all, or nearly so.
        let load = shared.map_or(0.0, |cores| (factor * constant.max(1.0)).max(constant) / f64::from(cores));
        let numbers = [factor, constant, reply, delay].map(f64::to_bits);
        (self.kind(), load.to_bits(), workers, shared, places, numbers)
    }
}

/// The number of workers that a lane is compiled for.
fn size(workers: u32) -> usize {
    match workers {
        0..=4 => workers as usize,
        5..=6 => 6,
        7..=8 => 8,
        9..=12 => 12,
        _ => 16,
    }
}

#[derive(Default)]
struct Scratch {
    /// Of lanes of 32 bits.
    ticks: Vec<u32>,
    /// One row of lanes per bucket.
    counts: Vec<u32>,
    latency: Vec<f64>,
    places: Vec<u32>,
    column: Vec<u32>,
}

impl Scratch {
    /// Has room for so many latencies and their places.
    fn hold(&mut self, latencies: usize) {
        self.latency.resize(latencies.max(self.latency.len()), 0.0);
        self.places.resize(latencies.max(self.places.len()), 0);
    }
}

/// The downlink of a lane.
#[derive(Clone, Copy, Debug, Default)]
struct Downlink<'d> {
    /// Transmission time of a reply [ns].
    reply: f64,
    /// Where the delay is the same for all [ns].
    delay: f64,
    /// Where it is not: the direction, and the size of a reply [byte].
    varies: Option<(&'d Direction, u64)>,
}

/// The downlink of a deployment; nothing if lanes cannot have it.
fn downlink<'d>(d: &'d Deployment, models: &ModelSet) -> Option<Downlink<'d>> {
    let link = if d.is_offloaded() { d.link(d.placement.target, d.placement.endpoint) } else { None };
    let Some((link, forwards)) = link else { return Some(Downlink::default()) };
    let direction = if forwards { &link.up } else { &link.down };
    let last = &d.app.stages[d.app.stages.len() - 1];
    let bytes = match last.output {
        Distribution::Constant(_) => Sampler::new(&last.output, 1.0).is_constant(),
        _ => None,
    };
    let transmission = Transmission::new(direction, &models.transport());
    let reply = match (&transmission, bytes) {
        (Transmission::Unlimited, _) => 0.0,
        (_, bytes) => transmission.span(bytes?)? as f64,
    };
    let is_own = link.scope == Scope::Node && link.sharing == Sharing::Fifo;
    if reply > 0.0 && !is_own {
        return None;
    }
    if direction.jitter == Span::ZERO && direction.loss == 0.0 {
        return Some(Downlink { reply, delay: direction.latency.as_nanos() as f64, varies: None });
    }
    Some(Downlink { reply, delay: 0.0, varies: Some((direction, bytes?)) })
}

/// Whether workers of the targets share cores.
fn shares(d: &Deployment) -> bool {
    d.placement.workers > d.targets().cores
}

/// Whether lanes can have a deployment, as far as that is seen without looking closer.
fn may_apply(d: &Deployment) -> bool {
    let target = d.targets();
    let varies = |stage: &usize| !matches!(d.app.stages[*stage].work, Distribution::Constant(_));
    let requests = d.app.rate_hz * f64::from(d.endpoints().nodes) * d.duration.as_secs_f64();
    stations::applies(d)
        && target.quota >= 1.0
        && d.placement.workers <= if shares(d) { MOST_SHARING } else { MOST_WORKERS }
        && d.placement.queue.is_none_or(|places| d.placement.drop == Drop::Newest && places <= MOST_PLACES)
        && target_stages(d).filter(varies).count() <= 1
        && requests < MOST_REQUESTS
}

impl<'m> Sweep<'m> {
    /// Nothing estimated yet.
    pub fn new(models: &'m ModelSet, seed: u64) -> Self {
        let arch = pulp::Arch::new();
        Sweep { models, seed, arch, tables: Tables::default(), scratch: Scratch::default() }
    }

    /// The same with vectors of at most so many bits, for tests and timings: 512 (AVX-512), 256 (AVX2) or less, which
    /// means what every processor has. It changes no result.
    pub fn with_vectors(models: &'m ModelSet, seed: u64, bits: u32) -> Self {
        let mut sweep = Sweep::new(models, seed);
        #[cfg(target_arch = "x86_64")]
        {
            sweep.arch = match (sweep.arch, bits) {
                (arch, 512..) => arch,
                (pulp::Arch::V4(simd), 256..) => pulp::Arch::V3(*simd),
                (arch, 256..) => arch,
                _ => pulp::Arch::Scalar,
            };
        }
        sweep
    }

    /// Whether lanes can have a deployment; others are simulated one by one.
    pub fn applies(&self, deployment: &Deployment) -> bool {
        // What a calibration makes of a quota changes what is used, not what is allowed: a lane has one of the two.
        let limited = |tier: &usize| deployment.tiers[*tier].quota < 1.0;
        if self.models.is_calibrated() && deployment.used_tiers().iter().any(limited) {
            return false;
        }
        let d = self.models.effective(deployment);
        if d.targets().quota != deployment.targets().quota {
            return false; // The limit of pods: the same.
        }
        may_apply(&d) && downlink(&d, self.models).is_some()
    }

    /// The models that predict.
    pub fn models(&self) -> &'m ModelSet {
        self.models
    }

    /// Simulates one deployment by itself.
    ///
    /// # Panics
    /// If [`crate::refusal`] has a reason against it.
    pub fn simulate(&mut self, deployment: &Deployment) -> offing_core::Run {
        crate::simulate(deployment, self.models, self.seed)
    }

    /// Estimates deployments, in their order; each as if it were alone.
    ///
    /// # Panics
    /// If [`crate::refusal`] has a reason against one of them.
    pub fn estimate(&mut self, deployments: &[Deployment]) -> Vec<Estimate> {
        let estimates = self.count_in_lanes(deployments, f64::INFINITY);
        let one_by_one = |(d, estimate): (&Deployment, Option<(Estimate, Above)>)| match estimate {
            Some((estimate, _)) => estimate,
            None => Estimate::of_run(d, &crate::simulate(d, self.models, self.seed)),
        };
        deployments.iter().zip(estimates).map(one_by_one).collect()
    }

    /// Estimates those deployments that lanes can have, how many of their requests take longer than `limit` [ns],
    /// and how sure their numbers are; nothing for the others.
    ///
    /// # Panics
    /// If [`crate::refusal`] has a reason against one of them.
    pub fn estimate_in_lanes(
        &mut self,
        deployments: &[Deployment],
        limit: f64,
    ) -> Vec<Option<(Estimate, Above)>> {
        self.in_lanes(deployments, Counting { limit, with_errors: true })
    }

    /// The same, without how sure the numbers are: of [`Above`] only `share` and `error` are known. Faster.
    ///
    /// # Panics
    /// If [`crate::refusal`] has a reason against one of them.
    pub fn count_in_lanes(
        &mut self,
        deployments: &[Deployment],
        limit: f64,
    ) -> Vec<Option<(Estimate, Above)>> {
        self.in_lanes(deployments, Counting { limit, with_errors: false })
    }

    fn in_lanes(&mut self, deployments: &[Deployment], counting: Counting) -> Vec<Option<(Estimate, Above)>> {
        let effective: Vec<_> = deployments.iter().map(|d| self.models.effective(d)).collect();
        let mut estimates = vec![None; deployments.len()];
        let mut by_upstream: HashMap<Key, Vec<usize>> = HashMap::new();
        for (i, d) in deployments.iter().enumerate() {
            if self.applies(d) {
                by_upstream.entry(Key::of_upstream(&effective[i])).or_default().push(i);
            }
        }
        for members in by_upstream.into_values() {
            self.estimate_group(&effective, &members, counting, &mut estimates);
        }
        estimates
    }

    /// Estimates the deployments that share an upstream, those that lanes can have.
    fn estimate_group(
        &mut self,
        deployments: &[Cow<'_, Deployment>],
        members: &[usize],
        counting: Counting,
        estimates: &mut [Option<(Estimate, Above)>],
    ) {
        let first = &*deployments[members[0]];
        assert_eq!(crate::refusal(first), None, "the caller asks first");
        let network = Network::with(first, self.models, self.seed, &mut self.tables);
        let is_bounded = members.iter().any(|&i| deployments[i].placement.queue.is_some());
        let Some(upstream) = Upstream::new(&network, first.app.rate_hz, is_bounded) else { return };
        let observed = Observed { from: network.from as f64, until: network.until as f64 };
        let blocks = Blocks::new(&upstream.segments, &upstream.arrived, &upstream.emitted, observed);
        let none = Column::new(vec![0.0; upstream.len()], blocks.as_ref());
        let mut group = Group {
            count_error: if counting.with_errors { count_error(&upstream.emitted, observed) } else { 0.0 },
            upstream,
            observed,
            blocks,
            columns: vec![none],
            by_stage: HashMap::new(),
            by_direction: HashMap::new(),
        };
        let mut jobs: Vec<(Job, usize)> = members
            .iter()
            .filter_map(|&i| Some((group.job(&deployments[i], self.models, &mut self.tables)?, i)))
            .collect();
        jobs.sort_by_key(|(job, i)| (job.order(), *i));

        // Equal jobs are done once.
        let mut distinct: Vec<(Job, Vec<usize>)> = Vec::new();
        for (job, i) in jobs {
            match distinct.last_mut() {
                Some((last, who)) if *last == job => who.push(i),
                _ => distinct.push((job, vec![i])),
            }
        }
        let done = |(_, who): &(Job, Vec<usize>), totals: &Option<(Totals, Above)>, estimates: &mut [_]| {
            let Some((totals, above)) = totals else { return false };
            for &i in who {
                estimates[i] = Some((Estimate::of_lane(&deployments[i], self.models, totals), *above));
            }
            true
        };
        let Counting { limit, with_errors } = counting;
        // Lanes of 32 bits first. What leaves their range is left for those of 64, and so is what needs sums per
        // batch.
        let arch = self.arch;
        let mut left = Vec::new();
        for alike in distinct.chunk_by(|(a, _), (b, _)| a.kind() == b.kind()) {
            for alike in alike.chunks(ticks::LANES) {
                let (fit, others) =
                    alike.iter().partition::<Vec<_>, _>(|(job, _)| !with_errors && group.has_ticks(job));
                left.extend(others);
                let jobs: Vec<Job> = fit.iter().map(|(job, _)| *job).collect();
                let totals =
                    InTicks { group: &group, jobs: &jobs, limit, scratch: &mut self.scratch }.run(arch);
                for (i, job) in fit.into_iter().enumerate() {
                    if !totals.as_ref().is_some_and(|totals| done(job, &totals[i], estimates)) {
                        left.push(job);
                    }
                }
            }
        }
        let width = arch.dispatch(Width);
        for alike in left.chunk_by(|(a, _), (b, _)| a.kind() == b.kind()) {
            let Lane { workers, shared, .. } = alike[0].0.lane;
            let lanes = width * if shared.is_some() { sharing::VECTORS } else { vectors(size(workers)) };
            for alike in alike.chunks(lanes) {
                // Lanes that are left over repeat the last job.
                let mut jobs: Vec<Job> = alike.iter().map(|(job, _)| *job).collect();
                jobs.resize(lanes, jobs[jobs.len() - 1]);
                let run = Run { group: &group, jobs: &jobs, counting, scratch: &mut self.scratch };
                for (job, totals) in alike.iter().zip(&arch.dispatch(run)) {
                    done(job, totals, estimates);
                }
            }
        }
    }
}

impl Group {
    /// The job of a deployment, if lanes can have it.
    fn job(&mut self, d: &Deployment, models: &ModelSet, tables: &mut Tables) -> Option<Job> {
        let Downlink { reply, delay, varies } = downlink(d, models)?;
        let delays = varies.map(|(direction, bytes)| self.delays(direction, bytes, models, tables));
        let (column, factor, constant) = self.work(d, tables)?;
        Some(Job {
            column,
            delays,
            lane: Lane {
                workers: d.placement.workers,
                shared: shares(d).then_some(d.targets().cores),
                places: d.placement.queue,
                factor,
                constant,
                reply,
                delay,
            },
            has_downlink: reply > 0.0,
            deadline: d.app.deadline.map_or(f64::INFINITY, |deadline| deadline.as_nanos() as f64),
        })
    }

    /// Whether lanes of 32 bits may have a job.
    fn has_ticks(&self, job: &Job) -> bool {
        let travel = &self.columns[job.delays.unwrap_or(0)];
        self.blocks.is_some()
            && job.lane.shared.is_none()
            && ticks::fits(&job.lane, &self.columns[job.column], travel)
    }

    /// The work of a deployment's targets: a column, what it is multiplied by, and what is added. Nothing if
    /// several stages vary.
    fn work(&mut self, d: &Deployment, tables: &mut Tables) -> Option<(usize, f64, f64)> {
        let speed = d.targets().speed;
        let (mut column, mut factor, mut constant) = (0, 0.0, 0.0);
        for stage in target_stages(d) {
            let distribution = &d.app.stages[stage].work;
            if let Distribution::Constant(_) = distribution {
                constant += network::work(d, stage, speed, tables).is_constant()? as f64;
            } else if column == 0 {
                (column, factor) = (self.column(d, stage, tables), 1.0 / speed);
            } else {
                return None;
            }
        }
        Some((column, factor, constant))
    }

    /// Sum of a column over the observed requests.
    fn seen(&self, column: usize) -> f64 {
        let emitted = self.upstream.emitted.iter();
        let seen = emitted.zip(&self.columns[column].values).filter(|(at, _)| **at >= self.observed.from);
        seen.map(|(_, &x)| x).sum()
    }

    /// Number of the column with the delays of the replies.
    fn delays(&mut self, direction: &Direction, bytes: u64, models: &ModelSet, tables: &mut Tables) -> usize {
        let Group { upstream, blocks, columns, by_direction, .. } = self;
        *by_direction.entry((Key::of_direction(direction), bytes)).or_insert_with(|| {
            let delay = tables.delay(direction, &models.transport());
            columns.push(Column::new(upstream.delays(&delay, Way::Down, bytes), blocks.as_ref()));
            columns.len() - 1
        })
    }

    /// Number of the column with the work of a stage.
    fn column(&mut self, d: &Deployment, stage: usize, tables: &mut Tables) -> usize {
        let Group { upstream, blocks, columns, by_stage, .. } = self;
        *by_stage.entry(Key::of_stage(stage, &d.app.stages[stage].work)).or_insert_with(|| {
            let drawn = upstream.draw(&network::work(d, stage, 1.0, tables));
            let work = drawn.into_iter().map(|work| work as f64).collect();
            columns.push(Column::new(work, blocks.as_ref()));
            columns.len() - 1
        })
    }
}

/// How many vectors of lanes of a size go side by side.
const fn vectors(size: usize) -> usize {
    if size <= 4 { 2 } else { 1 }
}

/// How many lanes a vector of the processor has.
struct Width;

impl pulp::WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F64_LANES
    }
}

/// A vector of jobs on the requests of a group, as many as there are lanes. Nothing where a lane left the range
/// in which all numbers are exact.
struct Run<'r> {
    group: &'r Group,
    jobs: &'r [Job],
    /// Latencies above are counted [ns].
    counting: Counting,
    scratch: &'r mut Scratch,
}

impl pulp::WithSimd for Run<'_> {
    type Output = Vec<Option<(Totals, Above)>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let lane = self.jobs[0].lane;
        if lane.shared.is_some() {
            return self.share(simd);
        }
        match size(lane.workers) {
            1 => self.run::<S, 2, 1>(simd),
            2 => self.run::<S, 2, 2>(simd),
            3 => self.run::<S, 2, 3>(simd),
            4 => self.run::<S, 2, 4>(simd),
            6 => self.run::<S, 1, 6>(simd),
            8 => self.run::<S, 1, 8>(simd),
            12 => self.run::<S, 1, 12>(simd),
            _ => self.run::<S, 1, 16>(simd),
        }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn share<S: Simd>(self, simd: S) -> Vec<Option<(Totals, Above)>> {
        let run = self;
        match (run.jobs[0].lane.places.is_some(), run.jobs[0].delays.is_some()) {
            (false, false) => simd.vectorize(SharingCores::<S, false, false> { simd, run }),
            (false, true) => simd.vectorize(SharingCores::<S, true, false> { simd, run }),
            (true, _) => simd.vectorize(SharingCores::<S, true, true> { simd, run }),
        }
    }

    #[inline(always)]
    fn run<S: Simd, const V: usize, const C: usize>(self, simd: S) -> Vec<Option<(Totals, Above)>> {
        const { assert!(V == vectors(C), "as many lanes as there are jobs") };
        let Job { lane, has_downlink, delays, .. } = self.jobs[0];
        let run = self;
        // Bounded queues are compiled for delays that vary only: it is the same with a column of zeros.
        match (lane.places.is_some(), has_downlink, delays.is_some()) {
            (false, false, false) => simd.vectorize(Vectorized::<S, V, C, false, false, false> { simd, run }),
            (false, false, true) => simd.vectorize(Vectorized::<S, V, C, false, true, false> { simd, run }),
            (false, true, false) => simd.vectorize(Vectorized::<S, V, C, true, false, false> { simd, run }),
            (false, true, true) => simd.vectorize(Vectorized::<S, V, C, true, true, false> { simd, run }),
            (true, false, _) => simd.vectorize(Vectorized::<S, V, C, false, true, true> { simd, run }),
            (true, true, _) => simd.vectorize(Vectorized::<S, V, C, true, true, true> { simd, run }),
        }
    }
}

/// [`Run`] with all that the compiler must know. Each is compiled by itself.
struct Vectorized<
    'r,
    S: Simd,
    const V: usize,
    const C: usize,
    const DOWN: bool,
    const VARIES: bool,
    const BOUNDED: bool,
> {
    simd: S,
    run: Run<'r>,
}

impl<S: Simd, const V: usize, const C: usize, const DOWN: bool, const VARIES: bool, const BOUNDED: bool>
    pulp::NullaryFnOnce for Vectorized<'_, S, V, C, DOWN, VARIES, BOUNDED>
{
    type Output = Vec<Option<(Totals, Above)>>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Run { group, jobs, counting, scratch } = self.run;
        let lanes = Node::<S, V, C>::LANES;
        let upstream = &group.upstream;
        let all: Vec<Lane> = jobs.iter().map(|job| job.lane).collect();
        let (work, deadline) = (&group.columns[jobs[0].column].values, jobs[0].deadline);
        // Column 0 is zero.
        let delays = &group.columns[jobs[0].delays.unwrap_or(0)].values;
        scratch.counts.resize(BUCKETS * lanes, 0);
        scratch.hold(CHUNK.max(C) * lanes);

        let mut node = Node::<S, V, C>::new(self.simd, &all, group.observed);
        let mut late = vec![0u64; lanes];
        let mut batches = Batches::<S, V>::new(self.simd, group, counting);
        for (number, segment) in upstream.segments.iter().enumerate() {
            if number > 0 {
                node.next_node(&all);
            }
            for from in segment.clone().step_by(CHUNK) {
                let range = from..segment.end.min(from + CHUNK);
                let requests = Requests::new(upstream, work, delays, range, BOUNDED);
                let latency = &mut scratch.latency[..requests.arrived.len() * lanes];
                let is_edge = if BOUNDED {
                    node.chunk_bounded::<DOWN>(&requests, latency);
                    false
                } else {
                    node.chunk::<DOWN, VARIES>(&requests, latency)
                };
                if counting.limit < f64::INFINITY {
                    batches.emit(requests.emitted);
                    if BOUNDED || is_edge {
                        batches.add::<true>(requests.emitted[0], latency);
                    } else {
                        batches.add::<false>(requests.emitted[0], latency);
                    }
                }
                if is_edge {
                    record_seen(latency, lanes, deadline, &mut scratch.counts, &mut late);
                    continue;
                }
                record::<BOUNDED>(latency, lanes, &mut scratch.counts, &mut scratch.places);
                if deadline < f64::INFINITY {
                    count_late(latency, lanes, deadline, &mut late);
                }
            }
            if DOWN {
                let latency = &mut scratch.latency[..C * lanes];
                node.flush::<VARIES>(latency);
                if counting.limit < f64::INFINITY {
                    let last = upstream.emitted[..segment.end].last().copied().unwrap_or(0.0);
                    batches.add::<true>(last, latency);
                }
                record_seen(latency, lanes, deadline, &mut scratch.counts, &mut late);
            }
        }
        conclude(group, jobs, &node.sums(), &late, scratch, |lane| batches.above::<BOUNDED>(lane))
    }
}

/// [`Run`] where workers share cores. Each is compiled by itself.
struct SharingCores<'r, S: Simd, const VARIES: bool, const BOUNDED: bool> {
    simd: S,
    run: Run<'r>,
}

impl<S: Simd, const VARIES: bool, const BOUNDED: bool> pulp::NullaryFnOnce
    for SharingCores<'_, S, VARIES, BOUNDED>
{
    type Output = Vec<Option<(Totals, Above)>>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Run { group, jobs, counting, scratch } = self.run;
        let lanes = sharing::Node::<S>::LANES;
        let upstream = &group.upstream;
        let all: Vec<Lane> = jobs.iter().map(|job| job.lane).collect();
        let (work, deadline) = (&group.columns[jobs[0].column].values, jobs[0].deadline);
        // Column 0 is zero.
        let delays = &group.columns[jobs[0].delays.unwrap_or(0)].values;
        scratch.counts.resize(BUCKETS * lanes, 0);
        scratch.hold(sharing::Node::<S>::most_latencies(&all));

        let mut node = sharing::Node::<S>::new(self.simd, &all, group.observed);
        let mut late = vec![0u64; lanes];
        let mut batches = Batches::<S, { sharing::VECTORS }>::new(self.simd, group, counting);
        for (number, segment) in upstream.segments.iter().enumerate() {
            if number > 0 {
                node.next_node(&all);
            }
            let Scratch { counts, latency, places, .. } = &mut *scratch;
            let mut look = |batches: &mut Batches<_, _>, latency: &[f64], emitted: f64| {
                if counting.limit < f64::INFINITY {
                    batches.add::<true>(emitted, latency);
                }
                record::<true>(latency, lanes, counts, places);
                if deadline < f64::INFINITY {
                    count_late(latency, lanes, deadline, &mut late);
                }
            };
            for from in segment.clone().step_by(CHUNK) {
                let range = from..segment.end.min(from + CHUNK);
                let requests = Requests::new(upstream, work, delays, range, BOUNDED);
                if counting.limit < f64::INFINITY {
                    batches.emit(requests.emitted);
                }
                let n = node.chunk::<VARIES, BOUNDED>(&requests, latency);
                look(&mut batches, &latency[..n], requests.emitted[0]);
            }
            let n = node.flush::<VARIES>(latency);
            let last = upstream.emitted[..segment.end].last().copied().unwrap_or(0.0);
            look(&mut batches, &latency[..n], last);
        }
        conclude(group, jobs, &node.sums(), &late, scratch, |lane| batches.above::<BOUNDED>(lane))
    }
}

/// What lanes have come to. Leaves the counters as it would find them.
#[inline(always)]
fn conclude(
    group: &Group,
    jobs: &[Job],
    sums: &[Sums],
    late: &[u64],
    scratch: &mut Scratch,
    above: impl Fn(usize) -> Above,
) -> Vec<Option<(Totals, Above)>> {
    let lanes = sums.len();
    let of_lane = |lane: usize| {
        let totals = totals(group, &jobs[lane], &sums[lane], late[lane], lane, lanes, scratch)?;
        Some((totals, above(lane)))
    };
    let result = (0..lanes).map(of_lane).collect();
    clear(sums, lanes, &mut scratch.counts);
    scratch.counts[NOWHERE * lanes..].fill(0);
    result
}

/// Up to sixteen jobs of a kind in lanes of 32 bits. Nothing where a lane left their range.
struct InTicks<'r> {
    group: &'r Group,
    jobs: &'r [Job],
    /// Latencies above are counted [ns].
    limit: f64,
    scratch: &'r mut Scratch,
}

impl InTicks<'_> {
    /// Nothing if there is no job or the processor has no such lanes.
    fn run(self, arch: pulp::Arch) -> Option<Vec<Option<(Totals, Above)>>> {
        if self.jobs.is_empty() {
            return None;
        }
        match arch {
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V4(simd) => Some(self.sized::<_, 1>(simd)),
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V3(simd) => Some(self.sized::<_, 2>(simd)),
            _ => None,
        }
    }

    fn sized<S: Ticks, const V: usize>(self, simd: S) -> Vec<Option<(Totals, Above)>> {
        match size(self.jobs[0].lane.workers) {
            1 => self.with::<S, V, 1>(simd),
            2 => self.with::<S, V, 2>(simd),
            3 => self.with::<S, V, 3>(simd),
            4 => self.with::<S, V, 4>(simd),
            6 => self.with::<S, V, 6>(simd),
            8 => self.with::<S, V, 8>(simd),
            _ => self.with::<S, V, 16>(simd),
        }
    }

    fn with<S: Ticks, const V: usize, const C: usize>(self, simd: S) -> Vec<Option<(Totals, Above)>> {
        let Job { has_downlink, delays, deadline, .. } = self.jobs[0];
        let has_count = deadline < f64::INFINITY || self.limit < f64::INFINITY;
        let run = self;
        match (has_downlink, delays.is_some(), has_count) {
            (false, false, false) => simd.vectorize(Compiled::<S, V, C, false, false, false> { simd, run }),
            (false, false, true) => simd.vectorize(Compiled::<S, V, C, false, false, true> { simd, run }),
            (false, true, _) => simd.vectorize(Compiled::<S, V, C, false, true, true> { simd, run }),
            (true, false, false) => simd.vectorize(Compiled::<S, V, C, true, false, false> { simd, run }),
            (true, false, true) => simd.vectorize(Compiled::<S, V, C, true, false, true> { simd, run }),
            (true, true, _) => simd.vectorize(Compiled::<S, V, C, true, true, true> { simd, run }),
        }
    }
}

/// [`InTicks`] with all that the compiler must know. Each is compiled by itself.
struct Compiled<
    'r,
    S: Ticks,
    const V: usize,
    const C: usize,
    const DOWN: bool,
    const VARIES: bool,
    const COUNT: bool,
> {
    simd: S,
    run: InTicks<'r>,
}

impl<S: Ticks, const V: usize, const C: usize, const DOWN: bool, const VARIES: bool, const COUNT: bool>
    pulp::NullaryFnOnce for Compiled<'_, S, V, C, DOWN, VARIES, COUNT>
{
    type Output = Vec<Option<(Totals, Above)>>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let InTicks { group, jobs, limit, scratch } = self.run;
        let Group { upstream, observed, columns, .. } = group;
        let meeting = Meeting {
            blocks: group.blocks.as_ref().expect("the jobs fit"),
            observed: *observed,
            work: &columns[jobs[0].column],
            // Column 0 is zero.
            travel: &columns[jobs[0].delays.unwrap_or(0)],
        };
        // Lanes that are left over repeat the last job.
        let lanes = std::array::from_fn(|l| jobs[l.min(jobs.len() - 1)].lane);
        scratch.ticks.resize(ticks::COUNTERS, 0);
        let counts: &mut ticks::Table = (&mut scratch.ticks[..]).try_into().expect("it was made so");
        let mut batches = BatchCounts { seen: [0.0; BATCHES], above: [[0.0; BATCHES]; ticks::LANES] };
        let mut side = Side::<S, V, C>::new(self.simd, &lanes, jobs[0].deadline, limit);
        let outcomes = side.run::<DOWN, VARIES, COUNT>(&meeting, counts, |first, range, above| {
            if limit < f64::INFINITY {
                batches.add(
                    place(upstream.emitted[first], *observed),
                    seen(&upstream.emitted[range], *observed),
                    &above,
                );
            }
        });
        let n = upstream.offered;
        let ranks = Totals::trimmed(n);
        let read = ticks::read::<S, _>(counts, &outcomes, n, Totals::PROBABILITIES, ranks.clone());
        ticks::clear::<S>(counts, &outcomes);
        let one = |(lane, job): (usize, &Job)| {
            let outcome = &outcomes[lane];
            let (quantiles, trimmed_mean) = read[lane];
            let sums = outcome.sums(n, upstream, DOWN)?;
            let way_back = group.way_back(job, &sums, n);
            let trimmed_mean = (!ranks.is_empty()).then_some(trimmed_mean);
            let totals = Totals::new(upstream, &sums, outcome.late, way_back, quantiles, trimmed_mean)?;
            Some((totals, batches.above(lane)))
        };
        jobs.iter().enumerate().map(one).collect()
    }
}

/// How many of a deployment's requests take longer than a limit, and how sure its numbers are. Standard errors are
/// those of batch means, never less than what independent requests have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Above {
    /// Share of the observed requests that were not refused, 0..1; not a number if there are none.
    pub share: f64,
    /// Its standard error, never less than twice the variance of independent requests allows; infinite if there are
    /// next to none.
    pub error: f64,
    /// Standard error of the mean latency [ms]; infinite if there are next to no requests.
    pub mean_error_ms: f64,
    /// Standard deviation of the latency [ms].
    pub sd_ms: f64,
    /// Standard error of the number of observed requests, as a share of it.
    pub count_error: f64,
}

/// Counts and sums per batch: equal spans of emission.
struct Batches<S: Simd, const V: usize> {
    simd: S,
    observed: Observed,
    counting: Counting,
    count_error: f64,
    /// Observed requests by emission, the same for all lanes.
    emitted: [f64; BATCHES],
    batches: [Batch<S, V>; BATCHES],
}

/// What the requests of a batch add up to, in each lane.
#[derive(Clone, Copy)]
struct Batch<S: Simd, const V: usize> {
    seen: [S::f64s; V],
    above: [S::f64s; V],
    /// [ns]
    sum: [S::f64s; V],
    /// [ns^2]
    squares: [S::f64s; V],
}

const BATCHES: usize = 16;
/// Fewer requests tell nothing.
const FEWEST: f64 = 6.0;

impl<S: Simd, const V: usize> Batches<S, V> {
    #[inline(always)]
    fn new(simd: S, group: &Group, counting: Counting) -> Self {
        let Group { observed, count_error, .. } = *group;
        let none = [simd.splat_f64s(0.0); V];
        let batch = Batch { seen: none, above: none, sum: none, squares: none };
        Batches { simd, observed, counting, count_error, emitted: [0.0; BATCHES], batches: [batch; BATCHES] }
    }

    /// Adds the latencies that came out while a chunk went in, some of which may be no latencies (`MASKED`). They
    /// belong to the batch of the chunk's first request; departures lag behind by less than that matters.
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, first: f64, latency: &[f64]) {
        let simd = self.simd;
        let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
        let limit = simd.splat_f64s(self.counting.limit);
        let batch = &mut self.batches[place(first, self.observed)];
        // A local copy can live in registers.
        let mut sums = *batch;
        let (spans, _) = S::as_simd_f64s(latency);
        for row in spans.chunks_exact(V) {
            for (v, &span) in row.iter().enumerate() {
                let is_above = simd.greater_than_f64s(span, limit);
                sums.above[v] = simd.add_f64s(sums.above[v], simd.select_f64s(is_above, one, zero));
                let span = if MASKED {
                    let is_seen = simd.greater_than_or_equal_f64s(span, zero);
                    sums.seen[v] = simd.add_f64s(sums.seen[v], simd.select_f64s(is_seen, one, zero));
                    simd.select_f64s(is_seen, span, zero)
                } else {
                    span
                };
                sums.sum[v] = simd.add_f64s(sums.sum[v], span);
                sums.squares[v] = simd.add_f64s(sums.squares[v], simd.mul_f64s(span, span));
            }
        }
        if !MASKED {
            let all = simd.splat_f64s((spans.len() / V) as f64);
            sums.seen = sums.seen.map(|seen| simd.add_f64s(seen, all));
        }
        *batch = sums;
    }

    /// Notes a chunk of requests.
    fn emit(&mut self, emitted: &[f64]) {
        self.emitted[place(emitted[0], self.observed)] += seen(emitted, self.observed);
    }

    /// The share is of all that is emitted, but for bounded queues: there, of what has a latency.
    fn above<const BOUNDED: bool>(&self, lane: usize) -> Above {
        let column = |of: fn(&Batch<S, V>) -> &[S::f64s; V]| -> [f64; BATCHES] {
            std::array::from_fn(|batch| {
                let mut lanes = [0.0; WIDEST];
                S::as_mut_simd_f64s(&mut lanes[..S::F64_LANES]).0[0] =
                    of(&self.batches[batch])[lane / S::F64_LANES];
                lanes[lane % S::F64_LANES]
            })
        };
        let (seen, above) = (column(|batch| &batch.seen), column(|batch| &batch.above));
        let counted = share_above(if BOUNDED { &seen } else { &self.emitted }, &above);
        if !self.counting.with_errors {
            return counted;
        }
        let sum = column(|batch| &batch.sum);
        let n: f64 = seen.iter().sum();
        let mean = sum.iter().sum::<f64>() / n;
        let variance = column(|batch| &batch.squares).iter().sum::<f64>() / n - mean * mean;
        let sd_ms = variance.max(0.0).sqrt() / 1e6;
        if n < FEWEST {
            return Above { sd_ms, ..counted };
        }
        let mean_error = variance_of_mean(&sum, &seen, mean).max(variance / n).sqrt();
        Above { mean_error_ms: mean_error / 1e6, sd_ms, count_error: self.count_error, ..counted }
    }
}

/// What lanes of 32 bits count per batch.
struct BatchCounts {
    seen: [f64; BATCHES],
    above: [[f64; BATCHES]; ticks::LANES],
}

impl BatchCounts {
    /// Adds observed requests to a batch, and how many latencies of each lane came out above the limit.
    #[inline(always)]
    fn add(&mut self, batch: usize, seen: f64, above: &[i32; ticks::LANES]) {
        self.seen[batch] += seen;
        for (batches, &above) in self.above.iter_mut().zip(above) {
            batches[batch] += f64::from(above);
        }
    }

    fn above(&self, lane: usize) -> Above {
        share_above(&self.seen, &self.above[lane])
    }
}

/// The share of what is above the limit, from counts per batch; the rest is not known.
fn share_above(seen: &[f64; BATCHES], above: &[f64; BATCHES]) -> Above {
    let n: f64 = seen.iter().sum();
    let share = above.iter().sum::<f64>() / n;
    let unknown = f64::INFINITY;
    let counted =
        Above { share, error: unknown, mean_error_ms: unknown, sd_ms: f64::NAN, count_error: unknown };
    if n < FEWEST {
        return counted;
    }
    // Three of n is what a share of which nothing was seen may still be.
    let likely = share.clamp(3.0 / n, 1.0 - 3.0 / n);
    let independent = likely * (1.0 - likely) / n;
    Above { error: variance_of_mean(above, seen, share).max(2.0 * independent).sqrt(), ..counted }
}

/// How many requests are observed.
fn seen(emitted: &[f64], observed: Observed) -> f64 {
    emitted.iter().filter(|&&at| at >= observed.from).count() as f64
}

/// The batch of a request that is emitted then.
fn place(emitted: f64, observed: Observed) -> usize {
    let Observed { from, until } = observed;
    ((emitted - from) / (until - from) * BATCHES as f64).clamp(0.0, BATCHES as f64 - 1.0) as usize
}

/// Variance of the mean of all by the means of batches: of `seen` values each, which add up to `sum`.
fn variance_of_mean(sum: &[f64; BATCHES], seen: &[f64; BATCHES], mean: f64) -> f64 {
    let squares: f64 = sum.iter().zip(seen).map(|(sum, seen)| (sum - mean * seen).powi(2)).sum();
    let (n, count) = (seen.iter().sum::<f64>(), BATCHES as f64);
    squares * count / (count - 1.0) / (n * n)
}

/// Standard error of the number of observed requests as a share of it, by the numbers of batches; never less than
/// that of a Poisson process.
fn count_error(emitted: &[f64], observed: Observed) -> f64 {
    let mut counts = [0.0; BATCHES];
    emitted.iter().filter(|&&at| at >= observed.from).for_each(|&at| counts[place(at, observed)] += 1.0);
    let n: f64 = counts.iter().sum();
    if n < FEWEST {
        return f64::INFINITY;
    }
    let mean = n / BATCHES as f64;
    (variance_of_mean(&counts, &[1.0; BATCHES], mean).sqrt() / mean).max(n.sqrt().recip())
}

/// The bucket of what has no latency; it is beyond all others.
const NOWHERE: usize = BUCKETS - 1;

/// Records latencies, all of them observed but for bounded queues. First all places, which vectorizes, then all
/// increments, which cannot.
#[inline(always)]
fn record<const BOUNDED: bool>(latency: &[f64], lanes: usize, counts: &mut [u32], places: &mut [u32]) {
    let places = &mut places[..latency.len()];
    let (shift, mask) = (lanes.trailing_zeros(), lanes as u32 - 1);
    for (i, (place, &span)) in places.iter_mut().zip(latency).enumerate() {
        let bucket = Spread::<u32>::bucket(span) as u32;
        let bucket = if BOUNDED && span < 0.0 { NOWHERE as u32 } else { bucket };
        *place = (bucket << shift) | (i as u32 & mask);
    }
    let mask = counts.len() - 1;
    for &place in places.iter() {
        counts[place as usize & mask] += 1;
    }
}

#[inline(always)]
fn count_late(latency: &[f64], lanes: usize, deadline: f64, late: &mut [u64]) {
    for row in latency.chunks_exact(lanes) {
        for (late, &span) in late.iter_mut().zip(row) {
            *late += u64::from(span > deadline);
        }
    }
}

/// Records those latencies that are observed.
fn record_seen(latency: &[f64], lanes: usize, deadline: f64, counts: &mut [u32], late: &mut [u64]) {
    let mask = counts.len() - 1;
    for row in latency.chunks_exact(lanes) {
        for (lane, &span) in row.iter().enumerate().filter(|(_, span)| **span >= 0.0) {
            counts[(Spread::<u32>::bucket(span) as usize * lanes + lane) & mask] += 1;
            late[lane] += u64::from(span > deadline);
        }
    }
}

/// The buckets that a lane may have touched.
fn touched(sums: &Sums) -> std::ops::RangeInclusive<usize> {
    let bucket = |span: f64| (Spread::<u32>::bucket(span) as usize).min(BUCKETS - 1);
    if sums.shortest > sums.longest { 0..=0 } else { bucket(sums.shortest)..=bucket(sums.longest) }
}

fn clear(sums: &[Sums], lanes: usize, counts: &mut [u32]) {
    let low = sums.iter().map(|sums| *touched(sums).start()).min().unwrap_or(0);
    let high = sums.iter().map(|sums| *touched(sums).end()).max().unwrap_or(0);
    counts[low * lanes..(high + 1) * lanes].fill(0);
}

/// Whole numbers below are exact.
const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// What a lane adds up to; nothing if it left the range in which all numbers are exact.
fn totals(
    group: &Group,
    job: &Job,
    sums: &Sums,
    late: u64,
    lane: usize,
    lanes: usize,
    scratch: &mut Scratch,
) -> Option<Totals> {
    let n = group.upstream.offered - sums.dropped as u64;
    let way_back = group.way_back(job, sums, n);
    let range = touched(sums);
    scratch.column.clear();
    scratch.column.extend(range.clone().map(|bucket| scratch.counts[bucket * lanes + lane]));
    let spread = Spread {
        first: *range.start(),
        counts: &scratch.column[..],
        n,
        min: sums.shortest,
        max: sums.longest,
    };
    let quantiles = spread.quantiles(Totals::PROBABILITIES);
    let ranks = Totals::trimmed(n);
    let trimmed_mean = (!ranks.is_empty()).then(|| spread.mean_of_ranks(ranks.start, ranks.end));
    Totals::new(&group.upstream, sums, late, way_back, quantiles, trimmed_mean)
}

impl Group {
    /// Sum of the way back of the `n` requests that came back [ns].
    fn way_back(&self, job: &Job, sums: &Sums, n: u64) -> f64 {
        match job.delays {
            _ if job.has_downlink || job.lane.places.is_some() || job.lane.shared.is_some() => sums.downlink,
            Some(column) => self.seen(column),
            None => job.lane.delay * n as f64,
        }
    }
}

impl Totals {
    /// Those of the quantiles that a summary has.
    const PROBABILITIES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

    /// The ranks, of `n`, that the trimmed mean is of.
    fn trimmed(n: u64) -> std::ops::Range<u64> {
        (0.05 * n as f64) as u64..(0.9 * n as f64) as u64
    }

    /// Nothing if a lane left the range in which all numbers are exact.
    fn new(
        upstream: &Upstream,
        sums: &Sums,
        late: u64,
        way_back: f64,
        [p50, p90, p95, p99, p999]: [f64; 5],
        trimmed_mean: Option<f64>,
    ) -> Option<Totals> {
        let dropped = sums.dropped as u64;
        let n = upstream.offered - dropped;
        if sums.longest >= BULK as f64
            || [sums.queue, sums.process, sums.downlink, sums.lost_way].iter().any(|&sum| sum >= EXACT)
        {
            return None;
        }
        let prepare = upstream.prepare - sums.lost_preparation as u128;
        let uplink = upstream.uplink - (sums.lost_way - sums.lost_preparation) as u128;
        Some(Totals {
            counts: Counts {
                offered: upstream.offered,
                completed: n,
                dropped,
                late,
                returned: sums.returned as u64,
                refused: sums.refused as u64,
                ..Counts::default()
            },
            parts: [prepare as f64, uplink as f64, sums.queue, sums.process, way_back],
            busy: [upstream.busy, (sums.process + sums.busy) as u128],
            latency: Quantiles {
                mean: f64::NAN,
                sd: f64::NAN,
                min: sums.shortest,
                p50,
                p90,
                p95,
                p99,
                p999,
                max: sums.longest,
                trimmed_mean,
            },
        })
    }
}
