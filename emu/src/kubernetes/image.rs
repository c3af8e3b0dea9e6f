//! The image with the binary of the nodes, as an archive that every container engine reads (`docker save`).
//!
//! Where there is no registry that the nodes of a cluster reach, the archive is put on them by whatever they have:
//! `docker load`, `ctr -n k8s.io images import`, `k3s ctr images import`, `kind load image-archive`,
//! `minikube image load`.

use sha2::{Digest, Sha256};

use crate::provider::docker::{AGENT, archive};

/// The name of the image with this binary: the same binary has the same name.
pub fn reference(binary: &[u8]) -> String {
    format!("offing.local/agent:{}", &hex(binary)[..12])
}

/// The archive of an image that holds the binary and nothing else.
///
/// # Errors
/// There is no memory.
pub fn save(binary: &[u8], reference: &str) -> std::io::Result<Vec<u8>> {
    save_as(binary, reference, None)
}

/// The same, with what the binary does unless it is told something else.
pub(super) fn save_as(binary: &[u8], reference: &str, command: Option<&str>) -> std::io::Result<Vec<u8>> {
    let layer = archive(binary)?;
    let config = serde_json::json!({
        "architecture": match std::env::consts::ARCH {
            "aarch64" => "arm64",
            _ => "amd64",
        },
        "os": "linux",
        "config": { "Entrypoint": [AGENT], "Cmd": command.map(|word| [word]) },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))] },
        "history": [{ "created_by": "offing emulate image" }],
    })
    .to_string();
    let name = format!("{}.json", hex(config.as_bytes()));
    let manifest =
        serde_json::json!([{ "Config": name, "RepoTags": [reference], "Layers": ["layer.tar"] }]).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes)
    };
    add("layer.tar", &layer)?;
    add(&name, config.as_bytes())?;
    add("manifest.json", manifest.as_bytes())?;
    builder.into_inner()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_archive_names_its_parts_by_what_they_hold() {
        let reference = reference(b"binary");
        assert!(reference.starts_with("offing.local/agent:") && reference.len() == 31, "{reference}");
        let archive = save(b"binary", &reference).unwrap();
        let mut files = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        let config = manifest[0]["Config"].as_str().unwrap();
        assert_eq!(config, format!("{}.json", hex(&files[config])));
        let config: serde_json::Value = serde_json::from_slice(&files[config]).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(&files["layer.tar"])));
        assert_eq!(manifest[0]["RepoTags"][0], reference);
    }
}
