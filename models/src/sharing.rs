//! Processor sharing: all jobs progress at once, each at the same speed and on at most one core.
//!
//! It is what the kernel does with more runnable processes than cores, and (with one core) what a fair link does
//! with the messages that are on it together. With `n` jobs on `c` cores every job progresses at
//!
//! ```text
//! dV/dt = min(1, c/n)        [ns of work per ns]
//! ```
//!
//! Virtual time V is the same for all, so a job that arrives at V with work w ends at V + w whatever happens
//! after: its place in the order is fixed when it arrives, and no remaining work is ever updated.
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | c | cores | 1 | 1 to 2^16 |
//! | n | jobs | 1 | below 2^32 |
//! | w | work of a job, alone on a core | ns | below 2^53 |
//!
//! With a quota, the cores draw from one pool of `c a` per period T, as a control group does: when the pool is
//! used up, all jobs stand still until the next period begins (see `quota`).
//!
//! `equal` is cores without a quota, in numbers that vectors have too; `pooled` is cores with one.
//!
//! **Ties.** Jobs that end at the same instant leave in the order in which they arrived.
//!
//! Left out: weights and nested groups (shares that differ between jobs), caps on single jobs, the cost of
//! switching, the granularity of time slices (1 to 10 ms in Linux), and max-min sharing over several links.
//! Source: L. Kleinrock, Queueing Systems, vol. 2, 1976, section 4.4; virtual time: A. Demers, S. Keshav,
//! S. Shenker, Analysis and simulation of a fair queueing algorithm, SIGCOMM 1989.

mod equal;
mod jobs;
mod pooled;

pub use equal::{Equal, TOLERANCE_NS};
use pooled::Pooled;

use crate::quota::Quota;

/// Cores, or a link, that several jobs share equally.
///
/// Calls are in order of time. A completion may be collected late: jobs leave at their own instants all the
/// same, so the result does not depend on whether an arrival or a completion at one instant is told first.
#[derive(Clone, Debug)]
pub enum Shared {
    /// Without a quota.
    Equal(Equal),
    /// With a quota for all together.
    Pooled(Pooled),
}

impl Shared {
    /// `cores` cores, at least one, without a quota.
    pub fn new(cores: u32) -> Self {
        Shared::Equal(Equal::new(cores))
    }

    /// `cores` cores that together may use `cores` times the quota's allowance per period.
    pub fn with_quota(cores: u32, quota: Quota) -> Self {
        if quota.is_whole() { Self::new(cores) } else { Shared::Pooled(Pooled::new(cores, quota)) }
    }

    /// A job named `id` with `work` ns arrives at `now` [ns].
    ///
    /// # Panics
    /// If work or time is out of range.
    pub fn arrive(&mut self, now: u64, work: u64, id: u32) {
        match self {
            Shared::Equal(cores) => cores.arrive(now, work, id),
            Shared::Pooled(cores) => cores.arrive(now, work, id),
        }
    }

    /// The next completion, if nothing else arrives before: its instant [ns] and the job's name.
    pub fn next(&self) -> Option<(u64, u32)> {
        match self {
            Shared::Equal(cores) => cores.next(),
            Shared::Pooled(cores) => cores.next(),
        }
    }

    /// Takes out the job that [`Shared::next`] has named, at its instant or later.
    ///
    /// # Panics
    /// If no job has ended by `now`.
    pub fn complete(&mut self, now: u64) -> u32 {
        match self {
            Shared::Equal(cores) => cores.complete(now),
            Shared::Pooled(cores) => cores.complete(now),
        }
    }

    /// Jobs that have arrived and have not been collected.
    pub fn len(&self) -> usize {
        match self {
            Shared::Equal(cores) => cores.len(),
            Shared::Pooled(cores) => cores.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use offing_core::Distribution;
    use proptest::prelude::*;

    use super::*;
    use crate::sampling::Sampler;

    const S: u64 = 1_000_000_000;

    /// Ends of jobs given as (arrival, work), in the order given.
    fn ends(mut shared: Shared, jobs: &[(u64, u64)]) -> Vec<u64> {
        let mut ends = vec![0; jobs.len()];
        let mut collect = |shared: &mut Shared, until: u64| {
            while let Some((instant, id)) = shared.next().filter(|&(instant, _)| instant <= until) {
                assert_eq!(shared.complete(instant), id);
                ends[id as usize] = instant;
            }
        };
        for (id, &(arrival, work)) in jobs.iter().enumerate() {
            collect(&mut shared, arrival);
            shared.arrive(arrival, work, id as u32);
        }
        collect(&mut shared, u64::MAX);
        assert!(shared.is_empty());
        ends
    }

    #[test]
    fn two_equal_jobs_on_one_core_take_twice_as_long() {
        assert_eq!(ends(Shared::new(1), &[(0, 100), (0, 100)]), [200, 200]);
        // Alone for 50, together for 100 (50 each), alone again for 50.
        assert_eq!(ends(Shared::new(1), &[(0, 100), (50, 100)]), [150, 200]);
    }

    #[test]
    fn published_fair_sharing_of_one_resource() {
        // DSLab, 100 units/s: volumes 150 and 300; 200 and a second later 200; 500 and a second later 100.
        let unit = S / 100;
        assert_eq!(ends(Shared::new(1), &[(0, 150 * unit), (0, 300 * unit)]), [3 * S, 4 * S + S / 2]);
        assert_eq!(ends(Shared::new(1), &[(0, 200 * unit), (S, 200 * unit)]), [3 * S, 4 * S]);
        assert_eq!(ends(Shared::new(1), &[(0, 500 * unit), (S, 100 * unit)]), [6 * S, 3 * S]);
    }

    #[test]
    fn published_sharing_of_cores() {
        // SimGrid: two equal tasks on 1 core get 0.5 each; three on 2 cores 0.6667 each.
        assert_eq!(ends(Shared::new(1), &[(0, S); 2]), [2 * S; 2]);
        assert_eq!(ends(Shared::new(2), &[(0, 2 * S); 3]), [3 * S; 3]);
        // A job never runs on more than one core.
        assert_eq!(ends(Shared::new(8), &[(0, S); 3]), [S; 3]);
        // SimGrid: work of 10 s capped at 50 % and 33 %: 20 s and 30 s; two in a group that may use 50 %, that is
        // 25 % each: 40 s. Rounded there; here the last period ends with the work in it.
        let half = Shared::with_quota(1, Quota::new(0.5, S / 10, 0));
        assert_eq!(ends(half.clone(), &[(0, 10 * S)]), [19 * S + 950_000_000]);
        assert_eq!(ends(half, &[(0, 10 * S); 2]), [39 * S + 950_000_000; 2]);
        let third = Shared::with_quota(1, Quota::new(1.0 / 3.0, S / 10, 0));
        assert_eq!(ends(third, &[(0, 10 * S)]), [30 * S + 100]);
    }

    #[test]
    fn groups_inside_groups_are_not_told_apart() {
        // SimGrid: a group of two beside one task on 1 core gets 0.25, 0.25 and 0.5. Shares that differ between
        // jobs cannot be said here, so each of the three gets a third: known and left out.
        assert_eq!(ends(Shared::new(1), &[(0, S); 3]), [3 * S; 3]);
    }

    #[test]
    fn a_pool_that_is_used_up_stops_all_jobs_until_the_next_period() {
        // Four cores, half of each: 200 ms of CPU time per 100 ms. Four jobs of 75 ms use it up after 50 ms and
        // need 100 ms more from 100 ms on, on four cores.
        let ms = 1_000_000;
        let shared = Shared::with_quota(4, Quota::new(0.5, 100 * ms, 0));
        assert_eq!(ends(shared.clone(), &[(0, 75 * ms); 4]), [125 * ms; 4]);
        // Two jobs never use it up.
        assert_eq!(ends(shared, &[(0, 350 * ms); 2]), [350 * ms; 2]);
    }

    #[test]
    fn work_that_ends_as_the_pool_does_ends_there() {
        // 4120 ns of work in all, 40 ns per period of 177 ns that began at -106: 103 periods. The nine virtual
        // ends divide by 9, 8, 7, so none of them can be written exactly.
        let works = [119, 192, 516, 564, 768, 669, 820, 13, 459];
        let jobs: Vec<(u64, u64)> = works.iter().map(|&work| (0, work)).collect();
        let end =
            *ends(Shared::with_quota(2, Quota::new(20.0 / 177.0, 177, 71)), &jobs).iter().max().unwrap();
        // The longest job outlives the second by 52 ns, so it is alone in the last period and needs 40 ns there.
        assert_eq!(end, 71 + 101 * 177 + 40);
    }

    #[test]
    fn jobs_that_end_together_leave_as_they_came() {
        let mut shared = Shared::new(2);
        for id in [7, 3, 9, 1] {
            shared.arrive(5, 10, id);
        }
        let order: Vec<u32> = std::iter::from_fn(|| {
            let (instant, _) = shared.next()?;
            assert_eq!(instant, 25);
            Some(shared.complete(instant))
        })
        .collect();
        assert_eq!(order, [7, 3, 9, 1]);
    }

    #[test]
    fn an_arrival_told_before_a_completion_at_the_same_instant_changes_nothing() {
        let mut shared = Shared::new(1);
        shared.arrive(0, 100, 0);
        shared.arrive(100, 50, 1);
        assert_eq!(shared.next(), Some((100, 0)));
        assert_eq!(shared.len(), 2);
        shared.complete(100);
        assert_eq!(shared.next(), Some((150, 1)));
    }

    #[test]
    fn days_of_overload_do_not_overflow() {
        // A thousand jobs of 3 hours each on one core: 125 days.
        let hours = 3 * 3600 * S;
        assert_eq!(ends(Shared::new(1), &vec![(0, hours); 1000]), vec![1000 * hours; 1000]);
    }

    /// A generator for these tests: SplitMix64 (Steele, Lea, Flood 2014).
    fn words(mut state: u64) -> impl FnMut() -> u32 {
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 32) as u32
        }
    }

    #[test]
    fn mean_response_depends_on_the_mean_of_the_work_only() {
        // M/G/1-PS: S/(1 - rho). Rates 3 and 5 give 0.5 s, 4 and 5 give 1 s, 3 and 6 give 1/3 s.
        for (arrivals, services, expected) in [(3.0, 5.0, 0.5), (4.0, 5.0, 1.0), (3.0, 6.0, 1.0 / 3.0)] {
            let mean = 1.0 / services;
            for work in [
                Distribution::Constant(mean),
                Distribution::Exponential { mean },
                Distribution::Lognormal { mean, cv: 1.5 },
            ] {
                let (gap, sampler) = (Sampler::poisson_gap(arrivals), Sampler::new(&work, 1e9));
                let mut word = words(1);
                let mut now = 0;
                let jobs: Vec<(u64, u64)> = (0..200_000)
                    .map(|_| {
                        now += gap.sample(word());
                        (now, sampler.sample(word()))
                    })
                    .collect();
                let sum: u64 =
                    ends(Shared::new(1), &jobs).iter().zip(&jobs).map(|(end, (start, _))| end - start).sum();
                let response = sum as f64 / 1e9 / jobs.len() as f64;
                // Three standard deviations at load 0.8.
                assert!((response / expected - 1.0).abs() < 0.04, "{work:?}: {response}, not {expected}");
            }
        }
    }

    /// The definition in `f64`: the work left of every job is updated at every event.
    fn slowly(cores: usize, pool: Option<(f64, f64, f64)>, jobs: &[(u64, u64)]) -> Vec<f64> {
        let mut left: Vec<f64> = jobs.iter().map(|&(_, work)| work as f64).collect();
        let mut ends = vec![f64::NAN; jobs.len()];
        let (mut now, mut arrived, mut used) = (0.0, 0, 0.0);
        let (period, allowance, phase) = pool.unwrap_or((f64::INFINITY, f64::INFINITY, 0.0));
        let mut boundary = if phase > 0.0 { phase } else { period };
        loop {
            let here: Vec<usize> = (0..arrived).filter(|&i| ends[i].is_nan()).collect();
            if here.is_empty() && arrived == jobs.len() {
                return ends;
            }
            let busy = here.len().min(cores) as f64;
            let throttled = used >= allowance - 1e-9;
            let rate = if throttled || here.is_empty() { 0.0 } else { busy / here.len() as f64 };
            let shortest = here.iter().map(|&i| left[i]).fold(f64::INFINITY, f64::min);
            let mut step = boundary - now;
            if arrived < jobs.len() {
                step = step.min(jobs[arrived].0 as f64 - now);
            }
            if rate > 0.0 {
                step = step.min(shortest / rate).min((allowance - used) / busy);
            }
            now += step;
            for &i in &here {
                left[i] -= step * rate;
                if left[i] <= 1e-6 {
                    ends[i] = now;
                }
            }
            used += step * rate * here.len() as f64;
            if now >= boundary {
                (boundary, used) = (boundary + period, 0.0);
            }
            while arrived < jobs.len() && jobs[arrived].0 as f64 <= now {
                if left[arrived] <= 1e-6 {
                    ends[arrived] = now;
                }
                arrived += 1;
            }
        }
    }

    fn arbitrary_jobs() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0..400_u64, 0..1000_u64), 1..60).prop_map(|jobs| {
            let mut now = 0;
            jobs.into_iter()
                .map(|(gap, work)| {
                    now += gap;
                    (now, work)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn equals_the_definition_within_two_nanoseconds(cores in 1..5_u32, jobs in arbitrary_jobs()) {
            for (end, slow) in ends(Shared::new(cores), &jobs).iter().zip(slowly(cores as usize, None, &jobs)) {
                prop_assert!(*end as f64 > slow - 0.001 && (*end as f64) < slow + 1.001, "{} {}", end, slow);
            }
        }

        #[test]
        fn with_a_quota_too(
            cores in 1..5_u32, period in 100..500_u64, share in 0.1..1.0_f64, phase in 0..100_u64,
            jobs in arbitrary_jobs(),
        ) {
            let quota = Quota::new(share, period, phase);
            let pool = (period as f64, (u64::from(cores) * quota.allowance_ns()) as f64, phase as f64);
            let shared = Shared::with_quota(cores, quota);
            for (end, slow) in ends(shared, &jobs).iter().zip(slowly(cores as usize, Some(pool), &jobs)) {
                prop_assert!(*end as f64 > slow - 0.001 && (*end as f64) < slow + 1.001, "{} {}", end, slow);
            }
        }

        #[test]
        fn no_work_is_lost_or_made(jobs in arbitrary_jobs()) {
            // On one core the last job of a busy time ends when all of its work is done.
            let mut free = 0;
            for &(arrival, work) in &jobs {
                free = free.max(arrival) + work;
            }
            let last = *ends(Shared::new(1), &jobs).iter().max().unwrap();
            prop_assert!(last == free || last == free + 1, "{last} {free}");
        }

        #[test]
        fn one_job_at_a_time_is_the_quota_of_a_worker(
            share in 0.01..1.0_f64, phase in 0..100_u64, works in prop::collection::vec((0..300_u64, 1..500_u64), 1..20),
        ) {
            let quota = Quota::new(share, 100, phase);
            let (mut budget, mut shared, mut now) = (crate::quota::Budget::default(), Shared::with_quota(1, quota), 0);
            for (idle, work) in works {
                let start = now + idle;
                now = quota.run(&mut budget, start, work);
                shared.arrive(start, work, 0);
                prop_assert_eq!(shared.next(), Some((now, 0)));
                shared.complete(now);
            }
        }
    }
}
