//! The parameters of one run of W1, from the command line.

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1, LogNormal};
pub use rand_xoshiro::Xoshiro256PlusPlus as Chance;
use serde::{Deserialize, Serialize};

/// One-way latency of either direction, after the transfer.
pub const LATENCY_S: f64 = 0.010;

/// `<exponential|realistic> <simulated seconds> [endpoints] [seed]`
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Case {
    /// Time between two frames of one endpoint.
    pub gap: Duration,
    /// Service at the endpoint's processor.
    pub prepare: Duration,
    /// Time on the endpoint's uplink, without latency.
    pub uplink: Duration,
    /// Service at the node.
    pub process: Duration,
    /// Time on the endpoint's downlink, without latency.
    pub downlink: Duration,
    /// No frame is emitted from this instant on [s].
    pub until_s: f64,
    /// Number of endpoints.
    pub endpoints: usize,
    /// Servers of the node.
    pub servers: usize,
    /// Seed of the run.
    pub seed: u64,
}

impl Case {
    /// Reads the command line of the process.
    ///
    /// # Panics
    ///
    /// If an argument is missing or cannot be read.
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let (variant, until, rest) = match &arguments[..] {
            [variant, until, rest @ ..] if rest.len() <= 2 => (variant, until, rest),
            _ => panic!("usage: <exponential|realistic> <simulated seconds> [endpoints] [seed]"),
        };
        let endpoints: usize = rest.first().map_or(100, |n| n.parse().expect("endpoints are a number"));
        let seed = rest.get(1).map_or(1, |n| n.parse().expect("a seed is a number"));
        let servers = (endpoints * 4 / 100).max(1);
        // Utilization 0.8 for any number of endpoints: 8 ms if there are 25 endpoints per server.
        let process_s = 0.8 * servers as f64 / (4 * endpoints) as f64;
        let [prepare, uplink, process, downlink] = match variant.as_str() {
            "exponential" => [0.020, 0.0016, process_s, 0.00008].map(Duration::exponential),
            "realistic" => [
                Duration::lognormal(0.020, 0.25),
                Duration::Constant(0.0016),
                Duration::lognormal(process_s, 0.5),
                Duration::Constant(0.00008),
            ],
            other => panic!("`{other}` is neither `exponential` nor `realistic`"),
        };
        Case {
            gap: Duration::exponential(0.25),
            prepare,
            uplink,
            process,
            downlink,
            until_s: until.parse().expect("simulated seconds are a number"),
            endpoints,
            servers,
            seed,
        }
    }
}

/// A law of service or of the time between frames [s].
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Duration {
    /// By its mean.
    Exponential(f64),
    /// Made once, not at every draw.
    Lognormal(LogNormal<f64>),
    /// The same each time.
    Constant(f64),
}

impl Duration {
    fn exponential(mean_s: f64) -> Self {
        Duration::Exponential(mean_s)
    }

    fn lognormal(mean_s: f64, cv: f64) -> Self {
        Duration::Lognormal(LogNormal::from_mean_cv(mean_s, cv).expect("both are positive"))
    }

    /// One draw.
    pub fn sample(&self, chance: &mut Chance) -> f64 {
        match self {
            Duration::Exponential(mean_s) => {
                let unit: f64 = Exp1.sample(chance);
                mean_s * unit
            }
            Duration::Lognormal(law) => law.sample(chance),
            Duration::Constant(x) => *x,
        }
    }
}

/// A generator of its own for each `stream` of a seed.
pub fn chance(seed: u64, stream: u64) -> Chance {
    Chance::seed_from_u64(seed << 32 | stream)
}
