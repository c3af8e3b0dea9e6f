//! `offing start`: how long pods need until they are ready.

mod support;

use std::fs;

use serde_json::Value;
use support::{offing, scratch};

const PODS: &str = "../../scenarios/library/kubernetes-pods.toml";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn starts(args: &[&str]) -> Vec<Value> {
    let told = offing(&[&["start"], args, &["--json"]].concat()).expect_code(0).json();
    told["starts"].as_array().expect("a list").clone()
}

#[test]
fn a_space_is_started_deployment_by_deployment_and_more_pods_take_longer() {
    let starts = starts(&[PODS]);
    let pods: Vec<u64> = starts.iter().map(|start| start["pods"].as_u64().unwrap()).collect();
    assert_eq!(pods, [1, 10, 100]);
    let ready: Vec<f64> = starts.iter().map(|start| number(&start["time_to_ready_s"])).collect();
    assert!(ready.is_sorted() && ready[0] > 0.3 && ready[2] > 5.0, "{ready:?}");
    for start in &starts {
        let last = ["created", "scheduled", "sandbox", "container", "started", "ready"]
            .map(|phase| number(&start["phases"][phase]["last_s"]));
        assert!(last.is_sorted(), "{last:?}");
        assert_eq!(number(&start["phases"]["ready"]["last_s"]), number(&start["time_to_ready_s"]));
        let [low, high] = [0, 1].map(|end| number(&start["time_to_ready_pi95_s"][end]));
        assert!(low <= high && start["limited_by"].is_string());
    }
}

#[test]
fn the_four_studies_of_the_library_are_started() {
    for (study, rows) in [("strong", 5), ("weak", 4), ("pods", 3), ("ways", 8)] {
        let file = format!("../../scenarios/library/kubernetes-{study}.toml");
        let starts = starts(&[&file]);
        assert_eq!(starts.len(), rows, "{study}");
        assert!(starts.iter().all(|start| start["left_out"] == 0), "{study}: all pods fit");
    }
}

#[test]
fn what_starts_can_be_said_on_the_command_line() {
    let one = &starts(&[PODS, "--pods", "60", "--nodes", "2"])[0];
    assert_eq!((&one["pods"], &one["nodes"]), (&60.into(), &2.into()));
    let text = offing(&["start", PODS, "--pods", "60", "--nodes", "2"]).expect_code(0).stdout;
    assert!(text.starts_with("kubernetes-pods: one Job of 60 pods on 2 cloud nodes of 8 cores\n"), "{text}");
    assert!(text.contains("\nready ") && text.contains("ready after"), "{text}");
    // A later version asks the API server ten times as often; one host for all is slower.
    let ready = |more: &[&str]| {
        let args = [&[PODS, "--pods", "60", "--nodes", "2"], more].concat();
        number(&starts(&args)[0]["time_to_ready_s"])
    };
    assert!(ready(&["--kubernetes", "1.27"]) < 0.7 * ready(&[]));
    assert!(ready(&["--host-cores", "1"]) > ready(&[]));
    let rows = offing(&["start", PODS, "--csv"]).expect_code(0).stdout;
    let mut lines = rows.lines();
    let header = lines.next().unwrap();
    assert!(header.starts_with("deploy.pods,deployment,start,pods,") && header.contains(",time_to_ready_s,"));
    assert!(lines.all(|line| line.split(',').count() == header.split(',').count()));
}

#[test]
fn what_does_not_fit_is_said() {
    let args = ["start", PODS, "--pods", "10", "--set", "deploy.pod_cpu=1"];
    let told = offing(&args).expect_code(0);
    assert!(
        told.stderr.contains(
            "2 of 10 pods fit on no node: Insufficient cpu. A node of tier `cloud` has room for 8 pods, with a request \
             of 1 cores and 500 MiB for each pod"
        ),
        "{}",
        told.stderr
    );
    let args = ["start", PODS, "--pods", "10", "--set", "deploy.pod_cpu=9"];
    let told = offing(&args).expect_code(1);
    assert!(told.stderr.contains("infeasible: 10 of 10 pods fit on no node"), "{}", told.stderr);
    // The same pods are infeasible for their requests.
    let args = ["simulate", PODS, "--set", "deploy.pod_cpu=9"];
    assert!(offing(&args).expect_code(1).stderr.contains("fit on no node"));
}

#[test]
fn without_kubernetes_there_are_no_pods() {
    let told = offing(&["start", "../../scenarios/library/video.toml"]).expect_code(2);
    assert!(told.stderr.contains("hint: write `manager = \"kubernetes\"`"), "{}", told.stderr);
    let told = offing(&["start", PODS, "--set", "deploy.manager=none"]).expect_code(2);
    assert!(told.stderr.contains("there are no pods with `manager = \"none\"`"), "{}", told.stderr);
    let told = offing(&["start", PODS, "--kubernetes", "27"]).expect_code(2);
    assert!(told.stderr.contains("is not a version of Kubernetes such as 1.27"), "{}", told.stderr);
    let told = offing(&["start", PODS, "--set", "deploy.pod_cpu_limit=0.01"]).expect_code(2);
    assert!(told.stderr.contains("is below its request, 0.05"), "{}", told.stderr);
}

#[test]
fn simulate_says_when_the_pods_are_ready_and_only_with_kubernetes() {
    let video = "../../scenarios/library/video.toml";
    let told =
        offing(&["simulate", video, "--set", "deploy.manager=kubernetes", "--json"]).expect_code(0).json();
    assert!(number(&told["time_to_ready_s"]) > 0.3);
    assert_eq!(told["time_to_ready_s"], told["start"]["time_to_ready_s"]);
    let told = offing(&["simulate", video, "--json"]).expect_code(0).json();
    assert!(told["time_to_ready_s"].is_null() && told["start"].is_null());
}

/// A file of Continuum's control-plane study.
const STUDY: &str = "[infrastructure]\nprovider = qemu\ncloud_nodes = 3\ncloud_cores = 8\ncloud_memory = 64\n\
    cloud_quota = 1.0\n[benchmark]\nresource_manager = kubecontrol\napplication = empty\nsleep_time = 30\n\
    application_worker_cpu = 0.05\napplication_worker_memory = 0.5\napplications_per_worker = 20\n\
    kube_deployment = call\nkube_version = v1.27.0\n";

#[test]
fn continuums_control_plane_study_is_read_as_it_is() {
    let path = scratch("study.cfg");
    fs::write(&path, STUDY).unwrap();
    let file = path.to_str().unwrap();
    let told = offing(&["start", file, "--json"]).expect_code(0);
    assert!(told.stderr.contains("the work was measured with Kubernetes 1.20"), "{}", told.stderr);
    let told = told.json();
    assert_eq!(told["kubernetes"], "1.27");
    let start = &told["starts"][0];
    // Two workers: the first of the cloud nodes is the controller.
    assert_eq!((&start["pods"], &start["nodes"]), (&40.into(), &2.into()));
    fs::write(&path, STUDY.replace("= call", "= container")).unwrap();
    let start = &offing(&["start", file, "--json"]).expect_code(0).json()["starts"][0];
    assert_eq!((&start["pods"], &start["containers_per_pod"]), (&1.into(), &40.into()));
    fs::write(&path, STUDY.replace("applications_per_worker = 20", "applications_per_worker = 200")).unwrap();
    let told = offing(&["start", file]).expect_code(0);
    assert!(told.stderr.contains("180 of 400 pods fit on no node: Too many pods"), "{}", told.stderr);
    let set = offing(&["start", file, "--set", "deploy.pods=3"]).expect_code(2);
    assert!(set.stderr.contains("use `--pods` and `--nodes`"), "{}", set.stderr);
}
