//! `offing report`, `offing rerun` and `offing export --ro-crate` on explorations that were really made.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{offing, scratch};

/// An exploration of a shipped scenario.
fn explored(name: &str, more: &[&str]) -> (PathBuf, String) {
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    let path = folder.display().to_string();
    let args = [&["explore", "../../scenarios/library/load.toml", "--out", &path], more].concat();
    offing(&args).expect_code(0);
    (folder, path)
}

#[test]
fn a_report_goes_into_the_folder_with_its_figures_beside_it() {
    let (folder, path) = explored("report", &[]);
    let said = offing(&["report", &path, "--figures", "svg"]).expect_code(0).stdout;
    assert!(said.contains("report.html") && said.contains("figures"), "{said}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("Of 8 possible deployments of “load”"));
    for name in ["parts", "load", "latency_by_endpoints", "utilization"] {
        assert!(fs::read_to_string(folder.join(format!("figures/{name}.svg"))).unwrap().contains("<svg"));
    }
    // Eight cameras on the edge node: 8 x 5 /s x 125 ms on half of 2 x 75 % of a core; rejected without simulation.
    let load = fs::read_to_string(folder.join("figures/load.csv")).unwrap();
    assert!(load.contains("edge,8,666.6666666666667,,,1"), "{load}");
    // The folder is still complete, and the page is the same when it is made again.
    offing(&["explore", "--resume", &path]).expect_code(0);
    offing(&["report", &path]).expect_code(0);
    assert_eq!(fs::read_to_string(folder.join("report.html")).unwrap(), page);
}

#[test]
fn what_is_no_result_is_bad_input() {
    let said = offing(&["report", "data"]).expect_code(2).stderr;
    assert!(said.contains("hint: name a folder"), "{said}");
    offing(&["report"]).expect_code(2);
    offing(&["rerun", "data/constant.toml"]).expect_code(2);
    offing(&["export", "data", "--ro-crate"]).expect_code(2);
    offing(&["export", "data/constant.toml"]).expect_code(2);
}

#[test]
fn a_rerun_gives_the_same_bytes_and_notices_when_it_does_not() {
    let (folder, path) = explored("rerun", &["--shortlist", "2"]);
    let manifest = format!("{path}/manifest.json");
    let said = offing(&["rerun", &manifest, "--check", "--threads", "2"]).expect_code(0).stdout;
    assert!(said.lines().count() >= 6 && said.lines().all(|line| line.ends_with(" same")), "{said}");
    // Somebody has changed a result.
    let shortlist = folder.join("shortlist.json");
    let text = fs::read_to_string(&shortlist).unwrap();
    fs::write(&shortlist, text.replacen("\"front\": ", "\"front\": 9", 1)).unwrap();
    let said = offing(&["rerun", &manifest, "--check"]).expect_code(1).stdout;
    assert!(
        said.contains("shortlist.json       same as its hash, but the file in the folder has been changed"),
        "{said}"
    );
    fs::write(&shortlist, text).unwrap();
    // Somebody claims another result.
    let text = fs::read_to_string(&manifest).unwrap();
    let claimed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hash = claimed["outputs"]["summary.csv"].as_str().unwrap();
    fs::write(&manifest, text.replace(hash, &"0".repeat(64))).unwrap();
    let said = offing(&["rerun", &manifest, "--check"]).expect_code(1).stdout;
    assert!(said.contains("summary.csv          DIFFERENT"), "{said}");
    assert!(Path::new(&path).join("summary.csv").is_file(), "the old results stay");
}

#[test]
fn a_folder_becomes_a_research_object_crate() {
    let (folder, path) = explored("crate", &[]);
    offing(&["export", &path, "--ro-crate", "--licence", "https://spdx.org/licenses/CC-BY-4.0"])
        .expect_code(0);
    let text = fs::read_to_string(folder.join("ro-crate-metadata.json")).unwrap();
    let crated: serde_json::Value = serde_json::from_str(&text).unwrap();
    let graph = crated["@graph"].as_array().unwrap();
    let summary = graph.iter().find(|entity| entity["@id"] == "summary.csv").unwrap();
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    assert!(manifest.contains(summary["sha256"].as_str().unwrap()), "both have the same hash");
}
