//! What follows from a file: roles, processes, links in force, the load and the inequalities of the paper.
//!
//! Formulas: docs/continuum.md, "Derived facts". Symbols: R frequency [Hz], E endpoints per worker, C cores and
//! Q quota of worker (w) and endpoint (e), B rate of the link between them [Mbit/s], T_proc and T_pre CPU times
//! per frame [s], D = 8 d R demand on the link [Mbit/s] with d the message size [MB].

use std::collections::BTreeMap;

use serde::Serialize;

use super::links::{PAIRS, Shape, in_force};
use super::resolved::{Mode, Resolved};

/// Whose word counts where Continuum's code and its documentation differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// What its code does.
    #[default]
    Continuum,
    /// What its documentation promises.
    Intended,
}

/// The numbers of the application, which no `.cfg` has. The caller takes them from the models.
#[derive(Clone, Debug, PartialEq)]
pub struct AppNumbers {
    /// CPU time of processing one frame at speed 1 [s]: T_proc.
    pub process_s: f64,
    /// CPU time at the endpoint before a frame is sent, at speed 1 [s]: T_pre.
    pub prepare_s: f64,
    /// Mean size of a message with its header [byte]: d.
    pub message_bytes: f64,
    /// TOML value of `app.frame`, for example `"68 kB"` with its quotes.
    pub frame: String,
    /// TOML value of `app.process`.
    pub process: String,
    /// TOML value of `app.prepare`.
    pub prepare: String,
    /// TOML value of `app.result`.
    pub result: String,
    /// TOML value of `app.memory`.
    pub memory: String,
}

/// Processor time that a container may use [cores].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cpus {
    /// As Continuum floors it; 0 means no limit.
    Whole(u64),
    /// As the file asks for it.
    Real(f64),
}

/// Which way of the benchmark's messages is shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShapedLegs {
    /// From the endpoint to the worker.
    pub request: bool,
    /// The way back.
    pub reply: bool,
}

/// What the load formulas take from the file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadInputs {
    /// R.
    pub rate_hz: u64,
    /// E; 1 if the endpoints process themselves.
    pub endpoints_per_worker: u64,
    /// C_w; the endpoint's if it processes itself, as for the next two.
    pub worker_cores: u64,
    /// Q_w.
    pub worker_quota: f64,
    /// C_w Q_w.
    pub worker_capacity_cores: f64,
    /// C_e.
    pub endpoint_cores: u64,
    /// Q_e.
    pub endpoint_quota: f64,
    /// C_e Q_e.
    pub endpoint_capacity_cores: f64,
    /// B; nothing where the link is not shaped.
    pub bandwidth_mbit: Option<f64>,
    /// R E / C_w.
    pub arrivals_per_worker_core_hz: f64,
}

/// One inequality of the paper, with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inequality {
    /// In symbols.
    pub text: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// The left side.
    pub left: f64,
    /// The right side; nothing where there is no limit.
    pub right: Option<f64>,
    /// Unit of both sides.
    pub unit: &'static str,
    /// Whether left is less than right.
    pub holds: bool,
}

impl Inequality {
    fn new(
        text: &'static str,
        meaning: &'static str,
        left: f64,
        right: Option<f64>,
        unit: &'static str,
    ) -> Self {
        Inequality { text, meaning, left, right, unit, holds: right.is_none_or(|right| left < right) }
    }
}

/// All facts. Nothing stands where a fact does not apply, or where its number is beyond 64 bits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    /// Whose word counts in what follows.
    pub semantics: Semantics,
    /// Who processes.
    pub mode: Mode,
    /// As in the file.
    pub provider: String,
    /// As in the file.
    pub infra_only: bool,
    /// As in the file.
    pub resource_manager: Option<String>,
    /// As in the file.
    pub application: Option<String>,
    /// Whether functions are deployed instead of containers.
    pub serverless: bool,
    /// Cloud nodes that run no application.
    pub controller_nodes: u64,
    /// Nodes that run workers.
    pub worker_nodes: Option<u64>,
    /// Nodes that make requests.
    pub endpoint_nodes: Option<u64>,
    /// Endpoints that each worker serves.
    pub endpoints_per_worker: Option<u64>,
    /// Instances of the application on each worker.
    pub instances_per_worker: Option<u64>,
    /// On all workers.
    pub instances_total: Option<u64>,
    /// Worker processes of one instance.
    pub processes_per_instance: Option<u64>,
    /// On one worker.
    pub processes_per_worker: Option<u64>,
    /// Threads of one inference.
    pub threads_per_process: Option<u64>,
    /// Limit of the worker's container.
    pub worker_container_cpus: Option<Cpus>,
    /// Limit of the endpoint's container.
    pub endpoint_container_cpus: Option<Cpus>,
    /// `[latency ms, jitter ms, Mbit/s]` by pair of tiers, nothing where it is not shaped.
    pub links: BTreeMap<&'static str, Option<Shape>>,
    /// Which way of the benchmark is shaped.
    pub shaped_legs: Option<ShapedLegs>,
    /// Frames per second of each endpoint.
    pub frequency_hz: Option<u64>,
    /// Length of the benchmark.
    pub duration_s: Option<u64>,
    /// Their product.
    pub messages_per_endpoint: Option<u64>,
    /// What the following is computed from.
    pub load_inputs: Option<LoadInputs>,
    /// T_proc R E / (C_w Q_w): demand over capacity of inequality (1).
    pub system_load: Option<f64>,
    /// The load as the paper's figures print it, in whole per cent: 5 E T_proc / C_w, without the quota and with
    /// a frequency of 5 Hz whatever the file says.
    pub system_load_plotted_percent: Option<u64>,
    /// Whether an endpoint could process its own frames: T_proc R < C_e Q_e.
    pub local: Option<Inequality>,
    /// (1), (2) and (3): whether offloading is possible; none where nothing is offloaded.
    pub inequalities: Vec<Inequality>,
    /// Defects of Continuum at this commit that the file meets.
    pub origin_defects: Vec<&'static str>,
}

/// Derives all facts of a file.
pub fn derive(resolved: &Resolved, semantics: Semantics, app: &AppNumbers) -> Derived {
    let provider = resolved.provider();
    let infra_only = resolved.flag("infrastructure", "infra_only");
    let manager = resolved.manager();
    let application = resolved.application();
    let serverless = resolved.is_serverless();
    let mode = resolved.mode;
    let classifies = application == Some("image_classification");
    let offloads = classifies && mode != Mode::Endpoint;
    let workers = worker_nodes(resolved);
    let some_workers = workers.filter(|workers| *workers > 0);
    let endpoints = resolved.nodes("endpoint");
    let endpoints_per_worker = some_workers.and_then(|workers| Some(endpoints? / workers));

    let runs_instances = application.is_some() && mode != Mode::Endpoint && !serverless;
    let instances = instances(resolved).filter(|_| runs_instances);
    let processes = match mode {
        _ if !classifies || serverless => None,
        Mode::Endpoint => Some(1),
        _ => processes(resolved, semantics),
    };
    let per_worker = instances.filter(|_| offloads).and_then(|n| n.checked_mul(processes?));
    let threads = match mode {
        _ if !classifies => None,
        Mode::Endpoint => resolved.whole("infrastructure", "endpoint_cores").and_then(|cores| cores.to_u64()),
        _ => Some(1),
    };
    let load_inputs =
        if classifies && !serverless { load_inputs(resolved, endpoints_per_worker) } else { None };
    let legs = offloads.then(|| shaped_legs(resolved, semantics));
    let frequency = resolved.whole("benchmark", "frequency").and_then(|hz| hz.to_u64());
    let duration = resolved.whole("benchmark", "duration").and_then(|s| s.to_u64());
    let mut derived = Derived {
        semantics,
        mode,
        provider: provider.to_owned(),
        infra_only,
        resource_manager: manager.map(str::to_owned),
        application: application.map(str::to_owned),
        serverless,
        controller_nodes: controller_nodes(resolved),
        worker_nodes: workers,
        endpoint_nodes: endpoints,
        endpoints_per_worker,
        instances_per_worker: instances,
        instances_total: instances.and_then(|n| n.checked_mul(workers?)),
        processes_per_instance: processes,
        processes_per_worker: per_worker,
        threads_per_process: threads,
        worker_container_cpus: worker_container_cpus(resolved, semantics).filter(|_| offloads),
        endpoint_container_cpus: endpoint_container_cpus(resolved, semantics).filter(|_| classifies),
        links: links(resolved),
        shaped_legs: legs,
        frequency_hz: frequency,
        duration_s: duration,
        messages_per_endpoint: frequency.and_then(|hz| hz.checked_mul(duration?)),
        load_inputs,
        system_load: None,
        system_load_plotted_percent: None,
        local: None,
        inequalities: Vec::new(),
        origin_defects: defects(resolved, legs),
    };
    if let Some(inputs) = derived.load_inputs.clone() {
        derived.add_load(&inputs, app);
    }
    derived
}

impl Derived {
    fn add_load(&mut self, inputs: &LoadInputs, app: &AppNumbers) {
        let rate = inputs.rate_hz as f64;
        let endpoints = inputs.endpoints_per_worker as f64;
        let demand = app.process_s * rate * endpoints;
        self.system_load = Some(demand / inputs.worker_capacity_cores);
        let plotted = 100.0 * 5.0 * endpoints / (1.0 / app.process_s * inputs.worker_cores as f64);
        self.system_load_plotted_percent = plotted.is_finite().then_some(plotted as u64);
        let own = Some(inputs.endpoint_capacity_cores);
        self.local = Some(Inequality::new(
            "T_proc R < C_e Q_e",
            "an endpoint can process its own frames",
            app.process_s * rate,
            own,
            "cores",
        ));
        if self.mode == Mode::Endpoint {
            return;
        }
        let capacity = Some(inputs.worker_capacity_cores);
        self.inequalities = vec![
            Inequality::new(
                "T_proc R E < C_w Q_w",
                "a worker can process the frames of its endpoints",
                demand,
                capacity,
                "cores",
            ),
            Inequality::new(
                "T_pre R < C_e Q_e",
                "an endpoint can prepare its frames",
                app.prepare_s * rate,
                own,
                "cores",
            ),
            Inequality::new(
                "8 d R < B",
                "the link can carry the frames of an endpoint",
                8.0 * app.message_bytes / 1e6 * rate,
                inputs.bandwidth_mbit,
                "Mbit/s",
            ),
        ];
    }
}

/// The first cloud node is the controller, unless there is none to control.
pub(super) fn controller_nodes(resolved: &Resolved) -> u64 {
    let none = resolved.flag("infrastructure", "infra_only") || resolved.provider() == "baremetal";
    u64::from(!none && resolved.nodes("cloud") != Some(0) && resolved.mode != Mode::Endpoint)
}

/// Nodes that run workers; nothing with `infra_only`, where no node has a role.
pub(super) fn worker_nodes(resolved: &Resolved) -> Option<u64> {
    if resolved.flag("infrastructure", "infra_only") {
        return None;
    }
    match resolved.mode {
        Mode::Endpoint => Some(0),
        Mode::Edge => resolved.nodes("edge"),
        Mode::Cloud => Some(resolved.nodes("cloud")? - controller_nodes(resolved)),
    }
}

/// Instances of the application on one worker; mist and bare metal start a single one.
pub(super) fn instances(resolved: &Resolved) -> Option<u64> {
    if resolved.manager() == Some("mist") || resolved.provider() == "baremetal" {
        return Some(1);
    }
    resolved.whole("benchmark", "applications_per_worker")?.to_u64()
}

/// Worker processes of one instance of image_classification.
pub(super) fn processes(resolved: &Resolved, semantics: Semantics) -> Option<u64> {
    let cores = |tier| resolved.whole("infrastructure", tier).and_then(|cores| cores.to_u64());
    let cpu = resolved.real("benchmark", "application_worker_cpu").filter(|cpu| *cpu < 1e15);
    match semantics {
        _ if resolved.provider() == "baremetal" => cores("cloud_cores"),
        Semantics::Continuum if resolved.manager() == Some("mist") => cores("edge_cores"),
        Semantics::Continuum => Some((cpu? as u64).max(1)),
        Semantics::Intended => Some((cpu?.ceil() as u64).max(1)),
    }
}

fn worker_container_cpus(resolved: &Resolved, semantics: Semantics) -> Option<Cpus> {
    let cpu = resolved.real("benchmark", "application_worker_cpu").filter(|cpu| *cpu < 1e15)?;
    match semantics {
        _ if resolved.provider() == "baremetal" || resolved.is_serverless() => None,
        Semantics::Continuum => (resolved.manager() == Some("mist")).then_some(Cpus::Whole(cpu as u64)),
        Semantics::Intended => Some(Cpus::Real(cpu)),
    }
}

fn endpoint_container_cpus(resolved: &Resolved, semantics: Semantics) -> Option<Cpus> {
    let cpu = resolved.real("benchmark", "application_endpoint_cpu").filter(|cpu| *cpu < 1e15)?;
    match semantics {
        _ if resolved.provider() == "baremetal" => None,
        Semantics::Continuum => Some(Cpus::Whole(cpu as u64)),
        Semantics::Intended => Some(Cpus::Real(cpu)),
    }
}

fn links(resolved: &Resolved) -> BTreeMap<&'static str, Option<Shape>> {
    let name = |link| match link {
        "cloud" => "cloud_cloud",
        "edge" => "edge_edge",
        other => other,
    };
    PAIRS.iter().map(|(link, _)| (name(*link), in_force(resolved, link))).collect()
}

/// On Google Cloud and AWS the filters hold internal addresses, but replies go to external ones, and with
/// functions so do requests.
pub(super) fn shaped_legs(resolved: &Resolved, semantics: Semantics) -> ShapedLegs {
    let shaped = resolved.flag("infrastructure", "network_emulation");
    let internal = !matches!(resolved.provider(), "gcp" | "aws") || semantics == Semantics::Intended;
    ShapedLegs { request: shaped && (internal || !resolved.is_serverless()), reply: shaped && internal }
}

fn load_inputs(resolved: &Resolved, endpoints_per_worker: Option<u64>) -> Option<LoadInputs> {
    let tier = resolved.mode.tier();
    let size = |tier: &str| {
        let cores = resolved.whole("infrastructure", &format!("{tier}_cores"))?.to_u64()?;
        let quota = resolved.real("infrastructure", &format!("{tier}_quota"))?;
        Some((cores, quota, cores as f64 * quota))
    };
    let (worker_cores, worker_quota, worker_capacity_cores) = size(tier)?;
    let (endpoint_cores, endpoint_quota, endpoint_capacity_cores) = size("endpoint")?;
    let rate_hz = resolved.whole("benchmark", "frequency")?.to_u64()?;
    let endpoints = if resolved.mode == Mode::Endpoint { 1 } else { endpoints_per_worker? };
    Some(LoadInputs {
        rate_hz,
        endpoints_per_worker: endpoints,
        worker_cores,
        worker_quota,
        worker_capacity_cores,
        endpoint_cores,
        endpoint_quota,
        endpoint_capacity_cores,
        bandwidth_mbit: in_force(resolved, &format!("{tier}_endpoint")).map(|shape| shape.rate_mbit_s),
        arrivals_per_worker_core_hz: rate_hz as f64 * endpoints as f64 / worker_cores as f64,
    })
}

fn defects(resolved: &Resolved, legs: Option<ShapedLegs>) -> Vec<&'static str> {
    let application = resolved.application();
    let emulated = resolved.flag("infrastructure", "network_emulation");
    let truncated = resolved.real("benchmark", "application_endpoint_cpu").is_some_and(|cpu| cpu < 1.0);
    let classifies = application == Some("image_classification");
    let met = [
        ("kubeedge_kube_version", resolved.manager() == Some("kubeedge")),
        ("mist_result_parse", resolved.manager() == Some("mist")),
        ("stress_result_format", application == Some("stress")),
        ("mem_usage_result_format", application == Some("mem_usage")),
        ("baremetal_dead", resolved.provider() == "baremetal"),
        ("endpoint_cpus_truncated", classifies && truncated && resolved.provider() != "baremetal"),
        ("cloud_reply_unshaped", emulated && matches!(resolved.provider(), "gcp" | "aws") && legs.is_some()),
    ];
    met.into_iter().filter(|(_, met)| *met).map(|(name, _)| name).collect()
}
