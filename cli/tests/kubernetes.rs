//! `offing emulate run` on a real Kubernetes cluster (lab/kubernetes), and what it does when that fails.
//!
//! The server's binaries take minutes to build, and these tests as long: they say that they were skipped, unless
//! `OFFING_KUBERNETES` asks for them. `build` builds the binaries if they are missing, `lab` does not.
#![cfg(feature = "emu")]

mod support;

#[path = "../../emu/tests/support/mod.rs"]
mod real;

mod machine;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use machine::Run;
use real::{agent, alone, lab, root, skip};
use serde_json::{Value, json};
use support::{Outcome, offing, offing_in, scratch, text};

/// The longest that anything takes.
const PATIENCE: Duration = Duration::from_secs(150);

/// Where the lab keeps what it has built.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/offing-lab");
    std::env::var_os("OFFING_LAB").map_or_else(home, PathBuf::from).join("kubernetes")
}

/// Why no cluster is to be started.
fn asked() -> Result<(), String> {
    let built = cache().join("bin/kubelet").exists();
    match std::env::var("OFFING_KUBERNETES").as_deref() {
        Ok("build") => Ok(()),
        Ok("lab") if built => Ok(()),
        Ok("lab") => Err("the server's binaries are not built; OFFING_KUBERNETES=build builds them".into()),
        _ => Err("OFFING_KUBERNETES=build starts a cluster for it".into()),
    }
}

/// A cluster with one node per word; it is removed with this.
struct Lab {
    folder: PathBuf,
    agent: String,
    kubeconfig: PathBuf,
    _alone: File,
}

impl Lab {
    fn up(name: &str, nodes: &[&str]) -> Option<Lab> {
        let alone = alone();
        let tried = || {
            asked()?;
            let agent = agent()?;
            lab("docker.sh")?;
            lab("kubernetes/down.sh")?;
            let up = Command::new(root().join("lab/kubernetes/up.sh")).args(nodes).output();
            let up = up.map_err(|cause| cause.to_string())?;
            match up.status.success() {
                true => Ok(agent),
                false => {
                    Err(String::from_utf8_lossy(&up.stderr).lines().last().unwrap_or_default().to_string())
                }
            }
        };
        let agent = tried().map_err(|reason| skip(name, &reason)).ok()?;
        let folder = scratch(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("it can be made");
        let lab = Lab { folder, agent, kubeconfig: cache().join("kubeconfig"), _alone: alone };
        let archive = lab.folder.join("agent.tar");
        offing(&["emulate", "image", "--agent", &lab.agent, "--out", text(&archive)]).expect_code(0);
        let load = Command::new(root().join("lab/kubernetes/load.sh")).arg(&archive).status();
        assert!(load.is_ok_and(|status| status.success()), "the image is not loaded");
        Some(lab)
    }

    fn ledgers(&self) -> PathBuf {
        self.folder.join("ledgers")
    }

    /// The words of a measurement in a folder of this name.
    fn args(&self, file: &str, out: &str, more: &[&str]) -> Vec<String> {
        let own = |path: PathBuf| text(&path).to_string();
        let (out, kubeconfig, state) =
            (own(self.folder.join(out)), own(self.kubeconfig.clone()), own(self.ledgers()));
        let words = ["emulate", "run", file, "--manager", "kubernetes", "--agent", &self.agent];
        let places = ["--out", &out, "--kubeconfig", &kubeconfig, "--state", &state];
        words.iter().chain(&places).chain(more).map(ToString::to_string).collect()
    }

    fn run(&self, file: &str, out: &str, more: &[&str]) -> Outcome {
        let args = self.args(file, out, more);
        offing(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let mut kubectl = Command::new(cache().join("bin/kubectl"));
        let output =
            kubectl.args(args).env("KUBECONFIG", &self.kubeconfig).output().expect("kubectl is there");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }

    /// The kubeconfig, with a token in place of the certificate.
    fn with_token(&self, name: &str, token: &str) -> PathBuf {
        let config = fs::read_to_string(&self.kubeconfig).expect("it is there");
        let lines = config.lines().filter(|line| !line.contains("client-key-data"));
        let lines = lines.map(|line| match line.split_once("client-certificate-data") {
            Some((space, _)) => format!("{space}token: {token}"),
            None => line.to_string(),
        });
        let path = self.folder.join(name);
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).expect("it can be written");
        path
    }

    fn down(&self) -> Outcome {
        offing(&["emulate", "down", "--json", "--state", text(&self.ledgers())])
    }

    /// On the cluster and in the ledger.
    fn assert_nothing_left(&self) {
        let left = self.kubectl(&[
            "get",
            "namespaces,pods,jobs,deployments,services,configmaps",
            "-A",
            "-l",
            "offing.run",
            "-o",
            "name",
        ]);
        assert_eq!(left, "");
        let list = offing(&["emulate", "list", "--json", "--state", text(&self.ledgers())]).json();
        assert_eq!(list, json!([]));
    }

    fn read(&self, out: &str) -> Vec<(PathBuf, Value)> {
        let runs = fs::read_dir(self.folder.join(out).join("runs")).expect("it is there").flatten();
        let read = |folder: PathBuf| {
            let run = fs::read(folder.join("run.json")).expect("it is there");
            (folder, serde_json::from_slice(&run).expect("JSON"))
        };
        runs.map(|entry| read(entry.path())).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = lab("kubernetes/down.sh");
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn docker(args: &[&str]) {
    let output = Command::new("docker").args(args).output().expect("docker is there");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Starts a measurement.
fn started(args: &[String]) -> Run {
    Run::start(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[], PATIENCE)
}

/// What is told of every run: parts that add up, emissions of the prediction, pods that came to be step by step.
fn check(folder: &Path, run: &Value) {
    assert_eq!(run["valid"], true, "{run}");
    assert_eq!(run["requests"]["completed"], run["requests"]["offered"], "{run}");
    let mean = |part: &str| run["parts_ms"][part]["mean"].as_f64().expect("a number");
    let sum: f64 = ["prepare", "uplink", "queue", "process", "downlink"].map(mean).iter().sum();
    assert!((sum - run["latency_ms"]["mean"].as_f64().expect("a number")).abs() < 1e-6, "{run}");
    let alone = folder.join("deployment.toml");
    let trace = folder.join("trace.csv");
    offing(&["simulate", text(&alone), "--trace", text(&trace)]).expect_code(0);
    let emissions = |path: PathBuf| -> Vec<String> {
        let rows = fs::read_to_string(path).expect("it is there");
        rows.lines().map(|row| row.split(',').take(4).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(emissions(folder.join("requests.csv")), emissions(trace));
    for node in run["nodes"].as_array().expect("a list") {
        let (used, allowed) = (node["cpu_seconds"].as_f64(), node["allowed_cpu_seconds"].as_f64());
        assert!(used > Some(0.0) && used < allowed.map(|allowed| allowed * 1.05), "{node}");
        assert!(node["periods"].as_u64() > Some(0), "{node}");
    }
    let pods = run["kubernetes"]["pods"].as_array().expect("a list");
    assert_eq!(pods.len(), run["nodes"].as_array().expect("a list").len());
    for pod in pods {
        let steps = [
            "asked_ms",
            "created_ms",
            "scheduled_ms",
            "sandbox_ms",
            "container_ms",
            "started_ms",
            "process_ms",
            "ready_ms",
        ];
        let steps = steps.map(|step| pod[step].as_f64().unwrap_or_else(|| panic!("no {step}: {pod}")));
        assert!(steps.is_sorted() && steps[7] < 60e3, "{pod}");
    }
    let csv = fs::read_to_string(folder.join("pods.csv")).expect("it is there");
    assert_eq!(csv.lines().count(), pods.len() + 1);
}

#[test]
fn deployments_are_measured_on_a_cluster_and_nothing_is_left() {
    let Some(lab) = Lab::up("kubernetes_measures", &["endpoint", "cloud", "edge"]) else { return };
    // By the labels of the nodes.
    lab.run("data/measured.toml", "labels", &[]).expect_code(0);
    lab.assert_nothing_left();
    let runs = lab.read("labels");
    let (folder, run) = &runs[0];
    check(folder, run);
    let on = |node: &str| {
        let pods = run["kubernetes"]["pods"].as_array().expect("a list").iter();
        pods.filter(|pod| pod["node"] == node).map(|pod| pod["on"].clone()).next()
    };
    assert_eq!((on("endpoint-0"), on("cloud-0")), (Some("n1".into()), Some("n2".into())));
    let summed = run["kubernetes"]["nodes"].as_array().expect("a list");
    assert!(summed.iter().all(|node| node["allocatable_cpus"].as_f64() > Some(0.5)), "{run}");
    // By a user who may do nothing else, while the API server is away for some seconds.
    let user = "system:serviceaccount:default:jane";
    lab.kubectl(&["create", "serviceaccount", "jane"]);
    let rights = offing(&["emulate", "rbac", "--user", user]).expect_code(0).stdout;
    let manifest = lab.folder.join("rbac.yaml");
    fs::write(&manifest, rights).expect("it can be written");
    lab.kubectl(&["apply", "-f", text(&manifest)]);
    let secret = lab.kubectl(&["get", "serviceaccount", "jane", "-o", "jsonpath={.secrets[0].name}"]);
    let token = lab.kubectl(&["get", "secret", &secret, "-o", "go-template={{.data.token | base64decode}}"]);
    let janes = lab.with_token("jane", &token);
    let args = lab.args("data/measured.toml", "by-jane", &[]);
    let args: Vec<String> = args
        .iter()
        .map(|word| if *word == text(&lab.kubeconfig) { text(&janes).into() } else { word.clone() })
        .collect();
    let mut run = started(&args);
    assert!(run.reaches(": measuring"), "{:#?}", run.said);
    sleep(Duration::from_secs(3));
    docker(&["restart", "-t", "0", "offing-lab-cp"]);
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    lab.assert_nothing_left();
    let (folder, run) = &lab.read("by-jane")[0];
    check(folder, run);
    // She may not read the kubelets' counters.
    assert!(run["kubernetes"]["nodes"][0]["cpus"].is_null(), "{run}");
    // Five deployments, wherever the scheduler puts them.
    let begin = Instant::now();
    let library = root().join("scenarios/library/measure.toml");
    let short = ["--tier-label", "none", "--set", "duration=7 s", "--set", "warm_up=1 s"];
    lab.run(text(&library), "five", &short).expect_code(0);
    assert!(begin.elapsed() < Duration::from_secs(240), "{:?}", begin.elapsed());
    lab.assert_nothing_left();
    let runs = lab.read("five");
    assert_eq!(runs.len(), 5);
    runs.iter().for_each(|(folder, run)| check(folder, run));
}

#[test]
fn a_measurement_on_a_cluster_that_is_killed_is_cleared_away_and_goes_on() {
    let Some(lab) = Lab::up("kubernetes_killed", &["endpoint", "cloud"]) else { return };
    for (step, wait_ms) in
        [(": starting", 300), (": starting", 1_500), (": measuring", 2_500), (": removing", 20)]
    {
        let out = format!("killed-{wait_ms}");
        let mut run = started(&lab.args("data/measured.toml", &out, &[]));
        assert!(run.reaches(step), "{:#?}", run.said);
        sleep(Duration::from_millis(wait_ms));
        run.process.0.kill().expect("it can be killed");
        run.process.0.wait().expect("it was started");
        let removed = lab.down().expect_code(0).json();
        let is_it = |removed: &Value| removed["kind"] == "kubernetes_namespace";
        assert!(removed.as_array().is_some_and(|all| all.iter().any(is_it)), "{step}: {removed}");
        lab.assert_nothing_left();
    }
    // An interrupt removes all by itself; and what was begun goes on.
    let mut run = started(&lab.args("data/measured.toml", "interrupted", &[]));
    assert!(run.reaches(": measuring"));
    let sent = Command::new("kill").args(["-INT", &run.process.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
    let (code, said) = run.end();
    assert_eq!(code, Some(130), "{said}");
    lab.assert_nothing_left();
    let out = lab.folder.join("interrupted");
    let resume = ["emulate", "run", "--resume", text(&out), "--agent", &lab.agent];
    let places = ["--kubeconfig", text(&lab.kubeconfig), "--state"];
    let ledgers = lab.ledgers();
    offing(&[&resume[..], &places[..], &[text(&ledgers)]].concat()).expect_code(0);
    lab.assert_nothing_left();
}

#[test]
fn what_fails_on_a_cluster_is_named_and_cleared_away() {
    let Some(lab) = Lab::up("kubernetes_faults", &["endpoint", "cloud"]) else { return };
    let fails = |out: &str, more: &[&str], words: &[&str]| {
        let told = lab.run("data/measured.toml", out, more);
        assert_eq!(told.code, 3, "{out}: {}", told.stderr);
        for word in words {
            assert!(told.stderr.contains(word), "{out}: `{word}` is not in {}", told.stderr);
        }
        lab.assert_nothing_left();
    };
    fails(
        "image",
        &["--image", "127.0.0.1:5000/absent:1"],
        &["127.0.0.1:5000/absent:1` cannot be had", "dial tcp"],
    );
    fails(
        "label",
        &["--tier-label", "place", "--ready-limit", "5"],
        &["says the scheduler", "didn't match", "place=TIER"],
    );
    // A namespace of somebody else's, with a quota that is too small.
    lab.kubectl(&["create", "namespace", "theirs"]);
    lab.kubectl(&["create", "quota", "small", "-n", "theirs", "--hard=limits.cpu=100m,limits.memory=1Gi"]);
    fails("quota", &["--namespace", "theirs"], &["exceeded quota: small"]);
    lab.kubectl(&["delete", "quota", "small", "-n", "theirs"]);
    lab.run("data/measured.toml", "theirs", &["--namespace", "theirs"]).expect_code(0);
    lab.assert_nothing_left();
    assert!(lab.kubectl(&["get", "namespace", "theirs", "-o", "name"]).contains("theirs"));

    // Credentials that the API server does not take.
    let expired = lab.with_token("expired-config", "expired");
    let good = lab.args("data/measured.toml", "expired", &[]);
    let bad = good.iter().map(|word| if *word == text(&lab.kubeconfig) { text(&expired) } else { word });
    let told = offing(&bad.collect::<Vec<_>>());
    assert!(told.code == 3 && told.stderr.contains("are refused (401"), "{}", told.stderr);

    // Somebody else removes the namespace while it measures.
    let mut run = started(&lab.args("data/measured.toml", "removed", &[]));
    assert!(run.reaches(": measuring"), "{:#?}", run.said);
    sleep(Duration::from_secs(3));
    let name =
        lab.kubectl(&["get", "namespaces", "-l", "offing.run", "-o", "jsonpath={.items[0].metadata.name}"]);
    lab.kubectl(&["delete", "namespace", &name, "--wait=false"]);
    let (code, said) = run.end();
    assert!(code == Some(3) && said.contains("somebody else"), "{code:?} {said}");
    lab.assert_nothing_left();

    // The API server goes away, and does not come back before the run is given up.
    let mut run = started(&lab.args("data/measured.toml", "away", &[]));
    assert!(run.reaches(": measuring"), "{:#?}", run.said);
    sleep(Duration::from_secs(3));
    docker(&["stop", "-t", "0", "offing-lab-cp"]);
    let (code, said) = run.end();
    assert!(code == Some(3) && said.contains("the Kubernetes cluster cannot"), "{code:?} {said}");
    let down = lab.down();
    assert_eq!(down.code, 3, "{}", down.stderr);
    docker(&["start", "offing-lab-cp"]);
    let limit = Instant::now() + PATIENCE;
    while lab.down().code != 0 {
        assert!(Instant::now() < limit, "the cluster does not come back");
        sleep(Duration::from_secs(1));
    }
    lab.assert_nothing_left();

    // A node dies. Last, for it does not come back.
    let mut run = started(&lab.args("data/measured.toml", "node", &[]));
    assert!(run.reaches(": measuring"), "{:#?}", run.said);
    sleep(Duration::from_secs(3));
    docker(&["kill", "offing-lab-n2"]);
    let (code, said) = run.end();
    assert!(code == Some(3) && said.contains("node cloud-0 cannot"), "{code:?} {said}");
    lab.assert_nothing_left();
}

#[test]
fn a_cluster_of_our_own_has_the_links_of_the_plan_and_goes_with_the_measurement() {
    let name = "kubernetes_own";
    let _alone = alone();
    if let Err(reason) = asked() {
        return skip(name, &reason);
    }
    let agent = match lab("docker.sh").and_then(|_| agent()) {
        Ok(agent) => agent,
        Err(reason) => return skip(name, &reason),
    };
    let told = offing_in(&["doctor", "--json"], &[("OFFING_AGENT", &agent)]);
    if told.code != 0 {
        return skip(name, "offing doctor says that this machine cannot measure");
    }
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    let (out, state) = (folder.join("out"), folder.join("ledgers"));
    let existing = || -> Vec<String> {
        let list =
            |what: &[&str]| Command::new("docker").args(what).output().expect("docker is there").stdout;
        let sysctl = |name: &str| fs::read(format!("/proc/sys/{name}")).expect("it is there");
        let all = [list(&["ps", "-aq"]), list(&["images", "-q"]), list(&["network", "ls", "-q"])];
        let all = all.into_iter().chain(["kernel/panic", "vm/overcommit_memory"].map(sysctl));
        let mut lines: Vec<String> = all
            .flat_map(|text| String::from_utf8_lossy(&text).lines().map(String::from).collect::<Vec<_>>())
            .collect();
        lines.sort();
        lines
    };
    let before = existing();
    let binaries = cache().join("bin");
    let args = ["emulate", "run", "data/measured.toml", "--manager", "kubernetes", "--agent", &agent];
    // How well links are kept is not what this is about.
    let places = ["--out", text(&out), "--state", text(&state), "--proof-tolerance", "20"];
    // 20 ms each way, which no cluster of containers has by itself.
    let more = ["--set", "link.endpoint-cloud.latency=20 ms"];
    let image = lab("kubernetes/node-image.sh").expect("an image can be made of the binaries");
    let before_image = existing();
    for made_of in [["--kube-binaries", text(&binaries)], ["--node-image", &image]] {
        let _ = fs::remove_dir_all(&out);
        let told = offing(&[&args[..], &places[..], &made_of[..], &more[..]].concat());
        assert_eq!(existing(), before_image, "{}", told.stderr);
        told.expect_code(0);
        assert!(fs::read_dir(&state).expect("it is there").next().is_none());
        let runs = fs::read_dir(out.join("runs")).expect("it is there").flatten();
        for entry in runs {
            let json = |name: &str| -> Value {
                serde_json::from_slice(&fs::read(entry.path().join(name)).expect("it is there"))
                    .expect("JSON")
            };
            let (run, proof) = (json("run.json"), json("proof.json"));
            check(&entry.path(), &run);
            for part in ["uplink", "downlink"] {
                let mean = run["parts_ms"][part]["mean"].as_f64().expect("a number");
                assert!((20.0..35.0).contains(&mean), "{run}");
            }
            assert!(run["links"]["forwarded"].as_u64() > Some(100), "{run}");
            let checks = proof["checks"].as_array().expect("a list");
            let of = |quantity: &str| -> Vec<&Value> {
                checks.iter().filter(|check| check["quantity"] == quantity).collect()
            };
            // Each link both ways, each pod.
            let nodes = run["nodes"].as_array().expect("a list").len();
            assert_eq!(of("processor_cores").len(), nodes, "{proof}");
            assert!(of("delay_ms").len() >= 2, "{proof}");
            for delay in of("delay_ms") {
                let measured = delay["measured"].as_f64().expect("a number");
                assert!((19.5..26.0).contains(&measured), "{delay}");
            }
        }
    }
    let removed = Command::new("docker").args(["rmi", &image]).output().expect("docker is there");
    assert!(removed.status.success());
    // Killed while it is made, and while it measures.
    for step in ["making a Kubernetes cluster", ": measuring"] {
        let _ = fs::remove_dir_all(&out);
        let made_of = ["--kube-binaries", text(&binaries)];
        let words = [&args[..], &places[..], &made_of[..]].concat();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut run = started(&words);
        assert!(run.reaches(step), "{:#?}", run.said);
        sleep(Duration::from_secs(3));
        run.process.0.kill().expect("it can be killed");
        run.process.0.wait().expect("it was started");
        offing(&["emulate", "down", "--state", text(&state)]).expect_code(0);
        assert_eq!(existing(), before, "{step}");
        assert!(fs::read_dir(&state).expect("it is there").next().is_none(), "{step}");
    }
    let _ = fs::remove_dir_all(&folder);
}
