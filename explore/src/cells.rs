//! Rows as comma-separated values, fast: a sweep writes tens of millions of numbers.

use offing_core::Engine;

use crate::Plan;
use crate::unit::Unit;

/// Values of an axis whose texts are kept.
const MOST_LABELS: u64 = 1 << 16;

/// How the rows of a plan are written.
pub(crate) struct Cells<'p> {
    plan: &'p Plan<'p>,
    /// For each axis that is short enough: its cells at each value, a comma after each.
    labels: Vec<Option<Vec<Vec<u8>>>>,
}

impl<'p> Cells<'p> {
    pub(crate) fn new(plan: &'p Plan<'p>) -> Self {
        let labels = plan.scenario.space.axes().iter().map(|axis| {
            (axis.len() <= MOST_LABELS)
                .then(|| (0..axis.len()).map(|digit| cells_of(&axis.labels(digit))).collect())
        });
        Cells { plan, labels: labels.collect() }
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> Vec<u8> {
        let axes = self.plan.scenario.space.axes();
        let keys = axes.iter().flat_map(|axis| axis.keys());
        let metrics = self.plan.metrics.names().iter().map(String::as_str);
        let names = ["number"].into_iter().chain(keys);
        let names = names.chain(["verdict", "reason", "requests", "decided", "engine"]).chain(metrics);
        let mut line = Vec::new();
        names.for_each(|name| push_text(&mut line, name));
        end(&mut line);
        line
    }

    /// Adds a row of a unit. `predicted` is its number among the predicted rows, if it is one.
    pub(crate) fn push(
        &self,
        out: &mut Vec<u8>,
        digits: &[u64],
        unit: &Unit,
        row: usize,
        predicted: Option<usize>,
    ) {
        let number = self.plan.points.number(digits);
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.push(b',');
        for ((axis, labels), &digit) in self.plan.scenario.space.axes().iter().zip(&self.labels).zip(digits) {
            match labels {
                Some(labels) => out.extend_from_slice(&labels[digit as usize]),
                None => out.extend(cells_of(&axis.labels(digit))),
            }
        }
        out.extend_from_slice(unit.verdicts[row].name().as_bytes());
        out.push(b',');
        push_text(out, &reason(unit, row));
        match predicted {
            Some(at) => {
                out.extend_from_slice(itoa::Buffer::new().format(unit.requests[at]).as_bytes());
                out.push(b',');
                out.extend_from_slice(unit.decided[at].name().as_bytes());
                out.push(b',');
                out.extend_from_slice(engine_name(unit.engines[at]).as_bytes());
                out.push(b',');
                for column in &unit.metrics {
                    push_number(out, column[at]);
                }
            }
            None => out.extend(std::iter::repeat_n(b',', unit.metrics.len() + 3)),
        }
        end(out);
    }
}

/// Why a row is not feasible, with its number.
pub(crate) fn reason(unit: &Unit, row: usize) -> std::borrow::Cow<'_, str> {
    let text = unit.texts[unit.reasons[row] as usize].as_str();
    let value = unit.values[row];
    // The number comes last; what is before it may quote a condition of the user's.
    match text.rfind("{}") {
        Some(at) if !value.is_nan() => {
            let mut number = Vec::new();
            push_number(&mut number, value);
            number.pop();
            let number = String::from_utf8_lossy(&number);
            format!("{}{number}{}", &text[..at], &text[at + 2..]).into()
        }
        _ => text.into(),
    }
}

pub(crate) fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Stations => "stations",
        Engine::Events => "events",
        Engine::Measured => "measured",
    }
}

/// The shortest text that reads back as the same number, and a comma; nothing but the comma for NaN.
pub(crate) fn push_number(out: &mut Vec<u8>, value: f64) {
    if !value.is_nan() {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format(value);
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
    out.push(b',');
}

/// A cell as RFC 4180 wants it, and a comma.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.contains(['"', ',', '\n', '\r']) {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b',');
}

/// Makes the last comma the end of the line.
pub(crate) fn end(out: &mut [u8]) {
    *out.last_mut().expect("a line has a cell") = b'\n';
}

fn cells_of(labels: &[String]) -> Vec<u8> {
    let mut cells = Vec::new();
    labels.iter().for_each(|label| push_text(&mut cells, label));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_and_texts_are_quoted_where_they_must_be() {
        let mut line = Vec::new();
        for value in [0.1, 5.0, -2.5, 1e300, f64::NAN, 0.0, f64::INFINITY] {
            push_number(&mut line, value);
        }
        push_text(&mut line, "a,b");
        push_text(&mut line, "say \"so\"");
        push_text(&mut line, "plain");
        end(&mut line);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, "0.1,5,-2.5,1e+300,,0,inf,\"a,b\",\"say \"\"so\"\"\",plain\n");
    }
}
