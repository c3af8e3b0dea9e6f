//! Broken scenarios, each with every message exactly as it is printed.
//!
//! A case changes the sound scenario below. What it gives is in diagnostics.txt, which `UPDATE=1` writes; the
//! diff is to be read.

mod common;

use std::fmt::Write;
use std::fs;

use common::presets;
use offing_scenarios::load;

const SOUND: &str = r#"name = "base"
duration = "300 s"
warm_up = "10 s"
[app]
rate = "5 /s"
arrivals = "periodic"
frame = "68 kB"
result = "20 B"
prepare = "1.3 ms"
process = "125 ms"
memory = "500 MiB"
deadline = "500 ms"
[tier.endpoint]
nodes = 4
cores = 1
quota = 0.5
power = { idle = "2.1 W", busy = "4.8 W" }
[tier.cloud]
nodes = 2
cores = 4
price = "0.14 USD/h"
[[link]]
between = ["endpoint", "cloud"]
latency = "45 ms"
rate = "7.21 Mbit/s"
loss = "0 %"
[deploy]
target = "cloud"
workers = 3
balance = "static"
[space]
"tier.endpoint.nodes" = [1, 2, 4]
where = "tier.cloud.nodes <= 8"
[goal]
require = ["latency_p95_ms <= 150", "load < 0.9"]
minimise = ["cost_usd_per_hour"]
"#;

/// What is wrong, what is replaced, and by what.
const CASES: &[(&str, &str, &str)] = &[
    // Units.
    ("a rate without a unit", "rate = \"5 /s\"", "rate = 5"),
    ("a rate without a unit, as a text", "rate = \"5 /s\"", "rate = \"5\""),
    ("a time without a unit", "duration = \"300 s\"", "duration = 300"),
    ("minutes or milliseconds", "deadline = \"500 ms\"", "deadline = \"5 m\""),
    ("the wrong case of a unit", "prepare = \"1.3 ms\"", "prepare = \"1.3 MS\""),
    ("1000 or 1024", "frame = \"68 kB\"", "frame = \"68 KB\""),
    ("bits or bytes", "result = \"20 B\"", "result = \"20 b\""),
    ("a size as a rate", "rate = \"7.21 Mbit/s\"", "rate = \"100 Mb\""),
    ("kilobits or kilobytes", "rate = \"7.21 Mbit/s\"", "rate = \"100 kbps\""),
    ("tc's kilobytes, beside an error", "rate = \"7.21 Mbit/s\"", "rate = \"100kbps\"\njitter = 2"),
    ("a foreign currency", "price = \"0.14 USD/h\"", "price = \"0.14 EUR/h\""),
    ("a decimal comma", "process = \"125 ms\"", "process = \"12,5 ms\""),
    ("no quantity at all", "process = \"125 ms\"", "process = \"fast\""),
    ("an empty text", "process = \"125 ms\"", "process = \"\""),
    ("a power without a unit", "idle = \"2.1 W\"", "idle = 2.1"),
    // Ranges.
    ("a negative time", "latency = \"45 ms\"", "latency = \"-45 ms\""),
    ("a negative number", "nodes = 4", "nodes = -4"),
    ("not a number", "quota = 0.5", "quota = nan"),
    ("not a number, as a text", "latency = \"45 ms\"", "latency = \"nan ms\""),
    ("infinity", "cores = 4", "cores = inf"),
    ("infinite speed", "quota = 0.5", "speed = -inf"),
    ("a quota above one", "quota = 0.5", "quota = 1.5"),
    ("a quota of nothing", "quota = 0.5", "quota = \"0 %\""),
    ("certain loss", "loss = \"0 %\"", "loss = \"100 %\""),
    ("no rate", "rate = \"7.21 Mbit/s\"", "rate = \"0 bit/s\""),
    ("no requests", "rate = \"5 /s\"", "rate = \"0 /s\""),
    ("no time", "duration = \"300 s\"", "duration = \"0 s\""),
    ("too long", "duration = \"300 s\"", "duration = \"400 d\""),
    ("beyond any number", "frame = \"68 kB\"", "frame = \"1e999 GB\""),
    ("a trillion endpoints", "nodes = 4", "nodes = 1000000000000"),
    ("endpoints beyond 64 bits", "nodes = 4", "nodes = 99999999999999999999"),
    ("a trillion requests", "duration = \"300 s\"", "requests = 1000000000000"),
    ("a trillion requests, by the rate", "rate = \"5 /s\"", "rate = \"900 MHz\""),
    ("too many cores", "cores = 4", "cores = 5000"),
    ("no workers", "workers = 3", "workers = 0"),
    ("too many workers", "workers = 3", "workers = 5000"),
    ("half a node", "nodes = 4", "nodes = 4.5"),
    ("sending that outlasts the clock", "rate = \"7.21 Mbit/s\"", "rate = \"0.001 bit/s\""),
    // Types.
    ("a number in quotes", "nodes = 4", "nodes = \"4\""),
    ("true for a size", "memory = \"500 MiB\"", "memory = true"),
    ("a list for a time", "latency = \"45 ms\"", "latency = [\"45 ms\"]"),
    ("a date for a time", "latency = \"45 ms\"", "latency = 2026-11-01"),
    ("a number for a word", "balance = \"static\"", "balance = 3"),
    ("a number for a table", "[deploy]\ntarget = \"cloud\"", "[tier]\nx = 3\n[deploy]\ntarget = \"cloud\""),
    ("a table for a list of tables", "[[link]]", "[link]"),
    ("a table for a name", "name = \"base\"", "name = { is = \"base\" }"),
    ("a name that is no folder", "name = \"base\"", "name = \"../base\""),
    // Unknown.
    ("an unknown key", "latency = \"45 ms\"", "latancy = \"45 ms\""),
    ("a key in the wrong table", "memory = \"500 MiB\"", "nodes = 4"),
    ("a key like no other", "memory = \"500 MiB\"", "colour = \"red\""),
    ("an unknown table", "[goal]", "[gaol]"),
    ("an unknown word", "balance = \"static\"", "balance = \"round_robin\""),
    ("a word like no other", "balance = \"static\"", "balance = \"fair\""),
    ("an unknown tier", "target = \"cloud\"", "target = \"clod\""),
    ("a tier that is not declared", "target = \"cloud\"", "target = \"fog\""),
    ("a link to nowhere", "between = [\"endpoint\", \"cloud\"]", "between = [\"endpoint\", \"moon\"]"),
    ("an unknown preset", "latency = \"45 ms\"", "preset = \"4G+\""),
    ("an unknown kind of arrivals", "arrivals = \"periodic\"", "arrivals = \"possion\""),
    ("arrivals like no other", "arrivals = \"periodic\"", "arrivals = \"now and then\""),
    ("the name of a tier", "[tier.cloud]", "[tier.\"The Cloud\"]"),
    // Distributions and other tables.
    (
        "an unknown distribution",
        "process = \"125 ms\"",
        "process = { lognorm = { mean = \"125 ms\", cv = 0.06 } }",
    ),
    (
        "two distributions",
        "process = \"125 ms\"",
        "process = { exponential = { mean = \"1 ms\" }, uniform = { from = \"1 ms\", to = \"2 ms\" } }",
    ),
    ("an empty distribution", "process = \"125 ms\"", "process = {}"),
    (
        "a distribution without its spread",
        "process = \"125 ms\"",
        "process = { gamma = { mean = \"125 ms\" } }",
    ),
    (
        "a field that is not one",
        "process = \"125 ms\"",
        "process = { exponential = { mean = \"125 ms\", sd = \"3 ms\" } }",
    ),
    ("a variation of nothing", "process = \"125 ms\"", "process = { gamma = { mean = \"125 ms\", cv = 0 } }"),
    ("a mean without a unit", "process = \"125 ms\"", "process = { exponential = { mean = 125 } }"),
    ("from above to", "frame = \"68 kB\"", "frame = { uniform = { from = \"9 kB\", to = \"1 kB\" } }"),
    ("quantiles that fall", "frame = \"68 kB\"", "frame = { quantiles = [\"9 kB\", \"1 kB\"] }"),
    ("a single quantile", "frame = \"68 kB\"", "frame = { quantiles = [\"9 kB\"] }"),
    ("bursts without silence", "arrivals = \"periodic\"", "arrivals = { bursts = { on = \"2 s\" } }"),
    ("half a power curve", "power = { idle = \"2.1 W\", busy = \"4.8 W\" }", "power = { idle = \"2.1 W\" }"),
    ("power that falls", "busy = \"4.8 W\"", "busy = \"1 W\""),
    ("a curve and a table", "busy = \"4.8 W\"", "table = [\"1 W\", \"2 W\"]"),
    ("a table of one", "power = { idle = \"2.1 W\", busy = \"4.8 W\" }", "power = { table = [\"1 W\"] }"),
    // Files.
    ("a file that is not there", "process = \"125 ms\"", "process = { empirical = \"gone.csv\" }"),
    ("a bad value in a file", "process = \"125 ms\"", "process = { empirical = \"bad.csv\" }"),
    ("a trace that goes back", "arrivals = \"periodic\"", "arrivals = { trace = \"back.csv\" }"),
    ("a trace without a header", "arrivals = \"periodic\"", "arrivals = { trace = \"bare.csv\" }"),
    ("a trace with unknown endpoints", "arrivals = \"periodic\"", "arrivals = { trace = \"nine.csv\" }"),
    ("a rate trace of fractions", "rate = \"7.21 Mbit/s\"", "rate = { trace = \"fractions\" }"),
    // Missing and contradictory.
    ("no endpoints", "[tier.endpoint]", "[tier.endpiont]"),
    ("no application", "[app]\n", "[application]\n"),
    ("no target", "target = \"cloud\"\n", ""),
    ("no rate of requests", "rate = \"5 /s\"\n", ""),
    ("no work", "process = \"125 ms\"\n", ""),
    ("a link without ends", "between = [\"endpoint\", \"cloud\"]\n", ""),
    ("a link with one end", "between = [\"endpoint\", \"cloud\"]", "between = [\"cloud\"]"),
    (
        "a link from a tier to itself",
        "between = [\"endpoint\", \"cloud\"]",
        "between = [\"cloud\", \"cloud\"]",
    ),
    (
        "two links between the same tiers",
        "[deploy]",
        "[[link]]\nbetween = [\"cloud\", \"endpoint\"]\n[deploy]",
    ),
    ("a target without nodes", "nodes = 2", "nodes = 0"),
    ("nobody who asks", "nodes = 4", "nodes = 0"),
    ("two lengths of a run", "warm_up = \"10 s\"", "requests = 100"),
    ("all is warm-up", "warm_up = \"10 s\"", "warm_up = \"300 s\""),
    (
        "stages beside a process",
        "[tier.endpoint]",
        "[[app.stage]]\nname = \"a\"\nwork = \"1 ms\"\n[tier.endpoint]",
    ),
    ("a stage without work", "[tier.endpoint]", "[[app.stage]]\nname = \"a\"\n[tier.endpoint]"),
    ("a cut without stages", "balance = \"static\"", "cut = 1"),
    ("several at once", "latency = \"45 ms\"\nrate = \"7.21 Mbit/s\"", "latency = 45\nrate = 7.21\nlos = 3"),
    // The design space and the goal.
    (
        "an axis of an unknown key",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"tier.endpoint.node\" = [1, 2, 4]",
    ),
    ("an axis of an unknown tier", "\"tier.endpoint.nodes\" = [1, 2, 4]", "\"tier.clout.nodes\" = [1, 2, 4]"),
    (
        "an axis of an unknown link",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"link.endpoint-edge.rate\" = [\"1 Mbit/s\"]",
    ),
    ("an axis of a table", "\"tier.endpoint.nodes\" = [1, 2, 4]", "deploy = [1, 2]"),
    ("an axis inside a value", "\"tier.endpoint.nodes\" = [1, 2, 4]", "\"app.process.mean\" = [\"1 ms\"]"),
    ("an axis of chance", "\"tier.endpoint.nodes\" = [1, 2, 4]", "seed = [1, 2]"),
    (
        "a bad value on an axis",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"link.0.latency\" = [\"1 ms\", 2, \"3 m\"]",
    ),
    ("an empty axis", "\"tier.endpoint.nodes\" = [1, 2, 4]", "\"tier.endpoint.nodes\" = []"),
    ("an axis that is none", "\"tier.endpoint.nodes\" = [1, 2, 4]", "\"tier.endpoint.nodes\" = 4"),
    (
        "the same axis twice",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"link.0.rate\" = [\"1 Mbit/s\"]\n\"link.endpoint-cloud.rate\" = [\"2 Mbit/s\"]",
    ),
    (
        "a range without a step",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"tier.endpoint.nodes\" = { from = 1, to = 4 }",
    ),
    (
        "a range that stands still",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"tier.endpoint.nodes\" = { from = 1, to = 4, step = 0 }",
    ),
    (
        "a range that goes down",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"tier.endpoint.nodes\" = { from = 4, to = 1, step = 1 }",
    ),
    (
        "a range without end",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"tier.cloud.speed\" = { from = 1e-9, to = 1, step = 1e-12 }",
    ),
    (
        "a range of words",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"deploy.target\" = { from = \"cloud\", to = \"edge\", step = 1 }",
    ),
    (
        "ratios from nothing",
        "\"tier.endpoint.nodes\" = [1, 2, 4]",
        "\"link.0.latency\" = { log = [\"0 ms\", \"1 s\", 3] }",
    ),
    (
        "zipped lists of different length",
        "where =",
        "zip = [{ \"tier.cloud.nodes\" = [1, 2], \"tier.cloud.cores\" = [1, 2, 3] }]\nwhere =",
    ),
    ("an unknown sampling plan", "where =", "sample = { sobel = 10 }\nwhere ="),
    ("a sample of nothing", "where =", "sample = { sobol = 0 }\nwhere ="),
    ("a condition that does not end", "tier.cloud.nodes <= 8", "tier.cloud.nodes <="),
    ("a condition with a stray word", "tier.cloud.nodes <= 8", "tier.cloud.nodes <= 8 or 9"),
    ("a condition over an unknown key", "tier.cloud.nodes <= 8", "tier.cloud.node <= 8"),
    ("a condition over a word and a number", "tier.cloud.nodes <= 8", "deploy.target <= 8"),
    ("a condition that is a number", "tier.cloud.nodes <= 8", "tier.cloud.nodes * 8"),
    ("a condition over a key that is not there", "tier.cloud.nodes <= 8", "requests <= 8"),
    ("an unknown function", "tier.cloud.nodes <= 8", "sqrt(tier.cloud.nodes) <= 8"),
    ("an unknown metric", "load < 0.9", "laod < 0.9"),
    ("an unknown tier's metric", "load < 0.9", "utilization_edge < 0.9"),
    ("an unknown metric to minimise", "cost_usd_per_hour", "latency_p96_ms"),
    ("a metric that is no number", "cost_usd_per_hour", "stable"),
    ("an American spelling", "minimise", "minimize"),
    ("a requirement that is no text", "require = [", "require = [3, "),
    // TOML itself.
    ("a key given twice, and another mistake", "nodes = 4", "nodes = 4\nnodes = 5\ncors = 2"),
    ("a text that does not end", "latency = \"45 ms\"", "latency = \"45 ms"),
    ("a value without quotes", "latency = \"45 ms\"", "latency = 45 ms"),
    ("a heading that does not end", "[deploy]", "[deploy"),
];

fn files(name: &str) -> Result<String, String> {
    match name {
        "bad.csv" => Ok("work_ms\n20\n-1\n".into()),
        "back.csv" => Ok("time_s\n2\n1\n".into()),
        "bare.csv" => Ok("2\n1\n".into()),
        "nine.csv" => Ok("time_s,endpoint\n0.5,9\n".into()),
        "fractions" => Ok("1\n2.5\n".into()),
        _ => Err("No such file or directory".into()),
    }
}

fn messages(text: &str, set: &[(String, String)]) -> String {
    let issues = match load(text, "base.toml", &files, &presets(), set) {
        Ok(loaded) => loaded.warnings,
        Err(issues) => issues,
    };
    issues.iter().fold(String::new(), |mut messages, issue| {
        writeln!(messages, "{issue}").expect("writing to a text cannot fail");
        messages
    })
}

#[test]
fn the_scenario_that_is_broken_is_sound() {
    assert_eq!(messages(SOUND, &[]), "");
}

#[test]
fn every_broken_scenario_says_exactly_what_is_wrong() {
    assert!(CASES.len() >= 60);
    let mut golden = String::new();
    for (title, from, to) in CASES {
        assert!(SOUND.contains(from), "{title}: nothing to replace");
        let broken = SOUND.replacen(from, to, 1);
        assert!(load(&broken, "base.toml", &files, &presets(), &[]).is_err(), "{title}: it loads");
        writeln!(golden, "## {title}\n{}\n{}", to.trim_end(), messages(&broken, &[]))
            .expect("writing to a text cannot fail");
    }
    let set = |key: &str, value: &str| vec![(key.to_string(), value.to_string())];
    for (key, value) in [
        ("tier.edge.core", "4"),
        ("tier.cloud.cores", "many"),
        ("link.0.latency", "45"),
        ("link.7.latency", "45 ms"),
        ("link.endpoint-edge.latency", "45 ms"),
        ("app.process", "{ gamma = 3 }"),
        ("space.tier.cloud.nodes", "[1, -2]"),
        ("goal.minimise", "speed"),
        ("", "4"),
        ("app..rate", "4"),
    ] {
        let messages = messages(SOUND, &set(key, value));
        assert_ne!(messages, "", "{key}={value}");
        writeln!(golden, "## --set {key}={value}\n{messages}").expect("writing to a text cannot fail");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/diagnostics.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &golden).expect("the expected messages can be written");
    }
    let expected = fs::read_to_string(path).expect("there are expected messages");
    for (got, wanted) in golden.split("\n\n").zip(expected.split("\n\n")) {
        assert_eq!(got, wanted);
    }
    assert_eq!(golden.len(), expected.len());
}

#[test]
fn a_file_that_is_too_large_is_not_even_parsed() {
    let text = "#".repeat((4 << 20) + 1);
    assert_eq!(
        messages(&text, &[]),
        "base.toml:1:1: error: the file has 4194305 bytes\n  hint: the largest size is 4194304 bytes; \
         name data files instead of writing values out\n"
    );
}

#[test]
fn a_thousand_mistakes_are_not_all_shown() {
    let text: String = (0..1000).map(|i| format!("key{i} = 1\n")).collect();
    let messages = messages(&text, &[]);
    assert!(messages.lines().count() < 500);
    assert!(messages.contains("more issues are not shown"));
}

#[test]
fn set_replaces_any_key() {
    let set: Vec<(String, String)> = [
        ("deploy.target", "endpoint"),
        ("tier.endpoint.cores", "8"),
        ("app.rate", "10 /s"),
        ("app.process", "{ exponential = { mean = \"3 ms\" } }"),
        ("link.endpoint-cloud.latency", "20 ms"),
        ("link.0.up.rate", "1mbit"),
        ("requests", "100"),
        ("warm_up", "0 s"),
        ("tier.new.nodes", "3"),
        ("space.tier.cloud.cores", "[1, 2]"),
    ]
    .map(|(key, value)| (key.to_string(), value.to_string()))
    .into();
    let loaded = load(SOUND, "base.toml", &files, &presets(), &set).expect("it loads");
    let base = &loaded.scenario.base;
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let new = "--set:1:1: warning: tier.new: there was no tier `new`, and nothing uses the one that this makes\n  \
               hint: write `endpoint` or `cloud`";
    assert_eq!(warnings, [new]);
    assert_eq!((base.targets().name.as_str(), base.targets().cores, base.app.rate_hz), ("endpoint", 8, 10.0));
    assert_eq!(base.links[0].up.latency, offing_core::Span::from_millis(20));
    assert_eq!(base.links[0].up.rate, offing_core::Rate::BitPerS(1e6));
    assert_eq!(base.links[0].down.rate, offing_core::Rate::BitPerS(7.21e6));
    assert_eq!(base.duration, offing_core::Span::from_millis(2500));
    assert_eq!(base.tiers[2].nodes, 3);
    assert_eq!(loaded.scenario.space.len(), 6);
}
