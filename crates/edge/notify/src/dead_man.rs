//! The dead-man URL: asked (GET) each time the watchdog has arrived. Whoever is behind it raises the alarm when nobody asks.

mod settings;

use cascade_domain::EventTime;
use cascade_wire::Receipt;

pub(crate) use settings::Settings;

use crate::http::Http;
use crate::secret::Redaction;
use crate::{Network, Outcome, Refused, Secret};

/// The sender.
#[derive(Clone, Debug)]
pub(crate) struct DeadMan {
    http: Http,
    url: Secret,
}

impl DeadMan {
    pub(crate) fn try_new(settings: &Settings, network: Network) -> Result<Self, String> {
        let http = Http::try_new(network, false, Redaction::of(&[&settings.url]))?;
        Ok(Self { http, url: settings.url.clone() })
    }

    pub(crate) async fn send(&self, now: EventTime) -> Outcome {
        let answer = match self.http.ask(self.http.client().get(self.url.expose())).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        match answer.status {
            _ if answer.is_success() => {
                Outcome::sent(Receipt { message: Some(answer.status.to_string()), ..Receipt::default() })
            }
            // There is no budget to close: the next sign of life asks again anyway.
            429 => Outcome::Failed(match answer.retry_after(now) {
                Some(after) => format!("HTTP 429, patience of {} s", after.as_secs()),
                None => "HTTP 429".to_owned(),
            }),
            status if answer.is_passing() => Outcome::Failed(format!("HTTP {status}")),
            // Never off for good: a sign of life that is given up is an alarm.
            status => Outcome::refused(Refused::Rejected, format!("HTTP {status}")),
        }
    }
}
