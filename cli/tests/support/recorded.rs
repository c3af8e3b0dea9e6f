//! Runs as if they had been measured: simulated request by request, for the rehearsal provider.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::offing;

/// Records `repetitions` runs of each deployment of the shortlist in `explored`, with this work per request [ms] instead
/// of the scenario's.
pub fn shortlist(explored: &Path, scenario: &str, work_ms: u64, repetitions: u64, recorded: &Path) {
    let text = fs::read_to_string(explored.join("shortlist.json")).expect("it was explored");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let seed = found["seed"].as_u64().expect("a number");
    for kept in found["shortlist"].as_array().expect("a list") {
        let mut sets = vec![format!("app.process={work_ms} ms")];
        for (key, value) in kept["axes"].as_object().expect("an object") {
            sets.push(format!("{key}={}", value.as_str().expect("a text")));
        }
        for repetition in 1..=repetitions {
            let run =
                recorded.join("runs").join(format!("{}-{repetition}", kept["id"].as_str().expect("a text")));
            fs::create_dir_all(&run).expect("it can be made");
            let (trace, seed) = (run.join("requests.csv"), (seed + repetition - 1).to_string());
            let mut args = vec!["simulate", scenario, "--seed", &seed, "--json", "--trace"];
            args.push(trace.to_str().expect("text"));
            args.extend(sets.iter().flat_map(|set| ["--set", set]));
            let summary = offing(&args).expect_code(0).json();
            // A worker says what processor time it took: all of it is work.
            let rows = fs::read_to_string(&trace).expect("it was written");
            let cpu_ns = work_ms * 1_000_000;
            let row = |(at, row): (usize, &str)| match at {
                0 => format!("{row},worker,frame_bytes,prepare_cpu_ns,process_cpu_ns\n"),
                _ => format!("{row},0,,,{cpu_ns}\n"),
            };
            let rows: String = rows.lines().enumerate().map(row).collect();
            fs::write(&trace, rows).expect("it can be written");
            let window = summary["observed_s"].as_f64().expect("a number");
            let nodes: Vec<Value> = summary["utilization"]
                .as_object()
                .expect("an object")
                .iter()
                .map(|(tier, share)| {
                    let used = share.as_f64().expect("a number") * window;
                    json!({ "name": format!("{tier}-0"), "tier": tier, "allowed_cpu_seconds": window, "cpu_seconds": used })
                })
                .collect();
            let facts = json!({ "valid": true, "dilate": 1.0, "application": "network", "transport": "mqtt", "nodes": nodes });
            fs::write(run.join("run.json"), facts.to_string()).expect("it can be written");
        }
    }
}
