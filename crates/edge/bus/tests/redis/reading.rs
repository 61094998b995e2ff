//! Read-models and the private server itself.

use crate::support::{BOUNDS, ask, redis, shard};
use cascade_bus::{BusError, PortChoice, PrivateRedis, Standing, Stored, StreamId, Write};
use cascade_domain::{Event, EventTime, Feeds, Tick};

#[tokio::test]
async fn readings_are_read_back_and_scanned() {
    let (_server, bus) = redis().await;
    let json =
        |key: &str| Write::Json { key: key.to_owned(), json: format!("{{\"of\":\"{key}\"}}"), ttl_s: 60 };
    bus.write_readings(&[json("velocity:BTCUSDT:current"), json("velocity:ETHUSDT:current"), json("x")])
        .await
        .unwrap();
    let keys = bus.scan("velocity:*:current").await.unwrap();
    assert_eq!(keys, ["velocity:BTCUSDT:current", "velocity:ETHUSDT:current"]);
    let texts = bus.get_many(&["x".to_owned(), "absent".to_owned()]).await.unwrap();
    assert_eq!(texts, [Some("{\"of\":\"x\"}".to_owned()), None]);
    assert_eq!(bus.get("absent").await.unwrap(), None);
}

#[tokio::test]
async fn each_key_is_read_for_itself_with_how_long_it_stands() {
    let (server, bus) = redis().await;
    let json = Write::Json { key: "beat".to_owned(), json: "{}".to_owned(), ttl_s: 15 };
    bus.write_readings(&[json]).await.unwrap();
    ask(&server, redis::cmd("SET").arg("for ever").arg("x")).await;
    ask(&server, redis::cmd("LPUSH").arg("list").arg("x")).await;
    ask(&server, redis::cmd("SET").arg("bytes").arg(&[0xff_u8, 0xfe][..])).await;
    let keys = ["beat", "absent", "list", "for ever", "bytes"].map(str::to_owned);
    let standing = bus.standing(&keys).await.unwrap();
    let beat = standing[0].clone().unwrap().unwrap();
    let left = beat.left.unwrap();
    assert_eq!(beat.text, "{}");
    assert!(left.as_secs() <= 15 && left.as_millis() > 5_000, "{left:?}");
    assert_eq!(standing[1], Ok(None));
    assert!(matches!(&standing[2], Err(BusError::Refused(why)) if why.contains("WRONGTYPE")), "{standing:?}");
    assert_eq!(standing[3], Ok(Some(Standing { text: "x".to_owned(), left: None })));
    assert!(matches!(standing[4], Err(BusError::Reply(_))), "{standing:?}");
    let texts = bus.get_each(&keys).await.unwrap();
    assert_eq!((&texts[0], &texts[1]), (&Ok(Some("{}".to_owned())), &Ok(None)));
    assert!(texts[2].is_err() && texts[4].is_err());
    assert_eq!(bus.standing(&[]).await, Ok(vec![]));
}

#[tokio::test]
async fn a_history_keeps_the_newest_and_each_member_once() {
    let (server, bus) = redis().await;
    let write = |score: i64| Write::History {
        key: "history".to_owned(),
        score,
        member: format!("signal {score}"),
        keep: 3,
    };
    for score in [1, 2, 3, 4, 5, 5, 4] {
        bus.write_readings(&[write(score)]).await.unwrap();
    }
    let error = bus.get("history").await.unwrap_err();
    assert!(matches!(&error, BusError::Refused(reason) if reason.contains("WRONGTYPE")), "{error:?}");
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let kept: Vec<String> =
        redis::cmd("ZRANGE").arg("history").arg(0).arg(-1).query_async(&mut connection).await.unwrap();
    assert_eq!(kept, ["signal 3", "signal 4", "signal 5"]);
}

#[tokio::test]
async fn private_servers_do_not_meet_and_leave_no_port_behind() {
    let (mut one, two) = (
        PrivateRedis::start(PortChoice::Free).await.unwrap(),
        PrivateRedis::start(PortChoice::Free).await.unwrap(),
    );
    assert_ne!(one.port(), two.port());
    assert!(one.restart().await.is_err(), "it still runs");
    one.stop().await.unwrap();
    one.stop().await.unwrap();
    assert!(one.kill9().await.is_err());
    assert!(one.pause().await.is_err());
    assert!(std::net::TcpListener::bind(("127.0.0.1", one.port())).is_ok());
    let port = two.port();
    let directory = two.directory().to_owned();
    drop(two);
    crate::support::eventually(async || std::net::TcpListener::bind(("127.0.0.1", port)).map(drop)).await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_server_can_serve_us() {
    let (_server, bus) = redis().await;
    bus.ready().await.unwrap();
}

#[tokio::test]
async fn a_server_says_what_it_is() {
    let (_server, bus) = redis().await;
    let facts = bus.facts().await.unwrap();
    assert!(facts.is_new_enough() && facts.role == "master" && facts.used_memory > 0, "{facts:?}");
    assert_eq!((facts.memory_policy.as_str(), facts.max_memory), ("noeviction", None));
    assert!(!facts.is_append_only && !facts.save_failed, "{facts:?}");
}

#[tokio::test]
async fn the_newest_entry_is_where_the_oldest_is_not() {
    let (_server, bus) = redis().await;
    let (one, two) = (shard(1), shard(2));
    for second in 1..=3 {
        let tick = Event::Tick(Tick {
            event_time_ms: EventTime::from_ms(1_791_565_600_000 + second * 1000),
            btc_price: None,
            btc_usd_volume_1s: None,
            btc_venues_changed: false,
            feeds: Feeds::default(),
        });
        bus.store(one, &[Stored::event(&tick, 60).unwrap()], BOUNDS).await.unwrap();
    }
    let (oldest, newest) = (bus.oldest(&[one]).await.unwrap(), bus.newest(&[one, two]).await.unwrap());
    let entries = bus.entries(&cascade_wire::key::market(one), StreamId::ZERO, 10).await.unwrap();
    assert_eq!(oldest, [Ok(Some(entries[0].id))]);
    assert_eq!(newest, [Ok(Some(entries[2].id)), Ok(None)]);
}

#[tokio::test]
async fn the_default_port_is_taken_by_one_and_the_next_finds_another() {
    let one = PrivateRedis::start(PortChoice::Default6379IfFree).await.unwrap();
    let two = PrivateRedis::start(PortChoice::Default6379IfFree).await.unwrap();
    assert_ne!(one.port(), two.port());
    assert_eq!(one.url(), format!("redis://127.0.0.1:{}", one.port()));
}
