//! Claims about asking a venue for its instruments.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::Venue;
use cascade_feed::rest::{Client, MOST_BYTES, MOST_PAGES, MOST_TRIES, RestError};
use cascade_pace::Clock;
use cascade_venues::{Endpoints, Instruments, Protocol, protocol};

use crate::ear::{Fast, wall};
use crate::web::Web;

fn bybit() -> &'static dyn Protocol {
    protocol(Venue::Bybit)
}

fn endpoints(web: &Web) -> Endpoints {
    Endpoints { ws_url: String::new(), rest_url: web.url(), coinm_rest_url: None }
}

/// A page of Bybit's instruments with one contract of this category.
fn page(category: &str, base: &str, cursor: &str) -> String {
    let (quote, kind) =
        if category == "inverse" { ("USD", "InversePerpetual") } else { ("USDT", "LinearPerpetual") };
    format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"{category}","list":[{{"symbol":"{base}{quote}","contractType":"{kind}","status":"Trading","baseCoin":"{base}","quoteCoin":"{quote}","settleCoin":"{quote}"}}],"nextPageCursor":"{cursor}"}},"retExtInfo":{{}},"time":1791565600000}}"#
    )
}

async fn ask(web: &Web, clock: Arc<Fast>) -> Result<Instruments, RestError> {
    Client::try_new(clock, 7).unwrap().instruments(bybit(), &endpoints(web), pending()).await
}

/// Answers every first request that is left, each with one page.
async fn answer_the_rest(web: &Web, already: usize) {
    let all = bybit().instrument_requests(&endpoints(web)).len();
    for _ in already..all {
        web.answer("200 OK", &page("inverse", "ETH", "")).await;
    }
}

#[tokio::test]
async fn every_page_is_followed() {
    let web = Web::open().await;
    let (read, asked) = tokio::join!(ask(&web, Fast::new(1)), async {
        let first = web.answer("200 OK", &page("linear", "BTC", "second%2C")).await;
        let second = web.answer("200 OK", &page("linear", "SOL", "")).await;
        answer_the_rest(&web, 1).await;
        [first, second]
    });
    let names: Vec<_> = read.unwrap().iter().map(|listing| listing.instrument.to_string()).collect();
    assert!(names.contains(&"BTCUSDT".to_owned()) && names.contains(&"SOLUSDT".to_owned()), "{names:?}");
    assert!(!asked[0].contains("cursor=") && asked[1].contains("cursor=second%2C"), "{asked:?}");
}

/// How long after this first answer the venue is asked again, milliseconds of the clock.
async fn waited_ms(web: &Web, clock: &Arc<Fast>, answer: &str) -> i64 {
    let (read, waited_ms) = tokio::join!(ask(web, Arc::clone(clock)), async {
        web.answer(answer, "").await;
        let told = clock.now();
        web.answer("200 OK", &page("linear", "BTC", "")).await;
        let waited_ms = clock.now().since(told);
        answer_the_rest(web, 1).await;
        waited_ms
    });
    read.unwrap();
    waited_ms
}

#[tokio::test]
async fn a_venue_is_asked_again_only_after_the_time_that_it_names() {
    let waited_ms =
        waited_ms(&Web::open().await, &Fast::new(20), "429 Too Many Requests\r\nRetry-After: 45").await;
    assert!(waited_ms >= 45_000, "{waited_ms} ms of the clock");
}

#[tokio::test]
async fn a_ban_longer_than_it_makes_sense_to_wait_is_handed_on() {
    let web = Web::open().await;
    let (read, _) =
        tokio::join!(ask(&web, Fast::new(1)), web.answer("418 I'm a teapot\r\nRetry-After: 7200", ""));
    let error = read.unwrap_err();
    assert!(
        matches!(error, RestError::Limited { status: 418, retry_after, .. } if retry_after == Duration::from_hours(2))
    );
    assert!(error.may_pass() && error.to_string().contains("7200 s"), "{error}");
}

#[tokio::test]
async fn a_venue_that_does_not_serve_us_is_named_with_the_way_out() {
    let web = Web::open().await;
    let (read, _) =
        tokio::join!(ask(&web, Fast::new(1)), web.answer("451 Unavailable For Legal Reasons", ""));
    let error = read.unwrap_err();
    assert!(!error.may_pass());
    let told = error.to_string();
    assert!(told.contains("bybit answers HTTP 451") && told.contains("ingest.exchanges"), "{told}");
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_and_not_for_ever() {
    let (web, clock) = (Web::open().await, Fast::new(100));
    let (read, ()) = tokio::join!(ask(&web, clock.clone()), async {
        web.answer("503 Service Unavailable", "").await;
        web.answer("200 OK", &page("linear", "BTC", "")).await;
        answer_the_rest(&web, 1).await;
    });
    assert!(!read.unwrap().is_empty());

    let (read, ()) = tokio::join!(ask(&web, clock), async {
        for _ in 0..MOST_TRIES {
            web.answer("502 Bad Gateway", "").await;
        }
    });
    let error = read.unwrap_err();
    assert!(matches!(&error, RestError::Unreachable { reason, .. } if reason == "HTTP 502"), "{error}");
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let web = Web::open().await;
    for (status, body) in
        [("200 OK", "<html>"), ("404 Not Found", ""), ("302 Found\r\nLocation: /elsewhere", "")]
    {
        let (read, _) = tokio::join!(ask(&web, Fast::new(1)), web.answer(status, body));
        let error = read.unwrap_err();
        assert!(error.to_string().contains("bybit") && !error.may_pass(), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let web = Web::open().await;
    let endless = " ".repeat(MOST_BYTES + 1);
    let (read, _) = tokio::join!(ask(&web, Fast::new(1)), web.answer("200 OK", &endless));
    assert!(matches!(read.unwrap_err(), RestError::TooLarge { .. }));
}

#[tokio::test]
async fn pages_without_end_are_cut_off() {
    let web = Web::open().await;
    let (read, ()) = tokio::join!(ask(&web, Fast::new(1)), async {
        for at in 0..MOST_PAGES {
            web.answer("200 OK", &page("linear", "BTC", &format!("page{at}"))).await;
        }
    });
    assert!(matches!(read.unwrap_err(), RestError::TooManyPages { venue: Venue::Bybit }));
}

#[tokio::test]
async fn asking_stops_at_once() {
    let (web, clock) = (Web::open().await, Fast::new(1));
    let begun = wall();
    let shutdown = async {
        web.answer("429 Too Many Requests\r\nRetry-After: 60", "").await;
    };
    let read = Client::try_new(clock, 7).unwrap().instruments(bybit(), &endpoints(&web), shutdown).await;
    assert!(matches!(read, Err(RestError::Shutdown)));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn each_way_of_being_turned_down_says_how_long_the_venue_is_to_be_left_alone() {
    for (answer, tries, away) in [
        ("403 Forbidden", 1, Duration::from_mins(10)),
        ("451 Unavailable For Legal Reasons", 1, Duration::from_hours(1)),
        ("401 Unauthorized", 1, Duration::from_hours(1)),
        ("418 I'm a teapot", 1, Duration::from_mins(2)),
        ("429 Too Many Requests\r\nRetry-After: 300", 1, Duration::from_mins(5)),
        ("503 Service Unavailable\r\nRetry-After: 1200", 1, Duration::from_mins(20)),
        ("404 Not Found", 1, Duration::ZERO),
        ("500 Internal Server Error", MOST_TRIES, Duration::ZERO),
    ] {
        let web = Web::open().await;
        let (read, ()) = tokio::join!(ask(&web, Fast::new(100)), async {
            for _ in 0..tries {
                web.answer(answer, "").await;
            }
        });
        assert_eq!(read.unwrap_err().away(), away, "{answer}");
    }
}

#[tokio::test]
async fn too_many_requests_are_answered_with_a_minute_and_bans_in_a_row_double() {
    let (web, clock) = (Web::open().await, Fast::new(600));
    let waited_ms = waited_ms(&web, &clock, "429 Too Many Requests").await;
    assert!(waited_ms >= 60_000, "{waited_ms} ms of the clock");

    let client = Client::try_new(clock, 7).unwrap();
    for minutes in [2, 4, 8] {
        let endpoints = endpoints(&web);
        let asked = client.instruments(bybit(), &endpoints, pending());
        let (read, _) = tokio::join!(asked, web.answer("418 I'm a teapot", ""));
        assert_eq!(read.unwrap_err().away(), Duration::from_mins(minutes), "the client remembers its bans");
    }
}
