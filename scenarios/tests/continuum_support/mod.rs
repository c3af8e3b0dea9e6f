//! What several tests of Continuum files need.
#![allow(dead_code, reason = "each test binary uses a part")]

use offing_core::{
    App, Arrivals, Balance, Deployment, Direction, Distribution, Drop, Link, Placement, Rate, Sharing, Span,
    Stage, Tier,
};
use offing_scenarios::continuum::links::Shape;
use offing_scenarios::continuum::{AppNumbers, Nodes, Placed};

/// Numbers of an application that are easy to reckon with.
pub fn app() -> AppNumbers {
    AppNumbers {
        process_s: 0.125,
        prepare_s: 0.002,
        message_bytes: 68_000.0,
        frame: "\"68 kB\"".into(),
        process: "{ lognormal = { mean = \"125 ms\", cv = 0.06 } }".into(),
        prepare: "\"2 ms\"".into(),
        result: "\"20 B\"".into(),
        memory: "\"500 MiB\"".into(),
    }
}

/// The deployment that the scenario of a placed file describes.
pub fn deployment(placed: &Placed) -> Deployment {
    let tier = |name: &str, nodes: &Nodes| Tier {
        memory_bytes: nodes.memory_gib.map(|gib| gib << 30),
        ..Tier::new(name, nodes.nodes, nodes.cores, nodes.quota)
    };
    let way = |shape: Option<Shape>| match shape {
        None => Direction::default(),
        Some(shape) => Direction {
            latency: Span::from_nanos((shape.latency_ms * 1e6).round() as u64),
            jitter: Span::from_nanos((shape.jitter_ms * 1e6).round() as u64),
            rate: Rate::BitPerS(shape.rate_mbit_s * 1e6),
            ..Direction::default()
        },
    };
    let mut tiers = vec![tier("endpoint", &placed.endpoint)];
    tiers.extend(placed.target.as_ref().map(|(name, nodes)| tier(name, nodes)));
    let link = placed.link.map(|link| Link {
        between: [0, 1],
        up: way(link.up),
        down: way(link.down),
        sharing: Sharing::Fifo,
        scope: link.scope,
    });
    Deployment {
        app: App {
            rate_hz: placed.rate_hz as f64,
            arrivals: Arrivals::Periodic,
            frame: Distribution::Constant(68_000.0),
            prepare: Distribution::Constant(0.002),
            stages: vec![Stage {
                name: "process".into(),
                work: Distribution::Constant(0.125),
                output: Distribution::Constant(20.0),
            }],
            memory_bytes: 500 << 20,
            deadline: None,
            outstanding: placed.outstanding,
        },
        placement: Placement {
            endpoint: 0,
            target: tiers.len() - 1,
            cut: 0,
            workers: placed.workers,
            balance: Balance::Static,
            queue: None,
            drop: Drop::Newest,
            provider: placed.provider,
            manager: placed.manager,
            pods: None,
        },
        tiers,
        links: link.into_iter().collect(),
        duration: Span::from_millis(placed.duration_s * 1000),
        warm_up: Span::ZERO,
    }
}
