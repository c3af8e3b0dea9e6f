//! Finds measured runs on disk: folders of `offing emulate run`, lists of requests, Continuum's tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use offing_scenarios::Scenario;
use offing_validation::{Conditions, Measured, Seen, read_continuum, read_requests, sha256};
use serde_json::Value;

use crate::args::{Input, Reading};
use crate::failure::Failure;
use crate::input::{Source, text_of};
use crate::output::note;

/// Runs, and to which scenario each belongs.
#[derive(Default)]
pub struct Runs {
    pub measured: Vec<Measured>,
    /// Name of the scenario, by the name of the run.
    pub scenarios: BTreeMap<String, String>,
    /// Those that cannot be used, and why.
    pub left_out: Vec<String>,
}

const REQUESTS: &str = "requests.csv";
const RUN: &str = "run.json";
const SETS: &str = "sets.toml";

/// Reads everything that the user names.
pub fn read(paths: &[PathBuf]) -> Result<Runs, Failure> {
    let mut runs = Runs::default();
    for path in paths {
        let before = runs.measured.len() + runs.left_out.len();
        if path.is_dir() {
            folder(path, &mut runs, 0)?;
        } else {
            file(path, &mut runs)?;
        }
        if runs.measured.len() + runs.left_out.len() == before {
            return Err(Failure::Refused {
                message: format!("there is no measured run in `{}`", path.display()),
                hint: Some("a run is a folder with requests.csv and deployment.toml, as `offing emulate run` makes them".into()),
            });
        }
    }
    for left_out in &runs.left_out {
        note(&format!("note: left out: {left_out}"));
    }
    Ok(runs)
}

/// The runs of a named set, or those outside of it.
pub fn of_set(runs: &mut Runs, paths: &[PathBuf], name: &str, inside: bool) -> Result<(), Failure> {
    let mut members: Vec<String> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for path in paths {
        let file = path.join(SETS);
        if !file.is_file() {
            continue;
        }
        let sets: BTreeMap<String, Vec<String>> =
            toml::from_str(&text_of(&file)?).map_err(|cause| Failure::Refused {
                message: format!("`{}`: {cause}", file.display()),
                hint: Some("write NAME = [\"id of a deployment\", ...]".into()),
            })?;
        known.extend(sets.keys().cloned());
        members.extend(sets.get(name).into_iter().flatten().cloned());
    }
    if members.is_empty() {
        return Err(Failure::Refused {
            message: format!("there is no set `{name}`"),
            hint: Some(match known.is_empty() {
                true => format!(
                    "write `{name} = [\"id of a deployment\", ...]` in {SETS} in the folder of the runs"
                ),
                false => format!("{SETS} has {}", known.join(", ")),
            }),
        });
    }
    runs.measured.retain(|run| {
        let id = run.deployment.id();
        let is_member = members
            .iter()
            .any(|member| id.starts_with(member.as_str()) || run.name.contains(member.as_str()));
        is_member == inside
    });
    Ok(())
}

/// Runs of a folder, in the order of their names.
fn folder(path: &Path, runs: &mut Runs, depth: u32) -> Result<(), Failure> {
    if path.join(REQUESTS).is_file() || path.join(RUN).is_file() {
        return run(path, runs);
    }
    if depth > 4 {
        return Ok(());
    }
    let unreadable = |cause| Failure::Unreadable { file: path.display().to_string(), cause };
    let mut inside: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        inside.push(entry.map_err(unreadable)?.path());
    }
    inside.sort();
    inside.iter().filter(|path| path.is_dir()).try_for_each(|path| folder(path, runs, depth + 1))?;
    let is_data = |path: &&PathBuf| ending(path) == "csv" && beside(path).is_some();
    inside.iter().filter(is_data).try_for_each(|path| file(path, runs))
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

/// The scenario or configuration of the same name.
fn beside(data: &Path) -> Option<PathBuf> {
    ["toml", "cfg"].iter().map(|ending| data.with_extension(ending)).find(|path| path.is_file())
}

/// A folder of one run.
fn run(path: &Path, runs: &mut Runs) -> Result<(), Failure> {
    let name = path.components().rev().take(3).filter(|part| part.as_os_str() != "runs").collect::<Vec<_>>();
    let name = name.iter().rev().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    let about: Value = match path.join(RUN) {
        file if file.is_file() => serde_json::from_str(&text_of(&file)?)
            .map_err(|cause| Failure::Unreadable { file: file.display().to_string(), cause: cause.into() })?,
        _ => Value::Null,
    };
    if about["valid"] == false {
        let reason = about["reason"].as_str().unwrap_or("it is not valid");
        runs.left_out.push(format!("{name}: {reason}"));
        return Ok(());
    }
    let scenario = scenario(&path.join("deployment.toml"))?;
    let text = text_of(&path.join(REQUESTS))?;
    let rows = read_requests(&text).map_err(|problem| bad(&path.join(REQUESTS), &problem))?;
    let provider = provider(&scenario);
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let host = &about["host"];
    let cores = host["cores"].as_f64();
    let conditions = Conditions {
        host_class: match (word(&host["processor"]), cores) {
            (processor, Some(cores)) => {
                format!("{}, {cores} cores", processor.as_deref().unwrap_or("unknown processor"))
            }
            _ => UNKNOWN.into(),
        },
        host_cores: if provider == "docker" { cores.unwrap_or(0.0) } else { 0.0 },
        application: word(&about["application"]).unwrap_or_else(|| UNKNOWN.into()),
        transport: word(&about["transport"]).unwrap_or_else(|| UNKNOWN.into()),
        dilate: about["dilate"].as_f64().unwrap_or(1.0),
        provider,
    };
    let shares = about["utilization"].as_object();
    let shares =
        shares.into_iter().flatten().filter_map(|(tier, share)| Some((tier.clone(), share.as_f64()?)));
    let name = unused(runs, name);
    runs.scenarios.insert(name.clone(), word(&about["scenario"]).unwrap_or_else(|| scenario.name.clone()));
    runs.measured.push(Measured {
        name,
        deployment: scenario.base,
        sha256: sha256(text.as_bytes()),
        conditions,
        seen: Seen::Requests(rows),
        utilization: shares.collect(),
        seed: about["seed"].as_u64(),
        took_s: None,
    });
    Ok(())
}

const UNKNOWN: &str = "unknown";

/// A list of requests, or Continuum's tables, beside what ran.
fn file(path: &Path, runs: &mut Runs) -> Result<(), Failure> {
    let Some(asked) = beside(path) else {
        return Err(Failure::Refused {
            message: format!("there is nothing beside `{}` that says what ran", path.display()),
            hint: Some(
                "put the scenario (.toml) or Continuum's configuration (.cfg) of the same name there".into(),
            ),
        });
    };
    let scenario = scenario(&asked)?;
    let text = text_of(path)?;
    let is_list = text.lines().next().is_some_and(|line| line.contains("emitted_ns"));
    let seen = if is_list {
        read_requests(&text).map(Seen::Requests)
    } else {
        read_continuum(&text).map(Seen::Table)
    };
    let name = unused(runs, path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    runs.scenarios.insert(name.clone(), scenario.name.clone());
    runs.measured.push(Measured {
        name,
        conditions: Conditions {
            host_class: UNKNOWN.into(),
            host_cores: 0.0,
            provider: provider(&scenario),
            application: UNKNOWN.into(),
            transport: UNKNOWN.into(),
            dilate: 1.0,
        },
        deployment: scenario.base,
        sha256: sha256(text.as_bytes()),
        seen: seen.map_err(|problem| bad(path, &problem))?,
        utilization: BTreeMap::new(),
        seed: None,
        took_s: None,
    });
    Ok(())
}

/// A name that no other run has.
fn unused(runs: &Runs, name: String) -> String {
    let mut tried = name.clone();
    let mut number = 2;
    while runs.scenarios.contains_key(&tried) {
        tried = format!("{name} ({number})");
        number += 1;
    }
    tried
}

/// What made the nodes, as a scenario has it.
fn provider(scenario: &Scenario) -> String {
    let provider = serde_json::to_value(scenario.base.placement.provider);
    provider.expect("a provider is a word").as_str().unwrap_or_default().to_owned()
}

fn bad(path: &Path, problem: &str) -> Failure {
    Failure::Refused { message: format!("`{}`: {problem}", path.display()), hint: None }
}

/// What a file asks.
pub fn scenario(path: &Path) -> Result<Scenario, Failure> {
    let input = Input {
        file: path.to_owned(),
        assignments: Vec::new(),
        reading: Reading { strict: false, semantics: None },
    };
    Ok(Source::read(&input)?.load(&[])?.scenario)
}
