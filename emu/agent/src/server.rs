//! Answers the other roles, and swallows what TCP brings.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::packet::{self, LONG, PORT, Packet, Purpose, SHORT, now_ns};

/// How far apart the counter of received frames is read.
const SAMPLE: Duration = Duration::from_millis(20);
/// A TCP transfer is measured from here on: before, it looks for its rate.
const RAMP: Duration = Duration::from_millis(1_000);

/// Answers until it is killed. Other nodes are behind a device of this name.
pub fn serve(device: &str) -> io::Result<String> {
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    packet::prepare(&udp)?;
    let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            // A transfer that breaks is noticed by its sender.
            thread::spawn(move || swallow(stream));
        }
    });
    let mut floods = BTreeMap::new();
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut buffer = [0; 2048];
    loop {
        let Some((length, from, received_ns)) = packet::receive(&udp, &mut buffer)? else { continue };
        let Some(packet) = Packet::read(&buffer[..length]) else { continue };
        let answer = match packet.purpose {
            Purpose::Ping => {
                let mut answer = Packet { received_ns, ..packet };
                answer.write(&mut buffer);
                // The other side needs the instant at which the answer left, too.
                answer.stream = now_ns();
                answer
            }
            Purpose::Count => {
                *counts.entry(packet.stream).or_default() += 1;
                continue;
            }
            Purpose::Flood => {
                floods.entry(packet.stream).or_insert_with(Flood::default).sample(device)?;
                continue;
            }
            Purpose::Counted => {
                let sent_ns = counts.get(&packet.stream).copied().unwrap_or(0);
                Packet { sent_ns, ..packet }
            }
            Purpose::Flooded => {
                let (frames, span) = floods.get(&packet.stream).map_or((0, Duration::ZERO), Flood::result);
                Packet { sent_ns: frames, received_ns: span.as_nanos() as u64, ..packet }
            }
        };
        answer.write(&mut buffer);
        // An answer that cannot be sent is one that was lost.
        let _ = udp.send_to(&buffer[..length.clamp(SHORT, LONG)], from);
    }
}

/// Frames that the node received while a flood came in. The reader may be slow, the kernel's counter is not.
#[derive(Default)]
struct Flood {
    samples: Vec<(Instant, u64)>,
}

impl Flood {
    fn sample(&mut self, device: &str) -> io::Result<()> {
        let now = Instant::now();
        if self.samples.last().is_none_or(|(at, _)| now - *at >= SAMPLE) {
            let frames = frames_received(device)?;
            self.samples.push((Instant::now(), frames));
        }
        Ok(())
    }

    /// Frames and the span in which they came, without the first and the last sample.
    fn result(&self) -> (u64, Duration) {
        match &self.samples[..] {
            [_, first, .., last, _] => (last.1 - first.1, last.0 - first.0),
            _ => (0, Duration::ZERO),
        }
    }
}

/// Frames that a network device of the node has received.
fn frames_received(device: &str) -> io::Result<u64> {
    let table = fs::read_to_string("/proc/net/dev")?;
    let of = |line: &str| -> Option<u64> {
        let counters = line.trim_start().strip_prefix(device)?.strip_prefix(':')?;
        counters.split_whitespace().nth(1)?.parse().ok()
    };
    table.lines().find_map(of).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("no device `{device}` in /proc/net/dev"))
    })
}

/// Reads to the end, then says how many bytes came in how many nanoseconds after the ramp.
fn swallow(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let begin = Instant::now();
    let mut first: Option<Instant> = None;
    let (mut bytes, mut last) = (0u64, begin);
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        let now = Instant::now();
        match first {
            Some(_) => (bytes, last) = (bytes + n as u64, now),
            None if now - begin >= RAMP => first = Some(now),
            None => {}
        }
    }
    let span = first.map_or(Duration::ZERO, |first| last - first);
    stream.write_all(&bytes.to_be_bytes())?;
    stream.write_all(&(span.as_nanos() as u64).to_be_bytes())
}
