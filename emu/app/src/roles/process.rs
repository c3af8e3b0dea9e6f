//! A worker process: takes frames from its standard input, works on one at a time, and says what it did.
//!
//! It is a process of its own, as in the application that is imitated, so that the kernel schedules, throttles and
//! kills workers as it does there. It ends when its input ends.
//!
//! First it writes what it is, a line of JSON ([`Work`]). Then, per frame, it reads a length (8 bytes) and the
//! frame, and writes [`Done`].

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use super::burn::burn_until;
use super::chance::Purpose;
use super::clock::{now, thread_cpu};
use super::error::AppError;
use super::frame::address;
use super::reply::Worked;
use crate::protocol::{Process, Work};

/// What it is told when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Of all that is drawn.
    pub seed: u64,
    /// Its number.
    pub worker: u32,
    /// The work.
    pub process: Process,
}

/// The work on one frame as it is written: start, end, processor time (8 bytes each), class (2 bytes).
const DONE_BYTES: usize = 26;
const NO_CLASS: u16 = u16::MAX;

/// How this process works.
enum Engine {
    Burn(crate::protocol::Values),
    #[cfg(feature = "network")]
    Network(Box<super::network::Network>),
}

/// Works until the input ends.
///
/// # Errors
/// The network cannot be loaded, or whom we work for is gone.
pub fn work(config: &ProcessConfig) -> Result<(), AppError> {
    let gone = |cause: io::Error| AppError::world("whom this worker works for is gone", cause);
    let (engine, what) = engine(&config.process)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    serde_json::to_writer(&mut output, &what).map_err(|cause| gone(cause.into()))?;
    output.write_all(b"\n").and_then(|()| output.flush()).map_err(gone)?;
    let mut frame = Vec::new();
    while let Some(length) = length(&mut input).map_err(gone)? {
        frame.resize(length, 0);
        input.read_exact(&mut frame).map_err(gone)?;
        let (start, begin) = (now(), thread_cpu());
        let class = engine.work(&frame, begin, config.seed)?;
        let (cpu, end) = (thread_cpu() - begin, now());
        let mut done = [0; DONE_BYTES];
        done[..8].copy_from_slice(&start.to_le_bytes());
        done[8..16].copy_from_slice(&end.to_le_bytes());
        done[16..24].copy_from_slice(&cpu.to_le_bytes());
        done[24..].copy_from_slice(&class.unwrap_or(NO_CLASS).to_le_bytes());
        output.write_all(&done).and_then(|()| output.flush()).map_err(gone)?;
    }
    Ok(())
}

/// The length of the next frame; nothing at the end of the input.
fn length(input: &mut impl Read) -> io::Result<Option<usize>> {
    let mut length = [0; 8];
    match input.read_exact(&mut length) {
        Ok(()) => Ok(Some(u64::from_le_bytes(length) as usize)),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn engine(process: &Process) -> Result<(Engine, Work), AppError> {
    match process {
        Process::Burn { cpu_ns } => Ok((Engine::Burn(cpu_ns.clone()), Work::Burn)),
        #[cfg(feature = "network")]
        Process::Network => {
            let network = super::network::Network::load()?;
            let what = network.work();
            Ok((Engine::Network(Box::new(network)), what))
        }
        #[cfg(not(feature = "network"))]
        Process::Network => Err(AppError::Config(NO_NETWORK.into())),
    }
}

/// What to do where there is no network.
#[cfg(not(feature = "network"))]
pub const NO_NETWORK: &str = "this binary was built without a network; \
     build it with `lab/agent.sh --network`, or set `process` to `burn`";

impl Engine {
    /// Works on a frame, from when this thread had had the processor time `begin`: the class found, if one is looked
    /// for.
    fn work(&self, frame: &[u8], begin: u64, seed: u64) -> Result<Option<u16>, AppError> {
        match self {
            Engine::Burn(cpu_ns) => {
                let (endpoint, index) = address(frame)
                    .ok_or_else(|| AppError::World("a worker was given something that is no frame".into()))?;
                burn_until(begin + cpu_ns.at(seed, Purpose::Process, endpoint, index));
                Ok(None)
            }
            #[cfg(feature = "network")]
            Engine::Network(network) => network.classify(frame).map(Some),
        }
    }
}

/// The other end: a running worker process as its master sees it.
pub struct Master<I, O> {
    input: I,
    output: O,
    worker: u32,
}

impl<I: Write, O: BufRead> Master<I, O> {
    /// Waits until the worker says what it is.
    ///
    /// # Errors
    /// It ended instead.
    pub fn greet(input: I, mut output: O, worker: u32) -> io::Result<(Self, Work)> {
        let mut line = String::new();
        if output.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let work = serde_json::from_str(&line)?;
        Ok((Master { input, output, worker }, work))
    }

    /// Has a frame worked on.
    ///
    /// # Errors
    /// The process has died.
    pub fn work(&mut self, frame: &[u8]) -> io::Result<Worked> {
        self.input.write_all(&(frame.len() as u64).to_le_bytes())?;
        self.input.write_all(frame)?;
        self.input.flush()?;
        let mut done = [0; DONE_BYTES];
        self.output.read_exact(&mut done)?;
        let number = |at: usize| u64::from_le_bytes(done[at..at + 8].try_into().expect("it has eight bytes"));
        let class = u16::from_le_bytes([done[24], done[25]]);
        Ok(Worked {
            worker: self.worker,
            start: number(0),
            end: number(8),
            cpu: number(16),
            class: (class != NO_CLASS).then_some(class),
        })
    }
}
