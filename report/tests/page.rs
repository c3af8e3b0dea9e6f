//! Pages and figures of small folders, written by hand, so that every number on them can be looked up here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A folder for one test, empty.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// What `simulate --json` says of a run with a mean of 100 ms and a 95th percentile of `p95`.
fn summary(id: &str, engine: &str, p95: f64) -> Value {
    let part = |mean: f64| json!({ "mean": mean, "p50": mean, "p95": mean, "p99": mean });
    json!({
        "scenario": "tiny", "deployment": id, "seed": 1, "models": "shipped-12345678", "engine": engine,
        "observed_s": 10.0, "requests": { "offered": 50, "completed": 50, "dropped": 0, "unfinished": 0 },
        "latency_ms": { "mean": 100.0, "sd": 5.0, "min": 80.0, "p50": 99.0, "p90": p95 - 2.0, "p95": p95, "p99": p95 + 2.0,
                        "p999": p95 + 3.0, "max": p95 + 4.0, "trimmed_mean": 99.0 },
        "latency_ci95_ms": { "mean": [98.0, 102.0], "p50": null, "p95": [p95 - 1.0, p95 + 1.0], "p99": null },
        "parts_ms": { "prepare": part(1.0), "uplink": part(40.0), "queue": part(9.0), "process": part(30.0), "downlink": part(20.0) },
        "utilization": { "endpoint": 0.01, "edge": 0.5 }, "load": 0.6, "stable": true, "growth_rps": null,
        "bottleneck": "edge workers", "throughput_rps": 5.0, "dropped_share": 0.0, "deadline_miss_share": null,
        "energy_j_per_request": 2.5, "cost_usd_per_hour": 0.05, "warnings": [],
    })
}

/// An exploration of three deployments: one on the shortlist, one that misses a limit, one rejected for its load.
fn exploration(name: &str) -> PathBuf {
    let folder = scratch(name);
    let shortlist = json!({
        "scenario": "tiny", "seed": 1, "models": "shipped-12345678", "version": "0.1.0",
        "numbers": { "space": "3", "looked_at": 3, "repeated": 0, "excluded": 0, "screened": 1, "infeasible": 1, "feasible": 1,
                     "not_distinguishable": 0, "decided_early": 0, "requests": 100 },
        "require": ["latency_p95_ms <= 120", "load < 1"], "minimise": ["latency_p95_ms"],
        "notes": [], "front": 1,
        "shortlist": [{ "number": 0, "id": "aaaa", "axes": { "tier.endpoint.nodes": "1" }, "why": "lowest latency_p95_ms",
                        "ties": { "count": 0, "numbers": [] }, "predicted": summary("aaaa", "stations", 110.0), "deployment": {} }],
        "dropped": {
            "by_reason": [
                { "verdict": "screened", "reason": "`load < 1`: load is {}", "count": 1, "from": 2.4, "to": 2.4 },
                { "verdict": "infeasible", "reason": "missed: `latency_p95_ms <= 120`", "count": 1, "from": null, "to": null },
            ],
            "nearly_feasible": [],
        },
    });
    fs::write(folder.join("shortlist.json"), shortlist.to_string()).unwrap();
    let summary = "number,tier.endpoint.nodes,verdict,reason,requests,engine,latency_p95_ms,load,cost_usd_per_hour\n\
                   0,1,feasible,,50,stations,110,0.6,0.05\n\
                   1,2,infeasible,missed: `latency_p95_ms <= 120`,50,stations,400,0.9,0.05\n\
                   2,4,screened,`load < 1`: load is 2.4,,,,,\n";
    fs::write(folder.join("summary.csv"), summary).unwrap();
    fs::write(folder.join("front.csv"), summary.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let scenario = "name = \"tiny\"\n[deploy]\ntarget = \"edge\"\n[tier.edge]\nnodes = 1\n";
    fs::write(folder.join("scenario.toml"), scenario).unwrap();
    let manifest = json!({
        "identity": { "seed": 1, "models": "shipped-12345678" }, "fingerprint": "ffff",
        "made": { "command": ["offing", "explore", "my scenario.toml"], "version": "0.1.0", "end": "2026-11-24T12:00:00Z" },
        "outputs": { "summary.csv": "0123" },
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    folder
}

/// Two runs of deployment `aaaa`, with a 95th percentile of 115 and 125 ms, and one that is not valid.
fn measurement(name: &str) -> PathBuf {
    let folder = scratch(name);
    for (run, p95, valid) in [("aaaa-1", 115.0, true), ("aaaa-2", 125.0, true), ("aaaa-3", 900.0, false)] {
        let path = folder.join("runs").join(run);
        fs::create_dir_all(&path).unwrap();
        let mut told = summary("aaaa", "measured", p95);
        told["valid"] = json!(valid);
        told["reason"] = json!(if valid { "" } else { "a node was <late>" });
        fs::write(path.join("run.json"), told.to_string()).unwrap();
        let mut requests = "endpoint,index,node,emitted_ns,latency_ns,dropped\n".to_owned();
        for index in 0..100 {
            requests += &format!("0,{index},0,{index},{},0\n", (80 + index / 2) * 1_000_000);
        }
        requests += "0,100,0,100,,1\n";
        fs::write(path.join("requests.csv"), requests).unwrap();
    }
    folder
}

fn page(folders: &[PathBuf]) -> String {
    offing_report::page(&offing_report::read(folders).unwrap())
}

/// The text of a page outside scripts and styles.
fn visible(page: &str) -> &str {
    let from = page.find("<body>").unwrap();
    &page[from..page.find("<script").unwrap()]
}

#[test]
fn the_answer_comes_first_in_plain_words() {
    let page = page(&[exploration("answer")]);
    let text = visible(&page);
    for words in [
        "Of 3 possible deployments of “tiny”",
        "95\u{a0}% of the requests take at most 120 ms",
        "One does (33\u{a0}%).",
        "None of these deployments has been measured here",
        "110 <span class=\"quiet\">[109, 111]</span>",
        "“the busiest target is loaded to less than 100\u{a0}%”: load is 2.4",
        "offing explore &#39;my scenario.toml&#39;",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(text.find("Question.").unwrap() < text.find("<h2 id=\"front-title\">All deployments").unwrap());
}

#[test]
fn measured_runs_stand_beside_the_prediction_and_invalid_ones_do_not_count() {
    let folders = [exploration("both-predicted"), measurement("both-measured")];
    let page = page(&folders);
    let text = visible(&page);
    // Mean of 115 and 125; Student's t with one degree of freedom: 12.706 × 5.
    assert!(text.contains("120 <span class=\"quiet\">[56.47, 183.5]</span>"), "{text}");
    assert!(text.contains("<td class=\"number\">−8.3 %</td>"), "110 / 120 - 1");
    assert!(text.contains("As measured, it holds that 95\u{a0}% of the requests take at most 120 ms"));
    assert!(text.contains("no: a node was &lt;late&gt;"));
    let figures = offing_report::figures(&offing_report::read(&folders).unwrap());
    let distribution = figures.iter().find(|figure| figure.name == "distribution").unwrap();
    let of_run = |run: &str| distribution.table.column("run").filter(|cell| cell.text() == run).count();
    assert!(of_run("aaaa-1") > 100 && of_run("aaaa-3") == 0);
    // Half of the hundred completed requests took at most 105 ms; the lost one has no latency.
    let csv = distribution.table.to_csv();
    assert!(csv.contains("A,measured,105,0.5,0.5,,,aaaa-1"), "{csv}");
    assert!(csv.contains("A,predicted,110,0.95,"), "{csv}");
}

#[test]
fn what_was_rejected_for_its_load_still_has_one_in_the_figure() {
    let figures = offing_report::figures(&offing_report::read(&[exploration("load")]).unwrap());
    let load = figures.iter().find(|figure| figure.name == "load").unwrap();
    assert_eq!(
        load.table.to_csv(),
        "target,endpoints_per_target,load_percent,low_percent,high_percent,deployments\n\
         edge,1,60,,,1\nedge,2,90,,,1\nedge,4,240,,,1\n"
    );
    let latency = figures.iter().find(|figure| figure.name == "latency_by_endpoints").unwrap();
    assert_eq!(latency.table.rows.len(), 2, "what was not simulated has no latency");
}

#[test]
fn the_front_is_a_figure_with_its_marks_and_letters() {
    let folders = [exploration("front-predicted"), measurement("front-measured")];
    let figures = offing_report::figures(&offing_report::read(&folders).unwrap());
    let front = figures.iter().find(|figure| figure.name == "front").unwrap();
    let csv = front.table.to_csv();
    assert!(csv.starts_with("mark,deployment,number,x_metric,x,y_metric,y\n"), "{csv}");
    assert!(csv.contains("\non the shortlist,A,") && csv.contains("\nmeasured,A,"), "{csv}");
    let drawn = offing_report::svg(front);
    assert!(drawn.contains("on the shortlist") && drawn.contains("misses a requirement"), "{drawn}");
}

#[test]
fn sections_without_data_are_named_in_one_line_at_the_end() {
    let page = page(&[exploration("absent")]);
    let text = visible(&page);
    let absent = &text[text.find("Left out, because the data is not there").unwrap()..];
    let absent = &absent[..absent.find("</p>").unwrap()];
    for words in ["network delay against processors", "requests.csv", "sensitivity.json", "no measured runs"]
    {
        assert!(absent.contains(words), "{words}: {absent}");
    }
    assert!(!absent.contains("endpoints per target") && !text.contains("id=\"heatmap\""));
}

/// The rows of a figure, each by the names of its columns.
fn rows(folders: &[PathBuf], name: &str) -> Vec<std::collections::BTreeMap<&'static str, String>> {
    let figures = offing_report::figures(&offing_report::read(folders).unwrap());
    let figure =
        figures.into_iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no {name}"));
    let columns = figure.table.columns.clone();
    let row = |row: &Vec<offing_report::Cell>| {
        columns.iter().copied().zip(row.iter().map(offing_report::Cell::to_csv)).collect()
    };
    figure.table.rows.iter().map(row).collect()
}

#[test]
fn predicted_distributions_are_lines_beside_the_measured_ones() {
    let explored = exploration("distributions");
    let csv =
        "deployment,latency_ms,share\naaaa,80,0\naaaa,99,0.5\naaaa,108,0.9\naaaa,130,0.999\nbbbb,1,0.5\n";
    fs::write(explored.join("distributions.csv"), csv).unwrap();
    // The prediction alone: whole lines.
    let alone = rows(std::slice::from_ref(&explored), "distribution");
    assert!(alone.iter().all(|row| row["kind"] == "predicted" && row["deployment"] == "A"));
    // Four points, and the five quantiles of the summary among them.
    assert_eq!(alone.len(), 9, "{alone:?}");
    let shares: Vec<f64> = alone.iter().map(|row| row["share"].parse().unwrap()).collect();
    assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]), "{shares:?}");
    let p95 = alone.iter().find(|row| row["share"] == "0.95").unwrap();
    assert_eq!(
        (p95["latency_ms"].as_str(), p95["low_ms"].as_str(), p95["high_ms"].as_str()),
        ("110", "109", "111")
    );
    let folders = [explored, measurement("distributions-measured")];
    let both = rows(&folders, "tail");
    let runs: std::collections::BTreeSet<&str> = both.iter().map(|row| row["run"].as_str()).collect();
    assert_eq!(runs.into_iter().collect::<Vec<_>>(), ["aaaa-1", "aaaa-2", "predicted"]);
    assert!(both.iter().all(|row| row["share"].parse::<f64>().unwrap() >= 0.5));
    let page = page(&folders);
    assert!(
        page.contains("\"strokeDash\":{\"field\":\"kind\"") && page.contains("dashed lines are predicted")
    );
    let figures = offing_report::figures(&offing_report::read(&folders).unwrap());
    let tail = figures.iter().find(|figure| figure.name == "tail").unwrap();
    assert!(offing_report::svg(tail).contains("whole line: measured, dashed: predicted"));
}

#[test]
fn energy_is_told_for_each_tier_where_the_files_divide_it() {
    let explored = exploration("energy");
    let text = fs::read_to_string(explored.join("shortlist.json")).unwrap();
    let total = rows(std::slice::from_ref(&explored), "energy");
    assert_eq!((total.len(), total[0]["tier"].as_str()), (1, "whole host"));
    let mut found: Value = serde_json::from_str(&text).unwrap();
    found["shortlist"][0]["predicted"]["energy_j_per_request_by_tier"] =
        json!({ "endpoint": 0.5, "edge": 2.0 });
    fs::write(explored.join("shortlist.json"), found.to_string()).unwrap();
    let divided = rows(&[explored], "energy");
    let of =
        |tier: &str| divided.iter().find(|row| row["tier"] == tier).unwrap()["energy_j_per_request"].clone();
    assert_eq!((of("endpoint"), of("edge")), ("0.5".to_owned(), "2".to_owned()));
}

/// A validation of two deployments: 10 % too low and 20 % too high in the mean; and one in overload.
fn validated(name: &str) -> PathBuf {
    let folder = scratch(name);
    let compared = |id: &str, measured: f64, predicted: f64, stable: bool| {
        let numbers = |factor: f64| json!({ "latency_mean_ms": factor, "latency_p95_ms": factor * 2.0, "process_mean_ms": null });
        json!({
            "deployment": id, "runs": [format!("{id}-1")], "regime": if stable { "light" } else { "overload" }, "load": 0.3,
            "predicted_stable": stable, "measured_stable": stable, "measured": numbers(measured), "predicted": numbers(predicted),
            "interval95": { "latency_mean_ms": [predicted - 15.0, predicted + 15.0], "latency_p95_ms": [null, null] },
            "covered": { "latency_mean_ms": [1, 2] }, "latency_kolmogorov": 0.1, "latency_wasserstein_ms": 3.0, "lost_share": 0.0,
            "outside": ["rate <b>"],
        })
    };
    let metric = |name: &str, coverage: Value| {
        json!({ "metric": name, "bias": 0.05, "mape": 0.15, "mape_ci95": [0.1, 0.2],
                                                       "distance": if name.starts_with("utilization") { 0.15 } else { 15.0 }, "coverage": coverage, "deployments": 2 })
    };
    let validation = json!({
        "models": "fitted-1234abcd", "judged_on": "deployments that the models were not fitted on",
        "compared": [compared("aaaa", 100.0, 90.0, true), compared("cccc", 100.0, 120.0, true), compared("dddd", 9000.0, 100.0, false)],
        "metrics": [metric("process_p95_ms", Value::Null), metric("latency_mean_ms", json!(0.5)), metric("latency_p95_ms", json!(0.75)),
                    metric("utilization_edge", Value::Null)],
        "parts_within": 0.8, "utilization_points": 1.5, "overload_right": [3, 3],
        "choices": [{ "among": "tiny", "kendall_p95": 0.7, "kendall_mean": null, "pick": "aaaa", "regret_ms": 4.0, "regret": 0.02,
                      "not_distinguishable": true }],
        "left_out": ["run 7: it was <late>"], "limits_exceeded": [],
    });
    fs::write(folder.join("validation.json"), validation.to_string()).unwrap();
    let models = "name = \"fitted\"\n[fitted]\ndate = \"2026-11-24\"\nhost_class = \"lab\"\n[[fitted.runs]]\nrun = \"a\"\n\
                  [overheads.link.up_fixed]\nvalue = 0.5\nunit = \"ms\"\nerror = 0.1\nspread = 0.05\nsource = \"fit\"\n\
                  [overheads.processor.pool]\nvalue = 0\nunit = \"1\"\nerror = \"exact\"\nsource = \"fit\"\n\
                  [service.process.any]\nvalues = [10.0, 20.0]\nunit = \"ms\"\nerror = 0.2\nspread = 0.1\nsource = \"fit\"\n";
    fs::write(folder.join("models.toml"), models).unwrap();
    folder
}

#[test]
fn a_validation_is_a_scatter_with_intervals_and_a_table_of_errors() {
    let folder = validated("validated");
    let points = rows(std::slice::from_ref(&folder), "validation");
    // Two latencies of two deployments; what is in overload has no place there.
    assert_eq!(points.len(), 4, "{points:?}");
    let first = &points[0];
    assert_eq!((first["measured_ms"].as_str(), first["predicted_ms"].as_str()), ("100", "90"));
    assert_eq!((first["predicted_low_ms"].as_str(), first["predicted_high_ms"].as_str()), ("75", "105"));
    assert!((first["error_percent"].parse::<f64>().unwrap() + 10.0).abs() < 1e-9);
    let whole = page(std::slice::from_ref(&folder));
    let text = visible(&whole);
    for words in [
        "On 2 deployments, predictions of the mean latency are off by 15.0\u{a0}% on average, those of the 95th percentile by 15.0\u{a0}%",
        "75\u{a0}% are inside of the interval that was predicted to hold 95\u{a0}%",
        "2 of 4 measured values are inside of theirs",
        "10.0 to 20.0 %",
        "+5.0 %",
        "15 points",
        "4 ms behind the best that was measured, which its predicted interval reaches",
        "recognised, or its absence, in 3 of 3 deployments",
        "run 7: it was &lt;late&gt;",
        "The fitted models",
        "<code>service.process.any</code>",
        "15 <span class=\"quiet\">(mean of a table)</span>",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("rate <b>"));
    // The latency comes before its parts, and percentiles of parts can be opened.
    assert!(text.find("mean latency</td>").unwrap() < text.find("Percentiles of the parts").unwrap());
    assert_eq!(
        offing_report::answer(&offing_report::read(&[folder]).unwrap()).matches("off by 15.0 %").count(),
        1
    );
}

#[test]
fn fitted_models_alone_are_a_report_too() {
    let folder = validated("fitted");
    fs::remove_file(folder.join("validation.json")).unwrap();
    let page = page(&[folder]);
    let text = visible(&page);
    assert!(
        text.contains("3 parameters were fitted on 1 run; of these, 2 rest on what was measured."),
        "{text}"
    );
    assert!(text.contains("exact") && text.contains("fitted on"));
}

#[test]
fn single_predictions_and_inverse_answers_have_their_page() {
    let alone = scratch("alone");
    fs::write(alone.join("summary.json"), summary("aaaa", "stations", 110.0).to_string()).unwrap();
    let only = page(std::slice::from_ref(&alone));
    let text = visible(&only);
    for words in [
        "How will “tiny” perform?",
        "A request takes 100 ms on average, and 95\u{a0}% of them at most 110 ms",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let compared = offing_report::read(&[alone, measurement("alone-measured")]).unwrap();
    let breakdown = offing_report::breakdown(&compared);
    assert_eq!(breakdown.len(), 2, "predicted and measured");
    assert_eq!(
        breakdown[0],
        (format!("A {}, predicted", compared.predictions[0].axes["folder"]), [1.0, 40.0, 9.0, 30.0, 20.0])
    );

    let trial = |value: f64, load: f64| {
        json!({ "value": value, "meets": load < 1.0, "metrics": { "load": load }, "metrics_ci95": { "load": null },
                "stable": load < 1.0, "refused": null })
    };
    let answer = json!({
        "scenario": "tiny", "key": "tier.endpoint.nodes", "direction": "largest", "requirements": ["load < 1"], "range": [1, 8],
        "division": "boundary", "value": 3.0, "text": "3", "ci95": [3.0, 3.0], "is_monotone": true, "at_value": null,
        "at_next": null, "grid": [trial(1.0, 0.3), trial(2.0, 0.6), trial(8.0, 2.4)], "seed": 1, "runs_per_value": 2, "simulations": 6,
    });
    let folder = scratch("inverse");
    fs::write(folder.join("answer.json"), answer.to_string()).unwrap();
    let points = rows(std::slice::from_ref(&folder), "answer");
    assert_eq!(points.len(), 3);
    let asked = page(&[folder]);
    let text = visible(&asked);
    for words in [
        "What is the largest number of endpoint nodes with which this holds",
        "The largest number of endpoint nodes is 3.",
        "overload",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_folder_of_another_kind_says_what_it_is_and_what_is_in_it() {
    let folder = scratch("loop");
    fs::write(folder.join("manifest.json"), "{ \"kind\": \"rounds\" }").unwrap();
    fs::create_dir_all(folder.join("01-explore")).unwrap();
    fs::write(folder.join("01-explore/shortlist.json"), "{}").unwrap();
    fs::create_dir_all(folder.join("notes")).unwrap();
    let said = offing_report::read(std::slice::from_ref(&folder)).unwrap_err().to_string();
    assert!(said.contains("is of kind `rounds`, of which there is no report; in it there are"), "{said}");
    assert!(said.contains("01-explore`") && !said.contains("notes"), "{said}");
}

#[test]
fn whatever_a_file_says_the_page_has_only_its_own_scripts() {
    let folder = exploration("hostile");
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
    let text = fs::read_to_string(folder.join("shortlist.json")).unwrap();
    let mut found: Value = serde_json::from_str(&text).unwrap();
    found["scenario"] = json!(evil);
    found["notes"] = json!([evil]);
    found["shortlist"][0]["axes"] = json!({ evil: evil });
    found["dropped"]["by_reason"][0]["reason"] = json!(evil);
    fs::write(folder.join("shortlist.json"), found.to_string()).unwrap();
    let summary = fs::read_to_string(folder.join("summary.csv")).unwrap();
    fs::write(folder.join("summary.csv"), summary.replace("tier.endpoint.nodes", evil)).unwrap();
    let page = page(&[folder]);
    assert!(!visible(&page).contains("<img") && !page.contains("<script>alert"));
    // The data and four scripts, each of which the policy names by its hash.
    assert_eq!(page.matches("<script").count(), 5);
    assert_eq!(page.matches("'sha256-").count(), 4);
}

#[test]
fn the_page_is_small_and_asks_for_nothing() {
    let page = page(&[exploration("small")]);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for attribute in [" src=", "<link", "@import", "url(http"] {
        let (head, scripts) = page.split_at(page.find("<script>").unwrap());
        assert!(!head.contains(attribute), "{attribute}");
        assert!(!scripts.contains("sourceMappingURL"));
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_figure_is_drawn_with_its_words() {
    let folders = [exploration("drawn-predicted"), measurement("drawn-measured")];
    for figure in offing_report::figures(&offing_report::read(&folders).unwrap()) {
        let svg = offing_report::svg(&figure);
        assert!(svg.contains(&format!("<title>{}</title>", figure.title)), "{svg}");
        assert!(svg.matches("<text").count() > 3, "{}: {svg}", figure.name);
        assert!(svg.contains("<rect") || svg.contains("<circle"), "{}", figure.name);
        for column in &figure.table.columns {
            assert!(
                column.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit()),
                "{column}"
            );
        }
    }
}

#[cfg(feature = "png")]
#[test]
fn a_picture_is_a_png_unless_the_machine_has_no_fonts() {
    let figures = offing_report::figures(&offing_report::read(&[exploration("png")]).unwrap());
    match offing_report::png(&figures[0]) {
        Ok(bytes) => assert!(bytes.starts_with(b"\x89PNG")),
        Err(why) => assert!(why.contains("no fonts"), "{why}"),
    }
}

#[test]
fn what_is_not_a_result_is_said_with_file_and_place() {
    let empty = scratch("empty");
    let said = offing_report::read(std::slice::from_ref(&empty)).unwrap_err().to_string();
    assert!(
        said.contains("is no result folder: it has none of shortlist.json, runs, summary.json"),
        "{said}"
    );
    let folder = exploration("broken");
    fs::write(folder.join("shortlist.json"), "{\n  \"scenario\": 5 }").unwrap();
    let said = offing_report::read(&[folder]).unwrap_err().to_string();
    assert!(said.contains("shortlist.json") && said.contains("line 2"), "{said}");
    assert!(offing_report::read(&["/nowhere".into()]).unwrap_err().to_string().contains("/nowhere"));
}

#[test]
fn a_crate_describes_every_file_with_its_size_and_hash() {
    let folder = exploration("crate");
    let crated = offing_report::ro_crate(&folder, Some("https://spdx.org/licenses/CC-BY-4.0")).unwrap();
    let graph = crated["@graph"].as_array().unwrap();
    let entity =
        |id: &str| graph.iter().find(|entity| entity["@id"] == id).unwrap_or_else(|| panic!("no {id}"));
    assert_eq!(entity("ro-crate-metadata.json")["conformsTo"]["@id"], "https://w3id.org/ro/crate/1.1");
    assert_eq!(entity("ro-crate-metadata.json")["about"]["@id"], "./");
    let root = entity("./");
    for name in ["name", "description", "datePublished", "license", "hasPart"] {
        assert!(!root[name].is_null(), "{name}");
    }
    // Everything that is referred to is described.
    for part in root["hasPart"].as_array().unwrap() {
        let file = entity(part["@id"].as_str().unwrap());
        assert_eq!(file["@type"], "File");
        let bytes = fs::metadata(folder.join(part["@id"].as_str().unwrap())).unwrap().len();
        assert_eq!(file["contentSize"], bytes.to_string());
        assert_eq!(file["sha256"].as_str().unwrap().len(), 64);
    }
    assert_eq!(root["hasPart"].as_array().unwrap().len(), 5);
    assert_eq!(entity("#run")["instrument"]["@id"], "#offing");
}
