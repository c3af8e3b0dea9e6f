//! The parameters of all models: every number with its unit, error, source and date.
//!
//! They live in `data/*.toml` and are part of the program. A parameter's name is the file, the tables and the key:
//! `network.4g.latency`. Models take plain values; [`ModelSet`] hands them out in the types that they need.
//!
//! A calibration writes a file of the same form, `models.toml`: its parameters replace those of the same name, and its
//! table `[fitted]` says what they were fitted on ([`ModelSet::read`]). How they act is in `calibration`.

use std::collections::BTreeMap;
use std::fmt::Write;

use offing_core::{Direction, Power, PowerCurve, Preset, Presets, Rate, Span};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::calibration::{Fitted, Overheads};
use crate::link::Transport;
use crate::quota::Quota;

/// The files, by the first part of their parameters' names.
const FILES: [(&str, &str); 7] = [
    ("compute", include_str!("../data/compute.toml")),
    ("network", include_str!("../data/network.toml")),
    ("applications", include_str!("../data/applications.toml")),
    ("power", include_str!("../data/power.toml")),
    ("prices", include_str!("../data/prices.toml")),
    ("overheads", include_str!("../data/overheads.toml")),
    ("kubernetes", include_str!("../data/kubernetes.toml")),
];

/// One set of parameters. The default is the one that is shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSet {
    name: String,
    hash: String,
    parameters: BTreeMap<String, Parameter>,
    about: BTreeMap<String, String>,
    transport: Transport,
    quota_period_ns: u64,
    overheads: Overheads,
    fitted: Option<Fitted>,
    /// Asked for each deployment of a sweep.
    is_calibrated: bool,
}

/// A number, or numbers that belong together, and where they are from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// In `unit`; one unless the parameter is a table of measurements.
    pub values: Vec<f64>,
    /// As written in the file.
    pub unit: String,
    /// How far off they may be.
    pub error: Uncertainty,
    /// Degrees of freedom of a standard error: intervals take the quantiles of Student's t with so many. Infinite where
    /// nothing is said.
    pub freedom: f64,
    /// Who says so.
    pub source: String,
    /// When: year, month, day.
    pub date: String,
    /// The work that this is a measurement of, as [`crate::calibration::stated`] writes it.
    pub of: Option<String>,
    /// Standard deviation from run to run, in the unit of the parameter; 0 where nothing was measured.
    pub spread: f64,
    /// Degrees of freedom of the spread; infinite where nothing is said.
    pub spread_freedom: f64,
    /// What else must be known, for example why it could not be fitted.
    pub note: Option<String>,
}

/// How far off a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Uncertainty {
    /// One standard error, in the unit of the parameter.
    Standard(f64),
    /// In words.
    Said(Said),
}

/// Errors that are not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Said {
    /// A definition or a setting.
    #[serde(rename = "exact")]
    Exact,
    /// The true value is this or smaller.
    #[serde(rename = "at most")]
    AtMost,
    /// The true value is this or larger.
    #[serde(rename = "at least")]
    AtLeast,
    /// The source does not say.
    #[serde(rename = "unknown")]
    Unknown,
}

/// Numbers of an application, in seconds and bytes and as values of a scenario file.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// CPU time of a worker for one request, at speed 1 [s].
    pub process_s: f64,
    /// CPU time at the endpoint before a request is sent, at speed 1 [s].
    pub prepare_s: f64,
    /// Mean size of a message, header included [byte].
    pub message_bytes: f64,
    /// For `app.frame`.
    pub frame: String,
    /// For `app.process`.
    pub process: String,
    /// For `app.prepare`.
    pub prepare: String,
    /// For `app.result`.
    pub result: String,
    /// For `app.memory`.
    pub memory: String,
}

/// A machine type that can be rented.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Virtual cores.
    pub cores: u32,
    /// Memory [byte].
    pub memory_bytes: u64,
    /// [USD/h]
    pub price_usd_per_hour: f64,
}

impl Default for ModelSet {
    fn default() -> Self {
        let (mut parameters, mut about) = (BTreeMap::new(), BTreeMap::new());
        for (file, text) in FILES {
            let mut tables: toml::Table = text.parse().expect("the shipped parameters are TOML");
            let sources = tables.remove("source").expect("the shipped parameters have sources");
            let sources: BTreeMap<String, Source> = sources.try_into().expect("sources have title and date");
            let mut reader = Reader { sources: &sources, parameters: &mut parameters, about: &mut about };
            if let Err(problem) = reader.read(file, tables) {
                panic!("shipped {problem}");
            }
        }
        ModelSet::new("shipped".into(), parameters, about, None)
    }
}

impl ModelSet {
    fn new(
        name: String,
        parameters: BTreeMap<String, Parameter>,
        about: BTreeMap<String, String>,
        fitted: Option<Fitted>,
    ) -> Self {
        let si = |name: &str| -> f64 { parameters[name].si() };
        let mut set = ModelSet {
            name,
            hash: hash(&parameters),
            is_calibrated: parameters.keys().any(|name| name.starts_with("service.")),
            transport: Transport {
                segment_bytes: si("compute.transport.segment") as u64,
                fast_retransmit_packets: si("compute.transport.fast_retransmit") as u64,
                timeout: span(si("compute.transport.timeout")),
                opportunity_bytes: si("compute.transport.opportunity") as u64,
            },
            quota_period_ns: span(si("compute.processor.quota_period")).as_nanos(),
            overheads: Overheads {
                up_fixed_s: si("overheads.link.up_fixed"),
                down_fixed_s: si("overheads.link.down_fixed"),
                per_byte_s: si("overheads.link.per_byte"),
                framing: si("overheads.link.framing"),
                round_trips: si("overheads.link.round_trips"),
                jitter_shift: si("overheads.link.jitter_shift"),
                noise_s: si("overheads.link.noise"),
                quota_share: si("overheads.processor.quota_share"),
                is_pool: si("overheads.processor.pool") == 1.0,
                contention: si("overheads.processor.contention"),
                host_cores: si("overheads.processor.host_cores"),
                worker_s: si("overheads.worker.overhead"),
                prepare_per_byte_s: si("overheads.endpoint.prepare_per_byte"),
                prepare_bytes: si("overheads.endpoint.prepare_bytes"),
            },
            parameters,
            about,
            fitted,
        };
        set.is_calibrated |= set.overheads != Overheads::NEUTRAL;
        set
    }

    /// The shipped set with the parameters of a `models.toml`.
    ///
    /// # Errors
    /// What is wrong with the text, in a sentence.
    pub fn read(text: &str) -> Result<ModelSet, String> {
        let mut tables: toml::Table = text.parse().map_err(|cause: toml::de::Error| cause.to_string())?;
        let mut take = |key: &str| tables.remove(key);
        let name = match take("name") {
            None => "fitted".to_string(),
            Some(toml::Value::String(name)) if !name.is_empty() => name,
            Some(other) => return Err(format!("name: `{other}` is not a text")),
        };
        let sources = take("source").unwrap_or_else(|| toml::Table::new().into());
        let sources: BTreeMap<String, Source> =
            sources.try_into().map_err(|cause| format!("source: {cause}"))?;
        let fitted: Option<Fitted> = take("fitted")
            .map(|value| value.try_into().map_err(|cause| format!("fitted: {cause}")))
            .transpose()?;
        let shipped = ModelSet::default();
        let (mut own, mut about) = (BTreeMap::new(), shipped.about);
        for (file, table) in tables {
            let toml::Value::Table(table) = table else {
                return Err(format!("{file}: a parameter is in a table, for example [overheads.link]"));
            };
            Reader { sources: &sources, parameters: &mut own, about: &mut about }.read(&file, table)?;
        }
        let mut parameters = shipped.parameters;
        for (name, parameter) in own {
            let known = parameters.get(&name);
            if let Some(known) = known.filter(|known| known.unit != parameter.unit) {
                return Err(format!("parameter {name} is in `{}`, not in `{}`", known.unit, parameter.unit));
            }
            if known.is_none() && !name.starts_with("service.") {
                return Err(format!("there is no parameter {name}"));
            }
            parameters.insert(name, parameter);
        }
        check(&parameters)?;
        if let Some(Fitted { covariance, .. }) = &fitted {
            let size = covariance.names.len();
            if covariance.rows.len() != size || covariance.rows.iter().any(|row| row.len() != size) {
                return Err(format!("fitted.covariance: {size} names need {size} rows of {size} numbers"));
            }
            if let Some(name) = covariance.names.iter().find(|name| !parameters.contains_key(*name)) {
                return Err(format!("fitted.covariance: there is no parameter {name}"));
            }
        }
        Ok(ModelSet::new(name, parameters, about, fitted))
    }

    /// The same set with other values, in the units of the parameters; those that it does not know are ignored.
    pub fn with_values(&self, values: &BTreeMap<String, Vec<f64>>) -> ModelSet {
        let mut parameters = self.parameters.clone();
        for (name, values) in values {
            if let Some(parameter) = parameters.get_mut(name) {
                parameter.values.clone_from(values);
            }
        }
        ModelSet::new(self.name.clone(), parameters, self.about.clone(), self.fitted.clone())
    }

    /// What it was fitted on; nothing for the shipped set.
    pub fn fitted(&self) -> Option<&Fitted> {
        self.fitted.as_ref()
    }

    /// What a real system adds.
    pub fn overheads(&self) -> &Overheads {
        &self.overheads
    }

    /// Whether [`ModelSet::effective`] may change a deployment.
    pub fn is_calibrated(&self) -> bool {
        self.is_calibrated
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of all names, values and units in hexadecimal digits: what tells results of other parameters apart.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Name and the start of the hash, as results write it: `shipped-1234abcd`.
    pub fn label(&self) -> String {
        format!("{}-{}", self.name, &self.hash[..8])
    }

    /// Every number, by its name.
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// What a table of parameters is about, by its name: `network.4g`.
    pub fn about(&self, table: &str) -> Option<&str> {
        self.about.get(table).map(String::as_str)
    }

    /// Constants of the transport protocol.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The quota of a worker that may use this share of a core; nothing if it may use all of it.
    pub fn quota(&self, share: f64) -> Option<Quota> {
        let quota = Quota::new(share, self.quota_period_ns, 0);
        (!quota.is_whole()).then_some(quota)
    }

    /// The link presets, by name.
    pub fn presets(&self) -> Presets {
        let direction = |preset: &str, way: &str| {
            let number = |key: &str| {
                let apart = format!("network.{preset}.{way}.{key}");
                let both = format!("network.{preset}.{key}");
                self.parameters.get(&apart).or_else(|| self.parameters.get(&both)).map(Parameter::si)
            };
            Direction {
                latency: span(number("latency").expect("a preset has a latency")),
                jitter: span(number("jitter").expect("a preset has a jitter")),
                rate: Rate::BitPerS(number("rate").expect("a preset has a rate")),
                ..Direction::default()
            }
        };
        self.tables("network")
            .map(|name| {
                (name.to_string(), Preset { up: direction(name, "up"), down: direction(name, "down") })
            })
            .collect()
    }

    /// The numbers of an application, for example `image_classification`.
    pub fn application(&self, name: &str) -> Option<Application> {
        let parameter = |key: &str| self.parameters.get(&format!("applications.{name}.{key}"));
        let header = parameter("header")?.si();
        let messages: Vec<f64> = parameter("images")?.values.iter().map(|image| image + header).collect();
        let sizes: Vec<String> = messages.iter().map(|bytes| format!("\"{bytes} B\"")).collect();
        Some(Application {
            process_s: parameter("process")?.si(),
            prepare_s: parameter("prepare")?.si(),
            message_bytes: messages.iter().sum::<f64>() / messages.len() as f64,
            frame: format!("{{ values = [{}] }}", sizes.join(", ")),
            process: parameter("process")?.toml(),
            prepare: parameter("prepare")?.toml(),
            result: parameter("result")?.toml(),
            memory: parameter("memory")?.toml(),
        })
    }

    /// The power of a machine, for example `raspberry-pi-4`.
    pub fn power(&self, machine: &str) -> Option<Power> {
        let parameter = |key: &str| self.parameters.get(&format!("power.{machine}.{key}"));
        if let Some(table) = parameter("table") {
            return Some(Power::Table(table.values.clone()));
        }
        Some(Power::Curve {
            idle_w: parameter("idle")?.si(),
            busy_w: parameter("busy")?.si(),
            curve: PowerCurve::Linear,
        })
    }

    /// A machine type, for example `e2-standard-4`.
    pub fn machine(&self, name: &str) -> Option<Machine> {
        let parameter = |key: &str| self.parameters.get(&format!("prices.{name}.{key}"));
        Some(Machine {
            cores: parameter("cores")?.si() as u32,
            memory_bytes: parameter("memory")?.si() as u64,
            price_usd_per_hour: parameter("price")?.values[0],
        })
    }

    /// The names of the tables of a file that say what they are about.
    fn tables<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a str> {
        self.about.keys().filter_map(move |name| name.strip_prefix(file)?.strip_prefix('.'))
    }
}

impl Parameter {
    /// The first value in seconds, bytes, bit/s, watts or as a plain number.
    pub fn si(&self) -> f64 {
        self.values[0] * self.scale()
    }

    /// From the unit as it is written to SI.
    pub(crate) fn scale(&self) -> f64 {
        scale(&self.unit).expect("units are checked when a parameter is read")
    }

    /// As a value of a scenario file: `"1.29 ms"`.
    fn toml(&self) -> String {
        format!("\"{} {}\"", self.values[0], self.unit)
    }
}

/// From a unit to SI; nothing if it is none of ours.
fn scale(unit: &str) -> Option<f64> {
    Some(match unit {
        "1" | "1/s" | "B" | "W" | "USD/h" => 1.0,
        "ms" => 1e-3,
        "ns/B" => 1e-9,
        "Mbit/s" => 1e6,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    })
}

/// Whether every model can use the values.
fn check(parameters: &BTreeMap<String, Parameter>) -> Result<(), String> {
    for (name, parameter) in parameters {
        let values = &parameter.values;
        let range = match name.as_str() {
            "overheads.processor.pool" if !matches!(values[0], 0.0 | 1.0) => "0 or 1",
            "overheads.processor.quota_share" if !(0.1..=10.0).contains(&values[0]) => "0.1 to 10",
            "overheads.processor.contention" if !(-0.9..=100.0).contains(&values[0]) => "-0.9 to 100",
            "overheads.link.framing" if !(-0.9..=10.0).contains(&values[0]) => "-0.9 to 10",
            "compute.processor.quota_period" if !(1e-3..=1e4).contains(&values[0]) => "0.001 to 10000",
            name if name.starts_with("service.") => {
                if parameter.of.is_none() {
                    return Err(format!("parameter {name} does not say of which work it is: `of = ...`"));
                }
                let ascends = values.len() >= 2 && values.is_sorted() && values[0] >= 0.0;
                if parameter.unit == "ms" && ascends {
                    continue;
                }
                "two or more ascending quantiles in ms, from 0"
            }
            _ => continue,
        };
        return Err(format!("parameter {name}: it must be {range}"));
    }
    Ok(())
}

/// Where numbers are from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    title: String,
    date: String,
}

/// A number as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    value: Option<f64>,
    values: Option<Vec<f64>>,
    unit: String,
    error: Uncertainty,
    freedom: Option<f64>,
    source: String,
    of: Option<String>,
    #[serde(default)]
    spread: f64,
    spread_freedom: Option<f64>,
    note: Option<String>,
}

struct Reader<'a> {
    sources: &'a BTreeMap<String, Source>,
    parameters: &'a mut BTreeMap<String, Parameter>,
    about: &'a mut BTreeMap<String, String>,
}

impl Reader<'_> {
    /// Files every number below `name`. A number outside of a table that says where it is from is refused.
    fn read(&mut self, name: &str, table: toml::Table) -> Result<(), String> {
        for (key, value) in table {
            let inner = format!("{name}.{key}");
            match value {
                toml::Value::String(text) if key == "about" => {
                    self.about.insert(name.into(), text);
                }
                toml::Value::Table(table) if table.contains_key("unit") => {
                    let parameter =
                        self.parameter(table).map_err(|what| format!("parameter {inner}: {what}"))?;
                    self.parameters.insert(inner, parameter);
                }
                toml::Value::Table(table) => self.read(&inner, table)?,
                other => return Err(format!("parameter {inner}: `{other}` without unit, error and source")),
            }
        }
        Ok(())
    }

    fn parameter(&self, table: toml::Table) -> Result<Parameter, String> {
        let written: Written = table.try_into().map_err(|cause: toml::de::Error| cause.to_string())?;
        let source = self.sources.get(&written.source);
        let source = source.ok_or_else(|| format!("there is no source `{}`", written.source))?;
        let values = written.values.unwrap_or_else(|| written.value.into_iter().collect());
        if values.is_empty() {
            return Err("it has no value".into());
        }
        if values.iter().any(|value| !value.is_finite())
            || !written.spread.is_finite()
            || written.spread < 0.0
        {
            return Err("its numbers must be finite, and its spread at least 0".into());
        }
        if [written.freedom, written.spread_freedom]
            .iter()
            .flatten()
            .any(|freedom| freedom.is_nan() || *freedom <= 0.0)
        {
            return Err("degrees of freedom are above 0".into());
        }
        scale(&written.unit).ok_or_else(|| format!("`{}` is not a unit that is known", written.unit))?;
        Ok(Parameter {
            values,
            unit: written.unit,
            error: written.error,
            freedom: written.freedom.unwrap_or(f64::INFINITY),
            source: source.title.clone(),
            date: source.date.clone(),
            of: written.of,
            spread: written.spread,
            spread_freedom: written.spread_freedom.unwrap_or(f64::INFINITY),
            note: written.note,
        })
    }
}

/// Of the values as they are written shortest, one parameter a line.
fn hash(parameters: &BTreeMap<String, Parameter>) -> String {
    let text = parameters.iter().fold(String::new(), |mut text, (name, parameter)| {
        writeln!(text, "{name} {:?} {}", parameter.values, parameter.unit)
            .expect("a string can be written to");
        text
    });
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds as a span.
fn span(seconds: f64) -> Span {
    Span::from_secs_f64(seconds).expect("shipped spans are in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_unit_an_error_a_source_and_a_date() {
        let set = ModelSet::default();
        assert!(set.parameters.len() > 40, "{} parameters", set.parameters.len());
        for (name, parameter) in &set.parameters {
            assert!(parameter.si().is_finite(), "{name}");
            assert!(parameter.source.len() > 20, "{name}: {}", parameter.source);
            let date: Vec<u32> = parameter.date.split('-').map(|part| part.parse().unwrap()).collect();
            let [year, month, day] = date[..] else { panic!("{name}: {}", parameter.date) };
            assert!((1990..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day));
        }
        // No digit of a file is outside of such a number or a comment or a text: the reader refuses it.
    }

    #[test]
    fn a_bare_number_is_refused() {
        let problem = ModelSet::read("[network.x]\nrate = 5.0\n").unwrap_err();
        assert!(problem.contains("network.x.rate") && problem.contains("without unit, error and source"));
    }

    #[test]
    fn presets_are_those_of_continuum() {
        let presets = ModelSet::default().presets();
        for (name, latency_us, jitter_us, rate) in [
            ("4g", 45_000, 5_000, 7.21e6),
            ("4g-edge", 7_500, 2_500, 7.21e6),
            ("5g", 45_000, 5_000, 29.66e6),
            ("5g-edge", 7_500, 2_500, 29.66e6),
            ("edge-cloud", 7_500, 2_500, 1e9),
            ("data-centre", 0, 0, 1e9),
        ] {
            let preset = &presets[name];
            assert_eq!(preset.up, preset.down);
            assert_eq!(preset.up.latency.as_nanos(), latency_us * 1000);
            assert_eq!(preset.up.jitter.as_nanos(), jitter_us * 1000);
            let Rate::BitPerS(got) = preset.up.rate else { panic!("{name} has a rate") };
            assert!((got / rate - 1.0).abs() < 1e-12);
        }
        assert!(presets["fibre"].down != presets["fibre"].up);
        assert_eq!(presets.len(), 9);
    }

    #[test]
    fn numbers_of_the_image_classification() {
        let app = ModelSet::default().application("image_classification").unwrap();
        // Continuum prints 68.01 kB: the mean of 60 images, 4 078 284 B in all, and 35 B.
        assert!((app.message_bytes - (4_078_284.0 / 60.0 + 35.0)).abs() < 1e-9);
        assert!((app.process_s - 0.14953).abs() < 1e-12);
        assert_eq!((app.process.as_str(), app.prepare.as_str()), ("\"149.53 ms\"", "\"1.29 ms\""));
        assert_eq!((app.result.as_str(), app.memory.as_str()), ("\"20 B\"", "\"512 MiB\""));
        assert!(app.frame.starts_with("{ values = [\"63380 B\", \"76340 B\""), "{}", app.frame);
        assert_eq!(app.frame.matches(" B\"").count(), 60);
        assert_eq!(ModelSet::default().application("chess"), None);
    }

    #[test]
    fn constants_machines_and_power() {
        let set = ModelSet::default();
        let expected = Transport {
            segment_bytes: 1448,
            fast_retransmit_packets: 4,
            timeout: Span::from_millis(200),
            opportunity_bytes: 1500,
        };
        assert_eq!(set.transport(), expected);
        assert_eq!(set.quota(0.5).unwrap().allowance_ns(), 50_000_000);
        assert_eq!(set.quota(1.0), None);
        let machine = set.machine("e2-standard-4").unwrap();
        assert_eq!(
            (machine.cores, machine.memory_bytes, machine.price_usd_per_hour),
            (4, 16 << 30, 0.13402284)
        );
        assert_eq!(crate::energy::power_w(&set.power("hp-ml110-g4").unwrap(), 0.55), 104.0);
        assert_eq!(crate::energy::power_w(&set.power("raspberry-pi-4").unwrap(), 0.0), 2.5);
        assert_eq!(set.power("abacus"), None);
    }

    #[test]
    fn the_hash_is_that_of_the_values() {
        let set = ModelSet::default();
        assert_eq!((set.hash(), set.hash().len()), (ModelSet::default().hash(), 64));
        assert_eq!(set.label(), "shipped-3ddba737");
        // Reviewed when it changes: results made before name another hash.
        assert_eq!(&set.hash()[..16], "3ddba7375143d7b1");
        let mut parameters = set.parameters.clone();
        parameters.get_mut("network.4g.latency").unwrap().values[0] = 45.000001;
        assert_ne!(hash(&parameters), set.hash());
    }
}
