//! What was found, as `shortlist.json` says it.

use std::collections::BTreeMap;
use std::fmt;

use offing_core::{Deployment, Summary};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of a deployment in its space. In JSON a number, or a text where it has more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u128);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0) {
            Ok(number) => serializer.serialize_u64(number),
            Err(_) => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Number(number.into())),
            Either::Text(text) => text.parse().map(Number).map_err(serde::de::Error::custom),
        }
    }
}

/// The values of the axes, by key, as people read them.
pub type Axes = BTreeMap<String, String>;

/// The result of an exploration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Name of the scenario.
    pub scenario: String,
    /// Where chance began.
    pub seed: u64,
    /// Name and hash of the model parameters.
    pub models: String,
    /// Version of the program.
    pub version: String,
    /// How many numbers there were, and what became of them.
    pub numbers: Numbers,
    /// What was required.
    pub require: Vec<String>,
    /// What was to be small, in order of importance.
    pub minimise: Vec<String>,
    /// What a reader must know before trusting the rest.
    pub notes: Vec<String>,
    /// Feasible deployments that no other one beats in everything that is to be small.
    pub front: u64,
    /// A few of them that stand for all, the most telling first.
    pub shortlist: Vec<Kept>,
    /// The others.
    pub dropped: Dropped,
}

/// What became of the numbers of a space.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// All numbers of the space, as a decimal number.
    pub space: String,
    /// Those that were looked at: all, or the points of a sample.
    pub looked_at: u64,
    /// Points of the sample that repeat an earlier one.
    pub repeated: u64,
    /// No such deployment.
    pub excluded: u64,
    /// Rejected without simulation.
    pub screened: u64,
    /// Predicted, and a requirement is missed.
    pub infeasible: u64,
    /// Predicted, and all requirements are met.
    pub feasible: u64,
    /// Of those predicted: the whole run does not tell whether the requirement of the race is met.
    pub not_distinguishable: u64,
    /// Of those predicted: the row rests on a part of the run.
    pub decided_early: u64,
    /// Of those predicted: decided after a part of the run, and run in full because they might have been on the front.
    #[serde(default)]
    pub refined: u64,
    /// Requests that were simulated, each deployment that shares a lane counted.
    pub requests: u64,
}

/// A deployment that is worth trying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number in the space.
    pub number: Number,
    /// Its id.
    pub id: String,
    /// Its values of the axes.
    pub axes: Axes,
    /// What speaks for it.
    pub why: String,
    /// Deployments of the front with the same metrics.
    pub ties: Ties,
    /// What is predicted.
    pub predicted: Summary,
    /// The whole deployment.
    pub deployment: Deployment,
}

/// Deployments that are as good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ties {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub numbers: Vec<Number>,
}

/// What is not on the front.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many for which reason, the commonest first.
    pub by_reason: Vec<Reason>,
    /// Those that miss the requirements by least, the nearest first.
    pub nearly_feasible: Vec<Near>,
}

/// A reason and how often it was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What became of these deployments.
    pub verdict: String,
    /// Why; `{}` stands for a number.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// The smallest of those numbers; absent where the reason has none.
    pub from: Option<f64>,
    /// The largest of those numbers.
    pub to: Option<f64>,
}

/// A deployment that just misses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// Its number in the space.
    pub number: Number,
    /// Its id.
    pub id: String,
    /// Its values of the axes.
    pub axes: Axes,
    /// The largest miss as a share of its bound.
    pub distance: f64,
    /// Others that are exactly as far.
    pub as_far: u64,
    /// What it misses.
    pub misses: Vec<Missed>,
    /// The resource with the highest load.
    pub bottleneck: String,
    /// The smallest change of one axis that makes it feasible; absent where none was found.
    pub smallest_fix: Option<String>,
    /// What is predicted.
    pub predicted: Summary,
}

/// A requirement that is missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// As it was written.
    pub requirement: String,
    /// The metric that it is about; absent if it is about several.
    pub metric: Option<String>,
    /// Its value, in its unit.
    pub value: Option<f64>,
    /// What it is compared with.
    pub bound: Option<f64>,
    /// By how much it is too far.
    pub by: Option<f64>,
    /// In a sentence.
    pub text: String,
}

/// How an axis moves a metric: `sensitivity.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The keys of the axis.
    pub axis: Vec<String>,
    /// The metric.
    pub metric: String,
    /// Share of the metric's variance that the axis alone explains, 0..1; absent where that cannot be told.
    pub first_order: Option<f64>,
    /// Whether all deployments of the product were predicted.
    pub is_exact: bool,
    /// The lowest mean at a value of the axis, in the unit of the metric.
    pub lowest_mean: Option<f64>,
    /// The highest mean at a value of the axis.
    pub highest_mean: Option<f64>,
    /// How many neighbouring values are taken together.
    pub bin: u64,
}
