//! The queue of a node and its worker processes.
//!
//! One thread per worker process takes the next frame from the queue, hands it to its process, waits, and sends the
//! reply: it costs almost nothing while the process works. A worker that dies is not replaced, since the run would
//! then measure something else than was asked; its frame has failed, and the report says so.

use std::io::BufReader;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::AsyncClient;
use tokio::sync::oneshot;

use super::chance::Purpose;
use super::clock::now;
use super::error::AppError;
use super::mqtt;
use super::process::{Master, ProcessConfig};
use super::queue::Queue;
use super::reply::Reply;
use crate::protocol::{self, Outcome, Values, Work, WorkerProcess, WorkerReport};

/// A frame that has arrived.
pub struct Job {
    /// The picture.
    pub frame: Bytes,
    /// Whose request.
    pub endpoint: u32,
    /// Which.
    pub index: u64,
    /// When it had arrived [ns].
    pub received: u64,
    /// How the endpoint is told.
    pub back: Back,
}

/// How an endpoint is told what became of its request.
pub enum Back {
    /// By a message.
    Mqtt(AsyncClient, rumqttc::QoS),
    /// By the response that it waits for.
    Http(oneshot::Sender<Vec<u8>>),
    /// It is in this process.
    Local(mpsc::Sender<Reply>),
}

/// A running pool.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    work: Work,
}

/// What the threads of a pool share.
struct Shared {
    node: u32,
    seed: u64,
    reply_bytes: Values,
    queue: Queue<Job>,
    received: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    unfinished: AtomicU64,
    in_work: AtomicU64,
    workers: Vec<Mutex<Worker>>,
    troubles: Mutex<Vec<String>>,
}

/// A worker process and what it has done.
struct Worker {
    child: Child,
    told: WorkerProcess,
}

type Streams = Master<ChildStdin, BufReader<ChildStdout>>;

impl Pool {
    /// Starts the worker processes and waits until all are ready, at most until `deadline` [ns].
    ///
    /// # Errors
    /// A process cannot be started, ends at once, or is not ready in time.
    pub fn start(
        config: &protocol::Pool,
        node: u32,
        seed: u64,
        reply_bytes: &Values,
        deadline: u64,
    ) -> Result<Pool, AppError> {
        let (ready, greetings) = mpsc::channel();
        let mut workers = Vec::new();
        for worker in 0..config.workers {
            let (child, input, output) = match spawn(config, seed, worker) {
                Ok(spawned) => spawned,
                Err(cause) => {
                    end(&mut workers);
                    return Err(AppError::world(format!("worker process {worker} cannot be started"), cause));
                }
            };
            workers.push(Worker {
                child,
                told: WorkerProcess { processed: 0, busy_cpu_ns: 0, ready_after_ns: 0, died: false },
            });
            let (ready, begin) = (ready.clone(), now());
            thread::spawn(move || {
                let greeting = Master::greet(input, BufReader::new(output), worker);
                // Nobody listens any more if another worker has failed.
                let _ = ready.send((worker, now() - begin, greeting));
            });
        }
        let mut streams: Vec<Option<Streams>> = (0..config.workers).map(|_| None).collect();
        let mut work = Work::Burn;
        for missing in (1..=config.workers).rev() {
            let patience = Duration::from_nanos(deadline.saturating_sub(now()));
            match greetings.recv_timeout(patience) {
                Ok((worker, after, Ok((stream, what)))) => {
                    workers[worker as usize].told.ready_after_ns = after;
                    streams[worker as usize] = Some(stream);
                    work = what;
                }
                Ok((worker, _, Err(_))) => {
                    let why = death(&mut workers[worker as usize].child);
                    end(&mut workers);
                    return Err(AppError::World(format!(
                        "worker process {worker} ended before it was ready: {why}"
                    )));
                }
                Err(_) => {
                    end(&mut workers);
                    return Err(AppError::World(format!(
                        "{missing} of {} worker processes were not ready in time",
                        config.workers
                    )));
                }
            }
        }
        let shared = Arc::new(Shared {
            node,
            seed,
            reply_bytes: reply_bytes.clone(),
            queue: Queue::new(config.queue, config.drop),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unfinished: AtomicU64::new(0),
            in_work: AtomicU64::new(0),
            workers: workers.into_iter().map(Mutex::new).collect(),
            troubles: Mutex::default(),
        });
        let threads = streams
            .into_iter()
            .enumerate()
            .map(|(worker, stream)| {
                let (shared, stream) = (shared.clone(), stream.expect("all have greeted"));
                thread::spawn(move || shared.serve(worker, stream))
            })
            .collect();
        Ok(Pool { shared, threads, work })
    }

    /// What takes frames in, for other threads.
    pub fn entrance(&self) -> Entrance {
        Entrance(self.shared.clone())
    }

    /// Whether nothing waits and nothing is in work.
    pub fn is_idle(&self) -> bool {
        self.shared.in_work.load(Ordering::SeqCst) == 0
    }

    /// Why nothing can be processed any more; nothing while at least one worker lives.
    pub fn is_dead(&self) -> Option<String> {
        let all = self.shared.workers.iter().all(|worker| lock(worker).told.died);
        all.then(|| lock(&self.shared.troubles).join("; "))
    }

    /// Ends everything, at once: what is known of the pool.
    pub fn finish(self, mut about: protocol::About, malformed: u64) -> WorkerReport {
        let shared = &self.shared;
        shared.unfinished.fetch_add(shared.queue.close().len() as u64, Ordering::SeqCst);
        // An idle process ends when its thread does; one at work would finish first, and is not waited for.
        if shared.in_work.load(Ordering::SeqCst) > shared.unfinished.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
        for worker in &shared.workers {
            let mut worker = lock(worker);
            // It has died already.
            let _ = worker.child.kill();
        }
        for thread in self.threads {
            // A thread that panicked has said so on the standard error.
            let _ = thread.join();
        }
        for worker in &shared.workers {
            // It was killed: this cannot take long.
            let _ = lock(worker).child.wait();
        }
        about.troubles.append(&mut lock(&shared.troubles));
        let workers: Vec<_> = shared.workers.iter().map(|worker| lock(worker).told).collect();
        WorkerReport {
            node: shared.node,
            about,
            work: self.work,
            received: shared.received.load(Ordering::SeqCst),
            processed: workers.iter().map(|worker| worker.processed).sum(),
            dropped: shared.dropped.load(Ordering::SeqCst),
            failed: shared.failed.load(Ordering::SeqCst),
            unfinished: shared.unfinished.load(Ordering::SeqCst),
            malformed,
            longest_queue: shared.queue.longest(),
            workers,
        }
    }
}

/// Where frames come in.
#[derive(Clone)]
pub struct Entrance(Arc<Shared>);

impl Entrance {
    /// Puts a frame into the queue; tells the endpoint at once if there is no room.
    pub fn arrive(&self, job: Job) {
        self.0.received.fetch_add(1, Ordering::SeqCst);
        self.0.in_work.fetch_add(1, Ordering::SeqCst);
        if let Some(refused) = self.0.queue.push(job) {
            let (count, outcome) = if self.0.queue.is_open() {
                (&self.0.dropped, Outcome::Dropped)
            } else {
                (&self.0.failed, Outcome::Failed)
            };
            count.fetch_add(1, Ordering::SeqCst);
            self.0.reply(refused, outcome, None);
        }
    }
}

impl Shared {
    /// Serves with one worker process until the queue is closed or the process dies.
    fn serve(&self, worker: usize, mut stream: Streams) {
        while let Some(job) = self.queue.pop() {
            match stream.work(&job.frame) {
                Ok(worked) => {
                    let told = &mut lock(&self.workers[worker]).told;
                    told.processed += 1;
                    told.busy_cpu_ns += worked.cpu;
                    self.reply(job, Outcome::Done, Some(worked));
                }
                Err(_) if !self.queue.is_open() => {
                    // It was killed because the run is over.
                    self.unfinished.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Err(_) => {
                    self.bury(worker, &job);
                    self.failed.fetch_add(1, Ordering::SeqCst);
                    self.reply(job, Outcome::Failed, None);
                    self.fail_the_rest();
                    return;
                }
            }
        }
    }

    /// Notes that a worker process has died.
    fn bury(&self, worker: usize, job: &Job) {
        let mut buried = lock(&self.workers[worker]);
        buried.told.died = true;
        let why = death(&mut buried.child);
        lock(&self.troubles).push(format!(
            "worker process {worker} of node {} died at request {} of endpoint {}: {why}",
            self.node, job.index, job.endpoint
        ));
    }

    /// If no worker is left, nobody will serve what waits.
    fn fail_the_rest(&self) {
        if self.workers.iter().all(|worker| lock(worker).told.died) {
            for job in self.queue.close() {
                self.failed.fetch_add(1, Ordering::SeqCst);
                self.reply(job, Outcome::Failed, None);
            }
        }
    }

    fn reply(&self, job: Job, outcome: Outcome, work: Option<super::reply::Worked>) {
        let Job { endpoint, index, received, back, frame } = job;
        drop(frame);
        let reply = Reply { endpoint, index, outcome, received, replied: now(), work };
        let bytes = || reply.encode(self.reply_bytes.at(self.seed, Purpose::Reply, endpoint, index));
        // An endpoint that is gone counts its request as lost; so does one whose connection is.
        match back {
            Back::Mqtt(client, qos) => {
                let _ = client.try_publish(mqtt::result_topic(endpoint), qos, false, bytes());
            }
            Back::Http(response) => {
                let _ = response.send(bytes());
            }
            Back::Local(endpoint) => {
                let _ = endpoint.send(reply);
            }
        }
        self.in_work.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a worker process: this program in another role.
fn spawn(
    config: &protocol::Pool,
    seed: u64,
    worker: u32,
) -> std::io::Result<(Child, ChildStdin, ChildStdout)> {
    let told = ProcessConfig { seed, worker, process: config.process.clone() };
    let mut child = Command::new("/proc/self/exe")
        .args(["app", "process", &serde_json::to_string(&told)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = child.stdin.take().expect("it was asked for");
    let output = child.stdout.take().expect("it was asked for");
    Ok((child, input, output))
}

/// Ends worker processes that will not be needed.
fn end(workers: &mut Vec<Worker>) {
    for mut worker in mem::take(workers) {
        let _ = worker.child.kill();
        let _ = worker.child.wait();
    }
}

/// Why a process whose streams have ended is dead.
fn death(child: &mut Child) -> String {
    let by = |status: ExitStatus| match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(9)) => "it was killed by signal 9, as the kernel does when memory is short".into(),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".into(),
    };
    // Its streams have ended, so it has or will at once.
    for _ in 0..50 {
        match child.try_wait() {
            Ok(Some(status)) => return by(status),
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Err(cause) => return cause.to_string(),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    "it closed its output".into()
}

/// What is behind these locks is whole between any two changes, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
