//! A look at a venue: what can't be reached, what is refused, how far the clocks are apart.

use std::time::{Duration, UNIX_EPOCH};

use cascade_domain::Venue;
use cascade_feed::End;
use cascade_feed::probe::{Place, Probe, Unreached, handshake, reach};
use cascade_feed::rest::RestError;
use cascade_pace::Clock;
use cascade_venues::{Endpoints, protocol};

use crate::ear::{DEADLINE, Fast};
use crate::exchange::Exchange;
use crate::web::Web;

fn endpoints(rest_url: String) -> Endpoints {
    Endpoints { ws_url: String::new(), rest_url, coinm_rest_url: None }
}

#[tokio::test]
async fn a_place_is_reached_or_named_with_the_reason() {
    let exchange = Exchange::open().await;
    let there = Place::of(&exchange.url()).unwrap();
    assert_eq!(reach(&there, DEADLINE).await, Ok(()));
    drop(exchange);
    let refused = reach(&there, DEADLINE).await.unwrap_err();
    assert!(matches!(&refused, Unreached::Refused { place, .. } if *place == there), "{refused}");
    let unknown = Place { host: "no-such-host.invalid".to_owned(), port: 443 };
    let named = reach(&unknown, DEADLINE).await.unwrap_err().to_string();
    assert!(named.contains("no-such-host.invalid"), "{named}");
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_a_refusal_has_the_sessions_words() {
    let probe = Probe::try_new(Fast::new(1)).unwrap();
    for (status, words) in [
        ("451 Unavailable For Legal Reasons", "okx answers HTTP 451: it does not serve the place"),
        ("503 Service Unavailable", "HTTP 503"),
        ("429 Too Many Requests\r\nRetry-After: 7", "too many requests; it may be asked again in 7 s"),
    ] {
        let web = Web::open().await;
        let url = endpoints(web.url());
        let (answer, _) = tokio::join!(probe.instruments(protocol(Venue::Okx), &url), web.answer(status, ""));
        let told = answer.unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_refused_says_by_whom() {
    let web = Web::open().await;
    let url = web.url().replace("http", "ws");
    let (shaken, _) =
        tokio::join!(handshake(Venue::Binance, &url, DEADLINE), web.answer("403 Forbidden", ""));
    let Err(End::Refused { reason, .. }) = shaken else { panic!("{shaken:?}") };
    assert!(reason.contains("binance answers HTTP 403"), "{reason}");
}

#[tokio::test]
async fn the_clock_is_compared_with_the_dates_of_three_answers() {
    let clock = Fast::new(1);
    let probe = Probe::try_new(clock.clone()).unwrap();
    let web = Web::open().await;
    let dated = async {
        for _ in 0..3 {
            let host_ms = u64::try_from(clock.now().ms() - 4_000).unwrap();
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(host_ms));
            web.answer(&format!("404 Not Found\r\nDate: {date}"), "").await;
        }
    };
    let url = web.url();
    let (found, ()) = tokio::join!(probe.clock_offset(Venue::Bybit, &url), dated);
    let found = found.unwrap();
    assert!((found.ahead_ms - 4_000).abs() <= found.uncertain_ms + 1, "{found:?}");
    let (undated, _) = tokio::join!(probe.clock_offset(Venue::Bybit, &url), web.answer("200 OK", ""));
    assert!(matches!(undated, Err(RestError::Unreachable { .. })), "{undated:?}");
}
