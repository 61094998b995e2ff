//! An alert: a finding as it concerns people. One rule for every kind of finding; a new kind adds an arm here and nothing
//! in the policy.
//!
//! Knows no destination and no text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    CascadeFinding, EventTime, FeedFinding, FeedStatus, Finding, Id, IdHasher, InterestFinding,
    LargeLiquidation, Level, Regime, Side, State, Symbol, Usd,
};

/// How urgent an alert is (alerting.md 2); ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Priority {
    /// May wait 30 s to be grouped.
    #[default]
    Low,
    /// May wait 2 s to be grouped.
    Medium,
    /// Leaves at once.
    High,
}

impl Priority {
    /// All, ascending.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The upper-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        }
    }

    /// One up; HIGH stays.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium | Self::High => Self::High,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        let known = Self::ALL.into_iter().find(|priority| priority.as_str().eq_ignore_ascii_case(text));
        known.ok_or(UnknownPriority)
    }
}

/// A word that is no priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected LOW, MEDIUM or HIGH")]
pub struct UnknownPriority;

/// Whose affair an alert is: it decides for how long a repeat is a duplicate, and whether silence escalates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Of markets: they resolve themselves.
    Market,
    /// Of feeds and services.
    Operations,
    /// Of a trading bot.
    Bot,
}

/// Where an alert stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It begins.
    Opened,
    /// It goes on, better or worse.
    Updated,
    /// It is over.
    Resolved,
}

impl Phase {
    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
        }
    }
}

/// A revision of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What counts as the same news: hash of (rule, scope, episode). The same in every revision; never of a text or a figure.
    pub id: Id,
    /// Names this revision: the finding's id, or a hash of the alert's and what it was made of.
    pub revision: Id,
    /// The kind of finding (`cascade`), or `digest`, `test`, `watchdog`. Budgets are kept by it, destinations filter by it.
    pub kind: String,
    /// The rule within the kind: `cascade`, `market_cascade`, `large_liquidation`, `oi_explosion`, `oi_collapse`, `feed`.
    pub rule: String,
    /// What it is about: a symbol, `market`, `feed:binance`, a bot.
    pub scope: String,
    /// The market, if it is about one.
    pub symbol: Option<Symbol>,
    /// Whose affair.
    pub family: Family,
    /// Where it stands.
    pub phase: Phase,
    /// How urgent.
    pub priority: Priority,
    /// How bad, comparable within one alert: a revision with a larger rank is worse.
    pub rank: u32,
    /// What orders alerts of one priority: US dollars at stake, 0 where there are none.
    pub usd: Usd,
    /// Event time of the decision.
    pub known_at_ms: EventTime,
    /// From a demo's simulated exchanges.
    pub demo: bool,
    /// What there is to tell.
    pub subject: Subject,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subject", content = "of", rename_all = "snake_case")]
pub enum Subject {
    /// What a detector found.
    Finding(Box<Finding>),
    /// Cascades on many symbols at once.
    Market(MarketCascade),
    /// What budgets held back.
    Digest(Digest),
    /// A test that somebody asked for: who.
    Test {
        /// Who asked.
        by: String,
    },
    /// The watchdog's sign of life.
    Watchdog,
}

/// A market-wide cascade: many symbols at ALERT or above within a short time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketCascade {
    /// Symbols that were part of it so far.
    pub symbols: u32,
    /// Of these, those whose episode goes on.
    pub ongoing: u32,
    /// Of each symbol the largest 30-second notional seen, or what its whole episode came to once it is over; summed.
    pub notional_usd: Usd,
    /// Longs' share of that, 0..=1.
    pub long_share: f64,
    /// The three largest, largest first.
    pub largest: Vec<MarketPart>,
    /// The market regime of the last finding that knew it.
    pub regime: Option<Regime>,
    /// When its first symbol was known to be at ALERT.
    pub began_ms: EventTime,
    /// When the last of them was over.
    pub ended_ms: Option<EventTime>,
}

/// One symbol of a market-wide cascade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarketPart {
    /// The market.
    pub symbol: Symbol,
    /// Its part of the sum.
    pub notional_usd: Usd,
    /// The highest level that was told.
    pub level: Level,
    /// Which positions.
    pub direction: Side,
}

/// What budgets held back, told at once when there is room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Of which kind.
    pub of: String,
    /// The most important ones: by priority, then US dollars.
    pub lines: Vec<DigestLine>,
    /// How many more there were.
    pub more: u32,
}

/// One alert that was held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestLine {
    /// The alert.
    pub alert: Id,
    /// Its rule.
    pub rule: String,
    /// Its scope.
    pub scope: String,
    /// Its priority.
    pub priority: Priority,
    /// US dollars at stake.
    pub usd: Usd,
    /// When it was known.
    pub known_at_ms: EventTime,
    /// A figure that says how bad, in the words of its kind: `CRITICAL`, `+18.0 %`, `long`. Empty = none.
    pub figure: String,
}

/// What an alert of anything but a finding is made with.
#[derive(Clone, Debug)]
pub struct Heading<'a> {
    /// The kind.
    pub kind: &'a str,
    /// The rule.
    pub rule: &'a str,
    /// The scope.
    pub scope: &'a str,
    /// What tells it from an earlier one of the same rule and scope; 0 = nothing does, it is over when it is resolved.
    pub episode: Id,
}

impl Alert {
    /// What counts as the same news.
    pub fn id_of(rule: &str, scope: &str, episode: Id) -> Id {
        IdHasher::new("alert").text(rule).text(scope).text(&episode.to_string()).finish()
    }

    /// A revision of an alert of the dispatcher's own making: MEDIUM, of markets, opened, without a symbol or money.
    pub fn new(heading: &Heading<'_>, revision: u64, known_at_ms: EventTime, subject: Subject) -> Self {
        let id = Self::id_of(heading.rule, heading.scope, heading.episode);
        let revision =
            IdHasher::new("alert_revision").text(&id.to_string()).int(revision.cast_signed()).finish();
        Self {
            id,
            revision,
            kind: heading.kind.to_owned(),
            rule: heading.rule.to_owned(),
            scope: heading.scope.to_owned(),
            symbol: None,
            family: Family::Market,
            phase: Phase::Opened,
            priority: Priority::Medium,
            rank: 0,
            usd: Usd::ZERO,
            known_at_ms,
            demo: false,
            subject,
        }
    }

    /// What a finding is to people; `None` = it concerns nobody (a one-second update, an episode that nobody was told of).
    pub fn of(finding: &Finding) -> Option<Self> {
        if !finding.is_transition() {
            return None;
        }
        let nature = match finding {
            Finding::Cascade(f) => Nature::of_cascade(f),
            Finding::LargeLiquidation(f) => Nature::of_large(f),
            Finding::OpenInterest(f) => Nature::of_interest(f),
            Finding::Feed(f) => Nature::of_feed(f),
        };
        let scope =
            nature.scope.unwrap_or_else(|| finding.symbol().map_or(String::new(), ToString::to_string));
        Some(Self {
            id: Self::id_of(nature.rule, &scope, nature.episode),
            revision: finding.id(),
            kind: finding.kind().to_owned(),
            rule: nature.rule.to_owned(),
            scope,
            symbol: finding.symbol().copied(),
            family: nature.family,
            phase: nature.phase,
            priority: nature.priority,
            rank: nature.rank,
            usd: nature.usd,
            known_at_ms: finding.known_at(),
            demo: finding.is_demo(),
            subject: Subject::Finding(Box::new(finding.clone())),
        })
    }
}

/// What differs by kind.
struct Nature {
    rule: &'static str,
    /// `None` = the symbol.
    scope: Option<String>,
    episode: Id,
    family: Family,
    phase: Phase,
    priority: Priority,
    rank: u32,
    usd: Usd,
}

const fn phase_of(state: State) -> Phase {
    match state {
        State::Open => Phase::Opened,
        State::Level | State::Update => Phase::Updated,
        State::Resolved | State::Closed => Phase::Resolved,
    }
}

/// How often `part` is in `whole`, in thousandths; 0 where that says nothing.
fn ratio(part: f64, whole: f64) -> u32 {
    let thousandths = (part / whole * 1000.0).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held to the range on the same line"
    )]
    let ratio = if thousandths.is_finite() { thousandths.clamp(0.0, 4e9) as u32 } else { 0 };
    ratio
}

impl Nature {
    fn of_cascade(f: &CascadeFinding) -> Self {
        let phase = match f.state {
            // The opening of an episode is below ALERT as a rule: the first ALERT is what begins for people.
            State::Level if f.previous_level < Level::Alert && f.level >= Level::Alert => Phase::Opened,
            state => phase_of(state),
        };
        Self {
            rule: "cascade",
            scope: None,
            episode: f.episode,
            family: Family::Market,
            phase,
            priority: match f.level {
                Level::Critical | Level::Extreme => Priority::High,
                Level::Alert => Priority::Medium,
                Level::None | Level::Watch => Priority::Low,
            },
            rank: f.level as u32,
            usd: f.closing.as_ref().map_or(f.flow.notional_30s_usd, |closing| closing.notional_usd),
        }
    }

    fn of_large(f: &LargeLiquidation) -> Self {
        let rank = ratio(f.notional_usd.dollars(), f.threshold_usd.dollars());
        Self {
            rule: "large_liquidation",
            scope: None,
            episode: f.id,
            family: Family::Market,
            phase: Phase::Opened,
            priority: match rank {
                5000.. => Priority::High,
                2000.. => Priority::Medium,
                _ => Priority::Low,
            },
            rank,
            usd: f.notional_usd,
        }
    }

    fn of_interest(f: &InterestFinding) -> Self {
        let ratio = f.change_pct.map_or(0, |change| ratio(change.abs(), f.threshold_pct));
        let usd = |holding: &Option<crate::Holding>| holding.as_ref().and_then(|holding| holding.usd);
        let difference = match (usd(&f.before), usd(&f.after)) {
            (Some(before), Some(after)) if after > before => after - before,
            (Some(before), Some(after)) => before - after,
            _ => Usd::ZERO,
        };
        Self {
            rule: match f.direction {
                crate::Swing::Explosion => "oi_explosion",
                crate::Swing::Collapse => "oi_collapse",
            },
            scope: None,
            episode: f.episode,
            family: Family::Market,
            phase: phase_of(f.state),
            priority: if ratio >= 2000 { Priority::High } else { Priority::Medium },
            // Worse each time it has doubled: the engine's steps are finer than what is worth a message of its own.
            rank: (ratio / 1000).checked_ilog2().map_or(0, |doublings| doublings + 1),
            usd: difference,
        }
    }

    fn of_feed(f: &FeedFinding) -> Self {
        let is_broken = |status: &FeedStatus| matches!(status, FeedStatus::Dead | FeedStatus::Refused);
        let broken = f.feeds.values().filter(|status| is_broken(status)).count();
        let (priority, rank) = match f.status {
            FeedStatus::Dead | FeedStatus::Refused if f.busiest || broken >= 2 => (Priority::High, 3),
            FeedStatus::Dead | FeedStatus::Refused => (Priority::Medium, 2),
            _ => (Priority::Low, 1),
        };
        Self {
            rule: "feed",
            scope: Some(f.scope.clone()),
            // Each outage ends with its return: the next one is new by that alone.
            episode: Id::from_bits(0),
            family: Family::Operations,
            phase: phase_of(f.state),
            priority,
            rank,
            usd: Usd::ZERO,
        }
    }
}
