//! Instruments of a venue, and venues, that come, go and alternate: no change where nothing changed.

use crate::stream::{Stream, instrument, sample, symbol};
use cascade_domain::{Event, OpenInterest, State, Swing, Venue};
use cascade_open_interest::Config;

use Venue::{Binance, Bybit, Okx};

fn hold(stream: &mut Stream, venue: Venue, instrument: &str, coins: f64) {
    stream.held.insert((venue, instrument.into()), coins);
}

#[test]
fn two_instruments_that_alternate_make_no_change() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Bybit, 1e6)]);
    for second in 0..1_000 {
        // A sample of one, then of the other: their levels are far apart.
        if second % 5 == 0 {
            let (name, coins) = if second % 10 == 0 { ("BTCUSDT", 1e6) } else { ("BTCUSD_PERP", 2e5) };
            let told = sample(second * 1_000, Binance, "BTCUSDT", coins);
            stream.sample(OpenInterest { instrument: instrument(name), ..told });
        }
        stream.tell_samples();
        stream.tell_rest();
    }
    assert_eq!(stream.story(), []);
    let quarter = stream.changes().spans["15m"].clone();
    assert_eq!((quarter.change_pct, quarter.venues[&Binance].change_pct), (0.0, 0.0));
    assert_eq!(quarter.venues[&Binance].after.coins, 1.2e6);
}

#[test]
fn a_listing_that_appears_makes_no_change() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(910);
    hold(&mut stream, Binance, "BTCUSDC", 1e6);
    hold(&mut stream, Bybit, "BTCPERP", 1e6);
    stream.run_to(1_100);
    assert_eq!(stream.change("15m"), Some(0.0));
    assert_eq!(stream.current().total.unwrap().coins, 4e6, "they are there all the same");
    stream.run_to(2_100);
    assert_eq!(stream.change("15m"), Some(0.0));
    assert_eq!(stream.changes().spans["15m"].after.coins, 4e6, "and counted once there is a beginning");
    assert_eq!(stream.story(), []);
}

#[test]
fn a_listing_that_vanishes_makes_no_change() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    hold(&mut stream, Binance, "BTCUSDC", 1e6);
    hold(&mut stream, Bybit, "BTCPERP", 1e6);
    stream.run_to(910);
    stream.held.retain(|(_, name), _| name == "BTCUSDT");
    for second in 911..2_000 {
        stream.run_to(second);
        assert_eq!(stream.change("15m"), Some(0.0), "{second}");
    }
    assert_eq!(stream.story(), []);
    assert_eq!(stream.current().venues[&Binance].instruments.len(), 1);
}

#[test]
fn an_instrument_without_open_interest_is_no_change_when_it_gets_some() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 0.0), (Bybit, 0.0), (Okx, 1e6)]);
    stream.run_to(910);
    stream.hold(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.run_to(920);
    assert_eq!(stream.story(), []);
    let quarter = stream.changes().spans["15m"].clone();
    assert_eq!((quarter.change_pct, quarter.venues.len()), (0.0, 1), "from nothing there is no percentage");
}

#[test]
fn a_late_sample_is_no_news() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6)]);
    stream.run_to(11);
    stream.sample(sample(9_000, Binance, "BTCUSDT", 5e6));
    let older = OpenInterest {
        event_time_ms: Some(crate::stream::at(9_000)),
        ..sample(10_500, Binance, "BTCUSDT", 5e6)
    };
    stream.sample(older);
    assert_eq!(stream.current().total.unwrap().coins, 1e6);
}

#[test]
fn one_that_tells_dollars_where_it_told_coins_begins_anew() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Bybit, 1e6), (Okx, 1e6)]);
    for second in 0..930 {
        let told = sample(second * 1_000, Binance, "BTCUSDT", 1e6);
        stream.tell_samples();
        let dollars = cascade_domain::Usd::from_dollars(50_000_000);
        match second % 5 {
            0 if second < 910 => stream.sample(told),
            0 => stream.sample(OpenInterest { coins: None, usd: Some(dollars), ..told }),
            _ => {}
        }
        stream.tell_rest();
    }
    let quarter = stream.changes().spans["15m"].clone();
    assert_eq!(quarter.venues.keys().copied().collect::<Vec<_>>(), [Bybit, Okx]);
    assert_eq!(stream.current().venues[&Binance].total.coins, 5e5);
}

#[test]
fn a_level_that_leaves_its_unit_begins_anew() {
    let mut stream = Stream::new("XUSDT").holding(&[(Binance, 3e13), (Bybit, 3e13)]);
    stream.run_to(910);
    stream.hold(&[(Binance, 3e17), (Bybit, 12.5)]);
    stream.run_to(920);
    assert_eq!(stream.story(), []);
    assert_eq!(stream.change("15m"), None);
    let current = stream.current();
    assert_eq!((current.venues[&Binance].total.coins, current.venues[&Bybit].total.coins), (3e17, 12.5));
}

#[test]
fn what_is_no_amount_of_coins_is_not_used() {
    let mut stream = Stream::new("XUSDT");
    stream.sample(sample(0, Binance, "XUSDT", 1e30));
    let nothing = OpenInterest { coins: None, usd: None, ..sample(0, Bybit, "XUSDT", 0.0) };
    stream.sample(nothing);
    assert!(stream.engine.current(&symbol("XUSDT")).is_none());
    let bad = sample(0, Binance, "XUSDT", f64::NAN);
    let refused = stream.hear(&Event::OpenInterest(bad)).unwrap_err();
    assert_eq!(refused, cascade_engine::Refused::NotANumber);
}

#[test]
fn beyond_so_many_instruments_the_one_silent_for_longest_goes() {
    let mut config = Config::default();
    config.memory.max_instruments = 3;
    let mut stream = Stream::with("XUSDT", config);
    for (second, name) in ["A", "B", "C", "A", "D"].into_iter().enumerate() {
        let ms = i64::try_from(second).unwrap() * 1_000;
        stream.sample(OpenInterest { instrument: instrument(name), ..sample(ms, Okx, "XUSDT", 1.0) });
    }
    let names: Vec<_> = stream.current().venues[&Okx].instruments.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["A", "C", "D"]);
}

#[test]
fn a_small_instrument_does_not_speak_for_a_venue_whose_large_one_fell_silent() {
    let usdc = (Binance, "BTCUSDC".to_owned());
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.held.insert(usdc.clone(), 1e4);
    stream.run_to(910);
    stream.hold(&[(Bybit, 1.04e6)]);
    stream.held.insert(usdc, 1.05e4);
    stream.held.remove(&(Binance, "BTCUSDT".to_owned()));
    stream.run_to(1_000);
    assert_eq!(stream.story(), [], "5 % of its least part");
    assert_eq!(stream.changes().spans["15m"].venues.keys().copied().collect::<Vec<_>>(), [Bybit]);
}

#[test]
fn an_episode_stands_while_the_large_instrument_of_a_venue_is_silent() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)]);
    stream.held.insert((Binance, "BTCUSDC".to_owned()), 1e4);
    stream.run_to(910);
    stream.hold(&[(Binance, 1.04e6), (Bybit, 1.04e6)]);
    stream.run_to(1_000);
    let silent = stream.held.remove_entry(&(Binance, "BTCUSDT".to_owned()));
    stream.run_to(1_050);
    stream.held.extend(silent);
    stream.run_to(1_100);
    assert_eq!(stream.story(), [(State::Open, Swing::Explosion)]);
}
