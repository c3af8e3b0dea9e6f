//! Measures deployments one after the other, each some times, and keeps every run as soon as it is done.
//!
//! ```text
//! for each repetition, for each deployment in an order of its own:
//!     starting -> connecting -> proving -> measuring -> removing -> writing
//! ```
//! Nodes are made anew for each run: nothing that one run does to a node can reach the next. What fails is told with
//! the run; a proof that does not hold and a node that fails cost that run alone, an engine or a disk that fails ends
//! the measurement. Whatever comes, finished runs stay.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use offing_core::{Deployment, Manager, Summary};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::application::Workload;
use crate::bench::stolen;
use crate::cluster::{Inventory, Tools};
use crate::collect::{HostFacts, HostShares, HostTicks};
use crate::error::EmuError;
use crate::interrupt::interrupted;
use crate::kubernetes;
use crate::ledger::utc;
use crate::observed::{Facts, Observed};
use crate::plan::{Plan, RunPlan, Settings};
use crate::proof::Proof;
use crate::provider::rehearsal::{Rehearsal, read_run};
use crate::record::{Record, run_name};

/// Share of the host's processor time that its hypervisor may give to others before a run is made again.
const QUIET: f64 = 0.005;
/// For how long it must not give more.
const QUIET_FOR: Duration = Duration::from_secs(4);
/// How long is waited for that.
const WORTH_WAITING: Duration = Duration::from_secs(60);
/// How often a wait looks whether the user has had enough.
const LOOK: Duration = Duration::from_millis(100);

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Name of the scenario.
    pub scenario: String,
    /// Where chance begins: repetition `n` has this plus `n - 1`.
    pub seed: u64,
    /// How often each deployment is measured.
    pub repeat: u32,
    /// In which order.
    pub order: Order,
    /// The deployments.
    pub subjects: Vec<Subject>,
    /// What each of them takes, in the same order.
    #[serde(flatten)]
    pub plan: Plan,
}

/// A deployment that is to be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// What it differs from the others in, as people read it.
    pub axes: BTreeMap<String, String>,
    /// All of it.
    pub deployment: Deployment,
}

/// In which order the deployments of a repetition are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// In one drawn with the seed, another one for each repetition, so that drift favours nobody.
    #[default]
    Random,
    /// In the one in which they were given.
    Given,
}

/// What makes runs.
pub enum Provider {
    /// Containers on this host, and the cluster for deployments that Kubernetes manages.
    Docker(Tools, Option<Box<Managed>>),
    /// Recorded runs.
    Rehearsal(Rehearsal),
}

/// The cluster that runs on Kubernetes use.
pub struct Managed {
    /// The cluster.
    pub cluster: kubernetes::Cluster,
    /// How deployments are put on it.
    pub access: kubernetes::Access,
    /// It is ours, and so are its nodes and links.
    pub own: Option<RefCell<kubernetes::own::Own>>,
}

/// What only the caller can make of a deployment.
pub struct Made {
    /// What its endpoints emit and its workers do.
    pub workload: Workload,
    /// Further files of the run's folder.
    pub files: Vec<(String, String)>,
}

/// A step of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words on the screen say it")]
pub enum Step {
    Starting,
    Connecting,
    Proving,
    Measuring,
    Removing,
    Writing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Starting => "starting nodes",
            Step::Connecting => "connecting nodes",
            Step::Proving => "proving links and quotas",
            Step::Measuring => "measuring",
            Step::Removing => "removing nodes",
            Step::Writing => "writing",
        })
    }
}

/// Something that the user may want to hear.
pub enum News<'n> {
    /// A run reaches a step.
    Step {
        /// Its number, from 1.
        number: usize,
        /// Of how many.
        of: usize,
        /// Its deployment.
        subject: &'n Subject,
        /// Its repetition.
        repetition: u32,
        /// The step.
        step: Step,
        /// About how long all of it will take from here; nothing if nobody knows.
        left: Option<Duration>,
    },
    /// A run is not valid, and is made again.
    Again {
        /// As it was.
        run: &'n Finished,
        /// How often it will have been tried.
        attempt: u32,
    },
    /// A run is done and kept.
    Done(&'n Finished),
}

/// A run that is kept.
pub struct Finished {
    /// Place of its deployment among the subjects.
    pub subject: usize,
    /// Its repetition.
    pub repetition: u32,
    /// What was observed.
    pub observed: Observed,
    /// What is told of it.
    pub summary: Summary,
    /// Whether it stopped before anything was measured because a node or the links failed.
    pub failed: bool,
}

impl Campaign {
    /// A run's subject and repetition, in the order in which they are measured.
    pub fn runs(&self) -> Vec<(usize, u32)> {
        let mut runs = Vec::new();
        for repetition in 1..=self.repeat {
            let mut order: Vec<usize> = (0..self.subjects.len()).collect();
            if self.order == Order::Random {
                // A shuffle by keys that are as good as random.
                order.sort_by_cached_key(|&subject| {
                    let text = format!("order {} {repetition} {}", self.seed, self.subjects[subject].id);
                    <[u8; 32]>::from(Sha256::digest(text))
                });
            }
            runs.extend(order.into_iter().map(|subject| (subject, repetition)));
        }
        runs
    }

    /// The seed of a repetition.
    pub fn seed_of(&self, repetition: u32) -> u64 {
        self.seed.wrapping_add(u64::from(repetition) - 1)
    }

    /// What is in the record already, in the order of [`Campaign::runs`].
    ///
    /// # Errors
    /// A file of a run is broken.
    pub fn kept(&self, record: &Record) -> Result<Vec<Option<Finished>>, EmuError> {
        self.runs().iter().map(|&(subject, repetition)| self.recorded(record, subject, repetition)).collect()
    }

    /// Measures what is not in the record yet. Returns all runs, in the order of [`Campaign::runs`]. A run that is not valid
    /// is made up to `attempts` times, each further time when the hypervisor of this host leaves it its processors; the last
    /// one is kept.
    ///
    /// `make` gives what only the caller can make of a deployment and a seed; `tell` hears how it goes.
    ///
    /// # Errors
    /// The engine, the disk or a ledger fails, something is refused, or the user interrupts. What is in the record
    /// stays there.
    pub fn carry_out(
        &self,
        provider: &Provider,
        record: &Record,
        attempts: u32,
        make: &dyn Fn(&Deployment, u64) -> Made,
        tell: &mut dyn FnMut(News<'_>) -> Result<(), EmuError>,
    ) -> Result<Vec<Finished>, EmuError> {
        let runs = self.runs();
        // What was recorded does not become better.
        let attempts = if matches!(provider, Provider::Rehearsal(_)) { 1 } else { attempts };
        if let Provider::Rehearsal(rehearsal) = provider {
            let wanted: Vec<_> =
                runs.iter().map(|&(subject, n)| (self.subjects[subject].id.clone(), n)).collect();
            rehearsal.has(&wanted)?;
        }
        let mut finished = self.kept(record)?;
        // What a run takes beside its duration: about a proof and the making of nodes, until one is done.
        let mut overhead = Duration::from_secs(15);
        for (at, &(subject, repetition)) in runs.iter().enumerate() {
            if finished[at].is_some() {
                continue;
            }
            let ahead = runs[at..].iter().zip(&finished[at..]).filter(|(_, done)| done.is_none());
            let left: Option<Duration> = match provider {
                Provider::Docker(..) => Some(ahead.map(|(&(run, _), _)| self.duration(run) + overhead).sum()),
                Provider::Rehearsal(_) => None,
            };
            let (number, of) = (at + 1, runs.len());
            let mut attempt = 1;
            let done = loop {
                let began = Instant::now();
                let mut reach = |step| {
                    if interrupted() {
                        return Err(EmuError::Interrupted);
                    }
                    let left = left.map(|left| left.saturating_sub(began.elapsed()));
                    let subject = &self.subjects[subject];
                    tell(News::Step { number, of, subject, repetition, step, left })
                };
                let done = self.measure(provider, subject, repetition, make, record, &mut reach)?;
                if !done.failed {
                    overhead = began.elapsed().saturating_sub(self.duration(subject));
                }
                if done.failed || done.observed.facts.valid || attempt >= attempts {
                    break done;
                }
                attempt += 1;
                tell(News::Again { run: &done, attempt })?;
                wait_until_quiet()?;
            };
            tell(News::Done(&done))?;
            finished[at] = Some(done);
        }
        Ok(finished.into_iter().flatten().collect())
    }

    fn duration(&self, subject: usize) -> Duration {
        Duration::from_nanos(self.plan.runs[subject].duration.as_nanos())
    }

    /// A run that is kept already. One in which nothing was measured is made again.
    fn recorded(
        &self,
        record: &Record,
        subject: usize,
        repetition: u32,
    ) -> Result<Option<Finished>, EmuError> {
        let Some(folder) = record.run(&run_name(&self.subjects[subject].id, repetition)) else {
            return Ok(None);
        };
        let observed = read_run(&folder)?;
        if observed.requests.is_empty() && !observed.facts.valid {
            return Ok(None);
        }
        let summary = self.summary(&observed, subject, repetition);
        Ok(Some(Finished { subject, repetition, observed, summary, failed: false }))
    }

    fn summary(&self, observed: &Observed, subject: usize, repetition: u32) -> Summary {
        let deployment = &self.subjects[subject].deployment;
        let run = observed.to_run(deployment, self.seed_of(repetition));
        Summary::new(&self.scenario, &run, deployment.app.deadline.is_some())
    }

    fn measure(
        &self,
        provider: &Provider,
        subject: usize,
        repetition: u32,
        make: &dyn Fn(&Deployment, u64) -> Made,
        record: &Record,
        reach: &mut dyn FnMut(Step) -> Result<(), EmuError>,
    ) -> Result<Finished, EmuError> {
        let Subject { id, deployment, .. } = &self.subjects[subject];
        let Made { workload, files } = make(deployment, self.seed_of(repetition));
        let mut failed = false;
        let observed = match provider {
            Provider::Rehearsal(rehearsal) => rehearsal.replay(id, repetition),
            Provider::Docker(tools, managed) => match (self.plan.runs[subject].manager, managed) {
                (Manager::Kubernetes, Some(managed)) => {
                    self.on_kubernetes(managed, tools, subject, &workload, reach)
                }
                (Manager::Kubernetes, None) => {
                    Err(EmuError::Refused(vec!["a deployment on Kubernetes needs a cluster".into()]))
                }
                _ => self.on_docker(tools, subject, &workload, reach),
            },
        };
        let mut observed = match observed {
            // They cost this run only.
            Err(error @ (EmuError::Node { .. } | EmuError::Links { .. })) => {
                failed = true;
                nothing(&self.plan.runs[subject], None, error.to_string())
            }
            other => other?,
        };
        observed.facts.repetition = repetition;
        let summary = self.summary(&observed, subject, repetition);
        reach(Step::Writing)?;
        record.write_run(&run_name(id, repetition), &observed, &summary, &files)?;
        Ok(Finished { subject, repetition, observed, summary, failed })
    }

    fn on_kubernetes(
        &self,
        managed: &Managed,
        tools: &Tools,
        subject: usize,
        workload: &Workload,
        reach: &mut dyn FnMut(Step) -> Result<(), EmuError>,
    ) -> Result<Observed, EmuError> {
        reach(Step::Starting)?;
        let (plan, deployment) = (&self.plan.runs[subject], &self.subjects[subject].deployment);
        let Managed { cluster, access, own } = managed;
        let asked = kubernetes::Asked { plan, deployment, workload };
        let measure = |ground: Option<kubernetes::Ground<'_>>,
                       reach: &mut dyn FnMut(Step) -> Result<(), EmuError>| {
            kubernetes::measure(cluster, access, &tools.state, asked, ground, reach)
        };
        let Some(own) = own else { return measure(None, reach) };
        reach(Step::Connecting)?;
        let hostnames = own.borrow().hostnames(plan);
        let links = own.borrow_mut().connect(plan)?.map(RefCell::new);
        reach(Step::Proving)?;
        let before = HostTicks::now();
        let mut proof = own.borrow().prove(plan, links.as_ref())?;
        if !proof.holds {
            proof.since(before);
            return Ok(unproved(plan, proof));
        }
        measure(Some(kubernetes::Ground { hostnames, links: links.as_ref(), proof, before }), reach)
    }

    fn on_docker(
        &self,
        tools: &Tools,
        subject: usize,
        workload: &Workload,
        reach: &mut dyn FnMut(Step) -> Result<(), EmuError>,
    ) -> Result<Observed, EmuError> {
        let plan = &self.plan.runs[subject];
        let Settings { links, seed, .. } = self.plan.settings;
        reach(Step::Starting)?;
        let inventory = Inventory::make(plan, &Tools { links, seed, ..tools.clone() })?;
        reach(Step::Connecting)?;
        let mut cluster = inventory.connect()?;
        reach(Step::Proving)?;
        let proof = cluster.prove()?;
        let observed = match proof.holds {
            false => unproved(plan, proof),
            true => {
                reach(Step::Measuring)?;
                let observed = cluster.run_application(&self.subjects[subject].deployment, workload)?;
                Observed { proof: Some(proof), ..observed }
            }
        };
        reach(Step::Removing)?;
        cluster.remove()?;
        Ok(observed)
    }
}

/// Waits until the hypervisor of this host takes no processors away, but not for ever.
fn wait_until_quiet() -> Result<(), EmuError> {
    let begin = Instant::now();
    while begin.elapsed() < WORTH_WAITING {
        let before = HostTicks::now();
        for _ in 0..QUIET_FOR.as_millis() / LOOK.as_millis() {
            if interrupted() {
                return Err(EmuError::Interrupted);
            }
            sleep(LOOK);
        }
        if HostShares::since(before).is_none_or(|shares| shares.stolen < QUIET) {
            break;
        }
    }
    Ok(())
}

/// A run in which nothing was measured, because its proof does not hold.
pub(crate) fn unproved(plan: &RunPlan, proof: Proof) -> Observed {
    let reason = what_does_not_hold(&proof);
    nothing(plan, Some(proof), reason)
}

/// The rows of a proof that do not hold, as a sentence.
fn what_does_not_hold(proof: &Proof) -> String {
    let rows = proof.checks.iter().filter(|check| !check.holds).map(|check| {
        format!(
            "{} {}: asked {:.4}, measured {:.4}, tolerance {:.4}",
            check.what, check.quantity, check.asked, check.measured, check.tolerance
        )
    });
    let rows: Vec<String> = rows.chain(stolen(proof.host_steal)).collect();
    format!("the proof does not hold: {}", rows.join("; "))
}

/// A run in which nothing was measured.
fn nothing(plan: &RunPlan, proof: Option<Proof>, reason: String) -> Observed {
    let now = utc(SystemTime::now());
    let facts = Facts {
        valid: false,
        reason: Some(reason),
        dilate: plan.dilate,
        application: plan.application,
        host: HostFacts::of_this_host(None),
        started: now.clone(),
        ended: now,
        notes: plan.warnings.clone(),
        ..Facts::default()
    };
    Observed { facts, proof, requests: Vec::new() }
}
