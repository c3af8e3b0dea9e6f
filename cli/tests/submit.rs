//! `offing submit`: the script for Slurm and the manifest for Kubernetes.

mod support;

use std::fs;

use support::{offing, scratch};

const SPACE: &str = "data/space.toml";

#[test]
fn a_dry_run_prints_the_script_and_writes_nothing() {
    let folder = scratch("dry").display().to_string();
    let more = ["--partition", "short", "--time", "0:10:00", "--cpus", "4", "--dry-run"];
    let script =
        offing(&[&["submit", "slurm", SPACE, "--shards", "9", "--out", &folder], &more[..]].concat());
    let script = script.expect_code(0).stdout;
    for line in [
        "#!/bin/bash",
        "#SBATCH --array=1-9",
        "#SBATCH --requeue",
        "#SBATCH --partition=short",
        "#SBATCH --time=0:10:00",
        "#SBATCH --cpus-per-task=4",
    ] {
        assert!(script.lines().any(|other| other == line), "{line}: {script}");
    }
    let task = format!("explore --resume '{folder}' --shard \"$SLURM_ARRAY_TASK_ID/9\" --threads 4");
    assert!(script.contains(&task), "{script}");
    assert!(!fs::exists(&folder).expect("readable"));
}

#[test]
fn without_sbatch_the_folder_is_prepared_and_the_script_does_the_work() {
    let folder = scratch("no-sbatch");
    let _ = fs::remove_dir_all(&folder);
    let path = folder.to_str().expect("text");
    // A path without sbatch in it.
    let output = support::command(&["submit", "slurm", SPACE, "--shards", "2", "--out", path])
        .env("PATH", "/nonexistent")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("then: offing merge {path}")), "{said}");
    for task in ["1", "2"] {
        let script = folder.join("slurm/array.sh");
        let status = std::process::Command::new("bash").arg(script).env("SLURM_ARRAY_TASK_ID", task).output();
        assert!(status.is_ok_and(|output| output.status.success()), "task {task}");
    }
    offing(&["merge", path]).expect_code(0);
}

#[test]
fn the_manifest_is_an_indexed_job_with_the_fields_that_are_documented() {
    let arguments = ["submit", "kubernetes", SPACE, "--shards", "3", "--image", "registry/offing:1"];
    let json = offing(&[&arguments[..], &["-o", "json"]].concat()).expect_code(0).json();
    let items = json["items"].as_array().expect("a list");
    let kinds: Vec<(&str, &str)> = items
        .iter()
        .map(|item| (item["apiVersion"].as_str().expect("text"), item["kind"].as_str().expect("text")))
        .collect();
    assert_eq!(kinds, [("v1", "ConfigMap"), ("v1", "PersistentVolumeClaim"), ("batch/v1", "Job")]);
    let name = &items[2]["metadata"]["name"];
    assert_eq!(name, "offing-space");
    let spec = &items[2]["spec"];
    // https://kubernetes.io/docs/concepts/workloads/controllers/job/: an Indexed Job needs completions, and its
    // pods must not be restarted always.
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!((&spec["completions"], &spec["parallelism"]), (&3.into(), &3.into()));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "OnFailure");
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "registry/offing:1");
    let command = container["command"][2].as_str().expect("text");
    assert!(command.contains("--shard \"$((JOB_COMPLETION_INDEX + 1))/3\""), "{command}");
    // What is mounted is there.
    let volumes: Vec<&str> = pod["volumes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    for mount in container["volumeMounts"].as_array().expect("a list") {
        assert!(volumes.contains(&mount["name"].as_str().expect("text")), "{mount}");
    }
    assert_eq!(&pod["volumes"][0]["configMap"]["name"], name);
    assert_eq!(&pod["volumes"][1]["persistentVolumeClaim"]["claimName"], name);
    assert!(items[0]["data"]["scenario.toml"].as_str().expect("text").contains("[space]"));
    support::golden("submit-kubernetes", &arguments);
}

#[test]
fn where_there_are_no_indexed_jobs_each_shard_is_a_job_of_its_own() {
    let arguments = ["submit", "kubernetes", SPACE, "--shards", "3", "--image", "offing:1", "-o", "json"];
    let told = offing(&[&arguments[..], &["--kubernetes-version", "v1.20.2"]].concat()).expect_code(0).json();
    let jobs = told["items"].as_array().expect("a list").iter().filter(|item| item["kind"] == "Job");
    let jobs: Vec<_> = jobs.collect();
    assert_eq!(jobs.len(), 3);
    for (i, job) in jobs.iter().enumerate() {
        assert_eq!(job["metadata"]["name"], format!("offing-space-{}", i + 1));
        assert!(job["spec"].get("completionMode").is_none());
        let command = job["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str().expect("text");
        assert!(command.ends_with(&format!("--shard \"{}/3\"", i + 1)), "{command}");
    }
    let told = offing(&[&arguments[..], &["--kubernetes-version", "new"]].concat());
    assert!(told.code == 2 && told.stderr.contains("for example `1.20`"), "{}", told.stderr);
}
