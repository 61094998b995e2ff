//! Dispatchers as processes in a storm of findings, to six destinations of which four misbehave: all adds up, no provider's
//! rule is broken, HIGH waits for nobody; and the same while dispatchers and Redis are killed. The long form is `make alerts`.
#![expect(clippy::unwrap_used, reason = "helpers outside of test functions")]

mod doors;
mod findings;
mod ledger;
mod random;
mod run;
mod site;
mod verdict;

use std::time::Duration;

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
