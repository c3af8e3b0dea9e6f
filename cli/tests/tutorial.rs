//! The commands of docs/tutorial.md do what it says, in its order.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_tutorial_can_be_followed_to_the_letter() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tutorial.md")).unwrap();
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 6, "the tutorial has {} blocks of commands", blocks.len());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-tutorial", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_offing")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), env::var("PATH").unwrap_or_default());
    let mut said = String::new();
    for block in blocks {
        let script = format!("set -eu\n{block}");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&folder)
            .env("PATH", &path)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{errors}");
        said += &String::from_utf8_lossy(&output.stdout);
    }
    for words in ["cameras: 250 numbers", "shortlist", "answer", "summary.csv          same"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(folder.join("results/cameras/report.html").is_file());
    assert!(folder.join("results/cameras/figures/parts.svg").is_file());
}
