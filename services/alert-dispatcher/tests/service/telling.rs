//! From a finding in a shard's stream to its receivers: once each, whoever dies, and whatever one receiver does.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Level, Shard, State, Symbol};
use cascade_service::SystemClock;
use cascade_testkit::{TestRedis, eventually};
use cascade_wire::dispatch;

use crate::support::{
    Answer, DEADLINE, Dispatcher, Receiver, Written, all_ended, begins, cascade, put_out, put_out_bytes,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_told_once_at_each_destination() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk, other) = (redis.bus("test").unwrap(), Receiver::start().await, Receiver::start().await);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.jsonl");
    let log = format!("[[destination]]\nname = \"log\"\nkind = \"file\"\npath = \"{}\"\n", path.display());
    let written = Written::new(&format!("{}{}{log}", desk.webhook("desk"), other.webhook("other")));
    let dispatcher = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical), begins("ETHUSDT", Level::Alert)]).await;
    desk.gets(2).await;
    other.gets(2).await;
    assert_eq!(all_ended(&bus, &["desk", "other", "log"]).await, 6);
    for receiver in [&desk, &other] {
        let mut scopes = receiver.scopes();
        scopes.sort();
        assert_eq!(scopes, ["BTCUSDT", "ETHUSDT"]);
    }
    let lines = std::fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(eventually(DEADLINE, async || dispatcher.health.readiness().is_ready()).await);
    let sent = ["cascade_deliveries_total", "destination=\"desk\"", "ending=\"sent\""];
    assert!(
        eventually(DEADLINE, async || dispatcher.counted(&sent) > 1.5).await,
        "{}",
        dispatcher.metrics.render()
    );
    assert!((dispatcher.counted(&["cascade_delivery_attempts_total", "desk"]) - 2.0).abs() < 0.1);
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_repeats_nothing() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let first = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    all_ended(&bus, &["desk"]).await;
    first.stop().await;
    let second = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(desk.scopes(), ["BTCUSDT", "ETHUSDT"]);
    // Also where it starts anew under the name that it had.
    assert_eq!(
        bus.accounts(cascade_domain::EventTime::from_ms(0)).await.unwrap().accounts["desk"].ambiguous,
        0
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_dispatchers_one_dies_and_each_finding_is_told_once() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let clock = || Arc::new(SystemClock::new());
    let dies = Dispatcher::named("dies", &redis, &written, clock(), &[]);
    let holds = async |name| bus.get(dispatch::DECIDER_LEASE).await.unwrap().as_deref() == Some(name);
    assert!(eventually(DEADLINE, async || holds("dies").await).await);
    let lives = Dispatcher::named("lives", &redis, &written, clock(), &[]);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical), begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    dies.kill().await;
    put_out(&bus, &[begins("SOLUSDT", Level::Critical), begins("XRPUSDT", Level::Critical)]).await;
    desk.gets(4).await;
    assert!(holds("lives").await);
    all_ended(&bus, &["desk"]).await;
    let mut scopes = desk.scopes();
    scopes.sort();
    assert_eq!(scopes, ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]);
    lives.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_hangs_delays_no_other() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, dead, desk) = (redis.bus("test").unwrap(), Receiver::start().await, Receiver::start().await);
    dead.always(Answer::Hang);
    let written = Written::new(&format!("{}{}", dead.webhook("dead"), desk.webhook("desk")));
    let dispatcher = Dispatcher::start(&redis, &written);
    let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
    put_out(&bus, &names.map(|name| begins(name, Level::Alert))).await;
    desk.gets(3).await;
    assert!(dead.requests().len() <= 1, "one message at a time: {}", dead.requests().len());
    let down = ["cascade_delivery_attempts_total", "destination=\"dead\"", "outcome=\"ambiguous\""];
    assert!(eventually(DEADLINE, async || dispatcher.counted(&down) > 0.5).await);
    // It recovers, and is told what it missed.
    dead.always(Answer::Take);
    all_ended(&bus, &["dead", "desk"]).await;
    let mut told: Vec<_> = dead.scopes();
    told.sort();
    told.dedup();
    assert_eq!(told, names);
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_that_a_provider_asks_for_is_kept_by_all_dispatchers() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Patience(3)]);
    let written = Written::new(&desk.webhook("desk"));
    let clock = || Arc::new(SystemClock::new());
    let both = ["one", "two"].map(|name| Dispatcher::named(name, &redis, &written, clock(), &[]));
    put_out(&bus, &["BTCUSDT", "ETHUSDT", "SOLUSDT"].map(|name| begins(name, Level::Critical))).await;
    desk.gets(4).await;
    all_ended(&bus, &["desk"]).await;
    let requests = desk.requests();
    let patience = requests[1].at - requests[0].at;
    assert!(patience >= Duration::from_secs(3), "{patience:?}");
    assert_eq!(requests.len(), 4, "the one that was put off, and each one once");
    assert_eq!(bus.accounts(cascade_domain::EventTime::from_ms(0)).await.unwrap().letters, 0, "no failure");
    for one in both {
        one.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_can_not_be_read_is_refused_and_the_next_one_told() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    let written = Written::new(&desk.webhook("desk"));
    let dispatcher = Dispatcher::start(&redis, &written);
    let shard = Shard::of(&Symbol::parse("BTCUSDT").unwrap());
    put_out_bytes(&bus, shard, vec![b"nonsense".to_vec(), Vec::new(), vec![0xc1; 100]]).await;
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    assert_eq!(desk.scopes(), ["BTCUSDT"]);
    let refused = ["cascade_entries_refused_total", "engine=\"dispatch\""];
    assert!((dispatcher.counted(&refused) - 3.0).abs() < 0.1, "{}", dispatcher.metrics.render());
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_an_episode_goes_on_its_first_message_is_edited_and_its_end_is_told_there() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, discord) = (redis.bus("test").unwrap(), Receiver::start().await);
    let hook = format!("{}/api/webhooks/1234/s3cret", discord.url);
    let table = "[[destination]]\nname = \"discord\"\nkind = \"discord\"\nurl_env = \"HOOK\"\n\
        allow_private_targets = true\nmessages_per_second = 50\n";
    let written = Written::new(table);
    let dispatcher =
        Dispatcher::named("one", &redis, &written, Arc::new(SystemClock::new()), &[("HOOK", &hook)]);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    discord.gets(1).await;
    all_ended(&bus, &["discord"]).await;
    put_out(&bus, &[cascade("BTCUSDT", 2, State::Level, Level::Alert)]).await;
    discord.gets(2).await;
    all_ended(&bus, &["discord"]).await;
    put_out(&bus, &[cascade("BTCUSDT", 3, State::Resolved, Level::None)]).await;
    discord.gets(3).await;
    all_ended(&bus, &["discord"]).await;
    let seen: Vec<_> = discord.requests().iter().map(|r| (r.method.to_string(), r.path.clone())).collect();
    assert_eq!(seen[0].0, "POST");
    for edit in &seen[1..] {
        assert_eq!(edit.0, "PATCH");
        assert!(edit.1.contains("/messages/1"), "the first message: {edit:?}");
    }
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_cascades_at_once_are_three_messages_at_most() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, discord, slack) =
        (redis.bus("test").unwrap(), Receiver::start().await, Receiver::start().await);
    let table = |name: &str, url: &str| {
        format!(
            "[[destination]]\nname = \"{name}\"\nkind = \"{name}\"\nurl_env = \"{url}\"\nallow_private_targets = true\n"
        )
    };
    let written = Written::patient(&format!("{}{}", table("discord", "DISCORD"), table("slack", "SLACK")));
    let hooks = [
        ("DISCORD", format!("{}/api/webhooks/1234/s3cret", discord.url)),
        ("SLACK", format!("{}/services/T1/B1/s3cret", slack.url)),
    ];
    let variables = hooks.each_ref().map(|(name, url)| (*name, url.as_str()));
    let dispatcher = Dispatcher::named("one", &redis, &written, Arc::new(SystemClock::new()), &variables);
    let names: Vec<String> = (0..60).map(|n| format!("A{n}USDT")).collect();
    for (state, level, revision) in [
        (State::Level, Level::Alert, 1),
        (State::Level, Level::Critical, 2),
        (State::Resolved, Level::None, 3),
    ] {
        let findings: Vec<_> = names.iter().map(|name| cascade(name, revision, state, level)).collect();
        put_out(&bus, &findings).await;
    }
    all_ended(&bus, &["discord", "slack"]).await;
    let decided = async || {
        let accounts = bus.accounts(cascade_domain::EventTime::from_ms(0)).await.unwrap().accounts;
        accounts.values().all(|account| account.produced >= 180)
    };
    assert!(eventually(DEADLINE, decided).await);
    all_ended(&bus, &["discord", "slack"]).await;
    let posts = |receiver: &Receiver| receiver.requests().iter().filter(|r| r.method == "POST").count();
    assert!((1..=3).contains(&posts(&discord)), "{}", posts(&discord));
    assert!((1..=3).contains(&posts(&slack)), "{}", posts(&slack));
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_alert_does_not_wait_for_an_ordinary_one_that_hangs() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Hang]);
    let written = Written::new(&desk.webhook("desk"));
    let patient = [("CASCADE_DISPATCH__SEND_TIMEOUT_S", "30")];
    let dispatcher = Dispatcher::named("one", &redis, &written, Arc::new(SystemClock::new()), &patient);
    put_out(&bus, &[begins("BTCUSDT", Level::Alert)]).await;
    desk.gets(1).await;
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    let requests = desk.requests();
    let waited = requests[1].at - requests[0].at;
    assert_eq!(desk.scopes(), ["BTCUSDT", "ETHUSDT"]);
    assert!(waited < Duration::from_secs(10), "{waited:?}, and the first one hangs for 30 s");
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_took_while_redis_was_away_is_not_sent_again() {
    let mut redis = TestRedis::start_append_only().await.unwrap();
    let (bus, desk) = (redis.bus("test").unwrap(), Receiver::start().await);
    desk.answers([Answer::Wait(Duration::from_secs(1))]);
    let written = Written::new(&desk.webhook("desk"));
    let dispatcher = Dispatcher::start(&redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    desk.gets(1).await;
    redis.server.kill9().await.unwrap();
    // The answer comes while nobody can write it down.
    assert!(eventually(DEADLINE, async || desk.answered() == 1).await);
    redis.server.restart().await.unwrap();
    assert!(eventually(DEADLINE, async || bus.ping().await.is_ok()).await);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    desk.gets(2).await;
    all_ended(&bus, &["desk"]).await;
    assert_eq!(desk.scopes(), ["BTCUSDT", "ETHUSDT"]);
    let accounts = bus.accounts(cascade_domain::EventTime::from_ms(0)).await.unwrap().accounts;
    assert_eq!(accounts["desk"].ambiguous, 0);
    dispatcher.stop().await;
}
