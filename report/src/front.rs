//! The deployments as one plot with axes to choose and a table that the plot filters: its data, by columns, and its
//! specification, in which the page puts the chosen columns.

use serde_json::{Value, json};

use crate::figure::{self, Axis, Chart, Figure, Table};
use crate::figures;
use crate::folder::Findings;
use crate::rows::{self, Rows};
use crate::style::MARKS;
use crate::subjects::{self, Subject};
use crate::words;

/// Areas [px²] and opacities of the marks.
const SIZES: [f64; 5] = [26.0, 30.0, 70.0, 170.0, 120.0];
const OPACITIES: [f64; 5] = [0.45, 0.55, 0.95, 1.0, 1.0];

/// Significant digits of the metrics that the page carries.
const DIGITS: usize = 5;

/// A column of the plot.
struct Column {
    name: String,
    title: String,
    kind: &'static str,
    unit: &'static str,
    values: Vec<Cell>,
}

/// A value: a number, words, or a number with the words that a file has for it.
#[derive(Clone)]
enum Cell {
    Missing,
    Number(f64),
    Words(String),
}

/// All that is drawn: columns, marks and letters, and the order of the rows. The telling ones come last, so that they
/// are drawn on top.
fn drawn(findings: &Findings, subjects: &[Subject<'_>]) -> Option<(Drawn, Vec<usize>)> {
    let (mut columns, mut marks, mut letters) = match &findings.rows {
        Some(rows) => predicted(rows, subjects),
        None => (Vec::new(), Vec::new(), Vec::new()),
    };
    measured(subjects, &mut columns, &mut marks, &mut letters);
    if marks.len() < 2 {
        return None;
    }
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by_key(|&row| marks[row]);
    Some(((columns, marks, letters), order))
}

/// The plot as a figure for papers, over the axes with which the page begins.
pub fn figure(findings: &Findings) -> Option<Figure> {
    let ((columns, marks, letters), order) = drawn(findings, &subjects::subjects(findings))?;
    let [x, y] = default_axes(findings, &columns, &marks)
        .map(|name| columns.iter().find(|column| column.name == name))
        .map(|column| column.filter(|column| column.kind == "metric"));
    let (x, y) = (x?, y?);
    let value = |column: &Column, row: usize| match column.values[row] {
        Cell::Number(value) => Some(value),
        _ => None,
    };
    let number = columns.iter().find(|column| column.kind == "number");
    let mut table = Table::new(&["mark", "deployment", "number", "x_metric", "x", "y_metric", "y"]);
    for row in order {
        let (Some(at_x), Some(at_y)) = (value(x, row), value(y, row)) else { continue };
        let number = number.and_then(|column| match &column.values[row] {
            Cell::Words(text) => Some(text.as_str()),
            _ => None,
        });
        table.push([
            MARKS[marks[row]].0.into(),
            letters[row].as_str().into(),
            number.into(),
            x.name.as_str().into(),
            at_x.into(),
            y.name.as_str().into(),
            at_y.into(),
        ]);
    }
    if table.rows.len() < 2 {
        return None;
    }
    let axis = |column: &'static str, of: &Column| {
        let all = table.column(column).filter_map(figure::Cell::number);
        Axis::new(column, words::metric_title(&of.name)).log(figures::wide(all))
    };
    let count = |mark: &str| table.column("mark").filter(|cell| cell.text() == mark).count();
    let counts = table.texts("mark").iter().map(|mark| format!("{} {mark}", count(mark))).collect::<Vec<_>>();
    Some(Figure {
        name: "front",
        title: "All deployments, and the front".into(),
        caption: "Each point is a deployment; letters are those of the shortlist.".into(),
        alternative: format!("Points of deployments: {}.", words::list(&counts)),
        chart: Chart::Scatter {
            x: axis("x", x),
            y: axis("y", y),
            series: Axis::new("mark", ""),
            x_interval: None,
            y_interval: None,
            label: "deployment",
            is_comparison: false,
        },
        table,
    })
}

/// The data of the plot; nothing where there are no deployments to draw.
pub fn data(findings: &Findings, subjects: &[Subject<'_>]) -> Option<Value> {
    let ((columns, marks, letters), order) = drawn(findings, subjects)?;
    let told: Vec<Value> = columns.iter().filter_map(|column| told(column, &order)).collect();
    let [x, y] = default_axes(findings, &columns, &marks);
    let goal: Vec<String> = goal(findings);
    let order_of = |values: &[Value]| order.iter().map(|&row| values[row].clone()).collect::<Vec<_>>();
    let marks: Vec<Value> = marks.into_iter().map(|mark| json!(mark)).collect();
    let letters: Vec<Value> = letters.into_iter().map(|letter| json!(letter)).collect();
    Some(json!({
        "columns": told, "marks": order_of(&marks), "letters": order_of(&letters), "names": MARKS.map(|(name, ..)| name),
        "sizes": SIZES, "opacities": OPACITIES,
        "x": x, "y": y, "goal": goal,
    }))
}

type Drawn = (Vec<Column>, Vec<usize>, Vec<String>);

fn predicted(rows: &Rows, subjects: &[Subject<'_>]) -> Drawn {
    let verdict = rows.axes + 1;
    let drawn: Vec<_> =
        rows.kept.iter().filter(|row| row.is_front || row.cells[verdict] != "screened").collect();
    let letter = |number: &str| {
        let subject = subjects.iter().find(|subject| subject.number == Some(number));
        subject.map(|subject| (subject.letter.clone(), subject.is_near))
    };
    let mut marks = Vec::new();
    let mut letters = Vec::new();
    for row in &drawn {
        let found = letter(&row.cells[0]);
        marks.push(match &found {
            Some((_, false)) => 3,
            _ if row.is_front => 2,
            _ => usize::from(row.cells[verdict] == "feasible"),
        });
        letters.push(found.map_or_else(String::new, |(letter, _)| letter));
    }
    let columns =
        (0..rows.columns.len()).filter(|at| !["verdict", "engine"].contains(&rows.columns[*at].as_str()));
    let columns = columns.map(|at| {
        let name = rows.columns[at].clone();
        let is_axis = (1..=rows.axes).contains(&at);
        let kind = match at {
            0 => "number",
            _ if is_axis => "axis",
            _ if name == "reason" => "reason",
            _ => "metric",
        };
        let unit = if is_axis { axis_unit(&rows.values[at - 1]) } else { words::metric(&name).1 };
        let values = drawn.iter().map(|row| match row.cells[at].as_str() {
            "" => Cell::Missing,
            text if kind == "metric" => text.parse().map_or(Cell::Missing, Cell::Number),
            text => Cell::Words(text.into()),
        });
        Column { title: rows::title(rows, at), name, kind, unit, values: values.collect() }
    });
    (columns.collect(), marks, letters)
}

/// The unit that all values of an axis have in common, if they are numbers.
fn axis_unit(values: &[String]) -> &'static str {
    values.first().and_then(|text| words::quantity(text)).map_or("", |(_, unit)| unit)
}

/// Adds the measured deployments, each as the mean of its valid runs.
fn measured(
    subjects: &[Subject<'_>],
    columns: &mut Vec<Column>,
    marks: &mut Vec<usize>,
    letters: &mut Vec<String>,
) {
    let runs: Vec<&Subject<'_>> = subjects.iter().filter(|subject| !subject.measured.is_empty()).collect();
    if runs.is_empty() {
        return;
    }
    if columns.is_empty() {
        let keys = runs.iter().flat_map(|subject| subject.axes.keys());
        let mut names: Vec<(String, &'static str)> = keys.map(|key| (key.clone(), "axis")).collect();
        names.sort();
        names.dedup();
        names.extend(COMMON_METRICS.map(|name| (name.to_owned(), "metric")));
        columns.extend(names.into_iter().map(|(name, kind)| {
            let title = if kind == "axis" { words::key(&name) } else { words::metric_title(&name) };
            let values: Vec<String> =
                runs.iter().filter_map(|subject| subject.axes.get(&name).cloned()).collect();
            let unit = if kind == "axis" { axis_unit(&values) } else { words::metric(&name).1 };
            Column { title, kind, unit, values: Vec::new(), name }
        }));
    }
    for subject in runs {
        for column in columns.iter_mut() {
            let value = match column.kind {
                "number" => subject.number.map_or(Cell::Missing, |number| Cell::Words(number.into())),
                "axis" => {
                    subject.axes.get(&column.name).map_or(Cell::Missing, |text| Cell::Words(text.clone()))
                }
                "metric" => subject
                    .measured(|summary| subjects::metric(summary, &column.name))
                    .map_or(Cell::Missing, |estimate| Cell::Number(estimate.value)),
                _ => Cell::Missing,
            };
            column.values.push(value);
        }
        marks.push(4);
        letters.push(subject.letter.clone());
    }
}

/// What runs without an exploration are compared by.
const COMMON_METRICS: [&str; 12] = [
    "latency_mean_ms",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "prepare_mean_ms",
    "uplink_mean_ms",
    "queue_mean_ms",
    "process_mean_ms",
    "downlink_mean_ms",
    "load",
    "throughput_rps",
    "cost_usd_per_hour",
];

/// A column as the page reads it; nothing if it has no value at all.
fn told(column: &Column, order: &[usize]) -> Option<Value> {
    let rows = || order.iter().map(|&row| &column.values[row]);
    if rows().all(|cell| matches!(cell, Cell::Missing)) {
        return None;
    }
    let mut told = json!({
        "name": column.name, "title": column.title, "kind": column.kind, "unit": column.unit,
    });
    if column.kind == "metric" {
        let values = rows().map(|cell| match cell {
            Cell::Number(value) => json!(rounded(*value)),
            _ => Value::Null,
        });
        told["values"] = values.collect();
        return Some(told);
    }
    // Words repeat: each once, and for each row which one.
    let mut texts: Vec<&str> = rows()
        .filter_map(|cell| if let Cell::Words(text) = cell { Some(text.as_str()) } else { None })
        .collect();
    texts.sort_unstable();
    texts.dedup();
    let numbers: Option<Vec<f64>> = texts
        .iter()
        .map(|text| {
            let (value, unit) = words::quantity(text)?;
            (unit == column.unit || column.kind == "number").then_some(value)
        })
        .collect();
    let codes = rows().map(|cell| match cell {
        Cell::Words(text) => json!(texts.binary_search(&text.as_str()).expect("it is one of them")),
        _ => Value::Null,
    });
    told["codes"] = codes.collect();
    told["texts"] = json!(texts);
    told["numbers"] = json!(numbers);
    Some(told)
}

fn rounded(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().expect("it was a number before")
}

/// The metrics of the goal.
fn goal(findings: &Findings) -> Vec<String> {
    let Some(found) = &findings.found else { return vec!["latency_mean_ms".into(), "latency_p95_ms".into()] };
    let required = found.require.iter().filter_map(|text| text.split_whitespace().next());
    let mut names: Vec<String> = Vec::new();
    for name in found.minimise.iter().map(String::as_str).chain(required) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Latency upwards, against the first other thing that is to be small and differs on the front, or at least among all
/// deployments; else against the load.
fn default_axes(findings: &Findings, columns: &[Column], marks: &[usize]) -> [String; 2] {
    let differs = |name: &str, least: usize| {
        let Some(column) = columns.iter().find(|column| column.name == name) else { return false };
        let telling = column.values.iter().zip(marks).filter(|(_, mark)| **mark >= least);
        let mut values =
            telling.filter_map(|(cell, _)| if let Cell::Number(value) = cell { Some(*value) } else { None });
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let goal = goal(findings);
    let latency = findings.rows.as_ref().map_or("latency_p95_ms", |rows| &rows.latency);
    let of_goal: Vec<&str> =
        goal.iter().map(String::as_str).filter(|name| !name.starts_with("latency_")).collect();
    let others = ["load", "cost_usd_per_hour", "energy_j_per_request", "throughput_rps"];
    let on_front = of_goal.iter().find(|name| differs(name, 2));
    let x = on_front.or_else(|| of_goal.iter().chain(&others).find(|name| differs(name, 0)));
    [x.copied().unwrap_or("latency_mean_ms").to_owned(), latency.to_owned()]
}

/// The specification. The page sets field, title, type and scale of `x` and `y`.
pub fn spec() -> Value {
    let colours = MARKS.map(|(_, colour, _)| colour);
    let shapes = MARKS.map(|(.., shape)| shape);
    let mark = |range: Value| {
        json!({
            "field": "mark", "type": "nominal", "title": null, "scale": { "domain": MARKS.map(|(name, ..)| name), "range": range },
            "legend": { "orient": "top", "symbolOpacity": 1 },
        })
    };
    // The letter of a measurement is to the left, where it is not on that of its prediction.
    let left_or_right =
        |left: &str, right: &str| json!({ "expr": format!("datum.mark === 'measured' ? {left} : {right}") });
    json!({
        "width": "container", "height": 420, "autosize": { "type": "fit-x", "contains": "padding" },
        "description": "Every deployment as a point. The table below has the same deployments.",
        "data": { "name": "rows" },
        "layer": [
            {
                "params": [{ "name": "brush", "select": { "type": "interval", "encodings": ["x", "y"] } }],
                "mark": { "type": "point", "filled": true, "aria": false },
                "encoding": {
                    "x": {}, "y": {}, "color": mark(json!(colours)), "shape": mark(json!(shapes)),
                    "size": { "field": "size", "type": "quantitative", "scale": null, "legend": null },
                    "opacity": { "field": "opacity", "type": "quantitative", "scale": null, "legend": null },
                    "tooltip": { "field": "row", "type": "quantitative" },
                },
            },
            {
                "transform": [{ "filter": "datum.letter" }],
                "mark": {
                    "type": "text", "dy": -9, "fontWeight": "bold", "style": "label", "fontSize": 13, "aria": false,
                    "dx": left_or_right("-11", "11"), "align": left_or_right("'right'", "'left'"),
                },
                "encoding": { "x": {}, "y": {}, "text": { "field": "letter" } },
            },
        ],
    })
}
