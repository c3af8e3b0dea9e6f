//! Why a command did not do what it was asked, and what the shell hears of it.

use std::io::{self, Write};
use std::process::ExitCode;

use offing_explore::ExploreError;
use offing_scenarios::Issue;

use crate::output::issues;

#[derive(Debug)]
pub enum Failure {
    /// The deployment cannot work.
    Infeasible(Vec<String>),
    /// The user's file cannot be used.
    Bad(Vec<Issue>),
    /// What was asked for cannot be done.
    Refused { message: String, hint: Option<String> },
    /// It was told already, on standard output.
    Told(ExitCode),
    /// A file that the user named cannot be read.
    Unreadable { file: String, cause: io::Error },
    /// An output cannot be written.
    Unwritable { file: String, cause: io::Error },
    /// Another program failed.
    System(String),
    /// An exploration did not happen.
    Explore(ExploreError),
    /// What was measured is not what was asked.
    #[cfg(feature = "emu")]
    Unmet(String),
    /// The infrastructure failed.
    #[cfg(feature = "emu")]
    Infrastructure(String),
    /// The user has had enough, and what was made is removed.
    #[cfg(feature = "emu")]
    Interrupted,
    /// Whoever read our output has heard enough.
    Hung,
}

impl Failure {
    /// The same with what was found before it.
    pub fn after(self, warnings: &[Issue]) -> Self {
        match self {
            Failure::Bad(found) => Failure::Bad([warnings, &found].concat()),
            other => other,
        }
    }

    /// Says it on standard error.
    pub fn tell(&self) {
        let lines = match self {
            Failure::Infeasible(reasons) => {
                reasons.iter().map(|reason| format!("infeasible: {reason}")).collect()
            }
            Failure::Bad(found) => return issues(found),
            Failure::Refused { message, hint } => {
                let hint = hint.as_ref().map(|hint| format!("\n  hint: {hint}"));
                vec![format!("error: {message}{}", hint.unwrap_or_default())]
            }
            Failure::Unreadable { file, cause } => vec![format!("error: cannot read `{file}`: {cause}")],
            Failure::Unwritable { file, cause } => vec![format!("error: cannot write {file}: {cause}")],
            Failure::System(message) => vec![format!("error: {message}")],
            Failure::Explore(cause) => {
                let hint = hint(cause).map(|hint| format!("\n  hint: {hint}"));
                vec![format!("error: {cause}{}", hint.unwrap_or_default())]
            }
            #[cfg(feature = "emu")]
            Failure::Unmet(message) | Failure::Infrastructure(message) => vec![format!("error: {message}")],
            #[cfg(feature = "emu")]
            Failure::Interrupted => vec!["interrupted: nothing is left".into()],
            Failure::Told(_) | Failure::Hung => Vec::new(),
        };
        let mut stderr = io::stderr().lock();
        for line in lines {
            // There is nobody left to tell.
            let _ = writeln!(stderr, "{line}");
        }
    }

    /// The exit code of design.md, section 4.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Hung => ExitCode::SUCCESS,
            Failure::Told(code) => *code,
            Failure::Infeasible(_) => ExitCode::from(1),
            Failure::Bad(_) | Failure::Refused { .. } | Failure::Unreadable { .. } => ExitCode::from(2),
            Failure::Explore(ExploreError::Disk { .. }) | Failure::Unwritable { .. } | Failure::System(_) => {
                ExitCode::from(3)
            }
            Failure::Explore(_) => ExitCode::from(2),
            #[cfg(feature = "emu")]
            Failure::Unmet(_) => ExitCode::from(1),
            #[cfg(feature = "emu")]
            Failure::Infrastructure(_) => ExitCode::from(3),
            #[cfg(feature = "emu")]
            Failure::Interrupted => ExitCode::from(130),
        }
    }
}

/// What to do about an exploration that did not happen.
fn hint(cause: &ExploreError) -> Option<String> {
    match cause {
        ExploreError::TooLarge { .. } => {
            Some("draw from it, for example with `--set 'space.sample={ sobol = 65536 }'`".into())
        }
        ExploreError::Foreign { .. } => Some("name another folder with `--out`".into()),
        ExploreError::NoRun { .. } => Some("begin one with `offing explore FILE --out DIR`".into()),
        ExploreError::Incomplete { folder, missing, shards, .. } => {
            let resume = format!("offing explore --resume {}", folder.display());
            Some(match (shards, missing.first()) {
                (Some(shards), Some(unit)) => format!(
                    "compute them with `{resume} --shard {}/{shards}` and so on, or all at once with `{resume}`",
                    unit % shards + 1
                ),
                _ => format!("compute them with `{resume}`"),
            })
        }
        ExploreError::Disk { .. } => None,
    }
}

impl From<ExploreError> for Failure {
    fn from(cause: ExploreError) -> Self {
        Failure::Explore(cause)
    }
}
