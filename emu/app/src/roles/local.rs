//! The role `local`: an endpoint that processes its own frames.

use std::sync::mpsc::channel;
use std::thread;

use offing_core::Parts;

use super::clock::{Stop, now};
use super::emission::{Emission, Event, Requests};
use super::error::AppError;
use super::frame::Camera;
use super::pool::{Back, Job, Pool};
use super::role::{self, Issues};
use crate::protocol::{EndpointReport, LocalConfig, LocalReport, Outcome, Values};

/// Emits all frames into the queue of this node and waits until they are processed.
///
/// # Errors
/// The configuration is wrong; it is not ready at the start; all worker processes died.
pub fn run(config: &LocalConfig, stop: &Stop) -> Result<LocalReport, AppError> {
    let mut issues = Issues::default();
    issues.arrivals(&config.arrivals);
    issues.values("frame_bytes", &config.frame_bytes);
    issues.pool(&config.pool);
    issues.end()?;

    let camera = Camera::new(config.seed, config.endpoint, &config.frame_bytes, false)?;
    let deadline = now().saturating_add(config.connect_limit_ns);
    let pool = Pool::start(&config.pool, config.endpoint, config.seed, &Values::Constant(0), deadline)?;
    let start = config.schedule.start_at_ns;
    if now() > start {
        let late = (now() - start) as f64 / 1e9;
        return Err(AppError::World(format!("endpoint {} was ready {late:.1} s too late", config.endpoint)));
    }

    let (replies, inbox) = channel();
    let (events, learned) = channel();
    thread::spawn(move || {
        for reply in inbox {
            // The main thread listens for as long as this process lives.
            let _ = events.send(Event::Reply { reply, at: now() });
        }
    });
    let mut requests = Requests::default();
    let emission = Emission {
        schedule: &config.schedule,
        arrivals: &config.arrivals,
        seed: config.seed,
        endpoint: config.endpoint,
    };
    let entrance = pool.entrance();
    requests.emit(&emission, stop, |request| {
        let frame = camera.frame(request.index);
        request.node = config.endpoint;
        request.frame_bytes = frame.len() as u64;
        entrance.arrive(Job {
            frame: frame.into(),
            endpoint: config.endpoint,
            index: request.index,
            // Waiting for the making of earlier frames is waiting for this node's processor.
            received: request.stamps.intended_ns,
            back: Back::Local(replies.clone()),
        });
    });
    requests.settle(&learned, &config.schedule, stop);
    if let Some(why) = pool.is_dead() {
        return Err(AppError::World(why));
    }
    for request in requests.all.iter_mut().filter(|request| request.outcome == Outcome::Done) {
        let stamps = &mut request.stamps;
        (stamps.replied_ns, stamps.returned_ns) = (None, None);
        if let (Some(begin), Some(end)) = (stamps.process_start_ns, stamps.process_end_ns) {
            request.parts =
                Some(Parts { queue: begin - stamps.intended_ns, process: end - begin, ..Parts::default() });
        }
    }
    let worker = pool.finish(role::about(stop, Vec::new()), 0);
    Ok(LocalReport {
        endpoint: EndpointReport {
            endpoint: config.endpoint,
            about: role::about(stop, requests.troubles.clone()),
            counts: requests.counts(),
            clocks: Vec::new(),
            adjusted: 0,
            lateness: requests.lateness,
            requests: requests.all,
        },
        worker,
    })
}
