//! Alerts and destinations to test with.

use std::collections::BTreeMap;

use cascade_alerting::{QuietHours, Route};
use cascade_domain::{
    Alert, CascadeFinding, Closing, Context, EventTime, Factors, Family, FeedFinding, FeedStatus, Feeds,
    Finding, Flow, Heading, Id, IdHasher, LargeLiquidation, Level, Metrics, Phase, Priority, Regime, Risk,
    RiskAction, RiskFactors, RiskLevel, Side, State, Subject, Symbol, Usd, Venue,
};

/// 2026-11-21 12:00 UTC.
pub(crate) const NOON: EventTime = EventTime::from_ms(1_795_262_400_000);

pub(crate) fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

/// A destination that hears everything.
pub(crate) fn route(name: &str, can_edit: bool) -> Route {
    Route {
        name: name.to_owned(),
        can_edit,
        minimum_priority: Priority::Low,
        kinds: [].into(),
        symbols: [].into(),
        quiet_hours: None,
        is_watchdog: false,
    }
}

pub(crate) fn watchdog() -> Route {
    Route { is_watchdog: true, ..route("watchdog", false) }
}

pub(crate) fn quiet(from: &str, to: &str, zone: &str, minimum_priority: Priority) -> QuietHours {
    QuietHours { from: from.to_owned(), to: to.to_owned(), zone: zone.to_owned(), minimum_priority }
}

/// An alert made by hand: of a bot, LOW, opened. When and which revision is said when it is pushed.
pub(crate) fn bot(rule: &str, scope: &str) -> Alert {
    let heading = Heading { kind: "bot", rule, scope, episode: Id::from_bits(0) };
    let subject = Subject::Test { by: "hand".to_owned() };
    Alert { family: Family::Bot, priority: Priority::Low, ..Alert::new(&heading, 0, NOON, subject) }
}

/// The same of markets.
pub(crate) fn news(kind: &str, scope: &str, priority: Priority) -> Alert {
    let heading = Heading { kind, rule: kind, scope, episode: Id::from_bits(0) };
    let subject = Subject::Test { by: "hand".to_owned() };
    let symbol = Symbol::parse(scope).ok();
    Alert { priority, rank: 1, symbol, ..Alert::new(&heading, 0, NOON, subject) }
}

/// The alert with another priority and rank.
pub(crate) fn at(priority: Priority, rank: u32, alert: &Alert) -> Alert {
    Alert { priority, rank, ..alert.clone() }
}

pub(crate) fn over(alert: &Alert) -> Alert {
    Alert { phase: Phase::Resolved, priority: Priority::Low, rank: 0, ..alert.clone() }
}

pub(crate) fn goes_on(alert: &Alert) -> Alert {
    Alert { phase: Phase::Updated, ..alert.clone() }
}

fn feeds() -> Feeds {
    BTreeMap::from([(Venue::Binance, FeedStatus::Sampled), (Venue::Bybit, FeedStatus::Live)])
}

/// A cascade's finding: symbol, episode, level, level before, dollars in the last 30 s; level NONE = it is over.
pub(crate) fn cascade(
    name: &str,
    episode: u64,
    (level, before): (Level, Level),
    dollars: i64,
) -> CascadeFinding {
    let is_over = level == Level::None;
    CascadeFinding {
        v: Finding::VERSION,
        id: Id::from_bits(0),
        episode: IdHasher::new("episode").text(name).int(episode.cast_signed()).finish(),
        revision: 1,
        state: if is_over { State::Resolved } else { State::Level },
        symbol: symbol(name),
        level,
        previous_level: before,
        reasons: vec![],
        direction: Side::Long,
        score: 0.5,
        raw: 0.5,
        boosted: 0.5,
        boosts: vec![],
        scores: Factors::default(),
        contributions: Factors::default(),
        missing: vec![],
        flow: Flow {
            notional_30s_usd: Usd::from_dollars(dollars),
            share: Some(0.9),
            unit_usd: Usd::from_dollars(3_000_000),
            price_change_60s: Some(-0.012),
        },
        risk: Risk {
            score: 50.0,
            level: RiskLevel::Medium,
            confidence: 1.0,
            action: RiskAction::Alert,
            factors: RiskFactors::default(),
        },
        metrics: Metrics {
            velocity_2s: 1.0,
            usd_velocity_10s: 1.0,
            acceleration: None,
            jerk: None,
            count_30s: 1,
            largest_usd: Usd::ZERO,
            leading_venue: None,
        },
        context: Context { regime: Some(Regime::High), vol_multiplier: 1.0, ..Context::default() },
        feeds: feeds(),
        confidence: 1.0,
        lower_bound: vec![],
        engine: "test".to_owned(),
        warming: false,
        demo: false,
        closing: is_over.then(|| Closing {
            peak_level: before,
            orders: 9,
            notional_usd: Usd::from_dollars(dollars),
            long_share: Some(0.75),
            duration_ms: 60_000,
            price_change: Some(-0.03),
        }),
        known_at_ms: NOON,
        detected_at_ms: None,
    }
}

/// The alert of a finding.
pub(crate) fn of(finding: &Finding) -> Alert {
    Alert::of(finding).unwrap()
}

/// A cascade on a symbol as an alert.
pub(crate) fn crash(name: &str, levels: (Level, Level), dollars: i64) -> Alert {
    of(&Finding::Cascade(Box::new(cascade(name, 1, levels, dollars))))
}

pub(crate) fn large(name: &str, number: i64, multiple: i64) -> Alert {
    of(&Finding::LargeLiquidation(LargeLiquidation {
        v: Finding::VERSION,
        id: Id::from_bits(1_000 + number.cast_unsigned()),
        symbol: symbol(name),
        venue: Venue::Okx,
        instrument: cascade_domain::Instrument::parse("X-USDT-SWAP").unwrap(),
        direction: Side::Short,
        notional_usd: Usd::from_dollars(1_000_000 * multiple + 1_000 * number),
        threshold_usd: Usd::from_dollars(1_000_000),
        price: 1.0,
        feeds: feeds(),
        engine: "test".to_owned(),
        warming: false,
        demo: false,
        event_time_ms: NOON,
        known_at_ms: NOON,
        detected_at_ms: None,
    }))
}

/// What is said of a venue's feed.
pub(crate) fn feed(status: FeedStatus, state: State, busiest: bool) -> Alert {
    of(&Finding::Feed(FeedFinding {
        v: Finding::VERSION,
        id: Id::from_bits(0),
        state,
        scope: FeedFinding::scope_of(Venue::Binance),
        venue: Venue::Binance,
        status,
        since_ms: NOON,
        reason: String::new(),
        out_ms: None,
        busiest,
        feeds: feeds(),
        demo: false,
        known_at_ms: NOON,
        detected_at_ms: None,
    }))
}
