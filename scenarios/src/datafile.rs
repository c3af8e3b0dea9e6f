//! The files that a scenario names: measured values, recorded arrivals, recorded delivery opportunities.

use offing_core::{Span, TraceArrival, units};

use crate::keys::Unit;

/// What is wrong with a file, and at which line.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub line: usize,
    pub message: String,
    pub hint: String,
}

/// Larger files are refused: they are measurements gone wrong, or not text at all.
const MOST_BYTES: usize = 64 << 20;

type Rows<'a> = Vec<(usize, &'a str)>;

fn fault(line: usize, message: impl Into<String>, hint: impl Into<String>) -> Fault {
    Fault { line, message: message.into(), hint: hint.into() }
}

/// Lines with something on them, numbered from 1; `#` begins a comment line.
fn rows(text: &str) -> Result<Rows<'_>, Fault> {
    if text.len() > MOST_BYTES {
        return Err(fault(1, "the file is larger than 64 MiB", "write fewer values: a sample is enough"));
    }
    let rows: Rows<'_> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    if rows.is_empty() {
        Err(fault(1, "the file has no values", "write one value per line"))
    } else {
        Ok(rows)
    }
}

/// The unit that a column's name ends in, as in `work_ms`.
fn unit_of(header: &str, unit: Unit) -> Option<f64> {
    let suffix =
        header.trim().trim_matches('"').rsplit(['_', ' ']).next()?.trim_matches(['(', ')', '[', ']']);
    let one = format!("1 {suffix}");
    match unit {
        Unit::Time => units::seconds(&one).ok(),
        Unit::Size => units::bytes(&one).ok(),
    }
}

/// One value per line, with its unit or in that of the header, else in seconds or bytes; in ascending order.
pub(crate) fn values(text: &str, unit: Unit) -> Result<Vec<f64>, Fault> {
    let mut rows = rows(text)?;
    let is_value = |line: &str| line.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let mut scale = 1.0;
    let (first, header) = rows[0];
    if !is_value(header)
        && !header.to_ascii_lowercase().starts_with("nan")
        && !header.to_ascii_lowercase().starts_with("inf")
    {
        scale = unit_of(header, unit).ok_or_else(|| {
            let hint = match unit {
                Unit::Time => "end it in a unit, for example `work_ms`",
                Unit::Size => "end it in a unit, for example `frame_bytes`",
            };
            fault(first, format!("the header `{}` names no unit", shorten(header)), hint)
        })?;
        rows.remove(0);
        if rows.is_empty() {
            return Err(fault(first, "the file has no values", "write one value per line"));
        }
    }
    let mut values = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        let read = match (row.parse::<f64>(), unit) {
            (Ok(number), _) if number.is_finite() && number >= 0.0 => Ok(number * scale),
            (_, Unit::Time) => units::seconds(row),
            (_, Unit::Size) => units::bytes(row),
        };
        let value = read.map_err(|refusal| {
            fault(line, refusal.message, "write one value per line, with or without a unit")
        })?;
        if unit == Unit::Time && value > 86_400.0 || value > 1e18 {
            return Err(fault(
                line,
                format!("`{}` is too large", shorten(row)),
                "the largest values are 1 d and 1 EB",
            ));
        }
        values.push(value);
    }
    values.sort_by(f64::total_cmp);
    Ok(values)
}

/// Columns `time_s` (or another unit of time) and perhaps `endpoint`; others are not read.
pub(crate) fn arrivals(text: &str) -> Result<Vec<TraceArrival>, Fault> {
    let rows = rows(text)?;
    let (first, header) = rows[0];
    let columns: Vec<&str> = header.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let time = columns.iter().position(|name| name.starts_with("time_"));
    let scale = time.and_then(|at| unit_of(columns[at], Unit::Time));
    let (Some(time), Some(scale)) = (time, scale) else {
        let hint = "begin the file with a header: `time_s`, or `time_s,endpoint`";
        return Err(fault(first, "there is no column `time_s`", hint));
    };
    let endpoint = columns.iter().position(|name| *name == "endpoint");
    let mut arrivals: Vec<TraceArrival> = Vec::with_capacity(rows.len() - 1);
    for &(line, row) in &rows[1..] {
        let mut cells = row.split(',').map(str::trim);
        let cell = |wanted: usize, cells: &mut dyn Iterator<Item = &str>| {
            cells.nth(wanted).unwrap_or_default().to_string()
        };
        let instant = cell(time, &mut cells.clone());
        let at = instant
            .parse::<f64>()
            .ok()
            .filter(|number| *number >= 0.0 && *number * scale <= 31_622_400.0)
            .and_then(|number| Span::from_secs_f64(number * scale))
            .ok_or_else(|| {
                fault(
                    line,
                    format!("`{}` is not an instant", shorten(&instant)),
                    "write a time since the start of the run",
                )
            })?;
        if arrivals.last().is_some_and(|last| last.at > at) {
            return Err(fault(line, "time goes back", "sort the file by time"));
        }
        let endpoint = match endpoint {
            None => None,
            Some(column) => {
                let text = cell(column, &mut cells);
                let number = text.parse().map_err(|_| {
                    fault(
                        line,
                        format!("`{}` is not the number of an endpoint", shorten(&text)),
                        "count endpoints from 0",
                    )
                })?;
                Some(number)
            }
        };
        arrivals.push(TraceArrival { at, endpoint });
    }
    if arrivals.is_empty() {
        return Err(fault(first, "the file has no arrivals", "write one arrival per line below the header"));
    }
    Ok(arrivals)
}

/// Mahimahi's format: one line per packet that can be delivered, with its instant in milliseconds.
pub(crate) fn opportunities(text: &str) -> Result<Vec<Span>, Fault> {
    let mut instants: Vec<Span> = Vec::new();
    for (line, row) in rows(text)? {
        let millis = row.parse::<u64>().ok().filter(|millis| *millis <= 86_400_000).ok_or_else(|| {
            let hint = "write one whole number of milliseconds per line, at most one day";
            fault(line, format!("`{}` is not an instant", shorten(row)), hint)
        })?;
        let at = Span::from_millis(millis);
        if instants.last().is_some_and(|last| *last > at) {
            return Err(fault(line, "time goes back", "sort the file by time"));
        }
        instants.push(at);
    }
    if instants.last() == Some(&Span::ZERO) {
        return Err(fault(
            1,
            "all instants are 0",
            "the last instant is the length of a round: it must be greater than 0",
        ));
    }
    Ok(instants)
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 {
        text.into()
    } else {
        text.chars().take(37).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_unit_of_the_line_or_else_of_the_header() {
        assert_eq!(values("work_ms\n20\n10\n", Unit::Time), Ok(vec![0.01, 0.02]));
        assert_eq!(values("0.5\n250 ms\n", Unit::Time), Ok(vec![0.25, 0.5]));
        assert_eq!(values("# frames\r\nframe_kB\r\n68\r\n1 MB\r\n", Unit::Size), Ok(vec![68e3, 1e6]));
        assert_eq!(values("frame_bytes\n68\n", Unit::Size), Ok(vec![68.0]));
    }

    #[test]
    fn a_fault_names_its_line() {
        assert_eq!(
            values("0.5\n\n-1\n", Unit::Time).map_err(|f| (f.line, f.message)),
            Err((3, "`-1` is negative".into()))
        );
        assert_eq!(values("NaN\n", Unit::Time).map_err(|f| f.line), Err(1));
        assert_eq!(
            values("work\n1\n", Unit::Time).map_err(|f| f.message),
            Err("the header `work` names no unit".into())
        );
        assert_eq!(
            arrivals("time_s\n1\n0.5\n").map_err(|f| (f.line, f.message)),
            Err((3, "time goes back".into()))
        );
        assert_eq!(opportunities("0\n0\n").map_err(|f| f.message), Err("all instants are 0".into()));
        assert_eq!(opportunities("1\n1.5\n").map_err(|f| f.line), Err(2));
    }

    #[test]
    fn arrivals_may_name_their_endpoint() {
        let second = TraceArrival { at: Span::from_millis(1500), endpoint: Some(1) };
        assert_eq!(arrivals("endpoint,time_s\n0,1\n1,1.5\n").expect("sound")[1], second);
        assert_eq!(arrivals("time_ms\n1500\n").expect("sound")[0].at, Span::from_millis(1500));
    }
}
