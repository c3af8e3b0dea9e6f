//! `offing import` and `offing export`: from and to Continuum.

use std::path::Path;

use offing_scenarios::continuum::from_deployment;

use crate::args::{Export, Framework, Import};
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, issues, print};

pub fn import(args: &Import) -> Result<(), Failure> {
    let (resolved, warnings) = input::continuum(&args.file, &args.reading)?;
    issues(&warnings);
    let text = input::as_scenario(&resolved, &args.file, &args.reading)?;
    write(&text, args.out.as_deref(), &args.file)
}

pub fn export(args: &Export) -> Result<(), Failure> {
    let loaded = input::scenario(&args.input)?;
    issues(&loaded.warnings);
    let name = input::name(&args.input.file);
    let (text, losses) = match args.to {
        Framework::Continuum => from_deployment(&loaded.scenario.base, &name).map_err(Failure::Bad)?,
    };
    issues(&losses);
    write(&text, args.out.as_deref(), &args.input.file)
}

/// To a file, if there is one.
fn write(text: &str, out: Option<&Path>, input: &Path) -> Result<(), Failure> {
    let text = &format!("{}\n", text.trim_end_matches('\n'));
    match out {
        Some(path) => Output::create(path, input)?.finish(|out| out.write_all(text.as_bytes())),
        None => print(text),
    }
}
