//! The thresholds that each symbol may have of its own.

use std::collections::BTreeMap;

use cascade_domain::Symbol;
use serde::Deserialize;

/// What counts for a symbol.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The change over the window, percent, that venues must reach.
    pub change_pct: f64,
    /// The open interest, US dollars, below which nothing is opened.
    pub minimum_usd: f64,
}

/// What counts for a symbol that has nothing of its own; its change is the preset's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Others {
    /// The open interest of all venues with data, US dollars, below which nothing is opened.
    pub minimum_usd: f64,
}

impl Default for Others {
    fn default() -> Self {
        Self { minimum_usd: 5e6 }
    }
}

/// What a symbol has of its own. Absent: the change of the preset; the built-in minimum of that symbol, else that of
/// `others`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "as in `Preset` and `Others`")]
pub struct SymbolOverride {
    pub threshold_pct: Option<f64>,
    pub minimum_usd: Option<f64>,
}

/// The symbols that have a minimum of their own when no setting says otherwise.
pub(crate) fn built_in() -> BTreeMap<Symbol, SymbolOverride> {
    let named = [("BTCUSDT", 50e6), ("ETHUSDT", 25e6), ("SOLUSDT", 10e6)];
    let own = |minimum_usd| SymbolOverride { threshold_pct: None, minimum_usd: Some(minimum_usd) };
    let named = named.into_iter().filter_map(|(name, usd)| Some((Symbol::parse(name).ok()?, own(usd))));
    named.collect()
}
