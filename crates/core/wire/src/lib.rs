//! How nouns are spelled on Redis: channel, stream and key names, MessagePack with string keys, its JSON twin.
//!
//! Every name of contract.md 4 stands here and nowhere else. What comes in from Redis may have been written by
//! anybody: it is checked here and refused with a reason. Knows no Redis client and no meaning of the figures.

mod delivery;
mod event;
mod finding;
mod foreign;
mod name;
mod reading;
mod state;

pub use delivery::{
    Entry as HistoryEntry, Letter, Receipt, What as HistoryOf, decode_delivery, decode_order,
    encode_delivery, encode_order, letter_of,
};
pub use event::{
    ENTRY_ARRAY, ENTRY_ONE, decode_entry, decode_event, encode_event, event_from_json, event_to_json,
};
pub use finding::{decode_finding, encode_finding, finding_from_json, finding_to_json};
pub use foreign::json_of;
pub use name::{Channel, EngineKeys, dispatch, key};
pub use reading::{
    DestinationReading, EngineBeat, FeedHealthReading, Heartbeat, PollReading, btc_price_json,
    btc_volatility_json, funding_json, open_interest_change_json, open_interest_json, regime_json,
    score_json, velocity_json,
};
pub use state::{decode_kept, decode_state, encode_kept, encode_state};

use cascade_domain::Unusable;

/// Why something that stood on Redis or in a file was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// A snapshot in a form that this build does not read.
    #[error("a snapshot of version {found}; this build reads {known}")]
    OtherState {
        /// What stood there.
        found: u32,
        /// The one that this build reads.
        known: u32,
    },
    /// A figure that makes no sense.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// A stream entry with neither of its two fields, or with both.
    #[error("an entry must have one of the fields `e` and `b`; this one has {0}")]
    BadEntry(&'static str),
}

/// Longest reason, in bytes: what was refused may be quoted in it, and is as long as its writer liked.
const LONGEST_REASON: usize = 300;

impl WireError {
    /// Of a decoder's own words, cut to a readable length.
    pub(crate) fn malformed(error: &impl std::fmt::Display) -> Self {
        let mut reason = error.to_string();
        if reason.len() > LONGEST_REASON {
            reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
            reason.push_str("...");
        }
        Self::Malformed(reason)
    }

    /// The word that labels the reason in metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooNew { .. } => "too_new",
            Self::OtherState { .. } => "other_version",
            Self::Unusable(Unusable::Number { .. }) => "bad_number",
            Self::Unusable(Unusable::Time { .. }) => "bad_time",
            Self::BadEntry(_) => "bad_entry",
        }
    }
}
