//! What people and the coordinator look at: `feed:VENUE:health`, the heartbeat, readiness.

use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_service::{Context, Metric, Shutdown};
use cascade_wire::key;

use crate::intake::Shared;

/// How often they are written, wall time.
const EVERY: Duration = Duration::from_secs(1);
/// How long `feed:VENUE:health` stands, seconds.
const FEED_TTL_S: u32 = 60;

/// Writes them every second until asked to stop.
pub(crate) async fn run(bus: Bus, shared: Shared, context: Context, shutdown: Shutdown) {
    loop {
        context.health.set("feeds", feeds(&shared));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        shared.metrics.set(Metric::Queue, &[], shared.outbox.len() as f64);
        if let Err(error) = bus.write_readings(&readings(&shared, &context)).await {
            tracing::debug!(%error, "read-models not written");
        }
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
    writes.push(context.heartbeat(None, None));
    writes
}
