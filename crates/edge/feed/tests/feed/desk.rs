//! An exchange's REST desk on loopback: it answers every question by a rule of the test, several at once, and remembers
//! when it was asked what. And whoever listens to a poll, who remembers everything.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_domain::{Event, EventTime, OpenInterest, Symbol, Venue};
use cascade_feed::rest::Client;
use cascade_feed::{Poll, PollNote, Sampled, poll};
use cascade_pace::Clock;
use cascade_venues::{DecodeError, Decoded, Endpoints, Wanted, protocol};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::ear::{DEADLINE, Fast};

/// What the desk does with a question.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with this status line (and further headers) and body.
    Answer(String, String),
    /// Announces more than it sends, and closes.
    CutOff(String),
    /// Answers once so many questions were asked in all.
    Once(usize, Box<Reply>),
    /// Never answers.
    Silence,
    /// Begins to answer, and never ends.
    Stalls,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Answer("200 OK".to_owned(), body.into())
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::Answer(status.to_owned(), String::new())
    }
}

/// What to answer to this path, asked so often before, at this time.
type Rule = dyn Fn(&str, usize, EventTime) -> Reply + Send + Sync;

/// The desk.
pub(crate) struct Desk {
    listener: TcpListener,
    clock: Arc<Fast>,
    rule: Box<Rule>,
    asked: Mutex<Vec<(EventTime, String)>>,
    came: Notify,
}

impl Desk {
    /// A desk of Binance that lists these instruments and answers questions about them by a rule.
    pub(crate) async fn of_binance(
        clock: &Arc<Fast>,
        symbols: &[&str],
        rule: impl Fn(&str, usize, EventTime) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listed = exchange_info(symbols);
        Self::open(clock, move |path, before, now| match path {
            "/fapi/v1/exchangeInfo" => Reply::ok(listed.as_str()),
            "/fapi/v1/fundingInfo" => Reply::ok("[]"),
            path => rule(path.rsplit('=').next().unwrap(), before, now),
        })
        .await
    }

    /// A desk that answers by this rule alone.
    pub(crate) async fn open(
        clock: &Arc<Fast>,
        rule: impl Fn(&str, usize, EventTime) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (clock, rule) = (Arc::clone(clock), Box::new(rule));
        Self { listener, clock, rule, asked: Mutex::default(), came: Notify::new() }
    }

    /// What is needed to poll it for these symbols.
    pub(crate) fn poll(&self, venue: Venue, symbols: &[&str]) -> Poll {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        let symbols = symbols.iter().map(|text| Symbol::parse(text).unwrap()).collect();
        Poll {
            protocol: protocol(venue),
            endpoints: Endpoints { ws_url: String::new(), rest_url: url, coinm_rest_url: None },
            wanted: Wanted { symbols: Some(symbols), ..Wanted::default() },
            client: Client::try_new(Arc::clone(&clock), 7).unwrap(),
            clock,
            refresh: Duration::from_hours(24),
            share: 0.5,
        }
    }

    /// When it was asked for samples, and of what (the end of the path).
    pub(crate) fn asked(&self) -> Vec<(EventTime, String)> {
        let asked = self.asked.lock().unwrap();
        let samples = asked.iter().filter(|(_, path)| path.contains("nterest"));
        samples.map(|(at, path)| (*at, path.rsplit('=').next().unwrap().to_owned())).collect()
    }

    /// Every path that it was asked for.
    pub(crate) fn paths(&self) -> Vec<(EventTime, String)> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until it was asked for so many samples; gives when, and of what.
    pub(crate) async fn until_asked(&self, questions: usize) -> Vec<(EventTime, String)> {
        let waiting = async {
            while self.asked().len() < questions {
                tokio::select! {
                    () = self.came.notified() => {}
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
            }
        };
        let came = timeout(DEADLINE, waiting).await.is_ok();
        assert!(came, "{questions} questions did not come: {:?}", self.paths());
        self.asked()
    }

    /// Answers for ever.
    async fn serve(&self) {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => open.push(self.answer(accepted.unwrap().0)),
                Some(()) = open.next() => {}
            }
        }
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
                _ => return,
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let now = self.clock.now();
        let before = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((now, path.clone()));
            asked.iter().filter(|(_, other)| *other == path).count() - 1
        };
        self.came.notify_waiters();
        let mut reply = (self.rule)(&path, before, now);
        while let Reply::Once(questions, then) = reply {
            self.until_asked(questions).await;
            reply = *then;
        }
        let (status, length, body) = match &reply {
            Reply::Answer(status, body) => (status.as_str(), body.len(), body.as_str()),
            Reply::Stalls => ("200 OK", 1000, "{"),
            Reply::CutOff(body) => ("200 OK", body.len() + 1000, body.as_str()),
            Reply::Once(..) | Reply::Silence => return std::future::pending().await,
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        // Whoever finds an answer too long, or is asked to stop, goes before its end.
        drop(stream.write_all(head.as_bytes()).await);
        drop(stream.write_all(body.as_bytes()).await);
        if matches!(reply, Reply::Stalls) {
            std::future::pending::<()>().await;
        }
    }
}

/// Polls these desks beside a script, and asks the polls to stop where the script ends.
pub(crate) async fn polled(polls: &[(&Desk, &Poll, &Ledger)], script: impl Future<Output = ()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = futures_util::FutureExt::shared(stopped);
    let polling = polls.iter().map(|(_, plan, ledger)| {
        let (mut ledger, stopped) = ((*ledger).clone(), stopped.clone());
        async move { poll(plan, &mut ledger, async { drop(stopped.await) }).await }
    });
    let serving = polls.iter().map(|(desk, ..)| desk.serve());
    let scripted = async {
        script.await;
        drop(stop);
    };
    tokio::select! {
        _ = futures_util::future::join(futures_util::future::join_all(polling), scripted) => {}
        _ = futures_util::future::join_all(serving) => {}
    }
}

/// Binance's instruments: perpetuals of these names, in dollars of USDT.
pub(crate) fn exchange_info(symbols: &[&str]) -> String {
    let row = |symbol: &&str| {
        let base = symbol.trim_end_matches("USDT");
        format!(
            r#"{{"symbol":"{symbol}","contractType":"PERPETUAL","status":"TRADING","baseAsset":"{base}","quoteAsset":"USDT"}}"#
        )
    };
    format!(r#"{{"symbols":[{}]}}"#, symbols.iter().map(row).collect::<Vec<_>>().join(","))
}

/// Binance's answer about one instrument.
pub(crate) fn interest(symbol: &str, at: EventTime) -> String {
    format!(r#"{{"openInterest":"10659.509","symbol":"{symbol}","time":{}}}"#, at.ms())
}

/// What a poll said besides its samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Listed(usize),
    Round(Duration, usize),
    Failed(String, Option<EventTime>),
    Waits(EventTime),
    Refused(&'static str),
}

/// Whoever listens to a poll; clones share what was heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    heard: Arc<Mutex<Vec<(EventTime, OpenInterest)>>>,
    said: Arc<Mutex<Vec<(EventTime, Said)>>>,
    changed: Arc<Notify>,
}

impl Ledger {
    /// The samples, each with the time at which it was received.
    pub(crate) fn samples(&self) -> Vec<(EventTime, OpenInterest)> {
        self.heard.lock().unwrap().clone()
    }

    /// How many samples there are of an instrument.
    pub(crate) fn count(&self, instrument: &str) -> usize {
        self.samples().iter().filter(|(_, sample)| sample.instrument.as_str() == instrument).count()
    }

    pub(crate) fn said(&self) -> Vec<(EventTime, Said)> {
        self.said.lock().unwrap().clone()
    }

    /// The failures: when, the words, and until when the venue is left alone.
    pub(crate) fn failed(&self) -> Vec<(EventTime, String, Option<EventTime>)> {
        let failed = |(at, said)| match said {
            Said::Failed(words, until) => Some((at, words, until)),
            _ => None,
        };
        self.said().into_iter().filter_map(failed).collect()
    }

    /// The labels of what was refused.
    pub(crate) fn refused(&self) -> Vec<&'static str> {
        let refused = |(_, said)| if let Said::Refused(label) = said { Some(label) } else { None };
        self.said().into_iter().filter_map(refused).collect()
    }

    /// How long each round took.
    pub(crate) fn rounds(&self) -> Vec<Duration> {
        let round = |(_, said)| if let Said::Round(lasted, _) = said { Some(lasted) } else { None };
        self.said().into_iter().filter_map(round).collect()
    }

    /// How many questions failed in each round.
    pub(crate) fn failing(&self) -> Vec<usize> {
        let failing = |(_, said)| if let Said::Round(_, failing) = said { Some(failing) } else { None };
        self.said().into_iter().filter_map(failing).collect()
    }

    /// Until when it was said that the venue is left alone for somebody else's sake.
    pub(crate) fn waits(&self) -> Vec<EventTime> {
        let waits = |(_, said)| if let Said::Waits(until) = said { Some(until) } else { None };
        self.said().into_iter().filter_map(waits).collect()
    }

    /// Waits until `holds`.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                self.changed.notified().await;
            }
        };
        let came = timeout(DEADLINE, waiting).await.is_ok();
        assert!(came, "{what} did not come: {:#?} {:#?}", self.said(), self.samples());
    }

    fn say(&self, at: EventTime, said: Said) {
        self.said.lock().unwrap().push((at, said));
        self.changed.notify_one();
    }
}

impl Sampled for Ledger {
    fn samples(&mut self, received: EventTime, decoded: &mut Decoded) {
        assert!(decoded.refused.is_empty(), "what was refused is told by itself");
        for event in decoded.events.drain(..) {
            assert_eq!(event.kind(), "open_interest", "{event:?}");
            if let Event::OpenInterest(sample) = event {
                self.heard.lock().unwrap().push((received, sample));
            }
        }
        self.changed.notify_one();
    }

    fn refused(&mut self, at: EventTime, error: &DecodeError) {
        self.say(at, Said::Refused(error.label()));
    }

    fn note(&mut self, at: EventTime, note: PollNote<'_>) {
        let said = match note {
            PollNote::Listed { questions } => Said::Listed(questions),
            PollNote::Round { lasted, failing } => Said::Round(lasted, failing),
            PollNote::Failed { error, away_until } => Said::Failed(error.to_string(), away_until),
            PollNote::Waits { until } => Said::Waits(until),
        };
        self.say(at, said);
    }
}
