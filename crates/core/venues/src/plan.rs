//! Shares topics out over connections and subscription frames, within limits that the venue names; and later over
//! the same connections again, when the venue lists more or less.
//!
//! Knows no venue's frames; a topic is a text with a cost.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use cascade_domain::{Symbol, Venue};

use crate::{Instruments, Listing, Route, Subscription, Wanted, Watch, multiplied};

/// When silence is suspicious, for every venue: 30 s without any market data, 10 s without an acknowledgement.
pub(crate) const WATCH: Watch =
    Watch { silent_after: Duration::from_secs(30), ack_within: Duration::from_secs(10) };

/// What one instrument asks of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Whose; `None` = the whole market's.
    pub(crate) symbol: Option<Symbol>,
    /// Its topics, each once, which stay on one connection.
    pub(crate) topics: Vec<String>,
}

/// The shares of the wanted symbols after the whole market's own; nothing where nothing is wanted of the venue: a
/// connection that carries liquidations alone is legitimately silent, and nobody could tell whether it lives.
pub(crate) fn with_market_wide(market_wide: Share, wanted: Vec<Share>) -> Vec<Share> {
    let first = (!wanted.is_empty() && !market_wide.topics.is_empty()).then_some(market_wide);
    first.into_iter().chain(wanted).collect()
}

/// How the connections of one kind are laid out.
pub(crate) struct Layout<'a> {
    /// How much one connection takes, by `cost`.
    pub(crate) room: usize,
    /// What a topic takes of it.
    pub(crate) cost: fn(&str) -> usize,
    /// Topics in one subscription frame.
    pub(crate) batch: usize,
    /// The subscription frame of this number on its connection, from 1.
    pub(crate) subscribe: fn(usize, &[String]) -> Subscription,
    /// The connection of this number, from 0, with nothing on it.
    pub(crate) connection: &'a dyn Fn(usize) -> Route,
    /// How many connections there may be.
    pub(crate) connections: usize,
    /// How many topics there may be on all of them.
    pub(crate) subscriptions: usize,
}

impl fmt::Debug for Layout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("room", &self.room).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// What is to be added to a connection.
#[derive(Debug, Default)]
struct Load {
    used: usize,
    topics: Vec<String>,
    symbols: Vec<Symbol>,
}

impl Layout<'_> {
    /// The connections for these shares. Those that stand come first and in their order: what is on one of them stays
    /// there, what no share names any more is dropped, and what is new goes to the first that has room, else to a new
    /// one. A share is never split, and left out where no limit allows it.
    pub(crate) fn of(&self, standing: &[Route], shares: &[Share]) -> Vec<Route> {
        let mut routes: Vec<Route> = standing.iter().map(|route| self.still_listed(route, shares)).collect();
        let mut held: BTreeSet<String> = routes.iter().flat_map(topics).cloned().collect();
        let used = |route: &Route| topics(route).map(|topic| (self.cost)(topic)).sum();
        let mut loads: Vec<Load> =
            routes.iter().map(|route| Load { used: used(route), ..Load::default() }).collect();
        for share in shares {
            let missing: Vec<&String> = share.topics.iter().filter(|topic| !held.contains(*topic)).collect();
            let needs: usize = missing.iter().map(|topic| (self.cost)(topic)).sum();
            if missing.is_empty() || held.len() + missing.len() > self.subscriptions {
                continue;
            }
            let with_room = loads.iter().position(|load| load.used.saturating_add(needs) <= self.room);
            let at = match with_room {
                Some(at) => at,
                None if routes.len() < self.connections => {
                    routes.push((self.connection)(routes.len()));
                    loads.push(Load::default());
                    loads.len() - 1
                }
                None => continue,
            };
            held.extend(missing.iter().map(|topic| (*topic).clone()));
            let Some(load) = loads.get_mut(at) else { continue };
            load.used += needs;
            load.topics.extend(missing.into_iter().cloned());
            load.symbols.extend(share.symbol.filter(|symbol| !load.symbols.contains(symbol)));
        }
        for (route, load) in routes.iter_mut().zip(loads) {
            self.put(route, &load.topics);
            let new = load.symbols.into_iter().filter(|symbol| !route.symbols.contains(symbol));
            route.symbols = route.symbols.iter().copied().chain(new).collect();
        }
        routes
    }

    /// Puts topics on a connection, in frames of their own.
    fn put(&self, route: &mut Route, topics: &[String]) {
        for batch in topics.chunks(self.batch) {
            let frame = (self.subscribe)(route.subscriptions.len() + 1, batch);
            route.subscriptions.push(frame);
        }
    }

    /// A connection without what no share names any more; as it is, if nothing of its own would be left: a connection
    /// without anything on it would be taken for a silent one.
    fn still_listed(&self, route: &Route, shares: &[Share]) -> Route {
        let wanted: BTreeSet<&String> = shares.iter().flat_map(|share| &share.topics).collect();
        let listed: BTreeSet<Symbol> = shares.iter().filter_map(|share| share.symbol).collect();
        let symbols: Vec<Symbol> = route.symbols.iter().copied().filter(|s| listed.contains(s)).collect();
        if symbols.is_empty() || topics(route).all(|topic| wanted.contains(topic)) {
            return route.clone();
        }
        let mut pruned = Route { subscriptions: Vec::new(), symbols, ..route.clone() };
        for subscription in &route.subscriptions {
            let kept = subscription.topics.iter().filter(|topic| wanted.contains(topic));
            self.put(&mut pruned, &kept.cloned().collect::<Vec<_>>());
        }
        pruned
    }
}

/// The topics of a route, in order.
pub(crate) fn topics(route: &Route) -> impl Iterator<Item = &String> {
    route.subscriptions.iter().flat_map(|subscription| &subscription.topics)
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

    fn subscribe(number: usize, topics: &[String]) -> Subscription {
        Subscription { frame: format!("{number}"), acks: Vec::new(), topics: topics.to_vec() }
    }

    fn connection(at: usize) -> Route {
        Route {
            venue: Venue::Bybit,
            name: format!("linear-{at}"),
            url: String::new(),
            subscriptions: Vec::new(),
            frames_per_second: 1,
            keepalive: None,
            watch: WATCH,
            renew_after: None,
            market_wide: Vec::new(),
            carries: Vec::new(),
            symbols: Vec::new(),
        }
    }

    const LAYOUT: Layout<'_> = Layout {
        room: 4,
        cost: |_| 1,
        batch: 3,
        subscribe,
        connection: &connection,
        connections: 2,
        subscriptions: 7,
    };

    /// The frames of each route, each as its number and its topics.
    fn told(routes: &[Route]) -> Vec<Vec<String>> {
        let frame = |s: &Subscription| format!("{} {}", s.frame, s.topics.join(" "));
        routes.iter().map(|route| route.subscriptions.iter().map(frame).collect()).collect()
    }

    fn symbols(routes: &[Route]) -> Vec<Vec<&str>> {
        routes.iter().map(|route| route.symbols.iter().map(Symbol::as_str).collect()).collect()
    }

    fn shares(names: &str) -> Vec<Share> {
        let one = |name: char| {
            let topics = ["1", "2"].map(|kind| format!("{}{kind}", name.to_ascii_lowercase()));
            Share { symbol: Some(Symbol::parse(&format!("{name}USDT")).unwrap()), topics: topics.to_vec() }
        };
        names.chars().map(one).collect()
    }

    #[test]
    fn a_share_is_never_split_and_no_limit_is_passed() {
        let shares = plan_with("all", "ABCD");
        let routes = LAYOUT.of(&[], &shares);
        assert_eq!(told(&routes), [vec!["1 all a1 a2"], vec!["1 b1 b2 c1", "2 c2"]]);
        assert_eq!(symbols(&routes), [vec!["AUSDT"], vec!["BUSDT", "CUSDT"]], "D finds no room");
    }

    fn plan_with(first: &str, names: &str) -> Vec<Share> {
        let mut all = vec![share(None, &[first])];
        all.extend(shares(names));
        all
    }

    #[test]
    fn what_is_new_goes_where_there_is_room_and_nothing_that_stands_moves() {
        let before = LAYOUT.of(&[], &shares("BCD"));
        assert_eq!(told(&before), [vec!["1 b1 b2 c1", "2 c2"], vec!["1 d1 d2"]]);
        let after = LAYOUT.of(&before, &shares("ABCD"));
        assert_eq!(after[0], before[0]);
        assert_eq!(told(&after)[1], ["1 d1 d2"], "seven topics are all there may be");
        let roomy = Layout { subscriptions: 100, ..LAYOUT };
        let after = roomy.of(&before, &shares("ABCDE"));
        assert_eq!(told(&after)[1], ["1 d1 d2", "2 a1 a2"], "in a frame of its own");
        assert_eq!(symbols(&after)[1], ["DUSDT", "AUSDT"]);
        let more = Layout { connections: 3, ..roomy }.of(&before, &shares("ABCDE"));
        assert_eq!((told(&more)[2].join(""), more[2].name.as_str()), ("1 e1 e2".to_owned(), "linear-2"));
        assert_eq!(roomy.of(&after, &shares("ABCD")), after, "the same again changes nothing");
    }

    #[test]
    fn what_is_listed_no_longer_is_dropped_and_its_room_is_free_again() {
        let before = LAYOUT.of(&[], &shares("BCD"));
        let after = LAYOUT.of(&before, &shares("ABD"));
        assert_eq!(told(&after), [vec!["1 b1 b2", "2 a1 a2"], vec!["1 d1 d2"]]);
        assert_eq!(symbols(&after), [vec!["BUSDT", "AUSDT"], vec!["DUSDT"]]);
        let after = LAYOUT.of(&before, &shares("BC"));
        assert_eq!(after, before, "a connection that would be empty stays as it is");
    }
}
