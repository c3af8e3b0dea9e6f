//! Many deployments at once, one per lane of a vector, all meeting the same requests.
//!
//! A sweep asks about thousands of deployments that differ little. What they agree on is done once:
//! - the way of the requests to their nodes ([`Upstream`]), for all that agree on endpoints, application and
//!   uplink;
//! - the work of each request, for all that agree on speed as well;
//! - a lane, for all that differ in nothing that a queue feels (price, power, memory).
//!
//! What differs lies side by side in vectors ([`kernel`]). Every request is recorded, in the buckets of
//! [`offing_core::Histogram`], so that a lane's numbers are those of the station engine to the last bit. What
//! lanes cannot do (a quota, more workers than cores, bounded queues, a downlink with jitter) is simulated one by
//! one.
//!
//! A result does not depend on the lane, on the neighbours or on the width of the vectors.

mod kernel;
mod key;

use std::collections::HashMap;

use offing_core::{Counts, Deployment, Quantiles, Scope, Sharing, Span, Spread};
use offing_models::{ModelSet, Sampler, Transmission};
use pulp::Simd;

use crate::estimate::{Estimate, Totals};
use crate::network::{Network, Sum};
use crate::recorder::BULK;
use crate::stations::{self, Upstream};
use kernel::{CHUNK, Lane, Node, Observed, Requests, Sums};
use key::Key;

/// Workers that a lane can have.
const MOST_WORKERS: u32 = 16;
/// Requests of a run that are kept at once; more are simulated one by one.
const MOST_REQUESTS: f64 = 4e6;
/// Requests whose work is laid out for the lanes at once.
const ROWS: usize = 8192;
/// Buckets of a histogram, rounded up to a power of two.
const BUCKETS: usize = 1 << 14;

/// Estimates many deployments; keeps what later ones may share.
pub struct Sweep<'m> {
    models: &'m ModelSet,
    seed: u64,
    scratch: Scratch,
}

/// What all deployments on one upstream have in common.
struct Group {
    upstream: Upstream,
    observed: Observed,
    /// Work of each request, one column per kind of target.
    columns: Vec<Column>,
    by_key: HashMap<Key, usize>,
}

/// Work of each request [ns].
struct Column {
    work: Vec<f64>,
    /// Of the observed requests.
    observed: u128,
}

/// What decides how a deployment's targets serve.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Job {
    column: usize,
    lane: Lane,
    has_downlink: bool,
    /// [ns]; infinite without one.
    deadline: f64,
}

impl Job {
    fn order(&self) -> (bool, usize, u64, u64, u32, u64, usize) {
        let Lane { workers, reply, delay } = self.lane;
        let size = (workers as usize).next_power_of_two();
        (
            self.has_downlink,
            size,
            self.deadline.to_bits(),
            reply.to_bits(),
            workers,
            delay.to_bits(),
            self.column,
        )
    }
}

#[derive(Default)]
struct Scratch {
    /// One row of lanes per bucket.
    counts: Vec<u32>,
    work: Vec<f64>,
    latency: Vec<f64>,
    buckets: Vec<u32>,
    column: Vec<u32>,
}

/// The downlink of a deployment, transmission time of a reply and delay [ns]; nothing if lanes cannot have it.
fn downlink(d: &Deployment, models: &ModelSet) -> Option<(f64, f64)> {
    if !d.is_offloaded() {
        return Some((0.0, 0.0));
    }
    let Some((link, forwards)) = d.link(d.placement.target, d.placement.endpoint) else {
        return Some((0.0, 0.0));
    };
    let direction = if forwards { &link.up } else { &link.down };
    if direction.jitter > Span::ZERO || direction.loss > 0.0 {
        return None;
    }
    let delay = direction.latency.as_nanos() as f64;
    let transmission = Transmission::new(direction, &models.transport());
    if matches!(transmission, Transmission::Unlimited) {
        return Some((0.0, delay));
    }
    let last = &d.app.stages[d.app.stages.len() - 1];
    let bytes = Sampler::new(&last.output, 1.0).is_constant()?;
    let reply = transmission.span(bytes)? as f64;
    let is_own = link.scope == Scope::Node && link.sharing == Sharing::Fifo;
    (is_own || reply == 0.0).then_some((reply, delay))
}

/// Whether lanes can have a deployment, as far as that is seen without looking closer.
fn may_apply(d: &Deployment) -> bool {
    let target = d.targets();
    let requests = d.app.rate_hz * f64::from(d.endpoints().nodes) * d.duration.as_secs_f64();
    stations::applies(d)
        && target.quota >= 1.0
        && d.placement.workers <= target.cores.min(MOST_WORKERS)
        && d.placement.queue.is_none()
        && requests < MOST_REQUESTS
}

impl<'m> Sweep<'m> {
    /// Nothing estimated yet.
    pub fn new(models: &'m ModelSet, seed: u64) -> Self {
        Sweep { models, seed, scratch: Scratch::default() }
    }

    /// Whether lanes can have a deployment; others are simulated one by one.
    pub fn applies(&self, deployment: &Deployment) -> bool {
        may_apply(deployment) && downlink(deployment, self.models).is_some()
    }

    /// Estimates deployments, in their order; each as if it were alone.
    ///
    /// # Panics
    /// If [`crate::refusal`] has a reason against one of them.
    pub fn estimate(&mut self, deployments: &[Deployment]) -> Vec<Estimate> {
        let mut estimates: Vec<Option<Estimate>> = vec![None; deployments.len()];
        let mut by_upstream: HashMap<Key, Vec<usize>> = HashMap::new();
        for (i, d) in deployments.iter().enumerate() {
            if may_apply(d) {
                by_upstream.entry(Key::of_upstream(d)).or_default().push(i);
            }
        }
        for members in by_upstream.into_values() {
            self.estimate_group(deployments, &members, &mut estimates);
        }
        let one_by_one = |(d, estimate): (&Deployment, Option<Estimate>)| {
            estimate.unwrap_or_else(|| Estimate::of_run(d, &crate::simulate(d, self.models, self.seed)))
        };
        deployments.iter().zip(estimates).map(one_by_one).collect()
    }

    /// Estimates the deployments that share an upstream, those that lanes can have.
    fn estimate_group(
        &mut self,
        deployments: &[Deployment],
        members: &[usize],
        estimates: &mut [Option<Estimate>],
    ) {
        let first = &deployments[members[0]];
        assert_eq!(crate::refusal(first), None, "the caller asks first");
        let network = Network::new(first, self.models, self.seed);
        let Some(upstream) = Upstream::new(&network, first.app.rate_hz) else { return };
        let observed = Observed { from: network.from as f64, until: network.until as f64 };
        let mut group = Group { upstream, observed, columns: Vec::new(), by_key: HashMap::new() };
        let mut jobs: Vec<(Job, usize)> =
            members.iter().filter_map(|&i| Some((group.job(&deployments[i], self.models)?, i))).collect();
        jobs.sort_by_key(|(job, i)| (job.order(), *i));

        // Equal jobs are done once.
        let mut distinct: Vec<(Job, Vec<usize>)> = Vec::new();
        for (job, i) in jobs {
            match distinct.last_mut() {
                Some((last, who)) if *last == job => who.push(i),
                _ => distinct.push((job, vec![i])),
            }
        }
        let mut from = 0;
        let arch = pulp::Arch::new();
        let mut laid_out = None;
        while from < distinct.len() {
            let (kind, lanes) = (distinct[from].0, arch.dispatch(Width));
            let alike = |job: &Job| {
                (job.has_downlink, job.order().1, job.deadline)
                    == (kind.has_downlink, kind.order().1, kind.deadline)
            };
            let to = from + distinct[from..].iter().take(lanes).take_while(|(job, _)| alike(job)).count();
            // Lanes that are left over repeat the last job.
            let mut jobs: Vec<Job> = distinct[from..to].iter().map(|(job, _)| *job).collect();
            jobs.resize(lanes, jobs[jobs.len() - 1]);
            let run = Run { group: &group, jobs: &jobs, scratch: &mut self.scratch, laid_out: &mut laid_out };
            let totals = arch.dispatch(run);
            for ((_, who), totals) in distinct[from..to].iter().zip(&totals) {
                let Some(totals) = totals else { continue };
                for &i in who {
                    estimates[i] = Some(Estimate::of_lane(&deployments[i], self.models, totals));
                }
            }
            from = to;
        }
    }
}

impl Group {
    /// The job of a deployment, if lanes can have it.
    fn job(&mut self, d: &Deployment, models: &ModelSet) -> Option<Job> {
        let (reply, delay) = downlink(d, models)?;
        let key = Key::of_work(d);
        let column = match self.by_key.get(&key) {
            Some(&column) => column,
            None => {
                let column = self.column(&Network::work(d));
                self.by_key.insert(key, self.columns.len());
                self.columns.push(column);
                self.columns.len() - 1
            }
        };
        Some(Job {
            column,
            lane: Lane { workers: d.placement.workers, reply, delay },
            has_downlink: reply > 0.0,
            deadline: d.app.deadline.map_or(f64::INFINITY, |deadline| deadline.as_nanos() as f64),
        })
    }

    fn column(&self, work: &Sum) -> Column {
        let work = self.upstream.draw(work);
        let emitted = self.upstream.emitted.iter();
        let is_seen = |at: f64| at >= self.observed.from;
        let observed =
            emitted.zip(&work).filter(|(at, _)| is_seen(**at)).map(|(_, &work)| work as u128).sum();
        Column { work, observed }
    }
}

/// How many lanes the processor has.
struct Width;

impl pulp::WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        Node::<S, 1>::LANES
    }
}

/// Which columns lie side by side in `Scratch::work`, and from which request on.
type LaidOut = Option<(usize, Vec<usize>)>;

/// A vector of jobs on the requests of a group, as many as there are lanes. Nothing where a lane left the range
/// in which all numbers are exact.
struct Run<'r> {
    group: &'r Group,
    jobs: &'r [Job],
    scratch: &'r mut Scratch,
    laid_out: &'r mut LaidOut,
}

impl pulp::WithSimd for Run<'_> {
    type Output = Vec<Option<Totals>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Job { lane, has_downlink, .. } = self.jobs[0];
        match (lane.workers.next_power_of_two(), has_downlink) {
            (1, false) => self.run::<S, 1, false>(simd),
            (2, false) => self.run::<S, 2, false>(simd),
            (4, false) => self.run::<S, 4, false>(simd),
            (8, false) => self.run::<S, 8, false>(simd),
            (_, false) => self.run::<S, 16, false>(simd),
            (1, true) => self.run::<S, 1, true>(simd),
            (2, true) => self.run::<S, 2, true>(simd),
            (4, true) => self.run::<S, 4, true>(simd),
            (8, true) => self.run::<S, 8, true>(simd),
            (_, true) => self.run::<S, 16, true>(simd),
        }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn run<S: Simd, const C: usize, const DOWN: bool>(self, simd: S) -> Vec<Option<Totals>> {
        simd.vectorize(Vectorized::<S, C, DOWN> { simd, run: self })
    }
}

/// [`Run`] with all that the compiler must know. Each is compiled by itself.
struct Vectorized<'r, S: Simd, const C: usize, const DOWN: bool> {
    simd: S,
    run: Run<'r>,
}

impl<S: Simd, const C: usize, const DOWN: bool> pulp::NullaryFnOnce for Vectorized<'_, S, C, DOWN> {
    type Output = Vec<Option<Totals>>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Run { group, jobs, scratch, laid_out } = self.run;
        let lanes = Node::<S, C>::LANES;
        let upstream = &group.upstream;
        let all: Vec<Lane> = jobs.iter().map(|job| job.lane).collect();
        let columns: Vec<usize> = jobs.iter().map(|job| job.column).collect();
        let deadline = jobs[0].deadline;
        scratch.counts.resize(BUCKETS * lanes, 0);
        scratch.latency.resize(CHUNK.max(C) * lanes, 0.0);
        scratch.buckets.resize(CHUNK * lanes, 0);

        let mut node = Node::<S, C>::new(self.simd, &all, group.observed);
        let mut late = vec![0u64; lanes];
        let mut busy = vec![0u128; lanes];
        for (number, segment) in upstream.segments.iter().enumerate() {
            if number > 0 {
                node.next_node(&all);
            }
            let mut from = segment.start;
            while from < segment.end {
                let to = segment.end.min(from + CHUNK).min((from / ROWS + 1) * ROWS);
                let first = from / ROWS * ROWS;
                if laid_out.as_ref().is_none_or(|(at, which)| *at != first || *which != columns) {
                    lay_out(
                        &group.columns,
                        &columns,
                        first..upstream.len().min(first + ROWS),
                        &mut scratch.work,
                    );
                    *laid_out = Some((first, columns.clone()));
                }
                let work = &scratch.work[(from - first) * lanes..(to - first) * lanes];
                let requests = Requests {
                    arrived: &upstream.arrived[from..to],
                    emitted: &upstream.emitted[from..to],
                    work,
                };
                let latency = &mut scratch.latency[..(to - from) * lanes];
                if node.chunk::<DOWN>(&requests, latency) {
                    record_seen(latency, lanes, deadline, &mut scratch.counts, &mut late);
                } else {
                    record(latency, lanes, &mut scratch.counts, &mut scratch.buckets);
                    if deadline < f64::INFINITY {
                        count_late(latency, lanes, deadline, &mut late);
                    }
                    for row in work.chunks_exact(lanes) {
                        busy.iter_mut().zip(row).for_each(|(sum, &work)| *sum += work as u128);
                    }
                }
                from = to;
            }
            if DOWN {
                let latency = &mut scratch.latency[..C * lanes];
                node.flush(latency);
                record_seen(latency, lanes, deadline, &mut scratch.counts, &mut late);
            }
        }
        let sums = node.sums();
        let result = sums.iter().enumerate();
        let result: Vec<Option<Totals>> = result
            .map(|(lane, sums)| {
                let job = &jobs[lane];
                let busy = busy[lane] + sums.busy as u128;
                totals(group, job, sums, late[lane], busy, lane, lanes, scratch)
            })
            .collect();
        clear(&sums, lanes, &mut scratch.counts);
        result
    }
}

/// Puts the columns of the lanes side by side, one row per request.
fn lay_out(all: &[Column], columns: &[usize], range: std::ops::Range<usize>, work: &mut Vec<f64>) {
    let lanes = columns.len();
    work.resize(range.len() * lanes, 0.0);
    for (lane, &column) in columns.iter().enumerate() {
        let column = &all[column].work[range.clone()];
        for (row, &x) in work.chunks_exact_mut(lanes).zip(column) {
            row[lane] = x;
        }
    }
}

/// Records latencies, all of them observed. First all numbers of buckets, which vectorizes, then all increments,
/// which cannot.
#[inline(always)]
fn record(latency: &[f64], lanes: usize, counts: &mut [u32], buckets: &mut [u32]) {
    let buckets = &mut buckets[..latency.len()];
    for (bucket, &span) in buckets.iter_mut().zip(latency) {
        *bucket = Spread::<u32>::bucket(span);
    }
    let mask = counts.len() - 1;
    for row in buckets.chunks_exact(lanes) {
        for (lane, &bucket) in row.iter().enumerate() {
            counts[(bucket as usize * lanes + lane) & mask] += 1;
        }
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
#[expect(clippy::too_many_arguments, reason = "the parts of one lane")]
fn totals(
    group: &Group,
    job: &Job,
    sums: &Sums,
    late: u64,
    busy: u128,
    lane: usize,
    lanes: usize,
    scratch: &mut Scratch,
) -> Option<Totals> {
    let upstream = &group.upstream;
    let n = upstream.offered;
    if sums.longest >= BULK as f64 || sums.queue >= EXACT || sums.downlink >= EXACT {
        return None;
    }
    let way_back = if job.has_downlink { sums.downlink } else { job.lane.delay * n as f64 };
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
    let [p50, p90, p95, p99, p999] = spread.quantiles([0.5, 0.9, 0.95, 0.99, 0.999]);
    let (from, to) = ((0.05 * n as f64) as u64, (0.9 * n as f64) as u64);
    Some(Totals {
        counts: Counts {
            offered: n,
            completed: n,
            late,
            returned: sums.returned as u64,
            ..Counts::default()
        },
        parts: [
            upstream.prepare as f64,
            upstream.uplink as f64,
            sums.queue,
            group.columns[job.column].observed as f64,
            way_back,
        ],
        busy: [upstream.busy, busy],
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
            trimmed_mean: (from < to).then(|| spread.mean_of_ranks(from, to)),
        },
    })
}
