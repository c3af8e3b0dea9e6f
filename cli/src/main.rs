//! The `offing` command: reads, calls one crate, writes, exits.

mod args;
mod failure;
mod input;
mod models;
mod output;
mod page;

mod check;
mod continuum_facts;
mod scenario_facts;

mod row;
mod simulate;
mod table;
mod trace;

#[cfg(feature = "emu")]
mod emulate;

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
