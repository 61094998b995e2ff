//! What the outbox drops, in which order, and what it tells of that.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers outside of test functions")]

use std::time::{Duration, Instant};

use cascade_bus::Outbox;
use cascade_domain::{
    Coverage, Event, EventTime, FeedHealth, FeedStatus, GapStream, Id, Instrument, Liquidation, Mark,
    PriceKind, Side, Symbol, TradeBar, Usd, Venue,
};
use proptest::prelude::*;

fn at(number: i64) -> EventTime {
    EventTime::from_ms(1_791_565_600_000 + number * 1000)
}

fn symbol() -> Symbol {
    Symbol::parse("BTCUSDT").unwrap()
}

fn instrument() -> Instrument {
    Instrument::parse("BTCUSDT").unwrap()
}

fn liquidation(number: i64) -> Event {
    Event::Liquidation(Liquidation {
        id: Id::from_bits(number.unsigned_abs()),
        venue: Venue::Bybit,
        symbol: symbol(),
        instrument: instrument(),
        side: Side::Long,
        price: 82_000.0,
        price_kind: PriceKind::Bankruptcy,
        quantity: 1.0,
        notional_usd: Usd::from_dollars(82_000),
        event_time_ms: at(number),
        published_at_ms: None,
        known_at_ms: Some(at(number).plus_ms(500)),
        coverage: Coverage::Complete,
        account: None,
    })
}

fn bar(number: i64) -> Event {
    Event::TradeBar(TradeBar {
        venue: Venue::Bybit,
        symbol: symbol(),
        instrument: instrument(),
        open_time_ms: at(number),
        close_time_ms: at(number + 1),
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        buy_quantity: 1.0,
        sell_quantity: 0.0,
        buy_usd: Usd::from_dollars(1),
        sell_usd: Usd::ZERO,
        trades: 1,
        largest_usd: Usd::from_dollars(1),
        known_at_ms: None,
    })
}

fn mark(number: i64) -> Event {
    Event::Mark(Mark {
        venue: Venue::Bybit,
        symbol: symbol(),
        instrument: instrument(),
        mark_price: Some(1.0),
        index_price: None,
        funding_rate: None,
        funding_interval_h: None,
        next_funding_time_ms: None,
        event_time_ms: None,
        known_at_ms: Some(at(number)),
    })
}

fn health(number: i64) -> Event {
    Event::FeedHealth(FeedHealth {
        venue: Venue::Bybit,
        status: FeedStatus::Live,
        since_ms: at(number),
        reason: String::new(),
    })
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

#[test]
fn the_cheapest_goes_first_and_its_oldest_before_its_newer() {
    let outbox = Outbox::new(4);
    for event in [bar(1), mark(2), bar(3), liquidation(4)] {
        assert_eq!(outbox.push(event), None);
    }
    assert_eq!(outbox.push(liquidation(5)), Some(bar(1)));
    assert_eq!(outbox.push(bar(6)), Some(bar(3)), "among bars the newest stays");
    assert_eq!(outbox.push(health(7)), Some(bar(6)));
    assert_eq!(outbox.push(liquidation(8)), Some(mark(2)));
    assert_eq!(outbox.push(bar(9)), Some(bar(9)), "dearer ones do not make room for a bar");
    assert_eq!(outbox.push(health(10)), Some(liquidation(4)));
    assert_eq!(outbox.len(), 4);
}

#[test]
fn what_was_lost_is_told_as_gaps_before_what_follows() {
    let outbox = Outbox::new(2);
    for event in [bar(1), bar(2), bar(3), liquidation(4), liquidation(5), liquidation(6)] {
        outbox.push(event);
    }
    let events = outbox.take_now(100);
    assert_eq!(kinds(&events), ["gap", "gap", "liquidation", "liquidation"]);
    let Event::Gap(liquidations) = &events[0] else { panic!("{events:?}") };
    let Event::Gap(trades) = &events[1] else { panic!("{events:?}") };
    assert_eq!((liquidations.stream, trades.stream), (GapStream::Liquidations, GapStream::Trades));
    assert_eq!((liquidations.from_ms, liquidations.to_ms), (at(4), at(4).plus_ms(500)));
    assert_eq!((trades.from_ms, trades.to_ms), (at(1), at(4)), "from the first open to the last close");
    assert_eq!((trades.reason.as_str(), &trades.symbols[..]), ("queue_full", &[symbol()][..]));
    assert!(outbox.is_empty() && outbox.take_now(100).is_empty(), "a gap is told once");
}

#[test]
fn a_gap_that_had_to_go_is_told_all_the_same() {
    let outbox = Outbox::new(1);
    let gap = cascade_domain::Gap {
        venue: Venue::Okx,
        stream: GapStream::Mark,
        symbols: Vec::new(),
        from_ms: at(1),
        to_ms: at(2),
        reason: "closed".to_owned(),
    };
    outbox.push(Event::Gap(gap.clone()));
    assert_eq!(outbox.push(health(3)), Some(Event::Gap(gap.clone())));
    assert_eq!(outbox.take_now(10), [Event::Gap(gap), health(3)]);
}

#[tokio::test]
async fn taking_waits_until_something_is_pushed() {
    let outbox = Outbox::new(10);
    let nothing = tokio::time::timeout(Duration::from_millis(10), outbox.take(5)).await;
    assert!(nothing.is_err());
    let (taken, _) = tokio::join!(outbox.take(5), async { outbox.push(bar(1)) });
    assert_eq!(taken, [bar(1)]);
}

fn number_of(event: &Event) -> i64 {
    match event {
        Event::TradeBar(e) => e.open_time_ms.since(at(0)) / 1000,
        Event::Liquidation(e) => e.event_time_ms.since(at(0)) / 1000,
        Event::Mark(e) => e.known_at_ms.unwrap().since(at(0)) / 1000,
        Event::FeedHealth(e) => e.since_ms.since(at(0)) / 1000,
        other => panic!("{other:?}"),
    }
}

fn make(kind: u8, number: i64) -> Event {
    match kind {
        0 => bar(number),
        1 => mark(number),
        2 => liquidation(number),
        _ => health(number),
    }
}

fn rank(event: &Event) -> u8 {
    match event {
        Event::TradeBar(_) => 0,
        Event::Mark(_) => 1,
        Event::Liquidation(_) => 2,
        _ => 3,
    }
}

proptest! {
    /// Against a plain list: order is kept, nothing dear goes while something cheaper is there, nothing gets lost
    /// without a gap over it.
    #[test]
    fn no_liquidation_goes_while_a_bar_is_held_and_order_is_kept(
        capacity in 1_usize..12,
        steps in proptest::collection::vec((0_u8..4, 0_usize..4), 1..200),
    ) {
        let outbox = Outbox::new(capacity);
        let mut held: Vec<Event> = Vec::new();
        let mut lost: Vec<Event> = Vec::new();
        for (number, (kind, take)) in (0_i64..).zip(steps) {
            let event = make(kind, number);
            held.push(event.clone());
            if let Some(dropped) = outbox.push(event) {
                let cheapest = held.iter().map(rank).min().unwrap();
                prop_assert_eq!(rank(&dropped), cheapest);
                let place = held.iter().position(|e| e == &dropped).unwrap();
                prop_assert!(held[..place].iter().all(|e| rank(e) > cheapest), "the oldest of its kind");
                held.remove(place);
                lost.push(dropped);
            }
            prop_assert!(outbox.len() <= capacity && outbox.len() == held.len());
            if take == 0 {
                let (gaps, events): (Vec<_>, Vec<_>) =
                    outbox.take_now(5).into_iter().partition(|e| matches!(e, Event::Gap(_)));
                let expected: Vec<Event> = held.drain(..events.len()).collect();
                prop_assert_eq!(&events, &expected);
                for gap in gaps {
                    let Event::Gap(gap) = gap else { unreachable!() };
                    lost.retain(|e| {
                        let stream = match e {
                            Event::TradeBar(_) => GapStream::Trades,
                            Event::Mark(_) => GapStream::Mark,
                            _ => GapStream::Liquidations,
                        };
                        let covered = (gap.from_ms..=gap.to_ms).contains(&at(number_of(e)));
                        !(stream == gap.stream && covered)
                    });
                }
            }
        }
        let rest = outbox.take_now(usize::MAX);
        let gaps: Vec<_> = rest.iter().filter(|e| matches!(e, Event::Gap(_))).collect();
        let streams: std::collections::BTreeSet<u8> =
            lost.iter().map(rank).filter(|rank| *rank < 3).collect();
        prop_assert_eq!(gaps.len(), streams.len(), "every kind that was lost has its gap");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test of its own has no service to read the clock for it")]
fn since_when_an_event_waited_is_told_when_it_is_taken_and_not_of_one_that_was_dropped() {
    let (outbox, start) = (Outbox::new(2), Instant::now());
    let after = |ms| start + Duration::from_millis(ms);
    outbox.push_since(bar(1), after(1));
    outbox.push(mark(2));
    outbox.push_since(liquidation(3), after(3));
    let mut since = Vec::new();
    let taking = outbox.take_timed(10, &mut since);
    let events = futures_util::FutureExt::now_or_never(taking).unwrap();
    assert_eq!(kinds(&events), ["gap", "mark", "liquidation"]);
    assert_eq!(since, [after(3)]);
}
