//! Jobs on shared cores: those that run, by their ends in virtual time, and those that have ended and wait to be collected.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Jobs whose ends are told as `E`.
#[derive(Clone, Debug)]
pub(super) struct Jobs<E> {
    /// Virtual instant of the end, number of arrival, name.
    running: BinaryHeap<Reverse<(E, u64, u32)>>,
    /// In order of their ends: instant [ns], name.
    ended: VecDeque<(u64, u32)>,
    arrivals: u64,
}

impl<E: Copy + Ord> Jobs<E> {
    pub(super) fn new() -> Self {
        Jobs { running: BinaryHeap::new(), ended: VecDeque::new(), arrivals: 0 }
    }

    pub(super) fn arrive(&mut self, end: E, id: u32) {
        self.running.push(Reverse((end, self.arrivals, id)));
        self.arrivals += 1;
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Running, or not yet collected.
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.ended.len()
    }

    /// The running job that ends first: when, and its name.
    pub(super) fn first(&self) -> Option<(E, u32)> {
        self.running.peek().map(|&Reverse((end, _, id))| (end, id))
    }

    /// The first running job has ended, at `instant` [ns].
    pub(super) fn end_first(&mut self, instant: u64) {
        let Reverse((_, _, id)) = self.running.pop().expect("a job runs");
        self.ended.push_back((instant, id));
    }

    /// The first of those that have ended.
    pub(super) fn ended(&self) -> Option<(u64, u32)> {
        self.ended.front().copied()
    }

    /// Takes it out.
    ///
    /// # Panics
    /// If none has ended by `now`.
    pub(super) fn collect(&mut self, now: u64) -> u32 {
        let (instant, id) = self.ended.pop_front().expect("a job has ended");
        assert!(instant <= now, "a job is collected after its end");
        id
    }
}
