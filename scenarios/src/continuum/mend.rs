//! Values that Continuum does not accept but whose meaning is clear: comments, quotes, case, units.

use super::lenient::{nearest, shown};
use super::python::{self, is_space, strip, strip_end};
use super::resolved::{Mode, Value};
use super::strict::{Outcome, judge};
use super::walk::{Kind, Spec};

/// A value that was made acceptable.
pub(super) struct Mended {
    pub value: Value,
    /// What is read instead.
    pub text: String,
    /// What was wrong.
    pub reasons: String,
    /// Characters from the start of the value to what was wrong.
    pub at: usize,
}

/// Makes a value acceptable if its meaning is clear.
pub(super) fn mend(spec: &Spec, mode: Mode, text: &str) -> Option<Mended> {
    let mut reasons: Vec<String> = Vec::new();
    let mut at = None;
    let mut current = text.to_owned();
    for step in [comment, quotes, stop, words, number] {
        let Some(Step { text, reason, offset }) = step(spec, mode, &current) else { continue };
        current = text;
        reasons.push(reason);
        at.get_or_insert(offset);
        if let Outcome::Good(value) = judge(spec.kind, &current) {
            return Some(Mended { value, text: current, reasons: reasons.join(", "), at: at.unwrap_or(0) });
        }
    }
    None
}

struct Step {
    text: String,
    reason: String,
    offset: usize,
}

/// ` # ...` and ` ; ...`; numbers and words also end at a `#` without a blank before it.
fn comment(_: &Spec, _: Mode, text: &str) -> Option<Step> {
    let mut before = None;
    let mut spaced = false;
    let start = text.char_indices().find(|&(_, c)| {
        let begins = c == '#' || c == ';' && before.is_some_and(is_space);
        spaced = before.is_some_and(is_space);
        before = Some(c);
        begins
    });
    let (start, mark) = start?;
    let kept = strip_end(&text[..start]);
    // What follows on further lines is no part of the comment.
    if kept.is_empty() || text[start..].contains('\n') || kept.contains('\n') {
        return None;
    }
    let blank = if spaced { " " } else { "" };
    let reason = format!("`{blank}{mark}` starts no comment in Continuum");
    Some(Step { text: kept.to_owned(), reason, offset: text[..start].chars().count() })
}

fn quotes(_: &Spec, _: Mode, text: &str) -> Option<Step> {
    let inner = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))?;
    let reason = "quotes are a part of the value in Continuum".to_owned();
    Some(Step { text: strip(inner).to_owned(), reason, offset: 0 })
}

/// A comma or semicolon at the end.
fn stop(_: &Spec, _: Mode, text: &str) -> Option<Step> {
    let kept = strip_end(text.strip_suffix([',', ';'])?);
    let reason = format!("there is a `{}` too many", &text[text.len() - 1..]);
    Some(Step { text: kept.to_owned(), reason, offset: kept.chars().count() })
}

/// Case, `-` for `_`, and other names of the same thing.
fn words(spec: &Spec, mode: Mode, text: &str) -> Option<Step> {
    let lower = text.to_lowercase();
    if spec.kind == Kind::Flag {
        let meant = match lower.as_str() {
            "t" | "y" | "enable" | "enabled" => "True",
            "f" | "n" | "disable" | "disabled" => "False",
            _ => return None,
        };
        let reason = "Continuum knows only 1, yes, true, on and 0, no, false, off".to_owned();
        return Some(Step { text: meant.to_owned(), reason, offset: 0 });
    }
    let Kind::Text(accepted) = spec.kind else { return None };
    let plain = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    if let Some(meant) = accepted.iter().find(|known| plain(known) == plain(&lower)) {
        let reason = if lower == *meant { "Continuum wants lower case" } else { "Continuum spells it so" };
        return Some(Step { text: (*meant).to_owned(), reason: reason.to_owned(), offset: 0 });
    }
    let meant = match (spec.name, lower.as_str()) {
        ("provider", "google" | "google cloud" | "gce" | "terraform") => "gcp",
        ("provider", "amazon" | "ec2") => "aws",
        ("provider", "kvm" | "libvirt") => "qemu",
        ("resource_manager", "k8s") => "kubernetes",
        ("resource_manager", "kubernetes_control" | "kubernetes-control") => "kubecontrol",
        ("resource_manager", "kata") => "kube_kata",
        ("resource_manager", "endpoint" | "local") if mode == Mode::Endpoint => "none",
        ("wireless_network_preset", "lte") => "4g",
        _ => return None,
    };
    Some(Step { text: meant.to_owned(), reason: "Continuum calls it so".to_owned(), offset: 0 })
}

/// The unit that Continuum means anyway, percent, and whole numbers with a point.
fn number(spec: &Spec, _: Mode, text: &str) -> Option<Step> {
    if !matches!(spec.kind, Kind::Whole { .. } | Kind::Real { .. }) {
        return None;
    }
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || "/%".contains(c));
    let unit = strip(&text[digits.len()..]).to_lowercase();
    let digits = strip_end(digits);
    let mut reason = "Continuum wants it without a point".to_owned();
    let mut value = python::float(digits)?;
    if !unit.is_empty() {
        if unit == "%" && spec.name.ends_with("_quota") {
            value /= 100.0;
        } else if !units(spec.name).contains(&unit.as_str()) {
            return None;
        }
        reason = format!("Continuum wants it without the unit, {}", said(spec.name));
    }
    let text = match spec.kind {
        Kind::Whole { .. } if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        Kind::Whole { .. } => return None,
        _ if unit == "%" => value.to_string(),
        _ => digits.to_owned(),
    };
    Some(Step { text, reason, offset: 0 })
}

/// How people write the unit that Continuum means, in lower case.
fn units(option: &str) -> &'static [&'static str] {
    match option {
        "frequency" => &["hz", "/s", "fps"],
        "duration" | "sleep_time" | "stress_app_timeout" => &["s", "sec", "second", "seconds"],
        _ if option.ends_with("_memory") => &["gb", "gib", "g", "gi"],
        _ if option.ends_with("_cores") || option.ends_with("_cpu") => {
            &["core", "cores", "cpu", "cpus", "vcpu", "vcpus"]
        }
        _ if option.contains("_latency_") => &["ms"],
        _ if option.ends_with("_throughput") => &["mbit/s", "mbit", "mbps", "mb/s"],
        _ => &[],
    }
}

/// The unit of an option, for people.
fn said(option: &str) -> &'static str {
    match option {
        "frequency" => "which is Hz",
        "duration" | "sleep_time" | "stress_app_timeout" => "which is seconds",
        _ if option.ends_with("_memory") => "which is GB",
        _ if option.contains("_latency_") => "which is ms",
        _ if option.ends_with("_throughput") => "which is Mbit/s",
        _ if option.ends_with("_quota") => "as a share of 1",
        _ => "which is cores",
    }
}

/// What is wrong with a value, and what to write instead.
pub(super) fn complaint(spec: &Spec, text: &str) -> (String, String) {
    let out_of_range = judge(spec.kind, text) == Outcome::BadValue;
    let text = shown(text);
    let message = match spec.kind {
        Kind::Text(_) => format!("`{text}` is not known"),
        Kind::Prefix => format!("`{text}` is not the first half of an address"),
        Kind::Whole { .. } | Kind::Real { .. } if out_of_range => format!("`{text}` is out of range"),
        Kind::Whole { .. } => format!("`{text}` is not a whole number"),
        Kind::Real { .. } => format!("`{text}` is not a number"),
        Kind::Flag => format!("`{text}` is neither true nor false"),
        Kind::List => format!("`{text}` is not a list"),
    };
    let decimal_comma = || python::float(&text.replacen(',', ".", 1)).is_some();
    let hint = match spec.kind {
        Kind::Text(accepted) => match nearest(&text, accepted.iter().copied()) {
            Some(like) => format!("did you mean `{like}`?"),
            None => expectation(spec),
        },
        Kind::Real { .. } if text.contains(',') && decimal_comma() => {
            format!("write `{}` with a point", text.replacen(',', ".", 1))
        }
        _ => expectation(spec),
    };
    (message, hint)
}

/// What to write for an option.
pub(super) fn expectation(spec: &Spec) -> String {
    match spec.kind {
        Kind::Text([]) => "write a text".to_owned(),
        Kind::Text([only]) => format!("write `{only}`"),
        Kind::Text(accepted) => format!("write one of `{}`", accepted.join("`, `")),
        Kind::Prefix => "write two numbers above 0 and below 255, for example `192.168`".to_owned(),
        Kind::Whole { min, max: None } => format!("write a whole number of at least {min}"),
        Kind::Whole { min, max: Some(max) } => format!("write a whole number from {min} to {max}"),
        Kind::Real { min, max } if max.is_finite() => format!("write a number from {min} to {max}"),
        Kind::Real { min, .. } => format!("write a number of at least {min}"),
        Kind::Flag => "write `True` or `False`".to_owned(),
        Kind::List => "write `user@host, user@host`".to_owned(),
    }
}
