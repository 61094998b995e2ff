//! Holes: a change needs fresh ends and 80 % of the points between them, and no hole is bridged that is larger.

use crate::stream::{FEEDS, Stream, at, gap, sample, symbol, tick};
use cascade_domain::{Event, FeedHealth, FeedStatus, Gap, GapStream, State, Swing, Tick, Usd, Venue};
use cascade_engine::Refused;

use Venue::{Binance, Bybit, Okx};

fn stream() -> Stream {
    Stream::new("BTCUSDT").holding(&[(Binance, 1e6), (Bybit, 1e6)])
}

/// Both venues told nothing after the second `from` and up to `to`, and say so then.
fn miss(stream: &mut Stream, from: i64, to: i64) {
    stream.run_to(from);
    let held = std::mem::take(&mut stream.held);
    stream.run_to(to + 1);
    for venue in [Binance, Bybit] {
        stream.hear(&Event::Gap(gap(GapStream::OpenInterest, venue, from * 1_000, to * 1_000))).unwrap();
    }
    stream.held = held;
}

#[test]
fn a_gap_inside_the_window_voids_nothing_if_80_percent_is_there() {
    // Of 180 points 36 may be missing: those of 205 to 380 s.
    let mut stream = stream();
    miss(&mut stream, 201, 380);
    stream.run_to(910);
    assert_eq!(stream.change("15m"), Some(0.0));
    stream.hold(&[(Binance, 1.03e6), (Bybit, 1.03e6)]);
    stream.run_to(911);
    assert_eq!(stream.story(), [(State::Open, Swing::Explosion)]);
}

#[test]
fn and_does_otherwise() {
    let mut stream = stream();
    miss(&mut stream, 201, 385);
    stream.run_to(910);
    assert_eq!(stream.change("15m"), None);
    stream.hold(&[(Binance, 1.5e6), (Bybit, 1.5e6)]);
    stream.run_to(1_000);
    assert_eq!(stream.story(), []);
    assert_eq!(stream.change("5m"), Some(50.0), "which the gap does not touch");
}

#[test]
fn a_gap_at_either_end_leaves_no_figure() {
    let mut stream = stream();
    miss(&mut stream, 8, 12);
    stream.run_to(909);
    assert_eq!(stream.change("15m"), Some(0.0), "5 s, before the gap");
    stream.run_to(911);
    assert_eq!(stream.change("15m"), None, "10 s, within it");
    stream.run_to(916);
    assert_eq!(stream.change("15m"), Some(0.0), "15 s, after it");
    for venue in [Binance, Bybit] {
        stream.hear(&Event::Gap(gap(GapStream::OpenInterest, venue, 914_000, 915_500))).unwrap();
    }
    stream.run_to(920);
    assert_eq!(stream.change("15m"), None, "nothing is known since");
    assert!(stream.current().venues.is_empty());
    stream.run_to(921);
    assert_eq!(stream.change("15m"), Some(0.0));
}

#[test]
fn a_gap_touches_only_the_venue_and_the_symbols_it_names() {
    let known = |gap: Gap| {
        let mut stream = stream();
        stream.run_to(910);
        stream.hear(&Event::Gap(gap)).unwrap();
        stream.changes().spans["15m"].venues.keys().copied().collect::<Vec<_>>()
    };
    let long = gap(GapStream::OpenInterest, Binance, 100_000, 600_000);
    assert_eq!(known(long.clone()), [Bybit]);
    assert_eq!(known(Gap { symbols: vec![symbol("ETHUSDT")], ..long.clone() }), [Binance, Bybit]);
    assert_eq!(known(Gap { symbols: vec![symbol("BTCUSDT")], ..long.clone() }), [Bybit]);
    assert_eq!(known(Gap { stream: GapStream::Liquidations, ..long }), [Binance, Bybit]);
}

#[test]
fn samples_that_grow_stale_leave_no_figure() {
    let mut stream = stream();
    stream.run_to(911);
    stream.held.remove(&(Binance, "BTCUSDT".to_owned()));
    stream.run_to(941);
    assert_eq!(stream.changes().spans["15m"].venues.len(), 2, "30 s old");
    stream.run_to(942);
    assert_eq!(stream.changes().spans["15m"].venues.keys().copied().collect::<Vec<_>>(), [Bybit]);
}

#[test]
fn who_was_overtaken_has_a_hole_in_everything_and_is_warming_for_a_window() {
    let mut stream = stream();
    stream.run_to(910);
    // Two minutes were trimmed away before they were read: one gap a venue and a stream, as the service tells it.
    for venue in Venue::ALL {
        for of in GapStream::ALL {
            let hole = Gap { reason: "trimmed".into(), ..gap(of, venue, 909_000, 1_029_000) };
            stream.hear(&Event::Gap(hole)).unwrap();
        }
    }
    stream.skip_to(1_030);
    stream.run_to(1_036);
    assert_eq!(stream.change("15m"), Some(0.0), "ends are fresh, and most of it is there");
    stream.hold(&[(Binance, 1.1e6), (Bybit, 1.1e6)]);
    stream.run_to(1_041);
    assert!(stream.last().warming);
    stream.run_to(1_928);
    stream.hold(&[(Binance, 2e6), (Bybit, 2e6)]);
    stream.run_to(1_931);
    assert_eq!(stream.last().state, State::Update);
    assert!(!stream.last().warming, "the hole lies before the window");
}

#[test]
fn a_hole_of_unknown_beginning_counts_from_the_last_tick() {
    let mut stream = stream();
    stream.run_to(910);
    let hole = gap(GapStream::Liquidations, Okx, 1_200_000, 1_200_000);
    stream.hear(&Event::Gap(Gap { reason: "trimmed".into(), ..hole })).unwrap();
    stream.skip_to(1_201);
    stream.run_to(1_300);
    assert_eq!(stream.change("15m"), None, "59 of 180 points are missing");
}

#[test]
fn a_pause_of_the_ticks_is_a_hole_too() {
    let mut stream = stream();
    stream.run_to(910);
    stream.skip_to(1_100);
    stream.run_to(1_101);
    assert_eq!(stream.change("15m"), Some(0.0), "190 s less the 30 s for which a sample counts");
    stream.skip_to(1_200);
    stream.run_to(1_201);
    assert_eq!(stream.change("15m"), None);
    stream.skip_to(5_000);
    stream.run_to(5_901);
    assert_eq!(stream.change("15m"), Some(0.0));
}

#[test]
fn a_gap_in_marks_forgets_the_price_until_the_next() {
    let mut stream = stream();
    stream.run_to(910);
    for venue in [Binance, Bybit, Okx] {
        stream.hear(&Event::Gap(gap(GapStream::Mark, venue, 909_000, 909_500))).unwrap();
    }
    assert_eq!(stream.current().total.unwrap().usd, None);
    stream.run_to(911);
    assert_eq!(stream.current().total.unwrap().usd, Some(Usd::from_dollars(200_000_000)));
}

#[test]
fn the_price_counts_live_feeds_alone() {
    let mut stream = stream();
    stream.marked = vec![Binance];
    stream.run_to(10);
    assert!(stream.current().total.unwrap().usd.is_some());
    let dead =
        FeedHealth { venue: Binance, status: FeedStatus::Dead, since_ms: at(9_000), reason: "silent".into() };
    stream.hear(&Event::FeedHealth(dead)).unwrap();
    assert_eq!(stream.current().total.unwrap().usd, None, "before the next tick");
    stream.run_to(12);
    assert!(stream.current().total.unwrap().usd.is_some(), "the tick says that it lives");
    stream.feeds = vec![(Binance, FeedStatus::Dead)];
    stream.run_to(13);
    assert_eq!(stream.current().total.unwrap().usd, None);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut stream = stream();
    stream.run_to(910);
    let before = format!("{:?}", stream.engine);
    let old = tick(900_000, &FEEDS);
    assert_eq!(stream.hear(&Event::Tick(old)), Err(Refused::OldTick));
    let early = Tick { event_time_ms: cascade_domain::EventTime::from_ms(1), ..tick(0, &FEEDS) };
    assert_eq!(stream.hear(&Event::Tick(early)), Err(Refused::Late));
    let ahead = sample(909_000 + 60_001, Binance, "BTCUSDT", 1.0);
    assert_eq!(stream.hear(&Event::OpenInterest(ahead)), Err(Refused::FromTheFuture));
    let late = sample(909_000 - 86_400_000, Binance, "BTCUSDT", 1.0);
    assert_eq!(stream.hear(&Event::OpenInterest(late)), Err(Refused::Late));
    let ahead = gap(GapStream::OpenInterest, Binance, 0, 1_000_000);
    assert_eq!(stream.hear(&Event::Gap(ahead)), Err(Refused::FromTheFuture));
    assert_eq!(format!("{:?}", stream.engine), before);
}
