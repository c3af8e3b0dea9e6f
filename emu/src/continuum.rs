//! The tables that Continuum's image classification benchmark prints, from a measured run.
//!
//! | column | Continuum | here |
//! |---|---|---|
//! | delay | receipt at the worker - stamp at the endpoint | uplink |
//! | proc_time/data | taken from the queue until done | process |
//! | preproc_time/data | reading, stamping, publishing | prepare |
//! | latency | reply - stamp at the endpoint | latency |
//! | total_time of a worker | last item taken - first image read | last - first start of processing |
//! | total_time of an endpoint | last - first line of its log | last return - first emission |
//!
//! Means and standard deviations (of the population) are those of the slice `[int(0.05 n) : int(0.9 n)]` of the sorted
//! values; of the size it is the plain mean. Everything is rounded to two digits. With one value the slice is empty: NaN.
//!
//! Only requests of the observed span that came back are counted; Continuum counts all.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use offing_core::{Deployment, Parts};

use crate::observed::Measured;

/// A table: one row per worker or per endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// A number and the values of the other columns.
    pub rows: Vec<(u32, Vec<f64>)>,
}

/// The tables of a run: of workers and of endpoints, or of endpoints alone where they process themselves.
pub fn tables(deployment: &Deployment, requests: &[Measured]) -> Vec<Table> {
    let done = |of: &dyn Fn(&Measured) -> u32| {
        let mut groups: BTreeMap<u32, Vec<(&Measured, Parts)>> = BTreeMap::new();
        for measured in requests {
            if let Some(parts) = measured.request.parts {
                groups.entry(of(measured)).or_default().push((measured, parts));
            }
        }
        groups
    };
    let ms = |part: fn(&Parts) -> u64| move |(_, parts): &(&Measured, Parts)| part(parts) as f64 / 1e6;
    let endpoints = done(&|measured| measured.request.endpoint);
    let whole = |requests: &[(&Measured, Parts)]| {
        let first = requests.iter().map(|(measured, _)| measured.request.emitted).min().unwrap_or(0);
        let last = requests.iter().map(|(measured, parts)| measured.request.emitted + parts.latency()).max();
        rounded((last.unwrap_or(first) - first) as f64 / 1e9)
    };
    if !deployment.is_offloaded() {
        let row = |(&endpoint, requests): (&u32, &Vec<(&Measured, Parts)>)| {
            let [process, _] = trimmed(requests.iter().map(ms(|parts| parts.process)));
            let [latency, deviation] = trimmed(requests.iter().map(ms(Parts::latency)));
            (endpoint, vec![whole(requests), process, latency, deviation])
        };
        return vec![Table {
            columns: vec![
                "endpoint_id",
                "total_time (s)",
                "proc_time/data (ms)",
                "latency_avg (ms)",
                "latency_stdev (ms)",
            ],
            rows: endpoints.iter().map(row).collect(),
        }];
    }
    let worker = |(&node, requests): (&u32, &Vec<(&Measured, Parts)>)| {
        let start = |(measured, parts): &(&Measured, Parts)| {
            measured.request.emitted + parts.prepare + parts.uplink + parts.queue
        };
        let (first, last) = (requests.iter().map(start).min(), requests.iter().map(start).max());
        let total = rounded((last.unwrap_or(0) - first.unwrap_or(0)) as f64 / 1e9);
        let [delay, deviation] = trimmed(requests.iter().map(ms(|parts| parts.uplink)));
        let [process, _] = trimmed(requests.iter().map(ms(|parts| parts.process)));
        (node, vec![total, delay, deviation, process])
    };
    let endpoint = |(_, requests): (&u32, &Vec<(&Measured, Parts)>)| {
        let sizes = requests.iter().filter_map(|(measured, _)| measured.frame_bytes);
        let (n, bytes) = sizes.fold((0_u64, 0_u64), |(n, sum), bytes| (n + 1, sum + bytes));
        let [prepare, _] = trimmed(requests.iter().map(ms(|parts| parts.prepare)));
        let [latency, deviation] = trimmed(requests.iter().map(ms(Parts::latency)));
        let size = rounded(bytes as f64 / n as f64 / 1e3);
        // With a balance that goes round it is connected to all; the first that it used is named.
        let node = requests.iter().map(|(measured, _)| measured.request.node).next().unwrap_or(0);
        (node, vec![whole(requests), prepare, size, latency, deviation])
    };
    let workers = done(&|measured| measured.request.node);
    vec![
        Table {
            columns: vec![
                "worker_id",
                "total_time (s)",
                "delay_avg (ms)",
                "delay_stdev (ms)",
                "proc_time/data (ms)",
            ],
            rows: workers.iter().map(worker).collect(),
        },
        Table {
            columns: vec![
                "connected_to",
                "total_time (s)",
                "preproc_time/data (ms)",
                "data_size_avg (kb)",
                "latency_avg (ms)",
                "latency_stdev (ms)",
            ],
            rows: endpoints.iter().map(endpoint).collect(),
        },
    ]
}

/// Mean and standard deviation by Continuum's rule.
fn trimmed(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let kept = &values[(0.05 * n) as usize..(0.9 * n) as usize];
    let count = kept.len() as f64;
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    [rounded(mean), rounded(variance.sqrt())]
}

/// To two digits, as Python's `round` does: half to even of what the double holds exactly.
fn rounded(value: f64) -> f64 {
    format!("{value:.2}").parse().unwrap_or(f64::NAN)
}

impl Table {
    /// As Continuum's log repeats it: quoted, with an index column.
    pub fn csv(&self) -> String {
        let quoted = |cells: Vec<String>| {
            cells.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n"
        };
        let header = [String::new()].into_iter().chain(self.columns.iter().map(ToString::to_string));
        let mut text = quoted(header.collect());
        for (index, row) in self.cells().into_iter().enumerate() {
            text += &quoted([index.to_string()].into_iter().chain(row).collect());
        }
        text
    }

    /// Numbers as Python writes them.
    fn cells(&self) -> Vec<Vec<String>> {
        let cells = |(number, values): &(u32, Vec<f64>)| {
            let values = values.iter().map(|value| format!("{value:?}"));
            [number.to_string()].into_iter().chain(values).collect()
        };
        self.rows.iter().map(cells).collect()
    }
}

impl fmt::Display for Table {
    /// Columns under their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells();
        let width = |column: usize| {
            let values = cells.iter().map(|row| row[column].len());
            values.max().unwrap_or(0).max(self.columns[column].len())
        };
        let mut line = |row: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (column, cell) in row.enumerate() {
                write!(text, "{cell:>width$}  ", width = width(column))?;
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(&mut self.columns.iter().copied())?;
        cells.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::deployment;
    use offing_core::{Request, Scope};

    fn measured(endpoint: u32, index: u64, parts_ms: [u64; 5]) -> Measured {
        let [prepare, uplink, queue, process, downlink] = parts_ms.map(|ms| ms * 1_000_000);
        let parts = Some(Parts { prepare, uplink, queue, process, downlink });
        let request = Request { emitted: index * 1_000_000_000, endpoint, index, node: 0, parts };
        Measured {
            request,
            worker: Some(0),
            frame_bytes: Some(68_000 + index),
            prepare_cpu_ns: None,
            process_cpu_ns: None,
        }
    }

    #[test]
    fn of_twenty_values_the_lowest_and_the_two_highest_are_cut_off() {
        // Uplinks of 1 to 20 ms: [1 : 18] of the sorted values are 2 to 18 ms: mean 10, population variance 24.
        let requests: Vec<Measured> = (0..20).map(|k| measured(0, k, [3, k + 1, 5, 30, 7])).collect();
        let [workers, endpoints] = &tables(&deployment(Scope::Node, 8e6), &requests)[..] else {
            panic!("two tables")
        };
        // From the first start at 0.009 s to the last at 19.028 s.
        assert_eq!(workers.rows, [(0, vec![19.02, 10.0, 4.9, 30.0])]);
        // Latencies are 46 to 65 ms: kept are 47 to 63. The last reply is at 19.065 s. Mean size 68009.5 bytes.
        assert_eq!(endpoints.rows, [(0, vec![19.07, 3.0, 68.01, 55.0, 4.9])]);
        assert_eq!(
            workers.to_string(),
            "worker_id  total_time (s)  delay_avg (ms)  delay_stdev (ms)  proc_time/data (ms)\n        0           19.02            10.0               4.9                 30.0\n"
        );
        assert_eq!(
            endpoints.csv(),
            "\"\",\"connected_to\",\"total_time (s)\",\"preproc_time/data (ms)\",\"data_size_avg (kb)\",\"latency_avg (ms)\",\"latency_stdev (ms)\"\n\"0\",\"0\",\"19.07\",\"3.0\",\"68.01\",\"55.0\",\"4.9\"\n"
        );
    }

    #[test]
    fn where_endpoints_process_themselves_there_is_one_table() {
        let mut local = deployment(Scope::Node, 8e6);
        local.placement.target = local.placement.endpoint;
        let requests: Vec<Measured> = (0..20).map(|k| measured(1, k, [0, 0, k, 40, 0])).collect();
        let [endpoints] = &tables(&local, &requests)[..] else { panic!("one table") };
        assert_eq!(endpoints.columns[0], "endpoint_id");
        // Queues of 0 to 19 ms; kept are 1 to 17. From 0 to 19.059 s.
        assert_eq!(endpoints.rows, [(1, vec![19.06, 40.0, 49.0, 4.9])]);
    }

    #[test]
    fn one_value_leaves_an_empty_slice() {
        let tables = tables(&deployment(Scope::Node, 8e6), &[measured(0, 0, [1; 5])]);
        assert!(tables[0].rows[0].1[1].is_nan());
    }
}
