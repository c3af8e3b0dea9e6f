//! What makes nodes: one file each.

pub mod docker;
