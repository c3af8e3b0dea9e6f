//! What a calibration has found, and how it acts on a prediction: as another deployment.
//!
//! Everything that predicts sees the [effective](ModelSet::effective) deployment in place of the one that was asked
//! for. So engines, loads and bounds need not know of a calibration, and neutral parameters change nothing.
//!
//! ```text
//! work       W' = (W_measured + o) (1 + k u)      where the file's work was measured, else W as it is stated
//! prepare    P' = (P_measured + e (n - n0)) (1 + k u)     likewise; n: mean size of a frame
//! latency    L' = L + f + 2 r L + s m jitter      f: up_fixed or down_fixed; m: see `packets`
//! jitter     J' = sqrt((v jitter)^2 + noise^2)    v: see `packets`, 1 with s = 0
//! rate       8/R' = 8/R (1 + h) + b               s per byte; h: framing, b: per_byte
//! quota      q' = min(1, g q)                     of each worker; with pool = 1: min(1, g q cores / workers)
//! host use   u = (sum over nodes of demand) / host cores
//! ```
//!
//! | symbol | parameter `overheads...` | unit |
//! |---|---|---|
//! | o | worker.overhead (only of what is offloaded) | s |
//! | k | processor.contention | 1 |
//! | e, n0 | endpoint.prepare_per_byte, endpoint.prepare_bytes | s/B, B |
//! | f, r, s | link.up_fixed, link.down_fixed; link.round_trips; link.jitter_shift | s, 1, 1 |
//! | h, b | link.framing, link.per_byte | 1, s/B |
//! | g | processor.quota_share | 1 |
//!
//! Where Kubernetes runs the application ([`Deployment::is_on_kubernetes`]):
//!
//! ```text
//! latency    L' also + `kubernetes.path.pod` + `kubernetes.path.service`, both ways
//! quota      q' = min(q, pods x limit / min(workers, cores)) before a calibration acts on it
//! ```
//!
//! `W_measured` is `service.STAGE.TIER`, or `service.STAGE.any`: quantiles of CPU time at speed 1, used where the
//! parameter's `of` is the work that the scenario states ([`stated`]).
//!
//! A host in use slows down only what no quota stops.
//!
//! With pool = 1 a node of fewer cores than workers is a container: its quota is drawn from by as many cores as the host
//! has for them.
//!
//! Left out: recorded rates keep their opportunities; what the forwarder of links uses of the host.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use offing_core::{Deployment, Direction, Distribution, Link, Rate, Scope, Sharing, Span, Tier};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ModelSet;
use crate::distribution::mean;
use crate::packets::{self, Lateness};
use crate::set::Parameter;

/// Numbers of `overheads` in SI units.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is a parameter of data/overheads.toml, described there")]
pub struct Overheads {
    pub up_fixed_s: f64,
    pub down_fixed_s: f64,
    pub per_byte_s: f64,
    pub framing: f64,
    pub round_trips: f64,
    pub jitter_shift: f64,
    pub noise_s: f64,
    pub quota_share: f64,
    pub is_pool: bool,
    pub contention: f64,
    pub host_cores: f64,
    pub worker_s: f64,
    pub prepare_per_byte_s: f64,
    pub prepare_bytes: f64,
}

impl Overheads {
    /// Nothing is added.
    pub const NEUTRAL: Overheads = Overheads {
        up_fixed_s: 0.0,
        down_fixed_s: 0.0,
        per_byte_s: 0.0,
        framing: 0.0,
        round_trips: 0.0,
        jitter_shift: 0.0,
        noise_s: 0.0,
        quota_share: 1.0,
        is_pool: false,
        contention: 0.0,
        host_cores: 0.0,
        worker_s: 0.0,
        prepare_per_byte_s: 0.0,
        prepare_bytes: 0.0,
    };
}

/// What a set was fitted on: `[fitted]` of a models.toml.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// Day of the fit: year, month, day.
    pub date: String,
    /// Processor, number of cores and kernel of the host that was measured.
    pub host_class: String,
    /// What made the nodes: `docker`, ..
    pub provider: String,
    /// What ran on them: `network`, `burn`, ..
    pub application: String,
    /// How messages went: `mqtt`, `http`, ..
    pub transport: String,
    /// The runs.
    pub runs: Vec<FittedRun>,
    /// Lowest and highest value of each quantity among them.
    #[serde(default)]
    pub range: BTreeMap<String, [f64; 2]>,
    /// Parameters whose errors go together, and their covariance in the units of the parameters.
    #[serde(default)]
    pub covariance: Covariance,
    /// Relative standard deviation of the error on deployments that a fit has not seen, beyond what parameters and runs
    /// explain, by metric (`latency_p95_ms`).
    #[serde(default)]
    pub discrepancy: BTreeMap<String, f64>,
}

/// A run that a set was fitted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedRun {
    /// What it is called.
    pub run: String,
    /// Id of its deployment.
    pub deployment: String,
    /// SHA-256 of its data.
    pub sha256: String,
}

/// Errors that go together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covariance {
    /// Parameters.
    pub names: Vec<String>,
    /// A row for each.
    pub rows: Vec<Vec<f64>>,
}

/// The work or size of a scenario as a short text that equal ones share: compact JSON, or a hash where that is long.
pub fn stated(distribution: &Distribution) -> String {
    let text = serde_json::to_string(distribution).expect("a distribution is plain data");
    if text.len() <= 100 {
        return text;
    }
    let hash = Sha256::digest(&text);
    hash.iter().take(8).fold("sha256:".to_string(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string can be written to");
        text
    })
}

/// Quantities of a deployment that a range of validity is given for, in the units of their names.
pub fn quantities(d: &Deployment) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let target = d.targets();
    let mut put = |name: &str, value: f64| found.insert(name.to_string(), value);
    put("rate_hz", d.app.rate_hz);
    put("workers", f64::from(d.placement.workers));
    put("target_quota", target.quota);
    put("target_cores", f64::from(target.cores));
    put("target_nodes", f64::from(target.nodes));
    put("endpoint_nodes", f64::from(d.endpoints().nodes));
    if d.is_offloaded() {
        put("endpoint_quota", d.endpoints().quota);
        put("frame_bytes", mean(&d.app.frame));
        if let Some((link, forwards)) = d.link(d.placement.endpoint, d.placement.target) {
            let up = if forwards { &link.up } else { &link.down };
            put("latency_ms", up.latency.as_millis_f64());
            put("jitter_ms", up.jitter.as_millis_f64());
            put("loss", up.loss);
            if let Rate::BitPerS(rate) = up.rate {
                put("link_mbit_s", rate / 1e6);
            }
        }
    }
    found
}

impl ModelSet {
    /// The deployment that stands for `d` in every prediction: what was measured in place of what was stated, and what
    /// a real system adds. `d` itself where nothing was fitted.
    pub fn effective<'d>(&self, d: &'d Deployment) -> Cow<'d, Deployment> {
        let (path_s, limited) = (self.path_s(d), limited_by_pods(d));
        if !self.is_calibrated() && path_s == 0.0 && limited.is_none() {
            return Cow::Borrowed(d);
        }
        let own = self.overheads();
        let o = &Overheads {
            up_fixed_s: own.up_fixed_s + path_s,
            down_fixed_s: own.down_fixed_s + path_s,
            ..*own
        };
        let mut e = d.clone();
        if let Some(quota) = limited {
            e.tiers[d.placement.target].quota = quota;
        }
        self.put_measured_work(&mut e, o);
        shape(&mut e, o);
        limit(&mut e.tiers, d, o);
        Cow::Owned(e)
    }

    /// Where the fit says nothing about a deployment, in sentences.
    pub fn outside(&self, d: &Deployment) -> Vec<String> {
        let Some(fitted) = self.fitted() else { return Vec::new() };
        let mut said = Vec::new();
        for (name, value) in quantities(d) {
            match fitted.range.get(&name) {
                Some([low, high]) if value < low * (1.0 - 1e-9) || value > high * (1.0 + 1e-9) => {
                    said.push(format!(
                        "outside of what the models were fitted on: {name} is {value}, measured were {low} to {high}"
                    ));
                }
                _ => {}
            }
        }
        let provider = serde_json::to_value(d.placement.provider).expect("a provider is a word");
        if provider.as_str() != Some(&fitted.provider) {
            said.push(format!(
                "the models were fitted with provider {}, and this is {}",
                fitted.provider,
                provider.as_str().unwrap_or_default()
            ));
        }
        let (cut, target) = (d.placement.cut as usize, d.targets());
        let first = if d.is_offloaded() { cut } else { 0 };
        for stage in &d.app.stages[first..] {
            if self.has_service(&stage.name) && self.service(&stage.name, &target.name, &stage.work).is_none()
            {
                said.push(format!(
                    "the models were fitted on other work than this stage `{}` states: its own is used",
                    stage.name
                ));
            }
        }
        said
    }

    fn has_service(&self, stage: &str) -> bool {
        let start = format!("service.{stage}.");
        self.parameters().range(start.clone()..).next().is_some_and(|(name, _)| name.starts_with(&start))
    }

    /// The measured CPU time of a stage at nodes of a tier, if it is that of the work that is stated.
    fn service(&self, stage: &str, tier: &str, work: &Distribution) -> Option<&Parameter> {
        let named = |tier: &str| self.parameters().get(&format!("service.{stage}.{tier}"));
        let said = stated(work);
        [named(tier), named("any")].into_iter().flatten().find(|p| p.of.as_deref() == Some(&said))
    }

    /// Replaces stated by measured work, and adds what a worker and its neighbours cost.
    fn put_measured_work(&self, e: &mut Deployment, o: &Overheads) {
        let (endpoint, target) = (e.endpoints().clone(), e.targets().clone());
        let first = if e.is_offloaded() { e.placement.cut as usize } else { 0 };
        let measured = |stage: &str, tier: &str, work: &Distribution| {
            let table = self.service(stage, tier, work)?;
            let scale = table.scale();
            Some(Distribution::Quantiles(table.values.iter().map(|value| value * scale).collect()))
        };
        if let Some(prepare) = measured("prepare", &endpoint.name, &e.app.prepare) {
            let more = o.prepare_per_byte_s * (mean(&e.app.frame) - o.prepare_bytes);
            // A line that was fitted to some sizes may fall below nothing at others.
            e.app.prepare = longer(&prepare, 1.0, more.max(-0.95 * mean(&prepare)));
        }
        for (number, stage) in e.app.stages.iter_mut().enumerate() {
            let tier = if number < first { &endpoint } else { &target };
            if let Some(work) = measured(&stage.name, &tier.name, &stage.work) {
                stage.work = work;
            }
        }
        let last = e.app.stages.len() - 1;
        let extra = o.worker_s * target.speed;
        if extra != 0.0 && e.is_offloaded() {
            e.app.stages[last].work = longer(&e.app.stages[last].work, 1.0, extra);
        }
        if o.contention != 0.0 && o.host_cores > 0.0 {
            let slower = (1.0 + o.contention * host_use(e, o.host_cores)).max(0.01);
            // Under a quota it is the quota that work waits for, and waiting for a core uses nothing of it.
            if endpoint.quota >= 1.0 {
                e.app.prepare = longer(&e.app.prepare, slower, 0.0);
            }
            for (number, stage) in e.app.stages.iter_mut().enumerate() {
                let tier = if number < first { &endpoint } else { &target };
                if tier.quota >= 1.0 {
                    stage.work = longer(&stage.work, slower, 0.0);
                }
            }
        }
    }
}

/// The quota of each worker where the limits of their pods are below that of the node: the pods of a node have
/// `pods x limit` cores together, which its workers share.
fn limited_by_pods(d: &Deployment) -> Option<f64> {
    let pods = d.placement.pods.as_ref().filter(|_| d.is_on_kubernetes())?;
    let workers = d.placement.workers.min(d.targets().cores);
    let quota = f64::from(pods.per_node) * pods.cpu_limit? / f64::from(workers);
    (quota < d.targets().quota).then_some(quota)
}

/// Share of the host's cores that all nodes of a deployment use together, 0..1.
pub fn host_use(d: &Deployment, host_cores: f64) -> f64 {
    let requests_s = d.app.rate_hz * f64::from(d.endpoints().nodes);
    let first = if d.is_offloaded() { d.placement.cut as usize } else { 0 };
    let sum = |stages: &[offing_core::Stage]| stages.iter().map(|stage| mean(&stage.work)).sum::<f64>();
    let prepare = if d.is_offloaded() { mean(&d.app.prepare) + sum(&d.app.stages[..first]) } else { 0.0 };
    let at_endpoints = requests_s * prepare / d.endpoints().speed;
    let target = d.targets();
    let most = f64::from(target.nodes) * f64::from(target.cores) * target.quota;
    let at_targets = (requests_s * sum(&d.app.stages[first..]) / target.speed).min(most);
    ((at_endpoints + at_targets) / host_cores).min(1.0)
}

/// `factor` times as long and `extra` seconds more; what cannot be moved is stretched to the same mean.
fn longer(work: &Distribution, factor: f64, extra: f64) -> Distribution {
    let own = mean(work);
    let stretch = if own > 0.0 { factor + extra * factor / own } else { factor };
    let moved = |value: f64| ((value + extra) * factor).max(0.0);
    match work {
        Distribution::Constant(value) => Distribution::Constant(moved(*value)),
        Distribution::Quantiles(values) => {
            Distribution::Quantiles(values.iter().map(|value| moved(*value)).collect())
        }
        Distribution::Empirical { source, values } => Distribution::Empirical {
            source: source.clone(),
            values: values.iter().map(|value| moved(*value)).collect(),
        },
        Distribution::Exponential { mean } => Distribution::Exponential { mean: mean * stretch },
        Distribution::Lognormal { mean, cv } => Distribution::Lognormal { mean: mean * stretch, cv: *cv },
        Distribution::Gamma { mean, cv } => Distribution::Gamma { mean: mean * stretch, cv: *cv },
        Distribution::Normal { mean, sd } => Distribution::Normal { mean: mean * stretch, sd: sd * stretch },
        Distribution::Uniform { from, to } => {
            Distribution::Uniform { from: from * stretch, to: to * stretch }
        }
    }
}

/// Adds what messages cost to the link between endpoints and targets; tiers without one get one if it costs anything.
fn shape(e: &mut Deployment, o: &Overheads) {
    if !e.is_offloaded() {
        return;
    }
    let shifts = if o.jitter_shift == 0.0 { Shifts::NONE } else { Shifts::of(e) };
    let pair = [e.placement.endpoint, e.placement.target];
    let is_it = |link: &&mut Link| link.between == pair || link.between == [pair[1], pair[0]];
    if let Some(link) = e.links.iter_mut().find(is_it) {
        let forwards = link.between == pair;
        let (there, back) =
            if forwards { (&mut link.up, &mut link.down) } else { (&mut link.down, &mut link.up) };
        *there = loaded(there, o.up_fixed_s, shifts.up, o);
        *back = loaded(back, o.down_fixed_s, shifts.down, o);
    } else {
        let bare = Direction::default();
        let none = Lateness::NONE;
        let (up, down) = (loaded(&bare, o.up_fixed_s, none, o), loaded(&bare, o.down_fixed_s, none, o));
        if up != bare || down != bare {
            e.links.push(Link { between: pair, up, down, sharing: Sharing::Fifo, scope: Scope::Node });
        }
    }
}

/// How jitter of packets that keep their order delays messages, in standard deviations of the jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shifts {
    /// Of the way to the target.
    pub up: Lateness,
    /// Of the way back.
    pub down: Lateness,
}

impl Shifts {
    /// Messages as late as one packet.
    pub const NONE: Shifts = Shifts { up: Lateness::NONE, down: Lateness::NONE };

    /// Of a deployment's link; none where there is no link, no jitter, or a rate was recorded.
    ///
    /// A message waits for the slowest of its packets. A reply also waits for acknowledgments before it, one for two
    /// packets, while the sender's next frame is under way.
    pub fn of(d: &Deployment) -> Shifts {
        let Some((link, forwards)) = d.link(d.placement.endpoint, d.placement.target) else {
            return Shifts::NONE;
        };
        let (up, down) = if forwards { (&link.up, &link.down) } else { (&link.down, &link.up) };
        let (frame, reply) =
            (mean(&d.app.frame), d.app.stages.last().map_or(0.0, |stage| mean(&stage.output)));
        let late = |direction: &Direction, count: f64, spacing_s: f64| match direction.jitter.as_secs_f64() {
            0.0 => Lateness::NONE,
            jitter => packets::lateness(count, spacing_s / jitter),
        };
        let (Some(there), Some(back)) = (packets::spacing_s(up), packets::spacing_s(down)) else {
            return Shifts::NONE;
        };
        let own = late(down, packets::count(reply), back);
        let senders = match link.scope {
            Scope::Node | Scope::Pair => 1.0,
            Scope::Tier => f64::from(d.endpoints().nodes),
        };
        let busy = (d.app.rate_hz * senders * packets::count(frame) * there).min(1.0);
        let behind = late(down, packets::count(frame) / 2.0, 2.0 * there.max(back));
        let down = Lateness { mean: own.mean + busy * behind.mean, ..own };
        Shifts { up: late(up, packets::count(frame), there), down }
    }
}

/// A direction with what messages cost on it.
fn loaded(direction: &Direction, fixed_s: f64, late: Lateness, o: &Overheads) -> Direction {
    let own = direction.latency.as_secs_f64();
    let jitter = direction.jitter.as_secs_f64();
    let latency = own + fixed_s + 2.0 * o.round_trips * own + o.jitter_shift * late.mean * jitter;
    // The slowest of many varies less than one.
    let varies = jitter * (1.0 + o.jitter_shift.clamp(0.0, 1.0) * (late.deviation - 1.0));
    let slower = |s_per_bit: f64| Rate::BitPerS(1.0 / (s_per_bit * (1.0 + o.framing) + o.per_byte_s / 8.0));
    Direction {
        latency: Span::from_secs_f64(latency.max(0.0)).expect("latencies are far below 584 years"),
        rate: match &direction.rate {
            Rate::Unlimited if o.per_byte_s > 0.0 => slower(0.0),
            Rate::BitPerS(rate) if (1.0 + o.framing) / rate + o.per_byte_s / 8.0 > 0.0 => slower(1.0 / rate),
            other => other.clone(),
        },
        jitter: if o.noise_s == 0.0 && varies == jitter {
            direction.jitter
        } else {
            Span::from_secs_f64(libm::hypot(varies, o.noise_s)).expect("jitters are far below 584 years")
        },
        ..direction.clone()
    }
}

/// What the kernel grants of the quotas of the tiers in use.
fn limit(tiers: &mut [Tier], d: &Deployment, o: &Overheads) {
    for index in d.used_tiers() {
        let tier = &mut tiers[index];
        let processes = if index == d.placement.target { d.placement.workers } else { 1 };
        if tier.quota >= 1.0 && processes <= tier.cores {
            continue;
        }
        let granted = if tier.quota < 1.0 { tier.quota * o.quota_share } else { 1.0 };
        if !o.is_pool {
            tier.quota = granted.min(1.0);
            continue;
        }
        // The processes of a container run on any core of the host until the quota of its own cores is used up.
        let together = processes.min(tier.cores.max(o.host_cores as u32));
        tier.quota = (granted * f64::from(tier.cores) / f64::from(together)).min(1.0);
        if index == d.placement.target {
            tier.cores = together;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    /// A set with these lines of a models.toml.
    fn set(lines: &str) -> ModelSet {
        let source = "[source.fit]\ntitle = \"a test that fits nothing\"\ndate = \"2026-11-24\"\n";
        ModelSet::read(&format!("{source}{lines}")).unwrap()
    }

    fn overhead(name: &str, value: f64, unit: &str) -> String {
        format!("[overheads.{name}]\nvalue = {value:?}\nunit = \"{unit}\"\nerror = 0.1\nsource = \"fit\"\n")
    }

    #[test]
    fn neutral_parameters_leave_a_deployment_alone() {
        let d = example::offloading();
        assert!(!ModelSet::default().is_calibrated());
        assert!(matches!(ModelSet::default().effective(&d), Cow::Borrowed(_)));
        assert!(ModelSet::default().outside(&d).is_empty());
    }

    #[test]
    fn a_message_costs_its_framing_its_bytes_and_its_fixed_part() {
        let lines = [
            overhead("link.up_fixed", 2.0, "ms"),
            overhead("link.framing", 0.05, "1"),
            overhead("link.per_byte", 10.0, "ns/B"),
            overhead("link.round_trips", 0.1, "1"),
        ];
        let models = set(&lines.concat());
        let mut d = example::offloading();
        let e = models.effective(&d);
        // 45 ms, 2 ms, and a tenth of 90 ms.
        assert_eq!(e.links[0].up.latency, Span::from_millis(56));
        // The way back has no fixed part.
        assert_eq!(e.links[0].down.latency, Span::from_millis(54));
        // 100 kB: 105 kB at 8 Mbit/s take 105 ms, and 10 ns a byte are 1 ms.
        let transmission = crate::Transmission::new(&e.links[0].up, &models.transport());
        assert_eq!(transmission.span(100_000), Some(106_000_000));
        // Without a link between the tiers the message still costs something.
        d.links.clear();
        let bare = models.effective(&d);
        assert_eq!(bare.links[0].up.latency, Span::from_millis(2));
        let transmission = crate::Transmission::new(&bare.links[0].up, &models.transport());
        assert_eq!(transmission.span(100_000), Some(1_000_000));
    }

    #[test]
    fn a_pool_lets_few_workers_use_the_quota_of_idle_cores() {
        let models = set(&overhead("processor.pool", 1.0, "1"));
        let mut d = example::offloading();
        // Two cores at 0.75 are 1.5 cores: one worker is never stopped, two have 0.75 each.
        (d.tiers[1].cores, d.tiers[1].quota, d.placement.workers) = (2, 0.75, 1);
        assert_eq!(models.effective(&d).tiers[1].quota, 1.0);
        d.placement.workers = 2;
        assert_eq!((models.effective(&d).tiers[1].cores, models.effective(&d).tiers[1].quota), (2, 0.75));
        // Four cores at 0.5 for three workers: two cores in all.
        (d.tiers[1].cores, d.tiers[1].quota, d.placement.workers) = (4, 0.5, 3);
        let e = models.effective(&d);
        assert_eq!((e.tiers[1].cores, e.tiers[1].quota), (3, 2.0 / 3.0));
        // More workers than cores share them as before, unless the host has more for them.
        d.placement.workers = 9;
        assert_eq!((models.effective(&d).tiers[1].cores, models.effective(&d).tiers[1].quota), (4, 0.5));
    }

    #[test]
    fn the_workers_of_a_container_use_the_cores_of_the_host_until_its_quota_is_used_up() {
        let pool =
            [overhead("processor.pool", 1.0, "1"), overhead("processor.host_cores", 4.0, "1")].concat();
        let of = |cores, quota, workers| {
            let mut d = example::offloading();
            (d.tiers[1].cores, d.tiers[1].quota, d.placement.workers) = (cores, quota, workers);
            let e = set(&pool).effective(&d).into_owned();
            (e.tiers[1].cores, e.tiers[1].quota)
        };
        // Two workers in a container of one core: two cores at half a core each, drawn from together.
        assert_eq!(of(1, 1.0, 2), (2, 0.5));
        assert_eq!(of(1, 0.5, 2), (2, 0.25));
        // More workers than the host has cores.
        assert_eq!(of(1, 1.0, 6), (4, 0.25));
        // As many cores as the host: nothing is to be had elsewhere.
        assert_eq!(of(4, 1.0, 6), (4, 1.0));
        assert_eq!(of(1, 1.0, 1), (1, 1.0));
    }

    #[test]
    fn a_message_of_many_packets_waits_for_the_slowest() {
        let models = set(&overhead("link.jitter_shift", 1.0, "1"));
        let mut d = example::offloading();
        let jitter = Span::from_millis(5);
        (d.links[0].up.jitter, d.links[0].down.jitter) = (jitter, jitter);
        let e = models.effective(&d);
        let shifts = Shifts::of(&d);
        let added = e.links[0].up.latency.as_millis_f64() - d.links[0].up.latency.as_millis_f64();
        assert!((added - 5.0 * shifts.up.mean).abs() < 1e-6, "{added}");
        assert!(e.links[0].up.jitter < jitter && e.links[0].down.jitter == jitter);
        assert!(shifts.up.mean > shifts.down.mean && shifts.down.mean > 0.0, "{shifts:?}");
    }

    #[test]
    fn measured_work_replaces_the_work_that_was_stated_and_no_other() {
        let d = example::offloading();
        let of = stated(&d.app.stages[0].work);
        assert_eq!(of, "{\"constant\":0.1}");
        let table = format!(
            "[service.process.any]\nvalues = [90.0, 110.0, 130.0]\nunit = \"ms\"\nerror = 1.0\nsource = \"fit\"\nof = '{of}'\n"
        );
        let models = set(&table);
        let e = models.effective(&d);
        assert!((mean(&e.app.stages[0].work) - 0.110).abs() < 1e-12);
        let mut other = d.clone();
        other.app.stages[0].work = Distribution::Constant(0.2);
        assert_eq!(models.effective(&other).app.stages, other.app.stages);
        // Its own table comes before the one of any tier.
        let own = table.replace(".any", ".cloud").replace("90.0, 110.0", "130.0, 130.0");
        assert!((mean(&set(&(table + &own)).effective(&d).app.stages[0].work) - 0.130).abs() < 1e-12);
    }

    #[test]
    fn measured_preparation_grows_with_the_frame() {
        let d = example::offloading();
        let (frame, of) = (mean(&d.app.frame), stated(&d.app.prepare));
        let table = format!(
            "[service.prepare.any]\nvalues = [5.0, 5.0]\nunit = \"ms\"\nerror = 1.0\nsource = \"fit\"\nof = '{of}'\n"
        );
        let lines = [
            overhead("endpoint.prepare_per_byte", 40.0, "ns/B"),
            overhead("endpoint.prepare_bytes", frame - 10_000.0, "B"),
            table,
        ];
        // 10 kB more at 40 ns each.
        let e = set(&lines.concat()).effective(&d).into_owned();
        assert!((mean(&e.app.prepare) - 0.0054).abs() < 1e-12);
        // Stated work is not touched: nobody says for which size it is.
        let e = set(&lines[..2].concat()).effective(&d).into_owned();
        assert_eq!(e.app.prepare, d.app.prepare);
    }

    #[test]
    fn neighbours_slow_work_down_in_proportion_to_the_use_of_the_host() {
        let lines = [overhead("processor.contention", 0.5, "1"), overhead("processor.host_cores", 10.0, "1")];
        let d = example::offloading();
        // 20 requests a second of 10 and 100 ms: 2.2 cores of 10.
        assert!((host_use(&d, 10.0) - 0.22).abs() < 1e-12);
        let e = set(&lines.concat()).effective(&d).into_owned();
        assert!((mean(&e.app.stages[0].work) - 0.1 * 1.11).abs() < 1e-12);
        // The endpoint has a quota.
        assert_eq!(e.app.prepare, d.app.prepare);
        let mut free = d.clone();
        free.tiers[0].quota = 1.0;
        let e = set(&lines.concat()).effective(&free).into_owned();
        assert!((mean(&e.app.prepare) - 0.01 * 1.11).abs() < 1e-12);
    }

    #[test]
    fn a_deployment_outside_of_the_fitted_range_is_told_of() {
        let fitted = "[fitted]\ndate = \"2026-11-24\"\nhost_class = \"h\"\nprovider = \"qemu\"\napplication = \"burn\"\n\
                      transport = \"mqtt\"\nruns = []\n[fitted.range]\nlatency_ms = [0.0, 20.0]\nworkers = [1.0, 4.0]\n";
        let said = set(fitted).outside(&example::offloading());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("latency_ms is 45, measured were 0 to 20"));
        assert!(said[1].contains("provider qemu, and this is docker"));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_with_the_reason() {
        let read = |text: &str| {
            let source = "[source.fit]\ntitle = \"t\"\ndate = \"2026-11-24\"\n";
            ModelSet::read(&format!("{source}{text}")).unwrap_err()
        };
        assert!(read(&overhead("link.speed", 1.0, "1")).contains("no parameter overheads.link.speed"));
        assert!(read(&overhead("link.framing", 1.0, "ms")).contains("is in `1`, not in `ms`"));
        assert!(read(&overhead("processor.pool", 0.5, "1")).contains("must be 0 or 1"));
        let descending = "[service.process.any]\nvalues = [2.0, 1.0]\nunit = \"ms\"\nerror = 1.0\nsource = \"fit\"\nof = \"x\"\n";
        assert!(read(descending).contains("ascending"));
        assert!(read(&overhead("link.framing", f64::INFINITY, "1")).contains("finite"));
        assert!(ModelSet::read("x = ").is_err());
    }
}
