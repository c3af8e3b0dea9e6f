//! What makes nodes, or replays them: one file each.

pub mod docker;
pub mod rehearsal;
