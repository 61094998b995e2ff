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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredCount {
    /// New events that are in the stream now.
    pub stored: u64,
    /// Events that were there already.
    pub duplicates: u64,
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
            for part in events.chunks(EVENTS_A_CALL) {
                owners.push(i);
                calls.push(store_call(*shard, part, bounds));
            }
        }
        let answers =
            script::STORE.run::<(u64, u64)>(&self.link, calls, self.settings.response_timeout).await?;
        let mut results: Vec<Result<_, BusError>> = vec![Ok(StoredCount::default()); batches.len()];
        for (i, answer) in owners.into_iter().zip(answers) {
            results[i] = match (&results[i], answer) {
                (Ok(sum), Ok((stored, duplicates))) => {
                    Ok(StoredCount { stored: sum.stored + stored, duplicates: sum.duplicates + duplicates })
                }
                (Err(error), _) => Err(error.clone()),
                (Ok(_), Err(error)) => Err(error),
            };
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
