//! What the kernel really gives of a quota, from runs whose workers it stops.
//!
//! Each request's CPU time is replayed from the instant at which its worker took it, through the state machines that also
//! predict (`models::quota`, `models::sharing`), for shares around the stated one and for phases of the period, which no
//! run tells. The share whose best phase comes closest to the measured wall times is what the run says.

use offing_models::{Budget, ModelSet, Quota, Shared};

use crate::measured::{Measured, Row};
use crate::robust::{mean, sorted};

/// Requests of a run that are replayed.
const MOST: usize = 400;
/// Phases of the period that are tried.
const PHASES: u64 = 25;

/// What a run says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Granted {
    /// Share of the stated quota.
    pub share: f64,
    /// Its error, from the neighbouring shares that do nearly as well.
    pub error: f64,
}

/// The mean distance of measured and replayed wall times [ns] at the best share, if workers draw from one pool or each from
/// its own quota; nothing where CPU times were not recorded, or a node has no quota.
pub fn distance(run: &Measured, models: &ModelSet, is_pool: bool) -> Option<f64> {
    let replay = Replay::new(run, models, is_pool, 0.0)?;
    Some(sorted(replay.distances())[0])
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
    let distances = replay.distances();
    let least = sorted(distances.iter().copied())[0];
    // Shares within a tenth of a millisecond, or a tenth, of the best cannot be told from it.
    let is_close = |at: &f64| *at <= 1.1 * least + 1e5;
    let close: Vec<f64> =
        distances.iter().enumerate().filter(|(_, at)| is_close(at)).map(|(i, _)| share(i)).collect();
    let width = close[close.len() - 1] - close[0];
    Some(Granted { share: mean(&close), error: (width / 12.0_f64.sqrt()).max(0.003) })
}

/// The shares that are tried.
fn share(number: usize) -> f64 {
    0.8 + 0.01 * number as f64
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

    /// For each share the distance at the best phase [ns].
    fn distances(&self) -> Vec<f64> {
        let at = |share: f64| {
            let tried = (self.of_a_core * share).min(1.0);
            let of = |i: u64| {
                let quota = Quota::new(tried, self.period_ns, i * self.period_ns / PHASES);
                let walls = if self.is_common {
                    together(&self.jobs, quota, self.cores)
                } else {
                    alone(&self.jobs, quota, self.workers)
                };
                let off = self.jobs.iter().zip(walls).map(|(job, wall)| job.wall.abs_diff(wall) as f64);
                mean(&off.collect::<Vec<_>>())
            };
            (0..PHASES).map(of).fold(f64::INFINITY, f64::min)
        };
        (0..=40).map(|i| at(share(i))).collect()
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
