//! What the tests against the real kernel share.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use offing_emu::{HostShares, HostTicks};

/// Says that a test could not be made here. `run-tests` counts them by name from the file that
/// `OFFING_SKIPPED` names, because the harness keeps what passing tests print to itself.
pub fn skip(name: &str, reason: &str) {
    println!("skipped: {name} ({reason})");
    if let Some(file) = std::env::var_os("OFFING_SKIPPED") {
        let mut list =
            OpenOptions::new().append(true).create(true).open(file).expect("the list can be written");
        writeln!(list, "{name} ({reason})").expect("the list can be written");
    }
}

/// Measurements would disturb each other, also those of other test processes.
pub fn alone() -> File {
    let lock = File::create(std::env::temp_dir().join("offing-measures.lock")).expect("it can be made");
    lock.lock().expect("it can be locked");
    lock
}

/// How often a test of real time is tried where the machine below takes processors away.
const ATTEMPTS: usize = 2;
/// Share of the processors from which that spoils a test.
const STOLEN: f64 = 0.01;

/// Runs a test that needs this machine's real time, alone. Where it fails while the machine below takes processors away, it
/// is tried again, and skipped by its name in the end: nobody can keep a delay without a processor.
pub fn in_real_time(name: &str, test: impl Fn()) {
    let _alone = alone();
    let mut share = 0.0;
    for _ in 0..ATTEMPTS {
        let before = HostTicks::now();
        let Err(panic) = catch_unwind(AssertUnwindSafe(&test)) else { return };
        share = HostShares::since(before).map_or(0.0, |shares| shares.stolen);
        if share < STOLEN {
            resume_unwind(panic);
        }
    }
    skip(name, &format!("the hypervisor gave {:.1} % of the processors to others", 100.0 * share));
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a script of the lab: what it printed, or why it failed.
pub fn lab(script: &str) -> Result<String, String> {
    let output = Command::new(root().join("lab").join(script)).output().map_err(|cause| cause.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr).lines().last().unwrap_or("it failed").to_string())
    }
}

/// The static binary for the nodes, built once.
pub fn agent() -> Result<String, String> {
    static AGENT: OnceLock<Result<String, String>> = OnceLock::new();
    AGENT.get_or_init(|| lab("agent.sh")).clone()
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn start(program: &str, args: &[&str]) -> Result<Process, String> {
        let child = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Process).map_err(|cause| format!("{program}: {cause}"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Keeps every processor busy.
pub fn busy() -> Vec<Process> {
    let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
    (0..cores).filter_map(|_| Process::start("sh", &["-c", "while :; do :; done"]).ok()).collect()
}
