//! What the API server says about the pods of a run: how they come to be, and why they do not.
//!
//! | instant | known by |
//! |---|---|
//! | asked | this tool is about to create the Deployment or the Job |
//! | created | the pod is there: its controller has made it |
//! | scheduled | condition `PodScheduled`, or a node in its specification |
//! | sandbox | condition `PodReadyToStartContainers` (1.29 and later); else the event `Pulling` or `Pulled`, which the kubelet writes when the sandbox is there |
//! | container | event `Created` |
//! | started | event `Started`, or the state `running` of the container |
//! | process | the first process of the container has read its clock |
//! | ready | condition `Ready` |
//!
//! Each is the instant at which this tool heard of it, by its own clock: the API server itself writes whole seconds.
//! What is heard in another order than it happened keeps the order of hearing, but no step is later than a step after it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::api::{Api, ResourceExt, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::access::{ABSENCE, is_absent, is_forbidden};
use super::objects::LABEL_NODE;

/// How one pod came to be: spans from the instant at which the run asked for its first pod [ms]. What was not heard of
/// is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the table above says what they are")]
pub struct PodStart {
    /// The node of the plan.
    pub node: String,
    /// Name of the pod.
    pub pod: String,
    /// Node of the cluster that carries it.
    pub on: Option<String>,
    /// Whether the image was on that node already.
    pub image_was_there: Option<bool>,
    pub asked_ms: f64,
    pub created_ms: Option<f64>,
    pub scheduled_ms: Option<f64>,
    pub sandbox_ms: Option<f64>,
    pub container_ms: Option<f64>,
    pub started_ms: Option<f64>,
    pub process_ms: Option<f64>,
    pub ready_ms: Option<f64>,
}

/// The rows of `pods.csv`.
pub fn pods_csv(pods: &[PodStart]) -> String {
    let mut text = String::from(
        "node,pod,on,image_was_there,asked_ms,created_ms,scheduled_ms,sandbox_ms,container_ms,started_ms,process_ms,ready_ms\n",
    );
    for pod in pods {
        let on = pod.on.as_deref().unwrap_or_default();
        let there = pod.image_was_there.map_or(String::new(), |there| there.to_string());
        write!(text, "{},{},{on},{there},{:.3}", pod.node, pod.pod, pod.asked_ms).expect("it is a text");
        for step in pod.steps() {
            match step {
                Some(ms) => write!(text, ",{ms:.3}"),
                None => write!(text, ","),
            }
            .expect("it is a text");
        }
        text.push('\n');
    }
    text
}

impl PodStart {
    fn steps(&self) -> [Option<f64>; 7] {
        let PodStart {
            created_ms,
            scheduled_ms,
            sandbox_ms,
            container_ms,
            started_ms,
            process_ms,
            ready_ms,
            ..
        } = self;
        [*created_ms, *scheduled_ms, *sandbox_ms, *container_ms, *started_ms, *process_ms, *ready_ms]
    }

    /// No step is later than a step after it: events and the pod itself come by different ways.
    pub(super) fn in_order(mut self) -> PodStart {
        let mut latest = f64::INFINITY;
        for step in [
            &mut self.ready_ms,
            &mut self.process_ms,
            &mut self.started_ms,
            &mut self.container_ms,
            &mut self.sandbox_ms,
            &mut self.scheduled_ms,
            &mut self.created_ms,
        ]
        .into_iter()
        .flatten()
        {
            *step = step.min(latest);
            latest = *step;
        }
        self
    }
}

/// Something that the API server told.
pub(super) enum News {
    Pod(Box<Pod>),
    /// A pod is no more.
    Gone(Box<Pod>),
    Event(Box<Event>),
    /// It was away for too long, or it refuses.
    Broken(kube::Error),
}

/// Two watches that go on over short absences of the API server, until this is dropped.
pub(super) struct Watch {
    news: UnboundedReceiver<(Instant, News)>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Must be called within a runtime.
    pub(super) fn start(pods: Api<Pod>, selector: &str, events: Api<Event>) -> Watch {
        let (sender, news) = unbounded_channel();
        let mut tasks = JoinSet::new();
        let params = WatchParams::default().labels(selector);
        tasks.spawn(follow(pods, params, sender.clone(), |event| match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => Some(News::Pod(Box::new(pod))),
            WatchEvent::Deleted(pod) => Some(News::Gone(Box::new(pod))),
            WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
        }));
        tasks.spawn(follow(events, WatchParams::default(), sender, |event| match event {
            WatchEvent::Added(event) | WatchEvent::Modified(event) => Some(News::Event(Box::new(event))),
            _ => None,
        }));
        Watch { news, _tasks: tasks }
    }

    /// The next thing, and when it was heard; nothing within this span.
    pub(super) async fn next(&mut self, within: Duration) -> Option<(Instant, News)> {
        tokio::time::timeout(within, self.news.recv()).await.ok().flatten()
    }
}

async fn follow<K: Clone + std::fmt::Debug + DeserializeOwned + kube::Resource>(
    api: Api<K>,
    params: WatchParams,
    sender: UnboundedSender<(Instant, News)>,
    read: fn(WatchEvent<K>) -> Option<News>,
) {
    // From the beginning: everything that is there comes as added.
    const BEGINNING: &str = "0";
    let mut version = BEGINNING.to_string();
    let mut absent: Option<Instant> = None;
    let mut was_allowed = false;
    loop {
        match api.watch(&params, &version).await {
            Ok(stream) => {
                (absent, was_allowed) = (None, true);
                let mut stream = std::pin::pin!(stream);
                while let Some(Ok(event)) = stream.next().await {
                    match &event {
                        WatchEvent::Added(object)
                        | WatchEvent::Modified(object)
                        | WatchEvent::Deleted(object) => {
                            version = object.resource_version().unwrap_or(version);
                        }
                        WatchEvent::Bookmark(bookmark) => {
                            version.clone_from(&bookmark.metadata.resource_version);
                        }
                        // Most often: what we have seen last is forgotten.
                        WatchEvent::Error(_) => version = BEGINNING.into(),
                    }
                    if let Some(news) = read(event)
                        && sender.send((Instant::now(), news)).is_err()
                    {
                        return;
                    }
                }
            }
            Err(cause) => {
                let since = *absent.get_or_insert_with(Instant::now);
                // A server that has just started reads its roles one after the other, and refuses what it will allow.
                let may_pass = is_absent(&cause) || was_allowed && is_forbidden(&cause);
                if !may_pass || since.elapsed() > ABSENCE {
                    let _ = sender.send((Instant::now(), News::Broken(cause)));
                    return;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Why a pod will not be ready, or is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Number of the node of the plan.
    pub node: usize,
    /// What happened.
    pub said: String,
    /// Whose log has more: pod, and whether it is of the container before this one.
    pub log: Option<(String, bool)>,
}

/// Everything that was heard of the pods of a run.
pub(super) struct Pods {
    /// In the order of the plan's nodes.
    pub starts: Vec<PodStart>,
    /// Names of the objects, in the same order.
    names: Vec<String>,
    zero: Instant,
    /// What the kubelet said about the image, about the scheduler, about anything else.
    said: Vec<Said>,
}

#[derive(Clone, Default)]
struct Said {
    image: Option<String>,
    unschedulable: Option<String>,
    other: Option<String>,
    has_failed: Option<(String, Option<(String, bool)>)>,
}

/// Reasons of the kubelet with which a container waits and will wait for ever.
const HOPELESS: [&str; 3] = ["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"];

impl Pods {
    pub(super) fn new(nodes: &[crate::plan::Node], names: &[String], zero: Instant) -> Pods {
        let start = |node: &crate::plan::Node| PodStart { node: node.name.clone(), ..PodStart::default() };
        Pods {
            starts: nodes.iter().map(start).collect(),
            names: names.to_vec(),
            zero,
            said: vec![Said::default(); nodes.len()],
        }
    }

    fn ms(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.zero).as_secs_f64() * 1e3
    }

    /// A node's objects are about to be created.
    pub(super) fn asked(&mut self, node: usize) {
        self.starts[node].asked_ms = self.ms(Instant::now());
    }

    /// The first process of a pod began this long before an instant.
    pub(super) fn begun(&mut self, node: usize, now: Instant, age_ms: f64) {
        self.starts[node].process_ms = Some(self.ms(now) - age_ms);
    }

    pub(super) fn hear(&mut self, at: Instant, news: &News) {
        let at = self.ms(at);
        match news {
            News::Pod(pod) => self.see(at, pod),
            News::Gone(pod) => {
                if let Some(node) = self.node_of(pod) {
                    let said = format!("somebody else has removed its pod {}", pod.name_any());
                    self.said[node].has_failed.get_or_insert((said, None));
                    self.starts[node].ready_ms = None;
                }
            }
            News::Event(event) => self.note(at, event),
            News::Broken(_) => {}
        }
    }

    fn node_of(&self, pod: &Pod) -> Option<usize> {
        let name = pod.labels().get(LABEL_NODE)?;
        self.names.iter().position(|known| known == name)
    }

    fn see(&mut self, at: f64, pod: &Pod) {
        let Some(node) = self.node_of(pod) else { return };
        let name = pod.name_any();
        let (start, said) = (&mut self.starts[node], &mut self.said[node]);
        if start.pod.is_empty() {
            start.pod.clone_from(&name);
        }
        if start.pod != name {
            // A controller has made another one, so the first is lost.
            let lost = format!("its pod {} was replaced by {name}", start.pod);
            said.has_failed.get_or_insert((lost, None));
            return;
        }
        start.created_ms.get_or_insert(at);
        if let Some(on) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) {
            start.scheduled_ms.get_or_insert(at);
            start.on = Some(on);
        }
        let Some(status) = &pod.status else { return };
        for condition in status.conditions.iter().flatten() {
            let is_true = condition.status == "True";
            match (condition.type_.as_str(), is_true) {
                ("PodReadyToStartContainers", true) => {
                    start.sandbox_ms.get_or_insert(at);
                }
                ("Ready", true) => {
                    start.ready_ms.get_or_insert(at);
                }
                ("Ready", false) if start.ready_ms.is_some() && pod.metadata.deletion_timestamp.is_none() => {
                    said.has_failed.get_or_insert((format!("its pod {name} is not ready any more"), None));
                }
                ("PodScheduled", false) => {
                    said.unschedulable = condition.message.clone().or(condition.reason.clone());
                }
                ("PodScheduled", true) => said.unschedulable = None,
                _ => {}
            }
        }
        for container in status.container_statuses.iter().flatten() {
            see_container(at, &name, container, start, said);
        }
        if pod.metadata.deletion_timestamp.is_some() {
            said.has_failed.get_or_insert((format!("somebody else is removing its pod {name}"), None));
        }
        if status.phase.as_deref() == Some("Failed") {
            let reason = status.message.clone().or(status.reason.clone()).unwrap_or("it has failed".into());
            said.has_failed.get_or_insert((format!("its pod {name}: {reason}"), Some((name.clone(), false))));
        }
    }

    fn note(&mut self, at: f64, event: &Event) {
        let reason = event.reason.as_deref().unwrap_or_default();
        let message = event.message.clone().unwrap_or_default();
        let kind = event.involved_object.kind.as_deref().unwrap_or_default();
        let object = event.involved_object.name.as_deref().unwrap_or_default();
        if kind != "Pod" {
            // A ReplicaSet has the name of its Deployment and a hash.
            let is_its = |name: &String| {
                object == name || object.rsplit_once('-').is_some_and(|(before, _)| before == name)
            };
            if let ("FailedCreate", Some(node)) = (reason, self.names.iter().position(is_its)) {
                self.said[node].has_failed.get_or_insert((format!("no pod is made for it: {message}"), None));
            }
            return;
        }
        let Some(node) = self.starts.iter().position(|start| start.pod == object) else { return };
        let (start, said) = (&mut self.starts[node], &mut self.said[node]);
        match reason {
            "Pulling" => {
                start.sandbox_ms.get_or_insert(at);
                start.image_was_there.get_or_insert(false);
            }
            "Pulled" => {
                start.sandbox_ms.get_or_insert(at);
                start.image_was_there.get_or_insert(message.contains("already present"));
            }
            "Created" => {
                start.container_ms.get_or_insert(at);
            }
            "Started" => {
                start.started_ms.get_or_insert(at);
            }
            "Failed" if message.contains("image") => said.image = Some(message),
            "Failed" | "FailedMount" | "FailedCreatePodSandBox" => said.other = Some(message),
            "FailedScheduling" => said.unschedulable = Some(message),
            _ => {}
        }
    }

    /// What is so bad that there is no use in waiting.
    pub(super) fn fault(&self) -> Option<Fault> {
        // A container that has failed is the cause of what others say.
        let with_log = |said: &&Said| said.has_failed.as_ref().is_some_and(|(_, log)| log.is_some());
        let node = self.said.iter().position(|said| with_log(&said));
        let node = node.or_else(|| self.said.iter().position(|said| said.has_failed.is_some()))?;
        let (said, log) = self.said[node].has_failed.clone()?;
        Some(Fault { node, said, log })
    }

    /// The first pod that is not ready and of which something was said, and all that is known about why.
    pub(super) fn not_ready(&self, waited: Duration, tier_label: Option<&str>) -> Option<Fault> {
        let is_late = |node: &usize| self.starts[*node].ready_ms.is_none();
        let has_words = |node: &usize| {
            let said = &self.said[*node];
            said.unschedulable.is_some() || said.image.is_some() || said.other.is_some()
        };
        let late: Vec<usize> = (0..self.starts.len()).filter(is_late).collect();
        let node = *late.iter().find(|node| has_words(node)).or(late.first())?;
        let (start, said) = (&self.starts[node], &self.said[node]);
        let reason = if let Some(words) = &said.unschedulable {
            let label = tier_label.filter(|_| words.contains("selector") || words.contains("affinity"));
            let hint = label.map_or(String::new(), |key| {
                format!(
                    "; label the nodes of each tier (`kubectl label node NODE {key}=TIER`) or leave the choice to the \
                     scheduler by `--tier-label none`"
                )
            });
            format!("no node takes it, says the scheduler: {words}{hint}")
        } else if let Some(words) = said.image.as_ref().or(said.other.as_ref()) {
            words.clone()
        } else if start.pod.is_empty() {
            "its controller has made no pod".into()
        } else if start.scheduled_ms.is_none() {
            "the scheduler has not looked at it".into()
        } else if start.sandbox_ms.is_none() {
            "the kubelet of its node has made no sandbox".into()
        } else if start.started_ms.is_none() {
            "its container does not start".into()
        } else {
            "its container runs and does not answer its readiness probe".into()
        };
        let on = start.on.as_ref().map_or(String::new(), |on| format!(" on {on}"));
        let said = format!("it is not ready{on} after {} s: {reason}", waited.as_secs());
        Some(Fault { node, said, log: None })
    }

    pub(super) fn all_ready(&self) -> bool {
        self.starts.iter().all(|start| start.ready_ms.is_some())
    }
}

fn see_container(at: f64, pod: &str, container: &ContainerStatus, start: &mut PodStart, said: &mut Said) {
    let Some(state) = &container.state else { return };
    if state.running.is_some() {
        start.started_ms.get_or_insert(at);
    }
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.clone().unwrap_or_default();
        match reason {
            "ErrImagePull" => said.image = Some(message),
            // The second failure in a row: a moment's absence of the registry would have passed.
            "ImagePullBackOff" => {
                let why = said.image.clone().unwrap_or(message);
                let text = format!(
                    "its image `{}` cannot be had: {why}; push it to a registry that the nodes reach and name it by \
                     `--image`, or put it on the nodes: see `offing emulate image`",
                    container.image
                );
                said.has_failed.get_or_insert((text, None));
            }
            _ if HOPELESS.contains(&reason) => {
                let text = format!("its container waits for ever: {reason}: {message}");
                said.has_failed.get_or_insert((text, None));
            }
            "CreateContainerError" | "RunContainerError" => said.other = Some(format!("{reason}: {message}")),
            _ => {}
        }
    }
    let ended = state.terminated.as_ref().map(|ended| (ended, false));
    let before = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    if let Some((ended, is_previous)) = ended.or(before.map(|ended| (ended, true)))
        && (ended.exit_code != 0 || container.restart_count > 0)
    {
        let memory = ended.reason.as_deref() == Some("OOMKilled");
        let memory = if memory { ", its memory was used up" } else { "" };
        let again = match container.restart_count {
            0 => String::new(),
            n => format!("; it was started again, {n} times by now"),
        };
        // What was read of another container is of no use.
        let text = format!("its container has ended (exit code {}{memory}){again}", ended.exit_code);
        let log = Some((pod.to_string(), is_previous));
        if said.has_failed.as_ref().is_none_or(|(_, log)| log.is_none()) {
            said.has_failed = Some((text, log));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::deployment;
    use crate::plan::{Host, Settings, plan};
    use offing_core::Scope;
    use serde_json::{Value, json};

    fn pods() -> Pods {
        let host = Host { cores: 4.0, memory_bytes: 8 << 30 };
        let plan = plan(&[deployment(Scope::Node, 8e6)], &Settings::default(), host).unwrap();
        let names = ["endpoint-0", "endpoint-1", "cloud-0"].map(String::from);
        Pods::new(&plan.runs[0].nodes, &names, Instant::now())
    }

    fn hear(pods: &mut Pods, at_ms: u64, status: Value, node_name: Option<&str>) {
        let pod = json!({
            "metadata": { "name": "cloud-0-abc", "labels": { LABEL_NODE: "cloud-0" } },
            "spec": { "containers": [], "nodeName": node_name },
            "status": status,
        });
        let at = pods.zero + Duration::from_millis(at_ms);
        pods.hear(at, &News::Pod(Box::new(serde_json::from_value(pod).unwrap())));
    }

    fn event(pods: &mut Pods, at_ms: u64, kind: &str, name: &str, reason: &str, message: &str) {
        let event = json!({
            "metadata": { "name": "e" },
            "involvedObject": { "kind": kind, "name": name },
            "reason": reason,
            "message": message,
        });
        let at = pods.zero + Duration::from_millis(at_ms);
        pods.hear(at, &News::Event(Box::new(serde_json::from_value(event).unwrap())));
    }

    fn container(state: Value) -> Value {
        json!({ "containerStatuses": [{
            "name": "offing", "image": "nowhere/agent:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }] })
    }

    #[test]
    fn every_step_of_the_start_is_stamped_when_it_is_heard_of_and_in_order() {
        let mut pods = pods();
        hear(&mut pods, 10, json!({ "phase": "Pending" }), None);
        hear(
            &mut pods,
            20,
            json!({ "conditions": [{ "type": "PodScheduled", "status": "True" }] }),
            Some("n2"),
        );
        event(
            &mut pods,
            70,
            "Pod",
            "cloud-0-abc",
            "Pulled",
            "Container image \"x\" already present on machine",
        );
        event(&mut pods, 80, "Pod", "cloud-0-abc", "Created", "");
        // The event comes after the state that it belongs to.
        hear(&mut pods, 120, json!({ "conditions": [{ "type": "Ready", "status": "True" }] }), Some("n2"));
        event(&mut pods, 130, "Pod", "cloud-0-abc", "Started", "");
        let start = pods.starts[2].clone().in_order();
        let steps = [Some(10.0), Some(20.0), Some(70.0), Some(80.0), Some(120.0), None, Some(120.0)];
        assert_eq!(start.steps(), steps);
        assert_eq!((start.on.as_deref(), start.image_was_there), (Some("n2"), Some(true)));
        assert_eq!(pods.fault(), None);
        let csv = pods_csv(&[start]);
        assert!(
            csv.ends_with("cloud-0,cloud-0-abc,n2,true,0.000,10.000,20.000,70.000,80.000,120.000,,120.000\n"),
            "{csv}"
        );
    }

    #[test]
    fn the_error_has_the_words_of_who_refused() {
        let mut unschedulable = pods();
        let words = "0/2 nodes are available: 2 node(s) didn't match node selector.";
        let status = json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words },
        ] });
        hear(&mut unschedulable, 10, status, None);
        assert_eq!(unschedulable.fault(), None);
        let fault = unschedulable.not_ready(Duration::from_secs(7), Some("tier")).unwrap();
        assert_eq!(fault.node, 2);
        for part in [words, "after 7 s", "kubectl label node NODE tier=TIER", "--tier-label none"] {
            assert!(fault.said.contains(part), "{}", fault.said);
        }

        let mut image = pods();
        hear(
            &mut image,
            10,
            container(json!({ "waiting": { "reason": "ErrImagePull", "message": "no such host" } })),
            Some("n1"),
        );
        assert_eq!(image.fault(), None);
        let back_off = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off" } });
        hear(&mut image, 20, container(back_off), Some("n1"));
        let fault = image.fault().unwrap();
        assert!(
            fault.said.contains("nowhere/agent:1") && fault.said.contains("no such host"),
            "{}",
            fault.said
        );

        let mut quota = pods();
        event(
            &mut quota,
            10,
            "ReplicaSet",
            "cloud-0-5d8f",
            "FailedCreate",
            "pods is forbidden: exceeded quota: small",
        );
        let fault = quota.fault().unwrap();
        assert!(fault.node == 2 && fault.said.contains("exceeded quota: small"), "{}", fault.said);
    }

    #[test]
    fn a_container_that_ends_is_told_with_its_log_and_one_that_is_replaced_or_removed_too() {
        let mut crash = pods();
        let mut status = container(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
        status["containerStatuses"][0]["restartCount"] = 2.into();
        status["containerStatuses"][0]["lastState"] =
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        hear(&mut crash, 10, status, Some("n1"));
        let fault = crash.fault().unwrap();
        assert!(fault.said.contains("137") && fault.said.contains("memory was used up"), "{}", fault.said);
        assert_eq!(fault.log, Some(("cloud-0-abc".into(), true)));

        let mut gone = pods();
        hear(&mut gone, 10, json!({ "phase": "Running" }), Some("n1"));
        let pod = json!({ "metadata": { "name": "cloud-0-abc", "labels": { LABEL_NODE: "cloud-0" } } });
        gone.hear(Instant::now(), &News::Gone(Box::new(serde_json::from_value(pod).unwrap())));
        assert!(gone.fault().unwrap().said.contains("somebody else has removed its pod"));
    }
}
