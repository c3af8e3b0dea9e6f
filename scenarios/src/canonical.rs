//! A scenario as a file with everything resolved, which loads again to the same deployments.

use std::fmt::Write;
use std::sync::Arc;

use offing_core::{
    Arrivals, Balance, Deployment, Direction, Distribution, Drop, Manager, Provider, Scope, Sharing, Start,
    Tier,
};

use crate::build::direction;
use crate::keys::{APP, DEPLOY, DIRECTION, Key, Kind, LINK, ROOT, STAGE, TIER, index};
use crate::load::Scenario;
use crate::raw::Place;
use crate::space::{Axis, Sample};
use crate::value::Value;
use crate::write::{quote, toml};
use crate::written::{Part, Section, Slot, Written, WrittenLink, no_values};

/// The text of a scenario file that asks the same.
///
/// Without a design space every default is written out. With one, defaults that follow from other keys stay
/// out, because they differ from deployment to deployment. Files that the scenario names are named, not
/// copied: see [`Scenario::files`].
pub fn canonical(scenario: &Scenario) -> String {
    let space = &scenario.space;
    let mut written = match space.written() {
        Some(written) if !space.axes().is_empty() => without_presets(written, &axis_keys(scenario)),
        _ => from_deployment(&scenario.base),
    };
    put(&mut written.root, ROOT, "name", Value::Text(scenario.name.as_str().into()));
    put(&mut written.root, ROOT, "seed", Value::Count(scenario.seed));
    let mut text = String::new();
    section(&mut text, ROOT, &written.root);
    if let Some(app) = &written.app {
        text.push_str("\n[app]\n");
        section(&mut text, APP, &app.keys);
    }
    for stage in &written.stages {
        text.push_str("\n[[app.stage]]\n");
        section(&mut text, STAGE, &stage.keys);
    }
    for tier in &written.tiers {
        line(&mut text, format_args!("\n[tier.{}]", tier.name));
        section(&mut text, TIER, &tier.keys);
    }
    for link in &written.links {
        text.push_str("\n[[link]]\n");
        section(&mut text, LINK, &link.keys);
        for (name, own) in [("up", &link.up), ("down", &link.down)] {
            let keys: Vec<String> =
                entries(DIRECTION, own).map(|(key, value)| format!("{key} = {value}")).collect();
            if !keys.is_empty() {
                line(&mut text, format_args!("{name} = {{ {} }}", keys.join(", ")));
            }
        }
    }
    text.push_str("\n[deploy]\n");
    section(&mut text, DEPLOY, &written.deploy.keys);
    write_space(&mut text, scenario);
    write_goal(&mut text, scenario);
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing to a text cannot fail");
    text.push('\n');
}

fn entries<'s>(
    keys: &'static [Key],
    section: &'s Section,
) -> impl Iterator<Item = (&'static str, String)> + use<'s> {
    keys.iter()
        .zip(section.iter())
        .filter_map(|(key, slot)| Some((key.name, toml(key.kind, &slot.as_ref()?.value))))
}

fn section(text: &mut String, keys: &'static [Key], section: &Section) {
    for (key, value) in entries(keys, section) {
        line(text, format_args!("{key} = {value}"));
    }
}

fn list(texts: &[&str]) -> String {
    format!("[{}]", texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", "))
}

fn write_space(text: &mut String, scenario: &Scenario) {
    let space = &scenario.space;
    let conditions: Vec<&str> = space.conditions().map(|condition| condition.text()).collect();
    if space.axes().is_empty() && conditions.is_empty() && space.sample().is_none() {
        return;
    }
    text.push_str("\n[space]\n");
    if !conditions.is_empty() {
        line(text, format_args!("where = {}", list(&conditions)));
    }
    match space.sample() {
        None => {}
        Some(Sample::Sobol(points)) => line(text, format_args!("sample = {{ sobol = {points} }}")),
        Some(Sample::LatinHypercube(points)) => {
            line(text, format_args!("sample = {{ latin_hypercube = {points} }}"))
        }
    }
    // Zips stand side by side in one key, where the first of them stood, so that numbers keep their meaning.
    let mut axes = space.axes().iter().map(Axis::toml).peekable();
    while let Some((zipped, columns)) = axes.next() {
        let assignments = |columns: Vec<(String, String)>| {
            columns
                .into_iter()
                .map(|(key, values)| format!("{key} = {values}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !zipped {
            line(text, format_args!("{}", assignments(columns)));
            continue;
        }
        let mut zips = vec![format!("{{ {} }}", assignments(columns))];
        while let Some((_, columns)) = axes.next_if(|(zipped, _)| *zipped) {
            zips.push(format!("{{ {} }}", assignments(columns)));
        }
        line(text, format_args!("zip = [{}]", zips.join(", ")));
    }
}

fn write_goal(text: &mut String, scenario: &Scenario) {
    let goal = &scenario.goal;
    if goal.require.is_empty() && goal.minimise.is_empty() {
        return;
    }
    text.push_str("\n[goal]\n");
    if !goal.require.is_empty() {
        let conditions: Vec<&str> = goal.require.iter().map(|condition| condition.text()).collect();
        line(text, format_args!("require = {}", list(&conditions)));
    }
    if !goal.minimise.is_empty() {
        let metrics: Vec<&str> = goal.minimise.iter().map(String::as_str).collect();
        line(text, format_args!("minimise = {}", list(&metrics)));
    }
}

fn axis_keys(scenario: &Scenario) -> Vec<crate::written::Address> {
    scenario.space.axes().iter().flat_map(|axis| &axis.columns).map(|column| column.address).collect()
}

/// The numbers of presets in place of their names, except where presets are what varies.
fn without_presets(written: &Written, axes: &[crate::written::Address]) -> Written {
    const PRESET: usize = index(LINK, "preset");
    let mut written = written.clone();
    for (at, link) in written.links.iter_mut().enumerate() {
        if link.keys[PRESET].is_none() || axes.contains(&crate::written::Address::Link(at, PRESET)) {
            continue;
        }
        let directions = [direction(&link.keys, &link.up, true), direction(&link.keys, &link.down, false)];
        Arc::make_mut(&mut link.keys)[PRESET] = None;
        let own = [&mut link.up, &mut link.down];
        for (section, direction) in own.into_iter().zip(directions) {
            for (at, value) in direction_values(&direction).into_iter().enumerate() {
                // What the link says of both directions goes before its preset, and an axis may change it.
                let said = link.keys[of_link(at)].is_some() || section[at].is_some();
                if let (false, Some(value)) = (said, value) {
                    Arc::make_mut(section)[at] = slot(value);
                }
            }
        }
    }
    written
}

/// The key of a link that holds for both directions.
fn of_link(direction: usize) -> usize {
    LINK.iter()
        .position(|key| key.name == DIRECTION[direction].name)
        .expect("a link has the keys of a direction")
}

/// The values of a direction in the order of its keys; nothing where there is no limit to write.
fn direction_values(direction: &Direction) -> [Option<Value>; DIRECTION.len()] {
    const {
        assert!(
            index(DIRECTION, "latency") == 0
                && index(DIRECTION, "jitter") == 1
                && index(DIRECTION, "rate") == 2
        );
        assert!(index(DIRECTION, "loss") == 3 && index(DIRECTION, "window") == 4);
    }
    [
        Some(Value::Span(direction.latency)),
        Some(Value::Span(direction.jitter)),
        Some(Value::Rate(direction.rate.clone())),
        Some(Value::Number(direction.loss)),
        direction.window_bytes.map(Value::Number),
    ]
}

fn slot(value: Value) -> Option<Slot> {
    Some(Slot { value, place: Place::default() })
}

fn put(section: &mut Section, keys: &[Key], name: &str, value: Value) {
    Arc::make_mut(section)[index(keys, name)] = slot(value);
}

/// A word of a choice, as the table has it.
fn word(keys: &'static [Key], name: &str, word: &str) -> Value {
    match keys[index(keys, name)].kind {
        Kind::Choice(words) => Value::Choice(
            words.iter().find(|known| **known == word).copied().expect("the table has every word"),
        ),
        _ => unreachable!("the key is a choice"),
    }
}

/// What a file would say that describes this deployment.
fn from_deployment(deployment: &Deployment) -> Written {
    let mut written = Written::empty();
    put(&mut written.root, ROOT, "duration", Value::Span(deployment.duration));
    put(&mut written.root, ROOT, "warm_up", Value::Span(deployment.warm_up));
    let app = &deployment.app;
    let mut part = Part::empty(APP, "", Place::default());
    let keys = &mut part.keys;
    // The rate of a trace is its mean and follows from it.
    if !matches!(app.arrivals, Arrivals::Trace { .. }) {
        put(keys, APP, "rate", Value::Number(app.rate_hz));
    }
    put(keys, APP, "arrivals", Value::Arrivals(app.arrivals.clone()));
    put(keys, APP, "frame", Value::Distribution(app.frame.clone()));
    put(keys, APP, "memory", Value::Number(app.memory_bytes as f64));
    if let Some(deadline) = app.deadline {
        put(keys, APP, "deadline", Value::Span(deadline));
    }
    if let Some(outstanding) = app.outstanding {
        put(keys, APP, "outstanding", Value::Count(outstanding.into()));
    }
    match app.stages.as_slice() {
        [stage] if stage.name == "process" || app.prepare != Distribution::Constant(0.0) => {
            put(keys, APP, "prepare", Value::Distribution(app.prepare.clone()));
            put(keys, APP, "process", Value::Distribution(stage.work.clone()));
            put(keys, APP, "result", Value::Distribution(stage.output.clone()));
        }
        stages => {
            for stage in stages {
                let mut part = Part::empty(STAGE, "", Place::default());
                put(&mut part.keys, STAGE, "name", Value::Text(stage.name.as_str().into()));
                put(&mut part.keys, STAGE, "work", Value::Distribution(stage.work.clone()));
                put(&mut part.keys, STAGE, "output", Value::Distribution(stage.output.clone()));
                written.stages.push(part);
            }
        }
    }
    written.app = Some(part);
    written.tiers = deployment.tiers.iter().map(from_tier).collect();
    written.links = deployment.links.iter().map(|link| from_link(deployment, link)).collect();
    let placement = &deployment.placement;
    let keys = &mut written.deploy.keys;
    put(keys, DEPLOY, "target", Value::Text(deployment.targets().name.as_str().into()));
    put(keys, DEPLOY, "cut", Value::Count(placement.cut.into()));
    put(keys, DEPLOY, "workers", Value::Count(placement.workers.into()));
    put(keys, DEPLOY, "balance", word(DEPLOY, "balance", balance(placement.balance)));
    put(keys, DEPLOY, "queue", Value::Queue(placement.queue));
    let drop = match placement.drop {
        Drop::Newest => "newest",
        Drop::Oldest => "oldest",
    };
    put(keys, DEPLOY, "drop", word(DEPLOY, "drop", drop));
    put(keys, DEPLOY, "provider", word(DEPLOY, "provider", provider(placement.provider)));
    put(keys, DEPLOY, "manager", word(DEPLOY, "manager", manager(placement.manager)));
    if let Some(pods) = &placement.pods {
        put(keys, DEPLOY, "pods", Value::Count(pods.per_node.into()));
        put(keys, DEPLOY, "start", word(DEPLOY, "start", start(pods.start)));
        if pods.cpu_request > 0.0 {
            put(keys, DEPLOY, "pod_cpu", Value::Number(pods.cpu_request));
        }
        put(keys, DEPLOY, "pod_memory", Value::Number(pods.memory_request_bytes as f64));
        if let Some(limit) = pods.cpu_limit {
            put(keys, DEPLOY, "pod_cpu_limit", Value::Number(limit));
        }
        put(keys, DEPLOY, "image", Value::Number(pods.image_bytes as f64));
    }
    written
}

fn from_tier(tier: &Tier) -> Part {
    let mut part = Part::empty(TIER, &tier.name, Place::default());
    let keys = &mut part.keys;
    put(keys, TIER, "nodes", Value::Count(tier.nodes.into()));
    put(keys, TIER, "cores", Value::Number(tier.cores.into()));
    put(keys, TIER, "quota", Value::Number(tier.quota));
    put(keys, TIER, "speed", Value::Number(tier.speed));
    if let Some(memory) = tier.memory_bytes {
        put(keys, TIER, "memory", Value::Number(memory as f64));
    }
    if let Some(power) = &tier.power {
        put(keys, TIER, "power", Value::Power(power.clone()));
    }
    put(keys, TIER, "price", Value::Number(tier.price_usd_per_hour));
    part
}

fn from_link(deployment: &Deployment, link: &offing_core::Link) -> WrittenLink {
    let mut keys = no_values(LINK);
    let mut own = [no_values(DIRECTION), no_values(DIRECTION)];
    let ends = link.between.map(|at| Arc::from(deployment.tiers[at].name.as_str()));
    put(&mut keys, LINK, "between", Value::Ends(ends));
    let [ups, downs] = [direction_values(&link.up), direction_values(&link.down)];
    for (at, (up, down)) in ups.into_iter().zip(downs).enumerate() {
        if up == down {
            Arc::make_mut(&mut keys)[of_link(at)] = up.and_then(slot);
        } else {
            let [first, second] = &mut own;
            Arc::make_mut(first)[at] = up.and_then(slot);
            Arc::make_mut(second)[at] = down.and_then(slot);
        }
    }
    let sharing = match link.sharing {
        Sharing::Fifo => "fifo",
        Sharing::Fair => "fair",
    };
    put(&mut keys, LINK, "sharing", word(LINK, "sharing", sharing));
    let scope = match link.scope {
        Scope::Node => "node",
        Scope::Pair => "pair",
        Scope::Tier => "tier",
    };
    put(&mut keys, LINK, "scope", word(LINK, "scope", scope));
    let [up, down] = own;
    WrittenLink { place: Place::default(), keys, up, down }
}

fn balance(balance: Balance) -> &'static str {
    match balance {
        Balance::Static => "static",
        Balance::RoundRobin => "round-robin",
        Balance::Random => "random",
        Balance::LeastWaiting => "least-waiting",
        Balance::Connection => "connection",
    }
}

fn start(start: Start) -> &'static str {
    match start {
        Start::Job => "job",
        Start::Jobs => "jobs",
        Start::Calls => "calls",
        Start::Containers => "containers",
    }
}

fn provider(provider: Provider) -> &'static str {
    match provider {
        Provider::Docker => "docker",
        Provider::Qemu => "qemu",
        Provider::Gcp => "gcp",
        Provider::Aws => "aws",
        Provider::Baremetal => "baremetal",
    }
}

fn manager(manager: Manager) -> &'static str {
    match manager {
        Manager::None => "none",
        Manager::Kubernetes => "kubernetes",
        Manager::Kubeedge => "kubeedge",
        Manager::Openfaas => "openfaas",
        Manager::Kubecontrol => "kubecontrol",
        Manager::KubeKata => "kube-kata",
        Manager::Mist => "mist",
    }
}
