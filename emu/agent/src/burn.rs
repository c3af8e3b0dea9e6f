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

/// Looks whose distance is this near to a multiple of the period are whole periods apart.
const NEAR: Duration = Duration::from_millis(2);

/// Burns on some threads at once: processor time and elapsed time [ns], on average over many pairs of looks.
///
/// A quota is enforced per period, so what is measured must be whole periods. Whoever is looked at twice at the same place of a
/// period has used as many quotas as periods lie between, wherever in the period that was; unless others had the processor in one
/// of these two periods and it ran later there. So all such pairs are taken, one look in the first quarter of the time and
/// one in the last.
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
    let [wall, cpu] = whole_periods(&looks).ok_or_else(|| io::Error::other("the time was too short"))?;
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

/// Elapsed time and processor time over whole periods, as nearly as there are.
fn whole_periods(looks: &[Look]) -> Option<[Duration; 2]> {
    let length = looks.last()?.at;
    let early = looks.iter().filter(|look| look.at <= length / 4);
    let late = looks.iter().filter(|look| look.at >= length * 3 / 4);
    let pairs = early.flat_map(|from| late.clone().map(move |to| (from, to)));
    // Time, processor time, and how far from whole periods.
    let spans: Vec<[Duration; 3]> = pairs
        .filter(|(from, to)| to.at >= from.at + PERIOD)
        .map(|(from, to)| {
            let wall = to.at - from.at;
            let beyond = Duration::from_nanos((wall.as_nanos() % PERIOD.as_nanos()) as u64);
            [wall, to.cpu - from.cpu, beyond.min(PERIOD - beyond)]
        })
        .collect();
    let nearest = spans.iter().map(|[.., off]| *off).min()?;
    let whole: Vec<_> = spans.iter().filter(|[.., off]| *off <= nearest.max(NEAR)).collect();
    let mean = |which: usize| whole.iter().map(|span| span[which]).sum::<Duration>() / whole.len() as u32;
    Some([mean(0), mean(1)])
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

    /// What one busy thread shows whose quota is 10 ms per period, looked at by a thread that runs when it runs. Periods begin
    /// 37 ms after the beginning; some looks are late; in some periods others have the processors at first.
    fn looks(starved: fn(u32) -> bool) -> Vec<Look> {
        let ms = |ms| Duration::from_millis(ms);
        let mut looks = vec![Look { at: Duration::ZERO, cpu: Duration::ZERO }];
        for period in 0..20_u32 {
            for (number, place_ms) in [0, 4, 8].into_iter().enumerate() {
                let late_ms = if (period + number as u32).is_multiple_of(5) { 1 } else { 0 };
                let used = ms(place_ms + late_ms);
                let waited = if starved(period) { ms(5) } else { ms(0) };
                looks.push(Look {
                    at: ms(37) + PERIOD * period + waited + used,
                    cpu: ms(10) * (period + 1) + used,
                });
            }
        }
        looks
    }

    fn share([wall, cpu]: [Duration; 2]) -> f64 {
        cpu.as_secs_f64() / wall.as_secs_f64()
    }

    #[test]
    fn whole_periods_are_found_wherever_they_begin() {
        let all = looks(|_| false);
        let [wall, cpu] = whole_periods(&all).expect("there are some");
        assert!((share([wall, cpu]) - 0.1).abs() < 1e-9, "{wall:?} {cpu:?}");
        assert!(wall >= PERIOD * 10);
        // The first and the last look are not whole periods apart: between them it seems to get more.
        let (first, last) = (all[0], all[all.len() - 1]);
        assert!(share([last.at - first.at, last.cpu - first.cpu]) > 0.105);
        assert_eq!(whole_periods(&all[..1]), None);
    }

    #[test]
    fn a_period_in_which_others_came_first_makes_little_difference() {
        let measured =
            share(whole_periods(&looks(|period| period == 1 || period == 17)).expect("there are some"));
        assert!((measured - 0.1).abs() < 0.001, "{measured}");
    }

    #[test]
    fn a_thread_that_nothing_stops_has_a_whole_processor() {
        let line = burn(1, Duration::from_millis(600)).expect("it burns");
        assert!(line.starts_with("{\"cpu_ns\":") && line.contains("\"wall_ns\":"), "{line}");
    }
}
