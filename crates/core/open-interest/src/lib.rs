//! The open-interest engine: explosions and collapses of open interest that several venues confirm.
//!
//! A pure function of its shard's stream. It knows time only from events and ticks, coins only as whole micro-coins, and
//! nothing of Redis, of exchanges' formats, or of who is told.

mod change;
mod coins;
mod config;
mod engine;
mod episode;
mod facts;
mod grid;
mod line;
mod market;
mod packed;
mod preset;
mod price;
mod reading;
mod refusal;
mod report;
mod span;
mod symbol;
mod track;
mod traded;

pub use config::{Config, EpisodeConfig, Memory, Samples, SuspectConfig};
pub use engine::{OpenInterestEngine, OpenInterestState};
pub use preset::{Preset, PresetName, Presets};
pub use symbol::{Others, SymbolOverride, Thresholds};
