//! Runs W1 on one engine: `w1 stations|events exponential|realistic SECONDS ENDPOINTS`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use offing_benches::{Service, w1};
use offing_core::Engine;
use offing_models::ModelSet;
use offing_sim::{Options, simulate_with};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, service, seconds, endpoints] = &arguments[..] else { return usage() };
    let engine = match &engine[..] {
        "stations" => Engine::Stations,
        "events" => Engine::Events,
        _ => return usage(),
    };
    let service = match &service[..] {
        "exponential" => Service::Exponential,
        "realistic" => Service::Realistic,
        _ => return usage(),
    };
    let (Ok(seconds), Ok(endpoints)) = (seconds.parse(), endpoints.parse()) else { return usage() };
    let options = Options { engine: Some(engine), observer: None };
    let run = simulate_with(&w1(service, endpoints, seconds), &ModelSet::default(), 1, options);
    let (queue, latency) = (run.recording.part(2), run.recording.latency());
    println!(
        "requests={} wait_ms={:.4} p99_ms={:.3} total_ms={:.3}",
        latency.count(),
        queue.mean() / 1e6,
        queue.quantile(0.99) / 1e6,
        latency.mean() / 1e6
    );
}

fn usage() {
    println!("usage: w1 stations|events exponential|realistic SECONDS ENDPOINTS");
    std::process::exit(2);
}
