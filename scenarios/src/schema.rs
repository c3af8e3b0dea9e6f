//! The keys for editors and for readers: a JSON Schema and the table in docs/scenario-format.md.
//!
//! The schema says what one key alone can say. What keys say together, and whether a name is known, only
//! [`crate::load`] tells.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use crate::keys::{APP, Absent, DEPLOY, DIRECTION, Key, Kind, LINK, MOST_CORES, ROOT, STAGE, TIER, Unit};
use crate::raw::{Node, Raw, parse_value};

/// A number and a unit; which units there are is said in the description.
const QUANTITY: &str = r"^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*\S";

/// The JSON Schema of a scenario file, draft 2020-12, for editors such as those that use taplo.
pub fn schema() -> Json {
    let mut root = properties(ROOT);
    root.insert("app".into(), json!({ "$ref": "#/$defs/app" }));
    root.insert(
        "tier".into(),
        json!({
            "description": "The tiers: `endpoint`, `edge`, `cloud`, `mist` and others by names of your own.",
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_-]{0,31}$" },
            "additionalProperties": { "$ref": "#/$defs/tier" },
            "required": ["endpoint"]
        }),
    );
    root.insert(
        "link".into(),
        json!({ "type": "array", "maxItems": 64, "items": { "$ref": "#/$defs/link" } }),
    );
    root.insert("deploy".into(), table("Who processes, and how.", DEPLOY, &[], &[]));
    root.insert("space".into(), space());
    root.insert("goal".into(), goal());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Offing scenario",
        "type": "object",
        "properties": root,
        "additionalProperties": false,
        "required": ["app", "tier"],
        "$defs": {
            "app": table(
                "The application: what each endpoint sends and how much work it is.",
                APP,
                &[("stage", json!({ "type": "array", "maxItems": 64, "items": { "$ref": "#/$defs/stage" } }))],
                &[],
            ),
            "stage": table("One stage of a pipeline.", STAGE, &[], &["work"]),
            "tier": table("Nodes of one kind.", TIER, &[], &[]),
            "link": table(
                "The network between two tiers.",
                LINK,
                &[("up", json!({ "$ref": "#/$defs/direction" })), ("down", json!({ "$ref": "#/$defs/direction" }))],
                &["between"],
            ),
            "direction": table("One direction of a link.", DIRECTION, &[], &[]),
            "time": quantity("A time: a number and ns, us, ms, s, min, h or d."),
            "size": quantity("A size: a number and B, kB, MB, GB, KiB, MiB, GiB, Ki, Mi, Gi, bit, kbit, Mbit, ..."),
            "rate": {
                "description": "A rate: a number and bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s, mbit, ..., or \"unlimited\", or a trace.",
                "anyOf": [
                    { "type": "string", "pattern": QUANTITY },
                    { "const": "unlimited" },
                    fields(&[("trace", json!({ "type": "string" }))], &["trace"])
                ]
            },
            "time_distribution": distribution("time"),
            "size_distribution": distribution("size"),
            "arrivals": arrivals(),
            "power": power(),
            "texts": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "maxItems": 64 }] }
        }
    })
}

fn properties(keys: &[Key]) -> Map<String, Json> {
    keys.iter().map(|key| (key.name.to_string(), property(key))).collect()
}

fn property(key: &Key) -> Json {
    let mut schema = match kind(key.kind) {
        Json::Object(schema) => schema,
        _ => unreachable!("a schema is an object"),
    };
    schema.insert("description".into(), key.doc.into());
    if let Absent::Value(text) = key.default {
        schema.insert("default".into(), json_of(&parse_value(text)));
    }
    schema.insert("examples".into(), json!([json_of(&parse_value(key.example))]));
    Json::Object(schema)
}

/// A table with known keys and no others.
fn table(description: &str, keys: &[Key], more: &[(&str, Json)], required: &[&str]) -> Json {
    let mut properties = properties(keys);
    properties.extend(more.iter().map(|(name, schema)| (name.to_string(), schema.clone())));
    json!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required
    })
}

fn fields(fields: &[(&str, Json)], required: &[&str]) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|(name, schema)| (name.to_string(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false, "required": required })
}

fn quantity(description: &str) -> Json {
    json!({ "description": description, "type": "string", "pattern": QUANTITY })
}

fn kind(kind: Kind) -> Json {
    match kind {
        Kind::Name => json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" }),
        Kind::Text | Kind::Tier | Kind::Preset => json!({ "type": "string", "minLength": 1 }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Time { .. } => json!({ "$ref": "#/$defs/time" }),
        Kind::Frequency | Kind::Price => json!({ "type": "string", "pattern": QUANTITY }),
        Kind::Distribution(Unit::Time) => json!({ "$ref": "#/$defs/time_distribution" }),
        Kind::Distribution(Unit::Size) => json!({ "$ref": "#/$defs/size_distribution" }),
        Kind::Size { .. } => json!({ "$ref": "#/$defs/size" }),
        Kind::Rate => json!({ "$ref": "#/$defs/rate" }),
        Kind::Cores => json!({
            "anyOf": [
                { "type": "number", "minimum": 0.001, "maximum": MOST_CORES },
                { "type": "string", "pattern": r"^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*(m|cores?)?$" }
            ]
        }),
        Kind::Factor { max } => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": max }),
        Kind::Share { zero, one } => {
            let low = if zero { "minimum" } else { "exclusiveMinimum" };
            let high = if one { "maximum" } else { "exclusiveMaximum" };
            json!({
                "anyOf": [
                    { "type": "number", low: 0, high: 1 },
                    { "type": "string", "pattern": r"^\s*\+?[0-9.]+([eE][+-]?[0-9]+)?\s*(%|percent)?$" }
                ]
            })
        }
        Kind::Power => json!({ "$ref": "#/$defs/power" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Ends => json!({ "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 }),
        Kind::Arrivals => json!({ "$ref": "#/$defs/arrivals" }),
        Kind::Queue => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 1_000_000_000 }, { "const": "unlimited" }] })
        }
    }
}

fn distribution(unit: &str) -> Json {
    let amount = json!({ "$ref": format!("#/$defs/{unit}") });
    let cv = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100, "description": "standard deviation / mean" });
    let one = |name: &str, schema: Json| fields(&[(name, schema)], &[name]);
    let mean_cv = fields(&[("mean", amount.clone()), ("cv", cv)], &["mean", "cv"]);
    let list = |least: u64| json!({ "type": "array", "items": amount, "minItems": least });
    json!({
        "description": format!("A {unit}, or a distribution of {unit}s."),
        "anyOf": [
            amount,
            one("exponential", fields(&[("mean", amount.clone())], &["mean"])),
            one("lognormal", mean_cv.clone()),
            one("gamma", mean_cv),
            one("normal", fields(&[("mean", amount.clone()), ("sd", amount.clone())], &["mean", "sd"])),
            one("uniform", fields(&[("from", amount.clone()), ("to", amount.clone())], &["from", "to"])),
            one("empirical", json!({ "type": "string", "description": "A file with one value per line." })),
            one("values", list(1)),
            one("quantiles", list(2))
        ]
    })
}

fn arrivals() -> Json {
    let time = json!({ "$ref": "#/$defs/time" });
    let bursts = fields(&[("on", time.clone()), ("off", time.clone())], &["on", "off"]);
    json!({
        "anyOf": [
            { "enum": ["periodic", "poisson"] },
            fields(&[("jitter", time)], &["jitter"]),
            fields(&[("bursts", bursts)], &["bursts"]),
            fields(&[("trace", json!({ "type": "string" }))], &["trace"])
        ]
    })
}

fn power() -> Json {
    let watts = quantity("A power: a number and W, mW or kW.");
    let curve = json!({ "enum": ["linear", "square", "cubic"], "default": "linear" });
    let table = json!({ "type": "array", "items": watts, "minItems": 2, "maxItems": 1001 });
    json!({
        "anyOf": [
            fields(&[("idle", watts.clone()), ("busy", watts), ("curve", curve)], &["idle", "busy"]),
            fields(&[("table", table)], &["table"])
        ]
    })
}

fn space() -> Json {
    let points = json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 });
    let axis = json!({
        "description": "The values of one key: a list, { from, to, step } or { log = [from, to, points] }.",
        "type": ["array", "object"]
    });
    json!({
        "description": "The design space: every axis replaces one key, and the product is what is explored.",
        "type": "object",
        "properties": {
            "where": { "$ref": "#/$defs/texts", "description": "Conditions in CEL over the keys." },
            "sample": {
                "description": "Draw points instead of going through all.",
                "anyOf": [
                    fields(&[("sobol", points.clone())], &["sobol"]),
                    fields(&[("latin_hypercube", points)], &["latin_hypercube"])
                ]
            },
            "zip": {
                "description": "Keys whose lists go side by side.",
                "type": "array",
                "items": { "type": "object", "additionalProperties": axis }
            }
        },
        "additionalProperties": axis
    })
}

fn goal() -> Json {
    json!({
        "description": "What is wanted of a deployment.",
        "type": "object",
        "properties": {
            "require": { "$ref": "#/$defs/texts", "description": "Conditions in CEL over the metrics of a run." },
            "minimise": { "$ref": "#/$defs/texts", "description": "Metrics that should be small, in order of importance." }
        },
        "additionalProperties": false
    })
}

fn json_of(node: &Node) -> Json {
    match &node.raw {
        Raw::Text(text) => text.as_str().into(),
        Raw::Integer(value) => (*value).into(),
        Raw::Float(value) => (*value).into(),
        Raw::Bool(value) => (*value).into(),
        Raw::Date(date) => date.as_str().into(),
        Raw::List(items) => items.iter().map(json_of).collect(),
        Raw::Table(table) => Json::Object(
            table.entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.node))).collect(),
        ),
    }
}

/// All keys as tables in Markdown, one per table of the file: what docs/scenario-format.md shows.
pub fn key_reference() -> String {
    let tables = [
        ("Top of the file", ROOT),
        ("`[app]`", APP),
        ("`[[app.stage]]`", STAGE),
        ("`[tier.NAME]`", TIER),
        ("`[[link]]`", LINK),
        ("`up = { .. }` and `down = { .. }` of a link", DIRECTION),
        ("`[deploy]`", DEPLOY),
    ];
    let mut text = String::new();
    for (heading, keys) in tables {
        write!(text, "### {heading}\n| key | example | default | meaning |\n|---|---|---|---|\n")
            .expect("writing to a text cannot fail");
        for key in keys {
            let default = match key.default {
                Absent::Needed => "needed".into(),
                Absent::Value(text) => format!("`{text}`"),
                Absent::Words(words) => words.into(),
            };
            let allowed = allowed(key.kind);
            writeln!(text, "| `{}` | `{}` | {default} | {}{allowed} |", key.name, key.example, key.doc)
                .expect("writing to a text cannot fail");
        }
        text.push('\n');
    }
    text
}

/// The range of a key, as a further sentence.
fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Count { max, .. } if max == i64::MAX as u64 => String::new(),
        Kind::Count { min, max } => format!(" {min} to {max}."),
        Kind::Time { max, zero } => {
            format!(" {} {}.", if zero { "At most" } else { "Greater than 0, at most" }, max.text)
        }
        Kind::Frequency => " Greater than 0.".into(),
        Kind::Cores => format!(" 0.001 to {MOST_CORES}."),
        Kind::Factor { max } => format!(" Greater than 0, at most {max}."),
        Kind::Share { zero: false, .. } => " Greater than 0, at most 1.".into(),
        Kind::Share { .. } => " From 0, less than 1.".into(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            format!(" One of {}.", words.join(", "))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use crate::value::{Reader, Value};
    use offing_core::Presets;

    const TABLES: &[&[Key]] = &[ROOT, APP, STAGE, TIER, LINK, DIRECTION, DEPLOY];

    #[test]
    fn every_example_and_default_can_be_read() {
        let presets: Presets = [(
            "4g".to_string(),
            offing_core::Preset {
                up: offing_core::Direction::default(),
                down: offing_core::Direction::default(),
            },
        )]
        .into();
        let files = |_: &str| Err(String::new());
        for key in TABLES.iter().copied().flatten() {
            let default = if let Absent::Value(text) = key.default { Some(text) } else { None };
            for text in [Some(key.example), default].into_iter().flatten() {
                let mut reader = Reader::new(crate::raw::Sources::new("keys", text), &presets, &files);
                reader.tiers = vec!["endpoint".into(), "cloud".into()];
                let value = reader.read(key, key.name, &parse_value(text));
                assert_ne!(value, Value::Bad, "{} = {text}: {:?}", key.name, reader.issues);
                assert_eq!(reader.issues, [], "{}", key.name);
            }
        }
    }

    /// Writing a default out changes nothing, so the table tells the truth about what `build` does.
    #[test]
    fn the_defaults_in_the_table_are_those_that_hold() {
        const BASE: &str = "[app]\nrate = '5 /s'\nframe = '1 kB'\n[[app.stage]]\nwork = '1 ms'\n[[app.stage]]\nwork = '1 ms'\n\
                            [tier.endpoint]\n[tier.cloud]\ncores = 4\n[[link]]\nbetween = ['endpoint', 'cloud']\n\
                            [deploy]\ntarget = 'cloud'\n";
        let base = |set: &[(String, String)], text: &str| {
            load(text, "base.toml", &|_| Err(String::new()), &Presets::new(), set).expect("it loads").scenario
        };
        let single = BASE
            .replace("[[app.stage]]\nwork = '1 ms'\n[[app.stage]]\nwork = '1 ms'\n", "process = '1 ms'\n");
        for (keys, prefix) in [
            (ROOT, ""),
            (APP, "app."),
            (STAGE, "app.stage.0."),
            (TIER, "tier.cloud."),
            (LINK, "link.0."),
            (DEPLOY, "deploy."),
        ] {
            for key in keys {
                if let Absent::Value(text) = key.default {
                    let file = if prefix == "app." { single.as_str() } else { BASE };
                    let set = [(format!("{prefix}{}", key.name), text.to_string())];
                    let (with, without) = (base(&set, file), base(&[], file));
                    if prefix != "tier.cloud." || key.name != "cores" {
                        assert_eq!(
                            (&with.base, with.seed),
                            (&without.base, without.seed),
                            "{prefix}{} = {text}",
                            key.name
                        );
                    }
                }
            }
        }
    }
}
