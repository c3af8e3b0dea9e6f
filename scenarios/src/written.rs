//! What a file says, key by key, each value read but no default filled in.
//!
//! An axis of a design space replaces one slot here; [`crate::build`] turns the whole into a deployment.

use std::sync::Arc;

use crate::keys::{APP, DEPLOY, DIRECTION, Key, LINK, ROOT, STAGE, TIER};
use crate::raw::Place;
use crate::value::{Value, did_you_mean, list};

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub value: Value,
    pub place: Place,
}

/// One slot per key of a table in [`crate::keys`], in its order. Shared until it is changed, because every
/// deployment of a design space begins as a copy of all sections and changes a few slots.
pub(crate) type Section = Arc<Vec<Option<Slot>>>;

/// A section without values.
pub(crate) fn no_values(keys: &[Key]) -> Section {
    Arc::new(vec![None; keys.len()])
}

/// A section that stands under a heading of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// For tiers; empty elsewhere.
    pub name: Arc<str>,
    pub place: Place,
    pub keys: Section,
}

/// A link, and what is said of its directions alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WrittenLink {
    pub place: Place,
    pub keys: Section,
    pub up: Section,
    pub down: Section,
}

/// Everything but the design space and the goal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub root: Section,
    /// Nothing where the table is not there at all.
    pub app: Option<Part>,
    pub stages: Vec<Part>,
    pub tiers: Vec<Part>,
    pub links: Vec<WrittenLink>,
    pub deploy: Part,
}

/// Which slot a key path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Root(usize),
    App(usize),
    Stage(usize, usize),
    Tier(usize, usize),
    Link(usize, usize),
    Up(usize, usize),
    Down(usize, usize),
    Deploy(usize),
}

impl Part {
    pub fn empty(keys: &[Key], name: &str, place: Place) -> Self {
        Part { name: name.into(), place, keys: no_values(keys) }
    }
}

impl Written {
    pub fn empty() -> Self {
        Written {
            root: no_values(ROOT),
            app: None,
            stages: Vec::new(),
            tiers: Vec::new(),
            links: Vec::new(),
            deploy: Part::empty(DEPLOY, "", Place::default()),
        }
    }

    /// The table entry that an address falls under.
    pub fn key(address: Address) -> &'static Key {
        match address {
            Address::Root(key) => &ROOT[key],
            Address::App(key) => &APP[key],
            Address::Stage(_, key) => &STAGE[key],
            Address::Tier(_, key) => &TIER[key],
            Address::Link(_, key) => &LINK[key],
            Address::Up(_, key) | Address::Down(_, key) => &DIRECTION[key],
            Address::Deploy(key) => &DEPLOY[key],
        }
    }

    pub fn get(&self, address: Address) -> Option<&Slot> {
        match address {
            Address::Root(key) => self.root[key].as_ref(),
            Address::App(key) => self.app.as_ref().and_then(|app| app.keys[key].as_ref()),
            Address::Stage(at, key) => self.stages[at].keys[key].as_ref(),
            Address::Tier(at, key) => self.tiers[at].keys[key].as_ref(),
            Address::Link(at, key) => self.links[at].keys[key].as_ref(),
            Address::Up(at, key) => self.links[at].up[key].as_ref(),
            Address::Down(at, key) => self.links[at].down[key].as_ref(),
            Address::Deploy(key) => self.deploy.keys[key].as_ref(),
        }
    }

    pub fn set(&mut self, address: Address, slot: Slot) {
        let section = match address {
            Address::Root(_) => &mut self.root,
            Address::App(_) => &mut self.app.get_or_insert_with(|| Part::empty(APP, "", slot.place)).keys,
            Address::Stage(at, _) => &mut self.stages[at].keys,
            Address::Tier(at, _) => &mut self.tiers[at].keys,
            Address::Link(at, _) => &mut self.links[at].keys,
            Address::Up(at, _) => &mut self.links[at].up,
            Address::Down(at, _) => &mut self.links[at].down,
            Address::Deploy(_) => &mut self.deploy.keys,
        };
        let (Address::Root(key)
        | Address::App(key)
        | Address::Stage(_, key)
        | Address::Tier(_, key)
        | Address::Link(_, key)
        | Address::Up(_, key)
        | Address::Down(_, key)
        | Address::Deploy(key)) = address;
        Arc::make_mut(section)[key] = Some(slot);
        // The two say the same thing in two ways, so the later replaces the other.
        const DURATION: usize = crate::keys::index(ROOT, "duration");
        const REQUESTS: usize = crate::keys::index(ROOT, "requests");
        match address {
            Address::Root(DURATION) => Arc::make_mut(&mut self.root)[REQUESTS] = None,
            Address::Root(REQUESTS) => Arc::make_mut(&mut self.root)[DURATION] = None,
            _ => {}
        }
    }

    pub fn tier(&self, name: &str) -> Option<usize> {
        self.tiers.iter().position(|tier| &*tier.name == name)
    }

    /// Finds the slot that a path such as `tier.edge.cores` or `link.endpoint-cloud.latency` means, or says
    /// what is wrong with the path and what to write instead.
    pub fn find(&self, path: &str) -> Result<Address, (String, String)> {
        let parts: Vec<&str> = path.split('.').map(|part| part.trim_matches('"')).collect();
        let last = *parts.last().expect("a split has at least one part");
        let key = |keys: &[Key]| {
            keys.iter().position(|key| key.name == last).ok_or_else(|| {
                let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
                ("unknown key".to_string(), did_you_mean(last, &known))
            })
        };
        let rest_unknown = |inside: &str| {
            let hint = format!("an axis replaces a whole key: give values for `{inside}`");
            Err(("this is not a key of its own".to_string(), hint))
        };
        match parts.as_slice() {
            [_] => {
                if ["app", "tier", "link", "deploy"].contains(&last) {
                    return Err((
                        "this is a table, not a key".into(),
                        format!("name a key in it, for example `{}`", example_in(last)),
                    ));
                }
                key(ROOT).map(Address::Root)
            }
            ["app", "stage", which, _] => Ok(Address::Stage(self.find_stage(which)?, key(STAGE)?)),
            ["app", "stage", ..] => {
                Err(("this is not a key".into(), "write for example `app.stage.0.work`".into()))
            }
            ["app", _] => key(APP).map(Address::App),
            ["tier", name, _] => {
                let at = self.tier(name).ok_or_else(|| {
                    let known: Vec<&str> = self.tiers.iter().map(|tier| &*tier.name).collect();
                    let hint = match crate::value::nearest(name, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("declare it as `[tier.{name}]`; there are {}", list(&known, "and")),
                    };
                    (format!("there is no tier `{name}`"), hint)
                })?;
                Ok(Address::Tier(at, key(TIER)?))
            }
            ["tier", ..] if parts.len() < 3 => {
                Err(("this is not a key".into(), "write for example `tier.edge.nodes`".into()))
            }
            ["link", which, "up", _] => Ok(Address::Up(self.find_link(which)?, key(DIRECTION)?)),
            ["link", which, "down", _] => Ok(Address::Down(self.find_link(which)?, key(DIRECTION)?)),
            ["link", which, _] => Ok(Address::Link(self.find_link(which)?, key(LINK)?)),
            ["link", ..] => Err((
                "this is not a key".into(),
                "write for example `link.0.latency` or `link.endpoint-cloud.latency`".into(),
            )),
            ["deploy", _] => key(DEPLOY).map(Address::Deploy),
            ["app" | "deploy", name, ..] => rest_unknown(&format!("{}.{name}", parts[0])),
            ["tier", tier, name, ..] => rest_unknown(&format!("tier.{tier}.{name}")),
            [first, ..] => {
                let known = ["app", "tier", "link", "deploy"];
                Err((format!("there is no table `{first}`"), did_you_mean(first, &known)))
            }
            [] => unreachable!("a split has at least one part"),
        }
    }

    fn find_stage(&self, which: &str) -> Result<usize, (String, String)> {
        const NAME: usize = crate::keys::index(STAGE, "name");
        let found = match which.parse::<usize>() {
            Ok(at) => (at < self.stages.len()).then_some(at),
            Err(_) => self.stages.iter().position(
                |stage| matches!(&stage.keys[NAME], Some(Slot { value: Value::Text(name), .. }) if &**name == which),
            ),
        };
        found.ok_or_else(|| {
            (
                format!("there is no stage `{which}`"),
                format!("stages are counted from 0, and there are {}", self.stages.len()),
            )
        })
    }

    fn find_link(&self, which: &str) -> Result<usize, (String, String)> {
        let found = match which.parse::<usize>() {
            Ok(at) => (at < self.links.len()).then_some(at),
            Err(_) => (0..self.links.len()).find(|at| {
                self.link_ends(*at)
                    .is_some_and(|[a, b]| which == format!("{a}-{b}") || which == format!("{b}-{a}"))
            }),
        };
        found.ok_or_else(|| {
            let names: Vec<String> = (0..self.links.len()).map(|at| self.link_name(at)).collect();
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            (format!("there is no link `{which}`"), format!("there are {}", list(&known, "and")))
        })
    }

    pub fn link_ends(&self, at: usize) -> Option<&[Arc<str>; 2]> {
        const BETWEEN: usize = crate::keys::index(LINK, "between");
        match self.links[at].keys[BETWEEN].as_ref().map(|slot| &slot.value) {
            Some(Value::Ends(ends)) => Some(ends),
            _ => None,
        }
    }

    /// `endpoint-cloud`, or its number.
    pub fn link_name(&self, at: usize) -> String {
        self.link_ends(at).map_or_else(|| at.to_string(), |[a, b]| format!("{a}-{b}"))
    }
}

fn example_in(table: &str) -> &'static str {
    match table {
        "app" => "app.rate",
        "tier" => "tier.edge.nodes",
        "link" => "link.0.latency",
        _ => "deploy.target",
    }
}
