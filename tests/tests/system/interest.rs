//! Open interest through the whole system: from the exchanges' answers and frames to both detectors' findings.

use cascade_testkit::TestRedis;
use serde_json::Value;

use crate::harness::{DEADLINE, System};

fn names(finding: &Value, list: &str, name: &str) -> bool {
    finding[list].as_array().is_some_and(|names| names.iter().any(|found| found == name))
}

#[tokio::test(flavor = "multi_thread")]
async fn open_interest_falls_with_the_liquidations_and_the_score_of_the_cascade_knows_it() {
    let system = System::start(TestRedis::start().await.unwrap(), 8.0, &[]).await;
    let mut oi = system.oi_detector();
    let mut observer = system.observer(&["cascade:signals"]).await;
    system.simulator.start();
    let of_bitcoin = |finding: &Value| finding["symbol"] == "BTCUSDT";
    let is_told = |finding: &Value| {
        let fall = finding["context"]["oi_change_1m"].as_f64().unwrap_or_default();
        let part = finding["contributions"]["oi_change"].as_f64().unwrap_or_default();
        of_bitcoin(finding) && fall <= -0.005 && part > 0.0 && !names(finding, "missing", "oi_change")
    };
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|message| is_told(&message.value))).await.unwrap();
    let extreme = |finding: &Value| of_bitcoin(finding) && finding["level"] == "EXTREME";
    observer.wait_for(DEADLINE, |seen| seen.iter().any(|message| extreme(&message.value))).await.unwrap();
    let seen = observer.seen();
    let mut at_height = seen.iter().map(|message| &message.value).filter(|finding| extreme(finding));
    assert!(
        at_height.all(|finding| !names(finding, "missing", "oi_change")),
        "known throughout the height of it"
    );
    oi.stop().await;
    system.stop().await;
}
