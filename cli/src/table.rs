//! A summary for people: what was predicted, the latency, its five parts as bars, and what was used.

use std::fmt::Write;

use offing_core::{Deployment, Part, Parts, Quantiles, Summary, units};

use crate::output::Screen;

/// The whole table.
pub fn text(summary: &Summary, deployment: &Deployment, screen: Screen) -> String {
    let mut table = Table { out: String::new(), screen };
    table.title(summary, deployment);
    match &summary.latency_ms {
        Some(latency) => {
            table.overload(summary);
            table.latency(summary, latency);
            table.parts(summary);
        }
        None => {
            table.overload(summary);
            table.paragraph("no request that was emitted in the observed span came back");
            table.line("");
        }
    }
    table.facts(summary, deployment);
    for warning in &summary.warnings {
        table.warning(warning);
    }
    table.out
}

struct Table {
    out: String,
    screen: Screen,
}

/// Columns of a bar that still tell something.
const NARROWEST_BAR: usize = 10;
/// Where the facts begin.
const LABEL: usize = 13;

const BOLD: &str = "1";
const YELLOW: &str = "33";
const RED: &str = "31";

impl Table {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.screen.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.into() }
    }

    /// A text in lines of the screen's width.
    fn paragraph(&mut self, text: &str) {
        let lines = wrap(text, self.screen.width);
        lines.iter().for_each(|line| self.line(line));
    }

    /// A text in lines of the screen's width, of which the first word is painted.
    fn marked(&mut self, style: &str, mark: &str, text: &str) {
        let mut lines = wrap(&format!("{mark} {text}"), self.screen.width);
        if let Some(first) = lines.first_mut()
            && let Some(rest) = first.strip_prefix(mark)
        {
            *first = format!("{}{rest}", self.paint(style, mark));
        }
        lines.iter().for_each(|line| self.line(line));
    }

    fn warning(&mut self, text: &str) {
        self.marked(YELLOW, "warning:", text);
    }

    fn title(&mut self, summary: &Summary, deployment: &Deployment) {
        let name = format!("{}:", summary.scenario);
        self.marked(BOLD, &name, &placement(deployment));
        let warm_up = match deployment.warm_up.as_nanos() {
            0 => String::new(),
            _ => format!(" after a warm-up of {}", units::write_span(deployment.warm_up)),
        };
        let models = match summary.models.as_str() {
            "" => String::new(),
            models => format!(", models {models}"),
        };
        let how = format!(
            "observed {} s{warm_up}; engine {}, seed {}{models}, deployment {}",
            summary.observed_s,
            format!("{:?}", summary.engine).to_lowercase(),
            summary.seed,
            summary.deployment,
        );
        self.paragraph(&how);
        self.line("");
    }

    fn overload(&mut self, summary: &Summary) {
        if let Some(growth) = summary.growth_rps {
            let text = format!(
                "the system fills up by {} requests per second; the latencies below depend on the run's length \
                 ({} s observed)",
                significant(growth.max(0.0)),
                summary.observed_s
            );
            self.marked(RED, "overload:", &text);
            self.line("");
        }
    }

    fn latency(&mut self, summary: &Summary, latency: &Quantiles) {
        let heading = if summary.stable { "latency" } else { "latency*" };
        let depends = if summary.stable { "" } else { "   * depends on the run's length" };
        let digits = decimals(latency.max);
        let intervals = &summary.latency_ci95_ms;
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
        let heading = self.paint(BOLD, &heading);
        self.line(&format!("{heading}{depends}"));
        for (name, value, interval) in rows {
            let interval = match interval {
                Some(Some([low, high])) => format!("{low:.digits$} to {high:.digits$}"),
                Some(None) => "too few requests".into(),
                None => String::new(),
            };
            self.line(&format!("{name:<9}{value:>11.digits$}   {interval}"));
        }
        self.line("");
    }

    fn parts(&mut self, summary: &Summary) {
        let parts: Vec<(&str, &Part)> =
            Parts::NAMES.iter().filter_map(|&name| Some((name, summary.parts_ms.get(name)?))).collect();
        let longest = parts.iter().map(|(_, part)| part.mean.max(part.p95)).fold(0.0, f64::max);
        let digits = decimals(longest);
        let heading = format!("{:<9}{:>11}{:>11}", "part", "mean ms", "p95 ms");
        let room = self.screen.width.saturating_sub(heading.len() + 3);
        let bars = room >= NARROWEST_BAR;
        let legend = match room {
            _ if !bars => "",
            0..20 => "   █ mean",
            _ => "   █ mean ░ up to p95",
        };
        let heading = self.paint(BOLD, &heading);
        self.line(&format!("{heading}{legend}"));
        for (name, Part { mean, p95, .. }) in parts {
            let bar = if bars { bar(*mean, *p95, longest, room) } else { String::new() };
            self.line(&format!("{name:<9}{mean:>11.digits$}{p95:>11.digits$}   {bar}"));
        }
        self.line("");
    }

    fn facts(&mut self, summary: &Summary, deployment: &Deployment) {
        let stable = if summary.stable { "" } else { "   more than the workers can do" };
        self.fact("load", &format!("{}{stable}", percent(summary.load)));
        let used: Vec<String> =
            summary.utilization.iter().map(|(tier, share)| format!("{tier} {}", percent(*share))).collect();
        self.fact("utilization", &used.join(", "));
        self.fact("bottleneck", &summary.bottleneck);
        self.fact("throughput", &format!("{} requests/s", significant(summary.throughput_rps)));
        let requests = &summary.requests;
        self.fact(
            "requests",
            &format!(
                "{} offered, {} completed, {} dropped, {} unfinished",
                requests.offered, requests.completed, requests.dropped, requests.unfinished
            ),
        );
        if let (Some(deadline), Some(missed)) = (deployment.app.deadline, summary.deadline_miss_share) {
            self.fact("deadline", &format!("{}, missed by {}", units::write_span(deadline), percent(missed)));
        }
        if let Some(energy) = summary.energy_j_per_request {
            self.fact("energy", &format!("{} J per request", significant(energy)));
        }
        if summary.cost_usd_per_hour > 0.0 {
            self.fact("cost", &format!("{} USD/h", significant(summary.cost_usd_per_hour)));
        }
    }

    fn fact(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let label = self.paint(BOLD, &format!("{label:<LABEL$}"));
        let mut indent = label;
        for line in wrap(text, self.screen.width.saturating_sub(LABEL)) {
            self.line(&format!("{indent}{line}"));
            indent = " ".repeat(LABEL);
        }
    }
}

/// Who sends how much to whom, in a sentence.
pub fn placement(deployment: &Deployment) -> String {
    let endpoints = deployment.endpoints();
    let rate = units::write_per_second(deployment.app.rate_hz);
    let workers = count(deployment.placement.workers, "worker");
    let makers = count(endpoints.nodes, &format!("{} node", endpoints.name));
    let each = if endpoints.nodes == 1 { "" } else { " each" };
    if !deployment.is_offloaded() {
        return format!("{makers} at {rate}{each}, processed where they are made by {workers}{each}");
    }
    let targets = deployment.targets();
    let nodes = count(targets.nodes, &format!("{} node", targets.name));
    let of_each = if targets.nodes == 1 { "" } else { " each" };
    format!("{makers} at {rate}{each}, processed on {nodes} with {workers}{of_each}")
}

/// `1 node`, `2 nodes`.
fn count(n: u32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
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

/// Four digits that matter, or all of those before the decimal point.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let decimals = (4 - before).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A share as people write it.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Lines of at most `width` characters, broken between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        let room = width.saturating_sub(line.chars().count());
        if line.is_empty() {
            line.push_str(word);
        } else if word.chars().count() < room {
            let _ = write!(line, " {word}");
        } else {
            lines.push(word.into());
        }
    }
    lines
}
