//! Continuum's own verdict and values, over all files and edge cases recorded in `shared/continuum`.
//!
//! The folder lies beside the workspace or where `OFFING_SHARED` says; without it these tests say so and pass.

use std::path::PathBuf;

use offing_scenarios::continuum::strict;
use serde_json::Value;

/// `shared/continuum`, or nothing where it is absent.
fn shared() -> Option<PathBuf> {
    let folder = match std::env::var_os("OFFING_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = folder.join("continuum");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
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
