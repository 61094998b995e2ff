//! Redis: the only meeting place of the services. Names and encodings are `cascade-wire`'s; this crate knows how to
//! keep connections alive, which scripts keep a shard's writes atomic, and what must never wait.
//!
//! One connection a role: [`Bus`] for commands, a [`StreamReader`] for each blocking read, a [`Subscriber`] for
//! channels. Each mends itself for ever. Knows no meaning of an event or a finding, and reads no clock.

mod append;
mod error;
mod facts;
mod fence;
mod link;
mod outbox;
mod reading;
mod script;
mod server;
mod settings;
mod store;
mod stream;
mod subscriber;
mod tell;
mod url;

use std::sync::Arc;

use redis::Client;

pub use error::{BusError, redacted};
pub use facts::Facts;
pub use fence::{Batch, Claim, Commit, Owned};
pub use outbox::Outbox;
pub use reading::Write;
pub use server::{PortChoice, PrivateRedis};
pub use settings::{BusSettings, BusStats, StreamBounds};
pub use store::{Stored, StoredCount};
pub use stream::{Entry, StreamId, StreamReader};
pub use subscriber::{Message, Subscriber};
pub use tell::Telling;
pub use url::RedisUrl;

use link::Link;

/// The commands role: one connection that many tasks share. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    settings: Arc<BusSettings>,
    stats: Arc<BusStats>,
    link: Arc<Link>,
}

impl Bus {
    /// A bus to the Redis at `url` (`redis://`, `rediss://`, `unix://`). Connects when first used: a server that is
    /// not there is no error here.
    ///
    /// # Errors
    /// [`BusError::Url`] if the URL names no Redis.
    pub fn open(url: &str, settings: BusSettings) -> Result<Self, BusError> {
        let client = Client::open(url)
            .map_err(|e| BusError::Url { url: redacted(url), reason: e.category().to_owned() })?;
        let stats = Arc::new(BusStats::default());
        let link = Arc::new(Link::new(client.clone(), &settings, Arc::clone(&stats)));
        Ok(Self { client, settings: Arc::new(settings), stats, link })
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// None came: why.
    pub async fn ping(&self) -> Result<(), BusError> {
        self.link.query::<String>(&redis::cmd("PING"), self.settings.response_timeout).await.map(drop)
    }

    /// Whether this Redis can serve us: it answers, is a master, and is of version 6.2 or newer (`XTRIM MINID`).
    ///
    /// # Errors
    /// Why it can't; [`BusError::Unfit`] if waiting will not change that.
    pub async fn ready(&self) -> Result<(), BusError> {
        let ask = |section: &'static str| {
            let mut cmd = redis::cmd("INFO");
            cmd.arg(section);
            cmd
        };
        let limit = self.settings.response_timeout;
        let server: String = self.link.query(&ask("server"), limit).await?;
        fit_version(&server)?;
        let replication: String = self.link.query(&ask("replication"), limit).await?;
        match field(&replication, "role") {
            Some("master") => Ok(()),
            role => Err(BusError::Unfit(format!(
                "it is a {}, not a master",
                role.unwrap_or("node of unknown role")
            ))),
        }
    }

    /// What names this run of the server: another one means that Redis was restarted, or is another Redis.
    ///
    /// # Errors
    /// No answer came: why.
    pub async fn run_id(&self) -> Result<String, BusError> {
        let mut ask = redis::cmd("INFO");
        ask.arg("server");
        let server: String = self.link.query(&ask, self.settings.response_timeout).await?;
        let id = field(&server, "run_id").map(str::to_owned);
        id.ok_or_else(|| BusError::Reply("INFO without a run_id".to_owned()))
    }

    /// A reader with its own connection.
    pub fn reader(&self) -> StreamReader {
        StreamReader::new(Link::new(self.client.clone(), &self.settings, Arc::clone(&self.stats)))
    }

    /// A subscriber to these channels with its own connection.
    ///
    /// # Errors
    /// [`BusError::Url`] never in practice: the URL was good for this bus.
    pub fn subscriber(&self, channels: &[String]) -> Result<Subscriber, BusError> {
        Subscriber::new(&self.client, channels, Arc::clone(&self.settings), Arc::clone(&self.stats))
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

/// Whether the server that says this of itself knows `XTRIM MINID`.
fn fit_version(server: &str) -> Result<(), BusError> {
    let version = field(server, "redis_version").unwrap_or("unknown");
    if is_at_least_6_2(version) {
        Ok(())
    } else {
        Err(BusError::Unfit(format!("version {version} is older than 6.2")))
    }
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
