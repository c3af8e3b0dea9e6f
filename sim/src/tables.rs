//! Tables that many deployments have in common, made once. Making one costs as much as ten thousand samples.

use std::collections::HashMap;

use offing_core::{Arrivals, Direction, Distribution};
use offing_models::{Delay, Sampler, Transport};

use crate::key::Key;

/// All tables so far. What they hold does not depend on what was asked before.
#[derive(Default)]
pub(crate) struct Tables {
    samplers: HashMap<Key, Sampler>,
    gaps: HashMap<Key, (Sampler, Sampler)>,
    delays: HashMap<Key, Delay>,
}

/// Tables of a kind that are kept; then all are forgotten, so that memory stays bounded.
const MOST: usize = 1024;

fn keep<V: Clone>(kept: &mut HashMap<Key, V>, key: Key, make: impl FnOnce() -> V) -> V {
    if kept.len() >= MOST {
        kept.clear();
    }
    kept.entry(key).or_insert_with(make).clone()
}

impl Tables {
    /// [`Sampler::new`].
    pub(crate) fn sampler(&mut self, distribution: &Distribution, unit: f64) -> Sampler {
        if let Distribution::Constant(_) = distribution {
            return Sampler::new(distribution, unit);
        }
        let key = Key::of_distribution(distribution, unit);
        keep(&mut self.samplers, key, || Sampler::new(distribution, unit))
    }

    /// The first gap and the others of a renewal process; nothing for other arrivals.
    pub(crate) fn gaps(&mut self, rate_hz: f64, arrivals: &Arrivals) -> Option<(Sampler, Sampler)> {
        let make: &dyn Fn() -> (Sampler, Sampler) = match arrivals {
            Arrivals::Poisson => &|| {
                let gap = Sampler::poisson_gap(rate_hz);
                (gap.clone(), gap)
            },
            Arrivals::Bursts { on, off } => {
                &|| (Sampler::burst_first_gap(rate_hz, *on, *off), Sampler::burst_gap(rate_hz, *on, *off))
            }
            _ => return None,
        };
        Some(keep(&mut self.gaps, Key::of_arrivals(rate_hz, arrivals), make))
    }

    /// [`Delay::new`].
    pub(crate) fn delay(&mut self, direction: &Direction, transport: &Transport) -> Delay {
        keep(&mut self.delays, Key::of_direction(direction), || Delay::new(direction, transport))
    }
}
