//! W1 as the event loop of the textbooks: `std::collections::BinaryHeap` and draws by `rand_distr`.
//!
//! Written with ordinary care (requests in a slab, small events, a queue is indices), not tuned.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use peers::{Case, LATENCY_S, Request, Statistics, chance};

fn main() {
    let case = Case::from_arguments();
    let mut chance = chance(case.seed, 0);
    let mut calendar = Calendar::default();
    let mut requests = Requests::default();
    let mut statistics = Statistics::new();
    let mut prepare = vec![Station::new(1); case.endpoints];
    let mut uplink = vec![Station::new(1); case.endpoints];
    let mut node = Station::new(case.servers);
    let mut downlink = vec![Station::new(1); case.endpoints];

    for endpoint in 0..case.endpoints as u32 {
        calendar.schedule(case.gap.sample(&mut chance), Event::Emitted, endpoint);
    }
    while let Some((now, event, id)) = calendar.pop() {
        let index = id as usize;
        match event {
            Event::Emitted => {
                if now >= case.until_s {
                    continue;
                }
                calendar.schedule(now + case.gap.sample(&mut chance), Event::Emitted, id);
                let request =
                    requests.insert(Request { endpoint: index, emitted: now, ..Request::default() });
                if let Some(next) = prepare[index].arrive(request) {
                    calendar.schedule(now + case.prepare.sample(&mut chance), Event::Prepared, next);
                }
            }
            Event::Prepared => {
                let request = &mut requests.slab[index];
                request.prepared = now;
                if let Some(next) = prepare[request.endpoint].finish() {
                    calendar.schedule(now + case.prepare.sample(&mut chance), Event::Prepared, next);
                }
                if let Some(next) = uplink[request.endpoint].arrive(id) {
                    calendar.schedule(now + case.uplink.sample(&mut chance), Event::Sent, next);
                }
            }
            Event::Sent => {
                if let Some(next) = uplink[requests.slab[index].endpoint].finish() {
                    calendar.schedule(now + case.uplink.sample(&mut chance), Event::Sent, next);
                }
                calendar.schedule(now + LATENCY_S, Event::Arrived, id);
            }
            Event::Arrived => {
                requests.slab[index].arrived = now;
                if let Some(next) = node.arrive(id) {
                    requests.slab[next as usize].started = now;
                    calendar.schedule(now + case.process.sample(&mut chance), Event::Processed, next);
                }
            }
            Event::Processed => {
                requests.slab[index].processed = now;
                if let Some(next) = node.finish() {
                    requests.slab[next as usize].started = now;
                    calendar.schedule(now + case.process.sample(&mut chance), Event::Processed, next);
                }
                if let Some(next) = downlink[requests.slab[index].endpoint].arrive(id) {
                    calendar.schedule(now + case.downlink.sample(&mut chance), Event::Returned, next);
                }
            }
            Event::Returned => {
                if let Some(next) = downlink[requests.slab[index].endpoint].finish() {
                    calendar.schedule(now + case.downlink.sample(&mut chance), Event::Returned, next);
                }
                calendar.schedule(now + LATENCY_S, Event::Received, id);
            }
            Event::Received => {
                statistics.receive(&requests.slab[index], now);
                requests.unused.push(id);
            }
        }
    }
    statistics.print();
}

/// What happens to a request; to an endpoint in the case of `Emitted`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Emitted,
    Prepared,
    Sent,
    Arrived,
    Processed,
    Returned,
    Received,
}

/// Events to come, in order of time and, at the same time, of scheduling.
#[derive(Default)]
struct Calendar {
    /// Time as bits (floats that are not negative order like their bits), sequence number, event, id.
    heap: BinaryHeap<Reverse<(u64, u64, Event, u32)>>,
    sequence: u64,
}

impl Calendar {
    fn schedule(&mut self, at: f64, event: Event, id: u32) {
        self.heap.push(Reverse((at.to_bits(), self.sequence, event, id)));
        self.sequence += 1;
    }

    fn pop(&mut self) -> Option<(f64, Event, u32)> {
        let Reverse((at, _, event, id)) = self.heap.pop()?;
        Some((f64::from_bits(at), event, id))
    }
}

/// Requests under way, by an id that is used again.
#[derive(Default)]
struct Requests {
    slab: Vec<Request>,
    unused: Vec<u32>,
}

impl Requests {
    fn insert(&mut self, request: Request) -> u32 {
        if let Some(id) = self.unused.pop() {
            self.slab[id as usize] = request;
            return id;
        }
        self.slab.push(request);
        self.slab.len() as u32 - 1
    }
}

/// First come, first served by a number of like servers.
#[derive(Clone)]
struct Station {
    waiting: VecDeque<u32>,
    idle: usize,
}

impl Station {
    fn new(servers: usize) -> Self {
        Station { waiting: VecDeque::new(), idle: servers }
    }

    /// The request that starts now, if a server is idle.
    fn arrive(&mut self, id: u32) -> Option<u32> {
        if self.idle == 0 {
            self.waiting.push_back(id);
            return None;
        }
        self.idle -= 1;
        Some(id)
    }

    /// The request that starts now, if one waits.
    fn finish(&mut self) -> Option<u32> {
        let next = self.waiting.pop_front();
        self.idle += usize::from(next.is_none());
        next
    }
}
