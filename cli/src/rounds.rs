//! `offing loop`: explores, measures, fits, and goes round until the pick is confirmed or the time is used up.
//!
//! ```text
//! 01-explore  02-measure  03-calibrate  04-explore  05-measure  06-calibrate  07-explore ..
//! asked.json  what was asked            models.toml   parameters to begin with, if some were named
//! loop.json, loop.md                    how it ended
//! ```
//! What is done next follows from what is in the folders of the steps before and from nothing else. So a step whose folder
//! is complete is read and not done again, and a loop that goes on ends as one that was never interrupted.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use offing_core::{Deployment, Summary, units};
use offing_emu::record::{Record, hash, write_whole};
use offing_emu::{Campaign, Finished, Order, Plan as Plans, Subject};
use offing_explore::{Folder, Found, Input, Judge, Metrics, Plan, Shard, on_threads, sweep};
use offing_models::ModelSet;
use offing_report::capital;
use offing_scenarios::Scenario;
use offing_validation::{
    AROUND_S, Candidate, Effort, Measured, Numbers, draws, fit, interval, learn, measured_numbers, next,
    predictive,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::{Choosing, How, Loop, Provider};
use crate::calibrate::{is_of_a_run, refused, settings};
use crate::emulate::{planned, run as emulation};
use crate::failure::Failure;
use crate::kept::{self, MODELS, pretty};
use crate::output::{Screen, end_on_first_signal, note, print, print_json, say_on_interrupt};
use crate::page::{self, Page, Style, count, percent, significant};
use crate::progress::Progress;
use crate::{explore, manifest, measured, models};

/// Deployments that are measured before the first fit, at most.
const FIRST: usize = 3;
/// Draws of an interval.
const DRAWS: usize = 200;
/// What a model is thought to be off where nobody has looked, as a share.
const UNKNOWN_DISCREPANCY: f64 = 0.05;
/// How often a deployment whose run was not valid is tried.
const TRIES: usize = 2;
/// Rounds after which no further one is begun.
const MOST_ROUNDS: usize = 20;
const CONFIDENCE: f64 = 0.95;

const ASKED: &str = "asked.json";

/// What was asked, kept for those who go on.
#[derive(Serialize, Deserialize)]
struct Asked {
    budget_s: f64,
    on: Provider,
    recorded: Option<PathBuf>,
    how: How,
    shortlist: u16,
}

pub fn run(args: &Loop) -> Result<(), Failure> {
    let (path, asked, (scenario, inputs)) = match &args.resume {
        Some(path) => resumed(path, args)?,
        None => begun(args)?,
    };
    let go_on = format!("offing loop --resume {}", path.display());
    say_on_interrupt(Some(format!("interrupted; go on with: {go_on}")));
    let metrics = Metrics::new(&scenario);
    let rounds = Rounds {
        args,
        go_on,
        judge: Judge::new(&scenario.goal, metrics.names()),
        path,
        asked,
        scenario: &scenario,
        inputs,
        metrics,
        known: Vec::new(),
        runs: Vec::new(),
        steps: Vec::new(),
        judged: Vec::new(),
        found: None,
        spent_s: 0.0,
    };
    rounds.go()
}

/// A loop's folder, what was asked, and the scenario with the files that it names.
type Begun = (PathBuf, Asked, (Scenario, Vec<Input>));

/// A new loop and its folder.
fn begun(args: &Loop) -> Result<Begun, Failure> {
    let file = args.file.as_ref().expect("the command line demands it unless a loop is resumed");
    models::choose(args.models.as_deref())?;
    let (scenario, inputs) = explore::read(file, &args.asking.assignments, &args.asking.reading)?;
    let path = args.out.clone().unwrap_or_else(|| {
        let name = format!("loop-{}", manifest::stamp(manifest::now_unix_s()));
        ["results", &scenario.name, &name].iter().collect()
    });
    kept::fresh(&path, "name another folder, or go on with `--resume`")?;
    // Whoever goes on may stand in another folder.
    let absolute = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let asked = Asked {
        budget_s: args.budget.expect("the command line demands it").as_secs_f64(),
        on: args.on,
        recorded: args.recorded.as_ref().map(absolute),
        how: How { kube_binaries: args.how.kube_binaries.as_ref().map(absolute), ..args.how.clone() },
        shortlist: args.shortlist,
    };
    // The scenario is kept by the first step.
    let plan = explore::plan(&scenario, inputs.clone(), false)?;
    Folder::open(&path.join("01-explore"), &plan)?;
    if let Some(given) = &args.models {
        write_whole(&path.join(MODELS), models::text(given)?.as_bytes())?;
    }
    write_whole(&path.join(ASKED), pretty(&asked).as_bytes())?;
    Ok((path, asked, (scenario, inputs)))
}

/// The loop in a folder.
fn resumed(path: &Path, args: &Loop) -> Result<Begun, Failure> {
    let file = path.join(ASKED);
    let unreadable = |cause| Failure::Unreadable { file: file.display().to_string(), cause };
    if !file.is_file() {
        return Err(Failure::Refused {
            message: format!("there is no loop in `{}`: it has no {ASKED}", path.display()),
            hint: Some("begin one with `offing loop FILE --budget TIME --out DIR`".into()),
        });
    }
    let text = fs::read_to_string(&file).map_err(unreadable)?;
    let mut asked: Asked = serde_json::from_str(&text).map_err(|bad| unreadable(bad.into()))?;
    let given = path.join(MODELS);
    models::choose(given.is_file().then_some(given.as_path()))?;
    let scenario = explore::from_folder(&path.join("01-explore"))?;
    if let Some(budget) = args.budget {
        asked.budget_s = budget.as_secs_f64();
        write_whole(&file, pretty(&asked).as_bytes())?;
    }
    Ok((path.to_owned(), asked, scenario))
}

/// A deployment that is on the shortlist, or was and is measured.
struct Known {
    subject: Subject,
    /// Its number in the space.
    number: String,
    is_listed: bool,
    /// By the last exploration that had it on its shortlist.
    predicted: Summary,
    /// What its valid run says.
    measured: Option<(Summary, Measured)>,
    /// How often it was measured, validly or not.
    tries: usize,
}

/// A step that is done.
#[derive(Clone, Serialize)]
struct Step {
    folder: String,
    did: String,
    /// Of the budget [s].
    spent_s: f64,
}

/// What is thought of a deployment.
#[derive(Clone, Serialize)]
struct Thought {
    deployment: String,
    number: String,
    axes: BTreeMap<String, String>,
    is_listed: bool,
    is_measured: bool,
    /// Whether it meets the requirements: as measured, or as predicted where it is not measured.
    meets: bool,
    /// Of the metric that runs tell, by models that have not seen this deployment.
    predicted: f64,
    /// Where one run is expected with the stated confidence.
    interval: [f64; 2],
    measured: Option<f64>,
    /// What is to be small, in order of importance: as measured where a run tells it.
    values: Vec<f64>,
    /// The same at the lower end of their intervals, where it is not measured.
    #[serde(skip)]
    at_best: Vec<f64>,
    /// The first of what is to be small, once per draw.
    #[serde(skip)]
    drawn: Vec<f64>,
    #[serde(skip)]
    at: usize,
}

/// How a round was judged.
struct Judged {
    confirmed: bool,
    reason: String,
    /// Places among the known; the most needed first.
    wanted: Vec<usize>,
    thoughts: Vec<Thought>,
    pick: Option<usize>,
    runner_up: Option<usize>,
}

struct Rounds<'a> {
    args: &'a Loop,
    go_on: String,
    path: PathBuf,
    asked: Asked,
    scenario: &'a Scenario,
    inputs: Vec<Input>,
    metrics: Metrics,
    judge: Judge,
    known: Vec<Known>,
    runs: Vec<Measured>,
    steps: Vec<Step>,
    /// What each round said.
    judged: Vec<Value>,
    found: Option<Found>,
    spent_s: f64,
}

impl Rounds<'_> {
    fn go(mut self) -> Result<(), Failure> {
        let given = self.path.join(MODELS);
        self.explore(models::current(), given.is_file().then_some(&given))?;
        let listed = self.known.len();
        let first = self.first()?;
        let mut stop = match listed {
            0 => {
                Some("no deployment meets the requirements, as predicted before anything was measured".into())
            }
            _ => self.measure(&first)?,
        };
        let mut last = None;
        while stop.is_none() {
            if self.runs.is_empty() {
                stop = Some("no run was valid, so that there is nothing to learn from".into());
                break;
            }
            let (models, file) = self.calibrate()?;
            self.explore(&models, Some(&file))?;
            let judged = self.weigh()?;
            self.judged.push(json!({
                "after": self.steps.last().map(|step| &step.folder),
                "pick": judged.pick.map(|at| &judged.thoughts[at].deployment),
                "confirmed": judged.confirmed,
                "reason": judged.reason,
            }));
            note(&format!("round {}: {}", self.judged.len(), judged.reason));
            stop = if judged.confirmed || judged.wanted.is_empty() {
                Some(judged.reason.clone())
            } else if self.judged.len() >= MOST_ROUNDS {
                Some(format!("{}; {MOST_ROUNDS} rounds are the most", judged.reason))
            } else {
                let said = self.measure(&judged.wanted)?;
                said.map(|said| format!("{}; {said}", judged.reason))
            };
            last = Some(judged);
        }
        self.end(last, stop.expect("the loop has ended"))
    }

    /// The folder of the next step.
    fn step(&self, kind: &str) -> (String, PathBuf) {
        let name = format!("{:02}-{kind}", self.steps.len() + 1);
        let path = self.path.join(&name);
        note(&format!("step {name}"));
        (name, path)
    }

    /// Explores by the parameters that are in a file, or by the default ones.
    fn explore(&mut self, models: &ModelSet, file: Option<&PathBuf>) -> Result<(), Failure> {
        let started = manifest::now_unix_s();
        let (name, path) = self.step("explore");
        let plan = Plan::new(self.scenario, models, self.inputs.clone(), env!("CARGO_PKG_VERSION"), false)?;
        let folder = Folder::open(&path, &plan)?;
        explore::keep_models(file.map(PathBuf::as_path), &folder)?;
        let choosing = Choosing {
            threads: self.args.threads,
            shortlist: self.asked.shortlist,
            keep_units: false,
            json: false,
        };
        if !folder.is_complete() {
            on_threads(explore::threads(&choosing), || {
                let progress = Progress::new(plan.points.len(), "deployments");
                sweep(&plan, &folder, Shard::WHOLE, &|done| progress.add(done))
            })?;
        }
        let found = explore::results(&plan, &folder, &choosing, started)?;
        self.known.iter_mut().for_each(|known| known.is_listed = false);
        for kept in &found.shortlist {
            match self.known.iter_mut().find(|known| known.subject.id == kept.id) {
                Some(known) => {
                    known.is_listed = true;
                    known.predicted = kept.predicted.clone();
                }
                None => self.known.push(Known {
                    subject: Subject {
                        id: kept.id.clone(),
                        axes: kept.axes.clone(),
                        deployment: kept.deployment.clone(),
                    },
                    number: kept.number.to_string(),
                    is_listed: true,
                    predicted: kept.predicted.clone(),
                    measured: None,
                    tries: 0,
                }),
            }
        }
        let did = format!(
            "looked at {} by {}; {} on the shortlist",
            count(found.numbers.looked_at, "number"),
            found.models,
            found.shortlist.len()
        );
        self.found = Some(found);
        self.steps.push(Step { folder: name, did, spent_s: 0.0 });
        Ok(())
    }

    fn minimise(&self) -> &[String] {
        &self.found.as_ref().expect("exploring comes first").minimise
    }

    /// What is held against measurement: the first that is to be small and that a run tells.
    fn metric(&self) -> String {
        let told = self.minimise().iter().find(|name| is_of_a_run(name));
        told.cloned().unwrap_or_else(|| "latency_p95_ms".into())
    }

    /// What to measure before anything is fitted: what tells most per minute about the choice.
    fn first(&self) -> Result<Vec<usize>, Failure> {
        if self.known.len() < 2 {
            return Ok((0..self.known.len()).collect());
        }
        let candidates: Vec<Candidate> = self
            .known
            .iter()
            .map(|known| Candidate {
                name: known.subject.id.clone(),
                deployment: known.subject.deployment.clone(),
                is_listed: true,
            })
            .collect();
        let found = next(models::current(), &candidates, &self.metric(), AROUND_S).map_err(refused)?;
        let at = |id: &str| self.known.iter().position(|known| known.subject.id == id);
        let ranked = found.gains.iter().filter_map(|gain| at(&gain.deployment));
        // Of a short list something should be left that is predicted before it is measured.
        let most = FIRST.min(self.known.len().div_ceil(2).max(2));
        Ok(ranked.take(most).collect())
    }

    /// Measures those that the budget has room for, in this order. Says why not all of them.
    fn measure(&mut self, wanted: &[usize]) -> Result<Option<String>, Failure> {
        let started = manifest::now_unix_s();
        let (name, path) = self.step("measure");
        let left_s = self.asked.budget_s - self.spent_s;
        let mut told = None;
        let (campaign, record) = if path.join(emulation::PLAN).is_file() {
            emulation::resumed(&path)?
        } else {
            let subjects: Vec<Subject> = wanted.iter().map(|&at| self.known[at].subject.clone()).collect();
            for Subject { id, deployment, .. } in &subjects {
                let reasons = offing_scenarios::infeasible(deployment);
                if !reasons.is_empty() {
                    let reasons = reasons.iter().map(|reason| format!("deployment {id}: {reason}"));
                    return Err(Failure::Infeasible(reasons.collect()));
                }
            }
            let plan = planned(&subjects, &self.asked.how, self.scenario.seed)?;
            let mut room = left_s;
            let fits = plan.runs.iter().take_while(|run| {
                room -= run.duration.as_secs_f64() + AROUND_S;
                room >= 0.0
            });
            let fits = fits.count();
            if fits < subjects.len() {
                let needed = plan.runs[fits].duration.as_secs_f64() + AROUND_S;
                told = Some(format!(
                    "the budget of {} does not hold the next run: {} are spent, and it takes {}",
                    units::write_seconds(self.asked.budget_s),
                    units::write_seconds(self.spent_s + costs(&plan, fits)),
                    units::write_seconds(needed),
                ));
            }
            if fits == 0 {
                return Ok(told);
            }
            let campaign = Campaign {
                scenario: self.scenario.name.clone(),
                seed: self.scenario.seed,
                repeat: 1,
                order: Order::Given,
                subjects: subjects[..fits].to_vec(),
                plan: Plans { runs: plan.runs[..fits].to_vec(), ..plan },
            };
            let record = Record::open(&path)?;
            record.write(emulation::SCENARIO, offing_scenarios::canonical(self.scenario).as_bytes())?;
            record.write(emulation::PLAN, pretty(&campaign).as_bytes())?;
            (campaign, record)
        };
        if !path.join(emulation::MANIFEST).is_file() {
            let (asked, means) = (&self.asked, &self.args.means);
            let recorded = asked.recorded.as_deref();
            let provider = emulation::provider(asked.on, recorded, means, &asked.how, &campaign.plan)?;
            let attempts = self.args.trying.attempts;
            let carried = emulation::carry_out(&campaign, &record, provider, attempts, &self.go_on, started);
            end_on_first_signal();
            carried?;
            self.spend(&name, manifest::now_unix_s().saturating_sub(started))?;
        }
        let spent_s = self.spent_in(&name, costs(&campaign.plan, campaign.subjects.len()))?;
        self.spent_s += spent_s;
        let mut runs = measured::read(std::slice::from_ref(&path))?.measured;
        let kept: Vec<Finished> = campaign.kept(&record)?.into_iter().flatten().collect();
        let mut valid = 0;
        for (at, subject) in campaign.subjects.iter().enumerate() {
            let Some(known) = self.known.iter_mut().find(|known| known.subject.id == subject.id) else {
                continue;
            };
            known.tries += 1;
            let finished = kept.iter().find(|run| run.subject == at && run.observed.facts.valid);
            let run = runs.iter().position(|run| run.deployment.id() == subject.id);
            if let (Some(finished), Some(run)) = (finished, run) {
                let run = runs.swap_remove(run);
                self.runs.push(run.clone());
                known.measured = Some((finished.summary.clone(), run));
                valid += 1;
            }
        }
        let all = campaign.subjects.len();
        let did = match all - valid {
            0 => format!("measured {}", count(all as u64, "deployment")),
            bad => format!("measured {}, {bad} of them not validly", count(all as u64, "deployment")),
        };
        self.steps.push(Step { folder: name, did, spent_s });
        // What was measured is first learned from; then there is no room again.
        Ok(if valid > 0 { None } else { told })
    }

    /// Seconds that the clock has seen a step take, over all attempts.
    fn clock(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let file = self.path.join("clock.json");
        if !file.is_file() {
            return Ok(BTreeMap::new());
        }
        let unreadable = |cause| Failure::Unreadable { file: file.display().to_string(), cause };
        serde_json::from_str(&fs::read_to_string(&file).map_err(unreadable)?)
            .map_err(|bad| unreadable(bad.into()))
    }

    fn spend(&self, step: &str, seconds: u64) -> Result<(), Failure> {
        let mut clock = self.clock()?;
        *clock.entry(step.into()).or_default() += seconds;
        Ok(write_whole(&self.path.join("clock.json"), pretty(&clock).as_bytes())?)
    }

    /// What a step took of the budget: the planned time, or that of the clock where that is more. A rehearsal spends what the
    /// real runs would.
    fn spent_in(&self, step: &str, planned_s: f64) -> Result<f64, Failure> {
        if self.asked.on == Provider::Rehearsal {
            return Ok(planned_s);
        }
        let seen = self.clock()?.get(step).copied().unwrap_or(0);
        Ok(planned_s.max(seen as f64))
    }

    /// Fits everything that was measured.
    fn calibrate(&mut self) -> Result<(ModelSet, PathBuf), Failure> {
        let started = manifest::now_unix_s();
        let (name, path) = self.step("calibrate");
        if !path.join(emulation::MANIFEST).is_file() {
            let fit = learn(
                models::current(),
                &self.runs,
                &settings("loop"),
                Effort { seeds: 4, draws: 80 },
                &|| (),
            );
            let fit = fit.map_err(refused)?;
            fs::create_dir_all(&path)
                .map_err(|cause| Failure::Unwritable { file: format!("`{}`", path.display()), cause })?;
            let parameters = pretty(&fit.findings);
            let mut all = manifest::made(started);
            all.insert("kind".into(), "calibrated".into());
            all.insert("runs".into(), json!(self.runs.iter().map(|run| &run.name).collect::<Vec<_>>()));
            let files =
                json!({ MODELS: hash(fit.text.as_bytes()), "parameters.json": hash(parameters.as_bytes()) });
            all.insert("files".into(), files);
            write_whole(&path.join(MODELS), fit.text.as_bytes())?;
            write_whole(&path.join("parameters.json"), parameters.as_bytes())?;
            write_whole(&path.join(emulation::MANIFEST), pretty(&all).as_bytes())?;
        }
        let file = path.join(MODELS);
        let models = models::read(&file)?;
        let did = format!("fitted {} on {}", models.label(), count(self.runs.len() as u64, "run"));
        self.steps.push(Step { folder: name, did, spent_s: 0.0 });
        Ok((models, file))
    }

    /// Where one run of a deployment is expected, by models that have not seen it.
    fn expected(&self, deployment: &Deployment, run: Option<&Measured>) -> Result<Vec<Numbers>, Failure> {
        let prior = models::current();
        let id = deployment.id();
        let others: Vec<Measured> =
            self.runs.iter().filter(|other| other.deployment.id() != id).cloned().collect();
        let conditions = run.or(self.runs.first()).map(|run| &run.conditions);
        let unseen;
        let models = if others.is_empty() {
            prior
        } else {
            // Of few deployments the fit cannot say how far it is off.
            let name = self.metric();
            let fitted = learn(prior, &others, &settings("loop"), Effort { seeds: 4, draws: 40 }, &|| ());
            let fitted = fitted.map_err(refused)?.models;
            let known = fitted.fitted().map(|fitted| fitted.discrepancy.clone()).unwrap_or_default();
            if known.contains_key(&name) {
                unseen = fitted;
            } else {
                let assumed = BTreeMap::from([(name, UNKNOWN_DISCREPANCY)]);
                unseen = fit(prior, &others, &settings("loop"), &assumed).map_err(refused)?.models;
            }
            &unseen
        };
        let seed = run.and_then(|run| run.seed);
        Ok(predictive(
            &draws(models, DRAWS, 77, true),
            conditions,
            deployment,
            seed.as_ref().map(std::slice::from_ref),
        ))
    }

    fn think(&self, at: usize) -> Result<Thought, Failure> {
        let known = &self.known[at];
        let run = known.measured.as_ref().map(|(_, run)| run);
        let drawn = self.expected(&known.subject.deployment, run)?;
        let mean = |name: &str| {
            let values = drawn.iter().filter_map(|numbers| numbers.get(name).copied());
            let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        let measured_all = run.and_then(measured_numbers);
        let summary = known.measured.as_ref().map_or(&known.predicted, |(summary, _)| summary);
        let mut row = Vec::new();
        self.metrics.row(summary, &mut row);
        let in_row = |name: &str| self.metrics.position(name).map_or(f64::NAN, |at| row[at]);
        let value = |name: &String| match &measured_all {
            Some(numbers) if is_of_a_run(name) => numbers.get(name).copied().unwrap_or_else(|| in_row(name)),
            None if is_of_a_run(name) => mean(name),
            _ => in_row(name),
        };
        let values: Vec<f64> = self.minimise().iter().map(value).collect();
        let at_best = self.minimise().iter().zip(&values).map(|(name, &value)| match measured_all {
            None if is_of_a_run(name) => interval(&drawn, name).map_or(value, |[low, _]| low),
            _ => value,
        });
        let at_best = at_best.collect();
        let metric = self.metric();
        let predicted = mean(&metric);
        let first = &self.minimise()[0];
        Ok(Thought {
            deployment: known.subject.id.clone(),
            number: known.number.clone(),
            axes: known.subject.axes.clone(),
            is_listed: known.is_listed,
            is_measured: run.is_some(),
            meets: match run {
                Some(run) => self.judge.meets(&row) && !run.piled_up(),
                None => known.is_listed,
            },
            predicted,
            interval: interval(&drawn, &metric).unwrap_or([predicted; 2]),
            measured: measured_all.as_ref().and_then(|numbers| numbers.get(&metric).copied()),
            drawn: match is_of_a_run(first) && run.is_none() {
                true => drawn.iter().map(|numbers| numbers.get(first).copied().unwrap_or(f64::NAN)).collect(),
                false => vec![values[0]; DRAWS],
            },
            values,
            at_best,
            at,
        })
    }

    /// Who is picked, whether measurement confirms that, and what else is to be measured.
    fn weigh(&self) -> Result<Judged, Failure> {
        let places = (0..self.known.len()).filter(|&at| {
            let known = &self.known[at];
            known.is_listed || known.measured.is_some()
        });
        let mut thoughts = places.map(|at| self.think(at)).collect::<Result<Vec<_>, _>>()?;
        thoughts.sort_by(|a, b| b.meets.cmp(&a.meets).then_with(|| order(&a.values, &b.values)));
        let able = thoughts.iter().filter(|thought| thought.meets).count();
        let (pick, runner_up) = ((able > 0).then_some(0), (able > 1).then_some(1));
        let open = |thought: &&Thought| !thought.is_measured && self.known[thought.at].tries < TRIES;
        let mut judged =
            Judged { confirmed: false, reason: String::new(), wanted: Vec::new(), thoughts, pick, runner_up };
        let thoughts = &judged.thoughts;
        if able == 0 {
            judged.reason =
                "nothing meets the requirements: neither as measured, nor as predicted by what was \
                             learned from that"
                    .into();
            return Ok(judged);
        }
        let picked = &thoughts[0];
        // Those that may be better than the pick.
        let mut rivals: Vec<&Thought> = thoughts[1..able]
            .iter()
            .filter(|other| !other.is_measured && order(&other.at_best, &picked.values) == Ordering::Less)
            .collect();
        rivals.sort_by(|a, b| order(&a.at_best, &b.at_best));
        let name = format!("number {}", picked.number);
        let metric = self.metric();
        let [low, high] = picked.interval;
        judged.wanted = rivals.iter().filter(|other| open(other)).map(|other| other.at).collect();
        let inside = picked.measured.is_some_and(|value| (low..=high).contains(&value));
        judged.reason = match picked.measured {
            None if self.known[picked.at].tries >= TRIES => {
                format!("{name} is picked, and none of its {TRIES} runs was valid")
            }
            None => {
                judged.wanted.insert(0, picked.at);
                format!("{name} is picked by prediction and not measured yet")
            }
            Some(value) if !inside => {
                let more = thoughts.iter().filter(open).filter(|other| !judged.wanted.contains(&other.at));
                let more: Vec<usize> = more.map(|other| other.at).take(2).collect();
                judged.wanted.extend(more);
                format!(
                    "{name} is picked, and its measured {metric} of {} is outside of the 95 % interval of {} to {} that \
                     the other runs predict for it",
                    significant(value),
                    significant(low),
                    significant(high)
                )
            }
            Some(value) if !rivals.is_empty() => format!(
                "{name} is picked with a measured {metric} of {}, and {} on the shortlist may be better",
                significant(value),
                count(rivals.len() as u64, "other deployment")
            ),
            Some(value) => {
                judged.confirmed = true;
                format!(
                    "{name} is confirmed: its measured {metric} of {} is inside of the 95 % interval of {} to {}, it meets \
                     the requirements as measured, and no other deployment of the shortlist that was not measured \
                     reaches below it",
                    significant(value),
                    significant(low),
                    significant(high)
                )
            }
        };
        if !judged.confirmed && judged.wanted.is_empty() {
            judged.reason += "; nothing is left to measure that would tell";
        }
        Ok(judged)
    }

    /// Writes and tells how it ended.
    fn end(self, judged: Option<Judged>, reason: String) -> Result<(), Failure> {
        say_on_interrupt(None);
        let confirmed = judged.as_ref().is_some_and(|judged| judged.confirmed);
        let at = |place: fn(&Judged) -> Option<usize>| {
            judged.as_ref().and_then(|judged| place(judged).map(|at| &judged.thoughts[at]))
        };
        let (pick, runner_up) = (at(|judged| judged.pick), at(|judged| judged.runner_up));
        let doubt = judged.as_ref().and_then(doubt);
        let first = self.minimise()[0].clone();
        let told = json!({
            "scenario": self.scenario.name,
            "confirmed": confirmed,
            "confidence": CONFIDENCE,
            "reason": reason,
            "budget_s": self.asked.budget_s,
            "spent_s": self.spent_s,
            "require": self.found.as_ref().map(|found| &found.require),
            "minimise": self.minimise(),
            "metric": self.metric(),
            "pick": pick,
            "runner_up": runner_up,
            "doubt": doubt.map(|[probability, loss]| json!({ "best_probability": probability, "expected_loss": loss })),
            "deployments": judged.as_ref().map(|judged| &judged.thoughts),
            "rounds": self.judged,
            "steps": self.steps,
        });
        let blocks = self.words(confirmed, &reason, (pick, runner_up), doubt, &first);
        write_whole(&self.path.join("loop.json"), pretty(&told).as_bytes())?;
        write_whole(&self.path.join("loop.md"), markdown(&blocks).as_bytes())?;
        if self.args.json {
            print_json(&told)?;
        } else {
            print(&on_screen(&blocks, &self.path))?;
        }
        if confirmed { Ok(()) } else { Err(Failure::Told(ExitCode::from(1))) }
    }

    /// The page of plain words.
    fn words(
        &self,
        confirmed: bool,
        reason: &str,
        (pick, runner_up): (Option<&Thought>, Option<&Thought>),
        doubt: Option<[f64; 2]>,
        first: &str,
    ) -> Vec<Block> {
        let metric = self.metric();
        let verdict = if confirmed { "the pick is confirmed" } else { "not confirmed" };
        let mut blocks = vec![
            Block::Title(format!("{}: {verdict}", self.scenario.name)),
            Block::Paragraph(format!("{}.", capital(reason))),
        ];
        let about = |thought: &Thought| {
            let axes: Vec<String> =
                thought.axes.iter().map(|(key, value)| format!("{key} {value}")).collect();
            let axes = if axes.is_empty() { "the only one".into() } else { axes.join(", ") };
            let [low, high] = thought.interval;
            let measured = match thought.measured {
                Some(value) => format!("measured {}", significant(value)),
                None => "not measured".into(),
            };
            format!(
                "number {} ({axes}), deployment {}. {metric}: predicted {} (95 % of runs between {} and {}), {measured}.",
                thought.number,
                &thought.deployment[..8.min(thought.deployment.len())],
                significant(thought.predicted),
                significant(low),
                significant(high),
            )
        };
        blocks.push(Block::Fact("The pick", pick.map_or_else(|| "none.".into(), about)));
        let none = || "none that meets the requirements.".into();
        blocks.push(Block::Fact("The runner-up", runner_up.map_or_else(none, about)));
        let mut text = String::new();
        match doubt {
            Some([probability, loss]) => {
                text += &format!(
                    "by what is known, the pick is the best of the shortlist with a probability of {}; by not being the \
                     best it loses {} of {first} on average. ",
                    percent(probability),
                    significant(loss)
                );
            }
            None => text += "nothing was judged. ",
        }
        if let (Some(pick), Some(other)) = (pick, runner_up)
            && let (Some(value), [low, high]) = (other.measured, pick.interval)
            && pick.measured.is_some()
            && (low..=high).contains(&value)
        {
            text += "The measured value of the runner-up is inside of the pick's interval: one run of each does not tell \
                     these two apart. ";
        }
        text += "Each deployment was measured once. Deployments that are not on the shortlist are known by prediction \
                 alone.";
        blocks.push(Block::Fact("The doubt that is left", text));
        let counted = match self.asked.on {
            Provider::Rehearsal => " (a rehearsal counts what the runs would take)",
            _ => "",
        };
        blocks.push(Block::Paragraph(format!(
            "Of {} to measure in, {} are spent{counted}.",
            units::write_seconds(self.asked.budget_s),
            units::write_seconds(self.spent_s),
        )));
        let mut rows = vec![["step", "what it did", "spent"].map(String::from).to_vec()];
        rows.extend(self.steps.iter().map(|Step { folder, did, spent_s }| {
            let spent = if *spent_s > 0.0 { units::write_seconds(*spent_s) } else { String::new() };
            vec![folder.clone(), did.clone(), spent]
        }));
        blocks.push(Block::Table(rows));
        if !confirmed {
            blocks.push(Block::Paragraph(format!("Go on with more time: `{} --budget TIME`", self.go_on)));
        }
        blocks
    }
}

/// A piece of the page of plain words.
enum Block {
    Title(String),
    Paragraph(String),
    /// What a text is about, and the text.
    Fact(&'static str, String),
    /// Rows, the first of which is the heading.
    Table(Vec<Vec<String>>),
}

impl Block {
    fn markdown(&self) -> String {
        match self {
            Block::Title(text) => format!("# {text}"),
            Block::Paragraph(text) => text.clone(),
            Block::Fact(label, text) => format!("**{label}**: {text}"),
            Block::Table(rows) => {
                let mut lines: Vec<String> =
                    rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
                lines.insert(1, "|---".repeat(rows[0].len()) + "|");
                lines.join("\n")
            }
        }
    }
}

/// The page of plain words as a file has it.
fn markdown(blocks: &[Block]) -> String {
    blocks.iter().map(Block::markdown).collect::<Vec<_>>().join("\n\n") + "\n"
}

/// The same as a terminal shows it, and what to do next.
fn on_screen(blocks: &[Block], folder: &Path) -> String {
    let mut page = Page::new(Screen::of_stdout());
    for block in blocks {
        match block {
            Block::Title(text) | Block::Paragraph(text) => page.paragraph(text),
            Block::Fact(label, text) => page.marked(Style::Bold, &format!("{label}:"), text),
            Block::Table(rows) => page.columns(rows),
        }
        page.blank();
    }
    let folder = folder.display().to_string();
    page.fact("results", &folder);
    page.next(&[page::Step::new("look at all of it", &["offing", "report", &folder])]);
    page.into_text()
}

/// How long the first runs of a plan take, with what is around them [s].
fn costs(plan: &Plans, runs: usize) -> f64 {
    plan.runs[..runs].iter().map(|run| run.duration.as_secs_f64() + AROUND_S).sum()
}

/// By the first value that differs; what is not known comes last.
fn order(a: &[f64], b: &[f64]) -> Ordering {
    let of = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
    let by_value = a.iter().zip(b).map(|(&a, &b)| of(a).total_cmp(&of(b)));
    by_value.fold(Ordering::Equal, Ordering::then)
}

/// With which probability the pick is the best of those that meet the requirements, and what it loses by not being it.
fn doubt(judged: &Judged) -> Option<[f64; 2]> {
    let pick = &judged.thoughts[judged.pick?];
    let able: Vec<&Thought> = judged.thoughts.iter().filter(|thought| thought.meets).collect();
    let best = |draw: usize| able.iter().map(|thought| thought.drawn[draw]).fold(f64::INFINITY, f64::min);
    let losses: Vec<f64> = (0..DRAWS).map(|draw| (pick.drawn[draw] - best(draw)).max(0.0)).collect();
    let wins = losses.iter().filter(|loss| **loss == 0.0).count();
    Some([wins as f64 / DRAWS as f64, losses.iter().sum::<f64>() / DRAWS as f64])
}
