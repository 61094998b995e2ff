//! Storing market events in a real Redis and reading them back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{BOUNDS, ask, redis, shard};
use cascade_bus::{Batch, Bus, BusError, Claim, Commit, Entry, Stored, StoredCount, StreamBounds, StreamId};
use cascade_domain::{Event, EventTime, Id, Instrument, Shard, Symbol, Tick, TradeBar, Usd, Venue};
use cascade_wire::{encode_event, key};

/// The bar of this second; its own once-key is made of the second.
fn bar(second: i64) -> Event {
    let open = EventTime::from_ms(1_791_565_600_000 + second * 1000);
    Event::TradeBar(TradeBar {
        venue: Venue::Bybit,
        symbol: Symbol::parse("BTCUSDT").unwrap(),
        instrument: Instrument::parse("BTCUSDT").unwrap(),
        open_time_ms: open,
        close_time_ms: open.plus_ms(1000),
        open: 82_000.5,
        high: 82_001.0,
        low: 81_999.0,
        close: 82_000.0,
        buy_quantity: 0.25,
        sell_quantity: 0.5,
        buy_usd: Usd::from_dollars(20_500),
        sell_usd: Usd::from_dollars(41_000),
        trades: 7,
        largest_usd: Usd::from_dollars(20_000),
        known_at_ms: None,
    })
}

fn stored(seconds: impl IntoIterator<Item = i64>) -> Vec<Stored> {
    seconds.into_iter().map(|second| Stored::event(&bar(second), 600).unwrap()).collect()
}

async fn entries(bus: &Bus, shard: Shard) -> Vec<Entry> {
    bus.entries(&key::market(shard), StreamId::ZERO, 100_000).await.unwrap()
}

async fn events(bus: &Bus, shard: Shard) -> Vec<Event> {
    let entries = entries(bus, shard).await;
    entries.iter().flat_map(|entry| entry.events().unwrap()).map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_event_is_stored_once_by_its_id() {
    let (_server, bus) = redis().await;
    let first = bus.store(shard(5), &stored([1, 2, 2]), BOUNDS).await.unwrap();
    assert_eq!(first, StoredCount { stored: 2, duplicates: 1, repeats: vec![2] });
    let second = bus.store(shard(5), &stored([2, 1]), BOUNDS).await.unwrap();
    assert_eq!(second, StoredCount { stored: 0, duplicates: 2, repeats: vec![0, 1] });
    assert_eq!(events(&bus, shard(5)).await, [bar(1), bar(2)]);
    assert_eq!(entries(&bus, shard(5)).await.len(), 1, "what was stored before makes no entry");
    assert!(events(&bus, shard(6)).await.is_empty());
}

#[tokio::test]
async fn two_writers_at_once_store_each_event_once() {
    let (server, one) = redis().await;
    let two = crate::support::bus(&server);
    let write = async |bus: &Bus| {
        let mut stored_by_me = 0;
        for chunk in 0..20 {
            let batch = stored(chunk * 10..chunk * 10 + 10);
            stored_by_me += bus.store(shard(5), &batch, BOUNDS).await.unwrap().stored;
        }
        stored_by_me
    };
    let (by_one, by_two) = tokio::join!(write(&one), write(&two));
    assert_eq!(by_one + by_two, 200);
    let mut times: Vec<_> = events(&one, shard(5)).await.iter().filter_map(Event::known_at).collect();
    assert_eq!(times.len(), 200);
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 200);
}

#[tokio::test]
async fn a_batch_is_one_entry_in_order_whatever_its_size() {
    let (_server, bus) = redis().await;
    for (number, size) in [1, 2, 15, 16, 255, 256, 1000].into_iter().enumerate() {
        let shard = shard(u8::try_from(number).unwrap());
        bus.store(shard, &stored(0..size), BOUNDS).await.unwrap();
        let entries = entries(&bus, shard).await;
        assert_eq!(entries.len(), 1, "{size} events");
        assert_eq!((entries[0].one.is_some(), entries[0].array.is_some()), (size == 1, size > 1));
        assert_eq!(events(&bus, shard).await, (0..size).map(bar).collect::<Vec<_>>());
    }
    bus.store(shard(9), &stored(0..2001), BOUNDS).await.unwrap();
    assert_eq!(entries(&bus, shard(9)).await.len(), 3, "a thousand an entry");
    assert_eq!(events(&bus, shard(9)).await.len(), 2001);
}

#[tokio::test]
async fn a_tick_goes_into_all_shards_in_one_call_and_is_never_a_duplicate() {
    let (_server, bus) = redis().await;
    let tick = Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(1_791_565_600_000),
        btc_price: Some(82_340.1),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: cascade_domain::Feeds::default(),
    });
    let batch = [Stored::event(&tick, 600).unwrap()];
    let everywhere: Vec<_> = Shard::all().map(|shard| (shard, &batch[..])).collect();
    for _ in 0..2 {
        for result in bus.store_many(&everywhere, BOUNDS).await.unwrap() {
            assert_eq!(result.unwrap(), StoredCount { stored: 1, ..StoredCount::default() });
        }
    }
    for shard in Shard::all() {
        assert_eq!(events(&bus, shard).await, [tick.clone(), tick.clone()]);
    }
}

#[tokio::test]
async fn an_id_is_forgotten_when_its_time_is_over() {
    let (_server, bus) = redis().await;
    let event = Stored { key: Some(Id::from_bits(7)), keep_s: 0, bytes: encode_event(&bar(1)).unwrap() };
    for _ in 0..2 {
        let count = bus.store(shard(1), std::slice::from_ref(&event), BOUNDS).await.unwrap();
        assert_eq!(count.stored, 1);
    }
}

#[tokio::test]
async fn a_stream_is_trimmed_by_length_and_by_age() {
    let (server, bus) = redis().await;
    let short = StreamBounds { max_age_s: 600, max_len: 100, for_snapshots_s: 0 };
    for second in 0..1000 {
        bus.store(shard(1), &stored([second]), short).await.unwrap();
    }
    let left = entries(&bus, shard(1)).await.len();
    assert!((100..=300).contains(&left), "{left} entries; whole nodes of up to 100 go at once");

    // Entries of long ago, as anybody may write them with ids of their own.
    let young = StreamBounds { max_age_s: 60, max_len: 100_000, for_snapshots_s: 0 };
    let bytes = encode_event(&bar(1)).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for i in 1..=500 {
        let id = format!("1000-{i}");
        let cmd = redis::cmd("XADD").arg("{s02}:market").arg(id).arg("e").arg(&bytes).to_owned();
        cmd.exec_async(&mut connection).await.unwrap();
    }
    bus.store(shard(2), &stored([1]), young).await.unwrap();
    let left = entries(&bus, shard(2)).await.len();
    assert!(left <= 101, "{left} entries");
    let oldest = bus.oldest(&[shard(2), shard(3)]).await.unwrap();
    assert!(matches!(oldest[..], [Ok(Some(_)), Ok(None)]), "{oldest:?}");
}

#[tokio::test]
async fn a_stream_is_not_trimmed_past_the_oldest_snapshot_that_an_engine_keeps() {
    let (server, bus) = redis().await;
    let bytes = encode_event(&bar(1)).unwrap();
    for i in 1..=500 {
        ask(&server, redis::cmd("XADD").arg("{s02}:market").arg(format!("{i}-0")).arg("e").arg(&bytes)).await;
    }
    for (engine, at) in [("cascade", 400), ("oi", 300)] {
        let claim = Claim { engine: engine.to_owned(), owner: "one".to_owned(), ttl_ms: 60_000 };
        let epoch = bus.take(&claim, &[shard(2)]).await.remove(0).unwrap().unwrap().epoch;
        let to = StreamId { ms: at, seq: 0 };
        let (durable, publish, state) = (vec![], vec![], Some(format!("as of {at}").into_bytes()));
        let batch = Batch { shard: shard(2), epoch, from: StreamId::ZERO, to, durable, publish, state };
        assert_eq!(bus.commit(engine, &batch).await.unwrap(), Commit::Done);
    }

    let waiting = StreamBounds { max_age_s: 60, max_len: 100_000, for_snapshots_s: u32::MAX };
    bus.store(shard(2), &stored([1]), waiting).await.unwrap();
    let oldest = bus.oldest(&[shard(2)]).await.unwrap().remove(0).unwrap().unwrap();
    assert!((200..=300).contains(&oldest.ms), "{oldest}; whole nodes of up to 100 go at once");

    let hurried = StreamBounds { for_snapshots_s: 0, ..waiting };
    bus.store(shard(2), &stored([2]), hurried).await.unwrap();
    let oldest = bus.oldest(&[shard(2)]).await.unwrap().remove(0).unwrap().unwrap();
    assert!(oldest.ms > 300, "{oldest}");
}

#[tokio::test]
async fn a_key_of_another_type_is_the_error_of_its_own_shard() {
    let (server, bus) = redis().await;
    ask(&server, redis::cmd("SET").arg("{s02}:market").arg("x")).await;
    let oldest = bus.oldest(&[shard(1), shard(2)]).await.unwrap();
    assert!(matches!(oldest[..], [Ok(None), Err(BusError::Refused(_))]), "{oldest:?}");
}

#[tokio::test]
async fn a_full_redis_is_one_to_wait_for() {
    let (server, bus) = redis().await;
    bus.store(shard(1), &stored([1]), BOUNDS).await.unwrap();
    ask(&server, redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1")).await;
    let error = bus.store(shard(1), &stored([2]), BOUNDS).await.unwrap_err();
    assert!(matches!(error, BusError::ReadOnly(_)) && error.is_transient(), "{error:?}");
    ask(&server, redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0")).await;
    let count = bus.store(shard(1), &stored([2]), BOUNDS).await.unwrap();
    assert_eq!(count, StoredCount { stored: 1, ..StoredCount::default() });
}

#[tokio::test]
async fn the_newest_tick_is_found_behind_other_events() {
    let (_server, bus) = redis().await;
    assert_eq!(bus.newest_tick().await, Ok(None));
    let tick = Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(1_791_565_600_000),
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: [].into(),
    });
    let tick = Stored { key: None, keep_s: 0, bytes: encode_event(&tick).unwrap() };
    bus.store(shard(0), &[tick], BOUNDS).await.unwrap();
    bus.store(shard(0), &stored(1..20), BOUNDS).await.unwrap();
    assert_eq!(bus.newest_tick().await, Ok(Some(EventTime::from_ms(1_791_565_600_000))));
}

/// Writes the stream anew, as it would stand 700 s ago.
const OLDER: &str = "local e = redis.call('XRANGE', KEYS[1], '-', '+') redis.call('DEL', KEYS[1]) \
                     local now = redis.call('TIME')[1] \
                     for i, entry in ipairs(e) do \
                       redis.call('XADD', KEYS[1], (now - 700) .. '000-' .. i, unpack(entry[2])) \
                     end";

#[tokio::test]
async fn the_last_tick_is_found_far_back_and_is_as_old_as_its_entry() {
    let (server, bus) = redis().await;
    assert_eq!(bus.last_tick().await, Ok(None));
    bus.store(shard(0), &stored([1]), BOUNDS).await.unwrap();
    assert_eq!(bus.last_tick().await, Ok(None), "another event is no tick");
    let time = EventTime::from_ms(1_791_565_600_000);
    let tick = Event::Tick(Tick {
        event_time_ms: time,
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: [].into(),
    });
    let tick = Stored { key: None, keep_s: 0, bytes: encode_event(&tick).unwrap() };
    bus.store(shard(0), &[tick], BOUNDS).await.unwrap();
    for number in 2..300 {
        bus.store(shard(0), &stored([number]), BOUNDS).await.unwrap();
    }
    let last = bus.last_tick().await.unwrap().unwrap();
    assert_eq!(last.time, time);
    assert!(last.age < std::time::Duration::from_mins(1), "whatever its own time says: {last:?}");
    ask(&server, redis::cmd("EVAL").arg(OLDER).arg(1).arg("{s00}:market")).await;
    let last = bus.last_tick().await.unwrap().unwrap();
    assert_eq!((last.time, last.age.as_secs() / 100), (time, 7), "{last:?}");
}

#[tokio::test]
async fn a_private_server_that_ends_by_itself_is_noticed() {
    let (mut server, _bus) = redis().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    // It answers with its end.
    redis::cmd("SHUTDOWN").arg("NOSAVE").exec_async(&mut connection).await.ok();
    let told = tokio::time::timeout(Duration::from_secs(10), server.ended()).await.unwrap();
    assert!(told.contains("exit status"), "{told}");
}

/// Sends a command as somebody else would.
#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_taught_again() {
    let (mut server, bus) = redis().await;
    bus.store(shard(1), &stored([1]), BOUNDS).await.unwrap();
    server.kill9().await.unwrap();
    assert!(bus.store(shard(1), &stored([2]), BOUNDS).await.is_err_and(|e| e.is_transient()));
    server.restart().await.unwrap();
    crate::support::eventually(async || bus.store(shard(1), &stored([2]), BOUNDS).await).await;
    assert_eq!(events(&bus, shard(1)).await, [bar(2)], "a restart without a file is empty");
    assert_eq!(bus.stats().reconnects(), 1);
    assert!(bus.stats().errors() >= 1);
}

#[tokio::test]
async fn one_shard_that_refuses_does_not_take_the_others_along() {
    let (server, bus) = redis().await;
    bus.write_readings(&[cascade_bus::Write::Json {
        key: key::market(shard(2)),
        json: "no".into(),
        ttl_s: 60,
    }])
    .await
    .unwrap();
    let batch = stored([1]);
    let results =
        bus.store_many(&[(shard(1), &batch), (shard(2), &batch), (shard(3), &batch)], BOUNDS).await.unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    let error = results[1].clone().unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("WRONGTYPE"), "{error}");

    // Once the shard is mended the very same events are stored: a failure marked nothing as seen.
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("DEL").arg(key::market(shard(2))).exec_async(&mut connection).await.unwrap();
    let count = bus.store(shard(2), &batch, BOUNDS).await.unwrap();
    assert_eq!(count, StoredCount { stored: 1, ..StoredCount::default() });
}

#[tokio::test]
async fn a_reader_hears_all_shards_at_once_and_goes_on_after_a_restart() {
    let (mut server, bus) = redis().await;
    let mut reader = bus.reader();
    let mut positions: BTreeMap<Shard, StreamId> = Shard::all().map(|s| (s, StreamId::ZERO)).collect();
    let block = Duration::from_millis(100);
    assert!(reader.read(&positions, block, 10).await.unwrap().is_empty());

    bus.store(shard(5), &stored([1]), BOUNDS).await.unwrap();
    bus.store(shard(63), &stored([2]), BOUNDS).await.unwrap();
    let read = reader.read(&positions, block, 10).await.unwrap();
    assert_eq!(read.iter().map(|(shard, _)| shard.number()).collect::<Vec<_>>(), [5, 63]);
    positions.insert(shard(5), read[0].1[0].id);
    let read = reader.read(&positions, block, 10).await.unwrap();
    assert_eq!(read.len(), 1, "only what lies after the position");

    server.kill9().await.unwrap();
    assert!(reader.read(&positions, block, 10).await.is_err());
    server.restart().await.unwrap();
    crate::support::eventually(async || bus.store(shard(5), &stored([3]), BOUNDS).await).await;
    let read = crate::support::eventually(async || reader.read(&positions, block, 10).await).await;
    assert_eq!(read[0].1[0].events().unwrap(), [Ok(bar(3))]);
}

#[tokio::test]
async fn a_blocked_read_wakes_when_an_event_comes() {
    let (_server, bus) = redis().await;
    let mut reader = bus.reader();
    let positions = BTreeMap::from([(shard(5), StreamId::ZERO)]);
    let batch = stored([1]);
    let (read, stored) = tokio::join!(reader.read(&positions, crate::support::DEADLINE, 10), async {
        tokio::task::yield_now().await;
        bus.store(shard(5), &batch, BOUNDS).await
    });
    assert_eq!((read.unwrap().len(), stored.unwrap().stored), (1, 1));
}

#[tokio::test]
async fn a_frozen_server_is_a_timeout_and_no_more_when_it_goes_on() {
    let (server, bus) = redis().await;
    bus.ping().await.unwrap();
    server.pause().await.unwrap();
    let error = bus.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.resume().await.unwrap();
    crate::support::eventually(async || bus.ping().await).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_of_each_call_and_not_of_opening() {
    let (mut server, bus) = redis().await;
    server.stop().await.unwrap();
    let error = bus.ping().await.unwrap_err();
    assert!(matches!(&error, cascade_bus::BusError::Unreachable(_)), "{error:?}");
    server.restart().await.unwrap();
    crate::support::eventually(async || bus.ready().await).await;
}

#[test]
fn every_call_may_run_in_a_task_of_its_own() {
    fn is_send<T: Send>(_: &T) {}
    let bus = Bus::open("redis://127.0.0.1:1", cascade_bus::BusSettings::default()).unwrap();
    let mut reader = bus.reader();
    let mut subscriber = bus.subscriber(&[]).unwrap();
    let positions = BTreeMap::new();
    is_send(&bus.store_many(&[], BOUNDS));
    is_send(&bus.commit_many("cascade", &[]));
    is_send(&bus.write_readings(&[]));
    is_send(&bus.scan("*"));
    is_send(&reader.read(&positions, Duration::ZERO, 1));
    is_send(&subscriber.next());
}
