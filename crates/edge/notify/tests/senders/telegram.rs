//! A Telegram chat.

use std::time::Duration;

use cascade_domain::{Alert, Phase, Priority};
use cascade_notify::{Act, Bot, BotError, Network, Outcome, Refused, Sender};
use cascade_testkit::{Behaviour, FakeChat, FakeTelegram, Rate, TelegramRules, eventually};

use crate::{
    BRISK, PATIENT, assert_failed, delivery, first, now, of_market, read, receipt, refused, retry_after,
    sender,
};

const SECRETS: [(&str, &str); 1] = [("TOKEN", FakeTelegram::TOKEN)];

fn table(fake: &FakeTelegram, more: &str) -> String {
    format!(
        "name = 'desk'\nkind = 'telegram'\ntoken_env = 'TOKEN'\nchat_id = '-42'\nbase_url = '{}'\n{more}",
        fake.url()
    )
}

fn desk(fake: &FakeTelegram, network: Network) -> Sender {
    sender(&table(fake, ""), &SECRETS, network)
}

async fn send(sender: &Sender, n: u64) -> Outcome {
    sender.send(&[first(n)], None, now()).await
}

#[tokio::test]
async fn an_alert_is_told_and_edited_as_it_goes_on() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let told = receipt(send(&desk, 1).await);
    assert!(told.editable && told.message.is_some());
    let edited = receipt(desk.send(&[delivery(1, 2, Phase::Updated)], Some(&told), now()).await);
    assert_eq!(edited, told);
    let messages = fake.messages();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((message.chat.as_str(), message.edits.len()), ("-42", 1));
    assert_ne!(message.text, "");
    assert_eq!(message.body["link_preview_options"]["is_disabled"], true);
    fake.assert_obeyed();
}

#[tokio::test]
async fn several_revisions_of_one_alert_are_one_message_of_the_latest() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let told = receipt(send(&desk, 1).await);
    let revisions = [delivery(1, 3, Phase::Updated), delivery(1, 2, Phase::Updated)];
    let edited = receipt(desk.send(&revisions, Some(&told), now()).await);
    assert!(edited.editable);
    let latest = receipt(desk.send(&revisions[..1], Some(&told), now()).await);
    assert_eq!(latest, told, "the same text again is no change, and no failure");
    assert_eq!(fake.messages()[0].edits.len(), 1);
    let both = receipt(desk.send(&[first(2), first(3)], None, now()).await);
    assert!(!both.editable, "a message that tells two alerts is nobody's to edit");
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_429_is_never_fatal_and_closes_the_whole_token() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    fake.behave(Behaviour::TooMany(Duration::from_secs(3)), 1);
    let (after, budget) = retry_after(send(&desk, 1).await);
    assert_eq!(after, Duration::from_secs(3));
    assert_eq!(budget, desk.budgets()[0].name, "the token's budget, which all its chats share");
    let elsewhere = table(&fake, "").replace("-42", "-43");
    let elsewhere = sender(&elsewhere, &SECRETS, PATIENT);
    assert_eq!(elsewhere.budgets()[0].name, budget);
    assert_ne!(elsewhere.budgets()[1].name, desk.budgets()[1].name);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_formatting_error_never_swallows_the_message() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let description = "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 7";
    let body = format!(r#"{{"ok":false,"error_code":400,"description":{description:?}}}"#);
    fake.behave(Behaviour::Status(400, body), 1);
    receipt(send(&desk, 1).await);
    let messages = fake.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body["parse_mode"].is_null(), "in plain form");
    assert!(!messages[0].text.is_empty());
    assert_eq!(fake.requests(), 2, "tried once more, at once");
}

#[tokio::test]
async fn a_message_that_makes_no_sense_in_plain_form_either_is_refused() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities"}"#;
    fake.behave(Behaviour::Status(400, body.to_owned()), 2);
    let outcome = send(&desk, 1).await;
    assert_eq!(refused(&outcome), Refused::Malformed);
    assert!(!Refused::Malformed.closes());
    assert_eq!(fake.requests(), 2);
}

#[tokio::test]
async fn a_message_that_is_gone_is_sent_anew() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let told = receipt(send(&desk, 1).await);
    fake.delete(told.message.as_deref().unwrap());
    let anew = receipt(desk.send(&[delivery(1, 2, Phase::Updated)], Some(&told), now()).await);
    assert_eq!(fake.messages().len(), 1);
    assert!(anew.editable);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_chat_that_has_moved_is_followed_and_its_new_id_is_kept() {
    let rules = TelegramRules { chat: Rate::new(30, 900), ..TelegramRules::default() };
    let fake = FakeTelegram::with_rules(rules).await.unwrap();
    let desk = desk(&fake, PATIENT);
    let old = receipt(send(&desk, 1).await);
    fake.set_chat("-42", FakeChat::Moved(-100_777));
    let told = receipt(send(&desk, 2).await);
    assert_eq!(desk.moved().as_deref(), Some("-100777"));
    assert_eq!(fake.messages()[1].chat, "-100777");
    receipt(desk.send(&[delivery(2, 2, Phase::Updated)], Some(&told), now()).await);
    assert_eq!(fake.messages()[1].edits.len(), 1);
    // Messages of the old chat have numbers that mean others in the new one.
    receipt(desk.send(&[delivery(1, 2, Phase::Updated)], Some(&old), now()).await);
    assert_eq!(fake.messages().len(), 3);
    let next = crate::sender(&table(&fake, ""), &SECRETS, PATIENT);
    next.move_to("-100777");
    assert!(receipt(next.send(&[delivery(2, 3, Phase::Resolved)], Some(&told), now()).await).editable);
    assert_eq!(fake.requests(), 6, "two for the message that met the move, one for each other");
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_chat_that_takes_nothing_any_more_is_off() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    for (chat, why) in [
        (FakeChat::NotFound, Refused::Gone),
        (FakeChat::Blocked, Refused::Forbidden),
        (FakeChat::Kicked, Refused::Forbidden),
    ] {
        fake.set_chat("-42", chat);
        let outcome = send(&desk, 1).await;
        assert_eq!(refused(&outcome), why);
        assert!(why.closes() && !desk.check().await.good);
    }
    fake.revoke();
    assert_eq!(refused(&send(&desk, 1).await), Refused::Unauthorised);
    assert!(Refused::Unauthorised.closes());
    let check = desk.check().await;
    assert!(!check.good && check.found.starts_with("unauthorised"), "{check:?}");
}

#[tokio::test]
async fn what_passes_is_a_failure_that_is_worth_another_try() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, BRISK);
    for behaviour in [
        Behaviour::ServerError,
        Behaviour::BadGateway,
        Behaviour::Hang,
        Behaviour::TakeAndClose,
        Behaviour::TakeAndHang,
        Behaviour::Status(408, String::new()),
        Behaviour::Status(200, "<html>Welcome to the hotel</html>".to_owned()),
    ] {
        fake.behave(behaviour.clone(), 1);
        let outcome = send(&desk, 1).await;
        assert_failed(&outcome);
    }
    drop(fake);
    assert_failed(&send(&desk, 1).await);
}

#[tokio::test]
async fn nobody_is_woken_by_what_is_over_or_may_wait() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let mut low = first(2);
    low.alert = Alert { priority: Priority::Low, ..low.alert };
    for (delivery, is_silent) in [(first(1), false), (delivery(3, 1, Phase::Resolved), true), (low, true)] {
        receipt(desk.send(&[delivery], None, now()).await);
        let message = fake.messages().pop().unwrap();
        assert_eq!(message.body["disable_notification"].as_bool().unwrap_or(false), is_silent);
    }
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_topic_is_told_in_its_topic() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = sender(&table(&fake, "thread_id = 7"), &SECRETS, PATIENT);
    receipt(send(&desk, 1).await);
    assert_eq!(fake.messages()[0].body["message_thread_id"], 7);
}

#[tokio::test]
async fn a_check_asks_for_bot_and_chat_and_sends_nothing() {
    let fake = FakeTelegram::start().await.unwrap();
    let check = desk(&fake, PATIENT).check().await;
    assert!(check.good, "{check:?}");
    assert_eq!(check.found, "@fake_bot in Desk");
    assert_eq!(fake.requests(), 0);
}

fn bot(fake: &FakeTelegram, wait: Duration) -> Bot {
    let destination = read(&table(fake, "buttons = true"), &SECRETS).unwrap();
    assert!(destination.has_buttons());
    Bot::of(&destination, PATIENT, wait).unwrap().unwrap()
}

#[tokio::test]
async fn a_button_says_what_to_do_and_only_its_bot_believes_it() {
    let fake = FakeTelegram::start().await.unwrap();
    let desk = sender(&table(&fake, "buttons = true"), &SECRETS, PATIENT);
    let told = receipt(desk.send(&[of_market(1, "BTCUSDT")], None, now()).await);
    let keyboard = fake.messages()[0].body["reply_markup"]["inline_keyboard"][0].clone();
    let labels: Vec<_> = keyboard.as_array().unwrap().iter().map(|b| b["text"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Ack", "Mute 15m", "Mute 1h", "Mute 4h"]);
    let bot = bot(&fake, Duration::from_secs(5));
    let data = keyboard[2]["callback_data"].as_str().unwrap();
    let number = fake.press(4711, "ada", told.message.as_deref().unwrap(), data);
    let forged = fake.press(666, "eve", "1001", "a".repeat(40).as_str());
    let updates = bot.updates(None).await.unwrap();
    assert_eq!(updates.iter().map(|u| u.id).collect::<Vec<_>>(), [number, forged]);
    let callback = updates[0].callback.clone().unwrap();
    assert_eq!((callback.user, callback.user_name.as_str()), (4711, "ada"));
    let press = bot.press(&callback.data).unwrap();
    assert_eq!((press.act, press.alert), (Act::Mute1h, of_market(1, "BTCUSDT").alert.id));
    assert_eq!(press.which.symbol.unwrap().as_str(), "BTCUSDT");
    assert!(bot.press(&updates[1].callback.clone().unwrap().data).is_none());
    bot.answer(&callback.query, "muted for an hour").await.unwrap();
    assert_eq!(fake.answers(), [(callback.query.clone(), "muted for an hour".to_owned())]);
    assert!(matches!(bot.answer(&callback.query, "again").await, Err(BotError::Rejected(_))));
    // Over is over: the buttons go.
    let mut over = of_market(1, "BTCUSDT");
    over.alert.phase = Phase::Resolved;
    receipt(desk.send(&[over], Some(&told), now()).await);
    assert!(fake.messages()[0].body["reply_markup"].is_null());
}

#[tokio::test]
async fn updates_wait_for_the_first_and_are_confirmed_by_the_next_offset() {
    let fake = FakeTelegram::start().await.unwrap();
    let bot = bot(&fake, Duration::from_secs(20));
    let (updates, ()) = tokio::join!(bot.updates(None), async {
        assert!(eventually(Duration::from_secs(20), async || fake.is_polled()).await);
        fake.push(serde_json::json!({ "message": { "text": "hello" } }));
        fake.press(1, "ada", "1", "x");
    });
    let updates = updates.unwrap();
    assert_eq!(updates.len(), 1, "only presses are asked for");
    let brief = self::bot(&fake, Duration::ZERO);
    assert_eq!(brief.updates(Some(updates[0].id)).await.unwrap(), updates, "the same again");
    assert_eq!(brief.updates(Some(updates[0].id + 1)).await.unwrap(), []);
    assert_eq!(fake.unconfirmed(), 0);
}

#[tokio::test]
async fn two_pollers_are_told_from_a_bad_token_and_from_an_outage() {
    let fake = FakeTelegram::start().await.unwrap();
    let (one, other) = (bot(&fake, Duration::from_secs(20)), bot(&fake, Duration::from_secs(1)));
    let (lost, won) = tokio::join!(one.updates(None), async {
        assert!(eventually(Duration::from_secs(20), async || fake.is_polled()).await);
        other.updates(None).await
    });
    assert!(matches!(lost, Err(BotError::Conflict(_))), "{lost:?}");
    assert_eq!(won.unwrap(), []);
    assert_eq!((one.name(), fake.conflicts()), (other.name(), 1));
    assert_eq!(one.me().await.unwrap().name, "fake_bot");
    fake.revoke();
    assert!(matches!(one.updates(None).await, Err(BotError::Unauthorised(_))));
    drop(fake);
    assert!(matches!(one.me().await, Err(BotError::Failed(_))));
}

#[test]
fn budgets_never_allow_more_than_telegram_does_in_any_window() {
    let budgets = |chat: &str| {
        let toml = format!("name = 'x'\nkind = 'telegram'\ntoken_env = 'TOKEN'\nchat_id = '{chat}'");
        sender(&toml, &SECRETS, PATIENT).budgets()
    };
    let most = |budget: &cascade_notify::Budget, window: f64| {
        f64::from(budget.burst) + window / budget.every.as_secs_f64()
    };
    let [token, chat, group] = &budgets("-42")[..] else { panic!("a token, a chat, a group") };
    assert!(most(token, 1.0) <= 30.0 && most(group, 60.0) <= 20.0);
    assert_eq!((chat.burst, chat.every), (1, Duration::from_secs(1)));
    assert!(token.reserve > 0 && group.reserve > 0 && group.reserve < group.burst);
    assert_eq!(budgets("42").len(), 2, "a private chat is no group");
    for budget in budgets("-42") {
        assert!(budget.name.len() == 32 && !budget.name.contains("42:"), "{budget:?}");
    }
}
