//! What a sweep says of a deployment: the numbers of a summary that a choice is made by, without histograms.

use offing_core::{Counts, Deployment, Engine, Quantiles, Requests, Run, Summary};
use offing_models::{ModelSet, cost, energy, loads};

use crate::recorder::Use;
use crate::report;

/// The numbers of one deployment. Each is equal to the field of the same name in a
/// [`offing_core::Summary`] of the same run, to the last bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// What made it; the lanes give what the station engine gives.
    pub engine: Engine,
    /// Fates of the requests.
    pub requests: Requests,
    /// Latency [ms]; absent if no request completed. The lanes do not know the standard deviation, which is
    /// then not a number.
    pub latency_ms: Option<Quantiles>,
    /// Means of the five parts [ms]; not numbers if no request completed.
    pub parts_mean_ms: [f64; 5],
    /// Use of the processors of the endpoints and of the targets, 0..1 of what the quota allows; the same where
    /// nothing is offloaded.
    pub utilization: [f64; 2],
    /// Demand divided by what the workers can use.
    pub load: f64,
    /// Whether all queues without a limit stay finite.
    pub stable: bool,
    /// Requests that came back per second.
    pub throughput_rps: f64,
    /// Share of the offered requests that were dropped, 0..1.
    pub dropped_share: f64,
    /// Share of the offered requests that were late or never came back, 0..1; absent without a deadline.
    pub deadline_miss_share: Option<f64>,
    /// Energy per completed request [J]; absent where it is not known.
    pub energy_j_per_request: Option<f64>,
    /// Price of all participating nodes [USD/h].
    pub cost_usd_per_hour: f64,
}

/// What a lane adds up to.
pub(crate) struct Totals {
    pub counts: Counts,
    /// Sums of the parts of the completed requests [ns].
    pub parts: [f64; 5],
    /// CPU time within the observed span, of preparation and of processing [ns].
    pub busy: [u128; 2],
    /// Latency [ns], but for mean and standard deviation.
    pub latency: Quantiles,
}

const NS_PER_MS: f64 = 1e6;

impl Estimate {
    /// The numbers of a run.
    pub fn of_run(deployment: &Deployment, run: &Run) -> Self {
        let s = Summary::new("", run, deployment.app.deadline.is_some());
        let part = |name: &str| s.parts_ms.get(name).map_or(f64::NAN, |part| part.mean);
        let use_of = |tier: usize| s.utilization.get(&deployment.tiers[tier].name).copied().unwrap_or(0.0);
        Estimate {
            engine: s.engine,
            requests: s.requests,
            latency_ms: s.latency_ms,
            parts_mean_ms: offing_core::Parts::NAMES.map(part),
            utilization: [use_of(deployment.placement.endpoint), use_of(deployment.placement.target)],
            load: s.load,
            stable: s.stable,
            throughput_rps: s.throughput_rps,
            dropped_share: s.dropped_share,
            deadline_miss_share: s.deadline_miss_share,
            energy_j_per_request: s.energy_j_per_request,
            cost_usd_per_hour: s.cost_usd_per_hour,
        }
    }

    /// The numbers of what a lane adds up to; the formulas of [`Summary::new`] and of a run's report.
    pub(crate) fn of_lane(d: &Deployment, models: &ModelSet, totals: &Totals) -> Self {
        let Totals { counts, parts, busy, latency } = totals;
        let window = d.duration - d.warm_up;
        let observed_s = window.as_secs_f64();
        let utilization = |index: usize| {
            let of = |tier: usize, whose: Use| if index == tier { busy[whose as usize] } else { 0 };
            let busy_ns = of(d.placement.endpoint, Use::Prepare) + of(d.placement.target, Use::Process);
            let allowed_ns = report::allowed_ns(&d.tiers[index], window);
            if allowed_ns > 0.0 { busy_ns as f64 / allowed_ns } else { 0.0 }
        };
        let loads = loads(d, &models.transport());
        let completed = counts.completed as f64;
        let share = |part: u64| if counts.offered == 0 { 0.0 } else { part as f64 / counts.offered as f64 };
        let energy_j = energy::deployment_power_w(d, utilization).map(|watts| watts * observed_s);
        let in_ms = |ns: f64| ns / NS_PER_MS;
        let sum: f64 = parts.iter().sum();
        Estimate {
            engine: Engine::Stations,
            requests: Requests {
                offered: counts.offered,
                completed: counts.completed,
                dropped: counts.dropped,
                unfinished: counts.offered - counts.completed - counts.dropped,
            },
            latency_ms: (counts.completed > 0).then(|| Quantiles {
                mean: in_ms(sum / completed),
                sd: f64::NAN,
                min: in_ms(latency.min),
                p50: in_ms(latency.p50),
                p90: in_ms(latency.p90),
                p95: in_ms(latency.p95),
                p99: in_ms(latency.p99),
                p999: in_ms(latency.p999),
                max: in_ms(latency.max),
                trimmed_mean: latency.trimmed_mean.map(in_ms),
            }),
            parts_mean_ms: parts.map(|sum| in_ms(sum / completed)),
            utilization: [utilization(d.placement.endpoint), utilization(d.placement.target)],
            load: loads.target,
            stable: report::is_stable(d, &loads),
            throughput_rps: counts.returned as f64 / observed_s,
            dropped_share: share(counts.dropped),
            deadline_miss_share: d
                .app
                .deadline
                .map(|_| share(counts.late + counts.offered - counts.completed)),
            energy_j_per_request: energy_j.filter(|_| counts.completed > 0).map(|energy| energy / completed),
            cost_usd_per_hour: cost::usd_per_hour(d),
        }
    }
}
