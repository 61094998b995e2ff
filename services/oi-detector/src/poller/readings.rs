//! What people and the next owner look at: `poll:VENUE:health` of the venues that this process asks.
//!
//! Readiness is not decided here: a venue that does not answer is no fault of this process, which goes on with what the
//! other venues and the sockets tell. So no answer at all is logged, once, and told by `cascade_poll_up`, and keeps nobody from
//! being ready.

use std::time::Duration;

use cascade_bus::{Bus, Write};
use cascade_domain::{FeedStatus, Venue};
use cascade_service::{Context, Metric, Shutdown};
use cascade_wire::{PollReading, key};

use super::desk::Desk;
use super::intake::is_up;
use super::silence::{Said, Silence};

/// How often they are written, wall time.
const EVERY: Duration = Duration::from_secs(2);
/// How long they stand, seconds: whoever asks next learns from them what is missing, and for how long a venue wishes to be
/// left alone, which is a day at most.
const TTL_S: u32 = 86_400;

/// Writes them until asked to stop.
pub(crate) async fn run(bus: Bus, desk: Desk, context: Context, shutdown: Shutdown) {
    let mut silence = Silence::default();
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let now = context.clock.now();
        let shown = desk.shown(&context.instance, now);
        for (venue, told, round_s) in &shown {
            desk.metrics.set(Metric::PollUp, &[venue.as_str()], is_up(told.status));
            if let Some(round_s) = round_s {
                desk.metrics.set(Metric::PollRound, &[venue.as_str()], *round_s);
            }
        }
        match silence.judge(now, shown.iter().map(|(_, told, _)| told.status == FeedStatus::Live)) {
            Some(Said::Silent) => {
                let reason = |(venue, told, _): &(Venue, PollReading, _)| format!("{venue}: {}", told.reason);
                let reasons = shown.iter().map(reason).collect::<Vec<_>>().join("; ");
                tracing::warn!(reasons, "no venue that we ask for open interest answers");
            }
            Some(Said::Again) => tracing::info!("venues that we ask for open interest answer again"),
            None => {}
        }
        let writes: Vec<Write> = shown.iter().filter_map(|(venue, told, _)| reading(*venue, told)).collect();
        if writes.is_empty() {
            continue;
        }
        let written = tokio::select! {
            () = shutdown.requested() => return,
            written = bus.write_readings(&writes) => written,
        };
        if let Err(error) = written {
            tracing::debug!(%error, "how the venues answer is not told");
        }
    }
}

/// A venue's reading as it is written.
pub(crate) fn reading(venue: Venue, told: &PollReading) -> Option<Write> {
    let json = serde_json::to_string(told).ok()?;
    Some(Write::Json { key: key::poll_health(venue), json, ttl_s: TTL_S })
}
