//! The rights that a measurement needs, and no more: a manifest for who may grant them.

use std::fmt::Write;

/// In the namespace of a run: what is made there, what is asked about it, and commands in its pods.
const INSIDE: [(&str, &str, &str); 8] = [
    ("", "configmaps, services", "create, list, delete"),
    ("", "pods", "list, watch, delete"),
    ("", "pods/exec", "create, get"),
    ("", "pods/log", "get"),
    ("", "events", "list, watch"),
    ("apps", "deployments", "create, list, delete"),
    ("apps", "replicasets", "list, delete"),
    ("batch", "jobs", "create, list, delete"),
];
/// For namespaces of its own.
const NAMESPACES: (&str, &str, &str) = ("", "namespaces", "create, get, list, watch, delete");
/// So that errors and records can say how nodes are.
const NODES: (&str, &str, &str) = ("", "nodes", "get");
/// The kubelets' counters. Through it a user reaches everything that a kubelet serves.
const STATS: (&str, &str, &str) = ("", "nodes/proxy", "get");

/// What is granted, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Name of the user, as the API server knows it.
    pub user: String,
    /// Only in this namespace, which is there already; nothing lets the user make one per run.
    pub namespace: Option<String>,
    /// Whether the kubelets' counters may be read.
    pub stats: bool,
}

/// The manifest, YAML.
pub fn manifest(grant: &Grant) -> String {
    let Grant { user, namespace, stats } = grant;
    let mut text = String::from("# The rights of `offing emulate run` on Kubernetes.\n");
    let mut everywhere = vec![NODES];
    everywhere.extend(stats.then_some(STATS));
    if namespace.is_none() {
        everywhere.push(NAMESPACES);
        // The names of future namespaces are not known, and RBAC has no patterns.
        everywhere.extend(INSIDE);
    }
    role(&mut text, user, None, &everywhere);
    if let Some(namespace) = namespace {
        role(&mut text, user, Some(namespace), &INSIDE);
    }
    text
}

fn role(text: &mut String, user: &str, namespace: Option<&String>, rules: &[(&str, &str, &str)]) {
    let prefix = if namespace.is_none() { "Cluster" } else { "" };
    let place = namespace.map_or(String::new(), |namespace| format!(", namespace: {namespace}"));
    let quoted = serde_json::Value::from(user);
    let mut rows = String::new();
    for (group, resources, verbs) in rules {
        writeln!(rows, "- {{apiGroups: [\"{group}\"], resources: [{resources}], verbs: [{verbs}]}}")
            .expect("it is a text");
    }
    write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}Role\nmetadata: {{name: offing{place}}}\nrules:\n{rows}\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}RoleBinding\nmetadata: {{name: offing{place}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {prefix}Role, name: offing}}\nsubjects:\n\
         - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {quoted}}}\n"
    )
    .expect("it is a text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_given_namespace_nothing_is_granted_elsewhere_but_to_look_at_nodes() {
        let grant = Grant { user: "me".into(), namespace: Some("lab".into()), stats: false };
        let text = manifest(&grant);
        let (everywhere, inside) = text.split_once("kind: Role\n").expect("there is a Role");
        assert!(
            everywhere.contains("resources: [nodes], verbs: [get]") && !everywhere.contains("pods"),
            "{text}"
        );
        assert!(inside.contains("pods/exec") && inside.contains("namespace: lab"), "{text}");
        assert!(!text.contains("nodes/proxy") && !text.contains("namespaces]"), "{text}");
        assert!(manifest(&Grant { stats: true, namespace: None, ..grant }).contains("nodes/proxy"));
    }
}
