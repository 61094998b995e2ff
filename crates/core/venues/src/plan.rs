//! Shares topics out over connections and subscription frames, within limits that the venue names.
//!
//! Knows no venue's frames; a topic is a text with a cost.

use std::time::Duration;

use cascade_domain::{Symbol, Venue};

use crate::{Instruments, Listing, Wanted, Watch, multiplied};

/// When silence is suspicious, for every venue: 30 s without any market data, 10 s without an acknowledgement.
pub(crate) const WATCH: Watch =
    Watch { silent_after: Duration::from_secs(30), ack_within: Duration::from_secs(10) };

/// What one instrument asks of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Whose; `None` = the whole market's.
    pub(crate) symbol: Option<Symbol>,
    /// Its topics, which stay on one connection.
    pub(crate) topics: Vec<String>,
}

/// What goes over one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// All topics, in order, each once.
    pub(crate) topics: Vec<String>,
    /// The symbols whose own topics are on it.
    pub(crate) symbols: Vec<Symbol>,
}

/// The shares of the wanted symbols after the whole market's own; nothing where nothing is wanted of the venue: a
/// connection that carries liquidations alone is legitimately silent, and nobody could tell whether it lives.
pub(crate) fn with_market_wide(market_wide: Share, wanted: Vec<Share>) -> Vec<Share> {
    let first = (!wanted.is_empty() && !market_wide.topics.is_empty()).then_some(market_wide);
    first.into_iter().chain(wanted).collect()
}

/// Fills connections up to a limit, by what each topic costs. A share is never split.
pub(crate) fn fill(shares: &[Share], limit: usize, cost: impl Fn(&str) -> usize) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    let mut used = usize::MAX;
    for share in shares {
        let needs: usize = share.topics.iter().map(|topic| cost(topic)).sum();
        if used.saturating_add(needs) > limit {
            loads.push(Load::default());
            used = 0;
        }
        used += needs;
        let Some(load) = loads.last_mut() else { continue };
        for topic in &share.topics {
            if !load.topics.contains(topic) {
                load.topics.push(topic.clone());
            }
        }
        if let Some(symbol) = share.symbol.filter(|symbol| !load.symbols.contains(symbol)) {
            load.symbols.push(symbol);
        }
    }
    loads
}

/// The listings that are wanted, by symbol and name. Empty where the venue has none of them.
pub(crate) fn wanted_listings<'a>(wanted: &Wanted, instruments: &'a Instruments) -> Vec<&'a Listing> {
    let mut listings: Vec<&Listing> =
        instruments.iter().filter(|listing| wanted.wants(&listing.symbol)).collect();
    listings.sort_by_key(|listing| (listing.symbol, listing.instrument));
    listings
}

/// The wanted symbols with the bases under which this venue would list them, where no listing is at hand.
pub(crate) fn wanted_bases(venue: Venue, wanted: &Wanted) -> Vec<(Symbol, &str)> {
    let mut symbols: Vec<&Symbol> = wanted.symbols.iter().flatten().collect();
    symbols.sort();
    symbols.dedup();
    symbols.into_iter().map(|symbol| (*symbol, multiplied::listed(venue, symbol.base()))).collect()
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Texts as the inside of a JSON array of strings.
pub(crate) fn quoted_list(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(symbol: Option<&str>, topics: &[&str]) -> Share {
        let symbol = symbol.map(|text| Symbol::parse(text).unwrap());
        Share { symbol, topics: topics.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_share_is_never_split_and_no_limit_is_passed() {
        let shares = [
            share(None, &["all"]),
            share(Some("AUSDT"), &["a1", "a2"]),
            share(Some("BUSDT"), &["b1", "b2"]),
            share(Some("CUSDT"), &["c1", "c2"]),
        ];
        let loads = fill(&shares, 4, |_| 1);
        let topics: Vec<usize> = loads.iter().map(|load| load.topics.len()).collect();
        assert_eq!(topics, [3, 4]);
        let symbols: Vec<usize> = loads.iter().map(|load| load.symbols.len()).collect();
        assert_eq!(symbols, [1, 2], "the whole market's share names none");
    }
}
