//! Inverse questions whose answers are known: by hand, or by the theory of queues.

use offing_core::{Deployment, Presets};
use offing_explore::Judge;
use offing_explore::invert::{BreakEven, Direction, Division, Extreme, Range, Trials, break_even, extreme};
use offing_models::ModelSet;
use offing_scenarios::load;

/// One edge node with one worker, nothing else that takes time.
const SERVER: &str = "
    duration = '3000 s'
    app = { rate = '10 /s', arrivals = 'poisson', frame = '1 B', process = { exponential = { mean = '50 ms' } } }
    tier = { endpoint = { nodes = 1 }, edge = {}, cloud = { speed = 2 } }
    link = [{ between = ['endpoint', 'edge'], latency = '5 ms' }, { between = ['endpoint', 'cloud'], latency = '10 ms' }]
    deploy.target = 'edge'
";

fn with(text: &str, set: &[(&str, String)]) -> Result<Deployment, String> {
    let set: Vec<(String, String)> =
        set.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    let no_files = |name: &str| Err(format!("{name} is not there"));
    let loaded = load(text, "test.toml", &no_files, &Presets::new(), &set);
    loaded.map(|loaded| loaded.scenario.base).map_err(|issues| issues[0].to_string())
}

fn judge(require: &str, metrics: &[String]) -> Judge {
    let text = format!("{SERVER}\ngoal.require = {require:?}");
    let no_files = |name: &str| Err(format!("{name} is not there"));
    let loaded = load(&text, "test.toml", &no_files, &Presets::new(), &[]).expect("sound");
    Judge::new(&loaded.scenario.goal, metrics)
}

fn ask(
    at: &dyn Fn(f64) -> Result<Deployment, String>,
    require: &str,
    range: Range,
    direction: Option<Direction>,
) -> Extreme {
    let metrics = ["latency_mean_ms", "latency_p95_ms", "load", "stable"].map(String::from);
    let models = ModelSet::default();
    let trials = Trials::new(at, &models, &metrics, (1, 8), range);
    extreme(&trials, &judge(require, &metrics), direction)
}

fn continuous(from: f64, to: f64) -> Range {
    Range::continuous(from, to).expect("a range")
}

fn steps(from: f64, to: f64) -> Range {
    Range::steps(from, to, 1.0).expect("a range")
}

#[test]
fn the_largest_rate_of_a_queue_with_one_server_is_that_of_the_theory() {
    // M/M/1: the mean time in the system is 1 / (mu - lambda); with mu = 20/s, 200 ms (beside 10 ms on the way)
    // are reached at lambda = 15/s.
    let at = |rate: f64| with(SERVER, &[("app.rate", format!("{rate} /s"))]);
    let answer = ask(&at, "latency_mean_ms <= 210", continuous(1.0, 40.0), None);
    assert_eq!((answer.direction, answer.division), (Direction::Largest, Division::Boundary));
    let found = answer.found.expect("there is a boundary");
    assert!((found.value / 15.0 - 1.0).abs() < 0.03, "{}", found.value);
    let [Some(low), Some(high)] = answer.interval.expect("a boundary") else { panic!("inside the range") };
    assert!(low <= 15.0 && 15.0 <= high, "{low} to {high}");
    assert!(low <= found.value && found.value <= high && high - low < 1.5, "{low} to {high}");
    assert!(answer.is_monotone);
    let next = answer.next.expect("there is a boundary");
    assert!(found.mean[0] <= 210.0 && next.mean[0] > 210.0);
    assert!(next.value > found.value && next.value <= found.value * 1.001);
}

#[test]
fn the_smallest_speed_of_a_constant_server_is_exact() {
    // 50 ms at speed 1, 10 ms on the way, a request a second: 30 ms need speed 2.5.
    let text =
        SERVER.replace("{ exponential = { mean = '50 ms' } }", "'50 ms'").replace("poisson", "periodic");
    let text = text.replace("10 /s", "1 /s").replace("3000 s", "100 s");
    let at = |speed: f64| with(&text, &[("tier.edge.speed", speed.to_string())]);
    let answer = ask(&at, "latency_p95_ms <= 30", continuous(0.5, 100.0), None);
    assert_eq!((answer.direction, answer.division), (Direction::Smallest, Division::Boundary));
    let (found, next) = (answer.found.expect("found").value, answer.next.expect("next").value);
    assert!(next < 2.5 && 2.5 <= found && found - next <= 0.0026, "{next} {found}");
    let [Some(low), Some(high)] = answer.interval.expect("a boundary") else { panic!("inside the range") };
    assert!(next <= low && high <= found, "without chance there is no doubt: {low} to {high}");
}

#[test]
fn the_most_endpoints_of_a_load_is_the_last_whole_number() {
    // 10 requests a second of 50 ms on 4 workers: 0.125 each, so 7 stay below 0.9 and 8 do not.
    let set = |nodes: f64| {
        with(
            SERVER,
            &[
                ("tier.endpoint.nodes", nodes.to_string()),
                ("tier.edge.cores", "5".into()),
                ("duration", "20 s".into()),
            ],
        )
    };
    let answer = ask(&set, "load < 0.9", steps(1.0, 100.0), None);
    assert_eq!(answer.found.expect("found").value, 7.0);
    assert_eq!(answer.next.expect("next").value, 8.0);
    assert_eq!(answer.interval, Some([Some(7.0), Some(7.0)]), "a load has no error");
    assert!(answer.simulations < 8 * 20, "{}", answer.simulations);
}

#[test]
fn a_range_without_a_boundary_says_so() {
    let at = |rate: f64| with(SERVER, &[("app.rate", format!("{rate} /s")), ("duration", "20 s".into())]);
    let nothing = ask(&at, "latency_mean_ms <= 1", continuous(1.0, 2.0), None);
    assert_eq!((nothing.division, nothing.found, nothing.interval), (Division::Nothing, None, None));
    assert_eq!(nothing.grid.len(), 9);
    let everything = ask(&at, "load < 0.9", steps(1.0, 5.0), Some(Direction::Smallest));
    assert_eq!(everything.division, Division::Everything);
    assert_eq!(everything.found.expect("the end").value, 1.0);
    assert_eq!(everything.grid.len(), 5, "few values are all tried");
    let end = ask(&at, "load < 0.9", steps(1.0, 100.0), Some(Direction::Smallest));
    assert_eq!((end.division, end.found.map(|trial| trial.value)), (Division::End, Some(1.0)));
}

#[test]
fn requirements_that_change_more_than_once_are_called_so() {
    // The load grows to the middle of the range and falls again.
    let at = |x: f64| {
        with(
            SERVER,
            &[("app.rate", format!("{} /s", 20.0 - (x - 50.0).abs() / 3.0)), ("duration", "20 s".into())],
        )
    };
    let answer = ask(&at, "load < 0.5", steps(1.0, 99.0), Some(Direction::Smallest));
    assert_eq!(answer.found.map(|trial| trial.value), Some(1.0));
    assert!(!answer.is_monotone);
    let band = ask(&at, "load > 0.5", steps(1.0, 99.0), Some(Direction::Largest));
    assert_eq!((band.found.map(|trial| trial.value), band.is_monotone), (Some(79.0), false));
    let low = ask(&at, "load > 0.5", steps(1.0, 99.0), Some(Direction::Smallest));
    assert_eq!(low.found.map(|trial| trial.value), Some(21.0));
}

#[test]
fn values_without_a_deployment_meet_nothing() {
    let at = |nodes: f64| {
        if nodes > 6.0 {
            return Err("there is no room for more".into());
        }
        with(SERVER, &[("tier.edge.nodes", nodes.to_string()), ("duration", "20 s".into())])
    };
    let answer = ask(&at, "load < 0.9", steps(1.0, 20.0), None);
    assert_eq!(answer.found.map(|trial| trial.value), Some(6.0));
    assert_eq!(answer.next.and_then(|trial| trial.refused), Some("there is no room for more".into()));
}

fn equal(text: &str, key: &str, unit: &str, range: Range) -> BreakEven {
    let at = |target: &'static str| {
        move |value: f64| with(text, &[(key, format!("{value}{unit}")), ("deploy.target", target.into())])
    };
    let (edge, cloud) = (at("edge"), at("cloud"));
    let metrics = ["latency_mean_ms".to_string()];
    let models = ModelSet::default();
    let trials = |at| Trials::new(at, &models, &metrics, (1, 8), range);
    break_even(&trials(&edge), &trials(&cloud), 0)
}

/// Without chance: 2 x 5 + 50 ms at the edge, 2 x cloud latency + 25 ms in the cloud.
fn constant() -> String {
    SERVER
        .replace("{ exponential = { mean = '50 ms' } }", "'50 ms'")
        .replace("poisson", "periodic")
        .replace("10 /s", "1 /s")
        .replace("3000 s", "100 s")
}

#[test]
fn edge_and_cloud_are_equal_where_the_way_costs_what_the_speed_gains() {
    // 60 = 2 x + 25: x = 17.5 ms.
    let answer = equal(&constant(), "link.endpoint-cloud.latency", " s", continuous(0.001, 0.1));
    let value = answer.value.expect("they cross");
    assert!((value - 0.0175).abs() < 1e-8, "{value}");
    let [Some(low), Some(high)] = answer.interval.expect("they cross") else { panic!("inside the range") };
    assert!((low - value).abs() < 1e-8 && (high - value).abs() < 1e-8, "{low} to {high}");
    assert_eq!(answer.first_is_better_below, Some(false), "a near cloud is better");
    assert_eq!(answer.changes.len(), 1);
}

#[test]
fn one_target_may_be_better_everywhere() {
    let answer = equal(&constant(), "link.endpoint-cloud.latency", " s", continuous(0.02, 0.1));
    assert_eq!((answer.value, answer.interval), (None, None));
    assert_eq!(answer.first_is_better_below, Some(true));
    let (edge, cloud) = &answer.beside[0];
    assert_eq!((edge.mean[0], cloud.mean[0]), (60.0, 65.0));
}

#[test]
fn a_break_even_with_chance_has_an_interval() {
    // M/M/1 at the edge, mu = 20/s, and in the cloud, mu = 40/s, whose way is longer by 2 x 42 ms: equal where
    // 1 / (20 - x) = 1 / (40 - x) + 0.084. With u = 20 - x: u^2 + 20 u - 20 / 0.084 = 0, x = 11.605 /s.
    let text = SERVER.replace("'10 ms'", "'47 ms'");
    let answer = equal(&text, "app.rate", " /s", continuous(1.0, 19.0));
    let u = -10.0 + (100.0_f64 + 20.0 / 0.084).sqrt();
    let value = answer.value.expect("they cross");
    assert!((value - (20.0 - u)).abs() < 0.3, "{value} {}", 20.0 - u);
    let [Some(low), Some(high)] = answer.interval.expect("they cross") else { panic!("inside the range") };
    assert!(low < value && value < high && high - low < 0.6, "{low} {value} {high}");
    assert!(low <= 20.0 - u && 20.0 - u <= high, "{low} {} {high}", 20.0 - u);
    assert_eq!(answer.first_is_better_below, Some(true), "the edge is better while it is idle");
}
