//! The parameters of all models: those that are shipped, or those of the file that `--models` names. And the numbers of
//! Continuum's application, which no `.cfg` has.

use std::path::Path;
use std::sync::OnceLock;
use std::{fs, thread};

use offing_models::{Application, ModelSet};
use offing_scenarios::continuum::AppNumbers;

use crate::failure::Failure;
use crate::input;
use crate::output::note;

static CHOSEN: OnceLock<ModelSet> = OnceLock::new();

/// The parameters that this command uses.
pub fn current() -> &'static ModelSet {
    CHOSEN.get_or_init(ModelSet::default)
}

/// From now on those of this file, if there is one. To be called before anything else asks for them.
pub fn choose(file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let models = read(file)?;
    if let Some(fitted) = models.fitted() {
        let here = host_class();
        if fitted.host_class != here {
            note(&format!(
                "note: the models were fitted on hosts of the class `{}`; this host is `{here}`. What is predicted \
                 holds there",
                fitted.host_class
            ));
        }
    }
    assert!(CHOSEN.set(models).is_ok(), "models are chosen before they are used");
    Ok(())
}

/// The text of a `models.toml`. The name of a set that is built in stands for that where no such file exists.
pub fn text(file: &Path) -> Result<String, Failure> {
    match offing_models::FITTED.iter().find(|(name, _)| Path::new(name) == file && !file.exists()) {
        Some((_, text)) => Ok((*text).into()),
        None => input::text_of(file),
    }
}

/// The parameters in a `models.toml`, or of a set that is built in.
pub fn read(file: &Path) -> Result<ModelSet, Failure> {
    let name = file.display();
    ModelSet::read(&text(file)?).map_err(|problem| Failure::Refused {
        message: format!("`{name}` is not a file of models: {problem}"),
        hint: Some("`offing calibrate RUN.. --out models.toml` writes one".into()),
    })
}

/// Processor and number of cores of this host: hosts that are equal in these are taken to be equally fast.
pub fn host_class() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}

/// The application that every `.cfg` with requests runs.
pub fn image_classification() -> AppNumbers {
    let Application { process_s, prepare_s, message_bytes, frame, process, prepare, result, memory } =
        current().application("image_classification").expect("it is among the shipped parameters");
    AppNumbers { process_s, prepare_s, message_bytes, frame, process, prepare, result, memory }
}
