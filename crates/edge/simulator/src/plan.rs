//! What a scenario says beside the markets' courses: which venue is broken when, what a detector should say of its
//! feed, and a swarm of generated markets. Knows no venue and no wire format.

use std::collections::BTreeMap;

use cascade_domain::{FeedStatus, Swing, Symbol, Venue};
use serde::{Deserialize, Deserializer};

use crate::broken::PollFault;
use crate::synthetic;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The venue stays connected and sends nothing; what happens meanwhile is lost.
    Mute,
    /// REST questions about open interest are answered with 429, and with 30 s of `Retry-After`.
    PollLimited,
    /// They are answered with 418, and with 120 s of `Retry-After`.
    PollBanned,
    /// They are answered with 500.
    PollFailing,
    /// Half of the answer's body comes.
    PollTruncated,
    /// What was answered first is answered again and again.
    PollStale,
    /// Another contract's answer comes.
    PollSwapped,
}

impl FaultKind {
    /// How the venue answers who asks for open interest; none where that is not what breaks.
    pub(crate) const fn of_polls(self) -> Option<PollFault> {
        match self {
            Self::Mute => None,
            Self::PollLimited => Some(PollFault::Status(429, Some(30))),
            Self::PollBanned => Some(PollFault::Status(418, Some(120))),
            Self::PollFailing => Some(PollFault::Status(500, None)),
            Self::PollTruncated => Some(PollFault::Truncated),
            Self::PollStale => Some(PollFault::Stale),
            Self::PollSwapped => Some(PollFault::Swapped),
        }
    }
}

/// A venue that is broken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// The venue.
    pub venue: Venue,
    /// What breaks.
    pub kind: FaultKind,
    /// Second of the scenario at which it begins.
    pub from_s: u64,
    /// Second of the scenario at which it is over.
    pub until_s: u64,
}

/// What a detector with default settings is expected to say of one venue's feed, and then to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFeed {
    /// The venue.
    pub venue: Venue,
    /// The state that must be told.
    pub status: FeedStatus,
}

/// What a detector of open interest with default settings is expected to say of one market over the whole scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedInterest {
    /// The market.
    pub symbol: Symbol,
    /// Which way it is told to have gone: `explosion`, `collapse`, or `none` where nothing may be told.
    #[serde(deserialize_with = "swing_or_none")]
    pub direction: Option<Swing>,
    /// Whether that must also be told as over before the scenario ends.
    #[serde(default)]
    pub resolved: bool,
}

fn swing_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Swing>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Explosion,
        Collapse,
        None,
    }
    Ok(match Word::deserialize(deserializer)? {
        Word::Explosion => Some(Swing::Explosion),
        Word::Collapse => Some(Swing::Collapse),
        Word::None => None,
    })
}

impl ExpectedInterest {
    /// What makes no sense about it, beside how open interest is to move in each phase, per cent.
    pub(crate) fn nonsense(&self, mut moves: impl Iterator<Item = f64>) -> Option<String> {
        let symbol = self.symbol;
        match self.direction {
            None => self.resolved.then(|| format!("nothing is expected of {symbol} that could be resolved")),
            Some(Swing::Explosion) => (!moves.any(|per_cent| per_cent > 0.0))
                .then(|| format!("an explosion of {symbol} is expected, but its open interest never rises")),
            Some(Swing::Collapse) => (!moves.any(|per_cent| per_cent < 0.0))
                .then(|| format!("a collapse of {symbol} is expected, but its open interest never falls")),
        }
    }
}

/// Many generated markets that all do the same: each order and each trade comes by itself (Poisson).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swarm {
    /// How many bases.
    pub(crate) bases: usize,
    /// Second of the scenario at which forced orders and full trading begin.
    pub(crate) from_s: u64,
    /// Second at which they end.
    pub(crate) until_s: u64,
    /// Forced orders a second of one base, by venue.
    pub(crate) orders_per_s: BTreeMap<Venue, f64>,
    /// Ordinary trades a second of one base, by venue.
    pub(crate) trades_per_s: BTreeMap<Venue, f64>,
    /// Share of those trades that there are before and after.
    pub(crate) quiet_share: f64,
    /// Median order, US dollars.
    pub(crate) median_usd: f64,
    /// Deviation of the logarithm of an order's size.
    pub(crate) sigma: f64,
    /// Share of longs among the orders.
    pub(crate) long_share: f64,
}

impl PlannedFault {
    pub(crate) fn nonsense(&self, duration_s: u64) -> Option<String> {
        let (venue, from, until) = (self.venue, self.from_s, self.until_s);
        if self.kind.of_polls().is_some() && !matches!(venue, Venue::Binance | Venue::Okx) {
            return Some(format!("nobody asks {venue} for open interest, so that no answer can break"));
        }
        if from >= until {
            return Some(format!("the fault of {venue} from {from} s is over at {until} s"));
        }
        (until > duration_s).then(|| format!("the fault of {venue} is over at {until} s, after the end"))
    }
}

impl Swarm {
    pub(crate) fn nonsense(&self, duration_s: u64) -> Option<String> {
        if !(1..=synthetic::MOST).contains(&self.bases) {
            return Some(format!("bases is {}, not 1 to {}", self.bases, synthetic::MOST));
        }
        if self.from_s >= self.until_s || self.until_s > duration_s {
            return Some(format!("from {} s until {} s is no time of it", self.from_s, self.until_s));
        }
        let rates = self.orders_per_s.values().chain(self.trades_per_s.values());
        if let Some(rate) = rates.into_iter().find(|rate| !(0.0..=200.0).contains(*rate)) {
            return Some(format!("a rate of {rate} a second is not 0 to 200"));
        }
        let checks = [
            ("quiet_share", self.quiet_share, 0.0..=1.0),
            ("median_usd", self.median_usd, 1.0..=1e8),
            ("sigma", self.sigma, 0.0..=4.0),
            ("long_share", self.long_share, 0.0..=1.0),
        ];
        let (key, value, range) = checks.into_iter().find(|(_, value, range)| !range.contains(value))?;
        Some(format!("{key} is {value}, not {} to {}", range.start(), range.end()))
    }
}
