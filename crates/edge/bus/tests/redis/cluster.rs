//! The bus on a real cluster: every call over many shards, and all of it again after a master died.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::subscriber::{is_heard, listen};
use crate::support::{BOUNDS, DEADLINE, eventually, shard};
use cascade_bus::{Batch, Bus, BusError, Claim, Commit, Stored, StoredCount, StreamId, Telling, Write};
use cascade_domain::{Event, EventTime, Feeds, Id, Shard, Tick};
use cascade_testkit::TestCluster;
use cascade_wire::key;

const ENGINE: &str = "cascade";

fn tick(second: i64) -> Vec<Stored> {
    let tick = Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(1_791_565_600_000 + second * 1000),
        btc_price: None,
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: Feeds::default(),
    });
    vec![Stored::event(&tick, 600).unwrap()]
}

async fn store_everywhere(bus: &Bus, second: i64) -> Result<(), BusError> {
    let batch = tick(second);
    let everywhere: Vec<_> = Shard::all().map(|shard| (shard, &batch[..])).collect();
    for result in bus.store_many(&everywhere, BOUNDS).await? {
        assert_eq!(result?, StoredCount { stored: 1, ..StoredCount::default() });
    }
    Ok(())
}

fn everywhere_from_the_start() -> BTreeMap<Shard, StreamId> {
    Shard::all().map(|shard| (shard, StreamId::ZERO)).collect()
}

#[tokio::test]
async fn scripts_of_all_shards_run_at_once_and_each_has_its_own_result() {
    let cluster = TestCluster::start(3, 0).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    bus.ready().await.unwrap();
    store_everywhere(&bus, 1).await.unwrap();
    assert_eq!(bus.newest_tick().await, Ok(Some(EventTime::from_ms(1_791_565_601_000))));
    assert_eq!(bus.oldest_tick().await, Ok(Some(EventTime::from_ms(1_791_565_601_000))));

    let claim = Claim { engine: ENGINE.to_owned(), owner: "one".to_owned(), ttl_ms: 60_000 };
    let shards: Vec<_> = Shard::all().collect();
    let owned: Vec<_> = bus.take(&claim, &shards).await.into_iter().map(|owned| owned.unwrap()).collect();
    assert!(owned.iter().all(Option::is_some), "{owned:?}");
    let batch = |shard: &Shard, epoch: u64| Batch {
        shard: *shard,
        epoch,
        from: StreamId::ZERO,
        to: StreamId { ms: 1, seq: 0 },
        durable: vec![shard.to_string().into_bytes()],
        publish: Vec::new(),
        state: None,
    };
    let batches: Vec<_> = shards
        .iter()
        .zip(&owned)
        .map(|(shard, owned)| {
            batch(shard, if shard.number() == 7 { 1 } else { owned.as_ref().unwrap().epoch })
        })
        .collect();
    let results = bus.commit_many(ENGINE, &batches).await.unwrap();
    for (shard, result) in shards.iter().zip(results) {
        assert_eq!(result, Ok(if shard.number() == 7 { Commit::Fenced } else { Commit::Done }), "{shard}");
    }
    let held: Vec<_> =
        shards.iter().zip(&owned).map(|(s, owned)| (*s, owned.as_ref().unwrap().epoch)).collect();
    assert_eq!(bus.renew(&claim, &held).await.unwrap(), vec![Ok(true); shards.len()]);
    let alerts = bus.entries(&key::alerts(shard(9)), StreamId::ZERO, 9).await.unwrap();
    assert_eq!(
        alerts[0].one.as_deref(),
        Some(shard(9).to_string().as_bytes()),
        "the order is the order given"
    );
    bus.release(&claim, &shards).await.unwrap();
    let told = Telling {
        scope: "feed:okx".to_owned(),
        after: None,
        id: Id::from_bits(7),
        json: "{}".to_owned(),
        bytes: b"told".to_vec(),
        publish: Vec::new(),
    };
    assert_eq!(bus.tell(&told).await.unwrap(), Commit::Done);
    assert_eq!(bus.last_told("feed:okx").await.unwrap().as_deref(), Some("{}"));
}

#[tokio::test]
async fn readings_lie_on_every_node_and_are_all_found() {
    let cluster = TestCluster::start(3, 0).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    let keys: Vec<_> = (0..40).map(|number| format!("velocity:COIN{number:02}USDT:current")).collect();
    let writes: Vec<_> =
        keys.iter().map(|key| Write::Json { key: key.clone(), json: key.clone(), ttl_s: 60 }).collect();
    bus.write_readings(&writes).await.unwrap();
    assert_eq!(bus.scan("velocity:*:current").await.unwrap(), keys);
    let texts = bus.get_many(&keys).await.unwrap();
    assert_eq!(texts, keys.iter().cloned().map(Some).collect::<Vec<_>>());
    let facts = bus.facts().await.unwrap();
    assert!(facts.is_new_enough() && facts.role == "master" && facts.used_memory > 0, "{facts:?}");
}

#[tokio::test]
async fn a_reader_hears_all_shards_and_wakes_when_an_event_comes() {
    let cluster = TestCluster::start(3, 0).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    let mut reader = bus.reader();
    let mut positions = everywhere_from_the_start();
    assert!(reader.read(&positions, Duration::from_millis(50), 10).await.unwrap().is_empty());
    store_everywhere(&bus, 1).await.unwrap();
    let read = reader.read(&positions, DEADLINE, 10).await.unwrap();
    assert_eq!(read.iter().map(|(shard, _)| *shard).collect::<Vec<_>>(), Shard::all().collect::<Vec<_>>());
    for (shard, entries) in &read {
        positions.insert(*shard, entries[0].id);
    }
    let batch = tick(2);
    let (read, stored) = tokio::join!(reader.read(&positions, DEADLINE, 10), async {
        tokio::task::yield_now().await;
        bus.store(shard(5), &batch, BOUNDS).await
    });
    let (read, stored) = (read.unwrap(), stored.unwrap());
    assert_eq!((read.len(), read[0].0, read[0].1.len(), stored.stored), (1, shard(5), 1, 1));
}

#[tokio::test]
async fn a_dead_master_is_replaced_and_everything_goes_on() {
    let mut cluster = TestCluster::start(3, 1).await.unwrap();
    // By one node alone, which is the one that dies.
    let victim = cluster.master_of(&key::market(shard(5))).await.unwrap();
    let bus = Bus::open(&format!("redis+cluster://127.0.0.1:{victim}"), crate::support::settings()).unwrap();
    let mut reader = bus.reader();
    let mut subscriber = listen(&bus).await;
    is_heard(&bus, &mut subscriber, "before").await;
    store_everywhere(&bus, 1).await.unwrap();
    let before = bus.holders().await.unwrap();
    let of_5 = |holders: &[cascade_bus::Holder]| {
        holders.iter().find(|holder| holder.shards.contains(&shard(5))).cloned().unwrap()
    };
    let lost = of_5(&before);
    assert_eq!(before.len(), 3);
    assert_eq!(before.iter().flat_map(|holder| &holder.shards).collect::<BTreeSet<_>>().len(), 64);
    // What was written reaches the replica, and that is known.
    eventually(async || {
        let now = of_5(&bus.holders().await.map_err(|e| e.to_string())?);
        if now.followed >= Some(lost.written) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let run = bus.run_id().await.unwrap();

    cluster.kill(victim).await.unwrap();
    eventually(async || bus.ready().await.err().ok_or("not noticed")).await;
    eventually(async || bus.ready().await).await;
    eventually(async || store_everywhere(&bus, 2).await).await;
    let after = eventually(async || bus.holders().await).await;
    assert_ne!(of_5(&after).id, lost.id);
    assert_eq!(of_5(&after).shards, lost.shards);
    assert_ne!(bus.run_id().await.unwrap(), run, "the set of masters has another name");
    assert_eq!(after.iter().filter(|holder| before.iter().any(|b| b.id == holder.id)).count(), 2);

    let positions = everywhere_from_the_start();
    let read = eventually(async || reader.read(&positions, Duration::from_millis(100), 10).await).await;
    assert_eq!(read.len(), 64);
    let ticks = |shard: Shard| read[usize::from(shard.number())].1.len();
    assert!(ticks(shard(5)) >= 2, "what the replica had is there still");
    is_heard(&bus, &mut subscriber, "after").await;
    assert_eq!(subscriber.lost(), 1, "it says that a gap was possible");
}

#[tokio::test]
async fn a_frozen_master_is_replaced_too() {
    let mut cluster = TestCluster::start(3, 1).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    store_everywhere(&bus, 1).await.unwrap();
    let mut subscriber = listen(&bus).await;
    let victim = cluster.master_of(&key::market(shard(5))).await.unwrap();
    cluster.pause(victim).await.unwrap();
    let batch = tick(2);
    eventually(async || bus.store(shard(5), &batch, BOUNDS).await).await;
    eventually(async || bus.ready().await).await;
    is_heard(&bus, &mut subscriber, "after").await;
}

#[tokio::test]
async fn a_slot_without_a_master_is_named() {
    let mut cluster = TestCluster::start(3, 0).await.unwrap();
    let bus = cluster.bus("test").unwrap();
    bus.ready().await.unwrap();
    cluster.kill_master_of(&key::market(shard(5))).await.unwrap();
    eventually(async || match bus.ready().await {
        Err(BusError::Unreachable(why)) if why.contains("of 16384 slots do not answer") => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn a_wrong_scheme_says_which_is_right() {
    let mut cluster = TestCluster::start(3, 0).await.unwrap();
    let single =
        Bus::open(&TestCluster::url_of_node(cluster.ports()[0]), crate::support::settings()).unwrap();
    let error = single.ready().await.unwrap_err();
    assert!(matches!(&error, BusError::Unfit(why) if why.contains("redis+cluster://")), "{error:?}");
    let (server, _) = crate::support::redis().await;
    let url = format!("redis+cluster://127.0.0.1:{}", server.port());
    let error = Bus::open(&url, crate::support::settings()).unwrap().ready().await.unwrap_err();
    assert!(matches!(&error, BusError::Unfit(why) if why.contains("it is no cluster")), "{error:?}");
}
