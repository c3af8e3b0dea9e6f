//! The folder of one prediction: what was asked, complete, and what came of it, so that anybody can compute it again.
//!
//! ```text
//! scenario.toml           what was asked, canonical
//! inputs/0, inputs/1, ..  the files that it names, as listed in manifest.json
//! models.toml             the parameters, where they are not the shipped ones
//! ...                     what came of it, as manifest.json lists it with hashes
//! manifest.json           how it was made; written last
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use offing_explore::Input;
use offing_models::ModelSet;
use offing_scenarios::{Scenario, canonical};
use offing_validation::sha256;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::input::text_of;
use crate::{manifest, models};

/// Of every result folder.
pub const MANIFEST: &str = "manifest.json";
/// The parameters that a folder was predicted with, where they are not the shipped ones.
pub const MODELS: &str = "models.toml";
const SCENARIO: &str = "scenario.toml";

/// What decides the results.
pub struct Asked<'a> {
    /// `simulate` or `invert`.
    pub kind: &'static str,
    pub scenario: &'a Scenario,
    /// The files that it names.
    pub inputs: &'a [Input],
    /// The text of the parameters, where they are not the shipped ones.
    pub models: Option<&'a str>,
    pub seed: u64,
    /// The options that matter.
    pub how: Value,
}

/// A folder under way.
pub struct Kept {
    path: PathBuf,
    started_unix_s: u64,
}

impl Kept {
    /// Makes a folder, or takes an empty one.
    pub fn open(path: &Path) -> Result<Kept, Failure> {
        fresh(path, "name a new folder with `--out DIR`")?;
        fs::create_dir_all(path).map_err(|cause| unwritable(path, cause))?;
        Ok(Kept { path: path.to_owned(), started_unix_s: manifest::now_unix_s() })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        let folder = path.parent().expect("it is in the folder");
        let done = fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes));
        done.map_err(|cause| unwritable(&path, cause))
    }

    /// Writes what is not a prediction, and how it was made.
    pub fn finish_other(self, kind: &str, outputs: &[(&str, Vec<u8>)]) -> Result<(), Failure> {
        let mut hashes = Map::new();
        for (name, bytes) in outputs {
            self.write(name, bytes)?;
            hashes.insert((*name).into(), sha256(bytes).into());
        }
        let told = json!({ "kind": kind, "made": manifest::made(self.started_unix_s), "outputs": hashes });
        self.write(MANIFEST, pretty(&told).as_bytes())
    }

    /// Writes what was predicted, and all that is needed to do so again.
    pub fn finish(self, asked: &Asked<'_>, outputs: &[(&str, Vec<u8>)]) -> Result<(), Failure> {
        let scenario = canonical(asked.scenario);
        let mut hashes = Map::new();
        for (number, input) in asked.inputs.iter().enumerate() {
            self.write(&format!("inputs/{number}"), input.text.as_bytes())?;
        }
        if let Some(models) = asked.models {
            self.write(MODELS, models.as_bytes())?;
        }
        for (name, bytes) in [(SCENARIO, scenario.clone().into_bytes())].iter().chain(outputs) {
            self.write(name, bytes)?;
            hashes.insert((*name).into(), sha256(bytes).into());
        }
        let inputs: Vec<Value> =
            asked.inputs.iter().map(|input| json!([input.name, sha256(input.text.as_bytes())])).collect();
        let told = json!({
            "kind": asked.kind,
            "identity": {
                "version": env!("CARGO_PKG_VERSION"),
                "name": asked.scenario.name,
                "scenario": sha256(scenario.as_bytes()),
                "inputs": inputs,
                "models": models::current().label(),
                "models_hash": models::current().hash(),
                "seed": asked.seed,
                "how": asked.how,
            },
            "made": manifest::made(self.started_unix_s),
            "outputs": hashes,
        });
        self.write(MANIFEST, pretty(&told).as_bytes())
    }
}

/// Refuses a folder that something is in already.
pub fn fresh(path: &Path, hint: &str) -> Result<(), Failure> {
    match fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        false => Ok(()),
        true => Err(Failure::Refused {
            message: format!("`{}` is not empty", path.display()),
            hint: Some(hint.into()),
        }),
    }
}

/// As files have it: for people too.
pub fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data") + "\n"
}

fn unwritable(path: &Path, cause: std::io::Error) -> Failure {
    Failure::Unwritable { file: format!("`{}`", path.display()), cause }
}

/// The text of the scenario in a folder, and of the files that it names.
pub fn scenario(folder: &Path, manifest: &Value) -> Result<(String, Vec<Input>), Failure> {
    let named = manifest.pointer("/identity/inputs").and_then(Value::as_array);
    let names = named.into_iter().flatten().filter_map(|input| input.get(0)?.as_str());
    let inputs = names.enumerate().map(|(number, name)| {
        Ok(Input { name: name.into(), text: text_of(&folder.join(format!("inputs/{number}")))? })
    });
    Ok((text_of(&folder.join(SCENARIO))?, inputs.collect::<Result<_, Failure>>()?))
}

/// The text of the parameters that a user names; nothing where the shipped ones predict.
pub fn text_of_models(file: Option<&Path>) -> Result<Option<String>, Failure> {
    file.map(models::text).transpose()
}

/// From now on those of a folder predict, unless others are named: a run goes on with what it was begun with.
pub fn choose_models(named: Option<&Path>, folder: &Path) -> Result<(), Failure> {
    let own = folder.join(MODELS);
    models::choose(named.or(own.is_file().then_some(own.as_path())))
}

/// Whether the parameters in force are those of a manifest.
pub fn same_models(manifest: &Value, models: &ModelSet) -> bool {
    manifest.pointer("/identity/models_hash").and_then(Value::as_str) == Some(models.hash())
}
