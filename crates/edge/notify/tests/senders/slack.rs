//! A Slack webhook.

use std::time::Duration;

use cascade_notify::{Network, Outcome, Refused, Sender};
use cascade_testkit::{Behaviour, FakeSlack};

use crate::{BRISK, PATIENT, assert_failed, first, now, receipt, refused, retry_after, sender};

fn desk(fake: &FakeSlack, network: Network) -> Sender {
    let toml = "name = 'desk'\nkind = 'slack'\nurl_file = '/run/hook'\nallow_private_targets = true";
    sender(toml, &[("/run/hook", &format!("{}\n", fake.url()))], network)
}

async fn send(sender: &Sender, n: u64) -> Outcome {
    sender.send(&[first(n)], None, now()).await
}

#[tokio::test]
async fn an_alert_is_told_and_can_not_be_edited() {
    let fake = FakeSlack::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let told = receipt(send(&desk, 1).await);
    assert!(!told.editable && !desk.can_edit());
    assert_eq!(fake.messages().len(), 1);
    assert!(desk.check().await.good);
    assert_eq!(fake.requests(), 1, "a check sends nothing");
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_429_is_never_fatal_and_closes_the_whole_webhook() {
    let fake = FakeSlack::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    fake.behave(Behaviour::TooMany(Duration::from_secs(4)), 1);
    let (after, budget) = retry_after(send(&desk, 1).await);
    assert_eq!((after, budget), (Duration::from_secs(4), desk.budgets()[0].name.clone()));
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_formatting_error_never_swallows_the_message() {
    let fake = FakeSlack::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    fake.behave(Behaviour::Status(400, "invalid_blocks".to_owned()), 1);
    receipt(send(&desk, 1).await);
    let messages = fake.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body["blocks"].is_null() && !messages[0].text.is_empty());
    fake.behave(Behaviour::Status(400, "invalid_payload".to_owned()), 2);
    assert_eq!(refused(&send(&desk, 2).await), Refused::Malformed);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_dead_webhook_is_off_for_good() {
    for (status, word, why) in [
        (404, "no_service", Refused::Gone),
        (410, "channel_is_archived", Refused::Gone),
        (403, "invalid_token", Refused::Unauthorised),
        (403, "action_prohibited", Refused::Forbidden),
        (400, "no_team", Refused::Gone),
    ] {
        let fake = FakeSlack::start().await.unwrap();
        let desk = desk(&fake, PATIENT);
        fake.die(status, word);
        assert_eq!(refused(&send(&desk, 1).await), why);
        assert_eq!(fake.requests(), 1, "once, and not in plain form: {word}");
        let check = desk.check().await;
        assert!(!check.good && check.found.contains(word), "{check:?}");
        fake.assert_obeyed();
    }
}

#[tokio::test]
async fn what_passes_is_a_failure_that_is_worth_another_try() {
    let fake = FakeSlack::start().await.unwrap();
    let desk = desk(&fake, BRISK);
    for behaviour in [Behaviour::ServerError, Behaviour::BadGateway, Behaviour::Hang, Behaviour::TakeAndClose]
    {
        fake.behave(behaviour, 1);
        assert_failed(&send(&desk, 1).await);
    }
}
