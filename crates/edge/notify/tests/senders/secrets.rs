//! No secret in anything that leaves a sender: errors, `Debug`, what providers said, checks, names of budgets.

use std::fmt::Debug;
use std::time::Duration;

use cascade_notify::{Bot, Network, Sender};
use cascade_testkit::{Behaviour, FakeDiscord, FakeSlack, FakeTelegram, FakeWebhook};

use crate::{BRISK, first, now, read, sender};

/// What a person could read.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn note(&mut self, seen: impl Debug) {
        self.0.push(format!("{seen:?} {seen:#?}"));
    }

    #[track_caller]
    fn assert_without(&self, secrets: &[&str]) {
        assert!(self.0.len() > 10);
        for text in &self.0 {
            for secret in secrets {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

/// Answers that repeat what they were asked, and no answers at all.
fn behaviours(secrets: &[&str]) -> Vec<Behaviour> {
    let mut behaviours = vec![
        Behaviour::ServerError,
        Behaviour::BadGateway,
        Behaviour::Hang,
        Behaviour::TakeAndClose,
        Behaviour::CloseHalfWay,
    ];
    for secret in secrets {
        let plain = format!("no such thing: {secret}");
        let json = format!(r#"{{"ok":false,"description":"no {secret}","message":"no {secret}","code":1}}"#);
        for status in [400, 401, 403, 404, 405, 410, 418, 500] {
            behaviours.push(Behaviour::Status(status, plain.clone()));
            behaviours.push(Behaviour::Status(status, json.clone()));
        }
        behaviours.push(Behaviour::Redirect(format!("https://example.org/{secret}")));
    }
    behaviours
}

async fn send(seen: &mut Seen, sender: &Sender) {
    seen.note(sender.send(&[first(1)], None, now()).await);
}

async fn look_at(seen: &mut Seen, sender: &Sender, fake: &dyn Fn(Behaviour), secrets: &[&str]) {
    seen.note(sender);
    seen.note(sender.destination());
    seen.note(sender.budgets());
    for behaviour in behaviours(secrets) {
        // Twice: what is refused as markup is tried in plain form at once.
        fake(behaviour.clone());
        fake(behaviour);
        send(seen, sender).await;
        // What one try alone has used up.
        send(seen, sender).await;
    }
    seen.note(sender.check().await);
}

const BRIEF: Network = Network { timeout: Duration::from_millis(100) };

#[tokio::test]
async fn no_secret_is_shown_by_the_telegram_sender_or_its_bot() {
    let key = FakeTelegram::TOKEN.split(':').nth(1).unwrap();
    let secrets = [FakeTelegram::TOKEN, key];
    let fake = FakeTelegram::start().await.unwrap();
    let toml = format!(
        "name = 'a'\nkind = 'telegram'\ntoken_env = 'T'\nchat_id = 1\nbuttons = true\nbase_url = '{}'",
        fake.url()
    );
    let destination = read(&toml, &[("T", FakeTelegram::TOKEN)]).unwrap();
    let sender = Sender::new(destination.clone(), BRIEF).unwrap();
    let bot = Bot::of(&destination, BRISK, Duration::ZERO).unwrap().unwrap();
    let mut seen = Seen::default();
    look_at(&mut seen, &sender, &|behaviour| fake.behave(behaviour, 1), &secrets).await;
    seen.note(&bot);
    fake.revoke();
    seen.note(bot.me().await);
    send(&mut seen, &sender).await;
    seen.note(sender.check().await);
    drop(fake);
    seen.note(bot.updates(None).await);
    send(&mut seen, &sender).await;
    seen.note(sender.check().await);
    seen.assert_without(&secrets);
}

#[tokio::test]
async fn no_secret_is_shown_by_the_discord_sender() {
    let fake = FakeDiscord::start().await.unwrap();
    let toml = "name = 'a'\nkind = 'discord'\nurl_env = 'U'\nallow_private_targets = true";
    let sender = sender(toml, &[("U", &fake.url())], BRIEF);
    let secrets = [FakeDiscord::TOKEN, "410000000000000001"];
    let mut seen = Seen::default();
    look_at(&mut seen, &sender, &|behaviour| fake.behave(behaviour, 1), &secrets).await;
    fake.die(404);
    send(&mut seen, &sender).await;
    drop(fake);
    send(&mut seen, &sender).await;
    seen.note(sender.check().await);
    seen.assert_without(&secrets);
}

#[tokio::test]
async fn no_secret_is_shown_by_the_slack_sender() {
    let fake = FakeSlack::start().await.unwrap();
    let toml = "name = 'a'\nkind = 'slack'\nurl_env = 'U'\nallow_private_targets = true";
    let sender = sender(toml, &[("U", &fake.url())], BRIEF);
    let secrets = [FakeSlack::TOKEN];
    let mut seen = Seen::default();
    look_at(&mut seen, &sender, &|behaviour| fake.behave(behaviour, 1), &secrets).await;
    drop(fake);
    send(&mut seen, &sender).await;
    seen.note(sender.check().await);
    seen.assert_without(&secrets);
}

#[tokio::test]
async fn no_secret_is_shown_by_the_webhook_sender() {
    let fake = FakeWebhook::start().await.unwrap();
    let url = format!("{}/path-with-a-token?key=QueryWithAToken", fake.url());
    let toml =
        "name = 'a'\nkind = 'webhook'\nurl_env = 'U'\nsecret_env = 'KEY'\nallow_private_targets = true";
    let sender = sender(toml, &[("U", &url), ("KEY", FakeWebhook::SECRET)], BRIEF);
    let secrets = [FakeWebhook::SECRET, "path-with-a-token", "QueryWithAToken", "RmFrZVdlYmhvb2s"];
    let mut seen = Seen::default();
    look_at(&mut seen, &sender, &|behaviour| fake.behave(behaviour, 1), &secrets[..3]).await;
    drop(fake);
    send(&mut seen, &sender).await;
    seen.note(sender.check().await);
    seen.assert_without(&secrets);
}
