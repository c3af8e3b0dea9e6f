//! Waits of M/M/c against theory at 50 million requests each: `theory [MILLIONS]`. Exit code 1 if a wait is more
//! than two standard deviations away.
//!
//! The requests of a case are split over independent runs with seeds of their own, each after a warm-up that
//! starts from empty. For M/M/1 the standard deviation is known: the waits of successive requests sum up to an
//! asymptotic variance of `rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4` services squared per request (Blomqvist,
//! The covariance function of the M/G/1 queuing system, Skandinavisk Aktuarietidskrift 50, 1967). For more workers
//! it is that of the runs' means.
//!
//! Seeds are fixed, so the result is too. By chance one case in twenty is further away than two standard
//! deviations: after a change of the generator or the samplers, look at all cases before believing one.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::process::ExitCode;
use std::time::Instant;

use offing_benches::{Service, w1};
use offing_core::{Deployment, Distribution, Span};
use offing_models::ModelSet;
use offing_sim::simulate;

/// Independent runs per case; with 40 the spread estimates a standard deviation within 11 %.
const RUNS: u64 = 40;
/// Of one service [s].
const SERVICE: f64 = 0.01;
/// How many standard deviations a wait may be away.
const LIMIT: f64 = 2.0;

fn main() -> ExitCode {
    let millions = match std::env::args().nth(1).map(|text| text.parse::<f64>()) {
        None => 50.0,
        Some(Ok(millions)) if millions >= 1.0 => millions,
        Some(_) => {
            println!("usage: theory [MILLIONS], at least 1");
            return ExitCode::from(2);
        }
    };
    println!("waits in services; sd: of the estimate");
    println!("case          requests      theory    estimate          sd  off by  seconds");
    let mut is_good = true;
    for workers in [1, 4, 16] {
        for load in [0.5, 0.8, 0.95] {
            // No two cases meet the same chance.
            let seeds = 10_000 * u64::from(workers) + (100.0 * load) as u64 * RUNS;
            is_good &= judge(workers, load, millions * 1e6, seeds);
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one case, prints its line and says whether it agrees.
fn judge(workers: u32, load: f64, requests: f64, seeds: u64) -> bool {
    let start = Instant::now();
    let d = mmc(workers, load, requests / RUNS as f64);
    let mut means = Vec::new();
    let mut n = 0;
    for seed in seeds..seeds + RUNS {
        let run = simulate(&d, &ModelSet::default(), seed);
        let wait = run.recording.part(2);
        means.push(wait.mean() / 1e9 / SERVICE);
        n += wait.count();
    }
    let runs = means.len() as f64;
    let estimate = means.iter().sum::<f64>() / runs;
    let spread = means.iter().map(|mean| (mean - estimate).powi(2)).sum::<f64>() / (runs - 1.0);
    let sd = if workers == 1 { mm1_variance(load) / n as f64 } else { spread / runs }.sqrt();
    let exact = erlang_c(workers, load) / (f64::from(workers) * (1.0 - load));
    let off = (estimate - exact) / sd;
    println!(
        "M/M/{workers:<2} {load:<4} {n:>11} {exact:>11.7} {estimate:>11.7} {sd:>11.7} {off:>7.2} {:>8.1}",
        start.elapsed().as_secs_f64()
    );
    off.abs() <= LIMIT
}

/// One endpoint and one node, about `requests` requests after the warm-up.
fn mmc(workers: u32, load: f64, requests: f64) -> Deployment {
    let mut d = w1(Service::Exponential, 1, 1.0);
    d.app.rate_hz = load * f64::from(workers) / SERVICE;
    d.app.prepare = Distribution::Constant(0.0);
    d.app.frame = Distribution::Constant(0.0);
    d.app.stages[0].work = Distribution::Exponential { mean: SERVICE };
    d.app.stages[0].output = Distribution::Constant(0.0);
    d.links.clear();
    (d.placement.workers, d.tiers[1].cores) = (workers, workers);
    // A queue forgets its start as exp(-t (1 - sqrt(load))^2 c mu): thirty of these times.
    let warm_up = 30.0 * SERVICE / f64::from(workers) / (1.0 - load.sqrt()).powi(2);
    let span = |seconds| Span::from_secs_f64(seconds).expect("a number of seconds");
    d.warm_up = span(warm_up);
    d.duration = span(warm_up + requests / d.app.rate_hz);
    d
}

/// Erlang C: probability of waiting for one of `c` servers at `load` each.
fn erlang_c(c: u32, load: f64) -> f64 {
    let a = load * f64::from(c);
    let b = (1..=c).fold(1.0, |b, i| a * b / (f64::from(i) + a * b));
    b / (1.0 - load * (1.0 - b))
}

/// Asymptotic variance of the waits of M/M/1, per request [services^2].
fn mm1_variance(load: f64) -> f64 {
    load * (2.0 + 5.0 * load - 4.0 * load.powi(2) + load.powi(3)) / (1.0 - load).powi(4)
}
