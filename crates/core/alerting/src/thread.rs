//! What is remembered of an alert, and what of it each destination was told.
//!
//! Decides nothing.

use std::collections::BTreeMap;

use cascade_domain::{Alert, EventTime, Family, Id, Phase, Priority, Symbol};
use serde::{Deserialize, Serialize};

/// So many rows of a thread that may still wait are remembered.
const WAITING: usize = 16;

/// An alert that somebody was told, or that a market-wide one told in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) kind: String,
    pub(crate) symbol: Option<Symbol>,
    pub(crate) family: Family,
    /// When its newest revision was known; an earlier one that comes later says nothing.
    pub(crate) known_ms: EventTime,
    /// When it was heard of last.
    pub(crate) heard_ms: EventTime,
    /// When it was over.
    pub(crate) over_ms: Option<EventTime>,
    /// Who takes care of it.
    pub(crate) acknowledged: Option<String>,
    pub(crate) escalation: Escalation,
    /// By destination.
    pub(crate) threads: BTreeMap<String, Thread>,
}

/// How far an alert is from being escalated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Escalation {
    /// Nobody was told yet, or it is over, or somebody takes care.
    #[default]
    No,
    /// It will be.
    At(EventTime, Box<Alert>),
    /// It was.
    Done,
}

/// What one destination was told of an alert. Short names: there are thousands of it in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thread {
    /// The worst that it was told.
    #[serde(rename = "r")]
    pub(crate) rank: u32,
    /// How urgent that was.
    #[serde(rename = "p")]
    pub(crate) priority: Priority,
    /// When it was told, by a message of its own.
    #[serde(rename = "t")]
    pub(crate) told_ms: EventTime,
    /// How often the alert came since then, that time included.
    #[serde(rename = "n")]
    pub(crate) count: u32,
    /// The row of the message that told it.
    #[serde(rename = "i")]
    pub(crate) row: Id,
    /// When that is due.
    #[serde(rename = "d")]
    pub(crate) due_ms: EventTime,
    /// Nothing was told before that message.
    #[serde(default)]
    pub(crate) first: bool,
    /// The newest rows that edit it.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) edit: Option<Edit>,
    /// Rows that may not have been sent yet, and when they expire.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<(Id, EventTime)>,
    /// A market-wide alert tells it.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) folded: bool,
    /// It is over: the next time it comes it is new.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) closed: bool,
}

/// Rows of one time that edit a message.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Edit {
    /// The newest of them.
    #[serde(rename = "i")]
    pub(crate) row: Id,
    /// When they are due, all together.
    #[serde(rename = "d")]
    pub(crate) due_ms: EventTime,
    /// The row before them.
    #[serde(rename = "a")]
    pub(crate) after: Id,
}

impl Standing {
    pub(crate) fn new(alert: &Alert, now: EventTime) -> Self {
        Self {
            kind: alert.kind.clone(),
            symbol: alert.symbol,
            family: alert.family,
            known_ms: alert.known_at_ms.min(now),
            heard_ms: now,
            over_ms: None,
            acknowledged: None,
            escalation: Escalation::No,
            threads: BTreeMap::new(),
        }
    }

    /// Whether a newer revision than this one was heard. After a clock was set back nothing is known of that.
    pub(crate) fn is_newer(&self, alert: &Alert, now: EventTime) -> bool {
        alert.known_at_ms < self.known_ms && self.known_ms <= now
    }

    /// Takes note of a revision that is not older than the newest: what comes again after it was over is new.
    pub(crate) fn hear(&mut self, alert: &Alert, now: EventTime) {
        if self.over_ms.is_some() && alert.phase != Phase::Resolved {
            self.over_ms = None;
            self.acknowledged = None;
            self.escalation = Escalation::No;
        }
        self.known_ms = alert.known_at_ms.min(now);
        self.heard_ms = now;
        if let Escalation::At(_, pending) = &mut self.escalation {
            **pending = alert.clone();
        }
    }

    /// It is over.
    pub(crate) fn close(&mut self, now: EventTime) {
        self.over_ms = Some(now);
        self.escalation = Escalation::No;
        for thread in self.threads.values_mut() {
            thread.closed = true;
        }
    }
}

impl Thread {
    /// Whether what was told of it goes on.
    pub(crate) const fn is_open(&self) -> bool {
        !self.closed && !self.folded
    }

    /// The row that the next one must follow.
    pub(crate) fn last_row(&self) -> Id {
        self.edit.map_or(self.row, |edit| edit.row)
    }

    /// Takes note of a row that will be sent. Where there are too many, the oldest edit is forgotten: the first row is the
    /// message that all of them edit.
    pub(crate) fn wait_for(&mut self, row: Id, expires: EventTime) {
        if self.waiting.len() >= WAITING {
            self.waiting.remove(1);
        }
        self.waiting.push((row, expires));
    }

    /// Forgets rows that have expired.
    pub(crate) fn forget(&mut self, now: EventTime) {
        self.waiting.retain(|(_, expires)| *expires > now);
    }

    /// Lets go of the rows that may not have been sent yet.
    pub(crate) fn withdraw(&mut self, now: EventTime) -> impl Iterator<Item = Id> + use<> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter(move |(_, expires)| *expires > now).map(|(row, _)| row)
    }
}
