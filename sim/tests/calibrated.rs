//! A calibration acts alike on everything that predicts.

mod common;

use common::random::{deployment, is_meant};
use offing_core::*;
use offing_models::{Loads, ModelSet, loads};
use offing_sim::{Estimate, Options, Sweep, simulate, simulate_with};
use proptest::prelude::*;

/// Every overhead that there is.
fn models() -> ModelSet {
    let line = |name: &str, value: f64, unit: &str| {
        format!("[overheads.{name}]\nvalue = {value:?}\nunit = \"{unit}\"\nerror = 0.1\nsource = \"fit\"\n")
    };
    let text = [
        "[source.fit]\ntitle = \"a test that fits nothing\"\ndate = \"2026-11-24\"\n".into(),
        line("link.up_fixed", 1.5, "ms"),
        line("link.down_fixed", 0.5, "ms"),
        line("link.per_byte", 3.0, "ns/B"),
        line("link.framing", 0.047, "1"),
        line("link.round_trips", 0.1, "1"),
        line("link.jitter_shift", 0.5, "1"),
        line("processor.quota_share", 0.98, "1"),
        line("processor.pool", 1.0, "1"),
        line("processor.contention", 0.2, "1"),
        line("processor.host_cores", 8.0, "1"),
        line("worker.overhead", 0.7, "ms"),
    ];
    ModelSet::read(&text.concat()).expect("it is written here")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_engines_and_the_lanes_agree(d in deployment(), seed in 0..1000_u64) {
        prop_assume!(is_meant(&d));
        let models = models();
        let run = simulate(&d, &models, seed);
        let events = Options { engine: Some(Engine::Events), observer: None };
        let by_events = simulate_with(&d, &models, seed, events);
        prop_assert!(run.recording == by_events.recording);
        prop_assert_eq!(&run.deployment, &d.id());
        let mut sweep = Sweep::new(&models, seed);
        let has_sd = !sweep.applies(&d);
        let mut expected = Estimate::of_run(&d, &run);
        if let Some(latency) = expected.latency_ms.as_mut().filter(|_| !has_sd) {
            latency.sd = f64::NAN;
        }
        let estimate = &sweep.estimate(std::slice::from_ref(&d))[0];
        prop_assert_eq!(format!("{estimate:?}"), format!("{expected:?}"));
    }
}

/// One endpoint that works itself: 130 ms a request of four cores at 0.5.
fn local(workers: u32) -> Deployment {
    let tier = Tier::new("endpoint", 1, 4, 0.5);
    Deployment {
        app: App {
            rate_hz: 1.0,
            arrivals: Arrivals::Periodic,
            frame: Distribution::Constant(1000.0),
            prepare: Distribution::Constant(0.0),
            stages: vec![Stage {
                name: "process".into(),
                work: Distribution::Constant(0.130),
                output: Distribution::Constant(20.0),
            }],
            memory_bytes: 0,
            deadline: None,
            outstanding: None,
        },
        tiers: vec![tier],
        links: Vec::new(),
        placement: Placement {
            endpoint: 0,
            target: 0,
            cut: 0,
            workers,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: Provider::Docker,
            manager: Manager::None,
            pods: None,
        },
        duration: Span::from_millis(20_000),
        warm_up: Span::ZERO,
    }
}

#[test]
fn a_lone_request_is_not_stopped_where_quotas_are_one_pool() {
    let text = "[source.fit]\ntitle = \"t\"\ndate = \"2026-11-24\"\n[overheads.processor.pool]\nvalue = 1.0\n\
                unit = \"1\"\nerror = \"exact\"\nsource = \"fit\"\n";
    let models = ModelSet::read(text).unwrap();
    // A lone request of 130 ms may use two cores' time; each worker by itself would be stopped twice.
    let process = |models: &ModelSet, workers| simulate(&local(workers), models, 1).recording.part(3).mean();
    assert_eq!(process(&models, 3), 130e6);
    assert!(process(&ModelSet::default(), 3) >= 180e6);
    // Three workers have two cores: 130 ms a second of 2000.
    let d = local(3);
    let Loads { target, .. } = loads(&models.effective(&d), &models.transport());
    assert!((target - 0.065).abs() < 1e-12);
    // What is allowed is still that of the four cores.
    let run = simulate(&d, &models, 1);
    // The last request is not done within the observed span.
    let used = run.tiers[0].utilization();
    assert!((0.0618..=0.065).contains(&used), "{used}");
}
