//! Time on the wire, and time in the air.
//!
//! A message of `b` bytes occupies its transmitter for `8 b / rate` and arrives `latency` after it has left.
//! Where only `window` bytes may be under way unacknowledged, the rate is at most `window / (2 latency)`.
//! Lost packets are sent again: they lengthen the transmission by `1 / (1 - loss)` and delay the message by the
//! time it takes to notice.
//!
//! Leaves out slow start, congestion control, headers, and the correlation of losses.

use offing_core::{Direction, Rate};

use crate::{ModelSet, NormalTable};

/// How long a message occupies its transmitter.
#[derive(Clone, Debug)]
pub enum Transmission {
    /// No time at all.
    Unlimited,
    /// In proportion to its size.
    Constant {
        /// [ns/byte]
        ns_per_byte: f64,
    },
    /// Packets leave at given instants, repeated for ever.
    Trace {
        /// Instants within a round [ns], strictly ascending; the last is the length of a round.
        opportunities: Vec<u64>,
        /// Bytes that leave at each.
        packet: u64,
    },
}

impl Transmission {
    /// The transmitter of one direction of a link.
    pub fn new(direction: &Direction, models: &ModelSet) -> Self {
        let by_window = direction
            .window_bytes
            .filter(|_| direction.latency.as_nanos() > 0)
            .map(|window| 2.0 * direction.latency.as_nanos() as f64 / window);
        let by_rate = match &direction.rate {
            Rate::Unlimited => None,
            Rate::BitPerS(rate) => Some(8e9 / rate),
            Rate::Trace { opportunities, .. } => {
                let instants: Vec<u64> = opportunities.iter().map(|at| at.as_nanos()).collect();
                return Transmission::Trace { opportunities: spread(&instants), packet: models.trace_packet_bytes };
            }
        };
        match (by_window, by_rate) {
            (None, None) => Transmission::Unlimited,
            (a, b) => {
                let ns_per_byte = a.unwrap_or(0.0).max(b.unwrap_or(0.0)) / (1.0 - direction.loss);
                Transmission::Constant { ns_per_byte }
            }
        }
    }

    /// When a transmission of `bytes` that begins at `start` [ns] ends, to the nearest nanosecond. The wire is
    /// idle at `start`; on a trace the first opportunity after it is the first that counts.
    #[inline(always)]
    pub fn finish(&self, start: u64, bytes: u64) -> u64 {
        match self {
            Transmission::Unlimited => start,
            Transmission::Constant { ns_per_byte } => {
                start + crate::sampling::whole(bytes as i64 as f64 * ns_per_byte)
            }
            Transmission::Trace { opportunities, packet } => {
                if bytes == 0 {
                    return start;
                }
                let n = opportunities.len() as u64;
                let round = opportunities[opportunities.len() - 1];
                let first = opportunities.partition_point(|&at| at <= start % round) as u64;
                let last = first + bytes.div_ceil(*packet) - 1;
                (start / round + last / n) * round + opportunities[(last % n) as usize]
            }
        }
    }
}

/// Recorded instants have a resolution of a millisecond: those that share one are spread evenly over the
/// millisecond that ends there, so that every opportunity has an instant of its own.
fn spread(instants: &[u64]) -> Vec<u64> {
    const RESOLUTION: u64 = 1_000_000;
    let mut out = Vec::with_capacity(instants.len());
    for same in instants.chunk_by(|a, b| a == b) {
        let n = same.len() as u64;
        out.extend((1..=n).map(|i| same[0].max(RESOLUTION) - RESOLUTION + RESOLUTION * i / n));
    }
    out.dedup();
    out
}

/// How long a message is under way after it has left.
#[derive(Clone, Debug)]
pub struct Delay {
    latency: u64,
    jitter: Option<NormalTable>,
    loss: f64,
    packet: u64,
    /// A lost packet among many is noticed after a round trip, among few after the timeout as well.
    round_trip: u64,
    timeout: u64,
}

/// Duplicate acknowledgements that make a sender repeat a packet at once (RFC 5681), so a message needs one
/// packet more.
const FAST_RETRANSMIT: u64 = 4;

impl Delay {
    /// The delay of one direction of a link.
    pub fn new(direction: &Direction, models: &ModelSet) -> Self {
        let latency = direction.latency.as_nanos();
        let jitter = direction.jitter.as_nanos();
        Delay {
            latency,
            jitter: (jitter > 0).then(|| NormalTable::new(jitter as f64)),
            loss: direction.loss,
            packet: models.packet_payload_bytes,
            round_trip: 2 * latency,
            timeout: models.retransmission_timeout_ns,
        }
    }

    /// Whether it differs from message to message.
    pub fn is_random(&self) -> bool {
        self.jitter.is_some() || self.loss > 0.0
    }

    /// No message is faster [ns].
    pub fn minimum(&self) -> u64 {
        self.latency.saturating_sub(self.jitter.as_ref().map_or(0, NormalTable::bound))
    }

    /// The delay [ns] of a message of `bytes`, given two random words.
    pub fn sample(&self, jitter_word: u32, loss_word: u32, bytes: u64) -> u64 {
        let deviate = self.jitter.as_ref().map_or(0, |table| table.deviate(jitter_word));
        self.latency.saturating_add_signed(deviate) + self.recovery(loss_word, bytes)
    }

    /// Time spent on sending lost packets again: with `n` packets, each lost with probability `p`, there are at
    /// most `r` rounds with probability `(1 - p^(r+1))^n`.
    fn recovery(&self, word: u32, bytes: u64) -> u64 {
        if self.loss == 0.0 || bytes == 0 {
            return 0;
        }
        let packets = bytes.div_ceil(self.packet);
        let u = (f64::from(word) + 0.5) / 4_294_967_296.0;
        let (mut rounds, mut all_lost) = (0, self.loss);
        while rounds < 64 && libm::exp(packets as f64 * libm::log1p(-all_lost)) < u {
            rounds += 1;
            all_lost *= self.loss;
        }
        let each = if packets >= FAST_RETRANSMIT { self.round_trip } else { self.round_trip + self.timeout };
        rounds * each
    }
}

#[cfg(test)]
mod tests {
    use offing_core::Span;

    use super::*;

    fn direction(latency_ms: u64, rate: Rate) -> Direction {
        Direction { latency: Span::from_millis(latency_ms), rate, ..Direction::default() }
    }

    #[test]
    fn one_megabyte_at_eight_megabit_takes_a_second() {
        let link = Transmission::new(&direction(15, Rate::BitPerS(8e6)), &ModelSet::default());
        assert_eq!(link.finish(5, 1_000_000), 1_000_000_005);
    }

    /// SimGrid's documentation: 1e10 bytes over 1e10 B/s with a window of 4194304 B.
    #[test]
    fn a_window_limits_the_throughput_as_in_simgrid() {
        for (latency_ns, seconds) in [(0, 1.0), (10_000, 1.000_010), (1_000_000, 4.769_372)] {
            let direction = Direction {
                latency: Span::from_nanos(latency_ns),
                rate: Rate::BitPerS(8e10),
                window_bytes: Some(4_194_304.0),
                ..Direction::default()
            };
            let models = ModelSet::default();
            let delay = Delay::new(&direction, &models).minimum();
            let total = Transmission::new(&direction, &models).finish(0, 10_000_000_000) + delay;
            assert!((total as f64 / 1e9 - seconds).abs() < 1e-6, "{total}");
        }
    }

    #[test]
    fn a_trace_sends_a_packet_at_each_instant_and_starts_again() {
        let at = |ms: u64| Span::from_millis(ms);
        let rate = Rate::Trace { source: "t".into(), opportunities: [at(2), at(4), at(4), at(10)].into() };
        let link = Transmission::new(&direction(0, rate), &ModelSet::default());
        // Opportunities at 2, 3.5, 4 and 10 ms, then at 12, 13.5, ...
        assert_eq!(link.finish(0, 1), 2_000_000);
        assert_eq!(link.finish(0, 1_500), 2_000_000);
        assert_eq!(link.finish(0, 1_501), 3_500_000);
        assert_eq!(link.finish(2_000_000, 1_500), 3_500_000);
        assert_eq!(link.finish(9_000_000, 3 * 1_500), 13_500_000);
        assert_eq!(link.finish(20_000_000, 1), 22_000_000);
    }

    #[test]
    fn jitter_moves_the_delay_both_ways_and_never_below_zero() {
        let direction =
            Direction { jitter: Span::from_millis(5), ..direction(10, Rate::Unlimited) };
        let delay = Delay::new(&direction, &ModelSet::default());
        assert!(delay.is_random());
        assert_eq!(delay.minimum(), 0);
        let all: Vec<u64> = (0..4096u32).map(|i| delay.sample(i << 20, 0, 100)).collect();
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        assert!((mean / 1e6 - 10.0).abs() < 0.1, "{mean}");
    }

    #[test]
    fn a_lost_packet_costs_a_round_trip_or_the_timeout_as_well() {
        let direction = Direction { loss: 0.1, ..direction(10, Rate::Unlimited) };
        let delay = Delay::new(&direction, &ModelSet::default());
        // One packet: arrives at once with probability 0.9, after one timeout with 0.09.
        let word = |u: f64| (u * 4_294_967_296.0) as u32;
        assert_eq!(delay.sample(0, word(0.89), 1000), 10_000_000);
        assert_eq!(delay.sample(0, word(0.91), 1000), 10_000_000 + 220_000_000);
        assert_eq!(delay.sample(0, word(0.995), 1000), 10_000_000 + 2 * 220_000_000);
        // Ten packets: 0.9^10 = 0.349, 0.99^10 = 0.904.
        assert_eq!(delay.sample(0, word(0.34), 14_480), 10_000_000);
        assert_eq!(delay.sample(0, word(0.9), 14_480), 10_000_000 + 20_000_000);
    }
}
