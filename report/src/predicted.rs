//! Single predictions: `summary.json` of `offing simulate --out`, `answer.json` of `offing invert --out`, and the
//! distributions of predicted latencies.

use std::collections::BTreeMap;
use std::path::Path;

use offing_core::Summary;
use serde::Deserialize;

use crate::folder::{ReadError, json, text};

/// Points of a distribution function: latency [ms], and the share of the completed requests that took at most so long.
pub type Distribution = Vec<(f64, f64)>;

/// A deployment that was predicted alone.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// What is told about it.
    pub summary: Summary,
    /// What it is called: the folder that it is in.
    pub axes: BTreeMap<String, String>,
}

/// The prediction in a folder; nothing where there is none.
pub(crate) fn read(folder: &Path) -> Result<Option<Predicted>, ReadError> {
    let Some(summary) = json::<Summary>(&folder.join("summary.json"))? else { return Ok(None) };
    let name =
        folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into());
    Ok(Some(Predicted { summary, axes: BTreeMap::from([("folder".to_owned(), name)]) }))
}

/// The predicted distributions in a folder, by the ids of the deployments.
pub(crate) fn distributions(folder: &Path) -> Result<BTreeMap<String, Distribution>, ReadError> {
    #[derive(Deserialize)]
    struct Point {
        deployment: String,
        latency_ms: f64,
        share: f64,
    }
    let path = folder.join("distributions.csv");
    let Some(text) = text(&path)? else { return Ok(BTreeMap::new()) };
    let mut all: BTreeMap<String, Distribution> = BTreeMap::new();
    for point in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let Point { deployment, latency_ms, share } = point.map_err(|cause: csv::Error| {
            ReadError::Strange { path: path.clone(), what: cause.to_string() }
        })?;
        all.entry(deployment).or_default().push((latency_ms, share));
    }
    Ok(all)
}

/// What `offing invert` found: either the value of a key with which requirements hold, or the one with which two
/// targets are equal.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    pub scenario: String,
    pub key: String,
    /// `largest` or `smallest`; absent for a break-even.
    #[serde(default)]
    pub direction: Option<String>,
    #[serde(default)]
    pub requirements: Vec<String>,
    /// In base units.
    pub range: [f64; 2],
    pub value: Option<f64>,
    /// As a file has it.
    pub text: Option<String>,
    pub ci95: Option<[Option<f64>; 2]>,
    /// What is equal at a break-even.
    #[serde(default)]
    pub metric: Option<String>,
    #[serde(default)]
    pub between: Vec<String>,
    #[serde(default)]
    pub better_below: Option<String>,
    /// What was tried; of a break-even, both targets.
    pub grid: Vec<Tried>,
    pub seed: u64,
    pub runs_per_value: u32,
    pub simulations: u64,
}

impl Answer {
    /// By how much a value in base units is multiplied for people, and the unit that it then has.
    pub fn unit(&self) -> (f64, &'static str) {
        let read = self.text.as_deref().and_then(crate::words::quantity).zip(self.value);
        match read {
            // The text is rounded, and all such factors are powers of ten.
            Some(((people, unit), base)) if people / base > 0.0 && !unit.is_empty() => {
                (10f64.powi((people / base).log10().round() as i32), unit)
            }
            _ => (1.0, ""),
        }
    }
}

/// A value that was tried.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Tried {
    /// With the targets of a break-even.
    Both([Trial; 2]),
    /// Of a single question.
    One(Box<Trial>),
}

/// What came of a value.
#[derive(Clone, Debug, Deserialize)]
pub struct Trial {
    pub value: f64,
    pub meets: Option<bool>,
    pub metrics: BTreeMap<String, Option<f64>>,
    pub metrics_ci95: BTreeMap<String, Option<[f64; 2]>>,
    pub stable: bool,
    pub refused: Option<String>,
}
