//! The address of a Redis, which may hold a password and never prints it.

use std::fmt;

use redis::Client;

use crate::{BusError, redacted};

/// A URL that names a Redis: `redis://`, `rediss://`, `unix://`.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Checks a URL; connects to nothing.
    ///
    /// # Errors
    /// [`BusError::Url`] if it names no Redis, or one that this build does not speak to (cluster, sentinel).
    pub fn parse(text: &str) -> Result<Self, BusError> {
        match Client::open(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(BusError::Url { url: redacted(text), reason: error.category().to_owned() }),
        }
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
