//! The general engine: every change of state is an event, and events happen in one total order.
//!
//! Slower than the station engine and able to do more: balancing by the state of the nodes, and closed loops.
//! Where both can run a deployment they give the same requests, so this one is the oracle.
//!
//! **Order of events.** By time; at one instant by the order of [`Event`], which follows a request on its way,
//! so that everything that may still enter a station at an instant is known before anything enters it, and a
//! completion at a station comes before an entry; then by the number of the endpoint or node; then first come
//! first served. This order is part of the format: changing it changes results.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use offing_core::{Scope, Sharing};
use offing_models::{Budget, Shared};

use crate::calendar::{Calendar, NEVER};
use crate::network::{Hop, NO_NODE, Network, Way, Wires};
use crate::node::{Admission, Node};
use crate::recorder::{Observer, Passage, Recorder, Tally, Use};
use crate::streams::Purpose;

/// What can happen, in the order in which simultaneous events happen. Each is a kind of slots of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Event {
    /// An endpoint is done with a preparation.
    Prepared,
    /// An endpoint emits.
    Emitted,
    /// An uplink station is done with a message.
    Sent,
    /// A message enters an uplink that several endpoints or messages share.
    EntersUplink,
    /// A target node changes: it is done with a request, or a worker may run again.
    Processed,
    /// A message reaches the target tier.
    Arrived,
    /// A downlink station is done with a reply.
    Returned,
    /// A reply enters a downlink that several nodes or replies share.
    EntersDownlink,
    /// A reply reaches its endpoint.
    Received,
}

const EVENTS: usize = 9;

impl Event {
    /// The event of a kind of slots.
    #[inline(always)]
    fn of(kind: usize) -> Self {
        match kind {
            0 => Event::Prepared,
            1 => Event::Emitted,
            2 => Event::Sent,
            3 => Event::EntersUplink,
            4 => Event::Processed,
            5 => Event::Arrived,
            6 => Event::Returned,
            7 => Event::EntersDownlink,
            8 => Event::Received,
            _ => unreachable!("the calendar has {EVENTS} kinds"),
        }
    }
}

/// No request.
const NONE: u32 = u32::MAX;

/// A request under way.
#[derive(Clone, Copy, Debug, Default)]
struct Flight {
    passage: Passage,
    /// CPU time at the endpoint and at the target [ns].
    prepare: u64,
    work: u64,
    /// Message sizes [byte].
    up: u64,
    reply: u64,
    /// The one behind it in its queue.
    next: u32,
}

/// Requests in order of arrival, linked through the flights themselves.
#[derive(Clone, Copy, Debug)]
struct Queue {
    head: u32,
    tail: u32,
}

const EMPTY: Queue = Queue { head: NONE, tail: NONE };

impl Queue {
    /// Returns whether the queue was empty.
    #[inline(always)]
    fn push(&mut self, flights: &mut [Flight], id: u32) -> bool {
        flights[id as usize].next = NONE;
        let was_empty = self.head == NONE;
        if was_empty {
            self.head = id;
        } else {
            flights[self.tail as usize].next = id;
        }
        self.tail = id;
        was_empty
    }

    #[inline(always)]
    fn pop(&mut self, flights: &[Flight]) -> u32 {
        let id = self.head;
        self.head = flights[id as usize].next;
        id
    }
}

/// An endpoint: what it emits next, and the queue for its processor (its head is in service).
#[derive(Clone, Copy, Debug)]
struct Endpoint {
    index: u64,
    /// When the last request was emitted.
    emitted: u64,
    queue: Queue,
    /// When the request at the head began.
    began: u64,
    under_way: u32,
    /// Word that places it within its first period.
    phase: u32,
    /// Words of its next emissions, by the last bits of their indices.
    words: [u32; 4],
    budget: Budget,
    quota_phase: u64,
}

/// Requests that are due at known instants, earliest first, ties by source and then as they came.
enum Line {
    /// All stay equally long, so they leave as they came.
    Constant(VecDeque<(u64, u32, u32)>),
    /// In any order.
    Sorted { due: BinaryHeap<Reverse<(u64, u32, u64, u32)>>, entered: u64 },
}

impl Line {
    fn new(is_constant: bool) -> Self {
        if is_constant {
            Line::Constant(VecDeque::new())
        } else {
            Line::Sorted { due: BinaryHeap::new(), entered: 0 }
        }
    }

    /// Adds a request that is due at `time`; returns when the first one is due.
    #[inline(always)]
    fn push(&mut self, time: u64, source: u32, id: u32) -> u64 {
        match self {
            Line::Constant(due) => {
                debug_assert!(
                    due.back().is_none_or(|last| last.0 <= time),
                    "a constant delay keeps the order"
                );
                // Almost always the end; a preparation without work may come out of turn.
                let mut place = due.len();
                while place > 0 && (due[place - 1].0, due[place - 1].1) > (time, source) {
                    place -= 1;
                }
                if place == due.len() {
                    due.push_back((time, source, id));
                } else {
                    due.insert(place, (time, source, id));
                }
                due.front().expect("one was added").0
            }
            Line::Sorted { due, entered } => {
                *entered += 1;
                due.push(Reverse((time, source, *entered, id)));
                due.peek().expect("one was added").0.0
            }
        }
    }

    /// Takes the first request; also returns when the next one is due.
    #[inline(always)]
    fn pop(&mut self) -> (u32, u64) {
        match self {
            Line::Constant(due) => {
                let (.., id) = due.pop_front().expect("the slot says so");
                (id, due.front().map_or(NEVER, |next| next.0))
            }
            Line::Sorted { due, .. } => {
                let Reverse((.., id)) = due.pop().expect("the slot says so");
                (id, due.peek().map_or(NEVER, |next| next.0.0))
            }
        }
    }
}

/// The transmitters of one direction.
enum Transmitters {
    /// Nothing is shaped: messages pass at once.
    None,
    /// One after the other; the head of each queue is on the wire.
    Fifo { queues: Vec<Queue>, wires: Wires },
    /// All at once.
    Fair(Vec<Shared>),
}

impl Transmitters {
    fn new(hop: Option<&Hop>, stations: usize) -> Self {
        match hop {
            None => Transmitters::None,
            Some(hop) if hop.sharing == Sharing::Fifo => {
                Transmitters::Fifo { queues: vec![EMPTY; stations], wires: Wires::new(Some(hop), stations) }
            }
            Some(_) => Transmitters::Fair((0..stations).map(|_| Shared::new(1)).collect()),
        }
    }

    /// A message of `bytes` enters a station. Returns when the station is done next, if that has changed.
    #[inline(always)]
    fn enter(
        &mut self,
        hop: &Hop,
        station: usize,
        flights: &mut [Flight],
        now: u64,
        id: u32,
        bytes: u64,
    ) -> Option<u64> {
        match self {
            Transmitters::None => unreachable!("there is a hop"),
            Transmitters::Fifo { queues, wires } => {
                queues[station].push(flights, id).then(|| wires.finish(hop, station, now, bytes))
            }
            Transmitters::Fair(stations) => {
                stations[station].arrive(now, hop.transmission.finish(0, bytes), id);
                stations[station].next().map(|next| next.0)
            }
        }
    }

    /// A station is done with a message. Returns which, and when it is done next.
    #[inline(always)]
    fn done(
        &mut self,
        hop: &Hop,
        station: usize,
        flights: &[Flight],
        now: u64,
        bytes: impl Fn(&Flight) -> u64,
    ) -> (u32, u64) {
        match self {
            Transmitters::None => unreachable!("there is a hop"),
            Transmitters::Fifo { queues, wires } => {
                let queue = &mut queues[station];
                let id = queue.pop(flights);
                let next = flights.get(queue.head as usize);
                (id, next.map_or(NEVER, |flight| wires.finish(hop, station, now, bytes(flight))))
            }
            Transmitters::Fair(stations) => {
                let id = stations[station].complete(now);
                (id, stations[station].next().map_or(NEVER, |next| next.0))
            }
        }
    }
}

struct World<'n, 'o> {
    network: &'n Network,
    calendar: Calendar,
    flights: Vec<Flight>,
    vacant: Vec<u32>,
    endpoints: Vec<Endpoint>,
    nodes: Vec<Node>,
    up: Transmitters,
    down: Transmitters,
    /// Per connection: when its last message arrives, which later ones do not overtake.
    in_order: Vec<u64>,
    enters_up: Line,
    arrives: Line,
    enters_down: Line,
    receives: Line,
    recorder: Recorder<'o>,
}

/// Whether entries into a hop wait until all of an instant are known.
fn is_common(hop: &Hop) -> bool {
    hop.scope == Scope::Tier || hop.sharing == Sharing::Fair
}

/// Simulates a run. Returns the tally and the number of events.
pub(crate) fn run(network: &Network, observer: Observer<'_>) -> (Tally, u64) {
    let mut world = World::new(network, observer);
    let mut events = 0;
    let mut last = 0;
    loop {
        let (now, kind, number) = world.calendar.first();
        if now == NEVER {
            return (world.recorder.finish(), events);
        }
        assert!(last <= now, "time moved back");
        last = now;
        events += 1;
        world.happen(now, Event::of(kind), number);
    }
}

impl<'n, 'o> World<'n, 'o> {
    fn new(network: &'n Network, observer: Observer<'o>) -> Self {
        let n = network;
        let (endpoints, nodes) = (n.endpoints as usize, n.nodes as usize);
        let up_stations = n.up.as_ref().map_or(0, |hop| n.up_stations(hop.scope));
        let down_stations = n.down.as_ref().map_or(0, |hop| n.down_stations(hop.scope));
        let counts: [usize; EVENTS] = [endpoints, endpoints, up_stations, 1, nodes, 1, down_stations, 1, 1];
        let is_constant =
            |hop: &Option<Hop>| hop.as_ref().is_none_or(|hop| hop.delay.is_constant().is_some());
        let mut world = World {
            network,
            calendar: Calendar::new(&counts),
            flights: Vec::new(),
            vacant: Vec::new(),
            endpoints: (0..n.endpoints)
                .map(|e| Endpoint {
                    index: 0,
                    emitted: 0,
                    queue: EMPTY,
                    began: 0,
                    under_way: 0,
                    phase: n.phase(e),
                    words: [0; 4],
                    budget: Budget::default(),
                    quota_phase: n.quota_phase(e, false),
                })
                .collect(),
            nodes: (0..n.nodes).map(|i| Node::new(&n.node, n.quota_phase(i, n.offloaded))).collect(),
            up: Transmitters::new(n.up.as_ref(), up_stations),
            down: Transmitters::new(n.down.as_ref(), down_stations),
            in_order: match &n.up {
                Some(hop) if hop.delay.is_constant().is_none() => vec![0; n.connections(hop.scope)],
                _ => Vec::new(),
            },
            enters_up: Line::new(false),
            arrives: Line::new(is_constant(&n.up)),
            enters_down: Line::new(false),
            receives: Line::new(is_constant(&n.down)),
            recorder: Recorder::new(network, observer),
        };
        for e in 0..n.endpoints {
            world.plan_emission(e, 0);
        }
        world
    }

    #[inline(always)]
    fn happen(&mut self, now: u64, event: Event, number: usize) {
        match event {
            Event::Prepared => self.prepared(now, number),
            Event::Emitted => self.emitted(now, number),
            Event::Sent => self.sent(now, number),
            Event::EntersUplink => {
                let (id, next) = self.enters_up.pop();
                self.calendar.set(event as usize, 0, next);
                self.enter_uplink(now, id);
            }
            Event::Processed => {
                let flights = &mut self.flights;
                let node = &mut self.nodes[number];
                let done = node.advance(now, &mut |id| flights[id as usize].passage.started = now);
                self.calendar.set(Event::Processed as usize, number, node.next().unwrap_or(NEVER));
                if let Some(id) = done {
                    self.processed(now, id);
                }
            }
            Event::Arrived => {
                let (id, next) = self.arrives.pop();
                self.calendar.set(event as usize, 0, next);
                self.arrived(now, id);
            }
            Event::Returned => self.returned(now, number),
            Event::EntersDownlink => {
                let (id, next) = self.enters_down.pop();
                self.calendar.set(event as usize, 0, next);
                self.enter_downlink(now, id);
            }
            Event::Received => {
                let (id, next) = self.receives.pop();
                self.calendar.set(event as usize, 0, next);
                self.received(now, id);
            }
        }
    }

    /// Plans the next emission of an endpoint, not before `now`.
    #[inline(always)]
    fn plan_emission(&mut self, number: u32, now: u64) {
        let endpoint = &mut self.endpoints[number as usize];
        let index = endpoint.index;
        let word = || {
            // A block serves four emissions; the first of them in turn is not always number 0 of the block.
            if index.is_multiple_of(4) || index == 1 {
                endpoint.words = self.network.streams.block(Purpose::Emission as u32, number, index / 4);
            }
            endpoint.words[index as usize % 4]
        };
        let next = self.network.emitted_by(number, index, endpoint.emitted, || endpoint.phase, word);
        let next = next.map(|at| at.max(now));
        let next = next.filter(|&at| at < self.network.until);
        self.calendar.set(Event::Emitted as usize, number as usize, next.unwrap_or(NEVER));
    }

    #[inline(always)]
    fn emitted(&mut self, now: u64, number: usize) {
        let network = self.network;
        let endpoint = &mut self.endpoints[number];
        let index = endpoint.index;
        endpoint.index += 1;
        endpoint.emitted = now;
        endpoint.under_way += 1;
        if network.outstanding.is_some_and(|limit| endpoint.under_way >= limit) {
            // Closed loop: the endpoint plans its next emission when a reply is here.
            self.calendar.set(Event::Emitted as usize, number, NEVER);
        } else {
            self.plan_emission(number as u32, now);
        }
        self.recorder.offered(now);

        let draw = network.draw(number as u32, index);
        let node = network.route(number as u32, index);
        let flight = Flight {
            passage: Passage {
                endpoint: number as u32,
                node: node.unwrap_or(NO_NODE),
                index,
                emitted: now,
                ..Passage::default()
            },
            prepare: draw.prepare,
            work: draw.work,
            up: draw.up,
            reply: draw.reply,
            next: NONE,
        };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.flights[id as usize] = flight;
                id
            }
            None => {
                self.flights.push(flight);
                (self.flights.len() - 1) as u32
            }
        };
        if !network.offloaded {
            self.flights[id as usize].passage.prepared = now;
            self.send_off(now, id);
        } else if self.endpoints[number].queue.push(&mut self.flights, id) {
            self.begin_preparation(now, number);
        }
    }

    /// The request at the head of an endpoint's queue gets the processor, as soon as the quota allows.
    #[inline(always)]
    fn begin_preparation(&mut self, now: u64, number: usize) {
        let endpoint = &mut self.endpoints[number];
        let work = self.flights[endpoint.queue.head as usize].prepare;
        let done = match self.network.endpoint_quota {
            None => {
                endpoint.began = now;
                now + work
            }
            Some(quota) => {
                let quota = quota.with_phase(endpoint.quota_phase);
                endpoint.began = quota.available(&endpoint.budget, now);
                quota.run(&mut endpoint.budget, endpoint.began, work)
            }
        };
        self.calendar.set(Event::Prepared as usize, number, done);
    }

    #[inline(always)]
    fn prepared(&mut self, now: u64, number: usize) {
        let endpoint = &mut self.endpoints[number];
        let id = endpoint.queue.pop(&self.flights);
        let flight = &mut self.flights[id as usize];
        flight.passage.prepared = now;
        self.recorder.busy(Use::Prepare, flight.prepare, endpoint.began, now);
        if endpoint.queue.head == NONE {
            self.calendar.set(Event::Prepared as usize, number, NEVER);
        } else {
            self.begin_preparation(now, number);
        }
        match &self.network.up {
            Some(hop) if is_common(hop) => {
                let due = self.enters_up.push(now, number as u32, id);
                self.calendar.set(Event::EntersUplink as usize, 0, due);
            }
            _ => self.enter_uplink(now, id),
        }
    }

    #[inline(always)]
    fn enter_uplink(&mut self, now: u64, id: u32) {
        let Some(hop) = &self.network.up else { return self.send_off(now, id) };
        let passage = self.flights[id as usize].passage;
        let node = (passage.node != NO_NODE).then_some(passage.node);
        let station = self.network.up_station(hop.scope, passage.endpoint, node);
        let bytes = self.flights[id as usize].up;
        if let Some(due) = self.up.enter(hop, station, &mut self.flights, now, id, bytes) {
            self.calendar.set(Event::Sent as usize, station, due);
        }
    }

    #[inline(always)]
    fn sent(&mut self, now: u64, station: usize) {
        let hop = self.network.up.as_ref().expect("something was sent");
        let (id, due) = self.up.done(hop, station, &self.flights, now, |flight| flight.up);
        self.calendar.set(Event::Sent as usize, station, due);
        self.send_off(now, id);
    }

    /// A message has left its transmitter and travels to the target tier.
    #[inline(always)]
    fn send_off(&mut self, now: u64, id: u32) {
        let flight = &self.flights[id as usize];
        let (endpoint, index) = (flight.passage.endpoint, flight.passage.index);
        let mut due = now;
        if let Some(hop) = &self.network.up {
            due += self.network.delay(hop, Way::Up, endpoint, index, flight.up);
            let connection = self.network.connection(hop.scope, endpoint, flight.passage.node);
            if let Some(last) = self.in_order.get_mut(connection)
                && hop.sharing == Sharing::Fifo
            {
                *last = due.max(*last);
                due = *last;
            }
        }
        let first = self.arrives.push(due, endpoint, id);
        self.calendar.set(Event::Arrived as usize, 0, first);
    }

    #[inline(always)]
    fn arrived(&mut self, now: u64, id: u32) {
        let nodes = &self.nodes;
        let flight = &mut self.flights[id as usize];
        flight.passage.arrived = now;
        if flight.passage.node == NO_NODE {
            let least = (0..nodes.len()).min_by_key(|&i| nodes[i].len()).expect("there is a node");
            flight.passage.node = least as u32;
        }
        let (number, work) = (flight.passage.node as usize, flight.work);
        let flights = &mut self.flights;
        let node = &mut self.nodes[number];
        let admission = node.arrive(now, id, work, &mut |id| flights[id as usize].passage.started = now);
        self.calendar.set(Event::Processed as usize, number, node.next().unwrap_or(NEVER));
        if let Admission::Dropped(lost) = admission {
            self.recorder.dropped(&self.flights[lost as usize].passage, now);
            self.leave(now, lost);
        }
    }

    #[inline(always)]
    fn processed(&mut self, now: u64, id: u32) {
        let flight = &mut self.flights[id as usize];
        flight.passage.processed = now;
        self.recorder.busy(Use::Process, flight.work, flight.passage.started, now);
        match &self.network.down {
            None => self.received(now, id),
            Some(hop) if is_common(hop) => {
                let due = self.enters_down.push(now, flight.passage.node, id);
                self.calendar.set(Event::EntersDownlink as usize, 0, due);
            }
            Some(_) => self.enter_downlink(now, id),
        }
    }

    #[inline(always)]
    fn enter_downlink(&mut self, now: u64, id: u32) {
        let hop = self.network.down.as_ref().expect("replies enter a hop");
        let flight = &self.flights[id as usize];
        let station = self.network.down_station(hop.scope, flight.passage.endpoint, flight.passage.node);
        let bytes = flight.reply;
        if let Some(due) = self.down.enter(hop, station, &mut self.flights, now, id, bytes) {
            self.calendar.set(Event::Returned as usize, station, due);
        }
    }

    #[inline(always)]
    fn returned(&mut self, now: u64, station: usize) {
        let hop = self.network.down.as_ref().expect("something was returned");
        let (id, due) = self.down.done(hop, station, &self.flights, now, |flight| flight.reply);
        self.calendar.set(Event::Returned as usize, station, due);
        let flight = &self.flights[id as usize];
        let (endpoint, index) = (flight.passage.endpoint, flight.passage.index);
        let delay = self.network.delay(hop, Way::Down, endpoint, index, flight.reply);
        let first = self.receives.push(now + delay, endpoint, id);
        self.calendar.set(Event::Received as usize, 0, first);
    }

    #[inline(always)]
    fn received(&mut self, now: u64, id: u32) {
        let flight = &mut self.flights[id as usize];
        flight.passage.received = now;
        self.recorder.completed(&flight.passage);
        self.leave(now, id);
    }

    /// A request is no longer under way.
    #[inline(always)]
    fn leave(&mut self, now: u64, id: u32) {
        let number = self.flights[id as usize].passage.endpoint as usize;
        self.vacant.push(id);
        let endpoint = &mut self.endpoints[number];
        let was_held = self.network.outstanding.is_some_and(|limit| endpoint.under_way == limit);
        endpoint.under_way -= 1;
        if was_held {
            self.plan_emission(number as u32, now);
        }
    }
}
