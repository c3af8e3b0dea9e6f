//! The role `worker`: the queue of a target node and its worker processes.

use std::mem;
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, QoS};
use tokio::sync::oneshot;

use super::clock::{Stop, now, sleep_until};
use super::error::AppError;
use super::frame::address;
use super::http;
use super::mqtt::{self, Happened};
use super::offset;
use super::pool::{Back, Entrance, Job, Pool};
use super::role::{self, Issues};
use crate::protocol::{Transport, WorkerConfig, WorkerReport};

/// How often the main thread looks whether the run is over [ns].
const LOOK_NS: u64 = 20_000_000;
/// How long the last message may take to get to the broker.
const FAREWELL: Duration = Duration::from_millis(50);

/// Takes frames in and has them processed until all endpoints have signed off, the schedule is over, or SIGTERM.
///
/// # Errors
/// The configuration is wrong; it is not ready at the start; all worker processes died.
pub fn run(config: &WorkerConfig, stop: &Stop) -> Result<WorkerReport, AppError> {
    let mut issues = Issues::default();
    issues.pool(&config.pool);
    issues.values("reply_bytes", &config.reply_bytes);
    issues.transport(config.transport);
    issues.end()?;

    let deadline = now().saturating_add(config.connect_limit_ns);
    let clock = UdpSocket::bind(config.clock).map_err(|cause| {
        AppError::world(format!("cannot answer about the clock on {}", config.clock), cause)
    })?;
    let pool = Pool::start(&config.pool, config.node, config.seed, &config.reply_bytes, deadline)?;
    let guests = Arc::new(Guests::default());
    let farewell = match config.transport {
        Transport::Mqtt { qos } => {
            Some(subscribe(config, mqtt::quality(qos), &pool, &guests, (deadline, stop))?)
        }
        Transport::Http => {
            listen(config, &pool, &guests)?;
            None
        }
    };
    let start = config.schedule.start_at_ns;
    if now() > start {
        let late = (now() - start) as f64 / 1e9;
        return Err(AppError::World(format!(
            "the workers of node {} were ready {late:.1} s too late",
            config.node
        )));
    }
    // Who gets an answer knows that everything is ready here.
    offset::answer(clock, stop.clone())?;

    let end = role::last_instant(&config.schedule);
    while now() < end && sleep_until(end.min(now() + LOOK_NS), stop) {
        if let Some(why) = pool.is_dead() {
            return Err(AppError::World(why));
        }
        let all = config.endpoints > 0 && guests.gone.load(Ordering::SeqCst) >= u64::from(config.endpoints);
        if all && pool.is_idle() {
            break;
        }
    }
    // Before the broker ends, which is no trouble any more.
    let troubles = mem::take(&mut *guests.troubles.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some((frames, replies)) = farewell {
        // It tells the broker to end, which would end by itself a little later.
        let _ = replies.try_publish(mqtt::DONE, QoS::AtMostOnce, false, "done");
        let _ = replies.try_disconnect();
        let _ = frames.try_disconnect();
        thread::sleep(FAREWELL);
    }
    Ok(pool.finish(role::about(stop, troubles), guests.malformed.load(Ordering::SeqCst)))
}

/// What is known of those who send.
#[derive(Default)]
struct Guests {
    /// Endpoints that have signed off.
    gone: AtomicU64,
    /// Messages that were no frames.
    malformed: AtomicU64,
    troubles: Mutex<Vec<String>>,
}

impl Guests {
    /// A frame has arrived, or something that claims to be one.
    fn frame(&self, entrance: &Entrance, frame: Bytes, received: u64, back: Back) {
        match address(&frame) {
            Some((endpoint, index)) => entrance.arrive(Job { frame, endpoint, index, received, back }),
            None => {
                self.malformed.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Takes frames from the broker: the clients for frames and for replies.
fn subscribe(
    config: &WorkerConfig,
    qos: QoS,
    pool: &Pool,
    guests: &Arc<Guests>,
    patience: (u64, &Stop),
) -> Result<(AsyncClient, AsyncClient), AppError> {
    let runtime = role::runtime()?;
    let node = config.node;
    let told = guests.clone();
    let trouble = move |what: &str, cause: String| {
        let trouble = format!("node {node} lost its connection for {what}: {cause}");
        told.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(trouble);
    };
    let tell = trouble.clone();
    let replies = mqtt::connect(
        &runtime,
        config.address,
        &format!("replies-{node}"),
        &[],
        qos,
        patience,
        move |event, _| {
            if let Happened::Lost(cause) = event {
                tell("replies", cause);
            }
        },
    )?;
    let (entrance, guests, back) = (pool.entrance(), guests.clone(), replies.clone());
    let topics = [mqtt::FRAMES.to_string(), mqtt::BYE.to_string()];
    let frames = mqtt::connect(
        &runtime,
        config.address,
        &format!("frames-{node}"),
        &topics,
        qos,
        patience,
        move |event, at| match event {
            Happened::Message { topic, payload } if topic == mqtt::FRAMES => {
                guests.frame(&entrance, payload, at, Back::Mqtt(back.clone(), qos));
            }
            Happened::Message { .. } => {
                guests.gone.fetch_add(1, Ordering::SeqCst);
            }
            Happened::Lost(cause) => trouble("frames", cause),
            Happened::Sent => {}
        },
    )?;
    Ok((frames, replies))
}

/// Takes frames as an HTTP server.
fn listen(config: &WorkerConfig, pool: &Pool, guests: &Arc<Guests>) -> Result<(), AppError> {
    let failed =
        |cause| AppError::world(format!("node {} cannot listen on {}", config.node, config.address), cause);
    let listener = TcpListener::bind(config.address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let runtime = role::runtime()?;
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(failed)?
    };
    let (entrance, guests) = (pool.entrance(), guests.clone());
    runtime.spawn(http::serve(listener, move |path, body| {
        let received = now();
        let (entrance, guests) = (entrance.clone(), guests.clone());
        async move {
            match path.as_str() {
                http::FRAME => {
                    let (reply, response) = oneshot::channel();
                    guests.frame(&entrance, body, received, Back::Http(reply));
                    response.await.ok().map(Bytes::from)
                }
                http::BYE => {
                    guests.gone.fetch_add(1, Ordering::SeqCst);
                    Some(Bytes::new())
                }
                _ => None,
            }
        }
    }));
    Ok(())
}
