//! Dispatchers as processes in a storm of findings, to six destinations of which four misbehave: all adds up, no provider's
//! rule is broken, HIGH waits for nobody; and the same while dispatchers and Redis are killed. The long form is `make alerts`.
#![expect(clippy::unwrap_used, reason = "helpers outside of test functions")]

mod doors;
mod findings;
mod ledger;
mod run;
mod site;
mod verdict;

use std::time::Duration;

use cascade_domain::{AlertReason, EventTime, Id, Phase, Priority};
use cascade_wire::HistoryOf;

use ledger::{Ledger, quantile};
use run::Plan;

/// Whatever goes wrong with the storm itself.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Waits and times shrunken so far that a storm blows over within half a minute.
const SHRUNKEN: &str = "history_path = \"\"\nsend_timeout_s = 1\nexpire_s = 8\nlow_wait_ms = 1000\nmedium_wait_ms = 300\n\
    edit_every_ms = 1000\nmarket_kinds = [\"cascade\"]\nmarket_silence_s = 10\n";

fn plan() -> Plan {
    Plan {
        program: env!("CARGO_BIN_EXE_alert-dispatcher").into(),
        seed: 20_251_010,
        findings: 600,
        pace: 60,
        symbols: 100,
        kills: 0,
        restart: false,
        dispatch: SHRUNKEN.to_owned(),
        patience: Duration::from_secs(40),
    }
}

async fn holds(plan: &Plan) {
    let report = run::run(plan).await.unwrap();
    println!("{}", report.table);
    println!("HIGH at the hook, p99: {} ms", report.p99_ms);
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_every_delivery_ends_somewhere_and_no_rule_is_broken() {
    let budgets = "budget_per_hour = 30\nhigh_budget_per_hour = 100\n";
    holds(&Plan { dispatch: format!("{SHRUNKEN}{budgets}"), ..plan() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_dispatchers_and_a_restarted_redis_lose_nothing_and_repeat_only_what_was_never_answered() {
    let budgets = "budget_per_hour = 100\nhigh_budget_per_hour = 300\n";
    let dispatch = format!("{SHRUNKEN}{budgets}");
    holds(&Plan { kills: 4, restart: true, findings: 400, pace: 40, dispatch, ..plan() }).await;
}

fn at(ms: i64) -> EventTime {
    EventTime::from_ms(1_791_565_601_000 + ms)
}

/// An alert that is told to the chat: its revision and its row have the same number.
fn decided(ledger: &mut Ledger, number: u64, priority: Priority, place: usize) {
    let revision = Id::from_bits(number);
    let alert = HistoryOf::Alert {
        revision,
        alert: revision,
        kind: "cascade".to_owned(),
        rule: "cascade".to_owned(),
        scope: "BTCUSDT".to_owned(),
        symbol: None,
        phase: Phase::Opened,
        priority,
        known_at_ms: at(0),
        title: String::new(),
        demo: false,
    };
    let (destination, reason) = ("chat".to_owned(), AlertReason::First);
    let decision = HistoryOf::Decision { row: revision, revision, destination, reason, ending: None };
    ledger.note(at(0), alert, place);
    ledger.note(at(0), decision, place);
}

fn tried(ledger: &mut Ledger, number: u64, outcome: &str, place: i64) {
    let attempt = HistoryOf::Attempt {
        rows: vec![Id::from_bits(number)],
        destination: "chat".to_owned(),
        outcome: outcome.to_owned(),
        said: String::new(),
    };
    ledger.note(at(place * 100), attempt, usize::try_from(place).unwrap());
}

#[test]
fn high_that_waits_behind_others_is_found_out() {
    let mut ledger = Ledger::default();
    for low in 1..=3 {
        decided(&mut ledger, low, Priority::Low, 0);
    }
    decided(&mut ledger, 9, Priority::High, 1);
    tried(&mut ledger, 1, "sent", 2);
    tried(&mut ledger, 9, "sent", 3);
    tried(&mut ledger, 2, "sent", 4);
    assert_eq!(ledger.longest_wait(), (0, "chat".to_owned()), "one was under way");
    assert_eq!(ledger.lateness("chat"), [300]);
    decided(&mut ledger, 10, Priority::High, 5);
    tried(&mut ledger, 2, "failed", 6);
    tried(&mut ledger, 3, "sent", 7);
    tried(&mut ledger, 10, "sent", 8);
    assert_eq!(ledger.longest_wait(), (1, "chat".to_owned()));
    assert_eq!(ledger.tried_after_sent(), [Id::from_bits(2)].into());
    assert_eq!((ledger.count("chat", "sent"), ledger.count("chat", "failed")), (5, 1));
}

#[test]
fn the_99th_of_a_hundred_is_the_99th() {
    let hundred: Vec<i64> = (1..=100).collect();
    assert_eq!(
        (quantile(&hundred, 99), quantile(&hundred, 50), quantile(&[7], 99), quantile(&[], 50)),
        (99, 50, 7, 0)
    );
}
