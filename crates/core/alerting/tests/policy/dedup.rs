//! What counts as the same news: first, worse, again, over.

use cascade_domain::{AlertReason, FeedStatus, Level, Priority, State};

use crate::sample::{at, bot, crash, feed, goes_on, large, news, over, route};
use crate::stage::Stage;

fn desk() -> Stage {
    Stage::of(vec![route("desk", false)])
}

fn chat() -> Stage {
    Stage::of(vec![route("chat", true)])
}

#[test]
fn somebody_elses_demo_on_the_same_redis_is_told_to_nobody() {
    let mut stage = desk();
    let revision = stage.push(0, &cascade_domain::Alert { demo: true, ..large("BTCUSDT", 1, 9) });
    stage.until(60_000);
    assert_eq!(stage.reasons(&revision), [AlertReason::Disabled]);
    assert!(stage.sent.is_empty());
}

#[test]
fn what_is_worse_than_what_still_waits_is_told_as_the_first_of_it() {
    let mut stage = chat();
    let waits = stage.push(0, &crash("BTCUSDT", (Level::Alert, Level::None), 4_000_000));
    let worse = stage.push(1_000, &crash("BTCUSDT", (Level::Critical, Level::Alert), 9_000_000));
    let extreme = stage.push(3_000, &crash("BTCUSDT", (Level::Extreme, Level::Critical), 30_000_000));
    stage.until(4_000);
    assert_eq!(stage.reasons(&waits), [AlertReason::First]);
    assert_eq!(stage.reasons(&worse), [AlertReason::First]);
    assert_eq!(stage.reasons(&extreme), [AlertReason::Worse], "that was told");
    assert_eq!(stage.sent.len(), 2);
}

#[test]
fn the_same_bot_alert_within_a_minute_is_told_once_and_counted_three_times() {
    let mut stage = Stage::of(vec![route("chat", true), route("desk", false)]);
    let alert = bot("api_errors", "alpha");
    stage.push(0, &alert);
    let second = stage.push(30_000, &alert);
    let third = stage.push(59_000, &alert);
    stage.wants(
        0,
        119_000,
        &[
            "30.000 chat: first api_errors alpha LOW",
            "30.000 desk: first api_errors alpha LOW",
            "35.000 chat: edit updated api_errors alpha LOW x2",
            "59.000 chat: edit updated api_errors alpha LOW x3",
        ],
    );
    assert_eq!(stage.reasons(&second), [AlertReason::Updated, AlertReason::Duplicate]);
    assert_eq!(stage.reasons(&third), [AlertReason::Updated, AlertReason::Duplicate]);
}

#[test]
fn the_same_bot_alert_after_a_minute_is_told_twice() {
    for mut stage in [desk(), chat()] {
        let alert = at(Priority::Medium, 1, &bot("api_errors", "alpha"));
        stage.push(0, &alert);
        stage.push(61_000, &alert);
        stage.until(110_000);
        let reasons: Vec<_> =
            stage.sent.iter().map(|sent| (sent.is_edit, sent.deliveries[0].reason)).collect();
        assert_eq!(reasons, [(false, AlertReason::First), (false, AlertReason::RepeatDue)]);
    }
}

#[test]
fn a_repeat_says_how_often_it_came_since_the_last_message() {
    let mut stage = desk();
    let alert = at(Priority::High, 1, &bot("api_errors", "alpha"));
    for ms in [0, 30_000, 59_000, 60_000, 61_000] {
        stage.push(ms, &alert);
    }
    stage.wants(
        0,
        119_000,
        &["0.000 desk: first api_errors alpha HIGH", "60.000 desk: repeat_due api_errors alpha HIGH x3"],
    );
}

#[test]
fn the_window_of_markets_is_five_minutes() {
    let mut stage = desk();
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    let early = stage.push(299_999, &alert);
    stage.push(300_000, &alert);
    stage.wants(
        0,
        600_000,
        &["0.000 desk: first listing BTCUSDT HIGH", "300.000 desk: repeat_due listing BTCUSDT HIGH x2"],
    );
    assert_eq!(stage.reasons(&early), [AlertReason::Duplicate]);
}

#[test]
fn what_is_worse_passes_the_window() {
    let mut stage = desk();
    let alert = bot("drawdown", "alpha");
    stage.push(0, &at(Priority::Low, 1, &alert));
    stage.push(40_000, &at(Priority::Medium, 2, &alert));
    stage.push(41_000, &at(Priority::Medium, 2, &alert));
    stage.push(50_000, &at(Priority::High, 3, &alert));
    stage.push(51_000, &at(Priority::Low, 1, &alert));
    stage.wants(
        0,
        100_000,
        &[
            "30.000 desk: first drawdown alpha LOW",
            "42.000 desk: worse drawdown alpha MEDIUM",
            "50.000 desk: worse drawdown alpha HIGH x2",
        ],
    );
}

#[test]
fn what_was_worse_before_is_no_news() {
    let mut stage = chat();
    stage.push(0, &crash("BTCUSDT", (Level::Critical, Level::Watch), 9));
    stage.push(20_000, &crash("BTCUSDT", (Level::Alert, Level::Critical), 9));
    stage.push(40_000, &crash("BTCUSDT", (Level::Critical, Level::Alert), 9));
    stage.wants(
        0,
        100_000,
        &[
            "0.000 chat: first cascade BTCUSDT HIGH",
            "20.000 chat: edit updated cascade BTCUSDT MEDIUM x2",
            "40.000 chat: edit updated cascade BTCUSDT HIGH x3",
        ],
    );
}

#[test]
fn a_worse_one_takes_the_place_of_one_that_still_waits() {
    let mut stage = desk();
    stage.push(0, &crash("BTCUSDT", (Level::Alert, Level::Watch), 5));
    stage.push(1_000, &crash("BTCUSDT", (Level::Critical, Level::Alert), 9));
    stage.wants(0, 100_000, &["1.000 desk: first cascade BTCUSDT HIGH"]);
}

#[test]
fn an_edit_comes_once_in_five_seconds_and_tells_the_newest() {
    let mut stage = chat();
    let alert = goes_on(&news("listing", "BTCUSDT", Priority::High));
    for ms in [0, 100, 1_000, 4_900, 6_000, 9_000] {
        stage.push(ms, &alert);
    }
    stage.until(20_000);
    let sent: Vec<_> =
        stage.sent.iter().map(|sent| (sent.at.since(crate::sample::NOON), sent.is_edit)).collect();
    assert_eq!(sent, [(0, false), (5_000, true), (10_000, true)]);
    assert_eq!(stage.sent[2].deliveries.last().unwrap().count, 6);
    stage.adds_up();
}

#[test]
fn an_alert_of_markets_that_goes_on_for_long_is_edited_where_that_can_be_and_else_repeated() {
    let mut stage = Stage::of(vec![route("chat", true), route("desk", false)]);
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    for minute in 1..12 {
        stage.push(minute * 60_000, &goes_on(&alert));
    }
    stage.until(720_000);
    assert_eq!(stage.messages("chat"), ["0.000 chat: first listing BTCUSDT HIGH"]);
    assert_eq!(
        stage.messages("desk"),
        [
            "0.000 desk: first listing BTCUSDT HIGH",
            "300.000 desk: repeat_due listing BTCUSDT HIGH x5",
            "600.000 desk: repeat_due listing BTCUSDT HIGH x5",
        ]
    );
}

#[test]
fn over_is_told_to_whoever_was_told_that_it_began() {
    let mut high_only = route("phone", false);
    high_only.minimum_priority = Priority::High;
    let mut stage = Stage::of(vec![route("chat", true), route("desk", false), high_only]);
    stage.push(0, &crash("BTCUSDT", (Level::Alert, Level::Watch), 5));
    let end = stage.push(90_000, &crash("BTCUSDT", (Level::None, Level::Alert), 50));
    stage.wants(
        0,
        200_000,
        &[
            "2.000 chat: first cascade BTCUSDT MEDIUM",
            "2.000 desk: first cascade BTCUSDT MEDIUM",
            "90.000 chat: edit resolved cascade BTCUSDT LOW",
            "120.000 desk: resolved cascade BTCUSDT LOW",
        ],
    );
    let reasons = [AlertReason::Resolved, AlertReason::Resolved, AlertReason::BelowThreshold];
    assert_eq!(stage.reasons(&end), reasons);
}

#[test]
fn what_was_over_before_it_was_told_is_not_told() {
    let mut stage = desk();
    let suspect = feed(FeedStatus::Suspect, State::Open, false);
    let first = stage.push(0, &suspect);
    let end = stage.push(20_000, &feed(FeedStatus::Live, State::Resolved, false));
    stage.wants(0, 300_000, &[]);
    assert_eq!(stage.reasons(&first), [AlertReason::First]);
    assert_eq!(stage.reasons(&end), [AlertReason::Resolved], "there is no message that it could edit");
    stage.push(300_000, &suspect);
    stage.wants(300_000, 400_000, &["330.000 desk: first feed feed:binance LOW"]);
}

#[test]
fn what_comes_again_after_it_was_over_is_new() {
    let mut stage = desk();
    let alert = at(Priority::High, 1, &bot("kill_switch", "alpha"));
    stage.push(0, &alert);
    stage.push(1_000, &over(&alert));
    stage.push(2_000, &alert);
    stage.wants(
        0,
        60_000,
        &[
            "0.000 desk: first kill_switch alpha HIGH",
            "1.000 desk: resolved kill_switch alpha LOW",
            "2.000 desk: first kill_switch alpha HIGH",
        ],
    );
}

#[test]
fn an_end_that_still_waits_gives_way_to_what_comes_again() {
    let mut stage = desk();
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    stage.push(10_000, &over(&alert));
    stage.push(12_000, &alert);
    stage.wants(
        0,
        100_000,
        &["0.000 desk: first listing BTCUSDT HIGH", "12.000 desk: first listing BTCUSDT HIGH"],
    );
}

#[test]
fn a_feed_is_back_as_urgently_as_it_broke() {
    let mut stage = desk();
    stage.push(0, &feed(FeedStatus::Dead, State::Open, true));
    stage.push(60_000, &feed(FeedStatus::Live, State::Resolved, false));
    stage.wants(
        0,
        90_000,
        &["0.000 desk: first feed feed:binance HIGH", "60.000 desk: resolved feed feed:binance LOW"],
    );
}

#[test]
fn high_leaves_at_once_and_the_others_wait_to_be_grouped() {
    let mut stage = desk();
    stage.push(0, &large("BTCUSDT", 1, 1));
    stage.push(10_000, &large("ETHUSDT", 2, 1));
    stage.push(20_000, &large("SOLUSDT", 3, 3));
    stage.push(21_500, &large("XRPUSDT", 4, 3));
    stage.push(21_600, &large("ADAUSDT", 5, 7));
    stage.wants(
        0,
        120_000,
        &[
            "21.600 desk: first large_liquidation ADAUSDT HIGH",
            "22.000 desk: first large_liquidation SOLUSDT MEDIUM + first large_liquidation XRPUSDT MEDIUM",
            "30.000 desk: first large_liquidation BTCUSDT LOW + first large_liquidation ETHUSDT LOW",
        ],
    );
}

#[test]
fn highs_that_wait_for_one_chat_are_one_message_the_largest_first() {
    let mut stage = desk();
    stage.hold("desk", 1_000);
    stage.push(0, &large("BTCUSDT", 1, 6));
    stage.push(100, &large("ETHUSDT", 2, 9));
    stage.wants(
        0,
        60_000,
        &["1.000 desk: first large_liquidation ETHUSDT HIGH + first large_liquidation BTCUSDT HIGH"],
    );
}

#[test]
fn open_interest_is_worse_when_it_has_doubled() {
    let rank = |ratio: f64| {
        let finding = crate::properties::interest(ratio);
        let alert = crate::sample::of(&finding);
        (alert.priority, alert.rank)
    };
    assert_eq!(rank(1.0), (Priority::Medium, 1));
    assert_eq!(rank(1.9), (Priority::Medium, 1));
    assert_eq!(rank(2.1), (Priority::High, 2));
    assert_eq!(rank(3.9), (Priority::High, 2));
    assert_eq!(rank(4.1), (Priority::High, 3));
}

#[test]
fn a_repeat_that_is_less_bad_makes_nothing_worse_and_the_end_as_urgent_as_the_worst() {
    let mut stage = desk();
    let alert = bot("drawdown", "alpha");
    stage.push(0, &at(Priority::High, 3, &alert));
    stage.push(61_000, &at(Priority::Low, 1, &alert));
    let between = stage.push(100_000, &at(Priority::Medium, 2, &alert));
    assert_eq!(stage.reasons(&between), [AlertReason::Duplicate]);
    stage.push(110_000, &over(&alert));
    stage.wants(
        0,
        120_000,
        &[
            "0.000 desk: first drawdown alpha HIGH",
            "91.000 desk: repeat_due drawdown alpha LOW",
            "110.000 desk: resolved drawdown alpha LOW x2",
        ],
    );
}

#[test]
fn what_was_told_before_and_is_over_while_worse_waits_is_told_to_be_over() {
    for can_edit in [true, false] {
        let mut stage = Stage::of(vec![route("desk", can_edit)]);
        let alert = news("listing", "BTCUSDT", Priority::Medium);
        stage.push(0, &alert);
        stage.push(60_000, &at(Priority::Medium, 2, &goes_on(&alert)));
        stage.push(61_000, &over(&alert));
        let edit = if can_edit { "edit " } else { "" };
        let end = format!("67.000 desk: {edit}resolved listing BTCUSDT LOW");
        stage.wants(0, 120_000, &["2.000 desk: first listing BTCUSDT MEDIUM", &end]);
    }
}

#[test]
fn what_was_silent_for_a_day_is_new() {
    let mut stage = desk();
    let alert = news("listing", "BTCUSDT", Priority::High);
    stage.push(0, &alert);
    stage.push(24 * 3_600_000, &alert);
    stage.push(49 * 3_600_000, &alert);
    let reasons: Vec<_> =
        ["0.000 desk: first", "86400.000 desk: repeat_due", "176400.000 desk: first"].into();
    stage.until(50 * 3_600_000);
    assert_eq!(
        stage.messages("desk"),
        reasons.iter().map(|reason| format!("{reason} listing BTCUSDT HIGH")).collect::<Vec<_>>()
    );
}
