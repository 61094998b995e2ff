//! From a real Redis into a real file.

use std::time::Duration;

use cascade_bus::Bus;
use cascade_history::{History, HistoryError, Projection, Question, projected};
use cascade_testkit::{Observer, TestRedis};
use cascade_wire::{HistoryEntry, dispatch};

use crate::support::{T0, an_hour};

/// Writes an entry as it stands, with an id of Redis or of our own.
async fn write(observer: &Observer, id: &str, text: &str) {
    let _: String = observer.command("XADD", &[dispatch::HISTORY, id, "e", text]).await.unwrap();
}

async fn write_all(observer: &Observer, entries: &[HistoryEntry]) {
    for entry in entries {
        write(observer, "*", &entry.to_json().unwrap()).await;
    }
}

fn entries() -> Vec<HistoryEntry> {
    an_hour().into_iter().map(|(_, entry)| entry).collect()
}

async fn redis() -> (TestRedis, Bus, Observer) {
    let redis = TestRedis::start().await.unwrap();
    let (bus, observer) = (redis.bus("test").unwrap(), Observer::connect(&redis.url(), &[]).await.unwrap());
    (redis, bus, observer)
}

const ALL: Question = Question {
    since: None,
    until: None,
    symbol: None,
    destination: None,
    rule: None,
    ending: None,
    limit: 1000,
};

#[tokio::test]
async fn a_projection_that_is_killed_between_two_steps_goes_on_and_counts_once() {
    let (_redis, bus, observer) = redis().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite").display().to_string();
    let entries = entries();
    write_all(&observer, &entries[..5]).await;
    let first = Projection::new(bus.clone(), History::open(&path).unwrap());
    assert_eq!(first.step().await.unwrap().taken, 5);
    // Killed with a transaction begun: what it did not commit is not there.
    let killed = rusqlite::Connection::open(&path).unwrap();
    killed.execute_batch("BEGIN IMMEDIATE; DELETE FROM alerts; DELETE FROM position").unwrap();
    drop((first, killed));
    write_all(&observer, &entries[5..]).await;
    let second = Projection::new(bus.clone(), History::open(&path).unwrap());
    assert_eq!(second.step().await.unwrap().taken, entries.len() - 5);
    assert_eq!(second.step().await.unwrap().taken, 0);
    let (whole, refused) = projected(&bus).await.unwrap();
    assert_eq!(refused, 0);
    assert_eq!(History::read(&path).unwrap().alerts(&ALL), whole.alerts(&ALL));
    assert_eq!(History::read(&path).unwrap().acts(&ALL), whole.acts(&ALL));
}

#[tokio::test]
async fn a_bad_entry_is_refused_counted_and_passed() {
    let (_redis, bus, observer) = redis().await;
    let entries = entries();
    write(&observer, "*", "garbage").await;
    write_all(&observer, &entries[..1]).await;
    write(&observer, "*", r#"{"at_ms":1,"what":"party"}"#).await;
    write_all(&observer, &entries[1..3]).await;
    let projection = Projection::new(bus, History::open(":memory:").unwrap());
    let step = projection.step().await.unwrap();
    assert_eq!((step.taken, step.refused), (3, vec!["malformed"; 2]));
    assert_eq!(projection.step().await.unwrap().refused.len(), 0, "it is passed");
    write(&observer, "*", "the last one is bad").await;
    assert_eq!(projection.step().await.unwrap().refused.len(), 1);
    assert_eq!(projection.step().await.unwrap().refused.len(), 0);
}

#[tokio::test]
async fn a_redis_that_is_away_changes_nothing_and_the_next_step_goes_on() {
    let (mut redis, bus, observer) = redis().await;
    let history = History::open(":memory:").unwrap();
    let projection = Projection::new(bus, history.clone());
    write_all(&observer, &entries()).await;
    redis.server.kill9().await.unwrap();
    assert!(matches!(projection.step().await, Err(HistoryError::Stream(_))));
    assert!(history.alerts(&ALL).unwrap().is_empty());
    redis.server.restart().await.unwrap();
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    write_all(&observer, &entries()).await;
    let steps = async || matches!(projection.step().await, Ok(step) if step.taken > 0);
    assert!(cascade_testkit::eventually(Duration::from_secs(20), steps).await);
    assert_eq!(history.alerts(&ALL).unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_too_old_goes_from_the_stream_and_from_the_file() {
    let (_redis, bus, observer) = redis().await;
    let entries = entries();
    write(&observer, "1000-0", &entries[0].to_json().unwrap()).await;
    write_all(&observer, &entries[6..]).await;
    let history = History::open(":memory:").unwrap();
    let projection = Projection::new(bus.clone(), history.clone());
    projection.step().await.unwrap();
    assert_eq!(history.alerts(&ALL).unwrap().len(), 3);
    projection.retain(Duration::from_mins(15), T0.plus_ms(1_200_000)).await.unwrap();
    let left: Vec<_> = history.alerts(&ALL).unwrap().into_iter().map(|told| told.scope).collect();
    assert_eq!(left, ["ETHUSDT", "market"], "by the dispatcher's clock");
    let stands: usize = observer.command("XLEN", &[dispatch::HISTORY]).await.unwrap();
    assert_eq!(stands, entries.len() - 6, "by Redis' clock only the first was old");
}

#[tokio::test]
async fn a_long_stream_is_taken_batch_by_batch() {
    let (_redis, bus, observer) = redis().await;
    let entries = entries();
    for _ in 0..100 {
        write_all(&observer, &entries[3..4]).await;
        write_all(&observer, &entries[6..13]).await;
    }
    let projection = Projection::new(bus.clone(), History::open(":memory:").unwrap());
    let first = projection.step().await.unwrap();
    assert!(first.more && first.taken < 800, "{first:?}");
    let (whole, _) = projected(&bus).await.unwrap();
    assert_eq!(whole.acts(&ALL).unwrap().len(), 100);
}
