//! What keys mean, alone and together, as docs/scenario-format.md says.

mod common;

use common::presets;
use offing_core::{
    Arrivals, Balance, Deployment, Distribution, Drop, Power, PowerCurve, Rate, Scope, Sharing, Span,
};
use offing_scenarios::{Issue, infeasible, load};

const APP: &str = "[app]\nrate = '5 /s'\nframe = '68 kB'\nprocess = '125 ms'\n";
const TIERS: &str =
    "[tier.endpoint]\nnodes = 4\n[tier.cloud]\ncores = 4\n[[link]]\nbetween = ['endpoint', 'cloud']\n";
const CLOUD: &str = "[deploy]\ntarget = 'cloud'\n";

fn read(parts: &[&str]) -> (Deployment, Vec<Issue>) {
    let files = |name: &str| match name {
        "work.csv" => Ok("work_ms\n20\n10\n".into()),
        "all.csv" => Ok("time_s\n1\n2\n4\n".into()),
        "some.csv" => Ok("time_s,endpoint\n1,0\n2,3\n4,0\n".into()),
        "lte" => Ok("1\n1\n4\n".into()),
        name => common::no_files(name),
    };
    match load(&parts.concat(), "x.toml", &files, &presets(), &[]) {
        Ok(loaded) => (loaded.scenario.base, loaded.warnings),
        Err(issues) => panic!("{}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn deployment(parts: &[&str]) -> Deployment {
    read(parts).0
}

#[test]
fn what_is_not_given_has_its_default() {
    let base = deployment(&[APP, TIERS, CLOUD]);
    assert_eq!((base.duration, base.warm_up), (Span::from_millis(300_000), Span::ZERO));
    assert_eq!(base.app.prepare, Distribution::Constant(0.0));
    assert_eq!(
        (base.app.arrivals.clone(), base.app.deadline, base.app.outstanding),
        (Arrivals::Periodic, None, None)
    );
    let cloud = base.targets();
    assert_eq!((cloud.nodes, cloud.quota, cloud.speed, cloud.memory_bytes), (1, 1.0, 1.0, None));
    assert_eq!(
        (base.placement.workers, base.placement.balance, base.placement.queue),
        (3, Balance::Static, None)
    );
    let link = &base.links[0];
    assert_eq!((link.up.latency, &link.up.rate, link.up.loss), (Span::ZERO, &Rate::Unlimited, 0.0));
    assert_eq!((link.sharing, link.scope), (Sharing::Fifo, Scope::Node));
}

#[test]
fn a_fraction_of_a_core_lowers_the_quota() {
    let tiers = TIERS.replace("cores = 4", "cores = '2500m'\nquota = 0.6");
    let base = deployment(&[APP, &tiers, CLOUD]);
    assert_eq!((base.targets().cores, base.targets().quota), (3, 0.6 * (2.5 / 3.0)));
    assert_eq!(base.placement.workers, 2);
}

#[test]
fn requests_make_the_duration() {
    let base = deployment(&["requests = 1000\n", APP, TIERS, CLOUD]);
    assert_eq!(base.duration, Span::from_millis(50_000), "1000 / (5 /s x 4)");
}

#[test]
fn a_whole_number_may_have_an_exponent() {
    let base = deployment(&["requests = 1e3\n", APP, &TIERS.replace("nodes = 4", "nodes = 1e1"), CLOUD]);
    assert_eq!((base.endpoints().nodes, base.duration), (10, Span::from_millis(20_000)));
}

#[test]
fn a_tier_has_policies_and_deploy_goes_before_them() {
    let tiers =
        TIERS.replace("cores = 4", "workers = 2\nbalance = 'least-waiting'\nqueue = 7\ndrop = 'oldest'");
    let placement = deployment(&[APP, &tiers, CLOUD]).placement;
    assert_eq!((placement.workers, placement.balance), (2, Balance::LeastWaiting));
    assert_eq!((placement.queue, placement.drop), (Some(7), Drop::Oldest));
    let placement =
        deployment(&[APP, &tiers, CLOUD, "workers = 5\nqueue = 'unlimited'\ndrop = 'newest'\n"]).placement;
    assert_eq!((placement.workers, placement.queue, placement.drop), (5, None, Drop::Newest));
}

#[test]
fn a_pipeline_has_stages_and_no_preparation() {
    let app = "[app]\nrate = '5 /s'\nframe = '68 kB'\n[[app.stage]]\nname = 'scale'\nwork = '2 ms'\noutput = '9 kB'\n\
               [[app.stage]]\nwork = { empirical = 'work.csv' }\n";
    let base = deployment(&[app, TIERS, CLOUD, "cut = 1\n"]);
    assert_eq!((base.app.stages.len(), base.placement.cut), (2, 1));
    assert_eq!(base.app.stages[0].output, Distribution::Constant(9e3));
    assert_eq!(
        (base.app.stages[1].name.as_str(), &base.app.stages[1].output),
        ("1", &Distribution::Constant(0.0))
    );
    let Distribution::Empirical { source, values } = &base.app.stages[1].work else {
        panic!("measured values")
    };
    assert_eq!((source.as_str(), &values[..]), ("work.csv", &[0.01, 0.02][..]));
}

#[test]
fn directions_go_before_the_link_and_the_link_before_its_preset() {
    let tiers = format!("{TIERS}preset = '4g'\nlatency = '9 ms'\nup = {{ rate = '1mbit' }}\n");
    let link = &deployment(&[APP, &tiers, CLOUD]).links[0];
    assert_eq!((link.up.latency, link.down.latency), (Span::from_millis(9), Span::from_millis(9)));
    assert_eq!((&link.up.rate, &link.down.rate), (&Rate::BitPerS(1e6), &Rate::BitPerS(14.42e6)));
    assert_eq!(link.up.jitter, Span::from_millis(9), "that of the preset");
}

#[test]
fn a_rate_may_be_recorded() {
    let link = deployment(&[APP, TIERS, "rate = { trace = 'lte' }\n", CLOUD]).links[0].clone();
    let Rate::Trace { opportunities, .. } = &link.up.rate else { panic!("a trace") };
    assert_eq!(opportunities[..], [1, 1, 4].map(Span::from_millis));
}

#[test]
fn a_peer_endpoint_is_like_the_endpoints_unless_it_is_declared() {
    let tiers = "[tier.endpoint]\nnodes = 4\nspeed = 0.5\nqueue = 3\n[[link]]\nbetween = ['endpoint', 'endpoint']\nlatency = '2 ms'\n";
    let mist = "[deploy]\ntarget = 'mist'\n";
    let base = deployment(&[APP, tiers, mist]);
    assert_eq!((base.targets().name.as_str(), base.targets().nodes, base.targets().speed), ("mist", 1, 0.5));
    assert_eq!(base.placement.queue, Some(3));
    let (link, forward) = base.link(0, 1).expect("the link between endpoints leads there");
    assert_eq!((link.up.latency, forward), (Span::from_millis(2), true));

    let declared = format!(
        "{tiers}[[link]]\nbetween = ['mist', 'endpoint']\nlatency = '3 ms'\n[tier.mist]\nnodes = 2\n"
    );
    let base = deployment(&[APP, &declared, mist]);
    assert_eq!((base.targets().nodes, base.targets().speed, base.placement.queue), (2, 1.0, None));
    let (link, forward) =
        base.link(base.placement.endpoint, base.placement.target).expect("its own link goes before");
    assert_eq!((link.down.latency, forward), (Span::from_millis(3), false));
}

#[test]
fn a_trace_brings_its_own_rate() {
    let app = APP.replace("rate = '5 /s'\n", "");
    let everyone = deployment(&[&app, "arrivals = { trace = 'all.csv' }\n", TIERS, CLOUD]);
    assert_eq!(everyone.app.rate_hz, 3.0 / 4.0, "three by each endpoint in 4 s");
    let each = deployment(&[&app, "arrivals = { trace = 'some.csv' }\n", TIERS, CLOUD]);
    assert_eq!(each.app.rate_hz, 3.0 / 4.0 / 4.0, "three in 4 s by four endpoints");
}

#[test]
fn power_is_a_curve_or_a_table() {
    let power = |text: &str| {
        deployment(&[APP, &TIERS.replace("cores = 4", &format!("power = {text}")), CLOUD])
            .targets()
            .power
            .clone()
    };
    let curve = Power::Curve { idle_w: 1.0, busy_w: 2.5, curve: PowerCurve::Cubic };
    assert_eq!(power("{ idle = '1 W', busy = '2500 mW', curve = 'cubic' }"), Some(curve));
    assert_eq!(power("{ table = ['1 W', '3 W', '4 W'] }"), Some(Power::Table(vec![1.0, 3.0, 4.0])));
}

#[test]
fn a_target_without_a_link_is_worth_a_warning_unless_it_is_meant() {
    let bare = "[tier.endpoint]\n[tier.cloud]\n";
    let (_, warnings) = read(&[APP, bare, CLOUD]);
    assert_eq!(
        warnings[0].to_string(),
        "x.toml:8:10: warning: deploy.target: there is no link between `endpoint` and `cloud`: what is sent arrives at once\n  \
         hint: write a `[[link]]` with `between = [\"endpoint\", \"cloud\"]`; without other keys it says that this is meant"
    );
    assert_eq!(read(&[APP, bare, "[[link]]\nbetween = ['endpoint', 'cloud']\n", CLOUD]).1, []);
    assert_eq!(read(&[APP, bare, "[deploy]\ntarget = 'endpoint'\n"]).1, []);
}

#[test]
fn memory_that_does_not_fit_is_no_error_but_infeasible() {
    let tiers = TIERS.replace("cores = 4", "cores = 4\nmemory = '1 GiB'");
    let base = deployment(&[APP, "memory = '500 MiB'\n", &tiers, CLOUD]);
    assert_eq!(
        infeasible(&base),
        ["memory does not fit: 3 workers of 500 MiB need 1500 MiB, and a node of tier `cloud` has 1 GiB"]
    );
    assert!(infeasible(&deployment(&[APP, "memory = '300 MiB'\n", &tiers, CLOUD])).is_empty());
}

#[test]
fn a_file_without_a_name_lends_its_own() {
    let name = |file: &str| {
        let text = [APP, TIERS, CLOUD].concat();
        load(&text, file, &common::no_files, &presets(), &[]).expect("it loads").scenario.name
    };
    assert_eq!(name("some/where/two words.toml"), "two-words");
    assert_eq!(name(""), "scenario");
}
