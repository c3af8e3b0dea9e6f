//! Measures every link and every quota before anything else is, and compares them with what was asked.
//!
//! | quantity | how it is measured | holds if |
//! |---|---|---|
//! | delay | short packets one way, from the sender's clock to the kernel's arrival stamp, while no quota is in force | within 2 % or 0.3 ms of latency + transmission, or 3.3 standard errors |
//! | jitter | standard deviation of the same | within 20 % or 0.15 ms |
//! | rate | frames received while 1.2 times the rate is sent, one path per medium | within 5 % |
//! | loss | short packets one way, counted | within the 99.9 % bounds of a binomial |
//! | processor | processor time of busy threads over whole periods of the quota | within 5 % |
//! | lateness | the forwarder's, 99th percentile over all of the above | at most 5 % of the smallest delay, or 0.2 ms |

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, address};
use crate::collect::{HostShares, HostTicks};
use crate::error::EmuError;
use crate::ledger::utc;
use crate::links::forwarder::Report;
use crate::links::shaper::Path;
use crate::plan::RunPlan;

/// Bits of a probe's frame: 64 bytes of payload, UDP, IP and Ethernet headers.
const PROBE_BITS: f64 = (64.0 + 8.0 + 20.0 + 14.0) * 8.0;
/// Bits of a full frame.
const FRAME_BITS: f64 = 1_514.0 * 8.0;
/// How far apart packets of the delay measurement are at least [s].
const PING_S: f64 = 0.005;
/// How many of them there are at most, and at least.
const PINGS: (u64, u64) = (300, 30);
/// What the delay of a path may cost [s].
const PING_BUDGET_S: f64 = 5.0;
/// Packets of the loss measurement per second at most.
const STREAM_HZ: f64 = 4_000.0;
/// How many of them where nothing may be lost, and where something should be.
const STREAM: (u64, u64) = (1_000, 20_000);
/// What the loss of a path may cost [s].
const STREAM_BUDGET_S: f64 = 6.0;
/// How many measurements run at once.
const AT_ONCE: usize = 4;
/// How long processors are kept busy.
pub(crate) const BURN: Duration = Duration::from_millis(2_000);
/// Ends every measurement that hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What was asked and what was measured, for every link and every node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The run's name.
    pub run: String,
    /// When it was made, UTC.
    pub at: String,
    /// The deployment's id.
    pub deployment: String,
    /// How many times slower than real time; the numbers below are not scaled back.
    pub dilate: f64,
    /// Whether everything holds.
    pub holds: bool,
    /// Every comparison.
    pub checks: Vec<Check>,
    /// What the forwarder says about the time of the proof; nothing for links in the kernel.
    pub links: Option<Report>,
    /// Share of the host's processor time that its hypervisor gave to others meanwhile.
    pub host_steal: Option<f64>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// A path, a node, or the links as a whole.
    pub what: String,
    /// What was compared.
    pub quantity: Quantity,
    /// What should be.
    pub asked: f64,
    /// What is.
    pub measured: f64,
    /// How far they may be apart.
    pub tolerance: f64,
    /// How many packets, frames or milliseconds the measurement rests on.
    pub samples: u64,
    /// Whether they are near enough.
    pub holds: bool,
}

/// A quantity and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// One-way delay of a short packet [ms].
    DelayMs,
    /// Its standard deviation [ms].
    JitterMs,
    /// Frames [Mbit/s].
    RateMbitS,
    /// Packets lost [%].
    LossPercent,
    /// Processors used [cores].
    ProcessorCores,
    /// 99th percentile of lateness [ms]; `asked` is 0 and the tolerance the limit.
    LatenessP99Ms,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Quantity::DelayMs => "delay ms",
            Quantity::JitterMs => "jitter ms",
            Quantity::RateMbitS => "rate Mbit/s",
            Quantity::LossPercent => "loss %",
            Quantity::ProcessorCores => "processor cores",
            Quantity::LatenessP99Ms => "lateness p99 ms",
        })
    }
}

impl Check {
    fn new(what: &str, quantity: Quantity, asked: f64, measured: f64, tolerance: f64, samples: u64) -> Self {
        // What was not measured at all holds nothing.
        let holds = samples > 0 && (measured - asked).abs() <= tolerance;
        Check { what: what.into(), quantity, asked, measured, tolerance, samples, holds }
    }

    /// With a tolerance that is so many times wider.
    fn wider(self, factor: f64) -> Self {
        let Check { what, quantity, asked, measured, tolerance, samples, .. } = self;
        Check::new(&what, quantity, asked, measured, tolerance * factor, samples)
    }
}

/// Nodes whose links can be measured, by the binary in each of them.
pub(crate) trait Probed {
    fn plan(&self) -> &RunPlan;

    /// Runs the binary in some nodes at once with some arguments: what each printed.
    fn run_in(&self, tasks: &[(usize, Vec<String>)], limit: Duration) -> Result<Vec<String>, EmuError>;

    /// What happened on the links since the last report; nothing if they do not watch themselves.
    fn report_links(&self) -> Result<Option<Report>, EmuError>;
}

impl Probed for Cluster {
    fn plan(&self) -> &RunPlan {
        Cluster::plan(self)
    }

    fn run_in(&self, tasks: &[(usize, Vec<String>)], limit: Duration) -> Result<Vec<String>, EmuError> {
        Cluster::run_in(self, tasks, limit)
    }

    fn report_links(&self) -> Result<Option<Report>, EmuError> {
        Cluster::report_links(self)
    }
}

impl Cluster {
    /// Measures links, puts the quotas into force, measures processors.
    ///
    /// # Errors
    /// A measurement could not be made. One that does not hold is no error: [`Proof::holds`] says it.
    pub fn prove(&mut self) -> Result<Proof, EmuError> {
        let before = HostTicks::now();
        let mut proof = Proof::of_links(self, self.run())?;
        self.limit()?;
        let plan = self.plan();
        for group in processor_groups(plan) {
            let tasks: Vec<_> = group.iter().map(|&i| (i, burn(plan, i))).collect();
            let texts = self.run_in(&tasks, LIMIT)?;
            proof.add_processors(plan, &group, texts.into_iter())?;
        }
        proof.since(before);
        Ok(proof)
    }
}

impl Proof {
    /// Measures links alone.
    ///
    /// # Errors
    /// A measurement could not be made.
    pub(crate) fn of_links(nodes: &dyn Probed, run: &str) -> Result<Proof, EmuError> {
        // What happened before is not part of the proof.
        nodes.report_links()?;
        let mut checks = prove_delays(nodes)?;
        checks.extend(prove_losses(nodes)?);
        checks.extend(prove_rates(nodes)?);
        let links = nodes.report_links()?;
        let plan = nodes.plan();
        let wider = |check: Check| check.wider(plan.proof_tolerance);
        let mut checks: Vec<Check> = checks.into_iter().map(wider).collect();
        if let Some(report) = &links
            && report.forwarded > 0
        {
            let (p99, limit) = (report.lateness_p99_ns / 1e6, plan.lateness_limit_ns() / 1e6);
            checks.push(Check::new("links", Quantity::LatenessP99Ms, 0.0, p99, limit, report.forwarded));
        }
        Ok(Proof {
            run: run.into(),
            at: utc(SystemTime::now()),
            deployment: plan.deployment.clone(),
            dilate: plan.dilate,
            holds: checks.iter().all(|check| check.holds),
            checks,
            links,
            host_steal: None,
        })
    }

    /// Adds what the binary in some nodes says of their processors, in the same order.
    pub(crate) fn add_processors(
        &mut self,
        plan: &RunPlan,
        nodes: &[usize],
        texts: impl Iterator<Item = String>,
    ) -> Result<(), EmuError> {
        for (&node, text) in nodes.iter().zip(texts) {
            let check = processor_check(plan, node, &text)?.wider(plan.proof_tolerance);
            self.holds &= check.holds;
            self.checks.push(check);
        }
        Ok(())
    }

    /// Says what the hypervisor of this host took while it was made.
    pub(crate) fn since(&mut self, before: Option<HostTicks>) {
        self.host_steal = HostShares::since(before).map(|shares| shares.stolen);
    }
}

fn prove_delays(nodes: &dyn Probed) -> Result<Vec<Check>, EmuError> {
    let plan = nodes.plan();
    let pairs: Vec<(&Path, &Path)> = plan
        .paths
        .iter()
        .filter(|path| path.from < path.to)
        .filter_map(|up| {
            plan.paths.iter().find(|p| (p.from, p.to) == (up.to, up.from)).map(|down| (up, down))
        })
        .collect();
    let mut checks = Vec::new();
    for some in pairs.chunks(AT_ONCE) {
        let jitter_s = some.iter().map(|(up, down)| up.jitter.max(down.jitter).as_secs_f64());
        let slowest_s = some
            .iter()
            .flat_map(|(up, down)| [transmission_s(plan, up), transmission_s(plan, down)])
            .fold(0.0, f64::max);
        // Probes should neither overtake nor wait for each other: 2 % of the slowest medium.
        let interval_s =
            jitter_s.fold(PING_S, |s, jitter| s.max(6.0 * jitter)).max(50.0 * slowest_s * some.len() as f64);
        let count = ((PING_BUDGET_S / interval_s) as u64).clamp(PINGS.1, PINGS.0);
        let tasks: Vec<_> = some
            .iter()
            .map(|(up, _)| {
                let interval_us = (interval_s * 1e6) as u64;
                (
                    up.from,
                    vec![
                        "ping".into(),
                        address(up.to).to_string(),
                        count.to_string(),
                        interval_us.to_string(),
                    ],
                )
            })
            .collect();
        for ((up, down), text) in some.iter().zip(nodes.run_in(&tasks, LIMIT)?) {
            let ping: Ping = read(plan, up.from, &text)?;
            let n = ping.received;
            checks.extend(delay_checks(plan, up, ping.up_mean_ns, ping.up_sd_ns, n));
            checks.extend(delay_checks(plan, down, ping.down_mean_ns, ping.down_sd_ns, n));
        }
    }
    Ok(checks)
}

fn prove_losses(nodes: &dyn Probed) -> Result<Vec<Check>, EmuError> {
    let plan = nodes.plan();
    let paths: Vec<&Path> = plan.paths.iter().collect();
    let mut checks = Vec::new();
    for some in paths.chunks(AT_ONCE) {
        let tasks: Vec<_> = some
            .iter()
            .map(|path| {
                let sharing = some.iter().filter(|other| other.medium == path.medium).count() as f64;
                let transmission_s = transmission_s(plan, path);
                // Half of the medium, so that nothing meets a full queue.
                let most_hz = if transmission_s > 0.0 { 0.5 / transmission_s / sharing } else { STREAM_HZ };
                let rate_hz = most_hz.clamp(1.0, STREAM_HZ);
                let wanted = if path.loss > 0.0 { STREAM.1 } else { STREAM.0 };
                let count = wanted.min((rate_hz * STREAM_BUDGET_S) as u64).max(1);
                let words = [
                    "stream".into(),
                    address(path.to).to_string(),
                    count.to_string(),
                    (rate_hz as u64).to_string(),
                ];
                (path.from, words.to_vec())
            })
            .collect();
        for (path, text) in some.iter().zip(nodes.run_in(&tasks, LIMIT)?) {
            let Stream { sent, received } = read(plan, path.from, &text)?;
            let lost = 1.0 - received as f64 / sent.max(1) as f64;
            // 3.29 standard deviations hold 99.9 %; one packet more or less is no evidence.
            let n = sent.max(1) as f64;
            let tolerance = 3.29 * (path.loss * (1.0 - path.loss) / n).sqrt() + 1.0 / n;
            checks.push(Check::new(
                &name(plan, path),
                Quantity::LossPercent,
                path.loss * 100.0,
                lost * 100.0,
                tolerance * 100.0,
                sent,
            ));
        }
    }
    Ok(checks)
}

fn prove_rates(nodes: &dyn Probed) -> Result<Vec<Check>, EmuError> {
    let plan = nodes.plan();
    let mut checks = Vec::new();
    for (number, medium) in plan.media.iter().enumerate() {
        let Some(rate_bit_s) = medium.rate_bit_s else { continue };
        let Some(path) = plan.paths.iter().find(|path| path.medium == number) else { continue };
        // Enough frames that one more or less is 1 %.
        let length_s = (100.0 * FRAME_BITS / rate_bit_s).clamp(1.0, 20.0);
        let words = [
            "flood".into(),
            address(path.to).to_string(),
            ((rate_bit_s * 1.2) as u64).max(1).to_string(),
            ((length_s * 1e3) as u64).to_string(),
        ];
        let text = nodes.run_in(&[(path.from, words.to_vec())], LIMIT)?.remove(0);
        let flood: Flood = read(plan, path.from, &text)?;
        let measured = if flood.span_ns == 0 {
            0.0
        } else {
            flood.frames as f64 * flood.frame_bits * 1e3 / flood.span_ns as f64
        };
        let asked = rate_bit_s / 1e6 * (1.0 - path.loss);
        checks.push(Check::new(
            &name(plan, path),
            Quantity::RateMbitS,
            asked,
            measured,
            asked * 0.05,
            flood.frames,
        ));
    }
    Ok(checks)
}

/// Nodes whose processors are measured together, as far as they leave a quarter of the host idle.
pub(crate) fn processor_groups(plan: &RunPlan) -> Vec<Vec<usize>> {
    let host = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut room = 0.0;
    for (i, node) in plan.nodes.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if node.cpus <= room => group.push(i),
            _ => {
                groups.push(vec![i]);
                room = 0.75 * host;
            }
        }
        room -= node.cpus;
    }
    groups
}

/// What the binary is told to keep a node's processors busy.
pub(crate) fn burn(plan: &RunPlan, node: usize) -> Vec<String> {
    vec!["burn".into(), plan.nodes[node].cores.to_string(), BURN.as_millis().to_string()]
}

/// What it says, against the node's quota.
fn processor_check(plan: &RunPlan, i: usize, text: &str) -> Result<Check, EmuError> {
    let node = &plan.nodes[i];
    let burn: Burn = read(plan, i, text)?;
    let measured = burn.cpu_ns as f64 / burn.wall_ns.max(1) as f64;
    let (what, asked) = (&node.name, node.cpus);
    let samples = burn.wall_ns / 1_000_000;
    Ok(Check::new(what, Quantity::ProcessorCores, asked, measured, asked * 0.05, samples))
}

fn read<T: for<'a> Deserialize<'a>>(plan: &RunPlan, node: usize, text: &str) -> Result<T, EmuError> {
    serde_json::from_str(text)
        .map_err(|bad| EmuError::node(&plan.nodes[node].name, "measure", format!("it says `{text}`: {bad}")))
}

#[derive(Deserialize)]
struct Ping {
    received: u64,
    up_mean_ns: f64,
    up_sd_ns: f64,
    down_mean_ns: f64,
    down_sd_ns: f64,
}

#[derive(Deserialize)]
struct Stream {
    sent: u64,
    received: u64,
}

#[derive(Deserialize)]
struct Flood {
    frames: u64,
    span_ns: u64,
    frame_bits: f64,
}

#[derive(Deserialize)]
struct Burn {
    cpu_ns: u64,
    wall_ns: u64,
}

fn name(plan: &RunPlan, path: &Path) -> String {
    format!("{} > {}", plan.nodes[path.from].name, plan.nodes[path.to].name)
}

/// How long a probe occupies the medium of a path [s].
fn transmission_s(plan: &RunPlan, path: &Path) -> f64 {
    plan.media[path.medium].rate_bit_s.map_or(0.0, |rate| PROBE_BITS / rate)
}

fn delay_checks(plan: &RunPlan, path: &Path, mean_ns: f64, sd_ns: f64, n: u64) -> Vec<Check> {
    let (mean_ms, sd_ms) = cut_normal(path.latency.as_millis_f64(), path.jitter.as_millis_f64());
    let asked = mean_ms + transmission_s(plan, path) * 1e3;
    let standard_error = sd_ms / (n.max(1) as f64).sqrt();
    let tolerance = (0.02 * asked).max(0.3).max(3.3 * standard_error);
    let what = name(plan, path);
    let mut checks = vec![Check::new(&what, Quantity::DelayMs, asked, mean_ns / 1e6, tolerance, n)];
    if path.jitter.as_nanos() > 0 {
        // The deviation of a deviation measured n times is about 1 / sqrt(2 n) of it.
        let relative = (3.3 / (2.0 * n.max(1) as f64).sqrt()).max(0.2);
        let tolerance = (relative * sd_ms).max(0.15);
        checks.push(Check::new(&what, Quantity::JitterMs, sd_ms, sd_ns / 1e6, tolerance, n));
    }
    checks
}

/// Mean and standard deviation of a normal deviate whose negative values become zero, by the trapezoid rule.
fn cut_normal(mean: f64, sd: f64) -> (f64, f64) {
    const STEPS: i32 = 2_000;
    if sd == 0.0 {
        return (mean, 0.0);
    }
    let (mut weights, mut first, mut second) = (0.0, 0.0, 0.0);
    for step in -STEPS..=STEPS {
        let z = 8.0 * f64::from(step) / f64::from(STEPS);
        let weight = (-z * z / 2.0).exp();
        let value = (mean + sd * z).max(0.0);
        weights += weight;
        first += weight * value;
        second += weight * value * value;
    }
    let mean = first / weights;
    (mean, (second / weights - mean * mean).max(0.0).sqrt())
}

impl fmt::Display for Proof {
    /// A table for people: one line per comparison, what does not hold first named by `NO`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.what.chars().count()).max().unwrap_or(0);
        writeln!(
            f,
            "     {:width$}  {:15}  {:>10}  {:>10}  {:>10}  {:>8}",
            "what", "quantity", "asked", "measured", "tolerance", "samples"
        )?;
        for check in &self.checks {
            writeln!(
                f,
                "{:3}  {:width$}  {:15}  {:10.4}  {:10.4}  {:10.4}  {:8}",
                if check.holds { "yes" } else { "NO" },
                check.what,
                check.quantity,
                check.asked,
                check.measured,
                check.tolerance,
                check.samples
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_tolerance_holds_and_what_was_not_measured_does_not() {
        let check =
            |measured, samples| Check::new("a", Quantity::DelayMs, 10.0, measured, 0.3, samples).holds;
        assert!(check(10.29, 5) && check(9.71, 5));
        assert!(!check(10.31, 5) && !check(10.0, 0) && !check(f64::NAN, 5));
    }

    #[test]
    fn a_normal_deviate_far_from_zero_is_not_cut_and_one_at_zero_loses_its_half() {
        let (mean, sd) = cut_normal(45.0, 5.0);
        assert!((mean - 45.0).abs() < 1e-6 && (sd - 5.0).abs() < 1e-6, "{mean} {sd}");
        // The mean of max(0, Z) is 1 / sqrt(2 pi).
        let (mean, _) = cut_normal(0.0, 1.0);
        assert!((mean - 0.398_942_3).abs() < 1e-5, "{mean}");
    }
}
