//! Replays recorded runs instead of making any: the whole way from deployments to results without an engine.
//!
//! A recorded run is one that `offing emulate run` has written. What is derived from it (the record, the summary, the
//! tables) is derived anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::EmuError;
use crate::observed::{Facts, Observed, read_csv};
use crate::record::{PROOF, REQUESTS, RUN, RUNS, run_name};

/// The runs in a folder.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    folder: PathBuf,
    /// Repetitions of each deployment, by its id.
    recorded: BTreeMap<String, Vec<u32>>,
}

impl Rehearsal {
    /// Finds the runs in a folder.
    ///
    /// # Errors
    /// It cannot be read, or there are none.
    pub fn open(folder: &Path) -> Result<Rehearsal, EmuError> {
        let runs = folder.join(RUNS);
        let entries = fs::read_dir(&runs).map_err(|cause| EmuError::file(&runs, cause))?;
        let mut recorded: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((id, repetition)) = name.to_str().and_then(|name| name.rsplit_once('-')) else {
                continue;
            };
            if let Ok(repetition) = repetition.parse()
                && entry.path().join(RUN).is_file()
            {
                recorded.entry(id.into()).or_default().push(repetition);
            }
        }
        recorded.values_mut().for_each(|repetitions| repetitions.sort_unstable());
        match recorded.is_empty() {
            true => Err(EmuError::Refused(vec![format!(
                "there is no recorded run in `{}`; name a folder that `offing emulate run` has written",
                folder.display()
            )])),
            false => Ok(Rehearsal { folder: folder.into(), recorded }),
        }
    }

    /// Whether every run is there.
    ///
    /// # Errors
    /// Those that are missing, and those that are there.
    pub fn has(&self, wanted: &[(String, u32)]) -> Result<(), EmuError> {
        let is_there =
            |(id, n): &(String, u32)| self.recorded.get(id).is_some_and(|recorded| recorded.contains(n));
        let missing: Vec<String> =
            wanted.iter().filter(|run| !is_there(run)).map(|(id, n)| run_name(id, *n)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let there =
            self.recorded.iter().flat_map(|(id, recorded)| recorded.iter().map(move |n| run_name(id, *n)));
        Err(EmuError::Refused(vec![format!(
            "`{}` has no record of {}; recorded are {}",
            self.folder.display(),
            missing.join(", "),
            there.collect::<Vec<_>>().join(", ")
        )]))
    }

    /// What was observed then.
    ///
    /// # Errors
    /// A file is absent or broken.
    pub fn replay(&self, deployment: &str, repetition: u32) -> Result<Observed, EmuError> {
        read_run(&self.folder.join(RUNS).join(run_name(deployment, repetition)))
    }
}

/// Reads the folder of a run.
///
/// # Errors
/// A file is absent or broken.
pub fn read_run(folder: &Path) -> Result<Observed, EmuError> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|cause| EmuError::file(&path, cause))
    };
    let broken = |name: &str, what: String| {
        EmuError::Refused(vec![format!("{}: {what}", folder.join(name).display())])
    };
    let facts: Facts = serde_json::from_str(&read(RUN)?).map_err(|bad| broken(RUN, bad.to_string()))?;
    let requests = read_csv(&read(REQUESTS)?).map_err(|bad| broken(REQUESTS, bad))?;
    let proof = match folder.join(PROOF).is_file() {
        true => Some(serde_json::from_str(&read(PROOF)?).map_err(|bad| broken(PROOF, bad.to_string()))?),
        false => None,
    };
    Ok(Observed { facts, proof, requests })
}
