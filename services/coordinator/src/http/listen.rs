//! `/ws`: one client that listens. What it says is answered, whatever it is; who does not read or does not live is let go.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use cascade_service::{Problem, Shutdown};
use cascade_wire::Channel;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Shared;
use super::listeners::{Listener, Told, join};
use super::shown::ProblemShown;

/// The longest message that a client may send, bytes.
const LONGEST: usize = 4096;
/// How often a client is asked whether it lives, wall time.
const PING: Duration = Duration::from_secs(15);
/// So many times it may not say so.
const UNANSWERED: u32 = 2;
/// How long a client may take to read one message, wall time.
const READING: Duration = Duration::from_secs(10);
/// How long a farewell may take, wall time.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a client may say.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    Subscribe { channels: Vec<String> },
    Unsubscribe { channels: Vec<String> },
}

/// Listen to channels (WebSocket)
///
/// Say `{"op":"subscribe","channels":["cascade:critical","trade_alerts"]}` or the same with `unsubscribe`; the answer
/// `{"op":"subscribed","channels":[...]}` names all that is listened to from then on. Every event comes as
/// `{"channel":"cascade:critical","event":{...}}`, in the order of its channel; the event is the channel's own, as JSON.
/// Channels: `cascade:signals`, `cascade:alerts`, `cascade:critical`, `cascade:episodes`, `cascade:large`, `cascade:oi`,
/// `cascade:manipulation`, `cascade:whales`, `cascade:ops`, `trade_alerts`. What makes no sense is answered by
/// `{"op":"error","detail":"..."}`, and changes nothing. `{"op":"missed","count":n}` says that `n` events were lost there
/// because they were not read in time; without `count`: that the connection to Redis was lost, nobody knows how many.
#[utoipa::path(
    get, path = "/ws", tag = "events",
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 400, description = "Not a WebSocket's handshake", body = ProblemShown, content_type = "application/problem+json"),
        (status = 403, description = "A page of another site asks", body = ProblemShown, content_type = "application/problem+json"),
        (status = 426, description = "Not a WebSocket's handshake", body = ProblemShown, content_type = "application/problem+json"),
        (status = 503, description = "256 listen already", body = ProblemShown, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn listen(
    State(site): Shared,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if !is_of_this_host(&headers) {
        let detail = "pages of other sites may not listen: `Origin` is not the host that was asked";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let Some((place, told)) = join(&site) else {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many listen already").retry_after(10));
    };
    let shutdown = site.context.shutdown.clone();
    Ok(upgrade.max_message_size(LONGEST).max_frame_size(LONGEST).on_upgrade(async move |socket| {
        let mut client = Client { socket, listener: Arc::clone(&place.listener), unanswered: 0 };
        client.converse(told, &shutdown).await;
        drop(place);
    }))
}

/// Whether the page that asks is of the host that it asks; programs name none.
fn is_of_this_host(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let (scheme, origin) = origin.split_once("://").unwrap_or_default();
    let port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_owned();
    text(header::HOST).is_some_and(|host| !origin.is_empty() && bare(&host) == bare(origin))
}

/// Whether there is a reason to go on.
enum Next {
    On,
    Over,
}

struct Client {
    socket: WebSocket,
    listener: Arc<Listener>,
    /// How often it was asked in vain whether it lives.
    unanswered: u32,
}

impl Client {
    async fn converse(&mut self, mut told: Receiver<Told>, shutdown: &Shutdown) {
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        let mut losses = interval(Duration::from_secs(1));
        losses.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Not in order: a client that never stops talking must not keep its own events from it.
            let next = tokio::select! {
                () = shutdown.requested() => return self.farewell().await,
                said = self.socket.recv() => match said {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) | None => Next::Over,
                },
                Some(event) = told.recv() => self.tell(event).await,
                _ = losses.tick() => self.own_up(told.is_empty()).await,
                _ = pings.tick() => self.ask().await,
            };
            if let Next::Over = next {
                return;
            }
        }
    }

    async fn send(&mut self, message: Message) -> Next {
        match timeout(READING, self.socket.send(message)).await {
            Ok(Ok(())) => Next::On,
            Ok(Err(_)) | Err(_) => Next::Over,
        }
    }

    async fn tell(&mut self, event: Told) -> Next {
        if event.missed > 0
            && let Next::Over = self.say(&json!({"op": "missed", "count": event.missed})).await
        {
            return Next::Over;
        }
        self.send(Message::Text(event.text)).await
    }

    async fn say(&mut self, what: &serde_json::Value) -> Next {
        self.send(Message::Text(Utf8Bytes::from(what.to_string()))).await
    }

    /// Tells what is missing behind the last event.
    async fn own_up(&mut self, has_all: bool) -> Next {
        if self.listener.is_interrupted() {
            return self.say(&json!({"op": "missed"})).await;
        }
        match if has_all { self.listener.missed() } else { 0 } {
            0 => Next::On,
            count => self.say(&json!({"op": "missed", "count": count})).await,
        }
    }

    async fn ask(&mut self) -> Next {
        if self.unanswered >= UNANSWERED {
            return Next::Over;
        }
        self.unanswered += 1;
        self.send(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn hear(&mut self, message: Message) -> Next {
        self.unanswered = 0;
        match message {
            Message::Text(text) => match self.done(&text) {
                Ok(()) => self.say(&json!({"op": "subscribed", "channels": self.listener.channels()})).await,
                Err(detail) => self.say(&json!({"op": "error", "detail": detail})).await,
            },
            Message::Binary(_) => {
                self.say(&json!({"op": "error", "detail": "say it as a text of JSON"})).await
            }
            Message::Ping(_) | Message::Pong(_) => Next::On,
            Message::Close(_) => Next::Over,
        }
    }

    /// Does what is said, all of it or nothing.
    fn done(&self, text: &str) -> Result<(), String> {
        let said: Said = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (names, is_on) = match said {
            Said::Subscribe { channels } => (channels, true),
            Said::Unsubscribe { channels } => (channels, false),
        };
        let channel = |name: &String| {
            let known = || Channel::ALL.map(Channel::as_str).join(", ");
            Channel::parse(name).ok_or_else(|| format!("there is no channel {name:?}; there are {}", known()))
        };
        let channels = names.iter().map(channel).collect::<Result<Vec<_>, _>>()?;
        for channel in channels {
            self.listener.turn(channel, is_on);
        }
        Ok(())
    }

    async fn farewell(&mut self) {
        let frame =
            CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static("the coordinator stops") };
        timeout(FAREWELL, self.socket.send(Message::Close(Some(frame)))).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let is_ours = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            origin.map(|origin| headers.insert(header::ORIGIN, HeaderValue::from_static(origin)));
            is_of_this_host(&headers)
        };
        for (origin, host) in [
            (None, "desk:8002"),
            (Some("http://desk:8002"), "desk:8002"),
            (Some("HTTP://Desk:8002"), "desk:8002"),
            (Some("https://desk.example"), "desk.example"),
            (Some("https://desk.example"), "desk.example:443"),
            (Some("http://desk.example:80"), "desk.example"),
        ] {
            assert!(is_ours(origin, host), "{origin:?} {host}");
        }
        for (origin, host) in [
            (Some("null"), "desk:8002"),
            (Some(""), "desk:8002"),
            (Some("https://evil.example"), "desk:8002"),
            (Some("http://desk:9999"), "desk:8002"),
            (Some("http://desk:8002.evil.example"), "desk:8002"),
        ] {
            assert!(!is_ours(origin, host), "{origin:?} {host}");
        }
    }
}
