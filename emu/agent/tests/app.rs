//! The application as real processes on the loopback device.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use offing_app::protocol::*;
use support::*;

/// Two endpoints, two workers; whatever carries them.
fn all_roles_work_together(run: &Run, broker: Option<Role>) {
    let worker = Role::start("worker", &run.worker_config());
    let endpoints: Vec<Role> = (0..run.endpoints)
        .map(|endpoint| {
            let prepare = Prepare::Burn { cpu_ns: Values::Constant(MS) };
            Role::start("endpoint", &EndpointConfig { prepare, ..run.endpoint_config(endpoint, every(50)) })
        })
        .collect();
    let reports: Vec<EndpointReport> = endpoints.into_iter().map(Role::report).collect();
    let worker: WorkerReport = worker.report();
    let end = run.schedule.start_at_ns + run.schedule.emit_for_ns + run.schedule.drain_ns;
    assert!(now() < end + GRACE_NS, "it ended because everybody had signed off");
    if let Some(broker) = broker {
        assert!(broker.report::<BrokerReport>().signed_off);
    }
    for report in &reports {
        check(report, &run.schedule);
        assert_eq!((report.counts.emitted, report.counts.done), (20, 20), "{:?}", report.about);
        assert_eq!(report.adjusted, 0);
        let clock = report.clocks[0];
        assert!(clock.shared && clock.before_ns.unsigned_abs() <= clock.before_bound_ns, "{clock:?}");
        for request in &report.requests {
            assert_eq!((request.node, request.frame_bytes), (7, run.frame_bytes));
            let work = request.process_cpu_ns.unwrap();
            assert!((4 * MS..4 * MS + MS / 4).contains(&work), "{work}");
            let parts = request.parts.unwrap();
            assert!(parts.process + 1_000 >= work, "{request:?}");
            assert!(parts.prepare >= MS, "{request:?}");
            assert!(request.prepare_cpu_ns.unwrap() < MS + MS / 4, "{request:?}");
            assert!(parts.uplink > 0 && parts.downlink > 0);
        }
    }
    assert_eq!((worker.received, worker.processed, worker.unfinished), (40, 40, 0));
    assert_eq!(worker.workers.len(), 2);
    assert_eq!(worker.work, Work::Burn);
    assert_eq!(worker.about.troubles, Vec::<String>::new());
}

fn together(transport: Transport) -> Run {
    Run { endpoints: 2, ..Run::soon(transport, 1_000, 2, burn(4 * MS)) }
}

#[test]
fn all_roles_work_together_over_mqtt() {
    let _alone = alone();
    let run = together(MQTT);
    let broker = run.broker();
    all_roles_work_together(&run, Some(broker));
}

#[test]
fn all_roles_work_together_over_mqtt_at_least_once() {
    let _alone = alone();
    let run = together(Transport::Mqtt { qos: 1 });
    let broker = run.broker();
    all_roles_work_together(&run, Some(broker));
}

#[test]
fn all_roles_work_together_over_http() {
    let _alone = alone();
    all_roles_work_together(&together(Transport::Http), None);
}

#[test]
fn all_roles_work_together_over_mosquitto() {
    let mosquitto = match lab("mosquitto.sh") {
        Ok(mosquitto) => mosquitto,
        Err(reason) => return skip("all_roles_work_together_over_mosquitto", &reason),
    };
    let _alone = alone();
    for qos in [0, 1] {
        let run = together(Transport::Mqtt { qos });
        let mut child = Command::new(&mosquitto)
            .args(["-p", &run.address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        all_roles_work_together(&run, None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn frames_of_some_megabytes_pass() {
    let _alone = alone();
    for transport in [MQTT, Transport::Http] {
        let mut run = Run { frame_bytes: 6_000_001, ..Run::soon(transport, 100, 1, burn(MS)) };
        // Pictures of that size take their time.
        run.schedule.start_at_ns += 3_000 * MS;
        let (_, endpoint) = run.finish(at_once(3));
        assert_eq!(endpoint.counts.done, 3, "{transport:?}: {:?}", endpoint.about);
        assert!(endpoint.requests.iter().all(|request| request.frame_bytes == 6_000_001));
    }
}

#[test]
fn two_workers_serve_three_frames_in_order_and_the_third_waits_for_the_first_to_end() {
    let _alone = alone();
    let run = Run::soon(MQTT, 100, 2, burn(50 * MS));
    let (worker, endpoint) = run.finish(at_once(3));
    let queue: Vec<u64> = endpoint.requests.iter().map(|request| request.parts.unwrap().queue).collect();
    assert!(queue[0] < 20 * MS && queue[1] < 20 * MS, "{queue:?}");
    assert!(queue[2] >= 45 * MS, "{queue:?}");
    let ends = |at: usize| endpoint.requests[at].stamps.process_end_ns.unwrap();
    let start = endpoint.requests[2].stamps.process_start_ns.unwrap();
    let first = ends(0).min(ends(1));
    assert!((first..first + 20 * MS).contains(&start), "{start} after {first}");
    let mut loads: Vec<u64> = worker.workers.iter().map(|worker| worker.processed).collect();
    loads.sort_unstable();
    assert_eq!(loads, [1, 2]);
    assert_eq!(worker.longest_queue, 1);
}

#[test]
fn a_full_queue_drops_the_newest_or_the_oldest_and_the_endpoint_is_told() {
    let _alone = alone();
    use offing_app::protocol::Drop::{Newest, Oldest};
    for (drop, served) in [(Newest, [0, 1]), (Oldest, [0, 3])] {
        let mut run = Run::soon(Transport::Http, 100, 1, burn(100 * MS));
        run.pool.queue = Some(1);
        run.pool.drop = drop;
        // A little apart, so that they arrive in order.
        let at_ns = (0..4).map(|frame| (20 + 15 * frame) * MS).collect();
        let (worker, endpoint) = run.finish(Arrivals::List { at_ns });
        let done: Vec<u64> = endpoint
            .requests
            .iter()
            .filter(|request| request.outcome == Outcome::Done)
            .map(|request| request.index)
            .collect();
        assert_eq!(done, served);
        assert_eq!((endpoint.counts.dropped, worker.dropped, worker.processed), (2, 2, 2));
    }
}

#[test]
fn a_stalled_worker_does_not_slow_the_sender_and_latency_shows_the_queue() {
    let _alone = alone();
    for transport in [MQTT, Transport::Http] {
        let mut run = Run::soon(transport, 400, 1, burn(100 * MS));
        run.schedule.drain_ns = 3_000 * MS;
        let (worker, endpoint) = run.finish(every(40));
        assert_eq!(endpoint.counts.done, 10, "{:?}", endpoint.about);
        for request in &endpoint.requests {
            let parts = request.parts.unwrap();
            let late = request.stamps.prepare_start_ns.unwrap() - request.stamps.intended_ns;
            assert!(late < 30 * MS, "emitted {late} ns late");
            // Each frame adds 100 ms of work and 40 ms of time.
            let waits = 60 * MS * request.index;
            assert!(parts.queue + 35 * MS >= waits, "{} ns instead of {waits} ns", parts.queue);
        }
        assert!(worker.longest_queue >= 5, "{}", worker.longest_queue);
    }
}

#[test]
fn an_endpoint_that_cannot_keep_up_counts_latency_from_when_frames_were_due() {
    let _alone = alone();
    let run = Run::soon(MQTT, 200, 1, burn(MS));
    let (broker, worker) = (run.broker(), Role::start("worker", &run.worker_config()));
    let prepare = Prepare::Burn { cpu_ns: Values::Constant(50 * MS) };
    let config = EndpointConfig { prepare, ..run.endpoint_config(0, every(20)) };
    let endpoint: EndpointReport = Role::start("endpoint", &config).report();
    check(&endpoint, &run.schedule);
    assert_eq!(endpoint.counts.done, 10);
    for request in &endpoint.requests {
        let at_least = 50 * MS + 30 * MS * request.index;
        assert!(request.parts.unwrap().prepare >= at_least, "{request:?}");
    }
    drop((broker, worker));
}

#[test]
fn an_endpoint_processes_its_own_frames() {
    let _alone = alone();
    let run = Run::soon(MQTT, 500, 1, burn(10 * MS));
    let config = LocalConfig {
        endpoint: 4,
        seed: 1,
        schedule: run.schedule,
        arrivals: Arrivals::Poisson { mean_ns: 25 * MS },
        frame_bytes: Values::Quantiles(vec![5_000, 40_000, 90_000]),
        pool: run.pool.clone(),
        connect_limit_ns: 1_000 * MS,
    };
    let LocalReport { endpoint, worker }: LocalReport = Role::start("local", &config).report();
    check(&endpoint, &run.schedule);
    assert!(endpoint.counts.done > 5 && endpoint.counts.done == endpoint.counts.emitted);
    assert_eq!(worker.processed, endpoint.counts.done);
    for request in &endpoint.requests {
        let parts = request.parts.unwrap();
        assert_eq!((parts.prepare, parts.uplink, parts.downlink, request.node), (0, 0, 0, 4));
        assert!((5_000..=90_000).contains(&request.frame_bytes));
    }
    let again: LocalReport = {
        let later = LocalConfig { schedule: Run::soon(MQTT, 500, 1, burn(1)).schedule, ..config };
        Role::start("local", &later).report()
    };
    let drawn = |report: &EndpointReport| -> Vec<(u64, u64)> {
        report.requests.iter().map(|request| (request.emitted_ns, request.frame_bytes)).collect()
    };
    assert_eq!(drawn(&endpoint), drawn(&again.endpoint), "chance has names");
}

#[test]
fn a_peer_is_a_target_and_an_endpoint_at_once_and_requests_go_round() {
    let _alone = alone();
    let mut near = Run::soon(Transport::Http, 400, 1, burn(MS));
    near.endpoints = 2;
    let far = Run { address: address(), clock: address(), ..near.clone() };
    let workers = [
        Role::start("worker", &near.worker_config()),
        Role::start("worker", &WorkerConfig { node: 8, ..far.worker_config() }),
    ];
    let endpoints: Vec<Role> = (0..2)
        .map(|endpoint| {
            let mut config = near.endpoint_config(endpoint, every(40));
            config.targets.push(Target { node: 8, address: far.address, clock: far.clock });
            config.balance = Balance::RoundRobin;
            Role::start("endpoint", &config)
        })
        .collect();
    for (endpoint, role) in (0..).zip(endpoints) {
        let report: EndpointReport = role.report();
        check(&report, &near.schedule);
        assert_eq!(report.counts.done, 10);
        for request in report.requests {
            assert_eq!(u64::from(request.node), 7 + (endpoint + request.index) % 2);
        }
    }
    for worker in workers {
        assert_eq!(worker.report::<WorkerReport>().processed, 10);
    }
}

#[test]
fn messages_are_counted_as_lost_when_the_broker_is_killed() {
    let _alone = alone();
    let run = Run::soon(MQTT, 1_000, 1, burn(MS));
    let (broker, worker, endpoint) = run.start(every(50));
    thread::sleep(Duration::from_nanos(run.schedule.start_at_ns + 500 * MS - now()));
    drop(broker);
    let report: EndpointReport = endpoint.report();
    check(&report, &run.schedule);
    let end = run.schedule.start_at_ns + run.schedule.emit_for_ns + run.schedule.drain_ns;
    assert!(now() < end + 4_000 * MS, "losses are not waited for for ever");
    assert_eq!(report.counts.emitted, 20, "the sender goes on");
    assert!(report.counts.done >= 5 && report.counts.lost >= 5, "{:?}", report.counts);
    assert!(
        report.about.troubles.iter().any(|text| text.contains("lost its connection")),
        "{:?}",
        report.about
    );
    let worker: WorkerReport = worker.report();
    assert!(
        worker.about.troubles.iter().any(|text| text.contains("lost its connection")),
        "{:?}",
        worker.about
    );
    assert_eq!(worker.processed, report.counts.done);
}

/// The processes that a process has started.
fn children(parent: i32) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: String = lists.collect::<Vec<_>>().join(" ");
    all.split_whitespace().map(|id| Pid::from_raw(id.parse().unwrap())).collect()
}

#[test]
fn a_worker_process_that_is_killed_fails_its_frame_and_the_others_go_on() {
    let _alone = alone();
    let run = Run::soon(MQTT, 600, 2, burn(60 * MS));
    let (_broker, worker, endpoint) = run.start(every(40));
    thread::sleep(Duration::from_nanos(run.schedule.start_at_ns + 300 * MS - now()));
    let victims = children(worker.id());
    assert_eq!(victims.len(), 2);
    kill(victims[0], Signal::SIGKILL).unwrap();
    let report: EndpointReport = endpoint.report();
    check(&report, &run.schedule);
    assert_eq!(report.counts.failed, 1, "{:?}", report.counts);
    assert_eq!(report.counts.done, 14);
    let worker: WorkerReport = worker.report();
    assert_eq!(worker.workers.iter().filter(|worker| worker.died).count(), 1);
    assert!(worker.about.troubles[0].contains("killed by signal 9"), "{:?}", worker.about);
}

#[test]
fn a_node_without_any_worker_process_left_is_an_error() {
    let _alone = alone();
    let run = Run::soon(Transport::Http, 600, 1, burn(60 * MS));
    let (_, worker, endpoint) = run.start(every(40));
    thread::sleep(Duration::from_nanos(run.schedule.start_at_ns + 300 * MS - now()));
    kill(children(worker.id())[0], Signal::SIGKILL).unwrap();
    let (code, output, errors) = worker.end();
    assert_eq!((code, output.as_str()), (Some(3), ""));
    assert!(errors.contains("worker process 0 of node 7 died at request"), "{errors}");
    let report: EndpointReport = endpoint.report();
    check(&report, &run.schedule);
    assert!(report.counts.failed + report.counts.lost >= 5, "{:?}", report.counts);
}

#[test]
fn an_unreachable_target_is_named_within_the_limit() {
    let run = Run::soon(MQTT, 100, 1, burn(MS));
    let http = Run { transport: Transport::Http, ..run.clone() };
    let begin = Instant::now();
    for (run, what) in [(&run, "the broker at"), (&http, "the worker at")] {
        let mut config = run.endpoint_config(0, every(50));
        config.connect_limit_ns = 400 * MS;
        let (code, _, errors) = Role::start("endpoint", &config).end();
        assert_eq!(code, Some(3));
        let expected = format!("{what} {} was not reached within 0.", run.address);
        assert!(errors.contains(&expected) && errors.contains("refused"), "{errors}");
    }
    // The broker is there, and the worker is not.
    let run = Run::soon(MQTT, 100, 1, burn(MS));
    let _broker = run.broker();
    let mut config = run.endpoint_config(0, every(50));
    config.connect_limit_ns = 1_000 * MS;
    let (code, _, errors) = Role::start("endpoint", &config).end();
    assert_eq!(code, Some(3));
    assert!(errors.contains(&format!("the worker of node 7 did not answer on {}", run.clock)), "{errors}");
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
}

#[test]
fn who_is_not_ready_at_the_start_says_so() {
    let mut run = Run::soon(Transport::Http, 100, 1, burn(MS));
    run.schedule.start_at_ns = now();
    let (code, _, errors) = Role::start("worker", &run.worker_config()).end();
    assert_eq!(code, Some(3));
    assert!(errors.contains("the workers of node 7 were ready") && errors.contains("too late"), "{errors}");
}

#[test]
fn every_role_ends_with_its_report_when_it_is_told_to() {
    let _alone = alone();
    let run = Run::soon(MQTT, 30_000, 1, burn(10 * MS));
    let (broker, worker, endpoint) = run.start(every(50));
    thread::sleep(Duration::from_nanos(run.schedule.start_at_ns + 300 * MS - now()));
    let begin = Instant::now();
    let mut told = vec![endpoint.id(), worker.id()];
    told.extend(broker.iter().map(Role::id));
    for id in told {
        kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
    }
    let report: EndpointReport = endpoint.report();
    check(&report, &run.schedule);
    assert!(report.about.terminated && report.counts.emitted >= 4);
    assert!(worker.report::<WorkerReport>().about.terminated);
    assert!(broker.unwrap().report::<BrokerReport>().about.terminated);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn a_wrong_configuration_is_refused_with_every_reason() {
    let mut run = Run::soon(MQTT, 100, 0, burn(MS));
    run.pool.process = Process::Burn { cpu_ns: Values::Quantiles(vec![3, 1]) };
    run.transport = Transport::Mqtt { qos: 2 };
    let (code, _, errors) = Role::start("worker", &run.worker_config()).end();
    assert_eq!(code, Some(2));
    for reason in ["`workers` must be at least 1", "`quantiles` must ascend", "`qos` must be 0 or 1"] {
        assert!(errors.contains(reason), "{errors}");
    }
    let (code, _, errors) = Role::start("endpoint", &run.schedule).end();
    assert_eq!(code, Some(2));
    assert!(errors.contains("unknown field `start_at_ns`"), "{errors}");
    let (code, _, errors) = Role::start("king", &run.schedule).end();
    assert_eq!(code, Some(2));
    assert!(errors.contains("`king` is not a role"), "{errors}");
}
