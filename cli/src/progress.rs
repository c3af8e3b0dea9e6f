//! How far long work is, with its rate and the time that remains; on a terminal only, and only after a second.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::page::significant;

/// What takes less than this needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// A bar, which stays away where nobody sees it.
pub struct Progress {
    bar: ProgressBar,
    /// Shows the bar when it is time; ends when the sender is gone.
    watch: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// For that many `what`, such as `deployments`.
    pub fn new(total: u64, what: &str) -> Self {
        Progress::with(total, what, "{human_pos} of {human_len} {msg}, {rate}, {eta} left {wide_bar}", None)
    }

    /// For a file that is read.
    pub fn bytes(total: u64, what: &str) -> Self {
        let style =
            "{decimal_bytes} of {decimal_total_bytes} {msg}, {decimal_bytes_per_sec}, {eta} left {wide_bar}";
        Progress::with(total, what, style, None)
    }

    /// For work whose rate and end its doer knows better: see [`Progress::tell`].
    #[cfg(feature = "emu")]
    pub fn told(total: u64) -> Self {
        Progress::with(total, "", "{msg} {wide_bar}", None)
    }

    /// The same where the total is an estimate.
    pub fn about(total: u64, what: &str) -> Self {
        let style = "{human_pos} of about {human_len} {msg}, {rate}, {eta} left {wide_bar}";
        Progress::with(total, what, style, None)
    }

    /// For work that says nothing on the way but goes at a known rate [1/s]: the position is an estimate.
    pub fn at_rate(total: u64, what: &str, rate: f64) -> Self {
        let style = "about {human_pos} of {human_len} {msg}, {rate}, {eta} left {wide_bar}";
        Progress::with(total, what, style, Some(rate))
    }

    /// Whether anybody would see it.
    pub fn is_seen() -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    fn with(total: u64, what: &str, style: &str, rate: Option<f64>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if !Progress::is_seen() {
            return Progress { bar, watch: None };
        }
        let style = ProgressStyle::with_template(style).expect("it is a template");
        bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // A text takes everything.
            let _ = out.write_str(&per_second(state.per_sec()));
        }));
        bar.set_message(what.to_owned());
        let (sender, receiver) = channel::<()>();
        let (shown, began) = (bar.clone(), Instant::now());
        let watch = thread::spawn(move || {
            let mut wait = PATIENCE;
            while receiver.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                if wait == PATIENCE {
                    shown.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
                    wait = EVERY;
                }
                match rate {
                    Some(rate) => {
                        let so_far = (began.elapsed().as_secs_f64() * rate) as u64;
                        shown.set_position(so_far.min(total));
                    }
                    None => shown.tick(),
                }
            }
        });
        Progress { bar, watch: Some((sender, watch)) }
    }

    /// How far it is, in all, and what is said of it.
    #[cfg(feature = "emu")]
    pub fn tell(&self, position: u64, said: String) {
        self.bar.set_position(position);
        self.bar.set_message(said);
    }

    /// Says something above the bar.
    #[cfg(feature = "emu")]
    pub fn above(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    /// So many more are done.
    pub fn add(&self, more: u64) {
        self.bar.inc(more);
    }
}

/// A rate with the digits that a reader can follow.
fn per_second(rate: f64) -> String {
    match rate {
        slow if slow < 100.0 => format!("{}/s", significant(slow)),
        fast => format!("{}/s", HumanCount(fast.round() as u64)),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, watch)) = self.watch.take() {
            drop(sender);
            // It only draws; if it has panicked, the work has not.
            let _ = watch.join();
            self.bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_no_more_digits_than_can_be_followed() {
        assert_eq!(per_second(0.123_456), "0.1235/s");
        assert_eq!(per_second(12.3), "12.3/s");
        assert_eq!(per_second(43_012.345_6), "43,012/s");
    }
}
