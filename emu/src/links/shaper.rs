//! When a packet leaves an emulated link: arithmetic alone, no clock and no device.
//!
//! A *medium* transmits one packet after the other at its rate, first come first served, and drops what
//! arrives while its queue is full. A *path* is an ordered pair of nodes: it uses a medium, then loses the
//! packet or delays it by `latency` plus a normal deviate. Packets of one path keep their order: one that
//! would overtake waits for the one before it, so jitter that is long against the spacing of packets raises
//! the mean delay.
//!
//! Size is that of the Ethernet frame, 14 bytes of header included, as the kernel's HTB counts it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use offing_core::Span;

/// A transmitter that one or more paths share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Medium {
    /// Rate of whole frames [bit/s]; nothing means that transmission takes no time.
    pub rate_bit_s: Option<f64>,
    /// Packets that may wait or be in transmission; a further one is dropped.
    pub queue_packets: usize,
}

/// One direction between two nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// Index of the sender among the nodes.
    pub from: usize,
    /// Index of the receiver among the nodes.
    pub to: usize,
    /// Index of the medium.
    pub medium: usize,
    /// One-way propagation delay.
    pub latency: Span,
    /// Standard deviation of the delay; normal, cut so that no delay is negative.
    pub jitter: Span,
    /// Probability that a packet is lost.
    pub loss: f64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is due at this instant [ns].
    Due(u64),
    /// It was transmitted and lost.
    Lost,
    /// The queue was full.
    Dropped,
}

/// The state of all media and paths.
pub struct Shaper {
    seed: u64,
    media: Vec<(Medium, Transmitter)>,
    paths: Vec<(Path, Progress)>,
}

#[derive(Default)]
struct Transmitter {
    /// When the packets that wait or are in transmission will have been sent [ns], in order.
    done_ns: VecDeque<u64>,
    free_ns: u64,
}

#[derive(Default)]
struct Progress {
    packets: u64,
    last_due_ns: u64,
}

impl Shaper {
    /// Idle links. The seed decides which packets are lost and how much each is delayed.
    pub fn new(media: &[Medium], paths: &[Path], seed: u64) -> Self {
        Shaper {
            seed,
            media: media.iter().map(|medium| (medium.clone(), Transmitter::default())).collect(),
            paths: paths.iter().map(|path| (path.clone(), Progress::default())).collect(),
        }
    }

    /// A frame of `bytes` enters path number `path` at `now_ns`. Calls come in order of time.
    pub fn offer(&mut self, path: usize, bytes: usize, now_ns: u64) -> Fate {
        let (path_of, progress) = &mut self.paths[path];
        let (medium, transmitter) = &mut self.media[path_of.medium];
        let Some(sent_ns) = transmitter.transmit(medium, bytes, now_ns) else { return Fate::Dropped };
        let n = progress.packets;
        progress.packets += 1;
        let chance = Chance { seed: self.seed, path: path as u64, packet: n };
        if path_of.loss > 0.0 && chance.uniform(0) < path_of.loss {
            return Fate::Lost;
        }
        let latency_ns = path_of.latency.as_nanos();
        let delay_ns = match path_of.jitter.as_nanos() {
            0 => latency_ns,
            // A negative float becomes zero.
            sd_ns => (latency_ns as f64 + sd_ns as f64 * chance.normal()).round() as u64,
        };
        progress.last_due_ns = progress.last_due_ns.max(sent_ns + delay_ns);
        Fate::Due(progress.last_due_ns)
    }
}

impl Transmitter {
    /// When the last bit will have been sent; nothing if the queue is full.
    fn transmit(&mut self, medium: &Medium, bytes: usize, now_ns: u64) -> Option<u64> {
        let Some(rate_bit_s) = medium.rate_bit_s else { return Some(now_ns) };
        while self.done_ns.front().is_some_and(|&done| done <= now_ns) {
            self.done_ns.pop_front();
        }
        if self.done_ns.len() >= medium.queue_packets {
            return None;
        }
        let takes_ns = (bytes as f64 * 8e9 / rate_bit_s).round() as u64;
        self.free_ns = self.free_ns.max(now_ns) + takes_ns;
        self.done_ns.push_back(self.free_ns);
        Some(self.free_ns)
    }
}

/// Random numbers by address: the output function of SplitMix64 (Steele, Lea, Flood, 2014) over a counter.
struct Chance {
    seed: u64,
    path: u64,
    packet: u64,
}

impl Chance {
    fn word(&self, draw: u64) -> u64 {
        let mut z = mix(self.seed ^ mix(self.path.wrapping_add(0x6f66_6669_6e67)));
        z = mix(z.wrapping_add(self.packet.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        mix(z.wrapping_add(draw))
    }

    /// In [0, 1).
    fn uniform(&self, draw: u64) -> f64 {
        (self.word(draw) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&self) -> f64 {
        let (u, v) = (1.0 - self.uniform(1), self.uniform(2));
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaper(rate_bit_s: Option<f64>, queue_packets: usize, jitter_ms: u64, loss: f64) -> Shaper {
        let path = |from, to| Path {
            from,
            to,
            medium: 0,
            latency: Span::from_millis(10),
            jitter: Span::from_millis(jitter_ms),
            loss,
        };
        Shaper::new(&[Medium { rate_bit_s, queue_packets }], &[path(0, 1), path(0, 2)], 1)
    }

    #[test]
    fn a_thousand_bytes_at_eight_megabit_take_a_millisecond_plus_latency_and_the_next_waits_for_them() {
        let mut shaper = shaper(Some(8e6), 10, 0, 0.0);
        assert_eq!(shaper.offer(0, 1_000, 0), Fate::Due(11_000_000));
        assert_eq!(shaper.offer(1, 1_000, 500_000), Fate::Due(12_000_000));
        assert_eq!(shaper.offer(0, 1_000, 7_000_000), Fate::Due(18_000_000));
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_has_room_again_when_one_was_sent() {
        let mut shaper = shaper(Some(8e6), 2, 0, 0.0);
        assert_eq!(shaper.offer(0, 1_000, 0), Fate::Due(11_000_000));
        assert_eq!(shaper.offer(0, 1_000, 0), Fate::Due(12_000_000));
        assert_eq!(shaper.offer(0, 1_000, 0), Fate::Dropped);
        assert_eq!(shaper.offer(0, 1_000, 1_000_000), Fate::Due(13_000_000));
    }

    #[test]
    fn loss_has_its_probability_and_the_same_seed_loses_the_same_packets() {
        let lost = || -> Vec<u64> {
            let mut shaper = shaper(None, 0, 0, 0.05);
            (0..100_000).filter(|&i| shaper.offer(0, 100, i) == Fate::Lost).collect()
        };
        // Four standard deviations of a binomial.
        assert!((lost().len() as f64 - 5_000.0).abs() < 4.0 * (100_000.0 * 0.05 * 0.95f64).sqrt());
        assert_eq!(lost(), lost());
    }

    #[test]
    fn jitter_has_its_deviation_where_packets_are_far_apart_and_never_reorders() {
        let spread = |gap_ns: u64| -> Vec<u64> {
            let mut shaper = shaper(None, 0, 2, 0.0);
            let due = |i: u64| match shaper.offer(0, 100, i * gap_ns) {
                Fate::Due(due_ns) => due_ns,
                other => panic!("{other:?}"),
            };
            (0..20_000).map(due).collect()
        };
        let delays: Vec<f64> = spread(100_000_000)
            .iter()
            .zip(0..)
            .map(|(due, i)| (due - i * 100_000_000) as f64 / 1e6)
            .collect();
        let mean = delays.iter().sum::<f64>() / 20_000.0;
        let sd = (delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        assert!((mean - 10.0).abs() < 0.06 && (sd - 2.0).abs() < 0.04, "{mean} {sd}");
        assert!(spread(1_000).is_sorted());
    }
}
