//! The board on hand-made times.

use super::*;

const T: EventTime = EventTime::from_ms(1_791_565_601_000);

fn board() -> Board {
    let mut board = Board::new([(Venue::Binance, FeedStatus::Sampled), (Venue::Bybit, FeedStatus::Live)], T);
    board.own(Venue::Binance, T, T);
    board.own(Venue::Bybit, T, T);
    let btc = [Symbol::parse("BTCUSDT").unwrap()];
    board.expect(Venue::Binance, "market-0", &btc, T);
    board.expect(Venue::Bybit, "linear-0", &btc, T);
    board.expect(Venue::Bybit, "inverse-0", &btc, T);
    board
}

fn told(board: &mut Board, at: EventTime) -> Vec<(Venue, FeedStatus)> {
    board.judge(at).into_iter().map(|h| (h.venue, h.status)).collect()
}

#[test]
fn a_feed_is_as_good_as_its_worst_route_and_each_change_is_told_once() {
    let mut board = board();
    board.delivered(Venue::Binance, "market-0", T);
    board.delivered(Venue::Bybit, "linear-0", T);
    assert_eq!(
        told(&mut board, T),
        [(Venue::Binance, FeedStatus::Sampled)],
        "one of bybit's routes has not delivered"
    );
    board.delivered(Venue::Bybit, "inverse-0", T);
    assert_eq!(told(&mut board, T), [(Venue::Bybit, FeedStatus::Live)]);
    assert_eq!(told(&mut board, T.plus_ms(9_999)), []);
    board.delivered(Venue::Bybit, "linear-0", T.plus_ms(10_000));
    board.delivered(Venue::Binance, "market-0", T.plus_ms(10_000));
    assert_eq!(told(&mut board, T.plus_ms(10_000)), [(Venue::Bybit, FeedStatus::Stale)]);
    board.delivered(Venue::Binance, "market-0", T.plus_ms(30_000));
    assert_eq!(told(&mut board, T.plus_ms(30_000)), [(Venue::Bybit, FeedStatus::Dead)]);
    let reason = &board.readings(T)[1].1.reason;
    assert_eq!(reason, "inverse-0: silent");
}

/// One that had read a venue whose clock was off said so for ever, beside the one that read it then.
#[test]
fn a_clock_is_told_by_who_reads_the_venue_and_by_nobody_else() {
    let mut board = board();
    board.clock_offset(Venue::Bybit, "linear-0", Some(-3_500));
    let told: Vec<_> = board.clock_offsets().collect();
    assert_eq!(told, [(Venue::Binance, None), (Venue::Bybit, Some(-3_500))]);
    board.disown(Venue::Bybit);
    assert!(board.clock_offsets().all(|(_, offset_ms)| offset_ms.is_none()));
}

/// A board of which all routes have delivered at this time.
fn delivering(board: &mut Board, at: EventTime) -> Vec<(Venue, FeedStatus)> {
    board.live(Venue::Binance, "market-0", at);
    board.live(Venue::Bybit, "linear-0", at);
    board.live(Venue::Bybit, "inverse-0", at);
    told(board, at)
}

#[test]
fn a_venue_whose_liquidations_alone_are_silent_is_suspect_until_it_tells_one() {
    let (mut board, btc) = (board(), Symbol::parse("BTCUSDT").unwrap());
    assert_eq!(delivering(&mut board, T).len(), 2);
    for second in 1..=30 {
        board.liquidation(Venue::Bybit, T.plus_ms(second * 1000), btc, false);
    }
    assert_eq!(delivering(&mut board, T.plus_ms(59_999)), []);
    assert_eq!(delivering(&mut board, T.plus_ms(60_000)), [(Venue::Binance, FeedStatus::Suspect)]);
    let reason = board.readings(T)[0].1.reason.clone();
    assert_eq!(reason, "no liquidation for 60 s, 30 of its markets elsewhere in 60 s");
    assert_eq!(delivering(&mut board, T.plus_ms(300_000)), [], "quiet elsewhere clears nothing");
    board.liquidation(Venue::Binance, T.plus_ms(300_500), btc, false);
    assert_eq!(delivering(&mut board, T.plus_ms(301_000)), [(Venue::Binance, FeedStatus::Sampled)]);
}

#[test]
fn a_busy_day_of_healthy_feeds_has_no_suspect_and_no_dead() {
    let mut board = board();
    let (btc, mut random) = (Symbol::parse("BTCUSDT").unwrap(), 7_u64);
    delivering(&mut board, T);
    for second in 1..=86_400 {
        let at = T.plus_ms(second * 1000);
        // Twice the liquidations of signals.md 9's busy day on each venue, at random seconds.
        for venue in [Venue::Binance, Venue::Bybit] {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if (random >> 33) % 3600 < 660 {
                board.liquidation(venue, at, btc, false);
            }
        }
        assert_eq!(delivering(&mut board, at), [], "at second {second}");
    }
}

#[test]
fn what_another_replica_heard_makes_a_silent_venue_suspect_too() {
    let mut board = board();
    delivering(&mut board, T);
    let (_, reading) = board.readings(T)[1].clone();
    board.disown(Venue::Bybit);
    let btc = Symbol::parse("BTCUSDT").unwrap();
    for second in 1..=61 {
        let at = T.plus_ms(second * 1000);
        let liquidations_60s = [(btc, 25), (Symbol::parse("DOGEUSDT").unwrap(), 900)].into();
        board.heard(Venue::Bybit, &FeedHealthReading { told_ms: at, liquidations_60s, ..reading.clone() });
        board.live(Venue::Binance, "market-0", at);
        let suspect = told(&mut board, at).contains(&(Venue::Binance, FeedStatus::Suspect));
        assert_eq!(suspect, second == 60, "at second {second}");
    }
    assert!(board.readings(T)[0].1.reason.contains("25 of its markets elsewhere"));
}

#[test]
fn a_venue_that_is_taken_over_in_a_cascade_is_not_suspect_for_what_came_before() {
    let mut board = board();
    let btc = Symbol::parse("BTCUSDT").unwrap();
    board.disown(Venue::Binance);
    for second in 1..=300 {
        board.liquidation(Venue::Bybit, T.plus_ms(second * 1000), btc, false);
    }
    let now = T.plus_ms(300_000);
    board.own(Venue::Binance, now, now);
    board.expect(Venue::Binance, "market-0", &[btc], now);
    delivering(&mut board, now);
    assert_ne!(board.feeds()[&Venue::Binance], FeedStatus::Suspect);
    delivering(&mut board, now.plus_ms(59_000));
    assert_eq!(board.feeds()[&Venue::Binance], FeedStatus::Sampled);
}

#[test]
fn a_suspect_feed_stays_so_through_an_outage_until_it_tells_a_liquidation() {
    let (mut board, btc) = (board(), Symbol::parse("BTCUSDT").unwrap());
    delivering(&mut board, T);
    for second in 1..=60 {
        board.liquidation(Venue::Bybit, T.plus_ms(second * 1000), btc, false);
    }
    assert_eq!(delivering(&mut board, T.plus_ms(60_000)), [(Venue::Binance, FeedStatus::Suspect)]);
    board.delivered(Venue::Bybit, "linear-0", T.plus_ms(75_000));
    board.delivered(Venue::Bybit, "inverse-0", T.plus_ms(75_000));
    assert_eq!(told(&mut board, T.plus_ms(75_000)), [(Venue::Binance, FeedStatus::Stale)]);
    assert_eq!(delivering(&mut board, T.plus_ms(76_000)), [(Venue::Binance, FeedStatus::Suspect)]);
    board.liquidation(Venue::Binance, T.plus_ms(77_000), btc, false);
    assert_eq!(delivering(&mut board, T.plus_ms(78_000)), [(Venue::Binance, FeedStatus::Sampled)]);
}

#[test]
fn few_liquidations_elsewhere_or_of_other_markets_make_no_suspect() {
    let (mut board, btc) = (board(), Symbol::parse("BTCUSDT").unwrap());
    delivering(&mut board, T);
    for second in 1..=300 {
        let at = T.plus_ms(second * 1000);
        if second % 4 == 0 {
            board.liquidation(Venue::Bybit, at, btc, false);
        }
        board.liquidation(Venue::Bybit, at, Symbol::parse("DOGEUSDT").unwrap(), false);
        assert_eq!(delivering(&mut board, at), [], "15 a minute of its markets");
    }
}

#[test]
fn a_venue_without_a_session_says_why() {
    let mut board = board();
    let why = "does not answer: no such host".to_owned();
    board.bar(Venue::Binance, Some((FeedStatus::Dead, why.clone())));
    assert_eq!(told(&mut board, T), [], "it was dead before");
    assert_eq!(board.readings(T)[0].1.reason, why);
    board.bar(Venue::Binance, None);
    assert_eq!(delivering(&mut board, T)[0], (Venue::Binance, FeedStatus::Sampled));
}

#[test]
fn a_refusal_outranks_silence_and_names_its_reason() {
    let mut board = board();
    board.refused(Venue::Binance, "market-0", Some("60018 no such channel".into()));
    assert_eq!(told(&mut board, T), [(Venue::Binance, FeedStatus::Refused)]);
    assert_eq!(board.readings(T)[0].1.reason, "market-0: 60018 no such channel");
}

#[test]
fn a_feed_without_some_of_its_topics_is_healthy_and_names_them() {
    let mut board = board();
    board.without(Venue::Binance, "market-0", Some("dogeusdt@aggTrade: no such stream".to_owned()));
    delivering(&mut board, T);
    let reading = board.readings(T)[0].1.clone();
    assert_eq!(reading.status, FeedStatus::Sampled);
    assert_eq!(reading.reason, "market-0: goes on without dogeusdt@aggTrade: no such stream");
}

#[test]
fn a_clock_that_is_off_is_named_and_judges_nothing() {
    let mut board = board();
    for (off_ms, named) in [(4_000, "4000 ms ahead of"), (-4_000, "4000 ms behind"), (-80, "")] {
        board.clock_offset(Venue::Binance, "market-0", Some(off_ms));
        delivering(&mut board, T);
        let reading = board.readings(T)[0].1.clone();
        assert_eq!((reading.status, reading.clock_offset_ms), (FeedStatus::Sampled, Some(off_ms)));
        assert!(
            reading.reason.contains(named) && reading.reason.is_empty() == named.is_empty(),
            "{reading:?}"
        );
    }
}

#[test]
fn what_another_replica_says_of_its_venue_stands_until_it_says_nothing_more() {
    let mut board = board();
    delivering(&mut board, T);
    let (_, reading) = board.readings(T)[1].clone();
    assert!(reading.settled && reading.heard_to_ms == Some(T));
    board.disown(Venue::Bybit);
    assert_eq!(board.foreign(), [Venue::Bybit]);
    let status = |board: &mut Board, at_ms| {
        board.judge(T.plus_ms(at_ms));
        board.feeds()[&Venue::Bybit]
    };
    board.heard(Venue::Bybit, &FeedHealthReading { told_ms: T.plus_ms(5_000), ..reading });
    assert_eq!(status(&mut board, 14_999), FeedStatus::Live);
    assert_eq!(status(&mut board, 15_000), FeedStatus::Stale);
    assert_eq!(status(&mut board, 35_000), FeedStatus::Dead);
    let health = board.healths()[1].clone();
    assert_eq!(
        (health.since_ms, health.reason.as_str()),
        (T.plus_ms(35_000), "its reader says nothing more")
    );
    assert_eq!(board.readings(T).len(), 1, "what others read is theirs to show");
    board.own(Venue::Bybit, T, T);
    assert_eq!(told(&mut board, T.plus_ms(36_000)), [], "dead still: it is not connected yet");
}

#[test]
fn a_feed_that_is_taken_over_is_late_only_when_it_would_be() {
    let mut board = board();
    delivering(&mut board, T);
    board.own(Venue::Bybit, T, T);
    assert_eq!(told(&mut board, T.plus_ms(1_000)), [], "it has no list of instruments yet");
    board.expect(Venue::Bybit, "linear-0", &[], T);
    board.delivered(Venue::Binance, "market-0", T.plus_ms(10_000));
    assert_eq!(told(&mut board, T.plus_ms(9_999)), []);
    assert_eq!(told(&mut board, T.plus_ms(10_000)), [(Venue::Bybit, FeedStatus::Dead)]);
}

#[test]
fn the_btc_price_is_the_median_of_fresh_marks_and_a_change_of_venues_is_marked() {
    let mut board = board();
    delivering(&mut board, T);
    board.bitcoin.mark(Venue::Binance, 100.0, T);
    assert_eq!(board.btc_price(T), (Some(100.0), true));
    assert_eq!(board.btc_price(T), (Some(100.0), false));
    board.bitcoin.mark(Venue::Bybit, 101.0, T.plus_ms(3000));
    assert_eq!(board.btc_price(T.plus_ms(5000)), (Some(100.5), true));
    assert_eq!(board.btc_price(T.plus_ms(5001)), (Some(101.0), true), "the older mark is too old");
    assert_eq!(board.btc_price(T.plus_ms(8001)), (None, true));
}
