//! The forwarder against the kernel's clock, between plain network namespaces: no container engine needed.

mod support;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use offing_core::Span;
use offing_emu::links::forwarder::{Attachment, Forwarder, Report, Spec};
use offing_emu::links::shaper::{Medium, Path};
use serde_json::Value;
use support::{Process, agent, busy, in_real_time, skip};

/// Two nodes and the links between them.
struct Pair {
    forwarder: Forwarder,
    nodes: Vec<Process>,
    agent: String,
    _servers: Vec<Process>,
}

fn direction(from: usize, latency_ms: u64, loss: f64) -> Path {
    let latency = Span::from_millis(latency_ms);
    Path { from, to: 1 - from, medium: from, latency, jitter: Span::ZERO, loss }
}

impl Pair {
    /// Nothing, and a line about it, where this machine cannot make one.
    fn new(name: &str, rate_bit_s: Option<f64>, paths: Vec<Path>) -> Option<Pair> {
        Self::try_new(rate_bit_s, paths).map_err(|reason| skip(name, &reason)).ok()
    }

    fn try_new(rate_bit_s: Option<f64>, paths: Vec<Path>) -> Result<Pair, String> {
        let agent = agent()?;
        let nodes: Vec<_> =
            (0..2).map(|_| Process::start("unshare", &["-n", "sleep", "120"])).collect::<Result<_, _>>()?;
        sleep(Duration::from_millis(200));
        let medium = Medium { rate_bit_s, queue_packets: 1_000 };
        let attachment = |i: usize| Attachment {
            name: format!("node {i}"),
            namespace: format!("/proc/{}/ns/net", nodes[i].id()).into(),
            address: [10, 77, 0, 1 + i as u8].into(),
            prefix: 24,
            device: "eth0".into(),
        };
        let spec = Spec {
            seed: 1,
            nodes: vec![attachment(0), attachment(1)],
            media: vec![medium.clone(), medium],
            paths,
        };
        let command = [env!("CARGO_BIN_EXE_offing-forwarder").to_string()];
        let forwarder = Forwarder::start(&command, &spec).map_err(|cause| cause.to_string())?;
        if let Some(cause) = &forwarder.ready.real_time_error {
            return Err(cause.clone());
        }
        let servers = nodes.iter().map(|node| {
            let net = format!("--net=/proc/{}/ns/net", node.id());
            Process::start("nsenter", &[&net, &agent, "serve"])
        });
        let _servers = servers.collect::<Result<_, _>>()?;
        Ok(Pair { forwarder, nodes, agent, _servers })
    }

    /// Measures from the first node towards the second.
    fn measure(&self, args: &[&str]) -> Value {
        let net = format!("--net=/proc/{}/ns/net", self.nodes[0].id());
        let output =
            Command::new("nsenter").args([&net, &self.agent]).args(args).output().expect("nsenter is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the agent says JSON")
    }

    fn report(&mut self) -> Report {
        self.forwarder.report().expect("the forwarder lives")
    }
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn ten_milliseconds_each_way_are_twenty_there_and_back_while_all_processors_are_busy() {
    let name = "ten_milliseconds_each_way";
    in_real_time(name, || {
        let Some(mut pair) = Pair::new(name, None, vec![direction(0, 10, 0.0), direction(1, 10, 0.0)]) else {
            return;
        };
        let _load = busy();
        let measured = pair.measure(&["ping", "10.77.0.2", "400", "5000"]);
        let report = pair.report();
        assert_eq!(measured["received"], 400);
        let round_trip_ms = number(&measured, "round_trip_mean_ns") / 1e6;
        assert!((round_trip_ms - 20.0).abs() < 0.5, "{measured}");
        assert!(report.lateness_p99_ns < 500_000.0, "{report:?}");
    });
}

#[test]
fn a_hundred_megabit_carry_ninety_five_of_tcp() {
    let name = "a_hundred_megabit";
    in_real_time(name, || {
        let paths = vec![direction(0, 1, 0.0), direction(1, 1, 0.0)];
        let Some(pair) = Pair::new(name, Some(100e6), paths) else { return };
        let measured = pair.measure(&["tcp", "10.77.0.2", "4000"]);
        let goodput = number(&measured, "bytes") * 8e3 / number(&measured, "span_ns");
        let flood = pair.measure(&["flood", "10.77.0.2", "110000000", "1000"]);
        let rate = number(&flood, "frames") * number(&flood, "frame_bits") * 1e3 / number(&flood, "span_ns");
        assert!((goodput - 95.0).abs() < 3.0, "{measured}");
        assert!((rate - 100.0).abs() < 5.0, "{flood}");
    });
}

#[test]
fn five_percent_of_twenty_thousand_packets_are_lost() {
    let name = "five_percent_loss";
    in_real_time(name, || {
        let paths = vec![direction(0, 1, 0.05), direction(1, 1, 0.0)];
        let Some(mut pair) = Pair::new(name, None, paths) else { return };
        let measured = pair.measure(&["stream", "10.77.0.2", "20000", "5000"]);
        let report = pair.report();
        let lost = 1.0 - number(&measured, "received") / number(&measured, "sent");
        assert!((lost - 0.05).abs() < 0.005, "{measured}");
        assert!(report.lost >= 900, "{report:?}");
    });
}

#[test]
fn the_devices_vanish_when_the_forwarder_is_killed() {
    let name = "the_devices_vanish";
    in_real_time(name, || {
        let paths = vec![direction(0, 1, 0.0), direction(1, 1, 0.0)];
        let Some(mut pair) = Pair::new(name, None, paths) else { return };
        let devices = |pair: &Pair| {
            std::fs::read_to_string(format!("/proc/{}/net/dev", pair.nodes[0].id()))
                .expect("it runs")
                .contains("eth0")
        };
        assert!(devices(&pair));
        let id = pair.forwarder.process().to_string();
        assert!(Command::new("kill").args(["-9", &id]).status().expect("kill is there").success());
        sleep(Duration::from_millis(300));
        assert!(!devices(&pair));
        let error = pair.forwarder.report().expect_err("it is dead").to_string();
        assert!(error.contains("forwarder"), "{error}");
    });
}
