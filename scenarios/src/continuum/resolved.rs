//! What a `.cfg` says after all defaults: Continuum's own sections, options and types.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::ini::Place;
use super::python::Whole;
use crate::{Issue, Severity};

/// Where the application runs; Continuum derives it from the numbers of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// On cloud nodes.
    Cloud,
    /// On edge nodes, as soon as there is one.
    Edge,
    /// On the endpoints themselves: there are no other nodes.
    #[default]
    Endpoint,
}

impl Mode {
    /// The name of the tier that processes.
    pub fn tier(self) -> &'static str {
        match self {
            Mode::Cloud => "cloud",
            Mode::Edge => "edge",
            Mode::Endpoint => "endpoint",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tier())
    }
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not set and without a default, or unknown to a lenient reader.
    Null,
    /// `True` or `False`.
    Flag(bool),
    /// A whole number.
    Whole(Whole),
    /// A number with a decimal point.
    Real(f64),
    /// A text.
    Text(String),
    /// Texts that stood between commas.
    List(Vec<String>),
}

impl Serialize for Value {
    /// As JSON has it; the infinite numbers, which JSON cannot write, as the text `inf`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Whole(whole) => whole.serialize(serializer),
            Value::Real(real) if real.is_finite() => serializer.serialize_f64(*real),
            Value::Real(real) => serializer.collect_str(real),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => items.serialize(serializer),
        }
    }
}

/// The options of one section. Two sections are equal if their values are, wherever those stood.
#[derive(Clone, Debug, Default)]
pub struct Section {
    options: BTreeMap<&'static str, (Value, Option<Place>)>,
}

impl Section {
    /// Sets an option; the place is where the value stands in the file, nothing for a default.
    pub fn set(&mut self, option: &'static str, value: Value, place: Option<Place>) {
        self.options.insert(option, (value, place));
    }

    /// An option; nothing if the combination of the file does not define it.
    pub fn get(&self, option: &str) -> Option<&Value> {
        self.options.get(option).map(|(value, _)| value)
    }

    /// Where the value of an option stands; nothing for a default.
    pub fn place(&self, option: &str) -> Option<Place> {
        self.options.get(option).and_then(|(_, place)| *place)
    }

    /// All options by name.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.options.iter().map(|(name, (value, _))| (*name, value))
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.options().eq(other.options())
    }
}

impl Serialize for Section {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.options())
    }
}

/// A file after all defaults, with Continuum's section and option names. `base_path` reads `$HOME` for the
/// home folder, which is the host's. A missing option is one that this combination does not define.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Resolved {
    /// The file as the user named it, for messages.
    #[serde(skip)]
    pub file: String,
    /// Who processes.
    pub mode: Mode,
    /// `[infrastructure]`.
    pub infrastructure: Section,
    /// `[benchmark]`, unless `infra_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<Section>,
    /// `[execution_model]`, where the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_model: Option<Section>,
}

impl PartialEq for Resolved {
    fn eq(&self, other: &Self) -> bool {
        (self.mode, &self.infrastructure, &self.benchmark, &self.execution_model)
            == (other.mode, &other.infrastructure, &other.benchmark, &other.execution_model)
    }
}

impl Resolved {
    /// An option of a section.
    pub fn get(&self, section: &str, option: &str) -> Option<&Value> {
        self.section(section)?.get(option)
    }

    /// A whole number, if the option is one.
    pub fn whole(&self, section: &str, option: &str) -> Option<&Whole> {
        match self.get(section, option)? {
            Value::Whole(whole) => Some(whole),
            _ => None,
        }
    }

    /// A number, if the option is one.
    pub fn real(&self, section: &str, option: &str) -> Option<f64> {
        match self.get(section, option)? {
            Value::Real(real) => Some(*real),
            Value::Whole(whole) => whole.to_f64(),
            _ => None,
        }
    }

    /// A text, if the option is one.
    pub fn text(&self, section: &str, option: &str) -> Option<&str> {
        match self.get(section, option)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the option is there and true.
    pub fn flag(&self, section: &str, option: &str) -> bool {
        matches!(self.get(section, option), Some(Value::Flag(true)))
    }

    /// Nodes of a tier, if their number fits.
    pub fn nodes(&self, tier: &str) -> Option<u64> {
        self.whole("infrastructure", &format!("{tier}_nodes"))?.to_u64()
    }

    /// The provider; empty only where a lenient reader could not tell.
    pub fn provider(&self) -> &str {
        self.text("infrastructure", "provider").unwrap_or_default()
    }

    /// The resource manager; nothing with `infra_only`.
    pub fn manager(&self) -> Option<&str> {
        self.text("benchmark", "resource_manager")
    }

    /// The application; nothing with `infra_only` or `resource_manager_only`.
    pub fn application(&self) -> Option<&str> {
        self.text("benchmark", "application")
    }

    /// Whether functions are deployed instead of containers.
    pub fn is_serverless(&self) -> bool {
        self.execution_model.is_some() && !self.flag("infrastructure", "infra_only")
    }

    /// Where the value of an option stands; the first line for a default.
    pub fn place(&self, section: &str, option: &str) -> Place {
        let place = self.section(section).and_then(|section| section.place(option));
        place.unwrap_or(Place { line: 1, column: 1 })
    }

    /// What is wrong with the value of an option; an empty hint is none.
    pub(super) fn error(&self, section: &str, option: &str, message: impl Into<String>, hint: &str) -> Issue {
        let Place { line, column } = self.place(section, option);
        Issue {
            severity: Severity::Error,
            file: self.file.clone(),
            line,
            column,
            key: format!("{section}.{option}"),
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }

    fn section(&self, section: &str) -> Option<&Section> {
        match section {
            "infrastructure" => Some(&self.infrastructure),
            "benchmark" => self.benchmark.as_ref(),
            "execution_model" => self.execution_model.as_ref(),
            _ => None,
        }
    }

    pub(super) fn section_mut(&mut self, section: &str) -> &mut Section {
        match section {
            "benchmark" => self.benchmark.get_or_insert_default(),
            "execution_model" => self.execution_model.get_or_insert_default(),
            _ => &mut self.infrastructure,
        }
    }
}
