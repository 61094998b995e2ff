//! Plain entries for shard streams: what a benchmark compares the script with. Nothing here knows an event's id, and
//! nothing is trimmed.

use cascade_domain::Shard;
use cascade_wire::{ENTRY_ONE, key};
use redis::Pipeline;

use crate::{Bus, BusError};

impl Bus {
    /// Appends encoded events to their shards' market streams, each as an entry of its own, in one round trip: no id is
    /// looked at and no entry ever goes. Services store with [`Bus::store_many`].
    ///
    /// # Errors
    /// Redis is away, or refuses one of them (the others are appended).
    pub async fn append(&self, events: &[(Shard, Vec<u8>)]) -> Result<(), BusError> {
        let mut pipe = Pipeline::with_capacity(events.len());
        for (shard, bytes) in events {
            pipe.cmd("XADD").arg(key::market(*shard)).arg("*").arg(ENTRY_ONE).arg(bytes);
        }
        let answers = self.link.pipeline::<String>(&mut pipe, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|e| BusError::of(&e)))
    }
}
