//! One way to run the application: everything a simulator or an emulator has to know.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{App, Link, Span, Tier};

/// One deployment, complete and checked. All defaults are filled in; equal deployments have equal ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// What runs.
    pub app: App,
    /// The nodes. Which tier does what is said by `placement`.
    pub tiers: Vec<Tier>,
    /// Pairs of tiers without a link are not shaped: no delay, no limit.
    pub links: Vec<Link>,
    /// Who processes, and how.
    pub placement: Placement,
    /// Requests are emitted from 0 to here.
    pub duration: Span,
    /// Requests emitted before this instant are run but not reported; less than `duration`.
    pub warm_up: Span,
}

/// Who processes, and how: `[deploy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Index of the tier whose nodes make the requests.
    pub endpoint: usize,
    /// Index of the tier whose nodes process them; equal to `endpoint` when nothing is offloaded.
    pub target: usize,
    /// How many stages stay on the endpoint of an offloaded request; less than the number of stages.
    pub cut: u32,
    /// Worker processes per target node, at least one.
    pub workers: u32,
    /// How requests are spread over the target nodes.
    pub balance: Balance,
    /// How many requests may wait at a target node; nothing means any number.
    pub queue: Option<u32>,
    /// Who goes when the queue is full.
    pub drop: Drop,
    /// What makes the nodes.
    pub provider: Provider,
    /// What runs the application on them.
    pub manager: Manager,
    /// How the workers are packed into pods; nothing where the file does not say, and then each target node has one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
}

/// How the workers of an application are packed into pods, and what asks for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pods {
    /// Pods per target node, at least one.
    pub per_node: u32,
    /// How they are asked for.
    pub start: Start,
    /// Processor time that the scheduler sets aside for each [cores].
    pub cpu_request: f64,
    /// Memory that the scheduler sets aside for each [byte].
    pub memory_request_bytes: u64,
    /// Processor time that each may use at most [cores]; nothing means no limit.
    pub cpu_limit: Option<f64>,
    /// Size of the image that each node pulls before its first pod starts [byte]; 0 where it is there already.
    pub image_bytes: u64,
}

impl Default for Pods {
    /// One pod per node, asked for by one Job, without requests and limits, its image on the node.
    fn default() -> Self {
        Pods {
            per_node: 1,
            start: Start::default(),
            cpu_request: 0.0,
            memory_request_bytes: 0,
            cpu_limit: None,
            image_bytes: 0,
        }
    }
}

/// How N pods are asked for. Continuum's `kube_deployment` calls them pod, file, call and container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// One Job that runs N pods at once.
    #[default]
    Job,
    /// N Jobs of one pod, asked for one after the other on one connection.
    Jobs,
    /// N Jobs of one pod, asked for by N clients at once.
    Calls,
    /// One Job of one pod with N containers.
    Containers,
}

/// How requests are spread over the target nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Endpoint `i` of `E` always goes to node `floor(i * T / E)` of `T`.
    #[default]
    Static,
    /// Request `k` of endpoint `i` goes to node `(i + k) mod T`: each endpoint goes round by itself.
    RoundRobin,
    /// Each request goes to a node drawn at random.
    Random,
    /// Each request goes, on arrival at the tier, to the node with the fewest requests in it; the lowest
    /// number among equals.
    LeastWaiting,
    /// Each endpoint has one connection, which goes to a node drawn at random and stays there: what a Service of
    /// Kubernetes does with connections that are kept.
    Connection,
}

/// Which request is lost when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drop {
    /// The one that arrives.
    #[default]
    Newest,
    /// The one that has waited longest.
    Oldest,
}

/// What makes the nodes. The simulator does not read it; the emulator does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Containers on one host.
    #[default]
    Docker,
    /// Virtual machines.
    Qemu,
    /// Google Cloud.
    Gcp,
    /// Amazon Web Services (read from Continuum files).
    Aws,
    /// Machines that are there.
    Baremetal,
}

/// What runs the application on the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// Plain containers.
    #[default]
    None,
    /// Kubernetes.
    Kubernetes,
    /// KubeEdge.
    Kubeedge,
    /// Functions on Kubernetes.
    Openfaas,
    /// Continuum's control-plane study.
    Kubecontrol,
    /// Continuum's Kata study.
    KubeKata,
    /// Continuum's edge nodes without a resource manager.
    Mist,
}

impl Manager {
    /// Whether it is Kubernetes, or runs on it: what has pods.
    pub fn has_pods(self) -> bool {
        use Manager::{KubeKata, Kubecontrol, Kubernetes, Openfaas};
        matches!(self, Kubernetes | Kubecontrol | KubeKata | Openfaas)
    }
}

impl Deployment {
    /// Sixteen hexadecimal digits that equal deployments share: the start of the SHA-256 of the canonical
    /// JSON text.
    pub fn id(&self) -> String {
        let text = serde_json::to_string(self).expect("a deployment is plain data");
        Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The tier that emits.
    pub fn endpoints(&self) -> &Tier {
        &self.tiers[self.placement.endpoint]
    }

    /// The tier that processes.
    pub fn targets(&self) -> &Tier {
        &self.tiers[self.placement.target]
    }

    /// Whether requests leave the endpoint.
    pub fn is_offloaded(&self) -> bool {
        self.placement.target != self.placement.endpoint
    }

    /// The link between two tiers and whether `from` is its first end; nothing if it is not shaped.
    pub fn link(&self, from: usize, to: usize) -> Option<(&Link, bool)> {
        self.links.iter().find_map(|link| match link.between {
            [a, b] if [a, b] == [from, to] => Some((link, true)),
            [a, b] if [a, b] == [to, from] => Some((link, false)),
            _ => None,
        })
    }

    /// How the workers are packed into pods.
    pub fn pods(&self) -> Pods {
        self.placement.pods.clone().unwrap_or_default()
    }

    /// Whether Kubernetes runs the application.
    pub fn is_on_kubernetes(&self) -> bool {
        self.placement.manager.has_pods()
    }

    /// The tiers that the placement uses, without repetition.
    pub fn used_tiers(&self) -> Vec<usize> {
        let mut used = vec![self.placement.endpoint];
        if self.is_offloaded() {
            used.push(self.placement.target);
        }
        used
    }
}
