//! One shard that is ours: its engine, how far it has heard, and what it has said that is not out yet.
//!
//! Where it starts: at the engine's last snapshot, or, where there is none that can be read, at the beginning of its
//! stream with a cold engine. What is said of entries up to the cursor is out already and dropped.

use std::time::{Duration, Instant};

use cascade_bus::{Batch, Owned, StreamId};
use cascade_domain::{Event, EventTime, Finding, Gap, GapStream, Shard, State, Venue};
use cascade_engine::{Engine, Refused};
use cascade_wire::{WireError, decode_state, encode_state};

use super::wall;
use crate::Output;

/// Where there is none yet, the first is kept within so long, wall time: until then who begins at it begins cold.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(10);
/// After a change of an episode a new one is kept, but not so soon after the last.
const SNAPSHOT_AT_LEAST: Duration = Duration::from_secs(1);
/// A cursor without findings is moved at most this often, wall time.
const IDLE_COMMIT: Duration = Duration::from_secs(2);

/// One shard that is ours.
#[derive(Debug)]
pub(super) struct Held<E> {
    pub(super) engine: E,
    pub(super) epoch: u64,
    /// Up to where findings are out.
    pub(super) cursor: StreamId,
    /// Up to where the stream is read.
    pub(super) position: StreamId,
    /// The newest tick that was read.
    pub(super) last_tick: EventTime,
    /// Nothing was read yet after the snapshot.
    pub(super) is_resumed: bool,
    /// Entries after our position were gone before we read them, and the engine does not know it yet.
    pub(super) overtaken: bool,
    /// What has been said since the cursor.
    pub(super) said: Vec<Finding>,
    /// When the entries that led to it were taken, and to how many findings each led.
    pub(super) taken: Vec<(Instant, u64)>,
    /// `None` before the first: a new owner moves the cursor at once, for everybody to see.
    last_commit: Option<Instant>,
    /// Where the snapshot on Redis stands.
    snapshot_at: StreamId,
    snapshot_due: Instant,
    /// How old it may grow, wall time.
    snapshot_every: Duration,
    /// Before this none is kept, unless it is the last.
    snapshot_from: Instant,
}

impl<E: Engine> Held<E> {
    /// A shard as it was taken, with a cold engine that goes on from the snapshot, if it can be read. With it, why it
    /// can't.
    pub(super) fn load(
        shard: Shard,
        cold: E,
        owned: Owned,
        snapshot_every: Duration,
    ) -> (Self, Option<WireError>) {
        let now = wall();
        let mut held = Self {
            engine: cold,
            epoch: owned.epoch,
            cursor: owned.cursor.unwrap_or(StreamId::ZERO),
            position: StreamId::ZERO,
            last_tick: EventTime::default(),
            is_resumed: false,
            overtaken: false,
            said: Vec::new(),
            taken: Vec::new(),
            last_commit: None,
            snapshot_at: StreamId::ZERO,
            snapshot_due: now,
            snapshot_every,
            snapshot_from: now,
        };
        let resumed = owned.state.map(|state| held.resume(&state));
        let within =
            if matches!(resumed, Some(Ok(()))) { snapshot_every } else { FIRST_SNAPSHOT.min(snapshot_every) };
        // Spread out, so that not all shards keep their snapshots at once.
        held.snapshot_due += within * u32::from(shard.number()) / u32::from(cascade_domain::SHARDS);
        (held, resumed.and_then(Result::err))
    }

    fn resume(&mut self, snapshot: &[u8]) -> Result<(), WireError> {
        let (at, state) = decode_state(E::STATE_VERSION, snapshot)?;
        self.position = at.parse().map_err(|_| WireError::Malformed(format!("it stands at `{at}`")))?;
        self.engine.resume(state);
        (self.is_resumed, self.snapshot_at) = (true, self.position);
        Ok(())
    }

    /// Hands an event to the engine. One that was overtaken first hears of the hole, as of this event's time.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), Refused> {
        let time = match event {
            Event::Tick(tick) => Some(tick.event_time_ms),
            other => other.known_at(),
        };
        if self.overtaken
            && let Some(to) = time
        {
            self.tell_hole(to);
        }
        if let Event::Tick(tick) = event {
            self.last_tick = self.last_tick.max(tick.event_time_ms);
        }
        self.engine.take(event, &mut self.said)
    }

    fn tell_hole(&mut self, to: EventTime) {
        self.overtaken = false;
        // Where no tick was heard since the snapshot, when the hole began is not known.
        let from_ms = if self.last_tick == EventTime::default() { to } else { self.last_tick };
        for venue in Venue::ALL {
            for stream in GapStream::ALL {
                let (symbols, reason) = (Vec::new(), Gap::TRIMMED.to_owned());
                let gap = Event::Gap(Gap { venue, stream, symbols, from_ms, to_ms: to, reason });
                if let Err(refused) = self.engine.take(&gap, &mut self.said) {
                    tracing::error!(
                        reason = refused.as_str(),
                        "the engine does not take the hole in its stream"
                    );
                }
            }
        }
    }

    /// Whether there is something to put out, or the cursor lags (`last`: whether anything was heard since the snapshot).
    pub(super) fn is_due(&self, last: bool) -> bool {
        if last {
            // A cursor never goes back: where we have not come up to it, there is nothing to leave.
            return self.position > self.snapshot_at && self.position >= self.cursor;
        }
        let speaks = !self.said.is_empty() || self.last_commit.is_none_or(|at| at.elapsed() >= IDLE_COMMIT);
        self.position > self.cursor && speaks
    }

    /// What has been said since the cursor, encoded for the script; with a snapshot when it is time, when an episode
    /// changed (once a second at most), and when `last` says that it is the last from us.
    pub(super) fn batch(&self, shard: Shard, output: Output, last: bool) -> Batch {
        let mut batch = Batch {
            shard,
            epoch: self.epoch,
            from: self.cursor,
            to: self.position,
            durable: Vec::new(),
            publish: Vec::new(),
            state: None,
        };
        for finding in &self.said {
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
        let now = wall();
        let is_wanted = now >= self.snapshot_due || self.said.iter().any(changes_an_episode);
        if last || is_wanted && now >= self.snapshot_from {
            match encode_state(E::STATE_VERSION, &self.position.to_string(), self.engine.state()) {
                Ok(state) => batch.state = Some(state),
                Err(error) => tracing::error!(%shard, %error, "a snapshot that can't be encoded is not kept"),
            }
        }
        batch
    }

    /// Notes that a batch is out, and hands over what was said in it.
    pub(super) fn committed(&mut self, batch: &Batch) -> Vec<Finding> {
        self.cursor = batch.to;
        let now = wall();
        self.last_commit = Some(now);
        if batch.state.is_some() {
            self.snapshot_at = batch.to;
            (self.snapshot_due, self.snapshot_from) = (now + self.snapshot_every, now + SNAPSHOT_AT_LEAST);
        } else if self.said.iter().any(changes_an_episode) {
            self.snapshot_due = self.snapshot_from;
        }
        std::mem::take(&mut self.said)
    }
}

/// Whether an episode opened, changed its level or ended.
fn changes_an_episode(finding: &Finding) -> bool {
    match finding {
        Finding::Cascade(finding) => finding.state != State::Update,
        Finding::OpenInterest(_) => true,
        Finding::LargeLiquidation(_) | Finding::Feed(_) => false,
    }
}
