//! SIGTERM and SIGINT, turned into the wish to stop.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::Shutdown;
use crate::supervisor::BoxError;

/// A task that asks for `shutdown` at the first SIGTERM or SIGINT, or ends when `until` is asked for.
///
/// # Errors
/// The signals can't be listened to.
pub fn ask_on_signal(
    shutdown: Shutdown,
    until: Shutdown,
) -> io::Result<impl Future<Output = Result<(), BoxError>> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            () = until.requested() => {}
        }
        shutdown.request();
        Ok(())
    })
}
