//! Against fakes that hold their client to every rule of the real providers.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Level, State};
use cascade_service::SystemClock;
use cascade_testkit::{Behaviour, FakeChat, FakeTelegram, TestRedis, eventually};
use cascade_wire::dispatch;

use crate::support::{DEADLINE, Dispatcher, Written, all_ended, begins, cascade, put_out};

const GROUP: &str = "-5000";
const SUPERGROUP: i64 = -1_001_234_567_890;

fn phone(telegram: &FakeTelegram) -> Written {
    phone_in(GROUP, telegram)
}

fn phone_in(chat: &str, telegram: &FakeTelegram) -> Written {
    let url = telegram.url();
    Written::new(&format!(
        "[[destination]]\nname = \"phone\"\nkind = \"telegram\"\ntoken_env = \"TOKEN\"\nchat_id = \"{chat}\"\nbase_url = \"{url}\"\n"
    ))
}

fn start(name: &str, redis: &TestRedis, written: &Written) -> Dispatcher {
    let token = [("TOKEN", FakeTelegram::TOKEN)];
    Dispatcher::named(name, redis, written, Arc::new(SystemClock::new()), &token)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_is_one_message_in_a_chat_that_is_edited_to_its_end() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, telegram) = (redis.bus("test").unwrap(), FakeTelegram::start().await.unwrap());
    let dispatcher = start("one", &redis, &phone(&telegram));
    for finding in [
        begins("BTCUSDT", Level::Critical),
        cascade("BTCUSDT", 2, State::Level, Level::Alert),
        cascade("BTCUSDT", 3, State::Resolved, Level::None),
    ] {
        put_out(&bus, &[finding]).await;
        let told = telegram.messages().iter().map(|message| 1 + message.edits.len()).sum::<usize>();
        let more = async || telegram.messages().iter().map(|m| 1 + m.edits.len()).sum::<usize>() > told;
        assert!(eventually(DEADLINE, more).await, "{:?}", telegram.messages());
        all_ended(&bus, &["phone"]).await;
    }
    let messages = telegram.messages();
    assert_eq!((messages.len(), messages[0].edits.len(), messages[0].times), (1, 2, 1), "{messages:?}");
    assert!(messages[0].text.contains("BTCUSDT") && messages[0].now().contains("BTCUSDT"));
    telegram.assert_obeyed();
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_keep_a_chats_rate_and_its_patience_together() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, telegram) = (redis.bus("test").unwrap(), FakeTelegram::start().await.unwrap());
    let written = phone(&telegram);
    let both = ["one", "two"].map(|name| start(name, &redis, &written));
    telegram.behave(Behaviour::TooMany(Duration::from_secs(2)), 1);
    let names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
    for name in names {
        put_out(&bus, &[begins(name, Level::Critical)]).await;
    }
    let told = async || {
        let messages = telegram.messages();
        names.iter().all(|name| messages.iter().any(|message| message.text.contains(name)))
    };
    assert!(eventually(DEADLINE, told).await, "{:?}", telegram.messages());
    all_ended(&bus, &["phone"]).await;
    telegram.assert_obeyed();
    for name in names {
        let times = telegram.messages().iter().filter(|message| message.text.contains(name)).count();
        assert_eq!(times, 1, "{name}: {:?}", telegram.messages());
    }
    for one in both {
        one.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_become_another_chat_is_followed_also_after_a_restart() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, telegram) = (redis.bus("test").unwrap(), FakeTelegram::start().await.unwrap());
    telegram.set_chat(GROUP, FakeChat::Moved(SUPERGROUP));
    let written = phone(&telegram);
    let first = start("one", &redis, &written);
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    assert!(eventually(DEADLINE, async || telegram.messages().len() == 1).await);
    all_ended(&bus, &["phone"]).await;
    let kept = async || bus.get(&dispatch::moved("phone")).await.unwrap().is_some();
    assert!(eventually(DEADLINE, kept).await);
    first.stop().await;
    // Who asks the old chat now is refused.
    telegram.set_chat(GROUP, FakeChat::NotFound);
    let second = start("two", &redis, &written);
    put_out(&bus, &[begins("ETHUSDT", Level::Critical)]).await;
    assert!(eventually(DEADLINE, async || telegram.messages().len() == 2).await, "{:?}", telegram.messages());
    let messages = telegram.messages();
    assert!(messages.iter().all(|message| message.chat == SUPERGROUP.to_string()), "{messages:?}");
    telegram.assert_obeyed();
    second.stop().await;
}

/// The numbers of messages are a chat's own: what one is in the old chat is another's message, or nobody's, in the new one.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_in_another_chat_is_told_anew_in_the_one_that_is_configured_now() {
    let redis = TestRedis::start().await.unwrap();
    let (bus, telegram) = (redis.bus("test").unwrap(), FakeTelegram::start().await.unwrap());
    let first = start("one", &redis, &phone(&telegram));
    put_out(&bus, &[begins("BTCUSDT", Level::Critical)]).await;
    assert!(eventually(DEADLINE, async || telegram.messages().len() == 1).await);
    all_ended(&bus, &["phone"]).await;
    first.stop().await;
    let second = start("two", &redis, &phone_in("-6000", &telegram));
    put_out(&bus, &[cascade("BTCUSDT", 2, State::Level, Level::Alert)]).await;
    assert!(eventually(DEADLINE, async || telegram.messages().len() == 2).await, "{:?}", telegram.messages());
    all_ended(&bus, &["phone"]).await;
    put_out(&bus, &[cascade("BTCUSDT", 3, State::Resolved, Level::None)]).await;
    let is_edited = async || telegram.messages().iter().any(|message| !message.edits.is_empty());
    assert!(eventually(DEADLINE, is_edited).await, "{:?}", telegram.messages());
    all_ended(&bus, &["phone"]).await;
    let told: Vec<_> =
        telegram.messages().into_iter().map(|message| (message.chat, message.edits.len())).collect();
    assert_eq!(told, [(GROUP.to_owned(), 0), ("-6000".to_owned(), 1)]);
    telegram.assert_obeyed();
    second.stop().await;
}
