//! Read-models and heartbeats: JSON strings that `redis-cli GET` shows (contract.md 4).

use std::collections::BTreeMap;

use cascade_domain::{EventTime, FeedStatus, ScoreReading, Symbol, Velocity, Windows};
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
