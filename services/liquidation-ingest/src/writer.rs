//! From the queue into the shard streams: each event once by its key, all events of one flush and shard in one entry.
//!
//! Waits for Redis as long as it takes; meanwhile the queue drops what it must, and tells it. What Redis itself may have
//! lost, because it was restarted or a replica took over, is told too. Knows no venue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cascade_bus::{Bus, BusError, Stored, StoredCount, Tally, by_shard, remembered_s};
use cascade_domain::{Event, EventTime, Gap, GapStream, Id, Shard, Venue};
use cascade_pace::Clock;
use cascade_service::{Latency, Metric, Shutdown, Stage, Throttle};
use cascade_wire::decode_event;

use crate::intake::{LOGGED_A_MINUTE, Shared};
use crate::kept::{Kept, Lost};
use crate::retention::Retention;
use crate::trails::Taken;

/// How often Redis is asked how full it is and who holds the shards, milliseconds of the clock.
const LOOK_MS: i64 = 2_000;
/// How many events one flush takes.
const FLUSH_EVENTS: usize = 2_000;
/// Between two tries while Redis does not take them, wall time.
const RETRY: Duration = Duration::from_millis(200);

/// The way into the streams.
#[derive(Debug)]
pub(crate) struct Writer {
    bus: Bus,
    retention: Retention,
    looked_at: Option<EventTime>,
    clock: Arc<dyn Clock>,
    venues: Vec<Venue>,
    shared: Shared,
    throttle: Throttle,
    kept: Kept,
    /// When, and after how many reconnects, it was last asked who holds the shards.
    asked: Option<(EventTime, u64)>,
    written_at: EventTime,
    /// Gaps of some shards alone, to go with the next flush.
    pending: BTreeMap<Shard, Vec<Stored>>,
    /// Liquidations that were stored and are not yet in the venues' counts on Redis.
    tally: Tally,
    /// When it was added last.
    tallied: EventTime,
}

impl Writer {
    /// A writer that has written nothing yet.
    pub(crate) fn new(
        bus: Bus,
        retention: Retention,
        clock: Arc<dyn Clock>,
        venues: Vec<Venue>,
        shared: Shared,
    ) -> Self {
        let (throttle, written_at) = (Throttle::new(LOGGED_A_MINUTE, 60_000), clock.now());
        Self {
            bus,
            retention,
            looked_at: None,
            clock,
            venues,
            shared,
            throttle,
            kept: Kept::default(),
            asked: None,
            written_at,
            pending: BTreeMap::new(),
            tally: Tally::default(),
            tallied: written_at,
        }
    }

    /// Writes until it is asked to stop and the queue is empty; to be asked when nobody puts anything in any more.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let mut since = Vec::new();
        loop {
            let events = tokio::select! {
                biased;
                // A gap does not wait for the next event.
                () = std::future::ready(()), if !self.pending.is_empty() => self.shared.outbox.take_now(FLUSH_EVENTS),
                events = self.shared.outbox.take_timed(FLUSH_EVENTS, &mut since) => events,
                () = shutdown.requested() => match self.shared.outbox.take_now(FLUSH_EVENTS) {
                    events if events.is_empty() => return self.add_tally().await,
                    events => events,
                },
            };
            let is_all = self.shared.outbox.is_empty();
            self.write(events, &mut since).await;
            if is_all {
                self.shared.drained.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes one flush, however long Redis is away; `decoded` says since when its events waited. A Redis that came back
    /// as another one has forgotten what it held: that is a gap in all that it held.
    async fn write(&mut self, events: Vec<Event>, decoded: &mut Vec<Instant>) {
        let taken = self.shared.trails.taken(&events);
        let mut batches = self.by_shard(&events);
        let liquidations = liquidations(&events);
        for (shard, gaps) in std::mem::take(&mut self.pending) {
            batches.entry(shard).or_default().splice(0..0, gaps);
        }
        let mut is_away = false;
        while let Err(error) = self.store(&mut batches, &taken, &liquidations).await {
            if !is_away {
                tracing::warn!(%error, "Redis does not take events; they wait");
                is_away = true;
            }
            tokio::time::sleep(RETRY).await;
        }
        if is_away {
            tracing::info!("Redis takes events again");
        }
        let stored = Latency::now();
        let waited = decoded.drain(..).map(|decoded| (stored.saturating_duration_since(decoded), 1));
        self.shared.metrics.latency().record_each(Stage::Store, stored, waited);
        self.look_at_memory().await;
        if self.clock.now().since(self.tallied) >= LOOK_MS {
            self.add_tally().await;
        }
        let since = std::mem::replace(&mut self.written_at, self.clock.now());
        for lost in self.look_at_holders(since).await {
            let (shards, since) = (lost.shards.len(), lost.since);
            tracing::warn!(
                shards,
                "Redis was restarted or replaced: what it held since {since} ms may be lost"
            );
            self.tell_gaps(&lost);
        }
    }

    /// Keeps the streams for less while Redis fills up: a Redis that is full would refuse the newest events.
    async fn look_at_memory(&mut self) {
        let now = self.clock.now();
        if self.looked_at.is_some_and(|at| now.since(at) < LOOK_MS) {
            return;
        }
        self.looked_at = Some(now);
        let Ok(facts) = self.bus.facts().await else { return };
        let was_short = self.retention.is_short();
        self.retention.look(facts.used_memory, facts.max_memory);
        let (age_s, used_mb) = (self.retention.bounds().max_age_s, facts.used_memory >> 20);
        match (was_short, self.retention.is_short()) {
            (false, true) => tracing::warn!(used_mb, age_s, "Redis fills up: streams are kept for less"),
            (true, false) => tracing::info!(used_mb, age_s, "streams are kept as long as agreed again"),
            _ => {}
        }
        self.shared.metrics.set(Metric::StreamAge, &[], f64::from(age_s));
    }

    /// What may be lost because another server holds a shard than before. Asked after every reconnect, for a fast
    /// restart makes no write fail, and every two seconds, for a cluster's failover breaks no connection of ours.
    async fn look_at_holders(&mut self, written_at: EventTime) -> Vec<Lost> {
        let (now, reconnects) = (self.clock.now(), self.bus.stats().reconnects());
        if self.asked.is_some_and(|(at, before)| before == reconnects && now.since(at) < LOOK_MS) {
            return Vec::new();
        }
        self.asked = Some((now, reconnects));
        let Ok(holders) = self.bus.holders().await else { return Vec::new() };
        self.kept.look(now, written_at, &holders)
    }

    /// Stores all shards' events; what is stored leaves `batches`, what Redis does not take for now stays.
    async fn store(
        &mut self,
        batches: &mut BTreeMap<Shard, Vec<Stored>>,
        taken: &[Taken],
        liquidations: &BTreeMap<Id, Venue>,
    ) -> Result<(), BusError> {
        let since_ns = self.clock.now_ns();
        let slices: Vec<_> = batches.iter().map(|(shard, events)| (*shard, events.as_slice())).collect();
        let results = self.bus.store_many(&slices, self.retention.bounds()).await?;
        let shards: Vec<_> = batches.keys().copied().collect();
        let mut waiting = Ok(());
        for (shard, result) in shards.into_iter().zip(results) {
            match result {
                Ok(counts) => {
                    self.shared.metrics.add(Metric::Duplicates, &[], counts.duplicates);
                    let batch = batches.remove(&shard).unwrap_or_default();
                    let now = self.clock.now();
                    for venue in new_ones(&batch, &counts, liquidations) {
                        self.tally.count(venue, now);
                    }
                    self.shared.trails.stored(taken, shard, since_ns, (batch.len(), Ok(counts)));
                }
                Err(error) if error.is_transient() => waiting = Err(error),
                Err(error) => {
                    let lost = batches.remove(&shard).unwrap_or_default();
                    if let Some(suppressed) = self.throttle.admit(error.label(), self.clock.now()) {
                        let events = lost.len();
                        tracing::error!(%shard, events, %error, suppressed, "Redis refuses these events");
                    }
                    self.shared.trails.stored(taken, shard, since_ns, (lost.len(), Err(error.label())));
                    self.lose(&lost);
                }
            }
        }
        waiting
    }

    /// Adds what was counted to the venues' counts. Without Redis it waits for the next time.
    async fn add_tally(&mut self) {
        self.tallied = self.clock.now();
        if !self.tally.is_empty()
            && let Err(error) = self.bus.add_liquidations(&mut self.tally).await
            && let Some(suppressed) = self.throttle.admit("tally", self.tallied)
        {
            tracing::warn!(%error, suppressed, "the venues' liquidations are counted later");
        }
    }

    /// Counts events that no Redis will ever take, and tells the gap that they leave; a gap that is refused itself is
    /// only counted, or it would be told and refused for ever.
    fn lose(&self, lost: &[Stored]) {
        for event in lost.iter().filter_map(|stored| decode_event(&stored.bytes).ok()) {
            self.shared.metrics.add(Metric::Dropped, &[event.kind()], 1);
            if !matches!(event, Event::Gap(_)) {
                self.shared.outbox.lost(&event, "redis");
            }
        }
    }

    /// A gap in everything, told to the shards that it concerns.
    fn tell_gaps(&mut self, lost: &Lost) {
        for venue in &self.venues {
            for stream in GapStream::ALL {
                self.shared.metrics.add(Metric::Gaps, &[venue.as_str(), stream.as_str()], 1);
                let gap = Event::Gap(Gap {
                    venue: *venue,
                    stream,
                    symbols: Vec::new(),
                    from_ms: lost.since,
                    to_ms: self.clock.now(),
                    reason: "redis".to_owned(),
                });
                match Stored::event(&gap, remembered_s(&gap)) {
                    Ok(stored) => {
                        for shard in &lost.shards {
                            self.pending.entry(*shard).or_default().push(stored.clone());
                        }
                    }
                    Err(error) => tracing::error!(%error, "a gap that can't be encoded is lost"),
                }
            }
        }
    }

    fn by_shard(&self, events: &[Event]) -> BTreeMap<Shard, Vec<Stored>> {
        by_shard(events, |event, error| {
            tracing::error!(kind = event.kind(), %error, "an event that can't be encoded is lost");
            self.shared.metrics.add(Metric::Dropped, &[event.kind()], 1);
        })
    }
}

/// The venues of the liquidations among these events, by their keys.
fn liquidations(events: &[Event]) -> BTreeMap<Id, Venue> {
    let liquidations = events.iter().filter(|event| matches!(event, Event::Liquidation(_)));
    liquidations.filter_map(|event| Some((event.once_key()?, event.venue()?))).collect()
}

/// The venues of the liquidations that were stored of a batch for the first time, each as often as it has some.
fn new_ones(
    batch: &[Stored],
    counts: &StoredCount,
    liquidations: &BTreeMap<Id, Venue>,
) -> impl Iterator<Item = Venue> {
    let is_new = |place: &usize| counts.repeats.binary_search(place).is_err();
    let fresh = batch.iter().enumerate().filter(move |(place, _)| is_new(place));
    fresh.filter_map(|(_, stored)| liquidations.get(&stored.key?).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liquidation_that_was_stored_before_does_not_count_again() {
        let stored = |key: Option<u64>| Stored { key: key.map(Id::from_bits), keep_s: 1, bytes: Vec::new() };
        let batch = [Some(1), Some(2), None, Some(3), Some(2)].map(stored);
        let liquidations = BTreeMap::from([(Id::from_bits(1), Venue::Okx), (Id::from_bits(2), Venue::Bybit)]);
        let counted = |repeats: &[usize]| {
            let counts = StoredCount { repeats: repeats.to_vec(), ..StoredCount::default() };
            new_ones(&batch, &counts, &liquidations).collect::<Vec<_>>()
        };
        assert_eq!(counted(&[4]), [Venue::Okx, Venue::Bybit]);
        assert_eq!(counted(&[0, 1, 4]), []);
    }
}
