//! `offing emulate` and `offing doctor`: what would be done, what is so, what exists, what is missing.

mod asked;
mod cluster;
mod made;
pub mod run;

use std::env;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use offing_core::{Manager, units};
use offing_emu::doctor::{Diagnosis, Finding, Verdict, diagnose, host};
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
use crate::output::{Output, Screen, note, on_first_signal, print, print_json};
use crate::page::{Page, Style};

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
    let diagnosis = diagnose(&program()?);
    if args.json {
        print_json(&diagnosis)?;
    } else {
        print(&told(&diagnosis))?;
    }
    match diagnosis.able {
        true => Ok(()),
        false => Err(Failure::Told(3.into())),
    }
}

/// A diagnosis for people: every need, what was seen, and what to do where that is not enough.
fn told(diagnosis: &Diagnosis) -> String {
    /// Where what is needed begins, below which the rest is told.
    const NEED: usize = 9;
    let mut page = Page::new(Screen::of_stdout());
    for Finding { what, verdict, seen, advice } in &diagnosis.findings {
        let name = format!("{:<width$}", verdict.name(), width = NEED);
        let painted = match verdict {
            Verdict::Yes => name,
            Verdict::Limited => page.paint(Style::Warning, &name),
            Verdict::No => page.paint(Style::Alarm, &name),
        };
        let line = format!("{what:<21} {seen}");
        if NEED + line.chars().count() <= page.width() {
            page.line(&format!("{painted}{line}"));
        } else {
            page.line(&format!("{painted}{what}"));
            page.indented(NEED, seen);
        }
        if let (Some(advice), false) = (advice, *verdict == Verdict::Yes) {
            page.indented(NEED, advice);
        }
    }
    page.blank();
    let links = diagnosis.links.map_or("nothing can make links".into(), |links| format!("links by {links}"));
    match diagnosis.able {
        true => page.marked(Style::Bold, "This host can measure;", &format!("{links}.")),
        false => page.marked(Style::Alarm, "This host cannot measure;", &format!("{links}.")),
    }
    page.into_text()
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
        proof_tolerance: how.proof_tolerance,
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
    let mut page = Page::new(Screen::of_stdout());
    page.heading(&format!("deployment {}", run.deployment), "");
    if run.dilate != 1.0 {
        page.paragraph(&format!("runs {} times slower than real time", run.dilate));
    }
    page.paragraph(&format!(
        "takes {} and {:.2} of {} cores ({:.3} of them to move packets), {} MiB of {} MiB",
        units::write_span(run.duration),
        run.needs.cores,
        plan.host.cores,
        run.needs.link_cores,
        run.needs.memory_bytes >> 20,
        plan.host.memory_bytes >> 20
    ));
    page.paragraph(&format!("image: {}", run.image));
    let on = if run.manager == Manager::Kubernetes { " on Kubernetes" } else { "" };
    // Endpoints that process themselves send nothing.
    let over = if run.paths.is_empty() { String::new() } else { format!(" over {}", run.transport.name()) };
    page.paragraph(&format!("application: {}{on}{over}", run.application.name()));
    page.blank();
    let heading = ["node", "cores", "cpus", "memory", "pinned to", "runs"].map(String::from).to_vec();
    let nodes = run.nodes.iter().map(|node| {
        let memory = node.memory_bytes.map_or("no limit".into(), |bytes| format!("{} MiB", bytes >> 20));
        let pinned = node.pinned.as_ref().map_or("-".into(), |cores| format!("{cores:?}"));
        let (cores, cpus) = (node.cores.to_string(), format!("{:.3}", node.cpus));
        vec![node.name.clone(), cores, cpus, memory, pinned, node.roles.join(", ")]
    });
    page.columns(&iter::once(heading).chain(nodes).collect::<Vec<_>>());
    if run.paths.is_empty() {
        return page.into_text();
    }
    page.blank();
    let by = match run.manager == Manager::Kubernetes && plan.settings.nodes == Nodes::Existing {
        true => "not imposed".to_string(),
        false => format!("by {}", plan.settings.links),
    };
    let link = format!("link ({by})");
    let heading = [&link, "latency", "jitter", "rate", "loss", "queue", "medium"].map(String::from).to_vec();
    let paths = run.paths.iter().map(|path| {
        let medium = &run.media[path.medium];
        vec![
            format!("{} > {}", run.nodes[path.from].name, run.nodes[path.to].name),
            path.latency.to_string(),
            path.jitter.to_string(),
            medium.rate_bit_s.map_or("unlimited".into(), units::write_bit_per_s),
            format!("{} %", path.loss * 100.0),
            medium.queue_packets.to_string(),
            path.medium.to_string(),
        ]
    });
    page.columns(&iter::once(heading).chain(paths).collect::<Vec<_>>());
    page.into_text()
}

fn folder(state: &State) -> PathBuf {
    state.folder.clone().unwrap_or_else(default_folder)
}

/// Where this program is.
fn program() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|cause| Failure::Infrastructure(format!("cannot find this program: {cause}")))
}

/// What is needed on this host.
fn tools(agent: Option<&Path>, state: &State, settings: &Settings) -> Result<Tools, Failure> {
    let program = program()?;
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
    if entries.is_empty() {
        note("nothing exists because of measurements of yours");
    }
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
    if removed.is_empty() {
        note("there was nothing to remove");
    }
    print(&removed.iter().map(line).collect::<String>())
}
