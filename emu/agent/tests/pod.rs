//! The first process of a pod, here without a pod around it.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offing_app::protocol::*;
use serde::Serialize;
use support::*;

const AGENT: &str = env!("CARGO_BIN_EXE_offing-agent");

fn role(name: &str, config: &impl Serialize) -> PodRole {
    PodRole { role: name.into(), config: serde_json::to_string(config).unwrap() }
}

/// Ends with the test, also with one that fails.
struct Pod(Child);

impl std::ops::Drop for Pod {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The configuration in two files, as two ConfigMaps bring it.
fn start(name: &str, config: &PodConfig) -> Pod {
    let folder = std::env::temp_dir().join(format!("offing-pod-{}-{name}", std::process::id()));
    fs::create_dir_all(folder.join("..data")).unwrap();
    let text = serde_json::to_string(config).unwrap();
    let (first, second) = text.split_at(text.len() / 2);
    fs::write(folder.join("part-000"), first).unwrap();
    fs::write(folder.join("part-001"), second).unwrap();
    Pod(Command::new(AGENT)
        .arg("pod")
        .arg(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap())
}

fn tell(words: &[&str]) -> String {
    let limit = Instant::now() + Duration::from_secs(5);
    loop {
        let output = Command::new(AGENT).arg("tell").args(words).output().unwrap();
        match output.status.success() {
            true => return String::from_utf8(output.stdout).unwrap().trim().into(),
            // It has not begun to listen.
            false => assert!(Instant::now() < limit, "{}", String::from_utf8_lossy(&output.stderr)),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// Both parts in one test: a network has room for one pod.
#[test]
fn a_pod_waits_for_its_start_runs_its_roles_and_keeps_their_reports() {
    let _alone = alone();
    let run = Run::soon(MQTT, 1_000, 1, burn(4 * MS));
    // What the schedule says is replaced when the start is known.
    let unknown = Schedule { start_at_ns: 0, ..run.schedule };
    let broker = BrokerConfig { listen: run.address, schedule: unknown, largest_frame_bytes: 30_000 };
    let worker = WorkerConfig { schedule: unknown, ..run.worker_config() };
    let arrivals = Arrivals::Periodic { period_ns: 50 * MS, phase_ns: 0 };
    let endpoint = EndpointConfig { schedule: unknown, ..run.endpoint_config(0, arrivals) };
    let roles = vec![role("broker", &broker), role("worker", &worker), role("endpoint", &endpoint)];
    let config = PodConfig { roles, from_ns: 200 * MS, until_ns: 1_000 * MS };
    let before = unix_ns();
    let mut pod = start("whole", &config);
    let state: PodState = serde_json::from_str(&tell(&["state"])).unwrap();
    assert!((before..=state.now_unix_ns).contains(&state.begun_unix_ns), "{state:?}");
    let late: PodState = serde_json::from_str(&tell(&["start", "1000"])).unwrap();
    assert!(late.refused.unwrap().contains("s ago"));
    let at = (unix_ns() + 1_400 * MS).to_string();
    // Being told twice changes nothing.
    for at in [at.as_str(), &(unix_ns() + 9_000 * MS).to_string()] {
        let told: PodState = serde_json::from_str(&tell(&["start", at])).unwrap();
        assert_eq!(told.refused, None);
    }
    // The answer comes when all is done, and again to who asks again.
    let report: PodReport = serde_json::from_str(&tell(&["report"])).unwrap();
    assert_eq!(serde_json::from_str::<PodReport>(&tell(&["report"])).unwrap(), report);
    assert_eq!(report.failed, None);
    let endpoint: EndpointReport = serde_json::from_str(report.reports[2].as_ref().unwrap()).unwrap();
    assert_eq!((endpoint.counts.emitted, endpoint.counts.done), (20, 20), "{:?}", endpoint.about);
    let worker: WorkerReport = serde_json::from_str(report.reports[1].as_ref().unwrap()).unwrap();
    assert_eq!(worker.processed, 20);
    let [first, last] = report.counters.unwrap();
    // The observed span, and what a busy machine adds at either end.
    assert!((600 * MS..1_300 * MS).contains(&(last.at_ns - first.at_ns)), "{first:?} {last:?}");
    assert!(last.node_ticks.unwrap()[1] > first.node_ticks.unwrap()[1]);
    assert_eq!(tell(&["end"]), "ended");
    assert!(pod.0.wait().unwrap().success());

    // A role that fails is told with what it said, and the pod stays to tell it.
    let bad = EndpointConfig { targets: Vec::new(), ..endpoint_of(&run, unknown) };
    let config = PodConfig { roles: vec![role("endpoint", &bad)], from_ns: 0, until_ns: MS };
    let mut pod = start("failed", &config);
    tell(&["start", &(unix_ns() + 300 * MS).to_string()]);
    let report: PodReport = serde_json::from_str(&tell(&["report"])).unwrap();
    let (role, said) = report.failed.unwrap();
    assert!(role == "endpoint" && said.contains("there must be at least one"), "{said}");
    assert_eq!(report.reports, [None]);
    // SIGTERM ends it at once, although it is the first process of a container.
    let sent = Command::new("kill").args(["-TERM", &pod.0.id().to_string()]).status().unwrap();
    assert!(sent.success() && pod.0.wait().unwrap().success());
}

fn endpoint_of(run: &Run, schedule: Schedule) -> EndpointConfig {
    EndpointConfig { schedule, ..run.endpoint_config(0, Arrivals::Periodic { period_ns: MS, phase_ns: 0 }) }
}
