//! Deployments small enough to be worked out by hand, to the nanosecond, by every engine that can run them.
//!
//! Links carry 8 Mbit/s, so a byte takes a microsecond and a thousand bytes a millisecond.

mod common;

use common::*;
use offing_core::*;

const MS: u64 = 1_000_000;
const BYTES_PER_MS: f64 = 1_000.0;

fn constant_ms(ms: u32) -> Distribution {
    Distribution::Constant(f64::from(ms) / 1e3)
}

/// `endpoints`, one target with `workers` of `work_ms`, emissions as recorded; nothing else takes time.
fn recorded(endpoints: u32, workers: u32, work_ms: u32, at_ms: &[(u64, Option<u32>)]) -> Deployment {
    let mut d = queue(endpoints, 10.0, workers, constant_ms(work_ms), 1);
    d.app.arrivals = trace(at_ms);
    d
}

fn link(up: Direction, down: Direction, sharing: Sharing, scope: Scope) -> Vec<Link> {
    vec![Link { between: [0, 1], up, down, sharing, scope }]
}

fn eight_megabit(latency_ms: u64) -> Direction {
    direction(latency_ms * 1_000, Rate::BitPerS(8e6))
}

/// A request as expected: (emitted, endpoint, node, [prepare, uplink, queue, process, downlink]) in ms.
type Expected = (u64, u32, u32, Option<[u64; 5]>);

fn check(d: &Deployment, expected: &[Expected]) -> Run {
    let mut last = None;
    for engine in engines(d) {
        let (run, rows) = rows(d, 1, Some(engine));
        let told: Vec<_> =
            rows.iter().map(|r| (r.emitted, r.endpoint, r.node, r.parts.map(|p| p.to_array()))).collect();
        let meant: Vec<_> = expected
            .iter()
            .map(|&(at, endpoint, node, parts)| (at * MS, endpoint, node, parts.map(|p| p.map(|ms| ms * MS))))
            .collect();
        assert_eq!(told, meant, "{engine:?}");
        last = Some(run);
    }
    last.expect("an engine can run it")
}

#[test]
fn one_endpoint_sends_over_a_link_to_two_workers() {
    let mut d = recorded(1, 2, 50, &[(0, None), (10, None), (20, None), (100, None)]);
    d.app.prepare = constant_ms(5);
    d.app.frame = Distribution::Constant(20.0 * BYTES_PER_MS);
    d.app.stages[0].output = Distribution::Constant(BYTES_PER_MS);
    d.links = link(eight_megabit(10), eight_megabit(10), Sharing::Fifo, Scope::Node);
    // Prepared at 5, 15, 25, 105. On the wire 5-25, 25-45, 45-65, 105-125, there 10 later: 35, 55, 75, 135.
    // Worker one 35-85, worker two 55-105; the third waits for worker one, 85-135; the fourth 135-185.
    // The reply takes 1 + 10.
    check(
        &d,
        &[
            (0, 0, 0, Some([5, 30, 0, 50, 11])),
            (10, 0, 0, Some([5, 40, 0, 50, 11])),
            (20, 0, 0, Some([5, 50, 10, 50, 11])),
            (100, 0, 0, Some([5, 30, 0, 50, 11])),
        ],
    );
}

#[test]
fn an_endpoint_prepares_one_frame_at_a_time() {
    let mut d = recorded(1, 1, 0, &[(0, None), (4, None), (30, None)]);
    d.app.prepare = constant_ms(10);
    check(
        &d,
        &[
            (0, 0, 0, Some([10, 0, 0, 0, 0])),
            (4, 0, 0, Some([16, 0, 0, 0, 0])),
            (30, 0, 0, Some([10, 0, 0, 0, 0])),
        ],
    );
}

#[test]
fn five_endpoints_are_dealt_to_two_nodes_in_blocks() {
    let mut d = recorded(5, 1, 10, &[(0, None)]);
    d.tiers[1].nodes = 2;
    // floor(2 i / 5) is 0, 0, 0, 1, 1. Equal instants are served by number of endpoint.
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 0, 0, 10, 0])),
            (0, 1, 0, Some([0, 0, 10, 10, 0])),
            (0, 2, 0, Some([0, 0, 20, 10, 0])),
            (0, 3, 1, Some([0, 0, 0, 10, 0])),
            (0, 4, 1, Some([0, 0, 10, 10, 0])),
        ],
    );
}

#[test]
fn round_robin_starts_at_the_endpoints_own_number() {
    let mut d = recorded(2, 1, 10, &[(0, None), (5, None), (100, None), (105, Some(1))]);
    d.tiers[1].nodes = 3;
    d.placement.balance = Balance::RoundRobin;
    // Request k of endpoint i goes to node (i + k) mod 3. At 5 ms endpoint 0 finds endpoint 1's first request
    // on node 1, busy until 10.
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 0, 0, 10, 0])),
            (0, 1, 1, Some([0, 0, 0, 10, 0])),
            (5, 0, 1, Some([0, 0, 5, 10, 0])),
            (5, 1, 2, Some([0, 0, 0, 10, 0])),
            (100, 0, 2, Some([0, 0, 0, 10, 0])),
            (100, 1, 0, Some([0, 0, 0, 10, 0])),
            (105, 1, 1, Some([0, 0, 0, 10, 0])),
        ],
    );
}

#[test]
fn least_waiting_looks_at_the_nodes_when_the_request_arrives() {
    let at = [(0, None), (10, None), (20, None), (30, None), (40, None)];
    let mut d = recorded(1, 1, 25, &at);
    d.tiers[1].nodes = 2;
    d.placement.balance = Balance::LeastWaiting;
    d.links = link(direction(7_000, Rate::Unlimited), Direction::default(), Sharing::Fifo, Scope::Pair);
    // Arrivals at 7, 17, 27, 37, 47. Node 0 serves 7-32, node 1 serves 17-42. At 27 both hold one: node 0,
    // 32-57. At 37 both hold one: node 0, 57-82. At 47 node 1 is empty: 47-72.
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 7, 0, 25, 0])),
            (10, 0, 1, Some([0, 7, 0, 25, 0])),
            (20, 0, 0, Some([0, 7, 5, 25, 0])),
            (30, 0, 0, Some([0, 7, 20, 25, 0])),
            (40, 0, 1, Some([0, 7, 0, 25, 0])),
        ],
    );
}

#[test]
fn a_full_queue_refuses_the_newest_or_gives_up_the_oldest() {
    let at = [(0, None), (1, None), (2, None), (10, None), (11, None)];
    let mut d = recorded(1, 1, 10, &at);
    d.placement.queue = Some(1);
    // Served 0-10. The second waits; the third finds the queue full. At 10 the first is done before the fourth
    // arrives, so the one that waits begins and the fourth takes its place; the fifth is one too many.
    let first = (0, 0, 0, Some([0, 0, 0, 10, 0]));
    let run = check(
        &d,
        &[
            first,
            (1, 0, 0, Some([0, 0, 9, 10, 0])),
            (2, 0, 0, None),
            (10, 0, 0, Some([0, 0, 10, 10, 0])),
            (11, 0, 0, None),
        ],
    );
    assert_eq!((run.counts.offered, run.counts.completed, run.counts.dropped), (5, 3, 2));
    d.placement.drop = Drop::Oldest;
    check(
        &d,
        &[
            first,
            (1, 0, 0, None),
            (2, 0, 0, Some([0, 0, 8, 10, 0])),
            (10, 0, 0, None),
            (11, 0, 0, Some([0, 0, 9, 10, 0])),
        ],
    );
    // Without any place only an idle worker helps, whoever would be given up.
    for drop in [Drop::Newest, Drop::Oldest] {
        (d.placement.queue, d.placement.drop) = (Some(0), drop);
        check(
            &d,
            &[first, (1, 0, 0, None), (2, 0, 0, None), (10, 0, 0, Some([0, 0, 0, 10, 0])), (11, 0, 0, None)],
        );
    }
}

#[test]
fn a_medium_of_the_tier_carries_one_message_after_the_other() {
    let mut d = recorded(3, 4, 1, &[(0, Some(0)), (4, Some(1)), (4, Some(2))]);
    d.app.frame = Distribution::Constant(10.0 * BYTES_PER_MS);
    d.links = link(eight_megabit(5), Direction::default(), Sharing::Fifo, Scope::Tier);
    // On the medium 0-10, 10-20, 20-30, and 5 in the air.
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 15, 0, 1, 0])),
            (4, 1, 0, Some([0, 21, 0, 1, 0])),
            (4, 2, 0, Some([0, 31, 0, 1, 0])),
        ],
    );
    // With an uplink each nobody waits.
    for scope in [Scope::Node, Scope::Pair] {
        d.links[0].scope = scope;
        check(&d, &[(0, 0, 0), (4, 1, 0), (4, 2, 0)].map(|(at, e, n)| (at, e, n, Some([0, 15, 0, 1, 0]))));
    }
}

#[test]
fn a_fair_medium_carries_all_messages_at_once() {
    let mut d = recorded(3, 4, 1, &[(0, Some(0)), (4, Some(1)), (18, Some(2))]);
    d.app.frame = Distribution::Constant(10.0 * BYTES_PER_MS);
    d.links = link(eight_megabit(5), Direction::default(), Sharing::Fair, Scope::Tier);
    // Alone 0-4: 6 of the first are left. Two share 4-16: the first is done, 4 of the second are left. Alone
    // 16-18: 2 left. Two share 18-22: the second is done, 8 of the third are left, alone until 30.
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 21, 0, 1, 0])),
            (4, 1, 0, Some([0, 23, 0, 1, 0])),
            (18, 2, 0, Some([0, 17, 0, 1, 0])),
        ],
    );
}

/// DSLab's published example of fair sharing, at 100 units/s: volumes 150 and 300 at time 0 end at 3.0 and
/// 4.5 s; 200 at 0 and 200 at 1 end at 3 and 4 s; 500 at 0 and 100 at 1: the second at 3, the first at 6 s.
/// Here on a core that two workers share: a unit is 10 ms of work.
#[test]
fn shared_cores_divide_as_dslab_publishes() {
    let shared = |at_ms: &[u64; 2], work_ms: [f64; 2]| {
        let mut d = queue(1, 1.0, 2, Distribution::Constant(0.0), 10);
        d.app.arrivals = trace(&at_ms.map(|at| (at, None)));
        d.tiers[1].cores = 1;
        // Two kinds of work from one distribution: which request draws which is found by its time alone.
        d.app.stages[0].work =
            Distribution::Empirical { source: "two".into(), values: work_ms.map(|w| w / 1e3).into() };
        d
    };
    for (at, work, ends) in [
        ([0, 0], [1_500.0, 3_000.0], [3_000, 4_500]),
        ([0, 1_000], [2_000.0, 2_000.0], [3_000, 4_000]),
        ([0, 1_000], [1_000.0, 5_000.0], [3_000, 6_000]),
    ] {
        let d = shared(&at, work);
        let ended = |seed, engine| {
            let mut ends: Vec<u64> = parts(&rows(&d, seed, Some(engine)).1)
                .map(|(row, parts)| row.emitted + parts.latency())
                .collect();
            ends.sort_unstable();
            ends
        };
        // Of few seeds some draw one of each kind, in the order that the example wants.
        for engine in engines(&d) {
            let meant = ends.map(|ms| ms * MS).to_vec();
            assert!((0..40).any(|seed| ended(seed, engine) == meant), "{engine:?}, {work:?}");
        }
    }
}

#[test]
fn what_is_processed_where_it_is_made_neither_prepares_nor_travels() {
    let mut d = recorded(2, 1, 10, &[(0, None), (4, None)]);
    d.app.prepare = constant_ms(5);
    d.app.frame = Distribution::Constant(20.0 * BYTES_PER_MS);
    d.links = link(eight_megabit(10), eight_megabit(10), Sharing::Fifo, Scope::Node);
    d.placement.target = 0;
    check(
        &d,
        &[
            (0, 0, 0, Some([0, 0, 0, 10, 0])),
            (0, 1, 1, Some([0, 0, 0, 10, 0])),
            (4, 0, 0, Some([0, 0, 6, 10, 0])),
            (4, 1, 1, Some([0, 0, 6, 10, 0])),
        ],
    );
}

#[test]
fn a_pipeline_is_cut_after_its_first_stage() {
    let mut d = recorded(1, 1, 10, &[(0, None)]);
    d.app.prepare = constant_ms(5);
    d.app.frame = Distribution::Constant(20.0 * BYTES_PER_MS);
    d.app.stages[0].output = Distribution::Constant(2.0 * BYTES_PER_MS);
    let last = Stage {
        name: "classify".into(),
        work: constant_ms(20),
        output: Distribution::Constant(3.0 * BYTES_PER_MS),
    };
    d.app.stages.push(last);
    d.tiers[0].speed = 0.5;
    d.tiers[1].speed = 2.0;
    d.links = link(eight_megabit(10), eight_megabit(10), Sharing::Fifo, Scope::Node);
    // All at the target: (5)/0.5; 20 + 10; (10 + 20)/2; 3 + 10.
    check(&d, &[(0, 0, 0, Some([10, 30, 0, 15, 13]))]);
    // The first stage stays: (5 + 10)/0.5; its output 2 + 10; 20/2; 3 + 10.
    d.placement.cut = 1;
    check(&d, &[(0, 0, 0, Some([30, 12, 0, 10, 13]))]);
}

#[test]
fn a_request_is_late_when_it_takes_longer_than_the_deadline() {
    let mut d = recorded(1, 1, 10, &[(0, None), (0, None), (50, None), (51, None)]);
    d.app.deadline = Some(Span::from_millis(19));
    // Latencies 10, 20, 10, 19: just in time is in time.
    let parts = |queue| Some([0, 0, queue, 10, 0]);
    let run =
        check(&d, &[(0, 0, 0, parts(0)), (0, 0, 0, parts(10)), (50, 0, 0, parts(0)), (51, 0, 0, parts(9))]);
    assert_eq!((run.counts.completed, run.counts.late), (4, 1));
}

#[test]
fn what_is_emitted_before_the_warm_up_ends_is_run_but_not_reported() {
    let mut d = recorded(1, 1, 60, &[(0, None), (50, None), (100, None)]);
    (d.warm_up, d.duration) = (Span::from_millis(50), Span::from_millis(100));
    // Served 0-60 and 60-120. Nothing is emitted at the end of the run or later.
    let run = check(&d, &[(0, 0, 0, Some([0, 0, 0, 60, 0])), (50, 0, 0, Some([0, 0, 10, 60, 0]))]);
    let counts = Counts { offered: 1, completed: 1, returned: 1, ..Counts::default() };
    assert_eq!(
        run.counts, counts,
        "the first came back within the observed span, the second was emitted in it"
    );
    assert_eq!(run.recording.latency().mean(), 70e6);
    let cloud = run.tiers.iter().find(|tier| tier.name == "cloud").expect("the cloud takes part");
    assert_eq!(cloud.busy_ns, u128::from(50 * MS), "50-60 and 60-100 of the observed 50-100");
}

#[test]
fn a_closed_loop_of_one_emits_when_the_last_request_is_back() {
    let mut d = recorded(1, 4, 25, &[(0, None), (10, None), (20, None), (90, None)]);
    d.app.outstanding = Some(1);
    let parts = Some([0, 0, 0, 25, 0]);
    // Due at 10 and 20, held until 25 and 50; the last one is due when nothing is under way.
    check(&d, &[(0, 0, 0, parts), (25, 0, 0, parts), (50, 0, 0, parts), (90, 0, 0, parts)]);
    // Two at once: the third is held until 25.
    d.app.outstanding = Some(2);
    check(&d, &[(0, 0, 0, parts), (10, 0, 0, parts), (25, 0, 0, parts), (90, 0, 0, parts)]);
}

#[test]
fn without_loss_and_jitter_nothing_is_left_to_chance() {
    let mut d = recorded(2, 1, 10, &[(0, None), (4, Some(1)), (60, None)]);
    d.app.frame = Distribution::Constant(20.0 * BYTES_PER_MS);
    d.links = link(eight_megabit(10), eight_megabit(10), Sharing::Fifo, Scope::Tier);
    for engine in engines(&d) {
        let first = rows(&d, 1, Some(engine)).1;
        for seed in 2..20 {
            assert_eq!(rows(&d, seed, Some(engine)).1, first, "{engine:?}, seed {seed}");
        }
    }
}
