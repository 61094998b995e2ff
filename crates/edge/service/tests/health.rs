//! Health over a real socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;

use cascade_service::{Health, Metric, Metrics, Routes, Shutdown, Supervisor, health, healthcheck};
use tokio::net::TcpStream;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

struct Served {
    address: SocketAddr,
    health: Health,
    metrics: Metrics,
    shutdown: Shutdown,
    supervisor: Supervisor,
}

async fn served() -> Served {
    let (health, metrics, shutdown) = (Health::new(), Metrics::new("test", "0.1.0"), Shutdown::new());
    let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
    let stop = supervisor.shutdown();
    let (address, server) =
        health::serve("127.0.0.1:0", health.clone(), metrics.clone(), Routes::default(), stop).await.unwrap();
    supervisor.spawn("health", server);
    Served { address, health, metrics, shutdown, supervisor }
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn readiness_is_200_when_every_condition_holds_and_else_503_with_the_reason() {
    let served = served().await;
    let starting = r#"{"status":"starting","reasons":{},"holding":[]}"#;
    assert_eq!(get(served.address, "/health/ready").await, (503, starting.to_owned()));
    assert_eq!(get(served.address, "/health/live").await, (200, r#"{"status":"live"}"#.to_owned()));
    served.health.set("redis", Ok(()));
    served.health.set("feeds", Err("binance: silent".to_owned()));
    let unready = r#"{"status":"unready","reasons":{"feeds":"binance: silent"},"holding":["redis"]}"#;
    assert_eq!(get(served.address, "/health/ready").await, (503, unready.to_owned()));
    let told = healthcheck::ask(&served.address.to_string()).await.unwrap_err().to_string();
    assert!(told.ends_with(&format!("answered 503: {unready}")), "{told}");
    served.health.set("feeds", Ok(()));
    let ready = r#"{"status":"ready","reasons":{},"holding":["feeds","redis"]}"#;
    assert_eq!(healthcheck::ask(&served.address.to_string()).await.unwrap(), ready);
}

#[tokio::test]
async fn metrics_are_served_as_prometheus_reads_them() {
    let served = served().await;
    served.metrics.add(Metric::Frames, &["okx"], 3);
    served.metrics.record(Metric::Pipeline, &["oi"], 0.003);
    let (status, text) = get(served.address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "cascade_frames_total{venue=\"okx\"} 3\n",
        "cascade_pipeline_seconds_bucket{engine=\"oi\",le=\"0.005\"} 1\n",
        "cascade_uptime_seconds ",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(get(served.address, "/nowhere").await.0, 404);
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_does_not_hold_the_process() {
    let served = served().await;
    let mut client = TcpStream::connect(served.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET /health/live HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(get(served.address, "/health/live").await.0, 200);
    served.shutdown.request();
    served.supervisor.run().await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_refused_with_the_way_out() {
    let served = served().await;
    let again = health::serve(
        &served.address.to_string(),
        Health::new(),
        Metrics::new("b", "1"),
        Routes::default(),
        Shutdown::new(),
    )
    .await;
    let told = again.err().unwrap().to_string();
    assert!(told.contains(&served.address.to_string()) && told.contains("--health-addr"), "{told}");
    let silent = healthcheck::ask("127.0.0.1:1").await.unwrap_err().to_string();
    assert!(silent.starts_with("no answer from http://127.0.0.1:1/health/ready: "), "{silent}");
}
