//! Keeps processors busy and says how much of them it got.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How often processor time is looked at.
const LOOK: Duration = Duration::from_millis(4);
/// The period of every quota.
const PERIOD: Duration = Duration::from_millis(100);

/// Burns on some threads at once: processor time and elapsed time [ns].
///
/// A quota is enforced per period, so what is measured must be whole periods: of all pairs of looks, one in the first quarter
/// of the time and one in the last, the pair whose distance is nearest to a multiple of the period. Whoever was at the same
/// place of a period twice has used as many quotas as periods lie between, wherever in the period that was.
pub fn burn(threads: u64, length: Duration) -> io::Result<String> {
    let begin = Instant::now();
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || spin(begin + length))).collect();
    let mut looks = vec![look(begin)?];
    while begin.elapsed() < length {
        thread::sleep(LOOK);
        looks.push(look(begin)?);
    }
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a thread failed"))?;
    }
    let [from, to] = whole_periods(&looks).ok_or_else(|| io::Error::other("the time was too short"))?;
    let (wall, cpu) = (to.at - from.at, to.cpu - from.cpu);
    Ok(format!("{{\"cpu_ns\":{},\"wall_ns\":{}}}", cpu.as_nanos(), wall.as_nanos()))
}

/// What was seen at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    /// Since the beginning.
    at: Duration,
    /// Processor time of all our threads.
    cpu: Duration,
}

/// Two looks with whole periods between them, as nearly as there are.
fn whole_periods(looks: &[Look]) -> Option<[Look; 2]> {
    let length = looks.last()?.at;
    let early = looks.iter().filter(|look| look.at <= length / 4);
    let late = looks.iter().filter(|look| look.at >= length * 3 / 4);
    let off = |from: &Look, to: &Look| {
        let beyond = (to.at - from.at).as_nanos() % PERIOD.as_nanos();
        beyond.min(PERIOD.as_nanos() - beyond)
    };
    let pairs = early.flat_map(|from| late.clone().map(move |to| [*from, *to]));
    pairs.filter(|[from, to]| to.at - from.at >= PERIOD).min_by_key(|[from, to]| off(from, to))
}

fn look(begin: Instant) -> io::Result<Look> {
    let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(Look { at: begin.elapsed(), cpu: cpu.into() })
}

fn spin(end: Instant) {
    let mut x = 1u64;
    while Instant::now() < end {
        for _ in 0..1_000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one busy thread shows whose quota is 10 ms per period, looked at by a thread that runs when it runs; periods
    /// begin 37 ms after the beginning, and some looks are late.
    fn looks() -> Vec<Look> {
        let mut looks = vec![Look { at: Duration::ZERO, cpu: Duration::ZERO }];
        for period in 0..20_u32 {
            for (number, place_ms) in [0, 4, 8].into_iter().enumerate() {
                let late_ms = if (period + number as u32).is_multiple_of(5) { 1 } else { 0 };
                let in_it = Duration::from_millis((place_ms + late_ms).min(10));
                let at = Duration::from_millis(37) + PERIOD * period + in_it;
                looks.push(Look { at, cpu: Duration::from_millis(10) * (period + 1) + in_it });
            }
        }
        looks
    }

    #[test]
    fn whole_periods_are_found_wherever_they_begin() {
        let [from, to] = whole_periods(&looks()).expect("there are some");
        let share = (to.cpu - from.cpu).as_secs_f64() / (to.at - from.at).as_secs_f64();
        assert!((share - 0.1).abs() < 1e-9, "{from:?} {to:?}");
        assert!(to.at - from.at >= PERIOD * 10);
        // The first and the last look are not whole periods apart: between them it seems to get more.
        let all = looks();
        let (first, last) = (all[0], all[all.len() - 1]);
        assert!((last.cpu - first.cpu).as_secs_f64() / (last.at - first.at).as_secs_f64() > 0.105);
        assert_eq!(whole_periods(&all[..1]), None);
    }

    #[test]
    fn a_thread_that_nothing_stops_has_a_whole_processor() {
        let line = burn(1, Duration::from_millis(600)).expect("it burns");
        assert!(line.starts_with("{\"cpu_ns\":") && line.contains("\"wall_ns\":"), "{line}");
    }
}
