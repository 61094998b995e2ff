//! Buttons below Telegram messages: who may press acts once, whoever dies; nobody else acts at all.

use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Bus, StreamId};
use cascade_domain::{Ask, Level, Order};
use cascade_notify::Bot;
use cascade_service::SystemClock;
use cascade_service::config::{Document, Sources};
use cascade_testkit::{FakeTelegram, TestRedis, eventually};
use cascade_wire::{HistoryOf, decode_order, dispatch};

use crate::support::{DEADLINE, Dispatcher, Written, begins, put_out};

const ANN: i64 = 42;
const MALLORY: i64 = 666;

fn written(telegram: &FakeTelegram) -> Written {
    Written::new(&format!(
        "[telegram]\nallowed_users = [{ANN}]\n[[destination]]\nname = \"phone\"\nkind = \"telegram\"\n\
         token_env = \"TOKEN\"\nchat_id = \"4711\"\nbuttons = true\nbase_url = \"{}\"\n",
        telegram.url()
    ))
}

fn start(instance: &str, redis: &TestRedis, written: &Written) -> Dispatcher {
    let clock = Arc::new(SystemClock::new());
    Dispatcher::named(instance, redis, written, clock, &[("TOKEN", FakeTelegram::TOKEN)])
}

/// The message of a cascade on BTC, and what its buttons carry: Ack, Mute 15m, Mute 1h, Mute 4h.
async fn message(telegram: &FakeTelegram, bus: &Bus) -> (String, Vec<String>) {
    put_out(bus, &[begins("BTCUSDT", Level::Critical)]).await;
    assert!(eventually(DEADLINE, async || !telegram.messages().is_empty()).await);
    let message = telegram.messages().remove(0);
    let rows = message.body["reply_markup"]["inline_keyboard"].as_array().unwrap();
    let buttons = rows.iter().flat_map(|row| row.as_array().unwrap());
    let data = buttons.map(|button| button["callback_data"].as_str().unwrap().to_owned()).collect();
    (message.id, data)
}

/// What was asked of the dispatcher so far.
async fn orders(bus: &Bus) -> Vec<Order> {
    let entries = bus.entries(dispatch::ORDERS, StreamId::ZERO, 1000).await.unwrap();
    entries.into_iter().map(|entry| decode_order(&entry.one.unwrap()).unwrap()).collect()
}

/// The orders that the history tells of.
async fn told(bus: &Bus) -> Vec<Order> {
    let entries = bus.history(StreamId::ZERO, 1000).await.unwrap();
    let order = |what| if let HistoryOf::Order { given, .. } = what { Some(given) } else { None };
    entries.into_iter().filter_map(|(_, entry)| order(entry.unwrap().what)).collect()
}

async fn answered(telegram: &FakeTelegram, count: usize) -> Vec<String> {
    let all =
        eventually(DEADLINE, async || telegram.answers().len() >= count && telegram.unconfirmed() == 0).await;
    assert!(all, "{:?}, {} unconfirmed", telegram.answers(), telegram.unconfirmed());
    telegram.answers().into_iter().map(|(_, text)| text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_press_acknowledges_and_mutes_and_is_told_so() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let dispatcher = start("one", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    assert_eq!(data.len(), 4);
    telegram.press(ANN, "ann", &message, &data[0]);
    telegram.press(ANN, "ann", &message, &data[2]);
    let said = answered(&telegram, 2).await;
    assert!(said[0].starts_with("Acknowledged ") && said[1].starts_with("Muted BTCUSDT until "), "{said:?}");
    assert!(eventually(DEADLINE, async || told(&bus).await.len() == 2).await);
    let [ack, mute] = told(&bus).await.try_into().unwrap();
    assert_eq!((ack.by.as_str(), ack.what.as_str()), ("telegram:42 @ann", "ack"));
    let Ask::Mute(held) = mute.what else { panic!("{mute:?}") };
    assert_eq!(held.what.symbol.unwrap().to_string(), "BTCUSDT");
    assert_eq!(held.until_ms.since(mute.at_ms), 3_600_000);
    let mutes = async || bus.get(dispatch::MUTES).await.unwrap().is_some_and(|text| text.contains("BTCUSDT"));
    assert!(eventually(DEADLINE, mutes).await, "it is muted, not only told");
    dispatcher.stop().await;
    telegram.assert_obeyed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_acts_once_although_it_is_delivered_twice_and_its_poller_dies_between() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let dies = start("dies", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    assert!(eventually(DEADLINE, async || telegram.is_polled()).await);
    // The order is made; the answer to who pressed hangs, and with it the question that would confirm the update.
    telegram.hang_answers(true);
    let update = telegram.press(ANN, "ann", &message, &data[0]);
    assert!(eventually(DEADLINE, async || orders(&bus).await.len() == 1).await);
    dies.kill().await;
    assert_eq!(
        (telegram.unconfirmed(), telegram.answers().len()),
        (1, 0),
        "Telegram was never told that it was handled"
    );
    telegram.hang_answers(false);
    let lives = start("lives", &redis, &written);
    assert!(eventually(DEADLINE, async || telegram.unconfirmed() == 0 && telegram.is_polled()).await);
    let first = orders(&bus).await;
    assert_eq!(first.len(), 1, "{first:?}");
    // Another poller, whose lease ran out while it was at it, handles the next press; it comes to this one too.
    assert!(bus.order_once(bot(&written).name(), update + 1, Some(&first[0])).await.unwrap());
    assert_eq!(telegram.press(ANN, "ann", &message, &data[1]), update + 1);
    answered(&telegram, 1).await;
    telegram.press(ANN, "ann", &message, &data[2]);
    answered(&telegram, 2).await;
    let words: Vec<_> = orders(&bus).await.iter().map(|order| order.what.as_str()).collect();
    assert_eq!(words, ["ack", "ack", "mute"], "one by each of three presses");
    lives.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_press_does_nothing_is_answered_and_stands_in_the_history() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let dispatcher = start("one", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    for button in &data {
        telegram.press(MALLORY, "mallory", &message, button);
    }
    let said = answered(&telegram, 4).await;
    assert!(said.iter().all(|text| text.starts_with("Not allowed")), "{said:?}");
    assert!(eventually(DEADLINE, async || told(&bus).await.len() == 4).await);
    for order in told(&bus).await {
        assert_eq!(order.by, "telegram:666 @mallory");
        assert!(matches!(order.what, Ask::Refused { .. }), "{order:?}");
    }
    let mutes = bus.get(dispatch::MUTES).await.unwrap().unwrap_or_default();
    assert!(!mutes.contains("BTCUSDT"), "{mutes}");
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_signed_by_another_bot_or_no_press_at_all_does_nothing() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let dispatcher = start("one", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    // An act changed under a good signature; a signature of nobody; nothing of ours.
    let act = data[0].split_at(16);
    let forged = format!("{}f{}", act.0, &act.1[1..]);
    let foreign = format!("{}{}", "A".repeat(16), act.1);
    telegram.push(serde_json::json!({ "message": { "text": "/mute all" } }));
    for wrong in [forged.as_str(), foreign.as_str(), "", "ack:1", "币安人生"] {
        telegram.press(ANN, "ann", &message, wrong);
    }
    let said = answered(&telegram, 5).await;
    assert!(said.iter().all(|text| text.contains("not of this installation")), "{said:?}");
    assert_eq!(orders(&bus).await, vec![]);
    // The poller goes on all the same.
    telegram.press(ANN, "ann", &message, &data[0]);
    assert!(eventually(DEADLINE, async || orders(&bus).await.len() == 1).await);
    dispatcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_never_ask_for_updates_at_once_and_the_other_follows_who_dies() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let first = start("first", &redis, &written);
    assert!(eventually(DEADLINE, async || telegram.is_polled()).await);
    let second = start("second", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    telegram.press(ANN, "ann", &message, &data[0]);
    answered(&telegram, 1).await;
    assert_eq!(telegram.conflicts(), 0);
    first.kill().await;
    telegram.press(ANN, "ann", &message, &data[1]);
    answered(&telegram, 2).await;
    assert_eq!(orders(&bus).await.len(), 2);
    assert!(telegram.conflicts() <= 1, "{}", telegram.conflicts());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_or_a_failure_is_waited_out_and_a_bad_token_is_let_be() {
    let (redis, telegram) = (TestRedis::start().await.unwrap(), FakeTelegram::start().await.unwrap());
    let (bus, written) = (redis.bus("test").unwrap(), written(&telegram));
    let dispatcher = start("one", &redis, &written);
    let (message, data) = message(&telegram, &bus).await;
    assert!(eventually(DEADLINE, async || telegram.is_polled()).await);
    // Somebody else with the same token: the poll that waits ends with 409, and is not asked again at once.
    let before = telegram.polls();
    bot(&written).updates(None).await.unwrap();
    assert!(eventually(DEADLINE, async || telegram.conflicts() == 1).await);
    assert!(eventually(DEADLINE, async || telegram.is_polled()).await, "it did not come back");
    assert!(telegram.polls() - before <= 3, "a busy loop: {}", telegram.polls() - before);
    telegram.press(ANN, "ann", &message, &data[0]);
    answered(&telegram, 1).await;
    assert!(eventually(DEADLINE, async || telegram.is_polled()).await);
    telegram.fail_polls(500, 2);
    telegram.press(ANN, "ann", &message, &data[1]);
    telegram.press(ANN, "ann", &message, &data[3]);
    assert!(eventually(DEADLINE, async || orders(&bus).await.len() == 3 && telegram.is_polled()).await);
    assert!(telegram.polls() - before <= 8, "a busy loop: {}", telegram.polls() - before);
    telegram.revoke();
    telegram.press(ANN, "ann", &message, &data[2]);
    let lease = dispatch::updates_lease(bot(&written).name());
    assert!(eventually(DEADLINE, async || bus.get(&lease).await.unwrap().is_none()).await, "it asks on");
    tokio::time::timeout(DEADLINE, dispatcher.stop()).await.unwrap();
}

/// Another client of the same bot.
fn bot(written: &Written) -> Bot {
    let environment = vec![("TOKEN".to_owned(), FakeTelegram::TOKEN.to_owned())];
    let file = Some(written.file.path().to_owned());
    let (document, mut mistakes) = Document::load(&Sources { file, environment, ..Sources::default() });
    let config = alert_dispatcher::Config::read(&document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    let destination = &config.destinations[0].destination;
    Bot::of(destination, config.network(), Duration::ZERO).unwrap().unwrap()
}
