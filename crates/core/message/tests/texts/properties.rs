//! What holds for every text, whatever names and figures an alert has and however many are told at once.

use cascade_domain::{
    Alert, AlertReason, Delivery, Digest, DigestLine, EventTime, Finding, Heading, Id, Instrument, Level,
    MarketCascade, MarketPart, Phase, Priority, Reason, Regime, Side, Subject, Symbol, Usd, Venue,
};
use cascade_message::{
    Style, discord, discord_plain, line, slack, slack_plain, telegram, text, title, webhook,
};
use cascade_wire::finding_from_json;
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::alerts::{cascade, cascade_over, delivery, feed, interest, interest_over, large};
use crate::markup::{calls_nobody, check_discord, check_slack, parsed_html, utf16};

/// What somebody would try.
const HOSTILE: [&str; 10] = [
    "</b><a href=\"tg://user?id=1\">x</a>",
    "@everyone @here <@1> <!channel> <#C1>",
    "&amp; &lt; & < >",
    "**_~~||`#[]()>\\",
    "\u{202e}gnp.exe\u{2066}\u{200b}",
    "a\nb\r\n\u{1b}[2J\u{0}",
    "```\n```",
    "\u{1f469}\u{200d}\u{1f680}",
    "",
    " ",
];

fn figure() -> impl Strategy<Value = f64> {
    prop_oneof![-2.0..2.0, NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE]
}

fn usd() -> impl Strategy<Value = Usd> {
    prop_oneof![any::<i64>().prop_map(Usd::from_micros), (0_i64..1 << 40).prop_map(Usd::from_micros)]
}

fn time() -> impl Strategy<Value = EventTime> {
    prop_oneof![any::<i64>(), 0_i64..4_102_444_800_000].prop_map(EventTime::from_ms)
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), select(HOSTILE.to_vec()).prop_map(str::to_owned), "[@<&*`_a]{0,2000}"]
}

fn symbol() -> impl Strategy<Value = Symbol> {
    let hostile = prop_oneof!["[A-Z]{1,20}USDT", "[<>&@*_`#\u{202e}\u{200b}a-z|~]{1,10}", "\\PC{1,16}"];
    hostile.prop_filter_map("no name", |name| Symbol::parse(&name).ok())
}

fn instrument() -> impl Strategy<Value = Instrument> {
    "[<>&@*_`#A-Z]{1,40}".prop_filter_map("no name", |name| Instrument::parse(&name).ok())
}

fn level() -> impl Strategy<Value = Level> {
    select(Level::ALL.to_vec())
}

fn cascade_alert() -> impl Strategy<Value = Alert> {
    let figures = (usd(), option::of(figure()), usd(), option::of(figure()), figure(), any::<u64>());
    let closing = (any::<bool>(), usd(), option::of(figure()), any::<i64>(), option::of(figure()));
    let reasons = [Reason::Flow, Reason::Score, Reason::PriceDrop, Reason::CascadeRule, Reason::Velocity];
    let reasons = proptest::sample::subsequence(reasons.to_vec(), 0..5);
    let of = (symbol(), level(), level(), select(Side::ALL.to_vec()), reasons);
    (of, figures, closing, option::of(figure())).prop_map(|(of, figures, closing, interest)| {
        let (is_over, notional_usd, long_share, duration_ms, price_change) = closing;
        let mut alert = if is_over { cascade_over() } else { cascade(&json!({})) };
        if let Subject::Finding(finding) = &mut alert.subject
            && let Finding::Cascade(f) = &mut **finding
        {
            (f.symbol, f.level, f.previous_level, f.direction, f.reasons) = of;
            (
                f.flow.notional_30s_usd,
                f.flow.share,
                f.flow.unit_usd,
                f.flow.price_change_60s,
                f.score,
                f.metrics.count_30s,
            ) = figures;
            (f.metrics.velocity_2s, f.context.oi_change_1m) = (f.score, interest);
            if let Some(closing) = &mut f.closing {
                (closing.notional_usd, closing.long_share, closing.duration_ms, closing.price_change) =
                    (notional_usd, long_share, duration_ms, price_change);
            }
        }
        alert
    })
}

fn large_alert() -> impl Strategy<Value = Alert> {
    (symbol(), instrument(), usd(), usd(), figure()).prop_map(
        |(symbol, instrument, usd, threshold, price)| {
            let mut alert = large(&json!({}));
            if let Subject::Finding(finding) = &mut alert.subject
                && let Finding::LargeLiquidation(f) = &mut **finding
            {
                (f.symbol, f.instrument, f.notional_usd, f.threshold_usd, f.price) =
                    (symbol, instrument, usd, threshold, price);
            }
            alert
        },
    )
}

fn interest_alert() -> impl Strategy<Value = Alert> {
    let figures = (option::of(figure()), figure(), figure(), option::of(usd()), option::of(figure()));
    let counts = (any::<u32>(), any::<u32>(), any::<u32>());
    (symbol(), any::<bool>(), figures, counts, any::<i64>()).prop_map(
        |(symbol, is_over, figures, counts, lasted)| {
            let mut alert = if is_over { interest_over() } else { interest(&json!({})) };
            let (change, coins, threshold, usd, price) = figures;
            if let Subject::Finding(finding) = &mut alert.subject
                && let Finding::OpenInterest(f) = &mut **finding
            {
                (f.symbol, f.change_pct, f.threshold_pct, f.price_change) =
                    (symbol, change, threshold, price);
                (f.window_s, f.confirming, f.with_data) = counts;
                if let Some(before) = &mut f.before {
                    (before.coins, before.usd) = (coins, usd);
                }
                if let Some(ending) = &mut f.ending {
                    (ending.duration_ms, ending.peak_change_pct) = (lasted, coins);
                }
            }
            alert
        },
    )
}

fn feed_alert() -> impl Strategy<Value = Alert> {
    let changes = select(vec![
        json!({}),
        json!({ "state": "update", "status": "refused", "venue": "hyperliquid" }),
        json!({ "state": "resolved", "status": "sampled", "out_ms": -5 }),
    ]);
    (changes, words(), time()).prop_map(|(changes, reason, since)| {
        let mut alert = feed(&changes);
        if let Subject::Finding(finding) = &mut alert.subject
            && let Finding::Feed(f) = &mut **finding
        {
            (f.reason, f.since_ms) = (reason, since);
        }
        alert
    })
}

fn market_alert() -> impl Strategy<Value = Alert> {
    let part = (symbol(), usd(), level(), select(Side::ALL.to_vec())).prop_map(
        |(symbol, notional_usd, level, direction)| MarketPart { symbol, notional_usd, level, direction },
    );
    let regime = option::of(select(Regime::ALL.to_vec()));
    (vec(part, 0..60), any::<u32>(), usd(), figure(), regime, (time(), option::of(time()))).prop_map(
        |(largest, symbols, notional_usd, long_share, regime, (began_ms, ended_ms))| {
            let ongoing = symbols / 2;
            own(Subject::Market(MarketCascade {
                symbols,
                ongoing,
                notional_usd,
                long_share,
                largest,
                regime,
                began_ms,
                ended_ms,
            }))
        },
    )
}

fn digest_alert() -> impl Strategy<Value = Alert> {
    let line =
        (words(), words(), words(), usd(), time()).prop_map(|(rule, scope, figure, usd, known_at_ms)| {
            DigestLine {
                alert: Id::from_bits(1),
                rule,
                scope,
                priority: Priority::Low,
                usd,
                known_at_ms,
                figure,
            }
        });
    (words(), vec(line, 0..80), any::<u32>())
        .prop_map(|(of, lines, more)| own(Subject::Digest(Digest { of, lines, more })))
}

fn own(subject: Subject) -> Alert {
    let heading = Heading { kind: "test", rule: "test", scope: "test", episode: Id::from_bits(3) };
    Alert::new(&heading, 1, EventTime::from_ms(0), subject)
}

fn alert() -> impl Strategy<Value = Alert> {
    let kinds = prop_oneof![
        4 => cascade_alert(),
        1 => large_alert(),
        1 => interest_alert(),
        1 => feed_alert(),
        2 => market_alert(),
        2 => digest_alert(),
        1 => words().prop_map(|by| own(Subject::Test { by })),
        1 => Just(own(Subject::Watchdog)),
    ];
    let phases = select(vec![Phase::Opened, Phase::Updated, Phase::Resolved]);
    let priority = select(Priority::ALL.to_vec());
    (kinds, phases, priority, any::<bool>(), time(), usd()).prop_map(
        |(mut alert, phase, priority, demo, known_at_ms, usd)| {
            (alert.phase, alert.priority, alert.demo, alert.usd) = (phase, priority, demo, usd);
            alert.known_at_ms = known_at_ms;
            alert
        },
    )
}

fn told() -> impl Strategy<Value = Delivery> {
    (alert(), select(AlertReason::ALL.to_vec()), any::<u32>())
        .prop_map(|(alert, reason, count)| delivery(alert, reason, count))
}

fn style() -> impl Strategy<Value = Style> {
    let zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Kiritimati"];
    select(zones.to_vec()).prop_map(|zone| Style { zone: TimeZone::get(zone).unwrap() })
}

/// Everything that is to hold of one message.
fn check(deliveries: &[Delivery], style: &Style) -> Result<(), String> {
    let message = telegram(deliveries, style);
    let parsed = parsed_html(&message.html)?;
    calls_nobody(&parsed)?;
    if parsed != message.plain {
        return Err(format!("{parsed}\nis not\n{}", message.plain));
    }
    if utf16(&parsed) > 4096 || parsed.trim().is_empty() {
        return Err(format!("{} long: {parsed}", utf16(&parsed)));
    }
    for body in [discord(deliveries, style), discord_plain(deliveries, style)] {
        check_discord(&body)?;
    }
    for body in [slack(deliveries, style), slack_plain(deliveries, style)] {
        check_slack(&body)?;
    }
    let text = text(deliveries, style);
    if text.trim().is_empty() || text.lines().any(|line| line.contains(char::is_control)) {
        return Err(format!("{text:?}"));
    }
    for delivery in deliveries {
        let body = webhook(delivery, style);
        let is_whole = body["type"].as_str().is_some_and(|kind| kind.starts_with("alert."))
            && body["timestamp"].as_str().is_some_and(|time| time.ends_with('Z'))
            && body["data"]["figures"].is_object();
        let title = title(&delivery.alert);
        if !is_whole
            || title.trim().is_empty()
            || title.contains(char::is_control)
            || title.contains('\u{202e}')
        {
            return Err(format!("{title:?} {body}"));
        }
        if let Subject::Finding(finding) = &delivery.alert.subject
            && line::line(finding).contains('\n')
        {
            return Err(line::line(finding));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_alert_is_within_every_limit_and_valid_in_every_markup(delivery in told(), style in style()) {
        prop_assert_eq!(check(&[delivery], &style), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_alerts_are_within_every_limit_and_valid_in_every_markup(
        deliveries in vec(told(), 2..50),
        style in style(),
    ) {
        prop_assert_eq!(check(&deliveries, &style), Ok(()));
    }

    #[test]
    fn a_finding_in_a_webhook_is_the_finding_of_the_wire(venue in select(Venue::ALL.to_vec())) {
        let delivery = delivery(feed(&json!({ "venue": venue })), AlertReason::First, 1);
        let body = webhook(&delivery, &Style::default());
        let read = finding_from_json(&body["data"]["source"].to_string()).unwrap();
        prop_assert_eq!(delivery.alert.subject, Subject::Finding(Box::new(read)));
    }
}
