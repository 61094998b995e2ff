//! What the tests share: dispatchers, findings, and receivers that do as they are told.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use cascade_bus::{Batch, Bus, Claim, Commit, StreamId};
use cascade_domain::{CascadeFinding, EventTime, Finding, Id, IdHasher, Level, Shard, State, Symbol, Usd};
use cascade_pace::Clock;
use cascade_service::config::{Document, Sources};
use cascade_service::{BoxError, Context, Health, Metrics, Shutdown, SystemClock};
use cascade_testkit::{TestRedis, eventually};
use cascade_wire::{decode_finding, encode_finding, finding_from_json};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_alert-dispatcher");
/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// A request that a receiver was sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Takes it.
    Take,
    /// Refuses it with this status.
    Refuse(u16),
    /// Wants to be left alone for so many seconds.
    Patience(u64),
    /// Takes it, after so long.
    Wait(Duration),
    /// Says nothing.
    Hang,
}

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Request>,
    /// What is done with the next ones, the last entry first; then all are taken.
    answers: Vec<Answer>,
    /// What is done with all that follow those.
    always: Option<Answer>,
    /// What holds this text is refused as malformed, whatever else is said.
    dreaded: Option<String>,
    /// How many were taken.
    taken: usize,
}

/// A server that takes whatever it is sent, in place of any provider.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    log: Arc<Mutex<Log>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::<Mutex<Log>>::default();
        let router = Router::new().fallback(receive).with_state(Arc::clone(&log));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, log }
    }

    /// What is done with the next requests, in order; those that follow are taken.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        self.log.lock().unwrap().answers = answers;
    }

    /// What is done with all requests from now on.
    pub(crate) fn always(&self, answer: Answer) {
        self.log.lock().unwrap().always = Some(answer);
    }

    /// Refuses every message from now on in which this text is, as malformed.
    pub(crate) fn dreads(&self, text: &str) {
        self.log.lock().unwrap().dreaded = Some(text.to_owned());
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().requests.clone()
    }

    /// How many requests were answered well.
    pub(crate) fn answered(&self) -> usize {
        self.log.lock().unwrap().taken
    }

    /// What the bodies say at this pointer, in order.
    pub(crate) fn said(&self, pointer: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.requests().iter().filter_map(|request| request.body.pointer(pointer).map(text)).collect()
    }

    /// The scopes that it was told of, in order.
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.said("/data/scope")
    }

    /// Waits until so many requests came.
    pub(crate) async fn gets(&self, count: usize) {
        let there = eventually(DEADLINE, async || self.requests().len() >= count).await;
        assert!(there, "{} of {count}: {:?}", self.requests().len(), self.scopes());
    }

    /// The table of the configuration that has a webhook tell it.
    pub(crate) fn webhook(&self, name: &str) -> String {
        format!(
            "[[destination]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}/{name}\"\n\
             allow_private_targets = true\nmessages_per_second = 1000\n",
            self.url
        )
    }
}

async fn receive(
    Shared(log): Shared<Arc<Mutex<Log>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let request = Request { method, path: uri.to_string(), headers, body, at: Instant::now() };
    let (number, answer) = {
        let mut log = log.lock().unwrap();
        log.requests.push(request);
        let said = log.requests.last().map(|request| request.body.to_string()).unwrap_or_default();
        let is_dreaded = log.dreaded.as_ref().is_some_and(|text| said.contains(text));
        let dread = is_dreaded.then_some(Answer::Refuse(400));
        let next = dread.or_else(|| log.answers.pop()).or_else(|| log.always.clone());
        (log.requests.len(), next.unwrap_or(Answer::Take))
    };
    match answer {
        Answer::Take | Answer::Wait(_) => {
            if let Answer::Wait(long) = answer {
                tokio::time::sleep(long).await;
            }
            log.lock().unwrap().taken += 1;
            let message = json!({"id": number.to_string(), "ok": true, "result": {"message_id": number}});
            Json(message).into_response()
        }
        Answer::Refuse(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Patience(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// A configuration on disk.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: NamedTempFile,
}

impl Written {
    /// Writes a configuration in which nothing waits for others; no history is written to a file.
    pub(crate) fn new(text: &str) -> Self {
        Self::patient(&format!("medium_wait_ms = 1\nlow_wait_ms = 1\nedit_every_ms = 1\n{text}"))
    }

    /// Writes a configuration that begins within `[dispatch]`; no history is written to a file.
    pub(crate) fn patient(text: &str) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(
            format!("[dispatch]\nhistory_path = \"\"\nmarket_symbols = 5\nsend_timeout_s = 2\n{text}")
                .as_bytes(),
        )
        .unwrap();
        Self { file }
    }

    pub(crate) fn path(&self) -> String {
        self.file.path().display().to_string()
    }
}

/// One dispatcher in this process.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), BoxError>>,
}

impl Dispatcher {
    /// One at the pace of the wall.
    pub(crate) fn start(redis: &TestRedis, written: &Written) -> Self {
        Self::named("one", redis, written, Arc::new(SystemClock::new()), &[])
    }

    /// One of this name, by this clock, with these variables.
    pub(crate) fn named(
        instance: &str,
        redis: &TestRedis,
        written: &Written,
        clock: Arc<dyn Clock>,
        variables: &[(&str, &str)],
    ) -> Self {
        let url = redis.url();
        let all = [("CASCADE_REDIS__URL", url.as_str())].into_iter().chain(variables.iter().copied());
        let environment = all.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let file = Some(written.file.path().to_owned());
        let (document, mut mistakes) = Document::load(&Sources { file, environment, ..Sources::default() });
        let config = alert_dispatcher::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        let name = alert_dispatcher::PROGRAM.name;
        let (health, metrics, shutdown) = (Health::new(), Metrics::new(name, "0"), Shutdown::new());
        let context = Context {
            name,
            version: "0",
            instance: instance.to_owned(),
            clock,
            seed: 1,
            health: health.clone(),
            metrics: metrics.clone(),
            routes: cascade_service::Routes::default(),
            traces: cascade_service::Traces::off(),
            shutdown: shutdown.clone(),
            deadline: Duration::from_secs(10),
        };
        let task = tokio::spawn(alert_dispatcher::run(config, context));
        Self { metrics, health, shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }

    /// Dies without a word.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.task.await.unwrap_err();
    }

    /// Whether this line stands in its metrics.
    pub(crate) fn shows(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|told| told == line)
    }

    /// The sum of the counters whose lines have all these parts.
    pub(crate) fn counted(&self, parts: &[&str]) -> f64 {
        let text = self.metrics.render();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// A cascade of a symbol that is known now, at this level: the revision of its episode.
pub(crate) fn cascade(symbol: &str, revision: u32, state: State, level: Level) -> Finding {
    let sample = finding_from_json(include_str!("cascade.json").trim()).unwrap();
    let Finding::Cascade(sample) = sample else { panic!("{sample:?}") };
    let id = |what: &str| IdHasher::new(what).text(symbol).int(i64::from(revision)).finish();
    let now = SystemClock::new().now();
    Finding::Cascade(Box::new(CascadeFinding {
        id: id("finding"),
        episode: IdHasher::new("episode").text(symbol).finish(),
        revision: u64::from(revision),
        state,
        symbol: Symbol::parse(symbol).unwrap(),
        level,
        previous_level: if revision == 1 { Level::Watch } else { level },
        known_at_ms: now,
        ..*sample
    }))
}

/// The same as it begins.
pub(crate) fn begins(symbol: &str, level: Level) -> Finding {
    cascade(symbol, 1, State::Level, level)
}

/// Puts findings out, each in the stream of its symbol's shard, as an engine does.
pub(crate) async fn put_out(bus: &Bus, findings: &[Finding]) {
    let mut shards: BTreeMap<Shard, Vec<Vec<u8>>> = BTreeMap::new();
    for finding in findings {
        let shard = Shard::of(finding.symbol().unwrap());
        shards.entry(shard).or_default().push(encode_finding(finding).unwrap());
    }
    for (shard, durable) in shards {
        put_out_bytes(bus, shard, durable).await;
    }
}

/// Puts anything into the stream of a shard's findings.
pub(crate) async fn put_out_bytes(bus: &Bus, shard: Shard, durable: Vec<Vec<u8>>) {
    let claim = Claim { engine: "cascade".to_owned(), owner: "test".to_owned(), ttl_ms: 60_000 };
    let owned = bus.take(&claim, &[shard]).await.remove(0).unwrap().unwrap();
    let from = owned.cursor.unwrap_or_default();
    let to = StreamId { ms: from.ms + 1, seq: 0 };
    let batch = Batch { shard, epoch: owned.epoch, from, to, durable, publish: Vec::new(), state: None };
    assert_eq!(bus.commit("cascade", &batch).await.unwrap(), Commit::Done);
}

/// Waits until every decision for these destinations has ended, and says how many were made.
pub(crate) async fn all_ended(bus: &Bus, destinations: &[&str]) -> u64 {
    let ended = async || {
        let audit = bus.accounts(EventTime::from_ms(0)).await.unwrap();
        destinations.iter().all(|name| audit.accounts.get(*name).is_some_and(|account| account.open == 0))
    };
    assert!(eventually(DEADLINE, ended).await, "{:?}", bus.accounts(EventTime::from_ms(0)).await);
    let audit = bus.accounts(EventTime::from_ms(0)).await.unwrap();
    assert!(audit.accounts.values().all(cascade_bus::delivery::Account::adds_up), "{audit:?}");
    audit.accounts.values().map(|account| account.produced).sum()
}

#[test]
fn a_sample_is_a_finding_that_passes_the_wire() {
    let finding = begins("BTCUSDT", Level::Critical);
    assert_eq!(decode_finding(&encode_finding(&finding).unwrap()).unwrap(), finding);
    assert_ne!(finding.id(), Id::from_bits(0));
    let Finding::Cascade(cascade) = finding else { panic!() };
    assert!(cascade.flow.notional_30s_usd > Usd::ZERO);
}
