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
    // Where there is nothing to warn of, no empty notice says that there is.
    assert!(!page.contains("<ul></ul>"));
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

/// What `rerun --check` says of a folder, if all is the same.
fn checked(path: &str) -> String {
    let said = offing(&["rerun", path, "--check"]).expect_code(0).stdout;
    assert!(said.lines().count() > 1 && said.lines().all(|line| line.ends_with(" same")), "{said}");
    said
}

#[test]
fn shards_that_were_merged_are_computed_again_as_a_whole() {
    let folder = scratch("sharded");
    let _ = fs::remove_dir_all(&folder);
    let path = folder.display().to_string();
    // Units have 16 numbers at least; this space has 40.
    let axes = ["tier.endpoint.nodes=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "tier.cloud.cores=[2, 4]"];
    let sets = axes.map(|axis| format!("space.{axis}"));
    for shard in ["1/3", "2/3", "3/3"] {
        let scenario = ["explore", "../../scenarios/library/load.toml", "--set", &sets[0], "--set", &sets[1]];
        let more = ["--set", "duration=20 s", "--out", &path, "--shard", shard];
        offing(&[&scenario[..], &more].concat()).expect_code(0);
    }
    if !folder.join("manifest.json").is_file() {
        offing(&["merge", &path, "--shortlist", "3"]).expect_code(0);
    }
    let said = checked(&format!("{path}/manifest.json"));
    assert!(said.contains("summary.csv") && said.contains("distributions.csv"), "{said}");
}

#[test]
fn single_predictions_are_kept_and_computed_again() {
    let folder = |name: &str| {
        let folder = scratch(name);
        let _ = fs::remove_dir_all(&folder);
        (folder.display().to_string(), folder)
    };
    // With a file that the scenario names, another seed and another engine.
    let (path, at) = folder("kept-simulate");
    let asked =
        ["simulate", "data/files.toml", "--seed", "5", "--engine", "events", "--set", "duration=30 s"];
    offing(&[&asked[..], &["--out", &path]].concat()).expect_code(0);
    let said = checked(&path);
    for name in ["scenario.toml", "summary.json", "summary.csv", "distributions.csv"] {
        assert!(said.contains(name), "{said}");
    }
    let kept: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at.join("summary.json")).unwrap()).unwrap();
    assert_eq!(kept, offing(&[&asked[..], &["--json"]].concat()).expect_code(0).json());
    assert!(at.join("inputs/0").is_file());
    offing(&[&asked[..], &["--out", &path]].concat()).expect_code(2);
    let told = offing(&["report", &path]).expect_code(0).stdout;
    assert!(told.contains("A request takes") && told.contains("█"), "{told}");
    let page = fs::read_to_string(at.join("report.html")).unwrap();
    assert!(
        page.contains("figure-distribution") && page.contains("figure-tail"),
        "the predicted distribution"
    );
    // Somebody has changed a number.
    let summary = fs::read_to_string(at.join("summary.csv")).unwrap();
    fs::write(at.join("summary.csv"), summary.replacen('7', "8", 1)).unwrap();
    let said = offing(&["rerun", &path, "--check"]).expect_code(1).stdout;
    assert!(
        said.contains("summary.csv          same as its hash, but the file in the folder has been changed"),
        "{said}"
    );

    let bound =
        ["invert", "data/constant.toml", "--for", "tier.endpoint.nodes", "--such-that", "load <= 0.9"];
    let both = [
        "invert",
        "../../scenarios/library/video.toml",
        "--break-even",
        "link.endpoint-cloud.latency",
        "--between",
        "edge",
        "cloud",
        "--set",
        "tier.endpoint.nodes=1",
        "--from",
        "1 ms",
    ];
    for (name, asked) in [("kept-bound", &bound[..]), ("kept-break-even", &both[..])] {
        let (path, at) = folder(name);
        let asked = [asked, &["--runs", "2", "--set", "duration=20 s"]].concat();
        offing(&[&asked[..], &["--out", &path]].concat()).expect_code(0);
        assert!(checked(&path).contains("answer.json"));
        let kept: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(at.join("answer.json")).unwrap()).unwrap();
        assert_eq!(kept, offing(&[&asked[..], &["--json"]].concat()).expect_code(0).json());
        offing(&["report", &path]).expect_code(0);
        let page = fs::read_to_string(at.join("report.html")).unwrap();
        assert!(page.contains("Question.") && page.contains("What was tried"), "{name}");
    }
}

#[test]
fn what_other_models_predicted_is_computed_again_with_these() {
    let folder = scratch("with-models");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let scenario = "../../scenarios/library/load.toml";
    let (trace, models) = (at("run.csv"), at("models.toml"));
    offing(&["simulate", scenario, "--trace", &trace, "--json", "--set", "tier.endpoint.nodes=2"])
        .expect_code(0);
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(scenario)).unwrap();
    fs::write(folder.join("run.toml"), text.replacen("nodes = 1", "nodes = 2", 1)).unwrap();
    offing(&["calibrate", &trace, "--out", &models]).expect_code(0);
    let (explored, simulated) = (at("explored"), at("simulated"));
    offing(&["explore", scenario, "--models", &models, "--out", &explored]).expect_code(0);
    offing(&["simulate", scenario, "--models", &models, "--out", &simulated]).expect_code(0);
    checked(&explored);
    checked(&simulated);
    // Without them it is another prediction.
    fs::remove_file(Path::new(&explored).join("models.toml")).unwrap();
    let said = offing(&["rerun", &explored, "--check"]).expect_code(2).stderr;
    assert!(
        said.contains("it was predicted with the models fitted-") && said.contains("hint: put"),
        "{said}"
    );
}

#[test]
fn what_is_no_prediction_is_refused_with_what_it_is() {
    let folder = scratch("no-prediction");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let manifest = folder.join("manifest.json");
    let path = manifest.display().to_string();
    let refused = |text: &str| {
        fs::write(&manifest, text).unwrap();
        offing(&["rerun", &path, "--check"]).expect_code(2).stderr
    };
    let said = refused("{ \"kind\": \"measured\", \"files\": {} }");
    assert!(said.contains("what happened on real machines cannot be computed again"), "{said}");
    assert!(said.contains("hint: measure again with `offing emulate run`"), "{said}");
    let said = refused("{ \"kind\": \"validation\", \"outputs\": {} }");
    assert!(said.contains("of kind `validation`, which is not a prediction"), "{said}");
    let said = refused("{ \"kind\": \"loop\", \"outputs\": {} }");
    assert!(said.contains("of kind `loop`, which is not a prediction"), "{said}");
    let said = refused("{}");
    assert!(said.contains("does not say of which prediction it is"), "{said}");
    // Nor is there a report of it; what is inside is named.
    let step = folder.join("01-explore");
    fs::create_dir_all(&step).unwrap();
    fs::write(step.join("shortlist.json"), "{}").unwrap();
    fs::write(&manifest, "{ \"kind\": \"rounds\" }").unwrap();
    let said = offing(&["report", &folder.display().to_string()]).expect_code(2).stderr;
    assert!(
        said.contains("of kind `rounds`, of which there is no report") && said.contains("01-explore`"),
        "{said}"
    );
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
