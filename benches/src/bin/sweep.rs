//! Runs the lanes of a sweep: `sweep WORKERS DEPLOYMENTS SECONDS down|plain ROUNDS [PLACES]`. All deployments meet
//! the requests of W1 (realistic, 400/s); they differ in speed. PLACES bounds the queues. The variable VECTORS bounds
//! the vectors: 256 or 0 bits; CORES is how many cores the workers share, if not one each; ALONE=1 simulates one by one. Prints ns per offered request and deployment, the least of the rounds.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use offing_benches::{Service, w1};
use offing_core::{Deployment, Rate, Scope};
use offing_models::ModelSet;
use offing_sim::Sweep;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (required, optional) = arguments.split_at(arguments.len().min(5));
    let [workers, deployments, seconds, link, rounds] = required else { return usage() };
    let Ok(places) = optional.iter().map(|places| places.parse::<u32>()).collect::<Result<Vec<_>, _>>()
    else {
        return usage();
    };
    let (Ok(workers), Ok(count), Ok(seconds), Ok(rounds)) =
        (workers.parse::<u32>(), deployments.parse::<u32>(), seconds.parse::<f64>(), rounds.parse::<u32>())
    else {
        return usage();
    };
    let number = |name: &str, otherwise: u32| std::env::var(name).map_or(Ok(otherwise), |text| text.parse());
    let (Ok(cores), Ok(bits), Ok(alone)) =
        (number("CORES", workers), number("VECTORS", 512), number("ALONE", 0))
    else {
        return usage();
    };
    let deployments: Vec<Deployment> = (0..count)
        .map(|i| {
            let mut d = w1(Service::Realistic, 100, seconds);
            d.links[0].scope = Scope::Node;
            if link == "plain" {
                d.links[0].down.rate = Rate::Unlimited;
            }
            (d.tiers[1].cores, d.placement.workers) = (cores, workers);
            d.placement.queue = places.first().copied();
            // The work is made for four workers at load 0.8; here 0.3 to 0.95.
            let load = 0.3 + 0.65 * f64::from(i) / f64::from(count);
            d.tiers[1].speed = 0.8 / load * 4.0 / f64::from(cores);
            d
        })
        .collect();
    let models = ModelSet::default();
    let mut sweep = Sweep::with_vectors(&models, 1, bits);
    let mut least = f64::INFINITY;
    let mut requests = 0;
    for _ in 0..rounds {
        let before = std::time::Instant::now();
        requests = if alone == 1 {
            deployments.iter().map(|d| sweep.simulate(d).counts.offered).sum()
        } else {
            sweep.estimate(&deployments).iter().map(|estimate| estimate.requests.offered).sum()
        };
        let spent = before.elapsed().as_secs_f64();
        least = least.min(spent / requests as f64);
    }
    println!("requests={requests} ns={:.3} per_second={:.3e}", least * 1e9, 1.0 / least);
}

fn usage() {
    println!("usage: sweep WORKERS DEPLOYMENTS SECONDS down|plain ROUNDS [PLACES]");
    std::process::exit(2);
}
