//! Processor sharing in whole numbers: jobs that run together share `cores` equally, each at most one core.
//!
//! With `n` jobs each advances at `min(1, cores / n)`. Virtual time advances at that rate, so a job is done when
//! virtual time has grown by its work, whatever the others do (Kleinrock 1976; virtual time as in Demers,
//! Keshav and Shenker 1989). One core is a link whose messages share its rate.
//!
//! Virtual time counts 2^-20 ns and is rounded down; a job is done at the first whole nanosecond at which its
//! work is. So a completion is late by less than 1 ns plus 2^-20 ns per change in the number of jobs, and never
//! early. Jobs that are done together leave in order of arrival.
//!
//! With a quota, all cores together have `cores * allowance` of CPU time per period, as the kernel gives to a
//! control group: jobs run until it is used up, and then wait for the next period.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Quota;

const FRACTION: u32 = 20;

/// Jobs that share cores.
#[derive(Clone, Debug)]
pub struct Shared {
    cores: u64,
    quota: Option<Quota>,
    /// Virtual instant of completion, turn of arrival, id.
    jobs: BinaryHeap<Reverse<(u128, u64, u32)>>,
    turn: u64,
    /// Everything is accounted for up to here [ns].
    now: u64,
    virtual_now: u128,
    /// Number of the quota period, and CPU time used in it by all cores [ns].
    used: (u64, u64),
}

impl Shared {
    /// `cores` that may be used without limit.
    pub fn new(cores: u32) -> Self {
        assert!(cores > 0, "somebody has to do the work");
        Shared {
            cores: u64::from(cores),
            quota: None,
            jobs: BinaryHeap::new(),
            turn: 0,
            now: 0,
            virtual_now: 0,
            used: (0, 0),
        }
    }

    /// `cores` of which the quota allows a part.
    pub fn with_quota(cores: u32, quota: Quota) -> Self {
        let limits = quota.allowance_ns() < quota.period_ns();
        Shared { quota: limits.then_some(quota), ..Self::new(cores) }
    }

    /// Jobs that are running.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether no job is running.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Cores in use.
    fn running(&self) -> u64 {
        self.cores.min(self.jobs.len() as u64)
    }

    /// A job with `work` ns of CPU time starts.
    pub fn arrive(&mut self, now: u64, work: u64, id: u32) {
        self.advance(now);
        self.turn += 1;
        self.jobs.push(Reverse((self.virtual_now + (u128::from(work) << FRACTION), self.turn, id)));
    }

    /// The next completion: when, and which job.
    pub fn next(&self) -> Option<(u64, u32)> {
        let Reverse((done, _, id)) = *self.jobs.peek()?;
        let left = done.saturating_sub(self.virtual_now);
        let n = self.jobs.len() as u128;
        let active = (left * n).div_ceil(u128::from(self.running()) << FRACTION) as u64;
        Some((self.after_running(active), id))
    }

    /// The next completion happens at `now`, the instant that [`Self::next`] gave. Returns its job.
    pub fn complete(&mut self, now: u64) -> u32 {
        self.advance(now);
        let Reverse((done, _, id)) = self.jobs.pop().expect("a job is running");
        debug_assert!(done <= self.virtual_now, "the job is done");
        if self.jobs.is_empty() {
            self.virtual_now = 0;
        }
        id
    }

    fn advance(&mut self, now: u64) {
        debug_assert!(self.now <= now, "time does not move back");
        let running = self.running();
        if running > 0 {
            let active = self.run_until(now, running);
            let n = self.jobs.len() as u128;
            self.virtual_now += (u128::from(active) << FRACTION) * u128::from(running) / n;
        }
        self.now = now;
    }

    /// How long jobs run in the rest of this period, and in a full one; and how much of this one has passed.
    fn allowed(&self, quota: Quota, running: u64) -> (u64, u64, u64, u64) {
        let (period, passed) = quota.locate(self.now);
        let pool = self.cores * quota.allowance_ns();
        let used = if self.used.0 == period { self.used.1 } else { 0 };
        let here = ((pool - used) / running).min(quota.period_ns() - passed);
        (period, passed, here, (pool / running).min(quota.period_ns()))
    }

    /// The instant at which the jobs will have run for `active` ns from now.
    fn after_running(&self, active: u64) -> u64 {
        let Some(quota) = self.quota else { return self.now + active };
        let (_, passed, here, full) = self.allowed(quota, self.running());
        if active <= here {
            return self.now + active;
        }
        let left = active - here;
        let periods = (left - 1) / full;
        self.now + quota.period_ns() * (1 + periods) - passed + (left - periods * full)
    }

    /// How long the jobs run until `now`; notes what they use of the quota.
    fn run_until(&mut self, now: u64, running: u64) -> u64 {
        let Some(quota) = self.quota else { return now - self.now };
        let (period, passed, here, full) = self.allowed(quota, running);
        let next = self.now + quota.period_ns() - passed;
        if now < next {
            let active = here.min(now - self.now);
            let used = if self.used.0 == period { self.used.1 } else { 0 };
            self.used = (period, used + active * running);
            return active;
        }
        let periods = (now - next) / quota.period_ns();
        let last = full.min((now - next) % quota.period_ns());
        self.used = (period + 1 + periods, last * running);
        here + periods * full + last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Completions of jobs given as (arrival, work), as (job, instant) in order.
    fn run(mut shared: Shared, jobs: &[(u64, u64)]) -> Vec<(u32, u64)> {
        let mut done = Vec::new();
        for (id, &(arrival, work)) in jobs.iter().enumerate() {
            while let Some((at, _)) = shared.next().filter(|next| next.0 <= arrival) {
                done.push((shared.complete(at), at));
            }
            shared.arrive(arrival, work, id as u32);
        }
        while let Some((at, _)) = shared.next() {
            done.push((shared.complete(at), at));
        }
        done
    }

    /// DSLab's tests of fair sharing, one resource of 100 units/s; here 1 unit is 10 ms of work.
    #[test]
    fn fair_sharing_gives_the_values_of_dslab() {
        const UNIT: u64 = 10_000_000;
        const S: u64 = 1_000_000_000;
        let link = || Shared::new(1);
        assert_eq!(run(link(), &[(0, 150 * UNIT), (0, 300 * UNIT)]), [(0, 3 * S), (1, 9 * S / 2)]);
        assert_eq!(run(link(), &[(0, 200 * UNIT), (S, 200 * UNIT)]), [(0, 3 * S), (1, 4 * S)]);
        assert_eq!(run(link(), &[(0, 500 * UNIT), (S, 100 * UNIT)]), [(1, 3 * S), (0, 6 * S)]);
    }

    /// SimGrid's tests of CPU sharing: 0.5 each on one core; 0.6667 each for three tasks on two cores.
    #[test]
    fn equal_tasks_share_cores_as_in_simgrid() {
        assert_eq!(run(Shared::new(1), &[(0, 1000), (0, 1000)]), [(0, 2000), (1, 2000)]);
        let three = run(Shared::new(2), &[(0, 1000), (0, 1000), (0, 1000)]);
        assert_eq!(three, [(0, 1500), (1, 1500), (2, 1500)]);
    }

    /// SimGrid: work of 10 s alone, capped at 50 % and 33 %, takes 20 and 30 s (rounded); two such tasks
    /// capped at 25 % on a core each take 40 s.
    #[test]
    fn capped_tasks_take_as_long_as_in_simgrid() {
        const S: u64 = 1_000_000_000;
        let capped = |cores, percent: u64| Shared::with_quota(cores, Quota::new(100_000_000, percent * 1_000_000));
        for (percent, seconds) in [(50, 20.0), (33, 30.0)] {
            let done = run(capped(1, percent), &[(0, 10 * S)])[0].1 as f64 / 1e9;
            assert!((done - seconds).abs() < 0.35, "{done}");
        }
        for (_, done) in run(capped(2, 25), &[(0, 10 * S), (0, 10 * S)]) {
            assert!((done as f64 / 1e9 - 40.0).abs() < 0.1);
        }
    }

    #[test]
    fn a_quota_for_more_jobs_than_cores_is_used_up_by_all_cores_together() {
        // Two cores, 30 of 100 each: three jobs use 2 ns of CPU time per ns, so the pool of 60 lasts 30.
        let shared = Shared::with_quota(2, Quota::new(100, 30));
        // Each job needs 30: it gets 20 in the first period, 10 in the second after 15.
        assert_eq!(run(shared, &[(0, 30), (0, 30), (0, 30)]), [(0, 115), (1, 115), (2, 115)]);
    }

    /// The same in floating point, job by job.
    fn slowly(cores: f64, jobs: &[(u64, u64)]) -> Vec<f64> {
        let mut left: Vec<f64> = jobs.iter().map(|job| job.1 as f64).collect();
        let mut done = vec![f64::NAN; jobs.len()];
        let mut now = 0.0;
        loop {
            let active: Vec<usize> =
                (0..jobs.len()).filter(|&i| jobs[i].0 as f64 <= now && done[i].is_nan()).collect();
            let arrival = jobs.iter().map(|job| job.0 as f64).filter(|&at| at > now).fold(f64::MAX, f64::min);
            let rate = (cores / active.len() as f64).min(1.0);
            let end = active.iter().map(|&i| now + left[i] / rate).fold(f64::MAX, f64::min);
            let next = end.min(arrival);
            if next == f64::MAX {
                return done;
            }
            for &i in &active {
                left[i] -= (next - now) * rate;
                if left[i] < 1e-6 {
                    done[i] = next;
                }
            }
            now = next;
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_stay_within_a_nanosecond_per_job_of_real_ones(
            cores in 1u32..5,
            gaps in prop::collection::vec((0u64..2_000, 1u64..5_000), 1..30),
        ) {
            let mut at = 0;
            let jobs: Vec<(u64, u64)> = gaps.iter().map(|&(gap, work)| { at += gap; (at, work) }).collect();
            let exact = slowly(f64::from(cores), &jobs);
            for (id, done) in run(Shared::new(cores), &jobs) {
                let error = done as f64 - exact[id as usize];
                prop_assert!(error.abs() <= 1.0 + jobs.len() as f64, "job {}: {} late", id, error);
            }
        }

        #[test]
        fn a_quota_of_one_job_is_the_quota_of_a_worker(
            allowance in 1u64..100, work in 1u64..1_000, start in 0u64..500,
        ) {
            let quota = Quota::new(100, allowance);
            let alone = quota.run(&mut crate::Budget::default(), start, work);
            prop_assert_eq!(run(Shared::with_quota(1, quota), &[(start, work)]), [(0, alone)]);
        }
    }
}
