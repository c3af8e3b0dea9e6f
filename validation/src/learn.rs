//! Fits, judges each deployment by a fit on the others, and puts what is left unexplained into the set.

use std::collections::BTreeMap;

use offing_models::ModelSet;

use crate::accuracy::{Compared, Effort, by_deployment, compare};
use crate::fit::{Fit, Settings, fit};
use crate::measured::Measured;
use crate::predict::{LATENCIES, draws, predictive};
use crate::robust::mean;

/// Each deployment compared with the prediction of a fit on all others. A deployment whose absence leaves nothing to fit is
/// left out. `progress` hears of each deployment.
///
/// # Errors
/// Why the runs cannot be fitted together.
pub fn leave_one_out(
    prior: &ModelSet,
    runs: &[Measured],
    settings: &Settings,
    discrepancy: &BTreeMap<String, f64>,
    effort: Effort,
    progress: &dyn Fn(),
) -> Result<Vec<Compared>, String> {
    let groups = by_deployment(runs);
    let mut found = Vec::new();
    for group in &groups {
        progress();
        let id = group[0].deployment.id();
        let others: Vec<Measured> = runs.iter().filter(|run| run.deployment.id() != id).cloned().collect();
        if others.is_empty() {
            continue;
        }
        let fit = fit(prior, &others, settings, discrepancy)?;
        found.extend(compare(&fit.models, group, effort));
    }
    Ok(found)
}

/// Fits a set, and looks by leaving deployments out how far off it is beyond what its parameters and chance explain.
/// `progress` hears of each deployment that is left out.
///
/// # Errors
/// Why the runs cannot be fitted together.
pub fn learn(
    prior: &ModelSet,
    runs: &[Measured],
    settings: &Settings,
    effort: Effort,
    progress: &dyn Fn(),
) -> Result<Fit, String> {
    let none = BTreeMap::new();
    let groups = by_deployment(runs);
    let first = fit(prior, runs, settings, &none)?;
    // Of two deployments one cannot say how far off the other is.
    if groups.len() < 4 {
        return Ok(first);
    }
    let compared = leave_one_out(prior, runs, settings, &none, Effort { draws: 0, ..effort }, progress)?;
    let drawn = draws(&first.models, effort.draws.clamp(40, 100), 78, true);
    let mut off: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for c in compared.iter().filter(|c| c.measured_stable && c.predicted_stable) {
        let group =
            groups.iter().find(|group| group[0].deployment.id() == c.deployment).expect("it was compared");
        let replayed: Option<Vec<u64>> = group.iter().map(|run| run.seed).collect();
        let simulated =
            predictive(&drawn, Some(&group[0].conditions), &group[0].deployment, replayed.as_deref());
        for name in LATENCIES {
            let (Some(&measured), Some(&predicted)) = (c.measured.get(name), c.predicted.get(name)) else {
                continue;
            };
            let values: Vec<f64> = simulated.iter().map(|numbers| numbers[name].ln()).collect();
            let centre = mean(&values);
            let explained = mean(&values.iter().map(|value| (value - centre).powi(2)).collect::<Vec<_>>());
            off.entry(name)
                .or_default()
                .push((measured / predicted).ln().powi(2) - explained / group.len() as f64);
        }
    }
    let discrepancy = off
        .into_iter()
        .map(|(name, squares)| (name.to_string(), mean(&squares).max(0.0).sqrt()))
        .filter(|(_, sd)| sd.is_finite())
        .collect();
    fit(prior, runs, settings, &discrepancy)
}
