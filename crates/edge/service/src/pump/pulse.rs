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
        let (label, time) = (detector.label().to_owned(), condition("time", detector));
        Self { engine: detector.name(), label, time, noted: Arc::default() }
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
        let seconds = lag_ms.map_or(f64::NAN, |lag_ms| lag_ms as f64 / 1e3);
        // Not a number without a shard: the last figure would stand for ever.
        context.metrics.set(Metric::ShardLag, &[self.engine], seconds);
        EngineBeat { engine: self.label.clone(), shards_owned: shards as u64, lag_ms }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use cascade_pace::Clock;

    use super::*;
    use crate::{Health, Metrics, Routes, Shutdown, Traces};

    /// A clock that is set.
    #[derive(Debug)]
    struct Set(AtomicI64);

    impl Clock for Set {
        fn now_ns(&self) -> i64 {
            self.0.load(Ordering::SeqCst) * 1_000_000
        }

        fn wall(&self, of_clock: Duration) -> Duration {
            of_clock
        }
    }

    #[test]
    fn a_pump_that_notes_nothing_any_more_falls_behind_and_streams_ahead_of_the_clock_are_told() {
        let clock = Arc::new(Set(AtomicI64::new(100_000)));
        let context = Context {
            name: "test",
            version: "0",
            instance: "one".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            seed: 0,
            health: Health::new(),
            metrics: Metrics::new("test", "0"),
            routes: Routes::default(),
            traces: Traces::off(),
            shutdown: Shutdown::new(),
            deadline: Duration::from_secs(1),
        };
        let (label, time) = ("1+aa".to_owned(), "time:cascade".to_owned());
        let pulse = Pulse { engine: "cascade", label, time, noted: Arc::default() };
        let said = pulse.beat(&context);
        assert_eq!((said.shards_owned, said.lag_ms), (0, None), "no tick was taken yet");
        pulse.note(64, Some(EventTime::from_ms(99_000)));
        let said = pulse.beat(&context);
        assert_eq!((said.engine.as_str(), said.shards_owned, said.lag_ms), ("1+aa", 64, Some(1_000)));
        clock.0.store(130_000, Ordering::SeqCst);
        assert_eq!(pulse.beat(&context).lag_ms, Some(31_000), "it hangs, and all can see it");
        assert!(context.health.readiness().is_ready());
        pulse.note(64, Some(EventTime::from_ms(200_000)));
        assert_eq!(pulse.beat(&context).lag_ms, Some(0));
        let unready = context.health.readiness().unready().unwrap_or_default();
        assert!(unready.starts_with("time:cascade: the streams are 70 s ahead"), "{unready}");
    }
}
