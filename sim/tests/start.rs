//! How long pods need to start: cases by hand, closed forms, laws, and what was measured.

use offing_core::{Pods, Start};
use offing_models::kubernetes::{Limit, Room, StartModel};
use offing_models::{ModelSet, Version};
use offing_sim::start::{Asked, Scores, Stamps, start, summed};
use proptest::prelude::*;

/// A cluster that needs no time at all.
fn nothing() -> StartModel {
    StartModel {
        controller: Limit::NONE,
        controller_workers: 5,
        controller_sync_s: 0.0,
        controller_events: 0,
        scheduler: Limit::NONE,
        scheduler_cycle_s: 0.0,
        api_write_s: 0.0,
        api_read_s: 0.0,
        kubelet: Limit::NONE,
        kubelet_tokens: 0,
        kubelet_first_tokens: 0,
        admit_s: 0.0,
        aside_s: 0.0,
        volume_poll_s: 0.0,
        refused: 0.0,
        ask_again_s: 0.0,
        mount_wait_s: 0.0,
        mount_again_s: 0.0,
        mount_look_s: 0.0,
        sandbox_s: 0.0,
        create_s: 0.0,
        start_s: 0.0,
        relist_period_s: 0.0,
        relist_s: 0.0,
        inspect_s: 0.0,
        batch_period_s: f64::INFINITY,
        pull_bit_s: f64::INFINITY,
        pull_again_s: 0.0,
        host_cores: 0,
    }
}

/// Pods of one Job on nodes with so many cores that nothing shares them.
fn ask(pods: u32, nodes: u32) -> Asked {
    Asked {
        start: Start::Job,
        node: (0..pods).map(|pod| Some(pod % nodes)).collect(),
        scores: None,
        containers: 1,
        nodes,
        cores: 1024,
        speed: 1.0,
        image_bytes: 0,
    }
}

fn last_ms(stamps: &[Stamps]) -> f64 {
    stamps.iter().map(|pod| pod.ready.expect("it is ready")).max().expect("there are pods") as f64 / 1e6
}

#[test]
fn one_pod_passes_every_phase_in_turn() {
    let model = StartModel {
        api_write_s: 0.010,
        api_read_s: 0.004,
        controller_sync_s: 0.005,
        scheduler_cycle_s: 0.002,
        admit_s: 0.020,
        volume_poll_s: 0.300,
        sandbox_s: 0.150,
        create_s: 0.030,
        start_s: 0.080,
        ..nothing()
    };
    let stamps = start(&ask(1, 1), &model, 1)[0];
    let ms = |at: Option<u64>| at.expect("it passed") as f64 / 1e6;
    // Asked 10, read 5, created 10.
    assert_eq!(ms(stamps.created), 25.0);
    // Chosen 2, bound 10.
    assert_eq!(ms(stamps.scheduled), 37.0);
    // Taken in 20, volumes 300, sandbox 150.
    assert_eq!(ms(stamps.sandbox), 507.0);
    assert_eq!(ms(stamps.container), 537.0);
    assert_eq!(ms(stamps.started), 617.0);
    // Told by a get of 4 and a patch of 10; that it was taken in was told long before.
    assert_eq!(ms(stamps.ready), 631.0);
}

#[test]
fn the_kubelet_notices_at_the_end_of_the_list_that_begins_after_the_start() {
    // Nothing takes time but lists: 10 ms, and 5 ms for the one pod that has changed; one a second.
    let model = StartModel { relist_period_s: 1.0, relist_s: 0.010, inspect_s: 0.005, ..nothing() };
    let ready: Vec<f64> = (0..200).map(|seed| last_ms(&start(&ask(1, 1), &model, seed))).collect();
    assert!(ready.iter().all(|ms| (15.0..=1015.0).contains(ms)));
    let mean = ready.iter().sum::<f64>() / 200.0;
    assert!((mean - 515.0).abs() < 60.0, "the phase is equally likely everywhere: {mean}");
}

/// The first trial to mount begins after 0.1 s and waits for a second, the next begins 0.6 s later, and every 300 ms is
/// looked whether all is mounted.
#[test]
fn a_token_that_is_refused_at_first_makes_all_pods_of_the_node_late() {
    let refused = StartModel {
        volume_poll_s: 0.300,
        refused: 1.0,
        ask_again_s: 0.800,
        mount_wait_s: 1.0,
        mount_again_s: 0.5,
        mount_look_s: 0.1,
        ..nothing()
    };
    // The token is there after 0.8 to 1.6 s: within the first trial or when the second begins, after 1.7 s.
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let pods = start(&ask(3, 1), &refused, seed);
        let last = last_ms(&pods);
        assert!(pods.iter().all(|pod| pod.sandbox == pods[0].sandbox), "{pods:?}");
        seen.insert(last as u64);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [900, 1_200, 1_800]);
    // Of nodes each for itself: half of the starts of one pod are late.
    let half = StartModel { refused: 0.5, ..refused };
    let late = (0..400).filter(|&seed| last_ms(&start(&ask(1, 1), &half, seed)) > 500.0).count();
    assert!((150..250).contains(&late), "{late}");
}

#[test]
fn a_serial_stage_that_limits_gives_the_number_over_its_rate() {
    let scheduler = StartModel { scheduler_cycle_s: 0.020, ..nothing() };
    assert_eq!(last_ms(&start(&ask(100, 4), &scheduler, 1)), 100.0 * 20.0);
    // A bucket: what exceeds the burst comes at the rate.
    let bucket = Limit { rate_hz: 20.0, burst: 30.0 };
    let controller = StartModel { controller: bucket, ..nothing() };
    assert_eq!(last_ms(&start(&ask(100, 4), &controller, 1)), 70.0 / 20.0 * 1000.0);
    // A kubelet tells two things about each pod with two requests each: 4 x 50 on each of two nodes, 10 at once.
    let kubelet = StartModel { kubelet: Limit { rate_hz: 5.0, burst: 10.0 }, ..nothing() };
    assert_eq!(last_ms(&start(&ask(100, 2), &kubelet, 1)), 190.0 / 5.0 * 1000.0);
    // Two requests more for the first pod.
    let first = StartModel { kubelet_first_tokens: 2, ..kubelet };
    assert_eq!(last_ms(&start(&ask(100, 2), &first, 1)), 192.0 / 5.0 * 1000.0);
}

#[test]
fn two_deterministic_stages_in_line_give_the_closed_form() {
    // The scheduler, s each, then the kubelet of the one node, which tells two things about each pod, r each, one at a
    // time: the last pod is through at s + 2 r + (N - 1) max(s, 2 r).
    for (s, r) in [(30, 25), (50, 10), (40, 20)] {
        for pods in [1, 2, 17, 60] {
            let (cycle, read) = (f64::from(s) / 1e3, f64::from(r) / 1e3);
            let model = StartModel { scheduler_cycle_s: cycle, api_read_s: read, ..nothing() };
            let expected = s + 2 * r + (pods - 1) * s.max(2 * r);
            let last = last_ms(&start(&ask(pods as u32, 1), &model, 1));
            assert_eq!(last, f64::from(expected), "{s} ms, {r} ms, {pods} pods");
        }
    }
}

#[test]
fn a_job_creates_its_pods_in_batches_that_double() {
    // Each creation takes 100 ms on a core of its own: 1, 2, 4, .. pods after 100, 200, 300 ms; asked for in 100 ms.
    let model = StartModel { api_write_s: 0.100, ..nothing() };
    let stamps = start(&ask(16, 1), &model, 1);
    let mut created: Vec<u64> = stamps.iter().map(|pod| pod.created.unwrap() / 1_000_000).collect();
    created.sort_unstable();
    assert_eq!(created, [200, 300, 300, 400, 400, 400, 400, 500, 500, 500, 500, 500, 500, 500, 500, 600]);
}

#[test]
fn work_shares_the_cores_of_its_machine() {
    // 20 sandboxes of 100 ms on each of two nodes with 4 cores: half a second. On one host of 4 cores: a second.
    let model = StartModel { sandbox_s: 0.100, ..nothing() };
    let asked = Asked { cores: 4, ..ask(40, 2) };
    assert!((last_ms(&start(&asked, &model, 1)) - 500.0).abs() < 0.01);
    let host = StartModel { host_cores: 4, ..model };
    assert!((last_ms(&start(&asked, &host, 1)) - 1000.0).abs() < 0.01);
    let fast = Asked { speed: 2.0, ..asked };
    assert!((last_ms(&start(&fast, &host, 1)) - 500.0).abs() < 0.01);
}

#[test]
fn the_ways_of_asking_differ_where_they_should() {
    let of = |way, model: &StartModel, pods: u32| {
        let mut asked = Asked { start: way, ..ask(pods, 1) };
        if way == Start::Containers {
            (asked.containers, asked.node) = (pods, vec![Some(0)]);
        }
        let stamps = start(&asked, model, 1);
        let last =
            |of: fn(&Stamps) -> Option<u64>| stamps.iter().map(of).max().unwrap().unwrap() as f64 / 1e6;
        (last(|pod| pod.created), last(|pod| pod.started))
    };
    // Requests of 10 ms, one after the other or all at once; then each Job's pod is created.
    let api = StartModel { api_write_s: 0.010, ..nothing() };
    let many = StartModel { controller_workers: 1000, ..api };
    assert_eq!(of(Start::Calls, &many, 50).0, 10.0 + 10.0);
    assert_eq!(of(Start::Jobs, &many, 50).0, 50.0 * 10.0 + 10.0);
    // Five workers, each of which creates one pod and writes one state at a time: ten rounds.
    assert_eq!(of(Start::Calls, &api, 50).0, 10.0 + 9.0 * 20.0 + 10.0);
    // Containers of one pod start in turn, but need one sandbox.
    let node = StartModel { sandbox_s: 0.150, create_s: 0.020, start_s: 0.080, ..nothing() };
    assert_eq!(of(Start::Containers, &node, 10).1, 150.0 + 10.0 * 100.0);
    assert_eq!(of(Start::Job, &node, 10).1, 250.0);
}

#[test]
fn one_image_is_pulled_once_per_node() {
    let mut asked = ask(6, 2);
    asked.image_bytes = 25_000_000;
    let model = StartModel { pull_bit_s: 200e6, pull_again_s: 0.100, ..nothing() };
    // 200 Mbit at 200 Mbit/s, then two pods that waited ask once more.
    assert_eq!(last_ms(&start(&asked, &model, 1)), 1200.0);
}

#[test]
fn what_was_not_told_is_put_together_so_that_each_pod_is_told_once() {
    // 50 pods are known as running before anything is told; from the batch on one status each is left, 2 requests.
    let kubelet = Limit { rate_hz: 5.0, burst: 10.0 };
    let model = StartModel { kubelet, batch_period_s: 10.0, ..nothing() };
    let asked = ask(50, 1);
    let told_apart = last_ms(&start(&asked, &StartModel { batch_period_s: f64::INFINITY, ..model }, 1));
    let together = last_ms(&start(&asked, &model, 1));
    assert_eq!(told_apart, (4.0 * 50.0 - 10.0) / 5.0 * 1e3);
    // 2 requests for each at least, 4 at most.
    assert!(together >= (2.0 * 50.0 - 10.0) / 5.0 * 1e3 && together < told_apart, "{together}");
}

#[test]
fn pods_without_a_node_are_created_but_never_start() {
    let mut asked = ask(4, 1);
    asked.node[3] = None;
    let stamps = start(&asked, &nothing(), 1);
    assert_eq!(stamps.iter().filter(|pod| pod.ready.is_some()).count(), 3);
    assert!(stamps[3].created.is_some() && stamps[3].scheduled.is_none());
    let none = Asked { node: vec![None; 3], ..asked };
    assert_eq!(summed(&none, &nothing(), 1), None);
}

#[test]
fn small_pods_are_dealt_unevenly_and_the_busier_node_counts() {
    // Ten pods of a hundredth of a core: 5 + 5 or 6 + 4 on two nodes; each pod is told of by four requests.
    let room = Room { pods: 110, cores: 2.0, memory_bytes: Some(24 << 30) };
    let pods = Pods { cpu_request: 0.01, memory_request_bytes: 8 << 20, ..Pods::default() };
    let asked = Asked { scores: Some(Scores { room, pods, wanted: 10 }), ..ask(10, 2) };
    let model = StartModel { kubelet: Limit { rate_hz: 5.0, burst: 10.0 }, ..nothing() };
    let ready: Vec<f64> = (0..100).map(|seed| last_ms(&start(&asked, &model, seed))).collect();
    let of = |pods: f64| (4.0 * pods - 10.0) / 5.0 * 1e3;
    assert!(ready.iter().all(|ms| *ms == of(5.0) || *ms == of(6.0)), "{ready:?}");
    let uneven = ready.iter().filter(|ms| **ms == of(6.0)).count();
    assert!((20..80).contains(&uneven), "{uneven}");
}

/// The shipped model of the measured version.
fn shipped() -> StartModel {
    ModelSet::default().start(Version::MEASURED)
}

#[test]
fn more_pods_take_longer_and_more_nodes_do_not() {
    let mean = |pods: u32, nodes: u32| {
        let asked = Asked { cores: 2, ..ask(pods, nodes) };
        summed(&asked, &shipped(), 1).expect("they fit").time_to_ready_s
    };
    let counts = [1, 2, 5, 10, 20, 30, 45, 60, 80, 100, 150, 200];
    let times = counts.map(|pods| mean(pods, 2));
    assert!(times.is_sorted(), "{times:?}");
    let fewer = [1, 2, 4, 8].map(|nodes| mean(80, nodes));
    assert!(fewer.windows(2).all(|pair| pair[1] <= pair[0]), "{fewer:?}");
}

proptest! {
    #[test]
    fn phases_come_in_their_order_and_equal_seeds_give_equal_stamps(
        pods in 1u32..60,
        nodes in 1u32..5,
        cores in 1u32..5,
        image in prop_oneof![Just(0u64), 1_000_000u64..50_000_000],
        way in prop_oneof![Just(Start::Job), Just(Start::Jobs), Just(Start::Calls)],
        seed: u64,
    ) {
        let asked = Asked { start: way, cores, image_bytes: image, ..ask(pods, nodes) };
        let stamps = start(&asked, &shipped(), seed);
        for pod in &stamps {
            let passed: Vec<u64> = pod.phases().iter().map(|(_, at)| at.expect("it passed")).collect();
            prop_assert!(passed.is_sorted(), "seed {seed}: {passed:?}");
        }
        prop_assert_eq!(stamps, start(&asked, &shipped(), seed));
    }
}
