//! How wrong the shipped model of starting pods is, on numbers of pods that it was not fitted on: the table of
//! docs/kubernetes-start.md holds.

use offing_models::{ModelSet, StartModel, Version};
use offing_sim::start::{PHASES, Started};
use offing_validation::start::{MeasuredStart, measured_starts, predicted_start};

const MEASURED: &str = include_str!("../data/kubernetes-start/pods.csv");
const MEASURED_ONE: &str = include_str!("../data/kubernetes-start-one/pods.csv");
const MEASURED_ONE_MORE: &str = include_str!("../data/kubernetes-start-one-more/pods.csv");

/// A measured start of one Job with so many pods, and the prediction with the cores of the lab's host.
fn pods(measured: &str, count: u32) -> (MeasuredStart, Started) {
    let starts = measured_starts(measured).expect("the file can be read");
    let measured = starts.into_iter().find(|start| start.count == count).expect("it was measured");
    let model = StartModel { host_cores: 2, ..ModelSet::default().start(Version::MEASURED) };
    let told = predicted_start(&measured, &model, 2);
    (measured, told)
}

#[test]
fn ten_thirty_and_sixty_pods_are_ready_when_the_model_says_within_fifteen_percent() {
    for count in [10, 30, 60] {
        let (measured, told) = pods(MEASURED, count);
        let [_, last] = measured.phases[PHASES.len() - 1];
        let error = told.time_to_ready_s / last - 1.0;
        assert!(error.abs() <= 0.15, "{count} pods: {:.2} s, measured {last:.2} s", told.time_to_ready_s);
    }
}

/// Of one pod the mean of two repetitions says too little: where in its second the kubelet's list is, and whether the API
/// server refuses the token at first, differ by a second each. So this is the mean of forty, on two days.
#[test]
fn one_pod_is_ready_when_the_model_says_within_fifteen_percent() {
    let more = MEASURED_ONE_MORE.split_once('\n').expect("a header").1;
    let (measured, told) = pods(&format!("{MEASURED_ONE}{more}"), 1);
    assert_eq!(measured.ready_s.len(), 40);
    let error = |phase: usize| told.phases[phase].last_s / measured.phases[phase][1] - 1.0;
    assert!(error(PHASES.len() - 1).abs() <= 0.15, "{measured:?}, {told:?}");
    let sandbox = PHASES.iter().position(|&phase| phase == "sandbox").expect("it is a phase");
    assert!((sandbox..PHASES.len()).all(|phase| error(phase).abs() <= 0.20), "{measured:?}, {told:?}");
    let [low, high] = told.time_to_ready_pi95_s;
    let inside = measured.ready_s.iter().filter(|ready| (low..=high).contains(*ready)).count();
    assert!((35..=40).contains(&inside), "{measured:?}, {low} to {high}");
}

/// Wrong, and known: pods of a node get their sandboxes in groups, not all at the same time as the model says. The
/// last pod is then late and the mean pod early. A model that repairs this makes these limits narrower.
#[test]
fn sandboxes_of_many_pods_end_too_close_together() {
    for count in [30, 60] {
        let (measured, told) = pods(MEASURED, count);
        let [mean, last] = measured.phases[2];
        let (mean, last) = (told.phases[2].mean_s / mean - 1.0, told.phases[2].last_s / last - 1.0);
        assert!(
            (0.05..0.20).contains(&mean) && (-0.25..-0.05).contains(&last),
            "{count}: {mean:.3}, {last:.3}"
        );
    }
}

/// The shipped path is what was measured: half of what a round trip needs more, in pairs.
#[test]
fn a_pod_and_a_service_add_what_was_measured() {
    let mut rows = include_str!("../data/kubernetes-path/path.csv").lines().skip(1).map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        (cells[1], cells[2].parse::<f64>().expect("a number"))
    });
    let mut more: [Vec<f64>; 2] = Default::default();
    while let (Some(node), Some(pod), Some(service)) = (rows.next(), rows.next(), rows.next()) {
        assert_eq!([node.0, pod.0, service.0], ["node", "pod", "service"]);
        more[0].push(pod.1 - node.1);
        more[1].push(service.1 - pod.1);
    }
    let models = ModelSet::default();
    let shipped_us = |name: &str| models.parameters()[&format!("kubernetes.path.{name}")].si() * 1e6;
    for (name, more_us) in ["pod", "service"].into_iter().zip(more) {
        let n = more_us.len() as f64;
        let mean = more_us.iter().sum::<f64>() / n;
        let error = (more_us.iter().map(|us| (us - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
        assert!(n == 25.0 && error / 2.0 < 3.5, "{name}: {error} us");
        assert!((mean / 2.0 - shipped_us(name)).abs() < 1.0, "{name}: {mean} us");
    }
}
