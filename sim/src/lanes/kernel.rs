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
//! What lies at the ends of the observed span needs more care than most requests: a second version of the same
//! loop (`EDGE`) tells observed requests from others and cuts CPU time at the ends. It runs where the first
//! could be wrong.

use pulp::Simd;

/// Requests that are worked off together. What they leave behind stays in the nearest cache.
pub(super) const CHUNK: usize = 128;

/// When a worker that a lane does not have is free.
const NEVER: f64 = 1e300;
/// When a worker was last busy before the run.
const LONG_AGO: f64 = -4_503_599_627_370_496.0; // -2^52
/// Emission of a request that there is not.
const NOBODY: f64 = -1.0;
/// A sum with it has no room for a fraction.
const TWO_52: f64 = 4_503_599_627_370_496.0;
/// Latency of a request that is not observed.
pub(super) const UNSEEN: f64 = -1.0;

/// The requests of a chunk, the same for all lanes.
pub(super) struct Requests<'r> {
    pub arrived: &'r [f64],
    pub emitted: &'r [f64],
    /// Work at speed 1 [ns].
    pub work: &'r [f64],
    /// How long the reply travels [ns]; empty where that is the same for all, which [`Lane::delay`] says.
    pub delay: &'r [f64],
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

/// The lanes themselves.
#[derive(Clone, Copy)]
struct Fixed<S: Simd, const V: usize> {
    factor: [S::f64s; V],
    constant: [S::f64s; V],
    reply: [S::f64s; V],
    delay: [S::f64s; V],
    from: S::f64s,
    until: S::f64s,
}

/// One node in all lanes.
pub(super) struct Node<S: Simd, const V: usize, const C: usize> {
    simd: S,
    state: State<S, V, C>,
    fixed: Fixed<S, V>,
    observed: Observed,
}

impl<S: Simd, const V: usize, const C: usize> Node<S, V, C> {
    /// Lanes of one node.
    pub(super) const LANES: usize = V * S::F64_LANES;

    /// Idle nodes.
    #[inline(always)]
    pub(super) fn new(simd: S, lanes: &[Lane], observed: Observed) -> Self {
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
            fixed: Fixed {
                factor: column(&|lane| lane.factor),
                constant: column(&|lane| lane.constant),
                reply: column(&|lane| lane.reply),
                delay: column(&|lane| lane.delay),
                from: simd.splat_f64s(observed.from),
                until: simd.splat_f64s(observed.until),
            },
            observed,
        }
    }

    /// The next node of the same lanes is idle; sums go on.
    #[inline(always)]
    pub(super) fn next_node(&mut self, lanes: &[Lane]) {
        let idle = Self::new(self.simd, lanes, self.observed).state;
        let State { free, whose, travel, down, .. } = idle;
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
            self.serve::<DOWN, VARIES, false>(requests, latency);
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
        self.serve::<DOWN, VARIES, true>(requests, latency);
        true
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
    fn serve<const DOWN: bool, const VARIES: bool, const EDGE: bool>(
        &mut self,
        requests: &Requests<'_>,
        latency: &mut [f64],
    ) {
        let (simd, fixed) = (self.simd, self.fixed);
        // A local copy can live in registers.
        let mut s = self.state;
        let n = requests.arrived.len();
        let (arrived, emitted) = (&requests.arrived[..n], &requests.emitted[..n]);
        let (latency, _) = S::as_mut_simd_f64s(latency);
        let travel = if VARIES { &requests.delay[..n] } else { &[] };
        let (work, latency) = (&requests.work[..n], &mut latency[..n * V]);
        let zero = simd.splat_f64s(0.0);
        let whole = simd.splat_f64s(TWO_52);
        for i in 0..n {
            let arrival = simd.splat_f64s(arrived[i]);
            let emission = simd.splat_f64s(emitted[i]);
            let own_travel = if VARIES { simd.splat_f64s(travel[i]) } else { zero };
            let demand = simd.splat_f64s(work[i]);
            for v in 0..V {
                let product = simd.mul_f64s(demand, fixed.factor[v]);
                let rounded = simd.sub_f64s(simd.add_f64s(product, whole), whole);
                let work = simd.add_f64s(rounded, fixed.constant[v]);
                let left = s.free[v][0];
                let start = simd.max_f64s(left, arrival);
                let done = simd.add_f64s(start, work);
                let wait = simd.sub_f64s(start, arrival);
                let (departed, whose) = if DOWN { (left, s.whose[v][0]) } else { (done, emission) };
                let sent = if DOWN {
                    s.down[v] = simd.add_f64s(simd.max_f64s(s.down[v], left), fixed.reply[v]);
                    s.down[v]
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
                let mut back = if DOWN { simd.sub_f64s(received, departed) } else { zero };
                if EDGE {
                    let is_new = simd.greater_than_or_equal_f64s(emission, fixed.from);
                    s.queue[v] = simd.add_f64s(s.queue[v], simd.select_f64s(is_new, wait, zero));
                    let inside =
                        simd.sub_f64s(simd.min_f64s(done, fixed.until), simd.max_f64s(start, fixed.from));
                    let work = simd.select_f64s(is_new, work, zero);
                    s.process[v] = simd.add_f64s(s.process[v], work);
                    let busy = simd.sub_f64s(simd.max_f64s(inside, zero), work);
                    s.busy[v] = simd.add_f64s(s.busy[v], busy);
                    s.count_returned(simd, &fixed, v, received);
                    let is_seen = simd.greater_than_or_equal_f64s(whose, fixed.from);
                    let (seen_span, seen_back) = s.see(simd, v, is_seen, span, back);
                    (span, back) = (seen_span, seen_back);
                } else {
                    s.queue[v] = simd.add_f64s(s.queue[v], wait);
                    s.process[v] = simd.add_f64s(s.process[v], work);
                    s.shortest[v] = simd.min_f64s(s.shortest[v], span);
                    s.longest[v] = simd.max_f64s(s.longest[v], span);
                }
                if DOWN {
                    s.downlink[v] = simd.add_f64s(s.downlink[v], back);
                }
                latency[i * V + v] = span;

                // Insertion into the sorted instants. Equal ones stay in order of arrival, because all
                // comparisons are with the new one.
                let (free, carried, travel) = (&mut s.free[v], &mut s.whose[v], &mut s.travel[v]);
                for j in 0..C {
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
                }
            }
        }
        self.state = s;
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
        let simd = self.simd;
        let mut sums = vec![Sums::default(); Self::LANES];
        let mut column = |values: &[S::f64s; V], place: fn(&mut Sums) -> &mut f64| {
            for (v, vector) in values.iter().enumerate() {
                let mut lanes = vec![0.0; S::F64_LANES];
                S::as_mut_simd_f64s(&mut lanes).0[0] = simd.add_f64s(*vector, simd.splat_f64s(0.0));
                for (l, value) in lanes.into_iter().enumerate() {
                    *place(&mut sums[v * S::F64_LANES + l]) = value;
                }
            }
        };
        column(&s.queue, |sums| &mut sums.queue);
        column(&s.process, |sums| &mut sums.process);
        column(&s.downlink, |sums| &mut sums.downlink);
        column(&s.busy, |sums| &mut sums.busy);
        column(&s.returned, |sums| &mut sums.returned);
        column(&s.shortest, |sums| &mut sums.shortest);
        column(&s.longest, |sums| &mut sums.longest);
        sums
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
