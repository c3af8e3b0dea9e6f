//! The `offing` command: reads, calls one crate, writes, exits.

mod application;
mod args;
mod failure;
mod input;
mod output;

mod row;
mod simulate;
mod table;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    output::die_of_interrupts();
    let done = match &args.command {
        Command::Simulate(simulate) => simulate::run(simulate),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.exit_code()
        }
    }
}
