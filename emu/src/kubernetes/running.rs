//! One run on a cluster, from the first object to the last report.
//!
//! ```text
//! namespace, services | configurations, Deployments, Jobs | all ready | told | lead | start | .. | reports | removed
//! ```
//! Pods are told an instant of the wall clock at which the run starts, each on its own node, so that nodes need a
//! common time of day (NTP) and nothing else. Broken connections are made again as long as there is time: reports
//! stay in the pods until they are fetched.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod, Service};
use kube::api::{Api, AttachParams, ListParams, LogParams, PostParams};
use offing_app::protocol::{GRACE_NS, PodReport, PodState};
use offing_core::Deployment;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::access::{Access, Cluster, failed, is_absent, is_forbidden};
use super::objects::{CONTAINER, LABEL_NODE, Objects, Whole, names, namespace, service};
use super::removing::{in_time, ledger_name, remove_from};
use super::watching::{Fault, News, Pods, Watch};
use super::{KubernetesFacts, NodeFacts};
use crate::application::{Role, Workload, lead_s, roles, schedule};
use crate::bench::{MARGIN, conclude};
use crate::campaign::unproved;
use crate::collect::{Counters, HostFacts, HostTicks, NodeUse};
use crate::error::EmuError;
use crate::interrupt::interrupted;
use crate::ledger::{Kind, LABEL_RUN, Ledger, Resource, utc};
use crate::links::forwarder::{Forwarder, Report};
use crate::observed::{Facts, Observed};
use crate::plan::{RunPlan, times};
use crate::proof::{self, Proof};
use crate::provider::docker::AGENT;

/// How often a wait looks whether the user has had enough.
const LOOK: Duration = Duration::from_millis(100);
/// How long telling all pods something may take.
const TELLING: Duration = Duration::from_secs(30);
/// How long a pod that need not wait for anything takes to answer. A connection that dies without a word (its server's machine
/// is gone) is given up after that.
const USUAL: Duration = Duration::from_secs(5);
/// Between two attempts to reach a pod.
const PAUSE: Duration = Duration::from_millis(500);
/// How long other pods may take to fail for the same reason.
const AFTERMATH: Duration = Duration::from_millis(1_500);
/// Lines of a container's log that are told.
const LINES: i64 = 5;

/// What is on a cluster because of a run. Dropping it removes that; what cannot be removed stays in the ledger.
struct Made<'c> {
    cluster: &'c Cluster,
    access: &'c Access,
    plan: &'c RunPlan,
    run: String,
    namespace: String,
    /// Names of the objects, in the order of the plan's nodes.
    names: Vec<String>,
    /// Nothing once all is removed.
    ledger: Option<Ledger>,
    kind: Kind,
}

/// Where the pods of a run go, if it is not for the scheduler to say: names of nodes, in the plan's order.
type Hostnames<'h> = Option<&'h [String]>;

/// What is different on nodes of our own.
pub struct Ground<'g> {
    /// The node of the cluster for each node of the plan.
    pub hostnames: Vec<String>,
    /// The links between them; nothing where nothing is sent.
    pub links: Option<&'g RefCell<Forwarder>>,
    /// What was measured of the links. Quotas are measured in the pods.
    pub proof: Proof,
    /// The host's processor time before that.
    pub before: Option<HostTicks>,
}

/// What is measured.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it takes.
    pub plan: &'a RunPlan,
    /// The deployment.
    pub deployment: &'a Deployment,
    /// What its endpoints emit and its workers do.
    pub workload: &'a Workload,
}

/// Measures a deployment on a cluster. `state` is the folder of the ledgers; `reach` hears what begins: first measuring,
/// then removing.
///
/// # Errors
/// [`EmuError::Node`] if a pod fails, for whatever reason; [`EmuError::Kubernetes`] if the cluster does. Then all is
/// removed, or it is still in the ledger.
pub fn measure(
    cluster: &Cluster,
    access: &Access,
    state: &Path,
    asked: Asked<'_>,
    ground: Option<Ground<'_>>,
    reach: &mut dyn FnMut(crate::campaign::Step) -> Result<(), EmuError>,
) -> Result<Observed, EmuError> {
    let Asked { plan, deployment, workload } = asked;
    let started = utc(SystemTime::now());
    let version = cluster.version()?;
    let mut made = Made::begin(cluster, access, plan, state)?;
    let runtime = &cluster.runtime;
    let addresses = runtime.block_on(made.ground())?;
    let lead_s = lead_s(deployment, plan, workload);
    // Pods replace the start when they are told.
    let schedule = schedule(deployment, plan, 0);
    let address = |node: usize| addresses.get(&node).copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let roles = roles(deployment, plan, workload, schedule, lead_s, &address);
    let span = [times(deployment.warm_up, plan.dilate).as_nanos(), schedule.emit_for_ns];
    let hostnames = ground.as_ref().map(|ground| &ground.hostnames[..]);
    let (mut pods, mut watch) = runtime.block_on(made.raise(&roles, span, hostnames))?;
    let links = ground.as_ref().and_then(|ground| ground.links);
    let mut proof = None;
    if let Some(ground) = ground {
        let proof = proof.insert(ground.proof);
        runtime.block_on(made.prove_processors(&mut pods, &mut watch, proof))?;
        proof.since(ground.before);
    }
    if let Some(proof) = proof.take_if(|proof| !proof.holds) {
        reach(crate::campaign::Step::Removing)?;
        drop(watch);
        made.clear()?;
        return Ok(unproved(plan, proof));
    }
    reach(crate::campaign::Step::Measuring)?;
    let limit = Duration::from_nanos(schedule.emit_for_ns + schedule.drain_ns + GRACE_NS) + MARGIN;
    let ran = runtime.block_on(made.run(&mut pods, &mut watch, lead_s, span, limit, links))?;
    let Ran { texts, facts: nodes, clock_spread_ms, links } = ran;
    let told = read_reports(plan, &roles, &texts)?;
    let observed = {
        let uses = told.reports.iter().zip(&plan.nodes).filter_map(|(report, node)| {
            let [before, after] = report.counters.as_ref()?;
            let span_s = after.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
            let used = Counters::from(after).since(
                &Counters::from(before),
                &node.name,
                &node.tier,
                node.cpus * span_s,
            );
            before.cpu_ns.is_some().then_some(used)
        });
        let uses: Vec<NodeUse> = uses.collect();
        let facts = Facts {
            host: host(&told.reports, &version, &nodes),
            host_busy: busiest(&told.reports),
            started,
            links,
            kubernetes: Some(KubernetesFacts {
                version,
                context: cluster.context.clone(),
                image: access.image.clone(),
                pods: pods.starts.into_iter().map(super::PodStart::in_order).collect(),
                nodes,
                clock_spread_ms,
            }),
            nodes: uses,
            ..Facts::default()
        };
        conclude(deployment, plan, workload, &roles, &told.texts, facts)?
    };
    drop(watch);
    reach(crate::campaign::Step::Removing)?;
    made.clear()?;
    Ok(Observed { proof, ..observed })
}

/// What pods have reported.
struct Told {
    /// In the order of the plan's nodes.
    reports: Vec<PodReport>,
    /// In the order of the roles.
    texts: Vec<String>,
}

fn read_reports(plan: &RunPlan, roles: &[Role], pods: &[String]) -> Result<Told, EmuError> {
    let mut reports = Vec::new();
    for (node, text) in plan.nodes.iter().zip(pods) {
        let report: PodReport = serde_json::from_str(text).map_err(|bad| {
            let start: String = text.chars().take(200).collect();
            EmuError::node(&node.name, "report", format!("{bad}: it says `{start}`"))
        })?;
        reports.push(report);
    }
    // Targets are the cause of what endpoints say.
    let order = (0..reports.len()).rev();
    let mut failed = order.filter_map(|i| Some((i, reports[i].failed.clone()?)));
    if let Some((i, (role, said))) = failed.next() {
        return Err(EmuError::node(&plan.nodes[i].name, format!("run the {role}"), said));
    }
    let mut next = vec![0; plan.nodes.len()];
    let mut texts = Vec::new();
    for role in roles {
        let i = next[role.node];
        next[role.node] += 1;
        texts.push(reports[role.node].reports.get(i).cloned().flatten().unwrap_or_default());
    }
    Ok(Told { reports, texts })
}

/// The machines that everything ran on, as one.
fn host(reports: &[PodReport], version: &str, nodes: &[NodeFacts]) -> HostFacts {
    let one = |values: Vec<String>| {
        let mut values = values;
        values.sort();
        values.dedup();
        (!values.is_empty()).then(|| values.join(", "))
    };
    let load = |i: usize| {
        let loads = reports.iter().filter_map(|report| report.counters.as_ref()?[i].load_average);
        loads.reduce(f64::max)
    };
    HostFacts {
        name: one(nodes.iter().map(|node| node.name.clone()).collect()),
        processor: one(reports.iter().filter_map(|report| report.processor.clone()).collect()),
        cores: reports.iter().map(|report| report.cores).fold(0.0, f64::max),
        kernel: one(nodes.iter().filter_map(|node| node.kernel.clone()).collect()),
        engine: Some(format!("kubernetes {version}")),
        load_average: load(0).zip(load(1)).map(|(before, after)| [before, after]),
        ..HostFacts::default()
    }
}

/// Share of the busiest node's processor time that was used.
fn busiest(reports: &[PodReport]) -> Option<f64> {
    let shares = reports.iter().filter_map(|report| {
        let [before, after] = report.counters.as_ref()?;
        let ([used, all], [used_now, all_now]) = (before.node_ticks?, after.node_ticks?);
        Some(used_now.saturating_sub(used) as f64 / all_now.saturating_sub(all).max(1) as f64)
    });
    shares.reduce(f64::max)
}

/// What came of a run.
struct Ran {
    /// A report per pod.
    texts: Vec<String>,
    facts: Vec<NodeFacts>,
    clock_spread_ms: f64,
    links: Option<Report>,
}

impl<'c> Made<'c> {
    fn begin(
        cluster: &'c Cluster,
        access: &'c Access,
        plan: &'c RunPlan,
        state: &Path,
    ) -> Result<Made<'c>, EmuError> {
        let mut ledger = Ledger::begin(state, &plan.deployment)?;
        let run = ledger.run().to_string();
        let plain = names(&plan.nodes);
        let (namespace, kind, names) = match &access.namespace {
            None => (format!("offing-{run}"), Kind::KubernetesNamespace, plain),
            // Others may have objects there.
            Some(given) => {
                let own = run.rsplit('-').next().unwrap_or(&run);
                let names = plain.iter().map(|name| format!("offing-{own}-{name}")).collect();
                (given.clone(), Kind::KubernetesObjects, names)
            }
        };
        ledger.making(kind, &ledger_name(&namespace, cluster))?;
        Ok(Made { cluster, access, plan, run, namespace, names, ledger: Some(ledger), kind })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    async fn create<K>(&self, what: &str, object: &K) -> Result<K, EmuError>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let step = format!("create {what} in namespace {}", self.namespace);
        let api = self.api::<K>();
        in_time(self.cluster, &step, api.create(&PostParams::default(), object)).await
    }

    /// The namespace, and the addresses of the target nodes by their number in the plan.
    async fn ground(&self) -> Result<BTreeMap<usize, Ipv4Addr>, EmuError> {
        if self.kind == Kind::KubernetesNamespace {
            let api: Api<Namespace> = Api::all(self.cluster.client.clone());
            let step = format!("create the namespace {}", self.namespace);
            let object = namespace(&self.namespace, &self.run);
            in_time(self.cluster, &step, api.create(&PostParams::default(), &object)).await?;
        }
        let mut addresses = BTreeMap::new();
        let is_target = |i: &usize| self.plan.paths.iter().any(|path| path.to == *i) && self.is_target(*i);
        for i in (0..self.plan.nodes.len()).filter(is_target) {
            if interrupted() {
                return Err(EmuError::Interrupted);
            }
            let object = service(&self.run, &self.names[i], &self.plan.nodes[i].tier);
            let service: Service = self.create(&format!("the Service {}", self.names[i]), &object).await?;
            let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default();
            let address = address.parse().map_err(|_| {
                let cause = format!("`{address}` is no IPv4 address, and the application speaks no other");
                EmuError::kubernetes(format!("give the Service {} an address", self.names[i]), cause)
            })?;
            addresses.insert(i, address);
        }
        Ok(addresses)
    }

    /// Whether workers run there for others.
    fn is_target(&self, node: usize) -> bool {
        !self.plan.nodes[node].roles.iter().any(|role| role == "endpoint")
    }

    /// Creates everything else and waits until all pods are ready.
    async fn raise(
        &self,
        roles: &[Role],
        span: [u64; 2],
        hostnames: Hostnames<'_>,
    ) -> Result<(Pods, Watch), EmuError> {
        let selector = format!("{LABEL_RUN}={}", self.run);
        let mut pods = Pods::new(&self.plan.nodes, &self.names, Instant::now());
        let mut watch = Watch::start(self.api(), &selector, self.api::<Event>());
        let whole = Whole { access: self.access, run: &self.run, plan: self.plan, roles, span };
        let all: Vec<Objects> = (0..self.plan.nodes.len())
            .map(|i| whole.objects(i, &self.names[i], hostnames.map(|names| names[i].as_str())))
            .collect();
        for (name, Objects { configs, .. }) in self.names.iter().zip(&all) {
            for config in configs {
                self.create(&format!("the ConfigMap of {name}"), config).await?;
            }
        }
        // Targets first, as brokers are: they are the later ones of a plan.
        for i in (0..all.len()).rev() {
            if interrupted() {
                return Err(EmuError::Interrupted);
            }
            pods.asked(i);
            let Objects { deployment, job, .. } = &all[i];
            if let Some(deployment) = deployment {
                self.create(&format!("the Deployment {}", self.names[i]), deployment).await?;
            }
            if let Some(job) = job {
                self.create(&format!("the Job {}", self.names[i]), job).await?;
            }
        }
        let begin = Instant::now();
        while !pods.all_ready() {
            self.attend(&mut pods, &mut watch, LOOK, "start").await?;
            if begin.elapsed() > self.access.ready_limit
                && let Some(fault) = pods.not_ready(begin.elapsed(), self.access.tier_label.as_deref())
            {
                return Err(self.told(&fault, "start").await);
            }
        }
        Ok((pods, watch))
    }

    /// Listens to the API server for a while.
    async fn attend(
        &self,
        pods: &mut Pods,
        watch: &mut Watch,
        within: Duration,
        step: &str,
    ) -> Result<(), EmuError> {
        if interrupted() {
            return Err(EmuError::Interrupted);
        }
        if let Some((at, news)) = watch.next(within).await {
            pods.hear(at, &news);
            if let News::Broken(cause) = news {
                return Err(self.cluster.failed("be watched", &cause));
            }
        }
        match pods.fault() {
            Some(fault) => Err(self.told(&fault, step).await),
            None => Ok(()),
        }
    }

    /// A fault with all that can be found out about it.
    async fn told(&self, fault: &Fault, step: &str) -> EmuError {
        let mut said = fault.said.clone();
        if let Some((pod, previous)) = &fault.log {
            let params = LogParams {
                container: Some(CONTAINER.into()),
                previous: *previous,
                tail_lines: Some(LINES),
                ..LogParams::default()
            };
            let pods = self.api::<Pod>();
            if let Ok(log) = in_time(self.cluster, "read a log", pods.logs(pod, &params)).await {
                let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
                if !lines.is_empty() {
                    said += &format!("; its last lines: {}", lines.join(" | "));
                }
            }
        }
        if let Some(about) = self.place(fault.node).await {
            said += &format!("; {about}");
        }
        EmuError::node(&self.plan.nodes[fault.node].name, step, said)
    }

    /// What is wrong with where a pod is: its namespace or its node.
    async fn place(&self, node: usize) -> Option<String> {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client.clone());
        match in_time(self.cluster, "look", namespaces.get_opt(&self.namespace)).await {
            Ok(None) => return Some(format!("the namespace {} is gone", self.namespace)),
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
                return Some(format!("somebody else is removing the namespace {}", self.namespace));
            }
            _ => {}
        }
        let selector = format!("{LABEL_RUN}={},{}={}", self.run, LABEL_NODE, self.names[node]);
        let params = ListParams::default().labels(&selector);
        let pods = in_time(self.cluster, "look", self.api::<Pod>().list(&params)).await.ok()?;
        let on = pods.items.into_iter().find_map(|pod| pod.spec?.node_name)?;
        let nodes: Api<Node> = Api::all(self.cluster.client.clone());
        let found = in_time(self.cluster, "look", nodes.get(&on)).await.ok()?;
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready")?;
        (ready.status != "True").then(|| {
            let message = ready.message.or(ready.reason).unwrap_or_default();
            format!("node {on} of the cluster is NotReady: {message}")
        })
    }

    /// Tells all pods when to start and waits for their reports.
    async fn run(
        &self,
        pods: &mut Pods,
        watch: &mut Watch,
        lead_s: f64,
        span: [u64; 2],
        limit: Duration,
        links: Option<&RefCell<Forwarder>>,
    ) -> Result<Ran, EmuError> {
        // Where the clocks are, and how long it takes to be heard.
        let begin = Instant::now();
        let states =
            self.tell_all(pods, watch, &["state"], [USUAL, TELLING], "be asked for its clock").await?;
        let took = begin.elapsed();
        let states = self.states(&states)?;
        let (unix_now, now) = (unix_ns(), Instant::now());
        let ours = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // How far a pod's clock is ahead of ours [ms]: right within the time that asking took.
        let ahead_ms = |(at, state): &(Instant, PodState)| match state.boot_id.as_deref() == Some(ours.trim())
        {
            // The same kernel has the same clock.
            true => 0.0,
            false => {
                let then = unix_now as f64 - now.saturating_duration_since(*at).as_nanos() as f64;
                (state.now_unix_ns as f64 - then) / 1e6
            }
        };
        let offsets: Vec<f64> = states.iter().map(ahead_ms).collect();
        for ((i, (_, state)), ahead_ms) in states.iter().enumerate().zip(&offsets) {
            let age_ms = (unix_now as f64 - state.begun_unix_ns as f64) / 1e6 + ahead_ms;
            pods.begun(i, now, age_ms);
        }
        let highest = offsets.iter().copied().fold(f64::MIN, f64::max);
        let clock_spread_ms = highest - offsets.iter().copied().fold(f64::MAX, f64::min);
        let lead = Duration::from_secs_f64(lead_s) + 2 * took + Duration::from_millis(500);
        let start_unix_ns = (unix_ns() as f64 + highest.max(0.0) * 1e6) as u64 + lead.as_nanos() as u64;
        let instant = start_unix_ns.to_string();
        let words = ["start", instant.as_str()];
        let answers = self.tell_all(pods, watch, &words, [USUAL, lead], "be told when to start").await?;
        for (i, (_, state)) in self.states(&answers)?.into_iter().enumerate() {
            if let Some(why) = state.refused {
                let cause =
                    format!("{why}; the cluster is too slow for a lead of {:.1} s", lead.as_secs_f64());
                return Err(EmuError::node(&self.plan.nodes[i].name, "start in time", cause));
            }
        }
        let start = Instant::now() + Duration::from_nanos(start_unix_ns.saturating_sub(unix_ns()));
        let [from, until] = span.map(|at| start + Duration::from_nanos(at));
        let used = pods.starts.iter().filter_map(|start| start.on.clone());
        let mut on: Vec<String> = used.collect();
        on.sort();
        on.dedup();
        let mut facts = Vec::new();
        for name in &on {
            facts.push(self.node(name).await);
        }
        let usual = limit.saturating_sub(MARGIN) + lead;
        let reporting = self.tell_all(pods, watch, &["report"], [usual, limit + lead], "report");
        let summing = async { Ok(self.sum(&on, [from, until]).await) };
        let shaped = async {
            let mut last = None;
            for at in [from, until] {
                tokio::time::sleep(at.saturating_duration_since(Instant::now())).await;
                // The first report is of what was before.
                last = links.map(|links| links.borrow_mut().report()).transpose()?;
            }
            Ok(last)
        };
        let summing = futures_util::future::try_join(summing, shaped);
        let ((sums, links), texts) = futures_util::future::try_join(summing, reporting).await?;
        let texts = texts.into_iter().map(|(_, text)| text).collect();
        for (facts, sum) in facts.iter_mut().zip(sums) {
            facts.cpus = sum.map(|sum| sum.all);
            facts.pods_cpus = sum.map(|sum| sum.pods);
            facts.counted_s = sum.map(|sum| sum.span_s);
        }
        Ok(Ran { texts, facts, clock_spread_ms, links })
    }

    fn states(&self, answers: &[(Instant, String)]) -> Result<Vec<(Instant, PodState)>, EmuError> {
        let read = |(i, (at, text)): (usize, &(Instant, String))| {
            let state = serde_json::from_str(text).map_err(|bad| {
                EmuError::node(&self.plan.nodes[i].name, "answer", format!("{bad}: it says `{text}`"))
            })?;
            Ok((*at, state))
        };
        answers.iter().enumerate().map(read).collect()
    }

    /// Measures the quotas of all pods.
    async fn prove_processors(
        &self,
        pods: &mut Pods,
        watch: &mut Watch,
        proof: &mut Proof,
    ) -> Result<(), EmuError> {
        for group in proof::processor_groups(self.plan) {
            let burn = |&i: &usize| (i, proof::burn(self.plan, i));
            let asked: Vec<_> = group.iter().map(burn).collect();
            let step = "have its processors measured";
            let answers =
                self.ask_all(pods, watch, &asked, [proof::BURN + USUAL, proof::LIMIT], step).await?;
            let texts = answers.into_iter().map(|(_, text)| text);
            proof.add_processors(self.plan, &group, texts)?;
        }
        Ok(())
    }

    /// Tells all pods something at once, as [`Made::ask_all`].
    async fn tell_all(
        &self,
        pods: &mut Pods,
        watch: &mut Watch,
        words: &[&str],
        [usual, limit]: [Duration; 2],
        step: &str,
    ) -> Result<Vec<(Instant, String)>, EmuError> {
        let words: Vec<String> = ["tell"].iter().chain(words).map(ToString::to_string).collect();
        let asked: Vec<_> = (0..pods.starts.len()).map(|i| (i, words.clone())).collect();
        self.ask_all(pods, watch, &asked, [usual, limit], step).await
    }

    /// Runs the binary in some pods at once with some arguments: what each answers, and when the answer was there. That
    /// takes up to the first of two spans if nothing breaks, and is given up after the second.
    async fn ask_all(
        &self,
        pods: &mut Pods,
        watch: &mut Watch,
        asked: &[(usize, Vec<String>)],
        [usual, limit]: [Duration; 2],
        step: &str,
    ) -> Result<Vec<(Instant, String)>, EmuError> {
        let mut running = JoinSet::new();
        for (at, (i, words)) in asked.iter().enumerate() {
            let (api, pod) = (self.api::<Pod>(), pods.starts[*i].pod.clone());
            let words = [&[AGENT.to_string()], &words[..]].concat();
            running.spawn(async move { (at, exec(&api, &pod, &words, [usual, limit]).await) });
        }
        let mut answers: Vec<Option<(Instant, String)>> = vec![None; asked.len()];
        let begin = Instant::now();
        let mut first: Option<(Instant, usize, Said)> = None;
        loop {
            match tokio::time::timeout(Duration::from_millis(20), running.join_next()).await {
                Ok(None) => break,
                Ok(Some(Ok((at, Ok(answer))))) => answers[at] = Some(answer),
                Ok(Some(Ok((at, Err(said))))) => {
                    first = first.or(Some((Instant::now(), asked[at].0, said)));
                }
                Ok(Some(Err(cause))) => return Err(EmuError::kubernetes(step, cause)),
                Err(_) => {}
            }
            self.attend(pods, watch, Duration::from_millis(1), step).await?;
            // A pod that has failed makes others fail; what the API server says of it is better to know.
            if first.as_ref().is_some_and(|(at, ..)| at.elapsed() > AFTERMATH)
                || begin.elapsed() > limit + PAUSE
            {
                break;
            }
        }
        let silent = answers.iter().position(Option::is_none);
        let Some(silent) = silent.map(|at| asked[at].0) else {
            return Ok(answers.into_iter().flatten().collect());
        };
        match first {
            Some((_, i, Said::Refused(said))) => Err(EmuError::node(&self.plan.nodes[i].name, step, said)),
            Some((_, i, Said::Unreached(cause))) => {
                // Whether it is the cluster or this pod.
                let cluster = self.cluster.client.apiserver_version();
                in_time(self.cluster, step, cluster).await?;
                let about = self.place(i).await.map_or(String::new(), |about| format!("; {about}"));
                let said = failed(&self.cluster.context, step, &cause);
                let said = said.to_string();
                let said = said.split_once(": ").map_or(said.as_str(), |(_, words)| words);
                Err(EmuError::node(&self.plan.nodes[i].name, step, format!("{said}{about}")))
            }
            None => {
                let about = self.place(silent).await.map_or(String::new(), |about| format!("; {about}"));
                let cause = format!("no answer within {} s{about}", limit.as_secs());
                Err(EmuError::node(&self.plan.nodes[silent].name, step, cause))
            }
        }
    }

    /// What a node of the cluster says of itself, as far as we may know it.
    async fn node(&self, name: &str) -> NodeFacts {
        let nodes: Api<Node> = Api::all(self.cluster.client.clone());
        let found = in_time(self.cluster, "look at a node", nodes.get(name)).await.ok();
        let status = found.and_then(|node| node.status).unwrap_or_default();
        let info = status.node_info;
        let cpus = status.allocatable.and_then(|all| all.get("cpu").and_then(|cpu| quantity(&cpu.0)));
        NodeFacts {
            name: name.into(),
            kernel: info.as_ref().map(|info| info.kernel_version.clone()),
            runtime: info.map(|info| info.container_runtime_version),
            allocatable_cpus: cpus,
            ..NodeFacts::default()
        }
    }

    /// Processor time per second of nodes between two instants, from the kubelets.
    async fn sum(&self, nodes: &[String], [from, until]: [Instant; 2]) -> Vec<Option<Sum>> {
        let mut read = Vec::new();
        for at in [from, until] {
            tokio::time::sleep(at.saturating_duration_since(Instant::now())).await;
            let all = nodes.iter().map(|node| self.summary(node));
            read.push(futures_util::future::join_all(all).await);
        }
        let after = read.pop().unwrap_or_default();
        let before = read.pop().unwrap_or_default();
        before.into_iter().zip(after).map(|(before, after)| Sum::between(&before?, &after?)).collect()
    }

    /// `stats/summary` of a node; nothing where it may not be read.
    async fn summary(&self, node: &str) -> Option<Summary> {
        let request = http::Request::get(format!("/api/v1/nodes/{node}/proxy/stats/summary"));
        let request = request.body(Vec::new()).ok()?;
        let asked = self.cluster.client.request_text(request);
        let text = in_time(self.cluster, "read the kubelet's summary", asked).await.ok()?;
        Summary::read(&serde_json::from_str(&text).ok()?, &self.namespace)
    }

    fn clear(&mut self) -> Result<(), EmuError> {
        let Some(mut ledger) = self.ledger.take() else { return Ok(()) };
        remove_from(self.cluster, &self.run, self.kind, &self.namespace)?;
        let name = ledger_name(&self.namespace, self.cluster);
        ledger.gone(&Resource { kind: self.kind, name })?;
        ledger.close()
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // What cannot be removed now stays in the ledger, for `down`.
        let _ = self.clear();
    }
}

/// Why a pod did not answer.
enum Said {
    /// It has answered that it cannot.
    Refused(String),
    /// It could not be reached as long as there was time.
    Unreached(kube::Error),
}

/// Runs a command in a pod: what it prints, and when. A connection that breaks is made again as long as there is time, and so is one
/// over which nothing has come for longer than it usually takes.
async fn exec(
    api: &Api<Pod>,
    pod: &str,
    words: &[String],
    [usual, limit]: [Duration; 2],
) -> Result<(Instant, String), Said> {
    let begin = Instant::now();
    let mut patience = usual;
    let mut roles_are_known = false;
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        let asked = Instant::now();
        let cause = match tokio::time::timeout(patience.min(left), exec_once(api, pod, words)).await {
            // The answer was given half way.
            Ok(Ok(text)) => return Ok((asked + asked.elapsed() / 2, text)),
            Ok(Err(Said::Unreached(cause))) if is_absent(&cause) => cause,
            // The server's words are lost on this way. Whether it has just started and knows no roles yet, another
            // question tells; after that it is asked once more.
            Ok(Err(Said::Unreached(cause))) if is_forbidden(&cause) && !roles_are_known => {
                let one = ListParams::default().limit(1);
                roles_are_known = match tokio::time::timeout(USUAL, api.list(&one)).await {
                    Ok(Ok(_)) => true,
                    Ok(Err(cause)) => !is_absent(&cause),
                    Err(_) => false,
                };
                cause
            }
            Ok(Err(said)) => return Err(said),
            Err(_) if begin.elapsed() >= limit => {
                return Err(Said::Refused(format!("no answer within {} s", limit.as_secs())));
            }
            Err(_) => {
                patience = USUAL;
                continue;
            }
        };
        if begin.elapsed() + PAUSE > limit {
            return Err(Said::Unreached(cause));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn exec_once(api: &Api<Pod>, pod: &str, words: &[String]) -> Result<String, Said> {
    let params = AttachParams {
        container: Some(CONTAINER.into()),
        stdin: false,
        stdout: true,
        stderr: true,
        max_stdout_buf_size: Some(1 << 20),
        ..AttachParams::default()
    };
    let mut process =
        api.exec(pod, words.iter().map(String::as_str), &params).await.map_err(Said::Unreached)?;
    let broken = |what: &str| Said::Unreached(kube::Error::Service(what.into()));
    let (Some(mut output), Some(mut errors)) = (process.stdout(), process.stderr()) else {
        return Err(broken("the connection has no streams"));
    };
    let status = process.take_status();
    let (mut text, mut complaints) = (Vec::new(), Vec::new());
    let read = futures_util::future::join(output.read_to_end(&mut text), errors.read_to_end(&mut complaints));
    let (output, _) = read.await;
    output.map_err(|cause| Said::Unreached(kube::Error::ReadEvents(cause)))?;
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    // Without a status it is not known whether that was all.
    let Some(status) = status else { return Err(broken("the connection to the pod broke")) };
    match status.status.as_deref() {
        Some("Success") => Ok(String::from_utf8_lossy(&text).trim().into()),
        _ => {
            let complaints = String::from_utf8_lossy(&complaints);
            let message = status.message.unwrap_or_default();
            Err(Said::Refused(format!("{message} {}", complaints.trim()).trim().into()))
        }
    }
}

/// What a kubelet has counted, at the instants at which it did.
struct Summary {
    /// Everything on the node: when [s], processor time [s].
    all: (f64, f64),
    /// The pods of a namespace, by name.
    pods: BTreeMap<String, (f64, f64)>,
}

/// Processor time per second between two summaries [s/s], and the span between them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    all: f64,
    pods: f64,
    span_s: f64,
}

impl Summary {
    fn read(summary: &Value, namespace: &str) -> Option<Summary> {
        let counted = |value: &Value| {
            let at: k8s_openapi::jiff::Timestamp = value["cpu"]["time"].as_str()?.parse().ok()?;
            let used_ns = value["cpu"]["usageCoreNanoSeconds"].as_f64()?;
            Some((at.as_nanosecond() as f64 / 1e9, used_ns / 1e9))
        };
        let pods = summary["pods"].as_array()?.iter();
        let pods = pods.filter(|pod| pod["podRef"]["namespace"] == namespace);
        let pods = pods.filter_map(|pod| Some((pod["podRef"]["name"].as_str()?.to_string(), counted(pod)?)));
        Some(Summary { all: counted(&summary["node"])?, pods: pods.collect() })
    }
}

impl Sum {
    fn between(before: &Summary, after: &Summary) -> Option<Sum> {
        let rate = |(from, used): (f64, f64), (until, more): (f64, f64)| {
            (until > from).then(|| (more - used).max(0.0) / (until - from))
        };
        let pods = after.pods.iter().filter_map(|(name, after)| rate(*before.pods.get(name)?, *after));
        let all = rate(before.all, after.all)?;
        Some(Sum { all, pods: pods.sum(), span_s: after.all.0 - before.all.0 })
    }
}

/// A number of processors as Kubernetes writes it.
fn quantity(text: &str) -> Option<f64> {
    match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().ok().map(|milli| milli / 1e3),
        None => text.parse().ok(),
    }
}

/// This machine's clock, since 1970 [ns].
fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn summary(second: u32, node_s: f64, pod_s: f64) -> Summary {
        let cpu = |used_s: f64| json!({ "time": format!("2026-11-24T12:00:{second:02}Z"), "usageCoreNanoSeconds": used_s * 1e9 });
        let pod = |namespace: &str| json!({ "podRef": { "name": "cloud-0-a", "namespace": namespace }, "cpu": cpu(pod_s) });
        let text = json!({ "node": { "cpu": cpu(node_s) }, "pods": [pod("ours"), pod("other")] });
        Summary::read(&text, "ours").expect("it is a summary")
    }

    #[test]
    fn the_use_of_a_node_is_the_difference_of_what_its_kubelet_counted_at_its_own_instants() {
        // 6 s of processor time in 10 s, 2 of them by our pod; that of another namespace is not ours.
        let sum = Sum::between(&summary(5, 100.0, 10.0), &summary(15, 106.0, 12.0)).expect("time has passed");
        assert_eq!(sum, Sum { all: 0.6, pods: 0.2, span_s: 10.0 });
        // The kubelet has not counted again meanwhile.
        assert_eq!(Sum::between(&summary(5, 100.0, 10.0), &summary(5, 100.0, 10.0)), None);
    }

    #[test]
    fn processors_are_written_in_two_ways() {
        assert_eq!((quantity("1500m"), quantity("2"), quantity("x")), (Some(1.5), Some(2.0), None));
    }
}
