//! Measured runs, as texts become them: requests one by one, or the tables of Continuum.
//!
//! Nothing here touches the disk. Times are those of the deployment; a run that was dilated has been scaled back.

use std::collections::BTreeMap;

use offing_core::{Deployment, Parts, Recording};
use offing_models::FittedRun;
use sha2::{Digest, Sha256};

/// One measured run of a deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it is called, for example the name of its folder.
    pub name: String,
    /// What ran.
    pub deployment: Deployment,
    /// SHA-256 of its data, in hexadecimal digits.
    pub sha256: String,
    /// Where and how it ran.
    pub conditions: Conditions,
    /// What was seen.
    pub seen: Seen,
    /// Use of each tier's processors, 0..1 of what the quota allows, where it was measured.
    pub utilization: BTreeMap<String, f64>,
    /// Seed whose instants, sizes and work it replayed; nothing where its chance was its own.
    pub seed: Option<u64>,
    /// How long it took in all, with making and proving the nodes [s], where that is known.
    pub took_s: Option<f64>,
}

/// Where and how a run was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// Processor and number of cores of the host.
    pub host_class: String,
    /// Cores that all nodes share; 0 where each has its own or that is not known.
    pub host_cores: f64,
    /// `docker`, `qemu`, ..
    pub provider: String,
    /// `network`, `burn`, ..
    pub application: String,
    /// `mqtt`, `http`, ..
    pub transport: String,
    /// By how much it ran slower than in truth.
    pub dilate: f64,
}

/// What was seen of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Each request.
    Requests(Vec<Row>),
    /// Means of the middle, as Continuum prints them.
    Table(Table),
}

/// One request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Number of the endpoint.
    pub endpoint: u32,
    /// Number of the request at that endpoint.
    pub index: u64,
    /// Number of the target node.
    pub node: u32,
    /// When it was emitted [ns].
    pub emitted: u64,
    /// Its parts; nothing if it was lost.
    pub parts: Option<Parts>,
    /// Which worker of the node had it.
    pub worker: Option<u32>,
    /// Size of its message [byte].
    pub frame_bytes: Option<u64>,
    /// CPU time of its preparation [ns].
    pub prepare_cpu: Option<u64>,
    /// CPU time of its processing [ns].
    pub process_cpu: Option<u64>,
}

/// Continuum's tables, averaged over workers and endpoints: means of the slice from the 5th to the 90th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Table {
    /// Processing [ms].
    pub process_ms: Option<f64>,
    /// From the endpoint's stamp to the worker's receipt [ms].
    pub delay_ms: Option<f64>,
    /// Preparation [ms].
    pub prepare_ms: Option<f64>,
    /// Mean size of a message [byte].
    pub frame_bytes: Option<f64>,
    /// Latency [ms].
    pub latency_ms: Option<f64>,
    /// Its standard deviation [ms].
    pub latency_sd_ms: Option<f64>,
}

impl Measured {
    /// As a list of runs that a fit rests on has it.
    pub fn named(&self) -> FittedRun {
        FittedRun { run: self.name.clone(), deployment: self.deployment.id(), sha256: self.sha256.clone() }
    }

    /// Its requests; none where only tables are known.
    pub fn rows(&self) -> &[Row] {
        match &self.seen {
            Seen::Requests(rows) => rows,
            Seen::Table(_) => &[],
        }
    }

    /// The same in the form that a simulation records; nothing where no request came back.
    pub fn recording(&self) -> Option<Recording> {
        let (from, until) = (self.deployment.warm_up.as_nanos(), self.deployment.duration.as_nanos());
        let mut recording = Recording::new(from, until);
        for row in self.rows() {
            if let Some(parts) = &row.parts {
                recording.record(row.emitted, parts);
            }
        }
        (recording.latency().count() > 0).then_some(recording)
    }

    /// Share of the requests that were lost.
    pub fn lost_share(&self) -> f64 {
        let lost = self.rows().iter().filter(|row| row.parts.is_none()).count();
        lost as f64 / self.rows().len().max(1) as f64
    }

    /// Whether requests piled up for as long as it ran: over the last three quarters of the run the latency rises by
    /// more than 2 % of the time that passes, and more than doubles. The slope is Theil's: the median of those of pairs
    /// half of the span apart (H. Theil, 1950).
    pub fn piled_up(&self) -> bool {
        let mut seen: Vec<(f64, f64)> = self
            .rows()
            .iter()
            .filter_map(|row| Some((row.emitted as f64, row.parts?.latency() as f64)))
            .collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let seen = &seen[seen.len() / 4..];
        let half = seen.len() / 2;
        if half < 10 {
            return false;
        }
        let slopes = crate::robust::sorted((0..half).map(|i| {
            let ((t0, l0), (t1, l1)) = (seen[i], seen[i + half]);
            (l1 - l0) / (t1 - t0).max(1.0)
        }));
        let median = |part: &[(f64, f64)]| {
            crate::robust::quantile(&crate::robust::sorted(part.iter().map(|&(_, latency)| latency)), 0.5)
        };
        let quarter = half / 2;
        let (first, last) = (median(&seen[..quarter.max(5)]), median(&seen[seen.len() - quarter.max(5)..]));
        crate::robust::quantile(&slopes, 0.5) > 0.02 && last > 1.5 * first
    }
}

/// Columns that a list of requests must have; those of `offing simulate --trace`.
const NEEDED: [&str; 11] = [
    "endpoint",
    "index",
    "node",
    "emitted_ns",
    "prepare_ns",
    "uplink_ns",
    "queue_ns",
    "process_ns",
    "downlink_ns",
    "latency_ns",
    "dropped",
];

/// Reads a list of requests: the columns of `offing simulate --trace`, and where they are known `worker`, `frame_bytes`,
/// `prepare_cpu_ns`, `process_cpu_ns`. Columns by other names are left alone.
///
/// # Errors
/// What is wrong, with the line.
pub fn read_requests(text: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|cause| cause.to_string())?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    if let Some(missing) = NEEDED.iter().find(|name| place(name).is_none()) {
        return Err(format!("it has no column `{missing}`; a list of requests has {}", NEEDED.join(",")));
    }
    let places = NEEDED.map(|name| place(name).expect("it is there"));
    let more = ["worker", "frame_bytes", "prepare_cpu_ns", "process_cpu_ns"].map(place);
    let mut rows = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let line = number + 2;
        let record = record.map_err(|cause| format!("line {line}: {cause}"))?;
        let whole = |place: usize, name: &str| -> Result<u64, String> {
            let cell = record.get(place).unwrap_or_default();
            cell.parse().map_err(|_| format!("line {line}: {name}: `{cell}` is not a whole number"))
        };
        let [endpoint, index, node, emitted, .., latency, dropped] = places;
        let is_lost = match record.get(dropped).unwrap_or_default() {
            "true" | "1" => true,
            "false" | "0" => false,
            other => return Err(format!("line {line}: dropped: `{other}` is neither true nor false")),
        };
        let small = |value: u64, name: &str| {
            u32::try_from(value).map_err(|_| format!("line {line}: {name}: {value} is too large"))
        };
        let parts = if is_lost {
            None
        } else {
            let part = |i: usize| whole(places[i], NEEDED[i]);
            let parts = Parts {
                prepare: part(4)?,
                uplink: part(5)?,
                queue: part(6)?,
                process: part(7)?,
                downlink: part(8)?,
            };
            let sum = parts.to_array().iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
            let latency = whole(latency, "latency_ns")?;
            if sum != Some(latency) {
                return Err(format!("line {line}: the five parts do not add up to latency_ns"));
            }
            if latency >= 1 << 52 {
                return Err(format!("line {line}: a latency of {latency} ns is more than 52 days"));
            }
            Some(parts)
        };
        let optional = |at: usize, name: &str| -> Result<Option<u64>, String> {
            match more[at].and_then(|place| record.get(place)) {
                None | Some("") => Ok(None),
                Some(_) => whole(more[at].expect("it is there"), name).map(Some),
            }
        };
        rows.push(Row {
            endpoint: small(whole(endpoint, "endpoint")?, "endpoint")?,
            index: whole(index, "index")?,
            node: if record.get(node) == Some("") { 0 } else { small(whole(node, "node")?, "node")? },
            emitted: whole(emitted, "emitted_ns")?,
            parts,
            worker: optional(0, "worker")?.map(|worker| small(worker, "worker")).transpose()?,
            frame_bytes: optional(1, "frame_bytes")?,
            prepare_cpu: optional(2, "prepare_cpu_ns")?,
            process_cpu: optional(3, "process_cpu_ns")?,
        });
    }
    if rows.is_empty() {
        return Err("it has no request".into());
    }
    Ok(rows)
}

/// Reads Continuum's tables: quoted CSV with its column names, one table after the other, as its log has them after
/// `Output in csv format`. An index column and other lines are left alone.
///
/// # Errors
/// If there is no table in it.
pub fn read_continuum(text: &str) -> Result<Table, String> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut header: Option<csv::StringRecord> = None;
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|cause| format!("line {}: {cause}", number + 1))?;
        if record.iter().any(|cell| matches!(cell, "worker_id" | "connected_to" | "endpoint_id")) {
            header = Some(record);
        } else if let Some(header) = header.as_ref().filter(|header| header.len() == record.len()) {
            for (name, cell) in header.iter().zip(&record) {
                if let Ok(value) = cell.parse::<f64>() {
                    found.entry(name.into()).or_default().push(value);
                }
            }
        } else {
            header = None;
        }
    }
    let of = |name: &str| found.get(name).map(|values| crate::robust::mean(values));
    let table = Table {
        process_ms: of("proc_time/data (ms)"),
        delay_ms: of("delay_avg (ms)"),
        prepare_ms: of("preproc_time/data (ms)"),
        frame_bytes: of("data_size_avg (kb)").map(|kilobytes| kilobytes * 1000.0),
        latency_ms: of("latency_avg (ms)"),
        latency_sd_ms: of("latency_stdev (ms)"),
    };
    if table == Table::default() {
        return Err("there is none of Continuum's tables in it: they begin with worker_id, connected_to or endpoint_id".into());
    }
    Ok(table)
}

/// In hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "endpoint,index,node,emitted_ns,prepare_ns,uplink_ns,queue_ns,process_ns,downlink_ns,latency_ns,dropped";

    #[test]
    fn requests_are_read_with_and_without_the_columns_of_a_measurement() {
        let rows =
            read_requests(&format!("{HEADER}\n0,3,1,50,1,2,3,4,5,15,false\n1,0,0,60,,,,,,,true\n")).unwrap();
        assert_eq!(rows[0].parts.unwrap().latency(), 15);
        assert_eq!((rows[0].node, rows[0].index, rows[0].worker, rows[1].parts), (1, 3, None, None));
        let more = format!(
            "{HEADER},worker,frame_bytes,prepare_cpu_ns,process_cpu_ns\n0,3,1,50,1,2,3,4,5,15,0,2,1000,1,4\n"
        );
        let row = read_requests(&more).unwrap()[0];
        assert_eq!((row.worker, row.frame_bytes, row.process_cpu), (Some(2), Some(1000), Some(4)));
    }

    #[test]
    fn a_list_that_cannot_be_used_is_refused_with_its_line() {
        let problem = |text: &str| read_requests(text).unwrap_err();
        assert!(problem("endpoint,index\n0,1\n").contains("no column `node`"));
        assert!(
            problem(&format!("{HEADER}\n0,3,1,50,1,2,3,4,5,16,false\n")).contains("line 2: the five parts")
        );
        assert!(
            problem(&format!("{HEADER}\n0,3,1,50,1,2,x,4,5,16,false\n")).contains("line 2: queue_ns: `x`")
        );
        assert!(problem(&format!("{HEADER}\n")).contains("no request"));
    }

    #[test]
    fn the_printed_tables_of_continuum_are_read() {
        let text = "noise\nOutput in csv format\n\"\",\"worker_id\",\"total_time (s)\",\"delay_avg (ms)\",\"delay_stdev (ms)\",\"proc_time/data (ms)\"\n\"0\",\"0\",\"306.72\",\"127.76\",\"32.77\",\"149.53\"\n\n\"\",\"connected_to\",\"total_time (s)\",\"preproc_time/data (ms)\",\"data_size_avg (kb)\",\"latency_avg (ms)\",\"latency_stdev (ms)\"\n\"0\",\"0\",\"307.1\",\"1.29\",\"68.01\",\"317.91\",\"37.55\"\n";
        let table = read_continuum(text).unwrap();
        assert_eq!((table.process_ms, table.delay_ms), (Some(149.53), Some(127.76)));
        assert_eq!(
            (table.frame_bytes, table.latency_ms, table.latency_sd_ms),
            (Some(68010.0), Some(317.91), Some(37.55))
        );
        assert!(read_continuum("a,b\n1,2\n").is_err());
    }
}
