//! `offing simulate`: what it prints, what it writes, and how it ends.

mod support;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use support::{Outcome, golden, offing, offing_in, scratch};

const PARTS: [&str; 5] = ["prepare", "uplink", "queue", "process", "downlink"];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn the_table_of_a_deployment_without_chance_can_be_checked_by_hand() {
    golden("simulate-constant", &["simulate", "data/constant.toml"]);
}

#[test]
fn the_json_of_a_deployment_without_chance_is_exact() {
    let told = offing(&["simulate", "data/constant.toml", "--json"]).expect_code(0).json();
    let mean = |part: &str| number(&told["parts_ms"][part]["mean"]);
    assert_eq!(PARTS.map(mean), [1.0, 20.0, 0.0, 50.0, 10.0]);
    for of in ["mean", "min", "p50", "p90", "p95", "p99", "p999", "max", "trimmed_mean"] {
        assert!((number(&told["latency_ms"][of]) - 81.0).abs() < 1e-9, "{of}: {}", told["latency_ms"]);
    }
    assert_eq!(told["requests"]["offered"], 1000);
    assert_eq!(told["scenario"], "constant");
    assert_eq!(told["engine"], "stations");
    assert!(
        (number(&told["utilization"]["cloud"]) - 0.025).abs() < 1e-4,
        "two cores, 50 ms a second: {told}"
    );
    assert!((number(&told["load"]) - 0.05).abs() < 1e-9, "one worker, 50 ms a second");
    assert_eq!(told["cost_usd_per_hour"], 0.5);
    assert_eq!(told["deadline_miss_share"], 0.0);
    assert_eq!(told["energy_j_per_request"], Value::Null, "the file says nothing about power");
}

#[test]
fn json_has_every_field_with_its_type() {
    let outcome = offing(&["simulate", "data/random.toml", "--json"]).expect_code(0);
    assert_eq!(outcome.stdout.lines().count(), 1, "one object on one line, and nothing else");
    let told = outcome.json();
    for text in ["scenario", "deployment", "models", "engine", "bottleneck"] {
        assert!(told[text].is_string(), "{text}");
    }
    for count in
        ["/seed", "/requests/offered", "/requests/completed", "/requests/dropped", "/requests/unfinished"]
    {
        assert!(told.pointer(count).is_some_and(Value::is_u64), "{count}");
    }
    for of in ["mean", "sd", "min", "p50", "p90", "p95", "p99", "p999", "max", "trimmed_mean"] {
        number(&told["latency_ms"][of]);
    }
    for of in ["mean", "p50", "p95", "p99"] {
        let [low, high] = [0, 1].map(|end| number(&told["latency_ci95_ms"][of][end]));
        let value = number(&told["latency_ms"][of]);
        assert!(low < value && value < high, "{of}: {low} {value} {high}");
    }
    for part in PARTS {
        for of in ["mean", "p50", "p95", "p99"] {
            number(&told["parts_ms"][part][of]);
        }
    }
    let utilization = number(&told["utilization"]["edge"]);
    assert!((0.5..1.0).contains(&utilization), "{utilization}");
    assert!(told["utilization"]["endpoint"].is_number());
    for of in ["load", "throughput_rps", "cost_usd_per_hour", "dropped_share"] {
        number(&told[of]);
    }
    assert!(told["stable"].is_boolean());
    assert!(told["warnings"].is_array());
    assert!(told["deployment"].as_str().is_some_and(|id| id.len() == 16));
}

#[test]
fn the_means_of_the_parts_add_up_to_the_mean_latency() {
    for file in ["data/random.toml", "data/constant.toml", "data/cameras.cfg", "data/files.toml"] {
        let told = offing(&["simulate", file, "--json"]).expect_code(0).json();
        let sum: f64 = PARTS.iter().map(|part| number(&told["parts_ms"][part]["mean"])).sum();
        assert!((sum - number(&told["latency_ms"]["mean"])).abs() < 1e-9, "{file}: {sum}");
        let requests = &told["requests"];
        let fates: u64 =
            ["completed", "dropped", "unfinished"].iter().filter_map(|f| requests[f].as_u64()).sum();
        assert_eq!(Some(fates), requests["offered"].as_u64(), "{file}");
    }
}

#[test]
fn both_engines_print_the_same_numbers() {
    let of = |engine: &str| {
        let args = ["simulate", "data/random.toml", "--json", "--engine", engine];
        let mut told = offing(&args).expect_code(0).json();
        let made_by = told["engine"].take();
        (told, made_by)
    };
    let (auto, fast) = of("auto");
    let (events, general) = of("events");
    assert_eq!((fast.as_str(), general.as_str()), (Some("stations"), Some("events")));
    assert_eq!(auto, events);
    assert_eq!(of("stations").0, auto);
}

#[test]
fn the_station_engine_says_what_it_cannot_run() {
    let state = ["--set", "deploy.balance=least-waiting"];
    let args = |engine| [&["simulate", "data/random.toml", "--engine", engine], &state[..]].concat();
    let refused = offing(&args("stations")).expect_code(2);
    assert_eq!(
        refused.stderr,
        "error: the station engine cannot run this deployment\n  hint: leave `--engine` out, or write `--engine events`\n"
    );
    assert_eq!(refused.stdout, "");
    let auto = offing(&[&args("auto")[..], &["--json"]].concat()).expect_code(0);
    assert_eq!(auto.json()["engine"], "events");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let run = |seed: &str| {
        offing(&["simulate", "data/random.toml", "--json", "--seed", seed]).expect_code(0).stdout
    };
    assert_eq!(run("42"), run("42"));
    assert_ne!(run("42"), run("43"));
    let of_the_file = offing(&["simulate", "data/random.toml", "--json"]).expect_code(0).stdout;
    assert_eq!(of_the_file, run("7"), "the file's own seed is 7");
}

#[test]
fn set_replaces_any_key() {
    let args =
        ["simulate", "data/constant.toml", "--json", "--set", "app.process=60 ms", "--set", "name=\"other\""];
    let told = offing(&args).expect_code(0).json();
    assert_eq!(told["parts_ms"]["process"]["mean"], 60.0);
    assert_eq!(told["scenario"], "other");
    golden("simulate-set-unknown", &["simulate", "data/constant.toml", "--set", "tier.cloud.crs=4"]);
    golden("simulate-set-unit", &["simulate", "data/constant.toml", "--set", "app.process=60 mm"]);
    golden("simulate-set-shape", &["simulate", "data/constant.toml", "--set", "app.process"]);
}

#[test]
fn a_csv_has_one_header_and_one_row_with_units_last() {
    let Outcome { stdout, .. } = offing(&["simulate", "data/random.toml", "--csv"]).expect_code(0);
    let lines: Vec<Vec<&str>> = stdout.lines().map(|line| line.split(',').collect()).collect();
    let [header, row] = &lines[..] else { panic!("{stdout}") };
    assert_eq!(header.len(), row.len());
    let cells: BTreeMap<&str, &str> = header.iter().copied().zip(row.iter().copied()).collect();
    let told = offing(&["simulate", "data/random.toml", "--json"]).expect_code(0).json();
    let columns = [
        ("latency_p95_ms", "/latency_ms/p95"),
        ("latency_p95_ci95_high_ms", "/latency_ci95_ms/p95/1"),
        ("queue_mean_ms", "/parts_ms/queue/mean"),
        ("utilization_edge", "/utilization/edge"),
        ("throughput_rps", "/throughput_rps"),
        ("load", "/load"),
    ];
    for (column, field) in columns {
        let value: f64 = cells[column].parse().unwrap_or_else(|_| panic!("{column}: {}", cells[column]));
        let same = told.pointer(field).map(number).expect("the field is there");
        // Reading JSON may cost the last bit.
        assert!((value - same).abs() <= 1e-15 * same.abs(), "{column}: {value} {same}");
    }
    assert_eq!(cells["engine"], "stations");
    assert_eq!(cells["energy_j_per_request"], "", "what is not known is empty");
}

#[test]
fn a_trace_has_a_row_per_request_that_adds_up() {
    let path = scratch("trace.csv");
    let file = path.to_str().expect("text");
    let told = offing(&["simulate", "data/random.toml", "--json", "--trace", file]).expect_code(0).json();
    let text = fs::read_to_string(&path).expect("it was written");
    let (header, rows) = text.split_once('\n').expect("there is a header");
    assert_eq!(
        header,
        "endpoint,index,node,emitted_ns,prepare_ns,uplink_ns,queue_ns,process_ns,downlink_ns,latency_ns,dropped"
    );
    let (mut previous, mut sum, mut completed, mut dropped) = ((0, 0, 0), 0u128, 0u64, 0u64);
    for row in rows.lines() {
        let cells: Vec<&str> = row.split(',').collect();
        let whole = |at: usize| cells[at].parse::<u64>().unwrap_or_else(|_| panic!("{row}"));
        let place = (whole(3), whole(0), whole(1));
        assert!(previous < place, "rows are sorted by emission, endpoint and index: {row}");
        previous = place;
        assert!(whole(3) >= 20_000_000_000, "the warm-up is left out");
        if cells[10] == "true" {
            assert!(cells[4..10].iter().all(|cell| cell.is_empty()), "{row}");
            dropped += 1;
            continue;
        }
        assert_eq!((4..9).map(whole).sum::<u64>(), whole(9), "{row}");
        sum += u128::from(whole(9));
        completed += 1;
    }
    assert_eq!(Some(completed), told["requests"]["completed"].as_u64());
    assert_eq!(Some(dropped), told["requests"]["dropped"].as_u64());
    assert!(dropped > 0, "the queue overflows now and then");
    let mean = sum as f64 / completed as f64 / 1e6;
    assert!((mean - number(&told["latency_ms"]["mean"])).abs() < 1e-9, "{mean}");

    let by_events = scratch("events.csv");
    let other = by_events.to_str().expect("text");
    offing(&["simulate", "data/random.toml", "--engine", "events", "--trace", other]).expect_code(0);
    assert!(
        text == fs::read_to_string(&by_events).expect("it was written"),
        "both engines write the same bytes"
    );
}

#[test]
fn a_trace_that_cannot_be_written_fails_before_the_work() {
    let missing = offing(&["simulate", "data/constant.toml", "--trace", "nowhere/t.csv"]).expect_code(3);
    assert_eq!(missing.stdout, "");
    assert!(
        missing.stderr.starts_with("error: cannot write `nowhere/t.csv`: No such file"),
        "{}",
        missing.stderr
    );
    let itself = offing(&["simulate", "data/constant.toml", "--trace", "data/constant.toml"]).expect_code(2);
    assert_eq!(itself.stderr, "error: `data/constant.toml` would overwrite what is read\n");
    let rows = ["simulate", "data/constant.toml", "--set", "app.rate=30000 /s", "--trace", "rows.csv"];
    golden("simulate-trace-rows", &rows);
}

#[test]
fn overload_is_told_as_growth() {
    golden("simulate-overload", &["simulate", "data/overload.toml"]);
    let told = offing(&["simulate", "data/overload.toml", "--json"]).expect_code(0).json();
    assert_eq!(told["stable"], false);
    assert_eq!(told["load"], 2.0);
    assert!((number(&told["growth_rps"]) - 5.0).abs() < 0.1, "{}", told["growth_rps"]);
}

#[test]
fn what_cannot_work_is_said_with_its_numbers() {
    golden("simulate-crowded", &["simulate", "data/crowded.toml"]);
    golden("simulate-crowded-json", &["simulate", "data/crowded.toml", "--json"]);
}

#[test]
fn bad_input_is_told_on_standard_error_alone() {
    golden("simulate-broken", &["simulate", "data/broken.toml", "--json"]);
    golden("simulate-missing", &["simulate", "data/nowhere.toml"]);
    golden("simulate-folder", &["simulate", "data"]);
    golden(
        "simulate-missing-file",
        &["simulate", "data/files.toml", "--set", "app.process={empirical=\"no.csv\"}"],
    );
    golden("simulate-refused", &["simulate", "data/constant.toml", "--set", "app.rate=0.000001 /s"]);
}

#[test]
fn files_are_found_beside_the_scenario() {
    let told = offing(&["simulate", "data/files.toml", "--json"]).expect_code(0).json();
    assert_eq!(told["latency_ms"]["max"], 30.0);
}

#[test]
fn a_continuum_file_is_as_good_as_a_scenario() {
    let direct = offing(&["simulate", "data/cameras.cfg", "--json"]).expect_code(0);
    let path = scratch("cameras.toml");
    let file = path.to_str().expect("text");
    offing(&["import", "data/cameras.cfg", "--out", file]).expect_code(0);
    let imported = offing(&["simulate", file, "--json"]).expect_code(0);
    assert_eq!(direct.stdout, imported.stdout);
    assert!(direct.stderr.contains("mist"), "{}", direct.stderr);
    offing(&["simulate", "data/sloppy.cfg"]).expect_code(0);
    let strict = offing(&["simulate", "data/sloppy.cfg", "--strict"]).expect_code(2);
    assert!(
        strict.stderr.contains("Config: Invalid type for option infrastructure->edge_quota"),
        "{}",
        strict.stderr
    );
}

#[test]
fn places_in_a_continuum_file_are_told_from_places_in_the_scenario_it_becomes() {
    let told = offing(&["simulate", "data/unshaped.cfg"]).expect_code(0).stderr;
    assert!(
        told.contains("data/unshaped.cfg:13:1: warning: infrastructure.wireless_network_preset: "),
        "{told}"
    );
    assert!(told.contains("data/unshaped.cfg as a scenario:"), "{told}");
}

#[test]
fn the_two_semantics_differ_where_continuum_does() {
    let scope = |semantics: &str| {
        let args = ["import", "data/cameras.cfg", "--semantics", semantics];
        let text = offing(&args).expect_code(0).stdout;
        text.lines().find(|line| line.starts_with("scope")).expect("there is a link").to_owned()
    };
    assert!(scope("continuum").starts_with("scope = \"node\""));
    assert!(scope("intended").starts_with("scope = \"pair\""));
}

#[test]
fn bars_take_the_width_that_is_there() {
    let longest = |columns: &str| {
        let told =
            offing_in(&["simulate", "data/constant.toml"], &[("COLUMNS", columns)]).expect_code(0).stdout;
        assert!(
            // A command stays on one line, so that it can be copied.
            told.lines().all(|line| line.starts_with("  offing ")
                || line.chars().count() <= columns.parse().expect("a number")),
            "{told}"
        );
        told.lines().map(|line| line.matches('█').count()).filter(|&bar| bar > 1).max()
    };
    assert_eq!(longest("80"), Some(46));
    assert_eq!(longest("200"), Some(166));
    // There is no room for bars beside the numbers, and one of all parts goes below: 50 of 81 ms on 27 columns.
    assert_eq!(longest("40"), Some(17));
}
