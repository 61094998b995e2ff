//! Bugs of other alerters (alerting.md 3) that would be the policy's, and what must hold over a restart.

use std::sync::Arc;

use cascade_alerting::Config;
use cascade_domain::{
    Alert, AlertReason, Ask, Decision, FeedStatus, Heading, Id, Level, Mute, Priority, State, Subject, Which,
};

use crate::sample::{at, bot, crash, feed, goes_on, large, news, over, route};
use crate::stage::{Stage, noon};

const DAY: i64 = 24 * 3_600_000;

#[test]
fn a_restart_does_not_send_yesterdays_alerts_again() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let yesterday: Vec<_> =
        (0..5).map(|number| stage.push(number * 1_000, &large("BTCUSDT", number, 5))).collect();
    let feed_dead = stage.push(6_000, &feed(FeedStatus::Dead, State::Open, true));
    stage.until(7_000);
    let sent = stage.sent.len();
    stage.restart(Config::default(), vec![route("desk", false)]);
    // At once: known. A day later: forgotten, and too old.
    for ms in [8_000, DAY] {
        for alert in yesterday.iter().chain([&feed_dead]) {
            stage.again(ms, alert);
        }
    }
    // Nor when everything was forgotten.
    let mut new = Stage::of(vec![route("desk", false)]);
    for alert in yesterday.iter().chain([&feed_dead]) {
        new.again(DAY, alert);
        assert_eq!(new.reasons(alert), [AlertReason::Stale]);
    }
    assert!(new.sent.is_empty());
    // All but the escalation of the feed.
    let later: Vec<_> = stage.sent[sent..].iter().map(|sent| sent.deliveries[0].reason).collect();
    assert_eq!(later, [AlertReason::Escalated]);
}

#[test]
fn a_late_end_of_yesterday_does_not_end_what_began_today() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.push(0, &feed(FeedStatus::Dead, State::Open, true));
    let late = stage.push_known(1_000, -1_000, &feed(FeedStatus::Live, State::Resolved, false));
    let late_start = stage.push_known(1_000, -2_000, &feed(FeedStatus::Dead, State::Open, true));
    assert_eq!(stage.reasons(&late), [AlertReason::Duplicate]);
    assert_eq!(stage.reasons(&late_start), [AlertReason::Duplicate]);
    let end = stage.push(2_000, &feed(FeedStatus::Live, State::Resolved, false));
    assert_eq!(stage.reasons(&end), [AlertReason::Resolved]);
}

#[test]
fn live_counts_are_no_part_of_what_counts_as_the_same_news() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    for (ms, dollars) in [(0, 5_000_000), (1_000, 6_000_000), (2_000, 9_000_000)] {
        let alert = crash("BTCUSDT", (Level::Critical, Level::Critical), dollars);
        stage.push(ms, &goes_on(&alert));
    }
    let revision = |number: u64, count: &str| {
        let heading = Heading { kind: "bot", rule: "api_errors", scope: "alpha", episode: Id::from_bits(0) };
        Alert::new(&heading, number, noon(0), Subject::Test { by: count.to_owned() })
    };
    assert_eq!(revision(1, "2 errors").id, revision(2, "3 errors").id);
    stage.push(3_000, &revision(1, "2 errors"));
    stage.push(6_000, &revision(2, "3 errors"));
    stage.wants(
        0,
        100_000,
        &["0.000 desk: first cascade BTCUSDT HIGH", "5.000 desk: first api_errors alpha MEDIUM"],
    );
}

#[test]
fn an_escalation_does_not_stay_muted_after_it_was_over() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = at(Priority::High, 3, &bot("kill_switch", "alpha"));
    for start in [0, 1_000_000, 2_000_000] {
        stage.push(start, &alert);
        stage.push(start + 500_000, &over(&alert));
    }
    stage.until(3_000_000);
    let escalated = stage.sent.iter().filter(|sent| sent.deliveries[0].reason == AlertReason::Escalated);
    let times: Vec<_> = escalated.map(|sent| sent.at).collect();
    assert_eq!(times, [noon(120_000), noon(1_120_000), noon(2_120_000)]);
}

#[test]
fn what_is_acknowledged_is_still_counted() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = at(Priority::High, 3, &bot("reconcile", "alpha"));
    stage.push(0, &alert);
    stage.order(1_000, Ask::Ack { alert: alert.id }).unwrap();
    let counted: Vec<_> = [10_000, 20_000, 61_000].map(|ms| stage.push(ms, &alert)).into();
    for (alert, reason) in
        counted.iter().zip([AlertReason::Duplicate, AlertReason::Duplicate, AlertReason::RepeatDue])
    {
        assert_eq!(stage.reasons(alert), [reason], "each has its decision");
    }
    stage.until(62_000);
    assert_eq!(stage.sent.last().unwrap().deliveries[0].count, 3);
}

#[test]
fn a_revision_that_arrives_twice_is_decided_once() {
    let mut stage = Stage::of(vec![route("chat", true), route("desk", false)]);
    let alert = stage.push(0, &news("listing", "BTCUSDT", Priority::High));
    let before = stage.policy.state().clone();
    stage.again(0, &alert);
    assert_eq!(stage.policy.state(), &before, "and changes nothing");
    assert_eq!(stage.reasons(&alert), [AlertReason::First, AlertReason::First]);
    stage.adds_up();
}

#[test]
fn what_is_known_for_more_than_a_quarter_of_an_hour_is_stale() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let fresh = stage.push_known(900_000, 0, &large("BTCUSDT", 1, 5));
    let old = stage.push_known(900_001, 0, &large("BTCUSDT", 2, 5));
    assert_eq!(stage.reasons(&fresh), [AlertReason::First]);
    assert_eq!(stage.reasons(&old), [AlertReason::Stale]);
}

#[test]
fn rows_follow_each_other_and_expire() {
    let mut stage = Stage::of(vec![route("chat", true)]);
    let alert = news("listing", "BTCUSDT", Priority::High);
    for (ms, alert) in [(0, alert.clone()), (1_000, goes_on(&alert)), (8_000, over(&alert))] {
        stage.push(ms, &alert);
    }
    stage.until(60_000);
    let rows: Vec<_> = stage.sent.iter().flat_map(|sent| &sent.deliveries).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[0].after, rows[1].after, rows[2].after), (None, Some(rows[0].row), Some(rows[1].row)));
    for (row, known) in rows.iter().zip([0, 1_000, 8_000]) {
        assert_eq!(row.expires_ms, noon(known + 900_000));
    }
}

#[test]
fn what_concerns_a_destination_that_is_no_more_is_forgotten() {
    let mut stage = Stage::of(vec![route("chat", true), route("desk", false)]);
    stage.push(0, &bot("reconcile", "alpha"));
    let what = Which { destination: Some("desk".to_owned()), ..Which::default() };
    stage.order(1, Ask::Mute(Mute { what, until_ms: noon(DAY) })).unwrap();
    stage.restart(Config::default(), vec![route("chat", true)]);
    assert!(stage.policy.mutes().is_empty());
    let next = stage.push(2, &bot("reconcile", "alpha"));
    assert_eq!(stage.reasons(&next), [AlertReason::Updated]);
    stage.restart(Config::default(), vec![]);
    let unheard = stage.push(3, &bot("reconcile", "alpha"));
    assert!(stage.reasons(&unheard).is_empty());
    assert_eq!(stage.policy.due(), None);
}

#[test]
fn revisions_that_concern_nobody_leave_nothing_behind() {
    let deaf = cascade_alerting::Route { kinds: ["feed".to_owned()].into(), ..route("deaf", false) };
    let mut stage = Stage::of(vec![deaf]);
    for number in 0..10_000 {
        stage.push(number, &large("BTCUSDT", number, 7));
    }
    let size = |stage: &Stage| rmp_serde::to_vec_named(stage.policy.state()).unwrap().len();
    assert!(size(&stage) < 80_000, "{} bytes", size(&stage));
    stage.push(3_600_000, &large("BTCUSDT", 1, 7));
    assert!(size(&stage) < 500, "{} bytes", size(&stage));
}

#[test]
fn the_state_is_bounded() {
    let mut stage = Stage::of(vec![route("desk", false), route("chat", true)]);
    let mut number = 0;
    for hour in 0..30 {
        for _ in 0..400 {
            number += 1;
            stage.push(hour * 3_600_000, &large("BTCUSDT", number, 7));
            stage.push(hour * 3_600_000, &news("listing", &format!("C{number}USDT"), Priority::Medium));
        }
    }
    let size = rmp_serde::to_vec_named(stage.policy.state()).unwrap().len();
    assert!(size < 300_000, "{size} bytes");
    stage.adds_up();
}

#[test]
fn the_end_of_an_outage_is_told_however_much_was_liquidated_meanwhile() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.push(0, &feed(FeedStatus::Dead, State::Open, true));
    stage.push(1_000, &bot("kill_switch", "bot1"));
    for number in 0..900 {
        stage.push(60_000 + number * 60_000, &large("BTCUSDT", number, 7));
    }
    let end = 20 * 3_600_000;
    stage.push(end, &feed(FeedStatus::Live, State::Resolved, true));
    stage.until(end + 60_000);
    let told = stage.sent.iter().filter(|message| message.at >= noon(end)).flat_map(|m| &m.deliveries);
    let told: Vec<_> = told.map(|delivery| (&*delivery.alert.rule, delivery.reason)).collect();
    assert_eq!(told, [("feed", AlertReason::Resolved)]);
}

/// Takes a revision by itself, at a time that may be earlier than the last.
fn take(stage: &mut Stage, ms: i64, alert: &Alert, revision: u64) -> Decision {
    let mut out = Vec::new();
    let revision = Id::from_bits(revision);
    let alert = Arc::new(Alert { revision, known_at_ms: noon(ms), ..alert.clone() });
    assert!(stage.policy.take(&alert, noon(ms), &mut out));
    out.pop().unwrap()
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut stage = Stage::of(vec![route("chat", true)]);
    let dead = feed(FeedStatus::Dead, State::Open, true);
    take(&mut stage, 365 * DAY, &dead, 1);
    for number in 2..12_u64 {
        take(&mut stage, 365 * DAY, &large("BTCUSDT", number.cast_signed(), 3), number);
    }
    let told = |decision: Decision| match decision {
        Decision::Tell(row) => Some((row.reason, row.due_ms)),
        _ => None,
    };
    let room = told(take(&mut stage, 0, &large("BTCUSDT", 20, 3), 20));
    assert_eq!(room, Some((AlertReason::First, noon(2_000))));
    let again = told(take(&mut stage, 0, &dead, 21));
    assert_eq!(again, Some((AlertReason::RepeatDue, noon(0))));
    let back = told(take(&mut stage, 60_000, &feed(FeedStatus::Live, State::Resolved, true), 22));
    assert_eq!(back, Some((AlertReason::Resolved, noon(60_000))));
}

#[test]
fn what_is_known_in_the_future_hides_nothing_that_follows() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.push_known(0, DAY, &feed(FeedStatus::Dead, State::Open, true));
    stage.push(10_000, &feed(FeedStatus::Live, State::Resolved, false));
    stage.wants(
        0,
        60_000,
        &["0.000 desk: first feed feed:binance HIGH", "10.000 desk: resolved feed feed:binance LOW"],
    );
    assert_eq!(stage.sent[0].deliveries[0].expires_ms, noon(900_000));
}

/// Of more rows than a thread remembers the first one was forgotten, and an alert was told after it was over.
#[test]
fn what_was_over_before_it_was_told_is_not_told_however_often_it_went_on() {
    let mut stage = Stage::of(vec![route("chat", true)]);
    let alert = news("price", "BTCUSDT", Priority::Medium);
    stage.push(0, &alert);
    for ms in 1..=40 {
        stage.push(ms * 10, &goes_on(&alert));
    }
    stage.push(1_000, &over(&alert));
    stage.wants(0, 60_000, &[]);
    stage.adds_up();
}
