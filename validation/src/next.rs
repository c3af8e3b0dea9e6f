//! Which experiment next: the deployment whose measurement is expected to shrink the loss by a wrong pick the most, per
//! minute that it takes.
//!
//! What is thought of the candidates is a normal distribution: means and covariances over sets drawn from the fit's errors,
//! and for each candidate a discrepancy of its own. Measuring candidate c tells a value with the noise of one run. With
//!
//! ```text
//! before = min_i m_i,    after = E[min_i (m_i + s_i(c) Z)],    s_i(c) = cov(i, c) / sqrt(var(c) + noise(c)^2)
//! ```
//!
//! the gain of c is `before - after`: the knowledge gradient for correlated normal beliefs (P. Frazier, W. Powell, S. Dayanik,
//! INFORMS Journal on Computing 21, 2009), here of a metric that is to be small.

use offing_core::Deployment;
use offing_models::ModelSet;
use serde::Serialize;

use crate::predict::{Draw, draws, predictive};
use crate::robust::{mean, quantile, sorted};

/// A deployment that may be picked or measured.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub deployment: Deployment,
    /// Whether it is on the shortlist: others are only measured to learn from.
    pub is_listed: bool,
}

/// What measuring a candidate would bring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// The candidate.
    pub name: String,
    /// Its id.
    pub deployment: String,
    /// Whether it is on the shortlist.
    pub is_listed: bool,
    /// The metric as it is predicted.
    pub predicted: f64,
    /// Standard deviation of what is thought of it.
    pub doubt: f64,
    /// Probability that it is the best of the shortlist.
    pub best_probability: f64,
    /// By how much the expected loss of the pick shrinks, in the unit of the metric.
    pub gain: f64,
    /// How long it takes [min].
    pub minutes: f64,
    /// Gain per minute.
    pub gain_per_minute: f64,
}

/// What to measure, and what is thought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Next {
    /// What is to be small.
    pub metric: String,
    /// Which is picked as things are.
    pub pick: String,
    /// What the pick is expected to lose against the best, in the unit of the metric.
    pub expected_loss: f64,
    /// Each candidate, the most telling per minute first.
    pub gains: Vec<Gain>,
    /// Why the first is the first, in a sentence.
    pub reason: String,
}

/// How long making, proving and removing the nodes of a deployment takes beyond its run [s], where no measured run tells.
pub const AROUND_S: f64 = 30.0;

/// What to measure next.
///
/// # Errors
/// If there is nothing to choose from.
pub fn next(
    models: &ModelSet,
    candidates: &[Candidate],
    metric: &str,
    around_s: f64,
) -> Result<Next, String> {
    const DRAWS: usize = 120;
    if candidates.iter().filter(|c| c.is_listed).count() < 2 {
        return Err("the shortlist has fewer than two deployments: there is nothing to choose".into());
    }
    let discrepancy = models.fitted().and_then(|fitted| fitted.discrepancy.get(metric)).copied();
    // Where nobody has looked, a twentieth is assumed.
    let discrepancy = discrepancy.unwrap_or(0.05);
    let parameters: Vec<Draw> = draws(models, DRAWS, 79, false)
        .into_iter()
        .map(|draw| Draw { factors: Default::default(), ..draw })
        .collect();
    let whole = draws(models, DRAWS, 80, true);
    let mut values: Vec<Vec<f64>> = Vec::new();
    let mut noise: Vec<f64> = Vec::new();
    for c in candidates {
        let of = |drawn: &[Draw], same_chance: bool| -> Result<Vec<f64>, String> {
            let numbers = if same_chance {
                // One seed for all, so that only parameters differ.
                drawn
                    .iter()
                    .flat_map(|draw| predictive(std::slice::from_ref(draw), None, &c.deployment, None))
                    .collect()
            } else {
                predictive(drawn, None, &c.deployment, None)
            };
            let values =
                numbers.iter().map(|numbers| numbers.get(metric).copied().filter(|value| value.is_finite()));
            let values: Option<Vec<f64>> = values.collect();
            values.ok_or_else(|| format!("`{metric}` of {} is not known", c.name))
        };
        let by_parameters = of(&parameters, true)?;
        // The chance of a run is what its spread has beyond that of the parameters.
        let all = of(&whole, false)?;
        noise.push((variance(&all) - variance(&by_parameters)).max(0.0).sqrt());
        values.push(by_parameters);
    }
    let means: Vec<f64> = values.iter().map(|values| mean(values)).collect();
    let own: Vec<f64> = means.iter().map(|mean| (discrepancy * mean).powi(2)).collect();
    let covariance = |i: usize, j: usize| {
        let shared =
            values[i].iter().zip(&values[j]).map(|(a, b)| (a - means[i]) * (b - means[j])).sum::<f64>();
        shared / (DRAWS - 1) as f64 + if i == j { own[i] } else { 0.0 }
    };
    let listed: Vec<usize> = (0..candidates.len()).filter(|&i| candidates[i].is_listed).collect();
    let pick = *listed.iter().min_by(|a, b| means[**a].total_cmp(&means[**b])).expect("there are two");
    let standard = quantiles_of_normal();
    // By drawing parameters and discrepancies: who is the best, and what the pick loses.
    let mut wins = vec![0_usize; candidates.len()];
    let mut losses = Vec::new();
    for (number, _) in parameters.iter().enumerate() {
        for turn in 0..8 {
            let at = |i: usize| {
                let z = standard[(number * 37 + turn * 61 + i * 89) % standard.len()];
                values[i][number] + own[i].sqrt() * z
            };
            let best = *listed.iter().min_by(|a, b| at(**a).total_cmp(&at(**b))).expect("there are two");
            wins[best] += 1;
            losses.push(at(pick) - at(best));
        }
    }
    let mut gains: Vec<Gain> = candidates
        .iter()
        .enumerate()
        .map(|(c, candidate)| {
            let told = (covariance(c, c) + noise[c].powi(2)).sqrt().max(f64::MIN_POSITIVE);
            let moves: Vec<(f64, f64)> =
                listed.iter().map(|&i| (means[i], covariance(i, c) / told)).collect();
            let after = standard
                .iter()
                .map(|z| moves.iter().map(|(mean, slope)| mean + slope * z).fold(f64::INFINITY, f64::min));
            let gain = (means[pick] - mean(&after.collect::<Vec<_>>())).max(0.0);
            let minutes = (candidate.deployment.duration.as_secs_f64() + around_s) / 60.0;
            Gain {
                name: candidate.name.clone(),
                deployment: candidate.deployment.id(),
                is_listed: candidate.is_listed,
                predicted: means[c],
                doubt: covariance(c, c).max(0.0).sqrt(),
                best_probability: wins[c] as f64 / losses.len() as f64,
                gain,
                minutes,
                gain_per_minute: gain / minutes,
            }
        })
        .collect();
    let name = candidates[pick].name.clone();
    gains.sort_by(|a, b| b.gain_per_minute.total_cmp(&a.gain_per_minute).then_with(|| a.name.cmp(&b.name)));
    let first = &gains[0];
    let reason = if first.gain <= 0.0 {
        format!("no measurement is expected to change the pick, {name}")
    } else if first.name == name {
        format!("the pick itself is the most doubtful for its time: {:.3} either way", first.doubt)
    } else if first.is_listed {
        format!(
            "it is the best with a probability of {:.0} %, and {:.3} either way are in doubt",
            100.0 * first.best_probability,
            first.doubt
        )
    } else {
        "it is not on the shortlist, but tells most about what the shortlist has in common".to_string()
    };
    Ok(Next { metric: metric.into(), pick: name, expected_loss: mean(&losses), gains, reason })
}

fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (values.len() - 1).max(1) as f64
}

/// Equally likely values of a standard normal.
fn quantiles_of_normal() -> Vec<f64> {
    const POINTS: u32 = 401;
    let table = offing_models::NormalTable::new(1e9);
    let values = sorted((0..POINTS).map(|i| {
        let p = (f64::from(i) + 0.5) / f64::from(POINTS);
        table.deviate((p * 4_294_967_296.0) as u32) as f64 / 1e9
    }));
    debug_assert!(quantile(&values, 0.5).abs() < 0.01);
    values
}
