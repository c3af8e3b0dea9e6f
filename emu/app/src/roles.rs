//! The roles: from the command line to a role and back.

mod broker;
mod endpoint;
mod local;
mod worker;

mod emission;
mod frame;
mod offset;
mod pool;
mod process;
mod queue;

mod http;
mod mqtt;
mod reply;

#[cfg(feature = "network")]
mod network;

mod burn;
mod chance;
mod clock;
mod error;
mod role;

use std::io::{self, Read};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use clock::Stop;
pub use error::AppError;

/// Runs the role with this name until its end: its report as JSON. `config` is the text of its configuration, or `-`
/// for the standard input.
///
/// # Errors
/// The configuration is wrong, or the world failed.
pub fn run(role: &str, config: &str) -> Result<String, AppError> {
    match role {
        "broker" => with(config, broker::run),
        "worker" => with(config, worker::run),
        "endpoint" => with(config, endpoint::run),
        "local" => with(config, local::run),
        // What `worker` and `local` start: its output is theirs, and it ends when they do.
        "process" => process::work(&parse(config)?).map(|()| String::new()),
        _ => Err(AppError::Config(format!(
            "`{role}` is not a role: write `broker`, `worker`, `endpoint` or `local`"
        ))),
    }
}

fn with<C, R>(config: &str, role: fn(&C, &Stop) -> Result<R, AppError>) -> Result<String, AppError>
where
    C: for<'de> Deserialize<'de>,
    R: Serialize,
{
    let stop = Stop::on_signal()?;
    let report = if config == "-" {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .map_err(|cause| AppError::world("cannot read the configuration", cause))?;
        role(&parse(&text)?, &stop)?
    } else {
        role(&parse(config)?, &stop)?
    };
    serde_json::to_string(&report).map_err(|cause| AppError::world("cannot write the report", cause))
}

fn parse<C: DeserializeOwned>(text: &str) -> Result<C, AppError> {
    serde_json::from_str(text)
        .map_err(|cause| AppError::Config(format!("the configuration is wrong: {cause}")))
}
