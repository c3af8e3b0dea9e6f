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
    /// Mean distance of the wall times [ns].
    pub distance_ns: f64,
}

/// What a run says of the share if its workers draw from one pool, or each from its own quota; nothing if no worker is
/// ever stopped, or CPU times were not recorded.
pub fn granted(run: &Measured, models: &ModelSet, is_pool: bool) -> Option<Granted> {
    let d = &run.deployment;
    let target = d.targets();
    let (workers, cores) = (d.placement.workers, target.cores);
    if target.quota >= 1.0 || d.app.stages.len() != 1 || workers > cores || run.conditions.dilate != 1.0 {
        return None;
    }
    if is_pool && target.quota * f64::from(cores) >= f64::from(workers) {
        return None;
    }
    if !is_pool && workers > 1 && run.rows().iter().any(|row| row.worker.is_none()) {
        return None;
    }
    let mut jobs: Vec<Job> = run.rows().iter().filter_map(|row| Job::new(row, is_pool)).collect();
    if jobs.len() < 20 || jobs.len() < run.rows().iter().filter(|row| row.parts.is_some()).count() {
        return None;
    }
    jobs.sort_by_key(|job| (job.server, job.from));
    let server = jobs[0].server;
    jobs.retain(|job| job.server == server);
    jobs.truncate(MOST);
    let is_stopped = jobs.iter().filter(|job| job.wall as f64 > 1.05 * job.work as f64 + 1e6).count();
    if is_stopped * 5 < jobs.len() {
        return None;
    }
    let period = models.parameters()["compute.processor.quota_period"].si() * 1e9;
    let of_a_worker =
        if is_pool { target.quota * f64::from(cores) / f64::from(workers) } else { target.quota };
    let distance = |share: f64| {
        let tried = (of_a_worker * share).min(1.0);
        let distances = (0..PHASES).map(|i| {
            let quota = Quota::new(tried, period as u64, i * period as u64 / PHASES);
            let walls = if is_pool { together(&jobs, quota, workers) } else { alone(&jobs, quota) };
            mean(
                &jobs.iter().zip(walls).map(|(job, wall)| job.wall.abs_diff(wall) as f64).collect::<Vec<_>>(),
            )
        });
        distances.fold(f64::INFINITY, f64::min)
    };
    let shares: Vec<f64> = (0..=40).map(|i| 0.8 + 0.01 * f64::from(i)).collect();
    let distances: Vec<f64> = shares.iter().map(|&share| distance(share)).collect();
    let least = sorted(distances.iter().copied())[0];
    // Shares within a tenth of a millisecond, or a tenth, of the best cannot be told from it.
    let close: Vec<f64> = shares
        .iter()
        .zip(&distances)
        .filter(|(_, at)| **at <= 1.1 * least + 1e5)
        .map(|(share, _)| *share)
        .collect();
    let width = close[close.len() - 1] - close[0];
    Some(Granted { share: mean(&close), error: (width / 12.0_f64.sqrt()).max(0.003), distance_ns: least })
}

/// One request at its worker.
struct Job {
    server: (u32, u32),
    from: u64,
    work: u64,
    wall: u64,
}

impl Job {
    fn new(row: &Row, is_pool: bool) -> Option<Job> {
        let parts = row.parts?;
        let worker = if is_pool { 0 } else { row.worker.unwrap_or(0) };
        Some(Job {
            server: (row.node, worker),
            from: row.emitted + parts.prepare + parts.uplink + parts.queue,
            work: row.process_cpu?,
            wall: parts.process,
        })
    }
}

/// Wall times of jobs that one worker does one after the other.
fn alone(jobs: &[Job], quota: Quota) -> Vec<u64> {
    let (mut budget, mut free) = (Budget::default(), 0);
    jobs.iter()
        .map(|job| {
            let began = quota.available(&budget, job.from.max(free));
            free = quota.run(&mut budget, began, job.work);
            free - job.from
        })
        .collect()
}

/// Wall times of jobs whose workers draw from one pool.
fn together(jobs: &[Job], quota: Quota, workers: u32) -> Vec<u64> {
    let mut node = Shared::with_quota(workers, quota);
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
