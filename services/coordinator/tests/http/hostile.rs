//! The acceptance line: whatever clients do, `/health` is answered in time.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::Served;

/// A probe's patience, with room for a machine that is busy with other tests.
const IN_TIME: Duration = Duration::from_secs(10);

async fn assert_answers(served: &Served) {
    let answer = timeout(IN_TIME, served.get("/health")).await.expect("an answer in time");
    assert!(answer.json()["services_healthy"].is_string(), "{answer:?}");
}

#[tokio::test]
async fn health_is_answered_among_idle_slow_large_and_lost_clients() {
    let served = Served::start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    let slow = async {
        let mut client = TcpStream::connect(served.address).await.unwrap();
        client.write_all(b"GET /health HTTP/1.1\r\nx-slow: ").await.unwrap();
        while client.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(250)).await;
        }
    };
    let asking = async {
        for _ in 0..10 {
            assert_answers(&served).await;
            let unknown = served.get("/no/such/path").await;
            assert_eq!(unknown.status, 404);
            let client = reqwest::Client::new();
            let large =
                client.post(served.url("/api/v1/orders")).body(vec![b'x'; 10 << 20]).send().await.unwrap();
            assert_eq!(large.status(), 413);
        }
        for _ in 0..800 {
            idle.push(TcpStream::connect(served.address).await.unwrap());
        }
        assert_answers(&served).await;
    };
    // The slow one is ended long before it has sent its headers.
    timeout(Duration::from_mins(2), async { tokio::join!(slow, asking) }).await.expect("both end");
    assert_answers(&served).await;
    timeout(IN_TIME, served.stop()).await.expect("it stops in time");
}

#[tokio::test]
async fn handshakes_that_end_half_way_take_no_place() {
    let served = Served::start().await;
    for _ in 0..600 {
        let mut client = TcpStream::connect(served.address).await.unwrap();
        let handshake = b"GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(handshake).await.unwrap();
        let mut said = [0; 12];
        client.read_exact(&mut said).await.unwrap();
        assert!([b"HTTP/1.1 101", b"HTTP/1.1 503"].contains(&&said), "{said:?}");
    }
    assert_answers(&served).await;
    let gone = "cascade_ws_clients 0\n";
    assert!(cascade_testkit::eventually(IN_TIME, async || served.metrics.render().contains(gone)).await);
}
