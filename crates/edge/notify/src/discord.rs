//! A Discord webhook (<https://discord.com/developers/docs/resources/webhook>).

mod settings;

use std::time::Duration;

use cascade_domain::{Delivery, EventTime};
use cascade_message::Style;
use cascade_wire::Receipt;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

pub(crate) use settings::{Settings, read};

use crate::http::{Answer, Http, seconds_of};
use crate::secret::{Hidden, Redaction};
use crate::webhook::burst;
use crate::{Budget, Check, Network, Outcome, Refused, budget};

/// The longest content, in UTF-16 units: never less than Discord counts.
const LONGEST_CONTENT: usize = 2000;
/// `Unknown Message`, in the body of a 404.
const UNKNOWN_MESSAGE: i64 = 10_008;

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Discord {
    http: Http,
    url: Hidden<Url>,
    budget: Budget,
}

impl Discord {
    pub(crate) fn try_new(settings: &Settings, network: Network) -> Result<Self, String> {
        let http = Http::try_new(network, !settings.allow_private, Redaction::of(&[&settings.url]))?;
        // Five in two seconds: two at once and then one each 0.67 s are never more.
        let budget = Budget {
            name: budget::name(&["discord", settings.url.expose()]),
            every: Duration::from_secs_f64(1.0 / settings.per_second),
            burst: burst(settings.per_second * 4.0 / 3.0),
            reserve: 0,
        };
        let url = Url::parse(settings.url.expose()).map_err(|e| e.to_string())?;
        Ok(Self { http, url: Hidden(url), budget })
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) async fn send(
        &self,
        deliveries: &[Delivery],
        style: &Style,
        told: Option<&Receipt>,
        now: EventTime,
    ) -> Outcome {
        let mut edit = told.filter(|told| told.editable).and_then(|told| told.message.as_deref());
        let mut body = cascade_message::discord(deliveries, style);
        let mut is_plain = false;
        loop {
            let answer = match self.ask(edit, &body).await {
                Ok(answer) => answer,
                Err(outcome) => return outcome,
            };
            if answer.is_success() {
                return self.taken(&answer, edit, deliveries);
            }
            let said = answer.json().unwrap_or_default();
            if answer.status == 400 && !is_plain {
                (body, is_plain) = (plain(deliveries, style), true);
            } else if answer.status == 404 && edit.is_some() && said["code"] == UNKNOWN_MESSAGE {
                edit = None;
            } else {
                return self.outcome(&answer, &said, now);
            }
        }
    }

    async fn ask(&self, edit: Option<&str>, body: &Value) -> Result<Answer, Outcome> {
        let mut url = self.url.0.clone();
        let method = if edit.is_some() { Method::PATCH } else { Method::POST };
        if let (Some(message), Ok(mut path)) = (edit, url.path_segments_mut()) {
            path.extend(["messages", message]);
        }
        if edit.is_none() {
            url.query_pairs_mut().append_pair("wait", "true");
        }
        self.http.ask(self.http.client().request(method, url).json(body)).await
    }

    fn taken(&self, answer: &Answer, edit: Option<&str>, deliveries: &[Delivery]) -> Outcome {
        let is_id = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let json = answer.json().unwrap_or_default();
        let message = edit.or_else(|| json["id"].as_str()).filter(is_id).map(str::to_owned);
        let editable = message.is_some() && deliveries.len() == 1;
        let number = |name| answer.header(name).and_then(|text| text.parse::<f64>().ok());
        let is_used_up = number("x-ratelimit-remaining").is_some_and(|remaining| remaining < 1.0);
        let reset = number("x-ratelimit-reset-after").and_then(seconds_of).filter(|_| is_used_up);
        let close = reset.map(|after| (self.budget.name.clone(), after));
        Outcome::Sent { receipt: Receipt { message, editable, ..Receipt::default() }, close }
    }

    fn outcome(&self, answer: &Answer, json: &Value, now: EventTime) -> Outcome {
        let said = || {
            let text = json["message"].as_str().map_or_else(|| answer.text(), str::to_owned);
            self.http.clean(&answer.said(&text))
        };
        match answer.status {
            429 => answer.limited(json["retry_after"].as_f64(), self.budget.name.clone(), now),
            _ if answer.is_passing() => Outcome::Failed(said()),
            // For good, and at once: 10,000 of these in ten minutes ban the address.
            401 => Outcome::refused(Refused::Unauthorised, said()),
            403 => Outcome::refused(Refused::Forbidden, said()),
            404 => Outcome::refused(Refused::Gone, said()),
            400 | 413 => Outcome::refused(Refused::Malformed, said()),
            _ => Outcome::refused(Refused::Rejected, said()),
        }
    }

    pub(crate) async fn check(&self) -> Check {
        let mut url = self.url.0.clone();
        url.set_query(None);
        let answer = match self.http.ask(self.http.client().get(url)).await {
            Ok(answer) => answer,
            Err(outcome) => return Check::of(outcome),
        };
        let json = answer.json().unwrap_or_default();
        if answer.is_success() {
            let name = json["name"].as_str().unwrap_or("a webhook without a name");
            return Check::good(self.http.clean(name));
        }
        // It is only asked: no clock is needed for a date that says when to ask again.
        Check::of(self.outcome(&answer, &json, EventTime::from_ms(0)))
    }
}

/// The same without embeds.
fn plain(deliveries: &[Delivery], style: &Style) -> Value {
    let text = cascade_message::text(deliveries, style);
    let mut content = String::new();
    let mut units = 0;
    for c in text.chars() {
        units += c.len_utf16();
        if units > LONGEST_CONTENT {
            break;
        }
        content.push(c);
    }
    json!({ "content": content, "embeds": [], "allowed_mentions": { "parse": [] } })
}
