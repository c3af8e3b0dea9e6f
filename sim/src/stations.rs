//! The fast engine: exact, without an event list.
//!
//! Requests flow one way, from station to station, so each station can be worked off by itself as long as it
//! meets its requests in order of time. Emission is cut into windows. Per window:
//! 1. each endpoint emits, prepares and sends in its own order: Lindley's recursion, one maximum and one sum
//!    per station (Lindley 1952);
//! 2. what enters a station that several sources share is brought into order. Nothing emitted later can enter
//!    before `end of window + smallest delay`, so everything earlier is final;
//! 3. a target node serves: the sorted vector of the instants at which its workers become free is all its
//!    state (Kiefer and Wolfowitz 1955), and the instants that are taken from it never decrease, so **its
//!    departures come out sorted** and enter the downlink at once. A bounded queue is full when as many
//!    accepted requests as it holds begin later. Where workers share cores or wait for a quota, the node is
//!    the state machine of [`crate::node`], run by itself;
//! 4. completed requests are recorded in columns.
//!
//! Leaves out what needs to know several stations at one instant: balancing by the state of the nodes, and
//! closed loops. Ties are ordered as in [`crate::events`].

mod express;
mod upstream;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hint::select_unpredictable;

use offing_core::{Balance, Deployment, Drop, Scope, Sharing};
use offing_models::{Budget, Sampler, Shared};

use crate::network::{Emission, Hop, Network, Sum, Variate, Way, Wires, periods};
use crate::node::{Admission, Node};
use crate::recorder::{Observer, Passage, Recorder, Tally, Use};
use crate::streams::{Purpose, Streams};
use upstream::Collected;
pub(crate) use upstream::Upstream;

/// Requests per window, roughly, and at least this many per endpoint: more takes more memory, fewer more time to look at
/// endpoints that emit nothing.
const WINDOW: f64 = 4096.0;
const WINDOW_PER_ENDPOINT: f64 = 0.5;

const NONE: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// Whether this engine can run a deployment.
pub(crate) fn applies(deployment: &Deployment) -> bool {
    let balances_by_state = deployment.placement.balance == Balance::LeastWaiting
        && deployment.is_offloaded()
        && deployment.targets().nodes > 1;
    !balances_by_state && deployment.app.outstanding.is_none()
}

/// A request under way: one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Flight {
    emitted: u64,
    prepared: u64,
    arrived: u64,
    started: u64,
    /// At the target [CPU ns].
    work: u64,
    /// Size of the reply [byte].
    reply: u64,
    index: u64,
    endpoint: u32,
    node: u32,
}

/// Something that enters a station: when, from which source, which flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: u64,
    source: u32,
    /// Number of entry into the station, so that equal instants of a source stay in order.
    turn: u64,
    id: u32,
}

/// Entries of a station that several sources share: new ones in no order yet, and those that were too late for
/// the windows so far. Where a station upstream is overloaded these are many, so they are not looked at again
/// until their time has come.
#[derive(Debug)]
struct Pending<E> {
    new: Vec<E>,
    later: BinaryHeap<Reverse<E>>,
}

impl<E: Ord> Default for Pending<E> {
    fn default() -> Self {
        Pending { new: Vec::new(), later: BinaryHeap::new() }
    }
}

impl<E: Ord + Copy> Pending<E> {
    /// Leaves in `new` exactly the entries before `horizon`.
    #[inline(always)]
    fn split(&mut self, horizon: u64, time: impl Fn(&E) -> u64) {
        let later = &mut self.later;
        self.new.retain(|entry| {
            let is_due = time(entry) < horizon;
            if !is_due {
                later.push(Reverse(*entry));
            }
            is_due
        });
        while let Some(first) = later.peek().filter(|first| time(&first.0) < horizon) {
            self.new.push(first.0);
            later.pop();
        }
    }
}

/// Memory that sorting uses again and again.
#[derive(Debug, Default)]
struct Scratch {
    sorted: Vec<Entry>,
    counts: Vec<u32>,
    departures: Vec<Entry>,
}

impl Pending<Entry> {
    /// Moves the entries before `horizon` to `scratch.sorted`, in order of time, source and turn.
    #[inline(always)]
    fn take_before(&mut self, horizon: u64, scratch: &mut Scratch) {
        self.split(horizon, |entry| entry.time);
        sort(&self.new, &mut scratch.sorted, &mut scratch.counts, |entry| entry.time, |entry| *entry);
        self.new.clear();
    }
}

/// Sorts `entries` into `sorted`: a counting sort on buckets about as wide as the mean distance of two entries,
/// then a pass of insertion, since only neighbours within a bucket can be out of order. `order` starts with the
/// time and decides ties.
#[inline(always)]
fn sort<E: Copy + Default, O: Ord>(
    entries: &[E],
    sorted: &mut Vec<E>,
    counts: &mut Vec<u32>,
    time: impl Fn(&E) -> u64,
    order: impl Fn(&E) -> O,
) {
    sorted.clear();
    if entries.len() < 32 {
        sorted.extend_from_slice(entries);
        return sorted.sort_unstable_by_key(order);
    }
    let (mut from, mut to) = (NEVER, 0);
    for entry in entries {
        from = from.min(time(entry));
        to = to.max(time(entry));
    }
    let shift = ((to - from) / entries.len() as u64).checked_ilog2().unwrap_or(0);
    let bucket = |entry: &E| ((time(entry) - from) >> shift) as usize;
    counts.clear();
    counts.resize(((to - from) >> shift) as usize + 1, 0);
    for entry in entries {
        counts[bucket(entry)] += 1;
    }
    let (mut start, mut most) = (0, 0);
    for count in counts.iter_mut() {
        most = most.max(*count);
        start += std::mem::replace(count, start);
    }
    sorted.resize(entries.len(), E::default());
    for entry in entries {
        let place = &mut counts[bucket(entry)];
        sorted[*place as usize] = *entry;
        *place += 1;
    }
    if most > 64 {
        return sorted.sort_unstable_by_key(order);
    }
    let is_before = |a: &E, b: &E| {
        if time(a) == time(b) { order(a) < order(b) } else { time(a) < time(b) }
    };
    for i in 1..sorted.len() {
        let entry = sorted[i];
        let mut j = i;
        while j > 0 && is_before(&entry, &sorted[j - 1]) {
            sorted[j] = sorted[j - 1];
            j -= 1;
        }
        sorted[j] = entry;
    }
}

/// A number below 2^48 in six bytes: how far a station is behind its endpoint's next emission [ns].
#[derive(Clone, Copy, Debug, Default)]
struct Backlog([u16; 3]);

impl Backlog {
    /// Nothing if it does not fit: 78 hours.
    #[inline(always)]
    fn new(x: u64) -> Option<Self> {
        (x < 1 << 48).then_some(Backlog([x as u16, (x >> 16) as u16, (x >> 32) as u16]))
    }

    #[inline(always)]
    fn get(self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << 16 | u64::from(self.0[2]) << 32
    }
}

/// The state of all endpoints. With a processor, an uplink and a downlink of its own an endpoint takes
/// 8 + 4 + 6 + 6 + 8 = 32 bytes; what is not needed is not there.
struct Endpoints {
    /// Instant and number of the next emission.
    next: Vec<u64>,
    index: Vec<u32>,
    /// How long the processor and the uplink will be busy at that instant.
    prepare: Vec<Backlog>,
    uplink: Vec<Backlog>,
    /// Only with a quota at the endpoints.
    budget: Vec<(Budget, u64)>,
    /// Only where the delay varies, per connection: the last arrival, which later messages do not overtake.
    in_order: Vec<u64>,
}

impl Endpoints {
    fn new(network: &Network, has_uplink: bool) -> Self {
        let n = network;
        let endpoints = n.endpoints as usize;
        Endpoints {
            next: (0..n.endpoints).map(|e| n.emitted(e, 0, 0).unwrap_or(NEVER)).collect(),
            index: vec![0; endpoints],
            prepare: if n.prepare.is_zero() { Vec::new() } else { vec![Backlog::default(); endpoints] },
            uplink: if has_uplink { vec![Backlog::default(); endpoints] } else { Vec::new() },
            budget: match n.endpoint_quota {
                Some(_) if !n.prepare.is_zero() => {
                    (0..n.endpoints).map(|e| (Budget::default(), n.quota_phase(e, false))).collect()
                }
                _ => Vec::new(),
            },
            in_order: match &n.up {
                Some(hop) if hop.delay.is_constant().is_none() => vec![0; n.connections(hop.scope)],
                _ => Vec::new(),
            },
        }
    }

    /// Fills the batch with the emissions before `end`, endpoint by endpoint; the instants are those of
    /// [`Network::emitted`].
    #[inline(always)]
    fn emit(&mut self, network: &Network, end: u64, batch: &mut Batch) {
        let Batch { endpoint, index, emitted, gaps, .. } = batch;
        endpoint.clear();
        index.clear();
        emitted.clear();
        // Many gaps at once are cheaper, as long as most of them are used.
        let emitting = self.next.iter().filter(|&&at| at < end).count().max(1);
        let many = batch.last / emitting >= GAPS / 4;
        for e in 0..network.endpoints {
            let (mut at, mut k) = (self.next[e as usize], u64::from(self.index[e as usize]));
            if at >= end {
                continue;
            }
            match &network.emission {
                Emission::Renewal { gap, .. } if many => {
                    let mut first = u64::MAX;
                    while at < end {
                        emitted.push(at);
                        index.push(k);
                        k += 1;
                        if first == u64::MAX || k - first >= GAPS as u64 {
                            first = k & !3;
                            fill_gaps(&network.streams, gap, e, first, gaps);
                        }
                        at += gaps[(k - first) as usize % GAPS];
                    }
                }
                Emission::Periodic { period, jitter: None } => {
                    let phase = at - periods(k, *period);
                    while at < end {
                        emitted.push(at);
                        index.push(k);
                        k += 1;
                        at = phase + periods(k, *period);
                    }
                }
                _ => {
                    while at < end {
                        emitted.push(at);
                        index.push(k);
                        k += 1;
                        at = network.emitted(e, k, at).unwrap_or(NEVER);
                    }
                }
            }
            endpoint.resize(emitted.len(), e);
            self.next[e as usize] = at;
            self.index[e as usize] = k as u32;
        }
        batch.last = batch.emitted.len();
    }
}

/// Gaps that are drawn together.
const GAPS: usize = 64;

/// The gaps before the requests `first..first + GAPS` of an endpoint; `first` is a multiple of four.
#[inline(always)]
fn fill_gaps(streams: &Streams, gap: &Sampler, endpoint: u32, first: u64, gaps: &mut [u64; GAPS]) {
    let mut words = [0; GAPS];
    streams.emissions(endpoint, first / 4, &mut words);
    gap.fill(&words, gaps);
}

/// Transmitters that are not part of [`Endpoints`].
enum Transmitters {
    None,
    /// When each is free.
    Fifo {
        free: Vec<u64>,
        wires: Wires,
    },
    Fair(Vec<Shared>),
}

impl Transmitters {
    fn new(hop: Option<&Hop>, stations: usize) -> Self {
        match hop {
            None => Transmitters::None,
            Some(hop) if hop.sharing == Sharing::Fifo => {
                Transmitters::Fifo { free: vec![0; stations], wires: Wires::new(Some(hop), stations) }
            }
            Some(_) => Transmitters::Fair((0..stations).map(|_| Shared::new(1)).collect()),
        }
    }

    /// A message enters; entries of a station come in order of time. Tells `sent` of those that have left.
    #[inline(always)]
    fn enter(
        &mut self,
        hop: &Hop,
        station: usize,
        entry: Entry,
        bytes: u64,
        sent: &mut impl FnMut(u32, u64),
    ) {
        match self {
            Transmitters::None => unreachable!("there is a hop"),
            Transmitters::Fifo { free, wires } => {
                let free = &mut free[station];
                *free = wires.finish(hop, station, entry.time.max(*free), bytes);
                sent(entry.id, *free);
            }
            Transmitters::Fair(stations) => {
                let station = &mut stations[station];
                drain(station, |done| done <= entry.time, sent);
                station.arrive(entry.time, hop.transmission.finish(0, bytes), entry.id);
            }
        }
    }

    /// Nothing enters before `horizon` any more.
    #[inline(always)]
    fn drain_before(&mut self, horizon: u64, sent: &mut impl FnMut(u32, u64)) {
        if let Transmitters::Fair(stations) = self {
            stations.iter_mut().for_each(|station| drain(station, |done| done < horizon, sent));
        }
    }
}

fn drain(station: &mut Shared, is_due: impl Fn(u64) -> bool, sent: &mut impl FnMut(u32, u64)) {
    while let Some((done, _)) = station.next().filter(|next| is_due(next.0)) {
        let id = station.complete(done);
        sent(id, done);
    }
}

/// The workers of all target nodes.
enum Workers {
    /// Each has a core: when they are free, ascending, and whom they serve, `workers` entries per node.
    Own { free: Vec<u64>, serving: Vec<u32> },
    /// The same for many workers.
    Many(Vec<Busy<u32>>),
    /// Workers that share cores or wait for a quota, and queues that lose their oldest request.
    Machine(Vec<Node>),
}

/// The busy ones of many workers: (done, turn, request), earliest first. Requests with one instant of departure
/// leave in order of arrival.
#[derive(Clone)]
struct Busy<Id> {
    heap: BinaryHeap<Reverse<(u64, u64, Id)>>,
    turn: u64,
}

impl<Id: Ord> Default for Busy<Id> {
    fn default() -> Self {
        Busy { heap: BinaryHeap::new(), turn: 0 }
    }
}

impl<Id: Ord + Copy> Busy<Id> {
    fn enter(&mut self, done: u64, id: Id) {
        self.turn += 1;
        self.heap.push(Reverse((done, self.turn, id)));
    }

    fn first_done(&self) -> Option<u64> {
        self.heap.peek().map(|first| first.0.0)
    }

    /// The first to be done leaves.
    fn leave(&mut self) -> (u64, Id) {
        let Reverse((time, _, id)) = self.heap.pop().expect("somebody is served");
        (time, id)
    }

    fn leave_until(&mut self, is_due: impl Fn(u64) -> bool, mut left: impl FnMut(u64, Id)) {
        while self.first_done().is_some_and(&is_due) {
            let (time, id) = self.leave();
            left(time, id);
        }
    }
}

/// The first of some workers takes a request that is done at `done`, and all are in order again: insertion as a fixed
/// network of selections, with nothing to mispredict. All comparisons are with the new instant, so equal instants stay
/// in order of arrival.
#[inline(always)]
fn insert<const C: usize, Id: Copy>(free: &mut [u64; C], serving: &mut [Id; C], done: u64, id: Id) {
    let (mut carried, mut carried_id) = (done, id);
    for j in 0..C - 1 {
        let (other, other_id) = (free[j + 1], serving[j + 1]);
        let is_before = other <= done;
        free[j] = select_unpredictable(is_before, other, carried);
        serving[j] = select_unpredictable(is_before, other_id, carried_id);
        carried = select_unpredictable(is_before, carried, other);
        carried_id = select_unpredictable(is_before, carried_id, other_id);
    }
    free[C - 1] = carried;
    serving[C - 1] = carried_id;
}

/// Workers up to this number are kept in a sorted vector, more in a heap.
const SORTED: u32 = 16;

struct Stations<'n, 'o> {
    network: &'n Network,
    flights: Vec<Flight>,
    vacant: Vec<u32>,
    endpoints: Endpoints,
    /// Into uplinks that are not part of `endpoints`.
    enters_up: Pending<Entry>,
    up: Transmitters,
    /// Of uplinks that are part of `endpoints`.
    own_wires: Wires,
    /// Per target node.
    arrivals: Vec<Pending<Entry>>,
    /// Entries into shared stations so far.
    turn: u64,
    workers: Workers,
    /// Accepted requests that have not begun: when they will; only for bounded queues.
    begins: Vec<VecDeque<u64>>,
    enters_down: Pending<Entry>,
    down: Transmitters,
    recorder: Recorder<'o>,
    batch: Batch,
    scratch: Scratch,
    /// A backlog did not fit; the run is worthless.
    overflowed: bool,
}

/// The requests of one window, endpoint by endpoint.
struct Batch {
    endpoint: Vec<u32>,
    index: Vec<u64>,
    emitted: Vec<u64>,
    prepare: Vec<u64>,
    up: Vec<u64>,
    work: Vec<u64>,
    reply: Vec<u64>,
    words: [Vec<u32>; 4],
    term: Vec<u64>,
    gaps: [u64; GAPS],
    /// Requests of the window before.
    last: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            endpoint: Vec::new(),
            index: Vec::new(),
            emitted: Vec::new(),
            prepare: Vec::new(),
            up: Vec::new(),
            work: Vec::new(),
            reply: Vec::new(),
            words: Default::default(),
            term: Vec::new(),
            gaps: [0; GAPS],
            last: 0,
        }
    }
}

impl Batch {
    /// Draws all variates; the same as [`Network::draw`] for each request.
    #[inline(always)]
    fn draw(&mut self, network: &Network) {
        let request = Purpose::Request as u32;
        let is_random = |v: &Variate| v.slot.purpose == request && v.is_constant().is_none();
        let sums = network.prepare.0.iter().chain(&network.work.0);
        if sums.chain([&network.up_bytes, &network.reply_bytes]).any(is_random) {
            network.streams.blocks(request, &self.endpoint, &self.index, &mut self.words);
        }
        let Batch { endpoint, index, prepare, up, work, reply, words, term, .. } = self;
        let n = endpoint.len();
        [&mut *prepare, up, work, reply].into_iter().for_each(|column| column.resize(n, 0));
        let source = Words { network, endpoint, index, words };
        source.fill(&network.up_bytes, up);
        source.fill(&network.reply_bytes, reply);
        source.fill_sum(&network.prepare, prepare, term);
        source.fill_sum(&network.work, work, term);
    }
}

/// The random words of a window's requests.
struct Words<'b> {
    network: &'b Network,
    endpoint: &'b [u32],
    index: &'b [u64],
    /// Of the block that most variates have in common.
    words: &'b [Vec<u32>; 4],
}

impl Words<'_> {
    #[inline(always)]
    fn fill(&self, variate: &Variate, out: &mut [u64]) {
        if let Some(constant) = variate.is_constant() {
            out.fill(constant);
        } else if variate.slot.purpose == Purpose::Request as u32 {
            variate.fill(&self.words[variate.slot.word], out);
        } else {
            fill_from(&self.network.streams, variate, self.endpoint, self.index, out);
        }
    }

    #[inline(always)]
    fn fill_sum(&self, sum: &Sum, out: &mut [u64], term: &mut Vec<u64>) {
        let Some((first, rest)) = sum.0.split_first() else { return out.fill(0) };
        self.fill(first, out);
        for variate in rest {
            term.resize(out.len(), 0);
            self.fill(variate, term);
            out.iter_mut().zip(term.iter()).for_each(|(x, more)| *x += more);
        }
    }
}

/// Later stages have blocks of their own.
fn fill_from(streams: &Streams, variate: &Variate, endpoint: &[u32], index: &[u64], out: &mut [u64]) {
    for ((x, &e), &k) in out.iter_mut().zip(endpoint).zip(index) {
        *x = variate.sample(streams.block(variate.slot.purpose, e, k)[variate.slot.word]);
    }
}

/// Simulates a run; nothing if a station falls behind by more than 78 hours.
pub(crate) fn run(network: &Network, observer: Observer<'_>, mean_rate_hz: f64) -> Option<Tally> {
    if observer.is_none() && express::applies(network) {
        return express::run(network, mean_rate_hz).or_else(|| run_general(network, observer, mean_rate_hz));
    }
    run_general(network, observer, mean_rate_hz)
}

/// Length of a window [ns].
fn window(network: &Network, mean_rate_hz: f64) -> u64 {
    let per_window = WINDOW.max(WINDOW_PER_ENDPOINT * f64::from(network.endpoints));
    (per_window / (mean_rate_hz * f64::from(network.endpoints)) * 1e9).max(1.0) as u64
}

fn run_general(network: &Network, observer: Observer<'_>, mean_rate_hz: f64) -> Option<Tally> {
    let mut stations = Stations::new(network, observer);
    let window = window(network, mean_rate_hz);
    let arch = pulp::Arch::new();
    let mut end = 0u64;
    while end < network.until {
        end = end.saturating_add(window).min(network.until);
        arch.dispatch(Window { stations: &mut stations, end, collected: None });
        if stations.overflowed {
            return None;
        }
    }
    Some(stations.recorder.finish())
}

/// The work of one window: one source, compiled for the widest vectors that the processor has.
struct Window<'s, 'n, 'o> {
    stations: &'s mut Stations<'n, 'o>,
    end: u64,
    /// Where the way ends, if it is followed up to the nodes only.
    collected: Option<&'s mut Collected>,
}

impl pulp::WithSimd for Window<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.stations.window(self.end, self.collected);
    }
}

impl<'n, 'o> Stations<'n, 'o> {
    fn new(network: &'n Network, observer: Observer<'o>) -> Self {
        let n = network;
        let nodes = n.nodes as usize;
        let own_uplink = n.up.as_ref().is_some_and(|hop| owned_by_endpoint(n, hop));
        let is_bounded = n.node.limit.is_some();
        let is_plain = n.node.is_plain() && !(is_bounded && n.node.drop == Drop::Oldest);
        let workers = if !is_plain {
            let node = |i| Node::new(&n.node, n.quota_phase(i, n.offloaded));
            Workers::Machine((0..n.nodes).map(node).collect())
        } else if n.node.workers <= SORTED {
            let all = nodes * n.node.workers as usize;
            Workers::Own { free: vec![0; all], serving: vec![NONE; all] }
        } else {
            Workers::Many(vec![Busy::default(); nodes])
        };
        let down_stations = n.down.as_ref().map_or(0, |hop| n.down_stations(hop.scope));
        Stations {
            network,
            flights: Vec::new(),
            vacant: Vec::new(),
            endpoints: Endpoints::new(n, own_uplink),
            enters_up: Pending::default(),
            up: match &n.up {
                Some(hop) if !own_uplink => Transmitters::new(Some(hop), n.up_stations(hop.scope)),
                _ => Transmitters::None,
            },
            own_wires: Wires::new(n.up.as_ref(), n.endpoints as usize),
            arrivals: (0..if n.offloaded { nodes } else { 1 }).map(|_| Pending::default()).collect(),
            turn: 0,
            workers,
            begins: if is_bounded && is_plain { vec![VecDeque::new(); nodes] } else { Vec::new() },
            enters_down: Pending::default(),
            down: Transmitters::new(n.down.as_ref(), down_stations),
            recorder: Recorder::new(network, observer),
            batch: Batch::default(),
            scratch: Scratch::default(),
            overflowed: false,
        }
    }

    /// Works off the emissions before `end`; with `collected` only up to the nodes, which then keep nothing.
    #[inline(always)]
    fn window(&mut self, end: u64, mut collected: Option<&mut Collected>) {
        let is_last = end == self.network.until;
        let frontier = if is_last { NEVER } else { end };
        self.begin_window(end, frontier);
        let mut reach = |stations: &mut Self, node: usize, horizon: u64| match &mut collected {
            Some(collected) => stations.collect(node, collected),
            None => stations.serve(node, horizon),
        };
        if self.network.offloaded {
            let horizon = self.horizon(frontier);
            for node in 0..self.network.nodes as usize {
                self.arrivals[node].take_before(horizon, &mut self.scratch);
                reach(self, node, horizon);
            }
            // Without departures there is nothing to return.
            self.return_shared(horizon);
        } else {
            let batch = std::mem::take(&mut self.batch);
            let mut next = 0;
            for endpoint in 0..self.network.endpoints {
                next = self.enter_locally(&batch, endpoint, next);
                reach(self, endpoint as usize, frontier);
            }
            self.batch = batch;
        }
    }

    /// Emits and draws the requests before `end`, and sends them if they are offloaded.
    #[inline(always)]
    fn begin_window(&mut self, end: u64, frontier: u64) {
        let mut batch = std::mem::take(&mut self.batch);
        self.endpoints.emit(self.network, end, &mut batch);
        batch.emitted.iter().for_each(|&at| self.recorder.offered(at));
        batch.draw(self.network);
        if self.network.offloaded {
            self.send(&batch, frontier);
        }
        self.batch = batch;
    }

    /// Arrivals at the nodes before this instant are complete.
    fn horizon(&self, frontier: u64) -> u64 {
        frontier.saturating_add(self.network.up.as_ref().map_or(0, |hop| hop.delay.minimum()))
    }

    #[inline(always)]
    fn board(&mut self, flight: Flight) -> u32 {
        match self.vacant.pop() {
            Some(id) => {
                self.flights[id as usize] = flight;
                id
            }
            None => {
                self.flights.push(flight);
                (self.flights.len() - 1) as u32
            }
        }
    }

    /// Preparation and uplink of all requests of the window; those that reach the targets are pending there.
    #[inline(always)]
    fn send(&mut self, batch: &Batch, frontier: u64) {
        let network = self.network;
        let n = batch.endpoint.len();
        let own_hop = network.up.as_ref().filter(|_| !self.endpoints.uplink.is_empty());
        let mut i = 0;
        while i < n {
            let endpoint = batch.endpoint[i];
            let e = endpoint as usize;
            let first = batch.emitted[i];
            let behind = |backlog: &[Backlog]| backlog.get(e).map_or(0, |b| first + b.get());
            let mut prepare_free = behind(&self.endpoints.prepare);
            let mut uplink_free = behind(&self.endpoints.uplink);
            while i < n && batch.endpoint[i] == endpoint {
                let emitted = batch.emitted[i];
                let prepared = self.prepare(e, prepare_free.max(emitted), batch.prepare[i]);
                prepare_free = prepared;
                let index = batch.index[i];
                let id = self.board(Flight {
                    emitted,
                    prepared,
                    work: batch.work[i],
                    reply: batch.reply[i],
                    index,
                    endpoint,
                    node: network.route(endpoint, index).expect("this engine routes in advance"),
                    ..Flight::default()
                });
                match own_hop {
                    Some(hop) => {
                        uplink_free = self.own_wires.finish(hop, e, uplink_free.max(prepared), batch.up[i]);
                        self.send_off(id, uplink_free, batch.up[i]);
                    }
                    None if network.up.is_none() => self.send_off(id, prepared, batch.up[i]),
                    None => {
                        // The message's size waits in the field that its arrival will take.
                        self.flights[id as usize].arrived = batch.up[i];
                        self.turn += 1;
                        let turn = self.turn;
                        self.enters_up.new.push(Entry { time: prepared, source: endpoint, turn, id });
                    }
                }
                i += 1;
            }
            let next = self.endpoints.next[e];
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
        }
        if own_hop.is_none() && network.up.is_some() {
            self.send_shared(frontier);
        }
    }

    /// When a preparation that may begin at `from` is done.
    #[inline(always)]
    fn prepare(&mut self, e: usize, from: u64, work: u64) -> u64 {
        if self.endpoints.prepare.is_empty() {
            return from;
        }
        let (began, done) = match (self.network.endpoint_quota, self.endpoints.budget.get_mut(e)) {
            (Some(quota), Some((budget, phase))) => {
                let quota = quota.with_phase(*phase);
                let began = quota.available(budget, from);
                (began, quota.run(budget, began, work))
            }
            _ => (from, from + work),
        };
        self.recorder.busy(Use::Prepare, work, began, done);
        done
    }

    /// A message has left its transmitter at `sent` and will reach its node.
    #[inline(always)]
    fn send_off(&mut self, id: u32, sent: u64, bytes: u64) {
        let flight = &mut self.flights[id as usize];
        let mut due = sent;
        if let Some(hop) = &self.network.up {
            due += self.network.delay(hop, Way::Up, flight.endpoint, flight.index, bytes);
            let connection = self.network.connection(hop.scope, flight.endpoint, flight.node);
            if let Some(last) = self.endpoints.in_order.get_mut(connection)
                && hop.sharing == Sharing::Fifo
            {
                *last = due.max(*last);
                due = *last;
            }
        }
        flight.arrived = due;
        self.turn += 1;
        let entry = Entry { time: due, source: flight.endpoint, turn: self.turn, id };
        self.arrivals[flight.node as usize].new.push(entry);
    }

    /// Uplinks that are not an endpoint's own: their entries before `frontier` are complete.
    #[inline(always)]
    fn send_shared(&mut self, frontier: u64) {
        let hop = self.network.up.as_ref().expect("there is a hop");
        let mut scratch = std::mem::take(&mut self.scratch);
        self.enters_up.take_before(frontier, &mut scratch);
        let mut up = std::mem::replace(&mut self.up, Transmitters::None);
        // Flights keep their message's size in `arrived` until they have left.
        let sent = |stations: &mut Self, id: u32, at: u64| {
            let bytes = stations.flights[id as usize].arrived;
            stations.send_off(id, at, bytes);
        };
        for &entry in &scratch.sorted {
            let flight = self.flights[entry.id as usize];
            let station = self.network.up_station(hop.scope, flight.endpoint, Some(flight.node));
            up.enter(hop, station, entry, flight.arrived, &mut |id, at| sent(self, id, at));
        }
        up.drain_before(frontier, &mut |id, at| sent(self, id, at));
        self.up = up;
        self.scratch = scratch;
    }

    /// Nothing is offloaded: an endpoint is the node of its own requests, which stand in the batch from `next`
    /// on. Returns where the next endpoint's begin.
    #[inline(always)]
    fn enter_locally(&mut self, batch: &Batch, endpoint: u32, next: usize) -> usize {
        self.scratch.sorted.clear();
        let mut i = next;
        while i < batch.endpoint.len() && batch.endpoint[i] == endpoint {
            let emitted = batch.emitted[i];
            let id = self.board(Flight {
                emitted,
                prepared: emitted,
                arrived: emitted,
                work: batch.work[i],
                reply: batch.reply[i],
                index: batch.index[i],
                endpoint,
                node: endpoint,
                ..Flight::default()
            });
            self.scratch.sorted.push(Entry { time: emitted, source: endpoint, turn: 0, id });
            i += 1;
        }
        i
    }

    /// A node serves the sorted arrivals; none comes before `horizon` any more.
    #[inline(always)]
    fn serve(&mut self, node: usize, horizon: u64) {
        match &self.workers {
            Workers::Own { .. } => match self.network.node.workers {
                1 => self.serve_sorted::<1>(node, horizon),
                2 => self.serve_sorted::<2>(node, horizon),
                3 => self.serve_sorted::<3>(node, horizon),
                4 => self.serve_sorted::<4>(node, horizon),
                5..=8 => self.serve_sorted::<8>(node, horizon),
                _ => self.serve_sorted::<{ SORTED as usize }>(node, horizon),
            },
            Workers::Many(_) => self.serve_many(node, horizon),
            Workers::Machine(_) => self.run_machine(node, horizon),
        }
        self.depart();
    }

    /// Whether a bounded queue has no room for a request that arrives at `now` and cannot begin at once.
    #[inline(always)]
    fn is_full(&mut self, node: usize, now: u64, start: u64) -> bool {
        let (Some(begins), Some(limit)) = (self.begins.get_mut(node), self.network.node.limit) else {
            return false;
        };
        while begins.front().is_some_and(|&begin| begin <= now) {
            begins.pop_front();
        }
        if start <= now {
            return false;
        }
        let is_full = begins.len() >= limit as usize;
        if !is_full {
            begins.push_back(start);
        }
        is_full
    }

    #[cold]
    fn lose(&mut self, id: u32, now: u64) {
        let flight = self.flights[id as usize];
        self.recorder.dropped(&passage(&flight, 0, 0), now);
        self.vacant.push(id);
    }

    /// Up to `C` workers with a core each; those that the node lacks are never free.
    #[inline(always)]
    fn serve_sorted<const C: usize>(&mut self, node: usize, horizon: u64) {
        let count = self.network.node.workers as usize;
        let place = node * count..(node + 1) * count;
        let (mut free, mut serving) = ([NEVER; C], [NONE; C]);
        let Workers::Own { free: all_free, serving: all_serving } = &self.workers else {
            unreachable!("the workers have a core each")
        };
        free[..count].copy_from_slice(&all_free[place.clone()]);
        serving[..count].copy_from_slice(&all_serving[place.clone()]);

        let Scratch { sorted, mut departures, counts } = std::mem::take(&mut self.scratch);
        departures.clear();
        for entry in &sorted {
            let (left, who) = (free[0], serving[0]);
            let start = left.max(entry.time);
            if self.is_full(node, entry.time, start) {
                self.lose(entry.id, entry.time);
                continue;
            }
            if who != NONE {
                departures.push(Entry { time: left, source: node as u32, turn: 0, id: who });
            }
            let flight = &mut self.flights[entry.id as usize];
            flight.started = start;
            let done = start + flight.work;
            self.recorder.busy(Use::Process, flight.work, start, done);
            insert(&mut free, &mut serving, done, entry.id);
        }
        for (who, &left) in serving.iter_mut().zip(&free).take(count) {
            if *who != NONE && left < horizon {
                departures.push(Entry { time: left, source: node as u32, turn: 0, id: *who });
                *who = NONE;
            }
        }
        self.scratch = Scratch { sorted, departures, counts };
        let Workers::Own { free: all_free, serving: all_serving } = &mut self.workers else {
            unreachable!("the workers have a core each")
        };
        all_free[place.clone()].copy_from_slice(&free[..count]);
        all_serving[place].copy_from_slice(&serving[..count]);
    }

    /// The same for any number of workers: the heap holds those that are busy.
    fn serve_many(&mut self, node: usize, horizon: u64) {
        let Workers::Many(all) = &mut self.workers else { unreachable!("there are many workers") };
        let mut busy = std::mem::take(&mut all[node]);
        let Scratch { sorted, mut departures, counts } = std::mem::take(&mut self.scratch);
        departures.clear();
        let workers = self.network.node.workers as usize;
        let mut depart = |time, id| departures.push(Entry { time, source: node as u32, turn: 0, id });
        for entry in &sorted {
            busy.leave_until(|done| done <= entry.time, &mut depart);
            let must_wait = busy.heap.len() == workers;
            let start = busy.first_done().filter(|_| must_wait).unwrap_or(entry.time);
            if self.is_full(node, entry.time, start) {
                self.lose(entry.id, entry.time);
                continue;
            }
            if must_wait {
                let (time, id) = busy.leave();
                depart(time, id);
            }
            let flight = &mut self.flights[entry.id as usize];
            flight.started = start;
            let done = start + flight.work;
            self.recorder.busy(Use::Process, flight.work, start, done);
            busy.enter(done, entry.id);
        }
        busy.leave_until(|done| done < horizon, depart);
        self.scratch = Scratch { sorted, departures, counts };
        let Workers::Many(all) = &mut self.workers else { unreachable!("there are many workers") };
        all[node] = busy;
    }

    /// A node that is a state machine, run from arrival to arrival.
    fn run_machine(&mut self, node: usize, horizon: u64) {
        let Workers::Machine(all) = &mut self.workers else { unreachable!("the nodes are machines") };
        let Scratch { sorted, mut departures, counts } = std::mem::take(&mut self.scratch);
        departures.clear();
        let (machine, flights) = (&mut all[node], &mut self.flights);
        let mut lost = Vec::new();
        let mut run_until = |machine: &mut Node, flights: &mut Vec<Flight>, is_due: &dyn Fn(u64) -> bool| {
            while let Some(now) = machine.next().filter(|&next| is_due(next)) {
                let done = machine.advance(now, &mut |id| flights[id as usize].started = now);
                if let Some(id) = done {
                    departures.push(Entry { time: now, source: node as u32, turn: 0, id });
                }
            }
        };
        for &Entry { time, id, .. } in &sorted {
            run_until(machine, flights, &|next| next <= time);
            let work = flights[id as usize].work;
            let admission = machine.arrive(time, id, work, &mut |id| flights[id as usize].started = time);
            if let Admission::Dropped(id) = admission {
                lost.push((id, time));
            }
        }
        run_until(machine, flights, &|next| next < horizon);
        for departure in &departures {
            let flight = &self.flights[departure.id as usize];
            self.recorder.busy(Use::Process, flight.work, flight.started, departure.time);
        }
        self.scratch = Scratch { sorted, departures, counts };
        lost.into_iter().for_each(|(id, time)| self.lose(id, time));
    }

    /// The departures of a node are in order: they enter the downlink.
    #[inline(always)]
    fn depart(&mut self) {
        let departures = std::mem::take(&mut self.scratch.departures);
        let mut down = std::mem::replace(&mut self.down, Transmitters::None);
        match (&self.network.down, &mut down) {
            (None, _) => departures.iter().for_each(|d| self.receive(d.id, d.time, d.time)),
            (Some(hop), _) if hop.scope == Scope::Tier => {
                for d in &departures {
                    self.turn += 1;
                    self.enters_down.new.push(Entry { turn: self.turn, ..*d });
                }
            }
            // The most frequent case without detours.
            (Some(hop), Transmitters::Fifo { free, wires }) => {
                for d in &departures {
                    let flight = &self.flights[d.id as usize];
                    let station = self.network.down_station(hop.scope, flight.endpoint, flight.node);
                    let sent = wires.finish(hop, station, d.time.max(free[station]), flight.reply);
                    free[station] = sent;
                    let delay =
                        self.network.delay(hop, Way::Down, flight.endpoint, flight.index, flight.reply);
                    self.receive(d.id, d.time, sent + delay);
                }
            }
            (Some(hop), down) => departures.iter().for_each(|d| self.enter_downlink(hop, down, *d)),
        }
        self.down = down;
        self.scratch.departures = departures;
    }

    #[inline(always)]
    fn enter_downlink(&mut self, hop: &Hop, down: &mut Transmitters, departure: Entry) {
        let flight = &mut self.flights[departure.id as usize];
        let station = self.network.down_station(hop.scope, flight.endpoint, flight.node);
        let reply = flight.reply;
        // The instant of departure waits in the field that nobody reads any more.
        flight.work = departure.time;
        down.enter(hop, station, departure, reply, &mut |id, sent| self.deliver(hop, id, sent));
    }

    /// A reply has left its transmitter and travels home.
    #[inline(always)]
    fn deliver(&mut self, hop: &Hop, id: u32, sent: u64) {
        let flight = &self.flights[id as usize];
        let delay = self.network.delay(hop, Way::Down, flight.endpoint, flight.index, flight.reply);
        self.receive(id, flight.work, sent + delay);
    }

    #[inline(always)]
    fn receive(&mut self, id: u32, processed: u64, received: u64) {
        let flight = &self.flights[id as usize];
        self.recorder.completed(&passage(flight, processed, received));
        self.vacant.push(id);
    }

    /// Downlinks that need more than the departures of one node in order.
    #[inline(always)]
    fn return_shared(&mut self, horizon: u64) {
        let Some(hop) = &self.network.down else { return };
        let mut down = std::mem::replace(&mut self.down, Transmitters::None);
        if hop.scope == Scope::Tier {
            let mut scratch = std::mem::take(&mut self.scratch);
            self.enters_down.take_before(horizon, &mut scratch);
            for &entry in &scratch.sorted {
                self.enter_downlink(hop, &mut down, entry);
            }
            self.scratch = scratch;
        }
        down.drain_before(horizon, &mut |id, sent| self.deliver(hop, id, sent));
        self.down = down;
    }
}

/// Whether the uplink is a FIFO that one endpoint has to itself.
fn owned_by_endpoint(network: &Network, hop: &Hop) -> bool {
    hop.sharing == Sharing::Fifo
        && (hop.scope == Scope::Node || hop.scope == Scope::Pair && network.is_static())
}

#[inline(always)]
fn passage(flight: &Flight, processed: u64, received: u64) -> Passage {
    Passage {
        endpoint: flight.endpoint,
        node: flight.node,
        index: flight.index,
        emitted: flight.emitted,
        prepared: flight.prepared,
        arrived: flight.arrived,
        started: flight.started,
        processed,
        received,
    }
}
