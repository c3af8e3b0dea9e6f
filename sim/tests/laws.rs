//! Laws that hold whatever the distributions are.

mod common;

use common::*;
use offing_core::*;
use offing_models::ModelSet;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// How two quantities must not differ, with both in the message.
fn near(what: &str, left: f64, right: f64, tolerance: f64) {
    assert!((left - right).abs() <= tolerance * right.abs(), "{what}: {left} and {right}");
}

/// Nanoseconds of `start..end` that lie within `from..until`.
fn inside(start: u64, end: u64, from: u64, until: u64) -> u64 {
    end.min(until).saturating_sub(start.max(from))
}

fn service() -> impl Strategy<Value = Distribution> {
    prop_oneof![
        (1u32..200).prop_map(|ms| Distribution::Constant(f64::from(ms) / 1e3)),
        (1u32..200).prop_map(|ms| Distribution::Exponential { mean: f64::from(ms) / 1e3 }),
        (1u32..200, 1u32..20).prop_map(|(ms, cv)| Distribution::Lognormal {
            mean: f64::from(ms) / 1e3,
            cv: f64::from(cv) / 10.0
        }),
        (0u32..100, 1u32..200).prop_map(|(ms, more)| Distribution::Uniform {
            from: f64::from(ms) / 1e3,
            to: f64::from(ms + more) / 1e3
        }),
    ]
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![
        Just(Arrivals::Periodic),
        Just(Arrivals::Poisson),
        (1u64..300).prop_map(|ms| Arrivals::Jittered { sd: Span::from_millis(ms) }),
        (100u64..2_000, 100u64..2_000).prop_map(|(on, off)| Arrivals::Bursts {
            on: Span::from_millis(on),
            off: Span::from_millis(off)
        }),
    ]
}

fn way() -> impl Strategy<Value = Direction> {
    (0u64..50_000, prop_oneof![Just(0u64), 1u64..10], 1u32..100).prop_map(|(latency, jitter, mbit)| {
        Direction {
            jitter: Span::from_millis(jitter),
            ..direction(latency, Rate::BitPerS(f64::from(mbit) * 1e6))
        }
    })
}

fn link() -> impl Strategy<Value = Vec<Link>> {
    let sharing = prop_oneof![Just(Sharing::Fifo), Just(Sharing::Fair)];
    let scope = prop_oneof![Just(Scope::Node), Just(Scope::Pair), Just(Scope::Tier)];
    (way(), way(), sharing, scope)
        .prop_map(|(up, down, sharing, scope)| vec![Link { between: [0, 1], up, down, sharing, scope }])
}

/// Everything that the laws are about, also what only the event engine runs; stable or not.
fn deployment() -> impl Strategy<Value = Deployment> {
    let app = (arrivals(), service(), service(), 1u32..10);
    let nodes = (1u32..6, 1u32..4, 1u32..5, 1u32..20);
    let balance = prop_oneof![
        Just(Balance::Static),
        Just(Balance::RoundRobin),
        Just(Balance::Random),
        Just(Balance::Connection),
        Just(Balance::LeastWaiting)
    ];
    let limit = prop_oneof![2 => Just(None), 1 => (0u32..6).prop_map(Some)];
    let closed = prop_oneof![3 => Just(None), 1 => (1u32..4).prop_map(Some)];
    let quota = prop_oneof![2 => Just(1.0), 1 => 0.2f64..1.0];
    (app, nodes, (balance, limit, closed, quota), link()).prop_map(|(app, nodes, place, links)| {
        let (arrivals, prepare, work, rate) = app;
        let (endpoints, targets, cores, workers) = nodes;
        let mut d = queue(endpoints, f64::from(rate), workers, work, 30);
        d.app.arrivals = arrivals;
        d.app.prepare = prepare;
        d.app.frame = Distribution::Exponential { mean: 20_000.0 };
        d.app.stages[0].output = Distribution::Exponential { mean: 2_000.0 };
        (d.tiers[1].nodes, d.tiers[1].cores) = (targets, cores);
        (d.placement.balance, d.placement.queue, d.app.outstanding, d.tiers[1].quota) = place;
        d.links = links;
        d.warm_up = Span::from_millis(5_000);
        d.app.deadline = Some(Span::from_millis(300));
        d
    })
}

/// A stable queue behind a processor and a link: at most 70 % busy each.
fn stable() -> impl Strategy<Value = Deployment> {
    (deployment(), 2u32..8).prop_map(|(mut d, tenths)| {
        let workers = d.placement.workers.min(d.tiers[1].cores);
        d.placement.workers = workers;
        d.tiers[1].quota = 1.0;
        d.placement.queue = None;
        d.app.outstanding = None;
        d.placement.balance = Balance::Random;
        let load = f64::from(tenths.min(7)) / 10.0;
        let servers = f64::from(workers * d.tiers[1].nodes);
        let demand = d.app.rate_hz * f64::from(d.tiers[0].nodes);
        d.app.stages[0].work = Distribution::Exponential { mean: load * servers / demand };
        d.app.prepare = Distribution::Exponential { mean: 0.5 / d.app.rate_hz };
        d.app.arrivals = Arrivals::Poisson;
        d.app.frame = Distribution::Exponential { mean: 1_000.0 };
        d.duration = Span::from_millis((40_000.0 / demand * 1e3) as u64);
        d.warm_up = Span::from_nanos(d.duration.as_nanos() / 10);
        d
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Requests are conserved, and what is told of them is what the rows say.
    #[test]
    fn every_request_is_accounted_for(d in deployment(), seed: u64) {
        let (run, rows) = rows(&d, seed, None);
        let (from, until) = (d.warm_up.as_nanos(), d.duration.as_nanos());
        let observed: Vec<Request> =
            rows.iter().copied().filter(|row| (from..until).contains(&row.emitted)).collect();
        let Counts { offered, completed, dropped, unfinished, late, returned, refused } = run.counts;
        prop_assert_eq!(offered, completed + dropped + unfinished);
        prop_assert_eq!(offered, observed.len() as u64);
        prop_assert_eq!(unfinished, 0);
        prop_assert_eq!(completed, parts(&observed).count() as u64);
        prop_assert_eq!(late, parts(&observed).filter(|(_, p)| p.latency() > 300_000_000).count() as u64);
        let is_back = |(row, parts): &(&Request, Parts)| (from..until).contains(&(row.emitted + parts.latency()));
        prop_assert_eq!(returned, parts(&rows).filter(is_back).count() as u64);
        prop_assert!(refused <= rows.iter().filter(|row| row.parts.is_none()).count() as u64);

        // Each endpoint numbers its requests without a gap, in order of time.
        for e in 0..d.tiers[0].nodes {
            let mine: Vec<&Request> = rows.iter().filter(|row| row.endpoint == e).collect();
            prop_assert!(mine.iter().enumerate().all(|(i, row)| row.index == i as u64));
            prop_assert!(mine.iter().all(|row| row.node < d.tiers[1].nodes));
        }

        // Parts add up to the latency, in the rows and in the record.
        let sums: Vec<u128> = (0..5).map(|i| run.recording.part(i).sum()).collect();
        prop_assert_eq!(sums.iter().sum::<u128>(), run.recording.latency().sum());
        for (i, sum) in sums.iter().enumerate() {
            let told: u128 = parts(&observed).map(|(_, parts)| u128::from(parts.to_array()[i])).sum();
            prop_assert_eq!(*sum, told, "{}", Parts::NAMES[i]);
        }
    }

    /// A node never has more than its workers in service, and never lets one idle while a request waits.
    #[test]
    fn workers_are_never_more_than_there_are_and_never_idle_in_vain(d in deployment(), seed: u64) {
        let (_, rows) = rows(&d, seed, None);
        for node in 0..d.tiers[1].nodes {
            // (instant, change of those in service, change of those waiting); ends come before beginnings.
            let mut changes = Vec::new();
            for (row, p) in parts(&rows).filter(|(row, _)| row.node == node) {
                let arrived = row.emitted + p.prepare + p.uplink;
                changes.push((arrived, 0, 1));
                changes.push((arrived + p.queue, 1, -1));
                changes.push((arrived + p.queue + p.process, -1, 0));
            }
            changes.sort_unstable();
            let (mut serving, mut waiting) = (0i64, 0i64);
            for (i, &(at, served, waits)) in changes.iter().enumerate() {
                serving += served;
                waiting += waits;
                if changes.get(i + 1).is_some_and(|next| next.0 == at) {
                    continue;
                }
                prop_assert!(serving <= i64::from(d.placement.workers));
                // A worker that has used up its quota may take nothing new until the next period.
                let is_throttled = d.tiers[1].quota < 1.0;
                prop_assert!(is_throttled || waiting == 0 || serving == i64::from(d.placement.workers));
            }
        }
    }
}

proptest! {
    // Statistical, so the cases are the same in every run.
    #![proptest_config(ProptestConfig { cases: 12, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Little 1961: the mean number present is rate times mean time, for the whole system and for each part of
    /// the way. 36,000 requests; what is under way at the two ends makes a difference of far less than 1 %. The
    /// utilization law: the busy share is lambda S / c, within three standard deviations of the work done.
    #[test]
    fn littles_law_and_the_utilization_law_hold(d in stable(), seed: u64) {
        let (run, rows) = rows(&d, seed, None);
        let (from, until) = (d.warm_up.as_nanos(), d.duration.as_nanos());
        let span = (until - from) as f64;
        let rate = run.counts.offered as f64 / span;
        let mut present = [0u128; 6];
        for (row, p) in parts(&rows) {
            let mut at = row.emitted;
            present[5] += u128::from(inside(at, at + p.latency(), from, until));
            for (sum, part) in present.iter_mut().zip(p.to_array()) {
                *sum += u128::from(inside(at, at + part, from, until));
                at += part;
            }
        }
        near("whole", present[5] as f64 / span, rate * run.recording.latency().mean(), 0.01);
        for (i, name) in Parts::NAMES.iter().enumerate() {
            // Of a queue that is nearly always empty the ends are a larger part.
            if run.recording.part(i).mean() > 1e6 {
                near(name, present[i] as f64 / span, rate * run.recording.part(i).mean(), 0.02);
            }
        }

        let busy = run.tiers.iter().find(|tier| tier.name == "cloud").expect("the cloud works").busy_ns;
        // Each worker has a core, so service is CPU time.
        let worked: u128 = parts(&rows)
            .map(|(row, p)| {
                let start = row.emitted + p.prepare + p.uplink + p.queue;
                u128::from(inside(start, start + p.process, from, until))
            })
            .sum();
        prop_assert_eq!(busy, worked);
        let Distribution::Exponential { mean } = d.app.stages[0].work else { unreachable!("see `stable`") };
        let servers = f64::from(d.placement.workers * d.tiers[1].nodes);
        let expected = d.app.rate_hz * f64::from(d.tiers[0].nodes) * mean / servers;
        // A compound Poisson sum of n exponential works has a relative standard deviation of sqrt(2/n).
        let tolerance = 3.0 * (2.0 / run.counts.offered as f64).sqrt();
        near("utilization", busy as f64 / span / servers, expected, tolerance);
    }
}

/// One stream into one tier of nodes in order of arrival: the setting in which theorems order each request.
fn ordered() -> impl Strategy<Value = Deployment> {
    (arrivals(), service(), 1u32..10, 1u32..20, way(), any::<bool>()).prop_map(
        |(arrivals, work, rate, workers, up, is_wide)| {
            let mut d = queue(1, f64::from(rate), workers, work, 60);
            d.app.arrivals = arrivals;
            d.app.frame = Distribution::Exponential { mean: 20_000.0 };
            d.app.stages[0].output = Distribution::Constant(2_000.0);
            let down = Direction { jitter: Span::ZERO, ..up.clone() };
            let scope = if is_wide { Scope::Tier } else { Scope::Node };
            d.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fifo, scope }];
            d
        },
    )
}

fn scaled(distribution: &Distribution, factor: f64) -> Distribution {
    match *distribution {
        Distribution::Constant(value) => Distribution::Constant(value * factor),
        Distribution::Exponential { mean } => Distribution::Exponential { mean: mean * factor },
        Distribution::Lognormal { mean, cv } => Distribution::Lognormal { mean: mean * factor, cv },
        Distribution::Uniform { from, to } => Distribution::Uniform { from: from * factor, to: to * factor },
        ref other => panic!("the strategy makes no {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// G/G/c in order of arrival: instants of service do not fall when any work grows (Kiefer and Wolfowitz 1955).
    #[test]
    fn more_work_is_never_faster_for_any_request(d in ordered(), seed: u64, factor in 1.05f64..3.0) {
        let mut harder = d.clone();
        harder.app.stages[0].work = scaled(&d.app.stages[0].work, factor);
        let (easy, hard) = (rows(&d, seed, None).1, rows(&harder, seed, None).1);
        prop_assert_eq!(easy.len(), hard.len());
        for ((row, a), (other, b)) in parts(&easy).zip(parts(&hard)) {
            prop_assert_eq!(row.emitted, other.emitted);
            prop_assert!(a.queue <= b.queue && a.process <= b.process, "request {}", row.index);
        }
    }

    /// G/G/c with all gaps shorter: no request waits less. Rounding to whole ns may cost one per request before.
    #[test]
    fn a_higher_rate_never_shortens_a_wait(d in ordered(), seed: u64, factor in 1.05f64..3.0) {
        let mut d = d;
        d.app.arrivals = Arrivals::Poisson;
        d.links.clear();
        let mut busier = d.clone();
        busier.app.rate_hz *= factor;
        let (calm, busy) = (rows(&d, seed, None).1, rows(&busier, seed, None).1);
        for ((row, a), (_, b)) in parts(&calm).zip(parts(&busy)) {
            prop_assert!(a.queue <= b.queue + row.index, "request {}", row.index);
            prop_assert_eq!(a.process, b.process);
        }
    }

    /// A wider or shorter link makes no request come to service later, and the mean latency no longer.
    #[test]
    fn a_faster_link_never_makes_the_latency_longer(d in ordered(), seed: u64, factor in 1.05f64..5.0) {
        let widen = |direction: &mut Direction| {
            let Rate::BitPerS(rate) = direction.rate else { panic!("the strategy makes no other") };
            direction.rate = Rate::BitPerS(rate * factor);
        };
        let mut faster = d.clone();
        widen(&mut faster.links[0].up);
        widen(&mut faster.links[0].down);
        let mut nearer = faster.clone();
        let link = &mut nearer.links[0];
        for direction in [&mut link.up, &mut link.down] {
            // Jitter is cut at a delay of zero, so only an even delay can be shortened for all alike.
            direction.jitter = Span::ZERO;
            direction.latency = Span::from_nanos((direction.latency.as_nanos() as f64 / factor) as u64);
        }
        let mut pairs = vec![(d.clone(), faster.clone())];
        faster.links[0].up.jitter = Span::ZERO;
        pairs.push((faster, nearer));
        for (slow, fast) in pairs {
            let (before, after) = (rows(&slow, seed, None), rows(&fast, seed, None));
            for ((row, a), (_, b)) in parts(&before.1).zip(parts(&after.1)) {
                prop_assert!(b.uplink <= a.uplink, "request {}", row.index);
                prop_assert!(b.uplink + b.queue <= a.uplink + a.queue, "request {}", row.index);
            }
            prop_assert!(after.0.recording.latency().sum() <= before.0.recording.latency().sum());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// What is said to be asked for is what a run serves: the same emissions at the same nodes, and, where
    /// nothing can share or throttle a processor, the same work.
    #[test]
    fn the_demand_of_a_run_is_what_it_serves(mut d in deployment(), seed: u64) {
        (d.placement.workers, d.app.outstanding) = (1, None);
        let (source, target) = (d.placement.endpoint, d.placement.target);
        d.tiers[source].quota = 1.0;
        d.tiers[target].quota = 1.0;
        let (_, rows) = rows(&d, seed, None);
        let demand = offing_sim::demand(&d, &ModelSet::default(), seed).expect("an open loop");
        let warm_up = d.warm_up.as_nanos();
        let observed = demand.iter().flatten().filter(|asked| asked.emitted >= warm_up).count();
        prop_assert_eq!(rows.iter().filter(|row| row.emitted >= warm_up).count(), observed);
        for row in &rows {
            let asked = demand[row.endpoint as usize][row.index as usize];
            prop_assert_eq!(asked.emitted, row.emitted);
            prop_assert!(asked.node.is_none_or(|node| node == row.node));
            if let Some(parts) = row.parts {
                prop_assert_eq!(asked.process, parts.process);
                prop_assert!(asked.prepare <= parts.prepare);
            }
        }
    }
}

#[test]
fn another_deployment_meets_the_same_emissions_and_the_same_works() {
    for arrivals in [Arrivals::Periodic, Arrivals::Poisson, Arrivals::Jittered { sd: Span::from_millis(20) }]
    {
        let mut d = queue(7, 5.0, 64, exponential_ms(30.0), 60);
        d.app.arrivals = arrivals;
        let mut other = d.clone();
        other.tiers[1].nodes = 3;
        other.placement.balance = Balance::Random;
        let way = direction(20_000, Rate::BitPerS(1e7));
        let (up, down) = (way.clone(), way);
        other.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fair, scope: Scope::Tier }];
        other.app.frame = Distribution::Exponential { mean: 1_000.0 };
        let mut local = d.clone();
        local.placement.target = 0;
        local.tiers[0].cores = 64;
        let (first, second, third) = (rows(&d, 3, None).1, rows(&other, 3, None).1, rows(&local, 3, None).1);
        assert!(first.len() == second.len() && first.len() == third.len() && first.len() > 2_000);
        for (((a, p), (b, q)), (c, r)) in parts(&first).zip(parts(&second)).zip(parts(&third)) {
            assert_eq!((a.emitted, a.endpoint, a.index), (b.emitted, b.endpoint, b.index));
            assert_eq!((a.emitted, a.endpoint, a.index), (c.emitted, c.endpoint, c.index));
            // There are more workers than requests under way, so service is the work itself.
            assert!(p.process == q.process && p.process == r.process);
        }
    }
}

/// 50 ms in each period of 100 ms. Work of 125 ms that starts `x` after a period began is served
/// 50 - wait - 50 - wait - 25 for x up to 50: in all 225 - x. Later it gets 100 - x at once, and what is left,
/// 25 + x, is one whole allowance and a rest (175 in all) up to x = 75, or two (225 in all).
#[test]
fn half_a_core_takes_the_wall_time_that_arithmetic_says() {
    const MS: u64 = 1_000_000;
    let wall = |x: u64| match x {
        0..=50_000_000 => 225 * MS - x,
        50_000_001..=75_000_000 => 175 * MS,
        _ => 225 * MS,
    };
    let at: Vec<(u64, Option<u32>)> = (0..50).map(|i| (1_003 * i, None)).collect();
    for (speed, work) in [(1.0, 0.125), (2.0, 0.25)] {
        let mut d = queue(1, 1.0, 1, Distribution::Constant(work), 60);
        d.app.arrivals = trace(&at);
        (d.tiers[1].quota, d.tiers[1].speed) = (0.5, speed);
        for seed in 1..10 {
            for engine in engines(&d) {
                let rows = rows(&d, seed, Some(engine)).1;
                // The period's start is drawn; a request that begins within the first half tells it.
                let within = parts(&rows).find(|(_, p)| ![175 * MS, 225 * MS].contains(&p.process));
                let (row, p) = within.expect("half of the requests begin there");
                let start = row.emitted + p.process + 100 * MS - 225 * MS + 1_000 * MS;
                for (row, p) in parts(&rows) {
                    let x = (row.emitted + 1_000_000 * MS - start) % (100 * MS);
                    assert_eq!(p.process, wall(x), "{engine:?}, seed {seed}, request {}", row.index);
                }
            }
        }
    }
}

/// In the long run a worker that is always busy does `quota x speed` of work per second.
#[test]
fn quota_and_speed_limit_what_a_saturated_node_does() {
    for (quota, speed, workers, cores) in
        [(0.5, 1.0, 1, 1), (0.3, 2.0, 2, 2), (0.75, 0.5, 6, 2), (1.0, 4.0, 3, 1)]
    {
        let mut d = queue(4, 100.0, workers, exponential_ms(37.0), 200);
        (d.tiers[1].cores, d.tiers[1].quota, d.tiers[1].speed) = (cores, quota, speed);
        for engine in engines(&d) {
            let (run, _) = rows(&d, 1, Some(engine));
            let capacity = f64::from(workers.min(cores)) * quota * speed / 0.037;
            // The works of n requests have a relative standard deviation of 1/sqrt(n).
            let tolerance = 3.0 / (capacity * 200.0).sqrt() + 0.001;
            near("throughput", run.counts.returned as f64 / 200.0, capacity, tolerance);
        }
    }
}
