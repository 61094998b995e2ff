//! The history in its file, as dispatchers write it.

use std::sync::Arc;

use cascade_bus::Bus;
use cascade_domain::{Ending, Level};
use cascade_history::{History, Question, projected};
use cascade_service::SystemClock;
use cascade_testkit::{TestRedis, eventually};

use crate::support::{DEADLINE, Dispatcher, Receiver, Written, all_ended, begins, put_out};

const ALL: Question = Question {
    since: None,
    until: None,
    symbol: None,
    destination: None,
    rule: None,
    ending: None,
    limit: 1000,
};

fn start(instance: &str, redis: &TestRedis, written: &Written, path: &str) -> Dispatcher {
    let clock = Arc::new(SystemClock::new());
    Dispatcher::named(instance, redis, written, clock, &[("CASCADE_DISPATCH__HISTORY_PATH", path)])
}

/// Waits until the file says what the stream says.
async fn agrees(bus: &Bus, path: &str) {
    let agree = async || {
        let (stream, refused) = projected(bus).await.unwrap();
        let Ok(file) = History::read(path) else { return false };
        let pairs =
            [&stream, &file].map(|history| (history.alerts(&ALL).unwrap(), history.acts(&ALL).unwrap()));
        refused == 0 && pairs[0] == pairs[1] && !pairs[0].0.is_empty()
    };
    assert!(
        eventually(DEADLINE, agree).await,
        "{:?}",
        History::read(path).and_then(|file| file.alerts(&ALL))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_stands_in_the_file_with_its_receipt() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/history.db").display().to_string();
    let dispatcher = start("one", &redis, &written, &path);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    all_ended(&bus, &["desk"]).await;
    desk.gets(1).await;
    agrees(&bus, &path).await;
    let told = History::read(&path).unwrap().alerts(&ALL).unwrap().remove(0);
    assert!(told.title.contains("BTCUSDT"), "{told:?}");
    let delivered = &told.deliveries[0];
    assert_eq!((delivered.destination.as_str(), delivered.ending), ("desk", Some(Ending::Sent)));
    assert!(delivered.receipt.is_some() && delivered.attempts.len() == 1, "{delivered:?}");
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_dispatchers_one_dies_and_each_entry_stands_in_the_file_once() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db").display().to_string();
    let dies = start("dies", &redis, &written, &path);
    let lives = start("lives", &redis, &written, &path);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical), begins("ETHUSDT", Level::Critical)]).await;
    all_ended(&bus, &["desk"]).await;
    dies.kill().await;
    put_out(&bus, &[begins("SOLUSDT", Level::Critical)]).await;
    desk.gets(3).await;
    all_ended(&bus, &["desk"]).await;
    agrees(&bus, &path).await;
    let told = History::read(&path).unwrap().alerts(&ALL).unwrap();
    let tries: usize = told.iter().flat_map(|told| &told.deliveries).map(|row| row.attempts.len()).sum();
    assert_eq!((told.len(), tries), (3, desk.requests().len()));
    lives.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_not_be_used_stops_no_alert_and_is_left_as_it_is() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.db").display().to_string();
    let text = "my shopping list: ".repeat(99);
    std::fs::write(&path, &text).unwrap();
    let dispatcher = start("one", &redis, &written, &path);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    // Somebody moves it away, as they were told to: what was told meanwhile is in the new one.
    std::fs::remove_file(&path).unwrap();
    agrees(&bus, &path).await;
    dispatcher.stop().await;
}
