//! Measures deployments on real infrastructure.

mod down;
mod error;
mod interrupt;
pub mod ledger;
pub mod links;
mod plan;
pub mod provider;

pub use down::{Which, down};
pub use error::EmuError;
pub use interrupt::{interrupt, interrupted};
pub use plan::{
    CPU_S_PER_PACKET, Dilate, FASTEST_BIT_S, Host, IMAGE, LinkKind, Needs, Node, Plan, RunPlan, Settings,
    plan,
};
