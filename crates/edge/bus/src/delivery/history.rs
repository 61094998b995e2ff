//! The history's stream, and the orders'. Knows no table.

use std::time::Duration;

use cascade_domain::Order;
use cascade_wire::{HistoryEntry, WireError, dispatch, encode_order};

use super::{millis, unwritable};
use crate::{Bus, BusError, StreamId, script};

/// How many orders stay.
const ORDERS: u32 = 10_000;

impl Bus {
    /// Asks something of the dispatcher.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn order(&self, order: &Order) -> Result<(), BusError> {
        let mut cmd = redis::cmd("XADD");
        cmd.arg(dispatch::ORDERS).arg("MAXLEN").arg("~").arg(ORDERS).arg("*").arg("e");
        cmd.arg(encode_order(order).map_err(|e| unwritable(&e))?);
        self.link.query::<String>(&cmd, self.settings.response_timeout).await.map(drop)
    }

    /// Asks it as what a bot's update says, and notes that update as handled; `false` = it was handled before, and nothing
    /// is asked. `None` = there is nothing to ask.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn order_once(&self, bot: &str, update: i64, order: Option<&Order>) -> Result<bool, BusError> {
        let order = order.map(encode_order).transpose().map_err(|e| unwritable(&e))?;
        let mut cmd = script::ORDER.call(&[dispatch::ORDERS, &dispatch::updates(bot)]);
        cmd.arg(update).arg(ORDERS).arg(order.unwrap_or_default());
        script::ORDER.run_one(&self.link, cmd, self.settings.response_timeout).await
    }

    /// The last update of a bot that was handled; `None` = none was.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn last_update(&self, bot: &str) -> Result<Option<i64>, BusError> {
        let mut cmd = redis::cmd("GET");
        cmd.arg(dispatch::updates(bot));
        self.link.query(&cmd, self.settings.response_timeout).await
    }

    /// The history after this id, oldest first, `count` at most.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn history(
        &self,
        after: StreamId,
        count: usize,
    ) -> Result<Vec<(StreamId, Result<HistoryEntry, WireError>)>, BusError> {
        let entries = self.entries(dispatch::HISTORY, after, count).await?;
        let read = |json: Option<Vec<u8>>| HistoryEntry::from_json(&json.unwrap_or_default());
        Ok(entries.into_iter().map(|entry| (entry.id, read(entry.one))).collect())
    }

    /// Lets go of the history up to this id, and of what is older than so much (wall time, by Redis' clock) in any case.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn trim_history(&self, up_to: StreamId, older: Duration) -> Result<(), BusError> {
        let limit = self.settings.response_timeout;
        let (seconds, _): (u64, u64) = self.link.query(&redis::cmd("TIME"), limit).await?;
        let oldest = StreamId { ms: (seconds * 1000).saturating_sub(millis(older)), seq: 0 };
        let after = StreamId { seq: up_to.seq.saturating_add(1), ..up_to };
        let mut cmd = redis::cmd("XTRIM");
        cmd.arg(dispatch::HISTORY).arg("MINID").arg(after.max(oldest).to_string());
        self.link.query::<u64>(&cmd, limit).await.map(drop)
    }
}
