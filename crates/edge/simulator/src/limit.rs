//! How much a venue lets one address do, and in which time. Knows no wire format.

use std::collections::VecDeque;

use cascade_domain::{EventTime, Venue};

/// Hyperliquid's connections per address.
pub(crate) const HYPERLIQUID_CONNECTIONS: usize = 10;

/// What is asked for over REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// What is listed, and other general things.
    General,
    /// Liquidations of the past.
    Liquidations,
    /// Open interest.
    Interest,
}

impl Endpoint {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::General, Self::Liquidations, Self::Interest];
}

/// Binance's weight in a minute of the clock, of an address over all its hosts. Each question that is simulated weighs 1.
const MOST_WEIGHT: u32 = 2400;
/// What was on its way when the venue first said 429 is not held against anybody, milliseconds.
const GRACE_MS: i64 = 1000;
/// How long an address is banned that asks on after a 429, milliseconds: the shortest that the venue names.
const BAN_MS: i64 = 120_000;
const MINUTE_MS: i64 = 60_000;

/// Binance's account of an address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    /// Minutes of the clock.
    minute: i64,
    /// Weight used in it.
    used: u32,
    /// When the minute's first 429 was said.
    refused_at: Option<EventTime>,
    banned_until: Option<EventTime>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// There were too many, until so much later, milliseconds; 0 where the venue doesn't tell.
    Limited(i64),
    /// The address is banned for so much longer, milliseconds.
    Banned(i64),
}

impl Weights {
    /// Weight used in this minute.
    pub(crate) const fn used(&self) -> u32 {
        self.used
    }

    /// Weighs one more request; 429 and then 418 where it is too much.
    pub(crate) fn weigh(&mut self, now: EventTime) -> Result<(), Beyond> {
        let minute = now.ms().div_euclid(MINUTE_MS);
        if minute != self.minute {
            (self.minute, self.used, self.refused_at) = (minute, 0, None);
        }
        if let Some(left) = self.banned_until.map(|until| until.since(now)).filter(|left| *left > 0) {
            return Err(Beyond::Banned(left));
        }
        self.used = self.used.saturating_add(1);
        if self.used <= MOST_WEIGHT {
            return Ok(());
        }
        if now.since(*self.refused_at.get_or_insert(now)) > GRACE_MS {
            self.banned_until = Some(now.plus_ms(BAN_MS));
            return Err(Beyond::Banned(BAN_MS));
        }
        Err(Beyond::Limited((minute + 1) * MINUTE_MS - now.ms()))
    }
}

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

    /// REST requests; OKX counts each endpoint for itself, and Binance weighs them ([`Weights`]).
    pub(crate) const fn rest(venue: Venue, endpoint: Endpoint) -> Self {
        match (venue, endpoint) {
            (Venue::Binance, _) => Self::none(),
            (Venue::Bybit, _) => Self::new(600, 5000),
            (Venue::Okx, Endpoint::Liquidations) => Self::new(40, 2000),
            (Venue::Okx, _) => Self::new(20, 2000),
            // Weight 1200 a minute, of which each of these questions is 20.
            (Venue::Hyperliquid, _) => Self::new(60, 60_000),
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
    fn binance_weighs_by_the_minute_and_bans_who_asks_on() {
        let mut weights = Weights::default();
        let at = |second: i64| EventTime::from_ms(600_000 + second * 1000);
        for _ in 0..2400 {
            assert_eq!(weights.weigh(at(10)), Ok(()));
        }
        assert_eq!((weights.used(), weights.weigh(at(20))), (2400, Err(Beyond::Limited(40_000))));
        assert_eq!(weights.weigh(at(21)), Err(Beyond::Limited(39_000)), "it was on its way");
        // Who waits as long as it is told to is let in again.
        let mut patient = weights.clone();
        assert_eq!((patient.weigh(at(60)), patient.used()), (Ok(()), 1));
        assert_eq!(weights.weigh(at(22)), Err(Beyond::Banned(120_000)));
        assert_eq!(weights.weigh(at(70)), Err(Beyond::Banned(72_000)), "the next minute does not help");
        assert_eq!((weights.weigh(at(142)), weights.used()), (Ok(()), 1));
    }

    #[test]
    fn what_is_not_limited_keeps_no_memory_of_what_was() {
        let mut limit = Limit::none();
        assert!((0..5000).all(|_| limit.admit(EventTime::from_ms(7))));
        assert!(limit.times.len() <= 1);
    }
}
