//! The history of alerts, read backwards.

use cascade_domain::{AlertReason, Ask, Ending, EventTime, Id, Order, Phase, Priority, Symbol};
use cascade_testkit::Observer;
use cascade_wire::{HistoryEntry, HistoryOf, Receipt, dispatch};
use serde_json::{Value, json};

use crate::support::{AT, Served};

async fn write(observer: &Observer, at_ms: EventTime, what: HistoryOf) {
    let json = HistoryEntry { at_ms, what }.to_json().unwrap();
    observer.command::<String>("XADD", &[dispatch::HISTORY, "*", "e", &json]).await.unwrap();
}

fn alert(n: u64, symbol: &str, kind: &str) -> HistoryOf {
    HistoryOf::Alert {
        revision: Id::from_bits(n),
        alert: Id::from_bits(n + 1000),
        kind: kind.to_owned(),
        rule: kind.to_owned(),
        scope: symbol.to_owned(),
        symbol: Symbol::parse(symbol).ok(),
        phase: Phase::Opened,
        priority: Priority::High,
        known_at_ms: AT,
        title: format!("CRITICAL {symbol}"),
        demo: false,
    }
}

fn decision(row: u64, revision: u64, destination: &str, ending: Option<Ending>) -> HistoryOf {
    let reason = if ending.is_some() { AlertReason::Muted } else { AlertReason::First };
    HistoryOf::Decision {
        row: Id::from_bits(row),
        revision: Id::from_bits(revision),
        destination: destination.to_owned(),
        reason,
        ending,
    }
}

fn attempt(row: u64, outcome: &str) -> HistoryOf {
    let (rows, destination) = (vec![Id::from_bits(row)], "phone".to_owned());
    HistoryOf::Attempt { rows, destination, outcome: outcome.to_owned(), said: "said".to_owned() }
}

fn end(row: u64, ending: Ending) -> HistoryOf {
    let receipt = (ending == Ending::Sent).then(|| Receipt {
        message: Some("77".to_owned()),
        editable: false,
        settings: None,
    });
    HistoryOf::End {
        row: Id::from_bits(row),
        destination: "phone".to_owned(),
        ending,
        reason: "gone".to_owned(),
        receipt,
    }
}

fn replayed(row: u64) -> HistoryOf {
    HistoryOf::Letters {
        rows: vec![Id::from_bits(row)],
        act: "replayed".to_owned(),
        by: "cli:ann@desk".to_owned(),
    }
}

async fn told(served: &Served, query: &str) -> Value {
    let answer = served.get(&format!("/api/v1/alerts{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

const EVER: &str = "?since=2026-01-01T00:00:00Z";

#[tokio::test]
async fn an_alert_is_told_with_what_became_of_it_everywhere() {
    let served = Served::start().await;
    let observer = served.observer().await;
    write(&observer, AT, alert(1, "BTCUSDT", "cascade")).await;
    write(&observer, AT, decision(11, 1, "phone", None)).await;
    write(&observer, AT, decision(12, 1, "desk", Some(Ending::Suppressed))).await;
    write(&observer, AT.plus_ms(5), attempt(11, "failed")).await;
    write(&observer, AT.plus_ms(9), attempt(11, "sent")).await;
    write(&observer, AT.plus_ms(9), end(11, Ending::Sent)).await;
    observer.command::<String>("XADD", &[dispatch::HISTORY, "*", "e", "{garbage"]).await.unwrap();

    let all = told(&served, EVER).await;
    assert_eq!((&all["truncated"], &all["unreadable"]), (&json!(false), &json!(1)));
    let alert = &all["alerts"][0];
    assert_eq!((&alert["title"], &alert["symbol"]), (&json!("CRITICAL BTCUSDT"), &json!("BTCUSDT")));
    assert_eq!(alert["alert"], Id::from_bits(1001).to_string());
    let (desk, phone) = (&alert["deliveries"][0], &alert["deliveries"][1]);
    assert_eq!(
        (&desk["destination"], &desk["ending"], &desk["why"]),
        (&json!("desk"), &json!("suppressed"), &json!("muted"))
    );
    assert_eq!(
        (&phone["ending"], &phone["receipt"], &phone["reason"]),
        (&json!("sent"), &json!("77"), &json!("first"))
    );
    let outcomes: Vec<_> =
        phone["attempts"].as_array().unwrap().iter().map(|a| a["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "sent"]);
}

#[tokio::test]
async fn a_letter_that_was_put_back_on_its_way_has_not_ended() {
    let served = Served::start().await;
    let observer = served.observer().await;
    for (n, ends_again) in [(1, false), (2, true)] {
        write(&observer, AT, alert(n, "BTCUSDT", "cascade")).await;
        write(&observer, AT, decision(n + 10, n, "phone", None)).await;
        write(&observer, AT, end(n + 10, Ending::Dead)).await;
        write(&observer, AT, replayed(n + 10)).await;
        if ends_again {
            write(&observer, AT, end(n + 10, Ending::Sent)).await;
        }
    }
    let all = told(&served, EVER).await;
    let of = |n: usize| all["alerts"][n]["deliveries"][0].clone();
    assert_eq!((&of(0)["ending"], &of(0)["letter"]), (&json!("sent"), &json!("replayed")));
    assert_eq!((of(1).get("ending"), &of(1)["letter"]), (None, &json!("replayed")));
}

#[tokio::test]
async fn alerts_come_newest_first_since_a_time_of_a_market_and_so_many() {
    let served = Served::start().await;
    let observer = served.observer().await;
    for n in 0..700_u32 {
        let symbol = if n % 2 == 0 { "BTCUSDT" } else { "ETHUSDT" };
        let kind = if n % 10 == 9 { "watchdog" } else { "cascade" };
        write(&observer, AT.plus_ms(i64::from(n) * 1000), alert(n.into(), symbol, kind)).await;
    }
    write(&observer, AT.plus_ms(800_000), order()).await;
    let count = |told: &Value| told["alerts"].as_array().unwrap().len();
    let all = told(&served, &format!("{EVER}&limit=500")).await;
    assert_eq!(count(&all), 500);
    assert_eq!(all["alerts"][0]["at_ms"], AT.plus_ms(698_000).ms(), "the last one is the watchdog's");
    assert_eq!(count(&told(&served, EVER).await), 50);
    let eth = told(&served, &format!("{EVER}&symbol=ETHUSDT&limit=500")).await;
    assert_eq!(count(&eth), 280);
    let since = AT.plus_ms(690_000).ms();
    assert_eq!(count(&told(&served, &format!("?since={since}")).await), 9);
    // Their times are not of today.
    assert_eq!(count(&told(&served, "").await), 0);
}

fn order() -> HistoryOf {
    let what = Ask::Ack { alert: Id::from_bits(1) };
    HistoryOf::Order { given: Order { at_ms: AT, by: "cli:ann@desk".to_owned(), what }, refused: None }
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let served = Served::start().await;
    for (query, words) in [
        ("?since=yesterday", "since"),
        ("?since=1791565601", "since"),
        ("?limit=0", "limit"),
        ("?symbol=%00", "symbol"),
        ("?until=1", "until"),
    ] {
        served.get(&format!("/api/v1/alerts{query}")).await.assert_problem(400, words);
    }
}
