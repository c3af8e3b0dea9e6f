//! The application that is measured: what runs on the nodes of a deployment.
//!
//! [`protocol`] says how a role is told what to do and what it reports; who only starts roles needs nothing else.

pub mod protocol;
