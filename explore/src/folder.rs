//! The folder of a run, on disk.
//!
//! ```text
//! scenario.toml            what was asked, canonical
//! inputs/0, inputs/1, ..   the files that it names, as listed in plan.json
//! units/plan.json          what decides the result; written first, gone at the end
//! units/0000012.bin        results of a unit
//! units/keep               says that units stay when the run is complete
//! units/refined-0-0000003.bin  whole runs of what a race accepted early and may be on the front
//! summary.csv, front.csv, shortlist.json, distributions.csv, sensitivity.json, sensitivity.csv (summary.parquet)
//! manifest.json            how it was made; its being there says that the run is complete
//! ```
//!
//! Each file is written under a name of its own and then renamed, so that a name stands for a whole file
//! whatever ends the process. Several processes, on several machines, may compute units in one folder. What the
//! disk has not yet got when the power fails is noticed by the checksum of a unit.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::plan::hex;
use crate::refine::Place;
use crate::unit::{HEAD_BYTES, Head, Unit};
use crate::{ExploreError, Identity, Input, Plan};

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// `units/plan.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    identity: Identity,
    fingerprint: String,
    positions: u64,
    units: u64,
    created_unix_s: u64,
}

/// What `manifest.json` says of the run that it stands beside.
#[derive(Debug, Deserialize)]
struct Complete {
    identity: Identity,
}

const PLAN: &str = "units/plan.json";
const SHARDS: &str = "units/shards";
/// Its being there says that units stay when the run is complete.
const KEEP: &str = "units/keep";
/// Its being there says that a run is complete.
pub(crate) const MANIFEST: &str = "manifest.json";

impl Folder {
    /// Prepares a folder for a plan, or finds that it was prepared before.
    ///
    /// # Errors
    /// If the folder has something else in it, or the disk fails.
    pub fn open(path: &Path, plan: &Plan<'_>) -> Result<Folder, ExploreError> {
        let folder = Folder { path: path.to_owned() };
        if let Some(identity) = folder.identity()? {
            return match identity.difference(&plan.identity) {
                Some(difference) => Err(ExploreError::Foreign { folder: path.to_owned(), difference }),
                None => Ok(folder),
            };
        }
        if !is_free(path) {
            let difference = "it is not empty, and nothing in it says what it is".into();
            return Err(ExploreError::Foreign { folder: path.to_owned(), difference });
        }
        let units = path.join("units");
        fs::create_dir_all(&units).map_err(ExploreError::disk("create", &units))?;
        if !plan.inputs.is_empty() {
            let inputs = path.join("inputs");
            fs::create_dir_all(&inputs).map_err(ExploreError::disk("create", &inputs))?;
        }
        for (number, input) in plan.inputs.iter().enumerate() {
            folder.write(&format!("inputs/{number}"), input.text.as_bytes())?;
        }
        folder.write("scenario.toml", plan.canonical.as_bytes())?;
        let written = Written {
            identity: plan.identity.clone(),
            fingerprint: hex(&plan.fingerprint),
            positions: plan.points.len(),
            units: plan.units(),
            created_unix_s: unix_s(),
        };
        folder.write(PLAN, &json(&written))?;
        Ok(folder)
    }

    /// A folder with a run in it, and what decided that run.
    ///
    /// # Errors
    /// If there is none.
    pub fn existing(path: &Path) -> Result<(Folder, Identity), ExploreError> {
        let folder = Folder { path: path.to_owned() };
        match folder.identity()? {
            Some(identity) => Ok((folder, identity)),
            None => Err(ExploreError::NoRun { folder: path.to_owned() }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of the scenario and of the files that it names.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn scenario(&self) -> Result<(String, Vec<Input>), ExploreError> {
        let names = self.identity()?.map_or_else(Vec::new, |identity| identity.inputs);
        let inputs = names.into_iter().enumerate().map(|(number, (name, _))| {
            Ok(Input { name, text: self.read_text(&format!("inputs/{number}"))? })
        });
        Ok((self.read_text("scenario.toml")?, inputs.collect::<Result<_, ExploreError>>()?))
    }

    /// Whether the results are there.
    pub fn is_complete(&self) -> bool {
        self.path.join(MANIFEST).is_file()
    }

    /// When the first process began, in seconds since 1970; nothing where the folder does not say.
    pub fn created_unix_s(&self) -> Option<u64> {
        let text = fs::read(self.path.join(PLAN)).ok()?;
        Some(serde_json::from_slice::<Written>(&text).ok()?.created_unix_s)
    }

    /// A file's text.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_text(&self, name: &str) -> Result<String, ExploreError> {
        let path = self.path.join(name);
        fs::read_to_string(&path).map_err(ExploreError::disk("read", path))
    }

    fn identity(&self) -> Result<Option<Identity>, ExploreError> {
        let foreign = |name: &str| {
            let difference = format!("its {name} is not one of this program's");
            ExploreError::Foreign { folder: self.path.clone(), difference }
        };
        if let Some(text) = self.try_read(PLAN)? {
            let written: Written = serde_json::from_slice(&text).map_err(|_| foreign(PLAN))?;
            return Ok(Some(written.identity));
        }
        let Some(text) = self.try_read(MANIFEST)? else { return Ok(None) };
        let complete: Complete = serde_json::from_slice(&text).map_err(|_| foreign(MANIFEST))?;
        Ok(Some(complete.identity))
    }

    fn try_read(&self, name: &str) -> Result<Option<Vec<u8>>, ExploreError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(cause) => Err(ExploreError::Disk { step: "read", path, cause }),
        }
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExploreError> {
        let (path, temporary) = (self.path.join(name), self.path.join(temporary_name(name)));
        let done = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
        done.map_err(|cause| {
            let _ = fs::remove_file(&temporary);
            ExploreError::Disk { step: "write", path, cause }
        })
    }

    /// Begins a file that is written little by little.
    pub(crate) fn create(&self, name: &str) -> Result<Output, ExploreError> {
        let temporary = self.path.join(temporary_name(name));
        let file = File::create(&temporary).map_err(ExploreError::disk("create", &temporary))?;
        let hashing = Hashing { file, hash: Sha256::new() };
        let path = self.path.join(name);
        Ok(Output {
            name: name.into(),
            path,
            temporary,
            out: Some(BufWriter::with_capacity(1 << 20, hashing)),
        })
    }

    /// The results of a unit; nothing if they are not there, torn, or of another plan.
    pub(crate) fn read_unit(&self, plan: &Plan<'_>, unit: u64) -> Result<Option<Unit>, ExploreError> {
        let bytes = self.try_read(&unit_name(unit))?;
        Ok(bytes.and_then(|bytes| Unit::from_bytes(&bytes, head(plan, unit))))
    }

    /// Whether a unit has rows that a race accepted early, by its head; a guess where there is no such file.
    pub(crate) fn may_have_met(&self, unit: u64) -> Result<bool, ExploreError> {
        let path = self.path.join(unit_name(unit));
        let mut head = Vec::with_capacity(HEAD_BYTES);
        match File::open(&path).and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(ExploreError::Disk { step: "read", path, cause })
            }
            _ => Ok(Unit::may_have_met(&head)),
        }
    }

    /// The results of a part of a round of whole runs; nothing if they are not there, torn, or of another plan.
    pub(crate) fn read_refined(&self, plan: &Plan<'_>, place: Place) -> Result<Option<Unit>, ExploreError> {
        let bytes = self.try_read(&refined_name(place))?;
        Ok(bytes.and_then(|bytes| Unit::from_bytes(&bytes, head(plan, refined_number(place)))))
    }

    pub(crate) fn write_refined(
        &self,
        plan: &Plan<'_>,
        place: Place,
        results: &Unit,
    ) -> Result<(), ExploreError> {
        self.write(&refined_name(place), &results.to_bytes(head(plan, refined_number(place))))
    }

    /// What is to be said if this unit, at least, is missing.
    pub(crate) fn incomplete(&self, plan: &Plan<'_>, unit: u64) -> ExploreError {
        ExploreError::Incomplete {
            folder: self.path.clone(),
            missing: vec![unit],
            units: plan.units(),
            shards: self.shards(),
        }
    }

    pub(crate) fn write_unit(&self, plan: &Plan<'_>, unit: u64, results: &Unit) -> Result<(), ExploreError> {
        self.write(&unit_name(unit), &results.to_bytes(head(plan, unit)))
    }

    /// Remembers into how many shards the work was divided, to name those that are missing.
    pub(crate) fn note_shards(&self, shards: u64) -> Result<(), ExploreError> {
        self.write(SHARDS, format!("{shards}\n").as_bytes())
    }

    /// Into how many shards the work was last divided, where it was.
    pub fn shards(&self) -> Option<u64> {
        fs::read_to_string(self.path.join(SHARDS)).ok()?.trim().parse().ok().filter(|&shards| shards > 0)
    }

    /// Says that the units are to stay.
    pub(crate) fn keep_units(&self) -> Result<(), ExploreError> {
        self.write(KEEP, b"")
    }

    /// Removes what a complete run does not need: what processes that were killed have left behind, and the units,
    /// which the results have replaced, unless they are to stay. A process that was killed meanwhile leaves the rest of
    /// it to the next.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn tidy(&self) -> Result<(), ExploreError> {
        let gone = |path: PathBuf, done: io::Result<()>| match done {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(ExploreError::Disk { step: "remove", path, cause })
            }
            _ => Ok(()),
        };
        for part in ["", "inputs", "units"] {
            for path in fs::read_dir(self.path.join(part)).into_iter().flatten().flatten().map(|e| e.path()) {
                if is_temporary(&path) {
                    let done = fs::remove_file(&path);
                    gone(path, done)?;
                }
            }
        }
        let units = self.path.join("units");
        if self.path.join(KEEP).exists() {
            return Ok(());
        }
        let done = fs::remove_dir_all(&units);
        gone(units, done)
    }

    /// SHA-256 of a file, in hexadecimal digits.
    pub(crate) fn hash(&self, name: &str) -> Result<String, ExploreError> {
        let path = self.path.join(name);
        let read = || -> io::Result<String> {
            let (mut file, mut hash) = (File::open(&path)?, Sha256::new());
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hex(&hash.finalize())),
                    n => hash.update(&buffer[..n]),
                }
            }
        };
        read().map_err(ExploreError::disk("read", &path))
    }
}

fn head<'p>(plan: &'p Plan<'_>, unit: u64) -> Head<'p> {
    Head { fingerprint: &plan.fingerprint, unit, width: plan.metrics.width() }
}

fn unit_name(unit: u64) -> String {
    format!("units/{unit:07}.bin")
}

fn refined_name(Place { round, number }: Place) -> String {
    format!("units/refined-{round}-{number:07}.bin")
}

/// No unit of a sweep has such a number.
fn refined_number(Place { round, number }: Place) -> u64 {
    1 << 63 | u64::from(round) << 32 | u64::from(number)
}

/// A name beside the final one that no other process has, on whatever machine.
fn temporary_name(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}.{}-{now:x}-{number}.tmp", std::process::id())
}

/// Whether a file has a name that [`temporary_name`] may have given it.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".tmp"));
    let marks = name.and_then(|name| name.rsplit_once('.')).map(|(_, marks)| marks.split('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    marks.is_some_and(|marks| marks.clone().count() == 3 && marks.clone().all(is_number))
}

/// Whether a run can begin in a folder: it is not there, or holds nothing but what a process leaves that ends, or is still
/// busy, before it has written [`PLAN`]. `units` is made first.
fn is_free(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return true };
    let (mut is_begun, mut others) = (false, false);
    for entry in entries {
        let Ok(entry) = entry else { return false };
        match entry.file_name().to_str() {
            Some("units") => is_begun = true,
            Some("inputs" | "scenario.toml") => others = true,
            _ if is_temporary(&entry.path()) => others = true,
            _ => return false,
        }
    }
    is_begun || !others
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// As it is written to a file: for people too.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data with texts for keys");
    text.push(b'\n');
    text
}

/// A file under way. Without [`Output::finish`] it vanishes.
pub(crate) struct Output {
    name: String,
    path: PathBuf,
    temporary: PathBuf,
    out: Option<BufWriter<Hashing>>,
}

struct Hashing {
    file: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output {
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), ExploreError> {
        let out = self.out.as_mut().expect("it is taken out at the end");
        out.write_all(bytes).map_err(ExploreError::disk("write", &self.path))
    }

    /// Gives the file its name; returns that and the SHA-256.
    pub(crate) fn finish(mut self) -> Result<(String, String), ExploreError> {
        let out = self.out.take().expect("it is taken out at the end");
        let done = || -> io::Result<Sha256> {
            let Hashing { file, hash } = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            drop(file);
            fs::rename(&self.temporary, &self.path)?;
            Ok(hash)
        };
        let hash = done().map_err(ExploreError::disk("write", &self.path))?;
        Ok((self.name.clone(), hex(&hash.finalize())))
    }
}

#[cfg(feature = "parquet")]
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.as_mut().expect("it is taken out at the end").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().expect("it is taken out at the end").flush()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After the renaming there is no such file, and without it nobody wants it.
        let _ = fs::remove_file(&self.temporary);
    }
}
