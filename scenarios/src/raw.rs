//! The file as written: a tree of values, each with its place. Judges nothing.
//!
//! TOML is parsed by the `toml` crate; this tree adds what it does not keep: the order of the file, one place
//! per key and value, and the replacements of `--set`, which are laid over the file before anything is
//! checked and keep a place of their own.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::issue::{Issue, Severity};

/// Where something was written: a byte of one of the [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub source: u32,
    pub offset: u32,
}

/// The texts that places point into: the file first, then each `--set`.
pub(crate) struct Sources {
    texts: Vec<Source>,
}

struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Sources {
    pub fn new(file: &str, text: &str) -> Self {
        let mut sources = Sources { texts: Vec::new() };
        sources.add(file, text);
        sources
    }

    /// Takes in a text and gives the number to use in places.
    pub fn add(&mut self, name: &str, text: &str) -> u32 {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.texts.push(Source { name: name.into(), text: text.into(), line_starts });
        u32::try_from(self.texts.len() - 1).expect("fewer sources than 2^32")
    }

    /// Name, line and column of a place.
    pub fn locate(&self, place: Place) -> (&str, usize, usize) {
        let source = &self.texts[place.source as usize];
        let offset = source.text.floor_char_boundary((place.offset as usize).min(source.text.len()));
        let line = source.line_starts.partition_point(|start| *start <= offset);
        let column = source.text[source.line_starts[line - 1]..offset].chars().count() + 1;
        (&source.name, line, column)
    }

    /// The place of a byte inside a text value that stands at `place`; the value's own place where escapes
    /// keep the two from matching.
    pub fn inside(&self, place: Place, text: &str, offset: usize) -> Place {
        let source = &self.texts[place.source as usize];
        let rest = source.text.get(place.offset as usize..).unwrap_or_default();
        for quotes in ["\"\"\"\n", "\"\"\"", "\'\'\'\n", "\'\'\'", "\"", "\'", ""] {
            if rest.strip_prefix(quotes).is_some_and(|inner| inner.starts_with(text)) {
                return self::place(place.source, place.offset as usize + quotes.len() + offset);
            }
        }
        place
    }

    pub fn issue(
        &self,
        severity: Severity,
        place: Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) -> Issue {
        let (file, line, column) = self.locate(place);
        Issue { severity, file: file.into(), line, column, key: key.into(), message, hint }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub raw: Raw,
}

/// A value as TOML has it.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    /// Floats, and integers that do not fit in 64 bits.
    Float(f64),
    Bool(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub entries: Vec<Entry>,
}

/// A key, where it stands, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }
}

impl Raw {
    /// What it is, with its article, for messages.
    pub fn what(&self) -> &'static str {
        match self {
            Raw::Text(_) => "a text",
            Raw::Integer(_) | Raw::Float(_) => "a number",
            Raw::Bool(_) => "true or false",
            Raw::Date(_) => "a date",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
        }
    }
}

/// A mistake against TOML itself.
pub(crate) struct Syntax {
    pub place: Place,
    pub message: String,
    pub hint: String,
    /// Whether the tree is complete all the same, as for a key that is given twice.
    pub harmless: bool,
}

/// Parses a file. The tree is as complete as the mistakes allow.
pub(crate) fn parse(text: &str) -> (Table, Vec<Syntax>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    (convert_table(table.get_ref(), 0), errors.iter().map(|error| syntax(text, error)).collect())
}

/// The parser's message, with what to write instead.
fn syntax(text: &str, error: &toml::de::Error) -> Syntax {
    let span = error.span().unwrap_or_default();
    let message = error.message().replace('\n', ", ");
    let harmless = message.starts_with("duplicate key");
    let (message, hint) = if harmless {
        let key = text.get(span.clone()).unwrap_or_default();
        (format!("the key `{}` is given twice", key.trim()), "keep one of them")
    } else if message.contains("string values must be quoted") {
        (message, "write texts between double quotes, for example `\"45 ms\"`")
    } else if message.contains("basic string") || message.contains("literal string") {
        (message, "end the text with the same quotes that it begins with, on the same line")
    } else if message.contains("unclosed table") {
        (message, "close the heading: `[deploy]`, `[[link]]`")
    } else if message.contains("unclosed array") || message.contains("unclosed inline table") {
        (message, "close what was opened: `[` with `]`, `{` with `}`")
    } else {
        (message, "write `key = value` lines below `[headings]`: see toml.io")
    };
    Syntax { place: place(0, span.start), message, hint: hint.into(), harmless }
}

fn place(source: u32, offset: usize) -> Place {
    Place { source, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
}

fn convert_table(table: &DeTable<'_>, source: u32) -> Table {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: place(source, key.span().start),
            node: convert(value, source),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place);
    Table { entries }
}

fn convert(value: &Spanned<DeValue<'_>>, source: u32) -> Node {
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(integer) => Raw::Integer(integer),
            Err(_) => Raw::Float(digits.as_str().parse().unwrap_or(f64::INFINITY)),
        },
        DeValue::Float(digits) => Raw::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Datetime(date) => Raw::Date(date.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| convert(item, source)).collect()),
        DeValue::Table(table) => Raw::Table(convert_table(table, source)),
    };
    Node { place: place(source, value.span().start), raw }
}

/// Parses one value that is known to be TOML.
pub(crate) fn parse_value(text: &str) -> Node {
    convert(&DeValue::parse(text).expect("the text is TOML"), 0)
}

/// Lays one `--set KEY=VALUE` over the tree. What cannot be addressed is said in words.
pub(crate) fn set(
    root: &mut Table,
    sources: &mut Sources,
    key: &str,
    value: &str,
) -> Result<(), (Place, String, String)> {
    let source = sources.add("--set", value);
    let here = place(source, 0);
    let node = match DeValue::parse(value) {
        Ok(parsed) => convert(&parsed, source),
        Err(_) => Node { place: here, raw: Raw::Text(value.into()) },
    };
    let path = split_path(key);
    if path.iter().any(String::is_empty) {
        return Err((
            here,
            "not a key".into(),
            "write KEY=VALUE with a key such as `tier.edge.cores`".into(),
        ));
    }
    // The two say the same thing in two ways, so the one that is set replaces the other.
    match key {
        "duration" => root.remove("requests"),
        "requests" => root.remove("duration"),
        _ => {}
    }
    let mut table = root;
    let mut at = 0;
    while at + 1 < path.len() {
        let name = &path[at];
        let list = matches!(table.get(name), Some(Entry { node: Node { raw: Raw::List(_), .. }, .. }));
        let entry = slot(table, name, here);
        at += 1;
        if list {
            let Raw::List(items) = &mut entry.node.raw else { unreachable!("just looked") };
            let which = &path[at];
            let index = element(items, which).ok_or_else(|| {
                let hint = match (items.len(), names(items)) {
                    (0, _) => "there are none".into(),
                    (1, None) => "write its number: 0".into(),
                    (1, Some(names)) => format!("write its number, 0, or its name: {}", names.join(", ")),
                    (n, None) => format!("write its number: 0 to {}", n - 1),
                    (n, Some(names)) => {
                        format!("write its number, 0 to {}, or its name: {}", n - 1, names.join(", "))
                    }
                };
                (here, format!("there is no `{which}` in `{name}`"), hint)
            })?;
            let item = &mut items[index];
            at += 1;
            if at == path.len() {
                *item = node;
                return Ok(());
            }
            table = make_table(item, here);
        } else {
            table = make_table(&mut entry.node, here);
        }
    }
    slot(table, &path[at], here).node = node;
    Ok(())
}

/// The entry of that name, made if it is not there, and said to stand in the `--set`.
fn slot<'a>(table: &'a mut Table, key: &str, here: Place) -> &'a mut Entry {
    let index = table.entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let node = Node { place: here, raw: Raw::Table(Table::default()) };
        table.entries.push(Entry { key: key.into(), place: here, node });
        table.entries.len() - 1
    });
    &mut table.entries[index]
}

fn make_table(node: &mut Node, here: Place) -> &mut Table {
    if !matches!(node.raw, Raw::Table(_)) {
        *node = Node { place: here, raw: Raw::Table(Table::default()) };
    }
    match &mut node.raw {
        Raw::Table(table) => table,
        _ => unreachable!("just made"),
    }
}

/// A key path taken apart. `space` takes the rest as one key, for axes have dots in their names.
fn split_path(key: &str) -> Vec<String> {
    if let Some(axis) = key.strip_prefix("space.") {
        return vec!["space".into(), axis.trim_matches('"').into()];
    }
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in key.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => parts.last_mut().expect("never empty").push(c),
        }
    }
    parts
}

/// The element of a list of tables by number, by `name`, or by the ends of a link.
fn element(items: &[Node], which: &str) -> Option<usize> {
    match which.parse::<usize>() {
        Ok(index) => (index < items.len()).then_some(index),
        Err(_) => items.iter().position(|item| item_names(item).iter().any(|name| name == which)),
    }
}

fn names(items: &[Node]) -> Option<Vec<String>> {
    let names: Vec<String> =
        items.iter().take(8).filter_map(|item| item_names(item).first().cloned()).collect();
    (!names.is_empty()).then_some(names)
}

fn item_names(item: &Node) -> Vec<String> {
    let Raw::Table(table) = &item.raw else { return Vec::new() };
    let mut names = Vec::new();
    if let Some(Raw::Text(name)) = table.get("name").map(|entry| &entry.node.raw) {
        names.push(name.clone());
    }
    if let Some(Raw::List(ends)) = table.get("between").map(|entry| &entry.node.raw)
        && let [Node { raw: Raw::Text(a), .. }, Node { raw: Raw::Text(b), .. }] = ends.as_slice()
    {
        names.extend([format!("{a}-{b}"), format!("{b}-{a}")]);
    }
    names
}
