//! What the tests against the real kernel share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Says that a test could not be made here. The script that runs the suite counts these lines.
pub fn skip(name: &str, reason: &str) {
    println!("skipped: {name} ({reason})");
    // Also past the harness, which keeps what passing tests print to itself.
    use std::io::Write;
    if let Ok(mut terminal) = std::fs::OpenOptions::new().append(true).create(true).open(skipped_file()) {
        let _ = writeln!(terminal, "{name} ({reason})");
    }
}

/// Where the names of skipped tests are gathered.
pub fn skipped_file() -> PathBuf {
    match std::env::var_os("OFFING_SKIPPED") {
        Some(file) => file.into(),
        None => "/dev/null".into(),
    }
}

/// Measurements would disturb each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|broken| broken.into_inner())
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
