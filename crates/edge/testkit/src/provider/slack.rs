//! A Slack webhook.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use super::conduct::{Behaviour, Conduct, Rate, conducts, cut, refuse, whole_seconds};
use super::server::{Cut, Server};
use super::{TestMessage, now};

/// The longest message, in characters.
const LONGEST: usize = 12_000;

/// What Slack allows.
#[derive(Clone, Copy, Debug)]
pub struct SlackRules {
    /// Of one webhook: about one a second, three in a row now and then.
    pub hook: Rate,
}

impl Default for SlackRules {
    fn default() -> Self {
        Self { hook: Rate::new(3, 2500) }
    }
}

/// A Slack with one webhook; ends when dropped.
#[derive(Debug)]
pub struct FakeSlack {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    conduct: Conduct,
    rules: SlackRules,
    messages: Vec<TestMessage>,
    /// The answer for good, once it is dead.
    dead: Option<(u16, String)>,
}

type Inside = Arc<Mutex<State>>;

conducts!(FakeSlack);

impl FakeSlack {
    /// The token of its one webhook.
    pub const TOKEN: &str = "FakeSlackTokenFakeSlack1";

    /// Starts one with Slack's own rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        Self::with_rules(SlackRules::default()).await
    }

    /// Starts one with these rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_rules(rules: SlackRules) -> std::io::Result<Self> {
        let state: Inside = Arc::new(Mutex::new(State { rules, ..State::default() }));
        let path = format!("/services/T0000/B0000/{}", Self::TOKEN);
        let router = Router::new().route(&path, post(told)).with_state(Arc::clone(&state));
        Ok(Self { server: Server::start(router).await?, state })
    }

    /// The webhook's address.
    pub fn url(&self) -> String {
        format!("{}/services/T0000/B0000/{}", self.server.url(), Self::TOKEN)
    }

    /// The webhook is no more: 404 `no_service`, 410 `channel_is_archived`, 403 `invalid_token`.
    pub fn die(&self, status: u16, word: &str) {
        self.state().dead = Some((status, word.to_owned()));
    }

    /// There is a webhook again.
    pub fn revive(&self) {
        self.state().dead = None;
        self.state().conduct.revive();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(status: u16, word: &str) -> Response {
    (StatusCode::from_u16(status).unwrap_or_default(), word.to_owned()).into_response()
}

fn too_many(conduct: &mut Conduct, wait: Duration) -> Response {
    let seconds = whole_seconds(wait);
    conduct.close(Duration::from_secs(seconds));
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], "rate_limited")
        .into_response()
}

async fn told(
    Shared(state): Shared<Inside>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    // A message without anything in it is how a client asks whether the webhook lives: it is none.
    if body.as_object().is_some_and(serde_json::Map::is_empty) {
        let dead = lock(&state).dead.clone();
        return dead.map_or_else(|| answer(400, "no_text"), |(status, word)| answer(status, &word));
    }
    let behaviour = lock(&state).conduct.arrive();
    match &behaviour {
        Some(Behaviour::TooMany(wait)) => return too_many(&mut lock(&state).conduct, *wait),
        Some(Behaviour::Unavailable(_)) => return answer(503, "service_unavailable"),
        Some(other) => {
            if let Some(refusal) = refuse(other).await {
                return refusal;
            }
        }
        None => {}
    }
    let answer = lock(&state).tell(&body);
    cut(behaviour.as_ref(), &connection, answer).await
}

impl State {
    fn tell(&mut self, body: &Value) -> Response {
        if let Some((status, word)) = self.dead.clone() {
            self.conduct.dead("a webhook");
            return answer(status, &word);
        }
        if !body.is_object() {
            return answer(400, "invalid_payload");
        }
        let fallback = body["text"].as_str().unwrap_or_default();
        if fallback.trim().is_empty() {
            self.conduct.violate("a message without the text that notifications show");
            return answer(400, "no_text");
        }
        let mut texts = Vec::new();
        for block in body["blocks"].as_array().into_iter().flatten() {
            if !is_block(block, &mut texts) {
                return answer(400, "invalid_blocks");
            }
        }
        let blocks = body["blocks"].as_array().map_or(0, Vec::len);
        let length = |texts: &[Text]| texts.iter().map(|text| text.text.chars().count()).sum::<usize>();
        if blocks > 50 || length(&texts) > LONGEST || fallback.chars().count() > LONGEST {
            return answer(400, "invalid_blocks");
        }
        let escaped = Text { text: fallback.to_owned(), is_markup: true };
        for text in texts.iter().chain([&escaped]).filter(|text| text.is_markup && !is_escaped(&text.text)) {
            self.conduct.violate(format!("not escaped: {}", text.text));
        }
        if let Err(wait) = self.conduct.count("the webhook", self.rules.hook) {
            return too_many(&mut self.conduct, wait);
        }
        let seen = if texts.is_empty() { vec![escaped] } else { texts };
        let seen: Vec<String> = seen.iter().map(|text| unescaped(&text.text)).collect();
        self.messages.push(TestMessage {
            id: (self.messages.len() + 1).to_string(),
            chat: String::new(),
            at: now(),
            text: seen.join("\n"),
            edits: Vec::new(),
            body: body.clone(),
            times: 1,
        });
        answer(200, "ok")
    }
}

/// A text of a block.
struct Text {
    text: String,
    /// `mrkdwn`, in which `&`, `<` and `>` are escaped.
    is_markup: bool,
}

/// A text object of at most so many characters.
fn text(value: &Value, most: usize, texts: &mut Vec<Text>) -> bool {
    let is_markup = value["type"] == "mrkdwn";
    let text = value["text"].as_str().unwrap_or_default();
    texts.push(Text { text: text.to_owned(), is_markup });
    (is_markup || value["type"] == "plain_text") && (1..=most).contains(&text.chars().count())
}

/// Whether a block is one (<https://docs.slack.dev/reference/block-kit/blocks>), and its texts.
fn is_block(block: &Value, texts: &mut Vec<Text>) -> bool {
    let list = |key: &str| block[key].as_array().map(Vec::as_slice).unwrap_or_default();
    match block["type"].as_str() {
        Some("divider") => true,
        Some("header") => block["text"]["type"] == "plain_text" && text(&block["text"], 150, texts),
        Some("section") => {
            let has_text = block["text"].is_null() || text(&block["text"], 3000, texts);
            let fields = list("fields");
            has_text
                && fields.len() <= 10
                && (!fields.is_empty() || !block["text"].is_null())
                && fields.iter().all(|field| text(field, 2000, texts))
        }
        Some("context") => {
            let elements = list("elements");
            (1..=10).contains(&elements.len()) && elements.iter().all(|element| text(element, 3000, texts))
        }
        _ => false,
    }
}

/// Whether `&`, `<` and `>` stand only where markup has them.
fn is_escaped(text: &str) -> bool {
    let (mut rest, mut is_open) = (text, false);
    while let Some(at) = rest.find(['&', '<', '>']) {
        let found = rest.get(at..).unwrap_or_default();
        let is_fine = if found.starts_with('&') {
            ["&amp;", "&lt;", "&gt;"].iter().any(|entity| found.starts_with(entity))
        } else if found.starts_with('<') {
            let is_control =
                ["<http", "<mailto:", "<!", "<@", "<#"].iter().any(|mark| found.starts_with(mark));
            !std::mem::replace(&mut is_open, true) && is_control
        } else {
            std::mem::replace(&mut is_open, false) || is_quote(text, text.len() - found.len())
        };
        if !is_fine {
            return false;
        }
        rest = found.get(1..).unwrap_or_default();
    }
    !is_open
}

/// Whether a `>` begins a line: that quotes it.
fn is_quote(text: &str, at: usize) -> bool {
    at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n'))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::is_escaped;

    #[test]
    fn what_is_not_markup_must_be_escaped() {
        for text in ["a &amp; b &lt;c&gt;", "<https://a.b|c>", "> quoted\n> again", "<!date^1^{time}|x> *b*"]
        {
            assert!(is_escaped(text), "{text}");
        }
        for text in ["a & b", "a < b", "a > b", "<b>x</b>", "<https://a.b", "&nbsp;"] {
            assert!(!is_escaped(text), "{text}");
        }
    }
}
