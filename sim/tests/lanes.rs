//! A lane gives the numbers of the station engine to the last bit, whatever lies beside it.

mod common;

use common::random::{deployment, is_meant};
use common::{parts, rows};
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Above, Estimate, Sweep, simulate};
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

/// Without what lanes leave to others.
fn plain() -> impl Strategy<Value = Deployment> {
    let limit = prop_oneof![1 => Just(None), 3 => limit().prop_map(Some)];
    (deployment(), limit).prop_map(|(mut d, limit)| {
        (d.placement.queue, d.placement.drop) = (limit, Drop::Newest);
        d.placement.workers = d.placement.workers.min(16);
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
        for stage in &mut d.app.stages[d.placement.cut as usize..last] {
            stage.work = Distribution::Constant(0.007);
        }
        d
    })
}

/// How many may wait: none, few, hardly ever reached.
fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 4 => 1u32..8, 1 => 8u32..1025]
}

/// More often than not without what lanes leave to others.
fn laned() -> impl Strategy<Value = Deployment> {
    prop_oneof![9 => plain(), 1 => deployment()]
}

/// What is asked of a tier and of a queue: workers, cores for all of them if they share some, speed, latency, price,
/// limit.
type Variation = (u32, Option<u32>, u32, u64, u32, Option<Option<u32>>);

fn variations() -> impl Strategy<Value = Vec<Variation>> {
    let limit = prop::option::of(prop::option::weighted(0.7, limit()));
    let cores = prop::option::weighted(0.4, 1u32..8);
    prop::collection::vec((1u32..17, cores, 1u32..30, 0u64..3, 0u32..4, limit), 1..40)
}

fn vary(base: &Deployment, variations: Vec<Variation>) -> Vec<Deployment> {
    let vary = |(workers, cores, speed, latency, price, limit): Variation| {
        let mut d = base.clone();
        let target = d.placement.target;
        d.tiers[target].cores = cores.map_or(workers, |cores| cores.min(workers));
        d.placement.workers = workers;
        d.tiers[target].speed = f64::from(speed) / 10.0;
        d.tiers[target].price_usd_per_hour = f64::from(price);
        d.placement.queue = limit.unwrap_or(d.placement.queue);
        for link in &mut d.links {
            link.down.latency = Span::from_millis(20 * latency);
        }
        d
    };
    std::iter::once(base.clone()).chain(variations.into_iter().map(vary)).collect()
}

/// Share of the observed requests that came back and took longer than `limit_ms`.
fn share_above(d: &Deployment, seed: u64, limit_ms: u64) -> f64 {
    let (run, rows) = rows(d, seed, None);
    let is_observed = |row: &Request| row.emitted >= d.warm_up.as_nanos();
    let is_above = |(row, parts): &(&Request, Parts)| {
        is_observed(row) && Span::from_nanos(parts.latency()) > Span::from_millis(limit_ms)
    };
    parts(&rows).filter(is_above).count() as f64 / run.counts.completed as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn lanes_are_the_station_engine(
        base in laned().prop_filter("can run", is_meant),
        variations in variations(),
        seed: u64,
    ) {
        let deployments = vary(&base, variations);
        let models = ModelSet::default();
        let mut sweep = Sweep::new(&models, seed);
        let estimates = sweep.estimate(&deployments);
        assert_equal(&estimates, &deployments, &sweep, seed);
    }

}

/// All that lanes may be made of gives the same: the numbers of a simulation by itself.
fn assert_equal_everywhere(deployments: &[Deployment], seed: u64) {
    let models = ModelSet::default();
    for bits in [512, 256, 0] {
        let mut sweep = Sweep::with_vectors(&models, seed, bits);
        assert!(deployments.iter().all(|d| sweep.applies(d)));
        assert_equal(&sweep.estimate(deployments), deployments, &sweep, seed);
    }
}

/// A queue with its own downlink.
fn with_downlink(rate_hz: f64, workers: u32, work_ms: f64, duration_s: u64, nodes: u32) -> Deployment {
    let mut d = common::queue(10, rate_hz / 10.0, workers, common::exponential_ms(work_ms), duration_s);
    let down = common::direction(3_000, Rate::BitPerS(1e6));
    let up = common::direction(1_000, Rate::Unlimited);
    d.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fifo, scope: Scope::Node }];
    d.app.stages[0].output = Distribution::Constant(400.0);
    d.app.deadline = Some(Span::from_millis(120));
    d.tiers[1].nodes = nodes;
    d
}

/// Replies wait for the next request of their worker, many seconds here: longer than 32 bits of nanoseconds. With
/// and without a span before that is not observed, which ends while they wait.
#[test]
fn lanes_of_rare_requests_and_many_workers_are_the_station_engine() {
    for warm_up_s in [0, 1, 37] {
        let of = |workers: u32| {
            let mut d = with_downlink(2.0, workers, 90.0, 400, 1 + workers % 3);
            d.warm_up = Span::from_millis(1_000 * warm_up_s);
            d
        };
        assert_equal_everywhere(&(1..=16).map(of).collect::<Vec<_>>(), 5);
    }
}

/// Waits of seconds and of minutes lie beside short ones.
#[test]
fn lanes_that_leave_32_bits_are_the_station_engine_and_so_are_their_neighbours() {
    for workers in [1, 3, 16] {
        let of = |i: u32| with_downlink(100.0, workers, f64::from(i) * f64::from(workers), 60, 1);
        let deployments: Vec<Deployment> = (1..=20).map(of).collect();
        let longest: Vec<f64> = deployments
            .iter()
            .map(|d| alone(d, 9, false).latency_ms.map_or(0.0, |latency| latency.max))
            .collect();
        assert!(longest[0] < 1e3 && longest[19] > 1e4, "{longest:?}");
        assert_equal_everywhere(&deployments, 9);
    }
}

/// More requests than sums of 32 bits can have terms.
#[test]
fn long_runs_in_lanes_are_the_station_engine() {
    let of = |i: u32| {
        let mut d = with_downlink(1_000.0, 4, 1.0 + f64::from(i), 150, 1);
        d.links[0].down.rate = Rate::BitPerS(1e8);
        d
    };
    assert_equal_everywhere(&(0..3).map(of).collect::<Vec<_>>(), 2);
}

/// What a deployment's row and verdict rest on does not depend on what lies beside it.
#[test]
fn neighbours_change_neither_estimate_nor_share() {
    let models = ModelSet::default();
    let of = |i: u32| with_downlink([3.0, 100.0][i as usize % 2], 1 + i % 16, f64::from(1 + i % 7), 100, 1);
    let deployments: Vec<Deployment> = (0..32).map(of).collect();
    let limit_ns = 20e6;
    for way in [Sweep::estimate_in_lanes, Sweep::count_in_lanes] {
        let together = way(&mut Sweep::new(&models, 1), &deployments, limit_ns);
        for bits in [512, 256, 0] {
            let mut sweep = Sweep::with_vectors(&models, 1, bits);
            for (d, expected) in deployments.iter().zip(&together) {
                let apart = way(&mut sweep, std::slice::from_ref(d), limit_ns);
                assert_eq!(format!("{:?}", apart[0]), format!("{expected:?}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// What is plain is really done in lanes, bounded or not, and there are shares for it.
    #[test]
    fn bounded_queues_have_lanes(
        base in plain().prop_filter("can run", is_meant),
        variations in variations(),
        limit_ms in 1u64..300,
        seed: u64,
    ) {
        let deployments = vary(&base, variations);
        let models = ModelSet::default();
        let mut sweep = Sweep::new(&models, seed);
        prop_assert!(deployments.iter().all(|d| sweep.applies(d)));
        let laned = sweep.estimate_in_lanes(&deployments, limit_ms as f64 * 1e6);
        prop_assert!(laned.iter().all(Option::is_some), "{:?}", laned);
        let (estimates, above): (Vec<Estimate>, Vec<Above>) = laned.into_iter().flatten().unzip();
        assert_equal(&estimates, &deployments, &sweep, seed);
        for (above, d) in above.iter().zip(&deployments) {
            // By text, as there is no share of nothing.
            prop_assert_eq!(format!("{}", above.share), format!("{}", share_above(d, seed, limit_ms)));
        }
    }
}

/// A queue loses most of what it is offered, has lanes, and is stable.
#[test]
fn an_overloaded_bounded_queue_is_the_station_engines() {
    let models = ModelSet::default();
    let mut sweep = Sweep::new(&models, 3);
    let of_limit = |limit: u32| {
        let mut d = common::queue(20, 50.0, 1 + limit % 5, common::exponential_ms(50.0), 30);
        (d.placement.queue, d.tiers[1].nodes) = (Some(limit), 2);
        d.app.prepare = common::exponential_ms(3.0);
        d.app.deadline = Some(Span::from_millis(400));
        d.warm_up = Span::from_millis(5_000);
        let mut down = common::direction(2_000, Rate::BitPerS(1e6));
        down.jitter = Span::from_millis(u64::from(limit % 2));
        let up = common::direction(1_000, Rate::Unlimited);
        d.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fifo, scope: Scope::Node }];
        d.app.stages[0].output = Distribution::Constant(400.0);
        d
    };
    let deployments: Vec<Deployment> = [0, 1, 2, 3, 7, 63, 64, 1000, 1023, 1024].map(of_limit).into();
    assert!(deployments.iter().all(|d| sweep.applies(d)));
    let estimates = sweep.estimate(&deployments);
    assert_equal(&estimates, &deployments, &sweep, 3);
    assert!(estimates.iter().all(|estimate| estimate.stable && estimate.load > 1.0));
    assert!(estimates[0].dropped_share > 0.5 && estimates[9].dropped_share < estimates[4].dropped_share);
}

/// Workers that share cores, from few requests to an overload in which all of them are busy for long, with and without a
/// span before that is not observed, on more nodes than one.
#[test]
fn lanes_of_workers_that_share_cores_are_the_station_engine() {
    for (cores, duration_s) in [(1, 20), (2, 20), (3, 100), (7, 5)] {
        let of = |i: u32| {
            let mut d = with_downlink(100.0, cores + 1 + 3 * (i % 19), 9.0, duration_s, 1 + i % 2);
            (d.tiers[1].cores, d.tiers[1].speed) = (cores, 0.1 * f64::from(i + 2) / f64::from(cores));
            d.warm_up = Span::from_millis(1_300 * u64::from(i % 3));
            if i % 4 == 3 {
                d.app.stages[0].work = Distribution::Constant(0.009);
            }
            d
        };
        let deployments: Vec<Deployment> = (0..40).map(of).collect();
        let loads = deployments.iter().map(|d| alone(d, 4, false).load);
        assert!(loads.clone().any(|load| load > 1.2) && loads.clone().any(|load| load < 0.5));
        assert_equal_everywhere(&deployments, 4);
    }
}

/// What lanes leave to others is as it was.
#[test]
fn other_queues_are_simulated_one_by_one() {
    let models = ModelSet::default();
    let sweep = Sweep::new(&models, 3);
    let mut d = common::queue(20, 50.0, 4, common::exponential_ms(50.0), 30);
    d.placement.queue = Some(1025);
    assert!(!sweep.applies(&d));
    (d.placement.queue, d.placement.drop) = (Some(5), Drop::Oldest);
    assert!(!sweep.applies(&d));
}
