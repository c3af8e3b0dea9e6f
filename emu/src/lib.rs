//! Measures deployments on real infrastructure: what is asked becomes nodes and links on this host, and
//! every link and quota is proved before it is used.
//!
//! ```text
//! Deployment --plan--> Plan --Inventory::make--> Inventory --connect--> Cluster --prove--> Proof
//!                                    |                                     |
//!                          Ledger: written before anything is made         +-- run_application --> Observed --> Run
//!                                                                          +-- remove --> nothing is left
//! ```
//! A [`Plan`] is data: it touches nothing, and refuses what this host cannot hold. From there on each step is a
//! type that only the step before can make. Nodes are containers ([`provider::docker`]); links are the
//! kernel's ([`links::netem`]) or those of a process of ours ([`links::forwarder`]). Whatever exists because of us is in a
//! [`ledger`] first, so [`down`] removes it after any crash. [`doctor`] says what a host lacks.
//!
//! What happens inside the nodes is done by `offing-agent`, a static binary of its own (emu/agent): probes, and the roles
//! of the application (emu/app), of which only the protocol is known here. With the manager [`kubernetes`] a node of the
//! plan is a pod of a cluster. A [`Campaign`] does all of this for many
//! deployments and keeps each run in a [`record`]; [`provider::rehearsal`] replays kept runs.
//!
//! ```
//! use offing_core::Span;
//! use offing_emu::links::shaper::{Fate, Medium, Path, Shaper};
//! let medium = Medium { rate_bit_s: Some(8e6), queue_packets: 100 };
//! let latency = Span::from_millis(10);
//! let path = Path { from: 0, to: 1, medium: 0, latency, jitter: Span::ZERO, loss: 0.0 };
//! // A thousand bytes take a millisecond to send and ten to travel.
//! assert_eq!(Shaper::new(&[medium], &[path], 1).offer(0, 1_000, 0), Fate::Due(11_000_000));
//! ```

mod application;
mod bench;
mod campaign;
mod cluster;
mod collect;
pub mod continuum;
pub mod doctor;
mod down;
mod error;
mod interrupt;
pub mod kubernetes;
pub mod ledger;
pub mod links;
mod observed;
mod plan;
mod proof;
pub mod provider;
pub mod record;

pub use application::{Application, Transport, Workload};
pub use campaign::{Campaign, Finished, Made, Managed, News, Order, Provider, Step, Subject};
pub use cluster::{Cluster, Inventory, Tools, check_agent, find_agent};
pub use collect::{HostFacts, HostShares, HostTicks, NodeUse};
pub use down::{Which, down};
pub use error::EmuError;
pub use interrupt::{interrupt, interrupted};
pub use observed::{Facts, Measured, Observed, Outcomes, RunFile, read_csv};
pub use plan::{
    CPU_S_PER_PACKET, Dilate, FASTEST_BIT_S, Host, IMAGE, LinkKind, Needs, Node, Nodes, Plan, RunPlan,
    Settings, plan, usual_tolerance,
};
pub use proof::{Check, Proof, Quantity};
