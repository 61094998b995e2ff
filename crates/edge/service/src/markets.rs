//! Which markets are read, on which exchanges, and where those are reached: `ingest.exchanges`, `ingest.symbols`,
//! `ingest.instruments_refresh_s`, the sections `[venues.*]` and `[simulator]`, as every program reads them that talks to an exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use cascade_domain::{BaseUrls, Refusal, Symbol, Venue};
use cascade_venues::{Endpoints, Wanted};
use serde::Deserialize;

use crate::Simulated;
use crate::config::{Document, Mistakes};

/// The markets that are read, and where.
#[derive(Clone, Debug)]
pub struct Markets {
    /// The exchanges to read.
    pub exchanges: Vec<Venue>,
    /// The markets to read.
    pub symbols: Symbols,
    /// How often the exchanges are asked for their instruments, in the clock's time.
    pub instruments_refresh: Duration,
    /// Where each exchange is reached.
    pub venues: BTreeMap<Venue, VenueSettings>,
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

/// What section `[ingest]` says of this.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Choice {
    exchanges: Vec<Venue>,
    symbols: Symbols,
    instruments_refresh_s: u32,
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

impl Default for Choice {
    fn default() -> Self {
        let named = ["BTCUSDT", "ETHUSDT", "SOLUSDT"].into_iter().filter_map(|s| Symbol::parse(s).ok());
        Self {
            exchanges: Venue::ALL.to_vec(),
            symbols: Symbols::Named(named.collect()),
            instruments_refresh_s: 3_600,
        }
    }
}

impl Choice {
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
        if self.instruments_refresh_s < 60 {
            let reason = "at least 60 seconds: the exchanges limit how often they are asked";
            refusals.push(Refusal::new("instruments_refresh_s", reason));
        }
        refusals
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

    /// Has the venue read elsewhere, where it is simulated; no node of one's own knows of that.
    pub fn lead_to(&mut self, at: BaseUrls) {
        self.ws_url = at.ws_url;
        self.rest_url = at.rest_url;
        self.coinm_rest_url = at.coinm_rest_url;
        self.node_fills_dir = None;
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

impl Markets {
    /// Reads the sections, adding what is wrong with them to the mistakes.
    pub fn read(document: &Document, mistakes: &mut Mistakes) -> Self {
        let Choice { exchanges, symbols, instruments_refresh_s } =
            document.section("ingest", mistakes, Choice::refusals);
        let section = |venue: Venue, mistakes: &mut Mistakes| {
            document.section(&format!("venues.{venue}"), mistakes, VenueSettings::refusals)
        };
        let mut venues: BTreeMap<_, _> =
            Venue::ALL.into_iter().map(|venue| (venue, section(venue, mistakes))).collect();
        if let Some(url) = Simulated::read(document, mistakes).url() {
            for (venue, settings) in &mut venues {
                settings.lead_to(BaseUrls::simulated(*venue, url));
            }
        }
        let instruments_refresh = Duration::from_secs(u64::from(instruments_refresh_s));
        Self { exchanges, symbols, instruments_refresh, venues }
    }

    /// Where a venue is reached.
    pub fn endpoints(&self, venue: Venue) -> Endpoints {
        self.venues.get(&venue).cloned().unwrap_or_default().endpoints()
    }

    /// What shall be read from a venue.
    pub fn wanted(&self, venue: Venue) -> Wanted {
        let symbols = match &self.symbols {
            Symbols::Named(symbols) => Some(symbols.clone()),
            Symbols::All(_) => None,
        };
        let vaults = self.venues.get(&venue).map(|v| v.liquidator_vaults.clone()).unwrap_or_default();
        Wanted { symbols, vaults }
    }

    /// The directory in which a venue's own node writes its fills, if there is one.
    pub fn node_fills(&self, venue: Venue) -> Option<PathBuf> {
        self.venues.get(&venue)?.node_fills_dir.clone()
    }
}
