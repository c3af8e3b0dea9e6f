//! A good citizen of the shell: help, pipes, colours, signals, manual pages.

mod support;

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{command, golden, offing, scratch};

#[test]
fn help_is_short_and_has_an_example() {
    // The emulator's commands are there only if it was built in.
    golden(if cfg!(feature = "emu") { "help-emu" } else { "help" }, &["--help"]);
    for command in [
        "check",
        "simulate",
        "start",
        "explore",
        "merge",
        "invert",
        "calibrate",
        "validate",
        "import",
        "export",
        "report",
        "rerun",
        "schema",
        "completions",
        "man",
    ] {
        let help = offing(&[command, "--help"]).expect_code(0).stdout;
        assert!(help.contains(&format!("Example: offing {command} ")), "{help}");
        let short = offing(&[command, "-h"]).expect_code(0).stdout;
        assert!(short.lines().count() < 60 && help.lines().count() < 90, "{help}");
        golden(&format!("help-{command}"), &[command, "-h"]);
    }
}

#[test]
fn what_is_typed_wrong_is_bad_input() {
    for args in
        [&[][..], &["simulte"], &["simulate"], &["simulate", "x", "--seed", "-1"], &["check", "x", "--what"]]
    {
        offing(args).expect_code(2);
    }
    golden("both-formats", &["simulate", "data/constant.toml", "--json", "--csv"]);
}

#[test]
fn a_pipe_gets_no_colour() {
    for args in
        [["simulate", "data/overload.toml"], ["check", "data/constant.toml"], ["check", "data/cameras.cfg"]]
    {
        assert!(!offing(&args).stdout.contains('\x1b'), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_heard_enough_is_no_error() {
    for args in [
        &["man"][..],
        &["completions", "bash"],
        &["simulate", "data/random.toml"],
        &["check", "data/cameras.cfg"],
    ] {
        let mut child =
            command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure_of_the_system() {
    let full = fs::File::create("/dev/full").expect("Linux has it");
    let output = command(&["man"]).stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write standard output: "));
    let trace = offing(&["simulate", "data/constant.toml", "--trace", "/dev/full"]).expect_code(3);
    assert!(trace.stderr.starts_with("error: cannot write `/dev/full`: "), "{}", trace.stderr);
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_no_half_of_a_file() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let path = scratch(&format!("{signal}.csv"));
        let file = path.to_str().expect("text");
        let long = ["--set", "duration=20000000 s", "--engine", "events"];
        let mut child = command(&[&["simulate", "data/constant.toml", "--trace", file], &long[..]].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let start = Instant::now();
        while !path.exists() && start.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(5));
        }
        assert!(path.exists(), "the file is opened before the work");
        let kill = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "the run was still going on");
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        assert!(!path.exists());
    }
}

#[test]
fn the_schema_is_the_one_that_is_shipped() {
    let printed = offing(&["schema"]).expect_code(0);
    assert!(printed.json()["properties"]["app"].is_object());
}

#[test]
fn manual_pages_and_completions_know_every_command() {
    let folder = scratch("man1");
    offing(&["man", folder.to_str().expect("text")]).expect_code(0);
    for page in ["offing.1", "offing-simulate.1", "offing-check.1", "offing-import.1", "offing-export.1"] {
        assert!(folder.join(page).is_file(), "{page}");
    }
    let page = offing(&["man"]).expect_code(0).stdout;
    assert!(page.contains(".TH offing 1"), "{page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(offing(&["completions", shell]).expect_code(0).stdout.contains("semantics"), "{shell}");
    }
}
