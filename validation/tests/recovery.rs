//! Hidden parameters of simulated runs are found again, within the errors that the fit states.

mod common;

use common::{HIDDEN, covered, finding, measure, runs, settings, sixteen, truth};
use offing_core::Distribution;
use offing_models::ModelSet;
use offing_validation::{
    Candidate, Effort, Seen, accuracy, draws, fit, interval, learn, leave_one_out, next, predictive,
};

const FEW: Effort = Effort { seeds: 2, draws: 60 };

#[test]
fn hidden_parameters_are_found_again_within_their_errors() {
    let found = fit(&ModelSet::default(), &runs(1), &settings(), &Default::default()).unwrap();
    for (name, value) in HIDDEN {
        let finding = finding(&found.findings, name);
        let distance = (finding.value - value).abs();
        assert!(distance <= 3.3 * finding.error, "{name} is {value}: {finding:?}");
    }
    assert_eq!(finding(&found.findings, "overheads.processor.pool").value, 1.0);
    // Runs differed by one in a hundred.
    let work = finding(&found.findings, "service.process.any");
    assert!((0.005..0.02).contains(&(work.spread / work.value)), "{work:?}");
}

#[test]
fn stated_errors_cover_the_hidden_values_as_often_as_they_promise() {
    // The 200 seeds of docs/calibration.md are in examples/coverage.rs.
    for (name, share, ..) in covered(40) {
        assert!(share >= 0.8, "{name}: {share} of the 95 % intervals have the true value");
    }
}

#[test]
fn a_fit_is_read_back_as_it_was_and_says_what_it_rests_on() {
    let runs = runs(2);
    let found = fit(&ModelSet::default(), &runs, &settings(), &Default::default()).unwrap();
    let read = ModelSet::read(&found.text).unwrap();
    assert_eq!(read, found.models);
    assert!(read.label().starts_with("test-"));
    let fitted = read.fitted().unwrap();
    assert_eq!(fitted.runs.len(), 16);
    assert_eq!(fitted.range["latency_ms"], [0.0, 80.0]);
    assert!(runs.iter().all(|run| offing_validation::is_seen(&read, run)));
    // A run that no quota stops says nothing of quotas, and the fit says so.
    let few = fit(&ModelSet::default(), &runs[..1], &settings(), &Default::default()).unwrap();
    let share = finding(&few.findings, "overheads.processor.quota_share");
    assert_eq!((share.value, share.learned), (1.0, 0.0));
    assert!(share.note.as_ref().unwrap().contains("stays as it was"));
}

#[test]
fn a_spoilt_run_and_wild_requests_move_the_fit_little() {
    let mut runs = runs(3);
    let clean = fit(&ModelSet::default(), &runs, &settings(), &Default::default()).unwrap();
    let Seen::Requests(rows) = &mut runs[0].seen else { panic!("requests") };
    for row in rows.iter_mut() {
        let parts = row.parts.as_mut().unwrap();
        parts.process *= 2;
        row.process_cpu = Some(parts.process);
    }
    let Seen::Requests(rows) = &mut runs[1].seen else { panic!("requests") };
    for row in rows.iter_mut().step_by(50) {
        row.parts.as_mut().unwrap().uplink += 3_000_000_000;
    }
    let spoilt = fit(&ModelSet::default(), &runs, &settings(), &Default::default()).unwrap();
    for name in ["service.process.any", "overheads.link.up_fixed", "overheads.link.framing"] {
        let (a, b) = (finding(&clean.findings, name), finding(&spoilt.findings, name));
        assert!((a.value - b.value).abs() < 3.0 * a.error + 0.02 * a.value.abs(), "{name}: {a:?} {b:?}");
    }
}

#[test]
fn runs_of_different_kinds_are_not_fitted_together() {
    let mut runs = runs(4);
    runs[3].conditions.application = "burn".into();
    let problem = fit(&ModelSet::default(), &runs, &settings(), &Default::default()).unwrap_err();
    assert!(problem.contains("their application is `network` and `burn`"), "{problem}");
    assert!(fit(&ModelSet::default(), &[], &settings(), &Default::default()).is_err());
}

#[test]
fn what_a_fit_has_not_seen_is_predicted_and_overload_is_recognised() {
    let runs = runs(5);
    let compared =
        leave_one_out(&ModelSet::default(), &runs, &settings(), &Default::default(), FEW, &|| {}).unwrap();
    assert_eq!(compared.len(), 16);
    let found = accuracy("test", "leave-one-out", compared, &|_| "all".into(), Vec::new());
    assert_eq!(found.overload_right, [16, 16]);
    let error = |metric: &str| found.metrics.iter().find(|error| error.metric == metric).unwrap();
    assert!(error("latency_mean_ms").mape < 0.1, "{:?}", error("latency_mean_ms"));
    assert!(found.choices[0].kendall_p95.unwrap() > 0.85, "{:?}", found.choices);
    assert!(found.parts_within.unwrap() > 0.8, "{:?}", found.parts_within);
    assert!(found.utilization_points.unwrap() < 3.0);
    assert!(found.exceeded(&["latency_mean=20%".parse().unwrap()]).unwrap().is_empty());
    assert_eq!(found.exceeded(&["latency_mean=0%".parse().unwrap()]).unwrap().len(), 1);
    assert!(found.exceeded(&["latency_p42=1%".parse().unwrap()]).unwrap_err().contains("was not judged"));
}

#[test]
fn intervals_have_the_runs_that_come_about_as_often_as_they_promise() {
    let world = truth(0.01);
    let found = learn(&ModelSet::default(), &runs(6), &settings(), FEW, &|| {}).unwrap();
    let drawn = draws(&found.models, 200, 1, true);
    let (mut inside, mut all) = (0_u32, 0_u32);
    for (number, d) in sixteen().iter().enumerate().take(15) {
        let numbers = predictive(&drawn, None, d, None);
        let [low, high] = interval(&numbers, "latency_mean_ms").unwrap();
        for seed in 0..20 {
            let run = measure(&world, d, 500_000 + 100 * number as u64 + seed);
            let mean = offing_validation::measured_numbers(&run).unwrap()["latency_mean_ms"];
            inside += u32::from((low..=high).contains(&mean));
            all += 1;
        }
    }
    let share = f64::from(inside) / f64::from(all);
    assert!((0.9..=1.0).contains(&share), "{share}");
}

#[test]
fn the_next_experiment_is_about_what_decides_and_not_about_what_is_known() {
    let found = fit(&ModelSet::default(), &runs(7), &settings(), &Default::default()).unwrap();
    let sixteen = sixteen();
    let candidate = |number: usize, name: &str, is_listed| Candidate {
        name: name.into(),
        deployment: sixteen[number].clone(),
        is_listed,
    };
    // 0 and 14 are close; 12 is far behind.
    let candidates = [candidate(0, "a", true), candidate(14, "b", true), candidate(4, "far", true)];
    let next = next(&found.models, &candidates, "latency_mean_ms", 30.0).unwrap();
    let first = &next.gains[0];
    assert_ne!(first.name, "far", "{next:?}");
    assert!(next.gains.iter().all(|gain| gain.gain <= first.gain + 1e-9 && gain.minutes == 1.55), "{next:?}");
    let far = next.gains.iter().find(|gain| gain.name == "far").unwrap();
    assert!(far.best_probability < 0.05 && far.gain < 0.1 * first.gain.max(1e-12) + 1e-9, "{next:?}");
}

#[test]
fn work_under_a_quota_is_found_without_cpu_times() {
    // Jobs of 17 ms that leave each other what they have not used of a period of 100 ms.
    let (base, stated, real) = (sixteen()[0].clone(), 0.015, 0.017);
    let runs = [(0.25, 3.0), (0.25, 6.0), (0.4, 10.0), (0.5, 12.0)].map(|(quota, rate_hz)| {
        let mut d = base.clone();
        (d.tiers[1].cores, d.tiers[1].quota, d.placement.workers) = (1, quota, 1);
        d.app.rate_hz = rate_hz / f64::from(d.endpoints().nodes);
        let with = |mean: f64| Distribution::Lognormal { mean, cv: 0.2 };
        d.app.stages[0].work = with(real);
        let mut run = measure(&ModelSet::default(), &d, 5);
        run.deployment.app.stages[0].work = with(stated);
        run.utilization.clear();
        let Seen::Requests(rows) = &mut run.seen else { panic!("requests") };
        rows.iter_mut().for_each(|row| (row.prepare_cpu, row.process_cpu) = (None, None));
        run
    });
    let found = fit(&ModelSet::default(), &runs, &settings(), &Default::default()).unwrap();
    let work = finding(&found.findings, "service.process.any");
    assert!((work.value / 17.0 - 1.0).abs() < 0.04, "{work:?}");
}
