//! Leases, epochs and commits, and that a refused one says nothing.

use crate::subscriber::{heard, listen};
use crate::support::{ask, eventually, redis, shard};
use cascade_bus::{Batch, Bus, BusError, Claim, Commit, Owned, StreamId};
use cascade_domain::Shard;
use cascade_wire::{Channel, key};

const ENGINE: &str = "cascade";

fn claim(owner: &str, ttl_ms: u64) -> Claim {
    Claim { engine: ENGINE.to_owned(), owner: owner.to_owned(), ttl_ms }
}

async fn take(bus: &Bus, owner: &str, shard: Shard) -> Option<Owned> {
    bus.take(&claim(owner, 60_000), &[shard]).await.remove(0).unwrap()
}

fn id(ms: u64) -> StreamId {
    StreamId { ms, seq: 0 }
}

fn batch(epoch: u64, from: StreamId, to: StreamId) -> Batch {
    Batch {
        shard: shard(5),
        epoch,
        from,
        to,
        durable: vec![format!("found until {to}").into_bytes()],
        publish: vec![(Channel::Signals.as_str().to_owned(), format!("heard until {to}").into_bytes())],
        state: None,
    }
}

async fn alerts(bus: &Bus) -> Vec<String> {
    let entries = bus.entries(&key::alerts(shard(5)), StreamId::ZERO, 100).await.unwrap();
    entries.into_iter().map(|entry| String::from_utf8(entry.one.unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn a_live_lease_keeps_others_out_and_a_released_one_does_not() {
    let (_server, bus) = redis().await;
    let first = take(&bus, "one", shard(5)).await.unwrap();
    assert_eq!(first.cursor, None);
    assert_eq!(take(&bus, "two", shard(5)).await, None);
    bus.release(&claim("two", 1), &[shard(5)]).await.unwrap();
    assert_eq!(take(&bus, "two", shard(5)).await, None, "only its owner may give it back");
    bus.release(&claim("one", 1), &[shard(5)]).await.unwrap();
    assert!(take(&bus, "two", shard(5)).await.unwrap().epoch > first.epoch);
}

#[tokio::test]
async fn a_lease_runs_out_and_is_ours_still_until_somebody_takes_it() {
    let (_server, bus) = redis().await;
    let short = claim("one", 1);
    let mine = bus.take(&short, &[shard(5)]).await.remove(0).unwrap().unwrap();
    assert_eq!(bus.renew(&short, &[(shard(5), mine.epoch)]).await.unwrap(), [Ok(true)]);
    eventually(async || take(&bus, "two", shard(5)).await.ok_or("the lease holds")).await;
    assert_eq!(bus.renew(&claim("one", 60_000), &[(shard(5), mine.epoch)]).await.unwrap(), [Ok(false)]);
    assert_eq!(bus.renew(&short, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_commit_is_done_once_and_only_by_the_owner_from_where_it_stood() {
    let (_server, bus) = redis().await;
    let mut subscriber = listen(&bus).await;
    let old = take(&bus, "one", shard(5)).await.unwrap().epoch;
    let epoch = take(&bus, "one", shard(5)).await.unwrap().epoch;
    assert!(epoch > old, "each claim fences the one before, the own included");

    let table = [
        (batch(old, StreamId::ZERO, id(10)), Commit::Fenced),
        (batch(epoch + 1, StreamId::ZERO, id(10)), Commit::Fenced),
        (batch(epoch, id(3), id(10)), Commit::CursorMoved),
        (batch(epoch, StreamId::ZERO, id(10)), Commit::Done),
        (batch(epoch, StreamId::ZERO, id(10)), Commit::AlreadyDone),
        (batch(old, StreamId::ZERO, id(10)), Commit::Fenced),
        (batch(epoch, StreamId::ZERO, id(20)), Commit::CursorMoved),
        (batch(epoch, id(10), id(20)), Commit::Done),
        (batch(epoch, id(20), id(9)), Commit::CursorMoved),
    ];
    for (batch, expected) in table {
        assert_eq!(bus.commit(ENGINE, &batch).await.unwrap(), expected, "{batch:?}");
    }
    assert_eq!(alerts(&bus).await, ["found until 10-0", "found until 20-0"]);
    assert_eq!(heard(&mut subscriber).await, "heard until 10-0");
    assert_eq!(heard(&mut subscriber).await, "heard until 20-0", "nothing of what was refused");
    assert_eq!(take(&bus, "one", shard(5)).await.unwrap().cursor, Some(id(20)));
}

#[tokio::test]
async fn batches_of_many_shards_each_have_their_own_result() {
    let (_server, bus) = redis().await;
    let shards = [shard(1), shard(2)];
    let owned = bus.take(&claim("one", 60_000), &shards).await;
    let of = |i: usize, epoch: u64| Batch { shard: shards[i], ..batch(epoch, StreamId::ZERO, id(1)) };
    let batches = [of(0, owned[0].clone().unwrap().unwrap().epoch), of(1, 1)];
    let results = bus.commit_many(ENGINE, &batches).await.unwrap();
    assert_eq!(results, [Ok(Commit::Done), Ok(Commit::Fenced)]);
}

#[tokio::test]
async fn a_redis_that_restarts_empty_fences_the_owner_and_gives_a_higher_epoch() {
    let (mut server, bus) = redis().await;
    let before = take(&bus, "one", shard(5)).await.unwrap().epoch;
    server.kill9().await.unwrap();
    server.restart().await.unwrap();
    let stale = batch(before, StreamId::ZERO, id(10));
    assert_eq!(eventually(async || bus.commit(ENGINE, &stale).await).await, Commit::Fenced);
    assert!(take(&bus, "two", shard(5)).await.unwrap().epoch > before);
}

#[tokio::test]
async fn a_redis_that_restarts_with_its_file_keeps_epoch_and_cursor() {
    let mut server =
        cascade_bus::PrivateRedis::start_append_only(cascade_bus::PortChoice::Free).await.unwrap();
    let bus = crate::support::bus(&server);
    let before = take(&bus, "one", shard(5)).await.unwrap().epoch;
    assert_eq!(bus.commit(ENGINE, &batch(before, StreamId::ZERO, id(10))).await.unwrap(), Commit::Done);
    server.kill9().await.unwrap();
    server.restart().await.unwrap();
    let next = batch(before, id(10), id(20));
    assert_eq!(eventually(async || bus.commit(ENGINE, &next).await).await, Commit::Done);
}

#[tokio::test]
async fn one_of_two_writers_holds_the_tick_lease() {
    let (_server, bus) = redis().await;
    assert!(bus.hold(key::TICK_LEASE, "one", 60_000).await.unwrap());
    assert!(bus.hold(key::TICK_LEASE, "one", 60_000).await.unwrap(), "holding on is allowed");
    assert!(!bus.hold(key::TICK_LEASE, "two", 60_000).await.unwrap());
    assert!(!bus.let_go(key::TICK_LEASE, "two").await.unwrap());
    assert!(bus.let_go(key::TICK_LEASE, "one").await.unwrap());
    assert!(bus.hold(key::TICK_LEASE, "two", 60_000).await.unwrap());
}

#[tokio::test]
async fn a_snapshot_goes_with_its_batch_stays_when_a_batch_has_none_and_is_refused_with_it() {
    let (_server, bus) = redis().await;
    let first = take(&bus, "one", shard(5)).await.unwrap();
    assert_eq!(first.state, None);
    let kept = Batch {
        state: Some(b"\0as of 10".to_vec()),
        durable: vec![],
        ..batch(first.epoch, StreamId::ZERO, id(10))
    };
    assert_eq!(bus.commit(ENGINE, &kept).await.unwrap(), Commit::Done);
    assert_eq!(bus.commit(ENGINE, &batch(first.epoch, id(10), id(20))).await.unwrap(), Commit::Done);
    let second = take(&bus, "one", shard(5)).await.unwrap();
    assert_eq!((second.cursor, second.state.as_deref()), (Some(id(20)), Some(&b"\0as of 10"[..])));
    let alone = Batch { state: Some(b"as of 20".to_vec()), ..batch(second.epoch, id(20), id(20)) };
    assert_eq!(bus.commit(ENGINE, &alone).await.unwrap(), Commit::AlreadyDone);
    let second = take(&bus, "one", shard(5)).await.unwrap();
    assert_eq!((second.cursor, second.state.as_deref()), (Some(id(20)), Some(&b"as of 20"[..])));
    assert_eq!(alerts(&bus).await, ["found until 20-0"], "only what came with a batch");
    let stale = Batch { state: Some(b"a zombie's".to_vec()), ..batch(first.epoch, id(20), id(30)) };
    assert_eq!(bus.commit(ENGINE, &stale).await.unwrap(), Commit::Fenced);
    let third = take(&bus, "one", shard(5)).await.unwrap();
    assert_eq!((third.cursor, third.state), (Some(id(20)), second.state));
}

#[tokio::test]
async fn members_live_as_long_as_their_word_holds_and_until_they_part() {
    let (_server, bus) = redis().await;
    let meet = async |group: &str, member: Option<&str>, ttl_ms| {
        let live = bus.meet(group, member, ttl_ms).await.unwrap();
        live.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let all = async || meet("signals", None, 60_000).await;
    assert_eq!(all().await, Vec::<String>::new(), "who only listens is no member");
    assert_eq!(meet("signals", Some("b"), 60_000).await, ["b"]);
    assert_eq!(meet("signals", Some("a"), 60_000).await, ["a", "b"]);
    assert_eq!(meet("others", Some("c"), 60_000).await, ["c"]);
    let first = bus.meet("signals", None, 60_000).await.unwrap().remove(0);
    eventually(async || {
        let live = meet("signals", Some("a"), 20).await;
        if live == ["a"] { Ok(()) } else { Err(live) }
    })
    .await;
    let later = bus.meet("signals", None, 60_000).await.unwrap().remove(0);
    assert!(later.0 == first.0 && later.1 > first.1, "when a word was said is told: {first:?} {later:?}");
    assert_eq!(all().await, ["a", "b"], "a word holds for as long as the listener says");
    bus.part("signals", "b").await.unwrap();
    assert_eq!(all().await, ["a"]);
}

#[tokio::test]
async fn the_owners_of_all_shards_are_told() {
    let (_server, bus) = redis().await;
    take(&bus, "one 0.1.0+9f2c41aa", shard(5)).await.unwrap();
    let owners = bus.owners(ENGINE).await.unwrap();
    let owned: Vec<_> =
        owners.iter().enumerate().filter_map(|(i, owner)| Some((i, owner.as_deref()?))).collect();
    assert_eq!((owners.len(), owned), (64, vec![(5, "one 0.1.0+9f2c41aa")]));
}

#[tokio::test]
async fn snapshots_of_all_shards_too_large_for_one_round_trip_are_kept_all_the_same() {
    let (_server, bus) = redis().await;
    let shards: Vec<Shard> = Shard::all().take(8).collect();
    let owned = bus.take(&claim("one", 60_000), &shards).await;
    let of = |(shard, owned): (&Shard, Result<Option<Owned>, BusError>)| Batch {
        shard: *shard,
        state: Some(vec![shard.number(); 3 << 20]),
        ..batch(owned.unwrap().unwrap().epoch, StreamId::ZERO, id(1))
    };
    let batches: Vec<Batch> = shards.iter().zip(owned).map(of).collect();
    let results = bus.commit_many(ENGINE, &batches).await.unwrap();
    assert_eq!(results, vec![Ok(Commit::Done); 8]);
    let again = bus.take(&claim("one", 60_000), &shards).await;
    for (batch, owned) in batches.iter().zip(again) {
        assert!(owned.unwrap().unwrap().state == batch.state, "{}", batch.shard);
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_shard_costs_no_other() {
    let (server, bus) = redis().await;
    let keys = cascade_wire::EngineKeys::of(shard(6), ENGINE);
    ask(&server, redis::cmd("SET").arg(&keys.cursor).arg("no stream id")).await;
    let shards = [shard(5), shard(6), shard(7)];
    let taken = bus.take(&claim("one", 60_000), &shards).await;
    assert!(matches!(taken[..], [Ok(Some(_)), Err(BusError::Reply(_)), Ok(Some(_))]), "{taken:?}");
    let epoch = |i: usize| taken[i].clone().unwrap().unwrap().epoch;
    ask(&server, redis::cmd("DEL").arg(&keys.lease)).await;
    ask(&server, redis::cmd("LPUSH").arg(&keys.lease).arg("no lease")).await;
    let held = [(shard(5), epoch(0)), (shard(6), 1), (shard(7), epoch(2))];
    let renewed = bus.renew(&claim("one", 60_000), &held).await.unwrap();
    assert!(matches!(renewed[..], [Ok(true), _, Ok(true)]), "{renewed:?}");
    let owners = bus.owners(ENGINE).await.unwrap();
    assert_eq!((owners[5].as_deref(), owners[6].as_deref()), (Some("one"), None));
}
