//! What a target tells the endpoint about a request: stamps of the target's clock in 64 bytes, and filling.

use crate::protocol::{Outcome, SMALLEST_REPLY_BYTES};

const NAME: &[u8; 4] = b"ofr1";
const NO_CLASS: u16 = u16::MAX;

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose request.
    pub endpoint: u32,
    /// Which.
    pub index: u64,
    /// What became of it; never lost.
    pub outcome: Outcome,
    /// When it had arrived [ns].
    pub received: u64,
    /// When the reply was handed to the transport [ns].
    pub replied: u64,
    /// The work, if it was done.
    pub work: Option<Worked>,
}

/// What a worker process did on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worked {
    /// The worker's number.
    pub worker: u32,
    /// When it had the frame [ns].
    pub start: u64,
    /// When the work was done [ns].
    pub end: u64,
    /// Processor time between the two [ns].
    pub cpu: u64,
    /// The class found.
    pub class: Option<u16>,
}

impl Reply {
    /// As it is sent, at least `bytes` long.
    pub fn encode(&self, bytes: u64) -> Vec<u8> {
        let work = self.work.unwrap_or(Worked { worker: 0, start: 0, end: 0, cpu: 0, class: None });
        let outcome: u8 = match self.outcome {
            Outcome::Done => 0,
            Outcome::Dropped => 1,
            Outcome::Failed => 2,
            Outcome::Lost => unreachable!("nobody replies to what is lost"),
        };
        let mut reply = Vec::with_capacity(bytes.max(SMALLEST_REPLY_BYTES) as usize);
        reply.extend(NAME);
        reply.extend(self.endpoint.to_be_bytes());
        reply.extend(self.index.to_be_bytes());
        reply.extend(work.worker.to_be_bytes());
        reply.extend(work.class.unwrap_or(NO_CLASS).to_be_bytes());
        reply.extend([outcome, u8::from(self.work.is_some())]);
        for number in [self.received, self.replied, work.start, work.end, work.cpu] {
            reply.extend(number.to_be_bytes());
        }
        reply.resize(bytes.max(SMALLEST_REPLY_BYTES) as usize, 0);
        reply
    }

    /// Nothing if it is no reply.
    pub fn decode(bytes: &[u8]) -> Option<Reply> {
        let bytes = bytes.strip_prefix(NAME)?;
        let u32_at = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let class = u16::from_be_bytes(bytes.get(16..18)?.try_into().ok()?);
        let worked = Worked {
            worker: u32_at(12)?,
            start: u64_at(36)?,
            end: u64_at(44)?,
            cpu: u64_at(52)?,
            class: (class != NO_CLASS).then_some(class),
        };
        Some(Reply {
            endpoint: u32_at(0)?,
            index: u64_at(4)?,
            outcome: match bytes.get(18)? {
                0 => Outcome::Done,
                1 => Outcome::Dropped,
                2 => Outcome::Failed,
                _ => return None,
            },
            received: u64_at(20)?,
            replied: u64_at(28)?,
            work: (*bytes.get(19)? == 1).then_some(worked),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_arrives_as_it_was_sent() {
        let work = Worked { worker: 3, start: 4, end: 5, cpu: 6, class: Some(999) };
        let reply = Reply {
            endpoint: 1,
            index: 1 << 40,
            outcome: Outcome::Done,
            received: 2,
            replied: u64::MAX,
            work: Some(work),
        };
        assert_eq!(reply.encode(20).len() as u64, SMALLEST_REPLY_BYTES);
        assert_eq!(reply.encode(500).len(), 500);
        assert_eq!(Reply::decode(&reply.encode(500)), Some(reply));
        let dropped = Reply { outcome: Outcome::Dropped, work: None, ..reply };
        assert_eq!(Reply::decode(&dropped.encode(0)), Some(dropped));
        assert_eq!(Reply::decode(b"something else"), None);
        assert_eq!(Reply::decode(&reply.encode(0)[..63]), None);
    }
}
