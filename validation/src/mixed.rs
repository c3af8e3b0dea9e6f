//! Linear estimates with a prior, where runs differ by more than chance within them.
//!
//! ```text
//! y = X b + u_run + e,    u ~ N(0, t^2),  e ~ N(0, s_i^2),  b ~ N(prior, error^2)
//! ```
//!
//! The run's effect u is common to all observations of a run. b is the generalised least squares estimate, in which the
//! prior is a further row of observations; t is the restricted maximum likelihood estimate. Runs whose residual is beyond three
//! standard deviations, by the median distance, count less (with the square of Huber's weight, on whole runs), so that one
//! spoilt run does not decide.
//!
//! **Errors.** The inverse C of the information matrix is too small, for it takes the variances v_k (t^2, each s_i^2 and
//! those of priors that were estimated themselves) as known. With D_k = X' V^-1 dV/dv_k V^-1 X, Q_k = X' V^-1 dV/dv_k V^-1 dV/dv_k V^-1 X
//! and W_k the variance of v_k (2 v^2 / n for n degrees of freedom, the inverse of the expected information for t^2),
//!
//! ```text
//! covariance = C + 2 C [sum_k W_k (Q_k - D_k C D_k)] C                     (Kenward, Roger 1997; V is linear in v)
//! freedom_j  = 2 C_jj^2 / sum_k W_k [(C D_k C)_jj]^2                       (Satterthwaite 1946; Giesbrecht, Burns 1985)
//! ```
//!
//! and an interval takes the quantiles of Student's t with so many degrees of freedom.
//!
//! Source: N. M. Laird, J. H. Ware, Random-effects models for longitudinal data, Biometrics 38, 1982; prior as data:
//! A. Gelman et al., Bayesian Data Analysis, 3rd ed., 14.8; weights: P. J. Huber, Robust Statistics, 1981, 7.8; M. G. Kenward,
//! J. H. Roger, Small sample inference for fixed effects from restricted maximum likelihood, Biometrics 53, 1997;
//! F. G. Giesbrecht, J. C. Burns, Biometrics 41, 1985.

use std::ops::AddAssign;

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
    /// Degrees of freedom of that error.
    pub freedom: f64,
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
    /// Degrees of freedom of that; infinite where it is a judgement.
    pub freedom: f64,
}

impl Prior {
    /// One whose error is a judgement.
    pub fn judged(value: f64, error: f64) -> Prior {
        Prior { value, error, freedom: f64::INFINITY }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Values of the parameters.
    pub values: Vec<f64>,
    /// Their covariance.
    pub covariance: DMatrix<f64>,
    /// Degrees of freedom of their errors.
    pub freedom: Vec<f64>,
    /// Standard deviation from run to run, in the unit of the observations.
    pub spread: f64,
    /// Degrees of freedom of the spread; 0 where none was seen.
    pub spread_freedom: f64,
    /// Share of the prior's variance that the data have taken away, 0..1: near 0 the data say nothing.
    pub learned: Vec<f64>,
}

impl Estimate {
    /// Standard error of a parameter.
    pub fn error(&self, parameter: usize) -> f64 {
        self.covariance[(parameter, parameter)].max(0.0).sqrt()
    }

    /// What a next step begins with.
    pub fn prior(&self, parameter: usize) -> Prior {
        Prior {
            value: self.values[parameter],
            error: self.error(parameter).max(1e-9),
            freedom: self.freedom[parameter],
        }
    }
}

/// The estimate; the prior itself where there is nothing to learn from.
pub fn estimate(observations: &[Observation], priors: &[Prior]) -> Estimate {
    let runs = observations.iter().map(|o| o.run + 1).max().unwrap_or(0);
    let mut weights = vec![1.0; runs];
    let mut best = Solved::new(observations, priors, 0.0, &weights);
    for _ in 0..10 {
        best = likeliest(observations, priors, &best, &weights);
        weigh(observations, &best, &mut weights);
    }
    best.with_errors(observations, priors, &weights)
}

/// The solution for the likeliest spread: none, or one from a thousandth of the residuals to three times as much.
fn likeliest(observations: &[Observation], priors: &[Prior], last: &Solved, weights: &[f64]) -> Solved {
    const STEPS: usize = 29;
    const RATIO: f64 = 1.3355;
    let scale = typical(observations, last);
    let at = |power: f64| Solved::new(observations, priors, scale * 1e-3 * RATIO.powf(power), weights);
    let mut best = Solved::new(observations, priors, 0.0, weights);
    let mut place = None;
    for step in 0..STEPS {
        let tried = at(step as f64);
        if tried.likelihood > best.likelihood {
            (best, place) = (tried, Some(step as f64));
        }
    }
    // Between its neighbours, to a twentieth of a step.
    if let Some(mut centre) = place {
        let mut width = 0.5;
        while width > 0.05 {
            for power in [centre - width, centre + width] {
                let tried = at(power);
                if tried.likelihood > best.likelihood {
                    (best, centre) = (tried, power);
                }
            }
            width /= 2.0;
        }
    }
    best
}

/// How large residuals are.
fn typical(observations: &[Observation], estimate: &Solved) -> f64 {
    let square = |o: &Observation| residual(o, estimate).powi(2);
    (observations.iter().map(square).sum::<f64>() / observations.len().max(1) as f64).sqrt()
}

fn residual(o: &Observation, estimate: &Solved) -> f64 {
    o.value - o.row.iter().zip(&estimate.values).map(|(x, b)| x * b).sum::<f64>()
}

/// Runs far from the others count less: those whose distance, as a share of the standard deviation that it should have, is
/// beyond three times the usual one, by the median, which a few wild runs do not widen. Of fewer than five runs nobody can
/// say which is wild.
fn weigh(observations: &[Observation], solved: &Solved, weights: &mut [f64]) {
    let distances: Vec<Option<f64>> =
        (0..weights.len()).map(|run| mean_residual(observations, solved, run)).collect();
    let known = sorted(distances.iter().flatten().copied());
    if known.len() < 5 {
        return;
    }
    let scale = 1.4826 * quantile(&known, 0.5);
    for (weight, distance) in weights.iter_mut().zip(distances) {
        let z = distance.unwrap_or(0.0) / scale.max(f64::MIN_POSITIVE);
        *weight = if z <= 3.0 { 1.0 } else { (3.0 / z).powi(2).max(1e-6) };
    }
}

/// The distance of a run as a whole over the standard deviation that it should have; nothing where it has no observation.
fn mean_residual(observations: &[Observation], solved: &Solved, run: usize) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for o in observations.iter().filter(|o| o.run == run) {
        sum += residual(o, solved) / o.error.powi(2);
        weight += 1.0 / o.error.powi(2);
    }
    (weight > 0.0).then(|| (sum / weight).abs() / solved.spread.hypot(weight.powf(-0.5)))
}

/// The observations of a run, with V = (diag(s^2) + t^2 11') / weight.
struct Block<'o> {
    observations: Vec<&'o Observation>,
    weight: f64,
    /// t^2 / weight
    t2: f64,
    /// 1' diag(s^2)^-1 1, weighted.
    total: f64,
}

impl Block<'_> {
    fn precision(&self, o: &Observation) -> f64 {
        self.weight / o.error.powi(2)
    }

    /// `V^-1 x`: with D = diag(s^-2), D x - D 1 t^2 1'D x / (1 + t^2 1'D 1).
    fn whiten(&self, of: impl Fn(&Observation) -> f64) -> Vec<f64> {
        let sum: f64 = self.observations.iter().map(|o| self.precision(o) * of(o)).sum();
        let common = self.t2 * sum / (1.0 + self.t2 * self.total);
        self.observations.iter().map(|o| self.precision(o) * (of(o) - common)).collect()
    }

    /// `X' x` for one number per observation.
    fn gather(&self, of: &[f64], size: usize) -> DVector<f64> {
        let each = self.observations.iter().zip(of);
        DVector::from_fn(size, |j, _| each.clone().map(|(o, x)| o.row[j] * x).sum::<f64>())
    }

    /// A diagonal element of `V^-1`.
    fn diagonal(&self, at: usize) -> f64 {
        let own = self.precision(self.observations[at]);
        own - own * own * self.t2 / (1.0 + self.t2 * self.total)
    }
}

fn blocks<'o>(observations: &'o [Observation], spread: f64, weights: &[f64]) -> Vec<Block<'o>> {
    let mut found: Vec<Block> = weights
        .iter()
        .map(|&weight| Block { observations: Vec::new(), weight, t2: spread.powi(2) / weight, total: 0.0 })
        .collect();
    for o in observations {
        let block = &mut found[o.run];
        block.total += block.precision(o);
        block.observations.push(o);
    }
    found.retain(|block| !block.observations.is_empty());
    found
}

/// The estimate for a given spread.
struct Solved {
    values: DVector<f64>,
    /// The inverse of the information.
    covariance: DMatrix<f64>,
    spread: f64,
    /// The restricted log likelihood.
    likelihood: f64,
}

impl Solved {
    fn new(observations: &[Observation], priors: &[Prior], spread: f64, weights: &[f64]) -> Solved {
        let size = priors.len();
        let own = |i: usize| 1.0 / priors[i].error.powi(2);
        let mut information = DMatrix::from_fn(size, size, |i, j| if i == j { own(i) } else { 0.0 });
        let mut right = DVector::from_fn(size, |i, _| priors[i].value * own(i));
        let (mut log_det, mut square) = (0.0, 0.0);
        for block in blocks(observations, spread, weights) {
            for j in 0..size {
                let column = block.gather(&block.whiten(|o| o.row[j]), size);
                information.column_mut(j).add_assign(&column);
            }
            let value = block.whiten(|o| o.value);
            right += block.gather(&value, size);
            square += block.observations.iter().zip(&value).map(|(o, y)| o.value * y).sum::<f64>();
            log_det += (1.0 + block.t2 * block.total).ln()
                - block.observations.iter().map(|o| block.precision(o).ln()).sum::<f64>();
        }
        square += priors.iter().map(|p| (p.value / p.error).powi(2)).sum::<f64>();
        let factor = information.cholesky().expect("priors make the information positive");
        let values = factor.solve(&right);
        let rest = (square - values.dot(&right)).max(0.0);
        let log_information: f64 = 2.0 * factor.l().diagonal().iter().map(|x| x.ln()).sum::<f64>();
        let likelihood = -0.5 * (log_det + log_information + rest);
        Solved { values, covariance: factor.inverse(), spread, likelihood }
    }

    /// The estimate with errors that know that variances are estimated, too (see the head of this file).
    fn with_errors(self, observations: &[Observation], priors: &[Prior], weights: &[f64]) -> Estimate {
        let size = priors.len();
        let c = &self.covariance;
        // C D C on the diagonal, squared, times W: for each variance; and the sum of W (Q - D C D).
        let mut moved = DVector::<f64>::zeros(size);
        let mut lost = DMatrix::<f64>::zeros(size, size);
        let blocks = blocks(observations, self.spread, weights);
        // The variance between runs: D = sum of x x' / w with x = X' V^-1 1.
        let ones: Vec<(DVector<f64>, f64, f64)> = blocks
            .iter()
            .map(|block| {
                let sum = block.total / (1.0 + block.t2 * block.total);
                (block.gather(&block.whiten(|_| 1.0), size), sum, 1.0 / block.weight)
            })
            .collect();
        let (mut d, mut q) = (DMatrix::zeros(size, size), DMatrix::zeros(size, size));
        let mut trace = 0.0;
        for (x, sum, share) in &ones {
            let square = x * x.transpose();
            d += *share * &square;
            q += share.powi(2) * *sum * square;
            trace += share.powi(2) * (sum.powi(2) - 2.0 * sum * (x.transpose() * c * x)[(0, 0)]);
        }
        let dc = &d * c;
        trace += (&dc * &dc).trace();
        // Without more runs than parameters that they determine, nothing tells how much runs differ.
        let determined: f64 = (0..size).map(|i| 1.0 - c[(i, i)] / priors[i].error.powi(2)).sum();
        let between = blocks.len() as f64 - determined;
        let variance = if between >= 1.0 && trace > 0.0 { 2.0 / trace } else { 0.0 };
        let mut add = |variance: f64, d: &DMatrix<f64>, q: &DMatrix<f64>| {
            let each = (c * d * c).diagonal();
            moved += variance * each.component_mul(&each);
            lost += variance * (q - d * c * d);
        };
        add(variance, &d, &q);
        // The variance of each observation within its run.
        for block in &blocks {
            for (at, o) in block.observations.iter().enumerate() {
                let only = |other: &Observation| if std::ptr::eq(other, *o) { 1.0 } else { 0.0 };
                let x = block.gather(&block.whiten(only), size);
                let share = 1.0 / block.weight;
                let d = share * &x * x.transpose();
                let q = share * block.diagonal(at) * &d;
                add(2.0 * o.error.powi(4) / o.freedom, &d, &q);
            }
        }
        // Those of priors: a row of their own.
        for (i, prior) in priors.iter().enumerate().filter(|(_, prior)| prior.freedom.is_finite()) {
            let mut d = DMatrix::zeros(size, size);
            d[(i, i)] = prior.error.powi(-4);
            let q = d.clone() * prior.error.powi(-2);
            add(2.0 * prior.error.powi(4) / prior.freedom, &d, &q);
        }
        let covariance = c + 2.0 * c * lost * c;
        let learned = (0..size).map(|i| {
            let share = 1.0 - covariance[(i, i)] / priors[i].error.powi(2);
            // Rounding is not learning.
            if share < 1e-9 { 0.0 } else { share }
        });
        let learned: Vec<f64> = learned.collect();
        // A sum of variances has at least the degrees of freedom of the worst known of them; the one between runs that of the
        // runs less the parameters that they determine. Where it was estimated as zero, its expected information says less.
        let within = observations.iter().map(|o| o.freedom);
        let of_priors = priors.iter().map(|prior| prior.freedom);
        let least = within.chain(of_priors).fold(between, f64::min).max(1.0);
        let freedom =
            (0..size).map(|j| (2.0 * c[(j, j)].powi(2) / moved[j].max(f64::MIN_POSITIVE)).max(least));
        Estimate {
            learned,
            freedom: freedom.collect(),
            values: self.values.iter().copied().collect(),
            spread: self.spread,
            spread_freedom: if variance > 0.0 { 2.0 * self.spread.powi(4) / variance } else { 0.0 },
            covariance,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Normal};

    use super::*;
    use crate::robust::{generator, student};

    const VAGUE: Prior = Prior { value: 0.0, error: 1e3, freedom: f64::INFINITY };

    #[test]
    fn a_line_through_exact_points_is_found() {
        let at = |run: usize| run as f64;
        let observations: Vec<Observation> = (0..5)
            .map(|run| Observation {
                run,
                value: 2.0 + 3.0 * at(run),
                error: 1e-3,
                freedom: 19.0,
                row: vec![1.0, at(run)],
            })
            .collect();
        let found = estimate(&observations, &[VAGUE, VAGUE]);
        assert!((found.values[0] - 2.0).abs() < 1e-3 && (found.values[1] - 3.0).abs() < 1e-3, "{found:?}");
        assert!(found.learned.iter().all(|&share| share > 0.99));
    }

    #[test]
    fn what_the_data_do_not_say_stays_at_the_prior() {
        let observations =
            [Observation { run: 0, value: 5.0, error: 0.1, freedom: 19.0, row: vec![1.0, 0.0] }];
        let found = estimate(&observations, &[VAGUE, Prior::judged(7.0, 2.0)]);
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
                    observations.push(Observation { run, value, error: 0.1, freedom: 19.0, row: vec![1.0] });
                }
            }
            let found = estimate(&observations, &[VAGUE]);
            inside += usize::from((found.values[0] - 4.0).abs() < student(found.freedom[0]) * found.error(0));
            squares += (found.values[0] - 4.0).powi(2);
            spreads += found.spread;
        }
        // By theory 95 %, with nine degrees of freedom; the standard error is 1/sqrt(10).
        assert!((180..=198).contains(&inside), "{inside}");
        assert!(((squares / 200.0_f64).sqrt() - 0.316).abs() < 0.05);
        assert!((spreads / 200.0 - 0.97).abs() < 0.15, "{}", spreads / 200.0);
    }

    #[test]
    fn a_mean_of_runs_has_as_many_degrees_of_freedom_as_runs_less_one() {
        let value = |run: usize| [1.0, 4.0, 2.0, 7.0, 5.0, 3.0][run];
        let observations: Vec<Observation> = (0..6)
            .map(|run| Observation { run, value: value(run), error: 1e-6, freedom: 19.0, row: vec![1.0] })
            .collect();
        let found = estimate(&observations, &[VAGUE]);
        assert!(
            (found.freedom[0] - 5.0).abs() < 0.01 && (found.spread_freedom - 5.0).abs() < 0.01,
            "{found:?}"
        );
        // The standard deviation over the root of six; nothing is to be added to it (Kenward, Roger 1997: balanced).
        assert!((found.error(0) - 2.160_247 / 6.0_f64.sqrt()).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn the_freedom_of_an_error_that_another_step_has_estimated_is_handed_on() {
        let prior = Prior { value: 1.0, error: 0.5, freedom: 4.0 };
        let found = estimate(&[], &[prior]);
        assert!((found.freedom[0] - 4.0).abs() < 1e-9 && (found.error(0) - 0.5).abs() < 1e-9);
        // An observation that is as sure as that has half of the say: 1/(1/4/4 + 1/4/19).
        let one = Observation { run: 0, value: 1.0, error: 0.5, freedom: 19.0, row: vec![1.0] };
        let found = estimate(&[one], &[prior]);
        assert!((found.freedom[0] - 4.0 / (1.0 / 4.0 + 1.0 / 19.0)).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn one_spoilt_run_of_ten_moves_the_estimate_by_less_than_its_share() {
        let observations: Vec<Observation> = (0..10)
            .map(|run| {
                let value = if run == 9 { 50.0 } else { 1.0 + 0.1 * f64::from(run % 3) };
                Observation { run: run as usize, value, error: 0.1, freedom: 19.0, row: vec![1.0] }
            })
            .collect();
        let found = estimate(&observations, &[VAGUE]);
        assert!(found.values[0] < 3.0, "the mean is 6: {found:?}");
    }
}
