//! The design space: numbering, axes, conditions.

mod common;

use common::{no_files, presets};
use offing_core::{Distribution, Rate, Span};
use offing_scenarios::{Excluded, Loaded, Sample, Scalar, load};

const BASE: &str = r#"
[app]
rate = "5 /s"
frame = "68 kB"
process = "125 ms"
[tier.endpoint]
nodes = 4
[tier.edge]
cores = 2
[tier.cloud]
cores = 4
[[link]]
between = ["endpoint", "cloud"]
latency = "45 ms"
[[link]]
between = ["endpoint", "edge"]
[deploy]
target = "cloud"
"#;

fn with(space: &str) -> Loaded {
    let text = format!("{BASE}{space}");
    match load(&text, "space.toml", &no_files, &presets(), &[]) {
        Ok(loaded) => loaded,
        Err(issues) => panic!("{}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn without_axes_the_space_is_the_file() {
    let scenario = with("").scenario;
    assert_eq!(scenario.space.len(), 1);
    assert_eq!(scenario.space.get(0), Ok(scenario.base));
}

#[test]
fn the_first_axis_is_the_slowest() {
    let scenario =
        with("[space]\n'deploy.target' = ['edge', 'cloud']\n'tier.endpoint.nodes' = [1, 2, 4]\n").scenario;
    let space = &scenario.space;
    assert_eq!(space.len(), 6);
    let seen: Vec<(String, u32)> = (0..6)
        .map(|i| space.get(i).expect("in the space"))
        .map(|deployment| (deployment.targets().name.clone(), deployment.endpoints().nodes))
        .collect();
    let expected = [("edge", 1), ("edge", 2), ("edge", 4), ("cloud", 1), ("cloud", 2), ("cloud", 4)];
    assert_eq!(seen, expected.map(|(target, nodes)| (target.to_string(), nodes)));
    assert_eq!(space.axes()[1].labels(space.digits(5)[1]), ["4"]);
}

#[test]
fn defaults_follow_the_axes() {
    let scenario = with("[space]\n'tier.cloud.cores' = { from = 1, to = 16, step = 5 }\n").scenario;
    let workers: Vec<u32> =
        (0..4).map(|i| scenario.space.get(i).expect("in the space").placement.workers).collect();
    assert_eq!(workers, [1, 5, 10, 15]);
}

#[test]
fn ranges_have_units_and_no_dust() {
    let scenario = with(
        "[space]\n'link.endpoint-cloud.latency' = { from = '0 ms', to = '100 ms', step = '10 ms' }\n\
         'tier.cloud.quota' = { from = 0.1, to = 1, step = 0.1 }\n",
    )
    .scenario;
    assert_eq!(scenario.space.len(), 110);
    let last = scenario.space.get(109).expect("in the space");
    assert_eq!(last.links[0].up.latency, Span::from_millis(100));
    assert_eq!(scenario.space.get(2).expect("in the space").targets().quota, 0.3);
}

#[test]
fn logarithmic_axes_keep_their_ends() {
    let scenario = with("[space]\n'tier.endpoint.nodes' = { log = [1, 64, 7] }\n'link.0.rate' = { log = ['1 Mbit/s', '100 Mbit/s', 3] }").scenario;
    let nodes: Vec<u32> =
        (0..7).map(|i| scenario.space.get(3 * i).expect("in the space").endpoints().nodes).collect();
    assert_eq!(nodes, [1, 2, 4, 8, 16, 32, 64]);
    let rates: Vec<Rate> =
        (0..3).map(|i| scenario.space.get(i).expect("in the space").links[0].up.rate.clone()).collect();
    assert_eq!(rates, [Rate::BitPerS(1e6), Rate::BitPerS(1e7), Rate::BitPerS(1e8)]);
}

#[test]
fn zipped_keys_change_together() {
    let scenario = with(
        "[space]\n'tier.endpoint.nodes' = [1, 2]\n[[space.zip]]\n'deploy.target' = ['edge', 'cloud']\n\
         'app.process' = ['200 ms', '125 ms']\n",
    )
    .scenario;
    assert_eq!(scenario.space.len(), 4);
    let second = scenario.space.get(1).expect("in the space");
    assert_eq!(
        (second.targets().name.as_str(), &second.app.stages[0].work),
        ("cloud", &Distribution::Constant(0.125))
    );
    let keys: Vec<&str> = scenario.space.axes()[1].keys().collect();
    assert_eq!(keys, ["deploy.target", "app.process"]);
}

#[test]
fn axes_may_be_written_without_quotes() {
    let scenario = with(
        "[space]\ndeploy.target = ['edge', 'cloud']\ntier.endpoint.nodes = { from = 1, to = 2, step = 1 }\n",
    )
    .scenario;
    assert_eq!(scenario.space.len(), 4);
}

#[test]
fn a_key_that_only_an_axis_gives_has_its_first_value_in_the_base() {
    let scenario = with("[space]\n'tier.edge.speed' = [0.25, 0.5]\n'tier.cloud.speed' = [2]\n").scenario;
    assert_eq!(scenario.base.tiers[1].speed, 0.25);
    assert_eq!(scenario.base.tiers[2].speed, 2.0);
}

#[test]
fn where_sees_axes_keys_and_defaults() {
    let all = "[space]\n'tier.edge.cores' = [1, 2, 4, 8]\n'deploy.target' = ['endpoint', 'edge', 'cloud', 'mist']\n";
    let count = |condition: &str| {
        let space = with(&format!("{all}where = {condition:?}\n")).scenario.space;
        (0..space.len()).filter(|i| space.get(*i).is_ok()).count()
    };
    assert_eq!(count("tier.edge.cores <= 4"), 12);
    assert_eq!(count("deploy.target == 'edge' || tier.edge.cores == 1"), 7);
    assert_eq!(count("tier.edge.workers >= 3"), 8);
    assert_eq!(count("deploy.workers > 1"), 6);
    assert_eq!(count("tier.edge.quota == 1.0 && deploy.balance == 'static' && deploy.queue > 1000000"), 16);
    assert_eq!(count("link['endpoint-cloud'].latency > duration('40 ms')"), 16);
    assert_eq!(count("app.rate * 2 == 10 && app.process < 0.2 && duration == 300"), 16);
    assert_eq!(count("tier.edge.memory > quantity('1 TiB')"), 16);
}

#[test]
fn what_is_excluded_says_why() {
    let space = with("[space]\n'tier.edge.cores' = [1, 2]\nwhere = 'tier.edge.cores < 2'\n").scenario.space;
    assert_eq!(space.get(1), Err(Excluded::Where("tier.edge.cores < 2".into())));
    let loaded = with("[space]\n'tier.cloud.nodes' = [1, 0]\n");
    assert_eq!(loaded.warnings.len(), 1, "a value that cannot be is a warning where it stands");
    assert_eq!(
        loaded.scenario.space.get(1).expect_err("no node processes").to_string(),
        "tier.cloud.nodes: the target has no nodes"
    );
}

#[test]
fn a_huge_space_costs_nothing() {
    let axes: String = ["tier.edge.speed", "tier.cloud.speed", "tier.endpoint.speed", "tier.edge.quota"]
        .iter()
        .map(|key| format!("'{key}' = {{ from = 0.001, to = 1, step = 0.000001 }}\n"))
        .collect();
    let space = with(&format!("[space]\n{axes}sample = {{ sobol = 64 }}\n")).scenario.space;
    assert_eq!(space.len(), 999_001_u128.pow(4));
    assert_eq!(space.sample(), Some(Sample::Sobol(64)));
    assert_eq!(space.get(space.len() - 1).expect("in the space").tiers[1].quota, 1.0);
}

#[test]
fn goals_are_conditions_over_metrics() {
    let goal = with("[goal]\nrequire = ['latency_p95_ms <= 150', 'load < 0.9 && stable']\nminimise = 'utilization_edge'\n").scenario.goal;
    let limit = goal.require[0].limit().expect("a limit");
    assert_eq!((limit.metric.as_str(), limit.at_most, limit.limit), ("latency_p95_ms", true, 150.0));
    let values = |at: usize| Some([Scalar::Number(0.5), Scalar::Bool(true)][at].clone());
    assert_eq!(goal.require[1].holds(&values), Ok(true));
    assert_eq!(goal.minimise, ["utilization_edge"]);
}

/// A way through a space says what its numbers say, whatever came before; axes that replace each other among them.
#[test]
fn a_walk_is_the_same_from_anywhere() {
    let zipped = "[space]\n'deploy.target' = ['edge', 'cloud']\n'tier.endpoint.nodes' = { from = 1, to = 3, step = 1 }\n\
        where = \"deploy.target == 'cloud' || tier.edge.cores > 2\"\n\
        [[space.zip]]\n'tier.edge.cores' = [2, 8]\n'link.endpoint-edge.up.latency' = ['1 ms', '2 ms']\n";
    let replacing =
        "[space]\n'duration' = ['5 s', '6 s']\n'requests' = [100, 200]\n'warm_up' = ['1 s', '5 s']\n";
    for space in [zipped, replacing] {
        let space = with(space).scenario.space;
        let mut walk = space.walk();
        // Each number comes after many others: 5 and 7 have no divisor in common with the lengths.
        for i in (0..3 * space.len()).map(|i| (i * 35 + i * i) % space.len()) {
            assert_eq!(walk.at(&space.digits(i)), space.get(i), "number {i}");
        }
    }
}
