//! Cores that are shared equally, without a quota.
//!
//! Everything is told from the last arrival, at a whole nanosecond: `offset` is how far time has gone since [ns], by
//! the completions since then. With n jobs there
//!
//! ```text
//! slowness = max(1, n (1/c))                          1/c is rounded once
//! next     = offset + max(0, end - V) slowness        the completion of the job that ends first
//! arrival  : V <- V + (t - offset) / slowness         t: how long after the last arrival; then offset <- 0
//! departure: V <- end, offset <- next
//! ```
//!
//! These are operations of `f64` that vectors of every processor have, with the same bits, and there is one division
//! per arrival. `sim/src/lanes/sharing.rs` does the same for many deployments at once; what is changed here is to be
//! changed there.
//!
//! **Rounding.** Instants of completion are reported in whole nanoseconds, rounded up, where [`TOLERANCE_NS`] is
//! forgiven: what ends at a whole nanosecond but for the rounding ends there. So a completion is early by at most that,
//! and late by less than 1 ns, and by what V has lost: it starts at 0 with every busy time, and has 53 bits (2^-15 ns
//! after five minutes without a pause, 2^-10 ns after three hours).

use super::jobs::Jobs;

/// A job that lacks less than this at a whole nanosecond has ended [ns].
pub const TOLERANCE_NS: f64 = 1.0 / 1024.0;

/// A sum with it has no room for a fraction.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// What [`super::Shared`] is without a quota.
#[derive(Clone, Debug)]
pub struct Equal {
    /// One over the number of cores.
    per_core: f64,
    /// The last arrival [ns].
    at: u64,
    /// From the last arrival to the last completion after it [ns].
    offset: f64,
    /// Virtual time: work that a job that was always there has received [ns].
    served: f64,
    /// Their ends are told as bits, which for these numbers are in their order.
    jobs: Jobs<u64>,
}

impl Equal {
    /// `cores` cores, at least one.
    pub(super) fn new(cores: u32) -> Self {
        assert!((1..=1 << 16).contains(&cores), "between 1 and 65536 cores");
        Equal { per_core: f64::from(cores).recip(), at: 0, offset: 0.0, served: 0.0, jobs: Jobs::new() }
    }

    pub(super) fn arrive(&mut self, now: u64, work: u64, id: u32) {
        assert!(work < 1 << 53 && now < 1 << 62, "work or time out of range");
        self.settle(now);
        self.served = if self.jobs.running() == 0 {
            0.0
        } else {
            self.served + ((now - self.at) as f64 - self.offset) / self.slowness()
        };
        (self.at, self.offset) = (now, 0.0);
        self.jobs.arrive((self.served + work as f64).to_bits(), id);
    }

    pub(super) fn next(&self) -> Option<(u64, u32)> {
        let next =
            || self.jobs.first().map(|(end, id)| (self.whole(self.offset_of(f64::from_bits(end))), id));
        self.jobs.ended().or_else(next)
    }

    pub(super) fn complete(&mut self, now: u64) -> u32 {
        if self.jobs.ended().is_none() {
            self.settle(now);
        }
        self.jobs.collect(now)
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Lets those jobs end that do so up to `now`.
    fn settle(&mut self, now: u64) {
        assert!(now >= self.at, "time moved back");
        while let Some((end, _)) = self.jobs.first() {
            let end = f64::from_bits(end);
            let offset = self.offset_of(end);
            let instant = self.whole(offset);
            if instant > now {
                break;
            }
            (self.served, self.offset) = (end, offset);
            self.jobs.end_first(instant);
        }
    }

    /// How many times longer work takes than alone.
    fn slowness(&self) -> f64 {
        (self.jobs.running() as f64 * self.per_core).max(1.0)
    }

    /// How long after the last arrival virtual time reaches `end` with the jobs that are here now [ns].
    fn offset_of(&self, end: f64) -> f64 {
        self.offset + (end - self.served).max(0.0) * self.slowness()
    }

    /// The first whole nanosecond from an instant on.
    fn whole(&self, offset: f64) -> u64 {
        self.at + round_up(offset - TOLERANCE_NS) as u64
    }
}

/// The next whole number, for numbers that are not negative, or hardly so. `f64::ceil` is a call where processors are
/// not known to have it.
fn round_up(x: f64) -> f64 {
    if x >= TWO_52 {
        return x;
    }
    let nearest = (x + TWO_52) - TWO_52;
    if nearest < x { nearest + 1.0 } else { nearest }
}
