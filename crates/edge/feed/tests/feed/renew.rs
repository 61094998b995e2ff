//! Claims about one session that takes over from another.

use std::time::Duration;

use cascade_domain::{Event, Venue};
use cascade_feed::Note;
use cascade_venues::Route;

use crate::ear::{Ear, Fast};
use crate::exchange::{Exchange, Peer, plan, route, ticker};
use crate::keep::kept;

/// A route that is renewed after ten minutes.
fn aging(exchange: &Exchange) -> Route {
    Route { renew_after: Some(Duration::from_mins(10)), ..route(exchange) }
}

/// A subscriber of the exchange that is live: it got this mark.
async fn live(exchange: &Exchange, ear: &Ear, mark: u32) -> Peer {
    let (mut peer, lives) = (exchange.accept_subscriber().await, ear.lives());
    peer.say(&ticker("BTCUSDT", mark)).await;
    ear.until("live", |ear| ear.lives() == lives + 1 && marks(ear).contains(&mark)).await;
    peer
}

/// The marks that came, whole dollars.
fn marks(ear: &Ear) -> Vec<u32> {
    let mark = |event| if let Event::Mark(mark) = event { mark.mark_price } else { None };
    let whole = |price: f64| (0..1000).find(|whole| f64::from(*whole) + 0.5 == price);
    ear.events().into_iter().filter_map(mark).filter_map(whole).collect()
}

fn count(ear: &Ear, is: impl Fn(&Note) -> bool) -> usize {
    ear.notes().iter().filter(|(_, note)| is(note)).count()
}

fn renewals(ear: &Ear) -> usize {
    count(ear, |note| matches!(note, Note::Renewed { .. }))
}

fn reasons(ear: &Ear) -> Vec<String> {
    let mut reasons: Vec<_> = ear.gaps().into_iter().map(|gap| gap.reason).collect();
    reasons.dedup();
    reasons
}

#[tokio::test]
async fn a_session_that_is_old_is_replaced_without_a_gap_and_nothing_of_either_is_lost() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(600));
    let ear = Ear::new(clock.clone());
    kept(&plan(aging(&exchange), &clock), &ear, async {
        let mut old = live(&exchange, &ear, 1).await;
        // The second connection is there, and the first goes on.
        let mut new = exchange.accept().await;
        old.say(&ticker("BTCUSDT", 2)).await;
        ear.until("the old one's data", |ear| marks(ear) == [1, 2]).await;
        new.acknowledge().await;
        old.say(&ticker("BTCUSDT", 3)).await;
        ear.until("more of it", |ear| marks(ear) == [1, 2, 3]).await;
        assert_eq!((ear.lives(), renewals(&ear)), (1, 0), "no data came on the new one yet");
        new.say(&ticker("BTCUSDT", 4)).await;
        ear.until("the new one's data", |ear| marks(ear) == [1, 2, 3, 4]).await;
        assert!(old.hear().await.is_close(), "the old one is closed");
        ear.until("it took over", |ear| renewals(ear) == 1).await;
        drop(old);
        new.say(&ticker("BTCUSDT", 5)).await;
        ear.until("it goes on", |ear| marks(ear) == [1, 2, 3, 4, 5]).await;
        drop(live(&exchange, &ear, 6).await);
        ear.until("renewed again, and lost then", |ear| renewals(ear) == 2 && ear.ends().len() == 1).await;
    })
    .await;
    assert_eq!(reasons(&ear), ["start", "closed"], "only what was lost was a gap");
    assert_eq!(ear.ends()[0].1, "closed");
    assert_eq!(count(&ear, |note| matches!(note, Note::Connected { .. })), 3);
}

#[tokio::test]
async fn a_successor_that_comes_to_nothing_is_tried_again_while_the_first_goes_on() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(600));
    let ear = Ear::new(clock.clone());
    kept(&plan(aging(&exchange), &clock), &ear, async {
        let mut old = live(&exchange, &ear, 1).await;
        for failed in 1..=3 {
            drop(exchange.accept_subscriber().await);
            ear.until("it failed", |ear| count(ear, |n| matches!(n, Note::NotRenewed { .. })) == failed)
                .await;
        }
        old.say(&ticker("BTCUSDT", 2)).await;
        ear.until("the first one's data", |ear| marks(ear) == [1, 2]).await;
        let _new = live(&exchange, &ear, 3).await;
        ear.until("at last", |ear| renewals(ear) == 1).await;
    })
    .await;
    assert_eq!(
        count(&ear, |note| matches!(note, Note::Connected { .. })),
        2,
        "what came to nothing is not told"
    );
    assert_eq!(reasons(&ear), ["start"]);
}

#[tokio::test]
async fn if_the_first_ends_before_the_second_is_live_the_gap_lasts_until_it_is() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(600));
    let ear = Ear::new(clock.clone());
    kept(&plan(aging(&exchange), &clock), &ear, async {
        let mut old = live(&exchange, &ear, 1).await;
        let mut new = exchange.accept().await;
        old.socket.close(None).await.unwrap();
        ear.until("the end", |ear| ear.ends().len() == 1).await;
        new.acknowledge().await;
        new.say(&ticker("BTCUSDT", 2)).await;
        ear.until("live again", |ear| ear.lives() == 2 && marks(ear) == [1, 2]).await;
    })
    .await;
    assert_eq!(renewals(&ear), 0, "nothing was left to take over from");
    assert_eq!(reasons(&ear), ["start", "closed"]);
    let recovered = ear.notes().into_iter().filter_map(|(_, note)| match note {
        Note::Recovered { from, to, .. } => Some((from, to)),
        _ => None,
    });
    let (from, to) = recovered.last().unwrap();
    let gaps = ear.gaps();
    assert_eq!((gaps[2].from_ms, gaps.last().unwrap().to_ms), (from, to), "the outage is told as a whole");
    let retries = ear.notes().into_iter().find_map(|(_, note)| match note {
        Note::Ended { retry_in, .. } => retry_in,
        _ => None,
    });
    assert_eq!(retries, Some(Duration::ZERO), "the next one is under way already");
}

/// OKX's notice.
const NOTICE: &str = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}"#;
/// A mark of OKX's.
const OKX_MARK: &str = r#"{"arg":{"channel":"mark-price","instId":"BTC-USDT-SWAP"},"data":[{"instType":"SWAP","instId":"BTC-USDT-SWAP","markPx":"1.5","ts":"1791565600771"}]}"#;

#[tokio::test]
async fn a_venue_that_asks_for_a_reconnect_gets_it_at_once_and_without_a_gap() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    route.venue = Venue::Okx;
    route.subscriptions.clear();
    let ear = Ear::new(clock.clone());
    kept(&plan(route, &clock), &ear, async {
        let mut old = exchange.accept().await;
        old.say(OKX_MARK).await;
        ear.until("live", |ear| ear.lives() == 1).await;
        old.say(NOTICE).await;
        let mut new = exchange.accept().await;
        old.say(OKX_MARK).await;
        ear.until("the old one goes on", |ear| marks(ear).len() == 2).await;
        new.say(OKX_MARK).await;
        ear.until("the new one took over", |ear| renewals(ear) == 1).await;
        assert!(old.hear().await.is_close());
    })
    .await;
    assert_eq!(count(&ear, |note| matches!(note, Note::Asked { .. })), 1);
    assert_eq!(ear.ends().iter().map(|(_, word)| *word).collect::<Vec<_>>(), ["shutdown"]);
    assert!(reasons(&ear).iter().all(|reason| reason == "start"), "{:?}", ear.gaps());
}

#[tokio::test]
async fn both_sessions_stop_when_asked_to() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(600));
    let ear = Ear::new(clock.clone());
    let mut standing = Vec::new();
    let took = kept(&plan(aging(&exchange), &clock), &ear, async {
        standing.push(live(&exchange, &ear, 1).await);
        standing.push(exchange.accept_subscriber().await);
    })
    .await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    for mut peer in standing {
        assert!(peer.hear().await.is_close());
    }
    assert_eq!(ear.ends().iter().map(|(_, word)| *word).collect::<Vec<_>>(), ["shutdown"], "told once");
    assert_eq!(reasons(&ear), ["start"]);
}
