//! Runs the command as a user would, from the folder of the tests.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What came of a command.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|bad| panic!("{bad}: {}", self.stdout))
    }

    /// The same, if all went well.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }
}

/// The command with an environment of its own.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offing"));
    command.args(args).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    command.env_remove("NO_COLOR").env_remove("COLUMNS").env("TERM", "xterm-256color").stdin(Stdio::null());
    command
}

pub fn offing(args: &[&str]) -> Outcome {
    offing_in(args, &[])
}

/// With variables of the environment.
pub fn offing_in(args: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = command(args).envs(environment.iter().copied()).output().expect("the command starts");
    Outcome {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Compares what a command line does with `golden/NAME.txt`. With `OFFING_BLESS=1` the file is written instead.
pub fn golden(name: &str, args: &[&str]) {
    let Outcome { code, stdout, stderr } = offing(args);
    // The hash of the model parameters changes with every number in them.
    let is_hash = |line: &&str| line.starts_with("models ");
    let stdout = match stdout.lines().find(is_hash) {
        Some(line) => stdout.replace(line, "models       ..."),
        None => stdout,
    };
    let shown =
        format!("$ offing {}\n{stdout}[standard error]\n{stderr}[exit code {code}]\n", args.join(" "));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("txt");
    if std::env::var_os("OFFING_BLESS").is_some() {
        fs::write(&path, shown).expect("the folder is writable");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shown == expected,
        "{} differs; OFFING_BLESS=1 accepts this:\n{shown}\ninstead of:\n{expected}",
        path.display()
    );
}

/// A file for a test alone, which does not exist yet.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// A folder for a test alone, which does not exist yet.
pub fn folder(name: &str) -> PathBuf {
    let path = scratch(name);
    let _ = fs::remove_dir_all(&path);
    path
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Says that a test could not be run, and why; the script that runs all tests counts it.
pub fn skipped(name: &str, reason: &str) {
    println!("skipped: {name} ({reason})");
    if let Some(file) = std::env::var_os("OFFING_SKIPPED") {
        use std::io::Write;
        let file = fs::OpenOptions::new().append(true).create(true).open(file);
        writeln!(file.expect("the file can be written"), "{name} ({reason})")
            .expect("the file can be written");
    }
}
