//! What people and the clock ask of the dispatcher, and what it must not forget.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, StreamId};
use cascade_domain::{Ask, EventTime, Id, Level, Mute, Order, Priority, Symbol, Which};
use cascade_pace::Clock;
use cascade_service::SystemClock;
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::{HistoryOf, dispatch};

use crate::support::{DEADLINE, Dispatcher, Receiver, Written, all_ended, begins, put_out};

fn order(what: Ask) -> Order {
    Order { at_ms: SystemClock::new().now(), by: "cli:ann@host".to_owned(), what }
}

/// Asks for a test that goes to everybody.
pub(crate) fn test() -> Order {
    order(Ask::Test { id: Id::from_bits(7), priority: Priority::High })
}

fn muted(symbol: &str) -> Order {
    let what = Which { symbol: Some(Symbol::parse(symbol).unwrap()), ..Which::default() };
    let until_ms = SystemClock::new().now().plus_ms(3_600_000);
    order(Ask::Mute(Mute { what, until_ms }))
}

async fn mutes(bus: &Bus) -> usize {
    let json = bus.get(dispatch::MUTES).await.unwrap().unwrap_or_default();
    serde_json::from_str::<Vec<Mute>>(&json).unwrap_or_default().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_is_shown_kept_over_a_restart_and_in_the_history_with_who_asked_for_it() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let first = Dispatcher::start(&redis, &written);
    bus.order(&muted("BTCUSDT")).await.unwrap();
    assert!(eventually(DEADLINE, async || mutes(&bus).await == 1).await);
    let ordered = ["cascade_dispatch_orders_total", "order=\"mute\""];
    assert!((first.counted(&ordered) - 1.0).abs() < 0.1);
    first.stop().await;
    let second = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Extreme), begins("ETHUSDT", Level::Extreme)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(desk.scopes(), ["ETHUSDT"]);
    let history = bus.history(StreamId::ZERO, 100).await.unwrap();
    let by = history.iter().find_map(|(_, entry)| match &entry.as_ref().unwrap().what {
        HistoryOf::Order { given, .. } => Some(given.by.clone()),
        _ => None,
    });
    assert_eq!(by.as_deref(), Some("cli:ann@host"));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_reaches_its_switch_and_nobody_else_and_only_if_it_went_the_whole_way() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk, switch) = (redis.bus("test").unwrap(), Receiver::start().await, Receiver::start().await);
    let url = format!("dead_man_url = \"{}/hunter2\"\nwatchdog_every_s = 10\n", switch.url);
    let written = Written::new(&format!("{url}{}", desk.webhook("desk")));
    let clock = Arc::new(SystemClock::try_new(20.0).unwrap());
    let dispatcher = Dispatcher::named("one", &redis, &written, clock, &[]);
    switch.gets(3).await;
    assert!(switch.requests().iter().all(|request| request.path == "/hunter2"));
    assert!(desk.requests().is_empty(), "nobody else hears of it: {:?}", desk.scopes());
    let age = async || dispatcher.metrics.render().contains("cascade_watchdog_age_seconds");
    assert!(eventually(DEADLINE, age).await);
    // Where no order can go its way, none arrives.
    redis.server.pause().await.unwrap();
    let unready = async || !dispatcher.health.readiness().is_ready();
    assert!(eventually(DEADLINE, unready).await);
    let before = switch.requests().len();
    tokio::time::timeout(Duration::from_secs(2), switch.gets(before + 2)).await.unwrap_err();
    redis.server.resume().await.unwrap();
    switch.gets(before + 3).await;
    all_ended(&bus, &["dead-man"]).await;
    assert!(!dispatcher.metrics.render().contains("hunter2"));
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_switch_there_is_no_watchdog() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&format!("watchdog_every_s = 10\n{}", desk.webhook("desk")));
    let clock = Arc::new(SystemClock::try_new(100.0).unwrap());
    let dispatcher = Dispatcher::named("one", &redis, &written, clock, &[]);
    bus.order(&test()).await.unwrap();
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(desk.said("/data/kind"), ["test"]);
    assert!(dispatcher.counted(&["cascade_dispatch_orders_total", "watchdog"]) < 0.1);
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_can_not_be_read_is_told_loudly_and_repeats_nothing() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let written = Written::new(&desk.webhook("desk"));
    let first = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    first.stop().await;
    observer.command::<i64>("HSET", &[dispatch::POLICY, "state", "nonsense"]).await.unwrap();
    let second = Dispatcher::start(&redis, &written);
    let refused = ["cascade_snapshots_refused_total", "engine=\"dispatch\""];
    assert!(eventually(DEADLINE, async || second.counted(&refused) > 0.5).await);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(
        desk.scopes(),
        ["BTCUSDT", "ETHUSDT"],
        "the books know what was told, whatever the policy has forgotten"
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_makes_no_sense_is_passed_and_how_destinations_do_is_shown() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let dispatcher = Dispatcher::start(&redis, &written);
    bus.order(&order(Ask::Ack { alert: Id::from_bits(1) })).await.unwrap();
    bus.order(&test()).await.unwrap();
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    let shown = async || {
        let json = bus.get(dispatch::DESTINATIONS).await.unwrap().unwrap_or_default();
        let shown: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        let desk = &shown["desk"];
        desk["kind"] == "webhook" && desk["up"] == true && desk["sent"] == 1 && desk["open"] == 0
    };
    assert!(eventually(DEADLINE, shown).await, "{:?}", bus.get(dispatch::DESTINATIONS).await);
    assert_eq!(bus.audit(EventTime::from_ms(0)).await.unwrap().orphans, 0);
    dispatcher.stop().await;
}
