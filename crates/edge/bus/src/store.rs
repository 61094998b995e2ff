//! Storing market events: each once by its id, a shard's batch in one entry, many shards in one round trip.

use cascade_domain::{Event, Id, Shard};
use cascade_wire::{WireError, encode_event, key};
use redis::Cmd;

use crate::{Bus, BusError, StreamBounds, script};

/// An event to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What makes two copies the same event; `None` stores every copy.
    pub key: Option<Id>,
    /// How long the key is remembered, seconds of Redis' clock.
    pub keep_s: u32,
    /// The event, encoded.
    pub bytes: Vec<u8>,
}

impl Stored {
    /// An event under its own key.
    ///
    /// # Errors
    /// The event can't be encoded.
    pub fn event(event: &Event, keep_s: u32) -> Result<Self, WireError> {
        Ok(Self { key: event.once_key(), keep_s, bytes: encode_event(event)? })
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCount {
    /// New events that are in the stream now.
    pub stored: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Which ones these were: their places in the order given, ascending.
    pub repeats: Vec<usize>,
}

impl StoredCount {
    /// Adds what a call for the events from `first` on answered: how many are new, and which of them are not.
    fn add(&mut self, first: usize, answer: &[u64]) {
        let Some((stored, repeats)) = answer.split_first() else { return };
        self.stored += stored;
        let places = repeats.iter().filter_map(|place| usize::try_from(*place).ok());
        self.repeats.extend(places.map(|place| first + place));
        self.duplicates = u64::try_from(self.repeats.len()).unwrap_or(u64::MAX);
    }
}

/// How many events one script call takes: a call must not hold up the others, and an entry must stay readable.
const EVENTS_A_CALL: usize = 1000;

impl Bus {
    /// Stores a shard's events. The new ones of each thousand stand in one entry, in the order given.
    ///
    /// # Errors
    /// Redis is away or refuses. What was stored by then is not known: store the same again, keys see to the rest.
    pub async fn store(
        &self,
        shard: Shard,
        events: &[Stored],
        bounds: StreamBounds,
    ) -> Result<StoredCount, BusError> {
        let mut results = self.store_many(&[(shard, events)], bounds).await?;
        results.pop().unwrap_or(Ok(StoredCount::default()))
    }

    /// Stores events of many shards in one round trip; each shard has its own result, in the order given.
    ///
    /// # Errors
    /// Redis is away; inside, Redis refuses this shard. As [`Bus::store`].
    pub async fn store_many(
        &self,
        batches: &[(Shard, &[Stored])],
        bounds: StreamBounds,
    ) -> Result<Vec<Result<StoredCount, BusError>>, BusError> {
        let mut owners = Vec::with_capacity(batches.len());
        let mut calls = Vec::with_capacity(batches.len());
        for (i, (shard, events)) in batches.iter().enumerate() {
            for (nth, part) in events.chunks(EVENTS_A_CALL).enumerate() {
                owners.push((i, nth * EVENTS_A_CALL));
                calls.push(store_call(*shard, part, bounds));
            }
        }
        let answers =
            script::STORE.run::<Vec<u64>>(&self.link, calls, self.settings.response_timeout).await?;
        let mut results: Vec<Result<_, BusError>> = vec![Ok(StoredCount::default()); batches.len()];
        for ((i, first), answer) in owners.into_iter().zip(answers) {
            match (&mut results[i], answer) {
                (Ok(sum), Ok(answer)) => sum.add(first, &answer),
                (Err(_), _) => {}
                (result @ Ok(_), Err(error)) => *result = Err(error),
            }
        }
        Ok(results)
    }
}

fn store_call(shard: Shard, events: &[Stored], bounds: StreamBounds) -> Cmd {
    let mut cmd = script::STORE.call(&[&key::market(shard), &key::seen(shard), &key::snapshots(shard)]);
    cmd.arg(bounds.max_age_ms()).arg(bounds.max_len).arg(u64::from(bounds.for_snapshots_s) * 1000);
    for event in events {
        let id = event.key.map(|id| id.bits().to_be_bytes());
        cmd.arg(id.as_ref().map_or(&[][..], |id| &id[..]));
        cmd.arg(u64::from(event.keep_s) * 1000).arg(&event.bytes);
    }
    cmd
}
