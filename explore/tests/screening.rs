//! What is rejected without simulation is not feasible when it is simulated.

#[path = "../../sim/tests/common/mod.rs"]
mod common;

use std::sync::LazyLock;

use common::random;
use offing_core::{Deployment, Presets, Summary};
use offing_explore::{Judge, Metrics, Minima, SLACK_NS, Screen};
use offing_models::ModelSet;
use offing_scenarios::{Scenario, load};
use offing_sim::simulate;
use proptest::prelude::*;

fn scenario(require: &[&str]) -> Scenario {
    let list: Vec<String> = require.iter().map(|text| format!("'{text}'")).collect();
    let text = format!(
        "[app]\nrate = \"5 /s\"\nframe = \"68 kB\"\nprocess = \"125 ms\"\n[tier.endpoint]\n[tier.cloud]\n\
         [deploy]\ntarget = \"cloud\"\n[goal]\nrequire = [{}]\n",
        list.join(", ")
    );
    let no_files = |name: &str| Err(name.to_string());
    load(&text, "goal.toml", &no_files, &Presets::new(), &[]).expect("a scenario").scenario
}

/// Every kind of requirement, with limits on both sides of what the random deployments do.
static SCENARIOS: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    let limits = ["1", "7", "20", "60", "150", "400", "1500"];
    let metrics = [
        "latency_min_ms <= ",
        "latency_mean_ms < ",
        "latency_p50_ms <= ",
        "latency_p999_ms <= ",
        "latency_trimmed_mean_ms <= ",
        "latency_sd_ms <= ",
        "prepare_p50_ms <= ",
        "uplink_mean_ms <= ",
        "queue_mean_ms <= ",
        "process_p95_ms < ",
        "downlink_p50_ms <= ",
    ];
    let mut require: Vec<String> = metrics
        .iter()
        .flat_map(|metric| limits.iter().map(move |limit| format!("{metric}{limit}")))
        .collect();
    let others = [
        "load < 0.5",
        "load <= 1",
        "load >= 1",
        "stable",
        "!stable",
        "load < 1 && latency_p95_ms <= 100",
        "load < 1 || latency_p95_ms <= 100",
        "stable ? latency_p95_ms <= 300.0 : load < 3.0",
        "cost_usd_per_hour <= 1",
        "cost_usd_per_hour * 2 < load",
        "deadline_miss_share <= 0.5",
        "deadline_miss_share < 1",
    ];
    require.extend(others.map(String::from));
    require.iter().map(|text| scenario(&[text])).collect()
});

fn summary(deployment: &Deployment, models: &ModelSet) -> Summary {
    Summary::new("", &simulate(deployment, models, 7), deployment.app.deadline.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_rejected_deployment_is_feasible(
        deployment in random::deployment(),
        prices in (0u32..8, 0u32..8),
        keeps_deadline in any::<bool>(),
    ) {
        prop_assume!(random::is_meant(&deployment));
        let mut deployment = deployment;
        deployment.tiers[0].price_usd_per_hour = f64::from(prices.0) / 16.0;
        deployment.tiers[1].price_usd_per_hour = f64::from(prices.1) / 16.0;
        if !keeps_deadline {
            deployment.app.deadline = None;
        }
        let models = ModelSet::default();
        let summary = summary(&deployment, &models);
        let mut minima = Minima::default();
        for scenario in SCENARIOS.iter() {
            let screen = Screen::new(&scenario.goal, &models);
            let Some(rejection) = screen.reject(&deployment, &mut minima) else { continue };
            let (metrics, mut row) = (Metrics::new(scenario), Vec::new());
            metrics.row(&summary, &mut row);
            let judge = Judge::new(&scenario.goal, metrics.names());
            prop_assert!(!judge.meets(&row), "{} of {:?}", screen.texts()[rejection.text], deployment);
            // What is said to be missing is no more than what is.
            let distance = judge.distance(&row);
            let said = rejection.distance;
            prop_assert!(!said.is_finite() || said <= distance * (1.0 + 1e-12), "{said} > {distance}");
        }
    }

    #[test]
    fn no_part_is_shorter_than_its_lower_bound(deployment in random::deployment()) {
        prop_assume!(random::is_meant(&deployment));
        let models = ModelSet::default();
        let floors = Minima::default().floors_ns(&deployment, &models);
        let (_, rows) = common::rows(&deployment, 3, None);
        for (request, parts) in common::parts(&rows) {
            for (part, floor) in parts.to_array().into_iter().zip(floors) {
                prop_assert!(part + SLACK_NS >= floor, "{request:?} is below {floors:?}");
            }
        }
    }
}

#[test]
fn a_bound_above_the_limit_rejects_and_says_by_how_much() {
    // 50 ms there and 50 ms back, 100 ms of work: no request takes less than 200 ms.
    let mut deployment = common::queue(1, 1.0, 1, offing_core::Distribution::Constant(0.1), 10);
    let way = common::direction(50_000, offing_core::Rate::Unlimited);
    deployment.links = vec![offing_core::Link {
        between: [0, 1],
        up: way.clone(),
        down: way,
        sharing: Default::default(),
        scope: Default::default(),
    }];
    let models = ModelSet::default();
    let reject = |require: &str| {
        let screen = Screen::new(&scenario(&[require]).goal, &models);
        let rejection = screen.reject(&deployment, &mut Minima::default())?;
        Some((screen.texts()[rejection.text].clone(), rejection.value, rejection.distance))
    };
    let (text, value, distance) = reject("latency_p95_ms <= 100").expect("it is too slow");
    assert_eq!(text, "`latency_p95_ms <= 100`: even without waiting it is {} ms");
    assert_eq!(value, 199.999);
    assert!((distance - 0.99999).abs() < 1e-9, "{distance}");
    assert_eq!(reject("latency_p95_ms <= 200"), None);
    assert_eq!(reject("load < 0.1").map(|(text, value, _)| (text, value)), {
        Some(("`load < 0.1`: load is {}".to_string(), 0.1))
    });
    // An overloaded deployment may still be fast enough within a short run.
    deployment.app.rate_hz = 11.0;
    let reject = |require: &str| {
        Screen::new(&scenario(&[require]).goal, &models).reject(&deployment, &mut Minima::default())
    };
    assert_eq!(reject("latency_p95_ms <= 1000"), None);
    assert!(reject("stable").is_some());
}
