//! The heartbeat of a process: renewed every few seconds by a task that does nothing else, so that however busy the rest
//! is, it does not look dead; and taken back when the process goes. Knows no service.

use std::time::Duration;

use cascade_bus::Bus;
use cascade_wire::EngineBeat;

use crate::{BoxError, Context, Shutdown};

/// How often it is renewed, wall time.
const EVERY: Duration = Duration::from_secs(3);
/// The same after Redis did not take it.
const RETRY: Duration = Duration::from_secs(1);
/// How long it may take to say farewell, wall time.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Renews the heartbeat of a process without an engine until asked to stop; then takes it back.
///
/// # Errors
/// None: a Redis that is away is waited for.
pub async fn beat(bus: Bus, context: Context, shutdown: Shutdown) -> Result<(), BoxError> {
    beat_with(&bus, &context, || None, &shutdown).await;
    Ok(())
}

/// The same with what an engine has to say each time.
pub(crate) async fn beat_with(
    bus: &Bus,
    context: &Context,
    engine: impl Fn() -> Option<EngineBeat>,
    until: &Shutdown,
) {
    let beating = async {
        loop {
            let written = bus.write_readings(&[context.heartbeat(engine())]).await;
            if let Err(error) = &written {
                tracing::debug!(%error, "the heartbeat is not renewed");
            }
            tokio::time::sleep(if written.is_ok() { EVERY } else { RETRY }).await;
        }
    };
    tokio::select! {
        biased;
        () = until.requested() => {}
        () = beating => {}
    }
    let last = [context.farewell()];
    // A Redis that does not answer is not waited for.
    if !matches!(tokio::time::timeout(LAST_WORD, bus.write_readings(&last)).await, Ok(Ok(()))) {
        tracing::debug!("the last word is not told: the heartbeat runs out by itself");
    }
}
