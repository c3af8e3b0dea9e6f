//! Named chance: every random word has an address (seed, purpose, endpoint, index) and is computed from it.
//!
//! The mixing function is that of SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number
//! generators, OOPSLA 2014), applied once per word of the address. It decides when frames are sent and how much
//! work they are, so changing it changes what runs of the same seed do.

use crate::protocol::{Arrivals, Values};

/// What a word is for. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The gap before an emission.
    Gap = 0,
    /// The size of a frame.
    Frame = 1,
    /// The work before it is sent.
    Prepare = 2,
    /// The work of a worker.
    Process = 3,
    /// The size of a reply.
    Reply = 4,
    /// The target.
    Route = 5,
    /// A picture.
    Picture = 6,
}

/// The increment of SplitMix64.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// One step of SplitMix64 from a state.
fn split_mix(state: u64) -> u64 {
    let z = state.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The word at an address.
pub fn word(seed: u64, purpose: Purpose, endpoint: u32, index: u64) -> u64 {
    [purpose as u64, u64::from(endpoint), index]
        .into_iter()
        .fold(split_mix(seed), |state, part| split_mix(state ^ part))
}

impl Values {
    /// The number of a request.
    pub fn at(&self, seed: u64, purpose: Purpose, endpoint: u32, index: u64) -> u64 {
        match self {
            Values::Constant(value) => *value,
            Values::List(values) => values[(index % values.len() as u64) as usize],
            Values::Each(lists) => match lists.get(endpoint as usize) {
                Some(values) if !values.is_empty() => values[(index % values.len() as u64) as usize],
                _ => 0,
            },
            Values::Quantiles(values) => {
                let steps = values.len() as u128 - 1;
                let position = u128::from(word(seed, purpose, endpoint, index)) * steps;
                let (low, fraction) = ((position >> 64) as usize, position as u64);
                let step = u128::from(values[low + 1] - values[low]);
                values[low] + ((step * u128::from(fraction)) >> 64) as u64
            }
        }
    }

    /// The smallest and the largest number that can come.
    pub fn range(&self) -> (u64, u64) {
        match self {
            Values::Constant(value) => (*value, *value),
            Values::Each(lists) => {
                let all = || lists.iter().flatten().copied();
                (all().min().unwrap_or(0), all().max().unwrap_or(0))
            }
            Values::Quantiles(values) | Values::List(values) => {
                (values.iter().copied().min().unwrap_or(0), values.iter().copied().max().unwrap_or(0))
            }
        }
    }

    /// What is wrong with them, if anything.
    pub fn wrong(&self) -> Option<&'static str> {
        match self {
            Values::Quantiles(values) if values.len() < 2 => Some("`quantiles` needs at least two values"),
            Values::Quantiles(values) if !values.is_sorted() => Some("`quantiles` must ascend"),
            Values::List(values) if values.is_empty() => Some("`list` needs at least one value"),
            _ => None,
        }
    }
}

/// When requests are due, from the start of the run [ns], in order and without end unless it is a list.
pub fn instants(arrivals: &Arrivals, seed: u64, endpoint: u32) -> Box<dyn Iterator<Item = u64> + '_> {
    match arrivals {
        Arrivals::Periodic { period_ns, phase_ns } => {
            Box::new((0..).map(move |index| phase_ns.saturating_add(period_ns.saturating_mul(index))))
        }
        Arrivals::Poisson { mean_ns } => Box::new((0..).scan(0u64, move |at, index| {
            // 53 bits, above 0 and at most 1.
            let uniform =
                ((word(seed, Purpose::Gap, endpoint, index) >> 11) + 1) as f64 / (1u64 << 53) as f64;
            *at = at.saturating_add((-libm::log(uniform) * *mean_ns as f64) as u64);
            Some(*at)
        })),
        Arrivals::List { at_ns } => Box::new(at_ns.iter().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixing_function_gives_the_published_numbers() {
        let state = 1_234_567u64;
        assert_eq!(split_mix(state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix(state.wrapping_add(GAMMA)), 3_203_168_211_198_807_973);
    }

    #[test]
    fn words_never_change() {
        let others = [word(2, Purpose::Process, 2, 3), word(1, Purpose::Frame, 2, 3)];
        assert!(!others.contains(&word(1, Purpose::Process, 2, 3)));
        assert_eq!(word(1, Purpose::Process, 2, 3), 14_989_134_725_411_442_764);
    }

    #[test]
    fn quantiles_are_met_by_a_hundred_thousand_draws() {
        let values = Values::Quantiles(vec![0, 1_000, 10_000]);
        let mut draws: Vec<u64> = (0..100_000).map(|k| values.at(7, Purpose::Process, 0, k)).collect();
        draws.sort_unstable();
        for (p, expected) in [(25_000, 500.0), (45_000, 900.0), (75_000, 5_500.0)] {
            let found = draws[p] as f64;
            assert!((found / expected - 1.0).abs() < 0.03, "{found} instead of {expected}");
        }
        assert!(draws[99_999] <= 10_000);
    }

    #[test]
    fn numbers_of_each_endpoint_are_its_own() {
        let each = Values::Each(vec![vec![1, 2], vec![], vec![7]]);
        let at = |endpoint, index| each.at(1, Purpose::Process, endpoint, index);
        assert_eq!([at(0, 0), at(0, 1), at(0, 2), at(1, 0), at(2, 5), at(3, 0)], [1, 2, 1, 0, 7, 0]);
        assert_eq!((each.range(), each.wrong()), ((1, 7), None));
    }

    #[test]
    fn periodic_and_listed_instants_are_what_was_asked() {
        let periodic = Arrivals::Periodic { period_ns: 10, phase_ns: 3 };
        assert_eq!(instants(&periodic, 1, 0).take(3).collect::<Vec<_>>(), [3, 13, 23]);
        let list = Arrivals::List { at_ns: vec![5, 5, 9] };
        assert_eq!(instants(&list, 1, 0).collect::<Vec<_>>(), [5, 5, 9]);
    }

    #[test]
    fn gaps_of_a_poisson_process_have_its_mean_and_spread() {
        let arrivals = Arrivals::Poisson { mean_ns: 1_000_000 };
        let at: Vec<u64> = instants(&arrivals, 1, 4).take(100_001).collect();
        let gaps: Vec<f64> = at.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 1e6 - 1.0).abs() < 0.015, "mean {mean}");
        assert!((variance.sqrt() / 1e6 - 1.0).abs() < 0.03, "deviation {}", variance.sqrt());
    }
}
