//! Whatever is written, reading ends with a scenario or with issues: no panic, no endless work.
//!
//! What loads must also survive what callers do next: enumerate, write, load again.

mod common;

use std::fs;
use std::sync::LazyLock;

use common::{library, presets};
use offing_scenarios::{canonical, load};
use proptest::prelude::*;

static LIBRARY: LazyLock<Vec<String>> = LazyLock::new(|| {
    library().iter().map(|path| fs::read_to_string(path).expect("the library is readable")).collect()
});

/// Pieces of scenarios and of nonsense.
const PIECES: &[&str] = &[
    "[app]",
    "[[app.stage]]",
    "[tier.endpoint]",
    "[tier.cloud]",
    "[tier.mist]",
    "[[link]]",
    "[deploy]",
    "[space]",
    "[goal]",
    "[[space.zip]]",
    "\n",
    "\n",
    "\n",
    " = ",
    " = ",
    ".",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "\\",
    "#",
    "rate",
    "frame",
    "process",
    "nodes",
    "cores",
    "quota",
    "between",
    "latency",
    "up",
    "down",
    "target",
    "workers",
    "queue",
    "where",
    "sample",
    "zip",
    "require",
    "minimise",
    "requests",
    "duration",
    "warm_up",
    "cut",
    "preset",
    "trace",
    "empirical",
    "quantiles",
    "log",
    "from",
    "to",
    "step",
    "mean",
    "cv",
    "\"5 /s\"",
    "\"68 kB\"",
    "\"125 ms\"",
    "\"cloud\"",
    "\"endpoint\"",
    "\"mist\"",
    "\"4g\"",
    "\"unlimited\"",
    "\"file\"",
    "0",
    "1",
    "4",
    "-1",
    "1e308",
    "nan",
    "inf",
    "99999999999999999999",
    "0x",
    "true",
    "2026-11-01",
    "\"load < 1\"",
    "\"tier.cloud.nodes <= 8\"",
    "\"1e400 ms\"",
    "\"-5 ms\"",
    "é",
    "\u{0}",
    "\u{feff}",
];

/// Reads, and where that succeeds goes on as a caller would.
fn read(text: &str, set: &[(String, String)]) {
    let files = |name: &str| match name {
        "file" => Ok("time_s\n0\n1\n".to_string()),
        "empty" => Ok(String::new()),
        _ => Err("no such file".to_string()),
    };
    let Ok(loaded) = load(text, "fuzz.toml", &files, &presets(), set) else { return };
    let scenario = loaded.scenario;
    let space = &scenario.space;
    for i in [0, 1, space.len() / 2, space.len() - 1] {
        if i < space.len() {
            let _ = space.get(i);
        }
    }
    let _ = offing_scenarios::infeasible(&scenario.base);
    let text = canonical(&scenario);
    match load(&text, "fuzz.toml", &files, &presets(), &[]) {
        Ok(again) => assert_eq!(again.scenario.base, scenario.base, "{text}"),
        Err(issues) => panic!("{}\nof\n{text}", issues[0]),
    }
}

/// A second's worth of cases, or what `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default =
        ProptestConfig { max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        default
    } else {
        ProptestConfig { cases: 1500, ..default }
    }
}

fn cut(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at % (text.len() + 1))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..60)) {
        read(&pieces.concat(), &[]);
    }

    #[test]
    fn a_library_file_with_a_piece_in_place_of_something(
        which in any::<proptest::sample::Index>(),
        edits in proptest::collection::vec((any::<usize>(), 0_usize..12, proptest::sample::select(PIECES)), 1..4),
    ) {
        let mut text = LIBRARY[which.index(LIBRARY.len())].clone();
        for (at, length, piece) in edits {
            let start = cut(&text, at);
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, piece);
        }
        read(&text, &[]);
    }

    #[test]
    fn a_library_file_with_another_value_for_a_key(
        which in any::<proptest::sample::Index>(),
        line in any::<proptest::sample::Index>(),
        value in proptest::sample::select(PIECES),
    ) {
        let text = &LIBRARY[which.index(LIBRARY.len())];
        let lines: Vec<&str> = text.lines().collect();
        let changed = line.index(lines.len());
        let lines: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| match line.split_once(" = ") {
                Some((key, _)) if at == changed => format!("{key} = {value}"),
                _ => line.to_string(),
            })
            .collect();
        read(&lines.join("\n"), &[]);
    }

    #[test]
    fn any_replacement(key in "([a-z]{1,8}|[0-9]|\"|\\.){0,8}|(app|tier|link|deploy|space|goal)(\\.[a-z0-9-]{1,9}){0,3}", value in ".{0,20}|\\[[0-9, ]{0,9}\\]") {
        read(&LIBRARY[0], &[(key, value)]);
    }

    #[test]
    fn any_condition(pieces in proptest::collection::vec(proptest::sample::select(&[
        "tier", ".", "cloud", "nodes", "[", "]", "(", ")", "\\\"a\\\"", "'b'", "&&", "||", "!", "-", "+", "*", "/", "%", "<=", "==",
        "in", "?", ":", "1", "2.5", "true", "null", ",", " ", "deploy.target", "tier.cloud.nodes", "min", "has", "all(x, x)", "é",
        "0x", "1e999", "9223372036854775808", "{", "}", "r", "b",
    ][..]), 0..14)) {
        read(&format!("{}\n[space]\nwhere = \"{}\"\n", LIBRARY_WITHOUT_SPACE, pieces.concat()), &[]);
    }
}

const LIBRARY_WITHOUT_SPACE: &str = "[app]\nrate = '5 /s'\nframe = '1 kB'\nprocess = '1 ms'\n[tier.endpoint]\n[tier.cloud]\n\
                                     [[link]]\nbetween = ['endpoint', 'cloud']\n[deploy]\ntarget = 'cloud'";
