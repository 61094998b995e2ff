//! Reading all shards' findings and the orders. Knows no meaning of either.

use std::collections::BTreeMap;
use std::time::Duration;

use cascade_domain::Shard;
use cascade_wire::{dispatch, key};

use crate::{Bus, BusError, StreamId, StreamReader, script};

/// Reads `{sNN}:alerts` of all shards and the orders; blocking, on a connection of its own.
#[derive(Debug)]
pub struct AlertReader {
    reader: StreamReader,
}

/// Where a reader stands; what is not in it is read from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Positions {
    /// In each shard's findings.
    pub shards: BTreeMap<Shard, String>,
    /// In the orders.
    pub orders: Option<String>,
}

impl Positions {
    /// Goes on past what was heard.
    pub fn pass(&mut self, heard: &Heard) {
        match heard {
            Heard::Finding(shard, id, _) => drop(self.shards.insert(*shard, id.to_string())),
            Heard::Order(id, _) => self.orders = Some(id.to_string()),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An entry of a shard's findings: field `e`.
    Finding(Shard, StreamId, Option<Vec<u8>>),
    /// An entry of the orders: field `e`.
    Order(StreamId, Option<Vec<u8>>),
}

/// Who says that it has read.
const READER: &str = "dispatch";

impl AlertReader {
    /// What stands after these positions, `count` entries a stream at most: the shards in order, then the orders. Waits up
    /// to `block` for the first.
    ///
    /// # Errors
    /// As [`crate::StreamReader::read`].
    pub async fn read(
        &mut self,
        positions: &Positions,
        block: Duration,
        count: usize,
    ) -> Result<Vec<Heard>, BusError> {
        let beginning = || StreamId::ZERO.to_string();
        let of = |shard: &Shard| positions.shards.get(shard).cloned().unwrap_or_else(beginning);
        let mut streams: Vec<_> = Shard::all().map(|shard| (key::alerts(shard), of(&shard))).collect();
        streams.push((dispatch::ORDERS.to_owned(), positions.orders.clone().unwrap_or_else(beginning)));
        let mut read: BTreeMap<_, _> =
            self.reader.read_streams(&streams, block, count).await?.into_iter().collect();
        let mut heard = Vec::new();
        for shard in Shard::all() {
            let entries = read.remove(&key::alerts(shard)).unwrap_or_default();
            heard.extend(entries.into_iter().map(|entry| Heard::Finding(shard, entry.id, entry.one)));
        }
        let orders = read.remove(dispatch::ORDERS).unwrap_or_default();
        heard.extend(orders.into_iter().map(|entry| Heard::Order(entry.id, entry.one)));
        Ok(heard)
    }
}

impl Bus {
    /// A reader of all shards' findings and of the orders, with its own connection.
    pub fn alerts(&self) -> AlertReader {
        AlertReader { reader: self.reader() }
    }

    /// Says up to where the shards' findings are decided on: for a day they are not trimmed past it. A shard that is not in
    /// the positions is read from its beginning.
    ///
    /// # Errors
    /// Redis is away, or refuses one of them (the others are said).
    pub async fn alerts_read(&self, positions: &Positions) -> Result<(), BusError> {
        let calls = Shard::all().map(|shard| {
            let mut cmd = script::READ_UP_TO.call(&[&key::alerts_read(shard)]);
            cmd.arg(READER).arg(positions.shards.get(&shard).map_or("0-0", String::as_str));
            cmd
        });
        let answers =
            script::READ_UP_TO.run::<u64>(&self.link, calls, self.settings.response_timeout).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }
}
