//! Measures deployments on real infrastructure.

mod cluster;
pub mod doctor;
mod down;
mod error;
mod interrupt;
pub mod ledger;
pub mod links;
mod plan;
mod proof;
pub mod provider;

pub use cluster::{Cluster, Inventory, Tools, find_agent};
pub use down::{Which, down};
pub use error::EmuError;
pub use interrupt::{interrupt, interrupted};
pub use plan::{
    CPU_S_PER_PACKET, Dilate, FASTEST_BIT_S, Host, IMAGE, LinkKind, Needs, Node, Plan, RunPlan, Settings,
    plan,
};
pub use proof::{Check, Proof, Quantity};
