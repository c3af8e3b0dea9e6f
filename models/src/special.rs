//! Special functions on `libm` alone, so that they give the same bits on every platform.
//!
//! Sources: normal quantile by P. J. Acklam's rational approximation (2003, relative error 1.2e-9), sharpened
//! by one step of Halley's method on `erfc`; incomplete gamma function by its series and by Lentz's continued
//! fraction (Abramowitz and Stegun 6.5.29 and 6.5.31; Lentz 1976 as modified by Thompson and Barnett 1986).
//!
//! Leaves out fused multiply-add and the standard library's `ln` and `exp`, whose last bit may differ between
//! platforms.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use libm::{erfc, exp, lgamma, log, log1p, sqrt};

/// Probability that a standard normal deviate is below `x`; exact to a relative error of 1e-15 in both tails.
pub(crate) fn normal_probability(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// Density of the standard normal distribution at `x`.
pub(crate) fn normal_density(x: f64) -> f64 {
    exp(-0.5 * x * x) / sqrt(2.0 * PI)
}

/// The deviate that a standard normal stays below with probability `p`, given `q = 1 - p` as well so that
/// neither tail loses digits.
pub(crate) fn normal_quantile(p: f64, q: f64) -> f64 {
    if p > q {
        return -normal_quantile(q, p);
    }
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let x = acklam(p);
    // Halley on Phi(x) = p: f = Phi - p, f' = density, f'' = -x f'.
    let error = (normal_probability(x) - p) / normal_density(x);
    x - error / (1.0 + 0.5 * x * error)
}

/// Acklam's approximation for `0 < p <= 1/2`.
fn acklam(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 5] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p < 0.02425 {
        let t = sqrt(-2.0 * log(p));
        horner(&C, t) / horner(&D, t)
    } else {
        let t = p - 0.5;
        horner(&A, t * t) * t / horner(&B, t * t)
    }
}

/// The regularised incomplete gamma functions `(P, Q)` of `shape` at `x`; `P + Q = 1` and the smaller of the
/// two is exact to a relative error of about 1e-13 (shape up to 1e4).
pub(crate) fn incomplete_gamma(shape: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    let scale = gamma_density_times_x(shape, x);
    if x < shape + 1.0 {
        // P = x^a e^-x / Gamma(a) * sum of x^k / (a (a+1) .. (a+k)).
        let (mut term, mut sum, mut a) = (1.0 / shape, 1.0 / shape, shape);
        while term > sum * 1e-17 {
            a += 1.0;
            term *= x / a;
            sum += term;
        }
        let p = scale * sum;
        (p, 1.0 - p)
    } else {
        // Q = x^a e^-x / Gamma(a) * 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))).
        const TINY: f64 = 1e-300;
        let mut b = x + 1.0 - shape;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / b;
        let mut fraction = d;
        let mut k = 0.0;
        loop {
            k += 1.0;
            let a = -k * (k - shape);
            b += 2.0;
            d = a * d + b;
            c = b + a / c;
            d = 1.0 / if d == 0.0 { TINY } else { d };
            c = if c == 0.0 { TINY } else { c };
            let factor = d * c;
            fraction *= factor;
            if (factor - 1.0).abs() < 1e-16 || k > 1e6 {
                break;
            }
        }
        let q = scale * fraction;
        (1.0 - q, q)
    }
}

/// `x^a e^-x / Gamma(a)`.
fn gamma_density_times_x(shape: f64, x: f64) -> f64 {
    if shape < 10.0 {
        return exp(shape * log(x) - x - lgamma(shape));
    }
    // Large terms would cancel; with d = x/a - 1 and Stirling's series they do so beforehand.
    let d = (x - shape) / shape;
    let square = shape * shape;
    let stirling =
        (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / shape;
    sqrt(shape / (2.0 * PI)) * exp(shape * (log1p(d) - d) - stirling)
}

/// The value that a gamma deviate of this shape and scale 1 stays below with probability `p = 1 - q`.
///
/// Newton's method on the logarithm of the smaller tail against the logarithm of the value: both functions are
/// concave, so it converges from anywhere. From the Wilson-Hilferty approximation it takes two or three steps.
pub(crate) fn gamma_quantile(shape: f64, p: f64, q: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if q <= 0.0 {
        return f64::INFINITY;
    }
    // The first term of the series is all there is near zero: P = x^a / Gamma(a + 1).
    let near_zero = (log(p) + lgamma(shape + 1.0)) / shape;
    if near_zero < -38.0 {
        return exp(near_zero);
    }
    let cube = 1.0 - 1.0 / (9.0 * shape) + normal_quantile(p, q) / (3.0 * sqrt(shape));
    let mut y = if cube > 0.2 && shape > 0.3 {
        log(shape * cube * cube * cube)
    } else if p < 0.5 || near_zero < 0.0 {
        near_zero.min(log(shape + 1.0))
    } else {
        log(shape - log(q))
    };
    for _ in 0..60 {
        let x = exp(y);
        let (below, above) = incomplete_gamma(shape, x);
        let slope = gamma_density_times_x(shape, x);
        let step = if p <= q {
            (log(below) - log(p)) * below / slope
        } else {
            (log(q) - log(above)) * above / slope
        };
        let step = if step.is_finite() { step.clamp(-2.0, 2.0) } else { -1.0 };
        y -= step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    exp(y)
}

/// Mean and standard deviation of the normal under a lognormal with this mean and coefficient of variation.
pub(crate) fn lognormal_parameters(mean: f64, cv: f64) -> (f64, f64) {
    let variance = log1p(cv * cv);
    (log(mean) - 0.5 * variance, sqrt(variance))
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{Continuous, ContinuousCDF, Gamma};

    use super::*;

    fn close(value: f64, expected: f64, relative: f64) {
        assert!((value - expected).abs() <= relative * expected.abs(), "{value} is not {expected}");
    }

    #[test]
    fn textbook_normal_quantiles() {
        // Abramowitz and Stegun, table 26.5.
        close(normal_quantile(0.975, 0.025), 1.959963984540054, 1e-15);
        close(normal_quantile(0.999, 0.001), 3.090232306167813, 1e-15);
        close(normal_quantile(1e-9, 1.0 - 1e-9), -5.997807015007687, 1e-14);
        assert_eq!(normal_quantile(0.5, 0.5), 0.0);
    }

    #[test]
    fn incomplete_gamma_of_shape_one_is_the_exponential() {
        for x in [1e-6, 0.3, 1.0, 2.5, 30.0] {
            let (p, q) = incomplete_gamma(1.0, x);
            close(p, -libm::expm1(-x), 1e-13);
            close(q, exp(-x), 1e-13);
        }
    }

    #[test]
    fn gamma_agrees_with_an_independent_library() {
        for shape in [0.05, 1.0 / 9.0, 0.5, 1.0, 2.0, 4.0, 11.1, 277.8, 10_000.0] {
            let other = Gamma::new(shape, 1.0).unwrap();
            for p in [1e-9, 1e-4, 0.01, 0.2, 0.5, 0.8, 0.99, 0.9999, 1.0 - 1e-9] {
                let x = gamma_quantile(shape, p, 1.0 - p);
                if x < 1e-200 {
                    continue; // statrs has no digits there
                }
                // Its cdf is the better judge: it is accurate to about 1e-10, its inverse to 1e-6 only.
                let slack = 1e-9 * p.min(1.0 - p) + 1e-15 + other.pdf(x) * x * 1e-12;
                let got = if p < 0.5 { other.cdf(x) - p } else { other.sf(x) - (1.0 - p) };
                assert!(
                    got.abs() < slack.max(3e-10 * p.min(1.0 - p)),
                    "shape {shape}, p {p}: {x}, off by {got}"
                );
            }
        }
    }

    #[test]
    fn gamma_quantile_inverts_in_both_tails() {
        for shape in [0.05, 0.25, 1.0, 3.0, 100.0, 2500.0] {
            for k in 1..=40 {
                let tail = libm::exp2(-f64::from(k));
                let (p, _) = incomplete_gamma(shape, gamma_quantile(shape, tail, 1.0 - tail));
                let (_, q) = incomplete_gamma(shape, gamma_quantile(shape, 1.0 - tail, tail));
                if p > 0.0 {
                    close(p, tail, 1e-9);
                }
                close(q, tail, 1e-9);
            }
        }
    }
}
