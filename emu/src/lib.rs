//! Measures deployments on real infrastructure.

mod error;
pub mod ledger;
pub mod links;
mod plan;

pub use error::EmuError;
pub use plan::{
    CPU_S_PER_PACKET, Dilate, FASTEST_BIT_S, Host, IMAGE, LinkKind, Needs, Node, Plan, RunPlan, Settings, plan,
};
