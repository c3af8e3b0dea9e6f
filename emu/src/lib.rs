//! Measures deployments on real infrastructure.

mod error;
pub mod links;

pub use error::EmuError;
