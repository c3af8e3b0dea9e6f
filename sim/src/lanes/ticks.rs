//! The recursion of [`super::kernel`] in 32 bits, twice as many lanes per vector: the lanes that most deployments
//! are served by.
//!
//! Times are whole nanoseconds relative to the start of a **block** of at most 64 requests, so nothing is rounded;
//! between two blocks all times move down by their distance. Sixteen lanes stand side by side, in one vector or in
//! two. A lane that leaves the range in which this is exact says so, and is served again by [`super::kernel`]:
//!
//! | | limit |
//! |---|---|
//! | work, constant delays, from emission to arrival at the node, length of a block | 2^28 ns (0.27 s) |
//! | end of a service after the start of its block, latency | 2^30 ns (1.07 s) |
//! | shortest latency | more than 2^15 ns (33 us) |
//!
//! One maximum per request finds the first time that a lane goes beyond: its numbers are compared as unsigned, and a
//! sum of two numbers within the range does not reach 2^32. What a lane computes after that is not used.
//!
//! **Departures that have waited long.** A reply takes the downlink when the next request takes its worker; with
//! many idle workers that is long after. Before such an instant leaves the range, it is moved up, together with
//! its emission, to shortly before the block ([`State::compress`]); the distances to its neighbours stay longer than
//! any backlog of the downlink, so that no latency changes.
//!
//! **Sums** are kept modulo 2^32 together with the sum of the upper halves of the terms, which is enough to know
//! them exactly for up to 65,536 terms. Four requests within the range add up to less than 2^32, so they are one term.
//!
//! **One vector after the other.** Where sixteen lanes are two vectors, each serves the whole block by itself: the state of one
//! fits the registers better than that of two, and its counters, which lie apart, fit the first cache better (a fifth less per
//! request with AVX2).
//!
//! **Recording.** A conversion to a float gives the number of a latency's bucket; counters are 16 bits of address,
//! so that no bound is checked. The increments of one request are made while the next one is computed.
//!
//! **Many workers** ([`Queue`]). A request that begins to be served leaves the front of the sorted instants at which
//! workers are free, and enters near their end: few of the others are done later. So only the last [`TOP`] of them are kept
//! in registers and compared with each new one. The others lie in a ring in memory, from whose front they are taken. What
//! falls out of the registers goes to the ring's end; where it belongs before others there, it is moved step by step.

use offing_core::Spread;
use pulp::Simd;
use pulp::bytemuck::{cast, cast_slice};

use super::kernel::{CHUNK, Lane, Observed, Sums};
use crate::stations::Upstream;

/// Lanes side by side.
pub(super) const LANES: usize = 16;
/// Requests of a block.
const BLOCK: usize = 64;
/// Requests after which the places of one are read from where they were put.
const LAG: usize = 2;
/// Blocks after which the sums are widened.
const WIDEN: usize = 65_536 / BLOCK;
/// Requests whose waits, work and latencies are one term of a sum.
const TERM: usize = 4;

/// What a block, a service, a delay may take [ns].
const SHORT: i32 = 1 << 28;
/// Ends of services, and latencies, are below [ns].
const LONG: u32 = 1 << 30;
/// When a worker that a lane does not have is free.
const NEVER: i32 = 1 << 30;
/// When a worker was last busy before the run.
const LONG_AGO: i32 = -(1 << 27);
/// Emission of a request that there is not.
const NOBODY: i32 = i32::MIN;
/// What is not observed is recorded as this, the first value of the first row.
const UNSEEN: i32 = 1 << 15;
/// Latencies from here on have other rows than `UNSEEN`.
const SHORTEST: i32 = UNSEEN + 128;
/// Rows of counters: 16 octaves of 256.
const ROWS: usize = 4096;
/// Counters of all lanes: vector by vector, so that what one needs lies close together, and of each a row of lanes per bucket,
/// in the order of [`row`].
pub(super) type Table = [u32; COUNTERS];
/// With as much behind as makes what begins at any vector [`Counters`].
pub(super) const COUNTERS: usize = 2 * ROWS * LANES + LANES;
/// The counters from a vector on. With a row more, so that whatever 16 bits say, a row and a lane are within.
type Counters = [u32; ROWS * LANES + LANES];
/// Where the latencies of a vector's lanes are counted: a row, times the lanes of a vector; only 16 bits of it count.
type Places = [u32; LANES];

/// Latencies are cut by so many bits before they become floats. Those from `UNSEEN` on keep a first digit and eight behind.
const CUT: u32 = UNSEEN.ilog2() - 8;

/// The row of a bucket of [`Spread`]; those of latencies from `UNSEEN` up to 2^30 have one each. What
/// [`place`] reads from the bits of a float.
fn row(bucket: usize) -> usize {
    (bucket + ((127 - CUT as usize) << 8)) % ROWS
}

/// Instruction sets with vectors of 32 bits, and what they do in a way of their own.
pub(super) trait Ticks: Simd {
    /// Of two vectors of numbers of 64 bits the lower halves, in the order of [`half`].
    fn lower(self, first: Self::f64s, second: Self::f64s) -> Self::i32s;
    /// The bits of a whole number as a float; exact below 2^24.
    fn float_bits(self, x: Self::i32s) -> Self::u32s;
    /// Whether it holds for any lane.
    fn any(self, mask: Self::m32s) -> bool;
}

/// Where the number of 64 bits is that belongs to a lane of a vector: in which of two vectors, and its place there.
fn half(lane: usize) -> (usize, usize) {
    (lane / 2 % 2, lane / 4 * 2 + lane % 2)
}

#[cfg(target_arch = "x86_64")]
impl Ticks for pulp::x86::V4 {
    #[inline(always)]
    fn lower(self, first: Self::f64s, second: Self::f64s) -> Self::i32s {
        cast(self.avx512f._mm512_shuffle_ps::<0b10_00_10_00>(cast(first), cast(second)))
    }

    #[inline(always)]
    fn float_bits(self, x: Self::i32s) -> Self::u32s {
        cast(self.convert_i32x16_to_f32x16(x))
    }

    #[inline(always)]
    fn any(self, mask: Self::m32s) -> bool {
        mask.0 != 0
    }
}

#[cfg(target_arch = "x86_64")]
impl Ticks for pulp::x86::V3 {
    #[inline(always)]
    fn lower(self, first: Self::f64s, second: Self::f64s) -> Self::i32s {
        cast(self.avx._mm256_shuffle_ps::<0b10_00_10_00>(cast(first), cast(second)))
    }

    #[inline(always)]
    fn float_bits(self, x: Self::i32s) -> Self::u32s {
        cast(self.convert_i32x8_to_f32x8(x))
    }

    #[inline(always)]
    fn any(self, mask: Self::m32s) -> bool {
        self.avx._mm256_movemask_ps(cast(mask)) != 0
    }
}

/// A sum with it has no room for a fraction, and its lower half is the whole number.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// The nearest whole numbers, ties to even; from 0, below 2^32.
#[inline(always)]
fn nearest<S: Ticks>(simd: S, [first, second]: [S::f64s; 2]) -> S::i32s {
    let whole = simd.splat_f64s(TWO_52);
    simd.lower(simd.add_f64s(first, whole), simd.add_f64s(second, whole))
}

/// A block of requests that enter one node. None goes beyond a chunk of [`super::kernel`].
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub range: std::ops::Range<usize>,
    /// The first request of its chunk.
    pub chunk: usize,
    /// The instant from which times count [ns].
    base: f64,
    /// Whether all its requests are observed.
    is_observed: bool,
}

/// All requests of a group, in blocks.
pub(super) struct Blocks {
    /// Per node.
    pub nodes: Vec<Vec<Block>>,
    /// After the start of the block [ns].
    arrived: Vec<i32>,
    /// One less than after the start of the block [ns]: a latency and one is what [`Spread::bucket`] looks at.
    emitted: Vec<i32>,
}

impl Blocks {
    /// Nothing if a request is under way for too long before it reaches its node.
    pub(super) fn new(
        nodes: &[std::ops::Range<usize>],
        arrived: &[f64],
        emitted: &[f64],
        observed: Observed,
    ) -> Option<Self> {
        let n = arrived.len();
        let mut blocks =
            Blocks { nodes: Vec::new(), arrived: Vec::with_capacity(n), emitted: Vec::with_capacity(n) };
        for node in nodes {
            let mut of_node = Vec::new();
            let mut from = node.start;
            while from < node.end {
                let base = arrived[from];
                let requests = arrived[from..node.end].iter().take(BLOCK - (from - node.start) % BLOCK);
                let to = from + requests.take_while(|&&at| at - base < f64::from(SHORT)).count();
                let range = from..to;
                for (&arrived, &emitted) in arrived[range.clone()].iter().zip(&emitted[range.clone()]) {
                    if arrived - emitted >= f64::from(SHORT) {
                        return None;
                    }
                    blocks.arrived.push((arrived - base) as i32);
                    blocks.emitted.push((emitted - base) as i32 - 1);
                }
                let is_observed = emitted[range.clone()].iter().all(|&at| at >= observed.from);
                let chunk = from - (from - node.start) % CHUNK;
                of_node.push(Block { range, chunk, base, is_observed });
                from = to;
            }
            blocks.nodes.push(of_node);
        }
        Some(blocks)
    }
}

/// A number per request.
pub(super) struct Column {
    pub values: Vec<f64>,
    /// The largest.
    pub most: f64,
    /// Sums over the blocks, node by node.
    pub sums: Vec<f64>,
}

impl Column {
    pub(super) fn new(values: Vec<f64>, blocks: Option<&Blocks>) -> Self {
        let most = values.iter().fold(0.0, |a: f64, &b| a.max(b));
        let blocks = blocks.iter().flat_map(|blocks| blocks.nodes.iter().flatten());
        let sums = blocks.map(|block| values[block.range.clone()].iter().sum()).collect();
        Column { values, most, sums }
    }
}

/// Whether a lane stays in range but for waiting.
pub(super) fn fits(lane: &Lane, work: &Column, travel: &Column) -> bool {
    let short = f64::from(SHORT);
    lane.places.is_none()
        && work.most * lane.factor + lane.constant + 1.0 < short
        && lane.delay + travel.most < short
        // Replies of all workers, one after the other, before the first request.
        && lane.reply * f64::from(lane.workers) < short / 8.0
}

/// What all lanes of a run meet.
pub(super) struct Meeting<'m> {
    pub blocks: &'m Blocks,
    pub observed: Observed,
    pub work: &'m Column,
    /// How long replies travel in addition to [`Lane::delay`].
    pub travel: &'m Column,
}

/// What a lane adds up to [ns], and counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// Whether all of it is exact.
    pub is_exact: bool,
    /// Waiting of the observed requests.
    pub queue: u64,
    /// Work of the observed requests.
    pub process: u64,
    /// Latencies of the observed requests.
    pub latency: u64,
    /// CPU time within the observed span, less `process`.
    pub busy: i64,
    /// Requests that came back within the observed span.
    pub returned: u64,
    /// Observed requests that were late.
    pub late: u64,
    pub shortest: f64,
    pub longest: f64,
}

impl Outcome {
    /// The sums of `n` observed requests that took a way; nothing if they are not exact. That of the way back only
    /// with a downlink.
    pub(super) fn sums(&self, n: u64, upstream: &Upstream, has_downlink: bool) -> Option<Sums> {
        if !self.is_exact {
            return None;
        }
        let before = (upstream.prepare + upstream.uplink) as u64 + self.queue + self.process;
        let downlink = if has_downlink { self.latency - n - before } else { 0 };
        Some(Sums {
            queue: self.queue as f64,
            process: self.process as f64,
            downlink: downlink as f64,
            busy: self.busy as f64,
            returned: self.returned as f64,
            shortest: self.shortest,
            longest: self.longest,
            ..Sums::default()
        })
    }
}

/// A sum modulo 2^32, and that of the upper halves.
#[derive(Clone, Copy)]
struct Sum<S: Simd> {
    low: S::i32s,
    high: S::i32s,
}

impl<S: Simd> Sum<S> {
    #[inline(always)]
    fn zero(simd: S) -> Self {
        Sum { low: simd.splat_i32s(0), high: simd.splat_i32s(0) }
    }

    /// Adds a number without sign.
    #[inline(always)]
    fn add(&mut self, simd: S, x: S::i32s) {
        self.low = simd.add_i32s(self.low, x);
        self.high = simd.add_i32s(self.high, shift_right(simd, x, 16));
    }
}

#[inline(always)]
fn shift_right<S: Simd>(simd: S, x: S::i32s, bits: u32) -> S::i32s {
    let x = simd.transmute_u32s_i32s(x);
    simd.transmute_i32s_u32s(simd.wrapping_dyn_shr_u32s(x, simd.splat_u32s(bits)))
}

/// The larger ones as unsigned numbers.
#[inline(always)]
fn max_unsigned<S: Simd>(simd: S, a: S::i32s, b: S::i32s) -> S::i32s {
    let (a, b) = (simd.transmute_u32s_i32s(a), simd.transmute_u32s_i32s(b));
    simd.transmute_i32s_u32s(simd.max_u32s(a, b))
}

/// All lanes.
#[inline(always)]
fn lanes<S: Simd, const V: usize>(vectors: &[S::i32s; V]) -> [i32; LANES] {
    let mut all = [0; LANES];
    for (lanes, vector) in all.chunks_exact_mut(S::I32_LANES).zip(vectors) {
        lanes.copy_from_slice(cast_slice(std::slice::from_ref(vector)));
    }
    all
}

/// `V` vectors from what each lane has.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(all: &[i32; LANES]) -> [S::i32s; V] {
    std::array::from_fn(|v| S::as_simd_i32s(&all[v * S::I32_LANES..]).0[0])
}

/// The state of a vector of lanes with at most `C` workers each, as in [`super::kernel`], and sums.
#[derive(Clone, Copy)]
struct State<S: Simd, const C: usize> {
    /// When the workers are free, ascending.
    free: [S::i32s; C],
    /// When the requests were emitted that they serve until then, less one.
    whose: [S::i32s; C],
    /// How long their replies will travel, where that varies.
    travel: [S::i32s; C],
    /// When the downlink is free.
    down: S::i32s,
    /// No service ends later, in this block and before.
    latest: S::i32s,
    /// Sums and counts since they were last widened.
    queue: Sum<S>,
    process: Sum<S>,
    /// Of latencies and one.
    latency: Sum<S>,
    /// Of CPU time at the edges, less what `process` has of it, and `SHORT`.
    busy: Sum<S>,
    returned: S::i32s,
    late: S::i32s,
    /// Of this block.
    above: S::i32s,
    /// Latencies and one.
    shortest: S::i32s,
    /// As unsigned numbers.
    longest: S::i32s,
    /// `latest` of all blocks, as an unsigned number.
    worst: S::i32s,
    /// The earliest departure, after a block's start.
    earliest: S::i32s,
}

/// The lanes of a vector themselves.
#[derive(Clone, Copy)]
struct Fixed<S: Simd, const C: usize> {
    factor: [S::f64s; 2],
    constant: S::i32s,
    reply: S::i32s,
    delay: S::i32s,
    /// Where a worker that is missing stays, and others at least.
    floor: [S::i32s; C],
    /// Bounds of late and of counted latencies, and one.
    bounds: [S::i32s; 2],
}

/// The observed span after the start of a block; far ends are cut.
#[derive(Clone, Copy)]
struct Ends {
    from: i32,
    until: i32,
}

/// Deployments side by side.
pub(super) struct Side<S: Ticks, const V: usize, const C: usize> {
    simd: S,
    state: [State<S, C>; V],
    fixed: [Fixed<S, C>; V],
    outcomes: [Outcome; LANES],
    /// Requests served in a block at an edge, since sums were widened.
    at_edges: u64,
    /// Largest factor, constant, reply, delay [ns].
    most: Lane,
    /// Largest factor and constant per worker [ns].
    most_shared: [f64; 2],
    /// As many workers as any lane has, more than [`TOP`]; of use where `C` is more than [`FEW`].
    used: usize,
}

impl<S: Ticks, const V: usize, const C: usize> Side<S, V, C> {
    /// Idle nodes. Latencies above `deadline` [ns] are late, those above `limit` [ns] are counted per block.
    #[inline(always)]
    pub(super) fn new(simd: S, jobs: &[Lane; LANES], deadline: f64, limit: f64) -> Self {
        const { assert!(V * S::I32_LANES == LANES && 2 * S::F64_LANES == S::I32_LANES, "lanes fill vectors") };
        let column =
            |value: &dyn Fn(&Lane) -> i32| vectors::<S, V>(&std::array::from_fn(|l| value(&jobs[l])));
        let of_worker = |there: i32, missing: i32| -> [[S::i32s; V]; C] {
            std::array::from_fn(|c| column(&|lane| if c < lane.workers as usize { there } else { missing }))
        };
        let mut factors = [[0.0; LANES]; 2];
        for (l, job) in jobs.iter().enumerate() {
            let (which, place) = half(l % S::I32_LANES);
            factors[which][l / S::I32_LANES * S::F64_LANES + place] = job.factor;
        }
        let factor = |v: usize, which: usize| S::as_simd_f64s(&factors[which][v * S::F64_LANES..]).0[0];
        let bound = |x: f64| simd.splat_i32s((x + 1.0).min(f64::from(i32::MAX)) as i32);
        let all = |value| simd.splat_i32s(value);
        let sum = Sum::zero(simd);
        let most = |value: fn(&Lane) -> f64| jobs.iter().map(value).fold(0.0, f64::max);
        let (free, floor) = (of_worker(LONG_AGO, NEVER), of_worker(-NEVER, NEVER));
        let constant = column(&|lane| lane.constant as i32);
        let reply = column(&|lane| lane.reply as i32);
        let delay = column(&|lane| lane.delay as i32);
        Side {
            simd,
            state: std::array::from_fn(|v| State {
                free: free.map(|worker| worker[v]),
                whose: [all(NOBODY); C],
                travel: [all(0); C],
                down: all(LONG_AGO),
                latest: all(0),
                queue: sum,
                process: sum,
                latency: sum,
                busy: sum,
                returned: all(0),
                late: all(0),
                above: all(0),
                shortest: all(i32::MAX),
                longest: all(0),
                worst: all(0),
                earliest: all(0),
            }),
            fixed: std::array::from_fn(|v| Fixed {
                factor: [factor(v, 0), factor(v, 1)],
                constant: constant[v],
                reply: reply[v],
                delay: delay[v],
                floor: floor.map(|worker| worker[v]),
                bounds: [bound(deadline), bound(limit)],
            }),
            outcomes: [Outcome::default(); LANES],
            at_edges: 0,
            most: Lane {
                factor: most(|lane| lane.factor),
                constant: most(|lane| lane.constant),
                reply: most(|lane| lane.reply),
                delay: most(|lane| lane.delay),
                ..jobs[0]
            },
            most_shared: [
                most(|lane| lane.factor / f64::from(lane.workers)),
                most(|lane| (lane.constant + 1.0) / f64::from(lane.workers)),
            ],
            used: (most(|lane| f64::from(lane.workers)) as usize).clamp(TOP + 1, C.max(TOP + 1)),
        }
    }

    /// Serves all requests. `above` is told of some requests, by the first of their chunk, how many latencies of
    /// each lane above the limit came out when they came in.
    #[inline(always)]
    pub(super) fn run<const DOWN: bool, const VARIES: bool, const COUNT: bool>(
        &mut self,
        meeting: &Meeting<'_>,
        counts: &mut Table,
        mut above: impl FnMut(usize, std::ops::Range<usize>, [i32; LANES]),
    ) -> [Outcome; LANES] {
        let idle = self.state;
        // Places go by way of memory, which is cheaper than taking a vector apart.
        let mut places: [Places; BLOCK] = [[0; LANES]; BLOCK];
        let mut number = 0;
        for (node, blocks) in meeting.blocks.nodes.iter().enumerate() {
            if node > 0 {
                for (state, idle) in self.state.iter_mut().zip(idle) {
                    let State { free, whose, travel, down, latest, .. } = idle;
                    *state = State { free, whose, travel, down, latest, ..*state };
                }
            }
            let mut has_settled = false;
            let mut base = blocks.first().map_or(0.0, |block| block.base);
            let mut ends = Ends { from: 0, until: 0 };
            for block in blocks {
                self.move_to::<DOWN, VARIES>(meeting, base, block.base);
                base = block.base;
                ends = meeting.ends(base);
                has_settled =
                    has_settled || !DOWN || self.state.iter().all(|state| state.has_settled(ends.from));
                let is_edge = !(has_settled && block.is_observed)
                    || self.may_end::<DOWN>(meeting, block, meeting.work.sums[number], ends);
                if is_edge {
                    self.serve::<DOWN, VARIES, COUNT, true>(meeting, block, ends, counts, &mut places);
                    self.at_edges += block.range.len() as u64;
                } else {
                    self.serve::<DOWN, VARIES, COUNT, false>(meeting, block, ends, counts, &mut places);
                    let n = self.simd.splat_i32s(block.range.len() as i32);
                    for state in &mut self.state {
                        state.returned = self.simd.add_i32s(state.returned, n);
                    }
                }
                if COUNT {
                    above(block.chunk, block.range.clone(), self.take_above());
                }
                number += 1;
                if number % WIDEN == 0 {
                    self.widen();
                }
            }
            if DOWN {
                self.flush::<VARIES>(ends, counts);
                if COUNT && let Some(last) = blocks.last() {
                    let end = last.range.end;
                    above(end - 1, end..end, self.take_above());
                }
            }
        }
        self.finish::<DOWN>()
    }

    /// A number of each lane.
    #[inline(always)]
    fn lanes(&self, part: impl Fn(&State<S, C>) -> S::i32s) -> [i32; LANES] {
        lanes::<S, V>(&std::array::from_fn(|v| part(&self.state[v])))
    }

    /// How many latencies of each lane were above the limit since this was last asked.
    #[inline(always)]
    fn take_above(&mut self) -> [i32; LANES] {
        let above = self.lanes(|state| state.above);
        for state in &mut self.state {
            state.above = self.simd.splat_i32s(0);
        }
        above
    }

    /// Whether a lane may go beyond the end of the observed span in a block. Once everything before the block is done and
    /// everything in it has arrived, all workers are busy with it until the last one begins.
    #[inline(always)]
    fn may_end<const DOWN: bool>(&self, meeting: &Meeting<'_>, block: &Block, work: f64, ends: Ends) -> bool {
        let most = &self.most;
        let n = block.range.len() as f64;
        let [factor, constant] = self.most_shared;
        let later = work * factor + constant * n + meeting.work.most * most.factor + most.constant + 2.0;
        let back = if DOWN { most.reply * (n + C as f64) } else { 0.0 } + most.delay + meeting.travel.most;
        let mut last = f64::from(meeting.blocks.arrived[block.range.end - 1].max(0));
        for (latest, down) in self.lanes(|state| state.latest).into_iter().zip(self.lanes(|state| state.down))
        {
            let latest = if DOWN { latest.max(down) } else { latest };
            last = last.max(f64::from(latest));
        }
        last + later + back >= f64::from(ends.until)
    }

    /// From now on times count from another instant.
    #[inline(always)]
    fn move_to<const DOWN: bool, const VARIES: bool>(&mut self, meeting: &Meeting<'_>, from: f64, to: f64) {
        let simd = self.simd;
        let mut base = from;
        // After some steps whatever has happened is as long ago as it can be.
        let mut steps = 0;
        while base < to {
            steps += 1;
            let step = if steps < 32 { (to - base).min(f64::from(SHORT)) } else { to - base };
            let by = if steps < 32 { step as i32 } else { SHORT };
            base += step;
            for (state, fixed) in self.state.iter_mut().zip(&self.fixed) {
                state.subtract::<DOWN>(simd, fixed, by);
                if DOWN {
                    if simd.any(simd.less_than_i32s(state.free[0], simd.splat_i32s(-SHORT))) {
                        let most = if VARIES { meeting.travel.most as i32 } else { 0 };
                        state.compress(simd, fixed, meeting.ends(base), most);
                    }
                    state.earliest = simd.min_i32s(state.earliest, state.free[0]);
                }
            }
        }
    }

    #[inline(always)]
    fn serve<const DOWN: bool, const VARIES: bool, const COUNT: bool, const EDGE: bool>(
        &mut self,
        meeting: &Meeting<'_>,
        block: &Block,
        ends: Ends,
        counts: &mut Table,
        places: &mut [Places; BLOCK],
    ) {
        let simd = self.simd;
        let range = block.range.clone();
        let n = range.len();
        let (arrived, emitted) =
            (&meeting.blocks.arrived[range.clone()], &meeting.blocks.emitted[range.clone()]);
        let travel = if VARIES { &meeting.travel.values[range.clone()][..n] } else { &[] };
        let work = &meeting.work.values[range];
        let (arrived, emitted, work) = (&arrived[..n], &emitted[..n], &work[..n]);
        let zero = simd.splat_i32s(0);
        let (from, until) = (simd.splat_i32s(ends.from), simd.splat_i32s(ends.until));
        // As emissions are less one, so is what they are compared with.
        let before = simd.splat_i32s(ends.from.saturating_sub(2));
        // One vector after the other: the state of one can live in registers.
        for (v, (state, fixed)) in self.state.iter_mut().zip(&self.fixed).enumerate() {
            let counts = counters::<S>(counts, v);
            let (mut s, fixed) = (*state, *fixed);
            let (mut queue, mut ring) = Queue::new(simd, &s, self.used);
            // What the last requests add to the sums.
            let mut terms = [zero; 3];
            for i in 0..n {
                let arrival = simd.splat_i32s(arrived[i]);
                let emission = simd.splat_i32s(emitted[i]);
                let own_travel = if VARIES { simd.splat_i32s(travel[i] as i32) } else { zero };
                let demand = simd.splat_f64s(work[i]);
                let is_last = i % TERM == TERM - 1 || i + 1 == n;
                let exact = fixed.factor.map(|factor| simd.mul_f64s(demand, factor));
                let work = simd.add_i32s(nearest(simd, exact), fixed.constant);
                let [left, first, its_travel] = match C > FEW {
                    true => ring[queue.head],
                    false => [s.free[0], s.whose[0], s.travel[0]],
                };
                let start = simd.max_i32s(left, arrival);
                let done = simd.add_i32s(start, work);
                let wait = simd.sub_i32s(start, arrival);
                s.latest = max_unsigned(simd, s.latest, done);
                let whose = if DOWN { first } else { emission };
                let sent = if DOWN {
                    s.down = simd.add_i32s(simd.max_i32s(s.down, left), fixed.reply);
                    s.down
                } else {
                    done
                };
                let travels = match (VARIES, DOWN) {
                    (false, _) => fixed.delay,
                    (true, false) => own_travel,
                    (true, true) => its_travel,
                };
                let received = simd.add_i32s(sent, travels);
                let span = simd.sub_i32s(received, whose);
                let now = if EDGE {
                    let is_new = simd.greater_than_i32s(emission, before);
                    s.queue.add(simd, simd.select_i32s(is_new, wait, zero));
                    let seen_work = simd.select_i32s(is_new, work, zero);
                    s.process.add(simd, seen_work);
                    let inside = simd.sub_i32s(simd.min_i32s(done, until), simd.max_i32s(start, from));
                    let inside = simd.max_i32s(inside, zero);
                    let busy = simd.sub_i32s(inside, seen_work);
                    s.busy.add(simd, simd.add_i32s(busy, simd.splat_i32s(SHORT)));
                    let is_seen = simd.greater_than_i32s(whose, before);
                    s.count_returned(simd, received, whose, ends);
                    s.see::<COUNT>(simd, &fixed, is_seen, span)
                } else {
                    let [queue, process, latency] = &mut terms;
                    *queue = simd.add_i32s(*queue, wait);
                    *process = simd.add_i32s(*process, work);
                    s.shortest = simd.min_i32s(s.shortest, span);
                    s.longest = max_unsigned(simd, s.longest, span);
                    if DOWN {
                        *latency = simd.add_i32s(*latency, span);
                    }
                    if is_last {
                        s.queue.add(simd, *queue);
                        s.process.add(simd, *process);
                        s.latency.add(simd, *latency);
                        terms = [zero; 3];
                    }
                    if COUNT {
                        s.count(simd, &fixed, span);
                    }
                    place(simd, span)
                };
                let new = [done, emission, own_travel];
                if C > FEW {
                    queue.enter::<DOWN, VARIES>(simd, &mut ring, new);
                    queue.advance();
                } else {
                    enter::<S, DOWN, VARIES, C>(simd, [&mut s.free, &mut s.whose, &mut s.travel], new);
                }
                put::<S>(&mut places[i % BLOCK], now);
                if i >= LAG {
                    record::<S>(counts, &places[(i - LAG) % BLOCK]);
                }
            }
            for places in &places[n.saturating_sub(LAG)..n] {
                record::<S>(counts, places);
            }
            s.worst = max_unsigned(simd, s.worst, s.latest);
            if C > FEW {
                queue.leave(&ring, &mut s);
            }
            *state = s;
        }
    }

    /// The requests in service depart.
    #[inline(always)]
    fn flush<const VARIES: bool>(&mut self, ends: Ends, counts: &mut Table) {
        let simd = self.simd;
        let missing = simd.splat_i32s(NEVER);
        let before = simd.splat_i32s(ends.from.saturating_sub(2));
        for (v, (s, fixed)) in self.state.iter_mut().zip(&self.fixed).enumerate() {
            let counts = counters::<S>(counts, v);
            for c in 0..C {
                let (left, whose) = (s.free[c], s.whose[c]);
                let is_there = simd.less_than_i32s(left, missing);
                let whose = simd.select_i32s(is_there, whose, simd.splat_i32s(NOBODY));
                let sent = simd.add_i32s(simd.max_i32s(s.down, left), fixed.reply);
                s.down = simd.select_i32s(is_there, sent, s.down);
                let travels = if VARIES { s.travel[c] } else { fixed.delay };
                let received = simd.add_i32s(sent, travels);
                s.count_returned(simd, received, whose, ends);
                let is_seen = simd.greater_than_i32s(whose, before);
                let now = s.see::<true>(simd, fixed, is_seen, simd.sub_i32s(received, whose));
                let mut places: Places = [0; LANES];
                put::<S>(&mut places, now);
                record::<S>(counts, &places);
            }
        }
    }

    /// Adds sums and counts to the outcomes.
    #[inline(always)]
    fn widen(&mut self) {
        let sum = |part: fn(&State<S, C>) -> Sum<S>| {
            let (low, high) = (self.lanes(|s| part(s).low), self.lanes(|s| part(s).high));
            std::array::from_fn::<u64, LANES, _>(|l| {
                let (low, high) = (low[l] as u32, high[l] as u32);
                (u64::from(high) << 16) + u64::from(low.wrapping_sub(high << 16))
            })
        };
        let [queue, process] = [sum(|s| s.queue), sum(|s| s.process)];
        let [latency, busy] = [sum(|s| s.latency), sum(|s| s.busy)];
        let [returned, late] = [self.lanes(|s| s.returned), self.lanes(|s| s.late)];
        let (zero, sum) = (self.simd.splat_i32s(0), Sum::zero(self.simd));
        for s in &mut self.state {
            [s.queue, s.process, s.latency, s.busy] = [sum; 4];
            [s.returned, s.late] = [zero; 2];
        }
        let more = SHORT as u64 * std::mem::take(&mut self.at_edges);
        for (l, outcome) in self.outcomes.iter_mut().enumerate() {
            outcome.queue += queue[l];
            outcome.process += process[l];
            outcome.latency += latency[l];
            outcome.busy += busy[l] as i64 - more as i64;
            outcome.returned += returned[l] as u64;
            outcome.late += late[l] as u64;
        }
    }

    #[inline(always)]
    fn finish<const DOWN: bool>(&mut self) -> [Outcome; LANES] {
        self.widen();
        let [shortest, longest] = [self.lanes(|s| s.shortest), self.lanes(|s| s.longest)];
        let [worst, earliest] = [self.lanes(|s| s.worst), self.lanes(|s| s.earliest)];
        for (l, outcome) in self.outcomes.iter_mut().enumerate() {
            let is_late_enough = !DOWN || earliest[l] >= -2 * SHORT;
            let has_some = shortest[l] <= longest[l];
            outcome.is_exact = is_late_enough
                && (worst[l] as u32) < LONG
                && (longest[l] as u32) < LONG
                && (!has_some || shortest[l] >= SHORTEST);
            outcome.shortest = if has_some { f64::from(shortest[l]) - 1.0 } else { f64::INFINITY };
            outcome.longest = if has_some { f64::from(longest[l]) - 1.0 } else { 0.0 };
        }
        self.outcomes
    }
}

impl Meeting<'_> {
    fn ends(&self, base: f64) -> Ends {
        let end = |at: f64| (at - base).clamp(f64::from(i32::MIN + 8), f64::from(i32::MAX)) as i32;
        Ends { from: end(self.observed.from), until: end(self.observed.until) }
    }
}

/// A worker takes a request: it is done at an instant, was emitted at one, and its reply travels for a while. As in
/// [`super::kernel`]: of the instants at which workers are free, the first has been taken, and what is before the new one
/// moves down by one.
#[inline(always)]
fn enter<S: Ticks, const DOWN: bool, const VARIES: bool, const N: usize>(
    simd: S,
    [free, whose, travel]: [&mut [S::i32s; N]; 3],
    [done, emission, own_travel]: [S::i32s; 3],
) {
    for j in 0..N {
        let stays = if j == 0 { done } else { simd.max_i32s(free[j], done) };
        let (mut owner, mut way) = (emission, own_travel);
        if DOWN && j > 0 {
            let is_after = simd.greater_than_i32s(free[j], done);
            owner = simd.select_i32s(is_after, whose[j], emission);
            if VARIES {
                way = simd.select_i32s(is_after, travel[j], own_travel);
            }
        }
        if DOWN && j + 1 < N {
            let is_after = simd.greater_than_i32s(free[j + 1], done);
            owner = simd.select_i32s(is_after, owner, whose[j + 1]);
            if VARIES {
                way = simd.select_i32s(is_after, way, travel[j + 1]);
            }
        }
        if DOWN {
            whose[j] = owner;
            if VARIES {
                travel[j] = way;
            }
        }
        free[j] = if j + 1 == N { stays } else { simd.min_i32s(free[j + 1], stays) };
    }
}

/// So many workers all fit the registers, more or less.
const FEW: usize = 8;
/// Where there are more, so many do.
const TOP: usize = 6;
/// One place more, for what falls out.
const ROOM: usize = TOP + 1;

/// When workers are free, whose requests they serve, and how long the replies travel, of `C` workers at most. What has
/// numbers that are not known beforehand stands apart from what can live in registers.
type Ring<S, const C: usize> = [[<S as Simd>::i32s; 3]; C];

/// The state of many workers, but for those in the ring.
struct Queue<S: Simd> {
    /// The last [`TOP`], ascending, behind the place for what falls out.
    top: [[S::i32s; ROOM]; 3],
    /// The last instant in the ring.
    back: S::i32s,
    /// Where the ring begins, and how many are in it.
    head: usize,
    len: usize,
}

impl<S: Ticks> Queue<S> {
    /// The first `used` workers of a state; of use where `C` is more than [`FEW`].
    #[expect(clippy::needless_range_loop, reason = "a worker indexes several arrays at once")]
    #[inline(always)]
    fn new<const C: usize>(simd: S, s: &State<S, C>, used: usize) -> (Self, Ring<S, C>) {
        let none = simd.splat_i32s(0);
        let len = used - TOP;
        let mut ring = [[none; 3]; C];
        let mut queue = Queue { top: [[none; ROOM]; 3], back: none, head: 0, len };
        if C > FEW {
            for c in 0..len.min(C) {
                ring[c] = [s.free[c], s.whose[c], s.travel[c]];
            }
            for place in 1..ROOM {
                let c = (len + place - 1).min(C - 1);
                queue.top[0][place] = s.free[c];
                queue.top[1][place] = s.whose[c];
                queue.top[2][place] = s.travel[c];
            }
            queue.back = ring[(len - 1).min(C - 1)][0];
        }
        (queue, ring)
    }

    /// The first worker takes a request.
    #[inline(always)]
    fn enter<const DOWN: bool, const VARIES: bool>(
        &mut self,
        simd: S,
        ring: &mut [[S::i32s; 3]],
        new: [S::i32s; 3],
    ) {
        let [free, whose, travel] = &mut self.top;
        enter::<S, DOWN, VARIES, ROOM>(simd, [free, whose, travel], new);
        let mut out = [free[0], whose[0], travel[0]];
        // What does not vary is not carried along.
        let parts = if !DOWN { 1 } else { 2 + usize::from(VARIES) };
        if !simd.any(simd.less_than_i32s(out[0], self.back)) {
            ring[self.head][..parts].copy_from_slice(&out[..parts]);
            self.back = out[0];
            return;
        }
        let mut place = self.head;
        for step in 1..self.len {
            let before = if self.head >= step { self.head - step } else { self.head + self.len - step };
            let old = ring[before];
            let is_after = simd.greater_than_i32s(old[0], out[0]);
            if !simd.any(is_after) {
                break;
            }
            for part in 0..parts {
                ring[place][part] = simd.select_i32s(is_after, old[part], out[part]);
                out[part] = simd.select_i32s(is_after, out[part], old[part]);
            }
            place = before;
        }
        ring[place][..parts].copy_from_slice(&out[..parts]);
        self.back = ring[self.head][0];
    }

    /// The next worker is the first.
    #[inline(always)]
    fn advance(&mut self) {
        self.head = if self.head + 1 == self.len { 0 } else { self.head + 1 };
    }

    /// Back to a state.
    #[inline(always)]
    fn leave<const C: usize>(&self, ring: &Ring<S, C>, s: &mut State<S, C>) {
        for c in 0..self.len.min(C) {
            let place = self.head + c;
            let place = if place < self.len { place } else { place - self.len };
            [s.free[c], s.whose[c], s.travel[c]] = ring[place];
        }
        for place in 1..ROOM {
            let c = (self.len + place - 1).min(C - 1);
            s.free[c] = self.top[0][place];
            s.whose[c] = self.top[1][place];
            s.travel[c] = self.top[2][place];
        }
    }
}

/// The counters from those of a vector on.
#[inline(always)]
fn counters<S: Simd>(counts: &mut Table, vector: usize) -> &mut Counters {
    counts[vector * ROWS * S::I32_LANES..].first_chunk_mut().expect("there is enough behind the last vector")
}

/// Where a lane's latencies in a bucket are counted.
#[inline(always)]
fn place_of<S: Simd>(lane: usize, bucket: usize) -> usize {
    (lane / S::I32_LANES * ROWS + row(bucket)) * S::I32_LANES + lane % S::I32_LANES
}

/// Places from a vector.
#[inline(always)]
fn put<S: Simd>(places: &mut Places, now: S::u32s) {
    S::as_mut_simd_u32s(places).0[0] = now;
}

/// Counters, one per lane of a vector.
#[inline(always)]
fn record<S: Simd>(counts: &mut Counters, places: &Places) {
    for (lane, &place) in places.iter().take(S::I32_LANES).enumerate() {
        counts[usize::from(place as u16) + lane] += 1;
    }
}

/// The counters of latencies and one, times the lanes of a vector. Eight digits behind the first and the last bits of the
/// exponent are the row. What is cut off leaves fewer digits than a float has, so that nothing is rounded.
#[inline(always)]
fn place<S: Ticks>(simd: S, span: S::i32s) -> S::u32s {
    let float = simd.float_bits(shift_right(simd, span, CUT));
    let row = simd.wrapping_dyn_shr_u32s(float, simd.splat_u32s(15 - S::I32_LANES.ilog2()));
    simd.and_u32s(row, simd.splat_u32s(((ROWS - 1) * S::I32_LANES) as u32))
}

impl<S: Ticks, const C: usize> State<S, C> {
    /// Counts a latency that is late or above.
    #[inline(always)]
    fn count(&mut self, simd: S, fixed: &Fixed<S, C>, span: S::i32s) {
        let (zero, one) = (simd.splat_i32s(0), simd.splat_i32s(1));
        let is = |bound| simd.select_i32s(simd.greater_than_i32s(span, bound), one, zero);
        self.late = simd.add_i32s(self.late, is(fixed.bounds[0]));
        self.above = simd.add_i32s(self.above, is(fixed.bounds[1]));
    }

    /// Notes a latency, if it is observed, and gives its counter.
    #[inline(always)]
    fn see<const COUNT: bool>(
        &mut self,
        simd: S,
        fixed: &Fixed<S, C>,
        is_seen: S::m32s,
        span: S::i32s,
    ) -> S::u32s {
        let least = simd.select_i32s(is_seen, span, self.shortest);
        self.shortest = simd.min_i32s(self.shortest, least);
        let known = simd.select_i32s(is_seen, span, simd.splat_i32s(0));
        self.longest = max_unsigned(simd, self.longest, known);
        self.latency.add(simd, known);
        if COUNT {
            self.count(simd, fixed, known);
        }
        let recorded = simd.select_i32s(is_seen, span, simd.splat_i32s(UNSEEN));
        place(simd, recorded)
    }

    /// Counts those that come back within the observed span.
    #[inline(always)]
    fn count_returned(&mut self, simd: S, received: S::i32s, whose: S::i32s, ends: Ends) {
        let (zero, one) = (simd.splat_i32s(0), simd.splat_i32s(1));
        let is_before = simd.less_than_i32s(received, simd.splat_i32s(ends.from));
        let is_in = simd.less_than_i32s(received, simd.splat_i32s(ends.until));
        let is_there = simd.greater_than_i32s(whose, simd.splat_i32s(NOBODY));
        let counts = simd.select_i32s(is_before, zero, simd.select_i32s(is_in, one, zero));
        self.returned = simd.add_i32s(self.returned, simd.select_i32s(is_there, counts, zero));
    }

    /// Whether every reply that is still to come is that of an observed request.
    #[inline(always)]
    fn has_settled(&self, from: i32) -> bool {
        let lanes = |vector| cast_slice::<_, i32>(std::slice::from_ref(vector));
        self.free.iter().zip(&self.whose).all(|(free, whose)| {
            lanes(free).iter().zip(lanes(whose)).all(|(&free, &whose)| free >= NEVER || whose >= from - 1)
        })
    }

    /// Moves all times down.
    #[inline(always)]
    fn subtract<const DOWN: bool>(&mut self, simd: S, fixed: &Fixed<S, C>, by: i32) {
        let (nobody, least) = (simd.splat_i32s(NOBODY), simd.splat_i32s(NOBODY + 1 + by));
        let by = simd.splat_i32s(by);
        for c in 0..C {
            self.free[c] = simd.max_i32s(simd.sub_i32s(self.free[c], by), fixed.floor[c]);
            if DOWN {
                let whose = self.whose[c];
                let moved = simd.sub_i32s(simd.max_i32s(whose, least), by);
                let is_there = simd.greater_than_i32s(whose, nobody);
                self.whose[c] = simd.select_i32s(is_there, moved, nobody);
            }
        }
        if DOWN {
            let floor = simd.splat_i32s(-NEVER);
            self.down = simd.max_i32s(simd.sub_i32s(self.down, by), floor);
        }
        self.latest = simd.max_i32s(simd.sub_i32s(self.latest, by), simd.splat_i32s(0));
    }

    /// Moves departures that have waited long to shortly before the block, where neither end of the observed span
    /// is in between.
    #[inline(always)]
    fn compress(&mut self, simd: S, fixed: &Fixed<S, C>, ends: Ends, longest_travel: i32) {
        let zero = simd.splat_i32s(0);
        let nobody = simd.splat_i32s(NOBODY);
        let before = simd.splat_i32s(ends.from.saturating_sub(2));
        let left = self.free[0];
        let down = simd.max_i32s(self.down, left);
        // No reply waits longer for the downlink.
        let mut gap = simd.add_i32s(simd.sub_i32s(down, left), fixed.reply);
        for _ in 1..C {
            gap = simd.add_i32s(gap, fixed.reply);
        }
        let most_back = simd.add_i32s(simd.splat_i32s(longest_travel), fixed.delay);
        let most_back = simd.add_i32s(simd.add_i32s(gap, fixed.reply), most_back);
        let mut moved = [zero; C];
        // The departure after, or the start of the block: where it was and where it is.
        let (mut next, mut moved_next) = (zero, zero);
        // Negative where a move would change whether a reply comes back within the observed span.
        let mut verdict = zero;
        for c in (0..C).rev() {
            let free = self.free[c];
            let distance = simd.min_i32s(simd.sub_i32s(next, free), gap);
            let is_busy = simd.greater_than_i32s(free, zero);
            let place = simd.select_i32s(is_busy, free, simd.sub_i32s(moved_next, distance));
            moved[c] = simd.sub_i32s(place, free);
            (next, moved_next) = (simd.min_i32s(free, zero), simd.min_i32s(place, zero));
            let low = simd.add_i32s(free, fixed.delay);
            let high = simd.add_i32s(place, most_back);
            for end in [ends.from, ends.until].map(|end| simd.splat_i32s(end)) {
                let is_below = simd.less_than_i32s(low, end);
                let is_hit = simd.select_i32s(simd.less_than_i32s(high, end), zero, simd.splat_i32s(-1));
                let is_hit = simd.select_i32s(is_below, is_hit, zero);
                let is_hit = simd.select_i32s(simd.greater_than_i32s(moved[c], zero), is_hit, zero);
                let is_hit = simd.select_i32s(simd.greater_than_i32s(self.whose[c], nobody), is_hit, zero);
                verdict = simd.min_i32s(verdict, is_hit);
            }
        }
        let is_free = simd.greater_than_i32s(verdict, simd.splat_i32s(-1));
        for (c, by) in moved.into_iter().enumerate() {
            let by = simd.select_i32s(is_free, by, zero);
            self.free[c] = simd.add_i32s(self.free[c], by);
            let whose = self.whose[c];
            let is_there = simd.greater_than_i32s(whose, nobody);
            // What is not observed stays so.
            let is_new = simd.greater_than_i32s(whose, before);
            let moved = simd.add_i32s(whose, by);
            let moved = simd.select_i32s(is_new, moved, simd.min_i32s(moved, before));
            self.whose[c] = simd.select_i32s(is_there, moved, nobody);
            if c == 0 {
                self.down = simd.add_i32s(down, by);
            }
        }
    }
}

/// What the counters of all lanes tell of the latencies of `n` requests each: [`Spread::quantiles`] and
/// [`Spread::mean_of_ranks`], side by side.
#[inline(always)]
pub(super) fn read<S: Simd, const N: usize>(
    counts: &Table,
    outcomes: &[Outcome; LANES],
    n: u64,
    p: [f64; N],
    ranks: std::ops::Range<u64>,
) -> [([f64; N], f64); LANES] {
    let bucket = |span: f64| Spread::<u32>::bucket(span) as usize;
    let exact = || outcomes.iter().filter(|outcome| outcome.is_exact);
    let first = exact().map(|outcome| bucket(outcome.shortest)).min();
    let last = exact().map(|outcome| bucket(outcome.longest)).max();
    let (Some(first), Some(last), 1..) = (first, last, n) else { return [([f64::NAN; N], f64::NAN); LANES] };
    // The first count that reaches a share; counts are whole.
    let targets = p.map(|p| (p * n as f64).clamp(1.0, n as f64).ceil() as u32);
    let (from, to) = (ranks.start as u32, ranks.end as u32);
    let (mut least, mut most) = ([0.0; LANES], [0.0; LANES]);
    for (l, outcome) in outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_exact) {
        (least[l], most[l]) = (outcome.shortest, outcome.longest);
    }
    let mut below = [0u32; LANES];
    let (mut buckets, mut belows) = ([[0u32; LANES]; N], [[0u32; LANES]; N]);
    let mut sums = [0.0; LANES];
    let mut low = Spread::<u32>::lower_edge(first);
    for bucket in first..=last {
        let high = Spread::<u32>::lower_edge(bucket + 1);
        let middle = (low + high) / 2.0;
        low = high;
        let mut here = [0; LANES];
        for (v, lanes) in here.chunks_exact_mut(S::I32_LANES).enumerate() {
            let from = place_of::<S>(v * S::I32_LANES, bucket);
            lanes.copy_from_slice(&counts[from..from + S::I32_LANES]);
        }
        for l in 0..LANES {
            let upto = below[l] + here[l];
            let taken = upto.min(to).max(from) - below[l].max(from).min(to);
            let value = if middle < least[l] { least[l] } else { middle };
            let value = if value > most[l] { most[l] } else { value };
            sums[l] += f64::from(taken as i32) * value;
            below[l] = upto;
        }
        for k in 0..N {
            for l in 0..LANES {
                let is_before = below[l] < targets[k];
                buckets[k][l] += u32::from(is_before);
                belows[k][l] = belows[k][l].max(below[l] * u32::from(is_before));
            }
        }
    }
    std::array::from_fn(|l| {
        let quantile = |k: usize| {
            let bucket = (first + buckets[k][l] as usize).min(last);
            let here = counts[place_of::<S>(l, bucket)];
            let target = (p[k] * n as f64).clamp(1.0, n as f64);
            let share = (target - f64::from(belows[k][l])) / f64::from(here);
            let (low, high) = (Spread::<u32>::lower_edge(bucket), Spread::<u32>::lower_edge(bucket + 1));
            (low + (high - low) * share).clamp(least[l], most[l])
        };
        (std::array::from_fn(quantile), sums[l] / f64::from(to.saturating_sub(from)))
    })
}

/// Sets what the lanes have counted to zero.
#[inline(always)]
pub(super) fn clear<S: Simd>(counts: &mut Table, outcomes: &[Outcome; LANES]) {
    if outcomes.iter().any(|outcome| !outcome.is_exact) {
        return counts[..ROWS * LANES].fill(0);
    }
    let bucket = |span: f64| Spread::<u32>::bucket(span) as usize;
    let first = outcomes.iter().map(|outcome| bucket(outcome.shortest.min(outcome.longest))).min();
    let last = outcomes.iter().map(|outcome| bucket(outcome.longest)).max();
    let unseen = bucket(f64::from(UNSEEN - 1));
    for bucket in (first.unwrap_or(0)..=last.unwrap_or(0)).chain([unseen]) {
        for v in 0..LANES / S::I32_LANES {
            let from = place_of::<S>(v * S::I32_LANES, bucket);
            counts[from..from + S::I32_LANES].fill(0);
        }
    }
}
