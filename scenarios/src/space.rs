//! The design space: `[space]`.
//!
//! The product of the axes is never written out. Deployment number `i` is found by writing `i` in mixed radix,
//! one digit per axis, the first axis the slowest; each digit puts its values in place of what the file says.

use std::fmt;
use std::sync::Arc;

use offing_core::{Deployment, Rate, Span};

use crate::build::{Built, build, direction, mean, rate_bit_s, workers};
use crate::condition::{Condition, Scalar, Type};
use crate::goal;
use crate::issue::Severity;
use crate::keys::{Absent, DEPLOY, Key, Kind, ROOT, TIER, index};
use crate::raw::{Entry, Node, Place, Raw, Table};
use crate::value::{Reader, Value, did_you_mean, list, noun};
use crate::write;
use crate::written::{Address, Slot, Written};

/// Values of one axis.
const MOST_VALUES: u64 = 1_000_000_000;
/// Points of an axis in equal ratios: they are kept.
const MOST_LOG_VALUES: u64 = 10_000;
/// Axes of one space.
const MOST_AXES: usize = 64;

/// All deployments that are asked about, by number.
#[derive(Clone, Debug)]
pub struct Space {
    start: Start,
    axes: Vec<Axis>,
    conditions: Vec<Where>,
    sample: Option<Sample>,
    len: u128,
}

/// What the axes change.
#[derive(Clone, Debug)]
enum Start {
    Written(Box<Written>),
    Fixed(Box<Deployment>),
}

/// One or more keys that change together.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(crate) columns: Vec<Column>,
    len: u64,
    zipped: bool,
}

/// One key of an axis.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub key: String,
    pub address: Address,
    place: Place,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    List(Vec<Slot>),
    /// `from + i * step`, in base units.
    Range {
        from: f64,
        to: f64,
        step: f64,
    },
    /// In equal ratios, both ends included; the values are kept, and what was written.
    Log {
        values: Vec<Slot>,
        from: Value,
        to: Value,
        points: u64,
    },
}

/// A condition of `where` and what its names mean.
#[derive(Clone, Debug)]
struct Where {
    condition: Condition,
    variables: Vec<Variable>,
}

/// How to draw from the space instead of going through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The first points of a Sobol sequence.
    Sobol(u64),
    /// A Latin hypercube of that many points.
    LatinHypercube(u64),
}

/// Why a number of the space is no deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// This condition of `where` does not hold.
    Where(String),
    /// The values contradict each other, for these reasons.
    Contradiction(Vec<String>),
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excluded::Where(condition) => write!(f, "excluded by `{condition}`"),
            Excluded::Contradiction(reasons) => f.write_str(&reasons.join("; ")),
        }
    }
}

impl std::error::Error for Excluded {}

impl Space {
    /// The space of a single deployment.
    pub fn single(deployment: Deployment) -> Self {
        let start = Start::Fixed(Box::new(deployment));
        Space { start, axes: Vec::new(), conditions: Vec::new(), sample: None, len: 1 }
    }

    /// How many numbers there are, those that `where` excludes included.
    pub fn len(&self) -> u128 {
        self.len
    }

    /// Never: without axes there is the deployment that the file describes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What varies, the slowest first.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The conditions of `where`.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().map(|condition| &condition.condition)
    }

    /// Whether points are to be drawn, and how many.
    pub fn sample(&self) -> Option<Sample> {
        self.sample
    }

    /// Which value each axis takes at number `i`.
    pub fn digits(&self, i: u128) -> Vec<u64> {
        let mut rest = i;
        let mut digits: Vec<u64> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let digit =
                    u64::try_from(rest % u128::from(axis.len)).expect("less than the length of the axis");
                rest /= u128::from(axis.len);
                digit
            })
            .collect();
        digits.reverse();
        digits
    }

    /// Deployment number `i`.
    ///
    /// # Errors
    /// Why there is no such deployment in the space.
    ///
    /// # Panics
    /// If `i` is not less than [`Space::len`].
    pub fn get(&self, i: u128) -> Result<Deployment, Excluded> {
        assert!(i < self.len, "the space has {} numbers, and {i} was asked for", self.len);
        self.at(&self.digits(i))
    }

    /// The deployment where each axis takes the value of that number.
    ///
    /// # Errors
    /// Why there is no such deployment in the space.
    ///
    /// # Panics
    /// If a digit is missing or not less than the length of its axis.
    pub fn at(&self, digits: &[u64]) -> Result<Deployment, Excluded> {
        self.walk().at(digits)
    }

    /// Goes from deployment to deployment, faster than [`Space::at`] where they have most values in common.
    pub fn walk(&self) -> Walk<'_> {
        let addresses: Vec<Address> =
            self.axes.iter().flat_map(|axis| &axis.columns).map(|column| column.address).collect();
        // Values at the top of the file replace each other.
        let stands_alone = |(at, address): (usize, &Address)| {
            !matches!(address, Address::Root(_)) && !addresses[..at].contains(address)
        };
        let is_free = addresses.iter().enumerate().all(stands_alone);
        Walk { space: self, is_free, last: None }
    }

    /// What the axes change, where the space was read from a scenario file.
    pub(crate) fn written(&self) -> Option<&Written> {
        match &self.start {
            Start::Written(written) => Some(written),
            Start::Fixed(_) => None,
        }
    }
}

/// A way through a space; see [`Space::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'s> {
    space: &'s Space,
    /// Whether axes can be changed one by one.
    is_free: bool,
    /// Where it was last, and what was written there.
    last: Option<(Vec<u64>, Written)>,
}

impl Walk<'_> {
    /// The deployment where each axis takes the value of that number: what [`Space::at`] says.
    ///
    /// # Errors
    /// Why there is no such deployment in the space.
    ///
    /// # Panics
    /// If a digit is missing or not less than the length of its axis.
    pub fn at(&mut self, digits: &[u64]) -> Result<Deployment, Excluded> {
        let Space { start, axes, conditions, .. } = self.space;
        assert_eq!(digits.len(), axes.len(), "one digit per axis");
        let written = match start {
            Start::Fixed(deployment) => return Ok((**deployment).clone()),
            Start::Written(written) => written,
        };
        match &mut self.last {
            Some((last, changed)) if self.is_free => {
                for ((axis, digit), last) in axes.iter().zip(digits).zip(last) {
                    if digit != last {
                        axis.put(*digit, changed);
                        *last = *digit;
                    }
                }
            }
            last => {
                let mut changed = (**written).clone();
                for (axis, digit) in axes.iter().zip(digits) {
                    axis.put(*digit, &mut changed);
                }
                *last = Some((digits.to_vec(), changed));
            }
        }
        let (_, changed) = self.last.as_ref().expect("it was put there");
        for condition in conditions {
            if !condition.holds(changed) {
                return Err(Excluded::Where(condition.condition.text().into()));
            }
        }
        let Built { deployment, problems } = build(changed);
        deployment.ok_or_else(|| {
            let errors = problems.into_iter().filter(|problem| problem.severity == Severity::Error);
            Excluded::Contradiction(
                errors.map(|problem| format!("{}: {}", problem.key, problem.message)).collect(),
            )
        })
    }
}

impl Axis {
    /// The keys that change together.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.key.as_str())
    }

    /// How many values it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What each key is at that value, as people read it: `cloud`, `4`, `45 ms`.
    pub fn labels(&self, digit: u64) -> Vec<String> {
        self.columns.iter().map(|column| write::label(column.kind(), &column.slot(digit).value)).collect()
    }

    fn put(&self, digit: u64, written: &mut Written) {
        for column in &self.columns {
            written.set(column.address, column.slot(digit));
        }
    }

    /// The axis as TOML: key and value for each of its columns, and whether they are zipped.
    pub(crate) fn toml(&self) -> (bool, Vec<(String, String)>) {
        let columns = self.columns.iter().map(|column| (write::quote(&column.key), column.toml())).collect();
        (self.zipped, columns)
    }
}

impl Column {
    fn kind(&self) -> Kind {
        Written::key(self.address).kind
    }

    fn slot(&self, digit: u64) -> Slot {
        match &self.values {
            Values::List(values) | Values::Log { values, .. } => {
                values[usize::try_from(digit).expect("an index of a list")].clone()
            }
            Values::Range { from, step, .. } => {
                let value = from_number(self.kind(), rounded(from + digit as f64 * step));
                Slot { value: value.expect("ranges are of numbers"), place: self.place }
            }
        }
    }

    fn toml(&self) -> String {
        let kind = self.kind();
        match &self.values {
            Values::List(values) => {
                let values: Vec<String> = values.iter().map(|slot| write::toml(kind, &slot.value)).collect();
                format!("[{}]", values.join(", "))
            }
            Values::Range { from, to, step } => {
                let text = |number: f64| {
                    from_number(kind, number).map_or_else(String::new, |value| write::toml(kind, &value))
                };
                format!("{{ from = {}, to = {}, step = {} }}", text(*from), text(*to), text(*step))
            }
            Values::Log { from, to, points, .. } => {
                format!("{{ log = [{}, {}, {points}] }}", write::toml(kind, from), write::toml(kind, to))
            }
        }
    }
}

/// Sums of steps without the dust of binary fractions: 0.1 + 2 x 0.1 is 0.3. Keeps twelve digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    // Powers of ten up to 1e22 are exact, so the quotient is the double nearest to the decimal fraction.
    let places = 11 - value.abs().log10().floor() as i32;
    if !(0..=22).contains(&places) {
        return value;
    }
    let power = 10_f64.powi(places);
    (value * power).round() / power
}

/// A value of a kind from a number in base units, for kinds that are numbers.
fn from_number(kind: Kind, number: f64) -> Option<Value> {
    Some(match kind {
        Kind::Count { .. } => Value::Count(number.round() as u64),
        Kind::Time { .. } => Value::Span(Span::from_secs_f64(number)?),
        Kind::Frequency
        | Kind::Size { .. }
        | Kind::Cores
        | Kind::Factor { .. }
        | Kind::Share { .. }
        | Kind::Price => Value::Number(number),
        Kind::Distribution(_) => Value::Distribution(offing_core::Distribution::Constant(number)),
        Kind::Rate => Value::Rate(Rate::BitPerS(number)),
        Kind::Queue => Value::Queue(Some(number.round() as u32)),
        _ => return None,
    })
}

/// The number of a value in base units, where it is one.
fn to_number(value: &Value) -> Option<f64> {
    match value {
        Value::Count(count) => Some(*count as f64),
        Value::Number(number) => Some(*number),
        Value::Span(span) => Some(span.as_secs_f64()),
        Value::Distribution(offing_core::Distribution::Constant(value))
        | Value::Rate(Rate::BitPerS(value)) => Some(*value),
        Value::Queue(Some(limit)) => Some(f64::from(*limit)),
        _ => None,
    }
}

/// What `[space]` says, before the deployment around it is built.
pub(crate) struct Draft {
    axes: Vec<Axis>,
    conditions: Vec<Where>,
    sample: Option<Sample>,
    len: u128,
}

impl Draft {
    pub fn none() -> Self {
        Draft { axes: Vec::new(), conditions: Vec::new(), sample: None, len: 1 }
    }

    pub fn around(self, written: Written) -> Space {
        let Draft { axes, conditions, sample, len } = self;
        Space { start: Start::Written(Box::new(written)), axes, conditions, sample, len }
    }

    /// Values of `deploy.target` that the axes bring in, and where they stand.
    pub fn targets(&self) -> impl Iterator<Item = (Arc<str>, Place)> {
        const TARGET: usize = index(DEPLOY, "target");
        let columns = self.axes.iter().flat_map(|axis| &axis.columns);
        columns.filter(|column| column.address == Address::Deploy(TARGET)).flat_map(|column| {
            match &column.values {
                Values::List(slots) => slots
                    .iter()
                    .filter_map(|slot| match &slot.value {
                        Value::Text(name) => Some((Arc::clone(name), slot.place)),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            }
        })
    }

    /// Warns of values with which the deployment of the file cannot be.
    pub fn try_each_value(&self, reader: &mut Reader<'_>, written: &Written) {
        for axis in &self.axes {
            for digit in 0..axis.len.min(1000) {
                let mut changed = written.clone();
                axis.put(digit, &mut changed);
                if self.conditions.iter().any(|condition| !condition.holds(&changed)) {
                    continue;
                }
                let Built { deployment, problems } = build(&changed);
                if let (None, Some(problem)) =
                    (deployment, problems.iter().find(|problem| problem.severity == Severity::Error))
                {
                    let column = &axis.columns[0];
                    let message =
                        format!("not with the other keys of the file: {}: {}", problem.key, problem.message);
                    let hint = "it counts only where another axis makes it possible; else remove it, or exclude it by `where`";
                    reader.warn(column.slot(digit).place, &format!("space.{}", column.key), message, hint);
                }
            }
        }
    }
}

/// Reads `[space]`. Keys that only an axis gives take its first value in the file's own deployment.
pub(crate) fn read(reader: &mut Reader<'_>, table: &Table, written: &mut Written) -> Draft {
    let mut axes: Vec<Axis> = Vec::new();
    let mut conditions = None;
    let mut sample = None;
    let mut taken: Vec<(Address, String)> = Vec::new();
    let entries = flat(table, written);
    for entry in &entries {
        match entry.key.as_str() {
            "where" => conditions = Some(&entry.node),
            "sample" => sample = read_sample(reader, &entry.node),
            "zip" => {
                let nodes = crate::check::list_of(reader, table, "zip", "space.zip", "[[space.zip]]");
                axes.extend(nodes.iter().filter_map(|node| zip(reader, node, written, &mut taken)));
            }
            _ => {
                if let Some((column, len)) = column(reader, entry, written, &mut taken) {
                    axes.push(Axis { columns: vec![column], len, zipped: false });
                }
            }
        }
    }
    if axes.len() > MOST_AXES {
        let place = axes[MOST_AXES].columns[0].place;
        reader.error(
            place,
            "space",
            format!("there are {} axes", axes.len()),
            format!("write at most {MOST_AXES}"),
        );
        axes.truncate(MOST_AXES);
    }
    let len = axes.iter().try_fold(1_u128, |product, axis| product.checked_mul(u128::from(axis.len)));
    let len = len.unwrap_or_else(|| {
        let place = table.entries.first().map_or(Place::default(), |entry| entry.place);
        reader.error(
            place,
            "space",
            "the product of the axes has more than 3.4e38 deployments",
            "use fewer axes or values",
        );
        1
    });
    for column in axes.iter().flat_map(|axis| &axis.columns) {
        if written.get(column.address).is_none() {
            written.set(column.address, column.slot(0));
        }
    }
    let conditions = conditions.map_or_else(Vec::new, |node| read_conditions(reader, node, written));
    Draft { axes, conditions, sample, len }
}

/// The entries of `[space]`, with `deploy.target = [..]` made one key again where it was written without
/// quotes and became a table in a table.
fn flat(table: &Table, written: &Written) -> Vec<Entry> {
    fn descend(prefix: &str, entry: &Entry, written: &Written, entries: &mut Vec<Entry>) {
        let key = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        match &entry.node.raw {
            Raw::Table(inner)
                if written.find(&key).is_err() && !inner.entries.is_empty() && !is_range(inner) =>
            {
                for entry in &inner.entries {
                    descend(&key, entry, written, entries);
                }
            }
            _ => entries.push(Entry { key, place: entry.place, node: entry.node.clone() }),
        }
    }
    let mut entries = Vec::new();
    for entry in &table.entries {
        if ["where", "sample", "zip"].contains(&entry.key.as_str()) {
            entries.push(entry.clone());
        } else {
            descend("", entry, written, &mut entries);
        }
    }
    entries
}

fn is_range(table: &Table) -> bool {
    table.entries.iter().any(|entry| ["from", "to", "step", "log"].contains(&entry.key.as_str()))
}

fn read_sample(reader: &mut Reader<'_>, node: &Node) -> Option<Sample> {
    const KINDS: &[&str] = &["sobol", "latin_hypercube"];
    const COUNT: Key = Key {
        name: "sample",
        kind: Kind::Count { min: 1, max: 10_000_000 },
        default: Absent::Needed,
        doc: "",
        example: "{ sobol = 1024 }",
    };
    let Raw::Table(table) = &node.raw else {
        let message = format!("a table is expected, not {}", node.raw.what());
        reader.error(
            node.place,
            "space.sample",
            message,
            "write `{ sobol = 1024 }` or `{ latin_hypercube = 1024 }`",
        );
        return None;
    };
    let (kind, entry) = reader.only_entry(table, KINDS, "sampling plan", "space.sample", node.place)?;
    match (kind, reader.read(&COUNT, &format!("space.sample.{kind}"), &entry.node)) {
        ("sobol", Value::Count(points)) => Some(Sample::Sobol(points)),
        (_, Value::Count(points)) => Some(Sample::LatinHypercube(points)),
        _ => None,
    }
}

/// Keys whose lists go side by side: one axis.
fn zip(
    reader: &mut Reader<'_>,
    node: &Node,
    written: &Written,
    taken: &mut Vec<(Address, String)>,
) -> Option<Axis> {
    let Raw::Table(table) = &node.raw else {
        let message = format!("a table is expected, not {}", node.raw.what());
        reader.error(
            node.place,
            "space.zip",
            message,
            "write `[[space.zip]]` and lists of equal length below it",
        );
        return None;
    };
    let entries = flat(table, written);
    if entries.is_empty() {
        reader.error(
            node.place,
            "space.zip",
            "there are no keys to go side by side",
            "write lists of equal length",
        );
        return None;
    }
    let columns: Vec<Option<(Column, u64)>> =
        entries.iter().map(|entry| column(reader, entry, written, taken)).collect();
    let columns: Vec<(Column, u64)> = columns.into_iter().collect::<Option<_>>()?;
    let len = columns[0].1;
    if let Some((column, other)) = columns.iter().find(|(_, other)| *other != len) {
        let message = format!("{other} values beside {len} of `{}`", columns[0].0.key);
        let hint = "keys that are zipped need equally many values";
        reader.error(column.place, &format!("space.zip.{}", column.key), message, hint);
        return None;
    }
    Some(Axis { columns: columns.into_iter().map(|(column, _)| column).collect(), len, zipped: true })
}

/// One key with its values, and how many they are.
fn column(
    reader: &mut Reader<'_>,
    entry: &Entry,
    written: &Written,
    taken: &mut Vec<(Address, String)>,
) -> Option<(Column, u64)> {
    let path = format!("space.{}", entry.key);
    let address = match written.find(&entry.key) {
        Ok(address) => address,
        Err((message, hint)) => {
            reader.error(entry.place, &path, message, hint);
            return None;
        }
    };
    if let Some(why) = not_an_axis(address) {
        reader.error(entry.place, &path, "this key cannot be an axis", why);
        return None;
    }
    if let Some((_, other)) = taken.iter().find(|(other, _)| *other == address) {
        let message = if *other == entry.key {
            "this key is an axis already".into()
        } else {
            format!("this is the key `{other}`, which is an axis already")
        };
        reader.error(entry.place, &path, message, "keep one of them");
        return None;
    }
    taken.push((address, entry.key.clone()));
    let key = Written::key(address);
    let (values, len) = match &entry.node.raw {
        Raw::List(items) if items.is_empty() => {
            reader.error(
                entry.node.place,
                &path,
                "the list is empty",
                format!("for example `[{}]`", key.example),
            );
            return None;
        }
        Raw::List(items) if !(key.kind == Kind::Ends && matches!(items[0].raw, Raw::Text(_))) => {
            let slots: Vec<Slot> = items
                .iter()
                .map(|item| Slot { value: reader.read(key, &path, item), place: item.place })
                .collect();
            let len = slots.len() as u64;
            (Values::List(slots), len)
        }
        Raw::Table(table) if table.get("log").is_some() => log(reader, key, &path, table, &entry.node)?,
        Raw::Table(table) if is_range(table) => range(reader, key, &path, table, &entry.node)?,
        _ => {
            let message = format!("an axis is expected, not {}", entry.node.raw.what());
            let hint = format!(
                "write a list such as `[{}]`, `{{ from = .., to = .., step = .. }}` or `{{ log = [from, to, points] }}`",
                key.example
            );
            reader.error(entry.node.place, &path, message, hint);
            return None;
        }
    };
    Some((Column { key: entry.key.clone(), address, place: entry.node.place, values }, len))
}

fn not_an_axis(address: Address) -> Option<&'static str> {
    match (address, Written::key(address).name) {
        (Address::Root(_), "name") => Some("the name is no part of a deployment"),
        (Address::Root(_), "seed") => {
            Some("all deployments meet the same chance; set another seed for another run")
        }
        (Address::Link(..), "between") => {
            Some("write one `[[link]]` per pair of tiers; those that are not used do no harm")
        }
        _ => None,
    }
}

/// A number of a range, read as a value of the key.
fn end(reader: &mut Reader<'_>, key: &Key, path: &str, node: &Node) -> Option<f64> {
    match reader.read(key, path, node) {
        Value::Bad => None,
        value => {
            let number = to_number(&value);
            if number.is_none() {
                let message =
                    format!("a range is of numbers, not of {}", noun(key.kind).trim_start_matches("a "));
                reader.error(node.place, path, message, format!("write a list such as `[{}]`", key.example));
            }
            number
        }
    }
}

fn range(
    reader: &mut Reader<'_>,
    key: &Key,
    path: &str,
    table: &Table,
    node: &Node,
) -> Option<(Values, u64)> {
    let mut fine = true;
    for entry in &table.entries {
        if !["from", "to", "step"].contains(&entry.key.as_str()) {
            reader.error(
                entry.place,
                &format!("{path}.{}", entry.key),
                "unknown key",
                did_you_mean(&entry.key, &["from", "to", "step", "log"]),
            );
            fine = false;
        }
    }
    let numeric = from_number(key.kind, 1.0).is_some();
    if !numeric {
        let message = format!("{} has no range", noun(key.kind));
        reader.error(node.place, path, message, format!("write a list such as `[{}]`", key.example));
        return None;
    }
    let mut part = |name: &str, key: &Key| match table.get(name) {
        Some(entry) => end(reader, key, &format!("{path}.{name}"), &entry.node),
        None => {
            reader.error(
                node.place,
                path,
                format!("`{name}` is missing"),
                "write `{ from = .., to = .., step = .. }`",
            );
            None
        }
    };
    // A step is a distance: the key's own limits are those of its ends.
    let distance = Key {
        kind: match key.kind {
            Kind::Count { .. } => Kind::Count { min: 0, max: u64::MAX },
            Kind::Share { .. } => Kind::Share { zero: true, one: true },
            Kind::Size { .. } => Kind::Size { zero: true },
            Kind::Time { max, .. } => Kind::Time { zero: true, max },
            other => other,
        },
        ..*key
    };
    let (from, to, step) = (part("from", key), part("to", key), part("step", &distance));
    let (from, to, step) = (from?, to?, step?);
    let step_place = table.get("step").map_or(node.place, |entry| entry.node.place);
    if step <= 0.0 {
        reader.error(
            step_place,
            &format!("{path}.step"),
            "the step is zero",
            "write a step greater than zero",
        );
        return None;
    }
    if from > to {
        reader.error(node.place, path, "`from` is greater than `to`", "write the smaller value as `from`");
        return None;
    }
    let count = ((to - from) / step * (1.0 + 1e-12) + 1e-9).floor() + 1.0;
    if count > MOST_VALUES as f64 {
        let message = format!("the axis has {count:.1e} values");
        reader.error(
            node.place,
            path,
            message,
            format!("the largest number is {MOST_VALUES}: write a larger step"),
        );
        return None;
    }
    fine.then_some((Values::Range { from, to, step }, count as u64))
}

fn log(reader: &mut Reader<'_>, key: &Key, path: &str, table: &Table, node: &Node) -> Option<(Values, u64)> {
    let hint = "write `{ log = [from, to, points] }`";
    if let Some(entry) = table.entries.iter().find(|entry| entry.key != "log") {
        reader.error(entry.place, &format!("{path}.{}", entry.key), "this key does not go with `log`", hint);
        return None;
    }
    let entry = table.get("log").expect("the caller looked");
    let path = format!("{path}.log");
    let Raw::List(parts) = &entry.node.raw else {
        reader.error(
            entry.node.place,
            &path,
            format!("a list is expected, not {}", entry.node.raw.what()),
            hint,
        );
        return None;
    };
    let [from_node, to_node, points] = parts.as_slice() else {
        reader.error(
            entry.node.place,
            &path,
            format!("three values are expected, not {}", parts.len()),
            hint,
        );
        return None;
    };
    const POINTS: Key = Key {
        name: "points",
        kind: Kind::Count { min: 2, max: MOST_LOG_VALUES },
        default: Absent::Needed,
        doc: "",
        example: "7",
    };
    if from_number(key.kind, 1.0).is_none() {
        let message = format!("{} has no range", noun(key.kind));
        reader.error(node.place, &path, message, format!("write a list such as `[{}]`", key.example));
        return None;
    }
    let (from, to) = (end(reader, key, &path, from_node), end(reader, key, &path, to_node));
    let Value::Count(points) = reader.read(&POINTS, &path, points) else { return None };
    let (from, to) = (from?, to?);
    if from <= 0.0 || from >= to {
        let message = "equal ratios lead from a value greater than zero to a greater one";
        reader.error(entry.node.place, &path, message, "write the smaller value first");
        return None;
    }
    let mut values: Vec<Slot> = Vec::new();
    for i in 0..points {
        let share = i as f64 / (points - 1) as f64;
        let number = match i {
            0 => from,
            i if i == points - 1 => to,
            _ => rounded(from * (to / from).powf(share)),
        };
        let value = from_number(key.kind, number)?;
        // Whole numbers close together round to the same one.
        if values.last().is_none_or(|last| last.value != value) {
            values.push(Slot { value, place: entry.node.place });
        }
    }
    let len = values.len() as u64;
    let (from, to) = (from_number(key.kind, from)?, from_number(key.kind, to)?);
    Some((Values::Log { values, from, to, points }, len))
}

/// What a name in `where` means.
#[derive(Clone, Debug)]
enum Variable {
    /// What is written there, else the default.
    Slot(Address, Scalar),
    /// Worker processes of a tier.
    TierWorkers(usize),
    /// A key of `[deploy]` that falls back to the same key of the target tier.
    OfTarget {
        deploy: usize,
        tier: usize,
        default: Scalar,
    },
    DeployWorkers,
    /// A property of one direction of a link, whatever says it.
    Direction {
        link: usize,
        up: bool,
        property: Property,
    },
}

#[derive(Clone, Copy, Debug)]
enum Property {
    Latency,
    Jitter,
    Rate,
    Loss,
    Window,
}

fn read_conditions(reader: &mut Reader<'_>, node: &Node, written: &Written) -> Vec<Where> {
    let mut found: Vec<(String, Variable)> = Vec::new();
    let mut resolve = |path: &str| {
        let (variable, kind) = variable(path, written)?;
        found.push((path.into(), variable));
        Ok(kind)
    };
    let conditions = goal::conditions(reader, "space.where", node, &mut resolve);
    let variables = |condition: &Condition| {
        let known =
            |name: &String| found.iter().find(|(path, _)| path == name).map(|(_, variable)| variable.clone());
        condition.names().iter().filter_map(known).collect()
    };
    conditions.into_iter().map(|condition| Where { variables: variables(&condition), condition }).collect()
}

fn variable(path: &str, written: &Written) -> Result<(Variable, Type), (String, String)> {
    let address = written.find(path)?;
    let key = Written::key(address);
    let infinite = Scalar::Number(f64::INFINITY);
    let kind = match key.kind {
        Kind::Count { .. } | Kind::Queue => Type::Whole,
        Kind::Choice(_) | Kind::Tier | Kind::Name | Kind::Text | Kind::Preset => Type::Text,
        Kind::Power | Kind::Ends | Kind::Arrivals => {
            let known = "write conditions over numbers and words";
            return Err(("this key is neither a number nor a word".into(), known.into()));
        }
        _ => Type::Number,
    };
    const WORKERS: usize = index(TIER, "workers");
    let variable = match (address, key.name) {
        (Address::Tier(at, WORKERS), _) => Variable::TierWorkers(at),
        (Address::Deploy(_), "workers") => Variable::DeployWorkers,
        (Address::Deploy(deploy), "balance") => Variable::OfTarget {
            deploy,
            tier: const { index(TIER, "balance") },
            default: Scalar::Text("static".into()),
        },
        (Address::Deploy(deploy), "queue") => {
            Variable::OfTarget { deploy, tier: const { index(TIER, "queue") }, default: infinite }
        }
        (Address::Deploy(deploy), "drop") => Variable::OfTarget {
            deploy,
            tier: const { index(TIER, "drop") },
            default: Scalar::Text("newest".into()),
        },
        (Address::Link(link, _) | Address::Up(link, _) | Address::Down(link, _), name)
            if ["latency", "jitter", "rate", "loss", "window"].contains(&name) =>
        {
            let property = match name {
                "latency" => Property::Latency,
                "jitter" => Property::Jitter,
                "rate" => Property::Rate,
                "loss" => Property::Loss,
                _ => Property::Window,
            };
            Variable::Direction { link, up: !matches!(address, Address::Down(..)), property }
        }
        _ => {
            let default = match (written.get(address).map(|slot| &slot.value), key.default) {
                // The slot may be an axis and change, but it is always there.
                (Some(_), _) => Scalar::Number(f64::NAN),
                (None, Absent::Value(text)) => scalar_of_default(key, text),
                (None, _) if ["memory", "outstanding", "deadline"].contains(&key.name) => infinite,
                (None, _) => {
                    let given: Vec<&str> =
                        ROOT.iter().map(|key| key.name).filter(|name| path == *name).collect();
                    let hint = match given.as_slice() {
                        [_] => "`duration` and `requests` say the same thing: name the one that is given",
                        _ => "give it in the file or as an axis",
                    };
                    return Err(("this key is not given and has no default".into(), hint.into()));
                }
            };
            Variable::Slot(address, default)
        }
    };
    Ok((variable, kind))
}

/// The defaults that are written in the table, read as any value is.
fn scalar_of_default(key: &Key, text: &str) -> Scalar {
    let presets = offing_core::Presets::new();
    let files = |_: &str| Err(String::new());
    let mut reader = Reader::new(crate::raw::Sources::new("default", text), &presets, &files);
    let node = crate::raw::parse_value(text);
    scalar(&reader.read(key, key.name, &node)).unwrap_or(Scalar::Number(f64::NAN))
}

fn scalar(value: &Value) -> Option<Scalar> {
    Some(match value {
        Value::Text(text) | Value::Preset(text, _) => Scalar::Text(text.to_string()),
        Value::Choice(word) => Scalar::Text((*word).into()),
        Value::Count(count) => Scalar::Number(*count as f64),
        Value::Number(number) => Scalar::Number(*number),
        Value::Span(span) => Scalar::Number(span.as_secs_f64()),
        Value::Distribution(distribution) => Scalar::Number(mean(distribution)),
        Value::Rate(rate) => Scalar::Number(rate_bit_s(rate)),
        Value::Queue(limit) => Scalar::Number(limit.map_or(f64::INFINITY, f64::from)),
        Value::Bad | Value::Arrivals(_) | Value::Power(_) | Value::Ends(_) => return None,
    })
}

impl Where {
    fn holds(&self, written: &Written) -> bool {
        self.condition.holds(&|at| Some(self.variables[at].value(written))).expect("every name has a value")
    }
}

impl Variable {
    fn value(&self, written: &Written) -> Scalar {
        let of = |slot: Option<&Slot>| slot.and_then(|slot| scalar(&slot.value));
        match self {
            Variable::Slot(address, default) => of(written.get(*address)).unwrap_or_else(|| default.clone()),
            Variable::TierWorkers(tier) => Scalar::Number(f64::from(workers(&written.tiers[*tier]))),
            Variable::DeployWorkers => {
                const WORKERS: usize = index(DEPLOY, "workers");
                of(written.get(Address::Deploy(WORKERS))).unwrap_or_else(|| {
                    Scalar::Number(
                        target(written).map_or(f64::NAN, |tier| f64::from(workers(&written.tiers[tier]))),
                    )
                })
            }
            Variable::OfTarget { deploy, tier, default } => of(written.get(Address::Deploy(*deploy)))
                .or_else(|| of(written.get(Address::Tier(target(written)?, *tier))))
                .unwrap_or_else(|| default.clone()),
            Variable::Direction { link, up, property } => {
                let link = &written.links[*link];
                let direction = direction(&link.keys, if *up { &link.up } else { &link.down }, *up);
                Scalar::Number(match property {
                    Property::Latency => direction.latency.as_secs_f64(),
                    Property::Jitter => direction.jitter.as_secs_f64(),
                    Property::Rate => rate_bit_s(&direction.rate),
                    Property::Loss => direction.loss,
                    Property::Window => direction.window_bytes.unwrap_or(f64::INFINITY),
                })
            }
        }
    }
}

/// The written tier that the target is made of: a peer endpoint that is not declared is like the endpoints.
fn target(written: &Written) -> Option<usize> {
    const TARGET: usize = index(DEPLOY, "target");
    let Some(Value::Text(name)) = written.get(Address::Deploy(TARGET)).map(|slot| &slot.value) else {
        return None;
    };
    written.tier(name).or_else(|| (&**name == "mist").then(|| written.tier("endpoint")).flatten())
}

/// Warns where an offloaded request would meet no network at all.
pub(crate) fn warn_unshaped(reader: &mut Reader<'_>, draft: &Draft, written: &Written) {
    const TARGET: usize = index(DEPLOY, "target");
    let mut targets: Vec<(Arc<str>, Place, &str)> = Vec::new();
    if let Some(Slot { value: Value::Text(name), place }) = written.get(Address::Deploy(TARGET)) {
        targets.push((Arc::clone(name), *place, "deploy.target"));
    }
    targets.extend(draft.targets().map(|(name, place)| (name, place, "space.deploy.target")));
    let joins = |ends: &[Arc<str>; 2], target: &str| {
        let [a, b] = [&*ends[0], &*ends[1]];
        [a, b] == ["endpoint", target]
            || [a, b] == [target, "endpoint"]
            || target == "mist" && a == "endpoint" && a == b
    };
    let mut warned: Vec<Arc<str>> = Vec::new();
    for (target, place, key) in targets {
        let linked =
            (0..written.links.len()).any(|at| written.link_ends(at).is_some_and(|ends| joins(ends, &target)));
        if &*target == "endpoint" || linked || warned.contains(&target) {
            continue;
        }
        let message = format!(
            "there is no link between {}: what is sent arrives at once",
            list(&["endpoint", &target], "and")
        );
        let hint = format!(
            "write a `[[link]]` with `between = [\"endpoint\", \"{target}\"]`; without other keys it says that this is meant"
        );
        reader.warn(place, key, message, hint);
        warned.push(target);
    }
}
