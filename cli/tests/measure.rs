//! `offing emulate run` on a real engine, and what it does when the world fails.
#![cfg(feature = "emu")]

mod support;

#[path = "../../emu/tests/support/mod.rs"]
mod real;

mod machine;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use machine::{Run, assert_nothing_left, existing, on_containers, send, state};
use real::{Process, root, skip};
use serde_json::Value;
use support::{offing, offing_in, text};

const SCENARIO: &str = "data/measured.toml";

/// How often a measurement is tried on a machine that others use, too.
const TRIES: usize = 4;
/// Where it does not matter how long something takes.
const WIDE: &str = "1000";
/// The longest that any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn json(path: PathBuf) -> Value {
    let text = fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// A test's place: folder, what existed, what is measured, and the arguments that all its commands have.
struct Bench {
    folder: PathBuf,
    before: BTreeSet<String>,
    agent: String,
    asked: String,
    ledgers: Swept,
    /// How strict proofs are.
    tolerance: &'static str,
}

impl Bench {
    fn new(name: &str, agent: String) -> Bench {
        let folder = state(name);
        fs::create_dir_all(&folder).expect("it can be made");
        let ledgers = Swept(folder.join("ledgers"));
        Bench { folder, before: existing(), agent, asked: SCENARIO.into(), ledgers, tolerance: WIDE }
    }

    fn ledgers(&self) -> PathBuf {
        self.ledgers.0.clone()
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Starts a measurement or goes on with it, until it reaches a step of its first missing run. Other programs may
    /// make a proof fail: then it is tried again.
    fn until(&self, step: &str, more: &[&str]) -> Run {
        for _ in 0..TRIES {
            let mut run = Run::start(&self.args(more), &[], PATIENCE);
            if run.reaches(step) {
                return run;
            }
        }
        panic!("{step} is never reached");
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        // Leaked: a few words per test.
        let own = |path: PathBuf| -> &'static str { Box::leak(path.display().to_string().into_boxed_str()) };
        let mut args = vec!["emulate", "run"];
        match self.out().join("plan.json").is_file() {
            true => args.extend(["--resume", own(self.out())]),
            false => {
                args.extend([&self.asked, "--out", own(self.out())]);
                args.extend(["--proof-tolerance", self.tolerance].into_iter().chain(more.iter().copied()));
            }
        }
        args.extend(["--agent", &self.agent, "--state", own(self.ledgers())]);
        args
    }

    /// Measures until every run is valid: what others on this machine have spoilt is measured again. What is told.
    fn measure(&self, more: &[&str]) -> Value {
        let again = ["--attempts", &TRIES.to_string(), "--json"];
        let told = offing(&[&self.args(more)[..], &again].concat()).expect_code(0).json();
        assert_nothing_left(&self.before);
        told
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.out().join("runs")).expect("it is there").flatten();
        entries.map(|entry| entry.path()).filter(|path| path.join("run.json").is_file()).collect()
    }

    /// The folder of a run that was told.
    fn folder_of(&self, run: &Value) -> PathBuf {
        self.out().join("runs").join(run["run"].as_str().expect("a text"))
    }

    /// Removes what a killed run has left; nothing is left then.
    fn down(&self) -> Value {
        let removed = offing(&["emulate", "down", "--state", text(&self.ledgers()), "--json"]);
        let removed = removed.expect_code(0).json();
        assert_nothing_left(&self.before);
        let list = offing(&["emulate", "list", "--state", text(&self.ledgers()), "--json"]).json();
        assert_eq!(list, Value::Array(Vec::new()));
        removed
    }

    fn finish(self) {
        assert_nothing_left(&self.before);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the ledgers of a test, which leaves nothing to the next one if it fails.
struct Swept(PathBuf);

impl Drop for Swept {
    fn drop(&mut self) {
        if std::thread::panicking() {
            offing(&["emulate", "down", "--state", text(&self.0)]);
        }
    }
}

/// Who emitted what when to whom: the first columns of a table of requests.
fn emissions(path: PathBuf) -> Vec<String> {
    let rows = fs::read_to_string(path).expect("it is there");
    rows.lines().map(|row| row.split(',').take(4).collect::<Vec<_>>().join(",")).collect()
}

/// A column of the requests of a run, none of which is empty.
fn column(run: &Path, name: &str) -> Vec<u64> {
    let rows = fs::read_to_string(run.join("requests.csv")).expect("it is there");
    let mut rows = rows.lines();
    let at = rows.next().expect("a header").split(',').position(|column| column == name).expect("a column");
    let values: Vec<u64> =
        rows.map(|row| row.split(',').nth(at).expect("a cell").parse().expect("a number")).collect();
    assert!(!values.is_empty());
    values
}

/// The mean of a part of the requests of a run [ms].
fn mean(run: &Value, part: &str) -> f64 {
    run["parts_ms"][part]["mean"].as_f64().expect("a number")
}

/// The container of a node that runs.
fn container(node: &str) -> String {
    let names =
        Command::new("docker").args(["ps", "--format", "{{.Names}}"]).output().expect("docker is there");
    let names = String::from_utf8_lossy(&names.stdout).to_string();
    let is_it = |name: &&str| name.starts_with("offing-") && name.ends_with(node);
    names.lines().find(is_it).unwrap_or_else(|| panic!("no {node} in {names}")).to_string()
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker is there");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// Numbers of the processes of a node whose arguments hold these words.
fn processes(node: &str, words: &str) -> Vec<String> {
    let table = docker(&["top", &container(node), "-eo", "pid,args"]);
    let rows = table.lines().filter(|row| row.contains(words));
    rows.map(|row| row.split_whitespace().next().expect("a number").to_string()).collect()
}

#[test]
fn deployments_are_measured_and_nothing_is_left() {
    on_containers("deployments_are_measured", |agent| {
        let bench = Bench { tolerance: "1", ..Bench::new("measure", agent) };
        let space =
            "space={ zip = [{ 'deploy.target' = ['endpoint', 'cloud'], 'tier.endpoint.nodes' = [1, 2] }] }";
        let result = bench.measure(&["--set", space, "--set", "app.process=3 ms", "--set", "app.rate=8 /s"]);
        let runs = result["runs"].as_array().expect("a list");
        assert_eq!(runs.len(), 2);
        for run in runs {
            let folder = bench.folder_of(run);
            let kept = json(folder.join("run.json"));
            assert_eq!(kept["latency_ms"], run["latency_ms"]);
            assert_eq!(json(folder.join("proof.json"))["holds"], true);
            // The simulator emits the same requests, and what is measured takes at least the work.
            let alone = folder.join("deployment.toml");
            let trace = bench.folder.join("trace.csv");
            let predict = ["simulate", text(&alone), "--json", "--trace", text(&trace)];
            let predicted = offing(&predict).expect_code(0).json();
            assert_eq!(predicted["deployment"], kept["deployment"]);
            assert_eq!(predicted["requests"]["offered"], kept["requests"]["offered"]);
            assert_eq!(emissions(folder.join("requests.csv")), emissions(trace));
            assert_eq!(kept["requests"]["completed"], kept["requests"]["offered"], "{kept}");
            let mean = |part: &str| mean(&kept, part);
            let sum: f64 = ["prepare", "uplink", "queue", "process", "downlink"].map(mean).iter().sum();
            assert!((sum - kept["latency_ms"]["mean"].as_f64().expect("a number")).abs() < 1e-6);
            assert!(mean("process") >= 3.0, "{kept}");
            let nodes = kept["nodes"].as_array().expect("a list");
            for node in nodes {
                let (used, allowed) = (node["cpu_seconds"].as_f64(), node["allowed_cpu_seconds"].as_f64());
                let (used, allowed) = (used.expect("a number"), allowed.expect("a number"));
                assert!(used > 0.0 && used < allowed, "{node}");
                assert!(
                    node["periods"].as_u64() > Some(0) && node["memory_peak_bytes"].as_u64() > Some(1 << 20)
                );
            }
            if nodes.len() == 3 {
                for part in ["uplink", "downlink"] {
                    assert!(mean(part) >= 5.0 && mean(part) < 50.0, "{kept}");
                }
                // 24 frames of 5 kB in three seconds, and their headers.
                let sent = nodes[0]["tx_bytes"].as_f64().expect("a number");
                assert!((115e3..190e3).contains(&sent), "{sent}");
                assert!(kept["links"]["lateness_p99_ns"].as_f64().is_some_and(|late| late < 250e3), "{kept}");
            }
        }
        assert!(bench.out().join("manifest.json").is_file());
        bench.finish();
    });
}

#[test]
fn a_network_classifies_from_end_to_end() {
    let name = "a_network_classifies_from_end_to_end";
    on_containers(name, |plain| {
        let bench = Bench::new("network", plain);
        // The other binary cannot do it, and says so before anything is made.
        let refused = offing(&bench.args(&["--application", "network"])).expect_code(2);
        assert!(refused.stderr.contains("cannot classify pictures"), "{}", refused.stderr);
        assert!(refused.stderr.contains("lab/agent.sh --network"), "{}", refused.stderr);
        fs::remove_dir_all(bench.out()).expect("it was made");
        // Building it takes minutes.
        let network = root().join("target/agent/network/offing-agent");
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let network = target.map_or(network, |target| target.join("agent/network/offing-agent"));
        if !network.is_file() {
            return skip(name, "not built: lab/agent.sh --network");
        }
        let bench = Bench { agent: network.display().to_string(), ..bench };
        // The binary itself is 46 MB, and counts where it is read first.
        let more = ["app.rate=4 /s", "app.frame=40 kB", "tier.cloud.quota=0.4", "tier.endpoint.quota=0.3"];
        let memory = ["tier.cloud.memory=256 MiB", "tier.endpoint.memory=128 MiB"];
        let set = more.iter().chain(&memory).flat_map(|set| ["--set", set]);
        let args: Vec<&str> = ["--application", "network"].into_iter().chain(set).collect();
        let told = bench.measure(&args);
        let run = &told["runs"][0];
        assert_eq!(
            (&run["valid"], &run["application"]),
            (&Value::from(true), &Value::from("network")),
            "{run}"
        );
        assert!(run["work"][0].as_str().is_some_and(|work| work.starts_with("SqueezeNet 1.1")), "{run}");
        assert_eq!(run["requests"]["completed"], run["requests"]["offered"]);
        assert!(run["requests"]["offered"].as_u64() >= Some(11), "{run}");
        // A classification is milliseconds of processor time, on every request, and so is the encoding of a picture.
        let folder = bench.folder_of(run);
        assert!(column(&folder, "process_cpu_ns").iter().all(|&ns| ns > 2_000_000));
        assert!(column(&folder, "prepare_cpu_ns").iter().all(|&ns| ns > 10_000));
        assert!(column(&folder, "frame_bytes").iter().all(|&bytes| bytes == 40_000));
        assert!(mean(run, "process") > 2.0, "{run}");
        assert!(run["notes"].to_string().contains("is ignored"), "{run}");
        bench.finish();
    });
}

#[test]
fn http_carries_the_same_requests_without_a_broker() {
    on_containers("http_carries_the_same_requests", |agent| {
        let bench = Bench::new("http", agent);
        let told = bench.measure(&["--transport", "http"]);
        let run = &told["runs"][0];
        assert_eq!(run["transport"], "http", "{run}");
        assert_eq!(run["requests"]["completed"], run["requests"]["offered"]);
        assert!(mean(run, "uplink") >= 5.0 && mean(run, "downlink") >= 5.0, "{run}");
        let folder = bench.folder_of(run);
        let trace = bench.folder.join("trace.csv");
        let alone = folder.join("deployment.toml");
        offing(&["simulate", text(&alone), "--trace", text(&trace)]).expect_code(0);
        assert_eq!(emissions(folder.join("requests.csv")), emissions(trace));
        bench.finish();
    });
}

#[test]
fn a_continuum_configuration_and_a_shortlist_are_measured() {
    on_containers("a_continuum_configuration_and_a_shortlist", |agent| {
        let bench = Bench { asked: "data/measured.cfg".into(), ..Bench::new("cfg", agent.clone()) };
        let set =
            |set: &'static [&'static str]| set.iter().flat_map(|set| ["--set", set]).collect::<Vec<&str>>();
        let here = ["deploy.provider=docker", "deploy.manager=none"];
        let short =
            set(&["duration=4 s", "warm_up=1 s", "app.process=8 ms", "app.rate=4 /s", "app.frame=5 kB"]);
        let more = [here.iter().flat_map(|set| ["--set", *set]).collect(), short].concat();
        let told = bench.measure(&more);
        assert_eq!(told["runs"].as_array().map(Vec::len), Some(1));
        let run = &told["runs"][0];
        assert!(run["requests"]["completed"].as_u64() >= Some(11), "{run}");
        assert!(mean(run, "uplink") > 7.5 && mean(run, "process") > 8.0, "{run}");
        // Continuum's tables are of the nodes that it names.
        let tables = offing(&["emulate", "tables", text(&bench.out())]).expect_code(0).stdout;
        assert!(tables.contains("connected_to  total_time (s)  preproc_time/data (ms)"), "{tables}");
        bench.finish();

        let bench = Bench::new("shortlist", agent);
        let explored = bench.folder.join("explored");
        let space = "space={ 'tier.endpoint.nodes' = [1, 2] }";
        let goal = "goal={ minimise = ['latency_p95_ms'], require = 'load < 1' }";
        let explore = ["explore", SCENARIO, "--out", text(&explored), "--set", space, "--set", goal];
        offing(&explore).expect_code(0);
        let bench = Bench { asked: explored.join("shortlist.json").display().to_string(), ..bench };
        let told = bench.measure(&["--repeat", "2", "--order", "random"]);
        let shortlist = json(explored.join("shortlist.json"));
        let kept = shortlist["shortlist"].as_array().expect("a list");
        assert!(!kept.is_empty());
        let runs = told["runs"].as_array().expect("a list");
        assert_eq!(runs.len(), 2 * kept.len());
        // Both repetitions of all deployments, and the second repetition only after the first of all.
        let repetitions: Vec<u64> =
            runs.iter().map(|run| run["repetition"].as_u64().expect("a number")).collect();
        assert!(repetitions.is_sorted(), "{repetitions:?}");
        bench.finish();
    });
}

#[test]
fn bursts_and_a_pipeline_that_is_cut_are_measured_as_they_are_predicted() {
    on_containers("bursts_and_a_pipeline_that_is_cut", |agent| {
        let bench = Bench::new("bursts", agent);
        // The first stage stays on the endpoint, and what it hands on is sent.
        let app = "app={ rate = '8 /s', arrivals = { bursts = { on = '300 ms', off = '300 ms' } }, frame = '40 kB', \
                   stage = [{ work = '1 ms', output = '6 kB' }, { work = '5 ms', output = '64 B' }] }";
        let told = bench.measure(&["--set", app, "--set", "deploy.cut=1"]);
        let run = &told["runs"][0];
        assert_eq!(run["requests"]["completed"], run["requests"]["offered"]);
        let folder = bench.folder_of(run);
        assert!(column(&folder, "frame_bytes").iter().all(|&bytes| bytes == 6_000));
        assert!(column(&folder, "prepare_cpu_ns").iter().all(|&ns| ns >= 1_000_000));
        assert!(column(&folder, "process_cpu_ns").iter().all(|&ns| ns >= 5_000_000));
        let (trace, alone) = (bench.folder.join("trace.csv"), folder.join("deployment.toml"));
        offing(&["simulate", text(&alone), "--trace", text(&trace)]).expect_code(0);
        let emitted = emissions(trace);
        assert!(emitted.len() > 5, "{emitted:?}");
        assert_eq!(emissions(folder.join("requests.csv")), emitted);
        bench.finish();
    });
}

#[test]
fn a_measurement_killed_at_any_step_is_cleared_away_and_goes_on() {
    on_containers("a_measurement_killed_at_any_step", |agent| {
        let bench = Bench::new("killed", agent);
        let steps = ["starting nodes", "connecting", "proving", "measuring", "removing", "writing"];
        for (at, step) in steps.into_iter().enumerate() {
            let mut run = bench.until(&format!(": {step}"), &[]);
            // In the middle of it: instants after its beginning that differ.
            sleep(Duration::from_millis([150, 40, 900, 2_500, 5, 0][at]));
            send(&run.process, "-9");
            run.process.0.wait().expect("it was started");
            let removed = bench.down();
            if (1..4).contains(&at) {
                assert!(removed.as_array().is_some_and(|removed| removed.len() >= 3), "{step}: {removed}");
            }
            // Again: nothing.
            assert_eq!(bench.down(), Value::Array(Vec::new()));
        }
        // Whatever was written is whole, and the rest can still be measured.
        for _ in 0..TRIES {
            if offing(&bench.args(&[])).code == 0 {
                break;
            }
        }
        assert_eq!(bench.runs().len(), 1);
        assert_eq!(json(bench.runs()[0].join("run.json"))["valid"], true);
        assert_eq!(fs::read_dir(bench.out().join("runs")).expect("it is there").count(), 1);
        bench.finish();
    });
}

#[test]
fn an_interrupt_at_any_step_removes_everything_and_keeps_nothing_that_is_not_whole() {
    on_containers("an_interrupt_at_any_step", |agent| {
        let bench = Bench::new("interrupted", agent);
        let steps = ["starting nodes", "connecting", "proving", "measuring"];
        for (at, step) in steps.into_iter().enumerate() {
            let run = bench.until(&format!(": {step}"), &[]);
            sleep(Duration::from_millis([100, 20, 700, 1_500][at]));
            send(&run.process, ["-INT", "-TERM"][at % 2]);
            let (code, said) = run.end();
            assert_eq!(code, Some(130), "{step}: {said}");
            assert!(said.contains("--resume"), "{step}: {said}");
            assert_nothing_left(&bench.before);
            assert_eq!(fs::read_dir(bench.ledgers()).expect("it is there").count(), 0, "{step}");
            assert_eq!(bench.down(), Value::Array(Vec::new()), "{step}");
            // A run whose proof did not hold is kept, whole.
            let folders = fs::read_dir(bench.out().join("runs")).expect("it is there").count();
            assert_eq!(folders, bench.runs().len(), "{step}");
            assert!(bench.runs().iter().all(|run| json(run.join("run.json"))["valid"] == false), "{step}");
        }
        bench.finish();
    });
}

/// Sends a signal to the forwarder of a measurement.
fn send_forwarder(run: &Run, signal: &str) {
    let below = Command::new("pgrep").args(["-P", &run.process.id().to_string(), "-f", "forwarder"]).output();
    let forwarder = String::from_utf8_lossy(&below.expect("pgrep is there").stdout).trim().to_string();
    assert!(Command::new("kill").args([signal, &forwarder]).status().expect("kill is there").success());
}

#[test]
fn a_run_that_is_spoilt_is_made_again_where_that_is_asked() {
    on_containers("a_run_that_is_spoilt", |agent| {
        let bench = Bench { tolerance: "1", ..Bench::new("spoilt", agent) };
        let mut run = Run::start(&bench.args(&["--attempts", "3"]), &[], PATIENCE);
        assert!(run.reaches(": proving"), "{:#?}", run.said);
        // As if others had taken the processors, once packets are on their way.
        sleep(Duration::from_millis(600));
        for signal in ["-STOP", "-CONT"] {
            send_forwarder(&run, signal);
            sleep(Duration::from_secs(1));
        }
        assert!(run.reaches("attempt 2 of 3"), "{:#?}", run.said);
        assert!(run.said.iter().any(|line| line.starts_with("not valid: the proof does not hold")));
        assert!(run.reaches(": proving"), "{:#?}", run.said);
        let (code, said) = run.end();
        // A host that is not quiet may spoil the others, too.
        assert!(code == Some(0) || code == Some(1) && said.contains("attempt 3 of 3"), "{said}");
        assert_eq!(bench.runs().len(), 1);
        bench.finish();
    });
}

#[test]
fn a_forwarder_that_is_killed_costs_its_run_and_not_the_next_one() {
    on_containers("a_forwarder_that_is_killed", |agent| {
        let bench = Bench::new("forwarder-killed", agent);
        for (at, step) in ["proving", "measuring"].into_iter().enumerate() {
            let run = (0..TRIES).find_map(|_| {
                let _ = fs::remove_dir_all(bench.out());
                let mut run = Run::start(&bench.args(&["--repeat", "2"]), &[], PATIENCE);
                run.reaches(&format!("-1: {step}")).then_some(run)
            });
            let mut run = run.expect("one of the proofs holds");
            sleep(Duration::from_millis([600, 1_500][at]));
            send_forwarder(&run, "-9");
            run.said.clear();
            let (code, said) = run.end();
            assert_eq!(code, Some(3), "{step}: {said}");
            assert!(
                said.contains("not valid: cannot keep the links up: the forwarder has ended"),
                "{step}: {said}"
            );
            assert!(said.contains("-2: writing"), "{step}: the other run is made: {said}");
            assert_nothing_left(&bench.before);
            let runs = bench.runs();
            assert_eq!(runs.len(), 2);
            let first = runs.iter().find(|run| text(run).ends_with("-1")).expect("it is kept");
            let kept = json(first.join("run.json"));
            assert!(
                kept["reason"].as_str().is_some_and(|reason| reason.contains("keep the links up")),
                "{kept}"
            );
        }
        bench.finish();
    });
}

#[test]
fn without_room_for_the_ledger_nothing_is_made() {
    let name = "without_room_for_the_ledger";
    on_containers(name, |agent| {
        let bench = Bench::new("no-ledger", agent);
        let small = match Small::new(bench.ledgers()) {
            Ok(small) => small,
            Err(reason) => return skip(name, &reason),
        };
        let _ = fs::write(bench.ledgers().join("others"), vec![0_u8; 64 << 10]);
        let told = offing(&bench.args(&[])).expect_code(3);
        assert!(told.stderr.contains("No space left on device"), "{}", told.stderr);
        assert!(told.stderr.contains("ledgers"), "{}", told.stderr);
        assert_nothing_left(&bench.before);
        drop(small);
        bench.finish();
    });
}

#[test]
fn what_a_run_without_its_ledger_has_left_is_found_by_its_labels_and_a_stranger_is_not() {
    on_containers("what_a_run_without_its_ledger_has_left", |agent| {
        let bench = Bench::new("labels", agent);
        let mut run = bench.until(": measuring", &[]);
        send(&run.process, "-9");
        run.process.0.wait().expect("it was started");
        // Somebody else's container, made from our image: it inherits the image's labels.
        let image = docker(&["inspect", "-f", "{{.Config.Image}}", &container("cloud-0")]);
        let stranger =
            docker(&["run", "-d", "--network", "none", "--name", "offing-test-stranger", &image, "serve"]);
        fs::remove_dir_all(bench.ledgers()).expect("they are there");
        let state = bench.ledgers();
        let down = ["emulate", "down", "--state", text(&state)];
        assert_eq!(
            offing(&down).expect_code(0).stdout,
            "",
            "without a ledger nothing is known to have ended"
        );
        let all = offing(&[&down[..], &["--all"]].concat());
        // The stranger keeps the image in use.
        let left = existing();
        assert!(left.iter().any(|line| line.contains(&stranger)), "the stranger is gone: {}", all.stdout);
        docker(&["rm", "-f", &stranger]);
        offing(&[&down[..], &["--all"]].concat()).expect_code(0);
        assert_nothing_left(&bench.before);
        assert_eq!(offing(&[&down[..], &["--all"]].concat()).expect_code(0).stdout, "");
        bench.finish();
    });
}

/// A run to whose node something happens while it measures: it is kept as failed, and says what.
fn hurt(name: &str, more: &[&str], harm: impl Fn(), words: &[&str]) {
    on_containers(name, |agent| {
        let attempt = || {
            let bench = Bench::new(name, agent.clone());
            let mut run = bench.until(": measuring", more);
            sleep(Duration::from_millis(500));
            harm();
            run.said.clear();
            let (code, said) = run.end();
            // A node that was not ready in time has failed before anything could happen to it.
            (!said.contains("s too late")).then_some((bench, code, said))
        };
        let (bench, code, said) = (0..TRIES).find_map(|_| attempt()).expect("nodes are ready in time");
        assert_eq!(code, Some(3), "{said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in: {said}");
        }
        assert_nothing_left(&bench.before);
        let kept = json(bench.runs()[0].join("run.json"));
        assert_eq!(kept["valid"], false);
        assert!(kept["reason"].as_str().is_some_and(|reason| words.iter().all(|word| reason.contains(word))));
        bench.finish();
    });
}

#[test]
fn a_node_that_is_killed_is_named() {
    let harm = || drop(docker(&["kill", &container("cloud-0")]));
    hurt("a_node_that_is_killed", &[], harm, &["node cloud-0 cannot run the", "its container has ended"]);
}

#[test]
fn a_broker_that_dies_is_named() {
    let harm = || {
        let brokers = processes("cloud-0", "app broker");
        assert_eq!(brokers.len(), 1, "{brokers:?}");
        assert!(Command::new("kill").args(["-9", &brokers[0]]).status().expect("kill is there").success());
    };
    hurt("a_broker_that_dies", &[], harm, &["node cloud-0 cannot run the broker", "it was killed"]);
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let harm = || {
        let process = docker(&["inspect", "-f", "{{.State.Pid}}", &container("endpoint-0")]);
        let enter = ["-t", &process, "-n", "ip", "route", "flush", "table", "main"];
        assert!(Command::new("nsenter").args(enter).status().expect("nsenter is there").success());
    };
    hurt("an_endpoint_that_cannot_be_reached", &[], harm, &["node endpoint-0 cannot reach its target"]);
}

#[test]
fn a_node_whose_memory_is_used_up_is_named() {
    // The binary itself needs about two; a frame of 8 MB needs more than is left.
    let more = ["--set", "tier.cloud.memory=14 MiB", "--set", "app.frame=6 MB", "--set", "app.rate=1 /s"];
    hurt(
        "a_node_whose_memory_is_used_up",
        &more,
        || {},
        &["node cloud-0 cannot run the", "memory was used up"],
    );
}

#[test]
fn without_an_engine_nothing_starts() {
    let folder = state("no-engine");
    let (out, ledgers) = (folder.join("out"), folder.join("ledgers"));
    let agent = std::env::current_exe().expect("a test has a file");
    let args = ["emulate", "run", SCENARIO, "--links", "forwarder", "--agent", text(&agent)];
    let places = ["--out", text(&out), "--state", text(&ledgers)];
    let environment = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let told = offing_in(&[&args[..], &places].concat(), &environment).expect_code(3);
    assert!(told.stderr.contains("the container engine cannot be reached"), "{}", told.stderr);
    let list = offing(&["emulate", "list", "--state", text(&ledgers), "--json"]).expect_code(0).json();
    assert_eq!(list, Value::Array(Vec::new()));
    fs::remove_dir_all(folder).expect("it is ours");
}

/// A file system of a few pages.
struct Small(PathBuf);

impl Small {
    fn new(folder: PathBuf) -> Result<Small, String> {
        fs::create_dir_all(&folder).expect("it can be made");
        let mount = ["-t", "tmpfs", "-o", "size=64k", "none", text(&folder)];
        let done = Command::new("mount").args(mount).status().map_err(|cause| cause.to_string())?;
        if done.success() { Ok(Small(folder)) } else { Err("a tmpfs cannot be mounted".into()) }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_measurement_and_keeps_what_is_finished() {
    let name = "a_full_disk";
    on_containers(name, |agent| {
        let bench = Bench::new("full", agent);
        let small = match Small::new(bench.out()) {
            Ok(small) => small,
            Err(reason) => return skip(name, &reason),
        };
        // The first run fits; then others fill the disk.
        let mut run = bench.until("-2: starting", &["--repeat", "2", "--set", "app.rate=5 /s"]);
        let _ = fs::write(bench.out().join("others"), vec![0_u8; 64 << 10]);
        run.said.clear();
        let (code, said) = run.end();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("No space left on device") && said.contains("--resume"), "{said}");
        assert_nothing_left(&bench.before);
        assert_eq!(bench.runs().len(), 1);
        // With room again it goes on.
        fs::remove_file(bench.out().join("others")).expect("it is there");
        for _ in 0..TRIES {
            if offing(&bench.args(&[])).code == 0 {
                break;
            }
        }
        assert_eq!(bench.runs().len(), 2);
        drop(small);
        bench.finish();
    });
}

/// An engine of a test's own.
struct Engine {
    folder: PathBuf,
    daemon: Process,
}

impl Engine {
    fn start(folder: &Path) -> Result<Engine, String> {
        let at = |name: &str| folder.join(name).display().to_string();
        let socket = format!("unix://{}", at("docker.sock"));
        let log = fs::File::create(folder.join("log")).map_err(|cause| cause.to_string())?;
        let words = [
            "--host",
            &socket,
            "--data-root",
            &at("data"),
            "--exec-root",
            &at("exec"),
            "--pidfile",
            &at("pid"),
            "--bridge",
            "none",
            "--iptables=false",
            "--ip-masq=false",
        ];
        // In a network of its own: an engine without a bridge removes `docker0`, also that of another engine.
        let daemon = Command::new("unshare")
            .args(["--net", "--", "dockerd"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let daemon = Process(daemon.map_err(|cause| cause.to_string())?);
        let engine = Engine { folder: folder.into(), daemon };
        let limit = Instant::now() + Duration::from_secs(30);
        while Instant::now() < limit {
            let told = Command::new("docker").args(["-H", &socket, "version"]).output();
            if told.is_ok_and(|told| told.status.success()) {
                return Ok(engine);
            }
            sleep(Duration::from_millis(200));
        }
        Err(fs::read_to_string(folder.join("log")).unwrap_or_default().lines().last().unwrap_or("").into())
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("docker.sock").display())
    }

    /// Kills it without ceremony, with the daemon below it.
    fn kill(mut self) {
        let below = Command::new("pgrep").args(["-P", &self.daemon.id().to_string()]).output();
        send(&self.daemon, "-9");
        self.daemon.0.wait().expect("it was started");
        for number in String::from_utf8_lossy(&below.expect("pgrep is there").stdout).split_whitespace() {
            let _ = Command::new("kill").args(["-9", number]).status();
        }
        // A killed daemon that nobody has waited for counts as alive to the next one.
        let _ = fs::remove_file(self.folder.join("exec/containerd/containerd.pid"));
    }

    /// Ends it as one should.
    fn stop(mut self) {
        send(&self.daemon, "-TERM");
        self.daemon.0.wait().expect("it was started");
        // Of containers that it was making when it was killed it knows nothing, and what held them is still there.
        let folder = self.folder.display().to_string();
        let _ = Command::new("pkill").args(["-9", "-f", &format!("{folder}/exec/")]).status();
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            if place.starts_with(&folder) {
                let _ = Command::new("umount").args(["--lazy", place]).status();
            }
        }
    }
}

#[test]
fn an_engine_that_dies_ends_the_measurement_and_what_it_left_goes_when_it_is_back() {
    let name = "an_engine_that_dies";
    on_containers(name, |agent| {
        let bench = Bench::new("engine", agent);
        let place = bench.folder.join("engine");
        fs::create_dir_all(&place).expect("it can be made");
        let engine = match Engine::start(&place) {
            Ok(engine) => engine,
            Err(reason) => return skip(name, &format!("no second engine: {reason}")),
        };
        let host = engine.host();
        let environment = [("DOCKER_HOST", host.as_str())];
        let ledgers = bench.ledgers();
        let list = ["emulate", "list", "--state", text(&ledgers), "--json"];
        let mut engine = Some(engine);
        for (at, step) in ["starting nodes", "proving", "measuring"].into_iter().enumerate() {
            let run = (0..TRIES).find_map(|_| {
                let mut run = Run::start(&bench.args(&[]), &environment, PATIENCE);
                run.reaches(&format!(": {step}")).then_some(run)
            });
            let mut run = run.expect("one of the proofs holds");
            sleep(Duration::from_millis([200, 500, 500][at]));
            engine.take().expect("it is started below").kill();
            run.said.clear();
            let (code, said) = run.end();
            assert_eq!(code, Some(3), "{step}: {said}");
            assert!(
                said.contains("the container engine cannot") && said.contains("--resume"),
                "{step}: {said}"
            );
            // What the engine holds cannot be removed without it: it stays in the ledger.
            let left = offing(&list).expect_code(0).json();
            assert_eq!(left[0]["under_way"], false);
            let resources = left[0]["resources"].as_array().map(Vec::len);
            assert!(resources >= Some(if at == 0 { 1 } else { 3 }), "{step}: {left}");
            let down = ["emulate", "down", "--state", text(&ledgers)];
            assert!(
                offing_in(&down, &environment).expect_code(3).stderr.contains("the container engine cannot")
            );
            let again = Engine::start(&place).expect("it has started before");
            offing_in(&down, &environment).expect_code(0);
            assert_eq!(offing(&list).expect_code(0).json(), Value::Array(Vec::new()), "{step}");
            assert_eq!(offing_in(&down, &environment).expect_code(0).stdout, "", "{step}: twice");
            let there = |what: &[&str]| docker(&[&["-H", &host], what].concat());
            assert_eq!(there(&["ps", "-aq"]) + &there(&["images", "-q"]), "", "{step}");
            engine = Some(again);
        }
        engine.take().expect("it was started again").stop();
        bench.finish();
    });
}
