//! The sockets: one HTTP and WebSocket listener on which all four exchanges live, each under its own path.
//!
//! Carries frames between sockets and exchanges, keeps connections alive or cuts them as the venues do. Knows no
//! wire format.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::get;
use cascade_domain::{EventTime, Venue};
use cascade_pace::Clock;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::connection::Opened;
use crate::exchange::Exchange;
use crate::listing::Catalogue;
use crate::rest::{refusal, routes};
use crate::socket::{Entrance, Tear};
use crate::wire::{Frame, Route};

/// How long a closed connection may take to say goodbye, on the wall.
const GOODBYE: Duration = Duration::from_secs(1);

/// All exchanges, and the clock they stamp by.
#[derive(Debug)]
pub(crate) struct Floor {
    exchanges: [Mutex<Exchange>; 4],
    /// What there is to trade, listed or not.
    pub(crate) catalogue: Catalogue,
    pub(crate) clock: Arc<dyn Clock>,
    /// Up to when the world has gone, milliseconds of the clock.
    stepped_ms: AtomicI64,
}

impl Floor {
    pub(crate) fn new(catalogue: Catalogue, clock: Arc<dyn Clock>) -> Self {
        let exchanges = Venue::ALL.map(|venue| Mutex::new(Exchange::new(venue, catalogue)));
        Self { exchanges, catalogue, clock, stepped_ms: AtomicI64::new(0) }
    }

    /// A venue's exchange. Never held across an await.
    pub(crate) fn exchange(&self, venue: Venue) -> MutexGuard<'_, Exchange> {
        self.exchanges[venue as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world has gone on, up to here.
    pub(crate) fn stepped(&self, to: EventTime) {
        self.stepped_ms.store(to.ms(), Ordering::Relaxed);
    }

    /// How far the world is behind the clock, wall time.
    pub(crate) fn behind(&self) -> Duration {
        let late_ms = self.clock.now().ms() - self.stepped_ms.load(Ordering::Relaxed);
        self.clock.wall(Duration::from_millis(u64::try_from(late_ms).unwrap_or_default()))
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
fn router(floor: Arc<Floor>) -> Router {
    let socket = |route: Route| {
        get(
            move |State(floor): State<Arc<Floor>>,
                  ConnectInfo(tear): ConnectInfo<Tear>,
                  upgrade: WebSocketUpgrade| {
                std::future::ready(connect(floor, route, tear, upgrade))
            },
        )
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
        .merge(routes())
        .with_state(floor)
}

fn connect(floor: Arc<Floor>, route: Route, tear: Tear, upgrade: WebSocketUpgrade) -> Response {
    let now = floor.clock.now();
    {
        let mut exchange = floor.exchange(route.venue());
        if let Some(status) = exchange.broken.answers_connect {
            return refusal(status);
        }
        if !exchange.admits(now) {
            return refusal((429, None));
        }
    }
    upgrade.on_upgrade(move |socket| attend(socket, floor, route, tear))
}

/// A connection from its first to its last frame.
async fn attend(socket: WebSocket, floor: Arc<Floor>, route: Route, tear: Tear) {
    let venue = route.venue();
    let now = floor.clock.now();
    let Opened { id, frames, mut cut, stalled } = floor.exchange(venue).open(route, now);
    let (sink, stream) = socket.split();
    let writer = Writer { sink, frames, stalled, tear, venue };
    tokio::select! {
        () = writer.write(&floor) => {}
        () = read(stream, &floor, (venue, id)) => {}
        _ = cut.changed() => {}
    }
    tracing::debug!(%venue, connection = id, "connection over");
    floor.exchange(venue).leave(id);
}

async fn read(mut stream: SplitStream<WebSocket>, floor: &Floor, (venue, id): (Venue, u64)) {
    let keepalive = Keepalive::of(venue);
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

/// A connection's way out.
struct Writer {
    sink: SplitSink<WebSocket, Message>,
    frames: mpsc::Receiver<Frame>,
    stalled: watch::Receiver<bool>,
    tear: Tear,
    venue: Venue,
}

impl Writer {
    /// Writes until the connection is over. What waits leaves together; a lone frame leaves at once.
    async fn write(mut self, floor: &Floor) {
        let keepalive = Keepalive::of(self.venue);
        let mut pings = std::pin::pin!(floor.sleep(keepalive.ping));
        loop {
            let frame = tokio::select! {
                frame = self.frames.recv() => frame,
                () = &mut pings => {
                    pings.set(floor.sleep(keepalive.ping));
                    let (now, exchange) = (floor.clock.now(), floor.exchange(self.venue));
                    if exchange.broken.muted {
                        continue;
                    }
                    Some(Frame::Ping(exchange.stamp_ms(now)))
                }
                () = floor.sleep(keepalive.server_silence) => Some(Frame::close(1000, "Inactive")),
            };
            let Some(frame) = frame else { return };
            if self.stalled.wait_for(|stalled| !stalled).await.is_err() {
                return;
            }
            let message = match frame {
                Frame::Text(text) => Message::Text(text),
                Frame::Binary(bytes) => Message::Binary(bytes.into()),
                Frame::Ping(ms) => Message::Ping(ms.to_string().into()),
                Frame::Close(code, reason) => return self.goodbye(code, reason).await,
                Frame::Torn(text) => {
                    if self.sink.flush().await.is_ok() {
                        self.tear.arm();
                        self.sink.send(Message::Text(text)).await.ok();
                    }
                    return;
                }
            };
            let mut written = self.sink.feed(message).await;
            if self.frames.is_empty() {
                written = written.and(self.sink.flush().await);
            }
            if written.is_err() {
                return;
            }
        }
    }

    /// Says goodbye and gives the client a moment to answer, so that it can read why.
    async fn goodbye(mut self, code: u16, reason: String) {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        if self.sink.send(close).await.is_ok() {
            tokio::time::sleep(GOODBYE).await;
        }
    }
}

/// Serves until the other future ends, and passes on what it ended with.
pub(crate) async fn serve<T>(
    listener: TcpListener,
    floor: Arc<Floor>,
    until: impl Future<Output = T>,
) -> Result<T, std::io::Error> {
    let service = router(floor).into_make_service_with_connect_info::<Tear>();
    let server = axum::serve(Entrance(listener), service);
    tokio::select! {
        ended = server.into_future() => Err(ended.err().unwrap_or_else(|| std::io::ErrorKind::BrokenPipe.into())),
        value = until => Ok(value),
    }
}
