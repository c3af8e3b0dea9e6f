//! Values as TOML, so that reading them gives the same values again.

use std::fmt::Write;

use offing_core::{Arrivals, Distribution, Power, PowerCurve, Rate, units};

use crate::keys::{Kind, Unit};
use crate::value::Value;

/// A value of a key of this kind, as TOML.
pub(crate) fn toml(kind: Kind, value: &Value) -> String {
    match value {
        Value::Bad => "false".into(),
        Value::Text(text) | Value::Preset(text, _) => quote(text),
        Value::Choice(word) => quote(word),
        Value::Count(count) => count.to_string(),
        Value::Number(number) => plain(kind, *number),
        Value::Span(span) => quote(&units::write_span(*span)),
        Value::Distribution(distribution) => match kind {
            Kind::Distribution(unit) => self::distribution(unit, distribution),
            _ => self::distribution(Unit::Time, distribution),
        },
        Value::Arrivals(arrivals) => self::arrivals(arrivals),
        Value::Rate(rate) => match rate {
            Rate::Unlimited => quote("unlimited"),
            Rate::BitPerS(rate_bit_s) => quote(&units::write_bit_per_s(*rate_bit_s)),
            Rate::Trace { source, .. } => format!("{{ trace = {} }}", quote(source)),
        },
        Value::Power(power) => self::power(power),
        Value::Queue(None) => quote("unlimited"),
        Value::Queue(Some(limit)) => limit.to_string(),
        Value::Ends([a, b]) => format!("[{}, {}]", quote(a), quote(b)),
    }
}

/// A value as people see it in a table: as in the file, without quotes.
pub(crate) fn label(kind: Kind, value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Preset(text, _) => text.to_string(),
        value => toml(kind, value).replace('"', ""),
    }
}

fn plain(kind: Kind, number: f64) -> String {
    match kind {
        Kind::Frequency => quote(&units::write_per_second(number)),
        Kind::Size { .. } => quote(&units::write_bytes(number)),
        Kind::Price => quote(&units::write_usd_per_hour(number)),
        _ => number.to_string(),
    }
}

fn amount(unit: Unit, value: f64) -> String {
    quote(&match unit {
        Unit::Time => units::write_seconds(value),
        Unit::Size => units::write_bytes(value),
    })
}

fn distribution(unit: Unit, distribution: &Distribution) -> String {
    let amount = |value: &f64| amount(unit, *value);
    let amounts = |values: &[f64]| values.iter().map(amount).collect::<Vec<_>>().join(", ");
    match distribution {
        Distribution::Constant(value) => amount(value),
        Distribution::Exponential { mean } => format!("{{ exponential = {{ mean = {} }} }}", amount(mean)),
        Distribution::Lognormal { mean, cv } => {
            format!("{{ lognormal = {{ mean = {}, cv = {cv} }} }}", amount(mean))
        }
        Distribution::Gamma { mean, cv } => format!("{{ gamma = {{ mean = {}, cv = {cv} }} }}", amount(mean)),
        Distribution::Normal { mean, sd } => {
            format!("{{ normal = {{ mean = {}, sd = {} }} }}", amount(mean), amount(sd))
        }
        Distribution::Uniform { from, to } => {
            format!("{{ uniform = {{ from = {}, to = {} }} }}", amount(from), amount(to))
        }
        Distribution::Empirical { source, values } if source.is_empty() => {
            format!("{{ values = [{}] }}", amounts(values))
        }
        Distribution::Empirical { source, .. } => format!("{{ empirical = {} }}", quote(source)),
        Distribution::Quantiles(values) => format!("{{ quantiles = [{}] }}", amounts(values)),
    }
}

fn arrivals(arrivals: &Arrivals) -> String {
    let span = |span| quote(&units::write_span(span));
    match arrivals {
        Arrivals::Periodic => quote("periodic"),
        Arrivals::Poisson => quote("poisson"),
        Arrivals::Jittered { sd } => format!("{{ jitter = {} }}", span(*sd)),
        Arrivals::Bursts { on, off } => {
            format!("{{ bursts = {{ on = {}, off = {} }} }}", span(*on), span(*off))
        }
        Arrivals::Trace { source, .. } => format!("{{ trace = {} }}", quote(source)),
    }
}

fn power(power: &Power) -> String {
    let watts = |power_w: &f64| quote(&units::write_watts(*power_w));
    match power {
        Power::Table(table) => {
            format!("{{ table = [{}] }}", table.iter().map(watts).collect::<Vec<_>>().join(", "))
        }
        Power::Curve { idle_w, busy_w, curve } => {
            let curve = match curve {
                PowerCurve::Linear => "linear",
                PowerCurve::Square => "square",
                PowerCurve::Cubic => "cubic",
            };
            format!("{{ idle = {}, busy = {}, curve = {} }}", watts(idle_w), watts(busy_w), quote(curve))
        }
    }
}

/// A TOML string.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
