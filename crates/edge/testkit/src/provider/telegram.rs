//! Telegram's Bot API: chats with their rules, edits, buttons and updates.

mod entities;
mod updates;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::conduct::{Behaviour, Conduct, Rate, conducts, cut, refuse, whole_seconds};
use super::server::{Cut, Server};
use super::{TestMessage, now};

/// The longest text, in characters after entity parsing.
const LONGEST_TEXT: usize = 4096;
/// The longest data of a button, bytes.
const LONGEST_CALLBACK: usize = 64;

/// What Telegram allows; each window a little shorter than it says, for what is on its way comes in fits and starts.
#[derive(Clone, Copy, Debug)]
pub struct TelegramRules {
    /// Of the whole token: 30 a second.
    pub token: Rate,
    /// Of one chat: about one a second, three in a row now and then.
    pub chat: Rate,
    /// Of one group (a negative number): 20 a minute.
    pub group: Rate,
}

impl Default for TelegramRules {
    fn default() -> Self {
        Self { token: Rate::new(30, 900), chat: Rate::new(3, 2500), group: Rate::new(20, 57_000) }
    }
}

/// What a chat is to the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeChat {
    /// It takes messages. What every chat is that nothing was said of.
    Open,
    /// There is none.
    NotFound,
    /// The user has blocked the bot.
    Blocked,
    /// The bot was thrown out of the group.
    Kicked,
    /// It has become this supergroup.
    Moved(i64),
}

/// A Bot API with one bot; ends when dropped.
#[derive(Debug)]
pub struct FakeTelegram {
    server: Server,
    state: Arc<Mutex<State>>,
    pushed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    conduct: Conduct,
    rules: TelegramRules,
    token: String,
    chats: BTreeMap<String, FakeChat>,
    messages: Vec<TestMessage>,
    updates: BTreeMap<i64, Value>,
    next_update: i64,
    /// Counts polls: an older one that still waits has lost.
    polls: u64,
    waiting: u64,
    conflicts: u64,
    /// Presses that were not answered yet.
    queries: BTreeSet<String>,
    answers: Vec<(String, String)>,
    /// Whether answers to presses are never answered themselves.
    answers_hang: bool,
    /// Statuses with which the next polls are refused.
    failing: VecDeque<u16>,
}

type Inside = (Arc<Mutex<State>>, Arc<Notify>);

conducts!(FakeTelegram);

impl FakeTelegram {
    /// The token of its one bot.
    pub const TOKEN: &str = "7100000001:AAFakeFakeFakeFakeFakeFakeFakeFake1";

    /// Starts one with Telegram's own rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        Self::with_rules(TelegramRules::default()).await
    }

    /// Starts one with these rules.
    ///
    /// # Errors
    /// No port is free.
    pub async fn with_rules(rules: TelegramRules) -> std::io::Result<Self> {
        let state = State { rules, token: Self::TOKEN.to_owned(), next_update: 1, ..State::default() };
        let (state, pushed) = (Arc::new(Mutex::new(state)), Arc::new(Notify::new()));
        let inside: Inside = (Arc::clone(&state), Arc::clone(&pushed));
        let router = Router::new().route("/{bot}/{method}", any(method)).with_state(inside);
        Ok(Self { server: Server::start(router).await?, state, pushed })
    }

    /// What `base_url` is set to.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes this of a chat.
    pub fn set_chat(&self, chat: &str, what: FakeChat) {
        self.state().chats.insert(chat.to_owned(), what);
    }

    /// The token is good no more: 401 from now on.
    pub fn revoke(&self) {
        self.state().token = String::new();
    }

    /// Deletes a message.
    pub fn delete(&self, id: &str) {
        self.state().messages.retain(|message| message.id != id);
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// An answer that is not `ok`.
fn error(code: u16, description: &str, parameters: &Value) -> Response {
    let mut body = json!({ "ok": false, "error_code": code, "description": description });
    if !parameters.is_null() {
        body["parameters"] = parameters.clone();
    }
    (StatusCode::from_u16(code).unwrap_or_default(), Json(body)).into_response()
}

fn bad_request(why: &str) -> Response {
    error(400, &format!("Bad Request: {why}"), &Value::Null)
}

fn result(value: &Value) -> Response {
    Json(json!({ "ok": true, "result": value })).into_response()
}

fn too_many(conduct: &mut Conduct, wait: Duration) -> Response {
    let seconds = whole_seconds(wait);
    conduct.close(Duration::from_secs(seconds));
    let description = format!("Too Many Requests: retry after {seconds}");
    error(429, &description, &json!({ "retry_after": seconds }))
}

async fn method(
    Shared((state, pushed)): Shared<Inside>,
    ConnectInfo(connection): ConnectInfo<Cut>,
    Path((bot, method)): Path<(String, String)>,
    body: String,
) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    if bot.strip_prefix("bot") != Some(lock(&state).token.as_str()) {
        if method.ends_with("Text") || method == "sendMessage" {
            lock(&state).conduct.dead("a token that is not good");
        }
        return error(401, "Unauthorized", &Value::Null);
    }
    match method.as_str() {
        "getMe" => result(
            &json!({ "id": 7_100_000_001_i64, "is_bot": true, "first_name": "Fake", "username": "fake_bot" }),
        ),
        "getChat" => get_chat(&lock(&state), &body),
        "getUpdates" => match updates::failing(&state) {
            Some(code) => error(code, "Internal Server Error", &Value::Null),
            None => updates::poll(&state, &pushed, &body).await,
        },
        "answerCallbackQuery" => {
            if lock(&state).answers_hang {
                std::future::pending::<()>().await;
            }
            updates::answered(&mut lock(&state), &body)
        }
        "sendMessage" | "editMessageText" => told(&state, &connection, &method, &body).await,
        _ => error(404, "Not Found: method not found", &Value::Null),
    }
}

/// A message, new or edited.
async fn told(state: &Mutex<State>, connection: &Cut, method: &str, body: &Value) -> Response {
    let behaviour = lock(state).conduct.arrive();
    match &behaviour {
        Some(Behaviour::TooMany(wait) | Behaviour::Unavailable(wait)) => {
            return too_many(&mut lock(state).conduct, *wait);
        }
        Some(Behaviour::ServerError) => return error(500, "Internal Server Error", &Value::Null),
        Some(other) => {
            if let Some(refusal) = refuse(other).await {
                return refusal;
            }
        }
        None => {}
    }
    let answer = lock(state).tell(method == "editMessageText", body);
    cut(behaviour.as_ref(), connection, answer).await
}

/// A chat's number or name, as a client gives it.
fn chat_of(body: &Value) -> String {
    match &body["chat_id"] {
        Value::String(chat) => chat.clone(),
        Value::Number(chat) => chat.to_string(),
        _ => String::new(),
    }
}

/// What is wrong with a chat.
fn refused(state: &State, chat: &str) -> Option<Response> {
    Some(match state.chats.get(chat).copied().unwrap_or(FakeChat::Open) {
        FakeChat::Open if chat.is_empty() => bad_request("chat_id is empty"),
        FakeChat::Open => return None,
        FakeChat::NotFound => bad_request("chat not found"),
        FakeChat::Blocked => error(403, "Forbidden: bot was blocked by the user", &Value::Null),
        FakeChat::Kicked => error(403, "Forbidden: bot was kicked from the supergroup chat", &Value::Null),
        FakeChat::Moved(to) => {
            let parameters = json!({ "migrate_to_chat_id": to });
            error(400, "Bad Request: group chat was upgraded to a supergroup chat", &parameters)
        }
    })
}

fn get_chat(state: &State, body: &Value) -> Response {
    let chat = chat_of(body);
    match refused(state, &chat) {
        Some(refusal) => refusal,
        None => result(&json!({ "id": chat.parse::<i64>().unwrap_or(-1), "type": "group", "title": "Desk" })),
    }
}

impl State {
    fn tell(&mut self, is_edit: bool, body: &Value) -> Response {
        let chat = chat_of(body);
        if let Some(refusal) = refused(self, &chat) {
            if matches!(
                self.chats.get(&chat),
                Some(FakeChat::NotFound | FakeChat::Blocked | FakeChat::Kicked)
            ) {
                self.conduct.dead(&format!("chat {chat}"));
            }
            return refusal;
        }
        let text = match seen(body) {
            Ok(text) => text,
            Err(why) => return bad_request(&why),
        };
        if let Some(why) = wrong_buttons(body) {
            return bad_request(why);
        }
        if let Some(why) = self.not_edited(&chat, body).filter(|_| is_edit) {
            return bad_request(why);
        }
        if let Err(wait) = self.within_rates(&chat) {
            return too_many(&mut self.conduct, wait);
        }
        self.keep(is_edit, &chat, &text, body)
    }

    /// Why a message is not edited: it is not there, or does not change.
    fn not_edited(&self, chat: &str, body: &Value) -> Option<&'static str> {
        let id = body["message_id"].to_string();
        let Some(message) = self.messages.iter().find(|message| message.id == id && message.chat == chat)
        else {
            return Some("message to edit not found");
        };
        let same = |key: &str| message.body[key] == body[key];
        let why = "message is not modified: specified new message content and reply markup are exactly the same as a \
                   current content and reply markup of the message";
        (same("text") && same("parse_mode") && same("reply_markup")).then_some(why)
    }

    fn within_rates(&mut self, chat: &str) -> Result<(), Duration> {
        let rules = self.rules;
        self.conduct.count("the token", rules.token)?;
        self.conduct.count(&format!("chat {chat}"), rules.chat)?;
        if chat.starts_with('-') {
            self.conduct.count(&format!("group {chat}"), rules.group)?;
        }
        Ok(())
    }

    fn keep(&mut self, is_edit: bool, chat: &str, text: &str, body: &Value) -> Response {
        let at = now();
        let id =
            if is_edit { body["message_id"].to_string() } else { (self.messages.len() + 1001).to_string() };
        if is_edit {
            for message in self.messages.iter_mut().filter(|message| message.id == id) {
                message.edits.push((at, text.to_owned()));
                message.body = body.clone();
            }
        } else {
            self.messages.push(TestMessage {
                id: id.clone(),
                chat: chat.to_owned(),
                at,
                text: text.to_owned(),
                edits: Vec::new(),
                body: body.clone(),
                times: 1,
            });
        }
        result(&json!({
            "message_id": id.parse::<i64>().unwrap_or_default(),
            "date": at.ms() / 1000,
            "chat": { "id": chat.parse::<i64>().unwrap_or(-1), "type": "group" },
            "text": text,
        }))
    }
}

/// The text that is seen, or why the message is refused.
fn seen(body: &Value) -> Result<String, String> {
    let text = body["text"].as_str().unwrap_or_default();
    let text = match body["parse_mode"].as_str() {
        Some("HTML") => entities::visible(text)?,
        Some(_) => return Err("unsupported parse_mode".to_owned()),
        None => text.to_owned(),
    };
    match text.chars().count() {
        _ if text.trim().is_empty() => Err("message text is empty".to_owned()),
        count if count > LONGEST_TEXT => Err("message is too long".to_owned()),
        _ => Ok(text),
    }
}

fn wrong_buttons(body: &Value) -> Option<&'static str> {
    let rows = body["reply_markup"]["inline_keyboard"].as_array()?;
    let mut buttons = rows.iter().flat_map(|row| row.as_array().into_iter().flatten());
    let is_wrong = |button: &Value| {
        let data = button["callback_data"].as_str().unwrap_or_default();
        data.is_empty() || data.len() > LONGEST_CALLBACK || button["text"].as_str().is_none_or(str::is_empty)
    };
    buttons.any(is_wrong).then_some("BUTTON_DATA_INVALID")
}
