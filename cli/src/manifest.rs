//! How and when a result was made: the part of `manifest.json` that differs from run to run.

use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use serde_json::{Map, Value, json};

/// Seconds since 1970.
pub fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Commit, command line, host, start and end.
pub fn made(started_unix_s: u64) -> Map<String, Value> {
    let command: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let threads = std::thread::available_parallelism().ok().map(usize::from);
    let Value::Object(made) = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("OFFING_COMMIT"),
        "command": command,
        "host": host.or_else(|| env::var("HOSTNAME").ok()),
        "processors": threads,
        "start": iso(started_unix_s),
        "end": iso(now_unix_s()),
    }) else {
        unreachable!("it is written as an object")
    };
    made
}

/// `2026-11-24T12:30:00Z`.
fn iso(unix_s: u64) -> String {
    let (year, month, day) = date(unix_s / 86_400);
    let (hour, minute, second) = time(unix_s);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-24`, in UTC.
pub fn today() -> String {
    let (year, month, day) = date(now_unix_s() / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `20261124-123000`, for the name of a folder.
pub fn stamp(unix_s: u64) -> String {
    let (year, month, day) = date(unix_s / 86_400);
    let (hour, minute, second) = time(unix_s);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

fn time(unix_s: u64) -> (u64, u64, u64) {
    (unix_s / 3600 % 24, unix_s / 60 % 60, unix_s % 60)
}

/// The date of a day since 1970, in UTC: years begin in March, so that the leap day is the last (E. G. Richards,
/// Mapping time, 1998).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(iso(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(stamp(1_795_522_200), "20261124-121000");
    }
}
