//! Claims about the loop above the session.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{EventTime, Gap, GapStream, Symbol, Venue};
use cascade_feed::{Session, backoff, keep};
use tokio::sync::oneshot;

use crate::ear::{Ear, Fast, Told, wall};
use crate::exchange::{Exchange, plan, route, ticker};

/// Keeps a route up beside a script; gives how long stopping took on the wall.
pub(crate) async fn kept(plan: &Session, ear: &Ear, script: impl Future<Output = ()>) -> Duration {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut sink = ear.clone();
    let scripted = async {
        script.await;
        drop(stop);
        wall()
    };
    let keeping = keep(plan, plan.clock.now(), backoff(7).unwrap(), &mut sink, async { drop(stopped.await) });
    let ((), asked) = tokio::join!(keeping, scripted);
    asked.elapsed()
}

fn of_stream(ear: &Ear, stream: GapStream) -> Vec<Gap> {
    ear.gaps().into_iter().filter(|gap| gap.stream == stream).collect()
}

#[tokio::test]
async fn a_lost_connection_is_replaced_and_its_gap_told_from_the_last_frame_to_recovery() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(10));
    let mut route = route(&exchange);
    route.symbols = vec![Symbol::parse("BTCUSDT").unwrap()];
    let plan = plan(route, &clock);
    let ear = Ear::new(clock.clone());
    kept(&plan, &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("live", |ear| ear.lives() == 1).await;
        peer.socket.close(None).await.unwrap();
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 2)).await;
        ear.until("live again", |ear| ear.lives() == 2 && ear.gaps().len() == 6).await;
    })
    .await;

    let received: Vec<EventTime> = ear.told().iter().filter_map(mark_received).collect();
    for stream in [GapStream::Liquidations, GapStream::Mark] {
        let gaps = of_stream(&ear, stream);
        assert_eq!(
            gaps.iter().map(|gap| gap.reason.as_str()).collect::<Vec<_>>(),
            ["start", "closed", "closed"]
        );
        assert_eq!((gaps[1].from_ms, gaps[2].to_ms), (received[0], received[1]));
        assert_eq!(gaps[1].to_ms, gaps[2].from_ms, "the pieces meet");
        assert!(gaps[2].to_ms.since(gaps[2].from_ms) >= 250, "the wait before reconnecting lies in the gap");
        assert_eq!(
            (gaps[1].venue, gaps[1].symbols.as_slice()),
            (Venue::Bybit, &[Symbol::parse("BTCUSDT").unwrap()][..])
        );
    }
    let told = ear.told();
    let is_gap = |told: &Told| matches!(told, Told::Events(_, events) if events[0].kind() == "gap");
    let (last_gap, last_mark) = (
        told.iter().rposition(is_gap).unwrap(),
        told.iter().rposition(|t| mark_received(t).is_some()).unwrap(),
    );
    assert!(last_gap < last_mark, "the gap is told before the data that end it");
}

fn mark_received(told: &Told) -> Option<EventTime> {
    match told {
        Told::Events(received, events) if events[0].kind() == "mark" => Some(*received),
        _ => None,
    }
}

#[tokio::test]
async fn a_lasting_outage_is_told_while_it_lasts_and_the_waits_grow() {
    let clock = Fast::new(50);
    let nobody = Exchange::open().await;
    let plan = plan(route(&nobody), &clock);
    drop(nobody);
    let ear = Ear::new(clock.clone());
    kept(&plan, &ear, ear.until("six failed tries", |ear| ear.ends().len() == 6)).await;

    let ends = ear.ends();
    assert!(ends.iter().all(|(_, word)| *word == "unreachable"), "{ends:?}");
    let waits: Vec<i64> = ends.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect();
    assert!(waits[0] >= 250 && waits[2] >= 1000 && waits[4] >= 4000, "{waits:?}");
    assert!(waits[4] > waits[0] && waits[4] > waits[2], "{waits:?}");
    let gaps = of_stream(&ear, GapStream::Liquidations);
    assert!(gaps.len() >= 5, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms), "{gaps:?}");
}

#[tokio::test]
async fn stopping_is_prompt_while_the_route_backs_off() {
    let clock = Fast::new(1);
    let nobody = Exchange::open().await;
    let plan = plan(route(&nobody), &clock);
    drop(nobody);
    let ear = Ear::new(clock.clone());
    let took = kept(&plan, &ear, ear.until("three failed tries", |ear| ear.ends().len() == 3)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_kept_route_can_be_a_task() {
    fn may_move<T: Send>(future: T) -> T {
        future
    }
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let plan = Arc::new(plan(route(&exchange), &clock));
    let mut ear = Ear::new(clock);
    may_move(keep(&plan, plan.clock.now(), backoff(7).unwrap(), &mut ear, async {})).await;
    assert_eq!(ear.ends().iter().map(|(_, word)| *word).collect::<Vec<_>>(), ["shutdown"]);
    assert!(ear.gaps().is_empty());
}
