//! The plain case without detours: open queues in order of arrival all the way, constant delays, a core for
//! every worker, no quota at the endpoints, every endpoint with its own node, nobody who watches.
//!
//! The same recursions as in [`super`], arranged for speed. Whatever follows from one request to the next is a
//! loop of its own over plain columns with nothing else in it; all the rest is done column by column, as vectors.
//! Results are equal to the general path's and to the event engine's.
//!
//! A request of a window is a slot in the columns of the batch until it enters its node. From there on it is
//! known by its number of arrival, and what it carries on lies in a ring by that number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use offing_core::{Scope, Sharing};
use offing_models::Transmission;

use super::{
    Backlog, Batch, Endpoints, Hop, NEVER, Network, SORTED, Variate, insert, owned_by_endpoint, window,
};
use crate::recorder::{BULK, Recorder, Tally, Use};

/// No request.
const NOBODY: u64 = u64::MAX;

/// Bits of a key that name the slot.
const SLOT_BITS: u32 = 24;

/// Requests of a window, and requests that may be under way at once; the general path takes over beyond.
const MOST: usize = 1 << SLOT_BITS;

/// The longest window [ns], so that instants within one fit a key.
const LONGEST: u64 = 1 << 38;

/// Requests that are served and recorded together: their columns stay in the nearest cache.
const BLOCK: usize = 512;

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

/// A request that enters its node in a later window. Ordered as requests enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    time: u64,
    endpoint: u32,
    /// Number of emission: later for later requests of an endpoint.
    turn: u64,
    emitted: u64,
    work: u64,
    reply: u64,
}

/// What a request in its node carries: half a cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Carried {
    emitted: u64,
    /// Transmission time of the reply [ns].
    reply: u64,
    endpoint: u32,
}

/// Requests in their nodes, by number of arrival modulo the length, which is a power of two.
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

/// Busy workers, the first to be done on top: when, and whom each serves, who has a higher number the later he came.
/// As one number, for comparing two of them must not branch.
#[derive(Default)]
struct Busy(BinaryHeap<Reverse<u128>>);

impl Busy {
    #[inline(always)]
    fn enter(&mut self, done: u64, id: u64) {
        self.0.push(Reverse(u128::from(done) << 64 | u128::from(id)));
    }

    #[inline(always)]
    fn first_done(&self) -> Option<u64> {
        self.0.peek().map(|first| (first.0 >> 64) as u64)
    }

    /// The first to be done leaves, and another one begins, who is done at what `next` says.
    #[inline(always)]
    fn replace(&mut self, next: impl FnOnce(u64) -> (u64, u64)) -> (u64, u64) {
        let mut first = self.0.peek_mut().expect("somebody is served");
        let (time, who) = ((first.0 >> 64) as u64, first.0 as u64);
        let (done, id) = next(time);
        *first = Reverse(u128::from(done) << 64 | u128::from(id));
        (time, who)
    }

    #[inline(always)]
    fn leave_until(&mut self, is_due: impl Fn(u64) -> bool, mut left: impl FnMut(u64, u64)) {
        while self.first_done().is_some_and(&is_due) {
            let Reverse(first) = self.0.pop().expect("somebody is served");
            left((first >> 64) as u64, first as u64);
        }
    }
}

/// The workers of a node.
#[expect(clippy::large_enum_variant, reason = "a node has one, and the large one is the frequent one")]
enum Workers {
    /// When they are free, ascending, and whom they serve.
    Sorted { free: [u64; SORTED as usize], serving: [u64; SORTED as usize] },
    /// More than that: the busy ones.
    Many(Busy),
}

struct Node {
    workers: Workers,
    late: BinaryHeap<Reverse<Late>>,
}

/// Columns by slot of the window.
#[derive(Default)]
struct Sent {
    prepare: Vec<u64>,
    uplink: Vec<u64>,
    /// When each reaches its node.
    arrived: Vec<u64>,
}

/// Scratch space of sorting.
#[derive(Default)]
struct Keys {
    /// Instant after the beginning of the span, and slot.
    keys: Vec<u64>,
    sorted: Vec<u64>,
    counts: Vec<u32>,
}

/// Columns of a block of requests that enter a node, in order of arrival.
#[derive(Default)]
struct Entering {
    time: Vec<u64>,
    work: Vec<u64>,
    start: Vec<u64>,
    queue: Vec<u64>,
}

/// Columns of requests that have left a node, in order of departure.
#[derive(Default)]
struct Leaving {
    time: Vec<u64>,
    id: Vec<u64>,
    emitted: Vec<u64>,
    /// When each has left its transmitter.
    sent: Vec<u64>,
    downlink: Vec<u64>,
    latency: Vec<u64>,
}

struct Express<'n> {
    network: &'n Network,
    endpoints: Endpoints,
    nodes: Vec<Node>,
    ring: Ring,
    /// No request before this number of arrival is in a node; found anew when the ring is full.
    oldest: u64,
    /// Number of the next arrival, and of emissions so far.
    next: u64,
    emissions: u64,
    /// Everything that enters a node before this instant has entered.
    horizon: u64,
    /// Requests under way that are not observed.
    unobserved: u64,
    /// When each downlink station is free.
    downlink_free: Vec<u64>,
    batch: Batch,
    sent: Sent,
    keys: Keys,
    entering: Entering,
    leaving: Leaving,
    indices: Vec<u32>,
    recorder: Recorder<'static>,
    overflowed: bool,
}

/// The work of one window; without an end, what is left after the last one.
struct Window<'s, 'n> {
    express: &'s mut Express<'n>,
    end: Option<u64>,
}

impl pulp::WithSimd for Window<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        match self.end {
            Some(end) => self.express.window(end),
            None => self.express.finish(),
        }
    }
}

/// Simulates a run; nothing if it is too large for this path.
pub(super) fn run(network: &Network, mean_rate_hz: f64) -> Option<Tally> {
    let mut express = Express::new(network);
    let window = window(network, mean_rate_hz).min(LONGEST);
    let arch = pulp::Arch::new();
    let mut end = 0u64;
    while end < network.until {
        let next = end.saturating_add(window).min(network.until);
        // A window is observed as a whole or not at all.
        end = if end < network.from { next.min(network.from) } else { next };
        arch.dispatch(Window { express: &mut express, end: Some(end) });
        if express.overflowed {
            return None;
        }
    }
    arch.dispatch(Window { express: &mut express, end: None });
    if express.overflowed {
        return None;
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
            late: BinaryHeap::new(),
        };
        let stations = network.down.as_ref().map_or(0, |hop| network.down_stations(hop.scope));
        Express {
            network,
            endpoints: Endpoints::new(network, network.up.is_some()),
            nodes: (0..network.nodes).map(|_| node()).collect(),
            ring: Ring::default(),
            oldest: 0,
            next: 0,
            emissions: 0,
            horizon: network.up.as_ref().map_or(0, |hop| hop.delay.minimum()),
            unobserved: 0,
            downlink_free: vec![0; stations],
            batch: Batch::default(),
            sent: Sent::default(),
            keys: Keys::default(),
            entering: Entering::default(),
            leaving: Leaving::default(),
            indices: Vec::new(),
            recorder: Recorder::new(network, None),
            overflowed: false,
        }
    }

    #[inline(always)]
    fn window(&mut self, end: u64) {
        let network = self.network;
        self.endpoints.emit(network, end, &mut self.batch);
        self.batch.draw(network);
        transmit(network.up.as_ref(), &mut self.batch.up);
        transmit(network.down.as_ref(), &mut self.batch.reply);
        let n = self.batch.emitted.len();
        self.send(end > network.from);

        let (from, horizon) = (self.horizon, end + network.up.as_ref().map_or(0, |hop| hop.delay.minimum()));
        let mut slot = 0;
        for node in 0..self.nodes.len() {
            let slots = slot..slot + self.batch.endpoint[slot..n].partition_point(|&e| self.is_of(e, node));
            slot = slots.end;
            let due = self.sort(node, slots, from, horizon);
            if self.overflowed {
                return;
            }
            for start in (0..due).step_by(BLOCK) {
                self.enter(start..due.min(start + BLOCK), from);
                self.serve(node);
            }
            self.release(node, horizon);
        }
        self.horizon = horizon;
        self.emissions += n as u64;
    }

    /// Whether an endpoint belongs to this node or to one before; nodes have consecutive endpoints.
    #[inline(always)]
    fn is_of(&self, endpoint: u32, node: usize) -> bool {
        self.network.route(endpoint, 0).expect("this path routes in advance") as usize <= node
    }

    /// Preparation and uplink: Lindley's recursion for both, endpoint by endpoint.
    #[inline(always)]
    fn send(&mut self, is_observed: bool) {
        let network = self.network;
        let delay = network.up.as_ref().map_or(0, |hop| hop.delay.minimum());
        let Batch { endpoint, emitted, prepare, up, .. } = &self.batch;
        let n = emitted.len();
        let (endpoint, emitted, prepare, up) = (&endpoint[..n], &emitted[..n], &prepare[..n], &up[..n]);
        let Sent { prepare: prepares, uplink: uplinks, arrived } = &mut self.sent;
        for column in [&mut *prepares, &mut *uplinks, &mut *arrived] {
            column.resize(n, 0);
        }
        // The instants at which each is prepared wait in the column of the uplink.
        let (prepares, prepared, sent) = (&mut prepares[..n], &mut uplinks[..n], &mut arrived[..n]);
        let has_prepare = !self.endpoints.prepare.is_empty();
        let has_uplink = !self.endpoints.uplink.is_empty();
        let mut start = 0;
        while start < n {
            let e = endpoint[start] as usize;
            let next = self.endpoints.next[e];
            let first = emitted[start];
            let mut prepare_free = if has_prepare { first + self.endpoints.prepare[e].get() } else { 0 };
            let mut uplink_free = if has_uplink { first + self.endpoints.uplink[e].get() } else { 0 };
            let mut i = start;
            while i < n && endpoint[i] as usize == e {
                prepare_free = prepare_free.max(emitted[i]) + prepare[i];
                uplink_free = uplink_free.max(prepare_free) + up[i];
                (prepared[i], sent[i]) = (prepare_free, uplink_free);
                i += 1;
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
            start = i;
        }

        let (mut busy, mut latest) = (0u64, 0u64);
        for i in 0..n {
            busy += prepare[i];
            latest = latest.max(prepared[i]);
            prepares[i] = prepared[i] - emitted[i];
            sent[i] += delay;
            prepared[i] = sent[i] - prepared[i];
        }
        if is_observed && latest <= self.recorder.until {
            self.recorder.add_busy(Use::Prepare, busy);
        } else {
            for ((&emitted, &span), &work) in emitted.iter().zip(&*prepares).zip(prepare) {
                let end = emitted + span;
                self.recorder.busy(Use::Prepare, work, end - work, end);
            }
        }
        if is_observed {
            self.recorder.counts.offered += n as u64;
            self.recorder.recording.record_part(0, prepares, &mut self.indices);
            self.recorder.recording.record_part(1, prepared, &mut self.indices);
        } else {
            self.unobserved += n as u64;
        }
    }

    /// Brings what enters a node in `from..horizon` into order, as keys: the requests in `slots` of the batch and
    /// those that were late so far, which are appended to the batch. Ties are ordered by endpoint, then by number.
    /// Returns how many there are.
    #[inline(always)]
    fn sort(&mut self, node: usize, slots: std::ops::Range<usize>, from: u64, horizon: u64) -> usize {
        let Keys { keys, sorted, counts } = &mut self.keys;
        let Batch { endpoint, emitted, work, reply, .. } = &mut self.batch;
        let n = self.sent.arrived.len();
        for column in [&mut *emitted, &mut *work, &mut *reply] {
            column.truncate(n);
        }
        endpoint.truncate(n);

        let late = &mut self.nodes[node].late;
        let span = horizon - from;
        let entries = slots.len() + late.len();
        let shift = (span / entries.max(1) as u64).checked_ilog2().unwrap_or(0);
        let buckets = ((span - 1) >> shift) + 1;
        // What is late goes to a bucket beyond the others.
        let beyond = buckets << shift;
        keys.clear();
        keys.extend(self.sent.arrived[slots.clone()].iter().zip(slots.start as u64..).map(
            |(&time, slot)| {
                let after = if time < horizon { time - from } else { beyond };
                after << SLOT_BITS | slot
            },
        ));
        while let Some(Reverse(first)) = late.peek().filter(|first| first.0.time < horizon) {
            keys.push((first.time - from) << SLOT_BITS | emitted.len() as u64);
            endpoint.push(first.endpoint);
            emitted.push(first.emitted);
            work.push(first.work);
            reply.push(first.reply);
            late.pop();
        }
        if emitted.len() >= MOST {
            self.overflowed = true;
            return 0;
        }

        let order = |key: u64| {
            let slot = key as usize % MOST;
            (key >> SLOT_BITS, endpoint[slot], slot < n, slot)
        };
        let due = sort(keys, sorted, counts, SLOT_BITS + shift, buckets as usize, order);
        for &key in &sorted[due..] {
            let slot = key as usize % MOST;
            late.push(Reverse(Late {
                time: self.sent.arrived[slot],
                endpoint: endpoint[slot],
                turn: self.emissions + slot as u64,
                emitted: emitted[slot],
                work: work[slot],
                reply: reply[slot],
            }));
        }
        due
    }

    /// Makes room in the ring for `more` arrivals.
    #[inline(always)]
    fn make_room(&mut self, more: usize) {
        let end = self.next + more as u64;
        if (end - self.oldest) as usize > self.ring.0.len() {
            self.oldest = self.oldest_in_nodes();
            self.ring.grow(self.oldest, self.next, end);
            self.overflowed |= self.ring.0.len() > MOST;
        }
    }

    /// Number of the oldest request that has not left its node.
    fn oldest_in_nodes(&self) -> u64 {
        let serving = |node: &Node| match &node.workers {
            Workers::Sorted { serving, .. } => serving.iter().copied().min().unwrap_or(NOBODY),
            Workers::Many(busy) => busy.0.iter().map(|entry| entry.0 as u64).min().unwrap_or(NOBODY),
        };
        self.nodes.iter().map(serving).fold(self.next, u64::min)
    }

    /// Some of the sorted requests enter their node.
    #[inline(always)]
    fn enter(&mut self, places: std::ops::Range<usize>, from: u64) {
        let m = places.len();
        self.make_room(m);
        let Batch { endpoint, emitted, work, reply, .. } = &self.batch;
        let n = emitted.len();
        let (endpoint, emitted, work, reply) = (&endpoint[..n], &emitted[..n], &work[..n], &reply[..n]);
        let Entering { time: times, work: works, .. } = &mut self.entering;
        times.resize(m, 0);
        works.resize(m, 0);
        let ring = &mut self.ring.0[..];
        let entering = times.iter_mut().zip(works).zip(&self.keys.sorted[places]);
        for (((to_time, to_work), &key), id) in entering.zip(self.next..) {
            let slot = key as usize % MOST;
            *to_time = from + (key >> SLOT_BITS);
            *to_work = work[slot];
            let to = place(ring, id);
            ring[to] = Carried { emitted: emitted[slot], reply: reply[slot], endpoint: endpoint[slot] };
        }
    }

    /// A node serves the block that has entered, and whoever has left takes the downlink home.
    #[inline(always)]
    fn serve(&mut self, node: usize) {
        let Entering { time, work, start, queue } = &mut self.entering;
        let m = time.len();
        start.resize(m, 0);
        queue.resize(m, 0);
        let Leaving { time: left, id, .. } = &mut self.leaving;
        left.clear();
        id.clear();
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
                left.resize(m, 0);
                id.resize(m, 0);
                let gone = serve(free, serving, time, work, self.next, start, left, id);
                left.truncate(gone);
                id.truncate(gone);
            }
            Workers::Many(busy) => {
                let workers = self.network.node.workers as usize;
                serve_many(busy, workers, time, work, self.next, start, left, id);
            }
        }

        let (time, work, start, queue) = (&time[..m], &work[..m], &start[..m], &mut queue[..m]);
        let (mut busy, mut latest) = (0u64, 0u64);
        for i in 0..m {
            busy += work[i];
            latest = latest.max(start[i] + work[i]);
            queue[i] = start[i] - time[i];
        }
        let recorder = &mut self.recorder;
        // Starts never decrease.
        if start.first().is_some_and(|&first| recorder.from <= first) && latest <= recorder.until {
            recorder.add_busy(Use::Process, busy);
        } else {
            for (&start, &work) in start.iter().zip(work) {
                recorder.busy(Use::Process, work, start, start + work);
            }
        }
        if self.unobserved > 0 {
            let ring = &self.ring.0;
            let is_observed = |i: usize| ring[place(ring, self.next + i as u64)].emitted >= recorder.from;
            keep(&mut self.entering.queue, is_observed);
            keep(&mut self.entering.work, is_observed);
        }
        recorder.recording.record_part(2, &self.entering.queue, &mut self.indices);
        recorder.recording.record_part(3, &self.entering.work, &mut self.indices);
        self.next += m as u64;
        self.depart(node);
    }

    /// Nothing enters a node before `horizon` any more: whoever is done earlier leaves.
    #[inline(always)]
    fn release(&mut self, node: usize, horizon: u64) {
        let Leaving { time: left, id, .. } = &mut self.leaving;
        left.clear();
        id.clear();
        let mut leave = |time, who| {
            left.push(time);
            id.push(who);
        };
        match &mut self.nodes[node].workers {
            Workers::Sorted { free, serving } => {
                for (who, &done) in serving.iter_mut().zip(&*free) {
                    if *who != NOBODY && done < horizon {
                        leave(done, *who);
                        *who = NOBODY;
                    }
                }
            }
            Workers::Many(busy) => busy.leave_until(|done| done < horizon, leave),
        }
        self.depart(node);
    }

    /// The departures of a node are in order: they take the downlink and are home.
    #[inline(always)]
    fn depart(&mut self, node: usize) {
        let network = self.network;
        let (delay, scope) =
            network.down.as_ref().map_or((0, Scope::Node), |hop| (hop.delay.minimum(), hop.scope));
        let Leaving { time, id, emitted, sent, downlink, latency } = &mut self.leaving;
        let m = time.len();
        for column in [&mut *emitted, &mut *sent, &mut *downlink, &mut *latency] {
            column.resize(m, 0);
        }
        let ring = &self.ring.0[..];
        let free = &mut self.downlink_free[..];
        if free.is_empty() {
            go_home(time, id, ring, emitted, sent, |left, _| left);
        } else if scope == Scope::Node {
            let free = &mut free[node];
            go_home(time, id, ring, emitted, sent, |left, carried| {
                *free = left.max(*free) + carried.reply;
                *free
            });
        } else {
            go_home(time, id, ring, emitted, sent, |left, carried| {
                let free = &mut free[carried.endpoint as usize];
                *free = left.max(*free) + carried.reply;
                *free
            });
        }

        let recorder = &mut self.recorder;
        let (from, until, deadline) = (recorder.from, recorder.until, recorder.deadline);
        let (time, emissions, sent) = (&time[..m], &emitted[..m], &sent[..m]);
        let (downlinks, latencies) = (&mut downlink[..m], &mut latency[..m]);
        let (mut returned, mut late) = (0u64, 0u64);
        for i in 0..m {
            let received = sent[i] + delay;
            downlinks[i] = received - time[i];
            latencies[i] = received - emissions[i];
            returned += u64::from(from <= received && received < until);
            late += u64::from(from <= emissions[i] && latencies[i] > deadline);
        }
        recorder.counts.returned += returned;
        recorder.counts.late += late;
        if self.unobserved > 0 {
            keep(downlink, |i| from <= emitted[i]);
            keep(latency, |i| from <= emitted[i]);
            emitted.retain(|&emitted| from <= emitted);
            self.unobserved -= (m - emitted.len()) as u64;
        }
        recorder.counts.completed += emitted.len() as u64;
        recorder.recording.record_part(4, downlink, &mut self.indices);
        recorder.recording.record_latency(emitted, latency, &mut self.indices);
    }

    /// Whoever is still late after the last window.
    fn finish(&mut self) {
        for node in 0..self.nodes.len() {
            while !self.nodes[node].late.is_empty() && !self.overflowed {
                self.make_room(BLOCK);
                let Entering { time, work, .. } = &mut self.entering;
                time.clear();
                work.clear();
                while let Some(Reverse(first)) = self.nodes[node].late.pop() {
                    let to = place(&self.ring.0, self.next + time.len() as u64);
                    self.ring.0[to] =
                        Carried { emitted: first.emitted, reply: first.reply, endpoint: first.endpoint };
                    time.push(first.time);
                    work.push(first.work);
                    if time.len() == BLOCK {
                        break;
                    }
                }
                self.serve(node);
            }
            self.release(node, NEVER);
        }
    }
}

/// Keeps the values of a column whose place is wanted.
fn keep(column: &mut Vec<u64>, is_wanted: impl Fn(usize) -> bool) {
    let mut place = 0..;
    column.retain(|_| place.next().is_some_and(&is_wanted));
}

/// Sorts `keys` into `sorted`: a counting sort by the bits from `shift` on, which are less than or equal to
/// `buckets`, and then among neighbours, since only those of one bucket can be out of order. What is in the last
/// bucket is left as it is. Returns how many are before it. `order` decides between keys of one instant.
#[inline(always)]
fn sort<O: Ord>(
    keys: &[u64],
    sorted: &mut Vec<u64>,
    counts: &mut Vec<u32>,
    shift: u32,
    buckets: usize,
    order: impl Fn(u64) -> O,
) -> usize {
    let bucket = |key: u64| ((key >> shift) as usize).min(buckets);
    counts.clear();
    counts.resize(buckets + 1, 0);
    let counts = &mut counts[..=buckets];
    for &key in keys {
        counts[bucket(key)] += 1;
    }
    let due = keys.len() - counts[buckets] as usize;
    let most = counts[..buckets].iter().copied().max().unwrap_or(0);
    let mut start = 0;
    for count in counts.iter_mut() {
        start += std::mem::replace(count, start);
    }
    sorted.resize(keys.len(), 0);
    for &key in keys {
        let place = &mut counts[bucket(key)];
        sorted[*place as usize] = key;
        *place += 1;
    }

    let instant = |key: u64| key >> SLOT_BITS;
    let sorted = &mut sorted[..due];
    if most > 64 {
        // Many at one instant: no use in exchanging neighbours.
        sorted.sort_unstable_by_key(|&key| order(key));
        return due;
    }
    for _ in 0..PHASES {
        exchange(sorted);
        if let Some(rest) = sorted.get_mut(1..) {
            exchange(rest);
        }
    }
    let is_before = |a: u64, b: u64| {
        if instant(a) == instant(b) { order(a) < order(b) } else { a < b }
    };
    // Nearly all of them are in order now; where they are not, or where there are ties, insertion mends it.
    for first in (1..due).step_by(64) {
        let end = due.min(first + 64);
        let pairs = sorted[first - 1..end - 1].iter().zip(&sorted[first..end]);
        if pairs.fold(false, |is_wrong, (&a, &b)| is_wrong | (instant(a) >= instant(b))) {
            for i in first..end {
                let key = sorted[i];
                let mut j = i;
                while j > 0 && is_before(key, sorted[j - 1]) {
                    sorted[j] = sorted[j - 1];
                    j -= 1;
                }
                sorted[j] = key;
            }
        }
    }
    due
}

/// Rounds of exchanges, each sorting one more pair of neighbours on: enough for nearly all buckets.
const PHASES: usize = 2;

/// Exchanges each of the pairs that is out of order, without branches.
#[inline(always)]
fn exchange(keys: &mut [u64]) {
    for pair in keys.chunks_exact_mut(2) {
        // Signed, because that is the comparison that vector units have.
        let (a, b) = (pair[0] as i64, pair[1] as i64);
        (pair[0], pair[1]) = (a.min(b) as u64, a.max(b) as u64);
    }
}

// The inner loops are functions of their own, so that their few variables stay in registers.

/// Up to `C` workers: Kiefer and Wolfowitz's recursion. The sorted instants at which they become free are the
/// state; those that the node lacks are never free. Writes when each request begins, and who has left when;
/// returns how many those are.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "an inner loop over plain slices")]
fn serve_sorted<const C: usize>(
    all_free: &mut [u64; SORTED as usize],
    all_serving: &mut [u64; SORTED as usize],
    times: &[u64],
    works: &[u64],
    first: u64,
    starts: &mut [u64],
    left: &mut [u64],
    left_id: &mut [u64],
) -> usize {
    let (mut free, mut serving) = ([NEVER; C], [NOBODY; C]);
    free.copy_from_slice(&all_free[..C]);
    serving.copy_from_slice(&all_serving[..C]);
    let mut gone = 0;
    for (((&time, &work), to_start), id) in times.iter().zip(works).zip(starts).zip(first..) {
        (left[gone], left_id[gone]) = (free[0], serving[0]);
        gone += usize::from(serving[0] != NOBODY);
        let start = free[0].max(time);
        *to_start = start;
        insert(&mut free, &mut serving, start + work, id);
    }
    all_free[..C].copy_from_slice(&free);
    all_serving[..C].copy_from_slice(&serving);
    gone
}

/// Any number of workers: the heap holds those that are busy.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "an inner loop over plain slices")]
fn serve_many(
    busy: &mut Busy,
    workers: usize,
    times: &[u64],
    works: &[u64],
    first: u64,
    starts: &mut [u64],
    left: &mut Vec<u64>,
    left_id: &mut Vec<u64>,
) {
    let mut leave = |time, id| {
        left.push(time);
        left_id.push(id);
    };
    for (((&time, &work), to_start), id) in times.iter().zip(works).zip(starts).zip(first..) {
        busy.leave_until(|done| done <= time, &mut leave);
        if busy.0.len() < workers {
            *to_start = time;
            busy.enter(time + work, id);
        } else {
            let (done, who) = busy.replace(|done| (done + work, id));
            *to_start = done;
            leave(done, who);
        }
    }
}

/// Departures in order; `send` says when each has left its transmitter.
#[inline(always)]
fn go_home(
    times: &[u64],
    ids: &[u64],
    ring: &[Carried],
    emitted: &mut [u64],
    sent: &mut [u64],
    mut send: impl FnMut(u64, &Carried) -> u64,
) {
    for (((&time, &id), to_emitted), to_sent) in times.iter().zip(ids).zip(emitted).zip(sent) {
        let carried = &ring[place(ring, id)];
        *to_emitted = carried.emitted;
        *to_sent = send(time, carried);
    }
}
