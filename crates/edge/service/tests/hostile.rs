//! Clients that mean no good, over real sockets: whatever they do, who asks for health is answered.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::{any, get, post};
use cascade_service::{Health, Metrics, Routes, Shutdown, Supervisor, health};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// More than any deadline of the server; nothing here is waited for that long unless it is broken.
const DEADLINE: Duration = Duration::from_secs(40);
/// An answer in time: a probe's patience, with room for a machine that is busy with other tests.
const IN_TIME: Duration = Duration::from_secs(10);
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
const LAST_LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    supervisor: Supervisor,
}

async fn served() -> Served {
    let (shutdown, routes) = (Shutdown::new(), Routes::default());
    let socket = |upgrade: WebSocketUpgrade| async {
        upgrade
            .on_upgrade(|mut socket| async move { while socket.recv().await.is_some_and(|m| m.is_ok()) {} })
    };
    routes.mount(
        Router::new()
            .route("/ws", any(socket))
            .route("/echo", post(|body: String| async { body }))
            .route("/stuck", get(std::future::pending::<&str>)),
    );
    let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
    let (health, metrics, stop) = (Health::new(), Metrics::new("test", "0.1.0"), supervisor.shutdown());
    let (address, server) = health::serve("127.0.0.1:0", health, metrics, routes, stop).await.unwrap();
    supervisor.spawn("health", server);
    Served { address, shutdown, supervisor }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends this and reads until the server closes, or `DEADLINE`.
    async fn said(&self, request: &[u8]) -> String {
        let mut client = self.connect().await;
        client.write_all(request).await.unwrap();
        to_the_end(&mut client).await
    }

    /// Health is told in time, on a new connection.
    async fn assert_live(&self) {
        let said = timeout(IN_TIME, self.said(LAST_LIVE)).await.expect("an answer in time");
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with(r#"{"status":"live"}"#), "{said}");
    }

    async fn assert_ends(self) {
        self.shutdown.request();
        timeout(IN_TIME, self.supervisor.run()).await.expect("an end in time").unwrap();
    }
}

/// What comes until the connection ends, well or badly.
async fn to_the_end(client: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(1..) = client.read(&mut buffer).await.inspect(|n| said.extend(&buffer[..*n])) {}
    };
    timeout(DEADLINE, reading).await.expect("the server ends the connection");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let served = served().await;
    let nowhere = served.said(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(nowhere.starts_with("HTTP/1.1 404 "), "{nowhere}");
    assert!(nowhere.contains("content-type: application/problem+json\r\n"), "{nowhere}");
    assert!(nowhere.contains(r#""title":"Not Found","status":404"#), "{nowhere}");
    for path in ["/health/live", "/metrics", "/echo"] {
        let request = format!("DELETE {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let wrong = served.said(request.as_bytes()).await;
        assert!(wrong.starts_with("HTTP/1.1 405 ") && wrong.contains("allow: "), "{wrong}");
        assert!(wrong.contains(r#""title":"Method Not Allowed","status":405"#), "{wrong}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_without_reading_it() {
    let served = served().await;
    // A client that says how much will come is told before anything did.
    let mut client = served.connect().await;
    client.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n").await.unwrap();
    let mut said = vec![0; 4096];
    let read = timeout(IN_TIME, client.read(&mut said)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&said[..read]).starts_with("HTTP/1.1 413 "));
    drop(client);
    // One that does not say is told when it was too much.
    let mut client = served.connect().await;
    client.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"2800\r\n".as_slice(), &[b'x'; 0x2800], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1024 && client.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 1024, "10 MB were taken");
    assert!(to_the_end(&mut client).await.starts_with("HTTP/1.1 413 "));
    // What fits is taken, and the server goes on.
    let body = "x".repeat(64 * 1024);
    let answer = reqwest::Client::new().post(format!("http://{}/echo", served.address)).body(body.clone());
    assert_eq!(answer.send().await.unwrap().text().await.unwrap(), body);
    let answer =
        reqwest::Client::new().post(format!("http://{}/echo", served.address)).body(vec![b'x'; 10 << 20]);
    assert_eq!(answer.send().await.unwrap().status(), 413);
    served.assert_live().await;
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_nobody_waiting_and_are_ended() {
    let served = served().await;
    let mut idle = Vec::new();
    for count in 1..=1000 {
        idle.push(served.connect().await);
        if matches!(count, 200 | 600 | 1000) {
            served.assert_live().await;
        }
    }
    // The first ones had to go for the last ones, long before they were overdue.
    assert_eq!(to_the_end(&mut idle[0]).await, "");
    // The last ones go for being idle.
    assert_eq!(to_the_end(&mut idle[999]).await, "");
    served.assert_live().await;
}

#[tokio::test]
async fn one_that_asked_once_is_not_kept_for_ever() {
    let served = served().await;
    let mut client = served.connect().await;
    client.write_all(LIVE).await.unwrap();
    let said = to_the_end(&mut client).await;
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
}

/// Sends a byte at a time until the server has enough of it; what it said.
async fn dribble(served: &Served, head: &[u8], byte: u8) -> String {
    let (mut reading, mut writing) = served.connect().await.into_split();
    writing.write_all(head).await.unwrap();
    let dribbling = async {
        while writing.write_all(&[byte]).await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let told = async {
        let mut buffer = [0; 1024];
        while let Ok(1..) = reading.read(&mut buffer).await.inspect(|n| said.extend(&buffer[..*n])) {}
    };
    tokio::select! {
        () = dribbling => {}
        ended = timeout(DEADLINE, told) => ended.expect("the server ends the connection"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn dribbled_requests_are_ended_and_keep_nobody_waiting() {
    let served = served().await;
    let body = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n";
    let (in_headers, in_body, ()) = tokio::join!(
        dribble(&served, b"GET /health/live HTTP/1.1\r\nx-slow: ", b'a'),
        dribble(&served, body, b'b'),
        async {
            for _ in 0..20 {
                served.assert_live().await;
            }
        },
    );
    assert_eq!(in_headers, "");
    assert!(in_body.starts_with("HTTP/1.1 408 ") && in_body.contains("problem+json"), "{in_body}");
}

#[tokio::test]
async fn hundreds_of_dribbled_bodies_keep_nobody_waiting() {
    let served = served().await;
    let mut clients = Vec::new();
    for _ in 0..600 {
        let mut client = served.connect().await;
        client.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\nx").await.unwrap();
        clients.push(client);
    }
    served.assert_live().await;
}

#[tokio::test]
async fn who_has_nothing_more_to_ask_still_gets_the_answer() {
    let served = served().await;
    let mut client = served.connect().await;
    client.write_all(LIVE).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(to_the_end(&mut client).await.ends_with(r#"{"status":"live"}"#));
    // Half a request, then silence: it ends, and nobody waits for it.
    let mut half = served.connect().await;
    half.write_all(b"GET /health/live HT").await.unwrap();
    half.shutdown().await.unwrap();
    served.assert_live().await;
    assert!(!to_the_end(&mut half).await.contains("200 OK"));
}

#[tokio::test]
async fn garbage_is_refused() {
    let served = served().await;
    let long = [b"GET /health/live HTTP/1.1\r\nx: ".as_slice(), &vec![b'a'; 80_000], b"\r\n\r\n"].concat();
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /health/live HTTP/9.9\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        &long,
    ];
    for bytes in garbage {
        let said = served.said(bytes).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let bad_chunk = b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let said = served.said(bad_chunk).await;
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("problem+json"), "{said}");
    served.assert_live().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let served = served().await;
    let echo = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nfirst";
    let said = served.said(&[echo.as_slice(), LIVE, LAST_LIVE].concat()).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 3, "{said}");
    assert!(said.find("first").unwrap() < said.find("live").unwrap(), "{said}");
}

#[tokio::test]
async fn an_answer_that_is_never_made_ends_with_a_problem() {
    let served = served().await;
    let said = served.said(b"GET /stuck HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("problem+json"), "{said}");
}

#[tokio::test]
async fn a_stop_waits_for_no_idle_client() {
    let served = served().await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(served.connect().await);
        let mut asked = served.connect().await;
        asked.write_all(LIVE).await.unwrap();
        assert!(asked.read(&mut [0; 1024]).await.unwrap() > 0);
        clients.push(asked);
    }
    served.assert_ends().await;
    for client in &mut clients {
        assert_eq!(to_the_end(client).await, "");
    }
}

#[tokio::test]
async fn an_upgraded_socket_ends_with_the_server() {
    let served = served().await;
    let url = format!("ws://{}/ws", served.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    served.assert_live().await;
    served.assert_ends().await;
    let ended = timeout(IN_TIME, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    ended.expect("the socket ends");
}
