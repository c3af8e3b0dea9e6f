//! A result folder as a Research Object Crate (RO-Crate 1.1, <https://w3id.org/ro/crate/1.1>): the metadata that
//! archives ask for. What the folder does not say, such as authors, is for people to add.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::folder::{ReadError, json, text};

/// Name of the file that makes a folder a crate.
pub const FILE: &str = "ro-crate-metadata.json";

/// The metadata of a folder; `licence` is the address of the terms under which the results may be used.
///
/// # Errors
/// If a file cannot be read, or the folder has no manifest.
pub fn ro_crate(folder: &Path, licence: Option<&str>) -> Result<Value, ReadError> {
    let at = folder.join("manifest.json");
    let manifest: Value = json(&at)?
        .ok_or_else(|| ReadError::Strange { path: folder.into(), what: "it has no manifest.json".into() })?;
    let of = |name: &str| manifest.get("made").and_then(|made| made.get(name)).or_else(|| manifest.get(name));
    let word = |name: &str| of(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_measured = manifest.get("kind").and_then(Value::as_str) == Some("measured");
    let scenario = text(&folder.join("scenario.toml"))?;
    let name = scenario.as_deref().and_then(|text| text.parse::<toml::Table>().ok());
    let name = name.and_then(|table| Some(table.get("name")?.as_str()?.to_owned()));
    let name = name.unwrap_or_else(|| "results".into());
    let what =
        if is_measured { "Measured runs of deployments" } else { "Predicted performance of deployments" };

    let mut files = Vec::new();
    list(folder, &mut files)?;
    let mut graph = vec![
        json!({
            "@id": FILE, "@type": "CreativeWork", "conformsTo": { "@id": "https://w3id.org/ro/crate/1.1" },
            "about": { "@id": "./" },
        }),
        json!({
            "@id": "./", "@type": "Dataset", "name": format!("{name}: {}", what.to_lowercase()),
            "description": format!("{what} of an application across endpoints, edge and cloud, made with Offing from scenario.toml."),
            "datePublished": word("end"),
            "hasPart": files.iter().map(|file| json!({ "@id": id(file) })).collect::<Vec<_>>(),
            "mentions": { "@id": "#run" },
        }),
        json!({
            "@id": "#offing", "@type": "SoftwareApplication", "name": "Offing",
            "version": word("version"), "softwareVersion": word("commit"),
        }),
        json!({
            "@id": "#run", "@type": "CreateAction", "name": if is_measured { "measurement" } else { "exploration" },
            "description": command(of("command")), "instrument": { "@id": "#offing" },
            "object": { "@id": "scenario.toml" },
            "result": files.iter().filter(|file| *file != Path::new("scenario.toml")).map(|file| json!({ "@id": id(file) })).collect::<Vec<_>>(),
            "startTime": word("start"), "endTime": word("end"),
        }),
    ];
    if let Some(licence) = licence {
        graph[1]["license"] = json!({ "@id": licence });
        graph.push(json!({ "@id": licence, "@type": "CreativeWork", "name": licence }));
    }
    for file in &files {
        let (hash, bytes) = hash(&folder.join(file))?;
        graph.push(json!({
            "@id": id(file), "@type": "File", "name": file.display().to_string(),
            "encodingFormat": format_of(file), "contentSize": bytes.to_string(), "sha256": hash,
        }));
    }
    Ok(json!({
        "@context": ["https://w3id.org/ro/crate/1.1/context", { "sha256": "https://schema.org/sha256" }],
        "@graph": graph,
    }))
}

/// All files below a folder but the metadata itself and what is only there while a run goes on, in order.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(below) = waiting.pop() {
        let path = folder.join(&below);
        let failed = |cause: io::Error| ReadError::Disk { path: path.clone(), cause };
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = below.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                if name != Path::new("units") {
                    waiting.push(name);
                }
            } else if name != Path::new(FILE) {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(())
}

/// A path as a relative address.
fn id(path: &Path) -> String {
    let mut id = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                id.push(char::from(byte))
            }
            other => id.push_str(&format!("%{other:02X}")),
        }
    }
    id
}

fn format_of(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("toml") => "application/toml",
        Some("html") => "text/html",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("parquet") => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

fn command(words: Option<&Value>) -> String {
    match words {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Some(Value::String(words)) => words.clone(),
        _ => String::new(),
    }
}

/// SHA-256 in hexadecimal digits, and the size in bytes.
fn hash(path: &Path) -> Result<(String, u64), ReadError> {
    let read = || -> io::Result<(String, u64)> {
        let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), bytes)),
                n => {
                    hash.update(&buffer[..n]);
                    bytes += n as u64;
                }
            }
        }
    };
    read().map_err(|cause| ReadError::Disk { path: path.into(), cause })
}
