//! What can go wrong while measuring: the thing, the step, the cause.

use std::fmt;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq)]
pub enum EmuError {
    /// The links between the nodes.
    Links {
        /// What was being done.
        step: String,
        /// What the system said.
        cause: String,
    },
}

impl fmt::Display for EmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmuError::Links { step, cause } => write!(f, "cannot {step}: {cause}"),
        }
    }
}

impl std::error::Error for EmuError {}
