//! Measures a link towards another node.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::packet::{self, LONG, PORT, Packet, Purpose, SHORT, now_ns};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// How often a question is asked before the node counts as silent: packets may be lost.
const QUESTIONS: u32 = 30;

fn socket(peer: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((peer, PORT))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    packet::prepare(&socket)?;
    Ok(socket)
}

/// Mean and standard deviation, in one pass (Welford).
#[derive(Default)]
struct Moments {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1;
        let step = value - self.mean;
        self.mean += step / self.n as f64;
        self.squares += step * (value - self.mean);
    }

    fn sd(&self) -> f64 {
        if self.n < 2 { 0.0 } else { (self.squares / (self.n - 1) as f64).sqrt() }
    }
}

/// Asks until an answer comes: links may lose packets. Also makes the neighbours known to each other.
fn ask(socket: &UdpSocket, question: Packet) -> io::Result<Packet> {
    let mut buffer = [0; 2048];
    for _ in 0..QUESTIONS {
        question.write(&mut buffer);
        match socket.send(&buffer[..SHORT]) {
            // The other side does not listen yet.
            Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
                thread::sleep(Duration::from_millis(100));
                continue;
            }
            sent => sent?,
        };
        while let Some((length, _, _)) = packet::receive(socket, &mut buffer)? {
            match Packet::read(&buffer[..length]) {
                Some(answer)
                    if answer.purpose == question.purpose && answer.sequence == question.sequence =>
                {
                    return Ok(answer);
                }
                _ => {}
            }
        }
    }
    Err(io::Error::new(ErrorKind::TimedOut, "the other node does not answer"))
}

/// Sends short packets to and fro: both one-way delays, each with mean and deviation [ns].
pub fn ping(peer: Ipv4Addr, count: u64, interval: Duration) -> io::Result<String> {
    let socket = socket(peer)?;
    let greeting = u64::MAX;
    ask(
        &socket,
        Packet { purpose: Purpose::Ping, stream: 0, sequence: greeting, sent_ns: 0, received_ns: 0 },
    )?;
    let listener = socket.try_clone()?;
    let ear = thread::spawn(move || hear(&listener, count));
    let begin = Instant::now();
    let mut buffer = [0; SHORT];
    for sequence in 0..count {
        sleep_until(begin + interval * sequence as u32);
        Packet { purpose: Purpose::Ping, stream: 0, sequence, sent_ns: now_ns(), received_ns: 0 }
            .write(&mut buffer);
        socket.send(&buffer)?;
    }
    let (up, down, both) = ear.join().map_err(|_| io::Error::other("the listener failed"))??;
    Ok(format!(
        "{{\"sent\":{count},\"received\":{},\"up_mean_ns\":{:.0},\"up_sd_ns\":{:.0},\"down_mean_ns\":{:.0},\
         \"down_sd_ns\":{:.0},\"round_trip_mean_ns\":{:.0},\"round_trip_sd_ns\":{:.0}}}",
        both.n,
        up.mean,
        up.sd(),
        down.mean,
        down.sd(),
        both.mean,
        both.sd()
    ))
}

/// Gathers the answers until all are there or none has come for a while.
fn hear(socket: &UdpSocket, count: u64) -> io::Result<(Moments, Moments, Moments)> {
    let (mut up, mut down, mut both) = (Moments::default(), Moments::default(), Moments::default());
    let mut buffer = [0; 2048];
    while both.n < count {
        let Some((length, _, arrived_ns)) = packet::receive(socket, &mut buffer)? else { break };
        match Packet::read(&buffer[..length]) {
            Some(answer) if answer.purpose == Purpose::Ping && answer.sequence < count => {
                // An answer carries in `stream` the instant at which it left.
                let (there, back) =
                    (span(answer.sent_ns, answer.received_ns), span(answer.stream, arrived_ns));
                up.add(there);
                down.add(back);
                // What the other node took to turn it round is no property of the link.
                both.add(there + back);
            }
            _ => {}
        }
    }
    Ok((up, down, both))
}

fn span(from_ns: u64, to_ns: u64) -> f64 {
    to_ns as f64 - from_ns as f64
}

/// Sends short packets one way and asks how many came.
pub fn stream(peer: Ipv4Addr, count: u64, rate_hz: u64) -> io::Result<String> {
    let socket = socket(peer)?;
    let stream = now_ns();
    let question =
        Packet { purpose: Purpose::Counted, stream, sequence: u64::MAX, sent_ns: 0, received_ns: 0 };
    ask(&socket, question)?;
    let begin = Instant::now();
    let mut buffer = [0; SHORT];
    for sequence in 0..count {
        sleep_until(begin + Duration::from_nanos(sequence * 1_000_000_000 / rate_hz));
        let packet = Packet { purpose: Purpose::Count, stream, sequence, sent_ns: now_ns(), received_ns: 0 };
        packet.write(&mut buffer);
        socket.send(&buffer)?;
    }
    // The question stays behind the packets on its way, so what it finds is all that will come.
    thread::sleep(Duration::from_millis(300));
    let received = ask(&socket, Packet { sequence: 1, ..question })?.sent_ns;
    Ok(format!("{{\"sent\":{count},\"received\":{received}}}"))
}

/// Sends frames of full size at a rate [bit/s, of whole frames] and asks how fast they came.
pub fn flood(peer: Ipv4Addr, rate_bit_s: u64, length: Duration) -> io::Result<String> {
    let socket = socket(peer)?;
    let stream = now_ns();
    let question =
        Packet { purpose: Purpose::Flooded, stream, sequence: u64::MAX, sent_ns: 0, received_ns: 0 };
    ask(&socket, question)?;
    let mut buffer = [0; LONG];
    let begin = Instant::now();
    let mut sequence = 0u64;
    while begin.elapsed() < length {
        let packet = Packet { purpose: Purpose::Flood, stream, sequence, sent_ns: 0, received_ns: 0 };
        packet.write(&mut buffer);
        match socket.send(&buffer) {
            // The device's own queue is full: the link is as busy as can be.
            Err(cause) if cause.raw_os_error() == Some(nix::Error::ENOBUFS as i32) => {}
            sent => drop(sent?),
        }
        sequence += 1;
        let due = sequence as f64 * FRAME_BITS / rate_bit_s as f64;
        sleep_until(begin + Duration::from_secs_f64(due));
    }
    thread::sleep(Duration::from_millis(200));
    let answer = ask(&socket, Packet { sequence: 1, ..question })?;
    Ok(format!(
        "{{\"sent\":{sequence},\"frames\":{},\"span_ns\":{},\"frame_bits\":{FRAME_BITS}}}",
        answer.sent_ns, answer.received_ns
    ))
}

/// A payload of [`LONG`] with its UDP, IP and Ethernet headers.
const FRAME_BITS: f64 = ((LONG + 8 + 20 + 14) * 8) as f64;

/// Sends over TCP as much as goes and asks how fast it came after the first second.
pub fn tcp(peer: Ipv4Addr, length: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect((peer, PORT))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let block = vec![0; 64 << 10];
    let begin = Instant::now();
    while begin.elapsed() < length {
        stream.write_all(&block)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut answer = [0; 16];
    stream.read_exact(&mut answer)?;
    let word = |at: usize| u64::from_be_bytes(answer[at..at + 8].try_into().expect("eight bytes"));
    Ok(format!("{{\"bytes\":{},\"span_ns\":{}}}", word(0), word(8)))
}

/// Sleeps to an instant; returns at once if it is over. Packets that are late go out together.
fn sleep_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > Duration::from_micros(20) {
        thread::sleep(left);
    }
}
