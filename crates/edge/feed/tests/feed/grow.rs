//! Claims about routes and instruments that change while a session runs.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Event, GapStream, Symbol, Venue};
use cascade_feed::{End, Note, Session};
use cascade_pace::Clock;
use cascade_venues::{Ack, Instruments, Listing, Quote, Route, Sizing, protocol};
use tokio::sync::watch;

use crate::ear::{Ear, Fast};
use crate::exchange::{Exchange, ack, plan, request_id, route, run, subscription, ticker};
use crate::keep::kept;

fn symbol(name: &str) -> Symbol {
    Symbol::parse(name).unwrap()
}

/// A session on a route that can be replaced.
fn growing(route: Route, clock: &Arc<Fast>) -> (Session, watch::Sender<Arc<Route>>) {
    let (sender, newest) = watch::channel(Arc::new(route.clone()));
    (Session { route: newest, ..plan(route, clock) }, sender)
}

/// The route with one more symbol.
fn grown(route: &Route) -> Arc<Route> {
    let mut grown = route.clone();
    grown.subscriptions.push(subscription("2", "tickers.NEWUSDT"));
    grown.symbols.push(symbol("NEWUSDT"));
    Arc::new(grown)
}

#[tokio::test]
async fn a_session_asks_for_what_joins_its_route_and_the_next_one_for_everything() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(10));
    let mut route = route(&exchange);
    route.symbols = vec![symbol("BTCUSDT")];
    let ((plan, newest), ear) = (growing(route.clone(), &clock), Ear::new(clock.clone()));
    kept(&plan, &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("live", |ear| ear.lives() == 1).await;
        newest.send_replace(grown(&route));
        // Nothing else comes: the session wakes for it.
        assert!(peer.hear_text().await.contains("tickers.NEWUSDT"));
        peer.say(&ack("2", true, "")).await;
        peer.say(&ticker("NEWUSDT", 2)).await;
        ear.until("its data", |ear| ear.events().len() == 4).await;
        assert!(ear.gaps().iter().all(|gap| gap.symbols == [symbol("BTCUSDT")]), "it missed nothing yet");
        peer.socket.close(None).await.unwrap();
        let mut peer = exchange.accept_subscriber().await;
        peer.acknowledge().await;
        peer.say(&ticker("BTCUSDT", 3)).await;
        ear.until("live again", |ear| ear.lives() == 2).await;
    })
    .await;
    let closed: Vec<_> = ear.gaps().into_iter().filter(|gap| gap.reason == "closed").collect();
    assert!(!closed.is_empty() && closed.iter().all(|gap| gap.symbols.len() == 2), "{closed:?}");
    assert_eq!(ear.lives(), 2, "growing makes nothing live anew");
}

#[tokio::test]
async fn what_joins_while_a_route_is_down_is_missed_from_then_on() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(10));
    let mut route = route(&exchange);
    route.symbols = vec![symbol("BTCUSDT")];
    let ((plan, newest), ear) = (growing(route.clone(), &clock), Ear::new(clock.clone()));
    let begun = clock.now();
    kept(&plan, &ear, async {
        let _black_hole = exchange.accept_raw().await;
        while clock.now().since(begun) < 100 {
            tokio::task::yield_now().await;
        }
        newest.send_replace(grown(&route));
        ear.until("it is unreachable", |ear| ear.ends().len() == 1 && ear.gaps().len() == 4).await;
    })
    .await;
    let gaps: Vec<_> = ear.gaps().into_iter().filter(|gap| gap.stream == GapStream::Mark).collect();
    assert_eq!(gaps.iter().map(|gap| gap.symbols.len()).collect::<Vec<_>>(), [1, 2], "{gaps:?}");
    assert_eq!(gaps[0].to_ms, gaps[1].from_ms, "the pieces meet");
}

#[tokio::test]
async fn what_is_never_acknowledged_of_what_joined_is_told_and_ends_nothing() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(20));
    let mut route = route(&exchange);
    route.watch.ack_within = Duration::from_secs(20);
    let ((plan, newest), ear) = (growing(route.clone(), &clock), Ear::new(clock.clone()));
    let ended = run(&plan, &ear, async {
        let mut peer = exchange.accept_subscriber().await;
        peer.say(&ticker("BTCUSDT", 1)).await;
        ear.until("live", |ear| ear.lives() == 1).await;
        newest.send_replace(grown(&route));
        assert_eq!(request_id(&peer.hear_text().await), "2");
        let refused = |ear: &Ear| {
            let of = |(_, note)| if let Note::RefusedTopics { topics, .. } = note { topics } else { vec![] };
            ear.notes().into_iter().flat_map(of).collect::<Vec<_>>()
        };
        ear.until("the refusal", |ear| refused(ear) == ["tickers.NEWUSDT"]).await;
        peer.say(&ticker("BTCUSDT", 2)).await;
        ear.until("more data", |ear| ear.events().len() == 2).await;
    })
    .await;
    assert_eq!(ended.end, End::Shutdown);
}

#[tokio::test]
async fn growth_keeps_to_what_the_venue_takes_of_requests_an_hour() {
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    (route.venue, route.frames_per_second) = (Venue::Okx, 1_000_000);
    let topic = |at: usize| format!("trades:COIN{at}-USDT-SWAP");
    route.subscriptions = (0..500)
        .map(|at| cascade_venues::Subscription {
            frame: format!("{at}"),
            acks: vec![Ack::Topic(topic(at))],
            topics: vec![topic(at)],
        })
        .collect();
    let ear = Ear::new(clock.clone());
    let most = protocol(Venue::Okx).limits().requests.unwrap().most;
    run(&plan(route, &clock), &ear, async {
        let mut peer = exchange.accept().await;
        for at in 0..most {
            assert_eq!(peer.hear_text().await, at.to_string());
        }
        peer.say("ping").await;
        assert_eq!(
            peer.hear_text().await,
            "pong",
            "the next one waits for the hour to pass, an answer does not"
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_contract_size_counts_from_the_next_frame_on() {
    let table = |size: i64| {
        let mut table = Instruments::new();
        let size = Sizing::ContractsOfCoins(size.into());
        table.insert(Listing::of(Venue::Okx, "BTC-USDT-SWAP", "BTC", Quote::Usdt, size).unwrap());
        Arc::new(table)
    };
    let (exchange, clock) = (Exchange::open().await, Fast::new(1));
    let mut route = route(&exchange);
    route.venue = Venue::Okx;
    route.subscriptions.clear();
    let (newest, instruments) = watch::channel(table(1));
    let (plan, ear) = (Session { instruments, ..plan(route, &clock) }, Ear::new(clock.clone()));
    let trade = r#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"1","px":"100","sz":"7","side":"buy","ts":"1791565600771"}]}"#;
    run(&plan, &ear, async {
        let mut peer = exchange.accept().await;
        peer.say(trade).await;
        ear.until("the first", |ear| ear.events().len() == 1).await;
        newest.send_replace(table(10));
        peer.say(trade).await;
        ear.until("the second", |ear| ear.events().len() == 2).await;
    })
    .await;
    let coins = |event| if let Event::Trade(trade) = event { Some(trade.quantity) } else { None };
    assert_eq!(ear.events().into_iter().filter_map(coins).collect::<Vec<_>>(), [7.0, 70.0]);
}
