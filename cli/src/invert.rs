//! `offing invert`: the value of one key with which something holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use offing_core::{Deployment, Summary, units};
use offing_explore::Judge;
use offing_explore::invert::{
    BreakEven, Direction, Division, Extreme, Range, Trial, Trials, break_even, extreme,
};
use offing_scenarios::{Issue, Scenario, Severity, canonical, infeasible};
use serde::{Deserialize, Serialize};
use serde_json::json;
use toml::Value;

use crate::args::{Input, Invert, Question, Reading};
use crate::breakdown::{self, Bar};
use crate::failure::Failure;
use crate::input::Source;
use crate::kept::{self, Asked, Kept};
use crate::models;
use crate::output::{Screen, issues, print, print_json};
use crate::page::{Page, Step, Style, count, significant};
use crate::progress::Progress;
use crate::scenario_facts::resolve;

pub fn run(args: &Invert) -> Result<(), Failure> {
    models::choose(args.models.file.as_deref())?;
    let source = Source::read(&args.input)?;
    let kept = args.out.as_deref().map(Kept::open).transpose()?;
    let answer = answer(args, &source)?;
    if let Some(kept) = kept {
        let scenario = source.load(&[])?.scenario;
        let models = kept::text_of_models(args.models.file.as_deref())?;
        let asked = Asked {
            kind: KIND,
            inputs: &source.inputs(&scenario)?,
            models: models.as_deref(),
            seed: args.seed.unwrap_or(scenario.seed),
            how: json!(How { question: args.question.clone(), runs: args.runs }),
            scenario: &scenario,
        };
        kept.finish(&asked, &answer.files())?;
    }
    if args.json {
        print_json(&answer.json)?;
    } else {
        print(&answer.text)?;
    }
    if answer.is_found { Ok(()) } else { Err(Failure::Told(ExitCode::from(1))) }
}

/// Of its manifest.
pub const KIND: &str = "invert";

/// The options that decide the answer, as a manifest has them.
#[derive(Serialize, Deserialize)]
struct How {
    #[serde(flatten)]
    question: Question,
    runs: u32,
}

/// Computes what a folder was made of once more, into another one.
pub fn again(asked: &Asked<'_>, folder: &Path, kept: Kept) -> Result<(), Failure> {
    let how: How = serde_json::from_value(asked.how.clone()).map_err(|cause| {
        refused(format!("the manifest does not say how it was asked: {cause}"), "it is of another version")
    })?;
    let How { question, runs } = how;
    let reading = Reading { strict: false, semantics: None };
    let input = Input { file: folder.join("scenario.toml"), assignments: Vec::new(), reading };
    let seed = Some(asked.seed);
    let models = crate::args::Models { file: None };
    let (out, json) = (None, true);
    let args = Invert { input, models, question, seed, runs, out, json };
    let source = Source::of_folder(&args.input, canonical(asked.scenario), asked.inputs.to_vec());
    let answer = answer(&args, &source)?;
    kept.finish(asked, &answer.files())
}

/// What came of a question.
struct Answer {
    json: serde_json::Value,
    text: String,
    is_found: bool,
}

impl Answer {
    /// What a result folder has of it.
    fn files(&self) -> [(&'static str, Vec<u8>); 1] {
        [("answer.json", kept::pretty(&self.json).into_bytes())]
    }
}

fn answer(args: &Invert, source: &Source<'_>) -> Result<Answer, Failure> {
    match (&args.question.key, &args.question.break_even) {
        (_, Some(key)) => equal(args, source, key),
        (Some(key), None) => bound(args, source, key),
        (None, None) => Err(refused("there is no key to look at", "write `--for KEY`")),
    }
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::Refused { message: message.into(), hint: Some(hint.into()) }
}

/// A scenario with other keys; what is wrong with them is said of the option that they come from.
fn load(
    source: &Source<'_>,
    set: &[(String, String)],
    options: &[(&str, &str)],
) -> Result<Scenario, Failure> {
    let named = |mut issue: Issue| {
        if let Some((_, option)) = options.iter().find(|(key, _)| issue.key.starts_with(key)) {
            issue.file = (*option).into();
        }
        issue
    };
    source.load(set).map(|loaded| loaded.scenario).map_err(|failure| each_issue(failure, named))
}

/// Changes what is said of keys that were set.
fn each_issue(failure: Failure, change: impl Fn(Issue) -> Issue) -> Failure {
    let change = |issue: Issue| if issue.file == "--set" { change(issue) } else { issue };
    match failure {
        Failure::Bad(found) => Failure::Bad(found.into_iter().map(change).collect()),
        other => other,
    }
}

/// The same as the fault of another option.
fn said_of(option: &str, key: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Bad(mut found) => {
            found.iter_mut().filter(|issue| issue.key == key).for_each(|issue| issue.file = option.into());
            Failure::Bad(found)
        }
        other => other,
    }
}

/// Leaves out the warnings: they were said when the file was read first.
fn without_warnings(failure: Failure) -> Failure {
    match failure {
        Failure::Bad(mut found) => {
            found.retain(|issue| issue.severity == Severity::Error);
            Failure::Bad(found)
        }
        other => other,
    }
}

/// Refuses a key of a tier that the file does not have: to set it would declare the tier.
fn tier_is_there(source: &Source<'_>, key: &str, scenario: &Scenario, option: &str) -> Result<(), Failure> {
    let Some(tier) = key.strip_prefix("tier.").and_then(|rest| rest.split('.').next()) else { return Ok(()) };
    if scenario.base.tiers.iter().any(|known| known.name == tier) {
        return Ok(());
    }
    // As a target it is looked up, and the reader knows the nearest name.
    let as_key = |issue: Issue| Issue { file: option.into(), key: key.into(), ..issue };
    let looked_up = source.load(&[assignment("deploy.target", tier)]).map(drop);
    looked_up.map_err(|failure| each_issue(without_warnings(failure), as_key))
}

fn assignment(key: &str, value: impl Into<String>) -> (String, String) {
    (key.into(), value.into())
}

/// Texts as a TOML list.
fn list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    Value::Array(texts.into_iter().map(|text| Value::String(text.clone())).collect()).to_string()
}

/// `--for KEY`.
fn bound(args: &Invert, source: &Source<'_>, key: &str) -> Result<Answer, Failure> {
    let mut set = Vec::new();
    if !args.question.conditions.is_empty() {
        set.push(assignment("goal.require", list(&args.question.conditions)));
    }
    let options = [("goal.require", "--such-that"), (key, "--for")];
    let scenario = load(source, &set, &options)?;
    issues(&source.load(&set)?.warnings);
    if scenario.goal.require.is_empty() {
        let hint = "write `--such-that \"latency_p95_ms <= 150\"`, or `require` under `[goal]`";
        return Err(refused("there is nothing that must hold", hint));
    }
    let with = |value: &str| {
        let set = [&set[..], &[assignment(key, value)]].concat();
        load(source, &set, &options).map_err(without_warnings)
    };
    tier_is_there(source, key, &scenario, "--for")?;
    let axis = Axis::new(args, key, &scenario, &with)?;
    let progress = Progress::about(axis.range.about(), "values");
    let at = |value: f64| {
        progress.add(1);
        deployment(with(&axis.measure.write(value)))
    };
    let mut metrics: Vec<String> = Vec::new();
    for name in scenario.goal.require.iter().flat_map(|condition| condition.names()) {
        if !metrics.contains(name) {
            metrics.push(name.clone());
        }
    }
    let seed = args.seed.unwrap_or(scenario.seed);
    let trials = Trials::new(&at, models::current(), &metrics, (seed, args.runs), axis.range);
    let judge = Judge::new(&scenario.goal, &metrics);
    let direction = match (args.question.largest, args.question.smallest) {
        (true, _) => Some(Direction::Largest),
        (_, true) => Some(Direction::Smallest),
        _ => None,
    };
    let answer = extreme(&trials, &judge, direction);
    // What was found, and where nothing was, what limits it at the end that was wanted.
    let shown = answer.found.as_ref().map_or_else(|| axis.range.ends()[0], |trial| trial.value);
    let bars = bar_at(axis.text(shown, Round::Nearest), at(shown), seed);
    drop(progress);
    let told = Told { args, key, scenario: &scenario, axis: &axis, metrics: &metrics, seed };
    Ok(Answer {
        json: json!(told.bound_as_json(&answer)),
        text: told.bound_as_text(&answer, &judge, &bars.into_iter().collect::<Vec<_>>()),
        is_found: answer.found.is_some(),
    })
}

/// Where the time goes with one value, if it can run.
fn bar_at(name: String, deployment: Result<Deployment, String>, seed: u64) -> Option<Bar> {
    let deployment = deployment.ok().filter(|deployment| {
        infeasible(deployment).is_empty() && offing_sim::refusal(deployment).is_none()
    })?;
    let run = offing_sim::simulate(&deployment, models::current(), seed);
    Bar::new(name, &Summary::new("", &run, deployment.app.deadline.is_some()))
}

/// `--break-even KEY`.
fn equal(args: &Invert, source: &Source<'_>, key: &str) -> Result<Answer, Failure> {
    let metrics = vec![args.question.metric.clone().unwrap_or_else(|| "latency_p95_ms".into())];
    let [first, second] = args.question.between.as_slice() else {
        return Err(refused("two targets are compared", "write for example `--between edge cloud`"));
    };
    let options = [("goal.minimise", "--metric"), ("deploy.target", "--between"), (key, "--break-even")];
    let with = |target: &str, value: Option<&str>| {
        let mut set = vec![assignment("goal.minimise", list(&metrics)), assignment("deploy.target", target)];
        set.extend(value.map(|value| assignment(key, value)));
        load(source, &set, &options).map_err(|failure| match value {
            Some(_) => without_warnings(failure),
            None => failure,
        })
    };
    let scenario = with(first, None)?;
    with(second, None)?;
    issues(&source.load(&[])?.warnings);
    tier_is_there(source, key, &scenario, "--break-even")?;
    let axis = Axis::new(args, key, &scenario, &|value: &str| with(first, Some(value)))?;
    let progress = Progress::about(2 * axis.range.about(), "values");
    let at = |target: &str, value: f64| {
        progress.add(1);
        deployment(with(target, Some(&axis.measure.write(value))))
    };
    let (at_first, at_second) = (|value: f64| at(first, value), |value: f64| at(second, value));
    let seed = args.seed.unwrap_or(scenario.seed);
    let replicas = (seed, args.runs);
    let answer = break_even(
        &Trials::new(&at_first, models::current(), &metrics, replicas, axis.range),
        &Trials::new(&at_second, models::current(), &metrics, replicas, axis.range),
        0,
    );
    let shown = answer.value.unwrap_or_else(|| axis.range.ends()[0]);
    let bar = |target: &String| {
        bar_at(format!("{target}, {}", axis.text(shown, Round::Nearest)), at(target, shown), seed)
    };
    let bars: Vec<Bar> = args.question.between.iter().filter_map(bar).collect();
    drop(progress);
    let told = Told { args, key, scenario: &scenario, axis: &axis, metrics: &metrics, seed };
    Ok(Answer {
        json: json!(told.equal_as_json(&answer)),
        text: told.equal_as_text(&answer, &bars),
        is_found: answer.value.is_some(),
    })
}

/// What is tried, or why it cannot be.
fn deployment(loaded: Result<Scenario, Failure>) -> Result<Deployment, String> {
    loaded.map(|scenario| scenario.base).map_err(|failure| match failure {
        Failure::Bad(found) => found.iter().map(|issue| issue.message.clone()).collect::<Vec<_>>().join("; "),
        _ => "it cannot be read any more".into(),
    })
}

/// How the values of a key are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    Plain,
    Time,
    Frequency,
    Rate,
    Size,
    Price,
}

impl Measure {
    const ALL: [Measure; 6] =
        [Measure::Plain, Measure::Time, Measure::Frequency, Measure::Rate, Measure::Size, Measure::Price];

    /// A value in base units, if it is written so.
    fn read(self, text: &str) -> Option<f64> {
        match self {
            Measure::Plain => units::share(text).ok(),
            Measure::Time => units::seconds(text).ok(),
            Measure::Frequency => units::per_second(text).ok(),
            Measure::Rate => units::bit_per_s(text).ok(),
            Measure::Size => units::bytes(text).ok(),
            Measure::Price => units::usd_per_hour(text).ok(),
        }
    }

    fn of(text: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.read(text).is_some())
    }

    fn write(self, value: f64) -> String {
        match self {
            Measure::Plain => value.to_string(),
            Measure::Time => units::write_seconds(value),
            Measure::Frequency => units::write_per_second(value),
            Measure::Rate => units::write_bit_per_s(value),
            Measure::Size => units::write_bytes(value),
            Measure::Price => units::write_usd_per_hour(value),
        }
    }
}

/// The key, its values, and how they are written.
struct Axis {
    measure: Measure,
    range: Range,
}

/// How far the range goes on either side of the file's value where nothing is said.
const SPAN: f64 = 16.0;

impl Axis {
    fn new(
        args: &Invert,
        key: &str,
        scenario: &Scenario,
        with: &dyn Fn(&str) -> Result<Scenario, Failure>,
    ) -> Result<Axis, Failure> {
        let current = current(key, scenario)?;
        if current.is_none()
            && let Err(failure) = with("1")
            && !is_about(&failure, "`1`")
        {
            return Err(failure);
        }
        let given = [&args.question.from, &args.question.to, &args.question.step].into_iter().flatten();
        let Some(measure) = current.iter().chain(given).find_map(|text| Measure::of(text)) else {
            let message = format!("`{key}` has no value from which a range follows");
            return Err(refused(message, "write `--from VALUE --to VALUE`"));
        };
        let read = |option: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match measure.read(text) {
                Some(value) => Ok(Some(value)),
                // The reader of the key says best what is wrong.
                None => Err(with(text).err().map_or_else(
                    || {
                        let unit = current.as_ref().map_or(String::new(), |text| format!(" as in `{text}`"));
                        let message = format!("{option}: `{text}` is not a value of `{key}`");
                        refused(message, format!("write it{unit}"))
                    },
                    |failure| said_of(option, key, failure),
                )),
            },
        };
        let (from, to, step) = (
            read("--from", &args.question.from)?,
            read("--to", &args.question.to)?,
            read("--step", &args.question.step)?,
        );
        let current = current.as_ref().and_then(|text| measure.read(text)).filter(|&value| value > 0.0);
        let is_allowed = |value: f64| with(&measure.write(value)).is_ok();
        let is_whole = measure == Measure::Plain && !is_allowed(0.5) && !is_allowed(1.5);
        let is_cores = key.ends_with(".cores") && [from, to].iter().flatten().all(|end| end.fract() == 0.0);
        let step = step.or((is_whole || is_cores).then_some(1.0));
        let ends = |toward: f64| {
            // As far as the key allows.
            let far = [toward, toward.powf(0.75), toward.sqrt(), toward.powf(0.25), 1.0];
            let value = move |factor: f64| current.map(|current| current * factor);
            let rounded = move |value: f64| if step == Some(1.0) { value.round().max(1.0) } else { value };
            far.into_iter().filter_map(value).map(rounded).find(|&value| is_allowed(value))
        };
        let least = (step == Some(1.0) && is_allowed(1.0)).then_some(1.0);
        let from = from.or(least).or_else(|| ends(1.0 / SPAN));
        let to = to.or_else(|| ends(SPAN));
        let (Some(from), Some(to)) = (from, to) else {
            let message = format!("`{key}` has no value from which a range follows");
            return Err(refused(message, "write `--from VALUE --to VALUE`"));
        };
        let range = match step {
            Some(step) => Range::steps(from, to, step),
            None => Range::continuous(from, to),
        };
        let [low, high] = [from, to].map(|end| measure.write(end));
        let range = range.map_err(|_| {
            refused(
                format!("the range of `{key}` from {low} to {high} has no two values"),
                "write a smaller `--from`, a larger `--to` or a smaller `--step`",
            )
        })?;
        // A range may end where nothing can be built, but not where nothing can be read.
        for (option, end) in ["--from", "--to"].into_iter().zip(range.ends()) {
            with(&measure.write(end)).map_err(|failure| said_of(option, key, failure))?;
        }
        Ok(Axis { measure, range })
    }

    /// A value as people read it, in five digits; the last is rounded up or down.
    fn text(&self, value: f64, round: Round) -> String {
        self.measure.write(five_digits(value, round))
    }

    fn ends(&self) -> String {
        let [from, to] = self.range.ends().map(|end| self.measure.write(end));
        format!("{from} to {to}")
    }
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Nearest,
    Up,
}

fn five_digits(value: f64, round: Round) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let nearest: f64 = format!("{value:.4e}").parse().unwrap_or(value);
    let unit = 10_f64.powi(value.abs().log10().floor() as i32 - 4);
    let moved = match round {
        Round::Down if nearest > value => nearest - unit,
        Round::Up if nearest < value => nearest + unit,
        _ => nearest,
    };
    format!("{moved:.4e}").parse().unwrap_or(moved)
}

fn is_about(failure: &Failure, what: &str) -> bool {
    matches!(failure, Failure::Bad(found) if found.iter().all(|issue| issue.message.contains(what)))
}

/// What the scenario says of a key, defaults included; nothing if it says nothing.
fn current(key: &str, scenario: &Scenario) -> Result<Option<String>, Failure> {
    let table = Value::Table(resolve(scenario));
    let Some(value) = find(&table, &key.split('.').collect::<Vec<_>>()) else { return Ok(None) };
    match value {
        Value::Integer(number) => Ok(Some(number.to_string())),
        Value::Float(number) => Ok(Some(number.to_string())),
        Value::String(text) if text == "unlimited" => Ok(None),
        Value::String(text) if Measure::of(text).is_some() => Ok(Some(text.clone())),
        other => {
            let hint = match number_in(other) {
                Some(path) => format!("it has one: `{key}.{path}`"),
                None => "name a key that holds a number, such as `tier.edge.nodes` or `app.rate`".into(),
            };
            Err(refused(format!("`{key}` is not a number"), hint))
        }
    }
}

/// A value by its path; elements of a list by number or name, links by the tiers that they join.
fn find<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    match value {
        Value::Table(table) => match table.get(first.trim_matches('"')) {
            Some(value) => find(value, rest),
            // What both directions of a link share may be written for each.
            None => find(table.get("up")?, path),
        },
        Value::Array(items) => {
            let is_it = |item: &&Value| {
                let ends: Option<Vec<&str>> = item
                    .get("between")
                    .and_then(Value::as_array)
                    .map(|ends| ends.iter().filter_map(Value::as_str).collect());
                let joins = matches!(ends.as_deref(), Some([a, b]) if *first == format!("{a}-{b}") || *first == format!("{b}-{a}"));
                joins || item.get("name").and_then(Value::as_str) == Some(first)
            };
            let numbered = first.parse().ok().and_then(|at: usize| items.get(at));
            find(numbered.or_else(|| items.iter().find(is_it))?, rest)
        }
        _ => None,
    }
}

/// Where a table has its first number.
fn number_in(value: &Value) -> Option<String> {
    value.as_table()?.iter().find_map(|(key, value)| match value {
        Value::Integer(_) | Value::Float(_) => Some(key.clone()),
        Value::String(text) => Measure::of(text).map(|_| key.clone()),
        other => number_in(other).map(|path| format!("{key}.{path}")),
    })
}

/// What an answer is told with.
struct Told<'t> {
    args: &'t Invert,
    key: &'t str,
    scenario: &'t Scenario,
    axis: &'t Axis,
    metrics: &'t [String],
    seed: u64,
}

#[derive(Serialize)]
struct BoundJson<'t> {
    scenario: &'t str,
    key: &'t str,
    direction: &'static str,
    requirements: Vec<&'t str>,
    range: [f64; 2],
    /// How the requirements divide the range: `nothing`, `everything`, `end`, `boundary`.
    division: &'static str,
    /// In base units.
    value: Option<f64>,
    /// As it is written in a file.
    text: Option<String>,
    ci95: Option<[Option<f64>; 2]>,
    is_monotone: bool,
    at_value: Option<TrialJson>,
    at_next: Option<TrialJson>,
    grid: Vec<TrialJson>,
    seed: u64,
    runs_per_value: u32,
    simulations: u64,
}

#[derive(Serialize)]
struct EqualJson<'t> {
    scenario: &'t str,
    key: &'t str,
    metric: &'t str,
    between: &'t [String],
    range: [f64; 2],
    value: Option<f64>,
    text: Option<String>,
    ci95: Option<[Option<f64>; 2]>,
    /// The target that is better below the value, or everywhere; nothing if they are equal.
    better_below: Option<&'t str>,
    /// Values between which the better one changes.
    changes: &'t [[f64; 2]],
    grid: Vec<[TrialJson; 2]>,
    seed: u64,
    runs_per_value: u32,
    simulations: u64,
}

#[derive(Serialize)]
struct TrialJson {
    value: f64,
    meets: Option<bool>,
    metrics: BTreeMap<String, Option<f64>>,
    metrics_ci95: BTreeMap<String, Option<[f64; 2]>>,
    stable: bool,
    refused: Option<String>,
}

impl Told<'_> {
    fn trial(&self, trial: &Trial, meets: Option<bool>) -> TrialJson {
        let names = || self.metrics.iter().cloned().enumerate();
        let known = |value: f64| value.is_finite().then_some(value);
        let interval =
            |at: usize| known(trial.low[at]).zip(known(trial.high[at])).map(|(low, high)| [low, high]);
        TrialJson {
            value: trial.value,
            meets,
            metrics: names().map(|(at, name)| (name, known(trial.mean[at]))).collect(),
            metrics_ci95: names().map(|(at, name)| (name, interval(at))).collect(),
            stable: trial.is_stable,
            refused: trial.refused.clone(),
        }
    }

    fn bound_as_json(&self, answer: &Extreme) -> BoundJson<'_> {
        let require = &self.scenario.goal.require;
        BoundJson {
            scenario: &self.scenario.name,
            key: self.key,
            direction: direction(answer),
            requirements: require.iter().map(|condition| condition.text()).collect(),
            range: self.axis.range.ends(),
            division: match answer.division {
                Division::Nothing => "nothing",
                Division::Everything => "everything",
                Division::End => "end",
                Division::Boundary => "boundary",
            },
            value: answer.found.as_ref().map(|trial| trial.value),
            text: answer.found.as_ref().map(|trial| self.axis.measure.write(trial.value)),
            ci95: answer.interval,
            is_monotone: answer.is_monotone,
            at_value: answer.found.as_ref().map(|trial| self.trial(trial, Some(true))),
            at_next: answer.next.as_ref().map(|trial| self.trial(trial, Some(false))),
            grid: answer.grid.iter().map(|(trial, meets)| self.trial(trial, Some(*meets))).collect(),
            seed: self.seed,
            runs_per_value: self.args.runs,
            simulations: answer.simulations,
        }
    }

    fn equal_as_json<'t>(&'t self, answer: &'t BreakEven) -> EqualJson<'t> {
        EqualJson {
            scenario: &self.scenario.name,
            key: self.key,
            metric: &self.metrics[0],
            between: &self.args.question.between,
            range: self.axis.range.ends(),
            value: answer.value,
            text: answer.value.map(|value| self.axis.text(value, Round::Nearest)),
            ci95: answer.interval,
            better_below: self.better_below(answer),
            changes: &answer.changes,
            grid: answer.grid.iter().map(|(a, b)| [a, b].map(|trial| self.trial(trial, None))).collect(),
            seed: self.seed,
            runs_per_value: self.args.runs,
            simulations: answer.simulations,
        }
    }

    fn better_below(&self, answer: &BreakEven) -> Option<&str> {
        let first = answer.first_is_better_below?;
        self.args.question.between.get(usize::from(!first)).map(String::as_str)
    }

    fn bound_as_text(&self, answer: &Extreme, judge: &Judge, bars: &[Bar]) -> String {
        let mut page = Page::new(Screen::of_stdout());
        let require = &self.scenario.goal.require;
        let wanted: Vec<&str> = require.iter().map(|condition| condition.text()).collect();
        let question = format!("the {} {} such that {}", direction(answer), self.key, wanted.join(" and "));
        page.marked(Style::Bold, &format!("{}:", self.scenario.name), &question);
        self.effort(&mut page, answer.simulations);
        page.blank();
        // What is rounded must still do it.
        let [safe, other] = match answer.direction {
            Direction::Largest => [Round::Down, Round::Up],
            Direction::Smallest => [Round::Up, Round::Down],
        };
        match (&answer.found, answer.division) {
            (None, _) => {
                page.fact("answer", "none: no value that was tried meets it");
                let reason = answer.grid.iter().find_map(|(trial, _)| trial.refused.as_deref());
                page.fact("why", reason.unwrap_or_default());
            }
            (Some(found), Division::Boundary) => {
                let interval = self.interval(answer.interval);
                page.fact("answer", &format!("{}{interval}", self.axis.text(found.value, safe)));
            }
            (Some(found), division) => {
                let every =
                    if division == Division::Everything { ", as every value that was tried" } else { "" };
                let end = self.axis.text(found.value, Round::Nearest);
                page.fact("answer", &format!("{end}: the end of the range meets it{every}"));
            }
        }
        if let Some(found) = &answer.found {
            page.fact("there", &self.metrics_of(found));
        }
        if let Some(next) = &answer.next {
            let misses: Vec<String> = match &next.refused {
                Some(reason) => vec![reason.clone()],
                None => judge.misses(&next.mean).iter().map(ToString::to_string).collect(),
            };
            page.fact(
                "just beyond",
                &format!("{}: {}", self.axis.text(next.value, other), misses.join("; ")),
            );
        }
        page.blank();
        let mut rows = vec![vec![self.key.to_string(), "holds".into()]];
        rows[0].extend(self.metrics.iter().cloned());
        for (trial, meets) in &answer.grid {
            let mut row = vec![self.axis.text(trial.value, Round::Nearest), holds(trial, *meets)];
            row.extend(self.cells(trial));
            rows.push(row);
        }
        page.columns(&rows);
        if !answer.is_monotone {
            let text = "the requirements begin or cease to hold more than once in the range; the answer is the one \
                        farthest on the side that was asked for, as far as these values show";
            page.marked(Style::Warning, "warning:", text);
        }
        if answer.found.as_ref().is_some_and(|found| !found.is_stable) {
            let text = "overload at the answer: latencies grow with the duration, and so does what is found; add \
                        `--such-that stable`";
            page.marked(Style::Warning, "warning:", text);
        }
        let value = answer.found.as_ref().map(|found| self.axis.text(found.value, safe));
        self.end(&mut page, bars, value, &[]);
        page.into_text()
    }

    /// Where the time goes, where the answer is kept, and what to do next.
    fn end(&self, page: &mut Page, bars: &[Bar], value: Option<String>, more: &[&str]) {
        page.blank();
        breakdown::draw(page, bars);
        let out = self.args.out.as_ref().map_or_else(String::new, |out| out.display().to_string());
        page.fact("results", &out);
        let file = self.args.input.file.display().to_string();
        if file == "-" {
            return;
        }
        let mut words = vec!["offing".to_owned(), "simulate".into(), file];
        for (key, set) in &self.args.input.assignments {
            words.extend(["--set".into(), format!("{key}={set}")]);
        }
        for set in more {
            words.extend(["--set".into(), (*set).into()]);
        }
        let why = match &value {
            Some(_) => "look closely at this deployment",
            None => "see what limits it",
        };
        let end = self.axis.text(self.axis.range.ends()[0], Round::Nearest);
        words.extend(["--set".into(), format!("{}={}", self.key, value.unwrap_or(end))]);
        if let Some(models) = &self.args.models.file {
            words.extend(["--models".into(), models.display().to_string()]);
        }
        page.next(&[Step::new(why, &words.iter().map(String::as_str).collect::<Vec<_>>())]);
    }

    fn equal_as_text(&self, answer: &BreakEven, bars: &[Bar]) -> String {
        let mut page = Page::new(Screen::of_stdout());
        let (metric, between) = (&self.metrics[0], &self.args.question.between);
        let question =
            format!("the {} with which {} of {} are equal", self.key, metric, between.join(" and "));
        page.marked(Style::Bold, &format!("{}:", self.scenario.name), &question);
        self.effort(&mut page, answer.simulations);
        page.blank();
        let better = self.better_below(answer);
        match (answer.value, better) {
            (Some(value), _) => {
                let interval = self.interval(answer.interval);
                page.fact("answer", &format!("{}{interval}", self.axis.text(value, Round::Nearest)));
                page.fact("below", &better.map_or(String::new(), |target| format!("{target} is better")));
            }
            (None, Some(target)) => {
                page.fact("answer", &format!("none: {target} is better with every value that was tried"));
            }
            (None, None) => page.fact("answer", "none: they are equal with every value that was tried"),
        }
        page.blank();
        let mut rows = vec![vec![self.key.to_string()]];
        rows[0].extend(between.iter().map(|target| format!("{metric} {target}")));
        let is_overload = |trial: &Trial| trial.refused.is_none() && !trial.is_stable;
        for (a, b) in &answer.grid {
            let mut row = vec![self.axis.text(a.value, Round::Nearest)];
            row.extend([a, b].into_iter().flat_map(|trial| self.cells(trial)));
            let overloaded: Vec<&str> = [a, b]
                .into_iter()
                .zip(between)
                .filter_map(|(trial, target)| is_overload(trial).then_some(target.as_str()))
                .collect();
            if !overloaded.is_empty() {
                row.push(format!("overload: {}", overloaded.join(", ")));
            }
            rows.push(row);
        }
        page.columns(&rows);
        if answer.changes.len() > 1 {
            let text = format!(
                "the better one changes {} times in the range; the answer is the lowest, as far as these values show",
                answer.changes.len()
            );
            page.marked(Style::Warning, "warning:", &text);
        }
        if [&answer.beside[0], &answer.beside[1]].iter().any(|(a, b)| !a.is_stable || !b.is_stable) {
            let text = "overload of a target there: its latencies grow with the duration";
            page.marked(Style::Warning, "warning:", text);
        }
        let value = answer.value.map(|value| self.axis.text(value, Round::Nearest));
        let target = self.args.question.between.first().map(|target| format!("deploy.target={target}"));
        self.end(&mut page, bars, value, &target.iter().map(String::as_str).collect::<Vec<_>>());
        page.into_text()
    }

    fn effort(&self, page: &mut Page, simulations: u64) {
        let last = self.seed.wrapping_add(u64::from(self.args.runs) - 1);
        page.paragraph(&format!(
            "range {}; {}, each value with seeds {} to {last}; ± is half the 95 % interval",
            self.axis.ends(),
            count(simulations, "simulation"),
            self.seed
        ));
    }

    fn interval(&self, interval: Option<[Option<f64>; 2]>) -> String {
        let Some([low, high]) = interval else { return String::new() };
        let text = |end: Option<f64>, round| {
            end.map_or_else(|| "beyond the range".into(), |value| self.axis.text(value, round))
        };
        format!(", 95 % interval {} to {}", text(low, Round::Down), text(high, Round::Up))
    }

    /// Each metric with its interval.
    fn metrics_of(&self, trial: &Trial) -> String {
        let cells = self.cells(trial);
        let texts: Vec<String> =
            self.metrics.iter().zip(cells).map(|(name, cell)| format!("{name} {cell}")).collect();
        texts.join("; ")
    }

    fn cells(&self, trial: &Trial) -> Vec<String> {
        let cell = |(at, name): (usize, &String)| {
            let mean = trial.mean[at];
            match (name.as_str(), trial.high[at] - mean) {
                ("stable", _) if !mean.is_nan() => if mean == 1.0 { "yes" } else { "no" }.into(),
                _ if mean.is_nan() => "not known".into(),
                (_, half) if half > 0.0 => format!("{} ± {}", significant(mean), significant(half)),
                _ => significant(mean),
            }
        };
        self.metrics.iter().enumerate().map(cell).collect()
    }
}

fn holds(trial: &Trial, meets: bool) -> String {
    let answer = if meets { "yes" } else { "no" };
    match &trial.refused {
        Some(_) => format!("{answer}, cannot run"),
        None if !trial.is_stable => format!("{answer}, overload"),
        None => answer.into(),
    }
}

fn direction(answer: &Extreme) -> &'static str {
    match answer.direction {
        Direction::Largest => "largest",
        Direction::Smallest => "smallest",
    }
}
