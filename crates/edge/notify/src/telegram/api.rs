//! The Bot API's way of asking and answering (<https://core.telegram.org/bots/api#making-requests>).
//!
//! Knows methods by name only; what an error means is the asker's.

use cascade_domain::EventTime;
use serde_json::Value;

use crate::http::{Answer, Http};
use crate::secret::Redaction;
use crate::{Network, Outcome, Secret};

/// A bot, as it is asked. Clones share connections.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) http: Http,
    base_url: String,
    token: Secret,
}

/// What was answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// `ok`: the result. `None` = it was cut off, and was good as far as it came.
    Result(Option<Value>),
    /// Not `ok`.
    Error(ApiError),
}

/// An answer that is not `ok`.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) answer: Answer,
    /// `error_code`, which is the HTTP status.
    pub(crate) code: u16,
    /// `description`, without secrets.
    pub(crate) said: String,
    /// `parameters.retry_after`, seconds.
    pub(crate) retry_after: Option<f64>,
    /// `parameters.migrate_to_chat_id`.
    pub(crate) migrate_to: Option<i64>,
}

impl Api {
    pub(crate) fn try_new(base_url: &str, token: &Secret, network: Network) -> Result<Self, String> {
        let http = Http::try_new(network, false, Redaction::of(&[token]))?;
        Ok(Self { http, base_url: base_url.to_owned(), token: token.clone() })
    }

    /// Asks a method.
    ///
    /// # Errors
    /// There is no answer of the Bot API's: the outcome that this is.
    pub(crate) async fn ask(&self, method: &str, body: &Value) -> Result<Reply, Outcome> {
        let url = format!("{}/bot{}/{method}", self.base_url, self.token.expose());
        let answer = self.http.ask(self.http.client().post(url).json(body)).await?;
        let json = answer.json();
        if answer.is_success() {
            return match json {
                Some(mut json) if json["ok"] == true => Ok(Reply::Result(Some(json["result"].take()))),
                None if !answer.is_whole => Ok(Reply::Result(None)),
                _ => Err(Outcome::Failed("an answer that is not the Bot API's".to_owned())),
            };
        }
        let json = json.unwrap_or_default();
        let said = json["description"].as_str().map_or_else(|| answer.text(), str::to_owned);
        Ok(Reply::Error(ApiError {
            code: answer.status,
            said: self.http.clean(&answer.said(&said)),
            retry_after: json["parameters"]["retry_after"].as_f64(),
            migrate_to: json["parameters"]["migrate_to_chat_id"].as_i64(),
            answer,
        }))
    }
}

impl ApiError {
    /// Whether the description has one of these words, whatever their case.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let said = self.said.to_ascii_lowercase();
        words.iter().any(|word| said.contains(word))
    }

    /// The outcome of a 429.
    pub(crate) fn limited(&self, budget: &str, now: EventTime) -> Outcome {
        self.answer.limited(self.retry_after, budget.to_owned(), now)
    }
}
