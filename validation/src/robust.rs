//! Statistics that a few wild values do not spoil, and distances of samples.
//!
//! | function | what | source |
//! |---|---|---|
//! | [`location`] | Huber's M-estimate of location, k = 1.345 of a scale by the median absolute deviation | P. J. Huber, Robust Statistics, 1981, 6.7 |
//! | [`kolmogorov`] | largest distance of two distribution functions | Smirnov 1948 |
//! | [`wasserstein`] | area between two quantile functions, in the unit of the values | Vallender 1974 |
//! | [`kendall`] | tau-b: concordant less discordant pairs, corrected for ties | M. G. Kendall, Biometrika 33, 1945 |
//! | [`bootstrap`] | percentile interval of a statistic of a sample | B. Efron, R. Tibshirani, 1993, 13.3 |

use rand_distr::{Distribution, Uniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The value below which a share `p` of an ascending sample lies, straight lines between the values.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    assert!(!sorted.is_empty(), "a quantile is of something");
    let at = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * part
}

/// In ascending order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The average; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A robust centre, and the standard deviation of the values around it (of the middle of them, as of a normal).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// The centre.
    pub value: f64,
    /// Standard error of the centre if the values were independent.
    pub error: f64,
    /// Normal-consistent scale of the values.
    pub scale: f64,
    /// How many there were.
    pub count: usize,
}

/// The average of what is left where values far from the middle count less; nothing of no values.
pub fn location(values: &[f64]) -> Option<Location> {
    const K: f64 = 1.345;
    if values.is_empty() {
        return None;
    }
    let ordered = sorted(values.iter().copied());
    let median = quantile(&ordered, 0.5);
    let deviations = sorted(values.iter().map(|value| (value - median).abs()));
    let scale = 1.4826 * quantile(&deviations, 0.5);
    let n = values.len() as f64;
    if scale <= 0.0 {
        // More than half are equal: there is nothing to weigh by.
        return Some(Location { value: median, error: 0.0, scale: 0.0, count: values.len() });
    }
    let mut value = median;
    for _ in 0..30 {
        let weight =
            |x: f64| if (x - value).abs() <= K * scale { 1.0 } else { K * scale / (x - value).abs() };
        let (sum, weights) = values.iter().fold((0.0, 0.0), |(s, w), &x| (s + weight(x) * x, w + weight(x)));
        let next = sum / weights;
        let moved = (next - value).abs();
        value = next;
        if moved < 1e-9 * scale {
            break;
        }
    }
    Some(Location { value, error: scale / n.sqrt(), scale, count: values.len() })
}

/// Degrees of freedom of [`error_of_mean`].
pub const BATCHES: f64 = 19.0;

/// The factor that makes of a standard normal deviate one of Student's t, for degrees of freedom that are common to
/// deviates that go together: the root of n over a chi-square of n, which is drawn by another standard normal deviate (E. B. Wilson,
/// M. M. Hilferty, PNAS 17, 1931; within a hundredth from three degrees on). Fewer than two count as two.
pub fn heavier(freedom: f64, deviate: f64) -> f64 {
    if freedom.is_infinite() {
        return 1.0;
    }
    let ninth = 2.0 / (9.0 * freedom.max(2.0));
    (1.0 - ninth + deviate * ninth.sqrt()).max(0.1).powf(-1.5)
}

/// The value of Student's t that is exceeded with probability 0.025 (R. A. Fisher, E. A. Cornish, Technometrics 2, 1960; within
/// a hundredth from three degrees of freedom on).
pub fn student(freedom: f64) -> f64 {
    let z = 1.959964_f64;
    let (n, z2) = (freedom.max(1.0), z * z);
    z + z * (z2 + 1.0) / (4.0 * n)
        + z * (5.0 * z2 * z2 + 16.0 * z2 + 3.0) / (96.0 * n * n)
        + z * (3.0 * z2.powi(3) + 19.0 * z2 * z2 + 17.0 * z2 - 15.0) / (384.0 * n.powi(3))
}

/// Standard error of the mean of values in order of time, from the means of up to 20 batches, so that values that depend
/// on their neighbours do not look like more than they are.
pub fn error_of_mean(values: &[f64]) -> f64 {
    let batches = (values.len() / 5).clamp(1, 20);
    if batches < 3 {
        return f64::INFINITY;
    }
    let means: Vec<f64> = (0..batches)
        .map(|i| mean(&values[i * values.len() / batches..(i + 1) * values.len() / batches]))
        .collect();
    let centre = mean(&means);
    let square: f64 = means.iter().map(|m| (m - centre).powi(2)).sum();
    (square / (batches - 1) as f64 / batches as f64).sqrt()
}

/// The largest distance of the distribution functions of two ascending samples, 0..1.
pub fn kolmogorov(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut most) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let at = a[i].min(b[j]);
        while i < a.len() && a[i] <= at {
            i += 1;
        }
        while j < b.len() && b[j] <= at {
            j += 1;
        }
        most = most.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    most
}

/// The mean distance of equal quantiles of two ascending samples, in their unit.
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j, mut at, mut sum) = (0, 0, 0.0, 0.0);
    while i < a.len() && j < b.len() {
        let (end_a, end_b) = ((i + 1) as f64 / a.len() as f64, (j + 1) as f64 / b.len() as f64);
        let end = end_a.min(end_b);
        sum += (a[i] - b[j]).abs() * (end - at);
        at = end;
        if end_a <= end {
            i += 1;
        }
        if end_b <= end {
            j += 1;
        }
    }
    sum
}

/// Whether two orders agree: 1 if they are the same, -1 if they are opposite, NaN where one of them orders nothing.
pub fn kendall(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "both are of the same things");
    let (mut agree, mut ties_a, mut ties_b, mut pairs) = (0_i64, 0_i64, 0_i64, 0_i64);
    for i in 0..a.len() {
        for j in 0..i {
            pairs += 1;
            let (x, y) = (a[i] - a[j], b[i] - b[j]);
            match (x == 0.0, y == 0.0) {
                (false, false) => agree += if (x > 0.0) == (y > 0.0) { 1 } else { -1 },
                (is_tie_a, is_tie_b) => {
                    ties_a += i64::from(is_tie_a);
                    ties_b += i64::from(is_tie_b);
                }
            }
        }
    }
    agree as f64 / (((pairs - ties_a) as f64) * ((pairs - ties_b) as f64)).sqrt()
}

/// A generator that is named, from a seed.
pub fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// 95 % interval of a statistic of `n` things, drawn again with repetition 2000 times; nothing of fewer than three.
/// `statistic` gets the numbers of the things drawn.
pub fn bootstrap(n: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Option<[f64; 2]> {
    const REPETITIONS: usize = 2000;
    if n < 3 {
        return None;
    }
    let mut generator = generator(seed);
    let pick = Uniform::new(0, n).expect("there is something to draw from");
    let mut drawn = vec![0; n];
    let found = sorted(
        (0..REPETITIONS)
            .map(|_| {
                drawn.iter_mut().for_each(|place| *place = pick.sample(&mut generator));
                statistic(&drawn)
            })
            .filter(|value| value.is_finite()),
    );
    (!found.is_empty()).then(|| [quantile(&found, 0.025), quantile(&found, 0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_wild_values_moves_the_location_little() {
        let mut values: Vec<f64> = (0..90).map(|i| 10.0 + f64::from(i % 9) * 0.1).collect();
        values.extend([1e6; 10]);
        let found = location(&values).unwrap();
        assert!((found.value - 10.4).abs() < 0.1, "{found:?}");
        assert!(mean(&values) > 1e4);
        assert_eq!(location(&[]), None);
        assert_eq!(location(&[3.0, 3.0, 3.0]).unwrap().value, 3.0);
    }

    #[test]
    fn quantiles_of_student_are_those_of_the_tables() {
        for (freedom, value) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042)] {
            assert!((student(freedom) / value - 1.0).abs() < 0.01, "{freedom}: {}", student(freedom));
        }
        assert!((student(f64::INFINITY) - 1.96).abs() < 1e-4);
        // Drawn by two deviates: the same, of 40,000.
        let mut chance = generator(3);
        let mut normal = || -> f64 { rand_distr::StandardNormal.sample(&mut chance) };
        let drawn = sorted((0..40_000).map(|_| (heavier(5.0, normal()) * normal()).abs()));
        assert!((quantile(&drawn, 0.95) / 2.571 - 1.0).abs() < 0.04, "{}", quantile(&drawn, 0.95));
    }

    #[test]
    fn distances_of_samples_are_those_of_the_definition() {
        // Half of the mass moves by 2.
        assert!((wasserstein(&[0.0, 1.0], &[0.0, 3.0]) - 1.0).abs() < 1e-12);
        // Samples of unlike size: 0 and 1 against 0.5.
        assert!((wasserstein(&[0.0, 1.0], &[0.5]) - 0.5).abs() < 1e-12);
        assert_eq!(kolmogorov(&[0.0, 1.0], &[2.0, 3.0]), 1.0);
        assert_eq!(kolmogorov(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 9.0]), 0.25);
        assert_eq!(kolmogorov(&[1.0, 1.0], &[1.0]), 0.0);
    }

    #[test]
    fn tau_b_counts_pairs_and_minds_ties() {
        assert_eq!(kendall(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), 1.0);
        assert_eq!(kendall(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
        // Three pairs, one tie in the first: (3 - 1)/sqrt(2 x 3).
        assert!((kendall(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]) - 2.0 / 6.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_bootstrap_interval_of_a_mean_is_near_that_of_theory() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let [low, high] =
            bootstrap(100, 7, |at| mean(&at.iter().map(|&i| values[i]).collect::<Vec<_>>())).unwrap();
        // The standard error is 0.289/10.
        assert!(
            (low - (0.495 - 0.0566)).abs() < 0.008 && (high - (0.495 + 0.0566)).abs() < 0.008,
            "{low} {high}"
        );
    }
}
