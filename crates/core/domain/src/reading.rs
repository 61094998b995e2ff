//! What a symbol shows now: the nouns behind the read-models of contract.md 4.

use crate::{EventTime, Level, Liquidity, Reason, Regime, RiskLevel, Symbol, Trend};

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

/// The price of BTC that all shards hear by the ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceReading {
    /// US dollars.
    pub price: f64,
    /// Event time of the last tick.
    pub event_time_ms: EventTime,
}

/// BTC's volatility; what is not known is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolatilityReading {
    /// Square root of the sum of squared one-second log returns of the last minute, a fraction; so are the next three.
    pub vol_1m: Option<f64>,
    /// Of five minutes.
    pub vol_5m: Option<f64>,
    /// Of fifteen minutes.
    pub vol_15m: Option<f64>,
    /// Of an hour.
    pub vol_1h: Option<f64>,
    /// Where `vol_5m` stands among the day's five-minute samples, 0..=100.
    pub percentile_24h: Option<f64>,
    /// How many standard deviations it stands above their mean.
    pub z_score: Option<f64>,
    /// By how much volatility multiplies the odds of a cascade, 1..=10; 1 where volatility is unknown.
    pub multiplier: f64,
    /// Event time of the last tick.
    pub event_time_ms: EventTime,
}

/// What kind of market it is; what is not known is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegimeReading {
    /// The market regime: `volatility_regime`, one up if ILLIQUID, one down if DEEP.
    pub regime: Option<Regime>,
    /// By BTC's volatility alone.
    pub volatility_regime: Option<Regime>,
    /// How much is traded, against the day.
    pub liquidity: Option<Liquidity>,
    /// Which way the price has gone.
    pub trend: Option<Trend>,
    /// Event time of the state.
    pub event_time_ms: EventTime,
}
