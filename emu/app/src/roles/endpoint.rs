//! The role `endpoint`: makes frames, prepares them one after the other, and sends them to targets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, QoS};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::burn::burn_until;
use super::chance::{Purpose, word};
use super::clock::{Stop, now, sleep_until, thread_cpu};
use super::emission::{Emission, Event, Requests, parts};
use super::error::AppError;
use super::frame::Camera;
use super::http;
use super::mqtt::{self, Happened};
use super::offset::{Offset, ask};
use super::reply::Reply;
use super::role::{self, Issues};
use crate::protocol::{Balance, Clock, EndpointConfig, EndpointReport, Outcome, Prepare, Target, Transport};

/// How long the clock of a target is asked for after the run [ns].
const AFTER_NS: u64 = 1_500_000_000;
/// How long signing off may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long one attempt to reach an HTTP server may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts [ns].
const PAUSE_NS: u64 = 100_000_000;

/// Emits all frames and waits for the replies.
///
/// # Errors
/// The configuration is wrong; a target is not reached within the limit or before the start.
pub fn run(config: &EndpointConfig, stop: &Stop) -> Result<EndpointReport, AppError> {
    check(config)?;
    let keep_raw = config.prepare == Prepare::Encode;
    let camera = Camera::new(config.seed, config.endpoint, &config.frame_bytes, keep_raw)?;
    let patience = (now().saturating_add(config.connect_limit_ns), stop);
    let runtime = role::runtime()?;
    let (events, inbox) = channel();
    let ways = config
        .targets
        .iter()
        .map(|target| Way::connect(&runtime, config, target, patience, &events))
        .collect::<Result<Vec<_>, _>>()?;
    let before = config
        .targets
        .iter()
        .map(|target| {
            let offset =
                ask(target.clock, patience.0, stop).map_err(|why| unanswered(config, target, &why))?;
            Ok((now(), offset))
        })
        .collect::<Result<Vec<_>, AppError>>()?;
    let start = config.schedule.start_at_ns;
    if now() > start {
        let late = (now() - start) as f64 / 1e9;
        return Err(AppError::World(format!("endpoint {} was ready {late:.1} s too late", config.endpoint)));
    }

    let mut requests = Requests::default();
    let emission = Emission {
        schedule: &config.schedule,
        arrivals: &config.arrivals,
        seed: config.seed,
        endpoint: config.endpoint,
    };
    let mut broken = None;
    requests.emit(&emission, stop, |request| {
        let (begin, cpu) = (now(), thread_cpu());
        let frame = match &config.prepare {
            Prepare::Encode => camera.encode(request.index).unwrap_or_else(|cause| {
                broken = Some(cause);
                camera.frame(request.index)
            }),
            Prepare::Burn { cpu_ns } => {
                let work = cpu_ns.at(config.seed, Purpose::Prepare, config.endpoint, request.index);
                let frame = camera.frame(request.index);
                burn_until(cpu + work);
                frame
            }
        };
        let to = route(config, request.index);
        request.node = config.targets[to].node;
        request.frame_bytes = frame.len() as u64;
        request.stamps.prepare_start_ns = Some(begin);
        request.prepare_cpu_ns = Some(thread_cpu() - cpu);
        request.stamps.prepare_end_ns = Some(now());
        ways[to].send(request.index, frame, &events);
    });
    if let Some(cause) = broken {
        return Err(cause);
    }
    requests.settle(&inbox, &config.schedule, stop);

    let clocks: Vec<_> = config
        .targets
        .iter()
        .zip(&before)
        .map(|(target, (at, before))| {
            let after = ask(target.clock, now() + AFTER_NS, stop).ok();
            Line { node: target.node, at: *at, before: *before, until: now(), after }
        })
        .collect();
    let mut adjusted = 0;
    for request in requests.all.iter_mut().filter(|request| request.outcome == Outcome::Done) {
        let offset = clocks
            .iter()
            .find(|line| line.node == request.node)
            .map_or(0, |line| line.offset(request.stamps.intended_ns));
        if let Some((parts, moved)) = parts(&request.stamps, offset) {
            request.parts = Some(parts);
            adjusted += u64::from(moved);
        }
    }
    for way in &ways {
        way.sign_off(&runtime);
    }
    Ok(EndpointReport {
        endpoint: config.endpoint,
        counts: requests.counts(),
        about: role::about(stop, requests.troubles),
        clocks: clocks.iter().map(Line::report).collect(),
        adjusted,
        lateness: requests.lateness,
        requests: requests.all,
    })
}

fn check(config: &EndpointConfig) -> Result<(), AppError> {
    let mut issues = Issues::default();
    issues.arrivals(&config.arrivals);
    issues.values("frame_bytes", &config.frame_bytes);
    if let Prepare::Burn { cpu_ns } = &config.prepare {
        issues.values("prepare: cpu_ns", cpu_ns);
    }
    issues.transport(config.transport);
    issues.when(config.targets.is_empty(), "targets: there must be at least one");
    let mut nodes: Vec<u32> = config.targets.iter().map(|target| target.node).collect();
    nodes.sort_unstable();
    issues.when(nodes.windows(2).any(|pair| pair[0] == pair[1]), "targets: two have the same `node`");
    issues.end()
}

fn unanswered(config: &EndpointConfig, target: &Target, why: &str) -> AppError {
    AppError::World(format!(
        "the worker of node {} did not answer on {} within {:.1} s: {why}",
        target.node,
        target.clock,
        config.connect_limit_ns as f64 / 1e9
    ))
}

/// Where in the list of targets a request goes.
fn route(config: &EndpointConfig, index: u64) -> usize {
    let targets = config.targets.len() as u64;
    (match config.balance {
        Balance::Static => 0,
        Balance::RoundRobin => (u64::from(config.endpoint) + index) % targets,
        Balance::Random => {
            let word = word(config.seed, Purpose::Route, config.endpoint, index);
            ((u128::from(word) * u128::from(targets)) >> 64) as u64
        }
    }) as usize
}

/// How frames get to one target.
enum Way {
    Mqtt {
        frames: AsyncClient,
        replies: AsyncClient,
        qos: QoS,
        /// Frames that were published and not yet handed to the socket.
        unsent: Arc<Mutex<VecDeque<u64>>>,
    },
    Http {
        client: http::Client,
        runtime: Handle,
    },
}

impl Way {
    fn connect(
        runtime: &Handle,
        config: &EndpointConfig,
        target: &Target,
        patience: (u64, &Stop),
        events: &Sender<Event>,
    ) -> Result<Way, AppError> {
        match config.transport {
            Transport::Mqtt { qos } => {
                Way::subscribe(runtime, config.endpoint, target, mqtt::quality(qos), patience, events)
            }
            Transport::Http => {
                let client = http::Client::new(target.address);
                reach(runtime, &client, target.address, patience)?;
                Ok(Way::Http { client, runtime: runtime.clone() })
            }
        }
    }

    fn subscribe(
        runtime: &Handle,
        endpoint: u32,
        target: &Target,
        qos: QoS,
        patience: (u64, &Stop),
        events: &Sender<Event>,
    ) -> Result<Way, AppError> {
        let address = target.address;
        let lost = move |what: &str, cause: String| {
            Event::Trouble(format!(
                "endpoint {endpoint} lost its connection for {what} to {address}: {cause}"
            ))
        };
        let inbox = events.clone();
        let topics = [mqtt::result_topic(endpoint)];
        let id = format!("endpoint-{endpoint}-replies");
        // The main thread listens for as long as this process lives.
        let replies =
            mqtt::connect(runtime, address, &id, &topics, qos, patience, move |event, at| match event {
                Happened::Message { payload, .. } => {
                    if let Some(reply) = Reply::decode(&payload) {
                        let _ = inbox.send(Event::Reply { reply, at });
                    }
                }
                Happened::Lost(cause) => drop(inbox.send(lost("replies", cause))),
                Happened::Sent => {}
            })?;
        let inbox = events.clone();
        let unsent: Arc<Mutex<VecDeque<u64>>> = Arc::default();
        let queue = unsent.clone();
        // After a loss nobody knows which frames are still waiting: nothing more is stamped.
        let mut is_certain = true;
        let id = format!("endpoint-{endpoint}-frames");
        let frames =
            mqtt::connect(runtime, address, &id, &[], qos, patience, move |event, at| match event {
                Happened::Sent if is_certain => {
                    let index = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    if let Some(index) = index {
                        let _ = inbox.send(Event::Sent { index, at });
                    }
                }
                Happened::Lost(cause) => {
                    is_certain = false;
                    let _ = inbox.send(lost("frames", cause));
                }
                _ => {}
            })?;
        Ok(Way::Mqtt { frames, replies, qos, unsent })
    }

    /// Hands a frame over and does not wait.
    fn send(&self, index: u64, frame: Vec<u8>, events: &Sender<Event>) {
        match self {
            Way::Mqtt { frames, qos, unsent, .. } => {
                unsent.lock().unwrap_or_else(PoisonError::into_inner).push_back(index);
                if frames.try_publish(mqtt::FRAMES, *qos, false, frame).is_err() {
                    unsent.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
                    let _ = events.send(Event::Trouble("too many frames wait to be sent".into()));
                }
            }
            Way::Http { client, runtime } => {
                let (client, events) = (client.clone(), events.clone());
                runtime.spawn(async move {
                    let response = client.post(http::FRAME, frame.into()).await;
                    let at = now();
                    let event = match response.map(|body| Reply::decode(&body)) {
                        Ok(Some(reply)) => Event::Reply { reply, at },
                        Ok(None) => Event::Trouble("a response is no reply".into()),
                        Err(cause) => Event::Trouble(format!("a request failed: {cause}")),
                    };
                    let _ = events.send(event);
                });
            }
        }
    }

    /// Says that nothing more will come. A target that does not hear it ends a little later.
    fn sign_off(&self, runtime: &Handle) {
        match self {
            Way::Mqtt { frames, replies, qos, .. } => {
                let _ = frames.try_publish(mqtt::BYE, *qos, false, "bye");
                let _ = frames.try_disconnect();
                let _ = replies.try_disconnect();
                thread::sleep(Duration::from_millis(50));
            }
            Way::Http { client, .. } => {
                let bye = client.post(http::BYE, Bytes::new());
                let _ = runtime.block_on(async { timeout(FAREWELL, bye).await });
            }
        }
    }
}

/// Waits until an HTTP server is there.
fn reach(
    runtime: &Handle,
    client: &http::Client,
    address: SocketAddr,
    (deadline, stop): (u64, &Stop),
) -> Result<(), AppError> {
    let begin = now();
    loop {
        let attempt = runtime.block_on(async { timeout(ATTEMPT, client.reach()).await });
        let why = match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(cause)) => cause,
            Err(_) => "no answer".into(),
        };
        if now() >= deadline || !sleep_until(now() + PAUSE_NS, stop) {
            return Err(AppError::World(format!(
                "the worker at {address} was not reached within {:.1} s: {why}",
                (now() - begin) as f64 / 1e9
            )));
        }
    }
}

/// A target's clock over the run: a straight line between two estimates.
struct Line {
    node: u32,
    at: u64,
    before: Offset,
    until: u64,
    after: Option<Offset>,
}

impl Line {
    /// The target's clock minus ours at an instant [ns].
    fn offset(&self, now: u64) -> i64 {
        match self.after {
            _ if self.before.shared => 0,
            Some(after) => {
                let share = now.saturating_sub(self.at) as f64 / (self.until - self.at).max(1) as f64;
                self.before.ns + ((after.ns - self.before.ns) as f64 * share) as i64
            }
            None => self.before.ns,
        }
    }

    fn report(&self) -> Clock {
        Clock {
            node: self.node,
            shared: self.before.shared,
            before_ns: self.before.ns,
            before_bound_ns: self.before.bound_ns,
            after_ns: self.after.map(|after| after.ns),
            after_bound_ns: self.after.map(|after| after.bound_ns),
        }
    }
}
