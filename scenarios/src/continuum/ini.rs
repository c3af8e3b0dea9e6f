//! Reads a text as Python's `configparser.ConfigParser()` with its defaults does, and remembers where each
//! option and value stands.
//!
//! Source: CPython 3.8 to 3.11, `Lib/configparser.py`; the rules in words are in docs/continuum.md. [`scan`]
//! goes on after a fault, so that a tolerant reader can see the rest; [`read`] stops where Python stops.

use std::collections::{BTreeMap, BTreeSet};

use super::python::{is_space, repr, strip, strip_end};

/// The section whose options every other section has too.
pub const DEFAULT: &str = "DEFAULT";

/// Python's `MAX_INTERPOLATION_DEPTH`.
const DEEPEST: usize = 10;

/// References that one value may follow, and bytes it may grow to. Python has no such limit and would run out
/// of memory or patience instead.
const MOST_STEPS: usize = 100_000;
const LONGEST_VALUE: usize = 4 << 20;

/// A place in the text, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A section header or an option, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `[name]`.
    Section {
        /// As written between the brackets.
        name: String,
        /// Where the bracket stands.
        place: Place,
    },
    /// `key = value`, and the lines that continue the value.
    Option {
        /// The section it stands in, empty before the first header.
        section: String,
        /// In lower case, as Python stores it.
        key: String,
        /// Where the key stands.
        place: Place,
        /// The lines of the value, without the blanks around them.
        value: Vec<Fragment>,
    },
}

/// One line of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// Without the blanks around it.
    pub text: String,
    /// Where it starts.
    pub place: Place,
}

/// Why Python refuses a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where the line starts to mean something.
    pub place: Place,
    /// The line with its end.
    pub line: String,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// It stands before the first header.
    NoHeader,
    /// The section is there already.
    SectionTwice {
        /// The section.
        section: String,
    },
    /// The option is there already in this section.
    OptionTwice {
        /// The section.
        section: String,
        /// The option in lower case.
        option: String,
    },
    /// Neither `=` nor `:`.
    NoDelimiter,
    /// Nothing before the `=`.
    NoKey,
}

/// All that stands in a text, fit for Python or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Headers and options in the order of the text; repeated ones are there, too.
    pub entries: Vec<Entry>,
    /// What Python does not accept, in the order of the text.
    pub faults: Vec<Fault>,
}

/// Takes a text apart, line by line.
pub fn scan(text: &str) -> Scan {
    let mut scan = Scan::default();
    // Sections and options seen so far; Python's `elements_added`.
    let mut sections: BTreeSet<String> = BTreeSet::new();
    let mut options: BTreeSet<(String, String)> = BTreeSet::new();
    let mut section: Option<String> = None;
    // The option that a deeper line continues: its index in `entries`.
    let mut open: Option<usize> = None;
    let mut indent_level = 0;
    for (index, (line, ending)) in lines(text).enumerate() {
        let value = strip(line);
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        let place = Place { line: index + 1, column: indent + 1 };
        let fault = |kind| Fault { place, line: format!("{line}{ending}"), kind };
        if value.starts_with(['#', ';']) {
            continue;
        }
        if value.is_empty() {
            if let Some(Entry::Option { value, .. }) = open.map(|i| &mut scan.entries[i]) {
                value.push(Fragment { text: String::new(), place });
            }
            continue;
        }
        if let Some(i) = open.filter(|_| indent > indent_level) {
            if let Entry::Option { value: fragments, .. } = &mut scan.entries[i] {
                fragments.push(Fragment { text: value.to_owned(), place });
            }
            continue;
        }
        indent_level = indent;
        if let Some(name) = header(value) {
            if name != DEFAULT && !sections.insert(name.to_owned()) {
                scan.faults.push(fault(FaultKind::SectionTwice { section: name.to_owned() }));
            }
            section = Some(name.to_owned());
            open = None;
            scan.entries.push(Entry::Section { name: name.to_owned(), place });
            continue;
        }
        if section.is_none() {
            scan.faults.push(fault(FaultKind::NoHeader));
        }
        let Some(delimiter) = value.find(['=', ':']) else {
            scan.faults.push(fault(FaultKind::NoDelimiter));
            continue;
        };
        let key = strip_end(&value[..delimiter]).to_lowercase();
        if key.is_empty() {
            scan.faults.push(fault(FaultKind::NoKey));
        }
        let in_section = section.clone().unwrap_or_default();
        if !options.insert((in_section.clone(), key.clone())) {
            let kind = FaultKind::OptionTwice { section: in_section.clone(), option: key.clone() };
            scan.faults.push(fault(kind));
        }
        // The value starts behind the delimiter and its blanks.
        let behind = &value[delimiter + 1..];
        let text = strip(behind);
        let blanks = behind.chars().take_while(|&c| is_space(c)).count();
        let column = place.column + value[..delimiter].chars().count() + 1 + blanks;
        let first = Fragment { text: text.to_owned(), place: Place { column, ..place } };
        // An option without a name is kept by Python, but nothing continues it.
        open = (!key.is_empty()).then_some(scan.entries.len());
        scan.entries.push(Entry::Option { section: in_section, key, place, value: vec![first] });
    }
    scan
}

/// The lines of a text with their ends as Python's text files show them: `\r\n` and `\r` read as `\n`, and
/// nothing else ends a line.
fn lines(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = rest.find(['\n', '\r']) else {
            return Some((std::mem::take(&mut rest), ""));
        };
        let line = &rest[..end];
        let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
        Some((line, "\n"))
    })
}

/// The name in `[name]`; Python takes all up to the last bracket and ignores what follows.
fn header(value: &str) -> Option<&str> {
    let name = value.strip_prefix('[')?;
    let end = name.rfind(']')?;
    (end > 0).then(|| &name[..end])
}

/// A text that Python accepts.
#[derive(Clone, Debug, Default)]
pub struct Ini {
    sections: BTreeMap<String, (Place, BTreeMap<String, Slotted>)>,
    defaults: BTreeMap<String, Slotted>,
}

/// One option as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Slotted {
    /// The lines of the value joined, before interpolation.
    pub raw: String,
    /// Where the key stands.
    pub key: Place,
    /// Where the value starts, also if it is empty.
    pub value: Place,
}

/// Why an option has no value.
#[derive(Clone, Debug, PartialEq)]
pub enum BadReference {
    /// A `%` that starts nothing: Python's `InterpolationSyntaxError`.
    Syntax(String),
    /// `%(name)s` of an option that is not there: `InterpolationMissingOptionError`.
    Missing(String),
    /// References that go on and on: `InterpolationDepthError`.
    Depth(String),
    /// Beyond the limits of this reader; Python would try.
    TooLong,
}

impl BadReference {
    /// As Python's traceback ends: the name of the exception and its text.
    pub fn python(&self) -> String {
        match self {
            BadReference::Syntax(text) => format!("InterpolationSyntaxError: {text}"),
            BadReference::Missing(text) => format!("InterpolationMissingOptionError: {text}"),
            BadReference::Depth(text) => format!("InterpolationDepthError: {text}"),
            BadReference::TooLong => {
                format!(
                    "the value follows more than {MOST_STEPS} references or grows beyond {LONGEST_VALUE} bytes"
                )
            }
        }
    }
}

/// Reads a text that Python accepts, or gives the message of the exception that it raises and the line.
pub fn read(text: &str, file: &str) -> Result<Ini, (String, Place)> {
    let scan = scan(text);
    let at_once = |fault: &&Fault| !matches!(fault.kind, FaultKind::NoDelimiter | FaultKind::NoKey);
    if let Some(fault) = scan.faults.iter().find(at_once) {
        return Err((raised(fault, file), fault.place));
    }
    if let Some(first) = scan.faults.first() {
        let mut message = format!("ParsingError: Source contains parsing errors: {}", repr(file));
        for fault in &scan.faults {
            message.push_str(&format!("\n\t[line {:2}]: {}", fault.place.line, repr(&fault.line)));
        }
        return Err((message, first.place));
    }
    Ok(Ini::build(&scan.entries))
}

/// The exceptions that end the reading at once.
fn raised(fault: &Fault, file: &str) -> String {
    let Place { line, .. } = fault.place;
    let file = repr(file);
    match &fault.kind {
        FaultKind::NoHeader => format!(
            "MissingSectionHeaderError: File contains no section headers.\nfile: {file}, line: {line}\n{}",
            repr(&fault.line)
        ),
        FaultKind::SectionTwice { section } => format!(
            "DuplicateSectionError: While reading from {file} [line {line:2}]: section {} already exists",
            repr(section)
        ),
        FaultKind::OptionTwice { section, option } => format!(
            "DuplicateOptionError: While reading from {file} [line {line:2}]: option {} in section {} already exists",
            repr(option),
            repr(section)
        ),
        FaultKind::NoDelimiter | FaultKind::NoKey => unreachable!("these are collected"),
    }
}

impl Ini {
    /// Stores entries; of an option that is there twice, the first.
    pub fn build(entries: &[Entry]) -> Self {
        let mut ini = Ini::default();
        for entry in entries {
            match entry {
                Entry::Section { name, .. } if name == DEFAULT => {}
                Entry::Section { name, place } => {
                    ini.sections.entry(name.clone()).or_insert_with(|| (*place, BTreeMap::new()));
                }
                Entry::Option { section, key, place, value } => {
                    let lines: Vec<&str> = value.iter().map(|f| f.text.as_str()).collect();
                    let raw = strip_end(&lines.join("\n")).to_owned();
                    let at = value.first().map_or(*place, |f| f.place);
                    let slot = Slotted { raw, key: *place, value: at };
                    let options = if section == DEFAULT {
                        &mut ini.defaults
                    } else {
                        &mut ini.sections.entry(section.clone()).or_default().1
                    };
                    options.entry(key.clone()).or_insert(slot);
                }
            }
        }
        ini
    }

    /// Whether the section is there; `DEFAULT` does not count.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Where a section starts.
    pub fn section_place(&self, section: &str) -> Option<Place> {
        self.sections.get(section).map(|(place, _)| *place)
    }

    /// Names of the sections.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// Names of the options of a section, those of `DEFAULT` included.
    pub fn options(&self, section: &str) -> Vec<&str> {
        let own = self.sections.get(section).map(|(_, options)| options.keys()).into_iter().flatten();
        let mut names: Vec<&str> = own.chain(self.defaults.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// An option as stored, if the section is there and it or `DEFAULT` has the option. The name is in any case.
    pub fn slot(&self, section: &str, option: &str) -> Option<&Slotted> {
        let (_, options) = self.sections.get(section)?;
        let option = option.to_lowercase();
        options.get(&option).or_else(|| self.defaults.get(&option))
    }

    /// The value of an option after interpolation; nothing if it is not there.
    pub fn value(&self, section: &str, option: &str) -> Option<Result<String, BadReference>> {
        let slot = self.slot(section, option)?;
        if !slot.raw.contains('%') {
            return Some(Ok(slot.raw.clone()));
        }
        let mut walk =
            Interpolation { ini: self, section, option: option.to_lowercase(), raw: &slot.raw, steps: 0 };
        let mut out = String::new();
        Some(walk.expand(&slot.raw, 1, &mut out).map(|()| out))
    }
}

/// Python's `BasicInterpolation` of one option.
struct Interpolation<'a> {
    ini: &'a Ini,
    section: &'a str,
    option: String,
    raw: &'a str,
    steps: usize,
}

impl Interpolation<'_> {
    fn expand(&mut self, text: &str, depth: usize, out: &mut String) -> Result<(), BadReference> {
        if depth > DEEPEST {
            return Err(BadReference::Depth(format!(
                "Recursion limit exceeded in value substitution: option {} in section {} contains an interpolation \
                 key which cannot be substituted in {DEEPEST} steps. Raw value: {}",
                repr(&self.option),
                repr(self.section),
                repr(self.raw)
            )));
        }
        let mut rest = text;
        while let Some(percent) = rest.find('%') {
            out.push_str(&rest[..percent]);
            rest = &rest[percent..];
            self.steps += 1;
            if self.steps > MOST_STEPS || out.len() > LONGEST_VALUE {
                return Err(BadReference::TooLong);
            }
            if rest.starts_with("%%") {
                out.push('%');
                rest = &rest[2..];
            } else if rest.starts_with("%(") {
                let (name, behind) = reference(rest).ok_or_else(|| {
                    BadReference::Syntax(format!("bad interpolation variable reference {}", repr(rest)))
                })?;
                rest = behind;
                let name = name.to_lowercase();
                let Some(slot) = self.ini.slot(self.section, &name) else {
                    return Err(BadReference::Missing(format!(
                        "Bad value substitution: option {} in section {} contains an interpolation key {} which is \
                         not a valid option name. Raw value: {}",
                        repr(&self.option),
                        repr(self.section),
                        repr(&name),
                        repr(self.raw)
                    )));
                };
                if slot.raw.contains('%') {
                    self.expand(&slot.raw, depth + 1, out)?;
                } else {
                    out.push_str(&slot.raw);
                }
            } else {
                return Err(BadReference::Syntax(format!(
                    "'%' must be followed by '%' or '(', found: {}",
                    repr(rest)
                )));
            }
        }
        out.push_str(rest);
        if out.len() > LONGEST_VALUE { Err(BadReference::TooLong) } else { Ok(()) }
    }
}

/// `%(name)s` at the start of a text: the name and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix("%(")?;
    let end = inside.find(')').filter(|&end| end > 0)?;
    Some((&inside[..end], inside[end..].strip_prefix(")s")?))
}

/// The names that `%(name)s` refers to anywhere in a text, in lower case.
pub fn references(text: &str) -> BTreeSet<String> {
    let parts: Vec<&str> = text.split(')').collect();
    let closed = parts.windows(2).filter(|pair| pair[1].starts_with('s')).map(|pair| pair[0]);
    closed.filter_map(|part| part.rsplit_once("%(")).map(|(_, name)| name.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, option: &str) -> String {
        read(text, "x.cfg").expect("accepted").value("s", option).expect("there").expect("a value")
    }

    #[test]
    fn deeper_lines_continue_a_value_also_across_blank_lines_but_not_across_comments() {
        assert_eq!(value("[s]\na = 1\n  2\n\n  # no\n  3\n\nb: 4\n", "a"), "1\n2\n\n3");
        assert_eq!(value("[s]\n  a = 1\n  b = 2\n", "b"), "2");
    }

    #[test]
    fn the_place_of_a_value_is_its_first_character() {
        let ini = read("[s]\n  Key\t=  välue\n", "x.cfg").expect("accepted");
        let slot = ini.slot("s", "key").expect("there");
        assert_eq!((slot.key, slot.value), (Place { line: 2, column: 3 }, Place { line: 2, column: 10 }));
    }

    #[test]
    fn references_are_followed_and_a_bomb_is_refused() {
        assert_eq!(value("[DEFAULT]\nroot = /d\n[s]\na = %(ROOT)s/100%%\n", "a"), "/d/100%");
        let mut bomb = String::from("[s]\na0 = xxxxxxxxxx\n");
        for i in 1..10 {
            bomb.push_str(&format!("a{i} = {}\n", format!("%(a{})s", i - 1).repeat(50)));
        }
        let ini = read(&bomb, "x.cfg").expect("accepted");
        assert_eq!(ini.value("s", "a9"), Some(Err(BadReference::TooLong)));
    }
}
