//! CPU time under the kernel's bandwidth control (CFS): a worker may run for `allowance` in each `period`.
//!
//! - The allowance is refilled at every period boundary; what is left over is lost.
//! - A worker that has used it up waits for the next boundary. One that finishes at that very instant has
//!   finished.
//!
//! Source: P. Turner, B. Rao, N. Rao, CPU bandwidth control for CFS, Linux Symposium 2010, and
//! Documentation/scheduler/sched-bwc.rst of the kernel. Left out: slices of 5 ms by which the kernel hands the
//! allowance to its run queues, and burst.

/// The rule for one worker on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    period: u64,
    allowance: u64,
    phase: u64,
}

/// What a worker has used of its allowance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Number of the period in which it ran last.
    period: u64,
    /// CPU time used in that period [ns].
    used: u64,
}

impl Quota {
    /// `allowance` of each `period` [ns]; both greater than zero, the allowance at most the period.
    pub fn new(period: u64, allowance: u64) -> Self {
        assert!(0 < allowance && allowance <= period, "an allowance is a part of its period");
        Quota { period, allowance, phase: 0 }
    }

    /// The same rule with a period that starts at `phase` [ns], less than the period.
    pub fn with_phase(self, phase: u64) -> Self {
        Quota { phase: phase % self.period, ..self }
    }

    /// Length of a period [ns].
    pub fn period_ns(&self) -> u64 {
        self.period
    }

    /// CPU time per period [ns].
    pub fn allowance_ns(&self) -> u64 {
        self.allowance
    }

    /// Number of the period at `instant`, and how much of it has passed.
    pub(crate) fn locate(&self, instant: u64) -> (u64, u64) {
        let shifted = instant + self.period - self.phase;
        (shifted / self.period, shifted % self.period)
    }

    /// The first instant at or after `now` at which a worker with this budget can run.
    pub fn available(&self, budget: &Budget, now: u64) -> u64 {
        let (period, passed) = self.locate(now);
        let is_spent = self.allowance < self.period && budget.period == period && budget.used >= self.allowance;
        if is_spent { now + self.period - passed } else { now }
    }

    /// Runs `work` ns of CPU time from `start` on; returns the instant at which it is done.
    pub fn run(&self, budget: &mut Budget, start: u64, work: u64) -> u64 {
        if self.allowance == self.period || work == 0 {
            return start + work;
        }
        let (period, passed) = self.locate(start);
        let used = if budget.period == period { budget.used } else { 0 };
        let here = (self.allowance - used).min(self.period - passed);
        if work <= here {
            *budget = Budget { period, used: used + work };
            return start + work;
        }
        let left = work - here;
        let full = (left - 1) / self.allowance;
        let rest = left - full * self.allowance;
        *budget = Budget { period: period + 1 + full, used: rest };
        start + self.period * (1 + full) - passed + rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn half_a_core_takes_125_ms_of_work_in_225_ms() {
        // 50 ms of work, 50 ms of waiting, 50, 50, and the last 25 ms.
        let quota = Quota::new(100 * MS, 50 * MS);
        let mut budget = Budget::default();
        assert_eq!(quota.run(&mut budget, 0, 125 * MS), 225 * MS);
        // 25 ms are left in this period: the next 30 ms of work wait for the period at 300 ms.
        assert_eq!(quota.run(&mut budget, 225 * MS, 30 * MS), 305 * MS);
    }

    #[test]
    fn a_worker_that_has_used_its_allowance_is_available_at_the_next_boundary() {
        let quota = Quota::new(100, 30).with_phase(40);
        let mut budget = Budget::default();
        assert_eq!(quota.run(&mut budget, 50, 30), 80);
        assert_eq!(quota.available(&budget, 80), 140);
        assert_eq!(quota.available(&budget, 140), 140);
    }

    /// Tick by tick.
    fn slowly(quota: &Quota, used: &mut (u64, u64), start: u64, work: u64) -> u64 {
        let (mut now, mut done) = (start, 0);
        while done < work {
            let period = (now + quota.period - quota.phase) / quota.period;
            if used.0 != period {
                *used = (period, 0);
            }
            if used.1 < quota.allowance {
                used.1 += 1;
                done += 1;
            }
            now += 1;
        }
        now
    }

    proptest! {
        #[test]
        fn equals_a_clock_that_ticks(
            period in 1u64..40, share in 1u64..40, phase in 0u64..40,
            requests in prop::collection::vec((0u64..60, 1u64..90), 1..20),
        ) {
            let quota = Quota::new(period, share.min(period)).with_phase(phase % period);
            let (mut budget, mut used, mut now) = (Budget::default(), (0, 0), 0);
            for (gap, work) in requests {
                let start = quota.available(&budget, now + gap);
                let done = quota.run(&mut budget, start, work);
                prop_assert_eq!(done, slowly(&quota, &mut used, now + gap, work));
                now = done;
            }
        }
    }
}
