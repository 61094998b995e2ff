//! The thresholds that each symbol may have of its own.

use std::collections::BTreeMap;

use cascade_domain::Symbol;
use serde::Deserialize;

/// The thresholds of a symbol that has none of its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SymbolThresholds {
    /// The unit A, US dollars; where `unit_open_interest` says more, that.
    pub unit_usd: f64,
    /// The unit as a share of the symbol's open interest, where that is known; 0 = `unit_usd` alone.
    pub unit_open_interest: f64,
    /// Price move over 60 s, a fraction, for CRITICAL by flow.
    pub critical_move: f64,
    /// Price move over 60 s, a fraction, for EXTREME by flow.
    pub extreme_move: f64,
    /// Price move over 15 min, a fraction, for ALERT by `price_drop`.
    pub alert_move_15m: f64,
    /// Orders in 30 s for `cascade_rule`.
    pub cascade_orders: u64,
    /// US dollars of both sides in 30 s for `cascade_rule`.
    pub cascade_usd: f64,
    /// A single order of so many US dollars is told as large.
    pub large_usd: f64,
}

impl Default for SymbolThresholds {
    fn default() -> Self {
        Self {
            unit_usd: 1e5,
            unit_open_interest: 0.0005,
            critical_move: 0.01,
            extreme_move: 0.03,
            alert_move_15m: 0.08,
            cascade_orders: 5,
            cascade_usd: 50_000.0,
            large_usd: 1e5,
        }
    }
}

/// What a symbol has of its own; what is absent is the built-in one of that symbol, else that of `others`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "as in `SymbolThresholds`")]
pub struct SymbolOverride {
    pub unit_usd: Option<f64>,
    pub unit_open_interest: Option<f64>,
    pub critical_move: Option<f64>,
    pub extreme_move: Option<f64>,
    pub alert_move_15m: Option<f64>,
    pub cascade_orders: Option<u64>,
    pub cascade_usd: Option<f64>,
    pub large_usd: Option<f64>,
}

/// The symbols that have thresholds of their own when no setting says otherwise: orders of the cascade rule; unit,
/// dollars of the cascade rule, large order; moves for CRITICAL, EXTREME, and ALERT over 15 min.
const BUILT_IN: [(&str, u64, [f64; 3], [f64; 3]); 3] = [
    ("BTCUSDT", 5, [3e6, 500_000.0, 1e6], [0.005, 0.015, 0.03]),
    ("ETHUSDT", 5, [2e6, 250_000.0, 5e5], [0.007, 0.03, 0.03]),
    ("SOLUSDT", 4, [5e5, 100_000.0, 2.5e5], [0.01, 0.03, 0.05]),
];

/// The symbols that have thresholds of their own when no setting says otherwise.
pub(crate) fn built_in() -> BTreeMap<Symbol, SymbolOverride> {
    let named = BUILT_IN.into_iter().filter_map(|(name, orders, usd, moves)| {
        let own = SymbolOverride {
            unit_usd: Some(usd[0]),
            unit_open_interest: Some(0.0),
            critical_move: Some(moves[0]),
            extreme_move: Some(moves[1]),
            alert_move_15m: Some(moves[2]),
            cascade_orders: Some(orders),
            cascade_usd: Some(usd[1]),
            large_usd: Some(usd[2]),
        };
        Some((Symbol::parse(name).ok()?, own))
    });
    named.collect()
}

impl SymbolThresholds {
    /// These, where a symbol has none of its own. A unit of its own is fixed, unless a share of open interest of its
    /// own goes with it.
    pub(crate) fn under(&mut self, own: &SymbolOverride) {
        if own.unit_usd.is_some() {
            self.unit_open_interest = 0.0;
        }
        self.unit_usd = own.unit_usd.unwrap_or(self.unit_usd);
        self.unit_open_interest = own.unit_open_interest.unwrap_or(self.unit_open_interest);
        self.critical_move = own.critical_move.unwrap_or(self.critical_move);
        self.extreme_move = own.extreme_move.unwrap_or(self.extreme_move);
        self.alert_move_15m = own.alert_move_15m.unwrap_or(self.alert_move_15m);
        self.cascade_orders = own.cascade_orders.unwrap_or(self.cascade_orders);
        self.cascade_usd = own.cascade_usd.unwrap_or(self.cascade_usd);
        self.large_usd = own.large_usd.unwrap_or(self.large_usd);
    }
}
