//! What connects the nodes: delays, rates and losses per ordered pair.
//!
//! Two ways to make them, one interface: [`Links`]. Which one a run gets is said by its plan.

pub mod forwarder;
pub mod netem;
pub mod shaper;

use crate::error::EmuError;
use forwarder::{Forwarder, Report, Spec};

/// Links that are up.
pub trait Links {
    /// Whether they are still up.
    ///
    /// # Errors
    /// They are not: then the run is worth nothing.
    fn check(&mut self) -> Result<(), EmuError>;

    /// What happened since the last report; nothing if the links do not watch themselves.
    ///
    /// # Errors
    /// They are no longer up: then the run is worth nothing.
    fn report(&mut self) -> Result<Option<Report>, EmuError>;
}

impl Links for Forwarder {
    fn check(&mut self) -> Result<(), EmuError> {
        Forwarder::check(self)
    }

    fn report(&mut self) -> Result<Option<Report>, EmuError> {
        Forwarder::report(self).map(Some)
    }
}

/// Links in the kernel. They go with the run's namespace, which is in the ledger.
pub struct Netem;

impl Netem {
    /// Connects the nodes; `ends` are the numbers of their first processes.
    ///
    /// # Errors
    /// A command failed.
    pub fn connect(spec: &Spec, ends: &[i64], namespace: &str) -> Result<Netem, EmuError> {
        netem::connect(spec, ends, namespace).map(|()| Netem)
    }
}

impl Links for Netem {
    fn check(&mut self) -> Result<(), EmuError> {
        // They live in the kernel as long as the nodes do.
        Ok(())
    }

    fn report(&mut self) -> Result<Option<Report>, EmuError> {
        Ok(None)
    }
}
