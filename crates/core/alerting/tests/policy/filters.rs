//! What a destination does not want to hear, or not now.

use cascade_alerting::{Config, Route};
use cascade_domain::{AlertReason, FeedStatus, Level, Priority, State};

use crate::sample::{crash, feed, goes_on, large, news, over, quiet, route, symbol};
use crate::stage::Stage;

#[test]
fn each_destination_hears_what_it_wants() {
    use AlertReason::{BelowThreshold, Filtered, First};
    let kinds = Route { kinds: ["cascade".to_owned()].into(), ..route("kinds", false) };
    let symbols = Route { symbols: [symbol("ETHUSDT")].into(), ..route("symbols", false) };
    let urgent = Route { minimum_priority: Priority::High, ..route("urgent", false) };
    let mut stage = Stage::of(vec![kinds, symbols, urgent]);
    let mut why = |alert| {
        let alert = stage.push(0, &alert);
        stage.reasons(&alert)
    };
    assert_eq!(why(crash("BTCUSDT", (Level::Alert, Level::Watch), 9)), [First, Filtered, BelowThreshold]);
    assert_eq!(why(large("ETHUSDT", 1, 9)), [Filtered, First, First]);
    assert_eq!(why(feed(FeedStatus::Dead, State::Open, true)), [Filtered, First, First]);
}

#[test]
fn what_is_switched_off_is_told_to_nobody() {
    for name in ["large_liquidation", "feed"] {
        let config = Config { disabled_alerts: [name.to_owned()].into(), ..Config::default() };
        let mut stage = Stage::new(config, vec![route("desk", false)]);
        let large = stage.push(0, &large("BTCUSDT", 1, 9));
        let feed = stage.push(0, &feed(FeedStatus::Dead, State::Open, true));
        let reasons = (stage.reasons(&large), stage.reasons(&feed));
        let (off, on) = (vec![AlertReason::Disabled], vec![AlertReason::First]);
        assert_eq!(reasons, if name == "feed" { (on, off) } else { (off, on) });
    }
}

#[test]
fn in_quiet_hours_only_the_urgent_is_told_and_the_end_of_what_was_told() {
    let night =
        Route { quiet_hours: Some(quiet("13:00", "11:00", "UTC", Priority::High)), ..route("desk", false) };
    let mut stage = Stage::of(vec![night]);
    let alert = news("listing", "BTCUSDT", Priority::Medium);
    stage.push(3_590_000, &alert);
    let quiet = stage.push(3_600_000, &news("listing", "ETHUSDT", Priority::Medium));
    let urgent = stage.push(3_600_000, &news("listing", "SOLUSDT", Priority::High));
    let end = stage.push(3_700_000, &over(&alert));
    assert_eq!(stage.reasons(&quiet), [AlertReason::BelowThreshold]);
    assert_eq!(stage.reasons(&urgent), [AlertReason::First]);
    assert_eq!(stage.reasons(&end), [AlertReason::Resolved]);
}

#[test]
fn what_was_told_is_still_edited_in_quiet_hours() {
    let config =
        Config { quiet_hours: Some(quiet("13:00", "15:00", "UTC", Priority::High)), ..Config::default() };
    let mut stage = Stage::new(config, vec![route("chat", true), route("desk", false)]);
    let alert = news("listing", "BTCUSDT", Priority::Medium);
    stage.push(3_590_000, &alert);
    let worse = stage.push(3_700_000, &crate::sample::at(Priority::Medium, 2, &goes_on(&alert)));
    assert_eq!(stage.reasons(&worse), [AlertReason::Updated, AlertReason::BelowThreshold]);
}

/// Whether LOW is told at these hours and minutes of a day, UTC.
fn hears(day: i64, zone: &str, times: &[(i64, i64)]) -> Vec<bool> {
    let route =
        Route { quiet_hours: Some(quiet("23:00", "07:00", zone, Priority::Medium)), ..route("desk", false) };
    let mut stage = Stage::of(vec![route]);
    let start = day - crate::sample::NOON.ms();
    let mut told = Vec::new();
    for (number, (hour, minute)) in (0..).zip(times) {
        let alert = stage.push(start + (hour * 60 + minute) * 60_000, &large("BTCUSDT", number, 1));
        told.push(stage.reasons(&alert) == [AlertReason::First]);
    }
    told
}

#[test]
fn quiet_hours_are_those_of_their_zone_in_summer_and_in_winter() {
    // 2026-12-01: UTC+1 in Berlin; 2027-07-01: UTC+2; 2027-03-28: from UTC+1 to UTC+2 at 01:00 UTC.
    let (winter, summer, change) = (1_796_083_200_000, 1_814_400_000_000, 1_806_192_000_000);
    let berlin = |day, times: &[(i64, i64)]| hears(day, "Europe/Berlin", times);
    assert_eq!(
        berlin(winter, &[(5, 59), (6, 0), (21, 59), (22, 0), (23, 30)]),
        [false, true, true, false, false]
    );
    assert_eq!(berlin(summer, &[(4, 59), (5, 0), (20, 59), (21, 0)]), [false, true, true, false]);
    assert_eq!(
        berlin(change, &[(0, 59), (4, 59), (5, 0), (20, 59), (21, 0)]),
        [false, false, true, true, false]
    );
    assert_eq!(
        hears(winter, "Asia/Kolkata", &[(1, 29), (1, 30), (17, 29), (17, 30)]),
        [false, true, true, false]
    );
}
