//! A Slack webhook (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

mod settings;

use std::time::Duration;

use cascade_domain::{Delivery, EventTime};
use cascade_message::Style;
use cascade_wire::Receipt;
use serde_json::{Value, json};

pub(crate) use settings::{Settings, read};

use crate::http::{Answer, Http};
use crate::secret::Redaction;
use crate::{Budget, Check, Network, Outcome, Refused, Secret, budget};

/// The longest plain text, in characters, before `&`, `<` and `>` are escaped (each five characters at most then).
const LONGEST_TEXT: usize = 2400;

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Slack {
    http: Http,
    url: Secret,
    budget: Budget,
}

impl Slack {
    pub(crate) fn try_new(settings: &Settings, network: Network) -> Result<Self, String> {
        let http = Http::try_new(network, !settings.allow_private, Redaction::of(&[&settings.url]))?;
        let budget = Budget {
            name: budget::name(&["slack", settings.url.expose()]),
            every: Duration::from_secs_f64(1.0 / settings.per_second),
            burst: 1,
            reserve: 0,
        };
        Ok(Self { http, url: settings.url.clone(), budget })
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) async fn send(&self, deliveries: &[Delivery], style: &Style, now: EventTime) -> Outcome {
        let mut answer = match self.ask(&cascade_message::slack(deliveries, style)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.status == 400 && gone(&answer.text()).is_none() {
            answer = match self.ask(&plain(deliveries, style)).await {
                Ok(answer) => answer,
                Err(outcome) => return outcome,
            };
        }
        self.outcome(&answer, now)
    }

    async fn ask(&self, body: &Value) -> Result<Answer, Outcome> {
        self.http.ask(self.http.client().post(self.url.expose()).json(body)).await
    }

    fn outcome(&self, answer: &Answer, now: EventTime) -> Outcome {
        let text = answer.text();
        let said = || self.http.clean(&answer.said(&text));
        match answer.status {
            _ if answer.is_success() => {
                Outcome::sent(Receipt { message: Some(answer.status.to_string()), ..Receipt::default() })
            }
            429 => answer.limited(None, self.budget.name.clone(), now),
            _ if answer.is_passing() => Outcome::Failed(said()),
            400..=499 if let Some(why) = gone(&text) => Outcome::refused(why, said()),
            401 => Outcome::refused(Refused::Unauthorised, said()),
            403 => Outcome::refused(Refused::Forbidden, said()),
            404 | 410 => Outcome::refused(Refused::Gone, said()),
            400 | 413 => Outcome::refused(Refused::Malformed, said()),
            _ => Outcome::refused(Refused::Rejected, said()),
        }
    }

    /// A message without a text is one that a living hook complains of.
    pub(crate) async fn check(&self) -> Check {
        let answer = match self.ask(&json!({})).await {
            Ok(answer) => answer,
            Err(outcome) => return Check::of(outcome),
        };
        match answer.status {
            400 if gone(&answer.text()).is_none() => Check::good("the webhook lives"),
            // It is only asked: no clock is needed for a date that says when to ask again.
            _ => Check::of(self.outcome(&answer, EventTime::from_ms(0))),
        }
    }
}

/// What is over for good, by the word for it; Slack has not always given it the same status.
fn gone(text: &str) -> Option<Refused> {
    match text.trim() {
        "invalid_token" | "token_revoked" => Some(Refused::Unauthorised),
        "action_prohibited" | "posting_to_general_channel_denied" | "team_access_not_granted" => {
            Some(Refused::Forbidden)
        }
        "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "team_disabled"
        | "channel_not_found"
        | "channel_is_archived"
        | "user_not_found" => Some(Refused::Gone),
        _ => None,
    }
}

/// The same without blocks.
fn plain(deliveries: &[Delivery], style: &Style) -> Value {
    let text: String = cascade_message::text(deliveries, style).chars().take(LONGEST_TEXT).collect();
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": escaped, "mrkdwn": false })
}
