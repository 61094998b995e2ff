//! The dispatcher's books as they stand on Redis: deliveries and orders as MessagePack, history and dead letters as JSON.
//!
//! Knows no script and no provider.

use cascade_domain::{AlertReason, Delivery, Ending, EventTime, Id, Order, Phase, Priority, Symbol};
use serde::{Deserialize, Serialize};

use crate::WireError;
use crate::event::unpacked;

/// A delivery as the body of its row.
///
/// # Errors
/// Never for a delivery of this workspace's policy.
pub fn encode_delivery(delivery: &Delivery) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec_named(delivery).map_err(|e| WireError::malformed(&e))
}

/// Reads the body of a row.
///
/// # Errors
/// Not such a map.
pub fn decode_delivery(bytes: &[u8]) -> Result<Delivery, WireError> {
    unpacked(bytes)
}

/// An order as an entry of its stream.
///
/// # Errors
/// Never for an order of this workspace.
pub fn encode_order(order: &Order) -> Result<Vec<u8>, WireError> {
    rmp_serde::to_vec_named(order).map_err(|e| WireError::malformed(&e))
}

/// Reads an entry of the stream of orders.
///
/// # Errors
/// Not such a map.
pub fn decode_order(bytes: &[u8]) -> Result<Order, WireError> {
    unpacked(bytes)
}

/// What a provider said when it took a message; no secret in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The provider's own name of the message, where it has one: a message id, an HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether that message is this alert's alone, and may be edited when the alert goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub editable: bool,
    /// Names the destination's settings that it was sent with, where it is kept for edits: with others, an edit would go to
    /// another place than the message did. Absent = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Id>,
}

impl Receipt {
    /// As what was told of an alert is kept.
    ///
    /// # Errors
    /// Never for a receipt of this workspace.
    pub fn to_json(&self) -> Result<String, WireError> {
        serde_json::to_string(self).map_err(|e| WireError::malformed(&e))
    }

    /// Reads what was told of an alert.
    ///
    /// # Errors
    /// Not such an object.
    pub fn from_json(json: &str) -> Result<Self, WireError> {
        serde_json::from_str(json).map_err(|e| WireError::malformed(&e))
    }
}

/// A line of the history: an entry of its stream, and a row of its tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the clock of who wrote it.
    pub at_ms: EventTime,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

impl Entry {
    /// As an entry of the history's stream.
    ///
    /// # Errors
    /// Never for an entry of this workspace.
    pub fn to_json(&self) -> Result<String, WireError> {
        serde_json::to_string(self).map_err(|e| WireError::malformed(&e))
    }

    /// Reads an entry of the history's stream.
    ///
    /// # Errors
    /// Not such an object.
    pub fn from_json(json: &[u8]) -> Result<Self, WireError> {
        serde_json::from_slice(json).map_err(|e| WireError::malformed(&e))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// An alert's revision was taken; told once, before its decisions.
    Alert {
        /// The revision.
        revision: Id,
        /// The alert.
        alert: Id,
        /// Its kind.
        kind: String,
        /// Its rule.
        rule: String,
        /// Its scope.
        scope: String,
        /// Its market.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symbol: Option<Symbol>,
        /// Where it stands.
        phase: Phase,
        /// How urgent.
        priority: Priority,
        /// When it was known.
        known_at_ms: EventTime,
        /// One plain line on it.
        title: String,
        /// From a demo.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        demo: bool,
    },
    /// It was decided for one destination.
    Decision {
        /// The row.
        row: Id,
        /// The alert's revision.
        revision: Id,
        /// The destination.
        destination: String,
        /// Why it is told, or not.
        reason: AlertReason,
        /// Absent = it is told; else how it ended by this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ending: Option<Ending>,
    },
    /// A message was tried, for one row or several.
    Attempt {
        /// The rows.
        rows: Vec<Id>,
        /// The destination.
        destination: String,
        /// `sent`, `retry_after`, `failed`, `refused`, or `ambiguous`: its answer was never seen.
        outcome: String,
        /// What the provider, or the network, said; no secret in it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
    },
    /// A row that was to be told ended.
    End {
        /// The row.
        row: Id,
        /// The destination.
        destination: String,
        /// How.
        ending: Ending,
        /// Why: the word of a decision's reason, or of a refusal.
        reason: String,
        /// What the provider gave for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// Somebody asked for something.
    Order {
        /// The order. Under a name of its own: it has a time and a `what` too.
        given: Order,
        /// Why it makes no sense; absent = it was done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// Somebody put dead letters back on their way, or dropped them.
    Letters {
        /// The rows.
        rows: Vec<Id>,
        /// `replayed` or `dropped`.
        act: String,
        /// Who.
        by: String,
    },
}

/// A delivery that ended dead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// When it was given up.
    pub at_ms: EventTime,
    /// Why: the word of a refusal.
    pub reason: String,
    /// What the provider said; no secret in it.
    pub said: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What was to be delivered.
    pub delivery: Delivery,
}

/// What an entry of the dead letters says besides its delivery.
#[derive(Deserialize)]
struct LetterHead {
    at_ms: EventTime,
    reason: String,
    said: String,
    attempts: u32,
}

/// Reads an entry of the dead letters: its head (JSON) and its delivery (the body of its row).
///
/// # Errors
/// Not such an entry.
pub fn letter_of(head: &[u8], delivery: &[u8]) -> Result<Letter, WireError> {
    let head: LetterHead = serde_json::from_slice(head).map_err(|e| WireError::malformed(&e))?;
    let LetterHead { at_ms, reason, said, attempts } = head;
    Ok(Letter { at_ms, reason, said, attempts, delivery: decode_delivery(delivery)? })
}

#[cfg(test)]
mod tests {
    use cascade_domain::{Ask, Mute, Which};

    use super::*;

    #[test]
    fn an_order_is_read_back_from_the_history_with_its_own_time() {
        let asks = [
            Ask::Mute(Mute {
                what: Which { rule: Some("feed".to_owned()), ..Which::default() },
                until_ms: EventTime::from_ms(9),
            }),
            Ask::Unmute { what: Which::default() },
            Ask::Ack { alert: Id::from_bits(7) },
            Ask::Test { id: Id::from_bits(8), priority: Priority::Low },
            Ask::Watchdog { id: Id::from_bits(9) },
            Ask::Refused { act: "ack".to_owned(), alert: Id::from_bits(7) },
        ];
        for what in asks {
            let order = Order { at_ms: EventTime::from_ms(1), by: "cli:ann@desk".to_owned(), what };
            assert_eq!(decode_order(&encode_order(&order).unwrap()), Ok(order.clone()));
            let entry =
                Entry { at_ms: EventTime::from_ms(2), what: What::Order { given: order, refused: None } };
            let json = entry.to_json().unwrap();
            assert!(json.starts_with(r#"{"at_ms":2,"what":"order","given":{"at_ms":1,"#), "{json}");
            assert_eq!(Entry::from_json(json.as_bytes()), Ok(entry));
        }
    }
}
