//! `summary.parquet` holds what `summary.csv` holds, value by value.
#![cfg(feature = "parquet")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use offing_core::Presets;
use offing_explore::{Folder, Plan, Shard, finish, on_threads, sweep};
use offing_models::ModelSet;
use offing_scenarios::load;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Feasible, infeasible, screened and excluded deployments, texts with commas and quotation marks in them, and metrics
/// that are not known.
const SCENARIO: &str = "name = 'rows'\nrequests = 2000\n\
    [app]\nrate = '5 /s'\nframe = '10 kB'\nprocess = { lognormal = { mean = '20 ms', cv = 0.8 } }\nmemory = '1 GiB'\n\
    [tier.endpoint]\n[tier.edge]\nmemory = '4 GiB'\n[[link]]\nbetween = ['endpoint', 'edge']\nlatency = '2 ms'\n\
    [deploy]\ntarget = 'edge'\n\
    [goal]\nrequire = ['latency_p95_ms <= 70', 'load < 1']\nminimise = ['latency_p95_ms']\n\
    [space]\nwhere = 'tier.endpoint.nodes < 60'\n'tier.endpoint.nodes' = [4, 20, 40, 60]\n'deploy.workers' = [1, 2, 8]\n\
    'app.process' = [{ exponential = { mean = '20 ms' } }, { lognormal = { mean = '8 ms', cv = 0.5 } }]\n";

/// A cell as `summary.csv` writes it.
fn text(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::Bool(is) => u8::from(*is).to_string(),
        Field::Double(number) => number.to_string(),
        other => panic!("an unexpected kind of cell: {other:?}"),
    }
}

#[test]
fn parquet_and_csv_hold_the_same_rows() {
    let no_files = |name: &str| Err(name.to_string());
    let scenario = load(SCENARIO, "rows.toml", &no_files, &Presets::new(), &[]).expect("a scenario").scenario;
    let models = ModelSet::default();
    let plan = Plan::new(&scenario, &models, Vec::new(), "test", true).expect("small enough");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parquet");
    let _ = fs::remove_dir_all(&path);
    let folder = Folder::open(&path, &plan).expect("a new folder");
    let shard = Shard::new(1, 1).expect("the only one");
    on_threads(Some(2), || {
        sweep(&plan, &folder, shard, &|_| {}).expect("the disk works");
        finish(&plan, &folder, 3, &|_| ()).expect("all units are there")
    });

    let mut csv = csv::Reader::from_path(path.join("summary.csv")).expect("it is there");
    let header = csv.headers().expect("a header").clone();
    let mut lines = csv.into_records().map(|line| line.expect("as many cells as the header"));
    let file = File::open(path.join("summary.parquet")).expect("it is there");
    let reader = SerializedFileReader::new(file).expect("a whole file");
    let mut verdicts = BTreeMap::new();
    let mut rows = 0;
    for (row, line) in reader.get_row_iter(None).expect("rows").zip(lines.by_ref()) {
        let row = row.expect("a row");
        let columns: BTreeMap<&String, String> =
            row.get_column_iter().map(|(name, cell)| (name, text(cell))).collect();
        assert_eq!(columns.len(), header.len(), "the same columns");
        for (name, cell) in header.iter().zip(&line) {
            let other = &columns[&name.to_string()];
            let is_equal = match (cell.parse::<f64>(), other.parse::<f64>()) {
                (Ok(a), Ok(b)) => a.to_bits() == b.to_bits(),
                _ => cell == other,
            };
            assert!(is_equal, "{name} of row {rows}: {cell} in CSV, {other} in Parquet");
        }
        *verdicts.entry(columns[&"verdict".to_string()].clone()).or_insert(0) += 1;
        rows += 1;
    }
    assert_eq!(rows, 24);
    assert!(lines.next().is_none(), "as many rows");
    assert_eq!(verdicts.len(), 4, "every verdict occurs: {verdicts:?}");
}
