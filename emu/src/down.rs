//! Removes what runs have left, by the ledger and by the labels. Works twice, and after a crash.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::EmuError;
use crate::kubernetes::{self, own};
use crate::ledger::{self, Kind, Ledger, Resource, run_of_name};
use crate::links::netem;
use crate::provider::docker::Docker;
use crate::provider::priority;

/// Which runs to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those whose process has ended.
    Ended,
    /// This one, even if it is under way.
    Run(String),
    /// Every one of ours, under way or not, also those whose ledger is lost.
    All,
}

/// Removes runs: what was removed, with the run it was of. Namespaces whose ledger is lost are looked for on `cluster`
/// only.
///
/// # Errors
/// The engine or a cluster does not answer although something is left there, or a ledger cannot be read or written. What
/// could be removed is removed all the same, and what is left stays in the ledger.
pub fn down(
    folder: &Path,
    which: &Which,
    cluster: Option<&kubernetes::Cluster>,
) -> Result<Vec<(String, Resource)>, EmuError> {
    let entries = ledger::entries(folder)?;
    let docker = Docker::connect();
    let wanted = |run: &str, under_way: bool| match which {
        Which::Ended => !under_way,
        Which::Run(named) => named == run,
        Which::All => true,
    };
    let mut runs: Vec<String> = Vec::new();
    runs.extend(
        entries.iter().filter(|entry| wanted(&entry.run, entry.under_way)).map(|entry| entry.run.clone()),
    );
    // Runs whose ledger is lost are known by labels and names.
    if *which != Which::Ended {
        let labelled = docker.as_ref().map_or(Ok(Vec::new()), |docker| docker.all_labelled(None))?;
        for (run, _) in labelled.into_iter().chain(named()) {
            if !entries.iter().any(|entry| entry.run == run) && wanted(&run, false) && !runs.contains(&run) {
                runs.push(run);
            }
        }
    }
    let mut removed = Vec::new();
    let mut first_error = None;
    if let (Some(cluster), false) = (cluster, *which == Which::Ended) {
        for (run, resource) in kubernetes::namespaces(cluster)? {
            if !entries.iter().any(|entry| entry.run == run) && wanted(&run, false) {
                match kubernetes::remove(&run, &resource) {
                    Ok(()) => removed.push((run, resource)),
                    Err(cause) => first_error = first_error.or(Some(cause)),
                }
            }
        }
    }
    for run in runs {
        let known = entries.iter().any(|entry| entry.run == run);
        let ledger =
            if known { Ledger::adopt(folder, &run, *which != Which::Ended).map(Some) } else { Ok(None) };
        match ledger.and_then(|ledger| down_one(&run, ledger, docker.as_ref())) {
            Ok(gone) => removed.extend(gone.into_iter().map(|resource| (run.clone(), resource))),
            Err(cause) => first_error = first_error.or(Some(cause)),
        }
    }
    match first_error {
        Some(cause) => Err(cause),
        None => Ok(removed),
    }
}

/// Removes one run and then its ledger.
pub(crate) fn down_one(
    run: &str,
    ledger: Option<Ledger>,
    docker: Result<&Docker, &EmuError>,
) -> Result<Vec<Resource>, EmuError> {
    let mut left = match &ledger {
        Some(ledger) => ledger.resources()?,
        None => Vec::new(),
    };
    let labelled = docker.map_or(Ok(Vec::new()), |docker| docker.labelled(run))?;
    let named = named().into_iter().filter(|(of, _)| of == run).map(|(_, resource)| resource);
    for resource in labelled.into_iter().chain(named) {
        if !left.contains(&resource) {
            left.push(resource);
        }
    }
    // Links go first, for they hang on containers; groups and images last, for containers hang on them.
    left.sort_by_key(|resource| match resource.kind {
        // What runs on a cluster of ours needs its containers to be removed in order.
        Kind::KubernetesNamespace | Kind::KubernetesObjects => 0,
        Kind::Process => 1,
        Kind::Namespace => 2,
        Kind::Container => 3,
        Kind::Group => 4,
        Kind::Image => 5,
        Kind::Network => 6,
        // A container of ours may set it as long as it is there.
        Kind::Sysctl => 7,
        Kind::Folder => 8,
    });
    let mut ledger = ledger;
    let mut gone = Vec::new();
    for resource in left {
        match (resource.kind, docker) {
            (Kind::KubernetesNamespace | Kind::KubernetesObjects, _) => kubernetes::remove(run, &resource)?,
            (Kind::Process, _) => end_processes(run),
            (Kind::Namespace, _) => netem::remove_namespace(&resource.name)?,
            (Kind::Group, _) => priority::remove(&resource.name)?,
            (Kind::Sysctl, _) => own::restore(&resource.name)?,
            (Kind::Folder, _) => own::remove_folder(run, &resource.name)?,
            (Kind::Container | Kind::Image | Kind::Network, Ok(docker)) => docker.remove(run, &resource)?,
            (Kind::Container | Kind::Image | Kind::Network, Err(cause)) => {
                return Err(EmuError::engine(
                    format!("remove the {} {}", resource.kind.name(), resource.name),
                    cause,
                ));
            }
        }
        if let Some(ledger) = &mut ledger {
            ledger.gone(&resource)?;
        }
        gone.push(resource);
    }
    if let Some(ledger) = ledger {
        ledger.close()?;
    }
    Ok(gone)
}

/// What this host has of runs by its names alone, with the run.
fn named() -> Vec<(String, Resource)> {
    let of_kind = |kind, names: Vec<String>| {
        names.into_iter().filter_map(move |name| {
            let run = run_of_name(&name)?.to_string();
            Some((run, Resource { kind, name }))
        })
    };
    let groups = of_kind(Kind::Group, priority::names());
    let mut all: Vec<_> = groups.chain(of_kind(Kind::Namespace, netem::namespaces())).collect();
    // A group has a name in every hierarchy.
    all.sort();
    all.dedup();
    all
}

/// The argument by which a run's processes are known.
pub(crate) const RUN_ARGUMENT: &str = "--run";

/// Kills the processes whose arguments say that they belong to a run.
fn end_processes(run: &str) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let number = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(number) = number else { continue };
        // One that has ended meanwhile has no arguments.
        let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let arguments: Vec<&[u8]> = arguments.split(|&byte| byte == 0).collect();
        if arguments.windows(2).any(|pair| pair == [RUN_ARGUMENT.as_bytes(), run.as_bytes()]) {
            let _ = kill_process(number, Signal::KILL);
        }
    }
}
