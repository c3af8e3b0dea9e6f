//! Explorations that are killed at random moments, again and again, leave what an unbroken one leaves, byte by byte.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{command, folder, offing, text};

const SPACE: &str = "data/space.toml";
/// Long enough for units of some milliseconds, and for races.
const LONGER: &str = "requests=20000";

/// Everything in a folder but the manifest, which says when and where it was made: a path and bytes each.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, at: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(at).expect("the folder is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = text(path.strip_prefix(root).expect("within")).to_string();
                files.insert(name, fs::read(&path).expect("readable"));
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files);
    assert!(files.remove("manifest.json").is_some(), "the run in {} is complete", folder.display());
    files
}

/// Splitmix64: the seed of a round says all of its chance.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A moment in a run that takes about that long; every third time near its end, when results are written.
    fn moment(&mut self, length: Duration) -> Duration {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        length.mul_f64(if self.below(3) == 0 { 0.8 + 0.3 * share } else { share })
    }
}

/// Runs a command, killing it at most `kills` times at a random moment, until it ends by itself. Each attempt asks `how`
/// for its arguments. Returns how often it was killed.
fn until_done(chance: &mut Chance, length: Duration, kills: u32, how: &dyn Fn(bool) -> Vec<String>) -> u32 {
    let mut killed = 0;
    // What was killed before it had said what it is cannot be resumed, only begun.
    let mut begin = true;
    loop {
        let arguments = how(begin);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child =
            command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        if killed < kills {
            sleep(chance.moment(length));
            // SIGKILL; nothing happens if it has ended.
            child.kill().expect("it is ours");
        }
        let output = child.wait_with_output().expect("it ends");
        match output.status.signal() {
            Some(9) => killed += 1,
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                if said.contains("there is no run in") && !begin {
                    begin = true;
                    continue;
                }
                assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
                return killed;
            }
        }
        begin = chance.below(2) == 0;
    }
}

#[test]
fn killed_at_random_moments_and_resumed_nothing_changes() {
    // More rounds than in a test run: OFFING_KILL_ROUNDS=500.
    let rounds = std::env::var("OFFING_KILL_ROUNDS").map_or(12, |rounds| rounds.parse().expect("a number"));
    let mut whole = BTreeMap::new();
    let mut length = Duration::ZERO;
    for exact in [true, false] {
        let path = folder(&format!("unbroken-{exact}"));
        let start = Instant::now();
        let mut arguments = vec!["explore", SPACE, "--set", LONGER, "--threads", "1", "--out", text(&path)];
        arguments.extend(exact.then_some("--exact"));
        offing(&arguments).expect_code(0);
        length = length.max(start.elapsed());
        whole.insert(exact, everything(&path));
    }
    let mut kills = 0;
    for round in 0..rounds {
        let mut chance = Chance(round);
        let path = folder(&format!("killed-{round}"));
        let exact = chance.below(2) == 0;
        let shards = [1, 7, 64][(round % 3) as usize];
        let threads = |chance: &mut Chance| (1 + chance.below(2)).to_string();
        // The last first every other time: no shard needs another.
        let mut order: Vec<u64> = (1..=shards).collect();
        if chance.below(2) == 0 {
            order.reverse();
        }
        for shard in order {
            let threads = threads(&mut chance);
            let how = |begin: bool| {
                let mut arguments = vec!["explore"];
                arguments.extend(if begin { &[SPACE, "--set", LONGER, "--out"][..] } else { &["--resume"] });
                arguments.extend([text(&path), "--threads", &threads]);
                arguments.extend((exact && begin).then_some("--exact"));
                let mut arguments: Vec<String> = arguments.into_iter().map(String::from).collect();
                if shards > 1 {
                    arguments.extend(["--shard".into(), format!("{shard}/{shards}")]);
                }
                arguments
            };
            // A process takes a while to start, however little is to be done.
            let length = length / shards as u32 + Duration::from_millis(10);
            let most = if shards == 64 { u32::from(chance.below(8) == 0) } else { 4 };
            kills += until_done(&mut chance, length, most, &how);
        }
        if shards > 1 {
            let threads = threads(&mut chance);
            let how = |_| ["merge", text(&path), "--threads", &threads].map(String::from).into();
            kills += until_done(&mut chance, length / 4, 3, &how);
        }
        let (found, expected) = (everything(&path), &whole[&exact]);
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(expected), "round {round}: {shards} shards");
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "round {round}: {name} differs; {shards} shards");
        }
        fs::remove_dir_all(&path).expect("it is ours");
    }
    assert!(u64::from(kills) > rounds, "{kills} kills in {rounds} rounds");
}

/// Whatever is there when a process dies before `units/plan.json`, the next one begins.
#[test]
fn a_folder_that_was_hardly_begun_is_begun_again() {
    let run = |path: &Path| offing(&["explore", SPACE, "--out", text(path)]);
    let unbroken = folder("hardly-unbroken");
    run(&unbroken).expect_code(0);
    let left = ["scenario.toml.77-18a0-0.tmp", "scenario.toml", "units/plan.json.77-18a0-1.tmp"];
    for count in 0..=left.len() {
        let path = folder("hardly-begun");
        fs::create_dir_all(path.join("units")).expect("writable");
        for name in &left[..count] {
            fs::write(path.join(name), "torn").expect("writable");
        }
        run(&path).expect_code(0);
        assert!(everything(&path) == everything(&unbroken), "with {:?}", &left[..count]);
    }
    // What is not ours stays, and is refused.
    let path = folder("hardly-ours");
    fs::create_dir_all(path.join("units")).expect("writable");
    fs::write(path.join("thesis.tmp"), "years of work").expect("writable");
    let refused = run(&path).expect_code(2);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
}

/// A process that dies after `manifest.json` has done its work, but for what it would have removed.
#[test]
fn what_is_left_after_the_manifest_is_removed_by_the_next() {
    let path = folder("after-manifest");
    let run = |more: &[&str]| offing(&[&["explore", SPACE, "--out", text(&path)], more].concat());
    run(&["--keep-units"]).expect_code(0);
    // Kept units stay, also when they are looked at again.
    run(&[]).expect_code(0);
    assert!(path.join("units/0000001.bin").exists());
    fs::remove_file(path.join("units/keep")).expect("it says that they are kept");
    fs::remove_file(path.join("units/plan.json")).expect("removed first, as it happens");
    fs::write(path.join("summary.csv.77-18a0-1.tmp"), "torn").expect("writable");
    let said = run(&[]).expect_code(0);
    assert!(said.stderr.contains("is complete"), "{}", said.stderr);
    assert!(!path.join("units").exists());
    assert!(everything(&path).keys().all(|name| !name.ends_with(".tmp")));
}
