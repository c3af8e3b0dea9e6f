//! A summary for people: what was predicted, the latency, its five parts as bars, and what was used.

use offing_core::{Deployment, Part, Parts, Quantiles, Summary, units};

use crate::breakdown::{self, Bar};
use crate::output::Screen;
use crate::page::{Page, Style, count, percent, significant};

/// The whole table.
pub fn page(summary: &Summary, deployment: &Deployment, screen: Screen) -> Page {
    let mut page = Page::new(screen);
    title(&mut page, summary, deployment);
    match &summary.latency_ms {
        Some(quantiles) => {
            overload(&mut page, summary);
            latency(&mut page, summary, quantiles);
            parts(&mut page, summary);
        }
        None => {
            overload(&mut page, summary);
            page.paragraph("no request that was emitted in the observed span came back");
            page.blank();
        }
    }
    facts(&mut page, summary, deployment);
    // That of an overload was said above, with the growth.
    for warning in summary.warnings.iter().filter(|warning| !warning.starts_with("overload:")) {
        page.marked(Style::Warning, "warning:", warning);
    }
    page
}

/// Columns of a name and of a number in a table.
const NAME: usize = 9;
const VALUE: usize = 11;
/// Columns of a bar that still tell something.
const NARROWEST_BAR: usize = 10;

fn title(page: &mut Page, summary: &Summary, deployment: &Deployment) {
    let name = format!("{}:", summary.scenario);
    page.marked(Style::Bold, &name, &placement(deployment));
    let warm_up = match deployment.warm_up.as_nanos() {
        0 => String::new(),
        _ => format!(" after a warm-up of {}", units::write_span(deployment.warm_up)),
    };
    let how = format!(
        "observed {} s{warm_up}; engine {}, seed {}",
        summary.observed_s,
        format!("{:?}", summary.engine).to_lowercase(),
        summary.seed,
    );
    page.paragraph(&how);
    page.blank();
}

fn overload(page: &mut Page, summary: &Summary) {
    if let Some(growth) = summary.growth_rps {
        let text = format!(
            "the system fills up by {} requests per second; the latencies below depend on the run's length \
             ({} s observed)",
            significant(growth.max(0.0)),
            summary.observed_s
        );
        page.marked(Style::Alarm, "overload:", &text);
        page.blank();
    }
}

fn latency(page: &mut Page, summary: &Summary, latency: &Quantiles) {
    let heading = if summary.stable { "latency" } else { "latency*" };
    let depends = if summary.stable { "" } else { "   * depends on the run's length" };
    let intervals = &summary.latency_ci95_ms;
    let widest = [intervals.mean, intervals.p50, intervals.p95, intervals.p99].into_iter().flatten();
    let widest = widest.map(|[low, high]| format!("{low:.1} to {high:.1}").len()).max().unwrap_or(0);
    // A narrow terminal has no room for the decimals of long numbers.
    let digits = match decimals(latency.max) {
        1 if NAME + VALUE + 3 + widest > page.width() => 0,
        digits => digits,
    };
    let rows = [
        ("mean", latency.mean, Some(intervals.mean)),
        ("p50", latency.p50, Some(intervals.p50)),
        ("p90", latency.p90, None),
        ("p95", latency.p95, Some(intervals.p95)),
        ("p99", latency.p99, Some(intervals.p99)),
        ("p99.9", latency.p999, None),
        ("max", latency.max, None),
    ];
    let heading = format!("{:<9}{:>11}   {}", heading, "ms", "95 % interval");
    let beside = heading.chars().count() + depends.chars().count() <= page.width();
    page.heading(&heading, if beside { depends } else { "" });
    for (name, value, interval) in rows {
        let interval = match interval {
            Some(Some([low, high])) => format!("{low:.digits$} to {high:.digits$}"),
            Some(None) => "too few requests".into(),
            None => String::new(),
        };
        page.line(&format!("{name:<NAME$}{value:>VALUE$.digits$}   {interval}"));
    }
    if !beside {
        page.paragraph(depends.trim_start());
    }
    page.blank();
}

fn parts(page: &mut Page, summary: &Summary) {
    let parts: Vec<(&str, &Part)> =
        Parts::NAMES.iter().filter_map(|&name| Some((name, summary.parts_ms.get(name)?))).collect();
    let longest = parts.iter().map(|(_, part)| part.mean.max(part.p95)).fold(0.0, f64::max);
    let digits = decimals(longest);
    let heading = format!("{:<9}{:>11}{:>11}", "part", "mean ms", "p95 ms");
    let room = page.width().saturating_sub(heading.len() + 3);
    let bars = room >= NARROWEST_BAR;
    let legend = match room {
        _ if !bars => "",
        0..20 => "   █ mean",
        _ => "   █ mean ░ up to p95",
    };
    page.heading(&heading, legend);
    for (name, Part { mean, p95, .. }) in parts {
        let bar = if bars { bar(*mean, *p95, longest, room) } else { String::new() };
        page.line(&format!("{name:<9}{mean:>11.digits$}{p95:>11.digits$}   {bar}"));
    }
    page.blank();
    // Where there is no room beside the numbers, one bar below them shows the shares at least.
    if !bars && let Some(bar) = Bar::new("mean", summary) {
        breakdown::draw(page, &[bar]);
    }
}

fn facts(page: &mut Page, summary: &Summary, deployment: &Deployment) {
    let too_much = if summary.load < 1.0 { "" } else { ", more than the workers can do" };
    page.fact("load", &format!("{}{too_much}", percent(summary.load)));
    let used: Vec<String> =
        summary.utilization.iter().map(|(tier, share)| format!("{tier} {}", percent(*share))).collect();
    page.fact("utilization", &used.join(", "));
    page.fact("bottleneck", &summary.bottleneck);
    page.fact("throughput", &format!("{} requests/s", significant(summary.throughput_rps)));
    let requests = &summary.requests;
    page.fact(
        "requests",
        &format!(
            "{} offered, {} completed, {} dropped, {} unfinished",
            requests.offered, requests.completed, requests.dropped, requests.unfinished
        ),
    );
    if let (Some(deadline), Some(missed)) = (deployment.app.deadline, summary.deadline_miss_share) {
        page.fact("deadline", &format!("{}, missed by {}", units::write_span(deadline), percent(missed)));
    }
    if let Some(energy) = summary.energy_j_per_request {
        page.fact("energy", &format!("{} J per request", significant(energy)));
    }
    if summary.cost_usd_per_hour > 0.0 {
        page.fact("cost", &format!("{} USD/h", significant(summary.cost_usd_per_hour)));
    }
    page.fact("models", &summary.models);
    page.fact("deployment", &summary.deployment);
}

/// Who sends how much to whom, in a sentence.
pub fn placement(deployment: &Deployment) -> String {
    let endpoints = deployment.endpoints();
    let rate = units::write_per_second(deployment.app.rate_hz);
    let workers = count(deployment.placement.workers.into(), "worker");
    let makers = count(endpoints.nodes.into(), &format!("{} node", endpoints.name));
    let each = if endpoints.nodes == 1 { "" } else { " each" };
    if !deployment.is_offloaded() {
        return format!("{makers} at {rate}{each}, processed where they are made by {workers}{each}");
    }
    let targets = deployment.targets();
    let nodes = count(targets.nodes.into(), &format!("{} node", targets.name));
    let of_each = if targets.nodes == 1 { "" } else { " each" };
    format!("{makers} at {rate}{each}, processed on {nodes} with {workers}{of_each}")
}

/// A bar of at most `room` columns for `longest`: full up to the mean, light up to the 95th percentile.
fn bar(mean: f64, p95: f64, longest: f64, room: usize) -> String {
    let columns = |value: f64| {
        let share = if longest > 0.0 { value / longest } else { 0.0 };
        ((share * room as f64).round() as usize).min(room)
    };
    let (full, all) = (columns(mean), columns(p95));
    "█".repeat(full) + &"░".repeat(all.saturating_sub(full))
}

/// Decimals of a column of milliseconds whose largest value this is.
fn decimals(largest: f64) -> usize {
    match largest {
        1e4.. => 1,
        10.0.. => 2,
        0.1.. => 4,
        _ => 6,
    }
}
