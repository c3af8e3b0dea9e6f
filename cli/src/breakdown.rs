//! The five parts of mean latencies as bars: one bar for each deployment, on a common scale.

use offing_core::{Parts, Summary};

use crate::page::{Page, Style, significant};

/// One bar.
pub struct Bar {
    /// What stands before it.
    pub name: String,
    /// Mean of each part [ms], in the order of [`Parts::NAMES`].
    pub parts_ms: [f64; 5],
}

/// What fills a part: told apart without colour.
const MARKS: [char; 5] = [':', '▒', '░', '█', '▓'];
/// The colours of the report, as near as 256 colours come.
const COLOURS: [u8; 5] = [178, 74, 166, 36, 175];
/// Columns of a bar beside its name; with less room it goes below.
const NARROWEST: usize = 24;
/// Bars that are shown, at most.
const MOST: usize = 12;

impl Bar {
    /// The bar of a summary; nothing if no request came back.
    pub fn new(name: impl Into<String>, summary: &Summary) -> Option<Bar> {
        summary.latency_ms.as_ref()?;
        let part = |name: &str| summary.parts_ms.get(name).map_or(0.0, |part| part.mean);
        Some(Bar { name: name.into(), parts_ms: Parts::NAMES.map(part) })
    }

    fn total(&self) -> f64 {
        self.parts_ms.iter().sum()
    }
}

/// Draws the bars with their heading; nothing if there are none.
pub fn draw(page: &mut Page, bars: &[Bar]) {
    let longest = bars.iter().map(Bar::total).fold(0.0, f64::max);
    if longest <= 0.0 {
        return;
    }
    page.heading("where the time goes", "");
    let legend: Vec<String> =
        Parts::NAMES.iter().zip(MARKS).map(|(name, mark)| format!("{mark}\u{a0}{name}")).collect();
    page.paragraph(&legend.join("  "));
    let shown = &bars[..bars.len().min(MOST)];
    let totals: Vec<String> = shown.iter().map(|bar| format!("{} ms", significant(bar.total()))).collect();
    let width = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text.chars().count()).max();
    let names = width(&mut shown.iter().map(|bar| &bar.name)).unwrap_or(0);
    let numbers = width(&mut totals.iter()).unwrap_or(0);
    let before = names + 2 + numbers + 2;
    let beside = page.width().saturating_sub(before) >= NARROWEST;
    for (bar, total) in shown.iter().zip(&totals) {
        let head = format!("{:<names$}  {total:>numbers$}", bar.name);
        if beside {
            let bar = painted(page, bar, longest, page.width() - before);
            page.line(&format!("{head}  {bar}"));
        } else {
            page.line(&head);
            let bar = painted(page, bar, longest, page.width());
            page.line(&bar);
        }
    }
    if bars.len() > MOST {
        page.line(&format!("and {} more", bars.len() - MOST));
    }
    page.blank();
}

/// A bar of at most `room` columns for `longest`. Its end is rounded, not its parts, so that equal sums end alike.
fn painted(page: &Page, bar: &Bar, longest: f64, room: usize) -> String {
    let (mut sum, mut from) = (0.0, 0);
    let mut text = String::new();
    for ((value, mark), colour) in bar.parts_ms.iter().zip(MARKS).zip(COLOURS) {
        sum += value;
        let to = ((sum / longest * room as f64).round() as usize).min(room);
        if to > from {
            text += &page.paint(Style::Colour(colour), &mark.to_string().repeat(to - from));
        }
        from = from.max(to);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Screen;

    fn text(width: usize, bars: &[Bar]) -> String {
        let mut page = Page::new(Screen { width, colour: false });
        draw(&mut page, bars);
        page.into_text()
    }

    #[test]
    fn parts_have_their_share_of_the_room_and_nothing_is_too_wide() {
        let bars = [
            Bar { name: "edge".into(), parts_ms: [0.0, 10.0, 10.0, 20.0, 0.0] },
            Bar { name: "cloud".into(), parts_ms: [0.0, 40.0, 0.0, 20.0, 20.0] },
        ];
        let wide = text(55, &bars);
        // 5 + 2 + 5 + 2 columns stand before it, and 41 are left for 80 ms.
        assert!(wide.contains("edge   40 ms  ▒▒▒▒▒░░░░░███████████\n"), "{wide}");
        assert!(
            wide.contains(&format!("cloud  80 ms  {}{}{}\n", "▒".repeat(21), "█".repeat(10), "▓".repeat(10))),
            "{wide}"
        );
        for width in [20, 30, 40, 80, 160] {
            let text = text(width, &bars);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.contains("█ process") && !text.contains('\u{a0}'), "{text}");
        }
        assert_eq!(text(40, &[]), "");
    }
}
