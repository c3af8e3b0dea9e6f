//! Why an exploration did not happen.

use std::path::PathBuf;
use std::{fmt, io};

/// What stopped an exploration.
#[derive(Debug)]
pub enum ExploreError {
    /// The space has more numbers than can be gone through one by one.
    TooLarge {
        /// How many.
        numbers: u128,
    },
    /// A folder that belongs to something else.
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is different, as a sentence.
        difference: String,
    },
    /// A folder without a run in it.
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// Units that are not there yet.
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// Their numbers, ascending.
        missing: Vec<u64>,
        /// How many units there are in all.
        units: u64,
        /// Into how many shards they were last divided.
        shards: Option<u64>,
    },
    /// A file or folder could not be read or written.
    Disk {
        /// What was to be done, such as `write`.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

impl ExploreError {
    pub(crate) fn disk(step: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| ExploreError::Disk { step, path, cause }
    }
}

/// Numbers that are named one by one.
const MOST_NAMED: usize = 12;

impl fmt::Display for ExploreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExploreError::TooLarge { numbers } => write!(
                f,
                "the space has {numbers} numbers, and at most {} are gone through",
                crate::sample::MOST_NUMBERS
            ),
            ExploreError::Foreign { folder, difference } => {
                write!(f, "`{}` belongs to another run: {difference}", folder.display())
            }
            ExploreError::NoRun { folder } => write!(f, "there is no run in `{}`", folder.display()),
            ExploreError::Incomplete { folder, missing, units, shards } => {
                write!(f, "{} of {units} units are not in `{}`: ", missing.len(), folder.display())?;
                list(f, missing.iter().map(u64::to_string))?;
                if let Some(shards) = shards {
                    let mut of: Vec<u64> = missing.iter().map(|unit| unit % shards + 1).collect();
                    of.sort_unstable();
                    of.dedup();
                    f.write_str("; they are of the shards ")?;
                    list(f, of.iter().map(|shard| format!("{shard}/{shards}")))?;
                }
                Ok(())
            }
            ExploreError::Disk { step, path, cause } => {
                write!(f, "cannot {step} `{}`: {cause}", path.display())
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl ExactSizeIterator<Item = String>) -> fmt::Result {
    let more = items.len().saturating_sub(MOST_NAMED);
    let named: Vec<String> = items.take(MOST_NAMED).collect();
    f.write_str(&named.join(", "))?;
    if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
}

impl std::error::Error for ExploreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExploreError::Disk { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
