//! One crash, one message: cascades on many symbols are one of the whole market.

use cascade_alerting::{Config, Route};
use cascade_domain::{
    Alert, AlertReason, Ask, Decision, Level, MarketCascade, Mute, Phase, Priority, Regime, Side, Subject,
    Usd, Which,
};

use crate::sample::{crash, large, route, symbol};
use crate::stage::{Stage, noon};

const NAMES: [&str; 8] =
    ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT", "LINKUSDT"];

fn alert_on(name: &str) -> Alert {
    crash(name, (Level::Alert, Level::Watch), 4_000_000)
}

fn end_of(name: &str) -> Alert {
    crash(name, (Level::None, Level::Alert), 20_000_000)
}

/// So many symbols at ALERT, one each second from `from`.
fn symbols(stage: &mut Stage, from: i64, names: &[&str]) {
    for (second, name) in (0..).zip(names) {
        stage.push(from + second * 1_000, &alert_on(name));
    }
}

fn market(alert: &Alert) -> &MarketCascade {
    match &alert.subject {
        Subject::Market(market) => market,
        other => unreachable!("not of the market: {other:?}"),
    }
}

/// The revisions of market-wide alerts that a destination was, or was not, told of.
fn revisions(stage: &Stage, destination: &str) -> Vec<(Phase, AlertReason, MarketCascade)> {
    let of = |decision: &Decision| match decision {
        Decision::Tell(row) if row.alert.rule == "market_cascade" && row.destination == destination => {
            Some((row.alert.phase, row.reason, market(&row.alert).clone()))
        }
        Decision::Suppress { alert, destination: to, reason, .. }
            if alert.rule == "market_cascade" && to == destination =>
        {
            Some((alert.phase, *reason, market(alert).clone()))
        }
        _ => None,
    };
    stage.decisions.iter().filter_map(|(_, decision)| of(decision)).collect()
}

#[test]
fn from_the_fifth_symbol_on_one_message_tells_it_and_is_edited() {
    let mut stage = Stage::of(vec![route("chat", true)]);
    symbols(&mut stage, 0, &NAMES);
    for (second, name) in (0..).zip(NAMES) {
        stage.push(70_000 + second * 1_000, &end_of(name));
    }
    stage.wants(
        0,
        400_000,
        &[
            "2.000 chat: first cascade BTCUSDT MEDIUM + first cascade ETHUSDT MEDIUM",
            "4.000 chat: first cascade SOLUSDT MEDIUM + first cascade XRPUSDT MEDIUM",
            "4.000 chat: first market_cascade market HIGH",
            "9.000 chat: edit updated market_cascade market HIGH x2 + updated market_cascade market HIGH x3 \
             + updated market_cascade market HIGH x4",
            "70.000 chat: edit updated market_cascade market HIGH x5",
            "75.000 chat: edit updated market_cascade market HIGH x6 + updated market_cascade market HIGH x7 \
             + updated market_cascade market HIGH x8 + updated market_cascade market HIGH x9",
            "80.000 chat: edit updated market_cascade market HIGH x10 + updated market_cascade market HIGH x11 \
             + resolved market_cascade market HIGH x11",
        ],
    );
}

#[test]
fn where_nothing_can_be_edited_it_is_told_at_its_begin_and_its_end() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    for (index, name) in (0..).zip(NAMES) {
        stage.push(index * 300, &alert_on(name));
        stage.push(index * 300 + 100, &crash(name, (Level::Critical, Level::Alert), 9_000_000));
        stage.push(index * 300 + 200, &crash(name, (Level::Extreme, Level::Critical), 30_000_000));
    }
    stage.hold("desk", 1_000);
    for (second, name) in (0..).zip(NAMES) {
        stage.push(70_000 + second * 1_000, &end_of(name));
    }
    stage.until(400_000);
    let last = stage.messages("desk");
    assert_eq!(
        last[last.len() - 2..],
        [
            "1.200 desk: first market_cascade market HIGH",
            "77.000 desk: resolved market_cascade market HIGH x19"
        ]
    );
}

/// As the senders of a chat with a message a second: three messages for sixty symbols that go from ALERT to EXTREME.
#[test]
fn sixty_symbols_are_at_most_three_messages() {
    for can_edit in [true, false] {
        let mut stage = Stage::of(vec![route("desk", can_edit)]);
        let names: Vec<_> = (0..60).map(|number| format!("COIN{number}USDT")).collect();
        // The first alone, the others within six seconds.
        let began = |index: i64| if index == 0 { 0 } else { 2_000 + index * 100 };
        let mut course: Vec<(i64, Alert)> = Vec::new();
        for (index, name) in (0..).zip(&names) {
            course.push((began(index), alert_on(name)));
            course.push((began(index) + 4_000, crash(name, (Level::Critical, Level::Alert), 9_000_000)));
            course.push((began(index) + 6_000, crash(name, (Level::Extreme, Level::Critical), 30_000_000)));
            course.push((began(index) + 5_000, large(name, index, 7)));
            course.push((began(index) + 90_000, end_of(name)));
        }
        course.sort_by_key(|(at, _)| *at);
        for (at, alert) in &course {
            stage.push(*at, alert);
        }
        stage.until(600_000);
        let messages = stage.messages("desk");
        assert!(messages.len() <= 3, "{messages:#?}");
        stage.adds_up();
        assert!(
            stage.sent.iter().filter(|sent| sent.is_edit).count() <= 25,
            "edits are once in five seconds at most"
        );
    }
}

/// A symbol's way through the scenario `cascade`: when it was at which level, milliseconds after the first ALERT, as the
/// engines told it (three symbols; the others are drawn from these).
const COURSES: [[(i64, Level, Level); 6]; 3] = [
    [
        (460, Level::Alert, Level::Watch),
        (1_030, Level::Critical, Level::Alert),
        (9_490, Level::Extreme, Level::Critical),
        (47_980, Level::Critical, Level::Extreme),
        (56_860, Level::Alert, Level::Critical),
        (122_370, Level::None, Level::Extreme),
    ],
    [
        (1_460, Level::Alert, Level::Watch),
        (3_600, Level::Critical, Level::Alert),
        (15_500, Level::Extreme, Level::Critical),
        (44_860, Level::Critical, Level::Extreme),
        (55_480, Level::Alert, Level::Critical),
        (122_860, Level::None, Level::Extreme),
    ],
    [
        (0, Level::Alert, Level::Watch),
        (4_970, Level::Critical, Level::Alert),
        (11_780, Level::Extreme, Level::Critical),
        (52_470, Level::Critical, Level::Extreme),
        (58_370, Level::Alert, Level::Critical),
        (122_470, Level::None, Level::Extreme),
    ],
];

#[test]
fn the_scenario_over_sixty_symbols_is_at_most_three_messages_without_any_pace() {
    for can_edit in [true, false] {
        let mut stage = Stage::of(vec![route("desk", can_edit)]);
        let mut course: Vec<(i64, Alert)> = Vec::new();
        for number in 0..60_i64 {
            let name = format!("COIN{number}USDT");
            let late = number * 37 % 900;
            let way = COURSES[usize::try_from(number % 3).unwrap()];
            course.extend(
                way.map(|(at, level, before)| (at + late, crash(&name, (level, before), at * 1_000))),
            );
            let large = |at: i64, multiple| (at + late, large(&name, number * 10 + multiple, multiple));
            course.extend([large(100, 1), large(2_200, 2), large(9_000, 6), large(19_000, 1)]);
        }
        course.sort_by_key(|(at, _)| *at);
        for (at, alert) in &course {
            stage.push(*at, alert);
        }
        stage.until(600_000);
        let messages = stage.messages("desk");
        assert!(messages.len() <= 3, "{messages:#?}");
        stage.adds_up();
    }
}

#[test]
fn what_waits_is_withdrawn_and_what_comes_is_folded() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..4]);
    stage.until(3_500);
    let before = stage.decisions.len();
    let fifth = stage.push(3_900, &alert_on(NAMES[4]));
    let withdrawn: Vec<_> = stage.decisions[before..]
        .iter()
        .filter_map(|(_, decision)| match decision {
            Decision::Withdraw { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect();
    assert!(!withdrawn.is_empty() && withdrawn.iter().all(|reason| *reason == AlertReason::Folded));
    assert_eq!(stage.reasons(&fifth), [AlertReason::Folded]);
    let worse = stage.push(5_000, &crash(NAMES[0], (Level::Extreme, Level::Alert), 90_000_000));
    let end = stage.push(60_000, &end_of(NAMES[0]));
    let liquidation = stage.push(61_000, &large(NAMES[1], 1, 9));
    let elsewhere = stage.push(61_000, &large("NEARUSDT", 2, 9));
    assert_eq!(stage.reasons(&worse), [AlertReason::Folded]);
    assert_eq!(stage.reasons(&end), [AlertReason::Folded]);
    assert_eq!(stage.reasons(&liquidation), [AlertReason::Folded]);
    assert_eq!(stage.reasons(&elsewhere), [AlertReason::First]);
}

#[test]
fn its_figures_add_up() {
    let mut stage = Stage::of(vec![route("chat", true)]);
    symbols(&mut stage, 0, &NAMES[..5]);
    stage.push(10_000, &crash(NAMES[2], (Level::Extreme, Level::Alert), 50_000_000));
    stage.push(11_000, &crash(NAMES[2], (Level::Alert, Level::Extreme), 6_000_000));
    for (second, name) in (20..).zip(&NAMES[..5]) {
        stage.push(second * 1_000, &end_of(name));
    }
    let revisions = revisions(&stage, "chat");
    let (phase, reason, first) = &revisions[0];
    assert_eq!((*phase, *reason), (Phase::Opened, AlertReason::First));
    assert_eq!((first.symbols, first.ongoing), (5, 5));
    assert_eq!((first.notional_usd, first.long_share), (Usd::from_dollars(20_000_000), 1.0));
    assert_eq!((first.began_ms, first.ended_ms, first.regime), (noon(0), None, Some(Regime::High)));
    let (_, _, peak) = &revisions[2];
    assert_eq!(peak.notional_usd, Usd::from_dollars(66_000_000));
    let largest: Vec<_> = peak.largest.iter().map(|part| (part.symbol, part.level, part.direction)).collect();
    assert_eq!(
        largest,
        [
            (symbol(NAMES[2]), Level::Extreme, Side::Long),
            (symbol(NAMES[4]), Level::Alert, Side::Long),
            (symbol(NAMES[0]), Level::Alert, Side::Long),
        ]
    );
    let (phase, reason, last) = revisions.last().unwrap();
    assert_eq!((*phase, *reason), (Phase::Resolved, AlertReason::Resolved));
    assert_eq!((last.symbols, last.ongoing, last.ended_ms), (5, 0, Some(noon(24_000))));
    assert_eq!((last.notional_usd, last.long_share), (Usd::from_dollars(100_000_000), 0.75));
    assert_eq!(last.largest.len(), 3);
}

#[test]
fn four_symbols_or_five_over_three_minutes_are_no_market() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..4]);
    stage.push(10_000, &alert_on(NAMES[0]));
    stage.push(11_000, &crash(NAMES[4], (Level::Watch, Level::Alert), 1_000));
    stage.push(131_000, &alert_on(NAMES[4]));
    stage.until(600_000);
    assert!(revisions(&stage, "desk").is_empty());
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..4]);
    stage.push(120_000, &alert_on(NAMES[4]));
    assert_eq!(revisions(&stage, "desk").len(), 1);
}

#[test]
fn a_destination_that_would_not_be_told_of_the_market_is_told_of_its_symbols() {
    let some = Route { symbols: [symbol(NAMES[0]), symbol(NAMES[5])].into(), ..route("some", false) };
    let feeds = Route { kinds: ["feed".to_owned()].into(), ..route("feeds", false) };
    let mut stage = Stage::of(vec![some, feeds, route("muted", false)]);
    let what = Which {
        rule: Some("market_cascade".to_owned()),
        destination: Some("muted".to_owned()),
        ..Which::default()
    };
    stage.order(0, Ask::Mute(Mute { what, until_ms: noon(3_600_000) })).unwrap();
    symbols(&mut stage, 0, &NAMES[..6]);
    stage.push(60_000, &end_of(NAMES[5]));
    stage.until(300_000);
    assert_eq!(
        stage.messages("some"),
        [
            "2.000 some: first cascade BTCUSDT MEDIUM",
            "7.000 some: first cascade DOGEUSDT MEDIUM",
            "90.000 some: resolved cascade DOGEUSDT LOW",
        ]
    );
    assert_eq!(stage.messages("feeds"), [""; 0]);
    assert_eq!(stage.messages("muted").len(), 4);
    let why = |to| revisions(&stage, to).iter().map(|(_, reason, _)| *reason).collect::<Vec<_>>();
    assert_eq!(why("some"), [AlertReason::Filtered; 3]);
    assert_eq!(why("muted"), [AlertReason::Muted; 3]);
}

#[test]
fn disabled_it_folds_nothing() {
    let config = Config { disabled_alerts: ["market_cascade".to_owned()].into(), ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..6]);
    stage.until(60_000);
    assert_eq!(stage.messages("desk").len(), 3);
    assert!(revisions(&stage, "desk").iter().all(|(_, reason, _)| *reason == AlertReason::Disabled));
}

#[test]
fn a_member_that_is_never_over_is_given_up_after_half_an_hour_of_silence() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..5]);
    for name in &NAMES[1..5] {
        stage.push(60_000, &end_of(name));
    }
    stage.wants(60_000, 7_200_000, &["1800.000 desk: resolved market_cascade market HIGH x5"]);
    // It ends after all: the market's end told that.
    let end = stage.push(7_200_000, &end_of(NAMES[0]));
    assert_eq!(stage.reasons(&end), [AlertReason::Folded]);
    stage.wants(7_200_000, 7_300_000, &[]);
}

#[test]
fn the_next_crash_is_another_message() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..5]);
    for name in &NAMES[..5] {
        stage.push(60_000, &end_of(name));
    }
    stage.until(600_000);
    for (second, name) in (0..).zip(&NAMES[..5]) {
        let again = crate::sample::cascade(name, 2, (Level::Critical, Level::Watch), 9_000_000);
        stage.push(600_000 + second, &crate::sample::of(&cascade_domain::Finding::Cascade(Box::new(again))));
    }
    let first: Vec<_> = revisions(&stage, "desk")
        .into_iter()
        .filter(|(_, reason, _)| *reason == AlertReason::First)
        .collect();
    assert_eq!(first.len(), 2);
    assert_eq!(first[1].2.began_ms, noon(600_000));
}

#[test]
fn somebody_elses_demo_is_no_part_of_the_market() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.push(0, &Alert { demo: true, ..alert_on(NAMES[5]) });
    for (second, name) in (1..).zip(&NAMES[..5]) {
        stage.push(second * 1_000, &alert_on(name));
    }
    stage.until(10_000);
    let last = &stage.sent.last().unwrap().deliveries[0].alert;
    assert_eq!((last.rule.as_str(), last.demo), ("market_cascade", false));
    let Subject::Market(market) = &last.subject else { panic!("{last:?}") };
    assert_eq!(market.symbols, 5);
}

#[test]
fn a_crash_of_a_demo_says_so() {
    let config = Config { demo: true, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    for (second, name) in (0..).zip(&NAMES[..5]) {
        stage.push(second * 1_000, &Alert { demo: true, ..alert_on(name) });
    }
    stage.until(10_000);
    assert!(stage.sent.iter().all(|sent| sent.deliveries.iter().all(|row| row.alert.demo)));
    assert_eq!(stage.sent.last().unwrap().deliveries[0].alert.rule, "market_cascade");
    assert_eq!(stage.sent.last().unwrap().deliveries[0].alert.priority, Priority::High);
}

#[test]
fn findings_of_different_shards_may_come_out_of_order() {
    let mut stage = Stage::of(vec![route("desk", true)]);
    for (index, name) in (0..).zip(NAMES) {
        // Known ever earlier.
        stage.push_known(3_000 + index, 3_000 - index * 100, &alert_on(name));
    }
    stage.until(60_000);
    let reasons: Vec<_> = revisions(&stage, "desk").iter().map(|(_, reason, _)| *reason).collect();
    assert_eq!(
        reasons,
        [AlertReason::First, AlertReason::Updated, AlertReason::Updated, AlertReason::Updated]
    );
}

#[test]
fn where_the_market_is_muted_meanwhile_its_symbols_are_told_again() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    symbols(&mut stage, 0, &NAMES[..5]);
    let what = Which { rule: Some("market_cascade".to_owned()), ..Which::default() };
    stage.order(10_000, Ask::Mute(Mute { what, until_ms: noon(60_000) })).unwrap();
    let sixth = stage.push(11_000, &alert_on(NAMES[5]));
    assert_eq!(stage.reasons(&sixth), [AlertReason::First]);
    let folded = stage.push(12_000, &crash(NAMES[0], (Level::Critical, Level::Alert), 9_000_000));
    assert_eq!(stage.reasons(&folded), [AlertReason::First]);
}

#[test]
fn yesterdays_crash_is_none_today() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    for (index, name) in (0..).zip(NAMES) {
        stage.push_known(3_600_000 + index, index, &alert_on(name));
    }
    assert!(revisions(&stage, "desk").is_empty());
    let sixth = stage.push(3_700_000, &alert_on("NEARUSDT"));
    assert_eq!(stage.reasons(&sixth), [AlertReason::First]);
}

#[test]
fn a_symbol_that_falls_twice_counts_with_both() {
    let mut stage = Stage::of(vec![route("desk", true)]);
    symbols(&mut stage, 0, &NAMES[..5]);
    stage.push(10_000, &end_of(NAMES[0]));
    let mut again = crate::sample::cascade(NAMES[0], 2, (Level::Critical, Level::Watch), 7_000_000);
    again.context.regime = Some(Regime::Extreme);
    stage.push(20_000, &crate::sample::of(&cascade_domain::Finding::Cascade(Box::new(again))));
    let revisions = revisions(&stage, "desk");
    let (_, _, market) = revisions.last().unwrap();
    assert_eq!((market.symbols, market.ongoing), (5, 5));
    assert_eq!(market.notional_usd, Usd::from_dollars(4 * 4_000_000 + 20_000_000 + 7_000_000));
    assert_eq!(market.largest[0].notional_usd, Usd::from_dollars(27_000_000));
    assert_eq!(market.regime, Some(Regime::Extreme));
}
