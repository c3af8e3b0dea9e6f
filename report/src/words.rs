//! Names and numbers as people read them.

use offing_core::units;

/// A metric in plain words, and its unit.
pub fn metric(name: &str) -> (String, &'static str) {
    let plain = |words: &str, unit| (words.to_owned(), unit);
    match name {
        "load" => return plain("load of the busiest target", ""),
        "stable" => return plain("queues stay finite (1 = yes)", ""),
        "throughput_rps" => return plain("throughput", "requests/s"),
        "energy_j_per_request" => return plain("energy per request", "J"),
        "cost_usd_per_hour" => return plain("cost", "USD/h"),
        "dropped_share" => return plain("share of requests lost", ""),
        "deadline_miss_share" => return plain("share of requests that miss the deadline", ""),
        "requests" => return plain("requests simulated", ""),
        _ => {}
    }
    if let Some(tier) = name.strip_prefix("utilization_") {
        return (format!("processor use of {tier}"), "");
    }
    match name.strip_suffix("_ms").and_then(|name| name.split_once('_')) {
        Some(("latency", statistic)) => (of("latency", statistic), "ms"),
        Some((part, statistic)) => (of(&format!("{part} time"), statistic), "ms"),
        None => (name.to_owned(), ""),
    }
}

/// A statistic of something, such as `95th-percentile latency`.
fn of(what: &str, statistic: &str) -> String {
    match statistic {
        "mean" => format!("mean {what}"),
        "sd" => format!("standard deviation of {what}"),
        "min" => format!("shortest {what}"),
        "max" => format!("longest {what}"),
        "p50" => format!("median {what}"),
        "p90" => format!("90th-percentile {what}"),
        "p95" => format!("95th-percentile {what}"),
        "p99" => format!("99th-percentile {what}"),
        "p999" => format!("99.9th-percentile {what}"),
        "trimmed_mean" => format!("trimmed mean {what}"),
        other => format!("{what}, {other}"),
    }
}

/// A metric with its unit in brackets, for an axis or a column.
pub fn metric_title(name: &str) -> String {
    titled(metric(name))
}

fn titled((words, unit): (String, &str)) -> String {
    if unit.is_empty() { words } else { format!("{words} ({unit})") }
}

/// A key of the scenario file in plain words.
pub fn key(name: &str) -> String {
    let words: Vec<&str> = name.split('.').collect();
    match words[..] {
        ["deploy", "target"] => "where requests are processed".into(),
        ["deploy", "workers"] => "workers per target node".into(),
        ["deploy", "balance"] => "how requests are spread".into(),
        ["deploy", "queue"] => "longest queue".into(),
        ["deploy", "drop"] => "which request a full queue drops".into(),
        ["deploy", "cut"] => "stages that stay on the endpoint".into(),
        ["app", "rate"] => "requests of each endpoint".into(),
        ["app", "frame"] => "size of a request".into(),
        ["app", "result"] => "size of a reply".into(),
        ["app", "process"] => "work per request at the target".into(),
        ["app", "prepare"] => "work per request at the endpoint".into(),
        ["tier", tier, what] => match what {
            "nodes" => format!("{tier} nodes"),
            "cores" => format!("cores per {tier} node"),
            "speed" => format!("speed of a core, {tier}"),
            "price" => format!("price of a node, {tier}"),
            "quota" => format!("share of each core, {tier}"),
            "memory" => format!("memory of a node, {tier}"),
            other => format!("{tier}: {other}"),
        },
        ["link", between, what] => {
            let between = between.replace('-', " to ");
            match what {
                "latency" => format!("network delay, {between}"),
                "jitter" => format!("jitter, {between}"),
                "rate" => format!("network rate, {between}"),
                "loss" => format!("packet loss, {between}"),
                other => format!("network {other}, {between}"),
            }
        }
        _ => name.into(),
    }
}

/// A requirement in plain words, such as `95 % of the requests take at most 150 ms`; as it is where it is not one
/// metric compared with one number.
pub fn requirement(text: &str) -> String {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let &[name, comparison, bound] = &parts[..] else { return text.into() };
    if bound.parse::<f64>().is_err() {
        return text.into();
    }
    let (words, unit) = metric(name);
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let at_most = matches!(comparison, "<" | "<=");
    let percent = match name {
        "latency_p50_ms" => Some("50 %"),
        "latency_p90_ms" => Some("90 %"),
        "latency_p95_ms" => Some("95 %"),
        "latency_p99_ms" => Some("99 %"),
        "latency_p999_ms" => Some("99.9 %"),
        _ => None,
    };
    match (percent, comparison) {
        (Some(percent), "<" | "<=") => {
            return format!("{percent} of the requests take at most {bound}{unit}");
        }
        _ if name == "load" && at_most => {
            let share = bound.parse::<f64>().map_or_else(|_| bound.into(), |bound| number(bound * 100.0));
            return format!("the busiest target is loaded to less than {share} %");
        }
        _ => {}
    }
    let comparison = match comparison {
        "<" => "less than",
        "<=" => "at most",
        ">" => "more than",
        ">=" => "at least",
        "==" => "exactly",
        _ => return text.into(),
    };
    format!("{words} is {comparison} {bound}{unit}")
}

/// A number with four significant digits, thousands apart.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value.is_finite() { "0".into() } else { value.to_string() };
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..15).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let decimals = (3 - magnitude).max(0) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    apart(text)
}

/// A count with its thousands apart.
pub fn count(value: u64) -> String {
    apart(&value.to_string())
}

/// Digits before the point in groups of three, with a comma between them.
fn apart(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, rest) = text.find('.').map_or((text, ""), |at| text.split_at(at));
    let mut groups = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            groups.push(',');
        }
        groups.push(digit);
    }
    format!("{sign}{groups}{rest}")
}

/// A share as a percentage.
pub fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "0 %".into();
    }
    let share = 100.0 * part as f64 / of as f64;
    match share {
        _ if part == 0 => "0 %".into(),
        _ if part == of => "100 %".into(),
        share if share < 0.1 => "less than 0.1 %".into(),
        share if share > 99.0 => "more than 99 %".into(),
        share if share < 10.0 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

/// `1 deployment`, `2 deployments`.
pub fn some(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{} {what}s", count(number)) }
}

/// With a capital letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The number in a value of an axis and its unit: times in `ms`, rates in `Mbit/s`, sizes in `MB`; nothing for
/// words.
pub fn quantity(text: &str) -> Option<(f64, &'static str)> {
    if let Ok(value) = text.parse::<f64>() {
        return Some((value, ""));
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return None;
    }
    let percent = |share: f64| share * 100.0;
    let as_time = units::seconds(text).ok().map(|seconds| (seconds * 1e3, "ms"));
    as_time
        .or_else(|| Some((units::bit_per_s(text).ok()? / 1e6, "Mbit/s")))
        .or_else(|| Some((units::bytes(text).ok()? / 1e6, "MB")))
        .or_else(|| Some((units::per_second(text).ok()?, "per s")))
        .or_else(|| Some((units::watts(text).ok()?, "W")))
        .or_else(|| Some((units::usd_per_hour(text).ok()?, "USD/h")))
        .or_else(|| Some((percent(units::share(text).ok()?), "%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_thousands_apart() {
        let all = [0.0, 1.0, 0.012345, 12.345678, 1234.56, 1048576.0, -2500.0, 1e-7, 99.9999];
        let texts = ["0", "1", "0.01235", "12.35", "1,235", "1,048,576", "-2,500", "1.000e-7", "100"];
        assert_eq!(all.map(number), texts);
    }

    #[test]
    fn values_of_axes_become_numbers_in_one_unit_and_words_do_not() {
        assert_eq!(quantity("500 us"), Some((0.5, "ms")));
        assert_eq!(quantity("7.21 Mbit/s"), Some((7.21, "Mbit/s")));
        assert_eq!(quantity("0.5"), Some((0.5, "")));
        assert_eq!(quantity("5 /s"), Some((5.0, "per s")));
        assert_eq!(quantity("0.1 USD/h"), Some((0.1, "USD/h")));
        assert_eq!(quantity("edge"), None);
    }

    #[test]
    fn requirements_are_sentences_and_what_is_not_simple_stays() {
        assert_eq!(requirement("latency_p95_ms <= 150"), "95 % of the requests take at most 150 ms");
        assert_eq!(requirement("load < 0.9"), "the busiest target is loaded to less than 90 %");
        assert_eq!(requirement("cost_usd_per_hour <= 2"), "cost is at most 2 USD/h");
        assert_eq!(requirement("load < 0.9 || stable"), "load < 0.9 || stable");
    }
}
