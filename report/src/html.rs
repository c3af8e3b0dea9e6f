//! Pieces of HTML. Whatever comes from a file goes through [`text`].

/// A text in which nothing is a tag, an entity or the end of an attribute.
pub fn text(plain: &str) -> String {
    let mut safe = String::with_capacity(plain.len());
    let mut letters = plain.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // A number stays with its percent sign.
            ' ' if letters.peek() == Some(&'%') => safe.push('\u{a0}'),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // What no page may hold.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A table of cells that are HTML already, in a box that scrolls sideways. Columns that hold numbers are aligned to
/// the right.
pub fn table(label: &str, columns: &[String], rows: &[Vec<String>], is_number: &[bool]) -> String {
    let class =
        |at: usize| if is_number.get(at).copied().unwrap_or(false) { " class=\"number\"" } else { "" };
    let head: String =
        (0..).zip(columns).map(|(at, name)| format!("<th scope=\"col\"{}>{name}</th>", class(at))).collect();
    let mut body = String::new();
    for row in rows {
        let cells: String =
            (0..).zip(row).map(|(at, cell)| format!("<td{}>{cell}</td>", class(at))).collect();
        body.push_str(&format!("<tr>{cells}</tr>\n"));
    }
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody></table></div>\n",
        text(label)
    )
}

/// JSON that may stand in a script element: it cannot end it, nor begin a comment.
pub fn json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_or_in_data_can_become_markup() {
        assert_eq!(text("<img onerror='x' \"&\0>"), "&lt;img onerror=&#39;x&#39; &quot;&amp;\u{fffd}&gt;");
        assert_eq!(text("95 % of"), "95\u{a0}% of");
        let data = json(&serde_json::json!({ "a": "</script><!--" }));
        assert!(!data.contains('<'));
        let back: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(back["a"], "</script><!--");
    }
}
