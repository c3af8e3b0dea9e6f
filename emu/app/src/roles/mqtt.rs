//! Connections to an MQTT broker.
//!
//! Frames and replies have connections of their own at both ends: while a client writes a frame to a slow link it
//! reads nothing, and a reply would be stamped late.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, QoS};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::clock::{Stop, now};
use super::error::AppError;
use crate::protocol::LARGEST_FRAME_BYTES;

/// Where frames are published.
pub const FRAMES: &str = "offing/frame";
/// Where endpoints sign off.
pub const BYE: &str = "offing/bye";
/// Where the worker signs off, for the broker.
pub const DONE: &str = "offing/done";

/// Where an endpoint gets its replies.
pub fn result_topic(endpoint: u32) -> String {
    format!("offing/result/{endpoint}")
}

/// The quality of service by its number.
pub fn quality(qos: u8) -> QoS {
    if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

/// Messages that may wait for their turn in one client.
const OUTBOX: usize = 100_000;
/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Pings would wait behind frames on a slow link and look like a dead broker; TCP notices one that has died.
const KEEP_ALIVE: Duration = Duration::from_secs(65_535);
/// How long a message may take to be written to the socket [s]. A frame on a slow link takes long, and the role's own
/// end is its limit.
const WRITE_S: u64 = 86_400;

/// What happens on a connection.
pub enum Happened {
    /// A message was handed to the socket; in the order of publishing, unless the connection was lost in between.
    Sent,
    /// A message has arrived, whole.
    Message {
        /// Its topic.
        topic: String,
        /// Its content.
        payload: Bytes,
    },
    /// The connection was lost; it will be made again.
    Lost(String),
}

/// Connects, and subscribes to topics, at most until `deadline` [ns]. From then on `on` is told what happens, and when [ns].
///
/// # Errors
/// The broker is not reached in time, or we were told to stop.
pub fn connect(
    runtime: &Handle,
    address: SocketAddr,
    id: &str,
    subscriptions: &[String],
    qos: QoS,
    (deadline, stop): (u64, &Stop),
    on: impl FnMut(Happened, u64) + Send + 'static,
) -> Result<AsyncClient, AppError> {
    let host = match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    let mut options = MqttOptions::new(id, host, address.port());
    let largest = LARGEST_FRAME_BYTES as usize + 1_024;
    options.set_max_packet_size(largest, largest).set_keep_alive(KEEP_ALIVE).set_clean_session(true);
    let (client, mut events) = AsyncClient::new(options, OUTBOX);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(WRITE_S);
    events.set_network_options(network);

    let begin = now();
    let why = Arc::new(Mutex::new(String::from("no answer")));
    let (ready, is_ready) = mpsc::channel();
    let driver = Driver {
        events,
        client: client.clone(),
        subscriptions: subscriptions.to_vec(),
        qos,
        ready: Some(ready),
        why: why.clone(),
    };
    runtime.spawn(driver.drive(on));
    loop {
        let left = deadline.saturating_sub(now());
        match is_ready.recv_timeout(Duration::from_nanos(left.min(50_000_000))) {
            Ok(()) => return Ok(client),
            Err(_) if left > 0 && !stop.told() => {}
            Err(_) => {
                let why = why.lock().unwrap_or_else(PoisonError::into_inner);
                return Err(AppError::World(format!(
                    "the broker at {address} was not reached within {:.1} s: {why}",
                    (now() - begin) as f64 / 1e9
                )));
            }
        }
    }
}

/// What keeps one connection going.
struct Driver {
    events: EventLoop,
    client: AsyncClient,
    subscriptions: Vec<String>,
    qos: QoS,
    /// Told once, when everything is subscribed.
    ready: Option<mpsc::Sender<()>>,
    /// Why it is not ready yet.
    why: Arc<Mutex<String>>,
}

impl Driver {
    async fn drive(mut self, mut on: impl FnMut(Happened, u64)) {
        let mut subscribed = 0;
        let mut connected = false;
        loop {
            let event = if self.events.network.is_none() {
                timeout(ATTEMPT, self.events.poll()).await.map_err(|_| "no answer".to_string())
            } else {
                Ok(self.events.poll().await)
            };
            let at = now();
            match event.and_then(|event| event.map_err(|cause| cause.to_string())) {
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    on(Happened::Message { topic: message.topic, payload: message.payload }, at);
                }
                Ok(Event::Outgoing(Outgoing::Publish(_))) => on(Happened::Sent, at),
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    connected = true;
                    subscribed = 0;
                    for topic in &self.subscriptions {
                        // There is room: nothing is published before everything is subscribed.
                        let _ = self.client.try_subscribe(topic, self.qos);
                    }
                    if self.subscriptions.is_empty() {
                        self.is_ready();
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    subscribed += 1;
                    if subscribed == self.subscriptions.len() {
                        self.is_ready();
                    }
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                Ok(_) => {}
                Err(cause) => {
                    if self.ready.is_some() {
                        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = cause;
                    } else if connected {
                        on(Happened::Lost(cause), at);
                    }
                    connected = false;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn is_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            // Who waited may have given up.
            let _ = ready.send(());
        }
    }
}
