//! What people see in a terminal: in wide and narrow ones, with and without colours, and what they are told to do next.
#![cfg(feature = "emu")]

#[path = "support/recorded.rs"]
mod recorded;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{folder, offing, offing_in, text};

const SCENARIO: &str = "data/shortlisted.toml";

/// Every command with a summary, and whether it has a breakdown.
struct All {
    commands: Vec<(Vec<String>, bool)>,
}

impl All {
    /// The commands, on results that they need; `name` keeps tests apart.
    fn new(name: &str) -> All {
        let (explored, records) = (folder(&format!("{name}-explored")), folder(&format!("{name}-records")));
        offing(&["explore", SCENARIO, "--out", text(&explored)]).expect_code(0);
        recorded::shortlist(&explored, SCENARIO, 17, 2, &records);
        let (measured, models) =
            (folder(&format!("{name}-measured")), folder(&format!("{name}-models.toml")));
        let replay = ["--provider", "rehearsal", "--recorded", text(&records), "--repeat", "2"];
        let measure = [&["emulate", "run", text(&explored), "--out", text(&measured)], &replay[..]].concat();
        offing(&measure).expect_code(0);
        offing(&["calibrate", text(&measured), "--out", text(&models)]).expect_code(0);
        let all: [(&[&str], bool); 10] = [
            (&["simulate", SCENARIO], true),
            (&["simulate", "data/overload.toml"], true),
            (&["explore", "--resume", text(&explored)], true),
            (
                &[
                    "invert",
                    SCENARIO,
                    "--for",
                    "app.rate",
                    "--such-that",
                    "latency_p95_ms <= 80",
                    "--runs",
                    "2",
                ],
                true,
            ),
            (
                &[
                    "invert",
                    SCENARIO,
                    "--break-even",
                    "link.endpoint-cloud.latency",
                    "--between",
                    "edge",
                    "cloud",
                    "--runs",
                    "2",
                ],
                true,
            ),
            (&["calibrate", text(&measured), "--out", text(&models)], false),
            (&["validate", text(&measured), "--leave-one-out"], true),
            (&["validate", text(&measured)], true),
            (&["report", text(&explored), text(&measured)], true),
            (
                &[
                    "emulate",
                    "run",
                    "--resume",
                    text(&measured),
                    "--provider",
                    "rehearsal",
                    "--recorded",
                    text(&records),
                ],
                true,
            ),
        ];
        let owned = |(words, has_bars): &(&[&str], bool)| {
            (words.iter().map(ToString::to_string).collect(), *has_bars)
        };
        All { commands: all.iter().map(owned).collect() }
    }
}

/// Words that are longer than any narrow terminal: paths and what is between quotes.
fn is_long(line: &str, width: usize) -> bool {
    line.split(' ').any(|word| word.chars().count() + 14 > width)
}

#[test]
fn every_summary_fits_the_terminal_has_its_bars_and_says_what_to_do_next() {
    let all = All::new("widths");
    for (command, has_bars) in &all.commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        for width in [40, 80, 160] {
            let said = offing_in(&words, &[("COLUMNS", &width.to_string())]);
            assert_eq!(said.code, 0, "{words:?}: {}", said.stderr);
            let said = said.stdout;
            let mut is_command = false;
            for line in said.lines() {
                // A command stays on one line, so that it can be copied.
                is_command |=
                    line.trim_start().starts_with("offing ") || line.trim_start().starts_with("xdg-open ");
                let fits = line.chars().count() <= width;
                assert!(fits || is_long(line, width) || is_command, "{words:?} at {width}: {line}\n{said}");
                assert!(!line.contains('\x1b'), "{words:?}: {line}");
            }
            if *has_bars {
                assert!(said.contains(['█', '▒', '░']), "{words:?} at {width}: {said}");
            }
            assert!(said.contains("\nnext"), "{words:?} at {width}: {said}");
            assert!(is_command, "{words:?} at {width}: {said}");
        }
    }
}

#[test]
fn the_next_commands_can_be_run_to_the_letter() {
    let folder = folder("next");
    fs::create_dir_all(&folder).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let scenarios: Vec<PathBuf> = ["constant.toml", "overload.toml", "shortlisted.toml", "space.toml"]
        .iter()
        .map(|name| tests.join("data").join(name))
        .chain(
            ["video", "pipeline", "bursts", "where"]
                .map(|name| tests.join(format!("../../scenarios/library/{name}.toml"))),
        )
        .collect();
    let binaries = Path::new(env!("CARGO_BIN_EXE_offing")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
    for scenario in scenarios {
        let said = offing(&["simulate", text(&scenario), "--set", "duration=60 s"]).expect_code(0).stdout;
        let (_, steps) = said.split_once("\nnext").unwrap_or_else(|| panic!("{said}"));
        let commands: Vec<&str> =
            steps.lines().map(str::trim).filter(|line| line.starts_with("offing ")).collect();
        assert!(!commands.is_empty(), "{said}");
        for command in commands {
            let done = Command::new("sh")
                .args(["-c", command])
                .current_dir(&folder)
                .env("PATH", &path)
                .output()
                .unwrap();
            // 1: asked and answered, and nothing does it.
            let code = done.status.code().unwrap();
            assert!(code < 2, "{command}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

/// What a command says on a terminal of this width.
fn on_terminal(command: &str, columns: u32, environment: &str) -> Option<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let inside =
        format!("stty rows 40 cols {columns}; {environment} {} {command}", env!("CARGO_BIN_EXE_offing"));
    let output = Command::new("script")
        .args(["-qefc", &inside, "/dev/null"])
        .current_dir(tests)
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(std::process::Stdio::null())
        .output();
    let output = output.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_terminal_gets_colours_in_its_width_unless_they_are_unwanted() {
    let Some(said) = on_terminal("simulate data/overload.toml", 60, "") else {
        return support::skipped("terminal", "no `script`");
    };
    assert!(said.contains("\x1b[1m") && said.contains("\x1b[31m"), "{said}");
    let plain = on_terminal("simulate data/overload.toml", 60, "NO_COLOR=1").unwrap();
    assert!(!plain.contains('\x1b'), "{plain}");
    assert!(plain.contains("overload:"), "{plain}");
    // The words are the same.
    let mut uncoloured = said;
    for code in ["\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[0m"] {
        uncoloured = uncoloured.replace(code, "");
    }
    assert_eq!(uncoloured, plain);
    let widest =
        |said: &str| said.lines().take(20).map(|line| line.trim_end().chars().count()).max().unwrap();
    let wide = on_terminal("simulate data/overload.toml", 160, "NO_COLOR=1").unwrap();
    assert!(widest(&plain) <= 60 && widest(&wide) > 100, "{plain}{wide}");
    let bars = on_terminal("explore data/shortlisted.toml --out /dev/null/none", 60, "").unwrap();
    assert!(bars.contains("error: "), "{bars}");
}

#[test]
fn long_work_has_a_bar_with_its_rate_and_the_time_that_remains_and_a_pipe_has_none() {
    // Nine million requests: seconds.
    let long = "simulate data/random.toml --set 'duration=300000 s'";
    let Some(said) = on_terminal(long, 100, "") else { return support::skipped("terminal", "no `script`") };
    if said.contains("/s, ") {
        assert!(said.contains(" requests, ") && said.contains(" left"), "{said}");
    } else {
        // A machine that does it in less than a second needs no bar.
        assert!(!said.contains(" left"), "{said}");
    }
    let piped = offing(&["simulate", "data/random.toml", "--set", "duration=300000 s"]).expect_code(0);
    assert!(!piped.stderr.contains(" left"), "{}", piped.stderr);
}
