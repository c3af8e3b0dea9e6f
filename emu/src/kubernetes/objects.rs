//! What a run creates, as data: typed objects of the API, nothing is touched yet.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment as Deployed;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use offing_app::protocol::{PodConfig, PodRole};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::access::Access;
use crate::application::{BROKER_PORT, CLOCK_PORT, HTTP_PORT, Role};
use crate::ledger::{LABEL_KIND, LABEL_RUN};
use crate::plan::{Node, RunPlan};

/// The label that says which node of the plan a pod is.
pub(super) const LABEL_NODE: &str = "offing.node";
/// The label that says of which tier.
const LABEL_TIER: &str = "offing.tier";
/// Where a pod says that it can be told something.
const READY_PORT: u16 = 7_078;
/// The name of the container.
pub(super) const CONTAINER: &str = "offing";
/// A ConfigMap holds a little more than this [byte].
const PART_BYTES: usize = 900_000;

/// What belongs to one node of a plan.
pub(super) struct Objects {
    /// Its configuration; more than one where it is long.
    pub configs: Vec<ConfigMap>,
    /// A target runs until it is removed, and is started again if it fails.
    pub deployment: Option<Deployed>,
    /// An endpoint ends.
    pub job: Option<Job>,
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the fields have the types of the API: tests make every kind")
}

/// Names that Kubernetes takes (RFC 1123), in the order of the plan's nodes.
pub(super) fn names(nodes: &[Node]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = node.name.chars().map(word).take(40).collect();
        let name = match name.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => name,
            // The name of a Service begins with a letter.
            false => format!("n{name}"),
        };
        names.push(if names.contains(&name) { format!("{name}-{i}") } else { name });
    }
    names
}

/// Labels of everything in a run.
fn labels(run: &str, kind: &str, name: &str, tier: &str) -> BTreeMap<String, String> {
    let pairs = [(LABEL_RUN, run), (LABEL_KIND, kind), (LABEL_NODE, name), (LABEL_TIER, tier)];
    pairs.map(|(key, value)| (key.to_string(), value.to_string())).into()
}

/// The run's namespace.
pub(super) fn namespace(name: &str, run: &str) -> Namespace {
    typed(json!({
        "metadata": { "name": name, "labels": { LABEL_RUN: run, LABEL_KIND: "namespace" } },
    }))
}

/// Where endpoints find a target node.
pub(super) fn service(run: &str, name: &str, tier: &str) -> Service {
    let port = |name: &str, number: u16, protocol: &str| json!({ "name": name, "port": number, "targetPort": number, "protocol": protocol });
    typed(json!({
        "metadata": { "name": name, "labels": labels(run, "service", name, &label(tier)) },
        "spec": {
            "selector": { LABEL_RUN: run, LABEL_NODE: name },
            "ports": [
                port("mqtt", BROKER_PORT, "TCP"),
                port("http", HTTP_PORT, "TCP"),
                port("clock", CLOCK_PORT, "UDP"),
            ],
        },
    }))
}

/// A tier's name as the value of a label.
pub(super) fn label(tier: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    tier.chars().map(word).take(63).collect::<String>().trim_matches(['-', '_', '.']).to_string()
}

/// What all nodes of a run share.
pub(super) struct Whole<'w> {
    pub access: &'w Access,
    pub run: &'w str,
    pub plan: &'w RunPlan,
    pub roles: &'w [Role],
    /// The observed span, from the start of the run [ns].
    pub span: [u64; 2],
}

impl Whole<'_> {
    /// Everything of one node of the plan but its Service. It goes to the node of the cluster that is named, if one is.
    pub(super) fn objects(&self, node: usize, name: &str, hostname: Option<&str>) -> Objects {
        let own: Vec<PodRole> = self
            .roles
            .iter()
            .filter(|role| role.node == node)
            .map(|role| PodRole { role: role.kind.name().into(), config: role.config.clone() })
            .collect();
        let is_target = own.iter().any(|role| role.role == "worker");
        let config = PodConfig { roles: own, from_ns: self.span[0], until_ns: self.span[1] };
        let text = serde_json::to_string(&config).expect("a configuration is plain data");
        let node = &self.plan.nodes[node];
        let labels = |kind: &str| labels(self.run, kind, name, &label(&node.tier));
        let configs: Vec<ConfigMap> = parts(&text)
            .into_iter()
            .enumerate()
            .map(|(i, part)| {
                typed(json!({
                    "metadata": { "name": format!("{name}-{i}"), "labels": labels("config") },
                    "data": { format!("part-{i:03}"): part },
                }))
            })
            .collect();
        let restart = if is_target { "Always" } else { "Never" };
        let template = json!({
            "metadata": { "labels": labels("pod") },
            "spec": pod(self.access, node, self.run, restart, hostname, &sources(name, configs.len())),
        });
        let metadata = json!({ "name": name, "labels": labels("pod") });
        let (deployment, job) = match is_target {
            true => {
                let spec = json!({
                    "replicas": 1,
                    "selector": { "matchLabels": { LABEL_RUN: self.run, LABEL_NODE: name } },
                    "template": template,
                });
                (Some(typed(json!({ "metadata": metadata, "spec": spec }))), None)
            }
            false => {
                let spec = json!({ "backoffLimit": 0, "template": template });
                (None, Some(typed(json!({ "metadata": metadata, "spec": spec }))))
            }
        };
        Objects { configs, deployment, job }
    }
}

/// Where the configuration of a pod comes from.
fn sources(name: &str, parts: usize) -> Vec<Value> {
    (0..parts).map(|i| json!({ "configMap": { "name": format!("{name}-{i}") } })).collect()
}

/// The text in pieces that a ConfigMap can hold.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = rest.len().min(PART_BYTES);
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (part, more) = rest.split_at(at);
        parts.push(part);
        rest = more;
    }
    parts
}

/// The specification of a pod.
fn pod(
    access: &Access,
    node: &Node,
    run: &str,
    restart: &str,
    hostname: Option<&str>,
    sources: &[Value],
) -> Value {
    let tier = label(&node.tier);
    // The kernel grants at least a millisecond per period of 100 ms.
    let mut resources = json!({ "cpu": format!("{}m", (node.cpus * 1e3).round().max(10.0)) });
    if let Some(bytes) = node.memory_bytes {
        resources["memory"] = bytes.to_string().into();
    }
    let mut selector = serde_json::Map::new();
    if let Some(key) = &access.tier_label {
        selector.insert(key.clone(), tier.into());
    }
    if let Some(hostname) = hostname {
        selector.insert("kubernetes.io/hostname".into(), hostname.into());
    }
    json!({
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "nodeSelector": selector,
        "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100,
            "podAffinityTerm": {
                "labelSelector": { "matchLabels": { LABEL_RUN: run } },
                "topologyKey": "kubernetes.io/hostname",
            },
        }] } },
        "securityContext": { "runAsNonRoot": true, "runAsUser": 65_534, "runAsGroup": 65_534 },
        "containers": [{
            "name": CONTAINER,
            "image": access.image,
            "imagePullPolicy": "IfNotPresent",
            "args": ["pod", "/config"],
            "ports": [{ "name": "ready", "containerPort": READY_PORT, "protocol": "TCP" }],
            "readinessProbe": { "tcpSocket": { "port": READY_PORT }, "periodSeconds": 1 },
            "resources": { "requests": resources, "limits": resources },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": [{ "name": "config", "mountPath": "/config", "readOnly": true }],
        }],
        "volumes": [{ "name": "config", "projected": { "sources": sources } }],
    })
}
