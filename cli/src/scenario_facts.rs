//! What is told about a scenario: the deployment it describes and what follows from it.

use offing_core::{
    App, Arrivals, Deployment, Direction, Distribution, Link, Rate, Scope, Sharing, Stage, Tier, units,
};
use offing_models::{loads, memory};
use offing_scenarios::{Axis, Condition, Scenario, Space, canonical, infeasible};
use offing_sim::stations_apply;
use serde::Serialize;

use crate::models;
use crate::output::Screen;
use crate::page::{Page, Style, count, percent, significant};
use crate::table::placement;

/// What follows from the keys of a scenario. Links stand in the direction of requests.
#[derive(Serialize)]
pub struct Facts {
    deployment: String,
    engine: &'static str,
    target: String,
    is_offloaded: bool,
    target_nodes: u32,
    workers_per_node: u32,
    workers_total: u64,
    endpoints: u32,
    endpoints_per_target: f64,
    rate_rps: f64,
    requests_expected: f64,
    load: f64,
    /// Demand over capacity of everything that a request passes.
    loads: Loads,
    memory_needed_bytes: u64,
    memory_available_bytes: Option<u64>,
    links: Vec<LinkFacts>,
    feasible: bool,
    infeasible: Vec<String>,
    space: SpaceFacts,
    goal: GoalFacts,
}

#[derive(Serialize)]
struct SpaceFacts {
    /// Those that `conditions` exclude among them.
    deployments: u128,
    axes: Vec<AxisFacts>,
    conditions: Vec<String>,
}

#[derive(Serialize)]
struct AxisFacts {
    keys: Vec<String>,
    values: u64,
}

#[derive(Serialize)]
struct GoalFacts {
    require: Vec<String>,
    minimise: Vec<String>,
}

#[derive(Serialize)]
struct Loads {
    endpoint: f64,
    uplink: f64,
    target: f64,
    downlink: f64,
}

#[derive(Serialize)]
struct LinkFacts {
    from: String,
    to: String,
    in_force: bool,
    sharing: Sharing,
    scope: Scope,
    up: DirectionFacts,
    down: DirectionFacts,
}

#[derive(PartialEq, Serialize)]
struct DirectionFacts {
    latency_ms: f64,
    jitter_ms: f64,
    /// Nothing where there is no limit, or where it is recorded in a file.
    rate_bit_s: Option<f64>,
    rate_file: Option<String>,
    loss: f64,
    window_bytes: Option<f64>,
}

pub fn derive(scenario: &Scenario) -> Facts {
    let deployment = &scenario.base;
    let Deployment { app, placement, .. } = deployment;
    let (endpoints, targets) = (deployment.endpoints(), deployment.targets());
    let rate_rps = app.rate_hz * f64::from(endpoints.nodes);
    let reasons = infeasible(deployment);
    let loads = loads(deployment, &models::current().transport());
    let offing_models::Loads { endpoint, uplink, target, downlink } = loads;
    Facts {
        deployment: deployment.id(),
        engine: if stations_apply(deployment) { "stations" } else { "events" },
        target: targets.name.clone(),
        is_offloaded: deployment.is_offloaded(),
        target_nodes: targets.nodes,
        workers_per_node: placement.workers,
        workers_total: u64::from(placement.workers) * u64::from(targets.nodes),
        endpoints: endpoints.nodes,
        endpoints_per_target: f64::from(endpoints.nodes) / f64::from(targets.nodes),
        rate_rps,
        requests_expected: rate_rps * (deployment.duration - deployment.warm_up).as_secs_f64(),
        load: target,
        loads: Loads { endpoint, uplink, target, downlink },
        memory_needed_bytes: memory::needed_bytes(deployment),
        memory_available_bytes: targets.memory_bytes,
        links: deployment.links.iter().map(|link| link_facts(deployment, link)).collect(),
        feasible: reasons.is_empty(),
        infeasible: reasons,
        space: space_facts(&scenario.space),
        goal: GoalFacts {
            require: texts(scenario.goal.require.iter()),
            minimise: scenario.goal.minimise.clone(),
        },
    }
}

fn space_facts(space: &Space) -> SpaceFacts {
    let axis = |axis: &Axis| AxisFacts { keys: axis.keys().map(String::from).collect(), values: axis.len() };
    SpaceFacts {
        deployments: space.len(),
        axes: space.axes().iter().map(axis).collect(),
        conditions: texts(space.conditions()),
    }
}

fn texts<'c>(conditions: impl Iterator<Item = &'c Condition>) -> Vec<String> {
    conditions.map(|condition| condition.text().into()).collect()
}

fn link_facts(deployment: &Deployment, link: &Link) -> LinkFacts {
    let used = [deployment.placement.endpoint, deployment.placement.target];
    let is_upwards = link.between == used;
    let in_force = is_upwards || link.between == [used[1], used[0]];
    let name = |at: usize| deployment.tiers[at].name.clone();
    let [first, second] = link.between;
    let facts = |from, to, up, down| LinkFacts {
        from: name(from),
        to: name(to),
        in_force,
        sharing: link.sharing,
        scope: link.scope,
        up: direction_facts(up),
        down: direction_facts(down),
    };
    if in_force && !is_upwards {
        facts(second, first, &link.down, &link.up)
    } else {
        facts(first, second, &link.up, &link.down)
    }
}

fn direction_facts(direction: &Direction) -> DirectionFacts {
    let (rate_bit_s, rate_file) = match &direction.rate {
        Rate::Unlimited => (None, None),
        Rate::BitPerS(rate) => (Some(*rate), None),
        Rate::Trace { source, .. } => (None, Some(source.clone())),
    };
    DirectionFacts {
        latency_ms: direction.latency.as_millis_f64(),
        jitter_ms: direction.jitter.as_millis_f64(),
        rate_bit_s,
        rate_file,
        loss: direction.loss,
        window_bytes: direction.window_bytes,
    }
}

/// Every key of the deployment with its value, as a scenario file has them.
pub fn resolve(scenario: &Scenario) -> toml::Table {
    let single = Scenario::single(scenario.name.clone(), scenario.seed, scenario.base.clone());
    canonical(&single).parse().expect("what is written canonically can be read")
}

pub fn text(scenario: &Scenario, facts: &Facts, screen: Screen) -> String {
    let mut page = Page::new(screen);
    let deployment = &scenario.base;
    page.marked(Style::Bold, &format!("{}:", scenario.name), &placement(deployment));
    page.paragraph(&format!(
        "{} of which {} are warm-up; engine {}, seed {}",
        units::write_span(deployment.duration),
        units::write_span(deployment.warm_up),
        facts.engine,
        scenario.seed,
    ));
    page.blank();
    app(&mut page, &deployment.app);
    page.blank();
    tiers(&mut page, deployment);
    page.blank();
    links(&mut page, facts);
    page.blank();
    derived(&mut page, deployment, facts);
    page.into_text()
}

fn app(page: &mut Page, app: &App) {
    let arrivals = match &app.arrivals {
        Arrivals::Periodic => "periodic".into(),
        Arrivals::Jittered { sd } => format!("periodic with a jitter of {}", units::write_span(*sd)),
        Arrivals::Poisson => "a Poisson process".into(),
        Arrivals::Bursts { on, off } => {
            format!("in bursts of {} with {} between them", units::write_span(*on), units::write_span(*off))
        }
        Arrivals::Trace { source, .. } => format!("as recorded in `{source}`"),
    };
    page.fact("requests", &format!("{} per endpoint, {arrivals}", units::write_per_second(app.rate_hz)));
    page.fact("frame", &distribution(&app.frame, units::write_bytes));
    page.fact("prepare", &distribution(&app.prepare, units::write_seconds));
    let is_pipeline = app.stages.len() > 1;
    for Stage { name, work, output } in &app.stages {
        let (work, output) =
            (distribution(work, units::write_seconds), distribution(output, units::write_bytes));
        if is_pipeline {
            page.fact("stage", &format!("{name}: {work}; hands on {output}"));
        } else {
            page.fact("process", &work);
            page.fact("result", &output);
        }
    }
    if let Some(deadline) = app.deadline {
        page.fact("deadline", &units::write_span(deadline));
    }
    if let Some(outstanding) = app.outstanding {
        page.fact("outstanding", &format!("at most {outstanding} under way per endpoint"));
    }
}

fn distribution(distribution: &Distribution, write: impl Fn(f64) -> String) -> String {
    match distribution {
        Distribution::Constant(value) => write(*value),
        Distribution::Exponential { mean } => format!("exponential, mean {}", write(*mean)),
        Distribution::Lognormal { mean, cv } => format!("lognormal, mean {}, cv {cv}", write(*mean)),
        Distribution::Gamma { mean, cv } => format!("gamma, mean {}, cv {cv}", write(*mean)),
        Distribution::Normal { mean, sd } => format!("normal, mean {}, sd {}", write(*mean), write(*sd)),
        Distribution::Uniform { from, to } => format!("uniform, {} to {}", write(*from), write(*to)),
        Distribution::Empirical { source, values } if source.is_empty() => {
            format!(
                "one of {} values, {} to {}",
                values.len(),
                write(values[0]),
                write(values[values.len() - 1])
            )
        }
        Distribution::Empirical { source, values } => {
            format!("one of the {} values in `{source}`", values.len())
        }
        Distribution::Quantiles(quantiles) => format!(
            "{} quantiles, {} to {}",
            quantiles.len(),
            write(quantiles[0]),
            write(quantiles[quantiles.len() - 1])
        ),
    }
}

fn tiers(page: &mut Page, deployment: &Deployment) {
    let titles = ["tier", "nodes", "cores", "quota", "speed", "memory", "price", "role"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    for (at, tier) in deployment.tiers.iter().enumerate() {
        let Tier { name, nodes, cores, quota, speed, memory_bytes, price_usd_per_hour, power: _ } = tier;
        let placement = &deployment.placement;
        let role = match (at == placement.endpoint, at == placement.target) {
            (true, true) => "sends and processes",
            (true, false) => "sends",
            (false, true) => "processes",
            (false, false) => "not used",
        };
        rows.push(vec![
            name.clone(),
            nodes.to_string(),
            cores.to_string(),
            quota.to_string(),
            speed.to_string(),
            memory_bytes.map_or("unlimited".into(), |bytes| units::write_bytes(bytes as f64)),
            units::write_usd_per_hour(*price_usd_per_hour),
            role.into(),
        ]);
    }
    page.columns(&rows);
}

fn links(page: &mut Page, facts: &Facts) {
    if facts.links.is_empty() {
        page.fact("links", "none: no delay and no limit between any two tiers");
        return;
    }
    let titles = ["link", "latency", "jitter", "rate", "loss", "sharing", "scope", "in force"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    for link in &facts.links {
        let LinkFacts { from, to, in_force, up, down, .. } = link;
        if up == down {
            rows.push(row(format!("{from} - {to}"), link, up, *in_force));
        } else {
            rows.push(row(format!("{from} to {to}"), link, up, *in_force));
            rows.push(row(format!("{to} to {from}"), link, down, *in_force));
        }
    }
    page.columns(&rows);
}

fn row(name: String, link: &LinkFacts, direction: &DirectionFacts, in_force: bool) -> Vec<String> {
    let rate = match (&direction.rate_file, direction.rate_bit_s) {
        (Some(file), _) => format!("as in `{file}`"),
        (None, Some(rate)) => units::write_bit_per_s(rate),
        (None, None) => "unlimited".into(),
    };
    let sharing = match link.sharing {
        Sharing::Fifo => "fifo",
        Sharing::Fair => "fair",
    };
    let scope = match link.scope {
        Scope::Node => "node",
        Scope::Pair => "pair",
        Scope::Tier => "tier",
    };
    vec![
        name,
        format!("{} ms", significant(direction.latency_ms)),
        format!("{} ms", significant(direction.jitter_ms)),
        rate,
        format!("{} %", significant(direction.loss * 100.0)),
        sharing.into(),
        scope.into(),
        if in_force { "yes" } else { "no" }.into(),
    ]
}

fn derived(page: &mut Page, deployment: &Deployment, facts: &Facts) {
    page.fact("target", &facts.target);
    let total =
        if facts.target_nodes == 1 { String::new() } else { format!(", {} in all", facts.workers_total) };
    page.fact("workers", &format!("{} per target node{total}", facts.workers_per_node));
    if facts.is_offloaded {
        page.fact("endpoints", &format!("{} per target node", significant(facts.endpoints_per_target)));
    }
    page.fact("load", &percent(facts.load));
    let Loads { endpoint, uplink, target, downlink } = facts.loads;
    if facts.is_offloaded {
        let each = [("endpoint", endpoint), ("uplink", uplink), ("target", target), ("downlink", downlink)];
        page.fact("loads", &each.map(|(name, load)| format!("{name} {}", percent(load))).join(", "));
    }
    if [endpoint, uplink, target, downlink].iter().any(|&load| load >= 1.0) {
        page.marked(Style::Alarm, "overload:", "more is asked for than can be done");
    }
    let memory = deployment.app.memory_bytes;
    if memory > 0 {
        let workers = count(facts.workers_per_node.into(), "worker");
        let [each, needed] =
            [memory, facts.memory_needed_bytes].map(|bytes| units::write_bytes(bytes as f64));
        let available = facts.memory_available_bytes;
        let available = available.map_or("any amount".into(), |bytes| units::write_bytes(bytes as f64));
        let fits = if facts.feasible { "" } else { ": does NOT fit" };
        page.fact("memory", &format!("{workers} x {each} = {needed} of {available}{fits}"));
    }
    let SpaceFacts { deployments, axes, conditions } = &facts.space;
    if !axes.is_empty() {
        let axes: Vec<String> = axes
            .iter()
            .map(|axis| format!("{} ({})", axis.keys.join(" with "), count(axis.values, "value")))
            .collect();
        page.fact("space", &format!("{deployments} deployments: {}", axes.join(", ")));
        conditions.iter().for_each(|condition| page.fact("where", condition));
    }
    facts.goal.require.iter().for_each(|condition| page.fact("require", condition));
    page.fact("minimise", &facts.goal.minimise.join(", then "));
    page.fact("deployment", &facts.deployment);
}
