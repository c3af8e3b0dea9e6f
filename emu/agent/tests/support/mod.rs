//! Starts roles as real processes on the loopback device and reads their reports.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use offing_app::protocol::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One millisecond [ns].
pub const MS: u64 = 1_000_000;

/// Says that a test could not be made here. `run-tests` counts them by name from the file that
/// `OFFING_SKIPPED` names, because the harness keeps what passing tests print to itself.
pub fn skip(name: &str, reason: &str) {
    println!("skipped: {name} ({reason})");
    if let Some(file) = std::env::var_os("OFFING_SKIPPED") {
        let mut list =
            OpenOptions::new().append(true).create(true).open(file).expect("the list can be written");
        writeln!(list, "{name} ({reason})").expect("the list can be written");
    }
}

/// Measurements would disturb each other, also those of other test processes.
pub fn alone() -> File {
    let lock = File::create(std::env::temp_dir().join("offing-measures.lock")).expect("it can be made");
    lock.lock().expect("it can be locked");
    lock
}

/// Runs a script of the lab: what it printed, or why it failed.
pub fn lab(script: &str) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab").join(script);
    let output = Command::new(path).output().map_err(|cause| cause.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr).lines().last().unwrap_or("it failed").to_string())
    }
}

/// Now, on the clock that all processes share [ns].
pub fn now() -> u64 {
    Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("the clock can be read")).as_nanos() as u64
}

/// An address that nobody listens on.
pub fn address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("it has an address")
}

/// A role that runs.
pub struct Role {
    pub child: Child,
    name: &'static str,
}

impl Role {
    pub fn start(name: &'static str, config: &impl Serialize) -> Role {
        Role::of(env!("CARGO_BIN_EXE_offing-agent"), name, config)
    }

    pub fn of(binary: &str, name: &'static str, config: &impl Serialize) -> Role {
        let config = serde_json::to_string(config).expect("it can be written");
        let child = Command::new(binary)
            .args(["app", name, &config])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        Role { child, name }
    }

    pub fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for the end: the exit code, and what it said on both outputs.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let mut output = self.child.stdout.take().expect("it was asked for");
        let reader = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let limit = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(Instant::now() < limit, "{} does not end", self.name);
            thread::sleep(Duration::from_millis(5));
        };
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .expect("it was asked for")
            .read_to_string(&mut errors)
            .expect("it can be read");
        let output = reader.join().expect("it ends").expect("it can be read");
        (status.code(), output, errors)
    }

    /// Waits for the end, which must be a good one.
    pub fn report<R: DeserializeOwned>(self) -> R {
        let name = self.name;
        let (code, output, errors) = self.end();
        assert_eq!(code, Some(0), "{name}: {errors}");
        serde_json::from_str(&output).unwrap_or_else(|cause| panic!("{name}: {cause}: {output}"))
    }
}

impl std::ops::Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run on one target node.
#[derive(Clone)]
pub struct Run {
    pub schedule: Schedule,
    pub transport: Transport,
    pub address: SocketAddr,
    pub clock: SocketAddr,
    pub pool: Pool,
    pub frame_bytes: u64,
    pub endpoints: u32,
}

pub const MQTT: Transport = Transport::Mqtt { qos: 0 };

/// A constant amount of work.
pub fn burn(cpu_ns: u64) -> Process {
    Process::Burn { cpu_ns: Values::Constant(cpu_ns) }
}

impl Run {
    /// One that starts soon and emits for some time [ms].
    pub fn soon(transport: Transport, emit_ms: u64, workers: u32, process: Process) -> Run {
        Run {
            schedule: Schedule {
                start_at_ns: now() + 1_500 * MS,
                emit_for_ns: emit_ms * MS,
                drain_ns: 1_000 * MS,
            },
            transport,
            address: address(),
            clock: address(),
            pool: Pool { workers, queue: None, drop: Drop::Newest, process },
            frame_bytes: 30_000,
            endpoints: 1,
        }
    }

    pub fn broker(&self) -> Role {
        let config = BrokerConfig {
            listen: self.address,
            schedule: self.schedule,
            largest_frame_bytes: self.frame_bytes,
        };
        Role::start("broker", &config)
    }

    pub fn worker_config(&self) -> WorkerConfig {
        WorkerConfig {
            node: 7,
            seed: 1,
            schedule: self.schedule,
            pool: self.pool.clone(),
            reply_bytes: Values::Constant(20),
            address: self.address,
            clock: self.clock,
            transport: self.transport,
            endpoints: self.endpoints,
            connect_limit_ns: 1_400 * MS,
        }
    }

    pub fn endpoint_config(&self, endpoint: u32, arrivals: Arrivals) -> EndpointConfig {
        EndpointConfig {
            endpoint,
            seed: 1,
            schedule: self.schedule,
            arrivals,
            frame_bytes: Values::Constant(self.frame_bytes),
            prepare: Prepare::Burn { cpu_ns: Values::Constant(0) },
            targets: vec![Target { node: 7, address: self.address, clock: self.clock }],
            balance: Balance::Static,
            transport: self.transport,
            connect_limit_ns: 1_400 * MS,
        }
    }

    /// Broker (with MQTT), worker and endpoint.
    pub fn start(&self, arrivals: Arrivals) -> (Option<Role>, Role, Role) {
        let broker = (self.transport != Transport::Http).then(|| self.broker());
        let worker = Role::start("worker", &self.worker_config());
        let endpoint = Role::start("endpoint", &self.endpoint_config(0, arrivals));
        (broker, worker, endpoint)
    }

    /// Runs all three to a good end.
    pub fn finish(&self, arrivals: Arrivals) -> (WorkerReport, EndpointReport) {
        let (broker, worker, endpoint) = self.start(arrivals);
        let endpoint: EndpointReport = endpoint.report();
        let worker = worker.report();
        if let Some(broker) = broker {
            let report: BrokerReport = broker.report();
            assert!(report.signed_off);
        }
        check(&endpoint, &self.schedule);
        (worker, endpoint)
    }
}

/// All at once, after some time [ms].
pub fn at_once(frames: usize) -> Arrivals {
    Arrivals::List { at_ns: vec![20 * MS; frames] }
}

/// Every some milliseconds.
pub fn every(period_ms: u64) -> Arrivals {
    Arrivals::Periodic { period_ns: period_ms * MS, phase_ns: 3 * MS }
}

/// What holds for every report: order of stamps, sums of parts, sums of counts.
pub fn check(report: &EndpointReport, schedule: &Schedule) {
    let Counts { emitted, done, dropped, failed, lost } = report.counts;
    assert_eq!(emitted, done + dropped + failed + lost);
    assert_eq!(emitted as usize, report.requests.len());
    for (index, request) in (0..).zip(&report.requests) {
        let stamps = &request.stamps;
        assert_eq!(request.index, index);
        assert_eq!(stamps.intended_ns, schedule.start_at_ns + request.emitted_ns);
        let steps = [
            Some(stamps.intended_ns),
            stamps.prepare_start_ns,
            stamps.prepare_end_ns,
            stamps.received_ns,
            stamps.process_start_ns,
            stamps.process_end_ns,
            stamps.replied_ns,
            stamps.returned_ns,
        ];
        let steps: Vec<u64> = steps.into_iter().flatten().collect();
        assert!(steps.is_sorted(), "{request:?}");
        assert_eq!(request.outcome == Outcome::Done, request.parts.is_some(), "{request:?}");
        if let Some(parts) = request.parts {
            let back = stamps.returned_ns.or(stamps.process_end_ns).expect("it is done");
            assert_eq!(parts.latency(), back - stamps.intended_ns, "{request:?}");
        }
    }
}
