//! Equal deployments, models and seeds give equal bytes; what is not involved changes nothing.

mod common;

use std::thread;

use common::*;
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::simulate;

/// Deployments that use, between them, every source of chance and every kind of station.
fn scenarios() -> Vec<(&'static str, Deployment)> {
    let plain = w1(25, 40);

    let mut shared = w1(8, 60);
    shared.app.arrivals = Arrivals::Bursts { on: Span::from_millis(700), off: Span::from_millis(900) };
    shared.links[0].sharing = Sharing::Fair;
    shared.links[0].scope = Scope::Tier;
    (shared.placement.workers, shared.tiers[1].quota) = (5, 0.6);

    let mut lossy = w1(9, 60);
    lossy.app.arrivals = Arrivals::Jittered { sd: Span::from_millis(30) };
    lossy.app.stages[0].work = Distribution::Lognormal { mean: 0.03, cv: 1.3 };
    lossy.app.prepare = Distribution::Gamma { mean: 0.02, cv: 0.4 };
    let link = &mut lossy.links[0];
    for direction in [&mut link.up, &mut link.down] {
        (direction.loss, direction.jitter) = (0.02, Span::from_millis(3));
    }
    (lossy.tiers[1].nodes, lossy.placement.balance, lossy.placement.queue) = (3, Balance::Random, Some(2));

    let mut pipeline = w1(6, 60);
    pipeline.app.arrivals = Arrivals::Periodic;
    let work = Distribution::Normal { mean: 0.02, sd: 0.01 };
    let output = Distribution::Uniform { from: 100.0, to: 900.0 };
    pipeline.app.stages.push(Stage { name: "second".into(), work, output });
    pipeline.placement.cut = 1;
    (pipeline.placement.drop, pipeline.placement.queue) = (Drop::Oldest, Some(1));
    (pipeline.tiers[0].quota, pipeline.tiers[0].speed, pipeline.tiers[1].speed) = (0.4, 0.9, 1.7);

    let mut many = queue(10, 20.0, 40, Distribution::Lognormal { mean: 0.18, cv: 0.8 }, 30);
    many.tiers[1].nodes = 2;
    many.placement.balance = Balance::RoundRobin;
    let rate =
        Rate::Trace { source: "t".into(), opportunities: [1, 2, 2, 5, 9].map(Span::from_millis).into() };
    let (up, down) = (direction(4_000, rate), direction(4_000, Rate::BitPerS(2e7)));
    many.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fifo, scope: Scope::Pair }];
    many.app.frame = Distribution::Exponential { mean: 4_000.0 };

    vec![("plain", plain), ("shared", shared), ("lossy", lossy), ("pipeline", pipeline), ("many", many)]
}

fn bytes(deployment: &Deployment, seed: u64) -> String {
    let run = simulate(deployment, &ModelSet::default(), seed);
    serde_json::to_string(&run).expect("a run is plain data")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for (name, d) in scenarios() {
        assert!(bytes(&d, 11) == bytes(&d, 11), "{name}");
        assert!(bytes(&d, 11) != bytes(&d, 12), "{name}");
        let (high, low) = (rows(&d, 1 << 40, None).1, rows(&d, 0, None).1);
        assert!(high != low, "{name}: all bits of the seed count");
    }
}

#[test]
fn many_threads_at_once_give_the_same_bytes_as_one() {
    let scenarios = scenarios();
    let alone: Vec<String> = scenarios.iter().map(|(_, d)| bytes(d, 5)).collect();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scenarios.iter().map(|(_, d)| bytes(d, 5)).collect::<Vec<_>>()))
            .collect();
        for thread in threads {
            assert!(thread.join().expect("no thread fails") == alone);
        }
    });
}

#[test]
fn a_run_of_rows_and_a_run_without_are_the_same_run() {
    for (name, d) in scenarios() {
        let (watched, _) = rows(&d, 5, None);
        assert!(watched == simulate(&d, &ModelSet::default(), 5), "{name}");
    }
}

#[test]
fn tiers_links_and_nodes_that_take_no_part_change_no_request() {
    for (name, d) in scenarios() {
        let before = rows(&d, 5, None).1;
        let mut larger = d.clone();
        larger.tiers.insert(0, tier("elsewhere", 50, 8));
        larger.tiers.push(tier("nowhere", 3, 1));
        for link in &mut larger.links {
            link.between = link.between.map(|tier| tier + 1);
        }
        let way = direction(1_000, Rate::BitPerS(1e5));
        for between in [[0, 1], [2, 0], [2, 3]] {
            let (up, down) = (way.clone(), way.clone());
            larger.links.push(Link { between, up, down, sharing: Sharing::Fair, scope: Scope::Tier });
        }
        (larger.placement.endpoint, larger.placement.target) = (1, 2);
        assert!(rows(&larger, 5, None).1 == before, "{name}");
    }
}

#[test]
fn a_link_that_is_written_the_other_way_round_is_the_same_link() {
    for (name, d) in scenarios() {
        let mut turned = d.clone();
        for link in &mut turned.links {
            link.between.reverse();
            std::mem::swap(&mut link.up, &mut link.down);
        }
        assert!(rows(&turned, 5, None).1 == rows(&d, 5, None).1, "{name}");
    }
}

#[test]
fn an_endpoint_more_moves_no_emission_no_preparation_and_no_work_of_the_others() {
    for (name, mut d) in scenarios() {
        // A worker per request, so that service is the work itself.
        (d.placement.workers, d.tiers[1].cores, d.tiers[1].quota) = (2_000, 2_000, 1.0);
        let mut larger = d.clone();
        larger.tiers[0].nodes += 1;
        let others: Vec<Request> =
            rows(&larger, 5, None).1.into_iter().filter(|row| row.endpoint < d.tiers[0].nodes).collect();
        let before = rows(&d, 5, None).1;
        assert_eq!(before.len(), others.len(), "{name}");
        for ((a, p), (b, q)) in parts(&before).zip(parts(&others)) {
            assert_eq!((a.emitted, a.endpoint, a.index), (b.emitted, b.endpoint, b.index), "{name}");
            assert_eq!((p.prepare, p.process), (q.prepare, q.process), "{name}");
        }
    }
}

#[test]
fn a_longer_run_begins_like_a_shorter_one() {
    for (name, d) in scenarios() {
        let before = rows(&d, 5, None).1;
        let mut longer = d.clone();
        longer.duration = Span::from_nanos(d.duration.as_nanos() * 3 / 2);
        let after = rows(&longer, 5, None).1;
        let end = d.duration.as_nanos();
        // Later requests may share cores or a link with the last ones, or push them out of a queue.
        let settled = |row: &&Request| row.emitted < end - 5_000_000_000;
        assert!(before.iter().filter(settled).eq(after.iter().filter(settled)), "{name}");
    }
}

/// FNV-1a over all columns of all rows.
fn fingerprint(rows: &[Request]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for row in rows {
        let parts = row.parts.map_or([u64::MAX; 5], |parts| parts.to_array());
        for value in
            [row.emitted, u64::from(row.endpoint), row.index, u64::from(row.node)].into_iter().chain(parts)
        {
            for byte in value.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
    hash
}

/// The same in debug and release, on every platform and in every version until it is changed on purpose: then
/// take the new lines from the message of this test, and say in the commit why results have changed.
const GOLDEN: &str = "\
plain Stations 4025 ef43b6611c2e5f8c
plain Events 4025 ef43b6611c2e5f8c
shared Stations 1820 b8c478d7f638f172
shared Events 1820 b8c478d7f638f172
lossy Stations 2159 648c587787211748
lossy Events 2159 648c587787211748
pipeline Stations 1440 7c1b723e62d9ddea
pipeline Events 1440 7c1b723e62d9ddea
many Stations 6075 49b6cd459cf6e226
many Events 6075 49b6cd459cf6e226
";

#[test]
fn requests_are_those_of_every_other_build_and_machine() {
    let mut told = String::new();
    for (name, d) in scenarios() {
        for engine in engines(&d) {
            let rows = rows(&d, 2026, Some(engine)).1;
            told += &format!("{name} {engine:?} {} {:016x}\n", rows.len(), fingerprint(&rows));
        }
    }
    assert!(told == GOLDEN, "results have changed:\n{told}");
}
