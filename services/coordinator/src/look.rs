//! One look at the system a second: what stands on Redis, and what is to be thought of it.
//!
//! Heartbeats are found by going through all keys, every few seconds and at once where a service is missing; each look
//! reads those that are known. A look that takes too long is dropped: that is an answer, too.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cascade_bus::{Bus, BusError};
use cascade_domain::EventTime;
use cascade_service::{BoxError, Context, Metric, Shutdown};
use serde_json::Value;
use tokio::sync::{Notify, OnceCell, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::health::{Sight, unowned};
use crate::overview::{ENGINES, heartbeats};
use crate::past::Past;
use crate::{Config, Overview, Report};

/// How often it is looked, wall time.
const EVERY: Duration = Duration::from_secs(1);
/// How long one look may take, wall time: `/health` is to say within 3 s that Redis hangs.
const PATIENCE: Duration = Duration::from_millis(1500);
/// One that begins as Redis begins to hang, after one that was well.
const _: () = assert!(EVERY.as_millis() + PATIENCE.as_millis() < 3_000);
/// How often all keys are gone through for new heartbeats, wall time.
const SCAN: Duration = Duration::from_secs(5);

/// What only Redis tells.
const OF_REDIS: [Metric; 4] =
    [Metric::ServiceReplicas, Metric::RedisMemory, Metric::RedisMemoryLimit, Metric::ShardsUnowned];

/// What was seen, and what is to be thought of it.
#[derive(Clone, Debug)]
pub struct Look {
    /// Whether the system does its work.
    pub report: Report,
    /// All that stands there but the markets; `None` where Redis did not answer.
    pub overview: Option<Overview>,
    /// The same with the markets, once somebody has asked.
    full: OnceCell<Value>,
}

impl Look {
    /// A look at which nobody has asked for the markets yet.
    pub const fn new(report: Report, overview: Option<Overview>) -> Self {
        Self { report, overview, full: OnceCell::const_new() }
    }

    /// What `GET /status` says: the overview with the markets, which are read when the first asks, and shared by all who
    /// ask before the next look. `None` where Redis did not answer at the look.
    ///
    /// # Errors
    /// Redis does not tell the markets, or not in time.
    pub async fn status(&self, bus: &Bus) -> Result<Option<&Value>, BusError> {
        let Some(overview) = &self.overview else { return Ok(None) };
        let read = async {
            let full = timeout(PATIENCE, overview.clone().with_markets(bus)).await;
            full.unwrap_or(Err(BusError::Timeout(PATIENCE.as_millis()))).map(|full| full.json())
        };
        self.full.get_or_try_init(|| read).await.map(Some)
    }
}

/// The heartbeats that are known; whoever finds them, and whoever reads them, share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll {
    /// `None` = not looked for yet.
    keys: Arc<RwLock<Option<Vec<String>>>>,
    asked: Arc<Notify>,
}

impl Roll {
    fn keys(&self) -> Option<Vec<String>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds them until asked to stop.
    pub(crate) async fn keep(self, bus: Bus, shutdown: Shutdown) -> Result<(), BoxError> {
        while !shutdown.is_requested() {
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                found = heartbeats(&bus) => match found {
                    Ok(found) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(found),
                    Err(error) => tracing::debug!(%error, "heartbeats not looked for"),
                },
            }
            tokio::select! {
                () = shutdown.requested() => {}
                // Not more often than it is looked, whoever asks.
                () = async { sleep(EVERY).await; self.asked.notified().await } => {}
                () = sleep(SCAN) => {}
            }
        }
        Ok(())
    }
}

/// Who looks.
struct Looking {
    config: Arc<Config>,
    context: Context,
    bus: Bus,
    roll: Roll,
    started: EventTime,
    past: Past,
    /// Whether the last look was well; `None` = there was none.
    was_healthy: Option<bool>,
}

/// Looks once a second until asked to stop, and tells each look.
pub(crate) async fn run(
    config: Arc<Config>,
    context: Context,
    (bus, roll): (Bus, Roll),
    told: watch::Sender<Option<Arc<Look>>>,
    shutdown: Shutdown,
) -> Result<(), BoxError> {
    let started = context.clock.now();
    let mut looking =
        Looking { config, context, bus, roll, started, past: Past::default(), was_healthy: None };
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let look = tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(()),
            look = async { every.tick().await; looking.look().await } => look,
        };
        told.send_replace(Some(Arc::new(look)));
    }
}

impl Looking {
    async fn look(&mut self) -> Look {
        let overview = match timeout(PATIENCE, self.read()).await {
            Ok(overview) => overview.map_err(|error| error.to_string()),
            Err(_) => Err(BusError::Timeout(PATIENCE.as_millis()).to_string()),
        };
        let uptime = self.wall_since(self.started);
        self.past.see(overview.as_ref().ok(), uptime);
        let report = Report::of(&Sight {
            config: &self.config,
            overview: overview.as_ref().map_err(String::as_str),
            past: &self.past,
            uptime,
            at: self.context.clock.now(),
        });
        if report.services.values().any(|service| !service.healthy) {
            self.roll.asked.notify_one();
        }
        self.measure(&report, overview.as_ref().ok(), uptime);
        self.tell(&report);
        Look::new(report, overview.ok())
    }

    async fn read(&self) -> Result<Overview, BusError> {
        let heartbeats = loop {
            match self.roll.keys() {
                Some(keys) => break keys,
                None => sleep(Duration::from_millis(10)).await,
            }
        };
        Overview::look(&self.bus, &self.config.redis_url, &*self.context.clock, &heartbeats).await
    }

    fn wall_since(&self, then: EventTime) -> Duration {
        let ms = u64::try_from(self.context.clock.now().since(then)).unwrap_or_default();
        self.context.clock.wall(Duration::from_millis(ms))
    }

    fn measure(&self, report: &Report, overview: Option<&Overview>, uptime: Duration) {
        let metrics = &self.context.metrics;
        metrics.set(Metric::RedisUp, &[], flag(overview.is_some()));
        if overview.is_none() {
            // Another coordinator may know better: what this one saw last is no figure of now.
            for metric in OF_REDIS {
                metrics.forget(metric);
            }
        }
        for (name, service) in &report.services {
            metrics.set(Metric::ServiceUp, &[name], flag(service.healthy));
            if overview.is_some() {
                metrics.set(Metric::ServiceReplicas, &[name], f64::from(service.replicas));
            }
        }
        if let Some(server) = overview.and_then(|overview| overview.redis_server.as_ref()) {
            metrics.set(Metric::RedisMemory, &[], bytes(server.used_memory_bytes));
            metrics.set(Metric::RedisMemoryLimit, &[], bytes(server.max_memory_bytes.unwrap_or_default()));
        }
        if let Some(age) = self.past.tick_age(uptime) {
            metrics.set(Metric::TickAge, &[], age.as_secs_f64());
        }
        for (engine, service) in ENGINES {
            if !self.config.coordinator.services.iter().any(|expected| expected == service) {
                continue;
            }
            if let Some(age) = self.past.path_age(engine, uptime) {
                metrics.set(Metric::PathAge, &[engine], age.as_secs_f64());
            }
            if let Some(overview) = overview {
                let count = u32::try_from(unowned(engine, overview)).unwrap_or(u32::MAX);
                metrics.set(Metric::ShardsUnowned, &[engine], f64::from(count));
            }
        }
    }

    /// Says once that all is well, and once that it is not any more.
    fn tell(&mut self, report: &Report) {
        let was_healthy = self.was_healthy.replace(report.healthy);
        let why = || report.complaints().join("; ");
        match (was_healthy, report.healthy) {
            (Some(true), false) => tracing::warn!(why = why(), "the system does not do its work"),
            (None, false) => tracing::info!(why = why(), "the system does not do its work yet"),
            (None | Some(false), true) => tracing::info!("the system does its work"),
            (Some(true), true) | (Some(false), false) => {}
        }
    }
}

fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a size in bytes")]
fn bytes(count: u64) -> f64 {
    count as f64
}
