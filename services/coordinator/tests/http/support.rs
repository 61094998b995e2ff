//! What the tests share: a coordinator, findings in their streams, and questions over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cascade_bus::{Batch, Bus, Claim, Commit, StreamId};
use cascade_domain::{CascadeFinding, EventTime, Finding, IdHasher, Level, Shard, State, Symbol};
use cascade_service::config::{Document, Sources};
use cascade_service::{
    Context, Health, Metrics, Routes, Shutdown, Supervisor, SystemClock, TaskError, Traces, health,
};
use cascade_testkit::{Observer, TestRedis};
use cascade_wire::{encode_finding, finding_from_json};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// The token with which orders are taken.
pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789";
/// When the first finding of the tests is known.
pub(crate) const AT: EventTime = EventTime::from_ms(1_791_565_601_482);

/// A coordinator in this process, on a Redis of its own.
pub(crate) struct Served {
    pub(crate) redis: TestRedis,
    pub(crate) bus: Bus,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), TaskError>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It is a problem of this status, with these words in its detail.
    pub(crate) fn assert_problem(&self, status: u16, words: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &status.into()));
        assert!(problem["detail"].as_str().unwrap().contains(words), "{self:?}");
    }
}

impl Served {
    /// One that takes orders with [`TOKEN`].
    pub(crate) async fn start() -> Self {
        Self::with(&[("CASCADE_COORDINATOR__TOKEN_ENV", "API_TOKEN"), ("API_TOKEN", TOKEN)]).await
    }

    /// One with these variables.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let url = redis.url();
        let all = [("CASCADE_REDIS__URL", url.as_str())].into_iter().chain(variables.iter().copied());
        let environment = all.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        let config = coordinator::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");

        let name = coordinator::PROGRAM.name;
        let (health, metrics, routes) = (Health::new(), Metrics::new(name, "0"), Routes::default());
        let shutdown = Shutdown::new();
        let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
        let stop = supervisor.shutdown();
        let (address, server) =
            health::serve("127.0.0.1:0", health.clone(), metrics.clone(), routes.clone(), stop)
                .await
                .unwrap();
        supervisor.spawn("health", server);
        let context = Context {
            name,
            version: "0",
            instance: "one".to_owned(),
            clock: Arc::new(SystemClock::new()),
            seed: 1,
            health,
            metrics: metrics.clone(),
            routes,
            traces: Traces::off(),
            shutdown: supervisor.shutdown(),
            deadline: Duration::from_secs(10),
        };
        supervisor.spawn(name, coordinator::run(config, context));
        let task = tokio::spawn(supervisor.run());
        let bus = redis.bus("test").unwrap();
        let started = Self { redis, bus, address, metrics, shutdown, task };
        started.until("/api/v1/openapi.json", 200).await;
        started
    }

    /// A second, independent client of its Redis.
    pub(crate) async fn observer(&self) -> Observer {
        Observer::connect(&self.redis.url(), &[]).await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(reqwest::Client::new().get(self.url(path))).await
    }

    /// Asks until the answer has this status.
    pub(crate) async fn until(&self, path: &str, status: u16) -> Answer {
        self.until_it(path, |answer| answer.status == status).await
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until_it(&self, path: &str, is_it: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = None;
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if is_it(&answer) {
                    return answer;
                }
                last = Some(answer);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let asked = tokio::time::timeout(DEADLINE, asking).await.ok();
        asked.unwrap_or_else(|| panic!("never as it should be: {last:?}"))
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }
}

/// Sends a request.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, text: answer.text().await.unwrap() }
}

/// A cascade of a symbol, the `n`th second after [`AT`].
pub(crate) fn cascade(symbol: &str, n: i64, level: Level) -> Finding {
    let sample = include_str!("../../../../crates/core/message/tests/finding.json");
    let Finding::Cascade(sample) = finding_from_json(sample.trim()).unwrap() else {
        panic!("another sample")
    };
    Finding::Cascade(Box::new(CascadeFinding {
        id: IdHasher::new("finding").text(symbol).int(n).finish(),
        state: State::Level,
        symbol: Symbol::parse(symbol).unwrap(),
        level,
        known_at_ms: AT.plus_ms(n * 1000),
        ..*sample
    }))
}

/// Puts findings out, each in the stream of its symbol's shard, as an engine does.
pub(crate) async fn put_out(bus: &Bus, findings: &[Finding]) {
    let mut shards: BTreeMap<Shard, Vec<Vec<u8>>> = BTreeMap::new();
    for finding in findings {
        let shard = finding.symbol().map_or_else(|| Shard::of_scope("feed:okx"), Shard::of);
        shards.entry(shard).or_default().push(encode_finding(finding).unwrap());
    }
    for (shard, durable) in shards {
        let claim = Claim { engine: "cascade".to_owned(), owner: "test 1".to_owned(), ttl_ms: 60_000 };
        let owned = bus.take(&claim, &[shard]).await.remove(0).unwrap().unwrap();
        let from = owned.cursor.unwrap_or_default();
        let to = StreamId { ms: from.ms + 1, seq: 0 };
        let batch = Batch { shard, epoch: owned.epoch, from, to, durable, publish: Vec::new(), state: None };
        assert_eq!(bus.commit("cascade", &batch).await.unwrap(), Commit::Done);
    }
}
