//! The pump: runs an engine over the shards' streams on Redis.
//!
//! For each shard that is ours it reads entries in order, hands every event to that shard's engine, and puts what the
//! engine says out with one fenced script, so that a batch is out once or not at all. Read-models are written after
//! it. Knows no detector: the engine, and what is shown of it, are arguments.
//!
//! A shard is loaded from the beginning of its stream: the engine hears what Redis still holds, and what was told
//! before (up to the cursor) is not told again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::{Duration, Instant};

use cascade_bus::{Batch, Bus, BusError, Claim, Commit, Entry, StreamId, StreamReader, Write};
use cascade_domain::{Event, EventTime, Finding, Shard};
use cascade_engine::Engine;

use crate::{Context, Latency, Metric, Output, Shutdown, Stage, Throttle};

/// How long a lease holds without being renewed, wall time.
const LEASE_MS: u64 = 10_000;
/// How often leases are renewed and free shards taken, wall time.
const RENEW: Duration = Duration::from_secs(3);
/// How long a read waits for the first entry.
const BLOCK: Duration = Duration::from_millis(500);
/// How many entries of a shard one read takes.
const ENTRIES: usize = 500;
/// A cursor without findings is moved at most this often, wall time.
const IDLE_COMMIT: Duration = Duration::from_secs(2);
/// Read-models are written at most this often, wall time.
const SHOW: Duration = Duration::from_millis(200);
/// Between two tries while Redis does not answer, wall time.
const RETRY: Duration = Duration::from_millis(200);
/// Streams that are further ahead of the clock make the engines deaf, milliseconds.
const MOST_AHEAD_MS: i64 = 60_000;
/// How many refusals of one kind are logged in a minute of the clock; all are counted.
const LOGGED_A_MINUTE: u32 = 3;

/// What a service shows of its engine, and how it makes one.
pub trait Detector: Send + Debug {
    /// The engine.
    type Engine: Engine + Send;

    /// The engine's name in key names: `cascade`, `oi`.
    fn name(&self) -> &'static str;

    /// Version and configuration hash, as findings carry it.
    fn label(&self) -> &str;

    /// A cold engine for a shard.
    fn engine(&self, shard: Shard) -> Self::Engine;

    /// The read-models of a shard, now.
    fn readings(&self, engine: &Self::Engine) -> Vec<Write>;

    /// What a finding leaves in the history.
    fn history(&self, finding: &Finding) -> Option<Write>;
}

/// One shard that is ours.
#[derive(Debug)]
struct Loaded<E> {
    engine: E,
    epoch: u64,
    /// Up to where findings are out.
    cursor: StreamId,
    /// Up to where the stream is read.
    position: StreamId,
    last_commit: Instant,
    /// The newest tick that was read.
    last_tick: EventTime,
    /// What has been said since the cursor.
    said: Vec<Finding>,
    /// When the entries that led to it were taken, and to how many findings each led.
    taken: Vec<(Instant, u64)>,
}

/// An engine over the shards' streams.
#[derive(Debug)]
pub struct Pump<D: Detector> {
    detector: D,
    output: Output,
    context: Context,
    bus: Bus,
    claim: Claim,
    shards: BTreeMap<Shard, Loaded<D::Engine>>,
    throttle: Throttle,
}

#[expect(clippy::disallowed_methods, reason = "leases and idle commits are wall time, and this is `service`")]
fn wall() -> Instant {
    Instant::now()
}

impl<D: Detector> Pump<D> {
    /// A pump that owns nothing yet.
    pub fn new(detector: D, output: Output, context: Context, bus: Bus) -> Self {
        let owner = format!("{} {}", context.instance, detector.label());
        context.health.set("shards", Err("none taken yet".to_owned()));
        let claim = Claim { engine: detector.name().to_owned(), owner, ttl_ms: LEASE_MS };
        Self {
            detector,
            output,
            context,
            bus,
            claim,
            shards: BTreeMap::new(),
            throttle: Throttle::new(LOGGED_A_MINUTE, 60_000),
        }
    }

    /// Runs until asked to stop; then what was read is committed and the shards are given back.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut reader = self.bus.reader();
        let (mut renewed, mut shown) = (None::<Instant>, wall());
        while !shutdown.is_requested() {
            if renewed.is_none_or(|at| at.elapsed() >= RENEW) {
                if let Err(error) = self.renew().await {
                    tracing::warn!(%error, "leases not renewed");
                }
                self.beat().await;
                renewed = Some(wall());
            }
            let read = tokio::select! {
                biased;
                () = shutdown.requested() => break,
                read = self.read(&mut reader) => read,
            };
            match read {
                Ok(entries) => self.take(entries),
                Err(error) => {
                    self.warn(&error, "can't read the streams");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            self.commit(false, &shutdown).await;
            if shown.elapsed() >= SHOW {
                self.show().await;
                shown = wall();
            }
        }
        self.commit(true, &shutdown).await;
        let ours: Vec<_> = self.shards.keys().copied().collect();
        if let Err(error) = self.bus.release(&self.claim, &ours).await {
            tracing::warn!(%error, "leases run out by themselves");
        }
    }

    async fn read(&self, reader: &mut StreamReader) -> Result<Vec<(Shard, Vec<Entry>)>, BusError> {
        let positions = self.shards.iter().map(|(shard, loaded)| (*shard, loaded.position)).collect();
        reader.read(&positions, BLOCK, ENTRIES).await
    }

    /// Renews what is ours, takes what is free, and loads anew what was overtaken by trimming.
    async fn renew(&mut self) -> Result<(), BusError> {
        let held: Vec<_> = self.shards.iter().map(|(shard, loaded)| (*shard, loaded.epoch)).collect();
        for ((shard, _), ours) in held.iter().zip(self.bus.renew(&self.claim, &held).await?) {
            if !ours {
                self.give_up(*shard, "lease_lost");
            }
        }
        let all: Vec<_> = Shard::all().collect();
        let mut broken = BTreeSet::new();
        for (shard, oldest) in all.iter().zip(self.bus.oldest(&all).await?) {
            let position = self.shards.get(shard).map(|loaded| loaded.position);
            match oldest {
                Ok(Some(oldest)) if position.is_some_and(|at| at != StreamId::ZERO && oldest > at) => {
                    self.give_up(*shard, "trimmed");
                }
                Ok(_) => {}
                Err(error) => {
                    // Asked for together with the others, it would keep them all from being read.
                    tracing::warn!(%shard, %error, "no stream to read");
                    broken.insert(*shard);
                    if position.is_some() {
                        self.give_up(*shard, "unreadable");
                    }
                }
            }
        }
        let is_free = |shard: &Shard| !self.shards.contains_key(shard) && !broken.contains(shard);
        let free: Vec<_> = all.into_iter().filter(is_free).collect();
        for (shard, owned) in free.iter().zip(self.bus.take(&self.claim, &free).await?) {
            if let Some(owned) = owned {
                let loaded = Loaded {
                    engine: self.detector.engine(*shard),
                    epoch: owned.epoch,
                    cursor: owned.cursor.unwrap_or(StreamId::ZERO),
                    position: StreamId::ZERO,
                    last_commit: wall(),
                    last_tick: EventTime::default(),
                    said: Vec::new(),
                    taken: Vec::new(),
                };
                self.shards.insert(*shard, loaded);
            }
        }
        let state =
            if self.shards.is_empty() { Err("another replica owns every shard".to_owned()) } else { Ok(()) };
        self.context.health.set("shards", state);
        Ok(())
    }

    fn give_up(&mut self, shard: Shard, reason: &'static str) {
        tracing::warn!(%shard, reason, "shard given up; it is loaded anew when it is free");
        self.context.metrics.add(Metric::CommitRefused, &[reason], 1);
        self.shards.remove(&shard);
    }

    /// Hands what was read to the engines.
    fn take(&mut self, read: Vec<(Shard, Vec<Entry>)>) {
        for (shard, entries) in read {
            for entry in entries {
                self.take_entry(shard, &entry);
            }
        }
    }

    fn take_entry(&mut self, shard: Shard, entry: &Entry) {
        let events = entry.events().unwrap_or_else(|error| vec![Err(error)]);
        let Some(loaded) = self.shards.get_mut(&shard) else { return };
        let already_told = entry.id <= loaded.cursor;
        let known = loaded.said.len();
        let at = Latency::now();
        if !already_told {
            self.context.metrics.latency().taken(at, entry.id.ms, events.len() as u64);
        }
        for event in events {
            match event {
                Ok(event) => {
                    self.context.metrics.add(Metric::EngineEvents, &[event.kind()], 1);
                    if let Event::Tick(tick) = &event {
                        loaded.last_tick = loaded.last_tick.max(tick.event_time_ms);
                    }
                    if let Err(refused) = loaded.engine.take(&event, &mut loaded.said) {
                        self.context.metrics.add(Metric::EngineRefused, &[refused.as_str()], 1);
                    }
                }
                Err(error) => {
                    self.context.metrics.add(Metric::EntriesRefused, &[error.label()], 1);
                    if let Some(suppressed) = self.throttle.admit(error.label(), self.context.clock.now()) {
                        tracing::warn!(%shard, id = %entry.id, %error, suppressed, "refused");
                    }
                }
            }
        }
        if already_told {
            loaded.said.truncate(known);
        }
        if loaded.said.len() > known {
            loaded.taken.push((at, (loaded.said.len() - known) as u64));
        }
        loaded.position = entry.id;
    }

    /// Puts out what was said, and moves the cursors of silent shards now and then (`all`: now).
    async fn commit(&mut self, all: bool, shutdown: &Shutdown) {
        let mut batches = Vec::new();
        let now = self.context.clock.now();
        for (shard, loaded) in &mut self.shards {
            let moved = loaded.position > loaded.cursor;
            if moved && (all || !loaded.said.is_empty() || loaded.last_commit.elapsed() >= IDLE_COMMIT) {
                for finding in &mut loaded.said {
                    self.output.stamp(finding, now);
                }
                batches.push(batch(*shard, loaded, self.output));
            }
        }
        if batches.is_empty() {
            return;
        }
        let results = loop {
            match self.bus.commit_many(&self.claim.engine, &batches).await {
                Ok(results) => break results,
                Err(error) if shutdown.is_requested() => {
                    tracing::warn!(%error, "not committed; the next owner tells it");
                    return;
                }
                Err(error) => {
                    self.warn(&error, "Redis does not take findings; they wait");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        let mut history = Vec::new();
        for (batch, result) in batches.iter().zip(results) {
            match result {
                Ok(Commit::Done | Commit::AlreadyDone) => history.extend(self.committed(batch)),
                Ok(refused) => self.give_up(batch.shard, refused.label()),
                Err(error) if error.is_transient() => {
                    self.warn(&error, "Redis does not take findings; they wait");
                }
                Err(error) => {
                    tracing::warn!(shard = %batch.shard, %error, "Redis refuses a batch");
                    self.give_up(batch.shard, "error");
                }
            }
        }
        self.write(&history).await;
    }

    /// Warns of what is tried again and again, now and then.
    fn warn(&mut self, error: &BusError, what: &'static str) {
        if let Some(suppressed) = self.throttle.admit(what, self.context.clock.now()) {
            tracing::warn!(%error, suppressed, "{what}");
        }
    }

    /// What a committed batch leaves in metrics and history.
    fn committed(&mut self, batch: &Batch) -> Vec<Write> {
        let Some(loaded) = self.shards.get_mut(&batch.shard) else { return Vec::new() };
        loaded.cursor = batch.to;
        loaded.last_commit = wall();
        let said = std::mem::take(&mut loaded.said);
        let (answered, taken) = (Latency::now(), std::mem::take(&mut loaded.taken));
        let lasted = taken.into_iter().map(|(at, findings)| (answered.duration_since(at), findings));
        self.context.metrics.latency().record_each(Stage::Publish, answered, lasted);
        let now = self.context.clock.now();
        for finding in &said {
            self.context.metrics.add(Metric::Findings, &[finding.kind(), level(finding)], 1);
            #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
            let delay_s = now.since(finding.known_at()).max(0) as f64 / 1e3;
            self.context.metrics.record(Metric::Pipeline, &[], delay_s);
        }
        for (channel, _) in &batch.publish {
            self.context.metrics.add(Metric::Published, &[channel], 1);
        }
        said.iter().filter_map(|finding| self.detector.history(finding)).collect()
    }

    async fn show(&self) {
        let readings: Vec<_> =
            self.shards.values().flat_map(|loaded| self.detector.readings(&loaded.engine)).collect();
        self.write(&readings).await;
    }

    async fn write(&self, writes: &[Write]) {
        if writes.is_empty() {
            return;
        }
        if let Err(error) = self.bus.write_readings(writes).await {
            tracing::warn!(%error, "read-models not written");
        }
    }

    /// How far the newest tick lies behind the clock, in the shard where it lies furthest; negative if it lies ahead.
    /// Unknown before the first.
    fn lag_ms(&self) -> Option<i64> {
        let now = self.context.clock.now();
        let ticks = self.shards.values().map(|loaded| loaded.last_tick);
        ticks.filter(|tick| *tick > EventTime::default()).map(|tick| now.since(tick)).max()
    }

    async fn beat(&self) {
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
        self.context.health.set("time", time);
        let lag_ms = lag_ms.map(|lag_ms| lag_ms.max(0));
        #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
        if let Some(lag_ms) = lag_ms {
            self.context.metrics.set(Metric::ShardLag, &[], lag_ms as f64 / 1e3);
        }
        self.write(&[self.context.heartbeat(Some(self.shards.len() as u64), lag_ms)]).await;
    }
}

const fn level(finding: &Finding) -> &'static str {
    match finding {
        Finding::Cascade(finding) => finding.level.as_str(),
        Finding::LargeLiquidation(_) | Finding::Feed(_) => "",
    }
}

/// What a shard has said since its cursor, encoded for the script.
fn batch<E>(shard: Shard, loaded: &Loaded<E>, output: Output) -> Batch {
    let mut batch = Batch {
        shard,
        epoch: loaded.epoch,
        from: loaded.cursor,
        to: loaded.position,
        durable: Vec::new(),
        publish: Vec::new(),
    };
    for finding in &loaded.said {
        match output.encode(finding) {
            Ok(outgoing) => {
                batch.publish.extend(outgoing.publish);
                if finding.is_transition() {
                    batch.durable.push(outgoing.bytes);
                }
            }
            Err(error) => {
                tracing::error!(id = %finding.id(), %error, "a finding that can't be encoded is lost");
            }
        }
    }
    batch
}
