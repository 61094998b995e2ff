//! A Discord webhook.

use std::time::Duration;

use cascade_domain::Phase;
use cascade_notify::{Network, Outcome, Refused, Sender};
use cascade_testkit::{Behaviour, FakeDiscord};

use crate::{BRISK, PATIENT, assert_failed, delivery, first, now, receipt, refused, retry_after, sender};

fn desk(fake: &FakeDiscord, network: Network) -> Sender {
    let toml = "name = 'desk'\nkind = 'discord'\nurl_env = 'HOOK'\nallow_private_targets = true";
    sender(toml, &[("HOOK", &fake.url())], network)
}

async fn send(sender: &Sender, n: u64) -> Outcome {
    sender.send(&[first(n)], None, now()).await
}

#[tokio::test]
async fn an_alert_is_told_edited_and_sent_anew_where_it_is_gone() {
    let fake = FakeDiscord::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let told = receipt(send(&desk, 1).await);
    assert!(told.editable);
    let edited = receipt(desk.send(&[delivery(1, 2, Phase::Updated)], Some(&told), now()).await);
    assert_eq!(edited, told);
    assert_eq!((fake.messages().len(), fake.messages()[0].edits.len()), (1, 1));
    fake.delete(told.message.as_deref().unwrap());
    let anew = receipt(desk.send(&[delivery(1, 3, Phase::Resolved)], Some(&told), now()).await);
    assert!(anew.editable && fake.messages().len() == 1);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_closed_before_a_429_says_so() {
    let fake = FakeDiscord::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let mut closed = Vec::new();
    for n in 0..5 {
        let Outcome::Sent { close, .. } = send(&desk, n).await else { panic!("not sent") };
        closed.push(close);
    }
    assert!(closed[..4].iter().all(Option::is_none), "{closed:?}");
    let (budget, wait) = closed[4].clone().unwrap();
    assert_eq!(budget, desk.budgets()[0].name);
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(2));
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_429_is_never_fatal_and_closes_the_whole_webhook() {
    let fake = FakeDiscord::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    fake.behave(Behaviour::TooMany(Duration::from_millis(1500)), 1);
    let (after, budget) = retry_after(send(&desk, 1).await);
    assert!(after >= Duration::from_millis(1500) && after <= Duration::from_secs(2), "{after:?}");
    assert_eq!(budget, desk.budgets()[0].name);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_formatting_error_never_swallows_the_message() {
    let fake = FakeDiscord::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    let body = r#"{"message":"Invalid Form Body","code":50035,"errors":{"embeds":["0"]}}"#.to_owned();
    fake.behave(Behaviour::Status(400, body.clone()), 1);
    receipt(send(&desk, 1).await);
    let messages = fake.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body["content"].as_str().is_some_and(|text| !text.is_empty()));
    fake.assert_obeyed();
    fake.behave(Behaviour::Status(400, body), 2);
    assert_eq!(refused(&send(&desk, 2).await), Refused::Malformed);
}

#[tokio::test]
async fn a_dead_webhook_is_off_for_good() {
    for (status, why) in [(404, Refused::Gone), (401, Refused::Unauthorised)] {
        let fake = FakeDiscord::start().await.unwrap();
        let desk = desk(&fake, PATIENT);
        assert_eq!(desk.check().await.found, "Desk");
        fake.die(status);
        let outcome = send(&desk, 1).await;
        assert_eq!(refused(&outcome), why);
        assert!(why.closes() && !desk.check().await.good);
        assert_eq!(fake.requests(), 1, "once, and not in plain form");
        fake.assert_obeyed();
    }
}

#[tokio::test]
async fn what_passes_is_a_failure_that_is_worth_another_try() {
    let fake = FakeDiscord::start().await.unwrap();
    let desk = desk(&fake, BRISK);
    for behaviour in [
        Behaviour::ServerError,
        Behaviour::BadGateway,
        Behaviour::Unavailable(Duration::from_secs(1)),
        Behaviour::Hang,
        Behaviour::TakeAndClose,
    ] {
        fake.behave(behaviour, 1);
        assert_failed(&send(&desk, 1).await);
    }
}

#[test]
fn the_budget_never_allows_more_than_five_in_two_seconds() {
    let toml = "name = 'x'\nkind = 'discord'\nurl_env = 'HOOK'";
    let budgets = sender(toml, &[("HOOK", "https://discord.com/api/webhooks/1/abc")], PATIENT).budgets();
    let [budget] = budgets.as_slice() else { panic!("one budget") };
    assert!(f64::from(budget.burst) + 2.0 / budget.every.as_secs_f64() <= 5.0 + 1e-6, "{budget:?}");
}
