//! Jitter of packets that keep their order: how late the last packet of a message is.
//!
//! A message is n packets, spaced s apart by the rate. Each is delayed by its own normal deviate of standard deviation J;
//! none overtakes another. So the message is there when the latest of its packets is, later than its last packet would
//! be without jitter by
//!
//! ```text
//! D = max over k of (J z_k - k s),   k = 0 .. n-1     P(D <= J x) = product over k of Phi(x + k s/J)
//! ```
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | n | packets | 1 | from 1 |
//! | s | time between packets: 1448 bytes at the rate | s | from 0 |
//! | J | jitter | s | above 0 |
//!
//! Left out: packets of the message before that are late, deviates cut at delays below zero, losses. Where a kernel lets
//! packets overtake each other (netem without a rate), the receiver waits for the latest all the same.
//! Source: the distribution of a maximum of independent variables; H. A. David, H. N. Nagaraja, Order Statistics, 2003.

use std::cell::RefCell;
use std::collections::HashMap;

use offing_core::{Direction, Rate};

use crate::special::normal_probability;

/// Payload of a full packet [byte]: Ethernet's 1500 less IP and TCP with time stamps.
const PAYLOAD: f64 = 1448.0;

/// How late a message is, in standard deviations of the jitter of one packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lateness {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
}

impl Lateness {
    /// That of a single packet.
    pub const NONE: Lateness = Lateness { mean: 0.0, deviation: 1.0 };
}

/// Packets of a message of `bytes`.
pub fn count(bytes: f64) -> f64 {
    (bytes / PAYLOAD).ceil().max(1.0)
}

/// Time between full packets [s]; nothing on a recorded link.
pub fn spacing_s(direction: &Direction) -> Option<f64> {
    match direction.rate {
        Rate::BitPerS(rate) => Some(8.0 * PAYLOAD / rate),
        Rate::Unlimited => Some(0.0),
        Rate::Trace { .. } => None,
    }
}

/// Mean and deviation of D / J for `count` packets, `spacing` = s / J apart: by trapezoids of a tenth, to 0.005.
pub fn lateness(count: f64, spacing: f64) -> Lateness {
    if count <= 1.0 {
        return Lateness::NONE;
    }
    // A design space has few kinds of messages and links, and many deployments of each.
    const MOST: usize = 1024;
    thread_local! {
        static KNOWN: RefCell<HashMap<(u64, u64), Lateness>> = RefCell::default();
    }
    let key = (count.to_bits(), spacing.to_bits());
    KNOWN.with_borrow_mut(|known| {
        if known.len() > MOST {
            known.clear();
        }
        *known.entry(key).or_insert_with(|| integral(count, spacing))
    })
}

fn integral(count: f64, spacing: f64) -> Lateness {
    const STEP: f64 = 0.1;
    // Beyond five deviations a packet is never the latest.
    let reach = if spacing > 0.0 { count.min((10.0 / spacing).ceil() + 1.0) } else { count };
    // Far more packets than can be told apart are taken in groups.
    let groups = reach.min(48.0);
    let size = reach / groups;
    let below = |x: f64| -> f64 {
        let of = |group: u32| {
            let middle =
                if groups == reach { f64::from(group) } else { (f64::from(group) + 0.5) * size - 0.5 };
            normal_probability(x + middle * spacing)
        };
        (0..groups as u32).map(|group| if size == 1.0 { of(group) } else { of(group).powf(size) }).product()
    };
    let (mut mean, mut square) = (0.0, 0.0);
    for i in -60..=80 {
        let x = f64::from(i) * STEP;
        // E D and E D^2 from the distribution function, left and right of 0.
        let (less, weight) = (below(x), if i == 0 { 0.5 } else { 1.0 });
        if i >= 0 {
            mean += weight * (1.0 - less) * STEP;
            square += 2.0 * x * (1.0 - less) * STEP;
        }
        if i <= 0 {
            mean -= weight * less * STEP;
            square -= 2.0 * x * less * STEP;
        }
    }
    Lateness { mean, deviation: (square - mean * mean).max(0.0).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Lateness, mean: f64, deviation: f64) {
        assert!((found.mean - mean).abs() < 0.005, "{found:?}, expected mean {mean}");
        assert!((found.deviation - deviation).abs() < 0.005, "{found:?}, expected deviation {deviation}");
    }

    #[test]
    fn packets_sent_at_once_are_as_late_as_the_latest_of_independent_deviates() {
        // Two: 1/sqrt(pi), sqrt(1 - 1/pi). Ten and a hundred: tables of expected order statistics (David, Nagaraja 2003).
        close(lateness(2.0, 0.0), 0.5642, 0.8257);
        close(lateness(10.0, 0.0), 1.5388, 0.5868);
        close(lateness(100.0, 0.0), 2.5076, 0.4294);
    }

    #[test]
    fn far_apart_packets_do_not_wait_for_each_other() {
        close(lateness(1.0, 0.5), 0.0, 1.0);
        close(lateness(50.0, 8.0), 0.0, 1.0);
    }

    #[test]
    fn it_is_what_drawing_the_packets_gives() {
        // Deviates as quantiles of the numbers of a xorshift generator.
        let (count, spacing, draws) = (47, 0.332, 20_000);
        let mut values = Vec::with_capacity(draws);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let p = ((state >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
            crate::special::normal_quantile(p, 1.0 - p)
        };
        for _ in 0..draws {
            values.push((0..count).map(|k| next() - f64::from(k) * spacing).fold(f64::MIN, f64::max));
        }
        let mean = values.iter().sum::<f64>() / draws as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / draws as f64;
        let found = lateness(f64::from(count), spacing);
        assert!(
            (found.mean - mean).abs() < 0.02 && (found.deviation - square.sqrt()).abs() < 0.02,
            "{found:?} {mean} {square}"
        );
    }

    #[test]
    fn groups_of_packets_stand_for_each() {
        // 47 and 96 packets at the same total span: the second is computed in groups of two.
        let fine = lateness(96.0, 0.01);
        let coarse = lateness(48.0, 0.02);
        assert!(fine.mean > coarse.mean && fine.mean - coarse.mean < 0.4, "{fine:?} {coarse:?}");
        close(lateness(1000.0, 0.0), 3.2414, 0.3514);
    }
}
