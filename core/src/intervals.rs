//! Confidence intervals that respect the correlation of successive requests.
//!
//! Successive latencies are alike (a queue forgets slowly), so their plain standard error is far too small.
//! The run is cut into batches of equal length in time; batches long enough are nearly independent (batch
//! means: Schmeiser, Batch size effects in the analysis of simulation output, Operations Research 30, 1982).
//! - A mean is a ratio of two batch totals, the sum and the number of requests; its error is that of a ratio
//!   estimator.
//! - A quantile's error is found on the side of the probability: the share of requests at or below the
//!   estimate is a mean, so it has a batch-means error, which the empirical distribution carries back to
//!   values (Woodruff, Confidence intervals for medians and other position measures, JASA 47, 1952).
//!
//! Batches are joined in pairs, to 16, and on while neighbours are still correlated, to 8 at least.
//!
//! Batches of a queue are skewed: a few hold the long waits, the more so for a high quantile. A run that met few
//! of them has a low estimate and a small variance at once, so Student's t is too short on one side; there the
//! interval is lengthened by the skewness of the batches (Johnson, Modified t tests and confidence intervals for
//! asymmetrical populations, JASA 73, 1978, solved to first order). The other side is not shortened. The exact
//! solution (Willink 2005) covers no better and makes intervals up to twice as wide.
//! sim/tests/intervals.rs counts how often the truth is inside.

/// The totals of a batch: of the measured quantity, and how many requests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    pub total: f64,
    pub n: f64,
}

/// Batches to begin and to end with.
const MOST: usize = 16;
const FEWEST: usize = 8;

/// How far the ratio of the totals may lie below and above the truth (95 %); nothing if there is too little to
/// say.
pub(crate) fn error_of_ratio(batches: &[Batch]) -> Option<[f64; 2]> {
    let mut batches = batches.to_vec();
    let n: f64 = batches.iter().map(|b| b.n).sum();
    // With less than one request per batch there is no variance between batches to speak of.
    if n < batches.len() as f64 {
        return None;
    }
    let ratio = batches.iter().map(|b| b.total).sum::<f64>() / n;
    loop {
        let residuals: Vec<f64> = batches.iter().map(|b| b.total - ratio * b.n).collect();
        let squares: f64 = residuals.iter().map(|d| d * d).sum();
        let neighbours: f64 = residuals.windows(2).map(|d| d[0] * d[1]).sum();
        let count = batches.len() as f64;
        // One-sided test at 10 %: independent residuals have a lag-one correlation of standard deviation
        // 1/sqrt(count).
        let is_correlated = neighbours > squares * 1.2816 / count.sqrt() && batches.len() / 2 >= FEWEST;
        if is_correlated || batches.len() > MOST {
            batches = batches
                .chunks_exact(2)
                .map(|pair| Batch { total: pair[0].total + pair[1].total, n: pair[0].n + pair[1].n })
                .collect();
            continue;
        }
        if squares == 0.0 {
            return Some([0.0; 2]);
        }
        let cubes: f64 = residuals.iter().map(|d| d * d * d).sum();
        let standard_error = (squares * count / (count - 1.0)).sqrt() / n;
        let t = student_t(batches.len() - 1);
        let longer = skewness(count, squares, cubes) / (6.0 * count.sqrt()) * (1.0 + 2.0 * t * t);
        return Some([longer.max(0.0), (-longer).max(0.0)].map(|longer| (t + longer) * standard_error));
    }
}

/// Skewness of a sample, from the sums of the squares and cubes of its deviations from the mean.
fn skewness(count: f64, squares: f64, cubes: f64) -> f64 {
    let variance = squares / (count - 1.0);
    cubes * count / ((count - 1.0) * (count - 2.0)) / (variance * variance.sqrt())
}

/// The 97.5 % quantile of Student's t for the degrees of freedom that occur (tables, e.g. NIST/SEMATECH
/// e-Handbook of Statistical Methods, 1.3.6.7.2).
fn student_t(degrees: usize) -> f64 {
    match degrees {
        15.. => 2.1314,
        _ => 2.3646,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_batches_leave_no_doubt() {
        assert_eq!(error_of_ratio(&[Batch { total: 50.0, n: 10.0 }; 32]), Some([0.0, 0.0]));
    }

    #[test]
    fn the_interval_of_alternating_batches_is_t_times_the_standard_error() {
        // 16 batches of one request, values 0 and 2 in turn: mean 1, sample variance 16/15.
        let batches: Vec<Batch> = (0..16).map(|i| Batch { total: f64::from(i % 2) * 2.0, n: 1.0 }).collect();
        let by_hand = 2.1314 * (16.0f64 / 15.0 / 16.0).sqrt();
        for side in error_of_ratio(&batches).unwrap() {
            assert!((side - by_hand).abs() < 1e-12);
        }
    }

    #[test]
    fn where_few_batches_are_large_the_estimate_is_rather_too_low() {
        // Every eighth of 16 batches holds 8, the others nothing: mean 1, squares 2 * 49 + 14 = 112, cubes
        // 2 * 343 - 14 = 672. Variance 112/15 = 7.4667; skewness 672 * 16 / (15 * 14) / 7.4667^1.5 = 2.5095,
        // divided by 6 sqrt(16): 0.10456, times 1 + 2 * 2.1314^2 = 10.0857: 1.0546 more than 2.1314.
        let batches: Vec<Batch> =
            (0..16).map(|i| Batch { total: if i % 8 == 4 { 8.0 } else { 0.0 }, n: 1.0 }).collect();
        let standard_error = (112.0f64 / 15.0 / 16.0).sqrt();
        let [below, above] = error_of_ratio(&batches).unwrap();
        assert!((below / standard_error - 3.1860).abs() < 1e-3, "{}", below / standard_error);
        assert!((above / standard_error - 2.1314).abs() < 1e-9);
    }

    #[test]
    fn a_slow_wave_joins_batches() {
        // Two slow waves: 16 batches would take the wave for noise that averages out.
        let batches: Vec<Batch> = (0..16).map(|i| Batch { total: f64::from(i / 4 % 2), n: 1.0 }).collect();
        let unjoined = 2.1314 * (4.0f64 / 15.0 / 16.0).sqrt();
        assert!(error_of_ratio(&batches).unwrap().into_iter().all(|side| side > 1.4 * unjoined));
    }
}
