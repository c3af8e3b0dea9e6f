//! How long work takes: CPU time of a stage at nodes of a tier, as a table of quantiles.
//!
//! **Sample** of a run: CPU time where it was recorded; else wall time where nothing limits a worker; and where a quota
//! does, the stated work times the factor with which the simulated run takes as long on average ([`factor`]): what a job
//! waits for depends on what the jobs before it have left of the period. All at speed 1.
//!
//! **Location**: W for CPU times, W (1 + k u) for others, u the use of the host; of a preparation also e (n - n0), n the size
//! of its frame and n0 the mean of it; W per tier, k and e by [`crate::mixed`], relative to W, linearised around the last
//! estimate (Gauss-Newton).
//!
//! **Overhead** ([`Longer`]): wall time less CPU time of workers that nothing limits.
//!
//! **Shape**: quantiles of each run's sample over its own mean, averaged over runs, so that runs that differ in speed do
//! not blur each other's shape (R. Ratcliff, Group reaction time distributions, Psychological Bulletin 86, 1979). The
//! table is W times the shape; its last point is such that the last cell keeps its mean, so that one wild request does not
//! stretch the tail.

use offing_core::Deployment;
use offing_models::{ModelSet, distribution};

use crate::measured::{Measured, Row, Seen};
use crate::mixed::{Estimate, Observation, Prior, estimate};
use crate::predict::{any_seeds, predict};
use crate::robust::{BATCHES, error_of_mean, mean, quantile, sorted};

/// Cells of a table: the 50th, 95th and 99th percentiles are among its points.
const CELLS: usize = 100;

/// Fewest requests of a run whose shape counts.
const FEWEST: usize = 30;

/// Which work of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Before the first transfer, at the endpoint.
    Prepare,
    /// At the target.
    Process,
}

/// What one run says about a piece of work.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Number of the run.
    pub run: usize,
    /// The tier whose nodes did it.
    pub tier: String,
    /// The work that the scenario states.
    pub stated: String,
    /// Its mean [ms].
    pub stated_mean_ms: f64,
    /// Share of the host's cores in use.
    pub host_use: f64,
    /// Mean size of a frame [byte].
    pub frame_bytes: f64,
    /// Mean [ms], with values beyond the 99.8th percentile counted as that.
    pub mean_ms: f64,
    /// Standard error of the mean within the run [ms].
    pub error_ms: f64,
    /// Values over the mean, ascending; empty where only a mean is known.
    pub shape: Vec<f64>,
}

/// Whether the workers of the target never wait for a quota or for each other's cores.
pub fn is_free(d: &Deployment, is_pool: bool, dilate: f64) -> bool {
    let target = d.targets();
    let (workers, cores) = (f64::from(d.placement.workers), f64::from(target.cores));
    let granted = if is_pool { target.quota * cores >= workers } else { target.quota >= 1.0 };
    workers <= cores && granted && dilate == 1.0
}

/// What a run says about its work; nothing where it cannot say.
pub fn sample(number: usize, run: &Measured, work: Work, is_pool: bool, models: &ModelSet) -> Option<Sample> {
    let d = &run.deployment;
    let first = if d.is_offloaded() { d.placement.cut as usize } else { 0 };
    // Stages that are measured as one cannot be told apart.
    let (tier, stated) = match work {
        Work::Prepare if d.is_offloaded() && first == 0 => (d.endpoints(), &d.app.prepare),
        Work::Process if d.app.stages.len() - first == 1 => (d.targets(), &d.app.stages[first].work),
        _ => return None,
    };
    let stated_mean_ms = 1e3 * distribution::mean(stated);
    if stated_mean_ms == 0.0 {
        return None;
    }
    let is_free = match work {
        Work::Prepare => tier.quota >= 1.0 && run.conditions.dilate == 1.0,
        Work::Process => is_free(d, is_pool, run.conditions.dilate),
    };
    let of = |row: &Row| -> Option<(f64, Option<f64>)> {
        let parts = row.parts?;
        Some(match work {
            Work::Prepare => (parts.prepare as f64, row.prepare_cpu.map(|ns| ns as f64)),
            Work::Process => (parts.process as f64, row.process_cpu.map(|ns| ns as f64)),
        })
    };
    let seen = match &run.seen {
        Seen::Requests(rows) => rows,
        Seen::Table(table) => {
            let ms = match work {
                Work::Prepare => table.prepare_ms?,
                Work::Process => table.process_ms?,
            };
            let mean_ms =
                if is_free { ms * tier.speed } else { stated_mean_ms * factor(run, work, models, ms)? };
            return Some(Sample {
                run: number,
                tier: tier.name.clone(),
                stated: offing_models::calibration::stated(stated),
                stated_mean_ms,
                host_use: 0.0,
                frame_bytes: table.frame_bytes.unwrap_or_else(|| distribution::mean(&d.app.frame)),
                mean_ms,
                // Printed without an interval: clocks, trimming and rounding leave about this.
                error_ms: 0.02 * mean_ms,
                shape: Vec::new(),
            });
        }
    };
    let shares_cores = work == Work::Process && d.placement.workers > tier.cores;
    let has_cpu = seen.iter().filter_map(of).all(|(_, cpu)| cpu.is_some());
    if !is_free && !has_cpu && (shares_cores || run.conditions.dilate != 1.0) {
        return None;
    }
    let of = |row: &Row| of(row).map(|(wall, cpu)| cpu.filter(|_| has_cpu).unwrap_or(wall));
    let values: Vec<f64> = seen.iter().filter_map(of).collect();
    if values.len() < 5 {
        return None;
    }
    let scale = 1e-6 * tier.speed;
    let mut ordered = sorted(values.iter().copied());
    let most = quantile(&ordered, 0.998);
    let clipped: Vec<f64> = values.iter().map(|value| value.min(most)).collect();
    let mut centre = mean(&clipped);
    let mut error = error_of_mean(&clipped).min(centre).max(1e-4 * centre);
    if !is_free && !has_cpu {
        let longer = 1e6 * stated_mean_ms / tier.speed * factor(run, work, models, 1e-6 * centre)? / centre;
        (centre, error) = (centre * longer, error * longer);
        let points = (0..1000).map(|i| (f64::from(i) + 0.5) / 1000.0);
        let stated_mean = distribution::mean(stated);
        ordered = points.map(|p| centre * distribution::quantile(stated, p, 1.0 - p) / stated_mean).collect();
    }
    Some(Sample {
        run: number,
        tier: tier.name.clone(),
        stated: offing_models::calibration::stated(stated),
        stated_mean_ms,
        // Whoever waits for a core uses none.
        host_use: if has_cpu { 0.0 } else { host_use(run) },
        // As predictions have it.
        frame_bytes: distribution::mean(&d.app.frame),
        mean_ms: centre * scale,
        error_ms: error * scale,
        shape: if values.len() < FEWEST { Vec::new() } else { ordered.iter().map(|v| v / centre).collect() },
    })
}

/// What a run says about how much longer requests occupy a worker than their CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Longer {
    /// Mean of wall less CPU time at speed 1 [ms].
    pub mean_ms: f64,
    /// Its standard error [ms].
    pub error_ms: f64,
    /// Use of the host times the mean CPU time [ms].
    pub use_ms: f64,
    /// Standard error of that: the use follows from the CPU time of the requests that came by chance [ms].
    pub use_error_ms: f64,
}

/// Nothing where a quota stops workers, or CPU times were not recorded.
pub fn longer(run: &Measured, is_pool: bool) -> Option<Longer> {
    let d = &run.deployment;
    if !is_free(d, is_pool, run.conditions.dilate) {
        return None;
    }
    let scale = 1e-6 * d.targets().speed;
    let mut more = Vec::with_capacity(run.rows().len());
    let mut own_ms = Vec::with_capacity(run.rows().len());
    let mut prepare = 0.0;
    for row in run.rows() {
        let Some(parts) = row.parts else { continue };
        let own = row.process_cpu?;
        more.push(scale * (parts.process as f64 - own as f64));
        own_ms.push(scale * own as f64);
        prepare += 1e-6 * row.prepare_cpu.unwrap_or(0) as f64;
    }
    if more.len() < 20 {
        return None;
    }
    let most = quantile(&sorted(more.iter().copied()), 0.998);
    more.iter_mut().for_each(|value| *value = value.min(most));
    let requests = more.len() as f64;
    let (cpu, prepare) = (mean(&own_ms), prepare / requests);
    // By the rate that is asked for, as predictions have it, and not by how many requests came by chance.
    let per_s = d.app.rate_hz * f64::from(d.endpoints().nodes);
    let at_targets =
        (1e-3 * per_s * cpu / d.targets().speed).min(f64::from(d.targets().nodes * d.targets().cores));
    let use_of_host = match run.conditions.host_cores {
        0.0 => 0.0,
        cores => ((at_targets + 1e-3 * per_s * prepare) / cores).min(1.0),
    };
    let use_ms = use_of_host * cpu;
    Some(Longer {
        mean_ms: mean(&more),
        error_ms: error_of_mean(&more).max(1e-3),
        use_ms,
        use_error_ms: use_ms * (error_of_mean(&own_ms) / cpu.max(f64::MIN_POSITIVE)).min(1.0),
    })
}

/// Share of the host's cores that the work of a run used, 0..1; 0 where that is not known.
pub fn host_use(run: &Measured) -> f64 {
    let d = &run.deployment;
    let real_ns =
        (d.duration - d.warm_up).as_nanos() as f64 * run.conditions.dilate * run.conditions.host_cores;
    if real_ns == 0.0 {
        return 0.0;
    }
    let free = is_free(d, false, run.conditions.dilate);
    let used: f64 = run
        .rows()
        .iter()
        .filter_map(|row| {
            let parts = row.parts?;
            let process =
                row.process_cpu.map_or(if free { parts.process as f64 } else { 0.0 }, |ns| ns as f64);
            Some(process + row.prepare_cpu.unwrap_or(0) as f64)
        })
        .sum();
    (used / real_ns).min(1.0)
}

/// How often the stated work has to be done for the simulated run to show this mean of wall time [ms]; nothing where
/// none of 1/50 .. 50 does.
fn factor(run: &Measured, work: Work, models: &ModelSet, wall_ms: f64) -> Option<f64> {
    let mut d = run.deployment.clone();
    let (tier, part) = match work {
        Work::Prepare => (d.placement.endpoint, "prepare_mean_ms"),
        Work::Process => (d.placement.target, "process_mean_ms"),
    };
    let seeds = run.seed.map_or_else(|| any_seeds(4), |seed| vec![seed]);
    let speed = d.tiers[tier].speed;
    let mut takes = |factor: f64| {
        d.tiers[tier].speed = speed / factor;
        predict(models, &d, &seeds).numbers[part]
    };
    let (mut low, mut high) = (1.0 / 50.0, 50.0);
    if !(takes(low)..=takes(high)).contains(&wall_ms) {
        return None;
    }
    // To a thousandth.
    for _ in 0..13 {
        let middle = f64::sqrt(low * high);
        if takes(middle) < wall_ms { low = middle } else { high = middle }
    }
    Some(f64::sqrt(low * high))
}

/// Work at the tiers of a list, and how much a busy host slows it down.
#[derive(Clone, Debug)]
pub struct Service {
    /// The tiers.
    pub tiers: Vec<String>,
    /// Means [ms] at each tier, then the slowdown per unit of host use, and what a byte of a frame adds [ns].
    pub estimate: Estimate,
    /// The size of the frames that the means are for [byte].
    pub frame_bytes: f64,
    /// The same for all tiers together.
    pub pooled: Estimate,
    /// Mean times this is the table; nothing where only means are known.
    pub shape: Vec<f64>,
    /// The work that was stated.
    pub stated: String,
    /// How many runs there were.
    pub runs: usize,
}

/// Estimates the work that most samples are of. `known_error_ms` is the prior's error of the mean where its value is known
/// from elsewhere.
///
/// `per_byte` is given where the work may grow with the frame.
pub fn fit(
    samples: &[Sample],
    contention: Prior,
    per_byte: Option<Prior>,
    known: &dyn Fn(f64) -> Option<f64>,
) -> Option<Service> {
    let commonest = |s: &&Sample| samples.iter().filter(|other| other.stated == s.stated).count();
    let chosen = samples.iter().max_by_key(commonest)?;
    let samples: Vec<&Sample> = samples.iter().filter(|s| s.stated == chosen.stated).collect();
    let mut tiers: Vec<String> = samples.iter().map(|s| s.tier.clone()).collect();
    tiers.sort();
    tiers.dedup();
    let stated = chosen.stated_mean_ms;
    let prior = Prior::judged(stated, known(stated).unwrap_or(0.5 * stated));
    let frame_bytes = mean(&samples.iter().map(|s| s.frame_bytes).collect::<Vec<_>>());
    let solve = |tiers: usize, place: &dyn Fn(&Sample) -> usize| {
        let (mut means, mut slope) = (vec![stated; tiers], contention.value);
        let mut found = None;
        for _ in 0..12 {
            let observations: Vec<Observation> = samples
                .iter()
                .map(|s| {
                    let (w, u) = (means[place(s)], unslowed(s.host_use, slope));
                    let mut row = vec![0.0; tiers + 2];
                    (row[place(s)], row[tiers]) = ((1.0 + slope * u) / w, u);
                    if per_byte.is_some() {
                        row[tiers + 1] = 1e-6 * (s.frame_bytes - frame_bytes) / w;
                    }
                    Observation {
                        run: s.run,
                        value: s.mean_ms / w + u * slope,
                        error: s.error_ms / w,
                        freedom: BATCHES,
                        row,
                    }
                })
                .collect();
            let mut priors = vec![prior; tiers];
            priors.extend([contention, per_byte.unwrap_or(Prior::judged(0.0, 1e-9))]);
            let next = estimate(&observations, &priors);
            let moved = means.iter().zip(&next.values).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max);
            for (mean, value) in means.iter_mut().zip(&next.values) {
                *mean = value.max(1e-3 * stated);
            }
            slope = next.values[tiers].max(-0.9);
            found = Some(next);
            if moved < 1e-9 {
                break;
            }
        }
        found.expect("there was a round")
    };
    let by_tier =
        solve(tiers.len(), &|s| tiers.iter().position(|tier| *tier == s.tier).expect("it is listed"));
    let pooled = solve(1, &|_| 0);
    let shapes: Vec<&Vec<f64>> = samples.iter().map(|s| &s.shape).filter(|shape| !shape.is_empty()).collect();
    Some(Service {
        tiers,
        estimate: by_tier,
        frame_bytes,
        pooled,
        shape: if shapes.is_empty() { Vec::new() } else { average(&shapes) },
        stated: chosen.stated.clone(),
        runs: samples.len(),
    })
}

/// The use u of the host that there would be without slowing down, of which the measured one is u (1 + k u).
fn unslowed(measured: f64, slope: f64) -> f64 {
    let root = (1.0 + 4.0 * slope * measured).max(0.0).sqrt();
    2.0 * measured / (1.0 + root)
}

/// The average of quantile functions, with mean 1.
fn average(shapes: &[&Vec<f64>]) -> Vec<f64> {
    let point = |i: usize| -> f64 {
        let p = i as f64 / CELLS as f64;
        mean(&shapes.iter().map(|shape| quantile(shape, p)).collect::<Vec<_>>())
    };
    let mut table: Vec<f64> = (0..CELLS).map(point).collect();
    // The mean of the last cell, without what is beyond all but two in a thousand.
    let tail = |shape: &Vec<f64>| {
        let from = ((1.0 - 1.0 / CELLS as f64) * shape.len() as f64) as usize;
        let most = quantile(shape, 0.998);
        mean(&shape[from.min(shape.len() - 1)..].iter().map(|v| v.min(most)).collect::<Vec<_>>())
    };
    let last = mean(&shapes.iter().map(|shape| tail(shape)).collect::<Vec<_>>());
    table.push((2.0 * last - table[CELLS - 1]).max(table[CELLS - 1]));
    let whole = distribution::mean(&offing_core::Distribution::Quantiles(table.clone().into()));
    table.iter().map(|value| value / whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_of_one_shape_is_that_shape() {
        let shape: Vec<f64> = (0..=1000).map(|i| 0.5 + f64::from(i) / 1000.0).collect();
        let table = average(&[&shape]);
        assert!((table[50] - 1.0).abs() < 1e-3 && (table[0] - 0.5).abs() < 1e-3, "{table:?}");
        assert!((table[100] - 1.5).abs() < 1e-2);
    }
}
