//! The parts of the manual that programs write are current: commands, columns, pictures. `UPDATE=1` writes them.
#![cfg(feature = "emu")]

#[path = "support/recorded.rs"]
mod recorded;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{folder, offing_in, scratch};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a file of the manual with what it should say, or writes it.
fn is_current(name: &str, expected: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, expected).expect("the manual can be written");
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        current == expected,
        "docs/{name} is not current: run `UPDATE=1 cargo test -p offing --test documents`"
    );
}

/// What a command line prints.
fn printed(words: &[&str]) -> String {
    let said = offing_in(words, &[("COLUMNS", "100")]);
    assert_eq!(said.code, 0, "{words:?}: {}", said.stderr);
    said.stdout
}

/// The commands that a help lists, but not itself.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let list = list.split("\n\n").next().expect("there is a first part");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(String::from)
        .collect()
}

#[test]
fn the_reference_of_commands_is_current() {
    let mut text = String::from(
        "# Commands\n\nWhat `offing COMMAND --help` prints, written by the test `documents`. [The book](README.md) says \
         what they are for.\n",
    );
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = printed(&words);
        let more = listed(&help).into_iter().rev().map(|name| [&command[..], &[name]].concat());
        let title = ["offing".to_owned()].iter().chain(&command).cloned().collect::<Vec<_>>().join(" ");
        text += &format!("\n## {title}\n```text\n{}\n```\n", help.trim_end());
        waiting.extend(more);
    }
    assert!(text.contains("## offing emulate run\n") && text.contains("## offing submit slurm\n"));
    is_current("commands.md", &text);
}

/// What a column means that is not a metric.
fn meaning(column: &str) -> Option<(&'static str, &'static str)> {
    Some(match column {
        "scenario" => ("", "name of the scenario"),
        "deployment" => ("", "id of the deployment: a hash of all that it is"),
        "seed" => ("", "where chance began"),
        "models" => ("", "name and hash of the parameters"),
        "engine" => ("", "what made the numbers: `stations`, `events` or `measured`"),
        "observed_s" => ("s", "observed span: duration less warm-up"),
        "requests_offered" => ("", "requests emitted in the observed span"),
        "requests_completed" => ("", "of these, those that came back"),
        "requests_dropped" => ("", "of these, those that a full queue refused"),
        "requests_unfinished" => ("", "of these, those still under way at the end; 0 in a simulation"),
        "growth_rps" => ("requests/s", "in overload, by how much the system fills up"),
        "bottleneck" => ("", "the resource with the highest load"),
        "number" => ("", "number of the deployment in the space"),
        "verdict" => ("", "`feasible`, `infeasible`, `screened` or `excluded`"),
        "reason" => ("", "why it is not feasible; of a measured run, why it is not valid"),
        "requests" => ("", "requests that the row rests on"),
        "decided" => ("", "what a race says: `early`, `whole` or `open`"),
        "latency_ms" => ("ms", "a latency"),
        "share" => ("", "share of the completed requests that took at most so long, 0 to 1"),
        "axis" => ("", "the keys of an axis"),
        "value" => ("", "its value, as people read it"),
        "metric" => ("", "a metric of the goal"),
        "mean" => ("of the metric", "its mean over the rows with that value"),
        "rows" => ("", "how many these are"),
        "run" => ("", "name of the run's folder"),
        "repetition" => ("", "which one, from 1"),
        "valid" => ("", "whether the run can be trusted, by its own account"),
        "endpoint" => ("", "number of the endpoint, from 0"),
        "index" => ("", "number of the request at that endpoint, from 0"),
        "node" => ("", "number of the target node, from 0"),
        "emitted_ns" => ("ns", "when it was emitted, from the beginning of the run"),
        "prepare_ns" => ("ns", "work at the endpoint before it is sent"),
        "uplink_ns" => ("ns", "the way to the target, waiting for the link included"),
        "queue_ns" => ("ns", "waiting for a processor at the target"),
        "process_ns" => ("ns", "work at the target"),
        "downlink_ns" => ("ns", "the way back"),
        "latency_ns" => ("ns", "the sum of the five, exactly"),
        "dropped" => ("", "`true` if it did not come back"),
        "worker" => ("", "worker process that served it; measured runs only"),
        "frame_bytes" => ("byte", "size of what was sent; measured runs only"),
        "prepare_cpu_ns" => ("ns", "processor time of the preparation; measured runs only"),
        "process_cpu_ns" => ("ns", "processor time of the work; measured runs only"),
        _ => return None,
    })
}

/// A line of the reference for a column.
fn line(column: &str) -> String {
    let row = |unit: &str, words: &str| format!("| `{column}` | {unit} | {words} |\n");
    if column.contains('.') {
        return row("as written", "the value of that key: one column for each axis");
    }
    if let Some((unit, words)) = meaning(column) {
        return row(unit, words);
    }
    for (end, which) in [("_ci95_low_ms", "lower"), ("_ci95_high_ms", "upper")] {
        if let Some(of) = column.strip_suffix(end) {
            let (words, _) = offing_report::metric(&format!("{of}_ms"));
            return row("ms", &format!("{which} end of the 95 % interval of the {words}"));
        }
    }
    let (words, unit) = offing_report::metric(column);
    assert_ne!(words, column, "the column `{column}` has no words in the manual");
    row(unit, &words)
}

#[test]
fn the_reference_of_columns_is_current() {
    let scenario = "data/shortlisted.toml";
    let (explored, records, measured) =
        (folder("columns-explored"), folder("columns-records"), folder("columns-measured"));
    let trace = scratch("columns.csv");
    let text = |path: &Path| path.display().to_string();
    let with_quantiles = ["--set", "goal.minimise=[\"queue_p95_ms\", \"latency_sd_ms\"]"];
    printed(&[&["explore", scenario, "--out", &text(&explored)], &with_quantiles[..]].concat());
    let csv = printed(&["simulate", scenario, "--csv", "--trace", &text(&trace)]);
    let space = folder("columns-shortlist");
    printed(&["explore", scenario, "--out", &text(&space)]);
    recorded::shortlist(&space, scenario, 15, 1, &records);
    let replay = ["--provider", "rehearsal", "--recorded", &text(&records), "--out", &text(&measured)];
    printed(&[&["emulate", "run", &text(&space)], &replay[..]].concat());
    let run = fs::read_dir(measured.join("runs")).unwrap().next().unwrap().unwrap().path();
    let read = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
    };
    let files = [
        ("`offing simulate --csv`, `summary.csv` of `simulate --out`", csv),
        ("`summary.csv` and `front.csv` of an exploration", read(explored.join("summary.csv"))),
        (
            "`distributions.csv` of an exploration and of `simulate --out`",
            read(explored.join("distributions.csv")),
        ),
        ("`sensitivity.csv` of an exploration", read(explored.join("sensitivity.csv"))),
        ("`summary.csv` of measured runs", read(measured.join("summary.csv"))),
        ("`requests.csv` of a measured run, and `offing simulate --trace`", read(run.join("requests.csv"))),
    ];
    assert_eq!(
        read(explored.join("summary.csv")).lines().next(),
        read(explored.join("front.csv")).lines().next()
    );
    let traced: BTreeSet<String> = header(&read(trace)).into_iter().collect();
    let mut manual = String::from(
        "# Columns\n\nEvery column of every CSV file that Offing writes, in its order; written by the test `documents` from \
         files that it makes. The tiers of the example are `endpoint`, `edge` and `cloud`, and its axis is `deploy.target`; \
         yours have their own columns. What is not known is empty. Columns that are computed are valid attribute names in \
         Python; units are the ends of the names.\n",
    );
    for (title, text) in files {
        let columns = header(&text);
        manual += &format!("\n## {title}\n\n| column | unit | meaning |\n|---|---|---|\n");
        manual.extend(columns.iter().map(|column| line(column)));
        if title.contains("--trace") {
            let all: BTreeSet<String> = columns.into_iter().collect();
            assert!(traced.is_subset(&all), "a trace has no column of its own");
        }
    }
    is_current("columns.md", &manual);
}

fn header(csv: &str) -> Vec<String> {
    csv.lines().next().expect("a header").split(',').map(String::from).collect()
}

#[test]
fn the_pictures_of_the_gallery_are_current() {
    let out = folder("gallery");
    fs::create_dir_all(&out).unwrap();
    let made = Command::new(root().join("docs/gallery/make.sh"))
        .args([env!("CARGO_BIN_EXE_offing"), &out.display().to_string()])
        .output()
        .expect("a shell is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().display().to_string());
        entries.filter(|name| name.ends_with(".svg")).collect()
    };
    let kept = root().join("docs/gallery");
    if std::env::var_os("UPDATE").is_some() {
        names(&kept).iter().for_each(|name| fs::remove_file(kept.join(name)).unwrap());
        for name in names(&out) {
            fs::copy(out.join(&name), kept.join(&name)).unwrap();
        }
    }
    let update = "run `UPDATE=1 cargo test -p offing --test documents`";
    assert_eq!(names(&out), names(&kept), "docs/gallery has other pictures: {update}");
    let page = fs::read_to_string(root().join("docs/gallery.md")).unwrap();
    for name in names(&kept) {
        let [new, old] = [&out, &kept].map(|folder| fs::read(folder.join(&name)).unwrap());
        assert!(new == old, "docs/gallery/{name} is not current: {update}");
        assert!(old.len() < 150_000, "{name} is small");
        assert!(page.contains(&format!("](gallery/{name})")), "{name} is shown");
    }
}

#[test]
fn the_book_lists_every_page_and_its_links_lead_somewhere() {
    let docs = root().join("docs");
    let book = fs::read_to_string(docs.join("README.md")).unwrap();
    let mut pages: Vec<String> = Vec::new();
    for folder in ["", "how-to/"] {
        for entry in fs::read_dir(docs.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().display().to_string();
            if name.ends_with(".md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    for page in &pages {
        assert!(page == "README.md" || book.contains(&format!("]({page}")), "the book does not list {page}");
        let text = fs::read_to_string(docs.join(page)).unwrap();
        let home = docs.join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            if file.starts_with("http") || file.starts_with("mailto") {
                continue;
            }
            let target = if file.is_empty() { docs.join(page) } else { home.join(file) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|end| end == "md")) else {
                continue;
            };
            let text = fs::read_to_string(&target).unwrap();
            let titles = text.lines().filter(|line| line.starts_with('#')).map(slug).collect::<Vec<_>>();
            assert!(titles.iter().any(|title| title == anchor), "{page}: {link} has no such heading");
        }
    }
}

/// The anchor of a heading, as code forges make it.
fn slug(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn packages_name_the_authors_of_the_citation() {
    let citation = fs::read_to_string(root().join("CITATION.cff")).unwrap();
    let names: Vec<&str> = citation.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
    assert!(!names.is_empty());
    let cargo = fs::read_to_string(root().join("cli/Cargo.toml")).unwrap();
    let maintainer = cargo.lines().find_map(|line| line.strip_prefix("maintainer = ")).unwrap();
    assert_eq!(maintainer, format!("\"{}\"", names.join(", ")));
}
