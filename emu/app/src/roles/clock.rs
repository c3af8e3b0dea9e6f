//! What a role asks the kernel's clocks, in nanoseconds.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::error::AppError;

/// How often a long sleep looks whether the role was told to end [ns].
const LOOK_NS: u64 = 50_000_000;

/// Now, on the monotonic clock. Time name spaces apart, all processes of a kernel have the same.
pub fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// Processor time that this thread has had.
pub fn thread_cpu() -> u64 {
    read(ClockId::ThreadCPUTime)
}

/// Processor time that this process has had.
pub fn process_cpu() -> u64 {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    tv_sec as u64 * 1_000_000_000 + tv_nsec as u64
}

/// Told by SIGTERM to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn on_signal() -> Result<Stop, AppError> {
        let stop = Stop::default();
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, stop.0.clone())
                .map_err(|cause| AppError::world("cannot listen for signals", cause))?;
        }
        Ok(stop)
    }

    /// Whether it was told.
    pub fn told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets this thread's timers be as exact as the kernel can: by default they may be 50 us late.
pub fn exact_timers() {
    // Without it everything works, only later; the report says how late.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

/// Sleeps until an instant; returns early, and says `false`, if told to stop.
pub fn sleep_until(at: u64, stop: &Stop) -> bool {
    loop {
        if stop.told() {
            return false;
        }
        let now = now();
        if now >= at {
            return true;
        }
        let next = at.min(now + LOOK_NS);
        let next = Timespec { tv_sec: (next / 1_000_000_000) as i64, tv_nsec: (next % 1_000_000_000) as i64 };
        // A signal wakes it early: the loop looks again.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &next);
    }
}
