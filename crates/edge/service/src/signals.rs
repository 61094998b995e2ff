//! SIGTERM, SIGINT and SIGHUP (a terminal that closes), turned into the wish to stop.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::Shutdown;
use crate::supervisor::BoxError;

/// A task that asks for `shutdown` at the first SIGTERM, SIGINT or SIGHUP, or ends when `until` is asked for. A SIGHUP
/// that the process was started to ignore (`nohup`) stays ignored, where the system tells (Linux).
///
/// # Errors
/// The signals can't be listened to.
pub fn ask_on_signal(
    shutdown: Shutdown,
    until: Shutdown,
) -> io::Result<impl Future<Output = Result<(), BoxError>> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            Some(()) = async { hangup.as_mut()?.recv().await } => tracing::info!("SIGHUP: stopping"),
            () = until.requested() => {}
        }
        shutdown.request();
        Ok(())
    })
}

/// Whether this process was started with SIGHUP ignored: the lowest bit of `SigIgn`.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
