//! What one exchange sends: its instruments, every frame of every connection that ingest would hold, and the answers to
//! what oi-detector would ask.
//!
//! Knows no file: what is heard goes into the queue, in the order in which it came on each connection.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{EventTime, Symbol, Venue};
use cascade_feed::rest::{Client, RestError, Tap};
use cascade_feed::{
    Frame, Gate, Note, Poll, PollNote, Sampled, Session, SessionLimits, Sink, backoff, keep, poll,
};
use cascade_pace::{Backoff, BackoffError, Clock};
use cascade_service::{BoxError, Shutdown};
use cascade_venues::{
    DecodeError, Decoded, Endpoints, Instruments, Method, RestRequest, Route, Wanted, protocol,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

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
    /// How often the exchange is asked for its instruments, in the clock's time.
    pub(crate) refresh: Duration,
    /// How much of what the exchange takes of REST requests may be used to ask for open interest.
    pub(crate) share: f64,
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
        let client = Client::try_new(Arc::clone(&self.clock), self.seed)?.with_tap(self.tap());
        let questions = Poll {
            protocol: protocol(self.venue),
            endpoints: self.endpoints.clone(),
            wanted: self.wanted.clone(),
            client: client.clone(),
            clock: Arc::clone(&self.clock),
            refresh: self.refresh,
            share: self.share,
        };
        let mut told = Questions { reader: &self, is_failing: false };
        let asking = async {
            poll(&questions, &mut told, shutdown.requested()).await;
            Ok(())
        };
        tokio::try_join!(self.listen(&client, &shutdown), asking).map(drop)
    }

    /// Records the connections until it is asked to stop.
    async fn listen(&self, client: &Client, shutdown: &Shutdown) -> Result<(), BoxError> {
        let mut routes = Routes::new(self);
        let mut sessions = FuturesUnordered::new();
        let mut wait = Duration::ZERO;
        loop {
            let mut next = pin!(self.instruments(client, wait, shutdown));
            let listed = loop {
                tokio::select! {
                    listed = &mut next => break listed,
                    Some(()) = sessions.next() => {}
                }
            };
            let Some(instruments) = listed else { break };
            for (plan, backoff) in routes.list(&instruments)? {
                let (mut tape, since) = (Tape::new(&plan.newest_route(), self), self.clock.now());
                let asked = shutdown.clone();
                sessions.push(async move { keep(&plan, since, backoff, &mut tape, asked.requested()).await });
            }
            wait = self.refresh;
        }
        while sessions.next().await.is_some() {}
        Ok(())
    }

    /// The exchange's instruments after `wait`, however often it has to be asked; `None` when asked to stop.
    async fn instruments(
        &self,
        client: &Client,
        mut wait: Duration,
        shutdown: &Shutdown,
    ) -> Option<Instruments> {
        loop {
            tokio::select! {
                () = shutdown.requested() => return None,
                () = tokio::time::sleep(self.clock.wall(wait)) => {}
            }
            let asked = client.instruments(protocol(self.venue), &self.endpoints, shutdown.requested());
            match asked.await {
                Ok(instruments) => return Some(instruments),
                Err(RestError::Shutdown) => return None,
                Err(error) => {
                    self.remark(REST, &error.to_string());
                    wait = error.away().clamp(ASK_AGAIN, LONGEST_AWAY);
                }
            }
        }
    }

    /// Hears the REST answers.
    fn tap(&self) -> Tap {
        let (venue, queue) = (self.venue, self.queue.clone());
        Arc::new(move |request, recv_ns, body| {
            let answer = answer(venue, recv_ns, request, body);
            queue.offer(if is_sampling(venue, request) {
                Line::Sample(Box::new(answer))
            } else {
                Line::Answer(Arc::new(answer))
            });
        })
    }

    /// Says it to the person at the terminal and in the recording.
    fn remark(&self, conn: &str, note: &str) {
        super::say(&format!("{}: {}", self.venue, plain(note)));
        self.queue.offer(remark(self.venue, conn, self.clock.now_ns(), note));
    }
}

/// The connections to one exchange, as its list of instruments changes: those that stand go on, what is new is added.
struct Routes<'r> {
    reader: &'r Reader,
    table: watch::Sender<Arc<Instruments>>,
    standing: Vec<watch::Sender<Arc<Route>>>,
    gate: Arc<Gate>,
}

impl<'r> Routes<'r> {
    fn new(reader: &'r Reader) -> Self {
        let gate = Arc::new(Gate::new(&protocol(reader.venue).limits()));
        Self { reader, table: watch::channel(Arc::default()).0, standing: Vec::new(), gate }
    }

    /// Takes a list into use, and gives the connections that are to be begun.
    fn list(&mut self, instruments: &Instruments) -> Result<Vec<(Session, Backoff)>, BackoffError> {
        let Reader { venue, wanted, endpoints, clock, seed, .. } = self.reader;
        let mut known = Instruments::clone(&self.table.borrow());
        // An exchange does not delist half of what it has; its answers break.
        if instruments.len() * 2 < known.len() {
            self.reader
                .remark(REST, "a list of instruments that can't be whole: the one before stays in use");
            return Ok(Vec::new());
        }
        instruments.iter().for_each(|listing| known.insert(*listing));
        self.table.send_replace(Arc::new(known));
        let protocol = protocol(*venue);
        let before: Vec<Route> = self.standing.iter().map(|route| Route::clone(&route.borrow())).collect();
        let planned = protocol.replan(&before, &with_btc(wanted), instruments, endpoints);
        if planned.is_empty() {
            self.reader.remark(REST, "lists none of the wanted symbols: nothing to record");
        }
        let mut begun = Vec::new();
        for (at, route) in planned.into_iter().enumerate() {
            match (self.standing.get(at), before.get(at)) {
                (Some(_), Some(before)) if *before == route => {}
                (Some(standing), _) => drop(standing.send_replace(Arc::new(route))),
                (None, _) => {
                    let (newest, route) = watch::channel(Arc::new(route));
                    self.standing.push(newest);
                    let plan = Session {
                        protocol,
                        route,
                        instruments: self.table.subscribe(),
                        clock: Arc::clone(clock),
                        limits: SessionLimits::default(),
                        gate: Arc::clone(&self.gate),
                    };
                    begun.push((plan, backoff(seed.wrapping_add(u64::try_from(at).unwrap_or_default()))?));
                }
            }
        }
        Ok(begun)
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

/// Whether a question is one for open interest: no other is known to who reads the answers.
fn is_sampling(venue: Venue, request: &RestRequest) -> bool {
    let read = protocol(venue).read_sample(request, b"", &Instruments::default(), &mut Decoded::default());
    !matches!(read, Err(DecodeError::UnknownKind(_)))
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

/// What becomes of the questions for open interest; their answers are heard by the tap.
struct Questions<'r> {
    reader: &'r Reader,
    /// It was said that they fail, and none has been answered since.
    is_failing: bool,
}

impl Sampled for Questions<'_> {
    /// What an answer means is found out by who reads the recording.
    fn samples(&mut self, _: EventTime, decoded: &mut Decoded) {
        self.is_failing = false;
        decoded.clear();
    }

    /// A sample that is not of now is understood; whoever reads the recording sees the times.
    fn refused(&mut self, _: EventTime, error: &DecodeError) {
        if !matches!(error, DecodeError::Stale { .. } | DecodeError::Ahead { .. }) {
            Tally::add(&self.reader.queue.tally().not_understood, 1);
        }
    }

    fn note(&mut self, at: EventTime, note: PollNote<'_>) {
        let text = match note {
            PollNote::Failed { error, .. } => format!("open interest: {error}"),
            PollNote::Waits { .. } => "open interest: not asked for while the limits are used up".to_owned(),
            PollNote::Listed { .. } | PollNote::Round { .. } => return,
        };
        let recv_ns = at.ms().saturating_mul(1_000_000);
        if std::mem::replace(&mut self.is_failing, true) {
            self.reader.queue.offer(remark(self.reader.venue, REST, recv_ns, &text));
        } else {
            self.reader.remark(REST, &text);
        }
    }
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
        // How a session ended and when it is tried again is in the log.
        let is_told = matches!(&note, Note::Live { .. } | Note::RefusedTopics { .. });
        let text = match note {
            Note::Connected { .. } => "connected".to_owned(),
            Note::Live { .. } => "live".to_owned(),
            Note::RefusedTopics { topics, reason, .. } => format!("refused {}: {reason}", topics.join(", ")),
            Note::Asked { reason, .. } => format!("asked to reconnect: {reason}"),
            Note::Renewed { .. } => "renewed: another connection has taken over".to_owned(),
            Note::NotRenewed { end, .. } => format!("not renewed: {end}"),
            Note::Recovered { from, to, .. } => format!("recovered: nothing is known from {from} to {to}"),
            Note::Ended { end, .. } => format!("ended: {end}"),
        };
        self.queue.offer(remark(self.venue, &self.conn, self.clock.now_ns(), &text));
        if is_told {
            super::say(&format!("{} {}: {}", self.venue, self.conn, plain(&text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use cascade_service::SystemClock;
    use cascade_venues::{Listing, Quote, Sizing};

    use super::*;
    use crate::record::queue::queue;

    fn table(bases: &[&str]) -> Instruments {
        let mut table = Instruments::new();
        for base in bases {
            let name = format!("{base}-USDT-SWAP");
            table.insert(Listing::of(Venue::Okx, &name, base, Quote::Usdt, Sizing::Coins).unwrap());
        }
        table
    }

    fn asks_for(route: &watch::Sender<Arc<Route>>, base: &str) -> bool {
        route.borrow().subscriptions.iter().any(|asked| asked.frame.contains(&format!("{base}-USDT-SWAP")))
    }

    #[test]
    fn a_market_that_is_listed_later_joins_what_runs_and_a_broken_list_changes_nothing() {
        let (queue, _lines) = queue(&Arc::default());
        let url = "ws://127.0.0.1:1".to_owned();
        let reader = Reader {
            venue: Venue::Okx,
            endpoints: Endpoints { rest_url: url.clone(), ws_url: url, coinm_rest_url: None },
            wanted: Wanted::default(),
            refresh: Duration::from_hours(1),
            share: 0.5,
            clock: Arc::new(SystemClock::new()),
            seed: 1,
            queue,
        };
        let mut routes = Routes::new(&reader);
        assert_eq!(routes.list(&table(&[])).unwrap().len(), 0, "nothing is listed yet");
        assert_eq!(routes.list(&table(&["BTC", "ETH"])).unwrap().len(), 1);
        assert!(asks_for(&routes.standing[0], "ETH") && !asks_for(&routes.standing[0], "NEW"));
        assert_eq!(routes.list(&table(&["BTC", "ETH", "NEW"])).unwrap().len(), 0);
        assert!(asks_for(&routes.standing[0], "NEW"));
        assert_eq!(routes.list(&table(&["BTC"])).unwrap().len(), 0);
        assert!(asks_for(&routes.standing[0], "NEW"));
        assert_eq!(routes.table.borrow().len(), 3);
    }
}
