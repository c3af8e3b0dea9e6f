//! Links in user space: one TAP device per node, and one loop that moves frames between them.
//!
//! The loop is a process of its own, `offing emulate forwarder`, that lives as long as its standard input is
//! open: when the tool dies, however it dies, the forwarder ends, and the kernel removes its devices. It must
//! run in the host's root control group, with the right to real-time scheduling (SCHED_FIFO), because its
//! scheduling class decides its accuracy: see docs/emulation.md.
//!
//! How late each frame left is recorded; a run is judged by it. Frames other than IPv4 are not carried; the
//! loop itself answers ARP.
//!
//! ```text
//! tool ---- Spec (a line of JSON) ---> forwarder     tool <--- Ready ----- forwarder
//!      ---- "report" ---------------->                    <--- Report ----
//!      ---- end of file: the forwarder ends, its devices vanish
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_current_timer_slack};
use serde::{Deserialize, Serialize};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use offing_core::Histogram;

use super::shaper::{Fate, Medium, Path, Shaper};
use crate::error::EmuError;

/// The name of a node's device, inside the node.
pub const DEVICE: &str = "eth0";
/// Above ordinary work, below the kernel's own threads.
const PRIORITY: u8 = 50;
/// The last part of a wait is spent looking at the clock.
const SPIN_NS: u64 = 100_000;
/// At most half of this window is spent so: a real-time thread that never sleeps is stopped by the kernel for
/// 50 ms of each second.
const SPIN_WINDOW_NS: u64 = 10_000_000;
/// Frames read from one device before the next is looked at.
const BATCH: usize = 16;
/// Frames under way at once; more are dropped and counted.
const MOST_UNDER_WAY: usize = 200_000;
/// An Ethernet frame with a payload of 1500 bytes, and some room.
const FRAME_BYTES: usize = 1_600;
/// How long starting may take.
const START: Duration = Duration::from_secs(10);

/// What the forwarder is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Decides losses and delays.
    pub seed: u64,
    /// The nodes, in the order that paths refer to.
    pub nodes: Vec<Attachment>,
    /// The media that paths refer to.
    pub media: Vec<Medium>,
    /// What is connected. A pair without a path is not connected.
    pub paths: Vec<Path>,
}

/// Where a node's device is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// For messages.
    pub name: String,
    /// The node's network namespace, for example `/proc/123/ns/net`.
    pub namespace: PathBuf,
    /// The node's address.
    pub address: Ipv4Addr,
    /// Length of the prefix that all nodes share.
    pub prefix: u8,
    /// The name of its device.
    pub device: String,
}

/// The forwarder's first answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// Why it cannot serve.
    pub error: Option<String>,
    /// Whether it has real-time scheduling.
    pub real_time: bool,
    /// Why not.
    pub real_time_error: Option<String>,
}

/// What happened since the last report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the loop has real-time scheduling.
    pub real_time: bool,
    /// Frames that left [1].
    pub forwarded: u64,
    /// Frames that were lost because the link loses frames.
    pub lost: u64,
    /// Frames that met a full queue.
    pub dropped: u64,
    /// Frames between nodes that are not connected, and frames that are not IPv4.
    pub strange: u64,
    /// Frames that the kernel did not take.
    pub refused: u64,
    /// How long after they were due frames left: median [ns].
    pub lateness_p50_ns: f64,
    /// The same, 99 of 100 [ns].
    pub lateness_p99_ns: f64,
    /// The latest [ns].
    pub lateness_max_ns: u64,
}

/// The hardware address of node number `i`.
fn hardware_address(i: usize) -> [u8; 6] {
    let [.., a, b] = (i as u64).to_be_bytes();
    [0x02, 0x0f, 0x66, 0x00, a, b]
}

fn node_of(hardware: &[u8]) -> Option<usize> {
    match hardware {
        [0x02, 0x0f, 0x66, 0x00, a, b] => Some(usize::from(u16::from_be_bytes([*a, *b]))),
        _ => None,
    }
}

// ---------------------------------------------------------------------------------------------------------
// The side of the tool.

/// A forwarder that runs.
pub struct Forwarder {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Its first answer.
    pub ready: Ready,
}

impl Forwarder {
    /// Starts a forwarder by a command line, for example `["/usr/bin/offing", "emulate", "forwarder"]`.
    ///
    /// # Errors
    /// The process cannot be started, does not answer within ten seconds, or cannot make its devices.
    pub fn start(command: &[String], spec: &Spec) -> Result<Forwarder, EmuError> {
        let failed = |cause: String| EmuError::Links { step: "start the forwarder".into(), cause };
        let [program, arguments @ ..] = command else { return Err(failed("no command".into())) };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| failed(format!("{program}: {cause}")))?;
        let (said, answers) = channel();
        let output = child.stdout.take().expect("standard output is piped");
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        let ready = Ready { error: None, real_time: false, real_time_error: None };
        let mut forwarder = Forwarder { child, input, answers, ready };
        let spec = serde_json::to_string(spec).expect("a specification is plain data");
        forwarder.ready = forwarder.ask(&spec).map_err(failed)?;
        match forwarder.ready.error.take() {
            Some(cause) => Err(failed(cause)),
            None => Ok(forwarder),
        }
    }

    /// What happened since the last report.
    ///
    /// # Errors
    /// The forwarder has died: then the run is worth nothing.
    pub fn report(&mut self) -> Result<Report, EmuError> {
        self.ask("report").map_err(|cause| EmuError::Links { step: "ask the forwarder".into(), cause })
    }

    /// Whether it lives.
    ///
    /// # Errors
    /// It has ended: then the run is worth nothing.
    pub fn check(&mut self) -> Result<(), EmuError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(EmuError::links("keep the links up", format!("the forwarder has ended: {status}")))
            }
            Err(cause) => Err(EmuError::links("look after the forwarder", cause)),
        }
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    fn ask<T: for<'a> Deserialize<'a>>(&mut self, line: &str) -> Result<T, String> {
        let input = self.input.as_mut().expect("it is open until the forwarder is dropped");
        writeln!(input, "{line}").map_err(|cause| format!("it does not listen: {cause}"))?;
        let answer = self.answers.recv_timeout(START).map_err(|_| match self.child.try_wait() {
            Ok(Some(status)) => format!("it has ended: {status}"),
            _ => format!("no answer within {} s", START.as_secs()),
        })?;
        serde_json::from_str(&answer).map_err(|bad| format!("cannot read `{answer}`: {bad}"))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // The end of its input ends it; what hangs is killed.
        self.input = None;
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---------------------------------------------------------------------------------------------------------
// The side of the forwarder.

/// Serves one run over standard input and output: what `offing emulate forwarder` does.
///
/// # Errors
/// Standard output cannot be written. Anything else is told to the tool.
pub fn serve() -> io::Result<()> {
    let mut lines = io::stdin().lines();
    let Some(Ok(line)) = lines.next() else { return Ok(()) };
    let (commands, inbox) = channel();
    let (outbox, answers) = channel();
    let loop_thread = thread::spawn(move || forward(&line, &inbox, &outbox));
    let say = |answer: Result<String, _>| match answer {
        Ok(answer) => writeln!(io::stdout(), "{answer}"),
        Err(_) => Err(io::Error::other("the loop has ended")),
    };
    say(answers.recv())?;
    for line in lines.map_while(Result::ok) {
        if line == "report" && commands.send(()).is_ok() {
            say(answers.recv())?;
        }
    }
    drop(commands);
    loop_thread.join().map_err(|_| io::Error::other("the loop failed"))
}

/// Reads the specification, makes the devices and moves frames until nobody commands any more.
fn forward(line: &str, commands: &Receiver<()>, answers: &Sender<String>) {
    let say = |answer: String| answers.send(answer).is_ok();
    let refuse = |error: String| {
        let ready = Ready { error: Some(error), real_time: false, real_time_error: None };
        say(serde_json::to_string(&ready).expect("plain data"));
    };
    let spec: Spec = match serde_json::from_str(line) {
        Ok(spec) => spec,
        Err(bad) => return refuse(format!("the specification cannot be read: {bad}")),
    };
    let devices = match attach(&spec.nodes) {
        Ok(devices) => devices,
        Err(cause) => return refuse(cause),
    };
    let real_time = real_time();
    let ready = Ready { error: None, real_time: real_time.is_ok(), real_time_error: real_time.err() };
    if !say(serde_json::to_string(&ready).expect("plain data")) {
        return;
    }
    let mut forwarding = Forwarding::new(&spec, &devices);
    loop {
        match commands.try_recv() {
            Ok(()) => {
                let report = forwarding.report(ready.real_time);
                if !say(serde_json::to_string(&report).expect("plain data")) {
                    return;
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        if let Err(cause) = forwarding.turn() {
            // The tool notices that nobody answers.
            let _ = writeln!(io::stderr(), "offing forwarder: {cause}");
            return;
        }
    }
}

/// Asks for real-time scheduling and exact timers for this thread.
pub(crate) fn real_time() -> Result<(), String> {
    set_current_timer_slack(NonZeroU64::new(1)).map_err(|cause| format!("timer slack: {cause}"))?;
    let priority = ThreadPriorityValue::try_from(PRIORITY).expect("it is between 1 and 99");
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(priority),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
    .map_err(|cause| format!("SCHED_FIFO is refused: {cause}"))
}

/// Makes a device in the network namespace of each node and comes back to our own.
fn attach(nodes: &[Attachment]) -> Result<Vec<SyncDevice>, String> {
    let open = |path: &FilePath| File::open(path).map_err(|cause| format!("{}: {cause}", path.display()));
    let home = open(FilePath::new("/proc/thread-self/ns/net"))?;
    let mut devices = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let there = open(&node.namespace)?;
        enter(&there).map_err(|cause| format!("{}: cannot enter its network: {cause}", node.name))?;
        let device = DeviceBuilder::new()
            .name(&node.device)
            .layer(Layer::L2)
            .mac_addr(hardware_address(i))
            .ipv4(node.address, node.prefix, None)
            .mtu(1_500)
            .build_sync();
        enter(&home).map_err(|cause| format!("cannot come back from {}: {cause}", node.name))?;
        let device = device.map_err(|cause| format!("{}: cannot make its TAP device: {cause}", node.name))?;
        device.set_nonblocking(true).map_err(|cause| format!("{}: {cause}", node.name))?;
        devices.push(device);
    }
    Ok(devices)
}

fn enter(namespace: &File) -> rustix::io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

/// The state of the loop.
struct Forwarding<'a> {
    devices: &'a [SyncDevice],
    polled: Vec<PollFd<'a>>,
    addresses: Vec<Ipv4Addr>,
    shaper: Shaper,
    /// Number of the path from a node to a node.
    paths: Vec<Vec<Option<usize>>>,
    /// Frames under way: due [ns], number in order of arrival, receiver, place in `frames`.
    under_way: BinaryHeap<Reverse<(u64, u64, usize, usize)>>,
    frames: Vec<Vec<u8>>,
    unused: Vec<usize>,
    arrivals: u64,
    begin: Instant,
    spin_window: u64,
    spun_ns: u64,
    lateness: Histogram,
    counts: Report,
}

impl<'a> Forwarding<'a> {
    fn new(spec: &Spec, devices: &'a [SyncDevice]) -> Self {
        let n = devices.len();
        let mut paths = vec![vec![None; n]; n];
        for (number, path) in spec.paths.iter().enumerate() {
            paths[path.from][path.to] = Some(number);
        }
        Forwarding {
            devices,
            polled: devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect(),
            addresses: spec.nodes.iter().map(|node| node.address).collect(),
            shaper: Shaper::new(&spec.media, &spec.paths, spec.seed),
            paths,
            under_way: BinaryHeap::new(),
            frames: Vec::new(),
            unused: Vec::new(),
            arrivals: 0,
            begin: Instant::now(),
            spin_window: 0,
            spun_ns: 0,
            lateness: Histogram::new(),
            counts: Report::default(),
        }
    }

    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    /// Sends what is due, waits for the next due frame or for an arrival, takes what has arrived.
    fn turn(&mut self) -> io::Result<()> {
        let next_due = self.send_due();
        let wait_ns = self.wait_ns(next_due);
        let wait =
            Timespec { tv_sec: (wait_ns / 1_000_000_000) as i64, tv_nsec: (wait_ns % 1_000_000_000) as i64 };
        match poll(&mut self.polled, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(cause) => return Err(cause.into()),
        }
        for node in 0..self.devices.len() {
            let events = self.polled[node].revents();
            if events.intersects(PollFlags::ERR | PollFlags::NVAL) {
                return Err(io::Error::other(format!("the device of node {node} is gone")));
            }
            if events.contains(PollFlags::IN) {
                for _ in 0..BATCH {
                    if !self.take(node)? {
                        break;
                    }
                    self.send_due();
                }
            }
        }
        Ok(())
    }

    /// How long to sleep: not at all during the last part of a wait, as far as the allowance goes.
    fn wait_ns(&mut self, next_due: Option<u64>) -> u64 {
        // Commands are looked at between waits.
        const LONGEST_NS: u64 = 20_000_000;
        let now = self.now();
        let Some(due) = next_due else { return LONGEST_NS };
        let left = due.saturating_sub(now);
        if now / SPIN_WINDOW_NS != self.spin_window {
            (self.spin_window, self.spun_ns) = (now / SPIN_WINDOW_NS, 0);
        }
        let allowed = self.spun_ns < SPIN_WINDOW_NS / 2;
        if !allowed {
            return left.min(LONGEST_NS);
        }
        if left > SPIN_NS {
            return (left - SPIN_NS).min(LONGEST_NS);
        }
        // A look at the devices takes about this long.
        self.spun_ns += 1_000.min(left);
        0
    }

    /// Sends what is due and says when the next frame is.
    fn send_due(&mut self) -> Option<u64> {
        while let Some(&Reverse((due, _, to, place))) = self.under_way.peek() {
            let now = self.now();
            if due > now {
                return Some(due);
            }
            self.under_way.pop();
            match self.devices[to].send(&self.frames[place]) {
                Ok(_) => self.counts.forwarded += 1,
                // The node's device is down or its memory exhausted: to the node, the frame is lost.
                Err(_) => self.counts.refused += 1,
            }
            self.lateness.record(now - due);
            self.unused.push(place);
        }
        None
    }

    /// Takes a frame from a node; false if there is none.
    fn take(&mut self, from: usize) -> io::Result<bool> {
        let place = self.unused.pop().unwrap_or_else(|| {
            self.frames.push(Vec::with_capacity(FRAME_BYTES));
            self.frames.len() - 1
        });
        let mut frame = std::mem::take(&mut self.frames[place]);
        frame.resize(FRAME_BYTES, 0);
        let length = match self.devices[from].recv(&mut frame) {
            Ok(length) => length,
            Err(cause) => {
                (self.frames[place], _) = (frame, self.unused.push(place));
                return if cause.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(cause) };
            }
        };
        let now = self.now();
        frame.truncate(length);
        let kept = self.fate(from, &frame, now);
        self.frames[place] = frame;
        match kept {
            Some((due, to)) => {
                self.under_way.push(Reverse((due, self.arrivals, to, place)));
                self.arrivals += 1;
            }
            None => self.unused.push(place),
        }
        Ok(true)
    }

    /// When a frame is due, and where; nothing if it goes nowhere.
    fn fate(&mut self, from: usize, frame: &[u8], now: u64) -> Option<(u64, usize)> {
        if let Some(answer) = self.neighbour(from, frame) {
            if self.devices[from].send(&answer).is_err() {
                self.counts.refused += 1;
            }
            return None;
        }
        let to = node_of(frame.get(..6)?).filter(|_| frame.get(12..14) == Some(&[0x08, 0x00]));
        let path = to.and_then(|to| *self.paths[from].get(to)?);
        let (Some(path), Some(to)) = (path, to) else {
            self.counts.strange += 1;
            return None;
        };
        if self.under_way.len() >= MOST_UNDER_WAY {
            self.counts.dropped += 1;
            return None;
        }
        match self.shaper.offer(path, frame.len(), now) {
            Fate::Due(due) => return Some((due, to)),
            Fate::Lost => self.counts.lost += 1,
            Fate::Dropped => self.counts.dropped += 1,
        }
        None
    }

    /// The answer to a question for a node's hardware address (ARP, RFC 826).
    fn neighbour(&self, from: usize, frame: &[u8]) -> Option<Vec<u8>> {
        const REQUEST: [u8; 10] = [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1];
        if frame.len() < 42 || frame[12..22] != REQUEST {
            return None;
        }
        let asked = Ipv4Addr::new(frame[38], frame[39], frame[40], frame[41]);
        let node = self.addresses.iter().position(|&address| address == asked)?;
        // Asking for oneself is how a node looks whether its address is taken.
        if node == from {
            return None;
        }
        let theirs = hardware_address(node);
        let mut answer = Vec::with_capacity(42);
        answer.extend_from_slice(&frame[6..12]);
        answer.extend_from_slice(&theirs);
        answer.extend_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 2]);
        answer.extend_from_slice(&theirs);
        answer.extend_from_slice(&asked.octets());
        answer.extend_from_slice(&frame[22..32]);
        Some(answer)
    }

    /// What happened since the last report.
    fn report(&mut self, real_time: bool) -> Report {
        let lateness = std::mem::replace(&mut self.lateness, Histogram::new());
        let quantile = |p| if lateness.count() == 0 { 0.0 } else { lateness.quantile(p) };
        Report {
            real_time,
            lateness_p50_ns: quantile(0.5),
            lateness_p99_ns: quantile(0.99),
            lateness_max_ns: lateness.max(),
            ..std::mem::take(&mut self.counts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_names_its_node() {
        for i in [0, 1, 255, 256, 65_535] {
            assert_eq!(node_of(&hardware_address(i)), Some(i));
        }
        assert_eq!(node_of(&[0xff; 6]), None);
    }
}
