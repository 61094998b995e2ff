//! The settings of ingest: section `[ingest]`, which markets are read where, and where Redis is.

use cascade_bus::RedisUrl;
use cascade_domain::{FeedStatus, Refusal, Usd, Venue};
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Markets, Output, Streams, redis_url};
use cascade_venues::protocol;
use serde::Deserialize;

/// Everything that ingest is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// What is read, and how much is kept.
    pub ingest: Ingest,
    /// How much of the shard streams is kept.
    pub streams: Streams,
    /// The markets, and where each exchange is reached.
    pub markets: Markets,
    /// How feed findings go out.
    pub output: Output,
}

/// Section `[ingest]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Ingest {
    /// Trades of at least so many US dollars are told one by one, whole dollars.
    pub large_trade_usd: u32,
    /// Events that may wait for Redis.
    pub queue_events: usize,
    /// The memory that Redis may use, 2^20 bytes: as it fills up, the streams are kept for less. 0 = its `maxmemory`.
    pub redis_memory_mb: u32,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { large_trade_usd: 300_000, queue_events: 65_536, redis_memory_mb: 0 }
    }
}

impl Ingest {
    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut refuse = |key: &str, reason: &str| refusals.push(Refusal::new(key, reason));
        if self.queue_events < 1_000 {
            refuse("queue_events", "at least 1000: a busy second is longer than less");
        }
        if (1..64).contains(&self.redis_memory_mb) {
            refuse(
                "redis_memory_mb",
                "0 for the limit of Redis itself, or at least 64 MB: the events of a few minutes need as much",
            );
        }
        refusals
    }

    /// The large-trade threshold as money.
    pub(crate) fn large_trade(&self) -> Usd {
        Usd::from_dollars(i64::from(self.large_trade_usd))
    }

    /// The memory that Redis may use, bytes; `None` = what its own limit says.
    pub(crate) fn redis_memory(&self) -> Option<u64> {
        (self.redis_memory_mb > 0).then_some(u64::from(self.redis_memory_mb) << 20)
    }
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let ingest = document.section("ingest", mistakes, Ingest::refusals);
        Self {
            redis_url: redis_url(document, mistakes),
            output: Output::read(document, mistakes),
            streams: Streams::read(document, mistakes),
            markets: Markets::read(document, mistakes),
            ingest,
        }
    }

    /// The state of a healthy feed: one that is read from a node tells every liquidation.
    pub(crate) fn healthy(&self, venue: Venue) -> FeedStatus {
        match self.markets.node_fills(venue) {
            Some(_) => FeedStatus::Live,
            None => protocol(venue).healthy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_service::config::Sources;
    use cascade_service::{All, Symbols};

    fn mistakes_of(environment: &[(&str, &str)]) -> String {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        Config::read(&document, &mut mistakes);
        mistakes.to_string()
    }

    #[test]
    fn the_file_of_defaults_says_what_the_code_does() {
        let (document, mut mistakes) = Document::load(&Sources::default());
        let config = Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        assert_eq!(format!("{:?}", config.ingest), format!("{:?}", Ingest::default()));
        assert!(config.markets.venues.values().all(|v| !v.ws_url.is_empty()));
        assert_eq!(config.markets.venues[&Venue::Hyperliquid].liquidator_vaults.len(), 5);
    }

    #[test]
    fn every_mistake_is_named_with_its_way_out() {
        let mistakes = mistakes_of(&[
            ("CASCADE_REDIS__URL", "redis+cluster://ann:s3cret@host/3"),
            ("CASCADE_INGEST__EXCHANGES", "okx,okx"),
            ("CASCADE_INGEST__SYMBOLS", "BTCUSD"),
            ("CASCADE_INGEST__QUEUE_EVENTS", "10"),
            ("CASCADE_INGEST__REDIS_MEMORY_MB", "63"),
            ("CASCADE_INGEST__INSTRUMENTS_REFRESH_S", "59"),
            ("CASCADE_VENUES__OKX__WS_URL", "https://ws.okx.com"),
            ("CASCADE_VENUES__HYPERLIQUID__LIQUIDATOR_VAULTS", "0x12"),
        ]);
        for part in [
            "redis.url",
            "okx is named twice",
            "ingest.symbols",
            "BTCUSD",
            "ingest.queue_events",
            "ingest.redis_memory_mb",
            "ingest.instruments_refresh_s",
            "venues.okx.ws_url",
            "wss://",
            "liquidator_vaults",
        ] {
            assert!(mistakes.contains(part), "{part} is missing in:\n{mistakes}");
        }
        assert!(!mistakes.contains("s3cret"), "{mistakes}");
    }

    #[test]
    fn a_nodes_fills_are_hyperliquids_and_at_an_absolute_path() {
        let at =
            |venue: &str, path| mistakes_of(&[(&*format!("CASCADE_VENUES__{venue}__NODE_FILLS_DIR"), path)]);
        assert_eq!(at("HYPERLIQUID", "/home/ann/hl/data/node_fills_by_block"), "");
        assert_eq!(at("HYPERLIQUID", ""), "", "an empty variable counts as not set");
        let relative = at("HYPERLIQUID", "hl/data/node_fills");
        assert!(relative.contains("venues.hyperliquid.node_fills_dir") && relative.contains("absolute"));
        let elsewhere = at("OKX", "/home/ann/hl/data/node_fills");
        assert!(elsewhere.contains("venues.okx.node_fills_dir") && elsewhere.contains("unknown key"));
    }

    #[test]
    fn all_symbols_are_a_word() {
        let environment = vec![("CASCADE_INGEST__SYMBOLS".to_owned(), "all".to_owned())];
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        let config = Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        assert_eq!(config.markets.symbols, Symbols::All(All::All));
        assert!(config.markets.wanted(Venue::Okx).symbols.is_none());
    }
}
