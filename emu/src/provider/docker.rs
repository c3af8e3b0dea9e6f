//! Nodes as containers of the Docker engine on this host.
//!
//! The image is one static binary, imported from memory: no registry and no network is needed. A container
//! has no network of the engine's; its only device is the one that the links put there. Everything carries
//! the labels of [`crate::ledger`].

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, HostConfig, Ipam, IpamConfig, NetworkCreateRequest,
    SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::error::EmuError;
use crate::interrupt::interrupted;
use crate::ledger::{Kind, LABEL_KIND, LABEL_RUN, Resource};
use crate::plan::Node;
use crate::provider::priority;

/// Where the binary is inside a container.
pub const AGENT: &str = "/offing-agent";
/// The tag of every image.
pub(crate) const TAG: &str = ":run";
/// The kernel's period of enforcement [us].
const PERIOD_US: f64 = 100_000.0;
/// The least memory that the engine grants [byte].
const LEAST_MEMORY: u64 = 6 << 20;
/// How often a wait looks whether the user has had enough.
const LOOK: Duration = Duration::from_millis(100);
/// How long others may take to fail for the same reason.
const AFTERMATH: Duration = Duration::from_millis(1_000);
/// How long a container may take that only looks at something.
const ENDS: Duration = Duration::from_secs(30);
/// How many looks a removal may take that somebody else has begun.
const PATIENCE: u32 = 100;

/// The congestion control of the nodes: Linux's own default, whatever this host's is, or `reno` where containers may not
/// have that; the two differ only where packets are lost.
///
/// A new network namespace takes over the host's, and with BBR a connection that has not seen a shortest round trip for ten
/// seconds keeps at most four packets under way for 200 ms (N. Cardwell et al., BBR, Communications of the ACM 60, 2017): a frame
/// of 68 kB was 300 ms late, docs/emulation.md. Nor does a pause close the window again, for models leave slow start out.
pub fn congestion() -> &'static str {
    let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
    match allowed {
        Ok(names) if names.split_whitespace().any(|name| name == "cubic") => "cubic",
        _ => "reno",
    }
}

/// A connection to the engine of this host.
pub struct Docker {
    api: bollard::Docker,
    runtime: Runtime,
}

/// A command for a node, and how long it may take.
#[derive(Clone, Debug)]
pub struct Task {
    /// The container's name.
    pub container: String,
    /// The node's name, for messages.
    pub node: String,
    /// What it does, for messages: `node NODE cannot STEP`.
    pub step: String,
    /// The arguments of the binary inside.
    pub arguments: Vec<String>,
    /// What it reads from its standard input.
    pub input: String,
    /// How long it may take.
    pub limit: Duration,
}

impl Docker {
    /// Connects to the engine that `DOCKER_HOST` or the usual socket names.
    ///
    /// # Errors
    /// No engine answers.
    pub fn connect() -> Result<Docker, EmuError> {
        let failed = |cause: &dyn std::fmt::Display| EmuError::engine("be reached", cause);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| failed(&cause))?;
        let api = runtime
            .block_on(async { bollard::Docker::connect_with_local_defaults()?.negotiate_version().await });
        Ok(Docker { api: api.map_err(|cause| failed(&cause))?, runtime })
    }

    /// The engine's version and whether it speaks of control groups as version 1 or 2.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn about(&self) -> Result<(String, String), EmuError> {
        let info = self
            .runtime
            .block_on(self.api.info())
            .map_err(|cause| EmuError::engine("describe itself", cause))?;
        let cgroups = info.cgroup_version.map_or("unknown".into(), |version| version.to_string());
        Ok((info.server_version.unwrap_or_else(|| "unknown".into()), cgroups))
    }

    /// Whether containers can be put into a group that we have made: see [`priority`].
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn takes_groups(&self) -> Result<bool, EmuError> {
        let info = self
            .runtime
            .block_on(self.api.info())
            .map_err(|cause| EmuError::engine("describe itself", cause))?;
        let makes_them_itself = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS);
        Ok(makes_them_itself && info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_1))
    }

    /// Makes an image that holds one file, [`AGENT`].
    ///
    /// # Errors
    /// The engine refuses it.
    pub fn import(&self, run: &str, image: &str, binary: &[u8]) -> Result<(), EmuError> {
        let failed =
            |cause: &dyn std::fmt::Display| EmuError::engine(format!("import the image {image}"), cause);
        self.import_archive(run, image, archive(binary).map_err(|cause| failed(&cause))?)
    }

    /// Makes an image from a tar archive of its files.
    ///
    /// # Errors
    /// The engine refuses it.
    pub fn import_archive(&self, run: &str, image: &str, archive: Vec<u8>) -> Result<(), EmuError> {
        let failed =
            |cause: &dyn std::fmt::Display| EmuError::engine(format!("import the image {image}"), cause);
        let changes = vec![
            format!("LABEL {LABEL_RUN}={run}"),
            format!("LABEL {LABEL_KIND}={}", Kind::Image.name()),
            format!("ENTRYPOINT [\"{AGENT}\"]"),
        ];
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(image)
            .tag(TAG.trim_start_matches(':'))
            .changes(changes)
            .build();
        self.runtime.block_on(async {
            let mut progress =
                self.api.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
            while let Some(step) = progress.next().await {
                step.map_err(|cause| failed(&cause))?;
            }
            Ok(())
        })
    }

    /// Starts a node that waits for commands, in a control group if one is given: the process number of its first
    /// process. Its quota is not in force yet.
    ///
    /// # Errors
    /// The engine refuses it, or it ends at once.
    pub fn start(
        &self,
        run: &str,
        container: &str,
        image: &str,
        group: Option<&str>,
        node: &Node,
    ) -> Result<i64, EmuError> {
        let memory = node.memory_bytes.map(|bytes| bytes.max(LEAST_MEMORY) as i64);
        let pinned = node
            .pinned
            .as_ref()
            .map(|cores| cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        let body = ContainerCreateBody {
            image: Some(format!("{image}{TAG}")),
            cmd: Some(vec!["serve".into()]),
            hostname: Some(node.name.clone()),
            labels: Some(labels(run, Kind::Container)),
            host_config: Some(HostConfig {
                network_mode: Some("none".into()),
                memory,
                // The same as memory means: no swap.
                memory_swap: memory,
                cpuset_cpus: pinned,
                cgroup_parent: group.map(|group| format!("/{group}")),
                cpu_shares: Some(i64::from(priority::WEIGHT)),
                cap_drop: Some(vec!["ALL".into()]),
                security_opt: Some(vec!["no-new-privileges".into()]),
                readonly_rootfs: Some(true),
                sysctls: Some(HashMap::from([
                    ("net.ipv4.tcp_congestion_control".into(), congestion().into()),
                    ("net.ipv4.tcp_slow_start_after_idle".into(), "0".into()),
                ])),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        self.start_as(container, body)
    }

    /// Makes a network of its own for the containers of a run.
    ///
    /// # Errors
    /// The engine refuses it, for example because another network has these addresses.
    pub fn make_network(
        &self,
        run: &str,
        network: &str,
        subnet: &str,
        gateway: &str,
    ) -> Result<(), EmuError> {
        let body = NetworkCreateRequest {
            name: network.into(),
            labels: Some(labels(run, Kind::Network)),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(subnet.into()),
                    gateway: Some(gateway.into()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let made = self.runtime.block_on(self.api.create_network(body));
        made.map(|_| ()).map_err(|cause| EmuError::engine(format!("make the network {network}"), cause))
    }

    /// Starts a container as it is described: the process number of its first process.
    ///
    /// # Errors
    /// The engine refuses it, or it ends at once.
    pub fn start_as(&self, container: &str, body: ContainerCreateBody) -> Result<i64, EmuError> {
        let failed = |cause: &dyn std::fmt::Display| {
            EmuError::engine(format!("start the container {container}"), cause)
        };
        self.runtime.block_on(async {
            let options = CreateContainerOptionsBuilder::new().name(container).build();
            self.api.create_container(Some(options), body).await.map_err(|cause| failed(&cause))?;
            let no_options = None::<bollard::query_parameters::StartContainerOptions>;
            self.api.start_container(container, no_options).await.map_err(|cause| failed(&cause))?;
            let no_options = None::<bollard::query_parameters::InspectContainerOptions>;
            let state = self
                .api
                .inspect_container(container, no_options)
                .await
                .map_err(|cause| failed(&cause))?
                .state;
            match state.and_then(|state| state.pid) {
                Some(pid) if pid > 0 => Ok(pid),
                _ => Err(failed(&"it has ended at once")),
            }
        })
    }

    /// Whether the engine has an image of this name.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) fn has_image(&self, image: &str) -> Result<bool, EmuError> {
        match self.runtime.block_on(self.api.inspect_image(image)) {
            Ok(_) => Ok(true),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(cause) => Err(EmuError::engine(format!("look at the image {image}"), cause)),
        }
    }

    /// Runs a container that ends by itself: what it has printed.
    ///
    /// # Errors
    /// The engine refuses it, or it does not end in time.
    pub(crate) fn run_to_end(&self, container: &str, body: ContainerCreateBody) -> Result<String, EmuError> {
        let failed =
            |cause: &dyn std::fmt::Display| EmuError::engine(format!("run the container {container}"), cause);
        let no_options = None::<bollard::query_parameters::StartContainerOptions>;
        let options = CreateContainerOptionsBuilder::new().name(container).build();
        let said = async {
            self.api.create_container(Some(options), body).await?;
            self.api.start_container(container, no_options).await?;
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
            let mut lines = self.api.logs(container, Some(options));
            let mut said = Vec::new();
            while let Some(line) = lines.next().await {
                said.extend_from_slice(&line?.into_bytes());
            }
            Ok::<_, bollard::errors::Error>(String::from_utf8_lossy(&said).into_owned())
        };
        match self.runtime.block_on(async { tokio::time::timeout(ENDS, said).await }) {
            Ok(said) => said.map_err(|cause| failed(&cause)),
            Err(_) => Err(failed(&format!("it does not end within {} s", ENDS.as_secs()))),
        }
    }

    /// Puts a node's quota into force.
    ///
    /// # Errors
    /// The engine refuses it.
    pub fn limit(&self, container: &str, cpus: f64) -> Result<(), EmuError> {
        let body = ContainerUpdateBody {
            cpu_period: Some(PERIOD_US as i64),
            // The kernel grants at least a millisecond.
            cpu_quota: Some((cpus * PERIOD_US).round().max(1_000.0) as i64),
            ..ContainerUpdateBody::default()
        };
        let limited = self.runtime.block_on(self.api.update_container(container, body));
        limited.map_err(|cause| EmuError::engine(format!("limit the processors of {container}"), cause))
    }

    /// Runs commands in nodes, all at the same time: what each printed, in order.
    ///
    /// # Errors
    /// One of them failed or took too long, the user interrupts, or `check`, which is asked now and then, fails. If
    /// several fail within a second, the one that was killed is told, for it is the cause of the others.
    pub fn run_all(
        &self,
        tasks: &[Task],
        check: &dyn Fn() -> Result<(), EmuError>,
    ) -> Result<Vec<String>, EmuError> {
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for (i, task) in tasks.iter().cloned().enumerate() {
                let api = self.api.clone();
                running.spawn(async move {
                    let limit = task.limit;
                    let done = tokio::time::timeout(limit, run_one(&api, &task)).await;
                    let too_long = |_| Err(Stopped::new(format!("it took more than {} s", limit.as_secs())));
                    (i, done.unwrap_or_else(too_long))
                });
            }
            let mut outputs = vec![String::new(); tasks.len()];
            let mut stopped: Vec<(usize, Stopped)> = Vec::new();
            let mut first: Option<Instant> = None;
            loop {
                if first.is_some_and(|first| first.elapsed() > AFTERMATH) {
                    break;
                }
                match tokio::time::timeout(LOOK, running.join_next()).await {
                    Ok(None) => break,
                    Ok(Some(Ok((i, Ok(output))))) => outputs[i] = output,
                    Ok(Some(Ok((i, Err(cause))))) => {
                        first = first.or(Some(Instant::now()));
                        stopped.push((i, cause));
                    }
                    Ok(Some(Err(failed))) => return Err(EmuError::engine("run a command", failed)),
                    Err(_) => {}
                }
                if interrupted() {
                    return Err(EmuError::Interrupted);
                }
                if first.is_none() {
                    check()?;
                }
            }
            // The order of the tasks decides among equals: brokers and workers are the cause of what endpoints say.
            stopped.sort_by_key(|(i, cause)| (!cause.was_killed, *i));
            let Some((i, mut cause)) = stopped.into_iter().next() else { return Ok(outputs) };
            let task = &tasks[i];
            // The engine itself may be what has died.
            self.api
                .version()
                .await
                .map_err(|died| EmuError::engine(format!("{} on node {}", task.step, task.node), died))?;
            let no_options = None::<bollard::query_parameters::InspectContainerOptions>;
            let seen = self.api.inspect_container(&task.container, no_options).await;
            match seen.map(|container| container.state.unwrap_or_default()) {
                Ok(state) if state.running != Some(true) => {
                    let memory = if state.oom_killed == Some(true) { ", its memory was used up" } else { "" };
                    let code = state.exit_code.unwrap_or_default();
                    cause.said = format!("its container has ended (exit code {code}{memory})");
                }
                Ok(_) => {}
                Err(_) => cause.said = format!("its container is gone ({})", cause.said),
            }
            Err(EmuError::node(&task.node, task.step.clone(), cause.said))
        })
    }

    /// Removes something of a run; what is not there is removed already, and what carries another run's label
    /// is left alone.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub fn remove(&self, run: &str, resource: &Resource) -> Result<(), EmuError> {
        if !self.labelled(run)?.contains(resource) {
            return Ok(());
        }
        let name = &resource.name;
        for _ in 0..PATIENCE {
            match self.runtime.block_on(self.remove_once(resource)) {
                Ok(()) => return Ok(()),
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
                    return Ok(());
                }
                // Somebody else is removing it, or a container of this image.
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => {
                    std::thread::sleep(LOOK);
                }
                Err(cause) => {
                    return Err(EmuError::engine(
                        format!("remove the {} {name}", resource.kind.name()),
                        cause,
                    ));
                }
            }
        }
        Err(EmuError::engine(format!("remove the {} {name}", resource.kind.name()), "it stays in use"))
    }

    async fn remove_once(&self, resource: &Resource) -> Result<(), bollard::errors::Error> {
        let name = &resource.name;
        match resource.kind {
            Kind::Container => {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                self.api.remove_container(name, Some(options)).await
            }
            Kind::Image => {
                let options = RemoveImageOptionsBuilder::new().force(true).build();
                let is_named = !name.starts_with("sha256:");
                let image = if is_named { format!("{name}{TAG}") } else { name.clone() };
                self.api.remove_image(&image, Some(options), None).await.map(|_| ())
            }
            Kind::Network => self.api.remove_network(name).await,
            _ => Ok(()),
        }
    }

    /// Everything that carries the label of a run, containers first.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn labelled(&self, run: &str) -> Result<Vec<Resource>, EmuError> {
        let all = self.all_labelled(Some(run))?;
        Ok(all.into_iter().map(|(_, resource)| resource).collect())
    }

    /// Everything that carries our label, with its run; of one run if it is given.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn all_labelled(&self, run: Option<&str>) -> Result<Vec<(String, Resource)>, EmuError> {
        let label = run.map_or(LABEL_RUN.to_string(), |run| format!("{LABEL_RUN}={run}"));
        let filters = HashMap::from([("label".to_string(), vec![label])]);
        let failed = |cause: bollard::errors::Error| EmuError::engine("list what exists", cause);
        self.runtime.block_on(async {
            let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
            let containers = self.api.list_containers(Some(options)).await.map_err(failed)?;
            let options = ListImagesOptionsBuilder::new().filters(&filters).build();
            let images = self.api.list_images(Some(options)).await.map_err(failed)?;
            let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
            let networks = self.api.list_networks(Some(options)).await.map_err(failed)?;
            let run_of =
                |labels: Option<HashMap<String, String>>| labels.and_then(|mut l| l.remove(LABEL_RUN));
            let mut all = Vec::new();
            for network in networks {
                if let (Some(name), Some(run)) = (network.name, run_of(network.labels)) {
                    all.push((run, Resource { kind: Kind::Network, name }));
                }
            }
            for container in containers {
                let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
                let name = name.trim_start_matches('/').to_string();
                // A container inherits the labels of its image: a stranger's container from our image is
                // still made from what we made, but only ours have our names.
                if let Some(run) = run_of(container.labels)
                    && name.starts_with(&container_prefix(&run))
                {
                    all.push((run, Resource { kind: Kind::Container, name }));
                }
            }
            for image in images {
                let named = image.repo_tags.iter().find_map(|tag| tag.strip_suffix(TAG)).map(String::from);
                // One that a stranger's container kept from being removed has lost its name. What others have built
                // from ours has the labels, too, and a parent.
                let is_nameless = image.repo_tags.iter().all(|tag| tag == "<none>:<none>");
                let nameless = (is_nameless && image.parent_id.is_empty()).then_some(image.id);
                if let (Some(name), Some(run)) = (named.or(nameless), run_of(Some(image.labels))) {
                    all.push((run, Resource { kind: Kind::Image, name }));
                }
            }
            Ok(all)
        })
    }
}

/// How the names of a run's containers begin.
pub fn container_prefix(run: &str) -> String {
    format!("offing-{run}-")
}

/// The labels of something that was made for a run.
pub(crate) fn labels(run: &str, kind: Kind) -> HashMap<String, String> {
    [(LABEL_RUN, run), (LABEL_KIND, kind.name())].map(|(key, value)| (key.into(), value.into())).into()
}

/// A run's image, without its tag.
pub fn image_name(run: &str) -> String {
    format!("offing/{run}")
}

/// Where the network of a process is.
pub fn namespace(process: i64) -> PathBuf {
    format!("/proc/{process}/ns/net").into()
}

/// Why a command came to no good end.
struct Stopped {
    said: String,
    was_killed: bool,
}

impl Stopped {
    fn new(said: String) -> Self {
        Stopped { said, was_killed: false }
    }
}

async fn run_one(api: &bollard::Docker, task: &Task) -> Result<String, Stopped> {
    let text = |cause: bollard::errors::Error| Stopped::new(cause.to_string());
    let command = [AGENT.to_string()].into_iter().chain(task.arguments.iter().cloned()).collect();
    let options = CreateExecOptions {
        attach_stdin: Some(!task.input.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command),
        ..CreateExecOptions::default()
    };
    let id = api.create_exec(&task.container, options).await.map_err(text)?.id;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    if let StartExecResults::Attached { output: mut lines, mut input } =
        api.start_exec(&id, None).await.map_err(text)?
    {
        if !task.input.is_empty() {
            // One that has ended already says why below.
            let _ = input.write_all(task.input.as_bytes()).await;
            let _ = input.shutdown().await;
        }
        while let Some(part) = lines.next().await {
            match part.map_err(text)? {
                LogOutput::StdErr { message } => errors.extend_from_slice(&message),
                other => output.extend_from_slice(&other.into_bytes()),
            }
        }
    }
    let errors = String::from_utf8_lossy(&errors);
    match api.inspect_exec(&id).await.map_err(text)?.exit_code {
        Some(0) => Ok(String::from_utf8_lossy(&output).trim().into()),
        // 128 and the number of the signal: what nobody but the kernel or a person sends.
        Some(137) => Err(Stopped { said: format!("it was killed {}", errors.trim()), was_killed: true }),
        Some(code) => Err(Stopped::new(format!("exit code {code}: {}", errors.trim()))),
        None => Err(Stopped { said: "its container has ended".into(), was_killed: true }),
    }
}

/// A tar archive with the binary in it.
pub(crate) fn archive(binary: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(binary.len() as u64);
    header.set_mode(0o755);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, AGENT.trim_start_matches('/'), binary)?;
    builder.into_inner()
}
