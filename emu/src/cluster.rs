//! From a plan to nodes that are connected: each step is a type that only the step before can make.
//!
//! ```text
//! RunPlan --Inventory::make--> Inventory --connect--> Cluster --prove--> Proof (and the quotas are in force)
//!                                  |                     |
//!                                  +------- remove ------+--> nothing is left, nor in the ledger
//! ```
//! Whatever happens, dropping one of them removes what it owns; what cannot be removed stays in the ledger.

use std::cell::RefCell;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::application::Application;
use crate::down::{RUN_ARGUMENT, down_one};
use crate::error::EmuError;
use crate::interrupt::interrupted;
use crate::ledger::{Kind, Ledger, name_on_host};
use crate::links::forwarder::{Attachment, DEVICE, Forwarder, Report, Spec};
use crate::links::{Links, Netem};
use crate::plan::{LinkKind, RunPlan};
use crate::provider::docker::{Docker, Task, container_prefix, image_name, namespace};
use crate::provider::priority;

/// What is needed on this host to carry out a plan.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The static binary for the nodes.
    pub agent: PathBuf,
    /// The command line that starts a forwarder.
    pub forwarder: Vec<String>,
    /// Where the ledgers are.
    pub state: PathBuf,
    /// What makes the links.
    pub links: LinkKind,
    /// Decides which packets are lost and how much each is delayed.
    pub seed: u64,
}

impl Tools {
    /// What is needed where nothing runs on this host: a place for the ledgers.
    pub fn elsewhere(state: PathBuf) -> Tools {
        Tools { agent: PathBuf::new(), forwarder: Vec::new(), state, links: LinkKind::Forwarder, seed: 0 }
    }
}

/// Nodes that run, without links.
pub struct Inventory {
    plan: RunPlan,
    tools: Tools,
    docker: Docker,
    /// Nothing once all is removed.
    ledger: Option<Ledger>,
    run: String,
    /// Numbers of the nodes' first processes, in the plan's order.
    ends: Vec<i64>,
}

/// Nodes that are connected.
pub struct Cluster {
    /// Dropped before the nodes are removed.
    links: Option<RefCell<Box<dyn Links>>>,
    inventory: Inventory,
}

impl Inventory {
    /// Starts the nodes of a plan. Each is in the ledger before it exists.
    ///
    /// # Errors
    /// The binary cannot be read, the engine refuses, or the user interrupts; then nothing is left.
    pub fn make(plan: &RunPlan, tools: &Tools) -> Result<Inventory, EmuError> {
        let binary = fs::read(&tools.agent).map_err(|cause| EmuError::file(&tools.agent, cause))?;
        let docker = Docker::connect()?;
        let ledger = Ledger::begin(&tools.state, &plan.deployment)?;
        let run = ledger.run().to_string();
        let (plan, tools) = (plan.clone(), tools.clone());
        let mut inventory = Inventory { plan, tools, docker, ledger: Some(ledger), run, ends: Vec::new() };
        let image = image_name(&inventory.run);
        inventory.making(Kind::Image, &image)?;
        inventory.docker.import(&inventory.run, &image, &binary)?;
        let group = inventory.go_first()?;
        for i in 0..inventory.plan.nodes.len() {
            let container = inventory.container(i);
            inventory.making(Kind::Container, &container)?;
            let node = &inventory.plan.nodes[i];
            let end = inventory.docker.start(&inventory.run, &container, &image, group.as_deref(), node)?;
            inventory.ends.push(end);
        }
        Ok(inventory)
    }

    /// Makes the group in which the nodes go before other programs, where that can be done.
    fn go_first(&mut self) -> Result<Option<String>, EmuError> {
        if !(priority::is_possible() && self.docker.takes_groups()?) {
            return Ok(None);
        }
        let group = name_on_host(&self.run);
        self.making(Kind::Group, &group)?;
        priority::make(&group)?;
        Ok(Some(group))
    }

    /// Makes the links.
    ///
    /// # Errors
    /// They cannot be made; then nothing is left of the run.
    pub fn connect(mut self) -> Result<Cluster, EmuError> {
        let spec = self.spec();
        let run = self.run.clone();
        let links: Box<dyn Links> = match self.tools.links {
            LinkKind::Forwarder => {
                self.making(Kind::Process, &format!("forwarder of {run}"))?;
                let mut command = self.tools.forwarder.clone();
                command.extend([RUN_ARGUMENT.into(), run]);
                let forwarder = Forwarder::start(&command, &spec)?;
                if let Some(cause) = &forwarder.ready.real_time_error {
                    let cause = format!("{cause}; without it no delay is kept: see `offing doctor`");
                    return Err(EmuError::links("get real-time scheduling", cause));
                }
                Box::new(forwarder)
            }
            LinkKind::Netem => {
                let namespace = name_on_host(&run);
                self.making(Kind::Namespace, &namespace)?;
                Box::new(Netem::connect(&spec, &self.ends, &namespace)?)
            }
        };
        Ok(Cluster { links: Some(RefCell::new(links)), inventory: self })
    }

    fn making(&mut self, kind: Kind, name: &str) -> Result<(), EmuError> {
        if interrupted() {
            return Err(EmuError::Interrupted);
        }
        self.ledger.as_mut().expect("it is there until all is removed").making(kind, name)
    }

    fn container(&self, node: usize) -> String {
        format!("{}{}", container_prefix(&self.run), self.plan.nodes[node].name)
    }

    fn spec(&self) -> Spec {
        let attachment = |(i, node): (usize, &crate::plan::Node)| Attachment {
            name: node.name.clone(),
            namespace: namespace(self.ends[i]),
            address: address(i),
            prefix: 16,
            device: DEVICE.into(),
        };
        Spec {
            seed: self.tools.seed,
            nodes: self.plan.nodes.iter().enumerate().map(attachment).collect(),
            media: self.plan.media.clone(),
            paths: self.plan.paths.clone(),
        }
    }

    fn clear(&mut self) -> Result<(), EmuError> {
        match self.ledger.take() {
            Some(ledger) => down_one(&self.run, Some(ledger), Ok(&self.docker)).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Drop for Inventory {
    fn drop(&mut self) {
        // What cannot be removed now stays in the ledger, for `down`.
        let _ = self.clear();
    }
}

/// Why a cluster has links.
/// How long the process that made the devices may take to end once they are gone.
const LINKS_END: Duration = Duration::from_secs(1);

const UNTIL_REMOVED: &str = "they are up until the cluster is removed";

/// The address of node number `i`, in 10.77.0.0/16.
pub(crate) fn address(i: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, (i / 250) as u8, (i % 250 + 1) as u8)
}

impl Cluster {
    /// What was planned.
    pub fn plan(&self) -> &RunPlan {
        &self.inventory.plan
    }

    /// The run's name.
    pub fn run(&self) -> &str {
        &self.inventory.run
    }

    /// The links.
    pub fn links(&mut self) -> &mut dyn Links {
        &mut **self.links.as_mut().expect(UNTIL_REMOVED).get_mut()
    }

    /// Puts all quotas into force.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn limit(&self) -> Result<(), EmuError> {
        let nodes = &self.inventory.plan.nodes;
        (0..nodes.len())
            .try_for_each(|i| self.inventory.docker.limit(&self.inventory.container(i), nodes[i].cpus))
    }

    /// Runs the binary in some nodes at once with some arguments: what each printed.
    ///
    /// # Errors
    /// One of them failed or took longer than `limit`, the links are down, or the user interrupts.
    pub fn run_in(&self, tasks: &[(usize, Vec<String>)], limit: Duration) -> Result<Vec<String>, EmuError> {
        let task = |(node, arguments): &(usize, Vec<String>)| Task {
            step: arguments.join(" "),
            arguments: arguments.clone(),
            ..self.task(*node, limit)
        };
        let tasks: Vec<_> = tasks.iter().map(task).collect();
        self.run_all(&tasks, &|links| links.check())
    }

    /// A command for a node that does nothing yet.
    pub(crate) fn task(&self, node: usize, limit: Duration) -> Task {
        Task {
            container: self.inventory.container(node),
            node: self.inventory.plan.nodes[node].name.clone(),
            step: String::new(),
            arguments: Vec::new(),
            input: String::new(),
            limit,
        }
    }

    /// Runs commands at once, and asks `check` now and then.
    pub(crate) fn run_all(
        &self,
        tasks: &[Task],
        check: &dyn Fn(&mut dyn Links) -> Result<(), EmuError>,
    ) -> Result<Vec<String>, EmuError> {
        let links = self.links.as_ref().expect(UNTIL_REMOVED);
        let done = self.inventory.docker.run_all(tasks, &|| check(&mut **links.borrow_mut()));
        done.map_err(|cause| match cause {
            EmuError::Node { .. } => self.links_are_down().unwrap_or(cause),
            _ => cause,
        })
    }

    /// That the links have ended, if so. A node may say that its device is gone before what made it is seen to have ended.
    fn links_are_down(&self) -> Option<EmuError> {
        let links = self.links.as_ref().expect(UNTIL_REMOVED);
        let limit = Instant::now() + LINKS_END;
        loop {
            match links.borrow_mut().check() {
                Err(cause) => return Some(cause),
                Ok(()) if Instant::now() > limit => return None,
                Ok(()) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What happened on the links since the last report.
    pub(crate) fn report_links(&self) -> Result<Option<Report>, EmuError> {
        self.links.as_ref().expect(UNTIL_REMOVED).borrow_mut().report()
    }

    /// Numbers of the nodes' first processes, in the plan's order.
    pub(crate) fn ends(&self) -> &[i64] {
        &self.inventory.ends
    }

    /// The engine's version and that of the control groups.
    pub(crate) fn engine(&self) -> Option<(String, String)> {
        self.inventory.docker.about().ok()
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Something could not be removed; it is still in the ledger.
    pub fn remove(mut self) -> Result<(), EmuError> {
        self.links = None;
        self.inventory.clear()
    }
}

/// Looks for the static binary: where the user says, where `OFFING_AGENT` says, or beside a program.
///
/// # Errors
/// Where it was looked for, and how to make it.
pub fn find_agent(said: Option<&FilePath>, program: &FilePath) -> Result<PathBuf, EmuError> {
    let beside = program.with_file_name("offing-agent");
    let places = [said.map(PathBuf::from), std::env::var_os("OFFING_AGENT").map(PathBuf::from), Some(beside)];
    // What was said explicitly must be there.
    let place = places.into_iter().flatten().next().expect("the last place is always known");
    match place.is_file() {
        true => Ok(place),
        false => Err(EmuError::Refused(vec![format!(
            "there is no binary for the nodes at `{}`; make one by `lab/agent.sh` and name it by --agent or OFFING_AGENT",
            place.display()
        )])),
    }
}

/// Whether a binary for the nodes can do what is asked of its workers, before anything is made.
///
/// # Errors
/// It cannot, or it does not run on this host.
pub fn check_agent(agent: &FilePath, application: Application) -> Result<(), EmuError> {
    if application == Application::Burn {
        return Ok(());
    }
    // A worker process without any frame: it loads the network, says what it is, and ends.
    let config = r#"{"seed":0,"worker":0,"process":"network"}"#;
    let done = Command::new(agent).args(["app", "process", config]).stdin(Stdio::null()).output();
    let done = done.map_err(|cause| EmuError::file(agent, cause))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(EmuError::Refused(vec![format!(
            "`{}` cannot classify pictures ({}); make a binary that can by `lab/agent.sh --network` and name it by \
             --agent or OFFING_AGENT, or leave out `--application network`",
            agent.display(),
            String::from_utf8_lossy(&done.stderr).trim()
        )])),
    }
}
