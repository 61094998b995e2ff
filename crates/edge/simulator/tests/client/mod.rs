//! A client of the simulator as anybody could write it: a WebSocket, a bare HTTP request, and a clock that may run
//! faster than the wall. Knows the venues' frames only as JSON.

#![expect(dead_code, reason = "each test file uses its own part of it")]
#![expect(clippy::panic, clippy::expect_used, reason = "a test's client fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cascade_domain::Venue;
use cascade_pace::Clock;
use cascade_simulator::{Scenario, Simulator};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Between two questions of who asks again and again, on the wall.
const PAUSE: Duration = Duration::from_millis(5);

/// How long anything may take on the wall.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A burst of liquidations on BTC, ETH and SOL, eight seconds long, then two of quiet.
pub(crate) const BURST: &str = r#"
name = "burst"
duration_s = 10
[[symbol]]
symbol = "BTCUSDT"
price = 82400
funding_8h = 0.0003
phase = [
  { until_s = 8, orders = 800, median_usd = 9000, sigma = 1.5, long_share = 0.9, drift_pct = -2.0, backstop_share = 0.3 },
  { until_s = 10, orders = 0, median_usd = 1000, sigma = 1.0, long_share = 0.5 },
]
[[symbol]]
symbol = "ETHUSDT"
price = 2650
funding_8h = -0.0001
phase = [ { until_s = 10, orders = 400, median_usd = 5000, sigma = 1.0, long_share = 0.2 } ]
"#;

#[derive(Debug)]
struct FastClock {
    began: Instant,
    anchor_ns: i64,
    speed: u32,
}

impl Clock for FastClock {
    fn now_ns(&self) -> i64 {
        let elapsed = self.began.elapsed() * self.speed;
        self.anchor_ns + i64::try_from(elapsed.as_nanos()).unwrap()
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock / self.speed
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own clock and its one task")]
pub(crate) async fn launch(scenario: &str, seed: u64, times: u32) -> Arc<Simulator> {
    let scenario = Scenario::named(scenario).unwrap_or_else(|| Scenario::parse(scenario).unwrap());
    let anchor = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let anchor_ns = i64::try_from(anchor.as_nanos()).unwrap();
    let clock = Arc::new(FastClock { began: Instant::now(), anchor_ns, speed: times });
    let simulator = Arc::new(Simulator::bind(scenario, seed, clock).await.unwrap());
    tokio::spawn(Arc::clone(&simulator).run(std::future::pending()));
    simulator
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub(crate) async fn connect(simulator: &Simulator, venue: Venue, path: &str) -> Self {
        Self::try_connect(simulator, venue, path).await.unwrap()
    }

    pub(crate) async fn try_connect(
        simulator: &Simulator,
        venue: Venue,
        path: &str,
    ) -> Result<Self, tungstenite::Error> {
        let url = format!("{}{path}", simulator.endpoints(venue).ws_url);
        Ok(Self { socket: connect_async(url).await?.0 })
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a ping frame, so that the venue hears something.
    pub(crate) async fn ping(&mut self) {
        self.socket.send(Message::Ping(tungstenite::Bytes::new())).await.unwrap();
    }

    /// The next message, or none where the connection is over.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(DEADLINE, self.socket.next()).await;
        next.expect("a message before the deadline").and_then(Result::ok)
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await.expect("the connection holds") {
                Message::Text(text) => return text.to_string(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next text frame as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// The next frame that is wanted; others are passed over.
    pub(crate) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let frame = self.json().await;
                if wanted(&frame) {
                    return frame;
                }
            }
        };
        tokio::time::timeout(DEADLINE, search).await.expect("the wanted frame before the deadline")
    }

    /// Asks and gives the next frame.
    pub(crate) async fn ask(&mut self, text: impl Into<String>) -> Value {
        self.send(text).await;
        self.json().await
    }

    /// Reads what is there already; whether a pause of a tenth of a second follows within a few frames.
    pub(crate) async fn drained(&mut self) -> bool {
        for _ in 0..200 {
            if tokio::time::timeout(Duration::from_millis(100), self.next()).await.is_err() {
                return true;
            }
        }
        false
    }

    /// Reads until the connection is over; the close code if there was one.
    pub(crate) async fn ended(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(message) = self.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code.into());
            }
        }
        code
    }
}

/// Asks again and again until an answer is wanted; that one.
pub(crate) async fn asked_until(
    simulator: &Simulator,
    request: &str,
    mut wanted: impl FnMut(u16, &Value) -> bool,
) -> (u16, Value) {
    let asking = async {
        loop {
            let (status, body) = http(simulator, request, "").await;
            if wanted(status, &body) {
                return (status, body);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("the wanted answer before the deadline")
}

/// A bare HTTP request; status and body.
pub(crate) async fn http(simulator: &Simulator, request: &str, body: &str) -> (u16, Value) {
    let answer = bare_http(simulator, request, body).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// A bare HTTP request; the whole answer, head and body.
pub(crate) async fn bare_http(simulator: &Simulator, request: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).parse().unwrap()
}
