//! Runs the application on nodes that are proved, and gathers what it and the kernel have to say.
//!
//! ```text
//! roles are told | lead | start | warm-up | observed span | drain | reports
//!                               counters^               ^counters
//! ```
//! Everything happens at instants of the one clock that nodes and tool share. Counters are read by a thread of its
//! own at both ends of the observed span; the links report the same span within a tenth of a second.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use offing_app::protocol::{
    EndpointReport, GRACE_NS, LocalReport, Outcome, Request as Sent, Work, WorkerReport,
};
use offing_core::{Deployment, Parts, Request, Span};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

use crate::application::{Role, RoleKind, Workload, lead_s, roles, schedule};
use crate::cluster::{Cluster, address};
use crate::collect::{Counters, Energy, HostFacts, HostTicks, NodeUse, Sources, load_average};
use crate::error::EmuError;
use crate::ledger::utc;
use crate::links::forwarder::Report;
use crate::observed::{ClockFacts, Emission, Facts, Measured, Observed};
use crate::plan::{RunPlan, times};
use crate::provider::docker::{Task, congestion};

/// How long a role may take beyond everything that it waits for.
pub(crate) const MARGIN: Duration = Duration::from_secs(30);
/// Lateness of emissions that is worth a word [ms].
const LATE_MS: f64 = 1.0;
/// Use of the host from which nodes wait for each other.
const CROWDED: f64 = 0.95;
/// Share of the host's processor time that its hypervisor has given to others, from which delays are not what they should be: at
/// 2.5 % a thread of the highest priority was more than 0.9 ms late in one of a hundred wakes.
const STOLEN: f64 = 0.01;

/// Counters of the host and of all nodes at an instant.
struct Sample {
    at_ns: u64,
    nodes: Vec<Counters>,
    energy: Option<Energy>,
    ticks: Option<HostTicks>,
    load_average: Option<f64>,
}

impl Cluster {
    /// Runs the application once. Quotas must be in force.
    ///
    /// # Errors
    /// A node or the links failed, a role said no, or the user interrupts.
    pub fn run_application(
        &self,
        deployment: &Deployment,
        workload: &Workload,
    ) -> Result<Observed, EmuError> {
        let plan = self.plan();
        let started = utc(SystemTime::now());
        let nodes = plan.nodes.iter().zip(self.ends());
        let sources: Vec<Sources> =
            nodes.map(|(node, end)| Sources::of(&node.name, *end)).collect::<Result<_, _>>()?;
        let lead_s = lead_s(deployment, plan, workload);
        let schedule = schedule(deployment, plan, now_ns() + (lead_s * 1e9) as u64);
        let roles = roles(deployment, plan, workload, schedule, lead_s, &address);
        let from = schedule.start_at_ns + times(deployment.warm_up, plan.dilate).as_nanos();
        let until = schedule.start_at_ns + schedule.emit_for_ns;
        let limit = Duration::from_nanos(schedule.emit_for_ns + schedule.drain_ns + GRACE_NS)
            + Duration::from_secs_f64(lead_s)
            + MARGIN;
        let task = |role: &Role| Task {
            step: format!("run the {}", role.kind.name()),
            arguments: vec!["app".into(), role.kind.name().into(), "-".into()],
            input: role.config.clone(),
            ..self.task(role.node, limit)
        };
        let tasks: Vec<Task> = roles.iter().map(task).collect();

        let failed = AtomicBool::new(false);
        let links: RefCell<Option<Report>> = RefCell::new(None);
        let (begun, done) = (Cell::new(false), Cell::new(false));
        let (texts, samples) = thread::scope(|scope| {
            let sampler = scope.spawn(|| sample_twice(plan, &sources, [from, until], &failed));
            let texts = self.run_all(&tasks, &|up| {
                let now = now_ns();
                if !begun.get() && now >= from {
                    begun.set(true);
                    up.report()?;
                } else if begun.get() && !done.get() && now >= until {
                    done.set(true);
                    *links.borrow_mut() = up.report()?;
                }
                up.check()
            });
            failed.store(texts.is_err(), Ordering::Relaxed);
            (texts, sampler.join().expect("the sampler does not panic"))
        });
        let texts = texts.map_err(|cause| with_memory_kills(cause, plan, &sources))?;
        let [before, after] = samples?;
        if !done.get() {
            // The application was done a little before the end of the span.
            *links.borrow_mut() = self.report_links()?;
        }
        let shares = before.ticks.zip(after.ticks).map(|(before, after)| after.since(before));
        let mut facts = Facts {
            links: links.into_inner(),
            host: HostFacts {
                load_average: before.load_average.zip(after.load_average).map(|(a, b)| [a, b]),
                ..HostFacts::of_this_host(self.engine())
            },
            host_busy: shares.map(|shares| shares.busy),
            host_steal: shares.map(|shares| shares.stolen),
            host_energy_j: before.energy.as_ref().zip(after.energy.as_ref()).map(|(a, b)| b.since(a)),
            started,
            congestion: deployment.is_offloaded().then(|| congestion().into()),
            ..Facts::default()
        };
        let span_s = (after.at_ns - before.at_ns) as f64 / 1e9;
        let counters = plan.nodes.iter().zip(before.nodes.iter().zip(&after.nodes));
        facts.nodes = counters
            .map(|(node, (then, now))| now.since(then, &node.name, &node.tier, node.cpus * span_s))
            .collect();
        conclude(deployment, plan, workload, &roles, &texts, facts)
    }
}

/// From what roles and kernel have said to what was observed. `texts` are the reports of the roles.
pub(crate) fn conclude(
    deployment: &Deployment,
    plan: &RunPlan,
    workload: &Workload,
    roles: &[Role],
    texts: &[String],
    facts: Facts,
) -> Result<Observed, EmuError> {
    let reports = Reports::read(plan, roles, texts)?;
    reports.are_heard(plan)?;
    let mut facts = Facts {
        dilate: plan.dilate,
        application: plan.application,
        transport: deployment.is_offloaded().then_some(plan.transport),
        ended: utc(SystemTime::now()),
        notes: plan.warnings.clone(),
        ..facts
    };
    let requests = reports.tell(deployment, plan, workload, &mut facts);
    let mut observed = Observed { facts, proof: None, requests };
    judge(plan, deployment, workload.seed, &mut observed);
    Ok(observed)
}

/// What the roles have reported.
#[derive(Default)]
struct Reports {
    endpoints: Vec<EndpointReport>,
    workers: Vec<(String, WorkerReport)>,
}

impl Reports {
    fn read(plan: &RunPlan, roles: &[Role], texts: &[String]) -> Result<Reports, EmuError> {
        fn json<T: for<'a> Deserialize<'a>>(node: &str, role: &Role, text: &str) -> Result<T, EmuError> {
            let step = || format!("report as {}", role.kind.name());
            serde_json::from_str(text).map_err(|bad| {
                let start: String = text.chars().take(200).collect();
                EmuError::node(node, step(), format!("{bad}: it says `{start}`"))
            })
        }
        let mut reports = Reports::default();
        for (role, text) in roles.iter().zip(texts) {
            let node = &plan.nodes[role.node].name;
            match role.kind {
                // It has nothing to say that is not said by the others.
                RoleKind::Broker => {}
                RoleKind::Worker => reports.workers.push((node.clone(), json(node, role, text)?)),
                RoleKind::Endpoint => reports.endpoints.push(json(node, role, text)?),
                RoleKind::Local => {
                    let LocalReport { endpoint, worker } = json(node, role, text)?;
                    reports.endpoints.push(endpoint);
                    reports.workers.push((node.clone(), worker));
                }
            }
        }
        Ok(reports)
    }

    /// Whether every endpoint had an answer. One that sends and is never answered is cut off.
    fn are_heard(&self, plan: &RunPlan) -> Result<(), EmuError> {
        let is_deaf = |report: &&EndpointReport| {
            report.counts.emitted > 0 && report.counts.lost == report.counts.emitted
        };
        match self.endpoints.iter().find(is_deaf) {
            None => Ok(()),
            Some(report) => {
                // Endpoints come first in a plan.
                let name = &plan.nodes[report.endpoint as usize].name;
                let first =
                    report.about.troubles.first().map_or(String::new(), |trouble| format!(": {trouble}"));
                let cause = format!("none of its {} requests was answered{first}", report.counts.emitted);
                Err(EmuError::node(name, "reach its target", cause))
            }
        }
    }

    /// The requests of the observed span; the rest goes to the facts.
    fn tell(
        self,
        deployment: &Deployment,
        plan: &RunPlan,
        workload: &Workload,
        facts: &mut Facts,
    ) -> Vec<Measured> {
        let (from, until) = (deployment.warm_up.as_nanos(), deployment.duration.as_nanos());
        let ms = |ns: u64| ns as f64 / 1e6 / plan.dilate;
        facts.clock.shared = true;
        let mut requests = Vec::new();
        for report in self.endpoints {
            facts.version.clone_from(&report.about.version);
            let name = &plan.nodes[report.endpoint as usize].name;
            facts.troubles.extend(report.about.troubles.iter().map(|trouble| format!("{name}: {trouble}")));
            let ClockFacts { shared, offset_ns, bound_ns, adjusted } = &mut facts.clock;
            *adjusted += report.adjusted;
            for clock in &report.clocks {
                *shared &= clock.shared;
                if clock.before_ns.abs() > offset_ns.abs() {
                    *offset_ns = clock.before_ns;
                }
                *bound_ns = (*bound_ns).max(clock.before_bound_ns);
            }
            let Emission { lateness_p50_ms, lateness_p99_ms, lateness_max_ms } = &mut facts.emission;
            let late = report.lateness;
            *lateness_p50_ms = lateness_p50_ms.max(ms(late.p50_ns));
            *lateness_p99_ms = lateness_p99_ms.max(ms(late.p99_ns));
            *lateness_max_ms = lateness_max_ms.max(ms(late.max_ns));
            let drawn = workload.endpoints.get(report.endpoint as usize);
            for sent in &report.requests {
                let exact = drawn.and_then(|drawn| drawn.get(usize::try_from(sent.index).ok()?));
                let exact = exact.map(|demand| demand.emitted);
                let emitted = exact.unwrap_or_else(|| back(sent.emitted_ns, plan.dilate));
                let measured = measured(report.endpoint, emitted, sent, plan.dilate);
                if (from..until).contains(&emitted) {
                    match sent.outcome {
                        Outcome::Done => {}
                        Outcome::Dropped => facts.outcomes.dropped += 1,
                        Outcome::Failed => facts.outcomes.failed += 1,
                        Outcome::Lost => facts.outcomes.lost += 1,
                    }
                    requests.push(measured);
                } else if let Some(parts) = &measured.request.parts
                    && (from..until).contains(&(emitted + parts.latency()))
                {
                    facts.outcomes.carried_over += 1;
                }
            }
        }
        for (node, report) in self.workers {
            facts.troubles.extend(report.about.troubles.iter().map(|trouble| format!("{node}: {trouble}")));
            facts.longest_queue = facts.longest_queue.max(report.longest_queue);
            let work = match &report.work {
                Work::Burn => "burn".to_string(),
                Work::Network { name, sha256 } => {
                    format!("{name} (SHA-256 {})", sha256.get(..16).unwrap_or(sha256))
                }
            };
            if !facts.work.contains(&work) {
                facts.work.push(work);
            }
            for (number, _) in report.workers.iter().enumerate().filter(|(_, worker)| worker.died) {
                facts.troubles.push(format!("{node}: worker process {number} died"));
            }
        }
        requests.sort_unstable();
        requests
    }
}

fn measured(endpoint: u32, emitted: u64, sent: &Sent, dilate: f64) -> Measured {
    let parts = sent.parts.filter(|_| sent.outcome == Outcome::Done).map(|parts| {
        let [prepare, uplink, queue, process, downlink] = parts.to_array().map(|part| back(part, dilate));
        Parts { prepare, uplink, queue, process, downlink }
    });
    Measured {
        request: Request { emitted, endpoint, index: sent.index, node: sent.node, parts },
        worker: sent.worker.filter(|_| parts.is_some()),
        frame_bytes: Some(sent.frame_bytes),
        prepare_cpu_ns: sent.prepare_cpu_ns,
        process_cpu_ns: sent.process_cpu_ns.filter(|_| parts.is_some()),
    }
}

/// A time without the dilation.
fn back(ns: u64, dilate: f64) -> u64 {
    times(Span::from_nanos(ns), 1.0 / dilate).as_nanos()
}

/// Whether the numbers can be trusted, and what a reader must know.
fn judge(plan: &RunPlan, deployment: &Deployment, seed: u64, observed: &mut Observed) {
    let mut reasons = Vec::new();
    let is_calm = observed.to_run(deployment, seed).stable;
    let offered = observed.requests.len();
    let facts = &mut observed.facts;
    let lost = format!("{} of {offered} requests were lost: nothing was heard of them", facts.outcomes.lost);
    match facts.outcomes.lost {
        0 => {}
        // What an overload has not worked off by the end of the drain is its result.
        _ if !is_calm => facts.notes.push(lost),
        _ => reasons.push(format!("{lost}, although nothing was overloaded")),
    }
    if let Some(report) = &facts.links
        && report.forwarded > 0
    {
        let (p99, limit) = (report.lateness_p99_ns, plan.lateness_limit_ns());
        if p99 > limit {
            reasons.push(format!(
                "frames left the forwarder late: p99 {:.3} ms, at most {:.3} ms is allowed; {}",
                p99 / 1e6,
                limit / 1e6,
                match stolen(facts.host_steal) {
                    Some(stolen) => stolen,
                    None => "other programs use this host, or it is too small".into(),
                }
            ));
        }
        if report.dropped > 0 {
            facts
                .notes
                .push(format!("{} packets met a full queue of a link and were dropped", report.dropped));
        }
    }
    let sum = |of: fn(&NodeUse) -> Option<u64>| facts.nodes.iter().filter_map(of).sum::<u64>();
    let again = sum(|node| node.tcp_retransmits);
    if again > 0 {
        let (timeouts, probes) = (sum(|node| node.tcp_timeouts), sum(|node| node.tcp_loss_probes));
        facts.notes.push(format!(
            "TCP has sent {again} segments again ({timeouts} timeouts, {probes} probes): messages behind them were late"
        ));
    }
    for node in &facts.nodes {
        if let Some(kills @ 1..) = node.memory_kills {
            reasons.push(format!(
                "node {}: the kernel has killed {kills} processes because its memory was used up; raise `tier.{}.memory`",
                node.name, node.tier
            ));
        }
    }
    if facts.outcomes.failed > 0 {
        let first = facts.troubles.first().map_or(String::new(), |trouble| format!(": {trouble}"));
        reasons.push(format!("{} requests failed on their node{first}", facts.outcomes.failed));
    }
    if facts.emission.lateness_p99_ms > LATE_MS {
        facts.notes.push(format!(
            "endpoints began frames late: p99 {:.1} ms after they were due while idle; the host or a quota was busy",
            facts.emission.lateness_p99_ms
        ));
    }
    if let Some(busy) = facts.host_busy.filter(|&busy| busy > CROWDED) {
        facts.notes.push(format!(
            "{:.0} % of the host's processor time was used: nodes waited for each other or for other programs",
            busy * 100.0
        ));
    }
    facts.notes.extend(stolen(facts.host_steal));
    if facts.clock.adjusted > 0 {
        facts.notes.push(format!("{} requests had a stamp moved to fit the clocks", facts.clock.adjusted));
    }
    let troubles = facts.troubles.iter().take(3).map(|trouble| format!("trouble: {trouble}"));
    facts.notes.extend(troubles);
    facts.valid = reasons.is_empty();
    facts.reason = (!facts.valid).then(|| reasons.join("; "));
}

/// A sentence about processor time that others on the machine below have had, if it is enough to matter.
pub(crate) fn stolen(share: Option<f64>) -> Option<String> {
    let share = share.filter(|&share| share > STOLEN)?;
    Some(format!(
        "the hypervisor has given {:.1} % of this host's processor time to others (steal): what happens here is late by chance",
        share * 100.0
    ))
}

/// A node whose processes the kernel kills fails in many ways; the cause is told.
fn with_memory_kills(error: EmuError, plan: &RunPlan, sources: &[Sources]) -> EmuError {
    let EmuError::Node { node, step, cause } = error else { return error };
    let kills = plan.nodes.iter().zip(sources).find_map(|(candidate, sources)| {
        let counters = (candidate.name == node).then(|| sources.read(&node).ok())??;
        counters.memory_kills.filter(|&kills| kills > 0)
    });
    let cause = match kills {
        Some(kills) => {
            format!("{cause}; the kernel has killed {kills} processes there because its memory was used up")
        }
        None => cause,
    };
    EmuError::Node { node, step, cause }
}

/// The counters at two instants.
fn sample_twice(
    plan: &RunPlan,
    sources: &[Sources],
    [from, until]: [u64; 2],
    failed: &AtomicBool,
) -> Result<[Sample; 2], EmuError> {
    let sample = |at: u64| -> Result<Sample, EmuError> {
        loop {
            let left = at.saturating_sub(now_ns());
            if left == 0 {
                break;
            }
            if failed.load(Ordering::Relaxed) {
                return Err(EmuError::links("observe the whole span", "the application failed"));
            }
            thread::sleep(Duration::from_nanos(left.min(50_000_000)));
        }
        let nodes = plan.nodes.iter().zip(sources);
        Ok(Sample {
            at_ns: now_ns(),
            nodes: nodes.map(|(node, sources)| sources.read(&node.name)).collect::<Result<_, _>>()?,
            energy: Energy::read(),
            ticks: HostTicks::now(),
            load_average: load_average(),
        })
    };
    Ok([sample(from)?, sample(until)?])
}

/// The clock that all processes of this host share [ns].
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
