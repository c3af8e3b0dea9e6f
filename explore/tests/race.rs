//! A race gives up only what an exact run finds infeasible, and changes nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use offing_core::{Deployment, Presets};
use offing_explore::{
    Decided, Folder, Found, Looked, Minima, Plan, Race, Shard, evaluate, finish, on_threads, sweep,
};
use offing_models::{ModelSet, loads};
use offing_scenarios::{Scenario, load};
use offing_sim::Sweep;

const LIMIT_MS: f64 = 70.0;

/// 320 deployments whose nodes are loaded 0.29 to 1.2, in one to four nodes with one to eight workers each.
fn scenario(seed: u64, requests: u32, require: &str) -> Scenario {
    let text = format!(
        "name = 'race'\nseed = {seed}\nrequests = {requests}\n\
         [app]\nrate = '5 /s'\nframe = '10 kB'\nprocess = {{ lognormal = {{ mean = '20 ms', cv = 0.8 }} }}\n\
         [tier.endpoint]\n[tier.edge]\nprice = '0.10 USD/h'\n[[link]]\nbetween = ['endpoint', 'edge']\n\
         latency = '2 ms'\nrate = '100 Mbit/s'\n[deploy]\ntarget = 'edge'\n\
         [goal]\nrequire = ['{require}']\nminimise = ['cost_usd_per_hour', 'latency_p95_ms']\n\
         [[space.zip]]\n'tier.endpoint.nodes' = [12, 24, 24, 48]\n'tier.edge.nodes' = [1, 1, 2, 4]\n\
         'tier.edge.price' = ['0.1 USD/h', '0.1 USD/h', '0.2 USD/h', '0.4 USD/h']\n\
         [[space.zip]]\n'tier.edge.cores' = [1, 2, 4, 8]\n'deploy.workers' = [1, 2, 4, 8]\n\
         [space]\n'tier.edge.speed' = {{ log = [0.25, 8.0, 20] }}\n"
    );
    let no_files = |name: &str| Err(name.to_string());
    load(&text, "race.toml", &no_files, &Presets::new(), &[]).expect("a scenario").scenario
}

fn plan<'a>(scenario: &'a Scenario, models: &'a ModelSet, is_exact: bool) -> Plan<'a> {
    Plan::new(scenario, models, Vec::new(), "test", is_exact).expect("small enough")
}

/// The load of the busiest resource.
fn busiest(d: &Deployment, models: &ModelSet) -> f64 {
    loads(d, &models.transport()).bottleneck().1
}

/// What is simulated of a plan, loaded 0.3 to 1.2.
fn deployments(plan: &Plan<'_>) -> Vec<Deployment> {
    let (mut minima, mut digits) = (Minima::default(), Vec::new());
    let simulated = (0..plan.points.len()).filter_map(|position| {
        plan.points.digits(position, &mut digits);
        match plan.look(&digits, &mut minima) {
            Looked::Deployment(deployment) => Some(*deployment),
            _ => None,
        }
    });
    simulated.filter(|d| (0.3..1.2).contains(&busiest(d, plan.models))).collect()
}

#[test]
fn what_is_given_up_is_infeasible_and_the_rest_is_exact() {
    let models = ModelSet::default();
    let (mut early, mut early_below_saturation, mut open, mut whole) = (0, 0, 0, 0);
    for seed in 1..=8 {
        let scenario = scenario(seed, 32_768, &format!("latency_p95_ms <= {LIMIT_MS}"));
        let plan = plan(&scenario, &models, false);
        let deployments = deployments(&plan);
        let race = Race::new(&scenario.goal).expect("a quantile");
        let mut sweep = Sweep::new(&models, seed);
        let (raced, decided) = evaluate(&deployments, &plan.metrics, Some(&race), &mut sweep);
        let (exact, _) = evaluate(&deployments, &plan.metrics, None, &mut sweep);
        let above = sweep.estimate_in_lanes(&deployments, LIMIT_MS * 1e6);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for (number, (d, decided)) in deployments.iter().zip(decided).enumerate() {
            let (raced_row, exact_row) = (&raced.values[raced.of(number)], &exact.values[exact.of(number)]);
            if decided == Decided::Early {
                assert!(raced.requests[number] < exact.requests[number] / 2);
                assert!(!plan.judge.meets(raced_row), "seed {seed}, {number}: the part says so itself");
                let (_, above) = above[number].expect("lanes can have it");
                let is_clear = above.share - 0.05 > -above.error;
                let share = above.share;
                assert!(!plan.judge.meets(exact_row) || is_clear, "seed {seed}, {number}: {share}");
                early += 1;
                early_below_saturation += u32::from(busiest(d, &models) < 1.0);
            } else {
                assert_eq!(bits(raced_row), bits(exact_row), "seed {seed}, {number}");
                assert_eq!(raced.requests[number], exact.requests[number]);
                open += u32::from(decided == Decided::Open);
                whole += u32::from(decided == Decided::Whole);
            }
        }
    }
    let found =
        format!("{early} early, {early_below_saturation} below saturation, {open} open, {whole} whole");
    assert!(early_below_saturation > 20 && early > 200 && open > 50 && whole > 200, "{found}");
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

/// All results of a plan, and what was found.
fn explored(plan: &Plan<'_>, name: &str, threads: usize, shards: u64) -> (Vec<(String, Vec<u8>)>, Found) {
    let folder = Folder::open(&folder(name), plan).expect("a new folder");
    let finished = on_threads(Some(threads), || {
        for number in (1..=shards).rev() {
            let shard = Shard::new(number, shards).expect("there is one");
            sweep(plan, &folder, shard, &|_| {}).expect("the disk works");
        }
        finish(plan, &folder, 5).expect("all units are there")
    });
    let read = |name: &String| (name.clone(), fs::read(folder.path().join(name)).expect("it was written"));
    (finished.outputs.keys().map(read).collect(), finished.found)
}

/// The rows of a table by column.
fn column(files: &[(String, Vec<u8>)], file: &str, column: &str) -> Vec<String> {
    let (_, bytes) = files.iter().find(|(name, _)| name == file).expect("it was written");
    let text = std::str::from_utf8(bytes).expect("text");
    let mut lines = text.lines();
    let at = lines.next().expect("a header").split(',').position(|name| name == column);
    let at = at.expect("there is such a column");
    // No value of this space has a comma in it.
    lines.map(|line| line.split(',').nth(at).expect("a cell").to_string()).collect()
}

#[test]
fn front_and_shortlist_are_those_of_an_exact_run() {
    let models = ModelSet::default();
    for seed in [1, 2] {
        let scenario = scenario(seed, 32_768, &format!("latency_p95_ms <= {LIMIT_MS}"));
        let (raced, found) = explored(&plan(&scenario, &models, false), &format!("race-front-{seed}"), 2, 1);
        let (exact, expected) =
            explored(&plan(&scenario, &models, true), &format!("race-exact-{seed}"), 2, 1);
        assert!(found.numbers.decided_early > 20 && found.numbers.not_distinguishable > 0);
        assert!(found.numbers.requests < expected.numbers.requests);
        assert_eq!((expected.numbers.decided_early, expected.numbers.not_distinguishable), (0, 0));
        assert_eq!(found.numbers.feasible, expected.numbers.feasible);
        assert_eq!((found.front, &found.shortlist), (expected.front, &expected.shortlist));
        for name in ["number", "verdict", "requests", "latency_p95_ms", "latency_mean_ms", "load"] {
            assert_eq!(column(&raced, "front.csv", name), column(&exact, "front.csv", name), "{name}");
        }
        assert_eq!(column(&raced, "summary.csv", "verdict"), column(&exact, "summary.csv", "verdict"));
    }
}

#[test]
fn a_row_says_that_the_run_does_not_tell() {
    let models = ModelSet::default();
    let require = format!("latency_p95_ms <= {LIMIT_MS}");
    let scenario = scenario(1, 8_192, &require);
    let (files, found) = explored(&plan(&scenario, &models, false), "race-open", 2, 1);
    let said = format!("not distinguishable from `{require}`");
    let (mut feasible, mut infeasible) = (0, 0);
    let reasons = column(&files, "summary.csv", "reason");
    for (verdict, reason) in column(&files, "summary.csv", "verdict").iter().zip(reasons) {
        if !reason.contains("not distinguishable") {
            continue;
        }
        if verdict == "feasible" {
            feasible += 1;
            assert_eq!(reason, said);
        } else {
            infeasible += 1;
            assert_eq!(reason, format!("missed: `{require}`; {said}"));
        }
    }
    // Both kinds occur; below a load of 0.8 a whole run counts as long enough.
    assert!(feasible > 0 && infeasible > 0, "{feasible} feasible, {infeasible} infeasible");
    assert_eq!(found.numbers.not_distinguishable, feasible + infeasible);
}

#[test]
fn threads_and_shards_do_not_change_a_byte_of_a_race() {
    let models = ModelSet::default();
    let scenario = scenario(3, 16_384, &format!("latency_p95_ms <= {LIMIT_MS}"));
    let plan = plan(&scenario, &models, false);
    let (whole, found) = explored(&plan, "race-threads-1", 1, 1);
    assert!(found.numbers.decided_early > 0);
    for (threads, shards) in [(2, 1), (1, 3), (2, 7)] {
        let (files, _) = explored(&plan, &format!("race-{threads}-{shards}"), threads, shards);
        assert!(files == whole, "{threads} threads, {shards} shards");
    }
}

#[test]
fn only_upper_limits_on_quantiles_of_the_latency_are_raced() {
    for (require, is_raced) in [
        ("latency_p99_ms < 80", true),
        ("latency_p999_ms <= 80", true),
        ("latency_p95_ms >= 80", false),
        ("latency_mean_ms <= 80", false),
        ("latency_p95_ms <= 80 || load < 0.5", false),
        ("queue_p95_ms <= 80", false),
    ] {
        let race = Race::new(&scenario(1, 1000, require).goal);
        assert_eq!(race.as_ref().map(Race::requirement), is_raced.then_some(require));
    }
}
