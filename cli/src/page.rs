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
    /// One of 256.
    Colour(u8),
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

    /// The same, to the right of so many columns.
    #[cfg(feature = "emu")]
    pub fn indented(&mut self, indent: usize, text: &str) {
        let lines = wrap(text, self.screen.width.saturating_sub(indent));
        lines.iter().for_each(|line| self.line(&format!("{:indent$}{line}", "")));
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

    /// Rows under a heading, each column as wide as its widest cell. What does not fit beside the others goes below
    /// them, with the first column once more; where a cell does not even fit beside the first column, it has a line of its
    /// own below it.
    pub fn columns(&mut self, rows: &[Vec<String>]) {
        let (all, mut widths) = (rows, widths(rows));
        let mut rows = rows.to_vec();
        let room = self.screen.width;
        let is_wide = |widths: &[usize], at: usize| widths[0] + 2 + widths[at] > room;
        if (1..widths.len()).any(|at| is_wide(&widths, at)) {
            rows[0][0].clear();
            let without_heading = self::widths(&rows);
            if without_heading[0] < widths[0] {
                // What the first column is about stands above it, which makes room.
                self.heading(&all[0][0], "");
                widths = without_heading;
            } else {
                rows = all.to_vec();
            }
        }
        let (below, beside): (Vec<usize>, Vec<usize>) =
            (1..widths.len()).partition(|&at| is_wide(&widths, at));
        self.groups(&rows, &widths, &beside);
        if below.is_empty() {
            return;
        }
        if !beside.is_empty() {
            self.blank();
        }
        if !beside.is_empty() || !rows[0][0].is_empty() {
            self.heading(&all[0][0], "");
        }
        for row in &rows[1..] {
            self.line(&row[0]);
            let cells = below.iter().filter_map(|&at| Some((&rows[0][at], row.get(at)?)));
            for (name, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
                let mut indent = "  ";
                for line in wrap(&format!("{name} {cell}"), room.saturating_sub(4)) {
                    self.line(&format!("{indent}{line}"));
                    indent = "    ";
                }
            }
        }
    }

    /// As many of some columns beside each other as fit, each time with the first.
    fn groups(&mut self, rows: &[Vec<String>], widths: &[usize], columns: &[usize]) {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut used = 0;
        if widths.len() == 1 {
            groups.push(vec![0]);
        }
        for &at in columns {
            used += 2 + widths[at];
            match groups.last_mut() {
                Some(group) if used <= self.screen.width => group.push(at),
                _ => {
                    groups.push(vec![0, at]);
                    used = widths[0] + 2 + widths[at];
                }
            }
        }
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                self.blank();
            }
            self.some_columns(rows, widths, group);
        }
    }

    fn some_columns(&mut self, rows: &[Vec<String>], widths: &[usize], which: &[usize]) {
        for (number, row) in rows.iter().enumerate() {
            let cells = which.iter().filter_map(|&at| Some((row.get(at)?, widths[at])));
            let line = cells.map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>().join("  ");
            if number == 0 {
                self.heading(line.trim_end(), "");
            } else {
                self.line(&line);
            }
        }
    }

    /// What to do next: why, and the command, whole on a line of its own so that it can be copied.
    pub fn next(&mut self, steps: &[Step]) {
        let mut label = "next";
        for Step { why, command } in steps {
            self.fact(label, &format!("{why}:"));
            let indent = if LABEL + command.chars().count() <= self.screen.width { LABEL } else { 2 };
            self.line(&format!("{}{command}", " ".repeat(indent)));
            label = "";
        }
    }

    /// A text that stands out, if colours are welcome.
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => "1".to_owned(),
            Style::Warning => "33".to_owned(),
            Style::Alarm => "31".to_owned(),
            Style::Colour(number) => format!("38;5;{number}"),
        };
        if self.screen.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// How wide the widest cell of each column is.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|at| width(at).unwrap_or(0)).collect()
}

/// Something to do next.
pub struct Step {
    /// What for.
    pub why: String,
    /// The command, as a shell takes it.
    pub command: String,
}

impl Step {
    pub fn new(why: impl Into<String>, words: &[&str]) -> Step {
        let command = words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        Step { why: why.into(), command }
    }
}

/// A word of a command, quoted where a shell would split or change it.
pub fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-=+:,@%".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
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
    lines.iter().map(|line| line.replace('\u{a0}', " ")).collect()
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
    fn columns_that_do_not_fit_go_below_with_the_first_once_more() {
        let row = |cells: [&str; 4]| cells.map(String::from).to_vec();
        let mut page = Page::new(Screen { width: 16, colour: false });
        page.columns(&[row(["run", "mean ms", "p95", "use"]), row(["a-1", "1.5", "2", "12 %"])]);
        assert_eq!(page.into_text(), "run  mean ms\na-1  1.5\n\nrun  p95  use\na-1  2    12 %\n");
    }

    #[test]
    fn a_heading_that_leaves_no_room_stands_above() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let mut page = Page::new(Screen { width: 16, colour: false });
        page.columns(&[row(["a.very.long.key", "mean ms"]), row(["1 ms", "1.5"])]);
        assert_eq!(page.into_text(), "a.very.long.key\n      mean ms\n1 ms  1.5\n");
    }

    #[test]
    fn names_that_leave_no_room_have_lines_of_their_own() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let mut page = Page::new(Screen { width: 16, colour: false });
        page.columns(&[row(["what", "value", "error"]), row(["worker.overhead", "0.5", "0.1"])]);
        assert_eq!(page.into_text(), "what\nworker.overhead\n  value 0.5\n  error 0.1\n");
    }

    #[test]
    fn a_cell_that_leaves_no_room_is_below_and_the_others_stay_beside() {
        let row = |cells: [&str; 4]| cells.map(String::from).to_vec();
        let mut page = Page::new(Screen { width: 16, colour: false });
        page.columns(&[row(["run", "ms", "use", "lost"]), row(["a-1", "1.5", "edge 50 %, cloud 2 %", "0"])]);
        let expected = "run  ms   lost\na-1  1.5  0\n\nrun\na-1\n  use edge\n    50 %, cloud\n    2 %\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_command_is_one_line_however_long_and_quotes_what_a_shell_would_change() {
        let mut page = Page::new(Screen { width: 20, colour: false });
        page.next(&[Step::new(
            "see how many fit",
            &["offing", "invert", "my file.toml", "--such-that", "load < 0.9"],
        )]);
        assert_eq!(
            page.into_text(),
            "next         see how\n             many\n             fit:\n  offing invert 'my file.toml' --such-that 'load < 0.9'\n"
        );
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
