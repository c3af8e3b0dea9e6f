//! The committed schema and the table of keys in the manual are current. `UPDATE=1` writes them.

mod common;

use std::fs;
use std::path::Path;

use common::library;
use offing_scenarios::{key_reference, schema};

fn docs(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares a file with what it should say, or writes it.
fn is_current(name: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(docs(name), expected).expect("the manual can be written");
    }
    let current = fs::read_to_string(docs(name)).unwrap_or_default();
    assert!(
        current == expected,
        "docs/{name} is not current: run `UPDATE=1 cargo test -p offing-scenarios --test documents`"
    );
}

#[test]
fn the_committed_schema_is_current() {
    let text = serde_json::to_string_pretty(&schema()).expect("plain data");
    is_current("scenario.schema.json", &format!("{text}\n"));
}

#[test]
fn the_table_of_keys_in_the_manual_is_current() {
    const BEGIN: &str = "<!-- keys: written by the test `documents` -->\n";
    const END: &str = "<!-- end of keys -->\n";
    let manual = fs::read_to_string(docs("scenario-format.md")).expect("there is a manual");
    let (before, rest) = manual.split_once(BEGIN).expect("the manual has a place for the keys");
    let (_, after) = rest.split_once(END).expect("the manual has a place for the keys");
    is_current("scenario-format.md", &format!("{before}{BEGIN}{}{END}{after}", key_reference()));
}

/// What an editor sees of a TOML file.
fn json(text: &str) -> serde_json::Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("TOML fits in JSON")
}

#[test]
fn the_library_follows_the_schema() {
    let validator = jsonschema::draft202012::new(&schema()).expect("the schema is one");
    for path in library() {
        let text = fs::read_to_string(&path).expect("readable");
        let faults: Vec<String> = validator
            .iter_errors(&json(&text))
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn the_schema_finds_simple_mistakes() {
    let validator = jsonschema::draft202012::new(&schema()).expect("the schema is one");
    let video = include_str!("../library/video.toml");
    for (right, wrong) in [
        ("rate = \"5 /s\"", "rate = \"5\""),
        ("rate = \"5 /s\"", "rat = \"5 /s\""),
        ("nodes = 4", "nodes = -4"),
        ("quota = 0.5 ", "quota = 1.5 "),
        ("balance = \"static\"", "balance = \"statik\""),
        ("cv = 0.06", "vc = 0.06"),
        ("[tier.endpoint]", "[tier.end]"),
    ] {
        assert!(video.contains(right), "{right}");
        assert!(!validator.is_valid(&json(&video.replacen(right, wrong, 1))), "{wrong}");
    }
}

/// The manual's own examples, with what the fragments leave out.
#[test]
fn the_examples_of_the_manual_load() {
    let manual = fs::read_to_string(docs("scenario-format.md")).expect("there is a manual");
    let blocks: Vec<&str> = manual
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("the block ends").0)
        .collect();
    let [first, space, goal] = blocks.as_slice() else { panic!("{} examples", blocks.len()) };
    for text in [
        (*first).to_string(),
        format!("{first}\n[tier.edge]\n[[link]]\nbetween = ['endpoint', 'edge']\n{space}{goal}"),
    ] {
        match offing_scenarios::load(&text, "manual.toml", &common::no_files, &common::presets(), &[]) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{text}"),
            Err(issues) => {
                panic!("{}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}
