//! What Redis says of itself, and how old the newest tick in its streams is.

use std::time::Duration;

use cascade_bus::{Bus, BusError, Facts};
use cascade_domain::{EventTime, Shard};
use cascade_wire::key;
use serde::Serialize;

use super::keys::{Unreadable, or_named};

/// What decides whether a Redis can serve us; of a cluster the worst that one of its masters says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Its version.
    pub version: String,
    /// `master` or `slave`.
    pub role: String,
    /// Memory in use, bytes.
    pub used_memory_bytes: u64,
    /// At how much it refuses writes, bytes; absent = it has no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_bytes: Option<u64>,
    /// What it does at the limit.
    pub memory_policy: String,
    /// Whether every write goes to a file.
    pub append_only: bool,
    /// Since it started, wall time; of a cluster the master that started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_s: Option<u64>,
    /// Whether it could not save last time, and may refuse writes for it.
    pub save_failed: bool,
}

impl From<Facts> for Server {
    fn from(facts: Facts) -> Self {
        Self {
            version: facts.version,
            role: facts.role,
            used_memory_bytes: facts.used_memory,
            max_memory_bytes: facts.max_memory,
            memory_policy: facts.memory_policy,
            append_only: facts.is_append_only,
            uptime_s: facts.uptime_s,
            save_failed: facts.save_failed,
        }
    }
}

/// The newest tick: each is written into every shard's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ticks {
    /// Its time, by the clock of who wrote it.
    pub newest_ms: EventTime,
    /// How long ago it was stored, milliseconds of wall time by Redis' clock.
    pub age_ms: u64,
}

/// What the server says; absent where it does not let us ask.
pub(super) async fn server(bus: &Bus, unreadable: &mut Unreadable) -> Result<Option<Server>, BusError> {
    Ok(or_named("INFO", bus.facts().await, unreadable)?.map(Server::from))
}

/// The newest tick; absent where there is none.
pub(super) async fn ticks(bus: &Bus, unreadable: &mut Unreadable) -> Result<Option<Ticks>, BusError> {
    let stream = Shard::all().next().map(key::market).unwrap_or_default();
    let last = or_named(&stream, bus.last_tick().await, unreadable)?.flatten();
    let ms = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Ok(last.map(|tick| Ticks { newest_ms: tick.time, age_ms: ms(tick.age) }))
}
