//! What is told of a cascade, when, and how often.

use std::collections::BTreeSet;

use crate::stream::{Stream, at, gap, interest, liquidation, mark, symbol, tick};
use cascade_detector::Config;
use cascade_domain::{Event, FeedStatus, GapStream, Level, Liquidation, Reason, Side, State, Usd, Venue};
use cascade_engine::Refused;

use Level::{Alert, Critical, Extreme, Watch};

#[test]
fn a_cascade_is_told_once() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    assert_eq!(stream.story(), [(State::Open, Alert)]);
    stream.ticks(1, 200);
    let level_none = (State::Level, Level::None);
    assert_eq!(stream.story(), [(State::Open, Alert), level_none, (State::Resolved, Level::None)]);
    let closing = stream.last().closing.clone().unwrap();
    assert_eq!((closing.peak_level, closing.orders), (Alert, 1));
    assert_eq!(closing.notional_usd, Usd::from_dollars(4_000_000));
    assert_eq!(closing.long_share, Some(1.0));
    // The flow leaves the 30 s window at the tick of 31 s, and is held for 10 s from the last evaluation before.
    assert_eq!(closing.duration_ms, 39_900);
    let revisions: Vec<u64> = stream.cascades().iter().map(|finding| finding.revision).collect();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>());
    let ids: BTreeSet<_> = stream.cascades().iter().map(|finding| finding.id).collect();
    assert_eq!(ids.len(), revisions.len());
    let told = stream.said.iter().filter(|finding| finding.kind() == "cascade" && finding.is_transition());
    assert_eq!(told.count(), 3);
}

#[test]
fn a_straggler_of_the_other_side_does_not_turn_a_finished_cascade_round() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    stream.ticks(1, 36);
    stream.liquidate(Liquidation { side: Side::Short, ..liquidation(35_500, 1_000) });
    stream.ticks(36, 60);
    assert_eq!((stream.last().level, stream.last().direction), (Level::None, Side::Short), "the last 30 s");
    stream.ticks(60, 200);
    assert_eq!((stream.last().state, stream.last().direction), (State::Resolved, Side::Long), "the whole");
}

#[test]
fn updates_leave_on_ticks_only() {
    let mut stream = Stream::warm();
    for ms in 0..8 {
        stream.liquidate(liquidation(100 + ms, 500_000));
    }
    assert_eq!(stream.story(), [(State::Open, Watch), (State::Level, Alert)]);
    assert_eq!(stream.cascades().len(), 2);
    stream.ticks(1, 11);
    let updates = stream.cascades().into_iter().filter(|finding| finding.state == State::Update);
    assert_eq!(updates.count(), 10);
}

#[test]
fn a_watch_is_closed_and_never_resolved() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 1_000_000));
    stream.ticks(1, 150);
    assert_eq!(
        stream.story(),
        [(State::Open, Watch), (State::Level, Level::None), (State::Closed, Level::None)]
    );
    assert_eq!(stream.cascades().len(), 3, "no updates below ALERT");
    assert!(stream.said.iter().all(|finding| finding.kind() != "cascade" || !finding.is_transition()));
}

#[test]
fn a_flow_that_comes_and_goes_does_not_flap() {
    let mut stream = Stream::warm();
    // Longs of 3.1M stay; shorts push the share below .75 and leave again each few seconds.
    for second in 0..25 {
        stream.liquidate(liquidation(second * 1_000 + 100, 200_000));
        if second % 5 == 0 {
            let short = liquidation(second * 1_000 + 200, 250_000);
            stream.liquidate(cascade_domain::Liquidation { side: Side::Short, ..short });
        }
        stream.ticks(second + 1, second + 2);
    }
    let story = stream.story();
    assert!(story.len() <= 3, "{story:?}");
    assert!(story.iter().all(|(state, _)| *state != State::Resolved));
}

#[test]
fn a_level_is_held_for_ten_seconds_with_its_reasons() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 3_000_000));
    let shorts = liquidation(1_100, 2_000_000);
    stream.liquidate(cascade_domain::Liquidation { side: Side::Short, ..shorts });
    stream.ticks(2, 11);
    assert_eq!((stream.last().level, stream.last().state), (Alert, State::Update));
    assert_eq!(stream.last().reasons, [Reason::Flow]);
    stream.ticks(11, 12);
    assert_eq!((stream.last().level, stream.last().previous_level), (Watch, Alert));
}

#[test]
fn a_new_cascade_is_a_new_episode() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    stream.ticks(1, 150);
    stream.liquidate(liquidation(150_000, 4_000_000));
    let episodes: BTreeSet<_> = stream.cascades().iter().map(|finding| finding.episode).collect();
    assert_eq!(episodes.len(), 2);
    assert_eq!((stream.last().state, stream.last().revision), (State::Open, 1));
}

#[test]
fn a_cascade_that_returns_within_a_minute_is_the_same_episode() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    stream.ticks(1, 90);
    stream.liquidate(liquidation(89_500, 4_000_000));
    assert_eq!(stream.story(), [(State::Open, Alert), (State::Level, Level::None), (State::Level, Alert)]);
    let episodes: BTreeSet<_> = stream.cascades().iter().map(|finding| finding.episode).collect();
    assert_eq!(episodes.len(), 1);
}

#[test]
fn a_cascade_of_fifty_minutes_stays_one_episode() {
    let mut stream = Stream::warm();
    for second in 0..3_000 {
        if second % 20 == 0 {
            stream.liquidate(liquidation(second * 1_000 + 10, 4_000_000));
        }
        stream.ticks(second + 1, second + 2);
    }
    stream.ticks(3_001, 3_200);
    let first = stream.cascades()[0].episode;
    assert!(stream.cascades().iter().all(|finding| finding.episode == first));
    let resolved = stream.story().iter().filter(|(state, _)| *state == State::Resolved).count();
    assert_eq!(resolved, 1);
    let closing = stream.last().closing.clone().unwrap();
    assert_eq!(closing.orders, 150);
    assert!(closing.duration_ms > 2_980_000, "{}", closing.duration_ms);
}

#[test]
fn symbols_of_a_shard_do_not_mix() {
    let mut stream = Stream::warm();
    let other = |ms, usd| cascade_domain::Liquidation { symbol: symbol("ETHUSDT"), ..liquidation(ms, usd) };
    for ms in 0..4 {
        stream.liquidate(liquidation(100 + ms, 200_000));
        stream.liquidate(other(100 + ms, 150_000));
    }
    assert!(stream.cascades().is_empty(), "five orders of both are no cascade of either");
    stream.liquidate(other(200, 3_000_000));
    assert_eq!((stream.last().symbol, stream.last().level), (symbol("ETHUSDT"), Alert));
    assert_eq!(stream.last().metrics.count_30s, 5);
    assert_eq!(stream.cascades().len(), 1);
}

#[test]
fn a_falling_price_makes_it_critical_and_extreme() {
    let mut stream = Stream::warm();
    for second in 0..70 {
        stream.mark(second * 1_000, 100_000.0);
        stream.ticks(second, second + 1);
    }
    stream.mark(70_000, 99_500.0);
    stream.liquidate(liquidation(70_100, 9_000_000));
    assert_eq!((stream.last().level, stream.last().flow.price_change_60s), (Critical, Some(-0.005)));
    stream.liquidate(liquidation(70_200, 21_000_000));
    assert_eq!(stream.last().level, Critical);
    stream.mark(70_300, 98_500.0);
    assert_eq!(stream.last().level, Extreme);
    assert!(!stream.last().missing.contains(&"velocity".to_owned()));
    assert_eq!(stream.last().missing, ["oi_change", "funding", "volatility"]);
}

#[test]
fn a_price_is_unknown_once_its_marks_are_old() {
    let mut stream = Stream::warm();
    for second in 0..65 {
        stream.mark(second * 1_000, 100_000.0);
        stream.ticks(second, second + 1);
    }
    stream.liquidate(liquidation(69_000, 4_000_000));
    assert_eq!(stream.last().flow.price_change_60s, Some(0.0));
    stream.liquidate(liquidation(69_001, 14_000_000));
    assert_eq!(stream.last().flow.price_change_60s, None);
    assert_eq!(stream.last().level, Critical, "18M, price unknown");
}

#[test]
fn open_interest_that_falls_scores_and_a_gap_forgets_it() {
    let mut stream = Stream::warm();
    for second in 0..70 {
        stream.hear(&Event::OpenInterest(interest(second * 1_000, 1_000.0))).unwrap();
        stream.ticks(second, second + 1);
    }
    stream.hear(&Event::OpenInterest(interest(69_500, 990.0))).unwrap();
    stream.liquidate(liquidation(69_600, 4_000_000));
    assert_eq!(stream.last().context.oi_change_1m, Some(-0.01));
    assert!((stream.last().scores.oi_change - 1.0).abs() < 1e-12);
    stream.hear(&Event::Gap(gap(GapStream::OpenInterest, 69_600, 69_900))).unwrap();
    stream.ticks(70, 71);
    assert_eq!(stream.last().context.oi_change_1m, None);
    assert_eq!(stream.last().context.open_interest_usd, None);
    assert!(stream.last().missing.contains(&"oi_change".to_owned()));
}

#[test]
fn funding_is_per_eight_hours_and_unknown_without_its_interval() {
    let told = |interval| {
        let mut stream = Stream::warm();
        let paid = cascade_domain::Mark {
            venue: Venue::Hyperliquid,
            funding_rate: Some(0.000_01),
            funding_interval_h: interval,
            ..mark(0, 100_000.0)
        };
        stream.hear(&Event::Mark(paid)).unwrap();
        stream.liquidate(liquidation(10, 4_000_000));
        stream.last().context.funding_rate_8h
    };
    assert_eq!([told(Some(1.0)), told(Some(8.0)), told(None)], [Some(0.000_08), Some(0.000_01), None]);
}

#[test]
fn a_gap_voids_what_straddles_it_and_counts_go_on_as_lower_bounds() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    stream.ticks(1, 2);
    assert!(stream.last().metrics.acceleration.is_some());
    assert_eq!(stream.last().lower_bound, [Venue::Binance], "sampled");
    stream.hear(&Event::Gap(gap(GapStream::Liquidations, 1_000, 2_000))).unwrap();
    stream.ticks(2, 7);
    assert_eq!((stream.last().metrics.acceleration, stream.last().metrics.jerk), (None, None));
    assert!(stream.last().missing.contains(&"acceleration".to_owned()));
    assert_eq!(stream.last().lower_bound, [Venue::Binance, Venue::Bybit]);
    assert_eq!(stream.last().metrics.count_30s, 1, "counts go on");
    stream.ticks(7, 9);
    assert_eq!((stream.last().metrics.acceleration.is_some(), stream.last().metrics.jerk), (true, None));
    stream.ticks(9, 11);
    assert!(stream.last().metrics.jerk.is_some());
}

#[test]
fn venues_that_do_not_deliver_are_named_and_partial_ones_are_not() {
    let mut stream = Stream::new();
    stream.feeds = vec![
        (Venue::Binance, FeedStatus::Dead),
        (Venue::Bybit, FeedStatus::Live),
        (Venue::Okx, FeedStatus::Suspect),
        (Venue::Hyperliquid, FeedStatus::Partial),
    ];
    stream.ticks(-100, 0);
    stream.liquidate(liquidation(10, 4_000_000));
    assert_eq!(stream.last().lower_bound, [Venue::Binance, Venue::Okx]);
    assert_eq!(stream.last().feeds.len(), 4);
    // One live venue of the three that count.
    assert!((stream.last().confidence - 0.5 / 3.0).abs() < 1e-12, "{}", stream.last().confidence);
}

#[test]
fn findings_are_warming_until_the_windows_are_full() {
    let mut stream = Stream::new();
    stream.ticks(0, 1);
    stream.liquidate(liquidation(100, 4_000_000));
    assert!(stream.last().warming);
    assert_eq!(stream.last().metrics.acceleration, None, "nothing is known of before");
    stream.ticks(1, 41);
    stream.liquidate(liquidation(59_900, 4_000_000));
    assert!(stream.last().warming);
    stream.ticks(60, 61);
    assert!(!stream.last().warming);
    let mut trimmed = gap(GapStream::Liquidations, 60_000, 60_500);
    trimmed.reason = "trimmed".into();
    stream.hear(&Event::Gap(trimmed)).unwrap();
    stream.ticks(61, 62);
    assert!(stream.last().warming);
}

#[test]
fn prints_of_one_order_are_one_order() {
    let mut stream = Stream::warm();
    let print = |ms, dollars| {
        let mut print = liquidation(ms, dollars);
        print.event_time_ms = at(100);
        print
    };
    for ms in 100..110 {
        stream.liquidate(print(ms, 60_000));
    }
    let velocity = stream.engine.velocity(&symbol("BTCUSDT")).unwrap();
    assert_eq!((velocity.count.0[4], velocity.usd_30s_long), (1, Usd::from_dollars(600_000)));
    stream.liquidate(cascade_domain::Liquidation { venue: Venue::Okx, ..print(110, 60_000) });
    stream.liquidate(cascade_domain::Liquidation { side: Side::Short, ..print(110, 60_000) });
    let account = Some(cascade_domain::Id::from_bits(1));
    stream.liquidate(cascade_domain::Liquidation { account, ..print(110, 60_000) });
    assert_eq!(stream.engine.velocity(&symbol("BTCUSDT")).unwrap().count.0[4], 4);
}

#[test]
fn a_large_order_is_told_once_when_its_sum_first_reaches_the_threshold() {
    let mut stream = Stream::warm();
    for ms in 100..104 {
        let mut print = liquidation(ms, 400_000);
        print.event_time_ms = at(100);
        stream.liquidate(print);
    }
    let large = stream.large();
    assert_eq!(large.len(), 1);
    assert_eq!((large[0].notional_usd, large[0].known_at_ms), (Usd::from_dollars(1_200_000), at(102)));
    assert_eq!(large[0].threshold_usd, Usd::from_dollars(1_000_000));
    stream.liquidate(liquidation(200, 999_999));
    assert_eq!(stream.large().len(), 1);
}

#[test]
fn a_late_event_takes_its_place_and_one_older_than_the_windows_is_refused() {
    let mut stream = Stream::warm();
    stream.ticks(0, 11);
    stream.liquidate(liquidation(70_000, 10_000));
    stream.liquidate(liquidation(41_000, 10_000));
    stream.liquidate(liquidation(39_000, 10_000));
    let counts = |stream: &Stream| stream.engine.velocity(&symbol("BTCUSDT")).unwrap().count.0;
    assert_eq!(counts(&stream), [1, 1, 1, 1, 2, 3]);
    let before = format!("{:?}", stream.engine);
    assert_eq!(stream.hear(&Event::Liquidation(liquidation(10_000, 1))), Err(Refused::Late));
    assert_eq!(before, format!("{:?}", stream.engine));
    stream.liquidate(liquidation(10_001, 10_000));
    assert_eq!(counts(&stream)[5], 4);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut stream = Stream::warm();
    let before = format!("{:?}", stream.engine);
    let future = |ms| Event::Liquidation(liquidation(ms, 1));
    assert_eq!(stream.hear(&future(59_001)), Err(Refused::FromTheFuture));
    assert_eq!(stream.hear(&Event::Tick(tick(-1_000, &[]))), Err(Refused::OldTick));
    assert_eq!(stream.hear(&Event::Mark(mark(0, f64::NAN))), Err(Refused::NotANumber));
    assert_eq!(stream.hear(&Event::Mark(mark(0, 0.0))), Err(Refused::NotANumber));
    assert_eq!(stream.hear(&Event::OpenInterest(interest(0, -1.0))), Err(Refused::NotANumber));
    assert_eq!(stream.hear(&Event::Liquidation(liquidation(0, -1))), Err(Refused::NotANumber));
    assert_eq!(
        stream.hear(&Event::Gap(gap(GapStream::Liquidations, 0, 999_000))),
        Err(Refused::FromTheFuture)
    );
    assert_eq!(before, format!("{:?}", stream.engine));
    assert_eq!(stream.hear(&future(59_000)), Ok(()));
}

#[test]
fn before_the_first_tick_events_are_taken() {
    let mut stream = Stream::new();
    stream.liquidate(liquidation(0, 4_000_000));
    assert_eq!(stream.story(), [(State::Open, Alert)]);
    let far = liquidation(i64::MAX / 2, 1);
    assert_eq!(stream.hear(&Event::Liquidation(far)), Err(Refused::FromTheFuture));
}

#[test]
fn orders_beyond_the_room_go_and_the_venue_is_a_lower_bound() {
    let mut config = Config::default();
    config.memory.max_orders = 10;
    let mut stream = Stream::with(config);
    stream.feeds = vec![(Venue::Bybit, FeedStatus::Live)];
    stream.ticks(-100, 0);
    for ms in 0..10 {
        stream.liquidate(liquidation(ms, 400_000));
    }
    assert!(stream.last().lower_bound.is_empty());
    stream.liquidate(liquidation(10, 400_000));
    stream.ticks(1, 2);
    assert_eq!((stream.last().metrics.count_30s, stream.last().level), (10, Alert));
    assert_eq!(stream.last().lower_bound, [Venue::Bybit]);
}

#[test]
fn a_silent_symbol_is_forgotten_and_only_shown_while_there_is_something() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(0, 1_000));
    assert_eq!(stream.engine.symbols().count(), 1);
    stream.ticks(1, 62);
    assert_eq!(stream.engine.symbols().count(), 0);
    assert!(stream.engine.velocity(&symbol("BTCUSDT")).is_some());
    stream.ticks(62, 610);
    assert!(stream.engine.velocity(&symbol("BTCUSDT")).is_none());
}

#[test]
fn read_models_agree_with_what_was_told() {
    let mut stream = Stream::warm();
    for ms in 0..8 {
        stream.liquidate(liquidation(500 + ms * 100, 500_000));
    }
    stream.ticks(2, 3);
    let told = stream.last().clone();
    let probability = stream.engine.score(&symbol("BTCUSDT")).unwrap();
    assert_eq!((probability.level, &probability.reasons), (told.level, &told.reasons));
    assert!((probability.score - told.score).abs() < 1e-15);
    let velocity = stream.engine.velocity(&symbol("BTCUSDT")).unwrap();
    assert!((velocity.risk_score - told.risk.score).abs() < 1e-12);
    assert_eq!(velocity.count.0, [0, 0, 8, 8, 8, 8]);
    assert!((velocity.velocity.0[2] - 4.0).abs() < 1e-12);
    assert!((velocity.usd_velocity.0[3] - 400_000.0).abs() < 1e-6);
    assert_eq!(told.metrics.leading_venue, Some(Venue::Bybit));
    assert_eq!(told.metrics.largest_usd, Usd::from_dollars(500_000));
}
