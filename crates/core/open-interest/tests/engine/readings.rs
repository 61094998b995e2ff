//! The read-models: what is held, how it changed over each span, funding.

use crate::stream::{Stream, instrument, mark, symbol};
use cascade_domain::{Event, FeedStatus, Mark, Usd, Venue};

use Venue::{Binance, Bybit, Okx};

#[test]
fn what_is_held_by_venue_and_instrument() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1_000.0), (Bybit, 500.0)]);
    stream.held.insert((Binance, "BTCUSDC".into()), 250.0);
    stream.run_to(8);
    let shown = stream.current();
    assert_eq!((shown.symbol, shown.event_time_ms), (symbol("BTCUSDT"), crate::stream::at(7_000)));
    let total = shown.total.unwrap();
    assert_eq!((total.coins, total.usd), (1_750.0, Some(Usd::from_dollars(175_000))));
    let binance = &shown.venues[&Binance];
    assert_eq!((binance.total.coins, binance.total.usd), (1_250.0, Some(Usd::from_dollars(125_000))));
    let usdc = binance.instruments[&instrument("BTCUSDC")];
    assert_eq!((usdc.holding.coins, usdc.known_at_ms), (250.0, crate::stream::at(5_000)));
    assert_eq!(shown.venues.len(), 2);
    assert_eq!(stream.engine.symbols().copied().collect::<Vec<_>>(), [symbol("BTCUSDT")]);
    assert!(stream.engine.current(&symbol("ETHUSDT")).is_none());
}

#[test]
fn each_span_has_its_change_once_it_is_covered() {
    let mut stream = Stream::new("BTCUSDT").holding(&[(Binance, 1_000.0)]);
    let spans = ["1m", "5m", "15m", "1h", "24h"];
    // Rises a coin a minute.
    let mut known = Vec::new();
    for minute in 0..1_450 {
        let coins = 1_000.0 + f64::from(i32::try_from(minute).unwrap());
        stream.hold(&[(Binance, coins)]);
        // Every tenth second is enough: nothing is older than 30 s.
        stream.run_to(minute * 60 + 21);
        stream.second = minute * 60 + 40;
        stream.run_to(minute * 60 + 60);
        let covered: Vec<_> = spans.into_iter().filter(|span| stream.change(span).is_some()).collect();
        if known.last() != Some(&(covered.len())) {
            known.push(covered.len());
        }
    }
    assert_eq!(known, [0, 1, 2, 3, 4, 5]);
    let shown = stream.changes();
    let rise = |span: &str| shown.spans[span].after.coins - shown.spans[span].before.coins;
    assert_eq!(spans.map(rise), [1.0, 5.0, 15.0, 60.0, 1_440.0]);
    assert_eq!(shown.spans["15m"].change_pct, 15.0 * 100.0 / (2_449.0 - 15.0));
    assert_eq!(shown.spans["24h"].price_change, Some(0.0));
}

#[test]
fn funding_is_normalised_to_eight_hours_and_keeps_the_venues_own() {
    let mut stream = Stream::new("BTCUSDT");
    stream.run_to(1);
    let rate = |venue, name: &str, rate, interval, ms| {
        Event::Mark(Mark {
            instrument: instrument(name),
            mark_price: None,
            funding_rate: Some(rate),
            funding_interval_h: interval,
            next_funding_time_ms: Some(crate::stream::at(3_600_000)),
            ..mark(ms, venue, "BTCUSDT", 0.0)
        })
    };
    assert!(stream.engine.funding(&symbol("BTCUSDT")).is_none());
    for event in [
        rate(Binance, "BTCUSD_PERP", 0.5, Some(8.0), 500),
        rate(Binance, "BTCUSDT", 0.0004, Some(8.0), 500),
        rate(Bybit, "BTCUSDT", 0.0001, Some(4.0), 500),
        rate(Okx, "BTC-USDT-SWAP", 0.5, None, 500),
        rate(Venue::Hyperliquid, "BTC", -0.0001, Some(1.0), 500),
    ] {
        stream.hear(&event).unwrap();
    }
    let shown = stream.engine.funding(&symbol("BTCUSDT")).unwrap();
    let each: Vec<_> = shown
        .venues
        .iter()
        .map(|(venue, of)| (*venue, of.instrument.to_string(), of.funding_interval_h, of.funding_rate_8h))
        .collect();
    assert_eq!(
        each,
        [
            (Binance, "BTCUSDT".to_owned(), 8.0, 0.0004),
            (Bybit, "BTCUSDT".to_owned(), 4.0, 0.0002),
            (Venue::Hyperliquid, "BTC".to_owned(), 1.0, -0.0008),
        ],
        "each venue's first instrument; a rate without its interval says nothing"
    );
    assert_eq!(shown.funding_rate_8h, Some(0.0002));
    assert_eq!(shown.venues[&Bybit].funding_rate, 0.0001);
    assert_eq!(shown.venues[&Bybit].next_funding_time_ms, Some(crate::stream::at(3_600_000)));
    stream.feeds = vec![(Binance, FeedStatus::Dead)];
    stream.run_to(3);
    let shown = stream.engine.funding(&symbol("BTCUSDT")).unwrap();
    assert_eq!(shown.venues.keys().copied().collect::<Vec<_>>(), [Bybit, Venue::Hyperliquid]);
    assert!(shown.funding_rate_8h.is_some_and(|rate| (rate + 0.0003).abs() < 1e-12));
    stream.run_to(602);
    let shown = stream.engine.funding(&symbol("BTCUSDT")).unwrap();
    assert!(shown.venues.is_empty() && shown.funding_rate_8h.is_none(), "more than ten minutes old");
}
