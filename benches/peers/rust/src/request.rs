//! A request on its way.

use nexosim::Message;
use serde::{Deserialize, Serialize};

/// The endpoint of a request and the instants that divide its parts [s].
///
/// A `Message`, for nexosim wants its events to be of that kind; the others take no notice.
#[derive(Clone, Copy, Default, Debug, Message, Serialize, Deserialize)]
pub struct Request {
    /// Where it comes from and returns to.
    pub endpoint: usize,
    /// The frame exists.
    pub emitted: f64,
    /// It leaves the endpoint's processor.
    pub prepared: f64,
    /// It is at the node.
    pub arrived: f64,
    /// A server of the node takes it.
    pub started: f64,
    /// The server is done.
    pub processed: f64,
}
