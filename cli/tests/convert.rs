//! `offing import` and `offing export`.

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use support::{command, golden, offing, scratch};

#[test]
fn export_and_import_give_the_same_scenario_again() {
    let (first, second) = (scratch("first.toml"), scratch("exported.cfg"));
    let [first, second] = [&first, &second].map(|path| path.to_str().expect("text"));
    offing(&["import", "data/cameras.cfg", "--out", first]).expect_code(0);
    offing(&["export", first, "--to", "continuum", "--out", second]).expect_code(0);
    offing(&["check", second, "--strict"]).expect_code(0);
    let of = |file: &str| {
        let told = offing(&["check", file, "--json", "--set", "name=same"]);
        told.expect_code(0).json()["derived"]["deployment"].clone()
    };
    let third = scratch("again.toml");
    let third = third.to_str().expect("text");
    offing(&["import", second, "--out", third]).expect_code(0);
    assert_eq!(of(first), of(third));
    assert!(of(first).is_string());
}

#[test]
fn what_continuum_cannot_express_is_said() {
    golden("export-random", &["export", "data/random.toml", "--to", "continuum"]);
    golden("export-elsewhere", &["export", "data/random.toml", "--to", "nowhere"]);
}

#[test]
fn standard_input_is_a_scenario() {
    let text = offing(&["import", "data/cameras.cfg"]).expect_code(0).stdout;
    let mut child = command(&["simulate", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads all");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["scenario"], "cameras");
}

#[test]
fn an_output_that_exists_is_replaced_and_the_input_is_not() {
    let path = scratch("out.toml");
    fs::write(&path, "old and much longer than what comes".repeat(1000)).expect("writable");
    let file = path.to_str().expect("text");
    offing(&["import", "data/cameras.cfg", "--out", file]).expect_code(0);
    assert!(
        fs::read_to_string(&path).expect("it is there").starts_with("# Read from a Continuum configuration")
    );
    let itself = offing(&["import", "data/cameras.cfg", "--out", "data/cameras.cfg"]).expect_code(2);
    assert!(
        itself.stderr.ends_with("error: `data/cameras.cfg` would overwrite what is read\n"),
        "{}",
        itself.stderr
    );
}
