//! What the agents say to each other over UDP, and the kernel's instant of arrival.
//!
//! A packet is a letter, a stream number that tells measurements apart, a sequence number and two instants.
//! Bytes beyond that are padding.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Where `serve` listens, for UDP and TCP.
pub const PORT: u16 = 7007;
/// The shortest packet.
pub const SHORT: usize = 64;
/// UDP payload that fills an Ethernet frame with the usual limit of 1500 bytes.
pub const LONG: usize = 1472;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Send it back with the instant of its arrival.
    Ping = b'P' as isize,
    /// Count it.
    Count = b'C' as isize,
    /// Count frames while these come.
    Flood = b'F' as isize,
    /// How many were counted?
    Counted = b'Q' as isize,
    /// How fast were frames received?
    Flooded = b'R' as isize,
}

/// The head of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub purpose: Purpose,
    pub stream: u64,
    pub sequence: u64,
    /// When it was sent; in an answer a result.
    pub sent_ns: u64,
    /// When the other side received it; in an answer a result.
    pub received_ns: u64,
}

impl Packet {
    pub fn write(&self, buffer: &mut [u8]) {
        buffer[0] = self.purpose as u8;
        let words = [self.stream, self.sequence, self.sent_ns, self.received_ns];
        for (place, word) in buffer[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }

    /// Nothing if it is not one of ours.
    pub fn read(buffer: &[u8]) -> Option<Packet> {
        if buffer.len() < SHORT {
            return None;
        }
        let purpose = match buffer[0] {
            b'P' => Purpose::Ping,
            b'C' => Purpose::Count,
            b'F' => Purpose::Flood,
            b'Q' => Purpose::Counted,
            b'R' => Purpose::Flooded,
            _ => return None,
        };
        let word = |i: usize| {
            let at = 8 + 8 * i;
            u64::from_be_bytes(buffer[at..at + 8].try_into().expect("eight bytes"))
        };
        Some(Packet { purpose, stream: word(0), sequence: word(1), sent_ns: word(2), received_ns: word(3) })
    }
}

/// The clock that all nodes of a host share.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Asks the kernel to stamp what arrives, and for room for what arrives while we do not run.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    // The kernel grants what it is configured to grant.
    let _ = setsockopt(socket, sockopt::RcvBuf, &(4 << 20));
    Ok(())
}

/// Receives a packet: its length, who sent it, and when the kernel had it. Nothing if none came in time.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddrV4, u64)>> {
    let mut control = cmsg_space!(TimeSpec);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
    let message = match message {
        Ok(message) => message,
        Err(nix::Error::EAGAIN | nix::Error::EINTR | nix::Error::ECONNREFUSED) => return Ok(None),
        Err(cause) => return Err(cause.into()),
    };
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at).as_nanos() as u64),
        _ => None,
    });
    let from = message.address.map(|from| SocketAddrV4::new(from.ip(), from.port()));
    Ok(from.map(|from| (message.bytes, from, stamp.unwrap_or_else(now_ns))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_reads_back_as_it_was_written_and_strangers_are_ignored() {
        let packet =
            Packet { purpose: Purpose::Flood, stream: 7, sequence: 1, sent_ns: u64::MAX, received_ns: 3 };
        let mut buffer = [0; SHORT];
        packet.write(&mut buffer);
        assert_eq!(Packet::read(&buffer), Some(packet));
        assert_eq!(Packet::read(&buffer[..SHORT - 1]), None);
        buffer[0] = b'x';
        assert_eq!(Packet::read(&buffer), None);
    }
}
