//! The program as a shell or an orchestrator runs it: configuration, health, signals, exit codes.

use cascade_testkit::{TestProcess, TestRedis, eventually};

use crate::support::{DEADLINE, PROGRAM, exchanges, variables};

#[tokio::test]
async fn every_mistake_is_named_at_once_with_where_it_was_made() {
    let arguments =
        ["--check-config", "--set", "ingest.symbols=BTC-USD", "--set", "ingest.stream_max_age_s=5"];
    let variables = [("CASCADE_INGEST__EXCHANGES".to_owned(), "binance,mtgox".to_owned())];
    let output = TestProcess::output(PROGRAM, &arguments, &variables).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in [
        "3 mistakes",
        "symbols",
        "BTC-USD",
        "stream_max_age_s",
        "mtgox",
        "CASCADE_INGEST__EXCHANGES",
        "--set",
    ] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    let fine = TestProcess::output(PROGRAM, &["--check-config"], &[]).await.unwrap();
    assert_eq!(fine.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_becomes_ready_says_so_and_ends_with_0_when_asked() {
    let redis = TestRedis::start().await.unwrap();
    let simulator = exchanges("busy-day").await;
    for signal in ["TERM", "INT"] {
        let variables = variables(&redis, &simulator);
        let mut process = TestProcess::start(PROGRAM, &["--health-addr", "127.0.0.1:0"], &variables).unwrap();
        let greeting = process.line().await.unwrap().unwrap();
        let address = greeting.rsplit("http://").next().unwrap();
        let check = ["healthcheck", "--health-addr", address];
        let ready = eventually(DEADLINE, async || {
            TestProcess::output(PROGRAM, &check, &[]).await.unwrap().status.code() == Some(0)
        });
        assert!(ready.await, "not ready: {greeting}");
        assert_eq!(process.end_by(signal).await.unwrap(), Some(0), "{signal}");
        let gone = TestProcess::output(PROGRAM, &check, &[]).await.unwrap();
        assert_eq!(gone.status.code(), Some(1), "nobody answers any more");
    }
}
