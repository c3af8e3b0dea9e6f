//! `offing submit`: an exploration on a cluster, one shard per task of an array.
//!
//! *Slurm*: the run folder is prepared here, so that a task needs nothing but that folder; a task that is run again
//! finds its units and does the rest. *Kubernetes*: only the manifest is written, with the scenario in it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use offing_explore::{Folder, Plan};
use serde_json::{Value, json};

use crate::args::{Choosing, Explore, Form, Kubernetes, SHORTLIST, Slurm, Submit, Work};
use crate::explore;
use crate::failure::Failure;
use crate::manifest;
use crate::output::{note, print, say_on_interrupt};
use crate::progress::Progress;

pub fn run(args: &Submit) -> Result<(), Failure> {
    match args {
        Submit::Slurm(slurm) => by_slurm(slurm),
        Submit::Kubernetes(kubernetes) => by_kubernetes(kubernetes),
    }
}

/// The same question as `offing explore` would be asked.
fn asked(work: &Work, shortlist: u16) -> Explore {
    Explore {
        file: Some(work.file.clone()),
        assignments: work.assignments.clone(),
        reading: crate::args::Reading { strict: false, semantics: None },
        seed: work.seed,
        out: None,
        resume: None,
        shard: None,
        models: crate::args::Models { file: None },
        choosing: Choosing { threads: None, shortlist, keep_units: false, json: false },
        exact: false,
        count: false,
    }
}

fn by_slurm(args: &Slurm) -> Result<(), Failure> {
    let started = manifest::now_unix_s();
    let question = asked(&args.work, args.shortlist);
    let (scenario, inputs) = explore::scenario(&question)?;
    let plan = explore::plan(&scenario, inputs, false)?;
    let path = args.out.clone().unwrap_or_else(|| explore::default_folder(&plan, started));
    let path = std::path::absolute(&path).map_err(|cause| unwritable(&path, cause))?;
    let script = script(args, &plan, &path)?;
    if args.dry_run {
        return print(&script);
    }
    let folder = Folder::open(&path, &plan)?;
    if folder.is_complete() {
        return explore::conclude(&plan, &folder, &question.choosing, started);
    }
    let logs = path.join("slurm");
    fs::create_dir_all(&logs).map_err(|cause| unwritable(&logs, cause))?;
    let file = logs.join("array.sh");
    fs::write(&file, script).map_err(|cause| unwritable(&file, cause))?;
    let Some(job) = submit(&file)? else {
        note(&format!(
            "there is no sbatch here; run `sbatch {}` where there is, and then: offing merge {}",
            file.display(),
            path.display()
        ));
        return Ok(());
    };
    let merge = format!("offing merge {}", path.display());
    note(&format!("submitted as job {job}; this waits for it, and can be left: {merge}"));
    say_on_interrupt(Some(format!("job {job} goes on; when it is done: {merge}")));
    wait(&job, args.shards)?;
    explore::collect(&plan, &folder, &question.choosing, started)
}

/// What sbatch runs.
fn script(args: &Slurm, plan: &Plan<'_>, path: &Path) -> Result<String, Failure> {
    let program = std::env::current_exe().map_err(|cause| unwritable(Path::new("offing"), cause))?;
    let [program, folder] = [program.as_path(), path].map(|path| quoted(&path.display().to_string()));
    let Slurm { shards, cpus, .. } = args;
    let mut script = format!(
        "#!/bin/bash\n#SBATCH --job-name=offing-{}\n#SBATCH --array=1-{shards}\n#SBATCH --cpus-per-task={cpus}\n\
         #SBATCH --output={}/slurm/%a.log\n#SBATCH --open-mode=append\n#SBATCH --requeue\n",
        plan.scenario.name,
        path.display(),
    );
    for (option, value) in [("partition", &args.partition), ("time", &args.time)] {
        if let Some(value) = value {
            script += &format!("#SBATCH --{option}={value}\n");
        }
    }
    script += &format!(
        "set -euo pipefail\n# A task that is run again computes only what is missing of its shard.\n\
         exec {program} explore --resume {folder} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" --threads {cpus}\n"
    );
    Ok(script)
}

/// As a shell reads it as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The number of the job; nothing where there is no sbatch.
fn submit(script: &Path) -> Result<Option<String>, Failure> {
    let output = match Command::new("sbatch").arg("--parsable").arg(script).output() {
        Ok(output) => output,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(format!("cannot run sbatch: {cause}"))),
    };
    if !output.status.success() {
        return Err(failed(format!("sbatch: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    // `job` or `job;cluster`.
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.trim().split(';').next().map(String::from))
}

/// How often squeue is asked, and how often it may fail in a row: the controller may be busy or restart.
const EVERY: Duration = Duration::from_secs(2);
const MOST_FAILURES: u32 = 60;

/// Returns when no task of the job is queued or running.
fn wait(job: &str, tasks: u32) -> Result<(), Failure> {
    let (mut failures, mut last) = (0, usize::MAX);
    let progress = Progress::new(u64::from(tasks), "tasks");
    loop {
        let output =
            Command::new("squeue").args(["--noheader", "--array", "--format=%T", "--jobs", job]).output();
        match output {
            Ok(output) if output.status.success() => {
                let left = String::from_utf8_lossy(&output.stdout).lines().count();
                if left == 0 {
                    return Ok(());
                }
                if left != last && Progress::is_seen() {
                    let before = if last == usize::MAX { tasks as usize } else { last };
                    progress.add(before.saturating_sub(left) as u64);
                } else if left != last {
                    note(&format!("{left} tasks left"));
                }
                (failures, last) = (0, left);
            }
            // A job that is over for some minutes is forgotten.
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("Invalid job id") => return Ok(()),
            _ if failures < MOST_FAILURES => failures += 1,
            Ok(output) => {
                return Err(failed(format!("squeue: {}", String::from_utf8_lossy(&output.stderr).trim())));
            }
            Err(cause) => return Err(failed(format!("cannot run squeue: {cause}"))),
        }
        sleep(EVERY);
    }
}

fn failed(message: String) -> Failure {
    Failure::System(message)
}

fn unwritable(path: &Path, cause: std::io::Error) -> Failure {
    Failure::Unwritable { file: format!("`{}`", path.display()), cause }
}

fn by_kubernetes(args: &Kubernetes) -> Result<(), Failure> {
    let (scenario, inputs) = explore::scenario(&asked(&args.work, SHORTLIST))?;
    let plan = explore::plan(&scenario, inputs, false)?;
    let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if let Some(input) = plan.inputs.iter().find(|input| !input.name.chars().all(named)) {
        return Err(Failure::Refused {
            message: format!("`{}` is in another folder, and a ConfigMap has none", input.name),
            hint: Some("put the file beside the scenario".into()),
        });
    }
    let objects = objects(args, &plan);
    match args.form {
        Form::Json => {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
            print(&(serde_json::to_string_pretty(&list).expect("plain data") + "\n"))
        }
        Form::Yaml => {
            print(&objects.iter().map(|object| format!("---\n{}", yaml(object, 0))).collect::<String>())
        }
    }
}

/// A ConfigMap with the scenario, a claim for the run folder, and an Indexed Job, or a Job per shard.
fn objects(args: &Kubernetes, plan: &Plan<'_>) -> Vec<Value> {
    let name = format!("offing-{}", plan.scenario.name.to_lowercase().replace(['_', '.'], "-"));
    let labels = json!({ "app.kubernetes.io/name": "offing", "app.kubernetes.io/instance": name });
    let metadata = json!({ "name": name, "labels": labels });
    let mut files = serde_json::Map::new();
    files.insert("scenario.toml".into(), plan.canonical.clone().into());
    for input in &plan.inputs {
        files.insert(input.name.clone(), input.text.clone().into());
    }
    let shards = args.shards;
    let command = |shard: &str| {
        format!(
            "exec offing explore /scenario/scenario.toml --out /results/{} --shard \"{shard}/{shards}\"",
            plan.short_fingerprint()
        )
    };
    let pod = |shard: &str| {
        json!({
            "metadata": { "labels": labels },
            "spec": {
                "restartPolicy": "OnFailure",
                "containers": [{
                    "name": "offing",
                    "image": args.image,
                    "command": ["sh", "-c", command(shard)],
                    "volumeMounts": [
                        { "name": "scenario", "mountPath": "/scenario", "readOnly": true },
                        { "name": "results", "mountPath": "/results" },
                    ],
                }],
                "volumes": [
                    { "name": "scenario", "configMap": { "name": name } },
                    { "name": "results", "persistentVolumeClaim": { "claimName": name } },
                ],
            },
        })
    };
    let mut objects = vec![
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files }),
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "resources": { "requests": { "storage": args.storage } },
            },
        }),
    ];
    // Indexed Jobs are there from 1.21 on (behind a gate), and for everybody from 1.22 on.
    if args.kubernetes_version >= (1, 22) {
        objects.push(json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                "completions": shards,
                "parallelism": shards,
                "completionMode": "Indexed",
                "backoffLimit": 6 * shards,
                "template": pod("$((JOB_COMPLETION_INDEX + 1))"),
            },
        }));
    } else {
        objects.extend((1..=shards).map(|shard| {
            json!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": { "name": format!("{name}-{shard}"), "labels": labels },
                "spec": { "backoffLimit": 6, "template": pod(&shard.to_string()) },
            })
        }));
    }
    objects
}

/// YAML in blocks; texts are quoted as in JSON, of which YAML is a superset.
fn yaml(value: &Value, indent: usize) -> String {
    let space = " ".repeat(indent);
    let below = |value: &Value| match value {
        Value::Object(object) if !object.is_empty() => format!("\n{}", yaml(value, indent + 2)),
        Value::Array(array) if !array.is_empty() => format!("\n{}", yaml(value, indent + 2)),
        plain => format!(" {plain}\n"),
    };
    match value {
        Value::Object(object) => {
            let key = |key: &str| match key.contains(['/', '.']) {
                true => Value::from(key).to_string(),
                false => key.to_string(),
            };
            object.iter().map(|(name, value)| format!("{space}{}:{}", key(name), below(value))).collect()
        }
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(_) => {
                    let block = yaml(item, indent + 2);
                    format!("{space}- {}", &block[indent + 2..])
                }
                plain => format!("{space}- {plain}\n"),
            })
            .collect(),
        plain => format!("{space}{plain}\n"),
    }
}
