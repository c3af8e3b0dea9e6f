//! A lane gives the numbers of the station engine to the last bit, whatever lies beside it.

mod common;

use common::random::{deployment, is_meant};
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Estimate, Sweep, simulate};
use proptest::prelude::*;

/// The numbers of a simulation by itself. Lanes do not know the standard deviation.
fn alone(d: &Deployment, seed: u64, has_sd: bool) -> Estimate {
    let mut estimate = Estimate::of_run(d, &simulate(d, &ModelSet::default(), seed));
    if let Some(latency) = &mut estimate.latency_ms
        && !has_sd
    {
        latency.sd = f64::NAN;
    }
    estimate
}

/// As text, so that numbers that are none are equal to each other; the text tells all bits of a number.
fn assert_equal(estimates: &[Estimate], deployments: &[Deployment], sweep: &Sweep<'_>, seed: u64) {
    for (estimate, d) in estimates.iter().zip(deployments) {
        let expected = alone(d, seed, !sweep.applies(d));
        assert_eq!(
            format!("{estimate:?}"),
            format!("{expected:?}"),
            "{:?}",
            (&d.placement, &d.tiers, &d.links)
        );
    }
}

/// Without what lanes leave to others, more often than not.
fn laned() -> impl Strategy<Value = Deployment> {
    (deployment(), prop_oneof![9 => Just(true), 1 => Just(false)]).prop_map(|(mut d, is_plain)| {
        if is_plain {
            d.placement.queue = None;
            let target = d.placement.target;
            d.tiers[target].quota = 1.0;
            d.tiers[target].cores = d.placement.workers.max(d.tiers[target].cores);
            for link in &mut d.links {
                (link.sharing, link.scope) = (Sharing::Fifo, Scope::Node);
                if matches!(link.down.rate, Rate::Trace { .. }) {
                    link.down.rate = Rate::BitPerS(2e6);
                }
            }
            let last = d.app.stages.len() - 1;
            d.app.stages[last].output = Distribution::Constant(5_000.0);
        }
        d
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn lanes_are_the_station_engine(
        base in laned().prop_filter("can run", is_meant),
        variations in prop::collection::vec((1u32..17, 1u32..30, 0u64..3, 0u32..4), 1..40),
        seed: u64,
    ) {
        let mut deployments = vec![base.clone()];
        for (workers, speed, latency, price) in variations {
            let mut d = base.clone();
            let target = d.placement.target;
            d.tiers[target].cores = workers;
            d.placement.workers = workers;
            d.tiers[target].speed = f64::from(speed) / 10.0;
            d.tiers[target].price_usd_per_hour = f64::from(price);
            for link in &mut d.links {
                link.down.latency = Span::from_millis(20 * latency);
            }
            deployments.push(d);
        }
        let models = ModelSet::default();
        let mut sweep = Sweep::new(&models, seed);
        let estimates = sweep.estimate(&deployments);
        assert_equal(&estimates, &deployments, &sweep, seed);
    }
}
