//! Writes the page of result folders, without the rest of the command line: `cargo run --example page -- OUT DIR..`
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let out = args.next().ok_or("name the page and the folders")?;
    let folders: Vec<PathBuf> = args.collect();
    std::fs::write(out, offing_report::page(&offing_report::read(&folders)?))?;
    Ok(())
}
