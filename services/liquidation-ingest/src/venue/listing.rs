//! What a venue lists, from one answer to the next: what came, what went, and what is not read. Pure.

use std::collections::BTreeSet;

use cascade_domain::{Symbol, Venue};
use cascade_venues::{Instruments, Listing, Route, Wanted};

/// What changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// Listed now, and not before.
    pub(crate) new: Vec<&'a str>,
    /// Listed before, and no longer.
    pub(crate) gone: Vec<&'a str>,
    /// Listed as before, with another size or multiple.
    pub(crate) resized: Vec<&'a str>,
}

impl<'a> Change<'a> {
    /// What changed of the wanted listings.
    pub(crate) fn between(before: &'a Instruments, after: &'a Instruments, wanted: &Wanted) -> Self {
        let named = |listings: &mut dyn Iterator<Item = &'a Listing>| {
            let wanted = listings.filter(|listing| wanted.wants(&listing.symbol));
            wanted.map(|listing| listing.instrument.as_str()).collect::<Vec<_>>()
        };
        let is_resized = |now: &&Listing| {
            let same = |before: &Listing| before.sizing == now.sizing && before.multiplier == now.multiplier;
            before.get(&now.instrument).is_some_and(|before| !same(before))
        };
        Self {
            new: named(&mut after.iter().filter(|listing| before.get(&listing.instrument).is_none())),
            gone: named(&mut before.iter().filter(|listing| after.get(&listing.instrument).is_none())),
            resized: named(&mut after.iter().filter(is_resized)),
        }
    }

    /// Names what changed in the log.
    pub(crate) fn log(&self, venue: Venue) {
        for (names, what) in [
            (&self.new, "new instruments, read from now on"),
            (&self.gone, "instruments listed no longer"),
            (&self.resized, "instruments with another contract size"),
        ] {
            if !names.is_empty() {
                tracing::info!(venue = venue.as_str(), instruments = names.join(", "), "{what}");
            }
        }
    }
}

/// Whether a list can stand in for the one before: a venue does not delist half of what it has within an hour, but
/// its answers break.
pub(crate) fn is_plausible(before: &Instruments, after: &Instruments) -> bool {
    !after.is_empty() && after.len() * 2 >= before.len()
}

/// The newer listings, and those of before that are listed no longer: what still comes of them can be read.
pub(crate) fn together(before: &Instruments, after: &Instruments) -> Instruments {
    let mut all = before.clone();
    after.iter().for_each(|listing| all.insert(*listing));
    all
}

/// Names the wanted symbols that this venue does not list, and those of which only liquidations are read: the venue's
/// limits leave no room for more, or it has them where we do not read (coin-margined on Binance).
pub(crate) fn warn_of_unread(venue: Venue, wanted: &Wanted, instruments: &Instruments, routes: &[Route]) {
    for (symbols, what) in unread(wanted, instruments, routes) {
        if !symbols.is_empty() {
            let (count, symbols) = (symbols.len(), symbols.join(", "));
            tracing::warn!(venue = venue.as_str(), count, symbols, "{what}");
        }
    }
}

fn unread<'a>(
    wanted: &'a Wanted,
    instruments: &'a Instruments,
    routes: &[Route],
) -> [(Vec<&'a str>, &'static str); 2] {
    let listed: BTreeSet<&Symbol> = instruments.iter().map(|listing| &listing.symbol).collect();
    let read: BTreeSet<&Symbol> = routes.iter().flat_map(|route| &route.symbols).collect();
    let unlisted = wanted.symbols.iter().flatten().filter(|symbol| !listed.contains(symbol));
    let unread = listed.iter().copied().filter(|s| wanted.wants(s) && !read.contains(s));
    [
        (unlisted.map(Symbol::as_str).collect(), "these symbols are not listed here"),
        (unread.map(Symbol::as_str).collect(), "trades and marks of these symbols are not read"),
    ]
}

#[cfg(test)]
mod tests {
    use cascade_venues::{Endpoints, Quote, Sizing, protocol};

    use super::*;

    fn table(listings: &[(&str, Sizing)]) -> Instruments {
        let mut table = Instruments::new();
        for (base, sizing) in listings {
            let name = format!("{base}-USDT-SWAP");
            table.insert(Listing::of(Venue::Okx, &name, base, Quote::Usdt, *sizing).unwrap());
        }
        table
    }

    const ONE: Sizing = Sizing::Coins;

    #[test]
    fn what_came_went_and_changed_is_named_where_it_is_wanted() {
        let before = table(&[("BTC", ONE), ("OLD", ONE), ("ETH", ONE)]);
        let after = table(&[("BTC", ONE), ("NEW", ONE), ("ETH", Sizing::Usd)]);
        let change = Change::between(&before, &after, &Wanted::default());
        assert_eq!(change.new, ["NEW-USDT-SWAP"]);
        assert_eq!(change.gone, ["OLD-USDT-SWAP"]);
        assert_eq!(change.resized, ["ETH-USDT-SWAP"]);
        let bitcoin = Wanted { symbols: Some(vec![Symbol::parse("BTCUSDT").unwrap()]), ..Wanted::default() };
        assert_eq!(Change::between(&before, &after, &bitcoin), Change::default());
        assert_eq!(together(&before, &after).len(), 4);
    }

    #[test]
    fn an_answer_of_which_half_is_missing_is_none() {
        let before = table(&[("A", ONE), ("B", ONE), ("C", ONE)]);
        assert!(is_plausible(&before, &table(&[("A", ONE), ("X", ONE)])));
        assert!(!is_plausible(&before, &table(&[("A", ONE)])));
        assert!(!is_plausible(&Instruments::new(), &Instruments::new()));
    }

    #[test]
    fn what_the_venues_limits_leave_no_room_for_is_named() {
        let mut table = Instruments::new();
        for at in 0..600 {
            let base = format!("COIN{at}");
            table.insert(Listing::of(Venue::Hyperliquid, &base, &base, Quote::Usdc, ONE).unwrap());
        }
        let wanted = Wanted::default();
        let endpoints =
            Endpoints { ws_url: "ws://h".to_owned(), rest_url: "http://h".to_owned(), coinm_rest_url: None };
        let routes = protocol(Venue::Hyperliquid).routes(&wanted, &table, &endpoints);
        let [(unlisted, _), (left_out, _)] = unread(&wanted, &table, &routes);
        assert_eq!((unlisted.len(), left_out.len()), (0, 600 - 480), "960 subscriptions, two a coin");
    }
}
