//! The role `broker`: rumqttd, a real MQTT broker, in this process.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rumqttd::{Broker, Config, ConnectionSettings, Notification, RouterConfig, ServerSettings};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, getsockname, recvmsg, sockopt};

use super::clock::{Stop, now};
use super::error::AppError;
use super::mqtt::DONE;
use super::role;
use crate::protocol::{BrokerConfig, BrokerReport, LARGEST_FRAME_BYTES};

/// Segments of messages that the broker keeps, per topic filter.
const SEGMENTS: usize = 2;
/// The least size of one [byte].
const SEGMENT_BYTES: usize = 4 << 20;
/// How long the broker may take until it listens.
const START: Duration = Duration::from_secs(5);

/// Carries messages until the worker has signed off, the schedule is over, or SIGTERM.
///
/// # Errors
/// It cannot listen, or stops listening.
pub fn run(config: &BrokerConfig, stop: &Stop) -> Result<BrokerReport, AppError> {
    let no_listening = |cause: &dyn std::fmt::Display| {
        AppError::world(format!("the broker cannot listen on {}", config.listen), cause)
    };
    // The library says only in its log why it cannot: ask before.
    drop(TcpListener::bind(config.listen).map_err(|cause| no_listening(&cause))?);
    let mut broker = Broker::new(settings(config));
    let (mut link, mut messages) = broker.link("offing-broker").map_err(|cause| no_listening(&cause))?;
    link.subscribe(DONE).map_err(|cause| no_listening(&cause))?;
    let (ended, has_ended) = mpsc::channel();
    thread::spawn(move || {
        let outcome = broker.start().map_err(|cause| cause.to_string());
        // The role may be over.
        let _ = ended.send(outcome);
    });
    send_at_once(config.listen).map_err(|cause| no_listening(&cause))?;

    let end = role::last_instant(&config.schedule);
    let mut signed_off = false;
    while !signed_off && !stop.told() && now() < end {
        if let Ok(outcome) = has_ended.try_recv() {
            let cause = outcome.err().unwrap_or_else(|| "it ended".into());
            return Err(AppError::world(format!("the broker on {}", config.listen), cause));
        }
        match messages.recv_deadline(Instant::now() + Duration::from_millis(50)) {
            Ok(Some(Notification::Forward(_))) => signed_off = true,
            // The router has nothing more and wants to be asked again.
            Ok(Some(Notification::Unschedule)) => messages.ready().map_err(|cause| no_listening(&cause))?,
            _ => {}
        }
    }
    Ok(BrokerReport { about: role::about(stop, Vec::new()), signed_off })
}

fn settings(config: &BrokerConfig) -> Config {
    let largest = config.largest_frame_bytes.min(LARGEST_FRAME_BYTES) as usize + 1_024;
    let server = ServerSettings {
        name: "offing".into(),
        listen: config.listen,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: largest,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    Config {
        router: RouterConfig {
            max_connections: 10_010,
            max_outgoing_packet_count: 200,
            max_segment_size: (4 * largest).max(SEGMENT_BYTES),
            max_segment_count: SEGMENTS,
            ..RouterConfig::default()
        },
        v4: Some([("offing".to_string(), server)].into()),
        ..Config::default()
    }
}

/// Makes the broker send small messages at once.
///
/// rumqttd leaves Nagle's algorithm on: a reply would wait until the one before it is acknowledged, a round trip
/// later. Connections inherit the choice from the socket that accepted them, and the library keeps that one to
/// itself; so it is found among our open files and asked for by its number, through a message to ourselves.
fn send_at_once(listen: SocketAddr) -> Result<(), String> {
    let limit = Instant::now() + START;
    while Instant::now() < limit {
        let files = fs::read_dir("/proc/self/fd").map_err(|cause| cause.to_string())?;
        for number in files.flatten().filter_map(|file| file.file_name().to_str()?.parse().ok()) {
            let Ok(file) = borrow(number) else { continue };
            if getsockname(&file).is_ok_and(|name| SocketAddr::try_from(name) == Ok(listen))
                && sockopt::socket_acceptconn(&file) == Ok(true)
            {
                return sockopt::set_tcp_nodelay(&file, true).map_err(|cause| cause.to_string());
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(format!("it did not within {} s", START.as_secs()))
}

/// Another handle of one of our open files.
fn borrow(number: RawFd) -> Result<OwnedFd, String> {
    let (ours, theirs) = UnixStream::pair().map_err(|cause| cause.to_string())?;
    let rights = [number];
    let message = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(ours.as_raw_fd(), &[IoSlice::new(b"x")], &message, MsgFlags::empty(), None)
        .map_err(|cause| cause.to_string())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&theirs, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty())
        .map_err(|cause| cause.to_string())?;
    control
        .drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        })
        .ok_or_else(|| "nothing came".to_string())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn connections_of_a_listener_inherit_that_small_messages_are_sent_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it can be bound");
        let address = listener.local_addr().expect("it has an address");
        let accept = || {
            let _client = TcpStream::connect(address).expect("it listens");
            let (accepted, _) = listener.accept().expect("somebody came");
            accepted.nodelay().expect("it can be asked")
        };
        assert!(!accept(), "this is what the kernel does by itself");
        send_at_once(address).expect("it is found");
        assert!(accept());
    }
}
