//! One row per request.

use std::io::{self, Write};

use offing_core::Request;

/// Writes requests in the order of emission, endpoint and index. A dropped one has no times.
pub fn write(mut requests: Vec<Request>, out: &mut dyn Write) -> io::Result<()> {
    requests.sort_unstable();
    writeln!(out, "{}", Request::COLUMNS)?;
    requests.iter().try_for_each(|request| writeln!(out, "{request}"))
}
