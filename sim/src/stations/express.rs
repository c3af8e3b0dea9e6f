//! The plain case without detours: open queues in order of arrival all the way, constant delays, a core for
//! every worker, no quota at the endpoints, every endpoint with its own node, nobody who watches.
//!
//! The same recursions as in [`super`], arranged for speed: columns instead of records, every part recorded
//! when it is known, transmission times drawn as vectors. What a request carries on lies in a ring by its
//! number. Results are equal to the general path's and to the event engine's.

use offing_core::{Scope, Sharing};
use offing_models::Transmission;

use super::{
    Backlog, Batch, Busy, Endpoints, Hop, NEVER, Network, Pending, SORTED, Variate, insert,
    owned_by_endpoint, sort, window,
};
use crate::recorder::{BULK, Recorder, Tally, Use};

/// No request.
const NOBODY: u64 = u64::MAX;

/// Requests that may be under way at once; the general path takes over beyond.
const MOST: usize = 1 << 24;

/// Work below this many ns may be summed up for a whole window in a word.
const SHORT: u64 = 1 << 39;

/// Whether a deployment is plain.
pub(super) fn applies(n: &Network) -> bool {
    // Sizes and times stay in the range in which floats hold whole numbers.
    const RANGE: f64 = 2_251_799_813_685_248.0;
    let is_plain = |hop: &Hop, bytes: &Variate| {
        let fits = match hop.transmission {
            Transmission::Unlimited => true,
            Transmission::Constant { ns_per_byte } => bytes.maximum() as f64 * ns_per_byte.max(1.0) < RANGE,
            Transmission::Trace(_) => false,
        };
        fits && hop.sharing == Sharing::Fifo && hop.delay.is_constant().is_some()
    };
    n.offloaded
        && n.is_static()
        && n.node.is_plain()
        && n.node.limit.is_none()
        && (n.prepare.is_zero() || n.endpoint_quota.is_none())
        && n.up.as_ref().is_none_or(|hop| is_plain(hop, &n.up_bytes) && owned_by_endpoint(n, hop))
        && n.down.as_ref().is_none_or(|hop| is_plain(hop, &n.reply_bytes) && hop.scope != Scope::Tier)
}

/// A request on its way into a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    time: u64,
    /// Number of the request in the run.
    id: u64,
}

/// What a request under way carries: half a cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Carried {
    emitted: u64,
    work: u64,
    /// Transmission time of the reply [ns].
    reply: u64,
    endpoint: u32,
}

/// Requests under way, by number modulo the length, which is a power of two.
#[derive(Default)]
struct Ring(Vec<Carried>);

impl Ring {
    /// Makes room for the numbers `oldest..end`.
    fn grow(&mut self, oldest: u64, first_new: u64, end: u64) {
        let needed = (end - oldest) as usize;
        if needed <= self.0.len() {
            return;
        }
        // Twice what is needed, so that it is long before the next time.
        let old = std::mem::replace(&mut self.0, vec![Carried::default(); 2 * needed.next_power_of_two()]);
        for id in oldest..first_new {
            let to = place(&self.0, id);
            self.0[to] = old[place(&old, id)];
        }
    }
}

/// Where a ring keeps a request.
#[inline(always)]
fn place(ring: &[Carried], id: u64) -> usize {
    id as usize & ring.len().wrapping_sub(1)
}

/// The workers of a node.
#[expect(clippy::large_enum_variant, reason = "a node has one, and the large one is the frequent one")]
enum Workers {
    /// When they are free, ascending, and whom they serve.
    Sorted { free: [u64; SORTED as usize], serving: [u64; SORTED as usize] },
    /// More than that: the busy ones.
    Many(Busy<u64>),
}

struct Node {
    workers: Workers,
    arrivals: Pending<Arrival>,
}

/// Spans that wait to be recorded, and scratch space.
#[derive(Default)]
struct Columns {
    prepare: Vec<u64>,
    uplink: Vec<u64>,
    queue: Vec<u64>,
    process: Vec<u64>,
    downlink: Vec<u64>,
    latency: Vec<u64>,
    emitted: Vec<u64>,
    indices: Vec<u32>,
    counts: Vec<u32>,
    sorted: Vec<Arrival>,
    departures: Vec<Arrival>,
}

/// The observed span, as the inner loops need it.
#[derive(Clone, Copy)]
struct Observed {
    from: u64,
    until: u64,
    /// Number of the first observed request.
    first: u64,
}

/// Columns that the inner loops write by place. They are long enough; a value is written in any case and kept
/// only if it is observed, so that there is no branch to mispredict.
struct Begun<'c> {
    queue: &'c mut [u64],
    process: &'c mut [u64],
    length: usize,
    /// CPU time within the observed span.
    busy: u64,
}

impl Begun<'_> {
    #[inline(always)]
    fn note(&mut self, observed: Observed, arrival: &Arrival, start: u64, work: u64, partly: &mut Partly) {
        self.queue[self.length] = start - arrival.time;
        self.process[self.length] = work;
        self.length += usize::from(arrival.id >= observed.first);
        if observed.from <= start && start + work <= observed.until && work < SHORT {
            self.busy += work;
        } else {
            partly.0.push((work, start));
        }
    }
}

/// Services that are not wholly within the observed span: work and start.
#[derive(Default)]
struct Partly(Vec<(u64, u64)>);

struct Express<'n> {
    network: &'n Network,
    endpoints: Endpoints,
    nodes: Vec<Node>,
    ring: Ring,
    /// No request before this one is under way; found anew when the ring is full.
    oldest: u64,
    /// Number of the next request, and of the first observed one.
    next: u64,
    first_observed: u64,
    /// When each downlink station is free.
    downlink_free: Vec<u64>,
    batch: Batch,
    columns: Columns,
    recorder: Recorder<'static>,
    overflowed: bool,
}

/// The work of one window.
struct Window<'s, 'n> {
    express: &'s mut Express<'n>,
    end: u64,
}

impl pulp::WithSimd for Window<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.express.window(self.end);
    }
}

/// Simulates a run; nothing if it is too large for this path.
pub(super) fn run(network: &Network, mean_rate_hz: f64) -> Option<Tally> {
    let mut express = Express::new(network);
    let window = window(network, mean_rate_hz);
    let arch = pulp::Arch::new();
    let mut end = 0u64;
    while end < network.until {
        let next = end.saturating_add(window).min(network.until);
        // A window is observed as a whole or not at all.
        end = if end < network.from { next.min(network.from) } else { next };
        arch.dispatch(Window { express: &mut express, end });
        if express.overflowed {
            return None;
        }
    }
    let tally = express.recorder.finish();
    (tally.recording.latency().max() < BULK).then_some(tally)
}

/// Transmission times of messages given by their sizes, in place.
#[inline(always)]
fn transmit(hop: Option<&Hop>, sizes: &mut [u64]) {
    const MAGIC: u64 = 0x4330_0000_0000_0000; // the bits of 2^52
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    match hop.map(|hop| &hop.transmission) {
        Some(Transmission::Constant { ns_per_byte }) => {
            // Exact conversions between whole numbers below 2^51 and floats, which vector units lack.
            for size in sizes.iter_mut() {
                let bytes = f64::from_bits(*size | MAGIC) - TWO_52;
                *size = (bytes * ns_per_byte + TWO_52).to_bits() - MAGIC;
            }
        }
        _ => sizes.fill(0),
    }
}

impl<'n> Express<'n> {
    fn new(network: &'n Network) -> Self {
        let workers = network.node.workers;
        let node = || Node {
            workers: if workers <= SORTED {
                let mut free = [NEVER; SORTED as usize];
                free[..workers as usize].fill(0);
                Workers::Sorted { free, serving: [NOBODY; SORTED as usize] }
            } else {
                Workers::Many(Busy::default())
            },
            arrivals: Pending::default(),
        };
        let stations = network.down.as_ref().map_or(0, |hop| network.down_stations(hop.scope));
        Express {
            network,
            endpoints: Endpoints::new(network, network.up.is_some()),
            nodes: (0..network.nodes).map(|_| node()).collect(),
            ring: Ring::default(),
            oldest: 0,
            next: 0,
            first_observed: NOBODY,
            downlink_free: vec![0; stations],
            batch: Batch::default(),
            columns: Columns::default(),
            recorder: Recorder::new(network, None),
            overflowed: false,
        }
    }

    #[inline(always)]
    fn window(&mut self, end: u64) {
        let network = self.network;
        let is_last = end == network.until;
        self.endpoints.emit(network, end, &mut self.batch);
        self.batch.draw(network);
        transmit(network.up.as_ref(), &mut self.batch.up);
        transmit(network.down.as_ref(), &mut self.batch.reply);

        let n = self.batch.emitted.len();
        let end_number = self.next + n as u64;
        if (end_number - self.oldest) as usize > self.ring.0.len() {
            self.oldest = self.oldest_under_way();
            self.ring.grow(self.oldest, self.next, end_number);
        }
        if self.ring.0.len() > MOST {
            self.overflowed = true;
            return;
        }
        let is_observed = end > network.from;
        if is_observed && self.first_observed == NOBODY {
            self.first_observed = self.next;
        }

        self.send(is_observed);
        let delay = network.up.as_ref().map_or(0, |hop| hop.delay.minimum());
        let horizon = if is_last { NEVER } else { end + delay };
        for node in 0..self.nodes.len() {
            self.sort(node, horizon);
            let sorted = std::mem::take(&mut self.columns.sorted);
            self.serve(node, &sorted, horizon);
            self.columns.sorted = sorted;
        }
        self.record(is_observed, n);
    }

    /// Number of the oldest request that has not left its node.
    fn oldest_under_way(&self) -> u64 {
        let serving = |workers: &Workers| match workers {
            Workers::Sorted { serving, .. } => serving.iter().copied().min(),
            Workers::Many(busy) => busy.heap.iter().map(|entry| entry.0.2).min(),
        };
        let of_node = |node: &Node| {
            let arrivals = node.arrivals.later.iter().map(|a| a.0.id).chain(serving(&node.workers));
            arrivals.min().unwrap_or(NOBODY)
        };
        self.nodes.iter().map(of_node).fold(self.next, u64::min)
    }

    /// Preparation and uplink: Lindley's recursion for both, endpoint by endpoint.
    #[inline(always)]
    fn send(&mut self, is_observed: bool) {
        let network = self.network;
        let delay = network.up.as_ref().map_or(0, |hop| hop.delay.minimum());
        let Batch { endpoint, emitted, prepare, up, work, reply, .. } = &self.batch;
        let n = emitted.len();
        let (endpoint, emitted, prepare, up, work, reply) =
            (&endpoint[..n], &emitted[..n], &prepare[..n], &up[..n], &work[..n], &reply[..n]);
        let columns = &mut self.columns;
        columns.prepare.resize(n, 0);
        columns.uplink.resize(n, 0);
        let (prepares, uplinks) = (&mut columns.prepare[..n], &mut columns.uplink[..n]);
        let ring = &mut self.ring.0[..];
        let (from, until, first_id) = (self.recorder.from, self.recorder.until, self.next);
        let has_prepare = !self.endpoints.prepare.is_empty();
        let has_uplink = !self.endpoints.uplink.is_empty();
        let (mut start, mut busy) = (0, 0);
        while start < n {
            let e = endpoint[start] as usize;
            let run =
                start..start + endpoint[start..].iter().take_while(|&&other| other as usize == e).count();
            let next = self.endpoints.next[e];
            let first = emitted[start];
            let mut prepare_free = if has_prepare { first + self.endpoints.prepare[e].get() } else { 0 };
            let mut uplink_free = if has_uplink { first + self.endpoints.uplink[e].get() } else { 0 };
            let node = network.route(e as u32, 0).expect("this path routes in advance");
            let arrivals = &mut self.nodes[node as usize].arrivals.new;
            arrivals.reserve(run.len());
            for i in run.clone() {
                let prepared = prepare_free.max(emitted[i]) + prepare[i];
                let sent = uplink_free.max(prepared) + up[i];
                (prepare_free, uplink_free) = (prepared, sent);
                prepares[i] = prepared - emitted[i];
                uplinks[i] = sent + delay - prepared;
                let id = first_id + i as u64;
                arrivals.push(Arrival { time: sent + delay, id });
                let to = place(ring, id);
                ring[to] =
                    Carried { emitted: emitted[i], work: work[i], reply: reply[i], endpoint: endpoint[i] };
                if from <= prepared - prepare[i] && prepared <= until && prepare[i] < SHORT {
                    busy += prepare[i];
                } else {
                    self.recorder.busy(Use::Prepare, prepare[i], prepared - prepare[i], prepared);
                }
            }
            for (backlog, free) in
                [(&mut self.endpoints.prepare, prepare_free), (&mut self.endpoints.uplink, uplink_free)]
            {
                if let Some(backlog) = backlog.get_mut(e) {
                    match Backlog::new(free.saturating_sub(next)) {
                        Some(fits) => *backlog = fits,
                        None => self.overflowed = true,
                    }
                }
            }
            start = run.end;
        }
        self.recorder.add_busy(Use::Prepare, busy);
        self.next += n as u64;
        self.recorder.counts.offered += if is_observed { n as u64 } else { 0 };
    }

    /// Brings a node's arrivals before `horizon` into order. Ties are ordered by endpoint, then by number.
    #[inline(always)]
    fn sort(&mut self, node: usize, horizon: u64) {
        let Columns { counts, sorted, .. } = &mut self.columns;
        let (arrivals, ring) = (&mut self.nodes[node].arrivals, &self.ring.0);
        arrivals.split(horizon, |arrival| arrival.time);
        let order = |a: &Arrival| (a.time, ring[place(ring, a.id)].endpoint, a.id);
        sort(&arrivals.new, sorted, counts, |arrival| arrival.time, order);
        arrivals.new.clear();
    }

    /// A node serves what `sorted` holds, and its departures take the downlink home.
    fn serve(&mut self, node: usize, sorted: &[Arrival], horizon: u64) {
        let observed =
            Observed { from: self.recorder.from, until: self.recorder.until, first: self.first_observed };
        let Columns { queue, process, departures, .. } = &mut self.columns;
        let length = queue.len();
        queue.resize(length + sorted.len(), 0);
        process.resize(length + sorted.len(), 0);
        departures.clear();
        let mut begun = Begun { queue, process, length, busy: 0 };
        let mut partly = Partly::default();
        let ring = &self.ring.0;
        match &mut self.nodes[node].workers {
            Workers::Sorted { free, serving } => {
                let serve = match self.network.node.workers {
                    1 => serve_sorted::<1>,
                    2 => serve_sorted::<2>,
                    3 => serve_sorted::<3>,
                    4 => serve_sorted::<4>,
                    5..=8 => serve_sorted::<8>,
                    _ => serve_sorted::<{ SORTED as usize }>,
                };
                serve(free, serving, sorted, ring, observed, &mut begun, departures, &mut partly);
                for (who, &left) in serving.iter_mut().zip(&*free) {
                    if *who != NOBODY && left < horizon {
                        departures.push(Arrival { time: left, id: *who });
                        *who = NOBODY;
                    }
                }
            }
            Workers::Many(busy) => {
                let workers = self.network.node.workers as usize;
                serve_many(busy, workers, sorted, ring, observed, &mut begun, departures, &mut partly);
                busy.leave_until(|done| done < horizon, |time, id| departures.push(Arrival { time, id }));
            }
        }
        let Begun { length, busy, .. } = begun;
        queue.truncate(length);
        process.truncate(length);
        self.recorder.add_busy(Use::Process, busy);
        for (work, start) in partly.0 {
            self.recorder.busy(Use::Process, work, start, start + work);
        }
        self.depart(node, observed);
    }

    /// The departures of a node are in order: they take the downlink and are home.
    fn depart(&mut self, node: usize, observed: Observed) {
        let network = self.network;
        let (delay, scope) =
            network.down.as_ref().map_or((0, Scope::Node), |hop| (hop.delay.minimum(), hop.scope));
        let Columns { downlink, latency, emitted, departures, .. } = &mut self.columns;
        let length = latency.len();
        for column in [&mut *downlink, &mut *latency, &mut *emitted] {
            column.resize(length + departures.len(), 0);
        }
        let ring = &self.ring.0;
        let home = Home { downlink, latency, emitted };
        let free = &mut self.downlink_free[..];
        let (length, returned) = if free.is_empty() {
            depart(departures, ring, observed, delay, home, length, |departure, _| departure.time)
        } else if scope == Scope::Node {
            let free = &mut free[node];
            depart(departures, ring, observed, delay, home, length, |departure, carried| {
                *free = departure.time.max(*free) + carried.reply;
                *free
            })
        } else {
            depart(departures, ring, observed, delay, home, length, |departure, carried| {
                let free = &mut free[carried.endpoint as usize];
                *free = departure.time.max(*free) + carried.reply;
                *free
            })
        };
        for column in [downlink, latency, emitted] {
            column.truncate(length);
        }
        self.recorder.counts.returned += returned;
    }

    /// Records what the window has brought.
    #[inline(always)]
    fn record(&mut self, is_observed: bool, n: usize) {
        let Columns { prepare, uplink, queue, process, downlink, latency, emitted, indices, .. } =
            &mut self.columns;
        let recording = &mut self.recorder.recording;
        if is_observed {
            recording.record_part(0, &prepare[..n], indices);
            recording.record_part(1, &uplink[..n], indices);
        }
        for (part, column) in [(2, queue), (3, process), (4, downlink)] {
            recording.record_part(part, column, indices);
            column.clear();
        }
        recording.record_latency(emitted, latency, indices);
        self.recorder.counts.completed += latency.len() as u64;
        let deadline = self.recorder.deadline;
        self.recorder.counts.late += latency.iter().map(|&x| u64::from(x > deadline)).sum::<u64>();
        latency.clear();
        emitted.clear();
    }
}

// The inner loops are functions of their own, so that their few variables stay in registers.

/// Up to `C` workers: Kiefer and Wolfowitz's recursion. The sorted instants at which they become free are the
/// state; those that the node lacks are never free.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "an inner loop over plain slices")]
fn serve_sorted<const C: usize>(
    all_free: &mut [u64; SORTED as usize],
    all_serving: &mut [u64; SORTED as usize],
    sorted: &[Arrival],
    ring: &[Carried],
    observed: Observed,
    begun: &mut Begun<'_>,
    departures: &mut Vec<Arrival>,
    partly: &mut Partly,
) {
    let (mut free, mut serving) = ([NEVER; C], [NOBODY; C]);
    free.copy_from_slice(&all_free[..C]);
    serving.copy_from_slice(&all_serving[..C]);
    departures.resize(sorted.len(), Arrival::default());
    let (mut gone, gone_to) = (0, &mut departures[..]);
    for arrival in sorted {
        let (left, who) = (free[0], serving[0]);
        gone_to[gone] = Arrival { time: left, id: who };
        gone += usize::from(who != NOBODY);
        let start = left.max(arrival.time);
        let work = ring[place(ring, arrival.id)].work;
        let done = start + work;
        begun.note(observed, arrival, start, work, partly);
        insert(&mut free, &mut serving, done, arrival.id);
    }
    departures.truncate(gone);
    all_free[..C].copy_from_slice(&free);
    all_serving[..C].copy_from_slice(&serving);
}

/// Any number of workers: the heap holds those that are busy.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "an inner loop over plain slices")]
fn serve_many(
    busy: &mut Busy<u64>,
    workers: usize,
    sorted: &[Arrival],
    ring: &[Carried],
    observed: Observed,
    begun: &mut Begun<'_>,
    departures: &mut Vec<Arrival>,
    partly: &mut Partly,
) {
    for arrival in sorted {
        busy.leave_until(|done| done <= arrival.time, |time, id| departures.push(Arrival { time, id }));
        let start = match busy.first_done().filter(|_| busy.heap.len() == workers) {
            Some(done) => {
                let (time, id) = busy.leave();
                departures.push(Arrival { time, id });
                done
            }
            None => arrival.time,
        };
        let work = ring[place(ring, arrival.id)].work;
        begun.note(observed, arrival, start, work, partly);
        busy.enter(start + work, arrival.id);
    }
}

/// Columns of what has come home, long enough.
struct Home<'c> {
    downlink: &'c mut [u64],
    latency: &'c mut [u64],
    emitted: &'c mut [u64],
}

/// Departures in order; `send` says when each has left its transmitter. Returns the new length of the columns,
/// and how many came home within the observed span.
#[inline(always)]
fn depart(
    departures: &[Arrival],
    ring: &[Carried],
    observed: Observed,
    delay: u64,
    home: Home<'_>,
    mut length: usize,
    mut send: impl FnMut(&Arrival, &Carried) -> u64,
) -> (usize, u64) {
    let Home { downlink, latency, emitted } = home;
    let n = length + departures.len();
    let (downlink, latency, emitted) = (&mut downlink[..n], &mut latency[..n], &mut emitted[..n]);
    let mut returned = 0;
    for departure in departures {
        let carried = &ring[place(ring, departure.id)];
        let received = send(departure, carried) + delay;
        downlink[length] = received - departure.time;
        latency[length] = received - carried.emitted;
        emitted[length] = carried.emitted;
        length += usize::from(departure.id >= observed.first);
        returned += u64::from(observed.from <= received && received < observed.until);
    }
    (length, returned)
}
