//! What one process makes of exchanges that come and go: new markets, storms of reconnects, liquidations that nobody
//! heard. Simulated exchanges with the venues' own limits, a real Redis, a fast clock.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what cannot be started fails the test; the service is a process here, and the exchanges are others"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{Shard, Venue};
use cascade_pace::Clock;
use cascade_service::config::{Document, Override, Sources};
use cascade_service::{BoxError, Context, Health, Metrics, Shutdown, SystemClock, Traces};
use cascade_simulator::{Faults, Scenario, Simulator};
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine, wall time.
const DEADLINE: Duration = Duration::from_secs(90);

/// The exchanges and the program that reads them.
struct Ingest {
    _redis: TestRedis,
    simulator: Arc<Simulator>,
    clock: Arc<SystemClock>,
    observer: Observer,
    metrics: Metrics,
    shutdown: Shutdown,
    exchanges: Shutdown,
    task: JoinHandle<Result<(), BoxError>>,
}

impl Ingest {
    /// Starts both with these settings changed, and waits until every feed delivers. The exchanges are broken first.
    async fn start(
        scenario: &str,
        speed: f64,
        settings: &[(&str, &str)],
        breaking: impl Fn(&Faults),
    ) -> Self {
        let (redis, clock) =
            (TestRedis::start().await.unwrap(), Arc::new(SystemClock::try_new(speed).unwrap()));
        let scenario = Scenario::named(scenario).unwrap();
        let simulator = Simulator::bind(scenario, 1, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        let (simulator, exchanges) = (Arc::new(simulator), Shutdown::new());
        breaking(&simulator.faults());
        let (running, asked) = (Arc::clone(&simulator), exchanges.clone());
        tokio::spawn(async move { running.run(async move { asked.requested().await }).await.unwrap() });

        let (metrics, shutdown) = (Metrics::new("ingest", "0"), Shutdown::new());
        let context = Context {
            name: "liquidation-ingest",
            version: "0",
            instance: "one".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            seed: 7,
            health: Health::new(),
            metrics: metrics.clone(),
            routes: cascade_service::Routes::default(),
            traces: Traces::off(),
            shutdown: shutdown.clone(),
            deadline: Duration::from_secs(10),
        };
        let config = config(settings, &redis.url(), &simulator);
        let task = tokio::spawn(liquidation_ingest::run(config, context));
        let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
        let ingest = Self { _redis: redis, simulator, clock, observer, metrics, shutdown, exchanges, task };
        for venue in Venue::ALL {
            assert!(ingest.delivers(venue).await, "{venue}: {}", ingest.health(venue).await);
        }
        ingest
    }

    async fn health(&self, venue: Venue) -> Value {
        self.observer.reading(&key::feed_health(venue)).await.ok().flatten().unwrap_or_default()
    }

    async fn delivers(&self, venue: Venue) -> bool {
        let delivers = async || {
            let health = self.health(venue).await;
            matches!(health["status"].as_str(), Some("live" | "sampled" | "partial"))
        };
        eventually(DEADLINE, delivers).await
    }

    /// Everything in the streams that is of this kind and venue.
    async fn stored(&self, kind: &str, venue: Venue) -> Vec<Value> {
        let mut found = Vec::new();
        for shard in Shard::all() {
            let entries = self.observer.stream(&key::market(shard)).await.unwrap();
            found.extend(entries.into_iter().flat_map(|entry| entry.values));
        }
        found.retain(|event| event["kind"] == kind && event["venue"] == venue.as_str());
        found
    }

    async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap().unwrap();
        self.exchanges.request();
    }
}

fn config(settings: &[(&str, &str)], redis: &str, simulator: &Simulator) -> liquidation_ingest::Config {
    let overrides = settings.iter().map(|(key, text)| Override {
        key: (*key).to_owned(),
        text: (*text).to_owned(),
        flag: "test".to_owned(),
    });
    let (document, mut mistakes) =
        Document::load(&Sources { overrides: overrides.collect(), ..Sources::default() });
    let mut config = liquidation_ingest::Config::read(&document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    config.redis_url = cascade_bus::RedisUrl::parse(redis).unwrap();
    for (venue, section) in &mut config.markets.venues {
        let endpoints = simulator.endpoints(*venue);
        section.ws_url = endpoints.ws_url;
        section.rest_url = endpoints.rest_url;
        section.coinm_rest_url = endpoints.coinm_rest_url;
    }
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_is_listed_later_is_read_without_a_reconnect_and_without_a_gap() {
    let settings = [("ingest.symbols", "BTCUSDT,SOLUSDT"), ("ingest.instruments_refresh_s", "60")];
    let unlisted = |faults: &Faults| Venue::ALL.into_iter().for_each(|venue| faults.unlisted(venue, "SOL"));
    let ingest = Ingest::start("busy-day", 20.0, &settings, unlisted).await;
    let opened = Venue::ALL.map(|venue| ingest.simulator.opened(venue));
    for venue in Venue::ALL {
        ingest.simulator.faults().list(venue, "SOL");
    }
    for (venue, opened) in Venue::ALL.into_iter().zip(opened) {
        let is_read = async || {
            ingest.stored("mark", venue).await.iter().any(|mark| mark["symbol"] == "SOLUSDT")
                && ingest.stored("trade_bar", venue).await.iter().any(|bar| bar["symbol"] == "SOLUSDT")
        };
        assert!(eventually(DEADLINE, is_read).await, "{venue}");
        assert_eq!(ingest.simulator.opened(venue), opened, "{venue}: what runs was not touched");
        let missed = ingest.stored("gap", venue).await;
        let of_sol = missed.iter().filter(|gap| gap["symbols"].to_string().contains("SOLUSDT"));
        assert_eq!(of_sol.count(), 0, "{venue}: nothing of it was missed");
    }
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn liquidations_that_no_connection_heard_are_had_from_okx_once_each_as_history() {
    let ingest = Ingest::start("cascade", 8.0, &[], |_| {}).await;
    let venue = Venue::Okx;
    ingest.simulator.start();
    let heard = async || ingest.stored("liquidation", venue).await.len() > 20;
    assert!(eventually(DEADLINE, heard).await, "the cascade has begun");
    let faults = ingest.simulator.faults();
    let published = || ingest.simulator.truth().venues[&venue].published.orders;
    let (before, broken_at) = (published(), ingest.clock.now());
    faults.refuse_connections(venue, true);
    faults.close(venue);
    assert!(eventually(DEADLINE, async || published() > before + 20).await, "much is missed");
    faults.refuse_connections(venue, false);
    assert!(ingest.delivers(venue).await);
    assert!(eventually(DEADLINE, async || ingest.simulator.is_over()).await);

    let mut stored = Vec::new();
    let whole = eventually(DEADLINE, async || {
        stored = ingest.stored("liquidation", venue).await;
        stored.len() as u64 == published()
    });
    assert!(whole.await, "{} of {} are stored", stored.len(), published());
    let ids: BTreeSet<&str> = stored.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), stored.len(), "each once");
    let is_history = |event: &&Value| event["known_at_ms"] == event["event_time_ms"];
    assert!(
        stored.iter().filter(is_history).count() >= 20,
        "known when they happened, not when they were asked for"
    );
    let gaps = ingest.stored("gap", venue).await;
    let told = gaps.iter().any(|gap| {
        gap["stream"] == "liquidations"
            && gap["reason"] == "closed"
            && gap["to_ms"].as_i64() >= Some(broken_at.ms())
    });
    assert!(told, "that the answers are whole nobody knows");
    assert!(ingest.metrics.render().contains(r#"cascade_backfills_total{venue="okx",outcome="answered"}"#));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reconnects_of_hundreds_of_markets_breaks_no_limit_of_any_venue() {
    let ingest = Ingest::start("storm", 10.0, &[("ingest.symbols", "all")], |_| {}).await;
    let stand = Venue::ALL.map(|venue| ingest.simulator.connections(venue));
    for round in 0..8 {
        for venue in Venue::ALL {
            ingest.simulator.faults().close(venue);
        }
        for (venue, stand) in Venue::ALL.into_iter().zip(stand) {
            let back = eventually(DEADLINE, async || ingest.simulator.connections(venue) == stand);
            assert!(back.await, "{venue} in round {round}");
        }
    }
    for venue in Venue::ALL {
        assert!(ingest.delivers(venue).await, "{venue}");
        assert_eq!(ingest.simulator.refused_for_rate(venue), 0, "{venue}");
    }
    assert!(
        stand.into_iter().sum::<usize>() > 8,
        "{stand:?}: hundreds of markets need more than one connection"
    );
    ingest.stop().await;
}
