//! A Telegram chat, by the Bot API (<https://core.telegram.org/bots/api>).

mod api;
mod bot;
mod callback;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_domain::{Delivery, EventTime, Phase, Priority};
use cascade_message::Style;
use cascade_wire::Receipt;
use serde_json::{Value, json};

pub use bot::{Bot, BotError, BotName, Callback, Update};
pub use callback::{Act, Press};
pub(crate) use settings::Settings;

use crate::{Budget, Check, Network, Outcome, Refused, budget};
use api::{Api, ApiError, Reply};
use callback::Key;

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Telegram {
    api: Api,
    key: Key,
    settings: Settings,
    /// The token's first.
    budgets: Vec<Budget>,
    moved: Arc<Mutex<Option<String>>>,
}

/// How one attempt is made; each way is tried once.
#[derive(Debug)]
struct Manner {
    /// The message that is edited.
    edit: Option<i64>,
    /// Without markup.
    is_plain: bool,
    has_moved: bool,
}

/// What an error asks for.
enum Next {
    Plain,
    Anew,
    Move(i64),
    End(Outcome),
}

impl Telegram {
    pub(crate) fn try_new(settings: &Settings, network: Network) -> Result<Self, String> {
        Ok(Self {
            api: Api::try_new(&settings.base_url, &settings.token, network)?,
            key: Key::of(&settings.token).ok_or("no key can be made of the token")?,
            budgets: budgets(settings),
            settings: settings.clone(),
            moved: Arc::default(),
        })
    }

    pub(crate) fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    pub(crate) fn moved(&self) -> Option<String> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn move_to(&self, chat: &str) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(chat.to_owned());
    }

    fn token_budget(&self) -> &str {
        self.budgets.first().map_or("", |budget| &budget.name)
    }

    fn chat(&self) -> String {
        self.moved().unwrap_or_else(|| self.settings.chat.clone())
    }

    pub(crate) async fn send(
        &self,
        deliveries: &[Delivery],
        style: &Style,
        told: Option<&Receipt>,
        now: EventTime,
    ) -> Outcome {
        let text = cascade_message::telegram(deliveries, style);
        let edit = told.filter(|told| told.editable).and_then(|told| self.message_of(told));
        let mut manner = Manner { edit, is_plain: false, has_moved: false };
        loop {
            let body = self.body(deliveries, &text, &manner);
            let method = if manner.edit.is_some() { "editMessageText" } else { "sendMessage" };
            let error = match self.api.ask(method, &body).await {
                Ok(Reply::Result(result)) => return self.taken(result.as_ref(), manner.edit, deliveries),
                Ok(Reply::Error(error)) => error,
                Err(outcome) => return outcome,
            };
            match self.next(error, &manner, deliveries, now) {
                Next::Plain => manner.is_plain = true,
                Next::Anew => manner.edit = None,
                Next::Move(chat) => {
                    self.move_to(&chat.to_string());
                    // What was told in the old chat can't be edited from the new one.
                    manner = Manner { edit: None, has_moved: true, ..manner };
                }
                Next::End(outcome) => return outcome,
            }
        }
    }

    /// The number of a message that was told; `None` = it was told in a chat that has become another, whose messages have
    /// numbers of their own.
    fn message_of(&self, told: &Receipt) -> Option<i64> {
        let (chat, message) = match told.message.as_deref()?.split_once('/') {
            Some((chat, message)) => (Some(chat), message),
            None => (None, told.message.as_deref()?),
        };
        (chat == self.moved().as_deref()).then(|| message.parse().ok()).flatten()
    }

    /// The outcome of a message that was taken; `edit` = the one that was edited.
    fn taken(&self, result: Option<&Value>, edit: Option<i64>, deliveries: &[Delivery]) -> Outcome {
        let message = edit.or_else(|| result?["message_id"].as_i64());
        let editable = message.is_some() && deliveries.len() == 1;
        let message = message.map(|id| match self.moved() {
            Some(chat) => format!("{chat}/{id}"),
            None => id.to_string(),
        });
        Outcome::sent(Receipt { message, editable, ..Receipt::default() })
    }

    fn body(&self, deliveries: &[Delivery], text: &cascade_message::Telegram, manner: &Manner) -> Value {
        let mut body = json!({
            "chat_id": self.chat(),
            "text": if manner.is_plain { &text.plain } else { &text.html },
            "link_preview_options": { "is_disabled": true },
        });
        if !manner.is_plain {
            body["parse_mode"] = "HTML".into();
        }
        if let Some(keyboard) = self.keyboard(deliveries) {
            body["reply_markup"] = keyboard;
        }
        if let Some(message) = manner.edit {
            body["message_id"] = message.into();
            return body;
        }
        if is_quiet(deliveries) {
            body["disable_notification"] = true.into();
        }
        if let Some(thread) = self.settings.thread {
            body["message_thread_id"] = thread.into();
        }
        body
    }

    /// Buttons for the one alert that is told, as long as it goes on.
    fn keyboard(&self, deliveries: &[Delivery]) -> Option<Value> {
        let [delivery] = deliveries else { return None };
        if !self.settings.buttons || delivery.alert.phase == Phase::Resolved {
            return None;
        }
        let button = |act: Act| json!({ "text": act.label(), "callback_data": self.key.callback(&delivery.alert, act) });
        Some(json!({ "inline_keyboard": [Act::ALL.map(button)] }))
    }

    fn next(&self, error: ApiError, manner: &Manner, deliveries: &[Delivery], now: EventTime) -> Next {
        if error.code == 429 {
            return Next::End(error.limited(self.token_budget(), now));
        }
        if error.answer.is_passing() {
            return Next::End(Outcome::Failed(error.said));
        }
        if let Some(chat) = error.migrate_to.filter(|_| !manner.has_moved) {
            return Next::Move(chat);
        }
        if !manner.is_plain && error.says(&["parse entities", "entity", "entities"]) {
            return Next::Plain;
        }
        if manner.edit.is_some() {
            if error.says(&["message is not modified"]) {
                return Next::End(self.taken(None, manner.edit, deliveries));
            }
            if error.says(&["message to edit not found", "message can't be edited", "message_id_invalid"]) {
                return Next::Anew;
            }
        }
        Next::End(Outcome::refused(refused(&error), error.said))
    }

    pub(crate) async fn check(&self) -> Check {
        let me = match self.ask("getMe", &json!({})).await {
            Ok(me) => me,
            Err(check) => return check,
        };
        let bot = me["username"].as_str().unwrap_or("a bot").to_owned();
        match self.ask("getChat", &json!({ "chat_id": self.chat() })).await {
            Ok(chat) => {
                let title = chat["title"].as_str().or_else(|| chat["username"].as_str());
                let title = title.or_else(|| chat["first_name"].as_str()).unwrap_or("a chat without a name");
                Check::good(self.api.http.clean(&format!("@{bot} in {title}")))
            }
            Err(check) => check,
        }
    }

    async fn ask(&self, method: &str, body: &Value) -> Result<Value, Check> {
        match self.api.ask(method, body).await {
            Ok(Reply::Result(result)) => Ok(result.unwrap_or_default()),
            Ok(Reply::Error(error)) if error.migrate_to.is_some() => {
                Err(Check::good("the chat has moved; messages follow it"))
            }
            Ok(Reply::Error(error)) => {
                Err(Check::bad(format!("{}: {}", refused(&error).as_str(), error.said)))
            }
            Err(outcome) => Err(Check::of(outcome)),
        }
    }
}

/// Whether nobody is to be woken: what is over, and what may wait anyway.
fn is_quiet(deliveries: &[Delivery]) -> bool {
    let is_quiet =
        |alert: &cascade_domain::Alert| alert.phase == Phase::Resolved || alert.priority == Priority::Low;
    deliveries.iter().all(|delivery| is_quiet(&delivery.alert))
}

/// What a lasting error means.
fn refused(error: &ApiError) -> Refused {
    const NO_RIGHTS: [&str; 4] =
        ["not enough rights", "have no rights", "write_forbidden", "chat_restricted"];
    const NO_CHAT: [&str; 7] = [
        "chat not found",
        "chat_id is empty",
        "user not found",
        "peer_id_invalid",
        "thread not found",
        "chat was deactivated",
        "channel_private",
    ];
    match error.code {
        // The token is in the path: one that was never given out is a path that is not found.
        401 | 404 => Refused::Unauthorised,
        403 => Refused::Forbidden,
        400 if error.says(&NO_CHAT) || error.migrate_to.is_some() => Refused::Gone,
        400 if error.says(&NO_RIGHTS) => Refused::Forbidden,
        400 | 413 => Refused::Malformed,
        _ => Refused::Rejected,
    }
}

/// A token sends 30 messages a second, a chat takes one, a group 20 a minute: any such window holds what these let through.
fn budgets(settings: &Settings) -> Vec<Budget> {
    let token = settings.token.expose();
    let of_chat = |what| budget::name(&["telegram", token, what, &settings.chat]);
    let every = Duration::from_secs_f64(1.0 / settings.per_second);
    let mut budgets = vec![
        Budget {
            name: budget::name(&["telegram", token]),
            every: Duration::from_millis(50),
            burst: 10,
            reserve: 4,
        },
        Budget { name: of_chat("chat"), every, burst: 1, reserve: 0 },
    ];
    // A public @name is a group or a channel.
    if settings.chat.starts_with(['-', '@']) {
        budgets.push(Budget { name: of_chat("group"), every: every * 5, burst: 8, reserve: 4 });
    }
    budgets
}
