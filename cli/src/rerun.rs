//! `offing rerun`: a prediction once more, from what its folder says, compared byte by byte.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

use offing_explore::{Folder, Shard, complete, finish, on_threads, sweep};
use offing_scenarios::{canonical, load};
use serde_json::{Map, Value};

use crate::args::Rerun;
use crate::failure::Failure;
use crate::kept::{self, Asked, Kept};
use crate::output::{note, print};
use crate::progress::Progress;
use crate::{args, explore, invert, manifest, models, simulate};

pub fn run(args: &Rerun) -> Result<(), Failure> {
    let path =
        if args.manifest.is_dir() { args.manifest.join(kept::MANIFEST) } else { args.manifest.clone() };
    let old = read(&path)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let kind = old.get("kind").and_then(Value::as_str);
    let Some(outputs) = is_prediction(&old, kind) else { return Err(refused(&path, kind)) };
    let version = old.pointer("/identity/version").and_then(Value::as_str).unwrap_or_default();
    if version != env!("CARGO_PKG_VERSION") {
        note(&format!("note: it was made with version {version}; this is {}", env!("CARGO_PKG_VERSION")));
    }
    kept::choose_models(None, folder)?;
    if !kept::same_models(&old, models::current()) {
        let label = old.pointer("/identity/models").and_then(Value::as_str).unwrap_or("others");
        return Err(Failure::Refused {
            message: format!(
                "it was predicted with the models {label}, and `{}` has {}",
                folder.display(),
                models::current().label()
            ),
            hint: Some(format!("put the models.toml that it was made with into `{}`", folder.display())),
        });
    }
    let scratch = args.out.is_none() && args.check;
    let started = manifest::now_unix_s();
    let out = match &args.out {
        Some(path) => Some(path.clone()),
        // Nobody wants the files of a comparison afterwards.
        None if scratch => Some(env::temp_dir().join(format!("offing-rerun-{}-{started}", process::id()))),
        None => None,
    };
    let tidy = Scratch(out.clone().filter(|_| scratch));
    let path = on_threads(args.threads.map(usize::from), || match kind {
        Some(simulate::KIND | invert::KIND) => predict(&old, folder, out, started),
        _ => explore(&old, folder, out, started),
    })?;
    let done = if args.check {
        compare(outputs, folder, &path)
    } else {
        print(&format!("results      {}\n", path.display()))
    };
    drop(tidy);
    done
}

/// What a prediction has written, with hashes; nothing where the manifest is of something else.
fn is_prediction<'m>(manifest: &'m Value, kind: Option<&str>) -> Option<&'m Map<String, Value>> {
    let is_one = matches!(kind, None | Some(simulate::KIND | invert::KIND));
    manifest.get("identity").filter(|_| is_one)?;
    manifest.get("outputs")?.as_object()
}

fn refused(path: &Path, kind: Option<&str>) -> Failure {
    let path = path.display();
    let message = match kind {
        Some("measured") => {
            format!("`{path}` is of a measurement: what happened on real machines cannot be computed again")
        }
        Some(kind) => format!("`{path}` is of kind `{kind}`, which is not a prediction"),
        None => format!("`{path}` does not say of which prediction it is"),
    };
    let hint = match kind {
        Some("measured") => {
            "measure again with `offing emulate run`; a rerun is for `simulate --out`, `explore` and `invert --out`"
        }
        _ => "name the manifest.json of `offing explore`, `offing simulate --out` or `offing invert --out`",
    };
    Failure::Refused { message, hint: Some(hint.into()) }
}

/// An exploration again; returns where it is.
fn explore(old: &Value, folder: &Path, out: Option<PathBuf>, started: u64) -> Result<PathBuf, Failure> {
    let (scenario, inputs) = explore::from_folder(folder)?;
    let (_, identity) = Folder::existing(folder)?;
    let plan = explore::plan(&scenario, inputs, identity.is_exact)?;
    let path = out.unwrap_or_else(|| explore::default_folder(&plan, started));
    let again = Folder::open(&path, &plan)?;
    let progress = Progress::new(plan.points.len(), "deployments");
    sweep(&plan, &again, Shard::WHOLE, &|done| progress.add(done))?;
    drop(progress);
    let progress = Progress::new(plan.points.len(), "rows of results");
    let finished = finish(&plan, &again, shortlist(old), &|rows| progress.add(rows))?;
    complete(&plan, &again, &finished.outputs, &manifest::made(started), false)?;
    Ok(path)
}

/// A single prediction again; returns where it is.
fn predict(old: &Value, folder: &Path, out: Option<PathBuf>, started: u64) -> Result<PathBuf, Failure> {
    let (text, inputs) = kept::scenario(folder, old)?;
    let name = folder.join("scenario.toml").display().to_string();
    let files = |name: &str| {
        let input = inputs.iter().find(|input| input.name == name);
        input.map(|input| input.text.clone()).ok_or_else(|| "it is not in the folder".to_string())
    };
    let scenario =
        load(&text, &name, &files, &models::current().presets(), &[]).map_err(Failure::Bad)?.scenario;
    let own = folder.join(kept::MODELS);
    let models = kept::text_of_models(own.is_file().then_some(own.as_path()))?;
    let kind = if old["kind"] == simulate::KIND { simulate::KIND } else { invert::KIND };
    let asked = Asked {
        kind,
        scenario: &scenario,
        inputs: &inputs,
        models: models.as_deref(),
        seed: old.pointer("/identity/seed").and_then(Value::as_u64).unwrap_or(scenario.seed),
        how: old.pointer("/identity/how").cloned().unwrap_or_default(),
    };
    let path = out.unwrap_or_else(|| {
        let hash = offing_validation::sha256(canonical(&scenario).as_bytes());
        ["results", &scenario.name, &format!("{}-{}", manifest::stamp(started), &hash[..8])].iter().collect()
    });
    let kept = Kept::open(&path)?;
    match kind {
        simulate::KIND => simulate::again(&asked, kept)?,
        _ => invert::again(&asked, folder, kept)?,
    }
    Ok(path)
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
