//! What makes nodes, or replays them: one file each; and what puts nodes before other programs.

pub mod docker;
pub(crate) mod priority;
pub mod rehearsal;
