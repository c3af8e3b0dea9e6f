//! What exists because of us, written down before it exists.
//!
//! One file of JSON lines per run, `<state>/<run>.jsonl`, only ever appended to. A line is on the disk before
//! the thing that it names is made, so whatever interrupts us, `down` knows what to look for. The process
//! that owns a run holds a lock on its file: a run whose lock is free has ended, however it ended. When
//! everything is gone, so is the file.

use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::EmuError;

/// The label on everything that can carry one; its value is the run.
pub const LABEL_RUN: &str = "offing.run";
/// The label that says what it is.
pub const LABEL_KIND: &str = "offing.kind";

/// What a run's things are called that can carry no label: control groups and named network namespaces.
pub(crate) fn name_on_host(run: &str) -> String {
    format!("offing-{run}")
}

/// The run whose things have this name, if it is one that [`Ledger::begin`] gives.
pub(crate) fn run_of_name(name: &str) -> Option<&str> {
    let run = name.strip_prefix("offing-")?;
    let mut parts = run.split('-');
    let mut is_part = |length: usize, is: fn(&u8) -> bool| {
        parts.next().is_some_and(|part| part.len() == length && part.as_bytes().iter().all(is))
    };
    let is_run = is_part(8, u8::is_ascii_digit)
        && is_part(6, u8::is_ascii_digit)
        && is_part(8, u8::is_ascii_hexdigit)
        && parts.next().is_none();
    is_run.then_some(run)
}

/// A kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A process of ours, which is known by its arguments: they name the run.
    Process,
    /// A named network namespace.
    Namespace,
    /// A control group that containers are put into.
    Group,
    /// A network of the container engine.
    Network,
    /// A folder of ours on this host.
    Folder,
    /// A parameter of this host's kernel that something of ours may change. Its name is `<parameter>=<value before>`.
    Sysctl,
    /// A namespace of a Kubernetes cluster. Its name is `<namespace> ["<context>", "<kubeconfig>"]`.
    KubernetesNamespace,
    /// What a run has made in somebody else's namespace; named likewise.
    KubernetesObjects,
}

impl Kind {
    /// The word in labels, ledgers and tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Process => "process",
            Kind::Namespace => "namespace",
            Kind::Group => "group",
            Kind::Network => "network",
            Kind::Folder => "folder",
            Kind::Sysctl => "sysctl",
            Kind::KubernetesNamespace => "kubernetes_namespace",
            Kind::KubernetesObjects => "kubernetes_objects",
        }
    }
}

/// Something that may exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// What it is called where it lives.
    pub name: String,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Line {
    /// The run begins.
    Begun { run: String, at: String, process: u32 },
    /// This is about to be made.
    Making { kind: Kind, name: String },
    /// This is no more.
    Gone { kind: Kind, name: String },
}

/// The ledger of a run that is ours.
pub struct Ledger {
    run: String,
    path: PathBuf,
    file: File,
}

/// What a ledger says about a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The run.
    pub run: String,
    /// When it began, UTC.
    pub begun: String,
    /// Whether the process that owns it lives.
    pub under_way: bool,
    /// What may exist, in the order in which it was made.
    pub resources: Vec<Resource>,
}

/// Where ledgers are unless the user says otherwise: `$XDG_STATE_HOME/offing/ledger`, or the same below
/// `~/.local/state`.
pub fn default_folder() -> PathBuf {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = named("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| named("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| "/var/lib".into()).join("offing/ledger")
}

impl Ledger {
    /// Begins the ledger of a new run; the run's name starts with the time.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn begin(folder: &Path, what: &str) -> Result<Ledger, EmuError> {
        fs::create_dir_all(folder).map_err(|cause| EmuError::file(folder, cause))?;
        let now = SystemTime::now();
        let run = format!("{}-{}", compact(&utc(now)), unique(what, now));
        let path = folder.join(&run).with_extension("jsonl");
        let opened = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = opened.map_err(|cause| EmuError::file(&path, cause))?;
        file.lock().map_err(|cause| EmuError::file(&path, cause))?;
        let mut ledger = Ledger { run, path, file };
        let begun = Line::Begun { run: ledger.run.clone(), at: utc(now), process: std::process::id() };
        ledger.write(&begun)?;
        // The file itself must survive, too.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| EmuError::file(folder, cause))?;
        Ok(ledger)
    }

    /// Takes over the ledger of a run that has ended.
    ///
    /// # Errors
    /// [`EmuError::UnderWay`] if its owner lives and `by_force` is not given; or the file cannot be opened.
    pub fn adopt(folder: &Path, run: &str, by_force: bool) -> Result<Ledger, EmuError> {
        let path = folder.join(run).with_extension("jsonl");
        let opened = OpenOptions::new().append(true).open(&path);
        let file = opened.map_err(|cause| EmuError::file(&path, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if by_force => {}
            Err(TryLockError::WouldBlock) => return Err(EmuError::UnderWay { run: run.into() }),
            Err(TryLockError::Error(cause)) => return Err(EmuError::file(&path, cause)),
        }
        Ok(Ledger { run: run.into(), path, file })
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Writes down that something is about to be made. Only then may it be made.
    ///
    /// # Errors
    /// The line cannot be brought to the disk: then nothing may be made.
    pub fn making(&mut self, kind: Kind, name: &str) -> Result<(), EmuError> {
        self.write(&Line::Making { kind, name: name.into() })
    }

    /// Writes down that something is no more.
    ///
    /// # Errors
    /// The line cannot be brought to the disk.
    pub fn gone(&mut self, resource: &Resource) -> Result<(), EmuError> {
        self.write(&Line::Gone { kind: resource.kind, name: resource.name.clone() })
    }

    /// What may exist now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn resources(&self) -> Result<Vec<Resource>, EmuError> {
        let text = fs::read_to_string(&self.path).map_err(|cause| EmuError::file(&self.path, cause))?;
        Ok(read(&text).1)
    }

    /// Removes the file, for nothing is left of the run.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn close(self) -> Result<(), EmuError> {
        match fs::remove_file(&self.path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(EmuError::file(&self.path, cause)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, line: &Line) -> Result<(), EmuError> {
        let text = serde_json::to_string(line).expect("a line is plain data") + "\n";
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|cause| EmuError::file(&self.path, cause))
    }
}

/// All runs that may have left something, the oldest first.
///
/// # Errors
/// The folder exists and cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, EmuError> {
    let failed = |cause| EmuError::file(folder, cause);
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut entries = Vec::new();
    for file in files {
        let path = file.map_err(failed)?.path();
        if path.extension().is_none_or(|ending| ending != "jsonl") {
            continue;
        }
        let Some(run) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // It has ended meanwhile.
            Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
            Err(cause) => return Err(EmuError::file(&path, cause)),
        };
        let under_way =
            File::open(&path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
        let (begun, resources) = read(&text);
        entries.push(Entry { run: run.into(), begun, under_way, resources });
    }
    entries.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(entries)
}

/// When a run began and what it may have left. A last line that was cut off names nothing that exists.
fn read(text: &str) -> (String, Vec<Resource>) {
    let (mut begun, mut resources) = (String::new(), Vec::new());
    for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Begun { at, .. } => begun = at,
            Line::Making { kind, name } => {
                let resource = Resource { kind, name };
                if !resources.contains(&resource) {
                    resources.push(resource);
                }
            }
            Line::Gone { kind, name } => resources.retain(|r| (r.kind, &r.name) != (kind, &name)),
        }
    }
    (begun, resources)
}

/// Eight hexadecimal digits that two runs do not share.
fn unique(what: &str, now: SystemTime) -> String {
    use sha2::{Digest, Sha256};
    let nanos = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let digest = Sha256::digest(format!("{what} {nanos} {}", std::process::id()));
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// An instant as ISO 8601 writes it, in UTC, whole seconds.
pub(crate) fn utc(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = ((seconds / 86_400) as i64, seconds % 86_400);
    // Howard Hinnant's civil_from_days: years begin in March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-24T12:00:00Z` as `20261124-120000`.
fn compact(utc: &str) -> String {
    utc.replace(['-', ':', 'Z'], "").replace('T', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A folder of a test's own, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("offing-ledger-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn names_on_this_host_tell_the_run_and_others_are_not_ours() {
        let folder = folder("names");
        let ledger = Ledger::begin(&folder, "a").unwrap();
        let name = name_on_host(&ledger.run);
        assert_eq!(run_of_name(&name), Some(ledger.run.as_str()));
        for stranger in
            ["offing", "offing-", "offing-forwarder", "offing-20261125-010809", "a-20261125-010809-c9b69c2a"]
        {
            assert_eq!(run_of_name(stranger), None, "{stranger}");
        }
        assert_eq!(run_of_name(&format!("{name}-1")), None);
        ledger.close().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_written_down_and_is_not_gone_may_exist() {
        let folder = folder("exists");
        let mut ledger = Ledger::begin(&folder, "a").unwrap();
        ledger.making(Kind::Image, "offing/a").unwrap();
        ledger.making(Kind::Container, "a-cloud-0").unwrap();
        ledger.making(Kind::Container, "a-cloud-0").unwrap();
        let image = Resource { kind: Kind::Image, name: "offing/a".into() };
        assert_eq!(ledger.resources().unwrap().len(), 2);
        ledger.gone(&image).unwrap();
        let entry = entries(&folder).unwrap().remove(0);
        assert_eq!(entry.resources, [Resource { kind: Kind::Container, name: "a-cloud-0".into() }]);
        assert!(entry.begun.starts_with("20") && entry.begun.ends_with('Z'), "{}", entry.begun);
        ledger.close().unwrap();
        assert_eq!(entries(&folder).unwrap(), []);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_run_is_under_way_as_long_as_its_owner_lives_and_can_be_adopted_afterwards() {
        let folder = folder("owner");
        let ledger = Ledger::begin(&folder, "b").unwrap();
        let run = ledger.run().to_string();
        assert!(entries(&folder).unwrap()[0].under_way);
        assert!(matches!(Ledger::adopt(&folder, &run, false), Err(EmuError::UnderWay { .. })));
        assert!(Ledger::adopt(&folder, &run, true).is_ok());
        drop(ledger);
        assert!(!entries(&folder).unwrap()[0].under_way);
        Ledger::adopt(&folder, &run, false).unwrap().close().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_was_cut_off_hides_nothing() {
        let text = "{\"step\":\"making\",\"kind\":\"container\",\"name\":\"x\"}\n{\"step\":\"gone\",\"kin";
        assert_eq!(read(text).1.len(), 1);
    }

    #[test]
    fn no_folder_means_no_runs() {
        assert_eq!(entries(&folder("none")).unwrap(), []);
    }

    #[test]
    fn instants_are_written_in_the_calendar() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_521_599), "2026-11-24T11:59:59Z");
        assert_eq!(compact(&at(0)), "19700101-000000");
    }
}
