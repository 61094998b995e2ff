//! The pump: runs an engine over the shards' streams on Redis.
//!
//! For each shard that is ours it reads entries in order, hands every event to that shard's engine, and puts what the
//! engine says out with one fenced script, so that a batch is out once or not at all; the engine's snapshot goes with
//! it. Read-models are written after it. Knows no detector: the engine, and what is shown of it, are arguments.
//!
//! Replicas share the shards without talking to each other: each says on Redis that it lives, and works out alone
//! which shards are its own (`rank`). A shard changes hands when its owner gives its lease back, or when the lease runs
//! out; the next owner goes on from the snapshot, and what was told before (up to the cursor) is not told again.

mod held;
mod own;
mod pulse;
mod rank;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use cascade_bus::{Batch, Bus, BusError, Claim, Commit, Entry, StreamId, StreamReader, Write};
use cascade_domain::{Finding, Shard};
use cascade_engine::Engine;
use tokio::sync::mpsc;

use self::held::Held;
use self::pulse::Pulse;
use self::rank::Members;
use crate::beat::beat_with;
use crate::{Context, Latency, Metric, Output, Shutdown, Stage, Supervisor, Throttle, watch_redis};

/// How long a lease holds without being renewed, and a replica is believed to live, wall time.
const LEASE_MS: u64 = 10_000;
/// How often leases are renewed, and others are told that we live, wall time.
const RENEW: Duration = Duration::from_secs(3);
/// How often we look who lives, hand over what is not ours and take what is, wall time.
const LOOK: Duration = Duration::from_millis(400);
/// How long a read waits for the first entry.
const BLOCK: Duration = Duration::from_millis(200);
/// How many entries one read takes, over all shards: whoever is behind must not hold all of it at once.
const ENTRIES: usize = 8_000;
/// How many of each shard, at least and at most.
const ENTRIES_OF_ONE: RangeInclusive<usize> = 50..=500;
/// Findings that are put out together: more would hold up Redis, and everybody who waits for the first of them.
const MOST_SAID: usize = 1_000;
/// Every shard's stream has a tick a second: after so long without an entry, some may have been trimmed unread.
const HOLE_MS: u64 = 5_000;
/// What it may take to leave, wall time; half of what the service has to stop, where that is less.
const LEAVING: Duration = Duration::from_secs(5);
/// Between two tries while Redis does not answer, wall time.
const RETRY: Duration = Duration::from_millis(200);
/// How many refusals of one kind are logged in a minute of the clock; all are counted.
const LOGGED_A_MINUTE: u32 = 3;

/// What a service shows of its engine, and how it makes one.
pub trait Detector: Send + Sync + Debug {
    /// The engine.
    type Engine: Engine + Send + Sync;

    /// The engine's name in key names: `cascade`, `oi`.
    fn name(&self) -> &'static str;

    /// Version and configuration hash, as findings carry it.
    fn label(&self) -> &str;

    /// A cold engine for a shard.
    fn engine(&self, shard: Shard) -> Self::Engine;

    /// How old a shard's snapshot may grow, wall time, less what a commit may take. Whatever an episode changes has one
    /// of its own; this bounds what a new owner reads again, and so what the streams must keep.
    fn snapshot_every(&self) -> Duration;

    /// How often the read-models are written, wall time.
    fn show_every(&self) -> Duration;

    /// The read-models of a shard, now.
    fn readings(&self, engine: &Self::Engine) -> Vec<Write>;

    /// What a finding leaves in the history.
    fn history(&self, finding: &Finding) -> Option<Write>;
}

/// An engine over the shards' streams.
#[derive(Debug)]
pub struct Pump<D: Detector> {
    detector: D,
    output: Output,
    context: Context,
    bus: Bus,
    claim: Claim,
    shards: BTreeMap<Shard, Held<D::Engine>>,
    /// Shards of which something on Redis is of the wrong kind.
    broken: BTreeSet<Shard>,
    members: Members,
    /// Where what is written beside the shards goes; whoever runs the pump reads the other end.
    writes: mpsc::Sender<Vec<Write>>,
    /// What the heartbeat says.
    pulse: Pulse,
    /// Counts the reads.
    turn: usize,
    /// Engines that own shards, by version and configuration, as last seen.
    labels: BTreeSet<String>,
    throttle: Throttle,
}

#[expect(clippy::disallowed_methods, reason = "leases and idle commits are wall time, and this is `service`")]
fn wall() -> Instant {
    Instant::now()
}

/// When the pump last did what it does now and then.
#[derive(Debug, Default)]
struct Done {
    looked: Option<Instant>,
    renewed: Option<Instant>,
    shown: Option<Instant>,
}

/// What comes of something, or `None` if it was asked to stop so long before (wall time): then it is dropped.
async fn unless_stopped<T>(shutdown: &Shutdown, grace: Duration, act: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        shutdown.requested().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        done = act => Some(done),
        () = stopped => None,
    }
}

/// The name of a health condition of this engine: in one process two pumps may share their health.
fn condition(name: &str, detector: &impl Detector) -> String {
    format!("{name}:{}", detector.name())
}

/// Whether something that is done every `every` is due, and if so, notes that it is done now.
fn is_due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= every);
    if due {
        *last = Some(wall());
    }
    due
}

impl<D: Detector> Pump<D> {
    /// A pump that owns nothing yet.
    pub fn new(detector: D, output: Output, context: Context, bus: Bus) -> Self {
        let owner = format!("{} {}", context.instance, detector.label());
        context.health.set(&condition("shards", &detector), Err("none taken yet".to_owned()));
        let claim = Claim { engine: detector.name().to_owned(), owner, ttl_ms: LEASE_MS };
        let pulse = Pulse::new(&detector);
        Self {
            detector,
            output,
            context,
            bus,
            claim,
            shards: BTreeMap::new(),
            broken: BTreeSet::new(),
            members: Members::default(),
            writes: shown::queue().0,
            pulse,
            turn: 0,
            labels: BTreeSet::new(),
            throttle: Throttle::new(LOGGED_A_MINUTE, 60_000),
        }
    }

    /// The tasks of a service that is this pump: it, and who watches its Redis. Others may join them.
    pub fn supervised(self) -> Supervisor
    where
        D: 'static,
    {
        let mut supervisor = Supervisor::new(&self.context.shutdown, self.context.deadline);
        let shutdown = supervisor.shutdown();
        supervisor.spawn("redis", watch_redis(self.bus.clone(), self.context.clone(), shutdown.clone()));
        supervisor.spawn("pump", async move {
            self.run(shutdown).await;
            Ok(())
        });
        supervisor
    }

    /// Runs until asked to stop; then what was read is committed and the shards are given back.
    async fn run(mut self, shutdown: Shutdown) {
        let (queue, patience) = (self.written_later(), self.patience());
        let writer = shown::write_readings(self.bus.clone(), queue, self.context.clone(), shutdown.clone());
        let left = Shutdown::new();
        let (bus, context, pulse) = (self.bus.clone(), self.context.clone(), self.pulse.clone());
        let beating = beat_with(&bus, &context, || Some(pulse.beat(&context)), &left);
        let serving = async {
            self.serve(shutdown).await;
            left.request();
        };
        tokio::join!(serving, unless_stopped(&left, patience / 5, writer), beating);
    }

    /// What leaving may take in all, wall time. What is under way before has a tenth of it, and the last read-models after
    /// it a fifth: together well within what the service has to stop.
    fn patience(&self) -> Duration {
        LEAVING.min(self.context.deadline / 2)
    }

    async fn serve(mut self, shutdown: Shutdown) {
        let (mut reader, mut done, patience) = (self.bus.reader(), Done::default(), self.patience());
        while !shutdown.is_requested() {
            let turn = self.turn(&mut reader, &mut done, &shutdown);
            // Of what is dropped halfway nobody knows whether Redis did it: what was committed is committed again, with
            // the same cursors, and leases that we do not know of are given back, too.
            if unless_stopped(&shutdown, patience / 10, turn).await.is_none() {
                tracing::warn!("Redis does not answer; it is left so");
            }
        }
        if tokio::time::timeout(patience, self.leave(&shutdown)).await.is_err() {
            let within_s = patience.as_secs_f64();
            tracing::warn!(within_s, "not all was left in order: the next owner tells what we did not");
        }
    }

    /// Looks whose shards are whose, if it is time; reads once, hands over what came, and puts out what is said of it.
    async fn turn(&mut self, reader: &mut StreamReader, done: &mut Done, shutdown: &Shutdown) {
        if is_due(&mut done.looked, LOOK) {
            let renews = is_due(&mut done.renewed, RENEW);
            if let Err(error) = self.look(renews, shutdown).await {
                self.warn(&error, "can't tell whose shards are whose");
                done.renewed = None;
            }
        }
        self.note();
        let read = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            read = self.read(reader) => read,
        };
        match read {
            Ok(entries) => match self.find_holes(&entries).await {
                Ok(()) => self.take(entries, shutdown).await,
                // What may lie after a hole is read again.
                Err(error) => self.warn(&error, "can't tell whether the streams have holes"),
            },
            Err(error) => {
                self.warn(&error, "can't read the streams");
                return tokio::time::sleep(RETRY).await;
            }
        }
        self.commit(None, shutdown).await;
        if is_due(&mut done.shown, self.detector.show_every()) {
            self.show();
        }
    }

    async fn read(&self, reader: &mut StreamReader) -> Result<Vec<(Shard, Vec<Entry>)>, BusError> {
        let positions = self.shards.iter().map(|(shard, held)| (*shard, held.position)).collect();
        reader.read(&positions, BLOCK, self.entries_of_one()).await
    }

    /// How many entries of each shard a read takes.
    fn entries_of_one(&self) -> usize {
        let each = ENTRIES / self.shards.len().max(1);
        each.clamp(*ENTRIES_OF_ONE.start(), *ENTRIES_OF_ONE.end())
    }

    /// Finds out which of the shards that were read had entries trimmed away that we never saw: it may be so where we
    /// are far behind, or where nothing came for long.
    async fn find_holes(&mut self, read: &[(Shard, Vec<Entry>)]) -> Result<(), BusError> {
        let full = self.entries_of_one();
        let is_suspect = |(shard, entries): &&(Shard, Vec<Entry>)| {
            let Some((held, first)) = self.shards.get(shard).zip(entries.first()) else { return false };
            let after_long = first.id.ms > held.position.ms.saturating_add(HOLE_MS);
            held.is_resumed || held.position != StreamId::ZERO && (after_long || entries.len() == full)
        };
        let suspects: Vec<_> = read.iter().filter(is_suspect).map(|(shard, _)| *shard).collect();
        if suspects.is_empty() {
            return Ok(());
        }
        for (shard, oldest) in suspects.iter().zip(self.bus.oldest(&suspects).await?) {
            let oldest = oldest?;
            let Some(held) = self.shards.get_mut(shard) else { continue };
            held.is_resumed = false;
            if oldest.is_some_and(|oldest| oldest > held.position) {
                held.overtaken = true;
                self.context.metrics.add(Metric::Overtaken, &[self.detector.name()], 1);
                tracing::warn!(%shard, "the stream was trimmed before it was read: findings say `warming`");
            }
        }
        Ok(())
    }

    /// Hands what was read to the engines. Where they have much to say, it is put out in parts; where it takes long,
    /// the rest is read again later: leases must be renewed, and others may wait for our shards.
    async fn take(&mut self, mut read: Vec<(Shard, Vec<Entry>)>, shutdown: &Shutdown) {
        let (mut said, begun) = (0, wall());
        // Each time another shard comes first, so that none is always the rest.
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn.checked_rem(read.len()).unwrap_or(0);
        read.rotate_left(first);
        for (shard, entries) in read {
            for entry in entries {
                if begun.elapsed() >= LOOK || shutdown.is_requested() {
                    return;
                }
                said += self.take_entry(shard, &entry);
                if said >= MOST_SAID {
                    self.commit(None, shutdown).await;
                    said = 0;
                }
            }
        }
    }

    /// Hands an entry to its shard's engine; gives how much that had to say.
    fn take_entry(&mut self, shard: Shard, entry: &Entry) -> usize {
        let events = entry.events().unwrap_or_else(|error| vec![Err(error)]);
        let Some(held) = self.shards.get_mut(&shard) else { return 0 };
        let already_told = entry.id <= held.cursor;
        let known = held.said.len();
        let (at, engine) = (Latency::now(), self.detector.name());
        if !already_told {
            self.context.metrics.latency().taken(at, entry.id.ms, events.len() as u64);
        }
        for event in events {
            match event {
                Ok(event) => {
                    self.context.metrics.add(Metric::EngineEvents, &[engine, event.kind()], 1);
                    if let Err(refused) = held.take(&event) {
                        self.context.metrics.add(Metric::EngineRefused, &[engine, refused.as_str()], 1);
                    }
                }
                Err(error) => {
                    self.context.metrics.add(Metric::EntriesRefused, &[engine, error.label()], 1);
                    if let Some(suppressed) = self.throttle.admit(error.label(), self.context.clock.now()) {
                        tracing::warn!(%shard, id = %entry.id, %error, suppressed, "refused");
                    }
                }
            }
        }
        if already_told {
            held.said.truncate(known);
        }
        let said = held.said.len() - known;
        if said > 0 {
            held.taken.push((at, said as u64));
        }
        held.position = entry.id;
        said
    }

    /// Puts out what was said, and moves the cursors of silent shards now and then. `leaving`: only of these shards, all
    /// of it, and with their snapshots.
    async fn commit(&mut self, leaving: Option<&[Shard]>, shutdown: &Shutdown) {
        let mut batches = Vec::new();
        let now = self.context.clock.now();
        for (shard, held) in &mut self.shards {
            if leaving.is_none_or(|leaving| leaving.contains(shard)) && held.is_due(leaving.is_some()) {
                for finding in &mut held.said {
                    self.output.stamp(finding, now);
                }
                batches.push(held.batch(*shard, self.output, leaving.is_some()));
            }
        }
        if batches.is_empty() {
            return;
        }
        let results = loop {
            match self.bus.commit_many(&self.claim.engine, &batches).await {
                Ok(results) => break results,
                Err(error) if leaving.is_some() || shutdown.is_requested() => {
                    tracing::warn!(%error, "not committed; the next owner tells it");
                    return;
                }
                Err(error) => {
                    self.warn(&error, "Redis does not take findings; they wait");
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        let (mut history, mut refusals) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        for (batch, result) in batches.iter().zip(results) {
            match result {
                Ok(Commit::Done | Commit::AlreadyDone) => history.extend(self.committed(batch)),
                Ok(refused) => refusals.entry(refused.label()).or_default().push(batch.shard),
                Err(error) if error.is_transient() => {
                    self.warn(&error, "Redis does not take findings; they wait");
                }
                Err(error) => {
                    self.set_aside(batch.shard, &error);
                }
            }
        }
        for (reason, shards) in refusals {
            self.give_up(&shards, reason);
        }
        self.write(history).await;
    }

    /// Warns of what is tried again and again, now and then.
    fn warn(&mut self, error: &BusError, what: &'static str) {
        if let Some(suppressed) = self.throttle.admit(what, self.context.clock.now()) {
            tracing::warn!(%error, suppressed, "{what}");
        }
    }

    /// What a committed batch leaves in metrics and history.
    fn committed(&mut self, batch: &Batch) -> Vec<Write> {
        let Some(held) = self.shards.get_mut(&batch.shard) else { return Vec::new() };
        let (answered, taken) = (Latency::now(), std::mem::take(&mut held.taken));
        let lasted = taken.into_iter().map(|(at, findings)| (answered.duration_since(at), findings));
        self.context.metrics.latency().record_each(Stage::Publish, answered, lasted);
        let said = held.committed(batch);
        if let Some(state) = &batch.state {
            #[expect(clippy::cast_precision_loss, reason = "a size in bytes")]
            let bytes = state.len() as f64;
            let labels = [self.detector.name(), &batch.shard.to_string()];
            self.context.metrics.set(Metric::SnapshotBytes, &labels, bytes);
        }
        let now = self.context.clock.now();
        for finding in &said {
            self.context.metrics.add(Metric::Findings, &[finding.kind(), level(finding)], 1);
            #[expect(clippy::cast_precision_loss, reason = "a delay in milliseconds")]
            let delay_s = now.since(finding.known_at()).max(0) as f64 / 1e3;
            self.context.metrics.record(Metric::Pipeline, &[self.detector.name()], delay_s);
        }
        for (channel, _) in &batch.publish {
            self.context.metrics.add(Metric::Published, &[channel], 1);
        }
        said.iter().filter_map(|finding| self.detector.history(finding)).collect()
    }
}

const fn level(finding: &Finding) -> &'static str {
    match finding {
        Finding::Cascade(finding) => finding.level.as_str(),
        Finding::LargeLiquidation(_) | Finding::OpenInterest(_) | Finding::Feed(_) => "",
    }
}
