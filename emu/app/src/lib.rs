//! The application that is measured: what runs on the nodes of a deployment.
//!
//! [`protocol`] says how a role is told what to do and what it reports; who only starts roles needs nothing else.
//! With the feature `roles` there are the roles themselves, [`run`]; with `network` they can classify pictures.
//!
//! ```text
//!  endpoint                          target node
//!  emission -> frame -> mqtt ------> broker -> worker: queue -> pool -> process (one per worker, a process each)
//!          <----------- mqtt <------ broker <-------- reply <-'
//! ```

pub mod protocol;

#[cfg(feature = "roles")]
mod roles;

#[cfg(feature = "roles")]
pub use roles::{AppError, run};
