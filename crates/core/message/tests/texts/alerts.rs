//! Alerts of every kind, from findings as they stand on the wire.

use cascade_domain::{
    Alert, AlertReason, Delivery, Digest, DigestLine, EventTime, Heading, Id, Level, Manner, MarketCascade,
    MarketPart, Phase, Priority, Regime, Side, Subject, Symbol, Usd,
};
use cascade_wire::finding_from_json;
use serde_json::{Value, json};

/// 2026-10-09 17:06:41.482 UTC.
pub(crate) const AT: EventTime = EventTime::from_ms(1_791_565_601_482);

/// The alert of a finding on the wire with other pieces in it.
pub(crate) fn found(text: &str, changes: &Value) -> Alert {
    let mut finding: Value = serde_json::from_str(text).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        finding[name] = value.clone();
    }
    Alert::of(&finding_from_json(&finding.to_string()).unwrap()).unwrap()
}

pub(crate) fn cascade(changes: &Value) -> Alert {
    let mut all = json!({ "state": "level" });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    found(include_str!("../finding.json"), &all)
}

pub(crate) fn cascade_over() -> Alert {
    cascade(&json!({
        "state": "resolved", "level": "NONE", "reasons": [], "peak_level": "EXTREME", "orders": 950,
        "notional_usd": 88e6, "long_share": 0.97, "duration_ms": 64_000, "price_change": -0.041,
    }))
}

pub(crate) fn interest(changes: &Value) -> Alert {
    found(include_str!("../interest.json"), changes)
}

pub(crate) fn interest_over() -> Alert {
    let changes = json!({
        "state": "resolved", "change_pct": 7.04, "peak_change_pct": 27.31, "duration_ms": 1_385_000,
    });
    interest(&changes)
}

pub(crate) fn large(changes: &Value) -> Alert {
    let text = json!({
        "finding": "large_liquidation", "v": 1, "id": "0000000000000009", "symbol": "BTCUSDT", "venue": "okx",
        "instrument": "BTC-USDT-SWAP", "direction": "short", "notional_usd": 5.2e6, "threshold_usd": 1e6,
        "price": 82340.1, "feeds": {}, "engine": "0.1.0+9f2c41aa", "event_time_ms": AT, "known_at_ms": AT,
    });
    found(&text.to_string(), changes)
}

pub(crate) fn feed(changes: &Value) -> Alert {
    let text = json!({
        "finding": "feed", "v": 1, "id": "000000000000000a", "state": "open", "scope": "feed:binance",
        "venue": "binance", "status": "dead", "since_ms": AT.plus_ms(-60_000), "reason": "market-0: silent",
        "busiest": true, "feeds": { "binance": "dead", "bybit": "live", "okx": "sampled" }, "known_at_ms": AT,
    });
    found(&text.to_string(), changes)
}

pub(crate) fn feed_back() -> Alert {
    let changes = json!({
        "state": "resolved", "status": "sampled", "since_ms": AT, "out_ms": 125_000, "reason": "",
        "feeds": { "binance": "sampled", "bybit": "live", "okx": "sampled" },
    });
    feed(&changes)
}

pub(crate) fn market(phase: Phase) -> Alert {
    let heading =
        Heading { kind: "cascade", rule: "market_cascade", scope: "market", episode: Id::from_bits(5) };
    let part = |symbol, millions: i64, level, direction| MarketPart {
        symbol: Symbol::parse(symbol).unwrap(),
        notional_usd: Usd::from_dollars(millions * 1_000_000),
        level,
        direction,
    };
    let is_over = phase == Phase::Resolved;
    let cascade = MarketCascade {
        symbols: 12,
        ongoing: if is_over { 0 } else { 7 },
        notional_usd: Usd::from_dollars(88_000_000),
        long_share: 0.97,
        largest: vec![
            part("BTCUSDT", 41, Level::Extreme, Side::Long),
            part("ETHUSDT", 22, Level::Critical, Side::Long),
            part("SOLUSDT", 6, Level::Alert, Side::Short),
        ],
        regime: Some(Regime::High),
        began_ms: AT.plus_ms(-70_000),
        ended_ms: is_over.then_some(AT),
    };
    let mut alert = Alert::new(&heading, 2, AT, Subject::Market(cascade));
    (alert.phase, alert.priority, alert.usd) = (phase, Priority::High, Usd::from_dollars(88_000_000));
    alert
}

pub(crate) fn digest() -> Alert {
    let heading = Heading {
        kind: "large_liquidation",
        rule: "digest",
        scope: "large_liquidation",
        episode: Id::from_bits(1),
    };
    let line = |scope: &str, thousands: i64, minute: i64| DigestLine {
        alert: Id::from_bits(1),
        rule: "large_liquidation".to_owned(),
        scope: scope.to_owned(),
        priority: Priority::Low,
        usd: Usd::from_dollars(thousands * 1000),
        known_at_ms: AT.plus_ms(minute * 60_000),
        figure: "long".to_owned(),
    };
    let lines = vec![line("BTCUSDT", 1_200, -9), line("SOLUSDT", 310, -4)];
    let digest = Digest { of: "large_liquidation".to_owned(), lines, more: 14 };
    Alert::new(&heading, 1, AT, Subject::Digest(digest))
}

pub(crate) fn own(subject: Subject) -> Alert {
    let kind = if subject == Subject::Watchdog { "watchdog" } else { "test" };
    Alert::new(&Heading { kind, rule: kind, scope: kind, episode: Id::from_bits(3) }, 1, AT, subject)
}

pub(crate) fn test() -> Alert {
    own(Subject::Test { by: "cli:root@host".to_owned() })
}

/// A delivery of an alert to a desk.
pub(crate) fn delivery(alert: Alert, reason: AlertReason, count: u32) -> Delivery {
    Delivery {
        row: Delivery::row_of(alert.revision, "desk", reason == AlertReason::Escalated),
        destination: "desk".to_owned(),
        reason,
        manner: Manner::New,
        lane: alert.priority,
        due_ms: alert.known_at_ms,
        expires_ms: alert.known_at_ms.plus_ms(900_000),
        after: None,
        count,
        alert,
    }
}

pub(crate) fn first(alert: Alert) -> Delivery {
    delivery(alert, AlertReason::First, 1)
}

/// Well-chosen messages, each with its name.
pub(crate) fn messages() -> Vec<(&'static str, Vec<Delivery>)> {
    use AlertReason::{Escalated, RepeatDue, Resolved, Worse};
    let (opened, updated, resolved) = (Phase::Opened, Phase::Updated, Phase::Resolved);
    let bare = json!({
        "previous_level": "NONE", "level": "ALERT", "reasons": ["price_drop", "cascade_rule"], "direction": "short",
        "flow": { "notional_30s_usd": 4.1e6, "unit_usd": 3e6 }, "feeds": {}, "lower_bound": [],
        "context": { "vol_multiplier": 1.0 },
    });
    let coins = json!({
        "direction": "collapse", "change_pct": -15.25, "reading": "longs_closing", "price_change": -0.034,
        "state": "update", "before": { "coins": 35400.0 }, "after": { "coins": 30000.0, "usd": 2.1e9 },
    });
    let refused =
        json!({ "state": "update", "status": "refused", "reason": "HTTP 451: \n<b>not</b> from here & now" });
    let storm = vec![
        first(large(&json!({ "notional_usd": 1.1e6 }))),
        delivery(feed(&json!({})), Escalated, 3),
        first(cascade(&json!({ "demo": true }))),
        delivery(interest_over(), Resolved, 1),
    ];
    let one = |name, delivery| (name, vec![delivery]);
    vec![
        one("cascade opened", first(cascade(&json!({ "previous_level": "NONE" })))),
        one("cascade worse", delivery(cascade(&json!({})), Worse, 2)),
        one("cascade of which little is known", first(cascade(&bare))),
        one("cascade resolved", delivery(cascade_over(), Resolved, 1)),
        one("demo", first(cascade(&json!({ "demo": true, "warming": true })))),
        one("market opened", first(market(opened))),
        one("market updated", delivery(market(updated), AlertReason::Updated, 1)),
        one("market resolved", delivery(market(resolved), Resolved, 1)),
        one("large liquidation", first(large(&json!({})))),
        one("open interest explosion", first(interest(&json!({})))),
        one("open interest collapse in coins", delivery(interest(&coins), RepeatDue, 4)),
        one("open interest resolved", delivery(interest_over(), Resolved, 1)),
        one("feed dead", first(feed(&json!({})))),
        one("feed refused, escalated", delivery(feed(&refused), Escalated, 1)),
        one("feed back", delivery(feed_back(), Resolved, 1)),
        one("digest", first(digest())),
        one("test", first(test())),
        one("watchdog", first(own(Subject::Watchdog))),
        ("several", storm),
    ]
}
