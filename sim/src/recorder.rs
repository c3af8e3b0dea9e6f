//! Turns what an engine sees into the record of a run. Both engines report the same facts here, so their
//! records are equal when their requests are.

use offing_core::{Completed, Counts, Parts, Recording, Request};

use crate::network::Network;

/// The instants of a request [ns], in the order in which they pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    pub endpoint: u32,
    pub node: u32,
    pub index: u64,
    pub emitted: u64,
    pub prepared: u64,
    pub arrived: u64,
    pub started: u64,
    pub processed: u64,
    pub received: u64,
}

/// Who hears of every single request, if anybody does.
pub(crate) type Observer<'a> = Option<&'a mut dyn FnMut(Request)>;

/// Parts below this many ns may be recorded in bulk.
pub(crate) const BULK: u64 = 1 << 48;

pub(crate) struct Recorder<'a> {
    pub recording: Recording,
    pub counts: Counts,
    busy: [u128; 2],
    pub from: u64,
    pub until: u64,
    pub deadline: u64,
    columns: Completed,
    observer: Observer<'a>,
}

/// What a run adds up to.
pub(crate) struct Tally {
    pub recording: Recording,
    pub counts: Counts,
    /// CPU time within the observed span, of preparation and of processing [ns].
    pub busy: [u128; 2],
}

/// Whose CPU time it is.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    Prepare = 0,
    Process = 1,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(network: &Network, observer: Observer<'a>) -> Self {
        Recorder {
            recording: Recording::new(network.from, network.until),
            counts: Counts::default(),
            busy: [0; 2],
            from: network.from,
            until: network.until,
            deadline: network.deadline,
            columns: Completed::default(),
            observer,
        }
    }

    #[inline(always)]
    pub(crate) fn observes(&self, instant: u64) -> bool {
        self.from <= instant && instant < self.until
    }

    /// A request was emitted.
    #[inline(always)]
    pub(crate) fn offered(&mut self, emitted: u64) {
        self.counts.offered += u64::from(self.observes(emitted));
    }

    /// `work` ns of CPU time were used between two instants; what lies outside the observed span does not
    /// count, in proportion.
    #[inline(always)]
    pub(crate) fn busy(&mut self, whose: Use, work: u64, start: u64, end: u64) {
        if self.from <= start && end <= self.until {
            self.busy[whose as usize] += u128::from(work);
        } else {
            let inside = end.min(self.until).saturating_sub(start.max(self.from));
            if inside > 0 {
                self.busy[whose as usize] += u128::from(work) * u128::from(inside) / u128::from(end - start);
            }
        }
    }

    /// CPU time that lies within the observed span [ns].
    #[inline(always)]
    pub(crate) fn add_busy(&mut self, whose: Use, work: u64) {
        self.busy[whose as usize] += u128::from(work);
    }

    /// A request has come back.
    #[inline(always)]
    pub(crate) fn completed(&mut self, p: &Passage) {
        self.counts.returned += u64::from(self.observes(p.received));
        if self.observer.is_some() {
            self.tell(p, Some(parts(p)));
        }
        if !self.observes(p.emitted) {
            return;
        }
        let latency = p.received - p.emitted;
        self.counts.completed += 1;
        self.counts.late += u64::from(latency > self.deadline);
        if latency >= BULK {
            self.recording.record(p.emitted, &parts(p));
        } else if self.columns.push(p.emitted, &parts(p)) {
            self.recording.record_all(&mut self.columns);
        }
    }

    /// A request was lost at a full queue.
    #[cold]
    pub(crate) fn dropped(&mut self, p: &Passage, now: u64) {
        self.counts.refused += u64::from(self.observes(now));
        self.counts.dropped += u64::from(self.observes(p.emitted));
        self.tell(p, None);
    }

    #[cold]
    fn tell(&mut self, p: &Passage, parts: Option<Parts>) {
        if let Some(observer) = &mut self.observer {
            observer(Request {
                emitted: p.emitted,
                endpoint: p.endpoint,
                index: p.index,
                node: p.node,
                parts,
            });
        }
    }

    pub(crate) fn finish(mut self) -> Tally {
        self.recording.record_all(&mut self.columns);
        let Recorder { recording, mut counts, busy, .. } = self;
        counts.unfinished = counts.offered - counts.completed - counts.dropped;
        Tally { recording, counts, busy }
    }
}

#[inline(always)]
fn parts(p: &Passage) -> Parts {
    Parts {
        prepare: p.prepared - p.emitted,
        uplink: p.arrived - p.prepared,
        queue: p.started - p.arrived,
        process: p.processed - p.started,
        downlink: p.received - p.processed,
    }
}
