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
    /// Reads a file, prints every issue, or else the deployment it describes and what follows from it
    #[command(after_help = "Example: offing check video.toml --set tier.cloud.cores=8
Exits with 1 if the deployment cannot work, with 2 if the file cannot be used.")]
    Check(Check),
    /// Predicts one deployment: latency and its five parts, utilization, load, energy, cost
    #[command(after_help = "Example: offing simulate video.toml --set deploy.target=edge --json")]
    Simulate(Simulate),
    /// Writes a Continuum configuration as a scenario
    #[command(after_help = "Example: offing import bench_cloud.cfg --out bench_cloud.toml")]
    Import(Import),
    /// Writes a deployment as the configuration of another framework
    #[command(after_help = "Example: offing export video.toml --to continuum --out video.cfg")]
    Export(Export),
    /// Measures on real infrastructure: what would be done, whether links and quotas are as asked, what exists
    #[cfg(feature = "emu")]
    #[command(subcommand)]
    Emulate(Emulate),
    /// Says whether this host can measure, and what is missing
    #[cfg(feature = "emu")]
    #[command(after_help = "Example: offing doctor --json
Exits with 0 if it can, with 3 if it cannot.")]
    Doctor(Doctor),
    /// Prints the JSON Schema of scenario files, for editors
    #[command(after_help = "Example: offing schema > scenario.schema.json")]
    Schema,
    /// Prints the script that completes commands and options in a shell
    #[command(
        after_help = "Example: offing completions bash > ~/.local/share/bash-completion/completions/offing"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Prints the manual page, or writes those of all commands to a folder
    #[command(after_help = "Example: offing man ~/.local/share/man/man1")]
    Man {
        /// Where offing.1, offing-simulate.1, ... go
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
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
    #[arg(long, value_enum, value_name = "WHOSE")]
    pub semantics: Option<Semantics>,
}

impl Reading {
    /// The code counts unless something else is asked for.
    pub fn semantics(&self) -> continuum::Semantics {
        match self.semantics {
            None | Some(Semantics::Continuum) => continuum::Semantics::Continuum,
            Some(Semantics::Intended) => continuum::Semantics::Intended,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Semantics {
    /// What its code does (the default)
    Continuum,
    /// What its documentation promises
    Intended,
}

#[derive(clap::Args)]
pub struct Check {
    #[command(flatten)]
    pub input: Input,

    /// Prints one JSON object, also if the file cannot be used
    #[arg(long)]
    pub json: bool,
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

#[derive(clap::Args)]
pub struct Import {
    /// The Continuum configuration
    pub file: PathBuf,

    #[command(flatten)]
    pub reading: Reading,

    /// Where the scenario goes, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Export {
    #[command(flatten)]
    pub input: Input,

    /// Whose configuration to write
    #[arg(long, value_enum, value_name = "FRAMEWORK")]
    pub to: Framework,

    /// Where it goes, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Framework {
    Continuum,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Doctor {
    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
#[derive(Subcommand)]
pub enum Emulate {
    /// Prints what would be done and what this host must have; does nothing
    #[command(after_help = "Example: offing emulate plan video.toml --dilate auto
Exits with 2 if this host cannot hold it.")]
    Plan(EmulatePlan),
    /// Makes the nodes and links of a deployment, measures all of them, compares with what was asked, and
    /// removes everything
    #[command(after_help = "Example: offing emulate prove video.toml --out results/proof
Exits with 1 if something is not as asked, with 3 if it cannot be made.")]
    Prove(EmulateProve),
    /// Lists what runs have made and not removed
    #[command(after_help = "Example: offing emulate list")]
    List(EmulateList),
    /// Removes what runs have left: those that have ended, one, or all
    #[command(after_help = "Example: offing emulate down
May be repeated; also after a crash.")]
    Down(EmulateDown),
    /// Moves frames between the nodes of a run; started by the other commands
    #[command(hide = true)]
    Forwarder {
        /// The run
        #[arg(long)]
        run: String,
    },
}

/// What is planned, and how.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Planning {
    #[command(flatten)]
    pub input: Input,

    /// Runs this many times slower than real time; `auto` takes the least that this host needs
    #[arg(long, value_name = "K|auto", default_value = "1", value_parser = dilation)]
    pub dilate: offing_emu::Dilate,

    /// What makes the links; `auto` takes the kernel's where it has them
    #[arg(long, value_enum, default_value_t)]
    pub links: Links,

    /// Gives each node processors of its own
    #[arg(long)]
    pub pin: bool,

    /// Packets that may wait for a link's rate
    #[arg(long, value_name = "PACKETS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub queue: u32,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Links {
    #[default]
    Auto,
    /// The kernel's HTB and netem
    Netem,
    /// A process of our own on TAP devices
    Forwarder,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulatePlan {
    #[command(flatten)]
    pub planning: Planning,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateProve {
    #[command(flatten)]
    pub planning: Planning,

    /// The static binary for the nodes, instead of OFFING_AGENT or `offing-agent` beside this program
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,

    #[command(flatten)]
    pub state: State,

    /// A folder that gets plan.json and proof.json
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Where the ledgers are.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct State {
    /// The folder of the ledgers, instead of `$XDG_STATE_HOME/offing/ledger`
    #[arg(long = "state", value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateList {
    #[command(flatten)]
    pub state: State,

    /// Prints one JSON array
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateDown {
    /// This run, even if it is under way; without it, all runs whose process has ended
    #[arg(conflicts_with = "all")]
    pub run: Option<String>,

    /// Every run of ours, under way or not, also those whose ledger is lost
    #[arg(long)]
    pub all: bool,

    #[command(flatten)]
    pub state: State,

    /// Prints one JSON array
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
fn dilation(text: &str) -> Result<offing_emu::Dilate, String> {
    match text.parse() {
        _ if text == "auto" => Ok(offing_emu::Dilate::Auto),
        Ok(k) if (1.0..=1e6).contains(&k) => Ok(offing_emu::Dilate::By(k)),
        _ => Err("write `auto` or a number of at least 1".into()),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("write KEY=VALUE, for example `deploy.target=edge`".into()),
    }
}
