//! Queues in closed form: what every engine is checked against, and what screening uses.
//!
//! A [`Station`] has `c` servers, requests arrive at rate `lambda` and need `S` on average. Its offered load is
//! `a = lambda S` [Erlang] and its utilization `rho = a / c`. Kendall's notation: arrivals / service / servers /
//! places, M exponential, D constant, G any.
//!
//! | model | formula | source |
//! |---|---|---|
//! | Erlang B, M/G/c/c | `B = (a^c / c!) / sum of a^k / k!` | Erlang 1917 |
//! | Erlang C, M/M/c | `C = B / (1 - rho (1 - B))` | Erlang 1917 |
//! | wait, M/M/c | `W = C / (c/S - lambda)`, `P(W > t) = C e^(-(c/S - lambda) t)` | Kleinrock 1975, 3.5 |
//! | K places to wait, M/M/c/c+K | `loss = B rho^K / (1 + B (rho + .. + rho^K))` | Gross and Harris 1998, 2.5 |
//! | M/G/1 | `W = rho S (1 + cv^2) / (2 (1 - rho))` | Pollaczek 1930, Khinchine 1932 |
//! | processor sharing, M/G/c-PS | mean response as of M/M/c, whatever the service | Kleinrock 1976, 4.4; Cohen 1979 |
//! | G/G/c, approximate | `W = W of M/M/c * (ca^2 + cs^2) / 2` | Allen 1990, 5.3 (Allen-Cunneen) |
//! | networks of M/M/c | every station as if alone | Jackson 1957 |
//!
//! Means and quantiles are those of the steady state; where there is none (rho of 1 or more without a bound) they
//! are infinite. All but the approximation are exact. Left out: start-up, dependence between stations that are
//! not exponential, quantiles of networks.
//!
//! Sources: L. Kleinrock, Queueing Systems, 1975 and 1976; D. Gross, C. M. Harris, Fundamentals of Queueing
//! Theory, 3rd edition, 1998; A. O. Allen, Probability, Statistics, and Queueing Theory, 2nd edition, 1990;
//! J. W. Cohen, The multiple phase service network with generalized processor sharing, Acta Informatica 12, 1979.

use libm::log;

/// Servers that serve one queue in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Station {
    /// How many, at least one.
    pub servers: u32,
    /// Requests per second [1/s].
    pub rate_hz: f64,
    /// Mean service of one request by one server [s].
    pub service_s: f64,
}

impl Station {
    /// Offered load `lambda S` [Erlang].
    pub fn offered(&self) -> f64 {
        self.rate_hz * self.service_s
    }

    /// Utilization `lambda S / c`; 1 or more means that an unbounded queue grows for ever.
    pub fn utilization(&self) -> f64 {
        self.offered() / f64::from(self.servers)
    }

    /// Mean wait in M/M/c [s].
    pub fn wait_mean_s(&self) -> f64 {
        if self.utilization() >= 1.0 {
            return f64::INFINITY;
        }
        erlang_c(self.servers, self.offered()) / self.spare_hz()
    }

    /// The wait in M/M/c that is not exceeded with this probability [s].
    pub fn wait_quantile_s(&self, probability: f64) -> f64 {
        if self.utilization() >= 1.0 {
            return f64::INFINITY;
        }
        let waits = erlang_c(self.servers, self.offered());
        (log(waits / (1.0 - probability)) / self.spare_hz()).max(0.0)
    }

    /// Mean response, wait and service, in M/M/c [s]; also with processor sharing, whatever the service.
    pub fn response_mean_s(&self) -> f64 {
        self.wait_mean_s() + self.service_s
    }

    /// Mean wait in M/G/1 where the service has this coefficient of variation [s]; 0 for M/D/1.
    pub fn single_server_wait_mean_s(&self, service_cv: f64) -> f64 {
        let rho = self.offered();
        if rho >= 1.0 {
            return f64::INFINITY;
        }
        rho * self.service_s * (1.0 + service_cv * service_cv) / (2.0 * (1.0 - rho))
    }

    /// Mean wait in G/G/c, **approximate**, from the coefficients of variation of gaps and services [s].
    ///
    /// Exact for M/M/c and M/G/1. Elsewhere it is typically within a tenth near saturation and worse at low
    /// load (Whitt, Approximations for the GI/G/m queue, Production and Operations Management, 1993).
    pub fn approximate_wait_mean_s(&self, gap_cv: f64, service_cv: f64) -> f64 {
        self.wait_mean_s() * (gap_cv * gap_cv + service_cv * service_cv) / 2.0
    }

    /// Probability that a request is lost in M/M/c with `places` to wait.
    pub fn loss(&self, places: u32) -> f64 {
        self.bounded(places).full
    }

    /// Mean wait of the requests that are not lost in M/M/c with `places` to wait [s].
    pub fn bounded_wait_mean_s(&self, places: u32) -> f64 {
        let bounded = self.bounded(places);
        // Little's law over the waiting places.
        bounded.waiting / (self.rate_hz * (1.0 - bounded.full))
    }

    /// Service that is left over [1/s].
    fn spare_hz(&self) -> f64 {
        f64::from(self.servers) / self.service_s - self.rate_hz
    }

    /// Steady state with `places` to wait. The states with a request waiting weigh `B rho^k` against those with
    /// none and at most `c` in service together, of which the one with all servers busy weighs `B`.
    fn bounded(&self, places: u32) -> Bounded {
        let (b, rho) = (erlang_b(self.servers, self.offered()), self.utilization());
        let (mut weight, mut sum, mut waiting) = (b, 1.0, 0.0);
        for k in 1..=places {
            weight *= rho;
            sum += weight;
            waiting += f64::from(k) * weight;
            if sum > 1e200 {
                // Far above saturation: only the ratios matter.
                (weight, sum, waiting) = (weight * 1e-200, sum * 1e-200, waiting * 1e-200);
            }
        }
        Bounded { full: weight / sum, waiting: waiting / sum }
    }
}

struct Bounded {
    full: f64,
    waiting: f64,
}

/// Probability that a request is lost where nobody waits, M/G/c/c; `offered` is the load in Erlang.
pub fn erlang_b(servers: u32, offered: f64) -> f64 {
    (1..=servers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b))
}

/// Probability that a request waits in M/M/c; 1 where the load is `servers` or more.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let rho = offered / f64::from(servers);
    if rho >= 1.0 {
        return 1.0;
    }
    let b = erlang_b(servers, offered);
    b / (1.0 - rho * (1.0 - b))
}

/// Mean response of a request that visits these stations one after the other [s], by Jackson's theorem: Poisson
/// arrivals from outside, exponential service everywhere. For branches, give each station the rate that reaches
/// it and weigh the stations with the mean number of visits.
pub fn tandem_response_mean_s(stations: &[Station]) -> f64 {
    stations.iter().map(Station::response_mean_s).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} is not {expected}");
    }

    fn station(servers: u32, rate_hz: f64, service_s: f64) -> Station {
        Station { servers, rate_hz, service_s }
    }

    // Expected values are text book rows (Kleinrock; Gross and Harris) as collected for this project.

    #[test]
    fn one_server_at_five_eighths() {
        // M/M/1, 5/s on 8/s: wait rho / (mu - lambda) = 0.625 / 3, response 1 / 3.
        let queue = station(1, 5.0, 1.0 / 8.0);
        close(queue.wait_mean_s(), 0.20833, 5e-6);
        close(queue.response_mean_s(), 1.0 / 3.0, 1e-15);
    }

    #[test]
    fn three_servers_at_two_thirds() {
        close(station(3, 0.2, 10.0).wait_mean_s(), 4.4444, 5e-5);
    }

    #[test]
    fn four_servers_at_eight_tenths() {
        let queue = station(4, 400.0, 0.008);
        close(queue.utilization(), 0.8, 1e-15);
        close(queue.wait_mean_s() * 1e3, 5.9643, 5e-5);
        close(queue.wait_quantile_s(0.99) * 1e3, 40.884, 5e-4);
        // Four in ten do not wait at all.
        assert_eq!(queue.wait_quantile_s(0.4), 0.0);
    }

    #[test]
    fn constant_service_waits_half_as_long_as_exponential() {
        let queue = station(1, 5.0, 1.0 / 8.0);
        close(queue.single_server_wait_mean_s(0.0), queue.wait_mean_s() / 2.0, 1e-15);
        close(queue.single_server_wait_mean_s(1.0), queue.wait_mean_s(), 1e-15);
        // cv 2: 5/2 of the exponential.
        close(queue.single_server_wait_mean_s(2.0), 2.5 * queue.wait_mean_s(), 1e-15);
    }

    #[test]
    fn full_servers_lose_what_finds_no_place() {
        // M/M/4/K at load 1 with 0, 8 and 32 places to wait.
        let queue = station(4, 400.0, 0.010);
        for (places, loss) in [(0, 0.3107), (8, 0.0891), (32, 0.0284)] {
            close(queue.loss(places), loss, 5e-5);
        }
        // M/M/1/1 with one place to wait at load 1: three equally likely states.
        let queue = station(1, 1.0, 1.0);
        close(queue.loss(1), 1.0 / 3.0, 1e-15);
        // One of the two accepted states finds the server busy: waits one service.
        close(queue.bounded_wait_mean_s(1), 0.5, 1e-15);
        // Many places are as good as no bound.
        let queue = station(4, 400.0, 0.008);
        close(queue.bounded_wait_mean_s(1000), queue.wait_mean_s(), 1e-12);
        // Far above saturation nothing overflows: of 100 requests 99 are lost.
        close(station(1, 100.0, 1.0).loss(10_000), 0.99, 1e-12);
    }

    #[test]
    fn processor_sharing_is_insensitive() {
        // M/G/1-PS: S/(1 - rho).
        for (arrivals, services, response) in [(3.0, 5.0, 0.5), (4.0, 5.0, 1.0), (3.0, 6.0, 0.3333)] {
            close(station(1, arrivals, 1.0 / services).response_mean_s(), response, 5e-5);
        }
    }

    #[test]
    fn stations_in_a_row_are_as_if_alone() {
        let queue = station(1, 5.0, 1.0 / 8.0);
        close(tandem_response_mean_s(&[queue; 3]), 1.0, 1e-15);
    }

    #[test]
    fn the_approximation_is_exact_where_it_should_be() {
        let queue = station(1, 5.0, 1.0 / 8.0);
        close(queue.approximate_wait_mean_s(1.0, 1.0), queue.wait_mean_s(), 1e-15);
        close(queue.approximate_wait_mean_s(1.0, 0.5), queue.single_server_wait_mean_s(0.5), 1e-15);
        assert_eq!(queue.approximate_wait_mean_s(0.0, 0.0), 0.0);
    }

    #[test]
    fn overload_has_no_steady_state() {
        let queue = station(2, 5.0, 0.4);
        assert_eq!(queue.wait_mean_s(), f64::INFINITY);
        assert_eq!(queue.wait_quantile_s(0.5), f64::INFINITY);
        assert_eq!(station(1, 1.0, 1.0).single_server_wait_mean_s(0.0), f64::INFINITY);
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }
}
