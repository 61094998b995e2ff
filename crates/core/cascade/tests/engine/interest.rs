//! Open interest: the unit that grows with it, and its change over a minute (signals.md 5 and 6).

use crate::stream::{Stream, interest, liquidation, mark, symbol};
use cascade_domain::{Event, Level, Liquidation, Mark, OpenInterest, Usd, Venue};

fn doge(ms: i64, dollars: i64) -> Liquidation {
    Liquidation { symbol: symbol("DOGEUSDT"), ..liquidation(ms, dollars) }
}

#[test]
fn the_unit_is_a_share_of_the_open_interest_of_all_venues() {
    let mut stream = Stream::warm();
    for (venue, millions) in [(Venue::Bybit, 600), (Venue::Binance, 400)] {
        let usd = Some(Usd::from_dollars(millions * 1_000_000));
        let sample = OpenInterest { venue, symbol: symbol("DOGEUSDT"), coins: None, usd, ..interest(0, 0.0) };
        stream.hear(&Event::OpenInterest(sample)).unwrap();
    }
    // .05 % of 1bn is 500k; a third of that is 166,667.
    stream.liquidate(doge(100, 166_666));
    assert!(stream.cascades().is_empty());
    stream.liquidate(doge(101, 1));
    assert_eq!(
        (stream.last().level, stream.last().flow.unit_usd),
        (Level::Watch, Usd::from_dollars(500_000))
    );
}

#[test]
fn coins_count_at_the_reference_price() {
    let mut stream = Stream::warm();
    stream.hear(&Event::Mark(Mark { symbol: symbol("DOGEUSDT"), ..mark(0, 0.25) })).unwrap();
    let sample = OpenInterest { symbol: symbol("DOGEUSDT"), ..interest(0, 4e9) };
    stream.hear(&Event::OpenInterest(sample)).unwrap();
    stream.liquidate(doge(100, 166_667));
    assert_eq!(
        (stream.last().level, stream.last().flow.unit_usd),
        (Level::Watch, Usd::from_dollars(500_000))
    );
    assert_eq!(stream.last().context.open_interest_usd, Some(Usd::from_dollars(1_000_000_000)));
}

#[test]
fn the_change_is_of_all_venues_coins_and_not_of_their_worth() {
    let mut stream = Stream::warm();
    let sample = |ms, venue, coins, millions: i64| {
        let usd = Some(Usd::from_dollars(millions * 1_000_000));
        Event::OpenInterest(OpenInterest { venue, usd, ..interest(ms, coins) })
    };
    for second in 0..70 {
        stream.ticks(second, second + 1);
        stream.hear(&sample(second * 1_000, Venue::Bybit, 1_000.0, 100)).unwrap();
        stream.hear(&sample(second * 1_000, Venue::Binance, 3_000.0, 300)).unwrap();
    }
    stream.hear(&sample(69_500, Venue::Bybit, 990.0, 120)).unwrap();
    stream.liquidate(liquidation(69_600, 4_000_000));
    // 10 coins of 4,000 less, worth more: a quarter of the full 1 %.
    assert_eq!(stream.last().context.oi_change_1m, Some(-0.002_5));
    assert_eq!(stream.last().context.open_interest_usd, Some(Usd::from_dollars(420_000_000)));
    assert!((stream.last().scores.oi_change - 0.25).abs() < 1e-12);
}
