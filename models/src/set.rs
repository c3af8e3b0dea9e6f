//! The parameters of all models.

use crate::Quota;

/// placeholder until data arrives
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ModelSet {
    pub cfs_period_ns: u64,
    pub trace_packet_bytes: u64,
    pub packet_payload_bytes: u64,
    pub retransmission_timeout_ns: u64,
}
impl Default for ModelSet { fn default() -> Self { ModelSet { cfs_period_ns: 100_000_000, trace_packet_bytes: 1500, packet_payload_bytes: 1448, retransmission_timeout_ns: 200_000_000 } } }
impl ModelSet {
    /// q
    pub fn quota(&self, share: f64) -> Option<Quota> {
        (share < 1.0).then(|| Quota::new(self.cfs_period_ns, ((self.cfs_period_ns as f64 * share).round() as u64).max(1)))
    }
}
