//! A Discord webhook.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Path, Query, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::conduct::{Behaviour, Conduct, Rate, conducts, cut, instant, refuse, whole_seconds};
use super::server::{Cut, Server};
use super::{TestMessage, now};

/// What Discord allows.
#[derive(Clone, Copy, Debug)]
pub struct DiscordRules {
    /// Of one webhook: 5 in 2 s, counted from the first of them.
    pub hook: Rate,
}

impl Default for DiscordRules {
    fn default() -> Self {
        Self { hook: Rate::new(5, 2000) }
    }
}

/// A Discord with one webhook; ends when dropped.
#[derive(Debug)]
pub struct FakeDiscord {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    conduct: Conduct,
    rules: DiscordRules,
    messages: Vec<TestMessage>,
    /// The answer for good, once it is dead.
    dead: Option<u16>,
    /// Since when a window has been open, and what it has taken.
    window: Option<(Instant, u32)>,
}

type Inside = Arc<Mutex<State>>;

conducts!(FakeDiscord);

impl FakeDiscord {
    /// The token of its one webhook.
    pub const TOKEN: &str = "Fake-Discord-Token-Fake-Discord-Token_1";

    /// Starts one with Discord's own rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        Self::with_rules(DiscordRules::default()).await
    }

    /// Starts one with these rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_rules(rules: DiscordRules) -> std::io::Result<Self> {
        let state: Inside = Arc::new(Mutex::new(State { rules, ..State::default() }));
        let router = Router::new()
            .route("/api/webhooks/{id}/{token}", get(described).post(new))
            .route("/api/webhooks/{id}/{token}/messages/{message}", patch(edit))
            .with_state(Arc::clone(&state));
        Ok(Self { server: Server::start(router).await?, state })
    }

    /// The webhook's address.
    pub fn url(&self) -> String {
        format!("{}/api/webhooks/410000000000000001/{}", self.server.url(), Self::TOKEN)
    }

    /// The webhook is no more: 404, or 401.
    pub fn die(&self, status: u16) {
        self.state().dead = Some(status);
    }

    /// There is a webhook again.
    pub fn revive(&self) {
        self.state().dead = None;
        self.state().conduct.revive();
    }

    /// Deletes a message.
    pub fn delete(&self, id: &str) {
        self.state().messages.retain(|message| message.id != id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap_or_default(), Json(body.clone())).into_response()
}

fn dead(status: u16) -> Response {
    match status {
        401 => answer(401, &json!({ "message": "Invalid Webhook Token", "code": 50027 })),
        status => answer(status, &json!({ "message": "Unknown Webhook", "code": 10015 })),
    }
}

/// What a client asks for by `GET`: whether the webhook lives.
async fn described(Shared(state): Shared<Inside>, Path((_, token)): Path<(String, String)>) -> Response {
    let status = if token == FakeDiscord::TOKEN { lock(&state).dead } else { Some(401) };
    let hook = json!({ "id": "410000000000000001", "type": 1, "name": "Desk" });
    status.map_or_else(|| answer(200, &hook), dead)
}

async fn new(
    Shared(state): Shared<Inside>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    Path((_, token)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    body: String,
) -> Response {
    if token != FakeDiscord::TOKEN {
        return dead(401);
    }
    if query.get("wait").map(String::as_str) != Some("true") {
        lock(&state).conduct.violate("a message without wait=true: nothing tells whether it was taken");
    }
    told(&state, &connection, None, &body).await
}

async fn edit(
    Shared(state): Shared<Inside>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    Path((_, token, message)): Path<(String, String, String)>,
    body: String,
) -> Response {
    if token != FakeDiscord::TOKEN {
        return dead(401);
    }
    told(&state, &connection, Some(message), &body).await
}

async fn told(state: &Mutex<State>, connection: &Cut, edited: Option<String>, body: &str) -> Response {
    let behaviour = lock(state).conduct.arrive();
    match &behaviour {
        Some(Behaviour::TooMany(wait)) => return lock(state).too_many(*wait),
        Some(Behaviour::Unavailable(_)) => {
            return answer(503, &json!({ "message": "503: Service Unavailable", "code": 0 }));
        }
        Some(other) => {
            if let Some(refusal) = refuse(other).await {
                return refusal;
            }
        }
        None => {}
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let answer = lock(state).tell(edited, &body);
    cut(behaviour.as_ref(), connection, answer).await
}

impl State {
    fn too_many(&mut self, wait: Duration) -> Response {
        self.conduct.close(wait);
        let body = json!({ "message": "You are being rate limited.", "retry_after": wait.as_secs_f64(), "global": false });
        let headers = [
            ("retry-after", whole_seconds(wait).to_string()),
            ("x-ratelimit-scope", "user".to_owned()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-reset-after", wait.as_secs_f64().to_string()),
        ];
        (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
    }

    /// Takes one of the window's places: how many are left, and when it ends.
    fn take(&mut self) -> Result<(u32, Duration), Duration> {
        let (rate, now) = (self.rules.hook, instant());
        let window = self.window.filter(|(since, _)| now.duration_since(*since) < rate.within);
        let (since, used) = window.unwrap_or((now, 0));
        let rest = rate.within.saturating_sub(now.duration_since(since));
        if used >= rate.most {
            self.conduct.violate(format!("more than {} messages in {:?}", rate.most, rate.within));
            return Err(rest);
        }
        self.window = Some((since, used + 1));
        Ok((rate.most - used - 1, rest))
    }

    fn tell(&mut self, edited: Option<String>, body: &Value) -> Response {
        if let Some(status) = self.dead {
            self.conduct.dead("a webhook");
            return dead(status);
        }
        if body["allowed_mentions"]["parse"].as_array().is_none_or(|parse| !parse.is_empty()) {
            self.conduct.violate("a message without allowed_mentions: {parse: []}");
        }
        let errors = wrong(body);
        if !errors.is_empty() {
            return answer(400, &json!({ "message": "Invalid Form Body", "code": 50035, "errors": errors }));
        }
        let text = seen(body);
        if text.is_empty() {
            return answer(400, &json!({ "message": "Cannot send an empty message", "code": 50006 }));
        }
        if let Some(id) = &edited
            && !self.messages.iter().any(|message| message.id == *id)
        {
            return answer(404, &json!({ "message": "Unknown Message", "code": 10008 }));
        }
        let (remaining, reset) = match self.take() {
            Ok(left) => left,
            Err(wait) => return self.too_many(wait),
        };
        let id = self.keep(edited, text, body);
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        put("x-ratelimit-limit", self.rules.hook.most.to_string());
        put("x-ratelimit-remaining", remaining.to_string());
        put("x-ratelimit-reset-after", format!("{:.3}", reset.as_secs_f64()));
        put("x-ratelimit-bucket", "fake".to_owned());
        (headers, Json(json!({ "id": id, "type": 0, "channel_id": "1" }))).into_response()
    }

    fn keep(&mut self, edited: Option<String>, text: String, body: &Value) -> String {
        let at = now();
        if let Some(id) = edited {
            for message in self.messages.iter_mut().filter(|message| message.id == id) {
                message.edits.push((at, text.clone()));
                message.body = body.clone();
            }
            return id;
        }
        let id = format!("12000000000000{:05}", self.messages.len() + 1);
        let (chat, edits) = (String::new(), Vec::new());
        self.messages.push(TestMessage {
            id: id.clone(),
            chat,
            at,
            text,
            edits,
            body: body.clone(),
            times: 1,
        });
        id
    }
}

fn embeds(body: &Value) -> impl Iterator<Item = &Value> {
    body["embeds"].as_array().into_iter().flatten()
}

fn fields(embed: &Value) -> impl Iterator<Item = &Value> {
    embed["fields"].as_array().into_iter().flatten()
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

/// What is seen, line by line.
fn seen(body: &Value) -> String {
    let mut lines = vec![&body["content"]];
    for embed in embeds(body) {
        lines.extend([&embed["title"], &embed["description"]]);
        lines.extend(fields(embed).flat_map(|field| [&field["name"], &field["value"]]));
        lines.push(&embed["footer"]["text"]);
    }
    let lines: Vec<&str> =
        lines.into_iter().filter_map(Value::as_str).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// What is too long or missing, by where it stands; `{}` = nothing.
fn wrong(body: &Value) -> serde_json::Map<String, Value> {
    let mut errors = serde_json::Map::new();
    let mut check = |place: String, is_fine: bool| {
        if !is_fine {
            errors.insert(place, json!({ "_errors": [{ "code": "BASE_TYPE_BAD_LENGTH" }] }));
        }
    };
    check("content".to_owned(), length(&body["content"]) <= 2000);
    check("embeds".to_owned(), embeds(body).count() <= 10);
    let mut together = 0;
    for (at, embed) in embeds(body).enumerate() {
        let parts = [
            ("title", length(&embed["title"]), 256),
            ("description", length(&embed["description"]), 4096),
            ("footer", length(&embed["footer"]["text"]), 2048),
            ("author", length(&embed["author"]["name"]), 256),
        ];
        for (part, length, most) in parts {
            together += length;
            check(format!("embeds.{at}.{part}"), length <= most);
        }
        check(format!("embeds.{at}.fields"), fields(embed).count() <= 25);
        for field in fields(embed) {
            let (name, value) = (length(&field["name"]), length(&field["value"]));
            together += name + value;
            check(format!("embeds.{at}.fields.name"), (1..=256).contains(&name));
            check(format!("embeds.{at}.fields.value"), (1..=1024).contains(&value));
        }
    }
    check("embeds.together".to_owned(), together <= 6000);
    errors
}
