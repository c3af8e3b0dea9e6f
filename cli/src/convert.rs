//! `offing import` and `offing export`: from and to Continuum, and to archives.

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
    let Some(to) = args.to else { return ro_crate(args) };
    let loaded = input::scenario(&args.input)?;
    issues(&loaded.warnings);
    let name = input::name(&args.input.file);
    let (text, losses) = match to {
        Framework::Continuum => from_deployment(&loaded.scenario.base, &name).map_err(Failure::Bad)?,
    };
    issues(&losses);
    write(&text, args.out.as_deref(), &args.input.file)
}

/// The metadata of a result folder, into it or wherever `--out` says.
fn ro_crate(args: &Export) -> Result<(), Failure> {
    let folder = &args.input.file;
    let metadata = offing_report::ro_crate(folder, args.licence.as_deref())?;
    let text = serde_json::to_string_pretty(&metadata).expect("plain data with texts for keys");
    write(&text, Some(args.out.as_deref().unwrap_or(&folder.join(offing_report::RO_CRATE))), folder)
}

/// To a file, if there is one.
fn write(text: &str, out: Option<&Path>, input: &Path) -> Result<(), Failure> {
    let text = &format!("{}\n", text.trim_end_matches('\n'));
    match out {
        Some(path) => Output::create(path, input)?.finish(|out| out.write_all(text.as_bytes())),
        None => print(text),
    }
}
