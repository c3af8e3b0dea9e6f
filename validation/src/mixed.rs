//! Linear estimates with a prior, where runs differ by more than chance within them.
//!
//! ```text
//! y = X b + u_run + e,    u ~ N(0, t^2),  e ~ N(0, s_i^2),  b ~ N(prior, error^2)
//! ```
//!
//! The run's effect u is common to all observations of a run. b is the generalised least squares estimate, in which the
//! prior is a further row of observations; t is the restricted maximum likelihood estimate on a grid; the covariance of b
//! is the inverse of the information matrix. Runs whose residual is beyond three standard deviations, by the median distance, count less
//! (with the square of Huber's weight, on whole runs), so that one spoilt run does not decide.
//!
//! Source: N. M. Laird, J. H. Ware, Random-effects models for longitudinal data, Biometrics 38, 1982; prior as data:
//! A. Gelman et al., Bayesian Data Analysis, 3rd ed., 14.8; weights: P. J. Huber, Robust Statistics, 1981, 7.8.

use nalgebra::{DMatrix, DVector};

use crate::robust::{quantile, sorted};

/// One observed number.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which run it is from.
    pub run: usize,
    /// What was observed.
    pub value: f64,
    /// Its standard error within the run, above 0.
    pub error: f64,
    /// By how much each parameter moves it.
    pub row: Vec<f64>,
}

/// What is thought of a parameter beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its value.
    pub value: f64,
    /// One standard deviation, above 0.
    pub error: f64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Values of the parameters.
    pub values: Vec<f64>,
    /// Their covariance.
    pub covariance: DMatrix<f64>,
    /// Standard deviation from run to run, in the unit of the observations.
    pub spread: f64,
    /// Share of the prior's variance that the data have taken away, 0..1: near 0 the data say nothing.
    pub learned: Vec<f64>,
}

impl Estimate {
    /// Standard error of a parameter.
    pub fn error(&self, parameter: usize) -> f64 {
        self.covariance[(parameter, parameter)].max(0.0).sqrt()
    }
}

/// The estimate; the prior itself where there is nothing to learn from.
pub fn estimate(observations: &[Observation], priors: &[Prior]) -> Estimate {
    let runs = observations.iter().map(|o| o.run + 1).max().unwrap_or(0);
    let mut weights = vec![1.0; runs];
    let mut best = solve(observations, priors, 0.0, &weights).1;
    for _ in 0..10 {
        let scale = typical(observations, &best);
        // None, and then from a thousandth of the residuals to three times as much.
        let grid = std::iter::once(0.0).chain((0..29).map(|i| scale * 1e-3 * 1.3355_f64.powi(i)));
        let found = grid
            .map(|spread| solve(observations, priors, spread, &weights))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .expect("the grid has points");
        best = found.1;
        weigh(observations, &best, &mut weights);
    }
    best
}

/// How large residuals are.
fn typical(observations: &[Observation], estimate: &Estimate) -> f64 {
    let square = |o: &Observation| residual(o, estimate).powi(2);
    (observations.iter().map(square).sum::<f64>() / observations.len().max(1) as f64).sqrt()
}

fn residual(o: &Observation, estimate: &Estimate) -> f64 {
    o.value - o.row.iter().zip(&estimate.values).map(|(x, b)| x * b).sum::<f64>()
}

/// Runs far from the others count less. The scale is the median distance, which a few wild runs do not widen; of fewer
/// than five runs nobody can say which is wild.
fn weigh(observations: &[Observation], estimate: &Estimate, weights: &mut [f64]) {
    let residuals: Vec<Option<f64>> =
        (0..weights.len()).map(|run| mean_residual(observations, estimate, run)).collect();
    let distances = sorted(residuals.iter().flatten().map(|r| r.abs()));
    if distances.len() < 5 {
        return;
    }
    let scale = 1.4826 * quantile(&distances, 0.5);
    for (weight, residual) in weights.iter_mut().zip(residuals) {
        let z = residual.map_or(0.0, f64::abs) / scale.max(f64::MIN_POSITIVE);
        *weight = if z <= 3.0 { 1.0 } else { (3.0 / z).powi(2).max(1e-6) };
    }
}

/// The residual of a run as a whole; nothing where it has no observation.
fn mean_residual(observations: &[Observation], estimate: &Estimate, run: usize) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for o in observations.iter().filter(|o| o.run == run) {
        sum += residual(o, estimate) / o.error.powi(2);
        weight += 1.0 / o.error.powi(2);
    }
    (weight > 0.0).then(|| sum / weight)
}

/// The estimate for a given spread, and its restricted log likelihood.
fn solve(observations: &[Observation], priors: &[Prior], spread: f64, weights: &[f64]) -> (f64, Estimate) {
    let size = priors.len();
    let mut information =
        DMatrix::from_fn(size, size, |i, j| if i == j { 1.0 / priors[i].error.powi(2) } else { 0.0 });
    let mut right = DVector::from_fn(size, |i, _| priors[i].value / priors[i].error.powi(2));
    let (mut log_det, mut square) = (0.0, 0.0);
    let mut blocks: Vec<Vec<&Observation>> = vec![Vec::new(); weights.len()];
    observations.iter().for_each(|o| blocks[o.run].push(o));
    // V = diag(s^2) + t^2 11' has the inverse D - D11'D t^2 / (1 + t^2 1'D1), D = diag(1/s^2).
    let whiten = |block: &[&Observation], weight: f64, of: &dyn Fn(&Observation) -> f64| -> Vec<f64> {
        let d = |o: &Observation| weight / o.error.powi(2);
        let total: f64 = block.iter().map(|o| d(o)).sum();
        let t2 = spread.powi(2) / weight;
        let sum: f64 = block.iter().map(|o| d(o) * of(o)).sum();
        block.iter().map(|o| d(o) * (of(o) - t2 * sum / (1.0 + t2 * total))).collect()
    };
    for (block, &weight) in blocks.iter().zip(weights) {
        if block.is_empty() {
            continue;
        }
        let columns: Vec<Vec<f64>> = (0..size).map(|j| whiten(block, weight, &|o| o.row[j])).collect();
        let value = whiten(block, weight, &|o| o.value);
        for i in 0..size {
            for j in 0..size {
                information[(i, j)] += block.iter().zip(&columns[j]).map(|(o, x)| o.row[i] * x).sum::<f64>();
            }
            right[i] += block.iter().zip(&value).map(|(o, y)| o.row[i] * y).sum::<f64>();
        }
        square += block.iter().zip(&value).map(|(o, y)| o.value * y).sum::<f64>();
        let total: f64 = block.iter().map(|o| weight / o.error.powi(2)).sum();
        log_det += (1.0 + spread.powi(2) / weight * total).ln()
            + block.iter().map(|o| (o.error.powi(2) / weight).ln()).sum::<f64>();
    }
    square += priors.iter().map(|p| (p.value / p.error).powi(2)).sum::<f64>();
    let factor = information.clone().cholesky().expect("priors make the information positive");
    let values = factor.solve(&right);
    let covariance = factor.inverse();
    let rest = (square - values.dot(&right)).max(0.0);
    let log_information: f64 = 2.0 * factor.l().diagonal().iter().map(|x| x.ln()).sum::<f64>();
    let likelihood = -0.5 * (log_det + log_information + rest);
    let learned = (0..size).map(|i| {
        let share = 1.0 - covariance[(i, i)] / priors[i].error.powi(2);
        // Rounding is not learning.
        if share < 1e-9 { 0.0 } else { share }
    });
    let learned = learned.collect();
    (likelihood, Estimate { values: values.iter().copied().collect(), covariance, spread, learned })
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Normal};

    use super::*;
    use crate::robust::generator;

    const VAGUE: Prior = Prior { value: 0.0, error: 1e3 };

    #[test]
    fn a_line_through_exact_points_is_found() {
        let at = |run: usize| run as f64;
        let observations: Vec<Observation> = (0..5)
            .map(|run| Observation { run, value: 2.0 + 3.0 * at(run), error: 1e-3, row: vec![1.0, at(run)] })
            .collect();
        let found = estimate(&observations, &[VAGUE, VAGUE]);
        assert!((found.values[0] - 2.0).abs() < 1e-3 && (found.values[1] - 3.0).abs() < 1e-3, "{found:?}");
        assert!(found.learned.iter().all(|&share| share > 0.99));
    }

    #[test]
    fn what_the_data_do_not_say_stays_at_the_prior() {
        let observations = [Observation { run: 0, value: 5.0, error: 0.1, row: vec![1.0, 0.0] }];
        let found = estimate(&observations, &[VAGUE, Prior { value: 7.0, error: 2.0 }]);
        assert!((found.values[1] - 7.0).abs() < 1e-9 && (found.error(1) - 2.0).abs() < 1e-9);
        assert!(found.learned[1] < 1e-9);
        assert_eq!(estimate(&[], &[VAGUE]).values, [0.0]);
    }

    #[test]
    fn errors_count_runs_and_not_observations() {
        // 10 runs of 20 observations each; the runs differ by 1, the observations within by 0.1.
        let (mut inside, mut squares, mut spreads) = (0, 0.0, 0.0);
        for seed in 0..200 {
            let mut chance = generator(seed);
            let normal = Normal::new(0.0, 1.0).unwrap();
            let mut observations = Vec::new();
            for run in 0..10 {
                let effect: f64 = normal.sample(&mut chance);
                for _ in 0..20 {
                    let value = 4.0 + effect + 0.1 * normal.sample(&mut chance);
                    observations.push(Observation { run, value, error: 0.1, row: vec![1.0] });
                }
            }
            let found = estimate(&observations, &[VAGUE]);
            inside += usize::from((found.values[0] - 4.0).abs() < 2.262 * found.error(0));
            squares += (found.values[0] - 4.0).powi(2);
            spreads += found.spread;
        }
        // By theory 95 %; the standard error is 1/sqrt(10).
        assert!((180..=198).contains(&inside), "{inside}");
        assert!(((squares / 200.0_f64).sqrt() - 0.316).abs() < 0.05);
        assert!((spreads / 200.0 - 0.97).abs() < 0.15, "{}", spreads / 200.0);
    }

    #[test]
    fn one_spoilt_run_of_ten_moves_the_estimate_by_less_than_its_share() {
        let observations: Vec<Observation> = (0..10)
            .map(|run| {
                let value = if run == 9 { 50.0 } else { 1.0 + 0.1 * f64::from(run % 3) };
                Observation { run: run as usize, value, error: 0.1, row: vec![1.0] }
            })
            .collect();
        let found = estimate(&observations, &[VAGUE]);
        assert!(found.values[0] < 3.0, "the mean is 6: {found:?}");
    }
}
