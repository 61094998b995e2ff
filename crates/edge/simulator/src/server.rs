//! The sockets: one HTTP and WebSocket listener on which all four exchanges live, each under its own path.
//!
//! Carries frames between sockets and exchanges, keeps connections alive or cuts them as the venues do. Knows no
//! wire format.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cascade_domain::Venue;
use cascade_pace::Clock;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::exchange::{Exchange, Frame, Opened, Route};
use crate::{binance, bybit, hyperliquid, okx};

/// How long a closed connection may take to say goodbye, on the wall.
const GOODBYE: Duration = Duration::from_secs(1);

/// All exchanges, and the clock they stamp by.
#[derive(Debug)]
pub(crate) struct Floor {
    exchanges: [Mutex<Exchange>; 4],
    pub(crate) clock: Arc<dyn Clock>,
}

impl Floor {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { exchanges: Venue::ALL.map(|venue| Mutex::new(Exchange::new(venue))), clock }
    }

    /// A venue's exchange. Never held across an await.
    pub(crate) fn exchange(&self, venue: Venue) -> MutexGuard<'_, Exchange> {
        self.exchanges[venue as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, of_clock: Option<Duration>) {
        match of_clock {
            Some(duration) => tokio::time::sleep(self.clock.wall(duration)).await,
            None => std::future::pending().await,
        }
    }
}

/// A venue's ways of keeping or cutting a connection, in time of the clock.
#[derive(Clone, Copy, Debug)]
struct Keepalive {
    /// Cut when the client has sent nothing for so long.
    client_silence: Option<Duration>,
    /// Closed when the server itself has sent nothing for so long.
    server_silence: Option<Duration>,
    /// The server's ping frames.
    ping: Option<Duration>,
}

impl Keepalive {
    const fn of(venue: Venue) -> Self {
        let none = Self { client_silence: None, server_silence: None, ping: None };
        match venue {
            Venue::Binance => Self { ping: Some(Duration::from_mins(3)), ..none },
            Venue::Bybit => Self { client_silence: Some(Duration::from_mins(10)), ..none },
            Venue::Okx => Self { client_silence: Some(Duration::from_secs(30)), ..none },
            Venue::Hyperliquid => Self { server_silence: Some(Duration::from_mins(1)), ..none },
        }
    }
}

/// Every path of every exchange.
pub(crate) fn router(floor: Arc<Floor>) -> Router {
    let socket = |route: Route| {
        get(move |State(floor): State<Arc<Floor>>, upgrade: WebSocketUpgrade| {
            std::future::ready(connect(floor, route, upgrade))
        })
    };
    Router::new()
        .route("/binance/market/stream", socket(Route::Market))
        .route("/binance/public/stream", socket(Route::Silent))
        .route("/binance/stream", socket(Route::Silent))
        .route("/binance/ws", socket(Route::Silent))
        .route("/bybit/v5/public/linear", socket(Route::Linear))
        .route("/bybit/v5/public/inverse", socket(Route::Inverse))
        .route("/okx/ws/v5/public", socket(Route::Okx))
        .route("/hyperliquid/ws", socket(Route::Hyperliquid))
        .route("/binance/fapi/v1/exchangeInfo", get(usdm_exchange_info))
        .route("/binance/fapi/v1/fundingInfo", get(async || Json(binance::funding_info())))
        .route("/binance-coinm/dapi/v1/exchangeInfo", get(coinm_exchange_info))
        .route("/bybit/v5/market/instruments-info", get(bybit_instruments))
        .route("/okx/api/v5/public/instruments", get(okx_instruments))
        .route("/hyperliquid/info", post(hyperliquid_info))
        .with_state(floor)
}

async fn usdm_exchange_info(State(floor): State<Arc<Floor>>) -> Json<Value> {
    Json(binance::exchange_info(false, floor.clock.now().ms()))
}

async fn coinm_exchange_info(State(floor): State<Arc<Floor>>) -> Json<Value> {
    Json(binance::exchange_info(true, floor.clock.now().ms()))
}

async fn bybit_instruments(
    State(floor): State<Arc<Floor>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    Json(bybit::instruments_info(&query, floor.clock.now().ms()))
}

async fn okx_instruments(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    Json(okx::instruments(query.get("instType").map(String::as_str)))
}

async fn hyperliquid_info(body: String) -> Response {
    let answer = serde_json::from_str(&body).ok().and_then(|request: Value| hyperliquid::info(&request));
    match answer {
        Some(answer) => Json(answer).into_response(),
        None => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Failed to deserialize the JSON body into the target type")
                .into_response()
        }
    }
}

const fn venue_of(route: Route) -> Venue {
    match route {
        Route::Market | Route::Silent => Venue::Binance,
        Route::Linear | Route::Inverse => Venue::Bybit,
        Route::Okx => Venue::Okx,
        Route::Hyperliquid => Venue::Hyperliquid,
    }
}

fn connect(floor: Arc<Floor>, route: Route, upgrade: WebSocketUpgrade) -> Response {
    let now = floor.clock.now();
    {
        let mut exchange = floor.exchange(venue_of(route));
        if exchange.fault.refuses_connections {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if !exchange.admits(now) {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        }
    }
    upgrade.on_upgrade(move |socket| attend(socket, floor, route))
}

/// A connection from its first to its last frame.
async fn attend(socket: WebSocket, floor: Arc<Floor>, route: Route) {
    let venue = venue_of(route);
    let Opened { id, frames, mut cut } = floor.exchange(venue).open(route);
    let keepalive = Keepalive::of(venue);
    let (sink, stream) = socket.split();
    tokio::select! {
        () = write(sink, frames, &floor, keepalive) => {}
        () = read(stream, &floor, (venue, id), keepalive) => {}
        _ = cut.changed() => {}
    }
    tracing::debug!(%venue, connection = id, "connection over");
    floor.exchange(venue).leave(id);
}

async fn read(
    mut stream: SplitStream<WebSocket>,
    floor: &Floor,
    (venue, id): (Venue, u64),
    keepalive: Keepalive,
) {
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = floor.sleep(keepalive.client_silence) => return,
        };
        let now = floor.clock.now();
        match message {
            Some(Ok(Message::Text(text))) => floor.exchange(venue).hear(id, Some(text.as_str()), now),
            // After a close frame the next read says that the stream is over.
            Some(Ok(Message::Close(_))) => {}
            Some(Ok(_)) => floor.exchange(venue).hear(id, None, now),
            Some(Err(_)) | None => return,
        }
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut frames: mpsc::Receiver<Frame>,
    floor: &Floor,
    keepalive: Keepalive,
) {
    let mut pings = std::pin::pin!(floor.sleep(keepalive.ping));
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => match frame {
                Some(Frame::Text(text)) => Message::Text(text),
                Some(Frame::Binary(bytes)) => Message::Binary(bytes.into()),
                Some(Frame::Close(code, reason)) => return goodbye(sink, code, reason).await,
                None => return,
            },
            () = &mut pings => {
                pings.set(floor.sleep(keepalive.ping));
                Message::Ping(floor.clock.now().ms().to_string().into())
            }
            () = floor.sleep(keepalive.server_silence) => return goodbye(sink, 1000, "Inactive").await,
        };
        if sink.send(frame).await.is_err() {
            return;
        }
    }
}

/// Says goodbye and gives the client a moment to answer, so that it can read why.
async fn goodbye(mut sink: SplitSink<WebSocket, Message>, code: u16, reason: &'static str) {
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    if sink.send(close).await.is_ok() {
        tokio::time::sleep(GOODBYE).await;
    }
}

/// Serves until the other future ends, and passes on what it ended with.
pub(crate) async fn serve<T>(
    listener: tokio::net::TcpListener,
    floor: Arc<Floor>,
    until: impl Future<Output = T>,
) -> Result<T, std::io::Error> {
    let server = axum::serve(listener, router(floor));
    tokio::select! {
        ended = server.into_future() => Err(ended.err().unwrap_or_else(|| std::io::ErrorKind::BrokenPipe.into())),
        value = until => Ok(value),
    }
}
