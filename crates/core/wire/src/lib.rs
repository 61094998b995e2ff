//! How nouns are spelled on Redis: channel, stream and key names, MessagePack with string keys, its JSON twin.
//!
//! Every name of contract.md 4 stands here and nowhere else. What comes in from Redis may have been written by
//! anybody: it is checked here and refused with a reason. Knows no Redis client and no meaning of the figures.

mod check;
mod event;
mod finding;
mod name;
mod reading;

pub use event::{
    ENTRY_ARRAY, ENTRY_ONE, decode_entry, decode_event, encode_event, event_from_json, event_to_json,
};
pub use finding::{decode_finding, encode_finding, finding_from_json, finding_to_json};
pub use name::{Channel, EngineKeys, key};
pub use reading::{FeedHealthReading, Heartbeat, probability_json, velocity_json};

/// Why something that stood on Redis or in a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not the encoding it should be, or a field missing or of another type.
    #[error("not readable: {0}")]
    Malformed(String),
    /// A version that this build does not read.
    #[error("version {found} is newer than this build reads ({known})")]
    TooNew {
        /// What stood there.
        found: u8,
        /// The newest that this build reads.
        known: u8,
    },
    /// A number that is not finite, or negative where that has no meaning.
    #[error("{field} is not usable: {value}")]
    BadNumber {
        /// The field.
        field: &'static str,
        /// What stood there.
        value: String,
    },
    /// A time outside 2010..2100, or an interval the wrong way round.
    #[error("{field} is not a time in milliseconds: {value}")]
    BadTime {
        /// The field.
        field: &'static str,
        /// What stood there.
        value: i64,
    },
    /// A stream entry with neither of its two fields, or with both.
    #[error("an entry must have one of the fields `e` and `b`; this one has {0}")]
    BadEntry(&'static str),
}

impl WireError {
    /// The word that labels the reason in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooNew { .. } => "too_new",
            Self::BadNumber { .. } => "bad_number",
            Self::BadTime { .. } => "bad_time",
            Self::BadEntry(_) => "bad_entry",
        }
    }
}
