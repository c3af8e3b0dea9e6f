//! Both engines give the same requests, part by part, over random deployments.

mod common;

use common::random::{deployment, is_meant};
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
