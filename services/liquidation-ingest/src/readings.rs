//! What people, the coordinator and the other replicas look at: `feed:VENUE:health` of the venues that this process reads,
//! readiness; and what the others say of theirs.

use std::time::Duration;

use cascade_bus::{Bus, BusError, Write};
use cascade_service::{Context, Metric, Shutdown};
use cascade_wire::{FeedHealthReading, key};

use crate::intake::Shared;

/// How often they are written, in the clock's time; on the wall not more often than every 50 ms, nor less than every second.
const EVERY: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(50);
/// How long `feed:VENUE:health` stands, seconds.
pub(crate) const FEED_TTL_S: u32 = 60;

/// Writes them every second until asked to stop.
pub(crate) async fn run(bus: Bus, shared: Shared, context: Context, shutdown: Shutdown) {
    loop {
        context.health.set("feeds", feeds(&shared));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        shared.metrics.set(Metric::Queue, &[], shared.outbox.len() as f64);
        if let Err(error) = bus.write_readings(&readings(&shared, &context)).await {
            tracing::debug!(%error, "read-models not written");
        }
        if let Err(error) = listen(&bus, &shared).await {
            tracing::debug!(%error, "the other replicas' feeds are not known");
        }
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(context.clock.wall(EVERY).clamp(SHORTEST, EVERY)) => {}
        }
    }
}

/// Takes in what the readers of the other venues say.
async fn listen(bus: &Bus, shared: &Shared) -> Result<(), BusError> {
    let venues = shared.board(|board| board.foreign());
    let keys: Vec<_> = venues.iter().map(|venue| key::feed_health(*venue)).collect();
    let texts = if keys.is_empty() { Vec::new() } else { bus.get_many(&keys).await? };
    for (venue, text) in venues.into_iter().zip(texts) {
        if let Some(reading) = text.and_then(|text| serde_json::from_str(&text).ok()) {
            shared.board(|board| board.heard(venue, &reading));
        }
    }
    Ok(())
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
    shared
        .board(|board| board.readings(context.clock.now()))
        .into_iter()
        .map(|(venue, reading)| (venue, FeedHealthReading { reader: context.instance.clone(), ..reading }))
        .map(|(venue, reading)| Write::Json {
            key: key::feed_health(venue),
            json: json(serde_json::to_string(&reading)),
            ttl_s: FEED_TTL_S,
        })
        .collect()
}
