//! What gaps and feed states take away, and from whom (signals.md 1 and 7).

use crate::stream::{Stream, at, gap, liquidation, symbol};
use cascade_domain::{
    CascadeFinding, Event, FeedHealth, FeedStatus, Gap, GapStream, Level, Liquidation, Venue,
};

/// The last that was told of a symbol.
fn last_of<'a>(stream: &'a Stream, name: &str) -> &'a CascadeFinding {
    stream.cascades().into_iter().rfind(|finding| finding.symbol == symbol(name)).unwrap()
}

/// A stream with a mark of 100,000 each second up to 64 s.
fn priced() -> Stream {
    let mut stream = Stream::warm();
    for second in 0..=64 {
        stream.mark(second * 1_000, 100_000.0);
        stream.ticks(second, second + 1);
    }
    stream
}

#[test]
fn a_gap_of_single_symbols_is_theirs_alone() {
    let mut stream = Stream::warm();
    stream.liquidate(liquidation(100, 4_000_000));
    stream.liquidate(Liquidation { symbol: symbol("ETHUSDT"), ..liquidation(100, 4_000_000) });
    let own = Gap { symbols: vec![symbol("ETHUSDT")], ..gap(GapStream::Liquidations, 500, 900) };
    stream.hear(&Event::Gap(own)).unwrap();
    stream.ticks(1, 2);
    let (bitcoin, ether) = (last_of(&stream, "BTCUSDT"), last_of(&stream, "ETHUSDT"));
    // One order in the 2 s that end at .9 s: .5 orders a second, from none.
    assert_eq!((bitcoin.metrics.acceleration, ether.metrics.acceleration), (Some(0.25), None));
    assert_eq!(bitcoin.lower_bound, [Venue::Binance], "sampled");
    assert_eq!(ether.lower_bound, [Venue::Binance, Venue::Bybit]);
}

#[test]
fn a_gap_in_marks_forgets_the_price_until_the_next() {
    let mut stream = priced();
    let other = Gap { venue: Venue::Okx, ..gap(GapStream::Mark, 64_000, 64_400) };
    stream.hear(&Event::Gap(other)).unwrap();
    stream.liquidate(liquidation(64_500, 3_000_000));
    assert_eq!(stream.last().flow.price_change_60s, Some(0.0), "a gap of another venue");
    stream.hear(&Event::Gap(gap(GapStream::Mark, 64_000, 64_600))).unwrap();
    stream.liquidate(liquidation(64_700, 15_000_000));
    assert_eq!((stream.last().flow.price_change_60s, stream.last().level), (None, Level::Critical), "18M");
    stream.mark(64_800, 98_500.0);
    stream.liquidate(liquidation(64_900, 12_000_000));
    assert_eq!((stream.last().flow.price_change_60s, stream.last().level), (Some(-0.015), Level::Extreme));
}

#[test]
fn a_feed_that_is_said_to_be_dead_is_dead_before_the_next_tick() {
    let mut stream = priced();
    stream.liquidate(liquidation(64_100, 1_000_000));
    assert_eq!(stream.last().flow.price_change_60s, Some(0.0));
    let dead = FeedHealth {
        venue: Venue::Bybit,
        status: FeedStatus::Dead,
        since_ms: at(64_000),
        reason: "silent".into(),
    };
    stream.hear(&Event::FeedHealth(dead)).unwrap();
    stream.liquidate(liquidation(64_500, 3_000_000));
    let told = stream.last();
    assert_eq!(told.feeds[&Venue::Bybit], FeedStatus::Dead);
    assert_eq!(told.lower_bound, [Venue::Binance, Venue::Bybit]);
    assert_eq!(told.flow.price_change_60s, None, "only Bybit gave marks");
    // Half of .5: one of two venues is live.
    assert!((told.confidence - 0.25).abs() < 1e-12, "{}", told.confidence);
}
