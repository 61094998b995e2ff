//! The one tick a second that all shards hear, from the ingest that holds the lease; and the judging of the feeds
//! that goes into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cascade_bus::Bus;
use cascade_domain::{Event, EventTime, Tick};
use cascade_pace::Clock;
use cascade_service::{Lease, Metric, Shutdown};
use cascade_wire::key;

use crate::intake::Shared;

/// Further behind than this, a tick is left out instead of being told late.
const MOST_BEHIND_MS: i64 = 5_000;

/// Whether this process writes the ticks.
pub(crate) type Leading = Arc<AtomicBool>;

/// How often the lease is asked for by who has not got it, wall time.
const ASK: Duration = Duration::from_secs(1);

/// Holds the lease while it can; lets it go at the end. While Redis is away nothing changes: the ticks wait in the
/// queue among the events whose time they tell. Should somebody else have led meanwhile, his ticks make ours old.
pub(crate) async fn lead(bus: Bus, owner: String, leading: Leading, shutdown: Shutdown) {
    let lease = Lease::new(bus, key::TICK_LEASE.to_owned(), owner);
    while lease.take(|| ASK, &shutdown).await {
        tracing::info!("writing the ticks from now on");
        leading.store(true, Ordering::Relaxed);
        lease.keep(&shutdown).await;
        leading.store(false, Ordering::Relaxed);
        if shutdown.is_requested() {
            return lease.let_go().await;
        }
    }
}

/// Judges the feeds every second of the clock, tells what changed, and writes the tick if this process leads.
pub(crate) async fn run(clock: Arc<dyn Clock>, shared: Shared, leading: Leading, shutdown: Shutdown) {
    let mut next = clock.now().second().plus_ms(1000);
    loop {
        let wait_ms = u64::try_from(next.since(clock.now())).unwrap_or(0);
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(clock.wall(Duration::from_millis(wait_ms))) => {}
        }
        let now = clock.now();
        if now.since(next) > MOST_BEHIND_MS {
            next = now.second();
        }
        judge(&shared, now);
        if leading.load(Ordering::Relaxed) {
            shared.push(Event::Tick(tick(&shared, next)));
            shared.metrics.add(Metric::Ticks, &[], 1);
            #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
            shared.metrics.set(Metric::TickLag, &[], now.since(next) as f64 / 1e3);
        } else {
            shared.metrics.forget(Metric::TickLag);
        }
        next = next.plus_ms(1000);
    }
}

/// Judges the feeds as of now, and tells what changed.
pub(crate) fn judge(shared: &Shared, now: EventTime) {
    for change in shared.board(|board| board.judge(now)) {
        let (venue, status) = (change.venue.as_str(), change.status);
        tracing::info!(venue, status = status.as_str(), reason = change.reason, "feed");
        shared.push(Event::FeedHealth(change));
    }
    for (venue, status) in shared.board(|board| board.feeds()) {
        shared.metrics.set(Metric::FeedUp, &[venue.as_str()], f64::from(u8::from(status.delivers())));
    }
    for (venue, offset_ms) in shared.board(|board| board.clock_offsets().collect::<Vec<_>>()) {
        #[expect(clippy::cast_precision_loss, reason = "an offset in milliseconds")]
        let offset_s = offset_ms.map_or(f64::NAN, |offset_ms| offset_ms as f64 / 1e3);
        shared.metrics.set(Metric::ClockOffset, &[venue.as_str()], offset_s);
    }
}

/// The tick of a second.
pub(crate) fn tick(shared: &Shared, at: EventTime) -> Tick {
    shared.board(|board| {
        let (btc_price, btc_venues_changed) = board.btc_price(at);
        Tick {
            event_time_ms: at,
            btc_price,
            btc_usd_volume_1s: board.bitcoin.usd_1s(at),
            btc_venues_changed,
            feeds: board.feeds(),
        }
    })
}
