//! What the shard streams carry, from one position of each on: every event once, with where it stood.
//!
//! It begins with the snapshots of the engines, so that a replay says what they say from there on. Redis may go and
//! come back; what was trimmed away meanwhile is said. Knows no file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cascade_bus::{Bus, BusError, Entry, StreamId, StreamReader};
use cascade_detector::CascadeEngine;
use cascade_domain::{EventTime, Shard};
use cascade_engine::Engine;
use cascade_open_interest::OpenInterestEngine;
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown};
use cascade_wire::{decode_state, event_to_json};
use tokio::time::timeout;

use super::line::{Line, Remark};
use super::queue::{Queue, Tally};

/// How long one read waits for something to come.
const BLOCK: Duration = Duration::from_millis(500);
/// Entries of a shard that are read at once.
const ENTRIES: usize = 200;
/// How often it is looked whether trimming overtook us, milliseconds.
const LOOK_MS: i64 = 3_000;
/// How long the last reading may take after the wish to stop.
const LAST_READ: Duration = Duration::from_secs(5);

/// Where in the streams a recording begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Beginning {
    /// With the engines' snapshots and what comes after them; a shard without one, with what comes from now on
    #[default]
    Now,
    /// With what the streams still hold, ten minutes as a rule; without snapshots
    Start,
}

impl Beginning {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Start => "start",
        }
    }
}

/// Records the streams of one Redis.
#[derive(Debug)]
pub(crate) struct Streams {
    bus: Bus,
    clock: Arc<dyn Clock>,
    queue: Queue,
    /// Up to where each stream is recorded.
    positions: BTreeMap<Shard, StreamId>,
    /// Shards whose key holds no stream, and why.
    broken: BTreeMap<Shard, String>,
    /// The position at which trimming was told.
    told_trimmed: BTreeMap<Shard, StreamId>,
    looked: Option<EventTime>,
    is_away: bool,
}

impl Streams {
    /// Finds where to begin.
    ///
    /// # Errors
    /// Redis does not answer, or can't serve us.
    pub(crate) async fn open(
        bus: Bus,
        from: Beginning,
        clock: Arc<dyn Clock>,
        queue: Queue,
    ) -> Result<Self, BusError> {
        bus.ready().await?;
        let shards: Vec<Shard> = Shard::all().collect();
        let positions = shards.iter().map(|shard| (*shard, StreamId::ZERO)).collect();
        let mut streams = Self {
            bus,
            clock,
            queue,
            positions,
            broken: BTreeMap::new(),
            told_trimmed: BTreeMap::new(),
            looked: None,
            is_away: false,
        };
        if from == Beginning::Now {
            // Asked for before the snapshots: a shard without one begins no later than this.
            let newest = streams.bus.newest(&shards).await?;
            for (shard, newest) in shards.iter().zip(newest) {
                streams.positions.insert(*shard, newest.ok().flatten().unwrap_or_default());
            }
            streams.resume(&shards).await?;
        }
        Ok(streams)
    }

    /// Records every engine's snapshots, and goes on in each stream from where the earliest of them stands: whoever
    /// replays it passes over what an engine's own snapshot holds.
    async fn resume(&mut self, shards: &[Shard]) -> Result<(), BusError> {
        let mut begins: BTreeMap<Shard, StreamId> = BTreeMap::new();
        let mut cold = Vec::new();
        for Kept { engine, stands_at } in KEPT {
            let mut without = 0_u32;
            for (shard, bytes) in shards.iter().zip(self.bus.states(engine, shards).await?) {
                let found = bytes
                    .map_err(|error| error.to_string())
                    .and_then(|bytes| bytes.map(|bytes| stands_at(&bytes).map(|id| (id, bytes))).transpose());
                match found {
                    Ok(Some((id, bytes))) => {
                        begins
                            .entry(*shard)
                            .and_modify(|earliest| *earliest = id.min(*earliest))
                            .or_insert(id);
                        self.queue.put(Line::Snapshot { shard: *shard, id, engine, bytes }).await;
                    }
                    Ok(None) => {
                        let is_begun = self.positions.get(shard).is_some_and(|at| *at != StreamId::ZERO);
                        without += u32::from(is_begun);
                    }
                    Err(why) => {
                        let note =
                            format!("without the snapshot of engine {engine}, which so begins cold: {why}");
                        self.remark(Some(*shard), &note);
                    }
                }
            }
            if without > 0 {
                cold.push(format!("of engine {engine} in {without}"));
            }
        }
        self.positions.extend(begins);
        if !cold.is_empty() {
            let note =
                format!("no state yet {} of the shards: a replay begins them cold", cold.join(" and "));
            self.remark(None, &note);
        }
        Ok(())
    }

    /// Records until it is asked to stop, and then what the streams hold at that moment.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), BoxError> {
        let mut reader = self.bus.reader();
        while !shutdown.is_requested() {
            if let Recorded::NobodyWrites = self.record(&mut reader, BLOCK, &shutdown).await {
                shutdown.requested().await;
                return Ok(());
            }
        }
        let last = async {
            // The reading that was given up may still hold its connection.
            let (mut reader, never) = (self.bus.reader(), Shutdown::new());
            while let Recorded::Some = self.record(&mut reader, Duration::from_millis(1), &never).await {}
        };
        if timeout(LAST_READ, last).await.is_err() {
            self.remark(None, "stopped before everything in the streams was read");
        }
        Ok(())
    }

    /// One reading of all streams, which `stop` may cut short; what was read is recorded whole.
    async fn record(&mut self, reader: &mut StreamReader, block: Duration, stop: &Shutdown) -> Recorded {
        let now = self.clock.now();
        if self.looked.is_none_or(|looked| now.since(looked) >= LOOK_MS) {
            match self.bus.oldest(&Shard::all().collect::<Vec<_>>()).await {
                Ok(oldest) => {
                    self.looked = Some(now);
                    self.look(oldest);
                }
                Err(error) => return self.away(&error),
            }
        }
        let mut positions = self.positions.clone();
        positions.retain(|shard, _| !self.broken.contains_key(shard));
        let read = tokio::select! {
            biased;
            () = stop.requested() => return Recorded::Nothing,
            read = reader.read(&positions, block, ENTRIES) => read,
        };
        match read {
            Ok(read) => {
                if std::mem::take(&mut self.is_away) {
                    self.remark(None, "Redis answers again");
                }
                let recorded = if read.is_empty() { Recorded::Nothing } else { Recorded::Some };
                for (shard, entries) in read {
                    for entry in entries {
                        if !self.take(shard, &entry).await {
                            return Recorded::NobodyWrites;
                        }
                    }
                }
                recorded
            }
            Err(error) => self.away(&error),
        }
    }

    /// Redis did not answer: said once, and looked at anew when it does.
    fn away(&mut self, error: &BusError) -> Recorded {
        self.looked = None;
        if !std::mem::replace(&mut self.is_away, true) {
            self.remark(None, &format!("{error}; trying again"));
        }
        Recorded::Nothing
    }

    /// Whether a stream was trimmed past where we are, and which keys hold none.
    fn look(&mut self, oldest: Vec<Result<Option<StreamId>, BusError>>) {
        for (shard, oldest) in Shard::all().zip(oldest) {
            match oldest {
                Err(error) => {
                    let why = error.to_string();
                    if self.broken.insert(shard, why.clone()).as_ref() != Some(&why) {
                        self.remark(Some(shard), &format!("no stream to read: {why}"));
                    }
                }
                Ok(oldest) => {
                    self.broken.remove(&shard);
                    let at = self.positions.get(&shard).copied().unwrap_or_default();
                    let Some(oldest) = oldest.filter(|oldest| at != StreamId::ZERO && *oldest > at) else {
                        continue;
                    };
                    if self.told_trimmed.insert(shard, at) != Some(at) {
                        let note =
                            format!("trimmed: what stood between {at} and {oldest} may be missing here");
                        self.remark(Some(shard), &note);
                    }
                }
            }
        }
    }

    /// Records an entry; `false` if nobody writes any more.
    async fn take(&mut self, shard: Shard, entry: &Entry) -> bool {
        let id = entry.id;
        let events = entry.events().unwrap_or_else(|error| vec![Err(error)]);
        for event in events {
            let line = match event.and_then(|event| event_to_json(&event)) {
                Ok(json) => Line::Event { shard, id, json },
                Err(error) => {
                    count(&self.queue.tally().refused);
                    Line::Refused { shard, id, reason: error.to_string() }
                }
            };
            if !self.queue.put(line).await {
                return false;
            }
        }
        self.positions.insert(shard, id);
        true
    }

    /// Says it to the person at the terminal and in the recording.
    fn remark(&self, shard: Option<Shard>, note: &str) {
        let place = shard.map_or_else(String::new, |shard| format!("shard {shard}: "));
        super::say(&format!("{place}{}", crate::words::plain(note)));
        let (recv_ns, shard) = (self.clock.now_ns(), shard.map(Shard::number));
        self.queue.offer(Line::Remark(Remark { recv_ns, shard, note: note.to_owned(), ..Remark::default() }));
    }
}

/// Whose snapshots are kept.
struct Kept {
    engine: &'static str,
    /// Where one stands that this build can read.
    stands_at: fn(&[u8]) -> Result<StreamId, String>,
}

/// Every engine there is.
const KEPT: [Kept; 2] = [
    Kept { engine: cascade_signals::ENGINE, stands_at: stands_at::<CascadeEngine> },
    Kept { engine: oi_detector::ENGINE, stands_at: stands_at::<OpenInterestEngine> },
];

fn stands_at<E: Engine>(bytes: &[u8]) -> Result<StreamId, String> {
    let read = decode_state::<E::State>(E::STATE_VERSION, bytes);
    let (at, _) = read.map_err(|error| error.to_string())?;
    at.parse().map_err(|_| format!("it stands at `{at}`, which is no id of a stream entry"))
}

fn count(of: &AtomicU64) {
    Tally::add(of, 1);
}

/// What came of a reading.
enum Recorded {
    Some,
    Nothing,
    NobodyWrites,
}
