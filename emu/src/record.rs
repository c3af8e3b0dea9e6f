//! The folder of a measurement, on disk.
//!
//! ```text
//! scenario.toml, plan.json        what was asked; written first
//! runs/<deployment>-<repetition>/ run.json, proof.json, deployment.toml, requests.csv, on Kubernetes pods.csv;
//!                                 complete or not there
//! summary.csv                     a row per run, written anew after each
//! manifest.json                   how it was made; its being there says that all runs are done
//! ```
//! A run's folder is written under another name, brought to the disk, and renamed: whatever ends the process, a
//! name stands for a whole run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use offing_core::Summary;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::EmuError;
use crate::kubernetes::pods_csv;
use crate::observed::{Observed, RunFile};

/// Where the runs are.
pub const RUNS: &str = "runs";
/// Summary and facts of a run.
pub const RUN: &str = "run.json";
/// How links and quotas were.
pub const PROOF: &str = "proof.json";
/// One row per request.
pub const REQUESTS: &str = "requests.csv";
/// One row per pod, of runs on Kubernetes.
pub const PODS: &str = "pods.csv";
/// What a run's folder is called until it is complete.
const UNFINISHED: &str = "unfinished-";

/// The name of a run's folder.
pub fn run_name(deployment: &str, repetition: u32) -> String {
    format!("{deployment}-{repetition}")
}

/// The folder of a measurement.
#[derive(Clone, Debug)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// Makes the folder where it is not there, and finds out whether it can be written.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path) -> Result<Record, EmuError> {
        let runs = path.join(RUNS);
        fs::create_dir_all(&runs).map_err(|cause| EmuError::file(&runs, cause))?;
        let record = Record { path: path.into() };
        // What a killed process has left.
        let entries = fs::read_dir(&runs).map_err(|cause| EmuError::file(&runs, cause))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_dir_all(entry.path()).map_err(|cause| EmuError::file(&entry.path(), cause))?;
            }
        }
        Ok(record)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a run, if it is there.
    pub fn run(&self, name: &str) -> Option<PathBuf> {
        let folder = self.path.join(RUNS).join(name);
        folder.join(RUN).is_file().then_some(folder)
    }

    /// SHA-256 of every file but one, in hexadecimal, by its name in the folder.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn hashes(&self, but: &str) -> Result<BTreeMap<String, String>, EmuError> {
        let mut hashes = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let path = self.path.join(&folder);
            for entry in fs::read_dir(&path).map_err(|cause| EmuError::file(&path, cause))?.flatten() {
                let name = folder.join(entry.file_name());
                if entry.path().is_dir() {
                    folders.push(name);
                } else if name != Path::new(but) {
                    let bytes =
                        fs::read(entry.path()).map_err(|cause| EmuError::file(&entry.path(), cause))?;
                    hashes.insert(name.display().to_string(), hash(&bytes));
                }
            }
        }
        Ok(hashes)
    }

    /// Writes a file whole.
    ///
    /// # Errors
    /// The disk fails; then the file is as it was.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EmuError> {
        write_whole(&self.path.join(name), bytes)
    }

    /// Writes a run, in place of one of that name; `files` are further files of its folder.
    ///
    /// # Errors
    /// The disk fails; then nothing of the run is there.
    pub fn write_run(
        &self,
        name: &str,
        observed: &Observed,
        summary: &Summary,
        files: &[(String, String)],
    ) -> Result<(), EmuError> {
        let runs = self.path.join(RUNS);
        let (folder, temporary) = (runs.join(name), runs.join(format!("{UNFINISHED}{name}")));
        let run = RunFile { summary, facts: &observed.facts };
        let mut all = vec![(RUN, json(&run)), (REQUESTS, observed.csv().into_bytes())];
        all.extend(observed.proof.as_ref().map(|proof| (PROOF, json(proof))));
        all.extend(observed.facts.kubernetes.as_ref().map(|on| (PODS, pods_csv(&on.pods).into_bytes())));
        all.extend(files.iter().map(|(name, text)| (name.as_str(), text.clone().into_bytes())));
        let done = || -> std::io::Result<()> {
            fs::create_dir_all(&temporary)?;
            for (name, bytes) in &all {
                let path = temporary.join(name);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                write_through(&path, bytes)?;
            }
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::rename(&temporary, &folder)?;
            // The name itself must survive, too.
            File::open(&runs)?.sync_all()
        };
        done().map_err(|cause| {
            let _ = fs::remove_dir_all(&temporary);
            EmuError::file(&folder, cause)
        })
    }
}

/// SHA-256 in hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file under another name, brings it to the disk and renames it: its name stands for a whole file.
///
/// # Errors
/// The disk fails; then the file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), EmuError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{UNFINISHED}{name}"));
    let done = write_through(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    done.map_err(|cause| {
        let _ = fs::remove_file(&temporary);
        EmuError::file(path, cause)
    })
}

fn write_through(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// As it is written to a file: for people too.
fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data with texts for keys");
    text.push(b'\n');
    text
}
