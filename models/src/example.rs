//! A small deployment for the tests of this crate.

use offing_core::{
    App, Arrivals, Balance, Deployment, Direction, Distribution, Drop, Link, Manager, Placement, Provider,
    Rate, Scope, Sharing, Span, Stage, Tier,
};

/// Four endpoints (half a core) send five frames of 100 000 B per second each to two cloud nodes (four cores,
/// three workers) over 8 Mbit/s; preparing takes 10 ms, processing 100 ms, a result has 1000 B.
pub(crate) fn offloading() -> Deployment {
    let direction =
        Direction { latency: Span::from_millis(45), rate: Rate::BitPerS(8e6), ..Direction::default() };
    Deployment {
        app: App {
            rate_hz: 5.0,
            arrivals: Arrivals::Periodic,
            frame: Distribution::Constant(100_000.0),
            prepare: Distribution::Constant(0.010),
            stages: vec![Stage {
                name: "process".into(),
                work: Distribution::Constant(0.100),
                output: Distribution::Constant(1000.0),
            }],
            memory_bytes: 0,
            deadline: None,
            outstanding: None,
        },
        tiers: vec![
            Tier::new("endpoint", 4, 1, 0.5),
            Tier::new("cloud", 2, 4, 1.0),
            Tier::new("edge", 1, 1, 1.0),
        ],
        links: vec![Link {
            between: [0, 1],
            up: direction.clone(),
            down: direction,
            sharing: Sharing::Fifo,
            scope: Scope::Node,
        }],
        placement: Placement {
            endpoint: 0,
            target: 1,
            cut: 0,
            workers: 3,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: Provider::Docker,
            manager: Manager::None,
            pods: None,
        },
        duration: Span::from_millis(300_000),
        warm_up: Span::ZERO,
    }
}
