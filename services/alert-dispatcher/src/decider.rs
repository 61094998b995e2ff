//! The one dispatcher that decides: what stands in the shards' streams of findings and in the stream of orders goes through
//! the policy, and what follows is written with the places up to which it was read, all or nothing.
//!
//! So each finding is decided once whoever dies, and also if two decide: the second to write is told so, and starts over
//! from what the first has written. What is decided is the policy's affair.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use cascade_alerting::{Policy, Route, State};
use cascade_bus::delivery::{AlertReader, Decided, Heard, Positions};
use cascade_bus::{BusError, StreamId, Write};
use cascade_domain::EventTime;
use cascade_service::{Metric, Throttle};
use cascade_wire::{WireError, decode_finding, decode_kept, decode_order, dispatch, encode_kept};

use crate::batch::Batch;
use crate::office::{FOR_EVER_S, Office, RETRY, missed};

/// The dispatcher's name where engines have theirs.
pub(crate) const LABEL: &str = "dispatch";

/// For how long the streams are waited for at most, wall time.
const BLOCK: Duration = Duration::from_secs(1);
/// And at least: nothing that is due may keep the reader from breathing.
const SHORTEST: Duration = Duration::from_millis(10);
/// How many entries of each stream are read at once.
const COUNT: usize = 64;
/// How often it is said up to where findings were read, wall time: they are not trimmed before.
const SAY: Duration = Duration::from_secs(10);
/// How long places that moved over nothing of interest wait to be written, wall time.
const IDLE: Duration = Duration::from_secs(10);

/// Who decides.
#[derive(Debug)]
pub(crate) struct Decider {
    office: Office,
    config: Arc<cascade_alerting::Config>,
    routes: Vec<Route>,
    reader: AlertReader,
    refusals: Throttle,
    tries: u64,
}

/// What the decider goes on from.
struct Standing {
    policy: Policy,
    positions: Positions,
    generation: u64,
    /// Whether places moved that are not written.
    moved: bool,
    /// When something was written last.
    written: EventTime,
    /// When it was said up to where was read.
    said: Option<EventTime>,
    /// The mutes as they are shown.
    mutes: Option<String>,
}

/// An entry, read; one without its field is refused like one that holds nonsense.
fn readable<T>(entry: Option<Vec<u8>>, read: fn(&[u8]) -> Result<T, WireError>) -> Result<T, WireError> {
    entry.ok_or(WireError::BadEntry("neither")).and_then(|bytes| read(&bytes))
}

impl Decider {
    pub(crate) fn new(office: Office, config: cascade_alerting::Config, routes: Vec<Route>) -> Self {
        let (reader, refusals) = (office.bus.alerts(), Throttle::new(5, 60_000));
        Self { office, config: Arc::new(config), routes, reader, refusals, tries: 0 }
    }

    /// Decides until this is dropped: what is under way then is written whole or not at all.
    pub(crate) async fn run(&mut self) {
        loop {
            let mut standing = self.load().await;
            while self.step(&mut standing).await {}
            tracing::warn!(
                "another dispatcher has decided meanwhile: starting over from what it has written"
            );
        }
    }

    /// What was written last; asked for until Redis answers.
    async fn load(&self) -> Standing {
        let kept = loop {
            match self.office.bus.policy().await {
                Ok(kept) => break kept,
                Err(error) => missed("policy", &error),
            }
            tokio::time::sleep(RETRY).await;
        };
        let generation = kept.as_ref().map_or(0, |kept| kept.generation);
        let read = |kept: cascade_bus::delivery::Kept| {
            decode_kept::<(Positions, State)>(Policy::STATE_VERSION, &kept.state)
        };
        let (positions, state) = match kept.map(read) {
            None => Default::default(),
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                self.office.metrics().add(Metric::SnapshotRefused, &[LABEL, error.label()], 1);
                tracing::error!(
                    %error,
                    "what the policy had kept can't be read: mutes, budgets and what was told are forgotten, and all \
                     findings that stand are looked at anew"
                );
                Default::default()
            }
        };
        let written = self.office.now();
        tracing::info!(generation, "decides");
        Standing {
            policy: Policy::new(Arc::clone(&self.config), self.routes.clone(), state),
            positions,
            generation,
            moved: false,
            written,
            said: None,
            mutes: None,
        }
    }

    /// Reads, decides, writes; `false` = somebody else has written meanwhile.
    async fn step(&mut self, standing: &mut Standing) -> bool {
        let due = standing.policy.due().map(|due| self.office.wall_until(due));
        let block = due.map_or(BLOCK, |due| due.clamp(SHORTEST, BLOCK));
        let mut heard = match self.reader.read(&standing.positions, block, COUNT).await {
            Ok(heard) => {
                if heard.is_empty() {
                    self.office.metrics().set(Metric::DispatchLag, &[], 0.0);
                }
                heard
            }
            Err(error) => {
                missed("alerts", &error);
                tokio::time::sleep(RETRY).await;
                Vec::new()
            }
        };
        // The oldest first, whatever shard it is of: by Redis' time, which orders each stream.
        heard.sort_by_key(|heard| match heard {
            Heard::Finding(_, id, _) | Heard::Order(id, _) => Reverse(*id),
        });
        loop {
            let mut batch = Batch::default();
            while !batch.is_full()
                && let Some(heard) = heard.pop()
            {
                self.take(heard, standing, &mut batch);
            }
            let now = self.office.now();
            // What was heard first: what is over by it need not be told any more.
            if heard.is_empty() && standing.policy.due().is_some_and(|due| due <= now) {
                batch.tick(&mut standing.policy, now);
            }
            if !self.write(standing, &batch).await {
                return false;
            }
            if heard.is_empty() {
                self.show_mutes(standing).await;
                self.say_read(standing).await;
                return true;
            }
        }
    }

    fn take(&mut self, heard: Heard, standing: &mut Standing, batch: &mut Batch) {
        let now = self.office.now();
        standing.moved = true;
        standing.positions.pass(&heard);
        match heard {
            Heard::Finding(_, id, entry) => match readable(entry, decode_finding) {
                Ok(finding) => batch.take(&finding, &mut standing.policy, now),
                Err(error) => self.refuse(&error, id, now),
            },
            Heard::Order(id, entry) => match readable(entry, decode_order) {
                Ok(order) => {
                    if let Err(reason) = batch.order(&order, &mut standing.policy, now) {
                        tracing::warn!(order = order.what.as_str(), by = order.by, reason, "makes no sense");
                    }
                }
                Err(error) => self.refuse(&error, id, now),
            },
        }
    }

    /// An entry that can't be read is passed: the next one may.
    fn refuse(&mut self, error: &WireError, id: StreamId, now: EventTime) {
        self.office.metrics().add(Metric::EntriesRefused, &[LABEL, error.label()], 1);
        if let Some(suppressed) = self.refusals.admit(error.label(), now) {
            tracing::warn!(%error, %id, suppressed, "an entry that can't be read was passed");
        }
    }

    /// Writes what was decided, and tries until it is known to be written; `false` = somebody else has written meanwhile.
    async fn write(&mut self, standing: &mut Standing, batch: &Batch) -> bool {
        let office = self.office.clone();
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        let overdue = standing.moved && office.now().since(standing.written) >= idle;
        if batch.is_empty() && !overdue {
            return true;
        }
        let state = match encode_kept(Policy::STATE_VERSION, &(&standing.positions, standing.policy.state()))
        {
            Ok(state) => state,
            Err(error) => {
                // Nothing of ours can be refused; if it is, nothing is lost by starting over.
                tracing::error!(%error, "what the policy keeps can't be encoded");
                tokio::time::sleep(BLOCK).await;
                return false;
            }
        };
        if let Some(oldest) = batch.oldest {
            let lag = Duration::from_millis(u64::try_from(office.now().since(oldest)).unwrap_or(0));
            office.metrics().set(Metric::DispatchLag, &[], lag.as_secs_f64());
        }
        self.tries += 1;
        let decided = Decided {
            generation: standing.generation,
            writer: &format!("{}:{}", office.run(), self.tries),
            now: office.now(),
            state: &state,
            decisions: &batch.decisions,
            history: &batch.history,
        };
        let is_ours = loop {
            match office.bus.decide(&decided).await {
                Ok(is_ours) => break is_ours,
                Err(error @ BusError::Refused(_)) => {
                    tracing::error!(%error, "what was decided is not written, and tried again");
                    tokio::time::sleep(BLOCK).await;
                }
                Err(error) => missed("decide", &error),
            }
            tokio::time::sleep(RETRY).await;
        };
        if !is_ours {
            return false;
        }
        standing.generation += 1;
        (standing.moved, standing.written) = (false, office.now());
        office.wake();
        batch.count(office.metrics());
        true
    }

    /// Says up to where findings are decided on, so that they are trimmed not before.
    async fn say_read(&self, standing: &mut Standing) {
        let now = self.office.now();
        let every = i64::try_from(SAY.as_millis()).unwrap_or(i64::MAX);
        if standing.moved || standing.said.is_some_and(|said| now.since(said) < every) {
            return;
        }
        match self.office.bus.alerts_read(&standing.positions).await {
            Ok(()) => standing.said = Some(now),
            Err(error) => missed("alerts read", &error),
        }
    }

    /// Shows the mutes that hold, if they are others than before. Who looks is not worth waiting for: the next batch
    /// tries again.
    async fn show_mutes(&self, standing: &mut Standing) {
        let Ok(json) = serde_json::to_string(&standing.policy.mutes()) else { return };
        if standing.mutes.as_ref() == Some(&json) {
            return;
        }
        let key = dispatch::MUTES.to_owned();
        let write = Write::Json { key, json: json.clone(), ttl_s: FOR_EVER_S };
        match self.office.bus.write_readings(&[write]).await {
            Ok(()) => standing.mutes = Some(json),
            Err(error) => missed("mutes", &error),
        }
    }
}
