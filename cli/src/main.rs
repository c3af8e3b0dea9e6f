//! The `offing` command: reads, calls one crate, writes, exits.

mod args;
mod breakdown;
mod failure;
mod input;
mod kept;
mod models;
mod output;
mod page;

mod check;
mod continuum_facts;
mod scenario_facts;

mod row;
mod simulate;
mod start;
mod table;
mod trace;

#[cfg(feature = "emu")]
mod emulate;
mod explore;
mod found;
mod invert;
mod manifest;
mod progress;
mod report;
mod rerun;
#[cfg(feature = "emu")]
mod rounds;
mod submit;

mod calibrate;
mod measured;

mod convert;
mod editors;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    output::tidy_up_on_signals();
    let done = match &args.command {
        Command::Check(check) => check::run(check),
        Command::Simulate(simulate) => simulate::run(simulate),
        Command::Start(start) => start::run(start),
        Command::Explore(explore) => explore::run(explore),
        Command::Merge(merge) => explore::merge(merge),
        Command::Submit(submit) => submit::run(submit),
        Command::Invert(invert) => invert::run(invert),
        Command::Calibrate(calibrate) => calibrate::run(calibrate),
        Command::Validate(validate) => calibrate::validate(validate),
        #[cfg(feature = "emu")]
        Command::Loop(command) => rounds::run(command),
        Command::Report(report) => report::run(report),
        Command::Rerun(rerun) => rerun::run(rerun),
        Command::Import(import) => convert::import(import),
        Command::Export(export) => convert::export(export),
        #[cfg(feature = "emu")]
        Command::Emulate(command) => emulate::run(command),
        #[cfg(feature = "emu")]
        Command::Doctor(doctor) => emulate::doctor(doctor),
        Command::Schema => editors::schema(),
        Command::Completions { shell } => editors::completions(*shell),
        Command::Man { folder } => editors::man(folder.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.exit_code()
        }
    }
}
