//! Senders: one provider each, its settings and its client. Every answer becomes one of four outcomes.
//!
//! Knows no policy and no Redis, keeps nothing, and never tries again by itself: that is the delivery machine's.

mod outcome;
mod sender;

pub use outcome::{Outcome, Refused};
pub use sender::{Budget, Check, Destination, Kind, Network, Secret, SecretPlace, Sender};
