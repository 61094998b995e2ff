//! How much a destination is told in an hour, and what becomes of the rest.

use cascade_alerting::Config;
use cascade_domain::{Alert, AlertReason, Ask, Digest, Mute, Priority, Subject, Which};

use crate::sample::{large, news, over, quiet, route};
use crate::stage::{Message, Stage, noon};

const HOUR: i64 = 3_600_000;

fn digest(message: &Message) -> &Digest {
    match &message.deliveries[0].alert {
        Alert { subject: Subject::Digest(digest), .. } => digest,
        other => unreachable!("no digest: {other:?}"),
    }
}

/// Twelve large liquidations, one each 10 s, with room for ten.
fn twelve(stage: &mut Stage) {
    for number in 0..12 {
        let alert = large("BTCUSDT", number, 3);
        let alert = stage.push(number * 10_000, &alert);
        let wanted = if number < 10 { AlertReason::First } else { AlertReason::RateLimited };
        assert_eq!(stage.reasons(&alert), [wanted]);
    }
}

#[test]
fn what_the_budget_holds_back_is_told_in_one_digest_when_there_is_room() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    twelve(&mut stage);
    stage.until(HOUR - 1);
    assert_eq!(stage.sent.len(), 10);
    stage.wants(HOUR, 2 * HOUR, &["3602.000 desk: first digest large_liquidation MEDIUM"]);
    let told = digest(stage.sent.last().unwrap());
    let figures: Vec<_> = told.lines.iter().map(|line| (line.usd.dollars(), line.figure.as_str())).collect();
    assert_eq!(figures, [(3_011_000.0, "short"), (3_010_000.0, "short")]);
    assert_eq!((told.of.as_str(), told.more), ("large_liquidation", 0));
    assert_eq!(stage.sent.last().unwrap().deliveries[0].alert.kind, "large_liquidation");
    stage.wants(2 * HOUR, 4 * HOUR, &[]);
}

#[test]
fn a_digest_uses_one_of_the_budget_and_goes_before_what_comes_then() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    twelve(&mut stage);
    // Room for one at the hour, which is the digest's; for the next one ten seconds later.
    let early = stage.push(HOUR + 5_000, &large("BTCUSDT", 20, 3));
    let late = stage.push(HOUR + 25_000, &large("BTCUSDT", 21, 3));
    assert_eq!(stage.reasons(&early), [AlertReason::RateLimited]);
    assert_eq!(stage.reasons(&late), [AlertReason::First]);
    stage.wants(
        HOUR,
        HOUR + 60_000,
        &[
            "3602.000 desk: first digest large_liquidation MEDIUM",
            "3612.000 desk: first digest large_liquidation MEDIUM",
            "3627.000 desk: first large_liquidation BTCUSDT MEDIUM",
        ],
    );
}

#[test]
fn single_liquidations_never_eat_the_room_of_another_kind() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    twelve(&mut stage);
    let other = stage.push(130_000, &news("open_interest", "ETHUSDT", Priority::Medium));
    let high = stage.push(130_000, &large("BTCUSDT", 50, 9));
    assert_eq!(stage.reasons(&other), [AlertReason::First]);
    assert_eq!(stage.reasons(&high), [AlertReason::First]);
}

#[test]
fn one_destination_never_eats_the_room_of_another() {
    let mut small = route("small", false);
    small.minimum_priority = Priority::High;
    let mut stage = Stage::of(vec![route("desk", false), small]);
    for number in 0..61 {
        stage.push(number, &large("BTCUSDT", number, 3));
    }
    let high = stage.push(100, &large("BTCUSDT", 100, 5));
    assert_eq!(stage.reasons(&high), [AlertReason::First, AlertReason::First]);
}

#[test]
fn high_has_a_budget_of_its_own_of_sixty_and_a_digest() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    for number in 0..63 {
        let alert = stage.push(number * 1_000, &large("BTCUSDT", number, 5));
        let wanted = if number < 60 { AlertReason::First } else { AlertReason::RateLimited };
        assert_eq!(stage.reasons(&alert), [wanted]);
    }
    stage.wants(HOUR, 2 * HOUR, &["3600.000 desk: first digest large_liquidation HIGH"]);
    assert_eq!(digest(stage.sent.last().unwrap()).lines.len(), 3);
}

#[test]
fn an_end_uses_no_budget() {
    let config = Config { budget_per_hour: 1, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    let alert = news("listing", "BTCUSDT", Priority::Medium);
    stage.push(0, &alert);
    let held = stage.push(5_000, &news("listing", "ETHUSDT", Priority::Medium));
    let end = stage.push(10_000, &over(&alert));
    assert_eq!(stage.reasons(&held), [AlertReason::RateLimited]);
    assert_eq!(stage.reasons(&end), [AlertReason::Resolved]);
    let unheard = stage.push(11_000, &over(&news("listing", "ETHUSDT", Priority::Medium)));
    assert_eq!(stage.reasons(&unheard), [AlertReason::BelowThreshold]);
}

#[test]
fn a_digest_keeps_the_most_important_and_counts_the_rest() {
    let config = Config { budget_per_hour: 1, digest_lines: 3, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    for number in 0..10 {
        stage.push(number, &large("BTCUSDT", number, 1 + number % 4));
    }
    stage.until(2 * HOUR);
    let told = digest(stage.sent.last().unwrap());
    let dollars: Vec<_> = told.lines.iter().map(|line| line.usd.dollars()).collect();
    assert_eq!((dollars, told.more), (vec![4_007_000.0, 4_003_000.0, 3_006_000.0], 6));
}

#[test]
fn what_is_held_back_again_is_one_line() {
    let config = Config { budget_per_hour: 1, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    stage.push(0, &news("listing", "BTCUSDT", Priority::Medium));
    for ms in 1..5 {
        stage.push(ms, &news("listing", "ETHUSDT", Priority::Medium));
    }
    stage.until(2 * HOUR);
    let told = digest(stage.sent.last().unwrap());
    assert_eq!((told.lines.len(), told.more), (1, 0));
}

#[test]
fn a_digest_waits_until_nobody_mutes_it_and_the_quiet_hour_is_over() {
    let config = Config { budget_per_hour: 1, ..Config::default() };
    let mut night = route("night", false);
    night.quiet_hours = Some(quiet("12:30", "15:00", "UTC", Priority::High));
    let mut stage = Stage::new(config, vec![night, route("muted", false)]);
    for number in 0..3 {
        stage.push(number, &large("BTCUSDT", number, 3));
    }
    let what = Which { destination: Some("muted".to_owned()), ..Which::default() };
    let mute = Mute { what, until_ms: noon(2 * HOUR) };
    stage.order(1_000, Ask::Mute(mute)).unwrap();
    stage.wants(
        60_000,
        4 * HOUR,
        &[
            "7202.000 muted: first digest large_liquidation MEDIUM",
            "10802.000 night: first digest large_liquidation MEDIUM",
        ],
    );
}

#[test]
fn a_digest_of_a_demo_says_so() {
    let config = Config { budget_per_hour: 1, demo: true, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    for number in 0..3 {
        stage.push(number, &Alert { demo: true, ..large("BTCUSDT", number, 3) });
    }
    stage.until(2 * HOUR);
    assert!(stage.sent.iter().all(|sent| sent.deliveries.iter().all(|row| row.alert.demo)));
    assert_eq!(stage.sent.len(), 2);
}

#[test]
fn without_digests_what_is_held_back_is_forgotten_and_takes_no_room() {
    let config =
        Config { budget_per_hour: 1, disabled_alerts: ["digest".to_owned()].into(), ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    for number in 0..3 {
        stage.push(number, &large("BTCUSDT", number, 3));
    }
    let next = stage.push(HOUR, &large("BTCUSDT", 9, 3));
    assert_eq!(stage.reasons(&next), [AlertReason::First]);
    assert_eq!(stage.policy.due(), None);
}

#[test]
fn what_was_held_back_and_told_after_all_is_in_no_digest() {
    let config = Config { budget_per_hour: 1, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    stage.push(0, &news("listing", "BTCUSDT", Priority::Medium));
    let held = stage.push(1_000, &news("listing", "ETHUSDT", Priority::Medium));
    let told =
        stage.push(2_000, &crate::sample::at(Priority::High, 2, &news("listing", "ETHUSDT", Priority::High)));
    assert_eq!(stage.reasons(&held), [AlertReason::RateLimited]);
    assert_eq!(stage.reasons(&told), [AlertReason::First]);
    assert_eq!(stage.policy.due(), None);
}

/// Before the policy had a chance to tell the digest.
#[test]
fn the_first_room_is_the_digests() {
    let config = Config { budget_per_hour: 1, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    let mut reasons = Vec::new();
    for (number, ms) in (0..).zip([0, 1_000, HOUR]) {
        let mut out = Vec::new();
        let alert = Alert { known_at_ms: noon(ms), ..large("BTCUSDT", number, 3) };
        let alert = Alert { revision: alert.id, ..alert };
        stage.policy.take(&std::sync::Arc::new(alert), noon(ms), &mut out);
        reasons.extend(out.iter().map(|decision| match decision {
            cascade_domain::Decision::Suppress { reason, .. } => *reason,
            _ => AlertReason::First,
        }));
    }
    assert_eq!(reasons, [AlertReason::First, AlertReason::RateLimited, AlertReason::RateLimited]);
    let mut out = Vec::new();
    stage.policy.tick(noon(HOUR), &mut out);
    assert_eq!(out.len(), 1);
}
