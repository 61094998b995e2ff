//! What nobody acknowledges is told once more, one priority up: bots and operations alone.

use cascade_alerting::{Config, Route};
use cascade_domain::{Alert, AlertReason, Ask, FeedStatus, Mute, Priority, State, Which};

use crate::sample::{at, bot, feed, news, over, route};
use crate::stage::{Stage, noon};

/// MEDIUM: the pager hears of it by escalation alone.
fn killed() -> Alert {
    at(Priority::Medium, 2, &bot("kill_switch", "alpha"))
}

fn to_pager() -> Stage {
    let config = Config { escalation: Some("pager".to_owned()), ..Config::default() };
    let pager = Route { kinds: ["bot".to_owned()].into(), ..route("pager", false) };
    let pager = Route { minimum_priority: Priority::High, ..pager };
    Stage::new(config, vec![route("desk", false), pager])
}

#[test]
fn what_nobody_acknowledges_is_escalated_once_by_the_timer() {
    let mut stage = to_pager();
    stage.push(0, &killed());
    stage.wants(
        0,
        3_600_000,
        &["2.000 desk: first kill_switch alpha MEDIUM", "120.000 pager: escalated kill_switch alpha HIGH"],
    );
}

#[test]
fn each_priority_is_escalated_one_up() {
    for (priority, raised) in [
        (Priority::Low, Priority::Medium),
        (Priority::Medium, Priority::High),
        (Priority::High, Priority::High),
    ] {
        let mut stage = Stage::of(vec![route("desk", false)]);
        stage.push(0, &at(priority, 1, &bot("drawdown", "alpha")));
        stage.until(3_600_000);
        let told: Vec<_> = stage.sent.iter().map(|sent| &sent.deliveries[0]).collect();
        let told: Vec<_> = told.iter().map(|row| (row.reason, row.alert.priority, row.lane)).collect();
        assert_eq!(
            told,
            [(AlertReason::First, priority, priority), (AlertReason::Escalated, raised, raised)]
        );
    }
}

#[test]
fn what_is_over_in_time_is_not_escalated() {
    let mut stage = to_pager();
    stage.push(0, &killed());
    stage.push(60_000, &over(&killed()));
    stage.wants(
        0,
        3_600_000,
        &["2.000 desk: first kill_switch alpha MEDIUM", "62.000 desk: resolved kill_switch alpha LOW"],
    );
}

#[test]
fn whoever_was_told_by_escalation_is_told_that_it_is_over() {
    let mut stage = to_pager();
    stage.push(0, &killed());
    stage.push(600_000, &over(&killed()));
    stage.wants(
        60_000,
        3_600_000,
        &[
            "120.000 pager: escalated kill_switch alpha HIGH",
            "600.000 pager: resolved kill_switch alpha LOW",
            "602.000 desk: resolved kill_switch alpha LOW",
        ],
    );
}

#[test]
fn repeats_do_not_put_an_escalation_off_and_it_says_how_often_it_came() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = at(Priority::High, 3, &bot("reconcile", "alpha"));
    for second in [0, 20, 40, 59, 70, 90, 110] {
        stage.push(second * 1_000, &alert);
    }
    stage.wants(
        0,
        170_000,
        &[
            "0.000 desk: first reconcile alpha HIGH",
            "70.000 desk: repeat_due reconcile alpha HIGH x4",
            "120.000 desk: escalated reconcile alpha HIGH x3",
        ],
    );
}

#[test]
fn what_comes_again_after_it_was_over_can_be_escalated_again() {
    let mut stage = to_pager();
    stage.push(0, &killed());
    stage.push(200_000, &over(&killed()));
    stage.push(210_000, &killed());
    stage.wants(
        205_000,
        3_600_000,
        &["212.000 desk: first kill_switch alpha MEDIUM", "330.000 pager: escalated kill_switch alpha HIGH"],
    );
}

#[test]
fn what_somebody_acknowledged_is_not_escalated_until_it_comes_again() {
    let mut stage = to_pager();
    stage.push(0, &killed());
    stage.order(100_000, Ask::Ack { alert: killed().id }).unwrap();
    stage.push(200_000, &killed());
    stage.push(700_000, &over(&killed()));
    stage.push(800_000, &killed());
    stage.wants(
        0,
        3_600_000,
        &[
            "2.000 desk: first kill_switch alpha MEDIUM",
            "202.000 desk: repeat_due kill_switch alpha MEDIUM",
            "702.000 desk: resolved kill_switch alpha LOW",
            "802.000 desk: first kill_switch alpha MEDIUM",
            "920.000 pager: escalated kill_switch alpha HIGH",
        ],
    );
}

#[test]
fn markets_resolve_themselves_and_operations_do_not() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    stage.push(0, &news("listing", "BTCUSDT", Priority::High));
    stage.push(0, &feed(FeedStatus::Dead, State::Open, false));
    stage.wants(
        0,
        3_600_000,
        &[
            "0.000 desk: first listing BTCUSDT HIGH",
            "2.000 desk: first feed feed:binance MEDIUM",
            "120.000 desk: escalated feed feed:binance HIGH",
        ],
    );
}

#[test]
fn what_nobody_was_told_is_not_escalated() {
    let mut wary = route("desk", false);
    wary.minimum_priority = Priority::Medium;
    let mut stage = Stage::of(vec![wary]);
    stage.push(0, &bot("exception", "alpha"));
    stage.wants(0, 3_600_000, &[]);
}

#[test]
fn an_escalation_that_is_muted_is_a_decision_too() {
    let mut stage = to_pager();
    let pushed = stage.push(0, &killed());
    let what = Which { destination: Some("pager".to_owned()), ..Which::default() };
    stage.order(10_000, Ask::Mute(Mute { what, until_ms: noon(300_000) })).unwrap();
    stage.wants(0, 3_600_000, &["2.000 desk: first kill_switch alpha MEDIUM"]);
    // What the alert was, and last what its escalation was.
    let reasons = [AlertReason::First, AlertReason::BelowThreshold, AlertReason::Muted];
    assert_eq!(stage.reasons(&pushed), reasons);
}

#[test]
fn one_that_the_budget_holds_back_is_in_the_digest() {
    let config = Config { high_budget_per_hour: 1, ..Config::default() };
    let mut stage = Stage::new(config, vec![route("desk", false)]);
    let alert = at(Priority::High, 3, &bot("drawdown", "alpha"));
    stage.push(0, &alert);
    stage.wants(
        0,
        7_200_000,
        &["0.000 desk: first drawdown alpha HIGH", "3600.000 desk: first digest bot HIGH"],
    );
}

#[test]
fn the_newest_revision_is_escalated() {
    let mut stage = Stage::of(vec![route("desk", false)]);
    let alert = bot("drawdown", "alpha");
    stage.push(0, &at(Priority::Low, 1, &alert));
    let newest = stage.push(40_000, &at(Priority::Medium, 2, &alert));
    stage.wants(100_000, 3_600_000, &["120.000 desk: escalated drawdown alpha HIGH"]);
    assert_eq!(stage.sent.last().unwrap().deliveries[0].alert.revision, newest.revision);
}
