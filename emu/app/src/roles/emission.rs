//! Emitting frames at the intended instants, and learning what became of them.
//!
//! Open loop: when a frame is due depends on nothing but the configuration. An endpoint that falls behind makes its
//! frames later, but they stay due when they were due, and their latency counts from then: nothing is omitted.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use offing_core::Parts;

use super::chance::instants;
use super::clock::{Stop, exact_timers, now, sleep_until};
use super::reply::Reply;
use crate::protocol::{Arrivals, Counts, Lateness, Outcome, Request, Schedule, Stamps};

/// How often waiting for replies looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// What an endpoint learns while it emits.
pub enum Event {
    /// A frame was handed to its socket.
    Sent {
        /// Which.
        index: u64,
        /// When [ns].
        at: u64,
    },
    /// A reply has arrived.
    Reply {
        /// What it says.
        reply: Reply,
        /// When [ns].
        at: u64,
    },
    /// Something went wrong.
    Trouble(String),
}

/// When frames are due.
pub struct Emission<'a> {
    /// When the run is.
    pub schedule: &'a Schedule,
    /// When frames are due in it.
    pub arrivals: &'a Arrivals,
    /// Of all that is drawn.
    pub seed: u64,
    /// Whose frames.
    pub endpoint: u32,
}

/// All requests of an endpoint.
#[derive(Default)]
pub struct Requests {
    /// In order of index.
    pub all: Vec<Request>,
    /// How well emissions were kept.
    pub lateness: Lateness,
    /// What went wrong, repetitions left out.
    pub troubles: Vec<String>,
    /// Handed over, and nothing heard of.
    open: usize,
}

impl Requests {
    /// Makes each frame when it is due, or as soon as the one before is made; `make` hands it over and fills in what
    /// it knows. Ends with the schedule, or when told to stop.
    pub fn emit(&mut self, emission: &Emission<'_>, stop: &Stop, mut make: impl FnMut(&mut Request)) {
        exact_timers();
        let Schedule { start_at_ns: start, emit_for_ns, drain_ns } = *emission.schedule;
        let end = start.saturating_add(emit_for_ns).saturating_add(drain_ns);
        let mut late = Vec::new();
        let due = instants(emission.arrivals, emission.seed, emission.endpoint);
        for (index, emitted_ns) in (0..).zip(due.take_while(|due| *due < emit_for_ns)) {
            let intended_ns = start + emitted_ns;
            let idle = now() < intended_ns;
            if !sleep_until(intended_ns, stop) {
                break;
            }
            let mut request = Request {
                index,
                node: 0,
                worker: None,
                emitted_ns,
                outcome: Outcome::Lost,
                parts: None,
                stamps: Stamps { intended_ns, ..Stamps::default() },
                frame_bytes: 0,
                prepare_cpu_ns: None,
                process_cpu_ns: None,
                class: None,
            };
            let begin = now();
            if idle {
                late.push(begin - intended_ns);
            }
            // What is so late would not come back in time; it was due all the same.
            if begin < end {
                make(&mut request);
                self.open += 1;
            }
            self.all.push(request);
        }
        self.lateness = lateness(late);
    }

    /// Waits until something was heard of every request, at most until the schedule is over.
    pub fn settle(&mut self, inbox: &Receiver<Event>, schedule: &Schedule, stop: &Stop) {
        let end = schedule.start_at_ns.saturating_add(schedule.emit_for_ns).saturating_add(schedule.drain_ns);
        while self.open > 0 && !stop.told() {
            let left = Duration::from_nanos(end.saturating_sub(now()));
            match inbox.recv_timeout(left.min(LOOK)) {
                Ok(event) => self.learn(event),
                Err(_) if left.is_zero() => break,
                Err(_) => {}
            }
        }
        inbox.try_iter().for_each(|event| self.learn(event));
    }

    fn learn(&mut self, event: Event) {
        match event {
            Event::Trouble(trouble) => {
                if self.troubles.last() != Some(&trouble) {
                    self.troubles.push(trouble);
                }
            }
            Event::Sent { index, at } => {
                if let Some(request) = self.all.get_mut(index as usize) {
                    request.stamps.sent_ns = Some(at);
                }
            }
            Event::Reply { reply, at } => {
                // With "at least once" a reply may come twice: the first counts.
                if let Some(request) = self.all.get_mut(reply.index as usize)
                    && request.outcome == Outcome::Lost
                {
                    self.open -= 1;
                    request.outcome = reply.outcome;
                    request.stamps.received_ns = Some(reply.received);
                    request.stamps.replied_ns = Some(reply.replied);
                    request.stamps.returned_ns = Some(at);
                    if let Some(work) = reply.work {
                        request.worker = Some(work.worker);
                        request.stamps.process_start_ns = Some(work.start);
                        request.stamps.process_end_ns = Some(work.end);
                        request.process_cpu_ns = Some(work.cpu);
                        request.class = work.class;
                    }
                }
            }
        }
    }

    /// What became of them.
    pub fn counts(&self) -> Counts {
        let with = |outcome| self.all.iter().filter(|request| request.outcome == outcome).count() as u64;
        Counts {
            emitted: self.all.len() as u64,
            done: with(Outcome::Done),
            dropped: with(Outcome::Dropped),
            failed: with(Outcome::Failed),
            lost: with(Outcome::Lost),
        }
    }
}

/// The parts of a request whose target's clock is `offset` ahead of ours [ns], and whether a stamp had to be moved so
/// that none is negative. Nothing if a step is missing.
pub fn parts(stamps: &Stamps, offset: i64) -> Option<(Parts, bool)> {
    let ours = |stamp: u64| stamp.saturating_add_signed(offset.saturating_neg());
    let (first, last) = (stamps.prepare_end_ns?, stamps.returned_ns?);
    let moved = [stamps.received_ns?, stamps.process_start_ns?, stamps.process_end_ns?].map(ours);
    let [received, start, end] = moved.map(|stamp| stamp.clamp(first, last));
    let parts = Parts {
        prepare: first - stamps.intended_ns,
        uplink: received - first,
        queue: start - received,
        process: end - start,
        downlink: last - end,
    };
    Some((parts, moved != [received, start, end]))
}

fn lateness(mut late: Vec<u64>) -> Lateness {
    late.sort_unstable();
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).copied().unwrap_or_default();
    Lateness {
        count: late.len() as u64,
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        max_ns: late.last().copied().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::clock::thread_cpu;
    use crate::roles::reply::Worked;

    const STAMPS: Stamps = Stamps {
        intended_ns: 100,
        prepare_start_ns: Some(110),
        prepare_end_ns: Some(150),
        sent_ns: None,
        received_ns: Some(1_200),
        process_start_ns: Some(1_230),
        process_end_ns: Some(1_330),
        replied_ns: Some(1_331),
        returned_ns: Some(390),
    };

    #[test]
    fn parts_lie_between_the_stamps_and_add_up() {
        let (parts, adjusted) = parts(&STAMPS, 1_000).expect("nothing is missing");
        assert_eq!(parts, Parts { prepare: 50, uplink: 50, queue: 30, process: 100, downlink: 60 });
        assert_eq!(parts.latency(), 390 - 100);
        assert!(!adjusted);
    }

    #[test]
    fn no_part_is_negative_when_the_offset_is_a_little_wrong() {
        for offset in [940, 1_060, 0, 5_000, i64::MIN, i64::MAX] {
            let (parts, adjusted) = parts(&STAMPS, offset).expect("nothing is missing");
            assert_eq!(parts.latency(), 290);
            assert_eq!(adjusted, !(940..=1_050).contains(&offset), "{offset}");
        }
    }

    /// The work of all roles on a request that would not be done if nothing was measured.
    #[test]
    fn instrumentation_costs_less_than_a_hundredth_of_a_core_at_a_hundred_requests_per_second() {
        const REQUESTS: u64 = 5_000;
        let schedule = Schedule { start_at_ns: 0, emit_for_ns: REQUESTS, drain_ns: u64::MAX / 4 };
        let arrivals = Arrivals::Periodic { period_ns: 1, phase_ns: 0 };
        let emission = Emission { schedule: &schedule, arrivals: &arrivals, seed: 1, endpoint: 0 };
        let (events, inbox) = std::sync::mpsc::channel();
        let begin = thread_cpu();
        let mut requests = Requests::default();
        requests.emit(&emission, &Stop::default(), |request| {
            request.stamps.prepare_start_ns = Some(now());
            request.prepare_cpu_ns = Some(thread_cpu());
            request.stamps.prepare_end_ns = Some(now());
            let sent = Event::Sent { index: request.index, at: now() };
            let received = now();
            let (start, cpu) = (now(), thread_cpu());
            let work = Worked { worker: 0, start, cpu: thread_cpu() - cpu, end: now(), class: None };
            let reply = Reply {
                endpoint: 0,
                index: request.index,
                outcome: Outcome::Done,
                received,
                replied: now(),
                work: Some(work),
            };
            let reply = Reply::decode(&reply.encode(0)).expect("it is one");
            for event in [sent, Event::Reply { reply, at: now() }] {
                events.send(event).expect("we listen");
            }
        });
        requests.settle(&inbox, &schedule, &Stop::default());
        for request in &mut requests.all {
            request.parts = parts(&request.stamps, 0).map(|(parts, _)| parts);
        }
        let report = serde_json::to_string(&requests.all).expect("it can be written");
        let per_request_ns = (thread_cpu() - begin) / REQUESTS;
        assert_eq!(requests.counts().done, REQUESTS);
        assert!(report.len() > 100 * REQUESTS as usize);
        assert!(per_request_ns < 100_000, "{per_request_ns} ns per request");
    }

    #[test]
    fn a_request_without_a_reply_has_no_parts() {
        assert_eq!(parts(&Stamps { returned_ns: None, ..STAMPS }, 0), None);
    }
}
