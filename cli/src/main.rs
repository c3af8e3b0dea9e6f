//! The `offing` command: reads, calls one crate, writes, exits.

fn main() {}
