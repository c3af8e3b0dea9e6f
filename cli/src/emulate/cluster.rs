//! Kubernetes on the command line: which cluster, the image, the rights.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offing_core::Manager;
use offing_emu::kubernetes::own::{Makings, Own};
use offing_emu::kubernetes::rbac::{Grant, manifest};
use offing_emu::kubernetes::{Access, Cluster, image};
use offing_emu::{Managed, Plan, find_agent};

use super::tools;
use crate::args::{EmulateImage, EmulateRbac, How, Means, OnCluster, Which};
use crate::failure::Failure;
use crate::output::{Output, note, print};

/// Where the kubeconfig is, as another process would find it; nothing for the usual places.
fn kubeconfig(which: &Which) -> Option<PathBuf> {
    let named = which.kubeconfig.clone().or_else(|| {
        let path = PathBuf::from(env::var_os("KUBECONFIG")?);
        // A list of files stays what it is.
        path.is_file().then_some(path)
    });
    named.map(|path| std::path::absolute(&path).unwrap_or(path))
}

pub fn connect(which: &Which) -> Result<Cluster, Failure> {
    Ok(Cluster::connect(kubeconfig(which).as_ref(), which.context.as_deref())?)
}

/// The cluster, if a run needs one.
pub fn managed(args: &OnCluster, agent: Option<&Path>, plan: &Plan) -> Result<Option<Box<Managed>>, Failure> {
    if plan.runs.iter().all(|run| run.manager != Manager::Kubernetes) {
        return Ok(None);
    }
    let image = match &args.image {
        Some(image) => image.clone(),
        None => image::reference(&binary(agent)?),
    };
    let access = Access {
        kubeconfig: kubeconfig(&args.which),
        context: args.which.context.clone(),
        namespace: args.namespace.clone(),
        image,
        tier_label: (args.tier_label != "none").then(|| args.tier_label.clone()),
        ready_limit: Duration::from_secs(args.ready_limit),
    };
    let cluster = connect(&args.which)?;
    note(&format!("context {}, Kubernetes {}", cluster.context, cluster.version()?));
    Ok(Some(Box::new(Managed { cluster, access, own: None })))
}

/// A cluster of our own, if a run needs one.
pub fn own(means: &Means, how: &How, plan: &Plan) -> Result<Option<Box<Managed>>, Failure> {
    let on_it = || plan.runs.iter().filter(|run| run.manager == Manager::Kubernetes);
    if on_it().next().is_none() {
        return Ok(None);
    }
    let makings = match (&how.kube_binaries, &how.node_image) {
        (Some(binaries), _) => Makings::find(binaries)?,
        (None, Some(image)) => Makings::Image(image.clone()),
        (None, None) => {
            return Err(Failure::Refused {
                message: "this measurement was begun on a cluster of our own".into(),
                hint: Some(
                    "name what it is made of again, by `--kube-binaries DIR` or `--node-image IMAGE`".into(),
                ),
            });
        }
    };
    let tools = tools(means.agent.as_deref(), &means.state, &plan.settings)?;
    let access = Access {
        kubeconfig: None,
        context: None,
        namespace: None,
        image: String::new(),
        tier_label: None,
        ready_limit: Duration::from_secs(means.cluster.ready_limit),
    };
    note("making a Kubernetes cluster");
    let (own, cluster, access) = Own::up(&makings, &tools, on_it(), access)?;
    note(&format!("Kubernetes {} is up", cluster.version()?));
    Ok(Some(Box::new(Managed { cluster, access, own: Some(RefCell::new(own)) })))
}

fn binary(agent: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let program = env::current_exe()
        .map_err(|cause| Failure::Infrastructure(format!("cannot find this program: {cause}")))?;
    let path = find_agent(agent, &program)?;
    fs::read(&path).map_err(|cause| Failure::Unreadable { file: path.display().to_string(), cause })
}

pub fn image(args: &EmulateImage) -> Result<(), Failure> {
    let binary = binary(args.agent.as_deref())?;
    let file = Output::create(&args.out, Path::new("-"))?;
    let reference = args.image.clone().unwrap_or_else(|| image::reference(&binary));
    let archive = image::save(&binary, &reference)
        .map_err(|cause| Failure::Infrastructure(format!("cannot make the image: {cause}")))?;
    file.finish(|out| out.write_all(&archive))?;
    print(&format!("{reference}\n"))
}

pub fn rbac(args: &EmulateRbac) -> Result<(), Failure> {
    let EmulateRbac { user, namespace, stats } = args;
    print(&manifest(&Grant { user: user.clone(), namespace: namespace.clone(), stats: *stats }))
}
