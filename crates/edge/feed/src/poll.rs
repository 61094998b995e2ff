//! Asks a venue again and again for what it streams to nobody: samples of open interest.
//!
//! Every question has its turn as often as is worth it, or as often as a share of the venue's limits allows. A question
//! that fails costs no other its turn; whoever is told to stay away stays away, and goes on by itself. What an answer
//! means is the protocol's affair, where samples go is the [`Sampled`]'s. Knows no Redis, and spawns no task.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Event, EventTime};
use cascade_pace::{Backoff, Clock};
use cascade_venues::{DecodeError, Decoded, Endpoints, Instruments, Protocol, RestRequest, Wanted};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use crate::rest::{Client, RestError};
use crate::timing::{between, nanoseconds};
use crate::turns::Turns;
use crate::{away, backoff};

/// How many questions may be under way at once.
const MOST_UNDER_WAY: usize = 8;
/// How long until a venue that did not name its instruments is asked for them again, in the clock's time, if the
/// answer does not ask for more.
const LIST_AGAIN: Duration = Duration::from_secs(30);
/// A sample that is this much older than its answer says nothing of now.
pub const STALE_AFTER: Duration = Duration::from_mins(1);
/// How far a venue's clock may be ahead of ours.
pub const MOST_AHEAD: Duration = Duration::from_secs(5);

/// What is needed to poll one venue.
#[derive(Clone, Debug)]
pub struct Poll {
    /// How the venue speaks.
    pub protocol: &'static dyn Protocol,
    /// Where it is reached.
    pub endpoints: Endpoints,
    /// What is asked for.
    pub wanted: Wanted,
    /// The HTTP client, with what the venue takes. Who polls one venue twice gives both the same.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often the venue is asked for its instruments, in the clock's time.
    pub refresh: Duration,
    /// How much of what the venue takes of REST requests may be used, above 0 and at most 1: others on this address
    /// ask as well.
    pub share: f64,
}

/// What happened to a poll, besides its samples.
#[derive(Debug)]
pub enum PollNote<'a> {
    /// The instruments were read; so many questions are asked from now on.
    Listed {
        /// How many.
        questions: usize,
    },
    /// Every question had its turn once.
    Round {
        /// How long that took, in the clock's time.
        lasted: Duration,
        /// How many of the questions had no usable answer when they were asked last.
        failing: usize,
    },
    /// A question, be it the one for the instruments, had no usable answer; the next one follows.
    Failed {
        /// Why.
        error: &'a RestError,
        /// Until when the venue is left alone, if it asked for that.
        away_until: Option<EventTime>,
    },
    /// The venue is left alone: its limits are nearly used up, or it asked somebody else for that.
    Waits {
        /// Until when.
        until: EventTime,
    },
}

/// Where samples go. Its methods return at once.
pub trait Sampled: Send {
    /// The samples of one answer, stamped; what is taken out is his.
    fn samples(&mut self, received: EventTime, decoded: &mut Decoded);

    /// An answer, or a part of one, was refused.
    fn refused(&mut self, at: EventTime, error: &DecodeError);

    /// Something happened.
    fn note(&mut self, at: EventTime, note: PollNote<'_>);
}

/// Polls until `shutdown`; it wins every race. A venue without questions is waited out.
pub async fn poll(poll: &Poll, sampled: &mut dyn Sampled, shutdown: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = shutdown => {}
        never = Poller::new(poll, sampled).run() => match never {},
    }
}

/// What became of a question.
type Answered = (RestRequest, Result<Vec<u8>, RestError>);

/// A poll under way.
struct Poller<'a> {
    poll: &'a Poll,
    sampled: &'a mut dyn Sampled,
    instruments: Instruments,
    turns: Turns,
    under_way: FuturesUnordered<BoxFuture<'a, Answered>>,
    /// No question before this, in nanoseconds of the clock.
    not_before_ns: i64,
    /// Until when the venue is known to whoever is told to be left alone.
    told_until_ns: i64,
    /// The pauses of a venue that does not answer; `None` = it does.
    pauses: Option<Backoff>,
    decoded: Decoded,
}

impl<'a> Poller<'a> {
    fn new(poll: &'a Poll, sampled: &'a mut dyn Sampled) -> Self {
        Self {
            poll,
            sampled,
            instruments: Instruments::new(),
            turns: Turns::new(poll.protocol.limits().rest, poll.share),
            under_way: FuturesUnordered::new(),
            not_before_ns: i64::MIN,
            told_until_ns: i64::MIN,
            pauses: None,
            decoded: Decoded::default(),
        }
    }

    async fn run(mut self) -> Infallible {
        let poll = self.poll;
        let mut listing: Pin<Box<_>> = Box::pin(list(poll, Duration::ZERO));
        loop {
            self.ask_what_is_due();
            let wakes_at_ns = self.wakes_at_ns();
            tokio::select! {
                Some((request, answer)) = self.under_way.next() => self.answered(&request, answer),
                listed = &mut listing => listing = Box::pin(list(poll, self.listed(listed))),
                () = until(&*poll.clock, wakes_at_ns) => {}
            }
        }
    }

    /// Asks every question whose turn it is; the rest of its way it goes by itself.
    fn ask_what_is_due(&mut self) {
        let now_ns = self.poll.clock.now_ns();
        let closed_until_ns = self.poll.client.closed_until_ns(self.poll.protocol);
        if closed_until_ns > now_ns && self.turns.len() > 0 {
            self.tell_waits(closed_until_ns);
        }
        while self.wakes_at_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let Some(request) = self.turns.take(now_ns) else { return };
            let poll = self.poll;
            self.under_way.push(Box::pin(async move {
                let answer = poll.client.try_once(poll.protocol, &request).await;
                (request, answer)
            }));
        }
    }

    /// When the next question can be asked; none while an answer has to come first.
    fn wakes_at_ns(&self) -> Option<i64> {
        let ready_at_ns = self.turns.ready_at_ns().filter(|_| self.under_way.len() < MOST_UNDER_WAY)?;
        let closed_until_ns = self.poll.client.closed_until_ns(self.poll.protocol);
        Some(ready_at_ns.max(self.not_before_ns).max(closed_until_ns))
    }

    /// Tells, once, that the venue is left alone for a reason that no question of ours met.
    fn tell_waits(&mut self, until_ns: i64) {
        if until_ns <= self.told_until_ns {
            return;
        }
        self.told_until_ns = until_ns;
        let until = EventTime::from_ms(until_ns.div_euclid(1_000_000));
        self.sampled.note(self.poll.clock.now(), PollNote::Waits { until });
    }

    /// Takes the answer for the instruments; gives after how long they are asked for again.
    fn listed(&mut self, listed: Result<Instruments, RestError>) -> Duration {
        match listed {
            Ok(instruments) => {
                let Poll { protocol, endpoints, wanted, clock, .. } = self.poll;
                let samplings = protocol.samplings(wanted, &instruments, endpoints);
                self.instruments = instruments;
                self.turns.list(samplings, clock.now_ns());
                self.sampled.note(clock.now(), PollNote::Listed { questions: self.turns.len() });
                self.poll.refresh
            }
            Err(error) => {
                self.failed(&error);
                LIST_AGAIN.max(error.away()).min(away::LONGEST)
            }
        }
    }

    fn answered(&mut self, request: &RestRequest, answer: Result<Vec<u8>, RestError>) {
        match answer {
            Ok(body) => {
                self.pauses = None;
                let is_usable = self.read(request, &body);
                self.turns.came_to(request, is_usable);
            }
            Err(error) => {
                self.turns.came_to(request, false);
                self.failed(&error);
                if matches!(error, RestError::Unreachable { .. }) {
                    self.pause();
                }
            }
        }
        let clock = &self.poll.clock;
        if let Some(lasted) = self.turns.answered(request, clock.now_ns()) {
            self.sampled.note(clock.now(), PollNote::Round { lasted, failing: self.turns.failing() });
        }
    }

    /// Hands on what an answer tells; gives whether anything of it is usable, or nothing of it refused.
    fn read(&mut self, request: &RestRequest, body: &[u8]) -> bool {
        let Poll { protocol, wanted, clock, .. } = self.poll;
        let (received, known, decoded) = (clock.now(), (&self.instruments, wanted), &mut self.decoded);
        if let Err(error) = read_samples(*protocol, (request, body), known, received, decoded) {
            self.sampled.refused(received, &error);
            return false;
        }
        let is_usable = decoded.refused.is_empty() || !decoded.events.is_empty();
        for error in decoded.refused.drain(..) {
            self.sampled.refused(received, &error);
        }
        if !decoded.events.is_empty() {
            self.sampled.samples(received, decoded);
        }
        is_usable
    }

    /// Tells a failure, and leaves the venue alone for as long as it asks.
    fn failed(&mut self, error: &RestError) {
        let now_ns = self.poll.clock.now_ns();
        let until_ns = now_ns.saturating_add(nanoseconds(error.away()));
        self.not_before_ns = self.not_before_ns.max(until_ns);
        self.told_until_ns = self.told_until_ns.max(until_ns);
        let away_until = (until_ns > now_ns).then(|| EventTime::from_ms(until_ns.div_euclid(1_000_000)));
        self.sampled.note(self.poll.clock.now(), PollNote::Failed { error, away_until });
    }

    /// Pauses before the next question, longer each time. Those that were under way in a pause do not lengthen it.
    fn pause(&mut self) {
        let now_ns = self.poll.clock.now_ns();
        if now_ns < self.not_before_ns {
            return;
        }
        let pauses = self.pauses.take().or_else(|| backoff(now_ns.unsigned_abs()).ok());
        if let Some(mut pauses) = pauses {
            let pause = pauses.after(Duration::ZERO);
            self.not_before_ns = now_ns.saturating_add(nanoseconds(pause));
            self.pauses = Some(pauses);
        }
    }
}

/// Asks for the instruments after a while.
async fn list(poll: &Poll, wait: Duration) -> Result<Instruments, RestError> {
    sleep(poll.clock.wall(wait)).await;
    poll.client.instruments(poll.protocol, &poll.endpoints, pending()).await
}

/// Waits for a time of the clock; for ever if there is none.
async fn until(clock: &dyn Clock, at_ns: Option<i64>) {
    match at_ns {
        Some(at_ns) => sleep(clock.wall(between(clock.now_ns(), at_ns))).await,
        None => pending().await,
    }
}

/// Reads an answer that was received then, whether it came now or stands in a recording, into `decoded`: what it tells of
/// that time and of what is wanted, stamped; and what of it is refused.
///
/// # Errors
/// It is no answer to such a question.
pub fn read_samples(
    protocol: &dyn Protocol,
    (request, body): (&RestRequest, &[u8]),
    (instruments, wanted): (&Instruments, &Wanted),
    received: EventTime,
    decoded: &mut Decoded,
) -> Result<(), DecodeError> {
    protocol.read_sample(request, body, instruments, decoded)?;
    let Decoded { events, refused, .. } = decoded;
    events.retain_mut(|event| {
        if !event.symbol().is_some_and(|symbol| wanted.wants(symbol)) {
            return false;
        }
        if let Err(error) = timely(event, received) {
            refused.push(error);
            return false;
        }
        event.stamp(received);
        true
    });
    Ok(())
}

/// Whether a sample is one of now.
fn timely(event: &Event, received: EventTime) -> Result<(), DecodeError> {
    let Event::OpenInterest(sample) = event else { return Ok(()) };
    let Some(at) = sample.event_time_ms else { return Ok(()) };
    let older_ns = i128::from(received.since(at)) * 1_000_000;
    if older_ns > i128::from(nanoseconds(STALE_AFTER)) {
        return Err(DecodeError::Stale { at, received });
    }
    if -older_ns > i128::from(nanoseconds(MOST_AHEAD)) {
        return Err(DecodeError::Ahead { at, received });
    }
    Ok(())
}
