//! What a pump shows beside the shards: read-models, histories, its heartbeat and how far it is behind.
//!
//! All of it is written by a task of its own, so that whoever reads the streams waits for none of it. Knows nothing of
//! leases and cursors.

use cascade_bus::{Bus, Write};
use cascade_domain::EventTime;
use cascade_wire::EngineBeat;
use tokio::sync::mpsc;

use super::{Detector, LOGGED_A_MINUTE, Pump, condition};
use crate::{Context, Metric, Shutdown, Throttle};

/// How many writes may wait.
const WRITES: usize = 16;
/// Streams that are further ahead of the clock make the engines deaf, milliseconds.
const MOST_AHEAD_MS: i64 = 60_000;

/// Where writes wait.
pub(super) fn queue() -> (mpsc::Sender<Vec<Write>>, mpsc::Receiver<Vec<Write>>) {
    mpsc::channel(WRITES)
}

impl<D: Detector> Pump<D> {
    /// What this pump has to write beside the shards, from now on: whoever reads waits for none of it.
    pub(super) fn written_later(&mut self) -> mpsc::Receiver<Vec<Write>> {
        let (writes, queue) = queue();
        self.writes = writes;
        queue
    }

    /// Has the read-models written as they are now; while older ones wait, these are skipped.
    pub(super) fn show(&self) {
        if self.writes.capacity() == WRITES {
            let readings =
                self.shards.values().flat_map(|held| self.detector.readings(&held.engine)).collect();
            self.writes.try_send(readings).ok();
        }
    }

    pub(super) async fn write(&self, writes: Vec<Write>) {
        if !writes.is_empty() {
            self.writes.send(writes).await.ok();
        }
    }

    /// How far the newest tick lies behind the clock, in the shard where it lies furthest; negative if it lies ahead.
    /// Unknown before the first.
    fn lag_ms(&self) -> Option<i64> {
        let now = self.context.clock.now();
        let ticks = self.shards.values().map(|held| held.last_tick);
        ticks.filter(|tick| *tick > EventTime::default()).map(|tick| now.since(tick)).max()
    }

    pub(super) async fn beat(&self) {
        let lag_ms = self.lag_ms();
        let ahead = lag_ms.filter(|lag_ms| *lag_ms < -MOST_AHEAD_MS).map(|lag_ms| -lag_ms / 1000);
        let time = ahead.map_or(Ok(()), |ahead_s| {
            Err(format!(
                "the streams are {ahead_s} s ahead of this clock: until it gets there every tick is refused as old; \
                 another clock wrote them (a demo at speed?)"
            ))
        });
        if let Err(reason) = &time {
            tracing::warn!(reason, "deaf");
        }
        self.context.health.set(&condition("time", &self.detector), time);
        let lag_ms = lag_ms.map(|lag_ms| lag_ms.max(0));
        #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
        if let Some(lag_ms) = lag_ms {
            self.context.metrics.set(Metric::ShardLag, &[self.detector.name()], lag_ms as f64 / 1e3);
        }
        let shards_owned = self.shards.len() as u64;
        let engine = EngineBeat { engine: self.detector.label().to_owned(), shards_owned, lag_ms };
        self.write(vec![self.context.heartbeat(Some(engine))]).await;
    }
}

/// Writes read-models and histories as they come, until nobody has any more; or, when it is time to stop, until Redis
/// does not take them.
pub(super) async fn write_readings(
    bus: Bus,
    mut queue: mpsc::Receiver<Vec<Write>>,
    of: Context,
    shutdown: Shutdown,
) {
    let mut throttle = Throttle::new(LOGGED_A_MINUTE, 60_000);
    while let Some(writes) = queue.recv().await {
        if let Err(error) = bus.write_readings(&writes).await {
            if let Some(suppressed) = throttle.admit("not_written", of.clock.now()) {
                tracing::warn!(%error, suppressed, "read-models not written");
            }
            if shutdown.is_requested() {
                return;
            }
        }
    }
}
