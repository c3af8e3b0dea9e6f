//! Whether the workers fit into a node's memory.
//!
//! ```text
//! needed = workers x memory per worker [byte] <= memory of the node [byte]
//! ```
//!
//! Left out: the system's own share, growth with the queue, paging (what does not fit is infeasible, not slow).

use offing_core::Deployment;

/// Memory that the workers of one target node need [byte].
pub fn needed_bytes(deployment: &Deployment) -> u64 {
    u64::from(deployment.placement.workers).saturating_mul(deployment.app.memory_bytes)
}

/// By how much they exceed the memory of a target node [byte]; 0 if they fit.
pub fn missing_bytes(deployment: &Deployment) -> u64 {
    let there = deployment.targets().memory_bytes.unwrap_or(u64::MAX);
    needed_bytes(deployment).saturating_sub(there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn three_workers_of_half_a_gibibyte_do_not_fit_into_one() {
        let mut deployment = example::offloading();
        (deployment.placement.workers, deployment.app.memory_bytes) = (3, 512 << 20);
        assert_eq!(missing_bytes(&deployment), 0, "without a limit everything fits");
        deployment.tiers[1].memory_bytes = Some(1 << 30);
        assert_eq!(missing_bytes(&deployment), 512 << 20);
        deployment.placement.workers = 2;
        assert_eq!(missing_bytes(&deployment), 0);
    }
}
