//! Measures deployments on real infrastructure.
//!
//! Empty so far, and not offered on the command line. Plan, ledger, inventory, cluster, runs: the providers and managers come here.
