//! Recordings of the shard streams.

use std::sync::Arc;

use cascade_bus::{Batch, Bus, Claim, Commit, Stored, StreamBounds, StreamId};
use cascade_detector::{CascadeEngine, Config};
use cascade_domain::{Event, EventTime, Feeds, Shard, Tick};
use cascade_engine::Engine;
use cascade_open_interest::OpenInterestEngine;
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::{encode_state, event_from_json, event_to_json, key};
use serde_json::Value;

use crate::recorder::{DEADLINE, Recorder, files, read, read_all};

/// A tick of this second.
fn tick(second: i64) -> Event {
    Event::Tick(Tick {
        event_time_ms: EventTime::from_ms(1_791_565_600_000 + second * 1000),
        btc_price: Some(82_340.1),
        btc_usd_volume_1s: None,
        btc_venues_changed: false,
        feeds: Feeds::default(),
    })
}

async fn store(bus: &Bus, shard: Shard, seconds: impl IntoIterator<Item = i64>) {
    let events: Vec<Stored> = seconds
        .into_iter()
        .map(|second| Stored { key: None, ..Stored::event(&tick(second), 60).unwrap() })
        .collect();
    bus.store(shard, &events, StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 0 })
        .await
        .unwrap();
}

/// Every event that stands in the streams, as shard, id and JSON.
async fn standing(bus: &Bus) -> Vec<(u64, String, String)> {
    let mut standing = Vec::new();
    for shard in Shard::all() {
        for entry in bus.entries(&key::market(shard), StreamId::ZERO, 100_000).await.unwrap() {
            for event in entry.events().unwrap().into_iter().flatten() {
                let json = event_to_json(&event).unwrap();
                standing.push((u64::from(shard.number()), entry.id.to_string(), json));
            }
        }
    }
    standing.sort();
    standing
}

/// Every event that was recorded, in the same form.
fn recorded(lines: &[Value]) -> Vec<(u64, String, String)> {
    let of = |line: &Value| {
        let event = event_from_json(&line.to_string()).unwrap();
        let (shard, id) = (line["shard"].as_u64().unwrap(), line["stream_id"].as_str().unwrap().to_owned());
        (shard, id, event_to_json(&event).unwrap())
    };
    let mut recorded: Vec<_> = lines.iter().filter(|line| line["kind"].is_string()).map(of).collect();
    recorded.sort();
    recorded
}

#[tokio::test]
async fn every_event_in_the_streams_is_recorded_once_with_where_it_stood() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let shards: Vec<Shard> = Shard::all().collect();
    for (shard, second) in shards.iter().zip(0..) {
        store(&bus, *shard, [second, second + 1]).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["events", "--from", "start", "--redis-url", &redis.url()];
    let mut recorder = Recorder::start(dir.path(), &arguments, Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    for second in 100..150 {
        for shard in &shards[..8] {
            store(&bus, *shard, [second, second, second + 1]).await;
        }
    }
    let said = recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    assert_eq!(recorded(&lines), standing(&bus).await);
    assert_eq!(recorded(&lines).len(), 64 * 2 + 50 * 8 * 3, "{said}");
    let header = &lines[0];
    assert_eq!((&header["as"], &header["from"]), (&Value::from("events"), &Value::from("start")));
    assert!(lines.iter().all(|line| line["kind"] != "snapshot"), "from the start on there is none");
}

#[tokio::test]
async fn from_now_on_is_from_now_on_and_what_is_no_event_is_refused_by_name() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let shard = Shard::new(3).unwrap();
    store(&bus, shard, [1, 2, 3]).await;
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(dir.path(), &["events", "--redis-url", &redis.url()], Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    let bad = Stored { key: None, keep_s: 60, bytes: vec![0xc1] };
    bus.store(shard, &[bad], StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 0 })
        .await
        .unwrap();
    store(&bus, shard, [4]).await;
    let said = recorder.interrupted().await;
    assert!(said.contains("1 refused on Redis"), "{said}");
    let lines = read_all(&files(dir.path()));
    assert_eq!(lines.len(), 4, "{lines:?}");
    let note =
        "no state yet of engine cascade in 1 and of engine oi in 1 of the shards: a replay begins them cold";
    assert_eq!(lines[1]["note"], note);
    let refused = &lines[2];
    assert_eq!((refused["shard"].as_u64(), refused["refused"].is_string()), (Some(3), true), "{refused}");
    assert!(refused["stream_id"].as_str().unwrap().contains('-'));
    assert_eq!(lines[3]["event_time_ms"], 1_791_565_604_000_i64);
}

#[tokio::test]
async fn a_shard_with_a_snapshot_is_recorded_from_there_on() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let [good, bad] = [3, 4].map(|number| Shard::new(number).unwrap());
    for shard in [good, bad] {
        for second in 1..=3 {
            store(&bus, shard, [second]).await;
        }
    }
    let stands = bus.entries(&key::market(good), StreamId::ZERO, 100).await.unwrap();
    let mut engine = CascadeEngine::new(Arc::new(Config::default()), good, String::new());
    engine.take(&tick(1), &mut Vec::new()).unwrap();
    let state = |version| encode_state(version, &stands[0].id.to_string(), engine.state()).unwrap();
    let version = CascadeEngine::STATE_VERSION;
    for (shard, bytes) in [(good, state(version)), (bad, state(version + 1))] {
        keep_state(&bus, "cascade", shard, bytes).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(dir.path(), &["events", "--redis-url", &redis.url()], Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    store(&bus, bad, [4]).await;
    let said = recorder.interrupted().await;
    assert!(
        said.contains(
            "shard 04: without the snapshot of engine cascade, which so begins cold: a snapshot of version"
        ),
        "{said}"
    );
    let lines = read_all(&files(dir.path()));
    let snapshots: Vec<_> = lines.iter().filter(|line| line["kind"] == "snapshot").collect();
    assert_eq!(snapshots.len(), 1, "{lines:?}");
    assert_eq!(
        (&snapshots[0]["shard"], &snapshots[0]["engine"], snapshots[0]["stream_id"].as_str()),
        (&3.into(), &"cascade".into(), Some(stands[0].id.to_string().as_str()))
    );
    let ticks: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "tick")
        .map(|line| (line["shard"].as_u64().unwrap(), line["event_time_ms"].as_i64().unwrap() / 1000 % 10))
        .collect();
    assert_eq!(ticks, [(3, 2), (3, 3), (4, 4)]);
}

#[tokio::test]
async fn a_shard_is_recorded_from_the_earlier_of_its_engines_snapshots_on() {
    let redis = TestRedis::start().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let [oi_earlier, cascade_earlier, only_oi] = [3, 4, 5].map(|number| Shard::new(number).unwrap());
    let cascade = CascadeEngine::new(Arc::default(), oi_earlier, String::new());
    let interest = OpenInterestEngine::new(Arc::default(), oi_earlier, String::new());
    for (shard, of_cascade, of_interest) in
        [(oi_earlier, Some(2), 0), (cascade_earlier, Some(0), 2), (only_oi, None, 1)]
    {
        for second in 1..=4 {
            store(&bus, shard, [second]).await;
        }
        let entries = bus.entries(&key::market(shard), StreamId::ZERO, 100).await.unwrap();
        let id = |at: usize| entries[at].id.to_string();
        if let Some(at) = of_cascade {
            let state = encode_state(CascadeEngine::STATE_VERSION, &id(at), cascade.state()).unwrap();
            keep_state(&bus, "cascade", shard, state).await;
        }
        let state = encode_state(OpenInterestEngine::STATE_VERSION, &id(of_interest), interest.state());
        keep_state(&bus, "oi", shard, state.unwrap()).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::start(dir.path(), &["events", "--redis-url", &redis.url()], Vec::new());
    recorder
        .says(&["recording the shard streams", "no state yet of engine cascade in 1 of the shards"])
        .await;
    recorder.interrupted().await;
    let files = files(dir.path());
    let lines = read_all(&files);
    let seconds = |shard: Shard| -> Vec<i64> {
        let ticks = lines.iter().filter(|line| line["kind"] == "tick" && line["shard"] == shard.number());
        ticks.map(|line| line["event_time_ms"].as_i64().unwrap() / 1000 % 10).collect()
    };
    assert_eq!((seconds(oi_earlier), seconds(cascade_earlier)), (vec![2, 3, 4], vec![2, 3, 4]));
    assert_eq!(seconds(only_oi), [3, 4]);
    let first_event = lines.iter().position(|line| line["kind"] == "tick").unwrap();
    let last_snapshot = lines.iter().rposition(|line| line["kind"] == "snapshot").unwrap();
    assert!(last_snapshot < first_event, "{lines:?}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cascade"))
        .args(["replay", "--json-summary", files[0].to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["snapshots"], &summary["bad_lines"]), (&5.into(), &0.into()), "{said}");
    assert_eq!((&summary["events"], &summary["passed"]), (&8.into(), &serde_json::json!({})), "{said}");
}

/// Puts a snapshot where an engine's script does.
async fn keep_state(bus: &Bus, engine: &str, shard: Shard, state: Vec<u8>) {
    let claim = Claim { engine: engine.to_owned(), owner: "test".to_owned(), ttl_ms: 10_000 };
    let owned = bus.take(&claim, &[shard]).await.pop().unwrap().unwrap().unwrap();
    let (from, to) = (StreamId::ZERO, StreamId { ms: 1, seq: 0 });
    let (durable, publish) = (Vec::new(), Vec::new());
    let batch = Batch { shard, epoch: owned.epoch, from, to, durable, publish, state: Some(state) };
    let done = bus.commit_many(engine, &[batch]).await.unwrap().pop().unwrap();
    assert_eq!(done.unwrap(), Commit::Done);
}

#[tokio::test]
async fn a_redis_that_goes_and_comes_back_and_a_stream_that_was_trimmed_are_said() {
    let mut redis = TestRedis::start_append_only().await.unwrap();
    let bus = redis.bus("test").unwrap();
    let (dir, shard) = (tempfile::tempdir().unwrap(), Shard::new(5).unwrap());
    store(&bus, shard, [1]).await;
    let arguments = ["events", "--from", "start", "--redis-url", &redis.url()];
    let mut recorder = Recorder::start(dir.path(), &arguments, Vec::new());
    recorder.says(&["recording the shard streams"]).await;
    let first = async || files(dir.path()).iter().any(|file| recorded(&read(file).0).len() == 1);
    assert!(eventually(DEADLINE, first).await);
    recorder.signal("STOP").await;
    for second in 2..40 {
        store(&bus, shard, [second]).await;
    }
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let _: i64 = observer.command("XTRIM", &[&key::market(shard), "MAXLEN", "10"]).await.unwrap();
    redis.server.kill9().await.unwrap();
    recorder.signal("CONT").await;
    recorder.says(&["trying again"]).await;
    redis.server.restart().await.unwrap();
    recorder.says(&["shard 05: trimmed: what stood between", "Redis answers again"]).await;
    recorder.interrupted().await;
    let lines = read_all(&files(dir.path()));
    let note = lines.iter().find(|line| line["note"].as_str().is_some_and(|note| note.contains("trimmed")));
    assert_eq!(note.unwrap()["shard"], 5);
    // The reading that waited when it was stopped may have brought one more before the trimming.
    let (events, standing) = (recorded(&lines), standing(&redis.bus("after").unwrap()).await);
    assert_eq!(standing.len(), 10);
    assert!(events.ends_with(&standing) && events.len() <= 12, "{events:?}");
}
