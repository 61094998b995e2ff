//! Who may ask for something, for what, and what comes of it.

use cascade_domain::{Ask, Order, Priority};
use cascade_testkit::eventually;
use cascade_wire::{HistoryEntry, HistoryOf, decode_order, dispatch};
use serde_json::{Value, json};

use crate::support::{Answer, DEADLINE, Served, TOKEN, answer};

async fn post(served: &Served, authorization: Option<&str>, body: &Value) -> Answer {
    let mut request = reqwest::Client::new().post(served.url("/api/v1/orders")).json(body);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    answer(request).await
}

async fn asked(served: &Served, body: &Value) -> Answer {
    post(served, Some(&format!("Bearer {TOKEN}")), body).await
}

/// What stands in the stream of orders.
async fn orders(served: &Served) -> Vec<Order> {
    let entries = served.bus.entries(dispatch::ORDERS, cascade_bus::StreamId::ZERO, 100).await.unwrap();
    entries.into_iter().map(|entry| decode_order(&entry.one.unwrap()).unwrap()).collect()
}

/// Hears the next order, and says what came of it, as a dispatcher does.
async fn dispatcher(served: &Served, refused: Option<&str>) {
    assert!(eventually(DEADLINE, async || !orders(served).await.is_empty()).await);
    let given = orders(served).await.remove(0);
    let what = HistoryOf::Order { refused: refused.map(str::to_owned), given };
    let json = HistoryEntry { at_ms: crate::support::AT, what }.to_json().unwrap();
    let observer = served.observer().await;
    observer.command::<String>("XADD", &[dispatch::HISTORY, "*", "e", &json]).await.unwrap();
}

#[tokio::test]
async fn without_a_configured_token_nobody_may() {
    let served = Served::with(&[]).await;
    let test = json!({"order": "test"});
    post(&served, None, &test).await.assert_problem(403, "coordinator.token_env");
    post(&served, Some("Bearer "), &test).await.assert_problem(403, "nobody");
    asked(&served, &test).await.assert_problem(403, "nobody");
    assert!(orders(&served).await.is_empty());
}

#[tokio::test]
async fn only_who_has_the_token_may() {
    let served = Served::start().await;
    let test = json!({"order": "test"});
    let longer = format!("Bearer {TOKEN}x");
    for wrong in
        [None, Some("Bearer wrong"), Some(""), Some("Bearer"), Some(TOKEN), Some("Basic abc"), Some(&longer)]
    {
        let answer = post(&served, wrong, &test).await;
        answer.assert_problem(401, "Bearer TOKEN");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(!answer.text.contains(TOKEN));
    }
    assert!(orders(&served).await.is_empty());
    let metrics = served.get("/metrics").await.text;
    assert!(
        metrics.contains("cascade_http_requests_total{route=\"/api/v1/orders\",status=\"401\"} 7\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_order_stands_until_a_dispatcher_takes_it() {
    let served = Served::start().await;
    let mute = json!({"order": "mute", "what": {"symbol": "btcusdt", "rule": "cascade"}, "for_s": 3600});
    let answer = asked(&served, &mute).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = answer.json();
    assert_eq!((&told["order"], &told["done"], &told["by"]), (&json!("mute"), &json!(false), &json!("api")));
    let order = orders(&served).await.remove(0);
    assert_eq!((order.by.as_str(), told["at_ms"].as_i64()), ("api", Some(order.at_ms.ms())));
    let Ask::Mute(mute) = order.what else { panic!("{order:?}") };
    assert_eq!((mute.what.symbol.unwrap().as_str(), mute.what.rule.as_deref()), ("BTCUSDT", Some("cascade")));
    assert_eq!(mute.until_ms.since(order.at_ms), 3_600_000);
    assert_eq!(told["until_ms"], mute.until_ms.ms());
}

#[tokio::test]
async fn what_the_dispatcher_says_is_told() {
    let served = Served::start().await;
    let test = json!({"order": "test", "priority": "LOW"});
    let (answer, ()) = tokio::join!(asked(&served, &test), dispatcher(&served, None));
    assert_eq!((answer.status, &answer.json()["done"]), (200, &json!(true)), "{answer:?}");
    let what = orders(&served).await.remove(0).what;
    assert!(matches!(what, Ask::Test { priority: Priority::Low, .. }), "{what:?}");

    let served = Served::start().await;
    let ack = json!({"order": "ack", "alert": "1564d43e914969af"});
    let (answer, ()) = tokio::join!(asked(&served, &ack), dispatcher(&served, Some("no such alert")));
    answer.assert_problem(409, "no such alert");
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused_and_stand_nowhere() {
    let served = Served::start().await;
    for (body, words) in [
        (json!({"order": "mute", "what": {}, "for_s": 60}), "everything"),
        (
            json!({"order": "mute", "what": {"everything": true, "symbol": "BTCUSDT"}, "for_s": 60}),
            "everything",
        ),
        (json!({"order": "mute", "what": {"sybmol": "BTCUSDT"}, "for_s": 60}), "sybmol"),
        (json!({"order": "mute", "what": {"rule": "rumour"}, "for_s": 60}), "rumour"),
        (json!({"order": "mute", "what": {"destination": "{x}"}, "for_s": 60}), "destination"),
        (json!({"order": "mute", "what": {"symbol": "BTC USDT"}, "for_s": 60}), "symbol"),
        (json!({"order": "mute", "what": {"symbol": "BTCUSDT"}, "for_s": 0}), "for_s"),
        (json!({"order": "mute", "what": {"symbol": "BTCUSDT"}, "for_s": 2_592_001}), "for_s"),
        (json!({"order": "mute", "what": {"symbol": "BTCUSDT"}}), "for_s"),
        (json!({"order": "mute", "what": {"symbol": "BTCUSDT"}, "for_s": 60, "by": "somebody"}), "by"),
        (json!({"order": "ack", "alert": "156"}), "16 hex digits"),
        (json!({"order": "test", "priority": "LOUD"}), "LOUD"),
        (json!({"order": "watchdog", "id": "1564d43e914969af"}), "watchdog"),
        (json!({"order": "flush"}), "flush"),
        (json!(["mute"]), ""),
    ] {
        asked(&served, &body).await.assert_problem(400, words);
    }
    let bearer = format!("Bearer {TOKEN}");
    let request =
        || reqwest::Client::new().post(served.url("/api/v1/orders")).header("authorization", &bearer);
    answer(request().body("order=test")).await.assert_problem(415, "application/json");
    answer(request().header("content-type", "application/json").body("{")).await.assert_problem(400, "EOF");
    answer(request().header("content-type", "application/json").body(vec![b' '; 10 << 20]))
        .await
        .assert_problem(413, "65536");
    assert!(orders(&served).await.is_empty());
}

#[tokio::test]
async fn everything_is_muted_only_where_that_is_said() {
    let served = Served::start().await;
    let mute = json!({"order": "mute", "what": {"everything": true}, "for_s": 60});
    assert_eq!(asked(&served, &mute).await.status, 202);
    let order = orders(&served).await.remove(0);
    assert!(
        matches!(&order.what, Ask::Mute(mute) if mute.what == cascade_domain::Which::default()),
        "{order:?}"
    );
}
