//! What the tests share: a system of which only the traces on Redis are real, a coordinator that looks at it, and a clock
//! that can be moved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cascade_bus::{Bus, Claim, Stored, StreamBounds, Write};
use cascade_domain::{Event, Shard, Tick, Venue};
use cascade_pace::Clock;
use cascade_service::config::{Document, Sources};
use cascade_service::{
    Context, Health, Metrics, Routes, Shutdown, Supervisor, SystemClock, TaskError, Traces, health,
};
use cascade_testkit::{Observer, TestRedis, eventually};
use cascade_wire::key;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine, wall time.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// The expected services.
pub(crate) const SERVICES: [&str; 4] =
    ["liquidation-ingest", "oi-detector", "cascade-signals", "alert-dispatcher"];
const BOUNDS: StreamBounds = StreamBounds { max_age_s: 600, max_len: 100_000, for_snapshots_s: 0 };
/// How often everything that lives says so.
const EVERY: Duration = Duration::from_millis(300);

/// The wall's clock, and whatever it was moved by.
#[derive(Debug)]
pub(crate) struct Moved {
    wall: SystemClock,
    by_ns: AtomicI64,
}

impl Moved {
    fn new() -> Self {
        Self { wall: SystemClock::new(), by_ns: AtomicI64::new(0) }
    }

    /// So long has passed.
    pub(crate) fn pass(&self, time: Duration) {
        self.by_ns.fetch_add(i64::try_from(time.as_nanos()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for Moved {
    fn now_ns(&self) -> i64 {
        self.wall.now_ns() + self.by_ns.load(Ordering::SeqCst)
    }

    fn wall(&self, of_clock: Duration) -> Duration {
        of_clock
    }
}

/// Who lives.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    /// Heartbeats by key.
    pub(crate) beats: BTreeMap<String, Value>,
    /// Owners of shards: engine, owner, from which shard to which.
    pub(crate) owners: Vec<(&'static str, String, std::ops::Range<u8>)>,
    /// Whether ticks are written.
    pub(crate) ticks: bool,
}

/// Where a replica of a service says that it lives.
pub(crate) fn beat_of(service: &str) -> String {
    key::heartbeat(service, "a")
}

/// What a replica with an engine says.
pub(crate) fn engine_beat(engine: &str, shards: u64) -> Value {
    json!({"version": "0.1.0", "uptime_s": 60, "engine": engine, "shards_owned": shards, "lag_ms": 700})
}

impl Alive {
    fn all() -> Self {
        let plain = json!({"version": "0.1.0", "uptime_s": 60});
        let mut beats: BTreeMap<_, _> = SERVICES.iter().map(|name| (beat_of(name), plain.clone())).collect();
        for service in ["oi-detector", "cascade-signals"] {
            beats.insert(beat_of(service), engine_beat("0.1.0+aa", 64));
        }
        let owner = |engine| (engine, "a 0.1.0+aa".to_owned(), 0..64);
        Self { beats, owners: vec![owner("cascade"), owner("oi")], ticks: true }
    }
}

/// A system, and a coordinator that looks at it.
pub(crate) struct Site {
    pub(crate) redis: TestRedis,
    pub(crate) clock: Arc<Moved>,
    pub(crate) metrics: Metrics,
    pub(crate) observer: Observer,
    alive: Arc<Mutex<Alive>>,
    address: SocketAddr,
    shutdown: Shutdown,
    coordinator: JoinHandle<Result<(), TaskError>>,
    system: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.system.abort();
        self.coordinator.abort();
    }
}

/// An answer to `/health`.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) report: Value,
}

impl Said {
    pub(crate) fn of_service(&self, name: &str) -> String {
        self.report["services"][name]["reason"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn reason(&self, name: &str) -> String {
        self.report["reasons"][name].as_str().unwrap_or_default().to_owned()
    }
}

impl Site {
    /// A system that is well; the coordinator has seen that.
    pub(crate) async fn healthy() -> Self {
        let site = Self::start(Alive::all()).await;
        site.until("it is well", |said| said.status == 200).await;
        site
    }

    async fn start(alive: Alive) -> Self {
        let redis = TestRedis::start().await.unwrap();
        let bus = redis.bus("system").unwrap();
        let alive = Arc::new(Mutex::new(alive));
        let system = tokio::spawn(live(bus, Arc::clone(&alive)));

        let environment = vec![("CASCADE_REDIS__URL".to_owned(), redis.url())];
        let (document, mut mistakes) = Document::load(&Sources { environment, ..Sources::default() });
        let config = coordinator::Config::read(&document, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes}");
        let name = coordinator::PROGRAM.name;
        let (health, metrics, routes) = (Health::new(), Metrics::new(name, "0"), Routes::default());
        let (shutdown, clock) = (Shutdown::new(), Arc::new(Moved::new()));
        let mut supervisor = Supervisor::new(&shutdown, DEADLINE);
        let (own, stop) = ((health.clone(), metrics.clone(), routes.clone()), supervisor.shutdown());
        let (address, server) = health::serve("127.0.0.1:0", own.0, own.1, own.2, stop).await.unwrap();
        supervisor.spawn("health", server);
        let context = Context {
            name,
            version: "0",
            instance: "one".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            seed: 1,
            health,
            metrics: metrics.clone(),
            routes,
            traces: Traces::off(),
            shutdown: supervisor.shutdown(),
            deadline: Duration::from_secs(10),
        };
        supervisor.spawn(name, coordinator::run(config, context));
        let coordinator = tokio::spawn(supervisor.run());
        let observer = Observer::connect(&redis.url(), &[]).await.unwrap();
        Self { redis, clock, metrics, observer, alive, address, shutdown, coordinator, system }
    }

    /// Changes who lives.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Alive)) {
        change(&mut self.alive.lock().unwrap());
    }

    /// Nobody renews this heartbeat any more, and so long is left of it. What was under way is waited for.
    pub(crate) async fn kill(&self, key: &str, left: Duration) {
        self.change(|alive| drop(alive.beats.remove(key)));
        let left_ms = left.as_millis().to_string();
        let fell = eventually(DEADLINE, async || {
            let set: i64 = self.observer.command("PEXPIRE", &[key, &left_ms, "LT"]).await.unwrap();
            tokio::time::sleep(EVERY * 2).await;
            let now: i64 = self.observer.command("PTTL", &[key]).await.unwrap();
            set == 0 && now < i64::try_from(left.as_millis()).unwrap()
        });
        assert!(fell.await, "{key} is still renewed");
    }

    /// What `/health` says now.
    pub(crate) async fn health(&self) -> Said {
        let (status, report) = self.get("/health").await;
        Said { status, report }
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/status").await.1
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = reqwest::Client::new().get(format!("http://{}{path}", self.address));
        let answer = answer.timeout(Duration::from_secs(10)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Asks until it is so; what was said then.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Said) -> bool) -> Said {
        let mut last = None;
        let came = eventually(DEADLINE, async || {
            let said = self.health().await;
            let done = is_so(&said);
            last = Some(said);
            done
        });
        let came = came.await;
        assert!(came, "not {what}: {last:?}");
        last.unwrap()
    }

    /// The figure of this line of the metrics.
    pub(crate) fn metric(&self, line: &str) -> Option<f64> {
        let text = self.metrics.render();
        text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')).and_then(|v| v.parse().ok())
    }

    /// Stops the coordinator as a signal would.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.request();
        (&mut self.coordinator).await.unwrap().unwrap();
    }
}

/// Says again and again that everything lives that does.
async fn live(bus: Bus, alive: Arc<Mutex<Alive>>) {
    loop {
        let Alive { beats, owners, ticks } = alive.lock().unwrap().clone();
        let mut writes: Vec<_> = beats
            .into_iter()
            .map(|(key, beat)| Write::Json { key, json: beat.to_string(), ttl_s: 15 })
            .collect();
        let feed = json!({"status": "live", "since_ms": 1, "reconnects": 0, "liquidations": 7, "reason": ""});
        writes.push(Write::Json { key: key::feed_health(Venue::Okx), json: feed.to_string(), ttl_s: 60 });
        bus.write_readings(&writes).await.ok();
        for (engine, owner, shards) in owners {
            let claim = Claim { engine: engine.to_owned(), owner, ttl_ms: 10_000 };
            let shards: Vec<_> = shards.filter_map(Shard::new).collect();
            bus.take(&claim, &shards).await;
        }
        if ticks {
            let tick = Event::Tick(Tick {
                event_time_ms: SystemClock::new().now(),
                btc_price: None,
                btc_usd_volume_1s: None,
                btc_venues_changed: false,
                feeds: [].into(),
            });
            let tick = Stored::event(&tick, 60).unwrap();
            bus.store(Shard::new(0).unwrap(), &[tick], BOUNDS).await.ok();
        }
        tokio::time::sleep(EVERY).await;
    }
}
