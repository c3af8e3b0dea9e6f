//! Continuum's front end as data and one walk over it: which options are read in which order, and what is
//! checked in between.
//!
//! Source: docs/continuum.md, from `configuration_parser` and the `add_options` and `verify_options` of every
//! module at commit 8c6e600. A [`Judge`] decides what becomes of each option and each refusal: the strict one
//! stops at the first, as Continuum does, the lenient one repairs or collects.

use super::python::Whole;
use super::resolved::{Mode, Resolved, Value};

/// The type of an option and the values that Continuum accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// One of these texts; any text if there are none.
    Text(&'static [&'static str]),
    /// Two numbers above 0 and below 255, with a point between them.
    Prefix,
    /// A whole number in a range, both ends included.
    Whole { min: u32, max: Option<u32> },
    /// A number in a range, both ends included.
    Real { min: f64, max: f64 },
    /// True or false.
    Flag,
    /// Texts between commas.
    List,
}

/// One option.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub section: &'static str,
    pub name: &'static str,
    pub kind: Kind,
    pub mandatory: bool,
    pub default: Value,
}

/// A check that failed, beyond a single option.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub rule: Rule,
    /// Continuum's own words.
    pub message: String,
    /// 2 where Continuum says so, 1 where it crashes.
    pub exit_code: i32,
    /// The section and option to point at; no option means the section's header.
    pub at: (&'static str, &'static str),
    /// What to write instead.
    pub hint: &'static str,
}

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    SectionMissing,
    NoNodes,
    SameMiddle,
    ManagerOnlyWithApplication,
    ApplicationMissing,
    KataStressOrMemory,
    Baremetal,
    CredentialsSlash,
    TooLarge,
    Other,
}

/// What becomes of an option or a refusal; `Err` ends the walk.
pub(super) trait Judge {
    type Stop;
    /// The text has this section.
    fn has_section(&mut self, name: &'static str) -> bool;
    /// Reads an option into `resolved`, or leaves it absent.
    fn option(&mut self, resolved: &mut Resolved, spec: Spec) -> Result<(), Self::Stop>;
    /// A check failed.
    fn refuse(&mut self, resolved: &mut Resolved, refusal: Refusal) -> Result<(), Self::Stop>;
}

pub(super) const TIERS: [&str; 3] = ["cloud", "edge", "endpoint"];
pub(super) const PROVIDERS: &[&str] = &["qemu", "gcp", "aws", "baremetal"];
pub(super) const MANAGERS: &[&str] = &["kubernetes", "kubeedge", "kubecontrol", "kube_kata", "mist", "none"];
pub(super) const APPLICATIONS: &[&str] =
    &["image_classification", "empty", "empty_kata", "stress", "mem_usage", "signal_classification"];
const PRESETS: &[&str] = &["4g", "5g"];
const DEPLOYMENTS: &[&str] = &["pod", "container", "file", "call"];
const RUNTIMES: &[&str] = &["runc", "kata-qemu", "kata-fc"];
const FILESYSTEMS: &[&str] = &["overlayfs", "devmapper"];
const MODELS: &[&str] = &["openfaas"];
const ANY: &[&str] = &[];

/// The options whose value a simulation does not need, by provider.
pub(super) const ACCOUNT: &[&str] = &[
    "gcp_cloud",
    "gcp_edge",
    "gcp_endpoint",
    "gcp_region",
    "gcp_zone",
    "gcp_project",
    "gcp_credentials",
    "aws_cloud",
    "aws_edge",
    "aws_endpoint",
    "aws_region",
    "aws_zone",
    "aws_access_keys",
    "aws_secret_access_keys",
    "aws_ami",
];

/// All options, by section, whether a combination reads them or not.
pub(super) const SECTIONS: [(&str, &[&str]); 3] = [
    (
        "infrastructure",
        &[
            "provider",
            "infra_only",
            "cloud_nodes",
            "edge_nodes",
            "endpoint_nodes",
            "cloud_cores",
            "edge_cores",
            "endpoint_cores",
            "cloud_memory",
            "edge_memory",
            "endpoint_memory",
            "cloud_quota",
            "edge_quota",
            "endpoint_quota",
            "cloud_read_speed",
            "edge_read_speed",
            "endpoint_read_speed",
            "cloud_write_speed",
            "edge_write_speed",
            "endpoint_write_speed",
            "cpu_pin",
            "external_physical_machines",
            "netperf",
            "base_path",
            "prefixIP",
            "middleIP",
            "middleIP_base",
            "delete",
            "network_emulation",
            "wireless_network_preset",
            "cloud_latency_avg",
            "cloud_latency_var",
            "cloud_throughput",
            "edge_latency_avg",
            "edge_latency_var",
            "edge_throughput",
            "cloud_edge_latency_avg",
            "cloud_edge_latency_var",
            "cloud_edge_throughput",
            "cloud_endpoint_latency_avg",
            "cloud_endpoint_latency_var",
            "cloud_endpoint_throughput",
            "edge_endpoint_latency_avg",
            "edge_endpoint_latency_var",
            "edge_endpoint_throughput",
            "gcp_cloud",
            "gcp_edge",
            "gcp_endpoint",
            "gcp_region",
            "gcp_zone",
            "gcp_project",
            "gcp_credentials",
            "aws_cloud",
            "aws_edge",
            "aws_endpoint",
            "aws_region",
            "aws_zone",
            "aws_access_keys",
            "aws_secret_access_keys",
            "aws_ami",
        ],
    ),
    (
        "benchmark",
        &[
            "resource_manager",
            "resource_manager_only",
            "docker_pull",
            "application",
            "application_worker_cpu",
            "application_worker_memory",
            "application_endpoint_cpu",
            "application_endpoint_memory",
            "applications_per_worker",
            "observability",
            "frequency",
            "duration",
            "sleep_time",
            "stress_app_timeout",
            "cache_worker",
            "kube_version",
            "kube_deployment",
            "runtime",
            "runtime_filesystem",
        ],
    ),
    ("execution_model", &["model"]),
];

fn spec(section: &'static str, name: &'static str, kind: Kind, mandatory: bool, default: Value) -> Spec {
    Spec { section, name, kind, mandatory, default }
}

fn whole(value: u32) -> Value {
    Value::Whole(Whole::from(value))
}

const fn at_least(min: u32) -> Kind {
    Kind::Whole { min, max: None }
}

/// Reads all options of a file and applies all checks, in Continuum's order.
pub(super) fn walk<J: Judge>(judge: &mut J, file: &str) -> Result<Resolved, J::Stop> {
    let mut resolved = Resolved { file: file.to_owned(), ..Resolved::default() };
    let mut walk = Walk { judge, resolved: &mut resolved };
    walk.infrastructure()?;
    walk.network()?;
    walk.benchmark()?;
    walk.execution_model()?;
    walk.application_options()?;
    walk.provider_options()?;
    walk.manager_options()?;
    walk.check_application()?;
    walk.check_execution_model()?;
    walk.check_provider()?;
    walk.check_manager()?;
    Ok(resolved)
}

struct Walk<'a, J: Judge> {
    judge: &'a mut J,
    resolved: &'a mut Resolved,
}

impl<J: Judge> Walk<'_, J> {
    fn read(&mut self, spec: Spec) -> Result<(), J::Stop> {
        self.judge.option(self.resolved, spec)
    }

    fn refuse(
        &mut self,
        rule: Rule,
        at: (&'static str, &'static str),
        message: &str,
        hint: &'static str,
    ) -> Result<(), J::Stop> {
        let refusal = Refusal { rule, message: message.to_owned(), exit_code: 2, at, hint };
        self.judge.refuse(self.resolved, refusal)
    }

    fn crash(
        &mut self,
        rule: Rule,
        at: (&'static str, &'static str),
        message: &str,
        hint: &'static str,
    ) -> Result<(), J::Stop> {
        let refusal = Refusal { rule, message: message.to_owned(), exit_code: 1, at, hint };
        self.judge.refuse(self.resolved, refusal)
    }

    /// The nodes of a tier; nothing if a lenient reader could not tell.
    fn nodes(&self, tier: &str) -> Option<Whole> {
        self.resolved.whole("infrastructure", &format!("{tier}_nodes")).cloned()
    }

    fn has_nodes(&self, tier: &str) -> bool {
        self.nodes(tier).is_some_and(|nodes| !nodes.is_zero())
    }

    fn infrastructure(&mut self) -> Result<(), J::Stop> {
        let section = "infrastructure";
        if !self.judge.has_section(section) {
            let hint = "start the file with `[infrastructure]`";
            self.refuse(Rule::SectionMissing, (section, ""), "Config: infrastructure section missing", hint)?;
        }
        self.read(spec(section, "provider", Kind::Text(PROVIDERS), true, Value::Null))?;
        self.read(spec(section, "infra_only", Kind::Flag, false, Value::Flag(false)))?;
        for name in ["cloud_nodes", "edge_nodes", "endpoint_nodes"] {
            self.read(spec(section, name, at_least(0), false, whole(0)))?;
        }
        if TIERS.iter().all(|tier| self.nodes(tier).is_some_and(|nodes| nodes.is_zero())) {
            let message = "Config: cloud_nodes + edge_nodes + endpoint_nodes should be > 0";
            let hint = "set `endpoint_nodes`, and `cloud_nodes` or `edge_nodes` to offload";
            self.refuse(Rule::NoNodes, (section, ""), message, hint)?;
        }
        self.resolved.mode = match (self.has_nodes("cloud"), self.has_nodes("edge")) {
            (_, true) => Mode::Edge,
            (true, false) => Mode::Cloud,
            (false, false) => Mode::Endpoint,
        };
        let sizes = [
            ("cloud", ["cloud_cores", "cloud_memory", "cloud_quota"]),
            ("edge", ["edge_cores", "edge_memory", "edge_quota"]),
            ("endpoint", ["endpoint_cores", "endpoint_memory", "endpoint_quota"]),
        ];
        for (tier, [cores, memory, quota]) in sizes {
            let used = self.has_nodes(tier);
            self.read(spec(section, cores, at_least(1), used, whole(0)))?;
            self.read(spec(section, memory, at_least(1), used, whole(0)))?;
            self.read(spec(section, quota, Kind::Real { min: 0.1, max: 1.0 }, used, Value::Real(0.0)))?;
        }
        for name in ["cloud_read_speed", "edge_read_speed", "endpoint_read_speed"] {
            self.read(spec(section, name, at_least(0), false, whole(0)))?;
        }
        for name in ["cloud_write_speed", "edge_write_speed", "endpoint_write_speed"] {
            self.read(spec(section, name, at_least(0), false, whole(0)))?;
        }
        let byte = Kind::Whole { min: 1, max: Some(254) };
        self.read(spec(section, "cpu_pin", Kind::Flag, false, Value::Flag(false)))?;
        self.read(spec(section, "external_physical_machines", Kind::List, false, Value::List(Vec::new())))?;
        self.read(spec(section, "netperf", Kind::Flag, false, Value::Flag(false)))?;
        self.read(spec(section, "base_path", Kind::Text(ANY), false, Value::Text("$HOME".into())))?;
        self.read(spec(section, "prefixIP", Kind::Prefix, false, Value::Text("192.168".into())))?;
        self.read(spec(section, "middleIP", byte, false, whole(100)))?;
        self.read(spec(section, "middleIP_base", byte, false, whole(90)))?;
        self.read(spec(section, "delete", Kind::Flag, false, Value::Flag(false)))?;
        self.expand_base_path();
        let middle = |name| self.resolved.whole(section, name);
        if middle("middleIP").is_some() && middle("middleIP") == middle("middleIP_base") {
            let hint = "give the virtual machines and their base images different numbers";
            self.refuse(Rule::SameMiddle, (section, "middleIP"), "Config: middleIP == middleIP_base", hint)?;
        }
        Ok(())
    }

    /// `~` is the home folder, which only the host knows, and one `/` at the end goes.
    fn expand_base_path(&mut self) {
        let place = self.resolved.infrastructure.place("base_path");
        let Some(path) = self.resolved.text("infrastructure", "base_path") else { return };
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("$HOME{rest}"),
            _ => path.to_owned(),
        };
        let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
        self.resolved.infrastructure.set("base_path", Value::Text(path), place);
    }

    fn network(&mut self) -> Result<(), J::Stop> {
        let section = "infrastructure";
        self.read(spec(section, "network_emulation", Kind::Flag, false, Value::Flag(false)))?;
        if !self.resolved.flag(section, "network_emulation") {
            return Ok(());
        }
        let preset = Value::Text("4g".into());
        self.read(spec(section, "wireless_network_preset", Kind::Text(PRESETS), false, preset))?;
        let links = [
            ["cloud_latency_avg", "cloud_latency_var", "cloud_throughput"],
            ["edge_latency_avg", "edge_latency_var", "edge_throughput"],
            ["cloud_edge_latency_avg", "cloud_edge_latency_var", "cloud_edge_throughput"],
            ["cloud_endpoint_latency_avg", "cloud_endpoint_latency_var", "cloud_endpoint_throughput"],
            ["edge_endpoint_latency_avg", "edge_endpoint_latency_var", "edge_endpoint_throughput"],
        ];
        for [latency, jitter, rate] in links {
            for (name, min) in [(latency, 0.0), (jitter, 0.0), (rate, 1.0)] {
                let kind = Kind::Real { min, max: f64::INFINITY };
                self.read(spec(section, name, kind, false, Value::Real(-1.0)))?;
            }
        }
        Ok(())
    }

    fn benchmark(&mut self) -> Result<(), J::Stop> {
        if self.resolved.flag("infrastructure", "infra_only") {
            return Ok(());
        }
        let section = "benchmark";
        if !self.judge.has_section(section) {
            let message = "Config: benchmark section missing while infra_only=False";
            let hint =
                "add `[benchmark]` with `resource_manager` and `application`, or set `infra_only = True`";
            self.refuse(Rule::SectionMissing, (section, ""), message, hint)?;
        }
        self.resolved.benchmark = Some(Default::default());
        self.read(spec(section, "resource_manager", Kind::Text(MANAGERS), true, Value::Null))?;
        self.read(spec(section, "resource_manager_only", Kind::Flag, false, Value::Null))?;
        self.read(spec(section, "docker_pull", Kind::Flag, false, Value::Null))?;
        self.read(spec(section, "application", Kind::Text(APPLICATIONS), false, Value::Null))?;
        let only = self.resolved.flag(section, "resource_manager_only");
        match self.resolved.get(section, "application") {
            Some(Value::Text(_)) if only => {
                let message = "ERROR: When resource_manager_only=True, application should not be set";
                let hint = "remove `application`, or set `resource_manager_only = False`";
                self.refuse(Rule::ManagerOnlyWithApplication, (section, "application"), message, hint)?;
            }
            Some(Value::Null) if !only => {
                let message = "ERROR: When resource_manager_only=False, application should be set";
                let hint = "add for example `application = image_classification`";
                self.refuse(Rule::ApplicationMissing, (section, "application"), message, hint)?;
            }
            _ => {}
        }
        self.resources()?;
        self.read(spec(section, "applications_per_worker", at_least(1), false, whole(1)))?;
        self.read(spec(section, "observability", Kind::Flag, false, Value::Flag(false)))
    }

    /// What one instance of the application asks for; the defaults come from the size of its node.
    fn resources(&mut self) -> Result<(), J::Stop> {
        let section = "benchmark";
        let kind = Kind::Real { min: 0.001, max: f64::INFINITY };
        let tier = match self.resolved.mode {
            Mode::Cloud => Some(["cloud_cores", "cloud_memory"]),
            Mode::Edge => Some(["edge_cores", "edge_memory"]),
            Mode::Endpoint => None,
        };
        let mut worker = [Value::Real(0.0), Value::Real(0.0)];
        for (default, name) in worker.iter_mut().zip(tier.into_iter().flatten()) {
            *default = self.node_size(name)?.map_or(Value::Null, |size| Value::Real(size - 0.5));
        }
        let [cpu, memory] = worker;
        self.read(spec(section, "application_worker_cpu", kind, false, cpu))?;
        self.read(spec(section, "application_worker_memory", kind, false, memory))?;
        for (name, node) in [
            ("application_endpoint_cpu", "endpoint_cores"),
            ("application_endpoint_memory", "endpoint_memory"),
        ] {
            // Python makes the default a float only where it needs it.
            let size = self.resolved.whole("infrastructure", node).map(Whole::to_f64);
            let default = match size {
                Some(Some(size)) => Value::Real(size),
                Some(None) => Value::Real(f64::INFINITY),
                None => Value::Null,
            };
            self.read(spec(section, name, kind, false, default))?;
            if self.resolved.benchmark.as_ref().is_some_and(|b| b.place(name).is_none()) && size == Some(None)
            {
                self.too_large(node)?;
            }
        }
        Ok(())
    }

    /// Cores or memory of a node as a float, which Python cannot make of the very largest numbers.
    fn node_size(&mut self, name: &'static str) -> Result<Option<f64>, J::Stop> {
        let Some(size) = self.resolved.whole("infrastructure", name) else { return Ok(None) };
        let size = size.to_f64();
        if size.is_none() {
            self.too_large(name)?;
        }
        Ok(size)
    }

    fn too_large(&mut self, name: &'static str) -> Result<(), J::Stop> {
        let message = "OverflowError: int too large to convert to float";
        self.crash(Rule::TooLarge, ("infrastructure", name), message, "write the size of a real machine")
    }

    fn execution_model(&mut self) -> Result<(), J::Stop> {
        let section = "execution_model";
        if self.judge.has_section(section) {
            self.resolved.execution_model = Some(Default::default());
            self.read(spec(section, "model", Kind::Text(MODELS), true, Value::Null))?;
        }
        // Only now are the modules loaded, and this one is not there.
        if self.resolved.application() == Some("signal_classification") {
            let message = "ModuleNotFoundError: No module named \
                           'application.signal_classification.signal_classification'";
            let hint = "use `image_classification`; Continuum has no code for this one";
            self.crash(Rule::Other, ("benchmark", "application"), message, hint)?;
        }
        Ok(())
    }

    fn application_options(&mut self) -> Result<(), J::Stop> {
        let section = "benchmark";
        match self.resolved.application() {
            Some("image_classification") => {
                self.read(spec(section, "frequency", at_least(1), true, Value::Null))?;
                self.read(spec(section, "duration", at_least(1), false, whole(300)))
            }
            Some("empty" | "empty_kata") => {
                self.read(spec(section, "sleep_time", at_least(1), true, Value::Null))
            }
            Some("stress") => self.read(spec(section, "stress_app_timeout", at_least(1), true, Value::Null)),
            _ => Ok(()),
        }
    }

    fn provider_options(&mut self) -> Result<(), J::Stop> {
        let section = "infrastructure";
        let (machines, account): ([&str; 3], &[&str]) = match self.resolved.provider() {
            "gcp" => (
                ["gcp_cloud", "gcp_edge", "gcp_endpoint"],
                &["gcp_region", "gcp_zone", "gcp_project", "gcp_credentials"],
            ),
            "aws" => (
                ["aws_cloud", "aws_edge", "aws_endpoint"],
                &["aws_region", "aws_zone", "aws_access_keys", "aws_secret_access_keys", "aws_ami"],
            ),
            _ => return Ok(()),
        };
        for (tier, name) in TIERS.into_iter().zip(machines) {
            let used = self.has_nodes(tier);
            self.read(spec(section, name, Kind::Text(ANY), used, Value::Null))?;
        }
        for name in account {
            self.read(spec(section, name, Kind::Text(ANY), true, Value::Null))?;
        }
        Ok(())
    }

    fn manager_options(&mut self) -> Result<(), J::Stop> {
        let section = "benchmark";
        let manager = self.resolved.manager().unwrap_or_default().to_owned();
        if matches!(manager.as_str(), "kubernetes" | "kubeedge" | "kubecontrol" | "kube_kata") {
            self.read(spec(section, "cache_worker", Kind::Flag, false, Value::Flag(false)))?;
        }
        if matches!(manager.as_str(), "kubecontrol" | "kube_kata") {
            let pod = Value::Text("pod".into());
            self.read(spec(section, "kube_deployment", Kind::Text(DEPLOYMENTS), false, pod))?;
        }
        if matches!(manager.as_str(), "kubernetes" | "kubecontrol" | "kube_kata") {
            let version = Value::Text("v1.27.0".into());
            self.read(spec(section, "kube_version", Kind::Text(ANY), false, version))?;
        }
        if manager == "kube_kata" {
            let runc = Value::Text("runc".into());
            let devmapper = Value::Text("devmapper".into());
            self.read(spec(section, "runtime", Kind::Text(RUNTIMES), false, runc))?;
            self.read(spec(section, "runtime_filesystem", Kind::Text(FILESYSTEMS), false, devmapper))?;
        }
        Ok(())
    }

    fn check_application(&mut self) -> Result<(), J::Stop> {
        let at = ("benchmark", "application");
        let manager = self.resolved.manager().map(str::to_owned);
        let is = |name: &str| manager.as_deref().is_none_or(|manager| manager == name);
        match self.resolved.application().unwrap_or_default().to_owned().as_str() {
            "image_classification" if manager.as_deref() == Some("kubecontrol") => {
                let message = "ERROR: Application image_classification does not support kubecontrol";
                self.refuse(Rule::Other, at, message, "set `resource_manager = kubernetes`")
            }
            "image_classification" if self.nodes("endpoint").is_some_and(|nodes| nodes.is_zero()) => {
                let message = "ERROR: Application image classification requires at least 1 endpoint";
                let at = ("infrastructure", "endpoint_nodes");
                self.refuse(Rule::Other, at, message, "set `endpoint_nodes = 1` or more")
            }
            "empty" if !is("kubecontrol") => {
                let message = "ERROR: Application empty requires resource_manager kubecontrol";
                self.refuse(Rule::Other, at, message, "set `resource_manager = kubecontrol`")
            }
            "empty_kata" if !is("kube_kata") => {
                let message = "ERROR: Application empty-kata requires resource_manager kube_kata";
                self.refuse(Rule::Other, at, message, "set `resource_manager = kube_kata`")
            }
            app @ ("stress" | "mem_usage") if !is("kubecontrol") => {
                let message = format!("ERROR: Application {app} requires resource_manager kubecontrol");
                let rule = if is("kube_kata") { Rule::KataStressOrMemory } else { Rule::Other };
                self.refuse(rule, at, &message, "set `resource_manager = kubecontrol`")
            }
            _ => Ok(()),
        }
    }

    fn check_execution_model(&mut self) -> Result<(), J::Stop> {
        if !self.resolved.is_serverless() {
            return Ok(());
        }
        let at = ("execution_model", "model");
        if self.resolved.manager().is_some_and(|manager| manager != "kubernetes") {
            let message = "ERROR: Execution_model openfaas requires resource_manager Kubernetes";
            return self.refuse(Rule::Other, at, message, "set `resource_manager = kubernetes`");
        }
        let only = self.resolved.flag("benchmark", "resource_manager_only");
        if !only && self.resolved.application().is_some_and(|app| app != "image_classification") {
            let message = "ERROR: Serverless OpenFaaS only works with the image_classification app";
            return self.refuse(Rule::Other, at, message, "set `application = image_classification`");
        }
        Ok(())
    }

    fn check_provider(&mut self) -> Result<(), J::Stop> {
        match self.resolved.provider() {
            // The check demands no edge node and at least one, so it always fails.
            "baremetal" => {
                let message = "ERROR: Baremetal only supports #clouds==1 and #endpoints>=1 at the moment";
                let hint = "use `qemu`; Continuum's check of this provider fails whatever the file says";
                self.refuse(Rule::Baremetal, ("infrastructure", "provider"), message, hint)
            }
            "gcp" => {
                let credentials = self.resolved.text("infrastructure", "gcp_credentials");
                if credentials.is_some_and(|path| path.ends_with('/')) {
                    let at = ("infrastructure", "gcp_credentials");
                    let message = "KeyError: 'base_pgcp_credentialsth'";
                    self.crash(Rule::CredentialsSlash, at, message, "remove the `/` at the end")?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_manager(&mut self) -> Result<(), J::Stop> {
        let at = ("benchmark", "resource_manager");
        let (Some(cloud), Some(edge), Some(endpoint)) =
            (self.nodes("cloud"), self.nodes("edge"), self.nodes("endpoint"))
        else {
            return Ok(());
        };
        let endpoints = ("infrastructure", "endpoint_nodes");
        let one = Whole::from(1);
        let uneven_workers = cloud > one && !endpoint.is_multiple_of(&cloud.minus_one());
        let uneven = "ERROR: Kubernetes requires (#clouds-1) % #endpoints == 0 (-1 for control)";
        let even_hint = "use a multiple of the number of workers; the first cloud node is the controller";
        match self.resolved.manager().unwrap_or_default() {
            "kubernetes" if cloud < one || !edge.is_zero() => {
                let message = "ERROR: Kubernetes requires #clouds>=1, #edges=0, #endpoints>=0";
                self.refuse(Rule::Other, at, message, "set `edge_nodes = 0`, or use `kubeedge` or `mist`")
            }
            "kubernetes" if uneven_workers => self.refuse(Rule::Other, endpoints, uneven, even_hint),
            manager @ ("kubecontrol" | "kube_kata") => {
                let kata = manager == "kube_kata";
                if cloud <= one || !edge.is_zero() {
                    let message = "ERROR: kubecontrol requires #clouds>=2, #edges=0, #endpoints>=0";
                    return self.refuse(Rule::Other, at, message, "set `cloud_nodes = 2` or more");
                }
                if uneven_workers {
                    return self.refuse(Rule::Other, endpoints, uneven, even_hint);
                }
                let is = |name, value| self.resolved.text("benchmark", name) == Some(value);
                if kata && is("runtime", "kata-fc") && is("runtime_filesystem", "overlayfs") {
                    let message = "ERROR: Overlay FS cannot be used with kata-fc - use option runtime_filesystem = \
                                   devmapper";
                    let hint = "set `runtime_filesystem = devmapper`";
                    return self.refuse(Rule::Other, ("benchmark", "runtime_filesystem"), message, hint);
                }
                Ok(())
            }
            "kubeedge" if cloud != one || edge.is_zero() => {
                let message = "ERROR: KubeEdge requires #clouds=1, #edges>=1, #endpoints>=0";
                self.refuse(
                    Rule::Other,
                    at,
                    message,
                    "set `cloud_nodes = 1`, the controller, and `edge_nodes`",
                )
            }
            "mist" if !cloud.is_zero() || edge.is_zero() || endpoint.is_zero() => {
                let message = "ERROR: Mist requires #clouds==0, #edges>=1, #endpoints>=1";
                self.refuse(
                    Rule::Other,
                    at,
                    message,
                    "set `cloud_nodes = 0`, `edge_nodes` and `endpoint_nodes`",
                )
            }
            "kubeedge" | "mist" if !endpoint.is_multiple_of(&edge) => {
                // The two per cent signs are Continuum's.
                let message = "ERROR: KubeEdge requires #edges %% #endpoints == 0";
                self.refuse(Rule::Other, endpoints, message, "use a multiple of the number of edge nodes")
            }
            _ => Ok(()),
        }
    }
}
