//! Instants and spans of simulated or measured time: whole nanoseconds.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A span of time, or an instant counted from the start of a run [ns].
///
/// Whole nanoseconds in a `u64` reach 584 years. Arithmetic that leaves that range is a bug and panics in
/// every build profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Span(nanos)
    }

    /// `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Span(millis * 1_000_000)
    }

    /// The nearest whole nanosecond to `seconds`, or nothing if it is negative, not a number or out of range.
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        let nanos = (seconds * 1e9).round();
        (0.0..1.8e19).contains(&nanos).then_some(Span(nanos as u64))
    }

    /// Whole nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Milliseconds.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.checked_add(other.0).expect("a span stays below 584 years"))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.checked_sub(other.0).expect("the later instant comes first"))
    }
}

impl fmt::Display for Span {
    /// Writes the span in the largest unit that leaves no more than nine decimals: `5 ms`, `1.5 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            0 => return write!(f, "0 s"),
            n if n < 1_000 => ("ns", 1.0),
            n if n < 1_000_000 => ("us", 1e3),
            n if n < 1_000_000_000 => ("ms", 1e6),
            _ => ("s", 1e9),
        };
        write!(f, "{} {unit}", self.0 as f64 / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_nanosecond_and_bad_ones_are_refused() {
        assert_eq!(Span::from_secs_f64(1.5e-9), Some(Span::from_nanos(2)));
        assert_eq!(Span::from_secs_f64(-1.0), None);
        assert_eq!(Span::from_secs_f64(f64::NAN), None);
        assert_eq!(Span::from_secs_f64(f64::INFINITY), None);
    }

    #[test]
    fn spans_are_written_in_a_readable_unit() {
        assert_eq!(Span::from_nanos(45_000_000).to_string(), "45 ms");
        assert_eq!(Span::from_nanos(1_300_000).to_string(), "1.3 ms");
        assert_eq!(Span::from_millis(300_000).to_string(), "300 s");
    }
}
