//! The market-wide cascade: cascades on many symbols within a short time are one alert.
//!
//! Knows no destination: who is told of it is decided as of any other alert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cascade_domain::{
    Alert, CascadeFinding, EventTime, Finding, Heading, Id, IdHasher, Level, MarketCascade, MarketPart,
    Phase, Priority, Regime, Side, Subject, Symbol, Usd,
};
use serde::{Deserialize, Serialize};

use crate::Config;
use crate::config::ms;
use crate::mute::About;

const KIND: &str = "cascade";
const RULE: &str = "cascade";
/// The rule and scope of the alert that this makes.
const MARKET_RULE: &str = "market_cascade";
const MARKET: &str = "market";
/// What mutes of it look at.
pub(crate) const ABOUT: About<'static> = About { kind: KIND, rule: MARKET_RULE, symbol: None };
/// So many symbols are named.
const LARGEST: usize = 3;

/// Symbols with a cascade, and the market-wide one that they make up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Market {
    members: BTreeMap<Symbol, Member>,
    open: Option<Open>,
}

/// A market-wide cascade that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    began_ms: EventTime,
    known_ms: EventTime,
    revision: u64,
    regime: Option<Regime>,
    demo: bool,
}

/// One symbol. Sums are whole micro-dollars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    alert: Id,
    /// When it was first, and last, known to be at ALERT or above.
    began_ms: EventTime,
    high_ms: EventTime,
    known_ms: EventTime,
    /// When it was heard of last, by the dispatcher's clock.
    heard_ms: EventTime,
    ongoing: bool,
    level: Level,
    direction: Side,
    regime: Option<Regime>,
    demo: bool,
    /// Of the episode that goes on, or was the last.
    usd: i64,
    longs_usd: i64,
    /// Of the episodes before it.
    past_usd: i64,
    past_longs_usd: i64,
}

/// The cascade that an alert is about; `None` = it is about something else.
fn cascade_of(alert: &Alert) -> Option<(&CascadeFinding, Symbol)> {
    if alert.kind != KIND || alert.rule != RULE {
        return None;
    }
    match &alert.subject {
        Subject::Finding(finding) => match finding.as_ref() {
            Finding::Cascade(cascade) => Some((cascade, cascade.symbol)),
            _ => None,
        },
        _ => None,
    }
}

/// A share of a sum, in micro-dollars.
fn part(usd: Usd, share: f64) -> i64 {
    Usd::from_f64(usd.dollars() * share.clamp(0.0, 1.0)).unwrap_or_default().micros()
}

impl Member {
    fn new(alert: &Alert, cascade: &CascadeFinding, now: EventTime) -> Self {
        Self {
            alert: alert.id,
            began_ms: alert.known_at_ms.min(now),
            high_ms: alert.known_at_ms.min(now),
            known_ms: alert.known_at_ms.min(now),
            heard_ms: now,
            ongoing: true,
            level: cascade.level,
            direction: cascade.direction,
            regime: None,
            demo: alert.demo,
            usd: 0,
            longs_usd: 0,
            past_usd: 0,
            past_longs_usd: 0,
        }
    }

    fn hear(&mut self, alert: &Alert, cascade: &CascadeFinding, now: EventTime) {
        if self.alert != alert.id {
            self.alert = alert.id;
            self.past_usd = self.past_usd.saturating_add(std::mem::take(&mut self.usd));
            self.past_longs_usd = self.past_longs_usd.saturating_add(std::mem::take(&mut self.longs_usd));
        }
        self.known_ms = alert.known_at_ms.min(now);
        self.heard_ms = now;
        self.ongoing = alert.phase != Phase::Resolved;
        self.regime = cascade.context.regime.or(self.regime);
        self.demo |= alert.demo;
        if is_high(alert) {
            self.high_ms = alert.known_at_ms.min(now);
        }
        let share =
            |longs: Option<f64>| longs.unwrap_or(if self.direction == Side::Long { 1.0 } else { 0.0 });
        if let Some(closing) = &cascade.closing {
            self.level = self.level.max(closing.peak_level);
            self.usd = closing.notional_usd.micros().max(0);
            self.longs_usd = part(closing.notional_usd, share(closing.long_share));
        } else {
            self.level = self.level.max(cascade.level);
            if cascade.flow.notional_30s_usd.micros() > self.usd {
                self.usd = cascade.flow.notional_30s_usd.micros();
                self.direction = cascade.direction;
                self.longs_usd = if cascade.direction == Side::Long { self.usd } else { 0 };
            }
        }
    }

    const fn sum(&self) -> i64 {
        self.usd.saturating_add(self.past_usd)
    }

    const fn longs(&self) -> i64 {
        self.longs_usd.saturating_add(self.past_longs_usd)
    }
}

/// Whether a cascade is at ALERT or above by this revision.
fn is_high(alert: &Alert) -> bool {
    alert.priority >= Priority::Medium && alert.phase != Phase::Resolved
}

impl Market {
    /// Takes note of an alert; what it makes of the market-wide one, if there is one.
    pub(crate) fn hear(&mut self, alert: &Alert, config: &Config, now: EventTime) -> Option<Arc<Alert>> {
        let (cascade, symbol) = cascade_of(alert)?;
        let is_high = is_high(alert);
        if is_high && now.since(alert.known_at_ms) > config.expire_ms() {
            return None;
        }
        match self.members.get_mut(&symbol) {
            Some(member) if alert.known_at_ms < member.known_ms && member.known_ms <= now => return None,
            Some(member) if member.alert == alert.id || is_high => member.hear(alert, cascade, now),
            None if is_high => {
                let mut member = Member::new(alert, cascade, now);
                member.hear(alert, cascade, now);
                self.members.insert(symbol, member);
            }
            _ => return None,
        }
        if self.open.is_none() {
            self.begin(config);
        }
        self.revise(alert.known_at_ms.min(now), cascade.context.regime)
    }

    /// Begins a market-wide cascade where there are enough of them.
    fn begin(&mut self, config: &Config) {
        let Some(newest) = self.members.values().map(|member| member.high_ms).max() else { return };
        self.members.retain(|_, member| newest.since(member.high_ms) <= ms(config.market_within_s));
        let enough = usize::try_from(config.market_symbols.max(2)).unwrap_or(usize::MAX);
        let began_ms = self.members.values().map(|member| member.began_ms).min().unwrap_or(newest);
        let mut known: Vec<_> = self.members.values().collect();
        known.sort_by_key(|member| member.known_ms);
        let regime = known.iter().rev().find_map(|member| member.regime);
        if self.members.len() >= enough {
            self.open = Some(Open { began_ms, known_ms: newest, revision: 0, regime, demo: false });
        }
    }

    /// Counts those as over that were silent for long; what that makes of the market-wide one.
    pub(crate) fn tick(&mut self, config: &Config, now: EventTime) -> Option<Arc<Alert>> {
        self.open.as_ref()?;
        let mut changed = false;
        for member in self.members.values_mut().filter(|member| member.ongoing) {
            if now.since(member.heard_ms) >= ms(config.market_silence_s) {
                (member.ongoing, changed) = (false, true);
            }
        }
        if changed { self.revise(now, None) } else { None }
    }

    /// When the next one has been silent for long.
    pub(crate) fn due(&self, config: &Config) -> Option<EventTime> {
        self.open.as_ref()?;
        let ongoing = self.members.values().filter(|member| member.ongoing);
        ongoing.map(|member| member.heard_ms.plus_ms(ms(config.market_silence_s))).min()
    }

    /// Forgets a market-wide cascade that is over.
    pub(crate) fn settle(&mut self) {
        if self.open.is_some() && self.members.values().all(|member| !member.ongoing) {
            *self = Self::default();
        }
    }

    /// The market-wide alert that goes on.
    pub(crate) fn alert(&self) -> Option<Id> {
        let open = self.open.as_ref()?;
        Some(Alert::id_of(MARKET_RULE, MARKET, episode(open.began_ms)))
    }

    /// Whether a market-wide alert tells what this one does.
    pub(crate) fn covers(&self, alert: &Alert, config: &Config) -> bool {
        self.open.is_some()
            && alert.rule != MARKET_RULE
            && config.market_kinds.contains(&alert.kind)
            && alert.symbol.is_some_and(|symbol| self.members.contains_key(&symbol))
    }

    /// The symbols that are part of it.
    pub(crate) fn symbols(&self) -> BTreeSet<Symbol> {
        self.members.keys().copied().collect()
    }

    /// The next revision of the market-wide alert.
    fn revise(&mut self, known: EventTime, regime: Option<Regime>) -> Option<Arc<Alert>> {
        let open = self.open.as_mut()?;
        open.revision = open.revision.saturating_add(1);
        open.known_ms = open.known_ms.max(known);
        open.regime = regime.or(open.regime);
        open.demo |= self.members.values().any(|member| member.demo);
        let is_over = self.members.values().all(|member| !member.ongoing);
        let figures = figures(&self.members, open, is_over);
        let heading =
            Heading { kind: KIND, rule: MARKET_RULE, scope: MARKET, episode: episode(open.began_ms) };
        let usd = figures.notional_usd;
        let alert = Alert::new(&heading, open.revision, open.known_ms, Subject::Market(figures));
        Some(Arc::new(Alert {
            phase: match open.revision {
                _ if is_over => Phase::Resolved,
                1 => Phase::Opened,
                _ => Phase::Updated,
            },
            priority: Priority::High,
            rank: 1,
            usd,
            demo: open.demo,
            ..alert
        }))
    }
}

fn episode(began: EventTime) -> Id {
    IdHasher::new(MARKET_RULE).int(began.ms()).finish()
}

fn figures(members: &BTreeMap<Symbol, Member>, open: &Open, is_over: bool) -> MarketCascade {
    let total =
        |of: fn(&Member) -> i64| members.values().fold(0_i64, |sum, member| sum.saturating_add(of(member)));
    let (sum, longs) = (Usd::from_micros(total(Member::sum)), Usd::from_micros(total(Member::longs)));
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut largest: Vec<_> = members.iter().collect();
    largest.sort_by_key(|(symbol, member)| (std::cmp::Reverse(member.sum()), **symbol));
    MarketCascade {
        symbols: count(members.len()),
        ongoing: count(members.values().filter(|member| member.ongoing).count()),
        notional_usd: sum,
        long_share: if sum > Usd::ZERO { (longs.dollars() / sum.dollars()).clamp(0.0, 1.0) } else { 0.0 },
        largest: largest.into_iter().take(LARGEST).map(|(symbol, member)| named(*symbol, member)).collect(),
        regime: open.regime,
        began_ms: open.began_ms,
        ended_ms: is_over.then_some(open.known_ms),
    }
}

const fn named(symbol: Symbol, member: &Member) -> MarketPart {
    MarketPart {
        symbol,
        notional_usd: Usd::from_micros(member.sum()),
        level: member.level,
        direction: member.direction,
    }
}
