//! What all roles share: checking what they are told, their last instant, and who they are.

use std::thread;

use tokio::runtime::{Builder, Handle};

use super::clock::{Stop, process_cpu};
use super::error::AppError;
use crate::protocol::{About, Arrivals, GRACE_NS, Pool, Process, Schedule, Transport, Values};

/// When a role that waits for others ends by itself, on the monotonic clock [ns].
pub fn last_instant(schedule: &Schedule) -> u64 {
    schedule
        .start_at_ns
        .saturating_add(schedule.emit_for_ns)
        .saturating_add(schedule.drain_ns)
        .saturating_add(GRACE_NS)
}

/// Who reports.
pub fn about(stop: &Stop, troubles: Vec<String>) -> About {
    About {
        version: env!("CARGO_PKG_VERSION").into(),
        cpu_ns: process_cpu(),
        terminated: stop.told(),
        troubles,
    }
}

/// A runtime for transfers, in a thread of its own that lives as long as the process.
///
/// # Errors
/// The kernel refuses.
pub fn runtime() -> Result<Handle, AppError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| AppError::world("there can be no transfers", cause))?;
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(handle)
}

/// Everything that is wrong in a configuration, by its key.
#[derive(Default)]
pub struct Issues(Vec<String>);

impl Issues {
    /// Notes an issue if there is one.
    pub fn when(&mut self, wrong: bool, what: &str) {
        if wrong {
            self.0.push(what.into());
        }
    }

    /// Numbers of requests.
    pub fn values(&mut self, key: &str, values: &Values) {
        if let Some(wrong) = values.wrong() {
            self.0.push(format!("{key}: {wrong}"));
        }
    }

    /// Emissions.
    pub fn arrivals(&mut self, arrivals: &Arrivals) {
        match arrivals {
            Arrivals::Periodic { period_ns, .. } => {
                self.when(*period_ns == 0, "arrivals: `period_ns` must be above zero");
            }
            Arrivals::Poisson { mean_ns } => {
                self.when(*mean_ns == 0, "arrivals: `mean_ns` must be above zero");
            }
            Arrivals::List { at_ns } => {
                self.when(!at_ns.is_sorted(), "arrivals: `at_ns` must ascend");
            }
        }
    }

    /// A queue and its workers.
    pub fn pool(&mut self, pool: &Pool) {
        self.when(pool.workers == 0, "pool: `workers` must be at least 1");
        match &pool.process {
            Process::Burn { cpu_ns } => self.values("pool: process: cpu_ns", cpu_ns),
            #[cfg(feature = "network")]
            Process::Network => {}
            #[cfg(not(feature = "network"))]
            Process::Network => self.0.push(super::process::NO_NETWORK.into()),
        }
    }

    /// A transport.
    pub fn transport(&mut self, transport: Transport) {
        if let Transport::Mqtt { qos } = transport {
            self.when(qos > 1, "transport: `qos` must be 0 or 1");
        }
    }

    /// All of them as an error, if there are any.
    ///
    /// # Errors
    /// There is an issue.
    pub fn end(self) -> Result<(), AppError> {
        if self.0.is_empty() { Ok(()) } else { Err(AppError::Config(self.0.join("\n"))) }
    }
}
