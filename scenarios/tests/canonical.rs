//! The canonical file loads to the same deployments, and is its own canonical file.

mod common;

use std::fs;

use common::{library, no_files, presets};
use offing_core::Presets;
use offing_scenarios::{Scenario, canonical, load};

fn read(text: &str, presets: &Presets) -> Scenario {
    let files = |name: &str| match name {
        "work.csv" => Ok("work_ms\n20\n10\n30.7\n".into()),
        "arrivals.csv" => Ok("time_s,endpoint\n0.25,0\n0.5,1\n7,0\n".into()),
        "lte" => Ok("1\n1\n4\n".into()),
        other => no_files(other),
    };
    match load(text, "again.toml", &files, presets, &[]) {
        Ok(loaded) => loaded.scenario,
        Err(issues) => {
            panic!("{}\nof\n{text}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Loads, writes and loads again; the second time without presets, as their numbers are in the text.
fn round_trip(text: &str) -> (Scenario, String) {
    let scenario = read(text, &presets());
    let written = canonical(&scenario);
    let again = read(&written, &Presets::new());
    assert_eq!(again.base, scenario.base, "{written}");
    assert_eq!((&again.name, again.seed, &again.goal), (&scenario.name, scenario.seed, &scenario.goal));
    assert_eq!((again.space.len(), again.space.sample()), (scenario.space.len(), scenario.space.sample()));
    for i in 0..scenario.space.len().min(300) {
        assert_eq!(again.space.get(i), scenario.space.get(i), "number {i} of\n{written}");
    }
    assert_eq!(canonical(&again), written);
    (scenario, written)
}

#[test]
fn the_library_survives() {
    for path in library() {
        round_trip(&fs::read_to_string(path).expect("readable"));
    }
}

const EVERYTHING: &str = r#"
name = "everything"
seed = 7
requests = 1000
warm_up = "1 s"
[app]
rate = "300 /min"
frame = { normal = { mean = "68 kB", sd = "3 kB" } }
arrivals = { jitter = "2 ms" }
memory = "500Mi"
deadline = "1m30s"
outstanding = 3
[[app.stage]]
name = "a \"quoted\" one"
work = { empirical = "work.csv" }
output = { values = ["3 kB", "1 kB"] }
[[app.stage]]
work = { quantiles = ["1 ms", "2 ms", "9.7 ms"] }
output = { uniform = { from = "1 B", to = "3 B" } }
[tier.endpoint]
nodes = 3
power = { table = ["1 W", "2.5 W", "3 W"] }
[tier.edge-1]
cores = "2500m"
quota = 0.3
speed = 1.7
price = "2 USD/d"
balance = "random"
queue = 7
drop = "oldest"
[[link]]
between = ["edge-1", "endpoint"]
preset = "5g"
loss = "0.3 %"
up = { rate = { trace = "lte" }, window = "64 KiB" }
[[link]]
between = ["endpoint", "endpoint"]
latency = "3.3 us"
[deploy]
target = "edge-1"
cut = 1
"#;

#[test]
fn every_kind_of_value_survives() {
    let (scenario, written) = round_trip(EVERYTHING);
    assert_eq!(scenario.files, ["work.csv", "lte"]);
    assert!(written.contains("queue = 7\ndrop = \"oldest\""), "{written}");
    round_trip(&EVERYTHING.replace("target = \"edge-1\"", "target = \"mist\""));
    round_trip(&EVERYTHING.replace("target = \"edge-1\"", "target = \"endpoint\""));
    round_trip(
        &EVERYTHING
            .replace("rate = \"300 /min\"\n", "")
            .replace("{ jitter = \"2 ms\" }", "{ trace = \"arrivals.csv\" }"),
    );
}

#[test]
fn a_space_keeps_what_depends_on_it() {
    let (_, written) = round_trip(&format!(
        "{EVERYTHING}[space]\n'tier.edge-1.cores' = {{ from = 1, to = 9, step = 2 }}\n\
         zip = [{{ 'link.0.latency' = ['1 ms', '2 ms'], 'app.frame' = ['1 kB', {{ exponential = {{ mean = '2 kB' }} }}] }}]\n\
         'tier.endpoint.nodes' = {{ log = [1, 16, 5] }}\nwhere = 'tier[\"edge-1\"].cores < 8'\nsample = {{ latin_hypercube = 9 }}\n"
    ));
    assert!(!written.contains("workers"), "{written}");
}
