//! Why a role failed.

use std::fmt;

/// Why a role failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppError {
    /// What it was told is wrong: exit code 2.
    Config(String),
    /// The world failed: exit code 3.
    World(String),
}

impl AppError {
    /// The world failed: what could not be done, and why.
    pub(crate) fn world(what: impl fmt::Display, cause: impl fmt::Display) -> AppError {
        AppError::World(format!("{what}: {cause}"))
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppError::Config(text) | AppError::World(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for AppError {}
