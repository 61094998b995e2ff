//! What a pump's heartbeat says: how many shards it owns, and how far it is behind.
//!
//! The pump notes it each turn; the heartbeat is made by a task of its own, by the clock as it is then. So a pump that is
//! busy still beats, and one that hangs falls behind for all to see.

use std::sync::{Arc, Mutex, PoisonError};

use cascade_domain::EventTime;
use cascade_wire::EngineBeat;

use super::{Detector, condition};
use crate::{Context, Metric};

/// Streams that are further ahead of the clock make the engines deaf, milliseconds.
const MOST_AHEAD_MS: i64 = 60_000;

/// What is noted; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    engine: &'static str,
    label: String,
    time: String,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    shards: usize,
    /// The newest tick taken, in the shard where it is oldest; `None` before the first.
    tick: Option<EventTime>,
}

impl Pulse {
    pub(super) fn new(detector: &impl Detector) -> Self {
        Self {
            engine: detector.name(),
            label: detector.label().to_owned(),
            time: condition("time", detector),
            noted: Arc::default(),
        }
    }

    /// So many shards are owned, and this is the newest tick that all of them have taken.
    pub(super) fn note(&self, shards: usize, tick: Option<EventTime>) {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Noted { shards, tick };
    }

    /// What is to be said now.
    pub(super) fn beat(&self, context: &Context) -> EngineBeat {
        let Noted { shards, tick } = *self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        // Negative if the streams lie ahead of the clock.
        let lag_ms = tick.map(|tick| context.clock.now().since(tick));
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
        context.health.set(&self.time, time);
        let lag_ms = lag_ms.map(|lag_ms| lag_ms.max(0));
        #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
        if let Some(lag_ms) = lag_ms {
            context.metrics.set(Metric::ShardLag, &[self.engine], lag_ms as f64 / 1e3);
        }
        EngineBeat { engine: self.label.clone(), shards_owned: shards as u64, lag_ms }
    }
}
