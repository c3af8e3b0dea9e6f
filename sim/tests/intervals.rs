//! How often the 95 % intervals of a run hold the true value.
//!
//! Over 200 seeds a coverage of 95 % is found within 95 +- 3.1 % (two standard deviations of a binomial share).
//! Batch means of a finite run are a little too narrow: required are 90 %.

mod common;

use common::*;
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::simulate;

const SEEDS: u64 = 200;
const REQUIRED: f64 = 0.90;

/// `P(latency > t)` of M/M/c, c > 1 or c = 1: wait (0, or exponential of rate theta = c mu - lambda with the
/// probability of Erlang C) plus exponential service of rate mu.
fn tail(workers: u32, lambda: f64, mu: f64, t: f64) -> f64 {
    let waits = erlang_c(workers, lambda / mu);
    let theta = f64::from(workers) * mu - lambda;
    let served = (-mu * t).exp();
    (1.0 - waits) * served + waits * (theta * served - mu * (-theta * t).exp()) / (theta - mu)
}

/// The latency [s] that a share `p` does not exceed, by bisection.
fn latency_quantile(workers: u32, lambda: f64, mu: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e3 / mu);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if tail(workers, lambda, mu, middle) > 1.0 - p { low = middle } else { high = middle }
    }
    low
}

/// Shares of seeds whose interval holds the truth, for mean, p50, p95 and p99; and the mean relative half width
/// of each.
fn coverage(workers: u32, load: f64, requests: u32) -> [(f64, f64); 4] {
    let (mu, lambda) = (10.0, load * 10.0 * f64::from(workers));
    let mut d = queue(1, lambda, workers, Distribution::Exponential { mean: 1.0 / mu }, 1);
    d.warm_up = Span::from_millis(20_000);
    d.duration = d.warm_up + Span::from_secs_f64(f64::from(requests) / lambda).expect("a span");
    let quantiles = [0.5, 0.95, 0.99];
    let mut exact = vec![mmc_wait(workers, lambda, 1.0 / mu) + 1.0 / mu];
    exact.extend(quantiles.map(|p| latency_quantile(workers, lambda, mu, p)));
    let mut found = [(0.0, 0.0); 4];
    for seed in 0..SEEDS {
        let recording = simulate(&d, &ModelSet::default(), seed).recording;
        let mut intervals = vec![recording.mean_interval()];
        intervals.extend(quantiles.map(|p| recording.quantile_interval(p)));
        for ((interval, exact), (covered, width)) in intervals.into_iter().zip(&exact).zip(&mut found) {
            let [low, high] = interval.expect("there are requests enough").map(|ns| ns / 1e9);
            *covered += f64::from(u8::from(low <= *exact && *exact <= high)) / SEEDS as f64;
            *width += (high - low) / 2.0 / exact / SEEDS as f64;
        }
    }
    found
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let mut too_low = Vec::new();
    for (workers, load, requests) in [(1, 0.7, 20_000), (4, 0.8, 20_000), (1, 0.3, 2_000), (1, 0.9, 100_000)]
    {
        for ((covered, width), what) in
            coverage(workers, load, requests).into_iter().zip(["mean", "p50", "p95", "p99"])
        {
            let line = format!(
                "M/M/{workers} at {load}, {requests} requests, {what}: {:.1} %, half width {:.1} %",
                covered * 100.0,
                width * 100.0
            );
            println!("{line}");
            if covered < REQUIRED {
                too_low.push(line);
            }
        }
    }
    assert!(too_low.is_empty(), "{too_low:#?}");
}

#[test]
fn the_formula_of_the_latency_gives_the_known_one_of_one_worker() {
    // M/M/1: exponential with rate mu - lambda.
    for p in [0.5, 0.95, 0.99] {
        let exact = -(1.0f64 - p).ln() / 3.0;
        assert!((latency_quantile(1, 7.0, 10.0, p) / exact - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_constant_latency_has_an_interval_of_no_width() {
    let mut d = queue(1, 10.0, 1, Distribution::Constant(0.02), 60);
    d.app.arrivals = Arrivals::Periodic;
    let recording = simulate(&d, &ModelSet::default(), 1).recording;
    assert_eq!(recording.mean_interval(), Some([20e6, 20e6]));
    for p in [0.5, 0.95, 0.99] {
        assert_eq!(recording.quantile_interval(p), Some([20e6, 20e6]), "p = {p}");
    }
}

#[test]
fn too_few_requests_have_no_interval() {
    let mut d = queue(1, 10.0, 1, Distribution::Constant(0.02), 10);
    for at_ms in [vec![], vec![(0, None)], (0..20).map(|i| (i * 400, None)).collect()] {
        d.app.arrivals = trace(&at_ms);
        let recording = simulate(&d, &ModelSet::default(), 1).recording;
        assert_eq!(recording.latency().count(), at_ms.len() as u64);
        assert_eq!(recording.mean_interval(), None);
        assert_eq!(recording.quantile_interval(0.5), None);
    }
}
