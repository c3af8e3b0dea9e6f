//! A figure as a static picture for papers: SVG, and PNG made of that.
//!
//! All figures have one width, one font and the colours of the page; a title is left to the text around it.

use plotters::coord::Shift;
use plotters::coord::combinators::{LogCoord, WithKeyPoints};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::figure::{Axis, Cell, Chart, Figure, Interval, Table};
use crate::style::{HEAT, LEVEL, MARKS, PARTS, SERIES};

/// Width of every figure [px]; two of them stand side by side on a page of a paper.
const WIDTH: u32 = 640;
const FONT: &str = "DejaVu Sans, Arial, Helvetica, sans-serif";
const INK: RGBColor = RGBColor(27, 31, 36);
const GREY: RGBColor = RGBColor(200, 206, 214);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawingError = DrawingAreaErrorKind<std::io::Error>;
type Drawing = Result<(), DrawingError>;

/// The picture of a figure as SVG.
pub fn svg(figure: &Figure) -> String {
    let mut text = String::new();
    let size = (WIDTH, height(figure));
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let drawing = area.fill(&WHITE).and_then(|()| draw(&area, figure)).and_then(|()| area.present());
        drawing.expect("a text takes everything");
    }
    // Plotters says nothing about what the picture shows.
    let title = format!("<title>{}</title>\n", crate::html::text(&figure.title));
    match text.find('>') {
        Some(end) => format!("{}\n{title}{}", &text[..=end], &text[end + 1..]),
        None => text,
    }
}

/// The picture as PNG, at three times the size; nothing where this machine has no fonts.
///
/// # Errors
/// Says what is missing.
#[cfg(feature = "png")]
pub fn png(figure: &Figure) -> Result<Vec<u8>, String> {
    use resvg::{tiny_skia, usvg};
    const SCALE: f32 = 3.0;
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_system_fonts();
    if options.fontdb.is_empty() {
        return Err(
            "this machine has no fonts: write `--figures svg`, or install fonts such as fonts-dejavu-core"
                .into(),
        );
    }
    // Whatever is there, where none of those that are asked for is.
    let family = options.fontdb.faces().find_map(|face| Some(face.families.first()?.0.clone()));
    if let Some(family) = family {
        options.fontdb_mut().set_sans_serif_family(family);
    }
    let tree = usvg::Tree::from_str(&svg(figure), &options).map_err(|cause| cause.to_string())?;
    let size = tree.size();
    let [width, height] = [size.width(), size.height()].map(|length| (length * SCALE) as u32);
    let mut picture = tiny_skia::Pixmap::new(width, height).expect("a figure has an area");
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|cause| cause.to_string())
}

fn height(figure: &Figure) -> u32 {
    let rows = |column: &str| figure.table.texts(column).len() as u32;
    match &figure.chart {
        Chart::Stack { row, .. } => 96 + 22 * rows(row),
        Chart::Bars { row, series, .. } => {
            let beside = if figure.table.rows.len() as u32 > rows(row) { rows(series.column) } else { 1 };
            96 + rows(row) * 22.max(10 * beside + 6)
        }
        Chart::Heat { y, .. } => 96 + 24 * rows(y.column).clamp(3, 40),
        Chart::Lines { .. } => 360,
        Chart::Scatter { .. } => 480,
    }
}

fn draw(area: &Area<'_>, figure: &Figure) -> Drawing {
    let table = &figure.table;
    match &figure.chart {
        Chart::Stack { row, part, value, interval } => {
            let parts: Vec<String> = offing_core::Parts::NAMES.map(String::from).into();
            let colours: Vec<RGBColor> = PARTS.iter().map(|name| colour(name)).collect();
            bars(
                area,
                table,
                &Bars {
                    row,
                    series: part,
                    value,
                    interval: *interval,
                    names: parts,
                    colours,
                    is_stacked: true,
                },
            )
        }
        Chart::Bars { row, value, series, interval } => {
            let names = sorted(table, series.column);
            let colours = (0..names.len()).map(of_series).collect();
            let bars_of = Bars {
                row,
                series: series.column,
                value,
                interval: *interval,
                names,
                colours,
                is_stacked: false,
            };
            bars(area, table, &bars_of)
        }
        Chart::Heat { x, y, value } => heat(area, table, x, y, value),
        Chart::Lines { x, y, series, band, level, kinds } => {
            let level = level.as_ref().map(|(value, name)| (*value, name.as_str()));
            points(
                area,
                table,
                &Points {
                    x,
                    y,
                    series,
                    band: *band,
                    level,
                    kinds: kinds.is_some(),
                    across: *kinds,
                    along: None,
                    is_line: true,
                    diagonal: false,
                    label: None,
                },
            )
        }
        Chart::Scatter { x, y, series, x_interval, y_interval, label, is_comparison } => points(
            area,
            table,
            &Points {
                x,
                y,
                series,
                band: None,
                level: None,
                kinds: false,
                across: *x_interval,
                along: *y_interval,
                is_line: false,
                diagonal: *is_comparison,
                label: Some(label),
            },
        ),
    }
}

fn colour(hex: &str) -> RGBColor {
    let part = |at: usize| {
        u8::from_str_radix(&hex[at..at + 2], 16).expect("colours of the style are written as #rrggbb")
    };
    RGBColor(part(1), part(3), part(5))
}

fn of_series(at: usize) -> RGBColor {
    colour(SERIES[at % SERIES.len()])
}

fn sorted(table: &Table, column: &str) -> Vec<String> {
    let mut names = table.texts(column);
    names.sort();
    names
}

/// The names of series and their colours: marks of deployments have their own.
fn series(table: &Table, column: &str) -> (Vec<String>, Vec<RGBColor>) {
    let names = sorted(table, column);
    let marks = MARKS.iter().filter(|(mark, ..)| names.iter().any(|name| name == mark));
    let marks: Vec<(String, RGBColor)> =
        marks.map(|(mark, hex, _)| ((*mark).to_owned(), colour(hex))).collect();
    if marks.len() == names.len() {
        return marks.into_iter().unzip();
    }
    let colours = (0..names.len()).map(of_series).collect();
    (names, colours)
}

fn style(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

/// Names with their colours above a plot, in as many lines as they need; returns where the plot may begin.
fn legend(area: &Area<'_>, names: &[String], colours: &[RGBColor], left: i32) -> Result<i32, DrawingError> {
    let (mut x, mut y) = (left, 12);
    for (name, colour) in names.iter().zip(colours) {
        let width = 34 + 7 * name.chars().count() as i32;
        if x > left && x + width > WIDTH as i32 {
            (x, y) = (left, y + 18);
        }
        area.draw(&Rectangle::new([(x, y), (x + 11, y + 11)], colour.filled()))?;
        area.draw(&Text::new(name.clone(), (x + 16, y - 1), style(13)))?;
        x += width;
    }
    Ok(y + 20)
}

/// Bars with names to their left.
struct Bars<'a> {
    row: &'a str,
    series: &'a str,
    value: &'a Axis,
    interval: Option<Interval>,
    names: Vec<String>,
    colours: Vec<RGBColor>,
    is_stacked: bool,
}

fn bars(area: &Area<'_>, table: &Table, bars: &Bars<'_>) -> Drawing {
    let rows = table.texts(bars.row);
    let label = rows.iter().map(|row| row.chars().count()).max().unwrap_or(0).min(34) as u32;
    let left = 14 + 7 * label;
    let begin = legend(area, &bars.names, &bars.colours, left as i32)?;
    let value_at = table.at(bars.value.column);
    let [row_at, series_at] = [table.at(bars.row), table.at(bars.series)];
    let mut sums = vec![0.0; rows.len()];
    for cells in &table.rows {
        let at = rows.iter().position(|row| *row == cells[row_at].text()).expect("it is one of them");
        let value = cells[value_at].number().unwrap_or(0.0);
        sums[at] = if bars.is_stacked { sums[at] + value } else { f64::max(sums[at], value) };
    }
    let highs = bars.interval.into_iter().flat_map(|(_, high)| table.column(high)).filter_map(Cell::number);
    let top = sums.iter().copied().chain(highs).fold(0.0, f64::max) * 1.04;
    let mut chart = ChartBuilder::on(area)
        .margin_top(begin)
        .margin_right(16)
        .x_label_area_size(44)
        .y_label_area_size(left)
        .build_cartesian_2d(0.0..top.max(1e-9), 0.0..rows.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_desc(bars.value.title.clone())
        .label_style(style(13))
        .axis_desc_style(style(13))
        .x_label_formatter(&|value| crate::words::number(*value))
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY)
        .axis_style(INK)
        .draw()?;
    let plane = chart.plotting_area();
    let beside = if bars.is_stacked || table.rows.len() == rows.len() { 1 } else { bars.names.len() };
    let mut ends = vec![0.0; rows.len()];
    for cells in &table.rows {
        let at = rows.iter().position(|row| *row == cells[row_at].text()).expect("it is one of them");
        let series = bars.names.iter().position(|name| *name == cells[series_at].text());
        let (Some(series), Some(value)) = (series, cells[value_at].number()) else { continue };
        let from_top = rows.len() as f64 - at as f64;
        let (place, width) = if beside == 1 { (0.0, 0.74) } else { (series as f64, 0.84 / beside as f64) };
        let top = from_top - (if beside == 1 { 0.13 } else { 0.08 }) - place * width;
        let begin = if bars.is_stacked { ends[at] } else { 0.0 };
        plane.draw(&Rectangle::new(
            [(begin, top - width), (begin + value, top)],
            bars.colours[series].filled(),
        ))?;
        ends[at] = begin + value;
        if let Some((low, high)) = bars.interval {
            let bounds = cells[table.at(low)].number().zip(cells[table.at(high)].number());
            if let Some((low, high)) = bounds {
                let middle = top - width / 2.0;
                plane.draw(&PathElement::new([(low, middle), (high, middle)], INK.stroke_width(2)))?;
            }
        }
    }
    // Intervals are drawn with the first part, and the later ones cover them: draw them again, on top.
    if let Some((low, high)) = bars.interval.filter(|_| bars.is_stacked) {
        for cells in &table.rows {
            let Some((low, high)) = cells[table.at(low)].number().zip(cells[table.at(high)].number()) else {
                continue;
            };
            let at = rows.iter().position(|row| *row == cells[row_at].text()).expect("it is one of them");
            let middle = rows.len() as f64 - at as f64 - 0.5;
            plane.draw(&PathElement::new([(low, middle), (high, middle)], INK.stroke_width(2)))?;
        }
    }
    let step = plane.dim_in_pixel().1 as f64 / rows.len() as f64;
    let right = style(13).pos(plotters::style::text_anchor::Pos::new(
        plotters::style::text_anchor::HPos::Right,
        plotters::style::text_anchor::VPos::Center,
    ));
    for (at, row) in rows.iter().enumerate() {
        let short: String = row.chars().take(34).collect();
        let y = begin + (step * (at as f64 + 0.5)) as i32;
        area.draw(&Text::new(short, (left as i32 - 6, y), right.clone()))?;
    }
    Ok(())
}

fn heat(area: &Area<'_>, table: &Table, x: &Axis, y: &Axis, value: &Axis) -> Drawing {
    let order = |text: &str| crate::words::quantity(text).map_or(f64::INFINITY, |(value, _)| value);
    let ordered = |axis: &Axis| {
        let mut texts = table.texts(axis.column);
        texts.sort_by(|a, b| order(a).total_cmp(&order(b)));
        texts
    };
    let (columns, rows) = (ordered(x), ordered(y));
    let known: Vec<f64> = table.column(value.column).filter_map(Cell::number).collect();
    let (low, high) = known.iter().fold((f64::INFINITY, 0.0), |(l, h): (f64, f64), &v| (l.min(v), h.max(v)));
    let shade = |value_of: f64| {
        let place = |v: f64| if value.is_log { v.ln() } else { v };
        let share =
            if high > low { (place(value_of) - place(low)) / (place(high) - place(low)) } else { 0.0 };
        let at = (share * 4.0).clamp(0.0, 3.999);
        let (from, to, rest) = (colour(HEAT[at as usize]), colour(HEAT[at as usize + 1]), at.fract());
        let mix = |a: u8, b: u8| (f64::from(a) * (1.0 - rest) + f64::from(b) * rest) as u8;
        (RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2)), share)
    };
    let left = 24 + 8 * rows.iter().map(|row| row.chars().count()).max().unwrap_or(1) as u32 + 24;
    area.draw(&Text::new(value.title.clone(), (left as i32, 11), style(13)))?;
    let (width, height) = area.dim_in_pixel();
    let (right, bottom) = (width as i32 - 16, height as i32 - 48);
    let cell = |at: usize, of: usize, from: i32, to: i32| from + (at as i32 * (to - from)) / of as i32;
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let centred = style(12).pos(Pos::new(HPos::Center, VPos::Center));
    for cells in &table.rows {
        let at = |texts: &[String], column: &str| {
            texts.iter().position(|text| *text == cells[table.at(column)].text()).expect("it is one of them")
        };
        let (column, row) = (at(&columns, x.column), rows.len() - 1 - at(&rows, y.column));
        let [from_x, to_x] = [column, column + 1].map(|at| cell(at, columns.len(), left as i32, right));
        let [from_y, to_y] = [row, row + 1].map(|at| cell(at, rows.len(), 34, bottom));
        let middle = ((from_x + to_x) / 2, (from_y + to_y) / 2);
        match cells[table.at(value.column)].number() {
            Some(known) => {
                let (fill, share) = shade(known);
                area.draw(&Rectangle::new([(from_x, from_y), (to_x, to_y)], fill.filled()))?;
                if columns.len() <= 12 && rows.len() <= 16 {
                    let ink = if share > 0.5 { WHITE } else { BLACK };
                    area.draw(&Text::new(format!("{known:.0}"), middle, centred.clone().color(&ink)))?;
                }
            }
            None => {
                area.draw(&Text::new("×", middle, centred.clone()))?;
            }
        }
    }
    let every = columns.len().div_ceil(12);
    for (at, text) in columns.iter().enumerate().filter(|(at, _)| at % every == 0) {
        let middle = (cell(at, columns.len(), left as i32, right)
            + cell(at + 1, columns.len(), left as i32, right))
            / 2;
        area.draw(&Text::new(text.clone(), (middle, bottom + 12), centred.clone()))?;
    }
    let every = rows.len().div_ceil(20);
    for (at, text) in rows.iter().rev().enumerate().filter(|(at, _)| at % every == 0) {
        let middle = (cell(at, rows.len(), 34, bottom) + cell(at + 1, rows.len(), 34, bottom)) / 2;
        let style = style(12).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(text.clone(), (left as i32 - 6, middle), style))?;
    }
    let middle = (left as i32 + right) / 2;
    area.draw(&Text::new(
        x.title.clone(),
        (middle, height as i32 - 14),
        style(13).pos(Pos::new(HPos::Center, VPos::Center)),
    ))?;
    let upwards = style(13).pos(Pos::new(HPos::Center, VPos::Center)).transform(FontTransform::Rotate270);
    area.draw(&Text::new(y.title.clone(), (12, (34 + bottom) / 2), upwards))
}

/// Lines or points over two axes.
struct Points<'a> {
    x: &'a Axis,
    y: &'a Axis,
    series: &'a Axis,
    band: Option<Interval>,
    level: Option<(f64, &'a str)>,
    /// Whether a column `kind` tells whole lines from dashed ones, without points.
    kinds: bool,
    /// Intervals of x.
    across: Option<Interval>,
    /// Intervals of y.
    along: Option<Interval>,
    is_line: bool,
    diagonal: bool,
    label: Option<&'a str>,
}

fn points(area: &Area<'_>, table: &Table, points: &Points<'_>) -> Drawing {
    let mut columns = [vec![points.x.column], vec![points.y.column]];
    for (place, interval) in [(0, points.across), (1, points.along), (1, points.band)] {
        columns[place].extend(interval.iter().flat_map(|(low, high)| [*low, *high]));
    }
    let values =
        |place: usize| columns[place].iter().flat_map(|column| table.column(column)).filter_map(Cell::number);
    let level = points.level.map(|(value, _)| value);
    let range = |place: usize, axis: &Axis| {
        let all = values(place).chain(level.filter(|_| place == 1));
        let (low, high) = all
            .filter(|value| !axis.is_log || *value > 0.0)
            .fold((f64::INFINITY, 0.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
        match axis.is_log {
            true => low / 1.15..high * 1.15,
            false if !points.is_line || (points.kinds && place == 0) => {
                (low - 0.04 * (high - low)).max(0.0)..high + 0.04 * (high - low)
            }
            false => 0.0..high * 1.04,
        }
    };
    let (x, y) = (range(0, points.x), range(1, points.y));
    let (x, y) = if points.diagonal {
        let both = x.start.min(y.start)..x.end.max(y.end);
        (both.clone(), both)
    } else {
        (x, y)
    };
    match (points.x.is_log, points.y.is_log) {
        (false, false) => plane(area, table, points, x.clone(), y.clone(), [x, y]),
        (false, true) => plane(area, table, points, x.clone(), log(&y), [x, y]),
        (true, false) => plane(area, table, points, log(&x), y.clone(), [x, y]),
        (true, true) => plane(area, table, points, log(&x), log(&y), [x, y]),
    }
}

/// A logarithmic axis with marks that readers know: plotters has powers of ten only, of which a short axis may have none.
fn log(range: &std::ops::Range<f64>) -> WithKeyPoints<LogCoord<f64>> {
    range.clone().log_scale().with_key_points(marks(range.start, range.end))
}

/// Powers of ten over many decades, 1, 2 and 5 over few, and equal steps where those are too few.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let of = |factors: &[f64]| -> Vec<f64> {
        let all =
            decades.clone().flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
        all.filter(|mark| (low..=high).contains(mark)).collect()
    };
    let few = of(&[1.0]);
    if few.len() > 3 {
        return few;
    }
    let more = of(&[1.0, 2.0, 5.0]);
    if more.len() > 2 {
        return more;
    }
    let wanted = (high - low) / 5.0;
    let decade = 10f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= wanted);
    let step = step.expect("ten times the decade is more");
    let first = (low / step).ceil() as i64;
    (first..).map(|at| at as f64 * step).take_while(|mark| *mark <= high).collect()
}

fn plane<X, Y>(
    area: &Area<'_>,
    table: &Table,
    points: &Points<'_>,
    x: X,
    y: Y,
    [x_range, y_range]: [std::ops::Range<f64>; 2],
) -> Drawing
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let (names, colours) = series(table, points.series.column);
    let begin = legend(area, &names, &colours, 66)?;
    if points.kinds && table.texts("kind").len() > 1 {
        let words = "whole line: measured, dashed: predicted";
        let right = style(13).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Right,
            plotters::style::text_anchor::VPos::Top,
        ));
        area.draw(&Text::new(words, (WIDTH as i32 - 16, 11), right))?;
    }
    let mut chart = ChartBuilder::on(area)
        .margin_top(begin)
        .margin_left(6)
        .margin_right(16)
        .x_label_area_size(44)
        .y_label_area_size(66)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(points.x.title.clone())
        .y_desc(points.y.title.clone())
        .label_style(style(13))
        .axis_desc_style(style(13))
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|value| crate::words::number(*value))
        .y_label_formatter(&|value| crate::words::number(*value))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY)
        .axis_style(INK)
        .draw()?;
    let number = |cells: &[Cell], column: &str| cells[table.at(column)].number();
    let plane = chart.plotting_area();
    if points.diagonal {
        let ends = [(x_range.start, y_range.start), (x_range.end, y_range.end)];
        plane.draw(&PathElement::new(ends, colour("#5a6472").stroke_width(1)))?;
    }
    if let Some((level, name)) = points.level {
        plane.draw(&PathElement::new(
            [(x_range.start, level), (x_range.end, level)],
            colour(LEVEL).stroke_width(1),
        ))?;
        plane.draw(
            &(EmptyElement::at((x_range.start, level)) + Text::new(name.to_owned(), (6, -15), style(12))),
        )?;
    }
    for (at, name) in names.iter().enumerate() {
        let of_series: Vec<&Vec<Cell>> =
            table.rows.iter().filter(|cells| cells[table.at(points.series.column)].text() == *name).collect();
        if let Some((low, high)) = points.band {
            let edge = |column: &str| {
                of_series
                    .iter()
                    .filter_map(|cells| Some((number(cells, points.x.column)?, number(cells, column)?)))
                    .collect::<Vec<_>>()
            };
            let (lower, mut upper) = (edge(low), edge(high));
            upper.reverse();
            let outline = [lower, upper].concat();
            if !outline.is_empty() {
                plane.draw(&Polygon::new(outline, colours[at].mix(0.18)))?;
            }
        }
        // The lines of one series may be of several runs, and a prediction.
        let runs = if points.kinds { table.texts("run") } else { vec![String::new()] };
        let is_dashed = points.kinds && table.texts("kind").len() > 1;
        for run in runs.iter().filter(|_| points.is_line) {
            let line: Vec<&&Vec<Cell>> = of_series
                .iter()
                .filter(|cells| !points.kinds || cells[table.at("run")].text() == *run)
                .collect();
            let is_predicted = points.kinds
                && line.first().is_some_and(|cells| cells[table.at("kind")].text() == "predicted");
            let line = line
                .iter()
                .filter_map(|cells| Some((number(cells, points.x.column)?, number(cells, points.y.column)?)));
            // A logarithmic axis has no zero.
            let line: Vec<(f64, f64)> = line.filter(|(_, y)| !points.y.is_log || *y > 0.0).collect();
            let stroke = colours[at].stroke_width(2);
            match line.len() {
                0 | 1 => {}
                _ if is_dashed && is_predicted => plane.draw(&DashedPathElement::new(line, 7, 4, stroke))?,
                _ => plane.draw(&PathElement::new(line, stroke))?,
            }
        }
        for cells in of_series {
            let (Some(x), Some(y)) = (number(cells, points.x.column), number(cells, points.y.column)) else {
                continue;
            };
            if let Some((low, high)) =
                points.across.and_then(|(low, high)| number(cells, low).zip(number(cells, high)))
            {
                plane.draw(&PathElement::new([(low, y), (high, y)], colours[at].stroke_width(2)))?;
            }
            if let Some((low, high)) =
                points.along.and_then(|(low, high)| number(cells, low).zip(number(cells, high)))
            {
                plane.draw(&PathElement::new([(x, low), (x, high)], colours[at].stroke_width(2)))?;
            }
            if points.kinds {
                continue;
            }
            let fill = colours[at].filled();
            match (MARKS.iter().position(|(mark, ..)| mark == name), at % 3) {
                (Some(0), _) => plane.draw(&Cross::new((x, y), 2, colours[at].stroke_width(1)))?,
                (Some(1), _) => plane.draw(&Circle::new((x, y), 2, fill))?,
                (Some(4), _) => {
                    plane.draw(&(EmptyElement::at((x, y)) + Rectangle::new([(-4, -4), (4, 4)], fill)))?;
                }
                (Some(2), _) | (None, 0) => plane.draw(&Circle::new((x, y), 4, fill))?,
                (Some(_), _) | (None, 1) => plane.draw(&TriangleMarker::new((x, y), 6, fill))?,
                (None, _) => plane.draw(&Cross::new((x, y), 4, colours[at].stroke_width(2)))?,
            }
            if let Some(label) = points.label {
                plane.draw(
                    &(EmptyElement::at((x, y))
                        + Text::new(cells[table.at(label)].text(), (7, -16), style(12))),
                )?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_axis_has_marks_however_long_it_is() {
        assert_eq!(marks(0.0005, 1.0), [0.001, 0.01, 0.1, 1.0]);
        assert_eq!(marks(20.0, 700.0), [20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(marks(241.0, 320.0), [260.0, 280.0, 300.0, 320.0]);
        assert_eq!(marks(99.0, 101.0), [99.0, 99.5, 100.0, 100.5, 101.0]);
    }
}
