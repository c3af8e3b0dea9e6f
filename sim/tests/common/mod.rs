//! Deployments for tests.
#![allow(dead_code, reason = "each test file uses a part")]

use offing_core::*;

pub fn tier(name: &str, nodes: u32, cores: u32) -> Tier {
    Tier {
        name: name.into(),
        nodes,
        cores,
        quota: 1.0,
        speed: 1.0,
        memory_bytes: None,
        power: None,
        price_usd_per_hour: 0.0,
    }
}

pub fn exponential_ms(mean: f64) -> Distribution {
    Distribution::Exponential { mean: mean / 1e3 }
}

/// `endpoints` that emit `rate_hz` each and a `cloud` of one node with `workers` cores and workers; no link,
/// no preparation, work exponential with mean `work_ms`.
pub fn queue(endpoints: u32, rate_hz: f64, workers: u32, work: Distribution, duration_s: u64) -> Deployment {
    Deployment {
        app: App {
            rate_hz,
            arrivals: Arrivals::Poisson,
            frame: Distribution::Constant(0.0),
            prepare: Distribution::Constant(0.0),
            stages: vec![Stage { name: "process".into(), work, output: Distribution::Constant(0.0) }],
            memory_bytes: 0,
            deadline: None,
            outstanding: None,
        },
        tiers: vec![tier("endpoint", endpoints, 1), tier("cloud", 1, workers)],
        links: Vec::new(),
        placement: Placement {
            endpoint: 0,
            target: 1,
            cut: 0,
            workers,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: Provider::Docker,
            manager: Manager::None,
        },
        duration: Span::from_millis(duration_s * 1000),
        warm_up: Span::ZERO,
    }
}

pub fn direction(latency_us: u64, rate: Rate) -> Direction {
    Direction { latency: Span::from_nanos(latency_us * 1000), rate, ..Direction::default() }
}

/// W1: the workload that all engines and peers of the benches run.
pub fn w1(endpoints: u32, duration_s: u64) -> Deployment {
    let mut d = queue(endpoints, 4.0, (endpoints * 4 / 100).max(1), exponential_ms(8.0), duration_s);
    d.app.prepare = exponential_ms(20.0);
    d.app.frame = Distribution::Exponential { mean: 20_000.0 };
    d.app.stages[0].output = Distribution::Exponential { mean: 1_000.0 };
    let way = direction(10_000, Rate::BitPerS(1e8));
    d.links =
        vec![Link { between: [0, 1], up: way.clone(), down: way, sharing: Sharing::Fifo, scope: Scope::Pair }];
    d
}
