//! `offing emulate run` and `tables` from an asked question to results on disk, with recorded runs: no engine needed.
//!
//! What is recorded is made from traces of simulated runs, so that every number that a measured run has in common
//! with a simulated one can be compared with the simulator's own.
#![cfg(feature = "emu")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{folder, offing, offing_in, text};

const SCENARIO: &str = "data/shortlisted.toml";

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The ids of the deployments of the scenario, by target.
fn ids() -> BTreeMap<String, String> {
    let id = |target: &str| {
        let set = format!("deploy.target={target}");
        offing(&["simulate", SCENARIO, "--set", &set, "--json"]).expect_code(0).json()["deployment"]
            .as_str()
            .expect("a text")
            .to_string()
    };
    ["edge", "cloud"].map(|target| (target.to_string(), id(target))).into()
}

/// Records a run as if it had been measured: the requests are simulated.
fn record(folder: &Path, target: &str, repetition: u32, facts: &Value) {
    let run = folder.join("runs").join(format!("{}-{repetition}", ids()[target]));
    fs::create_dir_all(&run).expect("it can be made");
    let (set, trace) = (format!("deploy.target={target}"), run.join("requests.csv"));
    let seed = (6 + repetition).to_string();
    let args = ["simulate", SCENARIO, "--set", &set, "--seed", &seed, "--trace", text(&trace)];
    offing(&args).expect_code(0);
    fs::write(run.join("run.json"), facts.to_string()).expect("it can be written");
}

fn facts(target: &str) -> Value {
    let node = |name: &str, tier: &str, allowed: f64, cpu: f64| json!({ "name": name, "tier": tier, "allowed_cpu_seconds": allowed, "cpu_seconds": cpu });
    json!({
        "valid": true, "dilate": 1.0, "application": "burn", "transport": "mqtt",
        "nodes": [node("endpoint-0", "endpoint", 4.5, 0.9), node(&format!("{target}-0"), target, 9.0, 4.5)],
    })
}

fn recorded(name: &str, repetitions: u32) -> PathBuf {
    let folder = folder(name);
    for target in ["edge", "cloud"] {
        (1..=repetitions).for_each(|n| record(&folder, target, n, &facts(target)));
    }
    folder
}

/// The rows of a table, each by the names of its columns.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| {
        let cells = line.split(',').map(String::from);
        header.iter().map(ToString::to_string).zip(cells).collect()
    };
    lines.map(row).collect()
}

#[test]
fn a_shortlist_becomes_results_by_the_same_arithmetic_as_a_simulation() {
    let (explored, recorded, out) = (folder("explored"), recorded("recorded", 2), folder("measured"));
    offing(&["explore", SCENARIO, "--out", text(&explored)]).expect_code(0);
    let args = ["--provider", "rehearsal", "--recorded", text(&recorded), "--repeat", "2", "--json"];
    let run = [&["emulate", "run", text(&explored), "--out", text(&out)], &args[..]].concat();
    let told = offing(&run).expect_code(0);
    let result = told.json();
    assert_eq!(result["runs"].as_array().map(Vec::len), Some(4), "{}", told.stdout);
    let rows = rows(&read(out.join("summary.csv")));
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let target = &row["deploy.target"];
        assert_eq!(row["deployment"], ids()[target]);
        // The seed of a repetition is the scenario's plus its number less one.
        let n: u64 = row["repetition"].parse().expect("a number");
        let (set, seed) = (format!("deploy.target={target}"), (6 + n).to_string());
        let simulated = ["simulate", SCENARIO, "--set", &set, "--seed", &seed, "--json"];
        let simulated = offing(&simulated).expect_code(0).json();
        let run = out.join("runs").join(&row["run"]);
        let kept: Value = serde_json::from_str(&read(run.join("run.json"))).expect("JSON");
        for part in ["latency_ms", "latency_ci95_ms", "parts_ms", "requests", "deadline_miss_share"] {
            assert_eq!(kept[part], simulated[part], "{part}");
        }
        assert_eq!(kept["engine"], "measured");
        assert_eq!(kept["utilization"][target.as_str()], 0.5);
        assert_eq!(kept["utilization"]["endpoint"], 0.2);
        assert_eq!(row["latency_p95_ms"], simulated["latency_ms"]["p95"].to_string());
        assert_eq!(row["queue_mean_ms"], simulated["parts_ms"]["queue"]["mean"].to_string());
        assert_eq!((row["valid"].as_str(), row["engine"].as_str()), ("true", "measured"));
        // The run can be predicted from its own folder.
        let alone = run.join("deployment.toml");
        let predicted = offing(&["simulate", text(&alone), "--json"]).expect_code(0).json();
        assert_eq!(predicted["latency_ms"], simulated["latency_ms"]);
        assert_eq!(predicted["deployment"], kept["deployment"]);
    }
    let columns = [
        "run",
        "deployment",
        "repetition",
        "valid",
        "reason",
        "deploy.target",
        "requests",
        "engine",
        "latency_mean_ms",
    ];
    assert!(read(out.join("summary.csv")).starts_with(&columns.join(",")));
    assert_eq!(read(out.join("scenario.toml")), read(explored.join("scenario.toml")));
    let manifest: Value = serde_json::from_str(&read(out.join("manifest.json"))).expect("JSON");
    assert_eq!((manifest["kind"].as_str(), manifest["seed"].as_u64()), (Some("measured"), Some(7)));
    let files = manifest["files"].as_object().expect("an object");
    assert_eq!(files.len(), 3 + 4 * 3, "{files:?}");
    assert_eq!(files["plan.json"].as_str().map(str::len), Some(64));
    let again = [&["emulate", "run", text(&explored), "--out", text(&out)], &args[..]].concat();
    assert!(offing(&again).expect_code(2).stderr.contains("is not empty"));
}

#[test]
fn a_space_is_measured_whole_in_an_order_that_the_seed_decides() {
    let recorded = recorded("recorded-space", 3);
    let order = |name: &str, more: &[&str]| {
        let out = folder(name);
        let args = ["emulate", "run", SCENARIO, "--provider", "rehearsal", "--recorded", text(&recorded)];
        let told =
            offing(&[&args[..], &["--repeat", "3", "--out", text(&out)], more].concat()).expect_code(0);
        let lines = told.stderr.lines().filter(|line| line.ends_with("writing"));
        let lines: Vec<String> =
            lines.map(|line| line.split_once("] ").expect("a number").1.into()).collect();
        lines
    };
    let given = order("order-given", &["--order", "given"]);
    let of = |n: u32| ["edge", "cloud"].map(|target| format!("{}-{n}: writing", &ids()[target][..8]));
    assert_eq!(given, [of(1), of(2), of(3)].concat());
    let random = order("order-random", &[]);
    assert_eq!(random, order("order-again", &[]));
    assert_ne!(random, given);
    let mut sorted = random;
    let mut all = given;
    sorted.sort();
    all.sort();
    assert_eq!(sorted, all);
}

#[test]
fn what_was_not_recorded_is_named_with_what_was() {
    let recorded = folder("recorded-one");
    record(&recorded, "edge", 1, &facts("edge"));
    let out = folder("not-recorded");
    let args = ["emulate", "run", SCENARIO, "--provider", "rehearsal", "--recorded", text(&recorded)];
    let told = offing(&[&args[..], &["--out", text(&out)]].concat()).expect_code(2);
    assert!(told.stderr.contains(&format!("no record of {}-1", ids()["cloud"])), "{}", told.stderr);
    assert!(told.stderr.contains(&format!("recorded are {}-1", ids()["edge"])), "{}", told.stderr);
    let empty = folder("recorded-none");
    fs::create_dir_all(empty.join("runs")).expect("it can be made");
    let args = ["emulate", "run", SCENARIO, "--provider", "rehearsal", "--recorded", text(&empty)];
    let told = offing(&[&args[..], &["--out", text(&folder("none"))]].concat()).expect_code(2);
    assert!(told.stderr.contains("no recorded run"), "{}", told.stderr);
}

#[test]
fn a_measurement_goes_on_where_it_ended_and_keeps_what_it_has() {
    let (recorded, out) = (recorded("recorded-resume", 2), folder("resume"));
    let replay = ["--provider", "rehearsal", "--recorded", text(&recorded)];
    let run = ["emulate", "run", SCENARIO, "--repeat", "2", "--out", text(&out)];
    offing(&[&run[..], &replay].concat()).expect_code(0);
    let whole = read(out.join("summary.csv"));
    let names: Vec<String> = rows(&whole).iter().map(|row| row["run"].clone()).collect();
    // As if it had been killed while it wrote the third run: no manifest, and part of a folder.
    let runs = out.join("runs");
    fs::remove_file(out.join("manifest.json")).expect("it is there");
    fs::rename(runs.join(&names[2]), runs.join(format!("unfinished-{}", names[2]))).expect("it is there");
    fs::remove_dir_all(runs.join(&names[3])).expect("it is there");
    let first = runs.join(&names[0]).join("requests.csv");
    let untouched = fs::metadata(&first).and_then(|about| about.modified()).expect("it is there");
    let told = offing(&[&["emulate", "run", "--resume", text(&out)], &replay[..]].concat()).expect_code(0);
    assert_eq!(told.stderr.lines().filter(|line| line.ends_with("writing")).count(), 2, "{}", told.stderr);
    assert_eq!(read(out.join("summary.csv")), whole);
    assert!(out.join("manifest.json").is_file());
    assert_eq!(fs::read_dir(&runs).expect("it is there").count(), 4);
    assert_eq!(fs::metadata(&first).and_then(|about| about.modified()).expect("it is there"), untouched);
    let nothing = folder("no-measurement");
    fs::create_dir_all(&nothing).expect("it can be made");
    let told =
        offing(&[&["emulate", "run", "--resume", text(&nothing)], &replay[..]].concat()).expect_code(2);
    assert!(told.stderr.contains("plan.json"), "{}", told.stderr);
}

#[test]
fn a_run_that_is_not_valid_is_kept_said_and_ends_with_one() {
    let (recorded, out) = (folder("recorded-invalid"), folder("invalid"));
    record(&recorded, "edge", 1, &facts("edge"));
    let mut late = facts("cloud");
    (late["valid"], late["reason"]) = (false.into(), "frames left the forwarder late: p99 3 ms".into());
    record(&recorded, "cloud", 1, &late);
    let args = ["emulate", "run", SCENARIO, "--provider", "rehearsal", "--recorded", text(&recorded)];
    let told = offing(&[&args[..], &["--out", text(&out), "--continuum-tables"]].concat()).expect_code(1);
    assert!(told.stderr.contains("1 of 2 runs are not valid"), "{}", told.stderr);
    assert!(told.stdout.contains("NO") && told.stdout.contains("frames left the forwarder late"));
    let row = rows(&read(out.join("summary.csv"))).into_iter().find(|row| row["valid"] == "false");
    assert!(row.expect("it has a row")["reason"].contains("late"));
    // The tables of both runs, as Continuum calls them.
    assert_eq!(told.stdout.matches("worker_id").count(), 2);
    let tables = offing(&["emulate", "tables", text(&out)]).expect_code(0).stdout;
    assert!(tables.contains("connected_to  total_time (s)  preproc_time/data (ms)"), "{tables}");
    assert!(told.stdout.ends_with(&tables), "{tables}");
    let csv = offing(&["emulate", "tables", text(&out), "--csv"]).expect_code(0).stdout;
    assert!(csv.contains("\"\",\"worker_id\",\"total_time (s)\""), "{csv}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_to_write_instead() {
    let plan = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        offing(&[&["emulate", "plan", SCENARIO, "--links", "forwarder"], &set[..]].concat())
    };
    let told = plan(&[
        "deploy.balance=least-waiting",
        "tier.edge.nodes=2",
        "tier.cloud.nodes=2",
        "tier.endpoint.nodes=2",
        "tier.cloud.quota=0.25",
    ])
    .expect_code(2);
    assert!(told.stderr.contains("least-waiting") && told.stderr.contains("round-robin"), "{}", told.stderr);
    let told = plan(&["app.outstanding=1"]).expect_code(2);
    assert!(told.stderr.contains("closed loop"), "{}", told.stderr);
    let told = plan(&["space.tier.endpoint.nodes={ from = 1, to = 60, step = 1 }"]).expect_code(2);
    assert!(told.stderr.contains("offing explore"), "{}", told.stderr);
    let told = offing(&["emulate", "plan", "golden"]).expect_code(2);
    assert!(told.stderr.contains("shortlist.json"), "{}", told.stderr);
}

#[test]
fn a_plan_says_what_runs_where() {
    let plan = offing(&["emulate", "plan", SCENARIO, "--links", "forwarder", "--json"]).expect_code(0).json();
    let runs = plan["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["nodes"][0]["roles"], json!(["endpoint"]));
    assert_eq!(runs[0]["nodes"][1]["roles"], json!(["broker", "1 worker"]));
    let http = ["emulate", "plan", SCENARIO, "--links", "forwarder", "--transport", "http", "--json"];
    assert_eq!(offing(&http).expect_code(0).json()["runs"][0]["nodes"][1]["roles"], json!(["1 worker"]));
    let network = ["emulate", "plan", SCENARIO, "--links", "forwarder", "--application", "network"];
    let told = offing(&network).expect_code(0);
    assert!(told.stderr.contains("is ignored"), "{}", told.stderr);
    assert!(told.stdout.contains("application: network over mqtt"), "{}", told.stdout);
}

#[test]
fn progress_is_told_by_ids_in_lines_that_fit_the_screen() {
    let recorded = recorded("recorded-narrow", 2);
    let replay = ["--provider", "rehearsal", "--recorded", text(&recorded), "--repeat", "2"];
    let told = |name: &str, columns: &str| {
        let out = folder(name);
        let run = ["emulate", "run", SCENARIO, "--order", "given", "--out", text(&out)];
        offing_in(&[&run[..], &replay].concat(), &[("COLUMNS", columns)]).expect_code(0)
    };
    let wide = told("wide", "80");
    let [edge, cloud] = ["edge", "cloud"].map(|target| ids()[target][..8].to_string());
    // What the deployments differ in is said once, and then never again.
    let expected = format!(
        "shortlisted: 2 deployments, 2 times each\n{edge}     deploy.target edge\n{cloud}     deploy.target cloud\n\
         [1 of 4] {edge}-1: writing\n[2 of 4] {cloud}-1: writing\n[3 of 4] {edge}-2: writing\n[4 of 4] {cloud}-2: writing\n"
    );
    assert_eq!(wide.stderr, expected);
    let narrow = told("narrow", "34");
    for text in [&wide.stderr, &narrow.stderr, &narrow.stdout] {
        assert!(!text.contains('\x1b'), "it is piped: {text:?}");
    }
    assert!(
        wide.stdout.lines().all(|line| line.chars().count() <= 80 || line.contains('/')),
        "{}",
        wide.stdout
    );
    let is_narrow = |line: &str| line.chars().count() <= 34;
    assert!(narrow.stderr.lines().all(is_narrow), "{}", narrow.stderr);
    // Columns that have no room follow below, by the same runs.
    assert_eq!(narrow.stdout.matches("\nrun ").count(), 5, "{}", narrow.stdout);
}

#[test]
fn a_continuum_configuration_is_measured_like_a_scenario() {
    const FILE: &str = "data/measured.cfg";
    let here = ["--set", "deploy.provider=docker", "--set", "deploy.manager=none", "--set", "duration=20 s"];
    let plan = ["emulate", "plan", FILE, "--links", "forwarder"];
    let refused = offing(&plan).expect_code(2).stderr;
    for word in ["--set deploy.provider=docker", "--set deploy.manager=none"] {
        assert!(refused.contains(word), "{refused}");
    }
    let planned = offing(&[&plan[..], &here, &["--json"]].concat()).expect_code(0).json();
    let run = &planned["runs"][0];
    // Continuum's quota of a fifth of two cores, and its 4G network.
    assert_eq!(
        (run["nodes"][1]["name"].as_str(), run["nodes"][1]["cpus"].as_f64()),
        (Some("edge-0"), Some(0.4))
    );
    assert_eq!(
        (run["paths"][0]["latency"].as_u64(), run["media"][0]["rate_bit_s"].as_f64()),
        (Some(7_500_000), Some(7.21e6))
    );
    // Recorded as if it had been measured.
    let recorded = folder("recorded-cfg");
    let id = run["deployment"].as_str().expect("a text");
    let folder_of_run = recorded.join("runs").join(format!("{id}-1"));
    fs::create_dir_all(&folder_of_run).expect("it can be made");
    let trace = folder_of_run.join("requests.csv");
    offing(&[&["simulate", FILE, "--trace", text(&trace)], &here[..]].concat()).expect_code(0);
    fs::write(folder_of_run.join("run.json"), facts("edge").to_string()).expect("it can be written");
    let out = folder("measured-cfg");
    let replay = ["--provider", "rehearsal", "--recorded", text(&recorded), "--out", text(&out)];
    let told = offing(&[&["emulate", "run", FILE, "--continuum-tables"], &replay[..], &here].concat())
        .expect_code(0);
    assert!(told.stdout.contains("worker_id") && told.stdout.contains("connected_to"), "{}", told.stdout);
    let rows = rows(&read(out.join("summary.csv")));
    assert_eq!((rows.len(), rows[0]["deployment"].as_str(), rows[0]["valid"].as_str()), (1, id, "true"));
    assert_eq!(rows[0]["requests"], "100");
}

#[test]
fn bursts_recorded_arrivals_and_a_pipeline_that_is_cut_are_planned() {
    let app = |arrivals: &str| {
        format!(
            "app={{ {arrivals}, frame = '40 kB', stage = [{{ work = '1 ms', output = '6 kB' }}, \
             {{ work = '5 ms', output = '64 B' }}] }}"
        )
    };
    for arrivals in [
        "rate = '8 /s', arrivals = { bursts = { on = '1 s', off = '3 s' } }",
        "rate = '8 /s', arrivals = { jitter = '9 ms' }",
    ] {
        let app = app(arrivals);
        let set =
            ["--set", &app, "--set", "deploy.cut=1", "--set", "space={}", "--set", "deploy.target=edge"];
        let plan = ["emulate", "plan", SCENARIO, "--links", "forwarder", "--json"];
        let planned = offing(&[&plan[..], &set].concat()).expect_code(0).json();
        assert_eq!(planned["runs"][0]["warnings"], json!([]), "{planned}");
    }
    // What holds for all deployments is said once.
    let set = ["--set", "app.outstanding=1"];
    let told =
        offing(&[&["emulate", "plan", SCENARIO, "--links", "forwarder"], &set[..]].concat()).expect_code(2);
    assert_eq!(told.stderr.matches("closed loop").count(), 1, "{}", told.stderr);
    assert!(told.stderr.contains("and 1 more"), "{}", told.stderr);
}
