//! The parts of Python that decide what a `.cfg` means: blanks, numbers, and how messages quote text.
//!
//! Source: CPython 3.8 to 3.11, `str.isspace`, `int()`, `float()` and `repr()`. Compared with the interpreter
//! itself in `tests/continuum_python.rs`.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// Digits that `int()` accepts before it refuses the text (CPython's `int_max_str_digits`).
const LONGEST_INT: usize = 4300;

/// The characters that mean zero; nine more follow each (Unicode 14, category Nd).
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// `str.isspace`: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// `str.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip()`.
pub fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `repr()` of a text.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if c == quote => out.extend(['\\', c]),
            _ if is_printable(c) => out.push(c),
            _ => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
        }
    }
    out.push(quote);
    out
}

/// `str.isprintable`. The standard library's table for `{:?}` is made by the same rule; a leading letter keeps
/// it from escaping combining marks, which Python prints.
fn is_printable(c: char) -> bool {
    matches!(c, '"' | '\'') || !format!("a{c}").escape_debug().any(|c| c == '\\')
}

/// A Python integer: as long as it needs to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    negative: bool,
    /// Decimal, without leading zeros; `0` is never negative.
    digits: String,
}

impl Whole {
    /// What `int(text)` returns; nothing where it raises `ValueError`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = ascii_number(text);
        let (negative, digits) = split_sign(&text);
        let digits = without_underscores(digits)?;
        if digits.is_empty() || digits.len() > LONGEST_INT || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        Some(Whole { negative: negative && digits != "0", digits: digits.to_owned() })
    }

    /// The value if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.to_string().parse().ok()
    }

    /// The value if it is not negative and fits.
    pub fn to_u64(&self) -> Option<u64> {
        self.to_string().parse().ok()
    }

    /// The value if it is not negative and fits.
    pub fn to_u32(&self) -> Option<u32> {
        self.to_string().parse().ok()
    }

    /// What `float(self)` returns; nothing where it raises `OverflowError`.
    pub fn to_f64(&self) -> Option<f64> {
        self.to_string().parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits == "0"
    }

    /// One less, of a number above zero.
    pub fn minus_one(&self) -> Self {
        let mut digits = self.digits.clone().into_bytes();
        for digit in digits.iter_mut().rev() {
            if *digit > b'0' {
                *digit -= 1;
                break;
            }
            *digit = b'9';
        }
        let digits = String::from_utf8(digits).expect("digits are ASCII");
        let digits = digits.trim_start_matches('0');
        Whole { negative: false, digits: if digits.is_empty() { "0".into() } else { digits.into() } }
    }

    /// Whether `self % divisor == 0`; neither is negative, and the divisor is not zero.
    pub fn is_multiple_of(&self, divisor: &Whole) -> bool {
        assert!(!divisor.is_zero(), "division by zero");
        if let (Some(n), Some(d)) = (self.to_u64(), divisor.to_u64()) {
            return n % d == 0;
        }
        // Long division, one decimal digit after the other; at most 4300 digits and 480 limbs.
        let divisor = limbs(&divisor.digits);
        let mut rest: Vec<u32> = Vec::new();
        for digit in self.digits.bytes() {
            let mut carry = u64::from(digit - b'0');
            for limb in &mut rest {
                carry += u64::from(*limb) * 10;
                *limb = (carry % LIMB) as u32;
                carry /= LIMB;
            }
            if carry > 0 {
                rest.push(carry as u32);
            }
            while compare(&rest, &divisor) != Ordering::Less {
                subtract(&mut rest, &divisor);
            }
        }
        rest.is_empty()
    }
}

/// Base of the limbs of the long division.
const LIMB: u64 = 1_000_000_000;

fn limbs(digits: &str) -> Vec<u32> {
    digits.as_bytes().rchunks(9).map(|c| c.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'))).collect()
}

fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn subtract(from: &mut Vec<u32>, what: &[u32]) {
    let mut borrow = 0;
    for (i, limb) in from.iter_mut().enumerate() {
        let take = i64::from(what.get(i).copied().unwrap_or(0)) + borrow;
        let rest = i64::from(*limb) - take;
        borrow = i64::from(rest < 0);
        *limb = (rest + borrow * LIMB as i64) as u32;
    }
    while from.last() == Some(&0) {
        from.pop();
    }
}

impl From<u32> for Whole {
    fn from(value: u32) -> Self {
        Whole { negative: false, digits: value.to_string() }
    }
}

impl Ord for Whole {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = || self.digits.len().cmp(&other.digits.len()).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negative { "-" } else { "" }, self.digits)
    }
}

impl Serialize for Whole {
    /// A number; beyond 64 bits, which most readers of JSON cannot hold, its digits as a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.to_i64(), self.to_u64()) {
            (Some(value), _) => serializer.serialize_i64(value),
            (None, Some(value)) => serializer.serialize_u64(value),
            (None, None) => serializer.serialize_str(&self.to_string()),
        }
    }
}

/// What `float(text)` returns; nothing where it raises `ValueError`.
pub fn float(text: &str) -> Option<f64> {
    let text = ascii_number(text);
    let (negative, rest) = split_sign(&text);
    let rest = without_underscores(rest)?.to_ascii_lowercase();
    let value = match rest.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ if is_decimal(&rest) => rest.parse().ok()?,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// `12`, `1.5`, `.5`, `5.`, each with an exponent or without.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once('e').map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let exponent_is_fine = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()) && exponent_is_fine
}

/// Blanks stripped, the digits of all scripts made ASCII. The four ASCII separators are blanks to `strip` but
/// not to a number.
fn ascii_number(text: &str) -> String {
    let blank = |c: char| c.is_whitespace();
    text.trim_matches(blank).chars().map(ascii_digit).collect()
}

fn ascii_digit(c: char) -> char {
    let code = u32::from(c);
    let block = ZEROS.partition_point(|&zero| zero <= code);
    match block.checked_sub(1).map(|i| code - ZEROS[i]) {
        Some(digit @ 0..=9) => char::from(b'0' + digit as u8),
        _ => c,
    }
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Underscores stand between two digits or the number is none.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    for (i, _) in text.match_indices('_') {
        if !(digit(i.checked_sub(1)) && digit(Some(i + 1))) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_python_reads_them() {
        for (text, value) in [("1_0", 10), (" +01\n", 1), ("-0", 0), ("٣", 3), ("007", 7)] {
            assert_eq!(Whole::parse(text).and_then(|w| w.to_i64()), Some(value), "{text:?}");
        }
        for text in ["", "1.0", "1e0", "0x1", "1__0", "_1", "1_", "- 1", "+-1", "1 0"] {
            assert_eq!(Whole::parse(text), None, "{text:?}");
        }
        assert!(Whole::parse(&"1".repeat(4300)).is_some());
        assert_eq!(Whole::parse(&"1".repeat(4301)), None);
    }

    #[test]
    fn whole_numbers_beyond_64_bits_still_compare_and_divide() {
        let big = Whole::parse("100000000000000000000000000000").expect("digits");
        let seven = Whole::from(7);
        assert!(big > seven && Whole::parse("-5").expect("digits") < Whole::from(0));
        assert_eq!(big.minus_one().to_string(), "99999999999999999999999999999");
        assert_eq!(Whole::from(1).minus_one(), Whole::from(0));
        assert!(!big.is_multiple_of(&seven));
        assert!(big.is_multiple_of(&Whole::parse("10000000000000000000000").expect("digits")));
        assert!(!big.minus_one().is_multiple_of(&big));
        assert_eq!(Whole::parse(&"9".repeat(400)).and_then(|w| w.to_f64()), None);
    }

    #[test]
    fn floats_are_read_as_python_reads_them() {
        for (text, value) in
            [(".5", 0.5), ("5e-1", 0.5), ("0.5_0", 0.5), ("5.", 5.0), ("-Infinity", -f64::INFINITY)]
        {
            assert_eq!(float(text), Some(value), "{text:?}");
        }
        assert!(float("+nan").is_some_and(f64::is_nan));
        for text in ["", ".", "1e", "1_.5", "1._5", "1e_5", "0x1p3", "in_f", "1 2", "5 %"] {
            assert_eq!(float(text), None, "{text:?}");
        }
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        assert_eq!(repr("a'b"), "\"a'b\"");
        assert_eq!(repr("a'b\"c"), "'a\\'b\"c'");
        assert_eq!(repr("x\n\u{85}\u{feff}é\\"), "'x\\n\\x85\\ufeffé\\\\'");
    }
}
