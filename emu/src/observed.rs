//! What a run has left: everything that was observed, and the record that follows from it.
//!
//! | number of the record | from |
//! |---|---|
//! | latency and its parts, counts | the requests, by the code that simulated runs use |
//! | utilization of a tier | processor time of its nodes over the observed span / what quotas allowed: everything in the node counts, the broker too |
//! | load | of the busiest target node: requests that were emitted for it per second x mean processor time of one / (min(workers, cores) x quota) |
//! | bottleneck | the highest of: processor use of the busiest endpoint, use of the busiest medium each way, load |
//! | stable | a queue is bounded, or none of these is above 97 % |
//! | energy | the host's processor packages, dilated runs excluded; absent where the kernel counts none |
//!
//! Processor time is not scaled by a dilation, for work stays what it is; a dilated quota allows as much of it over a
//! dilated span as the deployment's quota over its own.

use std::collections::BTreeMap;
use std::fmt::Write;

use offing_core::{Deployment, Engine, Request, Run, Summary, Tier, TierUse, gather};
use serde::{Deserialize, Serialize};

use crate::application::{Application, Transport};
use crate::collect::{HostFacts, NodeUse};
use crate::kubernetes::KubernetesFacts;
use crate::links::forwarder::Report;
use crate::proof::Proof;

/// Everything that was observed of one run. Times of requests are those of the deployment, dilation taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What is written beside the summary.
    pub facts: Facts,
    /// How links and quotas were; nothing if the run did not come so far.
    pub proof: Option<Proof>,
    /// In the order of emission, endpoint and index.
    pub requests: Vec<Measured>,
}

/// A request and what was measured beside its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measured {
    /// The request.
    pub request: Request,
    /// Number of the worker process on its node.
    pub worker: Option<u32>,
    /// Size of the frame [byte].
    pub frame_bytes: Option<u64>,
    /// Processor time of the preparation [ns].
    pub prepare_cpu_ns: Option<u64>,
    /// Processor time of the processing [ns].
    pub process_cpu_ns: Option<u64>,
}

/// What is told about a measured run beside its summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Which repetition, from 1.
    pub repetition: u32,
    /// Whether the numbers can be trusted.
    pub valid: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How many times slower than real time it ran.
    pub dilate: f64,
    /// What the workers did with a frame.
    pub application: Application,
    /// What carried frames and replies; nothing where nothing was carried.
    pub transport: Option<Transport>,
    /// How TCP of the nodes decides what may be under way ([`crate::provider::docker::congestion`]); nothing where that was
    /// left to the host.
    pub congestion: Option<String>,
    /// What the workers say that they did: `burn`, or the network with the start of its SHA-256.
    pub work: Vec<String>,
    /// What became of the requests that did not come back, of those emitted in the observed span.
    pub outcomes: Outcomes,
    /// Every node over the observed span.
    pub nodes: Vec<NodeUse>,
    /// The forwarder's account of the observed span; nothing for links in the kernel.
    pub links: Option<Report>,
    /// How far clocks may be apart.
    pub clock: ClockFacts,
    /// How late endpoints began frames that were due while they were idle.
    pub emission: Emission,
    /// The most frames that ever waited at a target node.
    pub longest_queue: u64,
    /// Energy of the host's processor packages over the observed span, in real time [J].
    pub host_energy_j: Option<f64>,
    /// Share of the host's processor time that was used over the observed span, by whomever.
    pub host_busy: Option<f64>,
    /// Share of it that the host's hypervisor gave to others while it was wanted here.
    pub host_steal: Option<f64>,
    /// The machine.
    pub host: HostFacts,
    /// Version of the application.
    pub version: String,
    /// When the run began, UTC.
    pub started: String,
    /// When all of it was removed, UTC.
    pub ended: String,
    /// How it was on Kubernetes; nothing where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesFacts>,
    /// What went wrong without ending the run.
    pub troubles: Vec<String>,
    /// What a reader must know before trusting the numbers: copied into the summary.
    pub notes: Vec<String>,
}

/// Requests that did not come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Refused by a full queue.
    pub dropped: u64,
    /// Their worker failed.
    pub failed: u64,
    /// Nothing was heard of them.
    pub lost: u64,
    /// Requests of the warm-up that came back in the observed span: they are in no row, but in the throughput.
    pub carried_over: u64,
}

/// The offset between the clocks of an endpoint and a target, the worst pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFacts {
    /// All nodes have the same clock: the offset that was used is 0.
    pub shared: bool,
    /// The largest offset that was measured, whatever was used [ns].
    pub offset_ns: i64,
    /// The true offset is within this of the measured one [ns].
    pub bound_ns: u64,
    /// Requests with a stamp that was moved so that no part is negative.
    pub adjusted: u64,
}

/// How late emissions were, of the worst endpoint [ms, of the deployment's time].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Emission {
    /// Half were no later.
    pub lateness_p50_ms: f64,
    /// 99 % were no later.
    pub lateness_p99_ms: f64,
    /// The latest.
    pub lateness_max_ms: f64,
}

/// `run.json`: the summary and the facts, as one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunFile<'r> {
    /// What is told of any run.
    #[serde(flatten)]
    pub summary: &'r Summary,
    /// What is told of a measured one.
    #[serde(flatten)]
    pub facts: &'r Facts,
}

/// From here on a resource counts as saturated.
const SATURATED: f64 = 0.97;

impl Observed {
    /// The record of the run.
    pub fn to_run(&self, deployment: &Deployment, seed: u64) -> Run {
        let d = deployment;
        let window = [d.warm_up, d.duration];
        let (recording, mut counts) =
            gather(self.requests.iter().map(|measured| &measured.request), window, d.app.deadline);
        let lost = self.facts.outcomes.lost.min(counts.dropped);
        (counts.dropped, counts.unfinished) = (counts.dropped - lost, lost);
        counts.refused = counts.refused.saturating_sub(lost);
        counts.returned += self.facts.outcomes.carried_over;
        let tiers = d.used_tiers().into_iter().map(|tier| self.tier_use(&d.tiers[tier])).collect();
        let shares = self.shares(d);
        let (bottleneck, highest) = bottleneck(d, &shares);
        let is_bounded = d.placement.queue.is_some() || d.app.outstanding.is_some();
        let mut warnings = self.facts.notes.clone();
        if counts.completed > 0 && recording.mean_interval().is_none() {
            warnings.push(format!(
                "{} requests are too few for intervals; lengthen `duration`",
                counts.completed
            ));
        }
        Run {
            deployment: d.id(),
            seed,
            models: String::new(),
            engine: Engine::Measured,
            recording,
            counts,
            tiers,
            load: shares.load,
            stable: is_bounded || highest < SATURATED,
            bottleneck,
            energy_j: self.facts.host_energy_j.filter(|_| self.facts.dilate == 1.0),
            cost_usd_per_hour: d
                .used_tiers()
                .into_iter()
                .map(|tier| f64::from(d.tiers[tier].nodes) * d.tiers[tier].price_usd_per_hour)
                .sum(),
            warnings,
        }
    }

    fn tier_use(&self, tier: &Tier) -> TierUse {
        let sum = |of: fn(&NodeUse) -> f64| self.of_tier(&tier.name).map(of).sum::<f64>() * 1e9;
        TierUse {
            name: tier.name.clone(),
            busy_ns: sum(|node| node.cpu_seconds) as u128,
            allowed_ns: sum(|node| node.allowed_cpu_seconds),
            // The host's counters do not tell its nodes apart.
            energy_j: None,
        }
    }

    fn of_tier<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n NodeUse> {
        self.facts.nodes.iter().filter(move |node| node.tier == name)
    }

    /// How much of each resource was used or asked for.
    fn shares(&self, d: &Deployment) -> Shares {
        let window_s = (d.duration - d.warm_up).as_secs_f64();
        let (from, until) = (d.warm_up.as_nanos(), d.duration.as_nanos());
        // Per target node: requests that were emitted for it, processor time of those that came back, their number.
        let mut nodes: BTreeMap<u32, (u64, u64, u64)> = BTreeMap::new();
        for Measured { request, process_cpu_ns, .. } in &self.requests {
            if (from..until).contains(&request.emitted) {
                let node = nodes.entry(request.node).or_default();
                node.0 += 1;
                if let Some(cpu_ns) = process_cpu_ns {
                    (node.1, node.2) = (node.1 + cpu_ns, node.2 + 1);
                }
            }
        }
        let target = d.targets();
        // A dilated node has its processor time in a longer span: shares are the same.
        let capacity = f64::from(d.placement.workers.min(target.cores)) * target.quota;
        let load = |&(offered, cpu_ns, n): &(u64, u64, u64)| {
            offered as f64 * (cpu_ns as f64 / 1e9 / (n.max(1)) as f64) / window_s / capacity
        };
        let processor = |node: &NodeUse| match node.allowed_cpu_seconds > 0.0 {
            true => node.cpu_seconds / node.allowed_cpu_seconds,
            false => 0.0,
        };
        let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let (endpoint_tier, offloaded) = (&d.endpoints().name, d.is_offloaded());
        let sent = |tier: &str| -> f64 {
            // What one node sends through its own medium; of media of another scope a part.
            let rate = rate_bit_s(d, tier == *endpoint_tier);
            let bytes = highest(&mut self.of_tier(tier).map(|node| node.tx_bytes.unwrap_or(0) as f64));
            rate.map_or(0.0, |rate| bytes * 8.0 / (window_s * rate))
        };
        Shares {
            endpoint: if offloaded { highest(&mut self.of_tier(endpoint_tier).map(processor)) } else { 0.0 },
            uplink: if offloaded { sent(endpoint_tier) } else { 0.0 },
            load: highest(&mut nodes.values().map(load)),
            downlink: if offloaded { sent(&target.name) } else { 0.0 },
        }
    }

    /// The rows of `requests.csv`.
    pub fn csv(&self) -> String {
        let mut text = format!("{},{}\n", Request::COLUMNS, MORE_COLUMNS);
        let cell = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
        for Measured { request, worker, frame_bytes, prepare_cpu_ns, process_cpu_ns } in &self.requests {
            let worker = cell(worker.map(u64::from));
            let (frame, prepare, process) =
                (cell(*frame_bytes), cell(*prepare_cpu_ns), cell(*process_cpu_ns));
            writeln!(text, "{request},{worker},{frame},{prepare},{process}")
                .expect("writing to a text cannot fail");
        }
        text
    }
}

/// The columns of `requests.csv` that a simulated request does not have.
const MORE_COLUMNS: &str = "worker,frame_bytes,prepare_cpu_ns,process_cpu_ns";

/// Reads the rows of a `requests.csv`; the columns beyond those of a trace may be absent.
///
/// # Errors
/// The line, and what is wrong with it.
pub fn read_csv(text: &str) -> Result<Vec<Measured>, String> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().ok_or("it is empty")?.split(',').collect();
    let mut requests = Vec::new();
    for (number, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |name: &str| {
            let at = header.iter().position(|column| *column == name)?;
            cells.get(at).copied()
        };
        let wrong = |message: String| format!("line {}: {message}", number + 2);
        let more = |name: &str| match cell(name) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| wrong(format!("`{text}` in column `{name}` is not a whole number"))),
        };
        requests.push(Measured {
            request: Request::from_cells(cell).map_err(wrong)?,
            worker: more("worker")?.and_then(|worker| u32::try_from(worker).ok()),
            frame_bytes: more("frame_bytes")?,
            prepare_cpu_ns: more("prepare_cpu_ns")?,
            process_cpu_ns: more("process_cpu_ns")?,
        });
    }
    Ok(requests)
}

/// How much of each resource was used or asked for, 1 being all of it.
struct Shares {
    endpoint: f64,
    uplink: f64,
    load: f64,
    downlink: f64,
}

/// The rate of a medium that one node has for itself; nothing where there is no limit or where it is shared otherwise.
fn rate_bit_s(d: &Deployment, from_endpoints: bool) -> Option<f64> {
    let (link, forwards) = d.link(d.placement.endpoint, d.placement.target)?;
    let direction = if forwards == from_endpoints { &link.up } else { &link.down };
    match (&direction.rate, link.scope) {
        (offing_core::Rate::BitPerS(rate), offing_core::Scope::Node) => Some(*rate),
        _ => None,
    }
}

/// The name of the resource with the highest share, as simulated runs call it, and that share.
fn bottleneck(d: &Deployment, shares: &Shares) -> (String, f64) {
    let (endpoint, target) = (&d.endpoints().name, &d.targets().name);
    let mut highest = (format!("{target} workers"), shares.load);
    for (name, share) in [
        (format!("{endpoint} processor"), shares.endpoint),
        (format!("uplink to {target}"), shares.uplink),
        (format!("downlink from {target}"), shares.downlink),
    ] {
        if share > highest.1 {
            highest = (name, share);
        }
    }
    highest
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::plan::tests::deployment;
    use offing_core::{Parts, Scope, Span};

    /// Ten requests in the observed span of a deployment with two endpoints and one target.
    pub(crate) fn observed() -> (Deployment, Observed) {
        let mut d = deployment(Scope::Node, 8e6);
        (d.warm_up, d.duration) = (Span::from_millis(1_000), Span::from_millis(2_000));
        let requests = (0..20_u64).map(|k| Measured {
            request: Request {
                emitted: k * 100_000_000,
                endpoint: (k % 2) as u32,
                index: k / 2,
                node: 0,
                parts: (k != 15).then_some(Parts {
                    prepare: 1_000_000,
                    uplink: 20_000_000,
                    queue: k,
                    process: 30_000_000,
                    downlink: 10_000_000,
                }),
            },
            worker: (k != 15).then_some(0),
            frame_bytes: Some(14_480),
            prepare_cpu_ns: Some(900_000),
            process_cpu_ns: (k != 15).then_some(25_000_000),
        });
        let node = |name: &str, tier: &str, allowed, cpu, tx| NodeUse {
            name: name.into(),
            tier: tier.into(),
            allowed_cpu_seconds: allowed,
            cpu_seconds: cpu,
            tx_bytes: Some(tx),
            ..NodeUse::default()
        };
        let facts = Facts {
            repetition: 1,
            valid: true,
            dilate: 1.0,
            nodes: vec![
                node("endpoint-0", "endpoint", 0.5, 0.1, 100_000),
                node("endpoint-1", "endpoint", 0.5, 0.2, 900_000),
                node("cloud-0", "cloud", 2.0, 0.5, 1_000),
            ],
            outcomes: Outcomes { lost: 1, ..Outcomes::default() },
            ..Facts::default()
        };
        (d, Observed { facts, proof: None, requests: requests.collect() })
    }

    #[test]
    fn the_record_follows_from_what_was_observed_by_hand() {
        let (d, observed) = observed();
        let run = observed.to_run(&d, 7);
        assert_eq!((run.counts.offered, run.counts.completed), (10, 9));
        assert_eq!((run.counts.dropped, run.counts.unfinished), (0, 1));
        let summary = Summary::new("by hand", &run, false);
        // Processor: (0.1 + 0.2) / 1; 0.5 / 2.
        assert!((summary.utilization["endpoint"] - 0.3).abs() < 1e-9);
        assert!((summary.utilization["cloud"] - 0.25).abs() < 1e-9);
        // Ten requests of 25 ms in one second, for one worker.
        assert!((summary.load - 0.25).abs() < 1e-9, "{}", summary.load);
        // 0.9 MB in a second of 1 MB/s.
        assert_eq!(summary.bottleneck, "uplink to cloud");
        assert!(summary.stable);
        assert_eq!(summary.parts_ms["process"].mean, 30.0);
        assert_eq!(summary.energy_j_per_request, None);
    }

    #[test]
    fn rows_read_back_as_they_were_written_and_a_plain_trace_is_read_too() {
        let (_, observed) = observed();
        assert_eq!(read_csv(&observed.csv()).unwrap(), observed.requests);
        let plain = format!("{}\n0,0,0,5,0,0,0,7,0,7,false\n", Request::COLUMNS);
        assert_eq!(read_csv(&plain).unwrap()[0].worker, None);
        let broken = read_csv(&plain.replace(",5,", ",five,")).unwrap_err();
        assert!(broken.starts_with("line 2") && broken.contains("emitted_ns"), "{broken}");
    }
}
