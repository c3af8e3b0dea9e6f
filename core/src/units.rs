//! Quantities as people write them: `5 ms`, `7.21 Mbit/s`, `100mbit`, `500m`, `1 GiB`.
//!
//! Reading takes a text and gives a plain number in the base unit of its kind: seconds, bytes, bit/s, 1/s,
//! cores, watts, USD/h, or a share of one. Writing goes the other way, and what was written reads back as
//! exactly the same number.
//!
//! A decimal prefix moves the decimal point of the text before the text becomes a number, so `1.3 ms` is the
//! double nearest to 0.0013 and not a product of two roundings. Negative values, `NaN`, infinities and what
//! does not fit are refused, and so is a bare number wherever the kind has a unit.
//!
//! # Where notations disagree
//! Case matters. `b` and `bit` are bits, `B` is bytes; `k M G T` are powers of 1000, `Ki Mi Gi Ti` of 1024.
//! `tc` has its own meaning for words that it writes in lower case directly after the number: `100mbit` is
//! the same everywhere, but `100kbps` are kilo*bytes* per second and `15kb` are 15 x 1024 bytes. Offing reads
//! them as tc does where they are written as tc writes them, and [`note`] says so; with a space, `100 kbps`,
//! they are refused, as nobody can tell what was meant. `KB`, `b` and `m` alone are refused for that reason.

use std::fmt;

use crate::Span;

/// Why a text is not a quantity, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.hint)
    }
}

impl std::error::Error for Refusal {}

/// A kind of quantity: its name, its unit words and an example for messages.
struct Kind {
    /// With its article, as in "a time".
    name: &'static str,
    hint: &'static str,
    /// The largest value, in the base unit; what is beyond has surely lost a unit.
    max: f64,
    max_text: &'static str,
    units: &'static [(&'static str, Scale)],
}

/// How many base units a unit is.
#[derive(Clone, Copy)]
enum Scale {
    /// A power of ten.
    Ten(i32),
    /// A power of ten, divided by eight: bits as bytes.
    TenOverEight(i32),
    /// A factor, exact in a double for the binary units.
    Times(f64),
    /// A divisor.
    Per(f64),
}

use Scale::{Per, Ten, TenOverEight, Times};

const KI: f64 = 1024.0;
const MI: f64 = KI * KI;
const GI: f64 = MI * KI;
const TI: f64 = GI * KI;

const TIME: Kind = Kind {
    name: "a time",
    hint: "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
    max: 9.2e9,
    max_text: "292 years",
    units: &[
        ("ns", Ten(-9)),
        ("us", Ten(-6)),
        ("ms", Ten(-3)),
        ("s", Ten(0)),
        ("min", Times(60.0)),
        ("h", Times(3600.0)),
        ("d", Times(86_400.0)),
        ("µs", Ten(-6)),
        ("μs", Ten(-6)),
        ("nsec", Ten(-9)),
        ("nsecs", Ten(-9)),
        ("usec", Ten(-6)),
        ("usecs", Ten(-6)),
        ("msec", Ten(-3)),
        ("msecs", Ten(-3)),
        ("sec", Ten(0)),
        ("secs", Ten(0)),
        ("second", Ten(0)),
        ("seconds", Ten(0)),
        ("mins", Times(60.0)),
        ("minute", Times(60.0)),
        ("minutes", Times(60.0)),
        ("hour", Times(3600.0)),
        ("hours", Times(3600.0)),
        ("day", Times(86_400.0)),
        ("days", Times(86_400.0)),
    ],
};

const SIZE: Kind = Kind {
    name: "a size",
    hint: "write bytes or bits, for example `68 kB`, `1 GiB`, `500Mi` or `8 Mbit`",
    max: 1e18,
    max_text: "1 EB",
    units: &[
        ("B", Ten(0)),
        ("kB", Ten(3)),
        ("MB", Ten(6)),
        ("GB", Ten(9)),
        ("TB", Ten(12)),
        ("PB", Ten(15)),
        ("KiB", Times(KI)),
        ("MiB", Times(MI)),
        ("GiB", Times(GI)),
        ("TiB", Times(TI)),
        ("byte", Ten(0)),
        ("bytes", Ten(0)),
        // Kubernetes.
        ("k", Ten(3)),
        ("M", Ten(6)),
        ("G", Ten(9)),
        ("T", Ten(12)),
        ("P", Ten(15)),
        ("Ki", Times(KI)),
        ("Mi", Times(MI)),
        ("Gi", Times(GI)),
        ("Ti", Times(TI)),
        ("bit", TenOverEight(0)),
        ("bits", TenOverEight(0)),
        ("kbit", TenOverEight(3)),
        ("Mbit", TenOverEight(6)),
        ("Gbit", TenOverEight(9)),
        ("Tbit", TenOverEight(12)),
        ("Mb", TenOverEight(6)),
        ("Gb", TenOverEight(9)),
        ("Tb", TenOverEight(12)),
        ("Kibit", Times(KI / 8.0)),
        ("Mibit", Times(MI / 8.0)),
        ("Gibit", Times(GI / 8.0)),
        ("Tibit", Times(TI / 8.0)),
        ("Kbit", TenOverEight(3)),
        ("mbit", TenOverEight(6)),
        ("gbit", TenOverEight(9)),
    ],
};

/// Read only directly after the number, as tc writes them.
const TC_SIZE: &[(&str, Scale)] = &[("kb", Times(KI)), ("mb", Times(MI)), ("gb", Times(GI))];

const RATE: Kind = Kind {
    name: "a rate",
    hint: "write bits or bytes per second, for example `100 Mbit/s` or `12.5 MB/s`",
    max: 1e18,
    max_text: "1 Ebit/s",
    units: &[
        ("bit/s", Ten(0)),
        ("kbit/s", Ten(3)),
        ("Mbit/s", Ten(6)),
        ("Gbit/s", Ten(9)),
        ("Tbit/s", Ten(12)),
        ("B/s", Times(8.0)),
        ("kB/s", Times(8e3)),
        ("MB/s", Times(8e6)),
        ("GB/s", Times(8e9)),
        ("TB/s", Times(8e12)),
        ("KiB/s", Times(8.0 * KI)),
        ("MiB/s", Times(8.0 * MI)),
        ("GiB/s", Times(8.0 * GI)),
        ("Kibit/s", Times(KI)),
        ("Mibit/s", Times(MI)),
        ("Gibit/s", Times(GI)),
        ("b/s", Ten(0)),
        ("kb/s", Ten(3)),
        ("Mb/s", Ten(6)),
        ("Gb/s", Ten(9)),
        ("Tb/s", Ten(12)),
        ("Kbit/s", Ten(3)),
        ("mbit/s", Ten(6)),
        ("gbit/s", Ten(9)),
        ("Mbps", Ten(6)),
        ("Gbps", Ten(9)),
        ("Tbps", Ten(12)),
        ("Bps", Times(8.0)),
        ("kBps", Times(8e3)),
        ("MBps", Times(8e6)),
        ("GBps", Times(8e9)),
        // tc, which means "per second" without writing it, and prints `Kbit`, `Mbit`, `Gbit`.
        ("bit", Ten(0)),
        ("kbit", Ten(3)),
        ("mbit", Ten(6)),
        ("gbit", Ten(9)),
        ("tbit", Ten(12)),
        ("Kbit", Ten(3)),
        ("Mbit", Ten(6)),
        ("Gbit", Ten(9)),
        ("Tbit", Ten(12)),
        ("kibit", Times(KI)),
        ("mibit", Times(MI)),
        ("gibit", Times(GI)),
        ("tibit", Times(TI)),
        ("kibps", Times(8.0 * KI)),
        ("mibps", Times(8.0 * MI)),
        ("gibps", Times(8.0 * GI)),
        ("tibps", Times(8.0 * TI)),
    ],
};

/// Read only directly after the number, as tc writes them: bytes per second.
const TC_RATE: &[(&str, Scale)] = &[
    ("bps", Times(8.0)),
    ("kbps", Times(8e3)),
    ("mbps", Times(8e6)),
    ("gbps", Times(8e9)),
    ("tbps", Times(8e12)),
];

const FREQUENCY: Kind = Kind {
    name: "a frequency",
    hint: "write a number per second, for example `5 /s`, `5 Hz` or `300 /min`",
    max: 1e12,
    max_text: "1e12 /s",
    units: &[
        ("/s", Ten(0)),
        ("/min", Per(60.0)),
        ("/h", Per(3600.0)),
        ("/d", Per(86_400.0)),
        ("/ms", Ten(3)),
        ("Hz", Ten(0)),
        ("kHz", Ten(3)),
        ("MHz", Ten(6)),
        ("GHz", Ten(9)),
        ("mHz", Ten(-3)),
        ("fps", Ten(0)),
        ("rps", Ten(0)),
        ("per second", Ten(0)),
        ("per minute", Per(60.0)),
        ("per hour", Per(3600.0)),
    ],
};

const CORES: Kind = Kind {
    name: "a number of cores",
    hint: "write a number, for example `2`, `0.5` or `\"500m\"`",
    max: 1e12,
    max_text: "1e12 cores",
    units: &[("", Ten(0)), ("m", Ten(-3)), ("core", Ten(0)), ("cores", Ten(0))],
};

const POWER: Kind = Kind {
    name: "a power",
    hint: "write watts, for example `2.1 W` or `800 mW`",
    max: 1e12,
    max_text: "1 TW",
    units: &[
        ("W", Ten(0)),
        ("mW", Ten(-3)),
        ("uW", Ten(-6)),
        ("µW", Ten(-6)),
        ("kW", Ten(3)),
        ("MW", Ten(6)),
    ],
};

const PRICE: Kind = Kind {
    name: "a price",
    hint: "write US dollars per hour, for example `0.02 USD/h`",
    max: 1e12,
    max_text: "1e12 USD/h",
    units: &[
        ("USD/h", Ten(0)),
        ("USD/hour", Ten(0)),
        ("$/h", Ten(0)),
        ("USD/min", Times(60.0)),
        ("USD/s", Times(3600.0)),
        ("USD/d", Per(24.0)),
        ("USD/day", Per(24.0)),
    ],
};

const SHARE: Kind = Kind {
    name: "a share",
    hint: "write a share of one or per cent, for example `0.05` or `5 %`",
    max: 1e12,
    max_text: "1e14 %",
    units: &[("", Ten(0)), ("%", Ten(-2)), ("percent", Ten(-2))],
};

/// A time in seconds: `5 ms`, `1.5 h`, or Go's `1m30s`.
pub fn seconds(text: &str) -> Result<f64, Refusal> {
    match compound(text) {
        Some(parts) => {
            let total = parts.iter().map(|part| TIME.read(part)).sum::<Result<f64, _>>()?;
            TIME.fits(text, total)
        }
        None => TIME.read(text),
    }
}

/// A time to the nearest nanosecond; exact where the text names whole nanoseconds.
pub fn span(text: &str) -> Result<Span, Refusal> {
    let approximate = seconds(text)?;
    if let (None, Ok(number)) = (compound(text), split(text))
        && let Some(nanos) = exact_nanos(&number)
    {
        return Ok(Span::from_nanos(nanos));
    }
    Span::from_secs_f64(approximate).ok_or_else(|| TIME.too_large(text))
}

/// A size in bytes: `68 kB`, `1 GiB`, `500Mi`, `8 Mbit`.
pub fn bytes(text: &str) -> Result<f64, Refusal> {
    SIZE.read_with(text, TC_SIZE)
}

/// A rate in bits per second: `7.21 Mbit/s`, `12.5 MB/s`, `100mbit`, `1 Gbps`.
pub fn bit_per_s(text: &str) -> Result<f64, Refusal> {
    RATE.read_with(text, TC_RATE)
}

/// A frequency per second: `5 /s`, `5 Hz`, `300 /min`.
pub fn per_second(text: &str) -> Result<f64, Refusal> {
    FREQUENCY.read(text)
}

/// Cores: `2`, `0.5`, `500m`.
pub fn cores(text: &str) -> Result<f64, Refusal> {
    CORES.read(text)
}

/// Power in watts: `2.1 W`, `800 mW`.
pub fn watts(text: &str) -> Result<f64, Refusal> {
    POWER.read(text)
}

/// A price in US dollars per hour: `0.02 USD/h`.
pub fn usd_per_hour(text: &str) -> Result<f64, Refusal> {
    PRICE.read(text)
}

/// A share of one: `5 %`, `0.05`.
pub fn share(text: &str) -> Result<f64, Refusal> {
    SHARE.read(text)
}

/// What a reader should know about the unit of a text that was understood: some words mean one thing to tc
/// and another to everyone else.
pub fn note(text: &str) -> Option<String> {
    let number = split(text).ok()?;
    let meaning = match number.unit {
        "kb" => "1024 bytes",
        "mb" => "1024 x 1024 bytes",
        "gb" => "1024 x 1024 x 1024 bytes",
        "bps" => "bytes per second",
        "kbps" => "1000 bytes per second",
        "mbps" => "1000000 bytes per second",
        "gbps" => "1000000000 bytes per second",
        "tbps" => "1e12 bytes per second",
        _ => return None,
    };
    (!number.spaced).then(|| format!("`{}` is read as tc does: {meaning}", number.unit))
}

/// Writes seconds so that [`seconds`] gives the same number.
pub fn write_seconds(seconds: f64) -> String {
    write(seconds, &[(0, "s"), (-3, "ms"), (-6, "us"), (-9, "ns")])
}

/// Writes a span so that [`span`] gives the same nanoseconds.
pub fn write_span(span: Span) -> String {
    let nanos = span.as_nanos();
    let (power, unit) = match nanos {
        0 => return "0 s".into(),
        1_000_000_000.. => (9, "s"),
        1_000_000.. => (6, "ms"),
        1_000.. => (3, "us"),
        _ => (0, "ns"),
    };
    let size = 10_u64.pow(power);
    let fraction = nanos % size;
    if fraction == 0 {
        return format!("{} {unit}", nanos / size);
    }
    let digits = format!("{fraction:0width$}", width = power as usize);
    format!("{}.{} {unit}", nanos / size, digits.trim_end_matches('0'))
}

/// Writes bytes so that [`bytes`] gives the same number, in binary units where that is shorter.
pub fn write_bytes(bytes: f64) -> String {
    let decimal = write(bytes, &[(12, "TB"), (9, "GB"), (6, "MB"), (3, "kB"), (0, "B")]);
    let binary = [(TI, "TiB"), (GI, "GiB"), (MI, "MiB"), (KI, "KiB")]
        .into_iter()
        .find(|(size, _)| bytes >= *size && bytes % size == 0.0)
        .map(|(size, unit)| format!("{} {unit}", bytes / size));
    match binary {
        Some(binary) if binary.len() < decimal.len() => binary,
        _ => decimal,
    }
}

/// Writes bits per second so that [`bit_per_s`] gives the same number.
pub fn write_bit_per_s(rate_bit_s: f64) -> String {
    write(rate_bit_s, &[(9, "Gbit/s"), (6, "Mbit/s"), (3, "kbit/s"), (0, "bit/s")])
}

/// Writes a frequency so that [`per_second`] gives the same number.
pub fn write_per_second(rate_hz: f64) -> String {
    write(rate_hz, &[(0, "/s")])
}

/// Writes watts so that [`watts`] gives the same number.
pub fn write_watts(power_w: f64) -> String {
    write(power_w, &[(0, "W")])
}

/// Writes a price so that [`usd_per_hour`] gives the same number.
pub fn write_usd_per_hour(price: f64) -> String {
    write(price, &[(0, "USD/h")])
}

/// A text taken apart.
struct Number<'a> {
    /// Digits, perhaps with a decimal point.
    mantissa: &'a str,
    exponent: i32,
    /// Whether there is space between number and unit.
    spaced: bool,
    unit: &'a str,
}

enum NotNumber {
    Negative,
    Special,
    Comma,
    Other,
}

/// Splits `7.21 Mbit/s` into a number and a unit.
fn split(text: &str) -> Result<Number<'_>, NotNumber> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('-').or_else(|| text.strip_prefix('−')) {
        return Err(if rest.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            NotNumber::Negative
        } else {
            NotNumber::Special
        });
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("nan") || lower.starts_with("inf") {
        return Err(NotNumber::Special);
    }
    let mantissa_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let mantissa = &text[..mantissa_end];
    if mantissa.matches('.').count() > 1 || !mantissa.contains(|c: char| c.is_ascii_digit()) {
        return Err(NotNumber::Other);
    }
    let mut rest = &text[mantissa_end..];
    if rest.starts_with([',', '_', '\'']) {
        return Err(NotNumber::Comma);
    }
    let mut exponent = 0;
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let sign = usize::from(after.starts_with(['+', '-']));
        let digits = after[sign..].find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len() - sign);
        if digits > 0 {
            // More than nine digits of exponent are zero or infinity whatever they are.
            exponent =
                after[..sign + digits].parse().unwrap_or(if after.starts_with('-') { -9_999 } else { 9_999 });
            rest = &after[sign + digits..];
        }
    }
    let unit = rest.trim_start();
    Ok(Number { mantissa, exponent, spaced: unit.len() != rest.len(), unit })
}

impl Kind {
    fn read(&self, text: &str) -> Result<f64, Refusal> {
        self.read_with(text, &[])
    }

    /// Reads with more units that count only where they follow the number at once.
    fn read_with(&self, text: &str, attached: &[(&str, Scale)]) -> Result<f64, Refusal> {
        let number = split(text).map_err(|why| self.not_a_number(text, why))?;
        let scale = |units: &[(&str, Scale)]| {
            units.iter().find(|(unit, _)| *unit == number.unit).map(|(_, scale)| *scale)
        };
        let found = scale(self.units).or_else(|| scale(attached).filter(|_| !number.spaced));
        let scale = found.ok_or_else(|| self.wrong_unit(text, &number, attached))?;
        self.fits(text, number.times(scale))
    }

    fn fits(&self, text: &str, value: f64) -> Result<f64, Refusal> {
        if value <= self.max { Ok(value) } else { Err(self.too_large(text)) }
    }

    fn too_large(&self, text: &str) -> Refusal {
        Refusal {
            message: format!("`{}` is too large", shorten(text)),
            hint: format!("the largest value is {}", self.max_text),
        }
    }

    fn not_a_number(&self, text: &str, why: NotNumber) -> Refusal {
        let text = shorten(text);
        if text.is_empty() {
            return Refusal { message: "the text is empty".into(), hint: self.hint.into() };
        }
        let (message, hint) = match why {
            NotNumber::Negative => (format!("`{text}` is negative"), self.hint),
            NotNumber::Special => (format!("`{text}` is not a finite number"), self.hint),
            NotNumber::Comma => (
                format!("`{text}` is not {}", self.name),
                "write the number with a decimal point and without separators, for example `1500.5`",
            ),
            NotNumber::Other => (format!("`{text}` is not {}", self.name), self.hint),
        };
        Refusal { message, hint: hint.into() }
    }

    fn wrong_unit(&self, text: &str, number: &Number<'_>, attached: &[(&str, Scale)]) -> Refusal {
        if number.unit.is_empty() {
            return Refusal { message: format!("`{}` has no unit", shorten(text)), hint: self.hint.into() };
        }
        let digits = &text.trim()[..text.trim().len() - number.unit.len()].trim_end();
        let hint = match (self.name, number.unit) {
            ("a time", "m") => format!("write `{digits} min` or `{digits} ms`"),
            ("a size", "b" | "kb" | "Kb" | "mb" | "gb" | "KB" | "K") => ambiguous(digits, number.unit, ""),
            ("a size", "m" | "g") => {
                format!("write `{digits} {0}B` or `{digits} {0}iB`", number.unit.to_uppercase())
            }
            (
                "a rate",
                "kbps" | "mbps" | "gbps" | "tbps" | "bps" | "Kbps" | "KBps" | "mb/s" | "gb/s" | "Kb/s"
                | "KB/s",
            ) => ambiguous(digits, number.unit.trim_end_matches("ps").trim_end_matches("/s"), "/s"),
            ("a price", unit) if unit.contains("EUR") || unit.contains('€') => {
                "prices are in US dollars, for example `0.02 USD/h`".into()
            }
            _ => match self.nearest(number.unit) {
                Some(near) => format!("did you mean `{digits} {near}`? Case matters"),
                None => self.hint.into(),
            },
        };
        let known_attached = attached.iter().any(|(unit, _)| *unit == number.unit);
        let message = if known_attached || hint.contains(" or `") && hint.starts_with("write `") {
            format!("`{}` is ambiguous", shorten(text))
        } else {
            format!("`{}` is not {}", shorten(text), self.name)
        };
        Refusal { message, hint }
    }

    /// The first unit that differs in nothing but case.
    fn nearest(&self, unit: &str) -> Option<&'static str> {
        self.units.iter().map(|(known, _)| *known).find(|known| known.eq_ignore_ascii_case(unit))
    }
}

/// Bits or bytes? Says how to write either.
fn ambiguous(digits: &str, unit: &str, per: &str) -> String {
    let prefix = match unit.as_bytes().first() {
        Some(b'k' | b'K') => "k",
        Some(b'm') => "M",
        Some(b'g') => "G",
        Some(b't') => "T",
        _ => "",
    };
    let bytes = format!("`{digits} {prefix}B{per}`");
    match unit {
        "KB" | "K" => format!("write {bytes} (1000) or `{digits} KiB{per}` (1024)"),
        _ => format!("write `{digits} {prefix}bit{per}` or {bytes}"),
    }
}

impl Number<'_> {
    /// The value; infinity where it does not fit.
    fn times(&self, scale: Scale) -> f64 {
        let at = |power: i32| -> f64 {
            format!("{}e{}", self.mantissa, self.exponent.saturating_add(power))
                .parse()
                .unwrap_or(f64::INFINITY)
        };
        match scale {
            Ten(power) => at(power),
            TenOverEight(power) => at(power) / 8.0,
            Times(factor) => at(0) * factor,
            Per(divisor) => at(0) / divisor,
        }
    }
}

/// Whole nanoseconds where the text names them exactly, or nothing.
fn exact_nanos(number: &Number<'_>) -> Option<u64> {
    let (_, scale) = TIME.units.iter().find(|(unit, _)| *unit == number.unit)?;
    let (power, factor) = match *scale {
        Ten(power) => (power + 9, 1),
        Times(seconds) => (9, seconds as u128),
        TenOverEight(_) | Per(_) => return None,
    };
    let (whole, fraction) = number.mantissa.split_once('.').unwrap_or((number.mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits: u128 = format!("0{whole}{fraction}").parse().ok()?;
    let shift = power + number.exponent - i32::try_from(fraction.len()).ok()?;
    let scaled = digits.checked_mul(factor)?.checked_mul(10_u128.checked_pow(u32::try_from(shift).ok()?)?)?;
    u64::try_from(scaled).ok()
}

/// The parts of a time in Go's notation, as in `1m30s`, with `m` turned into `min`; nothing if there is only one.
fn compound(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let after = &rest[unit_at..];
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let unit = &after[..end];
        if unit_at == 0 || !unit.chars().all(char::is_alphabetic) {
            return None;
        }
        parts.push(format!("{}{}", &rest[..unit_at], if unit == "m" { "min" } else { unit }));
        rest = &after[end..];
        // An exponent looks like a unit `e`; twenty parts are more than anybody writes.
        if unit.eq_ignore_ascii_case("e") || parts.len() > 20 {
            return None;
        }
    }
    (parts.len() > 1).then_some(parts)
}

/// Writes a value with the largest of the units that leaves at least one before the point, by moving the point
/// in its shortest decimal text: reading moves it back, so nothing is lost.
fn write(value: f64, units: &[(i32, &str)]) -> String {
    let smallest = *units.last().expect("a kind has units");
    if value == 0.0 {
        let base = units.iter().find(|(power, _)| *power == 0).unwrap_or(&smallest).1;
        return format!("0 {base}");
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format writes a number");
    let (power, unit) = units.iter().copied().find(|(power, _)| exponent >= *power).unwrap_or(smallest);
    format!("{} {unit}", point(mantissa, exponent - power))
}

/// `mantissa` x 10^`shift` without an exponent unless that would be long.
fn point(mantissa: &str, shift: i32) -> String {
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let places = i32::try_from(digits.len()).expect("seventeen digits") - 1;
    if !(-6..=18).contains(&shift) {
        return format!("{mantissa}e{shift}");
    }
    if shift < 0 {
        return format!("0.{}{digits}", "0".repeat((-shift - 1) as usize));
    }
    if shift >= places {
        return format!("{digits}{}", "0".repeat((shift - places) as usize));
    }
    let (whole, fraction) = digits.split_at(shift as usize + 1);
    format!("{whole}.{fraction}")
}

/// A text cut to a length that fits in a message.
fn shorten(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= 40 {
        text.into()
    } else {
        text.chars().take(37).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Reader = fn(&str) -> Result<f64, Refusal>;

    #[test]
    fn units_mean_what_the_table_says() {
        let table: &[(Reader, &str, f64)] = &[
            (seconds, "5 ms", 0.005),
            (seconds, "5ms", 0.005),
            (seconds, "1.3 ms", 0.0013),
            (seconds, " 2  s ", 2.0),
            (seconds, "250 us", 250e-6),
            (seconds, "250 µs", 250e-6),
            (seconds, "250 μs", 250e-6),
            (seconds, "7 ns", 7e-9),
            (seconds, "2 min", 120.0),
            (seconds, "1.5 h", 5400.0),
            (seconds, "1 d", 86_400.0),
            (seconds, "1m30s", 90.0),
            (seconds, "1h2m3s", 3723.0),
            (seconds, "1s500ms", 1.5),
            (seconds, "10msecs", 0.01),
            (seconds, "1e3 ms", 1.0),
            (seconds, "1E-3 s", 0.001),
            (seconds, ".5 s", 0.5),
            (seconds, "5. s", 5.0),
            (seconds, "+5 s", 5.0),
            (seconds, "0 s", 0.0),
            (bytes, "68 kB", 68_000.0),
            (bytes, "20 B", 20.0),
            (bytes, "20B", 20.0),
            (bytes, "1 MB", 1e6),
            (bytes, "1 GB", 1e9),
            (bytes, "1 KiB", 1024.0),
            (bytes, "500 MiB", 500.0 * 1_048_576.0),
            (bytes, "1 GiB", 1_073_741_824.0),
            (bytes, "500Mi", 500.0 * 1_048_576.0),
            (bytes, "1Gi", 1_073_741_824.0),
            (bytes, "128Ki", 131_072.0),
            (bytes, "500M", 500e6),
            (bytes, "2G", 2e9),
            (bytes, "100k", 100e3),
            (bytes, "8 bit", 1.0),
            (bytes, "8 kbit", 1000.0),
            (bytes, "8 Mbit", 1e6),
            (bytes, "8 Mb", 1e6),
            (bytes, "8 Kibit", 1024.0),
            (bytes, "15kb", 15.0 * 1024.0),
            (bytes, "1mb", 1_048_576.0),
            (bit_per_s, "7.21 Mbit/s", 7.21e6),
            (bit_per_s, "12.5 MB/s", 100e6),
            (bit_per_s, "1 Gbps", 1e9),
            (bit_per_s, "1 GBps", 8e9),
            (bit_per_s, "100 Mb/s", 100e6),
            (bit_per_s, "100 Mbps", 100e6),
            (bit_per_s, "1 MiB/s", 8.0 * 1_048_576.0),
            (bit_per_s, "100mbit", 100e6),
            (bit_per_s, "100 mbit", 100e6),
            (bit_per_s, "100Mbit", 100e6),
            (bit_per_s, "10Kbit", 10e3),
            (bit_per_s, "1gbit", 1e9),
            (bit_per_s, "64kbit", 64e3),
            (bit_per_s, "9600bit", 9600.0),
            (bit_per_s, "100kbps", 800e3),
            (bit_per_s, "1mbps", 8e6),
            (bit_per_s, "300bps", 2400.0),
            (bit_per_s, "1mibit", 1_048_576.0),
            (bit_per_s, "1kibps", 8192.0),
            (per_second, "5 /s", 5.0),
            (per_second, "5/s", 5.0),
            (per_second, "5 Hz", 5.0),
            (per_second, "1 kHz", 1000.0),
            (per_second, "300 /min", 5.0),
            (per_second, "3600 /h", 1.0),
            (per_second, "25 fps", 25.0),
            (cores, "2", 2.0),
            (cores, "0.5", 0.5),
            (cores, "500m", 0.5),
            (cores, "2500m", 2.5),
            (cores, "4 cores", 4.0),
            (watts, "2.1 W", 2.1),
            (watts, "800 mW", 0.8),
            (watts, "1.2 kW", 1200.0),
            (usd_per_hour, "0.02 USD/h", 0.02),
            (usd_per_hour, "0 USD/h", 0.0),
            (usd_per_hour, "24 USD/d", 1.0),
            (share, "5 %", 0.05),
            (share, "5%", 0.05),
            (share, "0.05", 0.05),
        ];
        for (read, text, value) in table {
            assert_eq!(read(text), Ok(*value), "{text}");
        }
    }

    #[test]
    fn what_is_refused_comes_with_what_to_write_instead() {
        let table: &[(Reader, &str, &str, &str)] = &[
            (
                seconds,
                "5",
                "`5` has no unit",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (seconds, "5 m", "`5 m` is ambiguous", "write `5 min` or `5 ms`"),
            (seconds, "5 MS", "`5 MS` is not a time", "did you mean `5 ms`? Case matters"),
            (
                seconds,
                "-5 ms",
                "`-5 ms` is negative",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (
                seconds,
                "NaN ms",
                "`NaN ms` is not a finite number",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (
                seconds,
                "inf",
                "`inf` is not a finite number",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (seconds, "1e400 s", "`1e400 s` is too large", "the largest value is 292 years"),
            (
                seconds,
                "300 y",
                "`300 y` is not a time",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (
                seconds,
                "1,5 s",
                "`1,5 s` is not a time",
                "write the number with a decimal point and without separators, for example `1500.5`",
            ),
            (
                seconds,
                "soon",
                "`soon` is not a time",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (
                seconds,
                "",
                "the text is empty",
                "write a number and ns, us, ms, s, min, h or d, for example `5 ms`",
            ),
            (bytes, "68 KB", "`68 KB` is ambiguous", "write `68 kB` (1000) or `68 KiB` (1024)"),
            (bytes, "68 b", "`68 b` is ambiguous", "write `68 bit` or `68 B`"),
            (bytes, "68 kb", "`68 kb` is ambiguous", "write `68 kbit` or `68 kB`"),
            (bytes, "68 m", "`68 m` is ambiguous", "write `68 MB` or `68 MiB`"),
            (
                bytes,
                "68",
                "`68` has no unit",
                "write bytes or bits, for example `68 kB`, `1 GiB`, `500Mi` or `8 Mbit`",
            ),
            (bytes, "1 gib", "`1 gib` is not a size", "did you mean `1 GiB`? Case matters"),
            (bytes, "1e30 GB", "`1e30 GB` is too large", "the largest value is 1 EB"),
            (
                bit_per_s,
                "100 Mb",
                "`100 Mb` is not a rate",
                "write bits or bytes per second, for example `100 Mbit/s` or `12.5 MB/s`",
            ),
            (bit_per_s, "100 kbps", "`100 kbps` is ambiguous", "write `100 kbit/s` or `100 kB/s`"),
            (bit_per_s, "100 mb/s", "`100 mb/s` is ambiguous", "write `100 Mbit/s` or `100 MB/s`"),
            (
                bit_per_s,
                "100 MBIT/S",
                "`100 MBIT/S` is not a rate",
                "did you mean `100 Mbit/s`? Case matters",
            ),
            (
                per_second,
                "5",
                "`5` has no unit",
                "write a number per second, for example `5 /s`, `5 Hz` or `300 /min`",
            ),
            (
                cores,
                "two",
                "`two` is not a number of cores",
                "write a number, for example `2`, `0.5` or `\"500m\"`",
            ),
            (watts, "5 w", "`5 w` is not a power", "did you mean `5 W`? Case matters"),
            (
                usd_per_hour,
                "0.02 EUR/h",
                "`0.02 EUR/h` is not a price",
                "prices are in US dollars, for example `0.02 USD/h`",
            ),
            (
                share,
                "5 permille",
                "`5 permille` is not a share",
                "write a share of one or per cent, for example `0.05` or `5 %`",
            ),
        ];
        for (read, text, message, hint) in table {
            let refusal = read(text).expect_err(text);
            assert_eq!((refusal.message.as_str(), refusal.hint.as_str()), (*message, *hint), "{text}");
        }
    }

    #[test]
    fn words_that_tc_means_differently_are_noted() {
        assert_eq!(note("100kbps").as_deref(), Some("`kbps` is read as tc does: 1000 bytes per second"));
        assert_eq!(note("15kb").as_deref(), Some("`kb` is read as tc does: 1024 bytes"));
        assert_eq!(note("100mbit"), None);
        assert_eq!(note("68 kB"), None);
    }

    #[test]
    fn spans_are_exact_beyond_what_a_double_holds() {
        assert_eq!(span("9007199254740993 ns"), Ok(Span::from_nanos(9_007_199_254_740_993)));
        assert_eq!(span("1.5 ms"), Ok(Span::from_nanos(1_500_000)));
        assert_eq!(span("0.4 ns"), Ok(Span::ZERO));
        assert_eq!(write_span(Span::from_nanos(9_007_199_254_740_993)), "9007199.254740993 s");
        assert_eq!(write_span(Span::from_millis(300_000)), "300 s");
    }

    #[test]
    fn numbers_are_written_in_readable_units() {
        assert_eq!(write_seconds(0.0013), "1.3 ms");
        assert_eq!(write_seconds(0.125), "125 ms");
        assert_eq!(write_seconds(0.0), "0 s");
        assert_eq!(write_bytes(68_000.0), "68 kB");
        assert_eq!(write_bytes(500.0 * 1_048_576.0), "500 MiB");
        assert_eq!(write_bit_per_s(7.21e6), "7.21 Mbit/s");
        assert_eq!(write_per_second(5.0), "5 /s");
        assert_eq!(write_usd_per_hour(0.02), "0.02 USD/h");
    }

    /// Positive doubles over the range that readers accept, and zero.
    fn numbers() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            1e-12..1e12,
            (-12.0..9.0).prop_map(|e: f64| 10_f64.powf(e)),
            (0_u64..1 << 50).prop_map(|n| n as f64 / 1e6)
        ]
        .prop_filter("in the range of every kind", |value| *value < 9e9)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_exactly(value in numbers()) {
            prop_assert_eq!(seconds(&write_seconds(value)), Ok(value));
            prop_assert_eq!(bytes(&write_bytes(value)), Ok(value));
            prop_assert_eq!(bytes(&write_bytes(value.floor() * 1024.0)), Ok(value.floor() * 1024.0));
            prop_assert_eq!(bit_per_s(&write_bit_per_s(value)), Ok(value));
            prop_assert_eq!(per_second(&write_per_second(value)), Ok(value));
            prop_assert_eq!(watts(&write_watts(value)), Ok(value));
            prop_assert_eq!(usd_per_hour(&write_usd_per_hour(value)), Ok(value));
        }

        #[test]
        fn spans_read_back_exactly(nanos in prop_oneof![0_u64..9_200_000_000_000_000_000, 0_u64..10_000_000_000]) {
            prop_assert_eq!(span(&write_span(Span::from_nanos(nanos))), Ok(Span::from_nanos(nanos)));
        }

        #[test]
        fn no_text_makes_a_reader_panic_or_return_nonsense(text in "[-+0-9.eE ,a-zA-Zµ/%$]{0,12}|.{0,20}") {
            for read in [seconds, bytes, bit_per_s, per_second, cores, watts, usd_per_hour, share] {
                if let Ok(value) = read(&text) {
                    prop_assert!(value.is_finite() && value >= 0.0);
                }
            }
            let _ = (span(&text), note(&text));
        }
    }
}
