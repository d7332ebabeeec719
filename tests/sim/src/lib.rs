//! Simulation of durable workflows: a seed makes up a workflow, what happens outside, and what goes wrong; the real engine and the
//! real runtime play it in virtual time over a store that fails as stores do; then everything that was promised is checked.
//!
//! Nothing in here knows how the product keeps its promises. A seed goes the same way each time, so that one line repeats what it
//! found: `just sim --seed N`.

mod chart;
mod check;
mod clock;
mod dice;
mod make;
mod oracle;
mod outside;
mod plan;
mod seed;
mod stage;
mod store;
mod storm;
mod traffic;

/// Workflows as numbers: the same file as the guest's that plays them.
#[path = "../../guests/plot/src/plot.rs"]
#[allow(missing_docs, dead_code, unreachable_pub, clippy::cast_possible_truncation)]
mod plot;

pub use seed::{Tale, play, play_boundaries};
pub use stage::{Harbour, Stage};
