//! What a symbol shows now: the nouns behind the read-models of contract.md 4.

use crate::{EventTime, Level, Reason, RiskLevel, Symbol};

/// A figure for each of the six windows 0.1, 0.5, 2, 10, 30 and 60 s, shortest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Windows<T>(pub [T; 6]);

impl<T: Copy> Windows<T> {
    /// The windows' lengths in milliseconds.
    pub const MS: [i64; 6] = [100, 500, 2_000, 10_000, 30_000, 60_000];
    /// How they are called in field names.
    pub const NAMES: [&'static str; 6] = ["100ms", "500ms", "2s", "10s", "30s", "60s"];
}

/// The velocity engine's state of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Velocity {
    /// The market.
    pub symbol: Symbol,
    /// Event time of the state.
    pub event_time_ms: EventTime,
    /// Orders a second.
    pub velocity: Windows<f64>,
    /// US dollars a second.
    pub usd_velocity: Windows<f64>,
    /// Orders.
    pub count: Windows<u64>,
    /// Orders a second, a second.
    pub acceleration: Option<f64>,
    /// Orders a second, a second, a second.
    pub jerk: Option<f64>,
    /// 0..=100.
    pub risk_score: f64,
    /// Its band.
    pub risk_level: RiskLevel,
    /// US dollars liquidated in the last 30 s, longs and shorts (for tables; more than the contract asks).
    pub usd_30s_long: crate::Usd,
    /// As above, shorts.
    pub usd_30s_short: crate::Usd,
}

/// The cascade score of one symbol. Not a probability until it is calibrated, whatever its key is called.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreReading {
    /// The market.
    pub symbol: Symbol,
    /// 0..=1.
    pub score: f64,
    /// The held level.
    pub level: Level,
    /// The rungs that reach it.
    pub reasons: Vec<Reason>,
    /// Event time of the state.
    pub event_time_ms: EventTime,
}
