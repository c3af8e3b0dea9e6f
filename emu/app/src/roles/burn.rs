//! Synthetic work: a thread that is busy until it has had a given processor time.

use std::hint::black_box;

use super::clock::thread_cpu;

/// Keeps this thread busy until its processor time is `until` [ns].
///
/// The clock is the thread's own: time in which the thread was preempted or throttled does not count. It stops at
/// most some microseconds late.
pub fn burn_until(until: u64) {
    let mut x = 1u64;
    while thread_cpu() < until {
        for _ in 0..1_000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_is_what_was_asked() {
        for asked in [0u64, 200_000, 5_000_000] {
            let begin = thread_cpu();
            burn_until(begin + asked);
            let had = thread_cpu() - begin;
            assert!(had >= asked && had < asked + 100_000, "{had} ns instead of {asked} ns");
        }
    }
}
