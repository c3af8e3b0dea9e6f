//! Says from which commit the command was built, where that is known.

use std::process::Command;

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD grows with every commit and checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if let (Some(commit), Some(log)) = (git(&["rev-parse", "HEAD"]), log) {
        println!("cargo::rerun-if-changed={log}");
        println!("cargo::rustc-env=OFFING_COMMIT={commit}");
    }
}
