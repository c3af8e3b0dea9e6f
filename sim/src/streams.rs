//! Named chance: every random word has an address (seed, purpose, entity, index) and is computed from it.
//!
//! The generator is Philox4x32-7, a counter-based generator of Salmon, Moraes, Dror and Shaw (Parallel random
//! numbers: as easy as 1, 2, 3, SC 2011), which passes BigCrush at seven rounds. Nothing is drawn "in order":
//! engines may ask in any sequence, two deployments meet the same requests, and a node more moves no other
//! stream.

/// What a block of four words is for. The numbers are part of the format: changing one changes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Purpose {
    /// Phase of a periodic endpoint, first gap of a renewal one: index 0.
    Phase = 0,
    /// Gaps or jitter of the emissions: request `k` is word `k % 4` of block `k / 4`.
    Emission = 1,
    /// Of one request: preparation, frame, work of stage 0, output of stage 0.
    Request = 2,
    /// Of one request: jitter and loss of the uplink, jitter and loss of the downlink.
    Network = 3,
    /// Of one request: the node it goes to.
    Route = 4,
    /// Offset of a node's quota period: index 0.
    Quota = 5,
    /// Of a kubelet: where its lists and its batches are when pods are asked for: index 0.
    Kubelet = 6,
    /// Which of equally good nodes pod `index` of a start gets: entity 0.
    Schedule = 7,
    /// Stage `s` of a request is purpose `Stage + s`: work and output. Stage 0 is in `Request`.
    Stage = 16,
}

const ROUNDS: usize = 7;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox4x32 with `rounds` rounds: four words from a counter and a key.
#[inline(always)]
fn philox(mut counter: [u32; 4], mut key: [u32; 2], rounds: usize) -> [u32; 4] {
    for _ in 0..rounds {
        let [c0, c1, c2, c3] = counter;
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        counter = [(b >> 32) as u32 ^ c1 ^ key[0], b as u32, (a >> 32) as u32 ^ c3 ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Counters that are worked on side by side.
const LANES: usize = 16;

/// The same for many counters side by side: what the compiler turns into vector instructions. A word lies in the
/// low half of 64 bits, as vector units multiply; what the high half holds does not matter.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "lanes index four columns at once")]
fn philox_lanes(c: &mut [[u64; LANES]; 4], mut key: [u32; 2]) {
    const LOW: u64 = 0xFFFF_FFFF;
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let a = u64::from(MULTIPLIERS[0]) * (c[0][lane] & LOW);
            let b = u64::from(MULTIPLIERS[1]) * (c[2][lane] & LOW);
            c[0][lane] = (b >> 32) ^ c[1][lane] ^ u64::from(key[0]);
            c[2][lane] = (a >> 32) ^ c[3][lane] ^ u64::from(key[1]);
            c[1][lane] = b;
            c[3][lane] = a;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
}

/// All chance of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    key: [u32; 2],
}

impl Streams {
    pub(crate) fn new(seed: u64) -> Self {
        Streams { key: [seed as u32, (seed >> 32) as u32] }
    }

    /// The four words at an address. `entity` is the number of the endpoint or node.
    #[inline(always)]
    pub(crate) fn block(&self, purpose: u32, entity: u32, index: u64) -> [u32; 4] {
        philox([index as u32, (index >> 32) as u32, entity, purpose], self.key, ROUNDS)
    }

    /// The word of emission `index` of an endpoint.
    #[inline(always)]
    pub(crate) fn emission(&self, endpoint: u32, index: u64) -> u32 {
        self.block(Purpose::Emission as u32, endpoint, index / 4)[(index % 4) as usize]
    }

    /// The words of many emissions of an endpoint, from block `first` on; their number is a multiple of 64.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "lanes index four columns at once")]
    pub(crate) fn emissions(&self, endpoint: u32, first: u64, words: &mut [u32]) {
        for (group, words) in words.chunks_exact_mut(4 * LANES).enumerate() {
            let start = first + (group * LANES) as u64;
            let mut c = [
                [0; LANES],
                [0; LANES],
                [u64::from(endpoint); LANES],
                [u64::from(Purpose::Emission as u32); LANES],
            ];
            for lane in 0..LANES {
                c[0][lane] = start + lane as u64;
                c[1][lane] = (start + lane as u64) >> 32;
            }
            philox_lanes(&mut c, self.key);
            for lane in 0..LANES {
                for word in 0..4 {
                    words[4 * lane + word] = c[word][lane] as u32;
                }
            }
        }
    }

    /// Blocks for many requests at once; `words[w][i]` is word `w` of request `i`.
    #[inline(always)]
    pub(crate) fn blocks(&self, purpose: u32, entity: &[u32], index: &[u64], words: &mut [Vec<u32>; 4]) {
        let n = entity.len();
        let padded = n.next_multiple_of(LANES);
        words.iter_mut().for_each(|column| column.resize(padded, 0));
        let (mut last_entity, mut last_index) = ([0; LANES], [0; LANES]);
        let whole = n - n % LANES;
        last_entity[..n - whole].copy_from_slice(&entity[whole..]);
        last_index[..n - whole].copy_from_slice(&index[whole..]);
        for start in (0..n).step_by(LANES) {
            let (entity, index) = match (entity.get(start..start + LANES), index.get(start..start + LANES)) {
                (Some(entity), Some(index)) => (entity, index),
                _ => (&last_entity[..], &last_index[..]),
            };
            let mut c = [[0; LANES], [0; LANES], [0; LANES], [u64::from(purpose); LANES]];
            for lane in 0..LANES {
                c[0][lane] = index[lane];
                c[1][lane] = index[lane] >> 32;
                c[2][lane] = u64::from(entity[lane]);
            }
            philox_lanes(&mut c, self.key);
            for (column, lanes) in words.iter_mut().zip(&c) {
                for (word, &lane) in column[start..start + LANES].iter_mut().zip(lanes) {
                    *word = lane as u32;
                }
            }
        }
        words.iter_mut().for_each(|column| column.truncate(n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the file `kat_vectors` of Random123 1.14.
    #[test]
    fn philox_gives_the_known_answers_of_random123() {
        let pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        for (rounds, counter, key, expected) in [
            (7, [0; 4], [0; 2], [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]),
            (7, [u32::MAX; 4], [u32::MAX; 2], [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662]),
            (7, pi.0, pi.1, [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a]),
            (10, [0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (10, [u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (10, pi.0, pi.1, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox(counter, key, rounds), expected, "{rounds} rounds");
        }
    }

    #[test]
    fn many_blocks_at_once_are_the_same_as_one_by_one() {
        let streams = Streams::new(0x0123_4567_89ab_cdef);
        let entity: Vec<u32> = (0..77).map(|i| i * 31).collect();
        let index: Vec<u64> = (0..77).map(|i| i << 30).collect();
        let mut words = Default::default();
        streams.blocks(Purpose::Request as u32, &entity, &index, &mut words);
        for i in 0..77 {
            let one = streams.block(Purpose::Request as u32, entity[i], index[i]);
            assert_eq!([words[0][i], words[1][i], words[2][i], words[3][i]], one);
        }
        let first = (1 << 34) - 4; // blocks on both sides of a carry
        let mut words = [0; 64];
        streams.emissions(7, first / 4, &mut words);
        for (i, &word) in words.iter().enumerate() {
            assert_eq!(word, streams.emission(7, first + i as u64), "{i}");
        }
    }
}
