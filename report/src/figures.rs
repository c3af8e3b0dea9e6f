//! The figures that findings give, each with its data, in the order of the page. A figure whose data is not there
//! is left out.

use offing_core::{Parts, Summary};

use crate::figure::{Axis, Cell, Chart, Figure, Table};
use crate::folder::Findings;
use crate::front;
use crate::predicted::{Trial, Tried};
use crate::subjects::{self, Estimate, Subject};
use crate::words;

/// Cells of a heat map, at most.
const MOST_CELLS: usize = 2_500;

/// All figures, as papers have them.
pub fn for_papers(findings: &Findings) -> Vec<Figure> {
    front::figure(findings).into_iter().chain(figures(findings)).collect()
}

/// All figures but the front, which the page draws with axes to choose.
pub fn figures(findings: &Findings) -> Vec<Figure> {
    let subjects = subjects::subjects(findings);
    let mut figures = Vec::new();
    figures.extend(parts(&subjects));
    figures.extend(heat_maps(findings));
    figures.extend(crowds(findings));
    figures.extend(distribution(findings, &subjects));
    figures.extend(sensitivity(findings));
    figures.extend(answers(findings));
    figures.extend(calibration(&subjects));
    figures.extend(validation(findings, &subjects));
    figures.extend(utilization(&subjects));
    figures.extend(energy(&subjects));
    figures
}

/// The five parts of each mean latency [ms], in their order, by what has a letter.
pub fn breakdown(findings: &Findings) -> Vec<(String, [f64; 5])> {
    let Some(Figure { table, .. }) = parts(&subjects::subjects(findings)) else { return Vec::new() };
    let value = |row: &[Cell]| row[table.at("mean_ms")].number().unwrap_or(0.0);
    // A bar has one row for each part.
    let bars = table.rows.chunks(Parts::NAMES.len());
    bars.map(|rows| (rows[0][table.at("row")].text(), std::array::from_fn(|part| value(&rows[part]))))
        .collect()
}

fn bounds(interval: Option<[f64; 2]>) -> [Cell; 2] {
    match interval {
        Some([low, high]) => [low.into(), high.into()],
        None => [Cell::Missing, Cell::Missing],
    }
}

/// The five parts of the mean latency, predicted beside measured.
fn parts(subjects: &[Subject<'_>]) -> Option<Figure> {
    let mut table = Table::new(&["row", "deployment", "source", "part", "mean_ms", "low_ms", "high_ms"]);
    let mut bar = |subject: &Subject<'_>, source: &str, parts: [f64; 5], total: Estimate| {
        for (at, (name, value)) in Parts::NAMES.iter().zip(parts).enumerate() {
            let [low, high] = bounds(total.interval.filter(|_| at == 0));
            let row = format!("{}, {source}", subject.label());
            let letter = subject.letter.as_str();
            table.push([row.into(), letter.into(), source.into(), (*name).into(), value.into(), low, high]);
        }
    };
    let of = |summary: &Summary| {
        let part = |name: &&str| summary.parts_ms.get(*name).map_or(0.0, |part| part.mean);
        std::array::from_fn::<f64, 5, _>(|at| part(&Parts::NAMES[at]))
    };
    for subject in subjects {
        if let Some((summary, total)) =
            subject.predicted.and_then(|summary| Some((summary, subjects::mean(summary)?)))
        {
            bar(subject, "predicted", of(summary), total);
        }
        if let Some(total) = subject.measured(subjects::mean) {
            let n = subject.measured.len() as f64;
            let mut parts = [0.0; 5];
            for run in &subject.measured {
                parts.iter_mut().zip(of(&run.summary)).for_each(|(sum, part)| *sum += part / n);
            }
            bar(subject, "measured", parts, total);
        }
    }
    if table.rows.is_empty() {
        return None;
    }
    let rows = table.texts("row");
    let sums: Vec<String> = rows
        .iter()
        .map(|row| {
            let of_row = table.rows.iter().filter(|cells| cells[0].text() == *row);
            let sum: f64 = of_row.filter_map(|cells| cells[4].number()).sum();
            format!("{row} {} ms", words::number(sum))
        })
        .collect();
    Some(Figure {
        name: "parts",
        title: "Where the time goes".into(),
        caption: "Mean latency of a request, from the moment an endpoint emits it until the result is back, and the \
                  five parts that add up to it: prepare (work at the endpoint), uplink (sending, waiting for the link \
                  included), queue (waiting for a processor at the target), process (work at the target), downlink \
                  (the way back). The thin line at the end of a bar is the 95 % interval of the mean."
            .into(),
        alternative: format!("Bars of the mean latency: {}.", sums.join(", ")),
        table,
        chart: Chart::Stack {
            row: "row",
            part: "part",
            value: Axis::new("mean_ms", "mean latency (ms)"),
            interval: Some(("low_ms", "high_ms")),
        },
    })
}

fn heat_maps(findings: &Findings) -> Vec<Figure> {
    let Some(rows) = &findings.rows else { return Vec::new() };
    let maps = rows.maps.iter().filter(|map| map.cells.len() <= MOST_CELLS && map.cells.len() > 1);
    maps.enumerate()
        .map(|(at, map)| {
            let (x, y) = (words::key(&map.x), words::key(&map.y));
            let mut table = Table::new(&["network_latency", "cores", "latency_ms", "deployments"]);
            // No delay at all is written in seconds, whatever the others are written in.
            let mut units = map.cells.iter().filter_map(|cell| Some(cell.x.split_once(' ')?.1));
            let zero = units.find(|unit| *unit != "s").map(|unit| format!("0 {unit}"));
            for cell in &map.cells {
                let deployments = cell.deployments as f64;
                let delay = zero.as_deref().filter(|_| cell.x == "0 s").unwrap_or(&cell.x);
                table.push([
                    delay.into(),
                    cell.y.as_str().into(),
                    cell.latency_ms.into(),
                    deployments.into(),
                ]);
            }
            let (latency, _) = words::metric(&rows.latency);
            let known: Vec<f64> = map.cells.iter().filter_map(|cell| cell.latency_ms).collect();
            let low = known.iter().copied().fold(f64::INFINITY, f64::min);
            let high = known.iter().copied().fold(0.0, f64::max);
            let each = map.cells.iter().any(|cell| cell.deployments > 1);
            let each = if each {
                " A cell stands for all deployments with these two values, and shows the median of those that were simulated."
            } else {
                ""
            };
            Figure {
                name: ["heatmap", "heatmap_2", "heatmap_3"][at],
                title: format!("Latency by {x} and {y}"),
                caption: format!(
                    "{} in ms of what is processed on {}.{each} A crossed cell was not simulated: every deployment \
                     there was rejected for a reason that holds without simulation, listed below.",
                    words::capital(&latency),
                    map.tier
                ),
                alternative: format!(
                    "Heat map with {} cells; {latency} is {} ms to {} ms, and {} cells have no value.",
                    map.cells.len(),
                    words::number(low),
                    words::number(high),
                    map.cells.len() - known.len()
                ),
                table,
                chart: Chart::Heat {
                    x: Axis::new("network_latency", format!("{x} (one way)")),
                    y: Axis::new("cores", y),
                    value: Axis::new("latency_ms", format!("{latency} (ms)")).log(high > 20.0 * low),
                },
            }
        })
        .collect()
}

/// Load and latency against endpoints per target.
fn crowds(findings: &Findings) -> Vec<Figure> {
    let Some(rows) = &findings.rows else { return Vec::new() };
    let differ =
        |a: &crate::rows::Crowd, b: &crate::rows::Crowd| a.target == b.target && a.endpoints != b.endpoints;
    if !rows.crowds.iter().any(|a| rows.crowds.iter().any(|b| differ(a, b))) {
        return Vec::new();
    }
    let several = rows.crowds.iter().any(|crowd| crowd.deployments > 1);
    let many = if several {
        " The line is the median of the deployments with that many endpoints, the band holds 90 % of them."
    } else {
        ""
    };
    let x = Axis::new("endpoints_per_target", "endpoints per target node")
        .log(wide(rows.crowds.iter().map(|crowd| crowd.endpoints)));
    let series = Axis::new("target", "processed on");
    let mut load = Table::new(&[
        "target",
        "endpoints_per_target",
        "load_percent",
        "low_percent",
        "high_percent",
        "deployments",
    ]);
    let mut latency =
        Table::new(&["target", "endpoints_per_target", "latency_ms", "low_ms", "high_ms", "deployments"]);
    for crowd in &rows.crowds {
        let row = |table: &mut Table, values: Option<[f64; 3]>, factor: f64| {
            if let Some([low, middle, high]) = values {
                let band = several.then_some([low * factor, high * factor]);
                let [low, high] = bounds(band);
                table.push([
                    crowd.target.as_str().into(),
                    crowd.endpoints.into(),
                    (middle * factor).into(),
                    low,
                    high,
                    (crowd.deployments as f64).into(),
                ]);
            }
        };
        row(&mut load, crowd.load, 100.0);
        row(&mut latency, crowd.latency_ms, 1.0);
    }
    let (metric, _) = words::metric(&rows.latency);
    let worst = load.column("load_percent").filter_map(Cell::number).fold(0.0, f64::max);
    let slowest = latency.column("latency_ms").filter_map(Cell::number).fold(0.0, f64::max);
    let mut figures = Vec::new();
    if !load.rows.is_empty() {
        figures.push(Figure {
            name: "load",
            title: "How many endpoints a target carries: load".into(),
            caption: format!(
                "Load is the work that arrives, divided by what the workers of the busiest target can do. Above \
                 100 % its queue grows as long as the run lasts.{many}"
            ),
            alternative: format!(
                "Lines of the load against endpoints per target node for {}; the highest is {} %.",
                words::list(&load.texts("target")),
                words::number(worst)
            ),
            chart: Chart::Lines {
                x: x.clone(),
                y: Axis::new("load_percent", "load (%)").log(wide(load.column("load_percent").filter_map(Cell::number))),
                series: series.clone(),
                band: several.then_some(("low_percent", "high_percent")),
                level: Some((100.0, "100 %: fully used".into())),
                kinds: None,
            },
            table: load,
        });
    }
    if !latency.rows.is_empty() {
        figures.push(Figure {
            name: "latency_by_endpoints",
            title: "How many endpoints a target carries: latency".into(),
            caption: format!(
                "{} of the deployments that were simulated, on a logarithmic scale.{many} Points that are missing \
                 here but shown above were rejected for their load without simulation.",
                words::capital(&metric)
            ),
            alternative: format!(
                "Lines of the {metric} against endpoints per target node for {}; the highest is {} ms.",
                words::list(&latency.texts("target")),
                words::number(slowest)
            ),
            chart: Chart::Lines {
                x,
                y: Axis::new("latency_ms", format!("{metric} (ms)")).log(true),
                series,
                band: several.then_some(("low_ms", "high_ms")),
                level: None,
                kinds: None,
            },
            table: latency,
        });
    }
    figures
}

/// Whether values go over so wide a range that they are told apart on a logarithmic axis only.
pub fn wide(values: impl Iterator<Item = f64>) -> bool {
    let (low, high) =
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
    low > 0.0 && high / low >= 20.0
}

/// The distribution functions, predicted and measured request by request.
fn distribution(findings: &Findings, subjects: &[Subject<'_>]) -> Vec<Figure> {
    let columns = ["deployment", "kind", "latency_ms", "share", "missing_share", "low_ms", "high_ms", "run"];
    let mut table = Table::new(&columns);
    let mut add = |letter: &str, kind: &str, (latency, share): (f64, f64), interval, run: &str| {
        let [low, high] = bounds(interval);
        let missing = 1.0 - share;
        table.push([
            letter.into(),
            kind.into(),
            latency.into(),
            share.into(),
            missing.into(),
            low,
            high,
            run.into(),
        ]);
    };
    for subject in subjects {
        let letter = subject.label();
        let letter = letter.as_str();
        for run in &subject.measured {
            run.distribution.iter().for_each(|&point| add(letter, MEASURED, point, None, &run.run));
        }
        // Where nothing but quantiles is known, lines between them say so much and no more.
        let mut points: Vec<Point> = Vec::new();
        if let Some(known) = findings.distributions.get(subject.id) {
            points.extend(known.iter().map(|&point| (point, None)));
        }
        let is_drawn = !points.is_empty() || subject.measured.iter().any(|run| !run.distribution.is_empty());
        let predicted = subject.predicted.filter(|_| is_drawn);
        if let Some((latency, summary)) =
            predicted.and_then(|summary| Some((summary.latency_ms.as_ref()?, summary)))
        {
            let intervals = &summary.latency_ci95_ms;
            let known = [
                (latency.p50, 0.5, intervals.p50),
                (latency.p90, 0.9, None),
                (latency.p95, 0.95, intervals.p95),
                (latency.p99, 0.99, intervals.p99),
                (latency.p999, 0.999, None),
            ];
            points.extend(known.map(|(latency, share, interval)| ((latency, share), interval)));
            points.sort_by(|a, b| a.0.1.total_cmp(&b.0.1).then(a.0.0.total_cmp(&b.0.0)));
            points
                .iter()
                .for_each(|(point, interval)| add(letter, PREDICTED, *point, *interval, "predicted"));
        }
    }
    if table.rows.is_empty() {
        return Vec::new();
    }
    let chart = |y: Axis| Chart::Lines {
        x: Axis::new("latency_ms", "latency (ms)"),
        y,
        series: Axis::new("deployment", "deployment"),
        band: None,
        level: None,
        kinds: Some(("low_ms", "high_ms")),
    };
    let what = match table.texts("kind").as_slice() {
        [one] if one == PREDICTED => {
            "The lines are predictions; the short bars across them are 95 % intervals."
        }
        [_] => "The lines are measured, one for each run.",
        _ => {
            "Whole lines are measured, one for each run; dashed lines are predicted, and the short bars across them \
             are 95 % intervals. Where the two lie on each other, the prediction is right."
        }
    };
    let alternative = |which: &str| {
        let letters = words::list(&table.texts("deployment"));
        let kinds = words::list(&table.texts("kind"));
        format!("{which} of the latency of deployments {letters}, {kinds}; the data is in the table.")
    };
    let body = Figure {
        name: "distribution",
        title: "Latency of single requests".into(),
        caption: format!("Share of the requests that took at most so long. {what}"),
        alternative: alternative("Cumulative distribution"),
        chart: chart(Axis::new("share", "share of requests")),
        table: table.clone(),
    };
    // The lowest half of the requests has no tail.
    let at = table.at("share");
    let mut rows = table.clone();
    rows.rows.retain(|row| row[at].number().is_some_and(|share| share >= 0.5));
    let tail = Figure {
        name: "tail",
        title: "The slowest requests".into(),
        caption: format!(
            "Share of the requests that took longer, on a logarithmic scale: 0.01 is one in a hundred. {what}"
        ),
        alternative: alternative("Tail"),
        chart: chart(Axis::new("missing_share", "share that takes longer").log(true)),
        table: rows,
    };
    vec![body, tail]
}

/// A latency [ms] and the share of requests that took at most so long; the interval of the latency where it is known.
type Point = ((f64, f64), Option<[f64; 2]>);

/// What a line of a distribution says where it comes from.
const MEASURED: &str = "measured";
const PREDICTED: &str = "predicted";

fn sensitivity(findings: &Findings) -> Option<Figure> {
    let mut table = Table::new(&["axis", "metric", "share_percent", "lowest_mean", "highest_mean"]);
    let mut effects: Vec<_> = findings.effects.iter().filter(|effect| effect.first_order.is_some()).collect();
    effects.sort_by(|a, b| b.first_order.unwrap_or(0.0).total_cmp(&a.first_order.unwrap_or(0.0)));
    for effect in &effects {
        let axis: Vec<String> = effect.axis.iter().map(|key| words::key(key)).collect();
        let (metric, _) = words::metric(&effect.metric);
        let share = effect.first_order.map(|share| share * 100.0);
        table.push([
            words::list(&axis).into(),
            metric.into(),
            share.into(),
            effect.lowest_mean.into(),
            effect.highest_mean.into(),
        ]);
    }
    let first = effects.first()?;
    let exact = if first.is_exact {
        ""
    } else {
        " Deployments that were not simulated are not part of it, so the shares are approximate."
    };
    Some(Figure {
        name: "sensitivity",
        title: "What matters".into(),
        caption: format!(
            "Share of the differences between deployments that one setting explains by itself (first-order \
             sensitivity: the variance of the mean at each value, divided by the variance of all). What is missing to \
             100 % comes from settings acting together.{exact}"
        ),
        alternative: format!(
            "Bars of what each setting explains; the largest is {} with {} % of {}.",
            table.rows[0][0].text(),
            words::number(first.first_order.unwrap_or(0.0) * 100.0),
            table.rows[0][1].text()
        ),
        table,
        chart: Chart::Bars {
            row: "axis",
            value: Axis::new("share_percent", "explained by this setting alone (%)"),
            series: Axis::new("metric", "of the differences in"),
            interval: None,
        },
    })
}

/// Predicted against measured.
fn calibration(subjects: &[Subject<'_>]) -> Option<Figure> {
    let columns = [
        "deployment",
        "metric",
        "measured_ms",
        "measured_low_ms",
        "measured_high_ms",
        "predicted_ms",
        "predicted_low_ms",
        "predicted_high_ms",
        "error_percent",
        "runs",
    ];
    let mut table = Table::new(&columns);
    for (name, words) in STATISTICS {
        for subject in subjects {
            let predicted = subject.predicted.and_then(|summary| subjects::metric(summary, name));
            let measured = subject.measured(|summary| subjects::metric(summary, name));
            let (Some(predicted), Some(measured)) = (predicted, measured) else { continue };
            let ([low, high], [measured_low, measured_high]) =
                (bounds(predicted.interval), bounds(measured.interval));
            table.push([
                subject.letter.as_str().into(),
                words.into(),
                measured.value.into(),
                measured_low,
                measured_high,
                predicted.value.into(),
                low,
                high,
                (100.0 * (predicted.value / measured.value - 1.0)).into(),
                (subject.measured.len() as f64).into(),
            ]);
        }
    }
    if table.rows.is_empty() {
        return None;
    }
    let largest = table.column("error_percent").filter_map(Cell::number).map(f64::abs).fold(0.0, f64::max);
    Some(Figure {
        name: "calibration",
        title: "Predicted against measured".into(),
        caption: "Each point is a latency of one deployment. On the diagonal the prediction is right, above it too \
                  high, below it too low. Lines are 95 % intervals: of the prediction upwards, of the repetitions \
                  sideways."
            .into(),
        alternative: format!("Predicted against measured latency; the largest difference is {} %.", words::number(largest)),
        table,
        chart: Chart::Scatter {
            x: Axis::new("measured_ms", "measured (ms)"),
            y: Axis::new("predicted_ms", "predicted (ms)"),
            series: Axis::new("metric", "latency"),
            x_interval: Some(("measured_low_ms", "measured_high_ms")),
            y_interval: Some(("predicted_low_ms", "predicted_high_ms")),
            label: "deployment",
            is_comparison: true,
        },
    })
}

fn utilization(subjects: &[Subject<'_>]) -> Option<Figure> {
    let mut table = Table::new(&["row", "tier", "utilization_percent"]);
    let mut add = |subject: &Subject<'_>, source: &str, tier: &str, share: f64| {
        let row = format!("{}, {source}", subject.label());
        table.push([row.into(), tier.into(), (share * 100.0).into()]);
    };
    for subject in subjects {
        for (tier, share) in subject.predicted.iter().flat_map(|summary| &summary.utilization) {
            add(subject, "predicted", tier, *share);
        }
        for tier in subject.measured.first().iter().flat_map(|run| run.summary.utilization.keys()) {
            let of_tier = |summary: &Summary| {
                summary.utilization.get(tier).map(|&value| Estimate { value, interval: None })
            };
            if let Some(all) = subject.measured(of_tier) {
                add(subject, "measured", tier, all.value);
            }
        }
    }
    if table.rows.is_empty() {
        return None;
    }
    let highest = table.column("utilization_percent").filter_map(Cell::number).fold(0.0, f64::max);
    Some(Figure {
        name: "utilization",
        title: "How busy the machines are".into(),
        caption: "Processor time used, as a share of what cores and quota allow, per tier.".into(),
        alternative: format!(
            "Bars of the processor use per tier; the highest is {} %.",
            words::number(highest)
        ),
        table,
        chart: Chart::Bars {
            row: "row",
            value: Axis::new("utilization_percent", "processor use (%)"),
            series: Axis::new("tier", "tier"),
            interval: None,
        },
    })
}

fn energy(subjects: &[Subject<'_>]) -> Option<Figure> {
    let mut table = Table::new(&["row", "source", "tier", "energy_j_per_request"]);
    let mut totals: Vec<String> = Vec::new();
    for subject in subjects {
        let mut add = |source: &str, total: f64, by_tier: &[(String, f64)]| {
            let row = format!("{}, {source}", subject.label());
            totals.push(format!("{row} {} J", words::number(total)));
            for (tier, energy) in by_tier {
                table.push([row.as_str().into(), source.into(), tier.as_str().into(), (*energy).into()]);
            }
            if by_tier.is_empty() {
                table.push([row.into(), source.into(), "whole host".into(), total.into()]);
            }
        };
        if let Some(summary) = subject.predicted
            && let Some(total) = summary.energy_j_per_request
        {
            let by_tier = summary.energy_j_per_request_by_tier.iter();
            add(
                "predicted",
                total,
                &by_tier.map(|(tier, energy)| (tier.clone(), *energy)).collect::<Vec<_>>(),
            );
        }
        let energy = |summary: &Summary| subjects::metric(summary, "energy_j_per_request");
        if let Some(all) = subject.measured(energy) {
            add("measured", all.value, &[]);
        }
    }
    if table.rows.is_empty() {
        return None;
    }
    Some(Figure {
        name: "energy",
        title: "Energy of a request".into(),
        caption: "Energy of the nodes of each participating tier, idle time included and network equipment excluded, \
                  divided by the requests that came back. Measured energy is that of the host's processors, which \
                  does not tell tiers apart."
            .into(),
        alternative: format!("Bars of the energy per request: {}.", totals.join(", ")),
        table,
        chart: Chart::Bars {
            row: "row",
            value: Axis::new("energy_j_per_request", "energy per request (J)"),
            series: Axis::new("tier", "tier"),
            interval: None,
        },
    })
}

/// Predicted against measured, of a validation.
fn validation(findings: &Findings, subjects: &[Subject<'_>]) -> Option<Figure> {
    let validation = findings.validation.as_ref()?;
    let columns = [
        "label",
        "deployment",
        "regime",
        "metric",
        "measured_ms",
        "predicted_ms",
        "predicted_low_ms",
        "predicted_high_ms",
        "error_percent",
    ];
    let mut table = Table::new(&columns);
    let (mut inside, mut all) = (0, 0);
    for (name, words) in STATISTICS {
        for compared in validation.compared.iter().filter(|compared| compared.is_steady()) {
            let Some((predicted, measured)) = compared.pair(name) else { continue };
            let letter = subjects.iter().find(|subject| subject.id == compared.deployment);
            let interval = match compared.interval95.get(name) {
                Some([Some(low), Some(high)]) => Some([*low, *high]),
                _ => None,
            };
            let [some, of] = compared.covered.get(name).copied().unwrap_or_default();
            (inside, all) = (inside + some, all + of);
            let [low, high] = bounds(interval);
            table.push([
                letter.map_or("", |subject| subject.letter.as_str()).into(),
                compared.deployment.as_str().into(),
                compared.regime.as_str().into(),
                words.into(),
                measured.into(),
                predicted.into(),
                low,
                high,
                (100.0 * (predicted / measured - 1.0)).into(),
            ]);
        }
    }
    if table.rows.is_empty() {
        return None;
    }
    let errors: Vec<f64> = table.column("error_percent").filter_map(Cell::number).map(f64::abs).collect();
    let largest = errors.iter().copied().fold(0.0, f64::max);
    let middle = errors.iter().sum::<f64>() / errors.len() as f64;
    let is_wide = wide(table.column("measured_ms").filter_map(Cell::number));
    let covered = match all {
        0 => String::new(),
        _ => format!(" {inside} of {all} measured values are inside of theirs."),
    };
    Some(Figure {
        name: "validation",
        title: "Predicted against measured, by a validation".into(),
        caption: format!(
            "Each point is a latency of one deployment, averaged over its runs. On the diagonal the prediction is \
             right, above it too high, below it too low. The line through a point is the 95 % interval that was \
             predicted for a run.{covered} Deployments in overload are left out: their latencies depend on how long \
             they run."
        ),
        alternative: format!(
            "Predicted against measured latency of {}; the mean absolute difference is {} %, the largest {} %.",
            words::some(table.texts("deployment").len() as u64, "deployment"),
            words::number(middle),
            words::number(largest)
        ),
        table,
        chart: Chart::Scatter {
            x: Axis::new("measured_ms", "measured (ms)").log(is_wide),
            y: Axis::new("predicted_ms", "predicted (ms)").log(is_wide),
            series: Axis::new("metric", "latency"),
            x_interval: None,
            y_interval: Some(("predicted_low_ms", "predicted_high_ms")),
            label: "label",
            is_comparison: true,
        },
    })
}

/// The statistics of the latency that are compared, and what they are called.
const STATISTICS: [(&str, &str); 4] = [
    ("latency_mean_ms", "mean"),
    ("latency_p50_ms", "median"),
    ("latency_p95_ms", "95th percentile"),
    ("latency_p99_ms", "99th percentile"),
];

/// What was tried to answer an inverse question: the first of its metrics against the key.
fn answers(findings: &Findings) -> Option<Figure> {
    let answer = findings.answers.first()?;
    let metric = answer.metric.clone().or_else(|| {
        let first = answer.requirements.first()?;
        Some(first.split_whitespace().next()?.to_owned())
    })?;
    let (factor, unit) = answer.unit();
    let mut table = Table::new(&["series", "value", "metric", "low", "high"]);
    let mut add = |series: &str, trial: &Trial| {
        let Some(Some(mean)) = trial.metrics.get(&metric) else { return };
        let [low, high] = bounds(trial.metrics_ci95.get(&metric).copied().flatten());
        table.push([series.into(), (trial.value * factor).into(), (*mean).into(), low, high]);
    };
    for tried in &answer.grid {
        match tried {
            Tried::One(trial) => add(if trial.stable { "steady" } else { "overload" }, trial),
            Tried::Both(both) => {
                both.iter().zip(&answer.between).for_each(|(trial, target)| add(target, trial));
            }
        }
    }
    if table.rows.len() < 2 {
        return None;
    }
    // The bound of a simple requirement.
    let bound =
        answer.requirements.first().and_then(|text| match text.split_whitespace().collect::<Vec<_>>()[..] {
            [_, _, bound] => bound
                .parse::<f64>()
                .ok()
                .map(|bound| (bound, format!("required: {}", words::requirement(text)))),
            _ => None,
        });
    let (key, title) = (words::key(&answer.key), words::metric_title(&metric));
    let values = table.column("value").filter_map(Cell::number);
    let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
    let x = Axis::new("value", format!("{key}{unit}")).log(wide(values));
    let y = Axis::new("metric", title).log(wide(table.column("metric").filter_map(Cell::number)));
    let found = answer.text.as_deref().unwrap_or("no value");
    Some(Figure {
        name: "answer",
        title: format!("{} against {key}", words::capital(&words::metric(&metric).0)),
        caption: format!(
            "The mean of {} runs with different seeds at each value, and its 95 % interval. The answer \
             is {found}.",
            answer.runs_per_value
        ),
        alternative: format!(
            "{} points of {} against {key}; the answer is {found}.",
            table.rows.len(),
            words::metric(&metric).0
        ),
        table,
        chart: Chart::Lines {
            x,
            y,
            series: Axis::new("series", if answer.between.is_empty() { "queues" } else { "processed on" }),
            band: Some(("low", "high")),
            level: bound,
            kinds: None,
        },
    })
}
