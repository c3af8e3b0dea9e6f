//! Mean, variation and quantiles of every distribution that a scenario can name.
//!
//! | distribution | mean | coefficient of variation | value at probability p (q = 1 - p) |
//! |---|---|---|---|
//! | constant a | a | 0 | a |
//! | exponential, mean m | m | 1 | -m ln q |
//! | lognormal m, c | m | c | exp(mu + sigma z(p)), sigma^2 = ln(1 + c^2), mu = ln m - sigma^2/2 |
//! | gamma m, c | m | c | m c^2 x, P(1/c^2, x) = p |
//! | normal m, s, cut at 0 | m Phi(m/s) + s phi(m/s) | see [`cv`] | max(0, m + s z(p)) |
//! | uniform a, b | (a + b)/2 | (b - a)/(sqrt 3 (a + b)) | a + (b - a) p |
//! | empirical, n values | average | of the values | the value with index floor(n p) |
//! | quantiles at 0, 1/k, .. 1 | average of the k segments' middles | of the segments | straight lines |
//!
//! z is the standard normal quantile, phi and Phi its density and probability, P the regularised incomplete
//! gamma function. Units are those of the field that holds the distribution (seconds or bytes).
//! Source: N. L. Johnson, S. Kotz, N. Balakrishnan, Continuous Univariate Distributions, vol. 1, 1994.

use libm::{exp, log, log1p, sqrt};
use offing_core::Distribution;

use crate::special::{
    gamma_quantile, lognormal_parameters, normal_density, normal_probability, normal_quantile,
};

/// The mean, in the distribution's own unit.
pub fn mean(distribution: &Distribution) -> f64 {
    match distribution {
        Distribution::Constant(value) => *value,
        Distribution::Exponential { mean }
        | Distribution::Lognormal { mean, .. }
        | Distribution::Gamma { mean, .. } => *mean,
        Distribution::Normal { mean, sd } => cut_normal(*mean, *sd).0,
        Distribution::Uniform { from, to } => 0.5 * (from + to),
        Distribution::Empirical { values, .. } => values.iter().sum::<f64>() / values.len() as f64,
        Distribution::Quantiles(values) => {
            values.windows(2).map(|w| 0.5 * (w[0] + w[1])).sum::<f64>() / (values.len() - 1) as f64
        }
    }
}

/// The coefficient of variation: standard deviation over mean; 0 where the mean is 0.
pub fn cv(distribution: &Distribution) -> f64 {
    let square = match distribution {
        Distribution::Constant(_) => return 0.0,
        Distribution::Exponential { .. } => return 1.0,
        Distribution::Lognormal { cv, .. } | Distribution::Gamma { cv, .. } => return *cv,
        Distribution::Normal { mean, sd } => cut_normal(*mean, *sd).1,
        Distribution::Uniform { from, to } => segment_square(*from, *to),
        Distribution::Empirical { values, .. } => {
            values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
        }
        Distribution::Quantiles(values) => {
            values.windows(2).map(|w| segment_square(w[0], w[1])).sum::<f64>() / (values.len() - 1) as f64
        }
    };
    let mean = mean(distribution);
    if mean > 0.0 { sqrt((square - mean * mean).max(0.0)) / mean } else { 0.0 }
}

/// The value that is not exceeded with probability `p`, given `q = 1 - p` as well so that neither tail loses
/// digits.
pub fn quantile(distribution: &Distribution, p: f64, q: f64) -> f64 {
    match distribution {
        Distribution::Constant(value) => *value,
        Distribution::Exponential { mean } => -mean * if p < q { log1p(-p) } else { log(q) },
        Distribution::Lognormal { mean, cv } => {
            let (mu, sigma) = lognormal_parameters(*mean, *cv);
            exp(mu + sigma * normal_quantile(p, q))
        }
        Distribution::Gamma { mean, cv } => {
            let scale = mean * cv * cv;
            scale * gamma_quantile(1.0 / (cv * cv), p, q)
        }
        Distribution::Normal { sd: 0.0, mean } => mean.max(0.0),
        Distribution::Normal { mean, sd } => (mean + sd * normal_quantile(p, q)).max(0.0),
        Distribution::Uniform { from, to } => {
            if p < q {
                from + (to - from) * p
            } else {
                to - (to - from) * q
            }
        }
        Distribution::Empirical { values, .. } => {
            values[((p * values.len() as f64) as usize).min(values.len() - 1)]
        }
        Distribution::Quantiles(values) => {
            let segments = (values.len() - 1) as f64;
            let place = p * segments;
            let left = (place as usize).min(values.len() - 2);
            values[left] + (values[left + 1] - values[left]) * (place - left as f64)
        }
    }
}

/// Probabilities in (0, 1), ascending, where the quantile function has a corner.
pub(crate) fn corners(distribution: &Distribution) -> Vec<f64> {
    match distribution {
        Distribution::Normal { mean, sd } if *sd > 0.0 => {
            let cut = normal_probability(-mean / sd);
            if cut > 0.0 && cut < 1.0 { vec![cut] } else { vec![] }
        }
        Distribution::Quantiles(values) => {
            let segments = values.len() - 1;
            (1..segments).map(|i| i as f64 / segments as f64).collect()
        }
        _ => vec![],
    }
}

/// Mean and mean square of a normal deviate whose negative values become zero.
fn cut_normal(mean: f64, sd: f64) -> (f64, f64) {
    if sd == 0.0 {
        let mean = mean.max(0.0);
        return (mean, mean * mean);
    }
    let above = normal_probability(mean / sd);
    let density = normal_density(mean / sd);
    (mean * above + sd * density, (mean * mean + sd * sd) * above + mean * sd * density)
}

/// Mean square of a uniform deviate between `a` and `b`.
fn segment_square(a: f64, b: f64) -> f64 {
    (a * a + a * b + b * b) / 3.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{value} is not {expected}");
    }

    #[test]
    fn values_that_can_be_checked_by_hand() {
        // Half of the exponential deviates of mean 2 are below 2 ln 2.
        close(quantile(&Distribution::Exponential { mean: 2.0 }, 0.5, 0.5), 2.0 * std::f64::consts::LN_2);
        // Uniform 1..4: mean 2.5, variance 9/12.
        let uniform = Distribution::Uniform { from: 1.0, to: 4.0 };
        close(mean(&uniform), 2.5);
        close(cv(&uniform), (9.0_f64 / 12.0).sqrt() / 2.5);
        close(quantile(&uniform, 0.25, 0.75), 1.75);
        // Two segments 0..2 and 2..10, each half of the time: mean (1 + 6)/2.
        let lines = Distribution::Quantiles(Arc::new([0.0, 2.0, 10.0]));
        close(mean(&lines), 3.5);
        close(quantile(&lines, 0.75, 0.25), 6.0);
        // 1, 2, 6: mean 3, variance 14/3.
        let values = Distribution::Empirical { source: "x".into(), values: Arc::new([1.0, 2.0, 6.0]) };
        close(mean(&values), 3.0);
        close(cv(&values), (14.0_f64 / 3.0).sqrt() / 3.0);
        close(quantile(&values, 0.5, 0.5), 2.0);
        // A standard normal cut at 0: mean phi(0), mean square 1/2.
        let cut = Distribution::Normal { mean: 0.0, sd: 1.0 };
        close(mean(&cut), 0.3989422804014327);
        close(cv(&cut), (0.5 - 0.3989422804014327_f64.powi(2)).sqrt() / 0.3989422804014327);
        close(quantile(&cut, 0.3, 0.7), 0.0);
        // The median of a lognormal is mean / sqrt(1 + cv^2).
        close(quantile(&Distribution::Lognormal { mean: 5.0, cv: 2.0 }, 0.5, 0.5), 5.0 / 5.0_f64.sqrt());
        // A gamma of cv 1 is exponential.
        close(quantile(&Distribution::Gamma { mean: 2.0, cv: 1.0 }, 0.9, 0.1), 2.0 * 10.0_f64.ln());
    }
}
