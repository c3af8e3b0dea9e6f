//! What runs inside a node: before the application it measures links and processors from there, and then it is the
//! application.
//!
//! One static binary with several roles, so that it can be the only file of an image. `serve` answers; the
//! other roles measure something, print one line of JSON and end. Instants are the kernel's, of the clock that
//! all nodes of a host share, so that each direction of a link is measured by itself. A packet's arrival is
//! the instant at which the kernel received it: a busy processor delays the reader, not the measurement.
//!
//! On Kubernetes `pod` is the first process of a pod: it waits until `tell` says when the run starts.
//!
//! The roles of the application (`app`) are those of [`offing_app`]: told by JSON, reporting as JSON.
//!
//! Nothing is authenticated: the nodes of a run reach each other and nobody else.

mod burn;
mod client;
mod counters;
mod packet;
mod pod;
mod server;

use std::env;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use offing_app::AppError;

const USAGE: &str = "usage: offing-agent serve [DEVICE]
       offing-agent ping ADDRESS COUNT INTERVAL_US
       offing-agent stream ADDRESS COUNT PACKETS_PER_S
       offing-agent flood ADDRESS RATE_BIT_S DURATION_MS
       offing-agent tcp ADDRESS DURATION_MS
       offing-agent burn THREADS DURATION_MS
       offing-agent app broker|worker|endpoint|local CONFIG|-
       offing-agent pod FOLDER
       offing-agent tell state|report|end
       offing-agent tell start UNIX_NS";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match role(&args) {
        // A worker process of the application has said all it has to say.
        Ok(line) if line.is_empty() => ExitCode::SUCCESS,
        Ok(line) => match writeln!(io::stdout(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(3),
        },
        Err(cause) => {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr(), "offing-agent: {cause}");
            ExitCode::from(if cause.kind() == io::ErrorKind::InvalidInput { 2 } else { 3 })
        }
    }
}

/// Does what is asked and says what was measured, as JSON.
fn role(args: &[&str]) -> io::Result<String> {
    match args {
        ["serve"] => server::serve("eth0"),
        ["serve", device] => server::serve(device),
        ["ping", peer, count, interval] => {
            client::ping(address(peer)?, number(count)?, Duration::from_micros(number(interval)?))
        }
        ["stream", peer, count, rate] => client::stream(address(peer)?, number(count)?, number(rate)?),
        ["flood", peer, rate, length] => {
            client::flood(address(peer)?, number(rate)?, Duration::from_millis(number(length)?))
        }
        ["tcp", peer, length] => client::tcp(address(peer)?, Duration::from_millis(number(length)?)),
        ["burn", threads, length] => burn::burn(number(threads)?, Duration::from_millis(number(length)?)),
        ["pod", folder] => pod::serve(Path::new(folder)),
        ["tell", words @ ..] if !words.is_empty() => pod::tell(&words.join(" ")),
        ["app", role, config] => offing_app::run(role, config).map_err(|cause| match cause {
            AppError::Config(text) => io::Error::new(io::ErrorKind::InvalidInput, text),
            AppError::World(text) => io::Error::other(text),
        }),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE)),
    }
}

fn address(text: &str) -> io::Result<Ipv4Addr> {
    text.parse().map_err(|_| bad(text, "an IPv4 address"))
}

fn number(text: &str) -> io::Result<u64> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(bad(text, "a whole number above zero")),
    }
}

fn bad(text: &str, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("`{text}` is not {what}\n{USAGE}"))
}
