//! Fakes of the providers that alerts go to: real HTTP servers on port 0 that hold every rule of the real ones, answer as
//! they do, misbehave on demand, and write down each rule that a client breaks.
//!
//! Knows none of our senders: what is right is said here a second time.

mod conduct;
mod discord;
mod server;
mod slack;
mod telegram;
mod webhook;

use std::time::{SystemTime, UNIX_EPOCH};

use cascade_domain::EventTime;
use serde_json::Value;

pub use conduct::{Behaviour, Rate};
pub use discord::{DiscordRules, FakeDiscord};
pub use slack::{FakeSlack, SlackRules};
pub use telegram::{FakeChat, FakeTelegram, TelegramRules};
pub use webhook::{FakeWebhook, WebhookRules};

/// A message as a person sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct TestMessage {
    /// The provider's name of it.
    pub id: String,
    /// The chat it stands in; empty where a hook has only one.
    pub chat: String,
    /// When it came, wall time.
    pub at: EventTime,
    /// The text that is seen when it came, without markup.
    pub text: String,
    /// What became of it: each edit with its time and text.
    pub edits: Vec<(EventTime, String)>,
    /// The last body that was sent for it.
    pub body: Value,
    /// How often it was sent: a webhook's receiver knows repeats by their id, others never do.
    pub times: u32,
}

impl TestMessage {
    /// What a person sees now.
    pub fn now(&self) -> &str {
        self.edits.last().map_or(&self.text, |(_, text)| text)
    }
}

/// Wall time.
#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
