//! What people and the coordinator look at: `feed:VENUE:health`, the heartbeat, readiness.

use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_service::{BusCounts, Context, Shutdown};
use cascade_wire::{Heartbeat, key};

use crate::intake::Shared;

/// How often they are written, wall time.
const EVERY: Duration = Duration::from_secs(1);
/// How long `feed:VENUE:health` stands, seconds.
const FEED_TTL_S: u32 = 60;
/// How long a heartbeat stands, seconds.
const HEARTBEAT_TTL_S: u32 = 15;

/// Writes them every second until asked to stop.
pub(crate) async fn run(bus: Bus, shared: Shared, context: Context, shutdown: Shutdown) {
    let mut counts = BusCounts::default();
    loop {
        let written = bus.write_readings(&readings(&shared, &context)).await;
        context.health.set("redis", written.map_err(|error| error.to_string()));
        context.health.set("feeds", feeds(&shared));
        counts.fold(bus.stats(), &context.metrics);
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Ready as soon as one feed delivers: the others are told in every tick.
fn feeds(shared: &Shared) -> Result<(), String> {
    let feeds = shared.board(|board| board.feeds());
    if feeds.values().any(|status| status.delivers()) {
        return Ok(());
    }
    let states: Vec<_> = feeds.iter().map(|(venue, status)| format!("{venue} {}", status.as_str())).collect();
    Err(format!("no feed delivers: {}", states.join(", ")))
}

fn readings(shared: &Shared, context: &Context) -> Vec<Write> {
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    let mut writes: Vec<_> = shared
        .board(|board| board.readings())
        .into_iter()
        .map(|(venue, reading)| Write::Json {
            key: key::feed_health(venue),
            json: json(serde_json::to_string(&reading)),
            ttl_s: FEED_TTL_S,
        })
        .collect();
    let heartbeat = Heartbeat {
        version: context.version.to_owned(),
        uptime_s: context.metrics.uptime_s(),
        shards_owned: None,
        lag_ms: None,
    };
    writes.push(Write::Json {
        key: key::heartbeat(context.name, &context.instance),
        json: json(serde_json::to_string(&heartbeat)),
        ttl_s: HEARTBEAT_TTL_S,
    });
    writes
}
