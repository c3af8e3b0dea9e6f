//! Classification by the real network. Needs the binary that `lab/agent.sh --network` builds, which takes minutes: where it was
//! not built, the tests say so.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use offing_app::protocol::*;
use support::*;

/// The binary with the network, if it was built.
fn binary(test: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let binary = target.join("agent/network/offing-agent");
    if binary.exists() {
        return Some(binary.to_str().unwrap().into());
    }
    skip(test, "not built: lab/agent.sh --network");
    None
}

#[test]
fn the_network_classifies_frames_and_finds_the_same_classes_again() {
    let Some(binary) = binary("the_network_classifies_frames_and_finds_the_same_classes_again") else {
        return;
    };
    let _alone = alone();
    let classes = || {
        let run = Run::soon(Transport::Http, 600, 2, Process::Network);
        let worker = Role::of(&binary, "worker", &run.worker_config());
        let endpoint: EndpointReport = Role::start("endpoint", &run.endpoint_config(0, every(100))).report();
        check(&endpoint, &run.schedule);
        assert_eq!(endpoint.counts.done, 6, "{:?}", endpoint.about);
        let worker: WorkerReport = worker.report();
        let Work::Network { name, sha256 } = worker.work else { panic!("{:?}", worker.work) };
        assert_eq!((name.as_str(), sha256.len()), ("SqueezeNet 1.1", 64));
        assert!(endpoint.requests.iter().all(|request| request.process_cpu_ns.unwrap() > MS));
        endpoint.requests.iter().map(|request| request.class.unwrap()).collect::<Vec<_>>()
    };
    let first = classes();
    assert!(first.iter().all(|class| *class < 1_000));
    assert_eq!(first[0], first[4], "there are four pictures");
    assert_eq!(first, classes());
}

#[test]
fn a_photograph_of_a_window_is_of_a_known_class() {
    let test = "a_photograph_of_a_window_is_of_a_known_class";
    let Some(binary) = binary(test) else { return };
    // It lies beside the network; lab/network.sh has put it there.
    let Ok(network) = lab("network.sh") else { return skip(test, "no network: lab/network.sh") };
    let photograph = fs::read(Path::new(&network).with_file_name("book.jpg")).unwrap();
    let mut worker = Command::new(binary)
        .args(["app", "process", r#"{"seed":1,"worker":0,"process":"network"}"#])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = worker.stdin.take().unwrap();
    let mut output = BufReader::new(worker.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    for _ in 0..2 {
        input.write_all(&(photograph.len() as u64).to_le_bytes()).unwrap();
        input.write_all(&photograph).unwrap();
        let mut done = [0; 26];
        output.read_exact(&mut done).unwrap();
        // A studio couch; ONNX Runtime agrees, and has a four-poster bed and a shoji next.
        assert_eq!(u16::from_le_bytes([done[24], done[25]]), 831);
    }
    drop(input);
    assert!(worker.wait().unwrap().success());
}
