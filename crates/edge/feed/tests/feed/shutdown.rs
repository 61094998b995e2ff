//! Claims about stopping, and about venues that do not let us in.

use std::time::Duration;

use cascade_feed::{End, backoff, keep};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

use crate::ear::{Ear, Fast, wall};
use crate::exchange::{Exchange, plan, route, run, ticker};

const PROMPT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_session_stops_at_once_while_it_connects_to_a_black_hole() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let mut asked = wall();
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let _silent = exchange.accept_raw().await;
        asked = wall();
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
    assert!(asked.elapsed() < PROMPT);
}

#[tokio::test]
async fn a_session_stops_at_once_while_it_listens_and_says_goodbye() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let (mut asked, mut peer) = (wall(), None);
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        peer = Some(exchange.accept_subscriber().await);
        asked = wall();
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
    assert!(asked.elapsed() < PROMPT);
    assert!(matches!(peer.unwrap().hear().await, Message::Close(Some(_))));
}

#[tokio::test]
async fn a_session_stops_at_once_under_a_flood() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let plan = plan(route(&exchange), &clock);
    let mut sink = ear.clone();
    let flood = async {
        let mut peer = exchange.accept_subscriber().await;
        let (mut stop, mut sent) = (Some(stop), 0);
        let mut asked = wall();
        let line = ticker("BTCUSDT", 1);
        while futures_util::SinkExt::send(&mut peer.socket, Message::text(line.as_str())).await.is_ok() {
            sent += 1;
            if sent == 1000 {
                asked = wall();
                drop(stop.take());
            }
        }
        asked
    };
    let session = cascade_feed::session(&plan, &mut sink, async { drop(stopped.await) });
    let (ended, asked) = tokio::join!(session, flood);
    assert_eq!(ended.end, End::Shutdown);
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_black_hole_is_told_as_unreachable() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(100));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let _silent = exchange.accept_raw().await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert!(matches!(ended.end, End::Unreachable(_)), "{:?}", ended.end);
}

async fn answer(exchange: &Exchange, head: &str) {
    let mut stream = exchange.accept_raw().await;
    let mut request = vec![0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_venue_that_does_not_serve_us_is_named_with_the_way_out() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        answer(&exchange, "451 Unavailable For Legal Reasons").await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    let End::Refused { topics, reason } = ended.end else { panic!("{:?}", ended.end) };
    assert!(topics.is_empty());
    assert!(reason.contains("bybit answers HTTP 451") && reason.contains("ingest.exchanges"), "{reason}");
}

#[tokio::test]
async fn a_venue_that_wants_to_be_left_alone_is_left_alone() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(20));
    let plan = plan(route(&exchange), &clock);
    let ear = Ear::new(clock.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut sink = ear.clone();
    let script = async {
        answer(&exchange, "429 Too Many Requests\r\nRetry-After: 40").await;
        drop(exchange.accept().await);
        ear.until("the second end", |ear| ear.ends().len() == 2).await;
        drop(stop);
    };
    tokio::join!(
        keep(&plan, plan.clock.now(), backoff(7).unwrap(), &mut sink, async { drop(stopped.await) }),
        script
    );
    let ends = ear.ends();
    assert_eq!((ends[0].1, ends[1].1), ("unreachable", "closed"));
    assert!(ends[1].0.since(ends[0].0) >= 40_000, "{ends:?}");
}
