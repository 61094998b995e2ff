//! The program as a shell or an orchestrator runs it: configuration, health, signals, exit codes.

use cascade_testkit::{Observer, TestProcess, TestRedis, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// A line of the program's metrics.
async fn metric(address: &str, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_kept_for_less_while_redis_is_full_and_for_as_long_as_agreed_again() {
    let redis = TestRedis::start().await.unwrap();
    let simulator = exchanges("busy-day").await;
    let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
    let _: u64 = observer.command("SETRANGE", &["ballast", "70000000", "x"]).await.unwrap();
    let mut variables = variables(&redis, &simulator);
    variables.push(("CASCADE_INGEST__REDIS_MEMORY_MB".to_owned(), "64".to_owned()));
    let mut process = TestProcess::start(PROGRAM, &["--health-addr", "127.0.0.1:0"], &variables).unwrap();
    let greeting = process.line().await.unwrap().unwrap();
    let address = greeting.rsplit("http://").next().unwrap();
    let kept_s = async || metric(address, "cascade_stream_age_seconds").await.unwrap_or_default();
    assert!(eventually(DEADLINE, async || kept_s().await == "120").await, "{}", kept_s().await);
    let _: u64 = observer.command("DEL", &["ballast"]).await.unwrap();
    assert!(eventually(DEADLINE, async || kept_s().await == "600").await, "{}", kept_s().await);
    assert_eq!(process.end_by("TERM").await.unwrap(), Some(0));
}
