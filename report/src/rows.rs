//! `summary.csv` of an exploration, read once from front to back in constant memory per deployment: all rows go
//! into the aggregates, and a part of them is kept to be drawn.
//!
//! Kept are all rows of the shortlist, of the front and of those that nearly meet the requirements, and of the
//! others those whose numbers have the smallest hashes: a sample that does not depend on the order of the rows
//! and does not follow the steps of the axes, as every hundredth row would.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use csv::ByteRecord;

use crate::folder::{Found, ReadError, asked};
use crate::words;

/// Feasible rows that are kept beside the front, at most.
pub const MOST_FEASIBLE: usize = 3_000;
/// Other predicted rows that are kept, at most.
pub const MOST_OTHERS: usize = 1_000;
/// Rows of the front that are kept, at most.
pub const MOST_FRONT: usize = 2_000;
/// Heat maps, at most.
const MOST_MAPS: usize = 3;

/// What is known of a design space.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Names of the columns, as in the file.
    pub columns: Vec<String>,
    /// How many of the columns, after the number, are axes.
    pub axes: usize,
    /// The values of each axis, in the order in which they come.
    pub values: Vec<Vec<String>>,
    /// The rows that are kept, in the order of the file.
    pub kept: Vec<Row>,
    /// All rows of the file.
    pub total: u64,
    /// Feasible rows of the file.
    pub feasible: u64,
    /// Other predicted rows of the file.
    pub others: u64,
    /// Rows of the front.
    pub front: u64,
    /// The metric of latency that the aggregates are of.
    pub latency: String,
    /// Endpoints per target, for each target.
    pub crowds: Vec<Crowd>,
    /// Network latency against cores, for each tier that has both as axes.
    pub maps: Vec<HeatMap>,
}

/// A row of the file.
#[derive(Clone, Debug)]
pub struct Row {
    /// The cells, as in the file.
    pub cells: Vec<String>,
    /// Whether no other one beats it.
    pub is_front: bool,
}

/// Deployments with the same target and the same number of endpoints per target node.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The tier that processes.
    pub target: String,
    /// Endpoints per target node.
    pub endpoints: f64,
    /// How many deployments.
    pub deployments: u64,
    /// Load: 5th, 50th and 95th percentile over deployments.
    pub load: Option<[f64; 3]>,
    /// Latency [ms] of those that were predicted, likewise.
    pub latency_ms: Option<[f64; 3]>,
}

/// Latency over network latency and cores.
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// The tier that processes.
    pub tier: String,
    /// Key of the network latency.
    pub x: String,
    /// Key of the cores.
    pub y: String,
    /// One per pair of values.
    pub cells: Vec<HeatCell>,
}

/// The deployments at a pair of values.
#[derive(Clone, Debug)]
pub struct HeatCell {
    /// Network latency, as people read it.
    pub x: String,
    /// Cores, as people read them.
    pub y: String,
    /// How many deployments.
    pub deployments: u64,
    /// Median latency of those that were predicted [ms].
    pub latency_ms: Option<f64>,
}

/// Texts of a column as small numbers. Neighbouring rows often have the same text.
#[derive(Default)]
struct Dictionary {
    texts: Vec<String>,
    codes: HashMap<Vec<u8>, u32>,
    last: (Vec<u8>, u32),
}

impl Dictionary {
    fn code(&mut self, text: &[u8]) -> u32 {
        if self.last.0 == text && !self.texts.is_empty() {
            return self.last.1;
        }
        let code = match self.codes.get(text) {
            Some(&code) => code,
            None => {
                let code = self.texts.len() as u32;
                self.texts.push(String::from_utf8_lossy(text).into_owned());
                self.codes.insert(text.to_vec(), code);
                code
            }
        };
        self.last = (text.to_vec(), code);
        code
    }
}

/// The rows whose numbers have the smallest hashes.
struct Sample {
    most: usize,
    rows: BTreeMap<u64, (u64, ByteRecord)>,
}

impl Sample {
    fn new(most: usize) -> Self {
        Sample { most, rows: BTreeMap::new() }
    }

    fn offer(&mut self, position: u64, record: &ByteRecord) {
        let hash = hash(&record[0]);
        let is_full = self.rows.len() >= self.most;
        if is_full && self.rows.last_key_value().is_none_or(|(&largest, _)| hash >= largest) {
            return;
        }
        self.rows.insert(hash, (position, record.clone()));
        if self.rows.len() > self.most {
            self.rows.pop_last();
        }
    }
}

/// FNV-1a, and the finisher of SplitMix64, without which neighbouring numbers have neighbouring hashes.
fn hash(text: &[u8]) -> u64 {
    let mut hash = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Values of deployments that are told together.
#[derive(Default)]
struct Group {
    deployments: u64,
    load: Vec<f64>,
    latency_ms: Vec<f64>,
}

impl Group {
    fn add(&mut self, load: Option<f64>, latency_ms: Option<f64>) {
        self.deployments += 1;
        self.load.extend(load);
        self.latency_ms.extend(latency_ms);
    }
}

/// The 5th, 50th and 95th percentile: of `n` sorted values those at `p (n - 1)`, rounded.
fn spread(values: &mut [f64]) -> Option<[f64; 3]> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    Some([0.05, 0.5, 0.95].map(|p| values[(p * last).round() as usize]))
}

/// Where the aggregates find what they need.
struct Positions {
    verdict: usize,
    reason: usize,
    load: Option<usize>,
    latency: Option<usize>,
    /// Of the axes that say where requests are processed and how many endpoints there are.
    target: Option<usize>,
    endpoints: Option<usize>,
    /// Of the axis with the number of nodes of a tier.
    nodes: HashMap<String, usize>,
    /// Network latency and cores of a tier, and the tier.
    maps: Vec<(usize, usize, String)>,
}

fn positions(columns: &[String], axes: usize, latency: &str) -> Option<Positions> {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let keys = columns[1..=axes].iter().enumerate().map(|(at, key)| (at + 1, key.as_str()));
    let tier_of = |key: &str, what: &str| {
        key.strip_prefix("tier.").and_then(|key| key.strip_suffix(what)).map(str::to_owned)
    };
    let nodes = keys.clone().filter_map(|(at, key)| Some((tier_of(key, ".nodes")?, at))).collect();
    let maps = keys.clone().filter_map(|(x, key)| {
        let between = key.strip_prefix("link.")?.strip_suffix(".latency")?;
        let tier = between.strip_prefix("endpoint-").or(between.strip_suffix("-endpoint"))?;
        Some((x, at(&format!("tier.{tier}.cores")).filter(|at| *at <= axes)?, tier.to_owned()))
    });
    Some(Positions {
        verdict: at("verdict")?,
        reason: at("reason")?,
        load: at("load"),
        latency: at(latency),
        target: at("deploy.target").filter(|at| *at <= axes),
        endpoints: at("tier.endpoint.nodes").filter(|at| *at <= axes),
        nodes,
        maps: maps.take(MOST_MAPS).collect(),
    })
}

/// Reads the rows of an exploration; nothing where there is no `summary.csv`.
pub(crate) fn read(
    folder: &Path,
    found: &Found,
    question: Option<&toml::Table>,
    progress: &dyn Fn(u64),
) -> Result<Option<Rows>, ReadError> {
    let path = folder.join("summary.csv");
    if !path.is_file() {
        return Ok(None);
    }
    let strange = |what: String| ReadError::Strange { path: path.clone(), what };
    let malformed = |cause: csv::Error| strange(cause.to_string());
    let file = File::open(&path).map_err(|cause| ReadError::Disk { path: path.clone(), cause })?;
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file);
    let columns: Vec<String> = reader.headers().map_err(malformed)?.iter().map(String::from).collect();
    let Some(verdict) = columns.iter().position(|name| name == "verdict").filter(|at| *at > 0) else {
        return Err(strange("it has no columns `number` and `verdict`".into()));
    };
    let axes = verdict - 1;
    let latency = latency_of(found, &columns);
    let Some(at) = positions(&columns, axes, &latency) else {
        return Err(strange("it has no column `reason`".into()));
    };
    let front = front(folder)?;
    let chosen: HashSet<&[u8]> = (found.shortlist.iter().map(|kept| &kept.number))
        .chain(found.dropped.nearly_feasible.iter().map(|near| &near.number))
        .map(|number| number.0.as_bytes())
        .collect();

    let mut dictionaries: Vec<Dictionary> = (0..axes).map(|_| Dictionary::default()).collect();
    let mut codes = vec![0; axes];
    let mut always = Vec::new();
    let [mut on_front, mut good, mut others] = [MOST_FRONT, MOST_FEASIBLE, MOST_OTHERS].map(Sample::new);
    let mut crowds: BTreeMap<(u32, u32, u32), Group> = BTreeMap::new();
    let mut maps: Vec<BTreeMap<(u32, u32), Group>> = at.maps.iter().map(|_| BTreeMap::new()).collect();
    let (mut total, mut feasible, mut predicted) = (0, 0, 0);
    let mut nodes_of: Vec<Option<usize>> = Vec::new();
    let target = asked_or(question, "deploy.target", "cloud");

    let mut record = ByteRecord::new();
    let mut read = 0;
    while reader.read_byte_record(&mut record).map_err(malformed)? {
        let position = total;
        total += 1;
        if position % 4_096 == 0 {
            let now = reader.position().byte();
            progress(now - read);
            read = now;
        }
        for (axis, code) in codes.iter_mut().enumerate() {
            *code = dictionaries[axis].code(&record[axis + 1]);
        }
        let verdict = &record[at.verdict];
        if verdict == b"excluded" {
            continue;
        }
        let is_feasible = verdict == b"feasible";
        let is_predicted = is_feasible || verdict == b"infeasible";
        feasible += u64::from(is_feasible);
        predicted += u64::from(is_predicted);
        if chosen.contains(&record[0]) {
            always.push((position, record.clone()));
        } else if front.contains(&record[0]) {
            on_front.offer(position, &record);
        } else if is_feasible {
            good.offer(position, &record);
        } else if is_predicted {
            others.offer(position, &record);
        }

        let latency = at.latency.and_then(|at| number(&record[at]));
        let load = at.load.and_then(|at| number(&record[at])).or_else(|| load_in(&record[at.reason]));
        let target_code = at.target.map_or(0, |at| codes[at - 1]);
        let tier = at.target.map_or(target.as_str(), |at| &dictionaries[at - 1].texts[target_code as usize]);
        if nodes_of.len() <= target_code as usize {
            nodes_of.resize(target_code as usize + 1, None);
            nodes_of[target_code as usize] = at.nodes.get(tier).copied();
        }
        // What runs elsewhere says nothing about this tier.
        for (map, (x, y, _)) in maps.iter_mut().zip(&at.maps).filter(|(_, (.., of))| of == tier) {
            map.entry((codes[x - 1], codes[y - 1])).or_default().add(load, latency);
        }
        let nodes_code = nodes_of[target_code as usize].map_or(0, |at| codes[at - 1]);
        let endpoints_code = at.endpoints.map_or(0, |at| codes[at - 1]);
        crowds.entry((target_code, endpoints_code, nodes_code)).or_default().add(load, latency);
    }

    let values: Vec<Vec<String>> = dictionaries.into_iter().map(|dictionary| dictionary.texts).collect();
    let text = |at: Option<usize>, code: u32, otherwise: &str| -> String {
        at.map_or_else(|| otherwise.to_owned(), |at| values[at - 1][code as usize].clone())
    };
    let endpoints = asked_or(question, "tier.endpoint.nodes", "1");
    // Groups that differ in both numbers may have the same number of endpoints per node.
    let mut together: BTreeMap<(String, u64), (f64, Group)> = BTreeMap::new();
    for ((target_code, endpoints_code, nodes_code), group) in crowds {
        let tier = text(at.target, target_code, &target);
        let nodes_at = at.nodes.get(&tier).copied();
        let nodes = text(nodes_at, nodes_code, &asked_or(question, &format!("tier.{tier}.nodes"), "1"));
        let endpoints = text(at.endpoints, endpoints_code, &endpoints);
        let (Some(endpoints), Some(nodes)) = (number(endpoints.as_bytes()), number(nodes.as_bytes())) else {
            continue;
        };
        let each = if tier == "endpoint" { 1.0 } else { endpoints / nodes };
        let (_, all) = together.entry((tier, each.to_bits())).or_insert((each, Group::default()));
        all.deployments += group.deployments;
        all.load.extend(group.load);
        all.latency_ms.extend(group.latency_ms);
    }
    let crowds = together.into_iter().map(|((target, _), (endpoints, mut group))| Crowd {
        target,
        endpoints,
        deployments: group.deployments,
        load: spread(&mut group.load),
        latency_ms: spread(&mut group.latency_ms),
    });
    let mut crowds: Vec<Crowd> = crowds.collect();
    crowds.sort_by(|a, b| a.target.cmp(&b.target).then(a.endpoints.total_cmp(&b.endpoints)));

    let maps = maps.into_iter().zip(&at.maps).map(|(cells, (x, y, tier))| HeatMap {
        tier: tier.clone(),
        x: columns[*x].clone(),
        y: columns[*y].clone(),
        cells: cells
            .into_iter()
            .map(|((x_code, y_code), mut group)| HeatCell {
                x: values[x - 1][x_code as usize].clone(),
                y: values[y - 1][y_code as usize].clone(),
                deployments: group.deployments,
                latency_ms: spread(&mut group.latency_ms).map(|[_, median, _]| median),
            })
            .collect(),
    });

    let sampled = [on_front, good, others].into_iter().flat_map(|sample| sample.rows.into_values());
    let mut kept: Vec<(u64, ByteRecord)> = always.into_iter().chain(sampled).collect();
    kept.sort_by_key(|(position, _)| *position);
    let kept = kept.into_iter().map(|(_, record)| Row {
        is_front: front.contains(&record[0]),
        cells: record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect(),
    });
    Ok(Some(Rows {
        maps: maps.collect(),
        kept: kept.collect(),
        columns,
        axes,
        values,
        total,
        feasible,
        others: predicted - feasible,
        front: front.len() as u64,
        latency,
        crowds,
    }))
}

/// The numbers on the front.
fn front(folder: &Path) -> Result<HashSet<Vec<u8>>, ReadError> {
    let path = folder.join("front.csv");
    let Some(text) = crate::folder::text(&path)? else { return Ok(HashSet::new()) };
    let rows = csv::Reader::from_reader(text.as_bytes()).into_byte_records();
    let numbers = rows.map(|row| Ok(row?.get(0).unwrap_or_default().to_vec()));
    numbers
        .collect::<Result<_, csv::Error>>()
        .map_err(|cause| ReadError::Strange { path, what: cause.to_string() })
}

/// The latency that the goal is about: what is to be small before what is required.
fn latency_of(found: &Found, columns: &[String]) -> String {
    let required = found.require.iter().filter_map(|text| text.split_whitespace().next());
    let mut named = found.minimise.iter().map(String::as_str).chain(required);
    let found =
        named.find(|name| name.starts_with("latency_") && columns.iter().any(|column| column == name));
    found.unwrap_or("latency_p95_ms").to_owned()
}

fn asked_or(question: Option<&toml::Table>, key: &str, otherwise: &str) -> String {
    question.and_then(|question| asked(question, key)).unwrap_or_else(|| otherwise.to_owned())
}

fn number(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The load of a row that was rejected for it without simulation: its reason ends with `load is 1.25`.
fn load_in(reason: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(reason).ok()?;
    text.rsplit_once("load is ")?.1.parse().ok()
}

/// What a column is called, for people.
pub fn title(rows: &Rows, column: usize) -> String {
    match column {
        0 => "number".into(),
        at if at <= rows.axes => words::key(&rows.columns[at]),
        at => words::metric_title(&rows.columns[at]),
    }
}
