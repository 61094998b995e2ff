//! Generated bases, `S000`, `S001`, ...: as many markets as a scenario asks for, each listed on all four venues.
//!
//! Made once for the process, so that their names live as long as those of the real ones. Knows no scenario.

use std::sync::LazyLock;

use cascade_domain::Venue;

use crate::listing::{BASES, Base, Listing, Unit};
use crate::numeral::floating;

/// More than any of the venues lists.
pub(crate) const MOST: usize = 500;

static MADE: LazyLock<(Vec<Base>, Vec<Listing>)> = LazyLock::new(|| {
    let bases: Vec<Base> = (0..MOST).map(base).collect();
    let listings =
        bases.iter().enumerate().flat_map(|(number, base)| listings_of(number, base.name)).collect();
    (bases, listings)
});

/// All that there can be; a scenario takes the first so many.
pub(crate) fn bases() -> &'static [Base] {
    &MADE.0
}

/// All their contracts, by base.
pub(crate) fn listings() -> &'static [Listing] {
    &MADE.1
}

fn base(number: usize) -> Base {
    let price = 20.0 + floating(i64::try_from(number).unwrap_or_default()) / 2.0;
    let name: &'static str = format!("S{number:03}").leak();
    // Traffic is the scenario's own.
    Base { name, price, open_interest_usd: 2e7, trades_per_s: 0.0 }
}

fn listings_of(number: usize, name: &'static str) -> [Listing; 4] {
    let listing = |venue, instrument, (quote, unit): (&'static str, Unit), price_decimals| Listing {
        venue,
        instrument,
        base: BASES.len() + number,
        quote,
        unit,
        price_decimals,
        size_decimals: 2,
        weight: 1.0,
    };
    let linear: &'static str = format!("{name}USDT").leak();
    [
        listing(Venue::Binance, linear, ("USDT", Unit::Coin), 4),
        listing(Venue::Bybit, linear, ("USDT", Unit::Coin), 4),
        listing(Venue::Okx, format!("{name}-USDT-SWAP").leak(), ("USDT", Unit::Coins(1.0)), 4),
        listing(Venue::Hyperliquid, name, ("USD", Unit::Coin), 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Catalogue;

    #[test]
    fn a_scenario_sees_as_many_as_it_asks_for_on_every_venue_after_the_real_ones() {
        for synthetic in [0, 300] {
            let catalogue = Catalogue { synthetic };
            assert_eq!(catalogue.bases().count(), BASES.len() + synthetic);
            for venue in Venue::ALL {
                let made = catalogue.listed(venue).filter(|l| l.base >= BASES.len()).count();
                assert_eq!(made, synthetic, "{venue}");
            }
        }
        let catalogue = Catalogue { synthetic: 2 };
        let last = catalogue.listings().last().unwrap();
        assert_eq!((last.instrument, last.base().name), ("S001", "S001"));
    }
}
