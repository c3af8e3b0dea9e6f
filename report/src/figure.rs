//! A figure is a table and how to draw it. The page, the static figures and the CSV files are made of the same.

use std::fmt::Write;

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number; what is not finite is told as missing.
    Number(f64),
    /// Not known.
    Missing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        if value.is_finite() { Cell::Number(value) } else { Cell::Missing }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Missing, Into::into)
    }
}

impl Cell {
    /// As a file has it: exact, and empty if it is not known.
    pub fn to_csv(&self) -> String {
        match self {
            Cell::Text(text) if text.contains(['"', ',', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Cell::Text(text) => text.clone(),
            Cell::Number(value) => value.to_string(),
            Cell::Missing => String::new(),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        if let Cell::Number(value) = self { Some(*value) } else { None }
    }

    /// The words; a number as people read it.
    pub fn text(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(value) => crate::words::number(*value),
            Cell::Missing => String::new(),
        }
    }
}

/// Columns with names that are valid attribute names, and rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names of the columns, units last.
    pub columns: Vec<&'static str>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Without rows yet.
    pub fn new(columns: &[&'static str]) -> Self {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [Cell; N]) {
        assert_eq!(N, self.columns.len(), "a row has a cell for each column");
        self.rows.push(row.into());
    }

    /// Where a column is.
    pub fn at(&self, column: &str) -> usize {
        self.columns.iter().position(|name| *name == column).expect("charts name columns of their own table")
    }

    /// The cells of a column.
    pub fn column(&self, name: &str) -> impl Iterator<Item = &Cell> + '_ {
        let at = self.at(name);
        self.rows.iter().map(move |row| &row[at])
    }

    /// The different texts of a column, in the order in which they come.
    pub fn texts(&self, column: &str) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for cell in self.column(column) {
            let text = cell.text();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// As comma-separated values.
    pub fn to_csv(&self) -> String {
        let mut text = self.columns.join(",") + "\n";
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::to_csv).collect();
            writeln!(text, "{}", cells.join(",")).expect("a text takes everything");
        }
        text
    }
}

/// An axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The column.
    pub column: &'static str,
    /// What stands at it, with the unit.
    pub title: String,
    /// Whether equal distances are equal factors.
    pub is_log: bool,
}

impl Axis {
    /// A linear axis.
    pub fn new(column: &'static str, title: impl Into<String>) -> Self {
        Axis { column, title: title.into(), is_log: false }
    }

    /// The same, logarithmic if so.
    pub fn log(self, is_log: bool) -> Self {
        Axis { is_log, ..self }
    }
}

/// Two columns that bound a value.
pub type Interval = (&'static str, &'static str);

/// How a table is drawn. Columns are named.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Bars of parts that add up, one bar per row name; the interval is that of the sum.
    Stack {
        /// Names the bar.
        row: &'static str,
        /// Names the part.
        part: &'static str,
        /// Length of the part.
        value: Axis,
        /// Of the sum; in the row of the first part.
        interval: Option<Interval>,
    },
    /// Cells of two ordered axes, coloured by a value; a cell without a value is crossed out.
    Heat {
        /// To the right, in the order of the rows.
        x: Axis,
        /// Upwards.
        y: Axis,
        /// The colour.
        value: Axis,
    },
    /// One line per series, with a band or error bars.
    Lines {
        /// To the right.
        x: Axis,
        /// Upwards.
        y: Axis,
        /// Names the line.
        series: Axis,
        /// Drawn as a band.
        band: Option<Interval>,
        /// A level to compare with, and its name.
        level: Option<(f64, String)>,
        /// One line per series and `run`, without points: whole where the `kind` column says `measured`, dashed where it
        /// says `predicted` if there are both; with horizontal intervals where they are known.
        kinds: Option<Interval>,
    },
    /// Horizontal bars, side by side where there are several series.
    Bars {
        /// Names the bar.
        row: &'static str,
        /// Its length.
        value: Axis,
        /// Names the colour.
        series: Axis,
        /// Of the value.
        interval: Option<Interval>,
    },
    /// Points with a horizontal or vertical interval.
    Scatter {
        /// To the right.
        x: Axis,
        /// Upwards.
        y: Axis,
        /// Names colour and shape.
        series: Axis,
        /// Of x.
        x_interval: Option<Interval>,
        /// Of y.
        y_interval: Option<Interval>,
        /// Names the point.
        label: &'static str,
        /// Whether both axes are of the same, with a diagonal of equality.
        is_comparison: bool,
    },
}

/// What is drawn, and what is said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Of its files, without an ending.
    pub name: &'static str,
    /// Above it.
    pub title: String,
    /// Below it: what is drawn, and how to read it.
    pub caption: String,
    /// What it shows, for those who do not see it.
    pub alternative: String,
    /// The data.
    pub table: Table,
    /// The way it is drawn.
    pub chart: Chart,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_with_quotes_where_they_are_needed_and_gaps_where_nothing_is_known() {
        let mut table = Table::new(&["a", "b_ms"]);
        table.push(["x, \"y\"".into(), 0.1.into()]);
        table.push(["plain".into(), f64::NAN.into()]);
        assert_eq!(table.to_csv(), "a,b_ms\n\"x, \"\"y\"\"\",0.1\nplain,\n");
    }
}
