//! What the tests share: exchanges, and how the service is led to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Shard, Venue};
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes, Sources};
use cascade_service::{BoxError, Context, Health, Metrics, Shutdown};
use cascade_simulator::{Scenario, Simulator};
use cascade_testkit::{Observer, TestRedis};
use cascade_wire::key;
use serde_json::Value;
use tokio::task::JoinHandle;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_oi-detector");
/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The venues that are asked.
pub(crate) const ASKED: [Venue; 2] = [Venue::Binance, Venue::Okx];

/// Simulated exchanges that run by this clock, in a market that is quiet.
pub(crate) async fn exchanges(clock: Arc<dyn Clock>) -> Arc<Simulator> {
    let simulator = Simulator::bind(Scenario::named("busy-day").unwrap(), 1, clock).await.unwrap();
    let simulator = Arc::new(simulator);
    tokio::spawn(Arc::clone(&simulator).run(std::future::pending()));
    simulator
}

/// The variables that lead the program to these exchanges.
pub(crate) fn variables(simulator: &Simulator) -> Vec<(String, String)> {
    let of = |venue: Venue| {
        let endpoints = simulator.endpoints(venue);
        let urls = [("REST_URL", Some(endpoints.rest_url)), ("COINM_REST_URL", endpoints.coinm_rest_url)];
        urls.into_iter().filter_map(move |(name, url)| Some((variable(venue, name), url?)))
    };
    Venue::ALL.into_iter().flat_map(of).collect()
}

/// The variables that lead the program to exchanges where nobody listens.
pub(crate) fn nowhere() -> Vec<(String, String)> {
    let of = |venue: Venue| (variable(venue, "REST_URL"), "http://127.0.0.1:9".to_owned());
    let coinm = (variable(Venue::Binance, "COINM_REST_URL"), "http://127.0.0.1:9".to_owned());
    Venue::ALL.into_iter().map(of).chain([coinm]).collect()
}

fn variable(venue: Venue, name: &str) -> String {
    format!("CASCADE_VENUES__{}__{name}", venue.as_str().to_uppercase())
}

/// One oi-detector in this process.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), BoxError>>,
}

impl Service {
    /// One that runs by this clock, under these variables.
    pub(crate) fn start(
        redis: &TestRedis,
        clock: Arc<dyn Clock>,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self::named("in-test:1", redis, clock, environment)
    }

    /// The same as this replica.
    pub(crate) fn named(
        instance: &str,
        redis: &TestRedis,
        clock: Arc<dyn Clock>,
        mut environment: Vec<(String, String)>,
    ) -> Self {
        environment.push(("CASCADE_REDIS__URL".to_owned(), redis.url()));
        let (document, mut mistakes): (_, Mistakes) =
            Document::load(&Sources { environment, ..Sources::default() });
        let config = oi_detector::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        let name = oi_detector::PROGRAM.name;
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
        let task = tokio::spawn(oi_detector::run(config, context));
        Self { metrics, health, shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
    }

    /// The sum of the counters whose lines have all these parts.
    pub(crate) fn counted(&self, parts: &[&str]) -> f64 {
        let text = self.metrics.render();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// What the streams hold of this kind: each shard's in its order, with the shard.
pub(crate) async fn stored(observer: &Observer, kind: &str) -> Vec<(Shard, Value)> {
    let mut found = Vec::new();
    for shard in Shard::all() {
        let entries = observer.stream(&key::market(shard)).await.unwrap_or_default();
        let values = entries.into_iter().flat_map(|entry| entry.values);
        found.extend(values.filter(|event| event["kind"] == kind).map(|event| (shard, event)));
    }
    found
}

/// What a venue's poller says of itself; `Null` if nothing.
pub(crate) async fn health_of(observer: &Observer, venue: Venue) -> Value {
    observer.reading(&key::poll_health(venue)).await.ok().flatten().unwrap_or_default()
}

/// How many samples the streams hold of each instrument of a venue.
pub(crate) async fn samples(observer: &Observer, venue: Venue) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, sample) in stored(observer, "open_interest").await {
        if sample["venue"] == venue.as_str() {
            *counts.entry(sample["instrument"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    counts
}
