//! The dispatcher's books on Redis: rows of deliveries, lanes, claims, budgets, counts, history and dead letters, all in one
//! slot and changed by scripts alone.
//!
//! Knows no policy and no provider: rows go in, are claimed, and end.

use std::time::Duration;

use cascade_domain::{Decision, Delivery, Ending, EventTime, Id, Order};
use cascade_wire::{HistoryEntry, Letter, Receipt};

use crate::{Bus, BusError};

/// The policy's snapshot as it stands on Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Counts the commits; the next one must name it.
    pub generation: u64,
    /// The snapshot, as it was committed.
    pub state: Vec<u8>,
}

/// What the policy decided on some findings, to be written all or nothing.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The generation that it goes on from; 0 = there was none.
    pub generation: u64,
    /// Names this try: the same try again is known by it.
    pub writer: &'a str,
    /// The snapshot after it.
    pub state: &'a [u8],
    /// The decisions; a row that there is, or was, is not made twice.
    pub decisions: &'a [Decision],
    /// What goes into the history, in order.
    pub history: &'a [HistoryEntry],
}

/// What a sender wants to send next.
#[derive(Debug)]
pub struct Claiming<'a> {
    /// The destination.
    pub destination: &'a str,
    /// Names this claim among all.
    pub token: &'a str,
    /// The dispatchers' clock.
    pub now: EventTime,
    /// Only rows of the lane HIGH; they may also overtake a message of another lane that is under way for long.
    pub only_high: bool,
    /// So many rows in one message at most.
    pub most: usize,
    /// How long the claim holds, wall time: longer than any attempt lasts.
    pub holds: Duration,
    /// The provider's budgets: name, one each `every`, `burst` at once, `reserve` of them for HIGH.
    pub budgets: &'a [(String, Duration, u32, u32)],
}

/// What a claim gives.
#[derive(Debug)]
pub enum Claimed {
    /// Rows for one message, the first the most important: all of one alert to be edited, or all to be told anew.
    Rows {
        /// The rows.
        rows: Vec<Row>,
        /// What the destination was told of their alert, where all are of one.
        told: Option<Receipt>,
    },
    /// Nothing to do now; ask again after this long (wall time) at most, or when something was decided.
    Nothing(Option<Duration>),
}

/// A row that is ours to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is to be delivered.
    pub delivery: Delivery,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What became of claimed rows.
#[derive(Debug)]
pub struct Settlement<'a> {
    /// The destination.
    pub destination: &'a str,
    /// The claim.
    pub token: &'a str,
    /// Each row and what becomes of it.
    pub rows: &'a [(Id, Settled)],
    /// What the destination is told of an alert now; it is forgotten where the alert is over.
    pub told: &'a [(Id, Option<Receipt>)],
    /// A budget that the provider closed, and for how long (wall time).
    pub close: Option<(String, Duration)>,
    /// The destination is off for good: why.
    pub off: Option<String>,
    /// What goes into the history.
    pub history: &'a [HistoryEntry],
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// It ended. The reason is the word of a decision or a refusal.
    Ended(Ending, String),
    /// It ended dead, and this is its letter.
    Dead(Box<Letter>),
    /// It is tried again, not before then (the dispatchers' clock).
    Again(EventTime),
}

/// What the books say of one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Decisions made.
    pub produced: u64,
    /// Rows that ended, by ending.
    pub ended: std::collections::BTreeMap<Ending, u64>,
    /// Rows that have not.
    pub open: u64,
    /// Messages that were sent again because their answer was never seen.
    pub ambiguous: u64,
    /// When the oldest row that is due was due (the dispatchers' clock).
    pub oldest_due: Option<EventTime>,
    /// Why it is off for good.
    pub off: Option<String>,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Each destination.
    pub accounts: std::collections::BTreeMap<String, Account>,
    /// Rows that nothing waited for, and that were put back.
    pub orphans: u64,
    /// Rows that expired: their time was over, whoever should have sent them.
    pub expired: u64,
    /// Dead letters that stand.
    pub letters: u64,
}

impl Bus {
    /// The policy's snapshot; `None` = there is none.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn policy(&self) -> Result<Option<Kept>, BusError> {
        Err(unbuilt())
    }

    /// Writes what was decided: `false` = somebody else has decided meanwhile, and nothing is written. The same try again
    /// is `true` and changes nothing.
    ///
    /// # Errors
    /// Redis is away or refuses; whether it came through is not known: try the same again.
    pub async fn decide(&self, _decided: &Decided<'_>) -> Result<bool, BusError> {
        Err(unbuilt())
    }

    /// Claims rows for one message. Claims that ran out are put back first, each counted `ambiguous`.
    ///
    /// # Errors
    /// Redis is away or refuses; what was claimed all the same is put back when the claim runs out.
    pub async fn claim(&self, _claiming: &Claiming<'_>) -> Result<Claimed, BusError> {
        Err(unbuilt())
    }

    /// Settles claimed rows: `false` for each that the claim holds no more. The same again changes nothing.
    ///
    /// # Errors
    /// Redis is away or refuses; try the same again.
    pub async fn settle(&self, _settlement: &Settlement<'_>) -> Result<Vec<bool>, BusError> {
        Err(unbuilt())
    }

    /// Looks through all open rows: puts back what nothing waits for, ends what is too old, and says how the books stand.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn audit(&self, _now: EventTime) -> Result<Audit, BusError> {
        Err(unbuilt())
    }

    /// Asks something of the dispatcher.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn order(&self, _order: &Order) -> Result<(), BusError> {
        Err(unbuilt())
    }

    /// Asks it as what a bot's update says, and notes that update as handled; `false` = it was handled before, and nothing
    /// is asked.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn order_once(
        &self,
        _bot: &str,
        _update: i64,
        _order: Option<&Order>,
    ) -> Result<bool, BusError> {
        Err(unbuilt())
    }

    /// Dead letters with the ids of their entries, oldest first, `count` at most, after this id.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn letters(
        &self,
        _after: crate::StreamId,
        _count: usize,
    ) -> Result<Vec<(crate::StreamId, Result<Letter, cascade_wire::WireError>)>, BusError> {
        Err(unbuilt())
    }

    /// Puts dead letters back on their way until `expires`; which of them there were.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn replay_letters(
        &self,
        _ids: &[crate::StreamId],
        _by: &str,
        _now: EventTime,
        _expires: EventTime,
    ) -> Result<Vec<bool>, BusError> {
        Err(unbuilt())
    }

    /// Drops dead letters; which of them there were.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn drop_letters(
        &self,
        _ids: &[crate::StreamId],
        _by: &str,
        _now: EventTime,
    ) -> Result<Vec<bool>, BusError> {
        Err(unbuilt())
    }

    /// The history after this id, oldest first, `count` at most.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn history(
        &self,
        _after: crate::StreamId,
        _count: usize,
    ) -> Result<Vec<(crate::StreamId, Result<HistoryEntry, cascade_wire::WireError>)>, BusError> {
        Err(unbuilt())
    }

    /// Lets go of the history up to this id, and of what is older than so much (wall time) in any case.
    ///
    /// # Errors
    /// Redis is away or refuses.
    pub async fn trim_history(&self, _up_to: crate::StreamId, _older: Duration) -> Result<(), BusError> {
        Err(unbuilt())
    }

    /// A reader of all shards' findings and of the orders, with its own connection.
    pub fn alerts(&self) -> AlertReader {
        AlertReader {}
    }
}

/// Reads `{sNN}:alerts` of all shards and the orders; blocking, on a connection of its own.
#[derive(Debug)]
pub struct AlertReader {}

/// Where a reader stands; what is not in it is read from its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Positions {
    /// In each shard's findings.
    pub shards: std::collections::BTreeMap<cascade_domain::Shard, String>,
    /// In the orders.
    pub orders: Option<String>,
}

/// What was read.
#[derive(Debug)]
pub enum Heard {
    /// An entry of a shard's findings: field `e`.
    Finding(cascade_domain::Shard, crate::StreamId, Option<Vec<u8>>),
    /// An entry of the orders: field `e`.
    Order(crate::StreamId, Option<Vec<u8>>),
}

impl AlertReader {
    /// What stands after these positions, `count` entries a stream at most, in order; waits up to `block` for the first.
    ///
    /// # Errors
    /// As [`crate::StreamReader::read`].
    pub async fn read(
        &mut self,
        _positions: &Positions,
        _block: Duration,
        _count: usize,
    ) -> Result<Vec<Heard>, BusError> {
        Err(unbuilt())
    }
}

fn unbuilt() -> BusError {
    BusError::Reply("not built yet".to_owned())
}
