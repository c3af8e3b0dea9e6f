//! A race stops only what an exact run judges alike, and leaves front and shortlist as they are.

use std::fs;
use std::path::{Path, PathBuf};

use offing_core::{Deployment, Presets};
use offing_explore::{
    Decided, Folder, Found, How, Looked, Minima, Plan, Race, Shard, evaluate, finish, on_threads, sweep,
};
use offing_models::{ModelSet, loads};
use offing_scenarios::{Scenario, canonical, load};
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
fn what_is_given_up_is_infeasible_and_what_is_accepted_is_within_its_intervals() {
    let models = ModelSet::default();
    let (mut missed, mut missed_below_saturation, mut met, mut open, mut whole) = (0, 0, 0, 0, 0);
    let (mut outside, mut ends) = (0, 0);
    for seed in 1..=8 {
        let scenario = scenario(seed, 32_768, &format!("latency_p95_ms <= {LIMIT_MS}"));
        let plan = plan(&scenario, &models, false);
        let race = plan.race.as_ref().expect("a quantile");
        let deployments = deployments(&plan);
        let mut sweep = Sweep::new(&models, seed);
        let raced = race.run(&deployments, &mut sweep);
        let rows = evaluate(&deployments, &plan.metrics, How::Raced(race), &mut sweep);
        let exact = evaluate(&deployments, &plan.metrics, How::Exact, &mut sweep);
        let full = race.whole(&deployments, &mut sweep);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        for (number, (d, raced)) in deployments.iter().zip(&raced).enumerate() {
            let (row, exact_row) = (&rows.values[rows.of(number)], &exact.values[exact.of(number)]);
            let above = full[number].above.expect("lanes can have it");
            match raced.decided {
                Decided::Missed | Decided::Met => {
                    assert!(rows.requests[number] < exact.requests[number]);
                    // The part says so itself, and the whole run unless it hardly tells.
                    let is_met = raced.decided == Decided::Met;
                    assert_eq!(plan.judge.meets(row), is_met, "seed {seed}, {number}");
                    let is_near = (above.share - 0.05).abs() < above.error;
                    let share = above.share;
                    assert!(
                        plan.judge.meets(exact_row) == is_met || is_near,
                        "seed {seed}, {number}: {share}"
                    );
                }
                _ => {
                    assert_eq!(bits(row), bits(exact_row), "seed {seed}, {number}");
                    assert_eq!(rows.requests[number], exact.requests[number]);
                }
            }
            match raced.decided {
                Decided::Missed => {
                    missed += 1;
                    missed_below_saturation += u32::from(busiest(d, &models) < 1.0);
                }
                Decided::Met => {
                    met += 1;
                    let (low, high) = race.ends(d, raced);
                    for ((low, high), value) in low.iter().zip(&high).zip(exact_row) {
                        ends += u32::from(!low.is_nan());
                        outside += u32::from(value < low || value > high);
                    }
                }
                Decided::Open => open += 1,
                _ => whole += 1,
            }
        }
    }
    let found = format!(
        "{missed} missed, {missed_below_saturation} below saturation, {met} met, {open} open, {whole} whole; \
         {outside} of {ends} outside"
    );
    assert!(missed_below_saturation > 10 && missed > 100 && met > 100 && open > 50 && whole > 50, "{found}");
    assert!(f64::from(outside) <= 1e-3 * f64::from(ends), "{found}");
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
        finish(plan, &folder, 5, &|_| {}).expect("all units are there")
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

/// The front and the shortlist consist of whole runs and are those of an exact run, whatever the seed.
#[test]
fn front_and_shortlist_are_those_of_an_exact_run() {
    let models = ModelSet::default();
    let (mut early, mut refined, mut fewer) = (0, 0, 0);
    for seed in 1..=12 {
        let scenario = scenario(seed, 40_960, &format!("latency_p95_ms <= {LIMIT_MS}"));
        let (raced, found) = explored(&plan(&scenario, &models, false), &format!("race-front-{seed}"), 2, 1);
        let (exact, expected) =
            explored(&plan(&scenario, &models, true), &format!("race-exact-{seed}"), 2, 1);
        assert!(found.numbers.decided_early > 20 && found.numbers.not_distinguishable > 0);
        assert_eq!((expected.numbers.decided_early, expected.numbers.not_distinguishable), (0, 0));
        early += found.numbers.decided_early;
        refined += found.numbers.refined;
        fewer += u32::from(2 * found.numbers.requests < expected.numbers.requests);
        assert_eq!((found.front, &found.shortlist), (expected.front, &expected.shortlist));
        for name in ["number", "verdict", "requests", "latency_p95_ms", "latency_mean_ms", "load"] {
            assert_eq!(column(&raced, "front.csv", name), column(&exact, "front.csv", name), "{name}");
        }
        assert!(column(&raced, "front.csv", "decided").iter().all(|decided| decided != "early"));
        let verdicts = column(&raced, "summary.csv", "verdict").into_iter();
        let verdicts = verdicts.zip(column(&exact, "summary.csv", "verdict"));
        let decided = column(&raced, "summary.csv", "decided");
        // A part and the whole may be on different sides of a limit only if the whole run cannot tell.
        let differ = verdicts.zip(decided).filter(|((raced, exact), _)| raced != exact);
        assert_eq!(differ.count(), 0, "seed {seed}");
    }
    assert!(early > 1000 && refined > 50 && fewer == 12, "{early} early, {refined} refined, {fewer} fewer");
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
    assert!(feasible > 2 && infeasible > 10, "{feasible} feasible, {infeasible} infeasible");
    assert_eq!(found.numbers.not_distinguishable, feasible + infeasible);
}

#[test]
fn threads_and_shards_do_not_change_a_byte_of_a_race() {
    let models = ModelSet::default();
    let scenario = scenario(3, 40_960, &format!("latency_p95_ms <= {LIMIT_MS}"));
    let plan = plan(&scenario, &models, false);
    let (whole, found) = explored(&plan, "race-threads-1", 1, 1);
    assert!(found.numbers.decided_early > 0 && found.numbers.refined > 0);
    for (threads, shards) in [(2, 1), (1, 7), (2, 64)] {
        let (files, _) = explored(&plan, &format!("race-{threads}-{shards}"), threads, shards);
        assert!(files == whole, "{threads} threads, {shards} shards");
    }
}

#[test]
fn only_upper_limits_on_quantiles_of_the_latency_are_raced() {
    let models = ModelSet::default();
    for (require, is_raced) in [
        ("latency_p99_ms < 80", true),
        ("latency_p999_ms <= 80", true),
        ("latency_p95_ms >= 80", false),
        ("latency_mean_ms <= 80", false),
        ("latency_p95_ms <= 80 || load < 0.5", false),
        ("queue_p95_ms <= 80", false),
    ] {
        let scenario = scenario(1, 1000, require);
        let race = plan(&scenario, &models, false).race;
        assert_eq!(race.as_ref().map(Race::requirement), is_raced.then_some(require));
    }
}

/// Removes every file of refinement but some, tears one, and finishes again: the bytes are the same.
#[test]
fn whole_runs_for_the_front_go_on_after_a_kill() {
    let models = ModelSet::default();
    let scenario = scenario(4, 40_960, &format!("latency_p95_ms <= {LIMIT_MS}"));
    let plan = plan(&scenario, &models, false);
    let (whole, found) = explored(&plan, "race-resume", 2, 1);
    assert!(found.numbers.refined > 0);
    let folder = Folder::existing(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("race-resume")).unwrap().0;
    let units = folder.path().join("units");
    let refined = || {
        let entries = fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.to_string_lossy().contains("refined")).collect();
        files.sort();
        files
    };
    let before: Vec<Vec<u8>> = refined().iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!before.is_empty());
    // One is torn, the last is missing.
    fs::write(&refined()[0], &before[0][..before[0].len() / 2]).unwrap();
    fs::remove_file(refined().last().unwrap()).unwrap();
    for name in ["summary.csv", "front.csv", "shortlist.json"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    finish(&plan, &folder, 5, &|_| {}).expect("all units are there");
    for (name, bytes) in &whole {
        assert!(fs::read(folder.path().join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(refined().iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), before);
}

/// What is to be small and has no interval, or a requirement that is not clear, is no reason to guess.
#[test]
fn nothing_is_accepted_early_without_an_interval() {
    let models = ModelSet::default();
    let limit = format!("latency_p95_ms <= {LIMIT_MS}");
    let accepted = |require: &[&str], minimise: &str| {
        let mut scenario = scenario(1, 40_960, &limit);
        let text = canonical(&scenario).replace("cost_usd_per_hour", minimise);
        let more = require.iter().map(|text| format!("'{text}', ")).collect::<String>();
        let text = text.replace("require = [", &format!("require = [{more}"));
        let no_files = |name: &str| Err(name.to_string());
        scenario = load(&text, "race.toml", &no_files, &Presets::new(), &[]).expect("a scenario").scenario;
        let plan = plan(&scenario, &models, false);
        let deployments = deployments(&plan);
        let race = plan.race.as_ref().expect("a quantile");
        let raced = race.run(&deployments, &mut Sweep::new(&models, 1));
        raced.iter().filter(|raced| raced.decided == Decided::Met).count()
    };
    assert!(accepted(&[], "cost_usd_per_hour") > 10);
    assert!(accepted(&["latency_mean_ms <= 100"], "cost_usd_per_hour") > 10);
    assert_eq!(accepted(&[], "latency_p999_ms"), 0);
    assert_eq!(accepted(&["latency_max_ms <= 10000"], "cost_usd_per_hour"), 0);
    let some = accepted(&["latency_p99_ms <= 60"], "cost_usd_per_hour");
    assert!(some > 0 && some < accepted(&[], "cost_usd_per_hour"), "{some}");
}
