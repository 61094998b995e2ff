//! A generic webhook, signed by Standard Webhooks 1.0 (<https://www.standardwebhooks.com>).

mod settings;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cascade_domain::{Delivery, EventTime};
use cascade_message::Style;
use cascade_wire::Receipt;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use sha2::Sha256;
use url::Url;

pub(crate) use settings::Settings;

use crate::address::{PrivateTarget, is_plainly_private};
use crate::http::{Answer, Http};
use crate::secret::{Hidden, Redaction};
use crate::{Budget, Check, Network, Outcome, Refused, budget};

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    http: Http,
    settings: Settings,
    url: Hidden<Url>,
    budget: Budget,
}

impl Webhook {
    pub(crate) fn try_new(settings: &Settings, network: Network) -> Result<Self, String> {
        let mut secrets = vec![&settings.url];
        secrets.extend(&settings.secret);
        let http = Http::try_new(network, !settings.allow_private, Redaction::of(&secrets))?;
        // Any window of a second holds what is configured: a third at once, the rest one by one.
        let budget = Budget {
            name: budget::name(&["webhook", settings.url.expose()]),
            every: Duration::from_secs_f64(1.5 / settings.per_second),
            burst: burst(settings.per_second / 3.0),
            reserve: 0,
        };
        Ok(Self { http, settings: settings.clone(), url: Hidden(settings.url()?), budget })
    }

    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// One request a delivery.
    pub(crate) async fn send(&self, deliveries: &[Delivery], style: &Style, now: EventTime) -> Outcome {
        let mut last = Outcome::Failed("nothing to tell".to_owned());
        for delivery in deliveries {
            let body = cascade_message::webhook(delivery, style).to_string();
            last = self.post(&delivery.row.to_string(), body, now).await;
            match &mut last {
                Outcome::Sent { receipt, .. } => receipt.editable = deliveries.len() == 1,
                _ => return last,
            }
        }
        last
    }

    async fn post(&self, id: &str, body: String, now: EventTime) -> Outcome {
        if let Some(outcome) = self.private_target() {
            return outcome;
        }
        let timestamp = now.ms().div_euclid(1000).to_string();
        let mut request = self
            .http
            .client()
            .post(self.url.0.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &timestamp);
        if let Some(secret) = &self.settings.secret {
            let key = settings::key(secret).unwrap_or_default();
            request = request.header("webhook-signature", signature(&key, id, &timestamp, &body));
        }
        match self.http.ask(request.body(body)).await {
            Ok(answer) => self.outcome(&answer, now),
            Err(outcome) => outcome,
        }
    }

    /// An address that is written as a number is not looked up, so the resolver never sees it.
    fn private_target(&self) -> Option<Outcome> {
        let is_refused = !self.settings.allow_private && is_plainly_private(&self.url.0);
        is_refused.then(|| Outcome::refused(Refused::PrivateTarget, PrivateTarget.to_string()))
    }

    fn outcome(&self, answer: &Answer, now: EventTime) -> Outcome {
        let said = || self.http.clean(&answer.said(&answer.text()));
        match answer.status {
            _ if answer.is_success() => Outcome::sent(Receipt {
                message: Some(answer.status.to_string()),
                editable: true,
                ..Receipt::default()
            }),
            429 => answer.limited(None, self.budget.name.clone(), now),
            503 if answer.retry_after(now).is_some() => answer.limited(None, self.budget.name.clone(), now),
            _ if answer.is_passing() => Outcome::Failed(said()),
            300..=399 => Outcome::refused(
                Refused::Rejected,
                format!("HTTP {}: redirects are not followed", answer.status),
            ),
            // The one answer by which a receiver takes itself off the list. Any other may be a mistake of a day.
            410 => Outcome::refused(Refused::Gone, said()),
            400 | 413 | 415 | 422 => Outcome::refused(Refused::Malformed, said()),
            _ => Outcome::refused(Refused::Rejected, said()),
        }
    }

    /// Any answer means that the address is reachable and its certificate good.
    pub(crate) async fn check(&self) -> Check {
        if let Some(outcome) = self.private_target() {
            return Check::of(outcome);
        }
        match self.http.ask(self.http.client().request(Method::HEAD, self.url.0.clone())).await {
            Ok(answer) if answer.status == 410 => Check::bad("HTTP 410: the receiver wants nothing any more"),
            Ok(answer) => Check::good(format!("reachable (HTTP {} to HEAD)", answer.status)),
            Err(outcome) => Check::of(outcome),
        }
    }
}

fn signature(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    // A key of any length is good for an HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// A number of messages at once, at least one.
pub(crate) fn burst(messages: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held to the range before")]
    let whole = messages.clamp(1.0, 10_000.0) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn the_signature_is_the_one_of_the_standard() {
        // The example of the Standard Webhooks specification and its reference libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let key = settings::key(&secret);
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key.unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
