//! Runs on real infrastructure: `runs/*/run.json` and the requests beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use offing_core::Summary;
use serde::Deserialize;

use crate::folder::{ReadError, json};

/// A run, and the distribution of its latency where its requests are there.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Name of its folder.
    pub run: String,
    /// Whether the run can be trusted, by its own account.
    pub is_valid: bool,
    /// Why not.
    pub reason: String,
    /// What is told about it.
    pub summary: Summary,
    /// The values of the axes and keys that differ between runs.
    pub axes: BTreeMap<String, String>,
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Latency [ms] below which a share of the completed requests lies, in rising order.
    pub distribution: Vec<(f64, f64)>,
}

/// A node of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    pub name: String,
    pub tier: String,
    pub cpu_seconds: Option<f64>,
    pub throttled_seconds: Option<f64>,
    pub memory_peak_bytes: Option<u64>,
}

/// `run.json`, beside the fields of a summary.
#[derive(Deserialize)]
struct Extra {
    #[serde(default = "yes")]
    valid: bool,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    nodes: Vec<Node>,
}

fn yes() -> bool {
    true
}

/// Shares at which a distribution is told: every half percent, and ever finer towards 1.
fn shares() -> impl Iterator<Item = f64> {
    let body = (0..=180).map(|step| f64::from(step) * 0.005);
    // 0.9 to 0.99999 in equal steps of the logarithm of what is missing to 1.
    body.chain((1..=80).map(|step| 1.0 - 10f64.powf(-1.0 - f64::from(step) / 20.0)))
}

/// All runs of a folder, in the order of their names.
pub(crate) fn read(folder: &Path) -> Result<Vec<Measured>, ReadError> {
    let runs = folder.join("runs");
    let entries = match fs::read_dir(&runs) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(ReadError::Disk { path: runs, cause }),
    };
    let axes = axes(folder)?;
    let mut measured = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|cause| ReadError::Disk { path: runs.clone(), cause })?;
        let path = entry.path();
        let Some(summary) = json::<Summary>(&path.join("run.json"))? else { continue };
        let extra: Extra = json(&path.join("run.json"))?.expect("it was there a moment ago");
        let run = entry.file_name().to_string_lossy().into_owned();
        measured.push(Measured {
            is_valid: extra.valid,
            reason: extra.reason.unwrap_or_default(),
            nodes: extra.nodes,
            summary,
            axes: axes.get(&run).cloned().unwrap_or_default(),
            distribution: distribution(&path.join("requests.csv"))?,
            run,
        });
    }
    measured.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(measured)
}

/// The keys that differ between runs: the columns of `summary.csv` that are keys of a scenario.
fn axes(folder: &Path) -> Result<BTreeMap<String, BTreeMap<String, String>>, ReadError> {
    let path = folder.join("summary.csv");
    let Some(text) = crate::folder::text(&path)? else { return Ok(BTreeMap::new()) };
    let strange = |cause: csv::Error| ReadError::Strange { path: path.clone(), what: cause.to_string() };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(strange)?.clone();
    let Some(run) = header.iter().position(|name| name == "run") else { return Ok(BTreeMap::new()) };
    let mut axes = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(strange)?;
        let cells = header.iter().zip(&record).filter(|(name, _)| name.contains('.'));
        axes.insert(record[run].to_owned(), cells.map(|(name, cell)| (name.into(), cell.into())).collect());
    }
    Ok(axes)
}

/// Quantiles of the latency of the completed requests; empty where there is no such file.
fn distribution(path: &Path) -> Result<Vec<(f64, f64)>, ReadError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let strange = |what: String| ReadError::Strange { path: path.into(), what };
    let malformed = |cause: csv::Error| strange(cause.to_string());
    let mut reader = csv::Reader::from_path(path).map_err(malformed)?;
    let latency = reader.headers().map_err(malformed)?.iter().position(|name| name == "latency_ns");
    let latency = latency.ok_or_else(|| strange("it has no column `latency_ns`".into()))?;
    let mut latencies = Vec::new();
    for (row, record) in reader.byte_records().enumerate() {
        let record = record.map_err(malformed)?;
        let cell = std::str::from_utf8(&record[latency]).unwrap_or("?");
        // A lost request has none.
        if !cell.is_empty() {
            let read = cell.parse::<u64>();
            latencies.push(read.map_err(|_| strange(format!("row {}: `{cell}` is not a latency", row + 1)))?);
        }
    }
    latencies.sort_unstable();
    let Some(last) = latencies.len().checked_sub(1) else { return Ok(Vec::new()) };
    // A share that no request stands for says nothing.
    let told = shares().filter(|share| (1.0 - share) * (last as f64 + 1.0) >= 1.0);
    Ok(told.map(|share| (latencies[(share * last as f64).round() as usize] as f64 / 1e6, share)).collect())
}
