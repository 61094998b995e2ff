//! A scenario that is played twice, through the whole system: both plays are told, and nothing between them is.

use std::time::Duration;

use cascade_testkit::TestRedis;
use serde_json::Value;

use crate::harness::{DEADLINE, System};

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_that_is_played_again_is_told_again_and_the_pause_between_says_nothing() {
    let redis = TestRedis::start().await.unwrap();
    let system = System::again("cascade", redis, 8.0, Duration::from_mins(1)).await;
    let mut oi = system.oi_detector();
    let mut observer = system.observer(&["cascade:signals", "cascade:oi", "cascade:ops"]).await;
    system.simulator.start();
    let is = |value: &Value, state: &str| value["symbol"] == "BTCUSDT" && value["state"] == state;
    let over = |plays: usize| {
        move |seen: &[cascade_testkit::Observed]| {
            seen.iter().filter(|message| is(&message.value, "resolved")).count() >= plays
        }
    };
    observer.wait_for(DEADLINE, over(2)).await.unwrap();
    assert_eq!(system.simulator.plays(), 2);

    let began = system.simulator.started_at().unwrap().ms();
    // Second 176 is the end, 176 + 60 the next beginning, 38 s later its build-up. Only the end of what was told before may
    // be told in between, late on a machine that has much else to do.
    let seam = began + 176_000..began + (176 + 60 + 38) * 1000;
    let seen: Vec<&Value> = observer.seen().iter().map(|message| &message.value).collect();
    let at = |finding: &Value| finding["known_at_ms"].as_i64().unwrap_or_default();
    let is_new = |finding: &&&Value| seam.contains(&at(finding)) && finding["state"] != "resolved";
    let within: Vec<_> = seen.iter().filter(is_new).collect();
    assert!(within.is_empty(), "{within:#?}");
    let others: Vec<_> = seen.iter().filter(|finding| finding["finding"] != "cascade").collect();
    assert!(others.is_empty(), "no swing of open interest, no feed that fails: {others:#?}");
    for symbol in ["BTCUSDT", "ETHUSDT", "SOLUSDT"] {
        let mut episodes: Vec<_> = seen
            .iter()
            .filter(|finding| finding["symbol"] == symbol && finding["level"] == "CRITICAL")
            .map(|finding| finding["episode"].to_string())
            .collect();
        episodes.sort();
        episodes.dedup();
        assert_eq!(episodes.len(), 2, "{symbol}: one for each play");
    }
    oi.stop().await;
    system.stop().await;
}
