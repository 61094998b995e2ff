//! Who listens on `/ws`: what is told, in which form, and what becomes of those who are slow or mean no good.

use std::time::Duration;

use cascade_domain::Level;
use cascade_testkit::eventually;
use cascade_wire::{encode_finding, finding_to_json};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{DEADLINE, Served, cascade};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(served: &Served) -> Socket {
    connect_async(format!("ws://{}/ws", served.address)).await.unwrap().0
}

/// The next text; `None` at the end.
async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(DEADLINE, socket.next()).await.expect("something is said in time")? {
            Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

async fn say(socket: &mut Socket, what: &Value) -> Value {
    socket.send(Message::text(what.to_string())).await.unwrap();
    next(socket).await.unwrap()
}

async fn subscribe(socket: &mut Socket, channels: &[&str]) {
    let told = say(socket, &json!({"op": "subscribe", "channels": channels})).await;
    assert_eq!(told["op"], "subscribed", "{told}");
}

/// Publishes once the coordinator listens there.
async fn publish(served: &Served, channel: &str, bytes: &[u8]) {
    let observer = served.observer().await;
    let is_heard = async || {
        let listening: Vec<String> =
            observer.command("PUBSUB", &["CHANNELS", channel]).await.unwrap_or_default();
        !listening.is_empty()
    };
    assert!(eventually(DEADLINE, is_heard).await, "the coordinator listens");
    served.bus.publish(&[(channel.to_owned(), bytes.to_vec())]).await.unwrap();
}

#[tokio::test]
async fn events_come_as_json_whoever_published_them_and_only_where_subscribed() {
    let served = Served::start().await;
    let mut socket = connect(&served).await;
    subscribe(&mut socket, &["cascade:critical", "trade_alerts"]).await;
    let finding = cascade("BTCUSDT", 0, Level::Critical);
    let packed = encode_finding(&finding).unwrap();
    publish(&served, "cascade:signals", &packed).await;
    publish(&served, "cascade:critical", &packed).await;
    let event = next(&mut socket).await.unwrap();
    assert_eq!(event["channel"], "cascade:critical");
    assert_eq!(event["event"], serde_json::from_str::<Value>(&finding_to_json(&finding).unwrap()).unwrap());

    publish(&served, "trade_alerts", br#"{"bot": "a", "pnl": -1.5}"#).await;
    assert_eq!(
        next(&mut socket).await.unwrap(),
        json!({"channel": "trade_alerts", "event": {"bot": "a", "pnl": -1.5}})
    );
    // The same in MessagePack, after what nobody can read.
    publish(&served, "trade_alerts", b"garbage").await;
    publish(&served, "trade_alerts", &[0x81, 0xa3, b'b', b'o', b't', 0xa1, b'a']).await;
    assert_eq!(next(&mut socket).await.unwrap()["event"], json!({"bot": "a"}));

    let told = say(&mut socket, &json!({"op": "unsubscribe", "channels": ["trade_alerts"]})).await;
    assert_eq!(told, json!({"op": "subscribed", "channels": ["cascade:critical"]}));
    publish(&served, "trade_alerts", b"{}").await;
    publish(&served, "cascade:critical", &packed).await;
    assert_eq!(next(&mut socket).await.unwrap()["channel"], "cascade:critical");
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_the_connection_stays() {
    let served = Served::start().await;
    let mut socket = connect(&served).await;
    for wrong in [
        json!({"op": "flush"}),
        json!({"op": "subscribe"}),
        json!({"op": "subscribe", "channels": "cascade:critical"}),
        json!({"op": "subscribe", "channels": ["cascade:alerts", "cascade:rumours"]}),
        json!({"op": "subscribe", "channels": [], "more": 1}),
        json!([]),
        json!("subscribe"),
        json!(null),
    ] {
        let told = say(&mut socket, &wrong).await;
        assert!(told["op"] == "error" && told["detail"].is_string(), "{wrong}: {told}");
    }
    socket.send(Message::text("{not json")).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["op"], "error");
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["op"], "error");
    let told = say(&mut socket, &json!({"op": "subscribe", "channels": ["cascade:ops"]})).await;
    assert_eq!(told["channels"], json!(["cascade:ops"]), "nothing of what was wrong was done");
    // More than anybody has to say: it ends.
    socket.send(Message::text("x".repeat(5_000))).await.ok();
    assert_eq!(next(&mut socket).await, None);
    served.until("/health/live", 200).await;
}

#[tokio::test]
async fn a_slow_client_is_told_how_much_it_missed_and_keeps_nobody_waiting() {
    let served = Served::start().await;
    let (mut slow, mut quick) = (connect(&served).await, connect(&served).await);
    subscribe(&mut slow, &["trade_alerts"]).await;
    subscribe(&mut quick, &["cascade:critical"]).await;
    let large = json!({"text": "x".repeat(100_000)}).to_string();
    publish(&served, "trade_alerts", large.as_bytes()).await;
    // More than its queue and all buffers on the way take.
    let mut sent = 1;
    for _ in 0..20 {
        let many = vec![("trade_alerts".to_owned(), large.clone().into_bytes()); 50];
        served.bus.publish(&many).await.unwrap();
        sent += many.len();
    }
    let packed = encode_finding(&cascade("BTCUSDT", 0, Level::Critical)).unwrap();
    publish(&served, "cascade:critical", &packed).await;
    assert_eq!(next(&mut quick).await.unwrap()["channel"], "cascade:critical");

    let (mut told, mut missed) = (0, 0);
    while told + missed < sent {
        let event = next(&mut slow).await.unwrap();
        if event["op"] == "missed" {
            missed += usize::try_from(event["count"].as_u64().unwrap()).unwrap();
        } else {
            told += 1;
        }
    }
    assert!(told > 0 && missed > 0, "{told} told, {missed} missed");
    assert_eq!(told + missed, sent);
    let metrics = served.get("/metrics").await.text;
    assert!(metrics.contains(&format!("cascade_ws_events_dropped_total {missed}\n")), "{metrics}");
}

#[tokio::test]
async fn a_lost_connection_to_redis_is_told() {
    let mut served = Served::start().await;
    let mut socket = connect(&served).await;
    subscribe(&mut socket, &["trade_alerts"]).await;
    publish(&served, "trade_alerts", b"{}").await;
    assert_eq!(next(&mut socket).await.unwrap()["channel"], "trade_alerts");
    served.redis.server.kill9().await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap(), json!({"op": "missed"}));
    served.redis.server.restart().await.unwrap();
    assert!(eventually(DEADLINE, async || served.bus.ping().await.is_ok()).await);
    publish(&served, "trade_alerts", b"{}").await;
    assert_eq!(next(&mut socket).await.unwrap()["channel"], "trade_alerts");
}

#[tokio::test]
async fn only_so_many_listen_and_a_place_that_is_left_is_free() {
    let served = Served::start().await;
    let mut sockets = Vec::new();
    for _ in 0..256 {
        sockets.push(connect(&served).await);
    }
    let refused = connect_async(format!("ws://{}/ws", served.address)).await.unwrap_err();
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 503), "{refused:?}");
    let clients = async |count: u32| {
        let line = format!("cascade_ws_clients {count}\n");
        eventually(DEADLINE, async || served.metrics.render().contains(&line)).await
    };
    assert!(clients(256).await);
    // They leave in both ways.
    sockets.pop().unwrap().close(None).await.unwrap();
    drop(sockets.pop());
    assert!(clients(254).await);
    sockets.push(connect(&served).await);
    assert!(clients(255).await);
    served.until("/health/live", 200).await;
}

#[tokio::test]
async fn pages_of_other_sites_may_not_listen() {
    let served = Served::start().await;
    let with = async |origin: &str| {
        let mut request = format!("ws://{}/ws", served.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        connect_async(request).await
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let refused = with(origin).await.unwrap_err();
        assert!(matches!(&refused, Error::Http(answer) if answer.status() == 403), "{refused:?}");
    }
    with(&format!("http://{}", served.address)).await.unwrap();
    served.get("/ws").await.assert_problem(400, "");
}

#[tokio::test]
async fn sockets_end_when_the_coordinator_stops() {
    let served = Served::start().await;
    let mut socket = connect(&served).await;
    subscribe(&mut socket, &["cascade:critical"]).await;
    timeout(Duration::from_secs(20), served.stop()).await.expect("it stops in time");
    assert_eq!(next(&mut socket).await, None);
}
