//! What an exploration found, for people.

use std::path::Path;

use offing_core::Summary;
use offing_explore::{Axes, Found, Metrics, Near};

use crate::breakdown::{self, Bar};
use crate::output::Screen;
use crate::page::{Page, Step, Style, significant};

/// Rows of a list that are shown; the files have all.
const MOST_SHOWN: usize = 5;

/// The whole page.
pub fn text(found: &Found, metrics: &Metrics, folder: &Path, screen: Screen) -> String {
    let mut page = Page::new(screen);
    let numbers = &found.numbers;
    let of = match numbers.space == numbers.looked_at.to_string() {
        true => format!("{} numbers", numbers.space),
        false => format!("{} of {} numbers", numbers.looked_at, numbers.space),
    };
    page.marked(Style::Bold, &format!("{}:", found.scenario), &format!("{of}, seed {}", found.seed));
    page.fact("excluded", &some(numbers.excluded, "no such deployment"));
    page.fact("screened", &some(numbers.screened, "provably miss a requirement; not simulated"));
    page.fact("infeasible", &some(numbers.infeasible, "simulated, and miss a requirement"));
    page.fact("feasible", &format!("{}, {} of them on the front", numbers.feasible, found.front));
    let predicted = numbers.feasible + numbers.infeasible;
    if let Some(mean) = numbers.requests.checked_div(predicted) {
        let early = match numbers.decided_early {
            0 => String::new(),
            early => format!("; {early} were clear after a part of the run"),
        };
        let early = match numbers.refined {
            0 => early,
            refined => format!("{early}, {refined} more were run in full for the front"),
        };
        page.fact("requests", &format!("{mean} per simulated deployment{early}"));
    }
    if numbers.not_distinguishable > 0 {
        let open = numbers.not_distinguishable;
        page.fact("undecided", &format!("{open} that runs of this length cannot tell from their limit"));
    }
    page.fact("require", &found.require.join(", "));
    page.fact("minimise", &found.minimise.join(", then "));
    page.blank();
    for note in &found.notes {
        page.marked(Style::Warning, "note:", note);
    }
    shortlist(&mut page, found, metrics);
    breakdown::draw(&mut page, &bars(found));
    dropped(&mut page, found);
    let folder = folder.display().to_string();
    page.fact("results", &folder);
    page.next(&next(found, &folder));
    page.into_text()
}

/// Where the time of the shortlist goes, or that of the nearest misses.
fn bars(found: &Found) -> Vec<Bar> {
    let kept = found.shortlist.iter().map(|kept| (kept.number, &kept.predicted));
    let near =
        found.dropped.nearly_feasible.iter().take(MOST_SHOWN).map(|near| (near.number, &near.predicted));
    let shown: Vec<_> = if found.shortlist.is_empty() { near.collect() } else { kept.collect() };
    shown.into_iter().filter_map(|(number, predicted)| Bar::new(number.to_string(), predicted)).collect()
}

/// What to do after this.
fn next(found: &Found, folder: &str) -> Vec<Step> {
    let report = |why: &str| Step::new(why, &["offing", "report", folder]);
    if found.shortlist.is_empty() {
        return vec![report("see on one page what the nearest lack")];
    }
    let mut steps = vec![report("see it on one page, with plots")];
    if cfg!(feature = "emu") {
        let words = ["offing", "emulate", "run", folder, "--repeat", "3"];
        steps.push(Step::new("measure the shortlist, if `offing doctor` says that this host can", &words));
    }
    steps
}

fn some(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!("{count} ({what})") }
}

fn shortlist(page: &mut Page, found: &Found, metrics: &Metrics) {
    if found.shortlist.is_empty() {
        page.marked(Style::Alarm, "nothing is feasible:", "no deployment meets every requirement");
        page.blank();
        return;
    }
    page.heading("shortlist", "");
    for kept in &found.shortlist {
        let values: Vec<String> = found
            .minimise
            .iter()
            .map(|name| format!("{name} {}", significant(value(&kept.predicted, metrics, name))))
            .collect();
        page.fact(&format!("{}", kept.number), &format!("{}: {}", kept.why, values.join(", ")));
        page.fact("", &axes(&kept.axes));
        if kept.ties.count > 0 {
            page.fact("", &format!("as good as {}", others(kept.ties.count)));
        }
    }
    page.blank();
}

fn dropped(page: &mut Page, found: &Found) {
    let reasons = &found.dropped.by_reason;
    if !reasons.is_empty() {
        page.heading("dropped", "");
        for reason in reasons.iter().take(MOST_SHOWN) {
            let number = match (reason.from, reason.to) {
                (Some(from), Some(to)) if from < to => {
                    format!("{} to {}", significant(from), significant(to))
                }
                (Some(from), _) => significant(from),
                _ => "{}".into(),
            };
            let text = match reason.reason.rfind("{}") {
                Some(at) => format!("{}{number}{}", &reason.reason[..at], &reason.reason[at + 2..]),
                None => reason.reason.clone(),
            };
            page.fact(&reason.count.to_string(), &text);
        }
        if reasons.len() > MOST_SHOWN {
            page.line(&format!("and {} more reasons in shortlist.json", reasons.len() - MOST_SHOWN));
        }
        page.blank();
    }
    let near = &found.dropped.nearly_feasible;
    if !near.is_empty() {
        page.heading("nearly feasible", "");
        for Near { number, axes: values, misses, bottleneck, smallest_fix, as_far, .. } in
            near.iter().take(MOST_SHOWN)
        {
            let misses: Vec<&str> = misses.iter().map(|miss| miss.text.as_str()).collect();
            let fix = match smallest_fix {
                Some(fix) => format!("feasible with {fix}"),
                None => "no change of one axis makes it feasible".into(),
            };
            page.fact(&number.to_string(), &misses.join("; "));
            page.fact("", &axes(values));
            page.fact("", &format!("bottleneck {bottleneck}; {fix}"));
            if *as_far > 0 {
                page.fact("", &format!("as far as {}", others(*as_far)));
            }
        }
        page.blank();
    }
}

fn others(count: u64) -> String {
    if count == 1 { "another one".into() } else { format!("{count} others") }
}

fn axes(axes: &Axes) -> String {
    axes.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

fn value(summary: &Summary, metrics: &Metrics, name: &str) -> f64 {
    let mut row = Vec::new();
    metrics.row(summary, &mut row);
    metrics.position(name).map_or(f64::NAN, |at| row[at])
}
