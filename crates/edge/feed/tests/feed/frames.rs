//! Claims about frames that are none: half, binary, compressed, too long, cut off.

use cascade_domain::{Event, Side};
use cascade_feed::End;
use futures_util::SinkExt;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::ear::{Ear, Fast};
use crate::exchange::{Exchange, LIQUIDATIONS, plan, route, run, ticker};

#[tokio::test]
async fn garbage_and_binary_frames_are_refused_and_their_neighbours_live() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say("\u{0}{{{ no frame").await;
        peer.socket.send(Message::Binary(vec![0x1f, 0x8b, 0xff].into())).await.unwrap();
        peer.say("").await;
        peer.say(LIQUIDATIONS).await;
        ear.until("the liquidation", |ear| ear.events().len() == 1).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
    let events = ear.events();
    let Event::Liquidation(liquidation) = &events[0] else { panic!("{events:?}") };
    assert_eq!(liquidation.side, Side::Long, "Bybit names the position's side");
    let labels: Vec<_> = ear.refused().iter().map(cascade_venues::DecodeError::label).collect();
    assert_eq!(labels.len(), 5, "{:?}", ear.refused());
    assert_eq!(labels[..3], ["malformed", "malformed", "malformed"]);
    assert_eq!(labels[3..], ["unknown_side", "bad_number"]);
    assert!(ear.refused()[1].to_string().contains("a compressed frame of 3 bytes"), "gzip is named");
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_the_session() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let (mut plan, ear) = (plan(route(&exchange), &clock), Ear::new(clock.clone()));
    plan.limits.max_frame_bytes = 60_000;
    let ended = run(&plan, &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        let fits = format!("{:width$}", ticker("BTCUSDT", 1), width = 60_000);
        peer.say(&fits).await;
        ear.until("the frame that fits", |ear| ear.events().len() == 1).await;
        peer.say(&format!("{fits} ")).await;
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert_eq!(ended.end, End::TooLarge);
}

#[tokio::test]
async fn a_broken_connection_is_told_as_closed() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        drop(exchange.accept_subscriber().await);
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    let End::Closed { code: None, reason } = ended.end else { panic!("{:?}", ended.end) };
    assert!(reason.contains("broke off"), "{reason}");
}

#[tokio::test]
async fn what_is_no_websocket_is_garbled() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.socket.get_mut().write_all(&[0xff; 64]).await.unwrap();
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert!(matches!(ended.end, End::Garbled(_)), "{:?}", ended.end);
}

#[tokio::test]
async fn half_a_frame_is_refused_and_counted_wherever_it_breaks_off() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        let halves = (1..LIQUIDATIONS.len()).step_by(23);
        let count = halves.clone().count();
        for length in halves {
            peer.say(&LIQUIDATIONS[..length]).await;
        }
        ear.until("every half refused", |ear| ear.refused().len() == count).await;
        peer.say(LIQUIDATIONS).await;
        ear.until("the whole", |ear| ear.events().len() == 1).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
}

/// The beginning of a text frame of 100 bytes, unmasked as a server sends it, of which only some come.
const CUT_FRAME: &[u8] = b"\x81\x64{\"topic\":\"tickers.BTCUSDT\"";
/// A text frame that says that more of the message follows, and nothing more.
const CUT_MESSAGE: &[u8] = b"\x01\x05{\"top";

#[tokio::test]
async fn a_connection_that_is_cut_within_a_message_is_told_as_closed() {
    for cut in [CUT_FRAME, CUT_MESSAGE] {
        let (exchange, clock) = (Exchange::open().await, Fast::new(1));
        let ear = Ear::new(clock.clone());
        let ended = run(&plan(route(&exchange), &clock), &ear, async {
            let mut peer = exchange.accept_subscriber().await;
            peer.socket.get_mut().write_all(cut).await.unwrap();
            drop(peer);
            ear.until("the end", |ear| !ear.ends().is_empty()).await;
        })
        .await;
        assert!(matches!(ended.end, End::Closed { code: None, .. }), "{:?}", ended.end);
        assert!(ear.events().is_empty() && ear.refused().is_empty(), "half a message is none");
    }
}

#[tokio::test]
async fn a_frame_compressed_in_a_way_that_was_not_agreed_on_is_garbled() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let ear = Ear::new(clock.clone());
    let ended = run(&plan(route(&exchange), &clock), &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        // A final text frame with the first reserved bit, which says permessage-deflate.
        peer.socket.get_mut().write_all(b"\xc1\x03abc").await.unwrap();
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    let End::Garbled(reason) = ended.end else { panic!("{:?}", ended.end) };
    assert!(reason.to_lowercase().contains("reserved"), "{reason}");
}

#[tokio::test]
async fn a_long_message_in_many_small_frames_is_too_large_all_the_same() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let (mut plan, ear) = (plan(route(&exchange), &clock), Ear::new(clock.clone()));
    plan.limits.max_frame_bytes = 10_000;
    let ended = run(&plan, &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        let mut fragment = vec![0x01, 0x7e, 0x03, 0xe8];
        fragment.resize(1004, b' ');
        while ear.ends().is_empty() && peer.socket.get_mut().write_all(&fragment).await.is_ok() {
            fragment[0] = 0x00;
            tokio::task::yield_now().await;
        }
        ear.until("the end", |ear| !ear.ends().is_empty()).await;
    })
    .await;
    assert_eq!(ended.end, End::TooLarge);
}
