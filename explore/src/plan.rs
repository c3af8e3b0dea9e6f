//! An exploration before anything is computed: what is asked, and how the work is divided.

use std::ops::Range;

use offing_core::Deployment;
use offing_models::ModelSet;
use offing_scenarios::{Excluded, Goal, Scenario, Walk, canonical, infeasible};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::race::Race;
use crate::{ExploreError, Judge, Metrics, Points, Screen};

/// Changes with everything that changes a byte of a unit file or of a result, beside the version.
pub const FORMAT: u32 = 5;

/// What is to be small where the goal does not say.
pub(crate) const MINIMISED: [&str; 2] = ["latency_p95_ms", "cost_usd_per_hour"];

/// A file that the scenario names, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As the scenario names it.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Everything that decides the result, as it is written beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// Name of the scenario.
    pub name: String,
    /// SHA-256 of the canonical scenario, in hexadecimal digits.
    pub scenario: String,
    /// The files that the scenario names, with their SHA-256.
    pub inputs: Vec<(String, String)>,
    /// Name and hash of the model parameters.
    pub models: String,
    /// SHA-256 of the model parameters.
    pub models_hash: String,
    /// Where chance begins.
    pub seed: u64,
    /// Whether every deployment is simulated for its whole duration, without a race.
    pub is_exact: bool,
}

impl Identity {
    /// SHA-256 over all of it.
    pub fn fingerprint(&self) -> [u8; 32] {
        let text = serde_json::to_string(self).expect("plain data");
        Sha256::digest(text).into()
    }

    /// What is different in another one, as a sentence; nothing if they are equal.
    pub fn difference(&self, other: &Identity) -> Option<String> {
        let differs = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| {
            Some(format!("its {what} is `{a}`, and `{b}` is asked for"))
        };
        if self.version != other.version || self.format != other.format {
            return differs(
                "version",
                &format!("{} (format {})", self.version, self.format),
                &format!("{} (format {})", other.version, other.format),
            );
        }
        if self.seed != other.seed {
            return differs("seed", &self.seed, &other.seed);
        }
        if self.name != other.name {
            return differs("scenario", &self.name, &other.name);
        }
        if self.scenario != other.scenario {
            return Some(format!("its scenario `{}` says something else", self.name));
        }
        if self.inputs != other.inputs {
            return Some("a file that its scenario names had other values".into());
        }
        if self.is_exact != other.is_exact {
            let told = |is_exact: bool| if is_exact { "with `--exact`" } else { "as a race" };
            return Some(format!("it was begun {}, and not {}", told(self.is_exact), told(other.is_exact)));
        }
        (self != other).then(|| format!("its models are `{}`, and not `{}`", self.models, other.models))
    }
}

/// What is asked, ready to be computed.
pub struct Plan<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The models that predict.
    pub models: &'a ModelSet,
    /// The files that the scenario names.
    pub inputs: Vec<Input>,
    /// What decides the result.
    pub identity: Identity,
    /// The canonical text of the scenario.
    pub canonical: String,
    /// The metrics of a row.
    pub metrics: Metrics,
    /// Which deployments are looked at.
    pub points: Points,
    /// What is rejected without simulation.
    pub screen: Screen,
    /// Holds rows against all requirements.
    pub judge: Judge,
    /// The same for each requirement alone.
    pub judges: Vec<Judge>,
    /// Where the metrics that are to be small stand in a row.
    pub minimise: Vec<usize>,
    /// How requirements are decided early; nothing if they are not.
    pub race: Option<Race>,
    pub(crate) fingerprint: [u8; 32],
    unit_len: u64,
}

/// A deployment of the space, or why there is none.
pub enum Looked {
    /// It is to be predicted.
    Deployment(Box<Deployment>),
    /// `where` or a contradiction excludes it, or no engine can run it.
    Excluded(String),
    /// It was rejected: which of [`Screen::texts`], with which number, and how far off.
    Screened(crate::Rejection),
}

impl<'a> Plan<'a> {
    /// A plan for a scenario whose files have these texts.
    ///
    /// # Errors
    /// If the space is too large to be gone through.
    pub fn new(
        scenario: &'a Scenario,
        models: &'a ModelSet,
        inputs: Vec<Input>,
        version: &str,
        is_exact: bool,
    ) -> Result<Plan<'a>, ExploreError> {
        let canonical = canonical(scenario);
        let hash = |text: &str| hex(&Sha256::digest(text));
        let identity = Identity {
            format: FORMAT,
            version: version.into(),
            name: scenario.name.clone(),
            scenario: hash(&canonical),
            inputs: inputs.iter().map(|input| (input.name.clone(), hash(&input.text))).collect(),
            models: models.label(),
            models_hash: models.hash().into(),
            seed: scenario.seed,
            is_exact,
        };
        let points = Points::new(&scenario.space, scenario.seed)?;
        let metrics = Metrics::new(scenario);
        let judge = |require: &[_]| {
            let goal = Goal { require: require.to_vec(), minimise: Vec::new() };
            Judge::new(&goal, metrics.names())
        };
        let Goal { require, minimise } = &scenario.goal;
        let place = |name: &str| metrics.position(name).expect("the goal was checked");
        let minimise: Vec<usize> = match minimise.is_empty() {
            true => MINIMISED.map(place).into(),
            false => minimise.iter().map(|name| place(name)).collect(),
        };
        Ok(Plan {
            scenario,
            models,
            inputs,
            canonical,
            judge: judge(require),
            judges: require.iter().map(|one| judge(std::slice::from_ref(one))).collect(),
            screen: Screen::new(&scenario.goal, models),
            fingerprint: identity.fingerprint(),
            unit_len: unit_len(points.len()),
            race: Race::new(scenario, &metrics, &minimise).filter(|_| !is_exact),
            minimise,
            identity,
            metrics,
            points,
        })
    }

    /// Into how many units the positions are divided.
    pub fn units(&self) -> u64 {
        self.points.len().div_ceil(self.unit_len)
    }

    /// The positions of a unit.
    pub fn positions(&self, unit: u64) -> Range<u64> {
        let start = unit * self.unit_len;
        start..(start + self.unit_len).min(self.points.len())
    }

    /// Sixteen hexadecimal digits that name what is asked.
    pub fn short_fingerprint(&self) -> String {
        hex(&self.fingerprint[..8])
    }

    /// The deployment with these digits, if it has to be simulated.
    pub fn look(&self, digits: &[u64], minima: &mut crate::Minima) -> Looked {
        self.look_on(&mut self.scenario.space.walk(), digits, minima)
    }

    /// The same on a way through the space.
    pub(crate) fn look_on(&self, walk: &mut Walk<'_>, digits: &[u64], minima: &mut crate::Minima) -> Looked {
        let deployment = match walk.at(digits) {
            Ok(deployment) => deployment,
            Err(excluded @ Excluded::Where(_)) => return Looked::Excluded(excluded.to_string()),
            Err(contradiction) => return Looked::Excluded(format!("contradiction: {contradiction}")),
        };
        debug_assert_eq!(infeasible(&deployment).is_empty(), !crate::screen::lacks_memory(&deployment));
        if let Some(refusal) = offing_sim::refusal(&deployment) {
            return Looked::Excluded(format!("cannot be simulated: {refusal}"));
        }
        match self.screen.reject(&deployment, minima) {
            Some(rejection) => Looked::Screened(rejection),
            None => Looked::Deployment(Box::new(deployment)),
        }
    }
}

/// Positions of a unit: a function of their number alone, so that every division into shards and threads makes
/// the same files. A unit is what a killed run loses at most; deployments share work within one, so it is as long as the
/// division among processors allows.
fn unit_len(positions: u64) -> u64 {
    let parts = if positions < 4_096 { 256 } else { 16 };
    (positions / parts).next_power_of_two().clamp(16, 16_384)
}

/// In hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_grow_with_the_space_up_to_a_limit() {
        for (positions, expected) in
            [(1, 16), (4_096, 256), (10_000, 1_024), (1 << 20, 16_384), (1_000_000_000, 16_384)]
        {
            assert_eq!(unit_len(positions), expected, "{positions}");
        }
    }
}
