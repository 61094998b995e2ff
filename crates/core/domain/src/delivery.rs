//! What was decided of an alert for one destination, and what became of it.
//!
//! Knows no policy, no provider and no Redis.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Alert, EventTime, Id, IdHasher, Priority, Symbol};

/// Why an alert is told to a destination, or not (alerting.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertReason {
    /// The destination has not heard of it.
    First,
    /// It is worse than what the destination was told.
    Worse,
    /// It goes on, and the window in which a repeat is a duplicate is over.
    RepeatDue,
    /// The message that was sent is edited: it goes on, better or no worse.
    Updated,
    /// Nobody acknowledged it in time.
    Escalated,
    /// It is over, and the destination was told that it began.
    Resolved,
    /// The destination knows.
    Duplicate,
    /// Somebody muted it.
    Muted,
    /// Less urgent than the destination wants, at this hour.
    BelowThreshold,
    /// A budget is used up; a digest tells it.
    RateLimited,
    /// Too old to be news.
    Stale,
    /// Switched off in the configuration.
    Disabled,
    /// The destination does not want this kind or this symbol.
    Filtered,
    /// A market-wide alert tells it.
    Folded,
}

impl AlertReason {
    /// All.
    pub const ALL: [Self; 14] = [
        Self::First,
        Self::Worse,
        Self::RepeatDue,
        Self::Updated,
        Self::Escalated,
        Self::Resolved,
        Self::Duplicate,
        Self::Muted,
        Self::BelowThreshold,
        Self::RateLimited,
        Self::Stale,
        Self::Disabled,
        Self::Filtered,
        Self::Folded,
    ];

    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Worse => "worse",
            Self::RepeatDue => "repeat_due",
            Self::Updated => "updated",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
            Self::Duplicate => "duplicate",
            Self::Muted => "muted",
            Self::BelowThreshold => "below_threshold",
            Self::RateLimited => "rate_limited",
            Self::Stale => "stale",
            Self::Disabled => "disabled",
            Self::Filtered => "filtered",
            Self::Folded => "folded",
        }
    }
}

/// How an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manner {
    /// As a message of its own, or one with others that wait.
    New,
    /// By editing the message that told it first; as a new one where there is none to edit.
    Edit,
}

/// An alert on its way to one destination: a row of the delivery's books until it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Names the row: see [`Delivery::row_of`].
    pub row: Id,
    /// The destination's name.
    pub destination: String,
    /// What is told.
    pub alert: Alert,
    /// Why.
    pub reason: AlertReason,
    /// How.
    pub manner: Manner,
    /// The lane in which it waits: more urgent ones go first.
    pub lane: Priority,
    /// Not before.
    pub due_ms: EventTime,
    /// Not after: then it is stale.
    pub expires_ms: EventTime,
    /// An earlier row of the same alert and destination that must have ended first.
    pub after: Option<Id>,
    /// How often this came since the destination was told last, this time included; at least 1.
    pub count: u32,
}

impl Delivery {
    /// The row of an alert's revision and a destination. An escalation is a row of its own.
    pub fn row_of(revision: Id, destination: &str, is_escalation: bool) -> Id {
        let kind = if is_escalation { "escalation" } else { "delivery" };
        IdHasher::new(kind).text(&revision.to_string()).text(destination).finish()
    }
}

/// What was decided of one alert revision for one destination. Exactly one for each pair.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is told.
    Tell(Box<Delivery>),
    /// It is not; this is its end.
    Suppress {
        /// The row.
        row: Id,
        /// The destination.
        destination: String,
        /// What is not told.
        alert: Arc<Alert>,
        /// Why; [`AlertReason::Stale`] = it has expired.
        reason: AlertReason,
    },
    /// A row that was to be told and has not been yet is not: a market-wide alert tells it, or it is over already. Nothing
    /// happens where it has been told meanwhile.
    Withdraw {
        /// The row.
        row: Id,
        /// The destination.
        destination: String,
        /// Why.
        reason: AlertReason,
    },
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The provider took it.
    Sent,
    /// Decided against.
    Suppressed,
    /// Too old before it could be told.
    Expired,
    /// The provider refuses it for good.
    Dead,
}

impl Ending {
    /// All.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Suppressed, Self::Expired, Self::Dead];

    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::Dead => "dead",
        }
    }

    /// How a decision not to tell ends its row.
    pub const fn of(reason: AlertReason) -> Self {
        match reason {
            AlertReason::Stale => Self::Expired,
            _ => Self::Suppressed,
        }
    }
}

/// What somebody, or the clock, asks of the dispatcher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// When, by the clock of who asked.
    pub at_ms: EventTime,
    /// Who: `cli:root@host`, `telegram:4711 @name`, `watchdog`.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub what: Ask,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Ask {
    /// Tells nothing of these alerts for a while.
    Mute(Mute),
    /// Lifts the mutes of exactly this.
    Unmute {
        /// Which alerts.
        what: Which,
    },
    /// Somebody takes care of it: it is not escalated.
    Ack {
        /// The alert.
        alert: Id,
    },
    /// A marked alert to all destinations, whatever they filter.
    Test {
        /// Names the test.
        id: Id,
        /// Its priority.
        priority: Priority,
    },
    /// A sign of life that goes the whole way.
    Watchdog {
        /// Names the sign.
        id: Id,
    },
    /// Somebody who may not asked for something: nothing is done, but it is told in the history.
    Refused {
        /// The word for what was asked.
        act: String,
        /// The alert.
        alert: Id,
    },
}

impl Ask {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Mute(_) => "mute",
            Self::Unmute { .. } => "unmute",
            Self::Ack { .. } => "ack",
            Self::Test { .. } => "test",
            Self::Watchdog { .. } => "watchdog",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Which alerts: all that match every part that is given. Nothing given = all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Which {
    /// About this market.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    /// Of this rule or kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// To this destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
}

/// Alerts that are not told for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mute {
    /// Which.
    pub what: Which,
    /// Until when.
    pub until_ms: EventTime,
}
