//! `offing invert`: answers by hand, and what is said of questions that cannot be asked.

mod support;

use std::fs;
use std::path::Path;

use support::{golden, offing, offing_in};

/// A file of 81 ms: 1 to prepare, 10 + 10 on the way, 50 to process, and 10 kB at 8 Mbit/s.
const FILE: &str = "data/constant.toml";

#[test]
fn the_smallest_speed_for_a_latency_can_be_checked_by_hand() {
    // 31 ms do not depend on it: 50 / (51 - 31) = 2.5.
    let args = ["invert", FILE, "--for", "tier.cloud.speed", "--such-that", "latency_p95_ms <= 51"];
    golden("invert-speed", &args);
    let told = offing(&[&args[..], &["--json"]].concat()).expect_code(0).json();
    let value = told["value"].as_f64().expect("a value");
    assert!((2.5..2.5025).contains(&value), "{value}");
    assert_eq!((told["direction"].as_str(), told["division"].as_str()), (Some("smallest"), Some("boundary")));
    assert_eq!(told["at_value"]["meets"], true);
    let next = told["at_next"]["metrics"]["latency_p95_ms"].as_f64().expect("known");
    assert!(next > 51.0 && next < 51.03, "{next}");
    assert!(
        told["ci95"][0].as_f64() <= Some(2.5) && told["ci95"][1].as_f64() >= Some(2.5),
        "{}",
        told["ci95"]
    );
    let text = told["text"].as_str().expect("text");
    let set = format!("tier.cloud.speed={text}");
    let there = offing(&["simulate", FILE, "--set", &set, "--json"]).expect_code(0).json();
    assert!(there["latency_ms"]["p95"].as_f64() <= Some(51.0), "what is told can be set");
}

#[test]
fn whole_numbers_stay_whole() {
    // 50 ms a second each on one worker of two cores: 18 keep the load below 0.9 + 0.001.
    let args =
        ["invert", FILE, "--for", "tier.endpoint.nodes", "--such-that", "load <= 0.901", "--to", "100"];
    golden("invert-nodes", &[&args[..], &["--set", "duration=20 s"]].concat());
}

#[test]
fn the_longest_way_with_units_is_told_with_units() {
    // 1 + 2 x + 60 ms: 70 ms allow 4.5 ms each way.
    let args =
        ["invert", FILE, "--for", "link.endpoint-cloud.latency", "--such-that", "latency_p95_ms <= 70"];
    let ends = ["--from", "1 ms", "--to", "20 ms", "--step", "0.5 ms", "--set", "duration=20 s"];
    golden("invert-latency", &[&args[..], &ends].concat());
}

#[test]
fn edge_and_cloud_are_equal_where_it_can_be_computed() {
    // 50 / x at the endpoint against 81 ms.
    let args = ["invert", FILE, "--break-even", "tier.endpoint.speed", "--between", "endpoint", "cloud"];
    let told = offing(&[&args[..], &["--set", "app.prepare=0 s", "--json"]].concat()).expect_code(0).json();
    let value = told["value"].as_f64().expect("a value");
    assert!((value / (50.0 / 80.0) - 1.0).abs() < 1e-4, "{value}");
    assert_eq!(told["better_below"], "cloud");
    golden(
        "invert-break-even",
        &[&args[..], &["--metric", "latency_mean_ms", "--set", "duration=20 s"]].concat(),
    );
}

#[test]
fn the_goal_of_the_file_counts_where_nothing_is_said() {
    let goal = ["--set", "goal.require=[\"load <= 0.5\", \"latency_p95_ms <= 100\"]"];
    let args = ["invert", FILE, "--for", "app.rate", "--json", "--set", "duration=100 s"];
    let told = offing(&[&args[..], &goal].concat()).expect_code(0).json();
    let value = told["value"].as_f64().expect("a value");
    assert!((9.99..=10.0).contains(&value), "half of 20 /s: {value}");
    assert_eq!(told["requirements"].as_array().map(Vec::len), Some(2));
    golden("invert-no-goal", &args);
}

#[test]
fn a_range_without_an_answer_ends_with_1_and_the_numbers() {
    let fast = ["--such-that", "latency_p95_ms <= 20", "--set", "duration=20 s"];
    golden("invert-nothing", &[&["invert", FILE, "--for", "tier.cloud.speed"], &fast[..]].concat());
    let full = ["--such-that", "stable", "--set", "app.memory=4 GiB", "--to", "4"];
    golden("invert-full", &[&["invert", FILE, "--for", "tier.cloud.nodes"], &full[..]].concat());
    let slow = ["--such-that", "latency_p95_ms <= 2000", "--largest", "--from", "1", "--to", "4"];
    let args = [&["invert", FILE, "--for", "tier.cloud.nodes", "--set", "duration=20 s"], &slow[..]].concat();
    golden("invert-everything", &args);
    let never = ["--break-even", "link.endpoint-cloud.latency", "--between", "endpoint", "cloud", "--json"];
    let told = offing(&[&["invert", FILE], &never[..]].concat()).expect_code(1).json();
    assert_eq!((told["value"].as_f64(), told["better_below"].as_str()), (None, Some("endpoint")));
}

#[test]
fn a_question_that_cannot_be_asked_says_what_to_write() {
    let condition = ["--such-that", "load < 0.9"];
    for (name, key) in [
        ("key", "tier.cloud.crs"),
        ("tier", "tier.clod.cores"),
        ("word", "deploy.target"),
        ("table", "app.process"),
        ("unlimited", "deploy.queue"),
        ("absent", "app.outstanding"),
    ] {
        let set: &[&str] = &["--set", "app.process={ exponential = { mean = \"50 ms\" } }"];
        let args =
            [&["invert", FILE, "--for", key][..], &condition[..], if name == "table" { set } else { &[] }]
                .concat();
        golden(&format!("invert-bad-{name}"), &args);
    }
    golden("invert-bad-metric", &["invert", FILE, "--for", "app.rate", "--such-that", "latency_p59_ms <= 5"]);
    golden(
        "invert-bad-from",
        &["invert", FILE, "--for", "app.rate", "--such-that", "load < 1", "--from", "2"],
    );
    golden(
        "invert-bad-range",
        &["invert", FILE, "--for", "app.rate", "--such-that", "load < 1", "--from", "9 /s", "--to", "1 /s"],
    );
    golden(
        "invert-bad-end",
        &["invert", FILE, "--for", "tier.cloud.quota", "--such-that", "load < 1", "--to", "2"],
    );
    let equal = ["invert", FILE, "--break-even", "app.rate", "--between", "endpoint"];
    golden("invert-bad-target", &[&equal[..], &["clod"]].concat());
    golden("invert-bad-column", &[&equal[..], &["cloud", "--metric", "latency_ms"]].concat());
    golden("invert-bad-options", &["invert", FILE]);
}

#[test]
fn the_same_question_gives_the_same_bytes() {
    let args = [
        "invert",
        "data/random.toml",
        "--for",
        "tier.endpoint.nodes",
        "--such-that",
        "latency_p95_ms <= 300",
        "--json",
    ];
    let first = offing(&args).expect_code(0).stdout;
    assert_eq!(first, offing(&args).expect_code(0).stdout);
    let other = offing(&[&args[..], &["--seed", "8", "--runs", "2"]].concat()).expect_code(0).json();
    assert_eq!(other["runs_per_value"], 2);
}

/// `OFFING_BLESS=1` writes what the command prints now.
#[test]
fn the_examples_of_the_manual_are_what_the_command_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/invert.md");
    let manual = fs::read_to_string(&path).expect("there is a manual");
    let mut current = manual.clone();
    let examples: Vec<&str> =
        manual.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let command = example.lines().next().expect("a command").trim_start_matches("$ offing ");
        // What stands between quotes is one word.
        let quoted = command.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(String::from).collect(),
            _ => vec![part.to_string()],
        });
        let args: Vec<String> = quoted.map(|word| word.replace("scenarios/", "../../scenarios/")).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let shown = offing_in(&args, &[("COLUMNS", "100")]).expect_code(0).stdout;
        current = current.replace(example, &format!("$ offing {command}\n{shown}"));
    }
    if std::env::var_os("OFFING_BLESS").is_some() {
        fs::write(&path, &current).expect("the manual can be written");
    } else {
        assert!(current == manual, "docs/invert.md is not current: OFFING_BLESS=1 writes it");
    }
}
