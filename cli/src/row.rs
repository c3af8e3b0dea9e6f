//! A summary as comma-separated values: one header and one row, units last.

use offing_core::{Parts, Summary};

/// Header and row. What is not known is empty.
pub fn csv(summary: &Summary) -> String {
    let columns = columns(summary);
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let (names, values): (Vec<String>, Vec<String>) = columns.into_iter().unzip();
    line(names.iter().map(|name| quoted(name)).collect()) + &line(values.iter().map(|v| quoted(v)).collect())
}

fn columns(s: &Summary) -> Vec<(String, String)> {
    let mut columns = Columns(Vec::new());
    columns.text("scenario", &s.scenario);
    columns.text("deployment", &s.deployment);
    columns.text("seed", s.seed);
    columns.text("models", &s.models);
    columns.text("engine", format!("{:?}", s.engine).to_lowercase());
    columns.text("observed_s", s.observed_s);
    columns.text("requests_offered", s.requests.offered);
    columns.text("requests_completed", s.requests.completed);
    columns.text("requests_dropped", s.requests.dropped);
    columns.text("requests_unfinished", s.requests.unfinished);
    let latency = s.latency_ms.as_ref();
    columns.number("latency_mean_ms", latency.map(|q| q.mean));
    columns.number("latency_sd_ms", latency.map(|q| q.sd));
    columns.number("latency_min_ms", latency.map(|q| q.min));
    columns.number("latency_p50_ms", latency.map(|q| q.p50));
    columns.number("latency_p90_ms", latency.map(|q| q.p90));
    columns.number("latency_p95_ms", latency.map(|q| q.p95));
    columns.number("latency_p99_ms", latency.map(|q| q.p99));
    columns.number("latency_p999_ms", latency.map(|q| q.p999));
    columns.number("latency_max_ms", latency.map(|q| q.max));
    columns.number("latency_trimmed_mean_ms", latency.and_then(|q| q.trimmed_mean));
    let intervals = &s.latency_ci95_ms;
    let all =
        [("mean", intervals.mean), ("p50", intervals.p50), ("p95", intervals.p95), ("p99", intervals.p99)];
    for (name, interval) in all {
        columns.number(&format!("latency_{name}_ci95_low_ms"), interval.map(|[low, _]| low));
        columns.number(&format!("latency_{name}_ci95_high_ms"), interval.map(|[_, high]| high));
    }
    for name in Parts::NAMES {
        let part = s.parts_ms.get(name);
        columns.number(&format!("{name}_mean_ms"), part.map(|part| part.mean));
        columns.number(&format!("{name}_p50_ms"), part.map(|part| part.p50));
        columns.number(&format!("{name}_p95_ms"), part.map(|part| part.p95));
        columns.number(&format!("{name}_p99_ms"), part.map(|part| part.p99));
    }
    for (tier, share) in &s.utilization {
        columns.text(&format!("utilization_{}", tier.replace('-', "_")), share);
    }
    columns.text("load", s.load);
    columns.text("stable", s.stable);
    columns.number("growth_rps", s.growth_rps);
    columns.text("bottleneck", &s.bottleneck);
    columns.text("throughput_rps", s.throughput_rps);
    columns.text("dropped_share", s.dropped_share);
    columns.number("deadline_miss_share", s.deadline_miss_share);
    columns.number("energy_j_per_request", s.energy_j_per_request);
    columns.text("cost_usd_per_hour", s.cost_usd_per_hour);
    columns.0
}

struct Columns(Vec<(String, String)>);

impl Columns {
    fn text(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.into(), value.to_string()));
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        self.text(name, value.map_or_else(String::new, |value| value.to_string()));
    }
}

/// As RFC 4180 wants it.
pub fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}
