//! Writes a deployment as a file that Continuum accepts, and reads it back before it is handed out.

use std::fmt::Write;

use offing_core::{Arrivals, Balance, Deployment, Direction, Manager, Provider, Rate, Scope, Sharing, Tier};

use super::derived::Semantics;
use super::links::{Shape, preset};
use super::place::{Nodes, Placed, PlacedLink, place};
use super::strict::strict;
use crate::{Issue, Severity};

const GIB: u64 = 1 << 30;

/// Size of a controller that the deployment does not have: its cores and memory [GB] change no prediction.
const CONTROLLER: (u32, u64) = (4, 4);

/// The text of a `.cfg` and what it does not carry, or every reason why there is none.
pub fn from_deployment(deployment: &Deployment, name: &str) -> Result<(String, Vec<Issue>), Vec<Issue>> {
    let mut export = Export { name, issues: Vec::new() };
    let wanted = export.wanted(deployment);
    if export.issues.iter().any(|issue| issue.severity == Severity::Error) {
        return Err(export.issues);
    }
    let wanted = wanted.expect("what is missing is an issue");
    // A file that means the deployment either way is better than one that does so by the code only.
    let both = [Semantics::Continuum, Semantics::Intended];
    let texts = candidates(&wanted, name);
    for needed in [&both[..], &both[..1], &both[1..]] {
        let Some(text) = texts.iter().find(|text| reads_as(text, &wanted, needed)) else { continue };
        if needed == &both[1..] {
            let message = "Continuum's code does something else than this file says; it reads back as this deployment \
                           only with `--semantics intended`";
            export.warn("", message);
        }
        return Ok((text.clone(), export.issues));
    }
    export.explain(&wanted);
    Err(export.issues)
}

/// Whether Continuum accepts a text and it means what is wanted, by each of the semantics.
fn reads_as(text: &str, wanted: &Placed, semantics: &[Semantics]) -> bool {
    let Ok(resolved) = strict(text, "export.cfg") else { return false };
    semantics.iter().all(|s| place(&resolved, *s).is_ok_and(|read| same(&read, wanted)))
}

struct Export<'a> {
    name: &'a str,
    issues: Vec<Issue>,
}

impl Export<'_> {
    fn add(&mut self, severity: Severity, key: &str, message: String, hint: &str) {
        self.issues.push(Issue {
            severity,
            file: self.name.to_owned(),
            line: 1,
            column: 1,
            key: key.to_owned(),
            message,
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        });
    }

    fn error(&mut self, key: &str, message: impl Into<String>, hint: &str) {
        self.add(Severity::Error, key, message.into(), hint);
    }

    fn warn(&mut self, key: &str, message: impl Into<String>) {
        self.add(Severity::Warning, key, message.into(), "");
    }

    /// What the file has to say; an error for each thing that it cannot.
    fn wanted(&mut self, deployment: &Deployment) -> Option<Placed> {
        let placement = &deployment.placement;
        let targets = deployment.targets();
        let endpoints = deployment.endpoints();
        let offloaded = deployment.is_offloaded();
        self.app(deployment);
        if endpoints.name != "endpoint" {
            let message =
                format!("the requests come from `{}`; Continuum has only endpoints", endpoints.name);
            self.error("tier", message, "name the tier `endpoint`");
        }
        let target = match targets.name.as_str() {
            _ if !offloaded => None,
            "cloud" => Some("cloud"),
            "edge" => Some("edge"),
            other => {
                let message =
                    format!("the target is `{other}`; Continuum processes on endpoint, edge or cloud nodes");
                self.error("deploy.target", message, "choose `endpoint`, `edge` or `cloud`");
                None
            }
        };
        for (i, tier) in deployment.tiers.iter().enumerate() {
            if !deployment.used_tiers().contains(&i) {
                self.warn(&format!("tier.{}", tier.name), "left out, because nothing runs on it");
            }
        }
        if offloaded && targets.nodes > 1 && placement.balance != Balance::Static {
            let message = "in Continuum each endpoint always has the same worker";
            self.error("deploy.balance", message, "set `balance = \"static\"`");
        }
        if placement.queue.is_some() {
            let message = "the queue of a Continuum worker has no bound";
            self.error("deploy.queue", message, "set `queue = \"unlimited\"`");
        }
        if placement.cut > 0 {
            self.error(
                "deploy.cut",
                "Continuum's application has no stage that could stay behind",
                "set `cut = 0`",
            );
        }
        if offloaded && targets.nodes > 0 && !endpoints.nodes.is_multiple_of(targets.nodes) {
            let message =
                format!("{} endpoints do not spread evenly over {} nodes", endpoints.nodes, targets.nodes);
            self.error("tier.endpoint.nodes", message, "use a multiple; Continuum accepts nothing else");
        }
        let provider = self.provider(placement.provider);
        let manager = self.manager(placement.manager, target, offloaded);
        self.outstanding(deployment, manager);
        let link = self.link(deployment);
        let endpoint = self.nodes(endpoints);
        let target_nodes = if offloaded { self.nodes(targets) } else { None };
        if !offloaded && placement.workers != 1 {
            self.error(
                "deploy.workers",
                "a Continuum endpoint processes in one process",
                "set `workers = 1`",
            );
        }
        Some(Placed {
            provider,
            manager,
            rate_hz: self.rate(deployment.app.rate_hz)?,
            duration_s: self.seconds(deployment)?,
            endpoint: endpoint?,
            target: if offloaded { Some((target?, target_nodes?)) } else { None },
            workers: placement.workers,
            link,
            outstanding: deployment.app.outstanding,
        })
    }

    fn app(&mut self, deployment: &Deployment) {
        let app = &deployment.app;
        if app.arrivals != Arrivals::Periodic {
            self.error(
                "app.arrivals",
                "Continuum's endpoints send periodically",
                "set `arrivals = \"periodic\"`",
            );
        }
        if app.stages.len() > 1 {
            let message = "Continuum's application is one stage, not a pipeline";
            self.error("app.stage", message, "use `prepare` and `process` instead of stages");
        }
        let message = "not carried: Continuum's own application has its sizes and CPU times";
        self.warn("app", format!("frame, result, prepare, process and memory are {message}"));
        if app.deadline.is_some() {
            self.warn("app.deadline", "not carried");
        }
        if deployment.warm_up.as_nanos() > 0 {
            self.warn("warm_up", "not carried; Continuum trims its averages instead");
        }
    }

    fn rate(&mut self, rate_hz: f64) -> Option<u64> {
        if rate_hz.fract() == 0.0 && (1.0..=1e15).contains(&rate_hz) {
            return Some(rate_hz as u64);
        }
        let message = format!("`{rate_hz} /s` is not a whole number of at least 1");
        self.error("app.rate", message, "Continuum's frequency is a whole number of Hz");
        None
    }

    fn seconds(&mut self, deployment: &Deployment) -> Option<u64> {
        let nanos = deployment.duration.as_nanos();
        if nanos > 0 && nanos.is_multiple_of(1_000_000_000) {
            return Some(nanos / 1_000_000_000);
        }
        let message = format!("`{}` is not a whole number of seconds", deployment.duration);
        self.error("duration", message, "Continuum's duration is a whole number of seconds, at least 1");
        None
    }

    fn provider(&mut self, provider: Provider) -> Provider {
        match provider {
            Provider::Docker => {
                self.warn("deploy.provider", "Continuum has no Docker provider; qemu is written");
                Provider::Qemu
            }
            Provider::Baremetal => {
                let message = "Continuum's check of bare metal fails whatever the file says";
                self.error("deploy.provider", message, "set `provider = \"qemu\"`");
                provider
            }
            Provider::Qemu | Provider::Gcp | Provider::Aws => provider,
        }
    }

    fn manager(&mut self, manager: Manager, target: Option<&str>, offloaded: bool) -> Manager {
        let needs = match manager {
            Manager::None => {
                let chosen = match target {
                    Some("cloud") => Manager::Kubernetes,
                    Some("edge") => Manager::Kubeedge,
                    _ => return Manager::None,
                };
                let name = if chosen == Manager::Kubernetes { "kubernetes" } else { "kubeedge" };
                let message =
                    format!("Continuum runs nothing on these nodes without a manager; {name} is written");
                self.warn("deploy.manager", message);
                return chosen;
            }
            Manager::Kubernetes | Manager::KubeKata | Manager::Openfaas => "cloud",
            Manager::Kubeedge | Manager::Mist => "edge",
            Manager::Kubecontrol => {
                let message = "Continuum does not run this application with kubecontrol";
                self.error("deploy.manager", message, "set `manager = \"kubernetes\"`");
                return manager;
            }
        };
        if !offloaded {
            self.error("deploy.manager", "Continuum's endpoints have no manager", "set `manager = \"none\"`");
        } else if target.is_some_and(|target| target != needs) {
            let message = format!("this manager runs on {needs} nodes only");
            self.error(
                "deploy.manager",
                message,
                "use kubernetes in the cloud, kubeedge or mist on the edge",
            );
        }
        manager
    }

    fn outstanding(&mut self, deployment: &Deployment, manager: Manager) {
        match (manager, deployment.app.outstanding) {
            (Manager::Openfaas, Some(1)) => {}
            (Manager::Openfaas, _) => {
                let message = "Continuum's endpoints wait for each answer of OpenFaaS";
                self.error("app.outstanding", message, "set `outstanding = 1`");
            }
            (_, Some(_)) => {
                let message = "Continuum's endpoints do not wait for answers, except with OpenFaaS";
                self.error("app.outstanding", message, "remove it, or set `manager = \"openfaas\"`");
            }
            (_, None) => {}
        }
    }

    fn nodes(&mut self, tier: &Tier) -> Option<Nodes> {
        let key = |name: &str| format!("tier.{}.{name}", tier.name);
        if tier.speed != 1.0 {
            let message = format!("Continuum cannot make a node {} times as fast", tier.speed);
            self.error(&key("speed"), message, "set `speed = 1.0`, or change `quota`");
        }
        if !(0.1..=1.0).contains(&tier.quota) {
            let message = format!("`{}` is outside what Continuum accepts", tier.quota);
            self.error(&key("quota"), message, "use 0.1 to 1.0, or other cores");
        }
        if tier.power.is_some() {
            self.warn(&key("power"), "not carried");
        }
        if tier.price_usd_per_hour != 0.0 {
            self.warn(&key("price"), "not carried");
        }
        let memory_gib = match tier.memory_bytes {
            Some(bytes) if bytes > 0 && bytes.is_multiple_of(GIB) => Some(bytes / GIB),
            Some(bytes) => {
                let message = format!("{bytes} bytes are no whole number of GiB");
                self.error(&key("memory"), message, "Continuum's memory is a whole number of GB, at least 1");
                None
            }
            None => {
                self.warn(&key("memory"), "not known; Continuum needs one, so 1 GB per core is written");
                None
            }
        };
        Some(Nodes { nodes: tier.nodes, cores: tier.cores, quota: tier.quota, memory_gib })
    }

    /// The link between endpoints and targets, if anything of it is shaped.
    fn link(&mut self, deployment: &Deployment) -> Option<PlacedLink> {
        if !deployment.is_offloaded() {
            return None;
        }
        let placement = &deployment.placement;
        let (link, forward) = deployment.link(placement.endpoint, placement.target)?;
        let (up, down) = if forward { (&link.up, &link.down) } else { (&link.down, &link.up) };
        if link.sharing != Sharing::Fifo {
            self.error("link.sharing", "Continuum's rate class sends in order", "set `sharing = \"fifo\"`");
        }
        if link.scope == Scope::Tier {
            let message = "Continuum limits each node by itself, not a whole tier";
            self.error("link.scope", message, "set `scope = \"node\"`");
        }
        let (up, down) = (self.way("up", up), self.way("down", down));
        match (up, down) {
            (None, None) => return None,
            (Some(up), Some(down)) if !close(up, down) => {
                self.error("link", "Continuum shapes both ways alike", "set one latency, jitter and rate");
            }
            (None, Some(_)) => self.error("link.up", "Continuum always shapes the way to the target", ""),
            (Some(_), None) if !matches!(placement.provider, Provider::Gcp | Provider::Aws) => {
                let message = "Continuum leaves the way back unshaped on Google Cloud and AWS only";
                self.error("link.down", message, "set both ways alike");
            }
            (Some(_), Some(_))
                if matches!(placement.provider, Provider::Gcp | Provider::Aws)
                    && link.scope == Scope::Node =>
            {
                let message = "Continuum does not shape the way back on Google Cloud and AWS";
                self.error("link.down", message, "use `provider = \"qemu\"`, or leave the way back unshaped");
            }
            _ => {}
        }
        Some(PlacedLink { up, down, scope: link.scope })
    }

    fn way(&mut self, name: &str, way: &Direction) -> Option<Shape> {
        let key = |what: &str| format!("link.{name}.{what}");
        if *way == Direction::default() {
            return None;
        }
        if way.loss > 0.0 {
            self.error(&key("loss"), "Continuum's links lose nothing", "remove the loss");
        }
        if way.window_bytes.is_some() {
            self.error(&key("window"), "Continuum's links have no window", "remove it");
        }
        let rate_mbit_s = match &way.rate {
            Rate::BitPerS(rate) if *rate >= 1e6 => tidy(rate / 1e6),
            Rate::BitPerS(rate) => {
                let message = format!("`{} Mbit/s` is below the least that Continuum accepts", rate / 1e6);
                self.error(&key("rate"), message, "use 1 Mbit/s or more");
                1.0
            }
            Rate::Unlimited => {
                let message = "a link of Continuum always has a rate";
                self.error(&key("rate"), message, "set a rate, for example `1000 Mbit/s`");
                1.0
            }
            Rate::Trace { .. } => {
                self.error(&key("rate"), "Continuum's links have one rate, not a trace of it", "set a rate");
                1.0
            }
        };
        let [latency_ms, jitter_ms] =
            [way.latency, way.jitter].map(|span| tidy(span.as_nanos() as f64 / 1e6));
        Some(Shape { latency_ms, jitter_ms, rate_mbit_s })
    }

    /// Why no file yields the deployment, where the single checks found nothing.
    fn explain(&mut self, wanted: &Placed) {
        if wanted.manager == Manager::Openfaas {
            let message = "OpenFaaS starts a process for each request, so there are as many workers as endpoints per node";
            self.error("deploy.workers", message, "set `workers` to endpoint nodes / target nodes");
        } else if wanted.manager == Manager::Mist {
            let message = "with mist Continuum runs as many worker processes as the node has cores";
            self.error("deploy.workers", message, "set `workers` to the cores of the target");
        } else {
            let message = "no Continuum file yields this combination of workers, cores, quota and links";
            self.error(
                "deploy",
                message,
                "a link without latency has no jitter; other values have bounds, too",
            );
        }
    }
}

/// Without the rounding errors of changed units.
fn tidy(value: f64) -> f64 {
    let rounded = (value * 1e6).round() / 1e6;
    if (rounded - value).abs() <= 1e-9 * value.abs() { rounded } else { value }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn close(a: Shape, b: Shape) -> bool {
    near(a.latency_ms, b.latency_ms) && near(a.jitter_ms, b.jitter_ms) && near(a.rate_mbit_s, b.rate_mbit_s)
}

/// Whether a file that was read back says what was wanted; a memory that was not known may be any.
fn same(read: &Placed, wanted: &Placed) -> bool {
    let nodes = |a: &Nodes, b: &Nodes| {
        let memory = b.memory_gib.is_none() || a.memory_gib == b.memory_gib;
        a.nodes == b.nodes && a.cores == b.cores && near(a.quota, b.quota) && memory
    };
    let targets = match (&read.target, &wanted.target) {
        (None, None) => true,
        (Some((a, x)), Some((b, y))) => a == b && nodes(x, y),
        _ => false,
    };
    let way = |a: Option<Shape>, b: Option<Shape>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => close(a, b),
        _ => false,
    };
    let links = match (&read.link, &wanted.link) {
        (None, None) => true,
        (Some(a), Some(b)) => way(a.up, b.up) && way(a.down, b.down) && a.scope == b.scope,
        _ => false,
    };
    let rest = |p: &Placed| (p.provider, p.manager, p.rate_hz, p.duration_s, p.workers, p.outstanding);
    rest(read) == rest(wanted) && nodes(&read.endpoint, &wanted.endpoint) && targets && links
}

/// Files that may yield what is wanted, the plainest first.
fn candidates(wanted: &Placed, name: &str) -> Vec<String> {
    let Some((_, nodes)) = wanted.target else { return vec![file(wanted, name, 0, 0.0, None)] };
    let workers = wanted.workers;
    let (cores, quota) = (nodes.cores, nodes.quota);
    let explicit = Some(f64::from(workers));
    let sizes = match wanted.manager {
        Manager::Openfaas => vec![(cores, quota, None)],
        // Continuum runs as many processes as the node has cores and limits them together.
        Manager::Mist => {
            let limit = f64::from(cores) * quota;
            vec![
                (workers, quota, None),
                (workers, quota, explicit),
                (workers, 1.0, None),
                (workers, 1.0, Some(limit)),
                (workers, quota, Some(limit)),
                (cores, quota, explicit),
            ]
        }
        // The default of application_worker_cpu is left away where nobody can have meant it otherwise: the
        // documented meaning of a fraction never leaves more capacity than workers.
        _ if cores > 1 && f64::from(cores) * quota > f64::from(workers) && workers == (cores - 1).max(1) => {
            vec![(cores, quota, None), (cores, quota, explicit)]
        }
        _ => vec![(cores, quota, explicit)],
    };
    sizes.into_iter().map(|(cores, quota, cpu)| file(wanted, name, cores, quota, cpu)).collect()
}

fn file(wanted: &Placed, name: &str, cores: u32, quota: f64, worker_cpu: Option<f64>) -> String {
    let mut out = String::new();
    write_file(&mut out, wanted, name, (cores, quota, worker_cpu)).expect("a text takes all");
    out
}

fn write_file(
    out: &mut String,
    wanted: &Placed,
    name: &str,
    (cores, quota, worker_cpu): (u32, f64, Option<f64>),
) -> std::fmt::Result {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    writeln!(out, "# Written by Offing from {name}")?;
    writeln!(out, "[infrastructure]")?;
    let provider = match wanted.provider {
        Provider::Gcp => "gcp",
        Provider::Aws => "aws",
        _ => "qemu",
    };
    writeln!(out, "provider = {provider}\n")?;
    let mut tiers = vec![("endpoint", wanted.endpoint)];
    if let Some((tier, nodes)) = wanted.target {
        let controllers = u32::from(tier == "cloud");
        let count = nodes.nodes.saturating_add(controllers);
        tiers.insert(0, (tier, Nodes { nodes: count, cores, quota, ..nodes }));
        if wanted.manager == Manager::Kubeedge {
            let (cores, memory) = CONTROLLER;
            tiers.insert(0, ("cloud", Nodes { nodes: 1, cores, quota: 1.0, memory_gib: Some(memory) }));
        }
    }
    for (tier, nodes) in &tiers {
        if *tier == "cloud" {
            writeln!(out, "# The first cloud node is the controller and runs no application.")?;
        }
        let memory = nodes.memory_gib.unwrap_or_else(|| u64::from(nodes.cores).max(1));
        writeln!(out, "{tier}_nodes = {}\n{tier}_cores = {}", nodes.nodes, nodes.cores)?;
        writeln!(out, "{tier}_memory = {memory}\n{tier}_quota = {:?}\n", nodes.quota)?;
    }
    if let (Some(link), Some((tier, _))) = (wanted.link, wanted.target) {
        write_link(out, link.up.or(link.down).expect("one way is shaped"), tier)?;
    }
    if provider != "qemu" {
        writeln!(out, "# Fill in your account and machines before you run Continuum.")?;
        for (tier, _) in &tiers {
            writeln!(out, "{provider}_{tier} = FILL_IN")?;
        }
        let account: &[&str] = match provider {
            "gcp" => &["region", "zone", "project", "credentials"],
            _ => &["region", "zone", "access_keys", "secret_access_keys", "ami"],
        };
        for name in account {
            writeln!(out, "{provider}_{name} = FILL_IN")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "[benchmark]")?;
    let manager = match wanted.manager {
        Manager::None => "none",
        Manager::Kubernetes | Manager::Openfaas | Manager::Kubecontrol => "kubernetes",
        Manager::Kubeedge => "kubeedge",
        Manager::KubeKata => "kube_kata",
        Manager::Mist => "mist",
    };
    writeln!(out, "resource_manager = {manager}\napplication = image_classification")?;
    if let Some(cpu) = worker_cpu {
        writeln!(out, "application_worker_cpu = {cpu:?}")?;
    }
    writeln!(out, "frequency = {}\nduration = {}", wanted.rate_hz, wanted.duration_s)?;
    if wanted.manager == Manager::Openfaas {
        writeln!(out, "\n[execution_model]\nmodel = openfaas")?;
    }
    Ok(())
}

/// A preset, and the numbers that differ from it.
fn write_link(out: &mut String, shape: Shape, tier: &str) -> std::fmt::Result {
    let link = format!("{tier}_endpoint");
    let chosen = if near(shape.rate_mbit_s, preset(&link, "5g").rate_mbit_s) { "5g" } else { "4g" };
    let table = preset(&link, chosen);
    writeln!(out, "network_emulation = True\nwireless_network_preset = {chosen}")?;
    for (option, value, default) in [
        ("latency_avg", shape.latency_ms, table.latency_ms),
        ("latency_var", shape.jitter_ms, table.jitter_ms),
        ("throughput", shape.rate_mbit_s, table.rate_mbit_s),
    ] {
        if !near(value, default) {
            writeln!(out, "{link}_{option} = {value:?}")?;
        }
    }
    writeln!(out)
}
