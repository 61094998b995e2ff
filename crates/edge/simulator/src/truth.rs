//! What really happened, against what the venues showed of it. For the demonstration's table and for tests; no
//! client of the simulator sees it.

use std::collections::BTreeMap;

use cascade_domain::{Side, Symbol, Usd, Venue};

use crate::sampling::Publication;
use crate::world::Liquidation;

/// Orders and their dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Forced orders.
    pub orders: u64,
    /// US dollars at their fills.
    pub usd: Usd,
}

impl Tally {
    pub(crate) fn add(&mut self, order: &Liquidation) {
        self.orders += 1;
        self.usd += Usd::from_f64(order.usd).unwrap_or_default();
    }
}

/// One market's liquidations by the side that was closed, all venues together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Longs that were sold.
    pub long: Tally,
    /// Shorts that were bought back.
    pub short: Tally,
}

/// One venue's liquidations, and how many of them its feed published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// What happened.
    pub real: Tally,
    /// What its public feed told.
    pub published: Tally,
}

/// What really happened since the scenario's second 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// By market; one without a liquidation is absent.
    pub symbols: BTreeMap<Symbol, Sides>,
    /// By venue; one without a liquidation is absent.
    pub venues: BTreeMap<Venue, Shown>,
}

impl Truth {
    pub(crate) fn happened(&mut self, order: &Liquidation) {
        if let Some(symbol) = order.symbol() {
            let sides = self.symbols.entry(symbol).or_default();
            match order.side {
                Side::Long => sides.long.add(order),
                Side::Short => sides.short.add(order),
            }
        }
        self.venues.entry(order.listing.venue).or_default().real.add(order);
    }

    pub(crate) fn published(&mut self, publication: &Publication) {
        for order in &publication.orders {
            self.venues.entry(order.listing.venue).or_default().published.add(order);
        }
    }
}
