//! The commands of docs/tutorial.md and of docs/how-to do what they say, in their order.
#![cfg(feature = "emu")]

#[path = "support/recorded.rs"]
mod recorded;
mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The blocks of commands of a document.
fn blocks(document: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document))
        .expect("what the test needs is there");
    text.split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("what the test needs is there").to_owned())
        .collect()
}

/// An empty folder to work in, and a folder with `offing` to be put before the others.
///
/// A test must not depend on whether this machine can measure, and what can is tried in `measure.rs`. So this `offing`
/// replays recorded runs where the reader's measures, and does not fail where `doctor` says that the machine cannot.
fn desk(name: &str) -> (PathBuf, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("bin")).expect("what the test needs is there");
    let program = folder.join("bin/offing");
    let script = format!(
        "#!/bin/sh\nreal='{}'\ncase \"$1 ${{2-}}\" in\n\"emulate run\") exec \"$real\" \"$@\" --provider rehearsal --recorded ../recorded ;;\n\
         \"doctor \"*) \"$real\" \"$@\" || true ;;\n*) exec \"$real\" \"$@\" ;;\nesac\n",
        env!("CARGO_BIN_EXE_offing")
    );
    fs::write(&program, script).expect("what the test needs is there");
    let made = Command::new("chmod").arg("+x").arg(&program).status();
    assert!(made.is_ok_and(|status| status.success()));
    let work = folder.join("work");
    fs::create_dir_all(&work).expect("what the test needs is there");
    (work, format!("{}:{}", folder.join("bin").display(), env::var("PATH").unwrap_or_default()))
}

/// Runs a block as a shell would; returns what it printed.
fn follow(block: &str, work: &Path, path: &str) -> String {
    let script = format!("set -eu\n{block}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(work)
        .env("PATH", path)
        .output()
        .expect("what the test needs is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{block}\n{}\n{errors}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_tutorial_can_be_followed_to_the_letter_and_confirms_its_pick() {
    let (work, path) = desk("tutorial");
    let blocks = blocks("tutorial.md");
    assert!(blocks.len() >= 9, "the tutorial has {} blocks of commands", blocks.len());
    let mut said = String::new();
    for block in blocks {
        if block.contains("emulate run") {
            // The world is a little slower than the scenario says.
            let work_there = 33;
            let scenario = work.join("cameras.toml").display().to_string();
            let recorded = work.join("../recorded");
            recorded::shortlist(&work.join("results/cameras"), &scenario, work_there, 3, &recorded);
        }
        said += &follow(&block, &work, &path);
    }
    for words in
        ["cameras: 48 numbers", "shortlist", "answer", "summary.csv          same", "12 measured runs"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(work.join("results/cameras/figures/distribution.svg").is_file());
    let page =
        fs::read_to_string(work.join("results/calibrated/report.html")).unwrap().replace('\u{a0}', " ");
    // The answer is measured, the models know what they did not know, and the error is told.
    assert!(page.contains("of these deployments have been measured. As measured, it "), "{said}");
    assert!(page.contains("The predictions of the 95th-percentile latency are off by"));
    assert!(page.contains("figure-validation") && page.contains("Error of each metric"));
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(work.join(path)).unwrap()).unwrap()
    };
    let (before, after) = (read("results/cameras/shortlist.json"), read("results/calibrated/shortlist.json"));
    let work_of = |found: &serde_json::Value, id: &serde_json::Value| {
        let kept = found["shortlist"].as_array().unwrap().iter().find(|kept| kept["id"] == *id);
        kept.map(|kept| kept["predicted"]["parts_ms"]["process"]["mean"].as_f64().unwrap())
    };
    // The pick was measured, and meets the goal as measured: it is confirmed.
    let pick = &after["shortlist"][0]["id"];
    let run = format!("results/measured/runs/{}-1/run.json", pick.as_str().unwrap());
    assert!(read(&run)["latency_ms"]["p95"].as_f64().unwrap() <= 250.0, "{said}");
    let (was, is) =
        (work_of(&before, pick).expect("it was on the shortlist"), work_of(&after, pick).unwrap());
    assert!(is > was + 1.0, "{is} ms after {was} ms: three more are worked");
}

#[test]
fn the_how_to_pages_can_be_followed_to_the_letter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to");
    let mut pages: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().display().to_string()).collect();
    pages.sort();
    assert!(pages.len() >= 5, "{pages:?}");
    for page in pages {
        let (work, path) = desk(&format!("how-to-{page}"));
        let blocks = blocks(&format!("how-to/{page}"));
        assert!(!blocks.is_empty(), "{page} has no commands");
        let said: String = blocks.iter().map(|block| follow(block, &work, &path)).collect();
        let words = match page.as_str() {
            "continuum.md" => "processed on 2 edge nodes",
            "own-application.md" => "the largest app.process",
            "own-measurements.md" => "a run to come",
            "several-cores.md" => "line: 384 numbers",
            "slurm.md" => "summary.csv          same",
            other => panic!("nothing is said here about what {other} prints"),
        };
        assert!(said.contains(words), "{page}: {words}\n{said}");
    }
}
