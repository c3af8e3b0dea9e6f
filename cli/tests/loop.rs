//! `offing loop` with recorded runs: no engine needed.
//!
//! The world in which they are recorded is a simulated one, in which work takes longer and links have more latency than
//! the scenario says.
#![cfg(feature = "emu")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Outcome, offing, offing_in, scratch};

const SCENARIO: &str = "data/looped.toml";

/// A folder for a test alone, which does not exist yet.
fn folder(name: &str) -> PathBuf {
    let path = scratch(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn read(path: PathBuf) -> Value {
    let text = fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// What runs in the world take, against what is stated.
const SLOWER: [&str; 3] = [
    "app.process={ lognormal = { mean = \"17 ms\", cv = 0.2 } }",
    "link.endpoint-cloud.latency=62 ms",
    "link.endpoint-edge.latency=7 ms",
];

/// Records every deployment of the space. `world` tells the differences to the scenario by the number of edge nodes, 0 for
/// the cloud.
fn record(name: &str, world: &dyn Fn(u32) -> Vec<String>) -> PathBuf {
    let folder = folder(name);
    for (target, nodes) in [("edge", 1), ("edge", 2), ("edge", 4), ("cloud", 1), ("cloud", 2), ("cloud", 4)] {
        let stated = vec![format!("deploy.target={target}"), format!("tier.edge.nodes={nodes}")];
        let simulate = |set: &[String], more: &[&str]| {
            let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
            offing(&[&["simulate", SCENARIO, "--json"], &set[..], more].concat()).expect_code(0).json()
        };
        let id = simulate(&stated, &[])["deployment"].as_str().expect("a text").to_string();
        let run = folder.join("runs").join(format!("{id}-1"));
        fs::create_dir_all(&run).expect("it can be made");
        let number = if target == "cloud" { 0 } else { nodes };
        let trace = run.join("requests.csv");
        let told = simulate(&[stated, world(number)].concat(), &["--trace", text(&trace)]);
        // Of the target tier, as one node: processor time is what the quota allows times the utilization.
        let allowed =
            told["observed_s"].as_f64().expect("a number") * if target == "edge" { 0.25 } else { 0.5 };
        let used = allowed * told["utilization"][target].as_f64().expect("a number");
        let facts = json!({
            "valid": true, "dilate": 1.0, "application": "network", "transport": "mqtt",
            "nodes": [
                { "name": format!("{target}-0"), "tier": target, "allowed_cpu_seconds": allowed, "cpu_seconds": used },
            ],
        });
        fs::write(run.join("run.json"), facts.to_string()).expect("it can be written");
    }
    folder
}

fn slower(_: u32) -> Vec<String> {
    SLOWER.map(String::from).into()
}

fn begin(recorded: &Path, out: &Path, budget: &str) -> Outcome {
    let (recorded, out) = (text(recorded), text(out));
    let args = ["loop", SCENARIO, "--on", "rehearsal", "--recorded", recorded, "--budget", budget];
    offing(&[&args[..], &["--out", out, "--links", "forwarder", "--json"]].concat())
}

#[test]
fn a_pick_is_confirmed_by_measurement_and_the_loop_can_be_cut_anywhere() {
    let (recorded, out) = (record("loop-recorded", &slower), folder("loop-confirmed"));
    let outcome = begin(&recorded, &out, "20min").expect_code(0);
    let told = outcome.json();
    assert_eq!(told, read(out.join("loop.json")));
    assert_eq!(told["confirmed"], true, "{told}");
    // It is the best of the world: four edge nodes, and its measured value is inside of the interval.
    assert_eq!(told["pick"]["axes"]["tier.edge.nodes"], "4", "{told}");
    let (pick, number) = (&told["pick"], |value: &Value| value.as_f64().expect("a number"));
    let measured = number(&pick["measured"]);
    assert!(number(&pick["interval"][0]) <= measured && measured <= number(&pick["interval"][1]), "{told}");
    for other in told["deployments"].as_array().expect("a list") {
        let best = match other["is_measured"].as_bool() {
            Some(true) => number(&other["measured"]),
            _ => number(&other["interval"][0]),
        };
        assert!(best >= measured, "{other}");
    }
    // What was learned is nearer to the world than what was stated.
    let fitted = read(out.join("03-calibrate/parameters.json"));
    let fitted = fitted.as_array().expect("a list");
    let of = |name: &str| fitted.iter().find(|one| one["parameter"] == name).map(|one| number(&one["value"]));
    assert!((of("overheads.link.up_fixed").expect("it is fitted") - 2.0).abs() < 0.5, "{fitted:?}");
    let folders = |steps: &Value| -> Vec<String> {
        let steps = steps.as_array().expect("a list").iter();
        steps.map(|step| step["folder"].as_str().expect("a text").into()).collect()
    };
    let steps = folders(&told["steps"]);
    assert_eq!(steps[..4], ["01-explore", "02-measure", "03-calibrate", "04-explore"]);
    assert!(steps.iter().all(|step| out.join(step).join("manifest.json").is_file()), "{steps:?}");
    let runs =
        told["deployments"].as_array().unwrap().iter().filter(|one| one["is_measured"] == true).count();
    assert_eq!(told["spent_s"], 70.0 * runs as f64, "{told}");
    let page = fs::read_to_string(out.join("loop.md")).expect("it is there");
    for words in ["the pick is confirmed", "**The pick**", "**The runner-up**", "**The doubt that is left**"]
    {
        assert!(page.contains(words), "{page}");
    }
    // The report begins with it, and shows what was explored at last and all that was measured.
    let report = offing(&["report", text(&out)]).expect_code(0).stdout;
    assert!(report.contains("is confirmed: its measured latency_p95_ms"), "{report}");
    let page = fs::read_to_string(out.join("report.html")).expect("it is written");
    assert!(page.contains("02-measure") && page.contains(steps.last().expect("there are some").as_str()));
    // On a terminal it fits, and says what to do next.
    let shown = offing_in(&["loop", "--resume", text(&out)], &[("COLUMNS", "80")]).expect_code(0).stdout;
    assert!(shown.contains("\nnext") && shown.contains("\nThe pick:"), "{shown}");
    let long = |line: &&str| line.chars().count() > 80 && !line.contains(text(&out));
    assert!(!shown.lines().any(|line| long(&line)), "{shown}");
    // Whatever is lost from the end is made again, and the end is the same.
    for kept in 1..steps.len() {
        steps[kept..].iter().for_each(|step| fs::remove_dir_all(out.join(step)).expect("it is there"));
        fs::remove_file(out.join("loop.json")).expect("it is there");
        let again = offing(&["loop", "--resume", text(&out), "--json"]).expect_code(0);
        assert_eq!(again.json(), told, "from {kept}");
    }
    let taken = begin(&recorded, &out, "20min").expect_code(2);
    assert!(taken.stderr.contains("is not empty"), "{}", taken.stderr);
}

#[test]
fn a_budget_that_is_too_small_says_so_and_more_of_it_goes_on() {
    let (recorded, out) = (record("loop-recorded-budget", &slower), folder("loop-budget"));
    let told = begin(&recorded, &out, "60s").expect_code(1).json();
    assert_eq!((told["confirmed"].as_bool(), told["spent_s"].as_f64()), (Some(false), Some(0.0)), "{told}");
    assert!(told["reason"].as_str().unwrap().contains("does not hold the next run"), "{told}");
    assert!(!out.join("02-measure").exists());
    let resume = ["loop", "--resume", text(&out), "--json", "--budget"];
    let told = offing(&[&resume[..], &["100 s"]].concat()).expect_code(1).json();
    assert_eq!(told["spent_s"], 70.0, "{told}");
    assert!(told["reason"].as_str().unwrap().contains("does not hold the next run"), "{told}");
    assert!(!told["pick"].is_null(), "{told}");
    let told = offing(&[&resume[..], &["20 min"]].concat()).expect_code(0).json();
    assert_eq!(told["pick"]["axes"]["tier.edge.nodes"], "4", "{told}");
}

#[test]
fn a_pick_that_the_models_do_not_explain_is_not_confirmed() {
    // Four edge nodes are the best still, but of a kind that no other deployment tells about.
    let world = |nodes: u32| match nodes {
        4 => vec!["app.process=4 ms".into(), "link.endpoint-edge.latency=1 ms".into()],
        _ => slower(nodes),
    };
    let (recorded, out) = (record("loop-recorded-strange", &world), folder("loop-strange"));
    let told = begin(&recorded, &out, "30min").expect_code(1).json();
    assert_eq!(told["pick"]["axes"]["tier.edge.nodes"], "4", "{told}");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("is outside of the 95 % interval"), "{reason}");
    assert!(told["spent_s"].as_f64().unwrap() <= 1800.0);
}

#[test]
fn what_cannot_be_looped_is_bad_input() {
    let none = folder("loop-none");
    fs::create_dir_all(&none).expect("it can be made");
    let told = offing(&["loop", "--resume", text(&none)]).expect_code(2);
    assert!(told.stderr.contains("there is no loop in"), "{}", told.stderr);
    assert!(offing(&["loop", SCENARIO]).expect_code(2).stderr.contains("--budget"));
    let told = offing(&["loop", SCENARIO, "--budget", "soon"]).expect_code(2);
    assert!(told.stderr.contains("for example"), "{}", told.stderr);
    let told = offing(&["loop", SCENARIO, "--budget", "1min", "--on", "rehearsal"]).expect_code(2);
    assert!(told.stderr.contains("--recorded"), "{}", told.stderr);
}
