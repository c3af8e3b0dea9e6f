//! Removes what a run has left on a cluster. Works twice, and after a crash; touches nothing without our label.

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment as Deployed, ReplicaSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, ResourceExt, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;

use super::access::{ANSWER, Cluster};
use super::own;
use crate::error::EmuError;
use crate::ledger::{Kind, LABEL_RUN, Resource};

/// How long everything of a run may take to be gone.
const LIMIT: Duration = Duration::from_secs(120);
/// How long the pods may take to be gone.
const PODS_LIMIT: Duration = Duration::from_secs(60);

/// What is written into the ledger: a namespace, and where it is.
pub(super) fn ledger_name(namespace: &str, cluster: &Cluster) -> String {
    let place = (&cluster.context, &cluster.kubeconfig);
    format!("{namespace} {}", serde_json::to_string(&place).expect("two texts"))
}

/// Namespace, context and kubeconfig.
fn read(name: &str) -> Option<(&str, String, Option<PathBuf>)> {
    let (namespace, place) = name.split_once(' ')?;
    let (context, kubeconfig) = serde_json::from_str(place).ok()?;
    Some((namespace, context, kubeconfig))
}

/// Removes a namespace of a run, or what a run has made in a namespace of somebody else's.
///
/// # Errors
/// The cluster cannot be reached or refuses, or something does not go away in time.
pub fn remove(run: &str, resource: &Resource) -> Result<(), EmuError> {
    let Some((namespace, context, kubeconfig)) = read(&resource.name) else {
        return Err(EmuError::kubernetes("be found", format!("the ledger says `{}`", resource.name)));
    };
    let is_ours =
        kubeconfig.as_ref().is_some_and(|path| path.file_name().is_some_and(|n| n == own::KUBECONFIG));
    if is_ours && kubeconfig.as_ref().is_some_and(|path| !path.exists()) {
        // It went with our cluster.
        return Ok(());
    }
    let cluster = Cluster::connect(kubeconfig.as_ref(), Some(&context))?;
    remove_from(&cluster, run, resource.kind, namespace)
}

/// Namespaces of ours on a cluster, with their run.
///
/// # Errors
/// The cluster cannot be reached or refuses.
pub fn namespaces(cluster: &Cluster) -> Result<Vec<(String, Resource)>, EmuError> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let params = ListParams::default().labels(LABEL_RUN);
    let listed = cluster.runtime.block_on(in_time(cluster, "list namespaces", api.list(&params)))?;
    let run = |namespace: &Namespace| namespace.labels().get(LABEL_RUN).cloned().unwrap_or_default();
    let resource = |namespace: &Namespace| Resource {
        kind: Kind::KubernetesNamespace,
        name: ledger_name(&namespace.name_any(), cluster),
    };
    Ok(listed.items.iter().map(|namespace| (run(namespace), resource(namespace))).collect())
}

pub(super) fn remove_from(cluster: &Cluster, run: &str, kind: Kind, namespace: &str) -> Result<(), EmuError> {
    cluster.runtime.block_on(async {
        if kind == Kind::KubernetesObjects {
            return clear(cluster, run, namespace).await;
        }
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        let step = format!("remove the namespace {namespace}");
        let found = in_time(cluster, &step, api.get_opt(namespace)).await?;
        // A namespace without our label is a stranger's.
        let Some(found) = found.filter(|found| found.labels().get(LABEL_RUN).is_some_and(|of| of == run))
        else {
            return Ok(());
        };
        // Pods go at once, for nobody needs them; with their namespace they would take up to a minute.
        absent(clear(cluster, run, namespace).await)?;
        if found.metadata.deletion_timestamp.is_none() {
            absent(in_time(cluster, &step, api.delete(namespace, &DeleteParams::default())).await)?;
        }
        tokio::time::timeout(LIMIT, gone(&api, namespace)).await.map_err(|_| {
            let cause = format!("it is still there after {} s", LIMIT.as_secs());
            EmuError::kubernetes(step, cause)
        })
    })
}

/// Returns when a namespace is no more.
async fn gone(api: &Api<Namespace>, name: &str) {
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(30);
    loop {
        let version = match api.get_opt(name).await {
            Ok(None) => return,
            Ok(Some(found)) => found.resource_version().unwrap_or_default(),
            // Who waits has a limit.
            Err(_) => String::new(),
        };
        if let Ok(stream) = api.watch(&params, &version).await {
            let mut stream = std::pin::pin!(stream);
            while let Some(Ok(event)) = stream.next().await {
                if matches!(event, WatchEvent::Deleted(_)) {
                    return;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Removes everything of a run from a namespace.
async fn clear(cluster: &Cluster, run: &str, namespace: &str) -> Result<(), EmuError> {
    let background = DeleteParams::background();
    // Controllers first, or they make new pods.
    delete_all::<Deployed>(cluster, run, namespace, &background).await?;
    delete_all::<Job>(cluster, run, namespace, &background).await?;
    delete_all::<Service>(cluster, run, namespace, &background).await?;
    delete_all::<ConfigMap>(cluster, run, namespace, &background).await?;
    let begin = Instant::now();
    loop {
        let sets = delete_all::<ReplicaSet>(cluster, run, namespace, &background).await?;
        let pods =
            delete_all::<Pod>(cluster, run, namespace, &DeleteParams::default().grace_period(0)).await?;
        if sets + pods == 0 {
            return Ok(());
        }
        if begin.elapsed() > PODS_LIMIT {
            let step = format!("remove the pods in namespace {namespace}");
            return Err(EmuError::kubernetes(
                step,
                format!("{pods} are still there after {} s", PODS_LIMIT.as_secs()),
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Deletes all of a kind that carry the run's label: how many there were.
async fn delete_all<K>(
    cluster: &Cluster,
    run: &str,
    namespace: &str,
    params: &DeleteParams,
) -> Result<usize, EmuError>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let step = format!("remove {} in namespace {namespace}", K::plural(&()));
    let params_of_run = ListParams::default().labels(&format!("{LABEL_RUN}={run}"));
    let listed = in_time(cluster, &step, api.list(&params_of_run)).await?;
    let names: Vec<String> = listed.items.iter().map(ResourceExt::name_any).collect();
    let deletions = names.iter().map(|name| in_time(cluster, &step, api.delete(name, params)));
    for deleted in futures_util::future::join_all(deletions).await {
        absent(deleted)?;
    }
    Ok(names.len())
}

/// What is not there is removed already.
fn absent<T>(deleted: Result<T, EmuError>) -> Result<(), EmuError> {
    match deleted {
        Err(EmuError::Kubernetes { cause, .. }) if cause.contains("not found") => Ok(()),
        Err(other) => Err(other),
        Ok(_) => Ok(()),
    }
}

/// The answer of the API server to one question, with a limit.
pub(super) async fn in_time<T>(
    cluster: &Cluster,
    step: &str,
    asked: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, EmuError> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => answer.map_err(|cause| cluster.failed(step, &cause)),
        Err(_) => Err(EmuError::kubernetes(
            step,
            format!("the API server does not answer within {} s", ANSWER.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_ledger_says_where_to_look() {
        let (namespace, context, kubeconfig) = read(r#"offing-a ["me@there","/home/me/a b"]"#).unwrap();
        assert_eq!((namespace, context.as_str()), ("offing-a", "me@there"));
        assert_eq!(kubeconfig, Some("/home/me/a b".into()));
        assert_eq!(read(r#"offing-a ["me",null]"#).unwrap().2, None);
        assert_eq!(read("offing-a"), None);
    }
}
