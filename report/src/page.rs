//! The page: the question and the answer first, then what they rest on. It opens from a file and asks nothing of
//! the network; a content security policy forbids it to, and any script but its own.

use std::fmt::Write;

use offing_core::{Parts, Summary};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::figure::{Cell, Figure};
use crate::folder::{Findings, Found, Reason, Source};
use crate::html::{self, text};
use crate::predicted::{Answer, Trial, Tried};
use crate::subjects::{self, Estimate, Subject};
use crate::validation::{Fitted, MetricError, Parameter, Validation};
use crate::{figures, front, vega, words};

const STYLE: &str = include_str!("../assets/page.css");
const SCRIPT: &str = include_str!("../assets/page.js");
const VENDOR: [(&str, &str, &str); 3] = [
    ("vega", include_str!("../assets/vendor/vega.min.js"), include_str!("../assets/vendor/vega.LICENSE")),
    (
        "vega-lite",
        include_str!("../assets/vendor/vega-lite.min.js"),
        include_str!("../assets/vendor/vega-lite.LICENSE"),
    ),
    (
        "vega-embed",
        include_str!("../assets/vendor/vega-embed.min.js"),
        include_str!("../assets/vendor/vega-embed.LICENSE"),
    ),
];
const VERSIONS: &str = include_str!("../assets/vendor/VERSIONS");

/// Rows of a data table below a figure, at most; the CSV has all.
const MOST_ROWS: usize = 60;
/// Reasons that are listed, at most.
const MOST_REASONS: usize = 12;

/// A section: the anchor, what stands in the table of contents, and its HTML.
struct Section {
    anchor: &'static str,
    title: String,
    body: String,
}

/// The page that tells findings.
pub fn page(findings: &Findings) -> String {
    let subjects = subjects::subjects(findings);
    let figures = figures(findings);
    let front = front::data(findings, &subjects);
    let sections = sections(findings, &subjects, &figures, front.is_some());
    let data = json!({
        "front": front.map(|data| json!({ "spec": front::spec(), "data": data })),
        "figures": figures.iter().map(|figure| json!({ "name": figure.name, "spec": vega::spec(figure) })).collect::<Vec<_>>(),
    });
    let title = format!("{}: {}", findings.scenario, kind(findings));
    let scripts: Vec<String> =
        VENDOR.iter().map(|(_, source, _)| without_map(source)).chain([SCRIPT.to_owned()]).collect();
    let hashes: Vec<String> =
        scripts.iter().map(|script| format!("'sha256-{}'", base64(&Sha256::digest(script)))).collect();
    // Vega makes functions of its expressions, hence `unsafe-eval`; nothing that a file says becomes an expression.
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {} 'unsafe-eval'; base-uri 'none'; form-action 'none'",
        hashes.join(" ")
    );
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        text(&title)
    );
    let _ = write!(
        page,
        "<a class=\"skip\" href=\"#answer\">Skip to the answer</a>\n<header><div><h1>{}</h1>\n<p>{}</p></div>\n\
         <button type=\"button\" id=\"theme\" hidden>Dark colours</button></header>\n",
        text(&findings.scenario),
        text(&subtitle(findings))
    );
    let entries: String = sections
        .iter()
        .map(|section| format!("<li><a href=\"#{}\">{}</a></li>", section.anchor, text(&section.title)))
        .collect();
    let _ = write!(page, "<nav aria-label=\"Contents\"><ol>{entries}</ol></nav>\n<main>\n");
    page.push_str("<noscript><p class=\"notice\">The plots need JavaScript. All texts and tables are here without it.</p></noscript>\n");
    for section in &sections {
        let Section { anchor, title, body } = section;
        let _ = write!(
            page,
            "<section id=\"{anchor}\" aria-labelledby=\"{anchor}-title\">\n<h2 id=\"{anchor}-title\">{}</h2>\n{body}</section>\n",
            text(title)
        );
    }
    let _ =
        write!(page, "</main>\n<footer>\n{}{}</footer>\n", absent(findings, &figures, &subjects), licences());
    let _ = writeln!(page, "<script type=\"application/json\" id=\"data\">{}</script>", html::json(&data));
    for script in &scripts {
        let _ = writeln!(page, "<script>{script}</script>");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// Without the line that makes a debugger ask for another file.
fn without_map(script: &str) -> String {
    let lines = script.lines().filter(|line| !line.starts_with("//# sourceMappingURL"));
    lines.collect::<Vec<_>>().join("\n")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let all =
            chunk.iter().enumerate().fold(0_u32, |all, (at, &byte)| all | u32::from(byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn kind(findings: &Findings) -> &'static str {
    match (&findings.found, findings.measured.is_empty()) {
        (Some(_), true) => "deployments compared by simulation",
        (Some(_), false) => "deployments compared by simulation and measured",
        (None, false) if findings.predictions.is_empty() => "deployments measured",
        (None, false) => "deployments predicted and measured",
        (None, true) if !findings.predictions.is_empty() => "deployments predicted by simulation",
        (None, true) if !findings.answers.is_empty() => "a question asked the other way round",
        (None, true) if findings.validation.is_some() => "how good the predictions are",
        (None, true) => "fitted models",
    }
}

/// The answer in one sentence or two, without markup.
pub fn answer(findings: &Findings) -> String {
    let subjects = subjects::subjects(findings);
    let mut told: Vec<String> = Vec::new();
    told.extend(findings.looped.iter().map(|looped| words::capital(&looped.reason)));
    if let Some(found) = &findings.found {
        let numbers = &found.numbers;
        let all = numbers.looked_at - numbers.excluded;
        let meet = if numbers.feasible == 1 { "meets" } else { "meet" };
        told.push(match numbers.feasible {
            0 => format!("none of {} meets every requirement", words::some(all, "deployment")),
            feasible => format!(
                "of {}, {} {meet} every requirement ({}); {} on the front, {} on the shortlist",
                words::some(all, "deployment"),
                words::count(feasible),
                words::percent(feasible, all),
                words::count(found.front),
                found.shortlist.len()
            ),
        });
        told.extend(confirmed(found, &subjects));
    } else if !findings.measured.is_empty() {
        told.push(measured_answer(findings, subjects.len()));
    }
    told.extend(predicted_answers(findings, &subjects));
    told.extend(findings.answers.iter().map(inverse_answer));
    told.extend(findings.validation.iter().map(validation_answer));
    told.extend(findings.fitted.iter().map(fitted_answer));
    let told: Vec<String> =
        told.iter().map(|text| format!("{}.", text.trim_end_matches(['.', ' ']))).collect();
    told.join(" ")
}

fn measured_answer(findings: &Findings, subjects: usize) -> String {
    let valid = findings.measured.iter().filter(|run| run.is_valid).count();
    format!(
        "{} of {} can be trusted, of {}.",
        words::count(valid as u64),
        words::some(findings.measured.len() as u64, "run"),
        words::some(subjects as u64, "deployment"),
    )
}

/// What is said of the deployments that were predicted alone.
fn predicted_answers(findings: &Findings, subjects: &[Subject<'_>]) -> Vec<String> {
    let alone = |subject: &&Subject<'_>| {
        findings.predictions.iter().any(|alone| alone.summary.deployment == subject.id)
    };
    let told = |subject: &Subject<'_>| {
        let answer = predicted_answer(subject.predicted?);
        Some(if subjects.len() == 1 { answer } else { format!("{}: {answer}", subject.label()) })
    };
    subjects.iter().filter(alone).filter_map(told).collect()
}

fn predicted_answer(summary: &Summary) -> String {
    if !summary.stable {
        return format!(
            "It is overloaded: the load of the {} is {} %, and requests pile up for as long as it runs.",
            summary.bottleneck,
            words::number(summary.load * 100.0)
        );
    }
    let Some(latency) = &summary.latency_ms else {
        return "No request came back in the observed span.".into();
    };
    let mut told = format!(
        "A request takes {} ms on average, and 95 % of them at most {} ms; the busiest target is loaded to {} %",
        words::number(latency.mean),
        words::number(latency.p95),
        words::number(summary.load * 100.0)
    );
    if let Some(missed) = summary.deadline_miss_share {
        let _ = write!(told, ", and {} % miss the deadline", words::number(missed * 100.0));
    }
    told + "."
}

/// What a key is a number of, as one asks for it: `number of edge nodes`.
fn number_of(key: &str) -> String {
    let is_count = ["nodes", "cores", "workers"].iter().any(|end| key.ends_with(&format!(".{end}")));
    let words = words::key(key);
    if is_count { format!("number of {words}") } else { words }
}

/// The answer to a question asked the other way round.
fn inverse_answer(answer: &Answer) -> String {
    let key = number_of(&answer.key);
    let interval = match answer.ci95 {
        Some([Some(low), Some(high)]) if low < high => {
            let (factor, unit) = answer.unit();
            let [low, high] = [low, high].map(|end| words::number(end * factor));
            format!(" (95 % interval {low} to {high}{}{unit})", if unit.is_empty() { "" } else { " " })
        }
        _ => String::new(),
    };
    match (&answer.metric, &answer.text) {
        (Some(metric), Some(text)) => format!(
            "{} of {} is equal with {key} of {text}{interval}{}.",
            words::capital(&words::metric(metric).0),
            words::list(&answer.between),
            answer
                .better_below
                .as_ref()
                .map_or_else(String::new, |target| format!("; below it {target} is better"))
        ),
        (Some(metric), None) => format!(
            "{} of {} is nowhere equal in the range that was tried{}.",
            words::capital(&words::metric(metric).0),
            words::list(&answer.between),
            answer
                .better_below
                .as_ref()
                .map_or_else(String::new, |target| format!(": {target} is better everywhere"))
        ),
        (None, Some(text)) => {
            format!("The {} {key} is {text}{interval}.", answer.direction.as_deref().unwrap_or("right"))
        }
        (None, None) => format!("No value of {key} that was tried does it."),
    }
}

/// An error as people read it: with one decimal, and without the sign of nothing.
fn percent(share: f64) -> String {
    match 100.0 * share.abs() {
        0.0 => "0 %".into(),
        small if small < 0.05 => "less than 0.1 %".into(),
        error => format!("{error:.1} %"),
    }
}

fn signed(share: f64) -> String {
    let sign = if share > 0.0 { "+" } else { "−" };
    match percent(share) {
        none if none.starts_with(['0', 'l']) && share.abs() < 0.0005 => none,
        error => format!("{sign}{error}"),
    }
}

fn validation_answer(validation: &Validation) -> String {
    let of = |name: &str| validation.metrics.iter().find(|error| error.metric == name);
    let error = |name: &str| of(name).and_then(|error| error.mape).map(percent);
    let mut told = match (error("latency_mean_ms"), error("latency_p95_ms")) {
        (Some(mean), Some(p95)) => format!(
            "On {}, predictions of the mean latency are off by {mean} on average, those of the 95th percentile by \
             {p95}",
            words::some(of("latency_p95_ms").map_or(0, |error| error.deployments), "deployment")
        ),
        _ => format!("{} were judged", words::some(validation.compared.len() as u64, "deployment")),
    };
    if let Some(coverage) = of("latency_p95_ms").and_then(|error| error.coverage) {
        let _ = write!(
            told,
            "; of the measured 95th percentiles, {} % are inside of the interval that was predicted to hold 95 %",
            words::number(100.0 * coverage)
        );
    }
    told + "."
}

fn fitted_answer(fitted: &Fitted) -> String {
    let learned = fitted.parameters.iter().filter(|parameter| parameter.spread.is_some()).count();
    format!(
        "{} were fitted on {}; of these, {learned} rest on what was measured.",
        words::some(fitted.parameters.len() as u64, "parameter"),
        words::some(fitted.runs as u64, "run")
    )
}

fn subtitle(findings: &Findings) -> String {
    let mut words = vec![words::capital(kind(findings))];
    let manifest = findings.sources.iter().find_map(|source| source.manifest.as_ref());
    if let Some(end) = manifest.and_then(|manifest| made(manifest, "end")).as_ref().and_then(Value::as_str) {
        words.push(end.get(..10).unwrap_or(end).to_owned());
    }
    if let Some(found) = &findings.found {
        words.push(format!("Offing {}", found.version));
    }
    words.join(" · ")
}

/// Something that a manifest says about how its folder was made.
fn made(manifest: &Value, name: &str) -> Option<Value> {
    let of = |value: &Value| value.get(name).filter(|value| !value.is_null()).cloned();
    manifest.get("made").and_then(of).or_else(|| of(manifest))
}

fn sections(
    findings: &Findings,
    subjects: &[Subject<'_>],
    figures: &[Figure],
    has_front: bool,
) -> Vec<Section> {
    let find = |names: &[&str]| -> Vec<&Figure> {
        figures.iter().filter(|figure| names.contains(&figure.name)).collect()
    };
    let mut sections = vec![Section {
        anchor: "answer",
        title: "The question and the answer".into(),
        body: question(findings, subjects),
    }];
    let mut add = |anchor, title: &str, body: String| {
        if !body.is_empty() {
            sections.push(Section { anchor, title: title.into(), body });
        }
    };
    if has_front {
        add(
            "front",
            if findings.rows.is_some() {
                "All deployments, and the front"
            } else {
                "The measured deployments"
            },
            front_section(findings),
        );
    }
    let drawn = |names: &[&str]| {
        let figures = find(names);
        // The title of the section is enough for one.
        let is_titled = figures.len() > 1;
        figures.into_iter().map(|figure| figure_html(figure, is_titled)).collect::<String>()
    };
    add("parts", "Where the time goes", drawn(&["parts"]));
    add("heatmap", "Network delay and processors", drawn(&["heatmap", "heatmap_2", "heatmap_3"]));
    add("load", "How many endpoints a target carries", drawn(&["load", "latency_by_endpoints"]));
    add("distribution", "Latency of single requests", drawn(&["distribution", "tail"]));
    add("sensitivity", "What matters", drawn(&["sensitivity"]));
    let mut inverse = drawn(&["answer"]);
    inverse.extend(findings.answers.iter().map(grid));
    add("inverse", "What was tried", inverse);
    if let Some(found) = &findings.found {
        add("dropped", "Why the others were dropped", dropped(found));
    }
    let mut calibration = drawn(&["calibration"]);
    if let Some(table) = find(&["calibration"]).first() {
        calibration.push_str(&errors(table));
    }
    calibration.push_str(&drawn(&["validation"]));
    if let Some(validation) = &findings.validation {
        calibration.push_str(&validation_tables(validation));
    }
    add("calibration", "Predicted against measured", calibration);
    if let Some(fitted) = &findings.fitted {
        add("models", "The fitted models", fitted_table(fitted));
    }
    add("tiers", "Machines and energy", drawn(&["utilization", "energy"]));
    add("runs", "The measured runs", runs(findings));
    add("provenance", "Where this comes from", provenance(findings));
    sections
}

/// A figure: the plot, what it says, and its data.
fn figure_html(figure: &Figure, is_titled: bool) -> String {
    let name = figure.name;
    let title = if is_titled { format!("<strong>{}.</strong> ", text(&figure.title)) } else { String::new() };
    let columns: Vec<String> =
        figure.table.columns.iter().map(|name| text(&name.replace('_', " "))).collect();
    let is_number: Vec<bool> = (0..columns.len())
        .map(|at| figure.table.rows.iter().any(|row| matches!(row[at], Cell::Number(_))))
        .collect();
    let rows: Vec<Vec<String>> = figure
        .table
        .rows
        .iter()
        .take(MOST_ROWS)
        .map(|row| row.iter().map(|cell| text(&cell.text())).collect())
        .collect();
    let more = match figure.table.rows.len() {
        all if all > MOST_ROWS => format!(
            "<p>The first {MOST_ROWS} of {all} rows; <code>offing report --figures svg</code> writes all as CSV.</p>"
        ),
        _ => String::new(),
    };
    format!(
        "<figure id=\"figure-{name}\"><figcaption>{title}{}</figcaption>\n\
         <div class=\"plot\" data-figure=\"{name}\"></div>\n\
         <p class=\"unseen\">{}</p>\n\
         <details><summary>The data of this figure</summary>{}{more}</details></figure>\n",
        text(&figure.caption),
        text(&figure.alternative),
        html::table(&format!("Data: {}", figure.title), &columns, &rows, &is_number),
    )
}

/// The first section.
fn question(findings: &Findings, subjects: &[Subject<'_>]) -> String {
    if let Some(found) = &findings.found {
        return explored(findings, found, subjects);
    }
    let mut body = String::new();
    let mut ask = |question: &str, answers: &[String]| {
        let _ = write!(
            body,
            "<p class=\"question\"><strong>Question.</strong> {question}</p>\n<p class=\"verdict\"><strong>Answer.</strong> {}</p>\n",
            text(&answers.join(" "))
        );
    };
    if !findings.measured.is_empty() && findings.predictions.is_empty() {
        return only_measured(findings, subjects);
    }
    if !findings.predictions.is_empty() {
        let answers = predicted_answers(findings, subjects);
        ask(&format!("How will “{}” perform?", text(&findings.scenario)), &answers);
    }
    for answer in &findings.answers {
        let asked = match &answer.metric {
            Some(metric) => format!(
                "With which {} do {} have the same {}?",
                text(&words::key(&answer.key)),
                text(&words::list(&answer.between)),
                text(&words::metric(metric).0)
            ),
            None => {
                let all: Vec<String> = answer
                    .requirements
                    .iter()
                    .map(|requirement| format!("<em>{}</em>", text(&words::requirement(requirement))))
                    .collect();
                format!(
                    "What is the {} {} with which this holds: {}?",
                    text(answer.direction.as_deref().unwrap_or("right")),
                    text(&number_of(&answer.key)),
                    words::list(&all)
                )
            }
        };
        ask(&asked, &[inverse_answer(answer)]);
    }
    if let Some(validation) = &findings.validation {
        ask(
            &format!(
                "How far are the predictions of the models {} from measurements?",
                text(&validation.models)
            ),
            &[validation_answer(validation)],
        );
    }
    if let Some(fitted) = &findings.fitted {
        ask("What did measured runs teach the models?", &[fitted_answer(fitted)]);
    }
    if !findings.predictions.is_empty() {
        body.push_str(&alone(subjects));
    }
    body
}

/// Deployments that were predicted without an exploration, as a table.
fn alone(subjects: &[Subject<'_>]) -> String {
    let any_measured = subjects.iter().any(|subject| !subject.measured.is_empty());
    let metrics = [
        "latency_mean_ms",
        "latency_p50_ms",
        "latency_p95_ms",
        "latency_p99_ms",
        "load",
        "cost_usd_per_hour",
    ];
    let mut columns = vec!["deployment".to_owned(), "from".into()];
    columns.extend(metrics.map(|name| text(&words::metric_title(name))));
    if any_measured {
        columns.push("measured: 95th percentile (ms)".into());
    }
    let mut is_number = vec![false, false];
    is_number.resize(columns.len(), true);
    let rows: Vec<Vec<String>> = subjects
        .iter()
        .map(|subject| {
            let from = subject.axes.get("folder").map_or("was measured", String::as_str);
            let mut row = vec![letter(&subject.letter), text(from)];
            let predicted =
                |name: &str| subject.predicted.and_then(|summary| subjects::metric(summary, name));
            row.extend(
                metrics.map(|name| predicted(name).map_or_else(String::new, |value| estimate_html(&value))),
            );
            if any_measured {
                let measured = subject.measured(|summary| subjects::metric(summary, "latency_p95_ms"));
                row.push(measured.map_or_else(|| "not yet".into(), |estimate| estimate_html(&estimate)));
            }
            row
        })
        .collect();
    let warnings: Vec<String> = subjects
        .iter()
        .flat_map(|subject| {
            let warnings = subject.predicted.iter().flat_map(|summary| &summary.warnings);
            warnings.map(|warning| format!("<li>{}: {}</li>", subject.letter, text(warning)))
        })
        .collect();
    let mut body = html::table("Predicted deployments", &columns, &rows, &is_number);
    body.push_str("<p class=\"quiet\">Numbers in brackets are 95 % intervals: what chance within one run leaves open.</p>\n");
    body.push_str(&notice(&warnings.concat()));
    body
}

/// The values that an inverse question tried.
fn grid(answer: &Answer) -> String {
    let mut names: Vec<&String> = Vec::new();
    let first: Vec<(&str, &Trial)> = answer.grid.first().map_or_else(Vec::new, |tried| each(answer, tried));
    names.extend(first.iter().take(1).flat_map(|(_, trial)| trial.metrics.keys()));
    let is_double = !answer.between.is_empty();
    let (factor, unit) = answer.unit();
    let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
    let mut columns = vec![text(&format!("{}{unit}", words::key(&answer.key)))];
    for (target, _) in &first {
        let of = if is_double { format!("{target}: ") } else { String::new() };
        columns.extend(names.iter().map(|name| text(&format!("{of}{}", words::metric_title(name)))));
        columns.push(text(&format!("{of}{}", if is_double { "queues" } else { "holds" })));
    }
    let rows: Vec<Vec<String>> = answer
        .grid
        .iter()
        .map(|tried| {
            let each = each(answer, tried);
            let mut row =
                vec![each.first().map_or_else(String::new, |(_, trial)| words::number(trial.value * factor))];
            for (_, trial) in each {
                row.extend(names.iter().map(|name| match trial.metrics.get(*name) {
                    Some(Some(value)) => {
                        let interval = trial.metrics_ci95.get(*name).copied().flatten();
                        estimate_html(&Estimate { value: *value, interval })
                    }
                    _ => "not known".into(),
                }));
                let queues = if trial.stable { "" } else { "overload" };
                row.push(match (&trial.refused, trial.meets) {
                    (Some(reason), _) => text(reason),
                    (None, Some(true)) => format!("yes{}{queues}", if trial.stable { "" } else { ", " }),
                    (None, Some(false)) => format!("no{}{queues}", if trial.stable { "" } else { ", " }),
                    (None, None) => if trial.stable { "steady" } else { "overload" }.into(),
                });
            }
            row
        })
        .collect();
    let is_number: Vec<bool> = (0..columns.len()).map(|at| at == 0 || at % (names.len() + 1) != 0).collect();
    format!(
        "{}<p class=\"quiet\">{} with seeds from {}, {} each; numbers in brackets are 95 % intervals of the mean.</p>\n",
        html::table("Values that were tried", &columns, &rows, &is_number),
        words::some(answer.simulations, "simulation"),
        answer.seed,
        answer.runs_per_value
    )
}

fn each<'a>(answer: &'a Answer, tried: &'a Tried) -> Vec<(&'a str, &'a Trial)> {
    match tried {
        Tried::One(trial) => vec![("", trial)],
        Tried::Both(both) => answer.between.iter().map(String::as_str).zip(both).collect(),
    }
}

/// The question and the answer of an exploration.
fn explored(findings: &Findings, found: &Found, subjects: &[Subject<'_>]) -> String {
    let numbers = &found.numbers;
    let small: Vec<String> =
        found.minimise.iter().map(|name| format!("<em>{}</em>", text(&words::metric(name).0))).collect();
    let all = numbers.looked_at - numbers.excluded;
    let of = if numbers.space == numbers.looked_at.to_string() {
        format!("Of {} possible deployments", words::count(all))
    } else {
        let space = numbers.space.parse().map_or_else(|_| numbers.space.clone(), words::count);
        format!("Of {} deployments, drawn from a space of {space},", words::count(all))
    };
    let mut body = String::new();
    let asked = match found.require.is_empty() {
        true => "which are worth trying".to_owned(),
        false => {
            let all: Vec<String> = found
                .require
                .iter()
                .map(|text_of| format!("<em>{}</em>", text(&words::requirement(text_of))))
                .collect();
            format!("which meet the requirements: {}", words::list(&all))
        }
    };
    let _ = writeln!(
        body,
        "<p class=\"question\"><strong>Question.</strong> {of} of “{}”, {asked}? And which of those have the lowest {}?</p>",
        text(&found.scenario),
        words::list(&small)
    );
    let _ = writeln!(
        body,
        "<p class=\"verdict\"><strong>Answer.</strong> {}</p>",
        text(&(short_answer(found, all) + &best(found, subjects)))
    );
    if let Some(told) = confirmed(found, subjects) {
        let _ = writeln!(body, "<p class=\"verdict\"><strong>Measured.</strong> {}</p>", text(&told));
    }
    body.push_str(&varied(findings));
    if !subjects.is_empty() {
        body.push_str(&shortlist(found, subjects));
    }
    if found.shortlist.is_empty() {
        body.push_str(&nearest(found));
    }
    body.push_str(&caveats(findings, found, subjects));
    body
}

fn short_answer(found: &Found, all: u64) -> String {
    let numbers = &found.numbers;
    if numbers.feasible == 0 {
        return "None of them. The nearest misses are below, with the smallest change that would make each work.".into();
    }
    if numbers.feasible == 1 {
        return format!("One does ({}).", words::percent(1, all));
    }
    let how_many = match numbers.feasible == all {
        true => format!("All {} do.", words::count(all)),
        false => {
            format!("{} do ({}).", words::count(numbers.feasible), words::percent(numbers.feasible, all))
        }
    };
    let front = match found.front {
        1 => " One of them is at least as good as every other in all of that.".to_owned(),
        front => format!(
            " {} of them make up the front: no other deployment beats any of these in everything that is to be low. {}",
            words::count(front),
            match found.shortlist.len() {
                1 => "One stands for all.".to_owned(),
                n if n as u64 == front => "They are below.".to_owned(),
                n => format!("The {n} on the shortlist below stand for all of them."),
            }
        ),
    };
    how_many + &front
}

/// Which deployments have the lowest of what is to be low, and how low that is.
fn best(found: &Found, subjects: &[Subject<'_>]) -> String {
    let told: Vec<String> = found
        .shortlist
        .iter()
        .zip(subjects)
        .filter_map(|(kept, subject)| {
            let name = kept.why.strip_prefix("lowest ")?.split([' ', ',', ':', ';']).next()?;
            let value = subject.predicted.and_then(|summary| subjects::metric(summary, name))?.value;
            let (words, unit) = words::metric(name);
            let value = format!("{} {unit}", words::number(value));
            Some(format!("{} has the lowest {words} ({})", subject.letter, value.trim_end()))
        })
        .collect();
    if told.is_empty() { String::new() } else { format!(" {}.", words::list(&told)) }
}

/// What measurements say of the answer; nothing where there are none.
fn confirmed(found: &Found, subjects: &[Subject<'_>]) -> Option<String> {
    let measured: Vec<&Subject<'_>> =
        subjects.iter().filter(|subject| !subject.measured.is_empty()).collect();
    if measured.is_empty() {
        return None;
    }
    let mut told = format!(
        "{} been measured.",
        match measured.len() {
            1 => "One of these deployments has".to_owned(),
            n => format!("{n} of these deployments have"),
        }
    );
    let mut held = Vec::new();
    let mut failed = Vec::new();
    for requirement in &found.require {
        let parts: Vec<&str> = requirement.split_whitespace().collect();
        let &[name, comparison @ ("<" | "<="), bound] = &parts[..] else { continue };
        let Ok(bound) = bound.parse::<f64>() else { continue };
        let values: Vec<(&str, f64)> = measured
            .iter()
            .filter_map(|subject| {
                let value = subject.measured(|summary| subjects::metric(summary, name))?.value;
                Some((subject.letter.as_str(), value))
            })
            .collect();
        let holds = |value: f64| if comparison == "<" { value < bound } else { value <= bound };
        let missed: Vec<String> = values
            .iter()
            .filter(|(_, value)| !holds(*value))
            .map(|(letter, _)| (*letter).to_owned())
            .collect();
        let requirement = words::requirement(requirement);
        match (values.is_empty(), missed.is_empty()) {
            (true, _) => {}
            (_, true) => held.push(format!("that {requirement}")),
            (_, false) => {
                failed.push(format!("it does not hold for {} that {requirement}", words::list(&missed)));
            }
        }
    }
    let for_all = if measured.len() == 1 { "it holds" } else { "it holds for all of them" };
    if !held.is_empty() {
        let _ = write!(told, " As measured, {for_all} {}.", words::list(&held));
    }
    for said in failed {
        let _ = write!(told, " As measured, {said}.");
    }
    let name = "latency_p95_ms";
    let errors: Vec<f64> = measured
        .iter()
        .filter_map(|subject| {
            let predicted = subject.predicted.and_then(|summary| subjects::metric(summary, name))?;
            let measured = subject.measured(|summary| subjects::metric(summary, name))?;
            Some(100.0 * (predicted.value / measured.value - 1.0).abs())
        })
        .collect();
    if let Some(largest) = errors.iter().copied().reduce(f64::max) {
        let smallest = errors.iter().copied().fold(largest, f64::min);
        let range = match errors.len() {
            1 => format!("{largest:.1}"),
            _ => format!("{smallest:.1} to {largest:.1}"),
        };
        let _ = write!(told, " The predictions of the 95th-percentile latency are off by {range} %.");
    }
    Some(told)
}

/// What differs between the deployments.
fn varied(findings: &Findings) -> String {
    let Some(rows) = &findings.rows else { return String::new() };
    let axes: Vec<String> = (1..=rows.axes)
        .zip(&rows.values)
        .map(|(at, values)| {
            let range = match values.as_slice() {
                few if few.len() <= 4 => few.join(", "),
                [first, .., last] => format!("{first} to {last}, {} values", values.len()),
                _ => String::new(),
            };
            format!(
                "<li>{} <span class=\"quiet\">({})</span></li>",
                text(&words::key(&rows.columns[at])),
                text(&range)
            )
        })
        .collect();
    format!(
        "<details><summary>What differs between the deployments</summary><ul>{}</ul></details>\n",
        axes.concat()
    )
}

/// The names of metrics that the goal speaks of.
fn goal(found: &Found) -> Vec<&str> {
    let required = found.require.iter().filter_map(|text| text.split_whitespace().next());
    let mut names: Vec<&str> = Vec::new();
    for name in found.minimise.iter().map(String::as_str).chain(required) {
        if !names.contains(&name) && subjects::is_metric(name) {
            names.push(name);
        }
    }
    names
}

fn shortlist(found: &Found, subjects: &[Subject<'_>]) -> String {
    /// What was measured stands beside its prediction.
    const MEASURED: &str = "latency_p95_ms";
    let mut keys: Vec<&String> = subjects.iter().flat_map(|subject| subject.axes.keys()).collect();
    keys.sort();
    keys.dedup();
    let (same, differing): (Vec<&String>, Vec<&String>) = keys.into_iter().partition(|key| {
        let mut values = subjects.iter().map(|subject| subject.axes.get(*key));
        let first = values.next().flatten();
        values.all(|value| value == first)
    });
    let mut metrics = goal(found);
    metrics.sort_by_key(|name| *name != MEASURED);
    let any_measured = subjects.iter().any(|subject| !subject.measured.is_empty());
    // Both stand before the settings, which may be many.
    let mut columns: Vec<String> = vec!["deployment".into(), "why".into()];
    if any_measured {
        columns.push("measured: 95th percentile (ms)".into());
    }
    columns.extend(metrics.iter().map(|name| text(&words::metric_title(name))));
    let mut is_number = vec![false, false];
    is_number.resize(columns.len(), true);
    columns.extend(differing.iter().map(|key| text(&words::key(key))));
    is_number.extend(differing.iter().map(|key| {
        subjects
            .iter()
            .filter_map(|subject| subject.axes.get(*key))
            .all(|value| words::quantity(value).is_some())
    }));
    let rows: Vec<Vec<String>> = subjects
        .iter()
        .map(|subject| {
            let mut why = subject.why.map_or_else(
                || if subject.is_near { "misses by little".into() } else { "was measured".into() },
                plain_why,
            );
            if let Some(number) = subject.number {
                let _ = write!(why, " <span class=\"quiet\">(no. {})</span>", text(number));
            }
            let mut row = vec![letter(&subject.letter), why];
            if any_measured {
                let measured = subject.measured(|summary| subjects::metric(summary, MEASURED));
                row.push(measured.map_or_else(|| "not yet".into(), |estimate| estimate_html(&estimate)));
            }
            row.extend(metrics.iter().map(|name| {
                subject
                    .predicted
                    .and_then(|summary| subjects::metric(summary, name))
                    .map_or_else(String::new, |estimate| estimate_html(&estimate))
            }));
            row.extend(differing.iter().map(|key| text(subject.axes.get(*key).map_or("", String::as_str))));
            row
        })
        .collect();
    let title = if found.shortlist.is_empty() { "The nearest misses" } else { "The shortlist" };
    let mut body = format!("<h3>{title}</h3>\n{}", html::table(title, &columns, &rows, &is_number));
    if !same.is_empty() {
        let all: Vec<String> = same
            .iter()
            .map(|key| {
                format!(
                    "{} {}",
                    text(&words::key(key)),
                    text(subjects[0].axes.get(*key).map_or("", String::as_str))
                )
            })
            .collect();
        let _ = writeln!(
            body,
            "<p>{} {}.</p>",
            if subjects.len() == 1 { "Its settings:" } else { "All of these have" },
            words::list(&all)
        );
    }
    let ties: Vec<String> = found
        .shortlist
        .iter()
        .zip(subjects)
        .filter(|(kept, _)| kept.ties.count > 0)
        .map(|(kept, subject)| {
            format!("{} is as good as {}", subject.letter, words::some(kept.ties.count, "other deployment"))
        })
        .collect();
    if !ties.is_empty() {
        let _ = writeln!(body, "<p>{}.</p>", text(&words::capital(&words::list(&ties))));
    }
    body.push_str("<p class=\"quiet\">Numbers in brackets are 95 % intervals: what chance within one run leaves open.</p>\n");
    body
}

/// Why a deployment is on the shortlist, in short, with the metrics in plain words.
fn plain_why(why: &str) -> String {
    let why = why.split_once(": ").map_or(why, |(short, _)| short);
    let words = why.split(' ').map(|word| {
        let (name, mark) = word.strip_suffix(',').map_or((word, ""), |name| (name, ","));
        let (plain, _) = words::metric(name);
        format!("{plain}{mark}")
    });
    text(&words.collect::<Vec<_>>().join(" "))
}

fn letter(letter: &str) -> String {
    format!("<span class=\"letter\">{}</span>", text(letter))
}

fn estimate_html(estimate: &Estimate) -> String {
    let value = words::number(estimate.value);
    match estimate.interval {
        Some([low, high]) => {
            format!("{value} <span class=\"quiet\">[{}, {}]</span>", words::number(low), words::number(high))
        }
        None => value,
    }
}

fn nearest(found: &Found) -> String {
    let items: String = found
        .dropped
        .nearly_feasible
        .iter()
        .take(5)
        .zip('A'..)
        .map(|(near, at)| {
            let misses: Vec<String> = near.misses.iter().map(|miss| text(&miss.text)).collect();
            let fix = match &near.smallest_fix {
                Some(fix) => format!("It would work with {}.", text(fix)),
                None => "No change of one setting makes it work.".into(),
            };
            format!(
                "<li>{} {}. What limits it: {}. {fix}</li>",
                letter(&at.to_string()),
                misses.join("; "),
                text(&near.bottleneck)
            )
        })
        .collect();
    if items.is_empty() {
        String::new()
    } else {
        format!("<h3>What they lack</h3>\n<ul class=\"plain\">{items}</ul>\n")
    }
}

fn caveats(findings: &Findings, found: &Found, subjects: &[Subject<'_>]) -> String {
    let mut items: Vec<String> = Vec::new();
    let measured = subjects.iter().filter(|subject| !subject.measured.is_empty()).count();
    match measured {
        0 => items.push(
            "These are predictions by simulation. None of these deployments has been measured here.".into(),
        ),
        n if n < subjects.len() => items.push(format!(
            "{} of the {} deployments with a letter have been measured; the others are predictions.",
            n,
            subjects.len()
        )),
        _ => {}
    }
    if found.models.starts_with("shipped") && findings.validation.is_none() {
        items.push(format!(
            "The models ({}) come from published sources and are not calibrated on your machines.",
            found.models
        ));
    }
    let open = found.numbers.not_distinguishable;
    if open > 0 {
        items.push(format!(
            "{} so near to a requirement that a run of this length cannot tell on which side they are.",
            if open == 1 {
                "One deployment is".into()
            } else {
                format!("{} deployments are", words::count(open))
            }
        ));
    }
    if found.numbers.decided_early > 0 {
        items.push(format!("{} missed a requirement so clearly that simulation stopped early; their other numbers are from the part that ran.", words::some(found.numbers.decided_early, "deployment")));
    }
    items.extend(found.notes.iter().map(|note| words::capital(note)));
    for subject in subjects {
        items.extend(
            subject
                .predicted
                .iter()
                .flat_map(|summary| &summary.warnings)
                .map(|warning| format!("{}: {warning}", subject.letter)),
        );
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>", text(item))).collect();
    notice(&items)
}

/// What a reader must know of the answer; nothing where there is nothing to say.
fn notice(items: &str) -> String {
    if items.is_empty() {
        return String::new();
    }
    format!(
        "<aside class=\"notice\" aria-label=\"Before you trust this\"><h3>Before you trust this</h3><ul>{items}</ul></aside>\n"
    )
}

/// The question and the answer of runs that belong to no exploration.
fn only_measured(findings: &Findings, subjects: &[Subject<'_>]) -> String {
    let mut body = String::new();
    let _ = writeln!(
        body,
        "<p class=\"question\"><strong>Question.</strong> How does “{}” perform when it really runs?</p>",
        text(&findings.scenario)
    );
    let _ = writeln!(
        body,
        "<p class=\"verdict\"><strong>Answer.</strong> {}</p>",
        text(&measured_answer(findings, subjects.len()))
    );
    let mut keys: Vec<&String> = subjects.iter().flat_map(|subject| subject.axes.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut columns = vec!["deployment".to_owned()];
    columns.extend(keys.iter().map(|key| text(&words::key(key))));
    columns.extend(
        ["runs", "mean latency (ms)", "median (ms)", "95th percentile (ms)", "99th percentile (ms)"]
            .map(String::from),
    );
    let rows: Vec<Vec<String>> = subjects
        .iter()
        .map(|subject| {
            let mut row = vec![letter(&subject.letter)];
            row.extend(keys.iter().map(|key| text(subject.axes.get(*key).map_or("", String::as_str))));
            row.push(subject.measured.len().to_string());
            row.extend(["latency_mean_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms"].map(
                |name| {
                    let estimate = subject.measured(|summary| subjects::metric(summary, name));
                    estimate.map_or_else(String::new, |estimate| estimate_html(&estimate))
                },
            ));
            row
        })
        .collect();
    let is_number: Vec<bool> = (0..columns.len()).map(|at| at > keys.len()).collect();
    body.push_str(&html::table("Measured deployments", &columns, &rows, &is_number));
    body.push_str("<p class=\"quiet\">Numbers in brackets are 95 % intervals over the repetitions; of a single run, within the run.</p>\n");
    body
}

fn front_section(findings: &Findings) -> String {
    let mut body = String::new();
    let how = "Drag over the plot to choose deployments, or type limits; the table shows what is chosen. Point at a deployment to see its settings.";
    if let Some(rows) = &findings.rows {
        let drawn = |all: u64, kept: usize| {
            if kept as u64 >= all {
                format!("all {}", words::count(all))
            } else {
                format!("{} of {}", words::count(kept as u64), words::count(all))
            }
        };
        let verdict = rows.axes + 1;
        let kept = |verdict_of: &str| rows.kept.iter().filter(|row| row.cells[verdict] == verdict_of).count();
        let on_front = rows.kept.iter().filter(|row| row.is_front).count();
        let counts = [
            (rows.front, on_front, "on the front"),
            (rows.feasible, kept("feasible"), "that meet the requirements"),
            (rows.others, kept("infeasible"), "that miss one"),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(all, ..)| *all > 0)
            .map(|(all, kept, what)| format!("{} {what}", drawn(*all, *kept)))
            .collect();
        let _ = writeln!(
            body,
            "<p>Each point is a deployment that was simulated. Drawn: {}. {how}</p>",
            words::list(&counts)
        );
        if rows.kept.len() as u64 + 1 < rows.feasible + rows.others {
            body.push_str("<p class=\"quiet\">What is not drawn was left out at random, independently of its settings; all aggregates below count every deployment, and <code>summary.csv</code> has all rows.</p>\n");
        }
    } else {
        let _ = writeln!(body, "<p>Each point is a measured deployment, the mean of its runs. {how}</p>");
    }
    body.push_str(
        "<div id=\"controls\" class=\"controls\" hidden></div>\n\
         <div class=\"plot\" id=\"front-plot\"></div>\n\
         <p id=\"chosen\" role=\"status\"></p>\n\
         <div class=\"scroll\" id=\"rows\" tabindex=\"0\" role=\"region\" aria-label=\"Chosen deployments\"></div>\n\
         <p class=\"buttons\"><button type=\"button\" id=\"more\" hidden>Show more</button> <button type=\"button\" id=\"save\" hidden>Save the chosen rows as CSV</button></p>\n",
    );
    body
}

/// What became of the deployments, as a funnel and with reasons.
fn dropped(found: &Found) -> String {
    let numbers = &found.numbers;
    let all = numbers.looked_at;
    let simulated = numbers.infeasible + numbers.feasible;
    let steps = [
        ("looked at", all, String::new()),
        ("possible", all - numbers.excluded, minus(numbers.excluded, "contradict themselves or a condition")),
        (
            "simulated",
            simulated,
            minus(numbers.screened, "certainly miss a requirement, known without simulation"),
        ),
        ("meet every requirement", numbers.feasible, minus(numbers.infeasible, "miss a requirement")),
        (
            "on the front",
            found.front,
            minus(
                numbers.feasible.saturating_sub(found.front),
                "are beaten by another in everything that is to be low, or equal it",
            ),
        ),
        ("on the shortlist", found.shortlist.len() as u64, String::new()),
    ];
    let bars: String = steps
        .iter()
        .filter(|(name, ..)| *name != "possible" || numbers.excluded > 0)
        .map(|(name, count, why)| {
            // A width that a million and five both show: the logarithm.
            let share = if *count == 0 { 0.0 } else { 100.0 * (1.0 + *count as f64).ln() / (1.0 + all as f64).ln() };
            format!(
                "<li><span class=\"step\">{name}</span><span class=\"bar\"><span style=\"width:{share:.1}%\"></span></span><strong>{}</strong><span class=\"quiet\">{}</span></li>",
                words::count(*count),
                text(why)
            )
        })
        .collect();
    let mut body = format!(
        "<p>From all deployments to the shortlist; the bars are on a logarithmic scale.</p>\n<ol class=\"funnel\">{bars}</ol>\n"
    );
    let reasons = &found.dropped.by_reason;
    if !reasons.is_empty() {
        let rows: Vec<Vec<String>> = reasons
            .iter()
            .take(MOST_REASONS)
            .map(|reason| {
                vec![
                    words::count(reason.count),
                    text(&reason_words(reason)),
                    text(verdict_words(&reason.verdict)),
                ]
            })
            .collect();
        let columns = ["deployments", "reason", "how it is known"].map(String::from);
        body.push_str(&html::table("Reasons", &columns, &rows, &[true, false, false]));
        if reasons.len() > MOST_REASONS {
            let _ = writeln!(
                body,
                "<p>And {} in <code>shortlist.json</code>.</p>",
                words::some((reasons.len() - MOST_REASONS) as u64, "rarer reason")
            );
        }
    }
    let near = &found.dropped.nearly_feasible;
    if !near.is_empty() && !found.shortlist.is_empty() {
        let rows: Vec<Vec<String>> = near
            .iter()
            .take(5)
            .map(|near| {
                let misses: Vec<String> = near.misses.iter().map(|miss| text(&miss.text)).collect();
                let axes: Vec<String> =
                    near.axes.iter().map(|(key, value)| format!("{} {}", words::key(key), value)).collect();
                let fix = near.smallest_fix.as_deref().unwrap_or("none with one setting");
                vec![
                    text(&near.number.0),
                    misses.join("; "),
                    text(&axes.join(", ")),
                    text(&near.bottleneck),
                    text(fix),
                ]
            })
            .collect();
        let columns = ["no.", "misses", "settings", "limited by", "smallest change that makes it work"]
            .map(String::from);
        let _ = writeln!(
            body,
            "<details><summary>Those that miss by least</summary>{}</details>",
            html::table("Nearly feasible", &columns, &rows, &[true])
        );
    }
    body
}

fn minus(count: u64, why: &str) -> String {
    if count == 0 { String::new() } else { format!("{} {why}", words::count(count)) }
}

fn verdict_words(verdict: &str) -> &'static str {
    match verdict {
        "excluded" => "the settings contradict each other",
        "screened" => "by arithmetic, without simulation",
        "infeasible" => "by simulation",
        _ => "",
    }
}

/// A reason with its number or range, and its requirements in plain words.
fn reason_words(reason: &Reason) -> String {
    let number = match (reason.from, reason.to) {
        (Some(from), Some(to)) if from < to => {
            Some(format!("{} to {}", words::number(from), words::number(to)))
        }
        (from, _) => from.map(words::number),
    };
    let told = match (reason.reason.rfind("{}"), number) {
        (Some(at), Some(number)) => format!("{}{number}{}", &reason.reason[..at], &reason.reason[at + 2..]),
        _ => reason.reason.clone(),
    };
    let (told, is_open) = match told.split_once("; not distinguishable from") {
        Some((told, _)) => (told.to_owned(), true),
        None => (told, false),
    };
    // Requirements stand between backticks.
    let pieces = told.split('`').enumerate().map(|(at, piece)| match at % 2 {
        1 => format!("“{}”", words::requirement(piece)),
        _ => piece.to_owned(),
    });
    let open = if is_open { ", but by so little that a run of this length cannot tell" } else { "" };
    pieces.collect::<String>() + open
}

/// The error of the predictions, as a table.
fn errors(figure: &Figure) -> String {
    let table = &figure.table;
    let column = |name: &str| table.at(name);
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| {
            let estimate = |value: &str, low: &str, high: &str| {
                let interval = row[column(low)].number().zip(row[column(high)].number());
                let interval = interval.map(|(low, high)| [low, high]);
                row[column(value)]
                    .number()
                    .map_or_else(String::new, |value| estimate_html(&Estimate { value, interval }))
            };
            let error = row[column("error_percent")].number().unwrap_or(f64::NAN);
            vec![
                letter(&row[0].text()),
                text(&row[1].text()),
                estimate("predicted_ms", "predicted_low_ms", "predicted_high_ms"),
                estimate("measured_ms", "measured_low_ms", "measured_high_ms"),
                signed(error / 100.0),
                row[column("runs")].text(),
            ]
        })
        .collect();
    let columns =
        ["deployment", "latency", "predicted (ms)", "measured (ms)", "prediction is off by", "runs"]
            .map(String::from);
    html::table("Errors of the predictions", &columns, &rows, &[false, false, true, true, true, true])
}

/// What a validation says: the error of each metric, of each deployment, and of the choice.
fn validation_tables(validation: &Validation) -> String {
    let share = |value: Option<f64>| value.map_or_else(String::new, percent);
    let signed_or_not = |value: Option<f64>| value.map_or_else(String::new, signed);
    let known = |value: Option<f64>| value.map_or_else(String::new, words::number);
    let mut body = String::new();
    let _ = writeln!(
        body,
        "<p>The models {} were judged on {}.</p>",
        text(&validation.models),
        text(&validation.judged_on)
    );
    for said in &validation.limits_exceeded {
        let _ =
            writeln!(body, "<p class=\"verdict\"><strong>A limit is exceeded.</strong> {}</p>", text(said));
    }
    let row = |error: &&MetricError| {
        let unit = if error.metric.starts_with("utilization_") { 100.0 } else { 1.0 };
        vec![
            text(&words::metric(&error.metric).0),
            signed_or_not(error.bias),
            share(error.mape),
            error.mape_ci95.map_or_else(String::new, |[low, high]| {
                format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
            }),
            error.distance.map_or_else(String::new, |distance| {
                let unit_name = if unit == 1.0 { "ms" } else { "points" };
                format!("{} {unit_name}", words::number(distance * unit))
            }),
            share(error.coverage),
            words::count(error.deployments),
        ]
    };
    let columns = [
        "metric",
        "too high (+) or low (−) on average",
        "off by, on average",
        "95 % interval of that",
        "distance",
        "runs inside of their predicted 95 % interval",
        "deployments",
    ]
    .map(String::from);
    let is_number = [false, true, true, true, true, true, true];
    let is_main = |error: &&MetricError| {
        let name = error.metric.as_str();
        name.starts_with("latency_") || name.ends_with("_mean_ms") || name.starts_with("utilization_")
    };
    let (mut main, others): (Vec<&MetricError>, Vec<&MetricError>) =
        validation.metrics.iter().partition(is_main);
    // The latency first, then its parts in their order, then the machines.
    let place = |error: &&MetricError| {
        let name = error.metric.as_str();
        let part = Parts::NAMES.iter().position(|part| name.starts_with(part));
        (!name.starts_with("latency_"), part.unwrap_or(Parts::NAMES.len()))
    };
    main.sort_by_key(place);
    let main: Vec<Vec<String>> = main.iter().map(row).collect();
    let _ = write!(
        body,
        "<h3>Error of each metric</h3>\n{}",
        html::table("Error of each metric", &columns, &main, &is_number)
    );
    if !others.is_empty() {
        let rows: Vec<Vec<String>> = others.iter().map(row).collect();
        let _ = writeln!(
            body,
            "<details><summary>Percentiles of the parts</summary>{}</details>",
            html::table("Percentiles of the parts", &columns, &rows, &is_number)
        );
    }
    let [right, all] = validation.overload_right;
    let mut facts =
        vec![("overload", format!("recognised, or its absence, in {right} of {all} deployments"))];
    if let Some(within) = validation.parts_within {
        facts.push(("parts", format!("{} of their means are within 10 % or 1 ms", share(Some(within)))));
    }
    if let Some(points) = validation.utilization_points {
        facts.push(("utilization", format!("{} points off on average", words::number(points))));
    }
    for choice in &validation.choices {
        let verdict = match (choice.regret_ms == 0.0, choice.not_distinguishable) {
            (true, _) => "which is the best that was measured".to_owned(),
            (_, true) => format!(
                "{} ms behind the best that was measured, which its predicted interval reaches",
                words::number(choice.regret_ms)
            ),
            _ => format!(
                "{} ms ({}) behind the best that was measured",
                words::number(choice.regret_ms),
                share(Some(choice.regret))
            ),
        };
        let order = choice.kendall_p95.map_or_else(String::new, |tau| {
            format!("; order of the 95th percentiles as measured: Kendall’s tau-b {}", words::number(tau))
        });
        facts.push((
            "choice",
            format!(
                "of {}, the lowest predicted 95th percentile is that of {}, {verdict}{order}",
                text(&choice.among),
                text(&choice.pick)
            ),
        ));
    }
    body.push_str(&list_of_facts(&facts));
    let rows: Vec<Vec<String>> = validation
        .compared
        .iter()
        .map(|compared| {
            let both = |name: &str| match compared.pair(name) {
                Some((predicted, measured)) => [
                    words::number(measured),
                    match compared.interval95.get(name) {
                        Some([Some(low), Some(high)]) => {
                            estimate_html(&Estimate { value: predicted, interval: Some([*low, *high]) })
                        }
                        _ => words::number(predicted),
                    },
                    signed(predicted / measured - 1.0),
                ],
                None => [String::new(), String::new(), String::new()],
            };
            let overload = match (compared.predicted_stable, compared.measured_stable) {
                (true, false) => "overload, only measured",
                (false, true) => "overload, only predicted",
                _ => &compared.regime,
            };
            let mut row = vec![
                format!("<code>{}</code>", text(&compared.deployment)),
                words::count(compared.runs.len() as u64),
                text(overload),
                known(compared.load),
            ];
            row.extend(both("latency_mean_ms"));
            row.extend(both("latency_p95_ms"));
            row.extend([known(compared.latency_kolmogorov), known(compared.latency_wasserstein_ms)]);
            row
        })
        .collect();
    let columns = [
        "deployment",
        "runs",
        "how busy",
        "load",
        "mean, measured (ms)",
        "predicted (ms)",
        "off by",
        "95th percentile, measured (ms)",
        "predicted (ms)",
        "off by",
        "largest distance of the distributions (Kolmogorov, 0 to 1)",
        "mean distance (Wasserstein, ms)",
    ]
    .map(String::from);
    let is_number: Vec<bool> = (0..columns.len()).map(|at| at == 1 || at > 2).collect();
    let _ = writeln!(
        body,
        "<details><summary>Each deployment</summary>{}</details>",
        html::table("Each deployment", &columns, &rows, &is_number)
    );
    let outside: Vec<String> = validation
        .compared
        .iter()
        .flat_map(|compared| compared.outside.iter().map(|said| format!("{}: {said}", compared.deployment)))
        .collect();
    for (title, items) in
        [("Outside of what was fitted", &outside), ("Runs that were left out", &validation.left_out)]
    {
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", text(item))).collect();
            let _ = writeln!(body, "<details><summary>{title}</summary><ul>{items}</ul></details>");
        }
    }
    body
}

/// The parameters of a set, those that measurements have moved first.
fn fitted_table(fitted: &Fitted) -> String {
    let facts: Vec<(&str, String)> =
        fitted.facts.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let mut parameters: Vec<&Parameter> = fitted.parameters.iter().collect();
    parameters.sort_by_key(|parameter| parameter.spread.is_none());
    let rows: Vec<Vec<String>> = parameters
        .iter()
        .map(|parameter| {
            let known = |value: Option<f64>| value.map_or_else(String::new, words::number);
            let table =
                if parameter.is_table { " <span class=\"quiet\">(mean of a table)</span>" } else { "" };
            vec![
                format!("<code>{}</code>", text(&parameter.name)),
                format!("{}{table}", words::number(parameter.value)),
                text(if parameter.unit == "1" { "" } else { &parameter.unit }),
                parameter.error.map_or_else(|| "exact".into(), words::number),
                known(parameter.spread),
                text(&parameter.note),
            ]
        })
        .collect();
    let columns =
        ["parameter", "value", "unit", "standard error", "spread from run to run", "note"].map(String::from);
    list_of_facts(&facts)
        + &html::table("Fitted parameters", &columns, &rows, &[false, true, false, true, true, false])
}

/// Each measured run, the invalid ones with their reason.
fn runs(findings: &Findings) -> String {
    if findings.measured.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = findings
        .measured
        .iter()
        .map(|run| {
            let metric = |name| {
                subjects::metric(&run.summary, name)
                    .map_or_else(String::new, |estimate| estimate_html(&estimate))
            };
            let throttled: f64 = run.nodes.iter().filter_map(|node| node.throttled_seconds).sum();
            let requests = &run.summary.requests;
            vec![
                text(&run.run),
                if run.is_valid { "yes".into() } else { format!("no: {}", text(&run.reason)) },
                words::count(requests.offered),
                words::count(requests.dropped + requests.unfinished),
                metric("latency_mean_ms"),
                metric("latency_p95_ms"),
                if run.nodes.is_empty() { String::new() } else { words::number(throttled) },
            ]
        })
        .collect();
    let columns = [
        "run",
        "can be trusted",
        "requests",
        "lost",
        "mean latency (ms)",
        "95th percentile (ms)",
        "nodes held back by their quota (s)",
    ]
    .map(String::from);
    let table = html::table("Measured runs", &columns, &rows, &[false, false, true, true, true, true, true]);
    format!("<details open><summary>{}</summary>{table}</details>\n", words::some(rows.len() as u64, "run"))
}

fn provenance(findings: &Findings) -> String {
    let mut body = String::new();
    for source in &findings.sources {
        if let Some(name) = source.folder.file_name().filter(|_| findings.sources.len() > 1) {
            let _ = writeln!(body, "<h3>{}</h3>", text(&name.to_string_lossy()));
        }
        body.push_str(&source_html(source));
    }
    body
}

fn source_html(source: &Source) -> String {
    let mut facts: Vec<(&str, String)> =
        vec![("folder", format!("<code>{}</code>", text(&source.folder.display().to_string())))];
    let Some(manifest) = &source.manifest else {
        facts.push(("manifest", "none: how the folder was made is not known".into()));
        return list_of_facts(&facts);
    };
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), shell_word))
            .collect::<Vec<_>>()
            .join(" "),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), String::from))
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let identity = manifest.get("identity");
    let mut fact = |name, value: Option<Value>, is_code: bool| {
        if let Some(value) = value {
            let safe = text(&plain(&value));
            facts.push((name, if is_code { format!("<code>{safe}</code>") } else { safe }));
        }
    };
    fact("command", made(manifest, "command").or_else(|| made(manifest, "command_line")), true);
    fact("version", made(manifest, "version"), false);
    fact("commit", made(manifest, "commit"), true);
    fact(
        "seed",
        identity.and_then(|of| of.get("seed").cloned()).or_else(|| manifest.get("seed").cloned()),
        false,
    );
    fact(
        "models",
        identity.and_then(|of| of.get("models").cloned()).or_else(|| manifest.get("models").cloned()),
        false,
    );
    fact("fingerprint", manifest.get("fingerprint").cloned(), true);
    fact("host", made(manifest, "host"), false);
    fact("processors", made(manifest, "processors"), false);
    fact("began", made(manifest, "start"), false);
    fact("ended", made(manifest, "end"), false);
    let mut body = list_of_facts(&facts);
    if identity.is_some() {
        let path = shell_word(&source.folder.join("manifest.json").display().to_string());
        let _ = write!(
            body,
            "<p>To compute it again and compare every byte:</p>\n<pre tabindex=\"0\"><code>offing rerun {} --check</code></pre>\n",
            text(&path)
        );
    }
    let outputs = ["outputs", "files", "sha256"].iter().find_map(|name| manifest.get(name)?.as_object());
    if let Some(outputs) = outputs {
        let rows: Vec<Vec<String>> = outputs
            .iter()
            .map(|(name, hash)| {
                vec![text(name), format!("<code>{}</code>", text(hash.as_str().unwrap_or_default()))]
            })
            .collect();
        let columns = ["file", "SHA-256"].map(String::from);
        let _ = writeln!(
            body,
            "<details><summary>{} and their hashes</summary>{}</details>",
            words::some(rows.len() as u64, "file"),
            html::table("Files", &columns, &rows, &[])
        );
    }
    body
}

fn list_of_facts(facts: &[(&str, String)]) -> String {
    let items: String =
        facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>")).collect();
    format!("<dl class=\"facts\">{items}</dl>\n")
}

/// A word of a command, quoted where a shell would split or change it.
fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-=+:,@%".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The sections that are not there, in one line.
fn absent(findings: &Findings, figures: &[Figure], subjects: &[Subject<'_>]) -> String {
    let has = |name: &str| figures.iter().any(|figure| figure.name == name);
    let mut absent: Vec<&str> = Vec::new();
    let mut unless = |is_there: bool, what| {
        if !is_there {
            absent.push(what);
        }
    };
    unless(
        findings.rows.is_some() || !findings.measured.is_empty(),
        "all deployments and the front (no rows)",
    );
    unless(has("parts"), "where the time goes (no latencies)");
    unless(has("heatmap"), "network delay against processors (these two are not axes of the space)");
    unless(has("load"), "endpoints per target (their number does not differ)");
    unless(has("distribution"), "latency of single requests (neither distributions.csv nor requests.csv)");
    unless(has("sensitivity"), "what matters (no sensitivity.json, or too few deployments to tell)");
    unless(findings.found.is_some(), "why deployments were dropped (no shortlist.json)");
    unless(
        has("calibration") || findings.validation.is_some(),
        if subjects.iter().any(|s| !s.measured.is_empty()) {
            "predicted against measured (no predictions of the measured deployments)"
        } else {
            "predicted against measured (no measured runs)"
        },
    );
    unless(has("energy"), "energy (the power of the nodes is not given)");
    if absent.is_empty() {
        String::new()
    } else {
        format!("<p>Left out, because the data is not there: {}.</p>\n", text(&absent.join("; ")))
    }
}

fn licences() -> String {
    let texts: String = VENDOR
        .iter()
        .map(|(name, _, licence)| format!("<h3>{name}</h3><pre tabindex=\"0\">{}</pre>", text(licence)))
        .collect();
    let versions = text(&VERSIONS.lines().map(|line| line.replace('@', " ")).collect::<Vec<_>>().join(", "));
    format!("<details><summary>Made by Offing, with {versions}</summary>{texts}</details>\n")
}
