//! `offing emulate run` on a real engine, and what it does when the world fails.
#![cfg(feature = "emu")]

mod support;

#[path = "../../emu/tests/support/mod.rs"]
mod real;

mod machine;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use machine::{able, assert_nothing_left, existing, send, state};
use real::{Process, alone, skip};
use serde_json::Value;
use support::{command, offing, offing_in};

const SCENARIO: &str = "data/measured.toml";

/// How often a measurement is tried on a machine that others use, too.
const TRIES: usize = 4;
/// The longest that any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn json(path: PathBuf) -> Value {
    let text = fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// A measurement under way, and what it says line by line.
struct Run {
    process: Process,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Run {
    fn start(args: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut started = command(args);
        let child =
            started.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the command starts");
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("it is piped");
        spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Run { process: Process(child), lines, said: Vec::new() }
    }

    /// Waits until it says this; false if it ends before.
    fn reaches(&mut self, step: &str) -> bool {
        let limit = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(limit.saturating_duration_since(Instant::now())) {
            self.said.push(line.clone());
            if line.contains(step) {
                return true;
            }
        }
        assert!(Instant::now() < limit, "it hangs: {:#?}", self.said);
        false
    }

    /// How it ends, and all that it has said.
    fn end(mut self) -> (Option<i32>, String) {
        self.reaches("it never says this");
        let code = self.process.0.wait().expect("it was started").code();
        (code, self.said.join("\n"))
    }
}

/// A test's place: folder, what existed, and the arguments that all its commands have.
struct Bench {
    folder: PathBuf,
    before: BTreeSet<String>,
    agent: String,
}

impl Bench {
    fn new(name: &str, agent: String) -> Bench {
        let folder = state(name);
        fs::create_dir_all(&folder).expect("it can be made");
        Bench { folder, before: existing(), agent }
    }

    fn ledgers(&self) -> PathBuf {
        self.folder.join("ledgers")
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Starts a measurement or goes on with it, until it reaches a step of its first missing run. Other programs may
    /// make a proof fail: then it is tried again.
    fn until(&self, step: &str, more: &[&str]) -> Run {
        for _ in 0..TRIES {
            let mut run = Run::start(&self.args(more), &[]);
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
                args.extend([SCENARIO, "--out", own(self.out())].into_iter().chain(more.iter().copied()))
            }
        }
        args.extend(["--agent", &self.agent, "--state", own(self.ledgers())]);
        args
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.out().join("runs")).expect("it is there").flatten();
        entries.map(|entry| entry.path()).filter(|path| path.join("run.json").is_file()).collect()
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
    let _alone = alone();
    let Some(agent) = able("deployments_are_measured") else { return };
    let bench = Bench::new("measure", agent);
    let space =
        "space={ zip = [{ 'deploy.target' = ['endpoint', 'cloud'], 'tier.endpoint.nodes' = [1, 2] }] }";
    let args = bench.args(&["--set", space, "--set", "app.process=3 ms", "--set", "app.rate=8 /s"]);
    let mut told = offing(&[&args[..], &["--json"]].concat());
    for _ in 0..TRIES {
        if told.code == 0 {
            break;
        }
        // A proof did not hold because others used this machine: what is missing is measured again.
        let _ = fs::remove_file(bench.out().join("manifest.json"));
        told = offing(&[&bench.args(&[])[..], &["--json"]].concat());
    }
    let result = told.expect_code(0).json();
    assert_nothing_left(&bench.before);
    let runs = result["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 2);
    for run in runs {
        let folder = bench.out().join("runs").join(run["run"].as_str().expect("a text"));
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
        let emissions = |path: PathBuf| -> Vec<String> {
            let rows = fs::read_to_string(path).expect("it is there");
            rows.lines().map(|row| row.split(',').take(4).collect::<Vec<_>>().join(",")).collect()
        };
        assert_eq!(emissions(folder.join("requests.csv")), emissions(trace));
        assert_eq!(kept["requests"]["completed"], kept["requests"]["offered"], "{kept}");
        let mean = |part: &str| kept["parts_ms"][part]["mean"].as_f64().expect("a number");
        let sum: f64 = ["prepare", "uplink", "queue", "process", "downlink"].map(mean).iter().sum();
        assert!((sum - kept["latency_ms"]["mean"].as_f64().expect("a number")).abs() < 1e-6);
        assert!(mean("process") >= 3.0, "{kept}");
        let nodes = kept["nodes"].as_array().expect("a list");
        for node in nodes {
            let (used, allowed) = (node["cpu_seconds"].as_f64(), node["allowed_cpu_seconds"].as_f64());
            let (used, allowed) = (used.expect("a number"), allowed.expect("a number"));
            assert!(used > 0.0 && used < allowed, "{node}");
            assert!(node["periods"].as_u64() > Some(0) && node["memory_peak_bytes"].as_u64() > Some(1 << 20));
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
}

#[test]
fn a_measurement_killed_at_any_step_is_cleared_away_and_goes_on() {
    let _alone = alone();
    let Some(agent) = able("a_measurement_killed_at_any_step") else { return };
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
}

/// A run to whose node something happens while it measures: it is kept as failed, and says what.
fn hurt(name: &str, more: &[&str], harm: impl Fn(), words: &[&str]) {
    let _alone = alone();
    let Some(agent) = able(name) else { return };
    let bench = Bench::new(name, agent);
    let mut run = bench.until(": measuring", more);
    sleep(Duration::from_millis(500));
    harm();
    let (code, said) = {
        run.said.clear();
        run.end()
    };
    assert_eq!(code, Some(3), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    assert_nothing_left(&bench.before);
    let kept = json(bench.runs()[0].join("run.json"));
    assert_eq!(kept["valid"], false);
    assert!(kept["reason"].as_str().is_some_and(|reason| words.iter().all(|word| reason.contains(word))));
    bench.finish();
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
    let _alone = alone();
    let name = "a_full_disk";
    let Some(agent) = able(name) else { return };
    let bench = Bench::new("full", agent);
    let small = match Small::new(bench.out()) {
        Ok(small) => small,
        Err(reason) => return skip(name, &reason),
    };
    // The first run fits; then others fill the disk.
    let mut run = bench.until("repetition 2: starting", &["--repeat", "2", "--set", "app.rate=5 /s"]);
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
    }
}

#[test]
fn an_engine_that_dies_ends_the_measurement_and_what_it_left_goes_when_it_is_back() {
    let _alone = alone();
    let name = "an_engine_that_dies";
    let Some(agent) = able(name) else { return };
    let bench = Bench::new("engine", agent);
    let place = bench.folder.join("engine");
    fs::create_dir_all(&place).expect("it can be made");
    let engine = match Engine::start(&place) {
        Ok(engine) => engine,
        Err(reason) => return skip(name, &format!("no second engine: {reason}")),
    };
    let host = engine.host();
    let environment = [("DOCKER_HOST", host.as_str())];
    let mut run = (0..TRIES).find_map(|_| {
        let mut run = Run::start(&bench.args(&[]), &environment);
        run.reaches(": measuring").then_some(run)
    });
    let mut run = run.take().expect("one of the proofs holds");
    sleep(Duration::from_millis(500));
    engine.kill();
    run.said.clear();
    let (code, said) = run.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the container engine cannot run the") && said.contains("--resume"), "{said}");
    // What the engine holds cannot be removed without it: it stays in the ledger.
    let ledgers = bench.ledgers();
    let list = ["emulate", "list", "--state", text(&ledgers), "--json"];
    let left = offing(&list).expect_code(0).json();
    assert_eq!(left[0]["under_way"], false);
    assert!(left[0]["resources"].as_array().is_some_and(|left| left.len() >= 3), "{left}");
    let down = ["emulate", "down", "--state", text(&ledgers)];
    assert!(offing_in(&down, &environment).expect_code(3).stderr.contains("the container engine cannot"));
    let engine = Engine::start(&place).expect("it has started before");
    offing_in(&down, &environment).expect_code(0);
    assert_eq!(offing(&list).expect_code(0).json(), Value::Array(Vec::new()));
    let there = |what: &[&str]| docker(&[&["-H", &host], what].concat());
    assert_eq!(there(&["ps", "-aq"]) + &there(&["images", "-q"]), "");
    engine.stop();
    bench.finish();
}
