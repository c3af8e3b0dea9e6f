//! Reaching a cluster, and what it means when that fails.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::error::EmuError;

/// How long one question to the API server may take.
pub(super) const ANSWER: Duration = Duration::from_secs(15);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be away before a run is given up.
pub(super) const ABSENCE: Duration = Duration::from_secs(30);

/// Which cluster, and how deployments are put on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The kubeconfig; nothing means `KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// One of its contexts; nothing means the current one.
    pub context: Option<String>,
    /// A namespace of somebody else's to use; nothing makes one for each run.
    pub namespace: Option<String>,
    /// The image with `offing-agent` in it.
    pub image: String,
    /// The key of the label that says to which tier a node belongs; nothing puts pods on any node.
    pub tier_label: Option<String>,
    /// How long pods may take to be ready.
    pub ready_limit: Duration,
}

/// A connection to a cluster.
pub struct Cluster {
    /// Waits for it.
    pub(super) runtime: Runtime,
    pub(super) client: Client,
    /// The context's name.
    pub context: String,
    /// Where the kubeconfig is; nothing if it is the usual one.
    pub kubeconfig: Option<PathBuf>,
}

impl Cluster {
    /// Reads the kubeconfig and asks the API server for its version.
    ///
    /// # Errors
    /// The kubeconfig cannot be used, nobody answers, or the credentials are refused.
    pub fn connect(kubeconfig: Option<&PathBuf>, context: Option<&str>) -> Result<Cluster, EmuError> {
        let bad = |cause: &dyn Display| {
            let file = kubeconfig.map_or("the kubeconfig".into(), |path| format!("`{}`", path.display()));
            EmuError::Refused(vec![format!(
                "{file} cannot be used: {cause}; name another by `--kubeconfig` or `KUBECONFIG`, and one of its \
                 contexts by `--context`"
            )])
        };
        let read = match kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let read = read.map_err(|cause| bad(&chain(&cause)))?;
        let name = context.map(String::from).or_else(|| read.current_context.clone()).unwrap_or_default();
        if !read.contexts.iter().any(|known| known.name == name) {
            let known: Vec<&str> = read.contexts.iter().map(|context| context.name.as_str()).collect();
            return Err(bad(&format!("it has no context `{name}`; it has {}", known.join(", "))));
        }
        let options = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| EmuError::kubernetes("be reached", cause))?;
        let client = runtime.block_on(async {
            let mut config =
                Config::from_custom_kubeconfig(read, &options).await.map_err(|cause| bad(&chain(&cause)))?;
            config.connect_timeout = Some(CONNECT);
            // What is away is waited for where that makes sense, with a limit of its own.
            config.default_retry = false;
            Client::try_from(config).map_err(|cause| bad(&chain(&cause)))
        })?;
        Ok(Cluster { runtime, client, context: name, kubeconfig: kubeconfig.cloned() })
    }

    /// The version of the API server.
    ///
    /// # Errors
    /// Nobody answers, or the credentials are refused.
    pub fn version(&self) -> Result<String, EmuError> {
        let asked = self
            .runtime
            .block_on(async { tokio::time::timeout(ANSWER, self.client.apiserver_version()).await });
        match asked {
            Ok(Ok(version)) => Ok(version.git_version),
            Ok(Err(cause)) => Err(self.failed("be reached", &cause)),
            Err(_) => {
                Err(EmuError::kubernetes("be reached", format!("no answer within {} s", ANSWER.as_secs())))
            }
        }
    }

    /// What an error of the API server means to a person.
    pub(super) fn failed(&self, step: &str, cause: &kube::Error) -> EmuError {
        failed(&self.context, step, cause)
    }
}

/// What an error means: where, what, and what to do.
pub(super) fn failed(context: &str, step: &str, cause: &kube::Error) -> EmuError {
    let status = match cause {
        kube::Error::Api(status) => Some((status.code, status.message.clone())),
        kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(code)) => {
            Some((code.as_u16(), String::new()))
        }
        _ => None,
    };
    let said = match status {
        Some((401, _)) => format!(
            "the credentials of context `{context}` are refused (401 Unauthorized): they have expired or were \
             withdrawn; renew them, for example by signing in again"
        ),
        Some((403, message)) if message.contains("being terminated") => {
            format!("somebody else is removing the namespace: {message}")
        }
        Some((403, message)) if message.contains("exceeded quota") => message,
        Some((403, message)) => format!(
            "context `{context}` may not do that: {message}; `offing emulate rbac` prints the rights that are needed"
        ),
        Some((_, message)) if !message.is_empty() => message,
        Some((code, _)) => format!("status {code}"),
        None => format!("{} (context `{context}`)", chain(cause)),
    };
    EmuError::kubernetes(step, said)
}

/// What an API server says of a role that every user has, until it has read it.
const ALWAYS_THERE: &str = r#""system:basic-user" not found"#;

/// Whether the API server may only be away for a moment.
pub(super) fn is_absent(cause: &kube::Error) -> bool {
    match cause {
        // One that has just started does not know its roles yet, not even those that are always there, and forbids all.
        kube::Error::Api(status) if status.code == 403 => status.message.contains(ALWAYS_THERE),
        kube::Error::Api(status) => matches!(status.code, 429 | 500 | 502 | 503 | 504),
        kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(code)) => {
            code.is_server_error()
        }
        kube::Error::Auth(_) | kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => false,
        _ => true,
    }
}

/// Whether the API server has refused a request, or a connection to a pod (403).
pub(super) fn is_forbidden(cause: &kube::Error) -> bool {
    use kube::client::UpgradeConnectionError::ProtocolSwitch;
    match cause {
        kube::Error::Api(status) => status.code == 403,
        kube::Error::UpgradeConnection(ProtocolSwitch(code)) => code.as_u16() == 403,
        _ => false,
    }
}

/// An error and its causes, each once.
pub(super) fn chain(cause: &dyn std::error::Error) -> String {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        next = cause.source();
    }
    text
}
