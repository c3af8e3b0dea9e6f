//! `offing emulate run` on Kubernetes when the cluster says no: against an API server of the test's own, which says what
//! a real one says. What a real one does is in kubernetes.rs.
#![cfg(feature = "emu")]

mod support;

#[path = "../../emu/tests/support/mod.rs"]
mod real;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Outcome, offing, scratch, text};

/// What the API server knows and has been asked.
#[derive(Default)]
struct World {
    /// Methods and paths, in order.
    asked: Vec<String>,
    /// Names of namespaces that are there, with their run.
    namespaces: Vec<(String, String)>,
    /// Everything that was created, by path.
    created: Vec<(String, Value)>,
}

/// How this cluster behaves.
#[derive(Clone, Copy, PartialEq)]
enum Temper {
    /// Refuses the credentials.
    Expired,
    /// Lets nobody make namespaces.
    Forbids,
    /// Finds no node.
    Unschedulable,
    /// Cannot have the image.
    NoImage,
    /// Starts containers that end.
    Crashes,
    /// Makes no pods, because of a quota.
    Quota,
    /// Somebody removes the namespace while pods start.
    Removed,
}

struct Server {
    address: String,
    world: Arc<Mutex<World>>,
}

impl Server {
    fn start(temper: Temper) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let world = Arc::new(Mutex::new(World::default()));
        let known = world.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = known.clone();
                thread::spawn(move || serve(stream, temper, &known));
            }
        });
        Server { address, world }
    }

    fn asked(&self) -> Vec<String> {
        self.world.lock().expect("nothing panics with it").asked.clone()
    }
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Vec<Value>) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, vec![status])
}

/// Answers one request per connection.
fn serve(stream: TcpStream, temper: Temper, world: &Mutex<World>) {
    let mut input = BufReader::new(stream.try_clone().expect("it can be cloned"));
    let mut line = String::new();
    if input.read_line(&mut line).is_err() {
        return;
    }
    let words: Vec<String> = line.split_whitespace().map(String::from).collect();
    let [method, target, ..] = &words[..] else { return };
    let mut length = 0;
    loop {
        let mut header = String::new();
        if input.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    let _ = input.read_exact(&mut body);
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (code, values) = answer(temper, world, method, target, &body);
    let mut output = stream;
    let _ =
        write!(output, "HTTP/1.1 {code} x\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    for value in values {
        let _ = writeln!(output, "{value}");
    }
    if target.contains("watch=true") {
        // A watch goes on; its reader goes when it has seen enough.
        let _ = output.set_read_timeout(Some(Duration::from_secs(20)));
        let _ = input.read(&mut [0]);
    }
}

fn answer(
    temper: Temper,
    world: &Mutex<World>,
    method: &str,
    target: &str,
    body: &Value,
) -> (u16, Vec<Value>) {
    let path = target.split('?').next().expect("there is a first");
    let mut world = world.lock().expect("nothing panics with it");
    world.asked.push(format!("{method} {path}"));
    if temper == Temper::Expired {
        return status(401, "Unauthorized", "Unauthorized");
    }
    if path == "/version" {
        let version = json!({ "major": "1", "minor": "20", "gitVersion": "v1.20.2", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "linux/amd64" });
        return (200, vec![version]);
    }
    let name = body["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let last = path.rsplit('/').next().expect("there is a last").to_string();
    match (method, path) {
        ("POST", "/api/v1/namespaces") if temper == Temper::Forbids => status(
            403,
            "Forbidden",
            "namespaces is forbidden: User \"jane\" cannot create resource \"namespaces\"",
        ),
        ("POST", "/api/v1/namespaces") => {
            let run = body["metadata"]["labels"]["offing.run"].as_str().expect("it is labelled").to_string();
            world.namespaces.push((name, run));
            world.created.push((path.into(), body.clone()));
            (201, vec![body.clone()])
        }
        ("GET", "/api/v1/namespaces") => (200, vec![json!({ "metadata": {}, "items": [] })]),
        ("GET", _) if path.starts_with("/api/v1/namespaces/") && path.matches('/').count() == 4 => {
            match world.namespaces.iter().find(|(known, _)| *known == last) {
                Some((name, run)) => {
                    (200, vec![json!({ "metadata": { "name": name, "labels": { "offing.run": run } } })])
                }
                None => status(404, "NotFound", &format!("namespaces \"{last}\" not found")),
            }
        }
        ("DELETE", _) if path.matches('/').count() == 4 => {
            world.namespaces.retain(|(known, _)| *known != last);
            (200, vec![json!({ "metadata": { "name": last } })])
        }
        ("POST", _) => {
            world.created.push((path.into(), body.clone()));
            let mut object = body.clone();
            if path.ends_with("/services") {
                object["spec"]["clusterIP"] = "10.96.0.17".into();
            }
            (201, vec![object])
        }
        ("GET", _) if path.ends_with("/log") => (200, vec!["wrong key".into()]),
        ("GET", _) if target.contains("watch=true") => {
            let events = watched(temper, path, &world);
            if temper == Temper::Removed && path.ends_with("/pods") {
                world.namespaces.clear();
            }
            (200, events)
        }
        ("GET", _) => (200, vec![json!({ "metadata": {}, "items": [] })]),
        _ => (200, vec![json!({ "metadata": { "name": last } })]),
    }
}

/// What a watch tells.
fn watched(temper: Temper, path: &str, world: &World) -> Vec<Value> {
    let run = world.namespaces.first().map_or("", |(_, run)| run.as_str());
    let pod = |kind: &str, status: Value| {
        let labels = json!({ "offing.run": run, "offing.node": "cloud-0" });
        let metadata = json!({ "name": "cloud-0-abc", "labels": labels, "resourceVersion": "7" });
        json!({ "type": kind, "object": {
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": { "containers": [], "nodeName": "n2" }, "status": status,
        } })
    };
    let container = |state: Value, restarts: u32, last: Value| {
        json!({ "containerStatuses": [{ "name": "offing", "image": "nowhere/agent:1", "imageID": "", "ready": false,
            "restartCount": restarts, "state": state, "lastState": last }] })
    };
    match (temper, path.ends_with("/pods")) {
        (Temper::Unschedulable, true) => {
            let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/2 nodes are available: 2 Insufficient cpu." });
            let mut event = pod("ADDED", json!({ "conditions": [condition] }));
            event["object"]["spec"]["nodeName"] = Value::Null;
            vec![event]
        }
        (Temper::NoImage, true) => {
            let failed =
                json!({ "waiting": { "reason": "ErrImagePull", "message": "dial tcp: no such host" } });
            let again = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off" } });
            vec![
                pod("ADDED", container(failed, 0, Value::Null)),
                pod("MODIFIED", container(again, 0, Value::Null)),
            ]
        }
        (Temper::Crashes, true) => {
            let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
            vec![pod("ADDED", container(waiting, 1, json!({ "terminated": { "exitCode": 2 } })))]
        }
        (Temper::Removed, true) => {
            vec![pod("ADDED", json!({ "phase": "Running" })), pod("DELETED", json!({ "phase": "Running" }))]
        }
        (Temper::Quota, false) => vec![json!({ "type": "ADDED", "object": {
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "resourceVersion": "7" },
            "involvedObject": { "kind": "ReplicaSet", "name": "cloud-0-5d8f" }, "reason": "FailedCreate",
            "message": "pods \"cloud-0-5d8f-x\" is forbidden: exceeded quota: small, requested: limits.cpu=150m",
        } })],
        _ => Vec::new(),
    }
}

/// A test's folder and a kubeconfig in it.
struct Bench {
    folder: PathBuf,
    kubeconfig: PathBuf,
}

impl Bench {
    fn new(name: &str, server: &str) -> Bench {
        let folder = scratch(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("it can be made");
        let kubeconfig = folder.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "me@there",
            "clusters": [{ "name": "there", "cluster": { "server": server } }],
            "users": [{ "name": "me", "user": { "token": "secret" } }],
            "contexts": [{ "name": "me@there", "context": { "cluster": "there", "user": "me" } }],
        });
        fs::write(&kubeconfig, config.to_string()).expect("it can be written");
        Bench { folder, kubeconfig }
    }

    fn run(&self, more: &[&str]) -> Outcome {
        let (out, state) = (self.folder.join("out"), self.folder.join("ledgers"));
        let args =
            ["emulate", "run", "data/measured.toml", "--manager", "kubernetes", "--image", "nowhere/agent:1"];
        let places = ["--kubeconfig", text(&self.kubeconfig), "--out", text(&out), "--state", text(&state)];
        offing(&[&args[..], &places[..], more].concat())
    }

    fn ledgers(&self) -> Value {
        offing(&["emulate", "list", "--json", "--state", text(&self.folder.join("ledgers"))]).json()
    }
}

/// Runs against a cluster of this temper; the error must hold these words, and nothing must be left.
fn refuses(name: &str, temper: Temper, more: &[&str], words: &[&str]) -> Vec<String> {
    let server = Server::start(temper);
    let bench = Bench::new(name, &server.address);
    let told = bench.run(more);
    assert_eq!(told.code, 3, "{}", told.stderr);
    for word in words {
        assert!(told.stderr.contains(word), "`{word}` is not in {}", told.stderr);
    }
    assert_eq!(bench.ledgers(), json!([]), "{}", told.stderr);
    assert_eq!(server.world.lock().expect("it is whole").namespaces, [], "{}", told.stderr);
    server.asked()
}

#[test]
fn expired_credentials_are_named_with_their_context() {
    let words = ["credentials of context `me@there` are refused", "expired", "renew them"];
    refuses("expired", Temper::Expired, &[], &words);
}

#[test]
fn what_may_not_be_done_is_named_and_where_the_rights_are() {
    let words = ["User \"jane\" cannot create resource \"namespaces\"", "offing emulate rbac"];
    refuses("forbids", Temper::Forbids, &[], &words);
}

#[test]
fn a_pod_that_no_node_takes_is_told_in_the_words_of_the_scheduler() {
    let words = ["node cloud-0 cannot start", "0/2 nodes are available: 2 Insufficient cpu."];
    let asked = refuses("unschedulable", Temper::Unschedulable, &["--ready-limit", "1"], &words);
    let is = |start: &str, end: &str| asked.iter().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(is("POST", "/services") && is("POST", "/deployments") && is("POST", "/jobs"), "{asked:#?}");
    assert!(is("DELETE /api/v1/namespaces/offing-", ""), "{asked:#?}");
}

/// Everything that is ever asked of a cluster, against the schemas of thirteen newer versions: what they do not know, they
/// refuse here, where a cluster would only ignore it.
#[test]
fn what_is_made_is_valid_in_newer_versions_of_kubernetes() {
    let server = Server::start(Temper::Unschedulable);
    let bench = Bench::new("schemas", &server.address);
    assert_eq!(bench.run(&["--ready-limit", "1"]).code, 3);
    let made = server.world.lock().expect("it is whole").created.clone();
    let kinds: Vec<&str> = made.iter().filter_map(|(_, object)| object["kind"].as_str()).collect();
    for kind in ["Namespace", "ConfigMap", "Service", "Deployment", "Job"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let objects: Vec<&Value> = made.iter().map(|(_, object)| object).collect();
    let submit = ["submit", "kubernetes", "data/space.toml", "--shards", "3", "--image", "offing:1"];
    let documents = [
        serde_json::to_string(&objects).expect("it is JSON"),
        offing(&submit).expect_code(0).stdout,
        offing(&[&submit[..], &["--kubernetes-version", "1.20"]].concat()).expect_code(0).stdout,
        offing(&["emulate", "rbac", "--user", "jane", "--stats"]).expect_code(0).stdout,
        offing(&["emulate", "rbac", "--user", "jane", "--namespace", "theirs"]).expect_code(0).stdout,
    ];
    let files = documents.iter().enumerate().map(|(i, text)| {
        let path = bench.folder.join(format!("{i}.yaml"));
        fs::write(&path, text).expect("it can be written");
        path
    });
    let check = |files: &[PathBuf]| {
        let script = real::root().join("lab/kubernetes/schemas.sh");
        std::process::Command::new(script).args(files).output().expect("it starts")
    };
    let files: Vec<PathBuf> = files.collect();
    let told = check(&files);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    if told.status.code() == Some(77) {
        let reason = said.trim().trim_start_matches("skipped: kubernetes_schemas (").trim_end_matches(')');
        return real::skip("kubernetes_schemas", reason);
    }
    assert!(told.status.success(), "{said}{}", String::from_utf8_lossy(&told.stderr));
    // And it is a check: a field that nobody knows is found.
    let mut job = objects.iter().find(|object| object["kind"] == "Job").expect("it was made").to_string();
    job = job.replacen("\"restartPolicy\"", "\"restartPolice\"", 1);
    fs::write(&files[0], job).expect("it can be written");
    assert_eq!(check(&files[..1]).status.code(), Some(1));
}

#[test]
fn an_image_that_cannot_be_had_is_named_with_the_reason_and_the_way_out() {
    let words = ["`nowhere/agent:1` cannot be had", "dial tcp: no such host", "offing emulate image"];
    refuses("image", Temper::NoImage, &[], &words);
}

#[test]
fn a_container_that_ends_again_and_again_is_told_with_its_last_lines() {
    refuses("crashes", Temper::Crashes, &[], &["exit code 2", "its last lines", "wrong key"]);
}

#[test]
fn a_quota_that_is_exceeded_is_told_at_once() {
    refuses("quota", Temper::Quota, &[], &["node cloud-0 cannot start", "exceeded quota: small"]);
}

#[test]
fn a_namespace_that_somebody_else_removes_is_told() {
    let words = ["somebody else has removed its pod", "the namespace offing-", "is gone"];
    refuses("removed", Temper::Removed, &[], &words);
}

#[test]
fn an_api_server_that_is_not_there_is_told_and_a_kubeconfig_without_the_context_too() {
    let bench = Bench::new("absent", "http://127.0.0.1:9");
    let told = bench.run(&[]);
    assert_eq!(told.code, 3, "{}", told.stderr);
    assert!(told.stderr.contains("cannot be reached") && told.stderr.contains("refused"), "{}", told.stderr);
    assert_eq!(bench.ledgers(), json!([]));
    fs::remove_dir_all(bench.folder.join("out")).expect("it is there");
    let told = bench.run(&["--context", "other"]);
    assert_eq!(told.code, 2, "{}", told.stderr);
    assert!(told.stderr.contains("no context `other`; it has me@there"), "{}", told.stderr);
}

#[test]
fn a_cluster_that_dies_leaves_the_run_in_the_ledger_and_down_removes_it_when_it_is_back() {
    let server = Server::start(Temper::Unschedulable);
    let bench = Bench::new("dies", &server.address);
    let folder = bench.folder.join("ledgers");
    // As if it had been killed: the ledger of a run, and its namespace.
    fs::create_dir_all(&folder).expect("it can be made");
    let run = "20261124-120000-0123abcd";
    let place = json!(["me@there", text(&bench.kubeconfig)]);
    let lines = [
        json!({ "step": "begun", "run": run, "at": "2026-11-24T12:00:00Z", "process": 1 }),
        json!({ "step": "making", "kind": "kubernetes_namespace", "name": format!("offing-{run} {place}") }),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let ledger = folder.join(format!("{run}.jsonl"));
    fs::write(&ledger, &lines).expect("it can be written");
    let namespace = (format!("offing-{run}"), run.to_string());
    let stranger = (String::from("theirs"), String::from("another"));
    server.world.lock().expect("it is whole").namespaces = vec![namespace, stranger.clone()];
    let config = fs::read_to_string(&bench.kubeconfig).expect("it is there");
    fs::write(&bench.kubeconfig, config.replace(&server.address, "http://127.0.0.1:9"))
        .expect("it can be written");
    let down = || offing(&["emulate", "down", "--json", "--state", text(&folder)]);
    assert_eq!(down().code, 3);
    assert!(ledger.is_file());
    fs::write(&bench.kubeconfig, config).expect("it can be written");
    let removed = down().expect_code(0).json();
    assert_eq!(removed[0]["kind"], "kubernetes_namespace");
    assert_eq!(server.world.lock().expect("it is whole").namespaces, [stranger]);
    assert!(!ledger.is_file());
    assert_eq!(down().expect_code(0).json(), json!([]));
}

#[test]
fn what_is_created_holds_the_plan_and_the_configuration_of_the_roles() {
    let server = Server::start(Temper::Unschedulable);
    let bench = Bench::new("created", &server.address);
    bench.run(&["--ready-limit", "1", "--tier-label", "place"]);
    let world = server.world.lock().expect("it is whole");
    let object = |end: &str, name: &str| {
        let is_it =
            |(path, object): &&(String, Value)| path.ends_with(end) && object["metadata"]["name"] == name;
        world
            .created
            .iter()
            .find(is_it)
            .map(|(_, object)| object.clone())
            .unwrap_or_else(|| panic!("no {name}"))
    };
    let deployment = object("/deployments", "cloud-0");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({ "place": "cloud" }));
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({ "cpu": "150m", "memory": "67108864" }));
    assert_eq!(container["resources"]["limits"], container["resources"]["requests"]);
    let config =
        object("/configmaps", "endpoint-0-0")["data"]["part-000"].as_str().expect("text").to_string();
    let config: Value = serde_json::from_str(&config).expect("JSON");
    let role: Value =
        serde_json::from_str(config["roles"][0]["config"].as_str().expect("text")).expect("JSON");
    // The Service's address, as the API server gave it.
    assert_eq!(role["targets"][0]["address"], "10.96.0.17:1883");
    assert_eq!(object("/jobs", "endpoint-0")["spec"]["backoffLimit"], 0);
    let ports = object("/services", "cloud-0")["spec"]["ports"].clone();
    assert!(ports.as_array().expect("a list").iter().all(|port| port["protocol"].is_string()), "{ports}");
}
