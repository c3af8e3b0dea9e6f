//! Text for people, in lines of the screen's width.

use std::fmt::Write;

use crate::output::Screen;

/// A page that grows downwards.
pub struct Page {
    text: String,
    screen: Screen,
}

/// How something stands out. The words say the same, for those who do not see it.
#[derive(Clone, Copy)]
pub enum Style {
    Bold,
    Warning,
    Alarm,
}

/// Where the text after a label begins.
const LABEL: usize = 13;

impl Page {
    pub fn new(screen: Screen) -> Self {
        Page { text: String::new(), screen }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn width(&self) -> usize {
        self.screen.width
    }

    /// A line as it is.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    pub fn blank(&mut self) {
        self.line("");
    }

    /// A line that stands out; what comes after it does not.
    pub fn heading(&mut self, text: &str, after: &str) {
        let painted = self.paint(Style::Bold, text);
        self.line(&format!("{painted}{after}"));
    }

    /// A text broken between words.
    pub fn paragraph(&mut self, text: &str) {
        wrap(text, self.screen.width).iter().for_each(|line| self.line(line));
    }

    /// A text whose first words stand out.
    pub fn marked(&mut self, style: Style, mark: &str, text: &str) {
        let mut lines = wrap(&format!("{mark} {text}"), self.screen.width);
        if let Some(first) = lines.first_mut()
            && let Some(rest) = first.strip_prefix(mark)
        {
            *first = format!("{}{rest}", self.paint(style, mark));
        }
        lines.iter().for_each(|line| self.line(line));
    }

    /// A label and what is to be said under it; nothing if that is nothing.
    pub fn fact(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut indent = self.paint(Style::Bold, &format!("{label:<LABEL$}"));
        if label.len() >= LABEL {
            indent.push(' ');
        }
        for line in wrap(text, self.screen.width.saturating_sub(LABEL)) {
            self.line(&format!("{indent}{line}"));
            indent = " ".repeat(LABEL);
        }
    }

    /// Rows under a heading, each column as wide as its widest cell.
    pub fn columns(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            if number == 0 {
                self.heading(line.trim_end(), "");
            } else {
                self.line(&line);
            }
        }
    }

    /// The same; columns that do not fit side by side follow below, each time after the first one.
    #[cfg(feature = "emu")]
    pub fn folded(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
        let mut at = 1;
        while at < columns {
            let mut used = widths[0] + 2 + widths[at];
            let mut end = at + 1;
            while end < columns && used + 2 + widths[end] <= self.screen.width {
                used += 2 + widths[end];
                end += 1;
            }
            let part = |row: &Vec<String>| {
                let some = row.iter().enumerate().filter(|(i, _)| *i == 0 || (at..end).contains(i));
                some.map(|(_, cell)| cell.clone()).collect()
            };
            if at > 1 {
                self.blank();
            }
            self.columns(&rows.iter().map(part).collect::<Vec<_>>());
            at = end;
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => 1,
            Style::Warning => 33,
            Style::Alarm => 31,
        };
        if self.screen.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// `1 node`, `2 nodes`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
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

/// Lines of at most `width` characters, broken between words; a per cent sign stays with its number.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.replace(" %", GLUED).split(' ') {
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
    lines.iter().map(|line| line.replace(GLUED, " %")).collect()
}

/// A per cent sign with the space before it, as one word.
const GLUED: &str = "\u{a0}%";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_never_before_a_per_cent_sign() {
        assert_eq!(wrap("edge 12.5 % and more", 10), ["edge", "12.5 % and", "more"]);
        assert_eq!(wrap("unbreakable word", 5), ["unbreakable", "word"]);
    }

    #[test]
    #[cfg(feature = "emu")]
    fn columns_that_do_not_fit_side_by_side_follow_below() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let rows = [row(["run", "mean ms", "p95 ms"]), row(["a-1", "12.5", "20.25"])];
        let told = |width| {
            let mut page = Page::new(Screen { width, colour: false });
            page.folded(&rows);
            page.into_text()
        };
        assert_eq!(told(20), "run  mean ms  p95 ms\na-1  12.5     20.25\n");
        assert_eq!(told(19), "run  mean ms\na-1  12.5\n\nrun  p95 ms\na-1  20.25\n");
    }

    #[test]
    fn four_digits_matter() {
        assert_eq!(significant(0.0), "0");
        assert_eq!(significant(20.0), "20");
        assert_eq!(significant(19.9966), "20");
        assert_eq!(significant(0.000_123_456), "0.0001235");
        assert_eq!(significant(123_456.7), "123457");
        assert_eq!(significant(-2.5), "-2.5");
    }

    #[test]
    fn colour_is_added_only_where_it_is_welcome_and_takes_no_words_away() {
        let page = |colour| {
            let mut page = Page::new(Screen { width: 40, colour });
            page.marked(Style::Alarm, "overload:", "it fills up");
            page.fact("load", "200.0 %");
            page.into_text()
        };
        assert_eq!(page(false), "overload: it fills up\nload         200.0 %\n");
        let coloured = page(true);
        assert!(coloured.contains("\x1b[31moverload:\x1b[0m it fills up"), "{coloured}");
        assert_eq!(
            coloured.replace("\x1b[31m", "").replace("\x1b[1m", "").replace("\x1b[0m", ""),
            page(false)
        );
    }
}
