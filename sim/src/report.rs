//! Completes the record of a run with what follows from the deployment: use, load, bottleneck, energy, price.

use offing_core::{Deployment, Engine, Run, Span, Tier, TierUse};
use offing_models::{Loads, ModelSet, Resource, cost, energy, loads};

use crate::recorder::{Tally, Use};

/// The load below which a run is taken to be long enough to be steady.
pub const CALM: f64 = 0.8;

/// Requests per node after which a queue has forgotten how it began, at a load below 1: the relaxation time of M/M/1
/// with a margin. docs/explore.md says how many decisions that rest on it were checked.
pub fn relaxation_requests(load: f64) -> f64 {
    600.0 / (1.0 - load).powi(2)
}

/// The record of a run of the deployment that was asked for, simulated as the effective one.
pub(crate) fn run(
    asked: &Deployment,
    effective: &Deployment,
    models: &ModelSet,
    seed: u64,
    engine: Engine,
    tally: Tally,
) -> Run {
    let d = asked;
    let window = d.duration - d.warm_up;
    let busy_ns = |index: usize| {
        let of = |is_there: bool, whose: Use| if is_there { tally.busy[whose as usize] } else { 0 };
        of(index == d.placement.endpoint, Use::Prepare) + of(index == d.placement.target, Use::Process)
    };
    let tiers: Vec<TierUse> = d
        .used_tiers()
        .into_iter()
        .map(|index| {
            let tier = &d.tiers[index];
            let (busy_ns, allowed_ns) = (busy_ns(index), allowed_ns(tier, window));
            let mut used = TierUse { name: tier.name.clone(), busy_ns, allowed_ns, energy_j: None };
            used.energy_j =
                energy::tier_power_w(tier, used.utilization()).map(|watts| watts * window.as_secs_f64());
            used
        })
        .collect();
    let used = d.used_tiers();
    let utilization =
        |index: usize| used.iter().position(|&other| other == index).map_or(0.0, |i| tiers[i].utilization());
    let loads = loads(effective, &models.transport());
    let energy_j = energy::deployment_power_w(d, utilization).map(|watts| watts * window.as_secs_f64());
    let mut run = Run {
        deployment: d.id(),
        seed,
        models: models.label(),
        engine,
        recording: tally.recording,
        counts: tally.counts,
        load: loads.target,
        stable: is_stable(d, &loads),
        bottleneck: bottleneck(d, &loads),
        energy_j,
        cost_usd_per_hour: cost::usd_per_hour(d),
        tiers,
        warnings: Vec::new(),
    };
    run.warnings = warnings(d, &loads, &run);
    run.warnings.extend(models.outside(d));
    run
}

/// CPU time that a tier's cores and quota allow in a span [ns].
pub(crate) fn allowed_ns(tier: &Tier, window: Span) -> f64 {
    let cores = f64::from(tier.nodes) * f64::from(tier.cores) * tier.quota;
    cores * window.as_nanos() as f64
}

/// Whether every queue without a limit stays finite. A full queue loses requests and a closed loop waits, so
/// neither grows.
pub fn is_stable(d: &Deployment, loads: &Loads) -> bool {
    let is_bounded = d.placement.queue.is_some();
    let links = loads.endpoint < 1.0 && loads.uplink < 1.0 && (loads.downlink < 1.0 || is_bounded);
    d.app.outstanding.is_some() || links && (loads.target < 1.0 || is_bounded)
}

/// The resource with the highest load, by its tier.
fn bottleneck(d: &Deployment, loads: &Loads) -> String {
    match loads.bottleneck().0 {
        Resource::Endpoint => format!("{} processor", d.endpoints().name),
        Resource::Uplink => format!("uplink to {}", d.targets().name),
        Resource::Target => format!("{} workers", d.targets().name),
        Resource::Downlink => format!("downlink from {}", d.targets().name),
    }
}

fn warnings(d: &Deployment, loads: &Loads, run: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    let (_, highest) = loads.bottleneck();
    let completed = run.counts.completed as f64;
    if !run.stable {
        warnings.push(format!(
            "overload: the load of the {} is {highest:.3}, so requests pile up for as long as the run lasts \
             and latencies depend on its length",
            run.bottleneck
        ));
    } else if highest < 1.0 && completed > 0.0 && d.app.outstanding.is_none() {
        let needed = relaxation_requests(highest);
        let served = completed / f64::from(d.targets().nodes);
        if served < needed && highest > CALM {
            warnings.push(format!(
                "near saturation (load {highest:.3}) a queue forgets slowly: {served:.0} requests per node were \
                 observed, about {needed:.0} are needed for a steady state; lengthen `duration`"
            ));
        }
    }
    if run.counts.completed > 0 && run.recording.mean_interval().is_none() {
        warnings.push(format!(
            "{} requests are too few for intervals; lengthen `duration`",
            run.counts.completed
        ));
    }
    if run.counts.offered == 0 {
        warnings.push("no request was emitted in the observed span; lengthen `duration`".to_string());
    }
    warnings
}
