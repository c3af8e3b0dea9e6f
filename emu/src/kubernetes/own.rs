//! A cluster of our own: the control plane and the nodes are containers of this host's engine, and the links between
//! nodes are those of the plan.
//!
//! ```text
//! control plane ---- a network of the engine (eth0): API server, kubelets, images ---- nodes
//! node <---- link0: the forwarder, rates and delays of the plan, all traffic between pods of these two ----> node
//! ```
//! Links are proved before pods are made: our binary in each node probes the others over `link0`.
//!
//! The server's binaries are the user's; everything else a node needs (a container runtime, network tools) is this
//! machine's own `/usr`, which nodes see read-only. Or all of it is in an image of the user's ([`Makings`]). A node offers
//! what its tier has (cores x quota, memory); what its kubelet and runtime use comes on top and is not limited. The cluster
//! is made once per measurement, with as many nodes of each tier as any deployment has; links are made anew for each run.
//!
//! Nodes have no default route and pods no way out: see routes.sh. The scripts that run in the containers are those of
//! lab/kubernetes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings, HostConfig,
    HostConfigCgroupnsModeEnum, NetworkingConfig,
};
use k8s_openapi::api::core::v1::{Node as ClusterNode, ServiceAccount};
use kube::api::{Api, ListParams};

use super::access::{Access, Cluster};
use super::image;
use crate::cluster::{Tools, address};
use crate::error::EmuError;
use crate::interrupt::interrupted;
use crate::ledger::{Kind, Ledger};
use crate::links::forwarder::{Attachment, Forwarder, Report, Spec};
use crate::plan::RunPlan;
use crate::proof::{Probed, Proof};
use crate::provider::docker::{AGENT, Docker, TAG, Task, container_prefix, image_name, labels, namespace};

/// The device of a node that leads to other nodes.
const LINK: &str = "link0";
/// What the folder of the binaries must hold.
const BINARIES: [&str; 8] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubeadm",
    "kubectl",
];
/// What nodes need of this machine's own.
const PROGRAMS: [&str; 7] = ["containerd", "runc", "ctr", "iptables", "conntrack", "ip", "mount"];
/// What the scripts need beside that, where nothing is this machine's own.
const SHELL: [&str; 6] = ["bash", "mkdir", "mountpoint", "mv", "sed", "sleep"];
/// Plugins of the container network.
const PLUGINS: [&str; 3] = ["bridge", "host-local", "portmap"];
/// Where they are looked for on this machine, and in an image.
const PLUGIN_FOLDERS: [&str; 3] = ["cni", "/opt/cni/bin", "/usr/lib/cni"];
const PLUGIN_FOLDERS_OF_IMAGE: [&str; 2] = ["/opt/cni", "/opt/cni/bin"];
/// Where programs are looked for.
const PATH_OF_HOST: &str = "/opt/k8s:/usr/sbin:/usr/bin";
const PATH_OF_IMAGE: &str = "/opt/k8s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The scripts and configurations that run in the containers.
const SCRIPTS: [(&str, &str); 6] = [
    ("cp.sh", include_str!("../../../lab/kubernetes/cp.sh")),
    ("node.sh", include_str!("../../../lab/kubernetes/node.sh")),
    ("routes.sh", include_str!("../../../lab/kubernetes/routes.sh")),
    ("kubeadm.yaml", include_str!("../../../lab/kubernetes/kubeadm.yaml")),
    ("kubelet.yaml", include_str!("../../../lab/kubernetes/kubelet.yaml")),
    ("containerd.toml", include_str!("../../../lab/kubernetes/containerd.toml")),
];
/// The image of the sandboxes, as containerd.toml names it.
const PAUSE: &str = "lab.local/pause:1";
/// The kubelet changes these for the whole machine.
const SYSCTLS: [&str; 6] = [
    "kernel.panic",
    "kernel.panic_on_oops",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
];
/// All capabilities but CAP_SYS_RESOURCE: where the machine itself lacks that one, `--privileged` fails.
const CAPABILITIES: &str = "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH \
    FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE \
    NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE \
    SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG WAKE_ALARM";
/// What the kubeconfig of a cluster of ours is called: where it is gone, so is the cluster.
pub(super) const KUBECONFIG: &str = "own.kubeconfig";
/// How long the cluster may take to be ready.
const READY: Duration = Duration::from_secs(120);
/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(200);

/// What a cluster is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Makings {
    /// The server's binaries and the plugins of the container network, in folders; all else is this machine's.
    Binaries {
        /// Of Kubernetes and etcd.
        binaries: PathBuf,
        /// Of containernetworking.
        plugins: PathBuf,
    },
    /// An image of the engine with all of it inside.
    Image(String),
}

impl Makings {
    /// Finds everything on this machine.
    ///
    /// # Errors
    /// [`EmuError::Refused`] with everything that is missing.
    pub fn find(binaries: &Path) -> Result<Makings, EmuError> {
        let binaries = fs::canonicalize(binaries).map_err(|cause| EmuError::file(binaries, cause))?;
        let missing: Vec<&str> = BINARIES.into_iter().filter(|name| !binaries.join(name).is_file()).collect();
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            reasons.push(format!(
                "`{}` does not hold {}; lab/kubernetes/build.sh builds them",
                binaries.display(),
                missing.join(", ")
            ));
        }
        let folders = ["/usr/sbin", "/usr/bin"];
        let is_absent = |name: &&str| !folders.iter().any(|folder| Path::new(folder).join(name).exists());
        let missing: Vec<&str> = PROGRAMS.into_iter().filter(is_absent).collect();
        if !missing.is_empty() {
            reasons.push(format!(
                "this machine has no {}: on Debian, install containerd, runc, iptables, conntrack and iproute2",
                missing.join(", ")
            ));
        }
        let places = PLUGIN_FOLDERS.map(|place| binaries.join(place)).into_iter();
        let mut places = places.chain(binaries.parent().map(|parent| parent.join("cni")));
        let plugins = places.find(|place| PLUGINS.iter().all(|name| place.join(name).is_file()));
        if plugins.is_none() {
            reasons.push(format!(
                "there are no plugins `bridge`, `host-local` and `portmap` in {}; on Debian, install \
                 containernetworking-plugins",
                PLUGIN_FOLDERS.map(|place| binaries.join(place).display().to_string()).join(", ")
            ));
        }
        match plugins {
            Some(plugins) if reasons.is_empty() => Ok(Makings::Binaries { binaries, plugins }),
            _ => Err(EmuError::Refused(reasons)),
        }
    }
}

/// A script that prints what an image does not have.
fn missing_in_image() -> String {
    let programs = [&BINARIES[..], &PROGRAMS[..], &SHELL[..]].concat().join(" ");
    let [first, second] = PLUGIN_FOLDERS_OF_IMAGE;
    format!(
        "for p in {programs}; do command -v $p >/dev/null || echo $p; done; \
         for p in {}; do [ -x {first}/$p ] || [ -x {second}/$p ] || echo {second}/$p; done",
        PLUGINS.join(" ")
    )
}

/// A tier of the cluster: as much as any deployment wants of it.
#[derive(Clone, Debug, PartialEq)]
struct Size {
    tier: String,
    nodes: usize,
    cpus: f64,
    memory_bytes: Option<u64>,
}

/// What all runs together want.
fn sizes<'p>(plans: impl Iterator<Item = &'p RunPlan>) -> Vec<Size> {
    let mut sizes: Vec<Size> = Vec::new();
    for plan in plans {
        for node in &plan.nodes {
            let count = plan.nodes.iter().filter(|other| other.tier == node.tier).count();
            let new = || Size { tier: node.tier.clone(), nodes: 0, cpus: 0.0, memory_bytes: Some(0) };
            let at = sizes.iter().position(|size| size.tier == node.tier).unwrap_or_else(|| {
                sizes.push(new());
                sizes.len() - 1
            });
            let size = &mut sizes[at];
            size.nodes = size.nodes.max(count);
            size.cpus = size.cpus.max(node.cpus);
            // One without a limit wants all there is.
            size.memory_bytes = size.memory_bytes.zip(node.memory_bytes).map(|(a, b)| a.max(b));
        }
    }
    sizes
}

/// A node of the cluster.
struct Made {
    tier: String,
    name: String,
    /// Number of its first process on this host.
    process: i64,
}

/// What all containers of a cluster share.
#[derive(Clone)]
struct Common {
    image: String,
    environment: Vec<String>,
    /// First three numbers of their network.
    net: String,
}

/// A cluster of our own. Dropping it removes it; what cannot be removed stays in the ledger.
pub struct Own {
    docker: Docker,
    run: String,
    /// Nothing once all is removed.
    ledger: Option<Ledger>,
    folder: PathBuf,
    nodes: Vec<Made>,
    tools: Tools,
}

impl Own {
    /// Makes a cluster that holds each of these runs, one at a time, and the way to reach it.
    ///
    /// # Errors
    /// The engine refuses something, or the cluster is not ready in time; then nothing is left.
    pub fn up<'p>(
        makings: &Makings,
        tools: &Tools,
        plans: impl Iterator<Item = &'p RunPlan>,
        mut access: Access,
    ) -> Result<(Own, Cluster, Access), EmuError> {
        let sizes = sizes(plans);
        let binary = fs::read(&tools.agent).map_err(|cause| EmuError::file(&tools.agent, cause))?;
        let docker = Docker::connect()?;
        let ledger = Ledger::begin(&tools.state, "kubernetes")?;
        let run = ledger.run().to_string();
        let folder = std::path::absolute(tools.state.join(&run))
            .map_err(|cause| EmuError::file(&tools.state, cause))?;
        let tools = tools.clone();
        let mut own = Own { docker, run, ledger: Some(ledger), folder, nodes: Vec::new(), tools };
        own.prepare(makings, &binary)?;
        let net = own.network()?;
        own.containers(makings, &sizes, &net)?;
        let kubeconfig = own.kubeconfig()?;
        let cluster = Cluster::connect(Some(&kubeconfig), None)?;
        own.wait(&cluster)?;
        access.kubeconfig = Some(kubeconfig);
        access.context = None;
        access.namespace = None;
        access.image = image::reference(&binary);
        // Pods are put on nodes by name.
        access.tier_label = None;
        Ok((own, cluster, access))
    }

    fn making(&mut self, kind: Kind, name: &str) -> Result<(), EmuError> {
        if interrupted() {
            return Err(EmuError::Interrupted);
        }
        self.ledger.as_mut().expect("it is there until all is removed").making(kind, name)
    }

    /// Folder, scripts and images; and what the kubelet will change.
    fn prepare(&mut self, makings: &Makings, binary: &[u8]) -> Result<(), EmuError> {
        let folder = self.folder.clone();
        self.making(Kind::Folder, &folder.display().to_string())?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
            parent.and_then(|()| fs::write(&path, bytes)).map_err(|cause| EmuError::file(&path, cause))
        };
        // There will be keys in it.
        let private = fs::Permissions::from_mode(0o700);
        let made = fs::create_dir_all(&folder).and_then(|()| fs::set_permissions(&folder, private));
        made.map_err(|cause| EmuError::file(&folder, cause))?;
        for (name, text) in SCRIPTS {
            write(&format!("lab/{name}"), text.as_bytes())?;
        }
        // For the proof of the links.
        write("offing-agent", binary)?;
        let path = folder.join("offing-agent");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .map_err(|cause| EmuError::file(&path, cause))?;
        let state = folder.join("state");
        fs::create_dir_all(&state).map_err(|cause| EmuError::file(&state, cause))?;
        // What holds a sandbox does nothing, and so does our binary when nobody asks it anything.
        let images =
            [("agent.tar", image::reference(binary), None), ("pause.tar", PAUSE.into(), Some("serve"))];
        for (file, reference, command) in images {
            let archive = image::save_as(binary, &reference, command)
                .map_err(|cause| EmuError::file(&folder.join(file), cause))?;
            write(&format!("images/{file}"), &archive)?;
        }
        for parameter in SYSCTLS {
            if let Ok(value) = fs::read_to_string(sysctl_path(parameter)) {
                self.making(Kind::Sysctl, &format!("{parameter}={}", value.trim()))?;
            }
        }
        match makings {
            Makings::Image(image) => self.look_into(image),
            Makings::Binaries { .. } => {
                // The nodes' root: a few folders; /usr comes from this machine.
                let name = image_name(&self.run);
                self.making(Kind::Image, &name)?;
                let root = root().map_err(|cause| EmuError::engine("hold the root of a node", cause))?;
                self.docker.import_archive(&self.run, &name, root)
            }
        }
    }

    /// Whether an image has everything.
    fn look_into(&mut self, image: &str) -> Result<(), EmuError> {
        if !self.docker.has_image(image)? {
            return Err(EmuError::Refused(vec![format!(
                "the engine of this host has no image `{image}`; load it by `docker load`, `docker import` or \
                 `docker pull`"
            )]));
        }
        let container = format!("{}look", container_prefix(&self.run));
        self.making(Kind::Container, &container)?;
        let said = self.docker.run_to_end(
            &container,
            ContainerCreateBody {
                image: Some(image.into()),
                entrypoint: Some(vec!["sh".into(), "-c".into(), missing_in_image()]),
                env: Some(vec![format!("PATH={PATH_OF_IMAGE}")]),
                labels: Some(labels(&self.run, Kind::Container)),
                host_config: Some(HostConfig { network_mode: Some("none".into()), ..HostConfig::default() }),
                ..ContainerCreateBody::default()
            },
        )?;
        match said.split_whitespace().collect::<Vec<_>>().join(", ") {
            missing if missing.is_empty() => Ok(()),
            missing => Err(EmuError::Refused(vec![format!("the image `{image}` does not hold {missing}")])),
        }
    }

    /// A network that no other has: its first three numbers.
    fn network(&mut self) -> Result<String, EmuError> {
        let name = format!("{}net", container_prefix(&self.run));
        self.making(Kind::Network, &name)?;
        let mut last = None;
        for third in 1..=20 {
            let net = format!("172.30.{third}");
            match self.docker.make_network(&self.run, &name, &format!("{net}.0/24"), &format!("{net}.1")) {
                Ok(()) => return Ok(net),
                Err(cause) => last = Some(cause),
            }
        }
        Err(last.expect("at least one was tried"))
    }

    fn containers(&mut self, makings: &Makings, sizes: &[Size], net: &str) -> Result<(), EmuError> {
        let count: usize = sizes.iter().map(|size| size.nodes).sum();
        if count > 200 {
            return Err(EmuError::Refused(vec![format!(
                "{count} nodes, and a cluster of ours has at most 200"
            )]));
        }
        // Path, image, and what of this machine's is seen by all containers and by nodes alone.
        let (path, image, of_all, of_nodes) = match makings {
            Makings::Binaries { binaries, plugins } => {
                let mut ours: Vec<String> = ["/usr", "/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache"]
                    .map(|path| format!("{path}:{path}:ro"))
                    .into();
                ours.push(format!("{}:/opt/k8s:ro", binaries.display()));
                let image = format!("{}{TAG}", image_name(&self.run));
                (PATH_OF_HOST, image, ours, vec![format!("{}:/opt/cni:ro", plugins.display())])
            }
            Makings::Image(image) => (PATH_OF_IMAGE, image.clone(), Vec::new(), Vec::new()),
        };
        let environment = vec![format!("PATH={path}"), format!("NET={net}"), format!("NODES={count}")];
        let folder = self.folder.clone();
        let bind = |what: &str, place: &str| format!("{}:{place}", folder.join(what).display());
        let mut binds = [of_all, vec![bind("lab", "/lab:ro")]].concat();
        let common = Common { image, environment, net: net.into() };
        let own = [binds.clone(), vec![bind("state", "/state")]].concat();
        self.container("cp", 2, &common, own, &["/var/lib/etcd"], &["bash", "/lab/cp.sh"])?;
        binds.extend([
            bind("state", "/state:ro"),
            bind("images", "/images:ro"),
            bind("offing-agent", &format!("{AGENT}:ro")),
        ]);
        binds.extend(of_nodes);
        let host = crate::doctor::host();
        let mut number = 0;
        for size in sizes {
            for _ in 0..size.nodes {
                number += 1;
                let name = format!("n{number}");
                // The kubelet sees the whole machine: what the tier does not have is reserved.
                let rest = ((host.cores - size.cpus) * 1e3).max(0.0) as u64;
                let mut reserved = format!("cpu={rest}m");
                let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
                if let (Some(all), Some(tier @ 1..)) = (memory, size.memory_bytes) {
                    reserved += &format!(",memory={}Ki", all.saturating_sub(tier) >> 10);
                }
                let tier = super::objects::label(&size.tier);
                let arguments =
                    format!("KUBELET_ARGS=--node-labels=tier={tier} --system-reserved={reserved}");
                let environment = [common.environment.clone(), vec![arguments]].concat();
                let common = Common { environment, ..common.clone() };
                let (volumes, words) = (["/var/lib/containerd", "/var/lib/kubelet"], number.to_string());
                let command = ["bash", "/lab/node.sh", &words];
                let process =
                    self.container(&name, 10 + number, &common, binds.clone(), &volumes, &command)?;
                self.nodes.push(Made { tier: size.tier.clone(), name, process });
            }
        }
        Ok(())
    }

    fn container(
        &mut self,
        name: &str,
        last: usize,
        Common { image, environment, net }: &Common,
        binds: Vec<String>,
        volumes: &[&str],
        command: &[&str],
    ) -> Result<i64, EmuError> {
        let container = format!("{}{name}", container_prefix(&self.run));
        self.making(Kind::Container, &container)?;
        let network = format!("{}net", container_prefix(&self.run));
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(format!("{net}.{last}")),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let unconfined = ["seccomp", "apparmor"].map(|what| format!("{what}=unconfined"));
        let body = ContainerCreateBody {
            image: Some(image.clone()),
            entrypoint: Some(command.iter().map(ToString::to_string).collect()),
            hostname: Some(name.into()),
            env: Some(environment.clone()),
            labels: Some(labels(&self.run, Kind::Container)),
            volumes: Some(volumes.iter().map(ToString::to_string).collect()),
            host_config: Some(HostConfig {
                binds: Some(binds),
                network_mode: Some(network.clone()),
                cap_add: Some(CAPABILITIES.split_whitespace().map(String::from).collect()),
                security_opt: Some(unconfined.into()),
                // Node and kubelet mount and write below /proc and /sys.
                masked_paths: Some(Vec::new()),
                readonly_paths: Some(Vec::new()),
                device_cgroup_rules: Some(vec!["a *:* rwm".into()]),
                devices: Some(vec![DeviceMapping {
                    path_on_host: Some("/dev/kmsg".into()),
                    path_in_container: Some("/dev/kmsg".into()),
                    cgroup_permissions: Some("rwm".into()),
                }]),
                cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(network, endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        self.docker.start_as(&container, body)
    }

    /// Waits for the control plane's own kubeconfig.
    fn kubeconfig(&self) -> Result<PathBuf, EmuError> {
        let admin = self.folder.join("state/admin.conf");
        let last =
            self.folder.join(format!("state/kubelet-{}.conf", self.nodes.last().map_or("", |n| &n.name)));
        self.until("make its certificates", &|| admin.is_file() && last.is_file())?;
        let path = self.folder.join(KUBECONFIG);
        fs::copy(&admin, &path).map_err(|cause| EmuError::file(&path, cause))?;
        Ok(path)
    }

    /// Waits until every node is ready.
    fn wait(&self, cluster: &Cluster) -> Result<(), EmuError> {
        let nodes: Api<ClusterNode> = Api::all(cluster.client.clone());
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), "default");
        self.until("get its nodes ready", &|| {
            let listed = cluster.runtime.block_on(async {
                let listed =
                    tokio::time::timeout(Duration::from_secs(5), nodes.list(&ListParams::default())).await;
                listed.ok()?.ok()
            });
            let is_ready = |node: &ClusterNode| {
                let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
                conditions
                    .into_iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            };
            listed.is_some_and(|listed| {
                listed.items.iter().filter(|node| is_ready(node)).count() == self.nodes.len()
            })
        })?;
        // Pods are refused until their namespace has an account; so is the first namespace.
        self.until("make the default account", &|| {
            let found = cluster.runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(5), accounts.get_opt("default")).await.ok()?.ok()
            });
            found.flatten().is_some()
        })
    }

    fn until(&self, step: &str, is_so: &dyn Fn() -> bool) -> Result<(), EmuError> {
        let begin = Instant::now();
        while !is_so() {
            if interrupted() {
                return Err(EmuError::Interrupted);
            }
            if begin.elapsed() > READY {
                let cause = format!(
                    "it takes more than {} s; while it is up, `docker exec {}cp tail /var/log/k8s/*.log` says why",
                    READY.as_secs(),
                    container_prefix(&self.run)
                );
                return Err(EmuError::kubernetes(step, cause));
            }
            sleep(LOOK);
        }
        Ok(())
    }

    /// The node of the cluster for each node of a plan: each its own.
    pub fn hostnames(&self, plan: &RunPlan) -> Vec<String> {
        self.of(plan).into_iter().map(|made| made.name.clone()).collect()
    }

    fn of(&self, plan: &RunPlan) -> Vec<&Made> {
        let mut used: HashMap<&str, usize> = HashMap::new();
        let mut next = |tier: &'_ str| {
            let mut of_tier = self.nodes.iter().filter(|made| made.tier == tier);
            let at = used.entry(of_tier.clone().next().map_or("", |made| &made.tier)).or_default();
            *at += 1;
            of_tier.nth(*at - 1).expect("the cluster was made for this plan")
        };
        plan.nodes.iter().map(|node| next(&node.tier)).collect()
    }

    /// Makes the links of a plan between its nodes. They go when what is returned is dropped.
    ///
    /// # Errors
    /// The forwarder does not start, or has no real-time scheduling; or a route cannot be set.
    pub fn connect(&mut self, plan: &RunPlan) -> Result<Option<Forwarder>, EmuError> {
        if plan.paths.is_empty() {
            return Ok(None);
        }
        let run = self.run.clone();
        self.making(Kind::Process, &format!("forwarder of {run}"))?;
        let made = self.of(plan);
        let attachment = |(i, made): (usize, &&Made)| Attachment {
            name: made.name.clone(),
            namespace: namespace(made.process),
            address: address(i),
            prefix: 16,
            device: LINK.into(),
        };
        let spec = Spec {
            seed: self.tools.seed,
            nodes: made.iter().enumerate().map(attachment).collect(),
            media: plan.media.clone(),
            paths: plan.paths.clone(),
        };
        let mut command = self.tools.forwarder.clone();
        command.extend([crate::down::RUN_ARGUMENT.into(), run]);
        let forwarder = Forwarder::start(&command, &spec)?;
        if let Some(cause) = &forwarder.ready.real_time_error {
            let cause = format!("{cause}; without it no delay is kept: see `offing doctor`");
            return Err(EmuError::links("get real-time scheduling", cause));
        }
        for path in &plan.paths {
            // Pods of node number i have 10.244.i.0/24: see node.sh.
            let number = made[path.to].name.trim_start_matches('n');
            let net = format!("--net={}", namespace(made[path.from].process).display());
            let via = address(path.to).to_string();
            let pods = format!("10.244.{number}.0/24");
            let words = [net.as_str(), "ip", "route", "replace", &pods, "via", &via, "dev", LINK];
            run_command("nsenter", &words)?;
        }
        Ok(Some(forwarder))
    }

    /// Measures the links of a plan, by a probe in each node.
    ///
    /// # Errors
    /// A measurement could not be made. One that does not hold is no error: [`Proof::holds`] says it.
    pub fn prove(&self, plan: &RunPlan, links: Option<&RefCell<Forwarder>>) -> Result<Proof, EmuError> {
        Proof::of_links(&Linked { own: self, plan, links }, &self.run)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Something could not be removed; it is still in the ledger.
    pub fn down(mut self) -> Result<(), EmuError> {
        self.clear()
    }

    fn clear(&mut self) -> Result<(), EmuError> {
        match self.ledger.take() {
            Some(ledger) => crate::down::down_one(&self.run, Some(ledger), Ok(&self.docker)).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // What cannot be removed now stays in the ledger, for `down`.
        let _ = self.clear();
    }
}

/// The nodes of a plan with the links between them.
struct Linked<'l> {
    own: &'l Own,
    plan: &'l RunPlan,
    /// Nothing where nothing is sent.
    links: Option<&'l RefCell<Forwarder>>,
}

impl Probed for Linked<'_> {
    fn plan(&self) -> &RunPlan {
        self.plan
    }

    fn run_in(&self, tasks: &[(usize, Vec<String>)], limit: Duration) -> Result<Vec<String>, EmuError> {
        let made = self.own.of(self.plan);
        let task = |(node, arguments): &(usize, Vec<String>)| Task {
            container: format!("{}{}", container_prefix(&self.own.run), made[*node].name),
            node: self.plan.nodes[*node].name.clone(),
            step: arguments.join(" "),
            arguments: arguments.clone(),
            input: String::new(),
            limit,
        };
        let tasks: Vec<Task> = tasks.iter().map(task).collect();
        let check = || self.links.map_or(Ok(()), |links| links.borrow_mut().check());
        self.own.docker.run_all(&tasks, &check)
    }

    fn report_links(&self) -> Result<Option<Report>, EmuError> {
        self.links.map(|links| links.borrow_mut().report()).transpose()
    }
}

/// The root file system of a node: a tar archive.
fn root() -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut entry = |name: &str, kind: tar::EntryType, mode: u32, link: &str, text: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(text.len() as u64);
        match link.is_empty() {
            true => builder.append_data(&mut header, name, text),
            false => builder.append_link(&mut header, name, link),
        }
    };
    let folders = "etc etc/containerd dev proc sys run root opt state lab images usr var var/lib var/log";
    for folder in folders.split(' ') {
        entry(folder, tar::EntryType::Directory, 0o755, "", b"")?;
    }
    for folder in ["tmp", "var/tmp"] {
        entry(folder, tar::EntryType::Directory, 0o1777, "", b"")?;
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        entry(folder, tar::EntryType::Symlink, 0o777, &format!("usr/{folder}"), b"")?;
    }
    entry("var/run", tar::EntryType::Symlink, 0o777, "/run", b"")?;
    entry("etc/passwd", tar::EntryType::Regular, 0o644, "", b"root:x:0:0:root:/root:/bin/bash\n")?;
    entry("etc/group", tar::EntryType::Regular, 0o644, "", b"root:x:0:\n")?;
    builder.into_inner()
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
}

fn sysctl_path(parameter: &str) -> PathBuf {
    Path::new("/proc/sys").join(parameter.replace('.', "/"))
}

/// Gives a parameter of the kernel the value that it had.
pub(crate) fn restore(line: &str) -> Result<(), EmuError> {
    let Some((parameter, value)) = line.split_once('=').filter(|(name, _)| SYSCTLS.contains(name)) else {
        return Ok(());
    };
    let path = sysctl_path(parameter);
    // What is as it was is not written: it may not be ours to write.
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(&path, value).map_err(|cause| EmuError::file(&path, cause))
}

/// Removes the folder of a cluster, which has the run's name.
pub(crate) fn remove_folder(run: &str, name: &str) -> Result<(), EmuError> {
    let path = Path::new(name);
    if path.file_name().is_none_or(|last| last != run) {
        return Ok(());
    }
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(EmuError::file(path, cause)),
        _ => Ok(()),
    }
}

fn run_command(program: &str, words: &[&str]) -> Result<(), EmuError> {
    let failed = |cause: &dyn Display| {
        EmuError::links(format!("run `{program} {}`", words.join(" ")), cause.to_string())
    };
    let output =
        Command::new(program).args(words).stdin(Stdio::null()).output().map_err(|cause| failed(&cause))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::deployment;
    use crate::plan::{Host, Settings, plan};
    use offing_core::Scope;

    #[test]
    fn the_cluster_has_as_much_of_each_tier_as_any_deployment_wants() {
        let (mut first, mut second) = (deployment(Scope::Node, 8e6), deployment(Scope::Node, 8e6));
        first.tiers[0].nodes = 3;
        second.tiers[1].quota = 0.25;
        second.tiers[1].memory_bytes = None;
        let host = Host { cores: 8.0, memory_bytes: 16 << 30 };
        let plan = plan(&[first, second], &Settings::default(), host).unwrap();
        let sizes = sizes(plan.runs.iter());
        let told: Vec<_> = sizes.iter().map(|size| (size.tier.as_str(), size.nodes, size.cpus)).collect();
        assert_eq!(told, [("endpoint", 3, 0.5), ("cloud", 1, 2.0)]);
        assert_eq!((sizes[0].memory_bytes, sizes[1].memory_bytes), (Some(1 << 30), None));
    }

    #[test]
    fn what_an_image_lacks_is_printed_by_the_script_one_per_line() {
        let run = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap();
        let said = run(&missing_in_image());
        assert!(said.status.success() || said.status.code() == Some(1), "{said:?}");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        // This machine has a shell and no folder of the control plane.
        assert!(said.lines().any(|line| line == "kube-controller-manager"), "{said}");
        assert!(!said.lines().any(|line| line == "sed"), "{said}");
        assert!(said.lines().all(|line| !line.contains(' ')), "{said}");
    }

    #[test]
    fn what_is_missing_is_named_all_at_once() {
        let folder = std::env::temp_dir().join(format!("offing-makings-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("etcd"), "").unwrap();
        let refused = Makings::find(&folder).unwrap_err().to_string();
        assert!(refused.contains("does not hold kube-apiserver, kube-controller-manager"), "{refused}");
        assert!(!refused.contains("hold etcd"), "{refused}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn only_what_we_know_to_change_is_put_back_and_only_our_folder_removed() {
        restore("kernel.hostname=evil").unwrap();
        remove_folder("20261124-120000-0123abcd", "/tmp").unwrap();
        assert!(Path::new("/tmp").is_dir());
        let panic = fs::read_to_string("/proc/sys/kernel/panic").unwrap();
        restore(&format!("kernel.panic={}", panic.trim())).unwrap();
    }
}
