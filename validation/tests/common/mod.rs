//! Measured runs made by simulation with hidden parameters.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Options, simulate_with};
use offing_validation::{Conditions, Finding, Measured, Row, Seen, Settings, draws, fit, sha256, student};

/// What the scenario says of the work: another number than the truth.
pub const STATED_S: f64 = 0.100;

pub fn settings() -> Settings {
    Settings { name: "test".into(), date: "2026-11-24".into() }
}

/// The world: what a scenario does not say.
pub fn truth(spread: f64) -> ModelSet {
    let line = |name: &str, value: f64, unit: &str, spread: f64| {
        format!(
            "[overheads.{name}]\nvalue = {value:?}\nunit = \"{unit}\"\nerror = \"exact\"\nspread = {spread:?}\nsource = \"fit\"\n"
        )
    };
    // A lognormal of mean 120 ms and cv 0.1.
    let work = Distribution::Lognormal { mean: 120.0, cv: 0.1 };
    let table: Vec<f64> = (0..=100)
        .map(|i| {
            let p = (f64::from(i) / 100.0).clamp(0.001, 0.999);
            offing_models::distribution::quantile(&work, p, 1.0 - p)
        })
        .collect();
    let of = offing_models::calibration::stated(&Distribution::Constant(STATED_S));
    let text = [
        "[source.fit]\ntitle = \"hidden parameters of a test\"\ndate = \"2026-11-24\"\n".to_string(),
        line("link.up_fixed", 1.8, "ms", 10.0 * spread),
        line("link.down_fixed", 0.6, "ms", 10.0 * spread),
        line("link.per_byte", 4.0, "ns/B", 0.0),
        line("link.framing", 0.047, "1", 0.0),
        line("link.round_trips", 0.2, "1", 0.0),
        line("link.jitter_shift", 0.3, "1", 0.0),
        line("link.noise", 0.4, "ms", 0.0),
        line("processor.quota_share", 0.9637, "1", 0.0),
        line("processor.pool", 1.0, "1", 0.0),
        line("processor.contention", 0.25, "1", 0.0),
        line("processor.host_cores", 8.0, "1", 0.0),
        format!(
            "[service.process.any]\nvalues = {table:?}\nof = '{of}'\nunit = \"ms\"\nerror = \"exact\"\nspread = {:?}\nsource = \"fit\"\n",
            120.0 * spread
        ),
        "[fitted]\ndate = \"2026-11-24\"\nhost_class = \"h\"\nprovider = \"docker\"\napplication = \"network\"\ntransport = \"mqtt\"\nruns = []\n".into(),
    ];
    ModelSet::read(&text.concat()).expect("it is written here")
}

/// What differs between deployments.
#[derive(Clone, Copy, Debug)]
pub struct Axes {
    pub endpoints: u32,
    pub cores: u32,
    pub quota: f64,
    pub workers: u32,
    pub latency_ms: u64,
    pub rate_mbit: f64,
    pub frame_kb: f64,
    pub rate_hz: f64,
}

pub fn deployment(a: Axes) -> Deployment {
    let direction = Direction {
        latency: Span::from_millis(a.latency_ms),
        jitter: Span::from_millis(a.latency_ms / 10),
        rate: Rate::BitPerS(a.rate_mbit * 1e6),
        ..Direction::default()
    };
    Deployment {
        app: App {
            rate_hz: a.rate_hz,
            arrivals: Arrivals::Poisson,
            frame: Distribution::Constant(a.frame_kb * 1e3),
            prepare: Distribution::Constant(0.002),
            stages: vec![Stage {
                name: "process".into(),
                work: Distribution::Constant(STATED_S),
                output: Distribution::Constant(20.0),
            }],
            memory_bytes: 0,
            deadline: None,
            outstanding: None,
        },
        tiers: vec![Tier::new("endpoint", a.endpoints, 1, 1.0), Tier::new("cloud", 1, a.cores, a.quota)],
        links: vec![Link {
            between: [0, 1],
            up: direction.clone(),
            down: direction,
            sharing: Sharing::Fifo,
            scope: Scope::Node,
        }],
        placement: Placement {
            endpoint: 0,
            target: 1,
            cut: 0,
            workers: a.workers,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: Provider::Docker,
            manager: Manager::None,
            pods: None,
        },
        duration: Span::from_millis(63_000),
        warm_up: Span::from_millis(3_000),
    }
}

/// Sixteen deployments from light load to near saturation, and one in overload.
pub fn sixteen() -> Vec<Deployment> {
    let base = Axes {
        endpoints: 2,
        cores: 4,
        quota: 1.0,
        workers: 3,
        latency_ms: 10,
        rate_mbit: 20.0,
        frame_kb: 60.0,
        rate_hz: 3.0,
    };
    let axes = [
        base,
        Axes { endpoints: 4, ..base },
        Axes { endpoints: 6, ..base },
        Axes { latency_ms: 45, rate_mbit: 8.0, ..base },
        Axes { latency_ms: 80, frame_kb: 20.0, ..base },
        Axes { latency_ms: 0, rate_mbit: 100.0, frame_kb: 200.0, ..base },
        Axes { latency_ms: 0, rate_mbit: 100.0, frame_kb: 10.0, endpoints: 1, ..base },
        Axes { latency_ms: 20, rate_mbit: 50.0, frame_kb: 120.0, rate_hz: 1.0, ..base },
        Axes { quota: 0.5, ..base },
        Axes { quota: 0.5, endpoints: 4, ..base },
        Axes { quota: 0.6, cores: 2, workers: 2, ..base },
        Axes { quota: 0.4, cores: 1, workers: 1, endpoints: 1, rate_hz: 2.0, ..base },
        Axes { workers: 1, endpoints: 1, rate_hz: 5.0, ..base },
        Axes { workers: 4, endpoints: 8, latency_ms: 30, ..base },
        Axes { workers: 2, endpoints: 3, rate_mbit: 10.0, frame_kb: 90.0, ..base },
        Axes { workers: 2, endpoints: 8, ..base },
    ];
    axes.map(deployment).to_vec()
}

pub fn conditions() -> Conditions {
    Conditions {
        host_class: "h".into(),
        host_cores: 8.0,
        provider: "docker".into(),
        application: "network".into(),
        transport: "mqtt".into(),
        dilate: 1.0,
    }
}

/// A run of a deployment in a world; CPU times are those of a twin without
/// quotas on a host that nobody else uses, which meets the same work.
pub fn measure(world: &ModelSet, d: &Deployment, seed: u64) -> Measured {
    // The effects of one run.
    let world = draws(world, 1, seed, true).remove(0).models;
    // Whoever waits for a core uses none.
    let quiet = world.with_values(&[("overheads.processor.contention".to_string(), vec![0.0])].into());
    let run = |d: &Deployment, world: &ModelSet| {
        let mut rows = Vec::new();
        let mut gather = |request: Request| rows.push(request);
        let run = simulate_with(d, world, seed, Options { engine: None, observer: Some(&mut gather) });
        rows.sort_unstable();
        (run, rows)
    };
    let mut twin = d.clone();
    twin.tiers.iter_mut().for_each(|tier| tier.quota = 1.0);
    let ((run, rows), (_, free)) = (run(d, &world), run(&twin, &quiet));
    let from = d.warm_up.as_nanos();
    let pairs = rows.iter().zip(&free).filter(|(request, _)| request.emitted >= from);
    let rows: Vec<Row> = pairs
        .map(|(request, free)| {
            assert_eq!((request.endpoint, request.index), (free.endpoint, free.index));
            Row {
                endpoint: request.endpoint,
                index: request.index,
                node: request.node,
                emitted: request.emitted,
                parts: request.parts,
                worker: None,
                frame_bytes: None,
                prepare_cpu: free.parts.map(|parts| parts.prepare),
                process_cpu: free.parts.map(|parts| parts.process),
            }
        })
        .collect();
    Measured {
        name: format!("{}-{seed}", d.id()),
        deployment: d.clone(),
        sha256: sha256(format!("{rows:?}").as_bytes()),
        conditions: conditions(),
        seen: Seen::Requests(rows),
        utilization: run
            .tiers
            .iter()
            .map(|tier| (tier.name.clone(), tier.utilization()))
            .collect::<BTreeMap<_, _>>(),
        seed: None,
        took_s: None,
    }
}

/// What the scenarios do not say, and what is looked for.
pub const HIDDEN: [(&str, f64); 9] = [
    ("overheads.link.up_fixed", 1.8),
    ("overheads.link.down_fixed", 0.6),
    ("overheads.link.per_byte", 4.0),
    ("overheads.link.framing", 0.047),
    ("overheads.link.round_trips", 0.2),
    ("overheads.link.jitter_shift", 0.3),
    ("overheads.processor.quota_share", 0.9637),
    ("overheads.processor.contention", 0.25),
    ("service.process.cloud", 120.0),
];

/// A run of each of [`sixteen`].
pub fn runs(seed: u64) -> Vec<Measured> {
    let world = truth(0.01);
    sixteen().iter().enumerate().map(|(number, d)| measure(&world, d, 1000 * seed + number as u64)).collect()
}

pub fn finding<'f>(findings: &'f [Finding], name: &str) -> &'f Finding {
    findings.iter().find(|finding| finding.parameter == name).unwrap_or_else(|| panic!("{name} is not there"))
}

/// For each hidden parameter: the share of fits whose 95 % interval has it, the mean error, its root mean square, and the
/// mean of what was stated.
pub fn covered(seeds: u64) -> Vec<(&'static str, f64, f64, f64, f64)> {
    let mut sums = [(0.0, 0.0, 0.0, 0.0); HIDDEN.len()];
    for seed in 0..seeds {
        let found = fit(&ModelSet::default(), &runs(seed), &settings(), &Default::default())
            .expect("the runs are alike");
        for (sum, (name, value)) in sums.iter_mut().zip(HIDDEN) {
            let Finding { value: got, error, freedom, .. } = *finding(&found.findings, name);
            sum.0 +=
                f64::from(u8::from((got - value).abs() <= student(freedom.unwrap_or(f64::INFINITY)) * error));
            *sum = (sum.0, sum.1 + got - value, sum.2 + (got - value).powi(2), sum.3 + error);
        }
    }
    let n = seeds as f64;
    let told = |((name, _), sum): ((&'static str, f64), (f64, f64, f64, f64))| {
        (name, sum.0 / n, sum.1 / n, (sum.2 / n).sqrt(), sum.3 / n)
    };
    HIDDEN.into_iter().zip(sums).map(told).collect()
}
