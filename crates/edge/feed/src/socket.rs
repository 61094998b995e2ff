//! The WebSocket client: the only file that names one. Knows no venue's words.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use cascade_domain::Venue;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::{End, install_tls, status};

/// How long saying goodbye may take, on the wall: a venue that hangs must not hold up our own end.
const GOODBYE: Duration = Duration::from_millis(250);
/// What may wait to be sent; more means that the venue takes nothing.
const UNSENT_BYTES: usize = 1 << 20;

/// A connection that stands.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    send_within: Duration,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text frame.
    Text(Utf8Bytes),
    /// A binary frame.
    Binary(Binary),
    /// A ping or a pong; pings are answered with the next reading.
    Control,
}

/// What can be said of a binary frame without unpacking it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binary {
    pub(crate) bytes: usize,
    /// It begins as gzip does.
    pub(crate) is_compressed: bool,
}

impl Binary {
    fn of(frame: &[u8]) -> Self {
        Self { bytes: frame.len(), is_compressed: frame.starts_with(&[0x1f, 0x8b]) }
    }
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_compressed { "compressed" } else { "binary" };
        write!(f, "a {kind} frame of {} bytes", self.bytes)
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub(crate) end: End,
    /// The HTTP status, where one came.
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
}

/// How large and how long; on the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_frame_bytes: usize,
    /// For connecting with everything that belongs to it, and for sending one frame.
    pub(crate) within: Duration,
}

impl Socket {
    /// Connects: name, TCP, TLS and WebSocket handshake within the bounds.
    pub(crate) async fn connect(venue: Venue, url: &str, bounds: Bounds) -> Result<Self, NotConnected> {
        install_tls();
        let config = WebSocketConfig::default()
            .write_buffer_size(0)
            .max_write_buffer_size(UNSENT_BYTES)
            .max_message_size(Some(bounds.max_frame_bytes))
            .max_frame_size(Some(bounds.max_frame_bytes));
        // Boxed: a handshake is large, and would be carried along by everything that holds a session.
        let connecting = Box::pin(connect_async_with_config(url, Some(config), true));
        match timeout(bounds.within, connecting).await {
            Ok(Ok((stream, _))) => Ok(Self { stream, send_within: bounds.within }),
            Ok(Err(error)) => Err(not_connected(venue, &error)),
            Err(_) => Err(NotConnected {
                end: End::Unreachable("no connection within the time for it".to_owned()),
                status: None,
                retry_after: None,
            }),
        }
    }

    /// Sends a text frame.
    pub(crate) async fn send_text(&mut self, text: &str) -> Result<(), End> {
        self.send(Message::text(text)).await
    }

    /// Sends a ping frame.
    pub(crate) async fn send_ping(&mut self) -> Result<(), End> {
        self.send(Message::Ping(Vec::new().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.send_within, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(|error| end_of(&error)),
            Err(_) => Err(End::Closed { code: None, reason: "the venue takes nothing from us".to_owned() }),
        }
    }

    /// The next thing that comes. Loses nothing when it is dropped before it is ready.
    pub(crate) async fn hear(&mut self) -> Result<Heard, End> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Heard::Text(text)),
            Some(Ok(Message::Binary(bytes))) => Ok(Heard::Binary(Binary::of(&bytes))),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Heard::Control),
            Some(Ok(Message::Close(frame))) => Err(closed(frame)),
            Some(Err(error)) => Err(end_of(&error)),
            None => Err(broke_off("without a word")),
        }
    }

    /// Says that we go, if that can be said at once; does not wait for an answer.
    pub(crate) async fn goodbye(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") };
        match timeout(GOODBYE, self.stream.close(Some(frame))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::trace!(%error, "no goodbye"),
            Err(_) => tracing::trace!("the venue took no goodbye"),
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> End {
    match frame {
        Some(frame) => End::Closed {
            code: Some(frame.code.into()),
            reason: readable(frame.reason.as_str()).into_owned(),
        },
        None => End::Closed { code: None, reason: "by the venue, without a word".to_owned() },
    }
}

fn broke_off(why: &str) -> End {
    End::Closed { code: None, reason: format!("the connection broke off: {why}") }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooLarge,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        )
        | Error::ConnectionClosed
        | Error::AlreadyClosed => broke_off("without a closing handshake"),
        Error::Protocol(error) => End::Garbled(error.to_string()),
        Error::Utf8(error) => End::Garbled(error.clone()),
        other => broke_off(&other.to_string()),
    }
}

fn not_connected(venue: Venue, error: &Error) -> NotConnected {
    let Error::Http(response) = error else {
        return NotConnected { end: End::Unreachable(error.to_string()), status: None, retry_after: None };
    };
    let code = response.status().as_u16();
    let header = response.headers().get("retry-after").map(HeaderValue::as_bytes);
    let end = status::refusal(venue, code).map_or_else(
        || End::Unreachable(format!("{venue} answers HTTP {code} where a WebSocket was asked for")),
        |reason| End::Refused { topics: Vec::new(), reason },
    );
    NotConnected { end, status: Some(code), retry_after: status::retry_after(header) }
}

/// The venue's words without what would break a line or a terminal.
fn readable(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}
