//! The whole way from a text to a checked scenario.

use offing_core::{Deployment, Presets};

use crate::build::{Built, build};
use crate::check::{check, table_of};
use crate::goal::{self, Goal};
use crate::issue::{Issue, Severity};
use crate::keys::{ROOT, index};
use crate::raw::{Place, Raw, Sources, Table, parse, set};
use crate::space::{self, Draft, Space};
use crate::value::{Reader, Value, did_you_mean, is_name};
use crate::written::Written;

/// Larger files are refused: nobody writes them, and nothing is to be allocated for them.
const MOST_BYTES: usize = 4 << 20;
/// More issues help nobody.
const MOST_ISSUES: usize = 200;

/// A scenario that can be used, and what a reader must know before trusting its results.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was asked.
    pub scenario: Scenario,
    /// Warnings in the order of the file.
    pub warnings: Vec<Issue>,
}

/// What is asked: a deployment, the space around it, and what is wanted.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in results and reports.
    pub name: String,
    /// Where chance begins.
    pub seed: u64,
    /// The deployment that the file describes; an axis whose key it does not give counts with its first value.
    pub base: Deployment,
    /// The files that the scenario names, as it names them.
    pub files: Vec<String>,
    /// The deployments that are asked about.
    pub space: Space,
    /// What is wanted of them.
    pub goal: Goal,
}

impl Scenario {
    /// A scenario of one deployment, without a goal.
    pub fn single(name: impl Into<String>, seed: u64, base: Deployment) -> Self {
        let space = Space::single(base.clone());
        Scenario { name: name.into(), seed, base, files: Vec::new(), space, goal: Goal::default() }
    }
}

/// Reads a scenario.
///
/// `file` is its name in messages. `files` gives the text of a file that the scenario names, relative to the
/// scenario: reading itself touches no disk. `set` replaces keys by values that are TOML, or else texts.
///
/// # Errors
/// Every issue that was found, in the order of the file, warnings among them.
pub fn load(
    text: &str,
    file: &str,
    files: &dyn Fn(&str) -> Result<String, String>,
    presets: &Presets,
    set: &[(String, String)],
) -> Result<Loaded, Vec<Issue>> {
    if text.len() > MOST_BYTES {
        let sources = Sources::new(file, "");
        let message = format!("the file has {} bytes", text.len());
        let hint =
            format!("the largest size is {MOST_BYTES} bytes; name data files instead of writing values out");
        return Err(vec![sources.issue(Severity::Error, Place::default(), "", message, Some(hint))]);
    }
    let (mut table, syntax) = parse(text);
    let mut reader = Reader::new(Sources::new(file, text), presets, files);
    let complete = syntax.iter().all(|mistake| mistake.harmless);
    for mistake in syntax {
        reader.error(mistake.place, "", mistake.message, mistake.hint);
    }
    // What is missing from a tree with holes is not the user's mistake.
    if !complete {
        return Err(sorted(reader.issues));
    }
    let declared = tiers(&table);
    for (key, value) in set {
        if let Err((place, message, hint)) = self::set(&mut table, &mut reader.sources, key, value) {
            reader.error(place, key, message, hint);
        }
    }
    let mut written = check(&mut reader, &table);
    let draft = match table_of(&mut reader, &table, "space", "[space]") {
        Some((table, _)) => space::read(&mut reader, table, &mut written),
        None => Draft::none(),
    };
    let goal = match table_of(&mut reader, &table, "goal", "[goal]") {
        Some((table, _)) => {
            let metrics = goal::metrics(reader.tiers.iter().map(String::as_str));
            goal::read(&mut reader, table, &metrics)
        }
        None => Goal::default(),
    };
    let Built { deployment, problems } = build(&written);
    for problem in problems {
        match problem.severity {
            Severity::Error => reader.error(problem.place, &problem.key, problem.message, problem.hint),
            Severity::Warning => reader.warn(problem.place, &problem.key, problem.message, problem.hint),
        }
    }
    if let Some(deployment) = &deployment {
        space::warn_unshaped(&mut reader, &draft, &written);
        warn_of_new_tiers(&mut reader, &table, &declared, deployment, &draft);
        draft.try_each_value(&mut reader, &written);
    }
    let failed = reader.issues.iter().any(|issue| issue.severity == Severity::Error);
    let issues = sorted(reader.issues);
    match deployment {
        Some(base) if !failed => {
            let scenario = Scenario {
                name: name(&written, file),
                seed: seed(&written),
                base,
                files: reader.files_read,
                space: draft.around(written),
                goal,
            };
            Ok(Loaded { scenario, warnings: issues })
        }
        _ => Err(issues),
    }
}

/// Names of the tiers in a file, and where they stand.
fn tiers(table: &Table) -> Vec<(String, Place)> {
    match table.get("tier").map(|entry| &entry.node.raw) {
        Some(Raw::Table(tiers)) => tiers.entries.iter().map(|tier| (tier.key.clone(), tier.place)).collect(),
        _ => Vec::new(),
    }
}

/// A misspelt tier in `--set` makes a new one that nothing uses.
fn warn_of_new_tiers(
    reader: &mut Reader<'_>,
    table: &Table,
    declared: &[(String, Place)],
    deployment: &Deployment,
    draft: &Draft,
) {
    let known: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
    for (name, place) in tiers(table) {
        let is_used = deployment.used_tiers().into_iter().any(|tier| deployment.tiers[tier].name == name)
            || draft.targets().any(|(target, _)| *target == *name);
        if !known.contains(&name.as_str()) && !is_used {
            let message = format!("there was no tier `{name}`, and nothing uses the one that this makes");
            reader.warn(place, &format!("tier.{name}"), message, did_you_mean(&name, &known));
        }
    }
}

/// In the order of the file, what was set last, and not more than anybody reads.
fn sorted(mut issues: Vec<Issue>) -> Vec<Issue> {
    issues.sort_by(|a, b| {
        let order = |issue: &Issue| (issue.file == "--set", issue.line, issue.column);
        order(a).cmp(&order(b)).then_with(|| a.key.cmp(&b.key))
    });
    issues.dedup();
    if issues.len() > MOST_ISSUES {
        let more = issues.len() - MOST_ISSUES;
        // An error must not vanish behind two hundred warnings.
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity == Severity::Error));
        issues.truncate(MOST_ISSUES);
        let last = issues.last().expect("just truncated to some").clone();
        issues.push(Issue {
            key: String::new(),
            message: format!("{more} more issues are not shown"),
            hint: None,
            ..last
        });
    }
    issues
}

fn seed(written: &Written) -> u64 {
    const SEED: usize = index(ROOT, "seed");
    match written.root[SEED].as_ref().map(|slot| &slot.value) {
        Some(Value::Count(seed)) => *seed,
        _ => 1,
    }
}

/// The name that is given, or the file's without folder and ending.
fn name(written: &Written, file: &str) -> String {
    const NAME: usize = index(ROOT, "name");
    if let Some(Value::Text(name)) = written.root[NAME].as_ref().map(|slot| &slot.value) {
        return name.to_string();
    }
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' })
        .take(64)
        .collect();
    if is_name(&name) { name } else { "scenario".into() }
}
