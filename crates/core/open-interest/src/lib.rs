//! The open-interest engine: explosions and collapses of open interest that several venues confirm.
//!
//! A pure function of its shard's stream. It knows time only from events and ticks, coins only as whole micro-coins, and
//! nothing of Redis, of exchanges' formats, or of who is told.

mod config;
mod engine;

pub use config::Config;
pub use engine::{OpenInterestEngine, OpenInterestState};
