//! The way of the requests into the target nodes, and nothing beyond: what all deployments share that differ
//! only in how their targets serve.

use offing_models::Delay;

use super::{Stations, Window, window};
use crate::network::{Network, Variate, Way};
use crate::recorder::Use;
use crate::streams::{Purpose, Streams};

/// All requests of a run in the order in which they enter their nodes, node by node. Times are whole ns.
pub(crate) struct Upstream {
    /// Where each node's requests are, in order of the nodes.
    pub segments: Vec<std::ops::Range<usize>>,
    pub arrived: Vec<f64>,
    pub emitted: Vec<f64>,
    /// How long each was prepared, if that was asked for.
    pub preparation: Vec<f64>,
    endpoint: Vec<u32>,
    index: Vec<u64>,
    /// Requests emitted in the observed span.
    pub offered: u64,
    /// Of the observed requests [ns].
    pub prepare: u128,
    /// Of the observed requests [ns].
    pub uplink: u128,
    /// CPU time of preparation within the observed span [ns].
    pub busy: u128,
    streams: Streams,
}

/// One node's requests, as they come.
#[derive(Clone, Default)]
struct Arrivals {
    arrived: Vec<f64>,
    emitted: Vec<f64>,
    preparation: Vec<f64>,
    endpoint: Vec<u32>,
    index: Vec<u64>,
}

impl Upstream {
    /// Follows all requests up to their nodes; nothing if a station falls behind by more than 78 hours.
    pub(crate) fn new(network: &Network, mean_rate_hz: f64, with_preparation: bool) -> Option<Self> {
        let mut stations = Stations::new(network, None);
        let nodes = vec![Arrivals::default(); network.nodes as usize];
        let mut collected = Collected { nodes, with_preparation, prepare: 0, uplink: 0 };
        let window = window(network, mean_rate_hz);
        let arch = pulp::Arch::new();
        let mut end = 0u64;
        while end < network.until {
            end = end.saturating_add(window).min(network.until);
            arch.dispatch(Window { stations: &mut stations, end, collected: Some(&mut collected) });
            if stations.overflowed {
                return None;
            }
        }
        let Collected { nodes, prepare, uplink, .. } = collected;
        let tally = stations.recorder.finish();
        let mut upstream = Upstream {
            segments: Vec::with_capacity(nodes.len()),
            arrived: Vec::new(),
            emitted: Vec::new(),
            preparation: Vec::new(),
            endpoint: Vec::new(),
            index: Vec::new(),
            offered: tally.counts.offered,
            prepare,
            uplink,
            busy: tally.busy[Use::Prepare as usize],
            streams: network.streams,
        };
        for mut node in nodes {
            let from = upstream.arrived.len();
            upstream.arrived.append(&mut node.arrived);
            upstream.emitted.append(&mut node.emitted);
            upstream.preparation.append(&mut node.preparation);
            upstream.endpoint.append(&mut node.endpoint);
            upstream.index.append(&mut node.index);
            upstream.segments.push(from..upstream.arrived.len());
        }
        Some(upstream)
    }

    /// How many requests there are, those before the observed span included.
    pub(crate) fn len(&self) -> usize {
        self.arrived.len()
    }

    /// A variate of each request [ns].
    pub(crate) fn draw(&self, variate: &Variate) -> Vec<u64> {
        let n = self.len();
        let mut values = vec![0; n];
        let mut words: [Vec<u32>; 4] = Default::default();
        let arch = pulp::Arch::new();
        for start in (0..n).step_by(BLOCK) {
            let range = start..n.min(start + BLOCK);
            let values = &mut values[range.clone()];
            arch.dispatch(Fill { upstream: self, variate, range, words: &mut words, values });
        }
        values
    }

    /// How long a message of `bytes` of each request travels [ns].
    pub(crate) fn delays(&self, delay: &Delay, way: Way, bytes: u64) -> Vec<f64> {
        let requests = self.endpoint.iter().zip(&self.index);
        let first = way as usize;
        let one = |(&endpoint, &index)| {
            let words = self.streams.block(Purpose::Network as u32, endpoint, index);
            delay.sample(words[first], words[first + 1], bytes) as f64
        };
        requests.map(one).collect()
    }
}

/// Requests whose variates are drawn together.
const BLOCK: usize = 4096;

/// Draws one variate of a range of requests.
struct Fill<'f> {
    upstream: &'f Upstream,
    variate: &'f Variate,
    range: std::ops::Range<usize>,
    words: &'f mut [Vec<u32>; 4],
    values: &'f mut [u64],
}

impl pulp::WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Fill { upstream, variate, range, words, values } = self;
        let (endpoint, index) = (&upstream.endpoint[range.clone()], &upstream.index[range]);
        upstream.streams.blocks(variate.slot.purpose, endpoint, index, words);
        variate.fill(&words[variate.slot.word], values);
    }
}

/// What has reached the nodes.
pub(super) struct Collected {
    nodes: Vec<Arrivals>,
    with_preparation: bool,
    prepare: u128,
    uplink: u128,
}

impl Stations<'_, '_> {
    /// Takes the sorted arrivals of a node out of the run.
    pub(super) fn collect(&mut self, node: usize, collected: &mut Collected) {
        let arrivals = &mut collected.nodes[node];
        for entry in &self.scratch.sorted {
            let flight = &self.flights[entry.id as usize];
            if self.recorder.observes(flight.emitted) {
                collected.prepare += u128::from(flight.prepared - flight.emitted);
                collected.uplink += u128::from(entry.time - flight.prepared);
            }
            arrivals.arrived.push(entry.time as f64);
            arrivals.emitted.push(flight.emitted as f64);
            if collected.with_preparation {
                arrivals.preparation.push((flight.prepared - flight.emitted) as f64);
            }
            arrivals.endpoint.push(flight.endpoint);
            arrivals.index.push(flight.index);
            self.vacant.push(entry.id);
        }
    }
}
