//! What is to be measured: deployments from a scenario, a space, a Continuum configuration, or a shortlist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use offing_core::Deployment;
use offing_emu::Subject;
use offing_explore::Found;
use offing_scenarios::{Loaded, Scenario, canonical, infeasible};
use offing_sim::refusal;

use crate::args::{Asking, Input, Reading};
use crate::failure::Failure;
use crate::input;
use crate::output::issues;

/// The most deployments of a space that are measured without having been explored.
const MOST: u128 = 100;

/// What is asked.
pub struct Asked {
    /// Name of the scenario.
    pub name: String,
    pub seed: u64,
    /// The canonical text of the scenario.
    pub scenario: String,
    /// The deployments, each once.
    pub subjects: Vec<Subject>,
}

/// Reads what the user names.
pub fn asked(file: &Path, asking: &Asking) -> Result<Asked, Failure> {
    let asked = match shortlist_of(file) {
        Some(path) => from_shortlist(&path, asking),
        None => from_scenario(file, asking),
    }?;
    for Subject { id, deployment, .. } in &asked.subjects {
        let reasons = infeasible(deployment);
        if !reasons.is_empty() {
            return Err(Failure::Infeasible(
                reasons.iter().map(|reason| format!("deployment {id}: {reason}")).collect(),
            ));
        }
        // What it emits is drawn by the simulator.
        if let Some(reason) = refusal(deployment) {
            return Err(Failure::Refused { message: format!("deployment {id}: {reason}"), hint: None });
        }
    }
    Ok(asked)
}

/// The shortlist that a folder or a file name stands for.
fn shortlist_of(file: &Path) -> Option<PathBuf> {
    if file.is_dir() {
        return Some(file.join("shortlist.json"));
    }
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")).then(|| file.into())
}

fn from_shortlist(path: &Path, asking: &Asking) -> Result<Asked, Failure> {
    if !asking.assignments.is_empty() {
        return Err(Failure::Refused {
            message: "`--set` replaces keys of a scenario, and a shortlist has none".into(),
            hint: Some("explore again with `--set`, or name the scenario".into()),
        });
    }
    let unreadable = |cause| Failure::Unreadable { file: path.display().to_string(), cause };
    let text = fs::read_to_string(path).map_err(|cause| match path.parent() {
        Some(folder) if folder.is_dir() => Failure::Refused {
            message: format!("cannot read `{}`: {cause}", path.display()),
            hint: Some("name a folder that `offing explore` has completed, or a scenario".into()),
        },
        _ => unreadable(cause),
    })?;
    let found: Found = serde_json::from_str(&text).map_err(|bad| unreadable(bad.into()))?;
    let mut subjects: Vec<Subject> = Vec::new();
    for kept in found.shortlist {
        add(&mut subjects, kept.axes, kept.deployment);
    }
    let Some(first) = subjects.first() else {
        return Err(Failure::Refused {
            message: format!("the shortlist `{}` is empty", path.display()),
            hint: Some("relax the requirements in `[goal]` and explore again".into()),
        });
    };
    let scenario = fs::read_to_string(path.with_file_name("scenario.toml"));
    let scenario = scenario.unwrap_or_else(|_| {
        canonical(&Scenario::single(found.scenario.clone(), found.seed, first.deployment.clone()))
    });
    Ok(Asked { name: found.scenario, seed: found.seed, scenario, subjects })
}

fn from_scenario(file: &Path, asking: &Asking) -> Result<Asked, Failure> {
    let input = Input {
        file: file.into(),
        assignments: asking.assignments.clone(),
        reading: Reading { strict: asking.reading.strict, semantics: asking.reading.semantics },
    };
    let Loaded { scenario, warnings } = input::scenario(&input)?;
    issues(&warnings);
    let space = &scenario.space;
    if space.len() > MOST {
        return Err(Failure::Refused {
            message: format!("the space has {} deployments, and at most {MOST} are measured", space.len()),
            hint: Some(
                "run `offing explore` first and name the folder with its results, which has a shortlist"
                    .into(),
            ),
        });
    }
    let mut subjects = Vec::new();
    for number in 0..space.len() {
        // What `where` or a contradiction excludes is not asked for.
        let Ok(deployment) = space.get(number) else { continue };
        let digits = space.digits(number);
        let axes = space.axes().iter().zip(digits);
        let axes = axes.flat_map(|(axis, digit)| axis.keys().map(String::from).zip(axis.labels(digit)));
        add(&mut subjects, axes.collect(), deployment);
    }
    if subjects.is_empty() {
        return Err(Failure::Refused {
            message: "every deployment of the space is excluded".into(),
            hint: Some("relax `where` in `[space]`".into()),
        });
    }
    let text = canonical(&scenario);
    Ok(Asked { name: scenario.name, seed: scenario.seed, scenario: text, subjects })
}

/// Equal deployments are measured once.
fn add(subjects: &mut Vec<Subject>, axes: BTreeMap<String, String>, deployment: Deployment) {
    let id = deployment.id();
    if subjects.iter().all(|subject| subject.id != id) {
        subjects.push(Subject { id, axes, deployment });
    }
}
