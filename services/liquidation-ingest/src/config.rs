//! The settings of ingest: sections `[ingest]` and `[venues.*]`, and where Redis is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use cascade_bus::{RedisUrl, StreamBounds};
use cascade_domain::{FeedStatus, Refusal, Symbol, Usd, Venue};
use cascade_service::config::{Document, Mistakes};
use cascade_service::{Output, redis_url};
use cascade_venues::{Endpoints, Wanted, protocol};
use serde::Deserialize;

/// For so much longer entries stay that an engine's snapshot does not know yet, seconds.
const FOR_SNAPSHOTS_S: u32 = 600;

/// Everything that ingest is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Redis answers.
    pub redis_url: RedisUrl,
    /// What is read, and how much is kept.
    pub ingest: Ingest,
    /// Where each exchange is reached.
    pub venues: BTreeMap<Venue, VenueSettings>,
    /// How feed findings go out.
    pub output: Output,
}

/// Section `[ingest]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Ingest {
    /// The exchanges to read.
    pub exchanges: Vec<Venue>,
    /// The markets to read.
    pub symbols: Symbols,
    /// Trades of at least so many US dollars are told one by one, whole dollars.
    pub large_trade_usd: u32,
    /// Events that may wait for Redis.
    pub queue_events: usize,
    /// How long the shard streams keep events, seconds.
    pub stream_max_age_s: u32,
    /// How many entries a shard stream holds at most.
    pub stream_max_len: u32,
    /// The memory that Redis may use, 2^20 bytes: as it fills up, the streams are kept for less. 0 = its `maxmemory`.
    pub redis_memory_mb: u32,
    /// How often the exchanges are asked for their instruments, seconds of the clock.
    pub instruments_refresh_s: u32,
}

/// The markets to read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Symbols {
    /// These.
    Named(Vec<Symbol>),
    /// Every one that a venue lists.
    All(All),
}

/// The word `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// Every one.
    All,
}

/// One `[venues.NAME]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct VenueSettings {
    /// Base of the WebSocket addresses.
    pub ws_url: String,
    /// Base of the REST addresses.
    pub rest_url: String,
    /// Binance only: base of the COIN-M REST addresses.
    pub coinm_rest_url: Option<String>,
    /// Hyperliquid only: the vaults whose fills are followed.
    pub liquidator_vaults: Vec<String>,
    /// Hyperliquid only: where a node of one's own writes its fills, an absolute path; absent = there is none.
    pub node_fills_dir: Option<PathBuf>,
}

impl Default for Ingest {
    fn default() -> Self {
        let named = ["BTCUSDT", "ETHUSDT", "SOLUSDT"].into_iter().filter_map(|s| Symbol::parse(s).ok());
        Self {
            exchanges: Venue::ALL.to_vec(),
            symbols: Symbols::Named(named.collect()),
            large_trade_usd: 300_000,
            queue_events: 65_536,
            stream_max_age_s: 600,
            stream_max_len: 500_000,
            redis_memory_mb: 0,
            instruments_refresh_s: 3_600,
        }
    }
}

impl Ingest {
    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut refuse = |key: &str, reason: &str| refusals.push(Refusal::new(key, reason));
        if self.exchanges.is_empty() {
            refuse("exchanges", "at least one of binance, bybit, okx, hyperliquid");
        }
        let mut seen = BTreeSet::new();
        for twice in self.exchanges.iter().filter(|venue| !seen.insert(**venue)) {
            refuse("exchanges", &format!("{twice} is named twice"));
        }
        match &self.symbols {
            Symbols::Named(symbols) if symbols.is_empty() => {
                refuse("symbols", "at least one market such as BTCUSDT, or \"all\"");
            }
            Symbols::Named(symbols) => {
                for symbol in
                    symbols.iter().filter(|s| !s.as_str().ends_with("USDT") || s.base() == s.as_str())
                {
                    refuse(
                        "symbols",
                        &format!("`{symbol}` is not BASE + USDT, e.g. BTCUSDT, and not \"all\""),
                    );
                }
            }
            Symbols::All(_) => {}
        }
        if self.queue_events < 1_000 {
            refuse("queue_events", "at least 1000: a busy second is longer than less");
        }
        if self.stream_max_age_s < 120 {
            refuse("stream_max_age_s", "at least 120 seconds: detectors look back that far");
        }
        if self.stream_max_len < 10_000 {
            refuse("stream_max_len", "at least 10000 entries");
        }
        if (1..64).contains(&self.redis_memory_mb) {
            refuse(
                "redis_memory_mb",
                "0 for the limit of Redis itself, or at least 64 MB: the events of a few minutes need as much",
            );
        }
        if self.instruments_refresh_s < 60 {
            refuse(
                "instruments_refresh_s",
                "at least 60 seconds: the exchanges limit how often they are asked",
            );
        }
        refusals
    }

    /// The large-trade threshold as money.
    pub(crate) fn large_trade(&self) -> Usd {
        Usd::from_dollars(i64::from(self.large_trade_usd))
    }

    /// How often the exchanges are asked for their instruments.
    pub(crate) const fn instruments_refresh(&self) -> Duration {
        Duration::from_secs(self.instruments_refresh_s as u64)
    }

    /// The memory that Redis may use, bytes; `None` = what its own limit says.
    pub(crate) fn redis_memory(&self) -> Option<u64> {
        (self.redis_memory_mb > 0).then_some(u64::from(self.redis_memory_mb) << 20)
    }

    /// How much of each shard stream is kept.
    pub(crate) const fn bounds(&self) -> StreamBounds {
        StreamBounds {
            max_age_s: self.stream_max_age_s,
            max_len: self.stream_max_len,
            for_snapshots_s: FOR_SNAPSHOTS_S,
        }
    }
}

impl VenueSettings {
    fn refusals(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut base = |key: &str, url: &str, schemes: [&str; 2]| {
            if !schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty())) {
                refusals.push(Refusal::new(key, format!("must begin with {} or {}", schemes[0], schemes[1])));
            }
        };
        base("ws_url", &self.ws_url, ["wss://", "ws://"]);
        base("rest_url", &self.rest_url, ["https://", "http://"]);
        if let Some(url) = &self.coinm_rest_url {
            base("coinm_rest_url", url, ["https://", "http://"]);
        }
        for vault in &self.liquidator_vaults {
            let hex = vault.strip_prefix("0x").unwrap_or_default();
            if hex.len() != 40 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                refusals.push(Refusal::new(
                    "liquidator_vaults",
                    format!("`{vault}` is not 0x and 40 hex digits"),
                ));
            }
        }
        if let Some(directory) = self.node_fills_dir.as_deref().filter(|directory| !directory.is_absolute()) {
            let reason = format!("`{}` is not an absolute path", directory.display());
            refusals.push(Refusal::new("node_fills_dir", reason));
        }
        refusals
    }

    /// Where the venue is reached.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            ws_url: self.ws_url.clone(),
            rest_url: self.rest_url.clone(),
            coinm_rest_url: self.coinm_rest_url.clone(),
        }
    }
}

impl Config {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let ingest = document.section("ingest", mistakes, Ingest::refusals);
        let section = |venue: Venue, mistakes: &mut Mistakes| {
            document.section(&format!("venues.{venue}"), mistakes, VenueSettings::refusals)
        };
        Self {
            redis_url: redis_url(document, mistakes),
            output: Output::read(document, mistakes),
            venues: Venue::ALL.into_iter().map(|venue| (venue, section(venue, mistakes))).collect(),
            ingest,
        }
    }

    /// The directory in which a venue's own node writes its fills, if there is one.
    pub(crate) fn node_fills(&self, venue: Venue) -> Option<PathBuf> {
        self.venues.get(&venue)?.node_fills_dir.clone()
    }

    /// The state of a healthy feed: one that is read from a node tells every liquidation.
    pub(crate) fn healthy(&self, venue: Venue) -> FeedStatus {
        match self.node_fills(venue) {
            Some(_) => FeedStatus::Live,
            None => protocol(venue).healthy(),
        }
    }

    /// Where a venue is reached.
    pub(crate) fn endpoints(&self, venue: Venue) -> Endpoints {
        self.venues.get(&venue).cloned().unwrap_or_default().endpoints()
    }

    /// What shall be read from a venue.
    pub fn wanted(&self, venue: Venue) -> Wanted {
        let symbols = match &self.ingest.symbols {
            Symbols::Named(symbols) => Some(symbols.clone()),
            Symbols::All(_) => None,
        };
        let vaults = self.venues.get(&venue).map(|v| v.liquidator_vaults.clone()).unwrap_or_default();
        Wanted { symbols, vaults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_service::config::Sources;

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
        assert!(config.venues.values().all(|v| !v.ws_url.is_empty()));
        assert_eq!(config.venues[&Venue::Hyperliquid].liquidator_vaults.len(), 5);
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
        assert_eq!(config.ingest.symbols, Symbols::All(All::All));
        assert!(config.wanted(Venue::Okx).symbols.is_none());
    }
}
