//! The cascade engine: velocity, risk, score, rungs, episodes, volatility, regime (signals.md).
//!
//! A pure function of its shard's stream. It knows time only from events and ticks, money only in whole micro-dollars,
//! and nothing of Redis, of exchanges' formats, or of who is told.

mod config;
mod engine;
mod episode;
mod facts;
mod flow;
mod interest;
mod ledger;
mod market;
mod markets;
mod minutes;
mod preset;
mod price;
mod reading;
mod refusal;
pub mod regime;
mod report;
mod returns;
pub mod risk;
pub mod rungs;
pub mod score;
mod symbol;
mod together;
mod traded;
pub mod volatility;

pub use config::{
    Config, EpisodeConfig, FlowConfig, Memory, RiskConfig, Samples, ScoreConfig, VelocityConfig,
};
pub use engine::{CascadeEngine, CascadeState};
pub use preset::{Preset, PresetName, Presets};
pub use regime::RegimeConfig;
pub use symbol::{SymbolOverride, SymbolThresholds};
pub use volatility::VolatilityConfig;
