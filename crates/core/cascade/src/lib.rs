//! The cascade engine: velocity, risk, score, rungs, episodes (signals.md 1-3, 5, 6, 8).
//!
//! A pure function of its shard's stream. It knows time only from events and ticks, money only in whole micro-dollars,
//! and nothing of Redis, of exchanges' formats, or of who is told. Volatility and regime are not known yet: the
//! multiplier is 1 and `volatility` is among what is missing.

mod admit;
mod board;
mod config;
mod engine;
mod episode;
mod facts;
mod flow;
mod interest;
mod ledger;
mod market;
mod markets;
mod preset;
mod price;
mod refusal;
mod report;
pub mod risk;
pub mod rungs;
pub mod score;
mod symbol;
mod together;

pub use config::{
    Config, EpisodeConfig, FlowConfig, Memory, RiskConfig, Samples, ScoreConfig, VelocityConfig,
};
pub use engine::{CascadeEngine, CascadeState};
pub use preset::{Preset, PresetName, Presets};
pub use symbol::{SymbolOverride, SymbolThresholds};
