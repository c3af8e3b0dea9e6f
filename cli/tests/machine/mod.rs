//! What tests on the real machine share: whether it can measure, and what exists on it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::real::{Process, agent, in_real_time, lab, skip};
use crate::support::{command, offing_in};

/// A folder for the ledgers of one test.
pub fn state(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("offing-test-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// Nothing, and a line about it, where this machine cannot measure; else the binary for the nodes.
pub fn able(name: &str) -> Option<String> {
    let tried = lab("docker.sh").and_then(|_| agent()).and_then(|agent| {
        let told = offing_in(&["doctor", "--json"], &[("OFFING_AGENT", &agent)]);
        match told.code {
            0 => Ok(agent),
            _ => Err(format!("offing doctor: {}", lacking(&told.json()))),
        }
    });
    tried.map_err(|reason| skip(name, &reason)).ok()
}

/// Runs a test with containers of this machine, and the binary for the nodes, as [`in_real_time`].
pub fn on_containers(name: &str, test: impl Fn(String)) {
    in_real_time(name, || {
        if let Some(agent) = able(name) {
            test(agent);
        }
    });
}

fn lacking(diagnosis: &Value) -> String {
    let findings = diagnosis["findings"].as_array().expect("a list");
    let missing = findings.iter().filter(|finding| finding["verdict"] == "no");
    missing.map(|finding| finding["what"].as_str().expect("a text")).collect::<Vec<_>>().join(", ")
}

/// What exists on this machine that a run could have left: containers, images, networks, devices, namespaces, control
/// groups, processes.
pub fn existing() -> BTreeSet<String> {
    let lines = |program: &str, args: &[&str]| -> Vec<String> {
        let output = Command::new(program).args(args).output().expect("the program is there");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| format!("{program} {} {line}", args[0]))
            .collect()
    };
    let mut all = BTreeSet::new();
    all.extend(lines("docker", &["ps", "-aq", "--no-trunc"]));
    all.extend(lines("docker", &["images", "-q", "--no-trunc"]));
    all.extend(lines("docker", &["network", "ls", "-q"]));
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder} {}", entry.file_name().display())).collect()
    };
    all.extend(names("/sys/class/net"));
    all.extend(names("/run/netns"));
    for hierarchy in names("/sys/fs/cgroup") {
        let groups = names(&hierarchy.replace("cgroup ", "cgroup/"));
        all.extend(groups.into_iter().filter(|group| group.contains(" offing-")));
    }
    for process in fs::read_dir("/proc").expect("it is mounted").flatten() {
        let arguments = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        // Inside a node the binary lies in the root folder.
        if arguments.contains("emulate\0forwarder") || arguments.starts_with("/offing-agent\0") {
            all.insert(format!("process {} {arguments}", process.file_name().display()));
        }
    }
    all
}

/// Waits until what exists is what existed; what is too much otherwise.
pub fn assert_nothing_left(before: &BTreeSet<String>) {
    let limit = Instant::now() + Duration::from_secs(5);
    loop {
        let after = existing();
        let left: Vec<_> = after.difference(before).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < limit, "left: {left:#?}");
        sleep(Duration::from_millis(100));
    }
}

/// Sends a signal to a process of the test.
pub fn send(child: &Process, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

/// A measurement under way, and what it says line by line.
pub struct Run {
    pub process: Process,
    lines: Receiver<String>,
    pub said: Vec<String>,
    /// The longest that any step takes.
    patience: Duration,
}

impl Run {
    pub fn start(args: &[&str], environment: &[(&str, &str)], patience: Duration) -> Run {
        let mut started = command(args);
        let child =
            started.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the command starts");
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("it is piped");
        spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Run { process: Process(child), lines, said: Vec::new(), patience }
    }

    /// Waits until it says this; false if it ends before.
    pub fn reaches(&mut self, step: &str) -> bool {
        let limit = Instant::now() + self.patience;
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
    pub fn end(mut self) -> (Option<i32>, String) {
        self.reaches("it never says this");
        let code = self.process.0.wait().expect("it was started").code();
        (code, self.said.join("\n"))
    }
}
