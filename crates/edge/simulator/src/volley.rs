//! An exchange for measurements: Bybit's wire over real sockets, and liquidations that leave when they are told to.
//!
//! No market behind it: the markets are named by number, and a number stands in each liquidation's price, by which
//! whoever hears of it knows which one it was. Knows nothing of what is measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use cascade_domain::BaseUrls;
use cascade_pace::Clock;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::schedule::Schedule;
use crate::socket::Entrance;
use crate::{ANYWHERE, SimulatorError};

/// Frames that may wait for one reader. Of more the newest are not sent, and counted.
const QUEUE_FRAMES: usize = 262_144;
/// Each connection is told a mark so often, on the wall, so that it is not silent between measurements.
const MARK: Duration = Duration::from_secs(1);
/// A liquidation's price is one dollar and its number of so many parts of a dollar.
const PARTS: u64 = 100_000_000;

/// An exchange whose liquidations leave as a schedule says.
#[derive(Debug)]
pub struct Volley {
    addr: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    floor: Arc<Floor>,
}

/// What its connections share.
#[derive(Debug)]
struct Floor {
    clock: Arc<dyn Clock>,
    /// By number of the market: who hears of its liquidations.
    hearers: Mutex<Vec<Option<mpsc::Sender<Utf8Bytes>>>>,
}

impl Floor {
    fn hearers(&self) -> MutexGuard<'_, Vec<Option<mpsc::Sender<Utf8Bytes>>>> {
        self.hearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Volley {
    /// Liquidations are numbered below this.
    pub const NUMBERS: u64 = PARTS;

    /// Takes a free port of 127.0.0.1; lists so many markets. Nothing is served until [`Volley::run`].
    ///
    /// # Errors
    /// No port can be had.
    pub async fn bind(markets: usize, clock: Arc<dyn Clock>) -> Result<Self, SimulatorError> {
        let refused = |error| SimulatorError::Bind(ANYWHERE.to_owned(), error);
        let listener = TcpListener::bind(ANYWHERE).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let floor = Arc::new(Floor { clock, hearers: Mutex::new(vec![None; markets]) });
        Ok(Self { addr, listener: Mutex::new(Some(listener)), floor })
    }

    /// Its base addresses, those of Bybit.
    pub fn endpoints(&self) -> BaseUrls {
        let addr = self.addr;
        BaseUrls { ws_url: format!("ws://{addr}"), rest_url: format!("http://{addr}"), coinm_rest_url: None }
    }

    /// Of how many markets somebody hears the liquidations.
    pub fn heard_markets(&self) -> usize {
        self.floor.hearers().iter().flatten().filter(|hearer| !hearer.is_closed()).count()
    }

    /// Serves until `shutdown` is done.
    ///
    /// # Errors
    /// The listener failed, or this is the second call.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) -> Result<(), SimulatorError> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener = listener.ok_or(SimulatorError::RunsAlready)?;
        let router = Router::new()
            .route("/v5/public/linear", get(connect))
            .route("/v5/market/instruments-info", get(instruments))
            .with_state(Arc::clone(&self.floor));
        tokio::select! {
            served = axum::serve(Entrance(listener), router).into_future() => served.map_err(SimulatorError::Serve),
            () = shutdown => Ok(()),
        }
    }

    /// Sends a frame of a schedule: its liquidations are of one market, each a millisecond of event time after the one before
    /// it and all before the frame's time, so that each is an order of its own. Gives how many left: none if nobody
    /// hears of that market, or does not read.
    pub fn fire(&self, schedule: &Schedule, frame: u64) -> u64 {
        let mut hearers = self.floor.hearers();
        let markets = u64::try_from(hearers.len()).unwrap_or(u64::MAX).max(1);
        let market = usize::try_from(frame % markets).unwrap_or_default();
        let Some(hearer) = hearers.get_mut(market).and_then(Option::as_mut) else { return 0 };
        let left = hearer.try_send(frame_of(schedule, frame, market).into()).is_ok();
        if left { u64::from(schedule.per_frame) } else { 0 }
    }

    /// The number of the liquidation that had this price; `None` if none had.
    pub fn number(price: f64) -> Option<u64> {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let parts = ((price - 1.0) * PARTS as f64).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "held to whole numbers from 0"
        )]
        let number = (parts >= 0.0).then_some(parts as u64)?;
        (number < PARTS).then_some(number)
    }

    /// The price of the liquidation of this number, US dollars.
    pub fn price(number: u64) -> String {
        format!("1.{:08}", number % PARTS)
    }
}

/// A market's contract.
fn contract(market: usize) -> String {
    format!("V{market:04}USDT")
}

fn frame_of(schedule: &Schedule, frame: u64, market: usize) -> String {
    let (contract, at_ms) = (contract(market), schedule.leaves_ns(frame).div_euclid(1_000_000));
    let mut text =
        format!(r#"{{"topic":"allLiquidation.{contract}","type":"snapshot","ts":{at_ms},"data":["#);
    let first_ms = at_ms - i64::from(schedule.per_frame);
    for (number, time) in schedule.numbers(frame).zip(first_ms..) {
        let (price, comma) = (Volley::price(number), if time == first_ms { "" } else { "," });
        write!(text, r#"{comma}{{"T":{time},"s":"{contract}","S":"Buy","v":"2","p":"{price}"}}"#).ok();
    }
    text.push_str("]}");
    text
}

async fn instruments(
    State(floor): State<Arc<Floor>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let is_linear = query.get("category").is_some_and(|category| category == "linear");
    let markets = if is_linear { floor.hearers().len() } else { 0 };
    let list: Vec<Value> = (0..markets).map(instrument).collect();
    Json(json!({"retCode": 0, "retMsg": "OK", "result": {"list": list, "nextPageCursor": ""}}))
}

fn instrument(market: usize) -> Value {
    let symbol = contract(market);
    json!({
        "baseCoin": symbol.trim_end_matches("USDT"), "symbol": symbol, "contractType": "LinearPerpetual",
        "status": "Trading", "quoteCoin": "USDT", "settleCoin": "USDT",
    })
}

async fn connect(State(floor): State<Arc<Floor>>, upgrade: WebSocketUpgrade) -> axum::response::Response {
    upgrade.on_upgrade(move |socket| attend(socket, floor))
}

/// A connection from its first to its last frame.
async fn attend(socket: WebSocket, floor: Arc<Floor>) {
    let (queue, frames) = mpsc::channel(QUEUE_FRAMES);
    let (sink, mut stream) = socket.split();
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = message
                && queue.send(hear(&floor, text.as_str(), &queue).into()).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = write(sink, frames) => {}
        () = reading => {}
        () = mark(&floor, &queue) => {}
    }
}

/// Takes what a client says, and answers it.
fn hear(floor: &Floor, text: &str, queue: &mpsc::Sender<Utf8Bytes>) -> String {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
    let (op, id) = (word("op"), word("req_id"));
    for topic in message["args"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let contract = topic.strip_prefix("allLiquidation.V").and_then(|rest| rest.strip_suffix("USDT"));
        let mut hearers = floor.hearers();
        if let Some(place) = contract.and_then(|number| hearers.get_mut(number.parse::<usize>().ok()?)) {
            *place = Some(queue.clone());
        }
    }
    let words = if op == "ping" { "pong" } else { "" };
    json!({"success": true, "ret_msg": words, "op": op, "conn_id": "volley", "req_id": id}).to_string()
}

/// Tells the mark of a market that this connection hears, for as long as it stands.
async fn mark(floor: &Floor, queue: &mpsc::Sender<Utf8Bytes>) {
    loop {
        tokio::time::sleep(MARK).await;
        let own = |hearer: &Option<mpsc::Sender<_>>| hearer.as_ref().is_some_and(|h| h.same_channel(queue));
        let Some(market) = floor.hearers().iter().position(own) else { continue };
        let (contract, ts) = (contract(market), floor.clock.now().ms());
        let data = json!({"symbol": contract, "markPrice": "1.00"});
        let frame = json!({"topic": format!("tickers.{contract}"), "type": "snapshot", "data": data, "cs": 1, "ts": ts});
        if queue.send(frame.to_string().into()).await.is_err() {
            return;
        }
    }
}

/// Writes until the connection is over. What waits leaves together; a lone frame leaves at once.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut frames: mpsc::Receiver<Utf8Bytes>) {
    while let Some(text) = frames.recv().await {
        let mut written = sink.feed(Message::Text(text)).await;
        if frames.is_empty() {
            written = written.and(sink.flush().await);
        }
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_known_again_by_its_price() {
        for number in (0..Volley::NUMBERS).step_by(9_999).chain([Volley::NUMBERS - 1]) {
            assert_eq!(Volley::number(Volley::price(number).parse().unwrap()), Some(number));
        }
        assert_eq!([0.5, 2.0, f64::NAN].map(Volley::number), [None; 3]);
    }

    #[test]
    fn liquidations_of_a_market_never_share_a_time() {
        let schedule = Schedule { start_ns: 5, rate: 50_000, per_frame: 10, frames: 600, first: 0 };
        let mut last_ms = i64::MIN;
        for frame in (7..600).step_by(50) {
            let told: Value = serde_json::from_str(&frame_of(&schedule, frame, 7)).unwrap();
            for row in told["data"].as_array().unwrap() {
                let ms = row["T"].as_i64().unwrap();
                assert!(ms > last_ms && ms < told["ts"].as_i64().unwrap().max(1), "{row}");
                last_ms = ms;
            }
        }
    }
}
