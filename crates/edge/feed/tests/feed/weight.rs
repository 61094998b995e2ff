//! Claims about the weight that a venue counts of all requests from one address.

use std::sync::Arc;

use cascade_domain::{EventTime, Venue};
use cascade_feed::Poll;
use cascade_pace::Clock;

use crate::desk::{Desk, Ledger, Reply, exchange_info, interest, polled};
use crate::ear::Fast;

const ONE: [&str; 1] = ["BTCUSDT"];
const MINUTE: i64 = 60_000;

/// The first whole minute after a time.
fn next_minute(at: EventTime) -> EventTime {
    EventTime::from_ms((at.ms().div_euclid(MINUTE) + 1) * MINUTE)
}

/// An answer with this status that tells the weight.
fn weighing(status: &str, used: u32, body: String) -> Reply {
    Reply::Answer(format!("{status}\r\nX-MBX-USED-WEIGHT-1M: {used}"), body)
}

#[tokio::test]
async fn near_the_limit_the_venue_is_left_alone_until_it_counts_anew_whatever_else_it_answers() {
    for status in ["200 OK", "500 Internal Server Error", "400 Bad Request"] {
        let clock = Fast::new(20);
        let desk = Desk::of_binance(&clock, &ONE, move |symbol, before, now| match before {
            0 => weighing("200 OK", 1920, interest(symbol, now)),
            1 => weighing(status, 1921, interest(symbol, now)),
            _ => weighing("200 OK", 3, interest(symbol, now)),
        })
        .await;
        let (poll, ledger) = (desk.poll(Venue::Binance, &ONE), Ledger::default());
        polled(&[(&desk, &poll, &ledger)], async {
            desk.until_asked(4).await;
        })
        .await;
        let asked = desk.asked();
        assert!(asked[1].0.since(asked[0].0) < 20_000, "80 of 100 are not too much: {asked:?}");
        let anew = next_minute(asked[1].0);
        assert!(asked[2].0 >= anew, "{status}: asked before {anew}: {asked:?}");
        assert!(asked[3].0.since(asked[2].0) < 20_000, "and then it goes on: {asked:?}");
        let waits = ledger.waits();
        assert!(waits.len() == 1 && waits[0] >= anew && waits[0] <= anew.plus_ms(2000), "{waits:?}");
    }
}

#[tokio::test]
async fn the_answer_for_the_instruments_tells_the_weight_too() {
    let clock = Fast::new(20);
    let desk = Desk::open(&clock, |path, _, now| match path {
        "/fapi/v1/exchangeInfo" => Reply::ok(exchange_info(&ONE)),
        "/fapi/v1/fundingInfo" => weighing("200 OK", 2300, "[]".to_owned()),
        _ => Reply::ok(interest("BTCUSDT", now)),
    })
    .await;
    let (poll, ledger) = (desk.poll(Venue::Binance, &ONE), Ledger::default());
    polled(&[(&desk, &poll, &ledger)], async {
        ledger.until("a sample", |ledger| ledger.count("BTCUSDT") == 1).await;
    })
    .await;
    let (weighed, asked) = (desk.paths()[1].0, desk.asked()[0].0);
    assert!(asked >= next_minute(weighed), "{weighed} {asked}");
    assert_eq!(ledger.waits().len(), 1);
}

#[tokio::test]
async fn two_polls_of_one_client_keep_away_together() {
    let clock = Fast::new(20);
    let heavy = Desk::of_binance(&clock, &ONE, |symbol, before, now| match before {
        // The other one is to be under way first.
        0 => Reply::ok(interest(symbol, now)),
        1 => weighing("200 OK", 2400, interest(symbol, now)),
        _ => weighing("200 OK", 1, interest(symbol, now)),
    })
    .await;
    let light = Desk::of_binance(&clock, &ONE, |symbol, _, now| Reply::ok(interest(symbol, now))).await;
    let first = heavy.poll(Venue::Binance, &ONE);
    let second = Poll { client: first.client.clone(), ..light.poll(Venue::Binance, &ONE) };
    let (one, other) = (Ledger::default(), Ledger::default());
    polled(&[(&heavy, &first, &one), (&light, &second, &other)], async {
        other.until("the wait of the other", |ledger| !ledger.waits().is_empty()).await;
        let asked = light.asked().len();
        light.until_asked(asked + 1).await;
    })
    .await;
    let until = other.waits()[0];
    assert_eq!(one.waits(), [until], "both are told the same");
    let weighed = heavy.asked()[1].0;
    assert!(until >= next_minute(weighed));
    let meanwhile: Vec<_> =
        light.asked().into_iter().filter(|(at, _)| weighed.plus_ms(1000) < *at && *at < until).collect();
    assert!(meanwhile.is_empty(), "{meanwhile:?}");
    assert!(clock.now() >= until && Arc::strong_count(&clock) > 1);
}
