//! The plain case without detours: open queues in order of arrival all the way, constant delays, a core for
//! every worker, no quota at the endpoints, every endpoint with its own node, nobody who watches.
//!
//! The same recursions as in [`super`], arranged for speed: columns instead of records, every part recorded
//! when it is known, transmission times drawn as vectors. What a request carries on lies in a ring by its
//! number. Results are equal to the general path's and to the event engine's.

use offing_core::{Scope, Sharing};
use offing_models::Transmission;

use super::{
    Backlog, Batch, Busy, Endpoints, Hop, NEVER, Network, Pending, SORTED, Variate, owned_by_endpoint, sort,
    window,
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
            Transmission::Constant { ns_per_byte } => {
                bytes.sampler.maximum() as f64 * ns_per_byte.max(1.0) < RANGE
            }
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

/// What requests under way carry, by number modulo the length, which is a power of two.
#[derive(Default)]
struct Ring {
    emitted: Vec<u64>,
    work: Vec<u64>,
    /// Transmission time of the reply [ns].
    reply: Vec<u64>,
    endpoint: Vec<u32>,
}

impl Ring {
    #[inline(always)]
    fn place(&self, id: u64) -> usize {
        id as usize & self.emitted.len().wrapping_sub(1)
    }

    /// Makes room for the numbers `oldest..end`.
    fn grow(&mut self, oldest: u64, first_new: u64, end: u64) {
        let needed = (end - oldest) as usize;
        if needed <= self.emitted.len() {
            return;
        }
        // Twice what is needed, so that it is long before the next time.
        let size = 2 * needed.next_power_of_two();
        let old = std::mem::take(self);
        *self = Ring {
            emitted: vec![0; size],
            work: vec![0; size],
            reply: vec![0; size],
            endpoint: vec![0; size],
        };
        for id in oldest..first_new {
            let (from, to) = (old.place(id), self.place(id));
            self.emitted[to] = old.emitted[from];
            self.work[to] = old.work[from];
            self.reply[to] = old.reply[from];
            self.endpoint[to] = old.endpoint[from];
        }
    }
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

/// Requests that begin: their waiting and service go into columns that are long enough, in which only what is
/// observed is kept; CPU time within the observed span is summed up in a word.
struct Begun {
    length: usize,
    first_observed: u64,
    from: u64,
    until: u64,
    busy: u64,
}

impl Begun {
    #[inline(always)]
    fn new(columns: &mut Columns, recorder: &Recorder<'_>, first_observed: u64, most: usize) -> Self {
        let length = columns.queue.len();
        columns.queue.resize(length + most, 0);
        columns.process.resize(length + most, 0);
        Begun { length, first_observed, from: recorder.from, until: recorder.until, busy: 0 }
    }

    #[inline(always)]
    fn note(
        &mut self,
        queue: &mut [u64],
        process: &mut [u64],
        recorder: &mut Recorder<'_>,
        arrival: &Arrival,
        start: u64,
        work: u64,
    ) {
        queue[self.length] = start - arrival.time;
        process[self.length] = work;
        self.length += usize::from(arrival.id >= self.first_observed);
        if self.from <= start && start + work <= self.until && work < SHORT {
            self.busy += work;
        } else {
            recorder.busy(Use::Process, work, start, start + work);
        }
    }

    #[inline(always)]
    fn finish(self, queue: &mut Vec<u64>, process: &mut Vec<u64>, recorder: &mut Recorder<'_>) {
        queue.truncate(self.length);
        process.truncate(self.length);
        recorder.add_busy(Use::Process, self.busy);
    }
}

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
        if (end_number - self.oldest) as usize > self.ring.emitted.len() {
            self.oldest = self.oldest_under_way();
            self.ring.grow(self.oldest, self.next, end_number);
        }
        if self.ring.emitted.len() > MOST {
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
            match network.node.workers {
                1 => self.serve::<1>(node, &sorted, horizon),
                2 => self.serve::<2>(node, &sorted, horizon),
                3 => self.serve::<3>(node, &sorted, horizon),
                4 => self.serve::<4>(node, &sorted, horizon),
                5..=8 => self.serve::<8>(node, &sorted, horizon),
                9..=SORTED => self.serve::<{ SORTED as usize }>(node, &sorted, horizon),
                _ => self.serve_many(node, &sorted, horizon),
            }
            self.columns.sorted = sorted;
            self.depart(node);
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
            let arrivals = &mut self.nodes[node as usize].arrivals;
            for i in run.clone() {
                let prepared = prepare_free.max(emitted[i]) + prepare[i];
                let sent = uplink_free.max(prepared) + up[i];
                (prepare_free, uplink_free) = (prepared, sent);
                prepares[i] = prepared - emitted[i];
                uplinks[i] = sent + delay - prepared;
                arrivals.new.push(Arrival { time: sent + delay, id: self.next + i as u64 });
                if self.recorder.from <= prepared - prepare[i]
                    && prepared <= self.recorder.until
                    && prepare[i] < SHORT
                {
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
        // The ring is written in order, in at most two pieces.
        let place = self.ring.place(self.next);
        let before_wrap = n.min(self.ring.emitted.len() - place);
        for (to, from) in [(place, 0..before_wrap), (0, before_wrap..n)] {
            let to = to..to + from.len();
            self.ring.emitted[to.clone()].copy_from_slice(&emitted[from.clone()]);
            self.ring.work[to.clone()].copy_from_slice(&work[from.clone()]);
            self.ring.reply[to.clone()].copy_from_slice(&reply[from.clone()]);
            self.ring.endpoint[to].copy_from_slice(&endpoint[from]);
        }
        self.next += n as u64;
        self.recorder.counts.offered += if is_observed { n as u64 } else { 0 };
    }

    /// Brings a node's arrivals before `horizon` into order. Ties are ordered by endpoint, then by number.
    #[inline(always)]
    fn sort(&mut self, node: usize, horizon: u64) {
        let Columns { counts, sorted, .. } = &mut self.columns;
        let (arrivals, ring) = (&mut self.nodes[node].arrivals, &self.ring);
        arrivals.split(horizon, |arrival| arrival.time);
        let order = |a: &Arrival| (a.time, ring.endpoint[ring.place(a.id)], a.id);
        sort(&arrivals.new, sorted, counts, |arrival| arrival.time, order);
        arrivals.new.clear();
    }

    /// A node with up to `C` workers: Kiefer and Wolfowitz's recursion.
    #[inline(always)]
    fn serve<const C: usize>(&mut self, node: usize, sorted: &[Arrival], horizon: u64) {
        let mut begun = Begun::new(&mut self.columns, &self.recorder, self.first_observed, sorted.len());
        let departures = &mut self.columns.departures;
        departures.clear();
        departures.resize(sorted.len() + C, Arrival::default());
        let mut left_count = 0;
        let Workers::Sorted { free: all_free, serving: all_serving } = &mut self.nodes[node].workers else {
            unreachable!("the workers are few")
        };
        let (mut free, mut serving) = ([NEVER; C], [NOBODY; C]);
        free.copy_from_slice(&all_free[..C]);
        serving.copy_from_slice(&all_serving[..C]);
        for arrival in sorted {
            let (left, who) = (free[0], serving[0]);
            // Written in any case, kept if somebody has left: no branch to mispredict.
            departures[left_count] = Arrival { time: left, id: who };
            left_count += usize::from(who != NOBODY);
            let start = left.max(arrival.time);
            let work = self.ring.work[self.ring.place(arrival.id)];
            let done = start + work;
            begun.note(
                &mut self.columns.queue,
                &mut self.columns.process,
                &mut self.recorder,
                arrival,
                start,
                work,
            );
            // Insertion as a fixed network of selections; all comparisons are with the new instant, so equal
            // instants stay in order of arrival.
            let (mut carried, mut carried_id) = (done, arrival.id);
            for j in 0..C - 1 {
                let (other, other_id) = (free[j + 1], serving[j + 1]);
                let is_before = other <= done;
                free[j] = if is_before { other } else { carried };
                serving[j] = if is_before { other_id } else { carried_id };
                carried = if is_before { carried } else { other };
                carried_id = if is_before { carried_id } else { other_id };
            }
            free[C - 1] = carried;
            serving[C - 1] = carried_id;
        }
        departures.truncate(left_count);
        begun.finish(&mut self.columns.queue, &mut self.columns.process, &mut self.recorder);
        for (who, &left) in serving.iter_mut().zip(&free) {
            if *who != NOBODY && left < horizon {
                departures.push(Arrival { time: left, id: *who });
                *who = NOBODY;
            }
        }
        all_free[..C].copy_from_slice(&free);
        all_serving[..C].copy_from_slice(&serving);
    }

    /// The same for any number of workers: the heap holds those that are busy.
    #[inline(always)]
    fn serve_many(&mut self, node: usize, sorted: &[Arrival], horizon: u64) {
        let workers = self.network.node.workers as usize;
        let mut begun = Begun::new(&mut self.columns, &self.recorder, self.first_observed, sorted.len());
        let Columns { queue, process, departures, .. } = &mut self.columns;
        departures.clear();
        let Workers::Many(busy) = &mut self.nodes[node].workers else { unreachable!("the workers are many") };
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
            let work = self.ring.work[self.ring.place(arrival.id)];
            begun.note(queue, process, &mut self.recorder, arrival, start, work);
            busy.enter(start + work, arrival.id);
        }
        busy.leave_until(|done| done < horizon, |time, id| departures.push(Arrival { time, id }));
        begun.finish(queue, process, &mut self.recorder);
    }

    /// The departures of a node are in order: they take the downlink and are home.
    #[inline(always)]
    fn depart(&mut self, node: usize) {
        let network = self.network;
        let (delay, scope) =
            network.down.as_ref().map_or((0, Scope::Node), |hop| (hop.delay.minimum(), hop.scope));
        let Columns { downlink, latency, emitted, departures, .. } = &mut self.columns;
        let has_downlink = !self.downlink_free.is_empty();
        let mut length = latency.len();
        for column in [&mut *downlink, &mut *latency, &mut *emitted] {
            column.resize(length + departures.len(), 0);
        }
        let (mut returned, mut late) = (0, 0);
        for departure in departures.iter() {
            let place = self.ring.place(departure.id);
            let mut sent = departure.time;
            if has_downlink {
                let station = network.down_station(scope, self.ring.endpoint[place], node as u32);
                let free = &mut self.downlink_free[station];
                sent = sent.max(*free) + self.ring.reply[place];
                *free = sent;
            }
            let received = sent + delay;
            let at = self.ring.emitted[place];
            let is_observed = departure.id >= self.first_observed;
            downlink[length] = received - departure.time;
            latency[length] = received - at;
            emitted[length] = at;
            length += usize::from(is_observed);
            returned += u64::from(self.recorder.observes(received));
            late += u64::from(is_observed && received - at > self.recorder.deadline);
        }
        for column in [downlink, latency, emitted] {
            column.truncate(length);
        }
        self.recorder.counts.returned += returned;
        self.recorder.counts.late += late;
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
        latency.clear();
        emitted.clear();
    }
}
