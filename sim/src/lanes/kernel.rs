//! The recursion of the lanes: one node of each of many deployments, side by side in a vector.
//!
//! All lanes of a vector meet the same requests, in the same order; each has its own work, number of workers and
//! downlink. Per request and lane:
//!
//! ```text
//! start = max(earliest free worker, arrival)      done = start + work          (Kiefer and Wolfowitz 1955)
//! sent  = max(downlink free, departure) + reply   received = sent + delay      (Lindley 1952)
//! ```
//!
//! The departure that takes the downlink is the one that frees the worker: departures come out sorted, and carry
//! the instant of their emission along.
//!
//! Times are whole nanoseconds in `f64`: sums, minima and maxima of whole numbers below 2^53 (104 days) are
//! exact, and every vector unit has them for floats. So a lane gives the same spans as the station engine, on
//! every instruction set, whatever its neighbours do. No step has a branch.
//!
//! Where the queue is bounded (`BOUNDED`), a request is refused that finds as many accepted ones that begin
//! later than it arrives as may wait. Starts never decrease, so one look tells: whether the last but so many
//! accepted one begins later. The starts lie in a ring per lane; its position differs from lane to lane, so it is
//! read and written lane by lane. All else is masked: a refused request leaves no trace but in the counts.
//!
//! What lies at the ends of the observed span needs more care than most requests: a second version of the same
//! loop (`EDGE`) tells observed requests from others and cuts CPU time at the ends. It runs where the first
//! could be wrong, and everywhere for bounded queues.

use std::ops::Range;

use pulp::Simd;

use crate::stations::Upstream;

/// Requests that are worked off together. What they leave behind stays in the nearest cache.
pub(super) const CHUNK: usize = 128;

/// When a worker that a lane does not have is free.
pub(super) const NEVER: f64 = 1e300;
/// When a worker was last busy before the run.
pub(super) const LONG_AGO: f64 = -4_503_599_627_370_496.0; // -2^52
/// Emission of a request that there is not.
pub(super) const NOBODY: f64 = -1.0;
/// A sum with it has no room for a fraction.
pub(super) const TWO_52: f64 = 4_503_599_627_370_496.0;
/// Latency of a request that is not observed or was refused.
pub(super) const UNSEEN: f64 = -1.0;

/// The requests of a chunk, the same for all lanes.
pub(super) struct Requests<'r> {
    pub arrived: &'r [f64],
    pub emitted: &'r [f64],
    /// Work at speed 1 [ns].
    pub work: &'r [f64],
    /// How long the reply travels in addition to [`Lane::delay`] [ns]; zero where that says all.
    pub delay: &'r [f64],
    /// How long each was prepared [ns]; only for bounded queues.
    pub preparation: &'r [f64],
}

impl<'r> Requests<'r> {
    /// A range of the requests; `work` and `delay` are of all of them.
    #[inline(always)]
    pub(super) fn new(
        upstream: &'r Upstream,
        work: &'r [f64],
        delay: &'r [f64],
        range: Range<usize>,
        has_preparation: bool,
    ) -> Self {
        Requests {
            arrived: &upstream.arrived[range.clone()],
            emitted: &upstream.emitted[range.clone()],
            work: &work[range.clone()],
            delay: &delay[range.clone()],
            preparation: if has_preparation { &upstream.preparation[range] } else { &[] },
        }
    }
}

/// The observed span [ns].
#[derive(Clone, Copy)]
pub(super) struct Observed {
    pub from: f64,
    pub until: f64,
}

/// What one lane is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lane {
    pub workers: u32,
    /// How many cores the workers share; nothing where each has its own.
    pub shared: Option<u32>,
    /// How many requests may wait; nothing means any number.
    pub places: Option<u32>,
    /// What the work at speed 1 is multiplied by, and rounded to the nearest whole number.
    pub factor: f64,
    /// Work that is the same for every request [ns].
    pub constant: f64,
    /// Transmission time of a reply [ns]; zero without a downlink.
    pub reply: f64,
    /// Delay of the downlink where it is the same for all requests, else zero [ns].
    pub delay: f64,
}

/// Sums over one lane [ns], and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Waiting of the observed requests.
    pub queue: f64,
    /// The way back of the observed requests.
    pub downlink: f64,
    /// Work of the observed requests.
    pub process: f64,
    /// CPU time within the observed span, less `process`.
    pub busy: f64,
    /// Requests that came back within the observed span.
    pub returned: f64,
    /// Observed requests that were refused.
    pub dropped: f64,
    /// Requests that were refused within the observed span.
    pub refused: f64,
    /// Preparation of the observed requests that were refused.
    pub lost_preparation: f64,
    /// The way up to their node, preparation included, of the observed requests that were refused.
    pub lost_way: f64,
    pub shortest: f64,
    pub longest: f64,
}

/// State and sums of `V` vectors of lanes with at most `C` workers each. Several vectors side by side hide each
/// other's latency, as long as they fit the registers.
#[derive(Clone, Copy)]
struct State<S: Simd, const V: usize, const C: usize> {
    /// When the workers are free, ascending.
    free: [[S::f64s; C]; V],
    /// When the requests were emitted that they serve until then.
    whose: [[S::f64s; C]; V],
    /// How long their replies will travel, where that varies.
    travel: [[S::f64s; C]; V],
    /// When the downlink is free.
    down: [S::f64s; V],
    queue: [S::f64s; V],
    process: [S::f64s; V],
    downlink: [S::f64s; V],
    busy: [S::f64s; V],
    returned: [S::f64s; V],
    shortest: [S::f64s; V],
    longest: [S::f64s; V],
}

/// State and sums that only bounded queues have.
#[derive(Clone, Copy)]
pub(super) struct Refusals<S: Simd, const V: usize> {
    /// Where the ring takes the next accepted start, as the last bits.
    pub next: [S::f64s; V],
    dropped: [S::f64s; V],
    refused: [S::f64s; V],
    preparation: [S::f64s; V],
    way: [S::f64s; V],
}

/// The starts of the last accepted requests: one row of lanes per start, as many rows as a power of two.
pub(super) struct Ring {
    starts: Vec<f64>,
    rows: usize,
}

impl Ring {
    /// No row without bounded queues; else at least one more than requests may wait.
    pub(super) fn new(lanes: &[Lane]) -> Self {
        let most = lanes.iter().filter_map(|lane| lane.places).max();
        let rows = most.map_or(0, |most| (most as usize + 1).next_power_of_two());
        Ring { starts: vec![LONG_AGO; rows * lanes.len()], rows }
    }

    /// Puts the starts of a vector's requests at `next` and gives those that lie at `last`. What was put is
    /// overwritten unless `next` goes on, so that a refused request may be put as well.
    #[inline(always)]
    pub(super) fn exchange<S: Simd, const V: usize>(
        &mut self,
        v: usize,
        start: S::f64s,
        next: S::f64s,
        last: S::f64s,
    ) -> S::f64s {
        let lanes = V * S::F64_LANES;
        // Rows and lanes are powers of two, so what is left of the place is right whatever the number of the row.
        let end = self.starts.len() - 1;
        let place =
            |row: f64, l: usize| ((row.to_bits() as usize).wrapping_mul(lanes) + v * S::F64_LANES + l) & end;
        let [starts, nexts, lasts] = [start, next, last].map(|vector| {
            let mut column = [0.0; WIDEST];
            S::as_mut_simd_f64s(&mut column[..S::F64_LANES]).0[0] = vector;
            column
        });
        let mut begin = [0.0; WIDEST];
        for l in 0..S::F64_LANES {
            self.starts[place(nexts[l], l)] = starts[l];
            begin[l] = self.starts[place(lasts[l], l)];
        }
        S::as_simd_f64s(&begin[..S::F64_LANES]).0[0]
    }
}

/// Lanes that a vector has at most.
pub(super) const WIDEST: usize = 8;

/// The lanes themselves.
#[derive(Clone, Copy)]
struct Fixed<S: Simd, const V: usize> {
    factor: [S::f64s; V],
    constant: [S::f64s; V],
    reply: [S::f64s; V],
    delay: [S::f64s; V],
    /// How many requests may wait.
    places: [S::f64s; V],
    from: S::f64s,
    until: S::f64s,
}

/// One node in all lanes.
pub(super) struct Node<S: Simd, const V: usize, const C: usize> {
    simd: S,
    state: State<S, V, C>,
    fixed: Fixed<S, V>,
    refusals: Refusals<S, V>,
    ring: Ring,
    observed: Observed,
}

impl<S: Simd, const V: usize, const C: usize> Node<S, V, C> {
    /// Lanes of one node.
    pub(super) const LANES: usize = V * S::F64_LANES;

    /// Idle nodes.
    #[inline(always)]
    pub(super) fn new(simd: S, lanes: &[Lane], observed: Observed) -> Self {
        const { assert!(S::F64_LANES <= WIDEST, "vectors fit their columns") };
        let ring = Ring::new(lanes);
        let column = |value: &dyn Fn(&Lane) -> f64| -> [S::f64s; V] {
            let values: Vec<f64> = lanes.iter().map(value).collect();
            let (vectors, _) = S::as_simd_f64s(&values);
            std::array::from_fn(|v| vectors[v])
        };
        let of_worker = |there: f64, missing: f64| -> [[S::f64s; C]; V] {
            let workers: [[S::f64s; V]; C] = std::array::from_fn(|c| {
                column(&|lane| if c < lane.workers as usize { there } else { missing })
            });
            std::array::from_fn(|v| std::array::from_fn(|c| workers[c][v]))
        };
        let all = |value| [simd.splat_f64s(value); V];
        Node {
            simd,
            state: State {
                free: of_worker(LONG_AGO, NEVER),
                whose: of_worker(NOBODY, NEVER),
                travel: [[simd.splat_f64s(0.0); C]; V],
                down: all(LONG_AGO),
                queue: all(0.0),
                process: all(0.0),
                downlink: all(0.0),
                busy: all(0.0),
                returned: all(0.0),
                shortest: all(f64::INFINITY),
                longest: all(0.0),
            },
            refusals: Refusals::new(simd, &ring),
            fixed: Fixed {
                factor: column(&|lane| lane.factor),
                constant: column(&|lane| lane.constant),
                reply: column(&|lane| lane.reply),
                delay: column(&|lane| lane.delay),
                places: column(&|lane| lane.places.map_or(0.0, f64::from)),
                from: simd.splat_f64s(observed.from),
                until: simd.splat_f64s(observed.until),
            },
            ring,
            observed,
        }
    }

    /// The next node of the same lanes is idle; sums go on.
    #[inline(always)]
    pub(super) fn next_node(&mut self, lanes: &[Lane]) {
        let Node { state, ring, .. } = Self::new(self.simd, lanes, self.observed);
        let State { free, whose, travel, down, .. } = state;
        self.ring = ring;
        self.state = State { free, whose, travel, down, ..self.state };
    }

    /// Serves a chunk. Writes one row of latencies per request or, with a downlink, per departure; returns
    /// whether some may be `UNSEEN`.
    #[inline(always)]
    pub(super) fn chunk<const DOWN: bool, const VARIES: bool>(
        &mut self,
        requests: &Requests<'_>,
        latency: &mut [f64],
    ) -> bool {
        let before = self.state;
        let longest_travel = if VARIES { self.longest_travel(requests) } else { 0.0 };
        let from = self.observed.from;
        let is_seen = requests.emitted.iter().all(|&emitted| emitted >= from)
            && (!DOWN || self.all_at_least_from(&before.whose));
        if is_seen {
            self.serve::<DOWN, VARIES, false, false>(requests, latency);
            if self.is_inside::<DOWN>(longest_travel) {
                let simd = self.simd;
                let all = simd.splat_f64s(requests.arrived.len() as f64);
                for returned in &mut self.state.returned {
                    *returned = simd.add_f64s(*returned, all);
                }
                return false;
            }
            self.state = before;
        }
        self.serve::<DOWN, VARIES, true, false>(requests, latency);
        true
    }

    /// The same for bounded queues; any latency may be `UNSEEN`. Replies travel as [`Requests::delay`] says, zero
    /// or not.
    #[inline(always)]
    pub(super) fn chunk_bounded<const DOWN: bool>(&mut self, requests: &Requests<'_>, latency: &mut [f64]) {
        self.serve::<DOWN, true, true, true>(requests, latency);
    }

    #[inline(always)]
    fn all_at_least_from(&self, whose: &[[S::f64s; C]; V]) -> bool {
        let simd = self.simd;
        let least = whose.iter().flatten().fold(simd.splat_f64s(NEVER), |a, &b| simd.min_f64s(a, b));
        simd.reduce_min_f64s(least) >= self.observed.from
    }

    /// How long a reply travels at most, of those in service and those of a chunk [ns].
    #[inline(always)]
    fn longest_travel(&self, requests: &Requests<'_>) -> f64 {
        let simd = self.simd;
        let longest =
            self.state.travel.iter().flatten().fold(simd.splat_f64s(0.0), |a, &b| simd.max_f64s(a, b));
        requests.delay.iter().fold(simd.reduce_max_f64s(longest), |a, &b| a.max(b))
    }

    /// Whether nothing so far has gone beyond the observed span.
    #[inline(always)]
    fn is_inside<const DOWN: bool>(&self, longest_travel: f64) -> bool {
        let (simd, state) = (self.simd, &self.state);
        let mut latest = simd.splat_f64s(LONG_AGO);
        let missing = simd.splat_f64s(NEVER);
        for v in 0..V {
            let mut done = simd.splat_f64s(LONG_AGO);
            for &free in &state.free[v] {
                let is_there = simd.less_than_f64s(free, missing);
                done = simd.max_f64s(done, simd.select_f64s(is_there, free, done));
            }
            let sent = if DOWN { simd.max_f64s(state.down[v], done) } else { done };
            latest = simd.max_f64s(latest, simd.add_f64s(sent, self.fixed.delay[v]));
            latest = simd.max_f64s(latest, done);
        }
        simd.reduce_max_f64s(latest) + longest_travel < self.observed.until
    }

    #[inline(always)]
    fn serve<const DOWN: bool, const VARIES: bool, const EDGE: bool, const BOUNDED: bool>(
        &mut self,
        requests: &Requests<'_>,
        latency: &mut [f64],
    ) {
        const { assert!(EDGE && VARIES || !BOUNDED, "refused requests are not told apart elsewhere") };
        let (simd, fixed) = (self.simd, self.fixed);
        // A local copy can live in registers.
        let mut s = self.state;
        let mut refusals = self.refusals;
        let n = requests.arrived.len();
        let (arrived, emitted) = (&requests.arrived[..n], &requests.emitted[..n]);
        let (latency, _) = S::as_mut_simd_f64s(latency);
        let travel = if VARIES { &requests.delay[..n] } else { &[] };
        let (work, latency) = (&requests.work[..n], &mut latency[..n * V]);
        let zero = simd.splat_f64s(0.0);
        let one = simd.splat_f64s(1.0);
        let never = simd.splat_f64s(NEVER);
        let whole = simd.splat_f64s(TWO_52);
        for i in 0..n {
            let arrival = simd.splat_f64s(arrived[i]);
            let emission = simd.splat_f64s(emitted[i]);
            let own_travel = if VARIES { simd.splat_f64s(travel[i]) } else { zero };
            let lost = if BOUNDED { Lost::new(simd, requests, i, self.observed) } else { Lost::none(simd) };
            let demand = simd.splat_f64s(work[i]);
            for v in 0..V {
                let product = simd.mul_f64s(demand, fixed.factor[v]);
                let rounded = simd.sub_f64s(simd.add_f64s(product, whole), whole);
                let work = simd.add_f64s(rounded, fixed.constant[v]);
                let left = s.free[v][0];
                let start = simd.max_f64s(left, arrival);
                let done = simd.add_f64s(start, work);
                let wait = simd.sub_f64s(start, arrival);
                let own_travel = if BOUNDED { simd.add_f64s(own_travel, fixed.delay[v]) } else { own_travel };
                let is_accepted = if BOUNDED {
                    let next = refusals.next[v];
                    let last = simd.sub_f64s(next, fixed.places[v]);
                    let begin = self.ring.exchange::<S, V>(v, start, next, last);
                    let is_accepted = simd.less_than_or_equal_f64s(begin, arrival);
                    refusals.next[v] = simd.add_f64s(next, simd.select_f64s(is_accepted, one, zero));
                    refusals.count(simd, v, is_accepted, lost);
                    is_accepted
                } else {
                    simd.equal_f64s(zero, zero)
                };
                let (departed, whose) = if DOWN { (left, s.whose[v][0]) } else { (done, emission) };
                let sent = if DOWN {
                    let sent = simd.add_f64s(simd.max_f64s(s.down[v], left), fixed.reply[v]);
                    s.down[v] = if BOUNDED { simd.select_f64s(is_accepted, sent, s.down[v]) } else { sent };
                    sent
                } else {
                    done
                };
                let received = simd.add_f64s(
                    sent,
                    match (VARIES, DOWN) {
                        (false, _) => fixed.delay[v],
                        (true, false) => own_travel,
                        (true, true) => s.travel[v][0],
                    },
                );
                let mut span = simd.sub_f64s(received, whose);
                let mut back = if DOWN || BOUNDED { simd.sub_f64s(received, departed) } else { zero };
                if EDGE {
                    let is_new = simd.greater_than_or_equal_f64s(emission, fixed.from);
                    let is_new = if BOUNDED { simd.and_m64s(is_new, is_accepted) } else { is_new };
                    s.queue[v] = simd.add_f64s(s.queue[v], simd.select_f64s(is_new, wait, zero));
                    let inside =
                        simd.sub_f64s(simd.min_f64s(done, fixed.until), simd.max_f64s(start, fixed.from));
                    let work = simd.select_f64s(is_new, work, zero);
                    s.process[v] = simd.add_f64s(s.process[v], work);
                    let mut inside = simd.max_f64s(inside, zero);
                    let mut received = received;
                    let mut is_seen = simd.greater_than_or_equal_f64s(whose, fixed.from);
                    if BOUNDED {
                        inside = simd.select_f64s(is_accepted, inside, zero);
                        received = simd.select_f64s(is_accepted, received, never);
                        is_seen = simd.and_m64s(is_seen, is_accepted);
                    }
                    let busy = simd.sub_f64s(inside, work);
                    s.busy[v] = simd.add_f64s(s.busy[v], busy);
                    s.count_returned(simd, &fixed, v, received);
                    let (seen_span, seen_back) = s.see(simd, v, is_seen, span, back);
                    (span, back) = (seen_span, seen_back);
                } else {
                    s.queue[v] = simd.add_f64s(s.queue[v], wait);
                    s.process[v] = simd.add_f64s(s.process[v], work);
                    s.shortest[v] = simd.min_f64s(s.shortest[v], span);
                    s.longest[v] = simd.max_f64s(s.longest[v], span);
                }
                if DOWN || BOUNDED {
                    s.downlink[v] = simd.add_f64s(s.downlink[v], back);
                }
                latency[i * V + v] = span;

                // Insertion into the sorted instants. Equal ones stay in order of arrival, because all
                // comparisons are with the new one.
                let (free, carried, travel) = (&mut s.free[v], &mut s.whose[v], &mut s.travel[v]);
                for j in 0..C {
                    let before = (free[j], carried[j], travel[j]);
                    // Place 0 was taken, so what is before the new instant moves down by one.
                    let stays = if j == 0 { done } else { simd.max_f64s(free[j], done) };
                    let (mut owner, mut way) = (emission, own_travel);
                    if DOWN && j > 0 {
                        let is_before = simd.less_than_or_equal_f64s(free[j], done);
                        owner = simd.select_f64s(is_before, emission, carried[j]);
                        if VARIES {
                            way = simd.select_f64s(is_before, own_travel, travel[j]);
                        }
                    }
                    if DOWN && j + 1 < C {
                        let is_before = simd.less_than_or_equal_f64s(free[j + 1], done);
                        owner = simd.select_f64s(is_before, carried[j + 1], owner);
                        if VARIES {
                            way = simd.select_f64s(is_before, travel[j + 1], way);
                        }
                    }
                    if DOWN {
                        carried[j] = owner;
                        if VARIES {
                            travel[j] = way;
                        }
                    }
                    if j + 1 == C {
                        free[j] = stays;
                    } else {
                        free[j] = simd.min_f64s(free[j + 1], stays);
                    }
                    if BOUNDED {
                        free[j] = simd.select_f64s(is_accepted, free[j], before.0);
                        if DOWN {
                            carried[j] = simd.select_f64s(is_accepted, carried[j], before.1);
                            travel[j] = simd.select_f64s(is_accepted, travel[j], before.2);
                        }
                    }
                }
            }
        }
        self.state = s;
        if BOUNDED {
            self.refusals = refusals;
        }
    }

    /// The requests in service depart. Writes `C` rows of latencies, `UNSEEN` among them.
    #[inline(always)]
    pub(super) fn flush<const VARIES: bool>(&mut self, latency: &mut [f64]) {
        let (simd, fixed) = (self.simd, self.fixed);
        let (latency, _) = S::as_mut_simd_f64s(latency);
        let missing = simd.splat_f64s(NEVER);
        let s = &mut self.state;
        for c in 0..C {
            for v in 0..V {
                let (left, whose) = (s.free[v][c], s.whose[v][c]);
                let is_there = simd.less_than_f64s(left, missing);
                s.down[v] = simd.add_f64s(simd.max_f64s(s.down[v], left), fixed.reply[v]);
                let travel = if VARIES { s.travel[v][c] } else { fixed.delay[v] };
                let received = simd.add_f64s(s.down[v], travel);
                s.count_returned(simd, &fixed, v, received);
                let is_seen = simd.and_m64s(is_there, simd.greater_than_or_equal_f64s(whose, fixed.from));
                let (span, back) = (simd.sub_f64s(received, whose), simd.sub_f64s(received, left));
                let (span, back) = s.see(simd, v, is_seen, span, back);
                s.downlink[v] = simd.add_f64s(s.downlink[v], back);
                latency[c * V + v] = span;
            }
        }
    }

    /// The sums of each lane.
    pub(super) fn sums(&self) -> Vec<Sums> {
        let s = &self.state;
        let mut sums = vec![Sums::default(); Self::LANES];
        let mut column = |values, place| tell::<S, V>(values, &mut sums, place);
        column(&s.queue, |sums| &mut sums.queue);
        column(&s.process, |sums| &mut sums.process);
        column(&s.downlink, |sums| &mut sums.downlink);
        column(&s.busy, |sums| &mut sums.busy);
        column(&s.returned, |sums| &mut sums.returned);
        column(&s.shortest, |sums| &mut sums.shortest);
        column(&s.longest, |sums| &mut sums.longest);
        self.refusals.tell(&mut sums);
        sums
    }
}

/// Writes one number of each lane.
pub(super) fn tell<S: Simd, const V: usize>(
    values: &[S::f64s; V],
    sums: &mut [Sums],
    place: fn(&mut Sums) -> &mut f64,
) {
    for (vector, sums) in values.iter().zip(sums.chunks_mut(S::F64_LANES)) {
        let mut lanes = [0.0; WIDEST];
        S::as_mut_simd_f64s(&mut lanes[..S::F64_LANES]).0[0] = *vector;
        for (value, sums) in lanes.into_iter().zip(sums) {
            *place(sums) = value;
        }
    }
}

/// What a refused request adds to [`Refusals`], the same for all lanes.
#[derive(Clone, Copy)]
pub(super) struct Lost<S: Simd> {
    dropped: S::f64s,
    refused: S::f64s,
    preparation: S::f64s,
    way: S::f64s,
}

impl<S: Simd> Lost<S> {
    /// What request `i` of a chunk adds.
    #[inline(always)]
    pub(super) fn new(simd: S, requests: &Requests<'_>, i: usize, observed: Observed) -> Self {
        let (arrived, emitted) = (requests.arrived[i], requests.emitted[i]);
        let is_in = arrived >= observed.from && arrived < observed.until;
        let observed = |x: f64| simd.splat_f64s(if emitted >= observed.from { x } else { 0.0 });
        Lost {
            dropped: observed(1.0),
            refused: simd.splat_f64s(f64::from(u8::from(is_in))),
            preparation: observed(requests.preparation[i]),
            way: observed(arrived - emitted),
        }
    }

    /// Nothing.
    #[inline(always)]
    pub(super) fn none(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Lost { dropped: zero, refused: zero, preparation: zero, way: zero }
    }
}

impl<S: Simd, const V: usize> Refusals<S, V> {
    /// Nothing was refused.
    #[inline(always)]
    pub(super) fn new(simd: S, ring: &Ring) -> Self {
        let all = |value| [simd.splat_f64s(value); V];
        Refusals {
            // Any multiple of the rows will do; the first one would leave no room for what is before.
            next: all(TWO_52 + ring.rows as f64),
            dropped: all(0.0),
            refused: all(0.0),
            preparation: all(0.0),
            way: all(0.0),
        }
    }

    /// Writes the counts of each lane.
    pub(super) fn tell(&self, sums: &mut [Sums]) {
        tell::<S, V>(&self.dropped, sums, |sums| &mut sums.dropped);
        tell::<S, V>(&self.refused, sums, |sums| &mut sums.refused);
        tell::<S, V>(&self.preparation, sums, |sums| &mut sums.lost_preparation);
        tell::<S, V>(&self.way, sums, |sums| &mut sums.lost_way);
    }

    /// Adds what is lost where the request is not accepted.
    #[inline(always)]
    pub(super) fn count(&mut self, simd: S, v: usize, is_accepted: S::m64s, lost: Lost<S>) {
        let zero = simd.splat_f64s(0.0);
        let add = |sum: &mut S::f64s, x| *sum = simd.add_f64s(*sum, simd.select_f64s(is_accepted, zero, x));
        add(&mut self.dropped[v], lost.dropped);
        add(&mut self.refused[v], lost.refused);
        add(&mut self.preparation[v], lost.preparation);
        add(&mut self.way[v], lost.way);
    }
}

impl<S: Simd, const V: usize, const C: usize> State<S, V, C> {
    #[inline(always)]
    fn count_returned(&mut self, simd: S, fixed: &Fixed<S, V>, v: usize, received: S::f64s) {
        let is_in = simd.and_m64s(
            simd.greater_than_or_equal_f64s(received, fixed.from),
            simd.less_than_f64s(received, fixed.until),
        );
        let one = simd.select_f64s(is_in, simd.splat_f64s(1.0), simd.splat_f64s(0.0));
        self.returned[v] = simd.add_f64s(self.returned[v], one);
    }

    /// Notes extremes; latency and way back of those that are not observed become `UNSEEN` and nothing.
    #[inline(always)]
    fn see(
        &mut self,
        simd: S,
        v: usize,
        is_seen: S::m64s,
        span: S::f64s,
        back: S::f64s,
    ) -> (S::f64s, S::f64s) {
        let low = simd.select_f64s(is_seen, span, self.shortest[v]);
        self.shortest[v] = simd.min_f64s(self.shortest[v], low);
        let span = simd.select_f64s(is_seen, span, simd.splat_f64s(UNSEEN));
        self.longest[v] = simd.max_f64s(self.longest[v], span);
        (span, simd.select_f64s(is_seen, back, simd.splat_f64s(0.0)))
    }
}
