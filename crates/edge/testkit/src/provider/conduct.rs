//! How a fake behaves, and how its client does: misbehaviour that is due, times in which nothing may come, rates, and the
//! rules that were broken.
//!
//! Knows no provider.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::server::Cut;

/// What arrives so soon after we asked to be left alone was under way already.
const UNDER_WAY: Duration = Duration::from_millis(500);
/// How early a client may come back: clocks are read in whole milliseconds here and there.
const EARLY: Duration = Duration::from_millis(25);

/// How a fake answers a message, other than well.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// 429: to be left alone for so long; whole seconds where the provider tells whole seconds. Coming earlier is a violation.
    TooMany(Duration),
    /// 503 with `Retry-After`, which a webhook's client obeys like a 429.
    Unavailable(Duration),
    /// 500.
    ServerError,
    /// 502 with a page of HTML, as proxies answer.
    BadGateway,
    /// Takes nothing and never answers.
    Hang,
    /// Takes the message; the answer breaks off half way.
    CloseHalfWay,
    /// Takes the message and closes the connection without an answer.
    TakeAndClose,
    /// Takes the message and never answers.
    TakeAndHang,
    /// Takes nothing: this status with this body.
    Status(u16, String),
    /// Takes nothing: a redirect to there.
    Redirect(String),
}

/// At most `most` in any `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub most: u32,
    /// In so long, wall time.
    pub within: Duration,
}

impl Rate {
    /// At most `most` in any window of so many milliseconds.
    pub const fn new(most: u32, within_ms: u64) -> Self {
        Self { most, within: Duration::from_millis(within_ms) }
    }
}

/// How a fake behaves, and how its client does.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    next: VecDeque<Behaviour>,
    mixed: Option<Mixed>,
    /// Nothing may come in this time.
    closed: Option<(Instant, Instant)>,
    seen: BTreeMap<String, VecDeque<Instant>>,
    /// Since when each of these has been dead, and that was told.
    dead: BTreeMap<String, Instant>,
    violations: Vec<String>,
    requests: u64,
}

#[derive(Debug)]
struct Mixed {
    state: u64,
    one_in: u64,
    of: Vec<Behaviour>,
}

impl Mixed {
    /// splitmix64.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn next(&mut self) -> Option<Behaviour> {
        let count = u64::try_from(self.of.len()).unwrap_or(u64::MAX);
        if count == 0 || !self.draw().is_multiple_of(self.one_in) {
            return None;
        }
        let at = usize::try_from(self.draw() % count).unwrap_or(0);
        self.of.get(at).cloned()
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

impl Conduct {
    pub(crate) fn behave(&mut self, behaviour: Behaviour, times: usize) {
        self.next.extend(std::iter::repeat_n(behaviour, times));
    }

    pub(crate) fn misbehave(&mut self, seed: u64, one_in: u64, of: &[Behaviour]) {
        self.mixed = Some(Mixed { state: seed, one_in: one_in.max(1), of: of.to_vec() });
    }

    pub(crate) fn behave_well(&mut self) {
        (self.mixed, self.next) = (None, VecDeque::new());
    }

    /// A message arrives: how it is to be answered, other than well.
    pub(crate) fn arrive(&mut self) -> Option<Behaviour> {
        self.requests += 1;
        let now = instant();
        if let Some((since, until)) = self.closed
            && now + EARLY < until
        {
            if now > since + UNDER_WAY {
                let early = (until - now).as_secs_f64();
                self.violate(format!("a message {early:.3} s before the end of a 429's wait"));
            }
            return Some(Behaviour::TooMany(until - now));
        }
        self.next.pop_front().or_else(|| self.mixed.as_mut().and_then(Mixed::next))
    }

    /// From now on nothing may come for so long.
    pub(crate) fn close(&mut self, wait: Duration) {
        let now = instant();
        let until = now + wait;
        if self.closed.is_none_or(|(_, closed)| closed < until) {
            // Who was told of an earlier wait knows already.
            let since = self.closed.filter(|(_, closed)| *closed > now).map_or(now, |(since, _)| since);
            self.closed = Some((since, until));
        }
    }

    /// A message is about to be taken: over the rate it is a violation, and this is how long to wait.
    pub(crate) fn count(&mut self, what: &str, rate: Rate) -> Result<(), Duration> {
        let now = instant();
        let seen = self.seen.entry(what.to_owned()).or_default();
        while seen.front().is_some_and(|first| now.duration_since(*first) >= rate.within) {
            seen.pop_front();
        }
        let most = usize::try_from(rate.most).unwrap_or(usize::MAX);
        if seen.len() >= most
            && let Some(first) = seen.front()
        {
            let wait = rate.within.saturating_sub(now.duration_since(*first));
            self.violate(format!("more than {} messages in {:?} to {what}", rate.most, rate.within));
            return Err(wait);
        }
        seen.push_back(now);
        Ok(())
    }

    /// It is dead, and says so now; asking again later is a violation.
    pub(crate) fn dead(&mut self, what: &str) {
        let now = instant();
        let since = *self.dead.entry(what.to_owned()).or_insert(now);
        if now > since + UNDER_WAY {
            self.violate(format!("a message to {what}, which was told to be gone for good"));
        }
    }

    pub(crate) fn revive(&mut self) {
        self.dead.clear();
    }

    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.clone()
    }

    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }
}

/// Whole seconds, rounded up, at least one: what providers tell.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// What is the same with every provider: the answer, where this behaviour takes no message; `None` = the message is taken,
/// and [`cut`] ends it. 429 and 503 are each provider's own.
pub(crate) async fn refuse(behaviour: &Behaviour) -> Option<Response> {
    Some(match behaviour {
        Behaviour::ServerError | Behaviour::TooMany(_) | Behaviour::Unavailable(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
        }
        Behaviour::BadGateway => {
            (StatusCode::BAD_GATEWAY, Html("<html><body><h1>502 Bad Gateway</h1></body></html>"))
                .into_response()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Status(status, body) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::IM_A_TEAPOT);
            (status, body.clone()).into_response()
        }
        Behaviour::Redirect(to) => {
            let location: (HeaderName, String) = (header::LOCATION, to.clone());
            (StatusCode::FOUND, [location]).into_response()
        }
        Behaviour::CloseHalfWay | Behaviour::TakeAndClose | Behaviour::TakeAndHang => return None,
    })
}

/// Ends the answer to a message that was taken, as the behaviour has it.
pub(crate) async fn cut(behaviour: Option<&Behaviour>, cut: &Cut, answer: Response) -> Response {
    match behaviour {
        Some(Behaviour::CloseHalfWay) => cut.half_way(),
        Some(Behaviour::TakeAndClose) => cut.now(),
        Some(Behaviour::TakeAndHang) => std::future::pending().await,
        _ => {}
    }
    answer
}

/// What every fake can do besides its own: written once, for each names its state alike.
macro_rules! conducts {
    ($fake:ident) => {
        impl $fake {
            /// What its messages look like to a person, oldest first.
            pub fn messages(&self) -> Vec<crate::TestMessage> {
                self.state().messages.clone()
            }

            /// Every rule that the client broke.
            pub fn violations(&self) -> Vec<String> {
                self.state().conduct.violations()
            }

            /// # Panics
            /// The client broke a rule.
            #[track_caller]
            pub fn assert_obeyed(&self) {
                let violations = self.violations();
                assert!(violations.is_empty(), "{}: {violations:#?}", stringify!($fake));
            }

            /// How often a message was sent here, well answered or not.
            pub fn requests(&self) -> u64 {
                self.state().conduct.requests()
            }

            /// Answers the next `times` messages so, after those that are due already.
            pub fn behave(&self, behaviour: crate::Behaviour, times: usize) {
                self.state().conduct.behave(behaviour, times);
            }

            /// Answers one message in `one_in` by one of these, at random; the same seed draws the same.
            pub fn misbehave(&self, seed: u64, one_in: u64, of: &[crate::Behaviour]) {
                self.state().conduct.misbehave(seed, one_in, of);
            }

            /// Answers well from now on; a wait that was asked for still holds.
            pub fn behave_well(&self) {
                self.state().conduct.behave_well();
            }

            fn state(&self) -> std::sync::MutexGuard<'_, State> {
                self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
            }
        }
    };
}
pub(crate) use conducts;
