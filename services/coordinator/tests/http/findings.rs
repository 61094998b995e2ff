//! The findings of the streams, merged and filtered.

use cascade_domain::{Level, Shard, Symbol};
use cascade_testkit::eventually;
use cascade_wire::{finding_to_json, key};
use serde_json::Value;

use crate::support::{DEADLINE, Served, cascade, put_out};

async fn found(served: &Served, query: &str) -> Value {
    let answer = served.get(&format!("/api/v1/findings{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn ids(found: &Value) -> Vec<&str> {
    found["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn findings_of_all_shards_come_newest_first_and_as_they_were_told() {
    let served = Served::start().await;
    assert_eq!(found(&served, "").await["findings"], Value::Array(Vec::new()));
    let observer = served.observer().await;
    let time = async || {
        let [s, us]: [u64; 2] = observer.command::<Vec<u64>>("TIME", &[]).await.unwrap().try_into().unwrap();
        s * 1000 + us / 1000
    };
    let mut told = Vec::new();
    for n in 0..60 {
        // Of one millisecond, no order is promised.
        let before = time().await;
        assert!(eventually(DEADLINE, async || time().await > before).await);
        let symbol = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT"][usize::try_from(n % 4).unwrap()];
        let finding = cascade(symbol, n, if n % 3 == 0 { Level::Critical } else { Level::Alert });
        put_out(&served.bus, std::slice::from_ref(&finding)).await;
        told.push(finding);
    }
    told.reverse();
    let told_ids: Vec<String> = told.iter().map(|finding| finding.id().to_string()).collect();

    let all = found(&served, "?limit=500").await;
    assert_eq!(ids(&all), told_ids);
    assert_eq!(
        all["findings"][0],
        serde_json::from_str::<Value>(&finding_to_json(&told[0]).unwrap()).unwrap()
    );
    assert_eq!((&all["truncated"], &all["unreadable"]), (&Value::Bool(false), &0.into()));
    assert_eq!(ids(&found(&served, "").await), told_ids[..50], "50 where nobody says how many");
    assert_eq!(ids(&found(&served, "?limit=3").await), told_ids[..3]);

    let of_btc = found(&served, "?symbol=btcusdt&limit=5").await;
    let wanted: Vec<&str> = told_ids
        .iter()
        .zip(&told)
        .filter(|(_, f)| f.symbol().unwrap().as_str() == "BTCUSDT")
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(ids(&of_btc), wanted[..5]);
    let critical = found(&served, "?level=critical").await;
    assert_eq!(critical["findings"].as_array().unwrap().len(), 20);
    assert_eq!(found(&served, "?level=EXTREME").await["findings"], Value::Array(Vec::new()));
    assert_eq!(found(&served, "?kind=cascade&limit=500").await["findings"].as_array().unwrap().len(), 60);
    assert_eq!(found(&served, "?kind=feed").await["findings"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn what_can_not_be_read_is_counted_and_takes_nothing_along() {
    let served = Served::start().await;
    let finding = cascade("BTCUSDT", 0, Level::Critical);
    put_out(&served.bus, std::slice::from_ref(&finding)).await;
    let btc = key::alerts(Shard::of(&Symbol::parse("BTCUSDT").unwrap()));
    let other = key::alerts(Shard::all().find(|shard| key::alerts(*shard) != btc).unwrap());
    let observer = served.observer().await;
    observer.command::<String>("XADD", &[&btc, "*", "e", "garbage"]).await.unwrap();
    observer.command::<String>("XADD", &[&btc, "*", "x", "y"]).await.unwrap();
    observer.command::<String>("SET", &[&other, "no stream"]).await.unwrap();
    let all = found(&served, "").await;
    assert_eq!(ids(&all), [finding.id().to_string()]);
    assert_eq!(all["unreadable"], 3);
}

#[tokio::test]
async fn a_search_that_finds_little_ends_at_its_bound() {
    let served = Served::start().await;
    let one: Vec<_> = (0..5_300).map(|n| cascade("BTCUSDT", n, Level::Alert)).collect();
    for batch in one.chunks(500) {
        put_out(&served.bus, batch).await;
    }
    let none = found(&served, "?level=extreme").await;
    assert_eq!((ids(&none).len(), &none["truncated"]), (0, &Value::Bool(true)));
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let served = Served::start().await;
    for (query, words) in [
        ("?limit=0", "limit"),
        ("?limit=501", "limit"),
        ("?limit=many", "limit"),
        ("?limit=-1", "limit"),
        ("?symbol=", "symbol"),
        ("?symbol=BTC%20USDT", "symbol"),
        ("?symbol=%7Bs01%7D", "symbol"),
        ("?kind=rumour", "open_interest"),
        ("?level=LOUD", "CRITICAL"),
        ("?sybmol=BTCUSDT", "sybmol"),
        ("?limit=1&limit=2", "limit"),
    ] {
        served.get(&format!("/api/v1/findings{query}")).await.assert_problem(400, words);
    }
}

#[tokio::test]
async fn many_who_ask_at_once_are_all_answered() {
    let served = Served::start().await;
    put_out(&served.bus, &[cascade("BTCUSDT", 0, Level::Critical)]).await;
    let asked = (0..40).map(|_| served.get("/api/v1/findings"));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 503), "{answers:?}");
    assert!(eventually(DEADLINE, async || served.get("/api/v1/findings").await.status == 200).await);
}
