//! Reads what a file means rather than what Continuum's parser makes of it: every deviation whose intent is
//! clear is repaired with a warning at its place, everything else is an error with a hint, and all of it is
//! reported at once.
//!
//! What is repaired and what is not: docs/continuum.md, "Lenient".

use std::collections::{BTreeMap, BTreeSet};

use super::ini::{self, BadReference, DEFAULT, Entry, Fault, FaultKind, Fragment, Ini, Place, Scan};
use super::mend::{self, Mended};
use super::python::{is_space, strip};
use super::resolved::{Mode, Resolved, Value};
use super::strict::{LONGEST_FILE, Outcome, judge};
use super::walk::{ACCOUNT, Judge, Kind, Refusal, Rule, SECTIONS, Spec, walk};
use super::warnings;
use crate::{Issue, Severity};

/// Reads a file tolerantly. `file` is its name, for the issues.
///
/// Gives the values and the warnings, or all issues if one of them is an error.
pub fn lenient(text: &str, file: &str) -> Result<(Resolved, Vec<Issue>), Vec<Issue>> {
    let mut issues = Issues { file: file.to_owned(), found: Vec::new() };
    if text.len() > LONGEST_FILE {
        let message = format!("the file has {} bytes; at most {LONGEST_FILE} are read", text.len());
        issues.error(START, "", message, "check whether this is a Continuum configuration at all");
        return Err(issues.found);
    }
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if body.len() < text.len() {
        let message =
            "the file starts with a byte order mark, which Continuum takes for a part of the first line";
        issues.warn(START, "", format!("{message}; ignored"), "save it as UTF-8 without the mark");
    }
    let entries = Tidy::new(&mut issues).tidy(ini::scan(body));
    let ini = Ini::build(&entries);
    let mut judge = Lenient {
        ini,
        entries: &entries,
        issues: &mut issues,
        asked: BTreeSet::new(),
        absent: BTreeSet::new(),
    };
    let resolved = match walk(&mut judge, file) {
        Ok(resolved) => resolved,
        Err(never) => match never {},
    };
    judge.leftovers(&resolved, ini::references(body));
    warnings::warnings(&resolved, &mut issues);
    let Issues { mut found, .. } = issues;
    found.sort_by_key(|issue| (issue.line, issue.column, issue.severity));
    found.dedup();
    if found.iter().any(|issue| issue.severity == Severity::Error) {
        Err(found)
    } else {
        Ok((resolved, found))
    }
}

/// Unknown options that are compared with all known ones; a file with more is not one of Continuum's.
const MOST_SUGGESTIONS: usize = 200;

const START: Place = Place { line: 1, column: 1 };

/// The issues of one file.
pub(super) struct Issues {
    file: String,
    found: Vec<Issue>,
}

impl Issues {
    pub(super) fn error(
        &mut self,
        place: Place,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Error, place, key, message.into(), hint.into());
    }

    pub(super) fn warn(
        &mut self,
        place: Place,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, key, message.into(), hint.into());
    }

    fn add(&mut self, severity: Severity, place: Place, key: &str, message: String, hint: String) {
        self.found.push(Issue {
            severity,
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            key: key.to_owned(),
            message,
            hint: (!hint.is_empty()).then_some(hint),
        });
    }
}

/// The section that has an option of this name, in any case.
fn home(option: &str) -> Option<(&'static str, &'static str)> {
    SECTIONS.into_iter().find_map(|(section, options)| {
        let found = options.iter().find(|known| known.eq_ignore_ascii_case(option))?;
        Some((section, *found))
    })
}

/// The section that is meant by a name: blanks and case aside.
fn section_meant(name: &str) -> Option<&'static str> {
    let name = strip(name);
    SECTIONS.into_iter().map(|(section, _)| section).find(|known| known.eq_ignore_ascii_case(name))
}

/// The candidate most like a name, if it is like it at all.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are no typing errors, and comparing them would take long.
    if name.len() > 60 {
        return None;
    }
    let name = name.to_lowercase();
    let close = |known: &&str| known.len().abs_diff(name.len()) <= 4;
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&name, &known.to_lowercase());
    let scored = candidates.into_iter().filter(close).map(|known| (likeness(known), known));
    scored.filter(|(score, _)| *score >= 0.7).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// A text for a message: shortened, on one line.
pub(super) fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(61).collect();
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Puts the lines of a file where they belong.
struct Tidy<'a> {
    issues: &'a mut Issues,
    /// The section that the lines stand in now.
    section: Option<String>,
    seen: BTreeMap<String, Place>,
    entries: Vec<Entry>,
    options: BTreeMap<(String, String), (String, Place)>,
}

enum Line {
    Entry(Entry),
    Loose(Fault),
}

impl<'a> Tidy<'a> {
    fn new(issues: &'a mut Issues) -> Self {
        let (seen, options) = (BTreeMap::new(), BTreeMap::new());
        Tidy { issues, section: None, seen, entries: Vec::new(), options }
    }

    fn tidy(mut self, scan: Scan) -> Vec<Entry> {
        let loose = scan.faults.into_iter().filter(|fault| fault.kind == FaultKind::NoDelimiter);
        let mut lines: Vec<Line> =
            scan.entries.into_iter().map(Line::Entry).chain(loose.map(Line::Loose)).collect();
        lines.sort_by_key(|line| match line {
            Line::Entry(Entry::Section { place, .. } | Entry::Option { place, .. }) => *place,
            Line::Loose(fault) => fault.place,
        });
        let names = lines.iter().filter_map(|line| match line {
            Line::Entry(Entry::Section { name, .. }) => section_meant(name),
            _ => None,
        });
        let written: BTreeSet<&str> = names.collect();
        for line in lines {
            match line {
                Line::Entry(Entry::Section { name, place }) => self.header(&name, place, &written),
                Line::Entry(Entry::Option { key, place, value, .. }) => self.option(&key, place, value),
                Line::Loose(fault) => self.loose(&fault),
            }
        }
        self.entries
    }

    fn header(&mut self, name: &str, place: Place, written: &BTreeSet<&str>) {
        let known = section_meant(name).or_else(|| {
            let missing = SECTIONS.into_iter().map(|(section, _)| section).filter(|s| !written.contains(s));
            nearest(strip(name), missing)
        });
        let meant = match known {
            Some(meant) => {
                if meant != name {
                    let message =
                        format!("`[{}]` is another section to Continuum; read as `[{meant}]`", shown(name));
                    self.issues.warn(place, meant, message, format!("write `[{meant}]`"));
                }
                meant
            }
            None => name,
        };
        self.enter(meant, place);
    }

    fn enter(&mut self, name: &str, place: Place) {
        self.section = Some(name.to_owned());
        if name == DEFAULT {
            return;
        }
        if let Some(first) = self.seen.get(name) {
            let message =
                format!("`[{}]` is there already, in line {}; read as one section", shown(name), first.line);
            self.issues.warn(place, &shown(name), message, "Continuum stops here; join the two");
        } else {
            self.seen.insert(name.to_owned(), place);
            self.entries.push(Entry::Section { name: name.to_owned(), place });
        }
    }

    fn option(&mut self, key: &str, place: Place, value: Vec<Fragment>) {
        if key.is_empty() {
            let hint = "write `option = value`, or start the line with `#`";
            return self.issues.error(place, "", "there is no option before the `=` or `:`", hint);
        }
        // A deeper line that is an option or a header by itself was not meant to continue the value above.
        let mut open = Some((key.to_owned(), place, Vec::new()));
        for (i, fragment) in value.into_iter().enumerate() {
            let place = fragment.place;
            match if i == 0 { None } else { Absorbed::of(&fragment.text) } {
                Some(Absorbed::Section(name)) => {
                    self.close(open.take());
                    let message = format!(
                        "`{}` is indented, so Continuum takes it for a part of the value of `{}`; read as a section",
                        shown(&fragment.text),
                        shown(key)
                    );
                    self.issues.warn(place, name, message, "start the line with the bracket");
                    self.enter(name, place);
                }
                Some(Absorbed::Option { key: inner, value, at }) => {
                    self.close(open.take());
                    let (section, name) = home(inner).expect("it was found there");
                    let message = format!(
                        "`{name}` is indented deeper than `{}`, so Continuum takes it for a part of that value; read \
                         as an option of its own",
                        shown(key)
                    );
                    self.issues.warn(place, &format!("{section}.{name}"), message, "indent both alike");
                    let at = Place { column: place.column + at, ..place };
                    open = Some((
                        inner.to_lowercase(),
                        place,
                        vec![Fragment { text: value.to_owned(), place: at }],
                    ));
                }
                None => match &mut open {
                    Some((_, _, lines)) => lines.push(fragment),
                    None if fragment.text.is_empty() => {}
                    None => self.lone(&fragment),
                },
            }
        }
        self.close(open);
    }

    fn close(&mut self, open: Option<(String, Place, Vec<Fragment>)>) {
        if let Some((key, place, value)) = open {
            self.store(&key, place, value);
        }
    }

    /// A line behind an indented header that is no option that we know.
    fn lone(&mut self, fragment: &Fragment) {
        let Fragment { text, place } = fragment;
        match text.find(['=', ':']) {
            Some(delimiter) if !strip(&text[..delimiter]).is_empty() => {
                let key = strip(&text[..delimiter]).to_lowercase();
                let value = strip(&text[delimiter + 1..]).to_owned();
                self.store(&key, *place, vec![Fragment { text: value, place: *place }]);
            }
            _ => self.loose(&Fault { place: *place, line: text.clone(), kind: FaultKind::NoDelimiter }),
        }
    }

    fn store(&mut self, key: &str, place: Place, value: Vec<Fragment>) {
        let section = match (&self.section, home(key)) {
            (Some(section), _) => section.clone(),
            (None, Some((section, name))) => {
                let message =
                    format!("`{name}` stands before the first section; read as part of `[{section}]`");
                let hint = format!("write `[{section}]` above it; Continuum stops here");
                self.issues.warn(place, &format!("{section}.{name}"), message, hint);
                self.seen.entry(section.to_owned()).or_insert(place);
                section.to_owned()
            }
            (None, None) => {
                let message = format!("`{}` stands before the first section", shown(key));
                return self.issues.error(place, "", message, "start the file with `[infrastructure]`");
            }
        };
        let text = value.iter().map(|f| f.text.as_str()).collect::<Vec<_>>().join("\n");
        let text = strip(&text).to_owned();
        let at = value.first().map_or(place, |fragment| fragment.place);
        match self.options.get(&(section.clone(), key.to_owned())) {
            None => {
                self.options.insert((section.clone(), key.to_owned()), (text, place));
                self.entries.push(Entry::Option { section, key: key.to_owned(), place, value });
            }
            Some((first, line)) => {
                let Place { line, .. } = *line;
                let name = home(key).map_or(key, |(_, name)| name);
                let path = format!("{}.{}", shown(&section), shown(name));
                let known = home(key).is_some_and(|(home, _)| home == section || section == DEFAULT);
                if *first == text || !known {
                    let message =
                        format!("`{}` is set already, in line {line}; this line is ignored", shown(name));
                    self.issues.warn(place, &path, message, "Continuum stops here; remove one of the two");
                } else {
                    let message =
                        format!("set to `{}` in line {line} and to `{}` here", shown(first), shown(&text));
                    self.issues.error(at, &path, message, "keep the one that is meant");
                }
            }
        }
    }

    /// A line without `=` or `:`.
    fn loose(&mut self, fault: &Fault) {
        let line = strip(&fault.line);
        let place = fault.place;
        if let Some(name) = line.strip_prefix('[').and_then(section_meant) {
            let message = format!("`{}` has no closing bracket; read as `[{name}]`", shown(line));
            self.issues.warn(place, name, message, format!("write `[{name}]`"));
            return self.enter(name, place);
        }
        let (word, rest) = line.split_once(is_space).unwrap_or((line, ""));
        let Some((section, name)) = home(word) else {
            let message = format!("`{}` is neither a section nor an option nor a comment", shown(line));
            return self.issues.error(
                place,
                "",
                message,
                "write `option = value`, or start the line with `#`",
            );
        };
        let value = strip(rest);
        let message = format!("there is no `=`; read as `{name} = {}`", shown(value));
        self.issues.warn(place, &format!("{section}.{name}"), message, "Continuum does not accept the line");
        let blanks = rest.chars().take_while(|&c| is_space(c)).count();
        let column = place.column + word.chars().count() + 1 + blanks;
        let text = value.to_owned();
        self.store(&name.to_lowercase(), place, vec![Fragment { text, place: Place { column, ..place } }]);
    }
}

/// A line that continues a value but looks like something else.
enum Absorbed<'a> {
    Section(&'static str),
    /// `at` is the distance of the value from the start of the line.
    Option {
        key: &'a str,
        value: &'a str,
        at: usize,
    },
}

impl<'a> Absorbed<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return section_meant(name.0).map(Absorbed::Section);
        }
        let delimiter = text.find(['=', ':'])?;
        let key = strip(&text[..delimiter]);
        home(key)?;
        let behind = &text[delimiter + 1..];
        let blanks = behind.chars().take_while(|&c| is_space(c)).count();
        let at = text[..delimiter].chars().count() + 1 + blanks;
        Some(Absorbed::Option { key, value: strip(behind), at })
    }
}

struct Lenient<'a> {
    ini: Ini,
    entries: &'a [Entry],
    issues: &'a mut Issues,
    /// Sections and options that the walk has read.
    asked: BTreeSet<(&'static str, &'static str)>,
    /// Sections that were missed already, so that their options are not missed one by one.
    absent: BTreeSet<&'static str>,
}

/// The lenient walk never stops.
enum Never {}

impl Judge for Lenient<'_> {
    type Stop = Never;

    fn has_section(&mut self, name: &'static str) -> bool {
        self.ini.has_section(name)
    }

    fn option(&mut self, resolved: &mut Resolved, spec: Spec) -> Result<(), Never> {
        assert!(
            home(spec.name).is_some_and(|(section, _)| section == spec.section),
            "every option is listed"
        );
        self.asked.insert((spec.section, spec.name));
        if let Some((value, place)) = self.value(resolved, &spec) {
            resolved.section_mut(spec.section).set(spec.name, value, place);
        }
        Ok(())
    }

    fn refuse(&mut self, resolved: &mut Resolved, refusal: Refusal) -> Result<(), Never> {
        let (section, option) = refusal.at;
        let place = self.place(section, option);
        let key = if option.is_empty() { section.to_owned() } else { format!("{section}.{option}") };
        let message = refusal.message.trim_start_matches("ERROR: ").trim_start_matches("Config: ").to_owned();
        let message = if refusal.exit_code == 1 { format!("Continuum crashes: {message}") } else { message };
        let hint = "Continuum does not accept this";
        match refusal.rule {
            // The section that it would stand in is missed already.
            Rule::ApplicationMissing if self.absent.contains(section) => {}
            Rule::ManagerOnlyWithApplication => {
                resolved.section_mut(section).set("application", Value::Null, None);
                let message = "ignored, because `resource_manager_only` is set; Continuum's template says so, but its \
                               parser wants the application gone";
                self.issues.warn(place, &key, message, "remove `application`");
            }
            Rule::KataStressOrMemory => {
                let message =
                    format!("{message}; its template allows kube_kata, too, and so does this reader");
                self.issues.warn(place, &key, message, hint);
            }
            Rule::Baremetal if is_sensible_baremetal(resolved) => {
                let message = "Continuum's check of bare metal fails whatever the file says; read as one worker \
                               without a controller";
                self.issues.warn(place, &key, message, "use `provider = qemu` to run it with Continuum");
            }
            Rule::CredentialsSlash => {
                if let Some(path) = resolved.text(section, option) {
                    let path = Value::Text(path.trim_end_matches('/').to_owned());
                    resolved.section_mut(section).set("gcp_credentials", path, Some(place));
                }
                let message = "Continuum crashes on a path that ends in `/`; the `/` is ignored";
                self.issues.warn(place, &key, message, "remove it");
            }
            Rule::SectionMissing => {
                self.absent.insert(section);
                self.issues.error(place, &key, message, refusal.hint);
            }
            _ => self.issues.error(place, &key, message, refusal.hint),
        }
        Ok(())
    }
}

/// What Continuum's documentation says of bare metal: one cloud node, endpoints, this machine only.
fn is_sensible_baremetal(resolved: &Resolved) -> bool {
    let nodes = |tier| resolved.nodes(tier).unwrap_or(0);
    let machines = resolved.get("infrastructure", "external_physical_machines");
    let only_here =
        matches!(machines, None | Some(Value::Null)) || machines == Some(&Value::List(Vec::new()));
    nodes("cloud") == 1 && nodes("edge") == 0 && nodes("endpoint") >= 1 && only_here
}

impl Lenient<'_> {
    /// The place of an option's value, of its section, or the first line.
    fn place(&self, section: &str, option: &str) -> Place {
        let slot = self.ini.slot(section, option).map(|slot| slot.value);
        slot.or(self.ini.section_place(section)).filter(|place| place.line > 0).unwrap_or(START)
    }

    /// The value of an option and where it stands; nothing if it cannot be told.
    fn value(&mut self, resolved: &Resolved, spec: &Spec) -> Option<(Value, Option<Place>)> {
        let place = self.place(spec.section, spec.name);
        let key = format!("{}.{}", spec.section, spec.name);
        let text = match self.ini.value(spec.section, spec.name) {
            None => String::new(),
            Some(Ok(text)) => text,
            Some(Err(BadReference::Syntax(_))) => {
                let raw =
                    self.ini.slot(spec.section, spec.name).map(|slot| slot.raw.clone()).unwrap_or_default();
                let message =
                    format!("`{}` has a `%` that starts no reference; read as it stands", shown(&raw));
                self.issues.warn(place, &key, message, "write `%%` for a percent sign; Continuum stops here");
                raw
            }
            Some(Err(bad)) => {
                let message = match bad {
                    BadReference::Missing(_) => "refers to an option that is not there".to_owned(),
                    BadReference::Depth(_) => "refers to itself, or through more than 10 options".to_owned(),
                    BadReference::Syntax(_) | BadReference::TooLong => bad.python(),
                };
                let hint = "write the value itself instead of `%(name)s`";
                self.issues.error(place, &key, message, hint);
                return None;
            }
        };
        if text.is_empty() {
            return self.missing(resolved, spec, place, &key);
        }
        match judge(spec.kind, &text) {
            Outcome::Good(value) => {
                self.odd_text(spec, &text, place, &key);
                return Some((value, Some(place)));
            }
            Outcome::Absent => {
                let message =
                    "only commas; read as an empty list. Continuum drops the option and dies on it later";
                self.issues.warn(place, &key, message, "remove the line");
                return Some((Value::List(Vec::new()), Some(place)));
            }
            Outcome::BadType(_) | Outcome::BadValue | Outcome::Crash(_) => {}
        }
        if let Some(Mended { value, text: read, reasons, at }) = mend::mend(spec, resolved.mode, &text) {
            let place = Place { column: place.column + at, ..place };
            let message = format!("`{}` is read as `{}`: {reasons}", shown(&text), shown(&read));
            self.issues.warn(place, &key, message, format!("write `{} = {}`", spec.name, shown(&read)));
            return Some((value, Some(place)));
        }
        let tier = spec.name.split('_').next().unwrap_or_default();
        let of_tier = ["_cores", "_memory", "_quota"].iter().any(|end| spec.name.ends_with(end));
        let unused = of_tier && resolved.nodes(tier) == Some(0);
        if unused && judge(spec.kind, &text) == Outcome::BadValue {
            let message = format!("`{}` is ignored, because there are no {tier} nodes", shown(&text));
            self.issues.warn(place, &key, message, "remove the line; Continuum checks it all the same");
            return Some((spec.default.clone(), None));
        }
        let (message, hint) = mend::complaint(spec, &text);
        self.issues.error(place, &key, message, hint);
        None
    }

    /// Free texts are taken as they stand, also where they look odd.
    fn odd_text(&mut self, spec: &Spec, text: &str, place: Place, key: &str) {
        let free = matches!(spec.kind, Kind::List) || spec.kind == Kind::Text(&[]);
        if free && (text.contains(" #") || text.contains("\t#")) {
            let message = format!("`{}` is taken whole; `#` starts no comment here", shown(text));
            self.issues.warn(place, key, message, "write comments on lines of their own");
        }
    }

    /// What an absent or empty option stands for.
    fn missing(
        &mut self,
        resolved: &Resolved,
        spec: &Spec,
        place: Place,
        key: &str,
    ) -> Option<(Value, Option<Place>)> {
        if !spec.mandatory {
            return Some((spec.default.clone(), None));
        }
        if self.absent.contains(spec.section) {
            return None;
        }
        if ACCOUNT.contains(&spec.name) {
            let message = "not set; a simulation does not need it";
            self.issues.warn(place, key, message, "Continuum needs it to run");
            return Some((Value::Null, None));
        }
        if spec.name.ends_with("_memory") {
            let message = "not set; the memory of these nodes is unknown and never runs out";
            self.issues.warn(place, key, message, "set it in GB; Continuum does not accept the file without");
            return Some((Value::Null, None));
        }
        if spec.name == "resource_manager" && resolved.mode == Mode::Endpoint {
            let message = "not set; `none`, because there are only endpoints";
            self.issues.warn(place, key, message, "set `resource_manager = none`; Continuum wants it");
            return Some((Value::Text("none".into()), None));
        }
        let options = self.entries.iter().filter_map(|entry| match entry {
            Entry::Option { section, key, place, .. }
                if home(key).is_none_or(|(home, _)| home != section) =>
            {
                Some((key.as_str(), place.line))
            }
            _ => None,
        });
        let options: BTreeMap<&str, usize> = options.collect();
        let like = nearest(spec.name, options.keys().copied());
        let hint = match (like, spec.name) {
            (Some(like), name) => format!("is `{like}` in line {} meant to be `{name}`?", options[like]),
            (None, "provider") => "set `provider = qemu`, `gcp`, `aws` or `baremetal`".into(),
            (None, "resource_manager") => match resolved.mode {
                Mode::Edge => "set `resource_manager = kubeedge` or `mist`".into(),
                _ => "set `resource_manager = kubernetes`".into(),
            },
            (None, "frequency") => {
                "set the frames per second of each endpoint, for example `frequency = 5`".into()
            }
            (None, name) => format!("set `{name}`; {}", mend::expectation(spec)),
        };
        self.issues.error(place, key, "not set", hint);
        None
    }

    /// Options and sections that nothing has read.
    fn leftovers(&mut self, resolved: &Resolved, referenced: BTreeSet<String>) {
        let mut quiet: BTreeSet<&str> = BTreeSet::new();
        let mut suggestions = MOST_SUGGESTIONS;
        for entry in self.entries {
            match entry {
                Entry::Section { name, place } => {
                    let infra_only = resolved.flag("infrastructure", "infra_only");
                    if section_meant(name).is_none() {
                        quiet.insert(name);
                        let names = SECTIONS.into_iter().map(|(section, _)| section);
                        let hint = nearest(name, names).map(|known| format!("did you mean `[{known}]`?"));
                        let hint = hint.unwrap_or_else(|| "remove it".into());
                        self.issues.warn(*place, &shown(name), "Continuum ignores this section", hint);
                    } else if name == "benchmark" && infra_only {
                        quiet.insert(name);
                        self.issues.warn(*place, name, "ignored with `infra_only = True`", "");
                    }
                }
                Entry::Option { section, key, place, .. } => {
                    let section = section.as_str();
                    let asked = self.asked.iter().any(|(s, name)| {
                        (*s == section || section == DEFAULT) && name.eq_ignore_ascii_case(key)
                    });
                    if asked || quiet.contains(section) || referenced.contains(key) {
                        continue;
                    }
                    suggestions = suggestions.saturating_sub(1);
                    let (message, hint) = ignored(resolved, section, key, suggestions > 0);
                    let name = home(key).map_or(key.as_str(), |(_, name)| name);
                    self.issues.warn(*place, &format!("{}.{}", shown(section), shown(name)), message, hint);
                }
            }
        }
    }
}

/// Why an option is not read.
fn ignored(resolved: &Resolved, section: &str, key: &str, suggest: bool) -> (String, String) {
    match home(key) {
        Some((home, name)) if home != section && section != DEFAULT => (
            format!("`{name}` belongs to `[{home}]`; Continuum ignores it here"),
            format!("move it to `[{home}]`"),
        ),
        Some((_, name)) => {
            let link = name.ends_with("_latency_avg") || name.ends_with("_latency_var");
            let link = link || name.ends_with("_throughput") || name == "wireless_network_preset";
            let reason = if link {
                "without `network_emulation = True`".to_owned()
            } else if name.starts_with("gcp_") || name.starts_with("aws_") {
                format!("with `provider = {}`", resolved.provider())
            } else if section == "infrastructure" {
                "in this combination".to_owned()
            } else if matches!(name, "frequency" | "duration" | "sleep_time" | "stress_app_timeout") {
                match resolved.application() {
                    Some(application) => format!("with `application = {application}`"),
                    None => "without an application that knows it".to_owned(),
                }
            } else {
                match resolved.manager() {
                    Some(manager) => format!("with `resource_manager = {manager}`"),
                    None => "in this combination".to_owned(),
                }
            };
            (format!("ignored {reason}"), String::new())
        }
        None => {
            let known = SECTIONS.into_iter().find(|(known, _)| suggest && *known == section);
            let options = known.into_iter().flat_map(|(_, options)| options.iter().copied());
            let hint = match nearest(key, options) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "remove it, or see docs/continuum.md for the options that there are".into(),
            };
            (format!("Continuum has no option `{}`; ignored", shown(key)), hint)
        }
    }
}
