//! A figure as a Vega-Lite specification. Colours that depend on light and dark are left to the page's theme.

use offing_core::Parts;
use serde_json::{Map, Value, json};

use crate::figure::{Axis, Cell, Chart, Figure, Interval, Table};
use crate::style::{HEAT, LEVEL, PARTS, SERIES};

/// Height of a bar with its gap [px].
const BAR: usize = 22;

/// The specification of a figure.
pub fn spec(figure: &Figure) -> Value {
    let mut spec = match &figure.chart {
        Chart::Stack { row, part, value, interval } => stack(&figure.table, row, part, value, *interval),
        Chart::Heat { x, y, value } => heat(&figure.table, x, y, value),
        Chart::Lines { x, y, series, band, level, kinds } => {
            lines(&figure.table, &Lines { x, y, series, band: *band, level, kinds: *kinds })
        }
        Chart::Bars { row, value, series, interval } => bars(&figure.table, row, value, series, *interval),
        // What is no comparison is drawn by the page itself, with axes to choose.
        Chart::Scatter { x, y, series, x_interval, y_interval, label, is_comparison: _ } => {
            scatter(&figure.table, x, y, series, [*x_interval, *y_interval], label)
        }
    };
    spec["width"] = json!("container");
    spec["autosize"] = json!({ "type": "fit-x", "contains": "padding" });
    spec["description"] = json!(figure.alternative);
    spec["data"] = json!({ "values": values(&figure.table) });
    spec
}

fn values(table: &Table) -> Vec<Value> {
    // Lines of many points are most of a page.
    let is_long = table.rows.len() > 200;
    let objects = table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(row).map(|(name, cell)| {
            let value = match cell {
                Cell::Text(text) => json!(text),
                Cell::Number(value) if is_long => json!(six_digits(*value)),
                Cell::Number(value) => json!(value),
                Cell::Missing => Value::Null,
            };
            ((*name).to_owned(), value)
        });
        Value::Object(cells.filter(|(_, value)| !is_long || !value.is_null()).collect::<Map<_, _>>())
    });
    objects.collect()
}

/// As many as a screen can show, and more.
fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

fn quantitative(axis: &Axis) -> Value {
    // A logarithm has no zero.
    let scale = if axis.is_log {
        json!({ "type": "log", "nice": false })
    } else {
        json!({ "zero": true, "nice": true })
    };
    json!({ "field": axis.column, "type": "quantitative", "title": axis.title, "scale": scale, "axis": { "tickCount": 7 } })
}

fn tooltip(table: &Table) -> Value {
    let fields = table.columns.iter().zip(0..).map(|(name, at)| {
        let is_number = table.rows.iter().any(|row| matches!(row[at], Cell::Number(_)));
        let kind = if is_number { "quantitative" } else { "nominal" };
        let title = name.replace('_', " ");
        let mut field = json!({ "field": name, "type": kind, "title": title });
        if is_number {
            field["format"] = json!(",.4~r");
        }
        field
    });
    json!(fields.collect::<Vec<_>>())
}

fn series_colour(table: &Table, series: &Axis) -> Value {
    // In the order of the names, so that a tier has its colour in every figure.
    let mut names = table.texts(series.column);
    names.sort();
    let colours: Vec<&str> = names.iter().zip(SERIES.iter().cycle()).map(|(_, colour)| *colour).collect();
    let scale = json!({ "domain": names, "range": colours });
    json!({
        "field": series.column, "type": "nominal", "title": series.title, "scale": scale,
        "legend": { "orient": "top", "symbolOpacity": 1, "symbolStrokeWidth": 2.5, "labelLimit": 320 },
    })
}

fn row_axis(row: &str) -> Value {
    json!({ "field": row, "type": "nominal", "sort": null, "title": null, "axis": { "labelLimit": 340, "ticks": false, "domain": false } })
}

fn is_known(column: &str) -> Value {
    json!({ "filter": { "field": column, "valid": true } })
}

fn stack(table: &Table, row: &str, part: &str, value: &Axis, interval: Option<Interval>) -> Value {
    let rows = table.texts(row).len();
    let order =
        json!({ "calculate": format!("indexof({}, datum.part)", json!(Parts::NAMES)), "as": "order" });
    let colour = json!({
        "field": part, "type": "nominal", "title": null, "scale": { "domain": Parts::NAMES, "range": PARTS },
        "legend": { "orient": "top" },
    });
    let mut x = quantitative(value);
    x["stack"] = json!("zero");
    let bar = json!({
        "transform": [order],
        "mark": { "type": "bar", "height": { "band": 0.72 } },
        "encoding": {
            "y": row_axis(row), "x": x, "color": colour, "order": { "field": "order" }, "tooltip": tooltip(table),
        },
    });
    let mut layers = vec![bar];
    if let Some((low, high)) = interval {
        layers.push(json!({
            "transform": [is_known(low)],
            "mark": { "type": "rule", "strokeWidth": 2, "style": "ink", "aria": false },
            "encoding": { "y": row_axis(row), "x": { "field": low, "type": "quantitative" }, "x2": { "field": high } },
        }));
    }
    json!({ "height": rows * BAR, "layer": layers })
}

fn heat(table: &Table, x: &Axis, y: &Axis, value: &Axis) -> Value {
    let ordered = |axis: &Axis, is_reversed: bool| {
        let mut texts = table.texts(axis.column);
        texts.sort_by(|a, b| order(a).total_cmp(&order(b)));
        if is_reversed {
            texts.reverse();
        }
        texts
    };
    let (columns, rows) = (ordered(x, false), ordered(y, true));
    let ordinal = |axis: &Axis, texts: &[String]| json!({ "field": axis.column, "type": "ordinal", "sort": texts, "title": axis.title, "axis": { "labelAngle": 0, "labelOverlap": true } });
    let position = [ordinal(x, &columns), ordinal(y, &rows)];
    let kind = if value.is_log { "log" } else { "linear" };
    let colour = json!({
        "field": value.column, "type": "quantitative", "title": value.title,
        "scale": { "type": kind, "range": HEAT, "interpolate": "lab", "nice": false },
        "legend": { "orient": "top", "gradientLength": 240 },
    });
    let mut layers = vec![
        json!({
            "transform": [is_known(value.column)],
            "mark": { "type": "rect", "tooltip": true },
            "encoding": { "color": colour, "tooltip": tooltip(table) },
        }),
        json!({
            "transform": [{ "filter": { "not": { "field": value.column, "valid": true } } }],
            "mark": { "type": "text", "text": "✕", "fontSize": 13, "style": "muted" },
            "encoding": { "tooltip": tooltip(table) },
        }),
    ];
    if columns.len() <= 12 && rows.len() <= 12 {
        let known: Vec<f64> = table.column(value.column).filter_map(Cell::number).collect();
        let (low, high) =
            known.iter().fold((f64::INFINITY, 0.0), |(l, h): (f64, f64), &v| (l.min(v), h.max(v)));
        let middle = if value.is_log { (low * high).sqrt() } else { (low + high) / 2.0 };
        layers.push(json!({
            "transform": [is_known(value.column)],
            "mark": { "type": "text", "fontSize": 11, "aria": false },
            "encoding": {
                "text": { "field": value.column, "type": "quantitative", "format": ",.3~r" },
                "color": { "condition": { "test": format!("datum['{}'] > {middle}", value.column), "value": "white" }, "value": "black" },
            },
        }));
    }
    json!({ "height": rows.len().clamp(3, 20) * 26, "encoding": { "x": position[0], "y": position[1] }, "layer": layers })
}

/// The number in a text, for its place on an axis; words come last.
fn order(text: &str) -> f64 {
    crate::words::quantity(text).map_or(f64::INFINITY, |(value, _)| value)
}

/// What lines are drawn of.
struct Lines<'a> {
    x: &'a Axis,
    y: &'a Axis,
    series: &'a Axis,
    band: Option<Interval>,
    level: &'a Option<(f64, String)>,
    kinds: Option<Interval>,
}

fn lines(table: &Table, lines: &Lines<'_>) -> Value {
    let Lines { x, y, series, band, level, kinds } = *lines;
    let colour = series_colour(table, series);
    let (at_x, at_y) = (quantitative(x), quantitative(y));
    let mut layers = Vec::new();
    if let Some((low, high)) = band {
        layers.push(json!({
            "mark": { "type": "area", "opacity": 0.18, "aria": false },
            "encoding": { "x": at_x, "y": { "field": low, "type": "quantitative" }, "y2": { "field": high }, "color": colour },
        }));
    }
    match kinds {
        None => layers.push(json!({
            "mark": { "type": "line", "point": { "size": 45 }, "strokeWidth": 2 },
            "encoding": {
                "x": at_x, "y": at_y, "color": colour, "tooltip": tooltip(table),
                "shape": { "field": series.column, "type": "nominal", "title": series.title },
                "strokeDash": { "field": series.column, "type": "nominal", "title": series.title },
            },
        })),
        Some((low, high)) => {
            let mut at_x = at_x;
            at_x["scale"]["zero"] = json!(false);
            let mut encoding = json!({
                "x": at_x, "y": at_y, "color": colour, "detail": { "field": "run" }, "order": { "field": "share" },
            });
            if table.texts("kind").len() > 1 {
                let scale = json!({ "domain": ["measured", "predicted"], "range": [[1, 0], [7, 4]] });
                let legend = json!({ "orient": "top", "symbolType": "stroke", "symbolSize": 300 });
                encoding["strokeDash"] = json!({ "field": "kind", "type": "nominal", "title": null, "scale": scale, "legend": legend });
            }
            layers.push(json!({
                "mark": { "type": "line", "strokeWidth": 1.8, "aria": false },
                "encoding": encoding,
            }));
            let is_there = table.rows.iter().any(|row| row[table.at(low)] != Cell::Missing);
            if is_there {
                let mut encoding = json!({ "y": at_y, "color": colour, "tooltip": tooltip(table) });
                encoding["x"] = json!({ "field": low, "type": "quantitative" });
                encoding["x2"] = json!({ "field": high });
                layers.push(json!({
                    "transform": [is_known(low)],
                    "mark": { "type": "rule", "strokeWidth": 3.5, "aria": false },
                    "encoding": encoding,
                }));
            }
        }
    }
    if let Some((value, name)) = level {
        layers.push(json!({
            "data": { "values": [{ "level": value, "name": name }] },
            "mark": { "type": "rule", "color": LEVEL, "strokeDash": [6, 4], "strokeWidth": 1.5 },
            "encoding": { "y": { "field": "level", "type": "quantitative" } },
        }));
        layers.push(json!({
            "data": { "values": [{ "level": value, "name": name }] },
            "mark": { "type": "text", "align": "left", "dx": 6, "dy": -7, "aria": false, "style": "label" },
            "encoding": { "y": { "field": "level", "type": "quantitative" }, "x": { "value": 0 }, "text": { "field": "name" } },
        }));
    }
    json!({ "height": 260, "layer": layers })
}

fn bars(table: &Table, row: &str, value: &Axis, series: &Axis, interval: Option<Interval>) -> Value {
    let (rows, many) = (table.texts(row).len(), table.texts(series.column).len());
    let colour = series_colour(table, series);
    let mut encoding =
        json!({ "y": row_axis(row), "x": quantitative(value), "color": colour, "tooltip": tooltip(table) });
    // One colour per row needs no room for the others.
    let beside = if table.rows.len() > rows { many } else { 1 };
    if beside > 1 {
        encoding["yOffset"] = json!({ "field": series.column, "type": "nominal", "sort": null });
    }
    let mut layers = vec![json!({ "mark": { "type": "bar" }, "encoding": encoding })];
    if let Some((low, high)) = interval {
        layers.push(json!({
            "transform": [is_known(low)],
            "mark": { "type": "rule", "strokeWidth": 2, "style": "ink", "aria": false },
            "encoding": { "y": row_axis(row), "x": { "field": low, "type": "quantitative" }, "x2": { "field": high } },
        }));
    }
    json!({ "height": rows * (BAR.max(beside * 11 + 6)), "layer": layers })
}

fn scatter(
    table: &Table,
    x: &Axis,
    y: &Axis,
    series: &Axis,
    [x_interval, y_interval]: [Option<Interval>; 2],
    label: &str,
) -> Value {
    let colour = series_colour(table, series);
    let ends = [x_interval, y_interval].into_iter().flatten().flat_map(|(low, high)| [low, high]);
    let columns = [x.column, y.column].into_iter().chain(ends);
    let all = columns.flat_map(|column| table.column(column)).filter_map(Cell::number);
    let (low, high) = all.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let pad = 0.06 * (high - low).max(high * 0.01);
    let [from, to] = match x.is_log {
        true => [low / 1.15, high * 1.15],
        false => [(low - pad).max(0.0), high + pad],
    };
    let mut domain = json!({ "domain": [from, to], "nice": false });
    // A logarithm has no zero, and Vega warns where it is spoken of.
    match x.is_log {
        true => domain["type"] = json!("log"),
        false => domain["zero"] = json!(false),
    }
    let (mut at_x, mut at_y) = (quantitative(x), quantitative(y));
    at_x["scale"] = domain.clone();
    at_y["scale"] = domain;
    let diagonal = json!([{ "x": from, "y": from }, { "x": to, "y": to }]);
    let mut layers = vec![json!({
        "data": { "values": diagonal },
        "mark": { "type": "line", "strokeDash": [5, 4], "style": "muted", "aria": false },
        "encoding": { "x": { "field": "x", "type": "quantitative" }, "y": { "field": "y", "type": "quantitative" } },
    })];
    for (interval, [along, across]) in [(x_interval, ["x", "y"]), (y_interval, ["y", "x"])] {
        let Some((low, high)) = interval else { continue };
        let (fixed, high_name) = (if across == "x" { &at_x } else { &at_y }, format!("{along}2"));
        let mut encoding = json!({ "color": colour });
        encoding[along] = json!({ "field": low, "type": "quantitative" });
        encoding[&high_name] = json!({ "field": high });
        encoding[across] = fixed.clone();
        layers.push(json!({
            "transform": [is_known(low)],
            "mark": { "type": "rule", "strokeWidth": 1.5, "aria": false, "clip": true },
            "encoding": encoding,
        }));
    }
    layers.push(json!({
        "mark": { "type": "point", "filled": true, "size": 80, "opacity": 1 },
        "encoding": {
            "x": at_x, "y": at_y, "color": colour, "tooltip": tooltip(table),
            "shape": { "field": series.column, "type": "nominal", "title": series.title },
        },
    }));
    layers.push(json!({
        "mark": { "type": "text", "dx": 11, "dy": -8, "aria": false, "style": "label" },
        "encoding": { "x": at_x, "y": at_y, "text": { "field": label } },
    }));
    json!({ "height": 340, "layer": layers })
}
