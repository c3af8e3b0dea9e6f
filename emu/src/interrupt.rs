//! The user may have had enough at any time.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Asks whatever is under way in this process to stop, remove what it made and return
/// [`EmuError::Interrupted`](crate::EmuError::Interrupted). May be called from any thread.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Whether somebody asked.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}
