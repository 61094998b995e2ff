//! The Redis of `up`: the one that was named or answers, else a private one that ends with the process.

use cascade_bus::{Bus, BusError, BusSettings, PortChoice, PrivateRedis};
use cascade_service::config::{Document, Origin};

/// Which Redis was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    url: String,
    named: bool,
    named_by_flag: bool,
}

/// The Redis that is used.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) url: String,
    server: Option<PrivateRedis>,
}

impl Wish {
    pub(crate) fn read(document: &Document) -> Self {
        let origin = document.origin("redis.url");
        Self {
            url: document.text("redis.url").unwrap_or_default().to_owned(),
            named: origin != Origin::Default,
            named_by_flag: matches!(origin, Origin::Flag(_)),
        }
    }

    /// Finds or starts it. A demo never writes into a Redis that was not given to it by flag.
    ///
    /// # Errors
    /// The URL is none, or no private server can be started.
    pub(crate) async fn fulfil(self, demo: bool) -> Result<Redis, BusError> {
        let named = if demo { self.named_by_flag } else { self.named };
        let bus = Bus::open(&self.url, BusSettings::default())?;
        if named || (!demo && bus.ping().await.is_ok()) {
            return Ok(Redis { url: self.url, server: None });
        }
        let server = PrivateRedis::start(PortChoice::Default6379IfFree).await?;
        Ok(Redis { url: server.url(), server: Some(server) })
    }
}

impl Redis {
    /// How a person reaches it from another terminal.
    pub(crate) fn hint(&self) -> String {
        match &self.server {
            Some(server) if server.port() == 6379 => "redis-cli".to_owned(),
            Some(server) => format!("redis-cli -p {}", server.port()),
            None => format!("redis-cli -u {}", cascade_bus::redacted(&self.url)),
        }
    }

    /// Whether it ends with this process.
    pub(crate) const fn is_private(&self) -> bool {
        self.server.is_some()
    }

    /// Ends a private server.
    pub(crate) async fn stop(mut self) {
        if let Some(server) = &mut self.server
            && let Err(error) = server.stop().await
        {
            tracing::warn!(%error, "the private redis-server");
        }
    }
}
