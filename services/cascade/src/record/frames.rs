//! What one exchange sends: its instruments, then every frame of every connection that ingest would hold.
//!
//! Knows no file: what is heard goes into the queue, in the order in which it came on each connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cascade_domain::{EventTime, Symbol, Venue};
use cascade_feed::rest::{Client, RestError};
use cascade_feed::{Frame, Gate, Note, Session, Sink, backoff, keep};
use cascade_pace::Clock;
use cascade_service::{BoxError, Shutdown};
use cascade_venues::{
    DecodeError, Decoded, Endpoints, Instruments, Method, Protocol, RestRequest, Route, Wanted, protocol,
};
use futures_util::future::join_all;

use super::line::{Answer, Line, Remark};
use super::queue::{Queue, Tally};
use crate::words::plain;

/// The connection of REST answers.
const REST: &str = "rest";
/// How long until an exchange that did not name its instruments is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// However long an exchange asks us to stay away, we ask again after this.
const LONGEST_AWAY: Duration = Duration::from_hours(24);

/// What is needed to record one exchange.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) venue: Venue,
    pub(crate) endpoints: Endpoints,
    pub(crate) wanted: Wanted,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) queue: Queue,
}

impl Reader {
    /// Records until it is asked to stop.
    ///
    /// # Errors
    /// There is no TLS to be had for REST.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), BoxError> {
        let protocol = protocol(self.venue);
        let Some(instruments) = self.instruments(protocol, &shutdown).await? else { return Ok(()) };
        let routes = protocol.routes(&with_btc(&self.wanted), &instruments, &self.endpoints);
        if routes.is_empty() {
            self.remark(REST, "lists none of the wanted symbols: nothing to record");
            shutdown.requested().await;
            return Ok(());
        }
        let instruments = Arc::new(instruments);
        let gate = Arc::new(Gate::new(&protocol.limits()));
        let mut sessions = Vec::new();
        for (route, seed) in routes.into_iter().zip(self.seed..) {
            let mut tape = Tape::new(&route, &self);
            let clock = Arc::clone(&self.clock);
            let mut plan = Session::new(protocol, route, Arc::clone(&instruments), clock);
            plan.gate = Arc::clone(&gate);
            let (since, backoff, shutdown) = (self.clock.now(), backoff(seed)?, shutdown.clone());
            sessions.push(async move { keep(&plan, since, backoff, &mut tape, shutdown.requested()).await });
        }
        join_all(sessions).await;
        Ok(())
    }

    /// The exchange's instruments, however often it has to be asked; every answer is recorded. `None` when asked to
    /// stop.
    async fn instruments(
        &self,
        protocol: &dyn Protocol,
        shutdown: &Shutdown,
    ) -> Result<Option<Instruments>, RestError> {
        let (venue, answers) = (self.venue, Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&answers);
        let tap = move |request: &RestRequest, received_ns: i64, body: &[u8]| {
            let answer = answer(venue, received_ns, request, body);
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        };
        let client = Client::try_new(Arc::clone(&self.clock), self.seed)?.with_tap(Arc::new(tap));
        loop {
            let read = client.instruments(protocol, &self.endpoints, shutdown.requested()).await;
            let heard = std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
            for answer in heard {
                self.queue.put(Line::Answer(Arc::new(answer))).await;
            }
            let wait = match read {
                Ok(instruments) => return Ok(Some(instruments)),
                Err(RestError::Shutdown) => return Ok(None),
                Err(error) => {
                    self.remark(REST, &error.to_string());
                    error.away().clamp(ASK_AGAIN, LONGEST_AWAY)
                }
            };
            tokio::select! {
                () = shutdown.requested() => return Ok(None),
                () = tokio::time::sleep(self.clock.wall(wait)) => {}
            }
        }
    }

    /// Says it to the person at the terminal and in the recording.
    fn remark(&self, conn: &str, note: &str) {
        super::say(&format!("{}: {}", self.venue, plain(note)));
        self.queue.offer(remark(self.venue, conn, self.clock.now_ns(), note));
    }
}

/// What is wanted, and BTC, whose price every tick carries: a recording without it could not be replayed as it was.
fn with_btc(wanted: &Wanted) -> Wanted {
    let mut wanted = wanted.clone();
    if let (Some(symbols), Ok(btc)) = (&mut wanted.symbols, Symbol::of_base("BTC"))
        && !symbols.contains(&btc)
    {
        symbols.push(btc);
    }
    wanted
}

fn answer(venue: Venue, recv_ns: i64, request: &RestRequest, body: &[u8]) -> Answer {
    let posted = if let Method::Post(body) = &request.method { Some(body.clone()) } else { None };
    let frame = String::from_utf8_lossy(body).into_owned();
    Answer { recv_ns, venue, conn: REST, url: request.url.clone(), body: posted, frame }
}

fn remark(venue: Venue, conn: &str, recv_ns: i64, note: &str) -> Line {
    let (venue, conn, note) = (Some(venue), Some(conn.to_owned()), note.to_owned());
    Line::Remark(Remark { recv_ns, venue, conn, note, ..Remark::default() })
}

/// The ear on one connection.
#[derive(Debug)]
struct Tape {
    venue: Venue,
    conn: Arc<str>,
    clock: Arc<dyn Clock>,
    queue: Queue,
}

impl Tape {
    fn new(route: &Route, reader: &Reader) -> Self {
        let (clock, queue) = (Arc::clone(&reader.clock), reader.queue.clone());
        Self { venue: route.venue, conn: route.name.as_str().into(), clock, queue }
    }
}

impl Sink for Tape {
    fn frame(&mut self, frame: Frame<'_>) {
        self.queue.offer(Line::Frame {
            recv_ns: frame.received_ns,
            venue: frame.venue,
            conn: Arc::clone(&self.conn),
            text: frame.text.to_owned(),
        });
    }

    /// What a frame means is found out by who reads the recording.
    fn events(&mut self, _: EventTime, _: &mut Decoded) {}

    fn refused(&mut self, _: &DecodeError) {
        Tally::add(&self.queue.tally().not_understood, 1);
    }

    fn note(&mut self, note: Note) {
        // The end of a session is in the log, with when it is tried again.
        let is_told = matches!(&note, Note::Live { .. } | Note::RefusedTopics { .. });
        let text = match note {
            Note::Connected { .. } => "connected".to_owned(),
            Note::Live { .. } => "live".to_owned(),
            Note::RefusedTopics { topics, reason, .. } => format!("refused {}: {reason}", topics.join(", ")),
            Note::Asked { reason, .. } => format!("asked to reconnect: {reason}"),
            Note::Renewed { .. } => "renewed: another connection has taken over".to_owned(),
            Note::NotRenewed { end, .. } => format!("not renewed: {end}"),
            Note::Recovered { from, to, .. } => format!("missed {} ms", to.since(from)),
            Note::Ended { end, .. } => format!("ended: {end}"),
        };
        self.queue.offer(remark(self.venue, &self.conn, self.clock.now_ns(), &text));
        if is_told {
            super::say(&format!("{} {}: {}", self.venue, self.conn, plain(&text)));
        }
    }
}
