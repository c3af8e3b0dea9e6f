//! Which deployments of a space are looked at: all of it, or points that are drawn from it.
//!
//! *Sobol*: point `k` is the k-th of an Owen-scrambled Sobol sequence (B. Burley, Practical hash-based Owen
//! scrambling, JCGT 9, 2020), one dimension per axis; the value number is `floor(x n)` on an axis of `n` values.
//! A coordinate has 24 bits, so at most 2^24 values of one axis can be hit.
//!
//! *Latin hypercube* of N points: on each axis the points are dealt to N equally wide strata, one each, by a
//! permutation of its own, and lie anywhere within their stratum (M. D. McKay et al., Technometrics 21, 1979).
//! With N a multiple of `n`, each value comes equally often. The permutation is a Feistel network on just enough
//! bits for N, walked until it lands below N, so nothing is kept however many points there are (J. Black,
//! P. Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002).
//!
//! Points are numbered, and each depends on the seed and its number alone. Points that fall on the same
//! deployment count once: the first is kept.

use offing_scenarios::{Sample, Space};

use crate::ExploreError;

/// Numbers of a space that are gone through without a sample.
pub const MOST_NUMBERS: u64 = 1_000_000_000;

/// The deployments that are looked at, by position.
#[derive(Clone, Debug)]
pub struct Points {
    lengths: Vec<u64>,
    shape: Shape,
    count: u64,
    /// One bit per position that an earlier one says already; empty if there is none.
    repeated: Vec<u64>,
    repeats: u64,
}

#[derive(Clone, Debug)]
enum Shape {
    All,
    Sobol { seed: u32 },
    LatinHypercube { seed: u64 },
}

impl Points {
    /// The points of a space. A sample of at least as many points as the space has numbers is the whole space.
    ///
    /// # Errors
    /// If there are more numbers than can be gone through.
    pub fn new(space: &Space, seed: u64) -> Result<Points, ExploreError> {
        let lengths: Vec<u64> = space.axes().iter().map(|axis| axis.len()).collect();
        let (shape, count) = match space.sample() {
            Some(Sample::Sobol(points)) if u128::from(points) < space.len() => {
                (Shape::Sobol { seed: (mix(seed) >> 32) as u32 }, points)
            }
            Some(Sample::LatinHypercube(points)) if u128::from(points) < space.len() => {
                (Shape::LatinHypercube { seed }, points)
            }
            _ if space.len() > u128::from(MOST_NUMBERS) => {
                return Err(ExploreError::TooLarge { numbers: space.len() });
            }
            _ => (Shape::All, space.len() as u64),
        };
        let mut points = Points { lengths, shape, count, repeated: Vec::new(), repeats: 0 };
        if !points.is_all() {
            points.find_repeated();
        }
        Ok(points)
    }

    /// How many positions there are, those that repeat an earlier one included.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Never: a space has a deployment, and a sample a point.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the whole space is looked at; then a position is the number in the space.
    pub fn is_all(&self) -> bool {
        matches!(self.shape, Shape::All)
    }

    /// How many positions repeat an earlier one.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Whether an earlier position is the same deployment.
    pub fn is_repeated(&self, position: u64) -> bool {
        self.repeated.get((position / 64) as usize).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// Puts the number of each axis's value at that position into `digits`.
    ///
    /// # Panics
    /// If the position is not less than [`Points::len`].
    pub fn digits(&self, position: u64, digits: &mut Vec<u64>) {
        assert!(position < self.count, "there are {} positions, and {position} was asked for", self.count);
        digits.clear();
        match self.shape {
            Shape::All => {
                digits.resize(self.lengths.len(), 0);
                let mut rest = position;
                for (digit, length) in digits.iter_mut().zip(&self.lengths).rev() {
                    (rest, *digit) = (rest / length, rest % length);
                }
            }
            Shape::Sobol { seed } => digits.extend(self.lengths.iter().zip(0..).map(|(&length, axis)| {
                let x = f64::from(sobol_burley::sample(position as u32, axis, seed));
                ((x * length as f64) as u64).min(length - 1)
            })),
            Shape::LatinHypercube { seed } => {
                digits.extend(self.lengths.iter().zip(0..).map(|(&length, axis)| {
                    let key = mix(seed ^ mix(axis + 1));
                    let stratum = shuffled(position, self.count, key);
                    let within = mix(key ^ mix(!stratum)) >> 32;
                    let place = u128::from(stratum) << 32 | u128::from(within);
                    (place * u128::from(length) / (u128::from(self.count) << 32)) as u64
                }))
            }
        }
    }

    /// The number in the space of the deployment with these digits.
    pub fn number(&self, digits: &[u64]) -> u128 {
        digits
            .iter()
            .zip(&self.lengths)
            .fold(0, |number, (&digit, &length)| number * u128::from(length) + u128::from(digit))
    }

    fn find_repeated(&mut self) {
        let mut digits = Vec::new();
        let mut number = |points: &Points, position: u64| {
            points.digits(position, &mut digits);
            points.number(&digits)
        };
        // Numbers may need 128 bits; equal hashes are looked at again.
        let mut keys: Vec<(u64, u32)> = (0..self.count)
            .map(|position| {
                let number = number(self, position);
                (mix(number as u64 ^ mix((number >> 64) as u64)), position as u32)
            })
            .collect();
        keys.sort_unstable();
        let mut repeated = vec![0_u64; self.count.div_ceil(64) as usize];
        for run in keys.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let mut numbers: Vec<(u128, u32)> =
                run.iter().map(|&(_, position)| (number(self, position.into()), position)).collect();
            numbers.sort_unstable();
            for pair in numbers.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                repeated[pair[1].1 as usize / 64] |= 1 << (pair[1].1 % 64);
                self.repeats += 1;
            }
        }
        if self.repeats > 0 {
            self.repeated = repeated;
        }
    }
}

/// The place of `position` in a permutation of `0..count` that the key names.
fn shuffled(position: u64, count: u64, key: u64) -> u64 {
    if count < 2 {
        return position;
    }
    let half = (64 - (count - 1).leading_zeros()).div_ceil(2);
    let mask = (1_u64 << half) - 1;
    let mut place = position;
    loop {
        for round in 0..6_u64 {
            let (left, right) = (place >> half, place & mask);
            let turned = left ^ mix(right ^ mix(key.wrapping_add(round))) & mask;
            place = right << half | turned;
        }
        // The domain is at most four times too wide, so the walk is short, and it leads back below `count`.
        if place < count {
            return place;
        }
    }
}

/// A number that looks like chance: the finalizer of SplitMix64 (G. L. Steele et al., OOPSLA 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_hits_each_place_once() {
        for count in [1, 2, 3, 4, 5, 17, 64, 1000, 1025] {
            let mut places: Vec<u64> = (0..count).map(|position| shuffled(position, count, 7)).collect();
            places.sort_unstable();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
        }
        let order = |key| (0..100).map(|position| shuffled(position, 100, key)).collect::<Vec<_>>();
        assert_ne!(order(1), order(2));
    }

    fn points(shape: Shape, lengths: &[u64], count: u64) -> Points {
        let mut points = Points { lengths: lengths.into(), shape, count, repeated: Vec::new(), repeats: 0 };
        points.find_repeated();
        points
    }

    fn digits(points: &Points) -> Vec<Vec<u64>> {
        let mut digits = Vec::new();
        let mut of = |position| {
            points.digits(position, &mut digits);
            digits.clone()
        };
        (0..points.len()).map(&mut of).collect()
    }

    #[test]
    fn a_latin_hypercube_meets_each_value_equally_often() {
        let points = points(Shape::LatinHypercube { seed: 3 }, &[4, 10, 1_000_000_000], 40);
        let all = digits(&points);
        for (axis, length, times) in [(0, 4, 10), (1, 10, 4)] {
            for value in 0..length {
                assert_eq!(all.iter().filter(|digits| digits[axis] == value).count(), times);
            }
        }
        // One in each stratum of the long axis.
        let mut strata: Vec<u64> = all.iter().map(|digits| digits[2] / 25_000_000).collect();
        strata.sort_unstable();
        assert_eq!(strata, (0..40).collect::<Vec<_>>());
        assert_eq!(points.repeats(), 0);
    }

    #[test]
    fn powers_of_two_of_a_sobol_sequence_meet_each_value_equally_often() {
        let points = points(Shape::Sobol { seed: 5 }, &[8, 16], 64);
        let all = digits(&points);
        for (axis, length) in [(0, 8), (1, 16)] {
            for value in 0..length {
                let times = all.iter().filter(|digits| digits[axis] == value).count() as u64;
                assert_eq!(times, 64 / length, "value {value} of axis {axis}");
            }
        }
    }

    #[test]
    fn a_deployment_that_is_drawn_twice_counts_once() {
        let points = points(Shape::Sobol { seed: 1 }, &[3, 3], 100);
        let all = digits(&points);
        let kept: Vec<&Vec<u64>> =
            (0..100).filter(|&position| !points.is_repeated(position)).map(|p| &all[p as usize]).collect();
        assert_eq!((kept.len(), points.repeats()), (9, 91));
        assert!(!points.is_repeated(0));
    }

    #[test]
    fn positions_of_a_whole_space_are_its_numbers() {
        let points =
            Points { lengths: vec![3, 4, 5], shape: Shape::All, count: 60, repeated: Vec::new(), repeats: 0 };
        for (position, digits) in digits(&points).iter().enumerate() {
            assert_eq!(points.number(digits), position as u128);
        }
    }
}
