//! Continuum's verdict on a file: its first message and nothing else, or the values that it would run with.

use std::fmt;

use serde::Serialize;

use super::ini::{self, Ini, Place};
use super::python::{self, Whole};
use super::resolved::{Resolved, Value};
use super::walk::{Judge, Kind, Refusal, Spec, walk};
use crate::{Issue, Severity};

/// Bytes that a file may have.
pub const LONGEST_FILE: usize = 1 << 20;

/// Why Continuum does not accept a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Continuum's first message, in its own words.
    pub message: String,
    /// What it exits with: 2 where it says so itself, 1 where an exception ends it.
    pub exit_code: i32,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Section and option, as in `infrastructure.provider`; only the section where no option is concerned.
    pub key: String,
}

impl Rejection {
    /// The same as an issue of a file.
    pub fn to_issue(&self, file: &str) -> Issue {
        Issue {
            severity: Severity::Error,
            file: file.to_owned(),
            line: self.line,
            column: self.column,
            key: self.key.clone(),
            message: self.message.clone(),
            hint: None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Reads a file as Continuum does. `file` is its name, which some messages repeat.
pub fn strict(text: &str, file: &str) -> Result<Resolved, Rejection> {
    if text.len() > LONGEST_FILE {
        return Err(Rejection {
            message: format!("the file has {} bytes; at most {LONGEST_FILE} are read", text.len()),
            exit_code: 2,
            line: 1,
            column: 1,
            key: String::new(),
        });
    }
    let ini = ini::read(text, file).map_err(|(message, Place { line, column })| Rejection {
        message,
        exit_code: 1,
        line,
        column,
        key: String::new(),
    })?;
    walk(&mut Strict { ini }, file)
}

struct Strict {
    ini: Ini,
}

/// What `option_check` makes of a value that is not empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Accepted.
    Good(Value),
    /// A list of commas: neither a value nor the default.
    Absent,
    /// Not of the type; the name is Python's.
    BadType(&'static str),
    /// Of the type but not among the accepted values.
    BadValue,
    /// The check itself raises an exception.
    Crash(String),
}

/// Converts and checks a value as Continuum does.
pub(super) fn judge(kind: Kind, text: &str) -> Outcome {
    let accept = |ok: bool, value: Value| if ok { Outcome::Good(value) } else { Outcome::BadValue };
    match kind {
        Kind::Text(accepted) => {
            accept(accepted.is_empty() || accepted.contains(&text), Value::Text(text.to_owned()))
        }
        Kind::Prefix => match prefix_is_fine(text) {
            Ok(ok) => accept(ok, Value::Text(text.to_owned())),
            Err(part) => Outcome::Crash(format!(
                "ValueError: invalid literal for int() with base 10: {}",
                python::repr(part)
            )),
        },
        Kind::Whole { min, max } => match Whole::parse(text) {
            Some(whole) => {
                let ok = whole >= Whole::from(min) && max.is_none_or(|max| whole <= Whole::from(max));
                accept(ok, Value::Whole(whole))
            }
            None => Outcome::BadType("int"),
        },
        Kind::Real { min, max } => match python::float(text) {
            Some(real) => accept(min <= real && real <= max, Value::Real(real)),
            None => Outcome::BadType("float"),
        },
        Kind::Flag => match text.to_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Outcome::Good(Value::Flag(true)),
            "0" | "no" | "false" | "off" => Outcome::Good(Value::Flag(false)),
            _ => Outcome::BadType("bool"),
        },
        Kind::List => {
            let items = text.split(',').filter(|item| !python::strip(item).is_empty());
            let items: Vec<String> = items.map(str::to_owned).collect();
            if items.is_empty() { Outcome::Absent } else { Outcome::Good(Value::List(items)) }
        }
    }
}

/// `a.b` with both between 0 and 255; `Err` is the part that is no number, where Python stops.
fn prefix_is_fine(text: &str) -> Result<bool, &str> {
    let Some((a, b)) = text.split_once('.').filter(|(_, b)| !b.contains('.')) else { return Ok(false) };
    for part in [a, b] {
        let number = Whole::parse(part).ok_or(part)?;
        if number <= Whole::from(0) || number >= Whole::from(255) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Judge for Strict {
    type Stop = Rejection;

    fn has_section(&mut self, name: &'static str) -> bool {
        self.ini.has_section(name)
    }

    fn option(&mut self, resolved: &mut Resolved, spec: Spec) -> Result<(), Rejection> {
        let Spec { section, name, kind, mandatory, default } = spec;
        let slot = self.ini.slot(section, name);
        let header = self.ini.section_place(section);
        let place = slot.map(|slot| slot.value).or(header).unwrap_or(Place { line: 1, column: 1 });
        let reject = |message: String, exit_code| {
            let key = format!("{section}.{name}");
            Err(Rejection { message, exit_code, line: place.line, column: place.column, key })
        };
        let value = match self.ini.value(section, name).transpose() {
            Err(bad) => return reject(bad.python(), 1),
            Ok(value) => value.filter(|value| !value.is_empty()),
        };
        let Some(text) = value else {
            if mandatory {
                return reject(format!("Config: Missing option {section}->{name}"), 2);
            }
            resolved.section_mut(section).set(name, default, None);
            return Ok(());
        };
        match judge(kind, &text) {
            Outcome::Good(value) => {
                resolved.section_mut(section).set(name, value, Some(place));
                Ok(())
            }
            Outcome::Absent => Ok(()),
            Outcome::BadType(kind) => reject(
                format!("Config: Invalid type for option {section}->{name}, expected <class '{kind}'>"),
                2,
            ),
            Outcome::BadValue => reject(format!("Config: Invalid value for option {section}->{name}"), 2),
            Outcome::Crash(message) => reject(message, 1),
        }
    }

    fn refuse(&mut self, _: &mut Resolved, refusal: Refusal) -> Result<(), Rejection> {
        let (section, option) = refusal.at;
        let slot = self.ini.slot(section, option).map(|slot| slot.value);
        let place = slot.or(self.ini.section_place(section)).unwrap_or(Place { line: 1, column: 1 });
        let key = if option.is_empty() { section.to_owned() } else { format!("{section}.{option}") };
        let Refusal { message, exit_code, .. } = refusal;
        Err(Rejection { message, exit_code, line: place.line, column: place.column, key })
    }
}
