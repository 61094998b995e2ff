//! Claims about one session.

use std::time::Duration;

use cascade_domain::{Event, Venue};
use cascade_feed::{End, Note};
use cascade_venues::{Ack, Keepalive, Ping, Subscription};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::ear::{Ear, Fast, Told, wall};
use crate::exchange::{Exchange, ack, plan, request_id, route, run, subscription, ticker};

#[tokio::test]
async fn a_session_is_live_with_the_first_market_data_after_the_acknowledgement() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let (plan, ear) = (plan(route(&exchange), &clock), Ear::new(clock.clone()));
    let ended = run(&plan, &ear, async {
        let mut peer = exchange.accept().await;
        let id = request_id(&peer.hear_text().await);
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("the early ticker", |ear| ear.events().len() == 1).await;
        assert_eq!(ear.lives(), 0, "data before the acknowledgement makes nothing live");
        peer.say(&ack(&id, true, "")).await;
        peer.say(&ticker("BTCUSDT", 2)).await;
        ear.until("the second ticker", |ear| ear.events().len() == 2).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
    assert!(ended.last_frame_at.is_some());
    let told = ear.told();
    let live = told.iter().position(|told| matches!(told, Told::Note(_, Note::Live { .. }))).unwrap();
    let Told::Events(received, events) = &told[live + 1] else { panic!("{:?}", told[live + 1]) };
    let Event::Mark(mark) = &events[0] else { panic!("{events:?}") };
    assert_eq!(mark.mark_price, Some(2.5));
    assert!(mark.known_at_ms.is_some_and(|known| known <= *received && received.since(known) <= 2000));
    assert_eq!(
        told.iter().filter(|told| matches!(told, Told::Frame(_))).count(),
        3,
        "frames come as they are"
    );
    assert!(matches!(told.last(), Some(Told::Note(_, Note::Ended { .. }))));
}

#[tokio::test]
async fn an_unacknowledged_subscription_ends_the_session_and_names_its_topics() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(20));
    let mut route = route(&exchange);
    route.subscriptions.push(subscription("2", "allLiquidation.BTCUSDT"));
    route.watch.ack_within = Duration::from_secs(30);
    let ear = Ear::new(clock.clone());
    let begun = wall();
    let ended = run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert_eq!(ended.end, End::Unacknowledged { topics: vec!["allLiquidation.BTCUSDT".to_owned()] });
    assert!(begun.elapsed() >= Duration::from_millis(1500), "30 s of the clock are 1.5 s on the wall");
    assert_eq!(ear.lives(), 0);
}

#[tokio::test]
async fn a_refused_topic_is_named_and_the_others_live_on() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    route.subscriptions.push(subscription("2", "tickers.NONEUSDT"));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        let id = request_id(&peer.hear_text().await);
        peer.say(&ack(&id, false, "error:handler not found,topic:tickers.NONEUSDT")).await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("live", |ear| ear.lives() == 1 && ear.events().len() == 1).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
    let refused = ear.notes().into_iter().find_map(|(_, note)| match note {
        Note::RefusedTopics { route, topics, reason } => Some((route, topics, reason)),
        _ => None,
    });
    let (route, topics, reason) = refused.unwrap();
    assert_eq!((route.as_str(), topics), ("linear-0", vec!["tickers.NONEUSDT".to_owned()]));
    assert!(reason.contains("handler not found"), "{reason}");
}

#[tokio::test]
async fn a_session_of_which_everything_is_refused_ends() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept().await;
        let id = request_id(&peer.hear_text().await);
        peer.say(&ack(&id, false, "Invalid topic")).await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    let End::Refused { topics, reason } = ended.end else { panic!("{:?}", ended.end) };
    assert_eq!(topics, ["tickers.BTCUSDT"]);
    assert!(reason.contains("Invalid topic"), "{reason}");
}

#[tokio::test]
async fn silence_ends_the_session_in_the_clocks_time_and_pongs_do_not_break_it() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(20));
    let mut route = route(&exchange);
    route.watch.silent_after = Duration::from_secs(30);
    let every = Duration::from_secs(5);
    route.keepalive = Some(Keepalive { every, ping: Ping::Text(r#"{"op":"ping"}"#.to_owned()) });
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        while ear.ends().is_empty() {
            if let Message::Text(ping) = peer.hear().await {
                assert_eq!(ping.as_str(), r#"{"op":"ping"}"#);
                peer.say(r#"{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}"#).await;
            }
        }
    })
    .await;
    assert_eq!(ended.end, End::Silent);
    let silent_ms = ear.ends()[0].0.since(ended.last_frame_at.unwrap());
    assert!((30_000..60_000).contains(&silent_ms), "silent for {silent_ms} ms of the clock");
    assert!(ear.refused().is_empty(), "{:?}", ear.refused());
}

#[tokio::test]
async fn pings_are_sent_on_time_under_a_flood_and_the_servers_pings_are_answered() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(10));
    let mut route = route(&exchange);
    route.keepalive = Some(Keepalive { every: Duration::from_secs(2), ping: Ping::Frame });
    let ear = Ear::new(clock.clone());
    run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.socket.send(Message::Ping(vec![7].into())).await.unwrap();
        assert_eq!(
            peer.hear().await,
            Message::Pong(vec![7].into()),
            "answered though we have nothing to say"
        );
        let (begun, mut pings) = (wall(), 0);
        while pings < 3 {
            for _ in 0..50 {
                peer.socket.feed(Message::text(ticker("BTCUSDT", 1))).await.unwrap();
            }
            peer.socket.flush().await.unwrap();
            let heard = tokio::time::timeout(Duration::from_millis(1), peer.hear()).await;
            pings += usize::from(matches!(heard, Ok(Message::Ping(_))));
        }
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(400) && took < Duration::from_secs(3),
            "three pings in {took:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_text_ping_of_the_server_is_answered() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    route.venue = Venue::Okx;
    route.subscriptions.clear();
    let ear = Ear::new(clock.clone());
    run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept().await;
        peer.say("ping").await;
        assert_eq!(peer.hear_text().await, "pong");
    })
    .await;
}

#[tokio::test]
async fn subscriptions_go_out_at_the_venues_pace() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    route.frames_per_second = 20;
    route.subscriptions = (0..6).map(|id| subscription(&id.to_string(), "tickers.BTCUSDT")).collect();
    let ear = Ear::new(clock.clone());
    run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept().await;
        peer.hear_text().await;
        let first = wall();
        for _ in 1..6 {
            peer.hear_text().await;
        }
        assert!(
            first.elapsed() >= Duration::from_millis(225),
            "six frames at 20 a second: {:?}",
            first.elapsed()
        );
    })
    .await;
}

#[tokio::test]
async fn the_venues_words_of_farewell_are_told() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        let frame = CloseFrame { code: CloseCode::Policy, reason: "too\nmany connections".into() };
        peer.socket.close(Some(frame)).await.unwrap();
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert_eq!(ended.end, End::Closed { code: Some(1008), reason: "too many connections".to_owned() });
}

#[tokio::test]
async fn an_acknowledgement_for_each_topic_of_a_frame_is_awaited() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(20));
    let mut route = route(&exchange);
    route.venue = Venue::Bybit;
    route.watch.ack_within = Duration::from_secs(20);
    route.subscriptions = vec![Subscription {
        frame: r#"{"req_id":"1","op":"subscribe","args":["a","b"]}"#.to_owned(),
        acks: vec![Ack::Request("1".to_owned()), Ack::Request("2".to_owned())],
        topics: vec!["a".to_owned(), "b".to_owned()],
    }];
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route, &clock), &ear, async {
        let _peer = exchange.accept_subscriber().await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert_eq!(ended.end, End::Unacknowledged { topics: vec!["b".to_owned()] });
}
