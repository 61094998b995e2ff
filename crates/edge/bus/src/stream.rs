//! Reading the shards' streams: one blocking read over all of them, on a connection of its own. A cluster refuses a
//! read over many slots: there the nodes are asked in turn, each for all of its shards, until something is there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cascade_domain::{Event, EventTime, Shard};
use cascade_wire::{ENTRY_ARRAY, ENTRY_ONE, EngineKeys, WireError, decode_entry, key};
use redis::{Cmd, Pipeline};

use crate::link::Link;
use crate::{Bus, BusError};

/// The id of a stream entry: Redis' time in milliseconds and a number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since the Unix epoch, by Redis' clock (or by whoever wrote the entry with an id of their own).
    pub ms: u64,
    /// Counts the entries of one millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Before every entry.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = BusError;

    fn from_str(text: &str) -> Result<Self, BusError> {
        text.split_once('-')
            .and_then(|(ms, seq)| Some(Self { ms: ms.parse().ok()?, seq: seq.parse().ok()? }))
            .ok_or_else(|| BusError::Reply(format!("`{text}` is not the id of a stream entry")))
    }
}

/// An entry of a shard's stream, as it stands there: anybody may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: StreamId,
    /// Field `e`.
    pub one: Option<Vec<u8>>,
    /// Field `b`.
    pub array: Option<Vec<u8>>,
    /// Field `d`: the delivery of a dead letter.
    pub delivery: Option<Vec<u8>>,
}

/// An entry as Redis tells it: id, then fields and values in turn.
pub(crate) type RawEntry = (String, Vec<Vec<u8>>);

impl Entry {
    pub(crate) fn of((id, fields): RawEntry) -> Result<Self, BusError> {
        let mut entry = Self { id: id.parse()?, one: None, array: None, delivery: None };
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            if name == ENTRY_ONE.as_bytes() {
                entry.one = Some(value);
            } else if name == ENTRY_ARRAY.as_bytes() {
                entry.array = Some(value);
            } else if name == b"d" {
                entry.delivery = Some(value);
            }
        }
        Ok(entry)
    }

    /// Its events; each bad one is refused alone.
    ///
    /// # Errors
    /// The entry holds no events: [`decode_entry`].
    pub fn events(&self) -> Result<Vec<Result<Event, WireError>>, WireError> {
        decode_entry(self.one.as_deref(), self.array.as_deref())
    }
}

/// A blocking reader of market streams. After an error the next call connects anew, with growing waits, for ever.
#[derive(Debug)]
pub struct StreamReader {
    link: Link,
    /// For one round of asking a cluster's nodes.
    limit: Duration,
}

/// How many of the newest entries are looked through for a tick.
const LATEST: usize = 100;
/// Between two rounds of asking a cluster's nodes.
const ROUND: Duration = Duration::from_millis(5);
/// How long beyond the agreed blocking a server may be silent before its connection is given up.
const GRACE: Duration = Duration::from_secs(5);

impl StreamReader {
    pub(crate) const fn new(link: Link, limit: Duration) -> Self {
        Self { link, limit }
    }

    /// What stands in the shards' market streams after these positions: at most `count` entries a shard, in order.
    /// Waits up to `block` for the first; an empty answer means that nothing came. Shards in order.
    ///
    /// # Errors
    /// The connection broke, or nothing was heard for 5 s more than `block`. On a cluster: nothing came, and a shard's
    /// master did not answer. Call again with the same positions.
    pub async fn read(
        &mut self,
        positions: &BTreeMap<Shard, StreamId>,
        block: Duration,
        count: usize,
    ) -> Result<Vec<(Shard, Vec<Entry>)>, BusError> {
        let names: BTreeMap<String, Shard> =
            positions.keys().map(|shard| (key::market(*shard), *shard)).collect();
        let streams = positions.iter().map(|(shard, position)| (key::market(*shard), position.to_string()));
        let mut read = Vec::new();
        for (name, entries) in self.read_streams(&streams.collect::<Vec<_>>(), block, count).await? {
            let shard = names.get(&name).ok_or_else(|| BusError::Reply(format!("a stream `{name}`")))?;
            read.push((*shard, entries));
        }
        read.sort_by_key(|(shard, _)| *shard);
        Ok(read)
    }

    /// As [`StreamReader::read`], for streams by name.
    pub(crate) async fn read_streams(
        &self,
        positions: &[(String, String)],
        block: Duration,
        count: usize,
    ) -> Result<Vec<(String, Vec<Entry>)>, BusError> {
        if positions.is_empty() {
            tokio::time::sleep(block).await;
            return Ok(Vec::new());
        }
        // BLOCK 0 would wait for ever.
        let block = block.max(Duration::from_millis(1));
        if self.link.is_cluster() {
            return self.ask_until(positions, block, count).await;
        }
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(count).arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX));
        cmd.arg("STREAMS");
        for (stream, _) in positions {
            cmd.arg(stream);
        }
        for (_, position) in positions {
            cmd.arg(position);
        }
        let answer: Option<Vec<RawStream>> = self.link.query(&cmd, block + GRACE).await?;
        answer.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Asks a cluster's nodes, round by round, until something is there or `block` is over.
    async fn ask_until(
        &self,
        positions: &[(String, String)],
        block: Duration,
        count: usize,
    ) -> Result<Vec<(String, Vec<Entry>)>, BusError> {
        let mut pipe = Pipeline::with_capacity(positions.len());
        for (stream, position) in positions {
            pipe.cmd("XREAD").arg("COUNT").arg(count).arg("STREAMS").arg(stream).arg(position);
        }
        let mut over = std::pin::pin!(tokio::time::sleep(block));
        loop {
            let (mut streams, mut failed) = (Vec::new(), None);
            for answer in self.link.read_all::<Option<Vec<RawStream>>>(&mut pipe, self.limit).await? {
                match answer {
                    Ok(answer) => streams.extend(answer.unwrap_or_default()),
                    Err(error) => failed = Some(BusError::of(&error)),
                }
            }
            if !streams.is_empty() {
                return streams.into_iter().map(read).collect();
            }
            tokio::select! {
                () = &mut over => return failed.map_or(Ok(Vec::new()), Err),
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }
}

/// A stream as Redis tells it.
type RawStream = (String, Vec<RawEntry>);

fn read((name, entries): RawStream) -> Result<(String, Vec<Entry>), BusError> {
    Ok((name, entries.into_iter().map(Entry::of).collect::<Result<_, _>>()?))
}

impl Bus {
    /// The oldest entry of each shard's market stream; `None` = the stream is empty. A reader whose position is older
    /// than that may have been overtaken by trimming. Each shard has its own result: one may hold another type.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn oldest(
        &self,
        shards: &[Shard],
    ) -> Result<Vec<Result<Option<StreamId>, BusError>>, BusError> {
        self.first_of(shards, |stream| range(stream, "-", 1)).await
    }

    /// The newest entry of each shard's market stream, as [`Bus::oldest`]: from there on only what is new comes.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn newest(
        &self,
        shards: &[Shard],
    ) -> Result<Vec<Result<Option<StreamId>, BusError>>, BusError> {
        self.first_of(shards, |stream| {
            let mut cmd = redis::cmd("XREVRANGE");
            cmd.arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
            cmd
        })
        .await
    }

    /// The snapshot of `engine` in each shard, as it stands; `None` where there is none. Each shard has its own result.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn states(
        &self,
        engine: &str,
        shards: &[Shard],
    ) -> Result<Vec<Result<Option<Vec<u8>>, BusError>>, BusError> {
        let mut pipe = Pipeline::with_capacity(shards.len());
        for shard in shards {
            let mut cmd = redis::cmd("GET");
            cmd.arg(EngineKeys::of(*shard, engine).state);
            pipe.add_command(cmd);
        }
        let answers =
            self.link.pipeline::<Option<Vec<u8>>>(&mut pipe, self.settings.response_timeout).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(|error| BusError::of(&error))).collect())
    }

    /// The first entry that `ask` finds in each shard's market stream.
    async fn first_of(
        &self,
        shards: &[Shard],
        ask: impl Fn(&str) -> Cmd,
    ) -> Result<Vec<Result<Option<StreamId>, BusError>>, BusError> {
        let mut pipe = Pipeline::with_capacity(shards.len());
        for shard in shards {
            pipe.add_command(ask(&key::market(*shard)));
        }
        let answers = self.link.pipeline::<Vec<RawEntry>>(&mut pipe, self.settings.response_timeout).await?;
        let first = |entries: Vec<RawEntry>| entries.into_iter().next().map(|(id, _)| id.parse()).transpose();
        Ok(answers.into_iter().map(|answer| answer.map_err(|e| BusError::of(&e)).and_then(first)).collect())
    }

    /// The time of the newest tick in the streams (every shard has every tick); `None` where there is none yet.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn newest_tick(&self) -> Result<Option<EventTime>, BusError> {
        let Some(shard) = Shard::all().next() else { return Ok(None) };
        let mut cmd = redis::cmd("XREVRANGE");
        cmd.arg(key::market(shard)).arg("+").arg("-").arg("COUNT").arg(LATEST);
        let latest: Vec<RawEntry> = self.link.query(&cmd, self.settings.response_timeout).await?;
        let events = latest.into_iter().filter_map(|raw| Entry::of(raw).ok()?.events().ok()).flatten();
        let tick = |event| if let Ok(Event::Tick(tick)) = event { Some(tick.event_time_ms) } else { None };
        Ok(events.filter_map(tick).max())
    }

    /// The time of the oldest tick in the streams: since when somebody has been writing them, or how far back they
    /// reach. `None` where there is none.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn oldest_tick(&self) -> Result<Option<EventTime>, BusError> {
        let Some(shard) = Shard::all().next() else { return Ok(None) };
        let entries = self.entries(&key::market(shard), StreamId::ZERO, LATEST).await?;
        let events = entries.iter().filter_map(|entry| entry.events().ok()).flatten();
        let tick = |event| if let Ok(Event::Tick(tick)) = event { Some(tick.event_time_ms) } else { None };
        Ok(events.filter_map(tick).min())
    }

    /// At most `count` entries of the stream at `key` after `after`, oldest first; does not wait.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn entries(&self, key: &str, after: StreamId, count: usize) -> Result<Vec<Entry>, BusError> {
        let cmd = range(key, &format!("({after}"), count);
        let entries: Vec<RawEntry> = self.link.query(&cmd, self.settings.response_timeout).await?;
        entries.into_iter().map(Entry::of).collect()
    }

    /// The id of the newest entry of the stream at `key`; [`StreamId::ZERO`] where there is none.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn newest_entry(&self, key: &str) -> Result<StreamId, BusError> {
        let mut cmd = redis::cmd("XREVRANGE");
        cmd.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: Vec<RawEntry> = self.link.query(&cmd, self.settings.response_timeout).await?;
        newest.first().map_or(Ok(StreamId::ZERO), |(id, _)| id.parse())
    }
}

fn range(key: &str, from: &str, count: usize) -> Cmd {
    let mut cmd = redis::cmd("XRANGE");
    cmd.arg(key).arg(from).arg("+").arg("COUNT").arg(count);
    cmd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_redis_orders_them_and_read_back() {
        let id = |text: &str| text.parse::<StreamId>().unwrap();
        assert!(id("9-9") < id("10-0") && id("10-2") < id("10-10") && StreamId::ZERO < id("0-1"));
        assert_eq!(id("1791565601482-7").to_string(), "1791565601482-7");
        for bad in ["", "7", "a-1", "1-", "-1-1"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }
}
