//! The venues' REST answers: which instruments there are. Knows how to ask, page and wait, within what each venue
//! takes; what an answer means is the protocol's affair.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_domain::{EventTime, Venue};
use cascade_pace::{Backoff, BackoffError, Clock};
use cascade_venues::{DecodeError, Endpoints, Instruments, Method, Protocol, RestRequest};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use tokio::time::{sleep, timeout};

use crate::gate::Gate;
use crate::{away, install_tls, status, timing};

/// How many answers are read for a venue's instruments, or for one question about what was missed.
pub const MOST_PAGES: usize = 50;
/// The longest answer, in bytes, unpacked.
pub const MOST_BYTES: usize = 32 << 20;
/// How often one page is asked for before we give up.
pub const MOST_TRIES: u32 = 6;
/// How long one answer may take, in the clock's time, but at least a second on the wall.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The longest wait that we sit out (of the clock); a longer one is handed to the caller.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// The longest wait between two tries, if nobody asks for more.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// The longest wait that we sit out if we are to blame (HTTP 429): whoever looks at the feed shall see it soon.
const LONGEST_LIMITED: Duration = Duration::from_mins(1);

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
        /// When it may be asked again: how long such an answer usually stands.
        retry_after: Duration,
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
    #[error("{venue} does not answer: {reason} ({url})")]
    Unreachable {
        /// Whose address.
        venue: Venue,
        /// What was asked for.
        url: String,
        /// The last reason.
        reason: String,
        /// How long it wants to be left alone, if it said so.
        retry_after: Option<Duration>,
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
    #[error("{venue} answers on more than {MOST_PAGES} pages")]
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

    /// How long the venue is to be left alone, in the clock's time; zero where it is up to whoever asks.
    pub fn away(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } | Self::Limited { retry_after, .. } => *retry_after,
            Self::Unreachable { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

/// Hears every answer as it came: what was asked, when the answer was there (nanoseconds of the clock since the Unix
/// epoch), and the body, unpacked. It returns at once.
pub type Tap = Arc<dyn Fn(&RestRequest, i64, &[u8]) + Send + Sync>;

/// An HTTP client for the venues' public answers. Cheap to clone: clones share their connections, and what each venue
/// takes.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    seed: u64,
    gates: Arc<Mutex<BTreeMap<Venue, Arc<Gate>>>>,
    tap: Option<Tap>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("clock", &self.clock).finish_non_exhaustive()
    }
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
        Ok(Self { http, clock, seed, gates: Arc::default(), tap: None })
    }

    /// The same client; every answer that is read goes to `tap` as well.
    #[must_use]
    pub fn with_tap(self, tap: Tap) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// Asks a venue for its instruments: every first request and the pages that follow from it.
    ///
    /// A page is tried [`MOST_TRIES`] times, 0.5 s to 30 s apart, within the venue's limits; how long each refusal
    /// keeps us away says one table for REST and WebSockets (`away.rs`). `shutdown` wins every race.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn instruments(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Instruments, RestError> {
        tokio::select! {
            biased;
            () = shutdown => Err(RestError::Shutdown),
            read = self.read_all(protocol, endpoints) => read,
        }
    }

    async fn read_all(
        &self,
        protocol: &dyn Protocol,
        endpoints: &Endpoints,
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
                let body = self.page(protocol, &request).await?;
                next = protocol
                    .read_instruments(&request, &body, &mut instruments)
                    .map_err(|error| RestError::NotUnderstood { venue, url: request.url.clone(), error })?;
            }
        }
        Ok(instruments)
    }

    /// One page, with its tries.
    pub(crate) async fn page(
        &self,
        protocol: &dyn Protocol,
        request: &RestRequest,
    ) -> Result<Vec<u8>, RestError> {
        let (venue, gate) = (protocol.venue(), self.gate(protocol));
        let mut backoff =
            Backoff::try_new(Duration::from_millis(500), LONGEST_BACKOFF, Duration::MAX, self.seed)?;
        loop {
            let pass = gate.admit(&*self.clock, (venue, "rest")).await;
            let answer = self.ask(venue, request).await;
            drop(pass);
            let (status, reason, retry_after) = match answer {
                Ok(body) => {
                    gate.served();
                    if let Some(tap) = &self.tap {
                        tap(request, self.clock.now_ns(), &body);
                    }
                    return Ok(body);
                }
                Err(Failed::Lasting(error)) => {
                    if let RestError::Refused { status, retry_after, .. } = &error {
                        gate.away_after_status(*status, Some(*retry_after), &*self.clock);
                    }
                    return Err(error);
                }
                Err(Failed::Again { status, reason, retry_after }) => (status, reason, retry_after),
            };
            let away = status
                .map_or(Duration::ZERO, |status| gate.away_after_status(status, retry_after, &*self.clock));
            let pause = backoff.after(Duration::ZERO);
            let wait = away + pause;
            let limited = status.filter(|status| status::asks_for_patience(*status));
            let longest = if limited.is_some() { LONGEST_LIMITED + LONGEST_BACKOFF } else { LONGEST_WAIT };
            if wait > longest || backoff.failures() >= MOST_TRIES {
                let url = request.url.clone();
                return Err(match limited {
                    Some(status) => RestError::Limited { venue, status, retry_after: away.max(pause) },
                    None => {
                        RestError::Unreachable { venue, url, reason, retry_after: retry_after.map(|_| away) }
                    }
                });
            }
            tracing::debug!(venue = venue.as_str(), url = request.url, reason, "asking again");
            sleep(self.clock.wall(wait)).await;
        }
    }

    /// The clock's time.
    pub(crate) fn now(&self) -> EventTime {
        self.clock.now()
    }

    /// What the venue takes of REST requests, counted.
    fn gate(&self, protocol: &dyn Protocol) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = || Arc::new(Gate::for_requests(protocol.limits().rest));
        Arc::clone(gates.entry(protocol.venue()).or_insert_with(gate))
    }

    /// One try of one request, for whoever has no time to wait; gives the body.
    pub(crate) async fn once(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, RestError> {
        self.ask(venue, request).await.map_err(|failed| match failed {
            Failed::Lasting(error) => error,
            Failed::Again { status, reason, retry_after } => {
                let url = request.url.clone();
                match status.filter(|status| status::asks_for_patience(*status)) {
                    Some(status) => RestError::Limited {
                        venue,
                        status,
                        retry_after: away::after_status(status, retry_after, 0),
                    },
                    None => RestError::Unreachable { venue, url, reason, retry_after },
                }
            }
        })
    }

    /// When the host at `url` says that it is (`Date`, whole seconds since the epoch), whatever else it answers.
    pub(crate) async fn date(&self, venue: Venue, url: &str) -> Result<i64, RestError> {
        let unreachable =
            |reason| RestError::Unreachable { venue, url: url.to_owned(), reason, retry_after: None };
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
        let header = response.headers().get(RETRY_AFTER).map(HeaderValue::as_bytes);
        let retry_after = status::retry_after(header);
        if let Some(reason) = status::refusal(venue, status) {
            let retry_after = away::after_status(status, retry_after, 0);
            return Err(Failed::Lasting(RestError::Refused { venue, status, reason, retry_after }));
        }
        if status::asks_for_patience(status) || (500..600).contains(&status) {
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
