//! All that runs on a Redis, as the services themselves say it: what `GET /status` and `cascade status` show.
//!
//! Reads the heartbeats and read-models that the services write and believes them, as long as there is who writes them.
//! What is not known is absent; a key that can't be read is named and nothing more. Judges nothing and changes nothing.

mod dispatch;
mod engines;
mod feeds;
mod keys;
mod markets;
mod redis;
mod services;

use std::collections::BTreeMap;

use cascade_bus::{Bus, BusError, RedisUrl};
use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_wire::{FeedHealthReading, PollReading};
use serde::Serialize;
use serde_json::{Map, Value};

pub use dispatch::{Deliveries, Dispatch, mutes};
pub use engines::{ENGINES, EngineShards, Owner};
pub use redis::{Server, Ticks};
pub use services::Service;

pub(crate) use services::heartbeats;

/// Everything that is known at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// The Redis, without its secrets.
    pub redis: String,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_server: Option<Server>,
    /// Every heartbeat that stands, by service and instance.
    pub services: Vec<Service>,
    /// Who owns the shards of each engine that runs, by the engine's name in keys.
    pub engines: BTreeMap<String, EngineShards>,
    /// The newest tick in the streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticks: Option<Ticks>,
    /// The venues' feeds.
    pub feeds: BTreeMap<Venue, FeedHealthReading>,
    /// The venues that are asked over REST for their open interest.
    pub polls: BTreeMap<Venue, PollReading>,
    /// Destinations, deliveries, mutes.
    pub dispatch: Dispatch,
    /// Each symbol with its state, as it stands on Redis; absent = nobody asked for it.
    #[serde(rename = "velocity", skip_serializing_if = "Option::is_none")]
    pub markets: Option<BTreeMap<String, Map<String, Value>>>,
    /// Keys that could not be read, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, String>,
}

impl Overview {
    /// All that stands on this Redis. `clock` is the one of those who write there; another one makes only their own times
    /// look old.
    ///
    /// # Errors
    /// Redis is away, or can't be used.
    pub async fn read(bus: &Bus, redis: &RedisUrl, clock: &dyn Clock) -> Result<Self, BusError> {
        bus.ready().await?;
        let heartbeats = heartbeats(bus).await?;
        Self::look(bus, redis, clock, &heartbeats).await?.with_markets(bus).await
    }

    /// The same without the markets, and of these heartbeats alone: so that it can be read every second.
    pub(crate) async fn look(
        bus: &Bus,
        redis: &RedisUrl,
        clock: &dyn Clock,
        heartbeats: &[String],
    ) -> Result<Self, BusError> {
        let now = clock.now();
        let mut unreadable = BTreeMap::new();
        let redis_server = redis::server(bus, &mut unreadable).await?;
        let services = services::read(bus, heartbeats, &mut unreadable).await?;
        let engines = engines::read(bus, &services, clock).await?;
        let ticks = redis::ticks(bus, &mut unreadable).await?;
        let feeds = feeds::read(bus, &mut unreadable).await?;
        let polls = feeds::polls(bus, &services, now, &mut unreadable).await?;
        let dispatch = dispatch::read(bus, now, &mut unreadable).await?;
        let redis = redis.to_string();
        Ok(Self {
            redis,
            redis_server,
            services,
            engines,
            ticks,
            feeds,
            polls,
            dispatch,
            markets: None,
            unreadable,
        })
    }

    /// The same with the markets as they stand now.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn with_markets(mut self, bus: &Bus) -> Result<Self, BusError> {
        self.markets = Some(markets::read(bus, &mut self.unreadable).await?);
        Ok(self)
    }

    /// As programs read it; the keys of each object are in order.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
