//! How far a sweep is, with its rate and the time that remains; on a terminal only.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of that many deployments, which stays away where nobody sees it.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(deployments: u64) -> Self {
        let is_seen =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !is_seen {
            return Progress(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(deployments), ProgressDrawTarget::stderr_with_hz(10));
        let style = "{bar:40} {human_pos} of {human_len}, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("it is a template"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(bar)
    }

    /// So many more are done.
    pub fn add(&self, deployments: u64) {
        self.0.inc(deployments);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
