//! From the file as written to what it says: every key is known, every value is of its kind, and what is not
//! is an issue. All issues are collected.

use crate::keys::{APP, DEPLOY, DIRECTION, Key, LINK, MOST_PARTS, ROOT, STAGE, TIER, home};
use crate::raw::{Node, Place, Raw, Table};
use crate::value::{Reader, did_you_mean, nearest};
use crate::written::{Part, Section, Slot, Written, WrittenLink, no_values};

const TABLES: &[&str] = &["app", "tier", "link", "deploy", "space", "goal"];

/// Reads every key outside `[space]` and `[goal]`.
pub(crate) fn check(reader: &mut Reader<'_>, file: &Table) -> Written {
    let mut written = Written::empty();
    declare_tiers(reader, file);
    written.root = section(reader, ROOT, TABLES, file, "");
    if let Some((table, place)) = table_of(reader, file, "app", "[app]") {
        let keys = section(reader, APP, &["stage"], table, "app");
        written.app = Some(Part { name: "".into(), place, keys });
        for (at, node) in list_of(reader, table, "stage", "app.stage", "[[app.stage]]").iter().enumerate() {
            let path = format!("app.stage.{at}");
            if let Some(table) = as_table(reader, node, &path, "[[app.stage]]") {
                let keys = section(reader, STAGE, &[], table, &path);
                written.stages.push(Part { name: "".into(), place: node.place, keys });
            }
        }
    }
    if let Some((table, _)) = table_of(reader, file, "tier", "[tier.NAME]") {
        for entry in table.entries.iter().take(MOST_PARTS) {
            let path = format!("tier.{}", entry.key);
            if !is_tier_name(&entry.key) {
                let hint = "write a small letter and then small letters, digits, `-` and `_`, at most 32";
                reader.error(entry.place, &path, "this cannot be the name of a tier", hint);
                continue;
            }
            let place = heading(entry.place, &entry.node);
            if let Some(table) = as_table(reader, &entry.node, &path, "[tier.NAME]") {
                let keys = section(reader, TIER, &[], table, &path);
                written.tiers.push(Part { name: entry.key.as_str().into(), place, keys });
            }
        }
        too_many(reader, "tier", table.entries.len(), table.entries.get(MOST_PARTS).map(|entry| entry.place));
    }
    for (at, node) in list_of(reader, file, "link", "link", "[[link]]").iter().enumerate() {
        let path = format!("link.{at}");
        if let Some(table) = as_table(reader, node, &path, "[[link]]") {
            let keys = section(reader, LINK, &["up", "down"], table, &path);
            let [up, down] = ["up", "down"].map(|name| match table.get(name) {
                None => no_values(DIRECTION),
                Some(entry) => {
                    let path = format!("{path}.{name}");
                    match as_table(reader, &entry.node, &path, "{ latency = \"45 ms\" }") {
                        Some(table) => section(reader, DIRECTION, &[], table, &path),
                        None => no_values(DIRECTION),
                    }
                }
            });
            written.links.push(WrittenLink { place: node.place, keys, up, down });
        }
    }
    if let Some((table, place)) = table_of(reader, file, "deploy", "[deploy]") {
        let keys = section(reader, DEPLOY, &[], table, "deploy");
        written.deploy = Part { name: "".into(), place, keys };
    }
    written
}

/// The names of tiers are needed before the values that name them.
fn declare_tiers(reader: &mut Reader<'_>, file: &Table) {
    if let Some(Raw::Table(tiers)) = file.get("tier").map(|entry| &entry.node.raw) {
        reader.tiers = tiers
            .entries
            .iter()
            .take(MOST_PARTS)
            .map(|entry| entry.key.clone())
            .filter(|name| is_tier_name(name))
            .collect();
    }
    if !reader.tiers.iter().any(|name| name == "mist") {
        reader.tiers.push("mist".into());
    }
}

fn is_tier_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Reads the keys of one table. `others` are keys that somebody else reads.
pub(crate) fn section(
    reader: &mut Reader<'_>,
    keys: &[Key],
    others: &[&str],
    table: &Table,
    path: &str,
) -> Section {
    let mut section = vec![None; keys.len()];
    for entry in &table.entries {
        let full = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        if let Some(at) = keys.iter().position(|key| key.name == entry.key) {
            let value = reader.read(&keys[at], &full, &entry.node);
            section[at] = Some(Slot { value, place: entry.node.place });
        } else if !others.contains(&entry.key.as_str()) {
            let known: Vec<&str> = keys.iter().map(|key| key.name).chain(others.iter().copied()).collect();
            let hint = match (nearest(&entry.key, &known), home(&entry.key)) {
                (None, Some(home)) => format!("`{}` belongs in {home}", entry.key),
                _ => did_you_mean(&entry.key, &known),
            };
            reader.error(entry.place, &full, "unknown key", hint);
        }
    }
    section.into()
}

/// A table by name, and where its heading stands.
pub(crate) fn table_of<'t>(
    reader: &mut Reader<'_>,
    table: &'t Table,
    name: &str,
    heading_text: &str,
) -> Option<(&'t Table, Place)> {
    let entry = table.get(name)?;
    let table = as_table(reader, &entry.node, name, heading_text)?;
    Some((table, heading(entry.place, &entry.node)))
}

/// Where a table begins: its heading or brace, or its name where it is made of dotted keys.
fn heading(key: Place, node: &Node) -> Place {
    if key.source == node.place.source { key.min(node.place) } else { key }
}

fn as_table<'t>(reader: &mut Reader<'_>, node: &'t Node, path: &str, heading: &str) -> Option<&'t Table> {
    match &node.raw {
        Raw::Table(table) => Some(table),
        other => {
            let message = format!("a table is expected, not {}", other.what());
            reader.error(node.place, path, message, format!("write `{heading}`"));
            None
        }
    }
}

/// The tables under a heading in double brackets.
pub(crate) fn list_of<'t>(
    reader: &mut Reader<'_>,
    table: &'t Table,
    name: &str,
    path: &str,
    heading: &str,
) -> &'t [Node] {
    match table.get(name).map(|entry| &entry.node) {
        None => &[],
        Some(Node { raw: Raw::List(items), .. }) => {
            too_many(reader, path, items.len(), items.get(MOST_PARTS).map(|item| item.place));
            &items[..items.len().min(MOST_PARTS)]
        }
        Some(node) => {
            let message = format!("a list of tables is expected, not {}", node.raw.what());
            reader.error(node.place, path, message, format!("write `{heading}`"));
            &[]
        }
    }
}

fn too_many(reader: &mut Reader<'_>, path: &str, count: usize, place: Option<Place>) {
    if let Some(place) = place {
        reader.error(
            place,
            path,
            format!("there are {count} of them"),
            format!("write at most {MOST_PARTS}"),
        );
    }
}
