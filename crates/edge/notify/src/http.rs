//! One question to a provider: bounded in time and size, no redirects, no proxies, and nothing secret in what it says.
//!
//! Knows no provider.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::EventTime;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::address::{PrivateTarget, PublicOnly};
use crate::secret::Redaction;
use crate::{Network, Outcome, Refused};

/// The most of an answer that is read, bytes.
const MOST_BYTES: usize = 64 << 10;
/// How long establishing a connection may take at most.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// How long we stay away where a provider says that it is too much, and not for how long.
const UNTOLD_WAIT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: less than providers keep theirs, so that a message rarely meets a closed one.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
/// Nobody keeps us away for longer than that by one word.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A client for one destination. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    redaction: Redaction,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// At most [`MOST_BYTES`].
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
}

impl Http {
    /// `public_only` = names that resolve to private addresses are refused.
    pub(crate) fn try_new(network: Network, public_only: bool, redaction: Redaction) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cascade/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(LONGEST_CONNECT.min(network.timeout))
            .timeout(network.timeout)
            .pool_idle_timeout(LONGEST_IDLE)
            .no_proxy();
        if public_only {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        let client = builder.build().map_err(|e| format!("no HTTP client: {}", e.without_url()))?;
        Ok(Self { client, redaction })
    }

    /// The client, to make a request of.
    pub(crate) const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A text of a provider's, fit to be shown.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redaction.clean(text)
    }

    /// Asks once.
    ///
    /// # Errors
    /// There is no answer: the outcome that this is.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Outcome> {
        let mut response = request.send().await.map_err(|error| self.failure(error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (mut body, mut is_whole) = (Vec::new(), false);
        // From here on it was answered, and that counts: what can't be read of the body is only missing in it.
        while body.len() < MOST_BYTES {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => {
                    is_whole = true;
                    break;
                }
                Err(_) => break,
            }
        }
        body.truncate(MOST_BYTES);
        Ok(Answer { status, headers, body, is_whole })
    }

    fn failure(&self, error: reqwest::Error) -> Outcome {
        let error = error.without_url();
        let mut cause: &(dyn std::error::Error + 'static) = &error;
        loop {
            if cause.is::<PrivateTarget>() {
                return Outcome::refused(Refused::PrivateTarget, cause.to_string());
            }
            match cause.source() {
                Some(inner) => cause = inner,
                None => break,
            }
        }
        let said =
            if error.is_timeout() { "no answer in time".to_owned() } else { self.clean(&cause.to_string()) };
        if error.is_connect() || error.is_builder() {
            Outcome::Failed(said)
        } else {
            Outcome::Unanswered(said)
        }
    }
}

impl Answer {
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What is worth another try: of the 4xx only these; 429 has its own way.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 425 | 500..)
    }

    /// The status, and what was said besides, if anything.
    pub(crate) fn said(&self, text: &str) -> String {
        let said = text.trim();
        if said.is_empty() {
            format!("HTTP {}", self.status)
        } else {
            format!("HTTP {}: {said}", self.status)
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header that is a text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// How long `Retry-After` asks to stay away, as seconds or as a date.
    pub(crate) fn retry_after(&self, now: EventTime) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return seconds_of(seconds);
        }
        let until = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let until_ms = i64::try_from(until.as_millis()).ok()?;
        let ms = u64::try_from(EventTime::from_ms(until_ms).since(now)).unwrap_or(0);
        Some(Duration::from_millis(ms).min(LONGEST_WAIT))
    }

    /// The outcome of a 429, or of another answer that says for how long to stay away. `told` = what the body says.
    pub(crate) fn limited(&self, told: Option<f64>, budget: String, now: EventTime) -> Outcome {
        let body = told.and_then(seconds_of);
        // Where both speak, the longer wait breaks neither.
        let after = body.max(self.retry_after(now)).unwrap_or(UNTOLD_WAIT);
        Outcome::RetryAfter { after, budget }
    }
}

/// A wait of so many seconds; `None` = that is no wait.
pub(crate) fn seconds_of(seconds: f64) -> Option<Duration> {
    let longest = LONGEST_WAIT.as_secs_f64();
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(longest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(retry_after: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        Answer { status: 429, headers, body: Vec::new(), is_whole: true }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = EventTime::from_ms(1_445_412_470_000); // Wed, 21 Oct 2015 07:27:50 GMT
        let wait = |text| answer(text).retry_after(now);
        assert_eq!(wait("3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!((wait("soon"), wait("-1"), wait("NaN")), (None, None, None));
        assert_eq!(wait("1e30"), Some(LONGEST_WAIT));
    }

    #[test]
    fn the_longer_wait_of_two_is_kept_and_an_untold_one_is_not_zero() {
        let now = EventTime::from_ms(0);
        let after = |answer: &Answer, told| match answer.limited(told, String::new(), now) {
            Outcome::RetryAfter { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&answer("1"), Some(2.5)), Duration::from_millis(2500));
        assert_eq!(after(&answer("7"), Some(2.5)), Duration::from_secs(7));
        assert_eq!(after(&answer("soon"), None), UNTOLD_WAIT);
    }
}
