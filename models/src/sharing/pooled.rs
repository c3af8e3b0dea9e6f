//! Cores that are shared equally and draw from one quota.
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | V, t | virtual time, instants | 2^-32 ns | t below 2^62 ns |
//!
//! **Rounding.** V and the instants of completion are kept in units of 2^-32 ns; V is rounded down at each
//! arrival or departure, instants of completion are rounded up, and reported in whole nanoseconds, rounded up.
//! So a completion is never early, and late by less than 1 ns plus 2^-32 ns times jobs times events. Work that
//! ends as the pool is used up ends at that instant, and not a period later because of the rounding: 2^-12 ns
//! are forgiven there.

use super::jobs::Jobs;
use crate::quota::Quota;

/// Bits behind the point of a nanosecond.
const FRACTION: u32 = 32;
/// A job that lacks less than this when the pool is used up has ended: 2^-12 ns.
const SLACK: u128 = 1 << (FRACTION - 12);

/// What [`super::Shared`] is with a quota.
#[derive(Clone, Debug)]
pub struct Pooled {
    cores: u64,
    pool: Pool,
    /// How far time has been worked out [2^-32 ns].
    now: u128,
    /// Work that a job that was always there has received [2^-32 ns]; zero when the last one leaves.
    served: u128,
    jobs: Jobs<u128>,
}

/// The CPU time that all cores together may use per period.
#[derive(Clone, Copy, Debug)]
struct Pool {
    quota: Quota,
    /// [2^-32 ns]
    period: u128,
    /// Per period [2^-32 ns of CPU time].
    allowance: u128,
    /// First instant after the period that `used` belongs to [2^-32 ns].
    end: u128,
    /// [2^-32 ns of CPU time]
    used: u128,
}

impl Pooled {
    /// `cores` cores that together may use `cores` times the quota's allowance per period.
    pub(super) fn new(cores: u32, quota: Quota) -> Self {
        assert!((1..=1 << 16).contains(&cores), "between 1 and 65536 cores");
        let pool = Pool {
            quota,
            period: u128::from(quota.period_ns()) << FRACTION,
            allowance: (u128::from(cores) * u128::from(quota.allowance_ns())) << FRACTION,
            end: 0,
            used: 0,
        };
        Pooled { cores: u64::from(cores), pool, now: 0, served: 0, jobs: Jobs::new() }
    }

    /// A job named `id` with `work` ns arrives at `now`.
    pub(super) fn arrive(&mut self, now: u64, work: u64, id: u32) {
        assert!(work < 1 << 56 && now < 1 << 62, "work or time out of range");
        self.settle(now);
        self.jobs.arrive(self.served + (u128::from(work) << FRACTION), id);
    }

    /// The next completion, if nothing else arrives before: its instant and the job's name.
    pub(super) fn next(&self) -> Option<(u64, u32)> {
        let next = || self.jobs.first().map(|(end, id)| (whole_up(self.instant_of(end)), id));
        self.jobs.ended().or_else(next)
    }

    /// Takes out the job that [`Pooled::next`] has named, at its instant or later.
    pub(super) fn complete(&mut self, now: u64) -> u32 {
        if self.jobs.ended().is_none() {
            self.settle(now);
        }
        self.jobs.collect(now)
    }

    /// Jobs that have arrived and have not been collected.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Works out everything up to `now`: who has ended, and how much the others have received.
    fn settle(&mut self, now: u64) {
        let until = u128::from(now) << FRACTION;
        assert!(until >= self.now, "time moved back");
        while let Some((end, _)) = self.jobs.first() {
            let instant = self.instant_of(end);
            // The rounded instant counts: a job that ends within the nanosecond before `now` has ended at it.
            if instant > until {
                break;
            }
            self.advance(instant);
            self.served = end;
            self.jobs.end_first(whole_up(instant));
        }
        self.advance(until);
        if self.jobs.running() == 0 {
            self.served = 0;
        }
    }

    /// When virtual time reaches `end`, with the jobs that are here now [2^-32 ns].
    fn instant_of(&self, end: u128) -> u128 {
        let jobs = self.jobs.running() as u64;
        let busy = jobs.min(self.cores);
        let mut work = (end - self.served) * u128::from(jobs);
        let pool = self.pool.at(self.now);
        let available = pool.available(busy, self.now, pool.end);
        if work <= available {
            return self.now + divide_up(work, busy);
        }
        if work <= available + SLACK {
            return self.now + divide_up(available, busy);
        }
        work -= available;
        let per_period = pool.allowance.min(pool.period * u128::from(busy));
        let periods = (work - 1).saturating_sub(SLACK) / per_period;
        pool.end + periods * pool.period + divide_up((work - periods * per_period).min(per_period), busy)
    }

    /// Lets time pass in which nobody arrives or leaves.
    fn advance(&mut self, until: u128) {
        let jobs = self.jobs.running() as u64;
        if jobs > 0 && until > self.now {
            let busy = jobs.min(self.cores);
            let mut pool = self.pool.at(self.now);
            let mut work = pool.available(busy, self.now, until.min(pool.end));
            pool.used += work;
            if until > pool.end {
                let periods = (until - pool.end) / pool.period;
                work += periods * pool.allowance.min(pool.period * u128::from(busy));
                let start = pool.end + periods * pool.period;
                (pool.end, pool.used) = (start + pool.period, 0);
                pool.used = pool.available(busy, start, until);
                work += pool.used;
            }
            self.pool = pool;
            self.served += divide(work, jobs);
        }
        self.now = until;
    }
}

impl Pool {
    /// The pool as it stands at `now`.
    fn at(self, now: u128) -> Self {
        if now < self.end {
            return self;
        }
        let end = self.quota.end_of_period((now >> FRACTION) as u64);
        Pool { end: u128::from(end) << FRACTION, used: 0, ..self }
    }

    /// What `busy` cores can use between two instants of the current period.
    fn available(&self, busy: u64, from: u128, to: u128) -> u128 {
        (self.allowance - self.used).min((to - from) * u128::from(busy))
    }
}

/// Rounded down. Long division is slow, and most numbers are short.
#[inline]
fn divide(a: u128, b: u64) -> u128 {
    match u64::try_from(a) {
        _ if b == 1 => a,
        Ok(a) => u128::from(a / b),
        Err(_) => a / u128::from(b),
    }
}

/// Rounded up.
#[inline]
fn divide_up(a: u128, b: u64) -> u128 {
    divide(a + u128::from(b - 1), b)
}

/// The first whole nanosecond from an instant on.
#[inline]
fn whole_up(instant: u128) -> u64 {
    ((instant + ((1 << FRACTION) - 1)) >> FRACTION) as u64
}
