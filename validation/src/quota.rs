//! What the kernel really gives of a quota, from runs whose workers it stops.
//!
//! Each request's CPU time is replayed from the instant at which its worker took it, through the state machines that also
//! predict (`models::quota`, `models::sharing`), for shares around the stated one and for phases of the period, which no
//! run tells. The share whose best phase comes closest to the measured wall times is what the run says; its error is that of
//! a jackknife over parts of the run (J. W. Tukey, Annals of Mathematical Statistics 29, 1958).

use offing_models::{Budget, ModelSet, Quota, Shared};

use crate::measured::{Measured, Row};
use crate::robust::mean;

/// Requests of a run that are replayed.
const MOST: usize = 400;
/// Phases of the period that are tried.
const PHASES: u64 = 25;
/// Parts of a run that are left out in turn.
const PARTS: usize = 8;

/// What a run says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Granted {
    /// Share of the stated quota.
    pub share: f64,
    /// Its error, by leaving out a part of the run in turn.
    pub error: f64,
    /// Degrees of freedom of that.
    pub freedom: f64,
}

/// The mean distance of measured and replayed wall times [ns] at the best share, if workers draw from one pool or each from
/// its own quota; nothing where CPU times were not recorded, or a node has no quota.
pub fn distance(run: &Measured, models: &ModelSet, is_pool: bool) -> Option<f64> {
    let replay = Replay::new(run, models, is_pool, 0.0)?;
    let (_, least) = replay.tried(&wide()).best(None);
    Some(least / replay.jobs.len() as f64)
}

/// What a run says of the share of its quota that is given; nothing if no worker is ever stopped, or CPU times were not
/// recorded. `overhead_ms` of CPU time go with each request that came to the node.
pub fn granted(run: &Measured, models: &ModelSet, is_pool: bool, overhead_ms: f64) -> Option<Granted> {
    if run.deployment.targets().quota >= 1.0 {
        return None;
    }
    let replay = Replay::new(run, models, is_pool, overhead_ms)?;
    let jobs = &replay.jobs;
    let is_stopped = jobs.iter().filter(|job| job.wall as f64 > 1.05 * job.work as f64 + 1e6).count();
    if is_stopped * 5 < jobs.len() || replay.of_a_core >= 1.0 {
        return None;
    }
    let wide = wide();
    let near = replay.tried(&wide).near(None);
    let (low, high) = (near[0] - 0.01, near[near.len() - 1] + 0.01);
    let step = (high - low) / 40.0;
    let fine = replay.tried(&(0..=40).map(|i| low + step * f64::from(i)).collect::<Vec<_>>());
    let without: Vec<f64> = (0..PARTS).map(|part| mean(&fine.near(Some(part)))).collect();
    let centre = mean(&without);
    let square: f64 = without.iter().map(|share| (share - centre).powi(2)).sum();
    let parts = PARTS as f64;
    let (jackknife, rounding) = (((parts - 1.0) / parts * square).sqrt(), step / 12.0_f64.sqrt());
    Some(Granted {
        share: mean(&fine.near(None)),
        // Shares between two that were tried are not told apart; how much that is need not be estimated.
        error: jackknife.max(rounding),
        freedom: if jackknife > rounding { parts - 1.0 } else { f64::INFINITY },
    })
}

/// The shares that are tried first.
fn wide() -> Vec<f64> {
    (0..=40).map(|i| 0.8 + 0.01 * f64::from(i)).collect()
}

/// Shares and how far replayed wall times are from the measured ones.
struct Tried {
    shares: Vec<f64>,
    /// For each share and phase, the sums over the parts of the run [ns].
    sums: Vec<[f64; PARTS]>,
}

impl Tried {
    /// The distance of each share at its best phase, without a part of the run.
    fn distances(&self, without: Option<usize>) -> Vec<f64> {
        let of = |sums: &[f64; PARTS]| {
            let kept = sums.iter().enumerate().filter(|(part, _)| Some(*part) != without);
            kept.map(|(_, sum)| sum).sum::<f64>()
        };
        let phases = self.sums.chunks(PHASES as usize);
        phases.map(|phases| phases.iter().map(of).fold(f64::INFINITY, f64::min)).collect()
    }

    /// The best share and its distance.
    fn best(&self, without: Option<usize>) -> (f64, f64) {
        let found = self.shares.iter().copied().zip(self.distances(without));
        found.min_by(|a, b| a.1.total_cmp(&b.1)).expect("shares were tried")
    }

    /// The shares that do as well as the best: where a quota hardly stops anybody, many do.
    fn near(&self, without: Option<usize>) -> Vec<f64> {
        let (_, least) = self.best(without);
        let found = self.shares.iter().copied().zip(self.distances(without));
        found.filter(|(_, distance)| *distance <= 1.02 * least).map(|(share, _)| share).collect()
    }
}

/// Requests of one node, to be served again under other quotas.
struct Replay {
    jobs: Vec<Job>,
    /// Whether workers draw from one quota.
    is_common: bool,
    workers: u32,
    /// Cores that run at once.
    cores: u32,
    /// Stated quota of one of them.
    of_a_core: f64,
    period_ns: u64,
}

impl Replay {
    fn new(run: &Measured, models: &ModelSet, is_pool: bool, overhead_ms: f64) -> Option<Replay> {
        let d = &run.deployment;
        let target = d.targets();
        let (workers, cores) = (d.placement.workers, target.cores);
        // A container's processes run on any core of the host until the quota is used up.
        let most = cores.max(run.conditions.host_cores as u32);
        let width = if is_pool { workers.min(most) } else { workers.min(cores) };
        let is_limited = target.quota < 1.0 || workers > cores && most > cores;
        if !is_limited || d.app.stages.len() != 1 || run.conditions.dilate != 1.0 {
            return None;
        }
        let served = run.rows().iter().filter(|row| row.parts.is_some());
        let overhead_ns = if d.is_offloaded() { (1e6 * overhead_ms) as u64 } else { 0 };
        let mut jobs: Vec<Job> = served.clone().filter_map(|row| Job::new(row, overhead_ns)).collect();
        if jobs.len() < 20 || jobs.len() < served.count() {
            return None;
        }
        jobs.sort_by_key(|job| (job.node, job.from));
        let node = jobs[0].node;
        jobs.retain(|job| job.node == node);
        jobs.truncate(MOST);
        let pool = target.quota * f64::from(cores) / f64::from(width);
        let period_s = models.parameters()["compute.processor.quota_period"].si();
        Some(Replay {
            jobs,
            is_common: is_pool || workers > cores,
            workers,
            cores: width,
            of_a_core: if is_pool { pool } else { target.quota },
            period_ns: (1e9 * period_s) as u64,
        })
    }

    /// Replays all jobs under these shares of the quota.
    fn tried(&self, shares: &[f64]) -> Tried {
        let mut sums = Vec::with_capacity(shares.len() * PHASES as usize);
        for share in shares {
            let tried = (self.of_a_core * share).min(1.0);
            for phase in 0..PHASES {
                let quota = Quota::new(tried, self.period_ns, phase * self.period_ns / PHASES);
                let walls = if self.is_common {
                    together(&self.jobs, quota, self.cores)
                } else {
                    alone(&self.jobs, quota, self.workers)
                };
                let mut parts = [0.0; PARTS];
                for (at, (job, wall)) in self.jobs.iter().zip(walls).enumerate() {
                    parts[at * PARTS / self.jobs.len()] += job.wall.abs_diff(wall) as f64;
                }
                sums.push(parts);
            }
        }
        Tried { shares: shares.to_vec(), sums }
    }
}

/// One request at its worker.
struct Job {
    node: u32,
    from: u64,
    work: u64,
    wall: u64,
}

impl Job {
    fn new(row: &Row, overhead_ns: u64) -> Option<Job> {
        let parts = row.parts?;
        Some(Job {
            node: row.node,
            from: row.emitted + parts.prepare + parts.uplink + parts.queue,
            work: row.process_cpu? + overhead_ns,
            wall: parts.process,
        })
    }
}

/// Wall times of jobs whose workers have a quota each. Who had a job need not be known: any worker that was free then is as
/// good as another, and the one that was free first has the most left.
fn alone(jobs: &[Job], quota: Quota, workers: u32) -> Vec<u64> {
    let mut free = vec![(0_u64, Budget::default()); workers as usize];
    jobs.iter()
        .map(|job| {
            let first = free.iter_mut().min_by_key(|(until, _)| *until).expect("there is a worker");
            let began = quota.available(&first.1, job.from.max(first.0));
            first.0 = quota.run(&mut first.1, began, job.work);
            first.0 - job.from
        })
        .collect()
}

/// Wall times of jobs whose workers draw from one pool of cores.
fn together(jobs: &[Job], quota: Quota, cores: u32) -> Vec<u64> {
    let mut node = Shared::with_quota(cores, quota);
    let mut walls = vec![0; jobs.len()];
    for (id, job) in jobs.iter().enumerate() {
        while let Some((at, _)) = node.next().filter(|&(at, _)| at <= job.from) {
            let done = node.complete(at) as usize;
            walls[done] = at - jobs[done].from;
        }
        node.arrive(job.from, job.work, id as u32);
    }
    while let Some((at, _)) = node.next() {
        let done = node.complete(at) as usize;
        walls[done] = at - jobs[done].from;
    }
    walls
}
