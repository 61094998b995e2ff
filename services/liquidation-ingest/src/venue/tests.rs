//! Claims about one exchange whose list of instruments changes, and about what is asked for again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cascade_bus::{Bus, BusSettings, Outbox};
use cascade_domain::{Event, EventTime, FeedStatus, Symbol, Usd, Venue};
use cascade_feed::rest::Client;
use cascade_feed::{End, Note, Sink};
use cascade_pace::Clock;
use cascade_service::{Metrics, Shutdown, Traces};
use cascade_venues::{Endpoints, Instruments, Listing, Quote, Route, Sizing, Wanted, protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::feeds::{Feed, Feeds};
use super::missed::{Hearing, Outage};
use super::{Pauses, QUEUE, Reader};
use crate::board::Board;
use crate::intake::{Intake, Shared, SharedIntake};
use crate::trails::Trails;

const NOW: EventTime = EventTime::from_ms(1_791_565_600_771);

/// A clock on which nothing passes.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now_ns(&self) -> i64 {
        NOW.ms() * 1_000_000
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock
    }
}

fn reader(venue: Venue, rest_url: String) -> Reader {
    let mut board = Board::new([(venue, FeedStatus::Live)], NOW);
    board.own(venue, NOW, NOW);
    Reader {
        protocol: protocol(venue),
        endpoints: Endpoints { ws_url: "ws://h".to_owned(), rest_url, coinm_rest_url: None },
        wanted: Wanted::default(),
        large_trade: Usd::from_dollars(1),
        clock: Arc::new(Still),
        since: NOW,
        seed: 7,
        refresh: Duration::from_hours(1),
        node_fills: None,
        bus: Bus::open("redis://127.0.0.1:1", BusSettings::default()).unwrap(),
        shared: Shared {
            board: Arc::new(Mutex::new(board)),
            outbox: Arc::new(Outbox::new(1000)),
            drained: Arc::default(),
            trails: Arc::new(Trails::new(Traces::off(), Arc::new(Still))),
            metrics: Metrics::new("test", "0"),
        },
    }
}

/// What OKX lists: so many coins of one contract size, and others by name.
fn okx(coins: usize, size: i64, more: &[&str]) -> Instruments {
    let numbered = (0..coins).map(|at| format!("COIN{at}"));
    let mut table = Instruments::new();
    for base in numbered.chain(more.iter().map(ToString::to_string)) {
        let size = Sizing::ContractsOfCoins(size.into());
        let name = format!("{base}-USDT-SWAP");
        table.insert(Listing::of(Venue::Okx, &name, &base, Quote::Usdt, size).unwrap());
    }
    table
}

fn feeds(reader: &Reader) -> Feeds<'_> {
    Feeds::new(reader, mpsc::channel(QUEUE).0, Arc::default())
}

fn topics(route: &Route) -> Vec<&str> {
    route.subscriptions.iter().flat_map(|s| &s.topics).map(String::as_str).collect()
}

#[test]
fn what_is_listed_later_joins_a_connection_that_stands_and_only_what_finds_no_room_begins_one() {
    let reader = reader(Venue::Okx, String::new());
    let mut feeds = feeds(&reader);
    let first = feeds.list(okx(150, 1, &[]), NOW);
    let before: Vec<Arc<Route>> = first.iter().map(Feed::newest_route).collect();
    assert!(!before.is_empty() && before.iter().all(|route| !route.symbols.is_empty()));

    assert!(feeds.list(okx(150, 1, &["NEW"]), NOW).is_empty(), "there is room on one that stands");
    let grown: Vec<Arc<Route>> = first.iter().map(Feed::newest_route).collect();
    let has_new = |route: &Arc<Route>| topics(route).contains(&"trades:NEW-USDT-SWAP");
    assert_eq!(
        (grown.iter().filter(|r| has_new(r)).count(), before.iter().filter(|r| has_new(r)).count()),
        (1, 0)
    );
    assert!(feeds.list(okx(150, 1, &["NEW"]), NOW).is_empty());
    assert!(
        first.iter().zip(&grown).all(|(feed, route)| Arc::ptr_eq(&feed.newest_route(), route)),
        "the same list changes nothing"
    );

    let later = feeds.list(okx(600, 1, &["NEW"]), NOW.plus_ms(1000));
    let names: Vec<String> = later.iter().map(|feed| feed.newest_route().name.clone()).collect();
    assert_eq!(names[0], format!("public-{}", before.len()));
    assert!(later.iter().all(|feed| feed.since() == NOW.plus_ms(1000)), "nothing was missed before");
}

#[test]
fn a_new_contract_size_is_taken_up_and_what_is_delisted_can_still_be_read() {
    let reader = reader(Venue::Okx, String::new());
    let mut feeds = feeds(&reader);
    let first = feeds.list(okx(3, 1, &["OLD"]), NOW);
    let table = feeds.table();
    let size = |name: &str| {
        let instrument = cascade_domain::Instrument::parse(name).unwrap();
        table.borrow().get(&instrument).map(|listing| listing.sizing)
    };
    feeds.list(okx(3, 10, &[]), NOW);
    assert_eq!(size("COIN0-USDT-SWAP"), Some(Sizing::ContractsOfCoins(10.into())));
    assert_eq!(size("OLD-USDT-SWAP"), Some(Sizing::ContractsOfCoins(1.into())));
    let route = first[0].newest_route();
    assert!(!topics(&route).contains(&"trades:OLD-USDT-SWAP"), "the next session does not ask for it");
    assert!(!route.symbols.contains(&Symbol::parse("OLDUSDT").unwrap()));
}

#[test]
fn a_list_that_cannot_be_whole_changes_nothing() {
    let reader = reader(Venue::Okx, String::new());
    let mut feeds = feeds(&reader);
    let first = feeds.list(okx(100, 1, &[]), NOW);
    let before = first[0].newest_route();
    for broken in [Instruments::new(), okx(40, 10, &[])] {
        assert!(feeds.list(broken, NOW).is_empty());
        assert!(Arc::ptr_eq(&first[0].newest_route(), &before));
        assert_eq!(feeds.table().borrow().len(), 100);
    }
}

#[test]
fn a_venue_that_lists_what_is_wanted_only_later_is_read_from_then_on() {
    let mut reader = reader(Venue::Okx, String::new());
    reader.wanted.symbols = Some(vec![Symbol::parse("NEWUSDT").unwrap()]);
    let mut feeds = feeds(&reader);
    assert!(feeds.list(okx(5, 1, &[]), NOW).is_empty());
    let status = |reader: &Reader| {
        reader.shared.board(|board| {
            board.judge(NOW);
            board.feeds()[&Venue::Okx]
        })
    };
    assert_eq!(status(&reader), FeedStatus::Refused);
    assert_eq!(feeds.list(okx(5, 1, &["NEW"]), NOW).len(), 1);
    assert_eq!(status(&reader), FeedStatus::Dead, "not connected yet, but no longer refused");
}

#[test]
fn the_venues_are_asked_about_as_often_as_is_set_and_not_in_step() {
    let hour = Duration::from_hours(1);
    let (mut one, mut other) = (Pauses::try_new(hour, 1).unwrap(), Pauses::try_new(hour, 1001).unwrap());
    for _ in 0..20 {
        let (one, other) = (one.next(), other.next());
        assert_ne!(one, other);
        assert!(one >= hour * 19 / 20 && one <= hour * 21 / 20, "{one:?}");
    }
}

fn intake(reader: &Reader) -> SharedIntake {
    let wanted = Wanted::default();
    SharedIntake::new(Intake::new(
        reader.protocol,
        "public-0",
        wanted,
        reader.large_trade,
        reader.shared.clone(),
    ))
}

/// Answers every request with the same body; gives what was asked for.
async fn serve(listener: TcpListener, body: String, asked: mpsc::Sender<String>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 8192];
        let read = stream.read(&mut request).await.unwrap();
        let line = String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned();
        asked.send(line).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
    }
}

/// Waits until it holds.
#[expect(clippy::disallowed_methods, reason = "a test that waits has a deadline on the wall")]
async fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not come");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_missed_is_asked_for_when_a_route_with_liquidations_is_live_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reader = reader(Venue::Okx, format!("http://{}", listener.local_addr().unwrap()));
    let at = NOW.ms() - 60_000;
    let detail = |ts: i64| {
        format!(
            r#"{{"bkLoss":"0","bkPx":"100","ccy":"","posSide":"long","side":"sell","sz":"2","ts":"{ts}"}}"#
        )
    };
    let body = format!(
        r#"{{"code":"0","data":[{{"details":[{},{}],"instId":"COIN0-USDT-SWAP","instType":"SWAP","uly":"COIN0-USDT"}}],"msg":""}}"#,
        detail(at),
        detail(at - 3_600_000)
    );
    let (asking, mut asked) = mpsc::channel(QUEUE);
    let (outage, outages) = mpsc::channel::<Outage>(QUEUE);
    let (_table, table) = watch::channel(Arc::new(okx(1, 1, &[])));
    let route = |reader: &Reader| {
        reader.protocol.routes(&reader.wanted, &okx(1, 1, &[]), &reader.endpoints).remove(0)
    };
    let with_liquidations = route(&reader);
    let mut without = with_liquidations.clone();
    without.market_wide.clear();
    let recovered = Note::Recovered { route: "public-0".to_owned(), from: NOW.plus_ms(-7_200_000), to: NOW };
    Hearing::new(intake(&reader), &without, outage.clone()).note(recovered.clone());
    Hearing::new(intake(&reader), &with_liquidations, outage.clone()).note(recovered);

    let client = Client::try_new(Arc::clone(&reader.clock), 7).unwrap();
    let shutdown = Shutdown::new();
    let counted = || reader.shared.metrics.render();
    let done = async {
        eventually(|| counted().contains(r#"outcome="answered"} 1"#)).await;
        shutdown.request();
    };
    let serving = serve(listener, body, asking);
    tokio::select! {
        () = serving => {}
        ((), ()) = async { tokio::join!(reader.make_up(outages, (&client, &table), &shutdown), done) } => {}
    }
    assert!(
        asked.recv().await.unwrap().contains("uly=COIN0-USDT"),
        "once, and for the one that carries them"
    );
    assert!(asked.try_recv().is_err());
    let events = reader.shared.outbox.take_now(100);
    let [Event::Liquidation(liquidation)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(liquidation.event_time_ms.ms(), at, "older than a quarter of an hour is not made up for");
    assert_eq!(liquidation.known_at_ms, Some(liquidation.event_time_ms), "it is history");
}

#[test]
fn a_refusal_stands_through_a_close_until_a_session_is_live_without_it() {
    let reader = reader(Venue::Okx, String::new());
    reader.shared.board(|board| board.expect(Venue::Okx, "public-0", &[], NOW));
    let mut intake = intake(&reader);
    let route = || "public-0".to_owned();
    let status = || {
        reader.shared.board(|board| {
            board.judge(NOW);
            board.feeds()[&Venue::Okx]
        })
    };
    let refused = || Note::RefusedTopics {
        route: route(),
        topics: vec!["liquidation-orders:SWAP".to_owned()],
        reason: "60018".to_owned(),
    };
    let ended = || Note::Ended {
        route: route(),
        end: End::Closed { code: None, reason: "by the venue".to_owned() },
        connected_for: Duration::ZERO,
        last_frame_at: None,
        retry_in: None,
    };
    intake.note(Note::Connected { route: route() });
    intake.note(refused());
    intake.note(Note::Live { route: route(), at: NOW });
    assert_eq!(status(), FeedStatus::Refused);
    intake.note(ended());
    assert_eq!(status(), FeedStatus::Refused, "the close of the session takes nothing back");
    intake.note(Note::Connected { route: route() });
    intake.note(Note::Live { route: route(), at: NOW });
    assert_ne!(status(), FeedStatus::Refused);
}
