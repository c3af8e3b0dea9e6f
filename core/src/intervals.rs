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
//! Batches are joined in pairs while neighbours are still correlated, from 32 down to 8 at least.

/// The totals of a batch: of the measured quantity, and how many requests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    pub total: f64,
    pub n: f64,
}

const FEWEST: usize = 8;

/// Half the width of the 95 % interval of the ratio of the totals; nothing if there is too little to say.
pub(crate) fn half_width(batches: &[Batch]) -> Option<f64> {
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
        if neighbours > squares * 1.2816 / count.sqrt() && batches.len() / 2 >= FEWEST {
            batches = batches
                .chunks_exact(2)
                .map(|pair| Batch { total: pair[0].total + pair[1].total, n: pair[0].n + pair[1].n })
                .collect();
            continue;
        }
        let variance = squares * count / (count - 1.0) / (n * n);
        return Some(student_t(batches.len() - 1) * variance.sqrt());
    }
}

/// The 97.5 % quantile of Student's t for the degrees of freedom that occur (tables, e.g. NIST/SEMATECH
/// e-Handbook of Statistical Methods, 1.3.6.7.2).
fn student_t(degrees: usize) -> f64 {
    match degrees {
        31.. => 2.0395,
        15.. => 2.1314,
        _ => 2.3646,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_batches_leave_no_doubt() {
        assert_eq!(half_width(&[Batch { total: 50.0, n: 10.0 }; 32]), Some(0.0));
    }

    #[test]
    fn the_interval_of_alternating_batches_is_t_times_the_standard_error() {
        // 32 batches of one request, values 0 and 2 in turn: mean 1, sample variance 32/31.
        let batches: Vec<Batch> = (0..32).map(|i| Batch { total: f64::from(i % 2) * 2.0, n: 1.0 }).collect();
        let by_hand = 2.0395 * (32.0f64 / 31.0 / 32.0).sqrt();
        assert!((half_width(&batches).unwrap() - by_hand).abs() < 1e-12);
    }

    #[test]
    fn a_slow_wave_joins_batches() {
        // Four slow waves: 32 batches would take the wave for noise that averages out.
        let batches: Vec<Batch> = (0..32).map(|i| Batch { total: f64::from(i / 4 % 2), n: 1.0 }).collect();
        let unjoined = 2.0395 * (8.0f64 / 31.0 / 32.0).sqrt();
        assert!(half_width(&batches).unwrap() > 1.4 * unjoined);
    }
}
