//! The venues' REST answers: which instruments there are. Knows how to ask, page and wait, within what each venue
//! takes; what an answer means is the protocol's affair.

mod error;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_domain::{EventTime, Venue};
use cascade_pace::{Backoff, Clock};
use cascade_venues::{Endpoints, Instruments, Method, Protocol, RestRequest};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::time::{sleep, timeout};

pub use error::RestError;

use crate::gate::Gate;
use crate::{away, install_tls, status, timing};

/// How many answers are read for a venue's instruments, or for one question about what was missed.
pub const MOST_PAGES: usize = 50;
/// The longest answer, in bytes, unpacked.
pub const MOST_BYTES: usize = 32 << 20;
/// How often one page is asked for before we give up.
pub const MOST_TRIES: u32 = 6;
/// The longest answer to a question that is asked again and again, in bytes, unpacked: several are under way at once.
pub const MOST_SAMPLE_BYTES: usize = 4 << 20;
/// What one answer may take.
const PATIENT: Bounds = Bounds { within: Duration::from_secs(30), most_bytes: MOST_BYTES };
/// The same where the question is soon asked again.
const BRISK: Bounds = Bounds { within: Duration::from_secs(10), most_bytes: MOST_SAMPLE_BYTES };
/// The longest wait that we sit out (of the clock); a longer one is handed to the caller.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// The longest wait between two tries, if nobody asks for more.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// The longest wait that we sit out if we are to blame (HTTP 429): whoever looks at the feed shall see it soon.
const LONGEST_LIMITED: Duration = Duration::from_mins(1);

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

/// What an answer may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// How long, in the clock's time, but at least a second on the wall.
    within: Duration,
    /// Bytes, unpacked.
    most_bytes: usize,
}

/// One try of a request.
#[derive(Clone, Copy, Debug)]
struct Try<'a> {
    venue: Venue,
    request: &'a RestRequest,
    bounds: Bounds,
    /// Who is told what the answer says of the venue's limits.
    gate: Option<&'a Gate>,
}

/// What a try came to, short of an answer.
enum Failed {
    /// Worth another try, after being away for so long; `retry_after` = what the venue says itself.
    Again { status: Option<u16>, reason: String, retry_after: Option<Duration>, away: Duration },
    /// Not worth another try.
    Lasting(RestError),
}

impl Failed {
    /// The error of whoever does not try again.
    fn into_error(self, venue: Venue, request: &RestRequest) -> RestError {
        match self {
            Self::Lasting(error) => error,
            Self::Again { status, reason, retry_after, away } => {
                let url = request.url.clone();
                match status.filter(|status| status::asks_for_patience(*status)) {
                    Some(status) => RestError::Limited { venue, status, retry_after: away },
                    None => {
                        RestError::Unreachable { venue, url, reason, retry_after: retry_after.map(|_| away) }
                    }
                }
            }
        }
    }
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
        let venue = protocol.venue();
        let mut backoff =
            Backoff::try_new(Duration::from_millis(500), LONGEST_BACKOFF, Duration::MAX, self.seed)?;
        loop {
            let (status, reason, retry_after, away) = match self.admitted(protocol, request, PATIENT).await {
                Ok(body) => return Ok(body),
                Err(Failed::Lasting(error)) => return Err(error),
                Err(Failed::Again { status, reason, retry_after, away }) => {
                    (status, reason, retry_after, away)
                }
            };
            let pause = backoff.after(Duration::ZERO);
            let wait = away + pause;
            let limited = status.filter(|status| status::asks_for_patience(*status));
            let longest = if limited.is_some() { LONGEST_LIMITED + LONGEST_BACKOFF } else { LONGEST_WAIT };
            if wait > longest || backoff.failures() >= MOST_TRIES {
                let away = if limited.is_some() { away.max(pause) } else { away };
                return Err(Failed::Again { status, reason, retry_after, away }.into_error(venue, request));
            }
            tracing::debug!(venue = venue.as_str(), url = request.url, reason, "asking again");
            sleep(self.clock.wall(wait)).await;
        }
    }

    /// One try of a question that has its next turn soon anyway, within the venue's limits. Who is turned down keeps
    /// everybody else away as well, for as long as the table says; [`RestError::away`] tells it.
    pub(crate) async fn try_once(
        &self,
        protocol: &dyn Protocol,
        request: &RestRequest,
    ) -> Result<Vec<u8>, RestError> {
        let answer = self.admitted(protocol, request, BRISK).await;
        answer.map_err(|failed| failed.into_error(protocol.venue(), request))
    }

    /// Leaves a venue alone until then, at most a day from now: somebody else at this address was asked to. An earlier
    /// wish for a later time stands.
    pub fn close_until(&self, protocol: &dyn Protocol, until: EventTime) {
        let latest_ns = self.clock.now_ns().saturating_add(timing::nanoseconds(away::LONGEST));
        self.gate(protocol).close_until(until.ms().saturating_mul(1_000_000).min(latest_ns));
    }

    /// Until when a venue is left alone, in nanoseconds of the clock; that may be over.
    pub(crate) fn closed_until_ns(&self, protocol: &dyn Protocol) -> i64 {
        self.gate(protocol).closed_until_ns()
    }

    /// One try, as soon as the venue takes it.
    async fn admitted(
        &self,
        protocol: &dyn Protocol,
        request: &RestRequest,
        bounds: Bounds,
    ) -> Result<Vec<u8>, Failed> {
        let (venue, gate) = (protocol.venue(), self.gate(protocol));
        let _pass = gate.admit(&*self.clock, (venue, "rest")).await;
        let mut answer = self.ask(Try { venue, request, bounds, gate: Some(&gate) }).await;
        match &mut answer {
            Ok(body) => {
                gate.served(&*self.clock);
                if let Some(tap) = &self.tap {
                    tap(request, self.clock.now_ns(), body);
                }
            }
            Err(Failed::Lasting(RestError::Refused { status, retry_after, .. })) => {
                gate.away_after_status(*status, Some(*retry_after), &*self.clock);
            }
            Err(Failed::Again { status: Some(status), retry_after, away, .. }) => {
                *away = gate.away_after_status(*status, *retry_after, &*self.clock);
            }
            Err(_) => {}
        }
        answer
    }

    /// The clock's time.
    pub(crate) fn now(&self) -> EventTime {
        self.clock.now()
    }

    /// What the venue takes of REST requests, counted.
    fn gate(&self, protocol: &dyn Protocol) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = || Arc::new(Gate::for_requests(&protocol.limits()));
        Arc::clone(gates.entry(protocol.venue()).or_insert_with(gate))
    }

    /// One try of one request, for whoever has no time to wait; gives the body.
    pub(crate) async fn once(&self, venue: Venue, request: &RestRequest) -> Result<Vec<u8>, RestError> {
        let answer = self.ask(Try { venue, request, bounds: PATIENT, gate: None }).await;
        answer.map_err(|failed| failed.into_error(venue, request))
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
    async fn ask(&self, asked: Try<'_>) -> Result<Vec<u8>, Failed> {
        match timeout(timing::patience(&*self.clock, asked.bounds.within), self.answer(asked)).await {
            Ok(answer) => answer,
            Err(_) => Err(again("no answer within the time for it")),
        }
    }

    async fn answer(&self, Try { venue, request, bounds, gate }: Try<'_>) -> Result<Vec<u8>, Failed> {
        let url = request.url.clone();
        let asked = match &request.method {
            Method::Get => self.http.get(&url),
            Method::Post(body) => {
                self.http.post(&url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
        };
        let mut response = asked.send().await.map_err(|error| again(root_cause(&error)))?;
        if let Some(gate) = gate
            && let Some(header) = gate.weight_header()
            && let Some(used) = whole(response.headers(), header)
        {
            gate.weighed(venue, used, &*self.clock);
        }
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
                away: away::after_status(status, retry_after, 0),
            });
        }
        if !response.status().is_success() {
            return Err(Failed::Lasting(RestError::Status { venue, url, status }));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| again(root_cause(&error)))? {
            if body.len() + chunk.len() > bounds.most_bytes {
                return Err(Failed::Lasting(RestError::TooLarge { venue, url, most: bounds.most_bytes }));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn again(reason: impl Into<String>) -> Failed {
    Failed::Again { status: None, reason: reason.into(), retry_after: None, away: Duration::ZERO }
}

/// A header that is a whole number.
fn whole(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The innermost reason of a failure: `connection refused` rather than `error sending request`.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
