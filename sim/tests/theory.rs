//! The simulator against queueing theory.
//!
//! Each estimate is the mean over 20 seeds. It must lie within three standard errors, estimated from the spread
//! of the seeds, of the exact value; and the standard error must be small enough (stated as `precision`,
//! relative) that agreeing means something. Runs leave out a warm-up, so that starting empty does not bias them.
//! The first seed is run by both engines, whose records must be equal.

mod common;

use common::*;
use offing_core::*;
use offing_models::ModelSet;
use offing_sim::{Options, simulate, simulate_with, stations_apply};

const SEEDS: u64 = 20;

fn run(deployment: &Deployment, seed: u64) -> Run {
    let run = simulate(deployment, &ModelSet::default(), seed);
    if seed == 1 && stations_apply(deployment) {
        let options = Options { engine: Some(Engine::Events), observer: None };
        let other = simulate_with(deployment, &ModelSet::default(), seed, options);
        assert!(run.recording == other.recording && run.counts == other.counts, "both engines agree");
    }
    run
}

/// Several quantities of the same runs against theory: (name, exact value, relative precision).
fn agree(claims: &[(&str, f64, f64)], estimate: impl Fn(u64) -> Vec<f64>) {
    let estimates: Vec<Vec<f64>> = (1..=SEEDS).map(estimate).collect();
    for (i, &(name, exact, precision)) in claims.iter().enumerate() {
        let values: Vec<f64> = estimates.iter().map(|run| run[i]).collect();
        let (mean, error) = mean_and_error(&values);
        println!("{name}: {mean:.6}, theory {exact:.6}, {:+.2} standard errors", (mean - exact) / error);
        assert!((mean - exact).abs() < 3.0 * error, "{name}: {mean} +- {error}, theory {exact}");
        assert!(error < precision * exact, "{name}: {error} is too wide for {exact}");
    }
}

const PREPARE: usize = 0;
const UPLINK: usize = 1;
const QUEUE: usize = 2;
const PROCESS: usize = 3;
const DOWNLINK: usize = 4;

/// Mean of a part [s].
fn part(run: &Run, number: usize) -> f64 {
    run.recording.part(number).mean() / 1e9
}

/// The same with the first tenth left out.
fn warm(mut deployment: Deployment) -> Deployment {
    deployment.warm_up = Span::from_nanos(deployment.duration.as_nanos() / 10);
    deployment
}

fn exponential(mean: f64) -> Distribution {
    Distribution::Exponential { mean }
}

/// One endpoint of `lambda` [1/s], `workers` of exponential `service` [s], about `requests` requests.
fn mmc(workers: u32, lambda: f64, service: f64, requests: f64) -> Deployment {
    warm(queue(1, lambda, workers, exponential(service), (requests / lambda) as u64))
}

/// Published examples: M/M/1 with 5/s and 8/s waits rho/(mu - lambda) and responds in 1/(mu - lambda)
/// (Kleinrock 1975, section 3.2); M/M/3 with 0.2/s and 0.1/s is the textbook example of Erlang C.
#[test]
fn mm1_and_mm3_wait_as_published() {
    let d = mmc(1, 5.0, 1.0 / 8.0, 50_000.0);
    agree(&[("M/M/1 wait", 0.208_333, 0.02), ("M/M/1 response", 1.0 / 3.0, 0.02)], |seed| {
        let run = run(&d, seed);
        vec![part(&run, QUEUE), run.recording.latency().mean() / 1e9]
    });
    let d = mmc(3, 0.2, 10.0, 40_000.0);
    agree(&[("M/M/3 wait", 4.4444, 0.02)], |seed| vec![part(&run(&d, seed), QUEUE)]);
}

/// The node of the workload that SimPy, SimGrid, simcore, NeXosim and a textbook loop agree on: mean wait
/// C/(c mu - lambda), p99 ln(C/0.01)/(c mu - lambda) with C = 0.5964 (Erlang C).
#[test]
fn mm4_at_load_0_8_waits_6_ms_in_the_mean_and_41_ms_at_p99() {
    assert!((mmc_wait(4, 400.0, 0.008) - 5.9643e-3).abs() < 5e-8, "the formula gives the published value");
    // A hundred endpoints: together they are as Poisson as one.
    let d = warm(queue(100, 4.0, 4, exponential(0.008), 250));
    agree(&[("mean wait [ms]", 5.9643, 0.02), ("p99 wait [ms]", 40.884, 0.02)], |seed| {
        let run = run(&d, seed);
        vec![part(&run, QUEUE) * 1e3, run.recording.part(QUEUE).quantile(0.99) / 1e6]
    });
}

/// Many workers are kept in another structure than few: both against Erlang C.
#[test]
fn mmc_waits_as_erlang_says_for_few_and_many_workers() {
    for (workers, load) in [(2, 0.7), (6, 0.8), (12, 0.9), (16, 0.9), (24, 0.9), (100, 0.9)] {
        let lambda = load * f64::from(workers);
        let d = mmc(workers, lambda, 1.0, 60_000.0);
        let name = format!("M/M/{workers} at {load}");
        agree(&[(&name, mmc_wait(workers, lambda, 1.0), 0.08)], |seed| vec![part(&run(&d, seed), QUEUE)]);
    }
}

/// Pollaczek and Khinchine: the wait depends on mean and coefficient of variation of the service only.
#[test]
fn mg1_waits_as_pollaczek_and_khinchine_say() {
    let mean = 0.1;
    for (service, cv, precision) in [
        (Distribution::Constant(mean), 0.0, 0.02),
        (Distribution::Uniform { from: 0.0, to: 2.0 * mean }, (1.0f64 / 3.0).sqrt(), 0.02),
        (Distribution::Gamma { mean, cv: 0.5 }, 0.5, 0.02),
        (Distribution::Gamma { mean, cv: 1.5 }, 1.5, 0.03),
        (Distribution::Lognormal { mean, cv: 0.7 }, 0.7, 0.02),
        (Distribution::Lognormal { mean, cv: 1.5 }, 1.5, 0.03),
    ] {
        let d = warm(queue(1, 7.0, 1, service.clone(), 8_000));
        let name = format!("M/G/1 wait, {service:?}");
        agree(&[(&name, mg1_wait(7.0, mean, cv), precision)], |seed| vec![part(&run(&d, seed), QUEUE)]);
    }
    let half = mg1_wait(7.0, mean, 0.0) / mmc_wait(1, 7.0, mean);
    assert!((half - 0.5).abs() < 1e-12, "M/D/1 waits half of M/M/1");
}

/// M/M/c/K (Kleinrock 1975, section 3.8, extended to c servers): at load 1 the probabilities of c, c+1, ..,
/// c+K requests are equal, so with B = Erlang B the loss is B/(1 + K B). The published values are for c = 4.
/// Waits of those that got in: the lost ones are not recorded.
#[test]
fn mmck_loses_the_share_that_erlang_says() {
    for (limit, published) in [(0, 0.3107), (8, 0.0891), (32, 0.0284)] {
        let b = erlang_b(4, 4.0);
        let exact = b / (1.0 + f64::from(limit) * b);
        assert!((exact - published).abs() < 6e-5, "the formula gives the published value");
        // A request that gets in and finds c + j others waits (j + 1)/(c mu) on average; j = 0 .. K-1 are
        // equally likely, each with the probability of the loss.
        let wait = exact * (1..=limit).map(f64::from).sum::<f64>() / 4.0 / (1.0 - exact);
        for drop in [Drop::Newest, Drop::Oldest] {
            let mut d = mmc(4, 4.0, 1.0, 120_000.0);
            (d.placement.queue, d.placement.drop) = (Some(limit), drop);
            let name = format!("loss with {limit} places, {drop:?}");
            agree(&[(&name, exact, 0.03)], |seed| {
                let counts = run(&d, seed).counts;
                vec![counts.dropped as f64 / counts.offered as f64]
            });
            if limit > 0 && drop == Drop::Newest {
                agree(&[("wait of those let in", wait, 0.02)], |seed| vec![part(&run(&d, seed), QUEUE)]);
            }
        }
    }
}

/// M/G/1 processor sharing: mean response S/(1 - rho) whatever the distribution (Kleinrock, Queueing Systems
/// II, 1976, section 4.4). More workers than cores share the core.
#[test]
fn one_core_shared_by_many_workers_responds_in_s_over_1_minus_rho() {
    for (lambda, mu, published) in [(3.0, 5.0, 0.5), (4.0, 5.0, 1.0), (3.0, 6.0, 0.333_333)] {
        let mean = 1.0 / mu;
        for service in
            [exponential(mean), Distribution::Constant(mean), Distribution::Lognormal { mean, cv: 2.0 }]
        {
            let mut d = warm(queue(3, lambda / 3.0, 512, service.clone(), 8_000));
            d.tiers[1].cores = 1;
            let name = format!("M/G/1-PS ({lambda}, {mu}), {service:?}");
            agree(&[(&name, published, 0.04)], |seed| vec![part(&run(&d, seed), PROCESS)]);
        }
    }
}

/// The same of a link whose messages share its rate.
#[test]
fn a_fair_link_of_the_tier_responds_in_s_over_1_minus_rho() {
    for (lambda, mu, published) in [(3.0, 5.0, 0.5), (4.0, 5.0, 1.0), (3.0, 6.0, 0.333_333)] {
        // 1 Mbit/s: a message of 125,000 bytes takes a second alone.
        let bytes = 125_000.0 / mu;
        for frame in [
            exponential(bytes),
            Distribution::Constant(bytes),
            Distribution::Lognormal { mean: bytes, cv: 2.0 },
        ] {
            let mut d = warm(queue(3, lambda / 3.0, 1, Distribution::Constant(0.0), 8_000));
            d.app.frame = frame.clone();
            let up = direction(0, Rate::BitPerS(1e6));
            let down = Direction::default();
            d.links = vec![Link { between: [0, 1], up, down, sharing: Sharing::Fair, scope: Scope::Tier }];
            let name = format!("fair link ({lambda}, {mu}), {frame:?}");
            agree(&[(&name, published, 0.04)], |seed| vec![part(&run(&d, seed), UPLINK)]);
        }
    }
}

/// Jackson 1957, Burke 1956: what leaves M/M/c is Poisson, so each station of a path is as if alone. Four
/// endpoints at 5/s: a processor of 100 ms each; an uplink each of 80 ms (or one for all of 30 ms); three
/// workers of 100 ms for 20/s; one downlink of 25 ms.
#[test]
fn stations_in_tandem_behave_as_if_each_were_alone() {
    const BYTE: f64 = 8e-6; // [s] at 1 Mbit/s
    for scope in [Scope::Node, Scope::Pair, Scope::Tier] {
        let mut d = queue(4, 5.0, 3, exponential(0.1), 2_500);
        d.app.prepare = exponential(0.1);
        let (up_s, up_rate) = if scope == Scope::Tier { (0.03, 20.0) } else { (0.08, 5.0) };
        let (down_s, down_rate) = if scope == Scope::Pair { (0.1, 5.0) } else { (0.025, 20.0) };
        d.app.frame = exponential(up_s / BYTE);
        d.app.stages[0].output = exponential(down_s / BYTE);
        let way = direction(0, Rate::BitPerS(1e6));
        d.links = vec![Link { between: [0, 1], up: way.clone(), down: way, sharing: Sharing::Fifo, scope }];
        let d = warm(d);
        let response = |rate: f64, service: f64| service / (1.0 - rate * service);
        println!("uplink of scope {scope:?}");
        agree(
            &[
                ("prepare", response(5.0, 0.1), 0.02),
                ("uplink", response(up_rate, up_s), 0.02),
                ("queue", mmc_wait(3, 20.0, 0.1), 0.02),
                ("process", 0.1, 0.02),
                ("downlink", response(down_rate, down_s), 0.02),
            ],
            |seed| {
                let run = run(&d, seed);
                [PREPARE, UPLINK, QUEUE, PROCESS, DOWNLINK].map(|number| part(&run, number)).to_vec()
            },
        );
    }
}

/// A Poisson stream that branches at random stays Poisson: each of four nodes is M/M/2 with a quarter of it.
#[test]
fn a_stream_that_branches_at_random_makes_each_node_mmc() {
    let mut d = queue(2, 14.0, 2, exponential(0.2), 2_000);
    d.tiers[1].nodes = 4;
    d.placement.balance = Balance::Random;
    let d = warm(d);
    agree(&[("wait", mmc_wait(2, 7.0, 0.2), 0.03)], |seed| vec![part(&run(&d, seed), QUEUE)]);
}

/// D/D/1: a request every 100 ms. With 80 ms of work nobody waits; with 120 ms request k waits k times 20 ms.
#[test]
fn dd1_waits_not_at_all_or_longer_and_longer() {
    for (work_ms, step_ms) in [(80, 0), (100, 0), (120, 20)] {
        let mut d = queue(1, 10.0, 1, Distribution::Constant(f64::from(work_ms) / 1e3), 60);
        d.app.arrivals = Arrivals::Periodic;
        for engine in engines(&d) {
            let (_, rows) = rows(&d, 1, Some(engine));
            assert_eq!(rows.len(), 600);
            for (row, parts) in parts(&rows) {
                assert_eq!(parts.queue, row.index * step_ms * 1_000_000, "request {}", row.index);
                assert_eq!(row.emitted, rows[0].emitted + row.index * 100_000_000);
            }
        }
    }
}

/// Requests per window of `window_s` from all endpoints.
fn counts(deployment: &Deployment, seed: u64, window_s: f64) -> Vec<f64> {
    let windows = (deployment.duration.as_secs_f64() / window_s) as usize;
    let mut counts = vec![0.0; windows];
    for row in rows(deployment, seed, None).1 {
        if let Some(count) = counts.get_mut((row.emitted as f64 / 1e9 / window_s) as usize) {
            *count += 1.0;
        }
    }
    counts
}

/// Variance over mean.
fn dispersion(counts: &[f64]) -> f64 {
    let n = counts.len() as f64;
    let (mean, error) = mean_and_error(counts);
    error * error * n / mean
}

/// Index of dispersion for counts of an on-off process: Fischer and Meier-Hellstern, The Markov-modulated
/// Poisson process (MMPP) cookbook, Performance Evaluation 18, 1993, for two states of which one is silent.
/// `peak` [1/s] while on, `on` and `off` mean lengths [s], windows of `t` [s].
fn on_off_dispersion(peak: f64, on: f64, off: f64, t: f64) -> f64 {
    let (leave_on, leave_off) = (1.0 / on, 1.0 / off);
    let both = leave_on + leave_off;
    let limit = 2.0 * leave_on * leave_off * peak * peak / (both.powi(2) * peak * leave_off);
    1.0 + limit - limit / (both * t) * (1.0 - (-both * t).exp())
}

#[test]
fn bursts_have_the_mean_rate_and_the_dispersion_of_an_on_off_process() {
    let (on, off) = (0.5, 1.5);
    let mut d = queue(1, 10.0, 1, Distribution::Constant(0.0), 4_000);
    d.app.arrivals = Arrivals::Bursts { on: Span::from_millis(500), off: Span::from_millis(1_500) };
    for t in [0.1, 1.0, 5.0] {
        let exact = on_off_dispersion(40.0, on, off, t);
        let name = format!("index of dispersion over {t} s");
        agree(&[("requests per second", 10.0, 0.02), (&name, exact, 0.03)], |seed| {
            let counts = counts(&d, seed, t);
            vec![mean_and_error(&counts).0 / t, dispersion(&counts)]
        });
    }
}

/// The gaps of an on-off process are independent (Kuczura 1973), so its queue is GI/M/1: the wait is
/// `sigma / (mu (1 - sigma))`, where `sigma` is the root of `sigma = G(mu (1 - sigma))` below 1 and
/// `G(s) = a (s + c) / (s^2 + (a + b + c) s + a c)` is the transform of a gap (Kleinrock 1975, section 6.4).
#[test]
fn bursts_into_one_worker_wait_as_gi_m_1() {
    let (peak, leave_on, leave_off, mu) = (40.0, 2.0, 1.0 / 1.5, 16.0);
    let transform =
        |s: f64| peak * (s + leave_off) / (s * s + (peak + leave_on + leave_off) * s + peak * leave_off);
    let sigma = (0..10_000).fold(0.5, |sigma, _| transform(mu * (1.0 - sigma)));
    let exact = sigma / (mu * (1.0 - sigma));
    let mut d = queue(1, 10.0, 1, exponential(1.0 / mu), 20_000);
    d.app.arrivals = Arrivals::Bursts { on: Span::from_millis(500), off: Span::from_millis(1_500) };
    let d = warm(d);
    agree(&[("wait", exact, 0.03)], |seed| vec![part(&run(&d, seed), QUEUE)]);
}

/// A superposition of Poisson processes is Poisson: gaps are exponential (Kolmogorov and Smirnov's distance
/// below its 1 % point 1.63/sqrt(n)), neighbours uncorrelated (within 3/sqrt(n)), dispersion 1.
#[test]
fn many_poisson_endpoints_together_are_poisson() {
    let d = queue(50, 2.0, 1, Distribution::Constant(0.0), 400);
    let (_, rows) = rows(&d, 7, None);
    let gaps: Vec<f64> =
        rows.windows(2).map(|w| (w[1].emitted - w[0].emitted) as f64 / 1e9 * 100.0).collect();
    let n = gaps.len() as f64;
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(i, gap)| ((1.0 - (-gap).exp()) - (i as f64 + 0.5) / n).abs() + 0.5 / n)
        .fold(0.0, f64::max);
    assert!(distance < 1.63 / n.sqrt(), "{distance}");
    let correlation = gaps.windows(2).map(|w| (w[0] - 1.0) * (w[1] - 1.0)).sum::<f64>() / n;
    assert!(correlation.abs() < 3.0 / n.sqrt(), "{correlation}");
    agree(&[("rate", 100.0, 0.01), ("dispersion", 1.0, 0.02)], |seed| {
        let counts = counts(&d, seed, 0.2);
        vec![mean_and_error(&counts).0 / 0.2, dispersion(&counts)]
    });
}

/// N*D/D/1: an arrival of one of N periodic endpoints finds the work of N - 1 others whose phases are uniform.
/// The distribution of that work is Benes' (Eckberg, The single server queue with periodic arrival process and
/// deterministic service times, IEEE Trans. Communications 27, 1979; in this form Roberts and Virtamo, The
/// superposition of periodic cell arrival streams in an ATM multiplexer, IEEE Trans. Communications 39, 1991):
/// with service 1 and period D, `P(V > x) = sum over x < n <= N of C(N,n) ((n-x)/D)^n (1-(n-x)/D)^(N-n)
/// (D-N+x)/(D-n+x)`. Phases last for a run, so the spread is over seeds: three standard errors of 1000 runs.
#[test]
fn periodic_endpoints_with_random_phases_wait_as_n_d_d_1() {
    let (endpoints, period) = (20u32, 25.0);
    let others = i32::try_from(endpoints - 1).unwrap();
    let tail = |x: f64| -> f64 {
        let (mut sum, mut choose) = (0.0, 1.0);
        for n in 1..=others {
            choose *= f64::from(others - n + 1) / f64::from(n);
            let share = (f64::from(n) - x) / period;
            if f64::from(n) > x && share < 1.0 {
                let rest = (period - f64::from(others) + x) / (period - f64::from(n) + x);
                sum += choose * share.powi(n) * (1.0 - share).powi(others - n) * rest;
            }
        }
        sum
    };
    let step = 1e-3;
    let exact = (0..others * 1_000).map(|i| tail((f64::from(i) + 0.5) * step) * step).sum::<f64>();

    // Service 40 ms, period 1 s. From the second period on every period is the same.
    let mut d = queue(endpoints, 1.0, 1, Distribution::Constant(0.04), 3);
    d.app.arrivals = Arrivals::Periodic;
    d.warm_up = Span::from_millis(2_000);
    let waits: Vec<f64> = (0..1_000)
        .map(|seed| {
            let run = simulate(&d, &ModelSet::default(), seed);
            assert_eq!(run.counts.offered, 20, "one request per endpoint and period");
            part(&run, QUEUE) / 0.04
        })
        .collect();
    let (mean, error) = mean_and_error(&waits);
    println!("N*D/D/1 wait in services: {mean:.4} +- {error:.4}, theory {exact:.4}");
    assert!((mean - exact).abs() < 3.0 * error && error < 0.02 * exact, "{mean} +- {error}, theory {exact}");
    assert!(mean < mg1_wait(20.0, 0.04, 0.0) / 0.04, "periodic arrivals wait less than Poisson ones");
}
