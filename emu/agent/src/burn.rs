//! Keeps processors busy and says how much of them it got.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Burns on some threads at once: processor time and elapsed time [ns].
///
/// The quota's period is 100 ms, so `length` should be many of them.
pub fn burn(threads: u64, length: Duration) -> io::Result<String> {
    let begin = Instant::now();
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || spin(begin + length))).collect();
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a thread failed"))?;
    }
    let wall_ns = begin.elapsed().as_nanos();
    let cpu = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    Ok(format!("{{\"cpu_ns\":{},\"wall_ns\":{wall_ns}}}", cpu.as_nanos()))
}

fn spin(end: Instant) {
    let mut x = 1u64;
    while Instant::now() < end {
        for _ in 0..1_000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}
