//! The deployments that the page speaks of, each with a letter: those of the shortlist and those that were measured.

use std::collections::BTreeMap;

use offing_core::Summary;

use crate::folder::Findings;
use crate::measured::Measured;

/// A deployment with a letter.
#[derive(Clone, Debug)]
pub struct Subject<'f> {
    /// `A`, `B`, ..
    pub letter: String,
    /// Id of the deployment.
    pub id: &'f str,
    /// Its number in the design space, if it is of one.
    pub number: Option<&'f str>,
    /// What speaks for it, if it is on the shortlist.
    pub why: Option<&'f str>,
    /// Whether it misses a requirement by a little.
    pub is_near: bool,
    /// Its values of the axes.
    pub axes: &'f BTreeMap<String, String>,
    /// What is predicted.
    pub predicted: Option<&'f Summary>,
    /// Its valid runs.
    pub measured: Vec<&'f Measured>,
}

/// Deployments that get a letter, at most.
const MOST: usize = 12;

/// Those of the shortlist, or the nearest misses if there is none; then those that were predicted alone, and those that
/// were measured besides.
pub fn subjects(findings: &Findings) -> Vec<Subject<'_>> {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    if let Some(found) = &findings.found {
        subjects.extend(found.shortlist.iter().map(|kept| Subject {
            letter: String::new(),
            id: &kept.id,
            number: Some(&kept.number.0),
            why: Some(&kept.why),
            is_near: false,
            axes: &kept.axes,
            predicted: Some(&kept.predicted),
            measured: Vec::new(),
        }));
        if subjects.is_empty() {
            subjects.extend(found.dropped.nearly_feasible.iter().take(5).map(|near| Subject {
                letter: String::new(),
                id: &near.id,
                number: Some(&near.number.0),
                why: None,
                is_near: true,
                axes: &near.axes,
                predicted: Some(&near.predicted),
                measured: Vec::new(),
            }));
        }
    }
    for alone in &findings.predictions {
        if subjects.iter().all(|subject| subject.id != alone.summary.deployment) {
            subjects.push(Subject {
                letter: String::new(),
                id: &alone.summary.deployment,
                number: None,
                why: None,
                is_near: false,
                axes: &alone.axes,
                predicted: Some(&alone.summary),
                measured: Vec::new(),
            });
        }
    }
    for run in findings.measured.iter().filter(|run| run.is_valid) {
        match subjects.iter_mut().find(|subject| subject.id == run.summary.deployment) {
            Some(subject) => subject.measured.push(run),
            None => subjects.push(Subject {
                letter: String::new(),
                id: &run.summary.deployment,
                number: None,
                why: None,
                is_near: false,
                axes: &run.axes,
                predicted: findings.predicted(&run.summary.deployment),
                measured: vec![run],
            }),
        }
    }
    subjects.truncate(MOST);
    for (at, subject) in subjects.iter_mut().enumerate() {
        subject.letter = char::from(b'A' + at as u8).to_string();
    }
    subjects
}

/// A value and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// The interval, where it is known.
    pub interval: Option<[f64; 2]>,
}

/// 97.5 % quantiles of Student's t for 1, 2, .. degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Repetitions taken together: their mean, with the interval of Student's t. One repetition has its own interval.
pub fn together(repetitions: &[Estimate]) -> Option<Estimate> {
    let n = repetitions.len() as f64;
    let mean = repetitions.iter().map(|one| one.value).sum::<f64>() / n;
    match repetitions {
        [] => None,
        [one] => Some(*one),
        _ => {
            let variance = repetitions.iter().map(|one| (one.value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let t = T.get(repetitions.len() - 2).copied().unwrap_or(1.96);
            let half = t * (variance / n).sqrt();
            Some(Estimate { value: mean, interval: Some([mean - half, mean + half]) })
        }
    }
}

impl Subject<'_> {
    /// Its letter, and what it is called where it has a name of its own.
    pub fn label(&self) -> String {
        match self.axes.get("folder") {
            Some(name) => format!("{} {name}", self.letter),
            None => self.letter.clone(),
        }
    }

    /// Something about the measured runs, taken together.
    pub fn measured(&self, of: impl Fn(&Summary) -> Option<Estimate>) -> Option<Estimate> {
        let repetitions: Vec<Estimate> = self.measured.iter().filter_map(|run| of(&run.summary)).collect();
        together(&repetitions)
    }
}

/// The mean latency [ms].
pub fn mean(summary: &Summary) -> Option<Estimate> {
    Some(Estimate { value: summary.latency_ms.as_ref()?.mean, interval: summary.latency_ci95_ms.mean })
}

/// Whether a name is that of a metric of one value.
pub fn is_metric(name: &str) -> bool {
    let known = ["load", "stable", "throughput_rps", "energy_j_per_request", "cost_usd_per_hour"];
    known.contains(&name)
        || name.ends_with("_share")
        || name.ends_with("_ms")
        || name.starts_with("utilization_")
}

/// A metric of a goal by its name, with the interval where it has one.
pub fn metric(summary: &Summary, name: &str) -> Option<Estimate> {
    let plain = |value| Some(Estimate { value, interval: None });
    if let Some(statistic) = name.strip_prefix("latency_").and_then(|rest| rest.strip_suffix("_ms")) {
        let latency = summary.latency_ms.as_ref()?;
        let intervals = &summary.latency_ci95_ms;
        let (value, interval) = match statistic {
            "mean" => (latency.mean, intervals.mean),
            "sd" => (latency.sd, None),
            "min" => (latency.min, None),
            "p50" => (latency.p50, intervals.p50),
            "p90" => (latency.p90, None),
            "p95" => (latency.p95, intervals.p95),
            "p99" => (latency.p99, intervals.p99),
            "p999" => (latency.p999, None),
            "max" => (latency.max, None),
            "trimmed_mean" => (latency.trimmed_mean?, None),
            _ => return None,
        };
        return Some(Estimate { value, interval });
    }
    if let Some(tier) = name.strip_prefix("utilization_") {
        let of_tier = summary.utilization.iter().find(|(known, _)| known.replace('-', "_") == tier);
        return plain(*of_tier?.1);
    }
    match name {
        "load" => plain(summary.load),
        "stable" => plain(f64::from(u8::from(summary.stable))),
        "throughput_rps" => plain(summary.throughput_rps),
        "energy_j_per_request" => plain(summary.energy_j_per_request?),
        "cost_usd_per_hour" => plain(summary.cost_usd_per_hour),
        "dropped_share" => plain(summary.dropped_share),
        "deadline_miss_share" => plain(summary.deadline_miss_share?),
        _ => {
            let (part, statistic) = name.strip_suffix("_ms")?.split_once('_')?;
            let part = summary.parts_ms.get(part)?;
            match statistic {
                "mean" => plain(part.mean),
                "p50" => plain(part.p50),
                "p95" => plain(part.p95),
                "p99" => plain(part.p99),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_repetitions_have_the_interval_of_students_t() {
        let one = |value| Estimate { value, interval: None };
        let all = together(&[one(9.0), one(10.0), one(11.0)]).unwrap();
        // Standard deviation 1, so half the interval is 4.303 / sqrt 3.
        assert_eq!(all.value, 10.0);
        let [low, high] = all.interval.unwrap();
        assert!((high - low - 2.0 * 4.303 / 3f64.sqrt()).abs() < 1e-9);
        assert_eq!(together(&[]), None);
        let alone = Estimate { value: 5.0, interval: Some([4.0, 6.0]) };
        assert_eq!(together(&[alone]), Some(alone));
    }
}
