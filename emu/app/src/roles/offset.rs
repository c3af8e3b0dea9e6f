//! How far the clock of a target is from ours: round trips over UDP.
//!
//! A target's clock is read between our sending and our receiving. If both ways took the same time, it was read
//! half way; however unequal they were, it was read within half the round trip of that. The fastest round trip
//! bounds the error best (Cristian: Probabilistic clock synchronization, 1989). Machines with the same boot id
//! have the same kernel and one clock.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use super::clock::{Stop, now};
use super::error::AppError;

/// Round trips of one estimate.
const ROUNDS: u64 = 10;
/// How long one answer is waited for.
const ANSWER: Duration = Duration::from_millis(1_000);
/// How often the answering thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(200);
/// Nonce, instant, boot id.
const ANSWER_BYTES: usize = 8 + 8 + 36;

/// What is known of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The other clock minus ours [ns].
    pub ns: i64,
    /// The true offset is within this of it [ns].
    pub bound_ns: u64,
    /// It is the clock of our own kernel.
    pub shared: bool,
}

/// Answers questions about our clock in a thread of its own, until told to stop.
///
/// # Errors
/// The kernel refuses.
pub fn answer(socket: UdpSocket, stop: Stop) -> Result<(), AppError> {
    socket
        .set_read_timeout(Some(LOOK))
        .map_err(|cause| AppError::world("cannot answer about the clock", cause))?;
    let boot_id = boot_id();
    thread::spawn(move || {
        let mut question = [0; 64];
        while !stop.told() {
            let Ok((8, who)) = socket.recv_from(&mut question) else { continue };
            let mut answer = Vec::with_capacity(ANSWER_BYTES);
            answer.extend(&question[..8]);
            answer.extend(now().to_be_bytes());
            answer.extend(boot_id);
            // Who does not hear it asks again.
            let _ = socket.send_to(&answer, who);
        }
    });
    Ok(())
}

/// Estimates the offset of a peer's clock. Asks until it has answered often enough, at most until `deadline` [ns].
///
/// # Errors
/// It never answered, or we were told to stop; the text says what happened.
pub fn ask(peer: SocketAddr, deadline: u64, stop: &Stop) -> Result<Offset, String> {
    let any: SocketAddr = if peer.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).and_then(|socket| socket.connect(peer).map(|()| socket));
    let socket = socket.map_err(|cause| cause.to_string())?;
    let mine = boot_id();
    let mut best: Option<Offset> = None;
    let mut answers = 0;
    let mut why = String::from("no answer");
    while answers < ROUNDS && now() < deadline && !stop.told() {
        match round(&socket, deadline, &mine) {
            Ok(offset) => {
                answers += 1;
                best = best.filter(|best| best.bound_ns <= offset.bound_ns).or(Some(offset));
            }
            Err(cause) => {
                why = cause;
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
    best.ok_or(why)
}

/// One question and its answer.
fn round(socket: &UdpSocket, deadline: u64, mine: &[u8; 36]) -> Result<Offset, String> {
    let sent = now();
    let patience = ANSWER.min(Duration::from_nanos(deadline.saturating_sub(sent)));
    let patience = patience.max(Duration::from_millis(1));
    socket.set_read_timeout(Some(patience)).map_err(|cause| cause.to_string())?;
    socket.send(&sent.to_be_bytes()).map_err(|cause| cause.to_string())?;
    let mut answer = [0; 64];
    loop {
        let length = socket.recv(&mut answer).map_err(|cause| match cause.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer".into(),
            _ => cause.to_string(),
        })?;
        let back = now();
        // An answer to an earlier question, which was given up.
        if length != ANSWER_BYTES || answer[..8] != sent.to_be_bytes() {
            continue;
        }
        let theirs = u64::from_be_bytes(answer[8..16].try_into().expect("it has eight bytes"));
        let shared = answer[16..ANSWER_BYTES] == mine[..];
        let bound_ns = (back - sent).div_ceil(2);
        return Ok(Offset { ns: theirs.wrapping_sub(sent + bound_ns) as i64, bound_ns, shared });
    }
}

/// Names the running kernel; zeros where it cannot be read, so that two of these share nothing.
fn boot_id() -> [u8; 36] {
    let text = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let unknown = |_| {
        let mut id = [0; 36];
        id[..8].copy_from_slice(&now().to_be_bytes());
        id[8..12].copy_from_slice(&std::process::id().to_be_bytes());
        id
    };
    text.trim_ascii().try_into().unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_clock_is_recognised_and_found_within_the_bound() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("it can be bound");
        let address = server.local_addr().expect("it has an address");
        let stop = Stop::default();
        answer(server, stop.clone()).expect("it answers");
        let offset = ask(address, now() + 5_000_000_000, &stop).expect("it answered");
        assert!(offset.shared);
        assert!(offset.ns.unsigned_abs() <= offset.bound_ns, "{offset:?}");
        assert!(offset.bound_ns < 50_000_000, "{offset:?}");
    }

    #[test]
    fn a_clock_that_is_ahead_is_found_to_be_ahead() {
        let ahead = 1_234_567_890;
        let server = UdpSocket::bind("127.0.0.1:0").expect("it can be bound");
        let address = server.local_addr().expect("it has an address");
        thread::spawn(move || {
            let mut question = [0; 64];
            while let Ok((8, who)) = server.recv_from(&mut question) {
                let mut answer = question[..8].to_vec();
                answer.extend((now() + ahead).to_be_bytes());
                answer.extend([b'x'; 36]);
                server.send_to(&answer, who).expect("it can be sent");
            }
        });
        let offset = ask(address, now() + 5_000_000_000, &Stop::default()).expect("it answered");
        assert!(!offset.shared);
        assert!(offset.ns.abs_diff(ahead as i64) <= offset.bound_ns, "{offset:?}");
    }

    #[test]
    fn silence_is_given_up_by_the_deadline() {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("it can be bound");
        let begin = now();
        let address = silent.local_addr().expect("it has an address");
        let why = ask(address, begin + 50_000_000, &Stop::default()).expect_err("nobody answered");
        assert_eq!(why, "no answer");
        assert!(now() - begin < 1_000_000_000);
    }
}
