//! Senders: one provider each, its settings and its client. Every answer becomes one of five outcomes.
//!
//! Knows no policy and no Redis, keeps nothing, and never tries again by itself: that is the delivery machine's. Within one
//! attempt it does what makes the attempt whole: the plain form where markup is refused, a new message where the one to
//! edit is gone, the new chat where a group became another.

mod address;
mod budget;
mod dead_man;
mod destination;
mod discord;
mod fields;
mod file;
mod hook;
mod http;
mod outcome;
mod secret;
mod sender;
mod slack;
mod stdout;
mod telegram;
mod webhook;

pub use budget::Budget;
pub use destination::{Destination, Kind};
pub use outcome::{Outcome, Refused};
pub use secret::{Secret, SecretPlace};
pub use sender::{Check, Network, Sender};
pub use stdout::Output;
pub use telegram::{Act, Bot, BotError, BotName, Callback, Press, Update};
