//! Redis: the only meeting place of the services. Names and encodings are `cascade-wire`'s; this crate knows how to
//! keep connections alive, which scripts keep a shard's writes atomic, and what must never wait.
//!
//! One connection a role: [`Bus`] for commands, a [`StreamReader`] for each blocking read, a [`Subscriber`] for
//! channels. Each mends itself for ever. Knows no meaning of an event or a finding, and reads no clock.

mod append;
mod batches;
mod cluster;
pub mod delivery;
mod error;
mod facts;
mod fence;
mod holder;
mod link;
mod newest;
mod outbox;
mod place;
mod reading;
mod script;
mod server;
mod settings;
mod store;
mod stream;
mod subscriber;
mod tally;
mod tell;
mod tick;
mod url;

use std::sync::Arc;

pub use batches::{by_shard, remembered_s};
pub use error::{BusError, redacted};
pub use facts::Facts;
pub use fence::{Batch, Claim, Commit, Owned};
pub use holder::Holder;
pub use outbox::Outbox;
pub use reading::{Standing, Write};
pub use server::{PortChoice, PrivateRedis};
pub use settings::{BusSettings, BusStats, StreamBounds};
pub use store::{Stored, StoredCount};
pub use stream::{Entry, StreamId, StreamReader};
pub use subscriber::{Message, Subscriber};
pub use tally::Tally;
pub use tell::Telling;
pub use tick::LastTick;
pub use url::RedisUrl;

use link::Link;
use place::Place;

/// The commands role: one connection that many tasks share. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Bus {
    place: Place,
    settings: Arc<BusSettings>,
    stats: Arc<BusStats>,
    link: Arc<Link>,
}

impl Bus {
    /// A bus to the Redis at `url`, as [`RedisUrl`] has it. Connects when first used: a server that is not there is no
    /// error here.
    ///
    /// # Errors
    /// [`BusError::Url`] if the URL names no Redis.
    pub fn open(url: &str, settings: BusSettings) -> Result<Self, BusError> {
        let place = Place::parse(url)?;
        let stats = Arc::new(BusStats::default());
        let link = Arc::new(Link::new(place.clone(), &settings, Arc::clone(&stats)));
        Ok(Self { place, settings: Arc::new(settings), stats, link })
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// None came: why.
    pub async fn ping(&self) -> Result<(), BusError> {
        self.link.query::<String>(&redis::cmd("PING"), self.settings.response_timeout).await.map(drop)
    }

    /// A reader with its own connection.
    pub fn reader(&self) -> StreamReader {
        StreamReader::new(
            Link::new(self.place.clone(), &self.settings, Arc::clone(&self.stats)),
            self.settings.response_timeout,
        )
    }

    /// A subscriber to these channels with its own connection.
    ///
    /// # Errors
    /// None at present: the URL was good for this bus.
    pub fn subscriber(&self, channels: &[String]) -> Result<Subscriber, BusError> {
        Ok(Subscriber::new(self.place.clone(), channels, Arc::clone(&self.settings), Arc::clone(&self.stats)))
    }

    /// What this bus, its readers and its subscribers have counted.
    pub fn stats(&self) -> &Arc<BusStats> {
        &self.stats
    }
}

/// The value of a line `name:value` of an INFO answer.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn is_at_least_6_2(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (6, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_at_least_6_2("6.2.0") && is_at_least_6_2("7.0.15") && is_at_least_6_2("10.0"));
        assert!(!is_at_least_6_2("6.0.16") && !is_at_least_6_2("unknown"));
    }

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let error = Bus::open("http://ann:s3cret@host", BusSettings::default()).unwrap_err();
        assert!(matches!(error, BusError::Url { .. }));
        assert!(error.to_string().contains("http://***@host") && !error.to_string().contains("s3cret"));
        assert_eq!(RedisUrl::parse("http://ann:s3cret@host"), Err(error));
    }

    #[test]
    fn a_bus_does_not_print_its_password() {
        let bus = Bus::open("redis://ann:s3cret@host", BusSettings::default()).unwrap();
        assert!(!format!("{bus:?}").contains("s3cret"), "{bus:?}");
        let url = RedisUrl::parse("redis://ann:s3cret@host").unwrap();
        assert_eq!(
            (format!("{url} {url:?}").as_str(), url.as_str()),
            ("redis://***@host redis://***@host", "redis://ann:s3cret@host")
        );
    }
}
