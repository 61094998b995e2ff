//! A destination's sender, whatever its kind.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use cascade_domain::{Delivery, Priority, Refusal, Symbol};
use cascade_wire::Receipt;

use crate::Outcome;

/// The kinds of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A chat of a Telegram bot.
    Telegram,
    /// A Discord webhook.
    Discord,
    /// A Slack webhook.
    Slack,
    /// A generic webhook, signed by Standard Webhooks 1.0.
    Webhook,
    /// This process' standard output.
    Stdout,
    /// A file, one JSON object a line.
    File,
    /// A URL that is asked when the watchdog arrives.
    DeadMan,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One `[[destination]]`, read and found good.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The least urgent alerts that it wants.
    pub minimum_priority: Priority,
    /// The kinds of alerts that it wants; empty = all.
    pub kinds: BTreeSet<String>,
    /// The markets that it wants; empty = all.
    pub symbols: BTreeSet<Symbol>,
    /// The IANA name of the zone in which times are given besides UTC.
    pub zone: String,
}

impl Destination {
    /// Reads one table of the configuration. `secret` = the text of a variable or a file that holds a secret.
    ///
    /// # Errors
    /// Everything that is wrong with it, keys relative to the table.
    pub fn read(
        table: &toml::Table,
        secret: &dyn Fn(&SecretPlace) -> Option<Secret>,
    ) -> Result<Self, Vec<Refusal>> {
        drop((table, secret));
        Err(Vec::new())
    }
}

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(String),
}

/// What a provider allows, kept by all dispatchers together: one message each `every`, `burst` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Names it; a hash, for it stands for a secret.
    pub name: String,
    /// One message each so long, on average.
    pub every: Duration,
    /// So many at once at most.
    pub burst: u32,
    /// Of these, so many are kept for HIGH.
    pub reserve: u32,
}

/// What a check of a destination found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whether messages will arrive, as far as can be told without sending one.
    pub good: bool,
    /// What was found, for people.
    pub found: String,
}

/// How the network is used.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// How long one request may take in all.
    pub timeout: Duration,
}

/// The sender of one destination. Clones share connections.
#[derive(Clone, Debug)]
pub struct Sender {
    destination: Destination,
}

impl Sender {
    /// The sender of a destination.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn new(destination: Destination, network: Network) -> Result<Self, String> {
        drop(network);
        Ok(Self { destination })
    }

    /// Its destination.
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Whether what was sent can be edited.
    pub const fn can_edit(&self) -> bool {
        matches!(self.destination.kind, Kind::Telegram | Kind::Discord | Kind::Webhook | Kind::File)
    }

    /// How many deliveries one message can tell; at least 1.
    pub const fn most_at_once(&self) -> usize {
        1
    }

    /// The provider's budgets that each message uses one of.
    pub const fn budgets(&self) -> Vec<Budget> {
        Vec::new()
    }

    /// Tells these deliveries in one message; `told` = what to edit, for deliveries of one alert.
    pub async fn send(&self, deliveries: &[Delivery], told: Option<&Receipt>) -> Outcome {
        drop((deliveries, told));
        Outcome::Failed("not built".to_owned())
    }

    /// Asks the provider whether messages will arrive, without sending one where that can be done.
    pub async fn check(&self) -> Check {
        Check { good: false, found: String::new() }
    }
}
