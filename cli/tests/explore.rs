//! `offing explore` and `offing merge`: the same bytes whatever the division, and nothing lost.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{command, folder, golden, offing, text};

const SPACE: &str = "data/space.toml";

/// Every file of a result but the manifest, which says when and where it was made.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let files = entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file());
    let named = files.map(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("text").to_string();
        (name, fs::read(&path).expect("readable"))
    });
    let mut named: BTreeMap<String, Vec<u8>> = named.collect();
    assert!(named.remove("manifest.json").is_some(), "the run in {} is complete", folder.display());
    named
}

fn explore(name: &str, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let folder = folder(name);
    offing(&[&["explore", SPACE, "--out", text(&folder)], more].concat()).expect_code(0);
    results(&folder)
}

fn rows(results: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut file = csv::Reader::from_reader(results[name].as_slice());
    file.deserialize().map(|row| row.expect("as many cells as the header")).collect()
}

#[test]
fn threads_and_shards_do_not_change_a_byte() {
    let whole = explore("threads-1", &["--threads", "1"]);
    let names: Vec<&str> = whole.keys().map(String::as_str).collect();
    let expected = [
        "distributions.csv",
        "front.csv",
        "scenario.toml",
        "sensitivity.csv",
        "sensitivity.json",
        "shortlist.json",
        "summary.csv",
    ];
    assert_eq!(
        names.iter().filter(|name| !name.ends_with(".parquet")).copied().collect::<Vec<_>>(),
        expected
    );
    assert!(explore("threads-2", &["--threads", "2"]) == whole);
    for shards in [1, 7, 64] {
        let folder = folder(&format!("shards-{shards}"));
        // The last first: no shard needs another.
        for shard in (1..=shards).rev() {
            let shard = format!("{shard}/{shards}");
            offing(&["explore", SPACE, "--out", text(&folder), "--shard", &shard]).expect_code(0);
        }
        offing(&["merge", text(&folder)]).expect_code(0);
        assert!(results(&folder) == whole, "{shards} shards");
        assert!(!folder.join("units").exists());
    }
}

#[test]
fn every_number_has_one_row_and_a_reason_if_it_was_dropped() {
    let results = explore("rows", &[]);
    let rows = rows(&results, "summary.csv");
    let numbers: Vec<String> = (0..480).map(|number: u32| number.to_string()).collect();
    assert!(rows.iter().map(|row| &row["number"]).eq(&numbers));
    let count = |verdict: &str| rows.iter().filter(|row| row["verdict"] == verdict).count();
    // Of the edge's 8 x 6 x 5 numbers, those with another cloud than the first.
    assert_eq!(count("excluded"), 8 * 6 * 4);
    for row in &rows {
        let verdict = row["verdict"].as_str();
        let is_dropped = !row["reason"].is_empty() && !row["reason"].starts_with("not distinguishable");
        assert_eq!(is_dropped, verdict != "feasible", "{row:?}");
        let is_predicted = ["feasible", "infeasible"].contains(&verdict);
        assert_eq!(row["latency_p95_ms"].is_empty(), !is_predicted, "{row:?}");
        assert_eq!(row["engine"].is_empty(), !is_predicted);
        let number = |name: &str| row[name].parse::<f64>().expect("a number");
        if is_predicted {
            assert_eq!(verdict == "feasible", number("latency_p95_ms") <= 320.0 && number("load") < 0.9);
        }
    }
    let excluded = rows.iter().find(|row| row["verdict"] == "excluded").expect("some are");
    let because = "excluded by `deploy.target == 'cloud' || tier.cloud.cores == 1`";
    assert_eq!((excluded["reason"].as_str(), excluded["number"].as_str()), (because, "1"));

    let found: serde_json::Value = serde_json::from_slice(&results["shortlist.json"]).expect("JSON");
    let told = |verdict: &str| found["numbers"][verdict].as_u64().expect("a count") as usize;
    for verdict in ["excluded", "screened", "infeasible", "feasible"] {
        assert_eq!(told(verdict), count(verdict), "{verdict}");
        assert!(count(verdict) > 0, "the space has all kinds: {verdict}");
    }
    let reasons = found["dropped"]["by_reason"].as_array().expect("a list");
    let sum: u64 = reasons.iter().map(|reason| reason["count"].as_u64().expect("a count")).sum();
    assert_eq!(sum as usize, 480 - count("feasible"));
}

#[test]
fn a_row_is_what_simulate_says_and_the_shortlist_is_on_the_front() {
    let results = explore("simulate", &[]);
    let found: serde_json::Value = serde_json::from_slice(&results["shortlist.json"]).expect("JSON");
    let (summary, front) = (rows(&results, "summary.csv"), rows(&results, "front.csv"));
    assert_eq!(front.len() as u64, found["front"].as_u64().expect("a count"));
    let shortlist = found["shortlist"].as_array().expect("a list");
    assert!((2..=5).contains(&shortlist.len()), "{shortlist:?}");
    for kept in shortlist {
        let number = kept["number"].to_string();
        let row = &summary[kept["number"].as_u64().expect("a number") as usize];
        assert!(front.contains(row), "{number}");
        let mut arguments = vec!["simulate".to_string(), SPACE.into(), "--json".into()];
        for (key, value) in kept["axes"].as_object().expect("the axes") {
            arguments.extend(["--set".into(), format!("{key}={}", value.as_str().expect("text"))]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let simulated = offing(&arguments).expect_code(0).json();
        assert_eq!(kept["predicted"], simulated);
        assert_eq!(kept["id"], simulated["deployment"]);
        for (column, value) in [
            ("latency_p95_ms", &simulated["latency_ms"]["p95"]),
            ("queue_mean_ms", &simulated["parts_ms"]["queue"]["mean"]),
            ("cost_usd_per_hour", &simulated["cost_usd_per_hour"]),
        ] {
            assert_eq!(row[column].parse::<f64>().ok(), value.as_f64(), "{column} of {number}");
        }
    }
    for near in found["dropped"]["nearly_feasible"].as_array().expect("a list") {
        assert!(!near["misses"].as_array().expect("a list").is_empty());
        assert_ne!(summary[near["number"].as_u64().expect("a number") as usize]["verdict"], "feasible");
    }
}

#[test]
fn the_scenario_in_the_folder_gives_the_same_results() {
    let first = folder("again-1");
    offing(&["explore", SPACE, "--out", text(&first), "--seed", "9"]).expect_code(0);
    let second = folder("again-2");
    let scenario = first.join("scenario.toml");
    offing(&["explore", text(&scenario), "--out", text(&second)]).expect_code(0);
    assert!(results(&first) == results(&second));
    // It is complete: nothing is computed again, and the same is said.
    let said = offing(&["explore", "--resume", text(&first), "--json"]).expect_code(0);
    assert!(said.stderr.contains("is complete"), "{}", said.stderr);
    let written: serde_json::Value =
        serde_json::from_slice(&results(&first)["shortlist.json"]).expect("JSON");
    assert_eq!(said.json(), written);
}

/// Takes a while: parts of the latency are asked for, and those are not predicted in lanes.
#[cfg(unix)]
const LONG: [&str; 4] =
    ["--set", "duration=1000 s", "--set", "goal.require=[\"queue_p95_ms <= 200\", \"load < 3\"]"];

/// Starts a long run and kills it when a few units are there.
#[cfg(unix)]
fn killed(folder: &Path, signal: &str) -> (Option<i32>, String) {
    let arguments = [&["explore", SPACE, "--out", text(folder), "--threads", "1"], &LONG[..]].concat();
    let mut child =
        command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let start = Instant::now();
    while units(folder) < 3 && start.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(2));
    }
    let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()), "the run was still going on");
    let status = child.wait().expect("it ends");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
    assert!(!folder.join("manifest.json").exists(), "it was not done");
    (status.code(), said)
}

fn units(folder: &Path) -> usize {
    let is_unit = |path: PathBuf| path.extension().is_some_and(|ending| ending == "bin");
    fs::read_dir(folder.join("units"))
        .map_or(0, |entries| entries.filter(|entry| entry.as_ref().is_ok_and(|e| is_unit(e.path()))).count())
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let whole = explore("killed-whole", &LONG);
    for (signal, code) in [("-KILL", None), ("-INT", Some(130))] {
        let folder = folder(&format!("killed{signal}"));
        let (ended, said) = killed(&folder, signal);
        assert_eq!(ended, code);
        if code.is_some() {
            let hint = format!("interrupted; go on with: offing explore --resume {}\n", folder.display());
            assert_eq!(said, hint);
        }
        let there = units(&folder);
        assert!(there >= 3);
        // A unit that was torn by a crash of the machine is computed again.
        let torn = folder.join("units/0000001.bin");
        let bytes = fs::read(&torn).expect("it is there");
        fs::write(&torn, &bytes[..bytes.len() / 2]).expect("it can be torn");
        let resumed = offing(&["explore", "--resume", text(&folder)]).expect_code(0);
        let found = format!("note: {} units were there already\n", there - 1);
        assert!(resumed.stderr.contains(&found), "{}", resumed.stderr);
        assert!(results(&folder) == whole);
    }
}

#[test]
fn another_scenario_is_refused_and_so_is_a_folder_of_something_else() {
    let folder = folder("foreign");
    let path = text(&folder);
    offing(&["explore", SPACE, "--out", path, "--shard", "1/2"]).expect_code(0);
    for (more, difference) in [
        (["--set", "app.rate=4 /s"], "its scenario `space` says something else"),
        (["--seed", "4"], "its seed is `3`, and `4` is asked for"),
        (["--set", "name=other"], "its scenario is `space`, and `other` is asked for"),
    ] {
        for how in ["--out", "--resume"] {
            let refused = offing(&[&["explore", SPACE, how, path][..], &more].concat()).expect_code(2);
            assert!(refused.stderr.contains(difference), "{}", refused.stderr);
            assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
        }
    }
    let other = self::folder("not-a-run");
    fs::create_dir_all(&other).expect("writable");
    let none = offing(&["merge", text(&other)]).expect_code(2);
    assert!(none.stderr.contains("there is no run in"), "{}", none.stderr);
    offing(&["explore", "--resume", text(&other)]).expect_code(2);
    fs::write(other.join("thesis.tex"), "years of work").expect("writable");
    let refused = offing(&["explore", SPACE, "--out", text(&other)]).expect_code(2);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(&other).expect("it is there").count(), 1);
}

#[test]
fn merging_names_what_is_missing_and_how_to_compute_it() {
    let folder = folder("missing");
    let path = text(&folder);
    for shard in ["1/4", "3/4"] {
        offing(&["explore", SPACE, "--out", path, "--shard", shard]).expect_code(0);
    }
    fs::remove_file(folder.join("units/0000002.bin")).expect("it is of shard 3");
    let refused = offing(&["merge", path]).expect_code(2);
    let shards = "they are of the shards 2/4, 3/4, 4/4";
    assert!(
        refused.stderr.contains(&format!("16 of 30 units are not in `{path}`: 1, 2, 3, 5")),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains(shards), "{}", refused.stderr);
    assert!(
        refused.stderr.contains(&format!("offing explore --resume {path} --shard 2/4")),
        "{}",
        refused.stderr
    );
    offing(&["explore", "--resume", path]).expect_code(0);
    assert!(results(&folder) == explore("missing-whole", &[]));
}

#[test]
fn sampled_spaces_are_the_same_in_any_division_and_repeat_nothing() {
    for plan in ["sobol", "latin_hypercube"] {
        let set = format!("space.sample={{ {plan} = 200 }}");
        let whole = folder(&format!("{plan}-whole"));
        offing(&["explore", SPACE, "--out", text(&whole), "--set", &set]).expect_code(0);
        let rows = rows(&results(&whole), "summary.csv");
        let mut numbers: Vec<u32> = rows.iter().map(|row| row["number"].parse().expect("a number")).collect();
        numbers.sort_unstable();
        let all = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "each deployment once");
        let found: serde_json::Value =
            serde_json::from_slice(&results(&whole)["shortlist.json"]).expect("JSON");
        let repeated = found["numbers"]["repeated"].as_u64().expect("a count");
        assert_eq!(all as u64 + repeated, 200);
        assert!(found["notes"].to_string().contains("repeat an earlier one"), "{}", found["notes"]);
        // A sampled row is the row of the whole space.
        let every = self::rows(&explore(&format!("{plan}-every"), &[]), "summary.csv");
        assert!(rows.iter().all(|row| every[row["number"].parse::<usize>().expect("a number")] == *row));
        let shards = folder(&format!("{plan}-shards"));
        for shard in ["2/2", "1/2"] {
            offing(&["explore", SPACE, "--out", text(&shards), "--set", &set, "--shard", shard])
                .expect_code(0);
        }
        offing(&["merge", text(&shards), "--threads", "2"]).expect_code(0);
        assert!(results(&shards) == results(&whole), "{plan}");
    }
}

#[test]
fn counting_computes_nothing_and_says_what_is_excluded() {
    golden("explore-count", &["explore", SPACE, "--count"]);
    let counts = offing(&["explore", SPACE, "--count", "--json"]).expect_code(0).json();
    assert_eq!((counts["numbers"].as_u64(), counts["deployments"].as_u64()), (Some(480), Some(288)));
    let wide = "space.app.rate={ from = '1 /s', to = '1000000 /s', step = '1 /s' }";
    let many = offing(&["explore", SPACE, "--count", "--json", "--set", wide]).expect_code(0).json();
    assert_eq!(many["is_exact"], false);
    assert_eq!(many["deployments"], 480_000_000_u64);
    let wider = "space.app.deadline={ from = '1 us', to = '1 s', step = '1 us' }";
    let refused = offing(&["explore", SPACE, "--count", "--set", wide, "--set", wider]).expect_code(2);
    assert!(refused.stderr.contains("draw from it"), "{}", refused.stderr);
}

#[test]
fn small_runs_are_told_like_this() {
    let space = "space.tier.cloud.cores=[1]";
    let run = |name: &str, more: &[&str]| {
        // The folder's name is the same each time, so that what is told is, too.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        let outcome = offing(&[&["explore", SPACE, "--out", text(&folder), "--set", space], more].concat());
        // How far a command is indented depends on how long the folder's name is.
        let told = outcome.stdout.replace(text(&folder), "DIR");
        let lines = told.lines().map(|line| match line.trim_start() {
            command if command.starts_with("offing ") => format!("{command}\n"),
            _ => format!("{line}\n"),
        });
        let shown: String = lines.collect();
        let path = Path::new("tests/golden").join(format!("{name}.txt"));
        if std::env::var_os("OFFING_BLESS").is_some() {
            fs::write(&path, &shown).expect("the folder is writable");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(shown == expected, "{} differs:\n{shown}\ninstead of:\n{expected}", path.display());
        outcome.code
    };
    assert_eq!(run("explore-space", &[]), 0);
    assert_eq!(run("explore-nothing", &["--set", "goal.require=[\"latency_p95_ms <= 5\"]"]), 1);
    assert_eq!(run("explore-default", &["--set", "goal.minimise=[]"]), 0);
}

#[test]
fn wrong_options_are_bad_input() {
    offing(&["explore"]).expect_code(2);
    for shard in ["0/4", "5/4", "4", "a/b"] {
        let refused = offing(&["explore", SPACE, "--out", "nowhere", "--shard", shard]).expect_code(2);
        assert!(refused.stderr.contains("write K/N"), "{}", refused.stderr);
    }
    let refused = offing(&["explore", SPACE, "--shard", "1/4"]).expect_code(2);
    assert!(refused.stderr.contains("--out DIR"), "{}", refused.stderr);
}
