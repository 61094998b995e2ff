//! Every venue's own routes, from the frames that it plans to the answers that it understands.

use std::time::Duration;

use cascade_domain::{Event, Symbol, Venue};
use cascade_feed::{End, Note};
use cascade_venues::{Endpoints, Instruments, Wanted, protocol};
use serde_json::{Value, json};

use crate::ear::{Ear, Fast};
use crate::exchange::{Exchange, plan, run};

/// What the venue answers to a subscription frame.
fn answers(venue: Venue, frame: &Value) -> Vec<String> {
    let answers = match venue {
        Venue::Binance => vec![json!({"result": null, "id": frame["id"]})],
        Venue::Bybit => {
            vec![
                json!({"success": true, "ret_msg": "", "conn_id": "c", "req_id": frame["req_id"], "op": "subscribe"}),
            ]
        }
        Venue::Okx => {
            let ack = |arg: &Value| json!({"event": "subscribe", "arg": arg, "connId": "c"});
            frame["args"].as_array().unwrap().iter().map(ack).collect()
        }
        Venue::Hyperliquid => vec![json!({"channel": "subscriptionResponse", "data": frame})],
    };
    answers.iter().map(Value::to_string).collect()
}

/// A frame with a mark price of BTC.
fn mark(venue: Venue) -> String {
    let mark = match venue {
        Venue::Binance => json!({"stream": "btcusdt@markPrice@1s", "data": {"e": "markPriceUpdate",
            "E": 1_791_565_601_482_i64, "s": "BTCUSDT", "p": "82396.9", "ap": "82396.9", "i": "82390.1",
            "P": "82390.0", "r": "0.0001", "T": 1_791_590_400_000_i64, "st": 1}}),
        Venue::Bybit => {
            json!({"topic": "tickers.BTCUSDT", "type": "snapshot", "cs": 1, "ts": 1_791_565_601_482_i64,
            "data": {"symbol": "BTCUSDT", "markPrice": "82396.9"}})
        }
        Venue::Okx => json!({"arg": {"channel": "mark-price", "instId": "BTC-USDT-SWAP"}, "data": [
            {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": "82396.9", "ts": "1791565601482"}]}),
        Venue::Hyperliquid => json!({"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": {
            "funding": "0.0000125", "openInterest": "31000.1", "prevDayPx": "82000.0", "dayNtlVlm": "1169046.2",
            "premium": "0.0003", "oraclePx": "82390.1", "markPx": "82396.9", "midPx": "82396.5",
            "impactPxs": ["82396.0", "82397.0"]}}}),
    };
    mark.to_string()
}

#[tokio::test]
async fn every_venues_own_routes_go_live_on_their_own_answers() {
    let wanted = Wanted {
        symbols: Some(vec![Symbol::parse("BTCUSDT").unwrap(), Symbol::parse("ETHUSDT").unwrap()]),
        vaults: vec!["0x2e3d94f0562703b25c83308a05046ddaf9a8dd14".to_owned()],
    };
    for venue in Venue::ALL {
        let (exchange, clock) = (Exchange::open().await, Fast::new(1));
        let base = exchange.url().replace("/v5/public/linear", "");
        let endpoints = Endpoints { ws_url: base, rest_url: String::new(), coinm_rest_url: None };
        let routes = protocol(venue).routes(&wanted, &Instruments::default(), &endpoints);
        assert!(!routes.is_empty(), "{venue}");
        for route in routes {
            let (frames, ear) = (route.subscriptions.len(), Ear::new(clock.clone()));
            let ended = run(&plan(route, &clock), &ear, async {
                let mut peer = exchange.accept().await;
                for _ in 0..frames {
                    let frame: Value = serde_json::from_str(&peer.hear_text().await).unwrap();
                    for answer in answers(venue, &frame) {
                        peer.say(&answer).await;
                    }
                }
                peer.say(&mark(venue)).await;
                ear.until(venue.as_str(), |ear| ear.lives() == 1 && !ear.events().is_empty()).await;
            })
            .await;
            assert_eq!((ended.end, ear.refused()), (End::Shutdown, Vec::new()), "{venue}");
            let is_mark =
                |event: &Event| matches!(event, Event::Mark(mark) if mark.mark_price == Some(82396.9));
            assert!(ear.events().iter().any(is_mark), "{venue}: {:?}", ear.events());
        }
    }
}

#[tokio::test]
async fn an_instrument_that_okx_does_not_know_costs_no_other_one() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(10));
    let base = exchange.url().replace("/v5/public/linear", "");
    let endpoints = Endpoints { ws_url: base, rest_url: String::new(), coinm_rest_url: None };
    let wanted = Wanted { symbols: Some(vec![Symbol::parse("BTCUSDT").unwrap()]), vaults: Vec::new() };
    let mut routes = protocol(Venue::Okx).routes(&wanted, &Instruments::default(), &endpoints);
    let mut route = routes.remove(0);
    route.watch.ack_within = Duration::from_secs(10);
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept().await;
        let frame: Value = serde_json::from_str(&peer.hear_text().await).unwrap();
        let answers = answers(Venue::Okx, &frame);
        for answer in answers.iter().filter(|answer| !answer.contains("open-interest")) {
            peer.say(answer).await;
        }
        peer.say(r#"{"event":"error","code":"60018","msg":"Wrong URL or something that is not there","connId":"c"}"#)
            .await;
        ear.until("the refusal", |ear| named(ear) == ["open-interest:BTC-USDT-SWAP"]).await;
        peer.say(&mark(Venue::Okx)).await;
        ear.until("live", |ear| ear.lives() == 1).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
}

/// The topics that were told as refused.
fn named(ear: &Ear) -> Vec<String> {
    let topics = |(_, note)| if let Note::RefusedTopics { topics, .. } = note { topics } else { Vec::new() };
    ear.notes().into_iter().flat_map(topics).collect()
}
