//! What is remembered, how much memory that takes, and how large a snapshot it makes.

use crate::stream::{FEEDS, Stream, bar, mark, sample, symbol, tick};
use cascade_domain::{Event, Mark, State, Symbol, Venue};
use cascade_engine::Engine;
use cascade_open_interest::Config;

fn mention(stream: &mut Stream, second: i64, name: &str) {
    stream
        .hear(&Event::Mark(Mark { symbol: symbol(name), ..mark(second * 1_000, Venue::Okx, name, 1.0) }))
        .unwrap();
}

fn known(stream: &Stream) -> Vec<String> {
    stream.engine.symbols().map(Symbol::to_string).collect()
}

#[test]
fn where_a_shard_is_full_the_symbol_silent_for_longest_goes() {
    let mut config = Config::default();
    config.memory.max_symbols = 3;
    let mut stream = Stream::with("XUSDT", config);
    for (second, name) in ["AUSDT", "BUSDT", "CUSDT", "AUSDT", "DUSDT"].into_iter().enumerate() {
        mention(&mut stream, i64::try_from(second).unwrap(), name);
    }
    assert_eq!(known(&stream), ["AUSDT", "CUSDT", "DUSDT"]);
}

#[test]
fn a_symbol_that_is_silent_for_an_hour_is_forgotten_unless_it_has_an_episode() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Venue::Binance, 1e6), (Venue::Bybit, 1e6)]);
    stream.run_to(910);
    mention(&mut stream, 910, "AUSDT");
    stream.hold(&[(Venue::Binance, 2e6), (Venue::Bybit, 2e6)]);
    stream.run_to(911);
    stream.held.clear();
    stream.price = 0.0;
    for second in [4_510, 4_511] {
        stream.hear(&Event::Tick(tick(second * 1_000, &FEEDS))).unwrap();
        let is_first = second == 4_510;
        assert_eq!(known(&stream).len(), 1 + usize::from(is_first), "{second}");
    }
    // The episode is closed a window after its figures ran out, and then the symbol goes too.
    stream.hear(&Event::Tick(tick(5_412_000, &FEEDS))).unwrap();
    assert_eq!(stream.last().state, State::Closed);
    assert!(known(&stream).is_empty());
}

#[test]
fn an_instrument_that_is_silent_for_a_day_is_forgotten() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Venue::Binance, 1e6)]);
    stream.sample(sample(0, Venue::Okx, "BTCUSDT", 1.0));
    stream.run_to(2);
    let both = stream.engine.bytes();
    for second in [43_200, 86_400] {
        stream.skip_to(second);
        stream.run_to(second + 2);
    }
    assert!(stream.engine.bytes() < both + 3_000, "the other's grids have come, its own are gone");
}

#[test]
fn trades_alone_are_no_symbol() {
    let mut stream = Stream::new("BTCUSDT");
    stream.bar(bar(0, Venue::Okx, "BTCUSDT", 1.0));
    assert!(known(&stream).is_empty());
}

/// 300 symbols on four venues, each sampled and traded for a day: what that takes.
#[test]
fn a_day_of_300_symbols_on_four_venues_takes_less_than_25_megabytes() {
    const SYMBOLS: usize = 300;
    // A few symbols stand for all; each of them takes as much as any other.
    const HEARD: usize = 3;
    let mut stream = Stream::new("S0USDT");
    let names: Vec<_> = (0..HEARD).map(|number| format!("S{number}USDT")).collect();
    let mut dice = 7_u64;
    let mut walk = |level: &mut f64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let step = f64::from(u16::try_from(dice >> 48).unwrap()) / 65_536.0 - 0.5;
        *level *= 1.0 + step * 1e-3;
        (*level * 1_000.0).round() / 1_000.0
    };
    let mut coins = [[2_345_678.9; 4]; HEARD];
    let mut price = [1.234_5; HEARD];
    for second in (0..=86_400_i64).filter(|second| second % 20 == 0 || *second > 85_400) {
        for (number, name) in names.iter().enumerate() {
            for venue in Venue::ALL {
                if second % 5 == 0 {
                    let held = walk(&mut coins[number][venue as usize]);
                    stream.sample(sample(second * 1_000, venue, name, held));
                }
                stream.bar(bar(second * 1_000 - 2_000, venue, name, walk(&mut 400.0)));
                let price = walk(&mut price[number]);
                stream.hear(&Event::Mark(mark(second * 1_000, venue, name, price))).unwrap();
            }
        }
        stream.hear(&Event::Tick(tick(second * 1_000, &FEEDS))).unwrap();
    }
    let bytes = stream.engine.bytes() / HEARD * SYMBOLS;
    let snapshot = rmp_serde::to_vec(stream.engine.state()).unwrap().len() / HEARD * SYMBOLS;
    println!(
        "300 symbols on four venues: {} kB of memory, {} kB of snapshots, {} kB a shard",
        bytes / 1_000,
        snapshot / 1_000,
        snapshot / 64_000
    );
    assert!(bytes < 25_000_000, "{bytes} bytes of memory");
    assert!(snapshot < 12_000_000, "{snapshot} bytes of snapshots");
}
