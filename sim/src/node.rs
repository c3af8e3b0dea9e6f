//! A target node as a state machine: one queue, some worker processes, the processors they share.
//!
//! It knows nothing of links or of an event list: its owner tells it of arrivals, asks when it will change by
//! itself, and calls [`Node::advance`] at that instant. The event engine drives all nodes from one calendar;
//! the station engine drives each by itself where its closed recursion does not apply.
//!
//! Requests that become ready at the same instant are served in the order in which they came; a completion
//! at an instant happens before an arrival at that instant.

use std::collections::VecDeque;
use std::hint::select_unpredictable;

use offing_core::Drop;
use offing_models::{Budget, Quota, Shared};

/// What a node is, the same for all nodes of a tier.
#[derive(Clone, Debug)]
pub(crate) struct NodeSpec {
    pub workers: u32,
    pub cores: u32,
    /// Nothing where the whole core may be used.
    pub quota: Option<Quota>,
    /// Whether the workers draw from one quota for all cores, rather than each from that of a core.
    pub is_pool: bool,
    /// How many requests may wait; nothing means any number.
    pub limit: Option<u32>,
    pub drop: Drop,
}

impl NodeSpec {
    /// Workers that never wait for each other or for a quota.
    pub(crate) fn is_plain(&self) -> bool {
        self.workers <= self.cores && self.quota.is_none()
    }
}

/// What became of a request that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is in service or waits.
    Accepted,
    /// The queue was full, and this request (perhaps another one) is lost.
    Dropped(u32),
}

/// A worker that is done with its last request, and when it may take the next.
#[derive(Clone, Copy, Debug)]
struct Idle {
    available: u64,
    budget: Budget,
}

/// A request in service on a worker of its own.
#[derive(Clone, Copy, Debug)]
struct Running {
    done: u64,
    id: u32,
    budget: Budget,
}

/// The processors under the workers.
enum Processors {
    /// A core for each worker and no quota, so that all idle workers are alike. `running` holds instant and
    /// request, first done last, ties as they came; it is short, so its order costs less than a heap's.
    Plain { idle: u32, running: Vec<(u64, u32)> },
    /// A core for each worker. `idle` ascends by `available`, `running` by `done`, ties as they came.
    Own { idle: VecDeque<Idle>, running: VecDeque<Running> },
    /// More workers than cores: all requests in service share the cores.
    Common { cores: Shared, workers: usize },
}

pub(crate) struct Node {
    waiting: VecDeque<(u32, u64)>,
    limit: usize,
    drop: Drop,
    quota: Option<Quota>,
    processors: Processors,
}

impl Node {
    /// An idle node whose quota period starts at `phase` [ns].
    pub(crate) fn new(spec: &NodeSpec, phase: u64) -> Self {
        let quota = spec.quota.map(|quota| quota.with_phase(phase));
        let workers = spec.workers as usize;
        let processors = if spec.is_plain() {
            Processors::Plain { idle: spec.workers, running: Vec::with_capacity(workers) }
        } else if spec.workers <= spec.cores && !spec.is_pool {
            let idle = Idle { available: 0, budget: Budget::default() };
            Processors::Own { idle: vec![idle; workers].into(), running: VecDeque::with_capacity(workers) }
        } else {
            let cores = match quota {
                Some(quota) => Shared::with_quota(spec.cores, quota),
                None => Shared::new(spec.cores),
            };
            Processors::Common { cores, workers }
        };
        Node {
            waiting: VecDeque::new(),
            limit: spec.limit.map_or(usize::MAX, |limit| limit as usize),
            drop: spec.drop,
            quota,
            processors,
        }
    }

    /// Requests waiting or in service.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
            + match &self.processors {
                Processors::Plain { running, .. } => running.len(),
                Processors::Own { running, .. } => running.len(),
                Processors::Common { cores, .. } => cores.len(),
            }
    }

    /// Request `id` with `work` [CPU ns] arrives; `started` hears which requests begin service now.
    #[inline(always)]
    pub(crate) fn arrive(
        &mut self,
        now: u64,
        id: u32,
        work: u64,
        started: &mut (impl FnMut(u32) + ?Sized),
    ) -> Admission {
        if let Processors::Plain { idle, running } = &mut self.processors
            && *idle > 0
        {
            *idle -= 1;
            begin(running, now + work, id);
            started(id);
            return Admission::Accepted;
        }
        self.waiting.push_back((id, work));
        self.start_waiting(now, started);
        if self.waiting.len() <= self.limit {
            return Admission::Accepted;
        }
        let lost = match self.drop {
            Drop::Newest => self.waiting.pop_back(),
            Drop::Oldest => self.waiting.pop_front(),
        };
        Admission::Dropped(lost.expect("more requests wait than the limit").0)
    }

    /// When the node changes next without an arrival.
    #[inline(always)]
    pub(crate) fn next(&self) -> Option<u64> {
        match &self.processors {
            Processors::Plain { running, .. } => running.last().map(|&(done, _)| done),
            Processors::Own { idle, running } => {
                let done = running.front().map(|r| r.done);
                let rested = idle.front().filter(|_| !self.waiting.is_empty()).map(|i| i.available);
                match (done, rested) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                }
            }
            Processors::Common { cores, .. } => cores.next().map(|(done, _)| done),
        }
    }

    /// Lets the change at `now` happen, which is what [`Self::next`] said. Returns the request that is done,
    /// if one is; otherwise a rested worker has taken a request.
    #[inline(always)]
    pub(crate) fn advance(&mut self, now: u64, started: &mut (impl FnMut(u32) + ?Sized)) -> Option<u32> {
        let done = match &mut self.processors {
            Processors::Plain { idle, running } => {
                let (_, done) = running.pop().expect("a request is done");
                match self.waiting.pop_front() {
                    Some((id, work)) => {
                        begin(running, now + work, id);
                        started(id);
                    }
                    None => *idle += 1,
                }
                return Some(done);
            }
            Processors::Own { idle, running } => {
                if running.front().is_some_and(|r| r.done == now) {
                    let r = running.pop_front().expect("there is a first");
                    let available = self.quota.map_or(now, |quota| quota.available(&r.budget, now));
                    let place = idle.partition_point(|other| other.available <= available);
                    idle.insert(place, Idle { available, budget: r.budget });
                    Some(r.id)
                } else {
                    None
                }
            }
            Processors::Common { cores, .. } => Some(cores.complete(now)),
        };
        self.start_waiting(now, started);
        done
    }

    #[inline(never)]
    fn start_waiting(&mut self, now: u64, started: &mut (impl FnMut(u32) + ?Sized)) {
        while let Some(&(id, work)) = self.waiting.front() {
            match &mut self.processors {
                // Whoever waits here finds all workers busy.
                Processors::Plain { .. } => return,
                Processors::Own { idle, running } => {
                    if idle.front().is_none_or(|worker| worker.available > now) {
                        return;
                    }
                    let Idle { mut budget, .. } = idle.pop_front().expect("there is a first");
                    let done = self.quota.map_or(now + work, |quota| quota.run(&mut budget, now, work));
                    let place = running.partition_point(|other| other.done <= done);
                    running.insert(place, Running { done, id, budget });
                }
                Processors::Common { cores, workers } => {
                    if cores.len() == *workers {
                        return;
                    }
                    cores.arrive(now, work, id);
                }
            }
            self.waiting.pop_front();
            started(id);
        }
    }
}

/// A plain worker begins a request that is done at `done`.
#[inline(always)]
fn begin(running: &mut Vec<(u64, u32)>, done: u64, id: u32) {
    if running.len() > 16 {
        let later = running.partition_point(|other| other.0 > done);
        return running.insert(later, (done, id));
    }
    // Every place is looked at, since where the search ends cannot be predicted.
    let mut carried = (done, id);
    for place in running.iter_mut() {
        let (stays, other) = (place.0 > carried.0, *place);
        *place = select_unpredictable(stays, other, carried);
        carried = select_unpredictable(stays, carried, other);
    }
    running.push(carried);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(workers: u32, cores: u32) -> NodeSpec {
        NodeSpec { workers, cores, quota: None, is_pool: false, limit: None, drop: Drop::Newest }
    }

    /// Runs requests given as (arrival, work) and returns (id, start, end) in order of completion.
    fn run(spec: &NodeSpec, requests: &[(u64, u64)]) -> (Vec<(u32, u64, u64)>, Vec<u32>) {
        let mut node = Node::new(spec, 0);
        let mut starts = vec![0; requests.len()];
        let (mut done, mut dropped) = (Vec::new(), Vec::new());
        let mut arrivals = requests.iter().enumerate().peekable();
        loop {
            let arrival = arrivals.peek().map(|(_, (at, _))| *at);
            match (node.next(), arrival) {
                (Some(now), at) if at.is_none_or(|at| now <= at) => {
                    let mut begun = Vec::new();
                    if let Some(id) = node.advance(now, &mut |id| begun.push(id)) {
                        done.push((id, starts[id as usize], now));
                    }
                    begun.into_iter().for_each(|id| starts[id as usize] = now);
                }
                (_, Some(now)) => {
                    let (id, &(_, work)) = arrivals.next().expect("there is one");
                    let mut begun = Vec::new();
                    if let Admission::Dropped(id) =
                        node.arrive(now, id as u32, work, &mut |id| begun.push(id))
                    {
                        dropped.push(id);
                    }
                    begun.into_iter().for_each(|id| starts[id as usize] = now);
                }
                (Some(_), None) => unreachable!("the first arm takes it"),
                (None, None) => return (done, dropped),
            }
        }
    }

    #[test]
    fn two_workers_serve_three_requests_in_order_of_arrival() {
        let (done, _) = run(&spec(2, 2), &[(0, 10), (1, 3), (2, 5)]);
        assert_eq!(done, [(1, 1, 4), (2, 4, 9), (0, 0, 10)]);
    }

    #[test]
    fn a_full_queue_loses_the_newest_or_the_oldest() {
        let limited = |drop| NodeSpec { limit: Some(1), drop, ..spec(1, 1) };
        let requests = [(0, 10), (1, 1), (2, 1), (10, 1)];
        // At 10 the first request is done before the last one arrives, so there is room.
        assert_eq!(run(&limited(Drop::Newest), &requests).1, [2]);
        assert_eq!(run(&limited(Drop::Oldest), &requests).1, [1]);
    }

    #[test]
    fn four_workers_on_one_core_share_it() {
        // Two requests of 100 at once on one core: each runs at half speed.
        let (done, _) = run(&spec(4, 1), &[(0, 100), (0, 100)]);
        assert_eq!(done, [(0, 0, 200), (1, 0, 200)]);
    }
}
