//! What can be typed. The meaning is elsewhere.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use offing_explore::Shard;
use offing_scenarios::continuum;
#[cfg(feature = "emu")]
use serde::{Deserialize, Serialize};

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
    /// Predicts how long Kubernetes needs until the pods of a deployment are ready, phase by phase
    #[command(after_help = "Example: offing start scenarios/library/kubernetes-pods.toml
         offing start video.toml --set deploy.manager=kubernetes --pods 60 --nodes 2 --json
         offing start node_16.cfg
A scenario with a [space] gives a row for each of its deployments, unless --pods or --nodes is given; a .cfg is one of Continuum's control-plane study.
Exits with 1 if no pod fits on a node.")]
    Start(StartPods),
    /// Predicts a whole design space: what is feasible, the front, a shortlist, and why the others were dropped
    #[command(after_help = "Example: offing explore video.toml --out results/video
         offing explore video.toml --out /shared/video --shard 3/64
Exits with 1 if nothing is feasible. A run that was interrupted goes on with --resume DIR.")]
    Explore(Explore),
    /// Writes the results of an exploration whose units were computed in shards
    #[command(after_help = "Example: offing merge /shared/video
Exits with 1 if nothing is feasible, with 2 if units are missing: it names them.")]
    Merge(Merge),
    /// Explores on a cluster: one shard per task of an array
    #[command(subcommand)]
    Submit(Submit),
    /// Finds the value of one key: the largest or smallest with which requirements hold, or where two targets
    /// are equal
    #[command(
        after_help = "Example: offing invert video.toml --for tier.endpoint.nodes --such-that \"latency_p95_ms <= 150\"
         offing invert video.toml --break-even link.endpoint-cloud.latency --between edge cloud
Exits with 1 if no value does it."
    )]
    Invert(Invert),
    /// Fits the models to measured runs, or says which deployment to measure next
    #[command(
        after_help = "Example: offing calibrate results/video/20261124-120000-1a2b3c4d --out models.toml
         offing calibrate --next results/video --models models.toml
A run is a folder of `offing emulate run` or one of its runs, a CSV of requests beside a scenario of the same name, or
Continuum's tables (CSV) beside a .cfg of the same name."
    )]
    Calibrate(Calibrate),
    /// Says how wrong predictions are on measured runs that the models were not fitted on
    #[command(
        after_help = "Example: offing validate results/video --models models.toml --limit latency_p95=15%
         offing validate results/video --leave-one-out
Exits with 1 if a limit is exceeded."
    )]
    Validate(Validate),
    /// Explores, measures, fits, and goes round until the pick is confirmed by measurement or the time is used up
    #[cfg(feature = "emu")]
    #[command(
        after_help = "Example: offing loop video.toml --on docker --budget 20min --out results/video-loop
         offing loop --resume results/video-loop --budget 40min
Each step is a numbered folder. A loop that was interrupted goes on with --resume DIR.
Exits with 1 if the pick is not confirmed, and says why."
    )]
    Loop(Box<Loop>),
    /// Writes a Continuum configuration as a scenario
    #[command(after_help = "Example: offing import bench_cloud.cfg --out bench_cloud.toml")]
    Import(Import),
    /// Writes a deployment as the configuration of another framework, or describes a result folder for an archive
    #[command(after_help = "Example: offing export video.toml --to continuum --out video.cfg
         offing export results/video --ro-crate")]
    Export(Export),
    /// Writes one page that tells what a result folder holds: the answer first, plots, and where it comes from
    #[command(after_help = "Example: offing report results/video
         offing report results/video results/measured --figures svg
Several folders are told together: an exploration, and runs of its shortlist.")]
    Report(Report),
    /// Computes a prediction again from its manifest, and compares the results byte by byte
    #[command(after_help = "Example: offing rerun results/video/manifest.json --check
Exits with 1 if anything differs.")]
    Rerun(Rerun),
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

/// Which parameters predict.
#[derive(clap::Args)]
pub struct Models {
    /// Predicts with the parameters of this file, which `offing calibrate` writes, instead of the neutral ones;
    /// `docker` stands for those that are fitted on containers (docs/calibration.md)
    #[arg(id = "models", long, value_name = "FILE")]
    pub file: Option<PathBuf>,
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

    #[command(flatten)]
    pub models: Models,

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

    /// Keeps the results in a folder, for `offing report` and `offing rerun`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A version of Kubernetes.
pub type KubernetesVersion = offing_models::Version;

#[derive(clap::Args)]
pub struct StartPods {
    #[command(flatten)]
    pub input: Input,

    #[command(flatten)]
    pub models: Models,

    /// Pods in all, instead of `deploy.pods` on each node
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub pods: Option<u32>,

    /// Nodes that run pods, instead of those of the target tier
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub nodes: Option<u32>,

    /// Version of Kubernetes: later ones limit requests less [default: 1.20, or what a .cfg says]
    #[arg(long, value_name = "VERSION", value_parser = crate::start::version)]
    pub kubernetes: Option<KubernetesVersion>,

    /// Cores of one host that carries the control plane and all nodes; 0: each has its own [default: what the
    /// models say]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=4096))]
    pub host_cores: Option<u32>,

    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Prints one JSON object
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Prints a header and a row of comma-separated values for each start
    #[arg(long)]
    pub csv: bool,
}

#[derive(clap::Args)]
pub struct Explore {
    /// A scenario, or a Continuum configuration if its name ends in `.cfg`; `-` is a scenario on standard input.
    /// Not needed to resume
    #[arg(required_unless_present = "resume")]
    pub file: Option<PathBuf>,

    /// Replaces a key of the scenario; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment, requires = "file")]
    pub assignments: Vec<(String, String)>,

    #[command(flatten)]
    pub reading: Reading,

    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Where the results go [default: results/NAME/DATE-TIME-HASH]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,

    /// Goes on with the run in this folder
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,

    /// Computes only this part, such as 3/64; `offing merge` makes the results when all parts are there
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub shard: Option<Shard>,

    #[command(flatten)]
    pub models: Models,

    #[command(flatten)]
    pub choosing: Choosing,

    /// Simulates every deployment for its whole duration, also those whose requirement is decided early
    #[arg(long, conflicts_with = "resume")]
    pub exact: bool,

    /// Says how many deployments there are, and computes nothing
    #[arg(long, conflicts_with_all = ["out", "resume", "shard"])]
    pub count: bool,
}

#[derive(clap::Args)]
pub struct Merge {
    /// The folder that the shards have in common
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    #[command(flatten)]
    pub models: Models,

    #[command(flatten)]
    pub choosing: Choosing,
}

#[derive(Subcommand)]
pub enum Submit {
    /// Prepares the folder, submits a job array to Slurm, waits for it, and writes the results
    #[command(after_help = "Example: offing submit slurm video.toml --shards 64 --out /shared/video
Without sbatch it writes the script and says how to go on.")]
    Slurm(Slurm),
    /// Prints the manifest of an Indexed Job for Kubernetes; nothing is submitted
    #[command(
        after_help = "Example: offing submit kubernetes video.toml --shards 64 --image registry/offing | kubectl apply -f -
When the job is done, run `offing merge` on the folder in the claim. The image needs `offing` and `sh`."
    )]
    Kubernetes(Kubernetes),
}

/// Deployments on the shortlist where nothing else is said.
pub const SHORTLIST: u16 = 5;

/// What is explored.
#[derive(clap::Args)]
pub struct Work {
    /// A scenario, or a Continuum configuration if its name ends in `.cfg`
    pub file: PathBuf,

    /// Replaces a key of the scenario; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub assignments: Vec<(String, String)>,

    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

#[derive(clap::Args)]
pub struct Slurm {
    #[command(flatten)]
    pub work: Work,

    /// Deployments on the shortlist, at most
    #[arg(long, value_name = "N", default_value_t = SHORTLIST, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub shortlist: u16,

    /// Tasks of the array
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,

    /// A folder that all nodes have in common [default: results/NAME/DATE-TIME-HASH]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Prints the script, and neither writes nor submits anything
    #[arg(long)]
    pub dry_run: bool,

    /// Partition of the cluster
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,

    /// Time limit of a task, as Slurm writes it
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,

    /// Processors per task
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub cpus: u16,
}

#[derive(clap::Args)]
pub struct Kubernetes {
    #[command(flatten)]
    pub work: Work,

    /// Completions of the job
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub shards: u32,

    /// Image with `offing` and `sh` in it
    #[arg(long, value_name = "IMAGE")]
    pub image: String,

    /// Size of the volume claim
    #[arg(long, value_name = "SIZE", default_value = "10Gi")]
    pub storage: String,

    /// Version of the cluster: before 1.22 there are no Indexed Jobs, and each shard becomes a Job of its own
    #[arg(long, value_name = "VERSION", default_value = "1.24", value_parser = kubernetes_version)]
    pub kubernetes_version: (u32, u32),

    /// Printing is all it does; said for the sake of scripts
    #[arg(long)]
    pub dry_run: bool,

    /// How the manifest is written
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t = Form::Yaml)]
    pub form: Form,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Form {
    Yaml,
    Json,
}

/// How results are made of units.
#[derive(clap::Args)]
pub struct Choosing {
    /// Threads [default: all processors]; the results do not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,

    /// Deployments on the shortlist, at most
    #[arg(long, value_name = "N", default_value_t = SHORTLIST, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub shortlist: u16,

    /// Keeps the results of the units, about 350 bytes per deployment
    #[arg(long)]
    pub keep_units: bool,

    /// Prints what is in shortlist.json
    #[arg(long)]
    pub json: bool,
}

/// What `offing invert` is asked; a manifest keeps it in this form.
#[derive(clap::Args, Clone, serde::Deserialize, serde::Serialize)]
pub struct Question {
    /// The key whose value is looked for
    #[arg(
        long = "for",
        value_name = "KEY",
        required_unless_present = "break_even",
        conflicts_with = "break_even"
    )]
    pub key: Option<String>,

    /// What must hold, instead of the file's own requirements; may be repeated
    #[arg(long = "such-that", value_name = "CONDITION", conflicts_with = "break_even")]
    pub conditions: Vec<String>,

    /// Looks for the largest value; without it and `--smallest` the ends of the range decide
    #[arg(long, conflicts_with_all = ["smallest", "break_even"])]
    pub largest: bool,

    /// Looks for the smallest value
    #[arg(long, conflicts_with = "break_even")]
    pub smallest: bool,

    /// The key whose value makes two targets equal
    #[arg(long, value_name = "KEY", requires = "between")]
    pub break_even: Option<String>,

    /// The two targets
    #[arg(long, num_args = 2, value_names = ["TIER", "TIER"], requires = "break_even")]
    pub between: Vec<String>,

    /// In what they are to be equal [default: latency_p95_ms]
    #[arg(long, value_name = "METRIC", requires = "break_even")]
    pub metric: Option<String>,

    /// The lowest value to try [default: 1, or a sixteenth of the file's value]
    #[arg(long, value_name = "VALUE")]
    pub from: Option<String>,

    /// The highest value to try [default: sixteen times the file's value, or what is allowed]
    #[arg(long, value_name = "VALUE")]
    pub to: Option<String>,

    /// Tries only values that many apart [default: 1 for whole numbers and cores, else any value]
    #[arg(long, value_name = "VALUE")]
    pub step: Option<String>,
}

#[derive(clap::Args)]
pub struct Invert {
    #[command(flatten)]
    pub input: Input,

    #[command(flatten)]
    pub models: Models,

    #[command(flatten)]
    pub question: Question,

    /// Where chance begins, instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Runs of each value, with one seed each; more make the interval smaller
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub runs: u32,

    /// Keeps the answer in a folder, for `offing report` and `offing rerun`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    #[default]
    Auto,
    Stations,
    Events,
}

impl Engine {
    pub const ALL: [Engine; 3] = [Engine::Auto, Engine::Stations, Engine::Events];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Auto => "auto",
            Engine::Stations => "stations",
            Engine::Events => "events",
        }
    }
}

#[derive(clap::Args)]
pub struct Calibrate {
    /// Measured runs
    #[arg(value_name = "RUN", required_unless_present = "next", conflicts_with = "next")]
    pub runs: Vec<PathBuf>,

    /// Where the parameters go
    #[arg(long, value_name = "FILE", required_unless_present = "next", conflicts_with = "next")]
    pub out: Option<PathBuf>,

    /// What the set is called in results
    #[arg(long, value_name = "NAME", default_value = "fitted", conflicts_with = "next")]
    pub name: String,

    /// Leaves the runs of this set of `sets.toml`, in the folder of the runs, to `offing validate`
    #[arg(long, value_name = "NAME", conflicts_with = "next")]
    pub held_out: Option<String>,

    /// Says which deployment of a scenario's space, or of the shortlist of `offing explore` in a folder, to measure next
    #[arg(long, value_name = "SCENARIO|DIR")]
    pub next: Option<PathBuf>,

    /// What is to be small, for --next [default: the first that the goal minimises, or latency_p95_ms]
    #[arg(long, value_name = "METRIC", requires = "next")]
    pub metric: Option<String>,

    #[command(flatten)]
    pub models: Models,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct Validate {
    /// Measured runs
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,

    #[command(flatten)]
    pub models: Models,

    /// Fails if the mean absolute error of a metric is larger; may be repeated
    #[arg(long = "limit", value_name = "METRIC=PERCENT")]
    pub limits: Vec<offing_validation::Limit>,

    /// Judges only the runs of this set of `sets.toml`, in the folder of the runs
    #[arg(long, value_name = "NAME", conflicts_with = "leave_one_out")]
    pub held_out: Option<String>,

    /// Judges each deployment by a fit on all others, which starts from the models
    #[arg(long)]
    pub leave_one_out: bool,

    /// Keeps validation.json and the models in a folder, for `offing report`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The loop.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Loop {
    /// A scenario, or a Continuum configuration if its name ends in `.cfg`; `-` is a scenario on standard input.
    /// Not needed to resume
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub asking: Asking,

    /// What makes the runs
    #[arg(long, value_enum, default_value_t, conflicts_with = "resume")]
    pub on: Provider,

    /// The folder of the runs that a rehearsal replays
    #[arg(long, value_name = "DIR", required_if_eq("on", "rehearsal"), conflicts_with = "resume")]
    pub recorded: Option<PathBuf>,

    /// How long may be measured in all; with --resume, instead of the time stated before
    #[arg(long, value_name = "TIME", required_unless_present = "resume", value_parser = time)]
    pub budget: Option<offing_core::Span>,

    /// Where the folders of the steps go [default: results/NAME/loop-DATE-TIME]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,

    /// Goes on with the loop in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = KEPT, conflicts_with_all = ["kube_binaries", "node_image"])]
    pub resume: Option<PathBuf>,

    #[command(flatten)]
    pub how: How,

    /// The parameters that the first step predicts with, and that fits start from
    #[arg(long = "models", value_name = "FILE", conflicts_with = "resume")]
    pub models: Option<PathBuf>,

    /// Deployments on a shortlist, at most
    #[arg(long, value_name = "N", default_value_t = SHORTLIST, conflicts_with = "resume", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shortlist: u16,

    /// Threads [default: all processors]; the results do not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,

    #[command(flatten)]
    pub means: Means,

    #[command(flatten)]
    pub trying: Trying,

    /// Prints what is in loop.json
    #[arg(long)]
    pub json: bool,
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
    #[arg(long, value_enum, value_name = "FRAMEWORK", required_unless_present = "ro_crate")]
    pub to: Option<Framework>,

    /// FILE is a result folder: writes ro-crate-metadata.json into it (RO-Crate 1.1)
    #[arg(long, conflicts_with_all = ["to", "assignments", "strict", "semantics"])]
    pub ro_crate: bool,

    /// Address of the terms under which the results may be used, for the metadata
    #[arg(long, value_name = "URL", requires = "ro_crate")]
    pub licence: Option<String>,

    /// Where it goes, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Report {
    /// Folders with results: of an exploration, of measurements, of `simulate`, `invert` or `validate` with --out
    #[arg(value_name = "DIR", required = true)]
    pub folders: Vec<PathBuf>,

    /// Where the page goes [default: report.html in the first folder]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Also writes each figure, and its data as CSV, to the folder `figures` beside the page
    #[arg(long, value_enum, value_name = "FORM")]
    pub figures: Option<FigureForm>,
}

#[derive(clap::Args)]
pub struct Rerun {
    /// The manifest.json of a prediction, or its folder
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,

    /// Says of each output whether it is the same, and keeps nothing
    #[arg(long)]
    pub check: bool,

    /// Where the results go [default: results/NAME/DATE-TIME-HASH, nowhere with --check]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Threads [default: all processors]; the results do not depend on them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
}

/// How figures are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FigureForm {
    /// For papers
    Svg,
    /// For slides, with the fonts of this machine
    #[cfg(feature = "png")]
    Png,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Framework {
    Continuum,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    let shard = parts.and_then(|(number, of)| Shard::new(number, of));
    shard.ok_or_else(|| "write K/N with K from 1 to N, for example `3/64`".into())
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
    /// Makes the nodes and links of each deployment, measures all of them, compares with what was asked, and
    /// removes everything
    #[command(after_help = "Example: offing emulate prove video.toml --out results/proof
Exits with 1 if something is not as asked, with 3 if it cannot be made.")]
    Prove(EmulateProve),
    /// Measures deployments: makes nodes and links, proves them, runs the application, keeps what it took, and
    /// removes everything
    #[command(after_help = "Example: offing emulate run results/video/20261124-120000-0123abcd --repeat 3
         offing emulate run video.toml --set deploy.target=edge --application network
Each run is kept as soon as it is done. A measurement that was interrupted goes on with --resume DIR.
Exits with 1 if a run is not valid (its proof did not hold, links were late), with 3 if the infrastructure failed.")]
    Run(Box<EmulateRun>),
    /// Prints the worker and endpoint tables of measured runs as Continuum does
    #[command(after_help = "Example: offing emulate tables results/video/20261124-130000-89abcdef")]
    Tables(EmulateTables),
    /// Writes the image for Kubernetes to a file, for nodes that reach no registry
    #[command(after_help = "Example: offing emulate image --out agent.tar
         ctr -n k8s.io images import agent.tar      # on each node; or docker load, kind load image-archive, ...
Prints the name of the image, which `offing emulate run` uses unless it is given another by --image.")]
    Image(EmulateImage),
    /// Prints the rights that a measurement on Kubernetes needs
    #[command(after_help = "Example: offing emulate rbac --user jane | kubectl apply -f -")]
    Rbac(EmulateRbac),
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
    /// A scenario, a Continuum configuration (`.cfg`), a folder that `offing explore` has written, or the
    /// shortlist.json in it; `-` is a scenario on standard input
    pub file: PathBuf,

    #[command(flatten)]
    pub asking: Asking,

    #[command(flatten)]
    pub how: How,
}

/// What is read from the file.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Asking {
    /// Replaces a key of the scenario; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub assignments: Vec<(String, String)>,

    #[command(flatten)]
    pub reading: Reading,
}

/// What the folder of a measurement says already when it is resumed.
#[cfg(feature = "emu")]
const KEPT: [&str; 11] = [
    "assignments",
    "strict",
    "semantics",
    "dilate",
    "links",
    "pin",
    "queue",
    "proof_tolerance",
    "application",
    "transport",
    "manager",
];

/// How nodes and links are made, and what runs on them.
#[cfg(feature = "emu")]
#[derive(Clone, clap::Args, Serialize, Deserialize)]
pub struct How {
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

    /// Makes the tolerances of the proof, and the limit of the links' lateness, so many times wider: for a host that is not
    /// quiet, where it matters that something runs and not how long it takes
    #[arg(long, value_name = "K", default_value_t = offing_emu::usual_tolerance(), value_parser = tolerance)]
    #[serde(default = "offing_emu::usual_tolerance")]
    pub proof_tolerance: f64,

    /// What workers do with a frame
    #[arg(long, value_enum, default_value_t)]
    pub application: Application,

    /// What carries frames and replies
    #[arg(long, value_enum, default_value_t)]
    pub transport: Transport,

    /// What runs the application on the nodes [default: `deploy.manager` of the scenario]
    #[arg(long, value_enum)]
    pub manager: Option<Manager>,

    /// Makes a cluster of our own on this host, of the server's binaries in this folder, with links as in the plan
    #[arg(long, value_name = "DIR", conflicts_with = "node_image")]
    pub kube_binaries: Option<PathBuf>,

    /// The same, of an image of this host's engine that has the server's binaries and all else that a node needs
    #[arg(long, value_name = "IMAGE")]
    #[serde(default)]
    pub node_image: Option<String>,
}

#[cfg(feature = "emu")]
impl How {
    /// Whether a cluster of our own is made.
    pub fn makes_cluster(&self) -> bool {
        self.kube_binaries.is_some() || self.node_image.is_some()
    }
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// Nothing: containers on this host
    None,
    /// A Kubernetes cluster that somebody has, or with --kube-binaries or --node-image one of our own
    Kubernetes,
}

/// What this host and a cluster give to make runs with.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Means {
    /// The static binary for the nodes, instead of OFFING_AGENT or `offing-agent` beside this program
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,

    #[command(flatten)]
    pub state: State,

    #[command(flatten)]
    pub cluster: OnCluster,
}

/// Which cluster.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct Which {
    /// The kubeconfig [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// One of its contexts [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// A cluster, and how deployments are put on it.
#[cfg(feature = "emu")]
#[derive(clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct OnCluster {
    #[command(flatten)]
    pub which: Which,

    /// Uses this namespace, which must be there, instead of making one for each run
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// The image with the binary for the nodes [default: the one that `offing emulate image` writes]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,

    /// The key of the label that says to which tier a node belongs; `none` leaves the choice to the scheduler
    #[arg(long, value_name = "KEY", default_value = "tier")]
    pub tier_label: String,

    /// How long pods may take to be ready
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub ready_limit: u64,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Application {
    /// The processor time that the scenario says
    #[default]
    Burn,
    /// Classifies it by a convolutional network; the scenario's work is ignored
    Network,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Through a broker on each target node
    #[default]
    Mqtt,
    /// Directly to each target node
    Http,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    /// A folder that gets plan.json and proof.json; of several deployments, one folder below it for each
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Prints a JSON object per deployment, one a line
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateRun {
    /// A scenario, a Continuum configuration (`.cfg`), a folder that `offing explore` has written, or the
    /// shortlist.json in it; `-` is a scenario on standard input. Not needed to resume
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub asking: Asking,

    #[command(flatten)]
    pub how: How,

    /// How often each deployment is measured
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,

    /// In which order the deployments of a repetition are measured
    #[arg(long, value_enum, default_value_t)]
    pub order: Order,

    /// Where chance begins, instead of the scenario's seed; each repetition adds one
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Where the results go [default: results/NAME/DATE-TIME-HASH]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,

    /// Goes on with the measurement in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = KEPT, conflicts_with_all = ["repeat", "order", "seed"])]
    pub resume: Option<PathBuf>,

    /// What makes the runs
    #[arg(long, value_enum, default_value_t)]
    pub provider: Provider,

    /// The folder of the runs that a rehearsal replays
    #[arg(long, value_name = "DIR", required_if_eq("provider", "rehearsal"))]
    pub recorded: Option<PathBuf>,

    #[command(flatten)]
    pub means: Means,

    #[command(flatten)]
    pub trying: Trying,

    /// Prints the worker and endpoint tables of each run as Continuum does
    #[arg(long, conflicts_with = "json")]
    pub continuum_tables: bool,

    /// Prints one JSON object
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct Trying {
    /// How often a run is tried that is not valid, because its proof does not hold or the host was late; each further time when the
    /// hypervisor of this host leaves it its processors; recorded runs are not tried again
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// In one drawn with the seed, another one for each repetition
    #[default]
    Random,
    /// In the one in which they are given
    Given,
}

#[cfg(feature = "emu")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Containers on this host
    #[default]
    Docker,
    /// Recorded runs, again
    Rehearsal,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateTables {
    /// A folder that `offing emulate run` has written
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Prints them as comma-separated values, as Continuum's log repeats them
    #[arg(long)]
    pub csv: bool,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateImage {
    /// The archive to write, as `docker save` does
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// The static binary for the nodes, instead of OFFING_AGENT or `offing-agent` beside this program
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,

    /// The name of the image [default: made from the binary]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
}

#[cfg(feature = "emu")]
#[derive(clap::Args)]
pub struct EmulateRbac {
    /// Who gets them, as the API server knows the user
    #[arg(long, value_name = "NAME")]
    pub user: String,

    /// Only in this namespace, for `offing emulate run --namespace NAME`
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// With the right to read the kubelets' counters (`nodes/proxy`, which reaches more than these)
    #[arg(long)]
    pub stats: bool,
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

    /// With --all or a run: looks for namespaces without a ledger on this cluster, too
    #[command(flatten)]
    pub cluster: Which,

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

#[cfg(feature = "emu")]
fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (1.0..=1e6).contains(number));
    number.ok_or_else(|| "write a number of at least 1: the proof is never stricter than usual".into())
}

fn kubernetes_version(text: &str) -> Result<(u32, u32), String> {
    let mut numbers = text.trim_start_matches('v').split('.');
    let mut number = || numbers.next()?.trim_end_matches('+').parse().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err("write two numbers, for example `1.20`".into()),
    }
}

#[cfg(feature = "emu")]
fn time(text: &str) -> Result<offing_core::Span, String> {
    offing_core::units::span(text).map_err(|no| format!("{}; {}", no.message, no.hint))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.trim().into())),
        _ => Err("write KEY=VALUE, for example `deploy.target=edge`".into()),
    }
}
