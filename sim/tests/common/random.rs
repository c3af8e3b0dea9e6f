//! Random deployments.

use offing_core::*;
use offing_sim::{refusal, stations_apply};
use proptest::prelude::*;

use super::{direction, queue};

/// Coarse values, so that ties are frequent.
fn span_ms() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        (1u32..60).prop_map(|x| f64::from(x) * 5.0),
        (1u32..2000).prop_map(|x| f64::from(x) / 7.0)
    ]
}

fn work() -> impl Strategy<Value = Distribution> {
    prop_oneof![
        span_ms().prop_map(|x| Distribution::Constant(x / 1e3)),
        (1u32..200).prop_map(|x| Distribution::Exponential { mean: f64::from(x) / 1e3 }),
        (1u32..200, 1u32..20).prop_map(|(x, cv)| Distribution::Lognormal {
            mean: f64::from(x) / 1e3,
            cv: f64::from(cv) / 10.0
        }),
        (0u32..100, 1u32..100)
            .prop_map(|(x, sd)| Distribution::Normal { mean: f64::from(x) / 1e3, sd: f64::from(sd) / 1e3 }),
        Just(Distribution::Empirical { source: "t".into(), values: [0.0, 0.005, 0.01, 0.05].into() }),
    ]
}

fn bytes() -> impl Strategy<Value = Distribution> {
    prop_oneof![
        Just(Distribution::Constant(0.0)),
        (1u32..100).prop_map(|x| Distribution::Constant(f64::from(x) * 1250.0)),
        (1u32..100).prop_map(|x| Distribution::Exponential { mean: f64::from(x) * 1000.0 }),
    ]
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    let at = |ms: u64| Span::from_millis(ms);
    let instants =
        (0..200u64).map(move |i| (at(i * i % 47 + i * 20), (i % 3 == 0).then_some((i % 2) as u32)));
    let mut recorded: Vec<TraceArrival> =
        instants.map(|(at, endpoint)| TraceArrival { at, endpoint }).collect();
    recorded.sort_by_key(|a| a.at);
    let shared = recorded.iter().map(|a| TraceArrival { endpoint: None, ..*a }).collect::<Vec<_>>();
    prop_oneof![
        Just(Arrivals::Periodic),
        Just(Arrivals::Poisson),
        (1u64..300).prop_map(move |ms| Arrivals::Jittered { sd: at(ms) }),
        (1u64..3000, 1u64..3000).prop_map(move |(on, off)| Arrivals::Bursts { on: at(on), off: at(off) }),
        Just(Arrivals::Trace { source: "t".into(), arrivals: recorded.into() }),
        Just(Arrivals::Trace { source: "t".into(), arrivals: shared.into() }),
    ]
}

fn way() -> impl Strategy<Value = Direction> {
    let at = |ms: u64| Span::from_millis(ms);
    let trace =
        Rate::Trace { source: "t".into(), opportunities: [at(1), at(3), at(3), at(3), at(20)].into() };
    (
        prop_oneof![Just(0u64), Just(5_000), 0u64..50_000],
        prop_oneof![3 => Just(0u64), 1 => 1u64..20],
        prop_oneof![
            2 => Just(Rate::Unlimited),
            6 => (1u32..200).prop_map(|m| Rate::BitPerS(f64::from(m) * 1e6)),
            1 => Just(trace)
        ],
        prop_oneof![4 => Just(0.0), 1 => 0.0..0.3],
        prop_oneof![4 => Just(None), 1 => (1u32..64).prop_map(|k| Some(f64::from(k) * 1024.0))],
    )
        .prop_map(|(latency, jitter, rate, loss, window)| Direction {
            jitter: Span::from_millis(jitter),
            loss,
            window_bytes: window,
            ..direction(latency, rate)
        })
}

fn link() -> impl Strategy<Value = Option<Link>> {
    let sharing = prop_oneof![3 => Just(Sharing::Fifo), 2 => Just(Sharing::Fair)];
    let scope = prop_oneof![Just(Scope::Node), Just(Scope::Pair), Just(Scope::Tier)];
    let link = (way(), way(), sharing, scope)
        .prop_map(|(up, down, sharing, scope)| Some(Link { between: [0, 1], up, down, sharing, scope }));
    prop_oneof![1 => Just(None), 8 => link]
}

pub fn deployment() -> impl Strategy<Value = Deployment> {
    let app = (arrivals(), work(), work(), work(), bytes(), bytes(), 1u32..12);
    let nodes = (1u32..9, 1u32..5, 1u32..6, 1u32..25);
    let quota = prop_oneof![2 => Just(1.0), 1 => 0.1f64..1.0];
    let balance = prop_oneof![2 => Just(Balance::Static), 1 => Just(Balance::RoundRobin), 1 => Just(Balance::Random), 1 => Just(Balance::Connection)];
    let limit = (
        prop_oneof![2 => Just(None), 1 => (0u32..6).prop_map(Some)],
        prop_oneof![Just(Drop::Newest), Just(Drop::Oldest)],
    );
    (
        app,
        nodes,
        (quota.clone(), quota),
        balance,
        limit,
        link(),
        prop_oneof![4 => Just(true), 1 => Just(false)],
        0u32..2,
    )
        .prop_map(|(app, nodes, quota, balance, limit, link, offloads, cut)| {
            let (arrivals, prepare, first, second, frame, output, rate) = app;
            let (endpoints, targets, cores, workers) = nodes;
            let mut d = queue(endpoints, f64::from(rate) / 2.0, workers, first, 12);
            d.app.arrivals = arrivals;
            d.app.prepare = prepare;
            d.app.frame = frame;
            d.app.stages[0].output = output.clone();
            if cut > 0 {
                d.app.stages.push(Stage { name: "second".into(), work: second, output });
            }
            d.placement.cut = cut;
            d.tiers[0].quota = quota.0;
            d.tiers[1].quota = quota.1;
            d.tiers[1].nodes = targets;
            d.tiers[1].cores = cores;
            d.placement.balance = balance;
            (d.placement.queue, d.placement.drop) = limit;
            d.links = link.into_iter().collect();
            if !offloads {
                d.placement.target = 0;
                d.placement.cut = 0;
                d.tiers[0].cores = cores;
            }
            d.warm_up = Span::from_millis(2_000);
            d.app.deadline = Some(Span::from_millis(200));
            d
        })
}

/// Fair sharing of a recorded rate is refused, so it is not a deployment.
pub fn is_meant(d: &Deployment) -> bool {
    refusal(d).is_none() && stations_apply(d)
}
