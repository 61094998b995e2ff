//! How the bus waits, retries and bounds its queues; and what it counts. All durations are wall time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cascade_pace::Backoff;

/// How the bus waits, retries and bounds. The defaults fit a Redis in the same data centre.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// A command that has no answer after this long has failed.
    pub response_timeout: Duration,
    /// An attempt to connect that is not through after this long has failed.
    pub connect_timeout: Duration,
    /// The longest wait between two attempts to connect. There is no last attempt.
    pub longest_wait: Duration,
    /// How often a subscriber publishes to itself; two unheard probes and it connects anew.
    pub probe_interval: Duration,
    /// How many messages a subscriber holds for a slow consumer before it drops the newest, counted.
    pub subscriber_queue: usize,
    /// How long and how many findings `{sNN}:alerts` keeps.
    pub alerts: StreamBounds,
    /// This process's own name, part of its probe channels.
    pub instance: String,
    /// Decides the jitter of waits; different in each process.
    pub seed: u64,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(2),
            longest_wait: Duration::from_secs(2),
            probe_interval: Duration::from_secs(5),
            subscriber_queue: 4096,
            alerts: StreamBounds { max_age_s: 86_400, max_len: 20_000, for_snapshots_s: 0 },
            instance: "unnamed".to_owned(),
            seed: 0,
        }
    }
}

impl BusSettings {
    const SHORTEST_WAIT: Duration = Duration::from_millis(50);

    pub(crate) fn backoff(&self) -> Backoffs {
        let longest = self.longest_wait.max(Self::SHORTEST_WAIT);
        let growing = Backoff::try_new(Self::SHORTEST_WAIT, longest, HEALTHY_AFTER, self.seed).ok();
        Backoffs { growing, longest }
    }
}

const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// The waits between attempts to connect. Nothing here reads a clock, so health is not a minute but an answer: a
/// connection that answered starts the waits over, one that never did makes them longer.
#[derive(Clone, Debug)]
pub(crate) struct Backoffs {
    growing: Option<Backoff>,
    longest: Duration,
}

impl Backoffs {
    pub(crate) fn after(&mut self, was_healthy: bool) -> Duration {
        let held = if was_healthy { HEALTHY_AFTER } else { Duration::ZERO };
        self.growing.as_mut().map_or(self.longest, |backoff| backoff.after(held))
    }
}

/// How much of a stream is kept. Both bounds are rounded up by Redis to whole nodes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamBounds {
    /// Entries older than this, by Redis' clock, may go. Seconds.
    pub max_age_s: u32,
    /// Beyond so many entries the oldest may go.
    pub max_len: u32,
    /// For so much longer entries stay that an engine's snapshot does not know yet, if it kept one within that time.
    /// Seconds.
    pub for_snapshots_s: u32,
}

impl StreamBounds {
    pub(crate) fn max_age_ms(self) -> u64 {
        u64::from(self.max_age_s) * 1000
    }
}

/// What the bus counts, over all of its connections.
#[derive(Debug, Default)]
pub struct BusStats {
    reconnects: AtomicU64,
    errors: AtomicU64,
}

impl BusStats {
    /// How often a connection was made again after one was lost.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// How many commands, reads and attempts to connect failed.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}
