//! The address of a Redis, which may hold a password and never prints it.

use std::fmt;

use crate::place::Place;
use crate::{BusError, redacted};

/// A URL that names a Redis: `redis://`, `rediss://` or `unix://` one server, `redis+cluster://` or
/// `rediss+cluster://` a cluster by some of its nodes, `redis+sentinel://` or `rediss+sentinel://` the master that
/// sentinels name.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Checks a URL; connects to nothing.
    ///
    /// # Errors
    /// [`BusError::Url`] if it names no Redis.
    pub fn parse(text: &str) -> Result<Self, BusError> {
        Place::parse(text).map(|_| Self(text.to_owned()))
    }

    /// The whole of it, password included: for [`crate::Bus::open`], never for people.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The Redis of this machine.
impl Default for RedisUrl {
    fn default() -> Self {
        Self("redis://127.0.0.1:6379".to_owned())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_clusters_and_sentinels_are_named_by_the_scheme() {
        for good in [
            "redis://127.0.0.1:6379/2",
            "rediss://ann:s3cret@db.example:6380",
            "unix:///run/redis.sock",
            "redis+cluster://h1:7000,h2:7001,h3",
            "redis+cluster://ann:s3cr%40t@[::1]:7000,10.0.0.2:7000/0",
            "rediss+cluster://:s3cret@h1:7000",
            "redis+sentinel://s1:26379,s2/mymaster",
            "rediss+sentinel://ann:s3cret@s1/mymaster/3",
        ] {
            assert!(RedisUrl::parse(good).is_ok(), "{good}: {:?}", RedisUrl::parse(good));
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_secrets() {
        for (bad, reason) in [
            ("redis+cluster://ann:s3cret@", "a host is missing"),
            ("redis+cluster://h1:1,,h2:2", "a host is missing"),
            ("redis+cluster://ann:s3cret@h1:1/3", "no database but 0"),
            ("redis+cluster://ann:s3cret@h1:1,bob:s3cret@h2:2", "once, ahead of all hosts"),
            ("redis+sentinel://ann:s3cret@s1,s2", "the name of the master is missing"),
            ("redis+clusters://ann:s3cret@h1", "`redis+clusters` is no scheme"),
            ("http+cluster://h1", "`http+cluster` is no scheme"),
        ] {
            let error = RedisUrl::parse(bad).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("s3cret"), "{bad}: {error}");
            assert!(error.contains("redis+cluster://HOST:PORT"), "{error}");
        }
        assert!(RedisUrl::parse("redis+cluster://h1:port").is_err());
    }

    #[test]
    fn a_cluster_is_shown_without_its_secrets() {
        let url = RedisUrl::parse("redis+cluster://ann:s3cret@h1:1,h2:2").unwrap();
        assert_eq!(format!("{url} {url:?}"), "redis+cluster://***@h1:1,h2:2 redis+cluster://***@h1:1,h2:2");
    }
}
