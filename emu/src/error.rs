//! What can go wrong while measuring: the thing, the step, the cause.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why something could not be done.
#[derive(Debug)]
pub enum EmuError {
    /// This deployment cannot be measured here; each reason says what to do instead.
    Refused(Vec<String>),
    /// The links between the nodes.
    Links {
        /// What was being done.
        step: String,
        /// What the system said.
        cause: String,
    },
    /// The container engine.
    Engine {
        /// What was being done.
        step: String,
        /// What the engine said.
        cause: String,
    },
    /// The cluster that somebody runs.
    Kubernetes {
        /// What was being done.
        step: String,
        /// What the API server said, or what was waited for.
        cause: String,
    },
    /// A node does not do what it should.
    Node {
        /// Its name.
        node: String,
        /// What was being done.
        step: String,
        /// What it said.
        cause: String,
    },
    /// A file of ours.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The ledger of a run that is still under way belongs to another process.
    UnderWay {
        /// The run.
        run: String,
    },
    /// The user has had enough.
    Interrupted,
}

impl EmuError {
    pub(crate) fn engine(step: impl Into<String>, cause: impl fmt::Display) -> Self {
        EmuError::Engine { step: step.into(), cause: cause.to_string() }
    }

    pub(crate) fn kubernetes(step: impl Into<String>, cause: impl fmt::Display) -> Self {
        EmuError::Kubernetes { step: step.into(), cause: cause.to_string() }
    }

    pub(crate) fn links(step: impl Into<String>, cause: impl fmt::Display) -> Self {
        EmuError::Links { step: step.into(), cause: cause.to_string() }
    }

    pub(crate) fn node(node: &str, step: impl Into<String>, cause: impl fmt::Display) -> Self {
        EmuError::Node { node: node.into(), step: step.into(), cause: cause.to_string() }
    }

    pub(crate) fn file(path: &std::path::Path, cause: io::Error) -> Self {
        EmuError::File { path: path.into(), cause }
    }
}

impl fmt::Display for EmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmuError::Refused(reasons) => f.write_str(&reasons.join("\n")),
            EmuError::Links { step, cause } => write!(f, "cannot {step}: {cause}"),
            EmuError::Engine { step, cause } => write!(f, "the container engine cannot {step}: {cause}"),
            EmuError::Kubernetes { step, cause } => {
                write!(f, "the Kubernetes cluster cannot {step}: {cause}")
            }
            EmuError::Node { node, step, cause } => write!(f, "node {node} cannot {step}: {cause}"),
            EmuError::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            EmuError::UnderWay { run } => write!(f, "run {run} is still under way"),
            EmuError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for EmuError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            EmuError::File { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
