//! Both engines give the same requests, part by part, over random deployments.

mod common;

use common::random::{deployment, is_meant};
use common::{exponential_ms, trace, w1};
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Options, simulate_with};
use proptest::prelude::*;

fn rows(deployment: &Deployment, seed: u64, engine: Engine) -> (Run, Vec<Request>) {
    let mut rows = Vec::new();
    let mut observer = |request| rows.push(request);
    let options = Options { engine: Some(engine), observer: Some(&mut observer) };
    let run = simulate_with(deployment, &ModelSet::default(), seed, options);
    rows.sort_unstable();
    (run, rows)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn stations_and_events_give_the_same_requests(d in deployment().prop_filter("can run", is_meant), seed: u64) {
        let (fast, fast_rows) = rows(&d, seed, Engine::Stations);
        let (slow, slow_rows) = rows(&d, seed, Engine::Events);
        for (a, b) in fast_rows.iter().zip(&slow_rows) {
            prop_assert_eq!(a, b);
        }
        prop_assert_eq!(fast_rows.len(), slow_rows.len());
        prop_assert_eq!(fast.counts, slow.counts);
        prop_assert_eq!(&fast.tiers, &slow.tiers);
        prop_assert!(fast.recording == slow.recording);
        // Without an observer the plain deployments take a shorter path.
        let options = Options { engine: Some(Engine::Stations), observer: None };
        let unseen = simulate_with(&d, &ModelSet::default(), seed, options);
        prop_assert_eq!(unseen.counts, slow.counts);
        prop_assert_eq!(&unseen.tiers, &slow.tiers);
        prop_assert!(unseen.recording == slow.recording);
        let Counts { offered, completed, dropped, unfinished, .. } = fast.counts;
        prop_assert_eq!(offered, completed + dropped + unfinished);
        prop_assert_eq!(unfinished, 0);
        let observed = |r: &&Request| d.warm_up.as_nanos() <= r.emitted && r.emitted < d.duration.as_nanos();
        prop_assert_eq!(offered, fast_rows.iter().filter(observed).count() as u64);
    }
}

/// W1 for a minute, about 24 000 requests, with something changed.
fn changed(change: impl FnOnce(&mut Deployment)) -> Deployment {
    let mut d = w1(100, 60);
    change(&mut d);
    d
}

#[test]
fn plain_deployments_that_take_many_windows_are_recorded_alike() {
    let cases = [
        ("as it is", changed(|_| ())),
        (
            "warm-up and deadline",
            changed(|d| {
                d.warm_up = Span::from_millis(17_300);
                d.app.deadline = Some(Span::from_millis(50));
            }),
        ),
        ("overloaded endpoints", changed(|d| d.app.prepare = exponential_ms(300.0))),
        ("endpoints that fall behind and catch up", changed(|d| d.app.prepare = exponential_ms(235.0))),
        ("an overloaded node", changed(|d| d.placement.workers = 2)),
        ("an overloaded downlink", changed(|d| d.app.stages[0].output = Distribution::Constant(5e6))),
        (
            "seven nodes with a downlink each",
            changed(|d| {
                d.tiers[1].nodes = 7;
                d.links[0].scope = Scope::Node;
            }),
        ),
        (
            "more nodes than requests of a window",
            changed(|d| (d.tiers[0].nodes, d.tiers[1].nodes) = (9_000, 9_000)),
        ),
        (
            "a heap of workers",
            changed(|d| {
                (d.tiers[1].cores, d.placement.workers) = (40, 40);
                d.app.stages[0].work = exponential_ms(90.0);
            }),
        ),
        ("periodic", changed(|d| d.app.arrivals = Arrivals::Periodic)),
        (
            // Even endpoints emit two frames at once, and the second is ready with the one that odd ones emit
            // later: windows that end in between have both late and new requests of one instant.
            "many at the same instants",
            changed(|d| {
                d.tiers[0].nodes = 6;
                let emissions =
                    |at| [(at, 0), (at, 0), (at, 2), (at, 2), (at + 20, 1), (at + 20, 3), (at + 20, 5)];
                let all =
                    (0..1_500).flat_map(|i| emissions(40 * i)).map(|(at, endpoint)| (at, Some(endpoint)));
                d.app.arrivals = trace(&all.collect::<Vec<_>>());
                // That they are fewer makes windows short.
                d.app.rate_hz = 4_000.0;
                d.app.prepare = Distribution::Constant(0.020);
                d.app.frame = Distribution::Constant(0.0);
            }),
        ),
        (
            "once in a quarter of an hour",
            changed(|d| {
                d.app.rate_hz = 0.001;
                d.duration = Span::from_millis(200_000_000);
            }),
        ),
    ];
    for (what, d) in cases {
        let run = |engine| {
            simulate_with(&d, &ModelSet::default(), 7, Options { engine: Some(engine), observer: None })
        };
        let (fast, slow) = (run(Engine::Stations), run(Engine::Events));
        assert_eq!(fast.counts, slow.counts, "{what}");
        assert_eq!(fast.tiers, slow.tiers, "{what}");
        assert!(fast.recording == slow.recording, "{what}");
        assert!(fast.counts.offered > 5_000, "{what}: {:?}", fast.counts);
    }
}
