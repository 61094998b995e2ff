//! `cascade bench e2e`, as a shell runs it: nothing is lost, and both outputs say the same. Nothing here asks how long
//! anything took.

use cascade_testkit::TestProcess;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascade");

#[tokio::test]
async fn every_liquidation_is_heard_of_once_and_the_table_agrees_with_the_json() {
    // Settings of whoever measures must not reach what is measured.
    let settings = [("CASCADE_INGEST__EXCHANGES".to_owned(), "none".to_owned())];
    let words =
        ["bench", "e2e", "--rate", "200", "--seconds", "2", "--rounds", "1", "--symbols", "70", "--json"];
    let output = TestProcess::output(PROGRAM, &words, &settings).await.unwrap();
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["lost"].as_u64(), report["symbols"].as_u64()), (Some(0), Some(70)), "{report}");
    let rate = &report["rates"][0];
    for what in ["floor", "system"] {
        let figures = &rate[what];
        let count = |key: &str| figures[key].as_u64().unwrap();
        assert_eq!(["sent", "received", "lost", "twice"].map(count), [400, 400, 0, 0], "{report}");
        let times = ["p50_us", "p99_us", "p99.9_us", "max_us"].map(count);
        assert!(times[0] > 0 && times.is_sorted(), "{report}");
        let row = table.lines().find(|line| line.starts_with("     200") && line.contains(what));
        let cells: Vec<&str> = row.unwrap().split_whitespace().filter(|word| *word != "ms").collect();
        let shown = times.map(|us| format!("{}.{:03}", us / 1000, us % 1000));
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!(cells, [&["200", what, "400", "400", "0", "0"][..], &shown].concat(), "{table}");
    }
    for stage in ["venue", "decode", "store", "take", "publish"] {
        assert!(rate["stages"][stage]["p99_us"].is_number(), "{stage} of {report}");
    }
    for service in ["liquidation-ingest", "cascade-signals"] {
        assert!(rate["memory_kb"][service].as_u64() > Some(1000), "{report}");
        assert!(table.contains(&format!("{service}: ")), "{table}");
    }
}

#[tokio::test]
async fn too_few_markets_for_a_rate_are_a_mistake_of_usage() {
    let words = ["bench", "e2e", "--rate", "5000", "--symbols", "4"];
    let output = TestProcess::output(PROGRAM, &words, &[]).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("5 markets"), "{told}");
}
