//! The mark on a Redis into which simulated exchanges are played: set while a demo runs, looked out for by what is live.
//!
//! Both on one Redis would make findings of a market that never was. Knows nothing of what is played.

use std::time::Duration;

use cascade_bus::{Bus, BusError, Write};
use cascade_wire::key;
use serde_json::json;

use crate::{BoxError, Context, Shutdown, Simulated};

/// How often the mark is set or looked for, wall time.
const EVERY: Duration = Duration::from_secs(15);
/// How long it stands once the demo has ended, seconds: longer than what the demo wrote can be read from the streams.
const STANDS_S: u32 = 900;
/// A tick of the last so many milliseconds says that somebody reads exchanges at present.
const AT_PRESENT_MS: i64 = 60_000;
/// The name of the condition that does not hold while what is live shares its Redis with a demo.
const CONDITION: &str = "demo";

/// Where exchanges are simulated, marks this Redis as a demo's, and warns if it is not one's alone; else looks out for
/// such a mark, and is not ready while there is one. Until `shutdown`; a Redis that is away is waited for.
///
/// # Errors
/// None: the type is a task's.
pub async fn watch_demo(
    bus: Bus,
    simulated: Simulated,
    context: Context,
    shutdown: Shutdown,
) -> Result<(), BoxError> {
    let watching = async {
        let mut found = None;
        loop {
            let looked = match simulated.url() {
                Some(url) => mark(&bus, url, &context, &mut found).await,
                None => look_out(&bus, &context, &mut found).await,
            };
            if let Err(error) = looked {
                tracing::debug!(%error, "whether a demo uses this Redis is not known");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = shutdown.requested() => {}
    }
    Ok(())
}

/// Marks it. Before the first time, looks at who uses it.
async fn mark(bus: &Bus, url: &str, context: &Context, found: &mut Option<String>) -> Result<(), BusError> {
    if found.is_none() {
        let (mark, tick) = (bus.get(key::DEMO).await?, bus.newest_tick().await?);
        let now = context.clock.now();
        if mark.is_none() && tick.is_some_and(|tick| now.since(tick) < AT_PRESENT_MS) {
            let service = context.name;
            tracing::warn!(
                service,
                "DEMO: this Redis holds what is read from real exchanges at present: end what is live, or give the demo a \
                 Redis of its own (CASCADE_REDIS__URL)"
            );
        }
        *found = Some(mark.unwrap_or_default());
    }
    let json = json!({"simulator": url}).to_string();
    bus.write_readings(&[Write::Json { key: key::DEMO.to_owned(), json, ttl_s: STANDS_S }]).await
}

/// Says in health and log whether a demo has been played into this Redis.
async fn look_out(bus: &Bus, context: &Context, found: &mut Option<String>) -> Result<(), BusError> {
    let mark = bus.get(key::DEMO).await?;
    if mark == *found {
        return Ok(());
    }
    let service = context.name;
    if let Some(mark) = &mark {
        let reason = format!(
            "this Redis is a demo's, or was minutes ago ({mark}): what is found in it may be of no market; use another, \
             or end the demo and empty this one (redis-cli FLUSHALL)"
        );
        tracing::error!(service, "{reason}");
        context.health.set(CONDITION, Err(reason));
    } else {
        tracing::info!(service, "the mark of a demo is gone from this Redis");
        context.health.set(CONDITION, Ok(()));
    }
    *found = mark;
    Ok(())
}
