//! `offing check`: every issue, or what a file says and what follows.

mod support;

use support::{golden, offing};

#[test]
fn a_scenario_is_shown_with_what_follows_from_it() {
    golden("check-constant", &["check", "data/constant.toml"]);
    golden("check-random", &["check", "data/random.toml", "--set", "deploy.balance=random"]);
    golden("check-local", &["check", "data/files.toml"]);
    golden("check-overload", &["check", "data/overload.toml"]);
}

#[test]
fn every_issue_is_told_at_once() {
    golden("check-broken", &["check", "data/broken.toml"]);
    golden("check-broken-json", &["check", "data/broken.toml", "--json"]);
    golden("check-missing-json", &["check", "data/nowhere.toml", "--json"]);
    golden("check-broken-cfg", &["check", "data/broken.cfg"]);
    golden("check-broken-cfg-strict", &["check", "data/broken.cfg", "--strict"]);
    golden("check-broken-cfg-json", &["check", "data/broken.cfg", "--json"]);
}

#[test]
fn what_cannot_work_is_valid_but_infeasible() {
    golden("check-crowded", &["check", "data/crowded.toml"]);
    let told = offing(&["check", "data/crowded.toml", "--json"]).expect_code(1).json();
    assert_eq!(told["ok"], true);
    assert_eq!(told["derived"]["feasible"], false);
    assert_eq!(told["derived"]["infeasible"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_facts_of_a_scenario_are_there_for_machines() {
    let told = offing(&["check", "data/random.toml", "--json"]).expect_code(0).json();
    assert_eq!(told["ok"], true);
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(0));
    let derived = &told["derived"];
    assert_eq!(derived["target"], "edge");
    assert_eq!(derived["workers_per_node"], 1);
    assert_eq!(derived["endpoints_per_target"], 3.0);
    assert!((derived["load"].as_f64().expect("a number") - 5.0 * 3.0 * 0.06).abs() < 1e-9);
    assert_eq!(derived["links"][0]["up"]["latency_ms"], 8.0);
    assert_eq!(derived["links"][0]["in_force"], true);
}

#[test]
fn a_continuum_file_is_shown_with_its_own_names() {
    golden("check-cameras", &["check", "data/cameras.cfg"]);
    golden("check-sloppy", &["check", "data/sloppy.cfg"]);
    golden("check-set-cfg", &["check", "data/cameras.cfg", "--set", "deploy.workers=2"]);
    let told = offing(&["check", "data/cameras.cfg", "--json"]).expect_code(0).json();
    assert_eq!(told["resolved"]["infrastructure"]["edge_cores"], 4);
    assert_eq!(told["resolved"]["benchmark"]["frequency"], 5);
    let derived = &told["derived"];
    assert_eq!(derived["mode"], "edge");
    assert_eq!(derived["worker_nodes"], 2);
    assert_eq!(derived["endpoints_per_worker"], 4);
    assert_eq!(derived["links"]["edge_endpoint"], serde_json::json!([7.5, 2.5, 29.66]));
    assert_eq!(derived["inequalities"].as_array().map(Vec::len), Some(3));
    assert!(derived["system_load"].is_number());
}

#[test]
fn strict_is_continuum_s_own_verdict() {
    offing(&["check", "data/cameras.cfg", "--strict"]).expect_code(0);
    let rejected = offing(&["check", "data/sloppy.cfg", "--strict", "--json"]).expect_code(2).json();
    assert_eq!(rejected["ok"], false);
    assert_eq!(rejected["resolved"], serde_json::Value::Null);
    assert_eq!(
        rejected["errors"][0]["message"],
        "Config: Invalid type for option infrastructure->edge_quota, expected <class 'float'>"
    );
}
