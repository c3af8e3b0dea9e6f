//! One row per request.

use std::io::{self, Write};

use offing_core::{Parts, Request};

/// The first line of a trace.
const COLUMNS: &str =
    "endpoint,index,node,emitted_ns,prepare_ns,uplink_ns,queue_ns,process_ns,downlink_ns,latency_ns,dropped";

/// Writes requests in the order of emission, endpoint and index. A dropped one has no times.
pub fn write(mut requests: Vec<Request>, out: &mut dyn Write) -> io::Result<()> {
    requests.sort_unstable();
    writeln!(out, "{COLUMNS}")?;
    for Request { emitted, endpoint, index, node, parts } in requests {
        write!(out, "{endpoint},{index},{node},{emitted},")?;
        match &parts {
            Some(parts) => {
                let Parts { prepare, uplink, queue, process, downlink } = parts;
                let latency = parts.latency();
                writeln!(out, "{prepare},{uplink},{queue},{process},{downlink},{latency},false")?;
            }
            None => writeln!(out, ",,,,,,true")?,
        }
    }
    Ok(())
}
