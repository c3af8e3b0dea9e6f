//! What the tests share: link presets as a caller would give them, and the library's files.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::path::PathBuf;

use offing_core::{Direction, Preset, Presets, Rate, Span};

/// Names that the shipped parameter files have; the numbers are for tests alone.
pub fn presets() -> Presets {
    [("4g", 45, 7.21e6), ("5g", 7, 29.66e6), ("wifi", 3, 40e6), ("lan", 1, 1e9)]
        .into_iter()
        .map(|(name, latency_ms, rate_bit_s)| {
            let direction = |rate_bit_s| Direction {
                latency: Span::from_millis(latency_ms),
                jitter: Span::from_millis(latency_ms / 5),
                rate: Rate::BitPerS(rate_bit_s),
                ..Direction::default()
            };
            (name.to_string(), Preset { up: direction(rate_bit_s), down: direction(2.0 * rate_bit_s) })
        })
        .collect()
}

/// The scenarios that are shipped.
pub fn library() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the library is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    paths
}

/// For scenarios that name no file.
pub fn no_files(name: &str) -> Result<String, String> {
    Err(format!("no such file: {name}"))
}
