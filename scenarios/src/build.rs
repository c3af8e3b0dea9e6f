//! From what a file says to a deployment: defaults, and what keys say together.

use std::sync::Arc;

use offing_core::{
    App, Arrivals, Balance, Deployment, Direction, Distribution, Drop, Link, Manager, Placement, Pods,
    Provider, Rate, Scope, Sharing, Span, Stage, Start, Tier, units,
};

use crate::issue::Severity;
use crate::keys::{APP, DEPLOY, DIRECTION, Key, LINK, MOST_REQUESTS, ROOT, STAGE, TIER, index};
use crate::raw::Place;
use crate::value::{Value, list};
use crate::written::{Part, Section, Slot, Written};

/// The latest instant that a run may reach if all its work were done one request after the other [s]. Engines
/// count nanoseconds in 64 bits, which last for 584 years; this leaves room for unlucky draws.
const LAST_INSTANT_S: f64 = 5e9;

/// Bytes of one delivery opportunity of a rate trace.
const PACKET_BYTES: f64 = 1500.0;

/// Something that keys say together and that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub severity: Severity,
    pub place: Place,
    pub key: String,
    pub message: String,
    pub hint: String,
}

macro_rules! get {
    ($section:expr, $keys:ident . $name:literal) => {
        $section[const { index($keys, $name) }].as_ref()
    };
}

/// What comes out of building: a deployment, unless there is an error among the problems.
pub(crate) struct Built {
    pub deployment: Option<Deployment>,
    pub problems: Vec<Problem>,
}

/// Builds the deployment that is written.
pub(crate) fn build(written: &Written) -> Built {
    let mut builder = Builder { written, problems: Vec::new() };
    let deployment = builder.deployment();
    let failed = builder.problems.iter().any(|problem| problem.severity == Severity::Error);
    Built { deployment: deployment.filter(|_| !failed), problems: builder.problems }
}

struct Builder<'w> {
    written: &'w Written,
    problems: Vec<Problem>,
}

impl<'w> Builder<'w> {
    fn deployment(&mut self) -> Option<Deployment> {
        let written = self.written;
        let app_part = self.app_part();
        let stages = app_part.and_then(|part| self.stages(part));
        let mut tiers: Vec<Tier> = written.tiers.iter().map(tier).collect();
        let endpoint = self.endpoint(&tiers);
        let target_name = self.target();
        let mist_is_named = target_name.as_deref() == Some("mist") || self.a_link_names_mist();
        // A peer endpoint is like any other endpoint; there is one of them unless the file says more.
        let target_part = |name: &str| {
            written.tier(name).or_else(|| (name == "mist").then_some(endpoint?)).map(|at| &written.tiers[at])
        };
        if let (true, None, Some(endpoint)) = (mist_is_named, written.tier("mist"), endpoint) {
            tiers.push(Tier { name: "mist".into(), nodes: 1, ..tiers[endpoint].clone() });
        }
        let at = |name: &str| tiers.iter().position(|tier| tier.name == name);
        let links = self.links(&at, target_name.as_deref());
        let target = target_name.as_deref().and_then(at);
        if let Some(target) = target
            && tiers[target].nodes == 0
        {
            let name = &tiers[target].name;
            self.error(
                self.nodes_place(name),
                format!("tier.{name}.nodes"),
                "the target has no nodes",
                "write at least 1, or choose another `deploy.target`",
            );
        }
        let policy = target_name.as_deref().and_then(target_part);
        let cut = self.cut(stages.as_ref().map(Vec::len));
        let (part, stages, endpoint, target, policy) = (app_part?, stages?, endpoint?, target?, policy?);
        let nodes = tiers[endpoint].nodes;
        let arrivals = match get!(part.keys, APP."arrivals").map(|slot| &slot.value) {
            Some(Value::Arrivals(arrivals)) => arrivals.clone(),
            _ => Arrivals::Periodic,
        };
        self.trace_names_known_endpoints(part, &arrivals, nodes);
        let rate_hz = self.rate(part, &arrivals, nodes)?;
        let duration = self.duration(rate_hz, nodes)?;
        let warm_up = span(get!(written.root, ROOT."warm_up")).unwrap_or(Span::ZERO);
        if warm_up >= duration {
            self.error(
                place_of(get!(written.root, ROOT."warm_up")),
                "warm_up".into(),
                format!("nothing is left to report: the run ends at {}", units::write_span(duration)),
                "write a `warm_up` shorter than the run",
            );
        }
        let app = App {
            rate_hz,
            arrivals,
            frame: distribution(get!(part.keys, APP."frame")).unwrap_or(Distribution::Constant(0.0)),
            prepare: distribution(get!(part.keys, APP."prepare")).unwrap_or(Distribution::Constant(0.0)),
            stages,
            memory_bytes: number(get!(part.keys, APP."memory")).unwrap_or(0.0).round() as u64,
            deadline: span(get!(part.keys, APP."deadline")),
            outstanding: count(get!(part.keys, APP."outstanding")),
        };
        let deploy = &written.deploy.keys;
        let placement = Placement {
            endpoint,
            target,
            cut,
            workers: count(get!(deploy, DEPLOY."workers")).unwrap_or_else(|| workers(policy)),
            balance: word(get!(deploy, DEPLOY."balance").or(get!(policy.keys, TIER."balance")))
                .map_or(Balance::Static, balance),
            queue: queue(get!(deploy, DEPLOY."queue").or(get!(policy.keys, TIER."queue"))),
            drop: match word(get!(deploy, DEPLOY."drop").or(get!(policy.keys, TIER."drop"))) {
                Some("oldest") => Drop::Oldest,
                _ => Drop::Newest,
            },
            provider: word(get!(deploy, DEPLOY."provider")).map_or(Provider::Docker, provider),
            manager: word(get!(deploy, DEPLOY."manager")).map_or(Manager::None, manager),
            pods: self.pods(),
        };
        let deployment = Deployment { app, tiers, links, placement, duration, warm_up };
        self.is_not_too_long(&deployment);
        Some(deployment)
    }

    /// How the workers are packed; nothing where the file says no word about it.
    fn pods(&mut self) -> Option<Pods> {
        let keys = &self.written.deploy.keys;
        let all = [
            ("pods", get!(keys, DEPLOY."pods")),
            ("start", get!(keys, DEPLOY."start")),
            ("pod_cpu", get!(keys, DEPLOY."pod_cpu")),
            ("pod_memory", get!(keys, DEPLOY."pod_memory")),
            ("pod_cpu_limit", get!(keys, DEPLOY."pod_cpu_limit")),
            ("image", get!(keys, DEPLOY."image")),
        ];
        let (name, first) = all.iter().find_map(|(name, slot)| Some((*name, slot.as_ref()?)))?;
        let named = word(get!(keys, DEPLOY."manager")).unwrap_or("none");
        if !manager(named).has_pods() {
            let message = format!("there are no pods with `manager = \"{named}\"`");
            let hint = "set `deploy.manager = \"kubernetes\"`, or remove the key";
            self.error(first.place, format!("deploy.{name}"), message, hint);
        }
        let [pods, start, cpu, memory, limit, image] = all.map(|(_, slot)| slot);
        let request = number(cpu).unwrap_or(0.0);
        if let (Some(most), Some(slot)) = (number(limit), limit)
            && most < request
        {
            let message = format!("the limit of a pod, {most} cores, is below its request, {request}");
            self.error(slot.place, "deploy.pod_cpu_limit".into(), message, "raise it, or lower `pod_cpu`");
        }
        Some(Pods {
            per_node: count(pods).unwrap_or(1),
            start: match word(start) {
                Some("jobs") => Start::Jobs,
                Some("calls") => Start::Calls,
                Some("containers") => Start::Containers,
                _ => Start::Job,
            },
            cpu_request: request,
            memory_request_bytes: number(memory).unwrap_or(0.0).round() as u64,
            cpu_limit: number(limit),
            image_bytes: number(image).unwrap_or(0.0).round() as u64,
        })
    }

    fn error(&mut self, place: Place, key: String, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint) = (message.into(), hint.into());
        self.problems.push(Problem { severity: Severity::Error, place, key, message, hint });
    }

    fn missing(&mut self, place: Place, table: &str, keys: &[Key], name: &str) {
        let key = &keys[keys.iter().position(|key| key.name == name).expect("a key of the table")];
        let hint = format!("write for example `{name} = {}`", key.example);
        self.error(place, format!("{table}.{name}"), "missing", hint);
    }

    fn app_part(&mut self) -> Option<&'w Part> {
        if self.written.app.is_none() {
            let hint = "write `[app]` with `rate`, `frame` and `process`";
            self.error(Place::default(), "app".into(), "missing", hint);
        }
        self.written.app.as_ref()
    }

    /// The stages; `process` and `result` make a single one.
    fn stages(&mut self, app: &Part) -> Option<Vec<Stage>> {
        if get!(app.keys, APP."frame").is_none() {
            self.missing(app.place, "app", APP, "frame");
        }
        if self.written.stages.is_empty() {
            let Some(process) = get!(app.keys, APP."process") else {
                self.missing(app.place, "app", APP, "process");
                return None;
            };
            let work = distribution(Some(process))?;
            let output = distribution(get!(app.keys, APP."result")).unwrap_or(Distribution::Constant(0.0));
            return Some(vec![Stage { name: "process".into(), work, output }]);
        }
        for (name, slot, instead) in [
            ("process", get!(app.keys, APP."process"), "write the work of each stage as its `work`"),
            ("prepare", get!(app.keys, APP."prepare"), "make it a stage, and count it in `deploy.cut`"),
            ("result", get!(app.keys, APP."result"), "write it as the `output` of the last stage"),
        ] {
            if let Some(slot) = slot {
                let message = format!("`{name}` and `[[app.stage]]` exclude each other");
                self.error(slot.place, format!("app.{name}"), message, instead);
            }
        }
        let mut stages = Vec::new();
        for (at, stage) in self.written.stages.iter().enumerate() {
            let work = get!(stage.keys, STAGE."work");
            if work.is_none() {
                self.missing(stage.place, &format!("app.stage.{at}"), STAGE, "work");
            }
            let name = match get!(stage.keys, STAGE."name").map(|slot| &slot.value) {
                Some(Value::Text(name)) => name.to_string(),
                _ => at.to_string(),
            };
            let output =
                distribution(get!(stage.keys, STAGE."output")).unwrap_or(Distribution::Constant(0.0));
            stages.push(distribution(work).map(|work| Stage { name, work, output }));
        }
        stages.into_iter().collect()
    }

    fn endpoint(&mut self, tiers: &[Tier]) -> Option<usize> {
        let at = self.written.tier("endpoint");
        match at {
            None => {
                let hint = "write `[tier.endpoint]` with the `nodes` that make the requests";
                self.error(Place::default(), "tier.endpoint".into(), "missing", hint);
            }
            Some(at) if tiers[at].nodes == 0 => {
                let place = self.nodes_place("endpoint");
                self.error(place, "tier.endpoint.nodes".into(), "nobody makes requests", "write at least 1");
            }
            Some(_) => {}
        }
        at
    }

    fn nodes_place(&self, tier: &str) -> Place {
        self.written.tier(tier).map_or(Place::default(), |at| {
            let tier = &self.written.tiers[at];
            get!(tier.keys, TIER."nodes").map_or(tier.place, |slot| slot.place)
        })
    }

    fn target(&mut self) -> Option<Arc<str>> {
        let deploy = &self.written.deploy;
        match get!(deploy.keys, DEPLOY."target").map(|slot| &slot.value) {
            Some(Value::Text(name)) => Some(Arc::clone(name)),
            Some(_) => None,
            None => {
                let known: Vec<&str> = self.written.tiers.iter().map(|tier| &*tier.name).collect();
                let hint = match known.as_slice() {
                    [] => "write for example `target = \"cloud\"` in `[deploy]`".into(),
                    known => format!("write `target` in `[deploy]`: {}", list(known, "or")),
                };
                self.error(deploy.place, "deploy.target".into(), "missing", hint);
                None
            }
        }
    }

    fn a_link_names_mist(&self) -> bool {
        (0..self.written.links.len())
            .any(|at| self.written.link_ends(at).is_some_and(|ends| ends.iter().any(|end| &**end == "mist")))
    }

    /// The links, each pair of tiers at most once.
    fn links(&mut self, at: &dyn Fn(&str) -> Option<usize>, target: Option<&str>) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::with_capacity(self.written.links.len());
        let has_mist_link = (0..self.written.links.len()).any(|at| {
            self.written.link_ends(at).is_some_and(|ends| {
                matches!([&*ends[0], &*ends[1]], ["endpoint", "mist"] | ["mist", "endpoint"])
            })
        });
        for (number, link) in self.written.links.iter().enumerate() {
            let place = get!(link.keys, LINK."between").map_or(link.place, |slot| slot.place);
            if get!(link.keys, LINK."between").is_none() {
                self.missing(place, &format!("link.{number}"), LINK, "between");
            }
            let Some([first, second]) = self.written.link_ends(number) else { continue };
            let key = || format!("link.{number}.between");
            if first == second && &**first != "endpoint" {
                let hint = "write the names of two tiers, for example `[\"endpoint\", \"cloud\"]`";
                self.error(place, key(), "a link joins two tiers", hint);
                continue;
            }
            // Between endpoints is where a peer endpoint is reached, unless a link to `mist` says otherwise.
            let between = if first == second && target == Some("mist") && !has_mist_link {
                [at("endpoint"), at("mist")]
            } else {
                [at(first), at(second)]
            };
            let [Some(a), Some(b)] = between else { continue };
            if links.iter().any(|other| other.between == [a, b] || other.between == [b, a]) {
                let message = format!("there is another link between `{first}` and `{second}`");
                self.error(place, key(), message, "keep one; `up` and `down` hold what differs by direction");
                continue;
            }
            links.push(Link {
                between: [a, b],
                up: direction(&link.keys, &link.up, true),
                down: direction(&link.keys, &link.down, false),
                sharing: match word(get!(link.keys, LINK."sharing")) {
                    Some("fair") => Sharing::Fair,
                    _ => Sharing::Fifo,
                },
                scope: match word(get!(link.keys, LINK."scope")) {
                    Some("pair") => Scope::Pair,
                    Some("tier") => Scope::Tier,
                    _ => Scope::Node,
                },
            });
        }
        links
    }

    fn cut(&mut self, stages: Option<usize>) -> u32 {
        let slot = get!(self.written.deploy.keys, DEPLOY."cut");
        let cut: u32 = count(slot).unwrap_or(0);
        if let Some(stages) = stages
            && cut as usize >= stages
            && cut > 0
        {
            let message = format!(
                "no stage is left for the target: there {}",
                if stages == 1 { "is 1 stage".into() } else { format!("are {stages} stages") }
            );
            let hint = match stages {
                1 => "remove it, or write the application as `[[app.stage]]`s".into(),
                n => format!("write at most {}; `target = \"endpoint\"` keeps all stages there", n - 1),
            };
            self.error(place_of(slot), "deploy.cut".into(), message, hint);
        }
        cut
    }

    fn trace_names_known_endpoints(&mut self, app: &Part, arrivals: &Arrivals, nodes: u32) {
        if let Arrivals::Trace { source, arrivals } = arrivals
            && let Some(endpoint) = arrivals.iter().filter_map(|arrival| arrival.endpoint).max()
            && endpoint >= nodes
        {
            let message =
                format!("`{source}` names endpoint {endpoint}, but there are {nodes}, counted from 0");
            let place = place_of(get!(app.keys, APP."arrivals"));
            self.error(
                place,
                "app.arrivals".into(),
                message,
                "raise `tier.endpoint.nodes`, or change the trace",
            );
        }
    }

    /// Requests per second and endpoint.
    fn rate(&mut self, app: &Part, arrivals: &Arrivals, nodes: u32) -> Option<f64> {
        let slot = get!(app.keys, APP."rate");
        let Arrivals::Trace { source, arrivals } = arrivals else {
            // Trace arrivals that could not be read need no rate either.
            let arrivals_are_bad =
                get!(app.keys, APP."arrivals").is_some_and(|slot| slot.value == Value::Bad);
            if slot.is_none() && !arrivals_are_bad {
                self.missing(app.place, "app", APP, "rate");
            }
            return number(slot);
        };
        if let Some(slot) = slot {
            self.problems.push(Problem {
                severity: Severity::Warning,
                place: slot.place,
                key: "app.rate".into(),
                message: format!("not used: `{source}` says when requests are emitted"),
                hint: "remove it; the rate is the mean of the trace".into(),
            });
        }
        // The mean is that of the whole trace, however much of it a run plays.
        let per_endpoint: f64 = arrivals
            .iter()
            .map(|arrival| if arrival.endpoint.is_some() { 1.0 / f64::from(nodes.max(1)) } else { 1.0 })
            .sum();
        let rate_hz = per_endpoint / arrivals.last().map_or(0.0, |last| last.at.as_secs_f64());
        if rate_hz.is_finite() {
            return Some(rate_hz);
        }
        let message = format!("all arrivals of `{source}` are at 0");
        let place = place_of(get!(app.keys, APP."arrivals"));
        self.error(place, "app.arrivals".into(), message, "write the instants since the start of the run");
        None
    }

    fn duration(&mut self, rate_hz: f64, nodes: u32) -> Option<Span> {
        let (duration, requests) =
            (get!(self.written.root, ROOT."duration"), get!(self.written.root, ROOT."requests"));
        if let (Some(_), Some(requests)) = (duration, requests) {
            let message = "`duration` and `requests` exclude each other";
            self.error(requests.place, "requests".into(), message, "keep one of them");
            return None;
        }
        let Some(slot) = requests else {
            return match duration {
                Some(slot) => span(Some(slot)),
                None => Some(DEFAULT_DURATION),
            };
        };
        let Value::Count(requests) = slot.value else { return None };
        let seconds = requests as f64 / (rate_hz * f64::from(nodes.max(1)));
        match Span::from_secs_f64(seconds) {
            Some(span) if seconds <= 31_622_400.0 && span > Span::ZERO => Some(span),
            _ => {
                let message = format!("{requests} requests take {seconds:.3e} s at this rate");
                self.error(
                    slot.place,
                    "requests".into(),
                    message,
                    "the longest run is 366 d and the shortest 1 ns",
                );
                None
            }
        }
    }

    /// Refuses runs that no engine can hold or finish.
    fn is_not_too_long(&mut self, deployment: &Deployment) {
        let requests = deployment.app.rate_hz
            * f64::from(deployment.endpoints().nodes)
            * deployment.duration.as_secs_f64();
        let root = &self.written.root;
        let place = place_of(get!(root, ROOT."requests").or(get!(root, ROOT."duration")));
        if requests > MOST_REQUESTS {
            let message = format!("about {requests:.1e} requests would be emitted");
            let hint = format!(
                "the largest number is {MOST_REQUESTS:e}: lower `app.rate`, `tier.endpoint.nodes` or `duration`"
            );
            self.error(place, "duration".into(), message, hint);
            return;
        }
        let last = deployment.duration.as_secs_f64() + requests * longest_request_s(deployment);
        if last > LAST_INSTANT_S {
            let message =
                format!("{requests:.1e} requests one after the other take {:.0} years", last / 31_557_600.0);
            let hint = format!(
                "the longest time is {:.0} years: lower the work or the sizes, raise the rates, or shorten the run",
                LAST_INSTANT_S / 31_557_600.0
            );
            self.error(place, "duration".into(), message, hint);
        }
    }
}

/// Time of one request alone on the slowest nodes and over every link that it may cross [s].
fn longest_request_s(deployment: &Deployment) -> f64 {
    let app = &deployment.app;
    let work: f64 = mean(&app.prepare) + app.stages.iter().map(|stage| mean(&stage.work)).sum::<f64>();
    let used = [deployment.endpoints(), deployment.targets()];
    let slowest = used.iter().map(|tier| tier.speed * tier.quota).fold(f64::INFINITY, f64::min);
    let bytes = app.stages.iter().map(|stage| mean(&stage.output)).fold(mean(&app.frame), f64::max);
    let network: f64 = match deployment.link(deployment.placement.endpoint, deployment.placement.target) {
        None => 0.0,
        Some((link, _)) => [&link.up, &link.down]
            .into_iter()
            .map(|direction| {
                let sending = 8.0 * bytes / rate_bit_s(&direction.rate) / (1.0 - direction.loss);
                let delay = (direction.latency + direction.jitter).as_secs_f64();
                let acknowledged = direction
                    .window_bytes
                    .map_or(0.0, |window| 2.0 * direction.latency.as_secs_f64() * bytes / window);
                sending.max(acknowledged) + delay / (1.0 - direction.loss)
            })
            .sum(),
    };
    work / slowest + network
}

/// The mean rate of a link; infinite where it is unlimited.
pub(crate) fn rate_bit_s(rate: &Rate) -> f64 {
    match rate {
        Rate::Unlimited => f64::INFINITY,
        Rate::BitPerS(rate_bit_s) => *rate_bit_s,
        Rate::Trace { opportunities, .. } => {
            let round = opportunities.last().copied().unwrap_or(Span::ZERO).as_secs_f64();
            opportunities.len() as f64 * PACKET_BYTES * 8.0 / round
        }
    }
}

/// The mean of a distribution; that of a normal one before the cut.
pub(crate) fn mean(distribution: &Distribution) -> f64 {
    match distribution {
        Distribution::Constant(value) => *value,
        Distribution::Exponential { mean }
        | Distribution::Lognormal { mean, .. }
        | Distribution::Gamma { mean, .. }
        | Distribution::Normal { mean, .. } => *mean,
        Distribution::Uniform { from, to } => (from + to) / 2.0,
        Distribution::Empirical { values, .. } => values.iter().sum::<f64>() / values.len() as f64,
        Distribution::Quantiles(quantiles) => {
            let pieces = (quantiles.len() - 1) as f64;
            quantiles.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).sum::<f64>() / pieces
        }
    }
}

/// Why a deployment that is described without contradiction cannot work, with the numbers; empty if it can.
///
/// A design space may well contain such deployments, so this is not an error of the file.
pub fn infeasible(deployment: &Deployment) -> Vec<String> {
    let (target, workers, memory) =
        (deployment.targets(), deployment.placement.workers, deployment.app.memory_bytes);
    let needed = u128::from(workers) * u128::from(memory);
    let size = |bytes: f64| units::write_bytes(bytes);
    match target.memory_bytes {
        Some(available) if needed > u128::from(available) => vec![format!(
            "memory does not fit: {workers} {} of {} need {}, and a node of tier `{}` has {}",
            if workers == 1 { "worker" } else { "workers" },
            size(memory as f64),
            size(needed as f64),
            target.name,
            size(available as f64)
        )],
        _ => Vec::new(),
    }
}

/// What `duration` is when neither it nor `requests` is given.
const DEFAULT_DURATION: Span = Span::from_millis(300_000);

fn tier(part: &Part) -> Tier {
    let keys = &part.keys;
    let cores = number(get!(keys, TIER."cores")).unwrap_or(1.0);
    let whole = cores.ceil();
    let quota = number(get!(keys, TIER."quota")).unwrap_or(1.0);
    Tier {
        name: part.name.to_string(),
        nodes: count(get!(keys, TIER."nodes")).unwrap_or(1),
        cores: whole as u32,
        // Half a core is a whole core for half of the time.
        quota: if whole == cores { quota } else { quota * (cores / whole) },
        speed: number(get!(keys, TIER."speed")).unwrap_or(1.0),
        memory_bytes: number(get!(keys, TIER."memory")).map(|bytes| bytes.round() as u64),
        power: match get!(keys, TIER."power").map(|slot| &slot.value) {
            Some(Value::Power(power)) => Some(power.clone()),
            _ => None,
        },
        price_usd_per_hour: number(get!(keys, TIER."price")).unwrap_or(0.0),
    }
}

/// Worker processes of a tier where `deploy.workers` says nothing: half a core is left to the system.
pub(crate) fn workers(part: &Part) -> u32 {
    count(get!(part.keys, TIER."workers")).unwrap_or_else(|| {
        let cores = number(get!(part.keys, TIER."cores")).unwrap_or(1.0);
        (cores - 0.5).floor().max(1.0) as u32
    })
}

/// One direction: what is said of it alone, else of the link, else of the preset.
pub(crate) fn direction(link: &Section, own: &Section, up: bool) -> Direction {
    let mut direction = match get!(link, LINK."preset").map(|slot| &slot.value) {
        Some(Value::Preset(_, preset)) if up => preset.up.clone(),
        Some(Value::Preset(_, preset)) => preset.down.clone(),
        _ => Direction::default(),
    };
    if let Some(latency) = span(get!(own, DIRECTION."latency").or(get!(link, LINK."latency"))) {
        direction.latency = latency;
    }
    if let Some(jitter) = span(get!(own, DIRECTION."jitter").or(get!(link, LINK."jitter"))) {
        direction.jitter = jitter;
    }
    if let Some(Value::Rate(rate)) =
        get!(own, DIRECTION."rate").or(get!(link, LINK."rate")).map(|slot| &slot.value)
    {
        direction.rate = rate.clone();
    }
    if let Some(loss) = number(get!(own, DIRECTION."loss").or(get!(link, LINK."loss"))) {
        direction.loss = loss;
    }
    if let Some(window) = number(get!(own, DIRECTION."window").or(get!(link, LINK."window"))) {
        direction.window_bytes = Some(window);
    }
    direction
}

fn place_of(slot: Option<&Slot>) -> Place {
    slot.map_or(Place::default(), |slot| slot.place)
}

fn number(slot: Option<&Slot>) -> Option<f64> {
    match slot?.value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// The tables keep all counts but the seed and the requests below 2^32.
fn count(slot: Option<&Slot>) -> Option<u32> {
    match slot?.value {
        Value::Count(count) => Some(u32::try_from(count).expect("the key's range is below 2^32")),
        _ => None,
    }
}

fn span(slot: Option<&Slot>) -> Option<Span> {
    match slot?.value {
        Value::Span(span) => Some(span),
        _ => None,
    }
}

fn distribution(slot: Option<&Slot>) -> Option<Distribution> {
    match &slot?.value {
        Value::Distribution(distribution) => Some(distribution.clone()),
        _ => None,
    }
}

fn word(slot: Option<&Slot>) -> Option<&'static str> {
    match slot?.value {
        Value::Choice(word) => Some(word),
        _ => None,
    }
}

fn queue(slot: Option<&Slot>) -> Option<u32> {
    match slot?.value {
        Value::Queue(limit) => limit,
        _ => None,
    }
}

fn balance(word: &str) -> Balance {
    match word {
        "round-robin" => Balance::RoundRobin,
        "random" => Balance::Random,
        "least-waiting" => Balance::LeastWaiting,
        "connection" => Balance::Connection,
        _ => Balance::Static,
    }
}

fn provider(word: &str) -> Provider {
    match word {
        "qemu" => Provider::Qemu,
        "gcp" => Provider::Gcp,
        "aws" => Provider::Aws,
        "baremetal" => Provider::Baremetal,
        _ => Provider::Docker,
    }
}

fn manager(word: &str) -> Manager {
    match word {
        "kubernetes" => Manager::Kubernetes,
        "kubeedge" => Manager::Kubeedge,
        "openfaas" => Manager::Openfaas,
        "kubecontrol" => Manager::Kubecontrol,
        "kube-kata" => Manager::KubeKata,
        "mist" => Manager::Mist,
        _ => Manager::None,
    }
}
