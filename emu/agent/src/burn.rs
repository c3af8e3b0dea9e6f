//! Keeps processors busy and says how much of them it got.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How often processor time is looked at.
const LOOK: Duration = Duration::from_millis(4);
/// A longer pause between two looks means that the quota was used up: the next look is at the start of a
/// period.
const PAUSE: Duration = Duration::from_millis(12);

/// Burns on some threads at once: processor time and elapsed time [ns].
///
/// A quota is enforced per period, so what is measured must be whole periods: from the first start of a period
/// that is seen to the last one. Without a pause there is no quota to be seen, and all is counted.
pub fn burn(threads: u64, length: Duration) -> io::Result<String> {
    let begin = Instant::now();
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || spin(begin + length))).collect();
    let mut looks = vec![look()?];
    let mut starts = Vec::new();
    while begin.elapsed() < length {
        thread::sleep(LOOK);
        let (at, cpu) = look()?;
        if looks.last().is_some_and(|(last, _)| at - *last > PAUSE) {
            starts.push((at, cpu));
        }
        looks.push((at, cpu));
    }
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a thread failed"))?;
    }
    let ((from, cpu_from), (to, cpu_to)) = match (&starts[..], &looks[..]) {
        ([first, .., last], _) => (*first, *last),
        (_, [first, .., last]) => (*first, *last),
        _ => return Err(io::Error::other("the time was too short")),
    };
    Ok(format!("{{\"cpu_ns\":{},\"wall_ns\":{}}}", (cpu_to - cpu_from).as_nanos(), (to - from).as_nanos()))
}

/// Now, and the processor time of all our threads.
fn look() -> io::Result<(Instant, Duration)> {
    let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok((Instant::now(), cpu.into()))
}

fn spin(end: Instant) {
    let mut x = 1u64;
    while Instant::now() < end {
        for _ in 0..1_000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}
