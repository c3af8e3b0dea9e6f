//! `offing rerun`: an exploration once more, from what its folder says, compared byte by byte.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

use offing_explore::{Folder, Shard, complete, finish, on_threads, sweep};
use serde_json::{Map, Value};

use crate::args::Rerun;
use crate::failure::Failure;
use crate::output::{note, print};
use crate::progress::Progress;
use crate::{args, explore, manifest};

pub fn run(args: &Rerun) -> Result<(), Failure> {
    let old = read(&args.manifest)?;
    let folder =
        args.manifest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = |message: String, hint: &str| Failure::Refused { message, hint: Some(hint.into()) };
    if old.get("kind").and_then(Value::as_str) == Some("measured") {
        let message =
            format!("`{}` is of a measurement, which computing cannot repeat", args.manifest.display());
        return Err(refused(message, "name the manifest.json of an exploration"));
    }
    let Some(outputs) = old.get("outputs").and_then(Value::as_object) else {
        let message = format!("`{}` has no list of outputs", args.manifest.display());
        return Err(refused(message, "name the manifest.json of an exploration"));
    };
    let version = old.pointer("/identity/version").and_then(Value::as_str).unwrap_or_default();
    if version != env!("CARGO_PKG_VERSION") {
        note(&format!("note: it was made with version {version}; this is {}", env!("CARGO_PKG_VERSION")));
    }
    let started = manifest::now_unix_s();
    let (scenario, inputs) = explore::from_folder(folder)?;
    let (_, identity) = Folder::existing(folder)?;
    let plan = explore::plan(&scenario, inputs, identity.is_exact)?;
    // Nobody wants the files of a comparison afterwards.
    let scratch = args.out.is_none() && args.check;
    let path = match &args.out {
        Some(path) => path.clone(),
        None if scratch => env::temp_dir().join(format!("offing-rerun-{}-{started}", process::id())),
        None => explore::default_folder(&plan, started),
    };
    let again = Folder::open(&path, &plan)?;
    let tidy = Scratch(scratch.then(|| path.clone()));
    let threads = args.threads.map(usize::from);
    on_threads(threads, || -> Result<(), Failure> {
        let progress = Progress::new(plan.points.len());
        sweep(&plan, &again, Shard::WHOLE, &|done| progress.add(done))?;
        drop(progress);
        let finished = finish(&plan, &again, shortlist(&old))?;
        complete(&plan, &again, &finished.outputs, &manifest::made(started), false)?;
        Ok(())
    })?;
    let done = if args.check {
        compare(outputs, folder, &path)
    } else {
        print(&format!("results      {}\n", path.display()))
    };
    drop(tidy);
    done
}

/// Removes a folder at the end, however that comes.
struct Scratch(Option<PathBuf>);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It is in the folder for temporary files; what is left there goes some day.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn read(path: &Path) -> Result<Value, Failure> {
    let unreadable = |cause| Failure::Unreadable { file: path.display().to_string(), cause };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|cause| unreadable(cause.into()))
}

/// How long the shortlist was: the only thing that decides outputs and is not in the identity of the run.
fn shortlist(manifest: &Value) -> usize {
    let words: Vec<&str> = match manifest.pointer("/made/command").and_then(Value::as_array) {
        Some(words) => words.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let after =
        words.iter().position(|word| *word == "--shortlist").and_then(|at| words.get(at + 1).copied());
    let joined = words.iter().find_map(|word| word.strip_prefix("--shortlist="));
    after.or(joined).and_then(|size| size.parse().ok()).unwrap_or(args::SHORTLIST.into())
}

/// Says of each output whether it is the same, byte by byte and by the hash in the manifest.
fn compare(outputs: &Map<String, Value>, old: &Path, new: &Path) -> Result<(), Failure> {
    let fresh = read(&new.join("manifest.json"))?;
    let mut text = String::new();
    let mut differing = 0;
    for (name, hash) in outputs {
        let same_hash = fresh.pointer("/outputs").and_then(|outputs| outputs.get(name)) == Some(hash);
        let bytes = |folder: &Path| fs::read(folder.join(name)).ok();
        let verdict = match (same_hash, bytes(old)) {
            (true, Some(kept)) if Some(&kept) == bytes(new).as_ref() => "same",
            (true, Some(_)) => "same as its hash, but the file in the folder has been changed",
            (true, None) => "same as its hash, but the file in the folder is gone",
            (false, _) if name.ends_with(".parquet") && !new.join(name).exists() => {
                "not compared: this program does not write Parquet"
            }
            (false, _) => "DIFFERENT",
        };
        differing += u32::from(verdict != "same" && !verdict.starts_with("not compared"));
        text += &format!("{name:<20} {verdict}\n");
    }
    print(&text)?;
    if differing == 0 { Ok(()) } else { Err(Failure::Told(ExitCode::from(1))) }
}
