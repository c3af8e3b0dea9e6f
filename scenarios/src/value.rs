//! One value at a time: from what was written to what a key of its kind holds.

use std::sync::Arc;

use offing_core::units::{self, Refusal};
use offing_core::{Arrivals, Distribution, Power, PowerCurve, Preset, Presets, Rate, Span};

use crate::datafile;
use crate::issue::{Issue, Severity};
use crate::keys::{Key, Kind, LONGEST_WORK, Limit, MOST_CORES, Unit};
use crate::raw::{Node, Place, Raw, Sources, Table};

/// What a key holds, in base units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Stands for a value that was written but could not be read; an issue has been raised.
    Bad,
    Text(Arc<str>),
    Choice(&'static str),
    Count(u64),
    Number(f64),
    Span(Span),
    Distribution(Distribution),
    Arrivals(Arrivals),
    Rate(Rate),
    Power(Power),
    Queue(Option<u32>),
    Ends([Arc<str>; 2]),
    Preset(Arc<str>, Arc<Preset>),
}

/// Collects issues while values are read.
pub(crate) struct Reader<'a> {
    pub sources: Sources,
    pub issues: Vec<Issue>,
    pub presets: &'a Presets,
    /// The tiers that the file declares, and `mist`.
    pub tiers: Vec<String>,
    /// The files that the scenario names, in order of first mention.
    pub files_read: Vec<String>,
    files: &'a dyn Fn(&str) -> Result<String, String>,
}

/// What is expected, as a noun with its article.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Name | Kind::Text => "a text",
        Kind::Count { .. } => "a whole number",
        Kind::Time { .. } => "a time",
        Kind::Frequency => "a frequency",
        Kind::Distribution(Unit::Time) => "a time or a distribution of times",
        Kind::Distribution(Unit::Size) => "a size or a distribution of sizes",
        Kind::Size { .. } => "a size",
        Kind::Rate => "a rate",
        Kind::Cores => "a number of cores",
        Kind::Factor { .. } => "a number",
        Kind::Share { .. } => "a share",
        Kind::Power => "a power curve",
        Kind::Price => "a price",
        Kind::Choice(_) => "a word",
        Kind::Tier => "the name of a tier",
        Kind::Ends => "a list of two tiers",
        Kind::Arrivals => "a kind of arrivals",
        Kind::Queue => "a number of requests or \"unlimited\"",
        Kind::Preset => "the name of a preset",
    }
}

impl<'a> Reader<'a> {
    pub fn new(
        sources: Sources,
        presets: &'a Presets,
        files: &'a dyn Fn(&str) -> Result<String, String>,
    ) -> Self {
        Reader { sources, issues: Vec::new(), presets, tiers: Vec::new(), files_read: Vec::new(), files }
    }

    pub fn error(&mut self, place: Place, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint = hint.into();
        let hint = (!hint.is_empty()).then_some(hint);
        self.issues.push(self.sources.issue(Severity::Error, place, key, message.into(), hint));
    }

    pub fn warn(&mut self, place: Place, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let issue = self.sources.issue(Severity::Warning, place, key, message.into(), Some(hint.into()));
        self.issues.push(issue);
    }

    /// Reads the value of a key; [`Value::Bad`] where it cannot be read, and then an issue has been raised.
    pub fn read(&mut self, key: &Key, path: &str, node: &Node) -> Value {
        self.value(key, path, node).unwrap_or(Value::Bad)
    }

    fn value(&mut self, key: &Key, path: &str, node: &Node) -> Option<Value> {
        let number = |value: Option<f64>| value.map(Value::Number);
        match key.kind {
            Kind::Name => self.name(key, path, node),
            Kind::Text => self
                .text(key, path, node)
                .filter(|text| !text.is_empty())
                .map(|text| Value::Text(text.into())),
            Kind::Count { min, max } => self.count(key, path, node, min, max).map(Value::Count),
            Kind::Time { zero, max } => self.time(path, node, zero, max).map(Value::Span),
            Kind::Frequency => {
                let value = self.quantity(key, path, node, units::per_second)?;
                number(self.in_range(path, node, value, value > 0.0, "write a frequency greater than zero"))
            }
            Kind::Distribution(unit) => self.distribution(key, unit, path, node).map(Value::Distribution),
            Kind::Size { zero } => {
                let value = self.quantity(key, path, node, units::bytes)?;
                number(self.in_range(
                    path,
                    node,
                    value,
                    zero || value > 0.0,
                    "write a size greater than zero",
                ))
            }
            Kind::Rate => self.rate(key, path, node).map(Value::Rate),
            Kind::Cores => {
                let value = self.quantity(key, path, node, units::cores)?;
                let fits = (0.001..=MOST_CORES as f64).contains(&value);
                number(self.in_range(path, node, value, fits, &format!("write 0.001 to {MOST_CORES} cores")))
            }
            Kind::Factor { max } => {
                let value = self.plain_number(key, path, node)?;
                let hint = format!("write a number greater than zero and at most {max}");
                number(self.in_range(path, node, value, value > 0.0 && value <= max, &hint))
            }
            Kind::Share { zero, one } => {
                let value = self.quantity(key, path, node, units::share)?;
                let fits = (zero || value > 0.0) && (value < 1.0 || (one && value == 1.0));
                let ends = |zero, one| match (zero, one) {
                    (true, false) => "from 0 % to less than 100 %",
                    (false, true) => "greater than 0 % and at most 100 %",
                    _ => "between 0 % and 100 %",
                };
                number(self.in_range(path, node, value, fits, &format!("write a share {}", ends(zero, one))))
            }
            Kind::Power => self.power(key, path, node).map(Value::Power),
            Kind::Price => number(self.quantity(key, path, node, units::usd_per_hour)),
            Kind::Choice(words) => self.choice(key, path, node, words).map(Value::Choice),
            Kind::Tier => {
                let name = self.text(key, path, node)?;
                self.tier_name(path, node.place, name).map(Value::Text)
            }
            Kind::Ends => self.ends(key, path, node),
            Kind::Arrivals => self.arrivals(key, path, node).map(Value::Arrivals),
            Kind::Queue => self.queue(key, path, node),
            Kind::Preset => self.preset(key, path, node),
        }
    }

    /// Says what was expected and what was found.
    fn wrong_type(&mut self, key: &Key, path: &str, node: &Node) {
        let message = format!("{} is expected, not {}", noun(key.kind), node.raw.what());
        self.error(node.place, path, message, format!("for example `{} = {}`", key.name, key.example));
    }

    fn refuse(&mut self, path: &str, node: &Node, refusal: Refusal) {
        self.error(node.place, path, refusal.message, refusal.hint);
    }

    fn in_range(&mut self, path: &str, node: &Node, value: f64, fits: bool, hint: &str) -> Option<f64> {
        if fits {
            return Some(value);
        }
        self.error(node.place, path, format!("`{}` is out of range", written(node)), hint);
        None
    }

    fn text<'n>(&mut self, key: &Key, path: &str, node: &'n Node) -> Option<&'n str> {
        match &node.raw {
            Raw::Text(text) if text.is_empty() => {
                let hint = format!("for example `{} = {}`", key.name, key.example);
                self.error(node.place, path, "the text is empty", hint);
                None
            }
            Raw::Text(text) => Some(text),
            _ => {
                self.wrong_type(key, path, node);
                None
            }
        }
    }

    fn name(&mut self, key: &Key, path: &str, node: &Node) -> Option<Value> {
        let name = self.text(key, path, node)?;
        if is_name(name) {
            return Some(Value::Text(name.into()));
        }
        let hint = "write up to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
        self.error(node.place, path, format!("`{}` cannot be the name of a folder", written(node)), hint);
        None
    }

    fn count(&mut self, key: &Key, path: &str, node: &Node, min: u64, max: u64) -> Option<u64> {
        let value = match &node.raw {
            Raw::Integer(value) => *value,
            // `1e6` is a float in TOML, and a whole number to everybody else.
            Raw::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => *value as i64,
            Raw::Float(value) => {
                let (message, hint) = if value.is_finite() && value.fract() == 0.0 && *value > max as f64 {
                    ("is too large", format!("the largest value is {max}"))
                } else {
                    ("is not a whole number", format!("write a whole number from {min} to {max}"))
                };
                self.error(node.place, path, format!("`{}` {message}", written(node)), hint);
                return None;
            }
            Raw::Text(text) if text.trim().parse::<u64>().is_ok() => {
                let hint = format!("write `{}` without quotes", text.trim());
                self.error(node.place, path, "a whole number is expected, not a text", hint);
                return None;
            }
            _ => {
                self.wrong_type(key, path, node);
                return None;
            }
        };
        match u64::try_from(value) {
            Ok(value) if (min..=max).contains(&value) => Some(value),
            Ok(value) if value > max => {
                self.error(
                    node.place,
                    path,
                    format!("`{value}` is too large"),
                    format!("the largest value is {max}"),
                );
                None
            }
            Ok(_) => {
                let hint = format!("write a whole number from {min} to {max}");
                self.error(node.place, path, format!("`{value}` is out of range"), hint);
                None
            }
            Err(_) => {
                let hint = format!("write a whole number from {min} to {max}");
                self.error(node.place, path, format!("`{value}` is negative"), hint);
                None
            }
        }
    }

    fn plain_number(&mut self, key: &Key, path: &str, node: &Node) -> Option<f64> {
        let value = match &node.raw {
            Raw::Integer(value) => *value as f64,
            Raw::Float(value) => *value,
            _ => {
                self.wrong_type(key, path, node);
                return None;
            }
        };
        let what = if !value.is_finite() {
            "is not a finite number"
        } else if value < 0.0 {
            "is negative"
        } else {
            return Some(value);
        };
        let hint = format!("for example `{} = {}`", key.name, key.example);
        self.error(node.place, path, format!("`{}` {what}", written(node)), hint);
        None
    }

    /// A number with its unit. A bare number goes through the same reader, which says what is missing.
    fn quantity(
        &mut self,
        key: &Key,
        path: &str,
        node: &Node,
        read: fn(&str) -> Result<f64, Refusal>,
    ) -> Option<f64> {
        if !matches!(node.raw, Raw::Text(_) | Raw::Integer(_) | Raw::Float(_)) {
            self.wrong_type(key, path, node);
            return None;
        }
        self.measure(path, node, read)
    }

    fn measure(&mut self, path: &str, node: &Node, read: fn(&str) -> Result<f64, Refusal>) -> Option<f64> {
        let text = written(node);
        match read(&text) {
            Ok(value) => {
                if let Some(note) = units::note(&text) {
                    self.warn(
                        node.place,
                        path,
                        note,
                        "write bits as `bit` and bytes as `B` to leave no doubt",
                    );
                }
                Some(value)
            }
            Err(refusal) => {
                self.refuse(path, node, refusal);
                None
            }
        }
    }

    fn time(&mut self, path: &str, node: &Node, zero: bool, max: Limit) -> Option<Span> {
        let text = match &node.raw {
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) => written(node),
            other => {
                let message = format!("a time is expected, not {}", other.what());
                self.error(
                    node.place,
                    path,
                    message,
                    "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
                );
                return None;
            }
        };
        match units::span(&text) {
            Ok(span) if span == Span::ZERO && !zero => {
                self.error(
                    node.place,
                    path,
                    format!("`{text}` is out of range"),
                    "write a time greater than zero",
                );
                None
            }
            Ok(span) if span.as_secs_f64() > max.seconds => {
                let hint = format!("the largest value is {}", max.text);
                self.error(node.place, path, format!("`{text}` is too large"), hint);
                None
            }
            Ok(span) => Some(span),
            Err(refusal) => {
                self.refuse(path, node, refusal);
                None
            }
        }
    }

    /// One time or size inside a distribution.
    fn amount(&mut self, unit: Unit, path: &str, node: &Node) -> Option<f64> {
        let read = match unit {
            Unit::Time => units::seconds,
            Unit::Size => units::bytes,
        };
        if !matches!(node.raw, Raw::Text(_) | Raw::Integer(_) | Raw::Float(_)) {
            let what = match unit {
                Unit::Time => ("a time", "for example `\"5 ms\"`"),
                Unit::Size => ("a size", "for example `\"68 kB\"`"),
            };
            self.error(node.place, path, format!("{} is expected, not {}", what.0, node.raw.what()), what.1);
            return None;
        }
        let value = self.measure(path, node, read)?;
        if unit == Unit::Time && value > LONGEST_WORK.seconds {
            let hint = format!("the largest value is {}", LONGEST_WORK.text);
            self.error(node.place, path, format!("`{}` is too large", written(node)), hint);
            return None;
        }
        Some(value)
    }

    fn distribution(&mut self, key: &Key, unit: Unit, path: &str, node: &Node) -> Option<Distribution> {
        const KINDS: &[&str] =
            &["exponential", "lognormal", "gamma", "normal", "uniform", "empirical", "values", "quantiles"];
        let table = match &node.raw {
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) => {
                return self.amount(unit, path, node).map(Distribution::Constant);
            }
            Raw::Table(table) => table,
            _ => {
                self.wrong_type(key, path, node);
                return None;
            }
        };
        let (kind, entry) = self.only_entry(table, KINDS, "distribution", path, node.place)?;
        let path = format!("{path}.{kind}");
        let inner = &entry.node;
        match kind {
            "exponential" => {
                let [mean] = self.fields(&path, inner, ["mean"], unit)?;
                let mean = self
                    .amount(unit, &format!("{path}.mean"), mean)
                    .and_then(|m| self.positive(&path, mean, m, "mean"))?;
                Some(Distribution::Exponential { mean })
            }
            "lognormal" | "gamma" => {
                let [mean, cv] = self.fields(&path, inner, ["mean", "cv"], unit)?;
                let mean_value = self
                    .amount(unit, &format!("{path}.mean"), mean)
                    .and_then(|m| self.positive(&path, mean, m, "mean"));
                let cv = self.cv(&format!("{path}.cv"), cv);
                let (mean, cv) = (mean_value?, cv?);
                Some(if kind == "gamma" {
                    Distribution::Gamma { mean, cv }
                } else {
                    Distribution::Lognormal { mean, cv }
                })
            }
            "normal" => {
                let [mean, sd] = self.fields(&path, inner, ["mean", "sd"], unit)?;
                let mean = self.amount(unit, &format!("{path}.mean"), mean);
                let sd = self.amount(unit, &format!("{path}.sd"), sd);
                Some(Distribution::Normal { mean: mean?, sd: sd? })
            }
            "uniform" => {
                let [from, to_node] = self.fields(&path, inner, ["from", "to"], unit)?;
                let from = self.amount(unit, &format!("{path}.from"), from);
                let to = self.amount(unit, &format!("{path}.to"), to_node);
                let (from, to) = (from?, to?);
                if from > to {
                    self.error(
                        to_node.place,
                        &format!("{path}.to"),
                        "`to` is less than `from`",
                        "write the smaller value first",
                    );
                    return None;
                }
                Some(Distribution::Uniform { from, to })
            }
            "empirical" => {
                let Raw::Text(name) = &inner.raw else {
                    let message = format!("the name of a file is expected, not {}", inner.raw.what());
                    self.error(inner.place, &path, message, "for example `{ empirical = \"work.csv\" }`");
                    return None;
                };
                let text = self.file(&path, inner.place, name)?;
                match datafile::values(&text, unit) {
                    Ok(values) => {
                        Some(Distribution::Empirical { source: name.clone(), values: values.into() })
                    }
                    Err(fault) => self.in_file(name, &path, fault),
                }
            }
            "values" => {
                let mut values = self.amounts(unit, &path, inner, 1)?;
                values.sort_by(f64::total_cmp);
                Some(Distribution::Empirical { source: String::new(), values: values.into() })
            }
            _ => {
                let values = self.amounts(unit, &path, inner, 2)?;
                if !values.is_sorted() {
                    self.error(
                        inner.place,
                        &path,
                        "the quantiles are not in ascending order",
                        "write the smallest value first",
                    );
                    return None;
                }
                Some(Distribution::Quantiles(values.into()))
            }
        }
    }

    fn amounts(&mut self, unit: Unit, path: &str, node: &Node, least: usize) -> Option<Vec<f64>> {
        let Raw::List(items) = &node.raw else {
            let message = format!("a list is expected, not {}", node.raw.what());
            self.error(node.place, path, message, "write the values between `[` and `]`");
            return None;
        };
        if items.len() < least {
            let values = if least == 1 { "one value is" } else { "two values are" };
            self.error(
                node.place,
                path,
                format!("at least {values} needed"),
                "write the values between `[` and `]`",
            );
            return None;
        }
        let values: Vec<Option<f64>> = items.iter().map(|item| self.amount(unit, path, item)).collect();
        values.into_iter().collect()
    }

    fn positive(&mut self, path: &str, node: &Node, value: f64, field: &str) -> Option<f64> {
        self.in_range(&format!("{path}.{field}"), node, value, value > 0.0, "write a value greater than zero")
    }

    fn cv(&mut self, path: &str, node: &Node) -> Option<f64> {
        let value = match &node.raw {
            Raw::Integer(value) => *value as f64,
            Raw::Float(value) => *value,
            other => {
                let message = format!("a number is expected, not {}", other.what());
                self.error(
                    node.place,
                    path,
                    message,
                    "write the standard deviation divided by the mean, for example `0.06`",
                );
                return None;
            }
        };
        let hint = "write the standard deviation divided by the mean: greater than zero and at most 100";
        self.in_range(path, node, value, value > 0.0 && value <= 100.0, hint)
    }

    /// The only key of a table that says which kind of thing it is.
    pub fn only_entry<'n>(
        &mut self,
        table: &'n Table,
        kinds: &[&'static str],
        what: &str,
        path: &str,
        place: Place,
    ) -> Option<(&'static str, &'n crate::raw::Entry)> {
        let mut known = Vec::new();
        let mut unknown = false;
        for entry in &table.entries {
            match kinds.iter().find(|kind| **kind == entry.key) {
                Some(kind) => known.push((*kind, entry)),
                None => {
                    unknown = true;
                    let message = format!("`{}` is not a known {what}", entry.key);
                    self.error(entry.place, path, message, did_you_mean(&entry.key, kinds));
                }
            }
        }
        match known.as_slice() {
            [only] if !unknown => Some(*only),
            [] if unknown => None,
            [] => {
                self.error(
                    place,
                    path,
                    format!("the {what} is empty"),
                    format!("write one of {}", list(kinds, "or")),
                );
                None
            }
            [_] => None,
            [(first, _), (second, entry), ..] => {
                let message = format!("`{first}` and `{second}` exclude each other");
                self.error(entry.place, path, message, "keep one of them");
                None
            }
        }
    }

    /// The named fields of a distribution or the like, all of them and no others.
    fn fields<'n, const N: usize>(
        &mut self,
        path: &str,
        node: &'n Node,
        names: [&'static str; N],
        unit: Unit,
    ) -> Option<[&'n Node; N]> {
        let amount = if unit == Unit::Time { "\"5 ms\"" } else { "\"68 kB\"" };
        let example =
            |name: &str| if name == "cv" { "cv = 0.06".into() } else { format!("{name} = {amount}") };
        let hint = format!("write {{ {} }}", names.map(example).join(", "));
        let Raw::Table(table) = &node.raw else {
            let message = format!("a table is expected, not {}", node.raw.what());
            self.error(node.place, path, message, hint);
            return None;
        };
        let mut fine = true;
        for entry in &table.entries {
            if !names.contains(&entry.key.as_str()) {
                self.error(
                    entry.place,
                    &format!("{path}.{}", entry.key),
                    "unknown key",
                    did_you_mean(&entry.key, &names),
                );
                fine = false;
            }
        }
        for name in names {
            if table.get(name).is_none() {
                self.error(node.place, path, format!("`{name}` is missing"), hint.clone());
                fine = false;
            }
        }
        fine.then(|| names.map(|name| &table.get(name).expect("just looked").node))
    }

    /// The text of a file that the scenario names.
    fn file(&mut self, path: &str, place: Place, name: &str) -> Option<String> {
        match (self.files)(name) {
            Ok(text) => {
                if !self.files_read.iter().any(|read| read == name) {
                    self.files_read.push(name.into());
                }
                Some(text)
            }
            Err(why) => {
                let hint = "write a path relative to the scenario file";
                self.error(place, path, format!("cannot read `{name}`: {why}"), hint);
                None
            }
        }
    }

    /// Raises what is wrong inside a file that the scenario names, at its line.
    fn in_file<T>(&mut self, file: &str, path: &str, fault: datafile::Fault) -> Option<T> {
        self.issues.push(Issue {
            severity: Severity::Error,
            file: file.into(),
            line: fault.line,
            column: 1,
            key: path.into(),
            message: fault.message,
            hint: Some(fault.hint),
        });
        None
    }

    fn arrivals(&mut self, key: &Key, path: &str, node: &Node) -> Option<Arrivals> {
        const WORDS: &[&str] = &["periodic", "poisson"];
        const TABLES: &[&str] = &["jitter", "bursts", "trace"];
        let span = |reader: &mut Self, path: &str, node: &Node| reader.time(path, node, false, LONGEST_WORK);
        match &node.raw {
            Raw::Text(text) if text == "periodic" => Some(Arrivals::Periodic),
            Raw::Text(text) if text == "poisson" => Some(Arrivals::Poisson),
            Raw::Text(text) => {
                let hint = match nearest(text, WORDS) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => "write \"periodic\", \"poisson\", { jitter = \"2 ms\" }, { bursts = { on = \"2 s\", off = \"8 s\" } } or \
                             { trace = \"file.csv\" }"
                        .into(),
                };
                self.error(node.place, path, format!("`{text}` is not a known kind of arrivals"), hint);
                None
            }
            Raw::Table(table) => {
                let (kind, entry) = self.only_entry(table, TABLES, "kind of arrivals", path, node.place)?;
                let path = format!("{path}.{kind}");
                match kind {
                    "jitter" => {
                        self.time(&path, &entry.node, true, LONGEST_WORK).map(|sd| Arrivals::Jittered { sd })
                    }
                    "bursts" => {
                        let [on, off] = self.fields(&path, &entry.node, ["on", "off"], Unit::Time)?;
                        let on = span(self, &format!("{path}.on"), on);
                        let off = span(self, &format!("{path}.off"), off);
                        Some(Arrivals::Bursts { on: on?, off: off? })
                    }
                    _ => {
                        let Raw::Text(name) = &entry.node.raw else {
                            let message =
                                format!("the name of a file is expected, not {}", entry.node.raw.what());
                            self.error(
                                entry.node.place,
                                &path,
                                message,
                                "for example `{ trace = \"arrivals.csv\" }`",
                            );
                            return None;
                        };
                        let text = self.file(&path, entry.node.place, name)?;
                        match datafile::arrivals(&text) {
                            Ok(arrivals) => {
                                Some(Arrivals::Trace { source: name.clone(), arrivals: arrivals.into() })
                            }
                            Err(fault) => self.in_file(name, &path, fault),
                        }
                    }
                }
            }
            _ => {
                self.wrong_type(key, path, node);
                None
            }
        }
    }

    fn rate(&mut self, key: &Key, path: &str, node: &Node) -> Option<Rate> {
        match &node.raw {
            Raw::Text(text) if text == "unlimited" => Some(Rate::Unlimited),
            Raw::Table(table) => {
                let (kind, entry) = self.only_entry(table, &["trace"], "rate", path, node.place)?;
                let path = format!("{path}.{kind}");
                let Raw::Text(name) = &entry.node.raw else {
                    let message = format!("the name of a file is expected, not {}", entry.node.raw.what());
                    self.error(entry.node.place, &path, message, "for example `{ trace = \"lte.up\" }`");
                    return None;
                };
                let text = self.file(&path, entry.node.place, name)?;
                match datafile::opportunities(&text) {
                    Ok(instants) => {
                        Some(Rate::Trace { source: name.clone(), opportunities: instants.into() })
                    }
                    Err(fault) => self.in_file(name, &path, fault),
                }
            }
            _ => {
                let value = self.quantity(key, path, node, units::bit_per_s)?;
                let hint = "write a rate greater than zero, or `\"unlimited\"`";
                self.in_range(path, node, value, value > 0.0, hint).map(Rate::BitPerS)
            }
        }
    }

    fn power(&mut self, key: &Key, path: &str, node: &Node) -> Option<Power> {
        let Raw::Table(table) = &node.raw else {
            self.wrong_type(key, path, node);
            return None;
        };
        let watts = |reader: &mut Self, field: &str, node: &Node| {
            if matches!(node.raw, Raw::Text(_) | Raw::Integer(_) | Raw::Float(_)) {
                return reader.measure(&format!("{path}.{field}"), node, units::watts);
            }
            let message = format!("a power is expected, not {}", node.raw.what());
            reader.error(node.place, &format!("{path}.{field}"), message, "for example `\"2.1 W\"`");
            None
        };
        let mut fine = true;
        for entry in &table.entries {
            const FIELDS: &[&str] = &["idle", "busy", "curve", "table"];
            if !FIELDS.contains(&entry.key.as_str()) {
                self.error(
                    entry.place,
                    &format!("{path}.{}", entry.key),
                    "unknown key",
                    did_you_mean(&entry.key, FIELDS),
                );
                fine = false;
            }
        }
        if let Some(entry) = table.get("table") {
            if let Some(other) =
                table.entries.iter().find(|other| ["idle", "busy", "curve"].contains(&other.key.as_str()))
            {
                let message = format!("`table` and `{}` exclude each other", other.key);
                self.error(other.place, path, message, "keep the table, or `idle` and `busy`");
                return None;
            }
            let items = match &entry.node.raw {
                Raw::List(items) if (2..=1001).contains(&items.len()) => items,
                _ => {
                    let hint = "write 2 to 1001 powers at equally spaced utilizations, for example `[\"100 W\", \"150 W\", \"200 W\"]`";
                    self.error(
                        entry.node.place,
                        &format!("{path}.table"),
                        "this is not a table of powers",
                        hint,
                    );
                    return None;
                }
            };
            let values: Vec<Option<f64>> = items.iter().map(|item| watts(self, "table", item)).collect();
            return values.into_iter().collect::<Option<Vec<f64>>>().filter(|_| fine).map(Power::Table);
        }
        let mut field = |name: &str| match table.get(name) {
            Some(entry) => watts(self, name, &entry.node),
            None => {
                let hint = "write `{ idle = \"2.1 W\", busy = \"4.8 W\" }`";
                self.error(node.place, path, format!("`{name}` is missing"), hint);
                None
            }
        };
        let (idle, busy) = (field("idle"), field("busy"));
        let curve = match table.get("curve").map(|entry| (&entry.node, &entry.node.raw)) {
            None => Some(PowerCurve::Linear),
            Some((_, Raw::Text(text))) if text == "linear" => Some(PowerCurve::Linear),
            Some((_, Raw::Text(text))) if text == "square" => Some(PowerCurve::Square),
            Some((_, Raw::Text(text))) if text == "cubic" => Some(PowerCurve::Cubic),
            Some((node, _)) => {
                let path = format!("{path}.curve");
                let hint = match &node.raw {
                    Raw::Text(text) => did_you_mean(text, &["linear", "square", "cubic"]),
                    _ => "write \"linear\", \"square\" or \"cubic\"".into(),
                };
                self.error(node.place, &path, format!("`{}` is not a known curve", written(node)), hint);
                None
            }
        };
        let (idle_w, busy_w, curve) = (idle?, busy?, curve?);
        if busy_w < idle_w {
            self.error(
                node.place,
                path,
                "`busy` is less than `idle`",
                "write what a busy node draws as `busy`",
            );
            return None;
        }
        fine.then_some(Power::Curve { idle_w, busy_w, curve })
    }

    fn choice(
        &mut self,
        key: &Key,
        path: &str,
        node: &Node,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let text = self.text(key, path, node)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.error(
                node.place,
                path,
                format!("`{}` is not known here", written(node)),
                did_you_mean(text, words),
            );
        }
        found
    }

    /// The name of a tier that the file declares.
    pub fn tier_name(&mut self, path: &str, place: Place, name: &str) -> Option<Arc<str>> {
        if self.tiers.iter().any(|tier| tier == name) {
            return Some(name.into());
        }
        let known: Vec<&str> = self.tiers.iter().map(String::as_str).collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it as `[tier.{name}]`; there are {}", list(&known, "and")),
        };
        self.error(place, path, format!("there is no tier `{name}`"), hint);
        None
    }

    fn ends(&mut self, key: &Key, path: &str, node: &Node) -> Option<Value> {
        let Raw::List(items) = &node.raw else {
            self.wrong_type(key, path, node);
            return None;
        };
        let [Node { raw: Raw::Text(a), place: at_a }, Node { raw: Raw::Text(b), place: at_b }] =
            items.as_slice()
        else {
            let hint = "write the names of two tiers, for example `[\"endpoint\", \"cloud\"]`";
            self.error(node.place, path, "a link has two ends", hint);
            return None;
        };
        let (a, b) = (self.tier_name(path, *at_a, a), self.tier_name(path, *at_b, b));
        Some(Value::Ends([a?, b?]))
    }

    fn queue(&mut self, key: &Key, path: &str, node: &Node) -> Option<Value> {
        match &node.raw {
            Raw::Text(text) if text == "unlimited" => Some(Value::Queue(None)),
            Raw::Text(text) if text.parse::<u64>().is_err() => {
                let hint = "write a whole number of requests or \"unlimited\"";
                self.error(node.place, path, format!("`{}` is not a length of a queue", written(node)), hint);
                None
            }
            _ => {
                let limit = self.count(key, path, node, 0, 1_000_000_000)?;
                Some(Value::Queue(Some(u32::try_from(limit).expect("at most 1e9"))))
            }
        }
    }

    fn preset(&mut self, key: &Key, path: &str, node: &Node) -> Option<Value> {
        let name = self.text(key, path, node)?;
        if let Some(preset) = self.presets.get(name) {
            return Some(Value::Preset(name.into(), Arc::new(preset.clone())));
        }
        let known: Vec<&str> = self.presets.keys().map(String::as_str).collect();
        self.error(
            node.place,
            path,
            format!("`{}` is not a known preset", written(node)),
            did_you_mean(name, &known),
        );
        None
    }
}

/// A scalar as it was written, short enough for a message.
pub(crate) fn written(node: &Node) -> String {
    let text = match &node.raw {
        Raw::Text(text) => text.clone(),
        Raw::Integer(value) => value.to_string(),
        Raw::Float(value) if value.is_nan() => "nan".into(),
        Raw::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.1}"),
        Raw::Float(value) => format!("{value:?}"),
        Raw::Bool(value) => value.to_string(),
        Raw::Date(date) => date.clone(),
        Raw::List(_) | Raw::Table(_) => node.raw.what().into(),
    };
    let text = text.replace(['\n', '\r'], " ");
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}

/// Whether a text can be the name of a scenario, and so of a folder.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The known word that somebody who wrote `word` most likely meant.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), *known))
        .filter(|(distance, known)| *distance <= (known.len().max(lower.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// A hint: the nearest known word, or all of them.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none are known here".into(),
        None => format!("write {}", list(known, "or")),
    }
}

/// `a`, `b` or `c`.
pub(crate) fn list(words: &[&str], last: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "none".into(),
        [only] => only.clone(),
        [rest @ .., end] => format!("{} {last} {end}", rest.join(", ")),
    }
}
