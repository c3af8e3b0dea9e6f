//! `offing start`: how long Kubernetes needs until pods are ready.

use offing_core::{Deployment, Start, units};
use offing_models::Version;
use offing_models::kubernetes::Packing;
use offing_scenarios::continuum;
use offing_sim::start::{Asked, PHASES, Started, summed};
use serde_json::{Value, json};

use crate::args::StartPods;
use crate::failure::Failure;
use crate::output::{Screen, issues, note, print, print_json};
use crate::page::{Page, Style, count, significant};
use crate::{input, models, row};

/// Deployments of a space that are looked at, at most.
const MOST_STARTS: u128 = 1000;
/// Pods of one start, at most: the largest cluster that Kubernetes supports.
const MOST_PODS: u32 = 150_000;

pub fn run(args: &StartPods) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    let Asking { name, seed, cases, version } = read(args)?;
    let version = match (&args.kubernetes, version) {
        (Some(version), _) => *version,
        (None, Some(version)) => Version::parse(&version).unwrap_or(Version::MEASURED),
        (None, None) => Version::MEASURED,
    };
    let seed = args.seed.unwrap_or(seed);
    let cases = cases
        .into_iter()
        .map(|(labels, deployment)| predict(args, labels, deployment, version, seed))
        .collect::<Result<Vec<Case>, Failure>>()?;
    if cases.iter().all(|case| case.started.is_none()) {
        return Err(Failure::Infeasible(cases.iter().filter_map(Case::left_out).collect()));
    }
    if version != Version::MEASURED {
        note(&format!(
            "note: the work was measured with Kubernetes 1.{}; of 1.{} only the settings that differ are known",
            Version::MEASURED.minor,
            version.minor
        ));
    }
    if args.json {
        let starts: Vec<Value> = cases.iter().map(Case::json).collect();
        return print_json(&json!({
            "scenario": name,
            "models": models::current().label(),
            "kubernetes": format!("1.{}", version.minor),
            "seed": seed,
            "starts": starts,
        }));
    }
    cases.iter().filter_map(Case::left_out).for_each(|text| note(&format!("warning: {text}")));
    if args.csv {
        return print(&csv(&cases));
    }
    match &cases[..] {
        [case] => print(&page(&name, case, version, seed)),
        cases => print(&table(&name, cases, version, seed)),
    }
}

/// What `offing simulate` tells of the start of a deployment.
pub fn of(deployment: &Deployment, seed: u64) -> Option<Started> {
    let models = models::current();
    let (asked, _) = Asked::of(deployment, models, None);
    summed(&asked, &models.start(Version::MEASURED), seed)
}

/// Why pods of a deployment find no node.
pub fn left_out(deployment: &Deployment) -> Option<String> {
    let wanted = deployment.pods().per_node * deployment.targets().nodes;
    words(deployment, &models::current().packing(deployment, wanted))
}

/// What a file asks for.
struct Asking {
    name: String,
    seed: u64,
    /// With what tells it from the others.
    cases: Vec<(Vec<(String, String)>, Deployment)>,
    version: Option<String>,
}

fn read(args: &StartPods) -> Result<Asking, Failure> {
    let file = &args.input.file;
    if input::is_continuum(file) {
        let (resolved, warnings) = input::continuum(file, &args.input.reading)?;
        if let Some((key, _)) = args.input.assignments.first() {
            return Err(Failure::Refused {
                message: format!("`--set {key}` changes a scenario, and this is a .cfg"),
                hint: Some("use `--pods` and `--nodes`, or change the file".into()),
            });
        }
        let (deployment, version) =
            continuum::to_pods(&resolved).map_err(|no| Failure::Bad(no).after(&warnings))?;
        issues(&warnings);
        let name = file.file_stem().map_or("continuum".into(), |stem| stem.to_string_lossy().into_owned());
        return Ok(Asking { name, seed: 1, cases: vec![(Vec::new(), deployment)], version });
    }
    let offing_scenarios::Loaded { scenario, warnings } = input::scenario(&args.input)?;
    issues(&warnings);
    let space = &scenario.space;
    // Who says how many pods or nodes means one start.
    let is_alone = space.axes().is_empty() || args.pods.is_some() || args.nodes.is_some();
    if is_alone {
        let cases = vec![(Vec::new(), scenario.base)];
        return Ok(Asking { name: scenario.name, seed: scenario.seed, cases, version: None });
    }
    if space.len() > MOST_STARTS {
        return Err(Failure::Refused {
            message: format!(
                "the space has {} deployments, and at most {MOST_STARTS} are started",
                space.len()
            ),
            hint: Some("leave axes out".into()),
        });
    }
    let mut cases = Vec::new();
    for number in 0..space.len() {
        let labels = space.axes().iter().zip(space.digits(number)).flat_map(|(axis, digit)| {
            axis.keys().map(String::from).zip(axis.labels(digit)).collect::<Vec<_>>()
        });
        let labels = labels.collect();
        if let Ok(deployment) = space.get(number) {
            cases.push((labels, deployment));
        }
    }
    if cases.is_empty() {
        return Err(Failure::Refused {
            message: "the space has no deployment: `where` excludes all of them".into(),
            hint: Some("change `where`, or give `--pods`".into()),
        });
    }
    Ok(Asking { name: scenario.name, seed: scenario.seed, cases, version: None })
}

/// One start.
struct Case {
    labels: Vec<(String, String)>,
    deployment: Deployment,
    asked: Asked,
    packing: Packing,
    started: Option<Started>,
}

fn predict(
    args: &StartPods,
    labels: Vec<(String, String)>,
    mut deployment: Deployment,
    version: Version,
    seed: u64,
) -> Result<Case, Failure> {
    if !deployment.is_on_kubernetes() {
        return Err(Failure::Refused {
            message: "there are no pods: Kubernetes does not run the application".into(),
            hint: Some(
                "write `manager = \"kubernetes\"` in `[deploy]`, or `--set deploy.manager=kubernetes`".into(),
            ),
        });
    }
    let target = deployment.placement.target;
    if let Some(nodes) = args.nodes {
        deployment.tiers[target].nodes = nodes;
    }
    let wanted = args.pods.unwrap_or(deployment.pods().per_node.saturating_mul(deployment.targets().nodes));
    if wanted > MOST_PODS {
        return Err(Failure::Refused {
            message: format!("{wanted} pods are too many: Kubernetes supports {MOST_PODS} in a cluster"),
            hint: Some("lower `deploy.pods` or the number of nodes".into()),
        });
    }
    let models = models::current();
    let (asked, packing) = Asked::of(&deployment, models, Some(wanted));
    let mut model = models.start(version);
    if let Some(cores) = args.host_cores {
        model.host_cores = cores;
    }
    let started = summed(&asked, &model, seed);
    Ok(Case { labels, deployment, asked, packing, started })
}

/// Why pods find no node, in a sentence.
fn words(deployment: &Deployment, packing: &Packing) -> Option<String> {
    let lacks = packing.lacks?;
    let pods = deployment.pods();
    let node = deployment.targets();
    let request = match (pods.cpu_request, pods.memory_request_bytes) {
        (0.0, 0) => "no request".into(),
        (cpu, 0) => format!("a request of {cpu} cores"),
        (0.0, bytes) => format!("a request of {}", units::write_bytes(bytes as f64)),
        (cpu, bytes) => format!("a request of {cpu} cores and {}", units::write_bytes(bytes as f64)),
    };
    let each = if pods.start == Start::Containers { "container" } else { "pod" };
    Some(format!(
        "{} of {} fit on no node: {lacks}. A node of tier `{}` has room for {}, with {request} for each {each}",
        packing.left_out(),
        count(packing.node.len() as u64, "pod"),
        node.name,
        count(packing.fits.into(), "pod"),
    ))
}

impl Case {
    fn left_out(&self) -> Option<String> {
        words(&self.deployment, &self.packing)
    }

    /// How many, where, and how they are asked for.
    fn what(&self) -> String {
        let nodes = count(self.asked.nodes.into(), &format!("{} node", self.deployment.targets().name));
        let each = count(self.asked.cores.into(), "core");
        let pods = self.packing.node.len() as u64;
        match self.asked.start {
            Start::Job => format!("one Job of {} on {nodes} of {each}", count(pods, "pod")),
            Start::Jobs => {
                format!("{} of one pod, one after the other, on {nodes} of {each}", count(pods, "Job"))
            }
            Start::Calls => format!("{} of one pod, all at once, on {nodes} of {each}", count(pods, "Job")),
            Start::Containers => {
                let containers = count(self.asked.containers.into(), "container");
                format!("one pod of {containers} on {nodes} of {each}")
            }
        }
    }

    fn json(&self) -> Value {
        let labels: serde_json::Map<String, Value> =
            self.labels.iter().map(|(key, label)| (key.clone(), json!(label))).collect();
        let mut told = json!({
            "deployment": self.deployment.id(),
            "axes": labels,
            "pods": self.packing.node.len(),
            "containers_per_pod": self.asked.containers,
            "nodes": self.asked.nodes,
            "left_out": self.packing.left_out(),
            "left_out_because": self.left_out(),
        });
        if let Some(started) = &self.started {
            merge(&mut told, started);
        }
        told
    }
}

/// Adds what is known of a start to an object.
pub fn merge(told: &mut Value, started: &Started) {
    told["time_to_ready_s"] = json!(started.time_to_ready_s);
    told["time_to_ready_pi95_s"] = json!(started.time_to_ready_pi95_s);
    for passed in &started.phases {
        told["phases"][passed.phase] = json!({ "mean_s": passed.mean_s, "last_s": passed.last_s });
    }
    told["limited_by"] = json!(started.limits[0].stage);
    told["limits"] = started
        .limits
        .iter()
        .map(|least| json!({ "stage": least.stage, "least_s": least.seconds }))
        .collect();
}

/// A start for people.
fn page(name: &str, case: &Case, version: Version, seed: u64) -> String {
    let mut page = Page::new(Screen::of_stdout());
    page.marked(Style::Bold, &format!("{name}:"), &case.what());
    page.paragraph(&format!(
        "Kubernetes 1.{}; models {}; seed {seed}",
        version.minor,
        models::current().label()
    ));
    page.blank();
    let started = case.started.as_ref().expect("a start without a pod was told before");
    page.heading(&format!("{:<11}{:>13}{:>13}", "phase", "mean pod s", "last pod s"), "");
    for passed in &started.phases {
        page.line(&format!("{:<11}{:>13.3}{:>13.3}", passed.phase, passed.mean_s, passed.last_s));
    }
    page.blank();
    page.fact("ready after", &ready(started));
    let limits = started.limits.iter().filter(|least| least.seconds > 0.0).take(3);
    let limits = limits.map(|least| format!("{} ({} s)", least.stage, significant(least.seconds)));
    page.fact("needs least", &limits.collect::<Vec<_>>().join(", "));
    page.into_text()
}

/// When all are ready, in words.
pub fn ready(started: &Started) -> String {
    let [low, high] = started.time_to_ready_pi95_s;
    let pods = count(started.pods as u64, "pod");
    format!(
        "{} s for {pods}; 95 % of starts between {} and {} s",
        significant(started.time_to_ready_s),
        significant(low),
        significant(high)
    )
}

/// Many starts for people, a row for each.
fn table(name: &str, cases: &[Case], version: Version, seed: u64) -> String {
    let mut page = Page::new(Screen::of_stdout());
    let about = format!("Kubernetes 1.{}; models {}; seed {seed}", version.minor, models::current().label());
    page.marked(Style::Bold, &format!("{name}:"), &about);
    page.blank();
    let short = |key: &str| key.rsplit('.').next().unwrap_or(key).to_string();
    let mut rows: Vec<Vec<String>> = vec![cases[0].labels.iter().map(|(key, _)| short(key)).collect()];
    let phases = PHASES[..PHASES.len() - 1].iter().map(|phase| format!("{phase} s"));
    rows[0].extend(
        ["pods".into()]
            .into_iter()
            .chain(phases)
            .chain(["ready s", "95 % of starts", "needs least"].map(String::from)),
    );
    for case in cases {
        let mut row: Vec<String> = case.labels.iter().map(|(_, label)| label.clone()).collect();
        row.push(case.packing.node.len().to_string());
        match &case.started {
            None => row.push("none fits".into()),
            Some(started) => {
                row.extend(started.phases.iter().map(|passed| significant(passed.last_s)));
                let [low, high] = started.time_to_ready_pi95_s.map(significant);
                row.push(format!("{low} to {high}"));
                row.push(started.limits[0].stage.into());
            }
        }
        rows.push(row);
    }
    page.columns(&rows);
    page.into_text()
}

/// One row per start; what is not known is empty.
fn csv(cases: &[Case]) -> String {
    let mut header: Vec<String> = cases[0].labels.iter().map(|(key, _)| key.clone()).collect();
    header
        .extend(["deployment", "start", "pods", "containers_per_pod", "nodes", "left_out"].map(String::from));
    header.extend(PHASES.iter().flat_map(|phase| [format!("{phase}_mean_s"), format!("{phase}_last_s")]));
    header.extend(
        ["time_to_ready_s", "time_to_ready_low_s", "time_to_ready_high_s", "limited_by"].map(String::from),
    );
    let mut rows = vec![header];
    for case in cases {
        let mut row: Vec<String> = case.labels.iter().map(|(_, label)| label.clone()).collect();
        row.extend([
            case.deployment.id(),
            format!("{:?}", case.asked.start).to_lowercase(),
            case.packing.node.len().to_string(),
            case.asked.containers.to_string(),
            case.asked.nodes.to_string(),
            case.packing.left_out().to_string(),
        ]);
        match &case.started {
            None => row.extend(vec![String::new(); 2 * PHASES.len() + 4]),
            Some(started) => {
                row.extend(started.phases.iter().flat_map(|p| [p.mean_s, p.last_s]).map(|s| s.to_string()));
                row.push(started.time_to_ready_s.to_string());
                row.extend(started.time_to_ready_pi95_s.map(|s| s.to_string()));
                row.push(started.limits[0].stage.into());
            }
        }
        rows.push(row);
    }
    rows.iter()
        .map(|row| row.iter().map(|cell| row::quoted(cell)).collect::<Vec<_>>().join(",") + "\n")
        .collect()
}

/// A version of Kubernetes as it is typed.
pub fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| format!("`{text}` is not a version of Kubernetes such as 1.27"))
}
