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
use crate::predicted::{self, Answer, Distribution, Predicted};
use crate::rows::{self, Rows};
use crate::validation::{self, Fitted, Validation};
use crate::words;

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
        /// What it is, if it says so.
        kind: Option<String>,
        /// Folders in it that can be told.
        inside: Vec<PathBuf>,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Disk { path, cause } => write!(f, "cannot read `{}`: {cause}", path.display()),
            ReadError::Strange { path, what } => write!(f, "`{}` is not a result: {what}", path.display()),
            ReadError::Nothing { path, kind, inside } => {
                let path = path.display();
                match kind {
                    Some(kind) => write!(f, "`{path}` is of kind `{kind}`, of which there is no report")?,
                    None => write!(
                        f,
                        "`{path}` is no result folder: it has none of shortlist.json, runs, summary.json, answer.json, \
                         validation.json, models.toml"
                    )?,
                }
                match inside.as_slice() {
                    [] => Ok(()),
                    some => {
                        let names: Vec<String> =
                            some.iter().map(|path| format!("`{}`", path.display())).collect();
                        write!(f, "; in it there are {}", words::list(&names))
                    }
                }
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
    /// Deployments that were predicted alone.
    pub predictions: Vec<Predicted>,
    /// Distributions of predicted latencies, by the ids of the deployments.
    pub distributions: BTreeMap<String, Distribution>,
    /// What was asked the other way round.
    pub answers: Vec<Answer>,
    /// What a validation says of the predictions.
    pub validation: Option<Validation>,
    /// The parameters that were fitted.
    pub fitted: Option<Fitted>,
    /// How a loop ended.
    pub looped: Option<Looped>,
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

/// What `loop.json` says of a whole loop.
#[derive(Clone, Debug, Deserialize)]
pub struct Looped {
    /// In a sentence: which pick, and why it is confirmed or not.
    pub reason: String,
    /// In their order.
    pub steps: Vec<LoopStep>,
}

/// A step of a loop.
#[derive(Clone, Debug, Deserialize)]
pub struct LoopStep {
    /// Its name in the loop's folder.
    pub folder: String,
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
    read_with(folders, &|_| {})
}

/// The same; `progress` hears how many more bytes of rows were read.
///
/// # Errors
/// As [`read`].
pub fn read_with(folders: &[PathBuf], progress: &dyn Fn(u64)) -> Result<Findings, ReadError> {
    let mut findings = Findings::default();
    for folder in folders {
        let before = findings.sources.len();
        add(&mut findings, folder, progress)?;
        if findings.sources.len() == before {
            return Err(nothing(folder)?);
        }
    }
    Ok(findings)
}

/// What to say of a folder that cannot be told.
fn nothing(folder: &Path) -> Result<ReadError, ReadError> {
    let manifest: Option<Value> = json(&folder.join("manifest.json"))?;
    let kind = manifest.as_ref().and_then(|manifest| manifest.get("kind")?.as_str()).map(String::from);
    let entries = fs::read_dir(folder).map_err(|cause| ReadError::Disk { path: folder.into(), cause })?;
    let mut inside: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_result(path)).collect();
    inside.sort();
    Ok(ReadError::Nothing { path: folder.into(), kind, inside })
}

/// Whether a folder looks like one that can be told.
fn is_result(folder: &Path) -> bool {
    let names = ["shortlist.json", "summary.json", "answer.json", "validation.json", "models.toml"];
    folder.join("runs").is_dir() || names.iter().any(|name| folder.join(name).is_file())
}

fn add(findings: &mut Findings, folder: &Path, progress: &dyn Fn(u64)) -> Result<(), ReadError> {
    fs::read_dir(folder).map_err(|cause| ReadError::Disk { path: folder.into(), cause })?;
    let at = |name: &str| folder.join(name);
    let looped: Option<Looped> = json(&at("loop.json"))?;
    if let Some(looped) = looped {
        // What it knew at the end, and all that it measured.
        let explored = looped.steps.iter().rfind(|step| step.folder.ends_with("explore"));
        let measured = looped.steps.iter().filter(|step| step.folder.ends_with("measure"));
        let told = explored.into_iter().chain(measured).map(|step| at(&step.folder));
        told.collect::<Vec<_>>().iter().try_for_each(|step| add(findings, step, progress))?;
        findings.looped = Some(looped);
        return Ok(());
    }
    let found: Option<Found> = json(&at("shortlist.json"))?;
    let measured = measured::read(folder)?;
    let alone = predicted::read(folder)?;
    let answer: Option<Answer> = json(&at("answer.json"))?;
    let validation: Option<Validation> = json(&at("validation.json"))?;
    let is_prediction = found.is_some() || alone.is_some() || answer.is_some();
    // Beside a prediction it is what predicted, and told by its name.
    let fitted = if is_prediction { None } else { validation::fitted(folder)? };
    if !is_prediction && measured.is_empty() && validation.is_none() && fitted.is_none() {
        return Ok(());
    }
    let manifest: Option<Value> = json(&at("manifest.json"))?;
    findings.distributions.extend(predicted::distributions(folder)?);
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
        findings.rows = rows::read(folder, &found, question.as_ref(), progress)?;
        findings.scenario.clone_from(&found.scenario);
        findings.found = Some(found);
        findings.question = question;
    } else if findings.question.is_none() {
        findings.question = question;
    }
    if findings.scenario.is_empty() {
        let named = findings.question.as_ref().and_then(|question| question.get("name")?.as_str());
        let named = named.or_else(|| measured.first().map(|run| run.summary.scenario.as_str()));
        let named = named.or_else(|| alone.as_ref().map(|alone| alone.summary.scenario.as_str()));
        let named = named.or_else(|| answer.as_ref().map(|answer| answer.scenario.as_str()));
        let named = named.or_else(|| validation.as_ref().map(|validation| validation.models.as_str()));
        findings.scenario = named.unwrap_or("results").to_owned();
    }
    findings.measured.extend(measured);
    findings.predictions.extend(alone);
    findings.answers.extend(answer);
    findings.validation = findings.validation.take().or(validation);
    findings.fitted = findings.fitted.take().or(fitted);
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
        let found = self.found.iter();
        let kept = found.clone().flat_map(|found| &found.shortlist).map(|kept| (&kept.id, &kept.predicted));
        let near =
            found.flat_map(|found| &found.dropped.nearly_feasible).map(|near| (&near.id, &near.predicted));
        let alone = self.predictions.iter().map(|alone| (&alone.summary.deployment, &alone.summary));
        kept.chain(near).chain(alone).find(|(known, _)| *known == id).map(|(_, predicted)| predicted)
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
