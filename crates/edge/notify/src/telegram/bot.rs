//! The bot behind a chat, for whoever reads what its buttons say.
//!
//! Knows no lease, no offset and no list of users: one asker at a time, from where, and who may press are the reader's.

use std::fmt;
use std::time::Duration;

use cascade_domain::EventTime;
use serde_json::{Value, json};

use super::api::{Api, Reply};
use super::callback::{Key, Press};
use crate::destination::Settings;
use crate::{Destination, Network, Outcome, budget};

/// A bot's client. Clones share connections.
#[derive(Clone)]
pub struct Bot {
    api: Api,
    /// The same with the patience of a long poll.
    polling: Api,
    wait: Duration,
    key: Key,
    name: String,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a bot did not do what it was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BotError {
    /// Somebody else asks for updates with the same token, or a webhook is set (HTTP 409).
    #[error("somebody else reads the bot's updates: {0}")]
    Conflict(String),
    /// Telegram wants to be left alone for so long.
    #[error("Telegram asks for patience of {0:?}")]
    RetryAfter(Duration),
    /// The token is not good.
    #[error("the bot's token is refused: {0}")]
    Unauthorised(String),
    /// A passing failure.
    #[error("Telegram can't be reached: {0}")]
    Failed(String),
    /// It will not change: a query that is too old, a mistake.
    #[error("Telegram refuses: {0}")]
    Rejected(String),
}

/// Who a bot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotName {
    /// The number of its account.
    pub id: i64,
    /// Its user name, without @.
    pub name: String,
}

/// Something that happened to a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Numbers updates, ascending; the same again is the same update.
    pub id: i64,
    /// The button that was pressed; `None` = something else, that nobody waits for.
    pub callback: Option<Callback>,
}

/// A button that was pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Names the press, for [`Bot::answer`].
    pub query: String,
    /// The number of who pressed.
    pub user: i64,
    /// Their user name, without @; else their first name.
    pub user_name: String,
    /// The chat with the message, if it can still be seen.
    pub chat: Option<i64>,
    /// The message.
    pub message: Option<i64>,
    /// What the button carried; see [`Bot::press`].
    pub data: String,
}

impl Bot {
    /// The bot of a destination; `None` = it is no Telegram chat. `wait` = how long a poll for updates waits at most, whole
    /// seconds of wall time.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn of(destination: &Destination, network: Network, wait: Duration) -> Result<Option<Self>, String> {
        let Settings::Telegram(settings) = &destination.settings else { return Ok(None) };
        let polling = Network { timeout: network.timeout + wait };
        let key = Key::of(&settings.token).ok_or("no key can be made of the token")?;
        Ok(Some(Self {
            api: Api::try_new(&settings.base_url, &settings.token, network)?,
            polling: Api::try_new(&settings.base_url, &settings.token, polling)?,
            wait,
            key,
            name: budget::name(&["telegram", settings.token.expose()]),
        }))
    }

    /// Names the bot among all; a hash of its token. The same as the name of the token's budget.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happened since `offset` (the last update that was handled, plus 1); waits for the first.
    ///
    /// # Errors
    /// See [`BotError`].
    pub async fn updates(&self, offset: Option<i64>) -> Result<Vec<Update>, BotError> {
        let mut body = json!({ "timeout": self.wait.as_secs(), "allowed_updates": ["callback_query"] });
        if let Some(offset) = offset {
            body["offset"] = offset.into();
        }
        let result = ask(&self.polling, "getUpdates", &body).await?;
        let updates = result.as_array().ok_or_else(|| not_understood("getUpdates"))?;
        Ok(updates.iter().filter_map(update).collect())
    }

    /// Tells who pressed a button what came of it: a line that is shown for a moment, at most 200 characters.
    ///
    /// # Errors
    /// See [`BotError`].
    pub async fn answer(&self, query: &str, text: &str) -> Result<(), BotError> {
        let text: String = text.chars().take(200).collect();
        ask(&self.api, "answerCallbackQuery", &json!({ "callback_query_id": query, "text": text }))
            .await
            .map(drop)
    }

    /// Who the bot is.
    ///
    /// # Errors
    /// See [`BotError`].
    pub async fn me(&self) -> Result<BotName, BotError> {
        let me = ask(&self.api, "getMe", &json!({})).await?;
        let id = me["id"].as_i64().ok_or_else(|| not_understood("getMe"))?;
        Ok(BotName { id, name: me["username"].as_str().unwrap_or_default().to_owned() })
    }

    /// Reads what a button carried; `None` = this bot has not signed that.
    pub fn press(&self, data: &str) -> Option<Press> {
        self.key.press(data)
    }
}

async fn ask(api: &Api, method: &str, body: &Value) -> Result<Value, BotError> {
    let error = match api.ask(method, body).await {
        Ok(Reply::Result(Some(result))) => return Ok(result),
        Ok(Reply::Result(None)) => return Err(BotError::Failed("the answer was cut off".to_owned())),
        Ok(Reply::Error(error)) => error,
        Err(Outcome::Failed(why) | Outcome::Unanswered(why)) => return Err(BotError::Failed(why)),
        Err(other) => return Err(BotError::Failed(other.as_str().to_owned())),
    };
    Err(match error.code {
        409 => BotError::Conflict(error.said),
        // Of no other time than its own: a bot's 429 is always in seconds.
        429 => match error.limited("", EventTime::from_ms(0)) {
            Outcome::RetryAfter { after, .. } => BotError::RetryAfter(after),
            other => BotError::Failed(other.as_str().to_owned()),
        },
        401 | 404 => BotError::Unauthorised(error.said),
        _ if error.answer.is_passing() => BotError::Failed(error.said),
        _ => BotError::Rejected(error.said),
    })
}

fn not_understood(method: &str) -> BotError {
    BotError::Failed(format!("an answer to {method} that is not the Bot API's"))
}

/// What has no number can't be left behind, and is not Telegram's.
fn update(json: &Value) -> Option<Update> {
    let query = &json["callback_query"];
    let callback = || {
        let user = &query["from"];
        let name = user["username"].as_str().or_else(|| user["first_name"].as_str()).unwrap_or_default();
        Some(Callback {
            query: query["id"].as_str()?.to_owned(),
            user: user["id"].as_i64()?,
            user_name: name.chars().filter(|c| !c.is_control()).take(64).collect(),
            chat: query["message"]["chat"]["id"].as_i64(),
            message: query["message"]["message_id"].as_i64(),
            data: query["data"].as_str()?.to_owned(),
        })
    };
    Some(Update { id: json["update_id"].as_i64()?, callback: callback() })
}
