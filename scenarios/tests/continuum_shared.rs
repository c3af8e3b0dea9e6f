//! Continuum's own verdict and values, over all files and edge cases recorded in `shared/continuum`.
//!
//! The folder lies beside the workspace or where `OFFING_SHARED` says; without it these tests say so and pass.
#![expect(clippy::print_stdout, reason = "a test that cannot run says so")]

mod continuum_support;

use std::path::PathBuf;

use continuum_support::{app, deployment};
use offing_scenarios::continuum::{Semantics, derive, from_deployment, lenient, place, strict, to_scenario};
use serde_json::Value;

/// `shared/continuum`, or nothing where it is absent.
fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("OFFING_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = folder.join("continuum");
    if !folder.is_dir() {
        println!("skipped: continuum_shared: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("readable")).expect("JSON")
}

/// The recorded files with their texts.
fn files() -> Vec<(Value, String)> {
    let Some(folder) = shared() else { return Vec::new() };
    let expected = json(folder.join("expected.json"));
    let files = expected["files"].as_array().expect("a list").clone();
    assert_eq!(files.len(), 100);
    let text = |file: &Value| {
        let name = file["file"].as_str().expect("a name");
        std::fs::read_to_string(folder.join("cfg").join(name)).expect("readable")
    };
    files.into_iter().map(|file| (file.clone(), text(&file))).collect()
}

/// Compares a verdict with the recorded one.
fn check(name: &str, text: &str, expected: &Value) {
    match strict(text, name) {
        Ok(resolved) => {
            assert_eq!(expected["error"], Value::Null, "{name} is to be rejected");
            let resolved = serde_json::to_value(resolved).expect("plain data");
            assert_eq!(resolved, expected["resolved"], "{name}");
        }
        Err(rejection) => {
            assert_eq!(Value::from(rejection.message), expected["error"], "{name}");
            let exit_code = expected.get("exit").cloned().unwrap_or(Value::from(2));
            assert_eq!(Value::from(rejection.exit_code), exit_code, "{name}");
        }
    }
}

#[test]
fn every_file_gets_continuums_verdict_and_values() {
    for (file, text) in files() {
        let name = file["file"].as_str().expect("a name");
        check(name, &text, &file["strict"]);
        let Some(filled) = file.get("strict_filled") else { continue };
        let mut text = text;
        for (option, value) in filled["fill"].as_object().into_iter().flatten() {
            let value = value.as_str().expect("a text");
            let lines = text.lines().map(|line| match line.trim_end().strip_suffix('=') {
                Some(start) if start.trim() == option => format!("{option} = {value}\n"),
                _ => format!("{line}\n"),
            });
            text = lines.collect();
        }
        check(name, &text, filled);
    }
}

#[test]
fn every_edge_case_gets_continuums_verdict_and_values() {
    let Some(folder) = shared() else { return };
    let cases = json(folder.join("edge_cases.json"));
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 87);
    for case in cases {
        let name = format!("{}.cfg", case["name"].as_str().expect("a name"));
        check(&name, case["text"].as_str().expect("a text"), case);
    }
}

/// The lenient rules of the record, and a part of the warning that each gives here.
const RULES: [(&str, &str); 8] = [
    ("blank_cloud_account", "a simulation does not need it"),
    ("missing_memory", "the memory of these nodes is unknown"),
    ("unused_tier_zero", "is ignored, because there are no"),
    ("kata_stress_or_mem", "its template allows kube_kata"),
    ("resource_manager_missing", "`none`, because there are only endpoints"),
    ("rm_only_with_application", "ignored, because `resource_manager_only` is set"),
    ("baremetal_check", "Continuum's check of bare metal fails"),
    ("inline_comments", "starts no comment in Continuum"),
];

#[test]
fn every_repair_that_a_file_needs_is_a_warning_and_none_is_made_without_need() {
    for (file, text) in files() {
        let name = file["file"].as_str().expect("a name");
        let read = lenient(&text, name);
        let found = read.as_ref().map_or_else(|issues| issues, |(_, issues)| issues);
        let needed = file["needs_lenient"].as_array().expect("a list");
        for (rule, part) in RULES {
            let made = found.iter().any(|issue| issue.message.contains(part));
            assert_eq!(made, needed.contains(&Value::from(rule)), "{name}: {rule}");
        }
        for issue in found {
            let line = text.lines().nth(issue.line - 1).expect("a line of the file");
            assert!(issue.column <= line.chars().count() + 1, "{name}: {issue}");
        }
        if needed.is_empty() {
            let (resolved, _) = read.expect("accepted");
            assert_eq!(Ok(resolved), strict(&text, name), "{name}: an accepted file means what it says");
        }
    }
}

#[test]
fn every_file_yields_the_recorded_facts() {
    for (file, text) in files() {
        let name = file["file"].as_str().expect("a name");
        let Some(intended) = file["intended"].as_object() else {
            let issues = lenient(&text, name).expect_err("it contradicts itself");
            assert!(
                issues.iter().any(|issue| issue.message.contains("Kubernetes requires #clouds>=1, #edges=0"))
            );
            continue;
        };
        let (resolved, _) = lenient(&text, name).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
        let derived =
            serde_json::to_value(derive(&resolved, Semantics::Continuum, &app())).expect("plain data");
        for (fact, value) in intended {
            assert_eq!(&derived[fact], value, "{name}: {fact}");
        }
    }
}

#[test]
fn every_file_with_requests_becomes_a_scenario_and_comes_back() {
    let (mut imported, mut exported) = (0, 0);
    for (file, text) in files() {
        let name = file["file"].as_str().expect("a name");
        let Ok((resolved, _)) = lenient(&text, name) else { continue };
        let classifies = resolved.application() == Some("image_classification");
        for semantics in [Semantics::Continuum, Semantics::Intended] {
            let scenario = to_scenario(&resolved, semantics, &app(), name);
            assert_eq!(scenario.is_ok(), classifies, "{name}: {scenario:?}");
            let Ok(scenario) = scenario else { continue };
            imported += 1;
            toml::from_str::<toml::Table>(&scenario).unwrap_or_else(|e| panic!("{name}: {e}\n{scenario}"));
            let placed = place(&resolved, semantics).expect("it became a scenario");
            if resolved.provider() == "baremetal" {
                from_deployment(&deployment(&placed), name).expect_err("Continuum accepts no bare metal");
                continue;
            }
            let (cfg, _) =
                from_deployment(&deployment(&placed), name).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let back = strict(&cfg, "back.cfg").unwrap_or_else(|e| panic!("{name}: {e}\n{cfg}"));
            let mut again = place(&back, semantics).unwrap_or_else(|e| panic!("{name}: {e:?}\n{cfg}"));
            if placed.endpoint.memory_gib.is_none() {
                again.endpoint.memory_gib = None;
            }
            if let (Some((_, again)), Some((_, nodes))) = (&mut again.target, &placed.target) {
                again.memory_gib = nodes.memory_gib.and(again.memory_gib);
            }
            assert_eq!(again, placed, "{name}\n{cfg}");
            exported += 1;
        }
    }
    if shared().is_some() {
        assert_eq!((imported, exported), (98, 96));
    }
}
