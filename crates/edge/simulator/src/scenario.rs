//! A scenario: what a market does, second by second, and what a detector is expected to say of it.
//!
//! Read from TOML and refused with the reason where it makes no sense. Knows no venue and no wire format.

use std::collections::BTreeSet;

use cascade_domain::{Level, Symbol, Venue};
use serde::Deserialize;

use crate::listing::{BASES, Catalogue};
use crate::plan::{ExpectedFeed, ExpectedInterest, FaultKind, PlannedFault, Swarm};

/// Why a text is not a scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, or a key that a scenario does not have, or a value of the wrong type.
    #[error("not a scenario: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// It can be read, but makes no sense.
    #[error("scenario `{name}`: {reason}")]
    Nonsense {
        /// The scenario's name.
        name: String,
        /// What is wrong, and with which value.
        reason: String,
    },
}

/// What a detector with default settings is expected to say of one market.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The market.
    pub symbol: Symbol,
    /// A level that must be reached.
    pub at_least: Option<Level>,
    /// A level that must never be reached.
    pub below: Option<Level>,
    /// `at_least` must be reached within so many seconds of the onset.
    pub within_s: Option<u64>,
    /// Second of the scenario at which it begins; 0 where nothing does.
    #[serde(default)]
    pub onset_s: u64,
    /// Whether an episode that was told must also be told as over before the scenario ends.
    #[serde(default)]
    pub resolved: bool,
}

/// A stretch of one market.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    /// Second at which it ends; it begins where the one before ends.
    pub(crate) until_s: u64,
    /// Forced orders in it, on all venues: a Poisson stream given its count.
    pub(crate) orders: u32,
    /// Median order, US dollars.
    pub(crate) median_usd: f64,
    /// Deviation of the logarithm of an order's size.
    pub(crate) sigma: f64,
    /// Share of longs among them, 0 to 1.
    pub(crate) long_share: f64,
    /// How far the price moves over the phase, per cent.
    #[serde(default)]
    pub(crate) drift_pct: f64,
    /// How far open interest moves over the phase, per cent.
    #[serde(default)]
    pub(crate) open_interest_pct: f64,
    /// The venues on which open interest moves; all where it is absent.
    pub(crate) open_interest_venues: Option<Vec<Venue>>,
    /// Ordinary trades against those of a quiet day.
    #[serde(default = "one")]
    pub(crate) trade_rate: f64,
    /// Share of Hyperliquid's liquidations that its vaults take over.
    #[serde(default)]
    pub(crate) backstop_share: f64,
}

const fn one() -> f64 {
    1.0
}

/// One market's course.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Course {
    /// The market.
    pub(crate) symbol: Symbol,
    /// US dollars a coin at second 0.
    pub(crate) price: f64,
    /// Funding per 8 hours, a fraction.
    pub(crate) funding_8h: f64,
    /// Open interest of all venues at second 0, US dollars; the base's own where it is absent.
    pub(crate) open_interest_usd: Option<f64>,
    /// The stretches, in order.
    #[serde(rename = "phase")]
    pub(crate) phases: Vec<Phase>,
}

/// What the markets do from second 0 to the end, and what is expected of a detector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    name: String,
    duration_s: u64,
    #[serde(rename = "symbol")]
    courses: Vec<Course>,
    #[serde(default)]
    expected: Vec<Expected>,
    #[serde(default)]
    expected_interest: Vec<ExpectedInterest>,
    #[serde(default, rename = "fault")]
    faults: Vec<PlannedFault>,
    #[serde(default, rename = "expected_feed")]
    expected_feeds: Vec<ExpectedFeed>,
    #[serde(default)]
    swarm: Option<Swarm>,
}

/// A day: longer makes no demonstration.
const LONGEST_S: u64 = 86_400;
/// Forced orders of one phase: more would not fit memory in any sensible time.
const MOST_ORDERS: u32 = 1_000_000;

impl Scenario {
    /// The names of the scenarios that are built in.
    pub const NAMES: &[&str] = &["cascade", "busy-day", "dead-feed", "oi-explosion", "storm"];

    /// A built-in scenario.
    pub fn named(name: &str) -> Option<Self> {
        let text = match name {
            "cascade" => include_str!("../scenarios/cascade.toml"),
            "busy-day" => include_str!("../scenarios/busy-day.toml"),
            "dead-feed" => include_str!("../scenarios/dead-feed.toml"),
            "oi-explosion" => include_str!("../scenarios/oi-explosion.toml"),
            "storm" => include_str!("../scenarios/storm.toml"),
            _ => return None,
        };
        Self::parse(text).ok()
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// Not TOML of a scenario, or one that makes no sense; the message says what and where.
    pub fn parse(toml: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(toml)?;
        match scenario.nonsense() {
            None => Ok(scenario),
            Some(reason) => Err(ScenarioError::Nonsense { name: scenario.name, reason }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it lasts, seconds of the clock.
    pub const fn duration_s(&self) -> u64 {
        self.duration_s
    }

    /// What a detector with default settings is expected to say.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// What a detector of open interest with default settings is expected to say.
    pub fn expected_interest(&self) -> &[ExpectedInterest] {
        &self.expected_interest
    }

    /// The venues' feeds that a detector with default settings is expected to miss, and to have back before the end.
    pub fn expected_feeds(&self) -> &[ExpectedFeed] {
        &self.expected_feeds
    }

    /// What breaks when.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// The generated markets.
    pub(crate) const fn swarm(&self) -> Option<&Swarm> {
        self.swarm.as_ref()
    }

    /// What there is to trade.
    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue { synthetic: self.swarm.as_ref().map_or(0, |swarm| swarm.bases) }
    }

    /// The markets' courses.
    pub(crate) fn courses(&self) -> &[Course] {
        &self.courses
    }

    fn nonsense(&self) -> Option<String> {
        if self.duration_s == 0 || self.duration_s > LONGEST_S {
            return Some(format!("duration_s is {}, not 1 to {LONGEST_S}", self.duration_s));
        }
        if self.courses.is_empty() {
            return Some("no symbol".to_owned());
        }
        let mut seen = BTreeSet::new();
        for course in &self.courses {
            if !seen.insert(course.symbol) {
                return Some(format!("{} twice", course.symbol));
            }
            if let Some(reason) = self.nonsense_of(course) {
                return Some(format!("{}: {reason}", course.symbol));
            }
        }
        let expected = || self.expected.iter().find_map(|expected| self.nonsense_expected(expected, &seen));
        let faults = || self.faults.iter().find_map(|fault| fault.nonsense(self.duration_s));
        let swarm = || self.swarm.as_ref()?.nonsense(self.duration_s).map(|why| format!("swarm: {why}"));
        let feeds = || self.nonsense_feeds();
        expected().or_else(|| self.nonsense_interest()).or_else(faults).or_else(feeds).or_else(swarm)
    }

    fn nonsense_interest(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        self.expected_interest.iter().find_map(|expected| {
            let symbol = expected.symbol;
            if !seen.insert(symbol) {
                return Some(format!("open interest of {symbol} is expected to do two things"));
            }
            let Some(course) = self.courses.iter().find(|course| course.symbol == symbol) else {
                return Some(format!(
                    "open interest of {symbol} is expected to do something, but has no course"
                ));
            };
            expected.nonsense(course.phases.iter().map(|phase| phase.open_interest_pct))
        })
    }

    fn nonsense_feeds(&self) -> Option<String> {
        let mute = self.faults.iter().filter(|fault| fault.kind == FaultKind::Mute);
        let broken: BTreeSet<_> = mute.map(|fault| fault.venue).collect();
        let sound = self.expected_feeds.iter().find(|feed| !broken.contains(&feed.venue))?;
        Some(format!(
            "the feed of {} is expected to be {}, but nothing breaks it",
            sound.venue,
            sound.status.as_str()
        ))
    }

    fn nonsense_of(&self, course: &Course) -> Option<String> {
        if !BASES.iter().any(|base| base.name == course.symbol.base()) {
            return Some("no simulated venue lists it".to_owned());
        }
        if !(course.price.is_finite() && course.price > 0.0) {
            return Some(format!("price is {}, not a positive number", course.price));
        }
        if !(-0.1..=0.1).contains(&course.funding_8h) {
            return Some(format!("funding_8h is {}, not between -0.1 and 0.1", course.funding_8h));
        }
        if let Some(usd) = course.open_interest_usd.filter(|usd| !(1e6..=1e12).contains(usd)) {
            return Some(format!("open_interest_usd is {usd}, not 1e6 to 1e12"));
        }
        let mut begins = 0;
        for phase in &course.phases {
            if phase.until_s <= begins {
                return Some(format!("the phase until {} s ends before it begins", phase.until_s));
            }
            begins = phase.until_s;
            if let Some(reason) = phase.nonsense() {
                return Some(format!("the phase until {} s: {reason}", phase.until_s));
            }
        }
        (begins != self.duration_s)
            .then(|| format!("its phases end at {begins} s, the scenario at {} s", self.duration_s))
    }

    fn nonsense_expected(&self, expected: &Expected, symbols: &BTreeSet<Symbol>) -> Option<String> {
        let symbol = expected.symbol;
        if !symbols.contains(&symbol) {
            return Some(format!("{symbol} is expected to do something, but has no course"));
        }
        if expected.at_least.is_none() && expected.below.is_none() {
            return Some(format!("nothing is expected of {symbol}: neither at_least nor below"));
        }
        (expected.onset_s >= self.duration_s).then(|| format!("{symbol} is expected to begin after the end"))
    }
}

impl Phase {
    /// Nobody is liquidated; the price goes so far.
    pub(crate) const fn quiet(until_s: u64, drift_pct: f64) -> Self {
        Self {
            until_s,
            orders: 0,
            median_usd: 1.0,
            sigma: 0.0,
            long_share: 0.5,
            drift_pct,
            open_interest_pct: 0.0,
            open_interest_venues: None,
            trade_rate: 1.0,
            backstop_share: 0.0,
        }
    }

    fn nonsense(&self) -> Option<String> {
        let within = |value: f64, low: f64, high: f64| value >= low && value <= high;
        let checks = [
            ("median_usd", self.median_usd, 1.0, 1e8),
            ("sigma", self.sigma, 0.0, 4.0),
            ("long_share", self.long_share, 0.0, 1.0),
            ("drift_pct", self.drift_pct, -90.0, 900.0),
            ("open_interest_pct", self.open_interest_pct, -90.0, 900.0),
            ("trade_rate", self.trade_rate, 0.0, 100.0),
            ("backstop_share", self.backstop_share, 0.0, 1.0),
        ];
        if self.orders > MOST_ORDERS {
            return Some(format!("orders is {}, more than {MOST_ORDERS}", self.orders));
        }
        if let Some(venues) = &self.open_interest_venues {
            let each: BTreeSet<_> = venues.iter().collect();
            if venues.is_empty() || each.len() < venues.len() {
                return Some("open_interest_venues names no venue, or one twice".to_owned());
            }
        }
        let (key, value, low, high) =
            checks.into_iter().find(|(_, v, low, high)| !within(*v, *low, *high))?;
        Some(format!("{key} is {value}, not {low} to {high}"))
    }
}

#[cfg(test)]
mod tests;
