//! A link: how long a message occupies it, and how long it travels.
//!
//! **Transmission** ([`Transmission`]), the time for which the message occupies the link:
//!
//! ```text
//! t = 8 n / (r (1 - p))        [s],   r = min(rate, 8 window / (2 latency))
//! ```
//!
//! or, for a recorded link, until the last of the `ceil(n / (1 - p) / 1500)` delivery opportunities that it needs.
//!
//! **Delay** ([`Delay`]), after the transmission:
//!
//! ```text
//! d = max(0, latency + jitter z) + R f        [s],   P(R <= k) = (1 - p^(k+1))^m,   m = ceil(n / 1448)
//! f = 2 latency                  if m >= 4 (three later packets report the loss: fast retransmit)
//! f = 2 latency + 200 ms         otherwise (the sender waits for its timer)
//! ```
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | n | size of the message | byte | 0 to 2^51 |
//! | m | its packets | 1 | at least 1 |
//! | p | probability that a packet is lost | 1 | 0 to below 1 |
//! | z | standard normal deviate | 1 | cut at 6.4 |
//! | R | rounds of retransmission until the last packet is there | 1 | |
//! | f | cost of a round | s | |
//! | rate, window, latency, jitter | as in `core::Direction` | bit/s, byte, s, s | |
//!
//! Sources: window limit: SimGrid's and every TCP text book's `window / round trip`; opportunities: R. Netravali
//! et al., Mahimahi, USENIX ATC 2015, and its `link_queue.cc`; retransmission: RFC 5681 section 3.2 (three
//! duplicate acknowledgements), RFC 6675, RFC 6298 (which says 1 s; Linux's TCP_RTO_MIN is 200 ms). The numbers
//! are in data/compute.toml.
//!
//! Left out: slow start and congestion control (a long-lived connection whose window is open), the doubling of
//! the timer, loss of acknowledgements, the delay of the way back where it differs, reordering by jitter within
//! a message, headers (the rate is that of the payload).

use std::sync::Arc;

use libm::{expm1, log};
use offing_core::{Direction, Rate, Span};

use crate::sampling::NormalTable;

/// Constants of the transport protocol; values and sources in data/compute.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Payload of one packet [byte].
    pub segment_bytes: u64,
    /// A message of at least this many packets has its losses reported by its own later packets.
    pub fast_retransmit_packets: u64,
    /// Least time that a sender waits before it sends again unasked, beyond the round trip.
    pub timeout: Span,
    /// Bytes that one delivery opportunity of a recorded link carries.
    pub opportunity_bytes: u64,
}

/// How long messages occupy one direction of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Transmission {
    /// No time at all.
    Unlimited,
    /// In proportion to the size.
    Constant {
        /// [ns/byte], losses and window included.
        ns_per_byte: f64,
    },
    /// By recorded opportunities.
    Trace(Opportunities),
}

/// Recorded delivery opportunities, repeated for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct Opportunities {
    /// Within one round, ascending; the last is the length of a round.
    instants: Arc<[Span]>,
    /// Opportunities per byte of the message, losses included.
    per_byte: f64,
    /// Least time per byte, by the window [ns/byte].
    ns_per_byte: f64,
}

impl Transmission {
    /// The transmission over `direction`.
    pub fn new(direction: &Direction, transport: &Transport) -> Self {
        let arriving = 1.0 - direction.loss;
        let round_trip_ns = 2.0 * direction.latency.as_nanos() as f64;
        let by_window = direction.window_bytes.map_or(0.0, |window| round_trip_ns / window / arriving);
        match &direction.rate {
            Rate::Unlimited if by_window == 0.0 => Transmission::Unlimited,
            Rate::Unlimited => Transmission::Constant { ns_per_byte: by_window },
            Rate::BitPerS(rate) => {
                Transmission::Constant { ns_per_byte: (8e9 / rate / arriving).max(by_window) }
            }
            Rate::Trace { opportunities, .. } => {
                assert!(opportunities[opportunities.len() - 1] > Span::ZERO, "a round has a length");
                Transmission::Trace(Opportunities {
                    instants: Arc::clone(opportunities),
                    per_byte: 1.0 / (transport.opportunity_bytes as f64 * arriving),
                    ns_per_byte: by_window,
                })
            }
        }
    }

    /// The end of a transmission of `bytes` that starts at `start` on a link that was idle before [ns].
    ///
    /// On a recorded link the first opportunity used is the first at or after `start`.
    #[inline(always)]
    pub fn finish(&self, start: u64, bytes: u64) -> u64 {
        self.finish_next(&mut 0, start, bytes)
    }

    /// The same after other transmissions: `taken` is zero at first, and says which opportunities of a recorded
    /// link are gone, because several may be at one instant and each is used once. Calls are in order of time.
    ///
    /// What a message leaves of its last opportunity is lost, as when Mahimahi's queue runs empty.
    #[inline(always)]
    pub fn finish_next(&self, taken: &mut u64, start: u64, bytes: u64) -> u64 {
        match self {
            Transmission::Unlimited => start,
            Transmission::Constant { ns_per_byte } => start + nearest(bytes as f64 * ns_per_byte),
            Transmission::Trace(link) => link.finish(taken, start, bytes),
        }
    }

    /// How long `bytes` occupy the link [ns] if that does not depend on when; nothing for a recorded link.
    #[inline(always)]
    pub fn span(&self, bytes: u64) -> Option<u64> {
        match self {
            Transmission::Unlimited => Some(0),
            Transmission::Constant { ns_per_byte } => Some(nearest(bytes as f64 * ns_per_byte)),
            Transmission::Trace(_) => None,
        }
    }

    /// The mean rate of long transmissions [bit/s]; infinite if unlimited.
    pub fn rate_bit_s(&self) -> f64 {
        match self {
            Transmission::Unlimited => f64::INFINITY,
            Transmission::Constant { ns_per_byte } => 8e9 / ns_per_byte,
            Transmission::Trace(link) => {
                let round_ns = link.instants[link.instants.len() - 1].as_nanos() as f64;
                8e9 / (round_ns / link.instants.len() as f64 * link.per_byte).max(link.ns_per_byte)
            }
        }
    }
}

impl Opportunities {
    /// Opportunity `k` is at `round * (k / N) + instants[k % N]`.
    fn finish(&self, taken: &mut u64, start: u64, bytes: u64) -> u64 {
        let count = self.instants.len() as u64;
        let round = self.instants[self.instants.len() - 1].as_nanos();
        // The last opportunity of a round is at the start of the next, so rounds are open at their start.
        let number = start.saturating_sub(1) / round;
        let within = start - number * round;
        let first = number * count + self.instants.partition_point(|at| at.as_nanos() < within) as u64;
        // A message without bytes passes with the next opportunity, as a packet of nothing but headers would.
        let needed = (libm::ceil(bytes as f64 * self.per_byte) as u64).max(1);
        let last = first.max(*taken) + needed - 1;
        *taken = last + 1;
        let at = last / count * round + self.instants[(last % count) as usize].as_nanos();
        at.max(start + nearest(bytes as f64 * self.ns_per_byte))
    }
}

/// How long a message travels after its transmission.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    latency_ns: u64,
    jitter: Option<NormalTable>,
    loss: Option<Loss>,
}

/// Losses of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Loss {
    log_probability: f64,
    segment_bytes: u64,
    fast_packets: u64,
    fast_ns: u64,
    slow_ns: u64,
}

impl Delay {
    /// The delay over `direction`.
    pub fn new(direction: &Direction, transport: &Transport) -> Self {
        let latency_ns = direction.latency.as_nanos();
        let fast_ns = 2 * latency_ns;
        Delay {
            latency_ns,
            jitter: (direction.jitter > Span::ZERO)
                .then(|| NormalTable::new(direction.jitter.as_nanos() as f64)),
            loss: (direction.loss > 0.0).then(|| Loss {
                log_probability: log(direction.loss),
                segment_bytes: transport.segment_bytes,
                fast_packets: transport.fast_retransmit_packets,
                fast_ns,
                slow_ns: fast_ns + transport.timeout.as_nanos(),
            }),
        }
    }

    /// The delay of a message of `bytes` [ns]. Words that are not needed are not looked at.
    #[inline(always)]
    pub fn sample(&self, jitter_word: u32, loss_word: u32, bytes: u64) -> u64 {
        let mut delay = self.latency_ns;
        if let Some(jitter) = &self.jitter {
            delay = delay.saturating_add_signed(jitter.deviate(jitter_word));
        }
        if let Some(loss) = &self.loss {
            delay += loss.delay(loss_word, bytes);
        }
        delay
    }

    /// A bound that no delay is below [ns].
    pub fn minimum(&self) -> u64 {
        self.latency_ns.saturating_sub(self.jitter.as_ref().map_or(0, NormalTable::bound))
    }

    /// Whether [`Delay::sample`] looks at its jitter word.
    pub fn needs_jitter_word(&self) -> bool {
        self.jitter.is_some()
    }

    /// Whether [`Delay::sample`] looks at its loss word.
    pub fn needs_loss_word(&self) -> bool {
        self.loss.is_some()
    }

    /// The delay, if it is the same for every message.
    pub fn is_constant(&self) -> Option<u64> {
        (self.jitter.is_none() && self.loss.is_none()).then_some(self.latency_ns)
    }
}

impl Loss {
    fn delay(&self, word: u32, bytes: u64) -> u64 {
        let packets = bytes.div_ceil(self.segment_bytes).max(1);
        let round_ns = if packets >= self.fast_packets { self.fast_ns } else { self.slow_ns };
        self.rounds(word, packets).saturating_mul(round_ns)
    }

    /// The smallest R with `(1 - p^(R+1))^m >= u`: `R + 1 = ceil(ln(1 - u^(1/m)) / ln p)`.
    fn rounds(&self, word: u32, packets: u64) -> u64 {
        let u = (f64::from(word) + 0.5) * (1.0 / 4_294_967_296.0);
        let some_packet_late = -expm1(log(u) / packets as f64);
        libm::ceil(log(some_packet_late) / self.log_probability).max(1.0) as u64 - 1
    }
}

/// The nearest whole number of a value from 0 to 2^62, ties to even. A sum with 2^52 has it in its low bits; a
/// cast saturates, which costs more.
#[inline(always)]
fn nearest(x: f64) -> u64 {
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    if x < TWO_52 / 2.0 { (x + TWO_52).to_bits() - TWO_52.to_bits() } else { x as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const TRANSPORT: Transport = Transport {
        segment_bytes: 1448,
        fast_retransmit_packets: 4,
        timeout: Span::from_millis(200),
        opportunity_bytes: 1500,
    };

    fn direction(rate: Rate) -> Direction {
        Direction { rate, ..Direction::default() }
    }

    /// Opportunities at these milliseconds.
    fn recorded(millis: &[u64]) -> Rate {
        let opportunities = millis.iter().map(|&ms| Span::from_millis(ms)).collect();
        Rate::Trace { source: "x".into(), opportunities }
    }

    #[test]
    fn one_megabyte_at_eight_megabit_takes_a_second() {
        let link = Transmission::new(&direction(Rate::BitPerS(8e6)), &TRANSPORT);
        assert_eq!(link.finish(5, 1_000_000), 1_000_000_005);
        assert_eq!(link.span(1_000_000), Some(1_000_000_000));
        assert_eq!(link.rate_bit_s(), 8e6);
        // A mean frame of Continuum's benchmark, 68 006 B, at 7.21 Mbit/s: 75.457 ms (its own figure: 75.5 ms).
        let link = Transmission::new(&direction(Rate::BitPerS(7.21e6)), &TRANSPORT);
        assert_eq!(link.finish(0, 68_006), 75_457_420);
        let link = Transmission::new(&Direction::default(), &TRANSPORT);
        assert_eq!((link.finish(7, 1 << 40), link.span(1), link.rate_bit_s()), (7, Some(0), f64::INFINITY));
    }

    #[test]
    fn a_tenth_of_lost_packets_is_sent_again() {
        let lossy = Direction { loss: 0.1, ..direction(Rate::BitPerS(9e6)) };
        // 9 Mbit/s of which nine tenths arrive: 8.1 Mbit/s.
        assert_eq!(Transmission::new(&lossy, &TRANSPORT).finish(0, 1_012_500), 1_000_000_000);
    }

    #[test]
    fn published_window_limit() {
        // SimGrid: 1e10 B at 1e10 B/s with a window of 4 194 304 B and a latency of 0, 1e-5 and 1e-3 s take
        // 1.000000, 1.000010 and 4.769372 s; the last is the window over the round trip.
        for (latency, expected) in [(0, 1.000000), (10_000, 1.000010), (1_000_000, 4.769372)] {
            let link = Direction {
                latency: Span::from_nanos(latency),
                window_bytes: Some(4_194_304.0),
                ..direction(Rate::BitPerS(8e10))
            };
            let end = Transmission::new(&link, &TRANSPORT).finish(0, 10_000_000_000);
            let total = end + Delay::new(&link, &TRANSPORT).sample(0, 0, 10_000_000_000);
            assert!((total as f64 / 1e9 - expected).abs() < 5e-7, "{total}");
        }
        // A window alone also limits a link without a rate: 1000 B per 2 ms.
        let link = Direction {
            latency: Span::from_millis(1),
            window_bytes: Some(1000.0),
            ..direction(Rate::Unlimited)
        };
        assert_eq!(Transmission::new(&link, &TRANSPORT).finish(0, 5000), 10 * MS);
    }

    #[test]
    fn a_recorded_link_delivers_at_its_opportunities() {
        // One at 1, two at 3, one at 7 ms; then again from 7 ms on: 8, 10, 10, 14, ...
        let link = Transmission::new(&direction(recorded(&[1, 3, 3, 7])), &TRANSPORT);
        assert_eq!(link.finish(0, 1500), MS);
        assert_eq!(link.finish(0, 1501), 3 * MS);
        assert_eq!(link.finish(0, 4500), 3 * MS);
        assert_eq!(link.finish(MS, 1), MS);
        assert_eq!(link.finish(MS + 1, 1), 3 * MS);
        assert_eq!(link.finish(3 * MS + 1, 3000), 8 * MS);
        assert_eq!(link.finish(7 * MS, 1), 7 * MS);
        assert_eq!(link.finish(7 * MS + 1, 1500 * 4), 14 * MS);
        // Four opportunities in 7 ms.
        assert!((link.rate_bit_s() - 4.0 * 12_000.0 / 0.007).abs() < 1e-6);
        assert_eq!(link.span(1), None);
    }

    #[test]
    fn each_opportunity_is_used_once() {
        let link = Transmission::new(&direction(recorded(&[1, 3, 3, 7])), &TRANSPORT);
        let mut taken = 0;
        let ends: Vec<u64> = (0..6).map(|_| link.finish_next(&mut taken, 0, 1000) / MS).collect();
        assert_eq!(ends, [1, 3, 3, 7, 8, 10]);
        // Opportunities that nobody used are gone.
        assert_eq!(link.finish_next(&mut taken, 21 * MS, 1) / MS, 21);
        assert_eq!(link.finish_next(&mut taken, 21 * MS, 1) / MS, 22);
    }

    #[test]
    fn a_delay_without_jitter_and_loss_is_the_latency_and_needs_no_chance() {
        let delay =
            Delay::new(&Direction { latency: Span::from_millis(45), ..Direction::default() }, &TRANSPORT);
        assert_eq!(delay.sample(1, 2, 3), 45 * MS);
        assert_eq!(delay.is_constant(), Some(45 * MS));
        assert_eq!(delay.minimum(), 45 * MS);
        assert!(!delay.needs_jitter_word() && !delay.needs_loss_word());
    }

    #[test]
    fn jitter_moves_both_ways_and_no_delay_is_negative() {
        let delay = |latency| {
            let link = Direction {
                latency: Span::from_millis(latency),
                jitter: Span::from_millis(5),
                ..Direction::default()
            };
            Delay::new(&link, &TRANSPORT)
        };
        let far = delay(45);
        let (low, high) = (far.sample(12345, 0, 1), far.sample(12345 | 1 << 31, 0, 1));
        assert_eq!(low + high, 90 * MS);
        // 12346 of 2^32 deviates are beyond 4.535 standard deviations.
        assert_eq!((high as f64 / 1e5).round(), 450.0 + 227.0);
        // 45 ms less 6.4 times 5 ms.
        assert!((12 * MS..14 * MS).contains(&far.minimum()));
        let near = delay(1);
        assert!(near.needs_jitter_word());
        assert_eq!(near.minimum(), 0);
        assert!([0, 1 << 31].map(|word| near.sample(word, 0, 1)).contains(&0));
    }

    #[test]
    fn a_single_packet_waits_for_the_timer_once_per_loss() {
        let link = Direction { latency: Span::from_millis(10), loss: 0.5, ..Direction::default() };
        let delay = Delay::new(&link, &TRANSPORT);
        // One packet: P(R = 0) = 1/2, P(R <= 1) = 3/4. A round costs 20 + 200 ms.
        let at = |u: f64| delay.sample(0, (u * 4_294_967_296.0) as u32, 1000) / MS;
        assert_eq!([0.1, 0.49, 0.51, 0.74, 0.76].map(at), [10, 10, 230, 230, 450]);
        // Six packets report their losses within a round trip: P(R <= 1) = (3/4)^6 = 0.178.
        let at = |u: f64| delay.sample(0, (u * 4_294_967_296.0) as u32, 6 * 1448) / MS;
        assert_eq!([0.015, 0.016, 0.177, 0.179].map(at), [10, 30, 30, 50]);
    }

    #[test]
    fn the_mean_number_of_rounds_is_that_of_the_slowest_packet() {
        // The maximum of m geometric numbers: sum of 1 - (1 - p^(k+1))^m over k.
        for (loss, packets) in [(0.01, 1), (0.01, 47), (0.2, 3), (0.9, 10)] {
            let link = Direction { loss, ..Direction::default() };
            let delay = Delay::new(&link, &TRANSPORT);
            let rounds = delay.loss.expect("it loses");
            let tries = 1 << 16;
            let sum: u64 = (0..tries).map(|i| rounds.rounds(i << 16 | 1 << 15, packets)).sum();
            let expected: f64 =
                (0..2000).map(|k| 1.0 - (1.0 - f64::powi(loss, k + 1)).powi(packets as i32)).sum();
            let mean = sum as f64 / f64::from(tries);
            assert!((mean - expected).abs() < 0.002 * expected + 2e-5, "{loss} {packets}: {mean} {expected}");
        }
    }

    proptest! {
        #[test]
        fn opportunities_are_found_as_by_walking_through_them(
            gaps in prop::collection::vec(0..5_u64, 1..20),
            messages in prop::collection::vec((0..40_u64, 0..6000_u64), 1..20),
        ) {
            let mut at = 0;
            let mut millis: Vec<u64> = gaps.iter().map(|gap| { at += gap; at }).collect();
            if at == 0 { millis.push(1); }
            let round = millis[millis.len() - 1];
            let link = Transmission::new(&direction(recorded(&millis)), &TRANSPORT);
            let instant = |k: u64| (k / millis.len() as u64 * round + millis[(k % millis.len() as u64) as usize]) * MS;
            let (mut taken, mut next, mut now) = (0, 0, 0);
            for (gap, bytes) in messages {
                now += gap * MS / 3;
                while instant(next) < now { next += 1; }
                next += bytes.div_ceil(1500).max(1);
                prop_assert_eq!(link.finish_next(&mut taken, now, bytes), instant(next - 1));
                prop_assert_eq!(taken, next);
            }
        }
    }
}
