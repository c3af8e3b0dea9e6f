//! Reads result folders: what was found, in the words of its files. What is absent stays absent; what cannot be
//! read is an error that says which file and where.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use offing_core::Summary;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::measured::{self, Measured};
use crate::rows::{self, Rows};

/// Why a folder cannot be told.
#[derive(Debug)]
pub enum ReadError {
    /// A file or folder cannot be read.
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is not what its name says.
    Strange {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// Nothing in the folder can be told.
    Nothing {
        /// The folder.
        path: PathBuf,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Disk { path, cause } => write!(f, "cannot read `{}`: {cause}", path.display()),
            ReadError::Strange { path, what } => write!(f, "`{}` is not a result: {what}", path.display()),
            ReadError::Nothing { path } => {
                write!(f, "`{}` has neither shortlist.json nor runs, nor validation.json", path.display())
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// Everything that is told.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Name of the scenario.
    pub scenario: String,
    /// The folders, as they were named, and their manifests where they have one.
    pub sources: Vec<Source>,
    /// The scenario, canonical.
    pub question: Option<toml::Table>,
    /// What an exploration found.
    pub found: Option<Found>,
    /// The rows of an exploration.
    pub rows: Option<Rows>,
    /// How axes move metrics.
    pub effects: Vec<Effect>,
    /// Mean of a metric at each value of an axis.
    pub levels: Vec<Level>,
    /// Runs on real infrastructure.
    pub measured: Vec<Measured>,
    /// What a validation says of the predictions.
    pub validation: Option<Value>,
}

/// A folder.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it was named.
    pub folder: PathBuf,
    /// `manifest.json`.
    pub manifest: Option<Value>,
}

/// `shortlist.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    /// Name of the scenario.
    pub scenario: String,
    /// Where chance began.
    pub seed: u64,
    /// Name and hash of the model parameters.
    pub models: String,
    /// Version of the program.
    pub version: String,
    /// What became of the numbers of the space.
    pub numbers: Numbers,
    /// What was required.
    pub require: Vec<String>,
    /// What was to be small.
    pub minimise: Vec<String>,
    /// What to read before trusting the rest.
    pub notes: Vec<String>,
    /// How many are on the front.
    pub front: u64,
    /// A few that stand for all.
    pub shortlist: Vec<Kept>,
    /// The others.
    pub dropped: Dropped,
}

/// How many deployments met which fate.
#[derive(Clone, Debug, Deserialize)]
pub struct Numbers {
    pub space: String,
    pub looked_at: u64,
    #[serde(default)]
    pub repeated: u64,
    pub excluded: u64,
    pub screened: u64,
    pub infeasible: u64,
    pub feasible: u64,
    #[serde(default)]
    pub not_distinguishable: u64,
    #[serde(default)]
    pub decided_early: u64,
}

/// A deployment of the shortlist.
#[derive(Clone, Debug, Deserialize)]
pub struct Kept {
    pub number: Number,
    pub id: String,
    pub axes: BTreeMap<String, String>,
    pub why: String,
    pub ties: Ties,
    pub predicted: Summary,
}

/// Others that are as good.
#[derive(Clone, Debug, Deserialize)]
pub struct Ties {
    /// How many.
    pub count: u64,
}

/// Why deployments were dropped.
#[derive(Clone, Debug, Deserialize)]
pub struct Dropped {
    pub by_reason: Vec<Reason>,
    pub nearly_feasible: Vec<Near>,
}

/// A reason, and for how many.
#[derive(Clone, Debug, Deserialize)]
pub struct Reason {
    pub verdict: String,
    pub reason: String,
    pub count: u64,
    pub from: Option<f64>,
    pub to: Option<f64>,
}

/// A deployment that just misses.
#[derive(Clone, Debug, Deserialize)]
pub struct Near {
    pub number: Number,
    pub id: String,
    pub axes: BTreeMap<String, String>,
    pub as_far: u64,
    pub misses: Vec<Missed>,
    pub bottleneck: String,
    pub smallest_fix: Option<String>,
    pub predicted: Summary,
}

/// A requirement that is missed.
#[derive(Clone, Debug, Deserialize)]
pub struct Missed {
    /// In a sentence.
    pub text: String,
}

/// An entry of `sensitivity.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Effect {
    pub axis: Vec<String>,
    pub metric: String,
    pub first_order: Option<f64>,
    pub is_exact: bool,
    pub lowest_mean: Option<f64>,
    pub highest_mean: Option<f64>,
}

/// A row of `sensitivity.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Level {
    pub axis: String,
    pub value: String,
    pub metric: String,
    pub mean: Option<f64>,
    pub rows: u64,
}

/// The number of a deployment: a number, or a text where it has more than 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Value")]
pub struct Number(pub String);

impl From<Value> for Number {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Number(text),
            other => Number(other.to_string()),
        }
    }
}

/// Reads one folder or several that are told together, such as an exploration and the runs of its shortlist.
///
/// # Errors
/// If a file cannot be read or is not what its name says, or nothing is there to tell.
pub fn read(folders: &[PathBuf]) -> Result<Findings, ReadError> {
    let mut findings = Findings::default();
    for folder in folders {
        let before = findings.sources.len();
        add(&mut findings, folder)?;
        if findings.sources.len() == before {
            return Err(ReadError::Nothing { path: folder.clone() });
        }
    }
    Ok(findings)
}

fn add(findings: &mut Findings, folder: &Path) -> Result<(), ReadError> {
    fs::read_dir(folder).map_err(|cause| ReadError::Disk { path: folder.into(), cause })?;
    let at = |name: &str| folder.join(name);
    let found: Option<Found> = json(&at("shortlist.json"))?;
    let measured = measured::read(folder)?;
    let validation: Option<Value> = json(&at("validation.json"))?;
    if found.is_none() && measured.is_empty() && validation.is_none() {
        return Ok(());
    }
    let manifest: Option<Value> = json(&at("manifest.json"))?;
    findings.sources.push(Source { folder: folder.into(), manifest });
    let question = match text(&at("scenario.toml"))? {
        None => None,
        Some(text) => Some(text.parse::<toml::Table>().map_err(|cause| ReadError::Strange {
            path: at("scenario.toml"),
            what: cause.message().to_owned(),
        })?),
    };
    if let (Some(found), None) = (found, &findings.found) {
        findings.effects = json(&at("sensitivity.json"))?.unwrap_or_default();
        findings.levels = levels(&at("sensitivity.csv"))?;
        findings.rows = rows::read(folder, &found, question.as_ref())?;
        findings.scenario.clone_from(&found.scenario);
        findings.found = Some(found);
        findings.question = question;
    } else if findings.question.is_none() {
        findings.question = question;
    }
    if findings.scenario.is_empty() {
        let named = findings.question.as_ref().and_then(|question| question.get("name")?.as_str());
        let named = named.or_else(|| measured.first().map(|run| run.summary.scenario.as_str()));
        findings.scenario = named.unwrap_or("results").to_owned();
    }
    findings.measured.extend(measured);
    findings.validation = findings.validation.take().or(validation);
    Ok(())
}

/// The text of a file; nothing where there is no such file.
pub(crate) fn text(path: &Path) -> Result<Option<String>, ReadError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ReadError::Disk { path: path.into(), cause }),
    }
}

/// What a JSON file says; nothing where there is no such file.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReadError> {
    let Some(text) = text(path)? else { return Ok(None) };
    let read = serde_json::from_str(&text);
    read.map(Some).map_err(|cause| ReadError::Strange { path: path.into(), what: cause.to_string() })
}

fn levels(path: &Path) -> Result<Vec<Level>, ReadError> {
    let Some(text) = text(path)? else { return Ok(Vec::new()) };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let levels = reader.deserialize().collect::<Result<_, csv::Error>>();
    levels.map_err(|cause| ReadError::Strange { path: path.into(), what: cause.to_string() })
}

impl Findings {
    /// A value of the scenario as it was written, such as `tier.edge.nodes`.
    pub fn asked(&self, key: &str) -> Option<String> {
        self.question.as_ref().and_then(|question| asked(question, key))
    }

    /// What the predicted latency of a deployment is, where the folders say it.
    pub fn predicted(&self, id: &str) -> Option<&Summary> {
        let found = self.found.as_ref()?;
        let kept = found.shortlist.iter().map(|kept| (&kept.id, &kept.predicted));
        let near = found.dropped.nearly_feasible.iter().map(|near| (&near.id, &near.predicted));
        kept.chain(near).find(|(known, _)| *known == id).map(|(_, predicted)| predicted)
    }
}

/// A value of a scenario as it was written.
pub(crate) fn asked(question: &toml::Table, key: &str) -> Option<String> {
    let mut at = question;
    let mut words = key.split('.').peekable();
    while let Some(word) = words.next() {
        let value = at.get(word)?;
        if words.peek().is_none() {
            return match value {
                toml::Value::String(text) => Some(text.clone()),
                toml::Value::Table(_) | toml::Value::Array(_) => None,
                other => Some(other.to_string()),
            };
        }
        at = value.as_table()?;
    }
    None
}
