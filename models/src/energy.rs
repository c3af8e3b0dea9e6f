//! Power of a node at a utilization, and energy over time.
//!
//! ```text
//! curve  P(u) = idle + (busy - idle) u^k      [W],   k = 1 linear, 2 square, 3 cubic
//! table  P(u) = straight lines between measured values at equally spaced u
//! energy E = P(u) t                           [J]
//! ```
//!
//! | symbol | meaning | unit | range |
//! |---|---|---|---|
//! | u | utilization: CPU time used over CPU time that the quota allows | 1 | 0 to 1, beyond it is cut |
//! | idle, busy | power at u = 0 and 1 | W | |
//! | t | time | s | |
//!
//! Power of a mean utilization is the mean power for the linear curve only; for the others it is a lower bound
//! (they are convex), so sum over intervals of constant utilization where that matters.
//!
//! Left out: memory, disk and network, temperature, frequency scaling, what the machine draws while it starts.
//! Sources: X. Fan, W.-D. Weber, L. A. Barroso, Power provisioning for a warehouse-sized computer, ISCA 2007
//! (linear); the shapes are those of CloudSim and DSLab; tables: SPECpower_ssj2008 (data/power.toml).

use offing_core::{Deployment, Power, PowerCurve, Tier};

/// Power of one node at a utilization [W].
pub fn power_w(power: &Power, utilization: f64) -> f64 {
    let u = utilization.clamp(0.0, 1.0);
    match power {
        Power::Curve { idle_w, busy_w, curve } => {
            let share = match curve {
                PowerCurve::Linear => u,
                PowerCurve::Square => u * u,
                PowerCurve::Cubic => u * u * u,
            };
            idle_w + (busy_w - idle_w) * share
        }
        Power::Table(values) => {
            let place = u * (values.len() - 1) as f64;
            let left = (place as usize).min(values.len() - 2);
            values[left] + (values[left + 1] - values[left]) * (place - left as f64)
        }
    }
}

/// Energy of one node at a constant utilization [J].
pub fn energy_j(power: &Power, utilization: f64, seconds: f64) -> f64 {
    power_w(power, utilization) * seconds
}

/// Power of all nodes of a tier at a utilization [W]; nothing if it is not known.
pub fn tier_power_w(tier: &Tier, utilization: f64) -> Option<f64> {
    Some(f64::from(tier.nodes) * power_w(tier.power.as_ref()?, utilization))
}

/// Power of all nodes that a deployment uses [W], where `utilization` gives that of a tier by its index; nothing
/// if the power of one of the tiers is not known.
pub fn deployment_power_w(deployment: &Deployment, utilization: impl Fn(usize) -> f64) -> Option<f64> {
    deployment
        .used_tiers()
        .into_iter()
        .try_fold(0.0, |sum, index| Some(sum + tier_power_w(&deployment.tiers[index], utilization(index))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(idle_w: f64, busy_w: f64, curve: PowerCurve) -> Power {
        Power::Curve { idle_w, busy_w, curve }
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    }

    #[test]
    fn half_busy_is_half_way_on_a_line_a_quarter_on_a_square_an_eighth_on_a_cube() {
        close(power_w(&curve(100.0, 200.0, PowerCurve::Linear), 0.5), 150.0);
        close(power_w(&curve(100.0, 200.0, PowerCurve::Square), 0.5), 125.0);
        close(power_w(&curve(100.0, 200.0, PowerCurve::Cubic), 0.5), 112.5);
    }

    #[test]
    fn published_curves() {
        // DSLab, between 0.4 and 1 of the maximum.
        let values = |shape, at: &[(f64, f64)]| {
            for &(u, expected) in at {
                close(power_w(&curve(0.4, 1.0, shape), u), expected);
            }
        };
        values(PowerCurve::Linear, &[(0.0, 0.4), (0.1, 0.46), (0.5, 0.7), (1.0, 1.0)]);
        values(PowerCurve::Square, &[(0.1, 0.406), (0.5, 0.55), (0.8, 0.784)]);
        values(PowerCurve::Cubic, &[(0.1, 0.4006), (0.5, 0.475), (0.8, 0.7072)]);
    }

    #[test]
    fn published_energy_of_a_host_with_four_cores() {
        // SimGrid: 100 W idle, 93.333 W with a core just on, 200 W with all busy, straight in between: one busy
        // core draws 93.333 + 106.667 / 4 = 120 W. As a table of busy cores. 10 s idle: 1000 J; then 1 s with
        // one core busy: 1120 J in total.
        let on = |cores: f64| 93.333 + (200.0 - 93.333) * cores / 4.0;
        let host = Power::Table(vec![100.0, on(1.0), on(2.0), on(3.0), on(4.0)]);
        let idle = energy_j(&host, 0.0, 10.0);
        close(idle, 1000.0);
        assert!((idle + energy_j(&host, 0.25, 1.0) - 1120.0).abs() < 1e-3);
    }

    #[test]
    fn published_energy_of_tasks_on_a_host() {
        // OpenDC: one host of 2000 MHz, linear between 100 and 200 W.
        let host = curve(100.0, 200.0, PowerCurve::Linear);
        let task = |mhz: f64, seconds: f64| energy_j(&host, mhz / 2000.0, seconds);
        // 10 min at 1000 MHz; then 5 min at 2000 MHz behind it: 600 and 900 s.
        close(task(1000.0, 600.0), 90_000.0);
        close(task(1000.0, 600.0) + task(2000.0, 300.0), 150_000.0);
        // Two of the first kind at once on two such cores: half busy for 600 s.
        close(energy_j(&host, 2.0 * 1000.0 / (2.0 * 2000.0), 600.0), 90_000.0);
        // The second kind not before 20 min: idle in between, 1500 s in all.
        close(task(1000.0, 600.0) + task(0.0, 600.0) + task(2000.0, 300.0), 210_000.0);
    }

    #[test]
    fn tables_are_straight_between_their_values_and_end_at_them() {
        let table = Power::Table(vec![10.0, 20.0, 40.0]);
        for (u, expected) in [(-1.0, 10.0), (0.0, 10.0), (0.25, 15.0), (0.5, 20.0), (0.75, 30.0), (2.0, 40.0)]
        {
            close(power_w(&table, u), expected);
        }
    }
}
