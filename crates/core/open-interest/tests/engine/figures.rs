//! What a finding says: the figures of contract.md 5, and how open interest and price read together.

use crate::stream::{Stream, instrument, mark, sample};
use cascade_domain::{Event, Holding, Mark, OpenInterest, PositionReading, State, Swing, Usd, Venue};

use Venue::{Binance, Bybit, Okx};

#[test]
fn from_2100_to_2478_million_dollars_on_three_venues() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 15_000.0), (Bybit, 9_000.0), (Okx, 6_000.0)]);
    stream.price = 70_000.0;
    stream.run_to(910);
    stream.hold(&[(Binance, 17_700.0), (Bybit, 10_620.0), (Okx, 7_080.0)]);
    stream.run_to(911);
    let told = stream.last();
    assert_eq!((told.state, told.direction, told.revision), (State::Open, Swing::Explosion, 1));
    assert_eq!((told.change_pct, told.confirming, told.with_data), (Some(18.0), 3, 3));
    let held = |coins, dollars| Some(Holding { coins, usd: Some(Usd::from_dollars(dollars)) });
    assert_eq!(told.before, held(30_000.0, 2_100_000_000));
    assert_eq!(told.after, held(35_400.0, 2_478_000_000));
    assert_eq!((told.price_change, told.reading), (Some(0.0), Some(PositionReading::Flat)));
    assert_eq!((told.divergence_pct, told.threshold_pct, told.window_s), (Some(18.0), 3.0, 900));
    let venue = told.venues[&Binance];
    assert_eq!((venue.change_pct, Some(venue.after)), (18.0, held(17_700.0, 1_239_000_000)));
    assert_eq!(told.known_at_ms, crate::stream::at(910_000));
    assert_eq!((told.warming, told.ending, told.feeds.len()), (false, None, 4));
    let after = told.after.and_then(|held| held.usd).unwrap();
    let before = told.before.and_then(|held| held.usd).unwrap();
    assert_eq!(format!("{before} -> {after} (+{})", after - before), "$2.1B -> $2.5B (+$378.0M)");
}

#[test]
fn a_venue_without_data_is_not_counted() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(500);
    // It comes late: what it held 15 minutes ago is not known.
    stream.hold(&[(Okx, 5e6)]);
    stream.run_to(910);
    stream.hold(&[(Binance, 1.05e6), (Bybit, 1.05e6), (Okx, 9e6)]);
    stream.run_to(911);
    let told = stream.last();
    assert_eq!((told.confirming, told.with_data), (2, 2));
    assert_eq!(told.change_pct, Some(5.0), "what the third holds is in neither sum");
    assert!(!told.venues.contains_key(&Okx));
}

#[test]
fn the_five_readings() {
    for (coins, price, reading) in [
        (1.1e6, 101.0, PositionReading::NewLongs),
        (1.1e6, 99.0, PositionReading::NewShorts),
        (0.9e6, 99.0, PositionReading::LongsClosing),
        (0.9e6, 101.0, PositionReading::ShortsCovering),
        (1.1e6, 100.09, PositionReading::Flat),
        (0.9e6, 99.91, PositionReading::Flat),
        (1.1e6, 100.11, PositionReading::NewLongs),
    ] {
        let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
        stream.run_to(905);
        stream.price = price;
        stream.run_to(910);
        stream.hold(&[(Binance, coins), (Bybit, coins)]);
        stream.run_to(911);
        let told = stream.last();
        assert_eq!(told.reading, Some(reading), "{coins} {price}");
        let change = (price - 100.0) / 100.0;
        assert_eq!(told.price_change, Some(change));
        assert_eq!(told.divergence_pct, told.change_pct.map(|pct| pct - change * 100.0));
    }
}

#[test]
fn a_price_that_halves_with_constant_coins_is_no_change() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(905);
    stream.price = 50.0;
    stream.run_to(920);
    assert_eq!(stream.story(), []);
    let changes = stream.changes();
    let quarter = &changes.spans["15m"];
    assert_eq!((quarter.change_pct, quarter.price_change), (0.0, Some(-0.5)));
    assert_eq!(quarter.before.usd, Some(Usd::from_dollars(200_000_000)));
    assert_eq!(quarter.after.usd, Some(Usd::from_dollars(100_000_000)));
    assert_eq!((quarter.reading, quarter.divergence_pct), (None, Some(50.0)));
}

#[test]
fn a_price_that_was_not_known_then_or_is_not_now_leaves_dollars_out() {
    let held = [(Binance, 1e6), (Bybit, 1e6)];
    let mut stream = Stream::new("BTCUSDT").holding(&held);
    stream.price = 0.0;
    stream.run_to(100);
    stream.price = 100.0;
    stream.run_to(920);
    let known_now = stream.changes().spans["15m"].clone();
    assert_eq!((known_now.before.usd, known_now.after.usd), (None, Some(Usd::from_dollars(200_000_000))));
    assert_eq!((known_now.price_change, known_now.reading, known_now.divergence_pct), (None, None, None));
    stream.run_to(1_100);
    stream.price = 0.0;
    stream.run_to(1_107);
    let known_then = stream.changes().spans["15m"].clone();
    assert_eq!((known_then.before.usd, known_then.after.usd), (Some(Usd::from_dollars(200_000_000)), None));
}

/// What venues tell in units of their own comes to the same coins.
#[test]
fn contracts_dollars_and_coins_make_the_same_change() {
    let mut stream = Stream::new("BTCUSDT");
    stream.price = 70_000.0;
    // As `core/venues` decodes them: OKX contracts of 0.01 coins and Bybit's doubled field are coins by then; COIN-M
    // contracts of 100 dollars have dollars alone.
    let coin_m = |ms: i64, coins: f64| OpenInterest {
        instrument: instrument("BTCUSD_PERP"),
        coins: None,
        usd: Usd::from_f64(coins * 70_000.0),
        inverse: true,
        ..sample(ms, Binance, "BTCUSDT", 0.0)
    };
    for second in 0..911 {
        let ms = second * 1_000;
        let coins = if second < 910 { 10_000.0 } else { 10_500.0 };
        let own = mark(ms, Binance, "BTCUSDT", 70_000.0);
        stream.hear(&Event::Mark(Mark { instrument: instrument("BTCUSD_PERP"), ..own })).unwrap();
        if second % 5 == 0 {
            stream.sample(coin_m(ms, coins));
            stream.sample(OpenInterest {
                instrument: instrument("BTC-USDT-SWAP"),
                ..sample(ms, Okx, "BTCUSDT", coins * 100.0 * 0.01)
            });
            stream.sample(sample(ms, Bybit, "BTCUSDT", coins * 2.0 / 2.0));
        }
        stream.tell_rest();
    }
    let told = stream.last();
    assert_eq!((told.change_pct, told.confirming, told.with_data), (Some(5.0), 3, 3));
    for venue in [Binance, Bybit, Okx] {
        let change = told.venues[&venue];
        assert_eq!((change.change_pct, change.after.coins), (5.0, 10_500.0), "{venue}");
    }
}

#[test]
fn dollars_are_coins_at_the_reference_price_of_now_and_nothing_without_one() {
    let mut stream = Stream::new("BTCUSDT");
    stream.price = 0.0;
    let dollars = OpenInterest {
        instrument: instrument("BTCUSD_PERP"),
        coins: None,
        usd: Some(Usd::from_dollars(1_000_000)),
        ..sample(0, Binance, "BTCUSDT", 0.0)
    };
    stream.sample(dollars);
    let coins = |stream: &Stream| stream.current().total.map(|total| total.coins);
    assert_eq!(coins(&stream), None, "no price at all");
    stream.price = 100.0;
    stream.run_to(2);
    assert_eq!(coins(&stream), Some(10_000.0));
    stream.price = 50.0;
    stream.run_to(4);
    assert_eq!(coins(&stream), Some(20_000.0));
}

#[test]
fn a_price_that_halves_changes_nothing_of_contracts_that_are_held_in_dollars() {
    let mut stream = Stream::new("BTCUSDT");
    for second in 0..1_000 {
        stream.price = if second < 905 { 70_000.0 } else { 35_000.0 };
        if second % 5 == 0 {
            let (ms, dollars) = (second * 1_000, 700_000_000.0);
            for (venue, name) in [(Binance, "BTCUSD_PERP"), (Okx, "BTC-USD-SWAP"), (Bybit, "BTCUSD")] {
                let told = sample(ms, venue, "BTCUSDT", dollars / stream.price);
                let coins = told.coins.filter(|_| venue != Binance);
                let usd = Usd::from_f64(dollars);
                stream.sample(OpenInterest {
                    instrument: instrument(name),
                    coins,
                    usd,
                    inverse: true,
                    ..told
                });
            }
        }
        stream.tell_rest();
    }
    assert_eq!((stream.change("15m"), stream.story()), (Some(0.0), vec![]));
}

#[test]
fn huge_and_tiny_amounts_keep_their_digits() {
    for coins in [3e13, 123_456_789_012.25, 30_000.123_456, 0.5, 0.000_1] {
        let mut config = cascade_open_interest::Config::default();
        config.others.minimum_usd = 0.0;
        let mut stream = Stream::with("PEPEUSDT", config).holding(&[(Binance, coins), (Bybit, coins)]);
        stream.price = 0.000_012;
        stream.run_to(910);
        let shown = stream.current().total.unwrap().coins;
        assert!((shown - coins * 2.0).abs() <= coins * 1e-14, "{coins}: {shown}");
        stream.hold(&[(Binance, coins * 1.5), (Bybit, coins * 0.5)]);
        stream.run_to(911);
        stream.hold(&[(Bybit, coins * 1.5)]);
        stream.run_to(921);
        let told = stream.last().change_pct.unwrap();
        assert!((told - 50.0).abs() < 1e-9, "{coins}: {told}");
    }
}
