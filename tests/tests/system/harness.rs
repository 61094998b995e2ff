//! Starts, stops and watches the whole system.

use std::sync::Arc;
use std::time::Duration;

use cascade_domain::{EventTime, Shard, Symbol, Venue};
use cascade_pace::Clock;
use cascade_service::config::{Document, Mistakes, Override, Sources};
use cascade_service::{BoxError, Context, Health, Markets, Metrics, Shutdown, SystemClock};
use cascade_simulator::{Faults, Scenario, Simulator};
use cascade_testkit::{Observer, TestCluster, TestRedis, eventually};
use cascade_wire::key;
use serde_json::Value;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// What a service has to stop, wall time.
const DRAIN: Duration = Duration::from_secs(10);

/// A service that runs.
pub(crate) struct Service {
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), BoxError>>,
}

impl Service {
    /// Whether it has not ended.
    pub(crate) fn lives(&self) -> bool {
        !self.task.is_finished()
    }

    /// Whether it says that it can do its work.
    pub(crate) fn is_ready(&self) -> bool {
        self.health.readiness().is_ready()
    }

    /// Asks it to stop, and waits; it must have run until now and end well.
    pub(crate) async fn stop(&mut self) {
        assert!(self.lives(), "it ended by itself");
        self.shutdown.request();
        (&mut self.task).await.unwrap().unwrap();
    }

    /// Everything that it tells Prometheus.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// The sum of a metric's lines that contain all of these.
    pub(crate) fn counted(&self, parts: &[&str]) -> f64 {
        let text = self.metrics.render();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// A Redis of a test's own.
pub(crate) trait Server {
    /// Its URL for the services.
    fn url(&self) -> String;
    /// Its URL for the observer.
    fn observed_url(&self) -> String {
        self.url()
    }
}

impl Server for TestRedis {
    fn url(&self) -> String {
        self.url()
    }
}

impl Server for TestCluster {
    fn url(&self) -> String {
        self.url()
    }

    fn observed_url(&self) -> String {
        self.observed_url()
    }
}

/// Everything, running.
pub(crate) struct System<R = TestRedis> {
    pub(crate) redis: R,
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) ingest: Service,
    pub(crate) signals: Service,
    document: Document,
    clock: Arc<SystemClock>,
    exchanges: Shutdown,
}

impl<R: Server> System<R> {
    /// Starts everything on this Redis, with these settings changed, and waits until every feed delivers and every
    /// shard has its engine. The scenario's own start is the test's.
    pub(crate) async fn start(redis: R, speed: f64, settings: &[(&str, &str)]) -> Self {
        Self::play("cascade", redis, (speed, settings), |_| {}).await
    }

    /// The same with a scenario, on exchanges that are prepared before anybody connects to them.
    pub(crate) async fn play(
        scenario: &str,
        redis: R,
        (speed, settings): (f64, &[(&str, &str)]),
        prepare: impl FnOnce(&Faults),
    ) -> Self {
        let (document, clock) = (document(settings), Arc::new(SystemClock::try_new(speed).unwrap()));
        let scenario = Scenario::named(scenario).unwrap();
        let simulator = Simulator::bind(scenario, 1, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        prepare(&simulator.faults());
        Self::on(simulator, redis, document, clock).await
    }

    /// The same with a scenario that is played again after a pause, at this speed.
    pub(crate) async fn again(scenario: &str, redis: R, speed: f64, pause: Duration) -> Self {
        let clock = Arc::new(SystemClock::try_new(speed).unwrap());
        let scenario = Scenario::named(scenario).unwrap();
        let simulator = Simulator::bind(scenario, 1, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        Self::on(simulator.repeating(pause), redis, document(&[]), clock).await
    }

    async fn on(simulator: Simulator, redis: R, document: Document, clock: Arc<SystemClock>) -> Self {
        let (simulator, exchanges) = (Arc::new(simulator), Shutdown::new());
        let (running, asked) = (Arc::clone(&simulator), exchanges.clone());
        tokio::spawn(async move { running.run(async move { asked.requested().await }).await.unwrap() });
        let ingest = ingest(&document, &clock, &redis.url(), &simulator);
        let signals = signals(&document, &clock, &redis.url());
        let system = Self { redis, simulator, ingest, signals, document, clock, exchanges };
        system.is_up().await;
        system
    }

    /// Waits until every feed delivers and every shard has its engine.
    pub(crate) async fn is_up(&self) {
        let observer = self.observer(&[]).await;
        let up = eventually(DEADLINE, async || {
            let mut delivering = self.signals.is_ready();
            for venue in Venue::ALL {
                delivering &= matches!(feed(&observer, venue).await.as_str(), "live" | "sampled" | "partial");
            }
            delivering
        });
        assert!(up.await, "{:?} {:?}", self.ingest.health.readiness(), self.signals.health.readiness());
    }

    /// Eyes on Redis; from here on nothing of these channels is missed.
    pub(crate) async fn observer(&self, channels: &[&str]) -> Observer {
        Observer::connect(&self.redis.observed_url(), channels).await.unwrap()
    }

    /// The clock's time.
    pub(crate) fn now(&self) -> EventTime {
        self.clock.now()
    }

    /// A handle by which the exchanges are broken.
    pub(crate) fn faults(&self) -> Faults {
        self.simulator.faults()
    }

    /// Starts another cascade-signals, which must wait for the shards, and stops the first.
    pub(crate) async fn restart_signals(&mut self) {
        let next = signals(&self.document, &self.clock, &self.redis.url());
        self.signals.stop().await;
        self.signals = next;
    }

    /// An oi-detector; whoever asks for it stops it.
    pub(crate) fn oi_detector(&self) -> Service {
        oi_detector(&self.document, &self.clock, &self.redis.url(), &self.simulator)
    }

    /// An alert-dispatcher that tells nobody but this output; whoever asks for it stops it.
    pub(crate) fn dispatcher(&self, output: cascade_notify::Output) -> Service {
        let mut mistakes = Mistakes::default();
        let mut config = alert_dispatcher::Config::read_any(&self.document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        config.redis_url = cascade_bus::RedisUrl::parse(&self.redis.url()).unwrap();
        config.dispatch.history_path = String::new();
        config.add_stdout().unwrap();
        config.output = Some(output);
        let name = alert_dispatcher::PROGRAM.name;
        service(name, &self.clock, |context| alert_dispatcher::run(config, context))
    }

    /// A coordinator; whoever asks for it stops it.
    pub(crate) fn coordinator(&self) -> Service {
        let mut mistakes = Mistakes::default();
        let mut config = coordinator::Config::read(&self.document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        config.redis_url = cascade_bus::RedisUrl::parse(&self.redis.url()).unwrap();
        service(coordinator::PROGRAM.name, &self.clock, |context| coordinator::run(config, context))
    }

    /// Another replica of liquidation-ingest, which stands by.
    pub(crate) fn spare_ingest(&self) -> Service {
        ingest(&self.document, &self.clock, &self.redis.url(), &self.simulator)
    }

    /// Stops liquidation-ingest, and starts it again as another process.
    pub(crate) async fn restart_ingest(&mut self) {
        self.ingest.stop().await;
        self.ingest = ingest(&self.document, &self.clock, &self.redis.url(), &self.simulator);
    }

    /// Stops everything; it must have run until now.
    pub(crate) async fn stop(mut self) {
        self.signals.stop().await;
        self.ingest.stop().await;
        self.exchanges.request();
    }
}

/// The status that `feed:VENUE:health` shows; empty where there is none.
pub(crate) async fn feed(observer: &Observer, venue: Venue) -> String {
    let reading = observer.reading(&key::feed_health(venue)).await.ok().flatten().unwrap_or_default();
    reading["status"].as_str().unwrap_or_default().to_owned()
}

/// Everything in the stream of BTC's shard, oldest first.
pub(crate) async fn bitcoin_stream(observer: &Observer) -> Vec<Value> {
    let key = key::market(Shard::of(&Symbol::parse("BTCUSDT").unwrap()));
    observer.stream(&key).await.unwrap_or_default().into_iter().flat_map(|entry| entry.values).collect()
}

/// The reasons of the gaps in this venue's stream that BTC's shard was told of, but for those of the first connection.
pub(crate) async fn gaps(observer: &Observer, venue: Venue, stream: &str) -> Vec<String> {
    let told = |event: &Value| {
        let ours = event["kind"] == "gap" && event["venue"] == venue.as_str() && event["stream"] == stream;
        let reason = event["reason"].as_str().unwrap_or_default();
        (ours && reason != "start").then(|| reason.to_owned())
    };
    bitcoin_stream(observer).await.iter().filter_map(told).collect()
}

fn document(settings: &[(&str, &str)]) -> Document {
    let overrides = settings.iter().map(|(key, text)| Override {
        key: (*key).to_owned(),
        text: (*text).to_owned(),
        flag: "test".to_owned(),
    });
    Document::load(&Sources { overrides: overrides.collect(), ..Sources::default() }).0
}

fn ingest(document: &Document, clock: &Arc<SystemClock>, url: &str, simulator: &Simulator) -> Service {
    let mut mistakes = Mistakes::default();
    let mut config = liquidation_ingest::Config::read(document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    config.redis_url = cascade_bus::RedisUrl::parse(url).unwrap();
    lead_to(simulator, &mut config.markets);
    service(liquidation_ingest::PROGRAM.name, clock, |context| liquidation_ingest::run(config, context))
}

fn oi_detector(document: &Document, clock: &Arc<SystemClock>, url: &str, simulator: &Simulator) -> Service {
    let mut mistakes = Mistakes::default();
    let mut config = oi_detector::Config::read(document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    config.redis_url = cascade_bus::RedisUrl::parse(url).unwrap();
    lead_to(simulator, &mut config.markets);
    service(oi_detector::PROGRAM.name, clock, |context| oi_detector::run(config, context))
}

/// Every venue is reached at its simulated exchange.
fn lead_to(simulator: &Simulator, markets: &mut Markets) {
    for (venue, section) in &mut markets.venues {
        let endpoints = simulator.endpoints(*venue);
        section.ws_url = endpoints.ws_url;
        section.rest_url = endpoints.rest_url;
        section.coinm_rest_url = endpoints.coinm_rest_url;
    }
}

fn signals(document: &Document, clock: &Arc<SystemClock>, url: &str) -> Service {
    let mut mistakes = Mistakes::default();
    let mut config = cascade_signals::Config::read(document, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    config.redis_url = cascade_bus::RedisUrl::parse(url).unwrap();
    service(cascade_signals::PROGRAM.name, clock, |context| cascade_signals::run(config, context))
}

fn service<F>(name: &'static str, clock: &Arc<SystemClock>, run: impl FnOnce(Context) -> F) -> Service
where
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (health, metrics, shutdown) = (Health::new(), Metrics::new(name, "0"), Shutdown::new());
    let seed = cascade_service::random_seed().unwrap();
    let context = Context {
        name,
        version: "0",
        instance: format!("{:08x}", seed >> 32),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        seed,
        health: health.clone(),
        metrics: metrics.clone(),
        routes: cascade_service::Routes::default(),
        traces: cascade_service::Traces::off(),
        shutdown: shutdown.clone(),
        deadline: DRAIN,
    };
    Service { health, metrics, shutdown, task: tokio::spawn(run(context)) }
}
