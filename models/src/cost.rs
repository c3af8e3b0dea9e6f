//! What a deployment costs.
//!
//! ```text
//! C = sum over the tiers in use of nodes x price      [USD/h]
//! c = C / (3600 x completed requests per second)      [USD per request]
//! ```
//!
//! Left out: start-up time that is billed, minimum billing periods, traffic between regions, storage, discounts,
//! licences. Prices of machine types with source and date: data/prices.toml.

use offing_core::Deployment;

/// Price of all nodes that a deployment uses [USD/h].
pub fn usd_per_hour(deployment: &Deployment) -> f64 {
    deployment
        .used_tiers()
        .into_iter()
        .map(|index| &deployment.tiers[index])
        .map(|tier| f64::from(tier.nodes) * tier.price_usd_per_hour)
        .sum()
}

/// Price of one request [USD] at this throughput [1/s]; infinite where nothing is completed.
pub fn usd_per_request(deployment: &Deployment, throughput_hz: f64) -> f64 {
    let usd = usd_per_hour(deployment);
    if usd == 0.0 { 0.0 } else { usd / (3600.0 * throughput_hz) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn nodes_times_price_of_the_tiers_in_use() {
        let mut deployment = example::offloading();
        deployment.tiers[0].price_usd_per_hour = 0.01;
        deployment.tiers[1].price_usd_per_hour = 0.50;
        deployment.tiers[2].price_usd_per_hour = 99.0;
        // 4 endpoints and 2 cloud nodes; the third tier is not used.
        assert_eq!(usd_per_hour(&deployment), 4.0 * 0.01 + 2.0 * 0.5);
        // 1.04 USD for 20 requests per second, 72 000 per hour.
        assert!((usd_per_request(&deployment, 20.0) - 1.04 / 72_000.0).abs() < 1e-18);
        deployment.placement.target = 0;
        assert_eq!(usd_per_hour(&deployment), 0.04);
    }
}
