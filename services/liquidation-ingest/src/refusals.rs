//! What a venue refused on one connection, by name, and whether the feed can do without it. Pure.

use std::collections::BTreeMap;

use cascade_venues::Protocol;

/// How many topics are named.
const NAMED: usize = 5;

/// The topics that were refused since the connection was opened, each with the venue's words.
#[derive(Debug, Default)]
pub(crate) struct Refusals(BTreeMap<String, String>);

impl Refusals {
    /// These topics were refused; none = the venue did not say what it refused. (If it was something that we wait for,
    /// its name follows.)
    pub(crate) fn add(&mut self, topics: Vec<String>, reason: &str) {
        let unnamed = topics.is_empty().then(|| "something that it does not name".to_owned());
        self.0.extend(topics.into_iter().chain(unnamed).map(|topic| (topic, reason.to_owned())));
    }

    /// A new connection: nothing is refused on it yet.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether liquidations are refused: the whole market's; or, where each market has its own topic, those of half of
    /// the venue's markets. Single new listings that are refused do not make a feed refused.
    pub(crate) fn are_vital(&self, protocol: &dyn Protocol, markets: usize) -> bool {
        let refused = self.0.keys().filter(|topic| protocol.is_liquidations(topic)).count();
        refused > 0 && (protocol.liquidations_are_market_wide() || refused * 2 >= markets)
    }

    /// What was refused, the first few by name; `None` = nothing.
    pub(crate) fn text(&self) -> Option<String> {
        let reason = self.0.values().next()?;
        let named: Vec<_> = self.0.keys().take(NAMED).map(String::as_str).collect();
        let more = self.0.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!("{}{more}: {reason}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascade_domain::Venue;
    use cascade_venues::protocol;

    fn refusals(topics: &[&str]) -> Refusals {
        let mut refusals = Refusals::default();
        for topic in topics {
            refusals.add(vec![(*topic).to_owned()], "no such topic");
        }
        refusals
    }

    #[test]
    fn every_refused_topic_is_named_or_counted() {
        assert_eq!(Refusals::default().text(), None);
        let told = refusals(&["b", "a"]).text();
        assert_eq!(told.as_deref(), Some("a, b: no such topic"));
        let told = refusals(&["1", "2", "3", "4", "5", "6", "7"]).text();
        assert_eq!(told.as_deref(), Some("1, 2, 3, 4, 5 and 2 more: no such topic"));
        let mut unnamed = Refusals::default();
        unnamed.add(Vec::new(), "60012 illegal request");
        assert_eq!(unnamed.text().as_deref(), Some("something that it does not name: 60012 illegal request"));
        assert!(!unnamed.are_vital(protocol(Venue::Okx), 1));
    }

    #[test]
    fn liquidations_of_the_whole_market_are_vital_and_those_of_one_new_listing_are_not() {
        let okx = refusals(&["liquidation-orders:SWAP"]);
        assert!(okx.are_vital(protocol(Venue::Okx), 300));
        let bybit = refusals(&["allLiquidation.NEWUSDT", "tickers.NEWUSDT"]);
        assert!(!bybit.are_vital(protocol(Venue::Bybit), 300));
        assert!(bybit.are_vital(protocol(Venue::Bybit), 2));
        assert!(!refusals(&["tickers.NEWUSDT"]).are_vital(protocol(Venue::Bybit), 1));
    }
}
