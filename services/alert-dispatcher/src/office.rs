//! What all tasks of the dispatcher share: Redis, the clock, where is counted, who is woken, and how destinations do.
//!
//! Decides nothing and sends nothing.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, BusError};
use cascade_domain::EventTime;
use cascade_pace::Clock;
use cascade_service::{Context, Metrics, Shutdown, SystemClock};
use tokio::sync::watch;

use crate::desk::Desk;

/// How long a Redis that errs is left alone, wall time.
pub(crate) const RETRY: Duration = Duration::from_millis(200);

/// How long what stands for ever stands, seconds: ten years.
pub(crate) const FOR_EVER_S: u32 = 315_360_000;

/// What all tasks share; clones are of one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Office {
    pub(crate) context: Context,
    pub(crate) bus: Bus,
    pub(crate) desk: Desk,
    wake: Arc<watch::Sender<()>>,
    wall: Arc<SystemClock>,
    run: Arc<str>,
}

impl Office {
    pub(crate) fn new(context: Context, bus: Bus, desk: Desk) -> Self {
        let wall = Arc::new(SystemClock::new());
        let run = format!("{}:{:x}", context.instance, wall.now_ns()).into();
        Self { context, bus, desk, wake: Arc::new(watch::Sender::new(())), wall, run }
    }

    /// Now, by the dispatchers' clock.
    pub(crate) fn now(&self) -> EventTime {
        self.context.clock.now()
    }

    /// Now, as the rest of the world has it: what providers are told.
    pub(crate) fn wall(&self) -> EventTime {
        self.wall.now()
    }

    /// Names this run of this process among all: an instance of the same name may have claimed and written before.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// Something was decided: senders look at once.
    pub(crate) fn wake(&self) {
        self.wake.send_replace(());
    }

    /// Hears of every wake from now on.
    pub(crate) fn sleeper(&self) -> Sleeper {
        Sleeper(self.wake.subscribe())
    }

    /// How long on the wall it is until this time of the clock; zero if it has come.
    pub(crate) fn wall_until(&self, time: EventTime) -> Duration {
        let ms = u64::try_from(time.since(self.now())).unwrap_or(0);
        self.context.clock.wall(Duration::from_millis(ms))
    }
}

/// How long at least a time on the wall is of a clock that runs faster than it; zero where the clock is the wall's own.
pub(crate) fn of_fast(clock: &dyn Clock, wall: Duration) -> Duration {
    let passed = clock.wall(wall);
    if passed.is_zero() || passed >= wall {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(wall.as_secs_f64() * wall.div_duration_f64(passed)).unwrap_or(Duration::MAX)
}

/// Waits for something to do.
#[derive(Debug)]
pub(crate) struct Sleeper(watch::Receiver<()>);

impl Sleeper {
    /// Waits until woken, or for so long (wall time), or until asked to stop.
    pub(crate) async fn sleep(&mut self, longest: Duration, shutdown: &Shutdown) {
        tokio::select! {
            woken = self.0.changed() => {
                if woken.is_err() {
                    // Nobody is left to wake us: the end is near.
                    shutdown.requested().await;
                }
            }
            () = tokio::time::sleep(longest) => {}
            () = shutdown.requested() => {}
        }
    }
}

/// A failure of Redis: it is in its health and counted there; here it is told for who looks closely.
pub(crate) fn missed(what: &'static str, error: &BusError) {
    tracing::debug!(%error, what, "tried again");
}

/// Waits for so long (wall time); `false` = asked to stop.
pub(crate) async fn pause(longest: Duration, shutdown: &Shutdown) -> bool {
    tokio::select! {
        () = tokio::time::sleep(longest) => true,
        () = shutdown.requested() => false,
    }
}
