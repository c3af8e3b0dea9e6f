//! CPU time under a quota, as the kernel's CFS bandwidth control grants it.
//!
//! In every period a worker may use its allowance; then it is throttled until the next period begins. What it
//! leaves unused is lost. Work that takes `w` alone, begun in a fresh period, ends after
//!
//! ```text
//! ceil(w/a - 1) T + w - a ceil(w/a - 1)      [ns],   a = quota T
//! ```
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | T | period | ns | 100 ms unless configured (data/compute.toml) |
//! | a | allowance per period | ns | 1 to T |
//! | w | CPU time of the work | ns | 0 to 2^51 |
//!
//! The model is one worker on one core. Left out: the 5 ms slices in which the kernel hands the allowance to
//! its processors (a throttled worker can overrun or lose up to one), hierarchy of groups, bursts
//! (`cpu.max.burst`), and the time that throttling itself takes.
//!
//! Source: P. Turner, B. B. Rao, N. Rao, CPU bandwidth control for CFS, Linux Symposium 2010; Linux
//! Documentation/scheduler/sched-bwc.rst.

/// Periods and what they allow. The same for all workers that are limited alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    period_ns: u64,
    allowance_ns: u64,
    phase_ns: u64,
}

/// What one worker has used of its current period. The default is an untouched one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// First instant after the period that `used` belongs to [ns].
    end: u64,
    /// CPU time used in that period [ns].
    used: u64,
}

impl Quota {
    /// `share` of every period of `period_ns`, in (0, 1], to the nearest nanosecond but at least one. Periods
    /// begin at `phase_ns` and every `period_ns` before and after it.
    pub fn new(share: f64, period_ns: u64, phase_ns: u64) -> Self {
        assert!(share > 0.0 && share <= 1.0, "a quota is a share of a core");
        assert!(period_ns > 0, "a period has a length");
        let allowance_ns = (libm::round(share * period_ns as f64) as u64).clamp(1, period_ns);
        Quota { period_ns, allowance_ns, phase_ns: phase_ns % period_ns }
    }

    /// The same with periods that begin at `phase_ns`.
    pub fn with_phase(self, phase_ns: u64) -> Self {
        Quota { phase_ns: phase_ns % self.period_ns, ..self }
    }

    /// Length of a period [ns].
    pub fn period_ns(&self) -> u64 {
        self.period_ns
    }

    /// CPU time per period [ns].
    pub fn allowance_ns(&self) -> u64 {
        self.allowance_ns
    }

    /// Whether it does not limit at all.
    pub fn is_whole(&self) -> bool {
        self.allowance_ns == self.period_ns
    }

    /// The instant at which `work` ns of CPU time are done that are begun at `start`; with a quota of 1 it is
    /// `start + work`. Work that ends as the allowance does ends at that instant; no work takes no time.
    ///
    /// Calls with one budget are in order of time: `start` is not before the end of the call before.
    #[inline(always)]
    pub fn run(&self, budget: &mut Budget, start: u64, work: u64) -> u64 {
        if start >= budget.end {
            *budget = Budget { end: self.end_of_period(start), used: 0 };
        }
        let available = (self.allowance_ns - budget.used).min(budget.end - start);
        if work <= available {
            budget.used += work;
            return start + work;
        }
        let rest = work - available;
        let throttled_periods = (rest - 1) / self.allowance_ns;
        let last_start = budget.end + throttled_periods * self.period_ns;
        budget.used = rest - throttled_periods * self.allowance_ns;
        budget.end = last_start + self.period_ns;
        last_start + budget.used
    }

    /// The first instant from `now` on at which the worker may run.
    #[inline(always)]
    pub fn available(&self, budget: &Budget, now: u64) -> u64 {
        if now < budget.end && budget.used >= self.allowance_ns { budget.end } else { now }
    }

    /// The first period boundary after `instant`.
    #[inline(always)]
    pub fn end_of_period(&self, instant: u64) -> u64 {
        // Shifted so that boundaries are multiples of the period.
        let shift = if self.phase_ns == 0 { 0 } else { self.period_ns - self.phase_ns };
        ((instant + shift) / self.period_ns + 1) * self.period_ns - shift
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn half_a_core_gives_fifty_milliseconds_of_every_hundred() {
        let quota = Quota::new(0.5, 100 * MS, 0);
        let mut budget = Budget::default();
        // 130 ms: 50 in the first period, 50 in the second, 30 in the third.
        assert_eq!(quota.run(&mut budget, 0, 130 * MS), 230 * MS);
        // 20 ms are left in the third period; 10 more of 30 come in the fourth.
        assert_eq!(quota.run(&mut budget, 240 * MS, 30 * MS), 310 * MS);
        assert_eq!(quota.available(&budget, 310 * MS), 310 * MS);
        assert_eq!(quota.run(&mut budget, 310 * MS, 40 * MS), 350 * MS);
        // The allowance is used up: it waits for the fifth.
        assert_eq!(quota.available(&budget, 351 * MS), 400 * MS);
        assert_eq!(quota.run(&mut budget, 351 * MS, 1), 400 * MS + 1);
        // What a period leaves unused is lost: 10 ms until 1100, 50 until 1150, the last 10 from 1200.
        assert_eq!(quota.run(&mut budget, 1_090 * MS, 70 * MS), 1_210 * MS);
    }

    #[test]
    fn a_phase_moves_the_boundaries() {
        let quota = Quota::new(0.5, 100, 30);
        let mut budget = Budget::default();
        // The boundaries are at 30, 130, 230; the first 30 ns of the run are the end of a fresh period.
        assert_eq!(quota.end_of_period(0), 30);
        assert_eq!(quota.end_of_period(30), 130);
        assert_eq!(quota.run(&mut budget, 0, 90), 140);
    }

    #[test]
    fn published_task_capped_by_a_quota() {
        // SimGrid: 10 s of work take 20 s at 50 % and 30 s at 33 % (rounded there). Here the work ends in the
        // middle of the 200th period, and 100 ns into the 301st for an allowance of 33 333 333 ns.
        let end = |share| Quota::new(share, 100 * MS, 0).run(&mut Budget::default(), 0, 10_000 * MS);
        assert_eq!(end(0.5), 19_950 * MS);
        assert_eq!(end(1.0 / 3.0), 30_000 * MS + 100);
        // Two such tasks, each capped at 25 % of its own core: 40 s.
        assert_eq!(end(0.25), 39_925 * MS);
    }

    /// The definition, a nanosecond at a time.
    fn slowly(quota: Quota, uses: &mut (u64, u64), start: u64, work: u64) -> u64 {
        let number = |t: u64| (t + quota.period_ns - quota.phase_ns) / quota.period_ns;
        let (mut now, mut left) = (start, work);
        while left > 0 {
            if number(now) != uses.0 {
                *uses = (number(now), 0);
            }
            if uses.1 < quota.allowance_ns {
                uses.1 += 1;
                left -= 1;
            }
            now += 1;
        }
        now
    }

    proptest! {
        #[test]
        fn equals_its_definition_step_by_step(
            period in 1..60_u64, share in 0.01..1.0_f64, phase in 0..60_u64,
            jobs in prop::collection::vec((0..90_u64, 0..200_u64), 1..12),
        ) {
            let quota = Quota::new(share, period, phase);
            let (mut budget, mut uses, mut now) = (Budget::default(), (u64::MAX, 0), 0);
            for (idle, work) in jobs {
                let start = now + idle;
                let ready = quota.available(&budget, start);
                let mut copy = budget;
                prop_assert_eq!(quota.run(&mut copy, start, 1), ready + 1);
                now = quota.run(&mut budget, start, work);
                prop_assert_eq!(now, slowly(quota, &mut uses, start, work));
            }
        }

        #[test]
        fn a_whole_core_is_no_limit(
            period in 1..u64::from(u32::MAX), phase: u32,
            jobs in prop::collection::vec((0..u64::from(u32::MAX), 0..1_u64 << 40), 1..12),
        ) {
            let quota = Quota::new(1.0, period, u64::from(phase));
            let (mut budget, mut now) = (Budget::default(), 0);
            for (idle, work) in jobs {
                let start = now + idle;
                prop_assert_eq!(quota.available(&budget, start), start);
                now = quota.run(&mut budget, start, work);
                prop_assert_eq!(now, start + work);
            }
        }

        #[test]
        fn never_earlier_than_the_work_alone_and_never_later_than_its_share(
            share in 0.05..1.0_f64, start in 0..1_u64 << 40, work in 1..1_u64 << 40,
        ) {
            let quota = Quota::new(share, 100 * MS, 0);
            let end = quota.run(&mut Budget::default(), start, work);
            prop_assert!(end >= start + work);
            let fair = work as f64 / quota.allowance_ns as f64 * quota.period_ns as f64;
            prop_assert!((end - start) as f64 <= fair + 2.0 * quota.period_ns as f64);
        }
    }
}
