//! Nodes go before the other programs of this host: a control group of the run, with the greatest weight there is.
//!
//! A quota is a cap, not a reservation. The engine puts all containers below one group, which has the weight of a
//! single other group, so a build on the same host may leave the nodes of a run a third of the processors however small
//! their quotas are. In a group of its own with 256 times that weight a run gets what its quotas say, as long as they fit
//! the host together, which the plan has checked.
//!
//! Only for control groups of version 1 and an engine that makes groups itself (`cgroupfs`). Elsewhere containers have the
//! weight alone, below whatever the engine or systemd puts them into.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::EmuError;

/// Where the kernel shows control groups.
const GROUPS: &str = "/sys/fs/cgroup";
/// The greatest weight; others have 1024 unless somebody changed it.
pub(crate) const WEIGHT: u32 = 262_144;
/// How long the kernel may take to see that a group is empty.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether this host has groups of the kind that [`make`] makes.
pub(crate) fn is_possible() -> bool {
    // The root of the hierarchy may lack `cpu.shares`.
    Path::new(GROUPS).join("cpu/cgroup.procs").is_file()
}

/// Makes a group and gives it its weight.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn make(name: &str) -> Result<(), EmuError> {
    let folder = Path::new(GROUPS).join("cpu").join(name);
    fs::create_dir(&folder).map_err(|cause| EmuError::file(&folder, cause))?;
    let weight = folder.join("cpu.shares");
    fs::write(&weight, WEIGHT.to_string()).map_err(|cause| EmuError::file(&weight, cause))
}

/// Groups that exist, by their names.
pub(crate) fn names() -> Vec<String> {
    let hierarchies = fs::read_dir(GROUPS).into_iter().flatten().flatten();
    let groups =
        hierarchies.flat_map(|hierarchy| fs::read_dir(hierarchy.path()).into_iter().flatten().flatten());
    groups.filter_map(|group| group.file_name().into_string().ok()).collect()
}

/// Removes a group from every hierarchy, with what the engine has left below it; one that is not there is removed already.
///
/// # Errors
/// There are still processes in it.
pub(crate) fn remove(name: &str) -> Result<(), EmuError> {
    let Ok(hierarchies) = fs::read_dir(GROUPS) else { return Ok(()) };
    // Several names may stand for one hierarchy.
    for folder in hierarchies.flatten().map(|hierarchy| hierarchy.path().join(name)) {
        let limit = Instant::now() + PATIENCE;
        loop {
            match remove_below(&folder) {
                Ok(()) => break,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => break,
                Err(cause) if Instant::now() > limit => return Err(EmuError::file(&folder, cause)),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
    Ok(())
}

/// A group is a folder whose files are the kernel's: it can be removed once it has neither folders nor processes.
fn remove_below(folder: &Path) -> io::Result<()> {
    let below: Vec<PathBuf> =
        fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    below.iter().try_for_each(|path| remove_below(path))?;
    fs::remove_dir(folder)
}
