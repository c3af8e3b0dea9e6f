//! Times the engines against their peers; see README.md beside this folder.

use offing_core::*;

/// The service times of W1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// All exponential: the target is exactly M/M/c.
    Exponential,
    /// Preparation lognormal with coefficient of variation 0.25, process 0.5, transfers constant.
    Realistic,
}

/// W1: endpoints that emit 4 frames/s each (Poisson); preparation 20 ms, uplink 1.6 ms in order and 10 ms of
/// latency, a node with a server per 25 endpoints at load 0.8, downlink 0.08 ms in order and 10 ms.
pub fn w1(service: Service, endpoints: u32, duration_s: f64) -> Deployment {
    const BYTES_PER_S: f64 = 12.5e6;
    let servers = (endpoints * 4 / 100).max(1);
    let process_s = 0.8 * f64::from(servers) / (4.0 * f64::from(endpoints));
    let with = |mean: f64, cv: f64| match service {
        Service::Exponential => Distribution::Exponential { mean },
        Service::Realistic if cv > 0.0 => Distribution::Lognormal { mean, cv },
        Service::Realistic => Distribution::Constant(mean),
    };
    let tier = |name, nodes, cores| Tier::new(name, nodes, cores, 1.0);
    let way = Direction {
        latency: Span::from_millis(10),
        rate: Rate::BitPerS(8.0 * BYTES_PER_S),
        ..Direction::default()
    };
    Deployment {
        app: App {
            rate_hz: 4.0,
            arrivals: Arrivals::Poisson,
            frame: with(0.0016 * BYTES_PER_S, 0.0),
            prepare: with(0.020, 0.25),
            stages: vec![Stage {
                name: "process".into(),
                work: with(process_s, 0.5),
                output: with(0.000_08 * BYTES_PER_S, 0.0),
            }],
            memory_bytes: 0,
            deadline: None,
            outstanding: None,
        },
        tiers: vec![tier("endpoint", endpoints, 1), tier("cloud", 1, servers)],
        links: vec![Link {
            between: [0, 1],
            up: way.clone(),
            down: way,
            sharing: Sharing::Fifo,
            scope: Scope::Pair,
        }],
        placement: Placement {
            endpoint: 0,
            target: 1,
            cut: 0,
            workers: servers,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: Provider::Docker,
            manager: Manager::None,
            pods: None,
        },
        duration: Span::from_secs_f64(duration_s).expect("a number of seconds"),
        warm_up: Span::ZERO,
    }
}
