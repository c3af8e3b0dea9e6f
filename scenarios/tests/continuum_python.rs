//! The reader against Python itself: `configparser`, `int()`, `float()` and `repr()` over generated texts.
//!
//! Needs `python3` (3.8 to 3.12); where it is absent these tests say so and pass.
#![expect(clippy::print_stdout, reason = "a test that cannot run says so")]

use std::io::Write;
use std::process::{Command, Stdio};

use offing_scenarios::continuum::{ini, python};
use serde_json::{Map, Value, json};

/// Reads a list of requests from standard input and answers each.
const ORACLE: &str = r#"
import configparser, io, json, sys

def sections(text):
    parser = configparser.ConfigParser()
    # A text file with universal newlines, as open() makes it.
    lines = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogatepass")), encoding="utf-8", errors="surrogatepass")
    try:
        parser.read_file(lines, "gen'd.cfg")
    except configparser.Error as e:
        return {"error": type(e).__name__ + ": " + str(e)}
    out = {}
    for section in parser.sections():
        out[section] = {}
        for option in parser.options(section):
            try:
                out[section][option] = {"value": parser.get(section, option)}
            except configparser.Error as e:
                out[section][option] = {"error": type(e).__name__ + ": " + str(e)}
    return out

def number(convert, text):
    try:
        return repr(convert(text))
    except ValueError:
        return None

print(json.dumps([
    sections(r["ini"]) if "ini" in r else
    {"int": number(int, r["text"]), "float": number(float, r["text"]), "repr": repr(r["text"]),
     "strip": r["text"].strip(), "lower": r["text"].lower()}
    for r in json.load(sys.stdin)]))
"#;

/// What Python answers, or nothing where there is no Python.
fn ask(requests: &Value) -> Option<Vec<Value>> {
    let python =
        Command::new("python3").args(["-c", ORACLE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        println!("skipped: continuum_python: python3 is not there");
        return None;
    };
    python.stdin.take().expect("piped").write_all(requests.to_string().as_bytes()).expect("python3 reads");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "python3 failed");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn join(&mut self, most: usize, parts: &[&str]) -> String {
        (0..self.below(most + 1)).map(|_| parts[self.below(parts.len())]).collect()
    }
}

fn seed() -> u64 {
    std::env::var("OFFING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn generated_ini(dice: &mut Dice) -> String {
    // Mostly files that Python accepts, now and then a piece that it may not.
    let indent = ["", "", "", "", " ", "  ", "\t", "\u{a0}", "\u{85}", "\x1c"];
    let end = ["\n", "\n", "\n", "\n", "\r\n", "\r", "\u{85}\n", "\u{2028}\n", " \n", "\x0b\n"];
    let keys = ["a", "b", "c", "d", "e", "f", "Key", "kEY ", "x y", "é", "É", "ß", "İ"];
    let values =
        ["1", "%(a)s", "%(B)s", "%%", "x", " # c", " ; c", "=", ":", "[", "]", "é", "\u{1d7d8}", "%(KEY)s"];
    let odd =
        ["%", "%(", "%(zz)s", "%()s", "%(a)", "", "'", "\"", "\\", "\u{feff}", "\u{301}", "\x00", "\x7f"];
    let mut text = String::new();
    if dice.below(20) == 0 {
        text.push_str(["\u{feff}", "a = 1\n", "# c\n", "junk\n"][dice.below(4)]);
    }
    for section in 0..1 + dice.below(3) {
        let name = ["s", "t", "DEFAULT", " s ", "a]b", "[", "s"]
            [if dice.below(4) == 0 { dice.below(7) } else { section.min(1) }];
        let deep = if dice.below(4) == 0 { indent.len() } else { 4 };
        text.push_str(indent[dice.below(deep)]);
        text.push_str(&format!("[{name}]{}", ["", "", " # c", " x"][dice.below(4)]));
        text.push_str(end[dice.below(end.len())]);
        let first = dice.below(keys.len());
        for option in 0..dice.below(6) {
            let deep = if dice.below(3) == 0 { indent.len() } else { 4 };
            text.push_str(indent[dice.below(deep)]);
            match dice.below(30) {
                0 => text.push_str("no delimiter"),
                1 => text.push_str("= no key"),
                2 => text.push_str("# comment = 1"),
                3 => text.push_str("; comment"),
                4 => {}
                5 => text.push_str(&dice.join(4, &odd)),
                _ => {
                    // Neighbouring keys differ, so that most files are accepted.
                    let key = keys[if dice.below(12) == 0 {
                        dice.below(keys.len())
                    } else {
                        (first + option) % keys.len()
                    }];
                    text.push_str(key);
                    text.push_str([" = ", "=", ":", " : ", "\u{a0}=\u{a0}"][dice.below(5)]);
                    text.push_str(&dice.join(4, &values));
                    if dice.below(8) == 0 {
                        text.push_str(&dice.join(2, &odd));
                    }
                }
            }
            if dice.below(25) > 0 {
                text.push_str(end[dice.below(end.len())]);
            }
        }
    }
    text
}

/// The same answer from our reader.
fn ours(text: &str) -> Value {
    let ini = match ini::read(text, "gen'd.cfg") {
        Ok(ini) => ini,
        Err((message, _)) => return json!({ "error": message }),
    };
    let mut sections = Map::new();
    for section in ini.sections() {
        let mut options = Map::new();
        for option in ini.options(section) {
            let value = match ini.value(section, option).expect("it is listed") {
                Ok(value) => json!({ "value": value }),
                Err(bad) => json!({ "error": bad.python() }),
            };
            options.insert(option.to_owned(), value);
        }
        sections.insert(section.to_owned(), Value::Object(options));
    }
    Value::Object(sections)
}

#[test]
fn generated_files_read_as_python_reads_them() {
    let mut dice = Dice(seed());
    let count = std::env::var("OFFING_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(4000);
    let texts: Vec<String> = (0..count).map(|_| generated_ini(&mut dice)).collect();
    let requests = texts.iter().map(|text| json!({ "ini": text })).collect();
    let Some(answers) = ask(&requests) else { return };
    let mut accepted = 0;
    for (text, answer) in texts.iter().zip(&answers) {
        accepted += usize::from(answer.get("error").is_none());
        assert_eq!(&ours(text), answer, "seed {}: {text:?}", seed());
    }
    println!("{accepted} of {} files accepted", texts.len());
    assert!(accepted > texts.len() / 4, "the generator makes too few good files: {accepted}");
}

#[test]
fn generated_numbers_and_texts_read_as_python_reads_them() {
    let mut dice = Dice(seed());
    let digits = ["0", "1", "9", "5", "12", "_", "٣", "𝟘", "８"];
    let other =
        [".", "e", "E", "+", "-", " ", "\n", "\u{a0}", "\x1c", "inf", "nan", "Infinity", "x", "\0", "/", "²"];
    let texts: Vec<String> = (0..20_000)
        .map(|_| {
            let sign = ["", "", "", "+", "-", " "][dice.below(6)];
            let (a, b, c) = (dice.join(4, &digits), dice.join(1, &other), dice.join(3, &digits));
            let d = if dice.below(3) == 0 { dice.join(3, &other) } else { String::new() };
            format!("{sign}{a}{b}{c}{d}")
        })
        .chain((0..0x1c80).chain(0x1d00..0x3000).filter_map(char::from_u32).map(|c| format!("a{c}'")))
        .collect();
    let requests = texts.iter().map(|text| json!({ "text": text })).collect();
    let Some(answers) = ask(&requests) else { return };
    let mut assigned = 0;
    for (text, answer) in texts.iter().zip(&answers) {
        let int = python::Whole::parse(text).map(|whole| whole.to_string());
        assert_eq!(json!(int), answer["int"], "int({text:?})");
        let float = python::float(text);
        let theirs: Option<f64> = answer["float"].as_str().map(|s| s.parse().expect("a float"));
        assert!(
            float == theirs || float.is_some_and(f64::is_nan) && theirs.is_some_and(f64::is_nan),
            "{text:?}"
        );
        assert_eq!(python::strip(text), answer["strip"], "{text:?}");
        assert_eq!(text.to_lowercase(), answer["lower"], "{text:?}");
        // Characters that are new in a later Unicode than Python's are escaped by one side only.
        let escaped_by_python_only =
            answer["repr"].as_str().is_some_and(|r| r.contains("\\u")) && !python::repr(text).contains("\\u");
        assigned += usize::from(!escaped_by_python_only);
        if !escaped_by_python_only {
            assert_eq!(python::repr(text), answer["repr"], "{text:?}");
        }
    }
    assert!(assigned + 100 > texts.len(), "only characters of a newer Unicode may differ");
}
