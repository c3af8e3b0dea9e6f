//! `offing emulate` and `offing doctor`: what would be done, what is so, what exists, what is missing.

mod asked;
mod cluster;
mod made;
pub mod run;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use offing_core::{Manager, units};
use offing_emu::doctor::{Verdict, diagnose, host};
use offing_emu::ledger::{self, Entry, Resource, default_folder};
use offing_emu::links::{forwarder, netem};
use offing_emu::{
    Application, EmuError, Inventory, LinkKind, Nodes, Plan, Proof, RunPlan, Settings, Subject, Tools,
    Transport, Which, check_agent, down, find_agent, interrupt, plan,
};
use serde::Serialize;

use crate::args::{
    self, Doctor, Emulate, EmulateDown, EmulateList, EmulatePlan, EmulateProve, How, Links, State,
};
use crate::failure::Failure;
use crate::kept;
use crate::output::{Output, note, on_first_signal, print, print_json};

pub fn run(command: &Emulate) -> Result<(), Failure> {
    match command {
        Emulate::Plan(args) => show_plan(args),
        Emulate::Prove(args) => prove(args),
        Emulate::Run(args) => run::run(args),
        Emulate::Tables(args) => run::tables(args),
        Emulate::Image(args) => cluster::image(args),
        Emulate::Rbac(args) => cluster::rbac(args),
        Emulate::List(args) => list(args),
        Emulate::Down(args) => remove(args),
        Emulate::Forwarder { .. } => forwarder::serve()
            .map_err(|cause| Failure::Infrastructure(format!("the forwarder failed: {cause}"))),
    }
}

impl From<EmuError> for Failure {
    fn from(error: EmuError) -> Self {
        match error {
            EmuError::Refused(reasons) => Failure::Refused { message: reasons.join("\nerror: "), hint: None },
            EmuError::Interrupted => Failure::Interrupted,
            other => Failure::Infrastructure(other.to_string()),
        }
    }
}

pub fn doctor(args: &Doctor) -> Result<(), Failure> {
    let diagnosis = diagnose();
    if args.json {
        print_json(&diagnosis)?;
    } else {
        let mut text = String::new();
        for finding in &diagnosis.findings {
            text += &format!("{:8} {:21} {}\n", finding.verdict.name(), finding.what, finding.seen);
            if let (Some(advice), false) = (&finding.advice, finding.verdict == Verdict::Yes) {
                text += &format!("{:30} {advice}\n", "");
            }
        }
        let links =
            diagnosis.links.map_or("nothing can make links".into(), |links| format!("links by {links}"));
        let able = if diagnosis.able { "this host can measure" } else { "this host cannot measure" };
        text += &format!("{able}; {links}\n");
        print(&text)?;
    }
    match diagnosis.able {
        true => Ok(()),
        false => Err(Failure::Told(3.into())),
    }
}

/// Plans deployments for this host.
pub fn planned(subjects: &[Subject], how: &How, seed: u64) -> Result<Plan, Failure> {
    let kernel = || netem::probe().is_ok();
    let links = match how.links {
        Links::Netem => LinkKind::Netem,
        Links::Forwarder => LinkKind::Forwarder,
        // The nodes of a cluster of our own are connected by it only.
        Links::Auto if how.makes_cluster() => LinkKind::Forwarder,
        Links::Auto if kernel() => LinkKind::Netem,
        Links::Auto => LinkKind::Forwarder,
    };
    let settings = Settings {
        dilate: how.dilate,
        pin: how.pin,
        queue_packets: how.queue as usize,
        links,
        seed,
        application: match how.application {
            args::Application::Burn => Application::Burn,
            args::Application::Network => Application::Network,
        },
        transport: match how.transport {
            args::Transport::Mqtt => Transport::Mqtt,
            args::Transport::Http => Transport::Http,
        },
        manager: how.manager.map(|manager| match manager {
            args::Manager::None => Manager::None,
            args::Manager::Kubernetes => Manager::Kubernetes,
        }),
        nodes: if how.makes_cluster() { Nodes::Own } else { Nodes::Existing },
    };
    let deployments: Vec<_> = subjects.iter().map(|subject| subject.deployment.clone()).collect();
    let planned = match plan(&deployments, &settings, host()) {
        // A medium that several nodes share is beyond the kernel's links.
        Err(EmuError::Refused(_)) if how.links == Links::Auto && links == LinkKind::Netem => {
            plan(&deployments, &Settings { links: LinkKind::Forwarder, ..settings }, host())
        }
        planned => planned,
    }?;
    // Many deployments have the same to be said.
    let mut said: Vec<&String> = Vec::new();
    for warning in planned.runs.iter().flat_map(|run| &run.warnings) {
        if !said.contains(&warning) {
            note(&format!("warning: {warning}"));
            said.push(warning);
        }
    }
    Ok(planned)
}

fn show_plan(args: &EmulatePlan) -> Result<(), Failure> {
    let asked = asked::asked(&args.planning.file, &args.planning.asking)?;
    let plan = planned(&asked.subjects, &args.planning.how, asked.seed)?;
    if args.json {
        return print_json(&plan);
    }
    let all: Vec<String> = plan.runs.iter().map(|run| describe(run, &plan)).collect();
    print(&all.join("\n"))
}

/// A plan for people.
fn describe(run: &RunPlan, plan: &Plan) -> String {
    let mut text = format!("deployment {}\n", run.deployment);
    if run.dilate != 1.0 {
        text += &format!("runs {} times slower than real time\n", run.dilate);
    }
    text += &format!(
        "takes {} and {:.2} of {} cores ({:.3} of them to move packets), {} MiB of {} MiB\n",
        units::write_span(run.duration),
        run.needs.cores,
        plan.host.cores,
        run.needs.link_cores,
        run.needs.memory_bytes >> 20,
        plan.host.memory_bytes >> 20
    );
    text += &format!("image: {}\napplication: {}", run.image, run.application.name());
    if run.manager == Manager::Kubernetes {
        text += " on Kubernetes";
    }
    // Endpoints that process themselves send nothing.
    if !run.paths.is_empty() {
        text += &format!(" over {}", run.transport.name());
    }
    text += "\n\nnode          cores  cpus    memory    pinned to  runs\n";
    for node in &run.nodes {
        let memory = node.memory_bytes.map_or("no limit".into(), |bytes| format!("{} MiB", bytes >> 20));
        let pinned = node.pinned.as_ref().map_or("-".into(), |cores| format!("{cores:?}"));
        let (name, cores, cpus, roles) = (&node.name, node.cores, node.cpus, node.roles.join(", "));
        text += &format!("{name:12}  {cores:5}  {cpus:<6.3}  {memory:8}  {pinned:9}  {roles}\n");
    }
    if run.paths.is_empty() {
        return text;
    }
    let by = match run.manager == Manager::Kubernetes && plan.settings.nodes == Nodes::Existing {
        true => "not imposed".to_string(),
        false => format!("by {}", plan.settings.links),
    };
    text +=
        &format!("\nlink ({by:12})          latency    jitter     rate           loss    queue  medium\n");
    for path in &run.paths {
        let medium = &run.media[path.medium];
        let rate = medium.rate_bit_s.map_or("unlimited".into(), units::write_bit_per_s);
        let name = format!("{} > {}", run.nodes[path.from].name, run.nodes[path.to].name);
        text += &format!(
            "{name:28}  {:9}  {:9}  {rate:13}  {:5} %  {:5}  {}\n",
            path.latency.to_string(),
            path.jitter.to_string(),
            path.loss * 100.0,
            medium.queue_packets,
            path.medium
        );
    }
    text
}

fn folder(state: &State) -> PathBuf {
    state.folder.clone().unwrap_or_else(default_folder)
}

/// What is needed on this host.
fn tools(agent: Option<&Path>, state: &State, settings: &Settings) -> Result<Tools, Failure> {
    let program = env::current_exe()
        .map_err(|cause| Failure::Infrastructure(format!("cannot find this program: {cause}")))?;
    let agent = find_agent(agent, &program)?;
    check_agent(&agent, settings.application)?;
    Ok(Tools {
        agent,
        forwarder: vec![program.to_string_lossy().into(), "emulate".into(), "forwarder".into()],
        state: folder(state),
        links: settings.links,
        seed: settings.seed,
    })
}

/// From now on a signal removes what was made.
fn clear_up_on_interrupt() {
    on_first_signal(|| {
        note("interrupted: removing what was made; a second signal leaves it to `offing emulate down`");
        interrupt();
    });
}

fn prove(args: &EmulateProve) -> Result<(), Failure> {
    let file = &args.planning.file;
    let asked = asked::asked(file, &args.planning.asking)?;
    let plan = planned(&asked.subjects, &args.planning.how, asked.seed)?;
    if plan.runs.iter().any(|run| run.manager == Manager::Kubernetes) {
        return Err(Failure::Refused {
            message: "a cluster of somebody else's is not proved, for its links and nodes are what they are; one of \
                      our own is proved by `offing emulate run`, before each measurement"
                .into(),
            hint: Some(
                "prove it without Kubernetes by `--manager none`, or measure it by `offing emulate run`"
                    .into(),
            ),
        });
    }
    let tools = tools(args.agent.as_deref(), &args.state, &plan.settings)?;
    let folder = |run: &RunPlan| match (&args.out, plan.runs.len()) {
        (Some(folder), 1) => Some(folder.clone()),
        (Some(folder), _) => Some(folder.join(&run.deployment)),
        (None, _) => None,
    };
    let files = plan.runs.iter().map(|run| folder(run).map(|folder| open(&folder, file)).transpose());
    let files = files.collect::<Result<Vec<_>, _>>()?;
    clear_up_on_interrupt();
    let (mut missed, mut all) = (0, 0);
    for (run, files) in plan.runs.iter().zip(files) {
        let proof = prove_one(run, &tools)?;
        if let Some([plan_file, proof_file]) = files {
            finish(plan_file, &Plan { runs: vec![run.clone()], ..plan.clone() })?;
            finish(proof_file, &proof)?;
        }
        match args.json {
            true => print_json(&proof)?,
            false => print(&proof.to_string())?,
        }
        missed += proof.checks.iter().filter(|check| !check.holds).count();
        all += proof.checks.len();
    }
    match missed {
        0 => Ok(()),
        n => Err(Failure::Unmet(format!(
            "{n} of {all} measurements are not as asked; if processors or lateness are among them, other programs use \
             this host"
        ))),
    }
}

fn prove_one(run: &RunPlan, tools: &Tools) -> Result<Proof, Failure> {
    note(&format!("starting {} nodes", run.nodes.len()));
    let inventory = Inventory::make(run, tools)?;
    let mut cluster = inventory.connect()?;
    note(&format!("measuring links and processors of run {}", cluster.run()));
    let proof = cluster.prove()?;
    cluster.remove()?;
    Ok(proof)
}

/// The files of a proof, before the long work.
fn open(folder: &Path, input: &Path) -> Result<[Output; 2], Failure> {
    fs::create_dir_all(folder)
        .map_err(|cause| Failure::Unwritable { file: format!("`{}`", folder.display()), cause })?;
    Ok([
        Output::create(&folder.join("plan.json"), input)?,
        Output::create(&folder.join("proof.json"), input)?,
    ])
}

fn finish(file: Output, value: &impl Serialize) -> Result<(), Failure> {
    let text = kept::pretty(value);
    file.finish(|out| out.write_all(text.as_bytes()))
}

fn list(args: &EmulateList) -> Result<(), Failure> {
    let entries = ledger::entries(&folder(&args.state))?;
    if args.json {
        return print_json(&entries);
    }
    let line = |entry: &Entry| {
        let state = if entry.under_way { "under way" } else { "ended" };
        let count = entry.resources.len();
        let mut text = format!("{}  begun {}  {state}  {count} resources\n", entry.run, entry.begun);
        for Resource { kind, name } in &entry.resources {
            text += &format!("  {:10} {name}\n", kind.name());
        }
        text
    };
    print(&entries.iter().map(line).collect::<String>())
}

#[derive(Serialize)]
struct Removed {
    run: String,
    #[serde(flatten)]
    resource: Resource,
}

fn remove(args: &EmulateDown) -> Result<(), Failure> {
    let which = match &args.run {
        Some(run) => Which::Run(run.clone()),
        None if args.all => Which::All,
        None => Which::Ended,
    };
    let is_named = args.cluster.kubeconfig.is_some() || args.cluster.context.is_some();
    let cluster = is_named.then(|| cluster::connect(&args.cluster)).transpose()?;
    let removed = down(&folder(&args.state), &which, cluster.as_ref())?;
    let removed: Vec<_> = removed.into_iter().map(|(run, resource)| Removed { run, resource }).collect();
    if args.json {
        return print_json(&removed);
    }
    let line = |Removed { run, resource }: &Removed| {
        format!("{run}  {:10} {}\n", resource.kind.name(), resource.name)
    };
    print(&removed.iter().map(line).collect::<String>())
}
