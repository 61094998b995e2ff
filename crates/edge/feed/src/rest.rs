//! The venues' REST answers: which instruments there are. Knows how to ask, page and wait; what an answer means is
//! the protocol's affair.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::Venue;
use cascade_pace::{Backoff, BackoffError, Clock};
use cascade_venues::{DecodeError, Endpoints, Instruments, Method, Protocol, RestRequest};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use tokio::time::{sleep, timeout};

use crate::{install_tls, status, timing};

/// How many answers are read for one venue, first pages and further ones together.
pub const MOST_PAGES: usize = 50;
/// The longest answer, in bytes, unpacked.
pub const MOST_BYTES: usize = 32 << 20;
/// How often one page is asked for before we give up.
pub const MOST_TRIES: u32 = 6;
/// How long one answer may take, in the clock's time, but at least a second on the wall.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The longest wait that we sit out (of the clock); a longer one is handed to the caller.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Why the instruments could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// We were asked to stop.
    #[error("asked to stop")]
    Shutdown,
    /// The venue does not serve us (HTTP 401, 403, 451). Trying again soon does not help.
    #[error("{reason}")]
    Refused {
        /// Whose answer.
        venue: Venue,
        /// The HTTP status.
        status: u16,
        /// What that means, with the venue's name and the way out.
        reason: String,
    },
    /// The venue wants to be left alone for longer than it makes sense to wait here (HTTP 429, 418).
    #[error("{venue} answers HTTP {status}: too many requests; it may be asked again in {} s", .retry_after.as_secs())]
    Limited {
        /// Whose answer.
        venue: Venue,
        /// The HTTP status.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Duration,
    },
    /// No usable answer, as often as we tried.
    #[error("{venue} does not answer {url}: {reason}")]
    Unreachable {
        /// Whose address.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The last reason.
        reason: String,
    },
    /// A status that asking again does not change.
    #[error("{venue} answers HTTP {status} to {url}")]
    Status {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer above [`MOST_BYTES`].
    #[error("the answer of {venue} to {url} is longer than {MOST_BYTES} bytes")]
    TooLarge {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
    },
    /// More than [`MOST_PAGES`] pages.
    #[error("{venue} names its instruments on more than {MOST_PAGES} pages")]
    TooManyPages {
        /// Whose answers.
        venue: Venue,
    },
    /// The answer is not what the protocol knows.
    #[error("the answer of {venue} to {url} is not understood: {error}")]
    NotUnderstood {
        /// Whose answer.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// Why.
        error: DecodeError,
    },
    /// No HTTP client can be built on this machine.
    #[error("no HTTP client: {0}")]
    NoClient(String),
    /// The waits between tries make no sense.
    #[error(transparent)]
    Backoff(#[from] BackoffError),
}

impl RestError {
    /// Whether the same request may succeed if it is made again after a while.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Limited { .. } | Self::Unreachable { .. })
    }
}

/// Hears an answer: what was asked, and the body, unpacked.
pub type Heard<'a> = dyn FnMut(&RestRequest, &[u8]) + Send + 'a;

/// An HTTP client for the venues' public answers. Cheap to clone: clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    seed: u64,
}

/// What a try came to, short of an answer.
enum Failed {
    /// Worth another try, after this long if the venue says so.
    Again { status: Option<u16>, reason: String, retry_after: Option<Duration> },
    /// Not worth another try.
    Lasting(RestError),
}

impl Client {
    /// A client that waits by `clock`; `seed` decides the jitter between tries.
    ///
    /// # Errors
    /// No HTTP client can be built on this machine.
    pub fn try_new(clock: Arc<dyn Clock>, seed: u64) -> Result<Self, RestError> {
        install_tls();
        let http = reqwest::Client::builder()
            .user_agent(concat!("cascade/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| RestError::NoClient(error.to_string()))?;
        Ok(Self { http, clock, seed })
    }

    /// Asks a venue for its instruments: every first request and the pages that follow from it.
    ///
    /// A page is tried [`MOST_TRIES`] times, 0.5 s to 30 s apart; HTTP 429 and 418 wait as long as `Retry-After`
    /// says. `shutdown` wins every race.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn instruments(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Instruments, RestError> {
        self.instruments_heard(protocol, endpoints, &mut |_, _| {}, shutdown).await
    }

    /// As [`Client::instruments`]; and every answer goes to `heard` as it came, before it is understood.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn instruments_heard(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
        heard: &mut Heard<'_>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Instruments, RestError> {
        tokio::select! {
            biased;
            () = shutdown => Err(RestError::Shutdown),
            read = self.read_all(protocol, endpoints, heard) => read,
        }
    }

    async fn read_all(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
        heard: &mut Heard<'_>,
    ) -> Result<Instruments, RestError> {
        let venue = protocol.venue();
        let mut instruments = Instruments::default();
        let mut pages = 0;
        for first in protocol.instrument_requests(endpoints) {
            let mut next = Some(first);
            while let Some(request) = next {
                pages += 1;
                if pages > MOST_PAGES {
                    return Err(RestError::TooManyPages { venue });
                }
                let body = self.page(venue, &request).await?;
                heard(&request, &body);
                next = protocol
                    .read_instruments(&request, &body, &mut instruments)
                    .map_err(|error| RestError::NotUnderstood { venue, url: request.url.clone(), error })?;
            }
        }
        Ok(instruments)
    }

    /// One page, with its tries.
    async fn page(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, RestError> {
        let mut backoff =
            Backoff::try_new(Duration::from_millis(500), Duration::from_secs(30), Duration::MAX, self.seed)?;
        loop {
            let (status, reason, retry_after) = match self.ask(venue, request).await {
                Ok(body) => return Ok(body),
                Err(Failed::Lasting(error)) => return Err(error),
                Err(Failed::Again { status, reason, retry_after }) => (status, reason, retry_after),
            };
            let wait = backoff.after(Duration::ZERO);
            let wait = retry_after.map_or(wait, |asked| asked.max(wait));
            let limited = status.filter(|status| status::asks_for_patience(*status));
            if wait > LONGEST_WAIT || backoff.failures() >= MOST_TRIES {
                let url = request.url.clone();
                return Err(match limited {
                    Some(status) => RestError::Limited { venue, status, retry_after: wait },
                    None => RestError::Unreachable { venue, url, reason },
                });
            }
            tracing::debug!(venue = venue.as_str(), url = request.url, reason, "asking again");
            sleep(self.clock.wall(wait)).await;
        }
    }

    /// One try of one request, for whoever has no time to wait; gives the body.
    pub(crate) async fn once(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, RestError> {
        self.ask(venue, request).await.map_err(|failed| match failed {
            Failed::Lasting(error) => error,
            Failed::Again { status, reason, retry_after } => {
                let url = request.url.clone();
                let retry_after = retry_after.unwrap_or_default();
                match status.filter(|status| status::asks_for_patience(*status)) {
                    Some(status) => RestError::Limited { venue, status, retry_after },
                    None => RestError::Unreachable { venue, url, reason },
                }
            }
        })
    }

    /// When the host at `url` says that it is (`Date`, whole seconds since the epoch), whatever else it answers.
    pub(crate) async fn date(&self, venue: Venue, url: &str) -> Result<i64, RestError> {
        let unreachable = |reason| RestError::Unreachable { venue, url: url.to_owned(), reason };
        let response = self.http.get(url).send().await.map_err(|e| unreachable(root_cause(&e)))?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        let second = since.and_then(|since| i64::try_from(since.as_secs()).ok());
        // What is read to its end leaves the connection to the next question.
        drop(response.bytes().await);
        second.ok_or_else(|| unreachable("its answer says no date".to_owned()))
    }

    /// One try.
    async fn ask(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, Failed> {
        match timeout(timing::patience(&*self.clock, ANSWER_WITHIN), self.answer(venue, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(again("no answer within the time for it")),
        }
    }

    async fn answer(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, Failed> {
        let url = request.url.clone();
        let asked = match &request.method {
            Method::Get => self.http.get(&url),
            Method::Post(body) => {
                self.http.post(&url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
        };
        let mut response = asked.send().await.map_err(|error| again(root_cause(&error)))?;
        let status = response.status().as_u16();
        if let Some(reason) = status::refusal(venue, status) {
            return Err(Failed::Lasting(RestError::Refused { venue, status, reason }));
        }
        if status::asks_for_patience(status) || (500..600).contains(&status) {
            let header = response.headers().get(RETRY_AFTER).map(HeaderValue::as_bytes);
            let retry_after = status::retry_after(header);
            return Err(Failed::Again {
                status: Some(status),
                reason: format!("HTTP {status}"),
                retry_after,
            });
        }
        if !response.status().is_success() {
            return Err(Failed::Lasting(RestError::Status { venue, url, status }));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| again(root_cause(&error)))? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Failed::Lasting(RestError::TooLarge { venue, url }));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn again(reason: impl Into<String>) -> Failed {
    Failed::Again { status: None, reason: reason.into(), retry_after: None }
}

/// The innermost reason of a failure: `connection refused` rather than `error sending request`.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
