//! What arrives in the shard streams, counted while it is there: streams forget after ten minutes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cascade_bus::{Bus, Entry, StreamId};
use cascade_domain::{Event, Instrument, Shard, Venue};

/// How long one read waits, and how many entries a shard it takes.
const BLOCK: Duration = Duration::from_millis(200);
const ENTRIES: usize = 200;
/// Delays above this are counted as this, milliseconds.
const MOST_DELAY_MS: usize = 60_000;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Liquidations by venue, each once.
    pub(crate) liquidations: BTreeMap<Venue, u64>,
    /// Liquidations that were there before.
    pub(crate) twice: u64,
    /// Trades inside the bars, by venue.
    pub(crate) trades: BTreeMap<Venue, u64>,
    /// Bars and marks.
    pub(crate) bars: u64,
    pub(crate) marks: u64,
    /// Instruments of which a mark came, by venue.
    pub(crate) marked: BTreeMap<Venue, BTreeSet<Instrument>>,
    /// Gaps, each once: venue, stream, reason, from and to.
    pub(crate) gaps: BTreeSet<(Venue, &'static str, String, i64, i64)>,
    /// Events and entries that could not be read; reads that failed.
    pub(crate) unreadable: u64,
    pub(crate) failures: u64,
    pub(crate) entries: u64,
    ids: HashSet<u64>,
    /// Milliseconds from the receipt of a liquidation to its entry; how many of each.
    delays: Vec<u64>,
}

/// [`Stored`], shared with the task that reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading(Arc<Mutex<Stored>>);

impl Reading {
    /// Begins to read all shards from their beginning, for as long as the process runs.
    pub(crate) fn begin(bus: &Bus) -> Self {
        let (reading, mut reader) = (Self::default(), bus.reader());
        let mut positions: BTreeMap<Shard, StreamId> =
            Shard::all().map(|shard| (shard, StreamId::ZERO)).collect();
        let task = reading.clone();
        #[expect(clippy::disallowed_methods, reason = "a task that reads, in an example")]
        tokio::spawn(async move {
            loop {
                match reader.read(&positions, BLOCK, ENTRIES).await {
                    Ok(read) => {
                        let mut stored = task.look();
                        for (shard, entries) in read {
                            for entry in entries {
                                positions.insert(shard, entry.id);
                                stored.take(&entry);
                            }
                        }
                    }
                    Err(_) => task.look().failures += 1,
                }
            }
        });
        reading
    }

    /// What was found so far.
    pub(crate) fn look(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn take(&mut self, entry: &Entry) {
        self.entries += 1;
        let Ok(events) = entry.events() else {
            self.unreadable += 1;
            return;
        };
        for event in events {
            match event {
                Ok(event) => self.take_event(event, entry.id),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    fn take_event(&mut self, event: Event, at: StreamId) {
        match event {
            Event::Liquidation(liquidation) => {
                if !self.ids.insert(liquidation.id.bits()) {
                    self.twice += 1;
                    return;
                }
                *self.liquidations.entry(liquidation.venue).or_default() += 1;
                let known_ms = liquidation.known_at_ms.and_then(|known| u64::try_from(known.ms()).ok());
                if let Some(known_ms) = known_ms {
                    let delay = usize::try_from(at.ms.saturating_sub(known_ms)).unwrap_or(MOST_DELAY_MS);
                    self.delays.resize(MOST_DELAY_MS + 1, 0);
                    self.delays[delay.min(MOST_DELAY_MS)] += 1;
                }
            }
            Event::TradeBar(bar) => {
                self.bars += 1;
                *self.trades.entry(bar.venue).or_default() += bar.trades;
            }
            Event::Mark(mark) => {
                self.marks += 1;
                self.marked.entry(mark.venue).or_default().insert(mark.instrument);
            }
            Event::Gap(gap) => {
                let (from, to) = (gap.from_ms.ms(), gap.to_ms.ms());
                self.gaps.insert((gap.venue, gap.stream.as_str(), gap.reason, from, to));
            }
            _ => {}
        }
    }

    /// Liquidations of all venues.
    pub(crate) fn all_liquidations(&self) -> u64 {
        self.liquidations.values().sum()
    }

    /// Trades inside the bars of all venues.
    pub(crate) fn all_trades(&self) -> u64 {
        self.trades.values().sum()
    }

    /// The delay from receipt to the stream that so many per mille of the liquidations stayed within, milliseconds.
    pub(crate) fn delay_ms(&self, per_mille: u64) -> usize {
        let target = self.delays.iter().sum::<u64>() * per_mille / 1000;
        let mut seen = 0;
        self.delays
            .iter()
            .position(|count| {
                seen += count;
                seen >= target.max(1)
            })
            .unwrap_or_default()
    }
}
