//! What can be typed. The meaning is elsewhere.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use offing_scenarios::continuum;

/// Predicts how an application performs when it runs across endpoints, edge and cloud.
#[derive(Parser)]
#[command(name = "offing", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Results go to standard output, all else to standard error.
Exit codes: 0 done, 1 requirement unmet or infeasible, 2 bad input, 3 the system failed (cannot write the \
output), 130 interrupted.";

#[derive(Subcommand)]
pub enum Command {
    /// Predicts one deployment: latency and its five parts, utilization, load, energy, cost
    #[command(after_help = "Example: offing simulate video.toml --set deploy.target=edge --json")]
    Simulate(Simulate),
}

/// A file to read, and how.
#[derive(clap::Args)]
pub struct Input {
    /// A scenario, or a Continuum configuration if its name ends in `.cfg`; `-` is a scenario on standard input
    pub file: PathBuf,

    /// Replaces a key of the scenario; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub assignments: Vec<(String, String)>,

    #[command(flatten)]
    pub reading: Reading,
}

/// How to read a Continuum configuration.
#[derive(clap::Args)]
pub struct Reading {
    /// Reads a .cfg as Continuum's own parser does, and fails where it fails
    #[arg(long)]
    pub strict: bool,

    /// Whose word counts for a .cfg: what Continuum's code does, or what its documentation promises
    #[arg(long, value_enum, default_value_t)]
    pub semantics: Semantics,
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Semantics {
    #[default]
    Continuum,
    Intended,
}

impl From<Semantics> for continuum::Semantics {
    fn from(semantics: Semantics) -> Self {
        match semantics {
            Semantics::Continuum => continuum::Semantics::Continuum,
            Semantics::Intended => continuum::Semantics::Intended,
        }
    }
}

#[derive(clap::Args)]
pub struct Simulate {
    #[command(flatten)]
    pub input: Input,

    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// `stations` is fast, `events` can run everything, `auto` takes the fast one where it applies; where both
    /// apply, their results are equal
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,

    /// Prints one JSON object
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Prints a header and one row of comma-separated values
    #[arg(long)]
    pub csv: bool,

    /// Writes a row for each request after the warm-up to a file; memory then grows with their number
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    #[default]
    Auto,
    Stations,
    Events,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("write KEY=VALUE, for example `deploy.target=edge`".into()),
    }
}
