//! How long pods need to start: what was measured, the fit of the work, and how wrong it is on other numbers of pods.
//!
//! The settings of Kubernetes (rates, bursts, periods) are known and are not fitted. What is fitted is the work of each
//! step, `theta`, so that
//!
//! ```text
//! sum over starts, phases, {mean pod, last pod} of ln(predicted / measured)^2  +  w sum over theta of ln(theta / prior)^2
//! ```
//!
//! is least: relative errors count, whatever their size, and what the starts say nothing about stays at its prior.
//! The search is Levenberg's and Marquardt's, with slopes by differences. Errors are jackknife estimates: the fit is
//! repeated without each number of pods.
//!
//! Left out: repetitions of one number of pods are averaged, their spread is told but not used as a weight.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};
use offing_core::{Pods, Start};
use offing_models::kubernetes::{Room, StartModel};
use offing_sim::start::{Asked, PHASES, Scores, Started, summed};

/// Starts of one number of pods in one way, averaged over their repetitions.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredStart {
    /// How the pods were asked for.
    pub start: Start,
    /// Pods, or containers of one pod.
    pub count: u32,
    /// Nodes.
    pub nodes: u32,
    /// Repetitions.
    pub repetitions: usize,
    /// When the mean and the last pod had passed each phase [s].
    pub phases: [[f64; 2]; PHASES.len()],
    /// When the last pod was ready in each repetition [s].
    pub ready_s: Vec<f64>,
}

/// Reads the rows of `validation/kubernetes-start.py`.
///
/// # Errors
/// What is wrong with the text, in a sentence.
pub fn measured_starts(text: &str) -> Result<Vec<MeasuredStart>, String> {
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let header = rows.headers().map_err(|cause| cause.to_string())?.clone();
    let column = |name: &str| {
        header.iter().position(|known| known == name).ok_or_else(|| format!("there is no column `{name}`"))
    };
    let [run, way, pods, nodes] = [column("run")?, column("way")?, column("pods")?, column("nodes")?];
    let stamps = PHASES.map(|phase| column(&format!("{phase}_ms")));
    let stamps = stamps.into_iter().collect::<Result<Vec<usize>, String>>()?;
    // By way, number and nodes; then by run: the stamps of each pod.
    type Runs = BTreeMap<String, Vec<Vec<f64>>>;
    let mut found: BTreeMap<(Start, u32, u32), Runs> = BTreeMap::new();
    for (line, row) in rows.records().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}", line + 2);
        let row = row.map_err(|cause| wrong(&cause.to_string()))?;
        let number =
            |at: usize| row[at].parse::<f64>().map_err(|_| wrong(&format!("`{}` is no number", &row[at])));
        let start = match &row[way] {
            "job" => Start::Job,
            "jobs" => Start::Jobs,
            "calls" => Start::Calls,
            "containers" => Start::Containers,
            other => return Err(wrong(&format!("`{other}` is no way to ask for pods"))),
        };
        let pod = stamps.iter().map(|at| Ok(number(*at)? / 1e3)).collect::<Result<Vec<f64>, String>>()?;
        let key = (start, number(pods)? as u32, number(nodes)? as u32);
        found.entry(key).or_default().entry(row[run].to_string()).or_default().push(pod);
    }
    let starts = found.into_iter().map(|((start, count, nodes), runs)| {
        let repetitions = runs.len();
        let mut phases = [[0.0; 2]; PHASES.len()];
        let mut ready_s = Vec::new();
        for pods in runs.values() {
            for (at, [mean, last]) in phases.iter_mut().enumerate() {
                let of_phase = || pods.iter().map(|pod| pod[at]);
                *mean += of_phase().sum::<f64>() / (pods.len() * repetitions) as f64;
                *last += of_phase().fold(0.0, f64::max) / repetitions as f64;
            }
            ready_s.push(pods.iter().map(|pod| pod[PHASES.len() - 1]).fold(0.0, f64::max));
        }
        MeasuredStart { start, count, nodes, repetitions, phases, ready_s }
    });
    Ok(starts.collect())
}

/// The prediction of a start that was measured on nodes of so many cores.
pub fn predicted_start(measured: &MeasuredStart, model: &StartModel, cores: u32) -> Started {
    let is_one = measured.start == Start::Containers;
    let pods = if is_one { 1 } else { measured.count };
    // The requests of validation/kubernetes-start.py, and the memory of its host: only what is drawn depends on them.
    let scores = Scores {
        room: Room { pods: 110, cores: f64::from(cores), memory_bytes: Some(24 << 30) },
        pods: Pods {
            start: measured.start,
            cpu_request: 0.01,
            memory_request_bytes: 8 << 20,
            ..Pods::default()
        },
        wanted: measured.count,
    };
    let asked = Asked {
        scores: Some(scores),
        start: measured.start,
        node: (0..pods).map(|pod| Some(pod % measured.nodes)).collect(),
        containers: if is_one { measured.count } else { 1 },
        nodes: measured.nodes,
        cores,
        speed: 1.0,
        image_bytes: 0,
    };
    summed(&asked, model, 1).expect("every pod has a node")
}

/// A parameter of `kubernetes` that is fitted: its name, and its place in the model [s].
type Place = fn(&mut StartModel) -> &mut f64;
const FITTED: [(&str, Place); 11] = [
    ("controller.sync", |m| &mut m.controller_sync_s),
    ("scheduler.cycle", |m| &mut m.scheduler_cycle_s),
    ("api.write", |m| &mut m.api_write_s),
    ("api.read", |m| &mut m.api_read_s),
    ("kubelet.admit", |m| &mut m.admit_s),
    ("kubelet.aside", |m| &mut m.aside_s),
    ("kubelet.sandbox", |m| &mut m.sandbox_s),
    ("kubelet.create", |m| &mut m.create_s),
    ("kubelet.start", |m| &mut m.start_s),
    ("kubelet.relist", |m| &mut m.relist_s),
    ("kubelet.inspect", |m| &mut m.inspect_s),
];

/// A work that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The parameter, without `kubernetes.`.
    pub parameter: &'static str,
    /// [ms]
    pub value_ms: f64,
    /// Standard error [ms].
    pub error_ms: f64,
}

/// Weight of the priors: a start says as much as a factor of e that one parameter is off its prior does in ten.
const PRIOR: f64 = 0.01;

/// Fits the work to starts, beginning at the priors in `model`, whose settings are kept.
pub fn fit_starts(model: &StartModel, starts: &[MeasuredStart], cores: u32) -> (StartModel, Vec<Work>) {
    let fitted = search(model, starts, cores);
    let value = |mut m: StartModel, place: Place| *place(&mut m);
    let without: Vec<StartModel> = (0..starts.len())
        .filter(|_| starts.len() > 1)
        .map(|left_out| {
            let kept = starts.iter().enumerate().filter(|(at, _)| *at != left_out);
            search(model, &kept.map(|(_, start)| start.clone()).collect::<Vec<_>>(), cores)
        })
        .collect();
    let works = FITTED.iter().map(|&(parameter, place)| {
        let each: Vec<f64> = without.iter().map(|m| value(*m, place)).collect();
        let n = each.len() as f64;
        let mean = each.iter().sum::<f64>() / n;
        let spread = each.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let error = if each.is_empty() { 0.0 } else { ((n - 1.0) / n * spread).sqrt() };
        Work { parameter, value_ms: value(fitted, place) * 1e3, error_ms: error * 1e3 }
    });
    let works = works.collect();
    (fitted, works)
}

/// Levenberg-Marquardt on the logarithms of the works: they trade off against each other, so they move together.
fn search(prior: &StartModel, starts: &[MeasuredStart], cores: u32) -> StartModel {
    let n = FITTED.len();
    let at = |theta: &DVector<f64>| {
        let mut model = *prior;
        for (&(_, place), theta) in FITTED.iter().zip(theta.iter()) {
            *place(&mut model) *= libm::exp(*theta);
        }
        model
    };
    let residuals = |theta: &DVector<f64>| {
        let mut all = Vec::new();
        let model = at(theta);
        for measured in starts {
            let told = predicted_start(measured, &model, cores);
            for (passed, [mean, last]) in told.phases.iter().zip(measured.phases) {
                all.extend([libm::log(passed.mean_s / mean), libm::log(passed.last_s / last)]);
            }
        }
        all.extend(theta.iter().map(|theta| PRIOR.sqrt() * theta));
        DVector::from_vec(all)
    };
    let mut theta = DVector::zeros(n);
    let mut own = residuals(&theta);
    let mut damping = 0.1;
    for _ in 0..ROUNDS {
        // Instants jump by a list's period where a pod is just in time: a wide step looks over that.
        let columns: Vec<DVector<f64>> = (0..n)
            .map(|k| {
                let mut moved = theta.clone();
                moved[k] += STEP;
                (residuals(&moved) - &own) / STEP
            })
            .collect();
        let jacobian = DMatrix::from_columns(&columns);
        let (normal, slope) = (jacobian.transpose() * &jacobian, jacobian.transpose() * &own);
        let mut is_better = false;
        while !is_better && damping < 1e4 {
            let damped = &normal + DMatrix::from_diagonal(&normal.diagonal()) * damping;
            let step = damped.cholesky().expect("the priors make it positive definite").solve(&slope);
            // No more than a factor of 2 at once.
            let tried = &theta - step.map(|step| step.clamp(-0.7, 0.7));
            let got = residuals(&tried);
            is_better = got.norm_squared() < own.norm_squared();
            if is_better {
                let gained = 1.0 - got.norm_squared() / own.norm_squared();
                (theta, own) = (tried, got);
                damping = (damping / 3.0).max(1e-4);
                if gained < 1e-4 {
                    return at(&theta);
                }
            } else {
                damping *= 3.0;
            }
        }
    }
    at(&theta)
}

/// Rounds of the search, at most, and the step of its slopes, in logarithms.
const ROUNDS: usize = 30;
const STEP: f64 = 0.05;

#[cfg(test)]
mod tests {
    use offing_models::{ModelSet, Version};

    use super::*;

    const ROWS: &str = "run,way,pods,nodes,node,pod,container_name,created_ms,scheduled_ms,sandbox_ms,container_ms,started_ms,ready_ms\n\
        a,job,2,1,n1,x,c0,10,20,300,350,400,1000\n\
        a,job,2,1,n1,y,c0,20,30,500,550,600,2000\n\
        b,job,2,1,n1,z,c0,30,40,700,750,800,3000\n\
        b,job,2,1,n1,w,c0,30,40,700,750,800,3000\n";

    #[test]
    fn repetitions_are_averaged_and_their_last_pods_kept() {
        let starts = measured_starts(ROWS).unwrap();
        let [start] = &starts[..] else { panic!("{starts:?}") };
        assert_eq!((start.start, start.count, start.nodes, start.repetitions), (Start::Job, 2, 1, 2));
        assert_eq!(start.ready_s, [2.0, 3.0]);
        let [mean, last] = start.phases[5];
        assert!((mean - 2.25).abs() < 1e-12 && (last - 2.5).abs() < 1e-12);
        assert!((start.phases[0][0] - 0.0225).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let no = |text: &str| measured_starts(text).unwrap_err();
        assert_eq!(no("run,way\n"), "there is no column `pods`");
        assert_eq!(
            no(&ROWS.replace("a,job,2,1,n1,y", "a,magic,2,1,n1,y")),
            "line 3: `magic` is no way to ask for pods"
        );
        assert_eq!(no(&ROWS.replace("3000", "soon")), "line 4: `soon` is no number");
    }

    #[test]
    fn work_that_was_hidden_in_starts_is_found_again() {
        // Where the fit of the shipped works began, too.
        let priors =
            ModelSet::read(include_str!("../data/kubernetes-start/priors.toml")).expect("they can be read");
        let prior = StartModel { host_cores: 2, ..priors.start(Version::MEASURED) };
        let mut hidden = prior;
        (hidden.sandbox_s, hidden.start_s, hidden.api_write_s) = (0.300, 0.040, 0.006);
        let starts: Vec<MeasuredStart> = [5, 20, 45]
            .map(|count| {
                let mut start = MeasuredStart {
                    start: Start::Job,
                    count,
                    nodes: 2,
                    repetitions: 1,
                    phases: [[0.0; 2]; PHASES.len()],
                    ready_s: Vec::new(),
                };
                let told = predicted_start(&start, &hidden, 2);
                start.phases = told.phases.map(|passed| [passed.mean_s, passed.last_s]);
                start
            })
            .into();
        let found = search(&prior, &starts, 2);
        let near = |found: f64, hidden: f64, share: f64| {
            assert!((found / hidden - 1.0).abs() < share, "{found} {hidden}")
        };
        near(found.sandbox_s, 0.300, 0.1);
        near(found.api_write_s, 0.006, 0.2);
        // And so is the time to ready of another number.
        let other = MeasuredStart { count: 60, ..starts[0].clone() };
        let of = |model| predicted_start(&other, model, 2).time_to_ready_s;
        near(of(&found), of(&hidden), 0.03);
    }
}
