//! Claims about asking again for what was missed.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_domain::{Event, EventTime, Symbol, Venue};
use cascade_feed::Backfilled;
use cascade_feed::rest::Client;
use cascade_venues::{Endpoints, Instruments, Listing, Missed, Quote, Sizing, Wanted, protocol};

use crate::ear::{Ear, Fast, Told, wall};
use crate::web::Web;

/// When the last of the liquidations happened, milliseconds.
const AT: i64 = 1_791_565_600_771;

fn okx(bases: &[&str]) -> Instruments {
    let mut table = Instruments::new();
    for base in bases {
        let size = Sizing::ContractsOfCoins(1.into());
        let name = format!("{base}-USDT-SWAP");
        table.insert(Listing::of(Venue::Okx, &name, base, Quote::Usdt, size).unwrap());
    }
    table
}

fn page(base: &str, times: &[i64]) -> String {
    let row = |ts: &i64| {
        format!(
            r#"{{"bkLoss":"0","bkPx":"100","ccy":"","posSide":"long","side":"sell","sz":"1","ts":"{ts}"}}"#
        )
    };
    let details: Vec<_> = times.iter().map(row).collect();
    format!(
        r#"{{"code":"0","data":[{{"details":[{}],"instFamily":"{base}-USDT","instId":"{base}-USDT-SWAP","instType":"SWAP","totalLoss":"0","uly":"{base}-USDT"}}],"msg":""}}"#,
        details.join(",")
    )
}

/// Asks again for the ten minutes before [`AT`].
async fn ask(web: &Web, ear: &Ear, client: &Client, bases: &[&str]) -> Backfilled {
    let (instruments, wanted) = (okx(bases), Wanted::default());
    let endpoints = Endpoints { ws_url: String::new(), rest_url: web.url(), coinm_rest_url: None };
    let (from, to) = (EventTime::from_ms(AT - 600_000), EventTime::from_ms(AT));
    let missed = Missed { wanted: &wanted, instruments: &instruments, endpoints: &endpoints, from, to };
    client.backfill(protocol(Venue::Okx), &missed, &mut ear.clone(), pending()).await
}

#[tokio::test]
async fn what_was_missed_is_handed_on_as_history_in_the_order_in_which_it_happened() {
    let (web, clock) = (Web::open().await, Fast::new(10));
    let (ear, client) = (Ear::new(clock.clone()), Client::try_new(clock, 7).unwrap());
    let (done, asked) = tokio::join!(ask(&web, &ear, &client, &["BTC", "ETH"]), async {
        let first = web.answer("200 OK", &page("BTC", &[AT, AT - 1000])).await;
        let second = web.answer("200 OK", &page("BTC", &[AT - 2000, AT - 900_000])).await;
        web.answer("200 OK", &page("ETH", &[AT - 700_000])).await;
        [first, second]
    });
    assert_eq!(done, Backfilled { events: 3, answered: 2, failed: 0 });
    assert!(
        asked[0].contains("uly=BTC-USDT&") && asked[1].contains(&format!("after={}", AT - 1000)),
        "{asked:?}"
    );
    let told: Vec<_> = ear
        .told()
        .into_iter()
        .flat_map(|told| match told {
            Told::Events(received, events) => events.into_iter().map(move |event| (received, event)),
            other => panic!("{other:?}"),
        })
        .map(|(received, event)| match event {
            Event::Liquidation(l) => {
                assert_ne!(received, l.event_time_ms, "it came now");
                (l.event_time_ms.ms(), l.known_at_ms.unwrap().ms())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [AT - 2000, AT - 1000, AT].map(|at| (at, at)));
}

#[tokio::test]
async fn an_answer_that_fails_costs_the_others_nothing_and_a_venue_that_does_not_answer_is_let_be() {
    let (web, clock) = (Web::open().await, Fast::new(100));
    let (ear, client) = (Ear::new(clock.clone()), Client::try_new(clock.clone(), 7).unwrap());
    let (done, ()) = tokio::join!(ask(&web, &ear, &client, &["A", "B", "C"]), async {
        web.answer("200 OK", r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#).await;
        web.answer("404 Not Found", "").await;
        web.answer("200 OK", &page("C", &[AT, AT - 900_000])).await;
    });
    assert_eq!(done, Backfilled { events: 1, answered: 1, failed: 2 });
    assert_eq!(ear.events().len(), 1);

    let (done, ()) = tokio::join!(ask(&web, &ear, &client, &["A", "B", "C"]), async {
        web.answer("451 Unavailable For Legal Reasons", "").await;
    });
    assert_eq!((done.answered, done.failed), (0, 3), "nobody asks on");
}

#[tokio::test]
async fn asking_again_keeps_to_the_venues_pace() {
    let (web, clock) = (Web::open().await, Fast::new(2));
    let (ear, client) = (Ear::new(clock.clone()), Client::try_new(clock, 7).unwrap());
    let bases: Vec<String> = (0..25).map(|at| format!("COIN{at}")).collect();
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let begun = wall();
    let (done, ()) = tokio::join!(ask(&web, &ear, &client, &bases), async {
        for _ in 0..25 {
            web.answer("200 OK", r#"{"code":"0","data":[],"msg":""}"#).await;
        }
    });
    assert_eq!(done.answered, 25);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "25 at 10 a second of the clock: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn what_no_venue_gives_again_is_not_asked_for() {
    for venue in Venue::ALL.into_iter().filter(|venue| *venue != Venue::Okx) {
        let endpoints =
            Endpoints { ws_url: String::new(), rest_url: "http://h".to_owned(), coinm_rest_url: None };
        let wanted = Wanted { symbols: Some(vec![Symbol::parse("BTCUSDT").unwrap()]), ..Wanted::default() };
        let (from, to) = (EventTime::from_ms(AT), EventTime::from_ms(AT + 1000));
        let instruments = Instruments::new();
        let missed = Missed { wanted: &wanted, instruments: &instruments, endpoints: &endpoints, from, to };
        assert!(protocol(venue).backfill(&missed).is_empty(), "{venue}");
    }
}

#[tokio::test]
async fn a_tap_hears_every_answer_as_it_came() {
    let (web, clock) = (Web::open().await, Fast::new(10));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&heard);
    let client =
        Client::try_new(clock.clone(), 7).unwrap().with_tap(Arc::new(move |request, at_ns, body| {
            let body = String::from_utf8_lossy(body).into_owned();
            tapped.lock().unwrap().push((request.url.clone(), at_ns, body));
        }));
    let ear = Ear::new(clock);
    tokio::join!(ask(&web, &ear, &client, &["BTC"]), async {
        web.answer("502 Bad Gateway", "no answer").await;
        web.answer("200 OK", &page("BTC", &[AT - 900_000])).await;
    });
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1, "what is no answer is not heard: {heard:?}");
    assert!(heard[0].0.contains("uly=BTC-USDT") && heard[0].2 == page("BTC", &[AT - 900_000]));
    assert!(heard[0].1 > 1_791_565_600_000_000_000);
}
