//! A receiver of webhooks by Standard Webhooks 1.0, which verifies what it gets and knows repeats.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::conduct::{Behaviour, Conduct, Rate, conducts, cut, refuse, whole_seconds};
use super::server::{Cut, Server};
use super::{TestMessage, now};

/// What a receiver asks for.
#[derive(Clone, Debug)]
pub struct WebhookRules {
    /// Messages it takes.
    pub rate: Rate,
    /// What bodies are signed with, `whsec_` and base64; absent = they are not.
    pub secret: Option<String>,
    /// How far a timestamp may be off; absent = however far, for senders whose clock runs fast.
    pub tolerance: Option<Duration>,
    /// Whether `Retry-After` is told as a date.
    pub tells_dates: bool,
}

impl Default for WebhookRules {
    fn default() -> Self {
        Self {
            rate: Rate::new(10, 900),
            secret: Some(FakeWebhook::SECRET.to_owned()),
            tolerance: Some(Duration::from_mins(5)),
            tells_dates: false,
        }
    }
}

/// A receiver; ends when dropped.
#[derive(Debug)]
pub struct FakeWebhook {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    conduct: Conduct,
    rules: WebhookRules,
    messages: Vec<TestMessage>,
    is_gone: bool,
    /// The last message that was not taken: tried again, it bears the same id.
    missed: Option<(String, Value)>,
}

type Inside = Arc<Mutex<State>>;

conducts!(FakeWebhook);

impl FakeWebhook {
    /// The secret that a receiver with the default rules shares with its sender.
    pub const SECRET: &str = "whsec_RmFrZVdlYmhvb2tTZWNyZXRGYWtlV2ViaG9vaw==";

    /// Starts one with the default rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        Self::with_rules(WebhookRules::default()).await
    }

    /// Starts one with these rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_rules(rules: WebhookRules) -> std::io::Result<Self> {
        let state: Inside = Arc::new(Mutex::new(State { rules, ..State::default() }));
        let router = Router::new().fallback(any(told)).with_state(Arc::clone(&state));
        Ok(Self { server: Server::start(router).await?, state })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("{}/hook", self.server.url())
    }

    /// It wants nothing any more: 410.
    pub fn die(&self) {
        self.state().is_gone = true;
    }

    /// It takes messages again.
    pub fn revive(&self) {
        self.state().is_gone = false;
        self.state().conduct.revive();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(status: StatusCode, word: &'static str) -> Response {
    (status, word).into_response()
}

async fn told(
    Shared(state): Shared<Inside>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    if method != Method::POST {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "POST only");
    }
    let behaviour = lock(&state).conduct.arrive();
    lock(&state).check_repeat(&headers, &body);
    let patience = match &behaviour {
        Some(Behaviour::TooMany(wait)) => Some((StatusCode::TOO_MANY_REQUESTS, *wait)),
        Some(Behaviour::Unavailable(wait)) => Some((StatusCode::SERVICE_UNAVAILABLE, *wait)),
        Some(other) => {
            if let Some(refusal) = refuse(other).await {
                return refusal;
            }
            None
        }
        None => None,
    };
    if let Some((status, wait)) = patience {
        return lock(&state).patience(status, wait);
    }
    let answer = lock(&state).tell(&headers, &body);
    cut(behaviour.as_ref(), &connection, answer).await
}

/// A header that is a text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl State {
    fn patience(&mut self, status: StatusCode, wait: Duration) -> Response {
        let seconds = whole_seconds(wait);
        let told = if self.rules.tells_dates {
            // A date has no fractions: the next full second is never earlier than meant.
            let until = std::time::UNIX_EPOCH
                + Duration::from_millis(u64::try_from(now().ms()).unwrap_or(0))
                + Duration::from_secs(seconds);
            self.conduct.close(Duration::from_secs(seconds.saturating_sub(1)));
            httpdate::fmt_http_date(until)
        } else {
            self.conduct.close(Duration::from_secs(seconds));
            seconds.to_string()
        };
        (status, [(header::RETRY_AFTER, told)], "later").into_response()
    }

    /// The id of a message stays the same however often it is tried, and is no other's.
    fn check_repeat(&mut self, headers: &HeaderMap, body: &str) {
        let id = text(headers, "webhook-id").to_owned();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        if let Some((missed, same)) = self.missed.take()
            && same == body
            && missed != id
        {
            self.conduct.violate(format!("a message tried again as {id} that was {missed}"));
        }
        if self.messages.iter().any(|message| message.id == id && message.body != body) {
            self.conduct.violate(format!("two messages with the id {id}"));
        }
        self.missed = Some((id, body));
    }

    fn tell(&mut self, headers: &HeaderMap, body: &str) -> Response {
        if self.is_gone {
            self.conduct.dead("a receiver");
            return answer(StatusCode::GONE, "gone");
        }
        let (id, timestamp) = (text(headers, "webhook-id"), text(headers, "webhook-timestamp"));
        if id.is_empty() || id.contains('.') {
            self.conduct.violate("a message without an id");
            return answer(StatusCode::BAD_REQUEST, "webhook-id");
        }
        let Ok(seconds) = timestamp.parse::<i64>() else {
            self.conduct.violate(format!("a timestamp that is none: {timestamp}"));
            return answer(StatusCode::BAD_REQUEST, "webhook-timestamp");
        };
        let off = (now().ms() / 1000).abs_diff(seconds);
        if self.rules.tolerance.is_some_and(|tolerance| off > tolerance.as_secs()) {
            self.conduct.violate(format!("a timestamp that is {off} s off"));
            return answer(StatusCode::BAD_REQUEST, "webhook-timestamp");
        }
        if let Some(secret) = &self.rules.secret
            && !is_signed(secret, &format!("{id}.{timestamp}.{body}"), text(headers, "webhook-signature"))
        {
            self.conduct.violate("a signature that is not good");
            return answer(StatusCode::UNAUTHORIZED, "webhook-signature");
        }
        let Ok(json) = serde_json::from_str::<Value>(body) else {
            self.conduct.violate("a body that is not JSON");
            return answer(StatusCode::BAD_REQUEST, "body");
        };
        if let Err(wait) = self.conduct.count("the receiver", self.rules.rate) {
            return self.patience(StatusCode::TOO_MANY_REQUESTS, wait);
        }
        self.missed = None;
        self.keep(id.to_owned(), json);
        StatusCode::NO_CONTENT.into_response()
    }

    fn keep(&mut self, id: String, body: Value) {
        if let Some(known) = self.messages.iter_mut().find(|message| message.id == id) {
            known.times += 1;
            return;
        }
        let text = body["data"]["title"].as_str().unwrap_or_default().to_owned();
        let (chat, edits) = (String::new(), Vec::new());
        self.messages.push(TestMessage { id, chat, at: now(), text, edits, body, times: 1 });
    }
}

/// Whether one of the signatures is good.
fn is_signed(secret: &str, signed: &str, signatures: &str) -> bool {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
        None => secret.as_bytes().to_vec(),
    };
    let is_good = |signature: &str| {
        let signature = BASE64_STANDARD.decode(signature).unwrap_or_default();
        Hmac::<Sha256>::new_from_slice(&key).is_ok_and(|mut mac| {
            mac.update(signed.as_bytes());
            mac.verify_slice(&signature).is_ok()
        })
    };
    signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).any(is_good)
}
