//! A generic webhook.

use std::time::Duration;

use cascade_domain::Phase;
use cascade_notify::{Network, Outcome, Refused, Sender};
use cascade_testkit::{Behaviour, FakeWebhook, WebhookRules};

use crate::{
    BRISK, PATIENT, assert_failed, delivery, first, now, read, receipt, refused, retry_after, sender,
};

fn desk(fake: &FakeWebhook, network: Network) -> Sender {
    let toml = format!(
        "name = 'desk'\nkind = 'webhook'\nurl = '{}'\nsecret_env = 'KEY'\nallow_private_targets = true",
        fake.url()
    );
    sender(&toml, &[("KEY", FakeWebhook::SECRET)], network)
}

async fn send(sender: &Sender, n: u64) -> Outcome {
    sender.send(&[first(n)], None, now()).await
}

#[tokio::test]
async fn a_delivery_is_signed_and_bears_its_rows_id_however_often_it_is_tried() {
    let fake = FakeWebhook::start().await.unwrap();
    let desk = desk(&fake, BRISK);
    for behaviour in [Behaviour::ServerError, Behaviour::TakeAndClose, Behaviour::TakeAndHang] {
        let may_have_arrived = behaviour != Behaviour::ServerError;
        fake.behave(behaviour, 1);
        let outcome = send(&desk, 1).await;
        assert_failed(&outcome);
        assert_eq!(matches!(outcome, Outcome::Unanswered(_)), may_have_arrived, "{outcome:?}");
    }
    let told = receipt(send(&desk, 1).await);
    assert!(told.editable);
    receipt(desk.send(&[delivery(1, 2, Phase::Updated)], Some(&told), now()).await);
    let messages = fake.messages();
    let ids: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(ids, [first(1).row.to_string(), delivery(1, 2, Phase::Updated).row.to_string()]);
    assert_eq!(messages[0].times, 3, "a receiver knows repeats by the id");
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_raw_secret_signs_as_well() {
    let secret = "not base64, but long enough";
    let rules = WebhookRules { secret: Some(secret.to_owned()), ..WebhookRules::default() };
    let fake = FakeWebhook::with_rules(rules).await.unwrap();
    let toml = format!(
        "name = 'desk'\nkind = 'webhook'\nurl = '{}'\nsecret_file = '/run/key'\nallow_private_targets = true",
        fake.url()
    );
    receipt(send(&sender(&toml, &[("/run/key", secret)], PATIENT), 1).await);
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_wrong_signature_is_seen_by_the_fake() {
    let fake = FakeWebhook::start().await.unwrap();
    let toml = format!("name = 'x'\nkind = 'webhook'\nurl = '{}'\nallow_private_targets = true", fake.url());
    assert_eq!(refused(&send(&sender(&toml, &[], PATIENT), 1).await), Refused::Rejected);
    assert_eq!(fake.violations().len(), 1);
    assert!(fake.messages().is_empty());
}

#[tokio::test]
async fn only_2xx_is_success_and_redirects_are_not_followed() {
    let (fake, elsewhere) = (FakeWebhook::start().await.unwrap(), FakeWebhook::start().await.unwrap());
    let desk = desk(&fake, PATIENT);
    fake.behave(Behaviour::Redirect(elsewhere.url()), 1);
    assert_eq!(refused(&send(&desk, 1).await), Refused::Rejected);
    assert_eq!(elsewhere.requests(), 0);
    for (status, why) in [
        (400, Refused::Malformed),
        (401, Refused::Rejected),
        (403, Refused::Rejected),
        (404, Refused::Rejected),
        (422, Refused::Malformed),
    ] {
        fake.behave(Behaviour::Status(status, "no".to_owned()), 1);
        assert_eq!(refused(&send(&desk, 1).await), why, "{status}");
        assert!(!why.closes(), "one bad answer does not switch a receiver off");
    }
    for status in [408, 425, 500, 502, 503, 504] {
        fake.behave(Behaviour::Status(status, "later".to_owned()), 1);
        assert_failed(&send(&desk, 1).await);
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_off() {
    let fake = FakeWebhook::start().await.unwrap();
    let desk = desk(&fake, PATIENT);
    assert!(desk.check().await.good);
    fake.die();
    assert_eq!(refused(&send(&desk, 1).await), Refused::Gone);
    assert!(Refused::Gone.closes());
    fake.assert_obeyed();
}

#[tokio::test]
async fn a_429_or_503_is_never_fatal_and_obeyed_as_seconds_and_as_a_date() {
    for tells_dates in [false, true] {
        for behaviour in
            [Behaviour::TooMany(Duration::from_secs(30)), Behaviour::Unavailable(Duration::from_secs(30))]
        {
            let fake = FakeWebhook::with_rules(WebhookRules { tells_dates, ..WebhookRules::default() });
            let fake = fake.await.unwrap();
            let desk = self::desk(&fake, PATIENT);
            fake.behave(behaviour, 1);
            let (after, budget) = retry_after(send(&desk, 1).await);
            // A date is a whole second, and some time has passed on a busy machine.
            assert!(after > Duration::from_secs(15) && after <= Duration::from_secs(30), "{after:?}");
            assert_eq!(budget, desk.budgets()[0].name);
            fake.assert_obeyed();
        }
    }
}

#[tokio::test]
async fn a_private_target_is_refused_by_the_address_that_is_connected_to() {
    let fake = FakeWebhook::start().await.unwrap();
    let port = fake.url();
    let port = port.trim_end_matches("/hook").rsplit(':').next().unwrap();
    let toml = |host: &str| format!("name = 'x'\nkind = 'webhook'\nurl = 'https://{host}:{port}/hook'");
    // Written as a number or as localhost, it is refused when it is read.
    for host in
        ["127.0.0.1", "127.1", "[::1]", "localhost", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"]
    {
        let refusals = read(&toml(host), &[]).unwrap_err();
        assert_eq!(refusals.len(), 1, "{host}: {refusals:?}");
        assert!(refusals[0].key == "url" && refusals[0].reason.contains("allow_private_targets"));
    }
    // A name that only turns out to be private when it is looked up is refused then, every time.
    let Some(name) = private_name().await else {
        eprintln!("SKIPPED: this machine has no name but localhost for a private address");
        return;
    };
    let desk = sender(&toml(&name), &[], PATIENT);
    let outcome = send(&desk, 1).await;
    assert_eq!(refused(&outcome), Refused::PrivateTarget);
    assert!(Refused::PrivateTarget.closes() && !desk.check().await.good);
    assert_eq!(fake.requests(), 0);
}

/// A name that resolves to a private address and does not say so: this machine's own.
async fn private_name() -> Option<String> {
    let mut names: Vec<String> = std::fs::read_to_string("/etc/hosts")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    names.extend(std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned()));
    for name in names.into_iter().filter(|name| !name.ends_with("localhost") && !name.contains('_')) {
        let found = tokio::net::lookup_host((name.as_str(), 1)).await;
        if found.is_ok_and(|mut found| found.any(|a| a.ip().is_loopback() || is_private(a.ip()))) {
            return Some(name);
        }
    }
    None
}

fn is_private(address: std::net::IpAddr) -> bool {
    matches!(address, std::net::IpAddr::V4(v4) if v4.is_private() || v4.is_link_local())
}
