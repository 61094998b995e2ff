//! The reference price, its changes over 60 s and 15 min, and what they decide (signals.md 1, 6 and 8).

use crate::stream::{Stream, liquidation, mark};
use cascade_domain::{
    CascadeFinding, Event, FeedStatus, Instrument, Level, Liquidation, Mark, Reason, Side, State, Venue,
};

/// Marks and ticks at the whole seconds of [from, to).
fn priced(stream: &mut Stream, from: i64, to: i64, price: impl Fn(i64) -> f64) {
    for second in from..to {
        stream.mark(second * 1_000, price(second));
        stream.ticks(second, second + 1);
    }
}

#[test]
fn the_reference_price_is_the_median_of_live_venues_linear_marks() {
    let mut stream = Stream::warm();
    stream.feeds = vec![
        (Venue::Binance, FeedStatus::Live),
        (Venue::Bybit, FeedStatus::Live),
        (Venue::Okx, FeedStatus::Stale),
    ];
    let venues = [(Venue::Binance, 100_000.0), (Venue::Bybit, 100_100.0), (Venue::Okx, 90_000.0)];
    for second in 0..65 {
        stream.ticks(second, second + 1);
        for (venue, price) in venues {
            let price = if second < 5 { 100_000.0 } else { price };
            let own = Mark { venue, ..mark(second * 1_000, price) };
            stream.hear(&Event::Mark(own.clone())).unwrap();
            let inverse = Instrument::parse("BTCUSD").unwrap();
            let inverse = Mark { instrument: inverse, mark_price: Some(1.0), ..own };
            stream.hear(&Event::Mark(inverse)).unwrap();
        }
    }
    stream.liquidate(liquidation(64_500, 4_000_000));
    // At 4 s: 100,000 of both. Now: between Binance's 100,000 and Bybit's 100,100; Okx is stale and left out.
    assert_eq!(stream.last().flow.price_change_60s, Some(50.0 / 100_000.0));
}

/// What is told of 1.2M at a second and a half, where the price went from 100,000 to this at some second.
fn after_move(to: f64, moved: i64, end: i64, side: Side) -> (Level, Vec<Reason>) {
    let mut stream = Stream::warm();
    priced(&mut stream, 0, end + 1, |second| if second < moved { 100_000.0 } else { to });
    stream.liquidate(Liquidation { side, ..liquidation(end * 1_000 + 500, 1_200_000) });
    (stream.last().level, stream.last().reasons.clone())
}

#[test]
fn a_price_that_falls_for_a_quarter_of_an_hour_makes_a_watch_an_alert() {
    let alert = (Level::Alert, vec![Reason::PriceDrop]);
    let watch = (Level::Watch, vec![Reason::Flow]);
    assert_eq!(after_move(97_000.0, 400, 900, Side::Long), alert, "-3 %");
    assert_eq!(after_move(97_001.0, 400, 900, Side::Long), watch, "-2.999 %");
    assert_eq!(after_move(103_000.0, 400, 900, Side::Long), watch, "not in its direction");
    assert_eq!(after_move(103_000.0, 400, 900, Side::Short), alert, "in its direction");
    assert_eq!(after_move(97_000.0, 1, 900, Side::Long), alert, "all but 15 min ago");
    assert_eq!(after_move(97_000.0, 1, 901, Side::Long), watch, "15 min ago");
    assert_eq!(after_move(97_000.0, 400, 899, Side::Long), watch, "not yet known for so long");
}

/// What is told of 9M at 60.5 s, where marks were silent between 20 s and this second and the price has fallen by 1 %.
fn after_silence(until: i64) -> CascadeFinding {
    let mut stream = Stream::warm();
    priced(&mut stream, 0, 21, |_| 100_000.0);
    stream.ticks(21, until);
    priced(&mut stream, until, 61, |_| 99_000.0);
    stream.liquidate(liquidation(60_500, 9_000_000));
    stream.last().clone()
}

#[test]
fn a_change_needs_four_fifths_of_its_samples() {
    // The mark of 20 s counts until 25 s: 26 s to 37 s are 12 samples of 60.
    let told = after_silence(38);
    assert_eq!((told.flow.price_change_60s, told.level), (Some(-0.01), Level::Critical));
    let told = after_silence(39);
    assert_eq!((told.flow.price_change_60s, told.level), (None, Level::Alert));
}

#[test]
fn a_closing_tells_by_how_much_the_price_moved_until_it_was_quiet() {
    let mut stream = Stream::warm();
    let price = |second| match second {
        0 => 100_000.0,
        1..=40 => 99_000.0,
        _ => 101_000.0,
    };
    priced(&mut stream, 0, 1, price);
    stream.liquidate(liquidation(100, 4_000_000));
    priced(&mut stream, 1, 120, price);
    assert_eq!(stream.last().state, State::Resolved);
    let closing = stream.last().closing.clone().unwrap();
    assert_eq!((closing.price_change, closing.duration_ms), (Some(-0.01), 39_900));
}
