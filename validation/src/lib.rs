//! Judges predictions by measurements and fits the models to them.
mod fit;
mod link;
mod measured;
mod mixed;
mod quota;
mod robust;
mod service;
pub use fit::*;
pub use measured::*;
