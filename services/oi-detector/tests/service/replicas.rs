//! Replicas on one Redis: findings come once, and are those of an engine that nobody disturbs, whoever dies meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use cascade_bus::{Bus, Stored};
use cascade_domain::{Event, Id, Shard, State, Swing};
use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use cascade_wire::{EngineKeys, key};

use crate::findings::{BOUNDS, said, told, until, write};
use crate::market::{self, HIGH, OVER};
use crate::support::{DEADLINE, PROGRAM, nowhere};

async fn replica(redis: &TestRedis) -> TestProcess {
    let url = redis.url();
    let arguments = ["--redis-url", &url, "--health-addr", "127.0.0.1:0"];
    let mut process = TestProcess::start(PROGRAM, &arguments, &nowhere()).unwrap();
    process.line().await.unwrap().unwrap();
    process
}

/// How many shards each replica owns.
async fn shares(bus: &Bus) -> Vec<usize> {
    let owners: Vec<String> = bus.owners("oi").await.unwrap_or_default().into_iter().flatten().collect();
    let names: BTreeSet<&String> = owners.iter().collect();
    names.into_iter().map(|name| owners.iter().filter(|owner| *owner == name).count()).collect()
}

/// Who owns the symbol's shard.
async fn owner(observer: &Observer) -> Option<String> {
    let keys = EngineKeys::of(market::shard(), "oi");
    let lease: Option<String> = observer.command("GET", &[&keys.lease]).await.unwrap();
    lease?.split(' ').next().map(str::to_owned)
}

/// Waits until the cursor stands at the stream's end.
async fn caught_up(bus: &Bus, observer: &Observer) {
    let keys = EngineKeys::of(market::shard(), "oi");
    let out = async || {
        let newest = bus.newest(&[market::shard()]).await.unwrap().remove(0).unwrap().unwrap();
        let cursor = observer.command::<Option<String>>("GET", &[&keys.cursor]).await.unwrap();
        cursor == Some(newest.to_string())
    };
    assert!(eventually(DEADLINE, out).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explosion_is_told_once_although_its_replica_is_killed_in_the_middle_of_it() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &["cascade:oi"]).await.unwrap();
    let first = replica(&redis).await;
    assert!(eventually(DEADLINE, async || shares(&bus).await == [64]).await);
    write(&bus, 0..HIGH - 200).await;
    until(&bus, |finding| finding.state == State::Open).await;
    caught_up(&bus, &observer).await;
    let alone = owner(&observer).await;

    // Whoever has the shard then dies without a word, behind its last snapshot and with entries unread.
    let second = replica(&redis).await;
    let shared = async || shares(&bus).await.len() == 2 && shares(&bus).await.iter().sum::<usize>() == 64;
    assert!(eventually(DEADLINE, shared).await, "{:?}", shares(&bus).await);
    let killed = owner(&observer).await;
    let (dies, _lives) = if killed == alone { (first, second) } else { (second, first) };
    write(&bus, HIGH - 200..HIGH - 100).await;
    dies.signal("KILL").await.unwrap();
    write(&bus, HIGH - 100..OVER).await;
    assert!(eventually(DEADLINE, async || shares(&bus).await == [64]).await, "{:?}", shares(&bus).await);
    assert_ne!(owner(&observer).await, killed);
    let all = until(&bus, |finding| finding.state == State::Resolved).await;
    caught_up(&bus, &observer).await;

    let states: Vec<State> = all.iter().map(|finding| finding.state).collect();
    assert_eq!((states[0], states[states.len() - 1]), (State::Open, State::Resolved), "{states:?}");
    assert!(states[1..states.len() - 1].iter().all(|state| *state == State::Update), "{states:?}");
    assert!(states.len() > 2, "it grows meanwhile: {states:?}");
    let episodes: BTreeSet<Id> = all.iter().map(|finding| finding.episode).collect();
    assert_eq!(episodes.len(), 1, "{all:?}");
    assert!(all.iter().all(|finding| finding.direction == Swing::Explosion && !finding.warming), "{all:?}");
    assert_eq!(told(&bus).await, said((0..OVER).flat_map(market::second)), "as if nobody had died");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_the_stream_says_what_was_published() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let mut observer = Observer::connect(&redis.url(), &["cascade:oi:json"]).await.unwrap();
    let process = replica(&redis).await;
    write(&bus, 0..OVER).await;
    let all = until(&bus, |finding| finding.state == State::Resolved).await;
    caught_up(&bus, &observer).await;

    let mut events = Vec::new();
    let entries =
        bus.entries(&key::market(market::shard()), cascade_bus::StreamId::ZERO, 100_000).await.unwrap();
    for entry in &entries {
        events.extend(entry.events().unwrap().into_iter().map(Result::unwrap));
    }
    assert!(events.len() > 5_000, "{}", events.len());
    let replayed = said(events);
    assert_eq!(replayed, all);
    let published = observer.wait_for(DEADLINE, |seen| seen.len() >= all.len()).await.unwrap();
    let published: Vec<Id> =
        published.iter().map(|m| serde_json::from_value(m.value["id"].clone()).unwrap()).collect();
    assert_eq!(published, replayed.iter().map(|finding| finding.id).collect::<Vec<_>>());
    let current = observer.reading(&key::open_interest(&market::symbol())).await.unwrap();
    let shown =
        async || observer.reading(&key::open_interest_change(&market::symbol())).await.unwrap().is_some();
    assert!(current.is_some() || eventually(DEADLINE, shown).await);
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_snapshot_the_first_is_kept_soon() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let _process = replica(&redis).await;
    assert!(eventually(DEADLINE, async || shares(&bus).await == [64]).await);
    // The last shard's, which would come after nearly 90 s if the first were not sooner than those that follow.
    let last = Shard::all().last().unwrap();
    let (keys, mut second) = (EngineKeys::of(last, "oi"), 0);
    let kept = eventually(Duration::from_secs(40), async || {
        let ticks = market::second(second).into_iter().filter(|event| matches!(event, Event::Tick(_)));
        let stored: Vec<Stored> = ticks.map(|tick| Stored::event(&tick, 600).unwrap()).collect();
        assert!(!stored.is_empty());
        bus.store_many(&[(last, stored.as_slice())], BOUNDS).await.unwrap().remove(0).unwrap();
        second += 1;
        observer.command::<Option<Vec<u8>>>("GET", &[&keys.state]).await.unwrap().is_some()
    });
    assert!(kept.await, "none yet");
}
