//! How much a venue lets one address do, and in which time. Knows no wire format.

use std::collections::VecDeque;

use cascade_domain::{EventTime, Venue};

/// Hyperliquid's connections per address.
pub(crate) const HYPERLIQUID_CONNECTIONS: usize = 10;

/// At most so many in a stretch of the clock.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    most: usize,
    within_ms: i64,
    times: VecDeque<EventTime>,
}

impl Limit {
    pub(crate) const fn new(most: usize, within_ms: i64) -> Self {
        Self { most, within_ms, times: VecDeque::new() }
    }

    /// What is not limited.
    pub(crate) const fn none() -> Self {
        Self::new(usize::MAX, 0)
    }

    /// New connections of an address.
    pub(crate) const fn connects(venue: Venue) -> Self {
        match venue {
            Venue::Binance => Self::new(300, 300_000),
            Venue::Bybit => Self::new(500, 300_000),
            Venue::Okx => Self::new(3, 1000),
            Venue::Hyperliquid => Self::new(30, 60_000),
        }
    }

    /// Messages of any kind on one connection.
    pub(crate) const fn messages(venue: Venue) -> Self {
        match venue {
            Venue::Binance => Self::new(10, 1000),
            Venue::Hyperliquid => Self::new(2000, 60_000),
            Venue::Bybit | Venue::Okx => Self::none(),
        }
    }

    /// Requests for subscriptions on one connection.
    pub(crate) const fn subscribes(venue: Venue) -> Self {
        match venue {
            Venue::Okx => Self::new(480, 3_600_000),
            Venue::Binance | Venue::Bybit | Venue::Hyperliquid => Self::none(),
        }
    }

    /// REST requests; OKX counts each endpoint for itself.
    pub(crate) const fn rest(venue: Venue, liquidations: bool) -> Self {
        match venue {
            Venue::Binance => Self::new(2400, 60_000),
            Venue::Bybit => Self::new(600, 5000),
            Venue::Okx if liquidations => Self::new(40, 2000),
            Venue::Okx => Self::new(20, 2000),
            // Weight 1200 a minute, of which each of these questions is 20.
            Venue::Hyperliquid => Self::new(60, 60_000),
        }
    }

    /// Counts one more; whether it is within the limit. One that is not is not counted.
    pub(crate) fn admit(&mut self, now: EventTime) -> bool {
        while self.times.front().is_some_and(|at| now.since(*at) >= self.within_ms) {
            self.times.pop_front();
        }
        if self.times.len() >= self.most {
            return false;
        }
        self.times.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lets_in_so_many_and_again_when_their_time_has_passed() {
        let mut limit = Limit::new(2, 1000);
        let at = EventTime::from_ms;
        assert!(limit.admit(at(0)) && limit.admit(at(500)));
        assert!(!limit.admit(at(999)));
        assert!(limit.admit(at(1000)) && !limit.admit(at(1499)) && limit.admit(at(1500)));
    }

    #[test]
    fn what_is_not_limited_keeps_no_memory_of_what_was() {
        let mut limit = Limit::none();
        assert!((0..5000).all(|_| limit.admit(EventTime::from_ms(7))));
        assert!(limit.times.len() <= 1);
    }
}
