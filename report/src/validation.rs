//! What a validation says of predictions, and what was fitted: `validation.json` and `models.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::folder::{ReadError, text};

/// Numbers by the name of their metric; what is not finite is absent.
pub type Numbers = BTreeMap<String, Option<f64>>;

/// `validation.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Validation {
    /// Label of the models.
    pub models: String,
    /// How deployments were kept from the fit.
    pub judged_on: String,
    pub compared: Vec<Compared>,
    pub metrics: Vec<MetricError>,
    pub parts_within: Option<f64>,
    pub utilization_points: Option<f64>,
    pub overload_right: [u64; 2],
    #[serde(default)]
    pub choices: Vec<Choice>,
    #[serde(default)]
    pub left_out: Vec<String>,
    #[serde(default)]
    pub limits_exceeded: Vec<String>,
}

/// A deployment, predicted and measured.
#[derive(Clone, Debug, Deserialize)]
pub struct Compared {
    pub deployment: String,
    #[serde(default)]
    pub runs: Vec<String>,
    pub regime: String,
    pub load: Option<f64>,
    pub predicted_stable: bool,
    pub measured_stable: bool,
    pub measured: Numbers,
    pub predicted: Numbers,
    /// 95 % interval of one run.
    #[serde(default)]
    pub interval95: BTreeMap<String, [Option<f64>; 2]>,
    /// Of its runs, how many are inside, and how many there are.
    #[serde(default)]
    pub covered: BTreeMap<String, [u64; 2]>,
    pub latency_kolmogorov: Option<f64>,
    pub latency_wasserstein_ms: Option<f64>,
    #[serde(default)]
    pub outside: Vec<String>,
}

impl Compared {
    /// Whether latencies can be compared: those of an overload depend on the run's length.
    pub fn is_steady(&self) -> bool {
        self.predicted_stable && self.measured_stable
    }

    /// A metric, predicted and measured.
    pub fn pair(&self, name: &str) -> Option<(f64, f64)> {
        Some(((*self.predicted.get(name)?)?, (*self.measured.get(name)?)?))
    }
}

/// The error of one metric.
#[derive(Clone, Debug, Deserialize)]
pub struct MetricError {
    pub metric: String,
    pub bias: Option<f64>,
    pub mape: Option<f64>,
    pub mape_ci95: Option<[f64; 2]>,
    pub distance: Option<f64>,
    pub coverage: Option<f64>,
    pub deployments: u64,
}

/// The choice that rests on the predictions.
#[derive(Clone, Debug, Deserialize)]
pub struct Choice {
    pub among: String,
    pub kendall_p95: Option<f64>,
    pub pick: String,
    pub regret_ms: f64,
    pub regret: f64,
    pub not_distinguishable: bool,
}

/// A number that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `table.table.key`.
    pub name: String,
    /// Its value, or the mean of its table of quantiles.
    pub value: f64,
    /// Whether it is a table.
    pub is_table: bool,
    pub unit: String,
    /// Standard error; absent where it is exact.
    pub error: Option<f64>,
    /// Standard deviation from run to run.
    pub spread: Option<f64>,
    pub source: String,
    pub note: String,
}

/// A set of fitted parameters: `models.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitted {
    /// Where, when and on what.
    pub facts: Vec<(String, String)>,
    /// The runs that it was fitted on.
    pub runs: usize,
    pub parameters: Vec<Parameter>,
}

/// The fitted parameters in a folder; nothing where there are none.
pub(crate) fn fitted(folder: &Path) -> Result<Option<Fitted>, ReadError> {
    let path = folder.join("models.toml");
    let Some(text) = text(&path)? else { return Ok(None) };
    let table: toml::Table = text
        .parse()
        .map_err(|cause: toml::de::Error| ReadError::Strange { path, what: cause.message().to_owned() })?;
    let mut fitted = Fitted::default();
    if let Some(about) = table.get("fitted").and_then(toml::Value::as_table) {
        let word = |name: &str| about.get(name).and_then(toml::Value::as_str).map(str::to_owned);
        for (name, words) in [
            ("date", "fitted on"),
            ("host_class", "hosts"),
            ("provider", "provider"),
            ("application", "application"),
            ("transport", "transport"),
        ] {
            fitted.facts.extend(word(name).map(|value| (words.to_owned(), value)));
        }
        fitted.runs = about
            .get("run")
            .or_else(|| about.get("runs"))
            .and_then(toml::Value::as_array)
            .map_or(0, Vec::len);
    }
    parameters("", &table, &mut fitted.parameters);
    Ok(Some(fitted))
}

/// The tables that have a value and a unit.
fn parameters(prefix: &str, table: &toml::Table, found: &mut Vec<Parameter>) {
    for (key, value) in table {
        let Some(inside) = value.as_table() else { continue };
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let number = |key: &str| {
            let value = inside.get(key)?;
            value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
        };
        let word = |key: &str| inside.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let many: Option<Vec<f64>> = inside
            .get("values")
            .and_then(toml::Value::as_array)
            .map(|values| values.iter().filter_map(toml::Value::as_float).collect());
        let mean = many.as_ref().map(|many| many.iter().sum::<f64>() / many.len() as f64);
        match (number("value").or(mean), inside.contains_key("unit")) {
            (Some(value), true) => found.push(Parameter {
                value,
                is_table: many.is_some(),
                unit: word("unit"),
                error: number("error"),
                spread: number("spread"),
                source: word("source"),
                note: word("note"),
                name,
            }),
            _ => parameters(&name, inside, found),
        }
    }
}
