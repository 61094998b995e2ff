//! Whether the Redis of a service is there and can serve us, in its health.

use std::future::Future;
use std::time::Duration;

use cascade_bus::{Bus, BusError};

use crate::{BoxError, Context, Metric, Shutdown};

/// How often it is asked, wall time.
const EVERY: Duration = Duration::from_secs(1);

/// Asks until `shutdown`, and says in the health condition `redis` what came back; until something does, that nothing
/// has. A Redis that is away is waited for.
///
/// # Errors
/// The first Redis that answered can't serve us, however long we wait: too old, or a replica.
pub fn watch_redis(
    bus: Bus,
    context: Context,
    shutdown: Shutdown,
) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
    context.health.set("redis", Err("not reached yet".to_owned()));
    watch(bus, context, shutdown)
}

/// Tells once that Redis is away, and once that it is back; gives whether it is there.
fn tell(context: &Context, was_there: bool, error: Option<&BusError>) -> bool {
    let service = context.name;
    match error {
        Some(error) if was_there => tracing::warn!(service, %error, "Redis is away: waited for"),
        None if !was_there => tracing::info!(service, "Redis is there"),
        _ => {}
    }
    error.is_none()
}

async fn watch(bus: Bus, context: Context, shutdown: Shutdown) -> Result<(), BoxError> {
    let (mut served, mut told, mut reconnects, mut errors) = (false, true, 0, 0);
    while !shutdown.is_requested() {
        let answer = tokio::select! {
            answer = bus.ready() => answer,
            () = shutdown.requested() => return Ok(()),
        };
        match answer {
            Err(error @ BusError::Unfit(_)) if !served => return Err(error.into()),
            answer => {
                served |= answer.is_ok();
                told = tell(&context, told, answer.as_ref().err());
                context.health.set("redis", answer.map_err(|error| error.to_string()));
            }
        }
        let stats = bus.stats();
        for (metric, now, counted) in [
            (Metric::RedisReconnects, stats.reconnects(), &mut reconnects),
            (Metric::RedisErrors, stats.errors(), &mut errors),
        ] {
            context.metrics.add(metric, &[], now.saturating_sub(*counted));
            *counted = now;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.requested() => {}
        }
    }
    Ok(())
}
