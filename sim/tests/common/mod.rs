//! Deployments for tests.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod random;

use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Options, simulate_with, stations_apply};

pub fn tier(name: &str, nodes: u32, cores: u32) -> Tier {
    Tier::new(name, nodes, cores, 1.0)
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
            pods: None,
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
    d.links = vec![Link {
        between: [0, 1],
        up: way.clone(),
        down: way,
        sharing: Sharing::Fifo,
        scope: Scope::Pair,
    }];
    d
}

/// Every request of a run, in order of emission, endpoint and number. Nothing for `engine` takes the one that
/// fits.
pub fn rows(deployment: &Deployment, seed: u64, engine: Option<Engine>) -> (Run, Vec<Request>) {
    let mut rows = Vec::new();
    let mut observer = |request| rows.push(request);
    let options = Options { engine, observer: Some(&mut observer) };
    let run = simulate_with(deployment, &ModelSet::default(), seed, options);
    rows.sort_unstable();
    (run, rows)
}

/// The engines that can run a deployment.
pub fn engines(deployment: &Deployment) -> Vec<Engine> {
    if stations_apply(deployment) { vec![Engine::Stations, Engine::Events] } else { vec![Engine::Events] }
}

/// Recorded emissions: instants [ms] and endpoints.
pub fn trace(at_ms: &[(u64, Option<u32>)]) -> Arrivals {
    let arrival = |&(at, endpoint): &(u64, Option<u32>)| TraceArrival { at: Span::from_millis(at), endpoint };
    Arrivals::Trace { source: "by hand".into(), arrivals: at_ms.iter().map(arrival).collect() }
}

/// Parts of all requests that came back.
pub fn parts(rows: &[Request]) -> impl Iterator<Item = (&Request, Parts)> {
    rows.iter().filter_map(|row| row.parts.map(|parts| (row, parts)))
}

/// Mean and its standard error, from independent values.
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Probability that all of `c` servers are busy and no one may wait, at `a` Erlang (Erlang B; Erlang 1917).
pub fn erlang_b(c: u32, a: f64) -> f64 {
    (1..=c).fold(1.0, |b, i| a * b / (f64::from(i) + a * b))
}

/// Probability of waiting for one of `c` servers at `a < c` Erlang (Erlang C; Erlang 1917).
pub fn erlang_c(c: u32, a: f64) -> f64 {
    let b = erlang_b(c, a);
    let load = a / f64::from(c);
    b / (1.0 - load * (1.0 - b))
}

/// Mean wait of M/M/c [s] at `lambda` [1/s] and `service` [s].
pub fn mmc_wait(c: u32, lambda: f64, service: f64) -> f64 {
    erlang_c(c, lambda * service) / (f64::from(c) / service - lambda)
}

/// Mean wait of M/G/1 [s] by Pollaczek and Khinchine (Kleinrock, Queueing Systems I, 1975, section 5.6).
pub fn mg1_wait(lambda: f64, service: f64, cv: f64) -> f64 {
    let load = lambda * service;
    load * service * (1.0 + cv * cv) / (2.0 * (1.0 - load))
}
