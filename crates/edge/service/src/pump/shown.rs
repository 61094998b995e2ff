//! What a pump shows beside the shards: read-models and histories.
//!
//! All of it is written by a task of its own, so that whoever reads the streams waits for none of it. Knows nothing of
//! leases and cursors.

use cascade_bus::{Bus, Write};
use cascade_domain::EventTime;
use tokio::sync::mpsc;

use super::{Detector, LOGGED_A_MINUTE, Pump};
use crate::{Context, Shutdown, Throttle};

/// How many writes may wait.
const WRITES: usize = 16;

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

    /// Notes how far it is, for the heartbeat.
    pub(super) fn note(&self) {
        let ticks = self.shards.values().map(|held| held.last_tick);
        self.pulse.note(self.shards.len(), ticks.filter(|tick| *tick > EventTime::default()).min());
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
