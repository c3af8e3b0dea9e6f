//! Load: demand over capacity of everything that a request passes. The largest is the bottleneck.
//!
//! ```text
//! target    rate x endpoints x mean work / (min(workers, cores) x quota x speed)      per target node
//! endpoint  rate x (mean preparation + mean work of its stages) / (quota x speed)     one process
//! link      rate x messages x 8 x mean bytes / rate of the link                       per direction and scope
//! ```
//!
//! | symbol | meaning | unit |
//! |---|---|---|
//! | rate | requests per endpoint | 1/s |
//! | endpoints | that one target node serves: with static balance the node with the most, ceil(E / T); otherwise E / T | 1 |
//! | work | CPU time at speed 1 | s |
//! | messages | endpoints whose messages share the rate: scope `node`: 1 upwards, as the target's endpoints downwards; scope `pair`: 1, or 1/T with a balance that goes round; scope `tier`: all | 1 |
//!
//! At 1 or more an unbounded queue grows for ever. With `outstanding` the endpoints send less than their rate,
//! and with a bounded queue some requests are lost, so these loads are what is asked for, not what is served.
//!
//! Left out: variation (see `queueing`), the system's own CPU time, unequal endpoints of a trace.
//! Source: utilization law (P. J. Denning, J. P. Buzen, The operational analysis of queueing network models,
//! ACM Computing Surveys 10, 1978); the first formula with quota is Continuum's (M. Jansen et al., The
//! SPEC-RG reference architecture for the compute continuum, CCGrid 2023), per core there and per worker here.

use offing_core::{Balance, Deployment, Direction, Scope};

use crate::distribution::mean;
use crate::link::{Transmission, Transport};

/// Demand over capacity of each resource on the way; 0 for one that is not used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loads {
    /// CPU time of an endpoint, when requests leave it.
    pub endpoint: f64,
    /// The busiest link towards the target.
    pub uplink: f64,
    /// CPU time of the busiest target node: `load` of the results. For requests that stay at the endpoint that
    /// is the endpoint.
    pub target: f64,
    /// The busiest link back.
    pub downlink: f64,
}

/// What can be a bottleneck, in the order in which a request passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// CPU time of the endpoints.
    Endpoint,
    /// The link towards the target.
    Uplink,
    /// CPU time of the targets.
    Target,
    /// The link back.
    Downlink,
}

impl Resource {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Endpoint => "endpoint",
            Resource::Uplink => "uplink",
            Resource::Target => "target",
            Resource::Downlink => "downlink",
        }
    }
}

impl Loads {
    /// The resource with the highest load, the earlier on the way among equals, and its load.
    pub fn bottleneck(&self) -> (Resource, f64) {
        let mut highest = (Resource::Endpoint, self.endpoint);
        for (resource, load) in [
            (Resource::Uplink, self.uplink),
            (Resource::Target, self.target),
            (Resource::Downlink, self.downlink),
        ] {
            if load > highest.1 {
                highest = (resource, load);
            }
        }
        highest
    }

    /// Whether every load is below 1.
    pub fn is_stable(&self) -> bool {
        self.bottleneck().1 < 1.0
    }
}

/// The loads of a deployment.
pub fn loads(deployment: &Deployment, transport: &Transport) -> Loads {
    let (app, placement) = (&deployment.app, &deployment.placement);
    let target = deployment.targets();
    let offloaded = deployment.is_offloaded();
    let cut = if offloaded { placement.cut as usize } else { 0 };
    let served = endpoints_per_target(deployment);

    let work: f64 = app.stages[cut..].iter().map(|stage| mean(&stage.work)).sum();
    let capacity = f64::from(placement.workers.min(target.cores)) * target.quota * target.speed;
    let mut loads = Loads { target: app.rate_hz * served * work / capacity, ..Loads::default() };
    if !offloaded {
        return loads;
    }
    let endpoint = deployment.endpoints();
    let before: f64 = app.stages[..cut].iter().map(|stage| mean(&stage.work)).sum();
    loads.endpoint = app.rate_hz * (mean(&app.prepare) + before) / (endpoint.quota * endpoint.speed);

    if let Some((link, forwards)) = deployment.link(placement.endpoint, placement.target) {
        let (up, down) = if forwards { (&link.up, &link.down) } else { (&link.down, &link.up) };
        let message = if cut == 0 { &app.frame } else { &app.stages[cut - 1].output };
        let result = &app.stages[app.stages.len() - 1].output;
        let endpoints = f64::from(endpoint.nodes);
        let of_a_pair =
            if placement.balance == Balance::Static { 1.0 } else { 1.0 / f64::from(target.nodes) };
        let (upwards, downwards) = match link.scope {
            Scope::Node => (1.0, served),
            Scope::Pair => (of_a_pair, of_a_pair),
            Scope::Tier => (endpoints, endpoints),
        };
        loads.uplink = app.rate_hz * upwards * occupied_s(up, mean(message), transport);
        loads.downlink = app.rate_hz * downwards * occupied_s(down, mean(result), transport);
    }
    loads
}

/// Endpoints that the busiest target node serves. Endpoint `i` of `E` goes to node `floor(i T / E)` with static
/// balance, so no node has more than `ceil(E / T)` and one has as many.
pub fn endpoints_per_target(deployment: &Deployment) -> f64 {
    if !deployment.is_offloaded() {
        return 1.0;
    }
    let (endpoints, targets) = (deployment.endpoints().nodes, deployment.targets().nodes);
    match deployment.placement.balance {
        Balance::Static => f64::from(endpoints.div_ceil(targets)),
        _ => f64::from(endpoints) / f64::from(targets),
    }
}

/// How long a message of this size occupies the link on average [s].
fn occupied_s(direction: &Direction, bytes: f64, transport: &Transport) -> f64 {
    8.0 * bytes / Transmission::new(direction, transport).rate_bit_s()
}

#[cfg(test)]
mod tests {
    use offing_core::{Distribution, Stage};
    use proptest::prelude::*;

    use super::*;
    use crate::example;

    const TRANSPORT: Transport = Transport {
        segment_bytes: 1448,
        fast_retransmit_packets: 4,
        timeout: offing_core::Span::from_millis(200),
        opportunity_bytes: 1500,
    };

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
    }

    #[test]
    fn demand_over_capacity_of_each_resource() {
        let loads = loads(&example::offloading(), &TRANSPORT);
        // 5/s x 10 ms on half a core.
        close(loads.endpoint, 0.1);
        // 5/s x 100 ms per endpoint, two endpoints per node, three workers.
        close(loads.target, 5.0 * 2.0 * 0.1 / 3.0);
        // 5/s x 100 000 B x 8 on 8 Mbit/s of each endpoint's own.
        close(loads.uplink, 0.5);
        // 5/s x 1000 B x 8 of two endpoints on 8 Mbit/s of the node.
        close(loads.downlink, 0.01);
        assert_eq!(loads.bottleneck(), (Resource::Uplink, 0.5));
        assert!(loads.is_stable());
    }

    #[test]
    fn the_busiest_node_counts_when_endpoints_do_not_divide_evenly() {
        let mut deployment = example::offloading();
        deployment.tiers[0].nodes = 5;
        close(loads(&deployment, &TRANSPORT).target, 5.0 * 3.0 * 0.1 / 3.0);
        deployment.placement.balance = Balance::RoundRobin;
        close(loads(&deployment, &TRANSPORT).target, 5.0 * 2.5 * 0.1 / 3.0);
    }

    #[test]
    fn more_workers_than_cores_share_the_cores() {
        let mut deployment = example::offloading();
        deployment.placement.workers = 100;
        (deployment.tiers[1].quota, deployment.tiers[1].speed) = (0.5, 2.0);
        close(loads(&deployment, &TRANSPORT).target, 5.0 * 2.0 * 0.1 / 4.0);
    }

    #[test]
    fn processing_at_the_endpoint_uses_nothing_else() {
        let mut deployment = example::offloading();
        (deployment.placement.target, deployment.placement.workers) = (0, 1);
        // 5/s x 100 ms on half a core; no preparation.
        assert_eq!(loads(&deployment, &TRANSPORT), Loads { target: 1.0, ..Loads::default() });
        assert!(!loads(&deployment, &TRANSPORT).is_stable());
    }

    #[test]
    fn published_load_of_continuum() {
        // Published run P2: 5 Hz, 263.21 ms of wall time per image under quota 0.5, so 131.605 ms of CPU time;
        // its "system load" of 132 % counts wall time against one whole core.
        let mut deployment = example::offloading();
        (deployment.placement.target, deployment.placement.workers) = (0, 1);
        deployment.app.stages[0].work = Distribution::Constant(0.5 * 0.26321);
        close(loads(&deployment, &TRANSPORT).target, 5.0 * 0.26321);
    }

    #[test]
    fn scopes_say_who_shares_a_rate() {
        let mut deployment = example::offloading();
        deployment.links[0].scope = Scope::Tier;
        let all = loads(&deployment, &TRANSPORT);
        close(all.uplink, 2.0);
        close(all.downlink, 0.02);
        deployment.links[0].scope = Scope::Pair;
        close(loads(&deployment, &TRANSPORT).downlink, 0.005);
        deployment.placement.balance = Balance::Random;
        close(loads(&deployment, &TRANSPORT).uplink, 0.25);
    }

    #[test]
    fn a_link_written_the_other_way_round_is_the_same_link() {
        let mut deployment = example::offloading();
        deployment.links[0].down.rate = offing_core::Rate::BitPerS(4e6);
        let there = loads(&deployment, &TRANSPORT);
        let link = &mut deployment.links[0];
        link.between = [1, 0];
        std::mem::swap(&mut link.up, &mut link.down);
        assert_eq!(loads(&deployment, &TRANSPORT), there);
        deployment.links.clear();
        assert_eq!(loads(&deployment, &TRANSPORT).uplink, 0.0);
    }

    #[test]
    fn stages_before_the_cut_load_the_endpoint_and_shrink_the_message() {
        let mut deployment = example::offloading();
        deployment.app.stages.insert(
            0,
            Stage {
                name: "detect".into(),
                work: Distribution::Constant(0.02),
                output: Distribution::Constant(10_000.0),
            },
        );
        close(loads(&deployment, &TRANSPORT).target, 5.0 * 2.0 * 0.12 / 3.0);
        deployment.placement.cut = 1;
        let loads = loads(&deployment, &TRANSPORT);
        close(loads.endpoint, 5.0 * 0.03 / 0.5);
        close(loads.uplink, 0.05);
        close(loads.target, 5.0 * 2.0 * 0.1 / 3.0);
    }

    proptest! {
        #[test]
        fn no_node_has_more_endpoints_than_said_and_one_has_as_many(endpoints in 1..200_u32, targets in 1..50_u32) {
            let mut deployment = example::offloading();
            (deployment.tiers[0].nodes, deployment.tiers[1].nodes) = (endpoints, targets);
            let mut counts = vec![0_u32; targets as usize];
            for i in 0..endpoints {
                counts[(u64::from(i) * u64::from(targets) / u64::from(endpoints)) as usize] += 1;
            }
            prop_assert_eq!(f64::from(*counts.iter().max().unwrap()), endpoints_per_target(&deployment));
        }
    }
}
