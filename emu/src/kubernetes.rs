//! The manager `kubernetes`: deployments on a cluster that somebody has, or on one of our own ([`own`]).
//!
//! ```text
//! RunPlan --objects--> Namespace, ConfigMap, Service, Deployment (targets), Job (endpoints)
//!            |  watch: created, scheduled, sandbox, container, started, ready; or why not      [`watching`]
//!            +--> tell every pod when to start --> wait for the reports --> Observed            [`running`]
//!            +--> remove: the namespace and all in it, also after a crash                       [`removing`]
//! ```
//! | of the plan | on Kubernetes |
//! |---|---|
//! | a run | a namespace of its own, with the labels of [`crate::ledger`] |
//! | a node | a pod: its processors and memory are request and limit of its one container |
//! | a tier | the node selector `tier=NAME` (or another key), pods spread over such nodes |
//! | roles of a target node | processes of that container, so that they share its limit as they share a node's quota |
//! | the address of a target node | the cluster's address of a Service |
//! | links | those of the cluster, as they are: nothing is shaped, and every run says so; or shaped, on nodes of our own |
//!
//! Nothing is polled: what the API server knows is watched. Every wait has a limit and says what it waited for.
//! Commands reach pods by `exec`, through the kubelet, so that no port of a pod must be reachable from here.

mod access;
pub mod image;
mod objects;
pub mod own;
pub mod rbac;
mod removing;
mod running;
mod watching;

pub use access::{Access, Cluster};
pub use removing::{namespaces, remove};
pub use running::{Asked, Ground, measure};
pub use watching::{PodStart, pods_csv};

use serde::{Deserialize, Serialize};

/// What is told of a run on Kubernetes beside what is told of any measured run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KubernetesFacts {
    /// Version of the API server, for example `v1.20.2`.
    pub version: String,
    /// The context of the kubeconfig.
    pub context: String,
    /// The image.
    pub image: String,
    /// How every pod came to be.
    pub pods: Vec<PodStart>,
    /// Nodes that carried pods of the run.
    pub nodes: Vec<NodeFacts>,
    /// How far the clocks of the pods may be apart, by the wall [ms].
    pub clock_spread_ms: f64,
}

/// A node of the cluster, as the kubelet tells (`stats/summary`). What it does not tell, or what may not be read, is
/// absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Release of its kernel.
    pub kernel: Option<String>,
    /// What runs the containers, with its version.
    pub runtime: Option<String>,
    /// Processors that pods may ask for.
    pub allocatable_cpus: Option<f64>,
    /// Processor time per second of everything on it over about the observed span [s/s].
    pub cpus: Option<f64>,
    /// The same of the pods of this run [s/s].
    pub pods_cpus: Option<f64>,
    /// The span that the two before were counted over [s]; the kubelet reads counters every ten seconds or so.
    pub counted_s: Option<f64>,
}
