//! Workers that share cores: one node of each of many deployments, side by side in a vector.
//!
//! All lanes of a vector meet the same requests, in the same order; each has its own work, workers, cores and
//! downlink. Requests begin in the order in which they arrive: when they are there and fewer than `workers` are in
//! service. Per lane it is what [`offing_models::sharing::Equal`] does, operation by operation and so bit by bit:
//!
//! ```text
//! slowness = max(1, jobs (1/cores))
//! next     = offset + max(0, end - V) slowness      of the request that ends first, since the last start
//! done     = last start + next, rounded up          V <- end, offset <- next
//! start    = max(arrival, last done if all workers were busy)
//!                                                   V <- V + (start - last start - offset) / slowness, offset <- 0
//! ```
//!
//! Those in service are rows of vectors, in each lane in order of the virtual instants of their ends, so the next
//! departure of every lane is in the first row. Departures of a lane come out sorted and enter its downlink at once.
//! A departure is a step of all lanes, and takes effect in those that have one: there are as many steps per request
//! as the lane with the most departures has. So lanes of like load belong together.
//!
//! Queues may be bounded (`BOUNDED`): see [`super::kernel`].

use offing_models::sharing::TOLERANCE_NS;
use pulp::Simd;

use super::kernel::{
    CHUNK, LONG_AGO, Lane, Lost, NEVER, NOBODY, Observed, Refusals, Requests, Ring, Sums, TWO_52, UNSEEN,
    WIDEST, tell,
};

/// How many vectors go side by side, to hide each other's latency.
pub(super) const VECTORS: usize = 2;
/// Lanes at most.
const LANES: usize = VECTORS * WIDEST;

/// One number per lane.
type Wide<S> = [<S as Simd>::f64s; VECTORS];

/// A request in service, or none.
#[derive(Clone, Copy)]
struct Row<S: Simd> {
    /// Virtual instant of the end; `NEVER` if there is none.
    end: Wide<S>,
    start: Wide<S>,
    emitted: Wide<S>,
    work: Wide<S>,
    /// How long the reply will travel, where that varies.
    travel: Wide<S>,
}

/// Where each lane stands.
#[derive(Clone, Copy)]
struct State<S: Simd> {
    /// The last start.
    at: Wide<S>,
    /// From the last start to the last departure after it.
    offset: Wide<S>,
    /// Virtual time.
    served: Wide<S>,
    /// How many are in service.
    jobs: Wide<S>,
    /// When the downlink is free.
    down: Wide<S>,
}

/// What each lane adds up to; see [`Sums`].
#[derive(Clone, Copy)]
struct Added<S: Simd> {
    queue: Wide<S>,
    process: Wide<S>,
    downlink: Wide<S>,
    /// CPU time of those that were in service within the observed span alone.
    used: Wide<S>,
    returned: Wide<S>,
    shortest: Wide<S>,
    longest: Wide<S>,
}

/// The lanes themselves.
#[derive(Clone, Copy)]
struct Fixed<S: Simd> {
    factor: Wide<S>,
    constant: Wide<S>,
    reply: Wide<S>,
    delay: Wide<S>,
    workers: Wide<S>,
    /// One over the number of cores.
    per_core: Wide<S>,
    places: Wide<S>,
    from: S::f64s,
    until: S::f64s,
}

/// One node in all lanes.
pub(super) struct Node<S: Simd> {
    simd: S,
    observed: Observed,
    fixed: Fixed<S>,
    state: State<S>,
    added: Added<S>,
    /// One more than workers that a lane has at most.
    rows: Vec<Row<S>>,
    /// How many rows may hold a request.
    depth: usize,
    /// CPU time within the observed span of those that were in service at an end of it.
    crossing: [f64; LANES],
    refusals: Refusals<S, VECTORS>,
    ring: Ring,
}

impl<S: Simd> Node<S> {
    /// Lanes of one node.
    pub(super) const LANES: usize = VECTORS * S::F64_LANES;

    /// Idle nodes.
    pub(super) fn new(simd: S, lanes: &[Lane], observed: Observed) -> Self {
        let column = |value: &dyn Fn(&Lane) -> f64| -> Wide<S> {
            let values: Vec<f64> = lanes.iter().map(value).collect();
            let (vectors, _) = S::as_simd_f64s(&values);
            std::array::from_fn(|v| vectors[v])
        };
        let all = |value| [simd.splat_f64s(value); VECTORS];
        let most = lanes.iter().map(|lane| lane.workers).max().unwrap_or(0) as usize;
        let zero = all(0.0);
        let nobody =
            Row { end: all(NEVER), start: all(LONG_AGO), emitted: all(NOBODY), work: zero, travel: zero };
        let ring = Ring::new(lanes);
        Node {
            simd,
            observed,
            fixed: Fixed {
                factor: column(&|lane| lane.factor),
                constant: column(&|lane| lane.constant),
                reply: column(&|lane| lane.reply),
                delay: column(&|lane| lane.delay),
                workers: column(&|lane| f64::from(lane.workers)),
                per_core: column(&|lane| f64::from(lane.shared.unwrap_or(lane.workers)).recip()),
                places: column(&|lane| lane.places.map_or(0.0, f64::from)),
                from: simd.splat_f64s(observed.from),
                until: simd.splat_f64s(observed.until),
            },
            state: State { at: zero, offset: zero, served: zero, jobs: zero, down: all(LONG_AGO) },
            added: Added {
                queue: zero,
                process: zero,
                downlink: zero,
                used: zero,
                returned: zero,
                shortest: all(f64::INFINITY),
                longest: zero,
            },
            rows: vec![nobody; most + 1],
            depth: 0,
            crossing: [0.0; LANES],
            refusals: Refusals::new(simd, &ring),
            ring,
        }
    }

    /// The next node of the same lanes is idle; sums go on.
    pub(super) fn next_node(&mut self, lanes: &[Lane]) {
        let Node { state, rows, ring, depth, .. } = Self::new(self.simd, lanes, self.observed);
        (self.state, self.rows, self.ring, self.depth) = (state, rows, ring, depth);
    }

    /// How many latencies a chunk, or what follows it, can have.
    pub(super) fn most_latencies(lanes: &[Lane]) -> usize {
        let most = lanes.iter().map(|lane| lane.workers).max().unwrap_or(0) as usize;
        Self::LANES * Self::LANES * (CHUNK + most)
    }

    /// Serves a chunk. Writes one row of latencies per step, `UNSEEN` among them; returns how many numbers these are.
    #[inline(always)]
    pub(super) fn chunk<const VARIES: bool, const BOUNDED: bool>(
        &mut self,
        requests: &Requests<'_>,
        latency: &mut [f64],
    ) -> usize {
        let (simd, fixed) = (self.simd, self.fixed);
        let zero = simd.splat_f64s(0.0);
        let one = simd.splat_f64s(1.0);
        let whole = simd.splat_f64s(TWO_52);
        let tolerance = simd.splat_f64s(TOLERANCE_NS);
        let mut written = 0;
        for i in 0..requests.arrived.len() {
            let arrival = simd.splat_f64s(requests.arrived[i]);
            let emission = simd.splat_f64s(requests.emitted[i]);
            let is_new = simd.greater_than_or_equal_f64s(emission, fixed.from);
            self.depart_until::<VARIES>(arrival, latency, &mut written);

            let mut entering = Row {
                end: [zero; VECTORS],
                start: [zero; VECTORS],
                emitted: [emission; VECTORS],
                ..self.rows[0]
            };
            let demand = simd.splat_f64s(requests.work[i]);
            let lost = if BOUNDED { Lost::new(simd, requests, i, self.observed) } else { Lost::none(simd) };
            for v in 0..VECTORS {
                let s = &mut self.state;
                let since = simd.max_f64s(
                    simd.sub_f64s(arrival, s.at[v]),
                    round_up(simd, simd.sub_f64s(s.offset[v], tolerance)),
                );
                let start = simd.add_f64s(s.at[v], since);
                let slowness = simd.max_f64s(simd.mul_f64s(s.jobs[v], fixed.per_core[v]), one);
                let passed = simd.div_f64s(simd.sub_f64s(since, s.offset[v]), slowness);
                let is_idle = simd.equal_f64s(s.jobs[v], zero);
                let served = simd.select_f64s(is_idle, zero, simd.add_f64s(s.served[v], passed));
                let product = simd.mul_f64s(demand, fixed.factor[v]);
                let rounded = simd.sub_f64s(simd.add_f64s(product, whole), whole);
                let work = simd.add_f64s(rounded, fixed.constant[v]);
                entering.end[v] = simd.add_f64s(served, work);
                entering.start[v] = start;
                entering.work[v] = work;
                if VARIES {
                    entering.travel[v] = simd.add_f64s(simd.splat_f64s(requests.delay[i]), fixed.delay[v]);
                }
                let mut counts = is_new;
                if BOUNDED {
                    let next = self.refusals.next[v];
                    let last = simd.sub_f64s(next, fixed.places[v]);
                    let begin = self.ring.exchange::<S, VECTORS>(v, start, next, last);
                    let is_accepted = simd.less_than_or_equal_f64s(begin, arrival);
                    let accepted = simd.select_f64s(is_accepted, one, zero);
                    self.refusals.next[v] = simd.add_f64s(next, accepted);
                    self.refusals.count(simd, v, is_accepted, lost);
                    s.at[v] = simd.select_f64s(is_accepted, start, s.at[v]);
                    s.offset[v] = simd.select_f64s(is_accepted, zero, s.offset[v]);
                    s.served[v] = simd.select_f64s(is_accepted, served, s.served[v]);
                    s.jobs[v] = simd.add_f64s(s.jobs[v], accepted);
                    // Behind all others, where it is forgotten.
                    entering.end[v] = simd.select_f64s(is_accepted, entering.end[v], simd.splat_f64s(NEVER));
                    counts = simd.and_m64s(counts, is_accepted);
                } else {
                    s.at[v] = start;
                    s.offset[v] = zero;
                    s.served[v] = served;
                    s.jobs[v] = simd.add_f64s(s.jobs[v], one);
                }
                let wait = simd.select_f64s(counts, simd.sub_f64s(start, arrival), zero);
                self.added.queue[v] = simd.add_f64s(self.added.queue[v], wait);
            }
            self.enter::<VARIES>(entering);
        }
        written
    }

    /// All that are in service depart. Writes latencies as [`Self::chunk`] does.
    #[inline(always)]
    pub(super) fn flush<const VARIES: bool>(&mut self, latency: &mut [f64]) -> usize {
        let mut written = 0;
        // Later than any departure, and earlier than those that there are not.
        self.depart_until::<VARIES>(self.simd.splat_f64s(NEVER.sqrt()), latency, &mut written);
        written
    }

    /// Lets those depart that are done at `arrival`, and until a worker is free.
    #[inline(always)]
    fn depart_until<const VARIES: bool>(
        &mut self,
        arrival: S::f64s,
        latency: &mut [f64],
        written: &mut usize,
    ) {
        let (simd, fixed, observed) = (self.simd, self.fixed, self.observed);
        let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
        let tolerance = simd.splat_f64s(TOLERANCE_NS);
        let missing = simd.splat_f64s(NEVER);
        loop {
            let mut departs = [simd.equal_f64s(zero, one); VECTORS];
            let (mut next, mut done) = ([zero; VECTORS], [zero; VECTORS]);
            let mut is_any = false;
            let s = &mut self.state;
            for v in 0..VECTORS {
                let slowness = simd.max_f64s(simd.mul_f64s(s.jobs[v], fixed.per_core[v]), one);
                let left = simd.max_f64s(simd.sub_f64s(self.rows[0].end[v], s.served[v]), zero);
                next[v] = simd.add_f64s(s.offset[v], simd.mul_f64s(left, slowness));
                let since = round_up(simd, simd.sub_f64s(next[v], tolerance));
                done[v] = simd.add_f64s(s.at[v], since);
                let limit = simd.max_f64s(
                    simd.sub_f64s(arrival, s.at[v]),
                    round_up(simd, simd.sub_f64s(s.offset[v], tolerance)),
                );
                departs[v] = simd.or_m64s(
                    simd.less_than_or_equal_f64s(since, limit),
                    simd.greater_than_or_equal_f64s(s.jobs[v], fixed.workers[v]),
                );
                is_any |= simd.first_true_m64s(departs[v]) < S::F64_LANES;
            }
            if !is_any {
                return;
            }
            let first = self.rows[0];
            let row = &mut latency[*written..*written + Self::LANES];
            let (row, _) = S::as_mut_simd_f64s(row);
            let mut crosses = false;
            for v in 0..VECTORS {
                let added = &mut self.added;
                let add =
                    |sum: &mut S::f64s, mask, x| *sum = simd.add_f64s(*sum, simd.select_f64s(mask, x, zero));
                let sent = simd.add_f64s(simd.max_f64s(s.down[v], done[v]), fixed.reply[v]);
                s.down[v] = simd.select_f64s(departs[v], sent, s.down[v]);
                let received = simd.add_f64s(sent, if VARIES { first.travel[v] } else { fixed.delay[v] });
                let is_back = simd.and_m64s(
                    simd.greater_than_or_equal_f64s(received, fixed.from),
                    simd.less_than_f64s(received, fixed.until),
                );
                add(&mut added.returned[v], simd.and_m64s(departs[v], is_back), one);
                let is_seen =
                    simd.and_m64s(departs[v], simd.greater_than_or_equal_f64s(first.emitted[v], fixed.from));
                let span = simd.sub_f64s(received, first.emitted[v]);
                let low = simd.select_f64s(is_seen, span, added.shortest[v]);
                added.shortest[v] = simd.min_f64s(added.shortest[v], low);
                let span = simd.select_f64s(is_seen, span, simd.splat_f64s(UNSEEN));
                added.longest[v] = simd.max_f64s(added.longest[v], span);
                row[v] = span;
                add(&mut added.process[v], is_seen, simd.sub_f64s(done[v], first.start[v]));
                add(&mut added.downlink[v], is_seen, simd.sub_f64s(received, done[v]));
                let is_inside = simd.and_m64s(
                    simd.greater_than_or_equal_f64s(first.start[v], fixed.from),
                    simd.less_than_or_equal_f64s(done[v], fixed.until),
                );
                add(&mut added.used[v], simd.and_m64s(departs[v], is_inside), first.work[v]);
                let outside = simd.select_f64s(is_inside, zero, simd.select_f64s(departs[v], one, zero));
                crosses |= simd.reduce_max_f64s(outside) > 0.0;

                s.served[v] = simd.select_f64s(departs[v], first.end[v], s.served[v]);
                s.offset[v] = simd.select_f64s(departs[v], next[v], s.offset[v]);
                s.jobs[v] = simd.sub_f64s(s.jobs[v], simd.select_f64s(departs[v], one, zero));
            }
            if crosses {
                add_crossing(simd, &departs, &first, &done, observed, &mut self.crossing);
            }
            *written += Self::LANES;
            for r in 0..self.depth {
                let (this, following) = (self.rows[r], self.rows[r + 1]);
                for v in 0..VECTORS {
                    let moved = |this: Wide<S>, following: Wide<S>| {
                        simd.select_f64s(departs[v], following[v], this[v])
                    };
                    let row = &mut self.rows[r];
                    row.end[v] = moved(this.end, following.end);
                    row.start[v] = moved(this.start, following.start);
                    row.emitted[v] = moved(this.emitted, following.emitted);
                    row.work[v] = moved(this.work, following.work);
                    if VARIES {
                        row.travel[v] = moved(this.travel, following.travel);
                    }
                }
            }
            while let Some(last) = self.depth.checked_sub(1)
                && self.rows[last]
                    .end
                    .iter()
                    .all(|&end| simd.first_true_m64s(simd.less_than_f64s(end, missing)) == S::F64_LANES)
            {
                self.depth = last;
            }
        }
    }

    /// Puts a request in its place, behind those that end at the same instant. All comparisons are with its end, so
    /// that those behind it stay in their order.
    #[expect(clippy::needless_range_loop, reason = "vectors index several arrays at once")]
    #[inline(always)]
    fn enter<const VARIES: bool>(&mut self, mut carried: Row<S>) {
        let simd = self.simd;
        let end = carried.end;
        for row in &mut self.rows[..=self.depth] {
            for v in 0..VECTORS {
                let stays = simd.less_than_or_equal_f64s(row.end[v], end[v]);
                let exchange = |mine: &mut S::f64s, other: &mut S::f64s| {
                    let (a, b) = (*mine, *other);
                    *mine = simd.select_f64s(stays, a, b);
                    *other = simd.select_f64s(stays, b, a);
                };
                exchange(&mut row.end[v], &mut carried.end[v]);
                exchange(&mut row.start[v], &mut carried.start[v]);
                exchange(&mut row.emitted[v], &mut carried.emitted[v]);
                exchange(&mut row.work[v], &mut carried.work[v]);
                if VARIES {
                    exchange(&mut row.travel[v], &mut carried.travel[v]);
                }
            }
        }
        self.depth = (self.depth + 1).min(self.rows.len() - 1);
    }

    /// The sums of each lane.
    pub(super) fn sums(&self) -> Vec<Sums> {
        let added = &self.added;
        let mut sums = vec![Sums::default(); Self::LANES];
        let mut column = |values, place| tell::<S, VECTORS>(values, &mut sums, place);
        column(&added.queue, |sums| &mut sums.queue);
        column(&added.process, |sums| &mut sums.process);
        column(&added.downlink, |sums| &mut sums.downlink);
        column(&added.used, |sums| &mut sums.busy);
        column(&added.returned, |sums| &mut sums.returned);
        column(&added.shortest, |sums| &mut sums.shortest);
        column(&added.longest, |sums| &mut sums.longest);
        for (sums, crossing) in sums.iter_mut().zip(&self.crossing) {
            sums.busy += crossing - sums.process;
        }
        self.refusals.tell(&mut sums);
        sums
    }
}

/// The numbers of each lane.
fn lanes_of<S: Simd>(simd: S, values: &Wide<S>) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    let (vectors, _) = S::as_mut_simd_f64s(&mut lanes);
    for (vector, value) in vectors.iter_mut().zip(values) {
        *vector = simd.add_f64s(*value, simd.splat_f64s(0.0));
    }
    lanes
}

/// The next whole number, as `offing_models::sharing::equal` has it.
#[inline(always)]
fn round_up<S: Simd>(simd: S, x: S::f64s) -> S::f64s {
    let whole = simd.splat_f64s(TWO_52);
    let nearest = simd.sub_f64s(simd.add_f64s(x, whole), whole);
    let is_below = simd.less_than_f64s(nearest, x);
    simd.add_f64s(nearest, simd.select_f64s(is_below, simd.splat_f64s(1.0), simd.splat_f64s(0.0)))
}

/// CPU time of those that depart and were in service at an end of the observed span: what lies within, in proportion,
/// as the recorder has it.
#[cold]
#[inline(never)]
fn add_crossing<S: Simd>(
    simd: S,
    departs: &[S::m64s; VECTORS],
    row: &Row<S>,
    done: &Wide<S>,
    observed: Observed,
    crossing: &mut [f64; LANES],
) {
    let one = simd.splat_f64s(1.0);
    let departs = lanes_of(simd, &departs.map(|mask| simd.select_f64s(mask, one, simd.splat_f64s(0.0))));
    let [start, work, done] = [row.start, row.work, *done].map(|values| lanes_of(simd, &values));
    for l in 0..VECTORS * S::F64_LANES {
        let is_inside = start[l] >= observed.from && done[l] <= observed.until;
        let inside = done[l].min(observed.until) - start[l].max(observed.from);
        if departs[l] > 0.0 && !is_inside && inside > 0.0 {
            crossing[l] += (work[l] as u128 * inside as u128 / (done[l] - start[l]) as u128) as f64;
        }
    }
}
