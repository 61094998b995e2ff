//! Read-models and heartbeats: JSON strings that `redis-cli GET` shows (contract.md 4).

use std::collections::BTreeMap;

use cascade_domain::{
    EventTime, FeedStatus, FundingReading, InterestChangeReading, InterestReading, Liquidity, PriceReading,
    Regime, RegimeReading, ScoreReading, Symbol, Trend, Velocity, VolatilityReading, Windows,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// `velocity:SYMBOL:current`.
pub fn velocity_json(state: &Velocity) -> Value {
    let mut map = Map::new();
    map.insert("symbol".into(), json!(state.symbol));
    map.insert("event_time_ms".into(), json!(state.event_time_ms));
    for (i, window) in Windows::<f64>::NAMES.iter().enumerate() {
        map.insert(format!("velocity_{window}"), json!(state.velocity.0[i]));
        map.insert(format!("usd_velocity_{window}"), json!(state.usd_velocity.0[i]));
        map.insert(format!("count_{window}"), json!(state.count.0[i]));
    }
    if let Some(acceleration) = state.acceleration {
        map.insert("acceleration".into(), json!(acceleration));
    }
    if let Some(jerk) = state.jerk {
        map.insert("jerk".into(), json!(jerk));
    }
    map.insert("risk_score".into(), json!(state.risk_score));
    map.insert("risk_level".into(), json!(state.risk_level));
    map.insert("usd_30s_long".into(), json!(state.usd_30s_long));
    map.insert("usd_30s_short".into(), json!(state.usd_30s_short));
    Value::Object(map)
}

/// `cascade:probability:SYMBOL`. `calibrated` is false until it is.
pub fn score_json(state: &ScoreReading) -> Value {
    json!({
        "symbol": state.symbol,
        "score": state.score,
        "level": state.level,
        "reasons": state.reasons,
        "calibrated": false,
        "event_time_ms": state.event_time_ms,
    })
}

/// `btc:price:current`.
pub fn btc_price_json(state: &PriceReading) -> Value {
    json!({ "price": state.price, "event_time_ms": state.event_time_ms })
}

/// `btc:volatility:current`.
pub fn btc_volatility_json(state: &VolatilityReading) -> Value {
    let mut map = Map::new();
    for (name, figure) in [
        ("vol_1m", state.vol_1m),
        ("vol_5m", state.vol_5m),
        ("vol_15m", state.vol_15m),
        ("vol_1h", state.vol_1h),
        ("percentile_24h", state.percentile_24h),
        ("z_score", state.z_score),
    ] {
        if let Some(figure) = figure {
            map.insert(name.into(), json!(figure));
        }
    }
    map.insert("multiplier".into(), json!(state.multiplier));
    map.insert("event_time_ms".into(), json!(state.event_time_ms));
    Value::Object(map)
}

/// `regime:current`.
pub fn regime_json(state: &RegimeReading) -> Value {
    let mut map = Map::new();
    for (name, word) in [
        ("regime", state.regime.map(Regime::as_str)),
        ("volatility_regime", state.volatility_regime.map(Regime::as_str)),
        ("liquidity", state.liquidity.map(Liquidity::as_str)),
        ("trend", state.trend.map(Trend::as_str)),
    ] {
        if let Some(word) = word {
            map.insert(name.into(), json!(word));
        }
    }
    map.insert("event_time_ms".into(), json!(state.event_time_ms));
    Value::Object(map)
}

/// `oi:SYMBOL:current`.
pub fn open_interest_json(state: &InterestReading) -> Value {
    json!(state)
}

/// `oi:SYMBOL:change`.
pub fn open_interest_change_json(state: &InterestChangeReading) -> Value {
    json!(state)
}

/// `funding:SYMBOL:current`.
pub fn funding_json(state: &FundingReading) -> Value {
    json!(state)
}

/// `poll:VENUE:health`: how the questions for a venue's open interest do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollReading {
    /// Its state: `live` while answers come, `stale` while they fail or tell nothing new, `refused` while the venue does
    /// not serve us or wants to be left alone.
    pub status: FeedStatus,
    /// Since when.
    pub since_ms: EventTime,
    /// When the last usable answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer_ms: Option<EventTime>,
    /// Up to when its samples stand in the streams: what is later is missing, whatever was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_to_ms: Option<EventTime>,
    /// Until when the venue is left alone, if it asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_until_ms: Option<EventTime>,
    /// How many instruments are asked for.
    pub instruments: u64,
    /// How long one round over all of them takes, milliseconds of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_ms: Option<i64>,
    /// Which instance asks.
    pub reader: String,
    /// When it wrote this.
    pub told_ms: EventTime,
    /// Why, in words; empty if there is nothing to say.
    pub reason: String,
}

/// One destination in `dispatch:destinations`. What it lacks is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DestinationReading {
    /// `telegram`, `discord`, `slack`, `webhook`, `stdout`, `file`.
    pub kind: String,
    /// Whether it takes messages.
    pub up: bool,
    /// Why it is off until it is configured anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Decisions made for it; the next five add up to that.
    pub produced: u64,
    /// Deliveries that the provider took.
    pub sent: u64,
    /// Deliveries decided against.
    pub suppressed: u64,
    /// Deliveries that were too old before they could be told.
    pub expired: u64,
    /// Deliveries that the provider refused for good.
    pub dead: u64,
    /// Deliveries that have not ended.
    pub open: u64,
    /// Messages whose answer was never seen.
    pub ambiguous: u64,
    /// When it took a message last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<EventTime>,
    /// What it said when it failed, if it has taken nothing since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `feed:VENUE:health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedHealthReading {
    /// The feed's state.
    pub status: FeedStatus,
    /// Since when.
    pub since_ms: EventTime,
    /// When the last frame came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame_ms: Option<EventTime>,
    /// When the last event came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_ms: Option<EventTime>,
    /// Until when everything is known that its connections carry: what came after may be missing if its reader ends
    /// now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_to_ms: Option<EventTime>,
    /// Whether every subscription of all its connections has been acknowledged or refused since it is read by this reader.
    #[serde(default)]
    pub settled: bool,
    /// The venue's clock against ours, milliseconds, positive if it is ahead: the least of what a minute's frames say,
    /// so that a slow frame does not make it look late. Their way here counts as being behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// Which instance reads it.
    #[serde(default)]
    pub reader: String,
    /// When its reader wrote this.
    #[serde(default)]
    pub told_ms: EventTime,
    /// Connections that ended since the service started.
    pub reconnects: u64,
    /// Liquidations read since the service started.
    pub liquidations: u64,
    /// Liquidations of the last minute by market, for those who judge whether another venue is suspiciously silent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub liquidations_60s: BTreeMap<Symbol, u32>,
    /// Why, in words; empty if there is nothing to say.
    pub reason: String,
}

/// `service:NAME:INSTANCE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The service's version.
    pub version: String,
    /// Since it started, wall time.
    pub uptime_s: u64,
    /// Why it is not ready to work; absent if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unready: Option<String>,
    /// What its engine does; absent for a service without one.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineBeat>,
}

/// What a service with an engine adds to its heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineBeat {
    /// The engine's version and configuration hash, as in its findings.
    #[serde(default)]
    pub engine: String,
    /// How many shards it owns.
    pub shards_owned: u64,
    /// How far it is behind the newest tick it could have handled, milliseconds of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: EventTime = EventTime::from_ms(1_791_565_601_000);

    #[test]
    fn what_is_known_of_btc_is_shown_and_what_is_not_is_absent() {
        let price = PriceReading { price: 82_340.1, event_time_ms: AT };
        assert_eq!(btc_price_json(&price).to_string(), r#"{"event_time_ms":1791565601000,"price":82340.1}"#);
        let mut volatility = VolatilityReading {
            vol_1m: Some(0.001),
            vol_5m: Some(0.002),
            vol_15m: Some(0.004),
            vol_1h: Some(0.008),
            percentile_24h: Some(92.5),
            z_score: Some(-1.5),
            multiplier: 1.44,
            event_time_ms: AT,
        };
        assert_eq!(
            btc_volatility_json(&volatility),
            json!({
                "vol_1m": 0.001, "vol_5m": 0.002, "vol_15m": 0.004, "vol_1h": 0.008, "percentile_24h": 92.5,
                "z_score": -1.5, "multiplier": 1.44, "event_time_ms": 1_791_565_601_000_i64,
            })
        );
        (volatility.vol_1h, volatility.percentile_24h, volatility.z_score) = (None, None, None);
        let shown = btc_volatility_json(&volatility);
        assert!(["vol_1h", "percentile_24h", "z_score"].iter().all(|key| shown.get(key).is_none()));
    }

    #[test]
    fn the_regime_is_shown_in_its_words() {
        let mut state = RegimeReading {
            regime: Some(Regime::Elevated),
            volatility_regime: Some(Regime::Normal),
            liquidity: Some(Liquidity::Illiquid),
            trend: Some(Trend::StrongDown),
            event_time_ms: AT,
        };
        assert_eq!(
            regime_json(&state),
            json!({
                "regime": "ELEVATED", "volatility_regime": "NORMAL", "liquidity": "ILLIQUID",
                "trend": "STRONG_DOWN", "event_time_ms": 1_791_565_601_000_i64,
            })
        );
        (state.regime, state.volatility_regime, state.liquidity, state.trend) = (None, None, None, None);
        assert_eq!(regime_json(&state), json!({ "event_time_ms": 1_791_565_601_000_i64 }));
    }
}
