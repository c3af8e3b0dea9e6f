//! Predicts one deployment.
//!
//! [`simulate`] runs the requests of a deployment one by one, to the nanosecond, and returns the same record
//! as a measurement does. Two engines share one meaning:
//! - *stations*: exact and fast, without an event list, for everything that flows one way;
//! - *events*: general, with a total order of events; also balancing by state and closed loops.
//!
//! Guarantees:
//! - Where both engines apply they give the same requests, all five parts of each equal as integers.
//! - Equal deployments, models and seeds give equal bytes on every machine, in every build, on any number of
//!   threads.
//! - Every random number has an address (seed, purpose, entity, index): a node more moves no other stream, and
//!   two deployments meet the same arrivals and the same work.
//! - Memory does not grow with the number of requests, only with those under way at once.
//!
//! Nothing here knows the scenario file, goals, threads, the wall clock or the disk.

mod calendar;
mod estimate;
mod events;
mod key;
mod lanes;
mod network;
mod node;
mod recorder;
mod report;
pub mod start;
mod stations;
mod streams;
mod tables;

use offing_core::{Demand, Deployment, Engine, Request, Run};
use offing_models::ModelSet;

pub use estimate::Estimate;
pub use lanes::{Above, Sweep};
use network::Network;
pub use network::refusal;
pub use report::{CALM, is_stable, relaxation_requests};

/// For benches only.
#[doc(hidden)]
pub mod bench {
    pub use crate::calendar::Calendar;
}

/// How to run.
#[derive(Default)]
pub struct Options<'o> {
    /// The engine; nothing takes the fast one where it applies.
    pub engine: Option<Engine>,
    /// Hears of every single request, also of those that are not observed, in no particular order.
    pub observer: Option<&'o mut dyn FnMut(Request)>,
}

/// Predicts a deployment with the engine that fits.
///
/// # Panics
/// If [`refusal`] has a reason against the deployment.
pub fn simulate(deployment: &Deployment, models: &ModelSet, seed: u64) -> Run {
    simulate_with(deployment, models, seed, Options::default())
}

/// Whether the station engine can run a deployment.
pub fn stations_apply(deployment: &Deployment) -> bool {
    stations::applies(deployment)
}

/// Predicts a deployment.
///
/// # Panics
/// If [`refusal`] has a reason against the deployment, or if the engine is asked for and cannot run it.
pub fn simulate_with(deployment: &Deployment, models: &ModelSet, seed: u64, options: Options<'_>) -> Run {
    assert_eq!(refusal(deployment), None, "the caller asks first");
    let (asked, deployment) = (deployment, &*models.effective(deployment));
    let network = Network::new(deployment, models, seed);
    let Options { engine, mut observer } = options;
    let by_events = |observer| (Engine::Events, events::run(&network, observer).0);
    let (engine, tally) = match engine {
        Some(Engine::Events) => by_events(observer),
        Some(Engine::Measured) => panic!("a measurement is not simulated"),
        None if !stations::applies(deployment) => by_events(observer),
        wanted => {
            assert!(stations::applies(deployment), "the station engine cannot run this deployment");
            let rate = deployment.app.rate_hz;
            match stations::run(&network, observer.as_mut().map(|o| &mut **o as _), rate) {
                Some(tally) => (Engine::Stations, tally),
                None => {
                    assert!(wanted.is_none(), "a station fell behind by more than 78 hours");
                    by_events(observer)
                }
            }
        }
    };
    report::run(asked, deployment, models, seed, engine, tally)
}

/// The requests that each endpoint emits in a run with this seed, in order: what [`simulate`] serves. With
/// them a measurement can meet the same arrivals and the same work as its prediction. Nothing if an endpoint
/// waits for answers before it emits more (`app.outstanding`): then nobody knows them in advance.
///
/// # Panics
/// If [`refusal`] has a reason against the deployment.
pub fn demand(deployment: &Deployment, models: &ModelSet, seed: u64) -> Option<Vec<Vec<Demand>>> {
    assert_eq!(refusal(deployment), None, "the caller asks first");
    let network = Network::new(deployment, models, seed);
    if network.outstanding.is_some() {
        return None;
    }
    Some((0..network.endpoints).map(|endpoint| network.demand(endpoint)).collect())
}

/// Number of events that the event engine handles in a run; for benches.
pub fn count_events(deployment: &Deployment, models: &ModelSet, seed: u64) -> u64 {
    events::run(&Network::new(&models.effective(deployment), models, seed), None).1
}
