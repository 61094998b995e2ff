//! What fires and what does not: each preset, each group of symbols, signs, venues, minima.

use crate::stream::Stream;
use cascade_domain::{State, Swing, Venue};
use cascade_open_interest::{Config, PresetName, SymbolOverride};

use Venue::{Binance, Bybit, Hyperliquid, Okx};

/// Each symbol's threshold by preset, percent, and its minimum, US dollars.
const ROWS: [(&str, i32, i32, i32); 4] = [
    ("BTCUSDT", 3, 15, 50_000_000),
    ("ETHUSDT", 3, 18, 25_000_000),
    ("SOLUSDT", 4, 25, 10_000_000),
    ("XUSDT", 8, 30, 5_000_000),
];

fn of(preset: PresetName) -> Config {
    Config { preset, ..Config::default() }
}

/// Venues that hold a million coins each for 15 minutes, and then these.
fn then(name: &str, config: Config, after: &[(Venue, f64)]) -> Stream {
    let before: Vec<_> = after.iter().map(|(venue, _)| (*venue, 1_000_000.0)).collect();
    let mut stream = Stream::with(name, config).holding(&before);
    stream.run_to(910);
    assert_eq!(stream.story(), []);
    stream.hold(after);
    stream.run_to(916);
    stream
}

#[test]
fn at_the_threshold_it_fires_and_a_hair_below_it_does_not() {
    for (name, balanced, seed, _) in ROWS {
        for (preset, pct) in [(PresetName::Balanced, balanced), (PresetName::Seed, seed)] {
            for (sign, swing) in [(1.0, Swing::Explosion), (-1.0, Swing::Collapse)] {
                let moved = 1_000_000.0 + sign * 10_000.0 * f64::from(pct);
                let told = |second: f64| {
                    then(name, of(preset), &[(Binance, moved), (Bybit, second), (Okx, 1_000_000.0)]).story()
                };
                assert_eq!(told(moved), [(State::Open, swing)], "{name} {preset:?} {sign}");
                assert_eq!(told(moved - sign * 1e-6), [], "{name} {preset:?} {sign}: a micro-coin less");
            }
        }
    }
}

#[test]
fn a_symbol_may_have_thresholds_of_its_own_whatever_the_preset() {
    for preset in [PresetName::Balanced, PresetName::Seed] {
        let mut config = of(preset);
        let own = SymbolOverride { threshold_pct: Some(2.0), minimum_usd: Some(1e9) };
        config.symbols.insert(crate::stream::symbol("XUSDT"), own);
        let stream = then("XUSDT", config.clone(), &[(Binance, 1_020_000.0), (Bybit, 1_020_000.0)]);
        assert_eq!(stream.story(), [], "2 million coins at 100 dollars are no billion");
        config.symbols.insert(crate::stream::symbol("XUSDT"), SymbolOverride { minimum_usd: None, ..own });
        let told = |coins| {
            let stream = then("XUSDT", config.clone(), &[(Binance, coins), (Bybit, coins)]);
            stream.findings().iter().map(|finding| finding.threshold_pct).collect::<Vec<_>>()
        };
        assert_eq!((told(1_019_999.0), told(1_020_000.0)), (vec![], vec![2.0]));
    }
}

#[test]
fn venues_of_opposite_signs_do_not_confirm_each_other() {
    let stream =
        then("BTCUSDT", Config::default(), &[(Binance, 1_100_000.0), (Bybit, 900_000.0), (Okx, 1_000_000.0)]);
    assert_eq!(stream.story(), []);
}

#[test]
fn one_venue_alone_does_not_fire() {
    assert_eq!(then("BTCUSDT", Config::default(), &[(Binance, 2_000_000.0)]).story(), []);
    let flat = [(Binance, 2_000_000.0), (Bybit, 1_000_000.0), (Okx, 1_000_000.0)];
    assert_eq!(then("BTCUSDT", Config::default(), &flat).story(), []);
    let config = Config { min_venues: 1, ..Config::default() };
    assert_eq!(then("BTCUSDT", config, &flat).story(), [(State::Open, Swing::Explosion)]);
}

#[test]
fn as_many_venues_as_the_setting_says_must_confirm() {
    let after = [(Binance, 1_040_000.0), (Bybit, 1_040_000.0), (Okx, 1_000_000.0)];
    let config = Config { min_venues: 3, ..Config::default() };
    assert_eq!(then("BTCUSDT", config.clone(), &after).story(), []);
    let after = after.map(|(venue, _)| (venue, 1_040_000.0));
    assert_eq!(then("BTCUSDT", config, &after).story(), [(State::Open, Swing::Explosion)]);
}

#[test]
fn where_both_signs_fire_more_venues_decide_and_then_the_sum() {
    let up = |coins| [(Binance, coins), (Bybit, 1_050_000.0), (Okx, 950_000.0), (Hyperliquid, 950_000.0)];
    assert_eq!(
        then("BTCUSDT", Config::default(), &up(1_060_000.0)).story(),
        [(State::Open, Swing::Explosion)]
    );
    assert_eq!(
        then("BTCUSDT", Config::default(), &up(1_040_000.0)).story(),
        [(State::Open, Swing::Collapse)]
    );
    let config = Config { min_venues: 1, ..Config::default() };
    let three = [(Binance, 1_500_000.0), (Bybit, 950_000.0), (Okx, 950_000.0)];
    assert_eq!(then("BTCUSDT", config, &three).story(), [(State::Open, Swing::Collapse)], "two against one");
}

#[test]
fn below_the_minimum_nothing_is_opened() {
    for (name, pct, _, minimum) in ROWS {
        // Coins at 100 dollars: what all venues hold afterwards is the minimum, or a coin less.
        let told = |less: f64| {
            let after = f64::from(minimum) / 200.0 - less;
            let before = after / (1.0 + f64::from(pct + 1) / 100.0);
            let mut stream = Stream::new(name).holding(&[(Binance, before), (Bybit, before)]);
            stream.run_to(910);
            stream.hold(&[(Binance, after), (Bybit, after)]);
            stream.run_to(916);
            stream.story().len()
        };
        assert_eq!((told(0.0), told(0.5)), (1, 0), "{name}");
    }
}

#[test]
fn without_a_price_the_minimum_counts_what_samples_carried() {
    let told = |usd: Option<i64>, price: f64| {
        let mut stream = Stream::new("BTCUSDT");
        stream.price = price;
        for second in 0..916 {
            let coins = if second < 910 { 1_000.0 } else { 1_100.0 };
            for venue in [Binance, Bybit].into_iter().filter(|_| second % 5 == 0) {
                let sample = crate::stream::sample(second * 1_000, venue, "BTCUSDT", coins);
                let usd = usd.map(cascade_domain::Usd::from_dollars);
                stream.sample(cascade_domain::OpenInterest { usd, ..sample });
            }
            stream.tell_rest();
        }
        let usd = stream.findings().last().and_then(|told| told.after).and_then(|after| after.usd);
        (stream.story().len(), usd)
    };
    assert_eq!(told(Some(25_000_000), 0.0), (1, None));
    assert_eq!(told(Some(24_999_999), 0.0), (0, None));
    assert_eq!(told(None, 0.0), (0, None), "nobody says what it is worth");
    // The price, where it is known, decides alone: 2200 coins at 100 dollars.
    assert_eq!(told(Some(25_000_000), 100.0), (0, None));
}
