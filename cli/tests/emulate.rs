//! `offing emulate` and `offing doctor`, against a real engine where one can be started.
#![cfg(feature = "emu")]

mod support;

#[path = "../../emu/tests/support/mod.rs"]
mod real;

mod machine;

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use machine::{able, assert_nothing_left, existing, on_containers, send, state};
use real::{Process, alone, skip};
use serde_json::Value;
use support::{command, offing};

const DEPLOYMENT: &str = "data/emulated.toml";

/// The checks of a proof with one quantity: asked and measured.
fn checks(proof: &Value, quantity: &str) -> Vec<(f64, f64)> {
    let checks = proof["checks"].as_array().expect("a list").iter();
    let number = |check: &Value, key: &str| check[key].as_f64().expect("a number");
    checks
        .filter(|check| check["quantity"] == quantity)
        .map(|check| (number(check, "asked"), number(check, "measured")))
        .collect()
}

#[test]
fn a_deployment_is_made_proved_and_removed() {
    on_containers("a_deployment_is_made_proved_and_removed", |agent| made_proved_and_removed(&agent));
}

fn made_proved_and_removed(agent: &str) {
    let (state, before) = (state("prove"), existing());
    let out = state.join("proof");
    let args = ["emulate", "prove", DEPLOYMENT, "--agent", agent, "--json"];
    let places = ["--state", state.to_str().expect("text"), "--out", out.to_str().expect("text")];
    // Other programs of this machine may take the processors: a proof that fails for that is made again.
    let prove = || offing(&[&args[..], &places].concat());
    let told = (0..2).map(|_| prove()).find(|told| told.code != 1).unwrap_or_else(prove);
    assert_eq!(told.code, 0, "{}{}", told.stdout, told.stderr);
    let proof = told.json();
    assert_eq!(proof["holds"], true);
    let delays = checks(&proof, "delay_ms");
    assert_eq!(delays.len(), 2);
    let there_and_back: f64 = delays.iter().map(|(_, measured)| measured).sum();
    assert!((there_and_back - 20.0).abs() < 0.5, "{there_and_back} ms");
    assert!((checks(&proof, "loss_percent")[0].1 - 5.0).abs() < 0.5 + 0.01, "{proof}");
    assert!((checks(&proof, "rate_mbit_s")[1].1 - 100.0).abs() < 5.0, "{proof}");
    for (asked, measured) in checks(&proof, "processor_cores") {
        assert!((measured / asked - 1.0).abs() < 0.05, "{proof}");
    }
    assert_eq!(checks(&proof, "processor_cores").len(), 2);
    let kept: Value =
        serde_json::from_slice(&fs::read(out.join("proof.json")).expect("it is there")).expect("JSON");
    assert_eq!(kept, proof);
    assert!(out.join("plan.json").is_file());
    assert_nothing_left(&before);
    assert_eq!(offing(&["emulate", "list", places[0], places[1]]).expect_code(0).stdout, "");
    fs::remove_dir_all(state).expect("it is ours");
}

#[test]
fn nodes_have_their_quotas_although_other_programs_are_busy() {
    let name = "nodes_have_their_quotas_although_other_programs_are_busy";
    on_containers(name, |agent| quotas_beside_busy_programs(name, &agent));
}

fn quotas_beside_busy_programs(name: &str, agent: &str) {
    let driver = Command::new("docker").args(["info", "-f", "{{.CgroupDriver}} {{.CgroupVersion}}"]).output();
    let driver = String::from_utf8_lossy(&driver.expect("docker is there").stdout).trim().to_string();
    if driver != "cgroupfs 1" {
        return skip(name, &format!("this engine's control groups are `{driver}`"));
    }
    let (folder, before) = (state("busy"), existing());
    // Four programs of others, each of which weighs as much as all containers of the engine together.
    let endless = ["sh", "-c", "while :; do :; done"];
    let others: Vec<_> = (0..4).map(|_| Process::start("setsid", &endless).expect("it starts")).collect();
    // Together less than one processor: wherever the kernel puts the nodes, none is in another's way.
    let quotas = ["tier.endpoint.nodes=4", "tier.endpoint.quota=0.1", "tier.cloud.quota=0.5"];
    let set: Vec<&str> = quotas.iter().flat_map(|set| ["--set", set]).collect();
    let args = ["emulate", "prove", DEPLOYMENT, "--agent", agent, "--json"];
    let places = ["--state", folder.to_str().expect("text")];
    let told = offing(&[&args[..], &set, &places].concat());
    drop(others);
    let proof = told.json();
    let shares = checks(&proof, "processor_cores");
    assert_eq!(shares.len(), 5);
    for (asked, measured) in shares {
        assert!((measured / asked - 1.0).abs() < 0.05, "{proof}");
    }
    assert_nothing_left(&before);
    let _ = fs::remove_dir_all(folder);
}

/// A proof that is under way: its nodes and links are up.
fn under_way(agent: &str, state: &str) -> Process {
    let mut started = command(&["emulate", "prove", DEPLOYMENT, "--agent", agent, "--state", state]);
    let child = started.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = Process(child.expect("the command starts"));
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let told = offing(&["emulate", "list", "--state", state, "--json"]).json();
        // An image, perhaps a group, two containers, and the links at last.
        let links = |resource: &Value| resource["kind"] == "process" || resource["kind"] == "namespace";
        if told[0]["resources"].as_array().is_some_and(|resources| resources.iter().any(links)) {
            assert_eq!(told[0]["under_way"], true);
            sleep(Duration::from_millis(500));
            return child;
        }
        assert!(Instant::now() < limit, "{told}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_killed_run_has_left_is_removed_and_nothing_else() {
    let _alone = alone();
    let Some(agent) = able("what_a_killed_run_has_left") else { return };
    let (folder, before) = (state("kill"), existing());
    let state = folder.to_str().expect("text");
    let mut child = under_way(&agent, state);
    // A run that is under way is left alone unless it is named.
    assert_eq!(offing(&["emulate", "down", "--state", state]).expect_code(0).stdout, "");
    send(&child, "-9");
    child.0.wait().expect("it was started");
    let told = offing(&["emulate", "list", "--state", state, "--json"]).json();
    assert_eq!(told[0]["under_way"], false);
    assert!(existing().len() > before.len());
    let removed = offing(&["emulate", "down", "--state", state, "--json"]).expect_code(0).json();
    assert_eq!(removed.as_array().map(Vec::len), told[0]["resources"].as_array().map(Vec::len), "{removed}");
    assert_nothing_left(&before);
    assert_eq!(offing(&["emulate", "down", "--state", state]).expect_code(0).stdout, "");
    assert!(before.is_subset(&existing()), "something that is not ours is gone");
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn an_interrupt_removes_what_was_made() {
    let _alone = alone();
    let Some(agent) = able("an_interrupt_removes_what_was_made") else { return };
    let (folder, before) = (state("interrupt"), existing());
    let mut child = under_way(&agent, folder.to_str().expect("text"));
    send(&child, "-INT");
    assert_eq!(child.0.wait().expect("it was started").code(), Some(130));
    assert_nothing_left(&before);
    assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_run_whose_forwarder_dies_is_worth_nothing_and_leaves_nothing() {
    let _alone = alone();
    let Some(agent) = able("a_run_whose_forwarder_dies") else { return };
    let (folder, before) = (state("forwarder"), existing());
    let mut child = under_way(&agent, folder.to_str().expect("text"));
    let forwarders =
        Command::new("pgrep").args(["-P", &child.id().to_string()]).output().expect("pgrep is there");
    let forwarder = String::from_utf8_lossy(&forwarders.stdout).trim().to_string();
    assert!(Command::new("kill").args(["-9", &forwarder]).status().expect("kill is there").success());
    assert_eq!(child.0.wait().expect("it was started").code(), Some(3));
    assert_nothing_left(&before);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn the_kernels_links_are_proved_where_it_has_them() {
    let _alone = alone();
    let name = "the_kernels_links_are_proved";
    let Some(agent) = able(name) else { return };
    let findings = offing(&["doctor", "--json"]).json();
    let netem =
        findings["findings"].as_array().expect("a list").iter().find(|finding| finding["what"] == "netem");
    if netem.expect("the doctor looks for it")["verdict"] != "yes" {
        return skip(name, "this kernel has no netem");
    }
    let (folder, before) = (state("netem"), existing());
    let args = ["emulate", "prove", DEPLOYMENT, "--agent", &agent, "--links", "netem", "--json"];
    let places = ["--state", folder.to_str().expect("text")];
    let told = (0..3).map(|_| offing(&[&args[..], &places].concat())).find(|told| told.code != 1);
    assert_eq!(told.expect("one of three proofs holds").expect_code(0).json()["holds"], true);
    assert_nothing_left(&before);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_plan_says_what_would_be_made_and_makes_nothing() {
    let plan = offing(&["emulate", "plan", DEPLOYMENT, "--links", "forwarder", "--dilate", "2", "--json"])
        .expect_code(0);
    let run = &plan.json()["runs"][0];
    assert_eq!(run["nodes"][1]["name"], "cloud-0");
    assert_eq!(run["nodes"][1]["cpus"], 0.25);
    assert_eq!(run["media"][0]["rate_bit_s"], 50e6);
    assert_eq!(run["paths"][0]["latency"], 20_000_000);
    let told = offing(&["emulate", "plan", DEPLOYMENT]).expect_code(0).stdout;
    for word in ["endpoint-0 > cloud-0", "10 ms", "100 Mbit/s", "5 %"] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn what_this_host_cannot_hold_is_refused_with_the_way_out() {
    let crowded =
        ["emulate", "plan", DEPLOYMENT, "--set", "tier.cloud.cores=4000", "--set", "deploy.workers=1"];
    let told = offing(&crowded).expect_code(2);
    assert!(told.stderr.contains("cores") && told.stderr.contains("`--dilate "), "{}", told.stderr);
    offing(&[&crowded[..], &["--dilate", "auto"]].concat()).expect_code(0);
    let told = offing(&["emulate", "plan", DEPLOYMENT, "--set", "deploy.provider=gcp"]).expect_code(2);
    assert!(told.stderr.contains("docker"), "{}", told.stderr);
}

#[test]
fn without_a_binary_for_the_nodes_nothing_starts() {
    let told = offing(&["emulate", "prove", DEPLOYMENT, "--agent", "/nowhere/agent"]).expect_code(2);
    assert!(told.stderr.contains("lab/agent.sh"), "{}", told.stderr);
}

#[test]
fn the_doctor_says_what_is_missing_and_how_to_get_it() {
    let told = offing(&["doctor", "--json"]);
    let diagnosis = told.json();
    assert_eq!(told.code, if diagnosis["able"] == true { 0 } else { 3 });
    for finding in diagnosis["findings"].as_array().expect("a list") {
        assert_eq!(finding["advice"].is_null(), finding["verdict"] == "yes", "{finding}");
    }
    assert_eq!(offing(&["doctor"]).code, told.code);
}
