//! Senders against fakes of their providers, which hold them to every rule.
#![expect(clippy::panic, clippy::unwrap_used, reason = "what a test asks for it gets, or it fails")]

mod destination;
mod discord;
mod fakes;
mod local;
mod secrets;
mod slack;
mod telegram;
mod texts;
mod webhook;

use std::time::Duration;

use cascade_domain::{
    Alert, AlertReason, Delivery, EventTime, Heading, Id, Manner, Phase, Priority, Refusal, Subject, Symbol,
};
use cascade_notify::{Destination, Network, Outcome, Refused, Secret, SecretPlace, Sender};
use cascade_pace::Clock;
use cascade_testkit::TestClock;
use cascade_wire::Receipt;

/// Long enough for a busy machine, and what nothing but a hanging provider uses up.
const PATIENT: Network = Network { timeout: Duration::from_secs(20) };
/// For providers that hang.
const BRISK: Network = Network { timeout: Duration::from_millis(300) };

/// Wall time.
fn now() -> EventTime {
    TestClock::new(1.0).now()
}

/// Alert `n`, revision `revision`, as it is told to a destination.
fn delivery(n: u64, revision: u64, phase: Phase) -> Delivery {
    let scope = format!("test {n}");
    let heading = Heading { kind: "test", rule: "test", scope: &scope, episode: Id::from_bits(n) };
    let at = EventTime::from_ms(1_700_000_000_000).plus_ms(revision.cast_signed() * 1000);
    let subject = Subject::Test { by: format!("somebody {n}.{revision}") };
    let alert = Alert { phase, priority: Priority::High, ..Alert::new(&heading, revision, at, subject) };
    Delivery {
        row: Delivery::row_of(alert.revision, "desk", false),
        destination: "desk".to_owned(),
        reason: AlertReason::First,
        manner: Manner::New,
        lane: Priority::High,
        due_ms: at,
        expires_ms: at.plus_ms(900_000),
        after: None,
        count: 1,
        alert,
    }
}

/// A first message of an alert.
fn first(n: u64) -> Delivery {
    delivery(n, 1, Phase::Opened)
}

/// The same of a market.
fn of_market(n: u64, symbol: &str) -> Delivery {
    let mut delivery = first(n);
    delivery.alert.symbol = Some(Symbol::parse(symbol).unwrap());
    delivery
}

/// Reads a destination; a variable or a file is looked up in these.
fn read(toml: &str, secrets: &[(&str, &str)]) -> Result<Destination, Vec<Refusal>> {
    let table: toml::Table = toml.parse().unwrap();
    Destination::read(&table, &|place| {
        let (SecretPlace::Variable(name) | SecretPlace::File(name)) = place;
        let found = secrets.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| Secret::new((*text).to_owned()))
    })
}

/// The sender of a destination that is good.
fn sender(toml: &str, secrets: &[(&str, &str)], network: Network) -> Sender {
    Sender::new(read(toml, secrets).unwrap(), network).unwrap()
}

/// The receipt of a message that was taken.
#[track_caller]
fn receipt(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Sent { receipt, .. } => receipt,
        other => panic!("not sent: {other:?}"),
    }
}

/// Why it was refused for good.
#[track_caller]
fn refused(outcome: &Outcome) -> Refused {
    match outcome {
        Outcome::Refused { why, .. } => *why,
        other => panic!("not refused: {other:?}"),
    }
}

/// For how long, and which budget.
#[track_caller]
fn retry_after(outcome: Outcome) -> (Duration, String) {
    match outcome {
        Outcome::RetryAfter { after, budget } => (after, budget),
        other => panic!("not told to wait: {other:?}"),
    }
}

#[track_caller]
fn assert_failed(outcome: &Outcome) {
    let is_passing = matches!(outcome, Outcome::Failed(_) | Outcome::Unanswered(_));
    assert!(is_passing, "not a passing failure: {outcome:?}");
}
