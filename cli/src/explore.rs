//! `offing explore` and `offing merge`: a whole design space.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use offing_explore::ExploreError;
use offing_explore::{
    Counts, Folder, Found, Input, Plan, Shard, complete, count, finish, missing, on_threads, sweep,
};
use offing_scenarios::{Scenario, load};

use crate::args::{self, Choosing, Explore, Merge};
use crate::failure::Failure;
use crate::input::Source;
use crate::output::{Screen, issues, note, print, print_json, say_on_interrupt};
use crate::page::{self, Page};
use crate::progress::Progress;
use crate::{found, kept, manifest, models};

pub fn run(args: &Explore) -> Result<(), Failure> {
    let started = manifest::now_unix_s();
    match &args.resume {
        Some(folder) => kept::choose_models(args.models.file.as_deref(), folder)?,
        None => models::choose(args.models.file.as_deref())?,
    }
    let (scenario, inputs) = scenario(args)?;
    let exact = match &args.resume {
        Some(path) => Folder::existing(path)?.1.is_exact,
        None => args.exact,
    };
    let plan = plan(&scenario, inputs, exact)?;
    if args.count {
        let counts = on_threads(threads(&args.choosing), || count(&plan));
        return if args.choosing.json { print_json(&counts) } else { print(&counted(&counts)) };
    }
    let path = match (&args.out, &args.resume) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => Folder::existing(path)?.0.path().to_owned(),
        (None, None) if args.shard.is_some() => {
            return Err(Failure::Refused {
                message: "a shard needs the folder that it has in common with the others".into(),
                hint: Some("name it with `--out DIR`".into()),
            });
        }
        (None, None) => default_folder(&plan, started),
    };
    let folder = Folder::open(&path, &plan)?;
    keep_models(args.models.file.as_deref(), &folder)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    say_on_interrupt(Some(farewell(&path, args.shard)));
    let swept = on_threads(threads(&args.choosing), || {
        let progress = Progress::new(plan.points.len(), "deployments");
        sweep(&plan, &folder, shard, &|done| progress.add(done))
    })?;
    if swept.found > 0 {
        note(&format!("note: {} were there already", page::count(swept.found, "unit")));
    }
    if !shard.is_whole() && !folder.is_complete() {
        let units = page::count(swept.computed, "unit");
        note(&format!("{units} computed; when all shards are there: offing merge {}", path.display()));
        return Ok(());
    }
    conclude(&plan, &folder, &args.choosing, started)
}

pub fn merge(args: &Merge) -> Result<(), Failure> {
    let started = manifest::now_unix_s();
    kept::choose_models(args.models.file.as_deref(), &args.folder)?;
    let (scenario, inputs) = from_folder(&args.folder)?;
    let plan = plan(&scenario, inputs, Folder::existing(&args.folder)?.1.is_exact)?;
    collect(&plan, &Folder::open(&args.folder, &plan)?, &args.choosing, started)
}

/// Writes the results if all units are there.
pub fn collect(plan: &Plan<'_>, folder: &Folder, choosing: &Choosing, started: u64) -> Result<(), Failure> {
    if !folder.is_complete() {
        let missing = on_threads(threads(choosing), || missing(plan, folder))?;
        if !missing.is_empty() {
            let (units, shards) = (plan.units(), folder.shards());
            let folder = folder.path().to_owned();
            return Err(ExploreError::Incomplete { folder, missing, units, shards }.into());
        }
    }
    conclude(plan, folder, choosing, started)
}

/// What is asked: the scenario and the files that it names.
pub fn scenario(args: &Explore) -> Result<(Scenario, Vec<Input>), Failure> {
    let (mut scenario, inputs) = match (&args.file, &args.resume) {
        (None, Some(folder)) => from_folder(folder)?,
        (file, _) => {
            let file = file.as_deref().expect("one of the two is there");
            read(file, &args.assignments, &args.reading)?
        }
    };
    if let Some(seed) = args.seed {
        scenario.seed = seed;
    }
    Ok((scenario, inputs))
}

/// Writes the results of units that are all there, and tells them.
pub fn conclude(plan: &Plan<'_>, folder: &Folder, choosing: &Choosing, started: u64) -> Result<(), Failure> {
    let found = results(plan, folder, choosing, started)?;
    say_on_interrupt(None);
    for kept in &found.shortlist {
        for said in models::current().outside(&kept.deployment) {
            note(&format!("warning: number {} of the shortlist: {said}", kept.number));
        }
    }
    if choosing.json {
        print_json(&found)?;
    } else {
        print(&found::text(&found, &plan.metrics, folder.path(), Screen::of_stdout()))?;
    }
    if found.numbers.feasible == 0 { Err(Failure::Told(ExitCode::from(1))) } else { Ok(()) }
}

/// Puts the parameters that the user has named into the folder, so that others go on with the same.
pub fn keep_models(file: Option<&Path>, folder: &Folder) -> Result<(), Failure> {
    match kept::text_of_models(file)? {
        Some(text) => Ok(folder.write(kept::MODELS, text.as_bytes())?),
        None => Ok(()),
    }
}

/// The results of units that are all there: written now, or read if they were written before.
pub fn results(
    plan: &Plan<'_>,
    folder: &Folder,
    choosing: &Choosing,
    started: u64,
) -> Result<Found, Failure> {
    if folder.is_complete() {
        note(&format!("note: the run in `{}` is complete", folder.path().display()));
        folder.tidy()?;
        return serde_json::from_str(&folder.read_text("shortlist.json")?).map_err(|cause| {
            Failure::Unreadable {
                file: folder.path().join("shortlist.json").display().to_string(),
                cause: cause.into(),
            }
        });
    }
    let started = folder.created_unix_s().unwrap_or(started);
    on_threads(threads(choosing), || {
        let progress = Progress::new(plan.points.len(), "rows of results");
        let finished = finish(plan, folder, choosing.shortlist.into(), &|rows| progress.add(rows))?;
        complete(plan, folder, &finished.outputs, &manifest::made(started), choosing.keep_units)?;
        Ok(finished.found)
    })
}

pub fn plan(scenario: &Scenario, inputs: Vec<Input>, is_exact: bool) -> Result<Plan<'_>, Failure> {
    Ok(Plan::new(scenario, models::current(), inputs, env!("CARGO_PKG_VERSION"), is_exact)?)
}

pub fn threads(choosing: &Choosing) -> Option<usize> {
    choosing.threads.map(usize::from)
}

/// The scenario in a file, with keys replaced, and the files that it names.
pub fn read(
    file: &Path,
    assignments: &[(String, String)],
    reading: &args::Reading,
) -> Result<(Scenario, Vec<Input>), Failure> {
    let input = args::Input {
        file: file.to_owned(),
        assignments: assignments.to_vec(),
        reading: args::Reading { strict: reading.strict, semantics: reading.semantics },
    };
    let source = Source::read(&input)?;
    let loaded = source.load(&[])?;
    issues(&loaded.warnings);
    let inputs = source.inputs(&loaded.scenario)?;
    Ok((loaded.scenario, inputs))
}

/// The scenario of the run in a folder.
pub fn from_folder(path: &Path) -> Result<(Scenario, Vec<Input>), Failure> {
    let (folder, _) = Folder::existing(path)?;
    let (text, inputs) = folder.scenario()?;
    let name = folder.path().join("scenario.toml").display().to_string();
    let files = |name: &str| {
        let input = inputs.iter().find(|input| input.name == name);
        input.map(|input| input.text.clone()).ok_or_else(|| "it is not in the folder".to_string())
    };
    let loaded = load(&text, &name, &files, &models::current().presets(), &[]).map_err(Failure::Bad)?;
    Ok((loaded.scenario, inputs))
}

pub fn default_folder(plan: &Plan<'_>, started: u64) -> PathBuf {
    let hash = &plan.short_fingerprint()[..8];
    ["results", &plan.scenario.name, &format!("{}-{hash}", manifest::stamp(started))].iter().collect()
}

fn farewell(path: &Path, shard: Option<Shard>) -> String {
    let shard = shard.map_or(String::new(), |shard| format!(" --shard {shard}"));
    format!("interrupted; go on with: offing explore --resume {}{shard}", path.display())
}

/// How many deployments there are, for people.
fn counted(counts: &Counts) -> String {
    let mut page = Page::new(Screen::of_stdout());
    page.fact("numbers", &counts.numbers.to_string());
    if u128::from(counts.looked_at) != counts.numbers {
        page.fact("sample", &page::count(counts.looked_at, "point"));
        page.fact("repeated", &counts.repeated.to_string());
    }
    for (reason, count) in &counts.excluded {
        page.fact("excluded", &format!("{count} {reason}"));
    }
    let at_most = if counts.is_exact { "" } else { "at most " };
    page.fact("deployments", &format!("{at_most}{}", counts.deployments));
    page.into_text()
}
