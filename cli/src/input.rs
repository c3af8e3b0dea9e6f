//! Reads what the user names: a scenario or a Continuum configuration, and the files that a scenario names.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use offing_scenarios::continuum::{self, Resolved};
use offing_scenarios::{Issue, Loaded, Scenario, load};

use crate::args::{Input, Reading};
use crate::failure::Failure;
use crate::models;
use crate::output::note;

/// The readers refuse anything near this size; more is not even read.
const MOST_BYTES: u64 = 65 << 20;

/// Reads a scenario, whichever way it is written.
pub fn scenario(input: &Input) -> Result<Loaded, Failure> {
    Source::read(input)?.load(&[])
}

/// The text of a scenario, read once, from which it can be loaded with other values.
pub struct Source<'i> {
    input: &'i Input,
    text: String,
    /// What it is called in messages.
    name: String,
    /// What was to be said of it already.
    warnings: Vec<Issue>,
    /// The files that it names, where they are not on disk under their names.
    files: Option<Vec<offing_explore::Input>>,
}

impl<'i> Source<'i> {
    pub fn read(input: &'i Input) -> Result<Self, Failure> {
        let Input { file, reading, .. } = input;
        let mut name = name(file);
        let (text, warnings) = if is_continuum(file) {
            let (resolved, warnings) = continuum(file, reading)?;
            // Lines and columns are now those of the text that `offing import` writes.
            name += " as a scenario";
            (as_scenario(&resolved, file, reading).map_err(|failure| failure.after(&warnings))?, warnings)
        } else {
            mind_continuum_only(reading);
            (read(file)?, Vec::new())
        };
        Ok(Source { input, text, name, warnings, files: None })
    }

    /// A scenario that was kept, with the files that it names.
    pub fn of_folder(input: &'i Input, text: String, files: Vec<offing_explore::Input>) -> Self {
        Source { input, text, name: name(&input.file), warnings: Vec::new(), files: Some(files) }
    }

    /// The files that the scenario names.
    pub fn inputs(&self, scenario: &Scenario) -> Result<Vec<offing_explore::Input>, Failure> {
        if let Some(files) = &self.files {
            return Ok(files.clone());
        }
        let read = |name: &String| {
            Ok(offing_explore::Input { name: name.clone(), text: beside(&self.input.file, name)? })
        };
        scenario.files.iter().map(read).collect()
    }

    /// The scenario with the keys that the user replaces, and then these.
    pub fn load(&self, more: &[(String, String)]) -> Result<Loaded, Failure> {
        let folder = self.input.file.parent().unwrap_or(Path::new(""));
        let files = |named: &str| match &self.files {
            None => text(&folder.join(named)).map_err(|cause| cause.to_string()),
            Some(files) => {
                let file = files.iter().find(|file| file.name == named);
                file.map(|file| file.text.clone()).ok_or_else(|| "it is not in the folder".to_string())
            }
        };
        let set = [&self.input.assignments, more].concat();
        let loaded = load(&self.text, &self.name, &files, &models::current().presets(), &set);
        let mut loaded = loaded.map_err(|issues| Failure::Bad(issues).after(&self.warnings))?;
        loaded.warnings.splice(0..0, self.warnings.iter().cloned());
        Ok(loaded)
    }
}

/// The text of a file that a scenario names.
pub fn beside(scenario: &Path, named: &str) -> Result<String, Failure> {
    let path = scenario.parent().unwrap_or(Path::new("")).join(named);
    text_of(&path)
}

/// Whether a file is one of Continuum's.
pub fn is_continuum(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("cfg"))
}

/// Reads a Continuum configuration: its values and the warnings about it.
pub fn continuum(file: &Path, reading: &Reading) -> Result<(Resolved, Vec<Issue>), Failure> {
    let name = name(file);
    let text = read(file)?;
    if reading.strict {
        let resolved = continuum::strict(&text, &name);
        resolved.map(|resolved| (resolved, Vec::new())).map_err(|no| Failure::Bad(vec![no.to_issue(&name)]))
    } else {
        continuum::lenient(&text, &name).map_err(Failure::Bad)
    }
}

/// The scenario that a Continuum configuration describes.
pub fn as_scenario(resolved: &Resolved, file: &Path, reading: &Reading) -> Result<String, Failure> {
    let stem = file.file_stem().map_or("continuum".into(), |stem| stem.to_string_lossy());
    continuum::to_scenario(resolved, reading.semantics(), &models::image_classification(), &stem)
        .map_err(Failure::Bad)
}

fn mind_continuum_only(reading: &Reading) {
    if reading.semantics.is_some() {
        note("note: `--semantics` is about Continuum's .cfg files and changes nothing here");
    }
    if reading.strict {
        note("note: `--strict` is about Continuum's .cfg files and changes nothing here");
    }
}

/// What a file is called in messages.
pub fn name(file: &Path) -> String {
    if is_stdin(file) { "standard input".into() } else { file.display().to_string() }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads a file of the user's, or standard input.
fn read(file: &Path) -> Result<String, Failure> {
    let text = if is_stdin(file) { all(io::stdin().lock()) } else { text(file) };
    text.map_err(|cause| Failure::Unreadable { file: name(file), cause })
}

/// The text of a file that the user names.
pub fn text_of(file: &Path) -> Result<String, Failure> {
    text(file).map_err(|cause| Failure::Unreadable { file: file.display().to_string(), cause })
}

fn text(file: &Path) -> io::Result<String> {
    all(File::open(file)?)
}

fn all(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|bad| {
        let at = bad.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("it is not UTF-8 text (byte {})", at + 1))
    })
}
