//! The first process of a pod: waits until it is told when the run starts, starts the roles, keeps their reports.
//!
//! ```text
//! waiting --start UNIX_NS--> running --> done --end--> it ends
//!    `-------- state: its clock, at any time; report: waits until it is done --------'
//! ```
//! It is told by `offing-agent tell`, which Kubernetes runs in the same container, over a socket in the abstract
//! name space: nobody outside the pod's network can tell it anything. The port that says that it is ready answers
//! nothing. Reports stay here until the pod ends, so that a broken connection loses nothing.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use offing_app::protocol::{PodConfig, PodReport, PodRole, PodState};
use serde_json::Value;

use crate::counters;

/// Is open as soon as the pod can be told something.
const READY_PORT: u16 = 7_078;
/// The socket's name.
const SOCKET: &str = "offing-pod";
/// How long other roles may take to fail for the same reason.
const AFTERMATH: Duration = Duration::from_millis(1_000);

/// What is known between threads.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When the run starts, on the monotonic clock [ns].
    start_ns: Option<u64>,
    /// JSON.
    report: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until it is told to end, or SIGTERM.
///
/// # Errors
/// The configuration is wrong, or the kernel refuses a socket.
pub fn serve(folder: &Path) -> io::Result<String> {
    let begun_unix_ns = unix_ns();
    let config = read(folder)?;
    // The first process of a container gets no signal that it does not ask for.
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            process::exit(0);
        }
    });
    let shared = Arc::new(Shared::default());
    let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(SOCKET)?)?;
    let told = shared.clone();
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let told = told.clone();
            thread::spawn(move || answer(stream, &told, begun_unix_ns));
        }
    });
    let ready = TcpListener::bind((Ipv4Addr::UNSPECIFIED, READY_PORT))?;
    thread::spawn(move || ready.incoming().flatten().for_each(drop));

    let mut state = shared.lock();
    let start_ns = loop {
        match state.start_ns {
            Some(start_ns) => break start_ns,
            None => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    };
    drop(state);
    let report = run(&config, start_ns);
    if let Some((role, said)) = &report.failed {
        // For who reads the log.
        let _ = writeln!(io::stderr(), "offing-agent: the {role} failed: {said}");
    }
    let text = serde_json::to_string(&report).map_err(io::Error::other)?;
    shared.lock().report = Some(text);
    shared.changed.notify_all();
    loop {
        thread::park();
    }
}

/// All files of a folder, in the order of their names, are one document.
fn read(folder: &Path) -> io::Result<PodConfig> {
    let failed = |cause: io::Error| io::Error::new(cause.kind(), format!("{}: {cause}", folder.display()));
    let mut paths: Vec<_> = fs::read_dir(folder)
        .map_err(failed)?
        .flatten()
        .map(|entry| entry.path())
        // What Kubernetes mounts has hidden folders beside the files.
        .filter(|path| {
            path.is_file() && !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
        })
        .collect();
    paths.sort();
    let parts = paths.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    serde_json::from_str(&parts.concat()).map_err(|bad| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("the configuration of the pod is wrong: {bad}"))
    })
}

/// Answers one question.
fn answer(stream: UnixStream, shared: &Shared, begun_unix_ns: u64) {
    let mut line = String::new();
    let mut input = BufReader::new(stream);
    if input.read_line(&mut line).is_err() {
        return;
    }
    let mut stream = input.into_inner();
    let words: Vec<&str> = line.split_whitespace().collect();
    let state = |refused: Option<String>| {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let state = PodState {
            now_unix_ns: unix_ns(),
            begun_unix_ns,
            boot_id: boot_id.map(|id| id.trim().to_string()),
            refused,
        };
        serde_json::to_string(&state).unwrap_or_default()
    };
    let text = match words[..] {
        ["state"] => state(None),
        ["start", at] => state(start(shared, at)),
        ["report"] => {
            let mut state = shared.lock();
            loop {
                match &state.report {
                    Some(report) => break report.clone(),
                    None => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            }
        }
        ["end"] => {
            let _ = stream.write_all(b"ended");
            let _ = stream.shutdown(Shutdown::Write);
            process::exit(0);
        }
        _ => return,
    };
    // Who has gone asks again.
    let _ = stream.write_all(text.as_bytes());
}

/// Sets the start; why not, if it cannot be.
fn start(shared: &Shared, at: &str) -> Option<String> {
    let Ok(at) = at.parse::<u64>() else { return Some(format!("`{at}` is no instant")) };
    let now = unix_ns();
    if at <= now {
        return Some(format!("the start was {:.1} s ago when it was told", (now - at) as f64 / 1e9));
    }
    let mut state = shared.lock();
    // Being told twice is harmless: a connection may break after the first time.
    if state.start_ns.is_none() {
        state.start_ns = Some(now_ns() + (at - now));
        shared.changed.notify_all();
    }
    None
}

/// Tells the pod in whose container this runs, and what it answers.
///
/// # Errors
/// There is no pod that listens.
pub fn tell(words: &str) -> io::Result<String> {
    let address = SocketAddr::from_abstract_name(SOCKET)?;
    let mut stream = UnixStream::connect_addr(&address)
        .map_err(|cause| io::Error::new(cause.kind(), format!("the pod does not listen: {cause}")))?;
    stream.write_all(format!("{words}\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    match text.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{words}` was not understood"))),
        false => Ok(text),
    }
}

/// Runs all roles until they have ended, or a second after the first that fails.
fn run(config: &PodConfig, start_ns: u64) -> PodReport {
    let spans = [config.from_ns, config.until_ns].map(|at| start_ns + at);
    let sampler = thread::spawn(move || {
        spans.map(|at| {
            thread::sleep(Duration::from_nanos(at.saturating_sub(now_ns())));
            counters::read()
        })
    });
    let mut reports = vec![None; config.roles.len()];
    let mut failed = None;
    let (sender, ended) = channel();
    let mut children: Vec<Arc<Mutex<Child>>> = Vec::new();
    for (i, role) in config.roles.iter().enumerate() {
        match begin(role, start_ns) {
            Ok((child, output)) => {
                let child = Arc::new(Mutex::new(child));
                children.push(child.clone());
                let sender = sender.clone();
                thread::spawn(move || {
                    let said = output.join();
                    let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
                    let _ = sender.send((i, said, status));
                });
            }
            Err(cause) => {
                failed = Some((role.role.clone(), cause.to_string()));
                break;
            }
        }
    }
    drop(sender);
    while let Ok((i, said, status)) = match failed {
        None => ended.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(_) => ended.recv_timeout(AFTERMATH),
    } {
        let (text, errors) = said.unwrap_or_default();
        match status {
            Ok(status) if status.success() => reports[i] = Some(text.trim().to_string()),
            Ok(status) => {
                let said = format!("{status}: {}", errors.trim());
                failed = failed.or(Some((config.roles[i].role.clone(), said)));
            }
            Err(cause) => failed = failed.or(Some((config.roles[i].role.clone(), cause.to_string()))),
        }
    }
    for child in children {
        if let Ok(mut child) = child.try_lock() {
            let _ = child.kill();
        }
    }
    // A role that fails before the span is over leaves nothing to be counted.
    let counters = (failed.is_none()).then(|| sampler.join().ok()).flatten();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    PodReport {
        reports,
        failed,
        counters,
        processor: model.map(|(_, name)| name.trim().to_string()),
        // Not what the quota leaves of them.
        cores: info.lines().filter(|line| line.starts_with("processor")).count().max(1) as f64,
    }
}

/// What a role has printed and what it has complained about.
type Said = thread::JoinHandle<(String, String)>;

/// Starts a role as a process.
fn begin(role: &PodRole, start_ns: u64) -> io::Result<(Child, Said)> {
    let mut config: Value = serde_json::from_str(&role.config)?;
    config["schedule"]["start_at_ns"] = start_ns.into();
    let mut child = Command::new("/proc/self/exe")
        .args(["app", &role.role, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("its streams are not there"));
    };
    let text = config.to_string();
    // One that has ended already says why. Its input ends with the thread.
    thread::spawn(move || input.write_all(text.as_bytes()));
    let (output, errors) = (drain(output), drain(errors));
    let said = thread::spawn(move || (output.join().unwrap_or_default(), errors.join().unwrap_or_default()));
    Ok((child, said))
}

/// Reads to the end.
fn drain(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        // What was read before it broke is worth something.
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// This machine's monotonic clock, on which the roles are told when to start [ns].
pub(crate) fn now_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| Duration::from(now).as_nanos() as u64)
}

/// This machine's clock, since 1970 [ns].
fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
