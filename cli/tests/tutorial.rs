//! The commands of docs/tutorial.md and of docs/how-to do what they say, in their order.
#![cfg(feature = "emu")]

mod machine;
#[path = "../../emu/tests/support/mod.rs"]
mod real;
#[path = "support/recorded.rs"]
mod recorded;
mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use machine::{able, assert_nothing_left, existing};
use real::{alone, skip};
use serde_json::Value;

/// The blocks of commands of a document.
fn blocks(document: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document))
        .expect("what the test needs is there");
    text.split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("what the test needs is there").to_owned())
        .collect()
}

/// An empty folder to work in, below one of its own.
fn empty(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let work = folder.join("work");
    fs::create_dir_all(&work).expect("what the test needs is there");
    work
}

/// An empty folder to work in, and where programs are: a folder with `offing` before the others.
///
/// A test must not depend on whether this machine can measure, and what can is tried in `measure.rs`. So this `offing`
/// replays recorded runs where the reader's measures, and does not fail where `doctor` says that the machine cannot.
fn desk(name: &str) -> (PathBuf, String) {
    let work = empty(name);
    let folder = work.parent().expect("it is below one");
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
    let path = before_others(&folder.join("bin"));
    (work, path)
}

fn before_others(programs: &Path) -> String {
    format!("{}:{}", programs.display(), env::var("PATH").unwrap_or_default())
}

/// Runs a block as a shell would.
fn shell(block: &str, work: &Path, environment: &[(&str, &str)]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("set -eu\n{block}")]).current_dir(work);
    shell.envs(environment.iter().copied()).output().expect("what the test needs is there")
}

/// What a block printed, if nothing in it failed.
fn printed(block: &str, output: &Output) -> String {
    let [told, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{block}\n{told}\n{errors}");
    told.into_owned()
}

/// Runs a block; returns what it printed.
fn follow(block: &str, work: &Path, path: &str) -> String {
    printed(block, &shell(block, work, &[("PATH", path)]))
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
            recorded::shortlist(&work.join("results/cameras"), &scenario, work_there, 1, &recorded);
        }
        said += &follow(&block, &work, &path);
    }
    for words in
        ["cameras: 48 numbers", "shortlist", "answer", "summary.csv          same", "3 measured runs"]
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
    let [before, after] =
        ["cameras", "calibrated"].map(|name| read(&work.join(format!("results/{name}/shortlist.json"))));
    let work_of = |found: &Value, id: &Value| {
        let kept = found["shortlist"].as_array().unwrap().iter().find(|kept| kept["id"] == *id);
        kept.map(|kept| kept["predicted"]["parts_ms"]["process"]["mean"].as_f64().unwrap())
    };
    // The pick was measured, and meets the goal as measured: it is confirmed.
    let pick = &after["shortlist"][0]["id"];
    let run = format!("results/measured/runs/{}-1/run.json", pick.as_str().unwrap());
    assert!(read(&work.join(run))["latency_ms"]["p95"].as_f64().unwrap() <= 220.0, "{said}");
    let (was, is) =
        (work_of(&before, pick).expect("it was on the shortlist"), work_of(&after, pick).unwrap());
    assert!(is > was + 1.0, "{is} ms after {was} ms: three more are worked");
}

/// A reader's day on a real engine, where `OFFING_TUTORIAL` asks for it: it takes some minutes. With `short` the cameras run
/// for less than `duration` says, and whether the pick is confirmed is told; otherwise every letter is followed, and it is asked.
#[test]
fn the_tutorial_can_be_followed_on_a_real_engine() {
    let Some(how) = env::var_os("OFFING_TUTORIAL") else {
        return skip("the_tutorial_on_a_real_engine", "OFFING_TUTORIAL=1 does not ask for it");
    };
    let _alone = alone();
    let Some(agent) = able("the_tutorial_on_a_real_engine") else { return };
    let before = existing();
    let to_the_letter = how != "short";
    let work = empty("tutorial-real");
    let state = work.join("../state").display().to_string();
    let program = Path::new(env!("CARGO_BIN_EXE_offing")).parent().expect("it is in a folder");
    let path = before_others(program);
    let environment = [("PATH", &*path), ("OFFING_AGENT", &*agent), ("XDG_STATE_HOME", &*state)];
    let mut said = String::new();
    for block in blocks("tutorial.md") {
        let block = match to_the_letter {
            true => block,
            false => block.replace("duration = \"35 s\"", "duration = \"14 s\""),
        };
        let output = shell(&block, &work, &environment);
        said += &printed(&block, &output);
    }
    assert_nothing_left(&before);
    assert!(said.contains("This host can measure"), "{said}");
    assert!(said.contains("summary.csv          same"), "{said}");
    let runs = fs::read_dir(work.join("results/measured/runs")).unwrap().flatten();
    let shortlist = read(&work.join("results/cameras/shortlist.json"));
    assert_eq!(runs.count(), shortlist["shortlist"].as_array().unwrap().len(), "{said}");
    let page = fs::read_to_string(work.join("results/calibrated/report.html")).unwrap();
    assert!(page.contains(" been measured.") && page.contains("figure-calibration"), "{said}");
    // What takes 30 ms on a whole core takes between that and what a quarter of a core makes of it.
    for run in fs::read_dir(work.join("results/measured/runs")).unwrap().flatten() {
        let run = read(&run.path().join("run.json"));
        let process = run["parts_ms"]["process"]["mean"].as_f64().unwrap();
        assert!((30.0..160.0).contains(&process), "{run}");
    }
    if to_the_letter {
        let pick = read(&work.join("results/calibrated/shortlist.json"))["shortlist"][0]["id"].clone();
        let run = work.join(format!("results/measured/runs/{}-1/run.json", pick.as_str().unwrap()));
        assert!(run.is_file() && read(&run)["latency_ms"]["p95"].as_f64().unwrap() <= 220.0, "{said}");
    }
    fs::remove_dir_all(work.parent().unwrap()).unwrap();
}

/// A JSON file, or null where there is none.
fn read(path: &Path) -> Value {
    fs::read(path).map_or(Value::Null, |text| serde_json::from_slice(&text).expect("JSON"))
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
