//! The parameters of all models.

use offing_core::Span;

use crate::{Quota, Transport};

/// placeholder until data arrives
#[derive(Clone, Debug, Default)]
pub struct ModelSet {}
impl ModelSet {
    /// q
    pub fn quota(&self, share: f64) -> Option<Quota> {
        let quota = Quota::new(share, 100_000_000, 0);
        (!quota.is_whole()).then_some(quota)
    }
    /// l
    pub fn label(&self) -> String { String::new() }
    /// t
    pub fn transport(&self) -> Transport {
        Transport { segment_bytes: 1448, fast_retransmit_packets: 4, timeout: Span::from_millis(200), opportunity_bytes: 1500 }
    }
}
